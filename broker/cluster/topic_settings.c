// SPDX-License-Identifier: Apache-2.0
//
// The effective configs of topics that have entries of their own.
#include <stdlib.h>

#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/must.h"
#include "zk/zk.h"

#define SETTINGS_ARENA_LIMIT ((size_t)16 * ZK_DATA_MAX_BYTES)

static struct topic_settings *settings_of(const struct cluster *c, const char *topic)
{
    struct topic_settings *s;
    HASH_FIND_STR(c->settings, topic, s);
    return s;
}

static void settings_drop(struct cluster *c, struct topic_settings *s)
{
    if (s != NULL) {
        HASH_DEL(c->settings, s);
        arena_release(&s->arena);
        free(s->name);
        free(s);
    }
}

void settings_put(struct cluster *c, const char *topic, const struct znode_config *entries)
{
    settings_remove(c, topic);
    if (entries->entries_count == 0) {
        return;
    }
    struct topic_settings *s = must_alloc(sizeof *s);
    s->name = must_strdup(topic);
    arena_init(&s->arena, SETTINGS_ARENA_LIMIT);
    s->config = *c->options.topic_defaults;
    memset(s->config.set, 0, sizeof s->config.set);
    for (int32_t i = 0; i < entries->entries_count; i++) {
        const char *why;
        const struct znode_config_entry *e = &entries->entries[i];
        if (topic_config_set(&s->config, e->key, e->value, &s->arena, &why) != ERR_OK) {
            log_warn("cluster", "topic %s: a config of its own has no effect: %s", topic, why == NULL ? e->key : why);
        }
    }
    HASH_ADD_KEYPTR(hh, c->settings, s->name, strlen(s->name), s);
}

void settings_remove(struct cluster *c, const char *topic)
{
    settings_drop(c, settings_of(c, topic));
}

const struct topic_config *settings_find(const struct cluster *c, const char *topic)
{
    const struct topic_settings *s = settings_of(c, topic);
    return s == NULL ? c->options.topic_defaults : &s->config;
}

void settings_clear(struct cluster *c)
{
    struct topic_settings *s, *next;
    HASH_ITER (hh, c->settings, s, next) {
        settings_drop(c, s);
    }
}
