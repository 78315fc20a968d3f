// SPDX-License-Identifier: Apache-2.0
//
// Index files. Entries [0, stored) are in the file and do not change while the index only grows; the entries behind
// them are in `pending`. A lookup looks at `pending` under the lock and reads the file without it; a change writes the
// file first and moves the border under the lock afterwards.
#include "log/index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "log/file.h"

#define INDEX_ENTRY_SIZE_MAX 12
#define INDEX_BLOCK_ENTRIES  256 // a search reads this many at once when it has come near

static size_t entry_size(const struct index *x)
{
    return x->kind == INDEX_OFFSETS ? 8 : 12;
}

static struct index_entry entry_decode(const struct index *x, const uint8_t *p)
{
    if (x->kind == INDEX_OFFSETS) {
        return (struct index_entry){x->base_offset + (int32_t)load_be32(p), (int32_t)load_be32(p + 4)};
    }
    return (struct index_entry){(int64_t)load_be64(p), x->base_offset + (int32_t)load_be32(p + 8)};
}

static void entry_encode(const struct index *x, const struct index_entry *e, uint8_t *p)
{
    if (x->kind == INDEX_OFFSETS) {
        store_be32(p, (uint32_t)(e->key - x->base_offset));
        store_be32(p + 4, (uint32_t)e->value);
    } else {
        store_be64(p, (uint64_t)e->key);
        store_be32(p + 8, (uint32_t)(e->value - x->base_offset));
    }
}

// b may follow a.
static bool entry_rises(const struct index *x, const struct index_entry *a, const struct index_entry *b)
{
    return b->key > a->key && (x->kind == INDEX_OFFSETS ? b->value > a->value : b->value >= a->value);
}

void index_init(struct index *x, enum index_kind kind, int64_t base_offset)
{
    *x = (struct index){.kind = kind, .base_offset = base_offset};
    mutex_init(&x->mu, MUTEX_RANK_LEAF);
}

void index_release(struct index *x)
{
    free(x->pending);
    x->pending = NULL;
    mutex_destroy(&x->mu);
}

static enum err entry_read(const struct index *x, const struct os *os, int fd, int32_t i, struct index_entry *out)
{
    uint8_t raw[INDEX_ENTRY_SIZE_MAX];
    enum err err = os_pread_full(os, fd, raw, entry_size(x), (int64_t)i * (int64_t)entry_size(x));
    if (!err) {
        *out = entry_decode(x, raw);
    }
    return err;
}

// ---- loading -------------------------------------------------------------------------------------------------------

// The last entry can be one that was written: see index_load.
static bool entry_is_sane(const struct index *x, const struct index_entry *e, int64_t value_limit)
{
    if (e->value >= value_limit) {
        return false;
    }
    // The first append to a segment never makes an entry, so no entry points to its beginning.
    return x->kind == INDEX_OFFSETS ? e->key >= x->base_offset && e->value > 0 : e->value >= x->base_offset;
}

// Reads the last two entries of n.
static enum err index_check_end(struct index *x, const struct os *os, int fd, int32_t n, int64_t value_limit,
                                bool *sane)
{
    uint8_t raw[2 * INDEX_ENTRY_SIZE_MAX];
    size_t size = entry_size(x);
    int32_t first = n >= 2 ? n - 2 : 0;
    enum err err = os_pread_full(os, fd, raw, (size_t)(n - first) * size, (int64_t)first * (int64_t)size);
    if (err) {
        return err;
    }
    struct index_entry last = entry_decode(x, raw + (size_t)(n - first - 1) * size);
    *sane = entry_is_sane(x, &last, value_limit);
    if (*sane && n >= 2) {
        struct index_entry before = entry_decode(x, raw);
        *sane = entry_rises(x, &before, &last);
    }
    x->last = last;
    return ERR_OK;
}

enum err index_load(struct index *x, const struct os *os, const char *path, int64_t value_limit, bool *sane)
{
    struct stat st;
    *sane = false;
    if (stat(path, &st) != 0) {
        return errno == ENOENT ? ERR_OK : err_from_errno(errno);
    }
    int64_t n = st.st_size / (int64_t)entry_size(x);
    *sane = st.st_size % (int64_t)entry_size(x) == 0 && n <= INT32_MAX - INDEX_PENDING_MAX;
    if (!*sane || n == 0) {
        return ERR_OK;
    }
    int fd = os->open(os, path, O_RDONLY, 0);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err err = index_check_end(x, os, fd, (int32_t)n, value_limit, sane);
    if (!err && *sane) {
        x->stored = (int32_t)n;
    }
    os->close(os, fd);
    return err;
}

// ---- changes -------------------------------------------------------------------------------------------------------

static void index_set_stored(struct index *x, int32_t stored)
{
    mutex_lock(&x->mu);
    x->stored = stored;
    x->pending_count = 0;
    mutex_unlock(&x->mu);
}

// Writes what is pending to the open file.
static enum err index_write_pending(struct index *x, const struct os *os, int fd)
{
    uint8_t raw[INDEX_PENDING_MAX * INDEX_ENTRY_SIZE_MAX];
    size_t size = entry_size(x);
    for (int32_t i = 0; i < x->pending_count; i++) {
        entry_encode(x, &x->pending[i], raw + (size_t)i * size);
    }
    struct iovec iov = {.iov_base = raw, .iov_len = (size_t)x->pending_count * size};
    enum err err = os_pwritev_full(os, fd, &iov, 1, (int64_t)x->stored * (int64_t)size);
    if (!err) {
        index_set_stored(x, x->stored + x->pending_count);
    }
    return err;
}

enum err index_append(struct index *x, const struct os *os, const char *path, int64_t key, int64_t value)
{
    struct index_entry e = {key, value};
    if (index_count(x) > 0 && !entry_rises(x, &x->last, &e)) {
        return ERR_OK;
    }
    if (x->pending == NULL) {
        struct index_entry *pending = malloc(INDEX_PENDING_MAX * sizeof *pending);
        if (pending == NULL) {
            return ERR_NO_MEMORY;
        }
        mutex_lock(&x->mu);
        x->pending = pending;
        mutex_unlock(&x->mu);
    }
    if (x->pending_count == INDEX_PENDING_MAX) {
        int fd = os->open(os, path, O_WRONLY | O_CREAT, 0644);
        if (fd < 0) {
            return ERR_OK;
        }
        enum err err = index_write_pending(x, os, fd);
        os->close(os, fd);
        if (err) {
            return err;
        }
    }
    mutex_lock(&x->mu);
    x->pending[x->pending_count++] = e;
    x->last = e;
    mutex_unlock(&x->mu);
    return ERR_OK;
}

enum err index_store(struct index *x, const struct os *os, const char *path, bool sync)
{
    if (x->pending_count == 0 && !sync) {
        return ERR_OK;
    }
    int fd = os->open(os, path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err err = x->pending_count > 0 ? index_write_pending(x, os, fd) : ERR_OK;
    if (!err && sync) {
        err = os_fsync(os, fd);
    }
    os->close(os, fd);
    return err;
}

// The number of entries in the file for offsets below offset.
static enum err index_count_below(const struct index *x, const struct os *os, int fd, int64_t offset, int32_t *out)
{
    int32_t low = 0;
    int32_t high = x->stored;
    while (low < high) {
        int32_t mid = low + (high - low) / 2;
        struct index_entry e;
        enum err err = entry_read(x, os, fd, mid, &e);
        if (err) {
            return err;
        }
        if ((x->kind == INDEX_OFFSETS ? e.key : e.value) < offset) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *out = low;
    return ERR_OK;
}

enum err index_truncate(struct index *x, const struct os *os, const char *path, int64_t offset)
{
    enum err err = index_store(x, os, path, false);
    if (err || x->stored == 0) {
        return err;
    }
    int fd = os->open(os, path, O_RDWR, 0);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    int32_t kept;
    err = index_count_below(x, os, fd, offset, &kept);
    if (err || kept == x->stored) {
        goto out;
    }
    struct index_entry last = {0, 0};
    if (kept > 0) {
        err = entry_read(x, os, fd, kept - 1, &last);
        if (err) {
            goto out;
        }
    }
    index_set_stored(x, kept);
    x->last = last;
    if (os->ftruncate(os, fd, (int64_t)kept * (int64_t)entry_size(x)) != 0) {
        err = err_from_errno(errno);
    }
out:
    os->close(os, fd);
    return err;
}

enum err index_reset(struct index *x, const struct os *os, const char *path)
{
    index_set_stored(x, 0);
    int fd = os->open(os, path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err err = os->ftruncate(os, fd, 0) == 0 ? ERR_OK : err_from_errno(errno);
    os->close(os, fd);
    return err;
}

// ---- lookups -------------------------------------------------------------------------------------------------------

// Which entries a search wants: those whose key is <= bound, or whose value is < bound, come first in the index.
struct index_search {
    bool by_value;
    int64_t bound;
};

static bool search_is_before(const struct index_search *s, const struct index_entry *e)
{
    return s->by_value ? e->value < s->bound : e->key <= s->bound;
}

// The number of entries in the file that come before the bound, and the entries on both sides of it.
static enum err index_search_file(const struct index *x, const struct os *os, int fd, int32_t stored,
                                  const struct index_search *s, struct index_entry *below, struct index_entry *above,
                                  int32_t *count)
{
    int32_t low = 0;
    int32_t high = stored;
    while (high - low > INDEX_BLOCK_ENTRIES) {
        int32_t mid = low + (high - low) / 2;
        struct index_entry e;
        enum err err = entry_read(x, os, fd, mid, &e);
        if (err) {
            return err;
        }
        if (search_is_before(s, &e)) {
            low = mid;
        } else {
            high = mid + 1;
        }
    }
    uint8_t raw[(INDEX_BLOCK_ENTRIES + 1) * INDEX_ENTRY_SIZE_MAX];
    size_t size = entry_size(x);
    enum err err = os_pread_full(os, fd, raw, (size_t)(high - low) * size, (int64_t)low * (int64_t)size);
    if (err) {
        return err;
    }
    int32_t i = low;
    for (; i < high; i++) {
        *above = entry_decode(x, raw + (size_t)(i - low) * size);
        if (!search_is_before(s, above)) {
            break;
        }
        *below = *above;
    }
    *count = i;
    return ERR_OK;
}

// Finds the border between the entries before the bound and the others. *has_below, *has_above: which of the
// neighbours exist.
static enum err index_search(struct index *x, const struct os *os, const char *path, const struct index_search *s,
                             struct index_entry *below, bool *has_below, struct index_entry *above, bool *has_above)
{
    *has_below = false;
    *has_above = false;
    mutex_lock(&x->mu);
    int32_t stored = x->stored;
    for (int32_t i = 0; i < x->pending_count && !*has_above; i++) {
        if (search_is_before(s, &x->pending[i])) {
            *below = x->pending[i];
            *has_below = true;
        } else {
            *above = x->pending[i];
            *has_above = true;
        }
    }
    mutex_unlock(&x->mu);
    if (*has_below || stored == 0) {
        return ERR_OK;
    }
    int fd = os->open(os, path, O_RDONLY, 0);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    int32_t count;
    struct index_entry file_above;
    enum err err = index_search_file(x, os, fd, stored, s, below, &file_above, &count);
    os->close(os, fd);
    if (err) {
        return err == ERR_TRUNCATED ? ERR_NOT_FOUND : err;
    }
    *has_below = count > 0;
    if (count < stored) {
        *above = file_above;
        *has_above = true;
    }
    return ERR_OK;
}

enum err index_find(struct index *x, const struct os *os, const char *path, int64_t key, struct index_entry *out)
{
    struct index_search s = {.by_value = false, .bound = key};
    struct index_entry above;
    bool has_below;
    bool has_above;
    enum err err = index_search(x, os, path, &s, out, &has_below, &above, &has_above);
    return !err && !has_below ? ERR_NOT_FOUND : err;
}

enum err index_find_value(struct index *x, const struct os *os, const char *path, int64_t value,
                          struct index_entry *out)
{
    struct index_search s = {.by_value = true, .bound = value};
    struct index_entry below;
    bool has_below;
    bool has_above;
    enum err err = index_search(x, os, path, &s, &below, &has_below, out, &has_above);
    return !err && !has_above ? ERR_NOT_FOUND : err;
}

int32_t index_count(struct index *x)
{
    mutex_lock(&x->mu);
    int32_t n = x->stored + x->pending_count;
    mutex_unlock(&x->mu);
    return n;
}

bool index_last(struct index *x, struct index_entry *out)
{
    mutex_lock(&x->mu);
    bool any = x->stored + x->pending_count > 0;
    *out = x->last;
    mutex_unlock(&x->mu);
    return any;
}

bool index_is_full(struct index *x, int32_t max_bytes)
{
    int32_t max = max_bytes / (int32_t)entry_size(x);
    return index_count(x) >= (x->kind == INDEX_TIMES ? max - 1 : max);
}
