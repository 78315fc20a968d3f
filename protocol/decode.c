// SPDX-License-Identifier: Apache-2.0
//
// Decoding: bytes of a peer become structs. The bytes are not trusted. No length is believed before it was compared
// with the bytes left, and what is allocated comes from an arena with a limit. It is as strict as Kafka's own decoder:
// any negative length is null; unknown tags are skipped; a tagged field that comes twice counts as it came last.
//
// The inline readers stand here and not in base/bytes.h because a call per field would cost more than the field.
#include "protocol/tables.h"

#define STRING_MAX 32767 // in both forms; the old form can say no more

struct decoder {
    const uint8_t *at;
    const uint8_t *end; // at <= end; inside a tagged field it is the field's end
    struct arena *arena;
    int16_t version;
    bool flexible;
};

static enum err decode_struct(struct decoder *d, const struct struct_desc *s, uint8_t *out);

static inline size_t bytes_left(const struct decoder *d)
{
    return (size_t)(d->end - d->at);
}

// The 5th byte may only carry the 4 bits that are left of the 32.
static enum err take_long_uvarint(struct decoder *d, uint32_t *out)
{
    uint32_t value = 0;

    for (unsigned shift = 0; shift <= 28; shift += 7) {
        if (d->at == d->end)
            return ERR_TRUNCATED;
        uint8_t byte = *d->at++;
        if (shift == 28 && byte > 0x0f)
            return ERR_CORRUPT;
        value |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    *out = value;
    return ERR_OK;
}

static inline enum err take_uvarint(struct decoder *d, uint32_t *out)
{
    if (d->at < d->end && *d->at < 0x80) {
        *out = *d->at++;
        return ERR_OK;
    }
    return take_long_uvarint(d, out);
}

// A length or a count; negative = null. `wide` says that the old form has 4 bytes and not 2.
static inline enum err take_length(struct decoder *d, const struct field_desc *f, bool wide, int32_t *out)
{
    size_t size = wide ? 4 : 2;
    uint32_t length_plus_1;

    if (d->flexible && !(f->flags & FIELD_OLD_FORM)) {
        enum err e = take_uvarint(d, &length_plus_1);
        if (e == ERR_OK)
            *out = (int32_t)(length_plus_1 - 1);
        return e;
    }
    if (bytes_left(d) < size)
        return ERR_TRUNCATED;
    *out = wide ? (int32_t)load_be32(d->at) : (int16_t)load_be16(d->at);
    d->at += size;
    return ERR_OK;
}

static enum err decode_bytes(struct decoder *d, const struct field_desc *f, bool nullable, struct slice *out)
{
    int32_t length;
    enum err e = take_length(d, f, f->type != FIELD_STRING, &length);

    if (e != ERR_OK)
        return e;
    if (length < 0) {
        *out = SLICE_NULL;
        return nullable ? ERR_OK : ERR_CORRUPT;
    }
    if (f->type == FIELD_STRING && length > STRING_MAX)
        return ERR_CORRUPT;
    if ((size_t)length > bytes_left(d))
        return ERR_TRUNCATED;
    *out = slice_of(d->at, (size_t)length);
    d->at += length;
    return ERR_OK;
}

static enum err decode_records(struct decoder *d, const struct field_desc *f, bool nullable, struct records *out)
{
    struct slice bytes;
    enum err e = decode_bytes(d, f, nullable, &bytes);

    if (e == ERR_OK)
        *out = (struct records){.data = bytes.data, .len = bytes.len};
    return e;
}

static enum err decode_wide(struct decoder *d, const struct field_desc *f, uint8_t *out)
{
    size_t size = f->type == FIELD_UUID ? 16 : 8;

    if (bytes_left(d) < size)
        return ERR_TRUNCATED;
    if (f->type == FIELD_UUID) {
        memcpy(out, d->at, size);
    } else {
        uint64_t value = load_be64(d->at);
        memcpy(out, &value, size);
    }
    d->at += size;
    return ERR_OK;
}

static enum err decode_narrow(struct decoder *d, const struct field_desc *f, uint8_t *out)
{
    size_t size = f->type <= FIELD_INT8 ? 1 : f->type <= FIELD_UINT16 ? 2 : 4;

    if (bytes_left(d) < size)
        return ERR_TRUNCATED;
    if (f->type == FIELD_BOOL) {
        bool value = *d->at != 0;
        memcpy(out, &value, sizeof value);
    } else if (size == 1) {
        *out = *d->at;
    } else if (size == 2) {
        uint16_t value = load_be16(d->at);
        memcpy(out, &value, size);
    } else {
        uint32_t value = load_be32(d->at);
        memcpy(out, &value, size);
    }
    d->at += size;
    return ERR_OK;
}

// One value: an element of an array, or a field that is neither array nor pointer.
static inline enum err decode_value(struct decoder *d, const struct field_desc *f, bool nullable, uint8_t *out)
{
    switch ((enum field_type)f->type) {
    case FIELD_STRUCT:
        return decode_struct(d, f->sub, out);
    case FIELD_STRING:
    case FIELD_BYTES:
        return decode_bytes(d, f, nullable, (struct slice *)(void *)out);
    case FIELD_RECORDS:
        return decode_records(d, f, nullable, (struct records *)(void *)out);
    case FIELD_INT64:
    case FIELD_FLOAT64:
    case FIELD_UUID:
        return decode_wide(d, f, out);
    default:
        return decode_narrow(d, f, out);
    }
}

static enum err decode_array(struct decoder *d, const struct field_desc *f, bool nullable, uint8_t *out)
{
    size_t size = field_value_size(f);
    uint8_t *elements = NULL;
    int32_t count;
    enum err e = take_length(d, f, true, &count);

    if (e != ERR_OK)
        return e;
    if (count < 0) {
        if (!nullable)
            return ERR_CORRUPT;
        count = -1;
    }
    if (count > 0) {
        if ((size_t)count > bytes_left(d))
            return ERR_TRUNCATED;
        elements = arena_array(d->arena, (size_t)count, size);
        if (elements == NULL)
            return ERR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        e = decode_value(d, f, false, elements + (size_t)i * size);
        if (e != ERR_OK)
            return e;
    }
    memcpy(out + f->offset, &elements, sizeof elements);
    memcpy(out + f->count_offset, &count, sizeof count);
    return ERR_OK;
}

// In place, an int8 says whether the struct is there (negative = null); as tagged field, a uvarint (0 = null).
static enum err take_presence(struct decoder *d, const struct field_desc *f, bool *present)
{
    uint32_t mark = 0;

    if (f->tag >= 0) {
        enum err e = take_uvarint(d, &mark);
        *present = (int32_t)mark > 0;
        return e;
    }
    if (bytes_left(d) < 1)
        return ERR_TRUNCATED;
    *present = (int8_t)*d->at++ >= 0;
    return ERR_OK;
}

static enum err decode_pointer(struct decoder *d, const struct field_desc *f, bool nullable, uint8_t *out)
{
    bool present = true;
    uint8_t *value = NULL;
    enum err e = nullable ? take_presence(d, f, &present) : ERR_OK;

    if (e == ERR_OK && present) {
        value = arena_alloc(d->arena, f->sub->size);
        e = value != NULL ? decode_struct(d, f->sub, value) : ERR_NO_MEMORY;
    }
    memcpy(out + f->offset, &value, sizeof value);
    return e;
}

static inline enum err decode_field(struct decoder *d, const struct field_desc *f, uint8_t *out)
{
    bool nullable = version_within(d->version, f->null_since, f->null_until);

    if (f->flags & FIELD_ARRAY)
        return decode_array(d, f, nullable, out);
    if (f->flags & FIELD_POINTER)
        return decode_pointer(d, f, nullable, out);
    return decode_value(d, f, nullable, out + f->offset);
}

static const struct field_desc *find_tagged(const struct struct_desc *s, uint32_t tag, int16_t version)
{
    for (size_t i = s->in_place_count; i < s->field_count; i++) {
        const struct field_desc *f = &s->fields[i];
        if ((uint32_t)f->tag == tag && version_within(version, f->since, f->until))
            return f;
    }
    return NULL;
}

static enum err decode_tagged(struct decoder *d, const struct struct_desc *s, uint8_t *out)
{
    uint32_t count, tag = 0, size = 0;
    enum err e = take_uvarint(d, &count);

    for (uint32_t i = 0; e == ERR_OK && i < count; i++) {
        e = take_uvarint(d, &tag);
        if (e == ERR_OK)
            e = take_uvarint(d, &size);
        if (e != ERR_OK)
            return e;
        if (size > bytes_left(d))
            return ERR_TRUNCATED;
        const struct field_desc *f = find_tagged(s, tag, d->version);
        const uint8_t *end = d->end;
        const uint8_t *field_end = d->at + size;
        if (f != NULL) {
            d->end = field_end;
            e = decode_field(d, f, out);
            d->end = end;
        }
        d->at = field_end;
    }
    return e;
}

static enum err decode_struct(struct decoder *d, const struct struct_desc *s, uint8_t *out)
{
    const struct field_desc *f = s->fields;

    memcpy(out, s->defaults, s->size);
    for (size_t left = s->in_place_count; left > 0; left--, f++) {
        if (!version_within(d->version, f->since, f->until))
            continue;
        enum err e = decode_field(d, f, out);
        if (e != ERR_OK)
            return e;
    }
    return d->flexible ? decode_tagged(d, s, out) : ERR_OK;
}

enum err message_decode(const struct message_desc *m, int16_t version, struct reader *r, struct arena *a, void *out)
{
    struct decoder d = {
        .at = r->data + r->pos,
        .end = r->data + r->len,
        .arena = a,
        .version = version,
        .flexible = version_within(version, m->flexible_since, m->flexible_until),
    };
    enum err e;

    if (r->bad)
        return ERR_TRUNCATED;
    if (!version_within(version, m->min_version, m->max_version))
        return ERR_UNSUPPORTED;
    e = decode_struct(&d, m->body, out);
    if (e == ERR_OK)
        r->pos = (size_t)(d.at - r->data);
    else
        r->bad = true;
    return e;
}
