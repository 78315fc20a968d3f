// SPDX-License-Identifier: Apache-2.0
//
// Every error has a code, success alone has none, and clients retry what passes.
#include "broker/api/errmap.h"

#include "base/tests/cmocka_all.h"

static void test_every_error_has_a_code(void **state)
{
    (void)state;
#define ERRMAP_CHECK(name, text) assert_string_not_equal(kafka_error_name(errmap_code(ERR_##name)), "UNKNOWN_CODE");
    ERR_TABLE(ERRMAP_CHECK)
#undef ERRMAP_CHECK
#define ERRMAP_CHECK(name, text) assert_int_equal(errmap_code(ERR_##name) == KAFKA_ERROR_NONE, ERR_##name == ERR_OK);
    ERR_TABLE(ERRMAP_CHECK)
#undef ERRMAP_CHECK
}

static void test_what_clients_act_on(void **state)
{
    (void)state;
    assert_int_equal(errmap_code(ERR_NO_SPACE), 56);              // KAFKA_STORAGE_ERROR: retriable
    assert_int_equal(errmap_code(ERR_NOT_LEADER), 6);             // look for the leader
    assert_int_equal(errmap_code(ERR_OUT_OF_RANGE), 1);           // auto.offset.reset
    assert_int_equal(errmap_code(ERR_BATCH_TOO_LARGE), 10);       // split the batch
    assert_int_equal(errmap_code(ERR_OUT_OF_ORDER_SEQUENCE), 45); // fatal for the producer
    assert_int_equal(errmap_code(ERR_PRODUCER_FENCED), 47);       // a partition's word, not the coordinator's 90
    assert_int_equal(errmap_code(ERR_CORRUPT), 2);
    assert_int_equal(errmap_code(ERR_INVALID_RECORD), 87);
    assert_int_equal(errmap_code(ERR_NOT_ENOUGH_REPLICAS), 19);
    assert_int_equal(errmap_code(ERR_FENCED_EPOCH), 74);
    assert_int_equal(errmap_code(ERR_UNKNOWN_EPOCH), 75);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error_has_a_code),
        cmocka_unit_test(test_what_clients_act_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
