// SPDX-License-Identifier: Apache-2.0
//
// ListGroups over the wire: filters by state and type, and the order of the answer.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/group_client.h"

// The names of the groups that are listed, in the answer's order, each with a blank behind it.
static const char *list(struct group_client *c, int16_t version, const char *state, const char *type)
{
    struct list_groups_request in;
    struct slice states[2] = {slice_str("nonsense")}, types[2] = {slice_str("nonsense")};
    list_groups_request_init(&in);
    if (state != NULL) {
        states[1] = slice_str(state);
        in.states_filter = states;
        in.states_filter_count = 2;
    }
    if (type != NULL) {
        types[1] = slice_str(type);
        in.types_filter = types;
        in.types_filter_count = 2;
    }
    const struct list_groups_response *out = rig_call(&c->rig, c->fd, LIST_GROUPS, version, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    const char *names = "";
    for (int32_t i = 0; i < out->groups_count; i++) {
        names = arena_printf(&c->rig.arena, "%s%.*s ", names, (int)out->groups[i].group_id.len,
                             (const char *)out->groups[i].group_id.data);
        assert_non_null(names);
        bool stable = slice_equal(out->groups[i].group_id, slice_str("stable"));
        assert_true(slice_equal(out->groups[i].protocol_type, slice_str(stable ? "consumer" : "")));
        if (version >= 4) {
            assert_true(slice_equal(out->groups[i].group_state, slice_str(stable ? "Stable" : "Empty")));
        }
        if (version >= 5) {
            assert_true(slice_equal(out->groups[i].group_type, slice_str("classic")));
        }
    }
    return names;
}

static void test_filters(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    assert_string_equal(list(&c, 5, NULL, NULL), "");
    group_settle(&c, "stable", slice_str("meta"), "");
    assert_int_equal(group_commit_error_of(&c, slice_str("empty"), -1, slice_str(""), GROUP_TOPIC, 0, 1),
                     KAFKA_ERROR_NONE);
    for (int16_t version = 0; version <= 5; version++) {
        assert_string_equal(list(&c, version, NULL, NULL), "stable empty ");
    }
    assert_string_equal(list(&c, 4, "sTABLE", NULL), "stable ");
    assert_string_equal(list(&c, 4, "Empty", NULL), "empty ");
    assert_string_equal(list(&c, 4, "Stable ", NULL), "");
    assert_string_equal(list(&c, 4, "", NULL), "");
    assert_string_equal(list(&c, 5, NULL, "CLASSIC"), "stable empty ");
    assert_string_equal(list(&c, 5, NULL, "consumer"), "");
    assert_string_equal(list(&c, 5, "stable", "classic"), "stable ");
    group_client_close(&c);
}

// The order of Kafka's hash table: that of its answer in the recorded probes.
static void test_order(void **state)
{
    (void)state;
    struct group_client c;
    static const char *const names[] = {"pr-g0", "pr-g01", "pr-g1", "pr-gi0", "pr-gi1", "pr-gi2", "pr-gi3"};
    group_client_open(&c);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(group_commit_error_of(&c, slice_str(names[i]), -1, slice_str(""), GROUP_TOPIC, 0, 1),
                         KAFKA_ERROR_NONE);
    }
    assert_string_equal(list(&c, 4, NULL, NULL), "pr-g01 pr-gi0 pr-g0 pr-g1 pr-gi3 pr-gi2 pr-gi1 ");
    group_client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests_name("api/16_list_groups", tests, NULL, NULL);
}
