// SPDX-License-Identifier: Apache-2.0
//
// One timer for all groups: a heap of slots by the time they want to be woken. Arming a slot later than it is set does
// nothing, so a heartbeat costs no work here; the tick that then comes early finds nothing due and arms anew.
#include "broker/group/coordinator_internal.h"

#include <stdlib.h>

#include "base/assert.h"
#include "broker/cluster/must.h"

#define TICKS_AT_ONCE 64 // then the loop looks for other work

static int64_t mono_ms(const struct coordinator *c)
{
    return os_mono_us(c->options.os) / 1000;
}

// ---------------------------------------------------------------------------------------------------------------
// The heap, under its mutex

static void heap_put(struct coordinator *c, size_t place, struct group_slot *s)
{
    c->heap[place] = s;
    s->heap_place = place;
}

static void heap_up(struct coordinator *c, struct group_slot *s)
{
    size_t place = s->heap_place;
    while (place > 1 && c->heap[place / 2]->wake_ms > s->wake_ms) {
        heap_put(c, place, c->heap[place / 2]);
        place /= 2;
    }
    heap_put(c, place, s);
}

static void heap_down(struct coordinator *c, struct group_slot *s)
{
    size_t place = s->heap_place;
    for (;;) {
        size_t child = place * 2;
        if (child < c->heap_count && c->heap[child + 1]->wake_ms < c->heap[child]->wake_ms) {
            child++;
        }
        if (child > c->heap_count || c->heap[child]->wake_ms >= s->wake_ms) {
            break;
        }
        heap_put(c, place, c->heap[child]);
        place = child;
    }
    heap_put(c, place, s);
}

static void heap_add(struct coordinator *c, struct group_slot *s)
{
    if (c->heap_count + 1 >= c->heap_capacity) {
        size_t capacity = c->heap_capacity == 0 ? 64 : c->heap_capacity * 2;
        struct group_slot **grown = must_array(capacity, sizeof(struct group_slot *));
        if (c->heap_count > 0) {
            memcpy(grown, c->heap, (c->heap_count + 1) * sizeof(struct group_slot *));
        }
        free(c->heap);
        c->heap = grown;
        c->heap_capacity = capacity;
    }
    heap_put(c, ++c->heap_count, s);
    heap_up(c, s);
}

static void heap_remove(struct coordinator *c, struct group_slot *s)
{
    size_t place = s->heap_place;
    struct group_slot *last = c->heap[c->heap_count--];
    s->heap_place = 0;
    if (last != s) {
        heap_put(c, place, last);
        heap_up(c, last);
        heap_down(c, last);
    }
}

// ---------------------------------------------------------------------------------------------------------------

// Under the mutex: has the loop set its timer when the earliest slot is earlier than that.
static void timer_want(struct coordinator *c)
{
    if (c->heap_count > 0 && c->heap[1]->wake_ms < c->timer_ms && !c->timer_posted) {
        c->timer_posted = true;
        loop_post(c->loop, &c->timer_item);
    }
}

void group_timers_arm(struct group_slot *s, int64_t wake_ms)
{
    struct coordinator *c = s->coordinator;
    mutex_lock(&c->timers_mu);
    if (wake_ms != INT64_MAX && (s->heap_place == 0 || wake_ms < s->wake_ms)) {
        s->wake_ms = wake_ms;
        if (s->heap_place == 0) {
            heap_add(c, s);
        } else {
            heap_up(c, s);
        }
        timer_want(c);
    }
    mutex_unlock(&c->timers_mu);
}

void group_timers_disarm(struct group_slot *s)
{
    struct coordinator *c = s->coordinator;
    mutex_lock(&c->timers_mu);
    if (s->heap_place != 0) {
        heap_remove(c, s);
    }
    mutex_unlock(&c->timers_mu);
}

// ---------------------------------------------------------------------------------------------------------------
// [loop]

// Sets the loop's timer to the earliest slot.
static void timer_follow(struct coordinator *c)
{
    mutex_lock(&c->timers_mu);
    c->timer_posted = false;
    c->timer_ms = c->heap_count > 0 ? c->heap[1]->wake_ms : INT64_MAX;
    int64_t at_ms = c->timer_ms;
    mutex_unlock(&c->timers_mu);
    if (at_ms != INT64_MAX && !c->ended) {
        timer_set(&c->timer, at_ms - mono_ms(c));
    }
}

static void timer_item_run(struct mailbox_item *item)
{
    timer_follow((struct coordinator *)((char *)item - offsetof(struct coordinator, timer_item)));
}

// The next slot that is due, off the heap and referenced; NULL when there is none.
static struct group_slot *due_take(struct coordinator *c)
{
    int64_t now_ms = mono_ms(c);
    struct group_slot *s = NULL;
    mutex_lock(&c->timers_mu);
    if (c->heap_count > 0 && c->heap[1]->wake_ms <= now_ms) {
        s = c->heap[1];
        heap_remove(c, s);
        atomic_fetch_add(&s->refs, 1); // in the heap, so its group lives, and the table holds another
    }
    mutex_unlock(&c->timers_mu);
    return s;
}

static void timer_fired(void *ctx)
{
    struct coordinator *c = ctx;
    static const struct group_event tick = {.type = GROUP_TICK};
    struct group_slot *s;
    for (int i = 0; i < TICKS_AT_ONCE && (s = due_take(c)) != NULL; i++) {
        group_slot_feed(s, &tick);
        group_slot_unref(s);
    }
    timer_follow(c);
}

enum err group_timers_init(struct coordinator *c)
{
    mutex_init(&c->timers_mu, MUTEX_RANK_LOG_LIST); // the loop's mailbox, a leaf, is taken below it
    c->timer_ms = INT64_MAX;
    c->timer_item.run = timer_item_run;
    return timer_init(&c->timer, c->loop, timer_fired, c);
}

void group_timers_end(struct coordinator *c)
{
    timer_release(&c->timer);
}
