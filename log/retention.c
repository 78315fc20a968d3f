// SPDX-License-Identifier: Apache-2.0
//
// Retention: three passes, each from the oldest segment on until the first one that may stay (disk format: retention).
// Only segments that lie wholly below the high watermark go; an empty active segment never does.
#include <errno.h>
#include <inttypes.h>

#include "log/internal.h"

// The offset behind the last one that segment i can hold.
static int64_t segment_upper_bound(const struct log *l, int32_t i)
{
    return i + 1 < l->segments_count ? l->segments[i + 1]->base_offset : log_end_offset(l);
}

// Segments without timestamps are as old as their file.
static int64_t segment_newest_ms(const struct segment *s, int64_t now_ms)
{
    return s->max_timestamp >= 0 ? s->max_timestamp : segment_modified_ms(s, now_ms);
}

struct retention {
    int64_t now_ms;
    int64_t excess_bytes; // of the segments that are left, over retention.bytes
};

typedef bool retention_fn(const struct log *l, struct retention *r, int32_t i);

static bool retention_by_start(const struct log *l, struct retention *r, int32_t i)
{
    (void)r;
    return i + 1 < l->segments_count && l->segments[i + 1]->base_offset <= log_start_offset(l);
}

static bool retention_by_size(const struct log *l, struct retention *r, int32_t i)
{
    if (l->config.retention_bytes < 0 || r->excess_bytes < l->segments[i]->size) {
        return false;
    }
    r->excess_bytes -= l->segments[i]->size;
    return true;
}

static bool retention_by_time(const struct log *l, struct retention *r, int32_t i)
{
    int64_t age_ms;
    return l->config.retention_ms >= 0 &&
           !__builtin_sub_overflow(r->now_ms, segment_newest_ms(l->segments[i], r->now_ms), &age_ms) &&
           age_ms > l->config.retention_ms;
}

static enum err retention_pass(struct log *l, struct retention *r, retention_fn *is_old, const char *why,
                               int32_t *deleted)
{
    int32_t n = 0;
    r->excess_bytes = log_size_bytes(l) - l->config.retention_bytes;
    while (n < l->segments_count && segment_upper_bound(l, n) <= log_high_watermark(l)) {
        bool is_empty_active = n + 1 == l->segments_count && l->segments[n]->size == 0;
        if (is_empty_active || !is_old(l, r, n)) {
            break;
        }
        n++;
    }
    if (n == 0) {
        return ERR_OK;
    }
    enum err err = ERR_OK;
    if (n == l->segments_count) {
        err = log_ready(l);
        err = err ? err : log_roll(l, log_end_offset(l));
        n -= err == ERR_NO_SPACE; // the others make room
    }
    if (n == 0 || (err && err != ERR_NO_SPACE)) {
        return err == ERR_NO_SPACE ? ERR_OK : err;
    }
    int64_t start = l->segments[n]->base_offset;
    log_info("log", "%s: deleting %" PRId32 " segments below offset %" PRId64 " (%s)", l->path, n, start, why);
    if (start > log_start_offset(l)) {
        err = log_advance_start(l, start);
    }
    if (!err) {
        err = log_drop_segments(l, 0, n);
    }
    *deleted += n;
    return err;
}

enum err log_retain(struct log *l, int64_t now_ms, int32_t *deleted)
{
    *deleted = 0;
    if (log_failed(l)) {
        return ERR_FAILED;
    }
    struct retention r = {.now_ms = now_ms};
    enum err err = retention_pass(l, &r, retention_by_start, "below the log start offset", deleted);
    if (!err && l->config.cleanup_delete) {
        err = retention_pass(l, &r, retention_by_size, "retention.bytes", deleted);
    }
    if (!err && l->config.cleanup_delete) {
        err = retention_pass(l, &r, retention_by_time, "retention.ms", deleted);
    }
    return err;
}
