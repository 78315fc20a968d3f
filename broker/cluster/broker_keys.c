// SPDX-License-Identifier: Apache-2.0
//
// Look-up in the table, and the check of one value against its row; the sentences of refusals are those of Kafka 3.9.
#include "broker/cluster/broker_keys.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/java_text.h"
#include "broker/cluster/kafka_version.h"

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
    struct slice item;
    while (java_list_next(rest, &item)) {
        if (item.len > 0) {
            return item;
        }
    }
    return SLICE_NULL;
}

// ---------------------------------------------------------------------------------------------------------------
// Checking

struct value_check {
    const struct broker_key *key;
    const char *value;   // as given
    const char *trimmed; // without surrounding blanks
    struct arena *arena;
    const char **why;
};

static enum err value_refuse(const struct value_check *v, const char *shown, const char *reason)
{
    *v->why = arena_printf(v->arena, "Invalid value %s for configuration %s: %s", shown, v->key->name, reason);
    return ERR_INVALID;
}

static enum err check_integer(const struct value_check *v)
{
    int64_t n, limit_low = INT64_MIN, limit_high = INT64_MAX;
    const struct broker_key *key = v->key;
    const char *reason = "Not a number of type LONG";
    if (key->type == BROKER_KEY_INT) {
        limit_low = INT32_MIN;
        limit_high = INT32_MAX;
        reason = "Not a number of type INT";
    } else if (key->type == BROKER_KEY_SHORT) {
        limit_low = INT16_MIN;
        limit_high = INT16_MAX;
        reason = "Not a number of type SHORT";
    }
    if (!java_integer_parse(v->trimmed, &n) || n < limit_low || n > limit_high) {
        return value_refuse(v, v->value, reason);
    }
    const char *shown = arena_printf(v->arena, "%" PRId64, n);
    if (key->or_minus_one) {
        return n == -1 || (n >= key->min && n <= key->max)
                   ? ERR_OK
                   : value_refuse(v, shown,
                                  arena_printf(v->arena,
                                               "Value must be between %" PRId64 " and %" PRId64 " or equal to -1",
                                               key->min, key->max));
    }
    if (key->has_min && n < key->min) {
        return value_refuse(v, shown, arena_printf(v->arena, "Value must be at least %" PRId64, key->min));
    }
    if (key->has_max && n > key->max) {
        return value_refuse(v, shown, arena_printf(v->arena, "Value must be no more than %" PRId64, key->max));
    }
    return ERR_OK;
}

static enum err check_double(const struct value_check *v)
{
    double d;
    if (!java_double_parse(v->trimmed, &d)) {
        return value_refuse(v, v->value, "Not a number of type DOUBLE");
    }
    const char *shown = java_double_text(d, v->arena);
    if (v->key->has_min && d < (double)v->key->min) {
        return value_refuse(v, shown, arena_printf(v->arena, "Value must be at least %" PRId64, v->key->min));
    }
    if (v->key->has_max && d > (double)v->key->max) {
        return value_refuse(v, shown, arena_printf(v->arena, "Value must be no more than %" PRId64, v->key->max));
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

// The items of a list with this between them. NULL without memory.
static const char *list_text(const char *list, const char *separator, struct arena *a)
{
    const char *text = "";
    for (struct slice item = broker_list_next(&list); text != NULL && item.data != NULL;
         item = broker_list_next(&list)) {
        text =
            arena_printf(a, "%s%s%.*s", text, *text == '\0' ? "" : separator, (int)item.len, (const char *)item.data);
    }
    return text;
}

static enum err word_check(const struct value_check *v, struct slice word)
{
    if (word_allowed(v->key->one_of, word)) {
        return ERR_OK;
    }
    // "compact, delete": how Kafka names what is allowed.
    const char *words = list_text(v->key->one_of, ", ", v->arena);
    return value_refuse(v, arena_strndup(v->arena, word.data, word.len),
                        arena_printf(v->arena, "String must be one of: %s", words));
}

static enum err check_text(const struct value_check *v)
{
    struct slice item;
    enum err err = ERR_OK;
    if (v->key->version && !kafka_version_is_known(v->trimmed)) {
        return value_refuse(v, v->trimmed, arena_printf(v->arena, "Version %s is not a valid version", v->trimmed));
    }
    if (v->key->one_of == NULL) {
        return ERR_OK;
    }
    if (v->key->type != BROKER_KEY_LIST) {
        return word_check(v, slice_str(v->trimmed));
    }
    for (const char *rest = java_list_begin(v->trimmed); err == ERR_OK && java_list_next(&rest, &item);) {
        err = word_check(v, item);
    }
    return err;
}

enum err broker_key_check(const struct broker_key *key, const char *value, struct arena *a, const char **why)
{
    struct value_check v = {.key = key, .value = value, .trimmed = java_trim(value, a), .arena = a, .why = why};
    bool is_true;
    *why = NULL;
    if (v.trimmed == NULL) {
        return ERR_NO_MEMORY;
    }
    switch (key->type) {
    case BROKER_KEY_BOOLEAN:
        return java_boolean_parse(v.trimmed, &is_true)
                   ? ERR_OK
                   : value_refuse(&v, v.value, "Expected value to be either true or false");
    case BROKER_KEY_INT:
    case BROKER_KEY_SHORT:
    case BROKER_KEY_LONG:
        return check_integer(&v);
    case BROKER_KEY_DOUBLE:
        return check_double(&v);
    case BROKER_KEY_STRING:
    case BROKER_KEY_LIST:
        *why = key->refusal == NULL ? NULL : key->refusal(v.trimmed, a);
        return *why == NULL ? check_text(&v) : ERR_INVALID;
    case BROKER_KEY_UNKNOWN:
    case BROKER_KEY_CLASS:
    case BROKER_KEY_PASSWORD:
        break;
    }
    return ERR_OK;
}

// ---------------------------------------------------------------------------------------------------------------
// Showing

const char *broker_key_show(const struct broker_key *key, const char *value, struct arena *a)
{
    int64_t n;
    double d;
    const char *trimmed = java_trim(value, a);
    if (trimmed == NULL) {
        return NULL;
    }
    switch (key->type) {
    case BROKER_KEY_BOOLEAN:
        return strcasecmp(trimmed, "true") == 0 ? "true" : "false";
    case BROKER_KEY_INT:
    case BROKER_KEY_SHORT:
    case BROKER_KEY_LONG:
        return java_integer_parse(trimmed, &n) ? arena_printf(a, "%" PRId64, n) : trimmed;
    case BROKER_KEY_DOUBLE:
        return java_double_parse(trimmed, &d) ? java_double_text(d, a) : trimmed;
    case BROKER_KEY_LIST:
        return list_text(trimmed, ",", a);
    case BROKER_KEY_UNKNOWN:
    case BROKER_KEY_STRING:
    case BROKER_KEY_CLASS:
    case BROKER_KEY_PASSWORD:
        break;
    }
    return trimmed;
}
