// SPDX-License-Identifier: Apache-2.0
//
// Header access and in-place stamping of record batches, and the first look at what a Produce request carries.
// The sizes in a header are not trusted: what is read here lies within the bytes given.
#include "log/batch.h"

#include <zlib.h>

#include "base/crc32c.h"
#include "log/log.h"

#define BATCH_AT_LEGACY_CRC 12

enum err batch_read_prefix(const uint8_t *data, size_t len, struct batch *out)
{
    *out = (struct batch){0};
    if (len < BATCH_OVERHEAD) {
        return ERR_TRUNCATED;
    }
    out->base_offset = (int64_t)load_be64(data);
    out->length = (int32_t)load_be32(data + BATCH_AT_LENGTH);
    if (out->length < BATCH_LENGTH_MIN) {
        return ERR_CORRUPT;
    }
    if (len < BATCH_PREFIX_SIZE) {
        return ERR_TRUNCATED;
    }
    out->magic = (int8_t)data[BATCH_AT_MAGIC];
    return out->magic < 0 || out->magic > 2 ? ERR_CORRUPT : ERR_OK;
}

enum err batch_read_header(const uint8_t *data, size_t len, struct batch *out)
{
    enum err e = batch_read_prefix(data, len, out);
    if (e != ERR_OK || out->magic < 2) {
        return e;
    }
    if (batch_size(out) < BATCH_HEADER_SIZE) {
        return ERR_CORRUPT;
    }
    if (len < BATCH_HEADER_SIZE) {
        return ERR_TRUNCATED;
    }
    out->leader_epoch = (int32_t)load_be32(data + BATCH_AT_LEADER_EPOCH);
    out->crc = load_be32(data + BATCH_AT_CRC);
    out->attributes = (int16_t)load_be16(data + BATCH_AT_ATTRIBUTES);
    out->last_offset_delta = (int32_t)load_be32(data + 23);
    out->base_timestamp = (int64_t)load_be64(data + 27);
    out->max_timestamp = (int64_t)load_be64(data + BATCH_AT_MAX_TIMESTAMP);
    out->producer_id = (int64_t)load_be64(data + 43);
    out->producer_epoch = (int16_t)load_be16(data + 51);
    out->base_sequence = (int32_t)load_be32(data + 53);
    out->count = (int32_t)load_be32(data + 57);
    return ERR_OK;
}

static uint32_t batch_crc(const uint8_t *data, const struct batch *b)
{
    return crc32c(data + BATCH_AT_ATTRIBUTES, batch_size(b) - BATCH_AT_ATTRIBUTES);
}

bool batch_crc_ok(const uint8_t *data, const struct batch *b)
{
    if (b->magic == 2) {
        return batch_crc(data, b) == load_be32(data + BATCH_AT_CRC);
    }
    uLong crc = crc32_z(0, data + BATCH_AT_MAGIC, batch_size(b) - BATCH_AT_MAGIC);
    return (uint32_t)crc == load_be32(data + BATCH_AT_LEGACY_CRC);
}

int32_t sequence_add(int32_t sequence, int32_t n)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)n) & INT32_MAX);
}

int32_t batch_last_sequence(const struct batch *b)
{
    return b->base_sequence < 0 ? -1 : sequence_add(b->base_sequence, b->last_offset_delta);
}

void batch_set_base_offset(uint8_t *data, int64_t base_offset)
{
    store_be64(data, (uint64_t)base_offset);
}

void batch_set_leader_epoch(uint8_t *data, int32_t leader_epoch)
{
    store_be32(data + BATCH_AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void batch_set_max_timestamp(uint8_t *data, struct batch *b, bool append_time, int64_t max_timestamp)
{
    if (batch_is(b, BATCH_ATTR_APPEND_TIME) == append_time && b->max_timestamp == max_timestamp) {
        return;
    }
    int attributes = b->attributes & BATCH_ATTR_KNOWN & ~BATCH_ATTR_APPEND_TIME;
    attributes |= append_time ? BATCH_ATTR_APPEND_TIME : 0;
    b->attributes = (int16_t)attributes;
    b->max_timestamp = max_timestamp;
    store_be16(data + BATCH_AT_ATTRIBUTES, (uint16_t)b->attributes);
    store_be64(data + BATCH_AT_MAX_TIMESTAMP, (uint64_t)max_timestamp);
    batch_seal(data, b);
}

void batch_seal(uint8_t *data, struct batch *b)
{
    b->crc = batch_crc(data, b);
    store_be32(data + BATCH_AT_CRC, b->crc);
}

enum err log_batch_peek(struct slice records, struct log_batch_info *out)
{
    *out = (struct log_batch_info){.producer_id = -1, .producer_epoch = -1};
    struct batch b;
    enum err e = batch_read_prefix(records.data, records.len, &b);
    if (e == ERR_CORRUPT) {
        return e;
    }
    if (e != ERR_OK || records.len < batch_size(&b)) {
        return ERR_INVALID_RECORD;
    }
    // Even the smallest length leaves room for the attributes; the producer's fields need the whole header.
    int attributes =
        b.magic == 2 ? load_be16(records.data + BATCH_AT_ATTRIBUTES) : records.data[BATCH_AT_OLD_ATTRIBUTES];
    out->magic = b.magic;
    out->codec = (int8_t)(attributes & BATCH_ATTR_CODEC);
    out->transactional = b.magic == 2 && (attributes & BATCH_ATTR_TRANSACTIONAL) != 0;
    out->control = b.magic == 2 && (attributes & BATCH_ATTR_CONTROL) != 0;
    struct batch full;
    if (batch_read_header(records.data, batch_size(&b), &full) == ERR_OK && full.magic == 2) {
        out->producer_id = full.producer_id;
        out->producer_epoch = full.producer_epoch;
    }
    size_t rest = records.len - batch_size(&b);
    struct batch second;
    e = batch_read_prefix(records.data + batch_size(&b), rest, &second);
    out->batches = e == ERR_OK && rest >= batch_size(&second) ? 2 : 1;
    return ERR_OK;
}
