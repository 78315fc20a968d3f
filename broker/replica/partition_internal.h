// SPDX-License-Identifier: Apache-2.0
//
// Inside of a partition, shared by its files only (partition*.c). Four locks, in this order:
//   move_mu    whoever writes to the copy that a move makes (`future`), makes it or takes it away; held across fsyncs
//   append_mu  whoever writes to the log, and whoever ends the partition
//   log_gate   (shared) whoever reads or flushes the log; taken alone by partition_end, so the log outlives its readers
//   state_mu   leader epoch, high watermark, failure, wait lists; never held across a system call
// `log` changes when a move has ended, and becomes NULL in partition_end, under append_mu and log_gate: holding either
// keeps it alive. So does move_mu or log_gate with `future`.
#ifndef OTTLA_REPLICA_PARTITION_INTERNAL_H
#define OTTLA_REPLICA_PARTITION_INTERNAL_H

#include "broker/replica/partition_private.h"
#include "broker/replica/replica_set.h"

#define PARTITION_WAKE_ALL ((int64_t)1 << 62) // more than any wait can miss

enum flush_state {
    FLUSH_IDLE,
    FLUSH_QUEUED,
    FLUSH_RUNNING,
    FLUSH_RUNNING_AGAIN, // asked for again meanwhile
};

enum partition_role {
    PARTITION_IDLE, // nobody leads that this broker could follow
    PARTITION_LEADS,
    PARTITION_FOLLOWS,
};

struct partition {
    struct pool_job flush_job; // first: the pool hands it back
    atomic_int refs;
    char *topic;
    int32_t index;
    struct uuid topic_id;
    const struct partition_env *env;

    struct mutex move_mu;
    struct mutex append_mu;
    pthread_rwlock_t log_gate;
    struct log *log;
    struct log *future;    // the copy that a move makes; NULL: none
    int64_t last_flush_ms; // monotonic; only the flush.ms task touches it

    struct mutex state_mu;
    struct cond flush_idle; // with state_mu
    enum flush_state flush;
    enum partition_role role;
    bool failed;
    bool ended;
    bool move_claimed; // somebody works on the move
    int32_t leader_epoch;
    int64_t epoch_start;         // the leader's: its end offset when its epoch began
    int32_t first_epoch;         // the leader's: in which it began to lead, and has done so without a break
    struct replica_set replicas; // the leader's
    int64_t counted_end;         // the leader's: how far its own log counts for the high watermark
    int32_t min_insync_replicas;
    int64_t folder_delete_delay_ms;
    int64_t flush_ms;
    struct partition_formats formats;
    bool cleanup_delete;     // cleanup.policy contains delete
    bool leader_throttled;   // leader.replication.throttled.replicas has this replica
    bool follower_throttled; // follower.replication.throttled.replicas has it
    int64_t high_watermark;
    int64_t last_stable_offset;  // as the waiters of read_committed know it
    int64_t hidden_bytes;        // appended, but held back for a flush or for followers; at least
    struct wait_list acks;       // threshold: high watermark to reach
    struct wait_list flush_acks; // threshold: high watermark and fsynced offset to reach
    struct wait_list deletes;    // threshold: low watermark to reach
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
// The leader's high watermark goes where its replicas and its own disk let it.
void partition_advance(struct partition *p, struct log *log, struct wake_list *woken);
// ERR_OK, NOT_LEADER, FAILED. The log is kept alive by the caller unless the partition has ended.
enum err partition_check_leader(const struct partition *p);
// Those and FENCED_EPOCH, UNKNOWN_EPOCH, for who only reads: a leader whose log has failed still serves what is safe
// (log_read says what that is). An epoch below zero means the client does not know one.
enum err partition_check_epoch(const struct partition *p, int32_t current_leader_epoch);
// The same for a read, which a follower may serve when r->any_replica.
enum err partition_check_reader(const struct partition *p, const struct partition_read *r);

// ---- partition_delete.c ----

// Under state_mu, with the log kept alive: those who wait for deletions that all replicas have made by now.
void partition_wake_deletes(struct partition *p, const struct log *log, struct wake_list *woken);
// The same without locks.
void partition_deletes_look(struct partition *p);

// ---- partition_isr.c ----

// Under state_mu, when `replicas` has a proposal. False: no memory, there is no proposal any more.
bool partition_isr_ask(struct partition *p, struct cluster_isr_change *out);
// Without locks: sends and frees what partition_isr_ask made.
void partition_isr_send(struct partition *p, struct cluster_isr_change *change);
// The ISR that an acks=-1 append needs at least.
int32_t partition_needed_isr(const struct partition *p);

// ---- partition_follow.c ----

// [append] A leader's log may begin in the middle of a batch (DeleteRecords), and the leader gives that batch whole: an
// empty log begins anew with it. Errors of log_base_offset and log_restart.
enum err partition_begin_in_batch(struct log *log, struct slice batches) WARN_UNUSED;

// ---- partition_flush.c ----

void partition_flush_run(struct pool_job *job);
// Asks for an fsync in the background: one job per partition; whoever asks while it runs gets one more run.
void partition_flush_start(struct partition *p);

#endif
