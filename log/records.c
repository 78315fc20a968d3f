// SPDX-License-Identifier: Apache-2.0
//
// Records with their keys and values, for who loads a log into memory. Unlike the iterator of record.h, which every
// produced batch goes through and which only skips over them, this unpacks a compressed batch whole and hands out views
// into it.
#include <stdlib.h>

#include "log/compress.h"
#include "log/internal.h"

struct walk {
    log_record_fn *fn;
    void *ctx;
    int64_t from; // records below it are passed over
    int64_t end;  // and from here on
};

static struct slice field_read(struct reader *r)
{
    int32_t len = reader_varint(r);
    if (len == -1) {
        return SLICE_NULL;
    }
    if (len < 0) {
        r->bad = true;
        return SLICE_NULL;
    }
    return reader_bytes(r, (size_t)len);
}

static void headers_skip(struct reader *r)
{
    int32_t count = reader_varint(r);
    if (count < 0 || (size_t)count > reader_left(r)) {
        r->bad = true;
    }
    for (int32_t i = 0; i < count && !r->bad; i++) {
        if (field_read(r).data == NULL) {
            r->bad = true; // a header's name may not be null
        }
        field_read(r);
    }
}

static enum err record_read(struct reader *records, const struct batch *b, struct log_record_view *out)
{
    int32_t len = reader_varint(records);
    if (len < 0) {
        return ERR_INVALID_RECORD;
    }
    struct reader r = reader_of(reader_bytes(records, (size_t)len));
    if (records->bad) {
        return ERR_INVALID_RECORD;
    }
    reader_u8(&r); // the record's attributes, which mean nothing yet
    int64_t timestamp_delta = reader_varlong(&r);
    int32_t offset_delta = reader_varint(&r);
    out->key = field_read(&r);
    out->value = field_read(&r);
    headers_skip(&r);
    out->offset = (int64_t)((uint64_t)b->base_offset + (uint64_t)(int64_t)offset_delta);
    out->timestamp = batch_is(b, BATCH_ATTR_APPEND_TIME)
                         ? b->max_timestamp
                         : (int64_t)((uint64_t)b->base_timestamp + (uint64_t)timestamp_delta);
    bool within = offset_delta >= 0 && offset_delta <= b->last_offset_delta;
    return r.bad || reader_left(&r) != 0 || !within ? ERR_INVALID_RECORD : ERR_OK;
}

static enum err records_walk(struct slice bytes, const struct batch *b, const struct walk *w)
{
    struct reader r = reader_of(bytes);
    struct log_batch_view view = {
        .base_offset = b->base_offset,
        .last_offset = batch_last_offset(b),
        .producer_id = b->producer_id,
        .producer_epoch = b->producer_epoch,
        .transactional = batch_is(b, BATCH_ATTR_TRANSACTIONAL),
        .control = batch_is(b, BATCH_ATTR_CONTROL),
    };
    for (int32_t i = 0; i < b->count; i++) {
        struct log_record_view record;
        enum err e = record_read(&r, b, &record);
        if (e == ERR_OK && record.offset >= w->from && record.offset < w->end) {
            e = w->fn(w->ctx, &view, &record);
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    return reader_left(&r) == 0 ? ERR_OK : ERR_INVALID_RECORD;
}

// All that the packed bytes hold, in *out, which the caller releases.
static enum err unpack(int codec, struct slice packed, struct writer *out)
{
    struct decoder *d = NULL;
    enum err e = decoder_open(NULL, codec, packed, &d);
    while (e == ERR_OK) {
        struct slice piece;
        e = decoder_next(d, &piece);
        if (e != ERR_OK || piece.len == 0) {
            break;
        }
        writer_bytes(out, piece.data, piece.len);
        e = out->bad ? ERR_TOO_LARGE : ERR_OK;
    }
    decoder_close(d);
    return e;
}

static enum err batch_walk(const uint8_t *data, const struct batch *b, const struct walk *w)
{
    if (b->magic < 2) {
        return ERR_UNSUPPORTED;
    }
    if (b->count < 0 || b->last_offset_delta < 0 || !batch_crc_ok(data, b)) {
        return ERR_CORRUPT;
    }
    struct slice packed = slice_of(data + BATCH_HEADER_SIZE, batch_size(b) - BATCH_HEADER_SIZE);
    if (batch_codec(b) == CODEC_NONE) {
        return records_walk(packed, b, w);
    }
    struct writer unpacked;
    writer_init(&unpacked, packed.len, LOG_BATCH_UNPACKED_MAX);
    enum err e = unpack(batch_codec(b), packed, &unpacked);
    e = e == ERR_OK ? records_walk(writer_slice(&unpacked), b, w) : e;
    writer_release(&unpacked);
    return e;
}

// The whole batches of `data`. *next: the offset behind the last of them.
static enum err batches_walk(struct slice data, const struct walk *w, size_t *consumed, int64_t *next)
{
    *consumed = 0;
    while (*consumed < data.len) {
        const uint8_t *at = data.data + *consumed;
        size_t left = data.len - *consumed;
        struct batch b;
        enum err e = batch_read_header(at, left, &b);
        if (e == ERR_TRUNCATED) {
            return ERR_OK;
        }
        if (e != ERR_OK || left < batch_size(&b)) {
            return e;
        }
        e = batch_walk(at, &b, w);
        if (e != ERR_OK) {
            return e;
        }
        *consumed += batch_size(&b);
        *next = batch_last_offset(&b) + 1;
    }
    return ERR_OK;
}

enum err log_batches_each(struct slice data, log_record_fn *fn, void *ctx, size_t *consumed)
{
    struct walk w = {.fn = fn, .ctx = ctx, .from = INT64_MIN, .end = INT64_MAX};
    int64_t next;
    return batches_walk(data, &w, consumed, &next);
}

// A piece of the log in memory, walked. *next stays when there is nothing to be read at it.
static enum err piece_walk(struct log *l, const struct walk *w, size_t buffer_size, int64_t *next)
{
    // A batch may lie across the end that is asked for, so that is for the walk to see, not for the read.
    struct log_read r = {.offset = *next, .max_offset = INT64_MAX, .max_bytes = buffer_size, .min_one = true};
    enum err e = log_read(l, &r);
    if (e != ERR_OK || r.file == NULL) {
        return e;
    }
    size_t consumed = 0;
    uint8_t *data = malloc(r.len);
    e = data == NULL ? ERR_NO_MEMORY : os_pread_full(l->os, log_file_fd(r.file), data, r.len, r.position);
    if (e == ERR_OK) {
        e = batches_walk(slice_of(data, r.len), w, &consumed, next);
    }
    if (e == ERR_OK && consumed == 0) {
        e = ERR_CORRUPT; // the first batch comes whole
    }
    free(data);
    log_file_unref(r.file);
    return e;
}

enum err log_records_each(struct log *l, int64_t from, int64_t end, size_t buffer_size, log_record_fn *fn, void *ctx)
{
    struct walk w = {.fn = fn, .ctx = ctx, .from = from, .end = end};
    int64_t at = -1;
    int64_t next = from;
    enum err e = ERR_OK;
    while (e == ERR_OK && next > at && next < end) {
        at = next;
        e = piece_walk(l, &w, buffer_size, &next);
    }
    return e;
}
