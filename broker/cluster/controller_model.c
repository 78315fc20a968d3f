// SPDX-License-Identifier: Apache-2.0
//
// What the controller knows of brokers, topics and partition states, and telling brokers about it.
#include <stdlib.h>

#include "base/assert.h"
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

#define BROKER_INFO_LIMIT ((size_t)16 * ZK_DATA_MAX_BYTES)

// ---------------------------------------------------------------------------------------------------------------
// Brokers

void model_broker_add(struct controller *c, int32_t id, int64_t epoch, struct slice data)
{
    struct controller_broker *b = must_alloc(sizeof *b);
    b->id = id;
    b->epoch = epoch;
    arena_init(&b->arena, BROKER_INFO_LIMIT);
    if (znode_broker_decode(data, &b->arena, &b->info) != ERR_OK) {
        arena_release(&b->arena); // a registration nobody can read is no broker
        free(b);
        return;
    }
    c->brokers = must_grow(c->brokers, c->brokers_count, &c->brokers_capacity, sizeof(struct controller_broker *));
    c->brokers[c->brokers_count++] = b;
}

bool model_broker_live(const struct controller *c, int32_t id)
{
    for (int32_t i = 0; i < c->brokers_count; i++) {
        if (c->brokers[i]->id == id) {
            return true;
        }
    }
    return false;
}

// ---------------------------------------------------------------------------------------------------------------
// Topics and partitions

struct controller_topic *model_topic_find(const struct controller *c, const char *name)
{
    struct controller_topic *t;
    HASH_FIND_STR(c->topics, name, t);
    return t;
}

static void partition_init(struct controller_partition *p, int32_t index, const struct znode_replicas *from)
{
    p->index = index;
    p->leader = -1;
    p->leader_epoch = -1;
    p->version = -1;
    if (from != NULL) {
        p->replicas = must_copy(from->replicas, (size_t)from->replicas_count * sizeof *from->replicas);
        p->replicas_count = from->replicas_count;
    }
    p->failed = must_array((size_t)p->replicas_count, sizeof *p->failed);
}

struct controller_topic *model_topic_add(struct controller *c, const char *name, const struct znode_topic *from)
{
    struct controller_topic *t = must_alloc(sizeof *t);
    t->name = must_strdup(name);
    t->id = from->topic_id;
    // Ascending by number; a hand-made node may leave numbers out, which then are partitions without replicas.
    t->partitions_count = from->partitions_count == 0 ? 0 : from->partitions[from->partitions_count - 1].partition + 1;
    t->partitions = must_array((size_t)t->partitions_count, sizeof *t->partitions);
    for (int32_t i = 0, at = 0; i < t->partitions_count; i++) {
        bool given = from->partitions[at].partition == i;
        partition_init(&t->partitions[i], i, given ? &from->partitions[at] : NULL);
        at += given;
    }
    HASH_ADD_KEYPTR(hh, c->topics, t->name, strlen(t->name), t);
    return t;
}

void model_topic_grow(struct controller_topic *t, const struct znode_topic *from)
{
    int32_t count = from->partitions_count == 0 ? 0 : from->partitions[from->partitions_count - 1].partition + 1;
    if (count <= t->partitions_count) {
        return;
    }
    struct controller_partition *grown = must_array((size_t)count, sizeof *grown);
    memcpy(grown, t->partitions, (size_t)t->partitions_count * sizeof *grown);
    int32_t at = 0;
    while (from->partitions[at].partition < t->partitions_count) {
        at++;
    }
    for (int32_t i = t->partitions_count; i < count; i++) {
        bool given = from->partitions[at].partition == i;
        partition_init(&grown[i], i, given ? &from->partitions[at] : NULL);
        at += given;
    }
    free(t->partitions);
    t->partitions = grown;
    t->partitions_count = count;
}

void model_topic_remove(struct controller *c, struct controller_topic *t)
{
    HASH_DEL(c->topics, t);
    for (int32_t i = 0; i < t->partitions_count; i++) {
        free((void *)(uintptr_t)t->partitions[i].replicas);
        free(t->partitions[i].isr);
        free(t->partitions[i].failed);
    }
    free(t->partitions);
    free(t->name);
    free(t);
}

void model_clear(struct controller *c)
{
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        model_topic_remove(c, t);
    }
    for (int32_t i = 0; i < c->brokers_count; i++) {
        arena_release(&c->brokers[i]->arena);
        free(c->brokers[i]);
    }
    c->brokers_count = 0;
}

bool model_replica_live(const struct controller *c, const struct controller_partition *p, int32_t replica)
{
    for (int32_t i = 0; i < p->replicas_count; i++) {
        if (p->replicas[i] == replica) {
            return !p->failed[i] && model_broker_live(c, replica);
        }
    }
    return false;
}

bool partition_in_isr(const struct controller_partition *p, int32_t replica)
{
    for (int32_t i = 0; i < p->isr_count; i++) {
        if (p->isr[i] == replica) {
            return true;
        }
    }
    return false;
}

void partition_set_state(struct controller_partition *p, const struct znode_partition_state *state, int32_t version)
{
    int32_t *isr = must_copy(state->isr, (size_t)state->isr_count * sizeof *isr);
    free(p->isr);
    p->isr = isr;
    p->isr_count = state->isr_count;
    p->has_state = true;
    p->leader = state->leader;
    p->leader_epoch = state->leader_epoch;
    p->controller_epoch = state->controller_epoch;
    p->version = version;
}

struct slice partition_state_data(struct step *s, const struct znode_partition_state *state)
{
    struct slice data = SLICE_NULL;
    if (znode_state_encode(state, &s->out->arena, &data) != ERR_OK) {
        must_have(NULL); // numbers only: nothing else can go wrong
    }
    return data;
}

// ---------------------------------------------------------------------------------------------------------------
// Telling brokers

static bool partition_on(const struct controller_partition *p, int32_t broker)
{
    for (int32_t i = 0; i < p->replicas_count; i++) {
        if (p->replicas[i] == broker) {
            return true;
        }
    }
    return false;
}

// An effect for one broker with the partitions it has a replica of; NULL when there are none.
static struct controller_effect *tell_replicas(struct step *s, enum controller_effect_type type,
                                               const struct controller_topic *t, int32_t broker, bool only_touched)
{
    const struct controller_partition **list =
        must_arena_array(&s->out->arena, (size_t)t->partitions_count, sizeof *list);
    int32_t count = 0;
    for (int32_t i = 0; i < t->partitions_count; i++) {
        const struct controller_partition *p = &t->partitions[i];
        bool known = type == CONTROLLER_STOP_REPLICA || p->has_state;
        if (known && (!only_touched || p->touched) && partition_on(p, broker)) {
            list[count++] = p;
        }
    }
    if (count == 0) {
        return NULL;
    }
    struct controller_effect *e = effect_add(s, type);
    e->broker = broker;
    e->topic = must_have(arena_strdup(&s->out->arena, t->name));
    e->topic_id = t->id;
    e->partitions = list;
    e->partitions_count = count;
    return e;
}

void tell_leader_and_isr(struct step *s, const struct controller_topic *t, bool only_touched, bool is_new)
{
    for (int32_t i = 0; i < s->c->brokers_count; i++) {
        struct controller_effect *e =
            tell_replicas(s, CONTROLLER_LEADER_AND_ISR, t, s->c->brokers[i]->id, only_touched);
        if (e != NULL) {
            e->is_new = is_new;
        }
    }
}

void tell_broker(struct step *s, int32_t broker)
{
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        if (!t->deleting && model_broker_live(s->c, broker)) {
            tell_replicas(s, CONTROLLER_LEADER_AND_ISR, t, broker, false);
        }
    }
}

int32_t tell_stop_replica(struct step *s, const struct controller_topic *t, bool erase)
{
    int32_t told = 0;
    for (int32_t i = 0; i < s->c->brokers_count; i++) {
        struct controller_effect *e = tell_replicas(s, CONTROLLER_STOP_REPLICA, t, s->c->brokers[i]->id, false);
        if (e != NULL) {
            e->erase = erase;
            told++;
        }
    }
    return told;
}

void tell_metadata(struct step *s, const struct controller_topic *t, bool deleted)
{
    struct controller *c = s->c;
    const struct controller_partition **list = NULL;
    if (t != NULL) {
        list = must_arena_array(&s->out->arena, (size_t)t->partitions_count, sizeof *list);
        for (int32_t i = 0; i < t->partitions_count; i++) {
            list[i] = &t->partitions[i];
        }
    }
    for (int32_t i = 0; i < c->brokers_count; i++) {
        struct controller_effect *e = effect_add(s, CONTROLLER_UPDATE_METADATA);
        e->broker = c->brokers[i]->id;
        e->brokers = (const struct controller_broker *const *)c->brokers;
        e->brokers_count = c->brokers_count;
        if (t != NULL) {
            e->topic = must_have(arena_strdup(&s->out->arena, t->name));
            e->topic_id = t->id;
            e->partitions = list;
            e->partitions_count = t->partitions_count;
            e->deleted = deleted;
        }
    }
}
