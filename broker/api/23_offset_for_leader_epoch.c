// SPDX-License-Identifier: Apache-2.0
//
// OffsetForLeaderEpoch (23), v0-4: where a leader epoch ends in the leader's log, so that followers and consumers find
// out where theirs differs (KIP-101, KIP-320). Answered by the leader only, whatever the replica id says.
#include "broker/api/apis.h"
#include "broker/api/errmap.h"

static int16_t epoch_lookup(struct request *r, const struct metadata_topic *topic,
                            const struct offset_for_leader_epoch_request_offset_for_leader_partition *in,
                            struct offset_for_leader_epoch_response_epoch_end_offset *out)
{
    if (topic == NULL || metadata_partition_find(topic, in->partition) == NULL) {
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    struct partition *partition;
    enum err err = replica_manager_find(r->ctx->replicas, slice_str(topic->name), in->partition, &partition);
    if (err != ERR_OK) {
        return errmap_code(err);
    }
    int32_t epoch;
    int64_t end_offset;
    err = partition_epoch_end(partition, in->current_leader_epoch, in->leader_epoch, &epoch, &end_offset);
    partition_unref(partition);
    if (err != ERR_OK) {
        return errmap_code(err);
    }
    out->leader_epoch = epoch;
    out->end_offset = end_offset;
    return KAFKA_ERROR_NONE;
}

static bool topic_answer(struct request *r, const struct offset_for_leader_epoch_request_offset_for_leader_topic *in,
                         struct offset_for_leader_epoch_response_offset_for_leader_topic_result *out)
{
    offset_for_leader_epoch_response_offset_for_leader_topic_result_init(out);
    out->topic = in->topic;
    out->partitions = arena_array(&r->arena, (size_t)in->partitions_count, sizeof *out->partitions);
    if (out->partitions == NULL) {
        return false;
    }
    const struct metadata_topic *topic = metadata_topic_find(r->metadata, in->topic);
    for (int32_t i = 0; i < in->partitions_count; i++) {
        struct offset_for_leader_epoch_response_epoch_end_offset *o = &out->partitions[out->partitions_count++];
        offset_for_leader_epoch_response_epoch_end_offset_init(o);
        o->partition = in->partitions[i].partition;
        o->error_code = epoch_lookup(r, topic, &in->partitions[i], o);
    }
    return true;
}

enum api_step api_offset_for_leader_epoch(struct request *r)
{
    const struct offset_for_leader_epoch_request *in = r->in;
    struct offset_for_leader_epoch_response *out = r->out;
    out->topics = arena_array(&r->arena, (size_t)in->topics_count, sizeof *out->topics);
    if (out->topics == NULL) {
        return API_CLOSE;
    }
    for (int32_t i = 0; i < in->topics_count; i++) {
        if (!topic_answer(r, &in->topics[i], &out->topics[out->topics_count++])) {
            return API_CLOSE;
        }
    }
    return API_DONE;
}
