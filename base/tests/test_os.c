// SPDX-License-Identifier: Apache-2.0
//
// The helpers finish short reads and writes, report failures of each step, and a replaced file is either the old or the
// new one whatever step fails.
#include "base/os.h"

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int dir_setup(void **state)
{
    *state = test_dir_new();
    return 0;
}

static int dir_teardown(void **state)
{
    test_dir_remove(*state);
    return 0;
}

static void assert_file_holds(const char *path, const char *expected)
{
    char *data;
    size_t len;
    assert_int_equal(os_read_file(os_real(), path, 1 << 20, &data, &len), ERR_OK);
    assert_int_equal(len, strlen(expected));
    assert_string_equal(data, expected);
    free(data);
}

static void test_clocks_and_chance(void **state)
{
    (void)state;
    int64_t a = os_mono_us(os_real());
    int64_t b = os_mono_us(os_real());
    assert_true(b >= a);
    assert_true(os_wall_ms(os_real()) > 1700000000000);
    uint8_t x[32] = {0}, y[32] = {0};
    os_real()->random(os_real(), x, sizeof x);
    os_real()->random(os_real(), y, sizeof y);
    assert_memory_not_equal(x, y, sizeof x);
}

static void test_full_read_and_write(void **state)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, *state, "f");
    struct test_os t;
    test_os_init(&t);
    t.io_max_bytes = 3; // every call is short
    int fd = t.os.open(&t.os, path, O_RDWR | O_CREAT, 0644);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    struct iovec iov[] = {{"", 0}, {"hello ", 6}, {"", 0}, {"wonderful ", 10}, {"world", 5}, {"", 0}};
    assert_int_equal(os_pwritev_full(&t.os, fd, iov, 6, 2), ERR_OK);
    assert_true(t.calls[TEST_OS_PWRITEV] >= 7);
    char buf[32] = {0};
    assert_int_equal(os_pread_full(&t.os, fd, buf, 21, 2), ERR_OK);
    assert_string_equal(buf, "hello wonderful world");
    int64_t size;
    assert_int_equal(os_file_size(&t.os, fd, &size), ERR_OK);
    assert_int_equal(size, 23);
    assert_int_equal(os_pread_full(&t.os, fd, buf, 22, 2), ERR_TRUNCATED);
    assert_int_equal(os_pread_full(&t.os, fd, buf, 0, 100), ERR_OK);
    assert_int_equal(os_pwritev_full(&t.os, fd, iov, 0, 0), ERR_OK);
    close(fd);
    assert_int_equal(os_file_size(&t.os, fd, &size), ERR_IO);
}

static void test_more_pieces_than_one_call_takes(void **state)
{
    enum {
        N = IOV_MAX + 10
    };
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, *state, "f");
    static struct iovec iov[N];
    for (int i = 0; i < N; i++) {
        iov[i] = (struct iovec){"x", 1};
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(os_pwritev_full(os_real(), fd, iov, N, 0), ERR_OK);
    int64_t size;
    assert_int_equal(os_file_size(os_real(), fd, &size), ERR_OK);
    assert_int_equal(size, N);
    close(fd);
}

// Interrupts the first call, then takes nothing without saying why.
static ssize_t pwritev_takes_nothing(const struct os *os, int fd, const struct iovec *iov, int n, int64_t position)
{
    (void)fd;
    (void)iov;
    (void)n;
    (void)position;
    int *calls = os->ctx;
    if ((*calls)++ == 0) {
        errno = EINTR;
        return -1;
    }
    return 0;
}

static void test_write_errors(void **state)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, *state, "f");
    struct test_os t;
    test_os_init(&t);
    t.io_max_bytes = 4;
    t.fail_from[TEST_OS_PWRITEV] = 2;
    t.fail_errno = ENOSPC;
    int fd = t.os.open(&t.os, path, O_RDWR | O_CREAT, 0644);
    struct iovec iov = {"hello world", 11};
    assert_int_equal(os_pwritev_full(&t.os, fd, &iov, 1, 0), ERR_NO_SPACE);
    t.fail_from[TEST_OS_PREAD] = 1;
    t.fail_errno = EIO;
    char buf[4];
    assert_int_equal(os_pread_full(&t.os, fd, buf, 4, 0), ERR_IO);

    int calls = 0;
    struct os os = *os_real();
    os.pwritev = pwritev_takes_nothing;
    os.ctx = &calls;
    iov = (struct iovec){"hello world", 11};
    assert_int_equal(os_pwritev_full(&os, fd, &iov, 1, 0), ERR_IO);
    assert_int_equal(calls, 2);
    close(fd);
}

static void test_read_file(void **state)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, *state, "f");
    char *data = NULL;
    size_t len;
    assert_int_equal(os_read_file(os_real(), path, 100, &data, &len), ERR_NOT_FOUND);
    assert_int_equal(os_replace_file(os_real(), path, "", 0), ERR_OK);
    assert_file_holds(path, "");
    assert_int_equal(os_replace_file(os_real(), path, "12345", 5), ERR_OK);
    assert_int_equal(os_read_file(os_real(), path, 4, &data, &len), ERR_TOO_LARGE);
    assert_null(data);
    assert_int_equal(os_read_file(os_real(), path, 5, &data, &len), ERR_OK);
    assert_int_equal(len, 5);
    assert_int_equal(data[5], '\0');
    free(data);
}

static void test_replace_file(void **state)
{
    char path[TEST_PATH_MAX_BYTES], temp[TEST_PATH_MAX_BYTES];
    test_path(path, *state, "checkpoint");
    test_path(temp, *state, "checkpoint.tmp");
    struct test_os t;
    test_os_init(&t);
    assert_int_equal(os_replace_file(&t.os, path, "old", 3), ERR_OK);
    assert_file_holds(path, "old");
    assert_int_equal(t.calls[TEST_OS_FSYNC], 2); // the file and its directory
    assert_int_not_equal(access(temp, F_OK), 0);

    static const enum test_os_op steps[] = {TEST_OS_OPEN, TEST_OS_PWRITEV, TEST_OS_FSYNC, TEST_OS_RENAME};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        test_os_init(&t);
        t.fail_from[steps[i]] = 1;
        assert_int_equal(os_replace_file(&t.os, path, "new", 3), ERR_IO);
        assert_file_holds(path, "old");
        assert_int_not_equal(access(temp, F_OK), 0);
    }

    // The directory's fsync fails: the new content is there, but nobody may rely on it.
    test_os_init(&t);
    t.fail_from[TEST_OS_FSYNC] = 2;
    assert_int_equal(os_replace_file(&t.os, path, "new", 3), ERR_IO);
    assert_file_holds(path, "new");
}

static void test_replace_file_in_working_directory(void **state)
{
    char before[PATH_MAX];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(*state), 0);
    assert_int_equal(os_replace_file(os_real(), "bare-name", "x", 1), ERR_OK);
    assert_file_holds("bare-name", "x");
    assert_int_equal(chdir(before), 0);
}

static void test_fsync_dir(void **state)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, *state, "missing");
    assert_int_equal(os_fsync_dir(os_real(), *state), ERR_OK);
    assert_int_equal(os_fsync_dir(os_real(), path), ERR_NOT_FOUND);
    struct test_os t;
    test_os_init(&t);
    t.fail_from[TEST_OS_FSYNC] = 1;
    assert_int_equal(os_fsync_dir(&t.os, *state), ERR_IO);
}

// What was written or read is in memory; what the system was told to forget may or may not be.
static void test_is_cached(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    char path[TEST_PATH_MAX_BYTES];
    const size_t len = 300000;
    uint8_t *data = calloc(1, len);
    const struct os *os = os_real();
    test_path(path, dir, "file");
    assert_int_equal(os_replace_file(os, path, data, len), ERR_OK);
    int fd = os->open(os, path, O_RDWR, 0);
    assert_true(fd >= 0);
    assert_true(os->is_cached(os, fd, 0, len));
    assert_true(os->is_cached(os, fd, 4095, 2));
    assert_true(os->is_cached(os, fd, 5000, 0));
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    assert_int_equal(os_pread_full(os, fd, data, 100000, 100000), ERR_OK);
    assert_true(os->is_cached(os, fd, 100000, 100000));
    os->close(os, fd);
    free(data);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_cached),
        cmocka_unit_test(test_clocks_and_chance),
        cmocka_unit_test_setup_teardown(test_full_read_and_write, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(test_more_pieces_than_one_call_takes, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(test_write_errors, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(test_read_file, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(test_replace_file, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(test_replace_file_in_working_directory, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(test_fsync_dir, dir_setup, dir_teardown),
    };
    return cmocka_run_group_tests_name("base/os", tests, NULL, NULL);
}
