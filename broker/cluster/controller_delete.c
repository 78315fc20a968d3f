// SPDX-License-Identifier: Apache-2.0
//
// Deletion of topics that are marked in /admin/delete_topics, in Kafka's order: clients are told that the topic is
// gone, replicas are stopped, then taken out of the partition states one after the other, then deleted; when all have
// been, the znodes go from the leaves up: states, partitions, the topic, its config, and last the mark. The mark stays
// until everything else is gone, so whatever cuts a deletion off, the next load finds it and does the rest.
//
// Nothing waits for brokers: what they answer is noted per replica. A replica whose broker is away, or could not delete
// it, is asked for again when the broker comes (back).
#include <stdlib.h>

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

// How many replicas of the topic are in this state.
static int32_t erasure_count(const struct controller_topic *t, enum replica_erasure erasure)
{
    int32_t count = 0;
    for (int32_t i = 0; i < t->partitions_count; i++) {
        for (int32_t k = 0; k < t->partitions[i].replicas_count; k++) {
            count += t->partitions[i].erasures[k] == erasure;
        }
    }
    return count;
}

// ---------------------------------------------------------------------------------------------------------------
// The znodes go

static bool is_erased(const struct controller_topic *t)
{
    return t->deleting && erasure_count(t, REPLICA_KEPT) == 0 && erasure_count(t, REPLICA_ASKED) == 0 &&
           erasure_count(t, REPLICA_REFUSED) == 0;
}

static void nodes_done(struct step *s)
{
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        if (is_erased(t)) {
            effect_add(s, CONTROLLER_TOPIC_DELETED)->topic = must_have(arena_strdup(&s->out->arena, t->name));
            model_topic_remove(s->c, t);
        }
    }
    controller_next(s);
}

static const struct batch_phase nodes_phase = {"deleting a topic's nodes", delete_result, nodes_done};

void erased_begin(struct step *s)
{
    batch_begin(s, &nodes_phase);
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        if (!is_erased(t)) {
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

// Everything that can be deleted now has been, and something is left.
static void topic_look_held(struct step *s, struct controller_topic *t)
{
    bool held = erasure_count(t, REPLICA_ASKED) == 0 && !is_erased(t);
    if (held && !t->held) {
        effect_add(s, CONTROLLER_DELETION_HELD)->topic = must_have(arena_strdup(&s->out->arena, t->name));
    }
    t->held = held;
}

// Has the live brokers delete what they have not been asked for yet.
static void topic_erase(struct step *s, struct controller_topic *t)
{
    struct controller *c = s->c;
    works_clear(c);
    for (int32_t i = 0; i < t->partitions_count; i++) {
        works_add(c, t, &t->partitions[i]);
    }
    for (int32_t b = 0; b < c->brokers_count; b++) {
        int32_t id = c->brokers[b]->id, asked = 0;
        for (int32_t i = 0; i < t->partitions_count; i++) {
            int32_t at = partition_replica_at(&t->partitions[i], id);
            if (at >= 0 && t->partitions[i].erasures[at] == REPLICA_KEPT) {
                t->partitions[i].erasures[at] = REPLICA_ASKED;
                c->works[i].state = WORK_WRITTEN;
                asked++;
            }
        }
        if (asked > 0) {
            if (!t->stopped) { // a broker that was away has not been told yet
                works_tell(s, CONTROLLER_STOP_REPLICA, id, TELL_DELETED);
            }
            works_tell(s, CONTROLLER_STOP_REPLICA, id, TELL_ERASE | TELL_DELETED);
        }
        for (int32_t i = 0; i < c->works_count; i++) {
            c->works[i].state = WORK_WANTED;
        }
    }
    t->stopped = false;
    c->want_erased = c->want_erased || is_erased(t);
    topic_look_held(s, t);
}

static void erase_begin(struct step *s)
{
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        if (t->deleting) {
            topic_erase(s, t);
        }
    }
    controller_next(s);
}

void deletions_answer(struct step *s, struct controller_topic *t, const struct controller_event *e)
{
    if (!t->deleting) {
        return; // of a replica that has moved away
    }
    for (int32_t i = 0; i < e->partitions_count; i++) {
        struct controller_partition *p = topic_partition(t, e->partitions[i]);
        int32_t at = p == NULL ? -1 : partition_replica_at(p, e->broker);
        if (at >= 0 && p->erasures[at] == REPLICA_ASKED) {
            p->erasures[at] = e->codes[i] == 0 ? REPLICA_ERASED : REPLICA_REFUSED;
        }
    }
    s->c->want_erased = s->c->want_erased || is_erased(t);
    topic_look_held(s, t);
}

void deletions_forget(struct step *s, int32_t broker)
{
    struct controller_topic *t, *next;
    HASH_ITER (hh, s->c->topics, t, next) {
        for (int32_t i = 0; t->deleting && i < t->partitions_count; i++) {
            int32_t at = partition_replica_at(&t->partitions[i], broker);
            if (at >= 0 && t->partitions[i].erasures[at] != REPLICA_ERASED) {
                t->partitions[i].erasures[at] = REPLICA_KEPT;
            }
        }
        if (t->deleting) {
            topic_look_held(s, t);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Replicas go offline: one write per in-sync replica of a partition; the last one stays noted in the ISR

static void offline_round(struct step *s)
{
    struct controller *c = s->c;
    int32_t left = 0;
    for (int32_t i = 0; i < c->works_count; i++) {
        struct work *w = &c->works[i];
        bool has = c->replica_round < w->partition->replicas_count;
        w->state = has ? WORK_WANTED : WORK_DROPPED;
        w->replica = has ? w->partition->replicas[c->replica_round] : -1;
        left += has;
    }
    c->replica_round++;
    if (left > 0) {
        works_write(s, offline_decide, offline_round);
        return;
    }
    for (int32_t i = 0; i < c->works_count; i++) {
        c->works[i].topic->deleting = c->works[i].topic->stopped = true;
    }
    erase_begin(s);
}

// ---------------------------------------------------------------------------------------------------------------
// Which topics

// Marks of topics that do not exist, or all marks where deletion is not allowed, are just removed. Of a topic that
// does not exist the config goes, too: that is where an earlier deletion was cut off.
static const struct batch_phase drop_phase = {"removing marks", delete_result, erase_begin};

static void marks_drop(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &drop_phase);
    for (int32_t i = 0; i < c->names_count; i++) {
        if (model_topic_find(c, c->names[i]) == NULL) {
            delete_node(s, znode_path_topic_config(c->names[i]));
            delete_node(s, znode_path_delete_topic(c->names[i]));
        } else if (!c->options.delete_topics) {
            delete_node(s, znode_path_delete_topic(c->names[i]));
        }
    }
    names_clear(c);
    batch_end(s);
}

// The partitions of topics whose deletion begins now.
static void works_take(struct controller *c)
{
    works_clear(c);
    for (int32_t i = 0; i < c->names_count; i++) {
        struct controller_topic *t = model_topic_find(c, c->names[i]);
        if (t == NULL || t->deleting || !c->options.delete_topics || topic_moves(t)) {
            continue; // one whose partitions move is deleted when they have arrived
        }
        t->marked = true;
        t->deleting = t->partitions_count == 0; // a node without partitions: nothing is to be taken offline
        for (int32_t k = 0; k < t->partitions_count; k++) {
            works_add(c, t, &t->partitions[k]);
        }
    }
}

static void marks_done(struct step *s)
{
    struct controller *c = s->c;
    works_take(c);
    if (c->works_count == 0) {
        marks_drop(s);
        return;
    }
    names_clear(c);
    c->want_deletions = true; // what else is marked is looked at when these are done
    works_tell(s, CONTROLLER_UPDATE_METADATA, TELL_EVERYBODY, TELL_ALL | TELL_DELETED);
    works_tell(s, CONTROLLER_STOP_REPLICA, TELL_EVERYBODY, TELL_ALL | TELL_DELETED);
    c->replica_round = 0;
    offline_round(s);
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
