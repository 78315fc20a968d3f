// SPDX-License-Identifier: Apache-2.0
//
// SyncGroup over the wire: only the leader assigns, and what it says of strangers is passed over.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/group_client.h"

#include <unistd.h>

static void test_refusals(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    struct slice id = group_enter(&c, "g", slice_str("meta"));
    static const struct {
        const char *group;
        int32_t generation;
        const char *member_id; // NULL: the member's
        int16_t version;
        const char *type;
        const char *name;
        int16_t error;
    } cases[] = {
        {"", 1, NULL, 3, NULL, NULL, KAFKA_ERROR_INVALID_GROUP_ID},
        {"other", 1, NULL, 3, NULL, NULL, KAFKA_ERROR_UNKNOWN_MEMBER_ID},
        {"g", 1, "nobody", 3, NULL, NULL, KAFKA_ERROR_UNKNOWN_MEMBER_ID},
        {"g", 2, NULL, 3, NULL, NULL, KAFKA_ERROR_ILLEGAL_GENERATION},
        {"g", -1, NULL, 3, NULL, NULL, KAFKA_ERROR_ILLEGAL_GENERATION},
        {"g", INT32_MIN, NULL, 3, NULL, NULL, KAFKA_ERROR_ILLEGAL_GENERATION},
        {"g", 1, NULL, 5, NULL, NULL, KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL},
        {"g", 1, NULL, 5, "consumer", NULL, KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL},
        {"g", 1, NULL, 5, "connect", "range", KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL},
        {"g", 1, NULL, 5, "consumer", "sticky", KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL},
        {"g", 1, NULL, 5, "consumer", "range", KAFKA_ERROR_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice member_id = cases[i].member_id == NULL ? id : slice_str(cases[i].member_id);
        struct sync_group_request in = group_sync_request(cases[i].group, cases[i].generation, member_id);
        in.protocol_type = cases[i].type == NULL ? SLICE_NULL : slice_str(cases[i].type);
        in.protocol_name = cases[i].name == NULL ? SLICE_NULL : slice_str(cases[i].name);
        const struct sync_group_response *out = rig_call(&c.rig, c.fd, SYNC_GROUP, cases[i].version, &in);
        assert_int_equal(out->error_code, cases[i].error);
        assert_int_equal(out->assignment.len, 0);
    }
    group_client_close(&c);
}

static void assign(struct sync_group_request *in, struct sync_group_request_sync_group_request_assignment list[3],
                   struct slice first, const char *first_gets, struct slice second, const char *second_gets)
{
    list[0] = (struct sync_group_request_sync_group_request_assignment){slice_str("ghost"), slice_str("boo")};
    list[1] = (struct sync_group_request_sync_group_request_assignment){first, slice_str(first_gets)};
    list[2] = (struct sync_group_request_sync_group_request_assignment){second, slice_str(second_gets)};
    in->assignments = list;
    in->assignments_count = 3;
}

static void test_assignments_of_a_follower(void **state)
{
    (void)state;
    struct group_client c;
    int32_t parked;
    group_client_open(&c);
    struct slice leader = group_settle(&c, "g", group_subscription(&c, GROUP_TOPIC), "");
    int other = rig_connect(&c.rig);
    struct slice follower = group_knock(&c, "g", other, &parked);
    struct join_group_request join = group_join_request(&c, "g", group_subscription(&c, GROUP_TOPIC));
    join.member_id = leader;
    const struct join_group_response *joined = rig_call(&c.rig, c.fd, JOIN_GROUP, 3, &join);
    assert_int_equal(joined->generation_id, 2);
    assert_true(slice_equal(joined->leader, leader));
    rig_receive(&c.rig, other, JOIN_GROUP, 4, parked);

    struct sync_group_request_sync_group_request_assignment list[3];
    struct sync_group_request in = group_sync_request("g", 2, follower);
    assign(&in, list, leader, "nothing", follower, "all");
    parked = rig_send(&c.rig, other, SYNC_GROUP, 3, &in);
    in.member_id = leader;
    assign(&in, list, leader, "one", follower, "two");
    const struct sync_group_response *out = rig_call(&c.rig, c.fd, SYNC_GROUP, 3, &in);
    assert_true(slice_equal(out->assignment, slice_str("one")));
    out = rig_receive(&c.rig, other, SYNC_GROUP, 3, parked);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_true(slice_equal(out->assignment, slice_str("two")));
    in.member_id = follower; // nor in Stable
    assign(&in, list, leader, "nothing", follower, "all");
    out = rig_call(&c.rig, c.fd, SYNC_GROUP, 3, &in);
    assert_true(slice_equal(out->assignment, slice_str("two")));
    close(other);
    group_client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_assignments_of_a_follower),
    };
    return cmocka_run_group_tests_name("api/14_sync_group", tests, NULL, NULL);
}
