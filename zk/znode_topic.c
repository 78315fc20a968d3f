// SPDX-License-Identifier: Apache-2.0
//
// A topic's assignment, /brokers/topics/<t>, and the state of one of its partitions. Lists of replicas are in order
// of preference; adding and removing replicas (KIP-455) stand in maps of their own beside the full lists.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zk/znode_json.h"
#include "zk/znodes.h"

static int replicas_compare(const void *a, const void *b)
{
    const struct znode_replicas *x = a, *y = b;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

// The list of a partition in adding_replicas or removing_replicas; not being there means none.
static int32_t *moving_list(struct znode_json *doc, const json_t *map, const char *partition, int32_t *count)
{
    *count = 0;
    return znode_json_has(map, partition) ? znode_json_i32_list(doc, json_object_get(map, partition), count) : NULL;
}

static void read_partitions(struct znode_json *doc, struct znode_topic *out)
{
    json_t *map = znode_json_object(doc, doc->root, "partitions");
    const json_t *adding = json_object_get(doc->root, "adding_replicas");
    const json_t *removing = json_object_get(doc->root, "removing_replicas");
    out->partitions = znode_json_room(doc, json_object_size(map), sizeof *out->partitions);
    if (out->partitions == NULL)
        return;
    const char *key;
    json_t *list;
    json_object_foreach(map, key, list)
    {
        struct znode_replicas *r = &out->partitions[out->partitions_count++];
        if (!znode_parse_number(key, &r->partition))
            znode_json_fail(doc, ERR_CORRUPT);
        r->replicas = znode_json_i32_list(doc, list, &r->replicas_count);
        r->adding = moving_list(doc, adding, key, &r->adding_count);
        r->removing = moving_list(doc, removing, key, &r->removing_count);
    }
    qsort(out->partitions, (size_t)out->partitions_count, sizeof *out->partitions, replicas_compare);
}

enum err znode_topic_decode(struct slice data, struct arena *a, struct znode_topic *out)
{
    struct znode_json doc;
    znode_json_open(&doc, data, a);
    *out = (struct znode_topic){.has_topic_id = znode_json_has(doc.root, "topic_id")};
    if (out->has_topic_id && uuid_parse(znode_json_text(&doc, doc.root, "topic_id"), &out->topic_id) != ERR_OK)
        znode_json_fail(&doc, ERR_CORRUPT);
    read_partitions(&doc, out);
    return znode_json_close(&doc);
}

struct topic_maps {
    json_t *partitions;
    json_t *adding;
    json_t *removing;
};

static int put_replicas(struct topic_maps *maps, const struct znode_replicas *r)
{
    char key[12];
    snprintf(key, sizeof key, "%d", (int)r->partition);
    int failed = json_object_set_new(maps->partitions, key, znode_json_of_list(r->replicas, r->replicas_count));
    if (r->adding_count > 0)
        failed |= json_object_set_new(maps->adding, key, znode_json_of_list(r->adding, r->adding_count));
    if (r->removing_count > 0)
        failed |= json_object_set_new(maps->removing, key, znode_json_of_list(r->removing, r->removing_count));
    return failed;
}

enum err znode_topic_encode(const struct znode_topic *topic, struct arena *a, struct slice *out)
{
    struct topic_maps maps = {json_object(), json_object(), json_object()};
    json_t *root = json_object();
    int failed = 0;
    for (int32_t i = 0; i < topic->partitions_count; i++)
        failed |= put_replicas(&maps, &topic->partitions[i]);
    failed |= json_object_set_new(root, "partitions", maps.partitions);
    if (topic->has_topic_id) {
        char id[UUID_TEXT_LEN + 1];
        uuid_format(&topic->topic_id, id);
        failed |= json_object_set_new(root, "topic_id", json_string(id));
    }
    failed |= json_object_set_new(root, "adding_replicas", maps.adding);
    failed |= json_object_set_new(root, "removing_replicas", maps.removing);
    failed |= json_object_set_new(root, "version", json_integer(ZNODE_TOPIC_VERSION));
    if (failed) {
        json_decref(root);
        root = NULL;
    }
    return znode_json_write(root, a, out);
}

enum err znode_state_decode(struct slice data, struct arena *a, struct znode_partition_state *out)
{
    struct znode_json doc;
    znode_json_open(&doc, data, a);
    *out = (struct znode_partition_state){.leader = znode_json_i32(&doc, doc.root, "leader")};
    out->leader_epoch = znode_json_i32(&doc, doc.root, "leader_epoch");
    out->controller_epoch = znode_json_i32(&doc, doc.root, "controller_epoch");
    out->isr = znode_json_i32_list(&doc, json_object_get(doc.root, "isr"), &out->isr_count);
    if (znode_json_has(doc.root, "leader_recovery_state"))
        out->leader_recovery_state = znode_json_i32(&doc, doc.root, "leader_recovery_state");
    return znode_json_close(&doc);
}

enum err znode_state_encode(const struct znode_partition_state *state, struct arena *a, struct slice *out)
{
    json_t *root = json_pack("{s:i,s:i,s:i,s:i,s:o}", "controller_epoch", (int)state->controller_epoch, "leader",
                             (int)state->leader, "version", 1, "leader_epoch", (int)state->leader_epoch, "isr",
                             znode_json_of_list(state->isr, state->isr_count));
    if (root != NULL && state->leader_recovery_state != 0 &&
        json_object_set_new(root, "leader_recovery_state", json_integer(state->leader_recovery_state)) != 0) {
        json_decref(root);
        root = NULL;
    }
    return znode_json_write(root, a, out);
}
