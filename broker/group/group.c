// SPDX-License-Identifier: Apache-2.0
//
// The group as a whole: making and freeing it, the step that hands an event to the part it concerns, the timers, and
// the views. A group has one wake-up time for all its timers; a heartbeat only moves a member's own deadline further
// away, and the tick that comes too early for it finds that out.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/group/group_state.h"

#define EFFECTS_MAX ((size_t)1 << 30)

void group_options_init(struct group_options *o)
{
    *o = (struct group_options){
        .min_session_timeout_ms = 6000,
        .max_session_timeout_ms = 1800000,
        .initial_rebalance_delay_ms = 3000,
        .max_size = INT32_MAX,
        .offset_metadata_max = 4096,
        .offsets_retention_ms = INT64_C(7) * 24 * 3600 * 1000,
    };
}

int16_t group_check_session_timeout(const struct group_options *o, int32_t session_timeout_ms)
{
    bool ok = session_timeout_ms >= o->min_session_timeout_ms && session_timeout_ms <= o->max_session_timeout_ms;
    return ok ? KAFKA_ERROR_NONE : KAFKA_ERROR_INVALID_SESSION_TIMEOUT;
}

struct slice slice_dup(struct slice s)
{
    return s.data == NULL ? SLICE_NULL : slice_of(must_copy(s.data, s.len), s.len);
}

void slice_drop(struct slice *s)
{
    free((void *)(uintptr_t)s->data);
    *s = SLICE_NULL;
}

struct group *group_new(const struct group_options *o, struct slice id, struct group_time now)
{
    struct group *g = must_alloc(sizeof *g);
    g->options = o;
    g->id = slice_of(must_copy(id.data, id.len), id.len);
    g->state = GROUP_EMPTY;
    g->state_timestamp_ms = now.wall_ms;
    g->wake_ms = GROUP_NEVER;
    g->join_deadline_ms = GROUP_NEVER;
    g->sync_deadline_ms = GROUP_NEVER;
    TAILQ_INIT(&g->writes);
    return g;
}

void group_free(struct group *g)
{
    while (!TAILQ_EMPTY(&g->writes)) {
        group_write_free(g, TAILQ_FIRST(&g->writes));
    }
    while (g->pending != NULL) {
        group_pending_remove(g, g->pending);
    }
    HASH_CLEAR(hh, g->by_id);
    HASH_CLEAR(hh_instance, g->by_instance);
    for (int32_t i = 0; i < g->members_count; i++) {
        group_member_free(g->members[i]);
    }
    free(g->members);
    struct group_support *s;
    struct group_support *next;
    HASH_ITER (hh, g->support, s, next) {
        HASH_DEL(g->support, s);
        slice_drop(&s->name);
        free(s);
    }
    group_subscriptions_clear(g);
    group_offsets_free(g);
    slice_drop(&g->protocol_type);
    slice_drop(&g->protocol_name);
    slice_drop(&g->id);
    free(g);
}

// ---- effects -------------------------------------------------------------------------------------------------------

void group_effects_init(struct group_effects *e)
{
    *e = (struct group_effects){.counts = {0}};
    arena_init(&e->arena, EFFECTS_MAX);
    STAILQ_INIT(&e->list);
}

void group_effects_release(struct group_effects *e)
{
    arena_release(&e->arena);
}

void group_effects_reset(struct group_effects *e)
{
    arena_reset(&e->arena);
    STAILQ_INIT(&e->list);
}

struct slice turn_copy(struct turn *t, struct slice s)
{
    return s.data == NULL ? SLICE_NULL : slice_of(must_arena_copy(&t->out->arena, s.data, s.len), s.len);
}

struct group_effect *turn_effect(struct turn *t, enum group_effect_type type)
{
    struct group_effect *e = must_arena_array(&t->out->arena, 1, sizeof *e);
    e->type = type;
    STAILQ_INSERT_TAIL(&t->out->list, e, entry);
    return e;
}

void turn_answer(struct turn *t, enum group_effect_type type, uint64_t token, int16_t error)
{
    struct group_effect *e = turn_effect(t, type);
    e->token = token;
    e->error = error;
}

struct group_effect *turn_answer_errors(struct turn *t, enum group_effect_type type, uint64_t token,
                                        const int16_t *errors, int32_t count)
{
    struct group_effect *e = turn_effect(t, type);
    e->token = token;
    e->errors.list = must_arena_copy(&t->out->arena, errors, (size_t)count * sizeof *errors);
    e->errors.count = count;
    return e;
}

void turn_log(struct turn *t, enum log_level level, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct group_effect *e = turn_effect(t, GROUP_LOG);
    e->log.level = level;
    e->log.text = must_have(arena_printf(&t->out->arena, "group %.*s: %s", t->g->id.len > 256 ? 256 : (int)t->g->id.len,
                                         t->g->id.data, text));
}

// ---- writes --------------------------------------------------------------------------------------------------------

struct group_pending_write *group_write_begin(struct turn *t, enum group_write_kind kind,
                                              const struct group_record *records, int32_t count,
                                              struct log_batch_producer producer)
{
    struct group *g = t->g;
    struct group_pending_write *w = must_alloc(sizeof *w);
    w->id = ++g->last_write_id;
    w->kind = kind;
    w->producer_id = -1;
    TAILQ_INSERT_TAIL(&g->writes, w, link);
    struct group_effect *e = turn_effect(t, GROUP_WRITE);
    e->write = (struct group_write){
        .id = w->id,
        .records = records,
        .records_count = count,
        .acks_none = kind == GROUP_WRITE_TOMBSTONES,
        .producer = producer,
    };
    return w;
}

void group_write_free(struct group *g, struct group_pending_write *w)
{
    for (int32_t i = 0; i < w->items_count; i++) {
        slice_drop(&w->items[i].value.metadata);
        group_offset_unref(g, w->items[i].at);
    }
    TAILQ_REMOVE(&g->writes, w, link);
    free(w->items);
    free(w->errors);
    free(w);
}

void group_writes_abandon(struct turn *t, const struct group_pending_write *keep, int16_t error)
{
    struct group_pending_write *w = TAILQ_FIRST(&t->g->writes);
    while (w != NULL) {
        struct group_pending_write *next = TAILQ_NEXT(w, link);
        if (w != keep) {
            for (int32_t i = 0; i < w->errors_count; i++) {
                w->errors[i] = error;
            }
            if (w->has_request && w->answer == GROUP_ANSWER_DELETE) {
                turn_answer(t, w->answer, w->token, error);
            } else if (w->has_request) {
                turn_answer_errors(t, w->answer, w->token, w->errors, w->errors_count);
            }
            group_write_free(t->g, w);
        }
        w = next;
    }
}

int16_t group_store_error(enum err e)
{
    switch (e) {
    case ERR_OK:
        return KAFKA_ERROR_NONE;
    case ERR_NOT_FOUND:
    case ERR_NOT_ENOUGH_REPLICAS:
        return KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    case ERR_NOT_LEADER:
    case ERR_IO:
    case ERR_NO_SPACE:
    case ERR_FAILED:
    case ERR_CLOSED:
        return KAFKA_ERROR_NOT_COORDINATOR;
    case ERR_TIMED_OUT:
        return KAFKA_ERROR_REBALANCE_IN_PROGRESS;
    default:
        return KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    }
}

static void turn_written(struct turn *t, const struct group_written *written)
{
    struct group_pending_write *w;
    TAILQ_FOREACH (w, &t->g->writes, link) {
        if (w->id == written->write_id) {
            break;
        }
    }
    if (w == NULL) {
        return; // of a group that was unloaded meanwhile
    }
    switch (w->kind) {
    case GROUP_WRITE_ASSIGNMENT:
        group_assignment_written(t, w->id, written->err);
        break;
    case GROUP_WRITE_REPLACEMENT:
        group_replacement_written(t, w->id, written->err);
        break;
    case GROUP_WRITE_EMPTY:
        if (written->err != ERR_OK) {
            turn_log(t, LOG_WARN, "its record of being empty could not be written: %s", err_text(written->err));
        }
        break;
    case GROUP_WRITE_COMMIT:
        group_commit_written(t, w, written);
        break;
    case GROUP_WRITE_TOMBSTONES:
        group_tombstones_written(t, w, written); // may end the group
        break;
    }
    group_write_free(t->g, w);
}

// ---- life and timers -----------------------------------------------------------------------------------------------

void group_set_state(struct turn *t, enum group_state state)
{
    t->g->state = state;
    t->g->state_timestamp_ms = t->now.wall_ms;
}

void group_wake_at(struct group *g, int64_t at_ms)
{
    g->wake_ms = at_ms < g->wake_ms ? at_ms : g->wake_ms;
}

int64_t group_wake_ms(const struct group *g)
{
    return g->wake_ms;
}

static bool member_is_due(struct turn *t, struct group_member *m)
{
    if (m->deadline_ms > t->now.mono_ms) {
        return false;
    }
    if ((m->awaiting_join && !m->is_new) || m->awaiting_sync) {
        m->deadline_ms = GROUP_NEVER; // whoever waits for an answer is alive; the answer starts the session anew
        return false;
    }
    return true;
}

// Lets one timer that is due take effect; false when none is.
static bool tick_one(struct turn *t)
{
    struct group *g = t->g;
    struct group_pending_member *p;
    struct group_pending_member *next;
    HASH_ITER (hh, g->pending, p, next) {
        if (p->deadline_ms <= t->now.mono_ms) {
            group_pending_leaves(t, p);
            return true;
        }
    }
    for (int32_t i = 0; i < g->members_count; i++) {
        if (member_is_due(t, g->members[i])) {
            t->out->counts.members_expired++;
            group_member_leaves(t, g->members[i], "session expired");
            return true;
        }
    }
    if (g->join_deadline_ms <= t->now.mono_ms) {
        group_join_deadline(t);
        return true;
    }
    if (g->sync_deadline_ms <= t->now.mono_ms) {
        group_sync_deadline(t);
        return true;
    }
    return false;
}

static void turn_tick(struct turn *t)
{
    struct group *g = t->g;
    while (tick_one(t)) {
    }
    int64_t wake_ms = g->join_deadline_ms < g->sync_deadline_ms ? g->join_deadline_ms : g->sync_deadline_ms;
    for (int32_t i = 0; i < g->members_count; i++) {
        wake_ms = g->members[i]->deadline_ms < wake_ms ? g->members[i]->deadline_ms : wake_ms;
    }
    for (struct group_pending_member *p = g->pending; p != NULL; p = p->hh.next) {
        wake_ms = p->deadline_ms < wake_ms ? p->deadline_ms : wake_ms;
    }
    g->wake_ms = wake_ms;
}

void group_die(struct turn *t)
{
    struct group *g = t->g;
    group_set_state(t, GROUP_DEAD);
    g->join_deadline_ms = GROUP_NEVER;
    g->sync_deadline_ms = GROUP_NEVER;
    g->wake_ms = GROUP_NEVER;
    turn_effect(t, GROUP_DIED);
}

void group_unload(struct turn *t)
{
    struct group *g = t->g;
    while (g->members_count > 0) {
        group_member_remove(t, g->members[0], KAFKA_ERROR_NOT_COORDINATOR);
    }
    while (g->pending != NULL) {
        group_pending_remove(g, g->pending);
    }
    group_writes_abandon(t, NULL, KAFKA_ERROR_NOT_COORDINATOR);
    group_die(t);
}

// ---- the step ------------------------------------------------------------------------------------------------------

void group_step(struct group *g, const struct group_event *event, struct group_time now, struct group_effects *out)
{
    struct turn t = {.g = g, .now = now, .out = out};
    switch (event->type) {
    case GROUP_JOIN:
        group_join(&t, event->token, &event->join);
        break;
    case GROUP_SYNC:
        group_sync(&t, event->token, &event->sync);
        break;
    case GROUP_HEARTBEAT:
        group_heartbeat(&t, event->token, &event->heartbeat);
        break;
    case GROUP_LEAVE:
        group_leave(&t, event->token, &event->leave);
        break;
    case GROUP_COMMIT:
        group_commit(&t, event->token, &event->commit);
        break;
    case GROUP_OFFSET_DELETE:
        group_offset_delete(&t, event->token, &event->partitions);
        break;
    case GROUP_DELETE:
        turn_tick(&t); // a session that is over is over, though its tick comes a moment late
        group_delete(&t, event->token);
        break;
    case GROUP_TICK:
        turn_tick(&t);
        break;
    case GROUP_WRITTEN:
        turn_written(&t, &event->written);
        break;
    case GROUP_EXPIRE_OFFSETS:
        group_expire_offsets(&t);
        break;
    case GROUP_TOPICS_DELETED:
        group_topics_deleted(&t, &event->partitions);
        break;
    case GROUP_TXN_END:
        group_txn_end(&t, &event->txn_end);
        break;
    case GROUP_LOADED:
        group_loaded(&t);
        break;
    case GROUP_UNLOAD:
        group_unload(&t);
        break;
    }
}

// ---- views ---------------------------------------------------------------------------------------------------------

const char *group_state_name(enum group_state s)
{
    static const char *const names[] = {
        [GROUP_EMPTY] = "Empty",
        [GROUP_PREPARING_REBALANCE] = "PreparingRebalance",
        [GROUP_COMPLETING_REBALANCE] = "CompletingRebalance",
        [GROUP_STABLE] = "Stable",
        [GROUP_DEAD] = "Dead",
    };
    return names[s];
}

struct slice group_id(const struct group *g)
{
    return g->id;
}

enum group_state group_state(const struct group *g)
{
    return g->state;
}

struct slice group_protocol_type(const struct group *g)
{
    return g->protocol_type;
}

struct slice group_protocol_name(const struct group *g)
{
    return g->protocol_name;
}

struct slice group_leader(const struct group *g)
{
    return g->leader == NULL ? SLICE_NULL : g->leader->id;
}

int32_t group_generation(const struct group *g)
{
    return g->generation;
}

int64_t group_state_timestamp_ms(const struct group *g)
{
    return g->state_timestamp_ms;
}

int32_t group_members_count(const struct group *g)
{
    return g->members_count;
}

void group_member_at(const struct group *g, int32_t i, struct group_member_view *out)
{
    ASSERT(i >= 0 && i < g->members_count);
    const struct group_member *m = g->members[i];
    bool stable = g->state == GROUP_STABLE;
    *out = (struct group_member_view){
        .member_id = m->id,
        .instance_id = m->instance_id,
        .client_id = m->client_id,
        .client_host = m->client_host,
        .metadata = stable ? group_member_metadata(m, g->protocol_name) : slice_str(""),
        .assignment = stable ? m->assignment : slice_str(""),
        .session_timeout_ms = m->session_timeout_ms,
        .rebalance_timeout_ms = m->rebalance_timeout_ms,
    };
}
