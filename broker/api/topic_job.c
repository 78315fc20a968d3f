// SPDX-License-Identifier: Apache-2.0
//
// The job outlives the request when that ends first; the control thread then finishes it for nobody.
#include "broker/api/topic_job.h"

#include "broker/api/errmap.h"

struct topic_job {
    struct cluster_job *job;
    struct wait_link link;
    bool submitted;
    int32_t timeout_ms;
    int64_t begun_ms;
};

const char *topic_job_name(struct cluster_job *job, struct slice name)
{
    return memchr(name.data, '\0', name.len) != NULL ? "" : arena_strndup(&job->arena, name.data, name.len);
}

bool topic_job_brokers(struct arena *a, const int32_t *brokers, int32_t count, struct topic_assignment *out)
{
    out->brokers_count = count;
    out->brokers = arena_array(a, (size_t)count, sizeof *out->brokers);
    if (out->brokers != NULL && count > 0) {
        memcpy(out->brokers, brokers, (size_t)count * sizeof *out->brokers);
    }
    return out->brokers != NULL;
}

struct cluster_job *topic_job_of(const struct request *r)
{
    return ((struct topic_job *)r->state)->job;
}

bool topic_job_finished(const struct request *r)
{
    const struct topic_job *t = r->state;
    return !t->submitted || cluster_job_done(t->job);
}

int16_t topic_job_error(const struct request *r)
{
    const struct cluster_job *job = topic_job_of(r);
    return !topic_job_finished(r) ? KAFKA_ERROR_REQUEST_TIMED_OUT
           : job->err != ERR_OK   ? errmap_code(job->err)
                                  : job->request.error_code;
}

void topic_job_end(struct request *r)
{
    struct topic_job *t = r->state;
    cluster_job_detach(t->job, &t->link);
    cluster_job_unref(t->job);
}

enum err topic_job_begin(struct request *r, enum cluster_job_type type,
                         bool (*fill)(struct request *r, struct cluster_job *job), int32_t timeout_ms)
{
    struct topic_job *t = arena_alloc(&r->arena, sizeof *t);
    if (t == NULL || cluster_job_new(type, &t->job) != ERR_OK) {
        return ERR_NO_MEMORY;
    }
    r->state = t;
    if (!fill(r, t->job)) {
        cluster_job_unref(t->job);
        return ERR_NO_MEMORY;
    }
    enum err err = cluster_job_submit(r->ctx->cluster, t->job);
    if (err != ERR_OK) {
        t->job->err = err;
        return ERR_OK;
    }
    t->submitted = true;
    t->timeout_ms = timeout_ms > 0 ? timeout_ms : TOPIC_JOB_MIN_WAIT_MS;
    t->begun_ms = loop_now_ms(request_loop(r));
    r->deadline_ms = t->begun_ms + t->timeout_ms;
    wait_arm(&r->wait, 1);
    if (!cluster_job_wait(t->job, &t->link, &r->wait)) {
        return ERR_AGAIN;
    }
    return wait_disarm(&r->wait) ? ERR_OK : ERR_AGAIN;
}

bool topic_job_waits_on(struct request *r)
{
    const struct topic_job *t = r->state;
    if (!r->expired || topic_job_finished(r)) {
        return false;
    }
    int64_t now_ms = loop_now_ms(request_loop(r));
    int64_t written_ms = cluster_job_written_ms(t->job);
    int64_t until_ms = written_ms == JOB_NOT_WRITTEN ? t->begun_ms + TOPIC_JOB_MIN_WAIT_MS : written_ms + t->timeout_ms;
    if (now_ms >= until_ms) {
        return false;
    }
    r->expired = false;
    r->deadline_ms =
        written_ms != JOB_NOT_WRITTEN || until_ms - now_ms < TOPIC_JOB_LOOK_MS ? until_ms : now_ms + TOPIC_JOB_LOOK_MS;
    return true;
}
