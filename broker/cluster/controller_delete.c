// SPDX-License-Identifier: Apache-2.0
//
// Deletion of topics that are marked in /admin/delete_topics, in Kafka's order: clients are told that the topic is
// gone, replicas are stopped, then taken out of the partition states one after the other, then deleted; when all have
// been, the znodes go from the leaves up: states, partitions, the topic, its config, and last the mark. The mark stays
// until everything else is gone, so whatever cuts a deletion off, the next load finds it and does the rest.
#include <stdlib.h>

#include "base/assert.h"
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

static void delete_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err != ERR_OK && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
    }
}

static void delete_node(struct step *s, struct znode_path path)
{
    struct zk_op op = {.type = ZK_OP_DELETE, .path = path.s, .version = ZK_VERSION_ANY};
    batch_guarded(s, &op, (struct batch_op){0});
}

// ---------------------------------------------------------------------------------------------------------------
// The znodes go

static void nodes_done(struct step *s)
{
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        if (t->touched) {
            effect_add(s, CONTROLLER_TOPIC_DELETED)->topic = must_have(arena_strdup(&s->out->arena, t->name));
            model_topic_remove(s->c, t);
        }
    }
    controller_next(s);
}

static const struct batch_phase nodes_phase = {"deleting a topic's nodes", delete_result, nodes_done};

static void nodes_begin(struct step *s)
{
    batch_begin(s, &nodes_phase);
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        if (t->touched && t->held) {
            effect_add(s, CONTROLLER_DELETION_HELD)->topic = must_have(arena_strdup(&s->out->arena, t->name));
        }
        t->touched = t->touched && !t->held;
        if (!t->touched) {
            continue;
        }
        for (int32_t i = 0; i < t->partitions_count; i++) {
            delete_node(s, znode_path_state(t->name, i));
            delete_node(s, znode_path_partition(t->name, i));
        }
        delete_node(s, znode_path_partitions(t->name));
        delete_node(s, znode_path_topic(t->name));
        delete_node(s, znode_path_topic_config(t->name));
        delete_node(s, znode_path_delete_topic(t->name));
    }
    batch_end(s);
}

// ---------------------------------------------------------------------------------------------------------------
// Replicas go

// Nothing of it is sent to the tree: the phase waits for answers of brokers.
static const struct batch_phase erase_phase = {"deleting replicas", NULL, nodes_begin};

// A replica whose broker is away cannot be deleted now: the topic waits for it.
static bool all_replicas_live(const struct controller *c, const struct controller_topic *t)
{
    for (int32_t i = 0; i < t->partitions_count; i++) {
        const struct controller_partition *p = &t->partitions[i];
        for (int32_t k = 0; k < p->replicas_count; k++) {
            if (!model_broker_live(c, p->replicas[k])) {
                return false;
            }
        }
    }
    return true;
}

static void erase_begin(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &erase_phase);
    c->stops_left = 0;
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        if (t->touched) {
            t->held = !all_replicas_live(c, t);
            c->stops_left += tell_stop_replica(s, t, true);
        }
    }
    if (c->stops_left == 0) {
        batch_end(s);
    }
}

void deletions_answer(struct step *s, struct controller_topic *t, const struct controller_event *e)
{
    struct controller *c = s->c;
    if (c->phase != &erase_phase || c->stops_left == 0) {
        return;
    }
    for (int32_t i = 0; i < e->partitions_count; i++) {
        t->held = t->held || e->errs[i] != ERR_OK;
    }
    if (--c->stops_left == 0) {
        batch_end(s);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Replicas go offline: one write per in-sync replica of a partition; the last one stays noted in the ISR

static void offline_begin(struct step *s);

static void offline_next(struct step *s)
{
    s->c->replica_round++;
    offline_begin(s);
}

static struct znode_partition_state offline_state(struct step *s, const struct controller_partition *p)
{
    int32_t replica = p->replicas[s->c->replica_round];
    struct znode_partition_state state = {.leader = p->leader == replica ? -1 : p->leader,
                                          .leader_epoch = p->leader_epoch + 1,
                                          .controller_epoch = s->c->epoch};
    state.isr = must_arena_array(&s->out->arena, (size_t)p->isr_count, sizeof *state.isr);
    for (int32_t i = 0; i < p->isr_count; i++) {
        if (p->isr[i] != replica || p->isr_count == 1) {
            state.isr[state.isr_count++] = p->isr[i];
        }
    }
    return state;
}

static void offline_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    if (r->err != ERR_OK) {
        controller_fail(s, r->err);
        return;
    }
    struct znode_partition_state state = offline_state(s, op->partition);
    partition_set_state(op->partition, &state, op->partition->version + 1);
}

static const struct batch_phase offline_phase = {"taking replicas offline", offline_result, offline_next};

static void offline_begin(struct step *s)
{
    struct controller *c = s->c;
    bool more = false;
    batch_begin(s, &offline_phase);
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        for (int32_t i = 0; t->touched && i < t->partitions_count; i++) {
            struct controller_partition *p = &t->partitions[i];
            more = more || c->replica_round + 1 < p->replicas_count;
            if (c->replica_round >= p->replicas_count || !partition_in_isr(p, p->replicas[c->replica_round])) {
                continue;
            }
            struct znode_partition_state state = offline_state(s, p);
            struct znode_path path = znode_path_state(t->name, i);
            struct zk_op op = {
                .type = ZK_OP_SET, .path = path.s, .data = partition_state_data(s, &state), .version = p->version};
            batch_guarded(s, &op, (struct batch_op){.topic = t, .partition = p});
        }
    }
    if (c->ops_left > 0 || more) {
        batch_end(s);
    } else {
        erase_begin(s);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Which topics

// Marks of topics that do not exist, or all marks where deletion is not allowed, are just removed. Of a topic that
// does not exist the config goes, too: that is where an earlier deletion was cut off.
static const struct batch_phase drop_phase = {"removing marks", delete_result, controller_next};

static bool topics_take(struct step *s)
{
    bool any = false;
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        t->touched = false;
    }
    for (int32_t i = 0; i < s->c->names_count; i++) {
        t = model_topic_find(s->c, s->c->names[i]);
        if (t != NULL && !t->held && s->c->delete_topics) {
            t->touched = t->deleting = any = true;
        }
    }
    return any;
}

static void marks_drop(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &drop_phase);
    for (int32_t i = 0; i < c->names_count; i++) {
        if (model_topic_find(c, c->names[i]) == NULL) {
            delete_node(s, znode_path_topic_config(c->names[i]));
            delete_node(s, znode_path_delete_topic(c->names[i]));
        } else if (!c->delete_topics) {
            delete_node(s, znode_path_delete_topic(c->names[i]));
        }
    }
    names_clear(c);
    batch_end(s);
}

static void marks_done(struct step *s)
{
    struct controller *c = s->c;
    if (!topics_take(s)) {
        marks_drop(s);
        return;
    }
    names_clear(c);
    c->want_deletions = true; // what else is marked is looked at when these are done
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        if (t->touched) {
            tell_metadata(s, t, true);
            tell_stop_replica(s, t, false);
        }
    }
    c->replica_round = 0;
    offline_begin(s);
}

static void marks_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err != ERR_OK) {
        controller_fail(s, r->err);
        return;
    }
    for (int i = 0; i < r->n_children; i++) {
        names_add(s->c, r->children[i]);
    }
}

static const struct batch_phase marks_phase = {"listing deletions", marks_result, marks_done};

void deletions_begin(struct step *s)
{
    batch_begin(s, &marks_phase);
    batch_children(s, ZNODE_DELETE_TOPICS, true);
    batch_end(s);
}
