// SPDX-License-Identifier: Apache-2.0
//
// After the election: reads all there is, has every broker told (as Kafka does: first who lives, then leaders of what
// each hosts, then everything about every topic), and leaves what is unfinished to the tasks.
#include <stdlib.h>

#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

// What has no state yet or no live leader is the business of the tasks that follow.
static void load_finish(struct step *s)
{
    moves_look_all(s->c);
    s->c->want_moves_asked = s->c->want_preferred = s->c->want_isr_notes = true;
    s->c->want_states = s->c->want_log_dirs = s->c->want_elections = s->c->want_deletions = true;
    controller_next(s);
}

// Brokers that are named in assignments and do not live.
static void gone_find(struct controller *c)
{
    c->gone_count = 0;
    for (int32_t i = 0; i < c->works_count; i++) {
        const struct controller_partition *p = c->works[i].partition;
        for (int32_t k = 0; k < p->replicas_count; k++) {
            bool known = model_broker_find(c, p->replicas[k]) != NULL;
            for (int32_t g = 0; !known && g < c->gone_count; g++) {
                known = c->gone[g] == p->replicas[k];
            }
            if (!known) {
                c->gone = must_grow(c->gone, c->gone_count, &c->gone_capacity, sizeof *c->gone);
                c->gone[c->gone_count++] = p->replicas[k];
            }
        }
    }
}

static void load_tell(struct step *s)
{
    struct controller *c = s->c;
    for (int32_t i = 0; i < c->brokers_count; i++) {
        tell_joined(s, c->brokers[i]->id);
    }
    tell_everything(s, TELL_EVERYBODY);
    gone_find(c);
    gone_offline(s, load_finish);
}

static void load_ids(struct step *s)
{
    ids_begin(s, load_tell);
}

static void states_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    if (r->err == ERR_NOT_FOUND) {
        return;
    }
    struct znode_partition_state state;
    enum err err = r->err != ERR_OK ? r->err : znode_state_decode(r->data, &s->out->arena, &state);
    if (err != ERR_OK) {
        controller_fail(s, err);
        return;
    }
    partition_set_state(op->partition, &state, r->stat.version);
}

static const struct batch_phase states_phase = {"reading partition states", states_result, load_ids};

static void nodes_done(struct step *s)
{
    struct controller *c = s->c;
    for (int32_t i = 0; i < c->names_count; i++) { // marked for deletion
        struct controller_topic *marked = model_topic_find(c, c->names[i]);
        if (marked != NULL && c->options.delete_topics && !topic_moves(marked)) {
            marked->marked = true;
        }
    }
    names_clear(c);
    batch_begin(s, &states_phase);
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        for (int32_t i = 0; i < t->partitions_count; i++) {
            struct znode_path path = znode_path_state(t->name, i);
            batch_get(s, path.s, false, (struct batch_op){.topic = t, .partition = &t->partitions[i]});
        }
    }
    batch_end(s);
}

static void nodes_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    char name[ZNODE_NAME_MAX_BYTES + 1];
    int32_t broker;
    if (r->err == ERR_NOT_FOUND) {
        return; // gone between listing and reading
    }
    if (r->err != ERR_OK) {
        controller_fail(s, r->err);
    } else if (znode_parse_broker(r->path, &broker)) {
        struct controller_broker *b = broker_new(broker, &r->stat, r->data);
        if (b != NULL) {
            model_broker_add(s->c, b);
        }
    } else if (znode_parse_topic(r->path, name)) {
        struct znode_topic topic;
        enum err err = znode_topic_decode(r->data, &s->out->arena, &topic);
        if (err != ERR_OK) {
            controller_fail(s, err);
            return;
        }
        model_topic_add(s->c, name, &topic);
    }
}

static const struct batch_phase nodes_phase = {"reading brokers and topics", nodes_result, nodes_done};

// The names of three lists: brokers and topics are read in the next batch, marks are kept for the one after it.
static void lists_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err != ERR_OK) {
        controller_fail(s, r->err);
        return;
    }
    for (int i = 0; i < r->n_children; i++) {
        struct znode_path path = znode_path_child(r->path, r->children[i]);
        names_add(s->c, path.s);
    }
}

static void lists_done(struct step *s)
{
    struct controller *c = s->c;
    char **paths = c->names;
    int32_t count = c->names_count;
    c->names = NULL;
    c->names_count = c->names_capacity = 0;
    const size_t mark_len = sizeof ZNODE_DELETE_TOPICS; // with the slash behind it
    batch_begin(s, &nodes_phase);
    for (int32_t i = 0; i < count; i++) {
        if (strncmp(paths[i], ZNODE_DELETE_TOPICS "/", mark_len) == 0) {
            names_add(c, paths[i] + mark_len);
        } else {
            batch_get(s, paths[i], true, (struct batch_op){0});
        }
        free(paths[i]);
    }
    free(paths);
    batch_end(s);
}

static const struct batch_phase lists_phase = {"listing brokers, topics and deletions", lists_result, lists_done};

static void lists_begin(struct step *s)
{
    batch_begin(s, &lists_phase);
    batch_children(s, ZNODE_BROKER_IDS, true);
    batch_children(s, ZNODE_TOPICS, true);
    batch_children(s, ZNODE_DELETE_TOPICS, true);
    batch_end(s);
}

static void feature_created(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err != ERR_OK && r->err != ERR_EXISTS) {
        controller_fail(s, r->err);
    }
}

static const struct batch_phase feature_create_phase = {"creating /feature", feature_created, lists_begin};

static void feature_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err == ERR_NOT_FOUND) {
        s->c->missing = true;
    } else if (r->err != ERR_OK) {
        controller_fail(s, r->err);
    }
}

static void feature_done(struct step *s)
{
    if (!s->c->missing) {
        lists_begin(s);
        return;
    }
    struct znode_features none = {.version = 2, .enabled = true};
    struct slice data;
    if (znode_features_encode(&none, &s->out->arena, &data) != ERR_OK) {
        controller_fail(s, ERR_NO_MEMORY);
        return;
    }
    batch_begin(s, &feature_create_phase);
    batch_create(s, ZNODE_FEATURE, data);
    batch_end(s);
}

static const struct batch_phase feature_phase = {"reading /feature", feature_result, feature_done};

static void feature_begin(struct step *s)
{
    batch_begin(s, &feature_phase);
    batch_get(s, ZNODE_FEATURE, false, (struct batch_op){0});
    batch_end(s);
}

void load_begin(struct step *s)
{
    controller_check(s, feature_begin);
}
