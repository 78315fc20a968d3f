// SPDX-License-Identifier: Apache-2.0
//
// So many lines a second, and the rest is told once.
#include "broker/net/log_limit.h"

#include "base/tests/cmocka_all.h"

static void test_limit(void **state)
{
    (void)state;
    struct log_limit l = {0};
    int dropped;
    for (int i = 0; i < LOG_LIMIT_PER_SECOND; i++) {
        assert_true(log_limit_pass(&l, 5000 + i, &dropped));
        assert_int_equal(dropped, 0);
    }
    for (int i = 0; i < 7; i++) {
        assert_false(log_limit_pass(&l, 5999, &dropped));
    }
    assert_true(log_limit_pass(&l, 6000, &dropped));
    assert_int_equal(dropped, 7);
    assert_true(log_limit_pass(&l, 6001, &dropped));
    assert_int_equal(dropped, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
