// SPDX-License-Identifier: Apache-2.0
//
// The life of a request, from frame to answer. All of it happens on the connection's loop.
//
//   on_frame   header, row of the API table, version, body decoded into the arena, first run
//   on_wake, on_deadline, on_drain   run again
//   run_end    the answer is encoded, and given to the connection
//   on_done, on_abort   everything that belongs to it is given back
//
// A request must not be freed while its wait lies in the loop's mailbox. Where wait_disarm says so, the end (or the
// release after an abort) is put off until on_wake has come.
#include "broker/api/request.h"

#include "base/assert.h"
#include "base/logging.h"
#include "broker/api/apis.h"

enum {
    ANSWER_FIRST_BYTES = 256,
    ANSWER_FIRST_GAPS = 16,
    TRACE_MAX_BYTES = 1024 * 1024,
    KEY_API_VERSIONS = 18,
};

// ---- refusals ----

// One line that says why a connection is closed; a peer cannot fill the log with them.
static void refusal_log(const struct request *r, int16_t key, int16_t version, const char *why)
{
    int dropped;
    if (log_limit_pass(r->ctx->refusals, loop_now_ms(request_loop(r)), &dropped)) {
        const struct protocol_api *known = protocol_api_find(key);
        log_warn("api", "closing %s: request with key %d (%s) version %d: %s%s", conn_peer(r->x.conn), (int)key,
                 known ? known->name : "unknown", (int)version, why,
                 dropped > 0 ? "; more such lines were left out" : "");
    }
}

static void request_refuse(struct request *r, int16_t key, int16_t version, const char *why)
{
    refusal_log(r, key, version, why);
    exchange_close(&r->x);
}

// ---- debugging ----

// One line of JSON per request or answer.
static void request_trace(const struct request *r, const char *what, const struct message_desc *m, const void *message)
{
    struct writer w;
    writer_init(&w, 1024, TRACE_MAX_BYTES);
    if (message_print(m, r->version, message, &w) != ERR_OK) {
        w.len = 0;
        w.bad = false;
        writer_bytes(&w, "\"too large to print\"", 20);
    }
    log_debug("api", "{\"peer\":\"%s\",\"%s\":\"%s\",\"version\":%d,\"correlation\":%d,\"run\":%d,\"body\":%.*s}",
              conn_peer(r->x.conn), what, r->proto->name, (int)r->version, (int)r->correlation_id, (int)r->runs,
              (int)w.len, (const char *)w.data);
    writer_release(&w);
}

// ---- release ----

static void request_release(struct request *r)
{
    timer_release(&r->deadline);
    writer_release(&r->encoded);
    if (r->release) {
        r->release(r);
    }
    if (r->metadata) {
        metadata_unref(r->metadata);
    }
    arena_release(&r->arena);
}

static void on_done(void *ctx, struct exchange *x)
{
    (void)ctx;
    request_release((struct request *)x);
}

static void request_forget(struct request *r)
{
    request_release(r);
    exchange_release(&r->x);
}

// ---- the answer ----

// Header and body. The bodies of files are left out; gaps say where they belong.
static enum err answer_write(struct request *r, struct gap_list *gaps)
{
    struct writer *w = &r->encoded;
    w->len = 0;
    w->bad = false;
    writer_u32(w, 0); // the size, known at the end
    writer_u32(w, (uint32_t)r->correlation_id);
    if (protocol_response_header_version(r->proto->key, r->version) > 0) {
        writer_uvarint(w, 0); // no tagged fields
    }
    return message_encode(r->proto->response, r->version, r->out, w, gaps);
}

// Encodes with more and more room for gaps until it is enough.
static enum err answer_encode(struct request *r)
{
    size_t cap = ANSWER_FIRST_GAPS;
    struct gap_list gaps = {0};
    enum err e;
    writer_init(&r->encoded, ANSWER_FIRST_BYTES, INT32_MAX);
    do {
        gaps.gaps = arena_array(&r->arena, cap, sizeof *gaps.gaps);
        gaps.cap = gaps.gaps ? cap : 0;
        gaps.count = 0;
        e = gaps.gaps ? answer_write(r, &gaps) : ERR_NO_MEMORY;
        cap *= 8;
    } while (e == ERR_FULL);
    r->gaps = gaps.gaps;
    r->gaps_count = gaps.count;
    return e;
}

static enum err answer_make(struct request *r)
{
    enum err e = answer_encode(r);
    if (e != ERR_OK) {
        return e;
    }
    struct answer_file *files = arena_array(&r->arena, r->gaps_count, sizeof *files);
    if (!files) {
        return ERR_NO_MEMORY;
    }
    size_t total = r->encoded.len;
    for (size_t i = 0; i < r->gaps_count; i++) {
        const struct records *records = r->gaps[i].records;
        files[i] = (struct answer_file){
            .at = r->gaps[i].at, .fd = log_file_fd(records->file), .position = records->position, .len = records->len};
        total += records->len;
    }
    if (total - 4 > INT32_MAX) {
        return ERR_TOO_LARGE;
    }
    store_be32(r->encoded.data, (uint32_t)(total - 4));
    r->answer =
        (struct answer){.bytes = r->encoded.data, .len = r->encoded.len, .files = files, .files_count = r->gaps_count};
    return ERR_OK;
}

// ---- running ----

// r is gone afterwards.
static void request_end(struct request *r)
{
    switch (r->end) {
    case API_DONE:
        exchange_answer(&r->x, &r->answer);
        return;
    case API_SILENT:
        exchange_skip(&r->x);
        return;
    default:
        exchange_close(&r->x);
    }
}

// The handler is through.
static void run_end(struct request *r, enum api_step step)
{
    timer_clear(&r->deadline);
    r->end = step;
    if (step == API_DONE) {
        if (logging_enabled(LOG_DEBUG)) {
            request_trace(r, "answer", r->proto->response, r->out);
        }
        enum err e = answer_make(r);
        if (e != ERR_OK) {
            log_error("api", "closing %s: cannot encode the answer to %s version %d: %s", conn_peer(r->x.conn),
                      r->proto->name, (int)r->version, err_text(e));
            r->end = API_CLOSE;
        }
    } else if (step == API_CLOSE) {
        refusal_log(r, r->api->key, r->version,
                    "past a limit, without memory, before the controller has spoken to this broker, or an error that "
                    "acks=0 cannot be told");
    }
    if (wait_disarm(&r->wait)) {
        request_end(r);
    } else {
        r->ended = true; // on_wake goes on
    }
}

static void on_deadline(void *ctx);

static void deadline_set(struct request *r)
{
    if (r->expired || r->deadline_ms == REQUEST_NO_DEADLINE) {
        return; // a wake is on its way, or is what it waits for
    }
    if (!r->deadline.ev && timer_init(&r->deadline, request_loop(r), on_deadline, r) != ERR_OK) {
        log_error("api", "no memory for a timer: %s waits without a deadline", r->proto->name);
        return;
    }
    timer_set(&r->deadline, r->deadline_ms - loop_now_ms(request_loop(r)));
}

static void run_wait(struct request *r)
{
    r->waiting = true;
    deadline_set(r);
    if (r->awaits_thread) {
        exchange_queue(&r->x);
    } else {
        exchange_await_others(&r->x);
    }
    if (r->overtakable) {
        exchange_allow_next(&r->x); // r may be gone afterwards: what comes next may end the connection
    }
}

static void request_run(struct request *r)
{
    r->waiting = false;
    r->awaits_thread = false;
    exchange_unqueue(&r->x);
    if (++r->runs > REQUEST_MAX_RUNS) {
        r->expired = true; // woken again and again for nothing: it answers with what it has
    }
    enum api_step step = r->api->handler(r);
    if (step == API_WAIT) {
        run_wait(r);
    } else {
        run_end(r, step);
    }
}

static void on_deadline(void *ctx)
{
    struct request *r = ctx;
    r->expired = true;
    request_run(r);
}

static void on_wake(struct wait *w)
{
    struct request *r = (struct request *)((char *)w - offsetof(struct request, wait));
    if (r->aborted) {
        request_forget(r);
    } else if (r->ended) {
        request_end(r);
    } else {
        timer_clear(&r->deadline);
        request_run(r);
    }
}

static void on_drain(void *ctx, struct exchange *x)
{
    (void)ctx;
    struct request *r = (struct request *)x;
    if (r->waiting && (r->api->flags & API_CUT_SHORT)) {
        r->expired = true;
        timer_clear(&r->deadline);
        request_run(r);
    }
}

static void on_abort(void *ctx, struct exchange *x)
{
    (void)ctx;
    struct request *r = (struct request *)x;
    timer_release(&r->deadline);
    if (r->waiting) {
        r->api->abort(r);
        r->waiting = false;
    }
    if (wait_disarm(&r->wait)) {
        request_forget(r);
    } else {
        r->aborted = true; // on_wake goes on
    }
}

// ---- receiving ----

static bool header_decode(struct request *r, struct reader *in)
{
    struct reader peek = *in; // key and version say how to read the header they stand in
    int16_t key = (int16_t)reader_u16(&peek);
    int16_t version = (int16_t)reader_u16(&peek);
    struct request_header header;
    request_header_init(&header);
    enum err e = peek.bad ? ERR_TRUNCATED
                          : message_decode(&request_header_desc, protocol_request_header_version(key, version), in,
                                           &r->arena, &header);
    if (e != ERR_OK) {
        request_refuse(r, key, version, "malformed header");
        return false;
    }
    r->proto = protocol_api_find(key);
    r->api = api_find(key);
    r->version = version;
    r->correlation_id = header.correlation_id;
    r->client_id = header.client_id.data ? header.client_id : slice_str("");
    if (!r->api) {
        request_refuse(r, key, version, "this API is not served");
        return false;
    }
    ASSERT(r->proto);
    if (version >= r->api->min_version && version <= r->api->max_version) {
        return true;
    }
    if (key != KEY_API_VERSIONS) {
        request_refuse(r, key, version, "this version is not served");
        return false;
    }
    r->version = 0;
    r->version_unsupported = true;
    return true;
}

static bool body_decode(struct request *r, struct reader *in)
{
    r->body = slice_of(in->data + in->pos, reader_left(in));
    r->in = arena_alloc(&r->arena, message_struct_size(r->proto->request));
    r->out = arena_alloc(&r->arena, message_struct_size(r->proto->response));
    enum err e = r->in && r->out ? ERR_OK : ERR_NO_MEMORY;
    if (e == ERR_OK) {
        message_init(r->proto->request, r->in);
        message_init(r->proto->response, r->out);
        // The body of a version nobody knows is not looked at. Bytes left over are ignored: real clients send some.
        e = r->version_unsupported ? ERR_OK : message_decode(r->proto->request, r->version, in, &r->arena, r->in);
    }
    if (e != ERR_OK) {
        request_refuse(r, r->proto->key, r->version, err_text(e));
    }
    return e == ERR_OK;
}

static void on_frame(void *ctx, struct exchange *x)
{
    struct request *r = (struct request *)x;
    r->ctx = ctx;
    arena_init(&r->arena, REQUEST_ARENA_LIMIT(x->frame_len));
    wait_init(&r->wait, request_loop(r), on_wake);
    struct reader in = reader_of(slice_of(x->frame, x->frame_len));
    if (!header_decode(r, &in) || !body_decode(r, &in)) {
        return; // refused; it ends as every other
    }
    r->metadata = cluster_metadata(r->ctx->cluster);
    r->deadline_ms = REQUEST_NO_DEADLINE;
    if (logging_enabled(LOG_DEBUG)) {
        request_trace(r, "request", r->proto->request, r->in);
    }
    request_run(r);
}

bool request_wait_for(struct request *r, int32_t (*settle)(struct request *r, void *ctx, bool link), void *ctx)
{
    int32_t pending = settle(r, ctx, false);
    if (pending == 0) {
        return false;
    }
    wait_arm(&r->wait, pending);
    int32_t linked = settle(r, ctx, true);
    if (linked < pending) { // some were settled between the two looks: they will not count down
        struct wake_list woken = {NULL};
        wait_count_down(&r->wait, pending - linked, &woken);
        wake_list_post(&woken);
    }
    return true;
}

void request_refresh_metadata(struct request *r)
{
    metadata_unref(r->metadata);
    r->metadata = cluster_metadata(r->ctx->cluster);
}

const char *request_listener(const struct request *r)
{
    return listener_name(conn_listener(r->x.conn));
}

bool request_leader_find(const struct request *r, const struct metadata_topic *topic, int32_t partition,
                         struct request_leader *out)
{
    const struct metadata_partition *m = metadata_partition_find(topic, partition);
    out->broker = m ? metadata_broker_find(r->metadata, m->leader) : NULL;
    out->endpoint = out->broker ? metadata_broker_endpoint(out->broker, request_listener(r)) : NULL;
    out->epoch = m ? m->leader_epoch : -1;
    return out->endpoint != NULL;
}

void request_conn_handler(const struct api_context *ctx, struct conn_handler *out)
{
    *out = (struct conn_handler){
        .exchange_size = sizeof(struct request),
        .on_frame = on_frame,
        .on_drain = on_drain,
        .on_abort = on_abort,
        .on_done = on_done,
        .ctx = (void *)(uintptr_t)ctx,
    };
}
