// SPDX-License-Identifier: Apache-2.0
//
// Between message formats: down for clients that know only older ones (magic 2 to 1 or 0, 1 to 0), up for what they
// send (sets of magic 0 or 1 become one batch of magic 2), and from codec to codec within magic 2. Memory is bounded by
// the writers' limits and one record.
#ifndef OTTLA_LOG_CONVERT_H
#define OTTLA_LOG_CONVERT_H

#include "base/bytes.h"
#include "log/batch.h"
#include "log/compress.h"
#include "log/unpack.h"

// How records of magic 2 are packed.
struct convert_target {
    int codec;
    int level;
    size_t unpacked_max; // what the records take before they are packed
};

// Appends batch *b at data as messages of to_magic (0 or 1) to *out; a batch that is old enough as it is. The codec is
// kept. Of an uncompressed batch records below first_offset are left out. Control batches become nothing.
// ERR_UNSUPPORTED: zstd, which old formats do not have. ERR_CORRUPT: the CRC is wrong. ERR_TOO_LARGE: the writer is
// full. Others as unpack_next.
enum err convert_down(struct codec_pool *pool, const uint8_t *data, const struct batch *b, int8_t to_magic,
                      int64_t first_offset, struct writer *out) WARN_UNUSED;

// Called for each record of an old set before it is converted; index counts from 0. Its error ends the conversion.
typedef enum err convert_check_fn(void *ctx, const struct batch *entry, const struct full_record *r, int32_t index);

// Makes one batch of magic 2 of the `len` bytes of whole entries of magic 0 or 1 at data: base offset 0, offsets
// counted anew, leader epoch -1, no producer. *header is what was written; its max timestamp is that of the records.
// Errors of unpack and check; ERR_TOO_LARGE: the writer is full; ERR_INVALID_RECORD: more than 2^31-1 records.
// Each entry may unpack to at most target.unpacked_max bytes: else ERR_TOO_LARGE.
enum err convert_up(struct codec_pool *pool, const uint8_t *data, size_t len, struct convert_target target,
                    convert_check_fn *check, void *ctx, struct writer *out, struct batch *header) WARN_UNUSED;

// Writes batch *b of magic 2 again with another codec; *header is what was written, with a new CRC. Attributes other
// than codec, timestamp type and transactional bit go, as in Kafka.
enum err convert_codec(struct codec_pool *pool, const uint8_t *data, const struct batch *b,
                       struct convert_target target, struct writer *out, struct batch *header) WARN_UNUSED;

#endif
