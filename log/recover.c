// SPDX-License-Identifier: Apache-2.0
//
// Recovery: what was not known to be on the disk is read byte by byte. The log ends behind the last batch that is
// whole, has the right sum and follows the one before it; what comes after is cut, later segments go. Segments that
// were on the disk already are looked at only where an index is bad: such a one is cut alone, the later ones stay.
// Everything that is derived from the batches (indexes, leader epochs, producer state) is made anew on the way.
#include <errno.h>
#include <inttypes.h>

#include "log/internal.h"

struct recovery {
    struct segment *s;
    int64_t limit_offset; // where the next segment begins
    int64_t valid;        // bytes of batches that are good
    int64_t next_offset;  // behind them
    int64_t indexed;      // position of the batch that has the last index entry
};

// Why a segment ends where it ends. A batch's first offset is not under its checksum, so a flipped bit there shows only
// in what it makes of the order.
static const char *batch_fault(const struct recovery *r, const uint8_t *data, const struct batch *b)
{
    if (!batch_crc_ok(data, b)) {
        return "wrong checksum";
    }
    if (b->base_offset < r->next_offset) {
        return "offset does not rise";
    }
    if (batch_last_offset(b) >= r->limit_offset) {
        return "offset belongs into the next segment";
    }
    if (batch_last_offset(b) - r->s->base_offset > INT32_MAX) {
        return "offset too far from the segment's first";
    }
    struct marker m;
    if (scan_has_marker(b) && scan_marker(data, b, &m) != ERR_OK) {
        return "malformed control record";
    }
    return NULL;
}

static enum err recover_index(struct log *l, struct recovery *r, const struct batch *b)
{
    struct segment *s = r->s;
    if (b->max_timestamp > s->max_timestamp) {
        s->max_timestamp = b->max_timestamp;
        s->max_timestamp_offset = batch_last_offset(b);
    }
    if (r->valid - r->indexed <= l->config.index_interval_bytes) {
        return ERR_OK;
    }
    r->indexed = r->valid;
    char path[SEGMENT_PATH_MAX];
    segment_path(s, NAME_INDEX, path);
    enum err err = index_append(&s->offsets, l->os, path, batch_last_offset(b), r->valid);
    if (!err && s->max_timestamp >= 0) {
        segment_path(s, NAME_TIME_INDEX, path);
        err = index_append(&s->times, l->os, path, s->max_timestamp, s->max_timestamp_offset);
    }
    return err;
}

static enum err recover_batch(struct log *l, struct recovery *r, const uint8_t *data, const struct batch *b)
{
    enum err err = recover_index(l, r, b);
    if (!err && b->leader_epoch >= 0 && b->leader_epoch > epoch_cache_latest(l->epochs)) {
        err = epoch_cache_assign(l->epochs, b->leader_epoch, b->base_offset, false);
    }
    if (!err) {
        err = log_replay_batch(l, r->s, data, b, true);
    }
    r->valid += (int64_t)batch_size(b);
    r->next_offset = batch_last_offset(b) + 1;
    return err;
}

// Goes over all batches. *fault: why it stopped before the end of the file, or NULL.
static enum err recover_batches(struct log *l, struct recovery *r, const struct log_file *f, const char **fault)
{
    struct batch_scan scan;
    batch_scan_init(&scan, l->os, f->fd, 0, r->s->size, SCAN_CHUNK_ALL);
    *fault = NULL;
    enum err err = ERR_OK;
    while (!err && *fault == NULL) {
        struct batch b;
        int64_t position;
        const uint8_t *data;
        err = batch_scan_next_whole(&scan, &b, &position, &data);
        if (err == ERR_TRUNCATED) {
            *fault = "incomplete batch";
        } else if (err == ERR_CORRUPT) {
            *fault = "no batch header";
        } else if (!err) {
            *fault = batch_fault(r, data, &b);
            err = *fault == NULL ? recover_batch(l, r, data, &b) : ERR_OK;
        }
    }
    batch_scan_release(&scan);
    return err == ERR_NOT_FOUND || err == ERR_TRUNCATED || err == ERR_CORRUPT ? ERR_OK : err;
}

static enum err recover_segment(struct log *l, struct recovery *r, bool *cut)
{
    struct segment *s = r->s;
    struct log_file *f;
    enum err err = segment_reset_indexes(s);
    if (!err) {
        err = segment_file(s, &f);
    }
    if (err) {
        return err;
    }
    s->max_timestamp = -1;
    s->max_timestamp_offset = s->base_offset;
    const char *fault;
    err = recover_batches(l, r, f, &fault);
    *cut = !err && fault != NULL;
    if (*cut) {
        log_warn("log",
                 "%s: segment %" PRId64 ": %s at position %" PRId64 ", cutting %" PRId64
                 " bytes; the log goes on at offset %" PRId64,
                 l->path, s->base_offset, fault, r->valid, s->size - r->valid, r->next_offset);
        atomic_fetch_sub_explicit(&l->size_bytes, s->size - r->valid, memory_order_relaxed);
        s->size = r->valid;
        err = l->os->ftruncate(l->os, f->fd, r->valid) == 0 ? ERR_OK : err_from_errno(errno);
    }
    log_file_unref(f);
    s->dirty = true;
    return err ? err : segment_finish(s);
}

// Damage in segment i says nothing about the one behind it when that was fsynced long before.
static bool recover_goes_on(const struct log *l, int32_t i, int64_t recovery_point)
{
    if (i + 1 == l->segments_count || l->segments[i + 1]->base_offset > recovery_point) {
        return false;
    }
    log_warn("log", "%s: the segments from %" PRId64 " on were on the disk already, they stay", l->path,
             l->segments[i + 1]->base_offset);
    return true;
}

enum err log_recover(struct log *l, int32_t first, int64_t recovery_point, int64_t *end_offset)
{
    struct segment *s = l->segments[first];
    *end_offset = s->base_offset;
    log_info("log", "%s: recovering from offset %" PRId64, l->path, s->base_offset);
    enum err err = log_load_producers(l, s->base_offset, false);
    bool cut = false;
    for (int32_t i = first; i < l->segments_count && !cut && !err; i++) {
        s = l->segments[i];
        int64_t limit_offset = i + 1 < l->segments_count ? l->segments[i + 1]->base_offset : INT64_MAX;
        struct recovery r = {.s = s, .limit_offset = limit_offset, .next_offset = s->base_offset};
        if (i > first && producer_state_end_offset(l->producers) < s->base_offset) {
            producer_state_set_end_offset(l->producers, s->base_offset);
        }
        if (i > first) {
            err = log_store_producers(l, false);
        }
        if (!err) {
            err = recover_segment(l, &r, &cut);
        }
        cut = !err && cut && !recover_goes_on(l, i, recovery_point);
        if (!err && cut) {
            err = log_drop_segments(l, i + 1, l->segments_count);
        }
        *end_offset = r.next_offset;
    }
    if (!err) {
        err = epoch_cache_store(l->epochs);
        err = err == ERR_NO_SPACE ? ERR_OK : err; // the first append writes it
    }
    if (!err) {
        producer_state_set_end_offset(l->producers, *end_offset);
        err = log_store_producers(l, false);
    }
    return err;
}
