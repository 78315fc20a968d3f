// SPDX-License-Identifier: Apache-2.0
//
// CreatePartitions (37), v0-3: a job for the control thread; the answer waits until the new partitions have leaders in
// the published metadata, or until the time-out (REQUEST_TIMED_OUT: they are still being made).
#include "broker/api/apis.h"
#include "broker/api/errmap.h"
#include "broker/api/key_map.h"
#include "broker/api/topic_job.h"

#define CREATE_PARTITIONS_TOPICS_MAX 10000

static bool assignments_copy(struct arena *a, const struct create_partitions_request_create_partitions_topic *in,
                             struct topic_grow *out)
{
    out->assignments_count = in->assignments_count;
    if (in->assignments_count < 0) {
        return true;
    }
    out->assignments = arena_array(a, (size_t)in->assignments_count, sizeof *out->assignments);
    for (int32_t i = 0; out->assignments != NULL && i < in->assignments_count; i++) {
        const struct create_partitions_request_create_partitions_assignment *s = &in->assignments[i];
        if (!topic_job_brokers(a, s->broker_ids, s->broker_ids_count, &out->assignments[i])) {
            return false;
        }
    }
    return out->assignments != NULL;
}

// Of a topic named more than once there is one entry.
static bool job_fill(struct request *r, struct cluster_job *job)
{
    const struct create_partitions_request *in = r->in;
    struct key_map names;
    key_map_init(&names);
    job->validate_only = in->validate_only;
    job->grows = arena_array(&job->arena, (size_t)in->topics_count, sizeof *job->grows);
    bool ok = job->grows != NULL;
    for (int32_t i = 0; ok && i < in->topics_count; i++) {
        int64_t *first = key_map_slot(&names, in->topics[i].name, &r->arena);
        ok = first != NULL;
        if (!ok || *first >= 0) {
            if (ok) {
                job->grows[*first].duplicate = true;
            }
            continue;
        }
        *first = job->grows_count;
        struct topic_grow *t = &job->grows[job->grows_count++];
        t->name = arena_strndup(&job->arena, in->topics[i].name.data, in->topics[i].name.len);
        t->name_len = in->topics[i].name.len;
        t->count = in->topics[i].count;
        ok = t->name != NULL && assignments_copy(&job->arena, &in->topics[i], t);
    }
    key_map_release(&names);
    return ok;
}

static bool fill_result(struct request *r, const struct cluster_job *job, const struct topic_grow *t,
                        struct create_partitions_response_create_partitions_topic_result *o)
{
    const struct create_partitions_request *in = r->in;
    create_partitions_response_create_partitions_topic_result_init(o);
    const char *name = arena_strndup(&r->arena, t->name, t->name_len); // the job dies before the answer is encoded
    o->name = slice_of(name, name == NULL ? 0 : t->name_len);
    if (!topic_job_finished(r)) {
        o->error_code = KAFKA_ERROR_REQUEST_TIMED_OUT;
        return name != NULL;
    }
    const char *message = job->err == ERR_OK               ? t->error_message
                          : job->err == ERR_NOT_CONTROLLER ? NULL
                                                           : err_text(job->err);
    const char *copy = message == NULL ? NULL : arena_strdup(&r->arena, message);
    o->error_code = job->err == ERR_OK ? t->error_code : errmap_code(job->err);
    o->error_message = copy == NULL ? SLICE_NULL : slice_str(copy);
    if (o->error_code == KAFKA_ERROR_NONE && !in->validate_only && in->timeout_ms <= 0) {
        o->error_code = KAFKA_ERROR_REQUEST_TIMED_OUT; // asked not to wait for the leaders
    }
    return name != NULL && (message == NULL || copy != NULL);
}

// Kafka answers what it did first and then what it did not look at.
static enum api_step answer(struct request *r)
{
    struct create_partitions_response *out = r->out;
    const struct cluster_job *job = topic_job_of(r);
    out->results = arena_array(&r->arena, (size_t)job->grows_count, sizeof *out->results);
    bool ok = out->results != NULL;
    for (int duplicates = 0; duplicates <= 1; duplicates++) {
        for (int32_t i = 0; ok && i < job->grows_count; i++) {
            if (job->grows[i].duplicate == (duplicates == 1)) {
                ok = fill_result(r, job, &job->grows[i], &out->results[out->results_count++]);
            }
        }
    }
    topic_job_end(r);
    return ok ? API_DONE : API_CLOSE;
}

enum api_step api_create_partitions(struct request *r)
{
    const struct create_partitions_request *in = r->in;
    if (r->runs > 1) {
        return topic_job_waits_on(r) ? API_WAIT : answer(r);
    }
    if (in->topics_count > CREATE_PARTITIONS_TOPICS_MAX) {
        return API_CLOSE;
    }
    if (in->topics_count <= 0) {
        return API_DONE;
    }
    enum err err = topic_job_begin(r, CLUSTER_CREATE_PARTITIONS, job_fill, in->timeout_ms);
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
