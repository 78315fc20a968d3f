// SPDX-License-Identifier: Apache-2.0
//
// Values were checked when they were set, so they are read here without looking for mistakes.
#include "broker/connections.h"

#include "base/logging.h"
#include "broker/config_overrides.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTIONS_ARENA_LIMIT ((size_t)4 * 1024 * 1024)
#define LISTENER_KEY_BYTES      512

static int32_t number_of(const struct config_view *v, const char *key, int32_t otherwise)
{
    const char *text = config_view_value(v, key);
    return text ? (int32_t)strtol(text, NULL, 10) : otherwise;
}

// listener.name.<listener>.<key>: the listener's name in lower case.
static int32_t listener_number(const struct config_view *v, const char *listener, const char *key)
{
    char name[LISTENER_KEY_BYTES];
    int n = snprintf(name, sizeof name, "listener.name.%s.%s", listener, key);
    if (n < 0 || (size_t)n >= sizeof name) {
        return CONN_LIMIT_NONE;
    }
    for (char *p = name; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    return number_of(v, name, CONN_LIMIT_NONE);
}

// The address as connections have it: IPv4 as such, whatever socket it came in on.
static bool host_resolve(const char *host, char out[CONN_HOST_BYTES])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0) {
        return false;
    }
    bool v4 = found->ai_family == AF_INET;
    const void *address = v4 ? (const void *)&((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr
                             : (const void *)&((const struct sockaddr_in6 *)(const void *)found->ai_addr)->sin6_addr;
    bool ok = inet_ntop(found->ai_family, address, out, CONN_HOST_BYTES) != NULL;
    freeaddrinfo(found);
    return ok;
}

static enum err overrides_make(const char *text, struct arena *a, struct conn_limits_config *c)
{
    struct config_override *list = NULL;
    int32_t count = 0;
    const char *why;
    enum err err = text ? config_overrides_parse(text, a, &list, &count, &why) : ERR_OK;
    struct conn_override *out = arena_array(a, (size_t)count, sizeof *out);
    if (err != ERR_OK || !out) {
        return err != ERR_OK ? err : ERR_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        if (!host_resolve(list[i].host, out[c->overrides_count].host)) {
            log_warn("broker", "max.connections.per.ip.overrides: %s is not found: its limit has no effect",
                     list[i].host);
            continue;
        }
        out[c->overrides_count++].max = list[i].max;
    }
    c->overrides = out;
    return ERR_OK;
}

void connections_configure(const struct config_view *v, struct conn_limits *limits, struct listener *const *listeners,
                           int n_listeners)
{
    struct arena a;
    struct conn_limits_config c = {
        .max = number_of(v, "max.connections", CONN_LIMIT_NONE),
        .max_rate = number_of(v, "max.connection.creation.rate", CONN_LIMIT_NONE),
        .max_per_ip = number_of(v, "max.connections.per.ip", CONN_LIMIT_NONE),
    };
    arena_init(&a, CONNECTIONS_ARENA_LIMIT);
    enum err err = overrides_make(config_view_value(v, "max.connections.per.ip.overrides"), &a, &c);
    if (err == ERR_OK) {
        err = conn_limits_set(limits, &c);
    }
    if (err != ERR_OK) {
        log_error("broker", "the limits on connections stay as they were: %s", err_text(err));
    }
    arena_release(&a);
    for (int i = 0; i < n_listeners; i++) {
        const char *name = listener_name(listeners[i]);
        listener_set_limits(listeners[i], listener_number(v, name, "max.connections"),
                            listener_number(v, name, "max.connection.creation.rate"));
        listener_close_excess(listeners[i]);
    }
}
