// SPDX-License-Identifier: Apache-2.0
//
// Segments.
#include "log/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/logging.h"

// ---- the bound on open files ---------------------------------------------------------------------------------------

void file_ring_init(struct file_ring *r)
{
    *r = (struct file_ring){.next = 0};
    mutex_init(&r->mu, MUTEX_RANK_LEAF);
}

void file_ring_release(struct file_ring *r)
{
    for (unsigned i = 0; i < FILE_RING_SIZE; i++) {
        ASSERT(r->slots[i] == NULL);
    }
    mutex_destroy(&r->mu);
}

// The segment gives up its own reference to the file; readers keep theirs.
static void segment_drop_file(struct segment *s)
{
    mutex_lock(&s->mu);
    struct log_file *f = s->pinned ? NULL : s->file;
    s->file = s->pinned ? s->file : NULL;
    mutex_unlock(&s->mu);
    if (f != NULL) {
        log_file_unref(f);
    }
}

// Puts a segment that has just opened its file in the place of the one that was put there longest ago, which is
// answered: the caller drops its file once it holds no lock.
static struct segment *file_ring_add(struct file_ring *r, struct segment *s)
{
    segment_ref(s);
    mutex_lock(&r->mu);
    struct segment *oldest = r->slots[r->next];
    r->slots[r->next] = s;
    r->next = (r->next + 1) % FILE_RING_SIZE;
    mutex_unlock(&r->mu);
    return oldest;
}

static void file_ring_evict(struct segment *oldest)
{
    if (oldest != NULL) {
        segment_drop_file(oldest);
        segment_unref(oldest);
    }
}

static void file_ring_remove(struct file_ring *r, struct segment *s)
{
    int found = 0; // a segment that was opened again is there more than once
    mutex_lock(&r->mu);
    for (unsigned i = 0; i < FILE_RING_SIZE; i++) {
        if (r->slots[i] == s) {
            r->slots[i] = NULL;
            found++;
        }
    }
    mutex_unlock(&r->mu);
    for (; found > 0; found--) {
        segment_unref(s);
    }
}

// ---- life ----------------------------------------------------------------------------------------------------------

static int64_t jitter_choose(const struct os *os, const struct log_config *config)
{
    int64_t max = config->segment_jitter_ms < config->segment_ms ? config->segment_jitter_ms : config->segment_ms;
    if (max <= 0) {
        return 0;
    }
    uint64_t r;
    os->random(os, &r, sizeof r);
    return (int64_t)(r % (uint64_t)max);
}

struct segment *segment_new(const struct os *os, struct file_ring *ring, const char *dir, int64_t base_offset,
                            const struct log_config *config)
{
    struct segment *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    atomic_init(&s->refs, 1);
    atomic_init(&s->txn_count, 0);
    s->os = os;
    s->ring = ring;
    s->dir = dir;
    s->base_offset = base_offset;
    mutex_init(&s->mu, MUTEX_RANK_LOG_LIST);
    s->max_timestamp = -1;
    s->max_timestamp_offset = base_offset;
    index_init(&s->offsets, INDEX_OFFSETS, base_offset);
    index_init(&s->times, INDEX_TIMES, base_offset);
    s->created_ms = os_wall_ms(os);
    s->roll_jitter_ms = jitter_choose(os, config);
    return s;
}

void segment_ref(struct segment *s)
{
    int before = atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    ASSERT(before > 0);
}

void segment_unref(struct segment *s)
{
    int before = atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1) {
        return;
    }
    if (s->file != NULL) {
        log_file_unref(s->file);
    }
    index_release(&s->offsets);
    index_release(&s->times);
    mutex_destroy(&s->mu);
    free(s);
}

void segment_retire(struct segment *s)
{
    mutex_lock(&s->mu);
    s->pinned = false;
    s->retired = true;
    mutex_unlock(&s->mu);
    segment_drop_file(s);
    file_ring_remove(s->ring, s);
    segment_unref(s);
}

static void file_path(const struct segment *s, enum name_kind kind, enum name_state state, char out[SEGMENT_PATH_MAX])
{
    char name[NAME_FILE_MAX];
    file_name_format(name, s->base_offset, kind, state);
    snprintf(out, SEGMENT_PATH_MAX, "%s/%s", s->dir, name);
}

void segment_path(const struct segment *s, enum name_kind kind, char out[SEGMENT_PATH_MAX])
{
    file_path(s, kind, NAME_LIVE, out);
}

int64_t segment_modified_ms(const struct segment *s, int64_t otherwise)
{
    char path[SEGMENT_PATH_MAX];
    struct stat st;
    segment_path(s, NAME_LOG, path);
    return stat(path, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 : otherwise;
}

// ---- files ---------------------------------------------------------------------------------------------------------

static const enum name_kind segment_kinds[] = {NAME_LOG, NAME_INDEX, NAME_TIME_INDEX, NAME_TXN_INDEX};
#define SEGMENT_KINDS (sizeof segment_kinds / sizeof segment_kinds[0])

enum err segment_delete_files(struct segment *s)
{
    for (size_t i = 0; i < SEGMENT_KINDS; i++) {
        char path[SEGMENT_PATH_MAX];
        segment_path(s, segment_kinds[i], path);
        if (s->os->unlink(s->os, path) != 0 && errno != ENOENT) {
            return err_from_errno(errno);
        }
    }
    return ERR_OK;
}

enum err segment_create(struct segment *s, const struct log_config *config)
{
    enum err err = segment_delete_files(s);
    if (err) {
        return err;
    }
    char path[SEGMENT_PATH_MAX];
    segment_path(s, NAME_LOG, path);
    struct log_file *f;
    err = log_file_open(s->os, path, O_RDWR | O_CREAT | O_EXCL, s->base_offset, &f);
    if (err) {
        return err;
    }
    // Blocks are reserved behind the end of the file, so that its size is always the size of its data.
    if (config->preallocate) {
        s->preallocated = fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0, config->segment_bytes) == 0;
    }
    segment_path(s, NAME_INDEX, path);
    err = index_reset(&s->offsets, s->os, path);
    if (!err) {
        segment_path(s, NAME_TIME_INDEX, path);
        err = index_reset(&s->times, s->os, path);
    }
    if (err) {
        log_file_unref(f);
        enum err cleanup = segment_delete_files(s); // what stays behind is deleted before the name is used again
        (void)cleanup;
        return err;
    }
    s->file = f;
    s->pinned = true;
    s->dirty = true;
    return ERR_OK;
}

// Opens the .log when it is not open. Under the segment's lock.
static enum err segment_open_file(struct segment *s, bool *opened)
{
    *opened = false;
    if (s->file != NULL) {
        return ERR_OK;
    }
    char path[SEGMENT_PATH_MAX];
    segment_path(s, NAME_LOG, path);
    enum err err = log_file_open(s->os, path, O_RDWR, s->base_offset, &s->file);
    *opened = !err;
    return err;
}

enum err segment_pin(struct segment *s)
{
    bool opened;
    mutex_lock(&s->mu);
    enum err err = segment_open_file(s, &opened);
    s->pinned = !err;
    mutex_unlock(&s->mu);
    return err;
}

void segment_unpin(struct segment *s)
{
    mutex_lock(&s->mu);
    struct segment *oldest = s->pinned ? file_ring_add(s->ring, s) : NULL;
    s->pinned = false;
    mutex_unlock(&s->mu);
    file_ring_evict(oldest);
}

enum err segment_file(struct segment *s, struct log_file **out)
{
    struct segment *oldest = NULL;
    bool opened;
    mutex_lock(&s->mu);
    enum err err = segment_open_file(s, &opened);
    if (!err) {
        *out = s->file;
        log_file_ref(s->file);
    }
    if (opened && !s->retired) {
        oldest = file_ring_add(s->ring, s);
    }
    mutex_unlock(&s->mu);
    file_ring_evict(oldest);
    return err;
}

enum err segment_rename_deleted(struct segment *s)
{
    for (size_t i = 0; i < SEGMENT_KINDS; i++) {
        char from[SEGMENT_PATH_MAX];
        char to[SEGMENT_PATH_MAX];
        file_path(s, segment_kinds[i], NAME_LIVE, from);
        file_path(s, segment_kinds[i], NAME_DELETED, to);
        if (s->os->rename(s->os, from, to) != 0 && errno != ENOENT) {
            return err_from_errno(errno);
        }
    }
    return ERR_OK;
}

enum err segment_sync(struct segment *s, bool with_indexes)
{
    struct log_file *f;
    enum err err = segment_file(s, &f);
    if (err) {
        return err;
    }
    err = os_fsync(s->os, f->fd);
    log_file_unref(f);
    for (size_t i = 1; i < SEGMENT_KINDS && with_indexes && !err; i++) {
        char path[SEGMENT_PATH_MAX];
        segment_path(s, segment_kinds[i], path);
        err = file_sync(s->os, path);
    }
    return err;
}

// ---- indexes -------------------------------------------------------------------------------------------------------

enum err segment_index_append(struct segment *s, int64_t position, size_t len, int64_t last_offset,
                              const struct segment_time *max, int32_t interval_bytes)
{
    enum err err = ERR_OK;
    if (s->bytes_since_index > interval_bytes) {
        char path[SEGMENT_PATH_MAX];
        segment_path(s, NAME_INDEX, path);
        err = index_append(&s->offsets, s->os, path, last_offset, position);
        if (!err && max->timestamp >= 0) {
            segment_path(s, NAME_TIME_INDEX, path);
            err = index_append(&s->times, s->os, path, max->timestamp, max->offset);
        }
        s->bytes_since_index = 0;
    }
    s->bytes_since_index += (int64_t)len;
    s->dirty = true;
    return err;
}

enum err segment_finish(struct segment *s)
{
    char path[SEGMENT_PATH_MAX];
    segment_path(s, NAME_INDEX, path);
    enum err err = index_store(&s->offsets, s->os, path, false);
    if (err) {
        return err;
    }
    segment_path(s, NAME_TIME_INDEX, path);
    if (s->max_timestamp >= 0) {
        // A full buffer is written out first: this entry must not be left out.
        err = index_store(&s->times, s->os, path, false);
        if (!err) {
            err = index_append(&s->times, s->os, path, s->max_timestamp, s->max_timestamp_offset);
        }
    }
    if (!err) {
        err = index_store(&s->times, s->os, path, false);
    }
    if (!err && s->preallocated) {
        s->preallocated = false; // cutting the file at its size gives the blocks back
        err = s->os->ftruncate(s->os, s->file->fd, s->size) == 0 ? ERR_OK : err_from_errno(errno);
    }
    return err;
}

// ---- lookups -------------------------------------------------------------------------------------------------------

// The position of the greatest indexed offset <= offset, 0 when there is none.
static enum err segment_index_position(struct segment *s, int64_t offset, int64_t *position)
{
    char path[SEGMENT_PATH_MAX];
    segment_path(s, NAME_INDEX, path);
    struct index_entry e;
    *position = 0;
    if (atomic_load_explicit(&s->index_is_damaged, memory_order_relaxed)) {
        return ERR_OK;
    }
    enum err err = index_find(&s->offsets, s->os, path, offset, &e);
    *position = err ? 0 : e.value;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// The batches are in order, the index has led astray.
static void segment_note_damaged_index(struct segment *s)
{
    if (!atomic_exchange(&s->index_is_damaged, true)) {
        char path[SEGMENT_PATH_MAX];
        segment_path(s, NAME_INDEX, path);
        log_warn("log", "%s: damaged, going on without it; delete it while the broker is stopped and it is made anew",
                 path);
    }
}

// The same from a position on. CORRUPT as well when that was behind the offset already.
static enum err segment_find_from(struct segment *s, const struct log_file *f, int64_t start, int64_t size,
                                  int64_t offset, struct batch *out, int64_t *position)
{
    enum err err;
    struct batch_scan scan;
    batch_scan_init(&scan, s->os, f->fd, start, size, SCAN_CHUNK_LOOKUP);
    do {
        err = batch_scan_next(&scan, out, position);
    } while (!err && batch_last_offset(out) < offset);
    batch_scan_release(&scan);
    bool behind = start >= size || (!err && *position == start && out->base_offset > offset);
    return behind && start > 0 ? ERR_CORRUPT : err;
}

enum err segment_find(struct segment *s, const struct log_file *f, int64_t size, int64_t offset, struct batch *out,
                      int64_t *position)
{
    int64_t start;
    enum err err = segment_index_position(s, offset, &start);
    if (err) {
        return err;
    }
    err = segment_find_from(s, f, start, size, offset, out, position);
    if ((err == ERR_CORRUPT || err == ERR_TRUNCATED) && start > 0) {
        err = segment_find_from(s, f, 0, size, offset, out, position);
        if (!err) {
            segment_note_damaged_index(s);
        }
    }
    return err;
}

enum err segment_time_position(struct segment *s, int64_t ts, int64_t *position)
{
    char path[SEGMENT_PATH_MAX];
    segment_path(s, NAME_TIME_INDEX, path);
    struct index_entry e;
    enum err err = index_find(&s->times, s->os, path, ts, &e);
    if (err) {
        *position = 0;
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    return segment_index_position(s, e.value, position);
}

enum err segment_find_max(struct segment *s, int64_t size, struct segment_time *out)
{
    struct index_entry last;
    int64_t position = 0;
    *out = (struct segment_time){-1, s->base_offset};
    if (index_last(&s->times, &last)) {
        *out = (struct segment_time){last.key, last.value};
        enum err err = segment_index_position(s, last.value, &position);
        if (err) {
            return err;
        }
    }
    struct log_file *f;
    enum err err = segment_file(s, &f);
    if (err) {
        return err;
    }
    struct batch_scan scan;
    struct batch b;
    batch_scan_init(&scan, s->os, f->fd, position, size, SCAN_CHUNK_LOOKUP);
    while ((err = batch_scan_next(&scan, &b, &position)) == ERR_OK) {
        if (b.max_timestamp > out->timestamp) {
            *out = (struct segment_time){b.max_timestamp, batch_last_offset(&b)};
        }
    }
    batch_scan_release(&scan);
    log_file_unref(f);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// ---- truncation ----------------------------------------------------------------------------------------------------

enum err segment_truncate(struct segment *s, int64_t offset, int64_t size)
{
    struct log_file *f;
    enum err err = segment_file(s, &f);
    if (err) {
        return err;
    }
    if (s->os->ftruncate(s->os, f->fd, size) != 0) {
        err = err_from_errno(errno);
    }
    log_file_unref(f);
    char path[SEGMENT_PATH_MAX];
    if (!err) {
        segment_path(s, NAME_INDEX, path);
        err = index_truncate(&s->offsets, s->os, path, offset);
    }
    if (!err) {
        segment_path(s, NAME_TIME_INDEX, path);
        err = index_truncate(&s->times, s->os, path, offset);
    }
    if (!err) {
        int32_t count = atomic_load(&s->txn_count);
        segment_path(s, NAME_TXN_INDEX, path);
        err = txn_index_truncate(s->os, path, offset, &count);
        atomic_store(&s->txn_count, count);
    }
    s->bytes_since_index = 0;
    s->first_timestamp_known = false;
    return err;
}

enum err segment_reset_indexes(struct segment *s)
{
    char path[SEGMENT_PATH_MAX];
    atomic_store(&s->index_is_damaged, false);
    segment_path(s, NAME_INDEX, path);
    enum err err = index_reset(&s->offsets, s->os, path);
    if (!err) {
        segment_path(s, NAME_TIME_INDEX, path);
        err = index_reset(&s->times, s->os, path);
    }
    if (!err) {
        segment_path(s, NAME_TXN_INDEX, path);
        err = txn_index_reset(s->os, path);
        atomic_store(&s->txn_count, 0);
    }
    s->bytes_since_index = 0;
    return err;
}
