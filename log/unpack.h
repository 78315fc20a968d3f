// SPDX-License-Identifier: Apache-2.0
//
// The records of a batch of any format with all their bytes, one after another: what conversion needs (record.h walks
// over batches of magic 2 without copying keys and values). Each record lies in one piece; a buffer that grows with
// what really comes out of the decoder holds it, never more than UNPACK_RECORD_MAX.
#ifndef OTTLA_LOG_UNPACK_H
#define OTTLA_LOG_UNPACK_H

#include "log/batch.h"
#include "log/compress.h"

#define UNPACK_RECORD_MAX (128 << 20) // more than a request may have

struct full_record {
    int64_t offset; // absolute
    int64_t timestamp;
    struct slice key; // data NULL = null; valid until the next call
    struct slice value;
};

struct unpack;

// data: the whole batch as *b says, which lives as long as the unpack. verify: check the CRC of messages inside a
// wrapper. max: bytes the batch may unpack to. For a wrapper of magic 1 this unpacks once to learn the offsets. Errors
// as unpack_next.
enum err unpack_open(struct codec_pool *pool, const uint8_t *data, const struct batch *b, bool verify, size_t max,
                     struct unpack **out) WARN_UNUSED;
// ERR_NOT_FOUND after the last record. ERR_INVALID_RECORD: malformed, empty wrapper, wrapper with a null value,
// message of another magic or a wrapper inside a wrapper, wrapper offset below its last message (and not 0);
// ERR_CORRUPT: message too small or with a wrong CRC; ERR_UNSUPPORTED_CODEC: does not decompress; ERR_TOO_LARGE.
// A message that is cut off at the end of a wrapper is passed over, as in Kafka.
enum err unpack_next(struct unpack *u, struct full_record *out) WARN_UNUSED;
void unpack_close(struct unpack *u); // NULL is allowed

#endif
