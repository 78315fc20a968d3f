// SPDX-License-Identifier: Apache-2.0
//
// The single znodes of a cluster: its id, the controller and its epoch, the block of producer ids, the features; and
// the notes about failed log directories.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "zk/znode_json.h"
#include "zk/znodes.h"

enum err znode_cluster_id_decode(struct slice data, struct arena *a, const char **id)
{
    struct znode_json doc;
    znode_json_open(&doc, data, a);
    *id = znode_json_text(&doc, doc.root, "id");
    return znode_json_close(&doc);
}

enum err znode_cluster_id_encode(const char *id, struct arena *a, struct slice *out)
{
    // The version really is a string here, unlike everywhere else.
    return znode_json_write(json_pack("{s:s,s:s}", "version", "1", "id", id), a, out);
}

enum err znode_controller_decode(struct slice data, struct arena *a, struct znode_controller *out)
{
    struct znode_json doc;
    znode_json_open(&doc, data, a);
    *out = (struct znode_controller){.timestamp_ms = -1, .kraft_controller_epoch = -1};
    out->broker_id = znode_json_i32(&doc, doc.root, "brokerid");
    if (znode_json_has(doc.root, "timestamp")) // Kafka writes it but never reads it
        out->timestamp_ms = znode_json_i64_text(&doc, doc.root, "timestamp");
    if (znode_json_has(doc.root, "kraftControllerEpoch"))
        out->kraft_controller_epoch = znode_json_i32(&doc, doc.root, "kraftControllerEpoch");
    return znode_json_close(&doc);
}

enum err znode_controller_encode(const struct znode_controller *controller, struct arena *a, struct slice *out)
{
    json_t *root = json_pack("{s:i,s:i,s:o,s:i}", "version", 2, "brokerid", (int)controller->broker_id, "timestamp",
                             znode_json_of_i64(controller->timestamp_ms), "kraftControllerEpoch",
                             (int)controller->kraft_controller_epoch);
    return znode_json_write(root, a, out);
}

enum err znode_controller_epoch_decode(struct slice data, int32_t *epoch)
{
    char text[16] = "";
    if (data.len == 0 || data.len >= sizeof text || memchr(data.data, '\0', data.len) != NULL)
        return ERR_CORRUPT;
    memcpy(text, data.data, data.len);
    return znode_parse_number(text, epoch) ? ERR_OK : ERR_CORRUPT;
}

enum err znode_controller_epoch_encode(int32_t epoch, struct arena *a, struct slice *out)
{
    const char *text = arena_printf(a, "%" PRId32, epoch);
    if (text == NULL)
        return ERR_NO_MEMORY;
    *out = slice_str(text);
    return ERR_OK;
}

enum err znode_log_dir_event_decode(struct slice data, struct arena *a, int32_t *broker_id)
{
    struct znode_json doc;
    znode_json_open(&doc, data, a);
    *broker_id = znode_json_i32(&doc, doc.root, "broker");
    return znode_json_close(&doc);
}

enum err znode_log_dir_event_encode(int32_t broker_id, struct arena *a, struct slice *out)
{
    const int failure = 1; // the only event there is
    return znode_json_write(json_pack("{s:i,s:i,s:i}", "version", 1, "broker", (int)broker_id, "event", failure), a,
                            out);
}

enum err znode_producer_ids_decode(struct slice data, struct arena *a, struct znode_producer_ids *out)
{
    struct znode_json doc;
    if (data.len == 0)
        return ERR_NOT_FOUND;
    znode_json_open(&doc, data, a);
    out->broker_id = znode_json_i32(&doc, doc.root, "broker");
    out->first = znode_json_i64_text(&doc, doc.root, "block_start");
    out->last = znode_json_i64_text(&doc, doc.root, "block_end");
    if (out->first < 0 || out->last < out->first)
        znode_json_fail(&doc, ERR_CORRUPT);
    return znode_json_close(&doc);
}

enum err znode_producer_ids_encode(const struct znode_producer_ids *ids, struct arena *a, struct slice *out)
{
    json_t *root = json_pack("{s:i,s:i,s:o,s:o}", "version", 1, "broker", (int)ids->broker_id, "block_start",
                             znode_json_of_i64(ids->first), "block_end", znode_json_of_i64(ids->last));
    return znode_json_write(root, a, out);
}

static void read_levels(struct znode_json *doc, struct znode_features *out)
{
    json_t *map = znode_json_object(doc, doc->root, "features");
    out->levels = znode_json_room(doc, json_object_size(map), sizeof *out->levels);
    if (out->levels == NULL)
        return;
    const char *name;
    json_t *level;
    json_object_foreach(map, name, level)
    {
        struct znode_feature_level *l = &out->levels[out->levels_count++];
        l->name = arena_strdup(doc->arena, name);
        if (l->name == NULL)
            znode_json_fail(doc, ERR_NO_MEMORY);
        if (out->version == 1)
            l->min_version_level = znode_json_i32(doc, level, "min_version_level");
        l->max_version_level = znode_json_i32(doc, level, "max_version_level");
    }
}

enum err znode_features_decode(struct slice data, struct arena *a, struct znode_features *out)
{
    struct znode_json doc;
    znode_json_open(&doc, data, a);
    *out = (struct znode_features){.version = znode_json_i32(&doc, doc.root, "version")};
    int32_t status = znode_json_i32(&doc, doc.root, "status");
    if (out->version < 1 || out->version > 2 || status < 0 || status > 1)
        znode_json_fail(&doc, ERR_CORRUPT);
    out->enabled = status == 1;
    read_levels(&doc, out);
    return znode_json_close(&doc);
}

enum err znode_features_encode(const struct znode_features *features, struct arena *a, struct slice *out)
{
    json_t *map = json_object();
    int failed = 0;
    for (int32_t i = 0; i < features->levels_count; i++) {
        const struct znode_feature_level *l = &features->levels[i];
        json_t *level = json_object();
        if (features->version == 1)
            failed |= json_object_set_new(level, "min_version_level", json_integer(l->min_version_level));
        failed |= json_object_set_new(level, "max_version_level", json_integer(l->max_version_level));
        failed |= json_object_set_new(map, l->name, level);
    }
    json_t *root = json_pack("{s:o,s:i,s:i}", "features", map, "version", (int)features->version, "status",
                             features->enabled ? 1 : 0);
    if (failed) {
        json_decref(root);
        root = NULL;
    }
    return znode_json_write(root, a, out);
}
