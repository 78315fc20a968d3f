// SPDX-License-Identifier: Apache-2.0
//
// Inside of a partition, shared by its files only (partition*.c). Three locks, in this order:
//   append_mu  whoever writes to the log, and whoever ends the partition
//   log_gate   (shared) whoever reads or flushes the log; taken alone by partition_end, so the log outlives its readers
//   state_mu   leader epoch, high watermark, failure, wait lists; never held across a system call
// `log` is set once and becomes NULL in partition_end, under append_mu and log_gate: holding either keeps it alive.
#ifndef OTTLA_REPLICA_PARTITION_INTERNAL_H
#define OTTLA_REPLICA_PARTITION_INTERNAL_H

#include "broker/replica/partition_private.h"

#define PARTITION_WAKE_ALL ((int64_t)1 << 62) // more than any wait can miss

#define WAKE_ALL ((int64_t)1 << 62) // more than any wait can miss

enum flush_state {
    FLUSH_IDLE,
    FLUSH_QUEUED,
    FLUSH_RUNNING,
    FLUSH_RUNNING_AGAIN, // asked for again meanwhile
};

struct partition {
    struct pool_job flush_job; // first: the pool hands it back
    atomic_int refs;
    char *topic;
    int32_t index;
    struct uuid topic_id;
    struct pool *pool;

    struct mutex append_mu;
    pthread_rwlock_t log_gate;
    struct log *log;
    int64_t last_flush_ms; // monotonic; only the flush.ms task touches it

    struct mutex state_mu;
    struct cond flush_idle; // with state_mu
    enum flush_state flush;
    bool leader;
    bool failed;
    bool ended;
    int32_t leader_epoch;
    int32_t isr_count;
    int32_t replicas_count;
    int32_t min_insync_replicas;
    int64_t file_delete_delay_ms;
    int64_t flush_ms;
    struct partition_formats formats;
    bool cleanup_delete; // cleanup.policy contains delete
    int64_t high_watermark;
    int64_t last_stable_offset;  // as the waiters of read_committed know it
    int64_t hidden_bytes;        // appended, but held back for a flush
    struct wait_list acks;       // threshold: high watermark to reach
    struct wait_list flush_acks; // threshold: high watermark and fsynced offset to reach
    struct wait_list fetches[3]; // by enum partition_isolation; threshold: bytes that still count
};
// ---- partition.c ----

// The log for reading or flushing, kept alive until partition_log_leave; NULL when the partition has ended.
struct log *partition_log_enter(struct partition *p);
void partition_log_leave(struct partition *p);
// Something of the log went wrong: no appends any more, who waits is woken, one line says so.
void partition_fail(struct partition *p, const char *doing, enum err err);
// Whether the error means that.
bool partition_log_broken(enum err err);

// All under state_mu from here on. Those who wait for the list's thing to reach so much.
void partition_wake_reached(struct wait_list *list, int64_t reached, struct wake_list *woken);
// Of more bytes a reader takes as many as one read of it still has room for: no more than those count for it.
void partition_wake_fetches(struct wait_list *list, int64_t bytes, struct wake_list *woken);
void partition_wake_all(struct partition *p, struct wake_list *woken);
// The last stable offset.
int64_t partition_stable_offset(const struct partition *p, const struct log *log);
// Nothing when it is there already. bytes: what becomes readable, PARTITION_WAKE_ALL when that is not known.
void partition_raise_watermark(struct partition *p, struct log *log, int64_t high_watermark, int64_t bytes,
                               struct wake_list *woken);
// ERR_OK, NOT_LEADER, FAILED. The log is kept alive by the caller unless the partition has ended.
enum err partition_check_leader(const struct partition *p);
// The same for who only reads: a leader whose log has failed still serves what is safe (log_read says what that is).
enum err partition_check_reader(const struct partition *p);
// Those and FENCED_EPOCH, UNKNOWN_EPOCH. An epoch below zero means the client does not know one.
enum err partition_check_epoch(const struct partition *p, int32_t current_leader_epoch);

// ---- partition_flush.c ----

void partition_flush_run(struct pool_job *job);
// Asks for an fsync in the background: one job per partition; whoever asks while it runs gets one more run.
void partition_flush_start(struct partition *p);

#endif
