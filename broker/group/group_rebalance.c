// SPDX-License-Identifier: Apache-2.0
//
// The phases of a rebalance: asking everybody to join, ending that phase with a new generation, and not waiting for
// ever for the SyncGroups that must follow.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/group/group_state.h"

#define REASON_MAX 512

int64_t group_rebalance_timeout_ms(const struct group *g)
{
    int64_t timeout_ms = 0;
    for (int32_t i = 0; i < g->members_count; i++) {
        int32_t wanted = g->members[i]->rebalance_timeout_ms;
        timeout_ms = wanted > timeout_ms ? wanted : timeout_ms;
    }
    return timeout_ms;
}

static void join_phase_until(struct turn *t, int64_t delay_ms)
{
    t->g->join_deadline_ms = t->now.mono_ms + delay_ms;
    group_wake_at(t->g, t->g->join_deadline_ms);
}

static void pending_syncs_clear(struct group *g)
{
    g->sync_deadline_ms = GROUP_NEVER;
    for (int32_t i = 0; i < g->members_count; i++) {
        g->members[i]->pending_sync = false;
    }
}

void group_rebalance(struct turn *t, const char *reason)
{
    struct group *g = t->g;
    if (g->state == GROUP_PREPARING_REBALANCE || g->state == GROUP_DEAD) {
        return;
    }
    turn_log(t, LOG_INFO, "rebalance from %s of generation %" PRId32 " (%s)", group_state_name(g->state), g->generation,
             reason);
    if (g->state == GROUP_COMPLETING_REBALANCE) {
        for (int32_t i = 0; i < g->members_count; i++) {
            slice_drop(&g->members[i]->assignment);
            g->members[i]->assignment = slice_dup(slice_str(""));
        }
        group_sync_answer_all(t, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    }
    group_assignment_drop(g);
    pending_syncs_clear(g);
    int64_t timeout_ms = group_rebalance_timeout_ms(g);
    int64_t delay_ms = g->options->initial_rebalance_delay_ms;
    g->initial_delay = g->state == GROUP_EMPTY;
    g->initial_left_ms = timeout_ms > delay_ms ? timeout_ms - delay_ms : 0;
    g->new_member_added = false;
    join_phase_until(t, g->initial_delay ? delay_ms : timeout_ms);
    group_set_state(t, GROUP_PREPARING_REBALANCE);
    group_try_complete_join(t);
}

// ---- the end of the join phase -------------------------------------------------------------------------------------

// Static members keep their places until their sessions end.
static void absent_members_remove(struct turn *t)
{
    struct group *g = t->g;
    int32_t removed = 0;
    int32_t i = 0;
    while (i < g->members_count) {
        struct group_member *m = g->members[i];
        if (m->awaiting_join || m->instance_id.data != NULL) {
            i++;
        } else {
            group_member_remove(t, m, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
            removed++;
        }
    }
    if (removed > 0) {
        t->out->counts.members_expired += (uint64_t)removed;
        turn_log(t, LOG_INFO, "%" PRId32 " members did not rejoin in time and are removed", removed);
    }
}

// A leader that has not rejoined gives way to the first member that has. False: nobody has, although there are members.
static bool leader_elect(struct group *g)
{
    if (g->leader == NULL || g->leader->awaiting_join) {
        return true;
    }
    for (int32_t i = 0; i < g->members_count; i++) {
        if (g->members[i]->awaiting_join) {
            g->leader = g->members[i];
            return true;
        }
    }
    return false;
}

static void generation_begin(struct turn *t)
{
    struct group *g = t->g;
    g->generation = g->generation == INT32_MAX ? 1 : g->generation + 1; // a record may have said any number
    slice_drop(&g->protocol_name);
    if (g->members_count > 0) {
        g->protocol_name = slice_dup(group_vote(g));
    }
    group_subscriptions_compute(g);
    g->join_deadline_ms = GROUP_NEVER;
    t->out->counts.rebalances++;
}

static void generation_without_members(struct turn *t)
{
    group_set_state(t, GROUP_EMPTY);
    turn_log(t, LOG_INFO, "empty, generation %" PRId32, t->g->generation);
    struct group_record *record = must_arena_array(&t->out->arena, 1, sizeof *record);
    *record = group_record_make(t, false);
    group_write_begin(t, GROUP_WRITE_EMPTY, record, 1, LOG_BATCH_NO_PRODUCER);
}

static void generation_with_members(struct turn *t)
{
    struct group *g = t->g;
    group_set_state(t, GROUP_COMPLETING_REBALANCE);
    turn_log(t, LOG_INFO, "generation %" PRId32 " with %" PRId32 " members, protocol %.*s", g->generation,
             g->members_count, SLICE_ARGS(g->protocol_name));
    for (int32_t i = 0; i < g->members_count; i++) {
        struct group_member *m = g->members[i];
        if (m->awaiting_join) {
            m->awaiting_join = false;
            g->awaiting_join_count--;
            group_join_answer(t, m, m->join_token, group_leader(g), g->leader == m, false);
        }
        m->is_new = false;
        m->pending_sync = true;
        group_member_touch(t, m);
    }
    g->sync_deadline_ms = t->now.mono_ms + group_rebalance_timeout_ms(g);
    group_wake_at(g, g->sync_deadline_ms);
}

static void join_complete(struct turn *t)
{
    struct group *g = t->g;
    absent_members_remove(t);
    if (!leader_elect(g)) {
        int64_t delay_ms = group_rebalance_timeout_ms(g);
        g->initial_delay = false;
        join_phase_until(t, delay_ms > GROUP_POSTPONE_MIN_MS ? delay_ms : GROUP_POSTPONE_MIN_MS);
        turn_log(t, LOG_WARN, "no member rejoined; waiting on for %" PRId32 " static ones", g->members_count);
        return;
    }
    generation_begin(t);
    if (g->members_count == 0) {
        generation_without_members(t);
    } else {
        generation_with_members(t);
    }
}

void group_try_complete_join(struct turn *t)
{
    const struct group *g = t->g;
    if (g->state == GROUP_PREPARING_REBALANCE && !g->initial_delay && g->awaiting_join_count == g->members_count &&
        g->pending == NULL) {
        join_complete(t);
    }
}

void group_join_deadline(struct turn *t)
{
    struct group *g = t->g;
    if (g->initial_delay && g->new_member_added && g->initial_left_ms > 0) {
        g->new_member_added = false;
        int64_t delay_ms = g->options->initial_rebalance_delay_ms;
        delay_ms = delay_ms < g->initial_left_ms ? delay_ms : g->initial_left_ms;
        g->initial_left_ms -= delay_ms;
        join_phase_until(t, delay_ms);
        return;
    }
    join_complete(t);
}

void group_sync_deadline(struct turn *t)
{
    struct group *g = t->g;
    int32_t removed = 0;
    int32_t i = 0;
    g->sync_deadline_ms = GROUP_NEVER;
    while (i < g->members_count) {
        struct group_member *m = g->members[i];
        if (m->pending_sync) {
            group_member_remove(t, m, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
            removed++;
        } else {
            i++;
        }
    }
    if (removed > 0) {
        char reason[REASON_MAX];
        t->out->counts.members_expired += (uint64_t)removed;
        snprintf(reason, sizeof reason, "%" PRId32 " members did not send SyncGroup in time", removed);
        group_rebalance(t, reason);
    }
}

// ---- leaving -------------------------------------------------------------------------------------------------------

void group_member_leaves(struct turn *t, struct group_member *m, const char *reason)
{
    char text[REASON_MAX];
    snprintf(text, sizeof text, "member %.*s: %s", SLICE_ARGS(m->id), reason);
    turn_log(t, LOG_INFO, "removing %s", text);
    group_member_remove(t, m, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    if (t->g->state == GROUP_STABLE || t->g->state == GROUP_COMPLETING_REBALANCE) {
        group_rebalance(t, text);
    } else {
        group_try_complete_join(t);
    }
}

void group_pending_leaves(struct turn *t, struct group_pending_member *p)
{
    group_pending_remove(t->g, p);
    group_try_complete_join(t);
}

// ---- subscriptions -------------------------------------------------------------------------------------------------

void group_subscriptions_clear(struct group *g)
{
    struct group_subscription *s;
    struct group_subscription *next;
    HASH_ITER (hh, g->subscriptions, s, next) {
        HASH_DEL(g->subscriptions, s);
        slice_drop(&s->topic);
        free(s);
    }
    g->subscriptions_known = false;
}

static bool subscription_add(struct group *g, struct slice metadata)
{
    // Version 0 is how all versions begin, and the topics are all that matters here.
    struct consumer_protocol_subscription subscription;
    struct reader r = reader_of(metadata);
    struct arena a;
    arena_init(&a, GROUP_METADATA_MAX);
    reader_u16(&r);
    enum err e = r.bad ? ERR_TRUNCATED : message_decode(&consumer_protocol_subscription_desc, 0, &r, &a, &subscription);
    for (int32_t i = 0; e == ERR_OK && i < subscription.topics_count; i++) {
        struct slice topic = subscription.topics[i];
        struct group_subscription *s;
        HASH_FIND(hh, g->subscriptions, topic.data, topic.len, s);
        if (s == NULL) {
            s = must_alloc(sizeof *s);
            s->topic = slice_dup(topic);
            HASH_ADD_KEYPTR(hh, g->subscriptions, s->topic.data, s->topic.len, s);
        }
    }
    arena_release(&a);
    return e == ERR_OK;
}

void group_subscriptions_compute(struct group *g)
{
    group_subscriptions_clear(g);
    if (g->protocol_type.data == NULL || !slice_equal(g->protocol_type, slice_str("consumer"))) {
        return;
    }
    bool known = true;
    for (int32_t i = 0; i < g->members_count && known; i++) {
        known = subscription_add(g, group_member_metadata(g->members[i], g->protocol_name));
    }
    if (!known) {
        group_subscriptions_clear(g);
    }
    g->subscriptions_known = known;
}

bool group_subscribes(const struct group *g, struct slice topic)
{
    struct group_subscription *s;
    HASH_FIND(hh, g->subscriptions, topic.data, topic.len, s);
    return !g->subscriptions_known || s != NULL;
}
