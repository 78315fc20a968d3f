// SPDX-License-Identifier: Apache-2.0
//
// AllocateProducerIds (67), v0 (KIP-730): a broker takes the next block of producer ids from the controller.
#include "broker/api/apis.h"
#include "broker/api/errmap.h"
#include "broker/api/topic_job.h"

static bool job_fill(struct request *r, struct cluster_job *job)
{
    const struct allocate_producer_ids_request *in = r->in;
    job->request.broker = in->broker_id;
    job->request.broker_epoch = in->broker_epoch;
    return true;
}

static enum api_step answer(struct request *r)
{
    struct allocate_producer_ids_response *out = r->out;
    const struct cluster_job *job = topic_job_of(r);
    bool finished = topic_job_finished(r);
    if (finished) {
        out->error_code = job->err != ERR_OK ? errmap_code(job->err) : job->request.error_code;
        out->producer_id_start = out->error_code == KAFKA_ERROR_NONE ? job->producer_id_first : 0;
        out->producer_id_len = out->error_code == KAFKA_ERROR_NONE ? job->producer_id_count : 0;
    }
    topic_job_end(r);
    return finished ? API_DONE : API_CLOSE;
}

enum api_step api_allocate_producer_ids(struct request *r)
{
    const struct allocate_producer_ids_request *in = r->in;
    struct allocate_producer_ids_response *out = r->out;
    if (r->runs > 1) {
        return answer(r);
    }
    if (in->broker_id < 0) { // which is nobody's; to the job it would be this broker's own
        out->error_code = KAFKA_ERROR_BROKER_ID_NOT_REGISTERED;
        return API_DONE;
    }
    enum err err = topic_job_begin(r, CLUSTER_PRODUCER_IDS, job_fill, INT32_MAX);
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
