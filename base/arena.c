// SPDX-License-Identifier: Apache-2.0
//
// The arena: a list of blocks, newest first. Room is cut from the newest block only; what is left of an older block is
// given up. Rounding up to the alignment counts against the limit, so the limit bounds the real memory.
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ARENA_ALIGN_BYTES = _Alignof(max_align_t),
    // With its head no more than malloc hands out without looking further (glibc: up to 1032 bytes from a list of the
    // thread), because most arenas are of a small request and need no second block.
    ARENA_FIRST_BLOCK_BYTES = 1008,
    ARENA_MAX_BLOCK_BYTES = 256 * 1024, // a larger piece gets a block of its own size
};

struct arena_block {
    struct arena_block *older;
    size_t size; // of data
    _Alignas(max_align_t) uint8_t data[];
};

void arena_init(struct arena *a, size_t limit)
{
    *a = (struct arena){.limit = limit};
}

static void blocks_free(struct arena_block *b)
{
    while (b) {
        struct arena_block *older = b->older;
        free(b);
        b = older;
    }
}

void arena_release(struct arena *a)
{
    blocks_free(a->blocks);
    arena_init(a, a->limit);
}

void arena_reset(struct arena *a)
{
    struct arena_block *first = a->blocks;
    if (!first) {
        return;
    }
    while (first->older) {
        struct arena_block *older = first->older;
        free(first);
        first = older;
    }
    a->blocks = first;
    a->next = first->data;
    a->end = first->data + first->size;
    a->used = 0;
}

void arena_adopt(struct arena *a, struct arena *from)
{
    if (!from->blocks) {
        return;
    }
    if (a->blocks) {
        struct arena_block *oldest = a->blocks;
        while (oldest->older) {
            oldest = oldest->older;
        }
        oldest->older = from->blocks;
    } else {
        a->blocks = from->blocks;
        a->next = from->next;
        a->end = from->end;
    }
    a->used += from->used;
    a->limit += from->used;
    from->blocks = NULL;
    arena_release(from);
}

// Puts a block with room for size bytes in front.
static bool arena_grow(struct arena *a, size_t size)
{
    size_t block_size = ARENA_FIRST_BLOCK_BYTES;
    if (a->blocks) {
        block_size = a->blocks->size < ARENA_MAX_BLOCK_BYTES / 2 ? a->blocks->size * 2 : ARENA_MAX_BLOCK_BYTES;
    }
    if (block_size < size) {
        block_size = size;
    }
    struct arena_block *b = malloc(sizeof *b + block_size);
    if (!b) {
        return false;
    }
    b->older = a->blocks;
    b->size = block_size;
    a->blocks = b;
    a->next = b->data;
    a->end = b->data + block_size;
    return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > a->limit) {
        return NULL; // also keeps the rounding below from overflowing
    }
    size_t rounded =
        size == 0 ? ARENA_ALIGN_BYTES : (size + ARENA_ALIGN_BYTES - 1) / ARENA_ALIGN_BYTES * ARENA_ALIGN_BYTES;
    if (rounded < size || rounded > a->limit - a->used) {
        return NULL;
    }
    if ((!a->blocks || rounded > (size_t)(a->end - a->next)) && !arena_grow(a, rounded)) {
        return NULL;
    }
    void *p = a->next;
    a->next += rounded;
    a->used += rounded;
    memset(p, 0, rounded);
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return arena_alloc(a, total);
}

char *arena_strndup(struct arena *a, const void *data, size_t len)
{
    char *s = len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;
    if (s && len > 0) {
        memcpy(s, data, len);
    }
    return s;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) {
        return NULL;
    }
    char *s = arena_alloc(a, (size_t)len + 1);
    if (s) {
        va_start(args, fmt);
        vsnprintf(s, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    return s;
}
