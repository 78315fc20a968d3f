// SPDX-License-Identifier: Apache-2.0
//
// Effects of the controller as LeaderAndIsr, UpdateMetadata and StopReplica requests.
#include "broker/cluster/control_messages.h"

#include "base/tests/cmocka_all.h"

static struct znode_endpoint endpoints[][2] = {
    {{"PLAINTEXT", "one", 9091, "PLAINTEXT"}, {"OTHER", "one", 9191, "SASL_SSL"}},
    {{"PLAINTEXT", "two", 9092, "PLAINTEXT"}, {"OTHER", "two", 9192, "SASL_SSL"}},
};
static const struct control_sender from = {.controller_id = 1, .listener = "PLAINTEXT"};

// Broker 1 is well, broker 2 stops, broker 3 is not there; one partition with a replica on each, and a failed one on 1.
struct scene {
    struct controller_broker one, two;
    const struct controller_broker *brokers[2];
    int32_t replicas[3], isr[2], adding[1], removing[1];
    enum replica_state states[3];
    struct controller_partition partition;
    const struct controller_partition *partitions[1];
    struct controller_effect effect;
    const struct controller_effect *effects[1];
    struct arena a;
};

static void scene_init(struct scene *s, enum controller_effect_type type)
{
    *s = (struct scene){.replicas = {1, 2, 3}, .isr = {1, 2}, .adding = {3}, .removing = {2}};
    s->one =
        (struct controller_broker){.id = 1, .epoch = 11, .info = {.endpoints = endpoints[0], .endpoints_count = 2}};
    s->two = (struct controller_broker){
        .id = 2, .epoch = 22, .stopping = true, .info = {.endpoints = endpoints[1], .endpoints_count = 2, .rack = "r"}};
    s->brokers[0] = &s->one;
    s->brokers[1] = &s->two;
    s->partition = (struct controller_partition){.index = 4,
                                                 .replicas = s->replicas,
                                                 .replicas_count = 3,
                                                 .adding = s->adding,
                                                 .adding_count = 1,
                                                 .removing = s->removing,
                                                 .removing_count = 1,
                                                 .has_state = true,
                                                 .leader = 2,
                                                 .leader_epoch = 5,
                                                 .isr = s->isr,
                                                 .isr_count = 2,
                                                 .controller_epoch = 6,
                                                 .recovery_state = 1,
                                                 .version = 7,
                                                 .replica_states = s->states};
    s->partitions[0] = &s->partition;
    s->effect = (struct controller_effect){.type = type,
                                           .broker = 2,
                                           .topic = "t",
                                           .topic_id = {{9}},
                                           .partitions = s->partitions,
                                           .partitions_count = 1,
                                           .brokers = s->brokers,
                                           .brokers_count = 2,
                                           .controller_epoch = 8};
    s->effects[0] = &s->effect;
    arena_init(&s->a, 1024 * 1024);
}

static void test_leader_and_isr(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, CONTROLLER_LEADER_AND_ISR);
    s.effect.is_new = true;
    const struct leader_and_isr_request *r = control_leader_and_isr(&from, s.effects, 1, &s.a);
    assert_int_equal(r->controller_id, 1);
    assert_int_equal(r->controller_epoch, 8);
    assert_int_equal(r->broker_epoch, 22); // of whom it goes to
    assert_int_equal(r->topic_states_count, 1);
    assert_true(slice_equal(r->topic_states[0].topic_name, slice_str("t")));
    assert_int_equal(r->topic_states[0].topic_id.b[0], 9);
    const struct leader_and_isr_request_leader_and_isr_partition_state *p = r->topic_states[0].partition_states;
    assert_int_equal(p->partition_index, 4);
    assert_int_equal(p->controller_epoch, 6); // who wrote the state
    assert_int_equal(p->leader, 2);
    assert_int_equal(p->leader_epoch, 5);
    assert_int_equal(p->partition_epoch, 7);
    assert_int_equal(p->isr_count, 2);
    assert_int_equal(p->replicas_count, 3);
    assert_int_equal(p->adding_replicas[0], 3);
    assert_int_equal(p->removing_replicas[0], 2);
    assert_int_equal(p->leader_recovery_state, 1);
    assert_true(p->is_new);
    assert_int_equal(r->live_leaders_count, 1); // the leaders that are named, where brokers reach them
    assert_int_equal(r->live_leaders[0].broker_id, 2);
    assert_int_equal(r->live_leaders[0].port, 9092);
    arena_release(&s.a);
}

static void test_update_metadata(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, CONTROLLER_UPDATE_METADATA);
    s.states[0] = REPLICA_FAILED;
    const struct update_metadata_request *r = control_update_metadata(&from, s.effects, 1, &s.a);
    assert_int_equal(r->live_brokers_count, 2);
    assert_int_equal(r->live_brokers[1].endpoints_count, 2);
    assert_int_equal(r->live_brokers[1].endpoints[1].security_protocol, 3);
    assert_true(slice_equal(r->live_brokers[1].endpoints[1].listener, slice_str("OTHER")));
    assert_true(slice_equal(r->live_brokers[1].rack, slice_str("r")));
    assert_null(r->live_brokers[0].rack.data);
    const struct update_metadata_request_update_metadata_partition_state *p = r->topic_states[0].partition_states;
    assert_int_equal(p->leader, 2);
    assert_int_equal(p->leader_epoch, 5);
    assert_int_equal(p->zk_version, 7);
    assert_int_equal(p->offline_replicas_count, 3); // failed, stopping, not there
    s.states[0] = REPLICA_FINE;
    s.effect.deleted = true;
    r = control_update_metadata(&from, s.effects, 1, &s.a);
    p = r->topic_states[0].partition_states;
    assert_int_equal(p->leader, LEADER_DURING_DELETE);
    assert_int_equal(p->leader_epoch, 0);
    assert_int_equal(p->zk_version, 0);
    assert_int_equal(p->isr_count, 2);
    assert_int_equal(p->offline_replicas_count, 2);
    s.effect.topic = NULL;
    r = control_update_metadata(&from, s.effects, 1, &s.a);
    assert_int_equal(r->topic_states_count, 0);
    arena_release(&s.a);
}

static void test_stop_replica(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, CONTROLLER_STOP_REPLICA);
    for (int deleted = 0; deleted <= 1; deleted++) {
        s.effect.deleted = s.effect.erase = deleted == 1;
        const struct stop_replica_request *r = control_stop_replica(&from, s.effects, 1, &s.a);
        assert_int_equal(r->broker_epoch, 22);
        assert_int_equal(r->topic_states_count, 1);
        assert_int_equal(r->topic_states[0].partition_states[0].partition_index, 4);
        assert_int_equal(r->topic_states[0].partition_states[0].leader_epoch, deleted ? LEADER_EPOCH_DURING_DELETE : 5);
        assert_int_equal(r->topic_states[0].partition_states[0].delete_partition, deleted);
    }
    arena_release(&s.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leader_and_isr),
        cmocka_unit_test(test_update_metadata),
        cmocka_unit_test(test_stop_replica),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
