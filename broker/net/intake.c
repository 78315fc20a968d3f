// SPDX-License-Identifier: Apache-2.0
//
// Two counters. Whoever finds one at its bound says so in its waiter and looks again; whoever takes one below its bound
// looks for waiters afterwards: one of the two sees the other.
#include "broker/net/intake.h"

#include "base/assert.h"
#include "base/mutex.h"
#include <stdlib.h>

struct intake {
    struct intake_options o;
    _Atomic int64_t bytes;
    _Atomic int64_t queued;
    struct mutex mu; // waiters
    struct intake_waiter *waiters;
};

enum err intake_new(const struct intake_options *o, struct intake **out)
{
    struct intake *i = calloc(1, sizeof *i);
    if (!i) {
        return ERR_NO_MEMORY;
    }
    i->o = *o;
    mutex_init(&i->mu, MUTEX_RANK_STATE); // posting takes the mailbox's, a leaf
    *out = i;
    return ERR_OK;
}

void intake_free(struct intake *i)
{
    if (i) {
        ASSERT(!i->waiters && atomic_load(&i->bytes) == 0 && atomic_load(&i->queued) == 0);
        mutex_destroy(&i->mu);
        free(i);
    }
}

static void waiter_run(struct mailbox_item *item)
{
    struct intake_waiter *w = (struct intake_waiter *)item;
    atomic_store(&w->posted, false);
    w->on_room(w);
}

void intake_add_waiter(struct intake *i, struct intake_waiter *w)
{
    w->item.run = waiter_run;
    mutex_lock(&i->mu);
    w->next = i->waiters;
    i->waiters = w;
    mutex_unlock(&i->mu);
}

void intake_remove_waiter(struct intake *i, struct intake_waiter *w)
{
    mutex_lock(&i->mu);
    struct intake_waiter **at = &i->waiters;
    while (*at != w) {
        ASSERT(*at);
        at = &(*at)->next;
    }
    *at = w->next;
    mutex_unlock(&i->mu);
}

static void waiters_wake(struct intake *i)
{
    mutex_lock(&i->mu);
    for (struct intake_waiter *w = i->waiters; w; w = w->next) {
        if (atomic_exchange(&w->waits, false) && !atomic_exchange(&w->posted, true)) {
            loop_post(w->loop, &w->item);
        }
    }
    mutex_unlock(&i->mu);
}

static int64_t bytes_max(const struct intake *i)
{
    return i->o.max_bytes < 0 ? INT64_MAX : i->o.max_bytes;
}

// Raises a counter that is below its bound, by any amount.
static bool counter_raise(_Atomic int64_t *counter, int64_t by, int64_t max)
{
    int64_t n = atomic_load(counter);
    while (n < max) {
        if (atomic_compare_exchange_weak(counter, &n, n + by)) {
            return true;
        }
    }
    return false;
}

// Below the bound now, and not before.
static bool counter_lower(_Atomic int64_t *counter, int64_t by, int64_t max)
{
    int64_t before = atomic_fetch_sub(counter, by);
    ASSERT(before >= by);
    return before >= max && before - by < max;
}

bool intake_begin(struct intake *i, size_t bytes, struct intake_waiter *w)
{
    if (counter_raise(&i->bytes, (int64_t)bytes, bytes_max(i))) {
        return true;
    }
    atomic_store(&w->waits, true);
    return counter_raise(&i->bytes, (int64_t)bytes, bytes_max(i));
}

void intake_end(struct intake *i, size_t bytes)
{
    if (counter_lower(&i->bytes, (int64_t)bytes, bytes_max(i))) {
        waiters_wake(i);
    }
}

bool intake_may_queue(struct intake *i, struct intake_waiter *w)
{
    if (atomic_load(&i->queued) < i->o.max_queued) {
        return true;
    }
    atomic_store(&w->waits, true);
    return atomic_load(&i->queued) < i->o.max_queued;
}

void intake_queued(struct intake *i)
{
    atomic_fetch_add(&i->queued, 1);
}

void intake_unqueued(struct intake *i)
{
    if (counter_lower(&i->queued, 1, i->o.max_queued)) {
        waiters_wake(i);
    }
}
