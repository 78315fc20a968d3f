// SPDX-License-Identifier: Apache-2.0
//
// Truncation, the start offset, leader epochs and the high watermark of a log.
#include "log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"
#include "log/tests/fixture.h"
#include "log/tests/log_env.h"

// Cut at every offset: whole batches below it stay, appending goes on there, and all of it survives a restart and a
// crash.
static void test_truncates_anywhere(void **state)
{
    (void)state;
    for (int64_t offset = 0; offset <= 61; offset += 1 + offset % 2) {
        struct env e;
        env_start(&e);
        env_append_many(&e, 20);
        log_set_high_watermark(e.log, 60);
        assert_int_equal(log_flush(e.log), ERR_OK);
        assert_int_equal(log_truncate(e.log, offset), ERR_OK);
        int64_t end = offset < 60 ? offset : 60;
        assert_int_equal(log_end_offset(e.log), end);
        assert_int_equal(log_high_watermark(e.log), end);
        assert_int_equal(log_recovery_point(e.log), end);
        struct log_read r = {.offset = end, .max_offset = INT64_MAX, .max_bytes = 1000};
        assert_int_equal(log_read(e.log, &r), ERR_OK);
        assert_null(r.file);
        r.offset = end + 1;
        assert_int_equal(log_read(e.log, &r), ERR_OUT_OF_RANGE);
        int64_t size = log_size_bytes(e.log);
        // A batch that contained the offset is gone as a whole; the next one begins at the offset.
        assert_int_equal(env_append(&e), ERR_OK);
        assert_int_equal(e.last.first_offset, end);
        assert_true(log_size_bytes(e.log) > size);
        int64_t whole = end / ENV_RECORDS * ENV_RECORDS;
        for (int i = 0; i < 3; i++) {
            r = (struct log_read){.offset = end, .max_offset = INT64_MAX, .max_bytes = 1, .min_one = true};
            assert_int_equal(log_read(e.log, &r), ERR_OK);
            assert_non_null(r.file);
            uint8_t *data = fixture_bytes(log_file_fd(r.file), r.position, r.len);
            assert_int_equal((int64_t)load_be64(data), end);
            free(data);
            log_file_unref(r.file);
            if (whole == end) {
                assert_int_equal(env_read_all(&e, 0), end + ENV_RECORDS);
            }
            i == 0 ? env_crash(&e) : env_reopen(&e);
            assert_int_equal(log_end_offset(e.log), end + ENV_RECORDS);
        }
        env_stop(&e);
    }
}

static void test_truncation_takes_indexes_back(void **state)
{
    (void)state;
    struct env e;
    int64_t offset;
    int64_t timestamp;
    int32_t epoch;
    env_start(&e);
    e.config.segment_bytes = 1 << 20;
    log_set_config(e.log, &e.config);
    env_append_many(&e, 100);
    int32_t entries = index_count(&log_active(e.log)->offsets);
    assert_int_equal(log_truncate(e.log, 30), ERR_OK);
    assert_true(index_count(&log_active(e.log)->offsets) < entries);
    assert_int_equal(log_offset_of_max_time(e.log, 300, &offset, &timestamp, &epoch), ERR_OK);
    assert_int_equal(offset, 29);
    assert_int_equal(log_offset_by_time(e.log, timestamp + 1, 300, &offset, &timestamp, &epoch), ERR_OK);
    assert_int_equal(offset, -1);
    env_append_many(&e, 50);
    assert_int_equal(env_read_all(&e, 0), 180);
    assert_int_equal(log_offset_by_time(e.log, ENV_TIME_MS + 100000, 300, &offset, &timestamp, &epoch), ERR_OK);
    assert_int_equal(offset, 30);
    env_stop(&e);
}

static void test_truncation_takes_producers_back(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    e.os.now_wall_ms = 2000;
    struct batch h = test_header(2);
    h.producer_id = 1;
    h.producer_epoch = 0;
    for (int i = 0; i < 30; i++) {
        h.base_sequence = 2 * i;
        assert_int_equal(env_append_batch(&e, &h, LOG_FROM_CLIENT), ERR_OK);
    }
    assert_int_equal(log_truncate(e.log, 40), ERR_OK);
    h.base_sequence = 60;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_CLIENT), ERR_OUT_OF_ORDER_SEQUENCE);
    h.base_sequence = 40;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_CLIENT), ERR_OK);
    assert_false(e.last.duplicate);
    assert_int_equal(e.last.first_offset, 40);
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_CLIENT), ERR_OK);
    assert_true(e.last.duplicate);
    env_stop(&e);
}

// Below the first segment nothing is left: the log begins anew.
static void test_truncates_below_the_start(void **state)
{
    (void)state;
    struct env e;
    int32_t deleted;
    env_start(&e);
    env_append_many(&e, 20);
    log_set_high_watermark(e.log, 60);
    assert_int_equal(log_begin_epoch(e.log, 4), ERR_OK);
    assert_int_equal(log_advance_start(e.log, 50), ERR_OK);
    assert_int_equal(log_retain(e.log, e.os.now_wall_ms, &deleted), ERR_OK);
    assert_true(deleted > 0 && e.log->segments[0]->base_offset > 10);
    assert_int_equal(log_truncate(e.log, 10), ERR_OK);
    assert_int_equal(log_start_offset(e.log), 10);
    assert_int_equal(log_end_offset(e.log), 10);
    assert_int_equal(log_size_bytes(e.log), 0);
    assert_int_equal(log_latest_epoch(e.log), -1);
    assert_true(env_has(&e, "00000000000000000010.log"));
    env_append_many(&e, 3);
    assert_int_equal(env_read_all(&e, 10), 9);
    env_crash(&e);
    assert_int_equal(log_start_offset(e.log), 10);
    assert_int_equal(env_read_all(&e, 10), 9);
    env_stop(&e);
}

static void test_advances_the_start(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 5);
    assert_int_equal(log_advance_start(e.log, 7), ERR_OK);
    assert_int_equal(log_advance_start(e.log, 3), ERR_OK); // never back
    assert_int_equal(log_start_offset(e.log), 7);
    assert_int_equal(log_advance_start(e.log, 16), ERR_OUT_OF_RANGE);
    struct log_read r = {.offset = 6, .max_offset = 15, .max_bytes = 100};
    assert_int_equal(log_read(e.log, &r), ERR_OUT_OF_RANGE);
    r.offset = 7;
    assert_int_equal(log_read(e.log, &r), ERR_OK);
    log_file_unref(r.file);
    env_reopen(&e); // it lies inside a segment, so only the checkpoint knows it
    assert_int_equal(log_start_offset(e.log), 7);
    assert_int_equal(log_dir_checkpoint(e.dir), ERR_OK);
    env_crash(&e);
    assert_int_equal(log_start_offset(e.log), 7);
    env_stop(&e);
}

static void test_leader_epochs(void **state)
{
    (void)state;
    struct env e;
    int32_t epoch;
    int64_t end;
    env_start(&e);
    assert_int_equal(log_latest_epoch(e.log), -1);
    assert_int_equal(log_begin_epoch(e.log, 0), ERR_OK);
    env_append_many(&e, 2);
    assert_int_equal(log_begin_epoch(e.log, 3), ERR_OK);
    assert_int_equal(log_begin_epoch(e.log, 2), ERR_OK); // old: ignored
    env_append_many(&e, 1);
    assert_int_equal(log_latest_epoch(e.log), 3);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(log_epoch_at(e.log, 5), 0);
        assert_int_equal(log_epoch_at(e.log, 6), 3);
        log_epoch_end(e.log, 1, &epoch, &end);
        assert_int_equal(epoch, 0);
        assert_int_equal(end, 6);
        log_epoch_end(e.log, 3, &epoch, &end);
        assert_int_equal(end, 9);
        env_reopen(&e);
    }
    env_stop(&e);
}

static void test_high_watermark_is_kept(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 4);
    log_set_high_watermark(e.log, 9);
    env_reopen(&e);
    assert_int_equal(log_high_watermark(e.log), 9);
    assert_int_equal(log_dir_checkpointed_high_watermark(e.dir, ENV_TOPIC, 0), 9);
    assert_int_equal(log_dir_checkpointed_high_watermark(e.dir, ENV_TOPIC, 1), -1);
    assert_int_equal(log_truncate(e.log, 3), ERR_OK);
    assert_int_equal(log_high_watermark(e.log), 3);
    env_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncates_anywhere),
        cmocka_unit_test(test_truncation_takes_indexes_back),
        cmocka_unit_test(test_truncation_takes_producers_back),
        cmocka_unit_test(test_truncates_below_the_start),
        cmocka_unit_test(test_advances_the_start),
        cmocka_unit_test(test_leader_epochs),
        cmocka_unit_test(test_high_watermark_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
