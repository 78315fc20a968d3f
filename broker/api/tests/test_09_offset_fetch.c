// SPDX-License-Identifier: Apache-2.0
//
// OffsetFetch over the wire: one group up to v7, several from v8, the znode tree in v0.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/group_client.h"

static void commit(struct group_client *c, const char *group, int32_t partition, int64_t offset)
{
    int16_t error = group_commit_error_of(c, slice_str(group), -1, slice_str(""), GROUP_TOPIC, partition, offset);
    assert_int_equal(error, KAFKA_ERROR_NONE);
}

// Partitions 0 and 9 of the topic; all: whatever there is.
static const struct offset_fetch_response *fetch_one(struct group_client *c, int16_t version, const char *group,
                                                     bool all)
{
    struct offset_fetch_request in;
    struct offset_fetch_request_offset_fetch_request_topic t;
    int32_t partitions[] = {0, 9};
    offset_fetch_request_init(&in);
    offset_fetch_request_offset_fetch_request_topic_init(&t);
    t.name = slice_str(GROUP_TOPIC);
    t.partition_indexes = partitions;
    t.partition_indexes_count = 2;
    in.group_id = slice_str(group);
    in.topics = all ? NULL : &t;
    in.topics_count = all ? -1 : 1;
    return rig_call(&c->rig, c->fd, OFFSET_FETCH, version, &in);
}

static void test_one_group(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    commit(&c, "g", 0, 5);
    commit(&c, "", 0, 6);
    for (int16_t version = 1; version <= 7; version++) {
        const struct offset_fetch_response *out = fetch_one(&c, version, "g", false);
        assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
        assert_int_equal(out->topics[0].partitions_count, 2);
        assert_int_equal(out->topics[0].partitions[0].committed_offset, 5);
        assert_int_equal(out->topics[0].partitions[1].partition_index, 9);
        assert_int_equal(out->topics[0].partitions[1].committed_offset, -1);
        assert_int_equal(out->topics[0].partitions[1].error_code, KAFKA_ERROR_NONE);
        assert_int_equal(fetch_one(&c, version, "", false)->topics[0].partitions[0].committed_offset, 6);
        assert_int_equal(fetch_one(&c, version, "nobody", false)->topics[0].partitions[0].committed_offset, -1);
    }
    for (int16_t version = 2; version <= 7; version++) {
        const struct offset_fetch_response *out = fetch_one(&c, version, "g", true);
        assert_int_equal(out->topics_count, 1);
        assert_int_equal(out->topics[0].partitions_count, 1);
        assert_int_equal(fetch_one(&c, version, "nobody", true)->topics_count, 0);
    }
    const struct offset_fetch_response *tree = fetch_one(&c, 0, "g", false); // another place, with nothing in it
    assert_int_equal(tree->topics[0].partitions[0].committed_offset, -1);
    assert_int_equal(tree->topics[0].partitions[0].error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    group_client_close(&c);
}

static void test_several_groups(void **state)
{
    (void)state;
    struct group_client c;
    struct offset_fetch_request in;
    struct offset_fetch_request_offset_fetch_request_group groups[4];
    static const char *const names[] = {"g", "nobody", "h", "g"};
    group_client_open(&c);
    commit(&c, "g", 0, 5);
    commit(&c, "h", 0, 7);
    commit(&c, "h", 1, 8);
    offset_fetch_request_init(&in);
    for (int i = 0; i < 4; i++) {
        offset_fetch_request_offset_fetch_request_group_init(&groups[i]);
        groups[i].group_id = slice_str(names[i]);
        groups[i].topics_count = -1;
        groups[i].member_epoch = 77; // nothing to classic groups
    }
    in.groups = groups;
    in.groups_count = 4;
    for (int16_t version = 8; version <= 9; version++) {
        const struct offset_fetch_response *out = rig_call(&c.rig, c.fd, OFFSET_FETCH, version, &in);
        assert_int_equal(out->groups_count, 4);
        for (int i = 0; i < 4; i++) {
            assert_true(slice_equal(out->groups[i].group_id, slice_str(names[i])));
            assert_int_equal(out->groups[i].error_code, KAFKA_ERROR_NONE);
        }
        assert_int_equal(out->groups[0].topics[0].partitions[0].committed_offset, 5);
        assert_int_equal(out->groups[1].topics_count, 0);
        assert_int_equal(out->groups[2].topics[0].partitions_count, 2);
        assert_int_equal(out->groups[3].topics[0].partitions[0].committed_offset, 5);
    }
    group_client_close(&c);
}

// Before __consumer_offsets is there nobody is a coordinator; v1 has no place to say so.
static void test_no_coordinator(void **state)
{
    (void)state;
    struct group_client c;
    api_rig_open(&c.rig);
    c.fd = rig_connect(&c.rig);
    assert_int_equal(fetch_one(&c, 1, "g", false)->topics_count, 0);
    assert_int_equal(fetch_one(&c, 2, "g", false)->error_code, KAFKA_ERROR_NOT_COORDINATOR);
    group_client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_group),
        cmocka_unit_test(test_several_groups),
        cmocka_unit_test(test_no_coordinator),
    };
    return cmocka_run_group_tests_name("api/09_offset_fetch", tests, NULL, NULL);
}
