// SPDX-License-Identifier: Apache-2.0
//
// See follower.h for the phases.
#include "broker/replica/follower.h"

#include <stdbool.h>

#include "base/assert.h"
#include "protocol/protocol.h"

#define UNTOLD_FIRST_MS 20 // then doubled, up to the back-off

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void follower_begin(struct follower *f, int32_t leader_epoch, int64_t backoff_ms)
{
    *f = (struct follower){.phase = FOLLOWER_FETCHING,
                           .leader_epoch = leader_epoch,
                           .backoff_ms = backoff_ms,
                           .untold_ms = least(UNTOLD_FIRST_MS, backoff_ms)};
}

bool follower_is_ready(const struct follower *f, enum follower_phase phase, int64_t now_ms)
{
    return f->phase == phase && now_ms >= f->ready_ms;
}

void follower_delay(struct follower *f, int64_t now_ms)
{
    f->ready_ms = now_ms + f->backoff_ms;
}

void follower_fail(struct follower *f)
{
    f->phase = FOLLOWER_FAILED;
}

// The controller tells all replicas at once: who hears it first as a follower asks a leader that does not lead yet.
// With the whole back-off acks=all would wait for that as well.
static bool leader_is_untold(int16_t error_code)
{
    return error_code == KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER || error_code == KAFKA_ERROR_UNKNOWN_LEADER_EPOCH ||
           error_code == KAFKA_ERROR_UNKNOWN_TOPIC_ID || error_code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
}

// True: the answer is an error, which is dealt with.
static bool refused(struct follower *f, int16_t error_code, int64_t now_ms)
{
    if (error_code == KAFKA_ERROR_NONE) {
        return false;
    }
    if (error_code == KAFKA_ERROR_FENCED_LEADER_EPOCH) {
        follower_fail(f); // the controller has named a newer leader epoch, which is on its way here
    } else if (leader_is_untold(error_code)) {
        f->ready_ms = now_ms + f->untold_ms;
        f->untold_ms = least(2 * f->untold_ms, f->backoff_ms);
    } else {
        follower_delay(f, now_ms);
    }
    return true;
}

enum follower_action follower_fetched(struct follower *f, int16_t error_code, bool diverging, int64_t now_ms)
{
    if (error_code == KAFKA_ERROR_OFFSET_OUT_OF_RANGE) {
        f->phase = FOLLOWER_ASKS_END;
        return FOLLOWER_GOES_ON;
    }
    if (refused(f, error_code, now_ms)) {
        return FOLLOWER_GOES_ON;
    }
    return diverging ? FOLLOWER_CUTS : FOLLOWER_APPENDS;
}

enum follower_action follower_told_offset(struct follower *f, int16_t error_code, int64_t answer, int64_t end_offset,
                                          int64_t now_ms, int64_t *offset)
{
    ASSERT(f->phase == FOLLOWER_ASKS_END || f->phase == FOLLOWER_ASKS_START);
    if (refused(f, error_code, now_ms)) {
        return FOLLOWER_GOES_ON;
    }
    *offset = answer;
    if (f->phase == FOLLOWER_ASKS_END && answer >= end_offset) {
        f->phase = FOLLOWER_ASKS_START; // it has more than we: then its log begins above our end
        return FOLLOWER_GOES_ON;
    }
    bool from_end = f->phase == FOLLOWER_ASKS_END;
    f->phase = FOLLOWER_FETCHING;
    if (from_end) {
        return FOLLOWER_CUTS;
    }
    if (answer > end_offset) {
        return FOLLOWER_RESTARTS;
    }
    follower_delay(f, now_ms); // it fits again; should the next fetch say otherwise, there is no hurry
    return FOLLOWER_GOES_ON;
}

int64_t follower_cut_offset(struct epoch_end leaders, struct epoch_end own, int64_t end_offset, int64_t high_watermark)
{
    if (leaders.end_offset < 0) {
        return least(high_watermark, end_offset);
    }
    if (leaders.epoch < 0 || own.epoch < 0) {
        return least(leaders.end_offset, end_offset);
    }
    if (own.epoch != leaders.epoch) {
        return least(own.end_offset, end_offset); // what is ours above is of epochs the leader never had; ask again
    }
    return least(least(own.end_offset, leaders.end_offset), end_offset);
}
