// SPDX-License-Identifier: Apache-2.0
//
// One decoder = one library context and its output window. The four codecs differ in three steps (prepare, next piece,
// release), which stand in one table. Nothing is allocated by a size that the data claims before that size has been
// compared with a bound.
#include "log/compress.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/bytes.h"
#include "base/mutex.h"

#define GZIP_WINDOW_BITS (15 + 16) // the largest window; +16: gzip's framing and no other
#define GZIP_STATE_BYTES (48 << 10)

#define XERIAL_MAGIC       "\x82SNAPPY\0"
#define XERIAL_MAGIC_SIZE  8
#define XERIAL_HEADER_SIZE 16
#define XERIAL_VERSION     1

#define LZ4_MAGIC              0x184D2204u
#define LZ4_HEADER_MIN         7
#define LZ4_FLG_MASK           0xE3 // version, block independence, reserved bit, dictionary id
#define LZ4_FLG_EXPECTED       0x60 // version 1, independent blocks, neither of the other two
#define LZ4_FLG_CONTENT_SIZE   0x08
#define LZ4_CONTENT_SIZE_BYTES 8
#define LZ4_BD_BLOCK_BITS      4 // block size in bits 4-6: 4 = 64 KiB, each next one four times that

#define ZSTD_SKIPPABLE_MASK 0xFFFFFFF0u

struct decoder {
    SLIST_ENTRY(decoder) idle;
    struct codec_pool *pool;
    enum codec codec;
    struct slice in; // not yet unpacked
    bool at_border;  // between two members, frames or chunks: input may end here
    bool framed;     // snappy: xerial stream
    bool old_lz4;    // the header checksum is not looked at
    size_t held;     // estimate of the memory in use, for the pool's bound
    uint8_t *window;
    size_t window_cap;
    z_stream gzip;
    LZ4F_dctx *lz4;
    ZSTD_DCtx *zstd;
};

SLIST_HEAD(decoder_list, decoder);

struct codec_pool {
    struct mutex mu; // leaf
    size_t idle_bytes;
    struct decoder_list idle[CODEC_COUNT];
};

static void in_advance(struct decoder *d, size_t n)
{
    d->in.data += n;
    d->in.len -= n;
}

static uint32_t load_le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

// Makes the window hold at least size bytes; its content is lost.
static enum err window_reserve(struct decoder *d, size_t size)
{
    if (d->window_cap >= size) {
        return ERR_OK;
    }
    free(d->window);
    d->window = malloc(size);
    d->window_cap = d->window == NULL ? 0 : size;
    return d->window == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// ---- gzip ----------------------------------------------------------------------------------------------------------

static enum err gzip_prepare(struct decoder *d)
{
    d->held = GZIP_STATE_BYTES;
    int rc = d->gzip.state == NULL ? inflateInit2(&d->gzip, GZIP_WINDOW_BITS) : Z_OK; // each member begins anew anyway
    return rc == Z_OK ? window_reserve(d, DECODER_WINDOW_BYTES) : ERR_NO_MEMORY;
}

static enum err gzip_next(struct decoder *d, struct slice *piece)
{
    z_stream *z = &d->gzip;
    z->next_out = d->window;
    z->avail_out = DECODER_WINDOW_BYTES;
    while (z->avail_out == DECODER_WINDOW_BYTES && !(d->at_border && d->in.len == 0)) {
        if (d->at_border && inflateReset(z) != Z_OK) {
            return ERR_UNSUPPORTED_CODEC;
        }
        z->next_in = (z_const Bytef *)d->in.data;
        z->avail_in = (uInt)d->in.len;
        int rc = inflate(z, Z_NO_FLUSH);
        in_advance(d, d->in.len - z->avail_in);
        if (rc != Z_OK && rc != Z_STREAM_END) {
            return rc == Z_MEM_ERROR ? ERR_NO_MEMORY : ERR_UNSUPPORTED_CODEC;
        }
        d->at_border = rc == Z_STREAM_END;
    }
    *piece = slice_of(d->window, DECODER_WINDOW_BYTES - z->avail_out);
    return ERR_OK;
}

static void gzip_release(struct decoder *d)
{
    inflateEnd(&d->gzip);
}

// ---- snappy --------------------------------------------------------------------------------------------------------

static enum err snappy_prepare(struct decoder *d)
{
    d->framed = d->in.len >= XERIAL_MAGIC_SIZE && memcmp(d->in.data, XERIAL_MAGIC, XERIAL_MAGIC_SIZE) == 0;
    return ERR_OK;
}

// Unpacks one block into the window.
static enum err snappy_block(struct decoder *d, struct slice block, struct slice *piece)
{
    size_t size = 0;
    if (snappy_uncompressed_length((const char *)block.data, block.len, &size) != SNAPPY_OK ||
        size > DECODER_SNAPPY_BLOCK_MAX || size / DECODER_SNAPPY_RATIO_MAX > block.len) {
        return ERR_UNSUPPORTED_CODEC;
    }
    enum err e = window_reserve(d, size < DECODER_WINDOW_BYTES ? DECODER_WINDOW_BYTES : size);
    if (e != ERR_OK) {
        return e;
    }
    if (snappy_uncompress((const char *)block.data, block.len, (char *)d->window, &size) != SNAPPY_OK) {
        return ERR_UNSUPPORTED_CODEC;
    }
    *piece = slice_of(d->window, size);
    return ERR_OK;
}

// Cuts the next chunk of a xerial stream off the input. A stream's header may stand wherever a chunk may.
static enum err xerial_chunk(struct decoder *d, struct slice *chunk)
{
    *chunk = slice_of(d->in.data, 0);
    if (d->in.len >= XERIAL_MAGIC_SIZE && memcmp(d->in.data, XERIAL_MAGIC, XERIAL_MAGIC_SIZE) == 0) {
        if (d->in.len < XERIAL_HEADER_SIZE || (int32_t)load_be32(d->in.data + 8) < XERIAL_VERSION ||
            (int32_t)load_be32(d->in.data + 12) > XERIAL_VERSION) {
            return ERR_UNSUPPORTED_CODEC;
        }
        in_advance(d, XERIAL_HEADER_SIZE);
        return ERR_OK;
    }
    if (d->in.len < 4) {
        return ERR_UNSUPPORTED_CODEC;
    }
    uint32_t len = load_be32(d->in.data);
    in_advance(d, 4);
    if (len == 0 || len > d->in.len) {
        return ERR_UNSUPPORTED_CODEC;
    }
    *chunk = slice_of(d->in.data, len);
    in_advance(d, len);
    return ERR_OK;
}

static enum err snappy_next(struct decoder *d, struct slice *piece)
{
    enum err e = ERR_OK;
    while (e == ERR_OK && piece->len == 0 && d->in.len > 0) {
        struct slice block = d->in;
        if (d->framed) {
            e = xerial_chunk(d, &block);
        } else {
            in_advance(d, d->in.len);
        }
        if (e == ERR_OK && block.len > 0) {
            e = snappy_block(d, block, piece);
        }
    }
    return e;
}

static void snappy_release(struct decoder *d)
{
    (void)d; // there is nothing but the window
}

// ---- lz4 -----------------------------------------------------------------------------------------------------------

static uint32_t rotate_left(uint32_t v, int n)
{
    return v << n | v >> (32 - n);
}

// XXH32 with seed 0 of fewer than 16 bytes, which is what lz4 has as checksum of a header.
static uint32_t xxh32_short(const uint8_t *p, size_t len)
{
    const uint32_t prime1 = 0x9E3779B1u, prime2 = 0x85EBCA77u, prime3 = 0xC2B2AE3Du, prime4 = 0x27D4EB2Fu,
                   prime5 = 0x165667B1u;
    uint32_t h = prime5 + (uint32_t)len;
    for (; len >= 4; p += 4, len -= 4) {
        h = rotate_left(h + load_le32(p) * prime3, 17) * prime4;
    }
    for (; len > 0; p++, len--) {
        h = rotate_left(h + *p * prime5, 11) * prime1;
    }
    h = (h ^ h >> 15) * prime2;
    h = (h ^ h >> 13) * prime3;
    return h ^ h >> 16;
}

// Feeds the library the header with the checksum it ought to have.
static enum err lz4_mend_header(struct decoder *d)
{
    uint8_t header[LZ4_HEADER_MIN + LZ4_CONTENT_SIZE_BYTES];
    size_t len = LZ4_HEADER_MIN + ((d->in.data[4] & LZ4_FLG_CONTENT_SIZE) != 0 ? LZ4_CONTENT_SIZE_BYTES : 0);
    if (d->in.len < len) {
        return ERR_UNSUPPORTED_CODEC;
    }
    memcpy(header, d->in.data, len);
    header[len - 1] = (uint8_t)(xxh32_short(header + 4, len - 5) >> 8);
    size_t produced = 0;
    size_t consumed = len;
    if (LZ4F_isError(LZ4F_decompress(d->lz4, d->window, &produced, header, &consumed, NULL)) || consumed != len) {
        return ERR_UNSUPPORTED_CODEC;
    }
    in_advance(d, len);
    return ERR_OK;
}

// Kafka's own reader knows independent blocks only, no dictionaries and one frame: what it cannot read is not let in.
static enum err lz4_prepare(struct decoder *d)
{
    const uint8_t *p = d->in.data;
    if (d->in.len < LZ4_HEADER_MIN || load_le32(p) != LZ4_MAGIC || (p[4] & LZ4_FLG_MASK) != LZ4_FLG_EXPECTED) {
        return ERR_UNSUPPORTED_CODEC;
    }
    int block_size_id = (p[5] >> LZ4_BD_BLOCK_BITS) & 7;
    d->held = (size_t)1 << (9 + 2 * block_size_id); // twice the block size: the library keeps an input and an output
    if (d->lz4 != NULL) {
        LZ4F_resetDecompressionContext(d->lz4);
    } else if (LZ4F_isError(LZ4F_createDecompressionContext(&d->lz4, LZ4F_VERSION))) {
        d->lz4 = NULL;
        return ERR_NO_MEMORY;
    }
    d->at_border = false;
    enum err e = window_reserve(d, DECODER_WINDOW_BYTES);
    return e == ERR_OK && d->old_lz4 ? lz4_mend_header(d) : e;
}

static enum err lz4_next(struct decoder *d, struct slice *piece)
{
    size_t produced = 0;
    while (produced == 0 && !d->at_border) {
        size_t consumed = d->in.len;
        produced = DECODER_WINDOW_BYTES;
        size_t rc = LZ4F_decompress(d->lz4, d->window, &produced, d->in.data, &consumed, NULL);
        if (LZ4F_isError(rc) || (rc != 0 && produced == 0 && consumed == 0)) {
            return ERR_UNSUPPORTED_CODEC;
        }
        in_advance(d, consumed);
        d->at_border = rc == 0;
    }
    if (d->at_border && d->in.len > 0) {
        return ERR_UNSUPPORTED_CODEC;
    }
    *piece = slice_of(d->window, produced);
    return ERR_OK;
}

static void lz4_release(struct decoder *d)
{
    LZ4F_freeDecompressionContext(d->lz4);
}

// ---- zstd ----------------------------------------------------------------------------------------------------------

static enum err zstd_prepare(struct decoder *d)
{
    if (d->zstd == NULL) {
        d->zstd = ZSTD_createDCtx();
        if (d->zstd == NULL ||
            ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, DECODER_ZSTD_WINDOW_LOG))) {
            return ERR_NO_MEMORY;
        }
    }
    ZSTD_DCtx_reset(d->zstd, ZSTD_reset_session_only);
    return window_reserve(d, DECODER_WINDOW_BYTES);
}

// What begins here is a frame of today's format. (The library may also be built to read those from before 1.0.)
static bool zstd_frame_ok(struct slice in)
{
    if (in.len < 4) {
        return false;
    }
    uint32_t magic = load_le32(in.data);
    return magic == ZSTD_MAGICNUMBER || (magic & ZSTD_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

static enum err zstd_next(struct decoder *d, struct slice *piece)
{
    ZSTD_outBuffer out = {d->window, DECODER_WINDOW_BYTES, 0};
    while (out.pos == 0 && !(d->at_border && d->in.len == 0)) {
        if (d->at_border && !zstd_frame_ok(d->in)) {
            return ERR_UNSUPPORTED_CODEC;
        }
        ZSTD_inBuffer in = {d->in.data, d->in.len, 0};
        size_t rc = ZSTD_decompressStream(d->zstd, &out, &in);
        if (ZSTD_isError(rc)) {
            return ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation ? ERR_NO_MEMORY : ERR_UNSUPPORTED_CODEC;
        }
        if (rc != 0 && out.pos == 0 && in.pos == 0) {
            return ERR_UNSUPPORTED_CODEC; // cut short
        }
        in_advance(d, in.pos);
        d->at_border = rc == 0;
    }
    d->held = ZSTD_sizeof_DCtx(d->zstd);
    *piece = slice_of(d->window, out.pos);
    return ERR_OK;
}

static void zstd_release(struct decoder *d)
{
    ZSTD_freeDCtx(d->zstd);
}

// ---- decoders and their pool ---------------------------------------------------------------------------------------

static const struct {
    enum err (*prepare)(struct decoder *d); // for the input in d->in
    enum err (*next)(struct decoder *d, struct slice *piece);
    void (*release)(struct decoder *d);
} codecs[CODEC_COUNT] = {
    [CODEC_GZIP] = {gzip_prepare, gzip_next, gzip_release},
    [CODEC_SNAPPY] = {snappy_prepare, snappy_next, snappy_release},
    [CODEC_LZ4] = {lz4_prepare, lz4_next, lz4_release},
    [CODEC_ZSTD] = {zstd_prepare, zstd_next, zstd_release},
};

static void decoder_free(struct decoder *d)
{
    codecs[d->codec].release(d);
    free(d->window);
    free(d);
}

static size_t decoder_held(const struct decoder *d)
{
    return sizeof *d + d->held + d->window_cap;
}

struct codec_pool *codec_pool_new(void)
{
    struct codec_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return NULL;
    }
    mutex_init(&pool->mu, MUTEX_RANK_LEAF);
    for (int i = 0; i < CODEC_COUNT; i++) {
        SLIST_INIT(&pool->idle[i]);
    }
    return pool;
}

void codec_pool_free(struct codec_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (int i = 0; i < CODEC_COUNT; i++) {
        struct decoder *d;
        while ((d = SLIST_FIRST(&pool->idle[i])) != NULL) {
            SLIST_REMOVE_HEAD(&pool->idle[i], idle);
            decoder_free(d);
        }
    }
    mutex_destroy(&pool->mu);
    free(pool);
}

size_t codec_pool_idle_bytes(struct codec_pool *pool)
{
    mutex_lock(&pool->mu);
    size_t bytes = pool->idle_bytes;
    mutex_unlock(&pool->mu);
    return bytes;
}

static struct decoder *pool_take(struct codec_pool *pool, enum codec codec)
{
    mutex_lock(&pool->mu);
    struct decoder *d = SLIST_FIRST(&pool->idle[codec]);
    if (d != NULL) {
        SLIST_REMOVE_HEAD(&pool->idle[codec], idle);
        pool->idle_bytes -= decoder_held(d);
    }
    mutex_unlock(&pool->mu);
    return d;
}

// False: the pool holds enough already, the decoder stays the caller's.
static bool pool_give(struct codec_pool *pool, struct decoder *d)
{
    size_t held = decoder_held(d);
    mutex_lock(&pool->mu);
    bool kept = pool->idle_bytes + held <= CODEC_POOL_IDLE_MAX;
    if (kept) {
        pool->idle_bytes += held;
        SLIST_INSERT_HEAD(&pool->idle[d->codec], d, idle);
    }
    mutex_unlock(&pool->mu);
    return kept;
}

static enum err open_any(struct codec_pool *pool, int codec, struct slice in, bool old_lz4, struct decoder **out)
{
    *out = NULL;
    if (codec <= CODEC_NONE || codec >= CODEC_COUNT) {
        return ERR_UNSUPPORTED_CODEC;
    }
    struct decoder *d = pool == NULL ? NULL : pool_take(pool, (enum codec)codec);
    if (d == NULL && (d = calloc(1, sizeof *d)) == NULL) {
        return ERR_NO_MEMORY;
    }
    d->pool = pool;
    d->codec = (enum codec)codec;
    d->in = in;
    d->at_border = true;
    d->old_lz4 = old_lz4;
    enum err e = in.len == 0 ? ERR_OK : codecs[codec].prepare(d);
    if (e != ERR_OK) {
        decoder_close(d);
        return e;
    }
    *out = d;
    return ERR_OK;
}

enum err decoder_open(struct codec_pool *pool, int codec, struct slice in, struct decoder **out)
{
    return open_any(pool, codec, in, false, out);
}

enum err decoder_open_old(struct codec_pool *pool, int codec, struct slice in, struct decoder **out)
{
    return open_any(pool, codec, in, true, out);
}

enum err decoder_next(struct decoder *d, struct slice *piece)
{
    *piece = SLICE_NULL;
    return d->at_border && d->in.len == 0 ? ERR_OK : codecs[d->codec].next(d, piece);
}

void decoder_close(struct decoder *d)
{
    if (d != NULL && (d->pool == NULL || !pool_give(d->pool, d))) {
        decoder_free(d);
    }
}
