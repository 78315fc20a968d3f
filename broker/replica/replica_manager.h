// SPDX-License-Identifier: Apache-2.0
//
// All partitions this broker hosts, by topic and number; opens and deletes their logs as the controller says
// (cluster_hooks), and does the background work: checkpoints, retention, flushing, expiry of producers, removal of
// deleted files. Lookups come from any thread; changes from the control thread.
#ifndef OTTLA_REPLICA_REPLICA_MANAGER_H
#define OTTLA_REPLICA_REPLICA_MANAGER_H

#include "base/pool.h"
#include "broker/replica/fetcher.h"
#include "broker/replica/log_dirs.h"
#include "broker/replica/partition.h"

struct replica_manager;

struct replica_manager_options {
    const struct os *os;
    struct log_dirs *dirs; // opened and closed by the caller
    struct pool *pool;
    int32_t broker_id;
    int recovery_threads;                 // num.recovery.threads.per.data.dir
    int32_t move_threads;                 // num.replica.alter.log.dirs.threads
    int64_t producer_id_expiration_ms;    // producer.id.expiration.ms
    int64_t producer_expiry_check_ms;     // producer.id.expiration.check.interval.ms
    int64_t retention_check_ms;           // log.retention.check.interval.ms
    int64_t initial_delay_ms;             // log.initial.task.delay.ms
    int64_t flush_check_ms;               // log.flush.scheduler.interval.ms; INT64_MAX = never
    int64_t checkpoint_ms;                // log.flush.offset.checkpoint.interval.ms
    int64_t log_start_checkpoint_ms;      // log.flush.start.offset.checkpoint.interval.ms
    int64_t replica_lag_max_ms;           // replica.lag.time.max.ms
    int64_t high_watermark_checkpoint_ms; // replica.high.watermark.checkpoint.interval.ms
    struct fetch_settings fetch;          // of the followers
    struct throttle_settings throttle;
    const char *inter_broker_listener; // outlives it
    // [control] Called for each directory that has gone offline, once its partitions answer ERR_FAILED. May be NULL.
    void (*dir_failed)(void *ctx);
    void *dir_failed_ctx;
};

// Loads every log of the directories (recovery threads in parallel); partitions answer only after the controller has
// named this broker for them. ERR_FAILED: no directory could be loaded. ERR_EXISTS: a partition lies in two of them.
enum err replica_manager_open(const struct replica_manager_options *o, struct replica_manager **out) WARN_UNUSED;
// The id this broker got when it joined, where it was -1 before. Before anything can create partitions.
void replica_manager_set_broker_id(struct replica_manager *m, int32_t broker_id);
// This broker has joined the cluster. Starts the background timers on the control loop (they hand disk work to the
// pool).
enum err replica_manager_start(struct replica_manager *m, struct cluster *cluster) WARN_UNUSED; // [control]
// To be called on the control loop before it ends: no timers after this.
void replica_manager_stop(struct replica_manager *m);
// Waits for background work under way (so the pool must still run), flushes and closes every log, writes the
// checkpoints and, when all went well, the marker of a clean stop. No partition is in use any more. ERR_FAILED when a
// log could not be closed cleanly.
enum err replica_manager_close(struct replica_manager *m) WARN_UNUSED;

// What replication may take is this from now on (throttle.h). [any]
void replica_manager_configure(struct replica_manager *m, const struct config_view *v);
// The hooks for cluster_open.
struct cluster_hooks replica_manager_hooks(struct replica_manager *m);

// Referenced for the caller. ERR_NOT_LEADER: this broker has no such replica. ERR_FAILED: its log is out of service.
enum err replica_manager_find(struct replica_manager *m, struct slice topic, int32_t partition,
                              struct partition **out) WARN_UNUSED; // [any]

// A log directory and what lies in it.
struct replica_size {
    const char *topic;
    int32_t partition;
    int64_t bytes; // of its segments
    int64_t lag;   // offsets that the copy of a move is behind; 0 when this is no copy
    bool future;   // it is one
};
// By topic and number, for qsort and bsearch.
int replica_size_order(const void *a, const void *b);

struct replica_dir {
    const char *path;              // absolute
    bool offline;                  // nothing more is known then
    int64_t total_bytes;           // of its file system; -1 = unknown
    int64_t usable_bytes;          // likewise
    struct replica_size *replicas; // by topic and number
    int32_t replicas_count;
};
// All of them, in the order of log.dirs; in the arena. ERR_NO_MEMORY.
enum err replica_manager_describe(struct replica_manager *m, struct arena *a, struct replica_dir **out,
                                  int32_t *count) WARN_UNUSED; // [any] [disk]
// Has the partition move to the directory of this absolute path, in the background; one that is there already, or on
// its way there, is no error. One that is not here is made there later. ERR_NOT_FOUND: no such log directory.
// ERR_FAILED: that one, the partition's, or any other is offline. ERR_NOT_LEADER: not here, but noted. ERR_TOO_LARGE: a
// copy's name would not fit.
enum err replica_manager_move(struct replica_manager *m, struct slice topic, int32_t partition,
                              struct slice path) WARN_UNUSED; // [any] [disk]

#endif
