// SPDX-License-Identifier: Apache-2.0
//
// Tombstones: OffsetDelete, DeleteGroups, deleted topics and age, each until it is written and when that fails.
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "broker/group/group_state.h"
#include "broker/group/tests/group_rig.h"

#define RETENTION_MS (INT64_C(7) * 24 * 3600 * 1000)

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

static void assert_log_makes_no_group(const struct rig *r)
{
    assert_null(rig_replay(r));
}

static uint64_t delete_group(struct rig *r)
{
    return rig_step(r, (struct group_event){.type = GROUP_DELETE});
}

static uint64_t delete_offset(struct rig *r, const char *topic, int32_t partition)
{
    struct group_topic_partition p = {slice_str(topic), partition};
    return rig_step(r, (struct group_event){.type = GROUP_OFFSET_DELETE, .partitions = {&p, 1}});
}

static void expire(struct rig *r)
{
    rig_step(r, (struct group_event){.type = GROUP_EXPIRE_OFFSETS});
}

static void empty_after_members(struct rig *r, int32_t partitions)
{
    char ids[1][RIG_TEXT_MAX];
    rig_stable(r, 1, ids);
    for (int32_t i = 0; i < partitions; i++) {
        rig_commit(r, ids[0], 1, i, 100 + i);
    }
    rig_leave(r, ids[0]);
    assert_int_equal(group_state(r->group), GROUP_EMPTY);
}

static void test_delete_group(void **state)
{
    struct rig *r = *state;
    empty_after_members(r, 3);
    r->hold_writes = true;
    uint64_t token = delete_group(r);
    assert_null(rig_answer(r, token));
    assert_int_equal(group_state(r->group), GROUP_DEAD);
    assert_int_equal(group_offsets_count(r->group), 0);
    assert_int_equal(rig_offset(r, 0), -1);
    assert_int_equal(rig_answered(r, rig_join(r, rig_consumer(r, "")))->error, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(rig_answered(r, delete_group(r))->error, KAFKA_ERROR_GROUP_ID_NOT_FOUND);
    assert_int_equal(rig_answered(r, delete_offset(r, "work", 0))->error, KAFKA_ERROR_GROUP_ID_NOT_FOUND);
    assert_int_equal(r->writes[0].records_count, 4);
    assert_true(r->writes[0].acks_none);
    rig_written(r, ERR_OK);
    assert_int_equal(rig_answered(r, token)->error, KAFKA_ERROR_NONE);
    assert_null(r->group);
    assert_log_makes_no_group(r);
}

static void test_delete_group_fails(void **state)
{
    struct rig *r = *state;
    empty_after_members(r, 2);
    r->hold_writes = true;
    uint64_t token = delete_group(r);
    rig_written(r, ERR_IO);
    assert_int_equal(rig_answered(r, token)->error, KAFKA_ERROR_NOT_COORDINATOR);
    assert_int_equal(group_state(r->group), GROUP_EMPTY);
    assert_int_equal(rig_offset(r, 1), 101);
}

static void test_delete_group_with_members_or_with_nothing(void **state)
{
    struct rig *r = *state;
    char ids[1][RIG_TEXT_MAX];
    rig_stable(r, 1, ids);
    assert_int_equal(rig_answered(r, delete_group(r))->error, KAFKA_ERROR_NON_EMPTY_GROUP);
    rig_release(r);
    rig_init(r);
    rig_join(r, rig_consumer(r, "")); // a member id was given out
    assert_int_equal(rig_answered(r, delete_group(r))->error, KAFKA_ERROR_NONE);
    assert_null(r->group);
    assert_int_equal(r->log_end, 0);
}

static void test_delete_group_whose_sessions_are_over(void **state)
{
    struct rig *r = *state;
    char ids[1][RIG_TEXT_MAX];
    rig_stable(r, 1, ids);
    r->now.mono_ms = r->group->members[0]->deadline_ms - 1;
    assert_int_equal(rig_answered(r, delete_group(r))->error, KAFKA_ERROR_NON_EMPTY_GROUP);
    r->now.mono_ms++;
    assert_int_equal(rig_answered(r, delete_group(r))->error, KAFKA_ERROR_NONE);
    assert_null(r->group);
    assert_log_makes_no_group(r);
}

static void test_delete_group_takes_commits_under_way(void **state)
{
    struct rig *r = *state;
    r->hold_writes = true;
    uint64_t commit = rig_commit(r, "", -1, 0, 5);
    uint64_t token = delete_group(r);
    assert_int_equal(r->writes_count, 2);
    rig_written(r, ERR_OK);
    assert_int_equal(rig_answered(r, commit)->errors[0], KAFKA_ERROR_NONE);
    rig_written(r, ERR_OK);
    assert_int_equal(rig_answered(r, token)->error, KAFKA_ERROR_NONE);
    assert_null(r->group);
    assert_log_makes_no_group(r);
}

static void test_death_answers_commits_under_way(void **state)
{
    struct rig *r = *state;
    r->hold_writes = true;
    uint64_t commit = rig_commit(r, "", -1, 0, 5);
    uint64_t token = delete_group(r);
    // The tombstones need no replicas, so their outcome may be known first.
    uint64_t id = r->writes[1].id;
    rig_step(r, (struct group_event){.type = GROUP_WRITTEN, .written = {id, ERR_OK, 9}});
    assert_null(r->group);
    assert_int_equal(rig_answered(r, commit)->errors[0], KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(rig_answered(r, token)->error, KAFKA_ERROR_NONE);
}

static void test_delete_offsets_of_a_simple_group(void **state)
{
    struct rig *r = *state;
    rig_commit(r, "", -1, 0, 5);
    rig_commit(r, "", -1, 1, 6);
    assert_int_equal(rig_answered(r, delete_offset(r, "work", 7))->errors[0], KAFKA_ERROR_NONE);
    assert_int_equal(rig_answered(r, delete_offset(r, "work", 0))->errors[0], KAFKA_ERROR_NONE);
    assert_int_equal(rig_offset(r, 0), -1);
    assert_int_equal(rig_offset(r, 1), 6);
    assert_int_equal(rig_answered(r, delete_offset(r, "work", 1))->errors[0], KAFKA_ERROR_NONE);
    assert_null(r->group); // with its last offset
    assert_log_makes_no_group(r);
}

static void test_delete_offsets_of_an_active_group(void **state)
{
    struct rig *r = *state;
    char ids[1][RIG_TEXT_MAX];
    rig_stable(r, 1, ids);
    rig_commit(r, ids[0], 1, 0, 5);
    assert_int_equal(rig_answered(r, delete_offset(r, "work", 0))->errors[0], KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(rig_answered(r, delete_offset(r, "other", 0))->errors[0], KAFKA_ERROR_NONE);
    assert_int_equal(rig_offset(r, 0), 5);
}

static void join_with(struct rig *r, const char *type, struct slice metadata)
{
    struct group_protocol p = {slice_str("range"), metadata};
    struct group_join join = rig_consumer(r, "");
    join.require_known_member_id = false;
    join.protocol_type = slice_str(type);
    join.protocols = &p;
    rig_join(r, join);
    rig_advance(r, 3000);
}

static void test_delete_offsets_when_subscriptions_are_unknown(void **state)
{
    struct rig *r = *state;
    join_with(r, "consumer", slice_str("not a subscription"));
    assert_int_equal(rig_answered(r, delete_offset(r, "any", 0))->errors[0], KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
}

static void test_delete_offsets_of_other_active_groups(void **state)
{
    struct rig *r = *state;
    join_with(r, "connect", slice_str("m"));
    const struct rig_answer *a = rig_answered(r, delete_offset(r, "any", 0));
    assert_int_equal(a->error, KAFKA_ERROR_NON_EMPTY_GROUP);
    assert_int_equal(a->errors_count, 0);
}

static void test_deleted_offset_and_later_commit(void **state)
{
    struct rig *r = *state;
    rig_commit(r, "", -1, 0, 5);
    rig_commit(r, "", -1, 1, 5);
    r->hold_writes = true;
    rig_commit(r, "", -1, 0, 6); // before the tombstone in the log
    uint64_t token = delete_offset(r, "work", 0);
    rig_commit(r, "", -1, 0, 7); // behind it
    // The tombstone's outcome comes first; then 6 is void and 7 counts.
    uint64_t tombstone = r->writes[1].id;
    rig_step(r, (struct group_event){.type = GROUP_WRITTEN, .written = {tombstone, ERR_OK, 3}});
    assert_int_equal(rig_answered(r, token)->errors[0], KAFKA_ERROR_NONE);
    assert_int_equal(rig_offset(r, 0), -1);
    rig_step(r, (struct group_event){.type = GROUP_WRITTEN, .written = {r->writes[0].id, ERR_OK, 2}});
    assert_int_equal(rig_offset(r, 0), -1);
    rig_step(r, (struct group_event){.type = GROUP_WRITTEN, .written = {r->writes[2].id, ERR_OK, 4}});
    assert_int_equal(rig_offset(r, 0), 7);
}

static void test_deleted_topics(void **state)
{
    struct rig *r = *state;
    rig_commit(r, "", -1, 0, 5);
    rig_commit(r, "", -1, 1, 6);
    struct group_commit_partition p = {.topic = slice_str("work"),
                                       .partition = 0,
                                       .offset = 9,
                                       .leader_epoch = -1,
                                       .commit_timestamp_ms = -1,
                                       .expire_timestamp_ms = -1};
    rig_step(r, (struct group_event){.type = GROUP_COMMIT,
                                     .commit = {.member_id = slice_str(""),
                                                .generation = -1,
                                                .transactional = true,
                                                .producer_id = 1,
                                                .partitions = &p,
                                                .partitions_count = 1}});
    struct group_topic_partition list[] = {{slice_str("work"), 0}, {slice_str("work"), 7}, {slice_str("x"), 0}};
    rig_step(r, (struct group_event){.type = GROUP_TOPICS_DELETED, .partitions = {list, 3}});
    assert_int_equal(rig_offset(r, 0), -1);
    assert_int_equal(rig_offset(r, 1), 6);
    assert_null(r->group->txns); // the open one has lost its offset, too
    int64_t end = r->log_end;
    rig_step(r, (struct group_event){.type = GROUP_TOPICS_DELETED, .partitions = {list, 3}});
    assert_int_equal(r->log_end, end); // nothing left to write
}

// ---- age -----------------------------------------------------------------------------------------------------------

static void test_simple_group_ages_by_commit(void **state)
{
    struct rig *r = *state;
    rig_commit(r, "", -1, 0, 5);
    rig_advance(r, 1000);
    rig_commit(r, "", -1, 1, 6);
    rig_advance(r, RETENTION_MS - 1001);
    expire(r);
    assert_int_equal(group_offsets_count(r->group), 2);
    rig_advance(r, 1);
    expire(r);
    assert_int_equal(rig_offset(r, 0), -1);
    assert_int_equal(rig_offset(r, 1), 6);
    assert_int_equal(r->out.counts.offsets_expired, 1);
    rig_advance(r, 1000);
    expire(r);
    assert_null(r->group);
    assert_log_makes_no_group(r);
}

static void test_empty_group_ages_since_it_is_empty(void **state)
{
    struct rig *r = *state;
    char ids[1][RIG_TEXT_MAX];
    rig_stable(r, 1, ids);
    rig_commit(r, ids[0], 1, 0, 5);
    rig_advance(r, RETENTION_MS * 2); // its session ended long ago
    assert_int_equal(group_state(r->group), GROUP_EMPTY);
    int64_t empty_for = r->now.wall_ms - group_state_timestamp_ms(r->group);
    assert_true(empty_for >= RETENTION_MS);
    expire(r);
    assert_null(r->group);
    assert_log_makes_no_group(r);

    rig_release(r);
    rig_init(r);
    rig_stable(r, 1, ids);
    rig_commit(r, ids[0], 1, 0, 5);
    for (int i = 0; i < 8 * 24 * 450; i++) { // eight days of heartbeats
        r->now.mono_ms += 8000;
        r->now.wall_ms += 8000;
        struct group_heartbeat beat = {slice_str(ids[0]), SLICE_NULL, 1};
        struct group_event e = {.type = GROUP_HEARTBEAT, .heartbeat = beat};
        group_effects_reset(&r->out);
        group_step(r->group, &e, r->now, &r->out);
    }
    expire(r);
    assert_int_equal(rig_offset(r, 0), 5);
    rig_leave(r, ids[0]);
    rig_advance(r, RETENTION_MS - 1);
    expire(r);
    assert_int_equal(rig_offset(r, 0), 5);
    rig_advance(r, 1);
    expire(r);
    assert_null(r->group);
}

static void test_stable_group_loses_what_it_does_not_read(void **state)
{
    struct rig *r = *state;
    struct group_commit_partition list[] = {
        {.topic = slice_str("work"), .offset = 1, .commit_timestamp_ms = -1, .expire_timestamp_ms = -1},
        {.topic = slice_str("left"), .offset = 2, .commit_timestamp_ms = -1, .expire_timestamp_ms = -1},
    };
    rig_step(r,
             (struct group_event){
                 .type = GROUP_COMMIT,
                 .commit = {.member_id = slice_str(""), .generation = -1, .partitions = list, .partitions_count = 2}});
    rig_advance(r, RETENTION_MS);
    char ids[1][RIG_TEXT_MAX];
    uint64_t join = rig_enter(r, ids[0]);
    expire(r); // not while it rebalances
    assert_int_equal(group_offsets_count(r->group), 2);
    rig_advance(r, 3000);
    assert_int_equal(rig_answered(r, join)->error, KAFKA_ERROR_NONE);
    rig_sync_leader(r, ids[0], 1);
    expire(r);
    assert_int_equal(group_offsets_count(r->group), 1);
    assert_int_equal(rig_offset(r, 0), 1);
}

static void test_explicit_expiry(void **state)
{
    struct rig *r = *state;
    struct group_commit_partition p = {.topic = slice_str("work"),
                                       .offset = 1,
                                       .leader_epoch = 4,
                                       .commit_timestamp_ms = -1,
                                       .expire_timestamp_ms = r->now.wall_ms + 500};
    rig_step(r, (struct group_event){.type = GROUP_COMMIT,
                                     .commit = {.member_id = slice_str(""),
                                                .generation = -1,
                                                .producer_id = -1,
                                                .partitions = &p,
                                                .partitions_count = 1}});
    struct group *replayed = rig_replay(r);
    struct group_offset_view v;
    assert_true(group_offset_find(replayed, slice_str("work"), 0, &v));
    assert_int_equal(v.leader_epoch, -1); // that version has no room for it
    group_free(replayed);
    rig_advance(r, 499);
    expire(r);
    assert_int_equal(rig_offset(r, 0), 1);
    rig_advance(r, 1);
    expire(r);
    assert_null(r->group);
}

static void test_what_is_under_way_does_not_age(void **state)
{
    struct rig *r = *state;
    rig_commit(r, "", -1, 0, 5);
    rig_advance(r, RETENTION_MS);
    r->hold_writes = true;
    rig_commit(r, "", -1, 0, 6);
    expire(r);
    assert_int_equal(r->writes_count, 1);
    rig_written(r, ERR_OK);
    expire(r);
    assert_int_equal(rig_offset(r, 0), 6);
    // Nor does a group whose id somebody was just given.
    rig_release(r);
    rig_init(r);
    rig_join(r, rig_consumer(r, ""));
    expire(r);
    assert_non_null(r->group);
    rig_advance(r, 10000);
    expire(r);
    assert_null(r->group);
}

static void test_failed_expiry_is_tried_again(void **state)
{
    struct rig *r = *state;
    rig_commit(r, "", -1, 0, 5);
    rig_advance(r, RETENTION_MS);
    r->hold_writes = true;
    expire(r);
    rig_written(r, ERR_NOT_LEADER);
    assert_int_equal(rig_offset(r, 0), 5);
    r->hold_writes = false;
    expire(r);
    assert_null(r->group);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_delete_group),
        TEST(test_delete_group_fails),
        TEST(test_delete_group_with_members_or_with_nothing),
        TEST(test_delete_group_whose_sessions_are_over),
        TEST(test_delete_group_takes_commits_under_way),
        TEST(test_death_answers_commits_under_way),
        TEST(test_delete_offsets_of_a_simple_group),
        TEST(test_delete_offsets_of_an_active_group),
        TEST(test_delete_offsets_when_subscriptions_are_unknown),
        TEST(test_delete_offsets_of_other_active_groups),
        TEST(test_deleted_offset_and_later_commit),
        TEST(test_deleted_topics),
        TEST(test_simple_group_ages_by_commit),
        TEST(test_empty_group_ages_since_it_is_empty),
        TEST(test_stable_group_loses_what_it_does_not_read),
        TEST(test_explicit_expiry),
        TEST(test_what_is_under_way_does_not_age),
        TEST(test_failed_expiry_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
