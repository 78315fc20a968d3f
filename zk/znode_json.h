// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing JSON payloads of znodes, inside the zk library. A document turns bad once and stays bad: getters
// answer zero then, and the decoder learns the error once, when it closes the document. Getters copy text and lists
// into the arena, so that nothing decoded points into the document.
#ifndef OTTLA_ZK_ZNODE_JSON_H
#define OTTLA_ZK_ZNODE_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct znode_json {
    json_t *root; // an object; NULL when the bytes were none
    struct arena *arena;
    enum err err; // the first thing that went wrong
};

// Always close it, also when it is bad.
void znode_json_open(struct znode_json *doc, struct slice data, struct arena *arena);
enum err znode_json_close(struct znode_json *doc) WARN_UNUSED;
void znode_json_fail(struct znode_json *doc, enum err err);

// Members of an object that must be there with this type. object may be NULL in a bad document.
int32_t znode_json_i32(struct znode_json *doc, const json_t *object, const char *key);
const char *znode_json_text(struct znode_json *doc, const json_t *object, const char *key);
json_t *znode_json_object(struct znode_json *doc, const json_t *object, const char *key);
json_t *znode_json_array(struct znode_json *doc, const json_t *object, const char *key);
// Kafka writes 64-bit numbers as decimal text; plain numbers are read, too.
int64_t znode_json_i64_text(struct znode_json *doc, const json_t *object, const char *key);

// Lets a decoder treat absent and null alike, as Kafka does for optional members.
bool znode_json_has(const json_t *object, const char *key);

// Values: the text of a string; the integers of an array.
const char *znode_json_copy(struct znode_json *doc, const json_t *string);
int32_t *znode_json_i32_list(struct znode_json *doc, const json_t *array, int32_t *count);
// Room for the members of an object or array, zeroed; NULL (and bad) when the arena is full.
void *znode_json_room(struct znode_json *doc, size_t count, size_t size);

// An array of integers, NULL without memory.
json_t *znode_json_of_list(const int32_t *values, int32_t count);
// Decimal text, NULL without memory.
json_t *znode_json_of_i64(int64_t value);
// Writes the document compactly into the arena and drops it. root NULL (jansson refused a member) is ERR_INVALID.
enum err znode_json_write(json_t *root, struct arena *arena, struct slice *out) WARN_UNUSED;

#endif
