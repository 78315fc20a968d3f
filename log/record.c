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
#define INLINE         inline __attribute__((always_inline))

#define HEAD_BYTES 8 // of keys and values

#define VARINT32_BYTES_MAX 5
#define VARINT64_BYTES_MAX 10

struct record_iter {
    struct decoder *decoder; // NULL for an uncompressed batch
    const uint8_t *next;     // what is left of the current piece
    const uint8_t *end;
    size_t unpacked; // bytes of all pieces so far
    size_t unpacked_max;
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
        .unpacked_max = RECORDS_UNPACKED_MAX,
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

void record_iter_limit(struct record_iter *it, size_t max)
{
    it->unpacked_max = max;
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
    if (it->unpacked > it->unpacked_max) {
        return ERR_TOO_LARGE;
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

static inline size_t cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->next) + c->beyond;
}

static inline void cursor_fail(struct cursor *c)
{
    c->err = c->err == ERR_OK ? ERR_INVALID_RECORD : c->err;
    c->next = c->end;
    c->beyond = 0;
}

// The functions from here to record_parse are compiled twice: `whole` says that the record lies in one piece, which
// leaves no call that sees the cursor, so that it is kept in registers.

static INLINE bool cursor_more(struct cursor *c, bool whole)
{
    return LIKELY(c->next < c->end) || (!whole && cursor_refill(c));
}

// An unsigned varint of at most `bytes_max` bytes, the last of which holds at most `last_max`, at p. Returns its bytes;
// 0: it is none, or not whole.
static __attribute__((noinline)) int uvarint_read(const uint8_t *p, size_t len, int bytes_max, uint8_t last_max,
                                                  uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < bytes_max && (size_t)i < len; i++) {
        *value |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80) {
            return i == bytes_max - 1 && p[i] > last_max ? 0 : i + 1;
        }
    }
    return 0;
}

// The same in a record that may lie in several pieces.
static __attribute__((noinline)) uint64_t cursor_uvarint_split(struct cursor *c, int bytes_max, uint8_t last_max)
{
    uint8_t bytes[VARINT64_BYTES_MAX];
    int n = 0;
    do {
        if (!cursor_more(c, false)) {
            return 0;
        }
        bytes[n++] = *c->next++;
    } while (n < bytes_max && bytes[n - 1] >= 0x80);
    uint64_t value;
    if (uvarint_read(bytes, (size_t)n, bytes_max, last_max, &value) == 0) {
        cursor_fail(c);
        return 0;
    }
    return value;
}

static INLINE uint64_t cursor_uvarint(struct cursor *c, bool whole, int bytes_max, uint8_t last_max)
{
    // Nearly all have one or two bytes.
    size_t len = (size_t)(c->end - c->next);
    if (LIKELY(len >= 1 && c->next[0] < 0x80)) {
        return *c->next++;
    }
    if (LIKELY(len >= 2 && c->next[1] < 0x80)) {
        c->next += 2;
        return (uint64_t)(c->next[-2] & 0x7f) | (uint64_t)c->next[-1] << 7;
    }
    if (!whole) {
        return cursor_uvarint_split(c, bytes_max, last_max);
    }
    uint64_t value;
    int n = uvarint_read(c->next, len, bytes_max, last_max, &value);
    c->next += n;
    if (UNLIKELY(n == 0)) {
        cursor_fail(c);
        return 0;
    }
    return value;
}

static INLINE int32_t cursor_varint(struct cursor *c, bool whole)
{
    uint32_t n = (uint32_t)cursor_uvarint(c, whole, VARINT32_BYTES_MAX, 0x0f);
    return (int32_t)((n >> 1) ^ (0 - (n & 1)));
}

static INLINE int64_t cursor_varlong(struct cursor *c, bool whole)
{
    uint64_t n = cursor_uvarint(c, whole, VARINT64_BYTES_MAX, 0x01);
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
static INLINE int32_t cursor_bytes(struct cursor *c, bool whole, uint8_t head[HEAD_BYTES])
{
    int32_t len = cursor_varint(c, whole);
    memset(head, 0, HEAD_BYTES);
    if (UNLIKELY(len < -1 || (len > 0 && (size_t)len > cursor_left(c)))) {
        cursor_fail(c);
        return -1;
    }
    if (len > 0 && !whole) {
        cursor_skip(c, (size_t)len, head, HEAD_BYTES);
    } else if (LIKELY(len >= HEAD_BYTES)) {
        memcpy(head, c->next, HEAD_BYTES);
        c->next += len;
    } else {
        for (int32_t i = 0; i < len; i++) {
            head[i] = *c->next++;
        }
    }
    return len;
}

static INLINE void cursor_headers(struct cursor *c, bool whole)
{
    uint8_t unused[HEAD_BYTES];
    int32_t count = cursor_varint(c, whole);
    if (UNLIKELY(count < 0 || (size_t)count > cursor_left(c))) {
        cursor_fail(c);
        return;
    }
    for (int32_t i = 0; i < count && c->err == ERR_OK; i++) {
        if (cursor_bytes(c, whole, unused) < 0) {
            cursor_fail(c); // a header's name may not be null
        }
        cursor_bytes(c, whole, unused);
    }
}

// Reads the record that the cursor is confined to.
static INLINE enum err record_parse(struct cursor *c, bool whole, struct record *out, int64_t *timestamp_delta)
{
    if (cursor_more(c, whole)) {
        c->next++; // the record's attributes, which mean nothing yet
    }
    *timestamp_delta = cursor_varlong(c, whole);
    out->offset_delta = cursor_varint(c, whole);
    out->key_len = cursor_bytes(c, whole, out->key_head);
    out->value_len = cursor_bytes(c, whole, out->value_head);
    cursor_headers(c, whole);
    return c->err == ERR_OK && cursor_left(c) != 0 ? ERR_INVALID_RECORD : c->err;
}

// A record that runs over the end of the current piece, or begins in the next one.
static __attribute__((noinline)) enum err iter_next_split(struct record_iter *it, struct record *out,
                                                          int64_t *timestamp_delta)
{
    // The length may take its bytes from anywhere; what else a refill gave the cursor goes back to the iterator.
    struct cursor c = {.next = it->next, .end = it->end, .beyond = SIZE_MAX / 2, .it = it, .err = ERR_OK};
    int32_t len = cursor_varint(&c, false);
    if (c.err != ERR_OK || len < 0) {
        return c.err != ERR_OK ? c.err : ERR_INVALID_RECORD;
    }
    size_t here = (size_t)(c.end - c.next);
    here = here < (size_t)len ? here : (size_t)len;
    c.end = c.next + here;
    c.beyond = (size_t)len - here;
    it->next = c.end;
    return record_parse(&c, false, out, timestamp_delta);
}

// Confines a cursor to the next record. False, and nothing has changed: it does not lie in the current piece.
static INLINE bool iter_confine(struct record_iter *it, struct cursor *c)
{
    *c = (struct cursor){.next = it->next, .end = it->end, .beyond = 0, .it = NULL, .err = ERR_OK};
    int32_t len = cursor_varint(c, true);
    if (UNLIKELY(c->err != ERR_OK || len < 0 || c->end - c->next < len)) {
        return false;
    }
    c->end = c->next + len;
    it->next = c->end;
    return true;
}

static inline enum err iter_next(struct record_iter *it, struct record *out, int64_t *timestamp_delta)
{
    struct cursor c;
    return LIKELY(iter_confine(it, &c)) ? record_parse(&c, true, out, timestamp_delta)
                                        : iter_next_split(it, out, timestamp_delta);
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

static inline int64_t timestamp_of(const struct record_iter *it, int64_t delta)
{
    return it->append_time ? it->max_timestamp : (int64_t)((uint64_t)it->base_timestamp + (uint64_t)delta);
}

enum err record_iter_next(struct record_iter *it, struct record *out)
{
    if (it->left <= 0) {
        return iter_finish(it);
    }
    int64_t timestamp_delta;
    enum err e = iter_next(it, out, &timestamp_delta);
    if (UNLIKELY(e != ERR_OK)) {
        return e;
    }
    it->left--;
    out->has_key = out->key_len >= 0;
    out->has_value = out->value_len >= 0;
    out->offset = (int64_t)((uint64_t)it->base_offset + (uint64_t)(int64_t)out->offset_delta);
    out->timestamp = timestamp_of(it, timestamp_delta);
    return ERR_OK;
}

static inline void survey_add(struct record_survey *s, int32_t delta, int64_t timestamp, bool has_key)
{
    s->keyless = s->keyless || !has_key;
    s->oldest = timestamp < s->oldest ? timestamp : s->oldest;
    if (timestamp > s->newest) {
        s->newest = timestamp;
        s->newest_delta = delta;
    }
}

// Each of the two has a record of its own: the one whose address is not given away need not be written.
static __attribute__((noinline)) enum err survey_split(struct record_iter *it, struct record_survey *out, int32_t i)
{
    struct record rec;
    int64_t delta;
    enum err e = iter_next_split(it, &rec, &delta);
    if (e == ERR_OK && rec.offset_delta != i) {
        e = ERR_INVALID_RECORD;
    }
    if (e == ERR_OK) {
        survey_add(out, i, timestamp_of(it, delta), rec.key_len >= 0);
    }
    return e;
}

static INLINE enum err survey_whole(struct record_iter *it, struct cursor *c, struct record_survey *out, int32_t i)
{
    struct record rec;
    int64_t delta;
    enum err e = record_parse(c, true, &rec, &delta);
    if (UNLIKELY(e != ERR_OK || rec.offset_delta != i)) {
        return e != ERR_OK ? e : ERR_INVALID_RECORD;
    }
    survey_add(out, i, timestamp_of(it, delta), rec.key_len >= 0);
    return ERR_OK;
}

enum err record_iter_survey(struct record_iter *it, struct record_survey *out)
{
    struct record_survey s = {.oldest = INT64_MAX, .newest = -1};
    enum err e = ERR_OK;
    for (int32_t i = 0; e == ERR_OK && i < it->left; i++) {
        struct cursor c;
        e = LIKELY(iter_confine(it, &c)) ? survey_whole(it, &c, &s, i) : survey_split(it, &s, i);
    }
    *out = s;
    e = e == ERR_OK ? iter_finish(it) : e;
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}
