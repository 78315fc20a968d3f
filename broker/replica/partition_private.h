// SPDX-License-Identifier: Apache-2.0
//
// What the replica manager does to a partition. See partition.h for what everybody sees of it.
#ifndef OTTLA_REPLICA_PARTITION_PRIVATE_H
#define OTTLA_REPLICA_PARTITION_PRIVATE_H

#include "base/pool.h"
#include "broker/replica/partition.h"
#include "broker/replica/throttle.h"

// What partitions need of their broker. Outlives them.
struct partition_env {
    const struct os *os;
    struct pool *pool;
    int32_t broker_id;          // this broker
    struct throttle *throttle;  // of the whole broker
    int64_t replica_lag_max_ms; // replica.lag.time.max.ms
    // Asks the controller for another ISR; its word comes back by partition_isr_answered, unless an error says that it
    // was not asked. No lock is held. [any]
    enum err (*alter_isr)(void *ctx, const struct cluster_isr_change *change);
    void *ctx;
};

// Owns the log from now on. It answers ERR_NOT_LEADER until partition_lead or partition_follow. One reference for the
// caller.
enum err partition_new(struct log *log, const struct partition_env *env, struct partition **out) WARN_UNUSED;

// [control] This broker leads from now on: notes the epoch in the log and opens the partition for clients. Everything
// in the log counts as committed when the ISR is this broker alone. ERR_FENCED_EPOCH: this epoch is known already (then
// the configs are taken, and nothing else), or a newer one. ERR_OK for a known epoch: it brought the topic's id, which
// the log lacked.
enum err partition_lead(struct partition *p, const struct cluster_partition_state *s,
                        const struct log_config *config) WARN_UNUSED;
// [control] This broker follows s->leader from now on; what waits for it as a leader is woken. *news: the epoch was not
// known. Errors as partition_lead.
enum err partition_follow(struct partition *p, const struct cluster_partition_state *s, const struct log_config *config,
                          bool *news) WARN_UNUSED;
// [control] The topic's configs are these from now on; log_config is what of them acts on the log.
void partition_configure(struct partition *p, const struct topic_config *config, const struct log_config *log_config);
// [control] Nobody leads that this broker could follow: clients get ERR_NOT_LEADER.
void partition_unlead(struct partition *p);

// [control] Ends it: nobody gets in any more, who waits is woken with ERR_NOT_LEADER, a flush under way has ended.
// Then the log is closed, or with erase its folder renamed for deletion.
enum err partition_end(struct partition *p, bool erase) WARN_UNUSED;

// ---- moving to another log directory: partition_move.c ----

// The copy of a move that was found at the start. Owns it. False: there is one already.
bool partition_attach_future(struct partition *p, struct log *future);
// Begins to move to `to`; a move to another directory is given up. Nothing when it is there already or on its way.
// ERR_NOT_LEADER: it has ended. ERR_FAILED: its log, or `to`, is out of service; and the errors of log_create_future.
enum err partition_move_begin(struct partition *p, struct log_dir *to) WARN_UNUSED; // [disk]
// True: there is a move nobody works on; the caller does now, by calling partition_move_step until it says so.
bool partition_move_claim(struct partition *p);

enum move_step {
    MOVE_MORE,  // something was copied
    MOVE_PAUSE, // throttled; or no room, memory or descriptor free: later
    MOVE_ENDED, // done, given up, or in trouble that was told
};
// Copies some of what the copy lacks, and puts the copy in the log's place when it lacks nothing.
enum move_step partition_move_step(struct partition *p); // [disk]
// A directory has failed: the copy in it is given up.
void partition_move_drop(struct partition *p, const struct log_dir *dir);
// The copy's directory, size and how many offsets it is behind. False: there is none. [any]
bool partition_future(struct partition *p, struct log_dir **dir, int64_t *bytes, int64_t *lag);

// The log directory it lies in; NULL when it has ended. [any]
struct log_dir *partition_directory(struct partition *p);
// Its directory is out of service: who waits is woken with ERR_FAILED.
void partition_go_offline(struct partition *p);
// [control] What has become of a change of the ISR that was asked for.
void partition_isr_answered(struct partition *p, const struct cluster_isr_answer *a);
// [control] These brokers are registered, by id in rising order.
void partition_brokers_alive(struct partition *p, const int32_t *ids, int32_t count);

// ---------------------------------------------------------------------------------------------------------------
// The follower's side, for its fetcher. ERR_FENCED_EPOCH: the partition does not follow in that leader epoch any more;
// nothing was done. ERR_FAILED: the log is out of service.

// Whether its fetcher has to mind the follower's throttle. [any]
bool partition_follower_throttled(struct partition *p);
// Where to go on. [any]
struct partition_position {
    int64_t end_offset;
    int64_t start_offset;
    int64_t high_watermark;
    int32_t latest_epoch; // of the batches there are, -1 = none
};
enum err partition_position(struct partition *p, int32_t leader_epoch, struct partition_position *out) WARN_UNUSED;

struct partition_replicate {
    int32_t leader_epoch;
    int64_t fetch_offset; // asked for
    uint8_t *data;        // batches as the leader has them; the last may be cut off
    size_t len;
    int64_t high_watermark; // of the leader
    int64_t start_offset;   // likewise
};
// Appends what the leader gave and takes over its marks. When it returns what flush.messages asks for is on the disk.
// ERR_OUT_OF_RANGE: the end is not at fetch_offset any more, or the batches begin below it and the log is not empty;
// and the errors of log_append. *end_offset: where to fetch next. [disk]
enum err partition_replicate(struct partition *p, const struct partition_replicate *r, struct arena *scratch,
                             int64_t *end_offset) WARN_UNUSED;
// Cuts everything at and above offset, never below the log's start. [disk]
enum err partition_truncate(struct partition *p, int32_t leader_epoch, int64_t offset) WARN_UNUSED;
// Drops everything there is: the log begins anew at offset. [disk]
enum err partition_restart(struct partition *p, int32_t leader_epoch, int64_t offset) WARN_UNUSED;
// Where the log says that an epoch ended, for the comparison with the leader's word (log_epoch_end). [any]
enum err partition_own_epoch_end(struct partition *p, int32_t leader_epoch, int32_t epoch, int32_t *found_epoch,
                                 int64_t *end_offset) WARN_UNUSED;

// Background work [disk]. All are no-ops on a partition that has ended.
void partition_retain(struct partition *p, int64_t now_ms);
void partition_expire_producers(struct partition *p, int64_t now_ms);
// fsyncs when flush.ms has passed since the last time.
void partition_flush_if_due(struct partition *p, int64_t mono_ms);
// fsyncs what its log lacks, the names of a new log above all. Nothing is done for want of a descriptor or memory: the
// next flush does it.
void partition_settle(struct partition *p);
// Followers that lag are taken out of the ISR.
void partition_shrink_isr(struct partition *p, int64_t mono_ms);

#endif
