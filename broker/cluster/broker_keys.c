// SPDX-License-Identifier: Apache-2.0
//
// Look-up in the table, and the check of one value against its row; the sentences of refusals are those of Kafka 3.9.
#include "broker/cluster/broker_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#define LISTENER_PREFIX "listener.name."

static int name_order(const void *name, const void *row)
{
    return strcmp(name, ((const struct broker_key *)row)->name);
}

const struct broker_key *broker_key_find(const struct broker_keys *k, const char *name)
{
    if (k->count == 0) {
        return NULL;
    }
    const struct broker_key *found = bsearch(name, k->list, (size_t)k->count, sizeof *k->list, name_order);
    if (found != NULL || strncmp(name, LISTENER_PREFIX, sizeof LISTENER_PREFIX - 1) != 0) {
        return found;
    }
    const char *dot = strchr(name + sizeof LISTENER_PREFIX - 1, '.');
    return dot == NULL ? NULL : bsearch(dot + 1, k->list, (size_t)k->count, sizeof *k->list, name_order);
}

bool broker_key_is_sensitive(const struct broker_key *key)
{
    return key == NULL || key->type == BROKER_KEY_UNKNOWN || key->type == BROKER_KEY_PASSWORD;
}

struct slice broker_list_next(const char **rest)
{
    while (**rest != '\0') {
        const char *p = *rest;
        size_t len = strcspn(p, ",");
        *rest = p[len] == ',' ? p + len + 1 : p + len;
        while (len > 0 && (unsigned char)p[len - 1] <= ' ') {
            len--;
        }
        while (len > 0 && (unsigned char)*p <= ' ') {
            p++;
            len--;
        }
        if (len > 0) {
            return slice_of(p, len);
        }
    }
    return SLICE_NULL;
}

// ---------------------------------------------------------------------------------------------------------------
// Checking

struct value_check {
    const struct broker_key *key;
    const char *name;
    const char *value; // trimmed
    struct arena *arena;
    const char **why;
};

static enum err value_refuse(const struct value_check *v, const char *reason)
{
    *v->why = arena_printf(v->arena, "Invalid value %s for configuration %s: %s", v->value, v->name, reason);
    return ERR_INVALID;
}

// Decimal digits with an optional sign, and nothing else, as Java reads numbers.
static bool integer_parse(const char *s, int64_t *out)
{
    const char *digits = *s == '-' || *s == '+' ? s + 1 : s;
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0') {
        return false;
    }
    errno = 0;
    *out = strtoll(s, NULL, 10);
    return errno == 0;
}

static bool double_parse(const char *s, double *out)
{
    if (*s == '\0' || s[strspn(s, "+-.0123456789eE")] != '\0') {
        return false; // strtod would also take hexadecimal and words
    }
    char *end;
    *out = strtod(s, &end);
    return *end == '\0' && isfinite(*out);
}

static enum err check_integer(const struct value_check *v)
{
    int64_t n, limit_low = INT64_MIN, limit_high = INT64_MAX;
    const char *reason = "Not a number of type LONG";
    if (v->key->type == BROKER_KEY_INT) {
        limit_low = INT32_MIN;
        limit_high = INT32_MAX;
        reason = "Not a number of type INT";
    } else if (v->key->type == BROKER_KEY_SHORT) {
        limit_low = INT16_MIN;
        limit_high = INT16_MAX;
        reason = "Not a number of type SHORT";
    }
    if (!integer_parse(v->value, &n) || n < limit_low || n > limit_high) {
        return value_refuse(v, reason);
    }
    if (v->key->has_min && n < v->key->min) {
        return value_refuse(v, arena_printf(v->arena, "Value must be at least %" PRId64, v->key->min));
    }
    if (v->key->has_max && n > v->key->max) {
        return value_refuse(v, arena_printf(v->arena, "Value must be no more than %" PRId64, v->key->max));
    }
    return ERR_OK;
}

static enum err check_double(const struct value_check *v)
{
    double d;
    if (!double_parse(v->value, &d)) {
        return value_refuse(v, "Not a number of type DOUBLE");
    }
    if (v->key->has_min && d < (double)v->key->min) {
        return value_refuse(v, arena_printf(v->arena, "Value must be at least %" PRId64, v->key->min));
    }
    if (v->key->has_max && d > (double)v->key->max) {
        return value_refuse(v, arena_printf(v->arena, "Value must be no more than %" PRId64, v->key->max));
    }
    return ERR_OK;
}

static bool word_allowed(const char *words, struct slice word)
{
    for (struct slice item = broker_list_next(&words); item.data != NULL; item = broker_list_next(&words)) {
        if (slice_equal(item, word)) {
            return true;
        }
    }
    return false;
}

// "compact, delete": how Kafka names what is allowed.
static const char *words_text(const char *words, struct arena *a)
{
    const char *text = "";
    for (struct slice item = broker_list_next(&words); text != NULL && item.data != NULL;
         item = broker_list_next(&words)) {
        text = arena_printf(a, "%s%s%.*s", text, *text == '\0' ? "" : ", ", (int)item.len, (const char *)item.data);
    }
    return text;
}

static enum err check_words(const struct value_check *v)
{
    const char *rest = v->value;
    bool good = true;
    if (v->key->one_of == NULL) {
        return ERR_OK;
    }
    if (v->key->type == BROKER_KEY_LIST) {
        for (struct slice item = broker_list_next(&rest); good && item.data != NULL; item = broker_list_next(&rest)) {
            good = word_allowed(v->key->one_of, item);
        }
    } else {
        good = word_allowed(v->key->one_of, slice_str(v->value));
    }
    const char *words = good ? "" : words_text(v->key->one_of, v->arena);
    return good ? ERR_OK : value_refuse(v, arena_printf(v->arena, "String must be one of: %s", words));
}

static const char *text_trim(const char *s, struct arena *a)
{
    size_t len = strlen(s);
    while (len > 0 && (unsigned char)s[len - 1] <= ' ') {
        len--;
    }
    while (len > 0 && (unsigned char)*s <= ' ') {
        s++;
        len--;
    }
    return arena_strndup(a, s, len);
}

enum err broker_key_check(const struct broker_key *key, const char *name, const char *value, struct arena *a,
                          const char **why)
{
    struct value_check v = {.key = key, .name = name, .value = text_trim(value, a), .arena = a, .why = why};
    *why = NULL;
    if (v.value == NULL) {
        return ERR_NO_MEMORY;
    }
    switch (key->type) {
    case BROKER_KEY_BOOLEAN:
        return strcasecmp(v.value, "true") == 0 || strcasecmp(v.value, "false") == 0
                   ? ERR_OK
                   : value_refuse(&v, "Expected value to be either true or false");
    case BROKER_KEY_INT:
    case BROKER_KEY_SHORT:
    case BROKER_KEY_LONG:
        return check_integer(&v);
    case BROKER_KEY_DOUBLE:
        return check_double(&v);
    case BROKER_KEY_STRING:
    case BROKER_KEY_LIST:
        return check_words(&v);
    case BROKER_KEY_UNKNOWN:
    case BROKER_KEY_CLASS:
    case BROKER_KEY_PASSWORD:
        break;
    }
    return ERR_OK;
}

// ---------------------------------------------------------------------------------------------------------------
// Showing

static const char *list_show(const char *value, struct arena *a)
{
    const char *text = "";
    for (struct slice item = broker_list_next(&value); text != NULL && item.data != NULL;
         item = broker_list_next(&value)) {
        text = arena_printf(a, "%s%s%.*s", text, *text == '\0' ? "" : ",", (int)item.len, (const char *)item.data);
    }
    return text;
}

const char *broker_key_show(const struct broker_key *key, const char *value, struct arena *a)
{
    int64_t n;
    const char *trimmed = text_trim(value, a);
    if (trimmed == NULL) {
        return NULL;
    }
    switch (key->type) {
    case BROKER_KEY_BOOLEAN:
        return strcasecmp(trimmed, "true") == 0 ? "true" : "false";
    case BROKER_KEY_INT:
    case BROKER_KEY_SHORT:
    case BROKER_KEY_LONG:
        return integer_parse(trimmed, &n) ? arena_printf(a, "%" PRId64, n) : trimmed;
    case BROKER_KEY_LIST:
        return list_show(trimmed, a);
    case BROKER_KEY_UNKNOWN:
    case BROKER_KEY_STRING:
    case BROKER_KEY_DOUBLE:
    case BROKER_KEY_CLASS:
    case BROKER_KEY_PASSWORD:
        break;
    }
    return trimmed;
}
