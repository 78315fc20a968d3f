// SPDX-License-Identifier: Apache-2.0
//
// See drive.h. What always holds: answered <= sent <= given on each connection, and at most in_flight lie between
// answered and sent; a request that is given but not sent waits for room in the window or in the socket.
#include "bench/drive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "bench/sockets.h"

#define EVENTS_MAX  256
#define SCRATCH_LEN (256 * 1024)

struct conn {
    int fd;
    int number;
    int64_t given, sent, answered;
    size_t sent_bytes;   // of the request after the last one sent in full
    int64_t *sent_ns;    // closed loop: when request i was begun, at i % in_flight
    bool wants_writable; // as epoll knows it
    int wake_bytes;      // as the socket knows them
    bool fenced;         // the ApiVersions at the end of unanswered requests has been sent
    size_t answer_left;  // bytes of the current answer that are still to come
    size_t head_len;     // of the current answer, with its size field
    uint8_t head[4 + FRAME_ANSWER_HEAD_MAX];
};

struct driver {
    const struct drive_plan *plan;
    struct drive_result *result;
    int epoll;
    int timer;
    int64_t begin_ns, end_ns;
    double interval_ns;      // open loop
    int64_t given, answered; // over all connections
    bool giving;             // until the requests are given or the time is over
    int fenced;              // connections whose ApiVersions at the end was answered
    struct conn *conns;
    struct writer fence;
    uint32_t seen; // CRCs of what was received
    uint8_t scratch[SCRATCH_LEN];
};

static int64_t due_ns(const struct driver *d, int64_t number)
{
    return d->begin_ns + (int64_t)((double)number * d->interval_ns);
}

// When request i of this connection was due: in the open loop by the clock, in the closed one when it was begun.
static int64_t conn_due_ns(const struct driver *d, const struct conn *c, int64_t i)
{
    if (d->plan->rate > 0) {
        return due_ns(d, i * d->plan->connections + c->number);
    }
    return c->sent_ns[i % d->plan->in_flight];
}

static void conn_watch(struct driver *d, struct conn *c, bool writable)
{
    if (c->wants_writable != writable) {
        struct epoll_event e = {.events = EPOLLIN | (writable ? (uint32_t)EPOLLOUT : 0), .data.ptr = c};
        if (epoll_ctl(d->epoll, EPOLL_CTL_MOD, c->fd, &e) != 0) {
            bench_fail("epoll_ctl");
        }
        c->wants_writable = writable;
    }
}

// Sends what is left of the frame; false when the socket is full.
static bool conn_send(struct driver *d, struct conn *c, const struct writer *frame)
{
    while (c->sent_bytes < frame->len) {
        ssize_t n = send(c->fd, frame->data + c->sent_bytes, frame->len - c->sent_bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            conn_watch(d, c, true);
            return false;
        }
        if (n <= 0) {
            bench_fail("send");
        }
        c->sent_bytes += (size_t)n;
        d->result->bytes_out += n;
    }
    c->sent_bytes = 0;
    return true;
}

// Closed loop: whoever has room in its window takes one of the requests that are left.
static bool conn_take(struct driver *d, struct conn *c)
{
    if (c->sent < c->given) {
        return true;
    }
    if (d->plan->rate > 0 || !d->giving) {
        return false;
    }
    c->sent_ns[c->given++ % d->plan->in_flight] = bench_now_ns();
    d->giving = ++d->given < d->plan->requests && (d->end_ns == 0 || bench_now_ns() < d->end_ns);
    return true;
}

static void conn_push(struct driver *d, struct conn *c)
{
    const struct drive_plan *p = d->plan;
    while (c->sent - c->answered < p->in_flight && conn_take(d, c)) {
        int64_t at = (c->sent * p->connections + c->number) % p->n_frames;
        if (!conn_send(d, c, &p->frames[at])) {
            return;
        }
        c->sent++;
        if (p->unanswered) {
            c->answered++;
            d->answered++;
        }
    }
    if (p->unanswered && !d->giving && c->sent == c->given && !c->fenced) {
        c->fenced = conn_send(d, c, &d->fence);
        if (!c->fenced) {
            return;
        }
    }
    conn_watch(d, c, false);
}

static void conn_answered(struct driver *d, struct conn *c)
{
    size_t records, records_at;
    struct slice head = slice_of(c->head + 4, c->head_len - 4);
    enum frame_kind kind = d->plan->unanswered ? FRAME_API_VERSIONS : d->plan->kind;
    int error = frame_answer_check(kind, head, &records, &records_at);
    if (error != 0) {
        fprintf(stderr, "load: a request was answered with error %d\n", error);
        exit(1);
    }
    if (d->plan->unanswered) {
        d->fenced++;
        return;
    }
    histogram_add(&d->result->latency, bench_now_ns() - conn_due_ns(d, c, c->answered));
    c->answered++;
    d->answered++;
}

// Takes bytes that have come apart into answers; only the head of each is kept.
static void conn_feed(struct driver *d, struct conn *c, const uint8_t *data, size_t len)
{
    while (len > 0) {
        size_t wanted = c->head_len < 4 ? 4 - c->head_len : c->answer_left;
        size_t n = len < wanted ? len : wanted;
        size_t kept = n < sizeof c->head - c->head_len ? n : sizeof c->head - c->head_len;
        memcpy(c->head + c->head_len, data, kept);
        bool in_size_field = c->head_len < 4;
        c->head_len += kept;
        data += n;
        len -= n;
        if (!in_size_field) {
            c->answer_left -= n;
        } else if (c->head_len == 4) {
            c->answer_left = load_be32(c->head);
        }
        if (c->head_len >= 4 && c->answer_left == 0) {
            conn_answered(d, c);
            c->head_len = 0;
        }
    }
}

// The kernel wakes the client up when so much has come that it is worth it. On a network that costs the client's
// machine; on the loopback it is done in the broker's name, segment by segment.
static void conn_set_wake(struct conn *c, int most)
{
    size_t left = c->head_len >= 4 ? c->answer_left : 1;
    int bytes = left < (size_t)most ? (int)left : most;
    if (bytes != c->wake_bytes && setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes) != 0) {
        bench_fail("SO_RCVLOWAT");
    }
    c->wake_bytes = bytes;
}

static void conn_receive(struct driver *d, struct conn *c)
{
    ssize_t n = recv(c->fd, d->scratch, sizeof d->scratch, 0);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        bench_fail("the connection was closed");
    }
    d->result->bytes_in += n;
    // Every byte is looked at, as a consumer that checks its batches does. One that throws them away is quicker than
    // any broker: it sleeps after each segment, and the broker is measured at waking it up.
    d->seen ^= crc32c(d->scratch, (size_t)n);
    conn_feed(d, c, d->scratch, (size_t)n);
    if (d->plan->wake_bytes > 0) {
        conn_set_wake(c, d->plan->wake_bytes);
    }
}

// Open loop: gives out what is due and sets the timer for the next.
static void give_due(struct driver *d)
{
    const struct drive_plan *p = d->plan;
    int64_t now = bench_now_ns();
    while (d->giving && due_ns(d, d->given) <= now) {
        struct conn *c = &d->conns[d->given % p->connections];
        d->given++;
        c->given++;
        d->giving = d->given < p->requests && (d->end_ns == 0 || due_ns(d, d->given) < d->end_ns);
        conn_push(d, c);
    }
    if (d->giving) {
        bench_timer_set(d->timer, due_ns(d, d->given));
    }
}

static bool all_done(const struct driver *d)
{
    const struct drive_plan *p = d->plan;
    return !d->giving && d->answered == d->given && (!p->unanswered || d->fenced == p->connections);
}

static void open_all(struct driver *d)
{
    const struct drive_plan *p = d->plan;
    d->epoll = epoll_create1(0);
    d->timer = bench_timer_open();
    d->conns = calloc((size_t)p->connections, sizeof *d->conns);
    if (d->epoll < 0 || d->conns == NULL) {
        bench_fail("setting up");
    }
    epoll_ctl(d->epoll, EPOLL_CTL_ADD, d->timer, &(struct epoll_event){.events = EPOLLIN | EPOLLET});
    for (int i = 0; i < p->connections; i++) {
        struct conn *c = &d->conns[i];
        c->number = i;
        c->fd = bench_connect(p->port);
        c->sent_ns = calloc((size_t)p->in_flight, sizeof *c->sent_ns);
        bench_nonblocking(c->fd);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (c->sent_ns == NULL || epoll_ctl(d->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0) {
            bench_fail("setting up");
        }
    }
    writer_init(&d->fence, 64, 1024);
    frame_api_versions(&d->fence);
}

static void close_all(struct driver *d)
{
    for (int i = 0; i < d->plan->connections; i++) {
        close(d->conns[i].fd);
        free(d->conns[i].sent_ns);
    }
    free(d->conns);
    close(d->timer);
    close(d->epoll);
    writer_release(&d->fence);
}

static void push_all(struct driver *d)
{
    for (int i = 0; i < d->plan->connections; i++) {
        conn_push(d, &d->conns[i]);
    }
}

static void run(struct driver *d)
{
    struct epoll_event events[EVENTS_MAX];
    bool was_giving = true;
    d->giving = d->plan->requests > 0;
    push_all(d);
    while (!all_done(d)) {
        if (d->plan->rate > 0) {
            give_due(d);
        }
        if (was_giving && !d->giving) {
            push_all(d); // the fences of the unanswered
            was_giving = false;
            continue;
        }
        int n = epoll_wait(d->epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (c != NULL && events[i].events & EPOLLIN) {
                conn_receive(d, c);
            }
            if (c != NULL) {
                conn_push(d, c);
            }
        }
    }
}

void drive(const struct drive_plan *plan, struct drive_result *result)
{
    struct driver *d = calloc(1, sizeof *d);
    if (d == NULL) {
        bench_fail("setting up");
    }
    d->plan = plan;
    d->result = result;
    *result = (struct drive_result){0};
    open_all(d);
    d->begin_ns = bench_now_ns();
    d->end_ns = plan->seconds > 0 ? d->begin_ns + (int64_t)(plan->seconds * 1e9) : 0;
    d->interval_ns = plan->rate > 0 ? 1e9 / plan->rate : 0;
    run(d);
    result->requests = d->given;
    result->seconds = (double)(bench_now_ns() - d->begin_ns) / 1e9;
    close_all(d);
    free(d);
}
