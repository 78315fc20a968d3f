// SPDX-License-Identifier: Apache-2.0
//
// Where partitions that this broker does not have yet are to be made: AlterReplicaLogDirs may ask for that before the
// controller does. Kept in memory only, as in Kafka.
#ifndef OTTLA_REPLICA_PREFERRED_DIRS_H
#define OTTLA_REPLICA_PREFERRED_DIRS_H

#include "base/slice.h"
#include "log/log.h"

#define PREFERRED_DIRS_MAX 10000 // wishes kept at once; more are not noted

struct preferred_dirs;

struct preferred_dirs *preferred_dirs_new(void); // NULL without memory
void preferred_dirs_free(struct preferred_dirs *d);
// Notes a wish, in the place of an earlier one. [any]
void preferred_dirs_put(struct preferred_dirs *d, struct slice topic, int32_t partition, struct log_dir *dir);
// The wish, which is forgotten; NULL: none. [any]
struct log_dir *preferred_dirs_take(struct preferred_dirs *d, struct slice topic, int32_t partition);

#endif
