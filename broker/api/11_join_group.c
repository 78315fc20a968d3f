// SPDX-License-Identifier: Apache-2.0
//
// JoinGroup (11), v0-9: enters a consumer group or goes on being in it. The request waits until the group's join phase
// ends. A connection that dies meanwhile takes nothing with it: the member stays until its session ends. Behaviour by
// version: v0 has no rebalance timeout, v4 asks a new member to come again with the id it got (KIP-394), v5 static
// members (KIP-345), v7 protocol type, and null for no protocol, v8 reason (KIP-800), v9 a static leader that comes
// back may skip the assignment (KIP-814).
#include <stdio.h>

#include "broker/api/apis.h"
#include "broker/api/group_request.h"

#define JOIN_FIRST_REBALANCE_TIMEOUT_VERSION 1
#define JOIN_FIRST_KNOWN_ID_VERSION          4
#define JOIN_FIRST_NULL_PROTOCOL_VERSION     7
#define JOIN_FIRST_SKIP_VERSION              9

static enum api_step join_answer(struct request *r, const struct group_answer *a, int16_t error)
{
    const struct join_group_request *in = r->in;
    struct join_group_response *out = r->out;
    out->error_code = error;
    if (a == NULL) {
        out->member_id = in->member_id;
        out->protocol_name = r->version >= JOIN_FIRST_NULL_PROTOCOL_VERSION ? SLICE_NULL : slice_str("");
        return API_DONE;
    }
    const struct group_join_answer *j = &a->join;
    out->generation_id = j->generation;
    out->protocol_type = j->protocol_type;
    out->protocol_name =
        r->version >= JOIN_FIRST_NULL_PROTOCOL_VERSION ? j->protocol_name : slice_or_empty(j->protocol_name);
    out->leader = slice_or_empty(j->leader);
    out->member_id = slice_or_empty(j->member_id);
    out->skip_assignment = j->skip_assignment;
    out->members = arena_array(group_request_arena(r), (size_t)j->members_count, sizeof *out->members);
    if (out->members == NULL) {
        return API_CLOSE;
    }
    out->members_count = j->members_count;
    for (int32_t i = 0; i < j->members_count; i++) {
        join_group_response_join_group_response_member_init(&out->members[i]);
        out->members[i].member_id = j->members[i].member_id;
        out->members[i].group_instance_id = j->members[i].instance_id;
        out->members[i].metadata = slice_or_empty(j->members[i].metadata);
    }
    return API_DONE;
}

// A random UUID (version 4) as text.
static void uuid_text(const struct os *os, char text[GROUP_MEMBER_ID_UUID_LEN])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t b[16];
    os->random(os, b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    size_t at = 0;
    for (size_t i = 0; i < sizeof b; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text[at++] = '-';
        }
        text[at++] = digits[b[i] >> 4];
        text[at++] = digits[b[i] & 0x0f];
    }
}

static bool join_event(struct request *r, struct group_event *e)
{
    const struct join_group_request *in = r->in;
    struct group_protocol *protocols = arena_array(&r->arena, (size_t)in->protocols_count, sizeof *protocols);
    char *host = arena_printf(&r->arena, "/%s", conn_peer_host(r->x.conn));
    if (protocols == NULL || host == NULL) {
        return false;
    }
    for (int32_t i = 0; i < in->protocols_count; i++) {
        protocols[i] = (struct group_protocol){in->protocols[i].name, in->protocols[i].metadata};
    }
    bool has_timeout = r->version >= JOIN_FIRST_REBALANCE_TIMEOUT_VERSION;
    *e = (struct group_event){
        .type = GROUP_JOIN,
        .join = {.member_id = in->member_id,
                 .instance_id = in->group_instance_id,
                 .client_id = r->client_id,
                 .client_host = slice_str(host),
                 .protocol_type = in->protocol_type,
                 .protocols = protocols,
                 .protocols_count = in->protocols_count,
                 .session_timeout_ms = in->session_timeout_ms,
                 .rebalance_timeout_ms = has_timeout ? in->rebalance_timeout_ms : in->session_timeout_ms,
                 .require_known_member_id = r->version >= JOIN_FIRST_KNOWN_ID_VERSION,
                 .support_skip_assignment = r->version >= JOIN_FIRST_SKIP_VERSION,
                 .reason = in->reason},
    };
    uuid_text(r->ctx->os, e->join.fresh_uuid);
    return true;
}

enum api_step api_join_group(struct request *r)
{
    const struct join_group_request *in = r->in;
    struct group_event e;
    if (r->runs > 1) {
        return group_request_again(r, join_answer);
    }
    int16_t error = group_id_error(in->group_id);
    if (error == KAFKA_ERROR_NONE) {
        error = coordinator_check(r->ctx->groups, r->metadata, in->group_id);
    }
    if (error == KAFKA_ERROR_NONE) {
        error = group_check_session_timeout(&r->ctx->options->group, in->session_timeout_ms);
    }
    if (error != KAFKA_ERROR_NONE) {
        return join_answer(r, NULL, error);
    }
    if (!join_event(r, &e)) {
        return API_CLOSE;
    }
    return group_request_begin(r, in->group_id, &e, KAFKA_ERROR_UNKNOWN_MEMBER_ID, join_answer);
}
