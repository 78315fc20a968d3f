// SPDX-License-Identifier: Apache-2.0
//
// The real operating system behind struct os, and the helpers that are built on any struct os. The helpers go on after
// short reads and writes and after EINTR, so no caller needs to.
#include "base/os.h"

#include "base/assert.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    NR_CACHESTAT = 451, // on every architecture; older headers lack it
    MINCORE_PAGES = 4096,
};

static int64_t real_wall_ms(const struct os *os)
{
    (void)os;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t real_mono_us(const struct os *os)
{
    (void)os;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void real_random(const struct os *os, void *buf, size_t len)
{
    (void)os;
    uint8_t *p = buf;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        ASSERT(n > 0 || errno == EINTR);
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

static int real_open(const struct os *os, const char *path, int flags, mode_t mode)
{
    (void)os;
    return open(path, flags | O_CLOEXEC, mode);
}

static int real_close(const struct os *os, int fd)
{
    (void)os;
    return close(fd);
}

static ssize_t real_pread(const struct os *os, int fd, void *buf, size_t len, int64_t position)
{
    (void)os;
    return pread(fd, buf, len, position);
}

static ssize_t real_pwritev(const struct os *os, int fd, const struct iovec *iov, int n, int64_t position)
{
    (void)os;
    return pwritev(fd, iov, n, position);
}

static int real_fsync(const struct os *os, int fd)
{
    (void)os;
    // A changed entry of a directory is not "data" to every file system, so a directory gets the full fsync.
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return -1;
    }
    return S_ISDIR(st.st_mode) ? fsync(fd) : fdatasync(fd);
}

static int real_ftruncate(const struct os *os, int fd, int64_t size)
{
    (void)os;
    return ftruncate(fd, size);
}

static int real_rename(const struct os *os, const char *from, const char *to)
{
    (void)os;
    return rename(from, to);
}

static int real_unlink(const struct os *os, const char *path)
{
    (void)os;
    return unlink(path);
}

static int real_mkdir(const struct os *os, const char *path, mode_t mode)
{
    (void)os;
    return mkdir(path, mode);
}

static int real_rmdir(const struct os *os, const char *path)
{
    (void)os;
    return rmdir(path);
}

// cachestat(2), Linux 6.5 and later. -1: the system has no such call.
static int64_t cached_pages(int fd, int64_t position, size_t len)
{
    struct {
        uint64_t off;
        uint64_t len;
    } range = {(uint64_t)position, len};
    struct {
        uint64_t cached, dirty, writeback, evicted, recently_evicted;
    } stat;
    return syscall(NR_CACHESTAT, fd, &range, &stat, 0) == 0 ? (int64_t)stat.cached : -1;
}

// The same by a mapping, for older systems.
static bool mapped_pages_resident(int fd, int64_t begin, size_t len)
{
    unsigned char resident[MINCORE_PAGES];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    bool all = true;
    for (size_t at = 0; all && at < len; at += MINCORE_PAGES * page) {
        size_t n = len - at < MINCORE_PAGES * page ? len - at : MINCORE_PAGES * page;
        void *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, (off_t)begin + (off_t)at);
        if (p == MAP_FAILED) {
            return true;
        }
        if (mincore(p, n, resident) == 0) {
            for (size_t i = 0; all && i < (n + page - 1) / page; i++) {
                all = (resident[i] & 1) != 0;
            }
        }
        munmap(p, n);
    }
    return all;
}

static bool real_is_cached(const struct os *os, int fd, int64_t position, size_t len)
{
    (void)os;
    int64_t page = sysconf(_SC_PAGESIZE);
    int64_t begin = position / page * page;
    if (len == 0) {
        return true;
    }
    int64_t cached = cached_pages(fd, position, len);
    if (cached < 0) {
        return mapped_pages_resident(fd, begin, (size_t)(position - begin) + len);
    }
    return cached >= (position + (int64_t)len - 1) / page - position / page + 1;
}

const struct os *os_real(void)
{
    static const struct os real = {
        .wall_ms = real_wall_ms,
        .mono_us = real_mono_us,
        .random = real_random,
        .open = real_open,
        .close = real_close,
        .pread = real_pread,
        .pwritev = real_pwritev,
        .fsync = real_fsync,
        .ftruncate = real_ftruncate,
        .rename = real_rename,
        .unlink = real_unlink,
        .mkdir = real_mkdir,
        .rmdir = real_rmdir,
        .is_cached = real_is_cached,
    };
    return &real;
}

enum err os_pread_full(const struct os *os, int fd, void *buf, size_t len, int64_t position)
{
    uint8_t *p = buf;
    while (len > 0) {
        ssize_t n = os->pread(os, fd, p, len, position);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_from_errno(errno);
        }
        if (n == 0) {
            return ERR_TRUNCATED;
        }
        p += n;
        len -= (size_t)n;
        position += n;
    }
    return ERR_OK;
}

enum err os_pwritev_full(const struct os *os, int fd, struct iovec *iov, int n, int64_t position)
{
    while (n > 0) {
        if (iov->iov_len == 0) {
            iov++;
            n--;
            continue;
        }
        ssize_t written = os->pwritev(os, fd, iov, n < IOV_MAX ? n : IOV_MAX, position);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return err_from_errno(errno);
        }
        if (written == 0) {
            return ERR_IO; // nothing was taken and nothing said: never spin on it
        }
        position += written;
        size_t left = (size_t)written;
        while (left > 0) {
            size_t taken = left < iov->iov_len ? left : iov->iov_len;
            iov->iov_base = (uint8_t *)iov->iov_base + taken;
            iov->iov_len -= taken;
            left -= taken;
            if (iov->iov_len == 0) {
                iov++;
                n--;
            }
        }
    }
    return ERR_OK;
}

enum err os_fsync(const struct os *os, int fd)
{
    return os->fsync(os, fd) == 0 ? ERR_OK : ERR_IO;
}

enum err os_fsync_dir(const struct os *os, const char *path)
{
    int fd = os->open(os, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err err = os_fsync(os, fd);
    os->close(os, fd);
    return err;
}

enum err os_file_size(const struct os *os, int fd, int64_t *size)
{
    (void)os;
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return err_from_errno(errno);
    }
    *size = st.st_size;
    return ERR_OK;
}

enum err os_read_file(const struct os *os, const char *path, size_t max, char **data, size_t *len)
{
    char *buf = NULL;
    int64_t size = 0;
    int fd = os->open(os, path, O_RDONLY, 0);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err err = os_file_size(os, fd, &size);
    if (err) {
        goto out;
    }
    if ((uint64_t)size > max) {
        err = ERR_TOO_LARGE;
        goto out;
    }
    buf = malloc((size_t)size + 1);
    if (!buf) {
        err = ERR_NO_MEMORY;
        goto out;
    }
    err = os_pread_full(os, fd, buf, (size_t)size, 0);
    if (err) {
        goto out;
    }
    buf[size] = '\0';
    *data = buf;
    *len = (size_t)size;
    buf = NULL;
out:
    free(buf);
    os->close(os, fd);
    return err;
}

static enum err file_write_new(const struct os *os, const char *path, const void *data, size_t len, bool sync)
{
    int fd = os->open(os, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    enum err err = os_pwritev_full(os, fd, &iov, 1, 0);
    if (!err && sync) {
        err = os_fsync(os, fd);
    }
    if (os->close(os, fd) != 0 && !err) {
        err = err_from_errno(errno);
    }
    return err;
}

enum err os_write_file(const struct os *os, const char *path, const void *data, size_t len)
{
    return file_write_new(os, path, data, len, false);
}

enum err os_fsync_parent(const struct os *os, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return os_fsync_dir(os, ".");
    }
    char *parent = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (!parent) {
        return ERR_NO_MEMORY;
    }
    enum err err = os_fsync_dir(os, parent);
    free(parent);
    return err;
}

static enum err file_replace(const struct os *os, const char *path, const void *data, size_t len, bool sync)
{
    char *temp = NULL;
    if (asprintf(&temp, "%s.tmp", path) < 0) {
        return ERR_NO_MEMORY;
    }
    enum err err = file_write_new(os, temp, data, len, sync);
    if (!err && os->rename(os, temp, path) != 0) {
        err = err_from_errno(errno);
    }
    if (err) {
        os->unlink(os, temp); // best effort: the next replacement truncates what is left
    } else if (sync) {
        err = os_fsync_parent(os, path);
    }
    free(temp);
    return err;
}

enum err os_replace_file(const struct os *os, const char *path, const void *data, size_t len)
{
    return file_replace(os, path, data, len, true);
}

enum err os_replace_file_unsynced(const struct os *os, const char *path, const void *data, size_t len)
{
    return file_replace(os, path, data, len, false);
}
