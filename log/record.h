// SPDX-License-Identifier: Apache-2.0
//
// The records inside a batch, one after another, whatever its codec. Decompression is streamed through a bounded
// buffer: a small batch that unpacks to gigabytes costs time, never memory. Keys and values are skipped, not copied.
#ifndef OTTLA_LOG_RECORD_H
#define OTTLA_LOG_RECORD_H

#include "log/batch.h"
#include "log/compress.h"

// A stored batch may unpack to at most this many bytes: sizes inside it are 32-bit. What clients send may less
// (validate.h).
#define RECORDS_UNPACKED_MAX INT32_MAX

struct record {
    int64_t offset;    // absolute
    int64_t timestamp; // absolute; of a LogAppendTime batch the batch's max timestamp
    int32_t offset_delta;
    bool has_key;
    bool has_value;
    uint8_t key_head[8]; // first bytes of the key (control records need 4), zero filled
    int32_t key_len;     // -1 = null
    uint8_t value_head[8];
    int32_t value_len;
};

struct record_iter;

// data: the whole batch (magic 2), which must live as long as the iterator. pool: where decoders come from, or NULL.
// ERR_UNSUPPORTED_CODEC for codec 5..7 or data that does not even begin right; memory from malloc, released by _free.
enum err record_iter_new(struct codec_pool *pool, const uint8_t *data, const struct batch *b,
                         struct record_iter **out) WARN_UNUSED;
// The batch may unpack to at most `max` bytes; without this call RECORDS_UNPACKED_MAX.
void record_iter_limit(struct record_iter *it, size_t max);
// ERR_NOT_FOUND after the last record (count reached and nothing left over); ERR_INVALID_RECORD when a record is
// malformed, missing, or bytes are left; ERR_UNSUPPORTED_CODEC when the data does not decompress; ERR_TOO_LARGE past
// the limit. After an error the iterator may only be freed.
enum err record_iter_next(struct record_iter *it, struct record *out) WARN_UNUSED;
void record_iter_free(struct record_iter *it); // NULL is allowed

// What the records of a batch are, all together.
struct record_survey {
    int64_t oldest;       // least timestamp; INT64_MAX without records
    int64_t newest;       // greatest timestamp, at least -1
    int32_t newest_delta; // offset delta of the first record that has it; 0 when none is younger than -1
    bool keyless;         // one of them has no key
};

// Reads all records of an iterator that has just been made. Errors as record_iter_next; also ERR_INVALID_RECORD when
// the offset deltas are not 0, 1, 2, ... Several times as quick as asking for each.
enum err record_iter_survey(struct record_iter *it, struct record_survey *out) WARN_UNUSED;

#endif
