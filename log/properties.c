// SPDX-License-Identifier: Apache-2.0
//
// Java's properties: lines of key and value with '=', ':' or white space between them; '#' and '!' begin a comment; a
// backslash at the end goes on in the next line, before another character it stands for that character (or for a line
// end, tabulator or UTF-16 unit).
#include "log/properties.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/logging.h"

#define META_BYTES_MAX 65536
#define META_LINE_MAX  1024

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

// One logical line of the text, continuation lines joined, escapes still in place. NULL at the end of the text;
// *line is cut at META_LINE_MAX - 1 bytes, which no line that is looked at reaches.
static const char *line_next(const char *text, char line[META_LINE_MAX])
{
    size_t n = 0;
    if (*text == '\0') {
        return NULL;
    }
    text += strspn(text, " \t\f");
    bool is_comment = *text == '#' || *text == '!';
    while (*text != '\0' && *text != '\n' && *text != '\r') {
        int take = 1;
        if (*text == '\\' && !is_comment) {
            if (text[1] == '\n' || text[1] == '\r') {
                text += text[1] == '\r' && text[2] == '\n' ? 3 : 2;
                text += strspn(text, " \t\f");
                continue;
            }
            take = text[1] == '\0' ? 1 : 2;
        }
        for (; take > 0; take--, text++) {
            if (n < META_LINE_MAX - 1) {
                line[n++] = *text;
            }
        }
    }
    line[is_comment ? 0 : n] = '\0';
    return *text == '\0' ? text : text + 1;
}

// Undoes the escapes of *in up to a bare separator (key) or the end (value); *in is moved there. Non-ASCII UTF-16
// units become '?': nothing that is looked at has them.
static void unescape(const char **in, bool is_key, char out[META_LINE_MAX])
{
    size_t n = 0;
    const char *p = *in;
    for (; *p != '\0' && !(is_key && (*p == '=' || *p == ':' || is_blank(*p))); p++) {
        char c = *p;
        if (c == '\\' && p[1] != '\0') {
            c = *++p;
            unsigned unit;
            if (c == 'u' && sscanf(p + 1, "%4x", &unit) == 1 && strlen(p + 1) >= 4) {
                c = unit < 0x80 ? (char)unit : '?';
                p += 4;
            } else if (c == 'n' || c == 't' || c == 'r' || c == 'f') {
                c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : '\f';
            }
        }
        out[n++] = c;
    }
    out[n] = '\0';
    *in = p;
}

static bool parse_int(const char *text, int32_t *out)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    *out = (int32_t)v;
    return errno == 0 && end != text && *end == '\0' && v >= INT32_MIN && v <= INT32_MAX;
}

static bool copy_bounded(char *out, size_t cap, const char *value)
{
    return snprintf(out, cap, "%s", value) < (int)cap;
}

// Takes one key over.
static enum err meta_take(struct meta_properties *p, const char *key, const char *value)
{
    bool possible = true;
    if (strcmp(key, "version") == 0) {
        int32_t version = 0;
        possible = parse_int(value, &version);
        if (possible && version != 0) {
            return ERR_UNSUPPORTED;
        }
    } else if (strcmp(key, "broker.id") == 0) {
        possible = parse_int(value, &p->meta.broker_id);
    } else if (strcmp(key, "cluster.id") == 0) {
        possible = copy_bounded(p->meta.cluster_id, sizeof p->meta.cluster_id, value);
    } else if (strcmp(key, "directory.id") == 0) {
        possible = copy_bounded(p->directory_id, sizeof p->directory_id, value);
    }
    return possible ? ERR_OK : ERR_CORRUPT;
}

enum err meta_properties_read(const struct os *os, const char *path, struct meta_properties *out)
{
    *out = (struct meta_properties){.meta.broker_id = -1};
    char *text = NULL;
    size_t len;
    enum err err = os_read_file(os, path, META_BYTES_MAX, &text, &len);
    if (err) {
        return err == ERR_NOT_FOUND ? ERR_OK : err == ERR_TOO_LARGE ? ERR_CORRUPT : err;
    }
    char line[META_LINE_MAX];
    for (const char *next = line_next(text, line); next != NULL && !err; next = line_next(next, line)) {
        char key[META_LINE_MAX];
        char value[META_LINE_MAX];
        const char *at = line;
        unescape(&at, true, key);
        at += strspn(at, " \t\f");
        at += *at == '=' || *at == ':';
        at += strspn(at, " \t\f");
        unescape(&at, false, value);
        err = meta_take(out, key, value);
        if (err) {
            log_error("log", "%s: %s=%s is not possible here", path, key, value);
        }
    }
    out->meta.present = !err;
    free(text);
    return err;
}

// "key=value\n", what Java would escape escaped.
static size_t line_format(char *out, size_t cap, const char *key, const char *value)
{
    int n = snprintf(out, cap, "%s=", key);
    size_t len = (size_t)n;
    for (const char *p = value; *p != '\0' && len + 3 < cap; p++) {
        if (strchr("\\=:#!", *p) != NULL || (*p == ' ' && p == value)) {
            out[len++] = '\\';
        }
        out[len++] = *p;
    }
    out[len++] = '\n';
    out[len] = '\0';
    return len;
}

enum err meta_properties_write(const struct os *os, const char *path, const struct meta_properties *p)
{
    char text[META_LINE_MAX];
    char broker_id[12];
    time_t now = (time_t)(os_wall_ms(os) / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    size_t len = strftime(text, sizeof text, "#\n#%a %b %d %H:%M:%S UTC %Y\n", &tm);
    snprintf(broker_id, sizeof broker_id, "%d", (int)p->meta.broker_id);
    len += line_format(text + len, sizeof text - len, "broker.id", broker_id);
    len += line_format(text + len, sizeof text - len, "version", "0");
    if (p->directory_id[0] != '\0') {
        len += line_format(text + len, sizeof text - len, "directory.id", p->directory_id);
    }
    len += line_format(text + len, sizeof text - len, "cluster.id", p->meta.cluster_id);
    return os_replace_file(os, path, text, len);
}
