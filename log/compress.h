// SPDX-License-Identifier: Apache-2.0
//
// Decompression (compression: encoder.h) of what record batches carry, behind one small interface: gzip (several
// members in a row too), snappy (xerial stream and raw block), lz4 frame, zstd (several frames too). Output comes in
// pieces from a bounded window, so that what little data unpacks to costs time, never memory. Rules of what is
// accepted: Kafka's record format, codecs.
//
// Setting up a decoder costs far more than running it over a small batch. A codec_pool keeps idle ones for reuse. It is
// an object that somebody owns (a log directory) instead of a thread's hidden state, and one for many logs instead of
// one per log, because a decoder may hold megabytes.
#ifndef OTTLA_LOG_COMPRESS_H
#define OTTLA_LOG_COMPRESS_H

#include "base/err.h"
#include "base/slice.h"

enum codec {
    CODEC_NONE,
    CODEC_GZIP,
    CODEC_SNAPPY,
    CODEC_LZ4,
    CODEC_ZSTD,
    CODEC_COUNT,
};

#define DECODER_WINDOW_BYTES     (64 << 10)  // largest piece of output (snappy: see below)
#define DECODER_ZSTD_WINDOW_LOG  27          // a zstd frame may ask for a window of 2^27 bytes, as in Kafka
#define DECODER_SNAPPY_BLOCK_MAX (128 << 20) // a snappy block unpacks in one piece of at most this many bytes
#define DECODER_SNAPPY_RATIO_MAX 24          // and at most this many times its packed size: no honest one can be more
#define CODEC_POOL_IDLE_MAX      (16 << 20)  // bytes that all idle decoders of a pool may hold together

struct codec_pool;
struct decoder;

// NULL without memory. A pool may be used from any thread. It outlives its decoders.
struct codec_pool *codec_pool_new(void);
void codec_pool_free(struct codec_pool *pool);
// What its idle decoders hold, by estimate; never above CODEC_POOL_IDLE_MAX.
size_t codec_pool_idle_bytes(struct codec_pool *pool);

// Starts to unpack `in`, which stays the caller's and must live as long as the decoder. pool NULL: a decoder of its
// own. ERR_UNSUPPORTED_CODEC: codec is not 1..4.
enum err decoder_open(struct codec_pool *pool, int codec, struct slice in, struct decoder **out) WARN_UNUSED;
// The same for a message of magic 0, where early clients wrote a wrong lz4 header checksum: it is not looked at.
enum err decoder_open_old(struct codec_pool *pool, int codec, struct slice in, struct decoder **out) WARN_UNUSED;
// The next piece, valid until the next call; len 0 at the end, which is where the last member, chunk or frame ends and
// no input is left. ERR_UNSUPPORTED_CODEC: damaged, cut short, followed by something else, or beyond a bound above.
// After an error the decoder may only be closed.
enum err decoder_next(struct decoder *d, struct slice *piece) WARN_UNUSED;
// Gives the decoder back to its pool. NULL is allowed.
void decoder_close(struct decoder *d);

#endif
