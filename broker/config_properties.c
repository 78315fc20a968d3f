// SPDX-License-Identifier: Apache-2.0
//
// Two steps per entry: the lines that belong together are joined (escapes still in them), then key and value are cut
// and unescaped. Unescaping never makes text longer, so both go into buffers of the joined line's size.
#include "broker/config_properties.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct parser {
    const char *text;
    size_t len;
    size_t pos;
    int line;       // of pos, from 1
    int entry_line; // where the last entry began
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

static void blanks_skip(struct parser *p)
{
    while (p->pos < p->len && is_blank(p->text[p->pos])) {
        p->pos++;
    }
}

// Goes behind \n, \r or \r\n.
static void line_end_skip(struct parser *p)
{
    if (p->pos < p->len && p->text[p->pos] == '\r') {
        p->pos++;
        if (p->pos == p->len || p->text[p->pos] != '\n') {
            p->line++;
            return;
        }
    }
    if (p->pos < p->len && p->text[p->pos] == '\n') {
        p->pos++;
        p->line++;
    }
}

static size_t rest_of_line(const struct parser *p)
{
    size_t n = 0;
    while (p->pos + n < p->len && !is_line_end(p->text[p->pos + n])) {
        n++;
    }
    return n;
}

// An odd number of backslashes at the end: the last one escapes the line end.
static bool is_continued(const char *line, size_t len)
{
    size_t slashes = 0;
    while (slashes < len && line[len - 1 - slashes] == '\\') {
        slashes++;
    }
    return slashes % 2 == 1;
}

// Joins the lines of the next entry into buf; returns its length, 0 when there is no further entry.
static size_t entry_join(struct parser *p, char *buf)
{
    size_t len = 0;
    while (p->pos < p->len) {
        blanks_skip(p);
        size_t n = rest_of_line(p);
        const char *start = p->text + p->pos;
        int line = p->line;
        p->pos += n;
        line_end_skip(p);
        if (len == 0 && (n == 0 || *start == '#' || *start == '!')) {
            continue;
        }
        if (len == 0) {
            p->entry_line = line;
        }
        bool more = is_continued(start, n);
        memcpy(buf + len, start, more ? n - 1 : n);
        len += more ? n - 1 : n;
        if (!more) {
            break;
        }
    }
    return len;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The UTF-16 unit of "XXXX", -1 when malformed.
static int32_t utf16_unit(const char *s, size_t len)
{
    int32_t v = 0;
    for (size_t i = 0; i < 4; i++) {
        int d = i < len ? hex_digit(s[i]) : -1;
        if (d < 0) {
            return -1;
        }
        v = v * 16 + d;
    }
    return v;
}

static size_t utf8_put(char *out, int32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

// One \uXXXX (or a pair of surrogates) at s: the bytes read, 0 when malformed. A NUL would cut the text: malformed.
static size_t unicode_unescape(const char *s, size_t len, char *out, size_t *out_len)
{
    int32_t c = utf16_unit(s + 2, len - 2);
    if (c <= 0) {
        return 0;
    }
    size_t used = 6;
    if (c >= 0xd800 && c < 0xdc00 && len >= 12 && s[6] == '\\' && s[7] == 'u') {
        int32_t low = utf16_unit(s + 8, len - 8);
        if (low >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            used = 12;
        }
    }
    *out_len += utf8_put(out + *out_len, c);
    return used;
}

// Writes the unescaped text and its end mark to out; false for a malformed \uXXXX.
static bool text_unescape(const char *s, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len;) {
        if (s[i] != '\\' || i + 1 == len) {
            out[n++] = s[i++];
            continue;
        }
        if (s[i + 1] == 'u') {
            size_t used = unicode_unescape(s + i, len - i, out, &n);
            if (used == 0) {
                return false;
            }
            i += used;
            continue;
        }
        static const char letters[] = "tnrf";
        static const char meanings[] = "\t\n\r\f";
        const char *letter = strchr(letters, s[i + 1]);
        out[n++] = letter ? meanings[letter - letters] : s[i + 1];
        i += 2;
    }
    out[n] = '\0';
    return true;
}

// Where the key of a joined entry ends: at the first separator that is not escaped.
static size_t key_length(const char *entry, size_t len)
{
    size_t i = 0;
    while (i < len && entry[i] != '=' && entry[i] != ':' && !is_blank(entry[i])) {
        i += entry[i] == '\\' && i + 1 < len ? 2 : 1;
    }
    return i;
}

// Where its value begins: behind blanks, at most one '=' or ':', and blanks.
static size_t value_start(const char *entry, size_t len, size_t i)
{
    while (i < len && is_blank(entry[i])) {
        i++;
    }
    if (i < len && (entry[i] == '=' || entry[i] == ':')) {
        i++;
    }
    while (i < len && is_blank(entry[i])) {
        i++;
    }
    return i;
}

enum err config_properties_parse(const char *text, size_t len, struct arena *a, config_property_fn *fn, void *ctx,
                                 int *bad_line, const char **why)
{
    struct parser p = {.text = text, .len = len, .line = 1};
    *bad_line = 0;
    if (memchr(text, '\0', len)) {
        *why = "there is a NUL byte in it, so it is no text file";
        return ERR_INVALID;
    }
    char *entry = arena_alloc(a, len + 1);
    if (!entry) {
        return ERR_NO_MEMORY;
    }
    for (;;) {
        size_t n = entry_join(&p, entry);
        if (n == 0 && p.pos == p.len) {
            return ERR_OK;
        }
        size_t key_len = key_length(entry, n);
        size_t start = value_start(entry, n, key_len);
        char *key = arena_alloc(a, key_len + 1);
        char *value = arena_alloc(a, n - start + 1);
        if (!key || !value) {
            return ERR_NO_MEMORY;
        }
        if (!text_unescape(entry, key_len, key) || !text_unescape(entry + start, n - start, value)) {
            *bad_line = p.entry_line;
            *why = "\\u must be followed by four hexadecimal digits that are not 0000";
            return ERR_INVALID;
        }
        enum err err = fn(ctx, key, value);
        if (err) {
            return err;
        }
    }
}
