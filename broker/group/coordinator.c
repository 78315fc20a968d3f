// SPDX-License-Identifier: Apache-2.0
//
// The table of groups, and the ways into it.
#include "broker/group/coordinator.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/logging.h"
#include "broker/cluster/java_hash.h"
#include "broker/cluster/must.h"
#include "broker/group/coordinator_internal.h"
#include "protocol/protocol.h"

struct group_time coordinator_now(const struct coordinator *c)
{
    return (struct group_time){.mono_ms = os_mono_us(c->options.os) / 1000, .wall_ms = os_wall_ms(c->options.os)};
}

// ---------------------------------------------------------------------------------------------------------------
// The table

// The partition a group belongs to, -1 while the topic is not there.
static int32_t partition_of(struct coordinator *c, const struct metadata *m, struct slice group_id)
{
    int32_t count = atomic_load(&c->partitions_count);
    if (count == 0) {
        const struct metadata_topic *t = metadata_topic_find(m, slice_str(TOPIC_CONSUMER_OFFSETS));
        if (t == NULL) {
            return -1;
        }
        int32_t none = 0;
        count = t->partitions_count;
        if (!atomic_compare_exchange_strong(&c->partitions_count, &none, count)) {
            count = none;
        }
    }
    return java_string_partition(group_id, count);
}

// Under the table's mutex.
static int16_t ownership_error(const struct coordinator *c, int32_t index)
{
    if (index < 0 || index >= c->owned_count) {
        return KAFKA_ERROR_NOT_COORDINATOR;
    }
    switch (c->owned[index].state) {
    case OWNERSHIP_LOADED:
        return KAFKA_ERROR_NONE;
    case OWNERSHIP_LOADING:
        return KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    case OWNERSHIP_FAILED:
        return KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    case OWNERSHIP_NONE:
        break;
    }
    return KAFKA_ERROR_NOT_COORDINATOR;
}

int16_t coordinator_check(struct coordinator *c, const struct metadata *m, struct slice group_id)
{
    int32_t index = partition_of(c, m, group_id);
    mutex_lock(&c->table_mu);
    int16_t error = ownership_error(c, index);
    mutex_unlock(&c->table_mu);
    return error;
}

static struct group_slot *slot_new(struct coordinator *c, int32_t index, struct partition *p, struct slice id)
{
    struct group_slot *s = must_alloc(sizeof *s + id.len);
    if (id.len > 0) {
        memcpy(s + 1, id.data, id.len);
    }
    s->id = slice_of(s + 1, id.len);
    s->coordinator = c;
    s->partition_index = index;
    s->partition = p;
    partition_ref(p);
    atomic_init(&s->refs, 1);
    mutex_init(&s->mu, MUTEX_RANK_GROUP);
    STAILQ_INIT(&s->appends);
    return s;
}

// Under the table's mutex.
static void slot_put(struct coordinator *c, struct group_slot *s)
{
    HASH_ADD_KEYPTR(hh, c->table, s->id.data, (unsigned)s->id.len, s);
}

struct group_slot *coordinator_slot_add(struct coordinator *c, int32_t index, struct partition *p, struct group *g)
{
    struct group_slot *s = slot_new(c, index, p, group_id(g));
    s->group = g;
    atomic_fetch_add(&s->refs, 1);
    mutex_lock(&c->table_mu);
    slot_put(c, s);
    mutex_unlock(&c->table_mu);
    return s;
}

struct group_slot *coordinator_slot_find(struct coordinator *c, const struct metadata *m, struct slice group_id,
                                         bool make, int16_t *error)
{
    struct group_slot *s = NULL;
    int32_t index = partition_of(c, m, group_id);
    mutex_lock(&c->table_mu);
    *error = ownership_error(c, index);
    if (*error == KAFKA_ERROR_NONE) {
        HASH_FIND(hh, c->table, group_id.data, (unsigned)group_id.len, s);
        if (s == NULL && make) {
            s = slot_new(c, index, c->owned[index].partition, group_id);
            s->group = group_new(&c->options.group, s->id, coordinator_now(c));
            slot_put(c, s);
        }
        if (s != NULL) {
            atomic_fetch_add(&s->refs, 1);
        }
    }
    mutex_unlock(&c->table_mu);
    return s;
}

struct group_slot **coordinator_slots(struct coordinator *c, int32_t index, size_t *count)
{
    size_t n = 0;
    mutex_lock(&c->table_mu);
    struct group_slot **all = must_array(HASH_COUNT(c->table), sizeof(struct group_slot *));
    struct group_slot *s, *next;
    HASH_ITER (hh, c->table, s, next) {
        if (index < 0 || s->partition_index == index) {
            atomic_fetch_add(&s->refs, 1);
            all[n++] = s;
        }
    }
    mutex_unlock(&c->table_mu);
    *count = n;
    return all;
}

// ---------------------------------------------------------------------------------------------------------------
// Asking

static bool event_makes_group(const struct group_event *e)
{
    return (e->type == GROUP_JOIN && e->join.member_id.len == 0) ||
           (e->type == GROUP_COMMIT && (e->commit.generation < 0 || e->commit.transactional));
}

enum err coordinator_ask(struct coordinator *c, const struct metadata *m, struct slice group_id, struct group_event *e,
                         int16_t *error, struct group_call **call)
{
    struct group_slot *s;
    bool asked = false;
    while (!asked && (s = coordinator_slot_find(c, m, group_id, event_makes_group(e), error)) != NULL) {
        mutex_lock(&s->mu);
        if (s->group != NULL) { // else it has died meanwhile: look again
            *call = group_call_new();
            group_call_ref(*call); // the token's
            e->token = (uint64_t)(uintptr_t)*call;
            group_slot_step(s, e);
            asked = true;
        }
        mutex_unlock(&s->mu);
        group_slot_unref(s);
    }
    if (asked) {
        return ERR_OK;
    }
    return *error == KAFKA_ERROR_NONE ? ERR_NOT_FOUND : ERR_INVALID;
}

int16_t coordinator_look(struct coordinator *c, const struct metadata *m, struct slice group_id,
                         coordinator_look_fn *fn, void *ctx)
{
    int16_t error;
    struct group_slot *s = coordinator_slot_find(c, m, group_id, false, &error);
    if (error != KAFKA_ERROR_NONE) {
        return error;
    }
    if (s == NULL) {
        fn(ctx, NULL);
        return KAFKA_ERROR_NONE;
    }
    mutex_lock(&s->mu);
    fn(ctx, s->group);
    mutex_unlock(&s->mu);
    group_slot_unref(s);
    return KAFKA_ERROR_NONE;
}

bool coordinator_each(struct coordinator *c, coordinator_look_fn *fn, void *ctx)
{
    size_t count;
    struct group_slot **all = coordinator_slots(c, -1, &count);
    for (size_t i = 0; i < count; i++) {
        mutex_lock(&all[i]->mu);
        if (all[i]->group != NULL) {
            fn(ctx, all[i]->group);
        }
        mutex_unlock(&all[i]->mu);
        group_slot_unref(all[i]);
    }
    free(all);
    mutex_lock(&c->table_mu);
    bool loading = c->loads > 0;
    mutex_unlock(&c->table_mu);
    return loading;
}

void coordinator_counts(struct coordinator *c, struct group_counts *out)
{
    mutex_lock(&c->table_mu);
    *out = c->counts;
    mutex_unlock(&c->table_mu);
}

// ---------------------------------------------------------------------------------------------------------------
// What happens to all groups

static void event_to_all(struct coordinator *c, const struct group_event *e)
{
    size_t count;
    struct group_slot **all = coordinator_slots(c, -1, &count);
    for (size_t i = 0; i < count; i++) {
        group_slot_feed(all[i], e);
        group_slot_unref(all[i]);
    }
    free(all);
}

static void expiry_round(void *ctx)
{
    static const struct group_event expire = {.type = GROUP_EXPIRE_OFFSETS};
    event_to_all(ctx, &expire);
}

// A deleted topic on its way to the loop.
struct topic_deletion {
    struct mailbox_item item; // first
    struct coordinator *coordinator;
    char *topic;
    int32_t partitions_count;
};

static void topic_deletion_run(struct mailbox_item *item)
{
    struct topic_deletion *d = (struct topic_deletion *)item;
    struct group_topic_partition *list = must_array((size_t)d->partitions_count, sizeof *list);
    for (int32_t i = 0; i < d->partitions_count; i++) {
        list[i] = (struct group_topic_partition){.topic = slice_str(d->topic), .partition = i};
    }
    const struct group_event e = {.type = GROUP_TOPICS_DELETED,
                                  .partitions = {.list = list, .count = d->partitions_count}};
    event_to_all(d->coordinator, &e);
    free(list);
    free(d->topic);
    free(d);
}

// ---------------------------------------------------------------------------------------------------------------
// What the controller says. [control]

static bool is_offsets_topic(const char *topic)
{
    return strcmp(topic, TOPIC_CONSUMER_OFFSETS) == 0;
}

static enum err hook_changed(void *ctx, const struct cluster_partition_state *s)
{
    struct coordinator *c = ctx;
    enum err err = c->inner.partition_changed(c->inner.ctx, s);
    if (err != ERR_FENCED_EPOCH && is_offsets_topic(s->topic)) { // else nothing has changed
        if (err == ERR_OK && s->leader == atomic_load(&c->broker_id)) {
            coordinator_lead(c, s->partition, s->leader_epoch);
        } else {
            coordinator_resign(c, s->partition, s->leader_epoch);
        }
    }
    return err;
}

static enum err hook_removed(void *ctx, const char *topic, int32_t partition, int32_t leader_epoch, bool erase)
{
    struct coordinator *c = ctx;
    enum err err = c->inner.partition_removed(c->inner.ctx, topic, partition, leader_epoch, erase);
    if (err != ERR_FENCED_EPOCH && is_offsets_topic(topic)) {
        coordinator_resign(c, partition, COORDINATOR_GONE);
    }
    return err;
}

static void hook_config_changed(void *ctx, const char *topic, int32_t partition, const struct topic_config *config)
{
    const struct coordinator *c = ctx;
    if (c->inner.config_changed != NULL) {
        c->inner.config_changed(c->inner.ctx, topic, partition, config);
    }
}

static void hook_picture_changed(void *ctx, const struct metadata *picture)
{
    const struct coordinator *c = ctx;
    if (c->inner.picture_changed != NULL) {
        c->inner.picture_changed(c->inner.ctx, picture);
    }
}

static void hook_isr_answered(void *ctx, const struct cluster_isr_answer *a)
{
    const struct coordinator *c = ctx;
    if (c->inner.isr_answered != NULL) {
        c->inner.isr_answered(c->inner.ctx, a);
    }
}

static void hook_topic_deleted(void *ctx, const char *topic, int32_t partitions_count)
{
    struct coordinator *c = ctx;
    if (c->inner.topic_deleted != NULL) {
        c->inner.topic_deleted(c->inner.ctx, topic, partitions_count);
    }
    struct topic_deletion *d = must_alloc(sizeof *d);
    d->item.run = topic_deletion_run;
    d->coordinator = c;
    d->topic = must_strdup(topic);
    d->partitions_count = partitions_count;
    loop_post(c->loop, &d->item);
}

struct cluster_hooks coordinator_hooks(struct coordinator *c, struct cluster_hooks inner)
{
    c->inner = inner;
    return (struct cluster_hooks){.partition_changed = hook_changed,
                                  .partition_removed = hook_removed,
                                  .topic_deleted = hook_topic_deleted,
                                  .config_changed = hook_config_changed,
                                  .picture_changed = hook_picture_changed,
                                  .isr_answered = hook_isr_answered,
                                  .ctx = c};
}

void coordinator_set_broker_id(struct coordinator *c, int32_t broker_id)
{
    atomic_store(&c->broker_id, broker_id);
}

// ---------------------------------------------------------------------------------------------------------------
// Life

// A call that the closing thread makes on the loop and waits for.
struct loop_call {
    struct mailbox_item item; // first
    void (*fn)(struct coordinator *c);
    struct coordinator *coordinator;
    bool done; // under the table's mutex
};

static void loop_call_run(struct mailbox_item *item)
{
    struct loop_call *call = (struct loop_call *)item;
    struct coordinator *c = call->coordinator;
    call->fn(c);
    mutex_lock(&c->table_mu);
    call->done = true;
    cond_broadcast(&c->changed);
    mutex_unlock(&c->table_mu);
}

static void loop_call(struct coordinator *c, void (*fn)(struct coordinator *c))
{
    struct loop_call call = {.item.run = loop_call_run, .fn = fn, .coordinator = c};
    loop_post(c->loop, &call.item);
    mutex_lock(&c->table_mu);
    while (!call.done) {
        cond_wait(&c->changed, &c->table_mu);
    }
    mutex_unlock(&c->table_mu);
}

static void expiry_stop(struct coordinator *c)
{
    background_stop(&c->expiry);
}

static void loop_end(struct coordinator *c)
{
    group_appends_end(c);
    group_timers_end(c);
}

static enum err loop_begin(struct coordinator *c)
{
    enum err err = loop_new("groups", c->options.os, &c->loop);
    if (err == ERR_OK) { // it does not run yet, so this thread may touch what is the loop's
        err = group_timers_init(c);
    }
    if (err == ERR_OK) {
        err = group_appends_init(c);
    }
    if (err == ERR_OK) {
        err = background_start(&c->expiry, c->loop, c->options.retention_check_ms);
    }
    if (err == ERR_OK) {
        err = loop_start(c->loop);
    }
    c->running = err == ERR_OK;
    return err;
}

enum err coordinator_open(const struct coordinator_options *o, struct coordinator **out)
{
    struct coordinator *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return ERR_NO_MEMORY;
    }
    c->options = *o;
    atomic_init(&c->broker_id, -1);
    mutex_init(&c->table_mu, MUTEX_RANK_LEAF);
    cond_init(&c->changed);
    background_init(&c->expiry, o->pool, o->retention_check_ms, expiry_round, c);
    TAILQ_INIT(&c->waiting);
    enum err err = loop_begin(c);
    if (err != ERR_OK) {
        coordinator_close(c);
        return err;
    }
    *out = c;
    return ERR_OK;
}

// Waits until nobody reads groups from a partition any more.
static void loads_end(struct coordinator *c)
{
    mutex_lock(&c->table_mu);
    c->stopping = true;
    while (c->loads > 0) {
        cond_wait(&c->changed, &c->table_mu);
    }
    mutex_unlock(&c->table_mu);
}

static void groups_drop(struct coordinator *c)
{
    size_t count;
    struct group_slot **all = coordinator_slots(c, -1, &count);
    for (size_t i = 0; i < count; i++) {
        struct group_slot *s = all[i];
        mutex_lock(&s->mu);
        static const struct group_event unload = {.type = GROUP_UNLOAD};
        group_slot_step(s, &unload); // nobody waits for an answer any more; it dies
        ASSERT(s->group == NULL);
        mutex_unlock(&s->mu);
        group_slot_unref(s);
    }
    free(all);
    for (int32_t i = 0; i < c->owned_count; i++) {
        if (c->owned[i].partition != NULL) {
            partition_unref(c->owned[i].partition);
        }
    }
    free(c->owned);
}

void coordinator_close(struct coordinator *c)
{
    loads_end(c);
    if (c->running) {
        loop_call(c, expiry_stop);
    } else {
        expiry_stop(c);
    }
    background_release(&c->expiry);
    if (c->running) {
        loop_call(c, loop_end);
        loop_stop(c->loop);
    } else {
        loop_end(c);
    }
    groups_drop(c);
    loop_free(c->loop);
    free(c->heap);
    mutex_destroy(&c->table_mu);
    cond_destroy(&c->changed);
    free(c);
}
