// SPDX-License-Identifier: Apache-2.0
//
// How a request waits for things of other threads (bytes in a partition, a high watermark, a job) without a thread of
// its own. A wait belongs to one loop and is woken at most once per arming. It counts what is still missing; each
// thing waited for holds a link in its list, under its own lock.
//
//   owner, on its loop: wait_arm(w, n); then, under the lock of each thing: wait_link_add(...)
//   waker, any thread, under that lock: wait_count_down(w, by, &woken); after unlocking: wake_list_post(&woken)
//   owner, on its loop: on_wake runs once; it removes every link under that thing's lock (wait_link_remove)
//
// A wait that is marked (counted down to zero) sits in its loop's mailbox: it must not be freed before on_wake ran.
// wait_disarm says whether that is so.
#ifndef OTTLA_NET_WAIT_H
#define OTTLA_NET_WAIT_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "broker/net/loop.h"

struct wait {
    struct mailbox_item item; // first: the mailbox hands it back
    struct loop *loop;
    void (*on_wake)(struct wait *w);
    _Atomic int64_t remaining; // bytes or things; marked when it falls to zero or below
    atomic_bool marked;        // since it was armed; a link that is still there must not mark it twice
    bool delivered;            // [loop] on_wake has been called since it was armed
};

struct wait_link {
    LIST_ENTRY(wait_link) entry;
    struct wait *wait; // NULL = not linked
    int64_t threshold; // meaning is the list's: an offset, a version
};

LIST_HEAD(wait_list, wait_link);

// Marked waits collected under a lock, to be posted after it is released (no system call under a state lock).
struct wake_list {
    struct mailbox_item *head;
};

void wait_init(struct wait *w, struct loop *loop, void (*on_wake)(struct wait *w));
// [loop] Starts a new round with so much missing (>= 1).
void wait_arm(struct wait *w, int64_t missing);
// [loop] No wake is wanted any more (all links are removed). False: it is marked already, on_wake is still to come.
bool wait_disarm(struct wait *w);
// [any, under the lock of a thing that holds a link to w] Marks it once when nothing is missing any more.
void wait_count_down(struct wait *w, int64_t by, struct wake_list *woken);
void wake_list_post(struct wake_list *woken);

// [under the lock of the list's owner]
void wait_link_add(struct wait_list *list, struct wait_link *link, struct wait *w, int64_t threshold);
void wait_link_remove(struct wait_link *link); // nothing when it is not linked

#endif
