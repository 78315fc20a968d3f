// SPDX-License-Identifier: Apache-2.0
//
// The leader epoch cache: assigning, truncating, looking up, and its file after each change.
#include "log/epoch_cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "log/tests/batch_builder.h"

struct fixture {
    char *dir;
    char path[TEST_PATH_MAX_BYTES];
    struct test_os os;
    struct epoch_cache *cache;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = test_dir_new();
    test_path(f->path, f->dir, "leader-epoch-checkpoint");
    test_os_init(&f->os);
    assert_int_equal(epoch_cache_open(&f->os.os, f->dir, &f->cache), ERR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    epoch_cache_free(f->cache);
    test_dir_remove(f->dir);
    free(f);
    return 0;
}

static void check_file(const struct fixture *f, const char *expected)
{
    size_t len;
    char *text = test_file(f->path, &len);
    assert_string_equal(text, expected);
    free(text);
}

static void assign(struct fixture *f, int32_t epoch, int64_t offset)
{
    assert_int_equal(epoch_cache_assign(f->cache, epoch, offset, true), ERR_OK);
}

static void check_end(const struct fixture *f, int32_t epoch, int32_t expected_epoch, int64_t expected_end)
{
    int32_t found;
    int64_t end;
    epoch_cache_end(f->cache, epoch, 100, &found, &end);
    assert_int_equal(found, expected_epoch);
    assert_int_equal(end, expected_end);
}

static void test_new_cache_has_an_empty_file(void **state)
{
    struct fixture *f = *state;
    check_file(f, "");
    assert_int_equal(epoch_cache_latest(f->cache), -1);
    assert_int_equal(epoch_cache_at(f->cache, 0), -1);
    check_end(f, 0, -1, -1);
}

static void test_assign(void **state)
{
    struct fixture *f = *state;
    assign(f, 0, 0);
    assign(f, 0, 5); // known already
    check_file(f, "0\n1\n0 0\n");
    assign(f, 1, 20);
    assign(f, 4, 38);
    check_file(f, "0\n3\n0 0\n1 20\n4 38\n");
    assign(f, 4, 30); // earlier than thought
    check_file(f, "0\n3\n0 0\n1 20\n4 30\n");
    assign(f, 6, 30); // nothing was written in epoch 4
    check_file(f, "0\n3\n0 0\n1 20\n6 30\n");
    assign(f, 2, 25); // an older epoch: the newer ones were wrong
    check_file(f, "0\n3\n0 0\n1 20\n2 25\n");
    assign(f, 3, 10);
    check_file(f, "0\n2\n0 0\n3 10\n");
    assert_int_equal(epoch_cache_latest(f->cache), 3);
}

static void test_assign_in_memory_only(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(epoch_cache_assign(f->cache, 7, 3, false), ERR_OK);
    assert_int_equal(epoch_cache_latest(f->cache), 7);
    check_file(f, "");
    assert_int_equal(epoch_cache_store(f->cache), ERR_OK);
    check_file(f, "0\n1\n7 3\n");
}

static void test_lookup(void **state)
{
    struct fixture *f = *state;
    assign(f, 2, 10);
    assign(f, 5, 20);
    assign(f, 8, 40);
    assert_int_equal(epoch_cache_at(f->cache, 9), -1);
    check_end(f, -1, -1, -1); // no epoch
    check_end(f, -2, -2, 10); // an old one, to Kafka
    assert_int_equal(epoch_cache_at(f->cache, 10), 2);
    assert_int_equal(epoch_cache_at(f->cache, 39), 5);
    assert_int_equal(epoch_cache_at(f->cache, 1000), 8);
    check_end(f, 8, 8, 100);
    check_end(f, 9, -1, -1);
    check_end(f, 7, 5, 40);
    check_end(f, 5, 5, 40);
    check_end(f, 2, 2, 20);
    check_end(f, 1, 1, 10); // before the first known one
    check_end(f, -1, -1, -1);
}

static void test_truncate(void **state)
{
    struct fixture *f = *state;
    assign(f, 2, 10);
    assign(f, 5, 20);
    assign(f, 8, 40);
    int writes = f->os.calls[TEST_OS_RENAME];
    assert_int_equal(epoch_cache_truncate_end(f->cache, 41), ERR_OK);
    assert_int_equal(epoch_cache_truncate_start(f->cache, 10), ERR_OK);
    assert_int_equal(epoch_cache_truncate_start(f->cache, 3), ERR_OK);
    assert_int_equal(f->os.calls[TEST_OS_RENAME], writes); // nothing changed, nothing was written
    assert_int_equal(epoch_cache_truncate_end(f->cache, 40), ERR_OK);
    check_file(f, "0\n2\n2 10\n5 20\n");
    assert_int_equal(epoch_cache_truncate_start(f->cache, 15), ERR_OK);
    check_file(f, "0\n2\n2 15\n5 20\n");
    assert_int_equal(epoch_cache_truncate_start(f->cache, 20), ERR_OK);
    check_file(f, "0\n1\n5 20\n");
    assert_int_equal(epoch_cache_truncate_start(f->cache, 99), ERR_OK);
    check_file(f, "0\n1\n5 99\n");
    assert_int_equal(epoch_cache_truncate_end(f->cache, 0), ERR_OK);
    check_file(f, "0\n0\n");
    assert_int_equal(epoch_cache_latest(f->cache), -1);
}

static void reopen(struct fixture *f, const char *text)
{
    epoch_cache_free(f->cache);
    assert_int_equal(os_replace_file(os_real(), f->path, text, strlen(text)), ERR_OK);
    assert_int_equal(epoch_cache_open(&f->os.os, f->dir, &f->cache), ERR_OK);
}

static void test_open(void **state)
{
    struct fixture *f = *state;
    reopen(f, "0\n2\n1 5\n3 9\n");
    assert_int_equal(epoch_cache_latest(f->cache), 3);
    assert_int_equal(epoch_cache_at(f->cache, 8), 1);
    reopen(f, "0\n3\n1 5\n2 9\n3 9\n"); // brought into order by the rules of assigning
    assert_int_equal(epoch_cache_latest(f->cache), 3);
    check_end(f, 2, 1, 9);
    assert_false(epoch_cache_is_empty(f->cache));
    reopen(f, "0\n1\n1 x\n"); // damaged: the log makes it anew from its batches
    assert_true(epoch_cache_is_empty(f->cache));
}

// A start that finds everything as it was writes nothing, although the last epoch has no records yet.
static void test_trim_writes_with_the_next_change(void **state)
{
    struct fixture *f = *state;
    reopen(f, "0\n2\n2 10\n5 40\n");
    int writes = f->os.calls[TEST_OS_RENAME];
    epoch_cache_trim(f->cache, 10, 40);
    assert_int_equal(epoch_cache_latest(f->cache), 2);
    assign(f, 5, 40);
    assert_int_equal(f->os.calls[TEST_OS_RENAME], writes);
    check_file(f, "0\n2\n2 10\n5 40\n");
    // ... but what was trimmed does not come back behind new records
    epoch_cache_trim(f->cache, 20, 40);
    assert_int_equal(epoch_cache_store(f->cache), ERR_OK);
    check_file(f, "0\n1\n2 20\n");
    assert_int_equal(epoch_cache_store(f->cache), ERR_OK);
    assert_int_equal(f->os.calls[TEST_OS_RENAME], writes + 1);
}

static void test_detached_writes_nothing(void **state)
{
    struct fixture *f = *state;
    assign(f, 1, 1);
    epoch_cache_detach(f->cache);
    assign(f, 2, 2);
    assert_int_equal(epoch_cache_latest(f->cache), 2);
    check_file(f, "0\n1\n1 1\n");
}

static void test_failed_write_is_an_error(void **state)
{
    struct fixture *f = *state;
    f->os.fail_errno = EIO;
    f->os.fail_from[TEST_OS_FSYNC] = f->os.calls[TEST_OS_FSYNC] + 1;
    assert_int_equal(epoch_cache_assign(f->cache, 1, 1, true), ERR_IO);
    assert_int_equal(epoch_cache_truncate_end(f->cache, 0), ERR_IO);
}

// The files of a partition whose leader changed, as three brokers left them.
static void test_kafka_files(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path;
        int32_t latest;
        int32_t epoch_at_25;
    } cases[] = {
        {"log/tests/fixtures/epochs/broker-1/epochs-0/leader-epoch-checkpoint", 6, 1},
        {"log/tests/fixtures/epochs/broker-2/epochs-0/leader-epoch-checkpoint", 4, 1},
        {"log/tests/fixtures/epochs/broker-3-before-truncation/epochs-0/leader-epoch-checkpoint", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len;
        char *text = test_file(cases[i].path, &len);
        reopen(f, text);
        assert_int_equal(epoch_cache_latest(f->cache), cases[i].latest);
        assert_int_equal(epoch_cache_at(f->cache, 25), cases[i].epoch_at_25);
        assert_int_equal(epoch_cache_store(f->cache), ERR_OK);
        check_file(f, text);
        free(text);
    }
}

// Readers see entries of before or after a change, never of in between: epoch n begins at 10 * n here.
static void *read_many(void *arg)
{
    const struct fixture *f = arg;
    for (int i = 0; i < 3000; i++) {
        int32_t found;
        int64_t end;
        epoch_cache_end(f->cache, i % 100, INT64_MAX, &found, &end);
        if (found >= 0 && end != INT64_MAX && (end % 10 != 0 || end <= 10 * found)) {
            return NULL;
        }
        if (epoch_cache_at(f->cache, 10 * (i % 100)) > i % 100 || epoch_cache_latest(f->cache) > 99) {
            return NULL;
        }
    }
    return arg;
}

static void test_readers_beside_the_writer(void **state)
{
    struct fixture *f = *state;
    epoch_cache_detach(f->cache);
    pthread_t readers[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_many, f), 0);
    }
    for (int round = 0; round < 30; round++) {
        for (int32_t epoch = 1; epoch < 100; epoch++) {
            assign(f, epoch, 10 * epoch);
        }
        assert_int_equal(epoch_cache_truncate_start(f->cache, 300), ERR_OK);
        assert_int_equal(epoch_cache_truncate_end(f->cache, 500), ERR_OK);
    }
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(readers[i], &result);
        assert_non_null(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_new_cache_has_an_empty_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_assign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_assign_in_memory_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lookup, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trim_writes_with_the_next_change, setup, teardown),
        cmocka_unit_test_setup_teardown(test_detached_writes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_write_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kafka_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_readers_beside_the_writer, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
