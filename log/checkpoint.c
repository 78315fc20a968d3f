// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing of Kafka's checkpoint text files. A file is parsed twice: the first pass only checks, so that
// nobody acts on the beginning of a file whose end is damaged.
#include "log/checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

#define CHECKPOINT_VERSION   0
#define CHECKPOINT_BYTES_MAX (64 << 20) // of a file; a line takes at most some 280 bytes
#define CHECKPOINT_LINE_MAX  (256 + 32) // a topic's name has at most 249 bytes

// The lines that are not yet read.
struct checkpoint_text {
    char *next;
    char *end;
};

// Cuts the next line off and ends it with NUL; NULL after the last one.
static char *text_line(struct checkpoint_text *t)
{
    if (t->next == t->end) {
        return NULL;
    }
    char *line = t->next;
    char *eol = memchr(line, '\n', (size_t)(t->end - line));
    t->next = eol == NULL ? t->end : eol + 1;
    *(eol == NULL ? t->end : eol) = '\0';
    return line;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

// The next field of a line: its bytes up to white space, which is skipped; NULL when there is none.
static char *line_field(char **line)
{
    char *field = *line;
    if (*field == '\0' || is_blank(*field)) {
        return NULL;
    }
    char *p = field;
    while (*p != '\0' && !is_blank(*p)) {
        p++;
    }
    while (is_blank(*p)) {
        *p++ = '\0';
    }
    *line = p;
    return field;
}

// A whole field as a number from 0 to max.
static bool field_number(const char *field, int64_t max, int64_t *out)
{
    if (field == NULL || *field == '\0') {
        return false;
    }
    int64_t n = 0;
    for (; *field != '\0'; field++) {
        if (*field < '0' || *field > '9') {
            return false;
        }
        int64_t digit = *field - '0';
        if (n > (max - digit) / 10) {
            return false;
        }
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

// A line with one number and nothing else.
static bool line_number(char *line, int64_t max, int64_t *out)
{
    return field_number(line_field(&line), max, out) && *line == '\0';
}

static bool line_entry(char *line, bool with_topic, struct checkpoint_entry *out)
{
    int64_t number = 0;
    out->topic = with_topic ? line_field(&line) : NULL;
    if (with_topic && out->topic == NULL) {
        return false;
    }
    if (!field_number(line_field(&line), INT32_MAX, &number) ||
        !field_number(line_field(&line), INT64_MAX, &out->offset)) {
        return false;
    }
    out->number = (int32_t)number;
    return *line == '\0';
}

// Parses the text, which it cuts into pieces. fn NULL: only checks.
static enum err checkpoint_parse(char *data, size_t len, bool with_topic, checkpoint_fn *fn, void *ctx)
{
    struct checkpoint_text t = {data, data + len};
    int64_t version = 0;
    int64_t expected = 0;
    char *line = text_line(&t);
    if (line == NULL) {
        return ERR_OK;
    }
    if (!line_number(line, INT32_MAX, &version) || version != CHECKPOINT_VERSION) {
        return ERR_CORRUPT;
    }
    line = text_line(&t);
    if (line == NULL) {
        return ERR_OK; // Kafka takes a lone version line as no entries
    }
    if (!line_number(line, INT32_MAX, &expected)) {
        return ERR_CORRUPT;
    }
    int64_t n = 0;
    for (line = text_line(&t); line != NULL; line = text_line(&t), n++) {
        struct checkpoint_entry e;
        if (!line_entry(line, with_topic, &e)) {
            return ERR_CORRUPT;
        }
        if (fn != NULL) {
            fn(ctx, &e);
        }
    }
    return n == expected ? ERR_OK : ERR_CORRUPT;
}

enum err checkpoint_read(const struct os *os, const char *path, bool with_topic, checkpoint_fn *fn, void *ctx)
{
    char *data = NULL;
    char *copy = NULL;
    size_t len = 0;
    enum err e = os_read_file(os, path, CHECKPOINT_BYTES_MAX, &data, &len);
    if (e == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    if (e != ERR_OK) {
        return e == ERR_TOO_LARGE ? ERR_CORRUPT : e;
    }
    if (memchr(data, '\0', len) != NULL) {
        e = ERR_CORRUPT;
        goto out;
    }
    copy = malloc(len + 1);
    if (copy == NULL) {
        e = ERR_NO_MEMORY;
        goto out;
    }
    memcpy(copy, data, len + 1);
    e = checkpoint_parse(copy, len, with_topic, NULL, NULL);
    if (e == ERR_OK) {
        e = checkpoint_parse(data, len, with_topic, fn, ctx);
    }
out:
    free(copy);
    free(data);
    return e;
}

enum err checkpoint_write(const struct os *os, const char *path, const struct checkpoint_entry *entries, size_t n,
                          bool sync)
{
    struct writer w;
    writer_init(&w, 4096, CHECKPOINT_BYTES_MAX);
    char line[CHECKPOINT_LINE_MAX];
    int len = snprintf(line, sizeof line, "%d\n%zu\n", CHECKPOINT_VERSION, n);
    writer_bytes(&w, line, (size_t)len);
    for (size_t i = 0; i < n; i++) {
        const struct checkpoint_entry *e = &entries[i];
        len = e->topic == NULL
                  ? snprintf(line, sizeof line, "%" PRId32 " %" PRId64 "\n", e->number, e->offset)
                  : snprintf(line, sizeof line, "%s %" PRId32 " %" PRId64 "\n", e->topic, e->number, e->offset);
        ASSERT(len > 0 && (size_t)len < sizeof line);
        writer_bytes(&w, line, (size_t)len);
    }
    enum err e = w.bad  ? ERR_TOO_LARGE
                 : sync ? os_replace_file(os, path, w.data, w.len)
                        : os_replace_file_unsynced(os, path, w.data, w.len);
    writer_release(&w);
    return e;
}
