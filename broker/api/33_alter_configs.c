// SPDX-License-Identifier: Apache-2.0
//
// AlterConfigs (33), v0-2: the entries of a topic or a broker are replaced as a whole. Clients of today use
// IncrementalAlterConfigs.
#include "broker/api/alter_job.h"
#include "broker/api/apis.h"

static bool job_fill(struct request *r, struct cluster_job *job)
{
    const struct alter_configs_request *in = r->in;
    bool ok = alter_job_begin(job, in->resources_count, in->validate_only, false);
    for (int32_t i = 0; ok && i < in->resources_count; i++) {
        const struct alter_configs_request_alter_configs_resource *s = &in->resources[i];
        ok = alter_resource_add(job, s->resource_type, s->resource_name, s->configs_count) != NULL;
        for (int32_t k = 0; ok && k < s->configs_count; k++) {
            ok = alter_change_add(job, s->configs[k].name, s->configs[k].value, CONFIG_OP_SET);
        }
    }
    return ok && alter_job_end(r, job);
}

static enum api_step answer(struct request *r)
{
    const struct alter_configs_request *in = r->in;
    struct alter_configs_response *out = r->out;
    out->responses = arena_array(&r->arena, (size_t)in->resources_count, sizeof *out->responses);
    bool ok = out->responses != NULL;
    for (int32_t i = 0; ok && i < in->resources_count; i++) {
        struct alter_configs_response_alter_configs_resource_response *o = &out->responses[out->responses_count++];
        struct alter_result result;
        alter_configs_response_alter_configs_resource_response_init(o);
        ok = alter_result_of(r, i, &result);
        o->error_code = result.error_code;
        o->error_message = result.message;
        o->resource_type = in->resources[i].resource_type;
        o->resource_name = in->resources[i].resource_name;
    }
    topic_job_end(r);
    return ok ? API_DONE : API_CLOSE;
}

enum api_step api_alter_configs(struct request *r)
{
    const struct alter_configs_request *in = r->in;
    if (r->runs > 1) {
        return answer(r);
    }
    if (in->resources_count > ALTER_RESOURCES_MAX) {
        return API_CLOSE;
    }
    if (in->resources_count <= 0) {
        return API_DONE;
    }
    enum err err = topic_job_begin(r, CLUSTER_ALTER_CONFIGS, job_fill, ALTER_TIMEOUT_MS);
    return err == ERR_AGAIN ? API_WAIT : err == ERR_OK ? answer(r) : API_CLOSE;
}
