// SPDX-License-Identifier: Apache-2.0
//
// Reads the vectors and captured frames of protocol/tests/data. A file that is not as expected ends the test at once.
#include "protocol/tests/samples.h"

#include "base/assert.h"
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    LINE_MAX_BYTES = 4 << 20,
};

size_t sample_each_line(const char *name, void (*fn)(char *line, void *ctx), void *ctx)
{
    const char *root = getenv("OTTLA_SOURCE_DIR");
    char path[4096];
    size_t count = 0;
    char *line = malloc(LINE_MAX_BYTES);

    snprintf(path, sizeof path, "%s/protocol/tests/data/%s", root != NULL ? root : ".", name);
    gzFile file = gzopen(path, "rb");
    ASSERT(file != NULL && line != NULL);
    while (gzgets(file, line, LINE_MAX_BYTES) != NULL) {
        ASSERT(strchr(line, '\n') != NULL);
        *strchr(line, '\n') = '\0';
        fn(line, ctx);
        count++;
    }
    gzclose(file);
    free(line);
    return count;
}

uint8_t *sample_unhex(const char *hex, size_t *len)
{
    uint8_t *bytes;

    *len = strlen(hex) / 2;
    bytes = malloc(*len > 0 ? *len : 1);
    ASSERT(bytes != NULL && strlen(hex) % 2 == 0);
    for (size_t i = 0; i < *len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        char *end;
        bytes[i] = (uint8_t)strtoul(digits, &end, 16);
        ASSERT(*end == '\0');
    }
    return bytes;
}

struct each_context {
    void (*fn)(const struct sample *s, void *ctx);
    void *ctx;
    size_t count;
};

static void each_vector(char *line, void *ctx)
{
    struct each_context *each = ctx;
    char *rest = line;

    if (line[0] == '#')
        return;
    const char *name = strsep(&rest, "\t");
    const char *version = strsep(&rest, "\t");
    const char *hex = strsep(&rest, "\t");
    ASSERT(rest != NULL && message_find(name) != NULL);
    size_t len;
    uint8_t *bytes = sample_unhex(hex, &len);
    struct sample s = {message_find(name), (int16_t)atoi(version), slice_of(bytes, len), rest};
    each->fn(&s, each->ctx);
    each->count++;
    free(bytes);
}

size_t sample_each(void (*fn)(const struct sample *s, void *ctx), void *ctx)
{
    struct each_context each = {fn, ctx, 0};

    sample_each_line("message-vectors.txt", each_vector, &each);
    return each.count;
}

uint64_t chance_next(struct chance *c)
{
    c->state ^= c->state << 13;
    c->state ^= c->state >> 7;
    c->state ^= c->state << 17;
    return c->state;
}

size_t chance_below(struct chance *c, size_t bound)
{
    return (size_t)(chance_next(c) >> 11) % bound;
}

static struct slice random_slice(struct chance *c, struct arena *a, bool text)
{
    static const size_t lens[] = {0, 1, 5, 126, 127, 128, 300, 20000};
    size_t len = lens[chance_below(c, chance_below(c, 8) == 0 ? 8 : 7)];
    uint8_t *bytes = arena_alloc(a, len);

    ASSERT(bytes != NULL);
    for (size_t i = 0; i < len; i++)
        bytes[i] = text ? (uint8_t)('a' + i % 26) : (uint8_t)chance_next(c);
    return slice_of(bytes, len);
}

static void random_struct(const struct struct_desc *s, int16_t version, struct chance *c, struct arena *a,
                          uint8_t *out);

static void random_value(const struct field_desc *f, int16_t version, bool nullable, struct chance *c, struct arena *a,
                         uint8_t *out)
{
    bool null = nullable && chance_below(c, 4) == 0;
    uint64_t bits = chance_below(c, 3) == 0 ? chance_below(c, 3) - 1 : chance_next(c);

    switch ((enum field_type)f->type) {
    case FIELD_STRUCT:
        random_struct(f->sub, version, c, a, out);
        break;
    case FIELD_STRING:
    case FIELD_BYTES:
        *(struct slice *)(void *)out = null ? SLICE_NULL : random_slice(c, a, f->type == FIELD_STRING);
        break;
    case FIELD_RECORDS: {
        struct slice bytes = null ? SLICE_NULL : random_slice(c, a, false);
        *(struct records *)(void *)out = (struct records){.data = bytes.data, .len = bytes.len};
        break;
    }
    case FIELD_BOOL:
        *(bool *)out = bits & 1;
        break;
    case FIELD_UUID:
        for (size_t i = 0; i < sizeof(struct uuid); i++)
            out[i] = (uint8_t)chance_next(c);
        break;
    default:
        memcpy(out, &bits, field_value_size(f)); // any bits are a number
        break;
    }
}

static void random_array(const struct field_desc *f, int16_t version, bool nullable, struct chance *c, struct arena *a,
                         uint8_t *out)
{
    int32_t count = nullable && chance_below(c, 4) == 0 ? -1 : (int32_t)chance_below(c, 4);
    size_t size = field_value_size(f);
    uint8_t *elements = count > 0 ? arena_array(a, (size_t)count, size) : NULL;

    for (int32_t i = 0; i < count; i++)
        random_value(f, version, false, c, a, elements + (size_t)i * size);
    memcpy(out + f->offset, &elements, sizeof elements);
    memcpy(out + f->count_offset, &count, sizeof count);
}

static void random_struct(const struct struct_desc *s, int16_t version, struct chance *c, struct arena *a, uint8_t *out)
{
    memcpy(out, s->defaults, s->size);
    for (size_t i = 0; i < s->field_count; i++) {
        const struct field_desc *f = &s->fields[i];
        bool nullable = version_within(version, f->null_since, f->null_until);
        if (!version_within(version, f->since, f->until) || (f->tag >= 0 && chance_below(c, 3) == 0))
            continue;
        if (f->flags & FIELD_ARRAY) {
            random_array(f, version, nullable, c, a, out);
        } else if (f->flags & FIELD_POINTER) {
            uint8_t *value = chance_below(c, 3) == 0 ? NULL : arena_alloc(a, f->sub->size);
            if (value != NULL)
                random_struct(f->sub, version, c, a, value);
            memcpy(out + f->offset, &value, sizeof value);
        } else {
            random_value(f, version, nullable, c, a, out + f->offset);
        }
    }
}

void sample_random(const struct message_desc *m, int16_t version, struct chance *c, struct arena *a, void *out)
{
    random_struct(m->body, version, c, a, out);
}
