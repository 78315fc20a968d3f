// SPDX-License-Identifier: Apache-2.0
//
// An event loop with its own thread (libevent), timers on it, and a mailbox through which other threads hand it work.
// What a loop owns is touched on its thread only. A loop never blocks on purpose.
#ifndef OTTLA_NET_LOOP_H
#define OTTLA_NET_LOOP_H

#include "base/err.h"
#include "base/mailbox.h"
#include "base/os.h"

struct loop;
struct event_base;
struct event;

// name (at most 15 bytes are shown) becomes the thread's name. os must outlive the loop.
enum err loop_new(const char *name, const struct os *os, struct loop **out) WARN_UNUSED;
// Runs the loop in a new thread (signals blocked). loop_stop ends it after what was posted before has run, and joins;
// nothing may be posted after that. Both are no-ops in the wrong state, so a half-built broker can be taken down.
enum err loop_start(struct loop *l) WARN_UNUSED;
void loop_stop(struct loop *l);
void loop_free(struct loop *l); // a stopped one, whose events are all gone; NULL is fine

struct event_base *loop_base(struct loop *l); // for broker/net and the zk adapter only
const struct os *loop_os(const struct loop *l);
// From any thread; the item's run function is called on the loop's thread.
void loop_post(struct loop *l, struct mailbox_item *item);
// The calling thread is the loop's.
bool loop_is_current(const struct loop *l);
// Monotonic milliseconds, read once per round of the loop. [loop]
int64_t loop_now_ms(struct loop *l);

// How many connections live on the loop, so that a listener finds the one that has fewest. [any]
void loop_load_add(struct loop *l, int by);
int loop_load(const struct loop *l);

// A piece of memory for the moment, shared by everything that runs on the loop. [loop]
#define LOOP_SCRATCH_BYTES (32 * 1024)
uint8_t *loop_scratch(struct loop *l);

// One-shot timer; all calls on the loop's thread.
struct timer {
    struct event *ev;
    void (*fn)(void *ctx);
    void *ctx;
};
enum err timer_init(struct timer *t, struct loop *l, void (*fn)(void *ctx), void *ctx) WARN_UNUSED;
void timer_release(struct timer *t); // safe on a zeroed timer
void timer_set(struct timer *t, int64_t delay_ms);
void timer_clear(struct timer *t);

#endif
