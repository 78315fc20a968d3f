// SPDX-License-Identifier: Apache-2.0
//
// DeleteRecords through a broker: what moves the log start, what is refused, partitions named twice.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

#include <sched.h>
#include <unistd.h>

#define PRODUCE        0
#define FETCH          1
#define DELETE_RECORDS 21

static const struct delete_records_response_delete_records_partition_result *
delete_from(struct api_rig *rig, int fd, const char *topic, int32_t partition, int64_t first, int64_t last)
{
    struct delete_records_request in;
    struct delete_records_request_delete_records_topic t;
    struct delete_records_request_delete_records_partition p[2] = {{partition, first}, {partition, last}};
    delete_records_request_init(&in);
    delete_records_request_delete_records_topic_init(&t);
    t.name = slice_str(topic);
    t.partitions = p;
    t.partitions_count = 2;
    in.topics = &t;
    in.topics_count = 1;
    const struct delete_records_response *out = rig_call(rig, fd, DELETE_RECORDS, 2, &in);
    assert_int_equal(out->topics_count, 1);
    assert_true(slice_equal(out->topics[0].name, slice_str(topic)));
    assert_int_equal(out->topics[0].partitions_count, 1); // named twice, answered once
    return &out->topics[0].partitions[0];
}

static void check(struct api_rig *rig, int fd, int64_t offset, int16_t error_code, int64_t low_watermark)
{
    const struct delete_records_response_delete_records_partition_result *p = delete_from(rig, fd, "t", 0, 77, offset);
    assert_int_equal(p->error_code, error_code);
    assert_int_equal(p->low_watermark, low_watermark);
}

static void test_log_start_moves(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    rig_create_topic_with(&rig, fd, "compacted", 1, "cleanup.policy", "compact");
    for (int i = 0; i < 4; i++) {
        rig_call(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, "t", "value", 1));
    }
    check(&rig, fd, 1, KAFKA_ERROR_NONE, 1);
    check(&rig, fd, 0, KAFKA_ERROR_NONE, 1); // never back
    check(&rig, fd, 5, KAFKA_ERROR_OFFSET_OUT_OF_RANGE, -1);
    check(&rig, fd, -2, KAFKA_ERROR_OFFSET_OUT_OF_RANGE, -1);
    check(&rig, fd, -1, KAFKA_ERROR_NONE, 4);
    assert_int_equal(delete_from(&rig, fd, "t", 3, 0, 0)->error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_from(&rig, fd, "nobody", 0, 0, 0)->error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_from(&rig, fd, "compacted", 0, 0, 0)->error_code, KAFKA_ERROR_POLICY_VIOLATION);
    close(fd);
    api_rig_close(&rig);
}

// A second replica, that of broker 2, which nobody runs.
static void second_replica(struct api_rig *rig, const struct uuid *topic_id)
{
    const int32_t both[] = {rig->options.broker_id, 2};
    struct cluster_hooks hooks = replica_manager_hooks(rig->replicas);
    struct cluster_partition_state state = {
        .topic = "t",
        .topic_id = *topic_id,
        .leader = rig->options.broker_id,
        .leader_epoch = 1,
        .isr = both,
        .isr_count = 1,
        .replicas = both,
        .replicas_count = 2,
        .config = &rig->defaults,
    };
    assert_int_equal(hooks.partition_changed(hooks.ctx, &state), ERR_OK);
}

static void follower_fetch(struct api_rig *rig, int fd, int64_t log_start_offset)
{
    struct fetch_request *in = rig_fetch_request(rig, "t", 2, 0);
    in->replica_id = 2;
    in->topics[0].partitions[0].log_start_offset = log_start_offset;
    const struct fetch_response *out = rig_call(rig, fd, FETCH, 12, in);
    assert_int_equal(out->responses[0].partitions[0].error_code, KAFKA_ERROR_NONE);
}

static int32_t delete_send(struct api_rig *rig, int fd, int64_t offset, int32_t timeout_ms)
{
    struct delete_records_request in;
    struct delete_records_request_delete_records_topic t;
    struct delete_records_request_delete_records_partition p = {0, offset};
    delete_records_request_init(&in);
    delete_records_request_delete_records_topic_init(&t);
    t.name = slice_str("t");
    t.partitions = &p;
    t.partitions_count = 1;
    in.topics = &t;
    in.topics_count = 1;
    in.timeout_ms = timeout_ms;
    return rig_send(rig, fd, DELETE_RECORDS, 2, &in);
}

static void answer_is(struct api_rig *rig, int fd, int32_t id, int16_t error_code, int64_t low_watermark)
{
    const struct delete_records_response *out = rig_receive(rig, fd, DELETE_RECORDS, 2, id);
    assert_int_equal(out->topics[0].partitions[0].error_code, error_code);
    assert_int_equal(out->topics[0].partitions[0].low_watermark, low_watermark);
}

static void test_waits_for_the_follower(void **state)
{
    (void)state;
    struct api_rig rig;
    struct partition *p;
    api_rig_open(&rig);
    int fd = rig_connect(&rig), follower = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    for (int i = 0; i < 2; i++) {
        rig_call(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, "t", "value", 1));
    }
    assert_int_equal(replica_manager_find(rig.replicas, slice_str("t"), 0, &p), ERR_OK);
    second_replica(&rig, partition_topic_id(p));
    // nobody has heard of it: it counts as beginning before everything
    answer_is(&rig, fd, delete_send(&rig, fd, 1, 1), KAFKA_ERROR_REQUEST_TIMED_OUT, -1);
    follower_fetch(&rig, follower, 0);
    answer_is(&rig, fd, delete_send(&rig, fd, 1, 0), KAFKA_ERROR_REQUEST_TIMED_OUT, 0);
    int32_t id = delete_send(&rig, fd, 2, 600000);
    while (partition_log_start(p) < 2) {
        sched_yield();
    }
    follower_fetch(&rig, follower, 2);
    answer_is(&rig, fd, id, KAFKA_ERROR_NONE, 2);
    // it has come back with less: whose client goes away waits no more, nor does anybody at the stop
    follower_fetch(&rig, follower, 0);
    int gone = rig_connect(&rig);
    delete_send(&rig, gone, 1, 600000);
    close(gone);
    delete_send(&rig, fd, 1, 600000);
    partition_unref(p);
    close(follower);
    close(fd);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_start_moves),
        cmocka_unit_test(test_waits_for_the_follower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
