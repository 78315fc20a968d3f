// SPDX-License-Identifier: Apache-2.0
//
// The index of aborted transactions: its bytes, its ends, its truncation.
#include "log/txn_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"

#define ENTRY_SIZE 34

struct txn_env {
    char *dir;
    char path[TEST_PATH_MAX_BYTES];
};

static void txn_start(struct txn_env *e, int32_t n)
{
    e->dir = test_dir_new();
    test_path(e->path, e->dir, "txnindex");
    for (int32_t i = 0; i < n; i++) {
        struct aborted_txn t = {100 + i, 1000 + 10 * i, 1005 + 10 * i, 1006 + 10 * i};
        assert_int_equal(txn_index_append(os_real(), e->path, i, &t), ERR_OK);
    }
}

static void test_reads_what_it_wrote(void **state)
{
    (void)state;
    struct txn_env e;
    struct aborted_txn *list;
    int32_t n;
    bool sane;
    txn_start(&e, 5);
    assert_int_equal(txn_index_load(os_real(), e.path, 1000, &n, &sane), ERR_OK);
    assert_true(sane);
    assert_int_equal(n, 5);
    assert_int_equal(txn_index_read(os_real(), e.path, 5, &list), ERR_OK);
    for (int32_t i = 0; i < 5; i++) {
        assert_int_equal(list[i].producer_id, 100 + i);
        assert_int_equal(list[i].first_offset, 1000 + 10 * i);
        assert_int_equal(list[i].last_offset, 1005 + 10 * i);
        assert_int_equal(list[i].last_stable_offset, 1006 + 10 * i);
    }
    free(list);
    size_t len;
    char *data;
    assert_int_equal(os_read_file(os_real(), e.path, 1000, &data, &len), ERR_OK);
    assert_int_equal(len, 5 * ENTRY_SIZE);
    assert_memory_equal(data, "\0\0\0\0\0\0\0\0\0\144\0\0\0\0\0\0\3\350", 18);
    free(data);
    test_dir_remove(e.dir);
}

static void test_damaged(void **state)
{
    (void)state;
    struct txn_env e;
    struct aborted_txn *list;
    int32_t n;
    bool sane;
    txn_start(&e, 2);
    assert_int_equal(txn_index_load(os_real(), e.path, 1016, &n, &sane), ERR_OK);
    assert_false(sane); // the last marker lies below the segment
    assert_int_equal(truncate(e.path, ENTRY_SIZE + 3), 0);
    assert_int_equal(txn_index_load(os_real(), e.path, 1000, &n, &sane), ERR_OK);
    assert_false(sane);
    assert_int_equal(n, 0);
    assert_int_equal(txn_index_read(os_real(), e.path, 2, &list), ERR_TRUNCATED);
    assert_int_equal(truncate(e.path, 0), 0);
    assert_int_equal(truncate(e.path, ENTRY_SIZE), 0);
    FILE *f = fopen(e.path, "w");
    assert_non_null(f);
    uint8_t other_version[ENTRY_SIZE] = {0, 1};
    assert_int_equal(fwrite(other_version, 1, ENTRY_SIZE, f), ENTRY_SIZE);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(txn_index_read(os_real(), e.path, 1, &list), ERR_CORRUPT);
    assert_int_equal(txn_index_load(os_real(), e.path, 0, &n, &sane), ERR_OK);
    assert_false(sane);
    test_dir_remove(e.dir);
}

static void test_truncates(void **state)
{
    (void)state;
    for (int32_t keep = 0; keep <= 4; keep++) {
        struct txn_env e;
        int32_t n = 4;
        bool sane;
        txn_start(&e, 4);
        assert_int_equal(txn_index_truncate(os_real(), e.path, 1005 + 10 * keep, &n), ERR_OK);
        assert_int_equal(n, keep);
        assert_int_equal(txn_index_load(os_real(), e.path, 0, &n, &sane), ERR_OK);
        assert_int_equal(n, keep);
        test_dir_remove(e.dir);
    }
}

static void test_missing(void **state)
{
    (void)state;
    struct txn_env e;
    int32_t n;
    bool sane;
    txn_start(&e, 0);
    assert_int_equal(txn_index_load(os_real(), e.path, 0, &n, &sane), ERR_OK);
    assert_true(sane);
    assert_int_equal(n, 0);
    assert_int_equal(txn_index_reset(os_real(), e.path), ERR_OK);
    test_dir_remove(e.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_it_wrote),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_truncates),
        cmocka_unit_test(test_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
