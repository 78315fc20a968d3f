// SPDX-License-Identifier: Apache-2.0
//
// What the replica manager does to a partition. See partition.h for what everybody sees of it.
#ifndef OTTLA_REPLICA_PARTITION_PRIVATE_H
#define OTTLA_REPLICA_PARTITION_PRIVATE_H

#include "base/pool.h"
#include "broker/replica/partition.h"

// Owns the log from now on. It answers ERR_NOT_LEADER until partition_lead. One reference for the caller.
enum err partition_new(struct log *log, struct pool *pool, struct partition **out) WARN_UNUSED;

// [control] This broker leads from now on: notes the epoch in the log and opens the partition for clients. Everything
// in the log counts as committed when the ISR is this broker alone.
enum err partition_lead(struct partition *p, const struct cluster_partition_state *s,
                        const struct log_config *config) WARN_UNUSED;
// [control] The topic's configs are these from now on; log_config is what of them acts on the log.
void partition_configure(struct partition *p, const struct topic_config *config, const struct log_config *log_config);
// [control] Another broker leads, or none: clients get ERR_NOT_LEADER.
void partition_unlead(struct partition *p);

// [control] Ends it: nobody gets in any more, who waits is woken with ERR_NOT_LEADER, a flush under way has ended.
// Then the log is closed, or with erase its folder renamed for deletion.
enum err partition_end(struct partition *p, bool erase) WARN_UNUSED;

// The log directory it lies in; NULL when it has ended. [any]
struct log_dir *partition_directory(struct partition *p);
// Its directory is out of service: who waits is woken with ERR_FAILED.
void partition_go_offline(struct partition *p);

// Background work [disk]. All are no-ops on a partition that has ended.
void partition_retain(struct partition *p, int64_t now_ms);
void partition_expire_producers(struct partition *p, int64_t now_ms);
// fsyncs when flush.ms has passed since the last time.
void partition_flush_if_due(struct partition *p, int64_t mono_ms);

#endif
