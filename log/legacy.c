// SPDX-License-Identifier: Apache-2.0
//
// The layout of one message: CRC, magic, attributes, timestamp (magic 1), key and value with their lengths.
#include "log/legacy.h"

#include <zlib.h>

enum {
    AT_SIZE = 8,   // in the entry
    CRC_BYTES = 4, // a message begins with its CRC, which covers all that follows
    NULL_LENGTH = -1,
};

static struct slice nullable_read(struct reader *r)
{
    int32_t len = (int32_t)reader_u32(r);
    if (len == NULL_LENGTH) {
        return SLICE_NULL;
    }
    if (len < 0) {
        r->bad = true;
        return SLICE_NULL;
    }
    return reader_bytes(r, (size_t)len);
}

enum err legacy_read(const uint8_t *data, size_t len, struct legacy_message *out)
{
    struct reader r = reader_of(slice_of(data, len));
    *out = (struct legacy_message){.timestamp = -1};
    reader_u32(&r); // CRC
    out->magic = (int8_t)reader_u8(&r);
    out->attributes = reader_u8(&r);
    if (r.bad || out->magic < 0 || out->magic > 1) {
        return ERR_CORRUPT;
    }
    if (out->magic == 1) {
        out->timestamp = (int64_t)reader_u64(&r);
    }
    out->key = nullable_read(&r);
    out->value = nullable_read(&r);
    return r.bad ? ERR_CORRUPT : ERR_OK;
}

static uint32_t message_crc(const uint8_t *data, size_t len)
{
    return (uint32_t)crc32_z(0, data + CRC_BYTES, len - CRC_BYTES);
}

bool legacy_crc_ok(const uint8_t *data, size_t len)
{
    return len > CRC_BYTES && message_crc(data, len) == load_be32(data);
}

static size_t message_head_size(int8_t magic)
{
    return LEGACY_ENTRY_BYTES + LEGACY_SIZE_MIN + (magic == 1 ? LEGACY_TIME_BYTES : 0);
}

size_t legacy_size(int8_t magic, struct slice key, struct slice value)
{
    return message_head_size(magic) + key.len + value.len;
}

size_t legacy_wrapper_head_size(int8_t magic)
{
    return message_head_size(magic);
}

// Everything before the lengths; CRC and size come last.
static void head_write(struct writer *w, const struct legacy_message *m)
{
    writer_u64(w, (uint64_t)m->offset);
    writer_u32(w, 0);
    writer_u32(w, 0);
    writer_u8(w, (uint8_t)m->magic);
    writer_u8(w, m->attributes);
    if (m->magic == 1) {
        writer_u64(w, (uint64_t)m->timestamp);
    }
}

static void nullable_write(struct writer *w, struct slice s)
{
    writer_u32(w, s.data == NULL ? UINT32_MAX : (uint32_t)s.len);
    writer_bytes(w, s.data, s.len);
}

static void seal(uint8_t *entry, size_t len)
{
    store_be32(entry + AT_SIZE, (uint32_t)(len - LEGACY_ENTRY_BYTES));
    store_be32(entry + LEGACY_ENTRY_BYTES, message_crc(entry + LEGACY_ENTRY_BYTES, len - LEGACY_ENTRY_BYTES));
}

void legacy_write(struct writer *w, const struct legacy_message *m)
{
    size_t start = w->len;
    head_write(w, m);
    nullable_write(w, m->key);
    nullable_write(w, m->value);
    if (!w->bad) {
        seal(w->data + start, w->len - start);
    }
}

void legacy_wrapper_finish(struct writer *w, size_t start, const struct legacy_message *m)
{
    if (w->bad) {
        return;
    }
    size_t head_size = message_head_size(m->magic);
    struct writer head;
    writer_init_fixed(&head, w->data + start, head_size);
    head_write(&head, m);
    writer_u32(&head, UINT32_MAX); // null key
    writer_u32(&head, (uint32_t)(w->len - start - head_size));
    seal(w->data + start, w->len - start);
}
