// SPDX-License-Identifier: Apache-2.0
//
// DescribeProducers (61), v0: what a partition's log knows of its producers, idle ones too. Any broker that has the log
// may answer.
#include "broker/api/apis.h"
#include "broker/api/errmap.h"
#include "broker/cluster/topic_create.h"

#define PRODUCERS_ARENA_BYTES ((size_t)128 << 20) // the request is small, the answer may name a million producers

static enum err partition_list(struct request *r, struct slice topic, int32_t index,
                               struct describe_producers_response_partition_response *out)
{
    struct partition *partition;
    enum err err = replica_manager_find(r->ctx->replicas, topic, index, &partition);
    if (err != ERR_OK) {
        return err;
    }
    struct log_producer *producers = NULL;
    int32_t count = 0;
    err = partition_producers(partition, &r->arena, &producers, &count);
    partition_unref(partition);
    if (err != ERR_OK) {
        return err;
    }
    out->active_producers = arena_array(&r->arena, (size_t)count, sizeof *out->active_producers);
    if (out->active_producers == NULL) {
        return ERR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        struct describe_producers_response_producer_state *p = &out->active_producers[i];
        describe_producers_response_producer_state_init(p);
        p->producer_id = producers[i].producer_id;
        p->producer_epoch = producers[i].epoch;
        p->last_sequence = producers[i].last_sequence;
        p->last_timestamp = producers[i].last_timestamp;
        p->coordinator_epoch = producers[i].coordinator_epoch;
        p->current_txn_start_offset = producers[i].txn_first_offset;
    }
    out->active_producers_count = count;
    return ERR_OK;
}

// What is wrong with all partitions of a topic.
static int16_t topic_check(struct request *r, struct slice name, const struct metadata_topic **topic,
                           struct slice *message)
{
    const char *why;
    if (!topic_name_valid((const char *)name.data, name.len, &why)) {
        why = topic_name_refusal((const char *)name.data, name.len, &r->arena);
        *message = why == NULL ? SLICE_NULL : slice_str(why);
        return KAFKA_ERROR_INVALID_TOPIC_EXCEPTION;
    }
    *topic = metadata_topic_find(r->metadata, name);
    if (*topic == NULL) {
        *message = slice_str("This server does not host this topic-partition.");
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return KAFKA_ERROR_NONE;
}

static bool topic_answer(struct request *r, const struct describe_producers_request_topic_request *in,
                         struct describe_producers_response_topic_response *out)
{
    describe_producers_response_topic_response_init(out);
    out->name = in->name;
    out->partitions = arena_array(&r->arena, (size_t)in->partition_indexes_count, sizeof *out->partitions);
    if (out->partitions == NULL) {
        return false;
    }
    const struct metadata_topic *topic = NULL;
    struct slice message = SLICE_NULL;
    int16_t topic_error = topic_check(r, in->name, &topic, &message);
    for (int32_t i = 0; i < in->partition_indexes_count; i++) {
        struct describe_producers_response_partition_response *p = &out->partitions[out->partitions_count++];
        describe_producers_response_partition_response_init(p);
        p->partition_index = in->partition_indexes[i];
        p->error_code = topic_error;
        p->error_message = message;
        if (topic_error != KAFKA_ERROR_NONE) {
            continue;
        }
        p->error_code = metadata_partition_find(topic, p->partition_index) == NULL
                            ? KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION
                            : errmap_code(partition_list(r, in->name, p->partition_index, p));
    }
    return true;
}

enum api_step api_describe_producers(struct request *r)
{
    const struct describe_producers_request *in = r->in;
    struct describe_producers_response *out = r->out;
    r->arena.limit += PRODUCERS_ARENA_BYTES;
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
