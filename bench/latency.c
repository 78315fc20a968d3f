// SPDX-License-Identifier: Apache-2.0
//
// See latency.h. Offset `first` + n is record n % records of request n / records. Each consumer has one Fetch under
// way, which waits for one byte; it asks for the next as soon as it has an answer.
#include "bench/latency.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/ask.h"
#include "bench/frames.h"
#include "bench/sockets.h"

#define EVENTS_MAX    64
#define FETCH_BYTES   (4 * 1024 * 1024)
#define FETCH_WAIT_MS 500
#define RETRY_NS      100000 // for a socket that was full
#define ANSWER_CAP    (FETCH_BYTES + 64 * 1024)

struct peer {
    int fd;
    int64_t next_offset; // of a consumer
    size_t len;          // bytes in the buffer
    uint8_t *buffer;     // ANSWER_CAP bytes
};

struct meter {
    const struct latency_plan *plan;
    struct latency_result *result;
    int epoll;
    int timer;
    int64_t begin_ns;
    double interval_ns;
    int64_t requests; // of the whole run
    int64_t warm;     // of them at the beginning, not counted
    int64_t sent, answered;
    size_t sent_bytes; // of the request after the last one sent in full
    int64_t first;     // offset
    int waiting;       // consumers that have not got everything
    struct writer produce, fetch;
    struct peer producer;
    struct peer *consumers;
};

static int64_t due_ns(const struct meter *m, int64_t request)
{
    return m->begin_ns + (int64_t)((double)request * m->interval_ns);
}

static void note(const struct meter *m, struct histogram *h, int64_t request)
{
    if (request >= m->warm) {
        histogram_add(h, bench_now_ns() - due_ns(m, request));
    }
}

static void produce_due(struct meter *m)
{
    while (m->sent < m->requests && due_ns(m, m->sent) <= bench_now_ns()) {
        const struct writer *w = &m->produce;
        ssize_t n = send(m->producer.fd, w->data + m->sent_bytes, w->len - m->sent_bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            break; // the timer comes again, and the time that passes counts
        }
        if (n <= 0) {
            bench_fail("send");
        }
        m->result->bytes_out += n;
        m->sent_bytes += (size_t)n;
        if (m->sent_bytes == w->len) {
            m->sent_bytes = 0;
            m->sent++;
        }
    }
    if (m->sent < m->requests) {
        int64_t due = due_ns(m, m->sent), soon = bench_now_ns() + RETRY_NS;
        bench_timer_set(m->timer, due > soon ? due : soon);
    }
}

static void consumer_ask(struct meter *m, struct peer *c)
{
    struct frame_fetch_range range = {.offset = c->next_offset, .max_bytes = FETCH_BYTES, .max_wait_ms = FETCH_WAIT_MS};
    frame_fetch(&m->fetch, m->plan->topic, &range);
    if (send(c->fd, m->fetch.data, m->fetch.len, MSG_NOSIGNAL) != (ssize_t)m->fetch.len) {
        bench_fail("send");
    }
}

// Every batch is a request of ours; a batch that is cut off at the end comes again.
static void consumer_take(struct meter *m, struct peer *c, struct slice records)
{
    int64_t end = m->first + m->requests * m->plan->records;
    bool had_all = c->next_offset == end;
    for (size_t at = 0; at + BATCH_HEADER <= records.len;) {
        size_t len = batch_len(records.data + at);
        int64_t offset = (int64_t)load_be64(records.data + at);
        if (at + len > records.len) {
            break;
        }
        if (offset >= c->next_offset) {
            note(m, &m->result->delivered, (offset - m->first) / m->plan->records);
            c->next_offset = offset + m->plan->records;
        }
        at += len;
    }
    if (!had_all && c->next_offset == end) {
        m->waiting--;
    }
}

static void answer_take(struct meter *m, struct peer *p, struct slice answer)
{
    bool is_producer = p == &m->producer;
    size_t records, records_at;
    int error = frame_answer_check(is_producer ? FRAME_PRODUCE : FRAME_FETCH, answer, &records, &records_at);
    if (error != 0) {
        fprintf(stderr, "load: a %s was answered with error %d\n", is_producer ? "Produce" : "Fetch", error);
        exit(1);
    }
    if (is_producer) {
        note(m, &m->result->produced, m->answered++);
        return;
    }
    consumer_take(m, p, slice_of(answer.data + records_at, records));
    if (m->waiting > 0) {
        consumer_ask(m, p);
    }
}

static void peer_receive(struct meter *m, struct peer *p)
{
    ssize_t n = recv(p->fd, p->buffer + p->len, ANSWER_CAP - p->len, 0);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        bench_fail("the connection was closed");
    }
    p->len += (size_t)n;
    m->result->bytes_in += n;
    size_t at = 0;
    while (p->len - at >= 4) {
        size_t len = load_be32(p->buffer + at);
        if (len > ANSWER_CAP - 4) {
            bench_fail("an answer of impossible size");
        }
        if (p->len - at - 4 < len) {
            break;
        }
        answer_take(m, p, slice_of(p->buffer + at + 4, len));
        at += 4 + len;
    }
    memmove(p->buffer, p->buffer + at, p->len - at);
    p->len -= at;
}

static void peer_open(struct meter *m, struct peer *p)
{
    p->fd = bench_connect(m->plan->port);
    p->buffer = malloc(ANSWER_CAP);
    bench_nonblocking(p->fd);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
    if (p->buffer == NULL || epoll_ctl(m->epoll, EPOLL_CTL_ADD, p->fd, &e) != 0) {
        bench_fail("setting up");
    }
}

static void peer_close(struct peer *p)
{
    close(p->fd);
    free(p->buffer);
}

static void meter_open(struct meter *m)
{
    const struct latency_plan *plan = m->plan;
    struct frame_records records = {
        .acks = plan->acks, .record_bytes = plan->record_bytes, .count = (int32_t)plan->records};
    writer_init(&m->produce, 1024, 64 * 1024 * 1024);
    writer_init(&m->fetch, 256, 1024);
    frame_produce(&m->produce, plan->topic, 0, &records);
    m->first = ask_end_offset(plan->port, plan->topic);
    m->epoll = epoll_create1(0);
    m->timer = bench_timer_open();
    m->consumers = calloc((size_t)plan->consumers, sizeof *m->consumers);
    if (m->epoll < 0 || m->consumers == NULL) {
        bench_fail("setting up");
    }
    epoll_ctl(m->epoll, EPOLL_CTL_ADD, m->timer, &(struct epoll_event){.events = EPOLLIN | EPOLLET});
    peer_open(m, &m->producer);
    for (int i = 0; i < plan->consumers; i++) {
        peer_open(m, &m->consumers[i]);
        m->consumers[i].next_offset = m->first;
        consumer_ask(m, &m->consumers[i]);
    }
    m->waiting = plan->consumers;
}

static void meter_close(struct meter *m)
{
    peer_close(&m->producer);
    for (int i = 0; i < m->plan->consumers; i++) {
        peer_close(&m->consumers[i]);
    }
    free(m->consumers);
    close(m->timer);
    close(m->epoll);
    writer_release(&m->produce);
    writer_release(&m->fetch);
}

static void run(struct meter *m)
{
    struct epoll_event events[EVENTS_MAX];
    while (m->waiting > 0 || m->answered < m->requests) {
        produce_due(m);
        int n = epoll_wait(m->epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr != NULL) {
                peer_receive(m, events[i].data.ptr);
            }
        }
    }
}

void latency_measure(const struct latency_plan *plan, struct latency_result *result)
{
    struct meter m = {.plan = plan, .result = result, .interval_ns = 1e9 / plan->rate};
    *result = (struct latency_result){0};
    m.requests = (int64_t)(plan->seconds * plan->rate);
    m.warm = (int64_t)(plan->warm_s * plan->rate);
    meter_open(&m);
    m.begin_ns = bench_now_ns();
    run(&m);
    result->requests = m.sent;
    result->seconds = (double)(bench_now_ns() - m.begin_ns) / 1e9;
    meter_close(&m);
}
