// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into a broker: lets calls on files below one directory fail on demand. What fails is said in a file of one
// `struct control`, which the test maps as well, so it can change at any time.
//
//   FAULTS_DIR      the directory
//   FAULTS_CONTROL  the file
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    OP_WRITE = 1,
    OP_SYNC = 2,
    OP_TRUNCATE = 4,
    OP_RENAME = 8,
    OP_CREATE = 16,
    OP_RESERVE = 32,
};

struct control {
    _Atomic uint32_t ops;    // which kinds of calls fail
    _Atomic int32_t errnum;  // with which error
    _Atomic int64_t skip;    // so many calls still work
    _Atomic int64_t hits;    // so many have failed
    _Atomic uint32_t halves; // so many writes before the first that fails write only half of their bytes
};

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

// NULL when there is none. To be given back.
static struct control *control_map(void)
{
    const char *path = getenv("FAULTS_CONTROL");
    int fd = path == NULL ? -1 : REAL(int (*)(const char *, int, ...), "open")(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    void *at = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? NULL : at;
}

static void control_unmap(struct control *c)
{
    if (c != NULL) {
        munmap(c, sizeof *c);
    }
}

static bool path_counts(const char *path)
{
    const char *dir = getenv("FAULTS_DIR");
    size_t len = dir == NULL ? 0 : strlen(dir);
    return len > 0 && strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool fd_counts(int fd)
{
    char link[64];
    char path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = '\0';
    return path_counts(path);
}

static bool fails(uint32_t op)
{
    struct control *c = control_map();
    bool failing = c != NULL && (atomic_load(&c->ops) & op) && atomic_fetch_sub(&c->skip, 1) <= 0;
    int errnum = 0;
    if (failing) {
        atomic_fetch_add(&c->hits, 1);
        errnum = atomic_load(&c->errnum);
    }
    control_unmap(c);
    errno = failing ? errnum : errno;
    return failing;
}

// The next write is to be a short one.
static bool halved(void)
{
    struct control *c = control_map();
    uint32_t left = c == NULL ? 0 : atomic_load(&c->halves);
    bool is_halved = left > 0 && (atomic_load(&c->ops) & OP_WRITE) && atomic_load(&c->skip) <= 0 &&
                     atomic_compare_exchange_strong(&c->halves, &left, left - 1);
    control_unmap(c);
    return is_halved;
}

static ssize_t write_vector(const char *name, int fd, const struct iovec *iov, int n, off_t position)
{
    ssize_t (*real)(int, const struct iovec *, int, off_t) =
        REAL(ssize_t(*)(int, const struct iovec *, int, off_t), name);
    if (fd_counts(fd)) {
        if (n > 0 && iov[0].iov_len > 1 && halved()) {
            struct iovec half = {iov[0].iov_base, iov[0].iov_len / 2};
            return real(fd, &half, 1, position);
        }
        if (fails(OP_WRITE)) {
            return -1;
        }
    }
    return real(fd, iov, n, position);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t position)
{
    return write_vector("pwritev", fd, iov, n, position);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off_t position)
{
    return write_vector("pwritev64", fd, iov, n, position);
}

static int sync_file(const char *name, int fd)
{
    return fd_counts(fd) && fails(OP_SYNC) ? -1 : REAL(int (*)(int), name)(fd);
}

int fsync(int fd)
{
    return sync_file("fsync", fd);
}

int fdatasync(int fd)
{
    return sync_file("fdatasync", fd);
}

static int truncate_file(const char *name, int fd, off_t size)
{
    return fd_counts(fd) && fails(OP_TRUNCATE) ? -1 : REAL(int (*)(int, off_t), name)(fd, size);
}

int ftruncate(int fd, off_t size)
{
    return truncate_file("ftruncate", fd, size);
}

int ftruncate64(int fd, off_t size)
{
    return truncate_file("ftruncate64", fd, size);
}

int rename(const char *from, const char *to)
{
    return path_counts(to) && fails(OP_RENAME) ? -1 : REAL(int (*)(const char *, const char *), "rename")(from, to);
}

static int reserve(const char *name, int fd, int mode, off_t position, off_t len)
{
    return fd_counts(fd) && fails(OP_RESERVE) ? -1
                                              : REAL(int (*)(int, int, off_t, off_t), name)(fd, mode, position, len);
}

int fallocate(int fd, int mode, off_t position, off_t len)
{
    return reserve("fallocate", fd, mode, position, len);
}

int fallocate64(int fd, int mode, off_t position, off_t len)
{
    return reserve("fallocate64", fd, mode, position, len);
}

// Only a new name needs room.
static int open_file(const char *name, const char *path, int flags, mode_t mode)
{
    if ((flags & O_CREAT) && path_counts(path) && access(path, F_OK) != 0 && fails(OP_CREATE)) {
        return -1;
    }
    return REAL(int (*)(const char *, int, mode_t), name)(path, flags, mode);
}

static mode_t mode_of(int flags, va_list args)
{
    return flags & O_CREAT ? va_arg(args, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_file("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return open_file("open64", path, flags, mode);
}
