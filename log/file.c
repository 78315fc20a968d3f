// SPDX-License-Identifier: Apache-2.0
//
// Counted segment files.
#include "log/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/assert.h"

#define WARM_PIECE_BYTES ((size_t)256 << 10)

enum err log_file_open(const struct os *os, const char *path, int flags, int64_t base_offset, struct log_file **out)
{
    struct log_file *f = malloc(sizeof *f);
    if (f == NULL) {
        return ERR_NO_MEMORY;
    }
    f->fd = os->open(os, path, flags, 0644);
    if (f->fd < 0) {
        enum err err = err_from_errno(errno);
        free(f);
        return err;
    }
    atomic_init(&f->refs, 1);
    f->base_offset = base_offset;
    f->os = os;
    *out = f;
    return ERR_OK;
}

void log_file_ref(struct log_file *f)
{
    int before = atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    ASSERT(before > 0);
}

void log_file_unref(struct log_file *f)
{
    int before = atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        f->os->close(f->os, f->fd);
        free(f);
    }
}

int log_file_fd(const struct log_file *f)
{
    return f->fd;
}

bool log_file_is_warm(const struct os *os, const struct log_file *f, int64_t position, size_t len)
{
    return os->is_cached(os, f->fd, position, len);
}

void log_file_warm(const struct os *os, const struct log_file *f, int64_t position, size_t len)
{
    uint8_t *unused = malloc(WARM_PIECE_BYTES);
    for (size_t at = 0; unused != NULL && at < len; at += WARM_PIECE_BYTES) {
        size_t n = len - at < WARM_PIECE_BYTES ? len - at : WARM_PIECE_BYTES;
        if (os_pread_full(os, f->fd, unused, n, position + (int64_t)at) != ERR_OK) {
            break;
        }
    }
    free(unused);
}

enum err file_sync(const struct os *os, const char *path)
{
    int fd = os->open(os, path, O_RDONLY, 0);
    if (fd < 0) {
        return errno == ENOENT ? ERR_OK : err_from_errno(errno);
    }
    enum err err = os_fsync(os, fd);
    os->close(os, fd);
    return err;
}
