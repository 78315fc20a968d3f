// SPDX-License-Identifier: Apache-2.0
//
// Index files: entries in memory and in the file are found alike, ends that were never written are noticed.
#include "log/index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "log/tests/fixture.h"

struct index_env {
    char *dir;
    char path[TEST_PATH_MAX_BYTES];
    struct index index;
};

static void index_start(struct index_env *e, enum index_kind kind, int64_t base_offset)
{
    e->dir = test_dir_new();
    test_path(e->path, e->dir, "index");
    index_init(&e->index, kind, base_offset);
}

static void index_stop(struct index_env *e)
{
    index_release(&e->index);
    test_dir_remove(e->dir);
}

static void write_bytes(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

// Entry i: offset base + 10 * i + 9, position 100 * (i + 1).
static void add_offsets(struct index_env *e, int n)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(index_append(&e->index, os_real(), e->path, e->index.base_offset + 10 * i + 9, 100 * (i + 1)),
                         ERR_OK);
    }
}

static void check_find_all(struct index_env *e, int n)
{
    int64_t base = e->index.base_offset;
    struct index_entry found;
    assert_int_equal(index_find(&e->index, os_real(), e->path, base + 8, &found), ERR_NOT_FOUND);
    for (int i = 0; i < n; i++) {
        for (int64_t offset = base + 10 * i + 9; offset < base + 10 * i + 19; offset += 3) {
            assert_int_equal(index_find(&e->index, os_real(), e->path, offset, &found), ERR_OK);
            assert_int_equal(found.key, base + 10 * i + 9);
            assert_int_equal(found.value, 100 * (i + 1));
        }
        for (int64_t position = 100 * i + 1; position <= 100 * (i + 1); position += 33) {
            assert_int_equal(index_find_value(&e->index, os_real(), e->path, position, &found), ERR_OK);
            assert_int_equal(found.key, base + 10 * i + 9);
        }
    }
    assert_int_equal(index_find_value(&e->index, os_real(), e->path, 100 * n + 1, &found), ERR_NOT_FOUND);
}

static void test_finds_in_memory_and_file(void **state)
{
    (void)state;
    static const int counts[] = {0, 1, INDEX_PENDING_MAX, INDEX_PENDING_MAX + 1, 300, 2000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct index_env e;
        index_start(&e, INDEX_OFFSETS, 5000000000);
        add_offsets(&e, counts[i]);
        assert_int_equal(index_count(&e.index), counts[i]);
        check_find_all(&e, counts[i]);
        assert_int_equal(index_store(&e.index, os_real(), e.path, true), ERR_OK);
        check_find_all(&e, counts[i]);
        struct index loaded;
        bool sane;
        index_init(&loaded, INDEX_OFFSETS, 5000000000);
        assert_int_equal(index_load(&loaded, os_real(), e.path, INT64_MAX, &sane), ERR_OK);
        assert_true(sane);
        assert_int_equal(index_count(&loaded), counts[i]);
        index_release(&loaded);
        index_stop(&e);
    }
}

static void test_files_are_kafkas(void **state)
{
    (void)state;
    struct index_env e;
    size_t len;
    char *data;
    index_start(&e, INDEX_OFFSETS, 1000);
    assert_int_equal(index_append(&e.index, os_real(), e.path, 1000 + 0x01020304, 0x05060708), ERR_OK);
    assert_int_equal(index_store(&e.index, os_real(), e.path, false), ERR_OK);
    assert_int_equal(os_read_file(os_real(), e.path, 100, &data, &len), ERR_OK);
    assert_int_equal(len, 8);
    assert_memory_equal(data, "\1\2\3\4\5\6\7\10", 8);
    free(data);
    index_stop(&e);
    index_start(&e, INDEX_TIMES, 1000);
    assert_int_equal(index_append(&e.index, os_real(), e.path, 0x0102030405060708, 1000 + 9), ERR_OK);
    assert_int_equal(index_store(&e.index, os_real(), e.path, false), ERR_OK);
    assert_int_equal(os_read_file(os_real(), e.path, 100, &data, &len), ERR_OK);
    assert_int_equal(len, 12);
    assert_memory_equal(data, "\1\2\3\4\5\6\7\10\0\0\0\11", 12);
    free(data);
    index_stop(&e);
}

static void test_only_rising_entries(void **state)
{
    (void)state;
    struct index_env e;
    struct index_entry last;
    index_start(&e, INDEX_TIMES, 0);
    assert_int_equal(index_append(&e.index, os_real(), e.path, 100, 5), ERR_OK);
    assert_int_equal(index_append(&e.index, os_real(), e.path, 100, 9), ERR_OK); // no later
    assert_int_equal(index_append(&e.index, os_real(), e.path, 90, 12), ERR_OK); // earlier
    assert_int_equal(index_append(&e.index, os_real(), e.path, 101, 4), ERR_OK); // offset falls
    assert_int_equal(index_count(&e.index), 1);
    assert_int_equal(index_append(&e.index, os_real(), e.path, 101, 5), ERR_OK); // the same offset may be
    assert_int_equal(index_count(&e.index), 2);
    assert_true(index_last(&e.index, &last));
    assert_int_equal(last.key, 101);
    index_stop(&e);
}

static void check_load(enum index_kind kind, const void *data, size_t len, int64_t limit, bool expected)
{
    struct index_env e;
    bool sane;
    index_start(&e, kind, 100);
    write_bytes(e.path, data, len);
    assert_int_equal(index_load(&e.index, os_real(), e.path, limit, &sane), ERR_OK);
    assert_int_equal(sane, expected);
    if (!expected) {
        assert_int_equal(index_count(&e.index), 0);
    }
    index_stop(&e);
}

static void test_damaged_ends(void **state)
{
    (void)state;
    static const uint8_t zeros[24];
    static const uint8_t offsets[] = {0, 0, 0, 5, 0, 0, 0, 50, 0, 0, 0, 9, 0, 0, 0, 90, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t times[] = {0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,
                                    0, 9, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    check_load(INDEX_OFFSETS, offsets, 0, 1000, true);
    check_load(INDEX_OFFSETS, offsets, 8, 1000, true);
    check_load(INDEX_OFFSETS, offsets, 16, 1000, true);
    check_load(INDEX_OFFSETS, offsets, 24, 1000, false); // one zero entry behind
    check_load(INDEX_OFFSETS, offsets, 15, 1000, false); // torn
    check_load(INDEX_OFFSETS, offsets, 16, 90, false);   // points behind the data
    check_load(INDEX_OFFSETS, zeros, 8, 1000, false);    // the first append makes no entry
    check_load(INDEX_OFFSETS, zeros, 24, 1000, false);
    check_load(INDEX_TIMES, times, 12, 1000, true);
    check_load(INDEX_TIMES, times, 24, 1000, true);
    check_load(INDEX_TIMES, times, 36, 1000, false);
    check_load(INDEX_TIMES, times, 30, 1000, false);
    check_load(INDEX_TIMES, times, 24, 102, false); // belongs to the next segment
    check_load(INDEX_TIMES, zeros, 12, 1000, true); // a record from the first moment of 1970
    check_load(INDEX_TIMES, zeros, 24, 1000, false);
    struct index_env e;
    bool sane;
    index_start(&e, INDEX_TIMES, 100);
    assert_int_equal(index_load(&e.index, os_real(), e.path, 1000, &sane), ERR_OK);
    assert_false(sane); // missing
    index_stop(&e);
}

static void test_truncates(void **state)
{
    (void)state;
    static const int counts[] = {20, 100}; // in memory only, mostly in the file
    for (size_t i = 0; i < 2; i++) {
        for (int keep = 0; keep <= counts[i]; keep += 5) {
            struct index_env e;
            struct index_entry last;
            index_start(&e, INDEX_OFFSETS, 0);
            add_offsets(&e, counts[i]);
            assert_int_equal(index_truncate(&e.index, os_real(), e.path, 10 * keep + 9), ERR_OK);
            assert_int_equal(index_count(&e.index), keep);
            check_find_all(&e, keep);
            assert_int_equal(index_last(&e.index, &last), keep > 0);
            assert_int_equal(index_append(&e.index, os_real(), e.path, 10 * keep + 9, 100 * (keep + 1)), ERR_OK);
            check_find_all(&e, keep + 1);
            index_stop(&e);
        }
    }
}

static void test_is_full(void **state)
{
    (void)state;
    struct index_env e;
    index_start(&e, INDEX_OFFSETS, 0);
    add_offsets(&e, 4);
    assert_true(index_is_full(&e.index, 32));
    assert_true(index_is_full(&e.index, 39));
    assert_false(index_is_full(&e.index, 40));
    index_stop(&e);
    index_start(&e, INDEX_TIMES, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(index_append(&e.index, os_real(), e.path, i, i), ERR_OK);
    }
    assert_true(index_is_full(&e.index, 48)); // the fourth place is for the end of the segment
    assert_false(index_is_full(&e.index, 60));
    index_stop(&e);
}

static void test_write_errors(void **state)
{
    (void)state;
    struct index_env e;
    struct test_os os;
    test_os_init(&os);
    os.fail_errno = EIO;
    index_start(&e, INDEX_OFFSETS, 0);
    add_offsets(&e, INDEX_PENDING_MAX);
    os.fail_from[TEST_OS_PWRITEV] = 1;
    assert_int_equal(index_append(&e.index, &os.os, e.path, 100000, 100000), ERR_IO);
    assert_int_equal(index_store(&e.index, &os.os, e.path, false), ERR_IO);
    // Without a descriptor the entry is left out, and the next one finds its way again.
    os.fail_from[TEST_OS_PWRITEV] = 0;
    os.fail_from[TEST_OS_OPEN] = 1;
    os.calls[TEST_OS_OPEN] = 0;
    os.fail_errno = EMFILE;
    assert_int_equal(index_append(&e.index, &os.os, e.path, 100000, 100000), ERR_OK);
    assert_int_equal(index_count(&e.index), INDEX_PENDING_MAX);
    os.fail_from[TEST_OS_OPEN] = 0;
    assert_int_equal(index_append(&e.index, &os.os, e.path, 100001, 100001), ERR_OK);
    assert_int_equal(index_count(&e.index), INDEX_PENDING_MAX + 1);
    index_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_in_memory_and_file),
        cmocka_unit_test(test_files_are_kafkas),
        cmocka_unit_test(test_only_rising_entries),
        cmocka_unit_test(test_damaged_ends),
        cmocka_unit_test(test_truncates),
        cmocka_unit_test(test_is_full),
        cmocka_unit_test(test_write_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
