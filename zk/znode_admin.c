// SPDX-License-Identifier: Apache-2.0
//
// What tools and old brokers leave for the controller: partitions to be led by their preferred replicas, partitions
// whose in-sync replicas were changed in the tree, partitions to be moved.
#include "zk/znode_json.h"
#include "zk/znodes.h"

enum err znode_partitions_decode(struct slice data, struct arena *a, struct znode_named_partition **list,
                                 int32_t *count)
{
    struct znode_json doc;
    znode_json_open(&doc, data, a);
    json_t *array = znode_json_array(&doc, doc.root, "partitions");
    *list = znode_json_room(&doc, json_array_size(array), sizeof **list);
    *count = 0;
    size_t i;
    json_t *row;
    json_array_foreach(array, i, row)
    {
        if (*list == NULL)
            break;
        (*list)[(*count)++] = (struct znode_named_partition){.topic = znode_json_text(&doc, row, "topic"),
                                                             .partition = znode_json_i32(&doc, row, "partition")};
    }
    return znode_json_close(&doc);
}

enum err znode_reassignments_decode(struct slice data, struct arena *a, struct znode_reassignment **list,
                                    int32_t *count)
{
    struct znode_json doc;
    znode_json_open(&doc, data, a);
    json_t *array = znode_json_array(&doc, doc.root, "partitions");
    *list = znode_json_room(&doc, json_array_size(array), sizeof **list);
    *count = 0;
    size_t i;
    json_t *row;
    json_array_foreach(array, i, row)
    {
        if (*list == NULL)
            break;
        struct znode_reassignment *r = &(*list)[(*count)++];
        r->topic = znode_json_text(&doc, row, "topic");
        r->partition = znode_json_i32(&doc, row, "partition");
        r->replicas = znode_json_i32_list(&doc, znode_json_array(&doc, row, "replicas"), &r->replicas_count);
    }
    return znode_json_close(&doc);
}

enum err znode_reassignments_encode(const struct znode_reassignment *list, int32_t count, struct arena *a,
                                    struct slice *out)
{
    json_t *array = json_array();
    int failed = 0;
    for (int32_t i = 0; i < count; i++) {
        failed |= json_array_append_new(array, json_pack("{s:s,s:i,s:o}", "topic", list[i].topic, "partition",
                                                         (int)list[i].partition, "replicas",
                                                         znode_json_of_list(list[i].replicas, list[i].replicas_count)));
    }
    if (failed) {
        json_decref(array);
        return ERR_INVALID;
    }
    return znode_json_write(json_pack("{s:i,s:o}", "version", 1, "partitions", array), a, out);
}
