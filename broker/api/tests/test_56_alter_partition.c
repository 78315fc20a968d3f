// SPDX-License-Identifier: Apache-2.0
//
// What brokers ask of the controller: AlterPartition, AllocateProducerIds and ControlledShutdown, in every version.
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

static struct alter_partition_request *alter_request(struct api_rig *rig, int16_t version, const struct uuid *id,
                                                     int32_t partition, int32_t leader_epoch)
{
    struct arena *a = &rig->arena;
    int32_t *self = arena_alloc(a, sizeof *self);
    *self = cluster_broker_id(rig->cluster);
    struct alter_partition_request *in = arena_alloc(a, sizeof *in);
    alter_partition_request_init(in);
    in->broker_id = *self;
    in->broker_epoch = cluster_broker_epoch(rig->cluster);
    in->topics = arena_alloc(a, sizeof *in->topics);
    in->topics_count = 1;
    alter_partition_request_topic_data_init(in->topics);
    in->topics->topic_name = slice_str("t");
    in->topics->topic_id = *id;
    in->topics->partitions = arena_alloc(a, sizeof *in->topics->partitions);
    in->topics->partitions_count = 1;
    struct alter_partition_request_partition_data *p = in->topics->partitions;
    alter_partition_request_partition_data_init(p);
    p->partition_index = partition;
    p->leader_epoch = leader_epoch;
    if (version < 3) {
        p->new_isr = self;
        p->new_isr_count = 1;
    } else {
        p->new_isr_with_epochs = arena_alloc(a, sizeof *p->new_isr_with_epochs);
        p->new_isr_with_epochs_count = 1;
        alter_partition_request_broker_state_init(p->new_isr_with_epochs);
        p->new_isr_with_epochs->broker_id = *self;
    }
    return in;
}

static struct uuid topic_id(struct api_rig *rig)
{
    const struct metadata *m = cluster_metadata(rig->cluster);
    struct uuid id = metadata_topic_find(m, slice_str("t"))->id;
    metadata_unref(m);
    return id;
}

static void test_alter_in_every_version(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    struct uuid id = topic_id(&rig), other = {{7}};
    for (int16_t version = 0; version <= 3; version++) {
        const struct alter_partition_response *out =
            rig_call(&rig, fd, 56, version, alter_request(&rig, version, &id, 0, 0));
        assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
        assert_int_equal(out->topics_count, 1);
        const struct alter_partition_response_partition_data *p = &out->topics[0].partitions[0];
        assert_int_equal(p->error_code, KAFKA_ERROR_NONE);
        assert_int_equal(p->leader_id, cluster_broker_id(rig.cluster));
        assert_int_equal(p->isr_count, 1);
        assert_int_equal(p->isr[0], p->leader_id);
        out = rig_call(&rig, fd, 56, version, alter_request(&rig, version, &id, 0, -1));
        assert_int_equal(out->topics[0].partitions[0].error_code, KAFKA_ERROR_FENCED_LEADER_EPOCH);
        out = rig_call(&rig, fd, 56, version, alter_request(&rig, version, version < 2 ? &id : &other, 3, 0));
        assert_int_equal(out->topics[0].partitions[0].error_code,
                         version < 2 ? KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_ERROR_UNKNOWN_TOPIC_ID);
        struct alter_partition_request *stale = alter_request(&rig, version, &id, 0, 0);
        stale->broker_epoch++;
        out = rig_call(&rig, fd, 56, version, stale);
        assert_int_equal(out->error_code, KAFKA_ERROR_STALE_BROKER_EPOCH);
    }
    close(fd);
    api_rig_close(&rig);
}

// A controller with ZooKeeper looks at the sender's epoch and at who lives, and at no other epoch.
static void test_epochs_of_the_in_sync_are_not_compared(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    struct uuid id = topic_id(&rig);
    const int64_t own = cluster_broker_epoch(rig.cluster);
    const int64_t epochs[] = {-1, 0, own - 1, own, own + 1, INT64_MAX};
    for (size_t i = 0; i < sizeof epochs / sizeof epochs[0]; i++) {
        struct alter_partition_request *in = alter_request(&rig, 3, &id, 0, 0);
        struct alter_partition_request_broker_state members[2];
        members[0] = members[1] = in->topics->partitions->new_isr_with_epochs[0];
        members[0].broker_epoch = members[1].broker_epoch = epochs[i];
        members[1].broker_id = cluster_broker_id(rig.cluster) + 1; // nobody
        in->topics->partitions->new_isr_with_epochs = members;
        const struct alter_partition_response *out = rig_call(&rig, fd, 56, 3, in);
        assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
        assert_int_equal(out->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
        in->topics->partitions->new_isr_with_epochs_count = 2;
        out = rig_call(&rig, fd, 56, 3, in);
        assert_int_equal(out->topics[0].partitions[0].error_code, KAFKA_ERROR_INELIGIBLE_REPLICA);
    }
    close(fd);
    api_rig_close(&rig);
}

static void test_controlled_shutdown(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    struct controlled_shutdown_request in;
    for (int16_t version = 0; version <= 3; version++) {
        controlled_shutdown_request_init(&in);
        in.broker_id = 2;
        const struct controlled_shutdown_response *out = rig_call(&rig, fd, 7, version, &in);
        assert_int_equal(out->error_code, KAFKA_ERROR_BROKER_NOT_AVAILABLE);
        in.broker_id = cluster_broker_id(rig.cluster);
        out = rig_call(&rig, fd, 7, version, &in);
        assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
        assert_int_equal(out->remaining_partitions_count, 0);
        in.broker_epoch = 0;
        out = rig_call(&rig, fd, 7, version, &in);
        assert_int_equal(out->error_code, version < 2 ? KAFKA_ERROR_NONE : KAFKA_ERROR_STALE_BROKER_EPOCH);
    }
    close(fd);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alter_in_every_version),
        cmocka_unit_test(test_epochs_of_the_in_sync_are_not_compared),
        cmocka_unit_test(test_controlled_shutdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
