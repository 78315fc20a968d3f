// SPDX-License-Identifier: Apache-2.0
//
// The pool runs everything that was queued before it ends, also what jobs queue themselves; one thread keeps the order.
#include "base/pool.h"

#include "base/tests/cmocka_all.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum {
    JOBS = 500,
};

struct work {
    struct pool_job job; // first member
    struct pool *pool;
    atomic_int *done;
    int number;
    int again;
};

static void work_run(struct pool_job *job)
{
    struct work *w = (struct work *)job;
    if (w->again > 0) {
        w->again--;
        pool_submit(w->pool, job);
        return;
    }
    atomic_fetch_add(w->done, 1);
}

static void test_free_runs_all(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads += 3) {
        static struct work works[JOBS];
        atomic_int done = 0;
        struct pool *p;
        assert_int_equal(pool_new(threads, &p), ERR_OK);
        for (int i = 0; i < JOBS; i++) {
            works[i] = (struct work){.job.run = work_run, .pool = p, .done = &done, .again = i % 3};
            pool_submit(p, &works[i].job);
        }
        pool_free(p);
        assert_int_equal(done, JOBS);
    }
}

static void test_drain_waits_for_all(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        static struct work works[JOBS];
        atomic_int done = 0;
        struct pool *p;
        assert_int_equal(pool_new(3, &p), ERR_OK);
        pool_drain(p); // nothing to wait for
        for (int i = 0; i < JOBS; i++) {
            works[i] = (struct work){.job.run = work_run, .pool = p, .done = &done, .again = i % 3};
            pool_submit(p, &works[i].job);
        }
        pool_drain(p);
        assert_int_equal(done, JOBS);
        pool_submit(p, &works[0].job); // it goes on working
        pool_drain(p);
        assert_int_equal(done, JOBS + 1);
        pool_free(p);
    }
}

static void order_run(struct pool_job *job)
{
    struct work *w = (struct work *)job;
    assert_int_equal(atomic_fetch_add(w->done, 1), w->number);
}

static void test_one_thread_keeps_order(void **state)
{
    (void)state;
    static struct work works[JOBS];
    atomic_int done = 0;
    struct pool *p;
    assert_int_equal(pool_new(1, &p), ERR_OK);
    for (int i = 0; i < JOBS; i++) {
        works[i] = (struct work){.job.run = order_run, .done = &done, .number = i};
        pool_submit(p, &works[i].job);
    }
    pool_free(p);
    assert_int_equal(done, JOBS);
}

static void mask_run(struct pool_job *job)
{
    struct work *w = (struct work *)job;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    *w->done = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGINT) && sigismember(&mask, SIGHUP);
}

static void test_signals_blocked_in_threads_only(void **state)
{
    (void)state;
    atomic_int blocked = 0;
    struct work w = {.job.run = mask_run, .done = &blocked};
    struct pool *p;
    assert_int_equal(pool_new(2, &p), ERR_OK);
    pool_submit(p, &w.job);
    pool_free(p);
    assert_int_equal(blocked, 1);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGTERM));
}

static void test_free_of_unused(void **state)
{
    (void)state;
    struct pool *p;
    assert_int_equal(pool_new(3, &p), ERR_OK);
    pool_free(p);
    pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_runs_all),          cmocka_unit_test(test_drain_waits_for_all),
        cmocka_unit_test(test_one_thread_keeps_order), cmocka_unit_test(test_signals_blocked_in_threads_only),
        cmocka_unit_test(test_free_of_unused),
    };
    return cmocka_run_group_tests_name("base/pool", tests, NULL, NULL);
}
