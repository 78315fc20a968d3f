// SPDX-License-Identifier: Apache-2.0
//
// Producer snapshots: when they are written, which are kept, and that damaged or missing ones do no harm.
#include <stdio.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"
#include "log/tests/log_env.h"

#define SNAPSHOT_EMPTY_SIZE 10

static void snapshot_name(int64_t offset, char out[NAME_FILE_MAX])
{
    file_name_format(out, offset, NAME_SNAPSHOT, NAME_LIVE);
}

static bool has_snapshot(const struct env *e, int64_t offset)
{
    char name[NAME_FILE_MAX];
    snapshot_name(offset, name);
    return env_has(e, name);
}

static void remove_snapshot(const struct env *e, int64_t offset)
{
    char name[NAME_FILE_MAX];
    char path[TEST_PATH_MAX_BYTES];
    snapshot_name(offset, name);
    env_file(e, name, path);
    assert_int_equal(unlink(path), 0);
}

// Appends n batches of two records of an idempotent producer that go on from `sequence`.
static void append_idempotent(struct env *e, int32_t sequence, int n)
{
    struct batch h = test_header(2);
    e->os.now_wall_ms = 2000; // the batches are of second 1
    h.producer_id = 5;
    h.producer_epoch = 0;
    for (int i = 0; i < n; i++) {
        h.base_sequence = sequence + 2 * i;
        assert_int_equal(env_append_batch(e, &h, LOG_FROM_CLIENT), ERR_OK);
        assert_false(e->last.duplicate);
    }
}

static void test_when_they_are_written(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_reopen(&e);
    assert_false(has_snapshot(&e, 0)); // nothing was ever written
    env_append_many(&e, 20);
    assert_int_equal(e.log->segments_count, 3);
    for (int32_t i = 1; i < 3; i++) {
        char name[NAME_FILE_MAX];
        snapshot_name(e.log->segments[i]->base_offset, name);
        assert_int_equal(env_file_size(&e, name), SNAPSHOT_EMPTY_SIZE);
    }
    assert_false(has_snapshot(&e, 60));
    env_close(&e);
    assert_true(has_snapshot(&e, 60));
    env_open(&e);
    int64_t last_base = log_active(e.log)->base_offset;
    env_append_many(&e, 1);
    env_close(&e);
    assert_true(has_snapshot(&e, 63));
    env_open(&e); // only the newest one above the last segment is of use
    assert_false(has_snapshot(&e, 60));
    assert_true(has_snapshot(&e, 63));
    assert_true(has_snapshot(&e, last_base));
    env_stop(&e);
}

// Damage to the newest ones, or to all: the state is found from older ones and the batches.
static void test_damaged_snapshots(void **state)
{
    (void)state;
    for (int damaged = 0; damaged <= 4; damaged++) {
        struct env e;
        env_start(&e);
        append_idempotent(&e, 0, 40);
        assert_int_equal(e.log->segments_count, 4);
        int64_t bases[] = {80, e.log->segments[3]->base_offset, e.log->segments[2]->base_offset,
                           e.log->segments[1]->base_offset};
        env_close(&e);
        for (int i = 0; i < damaged; i++) {
            char name[NAME_FILE_MAX];
            snapshot_name(bases[i], name);
            env_write_file(&e, name, "damaged bytes, more than ten", 28);
        }
        env_open(&e);
        assert_true(has_snapshot(&e, 80)); // written again
        struct batch h = test_header(2);
        h.producer_id = 5;
        h.producer_epoch = 0;
        h.base_sequence = 78;
        assert_int_equal(env_append_batch(&e, &h, LOG_FROM_CLIENT), ERR_OK);
        assert_true(e.last.duplicate);
        append_idempotent(&e, 80, 1);
        env_stop(&e);
    }
}

// Deleted snapshots after a clean stop say that there were no producers, as in Kafka; after a crash all is replayed.
static void test_missing_snapshots(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    append_idempotent(&e, 0, 30);
    env_close(&e);
    env_open(&e);
    int32_t n = e.log->segments_count;
    env_close(&e);
    remove_snapshot(&e, 60);
    env_open(&e);
    assert_int_equal(producer_state_count(e.log->producers), 1);
    int64_t bases[8];
    for (int32_t i = 1; i < n; i++) {
        bases[i] = e.log->segments[i]->base_offset;
    }
    env_close(&e);
    remove_snapshot(&e, 60);
    for (int32_t i = 1; i < n; i++) {
        remove_snapshot(&e, bases[i]);
    }
    env_open(&e);
    assert_int_equal(producer_state_count(e.log->producers), 0);
    assert_true(has_snapshot(&e, bases[n - 1]));
    assert_true(has_snapshot(&e, bases[n - 2]));
    assert_false(has_snapshot(&e, bases[n - 3]));
    append_idempotent(&e, 60, 1);
    assert_int_equal(log_flush(e.log), ERR_OK);
    env_crash(&e);
    assert_int_equal(producer_state_count(e.log->producers), 1);
    env_stop(&e);
}

static void test_old_producers_expire(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    append_idempotent(&e, 0, 3);
    assert_int_equal(producer_state_count(e.log->producers), 1);
    log_expire_producers(e.log, 1001 + e.config.producer_id_expiration_ms - 1);
    assert_int_equal(producer_state_count(e.log->producers), 1);
    log_expire_producers(e.log, 1001 + e.config.producer_id_expiration_ms);
    assert_int_equal(producer_state_count(e.log->producers), 0);
    env_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_when_they_are_written),
        cmocka_unit_test(test_damaged_snapshots),
        cmocka_unit_test(test_missing_snapshots),
        cmocka_unit_test(test_old_producers_expire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
