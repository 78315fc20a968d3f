// SPDX-License-Identifier: Apache-2.0
//
// When a rate is above its limit, and when no longer: three windows of a second, on a clock that the test moves.
#include "broker/replica/byte_rate.h"

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"

struct clock_rate {
    struct test_os os;
    struct byte_rate rate;
};

static void rate_open(struct clock_rate *c, int32_t windows)
{
    test_os_init(&c->os);
    assert_int_equal(byte_rate_init(&c->rate, &c->os.os, windows, 1000), ERR_OK);
}

static void later(struct clock_rate *c, int64_t ms)
{
    c->os.now_mono_us += ms * 1000;
}

static void test_without_a_limit(void **state)
{
    (void)state;
    struct clock_rate c;
    rate_open(&c, 3);
    byte_rate_record(&c.rate, INT32_MAX);
    assert_false(byte_rate_exceeded(&c.rate));
    byte_rate_limit(&c.rate, 5); // what came before it was set counts
    assert_true(byte_rate_exceeded(&c.rate));
    byte_rate_limit(&c.rate, BYTE_RATE_NO_LIMIT);
    assert_false(byte_rate_exceeded(&c.rate));
    byte_rate_release(&c.rate);
}

// Over one whole window at least; later over the time since the first byte.
static void test_comes_down_with_time(void **state)
{
    (void)state;
    struct clock_rate c;
    rate_open(&c, 3);
    byte_rate_limit(&c.rate, 100);
    byte_rate_record(&c.rate, 100);
    assert_false(byte_rate_exceeded(&c.rate));
    byte_rate_record(&c.rate, 110);
    assert_true(byte_rate_exceeded(&c.rate));
    later(&c, 2000);
    assert_true(byte_rate_exceeded(&c.rate)); // 105 bytes a second
    later(&c, 100);
    assert_false(byte_rate_exceeded(&c.rate)); // exactly the limit
    byte_rate_record(&c.rate, 1);
    assert_true(byte_rate_exceeded(&c.rate));
    byte_rate_release(&c.rate);
}

static void test_forgets_what_is_older_than_its_windows(void **state)
{
    (void)state;
    struct clock_rate c;
    rate_open(&c, 3);
    byte_rate_limit(&c.rate, 100);
    byte_rate_record(&c.rate, 1000000);
    later(&c, 2999);
    assert_true(byte_rate_exceeded(&c.rate));
    later(&c, 1);
    assert_false(byte_rate_exceeded(&c.rate));
    byte_rate_record(&c.rate, 100);
    assert_false(byte_rate_exceeded(&c.rate));
    byte_rate_release(&c.rate);
}

// A limit of nothing lets one piece through per round of the windows, as in Kafka.
static void test_a_limit_of_zero_and_a_single_window(void **state)
{
    (void)state;
    struct clock_rate c;
    rate_open(&c, 1);
    byte_rate_limit(&c.rate, 0);
    assert_false(byte_rate_exceeded(&c.rate));
    for (int i = 0; i < 3; i++) {
        byte_rate_record(&c.rate, 1);
        assert_true(byte_rate_exceeded(&c.rate));
        later(&c, 1000);
        assert_false(byte_rate_exceeded(&c.rate));
    }
    byte_rate_release(&c.rate);
}

static void test_more_windows_than_there_may_be(void **state)
{
    (void)state;
    struct clock_rate c;
    rate_open(&c, INT32_MAX);
    byte_rate_limit(&c.rate, 0);
    for (int i = 0; i < BYTE_RATE_MAX_WINDOWS + 10; i++) {
        byte_rate_record(&c.rate, 1);
        later(&c, 1000);
    }
    assert_true(byte_rate_exceeded(&c.rate));
    later(&c, (int64_t)BYTE_RATE_MAX_WINDOWS * 1000);
    assert_false(byte_rate_exceeded(&c.rate));
    byte_rate_release(&c.rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_limit),
        cmocka_unit_test(test_comes_down_with_time),
        cmocka_unit_test(test_forgets_what_is_older_than_its_windows),
        cmocka_unit_test(test_a_limit_of_zero_and_a_single_window),
        cmocka_unit_test(test_more_windows_than_there_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
