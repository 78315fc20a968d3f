// SPDX-License-Identifier: Apache-2.0
//
// Partitions and reassignments that tools and old brokers leave in the tree, as Apache Kafka writes them.
#include "base/tests/cmocka_all.h"
#include "zk/tests/payload.h"
#include "zk/zk.h"

static void test_partitions(void **state)
{
    static const char *const bad[] = {"", "{}", "{\"partitions\":[{\"topic\":\"a\"}]}", "{\"partitions\":[1]}",
                                      "{\"partitions\":[{\"topic\":1,\"partition\":0}]}"};
    struct znode_named_partition *list;
    int32_t count;
    const char *text = "{\"version\":1,\"partitions\":[{\"topic\":\"moving\",\"partition\":0},"
                       "{\"topic\":\"t26\",\"partition\":7}]}";
    assert_int_equal(znode_partitions_decode(slice_str(text), *state, &list, &count), ERR_OK);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].topic, "moving");
    assert_string_equal(list[1].topic, "t26");
    assert_int_equal(list[1].partition, 7);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(znode_partitions_decode(slice_str(bad[i]), *state, &list, &count), ERR_CORRUPT);
    }
}

static void test_reassignments(void **state)
{
    static const char *const bad[] = {"", "{\"partitions\":[{\"topic\":\"a\",\"partition\":0}]}",
                                      "{\"partitions\":[{\"topic\":\"a\",\"partition\":0,\"replicas\":[\"x\"]}]}"};
    struct znode_reassignment *list;
    int32_t count;
    struct slice out;
    const char *text = "{\"version\":1,\"partitions\":[{\"topic\":\"moving\",\"partition\":1,\"replicas\":[1,2]},"
                       "{\"topic\":\"b\",\"partition\":0,\"replicas\":[]}]}";
    assert_int_equal(znode_reassignments_decode(slice_str(text), *state, &list, &count), ERR_OK);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].topic, "moving");
    assert_int_equal(list[0].partition, 1);
    assert_int_equal(list[0].replicas_count, 2);
    assert_int_equal(list[0].replicas[1], 2);
    assert_int_equal(list[1].replicas_count, 0);
    assert_int_equal(znode_reassignments_encode(list, count, *state, &out), ERR_OK);
    assert_payload(out, text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(znode_reassignments_decode(slice_str(bad[i]), *state, &list, &count), ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_partitions, payload_setup, payload_teardown),
        cmocka_unit_test_setup_teardown(test_reassignments, payload_setup, payload_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
