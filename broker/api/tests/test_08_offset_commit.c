// SPDX-License-Identifier: Apache-2.0
//
// OffsetCommit over the wire: what is kept, and Kafka's errors for the rest.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/group_client.h"

enum {
    METADATA_MAX = 4096, // offset.metadata.max.bytes
    PARTITIONS_MANY = 400,
};

static void test_members(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    struct slice id = group_settle(&c, "g", group_subscription(&c, GROUP_TOPIC), "");
    struct slice none = slice_str("");
    struct slice huge = group_client_text(&c, 'g', GROUP_NAME_MAX);
    const struct {
        struct slice group;
        int32_t generation;
        struct slice member_id;
        const char *topic;
        int32_t partition;
        int16_t error;
    } cases[] = {
        {slice_str("g"), 1, id, GROUP_TOPIC, 0, KAFKA_ERROR_NONE},
        {slice_str("g"), 0, id, GROUP_TOPIC, 0, KAFKA_ERROR_ILLEGAL_GENERATION},
        {slice_str("g"), -2, id, GROUP_TOPIC, 0, KAFKA_ERROR_ILLEGAL_GENERATION},
        {slice_str("g"), INT32_MIN, id, GROUP_TOPIC, 0, KAFKA_ERROR_ILLEGAL_GENERATION},
        {slice_str("g"), -1, none, GROUP_TOPIC, 0, KAFKA_ERROR_UNKNOWN_MEMBER_ID},
        {slice_str("g"), 1, slice_str("nobody"), GROUP_TOPIC, 0, KAFKA_ERROR_UNKNOWN_MEMBER_ID},
        {slice_str("g"), 1, id, "nowhere", 0, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {slice_str("g"), 1, id, "", 0, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {slice_str("g"), 1, id, GROUP_TOPIC, 2, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {slice_str("g"), 1, id, GROUP_TOPIC, -1, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION},
        {slice_str("new"), 0, none, GROUP_TOPIC, 0, KAFKA_ERROR_ILLEGAL_GENERATION},
        {slice_str("new"), -1, none, GROUP_TOPIC, 0, KAFKA_ERROR_NONE},
        {slice_str("newer"), INT32_MIN, none, GROUP_TOPIC, 0, KAFKA_ERROR_NONE},
        {none, -1, none, GROUP_TOPIC, 0, KAFKA_ERROR_NONE},
        {huge, -1, none, GROUP_TOPIC, 0, KAFKA_ERROR_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int16_t error = group_commit_error_of(&c, cases[i].group, cases[i].generation, cases[i].member_id,
                                              cases[i].topic, cases[i].partition, (int64_t)i);
        assert_int_equal(error, cases[i].error);
    }
    assert_int_equal(group_offset_of(&c, "g"), 0);
    assert_int_equal(group_offset_of(&c, "new"), 11);
    group_client_close(&c);
}

// One topic's partitions in one request; metadata[i] for partition i.
static const struct offset_commit_response *commit_list(struct group_client *c, int16_t version, const char *topic,
                                                        const struct slice *metadata, int32_t count)
{
    struct offset_commit_request in;
    struct offset_commit_request_offset_commit_request_topic topics[2];
    struct offset_commit_request_offset_commit_request_partition *list =
        arena_array(&c->rig.arena, (size_t)count, sizeof *list);
    assert_non_null(list);
    for (int32_t i = 0; i < count; i++) {
        offset_commit_request_offset_commit_request_partition_init(&list[i]);
        list[i].partition_index = i;
        list[i].committed_offset = 100 + i;
        list[i].committed_metadata = metadata[i];
    }
    for (int32_t i = 0; i < 2; i++) {
        offset_commit_request_offset_commit_request_topic_init(&topics[i]);
        topics[i].name = slice_str(i == 0 ? "nowhere" : topic);
        topics[i].partitions = list;
        topics[i].partitions_count = count;
    }
    offset_commit_request_init(&in);
    in.group_id = slice_str("g");
    in.topics = topics;
    in.topics_count = 2;
    return rig_call(&c->rig, c->fd, OFFSET_COMMIT, version, &in);
}

// Each partition stands for itself.
static void test_metadata(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    for (int16_t version = 0; version <= 9; version++) {
        struct slice metadata[] = {group_client_text(&c, 'x', METADATA_MAX + 1),
                                   group_client_text(&c, 'x', METADATA_MAX), SLICE_NULL};
        const struct offset_commit_response *out = commit_list(&c, version, GROUP_TOPIC, metadata, 3);
        assert_int_equal(out->topics_count, 2);
        for (int32_t i = 0; i < 3; i++) {
            assert_int_equal(out->topics[0].partitions[i].error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        }
        assert_int_equal(out->topics[1].partitions[0].error_code, KAFKA_ERROR_OFFSET_METADATA_TOO_LARGE);
        assert_int_equal(out->topics[1].partitions[1].error_code, KAFKA_ERROR_NONE);
        assert_int_equal(out->topics[1].partitions[2].error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    }
    assert_int_equal(group_offset_of(&c, "g"), -1);
    group_client_close(&c);
}

// A record that no batch of the topic may hold.
static void test_too_large(void **state)
{
    (void)state;
    struct group_client c;
    struct slice metadata[PARTITIONS_MANY];
    group_client_open(&c);
    rig_create_topic(&c.rig, c.fd, "wide", PARTITIONS_MANY);
    for (int32_t i = 0; i < PARTITIONS_MANY; i++) {
        metadata[i] = group_client_text(&c, 'x', METADATA_MAX);
    }
    const struct offset_commit_response *out = commit_list(&c, 7, "wide", metadata, PARTITIONS_MANY);
    for (int32_t i = 0; i < PARTITIONS_MANY; i++) {
        assert_int_equal(out->topics[1].partitions[i].error_code, KAFKA_ERROR_INVALID_COMMIT_OFFSET_SIZE);
    }
    group_client_close(&c);
}

// Retention times at the ends of their type (the undefined-behaviour sanitizer watches the sum).
static void test_retention_without_end(void **state)
{
    (void)state;
    static const int64_t times[] = {INT64_MAX, INT64_MIN, 0, 1};
    struct group_client c;
    struct offset_commit_request in;
    struct offset_commit_request_offset_commit_request_topic topic;
    struct offset_commit_request_offset_commit_request_partition partition;
    group_client_open(&c);
    offset_commit_request_init(&in);
    offset_commit_request_offset_commit_request_topic_init(&topic);
    offset_commit_request_offset_commit_request_partition_init(&partition);
    partition.committed_metadata = slice_str("");
    topic.name = slice_str(GROUP_TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    in.group_id = slice_str("g");
    in.topics = &topic;
    in.topics_count = 1;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        in.retention_time_ms = times[i];
        partition.committed_offset = (int64_t)i;
        const struct offset_commit_response *out = rig_call(&c.rig, c.fd, OFFSET_COMMIT, 2, &in);
        assert_int_equal(out->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
        assert_int_equal(group_offset_of(&c, "g"), i);
    }
    group_client_close(&c);
}

// It does not call topics unknown that it was not told of, for then the offset would be given up.
static void test_untold_broker(void **state)
{
    (void)state;
    struct api_rig rig;
    struct offset_commit_request in;
    struct offset_commit_request_offset_commit_request_topic topic;
    struct offset_commit_request_offset_commit_request_partition partition;
    api_rig_open(&rig);
    offset_commit_request_init(&in);
    offset_commit_request_offset_commit_request_topic_init(&topic);
    offset_commit_request_offset_commit_request_partition_init(&partition);
    topic.name = slice_str(GROUP_TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    in.group_id = slice_str("g");
    in.topics = &topic;
    in.topics_count = 1;
    for (int16_t version = 1; version <= 9; version++) {
        struct offset_commit_response out;
        offset_commit_response_init(&out);
        struct request r;
        rig_untold_begin(&rig, &r, version, &in, &out);
        assert_int_equal(api_offset_commit(&r), API_DONE);
        assert_int_equal(out.topics[0].partitions[0].error_code, KAFKA_ERROR_NOT_COORDINATOR);
        rig_untold_end(&r);
    }
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),       cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_too_large),     cmocka_unit_test(test_retention_without_end),
        cmocka_unit_test(test_untold_broker),
    };
    return cmocka_run_group_tests_name("api/08_offset_commit", tests, NULL, NULL);
}
