// SPDX-License-Identifier: Apache-2.0
//
// AlterReplicaLogDirs (34), v0-2: has this broker's replicas move to other log directories (KIP-113). Making the copy's
// folder is a disk job; the copying itself goes on after the answer, and DescribeLogDirs shows it. Of a partition named
// twice the last directory counts.
#include "broker/api/apis.h"
#include "broker/api/disk_wait.h"
#include "broker/api/errmap.h"
#include "broker/api/key_map.h"

#define MOVE_JOB_ARENA_LIMIT ((size_t)64 << 20)

// One partition and where it is to go. The job works on its own copies.
struct move_part {
    struct slice topic;
    int32_t partition;
    struct slice path;
    enum err err;
    int32_t topic_index; // of the answer
};

// In the job's arena.
struct move_run {
    struct replica_manager *replicas;
    struct move_part *parts; // in the order they were first named
    int32_t parts_count;
};

// r->state
struct move_wait {
    struct disk_wait disk;
    struct key_map topics; // of the answer, by name
    struct key_map parts;  // by the topic's number there and the partition's
    int32_t topics_count;
};

static void run_work(struct disk_job *j)
{
    struct move_run *run = j->state;
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct move_part *p = &run->parts[i];
        p->err = replica_manager_move(run->replicas, p->topic, p->partition, p->path);
    }
}

static void run_release(struct disk_job *j)
{
    (void)j; // all of it lies in the arena
}

static struct slice slice_copy(struct arena *a, struct slice s)
{
    char *copy = arena_strndup(a, (const char *)s.data, s.len);
    return copy == NULL ? SLICE_NULL : slice_of(copy, s.len);
}

static bool part_add(struct request *r, struct move_run *run, struct slice path, struct slice topic, int32_t partition)
{
    struct move_wait *wait = r->state;
    struct arena *a = &wait->disk.job->arena;
    int64_t *topic_slot = key_map_slot(&wait->topics, topic, &r->arena);
    if (topic_slot == NULL) {
        return false;
    }
    *topic_slot = *topic_slot < 0 ? wait->topics_count++ : *topic_slot;
    int64_t *slot = key_map_pair_slot(&wait->parts, *topic_slot, partition, &r->arena);
    if (slot == NULL) {
        return false;
    }
    if (*slot < 0) {
        *slot = run->parts_count++;
        run->parts[*slot] = (struct move_part){
            .topic = slice_copy(a, topic), .partition = partition, .topic_index = (int32_t)*topic_slot};
    }
    struct move_part *p = &run->parts[*slot];
    p->path = slice_copy(a, path);
    return p->topic.data != NULL && p->path.data != NULL;
}

static bool run_collect(struct request *r)
{
    const struct alter_replica_log_dirs_request *in = r->in;
    struct move_wait *wait = r->state;
    size_t n = 0;
    for (int32_t i = 0; i < in->dirs_count; i++) {
        for (int32_t k = 0; k < in->dirs[i].topics_count; k++) {
            n += (size_t)in->dirs[i].topics[k].partitions_count;
        }
    }
    struct move_run *run = arena_alloc(&wait->disk.job->arena, sizeof *run);
    struct move_part *parts = arena_array(&wait->disk.job->arena, n, sizeof *parts);
    if (run == NULL || parts == NULL) {
        return false;
    }
    *run = (struct move_run){.replicas = r->ctx->replicas, .parts = parts};
    wait->disk.job->state = run;
    bool ok = true;
    for (int32_t i = 0; i < in->dirs_count; i++) {
        for (int32_t k = 0; k < in->dirs[i].topics_count; k++) {
            const struct alter_replica_log_dirs_request_alter_replica_log_dir_topic *t = &in->dirs[i].topics[k];
            for (int32_t m = 0; ok && m < t->partitions_count; m++) {
                ok = part_add(r, run, in->dirs[i].path, t->name, t->partitions[m]);
            }
        }
    }
    return ok;
}

// A partition that is not here: it may come, if the cluster has it.
static int16_t part_error(const struct request *r, const struct move_part *p)
{
    const struct metadata_topic *t;
    switch (p->err) {
    case ERR_TOO_LARGE:
        return KAFKA_ERROR_INVALID_TOPIC_EXCEPTION;
    case ERR_NOT_FOUND:
        return KAFKA_ERROR_LOG_DIR_NOT_FOUND;
    case ERR_NOT_LEADER:
        t = metadata_topic_find(r->metadata, p->topic);
        return t != NULL && metadata_partition_find(t, p->partition) != NULL ? KAFKA_ERROR_REPLICA_NOT_AVAILABLE
                                                                             : KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    default:
        return errmap_code(p->err);
    }
}

// The topics of the answer, with room for their partitions.
static bool fill_topics(struct request *r, const struct move_run *run)
{
    struct alter_replica_log_dirs_response *out = r->out;
    const struct move_wait *wait = r->state;
    int32_t *counts = arena_array(&r->arena, (size_t)wait->topics_count, sizeof *counts);
    out->results = arena_array(&r->arena, (size_t)wait->topics_count, sizeof *out->results);
    bool ok = counts != NULL && out->results != NULL;
    for (int32_t i = 0; ok && i < run->parts_count; i++) {
        counts[run->parts[i].topic_index]++;
    }
    for (int32_t i = 0; ok && i < wait->topics_count; i++) {
        struct alter_replica_log_dirs_response_alter_replica_log_dir_topic_result *t =
            &out->results[out->results_count++];
        alter_replica_log_dirs_response_alter_replica_log_dir_topic_result_init(t);
        t->partitions = arena_array(&r->arena, (size_t)counts[i], sizeof *t->partitions);
        ok = t->partitions != NULL;
    }
    return ok;
}

static bool fill(struct request *r, const struct move_run *run)
{
    struct alter_replica_log_dirs_response *out = r->out;
    bool ok = fill_topics(r, run);
    for (int32_t i = 0; ok && i < run->parts_count; i++) {
        const struct move_part *p = &run->parts[i];
        struct alter_replica_log_dirs_response_alter_replica_log_dir_topic_result *t = &out->results[p->topic_index];
        struct alter_replica_log_dirs_response_alter_replica_log_dir_partition_result *o =
            &t->partitions[t->partitions_count++];
        alter_replica_log_dirs_response_alter_replica_log_dir_partition_result_init(o);
        o->partition_index = p->partition;
        o->error_code = part_error(r, p);
        if (t->partitions_count == 1) { // the job dies before the answer is encoded
            t->topic_name = slice_copy(&r->arena, p->topic);
            ok = t->topic_name.data != NULL;
        }
    }
    return ok;
}

static void wait_release(struct move_wait *wait)
{
    key_map_release(&wait->topics);
    key_map_release(&wait->parts);
    disk_wait_end(&wait->disk);
}

void api_alter_replica_log_dirs_abort(struct request *r)
{
    wait_release(r->state);
}

static enum api_step answer(struct request *r)
{
    struct move_wait *wait = r->state;
    bool ok = fill(r, wait->disk.job->state);
    wait_release(wait);
    return ok ? API_DONE : API_CLOSE;
}

enum api_step api_alter_replica_log_dirs(struct request *r)
{
    if (r->runs > 1) {
        return answer(r);
    }
    struct move_wait *wait = arena_alloc(&r->arena, sizeof *wait);
    if (wait == NULL || disk_job_new(MOVE_JOB_ARENA_LIMIT, run_work, run_release, &wait->disk.job) != ERR_OK) {
        return API_CLOSE;
    }
    key_map_init(&wait->topics);
    key_map_init(&wait->parts);
    wait->topics_count = 0;
    r->state = wait;
    if (!run_collect(r)) {
        wait_release(wait);
        return API_CLOSE;
    }
    return disk_wait_begin(&wait->disk, r);
}
