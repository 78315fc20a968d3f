// SPDX-License-Identifier: Apache-2.0
//
// What a follower does about one partition after each answer of its leader. Pure: it decides, its fetcher acts. The
// rules are Kafka's (KIP-101, KIP-279, KIP-595).
//
//             OFFSET_OUT_OF_RANGE          its end is above ours
//   FETCHING ---------------------> ENDS -----------------------> STARTS
//      ^  |                          | its end is below: cut         | it starts above our end: begin anew there
//      |  | fenced, disk             v                               v
//      |  +----------> FAILED     FETCHING                        FETCHING
//      +- follower_begin: the controller has named a (new) leader epoch
#ifndef OTTLA_REPLICA_FOLLOWER_H
#define OTTLA_REPLICA_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

enum follower_phase {
    FOLLOWER_FETCHING,
    FOLLOWER_ASKS_END,   // of the leader's log, by ListOffsets
    FOLLOWER_ASKS_START, // likewise
    FOLLOWER_FAILED,     // until the controller names another epoch
};

struct follower {
    enum follower_phase phase;
    int32_t leader_epoch;
    int64_t ready_ms; // nothing is asked before; monotonic
    int64_t backoff_ms;
    int64_t untold_ms; // how long the next wait is for a leader that the controller has not spoken to yet
};

enum follower_action {
    FOLLOWER_GOES_ON,  // nothing to do to the log
    FOLLOWER_APPENDS,  // what came
    FOLLOWER_CUTS,     // at *offset
    FOLLOWER_RESTARTS, // at *offset, with nothing
};

// The leader's word about where an epoch of ours ended, or ours about it; epoch -1 = none known.
struct epoch_end {
    int32_t epoch;
    int64_t end_offset;
};

void follower_begin(struct follower *f, int32_t leader_epoch, int64_t backoff_ms);
bool follower_is_ready(const struct follower *f, enum follower_phase phase, int64_t now_ms);
// Tries again after the back-off.
void follower_delay(struct follower *f, int64_t now_ms);
// The replica is out of service, or was fenced.
void follower_fail(struct follower *f);

// A partition's answer in a Fetch: Kafka's error code, and whether the leader says that we diverge.
enum follower_action follower_fetched(struct follower *f, int16_t error_code, bool diverging, int64_t now_ms);
// Its answer in a ListOffsets, in either of the two phases that ask. end_offset is our own.
enum follower_action follower_told_offset(struct follower *f, int16_t error_code, int64_t answer, int64_t end_offset,
                                          int64_t now_ms, int64_t *offset);

// Where to cut when the leader says that it has leaders.epoch up to leaders.end_offset: own is where our log says that
// epoch ended. high_watermark is the last resort of a leader that knows nothing. At most end_offset.
int64_t follower_cut_offset(struct epoch_end leaders, struct epoch_end own, int64_t end_offset, int64_t high_watermark);

#endif
