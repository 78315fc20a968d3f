// SPDX-License-Identifier: Apache-2.0
//
// ElectLeaders, AlterPartitionReassignments and ListPartitionReassignments at a broker alone: shapes, errors, and that
// lists come back in the order of the request. What they do with several brokers is the controller's, and its tests'.
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

static struct elect_leaders_request *elect_request(struct api_rig *rig, const char *const *topics, int32_t count)
{
    static int32_t zero[] = {0};
    struct elect_leaders_request *in = arena_alloc(&rig->arena, sizeof *in);
    elect_leaders_request_init(in);
    in->timeout_ms = 10000;
    in->topic_partitions_count = count;
    in->topic_partitions = count < 0 ? NULL : arena_array(&rig->arena, (size_t)count, sizeof *in->topic_partitions);
    for (int32_t i = 0; i < count; i++) {
        elect_leaders_request_topic_partitions_init(&in->topic_partitions[i]);
        in->topic_partitions[i].topic = slice_str(topics[i]);
        in->topic_partitions[i].partitions = zero;
        in->topic_partitions[i].partitions_count = 1;
    }
    return in;
}

static void test_elections(void **state)
{
    (void)state;
    static const char *const topics[] = {"t", "nobody"};
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    for (int16_t version = 0; version <= 2; version++) {
        const struct elect_leaders_response *out = rig_call(&rig, fd, 43, version, elect_request(&rig, topics, 2));
        assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
        assert_int_equal(out->replica_election_results_count, 2);
        assert_true(slice_equal(out->replica_election_results[0].topic, slice_str("t")));
        assert_int_equal(out->replica_election_results[0].partition_result[0].error_code,
                         KAFKA_ERROR_ELECTION_NOT_NEEDED);
        assert_int_equal(out->replica_election_results[1].partition_result[0].error_code,
                         KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        out = rig_call(&rig, fd, 43, version, elect_request(&rig, NULL, -1)); // all: none needs one
        assert_int_equal(out->replica_election_results_count, 0);
    }
    struct elect_leaders_request *odd = elect_request(&rig, topics, 1);
    odd->election_type = 2;
    const struct elect_leaders_response *out = rig_call(&rig, fd, 43, 2, odd);
    assert_int_equal(out->error_code, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    close(fd);
    api_rig_close(&rig);
}

static struct alter_partition_reassignments_request *move_request(struct api_rig *rig, const char *topic,
                                                                  int32_t *replicas, int32_t count)
{
    struct arena *a = &rig->arena;
    struct alter_partition_reassignments_request *in = arena_alloc(a, sizeof *in);
    alter_partition_reassignments_request_init(in);
    in->timeout_ms = 10000;
    in->topics_count = 1;
    in->topics = arena_alloc(a, sizeof *in->topics);
    alter_partition_reassignments_request_reassignable_topic_init(in->topics);
    in->topics->name = slice_str(topic);
    in->topics->partitions_count = 1;
    in->topics->partitions = arena_alloc(a, sizeof *in->topics->partitions);
    alter_partition_reassignments_request_reassignable_partition_init(in->topics->partitions);
    in->topics->partitions->replicas = replicas;
    in->topics->partitions->replicas_count = count;
    return in;
}

static void test_reassignments(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    int32_t self[] = {cluster_broker_id(rig.cluster)}, other[] = {99};
    const struct {
        const char *topic;
        int32_t *replicas;
        int32_t count;
        int16_t code;
    } cases[] = {
        {"t", self, 1, KAFKA_ERROR_NONE},
        {"t", other, 1, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT},
        {"t", self, 0, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT},
        {"t", NULL, -1, KAFKA_ERROR_NO_REASSIGNMENT_IN_PROGRESS},
        {"nobody", self, 1, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct alter_partition_reassignments_response *out =
            rig_call(&rig, fd, 45, 0, move_request(&rig, cases[i].topic, cases[i].replicas, cases[i].count));
        assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
        assert_int_equal(out->responses_count, 1);
        assert_true(slice_equal(out->responses[0].name, slice_str(cases[i].topic)));
        assert_int_equal(out->responses[0].partitions[0].error_code, cases[i].code);
        assert_int_equal(out->responses[0].partitions[0].error_message.data == NULL, cases[i].code == KAFKA_ERROR_NONE);
    }
    struct list_partition_reassignments_request list;
    list_partition_reassignments_request_init(&list);
    list.topics_count = -1;
    const struct list_partition_reassignments_response *out = rig_call(&rig, fd, 46, 0, &list);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->topics_count, 0);
    close(fd);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elections),
        cmocka_unit_test(test_reassignments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
