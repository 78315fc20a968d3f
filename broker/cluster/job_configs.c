// SPDX-License-Identifier: Apache-2.0
//
// Configs described and changed. A change reads the entity's node, plans (config_alter.h), sets it behind the check
// that there is a controller (a node that is missing is created without one), and then announces it in /config/changes;
// the job is over when this broker has followed its own announcement (config_changes.c).
#include "broker/cluster/cluster_internal.h"

#include "base/logging.h"
#include "broker/cluster/must.h"
#include "protocol/protocol.h"
#include "zk/zk.h"

static struct config_context context_of(const struct cluster *c)
{
    return (struct config_context){.broker_id = c->broker_id, .metadata = c->picture, .view = settings_view(c)};
}

// ---------------------------------------------------------------------------------------------------------------
// Description

static enum err resource_show(const struct cluster *c, const struct config_context *x, struct config_resource *r,
                              struct arena *a, struct config_list *own)
{
    if (!config_describe_admit(x, r, a) || r->type == CONFIG_RESOURCE_LOGGER) {
        return ERR_OK;
    }
    if (r->type == CONFIG_RESOURCE_TOPIC) {
        return config_describe_topic(&x->view, settings_entries(c, r->name), a, &r->shown);
    }
    if (r->name_len == 0) {
        return config_describe_cluster(&x->view, a, &r->shown);
    }
    enum err err = own->list != NULL ? ERR_OK : config_describe_broker(&x->view, a, own);
    r->shown = *own; // however often it is asked for
    return err;
}

static void resources_show(struct cluster *c, struct cluster_job *j)
{
    const struct config_context x = context_of(c);
    struct config_list own = {NULL, 0};
    enum err err = ERR_OK;
    for (int32_t i = 0; err == ERR_OK && i < j->resources_count; i++) {
        err = resource_show(c, &x, &j->resources[i], &j->arena, &own);
    }
    job_finish(c, j, err);
}

static void unknown_result(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    struct znode_config config;
    enum err err = settings_decode(r, &j->arena, &config);
    if (err != ERR_OK) {
        job_fail(j, err);
    } else if (!settings_known(c, j->resources[i].name)) {
        settings_put(c, j->resources[i].name, &config);
    }
}

static void unknown_done(struct cluster *c, struct cluster_job *j)
{
    resources_show(c, j);
    jobs_next(c);
}

// A topic that the controller has told of, while its configs are still on their way here (settings_ask).
static bool is_unknown(const struct cluster *c, const struct config_resource *r)
{
    return r->type == CONFIG_RESOURCE_TOPIC &&
           metadata_topic_find(c->picture, slice_of(r->name, r->name_len)) != NULL && !settings_known(c, r->name);
}

void describe_configs_job_begin(struct cluster *c, struct cluster_job *j)
{
    int32_t unknown = 0;
    for (int32_t i = 0; i < j->resources_count; i++) {
        unknown += is_unknown(c, &j->resources[i]);
    }
    if (unknown == 0) {
        resources_show(c, j);
        return;
    }
    if (!job_work_new(c, j, 0)) {
        return;
    }
    job_batch_begin(j, unknown_result, unknown_done);
    for (int32_t i = 0; i < j->resources_count; i++) {
        if (is_unknown(c, &j->resources[i])) {
            zk_get(c->zk, znode_path_topic_config(j->resources[i].name).s, false, cluster_call_done, job_call(c, j, i));
        }
    }
    job_batch_end(c, j);
}

// ---------------------------------------------------------------------------------------------------------------
// Announcing

bool alter_configs_job_settled(const struct cluster *c, const struct cluster_job *j)
{
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        if (j->work->entries[i].accepted && j->work->entries[i].sequence > c->changes.applied) {
            return false;
        }
    }
    return true;
}

static void announce_result(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    const char *name = r->err != ERR_OK ? NULL : strrchr(r->path, '/') + 1;
    struct job_entry *e = &j->work->entries[i];
    if (name == NULL || !znode_parse_sequence(name, ZNODE_CONFIG_CHANGE_PREFIX, &e->sequence)) {
        job_fail(j, r->err != ERR_OK ? r->err : ERR_CORRUPT);
    }
}

static void announce(struct cluster *c, struct cluster_job *j)
{
    job_batch_begin(j, announce_result, job_written);
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        const struct job_entry *e = &j->work->entries[i];
        struct slice data;
        if (!e->accepted) {
            continue;
        }
        if (znode_config_change_encode(e->path, &j->arena, &data) != ERR_OK) {
            job_fail(j, ERR_NO_MEMORY);
            continue;
        }
        zk_create(c->zk, znode_path_config_change().s, data, ZK_PERSISTENT_SEQUENTIAL, cluster_call_done,
                  job_call(c, j, i));
    }
    job_batch_end(c, j);
}

// ---------------------------------------------------------------------------------------------------------------
// Writing

static void create_result(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    (void)i;
    if (r->err != ERR_OK) {
        job_fail(j, r->err);
    }
}

static void configs_create(struct cluster *c, struct cluster_job *j)
{
    job_batch_begin(j, create_result, announce);
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        const struct job_entry *e = &j->work->entries[i];
        if (e->accepted && e->config_missing) {
            zk_create(c->zk, znode_path_config_entity(e->path).s, e->config_data, ZK_PERSISTENT, cluster_call_done,
                      job_call(c, j, i));
        }
    }
    job_batch_end(c, j);
}

static void set_result(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    struct job_entry *e = &j->work->entries[i];
    if (r->err == ERR_NOT_FOUND && r->failed_op == 1) {
        e->config_missing = true;
    } else if (r->err == ERR_NOT_FOUND || r->err == ERR_BAD_VERSION) {
        e->accepted = false;
        j->resources[i].error_code = KAFKA_ERROR_NOT_CONTROLLER;
    } else if (r->err != ERR_OK) {
        job_fail(j, r->err);
    }
}

static void configs_write(struct cluster *c, struct cluster_job *j)
{
    job_batch_begin(j, set_result, configs_create);
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        const struct job_entry *e = &j->work->entries[i];
        if (!e->accepted) {
            continue;
        }
        struct znode_path path = znode_path_config_entity(e->path);
        const struct zk_op ops[] = {
            {.type = ZK_OP_CHECK, .path = ZNODE_CONTROLLER, .version = 0}, // it is never rewritten
            {.type = ZK_OP_SET, .path = path.s, .data = e->config_data, .version = ZK_VERSION_ANY},
        };
        zk_multi(c->zk, ops, 2, cluster_call_done, job_call(c, j, i));
    }
    job_batch_end(c, j);
}

// ---------------------------------------------------------------------------------------------------------------
// Planning

static enum err resource_plan(struct cluster *c, struct cluster_job *j, int32_t i, const struct znode_config *now)
{
    const struct config_context x = context_of(c);
    struct config_resource *r = &j->resources[i];
    struct job_entry *e = &j->work->entries[i];
    struct znode_config next;
    enum err err = config_alter_plan(&x, r, j->incremental, now, &j->arena, &next);
    e->accepted = false;
    if (err != ERR_OK || r->error_code != KAFKA_ERROR_NONE || j->validate_only) {
        return err;
    }
    err = znode_config_encode(&next, &j->arena, &e->config_data);
    if (err == ERR_INVALID || (err == ERR_OK && e->config_data.len > ZK_DATA_MAX_BYTES)) {
        r->error_code = KAFKA_ERROR_INVALID_CONFIG;
        r->error_message = err == ERR_INVALID ? "The value of a config is not valid UTF-8."
                                              : "The configs are too large for their znode.";
        return ERR_OK;
    }
    e->accepted = err == ERR_OK;
    return err;
}

static void entity_result(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    struct znode_config now;
    enum err err = settings_decode(r, &j->arena, &now);
    if (r->err == ERR_INVALID) { // a name that no node can have
        err = ERR_OK;
    }
    if (err == ERR_OK) {
        err = resource_plan(c, j, i, &now);
    }
    if (err != ERR_OK) {
        job_fail(j, err);
    }
}

void alter_configs_job_begin(struct cluster *c, struct cluster_job *j)
{
    if (!job_work_new(c, j, j->resources_count)) {
        return;
    }
    const struct config_context x = context_of(c);
    job_batch_begin(j, entity_result, configs_write);
    for (int32_t i = 0; i < j->resources_count; i++) {
        struct job_entry *e = &j->work->entries[i];
        if (j->resources[i].answered || !config_alter_admit(&x, &j->resources[i], j->incremental, &j->arena)) {
            continue;
        }
        e->path = config_resource_path(&j->resources[i], &j->arena);
        if (e->path == NULL) {
            job_fail(j, ERR_NO_MEMORY);
            break;
        }
        zk_get(c->zk, znode_path_config_entity(e->path).s, false, cluster_call_done, job_call(c, j, i));
    }
    job_batch_end(c, j);
}
