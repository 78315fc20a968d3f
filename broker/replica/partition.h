// SPDX-License-Identifier: Apache-2.0
//
// A partition that this broker hosts: its log, and as leader what clients may see of it (high watermark, leader epoch,
// ISR) and who waits for that. docs/REPLICATION.md tells more.
//
// append_mu (rank APPEND) is held across leader check, log_append and publish; state_mu (rank STATE) protects leader
// epoch, ISR, high watermark and the wait lists and is never held across a system call. A partition is counted;
// a deleted one answers ERR_NOT_LEADER to those who still hold it and wakes all who wait.
#ifndef OTTLA_REPLICA_PARTITION_H
#define OTTLA_REPLICA_PARTITION_H

#include "broker/cluster/cluster.h"
#include "broker/net/wait.h"
#include "log/log.h"

struct partition;

void partition_ref(struct partition *p);
void partition_unref(struct partition *p);
const char *partition_topic(const struct partition *p);
int32_t partition_index(const struct partition *p);
const struct uuid *partition_topic_id(const struct partition *p);

// Where an append ended, and as the leader of which epoch it was made.
struct partition_end {
    int64_t offset; // the next one
    int32_t leader_epoch;
};

// The part of an append that may take long (log_prepare), to be done where nobody waits for it; partition_append then
// takes what has come of it. ERR_NOT_LEADER: the partition has ended. Errors of log_prepare. [any]
enum err partition_prepare(struct partition *p, struct log_append *a, struct arena *scratch) WARN_UNUSED;
// Leader side of Produce. required_acks as in the request (-1: ERR_NOT_ENOUGH_REPLICAS when the ISR is smaller than
// min.insync.replicas, capped by the replica count). After ERR_OK the record set is in the log; *end is what must be
// reached before an acks=-1 or flush_due append may be acknowledged.
// ERR_NOT_LEADER, ERR_FAILED (KAFKA_STORAGE_ERROR) and the errors of log_append. a->leader_epoch is filled in here.
enum err partition_append(struct partition *p, int16_t required_acks, struct log_append *a, struct arena *scratch,
                          struct partition_end *end) WARN_UNUSED;
// What has become of an append that has to be acknowledged: ERR_OK reached; ERR_AGAIN not yet (and, when w is not
// NULL, link is linked: w is counted down by one when that is reached, and by a large number when leadership changes or
// the log fails: the caller looks at once); ERR_NOT_LEADER (also where leadership went and has come back: other records
// may stand there now); ERR_FAILED; ERR_NOT_ENOUGH_REPLICAS (the ISR shrank meanwhile). need_flush: the data must be
// fsynced as well.
enum err partition_ack(struct partition *p, const struct partition_end *end, bool need_flush, struct wait_link *link,
                       struct wait *w) WARN_UNUSED;

enum partition_isolation {
    PARTITION_READ_UNCOMMITTED, // up to the high watermark
    PARTITION_READ_COMMITTED,   // up to the last stable offset
    PARTITION_READ_LOG_END,     // followers and debugging consumers
};

struct partition_read {
    // in
    int32_t current_leader_epoch; // of the client, -1 = none
    int32_t last_fetched_epoch;   // -1 = none (KIP-595 diverging epoch)
    int64_t offset;
    enum partition_isolation isolation;
    size_t max_bytes; // 0 afterwards when the follower is throttled: there may be more all the same
    bool min_one;
    bool any_replica;       // a follower may serve it, too (KIP-392)
    bool by_follower;       // a replica reads to copy; what it has is noted when `noted` is set
    bool noted;             // of the first round only: a request that waited says nothing new
    int32_t follower;       // its broker id
    int64_t follower_start; // its log start offset
    // out, valid also when nothing is read; all -1 after an error
    int64_t high_watermark;
    int64_t last_stable_offset;
    int64_t log_start_offset;
    int32_t diverging_epoch; // >= -1 and diverging: tell the reader to truncate to diverging_end
    int64_t diverging_end;
    bool diverging;
    struct log_read read; // file counted for the caller
    int64_t bound;        // the upper bound that was used; for partition_wait_bytes
};

// ERR_OK, OUT_OF_RANGE, NOT_LEADER, FENCED_EPOCH, UNKNOWN_EPOCH, FAILED, IO. A follower that is no replica of the
// partition gets UNKNOWN_EPOCH, or NOT_LEADER when it named no epoch.
enum err partition_fetch(struct partition *p, struct partition_read *r) WARN_UNUSED;
// The follower a consumer should read this offset from instead: one that is near it, in sync and has it; -1 = none, or
// this broker does not lead. near is called under the partition's lock and takes none. [any]
int32_t partition_reader(struct partition *p, int64_t offset, bool (*near)(void *ctx, int32_t broker_id), void *ctx);
// Aborted transactions for what a partition_fetch under PARTITION_READ_COMMITTED found (log_aborted_transactions).
enum err partition_aborted(struct partition *p, const struct partition_read *r, struct arena *a,
                           struct log_aborted_txn **out, int32_t *count) WARN_UNUSED;
// Links for more bytes after a fetch that found too few: w is counted down by the bytes that become readable
// beyond r->bound under r->isolation (at most r->max_bytes), or by a large number when leadership changes or the
// partition goes away. If the bound has moved since the read, ERR_AGAIN: read again now.
enum err partition_wait_bytes(struct partition *p, const struct partition_read *r, struct wait_link *link,
                              struct wait *w) WARN_UNUSED;
// So many bytes are on their way to a follower: they count for the leader's throttle, if that is for this replica.
// [any]
void partition_sent(struct partition *p, int64_t bytes);
// Removes a link of either kind (nothing when it is not linked).
void partition_unlink(struct partition *p, struct wait_link *link);

// Offsets for ListOffsets. timestamp: >= 0, or -1 latest, -2 earliest, -3 max timestamp, -4 earliest local,
// -5 latest tiered. *offset -1 when there is none. ERR_UNSUPPORTED for other negative timestamps.
// ERR_OFFSET_NOT_AVAILABLE: this broker leads since a moment ago, and does not know yet whether all that it has up to
// then is committed (KIP-207). Epoch checks as partition_fetch. May read the disk.
struct partition_offset {
    int32_t current_leader_epoch;
    int64_t timestamp;
    enum partition_isolation isolation;
    int64_t out_offset;
    int64_t out_timestamp;
    int32_t out_leader_epoch;
};
enum err partition_offset_for(struct partition *p, struct partition_offset *o) WARN_UNUSED;
// ListOffsets v0.
enum err partition_offsets_before(struct partition *p, int64_t timestamp, int32_t max, struct arena *a,
                                  int64_t **offsets, int32_t *count) WARN_UNUSED;

// Every record with from <= offset < end, for those who keep their state in records (log_records_each); whether this
// broker leads is not asked. Deletion waits for it, so a caller takes a long log in pieces. ERR_NOT_LEADER: the
// partition has ended. [disk]
enum err partition_records_each(struct partition *p, int64_t from, int64_t end, size_t buffer_size, log_record_fn *fn,
                                void *ctx) WARN_UNUSED;

// OffsetForLeaderEpoch: the largest known epoch up to the asked one and where it ends, -1 and -1 when undefined. Epoch
// checks as partition_fetch. [any]
enum err partition_epoch_end(struct partition *p, int32_t current_leader_epoch, int32_t epoch, int32_t *found_epoch,
                             int64_t *end_offset) WARN_UNUSED;
// Raises the log start offset to *offset, -1 = the high watermark, which is then put there; nothing when it is there
// already. *low_watermark is what all replicas that are alive have reached. ERR_OUT_OF_RANGE: negative, or above the
// high watermark; ERR_UNSUPPORTED: cleanup.policy does not contain delete; ERR_NOT_LEADER; ERR_FAILED. [disk]
enum err partition_delete_records(struct partition *p, int64_t *offset, int64_t *low_watermark) WARN_UNUSED;
// Whether all replicas that are alive begin at offset or later: ERR_OK; ERR_AGAIN: not yet (and, when w is not NULL,
// link is linked as by partition_ack); ERR_NOT_LEADER; ERR_FAILED. *low_watermark: where they are, after the first two.
// [any]
enum err partition_deleted(struct partition *p, int64_t offset, int64_t *low_watermark, struct wait_link *link,
                           struct wait *w) WARN_UNUSED;
// What the log knows of its producers; whether this broker leads is not asked. [any]
enum err partition_producers(struct partition *p, struct arena *a, struct log_producer **out,
                             int32_t *count) WARN_UNUSED;

// What fetches of old versions have to know of the topic's configs. [any]
struct partition_formats {
    bool zstd;           // compression.type=zstd
    bool downconversion; // message.downconversion.enable
};
struct partition_formats partition_formats(struct partition *p);

// The log's figures, for answers about it. -1 when the partition has ended. [any]
int64_t partition_log_start(struct partition *p);
int64_t partition_size_bytes(struct partition *p); // 0 when it has ended
int64_t partition_log_end(struct partition *p);
int32_t partition_leader_epoch(struct partition *p);

#endif
