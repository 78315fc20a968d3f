// SPDX-License-Identifier: Apache-2.0
//
// Temporary directories, children that abort, and the failing operating system.
#include "base/tests/testing.h"

#include "base/assert.h"
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char *test_dir_new(void)
{
    const char *parent = getenv("TMPDIR");
    char *dir = NULL;
    int n = asprintf(&dir, "%s/ottla-test-XXXXXX", parent && *parent ? parent : "/tmp");
    ASSERT(n > 0);
    ASSERT(mkdtemp(dir) != NULL);
    return dir;
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void test_dir_delete(const char *dir)
{
    int rc = nftw(dir, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
    ASSERT(rc == 0);
}

void test_dir_remove(char *dir)
{
    test_dir_delete(dir);
    free(dir);
}

bool test_aborts(void (*fn)(void), char said[TEST_SAID_MAX_BYTES])
{
    int fds[2];
    ASSERT(pipe(fds) == 0);
    pid_t pid = fork();
    ASSERT(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL); // cmocka's handler would take it for a failed test
        dup2(fds[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(fds[1]);
    char text[TEST_SAID_MAX_BYTES];
    size_t len = 0;
    ssize_t n;
    while ((n = read(fds[0], text + len, sizeof text - 1 - len)) > 0) {
        len += (size_t)n;
    }
    text[len] = '\0';
    close(fds[0]);
    if (said != NULL) {
        memcpy(said, text, len + 1);
    }
    int status;
    ASSERT(waitpid(pid, &status, 0) == pid);
    ASSERT(WIFSIGNALED(status) ? WTERMSIG(status) == SIGABRT : WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

void test_path(char out[TEST_PATH_MAX_BYTES], const char *dir, const char *name)
{
    int n = snprintf(out, TEST_PATH_MAX_BYTES, "%s/%s", dir, name);
    ASSERT(n > 0 && n < TEST_PATH_MAX_BYTES);
}

// Counts a call; true (and errno set) when it shall fail.
static bool op_fails(const struct os *os, enum test_os_op op)
{
    struct test_os *t = os->ctx;
    t->calls[op]++;
    if (t->fail_from[op] > 0 && t->calls[op] >= t->fail_from[op]) {
        errno = t->fail_errno;
        return true;
    }
    return false;
}

static int64_t fake_wall_ms(const struct os *os)
{
    const struct test_os *t = os->ctx;
    return t->now_wall_ms;
}

static int64_t fake_mono_us(const struct os *os)
{
    const struct test_os *t = os->ctx;
    return t->now_mono_us;
}

static int fake_open(const struct os *os, const char *path, int flags, mode_t mode)
{
    return op_fails(os, TEST_OS_OPEN) ? -1 : os_real()->open(os_real(), path, flags, mode);
}

static ssize_t fake_pread(const struct os *os, int fd, void *buf, size_t len, int64_t position)
{
    const struct test_os *t = os->ctx;
    if (op_fails(os, TEST_OS_PREAD)) {
        return -1;
    }
    size_t n = t->io_max_bytes > 0 && t->io_max_bytes < len ? t->io_max_bytes : len;
    return os_real()->pread(os_real(), fd, buf, n, position);
}

static ssize_t fake_pwritev(const struct os *os, int fd, const struct iovec *iov, int n, int64_t position)
{
    const struct test_os *t = os->ctx;
    if (op_fails(os, TEST_OS_PWRITEV)) {
        return -1;
    }
    if (t->io_max_bytes == 0) {
        return os_real()->pwritev(os_real(), fd, iov, n, position);
    }
    // A short write: a part of the first piece that is not empty.
    while (n > 1 && iov->iov_len == 0) {
        iov++;
        n--;
    }
    struct iovec first = {iov->iov_base, iov->iov_len < t->io_max_bytes ? iov->iov_len : t->io_max_bytes};
    return os_real()->pwritev(os_real(), fd, &first, 1, position);
}

static int fake_fsync(const struct os *os, int fd)
{
    return op_fails(os, TEST_OS_FSYNC) ? -1 : os_real()->fsync(os_real(), fd);
}

static int fake_ftruncate(const struct os *os, int fd, int64_t size)
{
    return op_fails(os, TEST_OS_FTRUNCATE) ? -1 : os_real()->ftruncate(os_real(), fd, size);
}

static int fake_rename(const struct os *os, const char *from, const char *to)
{
    return op_fails(os, TEST_OS_RENAME) ? -1 : os_real()->rename(os_real(), from, to);
}

static int fake_unlink(const struct os *os, const char *path)
{
    return op_fails(os, TEST_OS_UNLINK) ? -1 : os_real()->unlink(os_real(), path);
}

static int fake_rmdir(const struct os *os, const char *path)
{
    return op_fails(os, TEST_OS_RMDIR) ? -1 : os_real()->rmdir(os_real(), path);
}

static int fake_mkdir(const struct os *os, const char *path, mode_t mode)
{
    return op_fails(os, TEST_OS_MKDIR) ? -1 : os_real()->mkdir(os_real(), path, mode);
}

void test_os_init(struct test_os *t)
{
    *t = (struct test_os){
        .os = *os_real(),
        .now_wall_ms = 1700000000000,
        .now_mono_us = 1000000,
        .fail_errno = EIO,
    };
    t->os.wall_ms = fake_wall_ms;
    t->os.mono_us = fake_mono_us;
    t->os.open = fake_open;
    t->os.pread = fake_pread;
    t->os.pwritev = fake_pwritev;
    t->os.fsync = fake_fsync;
    t->os.ftruncate = fake_ftruncate;
    t->os.rename = fake_rename;
    t->os.unlink = fake_unlink;
    t->os.mkdir = fake_mkdir;
    t->os.rmdir = fake_rmdir;
    t->os.ctx = t;
}
