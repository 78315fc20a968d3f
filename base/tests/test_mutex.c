// SPDX-License-Identifier: Apache-2.0
//
// Ranks rise: with OTTLA_DEBUG_LOCKS a child process that breaks the rule is aborted, one that keeps it is not. Without
// that option the checks are not compiled in, and the rule tests are skipped.
#include "base/mutex.h"

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"

static void two_locks(enum mutex_rank first, enum mutex_rank second)
{
    struct mutex a, b;
    mutex_init(&a, first);
    mutex_init(&b, second);
    mutex_lock(&a);
    mutex_lock(&b);
    mutex_unlock(&a); // in the order taken, which is allowed
    mutex_unlock(&b);
    mutex_destroy(&a);
    mutex_destroy(&b);
}

static void rising_ranks(void)
{
    two_locks(MUTEX_RANK_APPEND, MUTEX_RANK_STATE);
    two_locks(MUTEX_RANK_GROUP, MUTEX_RANK_LEAF);
}

static void falling_ranks(void)
{
    two_locks(MUTEX_RANK_STATE, MUTEX_RANK_APPEND);
}

static void equal_ranks(void)
{
    two_locks(MUTEX_RANK_LEAF, MUTEX_RANK_LEAF);
}

static void unlock_of_what_is_not_held(void)
{
    struct mutex m;
    mutex_init(&m, MUTEX_RANK_LEAF);
    mutex_unlock(&m);
}

static void wait_under_a_higher_lock(void)
{
    struct mutex low, high;
    struct cond c;
    mutex_init(&low, MUTEX_RANK_STATE);
    mutex_init(&high, MUTEX_RANK_LEAF);
    cond_init(&c);
    mutex_lock(&low);
    mutex_lock(&high);
    cond_wait(&c, &low);
}

static void test_wait_until(void **state)
{
    (void)state;
    struct mutex m;
    struct cond c;
    mutex_init(&m, MUTEX_RANK_LEAF);
    cond_init(&c);
    mutex_lock(&m);
    int64_t until_us = os_mono_us(os_real()) + 1000;
    while (cond_wait_until(&c, &m, until_us)) { // nobody signals, but a wake may come of itself
    }
    assert_true(os_mono_us(os_real()) >= until_us);
    assert_false(cond_wait_until(&c, &m, -1));
    mutex_unlock(&m);
    cond_destroy(&c);
    mutex_destroy(&m);
}

static void test_rank_rule(void **state)
{
    (void)state;
    assert_false(test_aborts(rising_ranks, NULL));
#ifdef OTTLA_DEBUG_LOCKS
    assert_true(test_aborts(falling_ranks, NULL));
    assert_true(test_aborts(equal_ranks, NULL));
    assert_true(test_aborts(unlock_of_what_is_not_held, NULL));
    assert_true(test_aborts(wait_under_a_higher_lock, NULL));
#else
    (void)falling_ranks;
    (void)equal_ranks;
    (void)unlock_of_what_is_not_held;
    (void)wait_under_a_higher_lock;
    skip();
#endif
}

struct counter {
    struct mutex mu;
    struct cond changed;
    int value;
};

enum {
    ROUNDS = 5000,
};

static void *counter_run(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < ROUNDS; i++) {
        mutex_lock(&c->mu);
        c->value++;
        cond_broadcast(&c->changed);
        mutex_unlock(&c->mu);
    }
    return NULL;
}

static void test_exclusion_and_waiting(void **state)
{
    (void)state;
    struct counter c = {.value = 0};
    pthread_t threads[2];
    mutex_init(&c.mu, MUTEX_RANK_LEAF);
    cond_init(&c.changed);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, counter_run, &c), 0);
    }
    mutex_lock(&c.mu);
    while (c.value < 2 * ROUNDS) {
        cond_wait(&c.changed, &c.mu);
    }
    mutex_unlock(&c.mu);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(c.value, 2 * ROUNDS);
    cond_destroy(&c.changed);
    mutex_destroy(&c.mu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_until),
        cmocka_unit_test(test_rank_rule),
        cmocka_unit_test(test_exclusion_and_waiting),
    };
    return cmocka_run_group_tests_name("base/mutex", tests, NULL, NULL);
}
