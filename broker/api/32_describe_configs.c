// SPDX-License-Identifier: Apache-2.0
//
// DescribeConfigs (32), v0-4: a job for the control thread, which keeps what is set (KIP-133, KIP-226). What the client
// did not ask for is left out here.
#include "broker/api/apis.h"
#include "broker/api/errmap.h"
#include "broker/api/logger_configs.h"
#include "broker/api/topic_job.h"

#define DESCRIBE_RESOURCES_MAX 10000
#define DESCRIBE_TIMEOUT_MS    30000
#define ANSWER_MAX_BYTES       ((size_t)256 * 1024 * 1024) // beside what the request's arena has anyway

static bool job_fill(struct request *r, struct cluster_job *job)
{
    const struct describe_configs_request *in = r->in;
    job->resources = arena_array(&job->arena, (size_t)in->resources_count, sizeof *job->resources);
    if (job->resources == NULL) {
        return false;
    }
    for (int32_t i = 0; i < in->resources_count; i++) {
        struct config_resource *c = &job->resources[job->resources_count++];
        c->type = in->resources[i].resource_type;
        c->name_len = in->resources[i].resource_name.len;
        c->name = arena_strndup(&job->arena, in->resources[i].resource_name.data, c->name_len);
        if (c->name == NULL) {
            return false;
        }
    }
    return true;
}

// The job dies before the answer is encoded, so its texts are copied.
static bool text_copy(struct request *r, const char *text, struct slice *out)
{
    const char *copy = text == NULL ? NULL : arena_strdup(&r->arena, text);
    *out = copy == NULL ? SLICE_NULL : slice_str(copy);
    return text == NULL || copy != NULL;
}

static size_t text_room(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1 + sizeof(void *); // rounded up
}

static bool fill_synonyms(struct request *r, const struct config_shown *s,
                          struct describe_configs_response_describe_configs_resource_result *o)
{
    o->synonyms = arena_array(&r->arena, (size_t)s->synonyms_count, sizeof *o->synonyms);
    if (o->synonyms == NULL) {
        return false;
    }
    for (int32_t i = 0; i < s->synonyms_count; i++) {
        struct describe_configs_response_describe_configs_synonym *y = &o->synonyms[o->synonyms_count++];
        describe_configs_response_describe_configs_synonym_init(y);
        y->source = (int8_t)s->synonyms[i].source;
        if (!text_copy(r, s->synonyms[i].name, &y->name) || !text_copy(r, s->synonyms[i].value, &y->value)) {
            return false;
        }
    }
    return true;
}

static bool fill_config(struct request *r, const struct config_shown *s,
                        struct describe_configs_response_describe_configs_resource_result *o)
{
    const struct describe_configs_request *in = r->in;
    describe_configs_response_describe_configs_resource_result_init(o);
    o->read_only = s->read_only;
    o->config_source = (int8_t)s->source;
    o->is_sensitive = s->sensitive;
    o->config_type = s->type;
    const char *documentation =
        s->source == CONFIG_SOURCE_LOGGER || in->include_documentation ? s->documentation : NULL;
    o->documentation = documentation == NULL ? SLICE_NULL : slice_str(documentation);
    return text_copy(r, s->name, &o->name) && text_copy(r, s->value, &o->value) &&
           (!in->include_synonyms || fill_synonyms(r, s, o));
}

// Marks what the client names; all when it names nothing. What does not exist is passed over.
static bool *wanted_mark(struct request *r, const struct describe_configs_request_describe_configs_resource *in,
                         const struct config_list *l)
{
    bool *wanted = arena_array(&r->arena, (size_t)l->count, sizeof *wanted);
    for (int32_t i = 0; wanted != NULL && i < l->count; i++) {
        wanted[i] = in->configuration_keys_count <= 0;
    }
    for (int32_t i = 0; wanted != NULL && i < in->configuration_keys_count; i++) {
        char name[TOPIC_NAME_MAX + 1];
        struct slice key = in->configuration_keys[i];
        if (key.len <= TOPIC_NAME_MAX) {
            memcpy(name, key.data, key.len);
            name[key.len] = '\0';
            const struct config_shown *s = config_list_find(l, name);
            if (s != NULL) {
                wanted[s - l->list] = true;
            }
        }
    }
    return wanted;
}

static bool fill_configs(struct request *r, const struct describe_configs_request_describe_configs_resource *in,
                         const struct config_list *l, struct describe_configs_response_describe_configs_result *o)
{
    const bool *wanted = wanted_mark(r, in, l);
    o->configs = arena_array(&r->arena, (size_t)l->count, sizeof *o->configs);
    if (wanted == NULL || o->configs == NULL) {
        return false;
    }
    for (int32_t i = 0; i < l->count; i++) {
        if (wanted[i] && !fill_config(r, &l->list[i], &o->configs[o->configs_count++])) {
            return false;
        }
    }
    return true;
}

static bool fill_result(struct request *r, const struct cluster_job *job, int32_t i,
                        struct describe_configs_response_describe_configs_result *o)
{
    const struct describe_configs_request *in = r->in;
    describe_configs_response_describe_configs_result_init(o);
    o->resource_type = in->resources[i].resource_type;
    o->resource_name = in->resources[i].resource_name;
    o->error_message = slice_str("");
    if (!topic_job_finished(r) || job->err != ERR_OK) {
        enum err err = topic_job_finished(r) ? job->err : ERR_TIMED_OUT;
        o->error_code = errmap_code(err);
        o->error_message = slice_str(err_text(err));
        return true;
    }
    const struct config_resource *c = &job->resources[i];
    o->error_code = c->error_code;
    if (c->error_code != KAFKA_ERROR_NONE) {
        return text_copy(r, c->error_message, &o->error_message);
    }
    if (c->type != CONFIG_RESOURCE_LOGGER) {
        return fill_configs(r, &in->resources[i], &c->shown, o);
    }
    struct config_shown root = {
        .name = LOGGER_ROOT, .value = logger_level(), .documentation = "", .source = CONFIG_SOURCE_LOGGER};
    return fill_configs(r, &in->resources[i], &(struct config_list){&root, 1}, o);
}

// An unknown type spoils the whole request.
static void unknown_type_spread(struct describe_configs_response *out)
{
    const struct describe_configs_response_describe_configs_result *bad = NULL;
    for (int32_t i = 0; bad == NULL && i < out->results_count; i++) {
        int8_t type = out->results[i].resource_type;
        bool known = type == CONFIG_RESOURCE_TOPIC || type == CONFIG_RESOURCE_BROKER ||
                     type == CONFIG_RESOURCE_LOGGER || type == CONFIG_RESOURCE_CLIENT_METRICS;
        bad = known ? NULL : &out->results[i];
    }
    for (int32_t i = 0; bad != NULL && i < out->results_count; i++) {
        out->results[i].error_code = bad->error_code;
        out->results[i].error_message = bad->error_message;
        out->results[i].configs_count = 0;
    }
}

// What the answer takes at most: rows, synonyms, and their texts, which the job holds.
static size_t shown_room(const struct cluster_job *job)
{
    size_t room = 0;
    for (int32_t i = 0; i < job->resources_count; i++) {
        const struct config_list *l = &job->resources[i].shown;
        for (int32_t k = 0; k < l->count; k++) {
            const struct config_shown *s = &l->list[k];
            room += sizeof(struct describe_configs_response_describe_configs_resource_result) + text_room(s->name) +
                    text_room(s->value);
            for (int32_t y = 0; y < s->synonyms_count; y++) {
                room += sizeof(struct describe_configs_response_describe_configs_synonym) +
                        text_room(s->synonyms[y].name) + text_room(s->synonyms[y].value);
            }
        }
    }
    return room < ANSWER_MAX_BYTES ? room : ANSWER_MAX_BYTES;
}

// A few bytes of the request ask for many configs: the arena, sized by the request, is allowed that much more.
static enum api_step answer(struct request *r)
{
    const struct describe_configs_request *in = r->in;
    struct describe_configs_response *out = r->out;
    bool ok = true;
    if (topic_job_finished(r)) {
        r->arena.limit += shown_room(topic_job_of(r));
    }
    out->results = arena_array(&r->arena, (size_t)in->resources_count, sizeof *out->results);
    for (int32_t i = 0; out->results != NULL && ok && i < in->resources_count; i++) {
        ok = fill_result(r, topic_job_of(r), i, &out->results[out->results_count++]);
    }
    ok = ok && out->results != NULL;
    topic_job_end(r);
    unknown_type_spread(out);
    return ok ? API_DONE : API_CLOSE;
}

enum api_step api_describe_configs(struct request *r)
{
    const struct describe_configs_request *in = r->in;
    if (r->runs > 1) {
        return answer(r);
    }
    if (in->resources_count > DESCRIBE_RESOURCES_MAX) {
        return API_CLOSE;
    }
    if (in->resources_count <= 0) {
        return API_DONE;
    }
    enum err err = topic_job_begin(r, CLUSTER_DESCRIBE_CONFIGS, job_fill, DESCRIBE_TIMEOUT_MS);
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
