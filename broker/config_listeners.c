// SPDX-License-Identifier: Apache-2.0
//
// Listener texts. A host may be empty, a name, an IPv4 address or an IPv6 address with or without brackets; the port is
// what follows the last colon.
#include "broker/config_listeners.h"

#include "broker/config_keys.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// *why becomes text; the error is ERR_INVALID unless even the text found no memory.
static enum err refuse(const char **why, const char *text)
{
    *why = text;
    return text ? ERR_INVALID : ERR_NO_MEMORY;
}

static const char *upper_dup(struct arena *a, struct slice s)
{
    char *up = arena_strndup(a, s.data, s.len);
    for (char *p = up; p && *p; p++) {
        *p = (char)toupper((unsigned char)*p);
    }
    return up;
}

// The protocol of a listener by "NAME:PROTOCOL,..."; the last entry of a name wins. NULL when it has none.
static const char *protocol_of(const char *name, const char *map, struct arena *a)
{
    const char *protocol = NULL;
    struct slice item;
    while (config_next_item(&map, &item)) {
        const uint8_t *colon = item.len > 0 ? memchr(item.data, ':', item.len) : NULL;
        size_t name_len = colon ? (size_t)(colon - item.data) : item.len;
        if (colon && name_len == strlen(name) && strncasecmp(name, (const char *)item.data, name_len) == 0) {
            protocol = upper_dup(a, slice_of(colon + 1, item.len - name_len - 1));
        }
    }
    return protocol;
}

static bool host_chars_ok(struct slice host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (!isalnum(host.data[i]) && !strchr("-%._:", host.data[i])) {
            return false;
        }
    }
    return true;
}

// Cuts "host:port" at the last colon. False when it is not of that form.
static bool host_port_split(struct slice s, struct slice *host, uint16_t *port)
{
    const uint8_t *colon = s.len > 0 ? memrchr(s.data, ':', s.len) : NULL;
    if (!colon) {
        return false;
    }
    *host = slice_of(s.data, (size_t)(colon - s.data));
    if (host->len >= 2 && host->data[0] == '[' && host->data[host->len - 1] == ']') {
        *host = slice_of(host->data + 1, host->len - 2);
    }
    size_t digits = s.len - (size_t)(colon - s.data) - 1;
    if (digits < 1 || digits > 5 || !host_chars_ok(*host)) {
        return false;
    }
    unsigned v = 0;
    for (size_t i = 1; i <= digits; i++) {
        if (!isdigit(colon[i])) {
            return false;
        }
        v = v * 10 + (unsigned)(colon[i] - '0');
    }
    *port = (uint16_t)v;
    return v <= UINT16_MAX;
}

static enum err endpoint_parse(struct slice item, struct arena *a, struct config_endpoint *e)
{
    struct slice host;
    const uint8_t *sep = item.len > 0 ? memmem(item.data, item.len, "://", 3) : NULL;
    if (!sep || sep == item.data) {
        return ERR_INVALID;
    }
    size_t name_len = (size_t)(sep - item.data);
    if (!host_port_split(slice_of(sep + 3, item.len - name_len - 3), &host, &e->port)) {
        return ERR_INVALID;
    }
    e->name = upper_dup(a, slice_of(item.data, name_len));
    e->host = arena_strndup(a, host.data, host.len);
    return e->name && e->host ? ERR_OK : ERR_NO_MEMORY;
}

static enum err protocol_check(const char *key, const char *name, const char *map, struct arena *a, const char **why)
{
    const char *protocol = protocol_of(name, map, a);
    if (!protocol) {
        return refuse(why, arena_printf(a,
                                        "%s names the listener %s, for which listener.security.protocol.map=%s has no "
                                        "entry: add %s:PLAINTEXT to the map",
                                        key, name, map, name));
    }
    if (strcmp(protocol, "PLAINTEXT") == 0) {
        return ERR_OK;
    }
    static const char unsupported[] = "SSL,SASL_PLAINTEXT,SASL_SSL";
    const char *rest = unsupported;
    struct slice item;
    while (config_next_item(&rest, &item)) {
        if (slice_equal(item, slice_str(protocol))) {
            return refuse(why, arena_printf(a,
                                            "%s has the listener %s with the security protocol %s, which is not "
                                            "supported yet: only PLAINTEXT is allowed",
                                            key, name, protocol));
        }
    }
    return refuse(why, arena_printf(a,
                                    "listener.security.protocol.map=%s gives listener %s the protocol %s: allowed are "
                                    "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL (this version serves PLAINTEXT only)",
                                    map, name, protocol));
}

enum err config_listeners_parse(const char *key, const char *text, const char *protocol_map, struct arena *a,
                                struct config_endpoint *out, int32_t *count, const char **why)
{
    const char *rest = text;
    struct slice item;
    *count = 0;
    while (config_next_item(&rest, &item)) {
        if (item.len == 0) {
            continue; // a comma too many
        }
        if (*count == CONFIG_MAX_LISTENERS) {
            return refuse(why,
                          arena_printf(a, "%s=%s: at most %d listeners are allowed", key, text, CONFIG_MAX_LISTENERS));
        }
        struct config_endpoint *e = &out[*count];
        enum err err = endpoint_parse(item, a, e);
        if (err == ERR_INVALID) {
            return refuse(why, arena_printf(a,
                                            "%s=%s: \"%.*s\" is not of the form NAME://host:port with a port from 0 to "
                                            "65535, such as PLAINTEXT://127.0.0.1:9092 or PLAINTEXT://[::1]:9092",
                                            key, text, (int)item.len, (const char *)item.data));
        }
        if (!err) {
            err = protocol_check(key, e->name, protocol_map, a, why);
        }
        if (err) {
            return err;
        }
        (*count)++;
    }
    if (*count == 0) {
        return refuse(why, arena_printf(a, "%s is empty: at least one listener NAME://host:port is needed", key));
    }
    return ERR_OK;
}

// 4 or 6 for an address of that family, 0 for a name or no host.
static int address_family(const char *host)
{
    unsigned char buf[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, buf) == 1) {
        return 4;
    }
    return inet_pton(AF_INET6, host, buf) == 1 ? 6 : 0;
}

static enum err names_distinct(const char *key, const struct config_endpoint *e, int32_t count, struct arena *a,
                               const char **why)
{
    for (int32_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (strcmp(e[i].name, e[j].name) == 0) {
                return refuse(why, arena_printf(a, "%s has two listeners named %s: each needs a name of its own", key,
                                                e[i].name));
            }
        }
    }
    return ERR_OK;
}

enum err config_listeners_check_bound(const struct config_endpoint *e, int32_t count, const char *text, struct arena *a,
                                      const char **why)
{
    for (int32_t i = 0; i < count; i++) {
        for (int32_t j = 0; j < i; j++) {
            bool pair = address_family(e[i].host) + address_family(e[j].host) == 10;
            if (e[i].port != 0 && e[i].port == e[j].port && !pair) {
                return refuse(why, arena_printf(a,
                                                "listeners=%s: each listener needs a port of its own (only one IPv4 "
                                                "and one IPv6 address may share one)",
                                                text));
            }
        }
    }
    return names_distinct("listeners", e, count, a, why);
}

enum err config_listeners_check_advertised(const struct config_endpoint *advertised, int32_t advertised_count,
                                           const struct config_endpoint *bound, int32_t bound_count, struct arena *a,
                                           const char **why)
{
    for (int32_t i = 0; i < advertised_count; i++) {
        const struct config_endpoint *e = &advertised[i];
        if (strcmp(e->host, "0.0.0.0") == 0) {
            return refuse(why, arena_printf(a,
                                            "advertised.listeners would tell clients to connect to %s://0.0.0.0:%d, "
                                            "which no client can reach: set advertised.listeners to an address or name "
                                            "of this machine that clients can reach, such as %s://localhost:%d",
                                            e->name, e->port, e->name, e->port));
        }
        bool found = false;
        for (int32_t j = 0; j < bound_count && !found; j++) {
            found = strcmp(e->name, bound[j].name) == 0;
        }
        if (!found) {
            return refuse(why, arena_printf(a,
                                            "advertised.listeners names the listener %s, which is not among listeners: "
                                            "only names of listeners are allowed",
                                            e->name));
        }
    }
    return names_distinct("advertised.listeners", advertised, advertised_count, a, why);
}
