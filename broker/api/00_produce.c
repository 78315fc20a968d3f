// SPDX-License-Identifier: Apache-2.0
//
// Produce (0), v0-11: appends one record batch per partition on its leader. acks=0 is never answered (an error closes
// the connection), acks=1 answers after the append, acks=-1 when the high watermark has passed it. The order of
// checks is Kafka's; each partition succeeds or fails on its own, except for what the whole request is refused for.
// Versions 0-2 may carry message sets of magic 0 and 1, which the log makes batches of.
#include "broker/api/apis.h"
#include "broker/api/errmap.h"
#include "broker/api/key_map.h"
#include "broker/api/produce_prepare.h"

#define PRODUCE_FIRST_V2_ONLY_VERSION 3 // from here on a partition carries exactly one batch of magic 2
#define PRODUCE_FIRST_ZSTD_VERSION    7
#define PRODUCE_FIRST_LEADER_VERSION  10 // CurrentLeader and NodeEndpoints (KIP-951)
#define CODEC_ZSTD                    4

// One partition of the request.
struct produce_part {
    struct slice topic_name;
    const struct metadata_topic *topic; // NULL when unknown
    struct partition *partition;        // referenced until the request ends; NULL when nothing was appended
    struct produce_response_partition_produce_response *out;
    struct wait_link link;
    struct partition_end end;
    bool pending; // appended, not yet acknowledged
    bool need_flush;
    struct log_append *unprepared; // takes long: is prepared elsewhere and appended later
    const struct records *records;
    enum err peek_err;
    struct log_batch_info info;
};

// r->state
struct produce_run {
    struct produce_part *parts;
    int32_t parts_count;
    int32_t unprepared;
    struct disk_wait preparation; // while it is under way
};

// ---------------------------------------------------------------------------------------------------------------
// The skeleton: one part and one answer per partition. Of a partition named twice the last entry counts, a topic
// named twice is answered under one entry.

// Makes an answer entry per distinct topic with room for all partitions it is named with.
static bool topics_collect(struct request *r, struct key_map *topics)
{
    const struct produce_request *in = r->in;
    struct produce_response *out = r->out;
    out->responses = arena_array(&r->arena, (size_t)in->topic_data_count, sizeof *out->responses);
    int32_t *room = arena_array(&r->arena, (size_t)in->topic_data_count, sizeof *room);
    if (out->responses == NULL || room == NULL) {
        return false;
    }
    for (int32_t i = 0; i < in->topic_data_count; i++) {
        const struct produce_request_topic_produce_data *t = &in->topic_data[i];
        int64_t *slot = key_map_slot(topics, t->name, &r->arena);
        if (slot == NULL) {
            return false;
        }
        if (t->partition_data_count == 0) {
            continue; // Kafka does not answer for it
        }
        if (*slot < 0) {
            *slot = out->responses_count;
            produce_response_topic_produce_response_init(&out->responses[out->responses_count]);
            out->responses[out->responses_count++].name = t->name;
        }
        room[*slot] += t->partition_data_count;
    }
    for (int32_t i = 0; i < out->responses_count; i++) {
        struct produce_response_topic_produce_response *t = &out->responses[i];
        t->partition_responses = arena_array(&r->arena, (size_t)room[i], sizeof *t->partition_responses);
        if (t->partition_responses == NULL) {
            return false;
        }
    }
    return true;
}

static bool part_collect(struct request *r, struct produce_run *run, struct key_map *partitions, int64_t topic,
                         const struct produce_request_partition_produce_data *in)
{
    struct produce_response *out = r->out;
    int64_t *slot = key_map_pair_slot(partitions, topic, in->index, &r->arena);
    if (slot == NULL) {
        return false;
    }
    if (*slot < 0) {
        *slot = run->parts_count;
        struct produce_part *p = &run->parts[run->parts_count++];
        struct produce_response_topic_produce_response *t = &out->responses[topic];
        p->topic_name = t->name;
        p->topic = metadata_topic_find(r->metadata, t->name);
        p->out = &t->partition_responses[t->partition_responses_count++];
        produce_response_partition_produce_response_init(p->out);
        p->out->index = in->index;
        p->out->base_offset = -1;
    }
    run->parts[*slot].records = &in->records;
    return true;
}

static struct produce_run *run_collect(struct request *r)
{
    const struct produce_request *in = r->in;
    struct key_map topics, partitions;
    key_map_init(&topics);
    key_map_init(&partitions);
    struct produce_run *run = arena_alloc(&r->arena, sizeof *run);
    bool ok = run != NULL && topics_collect(r, &topics);
    size_t n = 0;
    for (int32_t i = 0; ok && i < in->topic_data_count; i++) {
        n += (size_t)in->topic_data[i].partition_data_count;
    }
    if (ok) {
        run->parts = arena_array(&r->arena, n, sizeof *run->parts);
        ok = run->parts != NULL;
    }
    for (int32_t i = 0; ok && i < in->topic_data_count; i++) {
        const struct produce_request_topic_produce_data *t = &in->topic_data[i];
        int64_t *topic = key_map_slot(&topics, t->name, &r->arena);
        ok = topic != NULL;
        for (int32_t k = 0; ok && k < t->partition_data_count; k++) {
            ok = part_collect(r, run, &partitions, *topic, &t->partition_data[k]);
        }
    }
    key_map_release(&topics);
    key_map_release(&partitions);
    return ok ? run : NULL;
}

// ---------------------------------------------------------------------------------------------------------------
// Checks before any log is touched

static void part_fail(struct produce_part *p, int16_t error_code)
{
    p->pending = false;
    p->out->error_code = error_code;
    p->out->base_offset = -1;
}

static const char *corrupt_message(struct request *r, const struct produce_part *p)
{
    const uint8_t *data = p->records->data;
    int32_t size = (int32_t)load_be32(data + 8);
    if (size < 14) { // the smallest message of any format
        return arena_printf(&r->arena, "Record size %d is less than the minimum record overhead (14)", size);
    }
    return arena_printf(&r->arena, "Invalid magic found in record: %d", (int8_t)data[16]);
}

// What the whole request is refused for: damage in the first batch of any partition, or transactional batches of
// somebody who may not write them (nobody can yet: transactions are not served).
static bool whole_request_refused(struct request *r, struct produce_run *run)
{
    int16_t error_code = KAFKA_ERROR_NONE;
    const char *message = NULL;
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct produce_part *p = &run->parts[i];
        p->peek_err = log_batch_peek(slice_of(p->records->data, p->records->len), &p->info);
        if (p->peek_err == ERR_CORRUPT && error_code == KAFKA_ERROR_NONE) {
            error_code = KAFKA_ERROR_CORRUPT_MESSAGE;
            message = corrupt_message(r, p);
        }
        if (p->peek_err == ERR_OK && p->info.transactional && error_code == KAFKA_ERROR_NONE) {
            error_code = KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        }
    }
    for (int32_t i = 0; error_code != KAFKA_ERROR_NONE && i < run->parts_count; i++) {
        part_fail(&run->parts[i], error_code);
        run->parts[i].out->error_message = message == NULL ? SLICE_NULL : slice_str(message);
    }
    return error_code != KAFKA_ERROR_NONE;
}

static int16_t part_check_records(const struct request *r, const struct produce_part *p)
{
    if (p->records->data == NULL) {
        return KAFKA_ERROR_INVALID_RECORD; // Kafka never answers this
    }
    if (r->version < PRODUCE_FIRST_V2_ONLY_VERSION) {
        return KAFKA_ERROR_NONE;
    }
    if (p->peek_err != ERR_OK || p->info.magic != 2) {
        return KAFKA_ERROR_INVALID_RECORD;
    }
    if (p->info.codec == CODEC_ZSTD && r->version < PRODUCE_FIRST_ZSTD_VERSION) {
        return KAFKA_ERROR_UNSUPPORTED_COMPRESSION_TYPE;
    }
    return p->info.batches > 1 ? KAFKA_ERROR_INVALID_RECORD : KAFKA_ERROR_NONE;
}

static int16_t part_check(const struct request *r, const struct produce_part *p)
{
    const struct produce_request *in = r->in;
    if (p->topic == NULL || metadata_partition_find(p->topic, p->out->index) == NULL) {
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    int16_t error_code = part_check_records(r, p);
    if (error_code != KAFKA_ERROR_NONE) {
        return error_code;
    }
    if (in->acks < -1 || in->acks > 1) {
        return KAFKA_ERROR_INVALID_REQUIRED_ACKS;
    }
    if (p->topic->internal && !slice_equal(r->client_id, slice_str("__admin_client"))) {
        return KAFKA_ERROR_INVALID_TOPIC_EXCEPTION;
    }
    return KAFKA_ERROR_NONE;
}

// ---------------------------------------------------------------------------------------------------------------
// Append

static void part_record_errors(struct request *r, struct produce_part *p, const struct log_append *a)
{
    p->out->error_message = a->error_message == NULL ? SLICE_NULL : slice_str(a->error_message);
    p->out->record_errors = arena_array(&r->arena, (size_t)a->record_errors_count, sizeof *p->out->record_errors);
    if (p->out->record_errors == NULL) {
        return;
    }
    for (int32_t i = 0; i < a->record_errors_count; i++) {
        struct produce_response_batch_index_and_error_message *e = &p->out->record_errors[i];
        produce_response_batch_index_and_error_message_init(e);
        e->batch_index = a->record_errors[i].index;
        e->batch_index_error_message = slice_str(a->record_errors[i].message);
    }
    p->out->record_errors_count = a->record_errors_count;
}

// What has become of it: p's answer, or what it still waits for.
static void part_appended(struct request *r, struct produce_part *p, enum err err, const struct log_append *a)
{
    const struct produce_request *in = r->in;
    if (err == ERR_OK || a->log_start_known) {
        p->out->log_start_offset = partition_log_start(p->partition);
    }
    if (err != ERR_OK) {
        part_fail(p, errmap_code(err));
        part_record_errors(r, p, a);
        return;
    }
    p->out->base_offset = a->first_offset;
    p->out->log_append_time_ms = a->append_time_ms;
    p->need_flush = a->flush_due;
    p->pending = in->acks == -1 || (in->acks == 1 && a->flush_due);
}

static void part_append(struct request *r, struct produce_run *run, struct produce_part *p)
{
    const struct produce_request *in = r->in;
    if (p->peek_err == ERR_INVALID_RECORD) {
        return; // only before v3: there is no whole batch, so nothing to do; answered with base offset -1
    }
    enum err err = replica_manager_find(r->ctx->replicas, p->topic_name, p->out->index, &p->partition);
    if (err != ERR_OK) {
        p->partition = NULL;
        part_fail(p, errmap_code(err));
        return;
    }
    struct log_append a = {
        .data = (uint8_t *)(uintptr_t)p->records->data, // the frame is this request's own: stamped in place
        .len = p->records->len,
        .origin = LOG_FROM_CLIENT,
        .now_ms = os_wall_ms(r->ctx->os),
        .brief = true,
    };
    err = partition_append(p->partition, in->acks, &a, &r->arena, &p->end);
    if (err == ERR_AGAIN && a.takes_long && (p->unprepared = arena_alloc(&r->arena, sizeof a)) != NULL) {
        a.brief = false;
        *p->unprepared = a;
        run->unprepared++;
        return;
    }
    part_appended(r, p, err, &a);
}

static void run_unlink(struct produce_run *run)
{
    for (int32_t i = 0; i < run->parts_count; i++) {
        if (run->parts[i].partition != NULL) {
            partition_unlink(run->parts[i].partition, &run->parts[i].link);
        }
    }
}

static void run_release(struct produce_run *run)
{
    disk_wait_end(&run->preparation);
    for (int32_t i = 0; i < run->parts_count; i++) {
        if (run->parts[i].partition != NULL) {
            partition_unref(run->parts[i].partition);
            run->parts[i].partition = NULL;
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Batches that take long. Until they are appended no later request of the connection is begun.

static enum api_step run_prepare(struct request *r, struct produce_run *run)
{
    if (produce_prepare_new(r, run->unprepared, &run->preparation.job) != ERR_OK) {
        run_release(run);
        return API_CLOSE;
    }
    struct produce_prepared *all = run->preparation.job->state;
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct produce_part *p = &run->parts[i];
        if (p->unprepared != NULL) {
            partition_ref(p->partition);
            all->batches[all->count++] =
                (struct prepared_batch){.partition = p->partition, .append = *p->unprepared, .part = i};
        }
    }
    return produce_prepare_begin(&run->preparation, r);
}

static void run_append_prepared(struct request *r, struct produce_run *run)
{
    const struct produce_request *in = r->in;
    struct produce_prepared *all = produce_prepare_take(&run->preparation, r);
    for (int32_t i = 0; i < all->count; i++) {
        struct prepared_batch *b = &all->batches[i];
        struct produce_part *p = &run->parts[b->part];
        enum err err = b->err;
        if (err == ERR_OK) {
            err = partition_append(p->partition, in->acks, &b->append, &r->arena, &p->end);
        }
        part_appended(r, p, err, &b->append);
        log_append_drop(&b->append);
        partition_unref(b->partition);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Waiting

// Settles what can be settled. link: wait for the others. Answers how many are still pending.
static int32_t run_settle(struct request *r, void *ctx, bool link)
{
    struct produce_run *run = ctx;
    int32_t pending = 0;
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct produce_part *p = &run->parts[i];
        if (!p->pending) {
            continue;
        }
        enum err err =
            partition_ack(p->partition, &p->end, p->need_flush, link ? &p->link : NULL, link ? &r->wait : NULL);
        if (err == ERR_AGAIN) {
            pending++;
        } else if (err == ERR_OK) {
            p->pending = false;
        } else if (err == ERR_NOT_ENOUGH_REPLICAS) {
            part_fail(p, KAFKA_ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND);
        } else {
            part_fail(p, errmap_code(err));
        }
    }
    return pending;
}

// ---------------------------------------------------------------------------------------------------------------
// The answer

static bool part_wants_leader(const struct request *r, const struct produce_part *p)
{
    return r->version >= PRODUCE_FIRST_LEADER_VERSION && p->out->error_code == KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER &&
           p->topic != NULL;
}

// KIP-951: tells a client that came to the wrong broker who leads.
static void run_fill_leaders(struct request *r, struct produce_run *run)
{
    struct produce_response *out = r->out;
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct produce_part *p = &run->parts[i];
        if (!part_wants_leader(r, p)) {
            continue;
        }
        struct request_leader leader;
        if (!request_leader_find(r, p->topic, p->out->index, &leader)) {
            continue;
        }
        p->out->current_leader.leader_id = leader.broker->id;
        p->out->current_leader.leader_epoch = leader.epoch;
        bool known = false;
        for (int32_t k = 0; k < out->node_endpoints_count; k++) {
            known = known || out->node_endpoints[k].node_id == leader.broker->id;
        }
        if (out->node_endpoints == NULL) {
            out->node_endpoints =
                arena_array(&r->arena, (size_t)metadata_brokers_count(r->metadata), sizeof *out->node_endpoints);
        }
        if (known || out->node_endpoints == NULL) {
            continue;
        }
        struct produce_response_node_endpoint *n = &out->node_endpoints[out->node_endpoints_count++];
        produce_response_node_endpoint_init(n);
        n->node_id = leader.broker->id;
        n->host = slice_str(leader.endpoint->host);
        n->port = leader.endpoint->port;
        n->rack = leader.broker->rack == NULL ? SLICE_NULL : slice_str(leader.broker->rack);
    }
}

static enum api_step run_answer(struct request *r, struct produce_run *run)
{
    const struct produce_request *in = r->in;
    bool failed = false;
    for (int32_t i = 0; i < run->parts_count; i++) {
        failed = failed || run->parts[i].out->error_code != KAFKA_ERROR_NONE;
    }
    run_fill_leaders(r, run);
    run_release(run);
    if (in->acks == 0) {
        return failed ? API_CLOSE : API_SILENT;
    }
    return API_DONE;
}

// Everything is in the logs.
static enum api_step produce_wait(struct request *r, struct produce_run *run)
{
    const struct produce_request *in = r->in;
    r->deadline_ms = loop_now_ms(request_loop(r)) + (in->timeout_ms > 0 ? in->timeout_ms : 0);
    r->overtakable = true;
    return request_wait_for(r, run_settle, run) ? API_WAIT : run_answer(r, run);
}

static enum api_step produce_first_run(struct request *r)
{
    struct produce_run *run = run_collect(r);
    if (run == NULL) {
        return API_CLOSE;
    }
    r->state = run;
    if (whole_request_refused(r, run)) {
        return run_answer(r, run);
    }
    for (int32_t i = 0; i < run->parts_count; i++) {
        struct produce_part *p = &run->parts[i];
        int16_t error_code = part_check(r, p);
        if (error_code != KAFKA_ERROR_NONE) {
            part_fail(p, error_code);
        } else {
            part_append(r, run, p);
        }
    }
    return run->unprepared == 0 ? produce_wait(r, run) : run_prepare(r, run);
}

enum api_step api_produce(struct request *r)
{
    if (r->runs == 1) {
        return produce_first_run(r);
    }
    struct produce_run *run = r->state;
    run_unlink(run);
    if (run->preparation.job != NULL) {
        run_append_prepared(r, run);
        return produce_wait(r, run);
    }
    if (!r->expired && request_wait_for(r, run_settle, run)) {
        return API_WAIT;
    }
    if (run_settle(r, run, false) > 0) {
        for (int32_t i = 0; i < run->parts_count; i++) {
            if (run->parts[i].pending) {
                part_fail(&run->parts[i], KAFKA_ERROR_REQUEST_TIMED_OUT);
            }
        }
    }
    return run_answer(r, run);
}

void api_produce_abort(struct request *r)
{
    struct produce_run *run = r->state;
    run_unlink(run);
    run_release(run);
}
