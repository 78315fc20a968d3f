// SPDX-License-Identifier: Apache-2.0
//
// Encoding: structs become bytes. The structs are ours, but their content may not be; what the wire cannot say (null
// where a version has no null, a string that is too long, a value the version lacks) is refused, and then the writer
// holds what it held before. A full writer is noticed once, at the end.
#include "protocol/tables.h"

#define STRING_MAX 32767

struct encoder {
    struct writer *w;
    struct gap_list *gaps;
    int16_t version;
    bool flexible;
};

static enum err encode_struct(struct encoder *c, const struct struct_desc *s, const uint8_t *in);

// NULL when the writer is full; nothing is written then.
static inline uint8_t *take_room(struct writer *w, size_t len)
{
    if (!w->bad && w->cap - w->len >= len) {
        uint8_t *room = w->data + w->len;
        w->len += len;
        return room;
    }
    return writer_reserve(w, len);
}

static inline void put_uvarint(struct writer *w, uint32_t value)
{
    uint8_t *room;

    if (value >= 0x80)
        writer_uvarint(w, value);
    else if ((room = take_room(w, 1)) != NULL)
        *room = (uint8_t)value;
}

// A length or a count, at most INT32_MAX; -1 = null. `wide` says that the old form has 4 bytes and not 2.
static inline void put_length(struct encoder *c, const struct field_desc *f, bool wide, int32_t length)
{
    uint8_t *room;

    if (c->flexible && !(f->flags & FIELD_OLD_FORM)) {
        put_uvarint(c->w, (uint32_t)length + 1);
    } else if (wide) {
        if ((room = take_room(c->w, 4)) != NULL)
            store_be32(room, (uint32_t)length);
    } else if ((room = take_room(c->w, 2)) != NULL) {
        store_be16(room, (uint16_t)length);
    }
}

static enum err encode_bytes(struct encoder *c, const struct field_desc *f, bool nullable, struct slice in)
{
    size_t max = f->type == FIELD_STRING ? STRING_MAX : INT32_MAX;
    uint8_t *room;

    if (in.data == NULL) {
        put_length(c, f, f->type != FIELD_STRING, -1);
        return nullable ? ERR_OK : ERR_INVALID;
    }
    if (in.len > max)
        return ERR_INVALID;
    put_length(c, f, f->type != FIELD_STRING, (int32_t)in.len);
    if ((room = take_room(c->w, in.len)) != NULL)
        memcpy(room, in.data, in.len);
    return ERR_OK;
}

static enum err encode_records(struct encoder *c, const struct field_desc *f, bool nullable, const struct records *in)
{
    struct gap_list *gaps = c->gaps;

    if (in->file == NULL)
        return encode_bytes(c, f, nullable, slice_of(in->data, in->len));
    if (in->len > INT32_MAX || gaps == NULL)
        return ERR_INVALID;
    if (gaps->count == gaps->cap)
        return ERR_FULL;
    put_length(c, f, true, (int32_t)in->len);
    gaps->gaps[gaps->count++] = (struct gap){.at = c->w->len, .records = in};
    return ERR_OK;
}

static void encode_wide(struct encoder *c, const struct field_desc *f, const uint8_t *in)
{
    size_t size = f->type == FIELD_UUID ? 16 : 8;
    uint8_t *room = take_room(c->w, size);
    uint64_t value;

    if (room == NULL)
        return;
    if (f->type == FIELD_UUID) {
        memcpy(room, in, size);
    } else {
        memcpy(&value, in, size);
        store_be64(room, value);
    }
}

static void encode_narrow(struct encoder *c, const struct field_desc *f, const uint8_t *in)
{
    size_t size = f->type <= FIELD_INT8 ? 1 : f->type <= FIELD_UINT16 ? 2 : 4;
    uint8_t *room = take_room(c->w, size);
    uint32_t value;
    uint16_t half;

    if (room == NULL)
        return;
    if (size == 1) {
        *room = *in;
    } else if (size == 2) {
        memcpy(&half, in, size);
        store_be16(room, half);
    } else {
        memcpy(&value, in, size);
        store_be32(room, value);
    }
}

// One value: an element of an array, or a field that is neither array nor pointer.
static inline enum err encode_value(struct encoder *c, const struct field_desc *f, bool nullable, const uint8_t *in)
{
    switch ((enum field_type)f->type) {
    case FIELD_STRUCT:
        return encode_struct(c, f->sub, in);
    case FIELD_STRING:
    case FIELD_BYTES:
        return encode_bytes(c, f, nullable, *(const struct slice *)(const void *)in);
    case FIELD_RECORDS:
        return encode_records(c, f, nullable, (const struct records *)(const void *)in);
    case FIELD_INT64:
    case FIELD_FLOAT64:
    case FIELD_UUID:
        encode_wide(c, f, in);
        return ERR_OK;
    default:
        encode_narrow(c, f, in);
        return ERR_OK;
    }
}

static enum err encode_array(struct encoder *c, const struct field_desc *f, bool nullable, const uint8_t *in)
{
    size_t size = field_value_size(f);
    const uint8_t *elements;
    int32_t count;

    memcpy(&elements, in + f->offset, sizeof elements);
    memcpy(&count, in + f->count_offset, sizeof count);
    if (count < 0) {
        put_length(c, f, true, -1);
        return nullable ? ERR_OK : ERR_INVALID;
    }
    put_length(c, f, true, count);
    for (int32_t i = 0; i < count; i++) {
        enum err e = encode_value(c, f, false, elements + (size_t)i * size);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static enum err encode_pointer(struct encoder *c, const struct field_desc *f, bool nullable, const uint8_t *in)
{
    const uint8_t *value;

    memcpy(&value, in + f->offset, sizeof value);
    if (!nullable)
        return value != NULL ? encode_struct(c, f->sub, value) : ERR_INVALID;
    if (f->tag >= 0)
        put_uvarint(c->w, value != NULL ? 1 : 0);
    else
        writer_u8(c->w, value != NULL ? 1 : UINT8_MAX);
    return value != NULL ? encode_struct(c, f->sub, value) : ERR_OK;
}

static inline enum err encode_field(struct encoder *c, const struct field_desc *f, const uint8_t *in)
{
    bool nullable = version_within(c->version, f->null_since, f->null_until);

    if (f->flags & FIELD_ARRAY)
        return encode_array(c, f, nullable, in);
    if (f->flags & FIELD_POINTER)
        return encode_pointer(c, f, nullable, in);
    return encode_value(c, f, nullable, in + f->offset);
}

// The size stands before the content and is known after it, so the content is moved up by as much as the size takes.
static enum err encode_tagged_field(struct encoder *c, const struct field_desc *f, const uint8_t *in)
{
    struct writer *w = c->w;
    size_t start, size, size_len;
    enum err e;

    put_uvarint(w, (uint32_t)f->tag);
    start = w->len;
    e = encode_field(c, f, in);
    if (e != ERR_OK || w->bad)
        return e;
    size = w->len - start;
    if (size > INT32_MAX)
        return ERR_INVALID;
    size_len = uvarint_size((uint32_t)size);
    if (writer_reserve(w, size_len) == NULL)
        return ERR_OK; // noticed at the end
    memmove(w->data + start + size_len, w->data + start, size);
    w->len = start;
    writer_uvarint(w, (uint32_t)size);
    w->len += size;
    return ERR_OK;
}

// Only what is not at its default is written.
static bool is_written(const struct encoder *c, const struct struct_desc *s, const struct field_desc *f,
                       const uint8_t *in)
{
    return version_within(c->version, f->since, f->until) && !field_is_default(f, in, s->defaults);
}

static enum err encode_tagged(struct encoder *c, const struct struct_desc *s, const uint8_t *in)
{
    uint32_t count = 0;

    for (size_t i = s->in_place_count; i < s->field_count; i++)
        count += is_written(c, s, &s->fields[i], in);
    put_uvarint(c->w, count);
    for (size_t i = s->in_place_count; count > 0 && i < s->field_count; i++) {
        if (!is_written(c, s, &s->fields[i], in))
            continue;
        enum err e = encode_tagged_field(c, &s->fields[i], in);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

static enum err encode_struct(struct encoder *c, const struct struct_desc *s, const uint8_t *in)
{
    for (size_t i = 0; i < s->field_count; i++) {
        const struct field_desc *f = &s->fields[i];
        if (!version_within(c->version, f->since, f->until)) {
            if (!(f->flags & FIELD_IGNORABLE) && !field_is_default(f, in, s->defaults))
                return ERR_INVALID;
            continue;
        }
        if (i >= s->in_place_count)
            continue;
        enum err e = encode_field(c, f, in);
        if (e != ERR_OK)
            return e;
    }
    return c->flexible ? encode_tagged(c, s, in) : ERR_OK;
}

enum err message_encode(const struct message_desc *m, int16_t version, const void *in, struct writer *w,
                        struct gap_list *gaps)
{
    struct encoder c = {
        .w = w,
        .gaps = gaps,
        .version = version,
        .flexible = version_within(version, m->flexible_since, m->flexible_until),
    };
    size_t len_before = w->len;
    size_t gaps_before = gaps != NULL ? gaps->count : 0;
    enum err e;

    if (!version_within(version, m->min_version, m->max_version))
        return ERR_UNSUPPORTED;
    e = encode_struct(&c, m->body, in);
    if (e == ERR_OK && w->bad)
        e = ERR_TOO_LARGE;
    if (e != ERR_OK) {
        w->len = len_before;
        if (gaps != NULL)
            gaps->count = gaps_before;
    }
    return e;
}
