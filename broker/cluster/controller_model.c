// SPDX-License-Identifier: Apache-2.0
//
// What the controller knows of brokers, topics and partition states.
#include <stdlib.h>

#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

#define BROKER_INFO_LIMIT ((size_t)16 * ZK_DATA_MAX_BYTES)

// ---------------------------------------------------------------------------------------------------------------
// Brokers

struct controller_broker *broker_new(int32_t id, const struct zk_stat *stat, struct slice data)
{
    struct controller_broker *b = must_alloc(sizeof *b);
    b->id = id;
    b->epoch = stat->czxid;
    b->version = stat->version;
    arena_init(&b->arena, BROKER_INFO_LIMIT);
    if (znode_broker_decode(data, &b->arena, &b->info) != ERR_OK) {
        broker_free(b);
        return NULL;
    }
    return b;
}

void broker_free(struct controller_broker *b)
{
    arena_release(&b->arena);
    free(b);
}

// Ascending by id.
void model_broker_add(struct controller *c, struct controller_broker *b)
{
    c->brokers = must_grow(c->brokers, c->brokers_count, &c->brokers_capacity, sizeof(struct controller_broker *));
    int32_t at = c->brokers_count++;
    while (at > 0 && c->brokers[at - 1]->id > b->id) {
        c->brokers[at] = c->brokers[at - 1];
        at--;
    }
    c->brokers[at] = b;
    c->brokers_shown = NULL;
}

// Effects of the step at work may point to it.
static void broker_retire(struct controller *c, struct controller_broker *b)
{
    c->retired = must_grow(c->retired, c->retired_count, &c->retired_capacity, sizeof(struct controller_broker *));
    c->retired[c->retired_count++] = b;
    c->brokers_shown = NULL;
}

void model_forget_retired(struct controller *c)
{
    for (int32_t i = 0; i < c->retired_count; i++) {
        broker_free(c->retired[i]);
    }
    c->retired_count = 0;
    c->brokers_shown = NULL;
}

void model_broker_replace(struct controller *c, struct controller_broker *with)
{
    for (int32_t i = 0; i < c->brokers_count; i++) {
        if (c->brokers[i]->id == with->id) {
            with->stopping = c->brokers[i]->stopping;
            broker_retire(c, c->brokers[i]);
            c->brokers[i] = with;
        }
    }
}

void model_broker_remove(struct controller *c, int32_t id)
{
    for (int32_t i = 0; i < c->brokers_count; i++) {
        if (c->brokers[i]->id == id) {
            broker_retire(c, c->brokers[i]);
            c->brokers_count--;
            memmove(&c->brokers[i], &c->brokers[i + 1], (size_t)(c->brokers_count - i) * sizeof *c->brokers);
            return;
        }
    }
}

struct controller_broker *model_broker_find(const struct controller *c, int32_t id)
{
    for (int32_t i = 0; i < c->brokers_count; i++) {
        if (c->brokers[i]->id == id) {
            return c->brokers[i];
        }
    }
    return NULL;
}

bool model_broker_live(const struct controller *c, int32_t id)
{
    const struct controller_broker *b = model_broker_find(c, id);
    return b != NULL && !b->stopping;
}

// ---------------------------------------------------------------------------------------------------------------
// Topics and partitions

struct controller_topic *model_topic_find(const struct controller *c, const char *name)
{
    struct controller_topic *t;
    HASH_FIND_STR(c->topics, name, t);
    return t;
}

struct controller_topic *model_topic_find_id(const struct controller *c, const struct uuid *id)
{
    struct controller_topic *t = NULL;
    if (!uuid_is_zero(id)) { // those written before there were ids have none
        HASH_FIND(hh_id, c->topics_by_id, id, sizeof *id, t);
    }
    return t;
}

struct controller_partition *topic_partition(const struct controller_topic *t, int32_t index)
{
    return index >= 0 && index < t->partitions_count ? &t->partitions[index] : NULL;
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
        p->adding = must_copy(from->adding, (size_t)from->adding_count * sizeof *from->adding);
        p->adding_count = from->adding_count;
        p->removing = must_copy(from->removing, (size_t)from->removing_count * sizeof *from->removing);
        p->removing_count = from->removing_count;
    }
    p->replica_states = must_array((size_t)p->replicas_count, sizeof *p->replica_states);
    p->erasures = must_array((size_t)p->replicas_count, sizeof *p->erasures);
}

struct controller_topic *model_topic_add(struct controller *c, const char *name, const struct znode_topic *from)
{
    struct controller_topic *t = must_alloc(sizeof *t);
    t->name = must_strdup(name);
    t->id = from->topic_id;
    t->has_no_id = !from->has_topic_id;
    // Ascending by number; a hand-made node may leave numbers out, which then are partitions without replicas.
    t->partitions_count = from->partitions_count == 0 ? 0 : from->partitions[from->partitions_count - 1].partition + 1;
    t->partitions = must_array((size_t)t->partitions_count, sizeof *t->partitions);
    for (int32_t i = 0, at = 0; i < t->partitions_count; i++) {
        bool given = from->partitions[at].partition == i;
        partition_init(&t->partitions[i], i, given ? &from->partitions[at] : NULL);
        at += given;
    }
    HASH_ADD_KEYPTR(hh, c->topics, t->name, strlen(t->name), t);
    HASH_ADD(hh_id, c->topics_by_id, id, sizeof t->id, t);
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

void model_topic_set_id(struct controller *c, struct controller_topic *t, const struct uuid *id)
{
    HASH_DELETE(hh_id, c->topics_by_id, t);
    t->id = *id;
    t->has_no_id = false;
    HASH_ADD(hh_id, c->topics_by_id, id, sizeof t->id, t);
}

static void partition_free_replicas(struct controller_partition *p)
{
    free((void *)(uintptr_t)p->replicas);
    free((void *)(uintptr_t)p->adding);
    free((void *)(uintptr_t)p->removing);
    free(p->replica_states);
    free(p->erasures);
}

void model_topic_remove(struct controller *c, struct controller_topic *t)
{
    HASH_DEL(c->topics, t);
    HASH_DELETE(hh_id, c->topics_by_id, t);
    for (int32_t i = 0; i < t->partitions_count; i++) {
        partition_free_replicas(&t->partitions[i]);
        free(t->partitions[i].isr);
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
        broker_retire(c, c->brokers[i]);
    }
    c->brokers_count = 0;
}

int32_t partition_replica_at(const struct controller_partition *p, int32_t broker)
{
    for (int32_t i = 0; i < p->replicas_count; i++) {
        if (p->replicas[i] == broker) {
            return i;
        }
    }
    return -1;
}

bool model_replica_live(const struct controller *c, const struct controller_partition *p, int32_t replica)
{
    int32_t at = partition_replica_at(p, replica);
    return at >= 0 && p->replica_states[at] == REPLICA_FINE && model_broker_live(c, replica);
}

void partition_assign(struct controller_partition *p, const struct znode_replicas *to)
{
    struct controller_partition now = *p;
    partition_init(&now, p->index, to);
    for (int32_t i = 0; i < now.replicas_count; i++) {
        int32_t at = partition_replica_at(p, now.replicas[i]);
        now.replica_states[i] = at < 0 ? REPLICA_FINE : p->replica_states[at];
        now.erasures[i] = at < 0 ? REPLICA_KEPT : p->erasures[at];
    }
    partition_free_replicas(p);
    p->replicas = now.replicas;
    p->replicas_count = now.replicas_count;
    p->adding = now.adding;
    p->adding_count = now.adding_count;
    p->removing = now.removing;
    p->removing_count = now.removing_count;
    p->replica_states = now.replica_states;
    p->erasures = now.erasures;
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
    p->recovery_state = state->leader_recovery_state;
    p->version = version;
}

struct znode_partition_state partition_next_state(const struct step *s, const struct controller_partition *p)
{
    return (struct znode_partition_state){.leader = p->leader,
                                          .leader_epoch = p->leader_epoch + 1,
                                          .isr = p->isr,
                                          .isr_count = p->isr_count,
                                          .controller_epoch = s->c->epoch,
                                          .leader_recovery_state = p->recovery_state};
}

struct slice partition_state_data(struct step *s, const struct znode_partition_state *state)
{
    struct slice data = SLICE_NULL;
    if (znode_state_encode(state, &s->out->arena, &data) != ERR_OK) {
        must_have(NULL); // numbers only: nothing else can go wrong
    }
    return data;
}
