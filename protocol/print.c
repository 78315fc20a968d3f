// SPDX-License-Identifier: Apache-2.0
//
// Printing: a message as one line of JSON, for people and for tests. Fields have the names of the schema; bytes,
// records and uuids are {"$b": hex}, records that are in a file {"$external": number of bytes}. Bytes of a string that
// are not UTF-8 are shown as U+FFFD.
#include "protocol/tables.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

struct printer {
    struct writer *w;
    int16_t version;
};

static void print_struct(struct printer *p, const struct struct_desc *s, const uint8_t *in);

static void print_text(struct printer *p, const char *text)
{
    writer_bytes(p->w, text, strlen(text));
}

// For text of bounded length: at most 63 bytes.
static void print_format(struct printer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void print_format(struct printer *p, const char *format, ...)
{
    char text[64];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_text(p, text);
}

// The length of the UTF-8 sequence at the start of s (RFC 3629: shortest form, no surrogates), 0 when there is none.
static size_t utf8_length(struct slice s)
{
    const uint8_t *b = s.data;
    size_t len = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;

    if (len > s.len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) || (b[0] == 0xf0 && b[1] < 0x90) ||
        (b[0] == 0xf4 && b[1] > 0x8f))
        return 0;
    return len;
}

static void print_string(struct printer *p, struct slice s)
{
    print_text(p, "\"");
    while (s.len > 0) {
        size_t len = utf8_length(s);
        if (len == 0)
            print_text(p, "\\ufffd");
        else if (*s.data < 0x20)
            print_format(p, "\\u%04x", *s.data);
        else if (*s.data == '"' || *s.data == '\\')
            print_format(p, "\\%c", *s.data);
        else
            writer_bytes(p->w, s.data, len);
        len = len == 0 ? 1 : len;
        s = slice_of(s.data + len, s.len - len);
    }
    print_text(p, "\"");
}

static void print_bytes(struct printer *p, struct slice s)
{
    static const char digits[] = "0123456789abcdef";

    print_text(p, "{\"$b\":\"");
    for (size_t i = 0; i < s.len; i++) {
        writer_u8(p->w, (uint8_t)digits[s.data[i] >> 4]);
        writer_u8(p->w, (uint8_t)digits[s.data[i] & 15]);
    }
    print_text(p, "\"}");
}

static void print_slice(struct printer *p, const struct field_desc *f, struct slice s)
{
    if (s.data == NULL)
        print_text(p, "null");
    else if (f->type == FIELD_STRING)
        print_string(p, s);
    else
        print_bytes(p, s);
}

static void print_records(struct printer *p, const struct field_desc *f, const struct records *r)
{
    if (r->file != NULL)
        print_format(p, "{\"$external\":%zu}", r->len);
    else
        print_slice(p, f, slice_of(r->data, r->len));
}

// JSON has no infinities and no NaN.
static void print_double(struct printer *p, double value)
{
    print_format(p, isfinite(value) ? "%.17g" : "\"%f\"", value);
}

static void print_value(struct printer *p, const struct field_desc *f, const void *in)
{
    switch ((enum field_type)f->type) {
    case FIELD_BOOL:
        print_text(p, *(const bool *)in ? "true" : "false");
        break;
    case FIELD_INT8:
        print_format(p, "%d", *(const int8_t *)in);
        break;
    case FIELD_INT16:
        print_format(p, "%d", *(const int16_t *)in);
        break;
    case FIELD_UINT16:
        print_format(p, "%u", *(const uint16_t *)in);
        break;
    case FIELD_INT32:
        print_format(p, "%" PRId32, *(const int32_t *)in);
        break;
    case FIELD_UINT32:
        print_format(p, "%" PRIu32, *(const uint32_t *)in);
        break;
    case FIELD_INT64:
        print_format(p, "%" PRId64, *(const int64_t *)in);
        break;
    case FIELD_FLOAT64:
        print_double(p, *(const double *)in);
        break;
    case FIELD_UUID:
        print_bytes(p, slice_of(in, sizeof(struct uuid)));
        break;
    case FIELD_STRING:
    case FIELD_BYTES:
        print_slice(p, f, *(const struct slice *)in);
        break;
    case FIELD_RECORDS:
        print_records(p, f, in);
        break;
    case FIELD_STRUCT:
        print_struct(p, f->sub, in);
        break;
    }
}

static void print_array(struct printer *p, const struct field_desc *f, const uint8_t *in)
{
    size_t size = field_value_size(f);
    const uint8_t *elements;
    int32_t count;

    memcpy(&elements, in + f->offset, sizeof elements);
    memcpy(&count, in + f->count_offset, sizeof count);
    if (count < 0) {
        print_text(p, "null");
        return;
    }
    print_text(p, "[");
    for (int32_t i = 0; i < count; i++) {
        if (i > 0)
            print_text(p, ",");
        print_value(p, f, elements + (size_t)i * size);
    }
    print_text(p, "]");
}

static void print_field(struct printer *p, const struct field_desc *f, const uint8_t *in)
{
    const uint8_t *value;

    if (f->flags & FIELD_ARRAY) {
        print_array(p, f, in);
    } else if (f->flags & FIELD_POINTER) {
        memcpy(&value, in + f->offset, sizeof value);
        if (value != NULL)
            print_struct(p, f->sub, value);
        else
            print_text(p, "null");
    } else {
        print_value(p, f, in + f->offset);
    }
}

static void print_struct(struct printer *p, const struct struct_desc *s, const uint8_t *in)
{
    const char *separator = "{\"";

    for (size_t i = 0; i < s->field_count; i++) {
        const struct field_desc *f = &s->fields[i];
        if (!version_within(p->version, f->since, f->until))
            continue;
        print_text(p, separator);
        print_text(p, f->name);
        print_text(p, "\":");
        print_field(p, f, in);
        separator = ",\"";
    }
    print_text(p, separator[0] == '{' ? "{}" : "}");
}

enum err message_print(const struct message_desc *m, int16_t version, const void *in, struct writer *w)
{
    struct printer p = {.w = w, .version = version};

    if (!version_within(version, m->min_version, m->max_version))
        return ERR_UNSUPPORTED;
    print_struct(&p, m->body, in);
    return w->bad ? ERR_TOO_LARGE : ERR_OK;
}
