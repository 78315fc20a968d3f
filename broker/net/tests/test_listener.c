// SPDX-License-Identifier: Apache-2.0
//
// Listeners: binding, spreading over loops, limits, draining.
#include "broker/net/tests/echo_server.h"

#include "base/tests/cmocka_all.h"
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_bind(void **state)
{
    (void)state;
    struct echo_server s;
    struct listener *second;
    echo_init(&s);
    echo_start(&s);
    assert_true(listener_port(s.listener) > 0);
    assert_string_equal(listener_name(s.listener), "ECHO");
    assert_ptr_equal(listener_user(s.listener), &s);

    struct listener_options o = s.options;
    o.port = listener_port(s.listener);
    assert_int_equal(listener_open(&o, &second), ERR_IO); // taken
    o.port = 0;
    o.host = "no-such-host.invalid";
    assert_int_equal(listener_open(&o, &second), ERR_INVALID);
    o.host = ""; // all interfaces
    assert_int_equal(listener_open(&o, &second), ERR_OK);
    assert_true(listener_port(second) != listener_port(s.listener));
    listener_close(second); // never started
    listener_close(NULL);
    echo_release_all(&s);
}

static void test_connections_spread_over_loops(void **state)
{
    (void)state;
    struct echo_server s;
    int fds[6];
    echo_init(&s);
    echo_start(&s);
    for (int i = 0; i < 6; i++) {
        fds[i] = client_connect(&s);
        client_send(fds[i], "e1");
        client_expect(fds[i], "e1");
    }
    assert_int_equal(loop_load(s.loops[0]), 3);
    assert_int_equal(loop_load(s.loops[1]), 3);
    assert_int_equal(listener_connections(s.listener), 6);
    for (int i = 0; i < 6; i++) {
        close(fds[i]);
    }
    echo_release_all(&s);
}

static struct conn_limits_config limits_of(int32_t max, int32_t max_rate, int32_t max_per_ip)
{
    return (struct conn_limits_config){.max = max, .max_rate = max_rate, .max_per_ip = max_per_ip};
}

// Closed at once, with nothing said; there is room again when one has gone.
static void test_limit_per_address(void **state)
{
    (void)state;
    struct echo_server s;
    struct conn_limits_config one = limits_of(CONN_LIMIT_NONE, CONN_LIMIT_NONE, 1);
    echo_init(&s);
    echo_start(&s);
    assert_int_equal(conn_limits_set(s.limits, &one), ERR_OK);
    int first = client_connect(&s);
    client_send(first, "e1");
    client_expect(first, "e1");
    client_expect_end(client_connect(&s));
    client_send(first, "c2");
    client_expect_end(first);
    int again = client_connect(&s);
    client_send(again, "e3");
    client_expect(again, "e3");
    close(again);
    echo_release_all(&s);
}

// Those that are too many wait until there is room: others go, or the limit is raised.
static void test_limit_of_all(void **state)
{
    (void)state;
    struct echo_server s;
    struct conn_limits_config one = limits_of(1, CONN_LIMIT_NONE, CONN_LIMIT_NONE);
    struct conn_limits_config two = limits_of(2, CONN_LIMIT_NONE, CONN_LIMIT_NONE);
    echo_init(&s);
    assert_int_equal(conn_limits_set(s.limits, &one), ERR_OK);
    echo_start(&s);
    int first = client_connect(&s);
    client_send(first, "e1");
    client_expect(first, "e1");
    int second = client_connect(&s);
    client_send(second, "e2"); // waits in the queue of the listener
    client_send(first, "e3");  // which the others do not notice
    client_expect(first, "e3");
    assert_int_equal(echo_frames(&s), 2);
    close(first);
    client_expect(second, "e2");
    int third = client_connect(&s);
    client_send(third, "e4");
    assert_int_equal(conn_limits_set(s.limits, &two), ERR_OK);
    client_expect(third, "e4");
    close(second);
    close(third);
    echo_release_all(&s);
}

static void test_limit_of_a_listener(void **state)
{
    (void)state;
    struct echo_server s;
    struct listener *other;
    echo_init(&s);
    echo_start(&s);
    listener_set_limits(s.listener, 1, CONN_LIMIT_NONE);
    int first = client_connect(&s);
    client_send(first, "e1");
    client_expect(first, "e1");
    int second = client_connect(&s);
    client_send(second, "e2");
    assert_int_equal(listener_open(&s.options, &other), ERR_OK);
    listener_start(other);
    struct echo_server elsewhere = {.listener = other};
    int third = client_connect(&elsewhere); // has no such limit
    client_send(third, "e3");
    client_expect(third, "e3");
    assert_int_equal(listener_connections(s.listener), 1);
    listener_set_limits(s.listener, CONN_LIMIT_NONE, CONN_LIMIT_NONE);
    client_expect(second, "e2");
    close(first);
    close(second);
    close(third);
    listener_close(other);
    echo_release_all(&s);
}

static void on_excess(void *ctx)
{
    listener_close_excess(ctx);
}

// The brokers' own listener gets its connection, and the one that was idle longest elsewhere has to go.
static void test_privileged_listener(void **state)
{
    (void)state;
    struct echo_server s;
    struct conn_limits_config two = limits_of(2, CONN_LIMIT_NONE, CONN_LIMIT_NONE);
    struct listener *brokers;
    echo_init(&s);
    assert_int_equal(conn_limits_set(s.limits, &two), ERR_OK);
    echo_start(&s);
    struct listener_options o = s.options;
    o.privileged = true;
    assert_int_equal(listener_open(&o, &brokers), ERR_OK);
    listener_on_excess(brokers, on_excess, s.listener);
    listener_start(brokers);
    struct echo_server elsewhere = {.listener = brokers};
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = client_connect(&s);
        client_send(fds[i], "e1");
        client_expect(fds[i], "e1");
    }
    int broker = client_connect(&elsewhere);
    client_send(broker, "e2");
    client_expect(broker, "e2");
    // One of the two has gone; which one depends on the loop that was faster, as each looks at its own only.
    int gone = -1;
    while (gone < 0) {
        char c;
        for (int i = 0; i < 2 && gone < 0; i++) {
            gone = recv(fds[i], &c, 1, MSG_DONTWAIT) == 0 ? i : -1;
        }
    }
    client_send(fds[1 - gone], "e3");
    client_expect(fds[1 - gone], "e3");
    echo_await_connections(s.listener, 1);
    assert_int_equal(listener_connections(brokers), 1);
    close(fds[0]);
    close(fds[1]);
    close(broker);
    listener_close(brokers);
    echo_release_all(&s);
}

static void test_no_descriptors_left(void **state)
{
    (void)state;
    struct echo_server s;
    struct rlimit before, tight;
    echo_init(&s);
    echo_start(&s);
    int first = client_connect(&s);
    client_send(first, "e1");
    client_expect(first, "e1");
    int second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)second + 1; // the client's side has one, the listener's side finds none
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    client_connect_with(&s, second);
    client_send(second, "e2"); // waits in the queue of the listener
    client_send(first, "e3");  // the others go on
    client_expect(first, "e3");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    client_expect(second, "e2");
    close(first);
    close(second);
    echo_release_all(&s);
}

struct drainer {
    struct echo_server *s;
    int64_t timeout_ms;
};

static void *drain_run(void *arg)
{
    struct drainer *d = arg;
    listener_drain(d->s->listener, d->timeout_ms);
    return NULL;
}

static void test_drain_answers_what_is_in_flight(void **state)
{
    (void)state;
    struct echo_server s;
    struct drainer d = {.s = &s, .timeout_ms = 600 * 1000};
    pthread_t thread;
    echo_init(&s);
    echo_start(&s);
    int idle = client_connect(&s);
    client_send(idle, "e0");
    client_expect(idle, "e0");
    int waiting = client_connect(&s);
    client_send(waiting, "n1"); // answered because of the drain
    int working = client_connect(&s);
    client_send(working, "w2");
    client_send(working, "e3"); // never given out
    echo_await_parked(&s, 2);
    assert_int_equal(pthread_create(&thread, NULL, drain_run, &d), 0);
    client_expect_end(idle);
    client_expect(waiting, "n1");
    client_expect_end(waiting);
    echo_release(&s, '2');
    client_expect(working, "w2");
    client_expect_end(working);
    pthread_join(thread, NULL);
    assert_int_equal(listener_connections(s.listener), 0);
    assert_int_equal(s.frames, 3);
    echo_release_all(&s);
}

static void test_drain_ends_at_its_timeout(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    echo_start(&s);
    int fd = client_connect(&s);
    client_send(fd, "w1");
    echo_await_parked(&s, 1);
    listener_drain(s.listener, 1);
    assert_int_equal(listener_connections(s.listener), 0);
    client_expect_end(fd);
    assert_int_equal(s.aborted, 1);
    listener_drain(s.listener, 1); // nothing left to do
    echo_release_all(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bind),
        cmocka_unit_test(test_connections_spread_over_loops),
        cmocka_unit_test(test_limit_per_address),
        cmocka_unit_test(test_limit_of_all),
        cmocka_unit_test(test_limit_of_a_listener),
        cmocka_unit_test(test_privileged_listener),
        cmocka_unit_test(test_no_descriptors_left),
        cmocka_unit_test(test_drain_answers_what_is_in_flight),
        cmocka_unit_test(test_drain_ends_at_its_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
