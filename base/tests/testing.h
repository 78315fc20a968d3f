// SPDX-License-Identifier: Apache-2.0
//
// Helpers for the tests of every room: directories that vanish at the end, what must abort, and an operating system
// that fails on demand.
#ifndef OTTLA_BASE_TESTS_TESTING_H
#define OTTLA_BASE_TESTS_TESTING_H

#include "base/os.h"

// A new empty directory under TMPDIR (or /tmp). Free with test_dir_remove, which deletes all that lies in it.
char *test_dir_new(void);
void test_dir_remove(char *dir);
// Deletes a directory with all that lies in it.
void test_dir_delete(const char *dir);
// "<dir>/<name>" in a buffer of the caller.
#define TEST_PATH_MAX_BYTES 4096
void test_path(char out[TEST_PATH_MAX_BYTES], const char *dir, const char *name);

// Runs fn in a child process, with what it says on standard error in `said` (NULL: nobody wants it). True when it
// aborted, false when it came back.
#define TEST_SAID_MAX_BYTES 4096
bool test_aborts(void (*fn)(void), char said[TEST_SAID_MAX_BYTES]);

enum test_os_op {
    TEST_OS_OPEN,
    TEST_OS_PREAD,
    TEST_OS_PWRITEV,
    TEST_OS_FSYNC,
    TEST_OS_FTRUNCATE,
    TEST_OS_RENAME,
    TEST_OS_UNLINK,
    TEST_OS_MKDIR,
    TEST_OS_RMDIR,
    TEST_OS_OP_COUNT,
};

// The real system with a clock that stands still until the test moves it, counted calls, and failures. Not thread safe.
struct test_os {
    struct os os; // hand out &t.os
    int64_t now_wall_ms;
    int64_t now_mono_us;
    int calls[TEST_OS_OP_COUNT];
    int fail_from[TEST_OS_OP_COUNT]; // the n-th call (from 1) and all later ones fail; 0 = never
    int fail_errno;                  // with this errno
    size_t io_max_bytes;             // a read or write moves at most this many bytes; 0 = no bound
};

void test_os_init(struct test_os *t);

#endif
