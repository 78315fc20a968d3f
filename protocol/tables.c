// SPDX-License-Identifier: Apache-2.0
//
// What the decoder, the encoder and the printer share: finding a message, defaults, and comparison with them.
#include "protocol/tables.h"

size_t message_struct_size(const struct message_desc *m)
{
    return m->body->size;
}

const char *message_name(const struct message_desc *m)
{
    return m->name;
}

const struct message_desc *message_find(const char *name)
{
    size_t low = 0, high = protocol_message_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, protocol_messages[middle]->name);
        if (order == 0)
            return protocol_messages[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

void message_init(const struct message_desc *m, void *out)
{
    memcpy(out, m->body->defaults, m->body->size);
}

size_t field_value_size(const struct field_desc *f)
{
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        return sizeof(bool);
    case FIELD_INT8:
        return 1;
    case FIELD_INT16:
    case FIELD_UINT16:
        return 2;
    case FIELD_INT32:
    case FIELD_UINT32:
        return 4;
    case FIELD_INT64:
    case FIELD_FLOAT64:
        return 8;
    case FIELD_UUID:
        return sizeof(struct uuid);
    case FIELD_STRING:
    case FIELD_BYTES:
        return sizeof(struct slice);
    case FIELD_RECORDS:
        return sizeof(struct records);
    case FIELD_STRUCT:
        break;
    }
    return f->sub->size;
}

static bool struct_is_default(const struct struct_desc *s, const void *in, const void *defaults)
{
    // Same bytes, same values; the other way round need not be, because of padding and equal strings elsewhere.
    if (memcmp(in, defaults, s->size) == 0)
        return true;
    for (size_t i = 0; i < s->field_count; i++) {
        if (!field_is_default(&s->fields[i], in, defaults))
            return false;
    }
    return true;
}

static bool array_is_default(const struct field_desc *f, const void *in, const void *defaults)
{
    int32_t count, default_count;

    memcpy(&count, (const uint8_t *)in + f->count_offset, sizeof count);
    memcpy(&default_count, (const uint8_t *)defaults + f->count_offset, sizeof default_count);
    return count < 0 ? default_count < 0 : count == default_count;
}

static bool pointer_is_default(const struct field_desc *f, const void *in, const void *defaults)
{
    const void *value, *default_value;

    memcpy(&value, (const uint8_t *)in + f->offset, sizeof value);
    memcpy(&default_value, (const uint8_t *)defaults + f->offset, sizeof default_value);
    if (value == NULL || default_value == NULL)
        return value == default_value;
    return struct_is_default(f->sub, value, default_value);
}

// Null and empty are different values, both for strings and for bytes.
static bool slice_is_default(struct slice value, struct slice default_value)
{
    return (value.data == NULL) == (default_value.data == NULL) && slice_equal(value, default_value);
}

bool field_is_default(const struct field_desc *f, const void *in, const void *defaults)
{
    const uint8_t *value = (const uint8_t *)in + f->offset;
    const uint8_t *default_value = (const uint8_t *)defaults + f->offset;

    if (f->flags & FIELD_ARRAY)
        return array_is_default(f, in, defaults);
    if (f->flags & FIELD_POINTER)
        return pointer_is_default(f, in, defaults);
    switch ((enum field_type)f->type) {
    case FIELD_STRUCT:
        return struct_is_default(f->sub, value, default_value);
    case FIELD_STRING:
    case FIELD_BYTES:
        return slice_is_default(*(const struct slice *)(const void *)value,
                                *(const struct slice *)(const void *)default_value);
    case FIELD_RECORDS: { // always null
        const struct records *records = (const void *)value;
        return records->data == NULL && records->file == NULL;
    }
    default:
        return memcmp(value, default_value, field_value_size(f)) == 0;
    }
}
