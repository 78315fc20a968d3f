// SPDX-License-Identifier: Apache-2.0
//
// Inside of the coordinator, shared by its files only.
//
// Locks: a slot's mutex (rank GROUP) is taken first; below it, one at a time, the leaf mutexes: the table's, the
// timers', a call's. Nobody holds a leaf while taking a slot's mutex, so a slot found in the table may have died by
// the time it is locked: slot->group is NULL then, and the finder looks again.
#ifndef OTTLA_GROUP_COORDINATOR_INTERNAL_H
#define OTTLA_GROUP_COORDINATOR_INTERNAL_H

#include "base/hash.h"
#include "broker/group/coordinator.h"
#include "broker/replica/background.h"

enum ownership {
    OWNERSHIP_NONE,
    OWNERSHIP_LOADING,
    OWNERSHIP_LOADED,
    OWNERSHIP_FAILED, // its records could not be read: answering from what was read would lose positions
};

struct load;

// A partition of __consumer_offsets.
struct owned_partition {
    enum ownership state;
    int32_t leader_epoch;        // the last one heard of; older news are ignored
    struct partition *partition; // referenced, NULL when NONE
    const struct load *load;     // the one under way when LOADING
};

// An append whose outcome the group has not heard of.
struct group_append {
    STAILQ_ENTRY(group_append) entry; // of the slot: outcomes are told in the order of the writes
    TAILQ_ENTRY(group_append) waiting_entry;
    struct mailbox_item item; // takes it to the coordinator's loop, to wait there
    struct wait wait;         // [loop]
    struct wait_link link;
    struct group_slot *slot; // referenced while it is on its way to the loop or waits there
    uint64_t write_id;
    int64_t first_offset;
    struct partition_end end;
    int64_t deadline_ms; // monotonic
    bool need_flush;
    bool waits;     // [loop] in the list of those that wait
    bool timed_out; // [loop]
    bool done;      // under the slot's mutex: err is the outcome
    enum err err;
};

struct group_slot {
    UT_hash_handle hh; // of the table, by id
    struct coordinator *coordinator;
    atomic_int refs; // one of the table while the group lives
    int32_t partition_index;
    struct partition *partition; // referenced
    struct slice id;             // behind the struct
    // Under mu.
    struct mutex mu;
    struct group *group; // NULL: it has died
    STAILQ_HEAD(, group_append) appends;
    // Under the timers' mutex.
    int64_t wake_ms; // in the heap when heap_place > 0
    size_t heap_place;
};

struct coordinator {
    struct coordinator_options options;
    _Atomic int32_t broker_id;
    struct cluster_hooks inner;
    struct loop *loop;
    _Atomic int32_t partitions_count; // of the topic when it was first seen; kept until the end, as Kafka does

    struct mutex table_mu; // leaf
    struct group_slot *table;
    struct owned_partition *owned; // by index
    int32_t owned_count;
    int32_t loads; // under way
    bool stopping;
    struct cond changed; // with table_mu: loads, and what close waits for
    struct group_counts counts;

    struct mutex timers_mu;   // leaf
    struct group_slot **heap; // [1..heap_count], the earliest first
    size_t heap_count;
    size_t heap_capacity;
    int64_t timer_ms; // what the loop's timer is set to, or is about to be
    bool timer_posted;
    struct mailbox_item timer_item;
    struct timer timer; // [loop]

    // [loop]
    TAILQ_HEAD(, group_append) waiting; // by deadline
    struct timer ack_timer;
    bool ended;

    struct background expiry;
    bool running; // the loop is
};

// ---- group_call.c ----

struct group_call *group_call_new(void);
void group_call_ref(struct group_call *call);
// The effect's answer, copied; wakes who waits, and gives the reference back that the token stood for.
void group_call_finish(struct group_call *call, const struct group_effect *effect);

// ---- coordinator.c: the table ----

// Referenced for the caller, or NULL. error as coordinator_check. make: a group that does not exist is made.
struct group_slot *coordinator_slot_find(struct coordinator *c, const struct metadata *m, struct slice group_id,
                                         bool make, int16_t *error);
// All slots (of one partition when index >= 0), each referenced; the array is the caller's to free.
struct group_slot **coordinator_slots(struct coordinator *c, int32_t index, size_t *count);
// Takes the group over. Nobody finds it while its partition is being loaded. Referenced for the caller.
struct group_slot *coordinator_slot_add(struct coordinator *c, int32_t index, struct partition *p, struct group *g);
struct group_time coordinator_now(const struct coordinator *c);

// ---- group_slot.c ----

void group_slot_unref(struct group_slot *s);
// Under the slot's mutex, with a group that lives.
void group_slot_step(struct group_slot *s, const struct group_event *e);
// Locks, and steps if the group lives.
void group_slot_feed(struct group_slot *s, const struct group_event *e);
// [loop] Nothing waits any more.
void group_appends_end(struct coordinator *c);
enum err group_appends_init(struct coordinator *c) WARN_UNUSED;

// ---- group_timers.c ----

enum err group_timers_init(struct coordinator *c) WARN_UNUSED;
void group_timers_end(struct coordinator *c);
// Under the slot's mutex: the group wants to be woken then. Later than what is set is left alone.
void group_timers_arm(struct group_slot *s, int64_t wake_ms);
void group_timers_disarm(struct group_slot *s);

// ---- coordinator_load.c ----

#define COORDINATOR_GONE INT32_MAX // as the epoch of a resignation: the replica goes away

// [control] This broker leads the partition from now on, or no longer does.
void coordinator_lead(struct coordinator *c, int32_t index, int32_t leader_epoch);
void coordinator_resign(struct coordinator *c, int32_t index, int32_t leader_epoch);

#endif
