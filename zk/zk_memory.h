// SPDX-License-Identifier: Apache-2.0
//
// Memory of the zk library. A request for it has a size that was checked against a named bound before; when even that
// is not there, a store that has already journalled a change cannot go on with a tree that lacks it, so the process
// ends here, as it does for any broken invariant.
#ifndef OTTLA_ZK_ZK_MEMORY_H
#define OTTLA_ZK_ZK_MEMORY_H

#include <stdlib.h>

#include "base/assert.h"
#include "base/slice.h"

// Zeroed, never NULL; a size of 0 gives one byte.
static inline void *zk_memory_alloc(size_t size)
{
    void *p = calloc(1, size == 0 ? 1 : size);
    ASSERT(p != NULL);
    return p;
}

static inline void *zk_memory_grow(void *old, size_t count, size_t size)
{
    void *p = reallocarray(old, count, size);
    ASSERT(p != NULL);
    return p;
}

// A copy with a NUL behind it; NULL for null bytes.
static inline void *zk_memory_copy(struct slice bytes)
{
    if (bytes.data == NULL)
        return NULL;
    char *p = zk_memory_alloc(bytes.len + 1);
    memcpy(p, bytes.data, bytes.len);
    return p;
}

#endif
