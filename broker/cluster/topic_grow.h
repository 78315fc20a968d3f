// SPDX-License-Identifier: Apache-2.0
//
// What CreatePartitions checks before a topic grows, in Kafka's order and with its sentences, and the replicas of the
// new partitions. Pure.
#ifndef OTTLA_CLUSTER_TOPIC_GROW_H
#define OTTLA_CLUSTER_TOPIC_GROW_H

#include "broker/cluster/cluster.h"
#include "zk/zk.h"

// now: the topic's node, NULL when there is none; marked: it is to be deleted. Fills *next, which lies in the arena and
// refers to *now, or t->error_code and t->error_message. ERR_NO_MEMORY.
enum err topic_grow_plan(const struct metadata *metadata, const struct znode_topic *now, bool marked,
                         struct topic_grow *t, struct arena *a, struct znode_topic *next) WARN_UNUSED;

#endif
