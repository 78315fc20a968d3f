// SPDX-License-Identifier: Apache-2.0
//
// ListOffsets through a broker: topics and partitions are answered in the order of the request, with what is refused in
// its place, whether a disk thread is needed or not.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

#include <unistd.h>

#define PRODUCE      0
#define LIST_OFFSETS 2

#define LATEST   (-1)
#define EARLIEST (-2)

struct asked {
    int32_t partition;
    int64_t timestamp;
    int16_t error_code;
    int64_t offset;
};

#define ASKED_MAX 5

struct asked_topic {
    const char *name;
    int32_t count;
    struct asked partitions[ASKED_MAX];
};

static struct list_offsets_request *request_of(struct api_rig *rig, const struct asked_topic *topics, int32_t count)
{
    struct list_offsets_request *in = arena_alloc(&rig->arena, sizeof *in);
    list_offsets_request_init(in);
    in->replica_id = -1;
    in->topics_count = count;
    in->topics = arena_array(&rig->arena, (size_t)count, sizeof *in->topics);
    for (int32_t i = 0; i < count; i++) {
        struct list_offsets_request_list_offsets_topic *t = &in->topics[i];
        list_offsets_request_list_offsets_topic_init(t);
        t->name = slice_str(topics[i].name);
        t->partitions_count = topics[i].count;
        t->partitions = arena_array(&rig->arena, ASKED_MAX, sizeof *t->partitions);
        for (int32_t k = 0; k < t->partitions_count; k++) {
            list_offsets_request_list_offsets_partition_init(&t->partitions[k]);
            t->partitions[k].partition_index = topics[i].partitions[k].partition;
            t->partitions[k].timestamp = topics[i].partitions[k].timestamp;
        }
    }
    return in;
}

static void answered_in_order(struct api_rig *rig, int fd, int16_t version, const struct asked_topic *topics,
                              int32_t count)
{
    const struct list_offsets_response *out = rig_call(rig, fd, LIST_OFFSETS, version, request_of(rig, topics, count));
    assert_int_equal(out->topics_count, count);
    for (int32_t i = 0; i < count; i++) {
        const struct list_offsets_response_list_offsets_topic_response *t = &out->topics[i];
        assert_true(slice_equal(t->name, slice_str(topics[i].name)));
        assert_int_equal(t->partitions_count, topics[i].count);
        for (int32_t k = 0; k < t->partitions_count; k++) {
            assert_int_equal(t->partitions[k].partition_index, topics[i].partitions[k].partition);
            assert_int_equal(t->partitions[k].error_code, topics[i].partitions[k].error_code);
            assert_int_equal(t->partitions[k].offset, topics[i].partitions[k].offset);
        }
    }
}

static void test_answers_in_the_order_of_the_request(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "a", 1);
    rig_create_topic(&rig, fd, "b", 3);
    for (int i = 0; i < 2; i++) {
        rig_call(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, "b", "value", 1)); // into partition 0
    }
    static const struct asked_topic looked_up[] = {
        {"b",
         5,
         {{2, LATEST, KAFKA_ERROR_NONE, 0},
          {7, LATEST, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1},
          {0, LATEST, KAFKA_ERROR_NONE, 2},
          {-1, LATEST, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1},
          {1, EARLIEST, KAFKA_ERROR_NONE, 0}}},
        {"nobody", 1, {{0, LATEST, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1}}},
        {"a", 1, {{0, EARLIEST, KAFKA_ERROR_NONE, 0}}},
    };
    static const struct asked_topic read_from_disk[] = {
        {"b",
         4,
         {{2, 0, KAFKA_ERROR_NONE, -1}, // no record is that young
          {1, -77, KAFKA_ERROR_UNSUPPORTED_VERSION, -1},
          {0, 1, KAFKA_ERROR_NONE, 0},
          {9, 1, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1}}},
        {"a", 1, {{0, LATEST, KAFKA_ERROR_NONE, 0}}},
    };
    static const struct asked_topic named_twice[] = {
        {"b", 2, {{0, LATEST, KAFKA_ERROR_INVALID_REQUEST, -1}, {1, LATEST, KAFKA_ERROR_NONE, 0}}},
        {"a", 1, {{0, LATEST, KAFKA_ERROR_NONE, 0}}},
        {"b", 1, {{0, EARLIEST, KAFKA_ERROR_INVALID_REQUEST, -1}}},
    };
    for (int16_t version = 1; version <= 9; version++) {
        answered_in_order(&rig, fd, version, looked_up, 3);
        answered_in_order(&rig, fd, version, named_twice, 3);
    }
    answered_in_order(&rig, fd, 9, read_from_disk, 2);
    close(fd);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_in_the_order_of_the_request),
    };
    return cmocka_run_group_tests_name("api/02_list_offsets", tests, NULL, NULL);
}
