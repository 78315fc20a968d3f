// SPDX-License-Identifier: Apache-2.0
//
// A broken invariant ends the process and says which one it was; a kept one costs nothing.
#include "base/assert.h"

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include <string.h>

static void two_invariants(void)
{
    int two = 2;
    ASSERT(two == 2);
    ASSERT(two == 3);
}

static void test_failure_names_the_condition(void **state)
{
    (void)state;
    char said[TEST_SAID_MAX_BYTES];
    assert_true(test_aborts(two_invariants, said));
    assert_non_null(strstr(said, "two == 3"));
    assert_null(strstr(said, "two == 2"));
    assert_non_null(strstr(said, "test_assert.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure_names_the_condition),
    };
    return cmocka_run_group_tests_name("base/assert", tests, NULL, NULL);
}
