// SPDX-License-Identifier: Apache-2.0
//
// See the header. The handler runs on loops; tests look at the server under its mutex.
#include "broker/net/tests/echo_server.h"

#include "base/bytes.h"
#include "base/tests/cmocka_all.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct parked {
    struct exchange x; // first
    TAILQ_ENTRY(parked) entry;
    struct mailbox_item item;
    struct echo_server *s;
    struct loop *loop;
    char tag;
    uint8_t *bytes;
    size_t total;
    struct answer_file file;
};

static char tag_of(const struct exchange *x)
{
    return ((const struct parked *)x)->tag;
}

static void event_note(struct echo_server *s, char kind, const struct exchange *x)
{
    size_t len = strlen(s->events);
    if (len + 3 < sizeof s->events) {
        s->events[len] = kind;
        s->events[len + 1] = tag_of(x);
        s->events[len + 2] = '\0';
    }
}

static void answer_send(struct echo_server *s, struct parked *p, size_t len, size_t file_at)
{
    struct answer a = {.bytes = p->bytes, .len = 4 + len};
    if (p->x.frame[0] == 'f') {
        p->file = (struct answer_file){.at = file_at, .fd = s->file_fd, .position = 1, .len = s->file_len};
        a.files = &p->file;
        a.files_count = 1;
    }
    store_be32(p->bytes, (uint32_t)(len + p->file.len));
    p->total = a.len + p->file.len;
    mutex_lock(&s->mu);
    s->outstanding += p->total;
    mutex_unlock(&s->mu);
    exchange_answer(&p->x, &a);
}

static void answer_make(struct echo_server *s, struct parked *p)
{
    size_t len = p->x.frame[0] == 'b' ? s->big_bytes : p->x.frame_len;
    p->bytes = malloc(4 + len + 1);
    assert_non_null(p->bytes);
    memset(p->bytes, 'B', 4 + len + 1);
    memcpy(p->bytes + 4, p->x.frame, p->x.frame_len < len ? p->x.frame_len : len);
    if (p->x.frame[0] == 'f') {
        p->bytes[4 + len] = 'F';
        answer_send(s, p, len + 1, 4 + len);
    } else {
        answer_send(s, p, len, 0);
    }
}

static void park(struct echo_server *s, struct parked *p)
{
    p->s = s;
    p->loop = conn_loop(p->x.conn);
    mutex_lock(&s->mu);
    TAILQ_INSERT_TAIL(&s->parked, p, entry);
    s->n_parked++;
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mu);
}

static void on_frame(void *ctx, struct exchange *x)
{
    struct echo_server *s = ctx;
    struct parked *p = (struct parked *)x;
    p->tag = x->frame_len > 1 ? (char)x->frame[1] : '?';
    mutex_lock(&s->mu);
    s->frames++;
    if (s->outstanding > s->max_outstanding) {
        s->max_outstanding = s->outstanding;
    }
    event_note(s, (char)x->frame[0], x);
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mu);
    switch (x->frame[0]) {
    case 's':
        exchange_skip(x);
        break;
    case 'c':
        exchange_close(x);
        break;
    case 'o':
    case 'x':
        exchange_await_others(x);
        park(s, p);
        exchange_allow_next(x);
        break;
    case 'w':
    case 'n':
        park(s, p);
        break;
    default:
        answer_make(s, p);
    }
}

static void on_done(void *ctx, struct exchange *x)
{
    struct echo_server *s = ctx;
    struct parked *p = (struct parked *)x;
    mutex_lock(&s->mu);
    s->done++;
    s->outstanding -= p->total;
    event_note(s, '-', x);
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mu);
    free(p->bytes);
}

static void on_abort(void *ctx, struct exchange *x)
{
    struct echo_server *s = ctx;
    assert_null(x->conn);
    mutex_lock(&s->mu);
    s->aborted++;
    event_note(s, '!', x);
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mu); // it stays parked: somebody else still refers to it
}

static void unpark(struct echo_server *s, struct parked *p)
{
    mutex_lock(&s->mu);
    TAILQ_REMOVE(&s->parked, p, entry);
    s->n_parked--;
    s->released++;
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mu);
}

static void on_drain(void *ctx, struct exchange *x)
{
    if (x->frame[0] == 'n') {
        unpark(ctx, (struct parked *)x);
        answer_make(ctx, (struct parked *)x);
    }
}

static void release_run(struct mailbox_item *item)
{
    struct parked *p = (struct parked *)((char *)item - offsetof(struct parked, item));
    struct echo_server *s = p->s;
    if (p->x.conn) {
        unpark(s, p);
        if (p->x.frame[0] == 'x') {
            exchange_close(&p->x);
        } else {
            answer_make(s, p);
        }
        return;
    }
    unpark(s, p);
    exchange_release(&p->x);
}

void echo_release(struct echo_server *s, char tag)
{
    mutex_lock(&s->mu);
    struct parked *p;
    TAILQ_FOREACH (p, &s->parked, entry) {
        if (tag_of(&p->x) == tag) {
            break;
        }
    }
    assert_non_null(p);
    int before = s->released;
    mutex_unlock(&s->mu);
    p->item.run = release_run;
    loop_post(p->loop, &p->item);
    mutex_lock(&s->mu);
    while (s->released == before) {
        cond_wait(&s->changed, &s->mu);
    }
    mutex_unlock(&s->mu);
}

static void await(struct echo_server *s, const int *count, int n)
{
    mutex_lock(&s->mu);
    while (*count < n) {
        cond_wait(&s->changed, &s->mu);
    }
    mutex_unlock(&s->mu);
}

void echo_await_parked(struct echo_server *s, int n)
{
    await(s, &s->n_parked, n);
}

void echo_await_frames(struct echo_server *s, int n)
{
    await(s, &s->frames, n);
}

void echo_await_aborted(struct echo_server *s, int n)
{
    await(s, &s->aborted, n);
}

void echo_await_done(struct echo_server *s, int n)
{
    await(s, &s->done, n);
}

void echo_await_connections(struct listener *l, int32_t n)
{
    while (listener_connections(l) != n) {
        sched_yield();
    }
}

static int locked_read(struct echo_server *s, const int *count)
{
    mutex_lock(&s->mu);
    int n = *count;
    mutex_unlock(&s->mu);
    return n;
}

int echo_frames(struct echo_server *s)
{
    return locked_read(s, &s->frames);
}

int echo_done(struct echo_server *s)
{
    return locked_read(s, &s->done);
}

void echo_init(struct echo_server *s)
{
    *s = (struct echo_server){.file_fd = -1};
    mutex_init(&s->mu, MUTEX_RANK_LEAF);
    cond_init(&s->changed);
    TAILQ_INIT(&s->parked);
    for (int i = 0; i < ECHO_LOOPS; i++) {
        assert_int_equal(loop_new("echo", os_real(), &s->loops[i]), ERR_OK);
        assert_int_equal(loop_start(s->loops[i]), ERR_OK);
    }
    assert_int_equal(conn_limits_new(&s->limits), ERR_OK);
    s->handler = (struct conn_handler){
        .exchange_size = sizeof(struct parked),
        .on_frame = on_frame,
        .on_drain = on_drain,
        .on_abort = on_abort,
        .on_done = on_done,
        .ctx = s,
    };
    s->intake_options = (struct intake_options){.max_bytes = -1, .max_queued = INT32_MAX};
    s->options = (struct listener_options){
        .name = "ECHO",
        .host = "127.0.0.1",
        .backlog = 50,
        .send_buffer_bytes = -1,
        .receive_buffer_bytes = -1,
        .max_frame_bytes = 16 * 1024 * 1024,
        .max_idle_ms = -1,
        .limits = s->limits,
        .loops = s->loops,
        .n_loops = ECHO_LOOPS,
        .handler = &s->handler,
        .user = s,
    };
}

void echo_start(struct echo_server *s)
{
    assert_int_equal(intake_new(&s->intake_options, &s->intake), ERR_OK);
    s->options.intake = s->intake;
    assert_int_equal(listener_open(&s->options, &s->listener), ERR_OK);
    listener_start(s->listener);
}

void echo_release_all(struct echo_server *s)
{
    listener_close(s->listener);
    while (!TAILQ_EMPTY(&s->parked)) {
        echo_release(s, tag_of(&TAILQ_FIRST(&s->parked)->x)); // all aborted by the close
    }
    assert_int_equal(s->outstanding, 0);
    conn_limits_free(s->limits);
    for (int i = 0; i < ECHO_LOOPS; i++) {
        assert_int_equal(loop_load(s->loops[i]), 0);
        loop_stop(s->loops[i]);
        loop_free(s->loops[i]);
    }
    intake_free(s->intake);
    cond_destroy(&s->changed);
    mutex_destroy(&s->mu);
}

// ---- the client's side ----

void client_connect_with(const struct echo_server *s, int fd)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(listener_port(s->listener))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
}

int client_connect(const struct echo_server *s)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    client_connect_with(s, fd);
    return fd;
}

void client_write(int fd, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

void client_send(int fd, const char *payload)
{
    uint8_t frame[256];
    size_t len = strlen(payload);
    assert_true(len + 4 <= sizeof frame);
    store_be32(frame, (uint32_t)len);
    memcpy(frame + 4, payload, len);
    client_write(fd, frame, len + 4);
}

void client_read(int fd, void *buf, size_t len)
{
    uint8_t *p = buf;
    while (len > 0) {
        ssize_t n = recv(fd, p, len, 0);
        assert_true(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

void client_expect(int fd, const char *payload)
{
    uint8_t head[4];
    char got[256] = "";
    client_read(fd, head, 4);
    assert_int_equal(load_be32(head), strlen(payload));
    client_read(fd, got, strlen(payload));
    assert_string_equal(got, payload);
}

void client_expect_end(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
}

void client_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}
