// SPDX-License-Identifier: Apache-2.0
//
// The seam to the operating system: clocks, randomness and files. Code that keeps data or decides by time goes through
// a `struct os`, so that tests can set the clock and make the n-th write fail. os_real() is the real thing.
// All functions may be called from any thread. Paths are bytes ending in NUL.
#ifndef OTTLA_BASE_OS_H
#define OTTLA_BASE_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"

// Every operation answers -1 with errno set, as the system call of the same name does.
struct os {
    int64_t (*wall_ms)(const struct os *os); // milliseconds since 1970 UTC; may jump
    int64_t (*mono_us)(const struct os *os); // microseconds, never goes back
    void (*random)(const struct os *os, void *buf, size_t len);
    int (*open)(const struct os *os, const char *path, int flags, mode_t mode); // O_CLOEXEC is always added
    int (*close)(const struct os *os, int fd);
    ssize_t (*pread)(const struct os *os, int fd, void *buf, size_t len, int64_t position);
    ssize_t (*pwritev)(const struct os *os, int fd, const struct iovec *iov, int n, int64_t position);
    int (*fsync)(const struct os *os, int fd); // data and what is needed to find it (fdatasync)
    int (*ftruncate)(const struct os *os, int fd, int64_t size);
    int (*rename)(const struct os *os, const char *from, const char *to);
    int (*unlink)(const struct os *os, const char *path);
    int (*mkdir)(const struct os *os, const char *path, mode_t mode);
    int (*rmdir)(const struct os *os, const char *path);
    // Whether these bytes of a file lie in memory, so that reading them waits for no disk; also where nobody can tell.
    bool (*is_cached)(const struct os *os, int fd, int64_t position, size_t len);
    void *ctx; // of a test's replacement
};

const struct os *os_real(void);

static inline int64_t os_wall_ms(const struct os *os)
{
    return os->wall_ms(os);
}
static inline int64_t os_mono_us(const struct os *os)
{
    return os->mono_us(os);
}

// Reads exactly len bytes: ERR_TRUNCATED when the file ends before.
enum err os_pread_full(const struct os *os, int fd, void *buf, size_t len, int64_t position) WARN_UNUSED;
// Writes all pieces, going on after short writes. iov is used up.
enum err os_pwritev_full(const struct os *os, int fd, struct iovec *iov, int n, int64_t position) WARN_UNUSED;
// fsync that answers ERR_IO whatever the reason, a full disk too: what was written before may be lost, and another
// fsync would not say so again. So ERR_NO_SPACE always means that nothing but the last write is missing.
enum err os_fsync(const struct os *os, int fd) WARN_UNUSED;
// fsync of a directory, so that created, renamed and deleted names last.
enum err os_fsync_dir(const struct os *os, const char *path) WARN_UNUSED;
// The same of the directory in which path lies.
enum err os_fsync_parent(const struct os *os, const char *path) WARN_UNUSED;
// The whole file as a malloc'ed buffer with a NUL behind it. ERR_TOO_LARGE beyond max bytes.
enum err os_read_file(const struct os *os, const char *path, size_t max, char **data, size_t *len) WARN_UNUSED;
// Replaces a file so that after a crash either the old or the new content is there: <path>.tmp, fsync, rename,
// fsync of the directory.
enum err os_replace_file(const struct os *os, const char *path, const void *data, size_t len) WARN_UNUSED;
// The same without any fsync: the old or the new content is there after the end of the process, but after a power
// failure it may be anything, and the file may be missing.
enum err os_replace_file_unsynced(const struct os *os, const char *path, const void *data, size_t len) WARN_UNUSED;
// Creates path, or empties it, and writes the content; no fsync.
enum err os_write_file(const struct os *os, const char *path, const void *data, size_t len) WARN_UNUSED;
enum err os_file_size(const struct os *os, int fd, int64_t *size) WARN_UNUSED;

#endif
