// SPDX-License-Identifier: Apache-2.0
//
// DeleteGroups over the wire.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/group_client.h"

static const struct delete_groups_response *delete_list(struct group_client *c, int16_t version, struct slice *names,
                                                        int32_t count)
{
    struct delete_groups_request in;
    delete_groups_request_init(&in);
    in.groups_names = names;
    in.groups_names_count = count;
    return rig_call(&c->rig, c->fd, DELETE_GROUPS, version, &in);
}

// The order is that of Kafka's hash table; one that is named twice is answered once.
static void test_each_for_itself(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    group_settle(&c, "pr-g1", slice_str("meta"), "");
    assert_int_equal(group_commit_error_of(&c, slice_str(""), -1, slice_str(""), GROUP_TOPIC, 0, 5), KAFKA_ERROR_NONE);
    struct slice names[] = {slice_str("pr-g1"), slice_str("pr-nogroup"), slice_str(""), slice_str("pr-nogroup2"),
                            slice_str("pr-nogroup")};
    static const struct {
        const char *name;
        int16_t errors[3]; // by version: the group is gone after the first
    } expected[] = {
        {"", {KAFKA_ERROR_NONE, KAFKA_ERROR_GROUP_ID_NOT_FOUND, KAFKA_ERROR_GROUP_ID_NOT_FOUND}},
        {"pr-nogroup2",
         {KAFKA_ERROR_GROUP_ID_NOT_FOUND, KAFKA_ERROR_GROUP_ID_NOT_FOUND, KAFKA_ERROR_GROUP_ID_NOT_FOUND}},
        {"pr-nogroup",
         {KAFKA_ERROR_GROUP_ID_NOT_FOUND, KAFKA_ERROR_GROUP_ID_NOT_FOUND, KAFKA_ERROR_GROUP_ID_NOT_FOUND}},
        {"pr-g1", {KAFKA_ERROR_NON_EMPTY_GROUP, KAFKA_ERROR_NON_EMPTY_GROUP, KAFKA_ERROR_NON_EMPTY_GROUP}},
    };
    for (int16_t version = 0; version <= 2; version++) {
        const struct delete_groups_response *out = delete_list(&c, version, names, 5);
        assert_int_equal(out->results_count, 4);
        for (int32_t i = 0; i < 4; i++) {
            assert_true(slice_equal(out->results[i].group_id, slice_str(expected[i].name)));
            assert_int_equal(out->results[i].error_code, expected[i].errors[version]);
        }
    }
    assert_int_equal(group_offset_of(&c, ""), -1);
    assert_int_equal(delete_list(&c, 2, names, 0)->results_count, 0);
    group_client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_for_itself),
    };
    return cmocka_run_group_tests_name("api/42_delete_groups", tests, NULL, NULL);
}
