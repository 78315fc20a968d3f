// SPDX-License-Identifier: Apache-2.0
//
// A consumer group (the classic protocol: KIP-62, 345, 394, 559, 800, 814) with its committed offsets, as a pure state
// machine: group_step takes what happened and answers what is to be done. It has no clock, no I/O, no lock, no
// randomness and no log line of its own. Who runs it (the coordinator, or a test) holds the group's lock around a step
// and around carrying out its effects, in their order; the outcome of a write comes back as GROUP_WRITTEN.
//
//   EMPTY                 no members; may hold offsets, and member ids that were given out but not yet used
//   PREPARING_REBALANCE   members are expected to (re)join; joins wait
//   COMPLETING_REBALANCE  all joins are answered; waits for the leader's assignment and its record; syncs wait
//   STABLE                every member has an assignment that is on disk
//   DEAD                  removed or moved away: every request is sent off
//
// What always holds:
//  - What others may see of an assignment or an offset was written first: an assignment takes effect, an offset becomes
//    visible and a tombstone removes when GROUP_WRITTEN says that the record is in the log (with the wanted acks).
//  - Every request that came with a token gets exactly one answer, in this step or in a later one.
//  - The leader is a member; a member id is a member or pending, never both; an instance id names one member.
//  - Replaying the group's records (group_records.h) gives the group that has lived them.
//
// Errors in answers are Kafka's (protocol/errors.h). Checks that come before a group is found (group id, coordinator,
// loading) are the caller's, and so is the answer where there is no group:
//   join with a member id, sync, heartbeat, each member of a leave   UNKNOWN_MEMBER_ID
//   join without a member id                                         group_new, then the step
//   commit, generation < 0 (and any transactional commit)            group_new, then the step
//   commit, generation >= 0                                          ILLEGAL_GENERATION
//   delete, offset delete                                            GROUP_ID_NOT_FOUND
// Without memory it aborts (broker/cluster/must.h): sizes from peers are bounded by the request they came in.
#ifndef OTTLA_GROUP_GROUP_H
#define OTTLA_GROUP_GROUP_H

#include <sys/queue.h>

#include "base/arena.h"
#include "base/logging.h"
#include "log/log.h"

struct group;

// Of the broker's configuration; outlives the groups.
struct group_options {
    int32_t min_session_timeout_ms;     // group.min.session.timeout.ms
    int32_t max_session_timeout_ms;     // group.max.session.timeout.ms
    int32_t initial_rebalance_delay_ms; // group.initial.rebalance.delay.ms
    int32_t max_size;                   // group.max.size
    int32_t offset_metadata_max;        // offset.metadata.max.bytes, which Kafka counts in UTF-16 units
    int64_t offsets_retention_ms;       // offsets.retention.minutes
};

// Kafka's defaults.
void group_options_init(struct group_options *o);

// Both clocks of a step. Timers go by the first, what is stored by the second.
struct group_time {
    int64_t mono_ms;
    int64_t wall_ms;
};

#define GROUP_MEMBER_ID_UUID_LEN 36

// An Empty group without protocol type, of generation 0. The id is copied (binary safe).
struct group *group_new(const struct group_options *o, struct slice id, struct group_time now);
// Answers nobody: feed GROUP_UNLOAD first when requests may be waiting.
void group_free(struct group *g);

// ---------------------------------------------------------------------------------------------------------------
// Events

enum group_event_type {
    GROUP_JOIN,           // JoinGroup
    GROUP_SYNC,           // SyncGroup
    GROUP_HEARTBEAT,      // Heartbeat
    GROUP_LEAVE,          // LeaveGroup
    GROUP_COMMIT,         // OffsetCommit, TxnOffsetCommit
    GROUP_OFFSET_DELETE,  // OffsetDelete
    GROUP_DELETE,         // DeleteGroups
    GROUP_TICK,           // group_wake_ms has come (early or late does no harm)
    GROUP_WRITTEN,        // the outcome of a GROUP_WRITE
    GROUP_EXPIRE_OFFSETS, // every offsets.retention.check.interval.ms
    GROUP_TOPICS_DELETED, // partitions of deleted topics: their offsets go
    GROUP_TXN_END,        // a transaction marker is in the log: offsets of that producer are published or dropped
    GROUP_LOADED,         // once, after the replay of its records: sessions begin
    GROUP_UNLOAD,         // this broker no longer coordinates it: everybody is told NOT_COORDINATOR
};

struct group_protocol {
    struct slice name;
    struct slice metadata;
};

struct group_join {
    struct slice member_id;   // empty for a new member
    struct slice instance_id; // NULL = dynamic member
    struct slice client_id;
    struct slice client_host; // as Kafka stores it: "/10.0.0.1"
    struct slice protocol_type;
    const struct group_protocol *protocols;
    int32_t protocols_count;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms; // v0: the session timeout
    bool require_known_member_id; // v4+ (KIP-394)
    bool support_skip_assignment; // v9+ (KIP-814)
    struct slice reason;          // NULL or empty: none given (KIP-800)
    // A random UUID in its text form (8-4-4-4-12), used when the coordinator has to make a member id.
    char fresh_uuid[GROUP_MEMBER_ID_UUID_LEN];
};

struct group_assignment {
    struct slice member_id;
    struct slice assignment;
};

struct group_sync {
    struct slice member_id;
    struct slice instance_id;   // NULL = none
    struct slice protocol_type; // NULL = not given (below v5)
    struct slice protocol_name; // NULL = not given
    int32_t generation;
    const struct group_assignment *assignments; // only the leader's count
    int32_t assignments_count;
};

struct group_heartbeat {
    struct slice member_id;
    struct slice instance_id; // NULL = none
    int32_t generation;
};

struct group_leaving {
    struct slice member_id;   // may be empty when there is an instance id
    struct slice instance_id; // NULL = none
    struct slice reason;      // NULL or empty: none given
};

struct group_leave {
    const struct group_leaving *members;
    int32_t members_count;
};

struct group_commit_partition {
    struct slice topic;
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch;        // -1 = none
    struct slice metadata;       // NULL counts as empty
    int64_t commit_timestamp_ms; // -1 = now (only OffsetCommit v1 carries one)
    int64_t expire_timestamp_ms; // -1 = none; else (v2-4 with a retention time) the record has version 1
};

struct group_commit {
    struct slice member_id;   // empty = none
    struct slice instance_id; // NULL = none
    int32_t generation;       // below 0 = none
    bool transactional;       // TxnOffsetCommit; then the producer's:
    int64_t producer_id;
    int16_t producer_epoch;
    const struct group_commit_partition *partitions; // the caller has dropped what is unknown or denied
    int32_t partitions_count;
};

struct group_topic_partition {
    struct slice topic;
    int32_t partition;
};

struct group_partitions {
    const struct group_topic_partition *list;
    int32_t count;
};

struct group_written {
    uint64_t write_id;
    enum err err;          // ERR_OK: in the log, with the acks it asked for
    int64_t append_offset; // of the batch's first record; when ERR_OK
};

struct group_txn_end {
    int64_t producer_id;
    bool commit;
};

// Everything an event points to is needed during the step only.
struct group_event {
    enum group_event_type type;
    uint64_t token; // of the request (JOIN to DELETE): comes back in its answer
    union {
        struct group_join join;
        struct group_sync sync;
        struct group_heartbeat heartbeat;
        struct group_leave leave;
        struct group_commit commit;
        struct group_partitions partitions; // OFFSET_DELETE, TOPICS_DELETED
        struct group_written written;
        struct group_txn_end txn_end;
    };
};

// ---------------------------------------------------------------------------------------------------------------
// Effects

enum group_effect_type {
    GROUP_ANSWER_JOIN,
    GROUP_ANSWER_SYNC,
    GROUP_ANSWER_HEARTBEAT,
    GROUP_ANSWER_LEAVE,
    GROUP_ANSWER_COMMIT,
    GROUP_ANSWER_OFFSET_DELETE,
    GROUP_ANSWER_DELETE,
    GROUP_WRITE, // append one batch of records, then feed GROUP_WRITTEN (in a later step, in the order of the writes)
    GROUP_LOG,   // a line for the log
    GROUP_DIED,  // the last effect there is: forget the group (group_free); writes under way need no outcome any more
};

struct group_member_metadata {
    struct slice member_id;
    struct slice instance_id; // NULL = dynamic
    struct slice metadata;    // for the chosen protocol
};

// On an error: generation -1, the slices NULL but member_id, no members.
struct group_join_answer {
    int32_t generation;
    struct slice protocol_type;
    struct slice protocol_name;
    struct slice leader;
    struct slice member_id;
    bool skip_assignment;
    const struct group_member_metadata *members; // for the leader only
    int32_t members_count;
};

// On an error the protocol is NULL and the assignment empty.
struct group_sync_answer {
    struct slice protocol_type;
    struct slice protocol_name;
    struct slice assignment; // never NULL
};

// COMMIT, OFFSET_DELETE and LEAVE: Kafka's code for each element of the request, in its order. The effect's own error
// is the top-level one: with it set, errors are the same for all (COMMIT) or there are none (count 0).
struct group_errors {
    const int16_t *list;
    int32_t count;
};

struct group_record {
    struct slice key;
    struct slice value; // NULL = tombstone
};

struct group_write {
    uint64_t id;
    const struct group_record *records;
    int32_t records_count;
    bool acks_none; // need not wait for replicas: feed GROUP_WRITTEN as soon as it is in the local log
    struct log_batch_producer producer; // for log_batch_writer_finish
};

struct group_log {
    enum log_level level;
    const char *text; // names the group; what clients sent is in it as it came (logging masks control characters)
};

// What an effect points to is valid until the next step of this group or the next reset of the effects.
struct group_effect {
    STAILQ_ENTRY(group_effect) entry;
    enum group_effect_type type;
    uint64_t token; // ANSWER_*
    int16_t error;  // ANSWER_*: KAFKA_ERROR_*
    union {
        struct group_join_answer join;
        struct group_sync_answer sync;
        struct group_errors errors;
        struct group_write write;
        struct group_log log;
    };
};

// What happened, for metrics: steps only ever add.
struct group_counts {
    uint64_t rebalances;      // that ended with a generation (Empty ones too)
    uint64_t syncs_completed; // assignments stored
    uint64_t members_joined;
    uint64_t members_left;
    uint64_t members_expired;
    uint64_t offsets_committed; // became visible
    uint64_t offsets_expired;
    uint64_t offsets_deleted;
};

struct group_effects {
    STAILQ_HEAD(group_effect_list, group_effect) list; // in the order they are to be carried out
    struct arena arena;
    struct group_counts counts; // never reset by the machine
};

void group_effects_init(struct group_effects *e);
void group_effects_release(struct group_effects *e);
// Empties list and arena, before the next step; the counts stay.
void group_effects_reset(struct group_effects *e);

// Effects are added to *out, which the caller has emptied.
void group_step(struct group *g, const struct group_event *event, struct group_time now, struct group_effects *out);

// When the next GROUP_TICK is due (monotonic), INT64_MAX if never. Ask after each step: it may have come nearer. That
// it went further away need not be acted on, so that a heartbeat costs no timer.
int64_t group_wake_ms(const struct group *g);

// INVALID_SESSION_TIMEOUT or NONE: asked before a group is looked up or made for a join.
int16_t group_check_session_timeout(const struct group_options *o, int32_t session_timeout_ms);

// ---------------------------------------------------------------------------------------------------------------
// Looking at a group (DescribeGroups, ListGroups, OffsetFetch). Slices are valid until the next step.

enum group_state {
    GROUP_EMPTY,
    GROUP_PREPARING_REBALANCE,
    GROUP_COMPLETING_REBALANCE,
    GROUP_STABLE,
    GROUP_DEAD,
};

// Kafka's word for it: "PreparingRebalance".
const char *group_state_name(enum group_state s);

struct slice group_id(const struct group *g);
enum group_state group_state(const struct group *g);
struct slice group_protocol_type(const struct group *g); // NULL = none (simple or new)
struct slice group_protocol_name(const struct group *g); // NULL = none chosen
struct slice group_leader(const struct group *g);        // NULL = none
int32_t group_generation(const struct group *g);
int64_t group_state_timestamp_ms(const struct group *g); // wall clock of the last change of state, -1 unknown
int32_t group_members_count(const struct group *g);

struct group_member_view {
    struct slice member_id;
    struct slice instance_id; // NULL = dynamic
    struct slice client_id;
    struct slice client_host;
    struct slice metadata;   // for the chosen protocol; empty unless Stable, as Kafka describes members
    struct slice assignment; // likewise
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
};

// 0 <= i < group_members_count, in the order they joined.
void group_member_at(const struct group *g, int32_t i, struct group_member_view *out);

struct group_offset_view {
    struct slice topic;
    int32_t partition;
    bool committed; // else there is no visible offset (yet), and the four fields below mean nothing
    int64_t offset;
    int32_t leader_epoch;
    struct slice metadata;
    int64_t commit_timestamp_ms;
    bool unstable; // an open transaction has committed an offset here (UNSTABLE_OFFSET_COMMIT for require_stable)
};

// False: nothing is known of the partition. A Dead group has no offsets.
bool group_offset_find(const struct group *g, struct slice topic, int32_t partition, struct group_offset_view *out);
// All of them that are visible, partitions of one topic in a row. Kafka leaves out those only pending.
typedef void group_offset_fn(void *ctx, const struct group_offset_view *offset);
void group_offsets_each(const struct group *g, group_offset_fn *fn, void *ctx);
int32_t group_offsets_count(const struct group *g); // visible ones

#endif
