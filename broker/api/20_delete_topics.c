// SPDX-License-Identifier: Apache-2.0
//
// DeleteTopics (20), v0-6: a job for the control thread; the answer waits until the topics are gone from the published
// metadata, or until the time-out. v6 takes ids as well as names.
#include "broker/api/apis.h"
#include "broker/api/errmap.h"
#include "broker/api/topic_job.h"

#define DELETE_TOPICS_MAX           10000 // in one request
#define DELETE_FIRST_ID_VERSION     6
#define DELETE_FIRST_DISABLED_ERROR 3 // before, clients do not know TOPIC_DELETION_DISABLED

static int32_t targets_count(const struct request *r)
{
    const struct delete_topics_request *in = r->in;
    return r->version >= DELETE_FIRST_ID_VERSION ? in->topics_count : in->topic_names_count;
}

static struct slice target_name(const struct request *r, int32_t i)
{
    const struct delete_topics_request *in = r->in;
    return r->version >= DELETE_FIRST_ID_VERSION ? in->topics[i].name : in->topic_names[i];
}

// An entry that says both, or neither, is refused without asking the control thread.
static int16_t target_check(const struct request *r, int32_t i)
{
    const struct delete_topics_request *in = r->in;
    if (r->version < DELETE_FIRST_ID_VERSION) {
        return KAFKA_ERROR_NONE;
    }
    bool has_name = in->topics[i].name.data != NULL;
    bool has_id = !uuid_is_zero(&in->topics[i].topic_id);
    if (has_name && has_id) {
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    return has_name || has_id ? KAFKA_ERROR_NONE : KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED;
}

static bool job_fill(struct request *r, struct cluster_job *job)
{
    const struct delete_topics_request *in = r->in;
    int32_t n = targets_count(r);
    job->deletes = arena_array(&job->arena, (size_t)n, sizeof *job->deletes);
    if (job->deletes == NULL) {
        return false;
    }
    for (int32_t i = 0; i < n; i++) {
        if (target_check(r, i) != KAFKA_ERROR_NONE) {
            continue;
        }
        struct topic_delete *d = &job->deletes[job->deletes_count++];
        struct slice name = target_name(r, i);
        d->name_len = name.len;
        d->name = name.data == NULL ? NULL : arena_strndup(&job->arena, name.data, name.len);
        if (name.data == NULL) {
            d->id = in->topics[i].topic_id;
        } else if (d->name == NULL) {
            return false;
        }
    }
    return true;
}

static bool fill_result(struct request *r, const struct cluster_job *job, const struct topic_delete *d, int32_t i,
                        struct delete_topics_response_deletable_topic_result *o)
{
    const struct delete_topics_request *in = r->in;
    o->name = target_name(r, i);
    if (r->version >= DELETE_FIRST_ID_VERSION) {
        o->topic_id = in->topics[i].topic_id;
    }
    if (!topic_job_finished(r)) {
        o->error_code = KAFKA_ERROR_REQUEST_TIMED_OUT;
        return true;
    }
    o->error_code = job->err == ERR_OK ? d->error_code : errmap_code(job->err);
    if (o->error_code == KAFKA_ERROR_TOPIC_DELETION_DISABLED && r->version < DELETE_FIRST_DISABLED_ERROR) {
        o->error_code = KAFKA_ERROR_INVALID_REQUEST;
    }
    if (job->err == ERR_OK && d->error_message != NULL) {
        o->error_message = slice_of(arena_strdup(&r->arena, d->error_message), strlen(d->error_message));
        if (o->error_message.data == NULL) {
            return false;
        }
    }
    if (job->err == ERR_OK && o->name.data == NULL && d->out_name != NULL) {
        o->name = slice_of(arena_strdup(&r->arena, d->out_name), strlen(d->out_name));
        if (o->name.data == NULL) {
            return false;
        }
    }
    if (o->error_code == KAFKA_ERROR_NONE && in->timeout_ms <= 0) {
        o->error_code = KAFKA_ERROR_REQUEST_TIMED_OUT; // asked not to wait
    }
    return true;
}

static enum api_step answer(struct request *r)
{
    const struct delete_topics_request *in = r->in;
    struct delete_topics_response *out = r->out;
    struct cluster_job *job = topic_job_of(r);
    int32_t n = targets_count(r);
    bool ok = true;
    out->responses = arena_array(&r->arena, (size_t)n, sizeof *out->responses);
    const struct topic_delete *next = job->deletes;
    for (int32_t i = 0; out->responses != NULL && ok && i < n; i++) {
        struct delete_topics_response_deletable_topic_result *o = &out->responses[out->responses_count++];
        delete_topics_response_deletable_topic_result_init(o);
        o->error_code = target_check(r, i);
        if (o->error_code == KAFKA_ERROR_NONE) {
            ok = fill_result(r, job, next++, i, o);
            continue;
        }
        o->name = in->topics[i].name;
        o->topic_id = in->topics[i].topic_id;
    }
    ok = ok && out->responses != NULL;
    topic_job_end(r);
    return ok ? API_DONE : API_CLOSE;
}

enum api_step api_delete_topics(struct request *r)
{
    const struct delete_topics_request *in = r->in;
    if (r->runs > 1) {
        return topic_job_waits_on(r) ? API_WAIT : answer(r);
    }
    if (targets_count(r) > DELETE_TOPICS_MAX) {
        return API_CLOSE;
    }
    if (targets_count(r) <= 0) {
        return API_DONE;
    }
    enum err err = topic_job_begin(r, CLUSTER_DELETE_TOPICS, job_fill, in->timeout_ms);
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
