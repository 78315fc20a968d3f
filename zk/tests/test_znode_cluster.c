// SPDX-License-Identifier: Apache-2.0
//
// Cluster id, controller, epoch, producer ids, features: written as Kafka writes them, and read with its leniency.
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "zk/tests/payload.h"
#include "zk/zk.h"

static void test_cluster_id(void **state)
{
    const char *text = "{\"version\":\"1\",\"id\":\"vTP-WIDjTsC3xrssAoPT_g\"}";
    const char *id;
    struct slice out;
    assert_int_equal(znode_cluster_id_decode(slice_str(text), *state, &id), ERR_OK);
    assert_string_equal(id, "vTP-WIDjTsC3xrssAoPT_g");
    assert_int_equal(znode_cluster_id_encode(id, *state, &out), ERR_OK);
    assert_true(slice_equal(out, slice_str(text)));
    assert_int_equal(znode_cluster_id_decode(slice_str("{\"version\":\"1\"}"), *state, &id), ERR_CORRUPT);
    assert_int_equal(znode_cluster_id_decode(SLICE_NULL, *state, &id), ERR_CORRUPT);
}

static void test_controller(void **state)
{
    const char *v2 = "{\"version\":2,\"brokerid\":1,\"timestamp\":\"1795365310858\",\"kraftControllerEpoch\":-1}";
    struct znode_controller c;
    struct slice out;
    assert_int_equal(znode_controller_decode(slice_str(v2), *state, &c), ERR_OK);
    assert_int_equal(c.broker_id, 1);
    assert_true(c.timestamp_ms == 1795365310858);
    assert_int_equal(c.kraft_controller_epoch, -1);
    assert_int_equal(znode_controller_encode(&c, *state, &out), ERR_OK);
    assert_true(slice_equal(out, slice_str(v2)));
    const char *v1 = "{\"version\":1,\"brokerid\":7,\"timestamp\":\"1\"}";
    assert_int_equal(znode_controller_decode(slice_str(v1), *state, &c), ERR_OK);
    assert_int_equal(c.broker_id, 7);
    assert_int_equal(c.kraft_controller_epoch, -1);
    assert_int_equal(znode_controller_decode(slice_str("{\"brokerid\":7,\"kraftControllerEpoch\":5}"), *state, &c),
                     ERR_OK);
    assert_int_equal(c.kraft_controller_epoch, 5);
    assert_int_equal(znode_controller_decode(slice_str("{\"version\":2}"), *state, &c), ERR_CORRUPT);
    assert_int_equal(znode_controller_decode(slice_str("{\"brokerid\":7,\"timestamp\":\"x\"}"), *state, &c),
                     ERR_CORRUPT);
}

static void test_controller_epoch(void **state)
{
    static const char *const bad[] = {"", "-1", "1 ", "01", "x", "2147483648", "00000000000000000001"};
    int32_t epoch;
    struct slice out;
    assert_int_equal(znode_controller_epoch_decode(slice_str("0"), &epoch), ERR_OK);
    assert_int_equal(epoch, 0);
    assert_int_equal(znode_controller_epoch_decode(slice_str("2147483647"), &epoch), ERR_OK);
    assert_int_equal(epoch, INT32_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(znode_controller_epoch_decode(slice_str(bad[i]), &epoch), ERR_CORRUPT);
    assert_int_equal(znode_controller_epoch_decode(slice_of("1\0", 2), &epoch), ERR_CORRUPT);
    assert_int_equal(znode_controller_epoch_decode(SLICE_NULL, &epoch), ERR_CORRUPT);
    assert_int_equal(znode_controller_epoch_encode(17, *state, &out), ERR_OK);
    assert_true(slice_equal(out, slice_str("17")));
}

static void test_producer_ids(void **state)
{
    const char *text = "{\"version\":1,\"broker\":1002,\"block_start\":\"1000\",\"block_end\":\"1999\"}";
    static const char *const bad[] = {
        "x",
        "{\"version\":1,\"broker\":1,\"block_start\":\"0\"}",
        "{\"version\":1,\"broker\":1,\"block_end\":\"0\"}",
        "{\"version\":1,\"block_start\":\"0\",\"block_end\":\"999\"}",
        "{\"version\":1,\"broker\":1,\"block_start\":\"-1\",\"block_end\":\"999\"}",
        "{\"version\":1,\"broker\":1,\"block_start\":\"1000\",\"block_end\":\"999\"}",
    };
    struct znode_producer_ids ids;
    struct slice out;
    assert_int_equal(znode_producer_ids_decode(slice_str(text), *state, &ids), ERR_OK);
    assert_int_equal(ids.broker_id, 1002);
    assert_true(ids.first == 1000 && ids.last == 1999);
    assert_int_equal(znode_producer_ids_encode(&ids, *state, &out), ERR_OK);
    assert_true(slice_equal(out, slice_str(text)));
    assert_int_equal(znode_producer_ids_decode(SLICE_NULL, *state, &ids), ERR_NOT_FOUND);
    assert_int_equal(znode_producer_ids_decode(slice_str(""), *state, &ids), ERR_NOT_FOUND);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(znode_producer_ids_decode(slice_str(bad[i]), *state, &ids), ERR_CORRUPT);
}

static void test_features(void **state)
{
    static const char *const texts[] = {
        "{\"features\":{},\"version\":2,\"status\":1}",
        "{\"features\":{},\"version\":1,\"status\":0}",
        "{\"features\":{\"f\":{\"max_version_level\":3}},\"version\":2,\"status\":1}",
        "{\"features\":{\"f\":{\"min_version_level\":1,\"max_version_level\":3}},\"version\":1,\"status\":1}",
    };
    static const char *const bad[] = {
        "",
        "{\"features\":{},\"version\":3,\"status\":1}",
        "{\"features\":{},\"version\":2,\"status\":2}",
        "{\"features\":{},\"version\":2}",
        "{\"version\":2,\"status\":1}",
        "{\"features\":{\"f\":{}},\"version\":2,\"status\":1}",
        "{\"features\":{\"f\":{\"max_version_level\":3}},\"version\":1,\"status\":1}",
    };
    struct znode_features f;
    struct slice out;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(znode_features_decode(slice_str(texts[i]), *state, &f), ERR_OK);
        assert_int_equal(f.enabled, i != 1);
        assert_int_equal(f.levels_count, i >= 2);
        assert_int_equal(znode_features_encode(&f, *state, &out), ERR_OK);
        assert_true(slice_equal(out, slice_str(texts[i])));
    }
    assert_string_equal(f.levels[0].name, "f");
    assert_int_equal(f.levels[0].min_version_level, 1);
    assert_int_equal(f.levels[0].max_version_level, 3);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (znode_features_decode(slice_str(bad[i]), *state, &f) != ERR_CORRUPT)
            fail_msg("%s was read", bad[i]);
    }
}

int main(void)
{
#define PAYLOAD_TEST(name) cmocka_unit_test_setup_teardown(name, payload_setup, payload_teardown)
    const struct CMUnitTest tests[] = {
        PAYLOAD_TEST(test_cluster_id),   PAYLOAD_TEST(test_controller), PAYLOAD_TEST(test_controller_epoch),
        PAYLOAD_TEST(test_producer_ids), PAYLOAD_TEST(test_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
