// SPDX-License-Identifier: Apache-2.0
//
// The rules of the synonyms are Kafka's: all names of a key's group are looked up source by source, and what stands
// before the first entry of the key's own name is dropped.
#include "broker/cluster/config_describe.h"

#include <stdlib.h>

#include "zk/zk.h"

#define GROUP_MAX    3 // names in a group of synonyms
#define SYNONYMS_MAX (4 * GROUP_MAX + 1)

// Keys that say the same in different units; the first that has a value counts.
static const char *const groups[][GROUP_MAX] = {
    {"log.roll.ms", "log.roll.hours", NULL},
    {"log.roll.jitter.ms", "log.roll.jitter.hours", NULL},
    {"log.flush.interval.ms", "log.flush.scheduler.interval.ms", NULL},
    {"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
};

// The names that count for a key; itself when it is in no group, and the key without its listener's prefix.
static int32_t group_of(const struct broker_key *key, const char *name, const char *names[GROUP_MAX])
{
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        for (int32_t k = 0; k < GROUP_MAX && groups[i][k] != NULL; k++) {
            if (strcmp(groups[i][k], name) != 0) {
                continue;
            }
            int32_t n = 0;
            while (n < GROUP_MAX && groups[i][n] != NULL) {
                names[n] = groups[i][n];
                n++;
            }
            return n;
        }
    }
    names[0] = name;
    if (key != NULL && strcmp(key->name, name) != 0) {
        names[1] = key->name;
        return 2;
    }
    return 1;
}

static const char *value_at(const struct config_view *v, enum config_source source, const char *name)
{
    const struct broker_key *key = broker_key_find(v->keys, name);
    bool own_row = key != NULL && strcmp(key->name, name) == 0;
    switch (source) {
    case CONFIG_SOURCE_BROKER:
        return znode_config_find(v->broker, name);
    case CONFIG_SOURCE_CLUSTER:
        return znode_config_find(v->cluster, name);
    case CONFIG_SOURCE_STATIC:
        return own_row ? key->given : NULL;
    case CONFIG_SOURCE_DEFAULT:
        return own_row ? key->default_value : NULL;
    case CONFIG_SOURCE_TOPIC:
    case CONFIG_SOURCE_LOGGER:
        break;
    }
    return NULL;
}

// One that counts. Dynamic values may change while the answer is on its way, so they are copied.
static bool synonym_set(const struct broker_key *key, const char *name, const char *value, enum config_source source,
                        struct arena *a, struct config_synonym *out)
{
    bool dynamic = source <= CONFIG_SOURCE_CLUSTER;
    *out = (struct config_synonym){.name = dynamic ? arena_strdup(a, name) : name, .source = source};
    if (source == CONFIG_SOURCE_TOPIC || !broker_key_is_sensitive(key)) {
        out->value = dynamic ? arena_strdup(a, value) : value;
        return out->name != NULL && out->value != NULL;
    }
    return out->name != NULL;
}

// Appends the synonyms of a broker key to what is there already. False without memory.
static bool synonyms_add(const struct config_view *v, const char *name, struct arena *a, struct config_synonym *list,
                         int32_t *count)
{
    const char *names[GROUP_MAX];
    int32_t n = group_of(broker_key_find(v->keys, name), name, names);
    bool seen = false;
    for (int source = CONFIG_SOURCE_BROKER; source <= CONFIG_SOURCE_DEFAULT; source++) {
        for (int32_t i = 0; i < n; i++) {
            const char *value = value_at(v, (enum config_source)source, names[i]);
            seen = seen || (value != NULL && strcmp(names[i], name) == 0);
            if (value == NULL || !seen) {
                continue;
            }
            const struct broker_key *key = broker_key_find(v->keys, names[i]);
            if (!synonym_set(key, names[i], value, (enum config_source)source, a, &list[(*count)++])) {
                return false;
            }
        }
    }
    return true;
}

static enum err synonyms_take(struct config_shown *s, const struct config_synonym *list, int32_t count, struct arena *a)
{
    s->synonyms = arena_array(a, (size_t)count, sizeof *s->synonyms);
    if (s->synonyms == NULL) {
        return ERR_NO_MEMORY;
    }
    memcpy(s->synonyms, list, (size_t)count * sizeof *list);
    s->synonyms_count = count;
    s->source = count > 0 ? list[0].source : CONFIG_SOURCE_DEFAULT;
    return ERR_OK;
}

static int shown_order(const void *a, const void *b)
{
    return strcmp(((const struct config_shown *)a)->name, ((const struct config_shown *)b)->name);
}

static void list_sort(struct config_list *l)
{
    if (l->count > 0) {
        qsort(l->list, (size_t)l->count, sizeof *l->list, shown_order);
    }
}

struct config_shown *config_list_find(const struct config_list *l, const char *name)
{
    const struct config_shown wanted = {.name = name};
    return l->count == 0 ? NULL : bsearch(&wanted, l->list, (size_t)l->count, sizeof *l->list, shown_order);
}

// ---------------------------------------------------------------------------------------------------------------
// Topics

static enum err topic_show(const struct config_view *v, const struct topic_config *effective, int32_t i,
                           const struct znode_config *entries, struct arena *a, struct config_shown *s)
{
    struct config_synonym list[SYNONYMS_MAX];
    int32_t count = 0;
    s->name = topic_config_key(i);
    s->documentation = topic_config_documentation(i);
    s->type = topic_config_type(i);
    s->value = topic_config_value(effective, i, a);
    if (s->value == NULL) {
        return ERR_NO_MEMORY;
    }
    const char *own = effective->set[i] ? znode_config_find(entries, s->name) : NULL;
    bool ok = own == NULL || synonym_set(NULL, s->name, own, CONFIG_SOURCE_TOPIC, a, &list[count++]);
    const char *synonym = topic_config_synonym(i);
    if (ok && synonym != NULL) {
        ok = synonyms_add(v, synonym, a, list, &count);
    }
    return ok ? synonyms_take(s, list, count, a) : ERR_NO_MEMORY;
}

// An entry under a name that is no config of topics: somebody else's; it is named and not shown.
static enum err leftover_show(const char *name, struct arena *a, struct config_shown *s)
{
    const struct config_synonym only = {.name = arena_strdup(a, name), .source = CONFIG_SOURCE_TOPIC};
    s->name = only.name;
    s->sensitive = true;
    return only.name == NULL ? ERR_NO_MEMORY : synonyms_take(s, &only, 1, a);
}

enum err config_describe_topic(const struct config_view *v, const struct znode_config *entries, struct arena *a,
                               struct config_list *out)
{
    struct topic_config effective = *v->topic_defaults;
    memset(effective.set, 0, sizeof effective.set);
    out->count = 0;
    out->list = arena_array(a, (size_t)(topic_config_count() + entries->entries_count), sizeof *out->list);
    if (out->list == NULL) {
        return ERR_NO_MEMORY;
    }
    for (int32_t i = 0; i < entries->entries_count; i++) {
        const struct znode_config_entry *e = &entries->entries[i];
        const char *why;
        enum err err = topic_config_set(&effective, e->key, e->value, a, &why);
        if (err == ERR_NOT_FOUND) {
            err = leftover_show(e->key, a, &out->list[out->count++]);
        }
        if (err == ERR_NO_MEMORY) {
            return err;
        }
    }
    for (int32_t i = 0; i < topic_config_count(); i++) {
        enum err err = topic_show(v, &effective, i, entries, a, &out->list[out->count++]);
        if (err != ERR_OK) {
            return err;
        }
    }
    list_sort(out);
    return ERR_OK;
}

// ---------------------------------------------------------------------------------------------------------------
// Brokers

static const char *value_up_to(const struct config_view *v, enum config_source last, const char *name)
{
    for (int source = CONFIG_SOURCE_BROKER; source <= (int)last; source++) {
        const char *value = value_at(v, (enum config_source)source, name);
        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}

const char *config_view_value(const struct config_view *v, const char *name)
{
    return value_up_to(v, CONFIG_SOURCE_DEFAULT, name);
}

const char *config_view_dynamic(const struct config_view *v, const char *name)
{
    return value_up_to(v, CONFIG_SOURCE_CLUSTER, name);
}

static enum err broker_show(const struct config_view *v, const char *name, struct arena *a, struct config_shown *s)
{
    const struct broker_key *key = broker_key_find(v->keys, name);
    const char *value = config_view_value(v, name);
    struct config_synonym list[SYNONYMS_MAX];
    int32_t count = 0;
    s->name = arena_strdup(a, name);
    s->documentation = key == NULL || strcmp(key->name, name) != 0 ? NULL : key->documentation;
    s->type = (int8_t)(key == NULL ? BROKER_KEY_UNKNOWN : key->type);
    s->sensitive = broker_key_is_sensitive(key);
    // What nobody lists, nobody is invited to change, though it may be.
    s->read_only = key == NULL || key->scope == BROKER_KEY_READ_ONLY || key->hidden;
    if (value != NULL && !s->sensitive) {
        s->value = broker_key_show(key, value, a);
        if (s->value == NULL) {
            return ERR_NO_MEMORY;
        }
    }
    bool ok = s->name != NULL && synonyms_add(v, name, a, list, &count);
    return ok ? synonyms_take(s, list, count, a) : ERR_NO_MEMORY;
}

// Entries under names that have no row of their own, or a row that is not listed by itself.
static enum err extras_show(const struct config_view *v, const struct znode_config *from,
                            const struct znode_config *unless, struct arena *a, struct config_list *out)
{
    for (int32_t i = 0; i < from->entries_count; i++) {
        const char *name = from->entries[i].key;
        const struct broker_key *key = broker_key_find(v->keys, name);
        bool listed = key != NULL && strcmp(key->name, name) == 0 && (!key->hidden || key->given != NULL);
        if (listed || (unless != NULL && znode_config_find(unless, name) != NULL)) {
            continue;
        }
        enum err err = broker_show(v, name, a, &out->list[out->count++]);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

enum err config_describe_broker(const struct config_view *v, struct arena *a, struct config_list *out)
{
    int32_t most = v->keys->count + v->broker->entries_count + v->cluster->entries_count;
    enum err err = ERR_OK;
    out->count = 0;
    out->list = arena_array(a, (size_t)most, sizeof *out->list);
    if (out->list == NULL) {
        return ERR_NO_MEMORY;
    }
    for (int32_t i = 0; err == ERR_OK && i < v->keys->count; i++) {
        if (!v->keys->list[i].hidden || v->keys->list[i].given != NULL) {
            err = broker_show(v, v->keys->list[i].name, a, &out->list[out->count++]);
        }
    }
    if (err == ERR_OK) {
        err = extras_show(v, v->broker, NULL, a, out);
    }
    if (err == ERR_OK) {
        err = extras_show(v, v->cluster, v->broker, a, out);
    }
    list_sort(out);
    return err;
}

enum err config_describe_cluster(const struct config_view *v, struct arena *a, struct config_list *out)
{
    static const struct znode_config nothing = {NULL, 0};
    struct config_view only = {.keys = v->keys, .broker = &nothing, .cluster = v->cluster};
    out->count = 0;
    out->list = arena_array(a, (size_t)v->cluster->entries_count, sizeof *out->list);
    if (out->list == NULL) {
        return ERR_NO_MEMORY;
    }
    for (int32_t i = 0; i < v->cluster->entries_count; i++) {
        struct config_shown *s = &out->list[out->count++];
        enum err err = broker_show(&only, v->cluster->entries[i].key, a, s);
        if (err != ERR_OK) {
            return err;
        }
        int32_t kept = 0; // what the file and the defaults say is not of the cluster
        for (int32_t k = 0; k < s->synonyms_count; k++) {
            if (s->synonyms[k].source == CONFIG_SOURCE_CLUSTER) {
                s->synonyms[kept++] = s->synonyms[k];
            }
        }
        s->synonyms_count = kept;
    }
    list_sort(out);
    return ERR_OK;
}
