// SPDX-License-Identifier: Apache-2.0
//
// Timer -> job -> timer. A round that ends after background_stop finds `stopped` and leaves the loop alone, which may
// be gone by then.
#include "broker/replica/background.h"

#define BACKGROUND_MIN_MS 10 // a shorter interval would only keep the disk pool busy

static void timer_set_again(struct mailbox_item *item)
{
    struct background *b = (struct background *)((char *)item - offsetof(struct background, again));
    mutex_lock(&b->mu);
    b->running = false;
    bool stopped = b->stopped;
    cond_broadcast(&b->idle);
    mutex_unlock(&b->mu);
    if (!stopped) {
        timer_set(&b->timer, b->interval_ms);
    }
}

static void job_run(struct pool_job *job)
{
    struct background *b = (struct background *)job;
    b->round(b->ctx);
    mutex_lock(&b->mu);
    bool stopped = b->stopped;
    if (stopped) {
        b->running = false;
        cond_broadcast(&b->idle);
    } else {
        loop_post(b->loop, &b->again);
    }
    mutex_unlock(&b->mu);
}

static void timer_fired(void *ctx)
{
    struct background *b = ctx;
    mutex_lock(&b->mu);
    b->running = true;
    mutex_unlock(&b->mu);
    pool_submit(b->pool, &b->job);
}

void background_init(struct background *b, struct pool *pool, int64_t interval_ms, void (*round)(void *ctx), void *ctx)
{
    *b = (struct background){.pool = pool, .round = round, .ctx = ctx, .interval_ms = interval_ms};
    if (interval_ms < 1) {
        b->interval_ms = INT64_MAX;
    } else if (interval_ms < BACKGROUND_MIN_MS) {
        b->interval_ms = BACKGROUND_MIN_MS;
    }
    b->job.run = job_run;
    b->again.run = timer_set_again;
    mutex_init(&b->mu, MUTEX_RANK_LOG_LIST); // the loop's mailbox is taken below it
    cond_init(&b->idle);
}

enum err background_start(struct background *b, struct loop *loop, int64_t initial_ms)
{
    b->loop = loop;
    if (b->interval_ms == INT64_MAX) {
        return ERR_OK;
    }
    enum err err = timer_init(&b->timer, loop, timer_fired, b);
    if (err == ERR_OK) {
        b->started = true;
        timer_set(&b->timer, initial_ms);
    }
    return err;
}

void background_stop(struct background *b)
{
    if (!b->started) {
        return;
    }
    timer_clear(&b->timer);
    timer_release(&b->timer);
    mutex_lock(&b->mu);
    b->stopped = true;
    mutex_unlock(&b->mu);
}

void background_release(struct background *b)
{
    mutex_lock(&b->mu);
    while (b->running) {
        cond_wait(&b->idle, &b->mu);
    }
    mutex_unlock(&b->mu);
    mutex_destroy(&b->mu);
    cond_destroy(&b->idle);
}
