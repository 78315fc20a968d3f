// SPDX-License-Identifier: Apache-2.0
//
// Following /config/changes, as every broker of a Kafka cluster does: whoever changes a config writes the entity's node
// and then a sequential child here; the child only says which entity to read again. Children older than 15 minutes are
// deleted by whoever comes by.
#include <stdio.h>

#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/must.h"
#include "zk/zk.h"

#define CHANGE_ARENA_LIMIT ((size_t)16 * ZK_DATA_MAX_BYTES)
#define CHANGE_MAX_AGE_MS  ((int64_t)15 * 60 * 1000)
#define TOPICS_PREFIX      "topics/"
#define BROKERS_PREFIX     "brokers/"
#define CONFIG_PREFIX_LEN  (sizeof ZNODE_CONFIG) // with the slash behind it
#define PURGE_MAX_AT_ONCE  1000

static void call_done(struct cluster *c);

// ---------------------------------------------------------------------------------------------------------------
// Taking effect

static void topic_tell(struct cluster *c, const struct metadata_topic *t)
{
    const struct topic_config *config = settings_find(c, t->name);
    for (int32_t i = 0; c->options.hooks.config_changed != NULL && i < t->partitions_count; i++) {
        c->options.hooks.config_changed(c->options.hooks.ctx, t->name, t->partitions[i].index, config);
    }
}

// Unclean elections may be allowed now.
static void configs_changed(struct cluster *c)
{
    if (c->is_controller) {
        cluster_step(c, &(struct controller_event){.type = CONTROLLER_CONFIGS_CHANGED});
    }
}

void config_changes_topic(struct cluster *c, const char *topic, const struct znode_config *entries)
{
    const struct metadata_topic *t = c->picture == NULL ? NULL : metadata_topic_find(c->picture, slice_str(topic));
    settings_put(c, topic, entries);
    if (t != NULL) {
        topic_tell(c, t);
    }
    configs_changed(c);
}

static void broker_apply(struct cluster *c, const char *name, const struct znode_config *entries)
{
    char own[16];
    snprintf(own, sizeof own, "%d", c->broker_id);
    bool cluster_wide = strcmp(name, ZNODE_CONFIG_DEFAULT) == 0;
    if (!cluster_wide && strcmp(name, own) != 0) {
        return;
    }
    settings_put_broker(c, cluster_wide, entries);
    for (int32_t i = 0; c->picture != NULL && i < metadata_topics_count(c->picture); i++) {
        topic_tell(c, metadata_topic_at(c->picture, i));
    }
    configs_changed(c);
    log_info("cluster", "the configs of %s have changed", cluster_wide ? "all brokers" : "this broker");
}

static void entity_read(struct cluster *c, void *arg, int32_t session, const struct zk_result *r)
{
    (void)arg;
    if (session != c->session) {
        return;
    }
    struct arena a;
    arena_init(&a, CHANGE_ARENA_LIMIT);
    struct znode_config config;
    enum err err = settings_decode(r, &a, &config);
    const char *entity = r->path + CONFIG_PREFIX_LEN;
    if (err == ERR_CORRUPT) {
        log_warn("cluster", "%s cannot be read: its configs stay as they were", r->path);
    } else if (err != ERR_OK) {
        cluster_fail(c, err, "configs that have changed cannot be read");
    } else if (strncmp(entity, TOPICS_PREFIX, sizeof TOPICS_PREFIX - 1) == 0) {
        const char *topic = entity + sizeof TOPICS_PREFIX - 1;
        config_changes_topic(c, topic, &config);
        log_info("cluster", "the configs of topic %s have changed", topic);
    } else if (strncmp(entity, BROKERS_PREFIX, sizeof BROKERS_PREFIX - 1) == 0) {
        broker_apply(c, entity + sizeof BROKERS_PREFIX - 1, &config);
    }
    arena_release(&a);
    call_done(c);
}

// ---------------------------------------------------------------------------------------------------------------
// Reading what there is

static void change_read(struct cluster *c, void *arg, int32_t session, const struct zk_result *r)
{
    (void)arg;
    if (session != c->session) {
        return;
    }
    struct arena a;
    arena_init(&a, CHANGE_ARENA_LIMIT);
    const char *entity = NULL;
    struct znode_path path = {""};
    if (r->err == ERR_OK && znode_config_change_decode(r->data, &a, &entity) == ERR_OK) {
        path = znode_path_config_entity(entity);
    }
    if (*path.s != '\0') {
        c->changes.calls_left++;
        zk_get(c->zk, path.s, false, cluster_call_done, cluster_call_new(c, entity_read, NULL, c->session));
    } else if (r->err == ERR_OK) {
        log_warn("cluster", "%s cannot be read: what it announces takes effect at the next start", r->path);
    } else if (r->err != ERR_NOT_FOUND) {
        cluster_fail(c, r->err, "a change of configs cannot be read");
    }
    arena_release(&a);
    call_done(c);
}

static void old_read(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    (void)arg;
    (void)index;
    if (r->err == ERR_OK && os_wall_ms(c->options.os) - r->stat.ctime_ms > CHANGE_MAX_AGE_MS) {
        zk_delete(c->zk, r->path, ZK_VERSION_ANY, NULL, NULL); // somebody else may have done it
    }
}

// Those that are handled; how old each is its own stat says. The rest of many waits for the next time.
static void purge(struct cluster *c, const struct zk_result *r)
{
    for (int i = 0; i < r->n_children && i < PURGE_MAX_AT_ONCE; i++) {
        struct znode_path path = znode_path_child(ZNODE_CONFIG_CHANGES, r->children[i]);
        int32_t number;
        if (znode_parse_sequence(r->children[i], ZNODE_CONFIG_CHANGE_PREFIX, &number) && number <= c->changes.applied) {
            zk_exists(c->zk, path.s, false, cluster_call_done, cluster_call_new(c, old_read, NULL, 0));
        }
    }
}

static void changes_listed(struct cluster *c, void *arg, int32_t session, const struct zk_result *r)
{
    (void)arg;
    if (session != c->session) {
        return;
    }
    if (r->err != ERR_OK) {
        cluster_fail(c, r->err, "changes of configs cannot be listed");
    } else {
        purge(c, r);
    }
    for (int i = 0; r->err == ERR_OK && i < r->n_children; i++) {
        int32_t number;
        if (!znode_parse_sequence(r->children[i], ZNODE_CONFIG_CHANGE_PREFIX, &number) ||
            number <= c->changes.applied) {
            continue;
        }
        struct znode_path path = znode_path_child(ZNODE_CONFIG_CHANGES, r->children[i]);
        c->changes.listed = number > c->changes.listed ? number : c->changes.listed;
        c->changes.calls_left++;
        zk_get(c->zk, path.s, false, cluster_call_done, cluster_call_new(c, change_read, NULL, c->session));
    }
    call_done(c);
}

static void call_done(struct cluster *c)
{
    if (--c->changes.calls_left > 0) {
        return;
    }
    c->changes.applied = c->changes.listed;
    c->changes.reading = false;
    jobs_settle(c);
    if (c->changes.again && c->state == CLUSTER_OPEN) {
        config_changes_read(c);
    }
}

void config_changes_read(struct cluster *c)
{
    c->changes.again = c->changes.reading;
    if (c->changes.reading) {
        return;
    }
    c->changes.reading = true;
    c->changes.calls_left = 1;
    zk_children(c->zk, ZNODE_CONFIG_CHANGES, true, cluster_call_done,
                cluster_call_new(c, changes_listed, NULL, c->session));
}

void config_changes_expired(struct cluster *c)
{
    c->changes.listed = c->changes.applied;
    c->changes.reading = c->changes.again = false;
}

void config_changes_begin(struct cluster *c, const struct zk_result *r)
{
    for (int i = 0; i < r->n_children; i++) {
        int32_t number;
        if (znode_parse_sequence(r->children[i], ZNODE_CONFIG_CHANGE_PREFIX, &number) && number > c->changes.applied) {
            c->changes.applied = c->changes.listed = number;
        }
    }
    purge(c, r);
}
