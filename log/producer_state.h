// SPDX-License-Identifier: Apache-2.0
//
// What a partition knows of its idempotent and transactional producers (KIP-98): per producer id its epoch, the last
// five batches, its open transaction. Rules: disk-format 4.1, wire-format 12. Snapshot files are Kafka's version 1.
// Not thread safe except producer_state_first_unstable; the log's append path owns it.
#ifndef OTTLA_LOG_PRODUCER_STATE_H
#define OTTLA_LOG_PRODUCER_STATE_H

#include "base/os.h"
#include "log/batch.h"
#include "log/log.h"

#define PRODUCER_BATCHES_KEPT 5

struct producer_state;

struct producer_state *producer_state_new(void);
void producer_state_free(struct producer_state *p);
void producer_state_clear(struct producer_state *p);
int32_t producer_state_count(const struct producer_state *p);

struct producer_batch {
    int64_t first_offset;
    int64_t last_offset;
    int64_t max_timestamp;
};

// A client's batch, before it is written. ERR_DUPLICATE_SEQUENCE: *duplicate says where it was stored.
// PRODUCER_FENCED, OUT_OF_ORDER_SEQUENCE, INVALID_TXN_STATE. Batches without producer id pass, as do those of a
// producer that is not known here. (That a transactional batch was verified with the coordinator is the caller's to
// know.)
enum err producer_state_check(const struct producer_state *p, const struct batch *b,
                              struct producer_batch *duplicate) WARN_UNUSED;

// A completed transaction, for the transaction index.
struct completed_txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; // of the marker
    int64_t last_stable_offset;
    bool aborted;
};

// Notes a written (or replayed) data batch; offsets are final.
enum err producer_state_apply(struct producer_state *p, const struct batch *b) WARN_UNUSED;
// Notes a written (or replayed) transaction marker. *completed is set and true returned when it ended an open
// transaction. Without memory for a new entry the producer stays unknown, as an expired one is.
bool producer_state_apply_marker(struct producer_state *p, const struct batch *b, bool commit,
                                 int32_t coordinator_epoch, struct completed_txn *completed);

// min(first offset of the oldest open transaction, of the oldest completed one whose marker is not below
// high_watermark); INT64_MAX when none. [any thread: the value is kept in an atomic]
int64_t producer_state_first_unstable(const struct producer_state *p);
// Forgets completed transactions whose marker is below the high watermark.
void producer_state_on_high_watermark(struct producer_state *p, int64_t high_watermark);

// All entries, in the arena.
enum err producer_state_list(const struct producer_state *p, struct arena *a, struct log_producer **out,
                             int32_t *count) WARN_UNUSED;

// Entries without open transaction whose last timestamp is expiration_ms or more before now_ms go.
void producer_state_expire(struct producer_state *p, int64_t now_ms, int64_t expiration_ms);

// One past the last offset applied; snapshots are named by it.
int64_t producer_state_end_offset(const struct producer_state *p);
void producer_state_set_end_offset(struct producer_state *p, int64_t offset);

// Snapshot files (<offset>.snapshot). They keep the newest batch of each producer only. Loading replaces what is there
// (on any error the state is empty) and drops expired entries; ERR_CORRUPT: delete it and try an older one.
enum err producer_state_load(struct producer_state *p, const struct os *os, const char *path, int64_t end_offset,
                             int64_t now_ms, int64_t expiration_ms) WARN_UNUSED;
// Written to <path>.tmp and renamed; fsynced when sync is true.
enum err producer_state_store(const struct producer_state *p, const struct os *os, const char *path,
                              bool sync) WARN_UNUSED;

#endif
