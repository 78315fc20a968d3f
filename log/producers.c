// SPDX-License-Identifier: Apache-2.0
//
// The producer state of a log: applied batch by batch, kept across restarts by snapshot files, brought up to date from
// the newest snapshot and the batches behind it.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "log/internal.h"

static void snapshot_path(const struct log *l, int64_t offset, char out[LOG_PATH_MAX])
{
    char name[NAME_FILE_MAX];
    file_name_format(name, offset, NAME_SNAPSHOT, NAME_LIVE);
    snprintf(out, LOG_PATH_MAX, "%s/%s", l->path, name);
}

// ---- applying ------------------------------------------------------------------------------------------------------

static enum err replay_marker(struct log *l, struct segment *s, const uint8_t *data, const struct batch *b,
                              bool index_txns)
{
    struct marker m;
    enum err err = scan_marker(data, b, &m);
    if (err) {
        return err;
    }
    struct completed_txn completed;
    bool ended = false;
    mutex_lock(&l->producers_mu);
    if (m.is_end_txn) {
        ended = producer_state_apply_marker(l->producers, b, m.commit, m.coordinator_epoch, &completed);
    }
    producer_state_set_end_offset(l->producers, batch_last_offset(b) + 1);
    mutex_unlock(&l->producers_mu);
    if (!ended || !completed.aborted || !index_txns) {
        return ERR_OK;
    }
    struct aborted_txn t = {
        .producer_id = completed.producer_id,
        .first_offset = completed.first_offset,
        .last_offset = completed.last_offset,
        .last_stable_offset = completed.last_stable_offset,
    };
    char path[SEGMENT_PATH_MAX];
    segment_path(s, NAME_TXN_INDEX, path);
    err = txn_index_append(l->os, path, atomic_load(&s->txn_count), &t);
    if (!err) {
        atomic_fetch_add(&s->txn_count, 1);
    }
    return err;
}

enum err log_replay_batch(struct log *l, struct segment *s, const uint8_t *data, const struct batch *b, bool index_txns)
{
    if (scan_has_marker(b)) {
        return replay_marker(l, s, data, b, index_txns);
    }
    enum err err = ERR_OK;
    mutex_lock(&l->producers_mu);
    if (batch_is(b, BATCH_ATTR_CONTROL)) {
        producer_state_set_end_offset(l->producers, batch_last_offset(b) + 1);
    } else {
        err = producer_state_apply(l->producers, b);
    }
    mutex_unlock(&l->producers_mu);
    return err;
}

// ---- snapshots -----------------------------------------------------------------------------------------------------

// The number of snapshots below offset.
static int32_t snapshot_index(const struct log *l, int64_t offset)
{
    int32_t i = l->snapshots_count;
    while (i > 0 && l->snapshots[i - 1] >= offset) {
        i--;
    }
    return i;
}

void log_forget_snapshot(struct log *l, int64_t offset)
{
    int32_t i = snapshot_index(l, offset);
    if (i < l->snapshots_count && l->snapshots[i] == offset) {
        l->snapshots_count--;
        memmove(l->snapshots + i, l->snapshots + i + 1, (size_t)(l->snapshots_count - i) * sizeof *l->snapshots);
    }
}

static enum err snapshot_note(struct log *l, int64_t offset)
{
    log_forget_snapshot(l, offset);
    if (l->snapshots_count == l->snapshots_cap) {
        int32_t cap = l->snapshots_cap < 4 ? 4 : l->snapshots_cap * 2;
        int64_t *grown = realloc(l->snapshots, (size_t)cap * sizeof *grown);
        if (grown == NULL) {
            return ERR_NO_MEMORY;
        }
        l->snapshots = grown;
        l->snapshots_cap = cap;
    }
    int32_t i = snapshot_index(l, offset);
    memmove(l->snapshots + i + 1, l->snapshots + i, (size_t)(l->snapshots_count - i) * sizeof *l->snapshots);
    l->snapshots[i] = offset;
    l->snapshots_count++;
    return ERR_OK;
}

static enum err snapshot_delete(struct log *l, int64_t offset)
{
    char path[LOG_PATH_MAX];
    snapshot_path(l, offset, path);
    log_forget_snapshot(l, offset);
    return l->os->unlink(l->os, path) == 0 || errno == ENOENT ? ERR_OK : err_from_errno(errno);
}

enum err log_delete_snapshots(struct log *l)
{
    enum err err = ERR_OK;
    while (l->snapshots_count > 0 && !err) {
        err = snapshot_delete(l, l->snapshots[l->snapshots_count - 1]);
    }
    return err;
}

enum err log_store_producers(struct log *l, bool sync)
{
    int64_t offset = producer_state_end_offset(l->producers);
    if (offset <= l->last_snapshot_offset) {
        return ERR_OK;
    }
    char path[LOG_PATH_MAX];
    snapshot_path(l, offset, path);
    mutex_lock(&l->producers_mu);
    enum err err = producer_state_store(l->producers, l->os, path, sync);
    mutex_unlock(&l->producers_mu);
    if (!err) {
        l->last_snapshot_offset = offset;
        err = snapshot_note(l, offset);
    } else if (err == ERR_NO_SPACE && !sync) {
        log_dir_note_full(l->dir, path, "writing a snapshot");
        err = ERR_OK; // without it a start replays more batches
    }
    return err;
}

// A snapshot is worth keeping when it is named like a segment; above the last segment only the newest one is.
static bool snapshot_is_stray(const struct log *l, int64_t offset, bool newest)
{
    const struct segment *last = l->segments[l->segments_count - 1];
    if (offset > last->base_offset) {
        return !newest;
    }
    return l->segments[log_segment_index(l, offset)]->base_offset != offset;
}

// Deletes snapshots that cannot be used for a log that ends at end_offset, and loads the newest of the others. *found:
// one was loaded; *any: there were some, if only damaged ones.
static enum err snapshot_load_newest(struct log *l, int64_t end_offset, bool *found, bool *any)
{
    *found = false;
    *any = false;
    enum err err = ERR_OK;
    for (int32_t i = l->snapshots_count; i > 0 && !err; i--) {
        int64_t offset = l->snapshots[i - 1];
        bool inside = offset <= end_offset && offset > log_start_offset(l);
        if (!inside || snapshot_is_stray(l, offset, !*any)) {
            err = snapshot_delete(l, offset);
            continue;
        }
        *any = true;
        if (*found) {
            continue;
        }
        char path[LOG_PATH_MAX];
        snapshot_path(l, offset, path);
        err = producer_state_load(l->producers, l->os, path, offset, os_wall_ms(l->os),
                                  l->config.producer_id_expiration_ms);
        *found = !err;
        if (err == ERR_CORRUPT) {
            log_warn("log", "%s: producer snapshot %" PRId64 " is damaged, deleting it", l->path, offset);
            err = snapshot_delete(l, offset);
        }
    }
    return err;
}

// ---- loading -------------------------------------------------------------------------------------------------------

// Applies the batches of s from the state's end on, below end_offset.
static enum err load_replay_segment(struct log *l, struct segment *s, int64_t end_offset)
{
    int64_t from = producer_state_end_offset(l->producers);
    struct log_file *f;
    enum err err = segment_file(s, &f);
    if (err) {
        return err;
    }
    struct batch b;
    int64_t position;
    err = segment_find(s, f, s->size, from, &b, &position);
    struct batch_scan scan;
    batch_scan_init(&scan, l->os, f->fd, err ? s->size : position, s->size, SCAN_CHUNK_ALL);
    while (!err && (err = batch_scan_next(&scan, &b, &position)) == ERR_OK && b.base_offset < end_offset) {
        const uint8_t *data = NULL;
        if (scan_has_marker(&b)) {
            scan.position = position;
            err = batch_scan_next_whole(&scan, &b, &position, &data);
        }
        if (!err) {
            err = log_replay_batch(l, s, data, &b, false);
        }
    }
    batch_scan_release(&scan);
    log_file_unref(f);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// Without any snapshot after a clean stop: there were no producers. Empty snapshots say so from now on.
static enum err load_empty(struct log *l, int64_t end_offset)
{
    enum err err = ERR_OK;
    int32_t i = l->segments_count >= 2 ? l->segments_count - 2 : 0;
    for (; i < l->segments_count && !err; i++) {
        producer_state_set_end_offset(l->producers, l->segments[i]->base_offset);
        err = log_store_producers(l, false);
    }
    producer_state_set_end_offset(l->producers, end_offset);
    return err ? err : log_store_producers(l, false);
}

enum err log_load_producers(struct log *l, int64_t offset, bool assume_none)
{
    mutex_lock(&l->producers_mu);
    producer_state_clear(l->producers);
    mutex_unlock(&l->producers_mu);
    l->last_snapshot_offset = 0;
    bool found;
    bool any;
    enum err err = snapshot_load_newest(l, offset, &found, &any);
    if (err) {
        return err;
    }
    if (!any && assume_none) {
        return load_empty(l, offset);
    }
    if (found) {
        l->last_snapshot_offset = producer_state_end_offset(l->producers);
    } else {
        producer_state_set_end_offset(l->producers, log_start_offset(l));
    }
    int32_t i = log_segment_index(l, producer_state_end_offset(l->producers));
    for (; i < l->segments_count && l->segments[i]->base_offset < offset && !err; i++) {
        struct segment *s = l->segments[i];
        if (s->base_offset > producer_state_end_offset(l->producers)) {
            producer_state_set_end_offset(l->producers, s->base_offset);
        }
        if (i >= l->segments_count - 2 && s->base_offset == producer_state_end_offset(l->producers)) {
            err = log_store_producers(l, false);
        }
        if (!err && producer_state_end_offset(l->producers) < offset) {
            err = load_replay_segment(l, s, offset);
        }
    }
    if (err) {
        return err;
    }
    producer_state_set_end_offset(l->producers, offset);
    return log_store_producers(l, false);
}
