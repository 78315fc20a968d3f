// SPDX-License-Identifier: Apache-2.0
//
// The door of the protocol library: Kafka's messages as C structs, and the one codec that turns them into bytes and
// back. It knows no files, sockets or broker.
//
// The structs and the tables that describe them are generated from protocol/schema/ by protocol/gen/ into
// protocol/messages.h and messages.c of the build directory: data, not code. What a schema says becomes
//   message Produce, section request    struct produce_request, const struct message_desc produce_request_desc
//   struct TopicProduceData of it       struct produce_request_topic_produce_data
//   field PartitionData []T             T *partition_data; int32_t partition_data_count;   count -1 = null
//   string, bytes                       struct slice; data NULL = null
//   records                             struct records; data NULL and file NULL = null
//   uuid, bool, intN, float64           struct uuid, bool, intN_t, double
//   struct                              the struct itself; a nullable one is a const pointer, NULL = null
// A schema file may hold "data" messages (one body section): struct end_txn_marker_value and so on.
#ifndef OTTLA_PROTOCOL_PROTOCOL_H
#define OTTLA_PROTOCOL_PROTOCOL_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/uuid.h"

// A records field. Either bytes in memory, or len bytes that are elsewhere (a file): then `file` is an opaque handle
// of the caller, data is NULL, and the encoder writes the length only and reports the place (struct gap).
struct records {
    const uint8_t *data;
    size_t len;
    void *file;
    int64_t position; // of the bytes in the file; only carried along
};

// Where external records belong in an encoded message: after the first `at` bytes of what the writer holds (which
// counts what it held before, so the list of a frame fits its writer when the header was encoded to it, too).
struct gap {
    size_t at;
    const struct records *records; // points into the message that was encoded
};

struct gap_list {
    struct gap *gaps; // room given by the caller (one per records field at most)
    size_t count;
    size_t cap;
};

struct message_desc; // one generated table; opaque outside protocol/

// Static facts of an API of Kafka 3.9. The table holds what a broker in ZooKeeper mode, its clients and its controller
// may speak, whether this broker serves it or not; APIs of KRaft quorums and of share groups are unknown here.
struct protocol_api {
    int16_t key;
    const char *name; // "Produce"
    int16_t min_version;
    int16_t max_version;
    int16_t flexible_from; // INT16_MAX when never
    const struct message_desc *request;
    const struct message_desc *response;
};

// NULL for an unknown key.
const struct protocol_api *protocol_api_find(int16_t key);

// Size of the C struct of a message, and its name ("ProduceRequest").
size_t message_struct_size(const struct message_desc *m);
const char *message_name(const struct message_desc *m);
// Finds a message by its name ("FetchResponse", "RequestHeader", "OffsetCommitKey"); for tests and tools. NULL if none.
const struct message_desc *message_find(const char *name);

// Sets every field to the default of the schema (for a nested array element use the _init the generator emits for its
// struct: static inline void produce_response_partition_produce_response_init(struct ... *)).
void message_init(const struct message_desc *m, void *out);

// Decodes one body. Strings, bytes and records stay views into the reader's bytes (which must outlive `out`); arrays
// and nested structs come from the arena, whose limit bounds them; an array count larger than the bytes left is
// refused before allocating. Fields the version lacks are at their defaults. Unknown tags are skipped. Bytes left over
// are left in the reader. After an error the reader is bad and `out` is not to be used.
// ERR_TRUNCATED, ERR_CORRUPT (null where null is not allowed, bad varint, string over 32767), ERR_NO_MEMORY,
// ERR_UNSUPPORTED (the message has no such version).
enum err message_decode(const struct message_desc *m, int16_t version, struct reader *r, struct arena *a,
                        void *out) WARN_UNUSED;

// Encodes one body behind what the writer holds. A field the version cannot carry is dropped if the schema calls it
// ignorable, else ERR_INVALID when it is not at its default. gaps may be NULL when no records field is external.
// After an error the writer and the list hold what they held before.
// ERR_INVALID (also null where null is not allowed, a string over 32767), ERR_UNSUPPORTED (the message has no such
// version), ERR_TOO_LARGE (the writer is full; it stays bad), ERR_FULL (the list of gaps is).
enum err message_encode(const struct message_desc *m, int16_t version, const void *in, struct writer *w,
                        struct gap_list *gaps) WARN_UNUSED;

// One line of JSON for people (bytes as hex under "$b", field names as in the schema); appended to the writer.
// ERR_UNSUPPORTED, ERR_TOO_LARGE (the writer is full).
enum err message_print(const struct message_desc *m, int16_t version, const void *in, struct writer *w) WARN_UNUSED;

// The header version of a request and of its response (KIP-482; ApiVersions answers always use 0, ControlledShutdown
// v0 asks with 0). For an unknown key, or a version above max, request headers count as flexible.
int16_t protocol_request_header_version(int16_t key, int16_t version);
int16_t protocol_response_header_version(int16_t key, int16_t version);

#include "protocol/errors.h"
#include "protocol/messages.h" // generated

#endif
