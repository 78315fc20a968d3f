// SPDX-License-Identifier: Apache-2.0
//
// The order in which Kafka answers for many groups: that of the hash tables it keeps them in. Both begin with 16
// buckets, double when they are three quarters full, and take the bucket from String.hashCode. Java's (ListGroups)
// keeps the entries of a bucket as they came, Scala's (DeleteGroups) by their hash. What Kafka's answer owes to a table
// that was larger once is not imitated: tables there do not shrink.
#ifndef OTTLA_API_JAVA_ORDER_H
#define OTTLA_API_JAVA_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct java_order {
    int32_t index; // the caller's
    int32_t hash;
    uint32_t bucket; // set by the sort
};

struct java_order java_order_of(int32_t index, struct slice key);
// As a table with `entries` (at least count) has them.
void java_order_sort(struct java_order *list, int32_t count, int32_t entries, bool by_hash);

#endif
