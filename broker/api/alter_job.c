// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "broker/api/alter_job.h"

#include "broker/api/errmap.h"
#include "broker/api/key_map.h"
#include "broker/api/logger_configs.h"

bool alter_job_begin(struct cluster_job *job, int32_t resources, bool validate_only, bool incremental)
{
    job->validate_only = validate_only;
    job->incremental = incremental;
    job->resources = arena_array(&job->arena, (size_t)resources, sizeof *job->resources);
    return job->resources != NULL;
}

struct config_resource *alter_resource_add(struct cluster_job *job, int8_t type, struct slice name, int32_t changes)
{
    struct config_resource *c = &job->resources[job->resources_count++];
    c->type = type;
    c->name = arena_strndup(&job->arena, name.data, name.len);
    c->name_len = name.len;
    c->changes = arena_array(&job->arena, (size_t)changes, sizeof *c->changes);
    return c->name == NULL || c->changes == NULL ? NULL : c;
}

bool alter_change_add(struct cluster_job *job, struct slice key, struct slice value, int8_t op)
{
    struct config_resource *r = &job->resources[job->resources_count - 1];
    struct config_change *c = &r->changes[r->changes_count++];
    c->key = arena_strndup(&job->arena, key.data, key.len);
    c->value = value.data == NULL ? NULL : arena_strndup(&job->arena, value.data, value.len);
    c->op = op;
    return c->key != NULL && (value.data == NULL || c->value != NULL);
}

static bool duplicates_mark(struct request *r, struct cluster_job *job)
{
    struct key_map seen;
    bool ok = true;
    key_map_init(&seen);
    for (int32_t i = 0; ok && i < job->resources_count; i++) {
        struct config_resource *c = &job->resources[i];
        const char *key = arena_printf(&r->arena, "%d %s", c->type, c->name);
        int64_t *first = key == NULL ? NULL : key_map_slot(&seen, slice_str(key), &r->arena);
        ok = first != NULL;
        if (ok && *first >= 0) {
            c->duplicate = true;
            job->resources[*first].duplicate = true;
        } else if (ok) {
            *first = i;
        }
    }
    key_map_release(&seen);
    return ok;
}

bool alter_job_end(struct request *r, struct cluster_job *job)
{
    if (!duplicates_mark(r, job)) {
        return false;
    }
    for (int32_t i = 0; job->incremental && i < job->resources_count; i++) {
        struct config_resource *c = &job->resources[i];
        if (c->type == CONFIG_RESOURCE_LOGGER) {
            c->answered = true;
            if (config_changes_admit(c, true, &job->arena)) {
                logger_alter(r->ctx->options->broker_id, c, job->validate_only, &job->arena);
            }
        }
    }
    return true;
}

bool alter_result_of(struct request *r, int32_t i, struct alter_result *out)
{
    const struct cluster_job *job = topic_job_of(r);
    bool finished = topic_job_finished(r);
    *out = (struct alter_result){.message = SLICE_NULL};
    if (!finished || job->err != ERR_OK) {
        enum err err = finished ? job->err : ERR_TIMED_OUT;
        out->error_code = errmap_code(err);
        out->message = slice_str(err_text(err));
        return true;
    }
    const char *message = job->resources[i].error_message;
    const char *copy = message == NULL ? NULL : arena_strdup(&r->arena, message); // the job dies before the answer
    out->error_code = job->resources[i].error_code;
    out->message = copy == NULL ? SLICE_NULL : slice_str(copy);
    return message == NULL || copy != NULL;
}
