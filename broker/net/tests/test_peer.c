// SPDX-License-Identifier: Apache-2.0
//
// Outgoing connections against the echo server: order of answers, bounds, large answers, deadlines, ends of every kind,
// and owners that close, free or open the peer in its callbacks.
#include "broker/net/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

#include "base/bytes.h"
#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "broker/net/tests/echo_server.h"

enum deed {
    DO_NOTHING,
    DO_CLOSE,
    DO_FREE,
    DO_OPEN_AND_SEND,
};

// A peer with its loop. What happens is noted in `events`: "o" opened, "+a" the answer "ea", "-ERR" no answer,
// "!ERR" closed.
struct scene {
    struct echo_server server;
    struct loop *loop;
    struct pool *pool;
    struct peer_options options;
    struct peer *peer;
    enum deed on_answer;
    enum deed on_closed;
    size_t last_len;
    struct mutex mu; // leaf; guards the rest
    struct cond changed;
    char events[512];
    bool ran;
};

// Something to be done on the peer's loop.
struct errand {
    struct mailbox_item item; // first
    struct scene *s;
    void (*fn)(struct scene *s, const char *text);
    const char *text;
};

static void note(struct scene *s, const char *kind, const char *text)
{
    mutex_lock(&s->mu);
    size_t len = strlen(s->events);
    snprintf(s->events + len, sizeof s->events - len, "%s%s ", kind, text);
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mu);
}

static void errand_run(struct mailbox_item *item)
{
    struct errand *e = (struct errand *)item;
    e->fn(e->s, e->text);
    mutex_lock(&e->s->mu);
    e->s->ran = true;
    cond_broadcast(&e->s->changed);
    mutex_unlock(&e->s->mu);
}

static void on_loop(struct scene *s, void (*fn)(struct scene *s, const char *text), const char *text)
{
    struct errand e = {.item.run = errand_run, .s = s, .fn = fn, .text = text};
    s->ran = false;
    loop_post(s->loop, &e.item);
    mutex_lock(&s->mu);
    while (!s->ran) {
        cond_wait(&s->changed, &s->mu);
    }
    mutex_unlock(&s->mu);
}

static void await(struct scene *s, const char *events)
{
    mutex_lock(&s->mu);
    while (strcmp(s->events, events) != 0) {
        assert_true(strlen(s->events) < strlen(events) || !fprintf(stderr, "%s\n", s->events));
        cond_wait(&s->changed, &s->mu);
    }
    mutex_unlock(&s->mu);
}

static void do_open(struct scene *s, const char *text)
{
    (void)text;
    peer_open(s->peer);
}

static void do_close(struct scene *s, const char *text)
{
    (void)text;
    peer_close(s->peer);
}

static void do_free(struct scene *s, const char *text)
{
    (void)text;
    peer_free(s->peer);
    s->peer = NULL;
}

static void do_send(struct scene *s, const char *text);

static void deed_do(struct scene *s, enum deed *deed)
{
    enum deed now = *deed;
    *deed = DO_NOTHING;
    switch (now) {
    case DO_NOTHING:
        break;
    case DO_CLOSE:
        do_close(s, NULL);
        break;
    case DO_FREE:
        do_free(s, NULL);
        break;
    case DO_OPEN_AND_SEND:
        do_open(s, NULL);
        do_send(s, "ez");
        break;
    }
}

static void on_answer(void *ctx, enum err err, uint8_t *frame, size_t len)
{
    struct scene *s = ctx;
    assert_true(loop_is_current(s->loop));
    s->last_len = len;
    if (err == ERR_OK) {
        note(s, "+", (char[]){(char)frame[1], '\0'});
    } else {
        assert_null(frame);
        note(s, "-", err_name(err));
    }
    free(frame);
    deed_do(s, &s->on_answer);
}

static enum err send_for(struct scene *s, const char *text, size_t len, int64_t timeout_ms)
{
    uint8_t *frame = malloc(4 + len);
    assert_non_null(frame);
    store_be32(frame, (uint32_t)len);
    memcpy(frame + 4, text, len);
    return peer_send(s->peer, frame, 4 + len, timeout_ms, on_answer, s);
}

// Each word is a frame; all of them leave in one round of the loop.
static void do_send(struct scene *s, const char *text)
{
    for (size_t len; (len = strcspn(text, " ")) > 0; text += len + (text[len] == ' ')) {
        enum err err = send_for(s, text, len, 60000);
        if (err != ERR_OK) {
            note(s, "refused ", err_name(err));
        }
    }
}

static void do_send_briefly(struct scene *s, const char *text)
{
    assert_int_equal(send_for(s, text, strlen(text), 1), ERR_OK);
}

static void on_open(void *ctx)
{
    note(ctx, "o", "");
}

static void on_closed(void *ctx, enum err why)
{
    struct scene *s = ctx;
    note(s, "!", err_name(why));
    deed_do(s, &s->on_closed);
}

static void scene_begin(struct scene *s)
{
    memset(s, 0, sizeof *s);
    echo_init(&s->server);
    echo_start(&s->server);
    mutex_init(&s->mu, MUTEX_RANK_LEAF);
    cond_init(&s->changed);
    assert_int_equal(pool_new(1, &s->pool), ERR_OK);
    assert_int_equal(loop_new("peer", os_real(), &s->loop), ERR_OK);
    assert_int_equal(loop_start(s->loop), ERR_OK);
    s->options = (struct peer_options){
        .loop = s->loop,
        .pool = s->pool,
        .host = "127.0.0.1",
        .port = listener_port(s->server.listener),
        .max_frame_bytes = 16 * 1024 * 1024,
        .max_in_flight = 3,
        .open_timeout_ms = 60000,
        .send_buffer_bytes = -1,
        .receive_buffer_bytes = -1,
        .on_open = on_open,
        .on_closed = on_closed,
        .ctx = s,
    };
}

static void do_new(struct scene *s, const char *text)
{
    (void)text;
    assert_int_equal(peer_new(&s->options, &s->peer), ERR_OK);
}

static void scene_new(struct scene *s)
{
    scene_begin(s);
    on_loop(s, do_new, NULL);
}

static void scene_open(struct scene *s)
{
    scene_new(s);
    on_loop(s, do_open, NULL);
    await(s, "o ");
}

static void scene_end(struct scene *s)
{
    on_loop(s, do_free, NULL);
    pool_drain(s->pool);
    loop_stop(s->loop);
    loop_free(s->loop);
    pool_free(s->pool);
    cond_destroy(&s->changed);
    mutex_destroy(&s->mu);
    echo_release_all(&s->server);
}

// ---- requests and answers ----

static void test_answers_in_order(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    on_loop(&s, do_send, "wa eb ec"); // parked: the later ones wait behind it
    echo_await_parked(&s.server, 1);
    echo_release(&s.server, 'a');
    await(&s, "o +a +b +c ");
    scene_end(&s);
}

static void test_sent_while_it_opens(void **state)
{
    (void)state;
    struct scene s;
    scene_new(&s);
    on_loop(&s, do_send, "ea");
    await(&s, "refused CLOSED ");
    struct errand open = {.item.run = errand_run, .s = &s, .fn = do_open};
    struct errand send = {.item.run = errand_run, .s = &s, .fn = do_send, .text = "eb"};
    loop_post(s.loop, &open.item); // one round of the loop: it cannot be open yet when the request comes
    loop_post(s.loop, &send.item);
    await(&s, "refused CLOSED o +b ");
    scene_end(&s);
}

static void test_bound(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    on_loop(&s, do_send, "wa eb ec ed");
    await(&s, "o refused FULL ");
    echo_await_parked(&s.server, 1);
    echo_release(&s.server, 'a');
    await(&s, "o refused FULL +a +b +c ");
    on_loop(&s, do_send, "ee");
    await(&s, "o refused FULL +a +b +c +e ");
    scene_end(&s);
}

static void test_large_frames(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    s.server.big_bytes = 10 * 1024 * 1024;
    on_loop(&s, do_send, "ba");
    await(&s, "o +a ");
    assert_int_equal(s.last_len, s.server.big_bytes);
    char *text = malloc(5 * 1024 * 1024);
    memset(text, 'x', 5 * 1024 * 1024);
    memcpy(text, "eb", 2);
    text[5 * 1024 * 1024 - 1] = '\0';
    on_loop(&s, do_send, text); // more than the socket takes at once
    await(&s, "o +a +b ");
    assert_int_equal(s.last_len, strlen(text));
    free(text);
    scene_end(&s);
}

static void test_answer_above_the_limit(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    s.options.max_frame_bytes = 1000;
    on_loop(&s, do_new, NULL);
    on_loop(&s, do_open, NULL);
    s.server.big_bytes = 1001;
    on_loop(&s, do_send, "ba eb");
    await(&s, "o -TOO_LARGE -TOO_LARGE !TOO_LARGE ");
    scene_end(&s);
}

// ---- ends ----

static void test_other_side_ends(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    on_loop(&s, do_send, "ea cb ec");
    await(&s, "o +a -CLOSED -CLOSED !CLOSED ");
    on_loop(&s, do_send, "ed");
    await(&s, "o +a -CLOSED -CLOSED !CLOSED refused CLOSED ");
    on_loop(&s, do_open, NULL);
    on_loop(&s, do_send, "ee");
    await(&s, "o +a -CLOSED -CLOSED !CLOSED refused CLOSED o +e ");
    scene_end(&s);
}

static void test_owner_closes(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    on_loop(&s, do_send, "wa");
    echo_await_parked(&s.server, 1);
    on_loop(&s, do_close, NULL);
    await(&s, "o -CLOSED ");
    on_loop(&s, do_close, NULL);
    echo_release(&s.server, 'a'); // nobody takes this answer any more
    on_loop(&s, do_open, NULL);
    on_loop(&s, do_close, NULL); // in the middle of opening, or right after
    on_loop(&s, do_open, NULL);
    on_loop(&s, do_send, "eb");
    mutex_lock(&s.mu);
    while (strstr(s.events, "+b") == NULL) {
        cond_wait(&s.changed, &s.mu);
    }
    mutex_unlock(&s.mu);
    scene_end(&s);
}

static void test_deadline_of_a_request(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    on_loop(&s, do_send, "wa");
    on_loop(&s, do_send_briefly, "eb"); // behind one that has time
    await(&s, "o -TIMED_OUT -TIMED_OUT !TIMED_OUT ");
    scene_end(&s);
}

// A listener that accepts nothing and whose backlog is full leaves a connect waiting.
static void test_deadline_of_opening(void **state)
{
    (void)state;
    struct scene s;
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[4];
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    for (int i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(fill[i], (struct sockaddr *)&at, sizeof at);
    }
    scene_begin(&s);
    s.options.port = ntohs(at.sin_port);
    s.options.open_timeout_ms = 1;
    on_loop(&s, do_new, NULL);
    on_loop(&s, do_open, NULL);
    mutex_lock(&s.mu);
    while (strstr(s.events, "!TIMED_OUT") == NULL) {
        cond_wait(&s.changed, &s.mu);
    }
    mutex_unlock(&s.mu);
    scene_end(&s);
    for (int i = 0; i < 4; i++) {
        close(fill[i]);
    }
    close(fd);
}

static void test_nobody_there(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    int port = s.options.port;
    listener_close(s.server.listener);
    s.server.listener = NULL;
    s.options.host = "localhost";
    on_loop(&s, do_new, NULL);
    on_loop(&s, do_open, NULL);
    await(&s, "!IO ");
    char name[64];
    snprintf(name, sizeof name, "localhost:%d", port);
    assert_string_equal(peer_name(s.peer), name);
    on_loop(&s, do_free, NULL);
    s.options.host = "no such host";
    on_loop(&s, do_new, NULL);
    on_loop(&s, do_open, NULL);
    await(&s, "!IO !NOT_FOUND ");
    on_loop(&s, do_free, NULL);
    s.options.pool = NULL;
    s.options.host = "localhost";
    on_loop(&s, do_new, NULL);
    on_loop(&s, do_open, NULL);
    await(&s, "!IO !NOT_FOUND !NOT_FOUND ");
    scene_end(&s);
}

static void test_name_is_looked_up(void **state)
{
    (void)state;
    struct scene s;
    scene_begin(&s);
    s.options.host = "localhost"; // its IPv6 address, if it has one, refuses
    on_loop(&s, do_new, NULL);
    on_loop(&s, do_open, NULL);
    on_loop(&s, do_send, "ea");
    await(&s, "o +a ");
    on_loop(&s, do_close, NULL);
    on_loop(&s, do_open, NULL);
    on_loop(&s, do_free, NULL); // while the name is looked up
    scene_end(&s);
}

static void test_frame_nobody_asked_for(void **state)
{
    (void)state;
    struct scene s;
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    scene_begin(&s);
    s.options.port = ntohs(at.sin_port);
    on_loop(&s, do_new, NULL);
    on_loop(&s, do_open, NULL);
    int other = accept(fd, NULL, NULL);
    client_send(other, "hello");
    await(&s, "o !INVALID ");
    close(other);
    close(fd);
    scene_end(&s);
}

// ---- owners that act in callbacks ----

static void test_deeds_in_callbacks(void **state)
{
    (void)state;
    const struct {
        enum deed on_answer, on_closed;
        const char *events;
    } cases[] = {
        {DO_CLOSE, DO_NOTHING, "o +a -CLOSED -CLOSED "},
        {DO_FREE, DO_NOTHING, "o +a -CLOSED -CLOSED "},
        {DO_NOTHING, DO_FREE, "o +a -CLOSED -CLOSED !CLOSED "},
        {DO_NOTHING, DO_CLOSE, "o +a -CLOSED -CLOSED !CLOSED "},
        {DO_NOTHING, DO_OPEN_AND_SEND, "o +a -CLOSED -CLOSED !CLOSED o +z "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        scene_open(&s);
        s.on_answer = cases[i].on_answer;
        s.on_closed = cases[i].on_closed;
        on_loop(&s, do_send, "wa cb ec");
        echo_await_parked(&s.server, 1);
        echo_release(&s.server, 'a');
        await(&s, cases[i].events);
        scene_end(&s);
    }
}

// A callback told of the end closes again, or opens and sends: each request is told exactly once.
static void test_deeds_while_it_ends(void **state)
{
    (void)state;
    const struct {
        enum deed on_answer;
        const char *events;
    } cases[] = {
        {DO_CLOSE, "o -CLOSED -CLOSED !CLOSED "},
        {DO_FREE, "o -CLOSED -CLOSED "},
        {DO_OPEN_AND_SEND, "o -CLOSED -CLOSED o +z "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scene s;
        scene_open(&s);
        s.on_answer = cases[i].on_answer;
        on_loop(&s, do_send, "xa wb");
        echo_await_parked(&s.server, 2);
        echo_release(&s.server, 'a'); // the server closes
        await(&s, cases[i].events);
        scene_end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_in_order),
        cmocka_unit_test(test_sent_while_it_opens),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_large_frames),
        cmocka_unit_test(test_answer_above_the_limit),
        cmocka_unit_test(test_other_side_ends),
        cmocka_unit_test(test_owner_closes),
        cmocka_unit_test(test_deadline_of_a_request),
        cmocka_unit_test(test_deadline_of_opening),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_name_is_looked_up),
        cmocka_unit_test(test_frame_nobody_asked_for),
        cmocka_unit_test(test_deeds_in_callbacks),
        cmocka_unit_test(test_deeds_while_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
