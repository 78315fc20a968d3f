// SPDX-License-Identifier: Apache-2.0
//
// Reading by offset: limits, segment borders, gaps, system calls, and aborted transactions.
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"
#include "log/tests/fixture.h"
#include "log/tests/log_env.h"

static struct log_read read_at(struct env *e, int64_t offset, int64_t max_offset, size_t max_bytes, bool min_one)
{
    struct log_read r = {.offset = offset, .max_offset = max_offset, .max_bytes = max_bytes, .min_one = min_one};
    assert_int_equal(log_read(e->log, &r), ERR_OK);
    if (r.file != NULL) {
        log_file_unref(r.file);
    }
    return r;
}

// Every offset and every bound: the answer begins with the batch that has the offset and ends before the batch that
// has the bound, with and without hints, cold and warm.
static void test_every_offset_and_bound(void **state)
{
    (void)state;
    for (int reopened = 0; reopened <= 1; reopened++) {
        struct env e;
        env_start(&e);
        env_append_many(&e, 25);
        int64_t batch_bytes = log_size_bytes(e.log) / 25;
        if (reopened) {
            env_reopen(&e);
        }
        for (int64_t offset = 0; offset <= 75; offset++) {
            int32_t number = log_segment_index(e.log, offset);
            int64_t base = e.log->segments[number]->base_offset;
            bool last = number + 1 == e.log->segments_count;
            int64_t next = last ? 75 : e.log->segments[number + 1]->base_offset;
            for (int64_t bound = 0; bound <= 77; bound++) {
                struct log_read r = read_at(&e, offset, bound, 1 << 20, false);
                int64_t until = (bound < next ? bound : next) / ENV_RECORDS; // in batches
                int64_t from = offset / ENV_RECORDS;
                int64_t expected = offset < bound && until > from ? (until - from) * batch_bytes : 0;
                assert_int_equal(r.len, expected);
                if (expected > 0) {
                    assert_int_equal(r.position, (from - base / ENV_RECORDS) * batch_bytes);
                    assert_int_equal(r.is_older_segment, !last);
                }
            }
        }
        env_stop(&e);
    }
}

static void test_byte_limits(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 5);
    size_t batch_bytes = (size_t)log_size_bytes(e.log) / 5;
    assert_int_equal(read_at(&e, 0, 15, 10, false).len, 10); // cut, as Kafka does
    assert_int_equal(read_at(&e, 0, 15, 10, true).len, batch_bytes);
    assert_int_equal(read_at(&e, 0, 15, 0, false).len, 0);
    assert_int_equal(read_at(&e, 0, 15, 0, true).len, batch_bytes);
    assert_int_equal(read_at(&e, 0, 15, batch_bytes + 5, true).len, batch_bytes + 5);
    assert_int_equal(read_at(&e, 0, 15, SIZE_MAX, false).len, 5 * batch_bytes);
    assert_int_equal(read_at(&e, 4, 15, SIZE_MAX, false).position, batch_bytes);
    env_stop(&e);
}

static void test_outside(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 2);
    struct log_read r = {.offset = 7, .max_offset = 7, .max_bytes = 10};
    assert_int_equal(log_read(e.log, &r), ERR_OUT_OF_RANGE);
    r.offset = -1;
    assert_int_equal(log_read(e.log, &r), ERR_OUT_OF_RANGE);
    assert_int_equal(read_at(&e, 6, 100, 10, true).len, 0);
    env_stop(&e);
}

// A reader close behind the end costs no system call; one far behind costs a few.
static void test_tail_reads_are_free(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    e.config.segment_bytes = 1 << 20;
    log_set_config(e.log, &e.config);
    for (int i = 0; i < 200; i++) {
        env_append_many(&e, 1);
        int calls = e.os.calls[TEST_OS_PREAD] + e.os.calls[TEST_OS_OPEN];
        int64_t end = log_end_offset(e.log);
        assert_true(read_at(&e, end - ENV_RECORDS, end, 1 << 20, true).len > 0);
        if (i > 2) { // the high watermark may be a little behind
            assert_true(read_at(&e, end - 3 * ENV_RECORDS, end - ENV_RECORDS, 1 << 20, true).len > 0);
        }
        assert_int_equal(e.os.calls[TEST_OS_PREAD] + e.os.calls[TEST_OS_OPEN], calls);
    }
    int calls = e.os.calls[TEST_OS_PREAD];
    assert_true(read_at(&e, 17, 600, 1 << 20, true).len > 0);
    assert_true(e.os.calls[TEST_OS_PREAD] - calls <= 4);
    env_stop(&e);
}

// Files of older segments are opened when they are read, and only so many stay open.
static void test_open_files_are_bounded(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    e.config.segment_bytes = 400;
    log_set_config(e.log, &e.config);
    env_append_many(&e, 2 * FILE_RING_SIZE + 10);
    env_reopen(&e);
    assert_int_equal(e.log->segments_count, 2 * FILE_RING_SIZE + 10);
    struct log_read held = {.offset = 0, .max_offset = INT64_MAX, .max_bytes = 100};
    assert_int_equal(log_read(e.log, &held), ERR_OK);
    assert_int_equal(env_read_all(&e, 0), log_end_offset(e.log));
    int open_files = 0;
    for (int32_t i = 0; i < e.log->segments_count; i++) {
        open_files += e.log->segments[i]->file != NULL;
    }
    assert_int_equal(open_files, FILE_RING_SIZE);
    uint8_t *data = fixture_bytes(log_file_fd(held.file), held.position, held.len); // still readable
    free(data);
    log_file_unref(held.file);
    env_stop(&e);
}

// Offsets that are missing, as after compaction or in a follower: the next batch answers.
static void test_gaps(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    struct batch h = test_header(2);
    h.leader_epoch = 0;
    for (int i = 0; i < 20; i++) {
        h.base_offset = 100 * i + 50;
        assert_int_equal(env_append_batch(&e, &h, LOG_FROM_LEADER), ERR_OK);
    }
    for (int reopened = 0; reopened <= 1; reopened++) {
        for (int64_t offset = 0; offset < 1952; offset += 7) {
            struct log_read r = {.offset = offset, .max_offset = INT64_MAX, .max_bytes = 1, .min_one = true};
            assert_int_equal(log_read(e.log, &r), ERR_OK);
            uint8_t *data = fixture_bytes(log_file_fd(r.file), r.position, r.len);
            int64_t expected = (offset + 48) / 100 * 100 + 50; // first batch whose last offset is not below
            assert_int_equal((int64_t)load_be64(data), expected);
            free(data);
            log_file_unref(r.file);
        }
        env_reopen(&e);
    }
    env_stop(&e);
}

static void test_damaged_data_is_not_served(void **state)
{
    (void)state;
    struct env e;
    char path[TEST_PATH_MAX_BYTES];
    env_start(&e);
    env_append_many(&e, 20);
    env_reopen(&e);
    env_file(&e, "00000000000000000000.log", path);
    size_t len;
    char *data = test_file(path, &len);
    data[16] = 9; // a magic that does not exist
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    free(data);
    struct log_read r = {.offset = 0, .max_offset = 60, .max_bytes = 1000};
    assert_int_equal(log_read(e.log, &r), ERR_CORRUPT);
    assert_null(r.file);
    r.offset = 59;
    assert_int_equal(log_read(e.log, &r), ERR_OK);
    log_file_unref(r.file);
    env_stop(&e);
}

// ---- aborted transactions ------------------------------------------------------------------------------------------

static void append_txn(struct env *e, int64_t producer_id)
{
    struct batch h = test_header(1);
    h.attributes = BATCH_ATTR_TRANSACTIONAL;
    h.producer_id = producer_id;
    h.producer_epoch = 0;
    h.base_timestamp = e->os.now_wall_ms;
    h.max_timestamp = h.base_timestamp;
    assert_int_equal(env_append_batch(e, &h, LOG_FROM_COORDINATOR), ERR_OK);
}

static int32_t aborted_at(struct env *e, int64_t offset, struct log_aborted_txn *first)
{
    struct log_read r = {.offset = offset, .max_offset = log_end_offset(e->log), .max_bytes = 1 << 20, .min_one = true};
    struct log_aborted_txn *list;
    int32_t n;
    assert_int_equal(log_read(e->log, &r), ERR_OK);
    assert_int_equal(log_aborted_transactions(e->log, &r, &e->scratch, &list, &n), ERR_OK);
    if (n > 0) {
        *first = list[0];
    }
    log_file_unref(r.file);
    arena_reset(&e->scratch);
    return n;
}

static void test_aborted_transactions(void **state)
{
    (void)state;
    struct env e;
    struct log_aborted_txn first = {0, 0};
    env_start(&e);
    append_txn(&e, 1); // 0
    append_txn(&e, 2); // 1
    assert_int_equal(log_first_unstable_offset(e.log), 0);
    assert_int_equal(env_append_marker(&e, 1, 0, true), ERR_OK);  // 2
    assert_int_equal(env_append_marker(&e, 2, 0, false), ERR_OK); // 3
    assert_int_equal(log_first_unstable_offset(e.log), 0);        // the watermark has not passed the markers
    log_set_high_watermark(e.log, 3);
    assert_int_equal(log_first_unstable_offset(e.log), 1);
    log_set_high_watermark(e.log, 4);
    assert_int_equal(log_first_unstable_offset(e.log), INT64_MAX);
    append_txn(&e, 3);                                            // 4
    assert_int_equal(env_append_marker(&e, 4, 0, false), ERR_OK); // 5: nothing of it was open
    for (int i = 0; i < 3; i++) {
        assert_int_equal(aborted_at(&e, 0, &first), 1);
        assert_int_equal(first.producer_id, 2);
        assert_int_equal(first.first_offset, 1);
        assert_int_equal(aborted_at(&e, 3, &first), 1);
        assert_int_equal(aborted_at(&e, 4, &first), 0);
        assert_int_equal(log_first_unstable_offset(e.log), 4);
        i == 0 ? env_reopen(&e) : env_crash(&e);
    }
    env_stop(&e);
}

// The marker may lie segments behind the data.
static void test_aborted_in_a_later_segment(void **state)
{
    (void)state;
    struct env e;
    struct log_aborted_txn first = {0, 0};
    env_start(&e);
    append_txn(&e, 1);
    env_append_many(&e, 40);
    assert_int_equal(env_append_marker(&e, 1, 0, false), ERR_OK);
    assert_true(e.log->segments_count >= 3);
    assert_int_equal(aborted_at(&e, 0, &first), 1);
    assert_int_equal(first.first_offset, 0);
    assert_int_equal(aborted_at(&e, 60, &first), 1);
    env_append_many(&e, 30);
    assert_int_equal(aborted_at(&e, log_end_offset(e.log) - 1, &first), 0);
    // Cutting the marker away opens the transaction again.
    assert_int_equal(log_truncate(e.log, 121), ERR_OK);
    assert_int_equal(aborted_at(&e, 0, &first), 0);
    assert_int_equal(log_first_unstable_offset(e.log), 0);
    env_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_offset_and_bound),
        cmocka_unit_test(test_byte_limits),
        cmocka_unit_test(test_outside),
        cmocka_unit_test(test_tail_reads_are_free),
        cmocka_unit_test(test_open_files_are_bounded),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_damaged_data_is_not_served),
        cmocka_unit_test(test_aborted_transactions),
        cmocka_unit_test(test_aborted_in_a_later_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
