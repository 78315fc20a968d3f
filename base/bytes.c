// SPDX-License-Identifier: Apache-2.0
//
// The bounded reader and writer. In a reader pos <= len always holds, and once it is bad nothing moves any more; in a
// writer len <= cap <= limit always holds.
#include "base/bytes.h"

#include <stdlib.h>

enum {
    VARINT32_MAX_BYTES = 5,
    VARINT64_MAX_BYTES = 10,
    WRITER_FIRST_CAP_BYTES = 64,
};

// The next len bytes, or NULL and a bad reader.
static const uint8_t *reader_advance(struct reader *r, size_t len)
{
    if (r->bad || len > r->len - r->pos) {
        r->bad = true;
        return NULL;
    }
    // A reader of no bytes at all may have no data, to which not even zero can be added.
    const uint8_t *p = r->data ? r->data + r->pos : NULL;
    r->pos += len;
    return p;
}

uint8_t reader_u8(struct reader *r)
{
    const uint8_t *p = reader_advance(r, 1);
    return p ? *p : 0;
}

uint16_t reader_u16(struct reader *r)
{
    const uint8_t *p = reader_advance(r, 2);
    return p ? load_be16(p) : 0;
}

uint32_t reader_u32(struct reader *r)
{
    const uint8_t *p = reader_advance(r, 4);
    return p ? load_be32(p) : 0;
}

uint64_t reader_u64(struct reader *r)
{
    const uint8_t *p = reader_advance(r, 8);
    return p ? load_be64(p) : 0;
}

// An unsigned varint of at most max_bytes groups whose last possible group may hold last_bits bits only.
static uint64_t reader_varint_groups(struct reader *r, int max_bytes, int last_bits)
{
    uint64_t v = 0;
    for (int i = 0; i < max_bytes; i++) {
        uint8_t b = reader_u8(r);
        if (r->bad) {
            return 0;
        }
        if (i == max_bytes - 1 && b >> last_bits != 0) {
            break;
        }
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if ((b & 0x80) == 0) {
            return v;
        }
    }
    r->bad = true;
    return 0;
}

uint32_t reader_uvarint(struct reader *r)
{
    return (uint32_t)reader_varint_groups(r, VARINT32_MAX_BYTES, 4);
}

int32_t reader_varint(struct reader *r)
{
    uint32_t v = reader_uvarint(r);
    return (int32_t)(v >> 1 ^ (0 - (v & 1)));
}

int64_t reader_varlong(struct reader *r)
{
    uint64_t v = reader_varint_groups(r, VARINT64_MAX_BYTES, 1);
    return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

struct slice reader_bytes(struct reader *r, size_t len)
{
    static const uint8_t nothing[1];
    const uint8_t *p = reader_advance(r, len);
    return p ? slice_of(p, len) : slice_of(nothing, 0);
}

void writer_init(struct writer *w, size_t initial_cap, size_t limit)
{
    *w = (struct writer){.limit = limit, .owned = true};
    size_t cap = initial_cap < limit ? initial_cap : limit;
    if (cap > 0) {
        w->data = malloc(cap);
        w->cap = w->data ? cap : 0;
        w->bad = !w->data;
    }
}

void writer_init_fixed(struct writer *w, void *buf, size_t cap)
{
    *w = (struct writer){.data = buf, .cap = cap, .limit = cap};
}

void writer_release(struct writer *w)
{
    if (w->owned) {
        free(w->data);
    }
    *w = (struct writer){.bad = true};
}

uint8_t *writer_take(struct writer *w, size_t *len)
{
    uint8_t *data = w->owned ? w->data : NULL;
    *len = data ? w->len : 0;
    w->data = NULL;
    w->len = 0;
    w->cap = 0;
    return data;
}

// Makes room for len more bytes, doubling the buffer up to the limit. False when there is none.
static bool writer_grow(struct writer *w, size_t len)
{
    if (!w->owned || len > w->limit - w->len) {
        return false;
    }
    size_t cap = w->cap > 0 ? w->cap : WRITER_FIRST_CAP_BYTES;
    while (cap < w->len + len && cap <= w->limit / 2) {
        cap *= 2;
    }
    if (cap < w->len + len || cap > w->limit) {
        cap = w->limit;
    }
    uint8_t *data = realloc(w->data, cap);
    if (!data) {
        return false;
    }
    w->data = data;
    w->cap = cap;
    return true;
}

uint8_t *writer_reserve(struct writer *w, size_t len)
{
    if (w->bad) {
        return NULL;
    }
    if ((len > w->cap - w->len || !w->data) && !writer_grow(w, len)) {
        w->bad = true;
        return NULL;
    }
    uint8_t *p = w->data + w->len;
    w->len += len;
    return p;
}

void writer_u8(struct writer *w, uint8_t v)
{
    uint8_t *p = writer_reserve(w, 1);
    if (p) {
        *p = v;
    }
}

void writer_u16(struct writer *w, uint16_t v)
{
    uint8_t *p = writer_reserve(w, 2);
    if (p) {
        store_be16(p, v);
    }
}

void writer_u32(struct writer *w, uint32_t v)
{
    uint8_t *p = writer_reserve(w, 4);
    if (p) {
        store_be32(p, v);
    }
}

void writer_u64(struct writer *w, uint64_t v)
{
    uint8_t *p = writer_reserve(w, 8);
    if (p) {
        store_be64(p, v);
    }
}

static void writer_varint_groups(struct writer *w, uint64_t v)
{
    uint8_t buf[VARINT64_MAX_BYTES];
    size_t n = 0;
    while (v >= 0x80) {
        buf[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    buf[n++] = (uint8_t)v;
    writer_bytes(w, buf, n);
}

static uint32_t zigzag32(int32_t v)
{
    return (uint32_t)v << 1 ^ (v < 0 ? UINT32_MAX : 0);
}

static uint64_t zigzag64(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

void writer_uvarint(struct writer *w, uint32_t v)
{
    writer_varint_groups(w, v);
}

void writer_varint(struct writer *w, int32_t v)
{
    writer_varint_groups(w, zigzag32(v));
}

void writer_varlong(struct writer *w, int64_t v)
{
    writer_varint_groups(w, zigzag64(v));
}

void writer_bytes(struct writer *w, const void *p, size_t len)
{
    if (len == 0) {
        return;
    }
    uint8_t *to = writer_reserve(w, len);
    if (to) {
        memcpy(to, p, len);
    }
}

static size_t groups_size(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

size_t uvarint_size(uint32_t v)
{
    return groups_size(v);
}

size_t varint_size(int32_t v)
{
    return groups_size(zigzag32(v));
}

size_t varlong_size(int64_t v)
{
    return groups_size(zigzag64(v));
}
