// SPDX-License-Identifier: Apache-2.0
//
// DescribeProducers through a broker: an idempotent producer is listed after its batch, others are not.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

#include <unistd.h>

#include "base/crc32c.h"

#define PRODUCE            0
#define DESCRIBE_PRODUCERS 61

static const struct describe_producers_response_partition_response *describe(struct api_rig *rig, int fd,
                                                                             const char *topic, int32_t partition)
{
    struct describe_producers_request in;
    struct describe_producers_request_topic_request t;
    describe_producers_request_init(&in);
    describe_producers_request_topic_request_init(&t);
    t.name = slice_str(topic);
    t.partition_indexes = &partition;
    t.partition_indexes_count = 1;
    in.topics = &t;
    in.topics_count = 1;
    const struct describe_producers_response *out = rig_call(rig, fd, DESCRIBE_PRODUCERS, 0, &in);
    assert_int_equal(out->topics_count, 1);
    assert_int_equal(out->topics[0].partitions_count, 1);
    return &out->topics[0].partitions[0];
}

// The rig's batch as producer 7 with epoch 2 and sequence 5 sends it.
static void produce_as(struct api_rig *rig, int fd)
{
    struct produce_request *in = rig_produce_request(rig, "t", "value", 1);
    struct records *records = &in->topic_data[0].partition_data[0].records;
    uint8_t *batch = (uint8_t *)(uintptr_t)records->data;
    store_be64(batch + 43, 7);
    store_be16(batch + 51, 2);
    store_be32(batch + 53, 5);
    store_be32(batch + 17, crc32c(batch + 21, records->len - 21));
    const struct produce_response *out = rig_call(rig, fd, PRODUCE, 9, in);
    assert_int_equal(out->responses[0].partition_responses[0].error_code, KAFKA_ERROR_NONE);
}

static void test_who_is_listed(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    rig_call(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, "t", "value", 1));
    assert_int_equal(describe(&rig, fd, "t", 0)->active_producers_count, 0);
    produce_as(&rig, fd);
    const struct describe_producers_response_partition_response *p = describe(&rig, fd, "t", 0);
    assert_int_equal(p->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(p->active_producers_count, 1);
    assert_int_equal(p->active_producers[0].producer_id, 7);
    assert_int_equal(p->active_producers[0].producer_epoch, 2);
    assert_int_equal(p->active_producers[0].last_sequence, 5);
    assert_int_equal(p->active_producers[0].coordinator_epoch, -1);
    assert_int_equal(p->active_producers[0].current_txn_start_offset, -1);
    assert_int_equal(describe(&rig, fd, "t", 4)->error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    p = describe(&rig, fd, "nobody", 0);
    assert_int_equal(p->error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_non_null(p->error_message.data);
    p = describe(&rig, fd, "bad topic!", 0);
    assert_int_equal(p->error_code, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION);
    assert_non_null(p->error_message.data);
    close(fd);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
