// SPDX-License-Identifier: Apache-2.0
//
// Heartbeat (12), v0-4: a member is alive, and hears whether the group rebalances. v3 names the static instance
// (KIP-345). While the group is loaded the answer is NONE, so that the member stays where it is.
#include "broker/api/apis.h"
#include "broker/api/group_request.h"

static enum api_step heartbeat_answer(struct request *r, const struct group_answer *a, int16_t error)
{
    struct heartbeat_response *out = r->out;
    bool loading = a == NULL && error == KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    out->error_code = loading ? KAFKA_ERROR_NONE : error;
    return API_DONE;
}

enum api_step api_heartbeat(struct request *r)
{
    const struct heartbeat_request *in = r->in;
    if (r->runs > 1) {
        return group_request_again(r, heartbeat_answer);
    }
    int16_t error = group_id_error(in->group_id);
    if (error != KAFKA_ERROR_NONE) {
        return heartbeat_answer(r, NULL, error);
    }
    struct group_event e = {.type = GROUP_HEARTBEAT,
                            .heartbeat = {.member_id = in->member_id,
                                          .instance_id = in->group_instance_id,
                                          .generation = in->generation_id}};
    return group_request_begin(r, in->group_id, &e, KAFKA_ERROR_UNKNOWN_MEMBER_ID, heartbeat_answer);
}
