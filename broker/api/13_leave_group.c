// SPDX-License-Identifier: Apache-2.0
//
// LeaveGroup (13), v0-5: members leave their group. Up to v2 one member with its error at the top; from v3 a list,
// also of static members by their instance id (KIP-345); v5 carries reasons (KIP-800).
#include "broker/api/apis.h"
#include "broker/api/group_request.h"

#define LEAVE_FIRST_LIST_VERSION 3

// errors NULL: each gets `all`.
static enum api_step members_fill(struct request *r, const int16_t *errors, int16_t all)
{
    const struct leave_group_request *in = r->in;
    struct leave_group_response *out = r->out;
    out->members = arena_array(&r->arena, (size_t)in->members_count, sizeof *out->members);
    if (out->members == NULL) {
        return API_CLOSE;
    }
    out->members_count = in->members_count;
    for (int32_t i = 0; i < in->members_count; i++) {
        leave_group_response_member_response_init(&out->members[i]);
        out->members[i].member_id = in->members[i].member_id;
        out->members[i].group_instance_id = in->members[i].group_instance_id;
        out->members[i].error_code = errors == NULL ? all : errors[i];
    }
    return API_DONE;
}

static enum api_step leave_answer(struct request *r, const struct group_answer *a, int16_t error)
{
    struct leave_group_response *out = r->out;
    bool list = r->version >= LEAVE_FIRST_LIST_VERSION;
    bool no_group = a == NULL && error == KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    if (no_group && list) {
        return members_fill(r, NULL, error);
    }
    out->error_code = error;
    if (a != NULL && error == KAFKA_ERROR_NONE && list) {
        return members_fill(r, a->errors.list, KAFKA_ERROR_NONE);
    }
    if (a != NULL && error == KAFKA_ERROR_NONE) {
        out->error_code = a->errors.list[0];
    }
    return API_DONE;
}

static const struct group_leaving *members_of(struct request *r, int32_t *count)
{
    const struct leave_group_request *in = r->in;
    bool list = r->version >= LEAVE_FIRST_LIST_VERSION;
    *count = list ? in->members_count : 1;
    struct group_leaving *members = arena_array(&r->arena, (size_t)*count, sizeof *members);
    if (members != NULL && !list) {
        members[0] = (struct group_leaving){.member_id = in->member_id};
    }
    for (int32_t i = 0; members != NULL && list && i < *count; i++) {
        members[i] = (struct group_leaving){.member_id = in->members[i].member_id,
                                            .instance_id = in->members[i].group_instance_id,
                                            .reason = in->members[i].reason};
    }
    return members;
}

enum api_step api_leave_group(struct request *r)
{
    const struct leave_group_request *in = r->in;
    if (r->runs > 1) {
        return group_request_again(r, leave_answer);
    }
    int16_t error = group_id_error(in->group_id);
    if (error != KAFKA_ERROR_NONE) {
        return leave_answer(r, NULL, error);
    }
    struct group_event e = {.type = GROUP_LEAVE};
    e.leave.members = members_of(r, &e.leave.members_count);
    if (e.leave.members == NULL) {
        return API_CLOSE;
    }
    return group_request_begin(r, in->group_id, &e, KAFKA_ERROR_UNKNOWN_MEMBER_ID, leave_answer);
}
