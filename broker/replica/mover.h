// SPDX-License-Identifier: Apache-2.0
//
// Works on the moves of partitions between log directories: a few at a time, each one chunk per turn, on the disk pool.
#ifndef OTTLA_REPLICA_MOVER_H
#define OTTLA_REPLICA_MOVER_H

#include "base/pool.h"
#include "broker/replica/partition.h"

struct mover;

// At most `limit` turns run at once (num.replica.alter.log.dirs.threads).
enum err mover_new(struct pool *pool, int32_t limit, struct mover **out) WARN_UNUSED;
// Waits for turns under way, so the pool must still run; moves that are not finished go on at the next start.
void mover_free(struct mover *m);
// Works on the partition's move, if it has one nobody works on. ERR_NO_MEMORY. [any]
enum err mover_add(struct mover *m, struct partition *p) WARN_UNUSED;

#endif
