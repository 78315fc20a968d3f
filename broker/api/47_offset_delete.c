// SPDX-License-Identifier: Apache-2.0
//
// OffsetDelete (47), v0: forgets committed offsets of partitions that no member of the group subscribes to. A
// partition that does not exist is refused here; the group is asked in any case, for the top-level error.
#include "broker/api/apis.h"
#include "broker/api/group_request.h"

static bool partition_known(const struct request *r, struct slice topic, int32_t index)
{
    const struct metadata_topic *t = metadata_topic_find(r->metadata, topic);
    return t != NULL && metadata_partition_find(t, index) != NULL;
}

// The response in the shape of the request; unknown partitions have their error already.
static bool response_shape(struct request *r)
{
    const struct offset_delete_request *in = r->in;
    struct offset_delete_response *out = r->out;
    out->topics = arena_array(&r->arena, (size_t)in->topics_count, sizeof *out->topics);
    for (int32_t i = 0; out->topics != NULL && i < in->topics_count; i++) {
        struct offset_delete_response_offset_delete_response_topic *t = &out->topics[out->topics_count++];
        offset_delete_response_offset_delete_response_topic_init(t);
        t->name = in->topics[i].name;
        t->partitions_count = in->topics[i].partitions_count;
        t->partitions = arena_array(&r->arena, (size_t)t->partitions_count, sizeof *t->partitions);
        if (t->partitions == NULL) {
            return false;
        }
        for (int32_t k = 0; k < t->partitions_count; k++) {
            int32_t index = in->topics[i].partitions[k].partition_index;
            offset_delete_response_offset_delete_response_partition_init(&t->partitions[k]);
            t->partitions[k].partition_index = index;
            if (!partition_known(r, t->name, index)) {
                t->partitions[k].error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            }
        }
    }
    return out->topics != NULL;
}

static bool event_fill(struct request *r, struct group_event *e)
{
    const struct offset_delete_response *out = r->out;
    size_t total = 0;
    for (int32_t i = 0; i < out->topics_count; i++) {
        total += (size_t)out->topics[i].partitions_count;
    }
    struct group_topic_partition *list = arena_array(&r->arena, total, sizeof *list);
    int32_t n = 0;
    for (int32_t i = 0; list != NULL && i < out->topics_count; i++) {
        for (int32_t k = 0; k < out->topics[i].partitions_count; k++) {
            if (out->topics[i].partitions[k].error_code == KAFKA_ERROR_NONE) {
                list[n++] =
                    (struct group_topic_partition){out->topics[i].name, out->topics[i].partitions[k].partition_index};
            }
        }
    }
    *e = (struct group_event){.type = GROUP_OFFSET_DELETE, .partitions = {.list = list, .count = n}};
    return list != NULL;
}

static enum api_step offset_delete_answer(struct request *r, const struct group_answer *a, int16_t error)
{
    struct offset_delete_response *out = r->out;
    int32_t n = 0;
    out->error_code = error;
    if (a == NULL || error != KAFKA_ERROR_NONE) {
        out->topics_count = 0;
        return API_DONE;
    }
    for (int32_t i = 0; i < out->topics_count; i++) {
        for (int32_t k = 0; k < out->topics[i].partitions_count; k++) {
            if (out->topics[i].partitions[k].error_code == KAFKA_ERROR_NONE) {
                out->topics[i].partitions[k].error_code = a->errors.list[n++];
            }
        }
    }
    return API_DONE;
}

enum api_step api_offset_delete(struct request *r)
{
    const struct offset_delete_request *in = r->in;
    struct group_event e;
    if (r->runs > 1) {
        return group_request_again(r, offset_delete_answer);
    }
    int16_t error = group_id_error(in->group_id);
    if (error != KAFKA_ERROR_NONE) {
        return offset_delete_answer(r, NULL, error);
    }
    if (!response_shape(r) || !event_fill(r, &e)) {
        return API_CLOSE;
    }
    return group_request_begin(r, in->group_id, &e, KAFKA_ERROR_GROUP_ID_NOT_FOUND, offset_delete_answer);
}
