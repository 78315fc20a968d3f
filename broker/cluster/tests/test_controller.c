// SPDX-License-Identifier: Apache-2.0
//
// The controller: the order of its writes (as Apache Kafka writes them), what it does about what it finds, and that
// it brings everything to an end after dying between any two writes.
#include "broker/cluster/tests/controller_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"

#define CHECK "check /controller_epoch ; "

static void trace_clear(struct rig *r)
{
    r->trace_len = 0;
    r->trace[0] = '\0';
}

static void test_order_of_writes(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    assert_string_equal(r.trace, "create /controller_epoch\n"
                                 "create /controller ; set /controller_epoch\n"
                                 "create /feature\n");
    rig_check(&r);
    trace_clear(&r);
    rig_create_topic(&r, "a", 2, 1);
    assert_string_equal(
        r.trace, "create /config/topics/a\n"
                 "create /brokers/topics/a\n" CHECK "create /brokers/topics/a/partitions\n" CHECK
                 "create /brokers/topics/a/partitions/0\n" CHECK "create /brokers/topics/a/partitions/1\n" CHECK
                 "create /brokers/topics/a/partitions/0/state\n" CHECK "create /brokers/topics/a/partitions/1/state\n");
    assert_string_equal(r.told, "a");
    assert_int_equal(r.told_leader, 1);
    assert_int_equal(r.told_partitions, 2);
    rig_check(&r);
    trace_clear(&r);
    rig_mark(&r, "a");
    assert_string_equal(
        r.trace,
        "create /admin/delete_topics/a\n" CHECK "set /brokers/topics/a/partitions/0/state\n" CHECK
        "set /brokers/topics/a/partitions/1/state\n" CHECK "delete /brokers/topics/a/partitions/0/state\n" CHECK
        "delete /brokers/topics/a/partitions/0\n" CHECK "delete /brokers/topics/a/partitions/1/state\n" CHECK
        "delete /brokers/topics/a/partitions/1\n" CHECK "delete /brokers/topics/a/partitions\n" CHECK
        "delete /brokers/topics/a\n" CHECK "delete /config/topics/a\n" CHECK "delete /admin/delete_topics/a\n");
    assert_true(r.told_deleted);
    assert_string_equal(r.deleted, "a");
    assert_int_equal(r.replicas_count, 0);
    rig_check(&r);
    rig_close(&r);
}

// As Kafka: the roots are asked for again, and only what is new is written and told.
static void test_growth(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    rig_create_topic(&r, "a", 1, 1);
    trace_clear(&r);
    rig_grow_topic(&r, "a", 3, 1);
    assert_string_equal(r.trace, CHECK "create /brokers/topics/a/partitions\n" CHECK
                                       "create /brokers/topics/a/partitions/1\n" CHECK
                                       "create /brokers/topics/a/partitions/2\n" CHECK
                                       "create /brokers/topics/a/partitions/1/state\n" CHECK
                                       "create /brokers/topics/a/partitions/2/state\n");
    assert_string_equal(r.told, "a");
    assert_int_equal(r.told_partitions, 3);
    assert_int_equal(r.replicas_count, 3);
    rig_check(&r);
    rig_grow_topic(&r, "a", 4, 1); // the watch is there again
    assert_int_equal(r.told_partitions, 4);
    rig_check(&r);
    rig_restart(&r);
    rig_grow_topic(&r, "a", 5, 1); // of a topic found at the start, too
    assert_int_equal(r.told_partitions, 5);
    rig_check(&r);
    rig_mark(&r, "a");
    assert_int_equal(r.replicas_count, 0);
    rig_check(&r);
    rig_close(&r);
}

// A node that is set without new partitions in it changes nothing.
static void test_topic_set_again(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    rig_create_topic(&r, "a", 2, 1);
    trace_clear(&r);
    rig_grow_topic(&r, "a", 2, 1);
    rig_grow_topic(&r, "a", 1, 1);
    assert_string_equal(r.trace, "");
    assert_false(r.failed);
    rig_close(&r);
}

static void test_restart_changes_nothing(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    rig_create_topic(&r, "a", 1, 1);
    trace_clear(&r);
    rig_restart(&r);
    assert_string_equal(r.trace, "create /controller ; set /controller_epoch\n");
    struct arena a;
    arena_init(&a, 65536);
    struct znode_partition_state s = rig_state(&r, "a", 0, &a);
    assert_int_equal(s.leader_epoch, 0);
    assert_int_equal(s.controller_epoch, 1);
    rig_check(&r);
    arena_release(&a);
    rig_close(&r);
}

static void test_replicas_on_three_brokers(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3);
    rig_create_topic(&r, "a", 1, 3);
    struct arena a;
    arena_init(&a, 65536);
    struct znode_partition_state s = rig_state(&r, "a", 0, &a);
    assert_int_equal(s.leader, 1);
    assert_int_equal(s.isr_count, 3);
    assert_non_null(rig_replica_find(&r, 3, "a", 0));
    rig_check(&r);
    // One write per replica that leaves the ISR; the last one stays noted in it.
    trace_clear(&r);
    rig_mark(&r, "a");
    const char *at = r.trace;
    int sets = 0;
    while ((at = strstr(at, "set /brokers/topics/a/partitions/0/state")) != NULL) {
        sets++;
        at++;
    }
    assert_int_equal(sets, 3);
    assert_int_equal(r.replicas_count, 0);
    rig_check(&r);
    arena_release(&a);
    rig_close(&r);
}

// A replica its broker cannot take keeps its leader, who alone can say what is the matter.
static void test_failed_replica(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    r.refuse_leader = true;
    rig_create_topic(&r, "a", 1, 1);
    struct arena a;
    arena_init(&a, 65536);
    struct znode_partition_state s = rig_state(&r, "a", 0, &a);
    assert_int_equal(s.leader, 1);
    assert_int_equal(s.leader_epoch, 0);
    assert_int_equal(s.isr_count, 1);
    r.refuse_leader = false;
    rig_restart(&r);
    s = rig_state(&r, "a", 0, &a);
    assert_int_equal(s.leader, 1);
    rig_check(&r);
    arena_release(&a);
    rig_close(&r);
}

// A broker whose log directory has failed leaves a note; it is asked again what it has, and the note goes.
static void test_failed_log_directory(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    char names[4][32];
    rig_open(&r, 1);
    arena_init(&a, 65536);
    rig_create_topic(&r, "a", 1, 1);
    rig_create(&r, "/log_dir_event_notification/log_dir_event_0000000000", "{\"version\":1,\"broker\":1,\"event\":1}");
    rig_run(&r);
    struct znode_partition_state s = rig_state(&r, "a", 0, &a);
    assert_int_equal(s.leader, 1); // all is there: nothing changes
    assert_int_equal(rig_children(&r, "/log_dir_event_notification", names, 4), 0);
    r.refuse_leader = true;
    rig_create(&r, "/log_dir_event_notification/log_dir_event_0000000001", "{\"version\":1,\"broker\":1,\"event\":1}");
    rig_run(&r);
    s = rig_state(&r, "a", 0, &a);
    assert_int_equal(s.leader, 1); // nobody else has it, and what is safe can still be read there
    assert_int_equal(s.leader_epoch, 0);
    assert_int_equal(s.isr_count, 1);
    assert_int_equal(rig_children(&r, "/log_dir_event_notification", names, 4), 0);
    rig_create(&r, "/log_dir_event_notification/log_dir_event_0000000002", "what is that");
    rig_create(&r, "/log_dir_event_notification/log_dir_event_0000000003",
               "{\"version\":1,\"broker\":9,\"event\":1}"); // of a broker that has gone
    rig_run(&r);
    assert_false(r.failed);
    assert_int_equal(rig_children(&r, "/log_dir_event_notification", names, 4), 0);
    arena_release(&a);
    rig_close(&r);
}

static void test_held_deletion(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    rig_create_topic(&r, "a", 2, 1);
    r.refuse_erase = true;
    rig_mark(&r, "a");
    assert_string_equal(r.held, "a");
    assert_string_equal(r.deleted, "");
    assert_true(rig_exists(&r, znode_path_delete_topic("a").s));
    assert_false(r.failed);
    r.refuse_erase = false;
    rig_create_topic(&r, "b", 1, 1); // other work goes on
    rig_mark(&r, "b");
    assert_string_equal(r.deleted, "b");
    rig_restart(&r);
    assert_string_equal(r.deleted, "a");
    rig_check(&r);
    rig_close(&r);
}

// Made by tools of before Kafka 2.8: the controller gives it an id, whether it finds it new or at its start.
static void test_topics_without_an_id(void **state)
{
    (void)state;
    struct rig r;
    struct arena a;
    rig_open(&r, 1);
    arena_init(&a, 65536);
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "a" : "b";
        if (i == 1) {
            rig_stop_controller(&r);
        }
        rig_create(&r, znode_path_topic_config(name).s, "{\"version\":1,\"config\":{}}");
        rig_create(&r, znode_path_topic(name).s, "{\"version\":1,\"partitions\":{\"0\":[1]}}");
        if (i == 1) {
            rig_start_controller(&r);
        }
        struct znode_topic t = rig_topic(&r, name, &a);
        assert_true(t.has_topic_id);
        assert_int_equal(t.topic_id.b[0], 42);
        assert_int_equal(t.partitions_count, 1);
        rig_check(&r);
    }
    arena_release(&a);
    rig_close(&r);
}

static void test_mark_of_unknown_topic(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    rig_mark(&r, "nobody");
    assert_false(rig_exists(&r, znode_path_delete_topic("nobody").s));
    rig_check(&r);
    rig_close(&r);
}

// Somebody else is the controller; when he goes, this one is elected and reads what he left.
static void test_standby(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    rig_stop_controller(&r);
    assert_true(rig_create(&r, "/controller",
                           "{\"version\":2,\"brokerid\":9,\"timestamp\":\"1\",\"kraftControllerEpoch\":-1}"));
    rig_start_controller(&r);
    assert_int_equal(r.stood_by, 9);
    assert_false(r.ready);
    rig_create_topic(&r, "a", 1, 1);
    assert_false(rig_exists(&r, znode_path_state("a", 0).s)); // not this one's business
    rig_delete(&r, "/controller");
    rig_run(&r);
    rig_check(&r);
    rig_close(&r);
}

// A controller whose epoch has been taken by another writes nothing more and looks who is the controller now.
static void test_fenced(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    rig_delete(&r, "/controller_epoch");
    assert_true(rig_create(&r, "/controller_epoch", "7"));
    rig_create_topic(&r, "a", 1, 1);
    assert_int_equal(r.stood_by, 1); // by what /controller says
    assert_false(rig_exists(&r, znode_path_partitions("a").s));
    assert_false(r.failed);
    rig_close(&r);
}

// /controller is taken away: whoever is first is elected again, with the next epoch.
static void test_deposed(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    rig_delete(&r, "/controller");
    rig_check(&r);
    rig_create_topic(&r, "a", 1, 1);
    struct arena a;
    arena_init(&a, 65536);
    assert_int_equal(rig_state(&r, "a", 0, &a).controller_epoch, 2);
    arena_release(&a);
    rig_check(&r);
    rig_close(&r);
}

// The outcome of the claim was lost with a connection: what is found is one's own.
static void test_own_claim_is_recognised(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    controller_free(r.controller); // without a trace: its ephemeral stays
    r.controller = NULL;
    r.session_id = zk_session_id(r.zk);
    rig_start_controller(&r);
    rig_create_topic(&r, "a", 1, 1);
    rig_check(&r);
    rig_close(&r);
}

// The session goes, and with it what was under way; the next one begins anew.
static void test_expired(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1);
    rig_create_topic(&r, "a", 1, 1);
    rig_expire(&r);
    assert_false(r.ready);
    rig_create_topic(&r, "b", 1, 1);
    assert_false(rig_exists(&r, znode_path_partitions("b").s));
    rig_delete(&r, "/controller"); // as the end of the session does
    rig_step_start(&r);
    rig_check(&r);
    assert_true(rig_exists(&r, znode_path_state("b", 0).s));
    rig_close(&r);
}

// Creates and deletes, dies after the n-th write, starts again: all is brought to its end.
static void test_death_between_any_two_writes(void **state)
{
    (void)state;
    for (int64_t n = 0;; n++) {
        struct rig r;
        rig_open(&r, 1);
        rig_create_topic(&r, "kept", 1, 1);
        r.writes_left = n;
        rig_grow_topic(&r, "kept", 2, 1);
        rig_create_topic(&r, "a", 2, 1);
        rig_mark(&r, "a");
        rig_create_topic(&r, "b", 1, 1);
        bool died = r.dead;
        rig_restart(&r);
        rig_check(&r);
        assert_true(rig_exists(&r, znode_path_state("kept", 0).s));
        rig_close(&r);
        if (!died) {
            assert_true(n > 20);
            break;
        }
    }
}

static void grow_by_one(struct rig *r, const char *name)
{
    struct arena a;
    arena_init(&a, 64 * 1024);
    struct znode_topic t = rig_topic(r, name, &a);
    if (t.partitions_count < 5) {
        rig_grow_topic(r, name, t.partitions_count + 1, t.partitions[0].replicas_count);
    }
    arena_release(&a);
}

static void test_random_walk(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d"};
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct rig r;
        rig_open(&r, 1 + (int32_t)(seed % 3));
        srand(seed);
        for (int i = 0; i < 60; i++) {
            const char *name = names[rand() % 4];
            if (r.dead || rand() % 16 == 0) {
                rig_restart(&r);
                rig_check(&r);
                continue;
            }
            if (r.writes_left < 0 && rand() % 4 == 0) {
                r.writes_left = rand() % 24;
            }
            if (rig_exists(&r, znode_path_topic(name).s)) {
                if (rand() % 3 == 0) {
                    grow_by_one(&r, name);
                } else {
                    rig_mark(&r, name);
                }
            } else {
                rig_create_topic(&r, name, 1 + rand() % 3, 1 + rand() % r.brokers_count);
            }
            if (!r.dead) {
                rig_check(&r);
            }
        }
        rig_restart(&r);
        rig_check(&r);
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_writes),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_topic_set_again),
        cmocka_unit_test(test_restart_changes_nothing),
        cmocka_unit_test(test_replicas_on_three_brokers),
        cmocka_unit_test(test_failed_replica),
        cmocka_unit_test(test_failed_log_directory),
        cmocka_unit_test(test_held_deletion),
        cmocka_unit_test(test_topics_without_an_id),
        cmocka_unit_test(test_mark_of_unknown_topic),
        cmocka_unit_test(test_standby),
        cmocka_unit_test(test_fenced),
        cmocka_unit_test(test_deposed),
        cmocka_unit_test(test_own_claim_is_recognised),
        cmocka_unit_test(test_expired),
        cmocka_unit_test(test_death_between_any_two_writes),
        cmocka_unit_test(test_random_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
