// SPDX-License-Identifier: Apache-2.0
//
// How much replication may take (KIP-73, KIP-113): what this broker sends, as leader, to followers that are not in
// sync, what it fetches as such a follower, and what its moves between log directories copy. The limits are set while
// the broker runs, for one broker or for all (leader.replication.throttled.rate and its kind); which replicas they are
// for says each topic.
#ifndef OTTLA_REPLICA_THROTTLE_H
#define OTTLA_REPLICA_THROTTLE_H

#include "broker/cluster/config_describe.h"
#include "broker/replica/byte_rate.h"

// Of server.properties.
struct throttle_settings {
    int32_t windows;              // replication.quota.window.num
    int32_t window_seconds;       // replication.quota.window.size.seconds
    int32_t moves_windows;        // alter.log.dirs.replication.quota.window.num
    int32_t moves_window_seconds; // alter.log.dirs.replication.quota.window.size.seconds
};

struct throttle {
    struct byte_rate leader;
    struct byte_rate follower;
    struct byte_rate moves;
};

// Nothing is throttled at first. ERR_NO_MEMORY: may be released all the same.
enum err throttle_init(struct throttle *t, const struct os *os, const struct throttle_settings *s) WARN_UNUSED;
void throttle_release(struct throttle *t);
// The limits are these from now on. What server.properties says of them has no effect, as in Kafka. [any]
void throttle_configure(struct throttle *t, const struct config_view *v);
// Whether a topic's list of throttled replicas ("*", or "partition:broker,...", NULL = none) has this one.
bool throttle_lists(const char *replicas, int32_t partition, int32_t broker_id);

#endif
