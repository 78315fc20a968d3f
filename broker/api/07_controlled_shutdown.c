// SPDX-License-Identifier: Apache-2.0
//
// ControlledShutdown (7), v0-3: a broker that wants to go asks the controller first; the answer is what it still leads.
#include "broker/api/apis.h"
#include "broker/api/errmap.h"
#include "broker/api/topic_job.h"

static bool job_fill(struct request *r, struct cluster_job *job)
{
    const struct controlled_shutdown_request *in = r->in;
    job->request.type = CONTROLLER_SHUTDOWN;
    job->request.broker = in->broker_id;
    job->request.broker_epoch = in->broker_epoch;
    return true;
}

static enum api_step answer(struct request *r)
{
    struct controlled_shutdown_response *out = r->out;
    const struct cluster_job *job = topic_job_of(r);
    const struct controller_request *q = &job->request;
    r->release = topic_job_end; // names stay in the job
    if (!topic_job_finished(r)) {
        return API_CLOSE;
    }
    out->error_code = job->err != ERR_OK ? errmap_code(job->err) : q->error_code;
    out->remaining_partitions = arena_array(&r->arena, (size_t)q->remaining_count, sizeof *out->remaining_partitions);
    for (int32_t i = 0; out->remaining_partitions != NULL && i < q->remaining_count; i++) {
        struct controlled_shutdown_response_remaining_partition *o =
            &out->remaining_partitions[out->remaining_partitions_count++];
        controlled_shutdown_response_remaining_partition_init(o);
        o->topic_name = slice_str(q->remaining[i].topic);
        o->partition_index = q->remaining[i].partition;
    }
    // Kafka answers so where it has been moved: the exception's code is that of a stale controller epoch.
    if (out->error_code == KAFKA_ERROR_NOT_CONTROLLER) {
        out->error_code = KAFKA_ERROR_STALE_CONTROLLER_EPOCH;
    }
    return out->remaining_partitions != NULL ? API_DONE : API_CLOSE;
}

enum api_step api_controlled_shutdown(struct request *r)
{
    if (r->runs > 1) {
        return answer(r);
    }
    enum err err = topic_job_begin(r, CLUSTER_ASK, job_fill, INT32_MAX);
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
