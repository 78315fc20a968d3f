// SPDX-License-Identifier: Apache-2.0
//
// The controller's machine: events in, batches of operations out, the election, and which task comes next.
#include "broker/cluster/controller.h"

#include <stdlib.h>

#include "base/assert.h"
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"
#include "protocol/protocol.h"

#define EFFECTS_ARENA_LIMIT ((size_t)1 << 32)

struct controller *controller_new(const struct controller_options *o)
{
    struct controller *c = must_alloc(sizeof *c);
    c->options = *o;
    c->broker_id = o->broker_id;
    c->seen_controller = -1;
    c->first_token = 1;
    STAILQ_INIT(&c->requests);
    moves_init(c);
    return c;
}

// Everything of one term as controller.
static void controller_forget(struct controller *c)
{
    model_clear(c);
    names_clear(c);
    works_clear(c);
    for (int32_t i = 0; i < c->found_count; i++) {
        broker_free(c->found[i]);
    }
    c->found_count = c->gone_count = 0;
    c->claim_czxid = 0;
    c->fenced = c->ready = c->request_last = false;
    c->want_controller = c->want_brokers = c->want_topics = c->want_growth = c->want_states = false;
    c->want_moves = c->want_moves_asked = c->want_preferred = c->want_isr_notes = c->want_rebalance = false;
    c->want_log_dirs = c->want_failures = c->want_elections = c->want_deletions = c->want_erased = false;
}

void controller_free(struct controller *c)
{
    if (c == NULL) {
        return;
    }
    controller_forget(c);
    model_forget_retired(c);
    moves_release(c);
    free(c->brokers);
    free(c->retired);
    free(c->found);
    free(c->gone);
    free(c->works);
    free(c->names);
    free(c->ops);
    free(c);
}

int64_t controller_broker_epoch(const struct controller *c, int32_t broker)
{
    const struct controller_broker *b = model_broker_find(c, broker);
    return b == NULL ? -1 : b->epoch;
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

void names_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
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

void batch_exists(struct step *s, const char *path)
{
    batch_add(s, CONTROLLER_OP_EXISTS, path, (struct batch_op){0})->watch = true;
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

// Whoever waits for this controller looks for another one.
static void controller_resign(struct step *s)
{
    requests_refuse(s);
    if (s->c->state == CONTROLLER_IS_LOADING || s->c->state == CONTROLLER_IS_ACTIVE) {
        effect_add(s, CONTROLLER_RESIGNED);
    }
    controller_forget(s->c);
}

void controller_fail(struct step *s, enum err err)
{
    if (s->c->state == CONTROLLER_IS_FAILED) {
        return;
    }
    const char *what = s->c->phase == NULL ? "" : s->c->phase->what;
    controller_resign(s);
    s->c->state = CONTROLLER_IS_FAILED;
    struct controller_effect *e = effect_add(s, CONTROLLER_HAS_FAILED);
    e->err = err;
    e->what = what;
}

static void on_result(struct step *s, const struct controller_event *e)
{
    struct controller *c = s->c;
    if (e->token < c->first_token || e->result->err == ERR_CLOSED) {
        return; // of a session that is gone; CONTROLLER_EXPIRED has been or will be
    }
    ASSERT(e->token < c->first_token + (uint64_t)c->ops_count && c->ops_left > 0);
    const struct batch_op op = c->ops[e->token - c->first_token];
    c->ops_left--;
    if (e->result->err == ERR_IO || e->result->err == ERR_NO_SPACE) {
        controller_fail(s, e->result->err);
    } else if (op.guarded && e->result->err != ERR_OK && e->result->failed_op == 0) {
        c->fenced = true;
    } else if (c->state != CONTROLLER_IS_FAILED) {
        c->phase->on_result(s, &op, e->result);
    }
    if (c->ops_left > 0 || c->state == CONTROLLER_IS_FAILED) {
        return;
    }
    if (c->fenced) { // another controller has been elected: see who it is
        controller_resign(s);
        controller_elect(s);
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
    if (s->c->claimed) {
        s->c->state = CONTROLLER_IS_LOADING;
        load_begin(s);
        return;
    }
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
    if (s->c->session_id != 0 && r->stat.ephemeral_owner == s->c->session_id && found.broker_id == s->c->broker_id) {
        s->c->claimed = true; // the claim was granted, and only its outcome was lost with a connection
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
    s->c->claimed = false;
    batch_begin(s, &elect_phase);
    batch_get(s, ZNODE_CONTROLLER, true, (struct batch_op){0});
    batch_end(s);
}

static void check_result(struct step *s, const struct batch_op *op, const struct zk_result *r)
{
    (void)op;
    struct znode_controller found;
    s->c->missing = r->err != ERR_OK || znode_controller_decode(r->data, &s->out->arena, &found) != ERR_OK ||
                    found.broker_id != s->c->broker_id ||
                    (s->c->claim_czxid != 0 && s->c->claim_czxid != r->stat.czxid);
    s->c->claim_czxid = r->stat.czxid;
}

static void check_done(struct step *s)
{
    if (s->c->missing) {
        controller_resign(s);
        controller_elect(s);
    } else {
        s->c->checked(s);
    }
}

static const struct batch_phase check_phase = {"looking at /controller", check_result, check_done};

void controller_check(struct step *s, void (*next)(struct step *s))
{
    s->c->checked = next;
    batch_begin(s, &check_phase);
    batch_get(s, ZNODE_CONTROLLER, true, (struct batch_op){0});
    batch_end(s);
}

// ---------------------------------------------------------------------------------------------------------------
// Tasks

static bool take(bool *want)
{
    bool wanted = *want;
    *want = false;
    return wanted;
}

// Topics come before deletions, so that a mark is never taken for that of an unknown topic. False: nothing waits.
static bool task_begin(struct step *s)
{
    struct controller *c = s->c;
    if (take(&c->want_controller)) {
        controller_check(s, controller_next);
    } else if (take(&c->want_brokers)) {
        brokers_begin(s);
    } else if (take(&c->want_topics)) {
        topics_begin(s);
    } else if (take(&c->want_growth)) {
        growth_begin(s);
    } else if (take(&c->want_states)) {
        create_begin(s);
    } else if (take(&c->want_log_dirs)) {
        log_dirs_begin(s);
    } else if (take(&c->want_failures)) {
        failures_begin(s);
    } else if (take(&c->want_elections)) {
        elections_begin(s);
    } else if (take(&c->want_isr_notes)) {
        isr_notes_begin(s);
    } else if (take(&c->want_moves_asked)) {
        moves_asked_begin(s);
    } else if (take(&c->want_moves)) {
        moves_begin(s);
    } else if (take(&c->want_deletions)) {
        deletions_begin(s);
    } else if (take(&c->want_erased)) {
        erased_begin(s);
    } else if (take(&c->want_preferred)) {
        preferred_asked_begin(s);
    } else if (take(&c->want_rebalance)) {
        rebalance_begin(s);
    } else {
        return false;
    }
    return true;
}

// A request has its turn after every other task, so that neither kind keeps the other waiting for ever.
void controller_next(struct step *s)
{
    struct controller *c = s->c;
    c->state = CONTROLLER_IS_ACTIVE;
    c->phase = NULL;
    if (!c->request_last && !STAILQ_EMPTY(&c->requests) && c->ready) {
        c->request_last = true;
        request_begin(s);
        return;
    }
    c->request_last = false;
    if (task_begin(s)) {
        return;
    }
    if (!c->ready) {
        c->ready = true;
        effect_add(s, CONTROLLER_READY);
    }
    if (!STAILQ_EMPTY(&c->requests)) {
        c->request_last = true;
        request_begin(s);
    }
}

static void controller_wake(struct step *s)
{
    if (s->c->state == CONTROLLER_IS_ACTIVE && s->c->phase == NULL) {
        controller_next(s);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Events

static void on_watch(struct step *s, const char *path)
{
    struct controller *c = s->c;
    if (strcmp(path, ZNODE_CONTROLLER) == 0) {
        if (c->state == CONTROLLER_IS_STANDBY) {
            controller_elect(s);
            return;
        }
        c->want_controller = true;
    }
    char name[ZNODE_NAME_MAX_BYTES + 1];
    int32_t broker;
    struct controller_topic *t = znode_parse_topic(path, name) ? model_topic_find(c, name) : NULL;
    if (t != NULL) {
        t->changed = c->want_growth = true;
    }
    c->want_brokers = c->want_brokers || strcmp(path, ZNODE_BROKER_IDS) == 0 || znode_parse_broker(path, &broker);
    c->want_topics = c->want_topics || strcmp(path, ZNODE_TOPICS) == 0;
    c->want_deletions = c->want_deletions || strcmp(path, ZNODE_DELETE_TOPICS) == 0;
    c->want_log_dirs = c->want_log_dirs || strcmp(path, ZNODE_LOG_DIR_EVENTS) == 0;
    c->want_isr_notes = c->want_isr_notes || strcmp(path, ZNODE_ISR_CHANGES) == 0;
    c->want_moves_asked = c->want_moves_asked || strcmp(path, ZNODE_REASSIGN_PARTITIONS) == 0;
    c->want_preferred = c->want_preferred || strcmp(path, ZNODE_PREFERRED_ELECTION) == 0;
    controller_wake(s);
}

// Only a failed log directory says something: that a broker knows of it already, or more than it is told, is no news.
static void leaders_answer(struct step *s, struct controller_topic *t, const struct controller_event *e)
{
    for (int32_t i = 0; i < e->partitions_count; i++) {
        struct controller_partition *p = topic_partition(t, e->partitions[i]);
        int32_t at = p == NULL ? -1 : partition_replica_at(p, e->broker);
        if (at < 0) {
            continue; // it has none, or none any more
        }
        if (e->codes[i] == KAFKA_ERROR_NONE) {
            p->replica_states[at] = REPLICA_FINE;
        } else if (e->codes[i] == KAFKA_ERROR_KAFKA_STORAGE_ERROR && p->replica_states[at] == REPLICA_FINE) {
            p->replica_states[at] = REPLICA_FAILS;
            s->c->want_failures = true;
        }
    }
}

static void on_answer(struct step *s, const struct controller_event *e)
{
    struct controller *c = s->c;
    struct controller_topic *t =
        e->topic == NULL ? model_topic_find_id(c, &e->topic_id) : model_topic_find(c, e->topic);
    if (t == NULL) {
        return; // of a topic that is gone
    }
    if (e->stopped) {
        deletions_answer(s, t, e);
    } else {
        leaders_answer(s, t, e);
    }
    controller_wake(s);
}

static void on_behind(struct step *s, int32_t broker)
{
    struct controller_broker *b = model_broker_find(s->c, broker);
    if (b != NULL) {
        b->behind = s->c->want_brokers = true;
        controller_wake(s);
    }
}

static void on_asked(struct step *s, struct controller_request *r)
{
    STAILQ_INSERT_TAIL(&s->c->requests, r, entry);
    if (s->c->state == CONTROLLER_IS_LOADING || s->c->state == CONTROLLER_IS_ACTIVE) {
        controller_wake(s);
    } else {
        requests_refuse(s);
    }
}

// Outcomes of what is under way are of no use any more, if they come at all.
static void on_expired(struct step *s)
{
    struct controller *c = s->c;
    if (c->state == CONTROLLER_IS_FAILED) {
        return;
    }
    controller_resign(s);
    c->state = CONTROLLER_IS_STANDBY;
    c->first_token += (uint64_t)c->ops_count;
    c->ops_count = c->ops_left = 0;
    c->phase = NULL;
}

void controller_step(struct controller *c, const struct controller_event *event, int64_t now_ms,
                     struct controller_effects *out)
{
    struct step s = {.c = c, .out = out, .now_ms = now_ms};
    model_forget_retired(c);
    switch (event->type) {
    case CONTROLLER_START:
        c->session_id = event->session_id;
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
    case CONTROLLER_CONFIGS_CHANGED:
        c->want_elections = c->state == CONTROLLER_IS_ACTIVE;
        controller_wake(&s);
        break;
    case CONTROLLER_REBALANCE:
        c->want_rebalance = c->state == CONTROLLER_IS_ACTIVE;
        controller_wake(&s);
        break;
    case CONTROLLER_BEHIND:
        on_behind(&s, event->broker);
        break;
    case CONTROLLER_ASKED:
        on_asked(&s, event->request);
        break;
    case CONTROLLER_EXPIRED:
        on_expired(&s);
        break;
    }
}
