// SPDX-License-Identifier: Apache-2.0
//
// Compression of what record batches carry, in the containers that Kafka writes: gzip, the xerial stream of snappy
// (32 KiB chunks), lz4 frames (independent blocks of 64 KiB, no sums), zstd frames without a content size. Input is
// streamed, output goes to a writer whose limit bounds it. For decompression see compress.h.
#ifndef OTTLA_LOG_ENCODER_H
#define OTTLA_LOG_ENCODER_H

#include "base/bytes.h"
#include "log/compress.h"

// Levels that topics have by default.
#define ENCODER_LEVEL_GZIP (-1)
#define ENCODER_LEVEL_LZ4  9
#define ENCODER_LEVEL_ZSTD 3

struct encoder;

// The level that a codec is used with where nobody says otherwise.
int encoder_level_default(int codec);
// codec 0 writes the bytes as they are. old_lz4: the frame gets the wrong header checksum that messages of magic 0
// have to have. *out outlives the encoder. ERR_UNSUPPORTED_CODEC: codec is not 0..4.
enum err encoder_open(int codec, int level, bool old_lz4, struct writer *out, struct encoder **e) WARN_UNUSED;
// ERR_TOO_LARGE: the writer has no more room.
enum err encoder_write(struct encoder *e, const void *data, size_t len) WARN_UNUSED;
// Writes what is still held back and the container's end.
enum err encoder_finish(struct encoder *e) WARN_UNUSED;
void encoder_close(struct encoder *e); // NULL is allowed

#endif
