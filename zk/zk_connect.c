// SPDX-License-Identifier: Apache-2.0
//
// Parsing zookeeper.connect.
#include "zk/zk_connect.h"

#include <stdio.h>

#include "zk/zk_memory.h"
#include "zk/zk_path.h"

#define DEFAULT_PORT "2181"

static bool port_valid(const char *s, size_t len)
{
    int32_t port = 0;
    for (size_t i = 0; i < len && port <= UINT16_MAX; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        port = port * 10 + (s[i] - '0');
    }
    return len > 0 && port > 0 && port <= UINT16_MAX;
}

// Where the port's colon is; len when there is none. Of an IPv6 address without brackets every colon is its own.
static size_t colon_find(const char *host, size_t len)
{
    const char *end = host[0] == '[' ? memchr(host, ']', len) : NULL;
    if (end != NULL)
        return end + 1 < host + len && end[1] == ':' ? (size_t)(end + 1 - host) : len;
    const char *first = memchr(host, ':', len);
    bool is_ipv6 = first != NULL && memchr(first + 1, ':', len - (size_t)(first + 1 - host)) != NULL;
    return first == NULL || is_ipv6 ? len : (size_t)(first - host);
}

// Writes one host with its port.
static bool host_add(FILE *out, const char *host, size_t len, bool is_first)
{
    while (len > 0 && host[0] == ' ') {
        host++;
        len--;
    }
    while (len > 0 && host[len - 1] == ' ')
        len--;
    size_t colon = len == 0 ? 0 : colon_find(host, len);
    if (colon == 0 || (colon < len && !port_valid(host + colon + 1, len - colon - 1)))
        return false;
    bool needs_brackets = host[0] != '[' && memchr(host, ':', colon) != NULL;
    fprintf(out, "%s%s%.*s%s:", is_first ? "" : ",", needs_brackets ? "[" : "", (int)colon, host,
            needs_brackets ? "]" : "");
    if (colon == len)
        fputs(DEFAULT_PORT, out);
    else
        fprintf(out, "%.*s", (int)(len - colon - 1), host + colon + 1);
    return true;
}

static enum err hosts_parse(const char *text, size_t len, struct zk_connect *out)
{
    size_t room = 0;
    bool is_valid = true;
    FILE *file = open_memstream(&out->hosts, &room);
    if (file == NULL)
        return ERR_NO_MEMORY;
    for (size_t at = 0; is_valid && at <= len;) {
        const char *comma = memchr(text + at, ',', len - at);
        size_t host_len = comma == NULL ? len - at : (size_t)(comma - text) - at;
        is_valid = host_add(file, text + at, host_len, at == 0);
        at += host_len + 1;
    }
    fclose(file);
    return is_valid ? ERR_OK : ERR_INVALID;
}

enum err zk_connect_parse(const char *text, struct zk_connect *out)
{
    size_t len = strcspn(text, "/");
    const char *chroot = text + len;
    *out = (struct zk_connect){0};
    out->chroot = zk_memory_copy(slice_str(strcmp(chroot, "/") == 0 ? "" : chroot));
    if (out->chroot[0] != '\0') {
        enum err err = zk_path_check(out->chroot, false);
        if (err != ERR_OK)
            return ERR_INVALID;
    }
    return hosts_parse(text, len, out);
}

void zk_connect_release(struct zk_connect *c)
{
    free(c->hosts);
    free(c->chroot);
    *c = (struct zk_connect){0};
}
