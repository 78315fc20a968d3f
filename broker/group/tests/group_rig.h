// SPDX-License-Identifier: Apache-2.0
//
// A group with a clock that the test moves, a log in memory, and all answers kept by token. After every step the
// group's invariants are checked; at the end every request must have had its one answer.
#ifndef OTTLA_GROUP_TESTS_GROUP_RIG_H
#define OTTLA_GROUP_TESTS_GROUP_RIG_H

#include "broker/group/group_records.h"
#include "protocol/protocol.h"

#define RIG_TEXT_MAX   200
#define RIG_ERRORS_MAX 16

struct rig_answer {
    uint64_t token;
    enum group_effect_type type;
    int16_t error;
    int32_t generation;
    bool skip_assignment;
    bool has_protocol;
    char protocol[RIG_TEXT_MAX];
    char leader[RIG_TEXT_MAX];
    char member_id[RIG_TEXT_MAX];
    char assignment[RIG_TEXT_MAX];
    int32_t members_count;
    char members[8][RIG_TEXT_MAX]; // ids of the first of them
    int16_t errors[RIG_ERRORS_MAX];
    int32_t errors_count;
};

struct rig_write {
    uint64_t id;
    struct writer batch; // the bytes, as they would be appended
    int32_t records_count;
    struct log_batch_producer producer;
    bool acks_none;
};

struct rig {
    struct group_options options;
    struct group *group; // NULL once it died
    struct group_effects out;
    struct group_time now;
    bool hold_writes; // else each write succeeds at once
    struct rig_write *writes;
    int32_t writes_count;
    int32_t writes_cap;
    struct writer log; // batches with their offsets
    int64_t log_end;
    int32_t uuids;
    uint64_t tokens;
    struct rig_answer *answers;
    int32_t answers_count;
    int32_t answers_cap;
    int32_t logged; // GROUP_LOG effects
    bool is_small;  // answers are dropped by rig_forget, for long walks
};

void rig_init(struct rig *r);
void rig_release(struct rig *r); // fails when a request was not answered
// All answers so far are forgotten; the open tokens stay.
void rig_forget(struct rig *r);

// The raw step: token is filled in for requests, and answered.
uint64_t rig_step(struct rig *r, struct group_event event);
// Moves both clocks; ticks come when the group wants them.
void rig_advance(struct rig *r, int64_t ms);
// The oldest write that is held gets its outcome; true if there was one.
bool rig_written(struct rig *r, enum err err);
// A transaction marker, in the log only: for the replay.
void rig_marker(struct rig *r, int64_t producer_id, bool commit);
// NULL: not answered yet.
const struct rig_answer *rig_answer(const struct rig *r, uint64_t token);
// Fails unless answered.
const struct rig_answer *rig_answered(const struct rig *r, uint64_t token);

// A consumer of topic "work" that supports "range": a dynamic one, which asks by version 9 of the protocol. "" = new.
struct group_join rig_consumer(struct rig *r, const char *member_id);
uint64_t rig_join(struct rig *r, struct group_join join);
// Joins a new dynamic member by both its requests, answers the token of the second.
uint64_t rig_enter(struct rig *r, char member_id[RIG_TEXT_MAX]);
// The leader's sync: every member is assigned "<generation>:<member id>".
uint64_t rig_sync_leader(struct rig *r, const char *member_id, int32_t generation);
uint64_t rig_sync(struct rig *r, const char *member_id, int32_t generation);
int16_t rig_heartbeat(struct rig *r, const char *member_id, int32_t generation);
int16_t rig_leave(struct rig *r, const char *member_id);
// One offset of "work"; the error, or of a held write NONE.
uint64_t rig_commit(struct rig *r, const char *member_id, int32_t generation, int32_t partition, int64_t offset);
// n dynamic members, Stable, in their order; the first one leads.
void rig_stable(struct rig *r, int32_t n, char ids[][RIG_TEXT_MAX]);
// The committed offset of a partition of "work", -1 = none.
int64_t rig_offset(const struct rig *r, int32_t partition);

// The group that the log makes, NULL when it makes none; not yet GROUP_LOADED.
struct group *rig_replay(const struct rig *r);
// Both are the same, but for what only the living know.
void rig_assert_same(const struct group *lived, const struct group *replayed);

// The invariants of group.h and of the structure.
void group_check(const struct group *g);

// A subscription of version 1 of the consumer protocol to one topic, in the arena.
struct slice rig_subscription(struct arena *a, const char *topic);

#endif
