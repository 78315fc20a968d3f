// SPDX-License-Identifier: Apache-2.0
//
// Recovery: the log ends behind its last whole batch wherever the crash cut it, damage is found where it must be
// looked for, and what is derived from the batches is rebuilt.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"
#include "log/tests/fixture.h"
#include "log/tests/log_env.h"

static void active_name(const struct env *e, enum name_kind kind, char out[NAME_FILE_MAX])
{
    file_name_format(out, log_active(e->log)->base_offset, kind, NAME_LIVE);
}

static void remove_marker(const struct env *e)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, e->path, ".kafka_cleanshutdown");
    assert_int_equal(unlink(path), 0);
}

// The active segment cut at every byte of its last batches: exactly the whole batches stay.
static void test_cut_at_every_byte(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(env_append_at(&e, -1, 1, 5), ERR_OK);
    }
    char name[NAME_FILE_MAX];
    char path[TEST_PATH_MAX_BYTES];
    char checkpoint[TEST_PATH_MAX_BYTES];
    active_name(&e, NAME_LOG, name);
    env_file(&e, name, path);
    test_path(checkpoint, e.path, "recovery-point-offset-checkpoint");
    int64_t base = log_active(e.log)->base_offset;
    int64_t batches = log_end_offset(e.log) - base;
    int64_t batch_size = log_active(e.log)->size / batches;
    assert_true(base > 0 && batches >= 3);
    size_t size;
    env_close(&e);
    char *whole = test_file(path, &size);
    assert_int_equal(size, batches * batch_size);
    for (int64_t cut = 0; cut <= (int64_t)size; cut += cut < (int64_t)size - 2 * batch_size ? batch_size / 3 : 1) {
        env_close(&e);
        remove_marker(&e);
        assert_int_equal(unlink(checkpoint), 0);
        env_write_file(&e, name, whole, (size_t)cut);
        env_open(&e);
        assert_int_equal(log_end_offset(e.log), base + cut / batch_size);
        assert_int_equal(log_active(e.log)->size, cut / batch_size * batch_size);
        assert_int_equal(env_file_size(&e, name), cut / batch_size * batch_size);
        assert_int_equal(env_read_all(&e, 0), log_end_offset(e.log));
        assert_int_equal(env_append_at(&e, -1, 1, 5), ERR_OK);
        assert_int_equal(env_read_all(&e, 0), log_end_offset(e.log));
    }
    free(whole);
    env_stop(&e);
}

// A copy of the directory after each step of a load is what a kill would leave.
static void test_killed_at_any_time(void **state)
{
    (void)state;
    struct env e;
    struct test_random random = {.state = 4711};
    env_start(&e);
    for (int i = 0; i < 60; i++) {
        env_append_many(&e, (int)test_random_below(&random, 5));
        switch (test_random_below(&random, 4)) {
        case 0:
            assert_int_equal(log_flush(e.log), ERR_OK);
            break;
        case 1:
            assert_int_equal(log_dir_checkpoint(e.dir), ERR_OK);
            break;
        default:
            break;
        }
        int64_t end = log_end_offset(e.log);
        int64_t recovery_point = log_recovery_point(e.log);
        env_crash(&e);
        assert_false(log_dir_was_clean(e.dir));
        assert_int_equal(log_end_offset(e.log), end);
        assert_true(log_recovery_point(e.log) <= recovery_point || recovery_point == end);
        assert_int_equal(env_read_all(&e, 0), end);
    }
    env_stop(&e);
}

// One flipped bit above the recovery point ends the log there, in whatever segment it lies.
static void test_flipped_bits(void **state)
{
    (void)state;
    struct test_random random = {.state = 42};
    for (int i = 0; i < 40; i++) {
        struct env e;
        env_start(&e);
        env_append_many(&e, 20);
        int32_t number = (int32_t)test_random_below(&random, (uint32_t)e.log->segments_count);
        const struct segment *s = e.log->segments[number];
        int64_t position = (int64_t)test_random_below(&random, (uint32_t)s->size);
        char name[NAME_FILE_MAX];
        char path[TEST_PATH_MAX_BYTES];
        file_name_format(name, s->base_offset, NAME_LOG, NAME_LIVE);
        struct log_file *f;
        struct batch b;
        int64_t start = 0;
        int64_t damaged = s->base_offset; // first offset of the batch that is hit
        assert_int_equal(segment_file(e.log->segments[number], &f), ERR_OK);
        struct batch_scan scan;
        batch_scan_init(&scan, os_real(), f->fd, 0, s->size, SCAN_CHUNK_ALL);
        while (batch_scan_next(&scan, &b, &start) == ERR_OK && start <= position) {
            damaged = b.base_offset;
            if (position - start < 8 || (position - start >= 12 && position - start < 16)) {
                position += 16; // offset and leader epoch have no checksum over them
            }
        }
        batch_scan_release(&scan);
        log_file_unref(f);
        env_close(&e);
        remove_marker(&e);
        char checkpoint[TEST_PATH_MAX_BYTES];
        test_path(checkpoint, e.path, "recovery-point-offset-checkpoint");
        assert_int_equal(unlink(checkpoint), 0);
        env_file(&e, name, path);
        size_t len;
        char *data = test_file(path, &len);
        data[position] = (char)(data[position] ^ (1 << test_random_below(&random, 8)));
        env_write_file(&e, name, data, len);
        free(data);
        env_open(&e);
        assert_int_equal(log_end_offset(e.log), damaged);
        assert_int_equal(env_read_all(&e, 0), damaged);
        assert_int_equal(e.log->segments_count, number + 1);
        env_append_many(&e, 3);
        assert_int_equal(env_read_all(&e, 0), damaged + 9);
        env_stop(&e);
    }
}

static void test_below_recovery_point_is_trusted(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 20);
    assert_true(e.log->segments_count >= 3);
    assert_int_equal(log_flush(e.log), ERR_OK);
    assert_int_equal(log_dir_checkpoint(e.dir), ERR_OK);
    char path[TEST_PATH_MAX_BYTES];
    env_file(&e, "00000000000000000000.log", path);
    size_t len;
    char *data = test_file(path, &len);
    data[len - 1] ^= 1;
    env_write_file(&e, "00000000000000000000.log", data, len);
    free(data);
    env_crash(&e);
    assert_int_equal(log_end_offset(e.log), 60);
    env_stop(&e);
}

// After a clean stop bytes behind the last batch are found and cut; Kafka would append behind them.
static void test_junk_after_clean_stop(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 17);
    char name[NAME_FILE_MAX];
    char path[TEST_PATH_MAX_BYTES];
    active_name(&e, NAME_LOG, name);
    env_close(&e);
    env_file(&e, name, path);
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    assert_int_equal(fwrite("junk behind the last batch, longer than a header is: 0123456789", 1, 63, f), 63);
    assert_int_equal(fclose(f), 0);
    env_open(&e);
    assert_true(log_dir_was_clean(e.dir));
    assert_int_equal(log_end_offset(e.log), 51);
    env_append_many(&e, 2);
    assert_int_equal(env_read_all(&e, 0), 57);
    env_stop(&e);
}

// Zeros behind the entries of an index, a missing or an emptied index: rebuilt although the stop was clean.
static void check_damaged_index(const char *name, int how)
{
    struct env e;
    char path[TEST_PATH_MAX_BYTES];
    int64_t offset;
    int64_t timestamp;
    int32_t epoch;
    env_start(&e);
    env_append_many(&e, 20);
    env_close(&e);
    env_file(&e, name, path);
    size_t len;
    char *before = test_file(path, &len);
    assert_true(len > 0);
    if (how == 0) {
        assert_int_equal(truncate(path, 1200), 0);
    } else if (how == 1) {
        assert_int_equal(unlink(path), 0);
    } else {
        assert_int_equal(truncate(path, (off_t)len - 1), 0);
    }
    env_open(&e);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(log_offset_by_time(e.log, ENV_TIME_MS + 1000 * i, 60, &offset, &timestamp, &epoch), ERR_OK);
        assert_int_equal(offset, 3 * i);
    }
    assert_int_equal(env_read_all(&e, 0), 60);
    env_close(&e);
    size_t len_after;
    char *after = test_file(path, &len_after);
    assert_int_equal(len_after, len);
    assert_memory_equal(after, before, len);
    free(before);
    free(after);
    env_stop(&e);
}

static void test_damaged_indexes(void **state)
{
    (void)state;
    static const char *const names[] = {"00000000000000000000.index", "00000000000000000000.timeindex"};
    for (size_t i = 0; i < 2; i++) {
        for (int how = 0; how < 3; how++) {
            check_damaged_index(names[i], how);
        }
    }
}

// A time index that is there but empty would answer wrongly.
static void test_emptied_time_index(void **state)
{
    (void)state;
    struct env e;
    char path[TEST_PATH_MAX_BYTES];
    int64_t offset;
    int64_t timestamp;
    int32_t epoch;
    env_start(&e);
    env_append_many(&e, 20);
    env_close(&e);
    env_file(&e, "00000000000000000000.timeindex", path);
    assert_int_equal(truncate(path, 0), 0);
    env_open(&e);
    assert_int_equal(log_offset_by_time(e.log, ENV_TIME_MS + 1, 60, &offset, &timestamp, &epoch), ERR_OK);
    assert_int_equal(offset, 1);
    env_stop(&e);
}

// Also below the recovery point, where batches are trusted, indexes are not.
static void test_missing_index_after_a_crash(void **state)
{
    (void)state;
    struct env e;
    char path[TEST_PATH_MAX_BYTES];
    int64_t offset;
    int64_t timestamp;
    int32_t epoch;
    env_start(&e);
    env_append_many(&e, 20);
    assert_int_equal(log_flush(e.log), ERR_OK);
    assert_int_equal(log_dir_checkpoint(e.dir), ERR_OK);
    env_file(&e, "00000000000000000000.timeindex", path);
    assert_int_equal(unlink(path), 0);
    env_crash(&e);
    assert_true(env_file_size(&e, "00000000000000000000.timeindex") > 0);
    assert_int_equal(log_offset_by_time(e.log, ENV_TIME_MS + 2000, 60, &offset, &timestamp, &epoch), ERR_OK);
    assert_int_equal(offset, 6);
    assert_int_equal(env_read_all(&e, 0), 60);
    env_stop(&e);
}

// A damaged batch in a segment whose index is gone as well: what was fsynced behind that segment stays.
static void check_damage_far_below_the_end(bool clean)
{
    struct env e;
    char path[TEST_PATH_MAX_BYTES];
    env_start(&e);
    env_append_many(&e, 20);
    assert_int_equal(log_flush(e.log), ERR_OK);
    assert_int_equal(log_dir_checkpoint(e.dir), ERR_OK);
    int32_t segments = e.log->segments_count;
    int64_t second = e.log->segments[1]->base_offset;
    assert_true(segments >= 3);
    if (clean) {
        env_close(&e);
    }
    env_file(&e, "00000000000000000000.index", path);
    assert_int_equal(unlink(path), 0);
    env_file(&e, "00000000000000000000.log", path);
    size_t len;
    char *data = test_file(path, &len);
    data[len - 1] ^= 1;
    env_write_file(&e, "00000000000000000000.log", data, len);
    free(data);
    if (clean) {
        env_open(&e);
    } else {
        env_crash(&e);
    }
    assert_int_equal(e.log->segments_count, segments);
    assert_int_equal(log_end_offset(e.log), 60);
    assert_int_equal(env_read_all(&e, second), 60 - second);
    env_append_many(&e, 1);
    assert_int_equal(env_read_all(&e, second), 63 - second);
    struct log_read r = {.offset = second - 1, .max_offset = 63, .max_bytes = 1, .min_one = true};
    assert_int_equal(log_read(e.log, &r), ERR_OK); // of the batch that was cut: the next one answers
    assert_non_null(r.file);
    log_file_unref(r.file);
    env_stop(&e);
}

static void test_damage_far_below_the_end(void **state)
{
    (void)state;
    check_damage_far_below_the_end(true);
    check_damage_far_below_the_end(false);
}

static void test_missing_folder(void **state)
{
    (void)state;
    struct env e;
    struct log *l;
    char path[TEST_PATH_MAX_BYTES];
    env_start(&e);
    assert_int_equal(log_open(e.dir, "none", 3, &e.config, &l), ERR_NOT_FOUND);
    assert_null(l);
    env_close(&e);
    test_path(path, e.path, ".kafka_cleanshutdown"); // which says nothing against the directory
    assert_true(fixture_exists(path));
    test_path(path, e.path, "none-3");
    assert_false(fixture_exists(path));
    env_open(&e);
    env_stop(&e);
}

// Offsets that fall back end the log.
static void test_offsets_that_fall(void **state)
{
    (void)state;
    struct env e;
    char path[TEST_PATH_MAX_BYTES];
    env_start(&e);
    env_append_many(&e, 3);
    int64_t size = log_size_bytes(e.log);
    env_close(&e);
    remove_marker(&e);
    env_file(&e, "00000000000000000000.log", path);
    size_t len;
    char *data = test_file(path, &len);
    batch_set_base_offset((uint8_t *)data + size / 3 * 2, 4); // belongs into the second batch
    env_write_file(&e, "00000000000000000000.log", data, len);
    free(data);
    env_open(&e);
    assert_int_equal(log_end_offset(e.log), 6);
    env_stop(&e);
}

// Offsets that lie in the next segment end the log, too: else two segments would hold the same offsets.
static void test_offsets_of_the_next_segment(void **state)
{
    (void)state;
    struct env e;
    char path[TEST_PATH_MAX_BYTES];
    env_start(&e);
    env_append_many(&e, 20);
    assert_true(e.log->segments_count > 2);
    int64_t next_base = e.log->segments[1]->base_offset;
    size_t last_position =
        (size_t)(e.log->segments[0]->size / (next_base / ENV_RECORDS) * (next_base / ENV_RECORDS - 1));
    env_close(&e);
    remove_marker(&e);
    test_path(path, e.path, "recovery-point-offset-checkpoint");
    assert_int_equal(remove(path), 0);
    env_file(&e, "00000000000000000000.log", path);
    size_t len;
    char *data = test_file(path, &len);
    batch_set_base_offset((uint8_t *)data + last_position, next_base);
    env_write_file(&e, "00000000000000000000.log", data, len);
    free(data);
    env_open(&e);
    assert_int_equal(log_end_offset(e.log), next_base - ENV_RECORDS);
    assert_int_equal(env_read_all(&e, 0), next_base - ENV_RECORDS);
    env_stop(&e);
}

static void test_epochs_and_producers_come_back(void **state)
{
    (void)state;
    struct env e;
    char path[TEST_PATH_MAX_BYTES];
    env_start(&e);
    e.os.now_wall_ms = 2000; // the batches below are of second 1
    struct batch h = test_header(2);
    h.producer_id = 77;
    h.producer_epoch = 0;
    for (int i = 0; i < 30; i++) {
        h.base_sequence = 2 * i;
        h.leader_epoch = i / 10;
        h.base_offset = 2 * i;
        assert_int_equal(env_append_batch(&e, &h, LOG_FROM_LEADER), ERR_OK);
    }
    assert_true(e.log->segments_count > 2);
    assert_int_equal(log_flush(e.log), ERR_OK);
    env_file(&e, "leader-epoch-checkpoint", path);
    assert_int_equal(truncate(path, 0), 0);
    env_crash(&e);
    assert_int_equal(log_latest_epoch(e.log), 2);
    assert_int_equal(log_epoch_at(e.log, 20), 1);
    h.leader_epoch = -1;
    h.base_offset = 0;
    h.base_sequence = 58;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_CLIENT), ERR_OK);
    assert_true(e.last.duplicate);
    assert_int_equal(e.last.first_offset, 58);
    h.base_sequence = 60;
    assert_int_equal(env_append_batch(&e, &h, LOG_FROM_CLIENT), ERR_OK);
    assert_false(e.last.duplicate);
    env_stop(&e);
}

// Without its checkpoint, or with a damaged one, everything is checked.
static void test_damaged_recovery_point(void **state)
{
    (void)state;
    struct env e;
    char path[TEST_PATH_MAX_BYTES];
    env_start(&e);
    env_append_many(&e, 20);
    env_close(&e);
    remove_marker(&e);
    test_path(path, e.path, "recovery-point-offset-checkpoint");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("0\n1\ntopic 0\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    env_open(&e);
    assert_int_equal(log_recovery_point(e.log), 0);
    assert_int_equal(env_read_all(&e, 0), 60);
    env_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_killed_at_any_time),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_below_recovery_point_is_trusted),
        cmocka_unit_test(test_junk_after_clean_stop),
        cmocka_unit_test(test_damaged_indexes),
        cmocka_unit_test(test_emptied_time_index),
        cmocka_unit_test(test_missing_index_after_a_crash),
        cmocka_unit_test(test_damage_far_below_the_end),
        cmocka_unit_test(test_missing_folder),
        cmocka_unit_test(test_offsets_that_fall),
        cmocka_unit_test(test_offsets_of_the_next_segment),
        cmocka_unit_test(test_epochs_and_producers_come_back),
        cmocka_unit_test(test_damaged_recovery_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
