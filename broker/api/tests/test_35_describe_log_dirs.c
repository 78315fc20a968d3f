// SPDX-License-Identifier: Apache-2.0
//
// DescribeLogDirs and CreatePartitions over the wire.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"
#include <sched.h>
#include <stdlib.h>

static struct describe_log_dirs_response *describe(struct api_rig *rig, int fd, int16_t version,
                                                   struct describe_log_dirs_request_describable_log_dir_topic *topics,
                                                   int32_t count)
{
    struct describe_log_dirs_request in;
    describe_log_dirs_request_init(&in);
    in.topics = topics;
    in.topics_count = count;
    return rig_call(rig, fd, 35, version, &in);
}

static int16_t grow(struct api_rig *rig, int fd, int16_t version, const char *topic, int32_t count, int32_t timeout_ms)
{
    struct create_partitions_request_create_partitions_topic t;
    struct create_partitions_request in;
    create_partitions_request_init(&in);
    create_partitions_request_create_partitions_topic_init(&t);
    t.name = slice_str(topic);
    t.count = count;
    t.assignments_count = -1;
    in.topics = &t;
    in.topics_count = 1;
    in.timeout_ms = timeout_ms;
    struct create_partitions_response *out = rig_call(rig, fd, 37, version, &in);
    assert_int_equal(out->results_count, 1);
    assert_true(slice_equal(out->results[0].name, slice_str(topic)));
    return out->results[0].error_code;
}

static void test_sizes(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "b", 2);
    rig_create_topic(&rig, fd, "a", 1);
    rig_call(&rig, fd, 0, 9, rig_produce_request(&rig, "a", "value", 1));
    char *path = realpath(rig.dir, NULL);
    for (int16_t version = 0; version <= 4; version++) {
        struct describe_log_dirs_response *out = describe(&rig, fd, version, NULL, -1);
        assert_int_equal(out->error_code, 0);
        assert_int_equal(out->results_count, 1);
        assert_true(slice_equal(out->results[0].log_dir, slice_str(path)));
        assert_int_equal(out->results[0].topics_count, 2);
        assert_true(slice_equal(out->results[0].topics[0].name, slice_str("a")));
        assert_true(out->results[0].topics[0].partitions[0].partition_size > 61);
        assert_int_equal(out->results[0].topics[1].partitions_count, 2);
        assert_int_equal(out->results[0].topics[1].partitions[1].partition_index, 1);
        assert_int_equal(out->results[0].topics[1].partitions[1].partition_size, 0);
        assert_int_equal(out->results[0].topics[1].partitions[1].offset_lag, 0);
        assert_int_equal(out->results[0].total_bytes > 0, version >= 4);
        assert_int_equal(out->results[0].usable_bytes >= 0, version >= 4);
    }
    free(path);
    api_rig_close(&rig);
}

static void test_what_is_asked_for(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "a", 3);
    int32_t numbers[] = {2, 9};
    struct describe_log_dirs_request_describable_log_dir_topic topics[2];
    for (int i = 0; i < 2; i++) {
        describe_log_dirs_request_describable_log_dir_topic_init(&topics[i]);
        topics[i].topic = slice_str(i == 0 ? "a" : "nope");
        topics[i].partitions = numbers;
        topics[i].partitions_count = 2;
    }
    struct describe_log_dirs_response *out = describe(&rig, fd, 4, topics, 2);
    assert_int_equal(out->results[0].topics_count, 1);
    assert_int_equal(out->results[0].topics[0].partitions_count, 1);
    assert_int_equal(out->results[0].topics[0].partitions[0].partition_index, 2);
    assert_int_equal(describe(&rig, fd, 4, topics, 0)->results[0].topics_count, 0);
    api_rig_close(&rig);
}

static const struct metadata_response_metadata_response_partition *metadata_of(struct api_rig *rig, int fd,
                                                                               const char *topic)
{
    struct metadata_request_metadata_request_topic t;
    struct metadata_request in;
    metadata_request_init(&in);
    metadata_request_metadata_request_topic_init(&t);
    t.name = slice_str(topic);
    in.topics = &t;
    in.topics_count = 1;
    struct metadata_response *out = rig_call(rig, fd, 3, 9, &in);
    return out->topics[0].partitions;
}

static int16_t produce(struct api_rig *rig, int fd, const char *topic)
{
    struct produce_response *out = rig_call(rig, fd, 0, 9, rig_produce_request(rig, topic, "value", 1));
    return out->responses[0].partition_responses[0].error_code;
}

static void test_a_directory_fails(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open_dirs(&rig, 2);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "a", 1); // in the first, on a tie
    rig_create_topic(&rig, fd, "b", 1);
    struct describe_log_dirs_response *out = describe(&rig, fd, 4, NULL, -1);
    assert_int_equal(out->results_count, 2);
    assert_true(slice_equal(out->results[1].topics[0].name, slice_str("b")));
    assert_int_equal(produce(&rig, fd, "b"), KAFKA_ERROR_NONE);
    log_dir_fail(log_dirs_at(rig.log_dirs, 1), ERR_IO, "b-0", "writing");
    assert_int_equal(produce(&rig, fd, "b"), KAFKA_ERROR_KAFKA_STORAGE_ERROR); // at once
    while (metadata_of(&rig, fd, "b")->offline_replicas_count == 0) {
        sched_yield();
    }
    assert_true(metadata_of(&rig, fd, "b")->leader_id >= 0); // nobody else has it: what is safe is read here
    assert_int_equal(metadata_of(&rig, fd, "a")->offline_replicas_count, 0);
    assert_int_equal(produce(&rig, fd, "b"), KAFKA_ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(produce(&rig, fd, "a"), KAFKA_ERROR_NONE); // the other goes on
    out = describe(&rig, fd, 4, NULL, -1);
    assert_int_equal(out->results[0].error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->results[0].topics_count, 1);
    assert_int_equal(out->results[1].error_code, KAFKA_ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(out->results[1].topics_count, 0);
    assert_int_equal(out->results[1].total_bytes, -1);
    rig_create_topic(&rig, fd, "c", 2); // what is new has room in the first
    assert_int_equal(produce(&rig, fd, "c"), KAFKA_ERROR_NONE);
    api_rig_close(&rig);
}

static void test_growth(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "a", 1);
    for (int16_t version = 0; version <= 3; version++) {
        assert_int_equal(grow(&rig, fd, version, "a", 2 + version, 10000), 0);
        assert_int_equal(describe(&rig, fd, 4, NULL, -1)->results[0].topics[0].partitions_count, 2 + version);
    }
    assert_int_equal(grow(&rig, fd, 3, "a", 5, 10000), KAFKA_ERROR_INVALID_PARTITIONS);
    assert_int_equal(grow(&rig, fd, 3, "nope", 5, 10000), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(grow(&rig, fd, 3, "a", 6, 0), KAFKA_ERROR_REQUEST_TIMED_OUT); // asked not to wait; it is done
    assert_int_equal(describe(&rig, fd, 4, NULL, -1)->results[0].topics[0].partitions_count, 6);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_what_is_asked_for),
        cmocka_unit_test(test_a_directory_fails),
        cmocka_unit_test(test_growth),
    };
    return cmocka_run_group_tests_name("api/35_describe_log_dirs", tests, NULL, NULL);
}
