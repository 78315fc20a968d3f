// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the protocol read and make up: the message vectors (protocol/tests/data/README.md), captured
// frames, and random messages.
#ifndef OTTLA_PROTOCOL_TESTS_SAMPLES_H
#define OTTLA_PROTOCOL_TESTS_SAMPLES_H

#include "protocol/tables.h"

// One message vector. All of it is valid during the call it is given to only.
struct sample {
    const struct message_desc *message;
    int16_t version;
    struct slice bytes; // alone in its own allocation, so that a sanitizer sees every read beyond it
    const char *json;   // its values; {"$b": hex} stands for bytes, records and uuid
};

// Calls fn with every vector and returns how many there were.
size_t sample_each(void (*fn)(const struct sample *s, void *ctx), void *ctx);

// Calls fn with every line, without its end, of a file of protocol/tests/data; the file may be gzip-compressed.
size_t sample_each_line(const char *name, void (*fn)(char *line, void *ctx), void *ctx);

// The bytes of a hex text in an allocation of just that size (at least 1); free() it.
uint8_t *sample_unhex(const char *hex, size_t *len);

// A deterministic source of chance; seed it with any number but 0.
struct chance {
    uint64_t state;
};
uint64_t chance_next(struct chance *c);
size_t chance_below(struct chance *c, size_t bound);

// A message with random values in all fields of the version, the others at their defaults. Memory from the arena.
void sample_random(const struct message_desc *m, int16_t version, struct chance *c, struct arena *a, void *out);

#endif
