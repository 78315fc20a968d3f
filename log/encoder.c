// SPDX-License-Identifier: Apache-2.0
//
// One encoder = one library context and two small buffers. The codecs differ in four steps, which stand in one table.
#include "log/encoder.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define GZIP_WINDOW_BITS (15 + 16) // +16: gzip's framing
#define GZIP_MEMORY      8         // zlib's default
#define GZIP_OS_UNKNOWN  255
#define PIECE_BYTES      (32 << 10) // input handed to a library at once; a chunk of the snappy stream

#define LZ4_HEADER_BYTES 7
#define LZ4_CHECKSUM_AT  6
#define LZ4_OLD_CHECKSUM 0x1a // what early Kafka computed for the one header we write: it hashed the magic bytes, too
#define LZ4_LEVEL_FAST   9    // Kafka's default level is not one of the high compression
#define LZ4_LEVEL_HC_MIN 3

static const uint8_t snappy_header[16] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};

struct encoder {
    int codec;
    int level;
    bool old_lz4;
    struct writer *out;
    uint8_t *piece; // of packed output, piece_cap bytes
    size_t piece_cap;
    uint8_t *held; // snappy: input of the next chunk
    size_t held_len;
    z_stream gzip;
    gz_header gzip_header;
    LZ4F_cctx *lz4;
    LZ4F_preferences_t lz4_preferences;
    ZSTD_CCtx *zstd;
};

static enum err put(struct encoder *e, const void *data, size_t len)
{
    writer_bytes(e->out, data, len);
    return e->out->bad ? ERR_TOO_LARGE : ERR_OK;
}

static enum err piece_reserve(struct encoder *e, size_t size)
{
    e->piece = malloc(size);
    e->piece_cap = size;
    return e->piece == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// ---- none ----------------------------------------------------------------------------------------------------------

static enum err none_begin(struct encoder *e)
{
    (void)e;
    return ERR_OK;
}

static enum err none_end(struct encoder *e)
{
    (void)e;
    return ERR_OK;
}

static void none_release(struct encoder *e)
{
    (void)e;
}

// ---- gzip ----------------------------------------------------------------------------------------------------------

static enum err gzip_begin(struct encoder *e)
{
    int rc = deflateInit2(&e->gzip, e->level, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY, Z_DEFAULT_STRATEGY);
    if (rc == Z_OK) {
        e->gzip_header = (gz_header){.os = GZIP_OS_UNKNOWN}; // as Java writes it
        rc = deflateSetHeader(&e->gzip, &e->gzip_header);
    }
    return rc == Z_OK ? piece_reserve(e, PIECE_BYTES) : rc == Z_MEM_ERROR ? ERR_NO_MEMORY : ERR_INVALID;
}

static enum err gzip_run(struct encoder *e, const void *data, size_t len, int flush)
{
    z_stream *z = &e->gzip;
    z->next_in = (z_const Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)len;
    enum err err = ERR_OK;
    int rc = Z_OK;
    do {
        z->next_out = e->piece;
        z->avail_out = (uInt)e->piece_cap;
        rc = deflate(z, flush);
        err = put(e, e->piece, e->piece_cap - z->avail_out);
    } while (err == ERR_OK && (z->avail_out == 0 || (flush == Z_FINISH && rc == Z_OK)));
    return err;
}

static enum err gzip_write(struct encoder *e, const void *data, size_t len)
{
    return gzip_run(e, data, len, Z_NO_FLUSH);
}

static enum err gzip_end(struct encoder *e)
{
    return gzip_run(e, "", 0, Z_FINISH);
}

static void gzip_release(struct encoder *e)
{
    deflateEnd(&e->gzip);
}

// ---- snappy --------------------------------------------------------------------------------------------------------

static enum err snappy_begin(struct encoder *e)
{
    e->held = malloc(PIECE_BYTES);
    if (e->held == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = piece_reserve(e, snappy_max_compressed_length(PIECE_BYTES));
    return err == ERR_OK ? put(e, snappy_header, sizeof snappy_header) : err;
}

static enum err snappy_chunk(struct encoder *e)
{
    size_t packed = e->piece_cap;
    uint8_t size[4];
    if (e->held_len == 0) {
        return ERR_OK;
    }
    if (snappy_compress((const char *)e->held, e->held_len, (char *)e->piece, &packed) != SNAPPY_OK) {
        return ERR_INVALID;
    }
    e->held_len = 0;
    store_be32(size, (uint32_t)packed);
    enum err err = put(e, size, sizeof size);
    return err == ERR_OK ? put(e, e->piece, packed) : err;
}

static enum err snappy_write(struct encoder *e, const void *data, size_t len)
{
    const uint8_t *p = data;
    enum err err = ERR_OK;
    while (err == ERR_OK && len > 0) {
        size_t n = PIECE_BYTES - e->held_len;
        n = n < len ? n : len;
        memcpy(e->held + e->held_len, p, n);
        e->held_len += n;
        p += n;
        len -= n;
        if (e->held_len == PIECE_BYTES) {
            err = snappy_chunk(e);
        }
    }
    return err;
}

// ---- lz4 -----------------------------------------------------------------------------------------------------------

static enum err lz4_put(struct encoder *e, size_t packed)
{
    return LZ4F_isError(packed) ? ERR_INVALID : put(e, e->piece, packed);
}

static enum err lz4_begin(struct encoder *e)
{
    LZ4F_preferences_t *p = &e->lz4_preferences;
    p->frameInfo.blockSizeID = LZ4F_max64KB;
    p->frameInfo.blockMode = LZ4F_blockIndependent;
    p->compressionLevel = e->level == LZ4_LEVEL_FAST ? 0 : e->level < LZ4_LEVEL_HC_MIN ? LZ4_LEVEL_HC_MIN : e->level;
    if (LZ4F_isError(LZ4F_createCompressionContext(&e->lz4, LZ4F_VERSION))) {
        e->lz4 = NULL;
        return ERR_NO_MEMORY;
    }
    enum err err = piece_reserve(e, LZ4F_compressBound(PIECE_BYTES, p) + LZ4F_HEADER_SIZE_MAX);
    if (err != ERR_OK) {
        return err;
    }
    size_t len = LZ4F_compressBegin(e->lz4, e->piece, e->piece_cap, p);
    if (e->old_lz4 && len == LZ4_HEADER_BYTES) {
        e->piece[LZ4_CHECKSUM_AT] = LZ4_OLD_CHECKSUM;
    }
    return lz4_put(e, len);
}

static enum err lz4_write(struct encoder *e, const void *data, size_t len)
{
    return lz4_put(e, LZ4F_compressUpdate(e->lz4, e->piece, e->piece_cap, data, len, NULL));
}

static enum err lz4_end(struct encoder *e)
{
    return lz4_put(e, LZ4F_compressEnd(e->lz4, e->piece, e->piece_cap, NULL));
}

static void lz4_release(struct encoder *e)
{
    LZ4F_freeCompressionContext(e->lz4);
}

// ---- zstd ----------------------------------------------------------------------------------------------------------

static enum err zstd_begin(struct encoder *e)
{
    e->zstd = ZSTD_createCCtx();
    if (e->zstd == NULL) {
        return ERR_NO_MEMORY;
    }
    if (ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, e->level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_contentSizeFlag, 0))) {
        return ERR_INVALID;
    }
    return piece_reserve(e, PIECE_BYTES);
}

static enum err zstd_run(struct encoder *e, const void *data, size_t len, ZSTD_EndDirective end)
{
    ZSTD_inBuffer in = {data, len, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {e->piece, e->piece_cap, 0};
        left = ZSTD_compressStream2(e->zstd, &out, &in, end);
        if (ZSTD_isError(left)) {
            return ERR_NO_MEMORY; // the parameters were taken, so this is all that can be
        }
        enum err err = put(e, e->piece, out.pos);
        if (err != ERR_OK) {
            return err;
        }
    } while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
    return ERR_OK;
}

static enum err zstd_write(struct encoder *e, const void *data, size_t len)
{
    return zstd_run(e, data, len, ZSTD_e_continue);
}

static enum err zstd_end(struct encoder *e)
{
    return zstd_run(e, "", 0, ZSTD_e_end);
}

static void zstd_release(struct encoder *e)
{
    ZSTD_freeCCtx(e->zstd);
}

// ---- encoders ------------------------------------------------------------------------------------------------------

static const struct {
    enum err (*begin)(struct encoder *e);
    enum err (*write)(struct encoder *e, const void *data, size_t len); // at most PIECE_BYTES
    enum err (*end)(struct encoder *e);
    void (*release)(struct encoder *e);
    int level;
} codecs[CODEC_COUNT] = {
    [CODEC_NONE] = {none_begin, put, none_end, none_release, 0},
    [CODEC_GZIP] = {gzip_begin, gzip_write, gzip_end, gzip_release, ENCODER_LEVEL_GZIP},
    [CODEC_SNAPPY] = {snappy_begin, snappy_write, snappy_chunk, none_release, 0},
    [CODEC_LZ4] = {lz4_begin, lz4_write, lz4_end, lz4_release, ENCODER_LEVEL_LZ4},
    [CODEC_ZSTD] = {zstd_begin, zstd_write, zstd_end, zstd_release, ENCODER_LEVEL_ZSTD},
};

int encoder_level_default(int codec)
{
    return codec >= CODEC_NONE && codec < CODEC_COUNT ? codecs[codec].level : 0;
}

enum err encoder_open(int codec, int level, bool old_lz4, struct writer *out, struct encoder **e)
{
    *e = NULL;
    if (codec < CODEC_NONE || codec >= CODEC_COUNT) {
        return ERR_UNSUPPORTED_CODEC;
    }
    struct encoder *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return ERR_NO_MEMORY;
    }
    made->codec = codec;
    made->level = level;
    made->old_lz4 = old_lz4;
    made->out = out;
    enum err err = codecs[codec].begin(made);
    if (err != ERR_OK) {
        encoder_close(made);
        return err;
    }
    *e = made;
    return ERR_OK;
}

enum err encoder_write(struct encoder *e, const void *data, size_t len)
{
    const uint8_t *p = data;
    enum err err = ERR_OK;
    while (err == ERR_OK && len > 0) {
        size_t n = len < PIECE_BYTES ? len : PIECE_BYTES;
        err = codecs[e->codec].write(e, p, n);
        p += n;
        len -= n;
    }
    return err;
}

enum err encoder_finish(struct encoder *e)
{
    return codecs[e->codec].end(e);
}

void encoder_close(struct encoder *e)
{
    if (e != NULL) {
        codecs[e->codec].release(e);
        free(e->piece);
        free(e->held);
        free(e);
    }
}
