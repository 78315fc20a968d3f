// SPDX-License-Identifier: Apache-2.0
//
// Big-endian loads and stores, and a bounded reader and writer with Kafka's varints. A reader that runs past its end
// turns bad once and stays bad (all later reads answer 0), so that a caller checks once at the end of a group of reads.
// A writer grows its own buffer or, with a fixed buffer, turns bad when it is full.
// Unsigned varint: 7 bits per byte, low group first. varint/varlong are zigzag (record format v2).
#ifndef OTTLA_BASE_BYTES_H
#define OTTLA_BASE_BYTES_H

#include "base/err.h"
#include "base/slice.h"

static inline uint16_t load_be16(const void *p)
{
    const uint8_t *b = p;
    return (uint16_t)((unsigned)b[0] << 8 | b[1]);
}
static inline uint32_t load_be32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
static inline uint64_t load_be64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
static inline void store_be16(void *p, uint16_t v)
{
    uint8_t *b = p;
    b[0] = (uint8_t)(v >> 8);
    b[1] = (uint8_t)v;
}
static inline void store_be32(void *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}
static inline void store_be64(void *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

struct reader {
    const uint8_t *data;
    size_t len;
    size_t pos; // bytes consumed; pos <= len always
    bool bad;
};

static inline struct reader reader_of(struct slice s)
{
    return (struct reader){.data = s.data, .len = s.len};
}
static inline size_t reader_left(const struct reader *r)
{
    return r->len - r->pos;
}

uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
uint32_t reader_uvarint(struct reader *r); // at most 5 bytes; the fifth may only carry the top 4 bits
int32_t reader_varint(struct reader *r);
int64_t reader_varlong(struct reader *r); // at most 10 bytes
// A view of the next len bytes (never null), or bad.
struct slice reader_bytes(struct reader *r, size_t len);

struct writer {
    uint8_t *data;
    size_t len; // bytes written
    size_t cap;
    size_t limit; // it never grows beyond this
    bool owned;   // data is malloc'ed and grows
    bool bad;     // out of room or memory; later writes do nothing
};

// A growing writer that never holds more than `limit` bytes; release frees its buffer.
void writer_init(struct writer *w, size_t initial_cap, size_t limit);
// A writer into a buffer of the caller.
void writer_init_fixed(struct writer *w, void *buf, size_t cap);
void writer_release(struct writer *w);
// Gives the malloc'ed buffer to the caller (free() it) and leaves the writer empty.
uint8_t *writer_take(struct writer *w, size_t *len);
static inline struct slice writer_slice(const struct writer *w)
{
    return slice_of(w->data, w->len);
}
// Room for len bytes at the end, counted as written; NULL and bad when there is none.
uint8_t *writer_reserve(struct writer *w, size_t len);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_uvarint(struct writer *w, uint32_t v);
void writer_varint(struct writer *w, int32_t v);
void writer_varlong(struct writer *w, int64_t v);
void writer_bytes(struct writer *w, const void *p, size_t len);

// Encoded sizes in bytes.
size_t uvarint_size(uint32_t v);
size_t varint_size(int32_t v);
size_t varlong_size(int64_t v);

#endif
