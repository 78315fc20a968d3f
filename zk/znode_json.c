// SPDX-License-Identifier: Apache-2.0
//
// JSON payloads by jansson. Numbers must be integers that fit; Kafka's own readers are as strict.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "zk/zk.h"
#include "zk/znode_json.h"

void znode_json_fail(struct znode_json *doc, enum err err)
{
    if (doc->err == ERR_OK)
        doc->err = err;
}

void znode_json_open(struct znode_json *doc, struct slice data, struct arena *arena)
{
    *doc = (struct znode_json){.arena = arena};
    if (data.len > 0 && data.len <= ZK_DATA_MAX_BYTES)
        doc->root = json_loadb((const char *)data.data, data.len, 0, NULL);
    if (!json_is_object(doc->root))
        znode_json_fail(doc, ERR_CORRUPT);
}

enum err znode_json_close(struct znode_json *doc)
{
    json_decref(doc->root);
    doc->root = NULL;
    return doc->err;
}

bool znode_json_has(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return v != NULL && !json_is_null(v);
}

static int32_t integer_of(struct znode_json *doc, const json_t *value)
{
    json_int_t v = json_integer_value(value);
    if (!json_is_integer(value) || v < INT32_MIN || v > INT32_MAX) {
        znode_json_fail(doc, ERR_CORRUPT);
        return 0;
    }
    return (int32_t)v;
}

int32_t znode_json_i32(struct znode_json *doc, const json_t *object, const char *key)
{
    return integer_of(doc, json_object_get(object, key));
}

const char *znode_json_copy(struct znode_json *doc, const json_t *string)
{
    if (!json_is_string(string)) {
        znode_json_fail(doc, ERR_CORRUPT);
        return "";
    }
    const char *copy = arena_strdup(doc->arena, json_string_value(string));
    if (copy == NULL)
        znode_json_fail(doc, ERR_NO_MEMORY);
    return copy == NULL ? "" : copy;
}

const char *znode_json_text(struct znode_json *doc, const json_t *object, const char *key)
{
    return znode_json_copy(doc, json_object_get(object, key));
}

json_t *znode_json_object(struct znode_json *doc, const json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);
    if (!json_is_object(v))
        znode_json_fail(doc, ERR_CORRUPT);
    return json_is_object(v) ? v : NULL;
}

json_t *znode_json_array(struct znode_json *doc, const json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);
    if (!json_is_array(v))
        znode_json_fail(doc, ERR_CORRUPT);
    return json_is_array(v) ? v : NULL;
}

int64_t znode_json_i64_text(struct znode_json *doc, const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    if (json_is_integer(v))
        return json_integer_value(v);
    const char *text = json_is_string(v) ? json_string_value(v) : "";
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    bool starts_well = (text[0] >= '0' && text[0] <= '9') || text[0] == '-';
    if (!starts_well || *end != '\0' || errno != 0) {
        znode_json_fail(doc, ERR_CORRUPT);
        return 0;
    }
    return n;
}

void *znode_json_room(struct znode_json *doc, size_t count, size_t size)
{
    void *room = doc->err == ERR_OK ? arena_array(doc->arena, count, size) : NULL;
    if (room == NULL)
        znode_json_fail(doc, ERR_NO_MEMORY);
    return room;
}

int32_t *znode_json_i32_list(struct znode_json *doc, const json_t *array, int32_t *count)
{
    *count = 0;
    if (!json_is_array(array)) {
        znode_json_fail(doc, ERR_CORRUPT);
        return NULL;
    }
    size_t n = json_array_size(array);
    int32_t *list = znode_json_room(doc, n, sizeof *list);
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        list[i] = integer_of(doc, json_array_get(array, i));
    *count = (int32_t)n; // bounded by the size of the payload
    return list;
}

json_t *znode_json_of_list(const int32_t *values, int32_t count)
{
    json_t *array = json_array();
    int failed = array == NULL;
    for (int32_t i = 0; i < count; i++)
        failed |= json_array_append_new(array, json_integer(values[i]));
    if (failed) {
        json_decref(array);
        return NULL;
    }
    return array;
}

json_t *znode_json_of_i64(int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return json_string(text);
}

enum err znode_json_write(json_t *root, struct arena *arena, struct slice *out)
{
    enum err err = ERR_OK;
    *out = SLICE_NULL;
    if (root == NULL)
        return ERR_INVALID;
    size_t len = json_dumpb(root, NULL, 0, JSON_COMPACT);
    char *text = arena_alloc(arena, len);
    if (len == 0)
        err = ERR_INVALID;
    else if (text == NULL)
        err = ERR_NO_MEMORY;
    else
        *out = slice_of(text, json_dumpb(root, text, len, JSON_COMPACT));
    json_decref(root);
    return err;
}
