// SPDX-License-Identifier: Apache-2.0
//
// The following side of the replica manager: which partitions are copied from whom, and where those brokers are. The
// fetchers' threads are started when the first partition follows, so a broker alone has none. [control]
#ifndef OTTLA_REPLICA_REPLICATION_H
#define OTTLA_REPLICA_REPLICATION_H

#include "broker/replica/fetchers.h"

struct replication {
    struct fetchers_options options;
    const char *listener; // inter.broker.listener.name; outlives it
    int32_t broker_id;
    int64_t broker_epoch;
    const struct metadata *picture; // counted; NULL before the first
    struct fetchers *fetchers;      // NULL before the first partition
    enum err begin_err;             // why their threads could not be started
};

void replication_init(struct replication *r, const struct fetchers_options *o, const char *listener);
// Stops copying. The partitions are still there.
void replication_release(struct replication *r);
void replication_identify(struct replication *r, int32_t broker_id, int64_t broker_epoch);
// False: the brokers and their addresses are as they were.
bool replication_picture(struct replication *r, const struct metadata *picture);
// An error of starting threads, or ERR_NO_MEMORY. Threads that could not be started are not tried again for each
// partition: until replication_try_again the answer stays the same.
enum err replication_follow(struct replication *r, struct partition *p, int32_t leader,
                            int32_t leader_epoch) WARN_UNUSED;
void replication_try_again(struct replication *r);
void replication_forget(struct replication *r, const struct partition *p);

#endif
