// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "broker/api/java_order.h"

#include <stdlib.h>

#include "broker/cluster/java_hash.h"

#define TABLE_FIRST_SIZE 16

struct java_order java_order_of(int32_t index, struct slice key)
{
    return (struct java_order){.index = index, .hash = java_string_hash(key)};
}

static int three_way(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_arrival(const void *a, const void *b)
{
    const struct java_order *x = a, *y = b;
    return x->bucket != y->bucket ? three_way(x->bucket, y->bucket) : three_way(x->index, y->index);
}

static int compare_hash(const void *a, const void *b)
{
    const struct java_order *x = a, *y = b;
    return x->bucket != y->bucket || x->hash == y->hash ? compare_arrival(a, b) : three_way(x->hash, y->hash);
}

void java_order_sort(struct java_order *list, int32_t count, int32_t entries, bool by_hash)
{
    uint32_t size = TABLE_FIRST_SIZE;
    while ((uint32_t)entries >= size - size / 4) {
        size *= 2;
    }
    for (int32_t i = 0; i < count; i++) {
        uint32_t hash = (uint32_t)list[i].hash;
        list[i].bucket = (hash ^ hash >> 16) & (size - 1);
    }
    if (count > 1) {
        qsort(list, (size_t)count, sizeof *list, by_hash ? compare_hash : compare_arrival);
    }
}
