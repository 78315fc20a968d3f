// SPDX-License-Identifier: Apache-2.0
//
// What the leader of a partition knows of its replicas: how far each follower has come, who is in sync (ISR), and
// which change of the ISR is under way. From it follow the high watermark and who has to be asked for in the next ISR.
// A pure state machine: no clock, no I/O, no lock (its partition holds state_mu). The rules are those of Kafka 3.9
// (KIP-497, and KIP-966 for the high watermark below min.insync.replicas).
//
// What always holds: while a change is under way no other is begun, and the high watermark
// goes by the larger of both sets (the maximal ISR), so that whichever of the two the controller keeps is covered.
#ifndef OTTLA_REPLICA_REPLICA_SET_H
#define OTTLA_REPLICA_REPLICA_SET_H

#include "base/err.h"
#include "base/os.h"

struct replica_progress {
    int32_t broker_id;
    bool alive;                 // its broker is registered, as far as this broker knows
    int64_t end_offset;         // where it fetched last; -1 = it has not yet
    int64_t start_offset;       // its log start offset, likewise
    int64_t fetched_ms;         // when it fetched last
    int64_t fetched_leader_end; // the leader's end offset then
    int64_t caught_up_ms;       // when it last had everything there was
};

// Zeroed before the first replica_set_lead.
struct replica_set {
    int32_t broker_id; // the leader, this broker
    struct replica_progress *followers;
    int32_t followers_count;
    int32_t *isr; // as the controller has confirmed it, the leader among them; in its order
    int32_t isr_count;
    int32_t *proposal;       // the ISR asked for
    int32_t proposal_count;  // 0: no change is under way
    int32_t partition_epoch; // of the confirmed ISR
};

void replica_set_release(struct replica_set *s);

// This broker leads from now on. go_on: it did so before (in an older epoch) and goes on with what it knows of the
// followers' logs. Who is in sync has the time it may lag from now on; who is not has never been caught up, so that one
// that has left the ISR with this epoch does not hold the high watermark.
// ERR_NO_MEMORY: the set is as it was.
enum err replica_set_lead(struct replica_set *s, int32_t broker_id, const int32_t *replicas, int32_t replicas_count,
                          const int32_t *isr, int32_t isr_count, int32_t partition_epoch, bool go_on,
                          int64_t now_ms) WARN_UNUSED;
// A follower has everything below offset. leader_end: the leader's end offset before the read. False: it is no replica.
bool replica_set_fetched(struct replica_set *s, int32_t broker_id, int64_t offset, int64_t start_offset,
                         int64_t leader_end, int64_t now_ms);
bool replica_set_follows(const struct replica_set *s, int32_t broker_id);
void replica_set_alive(struct replica_set *s, int32_t broker_id, bool alive);

int32_t replica_set_replicas(const struct replica_set *s);                // all, with the leader
int32_t replica_set_isr(const struct replica_set *s);                     // confirmed
bool replica_set_in_sync(const struct replica_set *s, int32_t broker_id); // likewise
int32_t replica_set_maximal_isr(const struct replica_set *s);

// Where the high watermark may be: everything below is on every replica of the maximal ISR, and on those that are about
// to join it. leader_end: what counts of the leader's own log. -1: the ISR is too small for it to move.
int64_t replica_set_watermark(const struct replica_set *s, int64_t leader_end, int32_t min_isr, int64_t now_ms,
                              int64_t lag_max_ms);
// The least log start offset of the leader's (given) and of the followers that are alive: what DeleteRecords has
// reached everywhere.
int64_t replica_set_low_watermark(const struct replica_set *s, int64_t leader_start);

// The follower in the ISR that has the offset, lies near and has come furthest: whom a consumer should read from
// (KIP-392). -1 = none.
typedef bool replica_near_fn(void *ctx, int32_t broker_id);
int32_t replica_set_reader(const struct replica_set *s, int64_t offset, replica_near_fn *near, void *ctx);

// Each proposes a change where one is due: true, and `proposal` is the ISR to ask the controller for.
// The follower has just fetched: it joins when it has all below the high watermark and the leader's epoch start.
bool replica_set_grow(struct replica_set *s, int32_t broker_id, int64_t high_watermark, int64_t epoch_start);
// Followers that have been behind for longer than lag_max_ms leave.
bool replica_set_shrink(struct replica_set *s, int64_t leader_end, int64_t now_ms, int64_t lag_max_ms);
// The controller has decided: this ISR holds. A partition epoch older than the set's changes nothing but the end of
// the proposal.
void replica_set_confirm(struct replica_set *s, const int32_t *isr, int32_t isr_count, int32_t partition_epoch);
// It has refused, or could not be asked: the ISR stays.
void replica_set_refuse(struct replica_set *s);

#endif
