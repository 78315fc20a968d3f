// SPDX-License-Identifier: Apache-2.0
//
// ListOffsets (2), v0-9: maps a timestamp, or one of Kafka's special numbers, to an offset. Lookups by time read the
// disk and therefore run on the disk pool while the request waits; all others answer at once. v0 answers with a list
// of segment base offsets instead.
#include "broker/api/apis.h"
#include "broker/api/disk_wait.h"
#include "broker/api/errmap.h"
#include "broker/api/key_map.h"

#define LIST_OFFSETS_FIRST_EPOCH_VERSION         4
#define LIST_OFFSETS_FIRST_NOT_AVAILABLE_VERSION 5 // before, the leader itself is not available
#define TIMESTAMP_LATEST                         (-1)
#define TIMESTAMP_EARLIEST                       (-2)
#define TIMESTAMP_MAX                            (-3) // from v7
#define TIMESTAMP_EARLIEST_LOCAL                 (-4) // from v8
#define TIMESTAMP_LATEST_TIERED                  (-5) // from v9
#define REPLICA_CONSUMER                         (-1)
#define OFFSETS_JOB_ARENA_LIMIT                  ((size_t)64 * 1024 * 1024)
#define OFFSETS_OLD_STYLE_MAX                    10000 // v0: a client asks for how many offsets it wants

// One lookup. The job works on its own copies; results are copied into the answer when it is done.
struct offset_part {
    struct partition *partition; // referenced until the request (or the job) ends
    struct partition_offset lookup;
    enum err err;
    int64_t *old_style; // v0
    int32_t old_style_count;
    int32_t old_style_max;
    struct list_offsets_response_list_offsets_partition_response *out; // of the request: not touched by the job
};

// In the job's arena, shared by request and job.
struct offsets_run {
    struct offset_part *parts;
    int32_t parts_count;
    bool old_style;
};

static void run_work(struct disk_job *j)
{
    struct offsets_run *run = j->state;
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct offset_part *p = &run->parts[i];
        p->err = run->old_style ? partition_offsets_before(p->partition, p->lookup.timestamp, p->old_style_max,
                                                           &j->arena, &p->old_style, &p->old_style_count)
                                : partition_offset_for(p->partition, &p->lookup);
    }
}

static void run_release(struct disk_job *j)
{
    struct offsets_run *run = j->state;
    for (int32_t i = 0; run != NULL && i < run->parts_count; i++) {
        partition_unref(run->parts[i].partition);
    }
}

static bool timestamp_known(const struct request *r, int64_t timestamp)
{
    if (timestamp >= 0 || timestamp == TIMESTAMP_LATEST || timestamp == TIMESTAMP_EARLIEST) {
        return true;
    }
    return (timestamp == TIMESTAMP_MAX && r->version >= 7) ||
           (timestamp == TIMESTAMP_EARLIEST_LOCAL && r->version >= 8) ||
           (timestamp == TIMESTAMP_LATEST_TIERED && r->version >= 9);
}

static int16_t part_check(const struct request *r, const struct metadata_topic *topic,
                          const struct list_offsets_request_list_offsets_partition *p, bool duplicate)
{
    const struct list_offsets_request *in = r->in;
    if (duplicate && r->version > 0) {
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    if (!timestamp_known(r, p->timestamp)) {
        return KAFKA_ERROR_UNSUPPORTED_VERSION;
    }
    if (in->isolation_level < 0 || in->isolation_level > 1) {
        return KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    }
    return topic == NULL || metadata_partition_find(topic, p->partition_index) == NULL
               ? KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION
               : KAFKA_ERROR_NONE;
}

static enum partition_isolation isolation_of(const struct list_offsets_request *in)
{
    if (in->replica_id != REPLICA_CONSUMER) {
        return PARTITION_READ_LOG_END;
    }
    return in->isolation_level == 1 ? PARTITION_READ_COMMITTED : PARTITION_READ_UNCOMMITTED;
}

static void part_add(struct request *r, struct offsets_run *run, const struct metadata_topic *topic,
                     const struct list_offsets_request_list_offsets_partition *in,
                     struct list_offsets_response_list_offsets_partition_response *out)
{
    struct offset_part *p = &run->parts[run->parts_count];
    enum err err = replica_manager_find(r->ctx->replicas, slice_str(topic->name), in->partition_index, &p->partition);
    if (err != ERR_OK) {
        out->error_code = errmap_code(err);
        return;
    }
    p->out = out;
    p->lookup.current_leader_epoch = in->current_leader_epoch;
    p->lookup.timestamp = in->timestamp;
    p->lookup.isolation = isolation_of(r->in);
    p->old_style_max = in->max_num_offsets < OFFSETS_OLD_STYLE_MAX ? in->max_num_offsets : OFFSETS_OLD_STYLE_MAX;
    run->parts_count++;
}

// How often each partition of the request is named: more than once is an error for every mention (from v1).
static bool mentions_count(struct request *r, struct key_map *topics, struct key_map *partitions)
{
    const struct list_offsets_request *in = r->in;
    for (int32_t i = 0; i < in->topics_count; i++) {
        int64_t *number = key_map_slot(topics, in->topics[i].name, &r->arena);
        if (number == NULL) {
            return false;
        }
        *number = *number < 0 ? i : *number;
        for (int32_t k = 0; k < in->topics[i].partitions_count; k++) {
            int32_t index = in->topics[i].partitions[k].partition_index;
            int64_t *count = key_map_pair_slot(partitions, *number, index, &r->arena);
            if (count == NULL) {
                return false;
            }
            *count = *count < 0 ? 1 : *count + 1;
        }
    }
    return true;
}

static bool mentioned_twice(struct request *r, struct key_map *topics, struct key_map *partitions, struct slice name,
                            int32_t index)
{
    return *key_map_pair_slot(partitions, *key_map_slot(topics, name, &r->arena), index, &r->arena) > 1;
}

static bool topic_collect(struct request *r, struct offsets_run *run, struct key_map *topics,
                          struct key_map *partitions, const struct list_offsets_request_list_offsets_topic *in)
{
    struct list_offsets_response *out = r->out;
    struct list_offsets_response_list_offsets_topic_response *t = &out->topics[out->topics_count++];
    list_offsets_response_list_offsets_topic_response_init(t);
    t->name = in->name;
    t->partitions = arena_array(&r->arena, (size_t)in->partitions_count, sizeof *t->partitions);
    if (t->partitions == NULL) {
        return false;
    }
    const struct metadata_topic *topic = metadata_topic_find(r->metadata, in->name);
    for (int32_t i = 0; i < in->partitions_count; i++) {
        struct list_offsets_response_list_offsets_partition_response *o = &t->partitions[t->partitions_count++];
        list_offsets_response_list_offsets_partition_response_init(o);
        o->partition_index = in->partitions[i].partition_index;
        bool twice = mentioned_twice(r, topics, partitions, in->name, o->partition_index);
        o->error_code = part_check(r, topic, &in->partitions[i], twice);
        if (o->error_code == KAFKA_ERROR_NONE) {
            part_add(r, run, topic, &in->partitions[i], o);
        }
    }
    return true;
}

static bool run_collect(struct request *r, struct disk_job *job)
{
    const struct list_offsets_request *in = r->in;
    struct list_offsets_response *out = r->out;
    size_t n = 0;
    for (int32_t i = 0; i < in->topics_count; i++) {
        n += (size_t)in->topics[i].partitions_count;
    }
    struct offsets_run *run = arena_alloc(&job->arena, sizeof *run);
    out->topics = arena_array(&r->arena, (size_t)in->topics_count, sizeof *out->topics);
    if (run == NULL || out->topics == NULL) {
        return false;
    }
    run->parts = arena_array(&job->arena, n, sizeof *run->parts);
    if (run->parts == NULL) {
        return false;
    }
    job->state = run;
    run->old_style = r->version == 0;
    struct key_map topics, partitions;
    key_map_init(&topics);
    key_map_init(&partitions);
    bool ok = mentions_count(r, &topics, &partitions);
    for (int32_t i = 0; ok && i < in->topics_count; i++) {
        ok = topic_collect(r, run, &topics, &partitions, &in->topics[i]);
    }
    key_map_release(&topics);
    key_map_release(&partitions);
    return ok;
}

static bool run_needs_disk(const struct offsets_run *run)
{
    for (int32_t i = 0; i < run->parts_count; i++) {
        if (run->old_style || run->parts[i].lookup.timestamp >= 0 || run->parts[i].lookup.timestamp == TIMESTAMP_MAX) {
            return true;
        }
    }
    return false;
}

static int16_t part_error(const struct request *r, enum err err)
{
    if (err == ERR_OFFSET_NOT_AVAILABLE && r->version < LIST_OFFSETS_FIRST_NOT_AVAILABLE_VERSION) {
        return KAFKA_ERROR_LEADER_NOT_AVAILABLE;
    }
    return err == ERR_OK ? KAFKA_ERROR_NONE : errmap_code(err);
}

static enum api_step run_answer(struct request *r, struct disk_wait *wait)
{
    struct offsets_run *run = wait->job->state;
    enum api_step step = API_DONE;
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct offset_part *p = &run->parts[i];
        p->out->error_code = part_error(r, p->err);
        if (p->err != ERR_OK) {
            continue;
        }
        p->out->offset = p->lookup.out_offset;
        p->out->timestamp = p->lookup.out_timestamp;
        p->out->leader_epoch = r->version >= LIST_OFFSETS_FIRST_EPOCH_VERSION ? p->lookup.out_leader_epoch : -1;
        if (run->old_style) {
            p->out->offset = -1;
            p->out->timestamp = -1;
            p->out->leader_epoch = -1;
            p->out->old_style_offsets = arena_array(&r->arena, (size_t)p->old_style_count, sizeof(int64_t));
            if (p->out->old_style_offsets == NULL) {
                step = API_CLOSE;
                break;
            }
            memcpy(p->out->old_style_offsets, p->old_style, (size_t)p->old_style_count * sizeof(int64_t));
            p->out->old_style_offsets_count = p->old_style_count;
        }
    }
    disk_wait_end(wait);
    return step;
}

static enum api_step list_offsets_first_run(struct request *r)
{
    struct disk_wait *wait = arena_alloc(&r->arena, sizeof *wait);
    if (wait == NULL || disk_job_new(OFFSETS_JOB_ARENA_LIMIT, run_work, run_release, &wait->job) != ERR_OK) {
        return API_CLOSE;
    }
    r->state = wait;
    if (!run_collect(r, wait->job)) {
        disk_wait_end(wait);
        return API_CLOSE;
    }
    if (!run_needs_disk(wait->job->state)) {
        run_work(wait->job);
        return run_answer(r, wait);
    }
    return disk_wait_begin(wait, r);
}

enum api_step api_list_offsets(struct request *r)
{
    return r->runs == 1 ? list_offsets_first_run(r) : run_answer(r, r->state);
}

void api_list_offsets_abort(struct request *r)
{
    disk_wait_end(r->state);
}
