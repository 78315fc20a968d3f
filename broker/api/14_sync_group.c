// SPDX-License-Identifier: Apache-2.0
//
// SyncGroup (14), v0-5: the leader brings the assignment, every member gets its part once it is stored. v3 names the
// static instance (KIP-345); v5 must name protocol type and protocol, and gets them back (KIP-559). While the group is
// loaded the answer is REBALANCE_IN_PROGRESS: the member has to join again anyway.
#include "broker/api/apis.h"
#include "broker/api/group_request.h"

#define SYNC_FIRST_PROTOCOL_VERSION 5

static enum api_step sync_answer(struct request *r, const struct group_answer *a, int16_t error)
{
    struct sync_group_response *out = r->out;
    bool loading = a == NULL && error == KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    out->error_code = loading ? KAFKA_ERROR_REBALANCE_IN_PROGRESS : error;
    out->assignment = slice_str("");
    if (a != NULL) {
        out->protocol_type = a->sync.protocol_type;
        out->protocol_name = a->sync.protocol_name;
        out->assignment = slice_or_empty(a->sync.assignment);
    }
    return API_DONE;
}

enum api_step api_sync_group(struct request *r)
{
    const struct sync_group_request *in = r->in;
    if (r->runs > 1) {
        return group_request_again(r, sync_answer);
    }
    bool incomplete =
        r->version >= SYNC_FIRST_PROTOCOL_VERSION && (in->protocol_type.data == NULL || in->protocol_name.data == NULL);
    int16_t error = incomplete ? KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL : group_id_error(in->group_id);
    if (error != KAFKA_ERROR_NONE) {
        return sync_answer(r, NULL, error);
    }
    struct group_assignment *list = arena_array(&r->arena, (size_t)in->assignments_count, sizeof *list);
    if (list == NULL) {
        return API_CLOSE;
    }
    for (int32_t i = 0; i < in->assignments_count; i++) {
        list[i] = (struct group_assignment){in->assignments[i].member_id, in->assignments[i].assignment};
    }
    struct group_event e = {.type = GROUP_SYNC,
                            .sync = {.member_id = in->member_id,
                                     .instance_id = in->group_instance_id,
                                     .protocol_type = in->protocol_type,
                                     .protocol_name = in->protocol_name,
                                     .generation = in->generation_id,
                                     .assignments = list,
                                     .assignments_count = in->assignments_count}};
    return group_request_begin(r, in->group_id, &e, KAFKA_ERROR_UNKNOWN_MEMBER_ID, sync_answer);
}
