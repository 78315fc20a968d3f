// SPDX-License-Identifier: Apache-2.0
//
// DescribeGroups (15), v0-5: state, protocol and members. A group that does not exist is described as Dead, without
// error. What members subscribe to and got assigned is shown while the group is Stable only. v3 tells what the client
// may do, v4 instance ids.
#include "broker/api/apis.h"
#include "broker/api/group_request.h"

#define GROUP_OPERATIONS_ALL 328 // read, delete, describe: bits by Kafka's operation codes

struct look {
    struct arena *arena;
    struct describe_groups_response_described_group *out;
    bool no_memory;
};

static struct slice copied(struct look *l, struct slice s)
{
    struct slice copy = slice_of(arena_strndup(l->arena, s.data, s.len), s.len);
    l->no_memory = l->no_memory || copy.data == NULL;
    return copy.data == NULL ? slice_str("") : copy;
}

static void describe_member(struct look *l, const struct group_member_view *m,
                            struct describe_groups_response_described_group_member *o)
{
    describe_groups_response_described_group_member_init(o);
    o->member_id = copied(l, m->member_id);
    if (m->instance_id.data != NULL) {
        o->group_instance_id = copied(l, m->instance_id);
    }
    o->client_id = copied(l, m->client_id);
    o->client_host = copied(l, m->client_host);
    o->member_metadata = copied(l, m->metadata);
    o->member_assignment = copied(l, m->assignment);
}

static void describe(void *ctx, const struct group *g)
{
    struct look *l = ctx;
    if (g == NULL) {
        l->out->group_state = slice_str(group_state_name(GROUP_DEAD));
        return;
    }
    enum group_state state = group_state(g);
    l->out->group_state = slice_str(group_state_name(state));
    l->out->protocol_type = copied(l, group_protocol_type(g));
    if (state == GROUP_STABLE) {
        l->out->protocol_data = copied(l, group_protocol_name(g));
    }
    int32_t n = group_members_count(g);
    l->out->members = arena_array(l->arena, (size_t)n, sizeof *l->out->members);
    if (l->out->members == NULL) {
        l->no_memory = true;
        return;
    }
    l->out->members_count = n;
    for (int32_t i = 0; i < n; i++) {
        struct group_member_view m;
        group_member_at(g, i, &m);
        describe_member(l, &m, &l->out->members[i]);
    }
}

enum api_step api_describe_groups(struct request *r)
{
    const struct describe_groups_request *in = r->in;
    struct describe_groups_response *out = r->out;
    struct look l = {.arena = group_request_arena(r)};
    out->groups = arena_array(l.arena, (size_t)in->groups_count, sizeof *out->groups);
    if (out->groups == NULL) {
        return API_CLOSE;
    }
    for (int32_t i = 0; i < in->groups_count && !l.no_memory; i++) {
        l.out = &out->groups[out->groups_count++];
        describe_groups_response_described_group_init(l.out);
        l.out->group_id = in->groups[i];
        l.out->error_code = coordinator_look(r->ctx->groups, r->metadata, in->groups[i], describe, &l);
        if (l.out->error_code == KAFKA_ERROR_NONE && in->include_authorized_operations) {
            l.out->authorized_operations = GROUP_OPERATIONS_ALL;
        }
    }
    return l.no_memory ? API_CLOSE : API_DONE;
}
