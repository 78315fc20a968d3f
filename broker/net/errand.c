// SPDX-License-Identifier: Apache-2.0
//
// Calls on a loop.
#include "broker/net/errand.h"

#include "base/assert.h"

static void errand_run(struct mailbox_item *item)
{
    struct errand *e = (struct errand *)item;
    e->fn(e->ctx);
    mutex_lock(&e->mu);
    e->done = true;
    cond_signal(&e->done_changed);
    mutex_unlock(&e->mu);
}

// Patience may be any number.
static int64_t until_us(const struct loop *l, int64_t patience_ms)
{
    int64_t us;
    bool never = __builtin_mul_overflow(patience_ms, (int64_t)1000, &us) ||
                 __builtin_add_overflow(us, os_mono_us(loop_os(l)), &us);
    return never ? INT64_MAX : us;
}

static bool errand_await(struct errand *e, int64_t us)
{
    bool in_time = true;
    mutex_lock(&e->mu);
    while (!e->done && in_time) {
        if (us == INT64_MAX) {
            cond_wait(&e->done_changed, &e->mu);
        } else {
            in_time = cond_wait_until(&e->done_changed, &e->mu, us);
        }
    }
    bool done = e->done;
    mutex_unlock(&e->mu);
    return done;
}

enum err errand_do(struct errand *e, struct loop *l, void (*fn)(void *ctx), void *ctx, int64_t patience_ms)
{
    ASSERT(!loop_is_current(l) && (!e->under_way || (e->fn == fn && e->ctx == ctx)));
    if (!e->under_way) {
        *e = (struct errand){.item.run = errand_run, .fn = fn, .ctx = ctx, .under_way = true};
        mutex_init(&e->mu, MUTEX_RANK_LEAF);
        cond_init(&e->done_changed);
        loop_post(l, &e->item);
    }
    if (!errand_await(e, until_us(l, patience_ms))) {
        return ERR_TIMED_OUT;
    }
    cond_destroy(&e->done_changed);
    mutex_destroy(&e->mu);
    e->under_way = false;
    return ERR_OK;
}
