// SPDX-License-Identifier: Apache-2.0
//
// The table is data (config_keys.def); here it becomes an array, and values are checked against it.
#include "broker/config_keys.h"

#include "base/java_text.h"
#include <string.h>

// clang-format off
#define ANY           .has_min = false
#define AT_LEAST(n)   .has_min = true, .min = (n)
#define BETWEEN(a, b) .has_min = true, .min = (a), .has_max = true, .max = (b)
#define ONE_OF(words) .one_of = (words)
#define GZIP_LEVEL    BETWEEN(1, 9), .or_minus_one = true
#define VERSION       .version = true
// clang-format on

static const struct config_key keys[] = {
#define CONFIG_KEY(key_type, key, value, limits, how)                                                                  \
    {.name = key, .type = CONFIG_##key_type, .default_value = value, .use = CONFIG_##how, limits},
#include "broker/config_keys.def"
#undef CONFIG_KEY
};

int32_t config_key_count(void)
{
    return (int32_t)(sizeof keys / sizeof keys[0]);
}

const struct config_key *config_key_at(int32_t i)
{
    return &keys[i];
}

int32_t config_key_find(const char *name)
{
    for (int32_t i = 0; i < config_key_count(); i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

bool config_key_is_listener_prefixed(const char *name)
{
    static const char prefix[] = "listener.name.";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) {
        return false;
    }
    const char *dot = strchr(name + sizeof prefix - 1, '.');
    return dot && dot > name + sizeof prefix - 1 && dot[1] != '\0';
}

const char *config_key_of_listener(const char *name)
{
    static const char *const allowed[] = {"max.connections", "max.connection.creation.rate"};
    const char *dot = config_key_is_listener_prefixed(name) ? strchr(name + sizeof "listener.name." - 1, '.') : NULL;
    for (size_t i = 0; dot && i < sizeof allowed / sizeof allowed[0]; i++) {
        if (strcmp(dot + 1, allowed[i]) == 0) {
            return allowed[i];
        }
    }
    return NULL;
}

bool config_next_item(const char **rest, struct slice *item)
{
    return *rest != NULL && **rest != '\0' && java_list_next(rest, item);
}

// Natural bounds of the integer types, narrowed by the row.
static int64_t integer_min(const struct config_key *k)
{
    if (k->has_min) {
        return k->min;
    }
    return k->type == CONFIG_LONG ? INT64_MIN : k->type == CONFIG_INT ? INT32_MIN : INT16_MIN;
}

static int64_t integer_max(const struct config_key *k)
{
    if (k->has_max) {
        return k->max;
    }
    return k->type == CONFIG_LONG ? INT64_MAX : k->type == CONFIG_INT ? INT32_MAX : INT16_MAX;
}

static bool words_contain(const char *words, struct slice word)
{
    struct slice item;
    while (config_next_item(&words, &item)) {
        if (slice_equal(item, word)) {
            return true;
        }
    }
    return false;
}

static bool list_allowed(const struct config_key *k, const char *value)
{
    struct slice item;
    while (config_next_item(&value, &item)) {
        if (!words_contain(k->one_of, item)) {
            return false;
        }
    }
    return true;
}

bool config_key_allows(const struct config_key *k, const char *value)
{
    int64_t n;
    double d;
    bool b;
    switch (k->type) {
    case CONFIG_BOOLEAN:
        return java_boolean_parse(value, &b);
    case CONFIG_INT:
    case CONFIG_SHORT:
    case CONFIG_LONG:
        return java_integer_parse(value, &n) &&
               ((n >= integer_min(k) && n <= integer_max(k)) || (k->or_minus_one && n == -1));
    case CONFIG_DOUBLE:
        return java_double_parse(value, &d) && (!k->has_min || d >= (double)k->min) &&
               (!k->has_max || d <= (double)k->max);
    case CONFIG_LIST:
        return !k->one_of || list_allowed(k, value);
    case CONFIG_STRING:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD:
        return !k->one_of || words_contain(k->one_of, slice_str(value));
    }
    return false;
}

const char *config_key_allowed(const struct config_key *k, struct arena *a)
{
    switch (k->type) {
    case CONFIG_BOOLEAN:
        return "true or false";
    case CONFIG_INT:
    case CONFIG_SHORT:
    case CONFIG_LONG:
        return arena_printf(a, "an integer from %lld to %lld%s", (long long)integer_min(k), (long long)integer_max(k),
                            k->or_minus_one ? ", or -1" : "");
    case CONFIG_DOUBLE:
        if (k->has_min && k->has_max) {
            return arena_printf(a, "a number from %lld to %lld", (long long)k->min, (long long)k->max);
        }
        return "a number";
    case CONFIG_LIST:
        return k->one_of ? arena_printf(a, "a comma list of %s", k->one_of) : "a comma list";
    case CONFIG_STRING:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD:
        return k->one_of ? arena_printf(a, "one of %s", k->one_of) : "any text";
    }
    return NULL;
}
