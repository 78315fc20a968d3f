// SPDX-License-Identifier: Apache-2.0
//
// Configurations of topics, brokers, clients, users and addresses, /config/<type>/<name>, and the notifications that
// tell every broker to read one again.
#include <string.h>

#include "zk/znode_json.h"
#include "zk/znodes.h"

static void read_entries(struct znode_json *doc, struct znode_config *out)
{
    json_t *map = znode_json_object(doc, doc->root, "config");
    out->entries = znode_json_room(doc, json_object_size(map), sizeof *out->entries);
    if (out->entries == NULL)
        return;
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value)
    {
        struct znode_config_entry *e = &out->entries[out->entries_count++];
        e->key = arena_strdup(doc->arena, key);
        if (e->key == NULL)
            znode_json_fail(doc, ERR_NO_MEMORY);
        e->value = znode_json_copy(doc, value);
    }
}

enum err znode_config_decode(struct slice data, struct arena *a, struct znode_config *out)
{
    struct znode_json doc;
    *out = (struct znode_config){0};
    if (data.len == 0)
        return ERR_OK;
    znode_json_open(&doc, data, a);
    if (znode_json_i32(&doc, doc.root, "version") != 1)
        znode_json_fail(&doc, ERR_CORRUPT);
    read_entries(&doc, out);
    return znode_json_close(&doc);
}

enum err znode_config_encode(const struct znode_config *config, struct arena *a, struct slice *out)
{
    json_t *map = json_object();
    int failed = 0;
    for (int32_t i = 0; i < config->entries_count; i++)
        failed |= json_object_set_new(map, config->entries[i].key, json_string(config->entries[i].value));
    json_t *root = json_pack("{s:i,s:o}", "version", 1, "config", map);
    if (failed) {
        json_decref(root);
        root = NULL;
    }
    return znode_json_write(root, a, out);
}

const char *znode_config_find(const struct znode_config *config, const char *key)
{
    for (int32_t i = 0; i < config->entries_count; i++) {
        if (strcmp(config->entries[i].key, key) == 0)
            return config->entries[i].value;
    }
    return NULL;
}

enum err znode_config_change_decode(struct slice data, struct arena *a, const char **entity_path)
{
    struct znode_json doc;
    znode_json_open(&doc, data, a);
    int32_t version = znode_json_i32(&doc, doc.root, "version");
    if (version == 1) {
        const char *type = znode_json_text(&doc, doc.root, "entity_type");
        const char *name = znode_json_text(&doc, doc.root, "entity_name");
        if (strcmp(type, "topics") != 0 && strcmp(type, "clients") != 0)
            znode_json_fail(&doc, ERR_CORRUPT);
        *entity_path = arena_printf(a, "%s/%s", type, name);
        if (*entity_path == NULL)
            znode_json_fail(&doc, ERR_NO_MEMORY);
    } else if (version == 2) {
        *entity_path = znode_json_text(&doc, doc.root, "entity_path");
    } else {
        znode_json_fail(&doc, ERR_CORRUPT);
    }
    return znode_json_close(&doc);
}

enum err znode_config_change_encode(const char *entity_path, struct arena *a, struct slice *out)
{
    return znode_json_write(json_pack("{s:i,s:s}", "version", 2, "entity_path", entity_path), a, out);
}
