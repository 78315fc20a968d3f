// SPDX-License-Identifier: Apache-2.0
//
// DeleteRecords through a broker: what moves the log start, what is refused, partitions named twice.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

#include <unistd.h>

#define PRODUCE        0
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_start_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
