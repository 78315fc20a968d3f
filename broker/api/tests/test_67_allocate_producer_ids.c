// SPDX-License-Identifier: Apache-2.0
//
// AllocateProducerIds through a broker that is the controller: blocks follow on one another, and are for brokers that
// are registered, in the epoch of their registration.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

#include <unistd.h>

#define ALLOCATE_PRODUCER_IDS 67
#define BLOCK                 1000

static int16_t error_of(struct api_rig *rig, int fd, int32_t broker_id, int64_t broker_epoch)
{
    struct allocate_producer_ids_request in;
    allocate_producer_ids_request_init(&in);
    in.broker_id = broker_id;
    in.broker_epoch = broker_epoch;
    const struct allocate_producer_ids_response *out = rig_call(rig, fd, ALLOCATE_PRODUCER_IDS, 0, &in);
    assert_int_equal(out->producer_id_start, 0);
    assert_int_equal(out->producer_id_len, 0);
    return out->error_code;
}

static void next_block_is(struct api_rig *rig, int fd, int64_t first)
{
    struct allocate_producer_ids_request in;
    allocate_producer_ids_request_init(&in);
    in.broker_id = cluster_broker_id(rig->cluster);
    in.broker_epoch = cluster_broker_epoch(rig->cluster);
    const struct allocate_producer_ids_response *out = rig_call(rig, fd, ALLOCATE_PRODUCER_IDS, 0, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->producer_id_start, first);
    assert_int_equal(out->producer_id_len, BLOCK);
}

static void test_blocks_follow_on_one_another(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    int32_t id = cluster_broker_id(rig.cluster);
    int64_t epoch = cluster_broker_epoch(rig.cluster);
    next_block_is(&rig, fd, 0);
    next_block_is(&rig, fd, BLOCK);
    assert_int_equal(error_of(&rig, fd, id, epoch - 1), KAFKA_ERROR_STALE_BROKER_EPOCH);
    assert_int_equal(error_of(&rig, fd, id, epoch + 1), KAFKA_ERROR_STALE_BROKER_EPOCH);
    assert_int_equal(error_of(&rig, fd, id, -1), KAFKA_ERROR_STALE_BROKER_EPOCH);
    assert_int_equal(error_of(&rig, fd, 2, epoch), KAFKA_ERROR_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(error_of(&rig, fd, 2, -1), KAFKA_ERROR_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(error_of(&rig, fd, -1, epoch), KAFKA_ERROR_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(error_of(&rig, fd, INT32_MIN, epoch), KAFKA_ERROR_BROKER_ID_NOT_REGISTERED);
    next_block_is(&rig, fd, 2 * BLOCK); // who was refused has taken nothing
    close(fd);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_follow_on_one_another),
    };
    return cmocka_run_group_tests_name("api/67_allocate_producer_ids", tests, NULL, NULL);
}
