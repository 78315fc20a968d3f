// SPDX-License-Identifier: Apache-2.0
//
// OffsetForLeaderEpoch through a broker: the latest epoch ends with the log, unknown ones are undefined.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

#include <unistd.h>

#define PRODUCE                 0
#define OFFSET_FOR_LEADER_EPOCH 23

static void check(struct api_rig *rig, int fd, const char *topic, int32_t current_epoch, int32_t epoch,
                  int16_t error_code, int32_t leader_epoch, int64_t end_offset)
{
    struct offset_for_leader_epoch_request in;
    struct offset_for_leader_epoch_request_offset_for_leader_topic t;
    struct offset_for_leader_epoch_request_offset_for_leader_partition p;
    offset_for_leader_epoch_request_init(&in);
    offset_for_leader_epoch_request_offset_for_leader_topic_init(&t);
    offset_for_leader_epoch_request_offset_for_leader_partition_init(&p);
    p.current_leader_epoch = current_epoch;
    p.leader_epoch = epoch;
    t.topic = slice_str(topic);
    t.partitions = &p;
    t.partitions_count = 1;
    in.topics = &t;
    in.topics_count = 1;
    const struct offset_for_leader_epoch_response *out = rig_call(rig, fd, OFFSET_FOR_LEADER_EPOCH, 4, &in);
    assert_int_equal(out->topics_count, 1);
    assert_int_equal(out->topics[0].partitions_count, 1);
    assert_int_equal(out->topics[0].partitions[0].error_code, error_code);
    assert_int_equal(out->topics[0].partitions[0].leader_epoch, leader_epoch);
    assert_int_equal(out->topics[0].partitions[0].end_offset, end_offset);
}

static void test_where_epochs_end(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    check(&rig, fd, "t", -1, 0, KAFKA_ERROR_NONE, 0, 0);
    rig_call(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, "t", "value", 1));
    check(&rig, fd, "t", 0, 0, KAFKA_ERROR_NONE, 0, 1);
    check(&rig, fd, "t", -1, 7, KAFKA_ERROR_NONE, -1, -1);
    check(&rig, fd, "t", -1, -1, KAFKA_ERROR_NONE, -1, -1);
    check(&rig, fd, "t", 1, 0, KAFKA_ERROR_UNKNOWN_LEADER_EPOCH, -1, -1);
    check(&rig, fd, "nobody", -1, 0, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1, -1);
    close(fd);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_epochs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
