// SPDX-License-Identifier: Apache-2.0
//
// The controller's machine: events in, batches of operations out, the election, and which task comes next.
#include "broker/cluster/controller.h"

#include <stdlib.h>

#include "base/assert.h"
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"

#define EFFECTS_ARENA_LIMIT ((size_t)1 << 32)

struct controller *controller_new(const struct controller_options *o)
{
    struct controller *c = must_alloc(sizeof *c);
    c->broker_id = o->broker_id;
    c->delete_topics = o->delete_topics;
    c->seen_controller = -1;
    c->first_token = 1;
    return c;
}

void controller_free(struct controller *c)
{
    if (c == NULL) {
        return;
    }
    model_clear(c);
    names_clear(c);
    free(c->brokers);
    free(c->names);
    free(c->ops);
    free(c);
}

void controller_effects_init(struct controller_effects *e)
{
    STAILQ_INIT(&e->list);
    arena_init(&e->arena, EFFECTS_ARENA_LIMIT);
}

void controller_effects_release(struct controller_effects *e)
{
    arena_release(&e->arena);
}

void controller_effects_reset(struct controller_effects *e)
{
    STAILQ_INIT(&e->list);
    arena_reset(&e->arena);
}

struct controller_effect *effect_add(struct step *s, enum controller_effect_type type)
{
    struct controller_effect *e = must_arena_array(&s->out->arena, 1, sizeof *e);
    e->type = type;
    e->controller_epoch = s->c->epoch;
    STAILQ_INSERT_TAIL(&s->out->list, e, entry);
    return e;
}

void names_clear(struct controller *c)
{
    for (int32_t i = 0; i < c->names_count; i++) {
        free(c->names[i]);
    }
    c->names_count = 0;
}

void names_add(struct controller *c, const char *name)
{
    c->names = must_grow(c->names, c->names_count, &c->names_capacity, sizeof *c->names);
    c->names[c->names_count++] = must_strdup(name);
}

// ---------------------------------------------------------------------------------------------------------------
// Batches

void batch_begin(struct step *s, const struct batch_phase *phase)
{
    struct controller *c = s->c;
    ASSERT(c->ops_left == 0);
    c->first_token += (uint64_t)c->ops_count;
    c->ops_count = 0;
    c->phase = phase;
    c->missing = false;
}

static struct controller_op *batch_add(struct step *s, enum controller_op_type type, const char *path,
                                       struct batch_op op)
{
    struct controller *c = s->c;
    c->ops = must_grow(c->ops, c->ops_count, &c->ops_capacity, sizeof *c->ops);
    struct controller_effect *e = effect_add(s, CONTROLLER_ZK);
    e->token = c->first_token + (uint64_t)c->ops_count;
    e->op.type = type;
    e->op.path = path == NULL ? NULL : must_have(arena_strdup(&s->out->arena, path));
    c->ops[c->ops_count++] = op;
    c->ops_left++;
    return &e->op;
}

void batch_get(struct step *s, const char *path, bool watch, struct batch_op op)
{
    batch_add(s, CONTROLLER_OP_GET, path, op)->watch = watch;
}

void batch_children(struct step *s, const char *path, bool watch)
{
    batch_add(s, CONTROLLER_OP_CHILDREN, path, (struct batch_op){0})->watch = watch;
}

void batch_create(struct step *s, const char *path, struct slice data)
{
    batch_add(s, CONTROLLER_OP_CREATE, path, (struct batch_op){0})->data = data;
}

void batch_multi(struct step *s, const struct zk_op *ops, int count)
{
    struct controller_op *o = batch_add(s, CONTROLLER_OP_MULTI, NULL, (struct batch_op){0});
    ASSERT(count <= 2);
    memcpy(o->ops, ops, (size_t)count * sizeof *ops);
    o->ops_count = count;
}

void batch_guarded(struct step *s, const struct zk_op *zk_op, struct batch_op op)
{
    op.guarded = true;
    struct controller_op *o = batch_add(s, CONTROLLER_OP_MULTI, NULL, op);
    o->ops[0] = (struct zk_op){.type = ZK_OP_CHECK, .path = ZNODE_CONTROLLER_EPOCH, .version = s->c->epoch_version};
    o->ops[1] = *zk_op;
    o->ops[1].path = must_have(arena_strdup(&s->out->arena, zk_op->path));
    o->ops_count = 2;
}

void batch_end(struct step *s)
{
    if (s->c->ops_left == 0) {
        s->c->phase->on_done(s);
    }
}

void controller_fail(struct step *s, enum err err)
{
    if (s->c->state == CONTROLLER_IS_FAILED) {
        return;
    }
    s->c->state = CONTROLLER_IS_FAILED;
    struct controller_effect *e = effect_add(s, CONTROLLER_HAS_FAILED);
    e->err = err;
    e->what = s->c->phase == NULL ? "" : s->c->phase->what;
}

// Everything of one term as controller.
static void controller_forget(struct controller *c)
{
    c->fenced = false;
    c->ready = false;
    model_clear(c);
    names_clear(c);
    c->want_topics = c->want_growth = c->want_deletions = c->want_elections = c->want_log_dirs = false;
}

// Another controller has been elected: see who it is.
static void controller_resign(struct step *s)
{
    controller_forget(s->c);
    controller_elect(s);
}

static void on_result(struct step *s, const struct controller_event *e)
{
    struct controller *c = s->c;
    ASSERT(e->token >= c->first_token && e->token < c->first_token + (uint64_t)c->ops_count && c->ops_left > 0);
    const struct batch_op op = c->ops[e->token - c->first_token];
    c->ops_left--;
    if (e->result->err == ERR_IO || e->result->err == ERR_NO_SPACE || e->result->err == ERR_CLOSED) {
        controller_fail(s, e->result->err);
    } else if (op.guarded && e->result->err == ERR_BAD_VERSION && e->result->failed_op == 0) {
        c->fenced = true;
    } else if (c->state != CONTROLLER_IS_FAILED) {
        c->phase->on_result(s, &op, e->result);
    }
    if (c->ops_left > 0 || c->state == CONTROLLER_IS_FAILED) {
        return;
    }
    if (c->fenced) {
        controller_resign(s);
    } else {
        c->phase->on_done(s);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Election

static void claim_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err == ERR_OK) {
        s->c->epoch++;
        s->c->epoch_version++; // the multi has set it once
        s->c->state = CONTROLLER_IS_LOADING;
    } else if (r->err != ERR_EXISTS && r->err != ERR_BAD_VERSION && r->err != ERR_NOT_FOUND) {
        controller_fail(s, r->err);
    }
}

static void claim_done(struct step *s)
{
    if (s->c->state == CONTROLLER_IS_LOADING) {
        load_begin(s);
    } else {
        controller_elect(s); // somebody was faster: see who
    }
}

static const struct batch_phase claim_phase = {"claiming /controller", claim_result, claim_done};

static void claim_begin(struct step *s)
{
    struct arena *a = &s->out->arena;
    struct znode_controller me = {
        .broker_id = s->c->broker_id, .timestamp_ms = s->now_ms, .kraft_controller_epoch = -1};
    struct slice controller, epoch;
    if (znode_controller_encode(&me, a, &controller) != ERR_OK ||
        znode_controller_epoch_encode(s->c->epoch + 1, a, &epoch) != ERR_OK) {
        controller_fail(s, ERR_NO_MEMORY);
        return;
    }
    const struct zk_op ops[] = {
        {.type = ZK_OP_CREATE, .path = ZNODE_CONTROLLER, .data = controller, .mode = ZK_EPHEMERAL},
        {.type = ZK_OP_SET, .path = ZNODE_CONTROLLER_EPOCH, .data = epoch, .version = s->c->epoch_version},
    };
    batch_begin(s, &claim_phase);
    batch_multi(s, ops, 2);
    batch_end(s);
}

static void epoch_create_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err != ERR_OK && r->err != ERR_EXISTS) {
        controller_fail(s, r->err);
    }
}

static void epoch_create_done(struct step *s)
{
    controller_elect(s); // reads it, whoever made it
}

static const struct batch_phase epoch_create_phase = {"creating /controller_epoch", epoch_create_result,
                                                      epoch_create_done};

static void epoch_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err == ERR_NOT_FOUND) {
        s->c->missing = true;
        return;
    }
    enum err err = r->err != ERR_OK ? r->err : znode_controller_epoch_decode(r->data, &s->c->epoch);
    if (err != ERR_OK) {
        controller_fail(s, err);
    }
    s->c->epoch_version = r->stat.version;
}

static void epoch_done(struct step *s)
{
    if (!s->c->missing) {
        claim_begin(s);
        return;
    }
    batch_begin(s, &epoch_create_phase);
    batch_create(s, ZNODE_CONTROLLER_EPOCH, slice_str("0")); // the first epoch of a controller is 1
    batch_end(s);
}

static const struct batch_phase epoch_phase = {"reading /controller_epoch", epoch_result, epoch_done};

static void elect_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    if (r->err == ERR_NOT_FOUND) {
        return; // the place is free
    }
    struct znode_controller found;
    enum err err = r->err != ERR_OK ? r->err : znode_controller_decode(r->data, &s->out->arena, &found);
    if (err != ERR_OK) {
        controller_fail(s, err);
        return;
    }
    s->c->state = CONTROLLER_IS_STANDBY;
    s->c->seen_controller = found.broker_id;
}

static void elect_done(struct step *s)
{
    if (s->c->state == CONTROLLER_IS_STANDBY) {
        effect_add(s, CONTROLLER_STOOD_BY)->broker = s->c->seen_controller;
        return;
    }
    batch_begin(s, &epoch_phase);
    batch_get(s, ZNODE_CONTROLLER_EPOCH, false, (struct batch_op){0});
    batch_end(s);
}

static const struct batch_phase elect_phase = {"reading /controller", elect_result, elect_done};

void controller_elect(struct step *s)
{
    s->c->state = CONTROLLER_IS_ELECTING;
    batch_begin(s, &elect_phase);
    batch_get(s, ZNODE_CONTROLLER, true, (struct batch_op){0});
    batch_end(s);
}

// ---------------------------------------------------------------------------------------------------------------
// Tasks and events

// Topics come before deletions, so that a mark is never taken for that of an unknown topic.
void controller_next(struct step *s)
{
    struct controller *c = s->c;
    c->state = CONTROLLER_IS_ACTIVE;
    c->phase = NULL;
    if (c->want_topics) {
        c->want_topics = false;
        topics_begin(s);
    } else if (c->want_growth) {
        c->want_growth = false;
        growth_begin(s);
    } else if (c->want_log_dirs) {
        c->want_log_dirs = false;
        log_dirs_begin(s);
    } else if (c->want_elections) {
        c->want_elections = false;
        elections_begin(s);
    } else if (c->want_deletions) {
        c->want_deletions = false;
        deletions_begin(s);
    } else if (!c->ready) {
        c->ready = true;
        effect_add(s, CONTROLLER_READY);
    }
}

static bool is_idle(const struct controller *c)
{
    return c->state == CONTROLLER_IS_ACTIVE && c->phase == NULL;
}

static void on_watch(struct step *s, const char *path)
{
    struct controller *c = s->c;
    if (strcmp(path, ZNODE_CONTROLLER) == 0) {
        if (c->state == CONTROLLER_IS_STANDBY) {
            controller_elect(s);
        }
        return;
    }
    char name[ZNODE_NAME_MAX_BYTES + 1];
    struct controller_topic *t = znode_parse_topic(path, name) ? model_topic_find(c, name) : NULL;
    if (t != NULL) {
        t->changed = c->want_growth = true;
    }
    c->want_topics = c->want_topics || strcmp(path, ZNODE_TOPICS) == 0;
    c->want_deletions = c->want_deletions || strcmp(path, ZNODE_DELETE_TOPICS) == 0;
    c->want_log_dirs = c->want_log_dirs || strcmp(path, ZNODE_LOG_DIR_EVENTS) == 0;
    if (is_idle(c)) {
        controller_next(s);
    }
}

static void on_answer(struct step *s, const struct controller_event *e)
{
    struct controller *c = s->c;
    struct controller_topic *t = model_topic_find(c, e->topic);
    if (t == NULL || !uuid_equal(&t->id, &e->topic_id)) {
        return; // of a topic that is gone
    }
    if (e->stopped) {
        deletions_answer(s, t, e);
        return;
    }
    bool failed = false;
    for (int32_t i = 0; i < e->partitions_count; i++) {
        struct controller_partition *p = &t->partitions[e->partitions[i]];
        for (int32_t k = 0; e->errs[i] != ERR_OK && k < p->replicas_count; k++) {
            if (p->replicas[k] == e->broker && !p->failed[k]) {
                p->failed[k] = failed = true;
            }
        }
    }
    if (failed) {
        c->want_elections = true;
        tell_metadata(s, t, false); // a replica is offline now, whoever leads
    }
    if (is_idle(c) && c->want_elections) {
        controller_next(s);
    }
}

static void on_expired(struct controller *c)
{
    controller_forget(c);
    c->state = CONTROLLER_IS_STANDBY;
    c->ops_left = 0; // no outcome comes any more
}

void controller_step(struct controller *c, const struct controller_event *event, int64_t now_ms,
                     struct controller_effects *out)
{
    struct step s = {.c = c, .out = out, .now_ms = now_ms};
    switch (event->type) {
    case CONTROLLER_START:
        controller_elect(&s);
        break;
    case CONTROLLER_RESULT:
        on_result(&s, event);
        break;
    case CONTROLLER_WATCH:
        on_watch(&s, event->path);
        break;
    case CONTROLLER_ANSWER:
        on_answer(&s, event);
        break;
    case CONTROLLER_EXPIRED:
        on_expired(c);
        break;
    }
}
