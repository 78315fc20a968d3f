// SPDX-License-Identifier: Apache-2.0
//
// Assignments and partition states.
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "zk/tests/payload.h"
#include "zk/zk.h"

static void test_topic_in_reassignment(void **state)
{
    const char *text =
        "{\"partitions\":{\"10\":[1],\"0\":[3,1,2],\"2\":[2,3,1]},\"topic_id\":\"IaoQKKOuSTitMWfofuAH-g\","
        "\"adding_replicas\":{\"0\":[3],\"7\":[9]},\"removing_replicas\":{\"0\":[2],\"2\":[1,3]},\"version\":3}";
    struct znode_topic t;
    struct slice out;
    char id[UUID_TEXT_LEN + 1];
    assert_int_equal(znode_topic_decode(slice_str(text), *state, &t), ERR_OK);
    assert_true(t.has_topic_id);
    uuid_format(&t.topic_id, id);
    assert_string_equal(id, "IaoQKKOuSTitMWfofuAH-g");
    assert_int_equal(t.partitions_count, 3);
    assert_int_equal(t.partitions[0].partition, 0); // by number, not by text
    assert_int_equal(t.partitions[1].partition, 2);
    assert_int_equal(t.partitions[2].partition, 10);
    assert_int_equal(t.partitions[0].replicas_count, 3);
    assert_int_equal(t.partitions[0].replicas[0], 3);
    assert_int_equal(t.partitions[0].adding_count, 1);
    assert_int_equal(t.partitions[0].adding[0], 3);
    assert_int_equal(t.partitions[0].removing[0], 2);
    assert_int_equal(t.partitions[1].adding_count, 0);
    assert_int_equal(t.partitions[1].removing_count, 2);
    assert_int_equal(znode_topic_encode(&t, *state, &out), ERR_OK);
    assert_payload(out, "{\"version\":3,\"topic_id\":\"IaoQKKOuSTitMWfofuAH-g\",\"partitions\":{\"0\":[3,1,2],\"2\":"
                        "[2,3,1],\"10\":[1]},\"adding_replicas\":{\"0\":[3]},"
                        "\"removing_replicas\":{\"0\":[2],\"2\":[1,3]}}");
}

static void test_topic_of_old_versions(void **state)
{
    static const char *const texts[] = {
        "{\"version\":1,\"partitions\":{\"0\":[1,2]}}",
        "{\"version\":2,\"partitions\":{\"0\":[1,2]},\"adding_replicas\":{},\"removing_replicas\":{}}",
        "{\"version\":3,\"partitions\":{\"0\":[1,2]},\"adding_replicas\":{},\"removing_replicas\":{}}",
    };
    for (size_t i = 0; i < 3; i++) {
        struct znode_topic t;
        struct slice out;
        assert_int_equal(znode_topic_decode(slice_str(texts[i]), *state, &t), ERR_OK);
        assert_false(t.has_topic_id);
        assert_int_equal(t.partitions_count, 1);
        assert_int_equal(znode_topic_encode(&t, *state, &out), ERR_OK);
        assert_payload(out, texts[2]);
    }
}

static void test_topic_order_of_keys(void **state)
{
    int32_t replicas[] = {3, 1, 2};
    struct znode_replicas r = {.replicas = replicas, .replicas_count = 3};
    struct znode_topic t = {.has_topic_id = true, .partitions = &r, .partitions_count = 1};
    struct slice out;
    assert_int_equal(uuid_parse("dqhqLeWMQNiwogTH92mIgQ", &t.topic_id), ERR_OK);
    assert_int_equal(znode_topic_encode(&t, *state, &out), ERR_OK);
    assert_true(slice_equal(out, slice_str("{\"partitions\":{\"0\":[3,1,2]},\"topic_id\":\"dqhqLeWMQNiwogTH92mIgQ\","
                                           "\"adding_replicas\":{},\"removing_replicas\":{},\"version\":3}")));
}

static void test_topic_corrupt(void **state)
{
    static const char *const bad[] = {
        "[]",
        "{\"version\":3}",
        "{\"version\":3,\"partitions\":[]}",
        "{\"version\":3,\"partitions\":{\"x\":[1]}}",
        "{\"version\":3,\"partitions\":{\"-1\":[1]}}",
        "{\"version\":3,\"partitions\":{\"0\":1}}",
        "{\"version\":3,\"partitions\":{\"0\":[\"1\"]}}",
        "{\"version\":3,\"partitions\":{\"0\":[1]},\"adding_replicas\":{\"0\":1}}",
        "{\"version\":3,\"partitions\":{\"0\":[1]},\"topic_id\":\"short\"}",
        "{\"version\":3,\"partitions\":{\"0\":[1]},\"topic_id\":5}",
    };
    struct znode_topic t;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (znode_topic_decode(slice_str(bad[i]), *state, &t) != ERR_CORRUPT)
            fail_msg("%s was read", bad[i]);
    }
}

static void test_state(void **state)
{
    static const char *const texts[] = {
        "{\"controller_epoch\":4,\"leader\":-1,\"version\":1,\"leader_epoch\":2,\"isr\":[2]}",
        ("{\"controller_epoch\":1,\"leader\":3,\"version\":1,\"leader_epoch\":0,\"isr\":[3,1,2],"
         "\"leader_recovery_state\":1}"),
        "{\"controller_epoch\":1,\"leader\":3,\"version\":1,\"leader_epoch\":0,\"isr\":[]}",
    };
    struct znode_partition_state s;
    struct slice out;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(znode_state_decode(slice_str(texts[i]), *state, &s), ERR_OK);
        assert_int_equal(s.leader_recovery_state, i == 1);
        assert_int_equal(znode_state_encode(&s, *state, &out), ERR_OK);
        assert_true(slice_equal(out, slice_str(texts[i]))); // also Kafka's order of keys
    }
    assert_int_equal(znode_state_decode(slice_str(texts[1]), *state, &s), ERR_OK);
    assert_int_equal(s.leader, 3);
    assert_int_equal(s.controller_epoch, 1);
    assert_int_equal(s.isr_count, 3);
    assert_int_equal(s.isr[2], 2);
    const char *recovered = "{\"controller_epoch\":1,\"leader\":3,\"leader_epoch\":0,\"isr\":[],"
                            "\"leader_recovery_state\":0}";
    assert_int_equal(znode_state_decode(slice_str(recovered), *state, &s), ERR_OK);
    assert_int_equal(s.leader_recovery_state, 0);
}

static void test_state_corrupt(void **state)
{
    static const char *const bad[] = {
        "",
        "{\"controller_epoch\":1,\"leader\":3,\"leader_epoch\":0}",
        "{\"controller_epoch\":1,\"leader\":3,\"isr\":[]}",
        "{\"controller_epoch\":1,\"leader_epoch\":3,\"isr\":[]}",
        "{\"leader\":1,\"leader_epoch\":3,\"isr\":[]}",
        "{\"controller_epoch\":1,\"leader\":3,\"leader_epoch\":0,\"isr\":{}}",
        "{\"controller_epoch\":1,\"leader\":3,\"leader_epoch\":0,\"isr\":[],\"leader_recovery_state\":\"1\"}",
    };
    struct znode_partition_state s;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (znode_state_decode(slice_str(bad[i]), *state, &s) != ERR_CORRUPT)
            fail_msg("%s was read", bad[i]);
    }
}

int main(void)
{
#define PAYLOAD_TEST(name) cmocka_unit_test_setup_teardown(name, payload_setup, payload_teardown)
    const struct CMUnitTest tests[] = {
        PAYLOAD_TEST(test_topic_in_reassignment),
        PAYLOAD_TEST(test_topic_of_old_versions),
        PAYLOAD_TEST(test_topic_order_of_keys),
        PAYLOAD_TEST(test_topic_corrupt),
        PAYLOAD_TEST(test_state),
        PAYLOAD_TEST(test_state_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
