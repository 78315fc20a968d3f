// SPDX-License-Identifier: Apache-2.0
//
// Topics that appear in /brokers/topics, and the first states of their partitions: `partitions`, `partitions/<p>` and
// `state` in three rounds, as Kafka writes them. A topic whose creation was cut off is found by what it lacks and gets
// the rest; a partition none of whose replicas lives gets its state when one does.
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
    works_tell_states(s, TELL_NEW);
    controller_next(s);
}

static void read_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    struct znode_partition_state found;
    enum err err = r->err != ERR_OK ? r->err : znode_state_decode(r->data, &s->out->arena, &found);
    if (err != ERR_OK) {
        controller_fail(s, err);
        return;
    }
    partition_set_state(s->c->works[op->at].partition, &found, r->stat.version);
    s->c->works[op->at].state = WORK_WRITTEN;
}

static const struct batch_phase read_phase = {"reading partition states that were there already", read_result,
                                              create_finish};

// A state that was there already is one this controller has written before a connection was lost.
static void states_done(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &read_phase);
    for (int32_t i = 0; i < c->works_count; i++) {
        if (c->works[i].state == WORK_STALE) {
            struct znode_path path = znode_path_state(c->works[i].topic->name, c->works[i].partition->index);
            batch_get(s, path.s, false, (struct batch_op){.at = i});
        }
    }
    batch_end(s);
}

static void states_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    struct work *w = &s->c->works[op->at];
    if (r->err == ERR_EXISTS) {
        w->state = WORK_STALE;
    } else if (r->err != ERR_OK) {
        controller_fail(s, r->err);
    } else {
        struct znode_partition_state state = first_state(s, w->partition);
        partition_set_state(w->partition, &state, 0);
        w->state = WORK_WRITTEN;
    }
}

static const struct batch_phase states_phase = {"creating partition states", states_result, states_done};

// One guarded create of every partition's node.
static void create_each(struct step *s, const struct batch_phase *phase, bool states)
{
    batch_begin(s, phase);
    for (int32_t i = 0; i < s->c->works_count; i++) {
        const struct work *w = &s->c->works[i];
        int32_t index = w->partition->index;
        struct znode_path path =
            states ? znode_path_state(w->topic->name, index) : znode_path_partition(w->topic->name, index);
        struct zk_op op = {.type = ZK_OP_CREATE, .path = path.s, .mode = ZK_PERSISTENT};
        if (states) {
            struct znode_partition_state state = first_state(s, w->partition);
            op.data = partition_state_data(s, &state);
        }
        batch_guarded(s, &op, (struct batch_op){.at = i});
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
    works_clear(c);
    batch_begin(s, &roots_phase);
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        int32_t before = c->works_count;
        for (int32_t i = 0; !t->marked && i < t->partitions_count; i++) {
            struct controller_partition *p = &t->partitions[i];
            if (!p->has_state && has_live_replica(c, p)) {
                works_add(c, t, p);
            }
        }
        if (c->works_count > before) {
            struct znode_path path = znode_path_partitions(t->name);
            struct zk_op op = {.type = ZK_OP_CREATE, .path = path.s, .mode = ZK_PERSISTENT};
            batch_guarded(s, &op, (struct batch_op){0});
        }
    }
    batch_end(s);
}

// ---------------------------------------------------------------------------------------------------------------
// New names

static void topic_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
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

static void topics_done(struct step *s)
{
    ids_begin(s, create_begin);
}

static const struct batch_phase topics_phase = {"reading new topics", topic_result, topics_done};

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
    batch_begin(s, &topics_phase);
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
