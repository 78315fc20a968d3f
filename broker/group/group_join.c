// SPDX-License-Identifier: Apache-2.0
//
// JoinGroup: who is let in, under which id, and whether it takes a rebalance. A static member (KIP-345) that comes
// back under a new id takes its old place without one where nothing changes; its new id counts once it is written.
#include <stdio.h>
#include <stdlib.h>

#include "broker/group/group_state.h"

#define REASON_MAX 512

void group_join_refuse(struct turn *t, uint64_t token, struct slice member_id, int16_t error)
{
    struct group_effect *e = turn_effect(t, GROUP_ANSWER_JOIN);
    e->token = token;
    e->error = error;
    e->join.generation = -1;
    e->join.member_id = turn_copy(t, member_id);
}

void group_join_answer(struct turn *t, struct group_member *m, uint64_t token, struct slice leader, bool with_members,
                       bool skip_assignment)
{
    struct group *g = t->g;
    struct group_effect *e = turn_effect(t, GROUP_ANSWER_JOIN);
    e->token = token;
    e->error = KAFKA_ERROR_NONE;
    e->join = (struct group_join_answer){
        .generation = g->generation,
        .protocol_type = turn_copy(t, g->protocol_type),
        .protocol_name = turn_copy(t, g->protocol_name),
        .leader = turn_copy(t, leader),
        .member_id = turn_copy(t, m->id),
        .skip_assignment = skip_assignment,
    };
    if (!with_members) {
        return;
    }
    struct group_member_metadata *list = must_arena_array(&t->out->arena, (size_t)g->members_count, sizeof *list);
    for (int32_t i = 0; i < g->members_count; i++) {
        list[i].member_id = turn_copy(t, g->members[i]->id);
        list[i].instance_id = turn_copy(t, g->members[i]->instance_id);
        list[i].metadata = turn_copy(t, group_member_metadata(g->members[i], g->protocol_name));
    }
    e->join.members = list;
    e->join.members_count = g->members_count;
}

static const char *join_reason(char text[REASON_MAX], const char *what, struct slice member_id,
                               const struct group_join *join)
{
    struct slice reason = join->reason.data == NULL ? slice_str("") : join->reason;
    snprintf(text, REASON_MAX, "%s %.*s%s%.*s", what, SLICE_ARGS(member_id), reason.len > 0 ? "; client reason: " : "",
             SLICE_ARGS(reason));
    return text;
}

// ---- a new member --------------------------------------------------------------------------------------------------

// "<client id or instance id>-<uuid>". NULL: no record and no answer can carry an id of that length.
static struct slice member_id_make(struct turn *t, const struct group_join *join)
{
    struct slice prefix = join->instance_id.data != NULL ? join->instance_id : join->client_id;
    size_t len = prefix.len;
    if (len > INT16_MAX - 1 - GROUP_MEMBER_ID_UUID_LEN) {
        return SLICE_NULL;
    }
    uint8_t *id = must_arena_array(&t->out->arena, len + 1 + GROUP_MEMBER_ID_UUID_LEN, 1);
    if (len > 0) {
        memcpy(id, prefix.data, len);
    }
    id[len] = '-';
    memcpy(id + len + 1, join->fresh_uuid, GROUP_MEMBER_ID_UUID_LEN);
    return slice_of(id, len + 1 + GROUP_MEMBER_ID_UUID_LEN);
}

static void member_enter(struct turn *t, uint64_t token, const struct group_join *join, struct slice id)
{
    struct group *g = t->g;
    struct group_member *m = group_member_add(g, join, id);
    m->is_new = true;
    if (g->state == GROUP_PREPARING_REBALANCE && g->generation == 0) {
        g->new_member_added = true;
    }
    group_member_park_join(t, m, token, join->support_skip_assignment);
    // It cannot send heartbeats before it knows its id, and that its connection is gone cannot be seen here; so a
    // client that gave up must not keep its place for as long as rebalances take.
    group_member_set_deadline(t, m, GROUP_NEW_MEMBER_TIMEOUT_MS);
    t->out->counts.members_joined++;
    char reason[REASON_MAX];
    group_rebalance(t, join_reason(reason, "adding new member", id, join));
}

// ---- a static member that comes back -------------------------------------------------------------------------------

static struct group_identity *identity_of(const struct group *g, const struct group_member *m)
{
    struct group_identity *i = must_alloc(sizeof *i);
    i->id = slice_dup(m->id);
    i->leader = slice_dup(group_leader(g));
    i->protocols = group_protocols_dup(m->protocols, m->protocols_count);
    i->protocols_count = m->protocols_count;
    i->session_timeout_ms = m->session_timeout_ms;
    i->rebalance_timeout_ms = m->rebalance_timeout_ms;
    return i;
}

static void member_replace(struct turn *t, uint64_t token, const struct group_join *join, struct group_member *m,
                           struct slice new_id)
{
    struct group *g = t->g;
    char reason[REASON_MAX];
    struct group_identity *before = identity_of(g, m);
    // Whoever waits under the old id is a duplicate from now on.
    group_member_refuse(t, m, m->id, KAFKA_ERROR_FENCED_INSTANCE_ID);
    group_member_rename(g, m, new_id);
    group_member_update(g, m, join);
    group_member_park_join(t, m, token, join->support_skip_assignment);
    group_member_touch(t, m);
    group_identity_free(m->replaced);
    m->replaced = NULL;
    m->replace_write = 0;
    if (g->state == GROUP_STABLE && slice_equal(group_vote(g), g->protocol_name)) {
        turn_log(t, LOG_INFO, "static member %.*s is now %.*s; no rebalance", SLICE_ARGS(m->instance_id),
                 SLICE_ARGS(m->id));
        struct group_record *record = must_arena_array(&t->out->arena, 1, sizeof *record);
        *record = group_record_make(t, false);
        m->replaced = before;
        m->replace_write = group_write_begin(t, GROUP_WRITE_REPLACEMENT, record, 1, LOG_BATCH_NO_PRODUCER)->id;
        return;
    }
    group_identity_free(before);
    group_rebalance(t, join_reason(reason, "static member came back as", m->id, join));
}

static struct group_member *replaced_by(const struct group *g, uint64_t write_id)
{
    for (int32_t i = 0; i < g->members_count; i++) {
        if (g->members[i]->replace_write == write_id) {
            return g->members[i];
        }
    }
    return NULL;
}

// The store failed: the member is again who it was.
static void replacement_revert(struct turn *t, struct group_member *m, struct group_identity *before, enum err err)
{
    turn_log(t, LOG_WARN, "static member %.*s could not be replaced: %s", SLICE_ARGS(m->instance_id), err_text(err));
    group_join_refuse(t, m->join_token, slice_str(""), group_store_error(err));
    group_member_rename(t->g, m, before->id);
    group_member_set_protocols(t->g, m, before->protocols, before->protocols_count);
    before->protocols = NULL;
    before->protocols_count = 0;
    m->session_timeout_ms = before->session_timeout_ms;
    m->rebalance_timeout_ms = before->rebalance_timeout_ms;
}

void group_replacement_written(struct turn *t, uint64_t write_id, enum err err)
{
    struct group *g = t->g;
    struct group_member *m = replaced_by(g, write_id);
    if (m == NULL) {
        return; // it has left, or was replaced again
    }
    struct group_identity *before = m->replaced;
    m->replaced = NULL;
    m->replace_write = 0;
    // A rebalance that began meanwhile answers the join, and writes the group anew.
    if (g->state == GROUP_STABLE && m->awaiting_join) {
        m->awaiting_join = false;
        g->awaiting_join_count--;
        if (err != ERR_OK) {
            replacement_revert(t, m, before, err);
        } else if (m->skip_assignment) { // KIP-814: it may know that it leads, it need not assign
            bool leads = g->leader == m;
            group_join_answer(t, m, m->join_token, group_leader(g), leads, leads);
        } else { // it must not think that it leads: a stable group would not take its assignment
            group_join_answer(t, m, m->join_token, before->leader, false, false);
        }
        group_member_touch(t, m);
    }
    group_identity_free(before);
}

// ---- deciding ------------------------------------------------------------------------------------------------------

static void join_new(struct turn *t, uint64_t token, const struct group_join *join)
{
    struct group *g = t->g;
    if (g->state == GROUP_DEAD) {
        group_join_refuse(t, token, slice_str(""), KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    if (!group_supports(g, join)) {
        group_join_refuse(t, token, slice_str(""), KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    struct slice id = member_id_make(t, join);
    if (id.data == NULL) {
        group_join_refuse(t, token, slice_str(""), KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    struct group_member *old = group_member_by_instance(g, join->instance_id);
    if (old != NULL) {
        member_replace(t, token, join, old, id);
    } else if (join->instance_id.data != NULL || !join->require_known_member_id) {
        member_enter(t, token, join, id);
    } else if (HASH_COUNT(g->pending) >= GROUP_PENDING_MAX) {
        group_join_refuse(t, token, slice_str(""), KAFKA_ERROR_GROUP_MAX_SIZE_REACHED);
    } else {
        group_pending_add(t, id, join->session_timeout_ms);
        group_join_refuse(t, token, id, KAFKA_ERROR_MEMBER_ID_REQUIRED);
    }
}

static void member_rejoin(struct turn *t, uint64_t token, const struct group_join *join, struct group_member *m,
                          const char *what)
{
    char reason[REASON_MAX];
    group_member_update(t->g, m, join);
    group_member_park_join(t, m, token, join->support_skip_assignment);
    group_rebalance(t, join_reason(reason, what, m->id, join));
}

static void join_member(struct turn *t, uint64_t token, const struct group_join *join, struct group_member *m)
{
    struct group *g = t->g;
    bool same = group_member_matches(m, join->protocols, join->protocols_count);
    switch (g->state) {
    case GROUP_PREPARING_REBALANCE:
        member_rejoin(t, token, join, m, "rejoined:");
        break;
    case GROUP_COMPLETING_REBALANCE:
        if (same) { // it has not received its answer
            group_join_answer(t, m, token, group_leader(g), g->leader == m, false);
        } else {
            member_rejoin(t, token, join, m, "changed metadata of member");
        }
        break;
    case GROUP_STABLE:
        if (g->leader == m) { // its way to ask for a rebalance
            member_rejoin(t, token, join, m, "leader rejoined:");
        } else if (!same) {
            member_rejoin(t, token, join, m, "changed metadata of member");
        } else {
            group_join_answer(t, m, token, group_leader(g), false, false);
        }
        break;
    case GROUP_EMPTY:
    case GROUP_DEAD:
        group_join_refuse(t, token, join->member_id, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
        break;
    }
}

static void join_known(struct turn *t, uint64_t token, const struct group_join *join)
{
    struct group *g = t->g;
    struct group_pending_member *pending = group_pending_find(g, join->member_id);
    int16_t error = KAFKA_ERROR_NONE;
    if (g->state == GROUP_DEAD) {
        error = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    } else if (!group_supports(g, join)) {
        error = KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL;
    } else if (pending != NULL) {
        error = join->instance_id.data != NULL ? KAFKA_ERROR_UNKNOWN_SERVER_ERROR : KAFKA_ERROR_NONE;
    } else {
        error = group_check_member(g, join->member_id, join->instance_id);
    }
    if (error != KAFKA_ERROR_NONE) {
        group_join_refuse(t, token, join->member_id, error);
    } else if (pending != NULL) {
        group_pending_remove(g, pending);
        member_enter(t, token, join, join->member_id);
    } else {
        join_member(t, token, join, group_member_find(g, join->member_id));
    }
}

// group.max.size. In the join phase those that wait count: members that have not come back will be gone.
static bool has_room_for(const struct group *g, const struct group_member *m)
{
    switch (g->state) {
    case GROUP_PREPARING_REBALANCE:
        return (m != NULL && m->awaiting_join) || g->awaiting_join_count < g->options->max_size;
    case GROUP_COMPLETING_REBALANCE:
    case GROUP_STABLE:
        return m != NULL || g->members_count < g->options->max_size;
    default:
        return true;
    }
}

void group_join(struct turn *t, uint64_t token, const struct group_join *join)
{
    struct group *g = t->g;
    struct group_member *m = group_member_find(g, join->member_id);
    struct group_pending_member *pending = group_pending_find(g, join->member_id);
    int16_t error = group_check_session_timeout(g->options, join->session_timeout_ms);
    size_t size = group_protocols_size(join->protocols, join->protocols_count);
    if (error != KAFKA_ERROR_NONE) {
        group_join_refuse(t, token, join->member_id, error);
    } else if (!has_room_for(g, m) || g->metadata_bytes + size > GROUP_METADATA_MAX) {
        if (m != NULL) {
            t->out->counts.members_left++;
            group_member_remove(t, m, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
        } else if (pending != NULL) {
            group_pending_remove(g, pending);
        }
        group_join_refuse(t, token, slice_str(""), KAFKA_ERROR_GROUP_MAX_SIZE_REACHED);
    } else if (join->member_id.len == 0) {
        join_new(t, token, join);
    } else {
        join_known(t, token, join);
    }
    group_try_complete_join(t);
}
