// SPDX-License-Identifier: Apache-2.0
//
// Names of releases, judged as Kafka 3.9.1 judges them.
#include "broker/cluster/kafka_version.h"

#include "base/tests/cmocka_all.h"

static void test_known(void **state)
{
    (void)state;
    static const char *const good[] = {"3.9",     "3.9.1",      "3.9-IV0", "0.8.2",
                                       "0.8.2.1", "0.10.0-IV1", "0.11.0",  "2.8-IV1"};
    static const char *const bad[] = {"", "3", "3.10", "4.0", "3.9-IV1", "3.9-IV", "0.12.0", "x", "3.9x", "2.8-IV9"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(kafka_version_is_known(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(kafka_version_is_known(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known)};
    return cmocka_run_group_tests_name("cluster/kafka_version", tests, NULL, NULL);
}
