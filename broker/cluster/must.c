// SPDX-License-Identifier: Apache-2.0
//
// Allocation that aborts rather than fails.
#include "broker/cluster/must.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/logging.h"

void *must_have(const void *p)
{
    if (p == NULL) {
        log_error("cluster", "out of memory in the control plane; stopping at once, a restart goes on from here");
        abort();
    }
    return (void *)(uintptr_t)p;
}

void *must_array(size_t count, size_t size)
{
    return must_have(calloc(count == 0 ? 1 : count, size));
}

void *must_alloc(size_t size)
{
    return must_array(1, size);
}

void *must_copy(const void *data, size_t len)
{
    void *p = must_array(len, 1);
    if (len > 0) {
        memcpy(p, data, len);
    }
    return p;
}

char *must_strdup(const char *s)
{
    return must_have(strdup(s));
}

void *must_grow(void *array, int32_t count, int32_t *capacity, size_t size)
{
    if (count < *capacity) {
        return array;
    }
    ASSERT(*capacity <= INT32_MAX / 2);
    int32_t bigger = *capacity == 0 ? 8 : *capacity * 2;
    array = must_have(reallocarray(array, (size_t)bigger, size));
    memset((char *)array + (size_t)count * size, 0, (size_t)(bigger - count) * size);
    *capacity = bigger;
    return array;
}

void *must_arena_array(struct arena *a, size_t count, size_t size)
{
    return must_have(arena_array(a, count, size));
}

void *must_arena_copy(struct arena *a, const void *data, size_t len)
{
    void *p = must_have(arena_alloc(a, len));
    if (len > 0) {
        memcpy(p, data, len);
    }
    return p;
}
