// SPDX-License-Identifier: Apache-2.0
//
// Kafka's 16-byte ids (topics, clusters, directories). Text form: url-safe base64 without padding, 22 characters.
#ifndef OTTLA_BASE_UUID_H
#define OTTLA_BASE_UUID_H

#include "base/err.h"
#include "base/os.h"
#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_LEN 22

struct uuid {
    uint8_t b[16];
};

bool uuid_is_zero(const struct uuid *u);
bool uuid_equal(const struct uuid *a, const struct uuid *b);
// Version 4, never one whose text begins with '-' and never the two reserved values (zero and one), as Kafka does.
void uuid_random(const struct os *os, struct uuid *out);
void uuid_format(const struct uuid *u, char text[UUID_TEXT_LEN + 1]);
enum err uuid_parse(const char *text, struct uuid *out) WARN_UNUSED;

#endif
