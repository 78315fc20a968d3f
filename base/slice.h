// SPDX-License-Identifier: Apache-2.0
//
// A slice is a view of bytes that somebody else owns. data == NULL means "null" where the format knows null;
// an empty slice that is not null has a non-NULL data pointer and len 0.
#ifndef OTTLA_BASE_SLICE_H
#define OTTLA_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t len;
};

#define SLICE_NULL ((struct slice){NULL, 0})

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){(const uint8_t *)data, len};
}

// The bytes of a C string without its end mark.
static inline struct slice slice_str(const char *s)
{
    return slice_of(s, strlen(s));
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

#endif
