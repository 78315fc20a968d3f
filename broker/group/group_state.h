// SPDX-License-Identifier: Apache-2.0
//
// What a group is made of, shared by the sources that are its machine, and by nobody else (but tests, which check its
// invariants):
//   group.c            making, the step, timers, views          group_members.c   members and what they support
//   group_join.c       JoinGroup                                 group_rebalance.c the phases of a rebalance
//   group_sync.c       SyncGroup, Heartbeat, LeaveGroup          group_offsets.c   the table of offsets
//   group_commit.c     commits and transactions                  group_remove.c    tombstones: deletion and expiry
//   group_restore.c    what records put into a group             group_replay.c    a partition of them
#ifndef OTTLA_GROUP_GROUP_STATE_H
#define OTTLA_GROUP_GROUP_STATE_H

#include "base/hash.h"
#include "broker/cluster/must.h"
#include "broker/group/group.h"
#include "broker/group/group_records.h"
#include "protocol/protocol.h"

#define GROUP_NEVER INT64_MAX

// How long a new member may wait for its first join answer, in place of its session.
#define GROUP_NEW_MEMBER_TIMEOUT_MS 300000
// While only static members are left that do not rejoin, the join phase is looked at again no sooner than this.
#define GROUP_POSTPONE_MIN_MS 1000
// Member ids that are given out and not yet used; whoever asks for one more is told that the group is full.
#define GROUP_PENDING_MAX 10000
// Bounds of one group in memory: what all its members say of their protocols, and what one SyncGroup assigns. The
// record of a group with more would not fit any log.
#define GROUP_METADATA_MAX   (64 << 20)
#define GROUP_ASSIGNMENT_MAX (64 << 20)

// One event being worked on.
struct turn {
    struct group *g;
    struct group_time now;
    struct group_effects *out;
};

// What a static member was before another process took its place, until the record is written.
struct group_identity {
    struct slice id;
    struct slice leader; // id of the group's leader then, NULL = none
    struct group_protocol *protocols;
    int32_t protocols_count;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
};

struct group_member {
    struct slice id; // owned, as are all slices of a group
    struct slice instance_id;
    struct slice client_id;
    struct slice client_host;
    struct group_protocol *protocols; // in the member's order of preference
    int32_t protocols_count;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    struct slice assignment;      // written; never NULL
    struct slice next_assignment; // being written, NULL = none
    bool is_new;                  // has not had an answer to its first join
    bool pending_sync;            // has not sent SyncGroup in this generation
    bool awaiting_join;
    bool awaiting_sync;
    bool skip_assignment; // the waiting join understands it
    uint64_t join_token;
    uint64_t sync_token;
    int64_t deadline_ms;             // of its session (or of its first join)
    uint64_t replace_write;          // the write that makes its new id durable, 0 = none
    struct group_identity *replaced; // with replace_write
    UT_hash_handle hh;               // by id
    UT_hash_handle hh_instance;      // by instance id, when it has one
};

// A member id that was given out and has not joined yet (KIP-394).
struct group_pending_member {
    struct slice id;
    int64_t deadline_ms;
    UT_hash_handle hh;
};

// How many members support a protocol.
struct group_support {
    struct slice name;
    int32_t members;
    uint64_t stamp; // of the list that was counted last: a name listed twice counts once
    UT_hash_handle hh;
};

struct group_subscription {
    struct slice topic;
    UT_hash_handle hh;
};

struct offset_value {
    int64_t offset;
    int32_t leader_epoch;
    struct slice metadata; // owned, never NULL
    int64_t commit_timestamp_ms;
    int64_t expire_timestamp_ms; // -1 = none
};

struct group_topic;

// A partition the group has something to do with. It goes when nothing of that is left.
struct group_offset {
    int32_t partition;
    struct group_topic *topic;
    bool committed;
    struct offset_value value; // when committed
    int64_t record_offset;     // of the batch that holds the value
    int32_t refs;              // writes under way and transactions that know it
    int32_t commits_in_flight; // plain ones
    int32_t open_txns;         // transactions with an offset here
    bool doomed;               // in the list of tombstones that is being made
    uint64_t fence;            // commits of writes up to this id are void: it was removed since
    UT_hash_handle hh;
};

struct group_topic {
    struct slice name;
    struct group_offset *offsets;
    UT_hash_handle hh;
};

// An offset of an open transaction.
struct group_txn_offset {
    struct group_offset *at; // counted
    bool has_value;          // its record is written
    struct offset_value value;
    int64_t record_offset;
    int32_t in_flight;
    UT_hash_handle hh; // by `at`
};

struct group_txn {
    int64_t producer_id;
    struct group_txn_offset *offsets;
    UT_hash_handle hh;
};

enum group_write_kind {
    GROUP_WRITE_ASSIGNMENT,
    GROUP_WRITE_EMPTY,
    GROUP_WRITE_REPLACEMENT,
    GROUP_WRITE_COMMIT,
    GROUP_WRITE_TOMBSTONES,
};

enum group_txn_outcome {
    GROUP_TXN_OPEN,
    GROUP_TXN_COMMITTED,
    GROUP_TXN_ABORTED,
};

struct group_write_item {
    struct group_offset *at;   // counted
    struct offset_value value; // COMMIT
};

// What hangs on the outcome of a write.
struct group_pending_write {
    TAILQ_ENTRY(group_pending_write) link;
    uint64_t id;
    enum group_write_kind kind;
    bool has_request; // that is to be answered
    uint64_t token;
    enum group_effect_type answer;
    int16_t *errors; // COMMIT, OFFSET_DELETE: the answer if the write succeeds
    int32_t errors_count;
    struct group_write_item *items;
    int32_t items_count;
    bool transactional;
    int64_t producer_id;
    enum group_txn_outcome outcome; // the marker came before the write was known to be done
    bool expired;                   // TOMBSTONES: of offsets that were too old
    bool removes_group;             // TOMBSTONES: the group is DEAD until they are written
};

struct group {
    const struct group_options *options;
    struct slice id;
    enum group_state state;
    int64_t state_timestamp_ms;
    int32_t generation;
    struct slice protocol_type; // NULL = none
    struct slice protocol_name; // NULL = none

    struct group_member **members; // in the order they joined
    int32_t members_count;
    int32_t members_cap;
    struct group_member *by_id;
    struct group_member *by_instance;
    struct group_member *leader;
    struct group_pending_member *pending;
    struct group_support *support;
    uint64_t support_stamp;
    int32_t awaiting_join_count;
    size_t metadata_bytes; // of all members' protocols

    int64_t wake_ms;
    int64_t join_deadline_ms; // of the join phase
    bool initial_delay;       // the join phase began in EMPTY: it lasts its time, whoever has joined
    int64_t initial_left_ms;  // by which the delay may still be extended
    bool new_member_added;    // during the delay
    int64_t sync_deadline_ms;

    uint64_t assignment_write; // of this generation's assignment, 0 = none under way
    bool subscriptions_known;  // of the last generation
    struct group_subscription *subscriptions;

    struct group_topic *topics;
    int32_t offsets_count; // committed ones
    struct group_txn *txns;
    uint64_t last_write_id;
    TAILQ_HEAD(, group_pending_write) writes; // in their order
};

// ---- group.c -------------------------------------------------------------------------------------------------------

struct slice slice_dup(struct slice s);                 // owned copy; NULL stays NULL
void slice_drop(struct slice *s);                       // frees an owned slice
struct slice turn_copy(struct turn *t, struct slice s); // in the effects' arena
struct group_effect *turn_effect(struct turn *t, enum group_effect_type type);
void turn_answer(struct turn *t, enum group_effect_type type, uint64_t token, int16_t error);
struct group_effect *turn_answer_errors(struct turn *t, enum group_effect_type type, uint64_t token,
                                        const int16_t *errors, int32_t count);
void turn_log(struct turn *t, enum log_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#define SLICE_ARGS(s) (int)(s).len, (const char *)(s).data // for %.*s

void group_set_state(struct turn *t, enum group_state state);
// The next tick comes no later than at_ms.
void group_wake_at(struct group *g, int64_t at_ms);

// Begins a write: the effect with these records, and the note of what hangs on it.
struct group_pending_write *group_write_begin(struct turn *t, enum group_write_kind kind,
                                              const struct group_record *records, int32_t count,
                                              struct log_batch_producer producer);
void group_write_free(struct group *g, struct group_pending_write *w);
// Kafka's code for a failed write of a group's record.
int16_t group_store_error(enum err e);
// Gives up all writes under way but `keep` (may be NULL): their requests get `error`.
void group_writes_abandon(struct turn *t, const struct group_pending_write *keep, int16_t error);
// Tells everybody who waits that this broker does not coordinate the group any more.
void group_unload(struct turn *t);
// The group is gone: nobody waits any more.
void group_die(struct turn *t);

// ---- group_members.c -----------------------------------------------------------------------------------------------

struct group_member *group_member_find(const struct group *g, struct slice id);
struct group_member *group_member_by_instance(const struct group *g, struct slice instance_id);
struct group_pending_member *group_pending_find(const struct group *g, struct slice id);
void group_pending_add(struct turn *t, struct slice id, int32_t timeout_ms);
void group_pending_remove(struct group *g, struct group_pending_member *p);

// Not yet waiting and without a deadline. The first member brings the protocol type and leads.
struct group_member *group_member_add(struct group *g, const struct group_join *join, struct slice id);
void group_member_free(struct group_member *m);
void group_identity_free(struct group_identity *i); // NULL is allowed
// Whoever waits for an answer of this member gets `error`; then it is gone, and the first member leads if it led.
void group_member_remove(struct turn *t, struct group_member *m, int16_t error);
// Takes new protocols and timeouts.
void group_member_update(struct group *g, struct group_member *m, const struct group_join *join);
void group_member_set_protocols(struct group *g, struct group_member *m, struct group_protocol *owned, int32_t count);
// Answers what the member waits for; the answer to a join names join_id.
void group_member_refuse(struct turn *t, struct group_member *m, struct slice join_id, int16_t error);
// The member goes on under another id, at the end of the order.
void group_member_rename(struct group *g, struct group_member *m, struct slice id);
struct group_protocol *group_protocols_dup(const struct group_protocol *list, int32_t count);
void group_protocols_free(struct group_protocol *list, int32_t count);
size_t group_protocols_size(const struct group_protocol *list, int32_t count);
bool group_member_matches(const struct group_member *m, const struct group_protocol *list, int32_t count);
struct slice group_member_metadata(const struct group_member *m, struct slice protocol);

// Some member of that type with these protocols could be in the group.
bool group_supports(const struct group *g, const struct group_join *join);
// The protocol that most members vote for among those that all support. There is one if there are members.
struct slice group_vote(const struct group *g);
// FENCED_INSTANCE_ID, UNKNOWN_MEMBER_ID or NONE.
int16_t group_check_member(const struct group *g, struct slice member_id, struct slice instance_id);

// Restarts the session.
void group_member_touch(struct turn *t, struct group_member *m);
void group_member_set_deadline(struct turn *t, struct group_member *m, int64_t timeout_ms);
void group_member_park_join(struct turn *t, struct group_member *m, uint64_t token, bool skip_assignment);
void group_member_park_sync(struct turn *t, struct group_member *m, uint64_t token);

// ---- group_join.c --------------------------------------------------------------------------------------------------

void group_join(struct turn *t, uint64_t token, const struct group_join *join);
void group_join_refuse(struct turn *t, uint64_t token, struct slice member_id, int16_t error);
// The current generation, as the answer to a join of m; with the list of members if it leads and wants to assign.
void group_join_answer(struct turn *t, struct group_member *m, uint64_t token, struct slice leader, bool with_members,
                       bool skip_assignment);
void group_replacement_written(struct turn *t, uint64_t write_id, enum err err);

// ---- group_rebalance.c ---------------------------------------------------------------------------------------------

int64_t group_rebalance_timeout_ms(const struct group *g);
// From a state that allows it; does nothing in the others.
void group_rebalance(struct turn *t, const char *reason);
// Ends the join phase if nobody is missing.
void group_try_complete_join(struct turn *t);
void group_join_deadline(struct turn *t);
void group_sync_deadline(struct turn *t);
void group_member_leaves(struct turn *t, struct group_member *m, const char *reason);
void group_pending_leaves(struct turn *t, struct group_pending_member *p);
void group_subscriptions_compute(struct group *g);
void group_subscriptions_clear(struct group *g);
// Unknown subscriptions count as subscribed to everything.
bool group_subscribes(const struct group *g, struct slice topic);

// ---- group_sync.c --------------------------------------------------------------------------------------------------

void group_sync(struct turn *t, uint64_t token, const struct group_sync *sync);
void group_heartbeat(struct turn *t, uint64_t token, const struct group_heartbeat *heartbeat);
void group_leave(struct turn *t, uint64_t token, const struct group_leave *leave);
void group_sync_refuse(struct turn *t, uint64_t token, int16_t error);
// Answers everybody who waits with the assignment (NONE) or the error, and restarts their sessions.
void group_sync_answer_all(struct turn *t, int16_t error);
void group_assignment_written(struct turn *t, uint64_t write_id, enum err err);
void group_assignment_drop(struct group *g); // the one being written
// The group's record: with each member's assignment, or the one being written.
struct group_record group_record_make(struct turn *t, bool next_assignments);

// ---- group_offsets.c -----------------------------------------------------------------------------------------------

struct group_offset *group_offset_get(struct group *g, struct slice topic, int32_t partition); // made when missing
struct group_offset *group_offset_lookup(const struct group *g, struct slice topic, int32_t partition);
void group_offset_ref(struct group_offset *o);
void group_offset_unref(struct group *g, struct group_offset *o);
// Publishes a value (taken over) unless a newer one is there.
void group_offset_publish(struct group *g, struct group_offset *o, struct offset_value value, int64_t record_offset);
// Whatever is known of it until write `fence` is void; a value in a record from `before` on stays.
void group_offset_withdraw(struct group *g, struct group_offset *o, uint64_t fence, int64_t before);
void group_offsets_free(struct group *g);
struct group_txn *group_txn_get(struct group *g, int64_t producer_id);
struct group_txn_offset *group_txn_offset_get(struct group_txn *txn, struct group_offset *o);
void group_txn_set(struct group_txn_offset *x, struct offset_value value, int64_t record_offset);
// Removes it when neither a value nor a write under way is left.
void group_txn_tidy(struct group *g, struct group_txn *txn, struct group_txn_offset *x);
// Publishes or drops what the producer's transaction holds; answers how many were published.
int32_t group_txn_finish(struct group *g, int64_t producer_id, bool commit);

// ---- group_commit.c ------------------------------------------------------------------------------------------------

void group_commit(struct turn *t, uint64_t token, const struct group_commit *commit);
void group_txn_end(struct turn *t, const struct group_txn_end *end);
void group_commit_written(struct turn *t, struct group_pending_write *w, const struct group_written *written);
int16_t group_commit_error(enum err e);

// ---- group_remove.c ------------------------------------------------------------------------------------------------

void group_offset_delete(struct turn *t, uint64_t token, const struct group_partitions *partitions);
void group_delete(struct turn *t, uint64_t token);
void group_expire_offsets(struct turn *t);
void group_topics_deleted(struct turn *t, const struct group_partitions *partitions);
void group_tombstones_written(struct turn *t, struct group_pending_write *w, const struct group_written *written);

// ---- group_restore.c -----------------------------------------------------------------------------------------------

// Takes what the group's record says; whatever members the group had are replaced.
void group_restore_metadata(struct group *g, const struct group_metadata_value *v);
void group_restore_no_metadata(struct group *g); // tombstone
void group_restore_offset(struct group *g, struct slice topic, int32_t partition, const struct offset_commit_value *v,
                          int64_t record_offset, int64_t producer_id); // producer -1: not of a transaction
void group_restore_no_offset(struct group *g, struct slice topic, int32_t partition);
bool group_restore_is_anything(const struct group *g);
void group_loaded(struct turn *t);

#endif
