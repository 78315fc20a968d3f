// SPDX-License-Identifier: Apache-2.0
//
// Retention: which segments go, when their files go, and what readers notice.
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/fixture.h"
#include "log/tests/log_env.h"

static int32_t retain(struct env *e, int64_t now_ms)
{
    int32_t deleted;
    assert_int_equal(log_retain(e->log, now_ms, &deleted), ERR_OK);
    return deleted;
}

// 40 batches of one second each, in several segments, all below the high watermark.
static void retention_start(struct env *e)
{
    env_start(e);
    e->config.retention_ms = -1;
    log_set_config(e->log, &e->config);
    env_append_many(e, 40);
    log_set_high_watermark(e->log, 120);
    assert_true(e->log->segments_count >= 5);
}

static void test_by_time(void **state)
{
    (void)state;
    struct env e;
    retention_start(&e);
    e.config.retention_ms = 1000;
    log_set_config(e.log, &e.config);
    int32_t before = e.log->segments_count;
    int64_t newest = e.log->segments[1]->max_timestamp;
    int64_t start = e.log->segments[2]->base_offset;
    assert_int_equal(retain(&e, e.log->segments[0]->max_timestamp + 1000), 0); // not older than allowed
    assert_int_equal(retain(&e, newest + 1000), 1);
    assert_int_equal(retain(&e, newest + 1001), 1);
    assert_int_equal(e.log->segments_count, before - 2);
    assert_int_equal(log_start_offset(e.log), start);
    assert_int_equal(env_read_all(&e, start), 120 - start);
    env_crash(&e);
    assert_int_equal(log_start_offset(e.log), start);
    env_stop(&e);
}

// Everything is old: a new, empty segment takes over, which never goes.
static void test_active_segment_too(void **state)
{
    (void)state;
    struct env e;
    retention_start(&e);
    e.config.retention_ms = 1000;
    log_set_config(e.log, &e.config);
    int32_t before = e.log->segments_count;
    assert_int_equal(retain(&e, ENV_TIME_MS + 1000000000), before);
    assert_int_equal(e.log->segments_count, 1);
    assert_int_equal(log_start_offset(e.log), 120);
    assert_int_equal(log_size_bytes(e.log), 0);
    assert_int_equal(retain(&e, ENV_TIME_MS + 2000000000), 0);
    assert_int_equal(log_end_offset(e.log), 120);
    env_reopen(&e);
    assert_int_equal(log_start_offset(e.log), 120);
    env_append_many(&e, 1);
    assert_int_equal(env_read_all(&e, 120), 3);
    env_stop(&e);
}

static void test_by_size(void **state)
{
    (void)state;
    struct env e;
    retention_start(&e);
    int64_t first = e.log->segments[0]->size;
    int64_t second = e.log->segments[1]->size;
    e.config.retention_bytes = log_size_bytes(e.log) - first - second + 1;
    log_set_config(e.log, &e.config);
    assert_int_equal(retain(&e, 0), 1); // a second one would go below the limit
    e.config.retention_bytes--;
    log_set_config(e.log, &e.config);
    assert_int_equal(retain(&e, 0), 1);
    assert_int_equal(log_size_bytes(e.log), e.config.retention_bytes);
    assert_int_equal(retain(&e, 0), 0);
    env_stop(&e);
}

static void test_by_start_offset(void **state)
{
    (void)state;
    struct env e;
    retention_start(&e);
    e.config.cleanup_delete = false; // this pass does not ask
    e.config.retention_bytes = 0;
    log_set_config(e.log, &e.config);
    int64_t second = e.log->segments[1]->base_offset;
    int64_t third = e.log->segments[2]->base_offset;
    assert_int_equal(log_advance_start(e.log, second - 1), ERR_OK);
    assert_int_equal(retain(&e, 0), 0);
    assert_int_equal(log_advance_start(e.log, third + 1), ERR_OK);
    assert_int_equal(retain(&e, 0), 2);
    assert_int_equal(log_start_offset(e.log), third + 1);
    assert_int_equal(e.log->segments[0]->base_offset, third);
    env_stop(&e);
}

static void test_not_above_the_high_watermark(void **state)
{
    (void)state;
    struct env e;
    retention_start(&e);
    e.config.retention_ms = 0;
    log_set_config(e.log, &e.config);
    log_set_high_watermark(e.log, e.log->segments[2]->base_offset - 1);
    assert_int_equal(retain(&e, ENV_TIME_MS + 1000000), 1);
    env_stop(&e);
}

// Without timestamps the time of the file counts.
static void test_by_file_time(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    e.config.retention_ms = 1000;
    log_set_config(e.log, &e.config);
    struct batch h = {.leader_epoch = -1,
                      .magic = 2,
                      .last_offset_delta = 0,
                      .base_timestamp = -1,
                      .max_timestamp = -1,
                      .producer_id = -1,
                      .producer_epoch = -1,
                      .base_sequence = -1,
                      .count = 1};
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_COORDINATOR), ERR_OK);
    log_set_high_watermark(e.log, 1);
    int64_t real_now = os_wall_ms(os_real());
    assert_int_equal(retain(&e, real_now - 1000000), 0);
    assert_int_equal(retain(&e, real_now + 1000000), 1);
    env_stop(&e);
}

// Files are renamed at once and removed after the delay; whoever had them open reads on.
static void test_files_go_later(void **state)
{
    (void)state;
    struct env e;
    retention_start(&e);
    struct log_read r = {.offset = 0, .max_offset = 120, .max_bytes = 1 << 20};
    assert_int_equal(log_read(e.log, &r), ERR_OK);
    assert_int_equal(log_advance_start(e.log, e.log->segments[2]->base_offset), ERR_OK);
    char name[NAME_FILE_MAX];
    file_name_format(name, e.log->segments[1]->base_offset, NAME_SNAPSHOT, NAME_DELETED);
    assert_int_equal(retain(&e, 0), 2);
    assert_false(env_has(&e, "00000000000000000000.log"));
    assert_true(env_has(&e, "00000000000000000000.log.deleted"));
    assert_true(env_has(&e, "00000000000000000000.timeindex.deleted"));
    assert_true(env_has(&e, name));
    int64_t now_ms = e.os.now_mono_us / 1000;
    log_dir_sweep(e.dir, now_ms + e.config.file_delete_delay_ms - 1);
    assert_true(env_has(&e, "00000000000000000000.log.deleted"));
    log_dir_sweep(e.dir, now_ms + e.config.file_delete_delay_ms);
    assert_false(env_has(&e, "00000000000000000000.log.deleted"));
    assert_false(env_has(&e, "00000000000000000000.index.deleted"));
    assert_false(env_has(&e, name));
    uint8_t *data = fixture_bytes(log_file_fd(r.file), r.position, r.len);
    free(data);
    log_file_unref(r.file);
    struct log_read gone = {.offset = 0, .max_offset = 120, .max_bytes = 1 << 20};
    assert_int_equal(log_read(e.log, &gone), ERR_OUT_OF_RANGE);
    env_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_time),
        cmocka_unit_test(test_active_segment_too),
        cmocka_unit_test(test_by_size),
        cmocka_unit_test(test_by_start_offset),
        cmocka_unit_test(test_not_above_the_high_watermark),
        cmocka_unit_test(test_by_file_time),
        cmocka_unit_test(test_files_go_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
