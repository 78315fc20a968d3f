// SPDX-License-Identifier: Apache-2.0
//
// Lookups by time (ListOffsets): by the time index to a batch that may hold the record, then record by record, also
// inside compressed batches and wrappers of the old formats. Segments are looked at one after
// another, each counted while it is; one that is deleted meanwhile is passed over.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "log/internal.h"
#include "log/record.h"
#include "log/unpack.h"

struct time_query {
    int64_t timestamp; // the first record that is not older than this
    int64_t start_offset;
    int64_t max_offset;
    int64_t offset; // answer, -1 = none
    int64_t found_timestamp;
    int32_t leader_epoch;
};

static void query_answer(struct time_query *q, int64_t offset, int64_t timestamp, int32_t leader_epoch)
{
    q->offset = offset;
    q->found_timestamp = timestamp;
    q->leader_epoch = leader_epoch;
}

// The same for a message of an old format, which may be a wrapper around others.
static enum err query_old(struct log *l, const uint8_t *data, const struct batch *b, struct time_query *q)
{
    struct unpack *u;
    struct full_record r;
    enum err err = unpack_open(l->dir->codecs, data, b, false, RECORDS_UNPACKED_MAX, &u);
    if (err) {
        return err;
    }
    while ((err = unpack_next(u, &r)) == ERR_OK) {
        if (r.timestamp >= q->timestamp && r.offset >= q->start_offset) {
            query_answer(q, r.offset, r.timestamp, -1);
            break;
        }
    }
    unpack_close(u);
    return err;
}

// Looks for the record inside a batch. NOT_FOUND when it is not there.
static enum err query_batch(struct log *l, const uint8_t *data, const struct batch *b, struct time_query *q)
{
    if (!batch_crc_ok(data, b)) {
        log_error("log", "%s: the batch at offset %" PRId64 " is damaged: wrong checksum", l->path, b->base_offset);
        return ERR_CORRUPT;
    }
    if (b->magic < 2) {
        return query_old(l, data, b, q);
    }
    struct record_iter *it;
    struct record r;
    enum err err = record_iter_new(l->dir->codecs, data, b, &it);
    if (err) {
        return err;
    }
    while ((err = record_iter_next(it, &r)) == ERR_OK) {
        if (r.timestamp >= q->timestamp && r.offset >= q->start_offset) {
            query_answer(q, r.offset, r.timestamp, b->leader_epoch);
            break;
        }
    }
    record_iter_free(it);
    return err;
}

// Looks into the batches of a segment. NOT_FOUND when no record fits.
static enum err query_segment(struct log *l, struct segment *s, int64_t size, struct time_query *q)
{
    struct log_file *f;
    enum err err = segment_file(s, &f);
    if (err) {
        return err;
    }
    int64_t position;
    err = segment_time_position(s, q->timestamp, &position);
    struct batch_scan scan;
    struct batch b;
    batch_scan_init(&scan, l->os, f->fd, position, size, SCAN_CHUNK_LOOKUP);
    while (!err && (err = batch_scan_next(&scan, &b, &position)) == ERR_OK) {
        if (b.max_timestamp < q->timestamp || batch_last_offset(&b) < q->start_offset) {
            continue;
        }
        const uint8_t *data;
        scan.position = position;
        err = batch_scan_next_whole(&scan, &b, &position, &data);
        if (!err) {
            err = query_batch(l, data, &b, q);
        }
        if (err != ERR_NOT_FOUND) {
            break;
        }
        err = ERR_OK; // its newest record lies below the start, or the log cleaner has taken it
    }
    batch_scan_release(&scan);
    log_file_unref(f);
    return err;
}

// What was published of a segment.
struct time_view {
    struct segment *segment; // counted
    int64_t base_offset;
    int64_t size;
    int64_t max_timestamp;
};

// The first segment with a base offset above `after`; false when there is none.
static bool time_view_next(struct log *l, int64_t after, struct time_view *v)
{
    mutex_lock(&l->mu);
    int32_t i = log_segment_index(l, after);
    while (i < l->segments_count && l->segments[i]->base_offset <= after) {
        i++;
    }
    bool found = i < l->segments_count;
    if (found) {
        struct segment *s = l->segments[i];
        *v = (struct time_view){s, s->base_offset, s->size, s->max_timestamp};
        segment_ref(s);
    }
    mutex_unlock(&l->mu);
    return found;
}

static enum err query_finish(enum err err, const struct time_query *q, int64_t *offset, int64_t *timestamp,
                             int32_t *leader_epoch)
{
    bool found = !err && q->offset >= 0 && q->offset < q->max_offset;
    *offset = found ? q->offset : -1;
    *timestamp = found ? q->found_timestamp : -1;
    *leader_epoch = found ? q->leader_epoch : -1;
    return err;
}

enum err log_offset_by_time(struct log *l, int64_t ts, int64_t max_offset, int64_t *offset, int64_t *timestamp,
                            int32_t *leader_epoch)
{
    struct time_query q = {
        .timestamp = ts, .start_offset = log_start_offset(l), .max_offset = max_offset, .offset = -1};
    enum err err = ERR_NOT_FOUND;
    int64_t after = -1;
    struct time_view v;
    while (err == ERR_NOT_FOUND && time_view_next(l, after, &v)) {
        if (v.max_timestamp >= ts) {
            err = query_segment(l, v.segment, v.size, &q);
        }
        after = v.base_offset;
        segment_unref(v.segment);
    }
    return query_finish(err == ERR_NOT_FOUND ? ERR_OK : err, &q, offset, timestamp, leader_epoch);
}

enum err log_offset_of_max_time(struct log *l, int64_t max_offset, int64_t *offset, int64_t *timestamp,
                                int32_t *leader_epoch)
{
    struct time_query q = {.timestamp = -1, .start_offset = 0, .max_offset = max_offset, .offset = -1};
    enum err err = ERR_OK;
    struct time_view v;
    struct time_view newest = {.segment = NULL};
    for (int64_t after = -1; !err && time_view_next(l, after, &v); after = v.base_offset) {
        if (v.max_timestamp > q.timestamp) {
            q.timestamp = v.max_timestamp;
            if (newest.segment != NULL) {
                segment_unref(newest.segment);
            }
            newest = v;
        } else {
            segment_unref(v.segment);
        }
    }
    if (newest.segment != NULL) {
        err = query_segment(l, newest.segment, newest.size, &q);
        segment_unref(newest.segment);
    }
    return query_finish(err == ERR_NOT_FOUND ? ERR_OK : err, &q, offset, timestamp, leader_epoch);
}

// ---- ListOffsets v0 ------------------------------------------------------------------------------------------------

struct offset_list {
    int64_t *offsets; // in the arena
    int32_t count;
    int32_t max;
};

// Adds an offset below the ones that are there; equal ones are left out.
static void offset_list_add(struct offset_list *list, int64_t offset)
{
    bool repeated = list->count > 0 && list->offsets[list->count - 1] <= offset;
    if (list->count < list->max && !repeated) {
        list->offsets[list->count++] = offset;
    }
}

enum err log_offsets_before(struct log *l, int64_t ts, int64_t end_offset, int32_t max, struct arena *a,
                            int64_t **offsets, int32_t *count)
{
    enum {
        EARLIEST = -2,
        LATEST = -1,
    };
    mutex_lock(&l->mu);
    int32_t n = l->segments_count;
    mutex_unlock(&l->mu);
    struct offset_list list = {.max = max < n + 1 ? max : n + 1};
    struct segment **seen = calloc((size_t)n + 1, sizeof *seen);
    list.offsets = arena_array(a, (size_t)(list.max > 0 ? list.max : 0) + 1, sizeof *list.offsets);
    *offsets = list.offsets;
    *count = 0;
    if (seen == NULL || list.offsets == NULL) {
        free(seen);
        return ERR_NO_MEMORY;
    }
    struct time_view v;
    int32_t taken = 0;
    for (int64_t after = -1; taken < n && time_view_next(l, after, &v); after = v.base_offset) {
        seen[taken++] = v.segment;
    }
    int64_t start = log_start_offset(l);
    bool found = ts == LATEST || (ts >= 0 && ts >= os_wall_ms(l->os)); // this one and all that are older
    if (found) {
        offset_list_add(&list, end_offset);
    }
    for (int32_t i = taken - 1; i >= 0; i--) {
        int64_t base = seen[i]->base_offset > start ? seen[i]->base_offset : start;
        found = found || (ts == EARLIEST && i == 0) || (ts >= 0 && segment_modified_ms(seen[i], INT64_MAX) <= ts);
        if (found) {
            offset_list_add(&list, base < end_offset ? base : end_offset);
        }
        segment_unref(seen[i]);
    }
    free(seen);
    *count = list.count;
    return ERR_OK;
}
