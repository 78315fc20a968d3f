// SPDX-License-Identifier: Apache-2.0
//
// The limit stands behind the last colon, so that an IPv6 address may stand before it. Kafka takes a negative limit,
// which locks its address out for good, the administrator's too: here it is refused.
#include "broker/config_overrides.h"

#include "base/java_text.h"
#include <string.h>

#define KEY        "max.connections.per.ip.overrides"
#define HOST_CHARS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-%._:"

static enum err item_parse(struct slice item, struct arena *a, struct config_override *out, const char **why)
{
    const uint8_t *colon = memrchr(item.data, ':', item.len);
    if (!colon) {
        *why = arena_printf(a, "Error parsing configuration property '" KEY "': begin 0, end -1, length %zu", item.len);
        return ERR_INVALID;
    }
    size_t host_len = (size_t)(colon - item.data);
    const char *host = arena_strndup(a, item.data, host_len);
    const char *text = arena_strndup(a, colon + 1, item.len - host_len - 1);
    text = text ? java_trim(text, a) : NULL;
    out->host = host ? java_trim(host, a) : NULL;
    if (!text || !out->host) {
        return ERR_NO_MEMORY;
    }
    int64_t n;
    if (!java_integer_parse(text, &n) || n < INT32_MIN || n > INT32_MAX) {
        *why = arena_printf(a, "For input string: \"%s\"", text);
        return ERR_INVALID;
    }
    if (out->host[strspn(out->host, HOST_CHARS)] != '\0') {
        *why = arena_printf(a, KEY " contains invalid addresses : %s", out->host);
        return ERR_INVALID;
    }
    if (n < 0) {
        *why = arena_printf(a, "Invalid value %s for configuration " KEY ": Value must be at least 0", text);
        return ERR_INVALID;
    }
    out->max = (int32_t)n;
    return ERR_OK;
}

enum err config_overrides_parse(const char *text, struct arena *a, struct config_override **out, int32_t *count,
                                const char **why)
{
    size_t items = 1;
    for (const char *p = text; *p != '\0'; p++) {
        items += *p == ',';
    }
    *count = 0;
    *why = NULL;
    if (items > CONFIG_OVERRIDES_MAX) {
        *why = arena_printf(a, KEY " has %zu entries; allowed are %d", items, CONFIG_OVERRIDES_MAX);
        return ERR_INVALID;
    }
    *out = arena_array(a, items, sizeof **out);
    enum err err = *out ? ERR_OK : ERR_NO_MEMORY;
    struct slice item;
    for (const char *rest = java_list_begin(text); err == ERR_OK && java_list_next(&rest, &item);) {
        if (item.len > 0) {
            err = item_parse(item, a, &(*out)[(*count)++], why);
        }
    }
    return err == ERR_INVALID && !*why ? ERR_NO_MEMORY : err;
}

const char *config_overrides_refusal(const char *text, struct arena *a)
{
    struct config_override *list;
    int32_t count;
    const char *why;
    return config_overrides_parse(text, a, &list, &count, &why) == ERR_OK ? NULL : why ? why : "out of memory";
}
