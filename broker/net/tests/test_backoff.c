// SPDX-License-Identifier: Apache-2.0
//
// Delays between tries, with chance at its ends.
#include "broker/net/backoff.h"

#include <string.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"

static void lowest(const struct os *os, void *buf, size_t len)
{
    (void)os;
    memset(buf, 0, len); // 80 %
}

static void highest(const struct os *os, void *buf, size_t len)
{
    (void)os;
    assert_int_equal(len, sizeof(uint32_t));
    memcpy(buf, &(uint32_t){40}, len); // 120 %
}

static void test_doubles_up_to_the_longest(void **state)
{
    (void)state;
    struct test_os os;
    test_os_init(&os);
    const int64_t low[] = {80, 160, 320, 640, 800, 800}, high[] = {120, 240, 480, 960, 1200, 1200};
    for (int side = 0; side < 2; side++) {
        struct backoff b = {.first_ms = 100, .max_ms = 1000};
        os.os.random = side == 0 ? lowest : highest;
        for (size_t i = 0; i < sizeof low / sizeof *low; i++) {
            assert_int_equal(backoff_next_ms(&b, &os.os), side == 0 ? low[i] : high[i]);
        }
        backoff_reset(&b);
        assert_int_equal(backoff_next_ms(&b, &os.os), side == 0 ? low[0] : high[0]);
    }
}

static void test_never_zero_and_no_overflow(void **state)
{
    (void)state;
    struct test_os os;
    test_os_init(&os);
    os.os.random = lowest;
    struct backoff small = {.first_ms = 1, .max_ms = 1}, large = {.first_ms = 1, .max_ms = INT64_MAX / 2};
    for (int i = 0; i < 100; i++) {
        assert_int_equal(backoff_next_ms(&small, &os.os), 1);
        assert_true(backoff_next_ms(&large, &os.os) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles_up_to_the_longest),
        cmocka_unit_test(test_never_zero_and_no_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
