// SPDX-License-Identifier: Apache-2.0
//
// Everything here is a function of its arguments; the locale is that of a C program which has set none.
#include "base/java_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DOUBLE_DIGITS_MAX  17 // enough for any double to read back as itself
#define PLAIN_EXPONENT_MIN (-3)
#define PLAIN_EXPONENT_MAX 6

// The bounds of s without the blanks around it.
static struct slice trimmed(const char *s, size_t len)
{
    while (len > 0 && (unsigned char)s[len - 1] <= ' ') {
        len--;
    }
    while (len > 0 && (unsigned char)*s <= ' ') {
        s++;
        len--;
    }
    return slice_of(s, len);
}

const char *java_trim(const char *s, struct arena *a)
{
    struct slice t = trimmed(s, strlen(s));
    return arena_strndup(a, t.data, t.len);
}

bool java_integer_parse(const char *s, int64_t *out)
{
    const char *digits = *s == '-' || *s == '+' ? s + 1 : s;
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0') {
        return false;
    }
    errno = 0;
    *out = strtoll(s, NULL, 10);
    return errno == 0;
}

bool java_double_parse(const char *s, double *out)
{
    const char *number = *s == '-' || *s == '+' ? s + 1 : s;
    if (strcmp(number, "Infinity") == 0) {
        *out = *s == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (*number == '\0' || number[strspn(number, "+-.0123456789eEfFdD")] != '\0') {
        return false; // strtod would also take hexadecimal and other words
    }
    char *end;
    *out = strtod(s, &end);
    return end != s && (*end == '\0' || (strchr("fFdD", *end) != NULL && end[1] == '\0'));
}

bool java_boolean_parse(const char *s, bool *out)
{
    *out = strcasecmp(s, "true") == 0;
    return *out || strcasecmp(s, "false") == 0;
}

const char *java_double_text(double v, struct arena *a)
{
    char digits[40];
    int precision = 1;
    if (isnan(v) || isinf(v)) {
        return isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";
    }
    do {
        snprintf(digits, sizeof digits, "%.*e", precision - 1, v);
    } while (strtod(digits, NULL) != v && precision++ < DOUBLE_DIGITS_MAX);
    char *e = strchr(digits, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    if (v != 0 && (exponent < PLAIN_EXPONENT_MIN || exponent > PLAIN_EXPONENT_MAX)) {
        *e = '\0';
        return arena_printf(a, "%s%sE%d", digits, strchr(digits, '.') == NULL ? ".0" : "", exponent);
    }
    int behind = precision - 1 - exponent; // digits behind the point
    return arena_printf(a, "%.*f", behind > 1 ? behind : 1, v);
}

const char *java_list_begin(const char *text)
{
    return trimmed(text, strlen(text)).len == 0 ? NULL : text;
}

bool java_list_next(const char **rest, struct slice *item)
{
    const char *p = *rest;
    if (p == NULL) {
        return false;
    }
    size_t len = strcspn(p, ",");
    *rest = p[len] == ',' ? p + len + 1 : NULL;
    *item = trimmed(p, len);
    return true;
}
