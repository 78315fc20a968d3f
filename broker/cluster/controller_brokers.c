// SPDX-License-Identifier: Apache-2.0
//
// Brokers that come and go. Who is registered under another epoch than is known has gone and come again. Those that are
// gone come first: the partitions they led get other leaders, then their replicas leave the in-sync replicas. Then
// those that come: everybody is told of them, and they are told of everything.
#include <stdlib.h>

#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

// ---------------------------------------------------------------------------------------------------------------
// Those that come

static void brokers_join(struct step *s)
{
    struct controller *c = s->c;
    bool joined = c->found_count > 0;
    for (int32_t i = 0; i < c->found_count; i++) {
        c->found[i]->behind = true;
        model_broker_add(c, c->found[i]);
        tell_joined(s, c->found[i]->id);
    }
    c->found_count = 0; // they are the model's now
    for (int32_t i = 0; joined && i < c->brokers_count; i++) {
        if (!c->brokers[i]->behind) {
            tell_brokers(s, c->brokers[i]->id);
        }
    }
    for (int32_t i = 0; i < c->brokers_count; i++) {
        if (c->brokers[i]->behind) {
            c->brokers[i]->behind = false;
            deletions_forget(s, c->brokers[i]->id);
            tell_everything(s, c->brokers[i]->id);
            c->want_states = c->want_elections = c->want_deletions = true;
            moves_look_all(c);
        }
    }
    controller_next(s);
}

// ---------------------------------------------------------------------------------------------------------------
// Those that are gone

static void failed_over(struct step *s)
{
    struct controller *c = s->c;
    works_tell_states(s, 0);
    if (c->works_count == 0) {
        tell_brokers(s, TELL_EVERYBODY); // nobody has heard of it by the way
    }
    c->want_states = true;
    gone_offline(s, brokers_join);
}

static void replicas_forget_failures(struct controller *c, int32_t broker)
{
    struct controller_topic *t, *next;
    HASH_ITER (hh, c->topics, t, next) {
        for (int32_t i = 0; i < t->partitions_count; i++) {
            int32_t at = partition_replica_at(&t->partitions[i], broker);
            if (at >= 0) {
                t->partitions[i].replica_states[at] = REPLICA_FINE;
            }
        }
    }
}

static void brokers_leave(struct step *s)
{
    struct controller *c = s->c;
    for (int32_t i = 0; i < c->gone_count; i++) {
        model_broker_remove(c, c->gone[i]);
        replicas_forget_failures(c, c->gone[i]);
        deletions_forget(s, c->gone[i]);
        effect_add(s, CONTROLLER_BROKER_LEFT)->broker = c->gone[i];
    }
    if (c->gone_count > 0) {
        offline_elections(s, failed_over);
    } else {
        brokers_join(s);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Who is there

static void gone_add(struct controller *c, int32_t id)
{
    c->gone = must_grow(c->gone, c->gone_count, &c->gone_capacity, sizeof *c->gone);
    c->gone[c->gone_count++] = id;
}

// What is left in `found` is new.
static void found_compare(struct step *s)
{
    struct controller *c = s->c;
    c->gone_count = 0;
    for (int32_t i = 0; i < c->brokers_count; i++) {
        const struct controller_broker *known = c->brokers[i], *now = NULL;
        for (int32_t k = 0; k < c->found_count; k++) {
            now = c->found[k]->id == known->id ? c->found[k] : now;
        }
        if (now == NULL || now->epoch != known->epoch) {
            gone_add(c, known->id);
        }
    }
    bool replaced = false;
    int32_t left = 0;
    for (int32_t k = 0; k < c->found_count; k++) {
        const struct controller_broker *known = model_broker_find(c, c->found[k]->id);
        if (known != NULL && known->epoch == c->found[k]->epoch) {
            replaced = replaced || c->found[k]->version != known->version;
            model_broker_replace(c, c->found[k]);
        } else {
            c->found[left++] = c->found[k];
        }
    }
    c->found_count = left;
    if (replaced) {
        tell_brokers(s, TELL_EVERYBODY);
    }
}

static void read_done(struct step *s)
{
    found_compare(s);
    brokers_leave(s);
}

static void read_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    struct controller *c = s->c;
    int32_t id;
    if (r->err == ERR_NOT_FOUND || !znode_parse_broker(r->path, &id)) {
        return; // gone between listing and reading
    }
    if (r->err != ERR_OK) {
        controller_fail(s, r->err);
        return;
    }
    struct controller_broker *b = broker_new(id, &r->stat, r->data);
    if (b != NULL) {
        c->found = must_grow(c->found, c->found_count, &c->found_capacity, sizeof(struct controller_broker *));
        c->found[c->found_count++] = b;
    }
}

static const struct batch_phase read_phase = {"reading brokers", read_result, read_done};

static void list_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
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

static void list_done(struct step *s)
{
    struct controller *c = s->c;
    batch_begin(s, &read_phase);
    for (int32_t i = 0; i < c->names_count; i++) {
        struct znode_path path = znode_path_child(ZNODE_BROKER_IDS, c->names[i]);
        batch_get(s, path.s, true, (struct batch_op){0});
    }
    names_clear(c);
    batch_end(s);
}

static const struct batch_phase list_phase = {"listing brokers", list_result, list_done};

void brokers_begin(struct step *s)
{
    batch_begin(s, &list_phase);
    batch_children(s, ZNODE_BROKER_IDS, true);
    batch_end(s);
}
