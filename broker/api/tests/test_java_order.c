// SPDX-License-Identifier: Apache-2.0
//
// The order of Kafka's hash tables. The names are those of recorded answers of Apache Kafka 3.9.1.
#include "base/tests/cmocka_all.h"
#include "broker/api/java_order.h"

enum {
    NAMES_MAX = 8,
};

static void check(const char *const *names, const char *const *ordered, int32_t count, int32_t entries, bool by_hash)
{
    struct java_order list[NAMES_MAX];
    for (int32_t i = 0; i < count; i++) {
        list[i] = java_order_of(i, slice_str(names[i]));
    }
    java_order_sort(list, count, entries, by_hash);
    for (int32_t i = 0; i < count; i++) {
        assert_string_equal(names[list[i].index], ordered[i]);
    }
}

static void test_small_table(void **state)
{
    (void)state;
    static const char *const names[] = {"pr-g0", "pr-g01", "pr-g1", "pr-gi0", "pr-gi1", "pr-gi2", "pr-gi3"};
    static const char *const ordered[] = {"pr-g01", "pr-gi0", "pr-g0", "pr-g1", "pr-gi3", "pr-gi2", "pr-gi1"};
    check(names, ordered, 7, 7, false);
    check(names, ordered, 7, 11, false);
    check(names, ordered, 0, 0, false);
}

// With the twelfth entry there are 32 buckets.
static void test_grown_table(void **state)
{
    (void)state;
    static const char *const names[] = {"pr-gi0", "pr-g0", "pr-g1"};
    static const char *const small[] = {"pr-gi0", "pr-g0", "pr-g1"};
    static const char *const grown[] = {"pr-g0", "pr-g1", "pr-gi0"};
    check(names, small, 3, 11, false);
    check(names, grown, 3, 12, false);
}

// Both names fall into one bucket.
static void test_within_a_bucket(void **state)
{
    (void)state;
    static const char *const names[] = {"pr-g1", "pr-nogroup"};
    static const char *const by_hash[] = {"pr-nogroup", "pr-g1"};
    check(names, names, 2, 2, false);
    check(names, by_hash, 2, 2, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_table),
        cmocka_unit_test(test_grown_table),
        cmocka_unit_test(test_within_a_bucket),
    };
    return cmocka_run_group_tests_name("api/java_order", tests, NULL, NULL);
}
