// SPDX-License-Identifier: Apache-2.0
//
// A line to one broker, against a broker that answers, hangs up, or answers nothing for long.
#include "broker/cluster/control_channel.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "broker/net/errand.h"

#define STOP_REPLICA         5
#define STOP_REPLICA_VERSION 4

struct scene {
    struct loop *loop;
    int listener;
    int conn; // of the broker's side
    struct control_channel *channel;
    struct control_channel_options options;
    bool free_in_answer;
    struct mutex mu; // leaf; guards the rest
    struct cond changed;
    char events[4096]; // "a<code>" an answer, "b" behind
};

// Something to be done on the channel's loop.
struct deed {
    struct scene *s;
    void (*fn)(struct scene *s, int32_t arg);
    int32_t arg;
};

static void deed_do(void *ctx)
{
    struct deed *d = ctx;
    d->fn(d->s, d->arg);
}

static void on_loop(struct scene *s, void (*fn)(struct scene *s, int32_t arg), int32_t arg)
{
    struct deed d = {s, fn, arg};
    struct errand e = {.under_way = false};
    assert_int_equal(errand_do(&e, s->loop, deed_do, &d, ERRAND_PATIENT), ERR_OK);
}

static void note(struct scene *s, const char *text)
{
    mutex_lock(&s->mu);
    size_t len = strlen(s->events);
    snprintf(s->events + len, sizeof s->events - len, "%s ", text);
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mu);
}

static void await(struct scene *s, const char *events)
{
    mutex_lock(&s->mu);
    while (strcmp(s->events, events) != 0) {
        assert_true(strlen(s->events) < strlen(events));
        cond_wait(&s->changed, &s->mu);
    }
    mutex_unlock(&s->mu);
}

static void do_free(struct scene *s, int32_t arg)
{
    (void)arg;
    control_channel_free(s->channel);
    s->channel = NULL;
}

static void on_answer(void *ctx, int32_t broker, int16_t key, bool erase, const void *response)
{
    struct scene *s = ctx;
    const struct stop_replica_response *r = response;
    char text[16];
    assert_int_equal(broker, 7);
    assert_int_equal(key, STOP_REPLICA);
    snprintf(text, sizeof text, "a%d%s", r->error_code, erase ? "e" : "");
    if (s->free_in_answer) {
        do_free(s, 0);
    }
    note(s, text);
}

static void on_behind(void *ctx, int32_t broker)
{
    assert_int_equal(broker, 7);
    note(ctx, "b");
}

static void do_new(struct scene *s, int32_t arg)
{
    (void)arg;
    s->channel = control_channel_new(&s->options);
    assert_non_null(s->channel);
}

// A request whose controller epoch says which it is.
static void do_send(struct scene *s, int32_t epoch)
{
    struct stop_replica_request in;
    stop_replica_request_init(&in);
    in.controller_epoch = epoch;
    control_channel_send(s->channel, STOP_REPLICA, STOP_REPLICA_VERSION, epoch % 2 == 1, &in);
}

static void do_send_many(struct scene *s, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        do_send(s, 100 + i);
    }
}

static void scene_begin(struct scene *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    memset(s, 0, sizeof *s);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s->listener, 4), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
    mutex_init(&s->mu, MUTEX_RANK_LEAF);
    cond_init(&s->changed);
    assert_int_equal(loop_new("channel", os_real(), &s->loop), ERR_OK);
    assert_int_equal(loop_start(s->loop), ERR_OK);
    s->options = (struct control_channel_options){.loop = s->loop,
                                                  .host = "127.0.0.1",
                                                  .port = ntohs(at.sin_port),
                                                  .broker = 7,
                                                  .client_id = "1",
                                                  .timeout_ms = 60000,
                                                  .on_answer = on_answer,
                                                  .on_behind = on_behind,
                                                  .ctx = s};
    on_loop(s, do_new, 0);
}

static void scene_end(struct scene *s)
{
    on_loop(s, do_free, 0);
    loop_stop(s->loop);
    loop_free(s->loop);
    cond_destroy(&s->changed);
    mutex_destroy(&s->mu);
    close(s->listener);
}

static void accept_it(struct scene *s)
{
    s->conn = accept(s->listener, NULL, NULL);
    assert_true(s->conn >= 0);
}

static void read_all(int fd, uint8_t *buf, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, buf + got, len - got, 0);
        assert_true(n > 0);
        got += (size_t)n;
    }
}

// The next request: its controller epoch. *correlation_id of its header.
static int32_t request_read(struct scene *s, int32_t *correlation_id)
{
    uint8_t buf[4096];
    struct arena a;
    struct request_header header;
    struct stop_replica_request in;
    arena_init(&a, 65536);
    read_all(s->conn, buf, 4);
    size_t len = load_be32(buf);
    assert_true(len <= sizeof buf);
    read_all(s->conn, buf, len);
    struct reader r = reader_of(slice_of(buf, len));
    assert_int_equal(message_decode(&request_header_desc, 2, &r, &a, &header), ERR_OK);
    assert_int_equal(header.request_api_version, STOP_REPLICA_VERSION);
    assert_true(slice_equal(header.client_id, slice_str("1")));
    assert_int_equal(message_decode(&stop_replica_request_desc, STOP_REPLICA_VERSION, &r, &a, &in), ERR_OK);
    *correlation_id = header.correlation_id;
    arena_release(&a);
    return in.controller_epoch;
}

static void answer(struct scene *s, int32_t correlation_id, int16_t code)
{
    struct stop_replica_response out;
    struct writer w;
    stop_replica_response_init(&out);
    out.error_code = code;
    writer_init(&w, 256, 4096);
    writer_u32(&w, 0);
    writer_u32(&w, (uint32_t)correlation_id);
    writer_uvarint(&w, 0);
    assert_int_equal(message_encode(&stop_replica_response_desc, STOP_REPLICA_VERSION, &out, &w, NULL), ERR_OK);
    store_be32(w.data, (uint32_t)(w.len - 4));
    assert_int_equal(send(s->conn, w.data, w.len, MSG_NOSIGNAL), w.len);
    writer_release(&w);
}

static void test_one_at_a_time_in_order(void **state)
{
    (void)state;
    struct scene s;
    int32_t id;
    char c;
    scene_begin(&s);
    on_loop(&s, do_send, 1);
    on_loop(&s, do_send, 2);
    accept_it(&s);
    assert_int_equal(request_read(&s, &id), 1);
    assert_int_equal(recv(s.conn, &c, 1, MSG_DONTWAIT), -1); // the second waits for the first
    answer(&s, id, 0);
    assert_int_equal(request_read(&s, &id), 2);
    answer(&s, id, 11);
    await(&s, "a0e a11 ");
    close(s.conn);
    scene_end(&s);
}

// A connection that breaks, and an answer nobody can read: the same request comes again.
static void test_sent_again(void **state)
{
    (void)state;
    struct scene s;
    int32_t id;
    scene_begin(&s);
    on_loop(&s, do_send, 2);
    accept_it(&s);
    assert_int_equal(request_read(&s, &id), 2);
    close(s.conn);
    accept_it(&s);
    assert_int_equal(request_read(&s, &id), 2);
    answer(&s, id + 1, 0); // to something else
    close(s.conn);
    accept_it(&s);
    assert_int_equal(request_read(&s, &id), 2);
    answer(&s, id, 0);
    await(&s, "a0 ");
    close(s.conn);
    scene_end(&s);
}

static void test_bound(void **state)
{
    (void)state;
    struct scene s;
    int32_t id;
    scene_begin(&s);
    on_loop(&s, do_send, 2);
    accept_it(&s);
    assert_int_equal(request_read(&s, &id), 2);
    on_loop(&s, do_send_many, CONTROL_CHANNEL_MAX_REQUESTS + 10);
    answer(&s, id, 0);
    await(&s, "a0 b "); // the rest is dropped
    on_loop(&s, do_send, 4);
    assert_int_equal(request_read(&s, &id), 4);
    answer(&s, id, 0);
    await(&s, "a0 b a0 ");
    close(s.conn);
    scene_end(&s);
}

static void test_freed_in_its_callback(void **state)
{
    (void)state;
    struct scene s;
    int32_t id;
    scene_begin(&s);
    s.free_in_answer = true;
    on_loop(&s, do_send, 2);
    on_loop(&s, do_send, 4);
    accept_it(&s);
    assert_int_equal(request_read(&s, &id), 2);
    answer(&s, id, 0);
    await(&s, "a0 ");
    close(s.conn);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_at_a_time_in_order),
        cmocka_unit_test(test_sent_again),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_freed_in_its_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
