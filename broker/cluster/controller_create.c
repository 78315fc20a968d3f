// SPDX-License-Identifier: Apache-2.0
//
// Topics that appear in /brokers/topics, and the first states of their partitions: `partitions`, `partitions/<p>` and
// `state` in three rounds, as Kafka writes them. A topic whose creation was cut off is found by what it lacks and gets
// the rest.
#include <stdlib.h>

#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

// ---------------------------------------------------------------------------------------------------------------
// States for partitions that have none

static bool has_live_replica(const struct controller *c, const struct controller_partition *p)
{
    for (int32_t i = 0; i < p->replicas_count; i++) {
        if (model_replica_live(c, p, p->replicas[i])) {
            return true;
        }
    }
    return false;
}

// The first live replica leads, all live ones are in sync: nobody has any data yet.
static struct znode_partition_state first_state(struct step *s, const struct controller_partition *p)
{
    struct znode_partition_state state = {.controller_epoch = s->c->epoch};
    state.isr = must_arena_array(&s->out->arena, (size_t)p->replicas_count, sizeof *state.isr);
    for (int32_t i = 0; i < p->replicas_count; i++) {
        if (model_replica_live(s->c, p, p->replicas[i])) {
            state.isr[state.isr_count++] = p->replicas[i];
        }
    }
    state.leader = state.isr[0];
    return state;
}

static void create_finish(struct step *s)
{
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        if (t->touched) {
            tell_leader_and_isr(s, t, true, true);
        }
    }
    HASH_ITER (hh, s->c->topics, t, next) {
        if (t->touched) {
            tell_metadata(s, t, false);
        }
    }
    controller_next(s);
}

static void states_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    if (r->err != ERR_OK) {
        controller_fail(s, r->err);
        return;
    }
    struct znode_partition_state state = first_state(s, op->partition);
    partition_set_state(op->partition, &state, 0);
}

static const struct batch_phase states_phase = {"creating partition states", states_result, create_finish};

// One guarded create of every touched partition's node.
static void create_each(struct step *s, const struct batch_phase *phase, bool states)
{
    batch_begin(s, phase);
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        for (int32_t i = 0; t->touched && i < t->partitions_count; i++) {
            struct controller_partition *p = &t->partitions[i];
            if (!p->touched) {
                continue;
            }
            struct znode_path path = states ? znode_path_state(t->name, i) : znode_path_partition(t->name, i);
            struct zk_op op = {.type = ZK_OP_CREATE, .path = path.s, .mode = ZK_PERSISTENT};
            if (states) {
                struct znode_partition_state state = first_state(s, p);
                op.data = partition_state_data(s, &state);
            }
            batch_guarded(s, &op, (struct batch_op){.topic = t, .partition = p});
        }
    }
    batch_end(s);
}

static void directory_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err != ERR_OK && r->err != ERR_EXISTS) {
        controller_fail(s, r->err);
    }
}

static void partitions_done(struct step *s)
{
    create_each(s, &states_phase, true);
}

static const struct batch_phase partitions_phase = {"creating partitions", directory_result, partitions_done};

static void roots_done(struct step *s)
{
    create_each(s, &partitions_phase, false);
}

static const struct batch_phase roots_phase = {"creating topics", directory_result, roots_done};

void create_begin(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &roots_phase);
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        t->touched = false;
        for (int32_t i = 0; i < t->partitions_count; i++) {
            struct controller_partition *p = &t->partitions[i];
            p->touched = !t->deleting && !p->has_state && has_live_replica(c, p);
            t->touched = t->touched || p->touched;
        }
        if (t->touched) {
            struct znode_path path = znode_path_partitions(t->name);
            struct zk_op op = {.type = ZK_OP_CREATE, .path = path.s, .mode = ZK_PERSISTENT};
            batch_guarded(s, &op, (struct batch_op){.topic = t});
        }
    }
    batch_end(s);
}

// ---------------------------------------------------------------------------------------------------------------
// New names

static void read_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    char name[ZNODE_NAME_MAX_BYTES + 1];
    if (r->err == ERR_NOT_FOUND || !znode_parse_topic(r->path, name)) {
        return;
    }
    struct znode_topic topic;
    enum err err = r->err != ERR_OK ? r->err : znode_topic_decode(r->data, &s->out->arena, &topic);
    if (err != ERR_OK) {
        controller_fail(s, err);
        return;
    }
    model_topic_add(s->c, name, &topic);
}

static const struct batch_phase read_phase = {"reading new topics", read_result, create_begin};

static void list_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err != ERR_OK) {
        controller_fail(s, r->err);
        return;
    }
    for (int i = 0; i < r->n_children; i++) {
        if (model_topic_find(s->c, r->children[i]) == NULL) {
            names_add(s->c, r->children[i]);
        }
    }
}

static void list_done(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &read_phase);
    for (int32_t i = 0; i < c->names_count; i++) {
        struct znode_path path = znode_path_topic(c->names[i]);
        batch_get(s, path.s, true, (struct batch_op){0});
    }
    names_clear(c);
    batch_end(s);
}

static const struct batch_phase list_phase = {"listing topics", list_result, list_done};

void topics_begin(struct step *s)
{
    batch_begin(s, &list_phase);
    batch_children(s, ZNODE_TOPICS, true);
    batch_end(s);
}
