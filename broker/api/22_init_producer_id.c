// SPDX-License-Identifier: Apache-2.0
//
// InitProducerId (22), v0-5: a new producer id for an idempotent producer (KIP-98). Waits while the next block of ids
// is fetched, where Kafka sends the client away with COORDINATOR_LOAD_IN_PROGRESS. Transactions are not served: a
// transactional id gets TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which clients take as fatal.
#include "broker/api/apis.h"
#include "broker/api/errmap.h"

#define BLOCK_WAIT_MS 10000 // then COORDINATOR_LOAD_IN_PROGRESS: the client tries again

// r->state
struct id_wait {
    struct cluster_job *job;
    struct wait_link link;
};

static int16_t request_check(const struct request *r)
{
    const struct init_producer_id_request *in = r->in;
    if (in->transactional_id.data != NULL) {
        return in->transactional_id.len == 0 ? KAFKA_ERROR_INVALID_REQUEST
                                             : KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    }
    bool has_id = in->producer_id != -1;
    bool has_epoch = in->producer_epoch != -1;
    return r->version >= 3 && has_id != has_epoch ? KAFKA_ERROR_INVALID_REQUEST : KAFKA_ERROR_NONE;
}

static enum api_step answer_error(struct request *r, int16_t error_code)
{
    struct init_producer_id_response *out = r->out;
    out->error_code = error_code;
    out->producer_id = -1;
    out->producer_epoch = -1;
    return API_DONE;
}

static enum api_step take(struct request *r, struct id_wait *wait)
{
    struct init_producer_id_response *out = r->out;
    enum err err = producer_ids_take(r->ctx->producer_ids, &out->producer_id, &wait->job);
    if (err == ERR_OK) {
        out->producer_epoch = 0;
        return API_DONE;
    }
    if (err != ERR_AGAIN) {
        return answer_error(r, KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    }
    wait_arm(&r->wait, 1);
    if (cluster_job_wait(wait->job, &wait->link, &r->wait)) {
        struct wake_list woken = {NULL}; // done meanwhile: have this request run again
        wait_count_down(&r->wait, 1, &woken);
        wake_list_post(&woken);
    }
    return API_WAIT;
}

void api_init_producer_id_abort(struct request *r)
{
    struct id_wait *wait = r->state;
    cluster_job_detach(wait->job, &wait->link);
    cluster_job_unref(wait->job);
}

enum api_step api_init_producer_id(struct request *r)
{
    if (r->runs > 1) {
        api_init_producer_id_abort(r);
        return r->expired ? answer_error(r, KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS) : take(r, r->state);
    }
    int16_t error_code = request_check(r);
    if (error_code != KAFKA_ERROR_NONE) {
        return answer_error(r, error_code);
    }
    r->state = arena_alloc(&r->arena, sizeof(struct id_wait));
    if (r->state == NULL) {
        return API_CLOSE;
    }
    r->deadline_ms = loop_now_ms(request_loop(r)) + BLOCK_WAIT_MS;
    return take(r, r->state);
}
