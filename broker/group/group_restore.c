// SPDX-License-Identifier: Apache-2.0
//
// A group put together from its records. Nobody waits and no timer runs while that goes on; group_loaded starts them.
#include <inttypes.h>
#include <stdlib.h>

#include "broker/group/group_state.h"

static void members_clear(struct group *g)
{
    for (int32_t i = 0; i < g->members_count; i++) {
        group_member_set_protocols(g, g->members[i], NULL, 0);
    }
    HASH_CLEAR(hh, g->by_id);
    HASH_CLEAR(hh_instance, g->by_instance);
    for (int32_t i = 0; i < g->members_count; i++) {
        group_member_free(g->members[i]);
    }
    g->members_count = 0;
    g->leader = NULL;
}

static void member_restore(struct group *g, const struct group_metadata_value *v,
                           const struct group_metadata_value_member_metadata *stored)
{
    // Only what the chosen protocol needs was stored.
    struct group_protocol protocol = {
        .name = v->protocol.data == NULL ? slice_str("") : v->protocol,
        .metadata = stored->subscription,
    };
    struct group_join join = {
        .instance_id = stored->group_instance_id,
        .client_id = stored->client_id,
        .client_host = stored->client_host,
        .protocol_type = v->protocol_type,
        .protocols = &protocol,
        .protocols_count = 1,
        .session_timeout_ms = stored->session_timeout,
        .rebalance_timeout_ms = stored->rebalance_timeout < 0 ? stored->session_timeout : stored->rebalance_timeout,
    };
    if (group_member_find(g, stored->member_id) != NULL ||
        group_member_by_instance(g, stored->group_instance_id) != NULL) {
        return; // the record names it twice
    }
    struct group_member *m = group_member_add(g, &join, stored->member_id);
    slice_drop(&m->assignment);
    m->assignment = slice_of(must_copy(stored->assignment.data, stored->assignment.len), stored->assignment.len);
}

void group_restore_metadata(struct group *g, const struct group_metadata_value *v)
{
    members_clear(g);
    for (int32_t i = 0; i < v->members_count; i++) {
        member_restore(g, v, &v->members[i]);
    }
    slice_drop(&g->protocol_type);
    slice_drop(&g->protocol_name);
    g->protocol_type = v->protocol_type.len == 0 ? SLICE_NULL : slice_dup(v->protocol_type);
    g->protocol_name = slice_dup(v->protocol);
    if (g->members_count > 0 && g->protocol_name.data == NULL) {
        g->protocol_name = slice_dup(slice_str("")); // what its members then support
    }
    g->generation = v->generation;
    g->state_timestamp_ms = v->current_state_timestamp;
    g->state = g->members_count == 0 ? GROUP_EMPTY : GROUP_STABLE;
    struct group_member *leader = v->leader.data == NULL ? NULL : group_member_find(g, v->leader);
    g->leader = leader != NULL || g->members_count == 0 ? leader : g->members[0];
    group_subscriptions_compute(g);
}

void group_restore_no_metadata(struct group *g)
{
    members_clear(g);
    group_subscriptions_clear(g);
    slice_drop(&g->protocol_type);
    slice_drop(&g->protocol_name);
    g->generation = 0;
    g->state = GROUP_EMPTY;
    g->state_timestamp_ms = -1;
}

void group_restore_offset(struct group *g, struct slice topic, int32_t partition, const struct offset_commit_value *v,
                          int64_t record_offset, int64_t producer_id)
{
    struct group_offset *o = group_offset_get(g, topic, partition);
    struct offset_value value = {
        .offset = v->offset,
        .leader_epoch = v->leader_epoch,
        .metadata = slice_of(must_copy(v->metadata.data, v->metadata.len), v->metadata.len),
        .commit_timestamp_ms = v->commit_timestamp,
        .expire_timestamp_ms = v->expire_timestamp,
    };
    if (producer_id < 0) {
        group_offset_publish(g, o, value, record_offset);
    } else {
        group_txn_set(group_txn_offset_get(group_txn_get(g, producer_id), o), value, record_offset);
    }
}

void group_restore_no_offset(struct group *g, struct slice topic, int32_t partition)
{
    struct group_offset *o = group_offset_lookup(g, topic, partition);
    if (o != NULL) {
        group_offset_withdraw(g, o, 0, INT64_MAX);
    }
}

bool group_restore_is_anything(const struct group *g)
{
    return g->protocol_type.data != NULL || g->generation != 0 || g->members_count > 0 || g->topics != NULL;
}

void group_loaded(struct turn *t)
{
    struct group *g = t->g;
    for (int32_t i = 0; i < g->members_count; i++) {
        group_member_touch(t, g->members[i]);
    }
    if (g->members_count > g->options->max_size) {
        group_rebalance(t, "loaded with more members than group.max.size");
    }
}
