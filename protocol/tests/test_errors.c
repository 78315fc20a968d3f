// SPDX-License-Identifier: Apache-2.0
//
// Kafka's error codes are the numbers -1 to 127, each with one name.
#include "protocol/errors.h"

#include "base/tests/cmocka_all.h"
#include <stdbool.h>
#include <string.h>

static void test_codes(void **state)
{
    (void)state;
    assert_int_equal(KAFKA_ERROR_UNKNOWN_SERVER_ERROR, -1);
    assert_int_equal(KAFKA_ERROR_NONE, 0);
    assert_int_equal(KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, 3);
    assert_int_equal(KAFKA_ERROR_UNSUPPORTED_VERSION, 35);
    assert_int_equal(KAFKA_ERROR_UNKNOWN_TOPIC_ID, 100);
    assert_int_equal(KAFKA_ERROR_VOTER_NOT_FOUND, 127);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(kafka_error_name(-1), "UNKNOWN_SERVER_ERROR");
    assert_string_equal(kafka_error_name(0), "NONE");
    assert_string_equal(kafka_error_name(6), "NOT_LEADER_OR_FOLLOWER");
    for (int code = INT16_MIN; code <= INT16_MAX; code++) {
        bool known = strcmp(kafka_error_name((int16_t)code), "UNKNOWN_CODE") != 0;
        assert_int_equal(known, code >= -1 && code <= 127);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
