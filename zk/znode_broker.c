// SPDX-License-Identifier: Apache-2.0
//
// The registration of a broker, /brokers/ids/<id>. What a version has: 1 host, port, jmx_port, timestamp; 2 endpoints
// named by protocol; 3 rack; 4 listener_security_protocol_map, endpoints named by listener; 5 features (KIP-584).
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "zk/znode_json.h"
#include "zk/znodes.h"

static const char plaintext[] = "PLAINTEXT";

// "[::1]:9092" or "host:9092" or ":9092".
static bool parse_host_port(struct znode_json *doc, const char *s, struct znode_endpoint *out)
{
    const char *colon = strrchr(s, ':');
    if (colon == NULL || !znode_parse_number(colon + 1, &out->port) || out->port > 65535)
        return false;
    size_t len = (size_t)(colon - s);
    if (len >= 2 && s[0] == '[' && s[len - 1] == ']') {
        s++;
        len -= 2;
    }
    out->host = arena_strndup(doc->arena, s, len);
    if (out->host == NULL)
        znode_json_fail(doc, ERR_NO_MEMORY);
    return true;
}

static const char *protocol_of(struct znode_json *doc, json_t *map, const char *listener)
{
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value)
    {
        if (strcasecmp(key, listener) == 0)
            return znode_json_copy(doc, value);
    }
    znode_json_fail(doc, ERR_CORRUPT);
    return "";
}

// "LISTENER://host:port"; without a map the listener is named by its protocol.
static void parse_endpoint(struct znode_json *doc, const json_t *value, json_t *map, struct znode_endpoint *out)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    const char *sep = strstr(text, "://");
    if (sep == NULL || sep == text || !parse_host_port(doc, sep + 3, out)) {
        znode_json_fail(doc, ERR_CORRUPT);
        return;
    }
    char *listener = arena_strndup(doc->arena, text, (size_t)(sep - text));
    if (listener == NULL) {
        znode_json_fail(doc, ERR_NO_MEMORY);
        return;
    }
    for (char *c = listener; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    out->listener = listener;
    out->protocol = map == NULL ? listener : protocol_of(doc, map, listener);
}

static void read_endpoints(struct znode_json *doc, struct znode_broker *out)
{
    json_t *map = NULL;
    if (out->version >= 4 && znode_json_has(doc->root, "listener_security_protocol_map"))
        map = znode_json_object(doc, doc->root, "listener_security_protocol_map");
    json_t *list = znode_json_array(doc, doc->root, "endpoints");
    size_t n = json_array_size(list);
    out->endpoints = znode_json_room(doc, n, sizeof *out->endpoints);
    for (size_t i = 0; i < n && out->endpoints != NULL; i++)
        parse_endpoint(doc, json_array_get(list, i), map, &out->endpoints[i]);
    out->endpoints_count = (int32_t)n;
}

static void read_single_endpoint(struct znode_json *doc, struct znode_broker *out)
{
    struct znode_endpoint ep = {.listener = plaintext, .protocol = plaintext};
    ep.host = znode_json_text(doc, doc->root, "host");
    ep.port = znode_json_i32(doc, doc->root, "port");
    if (ep.port < 0 || ep.port > 65535)
        znode_json_fail(doc, ERR_CORRUPT);
    out->endpoints = znode_json_room(doc, 1, sizeof ep);
    if (out->endpoints == NULL)
        return;
    out->endpoints[0] = ep;
    out->endpoints_count = 1;
}

static void read_features(struct znode_json *doc, struct znode_broker *out)
{
    json_t *map = znode_json_object(doc, doc->root, "features");
    out->features = znode_json_room(doc, json_object_size(map), sizeof *out->features);
    if (out->features == NULL)
        return;
    const char *name;
    json_t *range;
    json_object_foreach(map, name, range)
    {
        struct znode_broker_feature *f = &out->features[out->features_count++];
        f->name = arena_strdup(doc->arena, name);
        if (f->name == NULL)
            znode_json_fail(doc, ERR_NO_MEMORY);
        f->min_version = znode_json_i32(doc, range, "min_version");
        f->max_version = znode_json_i32(doc, range, "max_version");
    }
}

enum err znode_broker_decode(struct slice data, struct arena *a, struct znode_broker *out)
{
    struct znode_json doc;
    znode_json_open(&doc, data, a);
    *out = (struct znode_broker){.timestamp_ms = -1};
    out->version = znode_json_i32(&doc, doc.root, "version");
    if (out->version < 1 || out->version > ZNODE_BROKER_VERSION)
        znode_json_fail(&doc, ERR_CORRUPT);
    out->jmx_port = znode_json_i32(&doc, doc.root, "jmx_port");
    if (znode_json_has(doc.root, "timestamp")) // Kafka writes it but never reads it
        out->timestamp_ms = znode_json_i64_text(&doc, doc.root, "timestamp");
    if (out->version == 1)
        read_single_endpoint(&doc, out);
    else
        read_endpoints(&doc, out);
    if (out->version >= 3 && znode_json_has(doc.root, "rack"))
        out->rack = znode_json_text(&doc, doc.root, "rack");
    if (out->version >= 5 && znode_json_has(doc.root, "features"))
        read_features(&doc, out);
    return znode_json_close(&doc);
}

static json_t *features_json(const struct znode_broker *b)
{
    json_t *map = json_object();
    int failed = 0;
    for (int32_t i = 0; i < b->features_count; i++) {
        const struct znode_broker_feature *f = &b->features[i];
        failed |= json_object_set_new(
            map, f->name,
            json_pack("{s:i,s:i}", "min_version", (int)f->min_version, "max_version", (int)f->max_version));
    }
    if (failed) {
        json_decref(map);
        return NULL;
    }
    return map;
}

static json_t *protocols_json(const struct znode_broker *b)
{
    json_t *map = json_object();
    int failed = 0;
    for (int32_t i = 0; i < b->endpoints_count; i++)
        failed |= json_object_set_new(map, b->endpoints[i].listener, json_string(b->endpoints[i].protocol));
    if (failed) {
        json_decref(map);
        return NULL;
    }
    return map;
}

static json_t *endpoints_json(const struct znode_broker *b)
{
    json_t *list = json_array();
    int failed = 0;
    for (int32_t i = 0; i < b->endpoints_count; i++) {
        const struct znode_endpoint *ep = &b->endpoints[i];
        bool is_ipv6 = strchr(ep->host, ':') != NULL;
        failed |= json_array_append_new(list, json_sprintf("%s://%s%s%s:%d", ep->listener, is_ipv6 ? "[" : "", ep->host,
                                                           is_ipv6 ? "]" : "", (int)ep->port));
    }
    if (failed) {
        json_decref(list);
        return NULL;
    }
    return list;
}

enum err znode_broker_encode(const struct znode_broker *broker, struct arena *a, struct slice *out)
{
    const struct znode_endpoint none = {.host = NULL, .port = -1};
    const struct znode_endpoint *first = &none;
    for (int32_t i = broker->endpoints_count - 1; i >= 0; i--) {
        if (strcmp(broker->endpoints[i].protocol, plaintext) == 0)
            first = &broker->endpoints[i];
    }
    json_t *root = json_object();
    int failed = 0;
    if (broker->version >= 5)
        failed |= json_object_set_new(root, "features", features_json(broker));
    if (broker->version >= 4)
        failed |= json_object_set_new(root, "listener_security_protocol_map", protocols_json(broker));
    if (broker->version >= 2)
        failed |= json_object_set_new(root, "endpoints", endpoints_json(broker));
    if (broker->version >= 3 && broker->rack != NULL)
        failed |= json_object_set_new(root, "rack", json_string(broker->rack));
    failed |= json_object_set_new(root, "jmx_port", json_integer(broker->jmx_port));
    failed |= json_object_set_new(root, "port", json_integer(first->port));
    failed |= json_object_set_new(root, "host", first->host == NULL ? json_null() : json_string(first->host));
    failed |= json_object_set_new(root, "version", json_integer(broker->version));
    failed |= json_object_set_new(root, "timestamp", znode_json_of_i64(broker->timestamp_ms));
    if (failed) {
        json_decref(root);
        root = NULL;
    }
    return znode_json_write(root, a, out);
}
