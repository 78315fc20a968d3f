// SPDX-License-Identifier: Apache-2.0
//
// Calls on a loop: waited for, given up while the loop is busy, and taken up again.
#include "broker/net/errand.h"

#include "base/tests/cmocka_all.h"
#include "broker/net/tests/loop_blocker.h"

static void count(void *ctx)
{
    (*(int *)ctx)++;
}

static void test_is_waited_for(void **state)
{
    (void)state;
    struct loop *l;
    struct errand e = {.under_way = false};
    int calls = 0;
    assert_int_equal(loop_new("test", os_real(), &l), ERR_OK);
    assert_int_equal(loop_start(l), ERR_OK);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(errand_do(&e, l, count, &calls, i == 1 ? ERRAND_PATIENT : INT64_MAX - i), ERR_OK);
        assert_int_equal(calls, i);
    }
    loop_stop(l);
    loop_free(l);
}

static void test_has_a_limit(void **state)
{
    (void)state;
    struct loop *l;
    struct errand e = {.under_way = false};
    struct loop_blocker b;
    int calls = 0;
    assert_int_equal(loop_new("test", os_real(), &l), ERR_OK);
    assert_int_equal(loop_start(l), ERR_OK);
    loop_block(&b, l);
    assert_int_equal(errand_do(&e, l, count, &calls, 1), ERR_TIMED_OUT);
    assert_int_equal(errand_do(&e, l, count, &calls, 0), ERR_TIMED_OUT);
    sem_post(&b.go_on);
    assert_int_equal(errand_do(&e, l, count, &calls, ERRAND_PATIENT), ERR_OK);
    assert_int_equal(calls, 1); // it was the same all the time
    loop_stop(l);
    loop_free(l);
    sem_destroy(&b.go_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_waited_for),
        cmocka_unit_test(test_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
