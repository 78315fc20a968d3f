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

static void limit_check(int32_t max, int32_t max_per_ip)
{
    struct echo_server s;
    echo_init(&s);
    s.options.max_connections = max;
    s.options.max_connections_per_ip = max_per_ip;
    echo_start(&s);
    int first = client_connect(&s);
    client_send(first, "e1");
    client_expect(first, "e1");
    client_expect_end(client_connect(&s));
    client_send(first, "c2");
    client_expect_end(first);
    int again = client_connect(&s); // there is room again
    client_send(again, "e3");
    client_expect(again, "e3");
    close(again);
    echo_release_all(&s);
}

static void test_limits(void **state)
{
    (void)state;
    limit_check(1, 100);
    limit_check(100, 1);
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
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_descriptors_left),
        cmocka_unit_test(test_drain_answers_what_is_in_flight),
        cmocka_unit_test(test_drain_ends_at_its_timeout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
