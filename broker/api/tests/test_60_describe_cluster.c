// SPDX-License-Identifier: Apache-2.0
//
// DescribeCluster over the wire.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

static struct describe_cluster_response *call(struct api_rig *rig, int fd, int16_t version, int8_t type,
                                              bool operations)
{
    struct describe_cluster_request in;
    describe_cluster_request_init(&in);
    in.endpoint_type = type;
    in.include_cluster_authorized_operations = operations;
    return rig_call(rig, fd, 60, version, &in);
}

static void test_cluster(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    for (int16_t version = 0; version <= 1; version++) {
        struct describe_cluster_response *out = call(&rig, fd, version, 1, true);
        assert_int_equal(out->error_code, 0);
        assert_null(out->error_message.data);
        assert_int_equal(out->controller_id, 7);
        assert_true(slice_equal(out->cluster_id, slice_str(cluster_id(rig.cluster))));
        assert_int_equal(out->brokers_count, 1);
        assert_int_equal(out->brokers[0].broker_id, 7);
        assert_int_equal(out->brokers[0].port, listener_port(rig.listener));
        assert_int_equal(out->cluster_authorized_operations, 8096);
    }
    assert_int_equal(call(&rig, fd, 0, 1, false)->cluster_authorized_operations, INT32_MIN);
    api_rig_close(&rig);
}

static void test_other_endpoints(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    struct describe_cluster_response *out = call(&rig, fd, 1, 2, false);
    assert_int_equal(out->error_code, KAFKA_ERROR_MISMATCHED_ENDPOINT_TYPE);
    assert_int_equal(out->controller_id, -1);
    assert_int_equal(out->brokers_count, 0);
    out = call(&rig, fd, 1, 9, false);
    assert_int_equal(out->error_code, KAFKA_ERROR_UNSUPPORTED_ENDPOINT_TYPE);
    assert_true(slice_equal(out->error_message, slice_str("Unsupported endpoint type 9")));
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster),
        cmocka_unit_test(test_other_endpoints),
    };
    return cmocka_run_group_tests_name("api/60_describe_cluster", tests, NULL, NULL);
}
