// SPDX-License-Identifier: Apache-2.0
//
// What is done with the files of unfinished work when a partition's folder is opened.
#include "log/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "log/batch.h"
#include "log/tests/batch_builder.h"
#include "log/tests/fixture.h"

static void put(const char *dir, const char *name, const void *data, size_t len)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

// A file with one batch that holds the offsets [base, base + n).
static void put_batch(const char *dir, const char *name, int64_t base, int32_t n)
{
    size_t len;
    uint8_t *data = test_simple_batch(PACK_NONE, n, 10, &len);
    batch_set_base_offset(data, base);
    put(dir, name, data, len);
    free(data);
}

static bool has(const char *dir, const char *name)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, dir, name);
    return fixture_exists(path);
}

#define LOG_NAME(n) "000000000000000000" #n ".log"

static void test_lists_segments(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    struct folder_content c;
    put(dir, LOG_NAME(20), "", 0);
    put(dir, LOG_NAME(00), "", 0);
    put(dir, LOG_NAME(11), "", 0);
    put(dir, "00000000000000000011.txnindex", "", 0);
    put(dir, "00000000000000000011.snapshot", "", 0);
    put(dir, "00000000000000000030.snapshot", "", 0);
    put(dir, "leader-epoch-checkpoint", "", 0);
    put(dir, "leader-epoch-checkpoint.tmp", "", 0);
    assert_int_equal(folder_load(os_real(), dir, &c), ERR_OK);
    assert_int_equal(c.segments_count, 3);
    assert_int_equal(c.segments[0].base_offset, 0);
    assert_int_equal(c.segments[1].base_offset, 11);
    assert_true(c.segments[1].has_txn_index);
    assert_int_equal(c.segments[2].base_offset, 20);
    assert_false(c.segments[2].has_txn_index);
    assert_int_equal(c.snapshots_count, 2);
    assert_int_equal(c.snapshots[0], 11);
    assert_int_equal(c.snapshots[1], 30);
    assert_true(has(dir, "leader-epoch-checkpoint"));
    assert_false(has(dir, "leader-epoch-checkpoint.tmp"));
    folder_content_release(&c);
    test_dir_remove(dir);
}

static void test_deletes_left_overs(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    struct folder_content c;
    put(dir, LOG_NAME(10), "", 0);
    put(dir, "00000000000000000010.index", "", 0);
    put(dir, "00000000000000000005.index", "", 0); // no .log of this name
    put(dir, "00000000000000000005.timeindex", "", 0);
    put(dir, "00000000000000000005.txnindex", "", 0);
    put(dir, "00000000000000000005.log.deleted", "", 0);
    put(dir, "00000000000000000005.snapshot.deleted", "", 0);
    put(dir, "00000000000000000010.log.cleaned", "", 0);
    assert_int_equal(folder_load(os_real(), dir, &c), ERR_OK);
    assert_int_equal(c.segments_count, 1);
    assert_true(has(dir, "00000000000000000010.index"));
    assert_false(has(dir, "00000000000000000005.index"));
    assert_false(has(dir, "00000000000000000005.timeindex"));
    assert_false(has(dir, "00000000000000000005.txnindex"));
    assert_false(has(dir, "00000000000000000005.log.deleted"));
    assert_false(has(dir, "00000000000000000005.snapshot.deleted"));
    assert_false(has(dir, "00000000000000000010.log.cleaned"));
    folder_content_release(&c);
    test_dir_remove(dir);
}

// A cleaner had finished its output: it replaces all segments whose offsets it covers.
static void test_finishes_swaps(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    struct folder_content c;
    put_batch(dir, LOG_NAME(00), 0, 10);
    put_batch(dir, LOG_NAME(10), 10, 10);
    put(dir, "00000000000000000010.index", "", 0);
    put_batch(dir, LOG_NAME(20), 20, 10);
    put_batch(dir, LOG_NAME(30), 30, 10);
    put_batch(dir, "00000000000000000010.log.swap", 10, 19); // covers 10 to 28
    put(dir, "00000000000000000010.index.swap", "new", 3);
    put(dir, "00000000000000000010.timeindex.swap", "new", 3);
    assert_int_equal(folder_load(os_real(), dir, &c), ERR_OK);
    assert_int_equal(c.segments_count, 3);
    assert_int_equal(c.segments[0].base_offset, 0);
    assert_int_equal(c.segments[1].base_offset, 10);
    assert_int_equal(c.segments[2].base_offset, 30);
    char path[TEST_PATH_MAX_BYTES];
    size_t len;
    test_path(path, dir, "00000000000000000010.index");
    char *data = test_file(path, &len);
    assert_int_equal(len, 3);
    free(data);
    assert_true(has(dir, "00000000000000000010.timeindex"));
    assert_false(has(dir, "00000000000000000010.log.swap"));
    folder_content_release(&c);
    test_dir_remove(dir);
}

// Two outputs of one cleaning, of which only the second was in place when the first was still being written.
static void test_unfinished_output_takes_finished_with_it(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    struct folder_content c;
    put_batch(dir, LOG_NAME(00), 0, 10);
    put_batch(dir, LOG_NAME(10), 10, 10);
    put_batch(dir, LOG_NAME(20), 20, 10);
    put_batch(dir, "00000000000000000010.log.cleaned", 10, 5);
    put_batch(dir, "00000000000000000020.log.swap", 20, 5);
    put_batch(dir, "00000000000000000000.log.swap", 0, 5); // below: of an earlier, finished cleaning
    assert_int_equal(folder_load(os_real(), dir, &c), ERR_OK);
    assert_int_equal(c.segments_count, 3);
    assert_false(has(dir, "00000000000000000020.log.swap"));
    char path[TEST_PATH_MAX_BYTES];
    size_t len;
    struct batch b;
    test_path(path, dir, LOG_NAME(00));
    char *data = test_file(path, &len);
    assert_int_equal(batch_read_header((uint8_t *)data, len, &b), ERR_OK);
    assert_int_equal(b.count, 5);
    free(data);
    test_path(path, dir, LOG_NAME(20));
    data = test_file(path, &len);
    assert_int_equal(batch_read_header((uint8_t *)data, len, &b), ERR_OK);
    assert_int_equal(b.count, 10);
    free(data);
    folder_content_release(&c);
    test_dir_remove(dir);
}

static void test_missing_and_removed(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    char path[TEST_PATH_MAX_BYTES];
    char inner[TEST_PATH_MAX_BYTES];
    struct folder_content c;
    test_path(path, dir, "none");
    assert_int_equal(folder_load(os_real(), path, &c), ERR_NOT_FOUND);
    folder_content_release(&c);
    assert_int_equal(folder_remove(os_real(), path), ERR_OK);
    assert_int_equal(mkdir(path, 0755), 0);
    put(path, "a", "x", 1);
    put(path, "b", "x", 1);
    assert_int_equal(folder_remove(os_real(), path), ERR_OK);
    assert_false(has(dir, "none"));
    assert_int_equal(mkdir(path, 0755), 0);
    test_path(inner, path, "inner");
    assert_int_equal(mkdir(inner, 0755), 0);
    assert_int_not_equal(folder_remove(os_real(), path), ERR_OK);
    assert_true(has(path, "inner"));
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_segments),      cmocka_unit_test(test_deletes_left_overs),
        cmocka_unit_test(test_finishes_swaps),      cmocka_unit_test(test_unfinished_output_takes_finished_with_it),
        cmocka_unit_test(test_missing_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
