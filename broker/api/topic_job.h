// SPDX-License-Identifier: Apache-2.0
//
// What CreateTopics and DeleteTopics share: a request that hands one job to the control thread and waits for it, at
// most for its time-out. r->state belongs to this file meanwhile.
//
// The time-out of a request that changes topics begins when the change is written, as in Kafka: it bounds the wait for
// leaders, not the checks and writes before. Such a handler asks topic_job_waits_on whenever it is run again.
#ifndef OTTLA_API_TOPIC_JOB_H
#define OTTLA_API_TOPIC_JOB_H

#include "broker/api/request.h"

// A request that does not want to wait (time-out 0 or less) still waits this long for what the job finds out; so does
// one whose time-out is over before the job has written anything.
#define TOPIC_JOB_MIN_WAIT_MS 10000
// It then looks again that often.
#define TOPIC_JOB_LOOK_MS 100

// Makes the job, has `fill` copy the request into it, and submits it. ERR_AGAIN: wait for it. ERR_OK: it is over
// (it could not be queued: job->err says why). Others: no memory.
enum err topic_job_begin(struct request *r, enum cluster_job_type type,
                         bool (*fill)(struct request *r, struct cluster_job *job), int32_t timeout_ms) WARN_UNUSED;
// Of a job that changes topics: true when the request has not waited long enough, and answers API_WAIT once more.
bool topic_job_waits_on(struct request *r);
// For `fill`: a copy of a name that becomes one of a znode, "" when it has a zero byte and so names none; and the
// brokers of an assignment. NULL, false: no memory.
const char *topic_job_name(struct cluster_job *job, struct slice name);
bool topic_job_brokers(struct arena *a, const int32_t *brokers, int32_t count, struct topic_assignment *out);
struct cluster_job *topic_job_of(const struct request *r);
// The results may be read; false when the time-out came first.
bool topic_job_finished(const struct request *r);
// What the whole answer says: REQUEST_TIMED_OUT, why the job failed, or what it found out.
int16_t topic_job_error(const struct request *r);
// Lets go of the job; also as the abort function of both APIs.
void topic_job_end(struct request *r);

#endif
