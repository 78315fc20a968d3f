// SPDX-License-Identifier: Apache-2.0
//
// A connection. Bytes go  socket -> (scratch | frame) -> exchange -> handler -> answer -> socket.
//
// A read takes everything the socket has in one call: the rest of a large frame straight into its buffer, what follows
// into the loop's scratch, out of which small frames are copied. Bytes behind a frame that may not be given out yet
// are put aside (`stash`); then nothing is read until they are used, so a connection holds at most one frame and one
// scratch full of unhandled input. Answers are sent when the whole read has been handled, so a burst of pipelined
// frames costs one receive and one send.
//
// Callbacks of the handler come back into exchange_answer and friends. `busy` is set while this file works on a
// connection; then those only note what happened, and the one who set it goes on until nothing is left to do. So
// exchanges and the connection itself are freed in one place each, never below a caller who still looks at them.
#include "broker/net/conn_private.h"

#include "base/assert.h"
#include "base/logging.h"
#include "broker/net/input.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    READ_ROUNDS = 8,                // reads per event, so that one connection cannot keep the loop
    SEND_QUANTUM = 2 * 1024 * 1024, // bytes sent per turn, for the same reason
    SEND_PIECES = 64,               // of memory per send call
    DISCARD_ROUNDS = 16,            // reads of unwanted input before a close
};

TAILQ_HEAD(exchange_list, exchange);

struct conn {
    struct mailbox_item item; // first: brings it to its loop
    TAILQ_ENTRY(conn) entry;  // of the shard
    struct shard *shard;
    struct loop *loop;
    const struct conn_handler *handler;
    int fd;
    uint64_t id;
    char host[CONN_HOST_BYTES];
    char peer[CONN_PEER_BYTES];

    struct event *read_ev;
    struct event *write_ev;
    bool reading; // read_ev is added
    bool writing;
    struct timer idle;
    int64_t max_idle_ms;
    int64_t active_ms; // when bytes moved last

    struct input in;
    size_t begun_bytes; // of the frame in `in`, as the intake counts it
    uint8_t *stash;     // malloc'ed; bytes behind `in` that wait
    size_t stash_len;
    size_t stash_used;

    struct exchange_list exchanges; // in order of arrival
    int n_exchanges;
    int n_running;
    int n_blocking;     // running ones that may not be overtaken
    size_t frame_bytes; // of running ones
    size_t output_left; // bytes of answers not sent

    bool busy;
    bool eof;    // the peer sends no more
    bool ended;  // no more frames are given out; closed when all exchanges are done
    bool broken; // to be closed at once
};

static void conn_progress(struct conn *c);

// ---- exchanges ----

static void intake_leave(struct exchange *x)
{
    intake_end(x->intake, x->intake_bytes);
    x->intake_bytes = 0;
}

static void frame_release(struct exchange *x)
{
    free(x->frame);
    x->frame = NULL;
    x->frame_len = 0;
    intake_leave(x);
}

static void exchange_free(struct exchange *x)
{
    exchange_unqueue(x);
    frame_release(x);
    free(x);
}

// Everything of it has been sent.
static void exchange_finish(struct conn *c, struct exchange *x)
{
    TAILQ_REMOVE(&c->exchanges, x, entry);
    c->n_exchanges--;
    c->handler->on_done(c->handler->ctx, x);
    exchange_free(x);
}

static void exchange_end(struct exchange *x)
{
    struct conn *c = x->conn;
    ASSERT(c && x->state == EXCHANGE_RUNNING);
    x->state = EXCHANGE_ANSWERED;
    c->n_running--;
    c->n_blocking -= !x->allow_next;
    c->frame_bytes -= x->frame_len;
    exchange_unqueue(x);
    frame_release(x);
    c->output_left += answer_left(&x->answer);
    conn_progress(c);
}

void exchange_answer(struct exchange *x, const struct answer *answer)
{
    x->answer = *answer;
    exchange_end(x);
}

void exchange_skip(struct exchange *x)
{
    exchange_end(x);
}

void exchange_close(struct exchange *x)
{
    x->close = true;
    x->conn->ended = true;
    exchange_end(x);
}

void exchange_await_others(struct exchange *x)
{
    intake_leave(x);
}

void exchange_queue(struct exchange *x)
{
    if (!x->queued) {
        x->queued = true;
        intake_queued(x->intake);
    }
}

void exchange_unqueue(struct exchange *x)
{
    if (x->queued) {
        x->queued = false;
        intake_unqueued(x->intake);
    }
}

void exchange_allow_next(struct exchange *x)
{
    ASSERT(x->conn && x->state == EXCHANGE_RUNNING);
    if (!x->allow_next) {
        x->allow_next = true;
        x->conn->n_blocking--;
        conn_progress(x->conn);
    }
}

void exchange_release(struct exchange *x)
{
    ASSERT(!x->conn);
    exchange_free(x);
}

// ---- input ----

static bool frame_allowed(const struct conn *c)
{
    return !c->shard->draining && c->n_exchanges < CONN_MAX_IN_FLIGHT && c->n_blocking == 0 &&
           c->output_left <= CONN_MAX_OUTPUT_BYTES &&
           (c->n_running == 0 || c->frame_bytes + c->in.len <= CONN_MAX_FRAME_BYTES) &&
           intake_may_queue(c->shard->intake, &c->shard->room);
}

static void frame_give_out(struct conn *c)
{
    struct exchange *x = malloc(c->handler->exchange_size);
    if (!x) {
        log_error("net", "closing %s: out of memory", c->peer);
        c->broken = true;
        return;
    }
    memset(x, 0, c->handler->exchange_size);
    x->conn = c;
    x->intake = c->shard->intake;
    x->frame = input_take(&c->in, &x->frame_len);
    c->frame_bytes += x->frame_len;
    x->intake_bytes = c->begun_bytes; // the exchange's from here on
    c->begun_bytes = 0;
    x->state = EXCHANGE_RUNNING;
    TAILQ_INSERT_TAIL(&c->exchanges, x, entry);
    c->n_exchanges++;
    c->n_running++;
    c->n_blocking++;
    c->handler->on_frame(c->handler->ctx, x);
}

// What a peer that speaks something else begins with, read as a size.
static const char *stranger_name(const uint8_t head[4])
{
    if (head[0] == 0x16 && head[1] == 0x03) {
        return " (it looks like TLS)";
    }
    if (memcmp(head, "GET ", 4) == 0 || memcmp(head, "POST", 4) == 0 || memcmp(head, "HEAD", 4) == 0) {
        return " (it looks like HTTP)";
    }
    return "";
}

static void input_refuse(struct conn *c, enum err e)
{
    int dropped;
    c->ended = true;
    if (!log_limit_pass(&c->shard->refusals, loop_now_ms(c->loop), &dropped)) {
        return;
    }
    if (e == ERR_NO_MEMORY) {
        log_error("net", "closing %s: no memory for a frame of %d bytes", c->peer, (int)input_size(&c->in));
        return;
    }
    log_warn("net", "closing %s: it announces a frame of %d bytes, 1 to %d are allowed%s%s", c->peer,
             (int)input_size(&c->in), (int)c->in.max_frame_bytes, stranger_name(c->in.head),
             dropped > 0 ? "; more such lines were left out" : "");
}

// The size of a frame is there: begins it. False: it is refused, or there is no room for it now.
static bool frame_begin(struct conn *c)
{
    enum err e = input_check(&c->in);
    if (e == ERR_OK) {
        size_t len = (size_t)input_size(&c->in);
        if (!intake_begin(c->shard->intake, len, &c->shard->room)) {
            return false;
        }
        c->begun_bytes = len;
        e = input_begin(&c->in);
    }
    if (e != ERR_OK) {
        input_refuse(c, e);
    }
    return e == ERR_OK;
}

// Gives out the frames that may be and of which all bytes are there. Answers how many of the bytes were used.
static size_t input_use(struct conn *c, const uint8_t *data, size_t len)
{
    size_t used = 0;
    while (!c->ended && !c->broken) {
        if (input_is_whole(&c->in)) {
            if (!frame_allowed(c)) {
                break;
            }
            frame_give_out(c);
            continue;
        }
        if (input_has_size(&c->in)) {
            if (!frame_begin(c)) {
                break;
            }
            continue;
        }
        if (used == len) {
            break;
        }
        size_t n;
        enum err e = input_feed(&c->in, data + used, len - used, &n);
        used += n;
        if (e != ERR_OK) {
            input_refuse(c, e);
        }
    }
    return used;
}

// Gives out frames that had to wait. True: there were some.
static bool input_resume(struct conn *c)
{
    int before = c->n_exchanges;
    c->stash_used += input_use(c, c->stash ? c->stash + c->stash_used : NULL, c->stash_len - c->stash_used);
    if (c->stash && c->stash_used == c->stash_len) {
        free(c->stash);
        c->stash = NULL;
        c->stash_len = 0;
        c->stash_used = 0;
    }
    return c->n_exchanges != before;
}

static void input_put_aside(struct conn *c, const uint8_t *data, size_t len)
{
    if (len == 0 || c->ended || c->broken) {
        return;
    }
    c->stash = malloc(len);
    if (!c->stash) {
        log_error("net", "closing %s: out of memory", c->peer);
        c->broken = true;
        return;
    }
    memcpy(c->stash, data, len);
    c->stash_len = len;
}

static bool wants_input(const struct conn *c)
{
    return !c->eof && !c->ended && !c->broken && !c->shard->draining && !c->stash && !input_is_whole(&c->in) &&
           !input_has_size(&c->in);
}

// One read call and what follows from it. True: the socket may have more.
static bool conn_read(struct conn *c)
{
    struct iovec iov[2];
    uint8_t *room;
    enum err e = input_room(&c->in, &room, &iov[0].iov_len);
    if (e != ERR_OK) {
        input_refuse(c, e);
        return false;
    }
    iov[0].iov_base = room;
    iov[1] = (struct iovec){.iov_base = loop_scratch(c->loop), .iov_len = LOOP_SCRATCH_BYTES};
    int skip = iov[0].iov_len == 0;
    ssize_t n = readv(c->fd, iov + skip, 2 - skip);
    if (n < 0) {
        c->broken = errno != EAGAIN && errno != EINTR;
        return errno == EINTR;
    }
    if (n == 0) {
        c->eof = true;
        return false;
    }
    c->active_ms = loop_now_ms(c->loop);
    size_t got = (size_t)n;
    bool full = got == iov[0].iov_len + iov[1].iov_len;
    size_t direct = got < iov[0].iov_len ? got : iov[0].iov_len;
    if (direct > 0) {
        input_filled(&c->in, direct);
    }
    const uint8_t *rest = iov[1].iov_base;
    size_t used = input_use(c, rest, got - direct);
    input_put_aside(c, rest + used, got - direct - used);
    return full;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct conn *c = ctx;
    c->busy = true;
    for (int i = 0; i < READ_ROUNDS && wants_input(c) && conn_read(c); i++) {
    }
    c->busy = false;
    conn_progress(c);
}

// ---- output ----

// Sends memory of as many answers as are ready, up to the first stretch of a file. What is in *sendable was tried.
static ssize_t memory_send(struct conn *c, size_t *sendable)
{
    struct iovec iov[SEND_PIECES];
    size_t n = 0;
    bool file_follows = false;
    *sendable = 0;
    struct exchange *x;
    TAILQ_FOREACH (x, &c->exchanges, entry) {
        if (x->state == EXCHANGE_RUNNING || n == SEND_PIECES || file_follows) {
            break;
        }
        struct answer_piece piece = answer_next(&x->answer);
        if (piece.len == 0 && !x->close) {
            continue;
        }
        if (piece.len == 0 || !piece.data) {
            file_follows = piece.len > 0;
            break;
        }
        iov[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)piece.data, .iov_len = piece.len};
        *sendable += piece.len;
        file_follows = piece.len < answer_left(&x->answer);
    }
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
    return sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT | (file_follows ? MSG_MORE : 0));
}

static ssize_t file_send(struct conn *c, const struct answer_piece *piece, size_t *sendable)
{
    off_t position = (off_t)piece->position;
    *sendable = piece->len < SEND_QUANTUM ? piece->len : SEND_QUANTUM;
    ssize_t n = sendfile(c->fd, piece->fd, &position, *sendable);
    if (n == 0) {
        errno = ENODATA; // the file ends before what was announced
        return -1;
    }
    return n;
}

// Marks n bytes of the answers at the head as sent.
static void sent_note(struct conn *c, size_t n)
{
    c->output_left -= n;
    c->active_ms = loop_now_ms(c->loop);
    for (struct exchange *x = TAILQ_FIRST(&c->exchanges); n > 0; x = TAILQ_NEXT(x, entry)) {
        size_t len = answer_next(&x->answer).len;
        size_t part = n < len ? n : len;
        answer_advance(&x->answer, part);
        n -= part;
    }
}

// Finishes exchanges at the head that are sent. The first that has something to send, or NULL.
static struct exchange *output_head(struct conn *c)
{
    for (;;) {
        struct exchange *x = TAILQ_FIRST(&c->exchanges);
        if (!x || x->state == EXCHANGE_RUNNING) {
            return NULL;
        }
        if (answer_next(&x->answer).len > 0) {
            return x;
        }
        c->broken = c->broken || x->close;
        exchange_finish(c, x);
        if (c->broken) {
            return NULL;
        }
    }
}

static void send_failed(struct conn *c, int error)
{
    c->broken = error != EAGAIN;
    if (c->broken && error != EPIPE && error != ECONNRESET) { // a peer that goes away is nothing to tell
        log_warn("net", "closing %s: an answer cannot be sent: %s", c->peer,
                 error == ENODATA ? "a log was cut meanwhile" : strerror(error));
    }
}

// Sends what is ready and what the socket takes. c->broken when it failed.
static void conn_send(struct conn *c)
{
    size_t total = 0;
    struct exchange *x = output_head(c);
    while (x && total < SEND_QUANTUM) {
        struct answer_piece piece = answer_next(&x->answer);
        size_t sendable;
        ssize_t n = piece.data ? memory_send(c, &sendable) : file_send(c, &piece, &sendable);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            send_failed(c, errno);
            return;
        }
        sent_note(c, (size_t)n);
        total += (size_t)n;
        x = output_head(c);
        if (piece.data && (size_t)n < sendable) {
            return; // the socket is full
        }
    }
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    conn_progress(ctx);
}

// ---- life ----

// What lies unread in the socket would turn the close into a reset, and that can destroy answers on their way.
static void input_discard(int fd)
{
    uint8_t buf[4096];
    for (int i = 0; i < DISCARD_ROUNDS && recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0; i++) {
    }
}

void conn_free(struct conn *c)
{
    if (c->read_ev) {
        event_free(c->read_ev);
    }
    if (c->write_ev) {
        event_free(c->write_ev);
    }
    timer_release(&c->idle);
    intake_end(c->shard->intake, c->begun_bytes);
    input_release(&c->in);
    free(c->stash);
    free(c);
}

static void conn_destroy(struct conn *c)
{
    struct exchange *x;
    c->busy = true;
    while ((x = TAILQ_FIRST(&c->exchanges)) != NULL) {
        TAILQ_REMOVE(&c->exchanges, x, entry);
        x->conn = NULL;
        if (x->state == EXCHANGE_RUNNING) {
            c->handler->on_abort(c->handler->ctx, x);
        } else {
            c->handler->on_done(c->handler->ctx, x);
            exchange_free(x);
        }
    }
    log_debug("net", "closed %s", c->peer);
    event_del(c->read_ev);
    event_del(c->write_ev);
    input_discard(c->fd);
    close(c->fd);
    TAILQ_REMOVE(&c->shard->conns, c, entry);
    loop_load_add(c->loop, -1);
    struct listener *l = c->shard->listener;
    char host[CONN_HOST_BYTES];
    memcpy(host, c->host, sizeof host);
    conn_free(c);
    listener_forget(l, host);
}

static void event_switch(struct event *ev, bool *on, bool want)
{
    if (*on != want) {
        int rc = want ? event_add(ev, NULL) : event_del(ev);
        ASSERT(rc == 0);
        *on = want;
    }
}

// Does everything that can be done now. c may be gone afterwards.
static void conn_progress(struct conn *c)
{
    if (c->busy) {
        return;
    }
    c->busy = true;
    do {
        conn_send(c);
    } while (!c->broken && input_resume(c));
    c->busy = false;

    bool last = c->ended || c->eof || c->shard->draining; // no further frame will come
    if (c->broken || (last && c->n_exchanges == 0)) {
        conn_destroy(c);
        return;
    }
    struct exchange *head = TAILQ_FIRST(&c->exchanges);
    event_switch(c->read_ev, &c->reading, wants_input(c));
    event_switch(c->write_ev, &c->writing, head && head->state == EXCHANGE_ANSWERED);
}

// An exchange that runs is no idleness; an answer that nobody takes is.
static void on_idle(void *ctx)
{
    struct conn *c = ctx;
    int64_t left_ms = c->max_idle_ms - (loop_now_ms(c->loop) - c->active_ms);
    if (c->n_running > 0) {
        left_ms = c->max_idle_ms;
    }
    if (left_ms > 0) {
        timer_set(&c->idle, left_ms);
        return;
    }
    log_debug("net", "%s has been idle for %lld ms", c->peer, (long long)c->max_idle_ms);
    conn_destroy(c);
}

static void peer_format(struct conn *c, const struct sockaddr_in6 *peer)
{
    int port = ntohs(peer->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&peer->sin6_addr)) {
        inet_ntop(AF_INET, &peer->sin6_addr.s6_addr[12], c->host, sizeof c->host);
        snprintf(c->peer, sizeof c->peer, "%s:%d", c->host, port);
    } else {
        inet_ntop(AF_INET6, &peer->sin6_addr, c->host, sizeof c->host);
        snprintf(c->peer, sizeof c->peer, "[%s]:%d", c->host, port);
    }
}

// On its loop for the first time.
static void conn_begin(struct mailbox_item *item)
{
    struct conn *c = (struct conn *)item;
    TAILQ_INSERT_TAIL(&c->shard->conns, c, entry);
    c->active_ms = loop_now_ms(c->loop);
    log_debug("net", "accepted %s", c->peer);
    if (c->max_idle_ms >= 0) {
        timer_set(&c->idle, c->max_idle_ms);
    }
    conn_progress(c); // begins to read, or goes away when the listener drains
}

struct conn *conn_new(const struct conn_options *o)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    c->item.run = conn_begin;
    c->shard = o->shard;
    c->loop = o->shard->loop;
    c->handler = o->handler;
    c->fd = o->fd;
    c->id = o->id;
    c->max_idle_ms = o->max_idle_ms;
    TAILQ_INIT(&c->exchanges);
    input_init(&c->in, o->max_frame_bytes);
    peer_format(c, o->peer);
    struct event_base *base = loop_base(c->loop);
    c->read_ev = event_new(base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
    c->write_ev = event_new(base, c->fd, EV_WRITE | EV_PERSIST, on_writable, c);
    if (!c->read_ev || !c->write_ev || timer_init(&c->idle, c->loop, on_idle, c) != ERR_OK) {
        conn_free(c);
        return NULL;
    }
    return c;
}

void conn_start(struct conn *c)
{
    loop_load_add(c->loop, 1);
    loop_post(c->loop, &c->item);
}

void conn_resume(struct conn *c)
{
    conn_progress(c);
}

void conn_drain(struct conn *c)
{
    struct exchange *x;
    c->busy = true;
    TAILQ_FOREACH (x, &c->exchanges, entry) {
        if (x->state == EXCHANGE_RUNNING && c->handler->on_drain) {
            c->handler->on_drain(c->handler->ctx, x);
        }
    }
    c->busy = false;
    conn_progress(c);
}

void conn_abort(struct conn *c)
{
    conn_destroy(c);
}

struct conn *conn_next(const struct conn *c)
{
    return TAILQ_NEXT(c, entry);
}

int64_t conn_active_ms(const struct conn *c)
{
    return c->active_ms;
}

const char *conn_peer(const struct conn *c)
{
    return c->peer;
}

const char *conn_peer_host(const struct conn *c)
{
    return c->host;
}

const struct listener *conn_listener(const struct conn *c)
{
    return c->shard->listener;
}

struct loop *conn_loop(const struct conn *c)
{
    return c->loop;
}

uint64_t conn_id(const struct conn *c)
{
    return c->id;
}
