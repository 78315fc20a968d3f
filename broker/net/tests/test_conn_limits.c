// SPDX-License-Identifier: Apache-2.0
//
// The counting of connections: all together, per listener, per address, per second. Time is what the test says.
#include "broker/net/conn_limits.h"

#include "base/tests/cmocka_all.h"
#include <stdio.h>

#define A "192.0.2.1"
#define B "2001:db8::1"

static struct conn_limits *limits;
static struct conn_share *share;

static void start(int32_t max, int32_t max_rate, int32_t max_per_ip)
{
    struct conn_limits_config c = {.max = max, .max_rate = max_rate, .max_per_ip = max_per_ip};
    assert_int_equal(conn_limits_new(&limits), ERR_OK);
    assert_int_equal(conn_share_new(limits, false, &share), ERR_OK);
    assert_int_equal(conn_limits_set(limits, &c), ERR_OK);
}

static void stop(void)
{
    conn_share_free(share);
    conn_limits_free(limits);
}

static bool admit(const char *host)
{
    const char *why;
    bool in = conn_share_admit(share, host, 0, &why);
    assert_int_equal(in, why == NULL);
    return in;
}

static void test_addresses(void **state)
{
    (void)state;
    start(CONN_LIMIT_NONE, CONN_LIMIT_NONE, 2);
    assert_true(admit(A));
    assert_true(admit(A));
    assert_false(admit(A));
    assert_true(admit(B));
    assert_int_equal(conn_share_count(share), 3);
    conn_share_forget(share, A);
    assert_true(admit(A));
    assert_false(admit(A));
    conn_share_forget(share, A);
    conn_share_forget(share, A);
    conn_share_forget(share, B);
    stop();
}

static void test_overrides(void **state)
{
    (void)state;
    const struct conn_override overrides[] = {{A, 0}, {B, 2}};
    struct conn_limits_config c = {.max = CONN_LIMIT_NONE,
                                   .max_rate = CONN_LIMIT_NONE,
                                   .max_per_ip = 1,
                                   .overrides = overrides,
                                   .overrides_count = 2};
    start(CONN_LIMIT_NONE, CONN_LIMIT_NONE, 1);
    assert_int_equal(conn_limits_set(limits, &c), ERR_OK);
    assert_false(admit(A));
    assert_true(admit(B));
    assert_true(admit(B));
    assert_false(admit(B));
    assert_true(admit("192.0.2.2"));
    assert_false(admit("192.0.2.2"));
    c.overrides_count = 0; // what has gone has no effect any more
    assert_int_equal(conn_limits_set(limits, &c), ERR_OK);
    assert_true(admit(A));
    conn_share_forget(share, A);
    conn_share_forget(share, B);
    conn_share_forget(share, B);
    conn_share_forget(share, "192.0.2.2");
    stop();
}

// Of all listeners together, with one that does not wait and makes others go.
static void test_room(void **state)
{
    (void)state;
    struct conn_share *brokers;
    const char *why;
    start(2, CONN_LIMIT_NONE, CONN_LIMIT_NONE);
    assert_int_equal(conn_share_new(limits, true, &brokers), ERR_OK);
    assert_int_equal(conn_share_wait_ms(share, 0), 0);
    assert_true(admit(A));
    assert_true(admit(A));
    assert_int_equal(conn_share_wait_ms(share, 0), CONN_WAIT_FOR_ROOM);
    assert_int_equal(conn_share_wait_ms(brokers, 0), 0);
    assert_false(conn_share_must_close(share));
    assert_true(conn_share_admit(brokers, A, 0, &why));
    assert_false(conn_share_must_close(brokers));
    assert_true(conn_share_must_close(share));
    assert_false(conn_share_must_close(share)); // one is enough, and on its way
    conn_share_forget(share, A);
    conn_share_closed(share);
    assert_false(conn_share_must_close(share));
    conn_share_set(brokers, 1, CONN_LIMIT_NONE); // a limit of its own holds for it, too
    assert_int_equal(conn_share_wait_ms(brokers, 0), CONN_WAIT_FOR_ROOM);
    conn_share_forget(brokers, A);
    conn_share_forget(share, A);
    conn_share_free(brokers);
    stop();
}

// How many come in before somebody has to wait; *wait_ms how long.
static int burst(int64_t now_ms, int64_t *wait_ms)
{
    const char *why;
    int n = 0;
    while ((*wait_ms = conn_share_wait_ms(share, now_ms)) == 0) {
        assert_true(conn_share_admit(share, A, now_ms, &why));
        conn_share_forget(share, A);
        n++;
    }
    return n;
}

static void test_rate(void **state)
{
    (void)state;
    int64_t wait_ms;
    start(CONN_LIMIT_NONE, 20, CONN_LIMIT_NONE);
    assert_int_equal(burst(5000, &wait_ms), 20 * CONN_RATE_BURST_S);
    assert_in_range(wait_ms, 50, 51);
    assert_int_equal(burst(5000 + wait_ms, &wait_ms), 1);
    assert_int_equal(burst(6100, &wait_ms), 21);
    assert_int_equal(burst(1000000, &wait_ms), 20 * CONN_RATE_BURST_S); // never more than a burst
    conn_share_set(share, CONN_LIMIT_NONE, 1);                          // the slower of the two holds
    assert_int_equal(burst(2000000, &wait_ms), CONN_RATE_BURST_S);
    assert_in_range(wait_ms, 999, 1001);
    conn_share_set(share, CONN_LIMIT_NONE, 0);
    assert_int_equal(burst(3000000, &wait_ms), 0);
    assert_int_equal(wait_ms, 1000); // then it is asked again whether that has changed
    conn_share_set(share, CONN_LIMIT_NONE, CONN_LIMIT_NONE);
    assert_int_equal(burst(4000000, &wait_ms), 20 * CONN_RATE_BURST_S);
    stop();
}

static void test_many_addresses(void **state)
{
    (void)state;
    char host[CONN_HOST_BYTES];
    start(CONN_LIMIT_NONE, CONN_LIMIT_NONE, 1);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5000; i++) {
            snprintf(host, sizeof host, "10.0.%d.%d", i / 256, i % 256);
            assert_true(admit(host));
        }
        assert_int_equal(conn_share_count(share), 5000);
        for (int i = 0; i < 5000; i++) {
            snprintf(host, sizeof host, "10.0.%d.%d", i / 256, i % 256);
            conn_share_forget(share, host);
        }
    }
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_overrides),      cmocka_unit_test(test_room),
        cmocka_unit_test(test_rate),      cmocka_unit_test(test_many_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
