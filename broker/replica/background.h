// SPDX-License-Identifier: Apache-2.0
//
// Work that comes round every so often: a timer on the control loop hands a job to the disk pool; the timer is set
// again when the job has ended, so a slow round never piles up on itself.
#ifndef OTTLA_REPLICA_BACKGROUND_H
#define OTTLA_REPLICA_BACKGROUND_H

#include "base/pool.h"
#include "broker/net/loop.h"

struct background {
    struct pool_job job;       // first: the pool hands it back
    struct mailbox_item again; // posted to the loop when a round has ended
    struct loop *loop;
    struct pool *pool;
    struct timer timer;
    void (*round)(void *ctx); // on a pool thread
    void *ctx;
    int64_t interval_ms; // INT64_MAX: never
    struct mutex mu;     // leaf: running, stopped
    struct cond idle;
    bool running;
    bool stopped;
    bool started;
};

// interval_ms INT64_MAX (or less than 1): the work never comes round.
void background_init(struct background *b, struct pool *pool, int64_t interval_ms, void (*round)(void *ctx), void *ctx);
// [control] The first round after initial_ms.
enum err background_start(struct background *b, struct loop *loop, int64_t initial_ms) WARN_UNUSED;
// [control] No round begins after this.
void background_stop(struct background *b);
// [not a loop] Waits until no round is under way; after background_stop, or when it was never started.
void background_release(struct background *b);

#endif
