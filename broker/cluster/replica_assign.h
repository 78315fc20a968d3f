// SPDX-License-Identifier: Apache-2.0
//
// Which brokers get the replicas of new partitions, as Kafka chooses them (AdminUtils): leaders take turns, followers
// stand at growing distances behind them; where every broker has a rack, racks take turns, too, and a partition has
// replicas in as many racks as there are.
#ifndef OTTLA_CLUSTER_REPLICA_ASSIGN_H
#define OTTLA_CLUSTER_REPLICA_ASSIGN_H

#include "base/arena.h"
#include "broker/cluster/metadata.h"
#include "zk/zk.h"

struct replica_sites; // brokers in the order in which they take turns

// All brokers of the picture; their racks count when each has one. In the arena, NULL when that is full.
struct replica_sites *replica_sites_of(const struct metadata *m, struct arena *a);
// The place of the first broker, by id, that is `broker` or above; 0 when there is none.
uint32_t replica_sites_find(const struct metadata *m, int32_t broker);

// replication_factor replicas (1 to the number of brokers) for each of `partitions` partitions from number `first` on,
// leaders spread from `start`, followers from `shift` places behind. *out ascending by partition, in the arena.
enum err replicas_assign(const struct replica_sites *sites, int32_t first, int32_t partitions,
                         int32_t replication_factor, uint32_t start, uint32_t shift, struct arena *a,
                         struct znode_replicas **out) WARN_UNUSED;

#endif
