// SPDX-License-Identifier: Apache-2.0
//
// What the requests to a consumer group share: one event goes to the group's coordinator, the request waits for the
// answer, and the response is built of it. r->state belongs to this file.
#ifndef OTTLA_API_GROUP_REQUEST_H
#define OTTLA_API_GROUP_REQUEST_H

#include "broker/api/request.h"

// Fills r->out. answer NULL: the group was not asked, error says why.
typedef enum api_step group_answer_fn(struct request *r, const struct group_answer *answer, int16_t error);

// First run: asks. Calls fn as soon as the answer is there. unknown_group: the error when there is no such group.
enum api_step group_request_begin(struct request *r, struct slice group_id, struct group_event *e,
                                  int16_t unknown_group, group_answer_fn *fn);
// Later runs. Where the broker stops before there is an answer, the error is NOT_COORDINATOR.
enum api_step group_request_again(struct request *r, group_answer_fn *fn);
// The abort function of these APIs.
void group_request_abort(struct request *r);

// Room for a response that is larger than its request: of the answer's call, or when nothing was asked, made here.
struct arena *group_request_arena(struct request *r);

// INVALID_GROUP_ID for an empty one where Kafka wants a name.
static inline int16_t group_id_error(struct slice group_id)
{
    return group_id.len == 0 ? KAFKA_ERROR_INVALID_GROUP_ID : KAFKA_ERROR_NONE;
}

// A slice that may be written where null is not allowed.
static inline struct slice slice_or_empty(struct slice s)
{
    return s.data == NULL ? slice_str("") : s;
}

#endif
