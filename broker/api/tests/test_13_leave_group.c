// SPDX-License-Identifier: Apache-2.0
//
// LeaveGroup over the wire: one member at the top up to v2, a list from v3.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/group_client.h"

static int16_t leave_one(struct group_client *c, const char *group, struct slice member_id)
{
    struct leave_group_request in;
    leave_group_request_init(&in);
    in.group_id = slice_str(group);
    in.member_id = member_id;
    const struct leave_group_response *out = rig_call(&c->rig, c->fd, LEAVE_GROUP, 2, &in);
    return out->error_code;
}

static void test_one(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    struct slice id = group_settle(&c, "g", slice_str("meta"), "");
    assert_int_equal(leave_one(&c, "", id), KAFKA_ERROR_INVALID_GROUP_ID);
    assert_int_equal(leave_one(&c, "other", id), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(leave_one(&c, "g", slice_str("nobody")), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(leave_one(&c, "g", slice_str("")), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    assert_string_equal(group_described_state(&c, "g"), "Stable");
    assert_int_equal(leave_one(&c, "g", id), KAFKA_ERROR_NONE);
    assert_string_equal(group_described_state(&c, "g"), "Empty");
    assert_int_equal(leave_one(&c, "g", id), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    group_client_close(&c);
}

static void test_list(void **state)
{
    (void)state;
    struct group_client c;
    struct leave_group_request in;
    group_client_open(&c);
    struct slice id = group_settle(&c, "g", slice_str("meta"), "");
    struct leave_group_request_member_identity members[] = {
        {.member_id = slice_str("nobody")},
        {.member_id = slice_str(""), .group_instance_id = slice_str("nowhere")},
        {.member_id = id, .reason = slice_str("enough")},
        {.member_id = id},
    };
    static const int16_t errors[] = {KAFKA_ERROR_UNKNOWN_MEMBER_ID, KAFKA_ERROR_UNKNOWN_MEMBER_ID, KAFKA_ERROR_NONE,
                                     KAFKA_ERROR_UNKNOWN_MEMBER_ID};
    leave_group_request_init(&in);
    in.group_id = slice_str("g");
    in.members = members;
    in.members_count = 4;
    const struct leave_group_response *out = rig_call(&c.rig, c.fd, LEAVE_GROUP, 5, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->members_count, 4);
    for (int32_t i = 0; i < 4; i++) {
        assert_true(slice_equal(out->members[i].member_id, members[i].member_id));
        assert_int_equal(out->members[i].error_code, errors[i]);
    }
    assert_true(slice_equal(out->members[1].group_instance_id, slice_str("nowhere")));
    in.group_id = slice_str("other"); // no such group: each member hears it
    out = rig_call(&c.rig, c.fd, LEAVE_GROUP, 3, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->members[2].error_code, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    in.members_count = 0;
    in.group_id = slice_str("g");
    out = rig_call(&c.rig, c.fd, LEAVE_GROUP, 4, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->members_count, 0);
    group_client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests_name("api/13_leave_group", tests, NULL, NULL);
}
