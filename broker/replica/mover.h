// SPDX-License-Identifier: Apache-2.0
//
// Works on the moves of partitions between log directories: a few at a time, each one chunk per turn, on the disk pool.
// A move that has to pause (its throttle, no room on the disk) holds no thread; a timer gives it its next turn.
#ifndef OTTLA_REPLICA_MOVER_H
#define OTTLA_REPLICA_MOVER_H

#include "base/pool.h"
#include "broker/net/loop.h"
#include "broker/replica/partition.h"

struct mover;

// At most `limit` turns run at once (num.replica.alter.log.dirs.threads).
enum err mover_new(struct pool *pool, int32_t limit, struct mover **out) WARN_UNUSED;
// Between these two moves that pause go on after a while; before and after them they stay where they are. Stopping what
// was not started does nothing. [loop]
enum err mover_start(struct mover *m, struct loop *loop) WARN_UNUSED;
void mover_stop(struct mover *m);
// Waits for turns under way, so the pool must still run; moves that are not finished go on at the next start.
void mover_free(struct mover *m);
// Works on the partition's move, if it has one nobody works on. ERR_NO_MEMORY. [any]
enum err mover_add(struct mover *m, struct partition *p) WARN_UNUSED;

#endif
