// SPDX-License-Identifier: Apache-2.0
//
// A record batch of magic 2 as it lies on the wire and on disk: header access and the stamping a leader does in place
// (Kafka's record format v2; docs/LOG_FORMAT.md). Nothing here allocates.
#ifndef OTTLA_LOG_BATCH_H
#define OTTLA_LOG_BATCH_H

#include "base/bytes.h"
#include "base/err.h"

#define BATCH_HEADER_SIZE 61 // up to the first record
#define BATCH_OVERHEAD    12 // baseOffset and batchLength: total size = batchLength + 12
#define BATCH_PREFIX_SIZE 17 // up to and with the magic byte, which is at 16 in all formats
#define BATCH_LENGTH_MIN  14 // smallest batchLength any format can have

// Where the fields lie that others than batch_read_header look at or write.
#define BATCH_AT_LENGTH         8
#define BATCH_AT_LEADER_EPOCH   12
#define BATCH_AT_MAGIC          16
#define BATCH_AT_CRC            17
#define BATCH_AT_OLD_ATTRIBUTES 17 // of formats 0 and 1
#define BATCH_AT_ATTRIBUTES     21 // the CRC covers everything from here on
#define BATCH_AT_MAX_TIMESTAMP  35

#define BATCH_ATTR_CODEC          0x07
#define BATCH_ATTR_APPEND_TIME    0x08
#define BATCH_ATTR_TRANSACTIONAL  0x10
#define BATCH_ATTR_CONTROL        0x20
#define BATCH_ATTR_DELETE_HORIZON 0x40
#define BATCH_ATTR_KNOWN          0x7f

struct batch {
    int64_t base_offset;
    int32_t length; // as in the header
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t count;
};

static inline size_t batch_size(const struct batch *b)
{
    return (size_t)b->length + BATCH_OVERHEAD;
}
static inline int64_t batch_last_offset(const struct batch *b)
{
    return b->base_offset + b->last_offset_delta;
}
static inline bool batch_is(const struct batch *b, int attr)
{
    return (b->attributes & attr) != 0;
}
static inline int batch_codec(const struct batch *b)
{
    return b->attributes & BATCH_ATTR_CODEC;
}

// Reads base_offset, length and magic, the part all formats share; the rest of *out is zero. ERR_CORRUPT: length
// below BATCH_LENGTH_MIN or magic not 0..2. ERR_TRUNCATED: len is too short to say.
enum err batch_read_prefix(const uint8_t *data, size_t len, struct batch *out) WARN_UNUSED;
// Reads the header at data (at least BATCH_HEADER_SIZE bytes). For magic 0/1 only base_offset, length and magic are
// set (base_offset is then the entry's last offset). ERR_CORRUPT: as above, or a batch of magic 2 whose length is
// too small for its header. ERR_TRUNCATED: len is too short for the prefix, or for the header of magic 2.
enum err batch_read_header(const uint8_t *data, size_t len, struct batch *out) WARN_UNUSED;
// The CRC of a whole batch in memory is right (magic 2: CRC-32C; magic 0/1: CRC-32). b: as read from data.
bool batch_crc_ok(const uint8_t *data, const struct batch *b);

// Last sequence with wrap-around at 2^31-1; sequence of the batch that must follow.
int32_t batch_last_sequence(const struct batch *b);
// Sequence n (0 or more) after a sequence (0 or more): 0 follows 2^31-1.
int32_t sequence_add(int32_t sequence, int32_t n);

// Stamps in place. Offset and epoch are outside the CRC; the third changes it and writes the new one, only when
// timestamp type or max timestamp differ from what is there; unknown attribute bits then go, as in Kafka. It keeps *b
// equal to the bytes.
void batch_set_base_offset(uint8_t *data, int64_t base_offset);
void batch_set_leader_epoch(uint8_t *data, int32_t leader_epoch);
void batch_set_max_timestamp(uint8_t *data, struct batch *b, bool append_time, int64_t max_timestamp);
// Writes the right CRC into a whole batch of magic 2, and into *b.
void batch_seal(uint8_t *data, struct batch *b);

#endif
