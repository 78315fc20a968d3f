// SPDX-License-Identifier: Apache-2.0
//
// The controller of several brokers: those that die, come again and want to go; in-sync replicas that leaders change;
// deletions that wait for a broker. And random walks of all that, with a controller that dies between any two writes.
#include "broker/cluster/tests/controller_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "protocol/protocol.h"

static void trace_clear(struct rig *r)
{
    r->trace_len = 0;
    r->trace[0] = '\0';
}

static int trace_count(const struct rig *r, const char *what)
{
    int count = 0;
    for (const char *at = r->trace; (at = strstr(at, what)) != NULL; at++) {
        count++;
    }
    return count;
}

static struct znode_partition_state state_of(struct rig *r, const char *topic, struct arena *a)
{
    return rig_state(r, topic, 0, a);
}

static void expect_state(struct rig *r, const char *topic, int32_t leader, int32_t leader_epoch, const char *isr)
{
    struct arena a;
    arena_init(&a, 65536);
    struct znode_partition_state s = state_of(r, topic, &a);
    char text[64] = "";
    for (int32_t i = 0; i < s.isr_count; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%d", i > 0 ? "," : "", s.isr[i]);
    }
    assert_string_equal(text, isr);
    assert_int_equal(s.leader, leader);
    assert_int_equal(s.leader_epoch, leader_epoch);
    arena_release(&a);
}

// ---- death and return ----

static void test_leader_dies(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3);
    rig_create_assigned(&r, "a", "2,1,3");
    expect_state(&r, "a", 2, 0, "2,1,3");
    trace_clear(&r);
    rig_broker_stop(&r, 2);
    expect_state(&r, "a", 1, 1, "1,3");
    assert_int_equal(trace_count(&r, "set /brokers/topics/a/partitions/0/state"), 1); // elected first, then it is out
    assert_int_equal(r.left, 2);
    assert_int_equal(rig_replica_find(&r, 1, "a", 0)->leader, 1);
    assert_int_equal(rig_replica_find(&r, 3, "a", 0)->leader_epoch, 1);
    assert_int_equal(r.told_leader, 1);
    trace_clear(&r);
    rig_broker_start(&r, 2);
    assert_int_equal(r.joined, 2);
    expect_state(&r, "a", 1, 1, "1,3"); // it has to catch up first
    assert_string_equal(r.trace, "");
    assert_int_equal(rig_replica_find(&r, 2, "a", 0)->leader, 1);
    rig_close(&r);
}

static void test_follower_dies(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3);
    rig_create_assigned(&r, "a", "1,2,3");
    rig_broker_stop(&r, 3);
    expect_state(&r, "a", 1, 1, "1,2");
    assert_int_equal(rig_replica_find(&r, 2, "a", 0)->leader_epoch, 1);
    rig_close(&r);
}

// The last in-sync replica stays noted; only it may lead again, unless the topic allows what loses records.
static void test_all_replicas_die(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3);
    rig_create_assigned(&r, "a", "2,3");
    rig_broker_stop(&r, 2);
    rig_broker_stop(&r, 3);
    expect_state(&r, "a", -1, 2, "3");
    rig_broker_start(&r, 2);
    expect_state(&r, "a", -1, 2, "3");
    r.unclean = true;
    rig_broker_bounce(&r, 2);
    struct arena a;
    arena_init(&a, 65536);
    assert_int_equal(state_of(&r, "a", &a).leader_recovery_state, ZNODE_RECOVERING);
    expect_state(&r, "a", 2, 3, "2");
    rig_broker_start(&r, 3);
    expect_state(&r, "a", 2, 3, "2");
    arena_release(&a);
    rig_close(&r);
}

static void test_last_replica_returns(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3);
    rig_create_assigned(&r, "a", "2,3");
    rig_broker_stop(&r, 2);
    rig_broker_stop(&r, 3);
    rig_broker_start(&r, 3);
    expect_state(&r, "a", 3, 3, "3");
    assert_int_equal(rig_replica_find(&r, 3, "a", 0)->leader_epoch, 3);
    rig_close(&r);
}

// Gone and back before the controller has looked: it has lost its place all the same.
static void test_bounce(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3);
    rig_create_assigned(&r, "a", "2,1,3");
    rig_broker_bounce(&r, 2);
    expect_state(&r, "a", 1, 1, "1,3");
    assert_int_equal(r.left, 2);
    assert_int_equal(r.joined, 2);
    assert_int_equal(rig_replica_find(&r, 2, "a", 0)->leader, 1);
    rig_close(&r);
}

// Nobody who could host it lives: the topic gets its state when somebody does.
static void test_creation_without_a_live_replica(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3);
    rig_broker_stop(&r, 3);
    rig_create_assigned(&r, "a", "3");
    assert_false(rig_exists(&r, znode_path_state("a", 0).s));
    rig_broker_start(&r, 3);
    expect_state(&r, "a", 3, 0, "3");
    assert_non_null(rig_replica_find(&r, 3, "a", 0));
    rig_close(&r);
}

// The controller and a leader die together: dead replicas go offline before the election, so there are two writes.
static void test_failover_of_controller_and_leader(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3);
    rig_create_assigned(&r, "a", "2,1,3");
    r.away[2] = true;
    trace_clear(&r);
    rig_restart(&r);
    expect_state(&r, "a", 1, 2, "1,3");
    assert_int_equal(trace_count(&r, "set /brokers/topics/a/partitions/0/state"), 2);
    rig_close(&r);
}

// ---- in-sync replicas ----

static struct controller_request alter_request(struct rig *r, int32_t broker, struct controller_isr_change *change,
                                               struct arena *a)
{
    return (struct controller_request){.type = CONTROLLER_ALTER_PARTITIONS,
                                       .arena = a,
                                       .broker = broker,
                                       .broker_epoch = rig_broker_epoch(r, broker),
                                       .ineligible_known = true,
                                       .changes = change,
                                       .changes_count = 1};
}

static void test_alter_partition(void **state)
{
    (void)state;
    static const int32_t isrs[][3] = {{1, 2, 3}, {1, 2}, {1, 9}, {1}};
    static const struct {
        const char *topic;
        int32_t partition, leader_epoch, partition_epoch, isr, isr_count, recovery;
        bool old_version;
        int16_t code;
        int32_t new_version;
    } cases[] = {
        {"a", 0, 0, 0, 1, 2, 0, false, 0, 1},                                      // shrinks
        {"a", 0, 0, 0, 1, 2, 0, false, 0, 1},                                      // asked again: nothing to do
        {"a", 0, 0, 0, 0, 3, 0, false, KAFKA_ERROR_INVALID_UPDATE_VERSION, 1},     //
        {"a", 0, 0, 1, 0, 3, 0, false, 0, 2},                                      // grows
        {"a", 0, -1, 2, 1, 2, 0, false, KAFKA_ERROR_FENCED_LEADER_EPOCH, 2},       //
        {"a", 0, 1, 2, 1, 2, 0, false, KAFKA_ERROR_NOT_CONTROLLER, 2},             // it knows more
        {"a", 0, 0, 3, 1, 2, 0, false, KAFKA_ERROR_NOT_CONTROLLER, 2},             // likewise
        {"a", 0, 0, 2, 2, 2, 0, false, KAFKA_ERROR_INELIGIBLE_REPLICA, 2},         //
        {"a", 0, 0, 2, 2, 2, 0, true, KAFKA_ERROR_OPERATION_NOT_ATTEMPTED, 2},     //
        {"a", 0, 0, 2, 1, 2, 1, false, KAFKA_ERROR_INVALID_REQUEST, 2},            //
        {"a", 0, 0, 2, 3, 1, 1, false, KAFKA_ERROR_INVALID_REQUEST, 2},            // it had recovered
        {"a", 1, 0, 0, 1, 2, 0, false, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, 2}, //
        {"b", 0, 0, 0, 1, 2, 0, false, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, 2}, //
        {NULL, 0, 0, 0, 1, 2, 0, false, KAFKA_ERROR_UNKNOWN_TOPIC_ID, 2},          //
    };
    struct rig r;
    struct arena a;
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    rig_create_assigned(&r, "a", "1,2,3");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct controller_isr_change change = {.topic = cases[i].topic,
                                               .partition = cases[i].partition,
                                               .leader_epoch = cases[i].leader_epoch,
                                               .partition_epoch = cases[i].partition_epoch,
                                               .isr = isrs[cases[i].isr],
                                               .isr_count = cases[i].isr_count,
                                               .recovery_state = cases[i].recovery};
        struct controller_request q = alter_request(&r, 1, &change, &a);
        q.ineligible_known = !cases[i].old_version;
        rig_ask(&r, &q);
        assert_int_equal(q.error_code, KAFKA_ERROR_NONE);
        assert_int_equal(change.error_code, cases[i].code);
        if (cases[i].code == KAFKA_ERROR_NONE) {
            assert_int_equal(change.leader, 1);
            assert_int_equal(change.new_leader_epoch, 0);
            assert_int_equal(change.new_isr_count, cases[i].isr_count);
            assert_int_equal(change.new_partition_epoch, cases[i].new_version);
        }
    }
    expect_state(&r, "a", 1, 0, "1,2,3");
    arena_release(&a);
    rig_close(&r);
}

static void test_alter_partition_as_a_whole(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    const int32_t isr = 1;
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    rig_create_assigned(&r, "a", "1,2,3");
    struct controller_isr_change change = {.topic = "a", .isr = &isr, .isr_count = 1};
    struct controller_request q = alter_request(&r, 1, &change, &a);
    q.broker_epoch--;
    rig_ask(&r, &q);
    assert_int_equal(q.error_code, KAFKA_ERROR_STALE_BROKER_EPOCH);
    q = alter_request(&r, 9, &change, &a);
    rig_ask(&r, &q);
    assert_int_equal(q.error_code, KAFKA_ERROR_STALE_BROKER_EPOCH);
    expect_state(&r, "a", 1, 0, "1,2,3");
    // Several in the queue, each in its turn; then the session goes with one under way.
    q = alter_request(&r, 1, &change, &a);
    rig_expire(&r);
    rig_ask(&r, &q);
    assert_int_equal(q.error_code, KAFKA_ERROR_NOT_CONTROLLER);
    arena_release(&a);
    rig_close(&r);
}

// Somebody else has written the state: it is read again, and the election is held on what is there.
static void test_state_written_by_somebody_else(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3);
    rig_create_assigned(&r, "a", "2,1,3");
    rig_set(&r, znode_path_state("a", 0).s,
            "{\"version\":1,\"leader\":2,\"leader_epoch\":0,\"isr\":[2,3],\"controller_epoch\":1}");
    rig_broker_stop(&r, 2);
    expect_state(&r, "a", 3, 1, "3");
    assert_int_equal(r.told_leader, 3);
    rig_close(&r);
}

// ---- a broker that wants to go ----

static void test_controlled_shutdown(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    rig_create_assigned(&r, "led", "2,1,3");
    rig_create_assigned(&r, "followed", "1,2,3");
    rig_create_assigned(&r, "alone", "2");
    rig_create_assigned(&r, "last", "2,3");
    const int32_t isr = 2;
    struct controller_isr_change change = {.topic = "last", .isr = &isr, .isr_count = 1};
    struct controller_request q = alter_request(&r, 2, &change, &a);
    rig_ask(&r, &q);
    assert_int_equal(change.error_code, KAFKA_ERROR_NONE);

    q = (struct controller_request){
        .type = CONTROLLER_SHUTDOWN, .arena = &a, .broker = 2, .broker_epoch = rig_broker_epoch(&r, 2) - 1};
    rig_ask(&r, &q);
    assert_int_equal(q.error_code, KAFKA_ERROR_STALE_BROKER_EPOCH);
    q.broker = 9;
    q.error_code = 0;
    rig_ask(&r, &q);
    assert_int_equal(q.error_code, KAFKA_ERROR_BROKER_NOT_AVAILABLE);
    q.broker = 2;
    q.broker_epoch++;
    q.error_code = 0;
    rig_ask(&r, &q);
    assert_int_equal(q.error_code, KAFKA_ERROR_NONE);
    assert_int_equal(q.remaining_count, 1);
    assert_string_equal(q.remaining[0].topic, "last");
    expect_state(&r, "led", 1, 1, "1,3");
    expect_state(&r, "followed", 1, 1, "1,3");
    expect_state(&r, "alone", 2, 0, "2");
    expect_state(&r, "last", 2, 0, "2");
    assert_true(rig_replica_find(&r, 2, "followed", 0)->stopped);
    assert_false(rig_replica_find(&r, 2, "led", 0)->stopped); // it follows until it goes
    // It is no candidate any more, and may not become in sync.
    const int32_t back[] = {1, 3, 2};
    change = (struct controller_isr_change){
        .topic = "led", .leader_epoch = 1, .partition_epoch = 1, .isr = back, .isr_count = 3};
    q = alter_request(&r, 1, &change, &a);
    rig_ask(&r, &q);
    assert_int_equal(change.error_code, KAFKA_ERROR_INELIGIBLE_REPLICA);
    rig_broker_stop(&r, 2);
    expect_state(&r, "alone", -1, 1, "2");
    rig_broker_start(&r, 2); // in its next life it is a broker like others
    expect_state(&r, "alone", 2, 2, "2");
    arena_release(&a);
    rig_close(&r);
}

// ---- deletions ----

static void test_deletion_waits_for_a_broker(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3);
    rig_create_assigned(&r, "a", "1,2,3");
    rig_broker_stop(&r, 3);
    rig_mark(&r, "a");
    assert_string_equal(r.held, "a");
    assert_string_equal(r.deleted, "");
    assert_true(r.told_deleted);
    assert_null(rig_replica_find(&r, 1, "a", 0)); // those that live are deleted at once
    assert_null(rig_replica_find(&r, 2, "a", 0));
    assert_true(rig_exists(&r, znode_path_topic("a").s));
    rig_broker_start(&r, 3);
    assert_string_equal(r.deleted, "a");
    assert_null(rig_replica_find(&r, 3, "a", 0));
    assert_false(rig_exists(&r, znode_path_topic("a").s));
    rig_close(&r);
}

static void test_deletion_refused_is_asked_again(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3);
    rig_create_assigned(&r, "a", "1,2,3");
    r.refuse_erase = true;
    rig_mark(&r, "a");
    assert_string_equal(r.held, "a");
    r.refuse_erase = false;
    rig_broker_bounce(&r, 1);
    rig_broker_bounce(&r, 2);
    assert_string_equal(r.deleted, "");
    rig_broker_bounce(&r, 3);
    assert_string_equal(r.deleted, "a");
    rig_close(&r);
}

// ---- elections ----

static void elect(struct rig *r, struct arena *a, bool unclean, const char *topic, int16_t code)
{
    struct controller_target target = {.topic = topic};
    struct controller_request q = {
        .type = CONTROLLER_ELECT, .arena = a, .targets = &target, .targets_count = 1, .unclean = unclean};
    rig_ask(r, &q);
    assert_int_equal(q.error_code, KAFKA_ERROR_NONE);
    assert_int_equal(target.error_code, code);
    assert_int_equal(target.error_message == NULL, code == KAFKA_ERROR_NONE);
    if (code == KAFKA_ERROR_PREFERRED_LEADER_NOT_AVAILABLE) {
        assert_string_equal(target.error_message, "Failed to elect leader for partition a-0 under strategy "
                                                  "PreferredReplicaPartitionLeaderElectionStrategy");
    }
}

static void test_elections_that_are_asked_for(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    rig_create_assigned(&r, "a", "2,1,3");
    elect(&r, &a, false, "a", KAFKA_ERROR_ELECTION_NOT_NEEDED);
    elect(&r, &a, true, "a", KAFKA_ERROR_ELECTION_NOT_NEEDED);
    elect(&r, &a, false, "nobody", KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    rig_broker_bounce(&r, 2);
    expect_state(&r, "a", 1, 1, "1,3");
    elect(&r, &a, false, "a", KAFKA_ERROR_PREFERRED_LEADER_NOT_AVAILABLE); // not in sync
    static const int32_t isr[] = {1, 3, 2};
    struct controller_isr_change change = {
        .topic = "a", .leader_epoch = 1, .partition_epoch = 1, .isr = isr, .isr_count = 3};
    struct controller_request q = alter_request(&r, 1, &change, &a);
    rig_ask(&r, &q);
    elect(&r, &a, false, "a", KAFKA_ERROR_NONE);
    expect_state(&r, "a", 2, 2, "1,3,2");
    assert_int_equal(rig_replica_find(&r, 3, "a", 0)->leader, 2);

    rig_create_assigned(&r, "b", "2,3");
    rig_broker_stop(&r, 2);
    rig_broker_stop(&r, 3);
    elect(&r, &a, true, "b", KAFKA_ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE);
    rig_broker_start(&r, 2);
    expect_state(&r, "b", -1, 2, "3");
    elect(&r, &a, true, "b", KAFKA_ERROR_NONE);
    expect_state(&r, "b", 2, 3, "2");
    // All there are: what needs none is not spoken of.
    q = (struct controller_request){.type = CONTROLLER_ELECT, .arena = &a, .targets_count = -1};
    rig_ask(&r, &q);
    assert_int_equal(q.targets_count, 1);
    assert_string_equal(q.targets[0].topic, "a");
    arena_release(&a);
    rig_close(&r);
}

static void make_imbalance(struct rig *r, struct arena *a)
{
    static const int32_t isr[] = {1, 2};
    rig_create_assigned(r, "a", "2,1");
    rig_broker_bounce(r, 2);
    struct controller_isr_change change = {
        .topic = "a", .leader_epoch = 1, .partition_epoch = 1, .isr = isr, .isr_count = 2};
    struct controller_request q = alter_request(r, 1, &change, a);
    rig_ask(r, &q);
    expect_state(r, "a", 1, 1, "1,2");
}

static void test_balance(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    make_imbalance(&r, &a);
    rig_create_assigned(&r, "b", "2,1"); // one of two: half of what broker 2 is preferred for
    r.imbalance_percent = 50;
    rig_restart(&r);
    rig_rebalance(&r);
    expect_state(&r, "a", 1, 1, "1,2");
    r.imbalance_percent = 49;
    rig_restart(&r);
    rig_rebalance(&r);
    expect_state(&r, "a", 2, 2, "1,2");
    arena_release(&a);
    rig_close(&r);
}

static void test_preferred_election_by_the_znode(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    static const char all[] = "{\"version\":1,\"partitions\":[{\"topic\":\"a\",\"partition\":0},"
                              "{\"topic\":\"x\",\"partition\":0},{\"topic\":\"a\",\"partition\":9}]}";
    static const char *const texts[] = {"what is that", "{\"version\":1,\"partitions\":[]}", all};
    make_imbalance(&r, &a);
    for (int i = 0; i < 3; i++) {
        rig_create(&r, ZNODE_PREFERRED_ELECTION, texts[i]);
        assert_false(rig_exists(&r, ZNODE_PREFERRED_ELECTION));
        assert_false(r.failed);
    }
    expect_state(&r, "a", 2, 2, "1,2");
    arena_release(&a);
    rig_close(&r);
}

// ---- in-sync replicas of old leaders ----

static void test_isr_notes(void **state)
{
    (void)state;
    struct rig r;
    char names[4][32];
    rig_open(&r, 3);
    rig_create_assigned(&r, "a", "2,1,3");
    rig_set(&r, znode_path_state("a", 0).s,
            "{\"version\":1,\"leader\":2,\"leader_epoch\":0,\"isr\":[2,3],\"controller_epoch\":1}");
    rig_create(&r, ZNODE_ISR_CHANGES "/isr_change_0000000000", "what is that");
    rig_create(&r, ZNODE_ISR_CHANGES "/isr_change_0000000001",
               "{\"version\":1,\"partitions\":[{\"topic\":\"a\",\"partition\":0}]}");
    assert_int_equal(rig_children(&r, ZNODE_ISR_CHANGES, names, 4), 0);
    trace_clear(&r);
    rig_broker_stop(&r, 2);
    expect_state(&r, "a", 3, 1, "3");
    assert_int_equal(trace_count(&r, "set /brokers/topics/a/partitions/0/state"), 1); // it knew, and wrote once
    rig_close(&r);
}

// ---- reassignment ----

static void expect_node(struct rig *r, const char *topic, const char *text)
{
    struct arena a;
    char out[128] = "";
    arena_init(&a, 65536);
    struct znode_topic t = rig_topic(r, topic, &a);
    const struct znode_replicas *p = &t.partitions[0];
    const int32_t *lists[] = {p->replicas, p->adding, p->removing};
    const int32_t counts[] = {p->replicas_count, p->adding_count, p->removing_count};
    for (int k = 0; k < 3; k++) {
        for (int32_t i = 0; i < counts[k]; i++) {
            size_t len = strlen(out);
            snprintf(out + len, sizeof out - len, "%d", lists[k][i]);
        }
        snprintf(out + strlen(out), sizeof out - strlen(out), k < 2 ? "/" : "");
    }
    assert_string_equal(out, text);
    arena_release(&a);
}

static void move(struct rig *r, struct arena *a, const int32_t *replicas, int32_t count, int16_t code)
{
    struct controller_move m = {.topic = "a", .replicas = replicas, .replicas_count = count};
    struct controller_request q = {.type = CONTROLLER_MOVE, .arena = a, .moves = &m, .moves_count = 1};
    rig_ask(r, &q);
    assert_true(r->dead || q.error_code == KAFKA_ERROR_NONE);
    assert_true(r->dead || m.error_code == code);
}

// The leader says that these are in sync.
static void in_sync(struct rig *r, struct arena *a, const int32_t *isr, int32_t count)
{
    struct znode_partition_state s = rig_state(r, "a", 0, a);
    struct controller_isr_change change = {.topic = "a",
                                           .leader_epoch = s.leader_epoch,
                                           .partition_epoch = rig_version(r, znode_path_state("a", 0).s),
                                           .isr = isr,
                                           .isr_count = count};
    struct controller_request q = alter_request(r, s.leader, &change, a);
    rig_ask(r, &q);
    assert_true(r->dead || change.error_code == KAFKA_ERROR_NONE);
}

// The writes Apache Kafka makes for [1,2] -> [3,1] with leader 1 staying.
static void test_move(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    static const int32_t target[] = {3, 1}, isr[] = {1, 2, 3};
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    rig_create_assigned(&r, "a", "1,2");
    trace_clear(&r);
    move(&r, &a, target, 2, KAFKA_ERROR_NONE);
    assert_string_equal(r.trace, "check /controller_epoch ; set /brokers/topics/a\n"
                                 "check /controller_epoch ; set /brokers/topics/a/partitions/0/state\n");
    expect_node(&r, "a", "312/3/2");
    expect_state(&r, "a", 1, 1, "1,2");
    assert_int_equal(rig_replica_find(&r, 3, "a", 0)->leader, 1);
    struct controller_request q = {.type = CONTROLLER_LIST_MOVES, .arena = &a, .targets_count = -1};
    rig_ask(&r, &q);
    assert_int_equal(q.moves_count, 1);
    assert_int_equal(q.moves[0].replicas_count, 3);
    assert_int_equal(q.moves[0].adding[0], 3);
    assert_int_equal(q.moves[0].removing[0], 2);
    trace_clear(&r);
    in_sync(&r, &a, isr, 3);
    assert_string_equal(r.trace, "check /controller_epoch ; set /brokers/topics/a/partitions/0/state\n"
                                 "check /controller_epoch ; set /brokers/topics/a/partitions/0/state\n"
                                 "check /controller_epoch ; set /brokers/topics/a/partitions/0/state\n"
                                 "check /controller_epoch ; set /brokers/topics/a\n");
    expect_node(&r, "a", "31//");
    expect_state(&r, "a", 1, 3, "1,3");
    assert_null(rig_replica_find(&r, 2, "a", 0));
    assert_string_equal(r.held, ""); // nothing is being deleted
    assert_int_equal(rig_replica_find(&r, 3, "a", 0)->leader_epoch, 3);
    q = (struct controller_request){.type = CONTROLLER_LIST_MOVES, .arena = &a, .targets_count = -1};
    rig_ask(&r, &q);
    assert_int_equal(q.moves_count, 0);
    arena_release(&a);
    rig_close(&r);
}

// The leader goes: one of those that are there leads before it does.
static void test_move_away_from_the_leader(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    static const int32_t target[] = {2, 3}, isr[] = {1, 2, 3};
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    rig_create_assigned(&r, "a", "1");
    move(&r, &a, target, 2, KAFKA_ERROR_NONE);
    in_sync(&r, &a, isr, 3);
    expect_node(&r, "a", "23//");
    expect_state(&r, "a", 2, 3, "2,3");
    assert_null(rig_replica_find(&r, 1, "a", 0));
    rig_close(&r);
    arena_release(&a);
}

static void test_move_called_off_and_replaced(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    static const int32_t to3[] = {1, 3}, to2[] = {1, 2}, same[] = {1};
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    rig_create_assigned(&r, "a", "1");
    move(&r, &a, NULL, 0, KAFKA_ERROR_NO_REASSIGNMENT_IN_PROGRESS);
    move(&r, &a, to3, 2, KAFKA_ERROR_NONE);
    expect_node(&r, "a", "13/3/");
    assert_non_null(rig_replica_find(&r, 3, "a", 0));
    move(&r, &a, to2, 2, KAFKA_ERROR_NONE); // 3 is not needed any more
    expect_node(&r, "a", "12/2/");
    assert_null(rig_replica_find(&r, 3, "a", 0));
    move(&r, &a, NULL, 0, KAFKA_ERROR_NONE);
    expect_node(&r, "a", "1//");
    assert_null(rig_replica_find(&r, 2, "a", 0));
    expect_state(&r, "a", 1, 3, "1");
    move(&r, &a, same, 1, KAFKA_ERROR_NONE); // completes at once, as Kafka's
    expect_state(&r, "a", 1, 4, "1");
    arena_release(&a);
    rig_close(&r);
}

static void test_moves_refused(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    static const int32_t twice[] = {1, 1}, negative[] = {1, -1}, dead[] = {1, 9}, fine[] = {2};
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    move(&r, &a, fine, 1, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    rig_create_assigned(&r, "a", "1");
    move(&r, &a, fine, 0, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT);
    move(&r, &a, twice, 2, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT);
    move(&r, &a, negative, 2, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT);
    struct controller_move m = {.topic = "a", .replicas = dead, .replicas_count = 2};
    struct controller_request q = {.type = CONTROLLER_MOVE, .arena = &a, .moves = &m, .moves_count = 1};
    rig_ask(&r, &q);
    assert_int_equal(m.error_code, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_string_equal(m.error_message, "Replica assignment has brokers that are not alive. Replica list: "
                                         "ArrayBuffer(9), live broker list: Set(1, 2, 3)");
    expect_node(&r, "a", "1//");
    arena_release(&a);
    rig_close(&r);
}

static void test_move_by_the_znode(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    static const int32_t isr[] = {1, 2};
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    rig_create_assigned(&r, "a", "1");
    rig_create(&r, ZNODE_REASSIGN_PARTITIONS,
               "{\"version\":1,\"partitions\":[{\"topic\":\"a\",\"partition\":0,\"replicas\":[1,2]},"
               "{\"topic\":\"nobody\",\"partition\":0,\"replicas\":[1,2]}]}");
    expect_node(&r, "a", "12/2/");
    assert_int_equal(rig_version(&r, ZNODE_REASSIGN_PARTITIONS), 1); // without the topic nobody knows
    rig_restart(&r);
    expect_node(&r, "a", "12/2/");
    in_sync(&r, &a, isr, 2);
    expect_node(&r, "a", "12//");
    assert_false(rig_exists(&r, ZNODE_REASSIGN_PARTITIONS));
    rig_create(&r, ZNODE_REASSIGN_PARTITIONS, "what is that");
    assert_false(rig_exists(&r, ZNODE_REASSIGN_PARTITIONS));
    assert_false(r.failed);
    arena_release(&a);
    rig_close(&r);
}

static void test_deletion_waits_for_a_move(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    static const int32_t target[] = {2}, isr[] = {1, 2};
    rig_open(&r, 3);
    arena_init(&a, 1 << 20);
    rig_create_assigned(&r, "a", "1");
    move(&r, &a, target, 1, KAFKA_ERROR_NONE);
    rig_mark(&r, "a");
    assert_true(rig_exists(&r, znode_path_topic("a").s));
    assert_string_equal(r.deleted, "");
    in_sync(&r, &a, isr, 2);
    assert_string_equal(r.deleted, "a");
    assert_int_equal(r.replicas_count, 0);
    arena_release(&a);
    rig_close(&r);
}

// The controller dies between any two writes of a move; the next one brings it to its end.
static void test_move_and_death_between_any_two_writes(void **state)
{
    (void)state;
    static const int32_t target[] = {2, 3}, isr[] = {1, 2, 3};
    for (int64_t n = 0;; n++) {
        struct rig r;
        struct arena a;
        rig_open(&r, 3);
        arena_init(&a, 1 << 20);
        rig_create_assigned(&r, "a", "1");
        r.writes_left = n;
        move(&r, &a, target, 2, KAFKA_ERROR_NONE);
        if (!r.dead) {
            in_sync(&r, &a, isr, 3);
        }
        bool died = r.dead;
        rig_restart(&r);
        struct znode_partition_state s = rig_state(&r, "a", 0, &a);
        if (s.isr_count == 1) {
            move(&r, &a, target, 2, KAFKA_ERROR_NONE); // asked again, if it was not begun
            in_sync(&r, &a, isr, 3);
        }
        expect_node(&r, "a", "23//");
        s = rig_state(&r, "a", 0, &a);
        assert_int_equal(s.leader, 2);
        assert_int_equal(s.isr_count, 2);
        arena_release(&a);
        rig_close(&r);
        if (!died) {
            assert_true(n >= 6);
            break;
        }
    }
}

// ---- random walks ----

// What holds whoever has died: leaders live and are in sync, and whoever lives knows who leads.
static void walk_check(struct rig *r)
{
    char names[16][32];
    struct arena a;
    assert_true(r->ready);
    assert_false(r->failed);
    int topics = rig_children(r, ZNODE_TOPICS, names, 16);
    for (int t = 0; t < topics; t++) {
        arena_init(&a, 1 << 20);
        if (rig_exists(r, znode_path_delete_topic(names[t]).s) || !rig_exists(r, znode_path_state(names[t], 0).s)) {
            arena_release(&a);
            continue;
        }
        struct znode_partition_state s = state_of(r, names[t], &a);
        struct znode_topic topic = rig_topic(r, names[t], &a);
        bool live = false, in_sync = s.leader < 0;
        assert_true(s.isr_count > 0);
        for (int32_t i = 0; i < s.isr_count; i++) {
            live = live || !r->away[s.isr[i]];
            in_sync = in_sync || s.isr[i] == s.leader;
        }
        assert_true(in_sync);
        assert_int_equal(s.leader >= 0, live); // the only reason to have none
        assert_true(s.leader < 0 || !r->away[s.leader]);
        for (int32_t i = 0; s.leader >= 0 && i < topic.partitions[0].replicas_count; i++) {
            int32_t broker = topic.partitions[0].replicas[i];
            const struct rig_replica *x = rig_replica_find(r, broker, names[t], 0);
            assert_true(r->away[broker] || (x != NULL && x->leader == s.leader && x->leader_epoch == s.leader_epoch));
        }
        arena_release(&a);
    }
}

static void walk_alter(struct rig *r, const char *name)
{
    struct arena a;
    arena_init(&a, 1 << 20);
    struct znode_partition_state s = state_of(r, name, &a);
    struct znode_topic topic = rig_topic(r, name, &a);
    int32_t isr[4], count = 0;
    for (int32_t i = 0; i < topic.partitions[0].replicas_count; i++) {
        int32_t id = topic.partitions[0].replicas[i];
        if (id == s.leader || (!r->away[id] && rand() % 2 == 0)) {
            isr[count++] = id;
        }
    }
    struct controller_isr_change change = {.topic = name,
                                           .leader_epoch = s.leader_epoch,
                                           .partition_epoch = rig_version(r, znode_path_state(name, 0).s),
                                           .isr = isr,
                                           .isr_count = count};
    if (s.leader >= 0) {
        struct controller_request q = alter_request(r, s.leader, &change, &a);
        rig_ask(r, &q);
        assert_true(r->dead || change.error_code == KAFKA_ERROR_NONE);
    }
    arena_release(&a);
}

static void walk_step(struct rig *r)
{
    static const char *const names[] = {"a", "b", "c"};
    static const char *const assignments[] = {"1,2,3", "2,3,1", "3", "3,1", "2,1"};
    const char *name = names[rand() % 3];
    int32_t broker = 1 + rand() % r->brokers_count;
    bool exists = rig_exists(r, znode_path_topic(name).s);
    switch (rand() % 6) {
    case 0:
    case 1:
        if (r->away[broker]) {
            rig_broker_start(r, broker);
        } else {
            rig_broker_stop(r, broker);
        }
        break;
    case 2:
        if (!r->away[broker]) {
            rig_broker_bounce(r, broker);
        }
        break;
    case 3:
        if (!exists) {
            rig_create_assigned(r, name, assignments[rand() % 5]);
        } else if (rand() % 3 == 0 && !rig_exists(r, znode_path_delete_topic(name).s)) {
            rig_mark(r, name);
        }
        break;
    default:
        if (exists && !rig_exists(r, znode_path_delete_topic(name).s) && rig_exists(r, znode_path_state(name, 0).s)) {
            walk_alter(r, name);
        }
    }
}

static void test_random_walk(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct rig r;
        rig_open(&r, 3);
        srand(seed);
        for (int i = 0; i < 80; i++) {
            if (r.dead || rand() % 16 == 0) {
                rig_restart(&r);
                walk_check(&r);
            }
            if (r.writes_left < 0 && rand() % 4 == 0) {
                r.writes_left = rand() % 12;
            }
            walk_step(&r);
            if (!r.dead) {
                walk_check(&r);
            }
        }
        for (int32_t id = 1; id <= 3; id++) {
            r.away[id] = false;
        }
        rig_restart(&r);
        walk_check(&r);
        assert_int_equal(rig_children(&r, ZNODE_DELETE_TOPICS, (char[16][32]){""}, 16), 0);
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leader_dies),
        cmocka_unit_test(test_follower_dies),
        cmocka_unit_test(test_all_replicas_die),
        cmocka_unit_test(test_last_replica_returns),
        cmocka_unit_test(test_bounce),
        cmocka_unit_test(test_creation_without_a_live_replica),
        cmocka_unit_test(test_failover_of_controller_and_leader),
        cmocka_unit_test(test_alter_partition),
        cmocka_unit_test(test_alter_partition_as_a_whole),
        cmocka_unit_test(test_state_written_by_somebody_else),
        cmocka_unit_test(test_controlled_shutdown),
        cmocka_unit_test(test_deletion_waits_for_a_broker),
        cmocka_unit_test(test_deletion_refused_is_asked_again),
        cmocka_unit_test(test_elections_that_are_asked_for),
        cmocka_unit_test(test_balance),
        cmocka_unit_test(test_preferred_election_by_the_znode),
        cmocka_unit_test(test_isr_notes),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_move_away_from_the_leader),
        cmocka_unit_test(test_move_called_off_and_replaced),
        cmocka_unit_test(test_moves_refused),
        cmocka_unit_test(test_move_by_the_znode),
        cmocka_unit_test(test_deletion_waits_for_a_move),
        cmocka_unit_test(test_move_and_death_between_any_two_writes),
        cmocka_unit_test(test_random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
