// SPDX-License-Identifier: Apache-2.0
//
// DescribeGroups over the wire. What members say of themselves is shown as it came, whatever it is.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/group_client.h"

static const struct describe_groups_response *describe(struct group_client *c, int16_t version, struct slice *groups,
                                                       int32_t count, bool operations)
{
    struct describe_groups_request in;
    describe_groups_request_init(&in);
    in.groups = groups;
    in.groups_count = count;
    in.include_authorized_operations = operations;
    const struct describe_groups_response *out = rig_call(&c->rig, c->fd, DESCRIBE_GROUPS, version, &in);
    assert_int_equal(out->groups_count, count);
    return out;
}

static void test_stable(void **state)
{
    (void)state;
    struct group_client c;
    struct slice name = slice_str("g");
    group_client_open(&c);
    struct slice garbage = slice_str("\xde\xad\xbe\xef");
    struct slice id = group_settle(&c, "g", garbage, "\xff\xff");
    for (int16_t version = 0; version <= 5; version++) {
        const struct describe_groups_response_described_group *g =
            &describe(&c, version, &name, 1, version >= 3)->groups[0];
        assert_int_equal(g->error_code, KAFKA_ERROR_NONE);
        assert_true(slice_equal(g->group_state, slice_str("Stable")));
        assert_true(slice_equal(g->protocol_type, slice_str("consumer")));
        assert_true(slice_equal(g->protocol_data, slice_str("range")));
        assert_int_equal(g->members_count, 1);
        assert_true(slice_equal(g->members[0].member_id, id));
        assert_true(slice_equal(g->members[0].client_id, slice_str("rig")));
        assert_true(slice_equal(g->members[0].client_host, slice_str("/127.0.0.1")));
        assert_true(slice_equal(g->members[0].member_metadata, garbage));
        assert_true(slice_equal(g->members[0].member_assignment, slice_str("\xff\xff")));
        assert_null(g->members[0].group_instance_id.data);
        assert_int_equal(g->authorized_operations, version >= 3 ? 328 : INT32_MIN);
    }
    group_client_close(&c);
}

static void test_others(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    group_enter(&c, "syncing", slice_str("meta"));
    struct slice names[] = {slice_str("nobody"), slice_str(""), slice_str("syncing"), slice_str("syncing"),
                            group_client_text(&c, 'g', GROUP_NAME_MAX)};
    static const char *const states[] = {"Dead", "Dead", "CompletingRebalance", "CompletingRebalance", "Dead"};
    const struct describe_groups_response *out = describe(&c, 5, names, 5, false);
    for (int32_t i = 0; i < 5; i++) {
        assert_int_equal(out->groups[i].error_code, KAFKA_ERROR_NONE);
        assert_true(slice_equal(out->groups[i].group_id, names[i]));
        assert_true(slice_equal(out->groups[i].group_state, slice_str(states[i])));
        assert_int_equal(out->groups[i].protocol_data.len, 0);
    }
    assert_int_equal(out->groups[0].members_count, 0);
    assert_int_equal(out->groups[2].members_count, 1);
    assert_int_equal(out->groups[2].members[0].member_metadata.len, 0); // shown while Stable only
    describe(&c, 5, names, 0, false);
    group_client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stable),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests_name("api/15_describe_groups", tests, NULL, NULL);
}
