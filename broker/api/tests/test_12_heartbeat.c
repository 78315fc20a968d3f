// SPDX-License-Identifier: Apache-2.0
//
// Heartbeat over the wire.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/group_client.h"

#include <unistd.h>

static void test_answers(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    struct slice id = group_settle(&c, "g", group_subscription(&c, GROUP_TOPIC), "");
    static const struct {
        const char *group;
        int32_t generation;
        const char *member_id; // NULL: the member's
        int16_t error;
    } cases[] = {
        {"g", 1, NULL, KAFKA_ERROR_NONE},
        {"", 1, NULL, KAFKA_ERROR_INVALID_GROUP_ID},
        {"other", 1, NULL, KAFKA_ERROR_UNKNOWN_MEMBER_ID},
        {"g", 1, "nobody", KAFKA_ERROR_UNKNOWN_MEMBER_ID},
        {"g", 1, "", KAFKA_ERROR_UNKNOWN_MEMBER_ID},
        {"g", 2, NULL, KAFKA_ERROR_ILLEGAL_GENERATION},
        {"g", -1, NULL, KAFKA_ERROR_ILLEGAL_GENERATION},
        {"g", INT32_MIN, NULL, KAFKA_ERROR_ILLEGAL_GENERATION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice member_id = cases[i].member_id == NULL ? id : slice_str(cases[i].member_id);
        assert_int_equal(group_heartbeat_error(&c, cases[i].group, cases[i].generation, member_id), cases[i].error);
    }
    group_client_close(&c);
}

static void test_rebalance(void **state)
{
    (void)state;
    struct group_client c;
    int32_t parked;
    group_client_open(&c);
    struct slice id = group_settle(&c, "g", group_subscription(&c, GROUP_TOPIC), "");
    int other = rig_connect(&c.rig);
    group_knock(&c, "g", other, &parked);
    assert_int_equal(group_heartbeat_error(&c, "g", 1, id), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    close(other);
    group_client_close(&c);
}

static void test_static_member(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    struct join_group_request in = group_join_request(&c, "g", slice_str("meta"));
    in.group_instance_id = slice_str("i");
    const struct join_group_response *out = rig_call(&c.rig, c.fd, JOIN_GROUP, 5, &in);
    struct heartbeat_request beat = {.group_id = slice_str("g"),
                                     .generation_id = out->generation_id,
                                     .member_id = slice_str("older"),
                                     .group_instance_id = slice_str("i")};
    const struct heartbeat_response *answer = rig_call(&c.rig, c.fd, HEARTBEAT, 4, &beat);
    assert_int_equal(answer->error_code, KAFKA_ERROR_FENCED_INSTANCE_ID);
    beat.member_id = out->member_id;
    answer = rig_call(&c.rig, c.fd, HEARTBEAT, 4, &beat);
    assert_int_equal(answer->error_code, KAFKA_ERROR_NONE);
    group_client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_rebalance),
        cmocka_unit_test(test_static_member),
    };
    return cmocka_run_group_tests_name("api/12_heartbeat", tests, NULL, NULL);
}
