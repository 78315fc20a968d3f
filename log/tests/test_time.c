// SPDX-License-Identifier: Apache-2.0
//
// Lookups by time: the exact record, in every segment and inside every kind of batch.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"
#include "log/tests/log_env.h"

static int64_t offset_at(struct env *e, int64_t ts, int64_t max_offset)
{
    int64_t offset;
    int64_t timestamp;
    int32_t epoch;
    assert_int_equal(log_offset_by_time(e->log, ts, max_offset, &offset, &timestamp, &epoch), ERR_OK);
    assert_true(offset < 0 || timestamp >= ts);
    assert_true(offset >= 0 || (timestamp == -1 && epoch == -1));
    return offset;
}

static void test_every_moment(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 30);
    for (int reopened = 0; reopened <= 1; reopened++) {
        assert_int_equal(offset_at(&e, 0, 90), 0);
        for (int i = 0; i < 30; i++) {
            for (int k = 0; k < 5; k++) { // records at +0, +1 and +2 ms of each second
                int64_t expected = k < 3 ? 3 * i + k : i < 29 ? 3 * i + 3 : -1;
                assert_int_equal(offset_at(&e, ENV_TIME_MS + 1000 * i + k, 90), expected);
            }
        }
        assert_int_equal(offset_at(&e, ENV_TIME_MS + 5000, 15), -1); // not below the bound
        assert_int_equal(offset_at(&e, ENV_TIME_MS + 5000, 16), 15);
        env_reopen(&e);
    }
    assert_int_equal(log_advance_start(e.log, 40), ERR_OK);
    assert_int_equal(offset_at(&e, 0, 90), 40);
    env_stop(&e);
}

// Times that go back and forth: the first record in the order of the log that is new enough.
static void test_times_out_of_order(void **state)
{
    (void)state;
    struct env e;
    struct test_random random = {.state = 5};
    int64_t times[120];
    env_start(&e);
    for (int i = 0; i < 120; i++) {
        times[i] = ENV_TIME_MS + test_random_below(&random, 1000);
        assert_int_equal(env_append_at(&e, times[i], 1, 40), ERR_OK);
    }
    for (int crashed = 0; crashed <= 1; crashed++) {
        int64_t max = 0;
        for (int64_t ts = ENV_TIME_MS; ts <= ENV_TIME_MS + 1001; ts += 3) {
            int64_t expected = 0;
            while (expected < 120 && times[expected] < ts) {
                expected++;
            }
            assert_int_equal(offset_at(&e, ts, 120), expected < 120 ? expected : -1);
        }
        for (int i = 0; i < 120; i++) {
            max = times[i] > times[max] ? i : max;
        }
        int64_t offset;
        int64_t timestamp;
        int32_t epoch;
        assert_int_equal(log_offset_of_max_time(e.log, 120, &offset, &timestamp, &epoch), ERR_OK);
        assert_int_equal(offset, max);
        assert_int_equal(timestamp, times[max]);
        env_crash(&e);
    }
    env_stop(&e);
}

static void test_inside_compressed_batches(void **state)
{
    (void)state;
    for (int p = 0; p < PACK_COUNT; p++) {
        struct env e;
        size_t len;
        int64_t offset;
        int64_t timestamp;
        int32_t epoch;
        env_start(&e);
        uint8_t *data = test_simple_batch((enum test_packing)p, 10, 50, &len); // at 1000 .. 1009 ms
        struct log_append a = {.data = data, .len = len, .origin = LOG_FROM_CLIENT, .leader_epoch = 6};
        assert_int_equal(log_append(e.log, &a, &e.scratch), ERR_OK);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(log_offset_by_time(e.log, 1000 + i, 10, &offset, &timestamp, &epoch), ERR_OK);
            assert_int_equal(offset, i);
            assert_int_equal(timestamp, 1000 + i);
            assert_int_equal(epoch, 6);
        }
        assert_int_equal(log_offset_of_max_time(e.log, 10, &offset, &timestamp, &epoch), ERR_OK);
        assert_int_equal(offset, 9);
        assert_int_equal(log_offset_of_max_time(e.log, 9, &offset, &timestamp, &epoch), ERR_OK);
        assert_int_equal(offset, -1); // the newest record is not below the bound
        free(data);
        env_stop(&e);
    }
}

static void test_empty_log(void **state)
{
    (void)state;
    struct env e;
    int64_t offset;
    int64_t timestamp;
    int32_t epoch;
    env_start(&e);
    assert_int_equal(offset_at(&e, 0, 0), -1);
    assert_int_equal(log_offset_of_max_time(e.log, 0, &offset, &timestamp, &epoch), ERR_OK);
    assert_int_equal(offset, -1);
    assert_int_equal(timestamp, -1);
    env_stop(&e);
}

static void set_modified(const struct env *e, int32_t number, int64_t seconds)
{
    char path[SEGMENT_PATH_MAX];
    segment_path(e->log->segments[number], NAME_LOG, path);
    struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void check_before(struct env *e, int64_t ts, int64_t end, int32_t max, const int64_t *expected, int32_t n)
{
    int64_t *offsets;
    int32_t count;
    assert_int_equal(log_offsets_before(e->log, ts, end, max, &e->scratch, &offsets, &count), ERR_OK);
    assert_int_equal(count, n);
    for (int32_t i = 0; i < n; i++) {
        assert_int_equal(offsets[i], expected[i]);
    }
    arena_reset(&e->scratch);
}

static void test_offsets_before(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 20);
    assert_int_equal(e.log->segments_count, 3);
    int64_t first = e.log->segments[1]->base_offset;
    int64_t second = e.log->segments[2]->base_offset;
    int64_t all[] = {60, second, first, 0};
    for (int32_t i = 0; i < 3; i++) {
        set_modified(&e, i, 1000 + i);
    }
    check_before(&e, -1, 60, 10, all, 4);
    check_before(&e, -1, 60, 2, all, 2);
    check_before(&e, -1, 60, 0, all, 0);
    check_before(&e, -2, 60, 10, all + 3, 1);
    check_before(&e, e.os.now_wall_ms, 60, 10, all, 4);
    check_before(&e, 1001000, 60, 10, all + 2, 2);
    check_before(&e, 999999, 60, 10, all, 0);
    all[1] = second - 1; // the high watermark hides what lies above
    check_before(&e, -1, second - 1, 10, all + 1, 3);
    env_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_moment),
        cmocka_unit_test(test_times_out_of_order),
        cmocka_unit_test(test_inside_compressed_batches),
        cmocka_unit_test(test_empty_log),
        cmocka_unit_test(test_offsets_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
