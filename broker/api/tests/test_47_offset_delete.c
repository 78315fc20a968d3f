// SPDX-License-Identifier: Apache-2.0
//
// OffsetDelete over the wire: offsets of topics that the group reads stay.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/group_client.h"

// The top-level error, or with none the partition's.
static int16_t delete_error(struct group_client *c, const char *group, const char *topic, int32_t partition)
{
    struct offset_delete_request in;
    struct offset_delete_request_offset_delete_request_partition p = {.partition_index = partition};
    struct offset_delete_request_offset_delete_request_topic t = {
        .name = slice_str(topic), .partitions = &p, .partitions_count = 1};
    offset_delete_request_init(&in);
    in.group_id = slice_str(group);
    in.topics = &t;
    in.topics_count = 1;
    const struct offset_delete_response *out = rig_call(&c->rig, c->fd, OFFSET_DELETE, 0, &in);
    if (out->error_code != KAFKA_ERROR_NONE) {
        assert_int_equal(out->topics_count, 0);
        return out->error_code;
    }
    assert_int_equal(out->topics[0].partitions[0].partition_index, partition);
    return out->topics[0].partitions[0].error_code;
}

static void commit(struct group_client *c, const char *group, int32_t generation, struct slice member_id)
{
    assert_int_equal(group_commit_error_of(c, slice_str(group), generation, member_id, GROUP_TOPIC, 0, 5),
                     KAFKA_ERROR_NONE);
}

static void test_no_members(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    commit(&c, "simple", -1, slice_str(""));
    assert_int_equal(delete_error(&c, "", GROUP_TOPIC, 0), KAFKA_ERROR_INVALID_GROUP_ID);
    assert_int_equal(delete_error(&c, "nobody", GROUP_TOPIC, 0), KAFKA_ERROR_GROUP_ID_NOT_FOUND);
    assert_int_equal(delete_error(&c, "simple", "nowhere", 0), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_error(&c, "simple", GROUP_TOPIC, -1), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_error(&c, "simple", GROUP_TOPIC, 1), KAFKA_ERROR_NONE); // nothing there
    assert_int_equal(group_offset_of(&c, "simple"), 5);
    assert_int_equal(delete_error(&c, "simple", GROUP_TOPIC, 0), KAFKA_ERROR_NONE);
    assert_int_equal(delete_error(&c, "simple", GROUP_TOPIC, 0), KAFKA_ERROR_GROUP_ID_NOT_FOUND); // that was all of it
    group_client_close(&c);
}

static void test_members(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    rig_create_topic(&c.rig, c.fd, "unread", 1);
    struct slice id = group_settle(&c, "g", group_subscription(&c, GROUP_TOPIC), "");
    commit(&c, "g", 1, id);
    assert_int_equal(delete_error(&c, "g", GROUP_TOPIC, 0), KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(delete_error(&c, "g", "unread", 0), KAFKA_ERROR_NONE);
    // What cannot be read may be a subscription to anything.
    id = group_settle(&c, "odd", slice_str("\xff"), "");
    commit(&c, "odd", 1, id);
    assert_int_equal(delete_error(&c, "odd", GROUP_TOPIC, 0), KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(delete_error(&c, "odd", "unread", 0), KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(group_offset_of(&c, "odd"), 5);
    group_client_close(&c);
}

static void test_other_protocol_types(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    struct join_group_request in = group_join_request(&c, "workers", slice_str("meta"));
    in.protocol_type = slice_str("connect");
    const struct join_group_response *out = rig_call(&c.rig, c.fd, JOIN_GROUP, 3, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(delete_error(&c, "workers", GROUP_TOPIC, 0), KAFKA_ERROR_NON_EMPTY_GROUP);
    group_client_close(&c);
}

// A broker that was told nothing yet coordinates no group, and says only that: not which topics it has not heard of.
static void test_untold_broker(void **state)
{
    (void)state;
    struct api_rig rig;
    struct offset_delete_request in;
    struct offset_delete_request_offset_delete_request_partition p = {.partition_index = 0};
    struct offset_delete_request_offset_delete_request_topic t = {
        .name = slice_str(GROUP_TOPIC), .partitions = &p, .partitions_count = 1};
    api_rig_open(&rig);
    offset_delete_request_init(&in);
    in.group_id = slice_str("g");
    in.topics = &t;
    for (in.topics_count = 0; in.topics_count <= 1; in.topics_count++) {
        struct offset_delete_response out;
        offset_delete_response_init(&out);
        struct request r;
        rig_untold_begin(&rig, &r, 0, &in, &out);
        assert_int_equal(api_offset_delete(&r), API_DONE);
        assert_int_equal(out.error_code, KAFKA_ERROR_NOT_COORDINATOR);
        assert_int_equal(out.topics_count, 0);
        rig_untold_end(&r);
    }
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_members),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_other_protocol_types),
        cmocka_unit_test(test_untold_broker),
    };
    return cmocka_run_group_tests_name("api/47_offset_delete", tests, NULL, NULL);
}
