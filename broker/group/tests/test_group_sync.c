// SPDX-License-Identifier: Apache-2.0
//
// SyncGroup, Heartbeat and LeaveGroup: the errors of each state as a table, and what the leader's assignment goes
// through until its record is written.
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

// Two members; the group is brought into a state, generation 2 (EMPTY: 3).
static void bring(struct rig *r, enum group_state to, char ids[2][RIG_TEXT_MAX])
{
    rig_stable(r, 2, ids);
    rig_join(r, rig_consumer(r, ids[0]));
    rig_join(r, rig_consumer(r, ids[1]));
    if (to == GROUP_COMPLETING_REBALANCE) {
        return;
    }
    rig_sync(r, ids[1], 2);
    rig_sync_leader(r, ids[0], 2);
    if (to == GROUP_PREPARING_REBALANCE) {
        rig_join(r, rig_consumer(r, ids[0]));
    } else if (to == GROUP_EMPTY) {
        rig_leave(r, ids[0]);
        rig_leave(r, ids[1]);
    } else if (to == GROUP_DEAD) {
        rig_leave(r, ids[0]);
        rig_leave(r, ids[1]);
        r->hold_writes = true;
        rig_step(r, (struct group_event){.type = GROUP_DELETE});
    }
    assert_int_equal(group_state(r->group), to);
}

struct error_case {
    enum group_state state;
    const char *member_id; // NULL = the follower's
    const char *instance_id;
    int32_t generation;
    int16_t sync;
    int16_t heartbeat;
    int16_t commit;
};

static const struct error_case cases[] = {
    {GROUP_STABLE, NULL, NULL, 2, 0, 0, 0},
    {GROUP_STABLE, NULL, NULL, 1, 22, 22, 22},
    {GROUP_STABLE, NULL, NULL, -5, 22, 22, 22},
    {GROUP_STABLE, "who", NULL, 2, 25, 25, 25},
    {GROUP_STABLE, "", NULL, -1, 25, 25, 25},
    {GROUP_STABLE, NULL, "i", 2, 25, 25, 25},
    {GROUP_PREPARING_REBALANCE, NULL, NULL, 2, 27, 27, 0},
    {GROUP_PREPARING_REBALANCE, NULL, NULL, 3, 22, 22, 22},
    {GROUP_PREPARING_REBALANCE, "who", NULL, 2, 25, 25, 25},
    {GROUP_COMPLETING_REBALANCE, NULL, NULL, 2, -2, 0, 27}, // the sync waits
    {GROUP_COMPLETING_REBALANCE, NULL, NULL, 1, 22, 22, 22},
    {GROUP_COMPLETING_REBALANCE, "who", NULL, 2, 25, 25, 25},
    {GROUP_EMPTY, NULL, NULL, 3, 25, 25, 25},
    {GROUP_EMPTY, "", NULL, -1, 25, 25, 0},
    {GROUP_EMPTY, "who", NULL, -1, 25, 25, 0},
    {GROUP_DEAD, NULL, NULL, 3, 15, 15, 15},
};

static void test_errors_of_each_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct error_case *c = &cases[i];
        struct rig r;
        char ids[2][RIG_TEXT_MAX];
        rig_init(&r);
        bring(&r, c->state, ids);
        struct slice id = slice_str(c->member_id == NULL ? ids[1] : c->member_id);
        struct slice instance = c->instance_id == NULL ? SLICE_NULL : slice_str(c->instance_id);
        struct group_commit_partition p = {
            .topic = slice_str("work"), .offset = 1, .commit_timestamp_ms = -1, .expire_timestamp_ms = -1};
        uint64_t commit = rig_step(&r, (struct group_event){.type = GROUP_COMMIT,
                                                            .commit = {.member_id = id,
                                                                       .instance_id = instance,
                                                                       .generation = c->generation,
                                                                       .producer_id = -1,
                                                                       .partitions = &p,
                                                                       .partitions_count = 1}});
        assert_int_equal(rig_answered(&r, commit)->errors[0], c->commit);
        uint64_t beat =
            rig_step(&r, (struct group_event){.type = GROUP_HEARTBEAT, .heartbeat = {id, instance, c->generation}});
        assert_int_equal(rig_answered(&r, beat)->error, c->heartbeat);
        uint64_t sync = rig_step(
            &r, (struct group_event){.type = GROUP_SYNC,
                                     .sync = {.member_id = id, .instance_id = instance, .generation = c->generation}});
        if (c->sync == -2) {
            assert_null(rig_answer(&r, sync));
        } else {
            assert_int_equal(rig_answered(&r, sync)->error, c->sync);
            assert_int_equal(rig_answered(&r, sync)->has_protocol, c->sync == 0);
        }
        rig_release(&r);
    }
}

static int16_t sync_with(struct rig *r, const char *id, const char *type, const char *name)
{
    struct group_sync sync = {.member_id = slice_str(id),
                              .generation = 1,
                              .protocol_type = type == NULL ? SLICE_NULL : slice_str(type),
                              .protocol_name = name == NULL ? SLICE_NULL : slice_str(name)};
    return rig_answered(r, rig_step(r, (struct group_event){.type = GROUP_SYNC, .sync = sync}))->error;
}

static void test_sync_names_the_protocol(void **state)
{
    struct rig *r = *state;
    char ids[1][RIG_TEXT_MAX];
    rig_stable(r, 1, ids);
    assert_int_equal(sync_with(r, ids[0], "consumer", "range"), KAFKA_ERROR_NONE);
    assert_int_equal(sync_with(r, ids[0], NULL, NULL), KAFKA_ERROR_NONE);
    assert_int_equal(sync_with(r, ids[0], "connect", "range"), KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    assert_int_equal(sync_with(r, ids[0], "consumer", "sticky"), KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
}

static void test_assignment_counts_when_written(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    bring(r, GROUP_COMPLETING_REBALANCE, ids);
    r->hold_writes = true;
    uint64_t leader = rig_sync_leader(r, ids[0], 2);
    uint64_t follower = rig_sync(r, ids[1], 2);
    assert_null(rig_answer(r, leader));
    assert_null(rig_answer(r, follower));
    assert_int_equal(group_state(r->group), GROUP_COMPLETING_REBALANCE);
    // The leader asks again meanwhile: one write is enough.
    uint64_t again = rig_sync_leader(r, ids[0], 2);
    assert_int_equal(rig_answered(r, leader)->error, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    assert_int_equal(r->writes_count, 1);
    rig_written(r, ERR_OK);
    assert_int_equal(rig_answered(r, again)->error, KAFKA_ERROR_NONE);
    assert_int_equal(rig_answered(r, follower)->error, KAFKA_ERROR_NONE);
    assert_int_equal(group_state(r->group), GROUP_STABLE);
}

static void test_only_the_leader_assigns(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    bring(r, GROUP_COMPLETING_REBALANCE, ids);
    struct group_assignment theft = {slice_str(ids[0]), slice_str("mine")};
    uint64_t follower = rig_step(
        r,
        (struct group_event){
            .type = GROUP_SYNC,
            .sync = {.member_id = slice_str(ids[1]), .generation = 2, .assignments = &theft, .assignments_count = 1}});
    assert_null(rig_answer(r, follower));
    // The leader names itself twice, a stranger, and not the other one, who gets nothing.
    struct group_assignment list[] = {{slice_str(ids[0]), slice_str("first")},
                                      {slice_str("who"), slice_str("x")},
                                      {slice_str(ids[0]), slice_str("last")}};
    uint64_t leader = rig_step(
        r, (struct group_event){
               .type = GROUP_SYNC,
               .sync = {.member_id = slice_str(ids[0]), .generation = 2, .assignments = list, .assignments_count = 3}});
    assert_string_equal(rig_answered(r, leader)->assignment, "last");
    assert_string_equal(rig_answered(r, follower)->assignment, "");
    assert_int_equal(rig_answered(r, follower)->error, KAFKA_ERROR_NONE);
}

static void test_failed_writes_of_an_assignment(void **state)
{
    (void)state;
    static const struct {
        enum err err;
        int16_t error;
    } table[] = {
        {ERR_NOT_FOUND, 15},      {ERR_NOT_ENOUGH_REPLICAS, 15}, {ERR_NOT_LEADER, 16},      {ERR_IO, 16},
        {ERR_FAILED, 16},         {ERR_TIMED_OUT, 27},           {ERR_BATCH_TOO_LARGE, -1}, {ERR_LIST_TOO_LARGE, -1},
        {ERR_INVALID_RECORD, -1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct rig r;
        char ids[2][RIG_TEXT_MAX];
        rig_init(&r);
        bring(&r, GROUP_COMPLETING_REBALANCE, ids);
        r.hold_writes = true;
        uint64_t leader = rig_sync_leader(&r, ids[0], 2);
        rig_written(&r, table[i].err);
        assert_int_equal(rig_answered(&r, leader)->error, table[i].error);
        assert_int_equal(group_state(r.group), GROUP_PREPARING_REBALANCE);
        r.hold_writes = false;
        rig_release(&r);
    }
}

static void test_assignment_too_large_for_any_log(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    bring(r, GROUP_COMPLETING_REBALANCE, ids);
    uint8_t *bytes = calloc(1, GROUP_ASSIGNMENT_MAX + 1);
    struct group_assignment huge = {slice_str(ids[0]), slice_of(bytes, GROUP_ASSIGNMENT_MAX + 1)};
    uint64_t leader = rig_step(
        r,
        (struct group_event){
            .type = GROUP_SYNC,
            .sync = {.member_id = slice_str(ids[0]), .generation = 2, .assignments = &huge, .assignments_count = 1}});
    assert_int_equal(rig_answered(r, leader)->error, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    free(bytes);
}

static void test_result_of_an_older_generation_is_dropped(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    bring(r, GROUP_COMPLETING_REBALANCE, ids);
    r->hold_writes = true;
    uint64_t leader = rig_sync_leader(r, ids[0], 2);
    rig_leave(r, ids[1]);
    assert_int_equal(rig_answered(r, leader)->error, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    assert_int_equal(rig_answered(r, rig_join(r, rig_consumer(r, ids[0])))->generation, 3);
    rig_written(r, ERR_OK);
    assert_int_equal(group_state(r->group), GROUP_COMPLETING_REBALANCE);
    rig_sync_leader(r, ids[0], 3);
    rig_written(r, ERR_OK);
    assert_int_equal(group_state(r->group), GROUP_STABLE);
}

static void test_leave(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    rig_stable(r, 2, ids);
    char pending[RIG_TEXT_MAX];
    snprintf(pending, sizeof pending, "%s", rig_answered(r, rig_join(r, rig_consumer(r, "")))->member_id);
    struct group_leaving list[] = {
        {slice_str("who"), SLICE_NULL, SLICE_NULL},      {slice_str(""), SLICE_NULL, SLICE_NULL},
        {slice_str(""), slice_str("i"), SLICE_NULL},     {slice_str(pending), SLICE_NULL, SLICE_NULL},
        {slice_str(ids[1]), slice_str("i"), SLICE_NULL}, {slice_str(ids[1]), SLICE_NULL, slice_str("enough")},
        {slice_str(ids[1]), SLICE_NULL, SLICE_NULL},
    };
    uint64_t token = rig_step(r, (struct group_event){.type = GROUP_LEAVE, .leave = {list, 7}});
    static const int16_t expected[] = {25, 25, 25, 0, 25, 0, 25};
    assert_int_equal(rig_answered(r, token)->errors_count, 7);
    assert_memory_equal(rig_answered(r, token)->errors, expected, sizeof expected);
    assert_int_equal(group_state(r->group), GROUP_PREPARING_REBALANCE);
    assert_int_equal(group_members_count(r->group), 1);
}

static void test_static_member_is_sent_away_by_its_instance(void **state)
{
    struct rig *r = *state;
    struct group_join join = rig_consumer(r, "");
    join.instance_id = slice_str("a");
    rig_join(r, join);
    rig_advance(r, 3000);
    struct group_leaving list[] = {
        {slice_str("who"), slice_str("a"), SLICE_NULL},
        {slice_str(""), slice_str("a"), SLICE_NULL},
    };
    uint64_t token = rig_step(r, (struct group_event){.type = GROUP_LEAVE, .leave = {list, 2}});
    assert_int_equal(rig_answered(r, token)->errors[0], KAFKA_ERROR_FENCED_INSTANCE_ID);
    assert_int_equal(rig_answered(r, token)->errors[1], KAFKA_ERROR_NONE);
    assert_int_equal(group_state(r->group), GROUP_EMPTY);
}

static void test_leaving_members_get_their_answers(void **state)
{
    struct rig *r = *state;
    char ids[2][RIG_TEXT_MAX];
    bring(r, GROUP_COMPLETING_REBALANCE, ids);
    uint64_t sync = rig_sync(r, ids[1], 2);
    assert_int_equal(rig_leave(r, ids[1]), KAFKA_ERROR_NONE);
    assert_int_equal(rig_answered(r, sync)->error, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_of_each_state),
        TEST(test_sync_names_the_protocol),
        TEST(test_assignment_counts_when_written),
        TEST(test_only_the_leader_assigns),
        cmocka_unit_test(test_failed_writes_of_an_assignment),
        TEST(test_assignment_too_large_for_any_log),
        TEST(test_result_of_an_older_generation_is_dropped),
        TEST(test_leave),
        TEST(test_static_member_is_sent_away_by_its_instance),
        TEST(test_leaving_members_get_their_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
