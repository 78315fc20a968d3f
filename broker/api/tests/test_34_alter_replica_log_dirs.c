// SPDX-License-Identifier: Apache-2.0
//
// AlterReplicaLogDirs over the wire: its errors, and moves as DescribeLogDirs shows them.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define TOPICS_MAX 4

// What is asked for, one directory per entry.
struct wish {
    const char *path;
    const char *topic;
    int32_t partition;
};

static struct alter_replica_log_dirs_response *alter(struct api_rig *rig, int fd, int16_t version,
                                                     const struct wish *wishes, int32_t count)
{
    struct alter_replica_log_dirs_request_alter_replica_log_dir dirs[TOPICS_MAX];
    struct alter_replica_log_dirs_request_alter_replica_log_dir_topic topics[TOPICS_MAX];
    struct alter_replica_log_dirs_request in;
    alter_replica_log_dirs_request_init(&in);
    for (int32_t i = 0; i < count; i++) {
        alter_replica_log_dirs_request_alter_replica_log_dir_init(&dirs[i]);
        alter_replica_log_dirs_request_alter_replica_log_dir_topic_init(&topics[i]);
        topics[i].name = slice_str(wishes[i].topic);
        topics[i].partitions = (int32_t *)(uintptr_t)&wishes[i].partition;
        topics[i].partitions_count = 1;
        dirs[i].path = slice_str(wishes[i].path);
        dirs[i].topics = &topics[i];
        dirs[i].topics_count = 1;
    }
    in.dirs = dirs;
    in.dirs_count = count;
    return rig_call(rig, fd, 34, version, &in);
}

static int16_t alter_one(struct api_rig *rig, int fd, const char *path, const char *topic, int32_t partition)
{
    const struct wish wish = {path, topic, partition};
    struct alter_replica_log_dirs_response *out = alter(rig, fd, 2, &wish, 1);
    assert_int_equal(out->results_count, 1);
    assert_true(slice_equal(out->results[0].topic_name, slice_str(topic)));
    assert_int_equal(out->results[0].partitions_count, 1);
    assert_int_equal(out->results[0].partitions[0].partition_index, partition);
    return out->results[0].partitions[0].error_code;
}

// The directory a topic's partition 0 lies in; -1 while a copy is under way as well.
static int32_t place(struct api_rig *rig, int fd, const char *topic)
{
    struct describe_log_dirs_request in;
    describe_log_dirs_request_init(&in);
    in.topics_count = -1;
    struct describe_log_dirs_response *out = rig_call(rig, fd, 35, 4, &in);
    int32_t found = -1;
    int seen = 0;
    for (int32_t i = 0; i < out->results_count; i++) {
        for (int32_t k = 0; k < out->results[i].topics_count; k++) {
            if (slice_equal(out->results[i].topics[k].name, slice_str(topic))) {
                found = i;
                seen++;
            }
        }
    }
    return seen == 1 ? found : -1;
}

static void test_errors(void **state)
{
    (void)state;
    struct api_rig rig;
    char long_name[250];
    api_rig_open_dirs(&rig, 2);
    const char *first = log_dirs_path(rig.log_dirs, 0);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "a", 1);
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(alter_one(&rig, fd, "/nope", "a", 0), KAFKA_ERROR_LOG_DIR_NOT_FOUND);
    assert_int_equal(alter_one(&rig, fd, "log-0", "a", 0), KAFKA_ERROR_LOG_DIR_NOT_FOUND); // not absolute
    assert_int_equal(alter_one(&rig, fd, first, "a", 0), KAFKA_ERROR_NONE);                // there it is
    assert_int_equal(alter_one(&rig, fd, first, "a", 9), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(alter_one(&rig, fd, first, "b", 0), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(alter_one(&rig, fd, "/nope", long_name, 0), KAFKA_ERROR_INVALID_TOPIC_EXCEPTION);
    log_dir_fail(log_dirs_at(rig.log_dirs, 1), ERR_IO, "x", "writing");
    assert_int_equal(alter_one(&rig, fd, log_dirs_path(rig.log_dirs, 1), "a", 0), KAFKA_ERROR_KAFKA_STORAGE_ERROR);
    api_rig_close(&rig);
}

static void test_moves(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open_dirs(&rig, 2);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "a", 1);
    rig_call(&rig, fd, 0, 9, rig_produce_request(&rig, "a", "value", 1));
    for (int16_t version = 0; version <= 2; version++) {
        int32_t to = version % 2 == 0;
        const struct wish wish = {log_dirs_path(rig.log_dirs, to), "a", 0};
        struct alter_replica_log_dirs_response *out = alter(&rig, fd, version, &wish, 1);
        assert_int_equal(out->results[0].partitions[0].error_code, KAFKA_ERROR_NONE);
        while (place(&rig, fd, "a") != to) {
            sched_yield();
        }
        struct fetch_response *got = rig_call(&rig, fd, 1, 12, rig_fetch_request(&rig, "a", 0, 0));
        assert_true(got->responses[0].partitions[0].records.len > 61);
    }
    api_rig_close(&rig);
}

// The last directory named for a partition counts; each is answered once.
static void test_named_twice(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open_dirs(&rig, 2);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "a", 1);
    const struct wish wishes[] = {{"/nope", "a", 0}, {"/nope", "b", 1}, {log_dirs_path(rig.log_dirs, 1), "a", 0}};
    struct alter_replica_log_dirs_response *out = alter(&rig, fd, 2, wishes, 3);
    assert_int_equal(out->results_count, 2);
    assert_int_equal(out->results[0].partitions_count, 1);
    assert_int_equal(out->results[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    assert_true(slice_equal(out->results[1].topic_name, slice_str("b")));
    assert_int_equal(out->results[1].partitions[0].error_code, KAFKA_ERROR_LOG_DIR_NOT_FOUND);
    while (place(&rig, fd, "a") != 1) {
        sched_yield();
    }
    assert_int_equal(alter(&rig, fd, 2, wishes, 0)->results_count, 0);
    api_rig_close(&rig);
}

// A topic that comes later is made where it was asked for.
static void test_asked_before_it_is_there(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open_dirs(&rig, 2);
    int fd = rig_connect(&rig);
    assert_int_equal(alter_one(&rig, fd, log_dirs_path(rig.log_dirs, 1), "a", 0),
                     KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    rig_create_topic(&rig, fd, "a", 1);
    assert_int_equal(place(&rig, fd, "a"), 1);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_named_twice),
        cmocka_unit_test(test_asked_before_it_is_there),
    };
    return cmocka_run_group_tests_name("api/34_alter_replica_log_dirs", tests, NULL, NULL);
}
