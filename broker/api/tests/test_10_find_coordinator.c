// SPDX-License-Identifier: Apache-2.0
//
// FindCoordinator over the wire, one key and several.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/group_client.h"

static const struct find_coordinator_response *find(struct api_rig *rig, int fd, int16_t version, int8_t type,
                                                    struct slice *keys, int32_t count)
{
    struct find_coordinator_request in;
    find_coordinator_request_init(&in);
    in.key = count > 0 ? keys[0] : slice_str("");
    in.key_type = type;
    in.coordinator_keys = keys;
    in.coordinator_keys_count = version >= 4 ? count : 0;
    if (version >= 4) {
        in.key = slice_str("");
    }
    return rig_call(rig, fd, FIND_COORDINATOR, version, &in);
}

// The first who asks has the topic made.
static void test_first(void **state)
{
    (void)state;
    struct api_rig rig;
    struct slice key = slice_str("g");
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    const struct find_coordinator_response *out = find(&rig, fd, 3, 0, &key, 1);
    assert_int_equal(out->error_code, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(out->node_id, -1);
    assert_int_equal(out->port, -1);
    assert_true(slice_equal(out->error_message, slice_str("The coordinator is not available.")));
    while (out->error_code != KAFKA_ERROR_NONE) {
        out = find(&rig, fd, 3, 0, &key, 1);
    }
    assert_int_equal(out->node_id, 7);
    api_rig_close(&rig);
}

static void test_found(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    struct slice keys[] = {slice_str("g"), slice_str(""), slice_str("g"), group_client_text(&c, 'g', GROUP_NAME_MAX)};
    for (int16_t version = 0; version <= 3; version++) {
        const struct find_coordinator_response *out = find(&c.rig, c.fd, version, 0, keys, 1);
        assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
        assert_int_equal(out->node_id, 7);
        assert_int_equal(out->port, listener_port(c.rig.listener));
    }
    for (int16_t version = 4; version <= 6; version++) {
        const struct find_coordinator_response *out = find(&c.rig, c.fd, version, 0, keys, 4);
        assert_int_equal(out->coordinators_count, 4);
        for (int32_t i = 0; i < 4; i++) {
            assert_int_equal(out->coordinators[i].error_code, KAFKA_ERROR_NONE);
            assert_true(slice_equal(out->coordinators[i].key, keys[i]));
            assert_int_equal(out->coordinators[i].node_id, 7);
        }
    }
    assert_int_equal(find(&c.rig, c.fd, 4, 0, keys, 0)->coordinators_count, 0);
    group_client_close(&c);
}

static void test_other_types(void **state)
{
    (void)state;
    struct group_client c;
    struct slice key = slice_str("g");
    group_client_open(&c);
    assert_int_equal(find(&c.rig, c.fd, 3, 2, &key, 1)->error_code, KAFKA_ERROR_INVALID_REQUEST);
    assert_int_equal(find(&c.rig, c.fd, 3, -1, &key, 1)->error_code, KAFKA_ERROR_INVALID_REQUEST);
    assert_int_equal(find(&c.rig, c.fd, 5, 2, &key, 1)->coordinators[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    assert_int_equal(find(&c.rig, c.fd, 6, 2, &key, 1)->coordinators[0].error_code,
                     KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
    const struct find_coordinator_response *out = find(&c.rig, c.fd, 6, 3, &key, 1);
    assert_int_equal(out->coordinators[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    assert_true(out->coordinators[0].error_message.len > 0);
    group_client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_other_types),
    };
    return cmocka_run_group_tests_name("api/10_find_coordinator", tests, NULL, NULL);
}
