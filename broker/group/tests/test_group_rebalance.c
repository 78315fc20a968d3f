// SPDX-License-Identifier: Apache-2.0
//
// The phases of a rebalance and their timers, sessions, elections and votes.
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "broker/group/group_state.h"
#include "broker/group/tests/group_rig.h"

static int setup(void **state)
{
    struct rig *r = malloc(sizeof *r);
    rig_init(r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    rig_release(*state);
    free(*state);
    return 0;
}

static void test_initial_delay_is_extended_by_new_members(void **state)
{
    struct rig *r = *state;
    char ids[3][RIG_TEXT_MAX];
    uint64_t joins[3];
    joins[0] = rig_enter(r, ids[0]);
    rig_advance(r, 2000);
    joins[1] = rig_enter(r, ids[1]);
    rig_advance(r, 1000); // the first delay has ended, somebody came: again
    assert_null(rig_answer(r, joins[0]));
    rig_advance(r, 2000);
    joins[2] = rig_enter(r, ids[2]);
    rig_advance(r, 1000);
    assert_null(rig_answer(r, joins[0]));
    rig_advance(r, 3000); // nobody came
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_answered(r, joins[i])->generation, 1);
    }
}

static void test_initial_delay_is_bounded_by_the_rebalance_timeout(void **state)
{
    struct rig *r = *state;
    uint64_t first = 0;
    for (int i = 0; i < 5; i++) {
        struct group_join join = rig_consumer(r, "");
        join.require_known_member_id = false;
        join.rebalance_timeout_ms = 7000;
        uint64_t token = rig_join(r, join);
        first = i == 0 ? token : first;
        rig_advance(r, 1300);
    }
    assert_null(rig_answer(r, first)); // 6.5 s
    rig_advance(r, 500);
    assert_int_equal(rig_answered(r, first)->members_count, 5);
}

static void test_initial_delay_is_not_shortened(void **state)
{
    struct rig *r = *state;
    struct group_join join = rig_consumer(r, "");
    join.require_known_member_id = false;
    join.rebalance_timeout_ms = -1;
    uint64_t token = rig_join(r, join);
    rig_advance(r, 2999);
    assert_null(rig_answer(r, token));
    rig_advance(r, 1);
    assert_int_equal(rig_answered(r, token)->error, KAFKA_ERROR_NONE);
}

static void test_all_leave_during_the_initial_delay(void **state)
{
    struct rig *r = *state;
    char id[RIG_TEXT_MAX];
    uint64_t join = rig_enter(r, id);
    assert_int_equal(rig_leave(r, id), KAFKA_ERROR_NONE);
    assert_int_equal(rig_answered(r, join)->error, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(group_state(r->group), GROUP_PREPARING_REBALANCE);
    rig_advance(r, 3000);
    assert_int_equal(group_state(r->group), GROUP_EMPTY);
    assert_int_equal(group_generation(r->group), 1);
}

static void test_join_phase_ends_without_the_missing(void **state)
{
    struct rig *r = *state;
    char ids[3][RIG_TEXT_MAX];
    rig_stable(r, 3, ids);
    uint64_t b = rig_join(r, rig_consumer(r, ids[1]));
    assert_int_equal(rig_answered(r, b)->generation, 1);
    uint64_t a = rig_join(r, rig_consumer(r, ids[0]));
    b = rig_join(r, rig_consumer(r, ids[1]));
    for (int i = 0; i < 59; i++) { // the third one lives but does not join
        rig_advance(r, 1000);
        assert_int_equal(rig_heartbeat(r, ids[2], 1), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    }
    assert_null(rig_answer(r, a));
    rig_advance(r, 1000);
    assert_int_equal(rig_answered(r, a)->generation, 2);
    assert_int_equal(rig_answered(r, a)->members_count, 2);
    assert_int_equal(rig_answered(r, b)->generation, 2);
    assert_int_equal(rig_heartbeat(r, ids[2], 1), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
}

static void test_leader_that_does_not_rejoin_is_replaced(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    rig_stable(r, 2, ids);
    char fresh[RIG_TEXT_MAX];
    uint64_t c = rig_enter(r, fresh);
    uint64_t b = rig_join(r, rig_consumer(r, ids[1]));
    rig_advance(r, 10000); // the leader's session ends first
    assert_string_equal(rig_answered(r, b)->leader, ids[1]);
    assert_int_equal(rig_answered(r, b)->members_count, 2);
    assert_int_equal(rig_answered(r, c)->members_count, 0);
}

static void test_sessions(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    rig_stable(r, 2, ids);
    rig_advance(r, 9999);
    assert_int_equal(rig_heartbeat(r, ids[0], 1), KAFKA_ERROR_NONE);
    rig_advance(r, 1); // the other one's session has ended
    assert_int_equal(group_members_count(r->group), 1);
    assert_int_equal(rig_heartbeat(r, ids[0], 1), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    assert_int_equal(rig_heartbeat(r, ids[1], 1), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    uint64_t a = rig_join(r, rig_consumer(r, ids[0]));
    assert_int_equal(rig_answered(r, a)->generation, 2);
    rig_sync_leader(r, ids[0], 2);
    rig_advance(r, 10000);
    assert_int_equal(group_state(r->group), GROUP_EMPTY);
    assert_int_equal(group_generation(r->group), 3);
    assert_null(group_protocol_name(r->group).data);
    assert_true(slice_equal(group_protocol_type(r->group), slice_str("consumer")));
}

static void test_waiting_is_being_alive(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    rig_stable(r, 2, ids);
    uint64_t a = rig_join(r, rig_consumer(r, ids[0]));
    for (int i = 0; i < 5; i++) {
        rig_advance(r, 9000);
        assert_int_equal(rig_heartbeat(r, ids[1], 1), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    }
    assert_int_equal(group_members_count(r->group), 2); // 45 s, longer than its session
    uint64_t b = rig_join(r, rig_consumer(r, ids[1]));
    assert_int_equal(rig_answered(r, a)->generation, 2);
    assert_int_equal(rig_answered(r, b)->generation, 2);
    // In the sync phase too; and the session begins with the answer.
    uint64_t sync = rig_sync(r, ids[1], 2);
    for (int i = 0; i < 5; i++) {
        rig_advance(r, 9000);
        assert_int_equal(rig_heartbeat(r, ids[0], 2), KAFKA_ERROR_NONE);
    }
    assert_null(rig_answer(r, sync));
    rig_sync_leader(r, ids[0], 2);
    assert_int_equal(rig_answered(r, sync)->error, KAFKA_ERROR_NONE);
    rig_advance(r, 9999);
    assert_int_equal(group_members_count(r->group), 2);
    rig_advance(r, 1);
    assert_int_equal(group_members_count(r->group), 0);
}

static void test_new_member_that_gave_up(void **state)
{
    struct rig *r = *state;
    char ids[1][RIG_TEXT_MAX];
    struct group_join join = rig_consumer(r, "");
    join.require_known_member_id = false;
    join.rebalance_timeout_ms = 3600000;
    uint64_t first = rig_join(r, join);
    rig_advance(r, 3000);
    snprintf(ids[0], sizeof ids[0], "%s", rig_answered(r, first)->member_id);
    rig_sync_leader(r, ids[0], 1);
    join = rig_consumer(r, "");
    join.require_known_member_id = false;
    join.rebalance_timeout_ms = 3600000;
    uint64_t token = rig_join(r, join);
    for (int i = 0; i < 300; i++) {
        assert_null(rig_answer(r, token));
        assert_int_equal(rig_heartbeat(r, ids[0], 1), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
        rig_advance(r, 1000);
    }
    assert_int_equal(rig_answered(r, token)->error, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    assert_string_equal(rig_answered(r, token)->member_id, "");
    assert_int_equal(group_members_count(r->group), 1);
}

static void test_members_that_never_sync(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    rig_stable(r, 2, ids);
    rig_join(r, rig_consumer(r, ids[0]));
    rig_join(r, rig_consumer(r, ids[1]));
    uint64_t sync = rig_sync(r, ids[1], 2);
    for (int i = 0; i < 60; i++) {
        assert_null(rig_answer(r, sync));
        assert_int_equal(rig_heartbeat(r, ids[0], 2), KAFKA_ERROR_NONE);
        rig_advance(r, 1000);
    }
    assert_int_equal(rig_answered(r, sync)->error, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    assert_int_equal(rig_heartbeat(r, ids[0], 2), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    assert_true(slice_equal(group_leader(r->group), slice_str(ids[1])));
}

static void test_stable_group_does_not_wait_for_ever_for_a_sync(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    rig_stable(r, 2, ids);
    rig_join(r, rig_consumer(r, ids[0]));
    rig_join(r, rig_consumer(r, ids[1]));
    rig_sync_leader(r, ids[0], 2);
    assert_int_equal(group_state(r->group), GROUP_STABLE);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(rig_heartbeat(r, ids[0], 2), KAFKA_ERROR_NONE);
        assert_int_equal(rig_heartbeat(r, ids[1], 2), KAFKA_ERROR_NONE);
        rig_advance(r, 1000);
    }
    assert_int_equal(group_state(r->group), GROUP_PREPARING_REBALANCE);
    assert_int_equal(group_members_count(r->group), 1);
}

static void test_static_members_are_waited_for(void **state)
{
    struct rig *r = *state;
    struct group_join join = rig_consumer(r, "");
    join.instance_id = slice_str("a");
    join.session_timeout_ms = 200000;
    uint64_t token = rig_join(r, join);
    rig_advance(r, 3000);
    char id[RIG_TEXT_MAX];
    snprintf(id, sizeof id, "%s", rig_answered(r, token)->member_id);
    rig_sync_leader(r, id, 1);
    // A dynamic member comes and goes; the static one neither joins nor beats.
    char other[RIG_TEXT_MAX];
    rig_enter(r, other);
    rig_leave(r, other);
    assert_int_equal(group_state(r->group), GROUP_PREPARING_REBALANCE);
    rig_advance(r, 190000); // three times the rebalance timeout
    assert_int_equal(group_state(r->group), GROUP_PREPARING_REBALANCE);
    assert_int_equal(group_members_count(r->group), 1);
    rig_advance(r, 10000); // its session is over
    assert_int_equal(group_state(r->group), GROUP_EMPTY);
}

static void test_votes(void **state)
{
    struct rig *r = *state;
    const struct group_protocol lists[3][3] = {
        {{slice_str("a"), slice_str("1")}, {slice_str("b"), slice_str("1")}, {slice_str("c"), slice_str("1")}},
        {{slice_str("x"), slice_str("2")}, {slice_str("c"), slice_str("2")}, {slice_str("b"), slice_str("2")}},
        {{slice_str("c"), slice_str("3")}, {slice_str("c"), slice_str("4")}, {slice_str("b"), slice_str("3")}},
    };
    uint64_t tokens[3];
    for (int i = 0; i < 3; i++) {
        struct group_join join = rig_consumer(r, "");
        join.require_known_member_id = false;
        join.protocols = lists[i];
        join.protocols_count = 3;
        tokens[i] = rig_join(r, join);
    }
    rig_advance(r, 10000);
    for (int i = 0; i < 3; i++) { // b and c are common; one votes for b, two for c
        assert_string_equal(rig_answered(r, tokens[i])->protocol, "c");
    }
}

static void test_thousands_of_protocols(void **state)
{
    struct rig *r = *state;
    enum {
        COUNT = 5000,
    };
    struct group_protocol *list = calloc(COUNT, sizeof *list);
    char(*names)[16] = calloc(COUNT, sizeof *names);
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "p%d", i);
        list[i] = (struct group_protocol){slice_str(names[i]), slice_str("m")};
    }
    uint64_t tokens[2];
    for (int i = 0; i < 2; i++) {
        struct group_join join = rig_consumer(r, "");
        join.require_known_member_id = false;
        join.protocols = i == 0 ? list : list + COUNT - 1;
        join.protocols_count = i == 0 ? COUNT : 1;
        tokens[i] = rig_join(r, join);
    }
    rig_advance(r, 10000);
    assert_string_equal(rig_answered(r, tokens[0])->protocol, "p4999");
    assert_string_equal(rig_answered(r, tokens[1])->protocol, "p4999");
    free(list);
    free(names);
}

static void test_500_members_rebalance_in_one_round(void **state)
{
    struct rig *r = *state;
    enum {
        COUNT = 500,
    };
    uint64_t *tokens = calloc(COUNT, sizeof *tokens);
    for (int i = 0; i < COUNT; i++) {
        struct group_join join = rig_consumer(r, "");
        join.require_known_member_id = false;
        tokens[i] = rig_join(r, join);
    }
    rig_advance(r, 6000);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(rig_answered(r, tokens[i])->generation, 1);
        assert_int_equal(rig_answered(r, tokens[i])->members_count, i == 0 ? COUNT : 0);
    }
    free(tokens);
}

static void test_unload_answers_everybody(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    rig_stable(r, 2, ids);
    r->hold_writes = true;
    uint64_t commit = rig_commit(r, ids[0], 1, 0, 5);
    uint64_t join = rig_join(r, rig_consumer(r, ids[0]));
    rig_step(r, (struct group_event){.type = GROUP_UNLOAD});
    assert_null(r->group);
    assert_int_equal(rig_answered(r, commit)->errors[0], KAFKA_ERROR_NOT_COORDINATOR);
    assert_int_equal(rig_answered(r, join)->error, KAFKA_ERROR_NOT_COORDINATOR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_initial_delay_is_extended_by_new_members),
        TEST(test_initial_delay_is_bounded_by_the_rebalance_timeout),
        TEST(test_initial_delay_is_not_shortened),
        TEST(test_all_leave_during_the_initial_delay),
        TEST(test_join_phase_ends_without_the_missing),
        TEST(test_leader_that_does_not_rejoin_is_replaced),
        TEST(test_sessions),
        TEST(test_waiting_is_being_alive),
        TEST(test_new_member_that_gave_up),
        TEST(test_members_that_never_sync),
        TEST(test_stable_group_does_not_wait_for_ever_for_a_sync),
        TEST(test_static_members_are_waited_for),
        TEST(test_votes),
        TEST(test_thousands_of_protocols),
        TEST(test_500_members_rebalance_in_one_round),
        TEST(test_unload_answers_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
