// SPDX-License-Identifier: Apache-2.0
//
// The list of segments of a log and what changes it: rolling, dropping, truncation. All changes are made by the append
// path, one thread at a time, which therefore reads the list without its lock; the lock is for the readers.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "log/internal.h"

void log_config_init(struct log_config *c)
{
    *c = (struct log_config){
        .segment_bytes = 1 << 30,
        .segment_ms = INT64_C(7) * 24 * 3600 * 1000,
        .segment_jitter_ms = 0,
        .segment_index_bytes = 10 << 20,
        .index_interval_bytes = 4096,
        .retention_bytes = -1,
        .retention_ms = INT64_C(7) * 24 * 3600 * 1000,
        .flush_messages = INT64_MAX,
        .flush_ms = INT64_MAX,
        .file_delete_delay_ms = 60000,
        .max_message_bytes = (1 << 20) + 12,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .timestamp_type = LOG_CREATE_TIME,
        .compression = LOG_COMPRESSION_PRODUCER,
        .preallocate = false,
        .cleanup_delete = true,
        .cleanup_compact = false,
        .producer_id_expiration_ms = INT64_C(24) * 3600 * 1000,
    };
}

// ---- what a log is -------------------------------------------------------------------------------------------------

struct log_dir *log_directory(const struct log *l)
{
    return l->dir;
}

const struct os *log_os(const struct log *l)
{
    return l->os;
}

bool log_is_future(const struct log *l)
{
    return l->future;
}

const char *log_topic(const struct log *l)
{
    return l->topic;
}

int32_t log_partition(const struct log *l)
{
    return l->partition;
}

const struct uuid *log_topic_id(const struct log *l)
{
    return &l->topic_id;
}

void log_set_config(struct log *l, const struct log_config *config)
{
    l->config = *config;
}

struct log_config log_config_copy(const struct log *l)
{
    return l->config;
}

int64_t log_start_offset(const struct log *l)
{
    return atomic_load_explicit(&l->start_offset, memory_order_acquire);
}

int64_t log_end_offset(const struct log *l)
{
    return atomic_load_explicit(&l->end_offset, memory_order_acquire);
}

int64_t log_recovery_point(const struct log *l)
{
    return atomic_load_explicit(&l->recovery_point, memory_order_acquire);
}

int64_t log_size_bytes(const struct log *l)
{
    return atomic_load_explicit(&l->size_bytes, memory_order_relaxed);
}

bool log_failed(const struct log *l)
{
    return atomic_load_explicit(&l->failed, memory_order_acquire) || log_dir_state(l->dir) == LOG_DIR_OFFLINE;
}

int64_t log_high_watermark(const struct log *l)
{
    return atomic_load_explicit(&l->high_watermark, memory_order_acquire);
}

int64_t log_first_unstable_offset(const struct log *l)
{
    return producer_state_first_unstable(l->producers);
}

void log_set_high_watermark(struct log *l, int64_t offset)
{
    atomic_store_explicit(&l->high_watermark, offset, memory_order_release);
    // A marker below the watermark was applied before the watermark could pass it, so seeing nothing here means that
    // there is nothing to forget.
    if (log_first_unstable_offset(l) != INT64_MAX) {
        mutex_lock(&l->producers_mu);
        producer_state_on_high_watermark(l->producers, offset);
        mutex_unlock(&l->producers_mu);
    }
}

enum err log_producers(struct log *l, struct arena *a, struct log_producer **out, int32_t *count)
{
    mutex_lock(&l->producers_mu);
    enum err err = producer_state_list(l->producers, a, out, count);
    mutex_unlock(&l->producers_mu);
    return err;
}

void log_expire_producers(struct log *l, int64_t now_ms)
{
    mutex_lock(&l->producers_mu);
    producer_state_expire(l->producers, now_ms, l->config.producer_id_expiration_ms);
    mutex_unlock(&l->producers_mu);
}

// On a full disk the cache is ahead of its file, which the next append writes before anything else.
static enum err epochs_not_stored(struct log *l, enum err err)
{
    err = log_stop(l, err, "writing leader-epoch-checkpoint");
    return err == ERR_NO_SPACE ? ERR_OK : err;
}

enum err log_begin_epoch(struct log *l, int32_t epoch)
{
    if (log_failed(l)) {
        return ERR_FAILED;
    }
    if (epoch <= epoch_cache_latest(l->epochs)) {
        return ERR_OK;
    }
    // Without any record a lost entry says nothing, and the records to come tell their epoch themselves.
    bool empty = log_end_offset(l) == 0;
    enum err err = epoch_cache_assign(l->epochs, epoch, log_end_offset(l), !empty);
    if (!err && empty) {
        err = epoch_cache_store_unsynced(l->epochs);
    }
    return err ? epochs_not_stored(l, err) : ERR_OK;
}

int32_t log_latest_epoch(const struct log *l)
{
    return epoch_cache_latest(l->epochs);
}

int32_t log_epoch_at(const struct log *l, int64_t offset)
{
    return epoch_cache_at(l->epochs, offset);
}

void log_epoch_end(const struct log *l, int32_t epoch, int32_t *found_epoch, int64_t *end_offset)
{
    epoch_cache_end(l->epochs, epoch, log_end_offset(l), found_epoch, end_offset);
}

enum err log_fail_unsynced(struct log *l, enum err err)
{
    atomic_store_explicit(&l->safe_end, log_recovery_point(l), memory_order_release);
    return log_fail(l, err, "fsync");
}

enum err log_fail(struct log *l, enum err err, const char *what)
{
    if (!atomic_exchange(&l->failed, true) && err != ERR_FAILED) {
        atomic_store(&l->dir->log_failed, true);
        if (err == ERR_CORRUPT || err == ERR_TRUNCATED) {
            log_error("log", "%s: %s failed: %s; out of service until a restart", l->path, what, err_text(err));
        } else {
            log_dir_fail(l->dir, err, l->path, what);
        }
    }
    mutex_lock(&l->flush_mu);
    cond_broadcast(&l->flush_done);
    mutex_unlock(&l->flush_mu);
    return err;
}

// ---- the list of segments ------------------------------------------------------------------------------------------

struct segment *log_active(struct log *l)
{
    ASSERT(l->segments_count > 0);
    return l->segments[l->segments_count - 1];
}

int32_t log_segment_index(const struct log *l, int64_t offset)
{
    int32_t low = 0; // the answer is in [low, high)
    int32_t high = l->segments_count;
    while (high - low > 1) {
        int32_t mid = low + (high - low) / 2;
        if (l->segments[mid]->base_offset <= offset) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return low;
}

enum err log_push_segment(struct log *l, struct segment *s)
{
    struct segment **old = NULL;
    struct segment **grown = NULL;
    int32_t cap = l->segments_cap;
    if (l->segments_count == cap) {
        cap = cap == 0 ? 1 : cap * 2;
        grown = calloc((size_t)cap, sizeof *grown);
        if (grown == NULL) {
            return ERR_NO_MEMORY;
        }
    }
    mutex_lock(&l->mu);
    if (grown != NULL) {
        old = l->segments;
        if (old != NULL) {
            memcpy(grown, old, (size_t)l->segments_count * sizeof *grown);
        }
        l->segments = grown;
        l->segments_cap = cap;
    }
    l->segments[l->segments_count++] = s;
    atomic_store_explicit(&l->first_base, l->segments[0]->base_offset, memory_order_relaxed);
    mutex_unlock(&l->mu);
    free(old);
    return ERR_OK;
}

// Makes an empty segment and appends it to the list.
static enum err log_add_segment(struct log *l, int64_t base_offset)
{
    struct segment *s = segment_new(l->os, &l->dir->ring, l->path, base_offset, &l->config);
    if (s == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = segment_create(s, &l->config);
    if (!err) {
        mutex_lock(&l->flush_mu);
        l->folder_dirty = true;
        mutex_unlock(&l->flush_mu);
        err = log_push_segment(l, s);
    }
    if (err) {
        segment_retire(s);
    }
    return err;
}

enum err log_roll(struct log *l, int64_t base_offset)
{
    struct segment *old = log_active(l);
    if (old->base_offset == base_offset) {
        ASSERT(old->size == 0);
        return ERR_OK;
    }
    ASSERT(old->base_offset < base_offset);
    enum err err = segment_finish(old);
    if (!err) {
        err = log_add_segment(l, base_offset);
    }
    if (err) {
        return log_stop(l, err, "beginning a new segment"); // the next append tries again
    }
    segment_unpin(old);
    // Not fsynced here: the flush that follows a roll does it. Without the snapshot a start replays more batches.
    err = log_store_producers(l, false);
    if (err) {
        log_warn("log", "%s: cannot write the producer snapshot at %" PRId64 ": %s", l->path, base_offset,
                 err_text(err));
    }
    return ERR_OK;
}

// Renames the files of a segment that is no longer in the list.
static enum err segment_bury(struct log *l, struct segment *s)
{
    enum err err = segment_rename_deleted(s);
    static const enum name_kind kinds[] = {NAME_LOG, NAME_INDEX, NAME_TIME_INDEX, NAME_TXN_INDEX, NAME_SNAPSHOT};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && !err; i++) {
        char from[LOG_PATH_MAX];
        char to[LOG_PATH_MAX + sizeof ".deleted"];
        segment_path(s, kinds[i], from);
        snprintf(to, sizeof to, "%s.deleted", from);
        if (kinds[i] == NAME_SNAPSHOT && l->os->rename(l->os, from, to) != 0 && errno != ENOENT) {
            err = err_from_errno(errno);
        }
        log_dir_trash_add(l->dir, to, false, l->config.file_delete_delay_ms);
    }
    log_forget_snapshot(l, s->base_offset);
    segment_retire(s);
    return err;
}

enum err log_drop_segments(struct log *l, int32_t from, int32_t to)
{
    enum err err = ERR_OK;
    int32_t n = to - from;
    if (n == 0) {
        return ERR_OK;
    }
    struct segment **dropped = calloc((size_t)n, sizeof *dropped);
    if (dropped == NULL) {
        return ERR_NO_MEMORY;
    }
    memcpy(dropped, l->segments + from, (size_t)n * sizeof *dropped);
    mutex_lock(&l->mu);
    memmove(l->segments + from, l->segments + to, (size_t)(l->segments_count - to) * sizeof *dropped);
    l->segments_count -= n;
    if (l->segments_count > 0) {
        atomic_store_explicit(&l->first_base, l->segments[0]->base_offset, memory_order_relaxed);
    }
    mutex_unlock(&l->mu);
    for (int32_t i = 0; i < n; i++) {
        atomic_fetch_sub_explicit(&l->size_bytes, dropped[i]->size, memory_order_relaxed);
        enum err bury = segment_bury(l, dropped[i]);
        err = err ? err : bury;
    }
    free(dropped);
    return err ? log_fail(l, err, "renaming deleted segments") : ERR_OK;
}

// ---- truncation ----------------------------------------------------------------------------------------------------

// Moves the end down, together with what was published beyond it; readers that are under way notice the generation.
static void log_publish_cut(struct log *l, struct segment *s, int64_t size, int64_t end_offset)
{
    mutex_lock(&l->mu);
    if (s != NULL) {
        atomic_fetch_sub_explicit(&l->size_bytes, s->size - size, memory_order_relaxed);
        s->size = size;
    }
    atomic_fetch_add(&l->generation, 1);
    for (int i = 0; i < LOG_HINTS; i++) {
        l->hints[i].segment_base = -1;
    }
    atomic_store_explicit(&l->end_offset, end_offset, memory_order_release);
    mutex_unlock(&l->mu);
    if (log_high_watermark(l) > end_offset) {
        log_set_high_watermark(l, end_offset);
    }
}

enum err log_restart_at(struct log *l, int64_t offset)
{
    log_publish_cut(l, NULL, 0, offset);
    enum err err = log_drop_segments(l, 0, l->segments_count);
    if (!err) {
        err = log_delete_snapshots(l);
    }
    if (!err) {
        err = log_add_segment(l, offset);
    }
    if (!err) {
        err = epoch_cache_truncate_end(l->epochs, 0);
    }
    if (err) {
        return log_fail(l, err, "restarting the log");
    }
    mutex_lock(&l->producers_mu);
    producer_state_clear(l->producers);
    producer_state_set_end_offset(l->producers, offset);
    mutex_unlock(&l->producers_mu);
    l->last_snapshot_offset = offset;
    atomic_store_explicit(&l->start_offset, offset, memory_order_release);
    return ERR_OK;
}

// Cuts inside the last segment, which contains offset or ends before it.
static enum err log_cut_active(struct log *l, int64_t offset)
{
    struct segment *s = log_active(l);
    struct log_file *f;
    enum err err = segment_file(s, &f);
    if (err) {
        return err;
    }
    struct batch b;
    int64_t size = s->size;
    err = segment_find(s, f, s->size, offset, &b, &size);
    log_file_unref(f);
    if (err && err != ERR_NOT_FOUND) {
        return err;
    }
    size = err ? s->size : size;
    log_publish_cut(l, s, size, offset);
    err = segment_truncate(s, offset, size);
    struct segment_time max;
    if (!err) {
        err = segment_find_max(s, size, &max);
    }
    if (!err) {
        mutex_lock(&l->mu);
        s->max_timestamp = max.timestamp;
        s->max_timestamp_offset = max.offset;
        mutex_unlock(&l->mu);
    }
    return err;
}

static enum err log_truncate_paused(struct log *l, int64_t offset)
{
    enum err err;
    if (l->segments[0]->base_offset > offset) {
        err = log_restart_at(l, offset);
    } else {
        int32_t keep = log_segment_index(l, offset) + 1;
        if (keep < l->segments_count) {
            log_publish_cut(l, NULL, 0, offset); // before the bytes go
        }
        err = log_drop_segments(l, keep, l->segments_count);
        if (!err) {
            err = log_cut_active(l, offset);
        }
        if (!err) {
            err = epoch_cache_truncate_end(l->epochs, offset);
        }
        if (!err) {
            err = log_load_producers(l, offset, false);
        }
    }
    l->producers_ahead = err != ERR_OK;
    if (log_end_offset(l) == offset && log_start_offset(l) > offset) {
        atomic_store_explicit(&l->start_offset, offset, memory_order_release);
    }
    if (log_recovery_point(l) > offset) {
        atomic_store_explicit(&l->recovery_point, offset, memory_order_release);
    }
    if (!err && l->sync_from > log_active(l)->base_offset) {
        l->sync_from = log_active(l)->base_offset;
    }
    return err;
}

static enum err log_restart_paused(struct log *l, int64_t offset)
{
    enum err err = log_restart_at(l, offset);
    if (!err) {
        atomic_store_explicit(&l->recovery_point, offset, memory_order_release);
        l->sync_from = offset;
        log_set_high_watermark(l, offset);
    }
    return err;
}

static enum err log_cut(struct log *l, int64_t offset, enum err (*cut_paused)(struct log *l, int64_t offset))
{
    log_flush_pause(l);
    atomic_store(&l->untouched, false);
    enum err err = cut_paused(l, offset);
    log_flush_resume(l);
    // The old recovery point must not vouch for bytes that are written there from now on.
    return err ? err : log_dir_checkpoint(l->dir);
}

enum err log_truncate(struct log *l, int64_t offset)
{
    enum err err = log_ready(l);
    if (err) {
        return err;
    }
    if (offset >= log_end_offset(l)) {
        err = epoch_cache_truncate_end(l->epochs, log_end_offset(l));
    } else {
        log_info("log", "%s: truncating to offset %" PRId64, l->path, offset);
        err = log_cut(l, offset, log_truncate_paused);
    }
    return err ? log_stop(l, err, "truncating") : ERR_OK;
}

enum err log_restart(struct log *l, int64_t offset)
{
    if (log_failed(l)) {
        return ERR_FAILED;
    }
    log_info("log", "%s: beginning anew at offset %" PRId64, l->path, offset);
    enum err err = log_cut(l, offset, log_restart_paused);
    return err ? log_stop(l, err, "beginning anew") : ERR_OK;
}

enum err log_advance_start(struct log *l, int64_t offset)
{
    if (log_failed(l)) {
        return ERR_FAILED;
    }
    if (offset > log_end_offset(l)) {
        return ERR_OUT_OF_RANGE;
    }
    if (offset <= log_start_offset(l)) {
        return ERR_OK;
    }
    atomic_store_explicit(&l->start_offset, offset, memory_order_release);
    enum err err = epoch_cache_truncate_start(l->epochs, offset);
    return err ? epochs_not_stored(l, err) : ERR_OK;
}
