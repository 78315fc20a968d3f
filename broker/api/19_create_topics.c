// SPDX-License-Identifier: Apache-2.0
//
// CreateTopics (19), v0-7: a job for the control thread; the answer waits until the new topics have leaders in the
// published metadata, or until the time-out (REQUEST_TIMED_OUT: they are still being made). From v5 the answer lists
// the effective configs with where each comes from.
#include "broker/api/apis.h"
#include "broker/api/errmap.h"
#include "broker/api/key_map.h"
#include "broker/api/topic_job.h"

#define CREATE_TOPICS_MAX           10000 // in one request
#define CONFIG_VALUE_BYTES          64    // as text; a longer one was given in the request
#define TOPIC_MESSAGE_BYTES         512   // of an error, beside what it repeats of the request
#define CREATE_FIRST_CONFIG_VERSION 5
#define CREATE_FIRST_ID_VERSION     7

static bool assignments_copy(struct arena *a, const struct create_topics_request_creatable_topic *in,
                             struct topic_create *out)
{
    out->assignments = arena_array(a, (size_t)in->assignments_count, sizeof *out->assignments);
    if (out->assignments == NULL) {
        return false;
    }
    for (int32_t i = 0; i < in->assignments_count; i++) {
        const struct create_topics_request_creatable_replica_assignment *s = &in->assignments[i];
        struct topic_assignment *d = &out->assignments[i];
        d->partition = s->partition_index;
        if (!topic_job_brokers(a, s->broker_ids, s->broker_ids_count, d)) {
            return false;
        }
    }
    out->assignments_count = in->assignments_count;
    return true;
}

static bool configs_copy(struct arena *a, const struct create_topics_request_creatable_topic *in,
                         struct topic_create *out)
{
    out->configs = arena_array(a, (size_t)in->configs_count, sizeof *out->configs);
    if (out->configs == NULL) {
        return false;
    }
    for (int32_t i = 0; i < in->configs_count; i++) {
        const struct create_topics_request_creatable_topic_config *c = &in->configs[i];
        out->configs[i].key = arena_strndup(a, c->name.data, c->name.len);
        out->configs[i].value = c->value.data == NULL ? NULL : arena_strndup(a, c->value.data, c->value.len);
        if (out->configs[i].key == NULL || (c->value.data != NULL && out->configs[i].value == NULL)) {
            return false;
        }
    }
    out->configs_count = in->configs_count;
    return true;
}

static bool job_fill(struct request *r, struct cluster_job *job)
{
    const struct create_topics_request *in = r->in;
    struct key_map names;
    key_map_init(&names);
    job->validate_only = in->validate_only;
    job->creates = arena_array(&job->arena, (size_t)in->topics_count, sizeof *job->creates);
    bool ok = job->creates != NULL;
    for (int32_t i = 0; ok && i < in->topics_count; i++) {
        const struct create_topics_request_creatable_topic *t = &in->topics[i];
        struct topic_create *c = &job->creates[i];
        c->name = arena_strndup(&job->arena, t->name.data, t->name.len);
        c->name_len = t->name.len;
        c->num_partitions = t->num_partitions;
        c->replication_factor = t->replication_factor;
        int64_t *first = key_map_slot(&names, t->name, &r->arena);
        ok = c->name != NULL && first != NULL && assignments_copy(&job->arena, t, c) && configs_copy(&job->arena, t, c);
        if (ok && *first >= 0) {
            c->duplicate = true;
            job->creates[*first].duplicate = true;
        } else if (ok) {
            *first = i;
        }
    }
    job->creates_count = ok ? in->topics_count : 0;
    key_map_release(&names);
    return ok;
}

static bool fill_configs(struct request *r, const struct topic_create *c,
                         struct create_topics_response_creatable_topic_result *o)
{
    int32_t n = c->configs_shown.count;
    o->num_partitions = c->out_partitions;
    o->replication_factor = c->out_replication_factor;
    o->configs = arena_array(&r->arena, (size_t)n, sizeof *o->configs);
    if (o->configs == NULL) {
        return false;
    }
    for (int32_t i = 0; i < n; i++) {
        struct create_topics_response_creatable_topic_configs *e = &o->configs[i];
        create_topics_response_creatable_topic_configs_init(e);
        const struct config_shown *shown = &c->configs_shown.list[i];
        e->name = slice_str(shown->name);
        const char *value = arena_strdup(&r->arena, shown->value); // the job dies before the answer is encoded
        if (value == NULL) {
            return false;
        }
        e->value = slice_str(value);
        e->read_only = shown->read_only;
        e->is_sensitive = shown->sensitive;
        e->config_source = (int8_t)shown->source;
    }
    o->configs_count = n;
    return true;
}

static bool fill_result(struct request *r, const struct cluster_job *job, int32_t i,
                        struct create_topics_response_creatable_topic_result *o)
{
    const struct create_topics_request *in = r->in;
    create_topics_response_creatable_topic_result_init(o);
    o->name = in->topics[i].name;
    o->error_message = SLICE_NULL; // where the schema's default is an empty one
    if (!topic_job_finished(r)) {
        o->error_code = KAFKA_ERROR_REQUEST_TIMED_OUT;
        return true;
    }
    const struct topic_create *c = &job->creates[i];
    o->error_code = job->err == ERR_OK ? c->error_code : errmap_code(job->err);
    if (o->error_code != KAFKA_ERROR_NONE) {
        const char *message = job->err == ERR_OK               ? c->error_message
                              : job->err == ERR_NOT_CONTROLLER ? ""
                                                               : err_text(job->err);
        o->error_message = message == NULL ? SLICE_NULL : slice_of(arena_strdup(&r->arena, message), strlen(message));
        return message == NULL || o->error_message.data != NULL;
    }
    if (!job->validate_only) {
        o->topic_id = c->topic_id;
        if (in->timeout_ms <= 0) {
            o->error_code = KAFKA_ERROR_REQUEST_TIMED_OUT; // asked not to wait for the leaders
            return true;
        }
    }
    return r->version < CREATE_FIRST_CONFIG_VERSION || fill_configs(r, c, o);
}

// A few bytes of the request ask for a row with all configs: the arena, sized by the request, is allowed that much
// more.
static size_t answer_room(const struct create_topics_request *in)
{
    size_t config = sizeof(struct create_topics_response_creatable_topic_configs) + CONFIG_VALUE_BYTES;
    size_t topic = sizeof(struct create_topics_response_creatable_topic_result) + TOPIC_MESSAGE_BYTES;
    return (size_t)in->topics_count * (topic + (size_t)topic_config_count() * config);
}

static enum api_step answer(struct request *r)
{
    const struct create_topics_request *in = r->in;
    struct create_topics_response *out = r->out;
    struct cluster_job *job = topic_job_of(r);
    bool ok = true;
    r->arena.limit += answer_room(in);
    out->topics = arena_array(&r->arena, (size_t)in->topics_count, sizeof *out->topics);
    for (int32_t i = 0; out->topics != NULL && ok && i < in->topics_count; i++) {
        ok = fill_result(r, job, i, &out->topics[out->topics_count++]);
    }
    ok = ok && out->topics != NULL;
    topic_job_end(r);
    return ok ? API_DONE : API_CLOSE;
}

enum api_step api_create_topics(struct request *r)
{
    const struct create_topics_request *in = r->in;
    if (r->runs > 1) {
        return topic_job_waits_on(r) ? API_WAIT : answer(r);
    }
    if (in->topics_count > CREATE_TOPICS_MAX) {
        return API_CLOSE;
    }
    if (in->topics_count <= 0) {
        return API_DONE;
    }
    enum err err = topic_job_begin(r, CLUSTER_CREATE_TOPICS, job_fill, in->timeout_ms);
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
