// SPDX-License-Identifier: Apache-2.0
//
// Creation of topics: reads the names there are, checks (topic_create.h), writes each topic's config node and then its
// topic node, as Kafka does; the controller sees the new name and does the rest. The config is written first, so a
// topic never exists without the configs it was asked for.
#include "broker/cluster/cluster_internal.h"

#include "base/logging.h"
#include "broker/cluster/must.h"
#include "broker/cluster/topic_create.h"
#include "protocol/protocol.h"
#include "zk/zk.h"

#define NAMES_EXISTING 0
#define NAMES_MARKED   1

static void entry_refuse(struct cluster_job *j, int32_t i, int16_t code, const char *message)
{
    j->creates[i].error_code = code;
    j->creates[i].error_message = message;
    j->work->entries[i].accepted = false;
}

// ---------------------------------------------------------------------------------------------------------------
// Settling: the picture shows the topic and every partition has had its first leader

bool create_job_settled(const struct cluster *c, const struct cluster_job *j)
{
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        const struct job_entry *e = &j->work->entries[i];
        if (!e->accepted) {
            continue;
        }
        const struct metadata_topic *t = metadata_topic_find_id(c->picture, &e->id);
        if (t == NULL) {
            return false;
        }
        for (int32_t p = 0; p < t->partitions_count; p++) {
            if (t->partitions[p].leader_epoch < 0) {
                return false;
            }
        }
    }
    return true;
}

// ---------------------------------------------------------------------------------------------------------------
// Writing

static void topics_result(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    struct job_entry *e = &j->work->entries[i];
    if (r->err == ERR_OK) {
        log_info("cluster", "topic %s is created with %d partitions", e->name, j->creates[i].out_partitions);
    } else if (r->err == ERR_EXISTS) {
        entry_refuse(j, i, KAFKA_ERROR_TOPIC_ALREADY_EXISTS,
                     arena_printf(&j->arena, "Topic '%s' already exists.", e->name));
    } else {
        job_fail(j, r->err);
    }
}

static void topics_write(struct cluster *c, struct cluster_job *j)
{
    job_batch_begin(j, topics_result, job_written);
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        struct job_entry *e = &j->work->entries[i];
        if (e->accepted) {
            settings_put(c, e->name, &e->config); // before the controller tells this broker about its partitions
            zk_create(c->zk, znode_path_topic(e->name).s, e->topic_data, ZK_PERSISTENT, cluster_call_done,
                      job_call(c, j, i));
        }
    }
    job_batch_end(c, j);
}

static void configs_created(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    (void)i;
    if (r->err != ERR_OK) {
        job_fail(j, r->err);
    }
}

static void configs_create(struct cluster *c, struct cluster_job *j)
{
    job_batch_begin(j, configs_created, topics_write);
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        struct job_entry *e = &j->work->entries[i];
        if (e->accepted && e->config_missing) {
            zk_create(c->zk, znode_path_topic_config(e->name).s, e->config_data, ZK_PERSISTENT, cluster_call_done,
                      job_call(c, j, i));
        }
    }
    job_batch_end(c, j);
}

// The set has the check that there is a controller before it; a node that is missing is created without one.
static void configs_set(struct cluster *c, struct cluster_job *j, int32_t i, const struct zk_result *r)
{
    (void)c;
    if (r->err == ERR_NOT_FOUND && r->failed_op == 1) {
        j->work->entries[i].config_missing = true;
    } else if (r->err == ERR_NOT_FOUND || r->err == ERR_BAD_VERSION) {
        entry_refuse(j, i, KAFKA_ERROR_NOT_CONTROLLER, "");
    } else if (r->err != ERR_OK) {
        job_fail(j, r->err);
    }
}

static void configs_write(struct cluster *c, struct cluster_job *j)
{
    job_batch_begin(j, configs_set, configs_create);
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        struct job_entry *e = &j->work->entries[i];
        if (!e->accepted) {
            continue;
        }
        struct znode_path path = znode_path_topic_config(e->name);
        const struct zk_op ops[] = {
            {.type = ZK_OP_CHECK, .path = ZNODE_CONTROLLER, .version = 0}, // it is never rewritten
            {.type = ZK_OP_SET, .path = path.s, .data = e->config_data, .version = ZK_VERSION_ANY},
        };
        zk_multi(c->zk, ops, 2, cluster_call_done, job_call(c, j, i));
    }
    job_batch_end(c, j);
}

// ---------------------------------------------------------------------------------------------------------------
// Checking

// A topic that a Metadata request wants and that exists is what was wanted; one that is being deleted has to be asked
// for again.
static void auto_create_forgive(struct cluster_job *j, int32_t i)
{
    struct topic_create *t = &j->creates[i];
    if (j->auto_create && t->error_code == KAFKA_ERROR_TOPIC_ALREADY_EXISTS) {
        t->error_code = KAFKA_ERROR_LEADER_NOT_AVAILABLE;
        t->error_message = NULL;
    }
}

static enum err entry_plan(struct cluster *c, struct cluster_job *j, int32_t i, const struct topic_create_context *x)
{
    struct job_entry *e = &j->work->entries[i];
    struct topic_plan plan;
    enum err err = topic_create_plan(x, &j->creates[i], &j->arena, &plan);
    auto_create_forgive(j, i);
    if (err == ERR_OK && j->creates[i].error_code == KAFKA_ERROR_NONE) {
        const struct config_view view = settings_view(c);
        err = config_describe_topic(&view, &plan.config, &j->arena, &j->creates[i].configs_shown);
    }
    if (err != ERR_OK || j->creates[i].error_code != KAFKA_ERROR_NONE || j->validate_only) {
        return err;
    }
    err = znode_config_encode(&plan.config, &j->arena, &e->config_data);
    if (err == ERR_INVALID) { // text that is not UTF-8 cannot be kept
        entry_refuse(j, i, KAFKA_ERROR_INVALID_CONFIG, "The value of a config is not valid UTF-8.");
        return ERR_OK;
    }
    if (err == ERR_OK) {
        err = znode_topic_encode(&plan.topic, &j->arena, &e->topic_data);
    }
    if (err == ERR_OK && (e->topic_data.len > ZK_DATA_MAX_BYTES || e->config_data.len > ZK_DATA_MAX_BYTES)) {
        entry_refuse(j, i, KAFKA_ERROR_INVALID_PARTITIONS, "The topic is too large for its znode.");
        return ERR_OK;
    }
    e->accepted = err == ERR_OK;
    e->name = j->creates[i].name;
    e->id = plan.topic.topic_id;
    e->config = plan.config;
    j->creates[i].topic_id = e->id;
    return err;
}

static void names_checked(struct cluster *c, struct cluster_job *j)
{
    const struct topic_create_context x = {.os = c->options.os,
                                           .num_partitions = c->options.num_partitions,
                                           .default_replication_factor = c->options.default_replication_factor,
                                           .topic_defaults = &c->topic_defaults,
                                           .metadata = c->picture,
                                           .existing = j->work->existing,
                                           .existing_count = j->work->existing_count,
                                           .marked = j->work->marked,
                                           .marked_count = j->work->marked_count,
                                           .auto_create = j->auto_create};
    for (int32_t i = 0; i < j->work->entries_count; i++) {
        enum err err = entry_plan(c, j, i, &x);
        if (err != ERR_OK) { // then nothing is written at all
            job_fail(j, err);
            job_batch_begin(j, configs_set, job_written);
            job_batch_end(c, j);
            return;
        }
    }
    configs_write(c, j);
}

static void names_result(struct cluster *c, struct cluster_job *j, int32_t which, const struct zk_result *r)
{
    (void)c;
    char **names = r->err != ERR_OK ? NULL : arena_array(&j->arena, (size_t)r->n_children, sizeof *names);
    for (int i = 0; names != NULL && i < r->n_children; i++) {
        names[i] = arena_strdup(&j->arena, r->children[i]);
        if (names[i] == NULL) {
            names = NULL;
        }
    }
    if (names == NULL) {
        job_fail(j, r->err != ERR_OK ? r->err : ERR_NO_MEMORY);
        return;
    }
    *(which == NAMES_EXISTING ? &j->work->existing : &j->work->marked) = names;
    *(which == NAMES_EXISTING ? &j->work->existing_count : &j->work->marked_count) = r->n_children;
}

void create_job_begin(struct cluster *c, struct cluster_job *j)
{
    if (!job_work_new(c, j, j->creates_count)) {
        return;
    }
    job_batch_begin(j, names_result, names_checked);
    zk_children(c->zk, ZNODE_TOPICS, false, cluster_call_done, job_call(c, j, NAMES_EXISTING));
    zk_children(c->zk, ZNODE_DELETE_TOPICS, false, cluster_call_done, job_call(c, j, NAMES_MARKED));
}
