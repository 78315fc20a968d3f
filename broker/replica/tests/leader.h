// SPDX-License-Identifier: Apache-2.0
//
// A leader for tests of fetchers: a thread with a listening socket that answers Fetch and ListOffsets for one topic "t"
// with one partition 0 out of a made-up log of one-record batches. One connection at a time.
#ifndef OTTLA_REPLICA_TESTS_LEADER_H
#define OTTLA_REPLICA_TESTS_LEADER_H

#include <pthread.h>

#include "base/mutex.h"
#include "base/uuid.h"

struct leader {
    int listener;
    int32_t port;
    pthread_t thread;
    struct uuid topic_id;
    struct mutex mu; // leaf; guards the rest
    struct cond changed;
    bool stopping;
    int connection;
    // Its log: offsets start..end - 1, of old_epoch below split and of new_epoch from there on.
    int64_t start, end, high_watermark;
    int32_t old_epoch, new_epoch;
    int64_t split;
    bool insists;   // that a follower at its end has diverged
    uint8_t *large; // the batch at offset 0 instead, when not NULL
    size_t large_len;
    // What it does once.
    int16_t refuse_request;   // error code of the whole answer
    int16_t refuse_partition; // of the partition
    bool hang_up;             // instead of an answer
    bool babble;              // an answer that is none
    // What it has seen.
    int fetches, full_fetches, offset_lookups, connections;
    int64_t last_offset;
    int32_t last_epoch, last_replica_id;
    int64_t last_start;
};

void leader_start(struct leader *l, const struct uuid *topic_id);
void leader_stop(struct leader *l);
// The log goes up to end, all of it committed.
void leader_grow(struct leader *l, int64_t end);

#endif
