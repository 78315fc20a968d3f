// SPDX-License-Identifier: Apache-2.0
//
// SyncGroup, Heartbeat and LeaveGroup. The leader's assignment is kept apart until its record is written; then every
// member gets its part and the group is Stable.
#include <stdio.h>
#include <stdlib.h>

#include "broker/group/group_state.h"

#define REASON_MAX 512

void group_sync_refuse(struct turn *t, uint64_t token, int16_t error)
{
    struct group_effect *e = turn_effect(t, GROUP_ANSWER_SYNC);
    e->token = token;
    e->error = error;
    e->sync.assignment = slice_str("");
}

static void sync_answer(struct turn *t, const struct group_member *m, uint64_t token)
{
    struct group_effect *e = turn_effect(t, GROUP_ANSWER_SYNC);
    e->token = token;
    e->error = KAFKA_ERROR_NONE;
    e->sync.protocol_type = turn_copy(t, t->g->protocol_type);
    e->sync.protocol_name = turn_copy(t, t->g->protocol_name);
    e->sync.assignment = turn_copy(t, m->assignment);
}

void group_sync_answer_all(struct turn *t, int16_t error)
{
    for (int32_t i = 0; i < t->g->members_count; i++) {
        struct group_member *m = t->g->members[i];
        if (!m->awaiting_sync) {
            continue;
        }
        m->awaiting_sync = false;
        if (error == KAFKA_ERROR_NONE) {
            sync_answer(t, m, m->sync_token);
        } else {
            group_sync_refuse(t, m->sync_token, error);
        }
        group_member_touch(t, m);
    }
}

// ---- the group's record --------------------------------------------------------------------------------------------

struct group_record group_record_make(struct turn *t, bool next_assignments)
{
    struct group *g = t->g;
    struct arena *a = &t->out->arena;
    struct group_metadata_value v;
    group_metadata_value_init(&v);
    v.protocol_type = g->protocol_type.data == NULL ? slice_str("") : g->protocol_type;
    v.generation = g->generation;
    v.protocol = g->protocol_name;
    v.leader = group_leader(g);
    v.current_state_timestamp = g->state_timestamp_ms;
    v.members = must_arena_array(a, (size_t)g->members_count, sizeof *v.members);
    v.members_count = g->members_count;
    for (int32_t i = 0; i < g->members_count; i++) {
        const struct group_member *m = g->members[i];
        v.members[i] = (struct group_metadata_value_member_metadata){
            .member_id = m->id,
            .group_instance_id = m->instance_id,
            .client_id = m->client_id,
            .client_host = m->client_host,
            .rebalance_timeout = m->rebalance_timeout_ms,
            .session_timeout = m->session_timeout_ms,
            .subscription = group_member_metadata(m, g->protocol_name),
            .assignment = next_assignments ? m->next_assignment : m->assignment,
        };
    }
    return (struct group_record){.key = group_metadata_key_encode(a, g->id),
                                 .value = group_metadata_value_encode(a, &v)};
}

// ---- SyncGroup -----------------------------------------------------------------------------------------------------

void group_assignment_drop(struct group *g)
{
    for (int32_t i = 0; i < g->members_count; i++) {
        slice_drop(&g->members[i]->next_assignment);
    }
    g->assignment_write = 0;
}

static int16_t sync_check(const struct group *g, const struct group_sync *sync)
{
    if (g->state == GROUP_DEAD) {
        return KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    int16_t error = group_check_member(g, sync->member_id, sync->instance_id);
    if (error != KAFKA_ERROR_NONE) {
        return error;
    }
    if (sync->generation != g->generation) {
        return KAFKA_ERROR_ILLEGAL_GENERATION;
    }
    bool type_ok = sync->protocol_type.data == NULL ||
                   (g->protocol_type.data != NULL && slice_equal(sync->protocol_type, g->protocol_type));
    bool name_ok = sync->protocol_name.data == NULL ||
                   (g->protocol_name.data != NULL && slice_equal(sync->protocol_name, g->protocol_name));
    return type_ok && name_ok ? KAFKA_ERROR_NONE : KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL;
}

static void assignment_failed(struct turn *t, enum err err)
{
    char reason[REASON_MAX];
    group_assignment_drop(t->g);
    group_sync_answer_all(t, group_store_error(err));
    snprintf(reason, sizeof reason, "the assignment could not be written: %s", err_text(err));
    group_rebalance(t, reason);
}

// The leader's word: members it does not name get nothing, names that are no members are passed over.
static void assignment_store(struct turn *t, const struct group_sync *sync)
{
    struct group *g = t->g;
    size_t size = 0;
    for (int32_t i = 0; i < sync->assignments_count; i++) {
        size += sync->assignments[i].assignment.len;
    }
    if (size > GROUP_ASSIGNMENT_MAX) {
        assignment_failed(t, ERR_BATCH_TOO_LARGE);
        return;
    }
    for (int32_t i = 0; i < sync->assignments_count; i++) {
        struct group_member *m = group_member_find(g, sync->assignments[i].member_id);
        struct slice bytes = sync->assignments[i].assignment;
        if (m != NULL) {
            slice_drop(&m->next_assignment); // the last of several counts
            m->next_assignment = slice_of(must_copy(bytes.data, bytes.len), bytes.len);
        }
    }
    for (int32_t i = 0; i < g->members_count; i++) {
        if (g->members[i]->next_assignment.data == NULL) {
            g->members[i]->next_assignment = slice_dup(slice_str(""));
        }
    }
    struct group_record *record = must_arena_array(&t->out->arena, 1, sizeof *record);
    *record = group_record_make(t, true);
    g->assignment_write = group_write_begin(t, GROUP_WRITE_ASSIGNMENT, record, 1, LOG_BATCH_NO_PRODUCER)->id;
}

void group_assignment_written(struct turn *t, uint64_t write_id, enum err err)
{
    struct group *g = t->g;
    if (g->assignment_write != write_id) {
        return; // a rebalance has begun since
    }
    if (err != ERR_OK) {
        assignment_failed(t, err);
        return;
    }
    for (int32_t i = 0; i < g->members_count; i++) {
        struct group_member *m = g->members[i];
        slice_drop(&m->assignment);
        m->assignment = m->next_assignment;
        m->next_assignment = SLICE_NULL;
    }
    g->assignment_write = 0;
    group_set_state(t, GROUP_STABLE);
    t->out->counts.syncs_completed++;
    group_sync_answer_all(t, KAFKA_ERROR_NONE);
}

void group_sync(struct turn *t, uint64_t token, const struct group_sync *sync)
{
    struct group *g = t->g;
    int16_t error = sync_check(g, sync);
    if (error != KAFKA_ERROR_NONE) {
        group_sync_refuse(t, token, error);
        return;
    }
    struct group_member *m = group_member_find(g, sync->member_id);
    switch (g->state) {
    case GROUP_PREPARING_REBALANCE:
        group_sync_refuse(t, token, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
        break;
    case GROUP_COMPLETING_REBALANCE:
        group_member_park_sync(t, m, token);
        m->pending_sync = false;
        if (g->leader == m && g->assignment_write == 0) {
            assignment_store(t, sync);
        }
        break;
    case GROUP_STABLE:
        m->pending_sync = false;
        sync_answer(t, m, token);
        group_member_touch(t, m);
        break;
    case GROUP_EMPTY:
    case GROUP_DEAD:
        group_sync_refuse(t, token, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
        break;
    }
}

// ---- Heartbeat -----------------------------------------------------------------------------------------------------

void group_heartbeat(struct turn *t, uint64_t token, const struct group_heartbeat *heartbeat)
{
    struct group *g = t->g;
    int16_t error = group_check_member(g, heartbeat->member_id, heartbeat->instance_id);
    if (g->state == GROUP_DEAD) {
        error = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    } else if (error == KAFKA_ERROR_NONE && heartbeat->generation != g->generation) {
        error = KAFKA_ERROR_ILLEGAL_GENERATION;
    } else if (error == KAFKA_ERROR_NONE) {
        group_member_touch(t, group_member_find(g, heartbeat->member_id));
        error = g->state == GROUP_PREPARING_REBALANCE ? KAFKA_ERROR_REBALANCE_IN_PROGRESS : KAFKA_ERROR_NONE;
    }
    turn_answer(t, GROUP_ANSWER_HEARTBEAT, token, error);
}

// ---- LeaveGroup ----------------------------------------------------------------------------------------------------

static int16_t leave_one(struct turn *t, const struct group_leaving *leaving)
{
    struct group *g = t->g;
    struct group_pending_member *pending = group_pending_find(g, leaving->member_id);
    struct group_member *m;
    if (leaving->member_id.len == 0) { // an administrator names the instance
        m = group_member_by_instance(g, leaving->instance_id);
        if (m == NULL) {
            return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
        }
    } else if (pending != NULL) {
        group_pending_leaves(t, pending);
        return KAFKA_ERROR_NONE;
    } else {
        int16_t error = group_check_member(g, leaving->member_id, leaving->instance_id);
        if (error != KAFKA_ERROR_NONE) {
            return error;
        }
        m = group_member_find(g, leaving->member_id);
    }
    char reason[REASON_MAX];
    struct slice given = leaving->reason.data == NULL ? slice_str("") : leaving->reason;
    snprintf(reason, sizeof reason, "it left%s%.*s", given.len > 0 ? "; client reason: " : "", SLICE_ARGS(given));
    t->out->counts.members_left++;
    group_member_leaves(t, m, reason);
    return KAFKA_ERROR_NONE;
}

void group_leave(struct turn *t, uint64_t token, const struct group_leave *leave)
{
    if (t->g->state == GROUP_DEAD) {
        turn_answer(t, GROUP_ANSWER_LEAVE, token, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    int16_t *errors = must_arena_array(&t->out->arena, (size_t)leave->members_count, sizeof *errors);
    for (int32_t i = 0; i < leave->members_count; i++) {
        errors[i] = leave_one(t, &leave->members[i]);
    }
    turn_answer_errors(t, GROUP_ANSWER_LEAVE, token, errors, leave->members_count);
}
