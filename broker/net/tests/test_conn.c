// SPDX-License-Identifier: Apache-2.0
//
// Connections over loopback: order of answers, overtaking, bounds, frames that are refused, files, and ends of every
// kind. Nothing here depends on time: the tests wait for what they look for.
#include "broker/net/tests/echo_server.h"

#include "base/bytes.h"
#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_pipelined_answers_keep_their_order(void **state)
{
    (void)state;
    enum {
        N = 3000
    };
    struct echo_server s;
    char text[16];
    uint8_t *burst = malloc(N * 16);
    size_t len = 0;
    echo_init(&s);
    echo_start(&s);
    for (int i = 0; i < N; i++) {
        int n = snprintf(text, sizeof text, "%c%d", i % 7 == 6 ? 's' : 'e', i);
        store_be32(burst + len, (uint32_t)n);
        memcpy(burst + len + 4, text, (size_t)n);
        len += 4 + (size_t)n;
    }
    int fd = client_connect(&s);
    client_write(fd, burst, len);
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text, "e%d", i);
        if (i % 7 != 6) {
            client_expect(fd, text);
        }
    }
    close(fd);
    free(burst);
    echo_release_all(&s);
}

static void test_bytes_one_by_one(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    echo_start(&s);
    int fd = client_connect(&s);
    const uint8_t frames[] = {0, 0, 0, 2, 'e', '1', 0, 0, 0, 2, 'e', '2'};
    for (size_t i = 0; i < sizeof frames; i++) {
        client_write(fd, frames + i, 1);
    }
    client_expect(fd, "e1");
    client_expect(fd, "e2");
    close(fd);
    echo_release_all(&s);
}

static void test_next_frame_waits_its_turn(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    echo_start(&s);
    int fd = client_connect(&s);
    client_send(fd, "w1");
    client_send(fd, "e2");
    client_send(fd, "e3");
    echo_await_parked(&s, 1);
    echo_release(&s, '1');
    client_expect(fd, "w1");
    client_expect(fd, "e2");
    client_expect(fd, "e3");
    echo_await_done(&s, 3);
    assert_memory_equal(s.events, "w1-1e2", 6); // e2 began when w1 was gone
    close(fd);
    echo_release_all(&s);
}

static void test_overtaking(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    echo_start(&s);
    int fd = client_connect(&s);
    client_send(fd, "o1");
    client_send(fd, "e2");
    client_send(fd, "o3");
    client_send(fd, "w4");
    client_send(fd, "e5");
    echo_await_parked(&s, 3); // 2 is answered, but must not leave before 1
    assert_string_equal(s.events, "o1e2o3w4");
    echo_release(&s, '4'); // lets 5 run
    echo_await_frames(&s, 5);
    assert_int_equal(s.done, 0);
    echo_release(&s, '3');
    echo_release(&s, '1');
    client_expect(fd, "o1");
    client_expect(fd, "e2");
    client_expect(fd, "o3");
    client_expect(fd, "w4");
    client_expect(fd, "e5");
    close(fd);
    echo_release_all(&s);
}

static void test_in_flight_bound(void **state)
{
    (void)state;
    struct echo_server s;
    char text[4] = "o!";
    echo_init(&s);
    echo_start(&s);
    int fd = client_connect(&s);
    for (int i = 0; i < CONN_MAX_IN_FLIGHT + 1; i++) {
        text[1] = (char)('!' + i);
        client_send(fd, text);
    }
    echo_await_parked(&s, CONN_MAX_IN_FLIGHT);
    assert_int_equal(s.frames, CONN_MAX_IN_FLIGHT);
    echo_release(&s, '!');
    echo_await_frames(&s, CONN_MAX_IN_FLIGHT + 1);
    echo_await_parked(&s, CONN_MAX_IN_FLIGHT);
    for (int i = CONN_MAX_IN_FLIGHT; i > 0; i--) {
        echo_release(&s, (char)('!' + i));
    }
    for (int i = 0; i < CONN_MAX_IN_FLIGHT + 1; i++) {
        text[1] = (char)('!' + i);
        client_expect(fd, text);
    }
    close(fd);
    echo_release_all(&s);
}

// A frame of this kind and tag with so many bytes in all.
static void long_send(int fd, const char *kind_and_tag, size_t len)
{
    uint8_t *frame = calloc(1, 4 + len);
    assert_non_null(frame);
    store_be32(frame, (uint32_t)len);
    memcpy(frame + 4, kind_and_tag, 2);
    client_write(fd, frame, 4 + len);
    free(frame);
}

static void long_expect(int fd, char tag, size_t len)
{
    uint8_t *frame = malloc(4 + len);
    assert_non_null(frame);
    client_read(fd, frame, 4 + len);
    assert_int_equal(load_be32(frame), len);
    assert_int_equal(frame[5], tag);
    free(frame);
}

static void test_frame_bytes_bound(void **state)
{
    (void)state;
    const size_t len = CONN_MAX_FRAME_BYTES / 2 + 1;
    struct echo_server s;
    echo_init(&s);
    echo_start(&s);
    int fd = client_connect(&s);
    long_send(fd, "o1", len);
    long_send(fd, "o2", len); // both together are too many
    client_send(fd, "o3");
    echo_await_parked(&s, 1);
    assert_int_equal(echo_frames(&s), 1);
    echo_release(&s, '1');
    long_expect(fd, '1', len);
    echo_await_parked(&s, 2); // a small one fits beside a large one
    echo_release(&s, '2');
    echo_release(&s, '3');
    long_expect(fd, '2', len);
    client_expect(fd, "o3");
    close(fd);
    echo_release_all(&s);
}

// Bytes of all connections together: who comes later waits until there is room, and is woken then, on whatever loop.
static void test_intake_of_all_connections(void **state)
{
    (void)state;
    struct echo_server s;
    const uint8_t announced[4] = {0, 0, 0, 200};
    echo_init(&s);
    s.intake_options.max_bytes = 100;
    echo_start(&s);
    int first = client_connect(&s), second = client_connect(&s), third = client_connect(&s);
    long_send(first, "w1", 100);
    echo_await_parked(&s, 1);
    client_send(second, "e2");
    client_send(third, "e3");
    assert_int_equal(echo_frames(&s), 1);
    echo_release(&s, '1');
    long_expect(first, '1', 100);
    client_expect(second, "e2");
    client_expect(third, "e3");
    long_send(first, "o6", 100); // waits for others, so it does not stand in their way
    echo_await_parked(&s, 1);
    client_send(second, "e7");
    client_expect(second, "e7");
    echo_release(&s, '6');
    long_expect(first, '6', 100);
    client_write(first, announced, 4); // counts from here on
    client_write(second, announced, 4);
    client_reset(first); // and does not any more
    uint8_t rest[200] = {'e', '4'};
    client_write(second, rest, sizeof rest);
    long_expect(second, '4', sizeof rest);
    client_send(third, "e5");
    client_expect(third, "e5");
    close(second);
    close(third);
    echo_release_all(&s);
}

// A peer that does not read its answers keeps no room from others.
static void test_slow_readers_leave_the_intake(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    s.big_bytes = 32 * 1024 * 1024;
    s.intake_options.max_bytes = 2;
    s.options.send_buffer_bytes = 64 * 1024;
    echo_start(&s);
    int slow = client_connect(&s), other = client_connect(&s);
    client_send(slow, "b1");
    echo_await_frames(&s, 1);
    for (int i = 0; i < 10; i++) {
        client_send(other, "e2");
        client_expect(other, "e2");
    }
    echo_await_done(&s, 10);
    assert_int_equal(echo_done(&s), 10); // without the answer that nobody reads
    client_reset(slow);
    close(other);
    echo_release_all(&s);
}

static void big_expect(int fd, size_t len)
{
    uint8_t *buf = malloc(4 + len);
    client_read(fd, buf, 4 + len);
    assert_int_equal(load_be32(buf), len);
    assert_int_equal(buf[4], 'b');
    assert_int_equal(buf[4 + len - 1], 'B');
    free(buf);
}

static void test_output_bound(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    s.big_bytes = 400 * 1000;
    s.options.send_buffer_bytes = 64 * 1024;
    echo_start(&s);
    int fd = client_connect(&s);
    for (int i = 0; i < 40; i++) {
        client_send(fd, "b1");
    }
    for (int i = 0; i < 40; i++) {
        big_expect(fd, s.big_bytes);
    }
    echo_await_done(&s, 40);
    // A partly sent answer counts whole here, so one more than the bound allows.
    assert_true(s.max_outstanding <= CONN_MAX_OUTPUT_BYTES + 2 * s.big_bytes);
    close(fd);
    echo_release_all(&s);
}

static void test_large_frame(void **state)
{
    (void)state;
    const size_t len = 5 * 1024 * 1024 + 3;
    struct echo_server s;
    uint8_t *sent = malloc(4 + len), *got = malloc(4 + len);
    echo_init(&s);
    s.options.receive_buffer_bytes = 64 * 1024;
    echo_start(&s);
    int fd = client_connect(&s);
    store_be32(sent, (uint32_t)len);
    sent[4] = 'e';
    for (size_t i = 5; i < 4 + len; i++) {
        sent[i] = (uint8_t)(i * 7 / 3);
    }
    client_write(fd, sent, 4 + len);
    client_send(fd, "e2");
    client_read(fd, got, 4 + len);
    assert_memory_equal(sent, got, 4 + len);
    client_expect(fd, "e2");
    close(fd);
    free(sent);
    free(got);
    echo_release_all(&s);
}

static void size_refused(struct echo_server *s, uint32_t size)
{
    uint8_t head[4];
    int fd = client_connect(s);
    client_send(fd, "e1");
    store_be32(head, size);
    client_write(fd, head, 4);
    client_expect(fd, "e1"); // what came before is answered
    client_expect_end(fd);
}

static void test_sizes_refused(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    s.options.max_frame_bytes = 100;
    echo_start(&s);
    size_refused(&s, 101);
    size_refused(&s, 0);
    size_refused(&s, (uint32_t)-1);
    size_refused(&s, 0x16030100); // TLS
    char text[101];
    memset(text, 'e', 100);
    text[100] = '\0';
    int fd = client_connect(&s);
    client_send(fd, text); // exactly the limit
    client_expect(fd, text);
    close(fd);
    echo_release_all(&s);
}

static void test_close_sends_what_came_before(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    echo_start(&s);
    int fd = client_connect(&s);
    client_send(fd, "o1");
    client_send(fd, "o2");
    client_send(fd, "c3");
    client_send(fd, "e4"); // never given out
    echo_await_frames(&s, 3);
    echo_release(&s, '2');
    echo_release(&s, '1');
    client_expect(fd, "o1");
    client_expect(fd, "o2");
    client_expect_end(fd);
    assert_int_equal(s.frames, 3);
    echo_release_all(&s);
}

static void test_close_aborts_what_came_after(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    echo_start(&s);
    int fd = client_connect(&s);
    client_send(fd, "x1");
    client_send(fd, "o2");
    echo_await_parked(&s, 2);
    echo_release(&s, '1');
    client_expect_end(fd);
    echo_await_aborted(&s, 1);
    assert_string_equal(s.events, "x1o2-1!2");
    echo_release(&s, '2');
    echo_release_all(&s);
}

static void test_abort_while_running(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    echo_start(&s);
    int fd = client_connect(&s);
    client_send(fd, "o1");
    client_send(fd, "e2"); // answered, stuck behind 1
    client_send(fd, "w3");
    echo_await_parked(&s, 2);
    client_reset(fd);
    echo_await_aborted(&s, 2);
    echo_await_done(&s, 1);
    assert_string_equal(s.events, "o1e2w3!1-2!3");
    echo_release(&s, '1');
    echo_release(&s, '3');
    echo_await_connections(s.listener, 0);
    echo_release_all(&s);
}

static void test_half_closed_peer_gets_its_answers(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    echo_start(&s);
    int fd = client_connect(&s);
    client_send(fd, "w1");
    client_send(fd, "e2");
    client_write(fd, "\0\0\0\5e", 5); // a frame that never gets whole
    shutdown(fd, SHUT_WR);
    echo_await_parked(&s, 1);
    echo_release(&s, '1');
    client_expect(fd, "w1");
    client_expect(fd, "e2");
    client_expect_end(fd);
    assert_int_equal(s.frames, 2);
    echo_release_all(&s);
}

// ---- files ----

static void file_make(struct echo_server *s, char **dir, size_t len)
{
    char path[TEST_PATH_MAX_BYTES];
    *dir = test_dir_new();
    test_path(path, *dir, "file");
    s->file_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(s->file_fd >= 0);
    uint8_t *data = malloc(len + 1);
    for (size_t i = 0; i < len + 1; i++) {
        data[i] = (uint8_t)(i * 31 / 7);
    }
    assert_int_equal(write(s->file_fd, data, len + 1), len + 1);
    free(data);
    s->file_len = len; // the answer begins at its second byte
}

static void file_expect(int fd, const char *head, size_t len)
{
    size_t total = strlen(head) + len + 1;
    uint8_t *got = malloc(4 + total);
    client_read(fd, got, 4 + total);
    assert_int_equal(load_be32(got), total);
    assert_memory_equal(got + 4, head, strlen(head));
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(got[4 + strlen(head) + i], (uint8_t)((i + 1) * 31 / 7));
    }
    assert_int_equal(got[4 + total - 1], 'F');
    free(got);
}

static void files_check(size_t len, int send_buffer_bytes)
{
    struct echo_server s;
    char *dir;
    echo_init(&s);
    s.options.send_buffer_bytes = send_buffer_bytes;
    file_make(&s, &dir, len);
    echo_start(&s);
    int fd = client_connect(&s);
    client_send(fd, "f1");
    client_send(fd, "e2");
    client_send(fd, "f3");
    client_send(fd, "f4");
    file_expect(fd, "f1", len);
    client_expect(fd, "e2");
    file_expect(fd, "f3", len);
    file_expect(fd, "f4", len);
    close(fd);
    echo_release_all(&s);
    close(s.file_fd);
    test_dir_remove(dir);
}

static void test_files(void **state)
{
    (void)state;
    files_check(0, -1);
    files_check(1, -1);
    files_check(3 * 1000 * 1000, -1);
    files_check(9 * 1000 * 1000, 64 * 1024); // many turns
}

static void test_file_cut_short_closes(void **state)
{
    (void)state;
    const size_t len = 1000;
    struct echo_server s;
    char *dir;
    uint8_t got[4 + 2 + 500];
    echo_init(&s);
    file_make(&s, &dir, len);
    assert_int_equal(ftruncate(s.file_fd, 501), 0);
    echo_start(&s);
    int fd = client_connect(&s);
    client_send(fd, "f1");
    client_read(fd, got, sizeof got); // what is there, and then the end instead of anything invented
    assert_int_equal(load_be32(got), 2 + len + 1);
    client_expect_end(fd);
    echo_await_done(&s, 1);
    echo_release_all(&s);
    close(s.file_fd);
    test_dir_remove(dir);
}

// ---- idleness ----

static void test_idle_connection_is_closed(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    s.options.max_idle_ms = 20;
    echo_start(&s);
    int fd = client_connect(&s);
    client_send(fd, "e1");
    client_expect(fd, "e1");
    client_expect_end(fd);
    echo_release_all(&s);
}

static void test_reader_that_never_reads_is_closed(void **state)
{
    (void)state;
    struct echo_server s;
    echo_init(&s);
    s.options.max_idle_ms = 20;
    s.big_bytes = 32 * 1024 * 1024;
    echo_start(&s);
    int fd = client_connect(&s);
    client_send(fd, "b1");
    echo_await_done(&s, 1); // dropped with the connection
    close(fd);
    echo_release_all(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipelined_answers_keep_their_order),
        cmocka_unit_test(test_bytes_one_by_one),
        cmocka_unit_test(test_next_frame_waits_its_turn),
        cmocka_unit_test(test_overtaking),
        cmocka_unit_test(test_in_flight_bound),
        cmocka_unit_test(test_frame_bytes_bound),
        cmocka_unit_test(test_intake_of_all_connections),
        cmocka_unit_test(test_slow_readers_leave_the_intake),
        cmocka_unit_test(test_output_bound),
        cmocka_unit_test(test_large_frame),
        cmocka_unit_test(test_sizes_refused),
        cmocka_unit_test(test_close_sends_what_came_before),
        cmocka_unit_test(test_close_aborts_what_came_after),
        cmocka_unit_test(test_abort_while_running),
        cmocka_unit_test(test_half_closed_peer_gets_its_answers),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_file_cut_short_closes),
        cmocka_unit_test(test_idle_connection_is_closed),
        cmocka_unit_test(test_reader_that_never_reads_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
