// SPDX-License-Identifier: Apache-2.0
//
// Which partition of an internal topic an id belongs to, and which fetcher a partition: Kafka takes Java's
// String.hashCode, which works on UTF-16 code units, and of that the absolute value modulo their number.
#ifndef OTTLA_CLUSTER_JAVA_HASH_H
#define OTTLA_CLUSTER_JAVA_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

// id is UTF-8; a malformed byte counts as U+FFFD, which is what Java makes of it.
int32_t java_string_hash(struct slice id);
// How many UTF-16 code units a text has: what Java calls its length. NULL has none.
size_t java_string_length(struct slice text);
// partitions > 0. The absolute value of the smallest number is 0 here.
int32_t java_string_partition(struct slice id, int32_t partitions);

#endif
