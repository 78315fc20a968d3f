// SPDX-License-Identifier: Apache-2.0
//
// A call that another thread makes on a loop and waits for, for so long and no longer.
#ifndef OTTLA_NET_ERRAND_H
#define OTTLA_NET_ERRAND_H

#include "base/mutex.h"
#include "broker/net/loop.h"

struct errand {
    struct mailbox_item item; // first
    void (*fn)(void *ctx);
    void *ctx;
    struct mutex mu; // leaf: done
    struct cond done_changed;
    bool done;
    bool under_way; // of the thread that waits
};

#define ERRAND_PATIENT INT64_MAX // waits however long it takes

// Runs fn(ctx) on the loop's thread, after what was posted there before, and waits for its end. e: zeroed, or of an
// errand that is over. ERR_TIMED_OUT: patience_ms have passed. It may still be run then, so e and what ctx points to
// must stay; the same call again goes on waiting for it. Not from the loop's own thread.
enum err errand_do(struct errand *e, struct loop *l, void (*fn)(void *ctx), void *ctx, int64_t patience_ms) WARN_UNUSED;

#endif
