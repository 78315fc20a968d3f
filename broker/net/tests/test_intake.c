// SPDX-License-Identifier: Apache-2.0
//
// The bounds of what all connections take in: counting, and waking those who wait, from several threads.
#include "broker/net/intake.h"

#include "base/tests/cmocka_all.h"
#include <pthread.h>

#define THREADS 3
#define ROUNDS  20000

struct waiting {
    struct intake_waiter w; // first
    struct mutex mu;        // leaf
    struct cond changed;
    int woken;
};

static void on_room(struct intake_waiter *w)
{
    struct waiting *x = (struct waiting *)w;
    mutex_lock(&x->mu);
    x->woken++;
    cond_broadcast(&x->changed);
    mutex_unlock(&x->mu);
}

static void waiting_init(struct waiting *x, struct loop *loop)
{
    *x = (struct waiting){.w = {.loop = loop, .on_room = on_room}};
    mutex_init(&x->mu, MUTEX_RANK_LEAF);
    cond_init(&x->changed);
}

static void waiting_release(struct waiting *x)
{
    cond_destroy(&x->changed);
    mutex_destroy(&x->mu);
}

static void await_woken(struct waiting *x, int n)
{
    mutex_lock(&x->mu);
    while (x->woken < n) {
        cond_wait(&x->changed, &x->mu);
    }
    mutex_unlock(&x->mu);
}

static struct loop *loop;
static struct intake *intake;
static struct waiting waiting;

static void start(int64_t max_bytes, int32_t max_queued)
{
    assert_int_equal(loop_new("intake", os_real(), &loop), ERR_OK);
    assert_int_equal(loop_start(loop), ERR_OK);
    assert_int_equal(intake_new(&(struct intake_options){.max_bytes = max_bytes, .max_queued = max_queued}, &intake),
                     ERR_OK);
    waiting_init(&waiting, loop);
    intake_add_waiter(intake, &waiting.w);
}

static void stop(void)
{
    intake_remove_waiter(intake, &waiting.w);
    loop_stop(loop);
    loop_free(loop);
    intake_free(intake);
    waiting_release(&waiting);
}

static void test_bytes(void **state)
{
    (void)state;
    start(100, 1);
    assert_true(intake_begin(intake, 99, &waiting.w));
    assert_true(intake_begin(intake, 1000, &waiting.w)); // there was room left, so it may be any size
    assert_false(intake_begin(intake, 1, &waiting.w));
    intake_end(intake, 99);
    assert_false(intake_begin(intake, 1, &waiting.w));
    intake_end(intake, 1000);
    await_woken(&waiting, 1);
    assert_true(intake_begin(intake, 100, &waiting.w));
    intake_end(intake, 100); // nobody waits
    stop();
    assert_int_equal(waiting.woken, 1);
}

static void test_no_bound(void **state)
{
    (void)state;
    start(-1, 1);
    for (int i = 0; i < 100; i++) {
        assert_true(intake_begin(intake, INT32_MAX, &waiting.w));
    }
    for (int i = 0; i < 100; i++) {
        intake_end(intake, INT32_MAX);
    }
    stop();
}

static void test_queued(void **state)
{
    (void)state;
    start(-1, 2);
    assert_true(intake_may_queue(intake, &waiting.w));
    intake_queued(intake);
    assert_true(intake_may_queue(intake, &waiting.w));
    intake_queued(intake);
    intake_queued(intake); // who was let in may come past the bound
    assert_false(intake_may_queue(intake, &waiting.w));
    intake_unqueued(intake);
    assert_false(intake_may_queue(intake, &waiting.w));
    intake_unqueued(intake);
    await_woken(&waiting, 1);
    assert_true(intake_may_queue(intake, &waiting.w));
    intake_unqueued(intake);
    stop();
}

// Takes room and gives it back; when there is none it waits to be woken, and that must come.
static void *take_and_give(void *arg)
{
    struct waiting *x = arg;
    for (int i = 0; i < ROUNDS; i++) {
        int seen = 0;
        while (!intake_begin(intake, 10, &x->w)) {
            await_woken(x, ++seen);
            mutex_lock(&x->mu);
            x->woken = seen = 0;
            mutex_unlock(&x->mu);
        }
        intake_end(intake, 10);
    }
    return NULL;
}

static void test_no_wake_is_lost(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct waiting all[THREADS];
    start(1, 1); // one at a time
    for (int i = 0; i < THREADS; i++) {
        waiting_init(&all[i], loop);
        intake_add_waiter(intake, &all[i].w);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &all[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        intake_remove_waiter(intake, &all[i].w);
    }
    stop();
    for (int i = 0; i < THREADS; i++) {
        waiting_release(&all[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_no_bound),
        cmocka_unit_test(test_queued),
        cmocka_unit_test(test_no_wake_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
