// SPDX-License-Identifier: Apache-2.0
//
// Flushing with group commit. At most one flush runs; whoever comes meanwhile waits for it to end, and the first of
// those that are not satisfied then runs the next one for all. A flush covers all that was published when it began,
// so a caller waits for at most two.
#include <stdio.h>

#include "log/internal.h"
#include "log/partition_metadata.h"

void log_flush_pause(struct log *l)
{
    mutex_lock(&l->flush_mu);
    while (l->flushing) {
        cond_wait(&l->flush_done, &l->flush_mu);
    }
    l->flushing = true;
    mutex_unlock(&l->flush_mu);
}

void log_flush_resume(struct log *l)
{
    mutex_lock(&l->flush_mu);
    l->flushing = false;
    cond_broadcast(&l->flush_done);
    mutex_unlock(&l->flush_mu);
}

// The topic's id, when it has only been begun (*id, which is false once it has its name); then fsync of the folder and,
// where that is new, of the log directory that holds it: once for all folders that were made until then.
static enum err flush_folders(const struct log *l, bool *id)
{
    enum err err = *id ? partition_metadata_finish(l->os, l->path) : ERR_OK;
    if (err == ERR_NO_SPACE) {
        return ERR_AGAIN; // for a name; nothing was lost
    }
    if (!err) {
        *id = false;
        err = os_fsync_dir(l->os, l->path);
    }
    return err ? err : log_dir_sync_made(l->dir, l->made);
}

static enum err flush_snapshot(const struct log *l, int64_t base_offset)
{
    char name[NAME_FILE_MAX];
    char path[LOG_PATH_MAX];
    file_name_format(name, base_offset, NAME_SNAPSHOT, NAME_LIVE);
    snprintf(path, sizeof path, "%s/%s", l->path, name);
    return file_sync(l->os, path);
}

// fsync of the segments from the one that contains `from` on; of those that are no longer written to with all their
// indexes. *active_base: the last one.
static enum err flush_segments(struct log *l, int64_t from, int64_t *active_base)
{
    bool last = false;
    bool first = true;
    enum err err = ERR_OK;
    while (!last && !err) {
        mutex_lock(&l->mu);
        int32_t i = log_segment_index(l, from);
        struct segment *s = l->segments[i];
        segment_ref(s);
        last = i + 1 == l->segments_count;
        int64_t next = last ? 0 : l->segments[i + 1]->base_offset;
        mutex_unlock(&l->mu);
        err = segment_sync(s, !last);
        if (!err && !first) {
            err = flush_snapshot(l, s->base_offset);
        }
        if (err == ERR_NOT_FOUND) {
            err = ERR_OK; // deleted by retention meanwhile
        }
        *active_base = s->base_offset;
        segment_unref(s);
        from = next;
        first = false;
    }
    return err;
}

enum err log_flush(struct log *l)
{
    int64_t target = log_end_offset(l);
    mutex_lock(&l->flush_mu);
    for (;;) {
        bool done = log_recovery_point(l) >= target && (l->flushing || !l->folder_dirty);
        if (done || log_failed(l)) {
            mutex_unlock(&l->flush_mu);
            return log_failed(l) ? ERR_FAILED : ERR_OK;
        }
        if (!l->flushing) {
            break;
        }
        cond_wait(&l->flush_done, &l->flush_mu);
    }
    l->flushing = true;
    bool folder = l->folder_dirty;
    bool id = l->id_begun;
    l->folder_dirty = false;
    l->id_begun = false;
    int64_t until = log_end_offset(l);
    int64_t from = l->sync_from < log_recovery_point(l) ? l->sync_from : log_recovery_point(l);
    mutex_unlock(&l->flush_mu);

    int64_t active_base = from;
    enum err err = atomic_load(&l->untouched) ? ERR_OK : flush_segments(l, from, &active_base);
    if (!err && folder) {
        err = flush_folders(l, &id);
    }
    bool later = err == ERR_AGAIN || err == ERR_NO_MEMORY; // a file could not be opened: no fsync has failed
    if (err && !later) {
        log_fail_unsynced(l, err); // before anybody else may try: a second fsync would not see the error again
    }
    mutex_lock(&l->flush_mu);
    l->flushing = false;
    if (later) {
        l->folder_dirty |= folder;
        l->id_begun |= id;
    }
    if (!err) {
        l->sync_from = active_base;
        if (until > log_recovery_point(l)) {
            atomic_store_explicit(&l->recovery_point, until, memory_order_release);
        }
    }
    cond_broadcast(&l->flush_done);
    mutex_unlock(&l->flush_mu);
    return err;
}
