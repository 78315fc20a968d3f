// SPDX-License-Identifier: Apache-2.0
//
// The start of a broker in Kafka's order: top-level paths, cluster id, broker id, topic configs, registration, and then
// the controller. Each stage sends its operations and the last outcome begins the next stage.
#include <stdlib.h>

#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/must.h"
#include "zk/zk.h"

#define PAYLOAD_ARENA_LIMIT ((size_t)16 * ZK_DATA_MAX_BYTES)

static void stage_begin(struct cluster *c, void (*next)(struct cluster *c))
{
    c->start_left = 0;
    c->start_next = next;
}

static struct cluster_call *stage_call(struct cluster *c, cluster_call_fn *fn, int32_t index)
{
    c->start_left++;
    return cluster_call_new(c, fn, NULL, index);
}

// To be called at the end of every outcome.
static void stage_done(struct cluster *c, enum err err, const char *what)
{
    c->start_left--;
    if (c->state != CLUSTER_OPENING) {
        return;
    }
    if (err != ERR_OK) {
        log_error("cluster", "%s: %s", what, err_text(err));
        cluster_opened(c, err);
    } else if (c->start_left == 0) {
        c->start_next(c);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The controller

static bool unclean_allowed(void *ctx, const char *topic)
{
    return settings_find(ctx, topic)->unclean_leader_election;
}

static void new_topic_id(void *ctx, struct uuid *out)
{
    const struct cluster *c = ctx;
    uuid_random(c->options.os, out);
}

static void controller_begin(struct cluster *c)
{
    c->controller =
        controller_new(&(struct controller_options){.broker_id = c->broker_id,
                                                    .delete_topics = c->options.delete_topics,
                                                    .unclean_allowed = unclean_allowed,
                                                    .new_id = new_topic_id,
                                                    .ctx = c,
                                                    .imbalance_percent = c->options.leader_imbalance_percent});
    cluster_publish(c, metadata_builder_finish(metadata_builder_new(NULL, c->id)));
    cluster_step(c, &(struct controller_event){.type = CONTROLLER_START, .session_id = zk_session_id(c->zk)});
}

// ---------------------------------------------------------------------------------------------------------------
// Registration

static void registered(struct cluster *c, enum err err)
{
    if (c->state != CLUSTER_OPENING) {
        return;
    }
    if (err == ERR_OK) {
        controller_begin(c);
    } else {
        log_error("cluster", "cannot register this broker: %s", err_text(err));
        cluster_opened(c, err);
    }
}

static void registration_begin(struct cluster *c)
{
    cluster_register(c, registered);
}

// ---------------------------------------------------------------------------------------------------------------
// Topic configs

static void config_read(struct cluster *c, void *arg, int32_t index, const struct zk_result *r);

static void config_read_next(struct cluster *c)
{
    int32_t i = c->config_names_read++;
    struct znode_path path = znode_path_topic_config(c->config_names[i]);
    zk_get(c->zk, path.s, false, cluster_call_done, stage_call(c, config_read, i));
}

static void config_read(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    (void)arg;
    enum err err = r->err == ERR_NOT_FOUND ? ERR_OK : r->err;
    if (r->err == ERR_OK) {
        struct arena a;
        arena_init(&a, PAYLOAD_ARENA_LIMIT);
        struct znode_config config;
        err = znode_config_decode(r->data, &a, &config);
        if (err == ERR_OK) {
            settings_put(c, c->config_names[index], &config);
        }
        arena_release(&a);
    }
    if (err == ERR_OK && c->config_names_read < c->config_names_count) {
        config_read_next(c);
    }
    stage_done(c, err, "cannot read the configs of a topic");
}

static void configs_read(struct cluster *c)
{
    stage_begin(c, registration_begin);
    while (c->config_names_read < c->config_names_count && c->start_left < CLUSTER_MAX_CALLS) {
        config_read_next(c);
    }
    if (c->start_left == 0) {
        registration_begin(c);
    }
}

static void configs_listed(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    (void)arg;
    (void)index;
    if (r->err == ERR_OK) {
        c->config_names = must_array((size_t)r->n_children, sizeof *c->config_names);
        c->config_names_count = r->n_children;
        for (int i = 0; i < r->n_children; i++) {
            c->config_names[i] = must_strdup(r->children[i]);
        }
    }
    stage_done(c, r->err, "cannot list the configs of topics");
}

static void configs_list(struct cluster *c)
{
    stage_begin(c, configs_read);
    zk_children(c->zk, ZNODE_CONFIG_TOPICS, false, cluster_call_done, stage_call(c, configs_listed, 0));
}

// ---------------------------------------------------------------------------------------------------------------
// Dynamic configs of brokers, behind a watch on changes: what changes from now on is read again

static void broker_config_read(struct cluster *c, void *arg, int32_t cluster_wide, const struct zk_result *r)
{
    (void)arg;
    enum err err = r->err == ERR_NOT_FOUND ? ERR_OK : r->err;
    if (r->err == ERR_OK) {
        struct arena a;
        arena_init(&a, PAYLOAD_ARENA_LIMIT);
        struct znode_config config;
        err = znode_config_decode(r->data, &a, &config);
        if (err == ERR_OK) {
            settings_put_broker(c, cluster_wide != 0, &config);
        }
        arena_release(&a);
    }
    stage_done(c, err, "cannot read the dynamic configs of brokers");
}

static void changes_read(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    (void)arg;
    (void)index;
    if (r->err == ERR_OK) {
        config_changes_begin(c, r);
    }
    stage_done(c, r->err, "cannot list the changes of configs");
}

static void configs_begin(struct cluster *c)
{
    stage_begin(c, configs_list);
    zk_children(c->zk, ZNODE_CONFIG_CHANGES, true, cluster_call_done, stage_call(c, changes_read, 0));
    zk_get(c->zk, znode_path_config_entity("brokers/" ZNODE_CONFIG_DEFAULT).s, false, cluster_call_done,
           stage_call(c, broker_config_read, 1));
    zk_get(c->zk, znode_path_broker_config(c->broker_id).s, false, cluster_call_done,
           stage_call(c, broker_config_read, 0));
}

// ---------------------------------------------------------------------------------------------------------------
// Broker id: the version of /brokers/seqid counts the ids that were given out. The embedded tree has one broker only:
// when its meta.properties is lost it gets the id again that it had, or nobody would lead its partitions.

static void seqid_set(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    (void)arg;
    (void)index;
    if (r->err == ERR_OK) {
        c->broker_id = c->options.reserved_broker_max_id + r->stat.version;
        log_info("cluster", "this broker has got the id %d", c->broker_id);
    }
    stage_done(c, r->err, "cannot generate a broker id");
}

static void broker_id_generate(struct cluster *c)
{
    if (c->broker_id >= 0) {
        configs_begin(c);
        return;
    }
    stage_begin(c, configs_begin);
    zk_set(c->zk, ZNODE_BROKER_SEQID, slice_of("", 0), ZK_VERSION_ANY, cluster_call_done, stage_call(c, seqid_set, 0));
}

static void seqid_read(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    (void)arg;
    (void)index;
    if (r->err == ERR_OK && r->stat.version > 0) {
        c->broker_id = c->options.reserved_broker_max_id + r->stat.version;
        log_warn("cluster", "meta.properties was lost: this broker takes up its id %d again", c->broker_id);
    }
    stage_done(c, r->err == ERR_NOT_FOUND ? ERR_OK : r->err, "cannot read the broker ids");
}

static void broker_id_begin(struct cluster *c)
{
    if (c->broker_id >= 0 || c->options.zookeeper_connect != NULL) {
        broker_id_generate(c);
        return;
    }
    stage_begin(c, broker_id_generate);
    zk_get(c->zk, ZNODE_BROKER_SEQID, false, cluster_call_done, stage_call(c, seqid_read, 0));
}

// ---------------------------------------------------------------------------------------------------------------
// Cluster id

static void cluster_id_read(struct cluster *c, void *arg, int32_t index, const struct zk_result *r);

static void cluster_id_get(struct cluster *c)
{
    stage_begin(c, broker_id_begin);
    zk_get(c->zk, ZNODE_CLUSTER_ID, false, cluster_call_done, stage_call(c, cluster_id_read, 0));
}

// Whoever made it: what the tree says now is the id.
static void cluster_id_created(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    (void)arg;
    (void)index;
    stage_done(c, r->err == ERR_EXISTS ? ERR_OK : r->err, "cannot create the cluster id");
}

// A new tree gets the id the log directory knows already, or a new one.
static void cluster_id_create(struct cluster *c)
{
    struct arena a;
    arena_init(&a, PAYLOAD_ARENA_LIMIT);
    char text[UUID_TEXT_LEN + 1];
    const char *id = c->options.cluster_id;
    if (*id == '\0') {
        struct uuid u;
        uuid_random(c->options.os, &u);
        uuid_format(&u, text);
        id = text;
    }
    struct slice data = SLICE_NULL;
    enum err err = znode_cluster_id_encode(id, &a, &data);
    stage_begin(c, cluster_id_get);
    if (err == ERR_OK) {
        zk_create(c->zk, ZNODE_CLUSTER, SLICE_NULL, ZK_PERSISTENT, cluster_call_done,
                  stage_call(c, cluster_id_created, 0));
        zk_create(c->zk, ZNODE_CLUSTER_ID, data, ZK_PERSISTENT, cluster_call_done,
                  stage_call(c, cluster_id_created, 0));
    } else {
        log_error("cluster", "the cluster id in meta.properties is not valid text");
        cluster_opened(c, err);
    }
    arena_release(&a);
}

static void cluster_id_read(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    (void)arg;
    (void)index;
    if (r->err == ERR_NOT_FOUND) {
        c->start_left--;
        cluster_id_create(c);
        return;
    }
    struct arena a;
    arena_init(&a, PAYLOAD_ARENA_LIMIT);
    const char *id = NULL;
    enum err err = r->err != ERR_OK ? r->err : znode_cluster_id_decode(r->data, &a, &id);
    if (err == ERR_OK && *c->options.cluster_id != '\0' && strcmp(id, c->options.cluster_id) != 0) {
        log_error("cluster",
                  "the tree of znodes belongs to the cluster %s, the log directory to %s (meta.properties): is this "
                  "the right log.dirs?",
                  id, c->options.cluster_id);
        err = ERR_INVALID;
    } else if (err == ERR_OK) {
        c->id = must_strdup(id);
    }
    arena_release(&a);
    stage_done(c, err, "cannot take part in the cluster");
}

// ---------------------------------------------------------------------------------------------------------------
// Top-level paths

static void path_created(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    (void)arg;
    (void)index;
    stage_done(c, r->err == ERR_EXISTS ? ERR_OK : r->err, "cannot create the top-level paths");
}

void cluster_start(struct cluster *c)
{
    stage_begin(c, cluster_id_get);
    for (int i = 0; i < ZNODE_TOP_LEVEL_COUNT; i++) {
        zk_create(c->zk, znode_top_level_paths[i], SLICE_NULL, ZK_PERSISTENT, cluster_call_done,
                  stage_call(c, path_created, 0));
    }
}
