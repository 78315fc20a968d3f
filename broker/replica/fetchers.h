// SPDX-License-Identifier: Apache-2.0
//
// All fetchers of this broker: `num.replica.fetchers` threads, each with a loop and one fetcher per leader. Which
// thread copies a partition is Kafka's choice (by topic and number), so that it stays the same. Called from the control
// thread; the work is done on the threads.
#ifndef OTTLA_REPLICA_FETCHERS_H
#define OTTLA_REPLICA_FETCHERS_H

#include "broker/replica/fetcher.h"

struct fetchers;

struct fetchers_options {
    const struct os *os;
    struct pool *pool;
    struct byte_rate *throttle; // the follower's; outlives them
    struct fetch_settings settings;
};

// Starts the threads.
enum err fetchers_new(const struct fetchers_options *o, struct fetchers **out) WARN_UNUSED;
// Stops them; drained before the pool is freed. NULL is fine.
void fetchers_free(struct fetchers *s);
// Before anything is followed: who asks, as brokers know it. The epoch is that of this broker's registration.
void fetchers_identify(struct fetchers *s, int32_t broker_id, int64_t broker_epoch);
// Where a broker is reached from now on.
void fetchers_address(struct fetchers *s, int32_t broker_id, const char *host, int32_t port);
// The partition follows the leader in that epoch; nobody else any more. Takes a reference of its own. ERR_NO_MEMORY.
enum err fetchers_follow(struct fetchers *s, struct partition *p, int32_t leader, int32_t leader_epoch) WARN_UNUSED;
// It follows nobody any more. What comes late is refused by the partition itself, which has another role by now.
void fetchers_forget(struct fetchers *s, const struct partition *p);

#endif
