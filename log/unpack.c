// SPDX-License-Identifier: Apache-2.0
//
// A source gives the payload's bytes in pieces that are asked for; on it stand two readers: records of magic 2, and
// entries of the old formats.
#include "log/unpack.h"

#include <stdlib.h>

#include "log/legacy.h"

#define BUFFER_FIRST_BYTES 4096
#define VARINT_BYTES_MAX   5

struct source {
    struct decoder *decoder; // NULL: all bytes are in next..end
    const uint8_t *next;
    const uint8_t *end;
    uint8_t *buffer; // a record that runs over the end of a piece
    size_t cap;
    size_t unpacked;
    size_t unpacked_max;
};

struct unpack {
    struct codec_pool *pool;
    const uint8_t *data;
    struct batch b;
    struct source source;
    bool verify;
    bool wrapper; // old formats: messages are in the value
    int64_t base; // added to the offsets of messages in a wrapper
    int32_t left; // magic 2: records still to come; old formats without wrapper: 1, then 0
    struct slice payload;
};

// ---- the source ----------------------------------------------------------------------------------------------------

static enum err source_refill(struct source *s)
{
    struct slice piece = SLICE_NULL;
    enum err e = s->decoder == NULL ? ERR_OK : decoder_next(s->decoder, &piece);
    if (e != ERR_OK) {
        return e;
    }
    if (piece.len == 0) {
        return ERR_NOT_FOUND;
    }
    s->unpacked += piece.len;
    if (s->unpacked > s->unpacked_max) {
        return ERR_TOO_LARGE;
    }
    s->next = piece.data;
    s->end = piece.data + piece.len;
    return ERR_OK;
}

static enum err source_grow(struct source *s, size_t size)
{
    size_t cap = s->cap == 0 ? BUFFER_FIRST_BYTES : s->cap;
    while (cap < size) {
        cap *= 2;
    }
    if (cap == s->cap) {
        return ERR_OK;
    }
    uint8_t *grown = realloc(s->buffer, cap);
    if (grown == NULL) {
        return ERR_NO_MEMORY;
    }
    s->buffer = grown;
    s->cap = cap;
    return ERR_OK;
}

// The next len bytes in one piece, valid until the next call. NOT_FOUND: there are no more at all; TRUNCATED: fewer.
static enum err source_take(struct source *s, size_t len, const uint8_t **p)
{
    if (len > UNPACK_RECORD_MAX) {
        return ERR_TOO_LARGE;
    }
    if ((size_t)(s->end - s->next) >= len) {
        *p = s->next;
        s->next += len;
        return ERR_OK;
    }
    size_t have = 0;
    while (have < len) {
        if (s->next == s->end) {
            enum err e = source_refill(s);
            if (e == ERR_NOT_FOUND && have > 0) {
                return ERR_TRUNCATED;
            }
            if (e != ERR_OK) {
                return e;
            }
        }
        size_t n = (size_t)(s->end - s->next);
        n = n < len - have ? n : len - have;
        enum err e = source_grow(s, have + n);
        if (e != ERR_OK) {
            return e;
        }
        memcpy(s->buffer + have, s->next, n);
        s->next += n;
        have += n;
    }
    *p = s->buffer;
    return ERR_OK;
}

// Passes over len bytes without keeping them.
static enum err source_skip(struct source *s, size_t len)
{
    while (len > 0) {
        if (s->next == s->end) {
            enum err e = source_refill(s);
            if (e != ERR_OK) {
                return e == ERR_NOT_FOUND ? ERR_TRUNCATED : e;
            }
        }
        size_t n = (size_t)(s->end - s->next);
        n = n < len ? n : len;
        s->next += n;
        len -= n;
    }
    return ERR_OK;
}

static enum err source_open(struct unpack *u)
{
    struct source *s = &u->source;
    int codec = batch_codec(&u->b);
    decoder_close(s->decoder);
    s->decoder = NULL;
    s->unpacked = 0;
    if (codec == CODEC_NONE) {
        s->next = u->payload.data;
        s->end = u->payload.data + u->payload.len;
        return ERR_OK;
    }
    s->next = s->end = u->payload.data;
    return u->b.magic == 0 ? decoder_open_old(u->pool, codec, u->payload, &s->decoder)
                           : decoder_open(u->pool, codec, u->payload, &s->decoder);
}

// ---- old formats ---------------------------------------------------------------------------------------------------

// Offset and size of the next entry in a wrapper. NOT_FOUND at the end, also for a rest that is none.
static enum err entry_next(struct unpack *u, int64_t *offset, size_t *size)
{
    const uint8_t *p;
    enum err e = source_take(&u->source, LEGACY_ENTRY_BYTES, &p);
    if (e != ERR_OK) {
        return e == ERR_TRUNCATED ? ERR_NOT_FOUND : e;
    }
    *offset = (int64_t)load_be64(p);
    int32_t n = (int32_t)load_be32(p + 8);
    *size = (size_t)n;
    return n < LEGACY_SIZE_MIN ? ERR_CORRUPT : ERR_OK;
}

// The last message's offset in a wrapper of magic 1 says what the others are.
static enum err wrapper_measure(struct unpack *u)
{
    int64_t offset = 0;
    int64_t last = 0;
    size_t size;
    int32_t count = 0;
    enum err e;
    while ((e = entry_next(u, &offset, &size)) == ERR_OK && (e = source_skip(&u->source, size)) == ERR_OK) {
        last = offset;
        count++;
    }
    if (e != ERR_NOT_FOUND && e != ERR_TRUNCATED) {
        return e;
    }
    if (count == 0) {
        return ERR_INVALID_RECORD;
    }
    if (u->b.magic == 1 && u->b.base_offset != 0) { // 0 comes from old clients that set no offsets
        if (u->b.base_offset < last) {
            return ERR_INVALID_RECORD;
        }
        u->base = (int64_t)((uint64_t)u->b.base_offset - (uint64_t)last); // added with the same wrap-around
    }
    return source_open(u);
}

static enum err old_open(struct unpack *u)
{
    struct legacy_message m;
    enum err e = legacy_read(u->data + LEGACY_ENTRY_BYTES, (size_t)u->b.length, &m);
    if (e != ERR_OK) {
        return e;
    }
    u->b.attributes = m.attributes;
    u->b.max_timestamp = m.timestamp;
    u->wrapper = batch_codec(&u->b) != CODEC_NONE;
    u->left = 1;
    if (!u->wrapper) {
        return ERR_OK;
    }
    if (batch_codec(&u->b) == CODEC_ZSTD) {
        return ERR_UNSUPPORTED_CODEC;
    }
    if (m.value.data == NULL) {
        return ERR_INVALID_RECORD;
    }
    u->payload = m.value;
    e = source_open(u);
    return e == ERR_OK ? wrapper_measure(u) : e;
}

static void message_fill(const struct unpack *u, const struct legacy_message *m, struct full_record *out)
{
    bool append_time = u->b.magic == 1 && batch_is(&u->b, BATCH_ATTR_APPEND_TIME);
    out->offset = (int64_t)((uint64_t)m->offset + (uint64_t)u->base);
    out->timestamp = append_time ? u->b.max_timestamp : m->timestamp;
    out->key = m->key;
    out->value = m->value;
}

static enum err wrapped_next(struct unpack *u, struct full_record *out)
{
    int64_t offset;
    size_t size;
    const uint8_t *p;
    enum err e = entry_next(u, &offset, &size);
    if (e == ERR_OK) {
        e = source_take(&u->source, size, &p);
    }
    if (e != ERR_OK) {
        return e == ERR_TRUNCATED ? ERR_NOT_FOUND : e;
    }
    struct legacy_message m;
    e = legacy_read(p, size, &m);
    if (e == ERR_OK && (m.magic != u->b.magic || (m.attributes & BATCH_ATTR_CODEC) != CODEC_NONE)) {
        e = ERR_INVALID_RECORD;
    }
    if (e == ERR_OK && u->verify && !legacy_crc_ok(p, size)) {
        e = ERR_CORRUPT;
    }
    if (e == ERR_OK) {
        m.offset = offset;
        message_fill(u, &m, out);
    }
    return e;
}

static enum err old_next(struct unpack *u, struct full_record *out)
{
    if (u->wrapper) {
        return wrapped_next(u, out);
    }
    if (u->left-- <= 0) {
        return ERR_NOT_FOUND;
    }
    struct legacy_message m;
    enum err e = legacy_read(u->data + LEGACY_ENTRY_BYTES, (size_t)u->b.length, &m);
    if (e == ERR_OK) {
        m.offset = u->b.base_offset;
        message_fill(u, &m, out);
    }
    return e;
}

// ---- magic 2 -------------------------------------------------------------------------------------------------------

static enum err length_next(struct source *s, int32_t *len)
{
    uint32_t n = 0;
    for (int i = 0; i < VARINT_BYTES_MAX; i++) {
        const uint8_t *p;
        enum err e = source_take(s, 1, &p);
        if (e != ERR_OK) {
            return e == ERR_NOT_FOUND || e == ERR_TRUNCATED ? ERR_INVALID_RECORD : e;
        }
        n |= (uint32_t)(*p & 0x7f) << (7 * i);
        if (*p < 0x80) {
            *len = (int32_t)((n >> 1) ^ (0 - (n & 1)));
            return *len < 0 ? ERR_INVALID_RECORD : ERR_OK;
        }
    }
    return ERR_INVALID_RECORD;
}

static struct slice record_bytes(struct reader *r)
{
    int32_t len = reader_varint(r);
    return len < 0 ? SLICE_NULL : reader_bytes(r, (size_t)len);
}

static enum err new_next(struct unpack *u, struct full_record *out)
{
    if (u->left-- <= 0) {
        return ERR_NOT_FOUND;
    }
    int32_t len = 0;
    const uint8_t *p = NULL;
    enum err e = length_next(&u->source, &len);
    if (e == ERR_OK) {
        e = source_take(&u->source, (size_t)len, &p);
    }
    if (e != ERR_OK) {
        return e == ERR_NOT_FOUND || e == ERR_TRUNCATED ? ERR_INVALID_RECORD : e;
    }
    struct reader r = reader_of(slice_of(p, (size_t)len));
    reader_u8(&r); // attributes, which mean nothing yet
    uint64_t timestamp_delta = (uint64_t)reader_varlong(&r);
    uint64_t offset_delta = (uint64_t)(int64_t)reader_varint(&r);
    out->key = record_bytes(&r);
    out->value = record_bytes(&r);
    out->offset = (int64_t)((uint64_t)u->b.base_offset + offset_delta);
    out->timestamp = batch_is(&u->b, BATCH_ATTR_APPEND_TIME)
                         ? u->b.max_timestamp
                         : (int64_t)((uint64_t)u->b.base_timestamp + timestamp_delta);
    return r.bad ? ERR_INVALID_RECORD : ERR_OK;
}

// ---- both ----------------------------------------------------------------------------------------------------------

enum err unpack_open(struct codec_pool *pool, const uint8_t *data, const struct batch *b, bool verify, size_t max,
                     struct unpack **out)
{
    *out = NULL;
    struct unpack *u = calloc(1, sizeof *u);
    if (u == NULL) {
        return ERR_NO_MEMORY;
    }
    u->pool = pool;
    u->data = data;
    u->b = *b;
    u->verify = verify;
    u->source.unpacked_max = max;
    enum err e;
    if (b->magic < 2) {
        e = old_open(u);
    } else {
        u->left = b->count;
        u->payload = slice_of(data + BATCH_HEADER_SIZE, batch_size(b) - BATCH_HEADER_SIZE);
        e = source_open(u);
    }
    if (e != ERR_OK) {
        unpack_close(u);
        return e;
    }
    *out = u;
    return ERR_OK;
}

enum err unpack_next(struct unpack *u, struct full_record *out)
{
    return u->b.magic < 2 ? old_next(u, out) : new_next(u, out);
}

void unpack_close(struct unpack *u)
{
    if (u != NULL) {
        decoder_close(u->source.decoder);
        free(u->source.buffer);
        free(u);
    }
}
