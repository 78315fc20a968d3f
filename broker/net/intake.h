// SPDX-License-Identifier: Apache-2.0
//
// What all connections of a broker together have taken in and not handled yet: the bytes of their frames
// (queued.max.request.bytes) and the requests that wait for another thread (queued.max.requests). Past either bound no
// frame is begun, respectively given out; the bytes wait in the sockets, and so the peers are slowed down. What has
// begun goes on, so it comes to its end, and then those who wait are woken.
//
// A frame counts from when its size is known until it is answered or waits for what other requests may bring, whether
// its bytes are there yet or not, as with Kafka's memory pool; so one that is begun can always be finished.
#ifndef OTTLA_NET_INTAKE_H
#define OTTLA_NET_INTAKE_H

#include <stdatomic.h>

#include "broker/net/loop.h"

struct intake;

struct intake_options {
    int64_t max_bytes;  // a frame is begun while there are fewer than this; -1 = always
    int32_t max_queued; // a frame is given out while fewer than this wait
};

// Something on a loop that waits for room. It is woken on its loop, perhaps for nothing.
struct intake_waiter {
    struct mailbox_item item; // first
    struct loop *loop;
    void (*on_room)(struct intake_waiter *w);
    atomic_bool waits;
    atomic_bool posted; // lies in the mailbox
    struct intake_waiter *next;
};

enum err intake_new(const struct intake_options *o, struct intake **out) WARN_UNUSED;
void intake_free(struct intake *i); // NULL is fine; no waiters are left

// loop and on_room are set by the caller. Removed before its loop's mailbox is drained for the last time. [any]
void intake_add_waiter(struct intake *i, struct intake_waiter *w);
void intake_remove_waiter(struct intake *i, struct intake_waiter *w);

// False: there is no room, and w is woken when there is. [loop of w]
bool intake_begin(struct intake *i, size_t bytes, struct intake_waiter *w) WARN_UNUSED;
void intake_end(struct intake *i, size_t bytes); // [any]
// The same for the requests that wait for another thread.
bool intake_may_queue(struct intake *i, struct intake_waiter *w) WARN_UNUSED;
void intake_queued(struct intake *i);   // [any]
void intake_unqueued(struct intake *i); // [any]

#endif
