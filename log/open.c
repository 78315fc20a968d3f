// SPDX-License-Identifier: Apache-2.0
//
// A log's birth, opening, closing and end. Opening reads the folder once, throws away what unfinished work left
// behind, and then either trusts what it finds (after a clean stop, with cheap checks of what a damaged folder would
// betray) or recovers it.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "log/folder.h"
#include "log/internal.h"
#include "log/partition_metadata.h"

// ---- memory --------------------------------------------------------------------------------------------------------

static void log_free(struct log *l)
{
    if (l == NULL) {
        return;
    }
    for (int32_t i = 0; i < l->segments_count; i++) {
        segment_retire(l->segments[i]);
    }
    free(l->segments);
    free(l->snapshots);
    producer_state_free(l->producers);
    epoch_cache_free(l->epochs);
    mutex_destroy(&l->mu);
    mutex_destroy(&l->flush_mu);
    mutex_destroy(&l->producers_mu);
    cond_destroy(&l->flush_done);
    free(l->topic);
    free(l->path);
    free(l);
}

static enum err log_new(struct log_dir *d, const struct log_folder *f, const struct log_config *config,
                        struct log **out)
{
    struct log *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return ERR_NO_MEMORY;
    }
    l->dir = d;
    l->os = d->os;
    l->partition = f->partition;
    l->future = f->future;
    l->config = *config;
    atomic_init(&l->safe_end, INT64_MAX);
    mutex_init(&l->mu, MUTEX_RANK_LOG_LIST);
    mutex_init(&l->flush_mu, MUTEX_RANK_LEAF);
    mutex_init(&l->producers_mu, MUTEX_RANK_LEAF);
    cond_init(&l->flush_done);
    for (int i = 0; i < LOG_HINTS; i++) {
        l->hints[i].segment_base = -1;
    }
    size_t path_size = strlen(d->path) + 1 + strlen(f->name) + 1;
    l->topic = strdup(f->topic);
    l->path = malloc(path_size);
    l->producers = producer_state_new();
    l->entry = log_dir_entry_get(d, f->topic, f->partition);
    if (l->topic == NULL || l->path == NULL || l->producers == NULL || l->entry == NULL) {
        log_free(l);
        return ERR_NO_MEMORY;
    }
    snprintf(l->path, path_size, "%s/%s", d->path, f->name);
    *out = l;
    return ERR_OK;
}

// ---- loading -------------------------------------------------------------------------------------------------------

// Loads sizes and indexes of one segment and adds it to the list. *sane: its indexes can be trusted. next_base: base
// offset of the segment behind it, INT64_MAX for the last one.
static enum err open_segment(struct log *l, const struct folder_segment *found, int64_t next_base, bool *sane)
{
    struct segment *s = segment_new(l->os, &l->dir->ring, l->path, found->base_offset, &l->config);
    if (s == NULL) {
        return ERR_NO_MEMORY;
    }
    char path[SEGMENT_PATH_MAX];
    struct stat st;
    bool offsets_sane = false;
    bool times_sane = false;
    bool txns_sane = true;
    int32_t txn_count = 0;
    segment_path(s, NAME_LOG, path);
    enum err err = stat(path, &st) == 0 ? ERR_OK : err_from_errno(errno);
    if (!err) {
        s->size = st.st_size;
        segment_path(s, NAME_INDEX, path);
        err = index_load(&s->offsets, l->os, path, s->size, &offsets_sane);
    }
    if (!err) {
        segment_path(s, NAME_TIME_INDEX, path);
        err = index_load(&s->times, l->os, path, next_base, &times_sane);
    }
    if (!err && found->has_txn_index) {
        segment_path(s, NAME_TXN_INDEX, path);
        err = txn_index_load(l->os, path, s->base_offset, &txn_count, &txns_sane);
    }
    atomic_store(&s->txn_count, txn_count);
    struct index_entry last;
    if (index_last(&s->times, &last)) {
        s->max_timestamp = last.key;
        s->max_timestamp_offset = last.value;
    }
    if (!err) {
        err = log_push_segment(l, s);
    }
    if (err) {
        segment_retire(s);
        return err;
    }
    atomic_fetch_add_explicit(&l->size_bytes, s->size, memory_order_relaxed);
    *sane = offsets_sane && times_sane && txns_sane;
    return ERR_OK;
}

// A closed segment whose records have timestamps has at least the last entry of its time index. One that is all zeros
// fits only records from the first moment of 1970.
static enum err open_check_times(struct segment *s, bool *sane)
{
    struct index_entry last;
    bool any = index_last(&s->times, &last);
    if (!*sane || s->size == 0 || (any && (last.key != 0 || last.value != s->base_offset))) {
        return ERR_OK;
    }
    struct log_file *f;
    enum err err = segment_file(s, &f);
    if (err) {
        return err;
    }
    struct batch b;
    int64_t position;
    err = segment_find(s, f, s->size, s->base_offset, &b, &position);
    log_file_unref(f);
    *sane = !err && (any ? b.max_timestamp == 0 : b.max_timestamp < 0);
    return err == ERR_CORRUPT || err == ERR_TRUNCATED || err == ERR_NOT_FOUND ? ERR_OK : err;
}

// Loads all segments. *damaged: number of the first one whose indexes cannot be trusted, or the number of segments when
// there is none.
static enum err open_segments(struct log *l, int32_t *damaged)
{
    struct folder_content found;
    enum err err = folder_load(l->os, l->path, &found);
    int32_t n = found.segments_count;
    *damaged = n;
    for (int32_t i = 0; i < n && !err; i++) {
        bool sane;
        err = open_segment(l, &found.segments[i], i + 1 < n ? found.segments[i + 1].base_offset : INT64_MAX, &sane);
        if (!err) {
            err = open_check_times(l->segments[i], &sane);
        }
        if (!err && !sane && *damaged == n) {
            *damaged = i;
        }
    }
    if (!err) {
        l->snapshots = found.snapshots;
        l->snapshots_count = found.snapshots_count;
        l->snapshots_cap = found.snapshots_count;
        found.snapshots = NULL;
    }
    folder_content_release(&found);
    return err;
}

// Walks over the batches behind the last index entry of the active segment, which ends the log. *whole: they follow
// one another with right sums up to the last byte.
static enum err open_check_tail(struct log *l, int64_t *end_offset, bool *whole)
{
    struct segment *s = log_active(l);
    struct index_entry last = {.key = s->base_offset, .value = 0};
    bool indexed = index_last(&s->offsets, &last);
    *end_offset = s->base_offset;
    *whole = true;
    if (s->size == 0) {
        return ERR_OK;
    }
    struct log_file *f;
    enum err err = segment_file(s, &f);
    if (err) {
        return err;
    }
    struct batch_scan scan;
    struct batch b;
    int64_t position;
    const uint8_t *data;
    batch_scan_init(&scan, l->os, f->fd, indexed ? last.value : 0, s->size, SCAN_CHUNK_LOOKUP);
    while (*whole && (err = batch_scan_next_whole(&scan, &b, &position, &data)) == ERR_OK) {
        bool indexed_batch = indexed && position == last.value;
        *whole =
            batch_crc_ok(data, &b) && b.base_offset >= *end_offset && (!indexed_batch || b.base_offset <= last.key);
        *end_offset = batch_last_offset(&b) + 1;
        if (b.max_timestamp > s->max_timestamp) {
            s->max_timestamp = b.max_timestamp;
            s->max_timestamp_offset = batch_last_offset(&b);
        }
    }
    batch_scan_release(&scan);
    log_file_unref(f);
    *whole = *whole && err == ERR_NOT_FOUND;
    bool is_content = err == ERR_NOT_FOUND || err == ERR_TRUNCATED || err == ERR_CORRUPT;
    return is_content ? ERR_OK : err;
}

// Notes the leader epochs of all batches of a segment, up to the first damaged one. *goes_on: there may be more.
static enum err epochs_collect(struct log *l, struct segment *s, bool *goes_on)
{
    struct log_file *f;
    enum err err = segment_file(s, &f);
    if (err) {
        return err;
    }
    struct batch_scan scan;
    struct batch b;
    int64_t position;
    batch_scan_init(&scan, l->os, f->fd, 0, s->size, SCAN_CHUNK_LOOKUP);
    while (*goes_on && !err && (err = batch_scan_next(&scan, &b, &position)) == ERR_OK) {
        if (b.leader_epoch > epoch_cache_latest(l->epochs)) {
            err = epoch_cache_assign(l->epochs, b.leader_epoch, b.base_offset, false);
        }
        *goes_on = !epoch_cache_is_empty(l->epochs); // batches without epochs come from times that had none
    }
    batch_scan_release(&scan);
    log_file_unref(f);
    *goes_on = *goes_on && err == ERR_NOT_FOUND;
    bool is_content = err == ERR_NOT_FOUND || err == ERR_TRUNCATED || err == ERR_CORRUPT;
    return is_content ? ERR_OK : err;
}

// An empty leader-epoch-checkpoint beside batches that have epochs was lost or damaged: it is made anew from them.
static enum err open_check_epochs(struct log *l)
{
    enum err err = ERR_OK;
    if (!epoch_cache_is_empty(l->epochs)) {
        return ERR_OK;
    }
    bool goes_on = true;
    for (int32_t i = 0; i < l->segments_count && goes_on && !err; i++) {
        if (l->segments[i]->size > 0) {
            err = epochs_collect(l, l->segments[i], &goes_on);
        }
    }
    if (!err && !epoch_cache_is_empty(l->epochs)) {
        log_warn("log", "%s: leader-epoch-checkpoint was lost, it is made anew from the records", l->path);
    }
    return err;
}

// The last entry of the time index of the active segment is about a record that is there.
static bool open_times_fit(struct log *l, int64_t end_offset)
{
    struct index_entry last;
    return !index_last(&log_active(l)->times, &last) || last.value < end_offset;
}

// Finds the end of the log, by recovery when the stop was not clean or does not look clean. `damaged`: the first
// segment with bad indexes. *recovered: the producer state is up to date.
static enum err open_find_end(struct log *l, int32_t damaged, int64_t checkpointed, int64_t *end_offset,
                              bool *recovered)
{
    enum err err = ERR_OK;
    int32_t n = l->segments_count;
    int32_t from = l->dir->was_clean ? n : log_segment_index(l, checkpointed);
    if (damaged < from) {
        log_warn("log", "%s: the indexes of segment %" PRId64 " are damaged or missing, rebuilding them", l->path,
                 l->segments[damaged]->base_offset);
        from = damaged;
    }
    if (from == n) {
        bool whole;
        err = open_check_tail(l, end_offset, &whole);
        if (!err && !whole) {
            log_warn("log", "%s: stopped cleanly, but the last segment does not end with a whole batch", l->path);
            from = n - 1;
        } else if (!err && !open_times_fit(l, *end_offset)) {
            log_warn("log", "%s: the time index of the last segment is damaged, rebuilding it", l->path);
            from = n - 1;
        }
    }
    *recovered = !err && from < n;
    return *recovered ? log_recover(l, from, checkpointed, end_offset) : err;
}

static enum err open_first_segment(struct log *l, int64_t base_offset)
{
    struct segment *s = segment_new(l->os, &l->dir->ring, l->path, base_offset, &l->config);
    if (s == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = segment_create(s, &l->config);
    if (!err) {
        segment_unpin(s);
        err = log_push_segment(l, s);
    }
    if (err) {
        segment_retire(s);
    }
    l->folder_dirty = true;
    return err;
}

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// The offsets that the log begins its life with.
static void open_set_offsets(struct log *l, int64_t end_offset, int64_t recovery_point, int64_t high_watermark)
{
    int64_t start = log_start_offset(l);
    int64_t watermark = min_of(max_of(high_watermark, start), end_offset);
    atomic_store(&l->end_offset, end_offset);
    atomic_store(&l->recovery_point, min_of(recovery_point, end_offset));
    l->sync_from = log_active(l)->base_offset;
    log_set_high_watermark(l, watermark);
}

static enum err open_load(struct log *l)
{
    int64_t values[CHECKPOINT_KINDS];
    log_dir_entry_values(l->dir, l->entry, values);
    int64_t checkpointed_start = max_of(values[CHECKPOINT_LOG_START], 0);
    int32_t damaged;
    enum err err = epoch_cache_open(l->os, l->path, &l->epochs);
    if (!err) {
        err = open_segments(l, &damaged);
    }
    if (!err && l->segments_count == 0) {
        err = open_first_segment(l, checkpointed_start);
        damaged = l->segments_count;
    }
    if (err) {
        return err;
    }
    atomic_store(&l->start_offset, max_of(checkpointed_start, l->segments[0]->base_offset));
    err = open_check_epochs(l);
    if (err) {
        return err;
    }
    int64_t end_offset;
    bool recovered;
    err = open_find_end(l, damaged, values[CHECKPOINT_RECOVERY_POINT], &end_offset, &recovered);
    if (err) {
        return err;
    }
    if (end_offset < log_start_offset(l)) {
        end_offset = log_start_offset(l);
        log_warn("log", "%s: ends below its start offset, starting anew at %" PRId64, l->path, end_offset);
        err = log_restart_at(l, end_offset);
    } else if (!recovered) {
        err = log_load_producers(l, end_offset, l->dir->was_clean);
    }
    if (err) {
        return err;
    }
    bool trusted = l->dir->was_clean && !recovered;
    int64_t recovery_point = trusted ? end_offset : max_of(values[CHECKPOINT_RECOVERY_POINT], 0);
    open_set_offsets(l, end_offset, recovery_point, values[CHECKPOINT_HIGH_WATERMARK]);
    epoch_cache_trim(l->epochs, log_start_offset(l), end_offset);
    return ERR_OK;
}

static enum err open_folder(struct log_dir *d, const struct log_folder *f, const struct log_config *config,
                            struct log **out)
{
    struct log *l = NULL;
    *out = NULL;
    struct stat st;
    enum err err = log_new(d, f, config, &l);
    if (!err && stat(l->path, &st) != 0) {
        err = err_from_errno(errno);
        log_free(l);
        return err;
    }
    if (!err) {
        bool begun;
        err = partition_metadata_read(l->os, l->path, &l->topic_id, &begun);
        if (!err && begun) { // else the file goes with what unfinished work has left; an fsync of it may have failed
            err = partition_metadata_write(l->os, l->path, &l->topic_id);
        }
        if (err == ERR_CORRUPT) {
            log_warn("log", "%s/partition.metadata: damaged, going on as if it were missing", l->path);
            err = ERR_OK; // the topic id comes from the cluster, and is written again
        }
    }
    if (!err) {
        l->folder_dirty = !d->was_clean; // a process that was killed has perhaps not fsynced the names it made
        err = open_load(l);
    }
    if (err) {
        log_error("log", "%s/%s: cannot be opened: %s", d->path, f->name, err_text(err));
        atomic_store(&d->log_failed, true); // this directory cannot be called clean
        log_free(l);
        return err;
    }
    log_dir_attach(d, l->entry, l);
    *out = l;
    return ERR_OK;
}

enum err log_open(struct log_dir *d, const char *topic, int32_t partition, const struct log_config *config,
                  struct log **out)
{
    char name[NAME_FOLDER_MAX];
    enum err err = folder_name_format(name, topic, partition);
    struct log_folder f = {.name = name, .topic = topic, .partition = partition};
    return err ? err : open_folder(d, &f, config, out);
}

enum err log_open_future(struct log_dir *d, const struct log_folder *f, const struct log_config *config,
                         struct log **out)
{
    return log_dir_holds(d, f->topic, f->partition) ? ERR_EXISTS : open_folder(d, f, config, out);
}

// ---- creating ------------------------------------------------------------------------------------------------------

// Nothing here waits for the disk: log_flush does. Until then a power failure may leave any part of this, and each part
// is opened: docs/LOG_FORMAT.md says how.
static enum err create_files(struct log *l, const struct uuid *topic_id)
{
    enum err err = epoch_cache_open(l->os, l->path, &l->epochs);
    if (!err && !uuid_is_zero(topic_id)) {
        err = partition_metadata_begin(l->os, l->path, topic_id);
        l->topic_id = *topic_id;
        l->id_begun = true;
    }
    if (!err) {
        err = open_first_segment(l, 0);
    }
    return err;
}

static enum err create_folder(struct log_dir *d, const struct log_folder *f, const struct uuid *topic_id,
                              const struct log_config *config, struct log **out)
{
    struct log *l = NULL;
    *out = NULL;
    enum err err = log_new(d, f, config, &l);
    if (err) {
        return err;
    }
    if (d->os->mkdir(d->os, l->path, 0755) != 0) {
        err = err_from_errno(errno);
        if (err == ERR_NO_SPACE) {
            log_dir_note_full(d, l->path, "making a log");
        } else if (err != ERR_EXISTS) {
            log_error("log", "%s: cannot be created: %s", l->path, err_text(err));
        }
        log_free(l);
        return err;
    }
    err = create_files(l, topic_id);
    if (err) {
        if (err == ERR_NO_SPACE) {
            log_dir_note_full(d, l->path, "making a log");
        }
        log_error("log", "%s: cannot be created: %s", l->path, err_text(err));
        enum err cleanup = folder_remove(d->os, l->path);
        if (cleanup) {
            log_error("log", "%s: what was begun cannot be removed: %s", l->path, err_text(cleanup));
        }
        log_free(l);
        return err;
    }
    l->made = log_dir_note_made(d);
    atomic_store(&l->untouched, true);
    log_dir_entry_forget(d, l->entry);
    log_dir_attach(d, l->entry, l);
    *out = l;
    return ERR_OK;
}

enum err log_create(struct log_dir *d, const char *topic, int32_t partition, const struct uuid *topic_id,
                    const struct log_config *config, struct log **out)
{
    char name[NAME_FOLDER_MAX];
    enum err err = folder_name_format(name, topic, partition);
    struct log_folder f = {.name = name, .topic = topic, .partition = partition};
    return err ? err : create_folder(d, &f, topic_id, config, out);
}

#define UNIQUE_SIZE 33 // 32 hexadecimal digits and the end mark

static void unique_make(const struct os *os, char out[UNIQUE_SIZE])
{
    uint8_t random[(UNIQUE_SIZE - 1) / 2];
    os->random(os, random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(out + 2 * i, 3, "%02x", random[i]);
    }
}

enum err log_create_future(struct log_dir *d, const char *topic, int32_t partition, const struct uuid *topic_id,
                           const struct log_config *config, struct log **out)
{
    char name[NAME_FOLDER_MAX];
    char unique[UNIQUE_SIZE];
    unique_make(d->os, unique);
    enum err err = folder_name_format_future(name, topic, partition, unique);
    struct log_folder f = {.name = name, .topic = topic, .partition = partition, .future = true};
    if (!err && log_dir_holds(d, topic, partition)) {
        err = ERR_EXISTS;
    }
    return err ? err : create_folder(d, &f, topic_id, config, out);
}

bool log_future_fits(struct slice topic, int32_t partition)
{
    char name[NAME_FOLDER_MAX];
    char text[NAME_FOLDER_MAX];
    const char unique[UNIQUE_SIZE] = "00000000000000000000000000000000";
    return snprintf(text, sizeof text, "%.*s", (int)topic.len, (const char *)topic.data) < (int)sizeof text &&
           folder_name_format_future(name, text, partition, unique) == ERR_OK;
}

enum err log_promote(struct log *l)
{
    char name[NAME_FOLDER_MAX];
    char path[LOG_PATH_MAX];
    enum err err = folder_name_format(name, l->topic, l->partition);
    ASSERT(!err && l->future);
    snprintf(path, sizeof path, "%s/%s", l->dir->path, name);
    if (log_failed(l)) {
        return ERR_FAILED;
    }
    log_flush_pause(l);
    if (l->os->rename(l->os, l->path, path) == 0) {
        epoch_cache_move(l->epochs, path);
        memcpy(l->path, path, strlen(path) + 1); // the old name was longer
        l->future = false;
        err = os_fsync_dir(l->os, l->dir->path);
    } else {
        err = err_from_errno(errno);
    }
    log_flush_resume(l);
    if (err) {
        log_dir_fail(l->dir, err, path, "renaming a moved partition");
    }
    return err;
}

enum err log_set_topic_id(struct log *l, const struct uuid *topic_id)
{
    l->topic_id = *topic_id;
    return uuid_is_zero(topic_id) ? ERR_OK : partition_metadata_write(l->os, l->path, topic_id);
}

// ---- the end -------------------------------------------------------------------------------------------------------

// Makes all that is in memory last, as a clean stop promises.
static enum err close_store(struct log *l)
{
    if (log_failed(l)) {
        return ERR_FAILED;
    }
    struct segment *s = log_active(l);
    enum err err = l->half_done ? log_put_in_order(l) : ERR_OK;
    if (!err) {
        err = log_flush(l);
    }
    if (!err && s->dirty) {
        err = segment_finish(s);
        if (!err) {
            err = segment_sync(s, true);
        }
    }
    return err ? err : log_store_producers(l, true);
}

enum err log_close(struct log *l)
{
    enum err err = close_store(l);
    if (err == ERR_NO_SPACE) {
        log_dir_note_full(l->dir, l->path, "closing");
        atomic_store(&l->dir->log_failed, true); // the next start recovers it
    } else if (err && !log_failed(l)) {
        log_fail(l, err, "closing");
    }
    log_dir_detach(l->dir, l->entry, false);
    log_free(l);
    return err;
}

enum err log_delete(struct log *l, int64_t delay_ms)
{
    char unique[UNIQUE_SIZE];
    char folder[NAME_FOLDER_MAX];
    char path[LOG_PATH_MAX];
    unique_make(l->os, unique);
    folder_name_format_delete(folder, l->topic, l->partition, unique);
    snprintf(path, sizeof path, "%s/%s", l->dir->path, folder);
    log_flush_pause(l);
    epoch_cache_detach(l->epochs);
    enum err err = ERR_OK;
    if (log_dir_state(l->dir) == LOG_DIR_OFFLINE) {
        err = ERR_FAILED;
    } else if (l->os->rename(l->os, l->path, path) != 0) {
        err = err_from_errno(errno);
    }
    log_flush_resume(l);
    if (err) {
        log_dir_fail(l->dir, err, l->path, "renaming for its deletion");
    } else {
        log_dir_trash_add(l->dir, path, true, delay_ms);
    }
    log_dir_detach(l->dir, l->entry, !err);
    log_free(l);
    return err;
}
