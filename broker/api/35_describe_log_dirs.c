// SPDX-License-Identifier: Apache-2.0
//
// DescribeLogDirs (35), v0-4: the log directories with the size of each partition in them (KIP-113), from v4 with that
// of their file systems (KIP-827). A disk thread looks, as a file system that hangs must not stop a loop.
#include <limits.h>
#include <stdlib.h>

#include "broker/api/apis.h"
#include "broker/api/disk_wait.h"

#define DIRS_JOB_ARENA_LIMIT ((size_t)256 * 1024 * 1024)
#define ROOM_PER_PARTITION                                                                                             \
    (sizeof(struct describe_log_dirs_response_describe_log_dirs_topic) +                                               \
     sizeof(struct describe_log_dirs_response_describe_log_dirs_partition) + TOPIC_NAME_MAX + 64)
#define ROOM_PER_DIR (sizeof(struct describe_log_dirs_response_describe_log_dirs_result) + PATH_MAX)

// Lies in the job's arena, so that it lives as long as the work.
struct dirs_run {
    struct replica_manager *replicas;
    struct replica_dir *dirs;
    int32_t dirs_count;
    enum err err;
};

static void run_work(struct disk_job *j)
{
    struct dirs_run *run = j->state;
    run->err = replica_manager_describe(run->replicas, &j->arena, &run->dirs, &run->dirs_count);
}

static void run_release(struct disk_job *j)
{
    (void)j; // all of it lies in the arena
}

// Marks the partitions that are asked for; all when the request names none. What does not exist is passed over.
static bool *wanted_mark(struct request *r, const struct replica_dir *d)
{
    const struct describe_log_dirs_request *in = r->in;
    bool *wanted = arena_array(&r->arena, (size_t)d->replicas_count, sizeof *wanted);
    for (int32_t i = 0; wanted != NULL && i < d->replicas_count; i++) {
        wanted[i] = in->topics_count < 0;
    }
    for (int32_t i = 0; wanted != NULL && d->replicas_count > 0 && i < in->topics_count; i++) {
        char name[TOPIC_NAME_MAX + 1];
        struct slice topic = in->topics[i].topic;
        if (topic.len > TOPIC_NAME_MAX) {
            continue;
        }
        memcpy(name, topic.data, topic.len);
        name[topic.len] = '\0';
        for (int32_t k = 0; k < in->topics[i].partitions_count; k++) {
            const struct replica_size key = {.topic = name, .partition = in->topics[i].partitions[k]};
            const struct replica_size *found =
                bsearch(&key, d->replicas, (size_t)d->replicas_count, sizeof key, replica_size_order);
            if (found != NULL) {
                wanted[found - d->replicas] = true;
            }
        }
    }
    return wanted;
}

static bool fill_topics(struct request *r, const struct replica_dir *d,
                        struct describe_log_dirs_response_describe_log_dirs_result *o)
{
    // A request without topics asks for everything: the arena, sized by the request, is allowed that much more.
    r->arena.limit += (size_t)d->replicas_count * ROOM_PER_PARTITION;
    const bool *wanted = wanted_mark(r, d);
    struct describe_log_dirs_response_describe_log_dirs_partition *partitions =
        arena_array(&r->arena, (size_t)d->replicas_count, sizeof *partitions);
    o->topics = arena_array(&r->arena, (size_t)d->replicas_count, sizeof *o->topics);
    if (wanted == NULL || partitions == NULL || o->topics == NULL) {
        return false;
    }
    const char *last = NULL;
    for (int32_t i = 0; i < d->replicas_count; i++) {
        if (!wanted[i]) {
            continue;
        }
        const struct replica_size *s = &d->replicas[i];
        if (last == NULL || strcmp(last, s->topic) != 0) {
            struct describe_log_dirs_response_describe_log_dirs_topic *t = &o->topics[o->topics_count++];
            const char *name = arena_strdup(&r->arena, s->topic); // the job dies before the answer is encoded
            describe_log_dirs_response_describe_log_dirs_topic_init(t);
            if (name == NULL) {
                return false;
            }
            t->name = slice_str(name);
            t->partitions = partitions; // one after the other, topic by topic
            last = s->topic;
        }
        describe_log_dirs_response_describe_log_dirs_partition_init(partitions);
        partitions->partition_index = s->partition;
        partitions->partition_size = s->bytes;
        partitions->offset_lag = s->lag;
        partitions->is_future_key = s->future;
        o->topics[o->topics_count - 1].partitions_count++;
        partitions++;
    }
    return true;
}

static bool fill(struct request *r, const struct dirs_run *run)
{
    struct describe_log_dirs_response *out = r->out;
    r->arena.limit += (size_t)run->dirs_count * ROOM_PER_DIR;
    out->results = arena_array(&r->arena, (size_t)run->dirs_count, sizeof *out->results);
    for (int32_t i = 0; out->results != NULL && i < run->dirs_count; i++) {
        const struct replica_dir *d = &run->dirs[i];
        struct describe_log_dirs_response_describe_log_dirs_result *o = &out->results[out->results_count++];
        describe_log_dirs_response_describe_log_dirs_result_init(o);
        const char *path = arena_strdup(&r->arena, d->path);
        if (path == NULL) {
            return false;
        }
        o->log_dir = slice_str(path);
        o->error_code = d->offline ? KAFKA_ERROR_KAFKA_STORAGE_ERROR : KAFKA_ERROR_NONE;
        o->total_bytes = d->total_bytes;
        o->usable_bytes = d->usable_bytes;
        if (!d->offline && !fill_topics(r, d, o)) {
            return false;
        }
    }
    return out->results != NULL;
}

void api_describe_log_dirs_abort(struct request *r)
{
    disk_wait_end(r->state);
}

static enum api_step answer(struct request *r)
{
    struct disk_wait *wait = r->state;
    const struct dirs_run *run = wait->job->state;
    bool ok = run->err == ERR_OK && fill(r, run);
    disk_wait_end(wait);
    return ok ? API_DONE : API_CLOSE;
}

enum api_step api_describe_log_dirs(struct request *r)
{
    if (r->runs > 1) {
        return answer(r);
    }
    struct disk_wait *wait = arena_alloc(&r->arena, sizeof *wait);
    if (wait == NULL || disk_job_new(DIRS_JOB_ARENA_LIMIT, run_work, run_release, &wait->job) != ERR_OK) {
        return API_CLOSE;
    }
    struct dirs_run *run = arena_alloc(&wait->job->arena, sizeof *run);
    if (run == NULL) {
        disk_wait_end(wait);
        return API_CLOSE;
    }
    run->replicas = r->ctx->replicas;
    wait->job->state = run;
    r->state = wait;
    return disk_wait_begin(wait, r);
}
