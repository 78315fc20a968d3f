// SPDX-License-Identifier: Apache-2.0
//
// Has new partitions reach the disk, on the disk pool: whoever creates them does not wait for an fsync. One at a time,
// in the order they came, each one job at the end of the pool's queue, so that thousands of them leave the pool to
// others.
#ifndef OTTLA_REPLICA_SETTLER_H
#define OTTLA_REPLICA_SETTLER_H

#include "base/pool.h"
#include "broker/replica/partition.h"

struct settler;

enum err settler_new(struct pool *pool, struct settler **out) WARN_UNUSED;
// Waits for the one under way, so the pool must still run; the others settle when their logs are closed.
void settler_free(struct settler *s);
// Takes a reference. ERR_NO_MEMORY: it settles with its first flush, or when its log is closed. [any]
enum err settler_add(struct settler *s, struct partition *p) WARN_UNUSED;

#endif
