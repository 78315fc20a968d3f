// SPDX-License-Identifier: Apache-2.0
//
// Parsing of records. There is one parser for all codecs: it reads through a cursor that is confined to one record and
// asks for the next piece of decompressed data when a record runs over the end of the current one. Records of an
// uncompressed batch are one piece, so there the cursor never leaves its fast path; every produced record goes this
// way.
#include "log/record.h"

#include <stdlib.h>

#define LIKELY(cond)   __builtin_expect(!!(cond), 1)
#define UNLIKELY(cond) __builtin_expect(!!(cond), 0)

#define VARINT32_BYTES_MAX 5
#define VARINT64_BYTES_MAX 10

struct record_iter {
    struct decoder *decoder; // NULL for an uncompressed batch
    const uint8_t *next;     // what is left of the current piece
    const uint8_t *end;
    size_t unpacked; // bytes of all pieces so far
    int64_t base_offset;
    int64_t base_timestamp;
    int64_t max_timestamp;
    bool append_time;
    int32_t left; // records
};

// The bytes of one record: [next, end) now, `beyond` more in further pieces.
struct cursor {
    const uint8_t *next;
    const uint8_t *end;
    size_t beyond;
    struct record_iter *it;
    enum err err;
};

enum err record_iter_new(struct codec_pool *pool, const uint8_t *data, const struct batch *b, struct record_iter **out)
{
    *out = NULL;
    struct record_iter *it = malloc(sizeof *it);
    if (it == NULL) {
        return ERR_NO_MEMORY;
    }
    *it = (struct record_iter){
        .next = data + BATCH_HEADER_SIZE,
        .end = data + batch_size(b),
        .base_offset = b->base_offset,
        .base_timestamp = b->base_timestamp,
        .max_timestamp = b->max_timestamp,
        .append_time = batch_is(b, BATCH_ATTR_APPEND_TIME),
        .left = b->count,
    };
    if (batch_codec(b) != CODEC_NONE) {
        struct slice packed = slice_of(it->next, (size_t)(it->end - it->next));
        it->next = it->end;
        enum err e = decoder_open(pool, batch_codec(b), packed, &it->decoder);
        if (e != ERR_OK) {
            free(it);
            return e;
        }
    }
    *out = it;
    return ERR_OK;
}

void record_iter_free(struct record_iter *it)
{
    if (it != NULL) {
        decoder_close(it->decoder);
        free(it);
    }
}

// Fetches the next piece, when the current one is used up. ERR_NOT_FOUND: there is none.
static enum err iter_refill(struct record_iter *it)
{
    struct slice piece = SLICE_NULL;
    enum err e = it->decoder == NULL ? ERR_OK : decoder_next(it->decoder, &piece);
    if (e != ERR_OK) {
        return e;
    }
    if (piece.len == 0) {
        return ERR_NOT_FOUND;
    }
    it->unpacked += piece.len;
    if (it->unpacked > RECORDS_UNPACKED_MAX) {
        return ERR_INVALID_RECORD;
    }
    it->next = piece.data;
    it->end = piece.data + piece.len;
    return ERR_OK;
}

// Lets the cursor see bytes of the next piece; false at the end of the record or of the data, which is an error.
static bool cursor_refill(struct cursor *c)
{
    if (c->err == ERR_OK && c->beyond == 0) {
        c->err = ERR_INVALID_RECORD;
    }
    if (c->err != ERR_OK) {
        return false;
    }
    enum err e = iter_refill(c->it);
    if (e != ERR_OK) {
        c->err = e == ERR_NOT_FOUND ? ERR_INVALID_RECORD : e;
        c->beyond = 0;
        return false;
    }
    size_t len = (size_t)(c->it->end - c->it->next);
    len = len < c->beyond ? len : c->beyond;
    c->next = c->it->next;
    c->end = c->next + len;
    c->beyond -= len;
    c->it->next += len;
    return true;
}

static size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->next) + c->beyond;
}

static void cursor_fail(struct cursor *c)
{
    c->err = c->err == ERR_OK ? ERR_INVALID_RECORD : c->err;
    c->next = c->end;
    c->beyond = 0;
}

// An unsigned varint of at most `bytes_max` bytes, the last of which holds at most `last_max`.
static __attribute__((noinline)) uint64_t cursor_varint_slow(struct cursor *c, int bytes_max, uint8_t last_max)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes_max; i++) {
        if (c->next == c->end && !cursor_refill(c)) {
            return 0;
        }
        uint8_t byte = *c->next++;
        if (i == bytes_max - 1 && byte > last_max) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            return value;
        }
    }
    cursor_fail(c);
    return 0;
}

// One or two bytes are what nearly all varints in records take.
static inline uint64_t cursor_uvarint(struct cursor *c, int bytes_max, uint8_t last_max)
{
    if (LIKELY(c->end - c->next >= 2)) {
        unsigned first = c->next[0];
        unsigned second = c->next[1];
        if (LIKELY(first < 0x80)) {
            c->next += 1;
            return first;
        }
        if (LIKELY(second < 0x80)) {
            c->next += 2;
            return (first & 0x7f) | second << 7;
        }
    }
    return cursor_varint_slow(c, bytes_max, last_max);
}

static inline int32_t cursor_varint(struct cursor *c)
{
    uint32_t n = (uint32_t)cursor_uvarint(c, VARINT32_BYTES_MAX, 0x0f);
    return (int32_t)((n >> 1) ^ (0 - (n & 1)));
}

static inline int64_t cursor_varlong(struct cursor *c)
{
    uint64_t n = cursor_uvarint(c, VARINT64_BYTES_MAX, 0x01);
    return (int64_t)((n >> 1) ^ (0 - (n & 1)));
}

// Copies the first bytes of the next len bytes (which the record has) and skips them all.
static void cursor_skip(struct cursor *c, size_t len, uint8_t *head, size_t head_len)
{
    size_t copied = 0;
    while (len > 0 && (c->next < c->end || cursor_refill(c))) {
        size_t n = (size_t)(c->end - c->next);
        n = n < len ? n : len;
        size_t wanted = head_len - copied < n ? head_len - copied : n;
        memcpy(head + copied, c->next, wanted);
        copied += wanted;
        c->next += n;
        len -= n;
    }
}

// A length and that many bytes, or -1 for null: a key, a value, or one of a header.
static inline int32_t cursor_bytes(struct cursor *c, uint8_t head[8])
{
    int32_t len = cursor_varint(c);
    if (UNLIKELY(len < -1 || (len > 0 && (size_t)len > cursor_left(c)))) {
        cursor_fail(c);
        return -1;
    }
    if (LIKELY(len >= 8 && c->end - c->next >= len)) {
        memcpy(head, c->next, 8);
        c->next += len;
        return len;
    }
    memset(head, 0, 8);
    if (len > 0) {
        cursor_skip(c, (size_t)len, head, 8);
    }
    return len;
}

static void cursor_headers(struct cursor *c)
{
    uint8_t unused[8];
    int32_t count = cursor_varint(c);
    if (UNLIKELY(count < 0 || (size_t)count > cursor_left(c))) {
        cursor_fail(c);
        return;
    }
    for (int32_t i = 0; i < count && c->err == ERR_OK; i++) {
        if (cursor_bytes(c, unused) < 0) {
            cursor_fail(c); // a header's name may not be null
        }
        cursor_bytes(c, unused);
    }
}

// A cursor over the next record, whose length it has read.
static inline struct cursor iter_cursor(struct record_iter *it)
{
    // The length itself may take up to five bytes from wherever they are.
    struct cursor c = {.next = it->next, .end = it->end, .beyond = SIZE_MAX / 2, .it = it, .err = ERR_OK};
    int32_t len = cursor_varint(&c);
    if (UNLIKELY(c.err != ERR_OK || len < 0)) {
        cursor_fail(&c);
        return c;
    }
    // The bytes that a refill gave to the cursor are consumed from the iterator's point of view: take them back.
    it->next = c.next;
    size_t here = (size_t)(it->end - it->next);
    here = here < (size_t)len ? here : (size_t)len;
    c.end = c.next + here;
    c.beyond = (size_t)len - here;
    it->next += here;
    return c;
}

// After the last record neither bytes nor further pieces may be left.
static enum err iter_finish(struct record_iter *it)
{
    if (it->left < 0 || it->next != it->end) {
        return ERR_INVALID_RECORD;
    }
    enum err e = iter_refill(it);
    return e == ERR_OK ? ERR_INVALID_RECORD : e;
}

enum err record_iter_next(struct record_iter *it, struct record *out)
{
    if (it->left <= 0) {
        return iter_finish(it);
    }
    struct cursor c = iter_cursor(it);
    if (LIKELY(c.next < c.end || cursor_refill(&c))) {
        c.next++; // the record's attributes, which mean nothing yet
    }
    uint64_t timestamp_delta = (uint64_t)cursor_varlong(&c);
    out->offset_delta = cursor_varint(&c);
    out->key_len = cursor_bytes(&c, out->key_head);
    out->value_len = cursor_bytes(&c, out->value_head);
    cursor_headers(&c);
    if (UNLIKELY(c.err != ERR_OK || cursor_left(&c) != 0)) {
        return c.err != ERR_OK ? c.err : ERR_INVALID_RECORD;
    }
    it->left--;
    out->has_key = out->key_len >= 0;
    out->has_value = out->value_len >= 0;
    out->offset = (int64_t)((uint64_t)it->base_offset + (uint64_t)(int64_t)out->offset_delta);
    out->timestamp = it->append_time ? it->max_timestamp : (int64_t)((uint64_t)it->base_timestamp + timestamp_delta);
    return ERR_OK;
}
