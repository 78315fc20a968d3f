// SPDX-License-Identifier: Apache-2.0
//
// JoinGroup in every state: who gets in, who is refused with which error, static members that come back.
#include "broker/group/group_state.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
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

static int16_t join_error(struct rig *r, struct group_join join)
{
    return rig_answered(r, rig_join(r, join))->error;
}

static void test_member_id_is_given_out_first(void **state)
{
    struct rig *r = *state;
    const struct rig_answer *a = rig_answered(r, rig_join(r, rig_consumer(r, "")));
    assert_int_equal(a->error, KAFKA_ERROR_MEMBER_ID_REQUIRED);
    assert_string_equal(a->member_id, "client-00000000-0000-4000-8000-000000000001");
    assert_int_equal(a->generation, -1);
    assert_int_equal(group_state(r->group), GROUP_EMPTY);
    assert_int_equal(group_members_count(r->group), 0);
    assert_null(group_protocol_type(r->group).data);

    char id[RIG_TEXT_MAX];
    snprintf(id, sizeof id, "%s", a->member_id);
    uint64_t join = rig_join(r, rig_consumer(r, id));
    assert_null(rig_answer(r, join));
    assert_int_equal(group_state(r->group), GROUP_PREPARING_REBALANCE);
    rig_advance(r, 2999);
    assert_null(rig_answer(r, join));
    rig_advance(r, 1);
    a = rig_answered(r, join);
    assert_int_equal(a->error, KAFKA_ERROR_NONE);
    assert_int_equal(a->generation, 1);
    assert_string_equal(a->leader, id);
    assert_string_equal(a->protocol, "range");
    assert_int_equal(a->members_count, 1);
    assert_string_equal(a->members[0], id);
    assert_int_equal(group_state(r->group), GROUP_COMPLETING_REBALANCE);
}

static void test_old_versions_join_at_once(void **state)
{
    struct rig *r = *state;
    struct group_join join = rig_consumer(r, "");
    join.require_known_member_id = false;
    uint64_t token = rig_join(r, join);
    assert_int_equal(group_members_count(r->group), 1);
    rig_advance(r, 3000);
    assert_int_equal(rig_answered(r, token)->error, KAFKA_ERROR_NONE);
}

static void test_pending_id_expires(void **state)
{
    struct rig *r = *state;
    char id[RIG_TEXT_MAX];
    snprintf(id, sizeof id, "%s", rig_answered(r, rig_join(r, rig_consumer(r, "")))->member_id);
    rig_advance(r, 9999);
    assert_int_equal(HASH_COUNT(r->group->pending), 1);
    rig_advance(r, 1);
    assert_int_equal(HASH_COUNT(r->group->pending), 0);
    assert_int_equal(join_error(r, rig_consumer(r, id)), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
}

static void test_pending_id_holds_up_the_join_phase(void **state)
{
    struct rig *r = *state;
    char ids[1][RIG_TEXT_MAX];
    rig_stable(r, 1, ids);
    rig_join(r, rig_consumer(r, ""));
    uint64_t leader = rig_join(r, rig_consumer(r, ids[0]));
    assert_null(rig_answer(r, leader));
    rig_advance(r, 10000); // the pending id is given up
    assert_int_equal(rig_answered(r, leader)->generation, 2);
}

static void test_refusals(void **state)
{
    struct rig *r = *state;
    char ids[1][RIG_TEXT_MAX];
    struct group_join join = rig_consumer(r, "");
    join.session_timeout_ms = 5999;
    assert_int_equal(join_error(r, join), KAFKA_ERROR_INVALID_SESSION_TIMEOUT);
    join.session_timeout_ms = 1800001;
    assert_int_equal(join_error(r, join), KAFKA_ERROR_INVALID_SESSION_TIMEOUT);

    join = rig_consumer(r, "");
    join.protocols_count = 0;
    assert_int_equal(join_error(r, join), KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    join = rig_consumer(r, "");
    join.protocol_type = slice_str("");
    assert_int_equal(join_error(r, join), KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(join_error(r, rig_consumer(r, "who")), KAFKA_ERROR_UNKNOWN_MEMBER_ID);

    rig_stable(r, 1, ids);
    join = rig_consumer(r, "");
    join.protocol_type = slice_str("connect");
    assert_int_equal(join_error(r, join), KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    struct group_protocol other = {slice_str("other"), slice_str("m")};
    join = rig_consumer(r, ids[0]);
    join.protocols = &other;
    assert_int_equal(join_error(r, join), KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(join_error(r, rig_consumer(r, "who")), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    join = rig_consumer(r, ids[0]);
    join.instance_id = slice_str("i");
    assert_int_equal(join_error(r, join), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    assert_int_equal(group_state(r->group), GROUP_STABLE);
}

static void test_pending_member_may_not_become_static(void **state)
{
    struct rig *r = *state;
    char id[RIG_TEXT_MAX];
    snprintf(id, sizeof id, "%s", rig_answered(r, rig_join(r, rig_consumer(r, "")))->member_id);
    struct group_join join = rig_consumer(r, id);
    join.instance_id = slice_str("i");
    assert_int_equal(join_error(r, join), KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
}

static void test_stable_members_that_join_again(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    rig_stable(r, 2, ids);
    // A follower with nothing new: what it missed.
    const struct rig_answer *a = rig_answered(r, rig_join(r, rig_consumer(r, ids[1])));
    assert_int_equal(a->error, KAFKA_ERROR_NONE);
    assert_int_equal(a->generation, 1);
    assert_int_equal(a->members_count, 0);
    assert_string_equal(a->leader, ids[0]);
    assert_int_equal(group_state(r->group), GROUP_STABLE);
    // With another subscription: a rebalance.
    struct group_protocol changed = {slice_str("range"), slice_str("changed")};
    struct group_join join = rig_consumer(r, ids[1]);
    join.protocols = &changed;
    uint64_t follower = rig_join(r, join);
    assert_int_equal(group_state(r->group), GROUP_PREPARING_REBALANCE);
    assert_int_equal(rig_heartbeat(r, ids[0], 1), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    uint64_t leader = rig_join(r, rig_consumer(r, ids[0]));
    assert_int_equal(rig_answered(r, follower)->generation, 2);
    assert_int_equal(rig_answered(r, leader)->generation, 2);
    assert_int_equal(rig_answered(r, leader)->members_count, 2);
}

static void test_leader_asks_for_a_rebalance(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    rig_stable(r, 2, ids);
    uint64_t leader = rig_join(r, rig_consumer(r, ids[0]));
    assert_null(rig_answer(r, leader));
    assert_int_equal(group_state(r->group), GROUP_PREPARING_REBALANCE);
}

static void test_completing_members_that_join_again(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    rig_stable(r, 2, ids);
    rig_join(r, rig_consumer(r, ids[0]));
    rig_join(r, rig_consumer(r, ids[1]));
    assert_int_equal(group_state(r->group), GROUP_COMPLETING_REBALANCE);
    // The answer was lost: again, with the list for the leader.
    assert_int_equal(rig_answered(r, rig_join(r, rig_consumer(r, ids[0])))->members_count, 2);
    assert_int_equal(rig_answered(r, rig_join(r, rig_consumer(r, ids[1])))->members_count, 0);
    assert_int_equal(group_generation(r->group), 2);
    // Changed: a new rebalance, and those that wait for their part are told.
    uint64_t sync = rig_sync(r, ids[1], 2);
    struct group_protocol changed = {slice_str("range"), slice_str("changed")};
    struct group_join join = rig_consumer(r, ids[0]);
    join.protocols = &changed;
    uint64_t token = rig_join(r, join);
    assert_int_equal(rig_answered(r, sync)->error, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    assert_null(rig_answer(r, token));
}

static void test_join_twice_gives_up_the_first(void **state)
{
    struct rig *r = *state;
    char id[RIG_TEXT_MAX];
    uint64_t first = rig_enter(r, id);
    uint64_t second = rig_join(r, rig_consumer(r, id));
    assert_int_equal(rig_answered(r, first)->error, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    rig_advance(r, 3000);
    assert_int_equal(rig_answered(r, second)->error, KAFKA_ERROR_NONE);
}

static void test_max_size(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    r->options.max_size = 2;
    rig_stable(r, 2, ids);
    struct group_join extra = rig_consumer(r, "");
    const struct rig_answer *a = rig_answered(r, rig_join(r, extra));
    assert_int_equal(a->error, KAFKA_ERROR_GROUP_MAX_SIZE_REACHED);
    assert_string_equal(a->member_id, "");
    // In the join phase those that wait count; the last to come back is removed.
    r->options.max_size = 1;
    uint64_t first = rig_join(r, rig_consumer(r, ids[0]));
    assert_int_equal(join_error(r, rig_consumer(r, ids[1])), KAFKA_ERROR_GROUP_MAX_SIZE_REACHED);
    assert_int_equal(rig_answered(r, first)->generation, 2);
    assert_int_equal(group_members_count(r->group), 1);
}

static void test_too_much_metadata(void **state)
{
    struct rig *r = *state;
    uint8_t *bytes = calloc(1, GROUP_METADATA_MAX + 1);
    struct group_protocol huge = {slice_str("range"), slice_of(bytes, GROUP_METADATA_MAX + 1)};
    struct group_join join = rig_consumer(r, "");
    join.protocols = &huge;
    assert_int_equal(join_error(r, join), KAFKA_ERROR_GROUP_MAX_SIZE_REACHED);
    free(bytes);
}

static void test_many_pending_ids(void **state)
{
    struct rig *r = *state;
    struct group_join join = rig_consumer(r, "");
    join.require_known_member_id = true;
    for (int i = 0; i < GROUP_PENDING_MAX; i++) {
        assert_int_equal(join_error(r, join), KAFKA_ERROR_MEMBER_ID_REQUIRED);
    }
    assert_int_equal(join_error(r, join), KAFKA_ERROR_GROUP_MAX_SIZE_REACHED);
    rig_advance(r, join.session_timeout_ms); // they are forgotten
    assert_int_equal(join_error(r, join), KAFKA_ERROR_MEMBER_ID_REQUIRED);
}

static void test_huge_client_id(void **state)
{
    struct rig *r = *state;
    struct group_join join = rig_consumer(r, "");
    size_t most = INT16_MAX - 1 - GROUP_MEMBER_ID_UUID_LEN;
    char *client = calloc(1, most + 1);
    join.require_known_member_id = false;
    join.client_id = slice_of(client, most + 1); // no string of a record holds it and a UUID
    assert_int_equal(join_error(r, join), KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    assert_int_equal(group_members_count(r->group), 0);
    join.client_id = slice_of(client, most);
    rig_join(r, join);
    struct group_member_view m;
    group_member_at(r->group, 0, &m);
    assert_int_equal(m.member_id.len, INT16_MAX);
    free(client);
}

// ---- static members ------------------------------------------------------------------------------------------------

static struct group_join static_join(struct rig *r, const char *member_id, const char *instance_id)
{
    struct group_join join = rig_consumer(r, member_id);
    join.instance_id = slice_str(instance_id);
    return join;
}

// Two static members, Stable; "a" leads.
static void static_pair(struct rig *r, char ids[2][RIG_TEXT_MAX])
{
    uint64_t a = rig_join(r, static_join(r, "", "a"));
    uint64_t b = rig_join(r, static_join(r, "", "b"));
    rig_advance(r, 10000);
    snprintf(ids[0], RIG_TEXT_MAX, "%s", rig_answered(r, a)->member_id);
    snprintf(ids[1], RIG_TEXT_MAX, "%s", rig_answered(r, b)->member_id);
    rig_sync_leader(r, ids[0], 1);
    rig_sync(r, ids[1], 1);
    assert_int_equal(group_state(r->group), GROUP_STABLE);
}

static void test_static_member_comes_back_without_rebalance(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    static_pair(r, ids);
    r->hold_writes = true;
    uint64_t token = rig_join(r, static_join(r, "", "b"));
    assert_null(rig_answer(r, token)); // not before it is written
    assert_true(rig_written(r, ERR_OK));
    const struct rig_answer *a = rig_answered(r, token);
    assert_int_equal(a->error, KAFKA_ERROR_NONE);
    assert_int_equal(a->generation, 1);
    assert_string_not_equal(a->member_id, ids[1]);
    assert_string_equal(a->leader, ids[0]);
    assert_false(a->skip_assignment);
    assert_int_equal(group_state(r->group), GROUP_STABLE);
    // It keeps the assignment; the old process is fenced.
    char expected[RIG_TEXT_MAX + 8];
    snprintf(expected, sizeof expected, "1:%s", ids[1]);
    char fresh[RIG_TEXT_MAX];
    snprintf(fresh, sizeof fresh, "%s", a->member_id);
    assert_string_equal(rig_answered(r, rig_sync(r, fresh, 1))->assignment, expected);
    assert_int_equal(rig_heartbeat(r, ids[1], 1), KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    uint64_t old =
        rig_step(r, (struct group_event){.type = GROUP_HEARTBEAT, .heartbeat = {slice_str(ids[1]), slice_str("b"), 1}});
    assert_int_equal(rig_answered(r, old)->error, KAFKA_ERROR_FENCED_INSTANCE_ID);
    assert_int_equal(rig_answered(r, rig_join(r, static_join(r, ids[1], "b")))->error, KAFKA_ERROR_FENCED_INSTANCE_ID);
    struct group *replayed = rig_replay(r);
    rig_assert_same(r->group, replayed);
    group_free(replayed);
}

static void test_static_leader_comes_back(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    static_pair(r, ids);
    const struct rig_answer *a = rig_answered(r, rig_join(r, static_join(r, "", "a")));
    assert_true(a->skip_assignment);
    assert_string_equal(a->leader, a->member_id);
    assert_int_equal(a->members_count, 2);
    // Before version 9 it must take itself for a follower.
    char before[RIG_TEXT_MAX];
    snprintf(before, sizeof before, "%s", a->member_id);
    struct group_join old = static_join(r, "", "a");
    old.support_skip_assignment = false;
    a = rig_answered(r, rig_join(r, old));
    assert_false(a->skip_assignment);
    assert_string_equal(a->leader, before);
    assert_string_not_equal(a->member_id, before);
    assert_int_equal(a->members_count, 0);
    assert_true(slice_equal(group_leader(r->group), slice_str(a->member_id)));
}

static void test_static_member_whose_record_fails(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    static_pair(r, ids);
    r->hold_writes = true;
    struct group_protocol changed = {slice_str("range"), slice_str("changed")};
    struct group_join join = static_join(r, "", "b");
    join.protocols = &changed;
    join.session_timeout_ms = 30000;
    uint64_t token = rig_join(r, join);
    assert_true(rig_written(r, ERR_NOT_ENOUGH_REPLICAS));
    assert_int_equal(rig_answered(r, token)->error, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
    assert_string_equal(rig_answered(r, token)->member_id, "");
    assert_int_equal(rig_heartbeat(r, ids[1], 1), KAFKA_ERROR_NONE);
    assert_int_equal(group_member_find(r->group, slice_str(ids[1]))->session_timeout_ms, 10000);
    assert_int_equal(group_member_metadata(group_member_find(r->group, slice_str(ids[1])), slice_str("range")).len, 20);
}

static void test_static_member_replaced_twice_while_written(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    static_pair(r, ids);
    r->hold_writes = true;
    uint64_t first = rig_join(r, static_join(r, "", "b"));
    uint64_t second = rig_join(r, static_join(r, "", "b"));
    assert_int_equal(rig_answered(r, first)->error, KAFKA_ERROR_FENCED_INSTANCE_ID);
    assert_true(rig_written(r, ERR_OK));
    assert_null(rig_answer(r, second));
    assert_true(rig_written(r, ERR_OK));
    assert_int_equal(rig_answered(r, second)->error, KAFKA_ERROR_NONE);
}

// A rebalance that begins before the record is known to be written answers the join, whatever becomes of the record.
static void test_rebalance_overtakes_a_static_member(void **state)
{
    (void)state;
    static const enum err outcomes[] = {ERR_OK, ERR_NOT_ENOUGH_REPLICAS};
    for (int i = 0; i < 2; i++) {
        struct rig r;
        char ids[2][RIG_TEXT_MAX];
        rig_init(&r);
        static_pair(&r, ids);
        r.hold_writes = true;
        uint64_t token = rig_join(&r, static_join(&r, "", "b"));
        uint64_t leader = rig_join(&r, static_join(&r, ids[0], "a"));
        assert_int_equal(rig_answered(&r, leader)->generation, 2); // both wait, so it is over at once
        assert_int_equal(rig_answered(&r, token)->generation, 2);
        rig_release(&r);

        rig_init(&r);
        static_pair(&r, ids);
        r.hold_writes = true;
        token = rig_join(&r, static_join(&r, "", "b"));
        rig_join(&r, static_join(&r, "", "c"));
        assert_int_equal(group_state(r.group), GROUP_PREPARING_REBALANCE);
        rig_written(&r, outcomes[i]);
        assert_null(rig_answer(&r, token));
        rig_join(&r, static_join(&r, ids[0], "a"));
        assert_int_equal(rig_answered(&r, token)->error, KAFKA_ERROR_NONE);
        assert_int_equal(rig_answered(&r, token)->generation, 2);
        assert_string_not_equal(rig_answered(&r, token)->member_id, ids[1]);
        rig_release(&r);
    }
}

static void test_static_member_with_another_protocol_rebalances(void **state)
{
    struct rig *r = *state;
    struct group_protocol both[] = {{slice_str("range"), slice_str("m")}, {slice_str("sticky"), slice_str("m")}};
    struct group_join join = static_join(r, "", "a");
    join.protocols = both;
    join.protocols_count = 2;
    uint64_t token = rig_join(r, join);
    rig_advance(r, 3000);
    assert_string_equal(rig_answered(r, token)->protocol, "range");
    char id[RIG_TEXT_MAX];
    snprintf(id, sizeof id, "%s", rig_answered(r, token)->member_id);
    rig_sync_leader(r, id, 1);
    join = static_join(r, "", "a");
    join.protocols = both + 1;
    token = rig_join(r, join);
    assert_int_equal(rig_answered(r, token)->generation, 2);
    assert_string_equal(rig_answered(r, token)->protocol, "sticky");
}

static void test_static_member_comes_back_during_a_rebalance(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    static_pair(r, ids);
    uint64_t a = rig_join(r, rig_consumer(r, ids[0]));
    uint64_t b = rig_join(r, static_join(r, "", "b")); // in the join phase: it simply joins
    assert_int_equal(rig_answered(r, a)->generation, 2);
    assert_int_equal(rig_answered(r, b)->generation, 2);
    // While it waits for its part: the duplicate is fenced, and everybody joins again.
    char waiting[RIG_TEXT_MAX];
    snprintf(waiting, sizeof waiting, "%s", rig_answered(r, b)->member_id);
    uint64_t sync = rig_sync(r, waiting, 2);
    uint64_t again = rig_join(r, static_join(r, "", "b"));
    assert_int_equal(rig_answered(r, sync)->error, KAFKA_ERROR_FENCED_INSTANCE_ID);
    assert_int_equal(group_state(r->group), GROUP_PREPARING_REBALANCE);
    // While it waits in the join phase: likewise.
    uint64_t last = rig_join(r, static_join(r, "", "b"));
    assert_int_equal(rig_answered(r, again)->error, KAFKA_ERROR_FENCED_INSTANCE_ID);
    rig_join(r, static_join(r, ids[0], "a"));
    assert_int_equal(rig_answered(r, last)->generation, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_member_id_is_given_out_first),
        TEST(test_old_versions_join_at_once),
        TEST(test_pending_id_expires),
        TEST(test_pending_id_holds_up_the_join_phase),
        TEST(test_refusals),
        TEST(test_pending_member_may_not_become_static),
        TEST(test_stable_members_that_join_again),
        TEST(test_leader_asks_for_a_rebalance),
        TEST(test_completing_members_that_join_again),
        TEST(test_join_twice_gives_up_the_first),
        TEST(test_max_size),
        TEST(test_too_much_metadata),
        TEST(test_many_pending_ids),
        TEST(test_huge_client_id),
        TEST(test_static_member_comes_back_without_rebalance),
        TEST(test_static_leader_comes_back),
        TEST(test_static_member_whose_record_fails),
        TEST(test_static_member_replaced_twice_while_written),
        cmocka_unit_test(test_rebalance_overtakes_a_static_member),
        TEST(test_static_member_with_another_protocol_rebalances),
        TEST(test_static_member_comes_back_during_a_rebalance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
