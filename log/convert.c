// SPDX-License-Identifier: Apache-2.0
//
// Records go one by one from an unpack to an encoder. What a header needs to know of all records (length, CRC, last
// offset) is written into its room at the end.
#include "log/convert.h"

#include "log/encoder.h"
#include "log/legacy.h"
#include "log/record.h"

#define SCRATCH_FIRST_BYTES 512
#define RECORD_HEAD_MAX     32 // lengths, attributes and deltas of one record

static enum err writer_err(const struct writer *w)
{
    return w->bad ? ERR_TOO_LARGE : ERR_OK;
}

// ---- down ----------------------------------------------------------------------------------------------------------

static enum err down_plain(struct unpack *u, const struct batch *b, int8_t to_magic, int64_t first_offset,
                           struct writer *out)
{
    struct full_record r;
    enum err e;
    while ((e = unpack_next(u, &r)) == ERR_OK) {
        if (r.offset < first_offset) {
            continue;
        }
        legacy_write(out, &(struct legacy_message){
                              .offset = r.offset,
                              .magic = to_magic,
                              .attributes = to_magic == 1 ? (uint8_t)(b->attributes & BATCH_ATTR_APPEND_TIME) : 0,
                              .timestamp = r.timestamp,
                              .key = r.key,
                              .value = r.value,
                          });
        if (out->bad) {
            return ERR_TOO_LARGE;
        }
    }
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// Packs all records; *wrapper gets offset and timestamp. *scratch holds one message.
static enum err down_pack(struct unpack *u, struct encoder *to, struct legacy_message *wrapper, struct writer *scratch,
                          bool *any)
{
    struct full_record r;
    int64_t base = 0;
    int64_t max_timestamp = -1;
    enum err e;
    *any = false;
    while ((e = unpack_next(u, &r)) == ERR_OK) {
        base = *any ? base : r.offset;
        *any = true;
        wrapper->offset = r.offset;
        max_timestamp = r.timestamp > max_timestamp ? r.timestamp : max_timestamp;
        scratch->len = 0;
        legacy_write(scratch, &(struct legacy_message){
                                  .offset = wrapper->magic == 1 ? r.offset - base : r.offset,
                                  .magic = wrapper->magic,
                                  .attributes = wrapper->attributes & BATCH_ATTR_APPEND_TIME,
                                  .timestamp = r.timestamp,
                                  .key = r.key,
                                  .value = r.value,
                              });
        e = writer_err(scratch);
        if (e == ERR_OK) {
            e = encoder_write(to, scratch->data, scratch->len);
        }
        if (e != ERR_OK) {
            return e;
        }
    }
    if (e != ERR_NOT_FOUND) {
        return e;
    }
    wrapper->timestamp = max_timestamp;
    return encoder_finish(to);
}

static enum err down_wrapped(struct unpack *u, const struct batch *b, int8_t to_magic, struct writer *out)
{
    size_t start = out->len;
    struct legacy_message wrapper = {.magic = to_magic, .attributes = (uint8_t)batch_codec(b)};
    if (to_magic == 1) {
        wrapper.attributes |= (uint8_t)(b->attributes & BATCH_ATTR_APPEND_TIME);
    }
    if (writer_reserve(out, legacy_wrapper_head_size(to_magic)) == NULL) {
        return ERR_TOO_LARGE;
    }
    struct encoder *to;
    enum err e = encoder_open(batch_codec(b), encoder_level_default(batch_codec(b)), to_magic == 0, out, &to);
    if (e != ERR_OK) {
        return e;
    }
    struct writer scratch;
    bool any;
    writer_init(&scratch, SCRATCH_FIRST_BYTES, UNPACK_RECORD_MAX);
    e = down_pack(u, to, &wrapper, &scratch, &any);
    if (e == ERR_OK && any) {
        legacy_wrapper_finish(out, start, &wrapper);
    } else {
        out->len = start;
    }
    writer_release(&scratch);
    encoder_close(to);
    return e;
}

enum err convert_down(struct codec_pool *pool, const uint8_t *data, const struct batch *b, int8_t to_magic,
                      int64_t first_offset, struct writer *out)
{
    if (b->magic == 2 && batch_is(b, BATCH_ATTR_CONTROL)) {
        return ERR_OK;
    }
    if (batch_codec(b) == CODEC_ZSTD) {
        return ERR_UNSUPPORTED;
    }
    if (b->magic <= to_magic) {
        writer_bytes(out, data, batch_size(b));
        return writer_err(out);
    }
    if (!batch_crc_ok(data, b)) {
        return ERR_CORRUPT; // it would get a new sum, and pass as good
    }
    struct unpack *u;
    enum err e = unpack_open(pool, data, b, false, RECORDS_UNPACKED_MAX, &u);
    if (e != ERR_OK) {
        return e;
    }
    e = batch_codec(b) == CODEC_NONE ? down_plain(u, b, to_magic, first_offset, out)
                                     : down_wrapped(u, b, to_magic, out);
    unpack_close(u);
    return e;
}

// ---- batches of magic 2 --------------------------------------------------------------------------------------------

// Fills in the header whose room begins at start and whose records end at the end of the writer.
static void header_write(struct writer *out, size_t start, struct batch *h)
{
    h->length = (int32_t)(out->len - start - BATCH_OVERHEAD);
    h->magic = 2;
    struct writer w;
    writer_init_fixed(&w, out->data + start, BATCH_HEADER_SIZE);
    writer_u64(&w, (uint64_t)h->base_offset);
    writer_u32(&w, (uint32_t)h->length);
    writer_u32(&w, (uint32_t)h->leader_epoch);
    writer_u8(&w, (uint8_t)h->magic);
    writer_u32(&w, 0);
    writer_u16(&w, (uint16_t)h->attributes);
    writer_u32(&w, (uint32_t)h->last_offset_delta);
    writer_u64(&w, (uint64_t)h->base_timestamp);
    writer_u64(&w, (uint64_t)h->max_timestamp);
    writer_u64(&w, (uint64_t)h->producer_id);
    writer_u16(&w, (uint16_t)h->producer_epoch);
    writer_u32(&w, (uint32_t)h->base_sequence);
    writer_u32(&w, (uint32_t)h->count);
    batch_seal(out->data + start, h);
}

// ---- up ------------------------------------------------------------------------------------------------------------

struct up {
    struct encoder *to;
    size_t unpacked_max;
    struct writer scratch; // the head of one record
    struct batch *header;
    convert_check_fn *check;
    void *ctx;
};

static void nullable_length(struct writer *w, struct slice s)
{
    writer_varint(w, s.data == NULL ? -1 : (int32_t)s.len);
}

static enum err up_record(struct up *up, const struct full_record *r)
{
    struct batch *h = up->header;
    struct writer *w = &up->scratch;
    if (h->count == INT32_MAX) {
        return ERR_INVALID_RECORD;
    }
    h->base_timestamp = h->count == 0 ? r->timestamp : h->base_timestamp;
    h->max_timestamp = r->timestamp > h->max_timestamp ? r->timestamp : h->max_timestamp;
    int64_t timestamp_delta = (int64_t)((uint64_t)r->timestamp - (uint64_t)h->base_timestamp);
    size_t key_len = varint_size(r->key.data == NULL ? -1 : (int32_t)r->key.len) + r->key.len;
    size_t value_len = varint_size(r->value.data == NULL ? -1 : (int32_t)r->value.len) + r->value.len;
    size_t len = 1 + varlong_size(timestamp_delta) + varint_size(h->count) + key_len + value_len + varint_size(0);
    w->len = 0;
    writer_varint(w, (int32_t)len);
    writer_u8(w, 0);
    writer_varlong(w, timestamp_delta);
    writer_varint(w, h->count);
    nullable_length(w, r->key);
    enum err e = encoder_write(up->to, w->data, w->len);
    if (e == ERR_OK) {
        e = encoder_write(up->to, r->key.data, r->key.len);
    }
    w->len = 0;
    nullable_length(w, r->value);
    if (e == ERR_OK) {
        e = encoder_write(up->to, w->data, w->len);
    }
    if (e == ERR_OK) {
        e = encoder_write(up->to, r->value.data, r->value.len);
    }
    h->count++;
    uint8_t no_headers = 0;
    return e == ERR_OK ? encoder_write(up->to, &no_headers, 1) : e;
}

static enum err up_entry(struct up *up, struct codec_pool *pool, const uint8_t *data, const struct batch *b)
{
    struct unpack *u;
    enum err e = unpack_open(pool, data, b, true, up->unpacked_max, &u);
    if (e != ERR_OK) {
        return e;
    }
    struct full_record r;
    while ((e = unpack_next(u, &r)) == ERR_OK) {
        e = up->check(up->ctx, b, &r, up->header->count);
        if (e == ERR_OK) {
            e = up_record(up, &r);
        }
        if (e != ERR_OK) {
            break;
        }
    }
    unpack_close(u);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err up_entries(struct up *up, struct codec_pool *pool, const uint8_t *data, size_t len)
{
    enum err e = ERR_OK;
    struct batch b;
    for (size_t position = 0; e == ERR_OK && position < len; position += batch_size(&b)) {
        e = batch_read_prefix(data + position, len - position, &b);
        if (e == ERR_OK && (b.magic > 1 || batch_size(&b) > len - position)) {
            e = ERR_INVALID_RECORD;
        }
        if (e == ERR_OK) {
            int known = BATCH_ATTR_CODEC | (b.magic == 1 ? BATCH_ATTR_APPEND_TIME : 0);
            b.attributes = (int16_t)(data[position + BATCH_AT_OLD_ATTRIBUTES] & known);
            e = up_entry(up, pool, data + position, &b);
        }
    }
    return e == ERR_OK ? encoder_finish(up->to) : e;
}

enum err convert_up(struct codec_pool *pool, const uint8_t *data, size_t len, struct convert_target target,
                    convert_check_fn *check, void *ctx, struct writer *out, struct batch *header)
{
    size_t start = out->len;
    *header = (struct batch){
        .leader_epoch = -1,
        .attributes = (int16_t)target.codec,
        .max_timestamp = -1,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
    };
    if (writer_reserve(out, BATCH_HEADER_SIZE) == NULL) {
        return ERR_TOO_LARGE;
    }
    uint8_t scratch[RECORD_HEAD_MAX];
    struct up up = {.unpacked_max = target.unpacked_max, .header = header, .check = check, .ctx = ctx};
    writer_init_fixed(&up.scratch, scratch, sizeof scratch);
    enum err e = encoder_open(target.codec, target.level, false, out, &up.to);
    if (e == ERR_OK) {
        e = up_entries(&up, pool, data, len);
    }
    encoder_close(up.to);
    if (e == ERR_OK && header->count == 0) {
        e = ERR_INVALID_RECORD;
    }
    if (e == ERR_OK) {
        header->last_offset_delta = header->count - 1;
        header_write(out, start, header);
    }
    return e;
}

// ---- from codec to codec -------------------------------------------------------------------------------------------

static enum err repack(struct codec_pool *pool, int codec, struct slice from, size_t unpacked_max, struct encoder *to)
{
    if (codec == CODEC_NONE) {
        return encoder_write(to, from.data, from.len);
    }
    struct decoder *d;
    enum err e = decoder_open(pool, codec, from, &d);
    if (e != ERR_OK) {
        return e;
    }
    size_t unpacked = 0;
    struct slice piece;
    while ((e = decoder_next(d, &piece)) == ERR_OK && piece.len > 0) {
        unpacked += piece.len;
        e = unpacked > unpacked_max ? ERR_TOO_LARGE : encoder_write(to, piece.data, piece.len);
        if (e != ERR_OK) {
            break;
        }
    }
    decoder_close(d);
    return e;
}

enum err convert_codec(struct codec_pool *pool, const uint8_t *data, const struct batch *b,
                       struct convert_target target, struct writer *out, struct batch *header)
{
    size_t start = out->len;
    *header = *b;
    header->attributes =
        (int16_t)((b->attributes & (BATCH_ATTR_APPEND_TIME | BATCH_ATTR_TRANSACTIONAL)) | target.codec);
    if (writer_reserve(out, BATCH_HEADER_SIZE) == NULL) {
        return ERR_TOO_LARGE;
    }
    struct encoder *to;
    enum err e = encoder_open(target.codec, target.level, false, out, &to);
    if (e == ERR_OK) {
        struct slice records = slice_of(data + BATCH_HEADER_SIZE, batch_size(b) - BATCH_HEADER_SIZE);
        e = repack(pool, batch_codec(b), records, target.unpacked_max, to);
    }
    if (e == ERR_OK) {
        e = encoder_finish(to);
    }
    encoder_close(to);
    if (e == ERR_OK) {
        header_write(out, start, header);
    }
    return e;
}
