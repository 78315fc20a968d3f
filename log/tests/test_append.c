// SPDX-License-Identifier: Apache-2.0
//
// Appending: when a segment is rolled, what the three origins may send, and what happens when the disk refuses.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"
#include "log/tests/fixture.h"
#include "log/tests/log_env.h"

static int32_t count_segments(const struct env *e)
{
    return e->log->segments_count;
}

static void test_offsets_follow(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(env_append_at(&e, -1, 1 + i % 4, 30), ERR_OK);
        assert_int_equal(e.last.last_offset - e.last.first_offset, i % 4);
        assert_int_equal(log_end_offset(e.log), e.last.last_offset + 1);
        assert_false(e.last.duplicate);
        assert_int_equal(e.last.append_time_ms, -1);
    }
    assert_int_equal(env_read_all(&e, 0), log_end_offset(e.log));
    env_reopen(&e);
    assert_int_equal(env_read_all(&e, 0), log_end_offset(e.log));
    env_stop(&e);
}

static void test_rolls_by_size(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    int64_t batch_bytes = 0;
    while (count_segments(&e) == 1) {
        int64_t before = log_size_bytes(e.log);
        assert_int_equal(env_append(&e), ERR_OK);
        batch_bytes = log_size_bytes(e.log) - before;
        assert_int_equal(e.last.rolled, count_segments(&e) == 2);
    }
    // The first segment is as full as it can be.
    assert_true(e.log->segments[0]->size <= 2000);
    assert_true(e.log->segments[0]->size + batch_bytes > 2000);
    assert_int_equal(log_active(e.log)->base_offset, e.last.first_offset);
    assert_int_equal(env_append_at(&e, -1, 1, 2100), ERR_LIST_TOO_LARGE);
    assert_int_equal(env_read_all(&e, 0), log_end_offset(e.log));
    env_stop(&e);
}

static void test_exactly_full(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 4);
    e.config.segment_bytes = (int32_t)log_size_bytes(e.log) * 2;
    log_set_config(e.log, &e.config);
    env_append_many(&e, 4);
    assert_int_equal(log_size_bytes(e.log), e.config.segment_bytes);
    assert_int_equal(count_segments(&e), 1);
    env_append_many(&e, 1);
    assert_int_equal(count_segments(&e), 2);
    env_stop(&e);
}

// The age of a segment is measured in the time of its records, against the max timestamp of its first batch.
static void test_rolls_by_record_time(void **state)
{
    (void)state;
    for (int reopen = 0; reopen <= 1; reopen++) {
        struct env e;
        env_start(&e);
        e.config.segment_ms = 10000;
        log_set_config(e.log, &e.config);
        assert_int_equal(env_append_at(&e, 50000, 1, 10), ERR_OK);
        assert_int_equal(env_append_at(&e, 10, 1, 10), ERR_OK); // older: no roll
        if (reopen) {
            env_reopen(&e);
        }
        e.os.now_wall_ms += 100000; // the clock does not count
        assert_int_equal(env_append_at(&e, 60000, 1, 10), ERR_OK);
        assert_int_equal(count_segments(&e), 1);
        assert_int_equal(env_append_at(&e, 60001, 1, 10), ERR_OK);
        assert_true(e.last.rolled);
        assert_int_equal(count_segments(&e), 2);
        env_stop(&e);
    }
}

// Records without a timestamp age by the clock.
static void test_rolls_by_clock(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    e.config.segment_ms = 10000;
    log_set_config(e.log, &e.config);
    struct batch h = test_header(1);
    h.base_timestamp = -1;
    h.max_timestamp = -1;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_COORDINATOR), ERR_OK);
    e.os.now_wall_ms += 10000;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_COORDINATOR), ERR_OK);
    assert_int_equal(count_segments(&e), 1);
    e.os.now_wall_ms += 1;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_COORDINATOR), ERR_OK);
    assert_int_equal(count_segments(&e), 2);
    env_stop(&e);
}

static void test_rolls_when_an_index_is_full(void **state)
{
    (void)state;
    static const int32_t bytes[] = {36, 48};
    for (size_t i = 0; i < 2; i++) {
        struct env e;
        env_start(&e);
        e.config.segment_bytes = 1 << 20;
        e.config.segment_index_bytes = bytes[i];
        e.config.index_interval_bytes = 0; // an entry per batch, but for the first
        log_set_config(e.log, &e.config);
        while (count_segments(&e) < 3) {
            // Time stands still in the first run: only the offset index grows.
            assert_int_equal(env_append_at(&e, i == 0 ? ENV_TIME_MS : -1, 1, 10), ERR_OK);
        }
        int32_t offsets = index_count(&e.log->segments[0]->offsets);
        int32_t times = index_count(&e.log->segments[0]->times);
        assert_int_equal(offsets, i == 0 ? 4 : 3);
        assert_int_equal(times, i == 0 ? 1 : 3);
        assert_int_equal(env_read_all(&e, 0), log_end_offset(e.log));
        env_stop(&e);
    }
}

// A follower may get offsets far apart.
static void test_rolls_when_offsets_do_not_fit(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    struct batch h = test_header(1);
    h.leader_epoch = 3;
    h.base_offset = 10;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_LEADER), ERR_OK);
    h.base_offset = INT32_MAX;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_LEADER), ERR_OK);
    assert_int_equal(count_segments(&e), 1);
    h.base_offset = (int64_t)INT32_MAX + 1;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_LEADER), ERR_OK);
    assert_int_equal(count_segments(&e), 2);
    assert_int_equal(log_latest_epoch(e.log), 3);
    assert_int_equal(log_epoch_at(e.log, 10), 3);
    env_crash(&e);
    assert_int_equal(log_end_offset(e.log), (int64_t)INT32_MAX + 2);
    assert_int_equal(count_segments(&e), 2);
    env_stop(&e);
}

static void test_follower_takes_whole_batches(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    size_t len;
    uint8_t *one = test_simple_batch(PACK_NONE, 2, 20, &len);
    uint8_t *set = malloc(3 * len);
    assert_non_null(set);
    for (size_t i = 0; i < 3; i++) {
        memcpy(set + i * len, one, len);
        batch_set_base_offset(set + i * len, (int64_t)(5 + 2 * i));
        batch_set_leader_epoch(set + i * len, 7);
    }
    struct log_append a = {.data = set, .len = 3 * len - 1, .origin = LOG_FROM_LEADER};
    assert_int_equal(log_append(e.log, &a, &e.scratch), ERR_OK); // the third is cut off
    assert_int_equal(a.first_offset, 5);
    assert_int_equal(a.last_offset, 8);
    assert_int_equal(log_size_bytes(e.log), 2 * len);
    a.len = 3 * len;
    assert_int_equal(log_append(e.log, &a, &e.scratch), ERR_OUT_OF_RANGE); // begins below the end
    a.data = set + 2 * len;
    a.len = len;
    a.data[len - 1] ^= 1;
    assert_int_equal(log_append(e.log, &a, &e.scratch), ERR_CORRUPT);
    a.data[len - 1] ^= 1;
    assert_int_equal(log_append(e.log, &a, &e.scratch), ERR_OK);
    assert_int_equal(log_end_offset(e.log), 11);
    a.len = 30;
    assert_int_equal(log_append(e.log, &a, &e.scratch), ERR_OK); // nothing whole in it
    assert_int_equal(log_end_offset(e.log), 11);
    assert_false(log_failed(e.log));
    free(one);
    free(set);
    env_stop(&e);
}

static void test_coordinator_batches(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    struct batch h = test_header(2);
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_COORDINATOR), ERR_OK);
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_COORDINATOR), ERR_OK);
    assert_int_equal(e.last.first_offset, 2);
    e.config.max_message_bytes = 100;
    log_set_config(e.log, &e.config);
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_COORDINATOR), ERR_BATCH_TOO_LARGE);
    // A control batch without a control record is refused before anything is written.
    e.config.max_message_bytes = 1 << 20;
    log_set_config(e.log, &e.config);
    h.attributes = BATCH_ATTR_CONTROL | BATCH_ATTR_TRANSACTIONAL;
    h.producer_id = 5;
    h.producer_epoch = 0;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_LEADER), ERR_OUT_OF_RANGE);
    assert_int_equal(env_append_marker(&e, 5, 0, true), ERR_OK);
    assert_int_equal(log_end_offset(e.log), 5);
    assert_false(log_failed(e.log));
    env_stop(&e);
}

static void test_duplicates(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    struct batch h = test_header(2);
    h.producer_id = 9;
    h.producer_epoch = 1;
    h.base_sequence = 0;
    env_append_many(&e, 1);
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_CLIENT), ERR_OK);
    assert_int_equal(e.last.first_offset, 3);
    for (int reopen = 0; reopen <= 1; reopen++) {
        e.config.flush_messages = 1;
        log_set_config(e.log, &e.config);
        int64_t size = log_size_bytes(e.log);
        assert_int_equal(env_append_batch(&e, &h, LOG_FROM_CLIENT), ERR_OK);
        assert_true(e.last.duplicate);
        assert_int_equal(e.last.first_offset, 3);
        assert_int_equal(e.last.last_offset, 4);
        assert_int_equal(e.last.append_time_ms, h.max_timestamp);
        assert_int_equal(e.last.flush_due, !reopen); // the first copy is not on the disk yet
        assert_int_equal(log_size_bytes(e.log), size);
        e.os.now_wall_ms = 2000; // so that old record times do not expire the producer
        env_reopen(&e);
    }
    h.base_sequence = 3;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_CLIENT), ERR_OUT_OF_ORDER_SEQUENCE);
    h.producer_epoch = 0;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_CLIENT), ERR_PRODUCER_FENCED);
    assert_int_equal(log_end_offset(e.log), 5);
    env_stop(&e);
}

static void test_flush_due(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    e.config.flush_messages = 7;
    log_set_config(e.log, &e.config);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(env_append(&e), ERR_OK);
        assert_int_equal(e.last.flush_due, i == 3);
    }
    assert_int_equal(log_flush(e.log), ERR_OK);
    assert_int_equal(env_append(&e), ERR_OK);
    assert_false(e.last.flush_due);
    env_stop(&e);
}

static void test_preallocation_does_not_show(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    e.config.preallocate = true;
    log_set_config(e.log, &e.config);
    env_append_many(&e, 30);
    assert_int_equal(env_file_size(&e, "00000000000000000000.log"), e.log->segments[0]->size);
    env_reopen(&e);
    assert_int_equal(env_read_all(&e, 0), 90);
    env_stop(&e);
}

static void test_short_writes(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    e.os.io_max_bytes = 7;
    env_append_many(&e, 20);
    assert_int_equal(env_read_all(&e, 0), 60);
    env_reopen(&e);
    assert_int_equal(env_read_all(&e, 0), 60);
    env_stop(&e);
}

// Without a free descriptor an append is refused, but the log lives on.
static void test_no_descriptor(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 6);
    e.os.fail_errno = EMFILE;
    e.os.fail_from[TEST_OS_OPEN] = 1;
    enum err err = ERR_OK;
    for (int i = 0; i < 20 && !err; i++) {
        err = env_append(&e);
    }
    assert_int_equal(err, ERR_AGAIN);
    assert_false(log_failed(e.log));
    e.os.fail_from[TEST_OS_OPEN] = 0;
    env_append_many(&e, 20);
    assert_int_equal(env_read_all(&e, 0), log_end_offset(e.log));
    env_reopen(&e);
    assert_int_equal(env_read_all(&e, 0), log_end_offset(e.log));
    env_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_follow),
        cmocka_unit_test(test_rolls_by_size),
        cmocka_unit_test(test_exactly_full),
        cmocka_unit_test(test_rolls_by_record_time),
        cmocka_unit_test(test_rolls_by_clock),
        cmocka_unit_test(test_rolls_when_an_index_is_full),
        cmocka_unit_test(test_rolls_when_offsets_do_not_fit),
        cmocka_unit_test(test_follower_takes_whole_batches),
        cmocka_unit_test(test_coordinator_batches),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_flush_due),
        cmocka_unit_test(test_preallocation_does_not_show),

        cmocka_unit_test(test_short_writes),
        cmocka_unit_test(test_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
