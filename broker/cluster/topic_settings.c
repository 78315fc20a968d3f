// SPDX-License-Identifier: Apache-2.0
//
// The configs in effect: of topics that were heard of, and the defaults of all others, which are those of
// server.properties with what this broker and all brokers have set while running on top.
#include <stdlib.h>

#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/must.h"
#include "zk/zk.h"

#define SETTINGS_ARENA_LIMIT ((size_t)16 * ZK_DATA_MAX_BYTES)

// ---------------------------------------------------------------------------------------------------------------
// Topics

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
        arena_release(&s->texts);
        arena_release(&s->arena);
        free(s->name);
        free(s);
    }
}

static void entries_copy(const struct znode_config *from, struct arena *a, struct znode_config *to)
{
    to->entries_count = from->entries_count;
    to->entries = must_arena_array(a, (size_t)from->entries_count, sizeof *to->entries);
    for (int32_t i = 0; i < from->entries_count; i++) {
        to->entries[i].key = must_have(arena_strdup(a, from->entries[i].key));
        to->entries[i].value = must_have(arena_strdup(a, from->entries[i].value));
    }
}

// The defaults with the topic's entries on top. To be done again when the defaults change.
static void settings_work_out(struct cluster *c, struct topic_settings *s)
{
    arena_reset(&s->texts);
    s->config = c->topic_defaults;
    memset(s->config.set, 0, sizeof s->config.set);
    for (int32_t i = 0; i < s->entries.entries_count; i++) {
        const char *why;
        const struct znode_config_entry *e = &s->entries.entries[i];
        if (topic_config_set(&s->config, e->key, e->value, &s->texts, &why) != ERR_OK) {
            log_warn("cluster", "topic %s: a config of its own has no effect: %s", s->name, why == NULL ? e->key : why);
        }
    }
}

static struct topic_settings *settings_replace(struct cluster *c, const char *topic, const struct znode_config *entries)
{
    settings_remove(c, topic);
    struct topic_settings *s = must_alloc(sizeof *s);
    s->name = must_strdup(topic);
    arena_init(&s->arena, SETTINGS_ARENA_LIMIT);
    arena_init(&s->texts, SETTINGS_ARENA_LIMIT);
    entries_copy(entries, &s->arena, &s->entries);
    settings_work_out(c, s);
    HASH_ADD_KEYPTR(hh, c->settings, s->name, strlen(s->name), s);
    return s;
}

void settings_put(struct cluster *c, const char *topic, const struct znode_config *entries)
{
    settings_replace(c, topic, entries);
}

enum err settings_decode(const struct zk_result *r, struct arena *a, struct znode_config *out)
{
    *out = (struct znode_config){NULL, 0};
    if (r->err != ERR_OK) {
        return r->err == ERR_NOT_FOUND ? ERR_OK : r->err;
    }
    return znode_config_decode(r->data, a, out);
}

// Changes that were announced meanwhile, a deletion or a later question make an answer old.
static void asked_read(struct cluster *c, void *arg, int32_t asked, const struct zk_result *r)
{
    (void)arg;
    const char *topic = strrchr(r->path, '/') + 1;
    const struct topic_settings *s = settings_of(c, topic);
    if (c->state == CLUSTER_CLOSED || s == NULL || s->asked != asked) {
        return;
    }
    struct arena a;
    arena_init(&a, SETTINGS_ARENA_LIMIT);
    struct znode_config config;
    enum err err = settings_decode(r, &a, &config);
    if (err == ERR_OK && config.entries_count > 0) {
        config_changes_topic(c, topic, &config);
    } else if (err == ERR_OK) {
        settings_put(c, topic, &config);
    } else {
        settings_remove(c, topic);
    }
    if (err != ERR_OK && err != ERR_CLOSED) { // whose session has ended hears of all topics again
        log_warn("cluster", "cannot read the configs of topic %s: %s", topic, err_text(err));
    }
    arena_release(&a);
}

void settings_ask(struct cluster *c, const char *topic)
{
    static const struct znode_config none = {NULL, 0};
    if (settings_of(c, topic) == NULL) {
        struct topic_settings *s = settings_replace(c, topic, &none);
        s->asked = ++c->settings_asked;
        zk_get(c->zk, znode_path_topic_config(topic).s, false, cluster_call_done,
               cluster_call_new(c, asked_read, NULL, s->asked));
    }
}

void settings_remove(struct cluster *c, const char *topic)
{
    settings_drop(c, settings_of(c, topic));
}

bool settings_known(const struct cluster *c, const char *topic)
{
    const struct topic_settings *s = settings_of(c, topic);
    return s != NULL && s->asked == 0;
}

const struct topic_config *settings_find(const struct cluster *c, const char *topic)
{
    const struct topic_settings *s = settings_of(c, topic);
    return s == NULL ? &c->topic_defaults : &s->config;
}

const struct znode_config *settings_entries(const struct cluster *c, const char *topic)
{
    static const struct znode_config nothing = {NULL, 0};
    const struct topic_settings *s = settings_of(c, topic);
    return s == NULL ? &nothing : &s->entries;
}

// ---------------------------------------------------------------------------------------------------------------
// Brokers

// Says what an entry will not do.
static void broker_entry_check(struct cluster *c, const struct znode_config_entry *e, const char *whose)
{
    const struct broker_key *key = broker_key_find(c->options.keys, e->key);
    const char *why;
    if (key != NULL && broker_key_check(key, e->value, &c->topic_defaults_arena, &why) != ERR_OK) {
        log_warn("cluster", "a config of %s has no effect: %s", whose, why == NULL ? e->key : why);
    } else if (key != NULL && key->fixed) {
        log_warn("cluster", "a config of %s has no effect while the broker runs: %s belongs in server.properties",
                 whose, e->key);
    }
}

static void defaults_set(struct cluster *c, const struct znode_config *entries, const char *whose)
{
    for (int32_t i = 0; i < entries->entries_count; i++) {
        broker_entry_check(c, &entries->entries[i], whose);
    }
    for (int32_t i = 0; i < topic_config_count(); i++) {
        const char *synonym = topic_config_synonym(i);
        const char *value = synonym == NULL ? NULL : znode_config_find(entries, synonym);
        const char *why;
        if (value != NULL && topic_config_set(&c->topic_defaults, topic_config_key(i), value, &c->topic_defaults_arena,
                                              &why) != ERR_OK) {
            log_warn("cluster", "%s of %s is no default for topics: %s", synonym, whose, why == NULL ? value : why);
        }
    }
}

// The older key for both directions stands in where the newer ones have Kafka's default (KIP-937).
static void timestamps_fall_back(struct topic_config *d)
{
    if (d->timestamp_before_max_ms == INT64_MAX) {
        d->timestamp_before_max_ms = d->timestamp_difference_max_ms;
    }
    if (d->timestamp_after_max_ms == INT64_MAX) {
        d->timestamp_after_max_ms = d->timestamp_difference_max_ms;
    }
}

static void defaults_work_out(struct cluster *c)
{
    arena_reset(&c->topic_defaults_arena);
    c->topic_defaults = *c->options.topic_defaults;
    defaults_set(c, &c->cluster_settings.entries, "all brokers");
    defaults_set(c, &c->broker_settings.entries, "this broker");
    timestamps_fall_back(&c->topic_defaults);
    struct topic_settings *s, *next;
    HASH_ITER (hh, c->settings, s, next) {
        settings_work_out(c, s);
    }
    c->topic_defaults.folder_delete_delay_ms = c->topic_defaults.file_delete_delay_ms;
}

static void broker_tell(struct cluster *c)
{
    if (c->options.broker_configs != NULL) {
        struct config_view v = settings_view(c);
        c->options.broker_configs(c->options.broker_configs_ctx, &v);
    }
}

void settings_put_broker(struct cluster *c, bool cluster_wide, const struct znode_config *entries)
{
    struct broker_settings *s = cluster_wide ? &c->cluster_settings : &c->broker_settings;
    arena_reset(&s->arena);
    entries_copy(entries, &s->arena, &s->entries);
    defaults_work_out(c);
    broker_tell(c);
}

struct config_view settings_view(const struct cluster *c)
{
    return (struct config_view){.keys = c->options.keys,
                                .broker = &c->broker_settings.entries,
                                .cluster = &c->cluster_settings.entries,
                                .topic_defaults = &c->topic_defaults};
}

// ---------------------------------------------------------------------------------------------------------------

void settings_init(struct cluster *c)
{
    arena_init(&c->broker_settings.arena, SETTINGS_ARENA_LIMIT);
    arena_init(&c->cluster_settings.arena, SETTINGS_ARENA_LIMIT);
    arena_init(&c->topic_defaults_arena, SETTINGS_ARENA_LIMIT);
    c->topic_defaults = *c->options.topic_defaults;
    timestamps_fall_back(&c->topic_defaults);
    c->changes.applied = c->changes.listed = -1;
    broker_tell(c);
}

void settings_clear(struct cluster *c)
{
    struct topic_settings *s, *next;
    HASH_ITER (hh, c->settings, s, next) {
        settings_drop(c, s);
    }
    arena_release(&c->broker_settings.arena);
    arena_release(&c->cluster_settings.arena);
    arena_release(&c->topic_defaults_arena);
}
