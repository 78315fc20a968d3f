// SPDX-License-Identifier: Apache-2.0
//
// An arena hands out memory that is freed all at once. Blocks double up to a maximum; a limit bounds the sum, so that
// what a peer sends cannot make it grow without end. Not thread safe: an arena has one owner.
#ifndef OTTLA_BASE_ARENA_H
#define OTTLA_BASE_ARENA_H

#include "base/err.h"
#include "base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; // newest first
    uint8_t *next;              // free room in the newest block
    uint8_t *end;
    size_t used;  // bytes handed out in all
    size_t limit; // handing out more than this fails
};

void arena_init(struct arena *a, size_t limit);
void arena_release(struct arena *a);
// Empties the arena but keeps its first block for reuse.
void arena_reset(struct arena *a);
// Takes over all that lies in `from`, which is empty afterwards; the limit of *a rises by as much.
void arena_adopt(struct arena *a, struct arena *from);

// Memory aligned for any type, zeroed; NULL past the limit or without memory. size 0 gives a valid pointer.
void *arena_alloc(struct arena *a, size_t size);
// count * size with overflow check, zeroed.
void *arena_array(struct arena *a, size_t count, size_t size);
// Copies; the string gets an end mark.
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const void *data, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
