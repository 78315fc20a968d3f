// SPDX-License-Identifier: Apache-2.0
//
// The coordinator on a real log directory: groups come and go with the leadership of their partition, what was
// committed is there again after a restart, and a deleted topic takes its offsets along.
#include "broker/group/coordinator.h"

#include <sched.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "broker/cluster/metadata_builder.h"
#include "protocol/protocol.h"

#define BROKER_ID 1

struct rig {
    char *dir;
    struct pool *pool;
    struct log_dirs *log_dirs;
    struct replica_manager *replicas;
    struct coordinator *groups;
    struct cluster_hooks hooks;
    const struct metadata *metadata; // with the topic
    struct topic_config config;
    struct uuid topic_id;
};

static const struct metadata *picture_with(const char *topic)
{
    int32_t brokers[] = {BROKER_ID};
    struct metadata_partition p = {
        .leader = BROKER_ID, .replicas = brokers, .replicas_count = 1, .isr = brokers, .isr_count = 1};
    struct metadata_topic t = {.name = topic, .partitions = &p, .partitions_count = 1};
    struct metadata_builder *b = metadata_builder_new(NULL, "cluster");
    metadata_builder_put_topic(b, &t);
    return metadata_builder_finish(b);
}

static void rig_start(struct rig *r)
{
    const struct os *os = os_real();
    assert_int_equal(pool_new(2, &r->pool), ERR_OK);
    assert_int_equal(log_dirs_open(os, (const char *const *)&r->dir, 1, &r->log_dirs), ERR_OK);
    struct replica_manager_options ro = {.os = os,
                                         .dirs = r->log_dirs,
                                         .pool = r->pool,
                                         .broker_id = BROKER_ID,
                                         .recovery_threads = 1,
                                         .move_threads = 1,
                                         .fetch = {.threads = 1, .backoff_ms = 1000},
                                         .throttle = {11, 1, 11, 1}};
    assert_int_equal(replica_manager_open(&ro, &r->replicas), ERR_OK);
    struct coordinator_options co = {.os = os, .replicas = r->replicas, .pool = r->pool, .required_acks = -1};
    co.commit_timeout_ms = 5000;
    co.load_buffer_bytes = 4096;
    co.retention_check_ms = 600000;
    group_options_init(&co.group);
    assert_int_equal(coordinator_open(&co, &r->groups), ERR_OK);
    coordinator_set_broker_id(r->groups, BROKER_ID);
    r->hooks = coordinator_hooks(r->groups, replica_manager_hooks(r->replicas));
}

static void rig_stop(struct rig *r)
{
    coordinator_close(r->groups);
    assert_int_equal(replica_manager_close(r->replicas), ERR_OK);
    log_dirs_close(r->log_dirs, true);
    pool_free(r->pool);
}

static void rig_open(struct rig *r)
{
    *r = (struct rig){.dir = test_dir_new(), .metadata = picture_with(TOPIC_CONSUMER_OFFSETS)};
    topic_config_init(&r->config);
    uuid_random(os_real(), &r->topic_id);
    rig_start(r);
}

static void rig_release(struct rig *r)
{
    rig_stop(r);
    metadata_unref(r->metadata);
    test_dir_remove(r->dir);
}

static enum err rig_tell(struct rig *r, int32_t leader, int32_t epoch)
{
    static const int32_t brokers[] = {BROKER_ID};
    struct cluster_partition_state s = {.topic = TOPIC_CONSUMER_OFFSETS,
                                        .topic_id = r->topic_id,
                                        .leader = leader,
                                        .leader_epoch = epoch,
                                        .isr = brokers,
                                        .isr_count = 1,
                                        .replicas = brokers,
                                        .replicas_count = 1,
                                        .config = &r->config};
    return r->hooks.partition_changed(r->hooks.ctx, &s);
}

static int16_t rig_check(struct rig *r)
{
    return coordinator_check(r->groups, r->metadata, slice_str("g"));
}

static void rig_lead(struct rig *r, int32_t epoch)
{
    assert_int_equal(rig_tell(r, BROKER_ID, epoch), ERR_OK);
    while (rig_check(r) == KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS) {
        sched_yield();
    }
    assert_int_equal(rig_check(r), KAFKA_ERROR_NONE);
}

static void commit(struct rig *r, int64_t offset)
{
    struct group_commit_partition p = {.topic = slice_str("t"),
                                       .offset = offset,
                                       .leader_epoch = -1,
                                       .metadata = slice_str("m"),
                                       .commit_timestamp_ms = -1,
                                       .expire_timestamp_ms = -1};
    struct group_event e = {.type = GROUP_COMMIT,
                            .commit = {.member_id = slice_str(""),
                                       .generation = -1,
                                       .producer_id = -1,
                                       .producer_epoch = -1,
                                       .partitions = &p,
                                       .partitions_count = 1}};
    struct group_call *call;
    int16_t error;
    assert_int_equal(coordinator_ask(r->groups, r->metadata, slice_str("g"), &e, &error, &call), ERR_OK);
    assert_true(group_call_done(call)); // alone, this broker has its own acknowledgement at once
    assert_int_equal(group_call_answer(call)->error, KAFKA_ERROR_NONE);
    assert_int_equal(group_call_answer(call)->errors.count, 1);
    assert_int_equal(group_call_answer(call)->errors.list[0], KAFKA_ERROR_NONE);
    group_call_unref(call);
}

static void look(void *ctx, const struct group *g)
{
    struct group_offset_view v;
    int64_t *offset = ctx;
    *offset = g != NULL && group_offset_find(g, slice_str("t"), 0, &v) && v.committed ? v.offset : -1;
}

static int64_t committed(struct rig *r)
{
    int64_t offset = -2;
    assert_int_equal(coordinator_look(r->groups, r->metadata, slice_str("g"), look, &offset), KAFKA_ERROR_NONE);
    return offset;
}

// ---------------------------------------------------------------------------------------------------------------

static void test_offsets_survive(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    assert_int_equal(rig_check(&r), KAFKA_ERROR_NOT_COORDINATOR);
    rig_lead(&r, 0);
    assert_int_equal(committed(&r), -1);
    commit(&r, 41);
    commit(&r, 42);
    assert_int_equal(committed(&r), 42);
    rig_stop(&r);
    rig_start(&r);
    rig_lead(&r, 1);
    assert_int_equal(committed(&r), 42);
    struct group_counts counts;
    commit(&r, 43);
    coordinator_counts(r.groups, &counts);
    assert_int_equal(counts.offsets_committed, 1);
    rig_release(&r);
}

static void test_leadership_comes_and_goes(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    rig_lead(&r, 3);
    commit(&r, 7);
    assert_int_equal(rig_tell(&r, BROKER_ID + 1, 2), ERR_FENCED_EPOCH); // old news
    assert_int_equal(rig_check(&r), KAFKA_ERROR_NONE);
    assert_int_equal(rig_tell(&r, BROKER_ID + 1, 4), ERR_OK);
    assert_int_equal(rig_check(&r), KAFKA_ERROR_NOT_COORDINATOR);
    struct group_event e = {.type = GROUP_HEARTBEAT};
    struct group_call *call;
    int16_t error;
    assert_int_equal(coordinator_ask(r.groups, r.metadata, slice_str("g"), &e, &error, &call), ERR_INVALID);
    assert_int_equal(error, KAFKA_ERROR_NOT_COORDINATOR);
    rig_lead(&r, 5);
    assert_int_equal(committed(&r), 7);
    assert_int_equal(coordinator_ask(r.groups, r.metadata, slice_str("other"), &e, &error, &call), ERR_NOT_FOUND);
    rig_release(&r);
}

static void test_deleted_topic(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    rig_lead(&r, 0);
    commit(&r, 7);
    r.hooks.topic_deleted(r.hooks.ctx, "other", 1);
    r.hooks.topic_deleted(r.hooks.ctx, "t", 1);
    while (committed(&r) != -1) {
        sched_yield();
    }
    rig_stop(&r);
    rig_start(&r);
    rig_lead(&r, 1);
    assert_int_equal(committed(&r), -1);
    rig_release(&r);
}

// A member that waits in its join when the coordinator goes elsewhere is told so.
static void test_waiting_member_is_sent_off(void **state)
{
    (void)state;
    struct rig r;
    struct group_protocol protocol = {slice_str("range"), slice_str("x")};
    struct group_event e = {.type = GROUP_JOIN,
                            .join = {.member_id = slice_str(""),
                                     .client_id = slice_str("c"),
                                     .client_host = slice_str("/127.0.0.1"),
                                     .protocol_type = slice_str("consumer"),
                                     .protocols = &protocol,
                                     .protocols_count = 1,
                                     .session_timeout_ms = 10000,
                                     .rebalance_timeout_ms = 10000}};
    struct group_call *call;
    int16_t error;
    memset(e.join.fresh_uuid, 'a', sizeof e.join.fresh_uuid);
    rig_open(&r);
    rig_lead(&r, 0);
    assert_int_equal(coordinator_ask(r.groups, r.metadata, slice_str("g"), &e, &error, &call), ERR_OK);
    assert_false(group_call_done(call));
    assert_int_equal(rig_tell(&r, BROKER_ID + 1, 1), ERR_OK);
    assert_true(group_call_done(call));
    assert_int_equal(group_call_answer(call)->error, KAFKA_ERROR_NOT_COORDINATOR);
    group_call_unref(call);
    rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_survive),
        cmocka_unit_test(test_leadership_comes_and_goes),
        cmocka_unit_test(test_deleted_topic),
        cmocka_unit_test(test_waiting_member_is_sent_off),
    };
    return cmocka_run_group_tests_name("broker/group/coordinator", tests, NULL, NULL);
}
