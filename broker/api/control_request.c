// SPDX-License-Identifier: Apache-2.0
//
// A controller's request on its way to the control thread and back. The response lies in the job, which is kept until
// it is sent.
#include "broker/api/control_request.h"

#include "broker/api/topic_job.h"

static bool job_fill(struct request *r, struct cluster_job *job)
{
    const char *body = arena_strndup(&job->arena, r->body.data, r->body.len);
    job->control =
        (struct cluster_control){.key = r->proto->key, .version = r->version, .body = slice_of(body, r->body.len)};
    return body != NULL;
}

static enum api_step answer(struct request *r)
{
    const struct cluster_job *job = topic_job_of(r);
    r->release = topic_job_end;
    if (!topic_job_finished(r) || job->err != ERR_OK) {
        return API_CLOSE; // the broker stops
    }
    memcpy(r->out, job->control.response, message_struct_size(r->proto->response));
    return API_DONE;
}

enum api_step control_request_run(struct request *r)
{
    if (r->runs > 1) {
        return answer(r);
    }
    enum err err = topic_job_begin(r, CLUSTER_CONTROL, job_fill, INT32_MAX);
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
