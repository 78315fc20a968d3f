// SPDX-License-Identifier: Apache-2.0
//
// Becoming the coordinator of a partition's groups, and ceasing to be it. Loading reads the partition from its start
// to the end it had when the load began (nobody appends to it meanwhile: requests are sent off), a piece at a time, so
// that the disk pool serves others in between.
#include <stdlib.h>

#include "base/logging.h"
#include "broker/cluster/must.h"
#include "broker/group/coordinator_internal.h"
#include "broker/group/group_records.h"

#define LOAD_OFFSETS_AT_ONCE 100000

struct load {
    struct pool_job job; // first
    struct coordinator *coordinator;
    struct partition *partition; // referenced
    int32_t index;
    struct group_replay *replay;
    int64_t next;
    int64_t end;
    int64_t began_us;
    size_t groups;
};

// ---------------------------------------------------------------------------------------------------------------
// The end of a load

static void load_free(struct load *l)
{
    struct coordinator *c = l->coordinator;
    group_replay_free(l->replay);
    partition_unref(l->partition);
    free(l);
    mutex_lock(&c->table_mu);
    c->loads--;
    cond_broadcast(&c->changed);
    mutex_unlock(&c->table_mu);
}

// Still wanted: this broker has not resigned since. Then its state becomes `next`.
static bool load_is_current(struct load *l, enum ownership next)
{
    struct coordinator *c = l->coordinator;
    mutex_lock(&c->table_mu);
    struct owned_partition *o = &c->owned[l->index];
    bool current = o->load == l && o->state == OWNERSHIP_LOADING && !c->stopping;
    if (current) {
        o->state = next;
    }
    mutex_unlock(&c->table_mu);
    return current;
}

static void group_take(void *ctx, struct group *g)
{
    static const struct group_event loaded = {.type = GROUP_LOADED};
    struct load *l = ctx;
    struct group_slot *s = coordinator_slot_add(l->coordinator, l->index, l->partition, g);
    group_slot_feed(s, &loaded);
    group_slot_unref(s);
    l->groups++;
}

// Nothing of a partition that is no longer ours stays in the table.
static void groups_unload(struct coordinator *c, int32_t index)
{
    static const struct group_event unload = {.type = GROUP_UNLOAD};
    size_t count;
    struct group_slot **all = coordinator_slots(c, index, &count);
    for (size_t i = 0; i < count; i++) {
        group_slot_feed(all[i], &unload);
        group_slot_unref(all[i]);
    }
    free(all);
}

static void load_succeed(struct load *l)
{
    struct coordinator *c = l->coordinator;
    if (!load_is_current(l, OWNERSHIP_LOADING)) {
        return;
    }
    uint64_t records = group_replay_records(l->replay);
    group_replay_finish(l->replay, group_take, l);
    if (!load_is_current(l, OWNERSHIP_LOADED)) {
        groups_unload(c, l->index); // leadership went while they were put in
        return;
    }
    if (records > 0) {
        log_info("group", "%zu groups of %s-%d are loaded: %llu records in %lld ms", l->groups, TOPIC_CONSUMER_OFFSETS,
                 (int)l->index, (unsigned long long)records,
                 (long long)((os_mono_us(c->options.os) - l->began_us) / 1000));
    }
}

static void load_fail(struct load *l, enum err err)
{
    if (load_is_current(l, OWNERSHIP_FAILED)) {
        log_error(
            "group",
            "the groups of %s-%d cannot be loaded (%s at or after offset %lld): they are out of service until the "
            "partition can be read",
            TOPIC_CONSUMER_OFFSETS, (int)l->index, err_text(err), (long long)l->next);
    }
}

// ---------------------------------------------------------------------------------------------------------------

static void load_run(struct pool_job *job)
{
    struct load *l = (struct load *)job;
    struct coordinator *c = l->coordinator;
    int64_t end = l->end - l->next > LOAD_OFFSETS_AT_ONCE ? l->next + LOAD_OFFSETS_AT_ONCE : l->end;
    enum err err = ERR_OK;
    if (l->next < end) {
        err = partition_records_each(l->partition, l->next, end, (size_t)c->options.load_buffer_bytes,
                                     group_replay_record, l->replay);
    }
    if (err == ERR_OK && end < l->end && load_is_current(l, OWNERSHIP_LOADING)) {
        l->next = end;
        pool_submit(c->options.pool, &l->job);
        return;
    }
    if (err != ERR_OK) {
        load_fail(l, err);
    } else if (end == l->end) {
        load_succeed(l);
    }
    load_free(l);
}

static void load_begin(struct load *l)
{
    struct coordinator *c = l->coordinator;
    l->replay = group_replay_new(&c->options.group, coordinator_now(c));
    l->next = partition_log_start(l->partition);
    l->end = partition_log_end(l->partition);
    l->began_us = os_mono_us(c->options.os);
    l->job.run = load_run;
    pool_submit(c->options.pool, &l->job);
}

// ---------------------------------------------------------------------------------------------------------------

// Under the table's mutex.
static struct owned_partition *owned_of(struct coordinator *c, int32_t index)
{
    if (index >= c->owned_count) {
        struct owned_partition *grown = must_array((size_t)index + 1, sizeof *grown);
        if (c->owned_count > 0) {
            memcpy(grown, c->owned, (size_t)c->owned_count * sizeof *grown);
        }
        for (int32_t i = c->owned_count; i <= index; i++) {
            grown[i].leader_epoch = -1;
        }
        free(c->owned);
        c->owned = grown;
        c->owned_count = index + 1;
    }
    return &c->owned[index];
}

void coordinator_lead(struct coordinator *c, int32_t index, int32_t leader_epoch)
{
    struct load *l = NULL;
    struct partition *p;
    if (replica_manager_find(c->options.replicas, slice_str(TOPIC_CONSUMER_OFFSETS), index, &p) != ERR_OK) {
        return;
    }
    mutex_lock(&c->table_mu);
    struct owned_partition *o = owned_of(c, index);
    if (leader_epoch >= o->leader_epoch && !c->stopping) {
        o->leader_epoch = leader_epoch;
        if (o->state == OWNERSHIP_NONE) {
            l = must_alloc(sizeof *l);
            *l = (struct load){.coordinator = c, .partition = p, .index = index};
            partition_ref(p);
            o->state = OWNERSHIP_LOADING;
            o->load = l;
            o->partition = p;
            c->loads++;
        }
    }
    mutex_unlock(&c->table_mu);
    if (l != NULL) {
        load_begin(l);
    } else {
        partition_unref(p);
    }
}

void coordinator_resign(struct coordinator *c, int32_t index, int32_t leader_epoch)
{
    struct partition *p = NULL;
    mutex_lock(&c->table_mu);
    struct owned_partition *o = owned_of(c, index);
    bool end = leader_epoch >= o->leader_epoch && o->state != OWNERSHIP_NONE;
    if (leader_epoch == COORDINATOR_GONE) {
        o->leader_epoch = -1; // a topic of the same name begins anew
    } else if (leader_epoch > o->leader_epoch) {
        o->leader_epoch = leader_epoch;
    }
    if (end) {
        o->state = OWNERSHIP_NONE;
        o->load = NULL;
        p = o->partition;
        o->partition = NULL;
    }
    mutex_unlock(&c->table_mu);
    if (end) {
        groups_unload(c, index);
        partition_unref(p);
    }
}
