// SPDX-License-Identifier: Apache-2.0
//
// Full disks. A write that finds no room takes the directory out of writing, not out of service: what is published
// stays readable, old segments still go, and a probe every now and then finds out when there is room again. What the
// write had already done is taken back before the log is changed the next time, because taking back may need room too.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "log/internal.h"

#define PROBE_FILE        "ottla-space-probe.tmp"
#define PROBE_WAIT_MS     1000
#define PROBE_WAIT_MAX_MS 60000

// ---- a log ---------------------------------------------------------------------------------------------------------

enum err log_stop(struct log *l, enum err err, const char *what)
{
    if (err != ERR_NO_SPACE && err != ERR_AGAIN && err != ERR_NO_MEMORY) {
        return log_fail(l, err, what);
    }
    l->half_done = true;
    if (err == ERR_NO_SPACE) {
        log_dir_note_full(l->dir, l->path, what);
    }
    return err;
}

enum err log_put_in_order(struct log *l)
{
    struct segment *s = log_active(l);
    int64_t end_offset = log_end_offset(l);
    enum err err = segment_truncate(s, end_offset, s->size);
    if (!err) {
        err = epoch_cache_truncate_end(l->epochs, end_offset + 1); // an epoch may begin where the log ends
    }
    if (!err && l->producers_ahead) {
        err = log_load_producers(l, end_offset, false);
    }
    if (!err) {
        err = log_dir_checkpoint(l->dir); // after a truncation the old recovery point would vouch for new bytes
    }
    if (err) {
        return log_stop(l, err, "taking back what was not finished");
    }
    l->half_done = false;
    l->producers_ahead = false;
    return ERR_OK;
}

enum err log_ready(struct log *l)
{
    if (log_failed(l)) {
        return ERR_FAILED;
    }
    if (log_dir_is_full(l->dir)) {
        return ERR_NO_SPACE;
    }
    return l->half_done ? log_put_in_order(l) : ERR_OK;
}

// ---- a directory ---------------------------------------------------------------------------------------------------

bool log_dir_is_full(const struct log_dir *d)
{
    return atomic_load_explicit(&d->full, memory_order_acquire);
}

// A disk that fills up again as soon as there is room is asked less and less often, so the log does not fill as well.
static void probe_plan(struct log_dir *d)
{
    int64_t now_ms = os_mono_us(d->os) / 1000;
    mutex_lock(&d->mu);
    bool again = d->probe_wait_ms > 0 && now_ms - d->last_probe_ms < PROBE_WAIT_MAX_MS;
    int64_t wait_ms = again ? d->probe_wait_ms * 2 : PROBE_WAIT_MS;
    d->probe_wait_ms = wait_ms < PROBE_WAIT_MAX_MS ? wait_ms : PROBE_WAIT_MAX_MS;
    d->next_probe_ms = now_ms + d->probe_wait_ms;
    mutex_unlock(&d->mu);
}

void log_dir_note_full(struct log_dir *d, const char *path, const char *what)
{
    if (!atomic_exchange(&d->full, true)) {
        probe_plan(d);
        log_error("log",
                  "%s is full (%s: %s): nothing is written to it until there is room again; reading, and deleting what "
                  "is old, go on",
                  d->path, path, what);
    }
}

static void probe_path(const struct log_dir *d, char out[LOG_PATH_MAX])
{
    snprintf(out, LOG_PATH_MAX, "%s/%s", d->path, PROBE_FILE);
}

void log_dir_forget_probe(const struct log_dir *d)
{
    char path[LOG_PATH_MAX];
    probe_path(d, path);
    d->os->unlink(d->os, path); // one that stays is overwritten by the next probe
}

static enum err probe_write(const struct log_dir *d)
{
    uint8_t block[16 << 10];
    char path[LOG_PATH_MAX];
    probe_path(d, path);
    int fd = d->os->open(d->os, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) {
        return err_from_errno(errno);
    }
    enum err err = ERR_OK;
    d->os->random(d->os, block, sizeof block); // a file system that compresses must not make it nothing
    for (int64_t at = 0; at < LOG_DIR_PROBE_BYTES && !err; at += (int64_t)sizeof block) {
        struct iovec iov = {.iov_base = block, .iov_len = sizeof block};
        err = os_pwritev_full(d->os, fd, &iov, 1, at);
    }
    d->os->close(d->os, fd);
    return err;
}

static bool probe_is_due(struct log_dir *d, int64_t now_ms)
{
    mutex_lock(&d->mu);
    bool due = log_dir_is_full(d) && now_ms >= d->next_probe_ms;
    mutex_unlock(&d->mu);
    return due;
}

void log_dir_probe_space(struct log_dir *d)
{
    int64_t now_ms = os_mono_us(d->os) / 1000;
    if (!probe_is_due(d, now_ms)) {
        return;
    }
    enum err err = probe_write(d);
    log_dir_forget_probe(d);
    mutex_lock(&d->mu);
    d->next_probe_ms = now_ms + d->probe_wait_ms;
    d->last_probe_ms = now_ms;
    mutex_unlock(&d->mu);
    if (!err) {
        atomic_store_explicit(&d->full, false, memory_order_release);
        log_info("log", "%s has room again: writing goes on", d->path);
    }
}
