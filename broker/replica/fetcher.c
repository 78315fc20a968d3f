// SPDX-License-Identifier: Apache-2.0
//
// fetcher_run asks for the next thing whenever nothing is under way: the leader's offsets for those that fell out of
// its log, else a Fetch for all that are ready, else nothing until one is. Every answer, and every change of what is
// followed, ends in it. A connection that broke rests for a while (`down`); a request that it took along is over by
// then.
#include "broker/replica/fetcher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/logging.h"
#include "broker/cluster/rpc.h"
#include "broker/net/backoff.h"
#include "broker/net/peer.h"
#include "broker/replica/followed.h"

#define FETCH_KEY            1
#define FETCH_VERSION        17 // of Kafka 3.9
#define FETCH_VERSION_NAMES  12 // the last without topic ids
#define LIST_OFFSETS_KEY     2
#define LIST_OFFSETS_VERSION 9
#define TIMESTAMP_LATEST     (-1)
#define TIMESTAMP_EARLIEST   (-2)
#define FETCHER_ARENA_LIMIT  ((size_t)256 * 1024 * 1024)
#define FETCHER_APPEND_LIMIT ((size_t)16 * 1024 * 1024)
#define FETCHER_RECONNECT_MS 50 // the first time; at most replica.fetch.backoff.ms

struct fetcher {
    struct fetcher_options options;
    char client_id[64];
    char *host; // NULL: not known
    int32_t port;
    int64_t broker_epoch;
    struct peer *peer;
    struct backoff backoff;
    struct timer timer; // the next run
    bool down;          // no connection is tried before that
    bool busy;          // a request is under way
    bool holds;         // some partitions sit requests out
    struct rpc rpc;     // it
    struct followed_set set;
    struct arena arena;  // of a request or an answer
    struct arena append; // of one append
};

static void fetcher_run(struct fetcher *f);

static int64_t fetcher_now(const struct fetcher *f)
{
    return os_mono_us(f->options.os) / 1000;
}

static void fetcher_rest(struct fetcher *f, int64_t delay_ms)
{
    f->down = true;
    timer_set(&f->timer, delay_ms);
}

static void on_timer(void *ctx)
{
    struct fetcher *f = ctx;
    f->down = false;
    fetcher_run(f);
}

// ---------------------------------------------------------------------------------------------------------------
// One partition

// Looks where its log is. False: it does not follow in this epoch any more, or its log is out of service.
static bool row_refresh(struct followed *row)
{
    struct partition_position at;
    enum err err = partition_position(row->partition, row->follower.leader_epoch, &at);
    if (err != ERR_OK) {
        follower_fail(&row->follower);
        return false;
    }
    row->end_offset = at.end_offset;
    row->start_offset = at.start_offset;
    row->latest_epoch = at.latest_epoch;
    return true;
}

static void row_failed(struct followed *row, const char *doing, enum err err)
{
    follower_fail(&row->follower);
    if (err != ERR_FENCED_EPOCH) { // the controller is ahead of us, which is no news
        log_error("replica", "%s-%d: %s failed: %s; it is not replicated until the controller names a leader again",
                  row->topic->name, (int)row->index, doing, err_text(err));
    }
}

// A cut that changes nothing would only have the leader say the same again: there is no hurry then.
static void row_cut(struct fetcher *f, struct followed *row, int64_t offset)
{
    int64_t end_offset = row->end_offset;
    int32_t latest_epoch = row->latest_epoch;
    enum err err = partition_truncate(row->partition, row->follower.leader_epoch, offset);
    if (err != ERR_OK) {
        row_failed(row, "truncation", err);
        return;
    }
    if (row_refresh(row) && row->end_offset == end_offset && row->latest_epoch == latest_epoch) {
        follower_delay(&row->follower, fetcher_now(f));
    }
}

static void row_restart(struct followed *row, int64_t offset)
{
    enum err err = partition_restart(row->partition, row->follower.leader_epoch, offset);
    if (err != ERR_OK) {
        row_failed(row, "beginning anew", err);
        return;
    }
    row_refresh(row);
}

static void row_diverged(struct fetcher *f, struct followed *row, const struct fetch_response_partition_data *in)
{
    struct epoch_end leaders = {in->diverging_epoch.epoch, in->diverging_epoch.end_offset}, own;
    struct partition_position at;
    enum err err = partition_position(row->partition, row->follower.leader_epoch, &at);
    if (err == ERR_OK) {
        err = partition_own_epoch_end(row->partition, row->follower.leader_epoch, leaders.epoch, &own.epoch,
                                      &own.end_offset);
    }
    if (err != ERR_OK) {
        row_failed(row, "looking up an epoch", err);
        return;
    }
    row_cut(f, row, follower_cut_offset(leaders, own, at.end_offset, at.high_watermark));
}

static void row_append(struct fetcher *f, struct followed *row, const struct fetch_response_partition_data *in)
{
    struct partition_replicate r = {.leader_epoch = row->follower.leader_epoch,
                                    .fetch_offset = row->end_offset,
                                    .data = (uint8_t *)(uintptr_t)in->records.data, // our own frame's
                                    .len = in->records.len,
                                    .high_watermark = in->high_watermark,
                                    .start_offset = in->log_start_offset};
    arena_reset(&f->append);
    enum err err = partition_replicate(row->partition, &r, &f->append, &row->end_offset);
    if (err == ERR_OK) {
        row_refresh(row);
        row->in_sync = row->end_offset >= in->high_watermark;
        if (partition_follower_throttled(row->partition)) {
            byte_rate_record(f->options.throttle, (int64_t)in->records.len);
        }
    } else if (err == ERR_FENCED_EPOCH || err == ERR_FAILED) {
        row_failed(row, "replication", err);
    } else if (err == ERR_NO_SPACE) { // the directory has said so; tried again until there is room
        row_refresh(row);
        follower_delay(&row->follower, fetcher_now(f));
    } else {
        log_warn("replica", "%s-%d: what broker %d gave at offset %" PRId64 " cannot be appended: %s", row->topic->name,
                 (int)row->index, (int)f->options.leader_id, row->end_offset, err_text(err));
        row_refresh(row);
        follower_delay(&row->follower, fetcher_now(f));
    }
}

// One line when an error begins, not one for each try.
static void row_note_error(const struct fetcher *f, struct followed *row, int16_t error_code)
{
    if (error_code != row->said_error && error_code != KAFKA_ERROR_NONE) {
        log_info("replica", "%s-%d: broker %d answers %s at offset %" PRId64 " in leader epoch %d", row->topic->name,
                 (int)row->index, (int)f->options.leader_id, kafka_error_name(error_code), row->end_offset,
                 (int)row->follower.leader_epoch);
    }
    row->said_error = error_code;
}

static void row_fetched(struct fetcher *f, struct followed *row, const struct fetch_response_partition_data *in)
{
    row_note_error(f, row, in->error_code);
    switch (follower_fetched(&row->follower, in->error_code, in->diverging_epoch.epoch >= 0, fetcher_now(f))) {
    case FOLLOWER_APPENDS:
        row_append(f, row, in);
        break;
    case FOLLOWER_CUTS:
        row_diverged(f, row, in);
        break;
    case FOLLOWER_GOES_ON:
    case FOLLOWER_RESTARTS:
        break;
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Requests

static void rows_delay(struct fetcher *f)
{
    struct followed_topic *t;
    struct followed *row;
    int64_t now = fetcher_now(f);
    TAILQ_FOREACH (t, &f->set.topics, entry) {
        TAILQ_FOREACH (row, &t->order, entry) {
            if (row->asked) {
                follower_delay(&row->follower, now);
            }
        }
    }
}

static void request_failed(struct fetcher *f)
{
    followed_session_lost(&f->set, false);
    rows_delay(f);
}

// The frame of an answer as a struct. False: there is none; what was asked for is asked for again later.
static bool answer_read(struct fetcher *f, enum err err, const uint8_t *frame, size_t len, void *body)
{
    f->busy = false;
    if (err != ERR_OK) { // the connection is over: on_closed, or who closes it, goes on
        request_failed(f);
        return false;
    }
    arena_reset(&f->arena);
    err = rpc_decode(&f->rpc, slice_of(frame, len), &f->arena, body);
    if (err != ERR_OK) {
        log_warn("replica", "an answer of broker %d (%s) cannot be read: %s", (int)f->options.leader_id,
                 peer_name(f->peer), err_text(err));
        peer_close(f->peer);
        request_failed(f);
        fetcher_rest(f, f->options.settings->backoff_ms);
    }
    return err == ERR_OK;
}

static void request_send(struct fetcher *f, int16_t key, int16_t version, const void *body, int32_t wait_ms,
                         peer_answer_fn *fn)
{
    uint8_t *frame;
    size_t len;
    f->rpc = (struct rpc){
        .key = key, .version = version, .correlation_id = f->rpc.correlation_id + 1, .client_id = f->client_id};
    f->rpc.correlation_id &= INT32_MAX;
    enum err err = rpc_encode(&f->rpc, body, &frame, &len);
    if (err == ERR_OK) {
        peer_open(f->peer);
        err = peer_send(f->peer, frame, len, (int64_t)wait_ms + f->options.settings->socket_timeout_ms, fn, f);
    }
    f->busy = err == ERR_OK;
    if (err != ERR_OK) {
        log_warn("replica", "broker %d (%s) cannot be asked: %s", (int)f->options.leader_id, peer_name(f->peer),
                 err_text(err));
        request_failed(f);
        fetcher_rest(f, f->options.settings->backoff_ms);
    }
}

static void fetch_apply(struct fetcher *f, const struct fetch_response *in)
{
    for (int32_t i = 0; i < in->responses_count; i++) {
        const struct fetch_response_fetchable_topic_response *t = &in->responses[i];
        for (int32_t k = 0; k < t->partitions_count; k++) {
            struct followed *row =
                followed_find_answered(&f->set, t->topic, &t->topic_id, t->partitions[k].partition_index);
            if (row != NULL && row->asked) {
                row_fetched(f, row, &t->partitions[k]);
            }
        }
    }
}

static bool session_error(int16_t error_code)
{
    return error_code == KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND ||
           error_code == KAFKA_ERROR_INVALID_FETCH_SESSION_EPOCH ||
           error_code == KAFKA_ERROR_FETCH_SESSION_TOPIC_ID_ERROR;
}

static void fetch_answered(struct fetcher *f, const struct fetch_response *in)
{
    if (session_error(in->error_code)) {
        followed_session_lost(&f->set, in->error_code == KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    } else if (in->error_code != KAFKA_ERROR_NONE) {
        log_warn("replica", "broker %d (%s) refuses a fetch: %s", (int)f->options.leader_id, peer_name(f->peer),
                 kafka_error_name(in->error_code));
        request_failed(f);
    } else {
        followed_answered(&f->set, in->session_id);
        fetch_apply(f, in);
    }
}

static void on_fetch_answer(void *ctx, enum err err, uint8_t *frame, size_t len)
{
    struct fetcher *f = ctx;
    struct fetch_response in;
    if (answer_read(f, err, frame, len, &in)) {
        fetch_answered(f, &in);
        fetcher_run(f);
    }
    free(frame);
}

// While too much has come, those that the throttle is for sit out, unless they are in sync.
static void rows_hold(struct fetcher *f)
{
    bool exceeded = byte_rate_exceeded(f->options.throttle);
    struct followed_topic *t;
    struct followed *row;
    f->holds = false;
    TAILQ_FOREACH (t, &f->set.topics, entry) {
        TAILQ_FOREACH (row, &t->order, entry) {
            row->held = exceeded && !row->in_sync && partition_follower_throttled(row->partition);
            f->holds = f->holds || row->held;
        }
    }
}

// False: there is nothing to ask for.
static bool fetch_ask(struct fetcher *f)
{
    const struct fetch_settings *s = f->options.settings;
    struct fetch_request out;
    bool by_id;
    fetch_request_init(&out);
    arena_reset(&f->arena);
    rows_hold(f);
    int32_t count = followed_ask(&f->set, &out, &by_id, s->max_bytes, fetcher_now(f), &f->arena);
    if (count <= 0) {
        return false;
    }
    int16_t version = by_id ? FETCH_VERSION : FETCH_VERSION_NAMES;
    out.replica_id = by_id ? -1 : f->options.broker_id;
    if (by_id) {
        out.replica_state.replica_id = f->options.broker_id;
        out.replica_state.replica_epoch = f->broker_epoch;
    }
    out.max_wait_ms = s->wait_max_ms;
    out.min_bytes = s->min_bytes;
    out.max_bytes = s->response_max_bytes;
    request_send(f, FETCH_KEY, version, &out, s->wait_max_ms, on_fetch_answer);
    return true;
}

// ---------------------------------------------------------------------------------------------------------------
// The leader's offsets, for those that its log does not reach

static void row_told_offset(struct fetcher *f, struct followed *row,
                            const struct list_offsets_response_list_offsets_partition_response *in)
{
    int64_t offset;
    row_note_error(f, row, in->error_code);
    switch (
        follower_told_offset(&row->follower, in->error_code, in->offset, row->end_offset, fetcher_now(f), &offset)) {
    case FOLLOWER_CUTS:
        row_cut(f, row, offset);
        break;
    case FOLLOWER_RESTARTS:
        log_warn("replica",
                 "%s-%d: the leader, broker %d, has nothing below offset %" PRId64 "; what is here up to %" PRId64
                 " is dropped",
                 row->topic->name, (int)row->index, (int)f->options.leader_id, offset, row->end_offset);
        row_restart(row, offset);
        break;
    case FOLLOWER_GOES_ON:
    case FOLLOWER_APPENDS:
        break;
    }
}

static bool asks_offset(const struct followed *row)
{
    return row->follower.phase == FOLLOWER_ASKS_END || row->follower.phase == FOLLOWER_ASKS_START;
}

static void offsets_apply(struct fetcher *f, const struct list_offsets_response *in)
{
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct list_offsets_response_list_offsets_topic_response *t = &in->topics[i];
        const char *name = arena_strndup(&f->arena, t->name.data, t->name.len);
        for (int32_t k = 0; name != NULL && k < t->partitions_count; k++) {
            struct followed *row = followed_find(&f->set, name, t->partitions[k].partition_index);
            if (row != NULL && row->asked && asks_offset(row)) {
                row_told_offset(f, row, &t->partitions[k]);
            }
        }
    }
}

static void on_offsets_answer(void *ctx, enum err err, uint8_t *frame, size_t len)
{
    struct fetcher *f = ctx;
    struct list_offsets_response in;
    if (answer_read(f, err, frame, len, &in)) {
        offsets_apply(f, &in);
        fetcher_run(f);
    }
    free(frame);
}

// The topic's partitions that ask for an offset. False without memory.
static bool offsets_collect(struct fetcher *f, struct followed_topic *t,
                            struct list_offsets_request_list_offsets_topic *out)
{
    struct followed *row;
    int64_t now = fetcher_now(f);
    list_offsets_request_list_offsets_topic_init(out);
    out->name = slice_str(t->name);
    out->partitions = arena_array(&f->arena, (size_t)t->count, sizeof *out->partitions);
    if (out->partitions == NULL) {
        return false;
    }
    TAILQ_FOREACH (row, &t->order, entry) {
        row->asked = asks_offset(row) && follower_is_ready(&row->follower, row->follower.phase, now);
        if (row->asked) {
            struct list_offsets_request_list_offsets_partition *p = &out->partitions[out->partitions_count++];
            list_offsets_request_list_offsets_partition_init(p);
            p->partition_index = row->index;
            p->current_leader_epoch = row->follower.leader_epoch;
            p->timestamp = row->follower.phase == FOLLOWER_ASKS_END ? TIMESTAMP_LATEST : TIMESTAMP_EARLIEST;
        }
    }
    return true;
}

// False: nobody asks.
static bool offsets_ask(struct fetcher *f)
{
    struct list_offsets_request out;
    struct followed_topic *t;
    list_offsets_request_init(&out);
    arena_reset(&f->arena);
    out.replica_id = f->options.broker_id;
    out.topics = arena_array(&f->arena, HASH_COUNT(f->set.by_name), sizeof *out.topics);
    TAILQ_FOREACH (t, &f->set.topics, entry) {
        if (out.topics == NULL || !offsets_collect(f, t, &out.topics[out.topics_count])) {
            return false;
        }
        out.topics_count += out.topics[out.topics_count].partitions_count > 0;
    }
    if (out.topics_count == 0) {
        return false;
    }
    request_send(f, LIST_OFFSETS_KEY, LIST_OFFSETS_VERSION, &out, 0, on_offsets_answer);
    return true;
}

// ---------------------------------------------------------------------------------------------------------------
// The connection

static void on_open(void *ctx)
{
    struct fetcher *f = ctx;
    backoff_reset(&f->backoff);
    log_info("replica", "fetching from broker %d (%s)", (int)f->options.leader_id, peer_name(f->peer));
}

static void on_closed(void *ctx, enum err why)
{
    struct fetcher *f = ctx;
    if (f->backoff.failures == 0) {
        log_info("replica", "the connection to broker %d (%s) is closed: %s", (int)f->options.leader_id,
                 peer_name(f->peer), err_text(why));
    }
    fetcher_rest(f, backoff_next_ms(&f->backoff, f->options.os));
}

// False: there is no address, or no memory.
static bool peer_make(struct fetcher *f)
{
    if (f->peer != NULL) {
        return true;
    }
    if (f->host == NULL) {
        return false;
    }
    struct peer_options o = {.loop = f->options.loop,
                             .pool = f->options.pool,
                             .host = f->host,
                             .port = (uint16_t)f->port,
                             .max_frame_bytes = FETCHER_MAX_ANSWER_BYTES,
                             .max_in_flight = 1,
                             .open_timeout_ms = f->options.settings->socket_timeout_ms,
                             .send_buffer_bytes = -1,
                             .receive_buffer_bytes = f->options.settings->receive_buffer_bytes,
                             .on_open = on_open,
                             .on_closed = on_closed,
                             .ctx = f};
    enum err err = peer_new(&o, &f->peer);
    if (err != ERR_OK) {
        log_warn("replica", "no connection to broker %d: %s", (int)f->options.leader_id, err_text(err));
        fetcher_rest(f, f->options.settings->backoff_ms);
    }
    return err == ERR_OK;
}

static void fetcher_run(struct fetcher *f)
{
    if (f->busy || f->down) {
        return;
    }
    if (f->set.count == 0) {
        peer_free(f->peer);
        f->peer = NULL;
        return;
    }
    if (!peer_make(f)) {
        return;
    }
    if (offsets_ask(f) || fetch_ask(f)) {
        return;
    }
    int64_t ready_ms = followed_next_ready_ms(&f->set);
    int64_t held_until_ms = f->holds ? fetcher_now(f) + f->options.settings->backoff_ms : INT64_MAX;
    ready_ms = ready_ms < held_until_ms ? ready_ms : held_until_ms;
    if (ready_ms != INT64_MAX) {
        int64_t delay_ms = ready_ms - fetcher_now(f);
        timer_set(&f->timer, delay_ms > 1 ? delay_ms : 1); // also when memory was short: not at once again
    }
}

// ---------------------------------------------------------------------------------------------------------------
// What the broker says

static void client_id_make(struct fetcher *f)
{
    snprintf(f->client_id, sizeof f->client_id, "broker-%d-fetcher-%d", (int)f->options.broker_id, f->options.index);
}

enum err fetcher_new(const struct fetcher_options *o, struct fetcher **out)
{
    struct fetcher *f = calloc(1, sizeof *f);
    *out = NULL;
    if (f == NULL) {
        return ERR_NO_MEMORY;
    }
    f->options = *o;
    f->broker_epoch = -1;
    f->backoff = (struct backoff){.first_ms = FETCHER_RECONNECT_MS, .max_ms = FETCHER_RECONNECT_MS};
    if (o->settings->backoff_ms > FETCHER_RECONNECT_MS) {
        f->backoff.max_ms = o->settings->backoff_ms;
    }
    client_id_make(f);
    followed_init(&f->set);
    arena_init(&f->arena, FETCHER_ARENA_LIMIT);
    arena_init(&f->append, FETCHER_APPEND_LIMIT);
    enum err err = timer_init(&f->timer, o->loop, on_timer, f);
    if (err != ERR_OK) {
        fetcher_free(f);
        return err;
    }
    *out = f;
    return ERR_OK;
}

static void row_remove(struct fetcher *f, struct followed *row)
{
    struct partition *p = row->partition;
    followed_remove(&f->set, row);
    partition_unref(p);
}

void fetcher_free(struct fetcher *f)
{
    if (f == NULL) {
        return;
    }
    peer_free(f->peer); // what is under way is told so
    struct followed_topic *t;
    while ((t = TAILQ_FIRST(&f->set.topics)) != NULL) {
        row_remove(f, TAILQ_FIRST(&t->order));
    }
    followed_release(&f->set);
    timer_release(&f->timer);
    arena_release(&f->arena);
    arena_release(&f->append);
    free(f->host);
    free(f);
}

void fetcher_address(struct fetcher *f, const char *host, int32_t port)
{
    if (f->host != NULL && strcmp(f->host, host) == 0 && f->port == port) {
        return;
    }
    char *copy = strdup(host);
    if (copy == NULL) {
        return; // where it was is the best that is known
    }
    free(f->host);
    f->host = copy;
    f->port = port;
    peer_free(f->peer);
    f->peer = NULL;
    f->down = false;
    timer_clear(&f->timer);
    backoff_reset(&f->backoff);
    fetcher_run(f);
}

void fetcher_identify(struct fetcher *f, int32_t broker_id, int64_t broker_epoch)
{
    f->options.broker_id = broker_id;
    f->broker_epoch = broker_epoch;
    client_id_make(f);
}

// A log without any epoch says nothing about where it parts from the leader's: only what was committed is kept.
static void row_begin(struct fetcher *f, struct followed *row, int32_t leader_epoch)
{
    struct partition_position at;
    follower_begin(&row->follower, leader_epoch, f->options.settings->backoff_ms);
    row->asked = row->in_sync = row->held = false;
    row->said_error = KAFKA_ERROR_NONE;
    enum err err = partition_position(row->partition, leader_epoch, &at);
    if (err != ERR_OK) {
        row_failed(row, "looking at the log", err);
    } else if (at.latest_epoch < 0 && at.high_watermark < at.end_offset) {
        row_cut(f, row, at.high_watermark > at.start_offset ? at.high_watermark : at.start_offset);
    } else {
        row_refresh(row);
    }
}

enum err fetcher_follow(struct fetcher *f, struct partition *p, int32_t leader_epoch)
{
    struct followed *row = followed_put(&f->set, partition_topic(p), partition_topic_id(p), partition_index(p));
    if (row == NULL) {
        return ERR_NO_MEMORY;
    }
    if (row->partition != NULL) {
        partition_unref(row->partition);
    }
    row->partition = p;
    row_begin(f, row, leader_epoch);
    fetcher_run(f);
    return ERR_OK;
}

void fetcher_forget(struct fetcher *f, const char *topic, int32_t index)
{
    struct followed *row = followed_find(&f->set, topic, index);
    if (row != NULL) {
        row_remove(f, row);
        fetcher_run(f);
    }
}

int32_t fetcher_count(const struct fetcher *f)
{
    return f->set.count;
}
