// SPDX-License-Identifier: Apache-2.0
//
// DeleteRecords (21), v0-2: raises the log start offset of partitions on their leader; what lies below goes with the
// next retention run. A start offset that moves rewrites the leader epochs on disk, so it is a disk job. Of a partition
// named twice the last entry counts. The answer waits until the followers that are alive have moved their start, too:
// then the low watermark is there; what is not there by the request's timeout answers REQUEST_TIMED_OUT.
#include "broker/api/apis.h"
#include "broker/api/disk_wait.h"
#include "broker/api/errmap.h"
#include "broker/api/key_map.h"

#define DELETE_JOB_ARENA_LIMIT ((size_t)64 << 20)

// One partition whose records go. The job works on its own copies; the answer is filled when it is done.
struct delete_part {
    struct partition *partition; // referenced as long as the job
    int64_t offset;
    int64_t low_watermark;
    enum err err;                                                        // AGAIN: followers are not there yet
    struct wait_link link;                                               // to the partition, when the job is done
    struct delete_records_response_delete_records_partition_result *out; // of the request: not touched by the job
};

// In the job's arena.
struct delete_run {
    struct delete_part *parts;
    int32_t parts_count;
};

// r->state
struct delete_wait {
    struct disk_wait disk;
    bool deleted; // the job is done
};

static void run_work(struct disk_job *j)
{
    struct delete_run *run = j->state;
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct delete_part *p = &run->parts[i];
        p->err = partition_delete_records(p->partition, &p->offset, &p->low_watermark);
        p->err = p->err == ERR_OK && p->low_watermark < p->offset ? ERR_AGAIN : p->err;
    }
}

static void run_release(struct disk_job *j)
{
    struct delete_run *run = j->state;
    for (int32_t i = 0; run != NULL && i < run->parts_count; i++) {
        partition_unref(run->parts[i].partition);
    }
}

static int16_t part_begin(struct request *r, struct delete_run *run, const struct metadata_topic *topic,
                          struct delete_records_response_delete_records_partition_result *out, int64_t offset)
{
    if (topic == NULL || metadata_partition_find(topic, out->partition_index) == NULL) {
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (topic->internal) {
        return KAFKA_ERROR_INVALID_TOPIC_EXCEPTION;
    }
    struct delete_part *p = &run->parts[run->parts_count];
    enum err err = replica_manager_find(r->ctx->replicas, slice_str(topic->name), out->partition_index, &p->partition);
    if (err != ERR_OK) {
        return errmap_code(err);
    }
    p->offset = offset;
    p->out = out;
    run->parts_count++;
    return KAFKA_ERROR_NONE;
}

// Finds which entry of a topic counts for each partition, then begins those.
static bool topic_begin(struct request *r, struct delete_run *run,
                        const struct delete_records_request_delete_records_topic *in,
                        struct delete_records_response_delete_records_topic_result *out)
{
    delete_records_response_delete_records_topic_result_init(out);
    out->name = in->name;
    size_t n = (size_t)in->partitions_count;
    out->partitions = arena_array(&r->arena, n, sizeof *out->partitions);
    int64_t *offsets = arena_array(&r->arena, n, sizeof *offsets);
    if (out->partitions == NULL || offsets == NULL) {
        return false;
    }
    struct key_map partitions;
    key_map_init(&partitions);
    bool ok = true;
    for (int32_t i = 0; ok && i < in->partitions_count; i++) {
        const struct delete_records_request_delete_records_partition *p = &in->partitions[i];
        int64_t *slot = key_map_slot(&partitions, slice_of(&p->partition_index, sizeof p->partition_index), &r->arena);
        ok = slot != NULL;
        if (ok && *slot < 0) {
            *slot = out->partitions_count;
            struct delete_records_response_delete_records_partition_result *o =
                &out->partitions[out->partitions_count++];
            delete_records_response_delete_records_partition_result_init(o);
            o->partition_index = p->partition_index;
            o->low_watermark = -1;
        }
        if (ok) {
            offsets[*slot] = p->offset;
        }
    }
    key_map_release(&partitions);
    const struct metadata_topic *topic = metadata_topic_find(r->metadata, in->name);
    for (int32_t i = 0; ok && i < out->partitions_count; i++) {
        out->partitions[i].error_code = part_begin(r, run, topic, &out->partitions[i], offsets[i]);
    }
    return ok;
}

static bool run_collect(struct request *r, struct disk_job *job)
{
    const struct delete_records_request *in = r->in;
    struct delete_records_response *out = r->out;
    size_t n = 0;
    for (int32_t i = 0; i < in->topics_count; i++) {
        n += (size_t)in->topics[i].partitions_count;
    }
    struct delete_run *run = arena_alloc(&job->arena, sizeof *run);
    out->topics = arena_array(&r->arena, (size_t)in->topics_count, sizeof *out->topics);
    if (run == NULL || out->topics == NULL) {
        return false;
    }
    run->parts = arena_array(&job->arena, n, sizeof *run->parts);
    if (run->parts == NULL) {
        return false;
    }
    job->state = run;
    for (int32_t i = 0; i < in->topics_count; i++) {
        if (!topic_begin(r, run, &in->topics[i], &out->topics[out->topics_count++])) {
            return false;
        }
    }
    return true;
}

// ---------------------------------------------------------------------------------------------------------------
// Waiting for followers

// Looks at those that have not been reached. link: waits for them. Answers how many there still are. The low watermark
// of one that is given up stays what it was after the deletion, as Kafka has it.
static int32_t run_settle(struct request *r, void *ctx, bool link)
{
    struct delete_run *run = ctx;
    int32_t pending = 0;
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct delete_part *p = &run->parts[i];
        int64_t low_watermark = -1;
        if (p->err != ERR_AGAIN) {
            continue;
        }
        p->err =
            partition_deleted(p->partition, p->offset, &low_watermark, link ? &p->link : NULL, link ? &r->wait : NULL);
        if (p->err == ERR_AGAIN) {
            pending++;
        } else {
            p->low_watermark = low_watermark;
        }
    }
    return pending;
}

static void run_unlink(struct delete_run *run)
{
    for (int32_t i = 0; i < run->parts_count; i++) {
        partition_unlink(run->parts[i].partition, &run->parts[i].link);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The answer

static int16_t part_error(enum err err)
{
    return err == ERR_UNSUPPORTED ? KAFKA_ERROR_POLICY_VIOLATION
           : err == ERR_AGAIN     ? KAFKA_ERROR_REQUEST_TIMED_OUT
                                  : errmap_code(err);
}

static enum api_step run_answer(struct delete_wait *wait)
{
    struct delete_run *run = wait->disk.job->state;
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct delete_part *p = &run->parts[i];
        p->out->error_code = part_error(p->err);
        p->out->low_watermark = p->err == ERR_OK || p->err == ERR_AGAIN ? p->low_watermark : -1;
    }
    disk_wait_end(&wait->disk);
    return API_DONE;
}

static enum api_step delete_records_first_run(struct request *r)
{
    struct delete_wait *wait = arena_alloc(&r->arena, sizeof *wait);
    if (wait == NULL || disk_job_new(DELETE_JOB_ARENA_LIMIT, run_work, run_release, &wait->disk.job) != ERR_OK) {
        return API_CLOSE;
    }
    r->state = wait;
    if (!run_collect(r, wait->disk.job)) {
        disk_wait_end(&wait->disk);
        return API_CLOSE;
    }
    return disk_wait_begin(&wait->disk, r);
}

enum api_step api_delete_records(struct request *r)
{
    if (r->runs == 1) {
        return delete_records_first_run(r);
    }
    const struct delete_records_request *in = r->in;
    struct delete_wait *wait = r->state;
    struct delete_run *run = wait->disk.job->state;
    if (!disk_job_done(wait->disk.job)) {
        return API_WAIT; // cut short because the broker stops, but the records are being deleted already
    }
    if (!wait->deleted) {
        wait->deleted = true;
        r->deadline_ms = loop_now_ms(request_loop(r)) + (in->timeout_ms > 0 ? in->timeout_ms : 0);
    } else {
        run_unlink(run);
    }
    if (!r->expired && request_wait_for(r, run_settle, run)) {
        return API_WAIT;
    }
    run_settle(r, run, false); // a last look
    return run_answer(wait);
}

void api_delete_records_abort(struct request *r)
{
    struct delete_wait *wait = r->state;
    if (wait->deleted) {
        run_unlink(wait->disk.job->state);
    }
    disk_wait_end(&wait->disk);
}
