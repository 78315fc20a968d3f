// SPDX-License-Identifier: Apache-2.0
//
// Which replicas a topic's list names, and what the rates are measured over.
#include "broker/replica/throttle.h"

#include "base/tests/cmocka_all.h"

static void test_lists(void **state)
{
    (void)state;
    static const struct {
        const char *replicas;
        int32_t partition, broker_id;
        bool listed;
    } cases[] = {
        {NULL, 0, 1, false},           {"", 0, 1, false},         {"*", 7, 3, true},
        {"0:1", 0, 1, true},           {"0:1", 1, 0, false},      {"10:1,0:11", 0, 1, false},
        {"3:1,2:5,2:10", 2, 10, true}, {"2:5,2:10", 2, 1, false}, {"02:010", 2, 10, true},
        {"2:5, 2:6 ,2:7", 2, 6, true}, {",,2:5", 2, 5, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(throttle_lists(cases[i].replicas, cases[i].partition, cases[i].broker_id), cases[i].listed);
    }
}

static void test_rates_have_their_own_windows(void **state)
{
    (void)state;
    struct throttle t;
    assert_int_equal(throttle_init(&t, os_real(), &(struct throttle_settings){11, 1, 2, 3}), ERR_OK);
    assert_int_equal(t.leader.room, 11);
    assert_int_equal(t.follower.window_ms, 1000);
    assert_int_equal(t.moves.room, 2);
    assert_int_equal(t.moves.window_ms, 3000);
    assert_true(t.leader.limit == BYTE_RATE_NO_LIMIT);
    throttle_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_rates_have_their_own_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
