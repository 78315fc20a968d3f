// SPDX-License-Identifier: Apache-2.0
//
// The index of aborted transactions.
#include "log/txn_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "log/file.h"

#define TXN_ENTRY_SIZE    34
#define TXN_ENTRY_VERSION 0

static void entry_encode(const struct aborted_txn *t, uint8_t *p)
{
    store_be16(p, TXN_ENTRY_VERSION);
    store_be64(p + 2, (uint64_t)t->producer_id);
    store_be64(p + 10, (uint64_t)t->first_offset);
    store_be64(p + 18, (uint64_t)t->last_offset);
    store_be64(p + 26, (uint64_t)t->last_stable_offset);
}

static enum err entry_decode(const uint8_t *p, struct aborted_txn *t)
{
    t->producer_id = (int64_t)load_be64(p + 2);
    t->first_offset = (int64_t)load_be64(p + 10);
    t->last_offset = (int64_t)load_be64(p + 18);
    t->last_stable_offset = (int64_t)load_be64(p + 26);
    return load_be16(p) == TXN_ENTRY_VERSION ? ERR_OK : ERR_CORRUPT;
}

// Markers rise, and lie in the segment, behind the transactions that they end.
static bool entries_sane(const struct aborted_txn *list, int32_t n, int64_t base_offset)
{
    int64_t above = base_offset - 1;
    for (int32_t i = 0; i < n; i++) {
        const struct aborted_txn *t = &list[i];
        if (t->last_offset <= above || t->first_offset < 0 || t->first_offset >= t->last_offset || t->producer_id < 0) {
            return false;
        }
        above = t->last_offset;
    }
    return true;
}

enum err txn_index_load(const struct os *os, const char *path, int64_t base_offset, int32_t *count, bool *sane)
{
    *count = 0;
    *sane = true;
    int fd = os->open(os, path, O_RDONLY, 0);
    if (fd < 0) {
        return errno == ENOENT ? ERR_OK : err_from_errno(errno);
    }
    int64_t size;
    enum err err = os_file_size(os, fd, &size);
    os->close(os, fd);
    *sane = !err && size > 0 && size % TXN_ENTRY_SIZE == 0 && size / TXN_ENTRY_SIZE < INT32_MAX;
    if (!*sane) {
        return err;
    }
    struct aborted_txn *list;
    err = txn_index_read(os, path, (int32_t)(size / TXN_ENTRY_SIZE), &list);
    *sane = !err && entries_sane(list, (int32_t)(size / TXN_ENTRY_SIZE), base_offset);
    *count = *sane ? (int32_t)(size / TXN_ENTRY_SIZE) : 0;
    if (!err) {
        free(list);
    }
    return err == ERR_CORRUPT ? ERR_OK : err;
}

enum err txn_index_append(const struct os *os, const char *path, int32_t count, const struct aborted_txn *t)
{
    uint8_t raw[TXN_ENTRY_SIZE];
    entry_encode(t, raw);
    int fd = os->open(os, path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    struct iovec iov = {.iov_base = raw, .iov_len = sizeof raw};
    enum err err = os_pwritev_full(os, fd, &iov, 1, (int64_t)count * TXN_ENTRY_SIZE);
    os->close(os, fd);
    return err;
}

enum err txn_index_read(const struct os *os, const char *path, int32_t count, struct aborted_txn **out)
{
    *out = NULL;
    enum err err = ERR_NO_MEMORY;
    size_t size = (size_t)count * TXN_ENTRY_SIZE;
    uint8_t *raw = malloc(size + 1);
    struct aborted_txn *list = calloc((size_t)count + 1, sizeof *list);
    int fd = os->open(os, path, O_RDONLY, 0);
    if (fd < 0) {
        err = err_from_errno(errno);
        goto out;
    }
    if (raw == NULL || list == NULL) {
        goto out;
    }
    err = os_pread_full(os, fd, raw, size, 0);
    for (int32_t i = 0; i < count && !err; i++) {
        err = entry_decode(raw + (size_t)i * TXN_ENTRY_SIZE, &list[i]);
    }
    if (!err) {
        *out = list;
        list = NULL;
    }
out:
    if (fd >= 0) {
        os->close(os, fd);
    }
    free(raw);
    free(list);
    return err;
}

enum err txn_index_truncate(const struct os *os, const char *path, int64_t offset, int32_t *count)
{
    if (*count == 0) {
        return ERR_OK;
    }
    struct aborted_txn *list;
    enum err err = txn_index_read(os, path, *count, &list);
    if (err) {
        return err;
    }
    int32_t kept = 0;
    while (kept < *count && list[kept].last_offset < offset) {
        kept++;
    }
    free(list);
    if (kept == *count) {
        return ERR_OK;
    }
    *count = kept;
    int fd = os->open(os, path, O_WRONLY, 0);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    if (os->ftruncate(os, fd, (int64_t)kept * TXN_ENTRY_SIZE) != 0) {
        err = err_from_errno(errno);
    }
    os->close(os, fd);
    return err;
}

enum err txn_index_reset(const struct os *os, const char *path)
{
    if (os->unlink(os, path) != 0 && errno != ENOENT) {
        return err_from_errno(errno);
    }
    return ERR_OK;
}
