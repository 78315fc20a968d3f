// SPDX-License-Identifier: Apache-2.0
//
// Waits. Two facts make the hand-over safe. A waker counts down only while it holds the lock of a list in which the
// wait is linked, so a wait without links is touched by nobody. And `marked` changes from false to true once per
// arming, so exactly one waker posts it; from then on it lies in a wake list or a mailbox until its loop has run it.
#include "broker/net/wait.h"

#include "base/assert.h"

static void wait_run(struct mailbox_item *item)
{
    struct wait *w = (struct wait *)item;
    w->delivered = true;
    w->on_wake(w); // may free it
}

void wait_init(struct wait *w, struct loop *loop, void (*on_wake)(struct wait *w))
{
    w->item = (struct mailbox_item){.run = wait_run};
    w->loop = loop;
    w->on_wake = on_wake;
    w->delivered = false;
    atomic_init(&w->remaining, 0);
    atomic_init(&w->marked, false);
}

void wait_arm(struct wait *w, int64_t missing)
{
    ASSERT(missing >= 1);
    ASSERT(w->delivered || !atomic_load_explicit(&w->marked, memory_order_relaxed)); // else it is still in a mailbox
    w->delivered = false;
    atomic_store_explicit(&w->remaining, missing, memory_order_relaxed);
    atomic_store_explicit(&w->marked, false, memory_order_relaxed); // published by the lock under which it is linked
}

bool wait_disarm(struct wait *w)
{
    // All links are gone, each removed under its lock, so what a waker has done is visible here.
    return w->delivered || !atomic_load_explicit(&w->marked, memory_order_relaxed);
}

void wait_count_down(struct wait *w, int64_t by, struct wake_list *woken)
{
    ASSERT(by >= 0);
    int64_t before = atomic_fetch_sub_explicit(&w->remaining, by, memory_order_relaxed);
    if (before > by || atomic_exchange_explicit(&w->marked, true, memory_order_acq_rel)) {
        return;
    }
    w->item.next = woken->head;
    woken->head = &w->item;
}

void wake_list_post(struct wake_list *woken)
{
    struct mailbox_item *item = woken->head;
    woken->head = NULL;
    while (item) {
        struct mailbox_item *next = item->next; // the owner may free it as soon as it is posted
        loop_post(((struct wait *)item)->loop, item);
        item = next;
    }
}

void wait_link_add(struct wait_list *list, struct wait_link *link, struct wait *w, int64_t threshold)
{
    ASSERT(link->wait == NULL);
    link->wait = w;
    link->threshold = threshold;
    LIST_INSERT_HEAD(list, link, entry);
}

void wait_link_remove(struct wait_link *link)
{
    if (link->wait) {
        LIST_REMOVE(link, entry);
        link->wait = NULL;
    }
}
