// SPDX-License-Identifier: Apache-2.0
//
// Batches that the broker itself writes: one header, then the records one after another, uncompressed. The header is
// reserved first and filled in at the end, when counts and the CRC are known.
#include "base/assert.h"
#include "base/crc32c.h"
#include "log/batch.h"
#include "log/log.h"

#define BATCH_AT_LAST_OFFSET_DELTA 23
#define BATCH_AT_BASE_TIMESTAMP    27
#define BATCH_AT_PRODUCER_ID       43
#define BATCH_AT_PRODUCER_EPOCH    51
#define BATCH_AT_BASE_SEQUENCE     53
#define BATCH_AT_COUNT             57
#define WRITER_FIRST_BYTES         512

void log_batch_writer_init(struct log_batch_writer *b, int64_t timestamp_ms, size_t limit)
{
    *b = (struct log_batch_writer){.timestamp_ms = timestamp_ms};
    writer_init(&b->bytes, limit < WRITER_FIRST_BYTES ? limit : WRITER_FIRST_BYTES, limit);
    uint8_t *header = writer_reserve(&b->bytes, BATCH_HEADER_SIZE);
    if (header != NULL) {
        memset(header, 0, BATCH_HEADER_SIZE);
    }
}

void log_batch_writer_release(struct log_batch_writer *b)
{
    writer_release(&b->bytes);
}

static size_t field_size(struct slice s)
{
    return s.data == NULL ? varint_size(-1) : varint_size((int32_t)s.len) + s.len;
}

static void field_write(struct writer *w, struct slice s)
{
    if (s.data == NULL) {
        writer_varint(w, -1);
        return;
    }
    writer_varint(w, (int32_t)s.len);
    writer_bytes(w, s.data, s.len);
}

void log_batch_writer_add(struct log_batch_writer *b, struct slice key, struct slice value)
{
    struct writer *w = &b->bytes;
    if (key.len > w->limit || value.len > w->limit || w->limit > INT32_MAX) {
        w->bad = true;
        return;
    }
    // attributes, timestamp delta 0, offset delta, key, value, no headers
    size_t len = 1 + varlong_size(0) + varint_size(b->count) + field_size(key) + field_size(value) + varint_size(0);
    writer_varint(w, (int32_t)len);
    writer_u8(w, 0);
    writer_varlong(w, 0);
    writer_varint(w, b->count);
    field_write(w, key);
    field_write(w, value);
    writer_varint(w, 0);
    b->count++;
}

enum err log_batch_writer_finish(struct log_batch_writer *b, struct log_batch_producer producer, uint8_t **data,
                                 size_t *len)
{
    if (b->bytes.bad) {
        return ERR_TOO_LARGE;
    }
    ASSERT(b->count > 0);
    uint8_t *h = b->bytes.data;
    store_be32(h + BATCH_AT_LENGTH, (uint32_t)(b->bytes.len - BATCH_OVERHEAD));
    store_be32(h + BATCH_AT_LEADER_EPOCH, UINT32_MAX); // -1: not known yet
    h[BATCH_AT_MAGIC] = 2;
    store_be16(h + BATCH_AT_ATTRIBUTES, producer.transactional ? BATCH_ATTR_TRANSACTIONAL : 0);
    store_be32(h + BATCH_AT_LAST_OFFSET_DELTA, (uint32_t)(b->count - 1));
    store_be64(h + BATCH_AT_BASE_TIMESTAMP, (uint64_t)b->timestamp_ms);
    store_be64(h + BATCH_AT_MAX_TIMESTAMP, (uint64_t)b->timestamp_ms);
    store_be64(h + BATCH_AT_PRODUCER_ID, (uint64_t)producer.id);
    store_be16(h + BATCH_AT_PRODUCER_EPOCH, (uint16_t)producer.epoch);
    store_be32(h + BATCH_AT_BASE_SEQUENCE, (uint32_t)producer.base_sequence);
    store_be32(h + BATCH_AT_COUNT, (uint32_t)b->count);
    store_be32(h + BATCH_AT_CRC, crc32c(h + BATCH_AT_ATTRIBUTES, b->bytes.len - BATCH_AT_ATTRIBUTES));
    *data = h;
    *len = b->bytes.len;
    return ERR_OK;
}
