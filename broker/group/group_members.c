// SPDX-License-Identifier: Apache-2.0
//
// Members: who is in the group, under which id, which protocols each supports and what all of them have in common.
// The counts per protocol are kept up to date with every change of a member, so that checking a join costs its own
// protocols only, however large the group is.
#include <stdlib.h>

#include "broker/group/group_state.h"

struct group_member *group_member_find(const struct group *g, struct slice id)
{
    struct group_member *m;
    HASH_FIND(hh, g->by_id, id.data, id.len, m);
    return m;
}

struct group_member *group_member_by_instance(const struct group *g, struct slice instance_id)
{
    struct group_member *m = NULL;
    if (instance_id.data != NULL) {
        HASH_FIND(hh_instance, g->by_instance, instance_id.data, instance_id.len, m);
    }
    return m;
}

int16_t group_check_member(const struct group *g, struct slice member_id, struct slice instance_id)
{
    if (instance_id.data != NULL) {
        const struct group_member *m = group_member_by_instance(g, instance_id);
        if (m == NULL) {
            return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
        }
        return slice_equal(m->id, member_id) ? KAFKA_ERROR_NONE : KAFKA_ERROR_FENCED_INSTANCE_ID;
    }
    return group_member_find(g, member_id) != NULL ? KAFKA_ERROR_NONE : KAFKA_ERROR_UNKNOWN_MEMBER_ID;
}

// ---- pending ids ---------------------------------------------------------------------------------------------------

struct group_pending_member *group_pending_find(const struct group *g, struct slice id)
{
    struct group_pending_member *p;
    HASH_FIND(hh, g->pending, id.data, id.len, p);
    return p;
}

void group_pending_add(struct turn *t, struct slice id, int32_t timeout_ms)
{
    struct group_pending_member *p = must_alloc(sizeof *p);
    p->id = slice_dup(id);
    p->deadline_ms = t->now.mono_ms + timeout_ms;
    HASH_ADD_KEYPTR(hh, t->g->pending, p->id.data, p->id.len, p);
    group_wake_at(t->g, p->deadline_ms);
}

void group_pending_remove(struct group *g, struct group_pending_member *p)
{
    HASH_DEL(g->pending, p);
    slice_drop(&p->id);
    free(p);
}

// ---- protocols -----------------------------------------------------------------------------------------------------

struct group_protocol *group_protocols_dup(const struct group_protocol *list, int32_t count)
{
    struct group_protocol *copy = must_array((size_t)count, sizeof *copy);
    for (int32_t i = 0; i < count; i++) {
        copy[i].name = slice_of(must_copy(list[i].name.data, list[i].name.len), list[i].name.len);
        copy[i].metadata = slice_of(must_copy(list[i].metadata.data, list[i].metadata.len), list[i].metadata.len);
    }
    return copy;
}

void group_protocols_free(struct group_protocol *list, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        slice_drop(&list[i].name);
        slice_drop(&list[i].metadata);
    }
    free(list);
}

size_t group_protocols_size(const struct group_protocol *list, int32_t count)
{
    size_t size = 0;
    for (int32_t i = 0; i < count; i++) {
        size += list[i].name.len + list[i].metadata.len;
    }
    return size;
}

bool group_member_matches(const struct group_member *m, const struct group_protocol *list, int32_t count)
{
    bool same = m->protocols_count == count;
    for (int32_t i = 0; i < count && same; i++) {
        same =
            slice_equal(m->protocols[i].name, list[i].name) && slice_equal(m->protocols[i].metadata, list[i].metadata);
    }
    return same;
}

struct slice group_member_metadata(const struct group_member *m, struct slice protocol)
{
    for (int32_t i = 0; i < m->protocols_count && protocol.data != NULL; i++) {
        if (slice_equal(m->protocols[i].name, protocol)) {
            return m->protocols[i].metadata;
        }
    }
    return slice_str("");
}

static struct group_support *support_find(const struct group *g, struct slice name)
{
    struct group_support *s;
    HASH_FIND(hh, g->support, name.data, name.len, s);
    return s;
}

// Counts the protocols of a member in (+1) or out (-1).
static void support_count(struct group *g, const struct group_member *m, int32_t by)
{
    uint64_t stamp = ++g->support_stamp;
    for (int32_t i = 0; i < m->protocols_count; i++) {
        struct group_support *s = support_find(g, m->protocols[i].name);
        if (s == NULL) {
            s = must_alloc(sizeof *s);
            s->name = slice_dup(m->protocols[i].name);
            HASH_ADD_KEYPTR(hh, g->support, s->name.data, s->name.len, s);
        }
        if (s->stamp != stamp) {
            s->stamp = stamp;
            s->members += by;
        }
    }
    for (int32_t i = 0; i < m->protocols_count; i++) {
        struct group_support *s = support_find(g, m->protocols[i].name);
        if (s != NULL && s->members == 0) {
            HASH_DEL(g->support, s);
            slice_drop(&s->name);
            free(s);
        }
    }
}

static bool supported_by_all(const struct group *g, struct slice name)
{
    const struct group_support *s = support_find(g, name);
    return (s == NULL ? 0 : s->members) == g->members_count;
}

bool group_supports(const struct group *g, const struct group_join *join)
{
    if (g->state == GROUP_EMPTY) {
        return join->protocol_type.len > 0 && join->protocols_count > 0;
    }
    bool found = false;
    for (int32_t i = 0; i < join->protocols_count && !found; i++) {
        found = supported_by_all(g, join->protocols[i].name);
    }
    return found && g->protocol_type.data != NULL && slice_equal(g->protocol_type, join->protocol_type);
}

struct vote {
    struct slice name;
    int32_t votes;
    UT_hash_handle hh;
};

struct slice group_vote(const struct group *g)
{
    struct vote *votes = NULL; // in the order in which they were first voted for, which settles a tie
    struct slice winner = SLICE_NULL;
    int32_t most = 0;
    for (int32_t i = 0; i < g->members_count; i++) {
        const struct group_member *m = g->members[i];
        int32_t k = 0;
        while (k < m->protocols_count && !supported_by_all(g, m->protocols[k].name)) {
            k++;
        }
        ASSERT(k < m->protocols_count); // nobody is let in who has nothing in common with the others
        struct vote *v;
        HASH_FIND(hh, votes, m->protocols[k].name.data, m->protocols[k].name.len, v);
        if (v == NULL) {
            v = must_alloc(sizeof *v);
            v->name = m->protocols[k].name;
            HASH_ADD_KEYPTR(hh, votes, v->name.data, v->name.len, v);
        }
        v->votes++;
    }
    struct vote *v;
    struct vote *next;
    HASH_ITER (hh, votes, v, next) {
        if (v->votes > most) {
            most = v->votes;
            winner = v->name;
        }
        HASH_DEL(votes, v);
        free(v);
    }
    return winner;
}

// ---- members -------------------------------------------------------------------------------------------------------

struct group_member *group_member_add(struct group *g, const struct group_join *join, struct slice id)
{
    struct group_member *m = must_alloc(sizeof *m);
    m->id = slice_dup(id);
    m->instance_id = slice_dup(join->instance_id);
    m->client_id = slice_of(must_copy(join->client_id.data, join->client_id.len), join->client_id.len);
    m->client_host = slice_of(must_copy(join->client_host.data, join->client_host.len), join->client_host.len);
    m->session_timeout_ms = join->session_timeout_ms;
    m->rebalance_timeout_ms = join->rebalance_timeout_ms;
    m->assignment = slice_dup(slice_str(""));
    m->deadline_ms = GROUP_NEVER;
    if (g->members_count == 0) {
        slice_drop(&g->protocol_type);
        g->protocol_type = slice_dup(join->protocol_type);
        g->leader = m;
    }
    g->members = must_grow(g->members, g->members_count, &g->members_cap, sizeof *g->members);
    g->members[g->members_count++] = m;
    HASH_ADD_KEYPTR(hh, g->by_id, m->id.data, m->id.len, m);
    if (m->instance_id.data != NULL) {
        HASH_ADD_KEYPTR(hh_instance, g->by_instance, m->instance_id.data, m->instance_id.len, m);
    }
    group_member_set_protocols(g, m, group_protocols_dup(join->protocols, join->protocols_count),
                               join->protocols_count);
    return m;
}

void group_member_set_protocols(struct group *g, struct group_member *m, struct group_protocol *owned, int32_t count)
{
    support_count(g, m, -1);
    g->metadata_bytes -= group_protocols_size(m->protocols, m->protocols_count);
    group_protocols_free(m->protocols, m->protocols_count);
    m->protocols = owned;
    m->protocols_count = count;
    g->metadata_bytes += group_protocols_size(m->protocols, m->protocols_count);
    support_count(g, m, 1);
}

void group_identity_free(struct group_identity *i)
{
    if (i != NULL) {
        slice_drop(&i->id);
        slice_drop(&i->leader);
        group_protocols_free(i->protocols, i->protocols_count);
        free(i);
    }
}

void group_member_free(struct group_member *m)
{
    slice_drop(&m->id);
    slice_drop(&m->instance_id);
    slice_drop(&m->client_id);
    slice_drop(&m->client_host);
    slice_drop(&m->assignment);
    slice_drop(&m->next_assignment);
    group_protocols_free(m->protocols, m->protocols_count);
    group_identity_free(m->replaced);
    free(m);
}

static void order_take(struct group *g, const struct group_member *m)
{
    int32_t i = 0;
    while (g->members[i] != m) {
        i++;
    }
    g->members_count--;
    memmove(g->members + i, g->members + i + 1, (size_t)(g->members_count - i) * sizeof *g->members);
}

void group_member_refuse(struct turn *t, struct group_member *m, struct slice join_id, int16_t error)
{
    if (m->awaiting_join) {
        m->awaiting_join = false;
        t->g->awaiting_join_count--;
        group_join_refuse(t, m->join_token, join_id, error);
    }
    if (m->awaiting_sync) {
        m->awaiting_sync = false;
        group_sync_refuse(t, m->sync_token, error);
    }
}

void group_member_remove(struct turn *t, struct group_member *m, int16_t error)
{
    struct group *g = t->g;
    group_member_refuse(t, m, error == KAFKA_ERROR_UNKNOWN_MEMBER_ID ? slice_str("") : m->id, error);
    group_member_set_protocols(g, m, NULL, 0);
    HASH_DELETE(hh, g->by_id, m);
    if (m->instance_id.data != NULL) {
        HASH_DELETE(hh_instance, g->by_instance, m);
    }
    order_take(g, m);
    if (g->leader == m) {
        g->leader = g->members_count > 0 ? g->members[0] : NULL;
    }
    group_member_free(m);
}

void group_member_update(struct group *g, struct group_member *m, const struct group_join *join)
{
    group_member_set_protocols(g, m, group_protocols_dup(join->protocols, join->protocols_count),
                               join->protocols_count);
    m->session_timeout_ms = join->session_timeout_ms;
    m->rebalance_timeout_ms = join->rebalance_timeout_ms;
}

void group_member_rename(struct group *g, struct group_member *m, struct slice id)
{
    HASH_DELETE(hh, g->by_id, m);
    slice_drop(&m->id);
    m->id = slice_dup(id);
    HASH_ADD_KEYPTR(hh, g->by_id, m->id.data, m->id.len, m);
    order_take(g, m);
    g->members[g->members_count++] = m;
}

// ---- waiting and sessions ------------------------------------------------------------------------------------------

void group_member_set_deadline(struct turn *t, struct group_member *m, int64_t timeout_ms)
{
    m->deadline_ms = t->now.mono_ms + timeout_ms;
    group_wake_at(t->g, m->deadline_ms);
}

void group_member_touch(struct turn *t, struct group_member *m)
{
    group_member_set_deadline(t, m, m->session_timeout_ms);
}

void group_member_park_join(struct turn *t, struct group_member *m, uint64_t token, bool skip_assignment)
{
    if (m->awaiting_join) { // the member asks again, from another connection: the earlier request is given up
        group_join_refuse(t, m->join_token, m->id, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    } else {
        m->awaiting_join = true;
        t->g->awaiting_join_count++;
    }
    m->join_token = token;
    m->skip_assignment = skip_assignment;
}

void group_member_park_sync(struct turn *t, struct group_member *m, uint64_t token)
{
    if (m->awaiting_sync) {
        group_sync_refuse(t, m->sync_token, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    }
    m->awaiting_sync = true;
    m->sync_token = token;
}
