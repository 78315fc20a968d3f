// SPDX-License-Identifier: Apache-2.0
//
// The group coordinator: which groups this broker is responsible for, and what runs them. A group belongs to one
// partition of __consumer_offsets; whoever leads that partition coordinates it. Becoming leader loads the partition's
// groups on a disk thread, in pieces; resigning sends all their members away. Nothing else changes when leadership
// moves between brokers.
//
// A group is a pure state machine (group.h) in a slot with a mutex (rank GROUP). Whoever brings an event, on whatever
// thread, takes the mutex, steps the group and carries out the effects: answers go to the calls that wait for them,
// records are appended to the partition. The coordinator has one loop of its own for what comes by time: session and
// rebalance timers (a heap of all groups, one timer) and appends that have to wait for an acknowledgement.
#ifndef OTTLA_GROUP_COORDINATOR_H
#define OTTLA_GROUP_COORDINATOR_H

#include "base/pool.h"
#include "broker/cluster/cluster.h"
#include "broker/group/group.h"
#include "broker/replica/replica_manager.h"

struct coordinator;
struct group_call;

struct coordinator_options {
    const struct os *os;
    struct replica_manager *replicas;
    struct pool *pool; // where groups are loaded
    struct group_options group;
    int16_t required_acks;      // offsets.commit.required.acks
    int32_t commit_timeout_ms;  // offsets.commit.timeout.ms
    int32_t load_buffer_bytes;  // offsets.load.buffer.size
    int64_t retention_check_ms; // offsets.retention.check.interval.ms
};

// Starts the coordinator's loop. It has no groups until the hooks say so.
enum err coordinator_open(const struct coordinator_options *o, struct coordinator **out) WARN_UNUSED;
// What the controller says, passed on to `inner` first; then the coordinator hears of it. Both outlive the hooks.
struct cluster_hooks coordinator_hooks(struct coordinator *c, struct cluster_hooks inner);
// The id this broker got when it joined. Before the hooks can name it.
void coordinator_set_broker_id(struct coordinator *c, int32_t broker_id);
// No request and no hook comes any more; the pool and the partitions are still there.
void coordinator_close(struct coordinator *c);

// ---------------------------------------------------------------------------------------------------------------
// Asking a group something. [any]

// Takes the event (of a request: GROUP_JOIN to GROUP_DELETE) to its group. Its token is filled in here. A group that
// does not exist is made for a join without member id and for a commit without generation.
// ERR_OK: *call will hold the answer (it may do so already); the caller has one reference.
// ERR_NOT_FOUND: there is no such group. ERR_INVALID: not asked, *error is Kafka's code (NOT_COORDINATOR,
// COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE).
enum err coordinator_ask(struct coordinator *c, const struct metadata *m, struct slice group_id, struct group_event *e,
                         int16_t *error, struct group_call **call) WARN_UNUSED;

// An answer that is there or will come. Done once, then never changed: the fields may be read without a lock.
struct group_answer {
    enum group_effect_type type;
    int16_t error; // KAFKA_ERROR_*
    union {
        struct group_join_answer join;
        struct group_sync_answer sync;
        struct group_errors errors;
    };
};
bool group_call_done(struct group_call *call);
// [loop of the wait] True: it is done. False: link is linked and w will be counted down by one.
bool group_call_wait(struct group_call *call, struct wait_link *link, struct wait *w);
void group_call_detach(struct group_call *call, struct wait_link *link); // nothing when it is not linked
const struct group_answer *group_call_answer(const struct group_call *call);
// For the response built of it, which lives as long as the call. Of the one who reads the answer.
struct arena *group_call_arena(struct group_call *call);
void group_call_unref(struct group_call *call);

// ---------------------------------------------------------------------------------------------------------------
// Looking at groups. [any]

// NONE, or why this broker does not answer for the group: NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS,
// COORDINATOR_NOT_AVAILABLE.
int16_t coordinator_check(struct coordinator *c, const struct metadata *m, struct slice group_id);
// Calls fn with the group's lock held; fn copies what it needs. NULL when there is no such group. Answers as
// coordinator_check; fn is called only for NONE.
typedef void coordinator_look_fn(void *ctx, const struct group *g);
int16_t coordinator_look(struct coordinator *c, const struct metadata *m, struct slice group_id,
                         coordinator_look_fn *fn, void *ctx);
// Every group, in no order. True while a partition is being loaded, so that some may be missing.
bool coordinator_each(struct coordinator *c, coordinator_look_fn *fn, void *ctx);

// What has happened since the start.
void coordinator_counts(struct coordinator *c, struct group_counts *out);

#endif
