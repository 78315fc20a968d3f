// SPDX-License-Identifier: Apache-2.0
//
// The file is read in chunks, so that walking over small batches does not cost a system call each; a batch that is
// larger than the chunk is stepped over by its header, or read whole into a buffer that grows to it (bounded by what
// is left of the file).
#include "log/scan.h"

#include <stdlib.h>

#include "log/record.h"

#define V0_SIZE_MIN           26 // offset, size, crc, magic, attributes, length of key and of value
#define V1_SIZE_MIN           34 // and the timestamp
#define V1_TIMESTAMP_POSITION 18

static enum err scan_old_header(const uint8_t *data, size_t len, struct batch *out)
{
    size_t size_min = out->magic == 0 ? V0_SIZE_MIN : V1_SIZE_MIN;
    if (batch_size(out) < size_min) {
        return ERR_CORRUPT;
    }
    if (len < size_min) {
        return ERR_TRUNCATED;
    }
    out->leader_epoch = -1;
    out->attributes = (int16_t)(data[BATCH_AT_OLD_ATTRIBUTES] & (BATCH_ATTR_CODEC | BATCH_ATTR_APPEND_TIME));
    out->last_offset_delta = 0;
    out->max_timestamp = out->magic == 0 ? -1 : (int64_t)load_be64(data + V1_TIMESTAMP_POSITION);
    out->base_timestamp = out->max_timestamp;
    out->producer_id = -1;
    out->producer_epoch = -1;
    out->base_sequence = -1;
    out->count = 1;
    return out->base_offset < 0 ? ERR_CORRUPT : ERR_OK;
}

enum err scan_header(const uint8_t *data, size_t len, struct batch *out)
{
    enum err err = batch_read_header(data, len, out);
    if (err) {
        return err;
    }
    if (out->magic < 2) {
        return scan_old_header(data, len, out);
    }
    bool ok = batch_size(out) >= BATCH_HEADER_SIZE && out->base_offset >= 0 && out->last_offset_delta >= 0 &&
              out->base_offset <= INT64_MAX - 1 - out->last_offset_delta;
    return ok ? ERR_OK : ERR_CORRUPT;
}

enum err scan_marker(const uint8_t *data, const struct batch *b, struct marker *out)
{
    enum {
        MARKER_ABORT = 0,
        MARKER_COMMIT = 1,
    };
    struct record_iter *it;
    struct record r;
    enum err err = record_iter_new(NULL, data, b, &it);
    if (err) {
        return err == ERR_NO_MEMORY ? err : ERR_CORRUPT;
    }
    err = record_iter_next(it, &r);
    record_iter_free(it);
    if (err == ERR_NO_MEMORY) {
        return err;
    }
    if (err || r.key_len < 4) {
        return ERR_CORRUPT;
    }
    int type = load_be16(r.key_head + 2);
    out->is_end_txn = type == MARKER_ABORT || type == MARKER_COMMIT;
    out->commit = type == MARKER_COMMIT;
    out->coordinator_epoch = 0;
    if (out->is_end_txn) {
        if (r.value_len < 6) {
            return ERR_CORRUPT;
        }
        out->coordinator_epoch = (int32_t)load_be32(r.value_head + 2);
    }
    return ERR_OK;
}

void batch_scan_init(struct batch_scan *s, const struct os *os, int fd, int64_t position, int64_t end, size_t chunk)
{
    *s = (struct batch_scan){.os = os, .fd = fd, .position = position, .end = end, .chunk = chunk};
}

void batch_scan_release(struct batch_scan *s)
{
    free(s->buf);
    s->buf = NULL;
}

// Makes at least `want` bytes from the position on (fewer at the end) available at *data.
static enum err scan_fill(struct batch_scan *s, size_t want, const uint8_t **data, size_t *len)
{
    int64_t left = s->end - s->position;
    if ((int64_t)want > left) {
        want = (size_t)left;
    }
    int64_t skipped = s->position - s->buf_position;
    if (s->buf != NULL && skipped >= 0 && (int64_t)s->buf_len - skipped >= (int64_t)want) {
        *data = s->buf + skipped;
        *len = s->buf_len - (size_t)skipped;
        return ERR_OK;
    }
    size_t need = want > s->chunk ? want : s->chunk;
    if (s->cap < need) {
        uint8_t *grown = realloc(s->buf, need);
        if (grown == NULL) {
            return ERR_NO_MEMORY;
        }
        s->buf = grown;
        s->cap = need;
    }
    size_t n = left < (int64_t)s->cap ? (size_t)left : s->cap;
    s->buf_len = 0;
    enum err err = os_pread_full(s->os, s->fd, s->buf, n, s->position);
    if (err) {
        return err;
    }
    s->buf_position = s->position;
    s->buf_len = n;
    *data = s->buf;
    *len = n;
    return ERR_OK;
}

static enum err scan_next(struct batch_scan *s, struct batch *out, int64_t *position, const uint8_t **data, bool whole)
{
    if (s->position >= s->end) {
        return ERR_NOT_FOUND;
    }
    size_t len;
    enum err err = scan_fill(s, BATCH_HEADER_SIZE, data, &len);
    if (!err) {
        err = scan_header(*data, len, out);
    }
    if (err) {
        return err;
    }
    if ((int64_t)batch_size(out) > s->end - s->position) {
        return ERR_TRUNCATED;
    }
    if (whole && len < batch_size(out)) {
        err = scan_fill(s, batch_size(out), data, &len);
        if (err) {
            return err;
        }
    }
    *position = s->position;
    s->position += (int64_t)batch_size(out);
    return ERR_OK;
}

enum err batch_scan_next(struct batch_scan *s, struct batch *out, int64_t *position)
{
    const uint8_t *data;
    return scan_next(s, out, position, &data, false);
}

enum err batch_scan_next_whole(struct batch_scan *s, struct batch *out, int64_t *position, const uint8_t **data)
{
    return scan_next(s, out, position, data, true);
}
