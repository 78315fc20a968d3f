// SPDX-License-Identifier: Apache-2.0
//
// Commits: visible when written, in the order of the log, those of transactions at their marker; errors of the log.
// (The errors of each state are in test_group_sync.c.)
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "broker/group/group_state.h"
#include "broker/group/tests/group_rig.h"

#define PRODUCER 4000

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

static uint64_t commit_list(struct rig *r, const struct group_commit_partition *list, int32_t count)
{
    return rig_step(r, (struct group_event){.type = GROUP_COMMIT,
                                            .commit = {.member_id = slice_str(""),
                                                       .generation = -1,
                                                       .producer_id = -1,
                                                       .partitions = list,
                                                       .partitions_count = count}});
}

static uint64_t commit_txn(struct rig *r, int32_t partition, int64_t offset)
{
    struct group_commit_partition p = {.topic = slice_str("work"),
                                       .partition = partition,
                                       .offset = offset,
                                       .leader_epoch = -1,
                                       .commit_timestamp_ms = -1,
                                       .expire_timestamp_ms = -1};
    return rig_step(r, (struct group_event){.type = GROUP_COMMIT,
                                            .commit = {.member_id = slice_str(""),
                                                       .generation = -1,
                                                       .transactional = true,
                                                       .producer_id = PRODUCER,
                                                       .producer_epoch = 1,
                                                       .partitions = &p,
                                                       .partitions_count = 1}});
}

static void txn_end(struct rig *r, bool commit)
{
    rig_step(r, (struct group_event){.type = GROUP_TXN_END, .txn_end = {PRODUCER, commit}});
}

static bool unstable(const struct rig *r, int32_t partition)
{
    struct group_offset_view v;
    return group_offset_find(r->group, slice_str("work"), partition, &v) && v.unstable;
}

static void test_visible_when_written(void **state)
{
    struct rig *r = *state;
    r->hold_writes = true;
    uint64_t first = rig_commit(r, "", -1, 0, 5);
    uint64_t second = rig_commit(r, "", -1, 0, 6);
    assert_null(rig_answer(r, first));
    assert_int_equal(rig_offset(r, 0), -1);
    assert_int_equal(r->writes[0].producer.base_sequence, 0);
    assert_int_equal(r->writes[0].producer.id, -1);
    assert_false(r->writes[0].acks_none);
    rig_written(r, ERR_OK);
    assert_int_equal(rig_offset(r, 0), 5);
    assert_int_equal(rig_answered(r, first)->errors[0], KAFKA_ERROR_NONE);
    rig_written(r, ERR_NOT_ENOUGH_REPLICAS);
    assert_int_equal(rig_offset(r, 0), 5);
    assert_int_equal(rig_answered(r, second)->errors[0], KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
    struct group_offset_view v;
    assert_true(group_offset_find(r->group, slice_str("work"), 0, &v));
    assert_int_equal(v.leader_epoch, 3);
    assert_true(slice_equal(v.metadata, slice_str("meta")));
    assert_int_equal(v.commit_timestamp_ms, r->now.wall_ms);
    assert_false(group_offset_find(r->group, slice_str("work"), 1, &v));
    assert_false(group_offset_find(r->group, slice_str("other"), 0, &v));
}

static void test_errors_of_the_log(void **state)
{
    struct rig *r = *state;
    static const struct {
        enum err err;
        int16_t error;
    } table[] = {
        {ERR_NOT_FOUND, 15}, {ERR_NOT_ENOUGH_REPLICAS, 15}, {ERR_NOT_LEADER, 16},
        {ERR_FAILED, 16},    {ERR_BATCH_TOO_LARGE, 28},     {ERR_LIST_TOO_LARGE, 28},
        {ERR_TIMED_OUT, 7},  {ERR_PRODUCER_FENCED, 47},     {ERR_INVALID_TXN_STATE, 48},
        {ERR_CORRUPT, -1},
    };
    r->hold_writes = true;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        uint64_t token = rig_commit(r, "", -1, 0, 5);
        rig_written(r, table[i].err);
        assert_int_equal(rig_answered(r, token)->errors[0], table[i].error);
        assert_int_equal(rig_offset(r, 0), -1);
    }
    assert_null(r->group->topics); // nothing is left behind
}

static void test_metadata(void **state)
{
    struct rig *r = *state;
    static char text[4 * 4096 + 4];
    for (int i = 0; i < 4097; i++) {
        memcpy(text + (size_t)i * 4, "\xf0\x9f\x98\x80", 4); // counts as two
    }
    struct group_commit_partition list[] = {
        {.topic = slice_str("work"),
         .partition = 0,
         .offset = 1,
         .metadata = slice_of(text, 4 * 2048),
         .commit_timestamp_ms = 77,
         .expire_timestamp_ms = -1},
        {.topic = slice_str("work"),
         .partition = 1,
         .offset = 2,
         .metadata = slice_of(text, 4 * 2049),
         .commit_timestamp_ms = -1,
         .expire_timestamp_ms = -1},
        {.topic = slice_str("work"),
         .partition = 2,
         .offset = -1,
         .metadata = slice_of("\0\xff", 2),
         .commit_timestamp_ms = -1,
         .expire_timestamp_ms = -1},
        {.topic = slice_str("other"),
         .partition = 0,
         .offset = 4,
         .metadata = SLICE_NULL,
         .commit_timestamp_ms = -1,
         .expire_timestamp_ms = -1},
    };
    const struct rig_answer *a = rig_answered(r, commit_list(r, list, 4));
    static const int16_t expected[] = {0, 12, 0, 0};
    assert_memory_equal(a->errors, expected, sizeof expected);
    struct group_offset_view v;
    assert_true(group_offset_find(r->group, slice_str("work"), 0, &v));
    assert_int_equal(v.metadata.len, 4 * 2048);
    assert_int_equal(v.commit_timestamp_ms, 77);
    assert_false(group_offset_find(r->group, slice_str("work"), 1, &v));
    assert_true(group_offset_find(r->group, slice_str("work"), 2, &v));
    assert_int_equal(v.offset, -1);
    assert_true(v.committed);
    assert_true(slice_equal(v.metadata, slice_of("\0\xff", 2)));
    assert_true(group_offset_find(r->group, slice_str("other"), 0, &v));
    assert_int_equal(v.metadata.len, 0);
    assert_int_equal(group_offsets_count(r->group), 3);
    // All of them too large: nothing is written.
    int64_t end = r->log_end;
    assert_int_equal(rig_answered(r, commit_list(r, list + 1, 1))->errors[0], KAFKA_ERROR_OFFSET_METADATA_TOO_LARGE);
    assert_int_equal(rig_answered(r, commit_list(r, list, 0))->errors_count, 0);
    assert_int_equal(r->log_end, end);
}

static void test_commit_keeps_the_session_alive(void **state)
{
    struct rig *r = *state;
    char ids[1][RIG_TEXT_MAX];
    rig_stable(r, 1, ids);
    for (int i = 0; i < 4; i++) {
        rig_advance(r, 8000);
        assert_int_equal(rig_answered(r, rig_commit(r, ids[0], 1, 0, i))->errors[0], KAFKA_ERROR_NONE);
    }
    assert_int_equal(group_members_count(r->group), 1);
    assert_int_equal(rig_offset(r, 0), 3);
}

static void test_transaction(void **state)
{
    struct rig *r = *state;
    rig_commit(r, "", -1, 0, 5);
    r->hold_writes = true;
    uint64_t token = commit_txn(r, 0, 10);
    assert_true(unstable(r, 0)); // from the moment on that it may be in the log
    assert_true(r->writes[0].producer.transactional);
    assert_int_equal(r->writes[0].producer.id, PRODUCER);
    assert_int_equal(r->writes[0].producer.epoch, 1);
    assert_int_equal(r->writes[0].producer.base_sequence, 0);
    rig_written(r, ERR_OK);
    assert_int_equal(rig_answered(r, token)->errors[0], KAFKA_ERROR_NONE);
    assert_int_equal(rig_offset(r, 0), 5);
    assert_true(unstable(r, 0));
    txn_end(r, true);
    assert_int_equal(rig_offset(r, 0), 10);
    assert_false(unstable(r, 0));

    r->hold_writes = false;
    commit_txn(r, 0, 20);
    commit_txn(r, 1, 21);
    assert_int_equal(group_offsets_count(r->group), 1);
    txn_end(r, false);
    assert_int_equal(rig_offset(r, 0), 10);
    assert_int_equal(rig_offset(r, 1), -1);
    assert_false(unstable(r, 1));
    txn_end(r, true); // nothing is open
    assert_int_equal(rig_offset(r, 0), 10);
}

static void test_later_plain_commit_wins(void **state)
{
    struct rig *r = *state;
    commit_txn(r, 0, 10);
    rig_commit(r, "", -1, 0, 7);
    txn_end(r, true);
    assert_int_equal(rig_offset(r, 0), 7);
    rig_commit(r, "", -1, 0, 8);
    commit_txn(r, 0, 11);
    txn_end(r, true);
    assert_int_equal(rig_offset(r, 0), 11);
}

static void test_failed_commit_spares_the_earlier_one(void **state)
{
    struct rig *r = *state;
    commit_txn(r, 0, 10);
    r->hold_writes = true;
    uint64_t token = commit_txn(r, 0, 12);
    rig_written(r, ERR_PRODUCER_FENCED);
    assert_int_equal(rig_answered(r, token)->errors[0], KAFKA_ERROR_INVALID_PRODUCER_EPOCH);
    assert_true(unstable(r, 0));
    commit_txn(r, 1, 13);
    rig_written(r, ERR_NOT_LEADER);
    assert_false(unstable(r, 1));
    txn_end(r, true);
    assert_int_equal(rig_offset(r, 0), 10);
    assert_int_equal(rig_offset(r, 1), -1);
}

static void test_marker_overtakes_the_outcome(void **state)
{
    struct rig *r = *state;
    for (int commit = 0; commit < 2; commit++) {
        r->hold_writes = true;
        commit_txn(r, commit, 10);
        txn_end(r, commit == 1);
        assert_false(unstable(r, commit));
        rig_written(r, ERR_OK);
        assert_int_equal(rig_offset(r, commit), commit == 1 ? 10 : -1);
        assert_false(unstable(r, commit));
    }
}

static void test_transactional_commits_need_no_member(void **state)
{
    struct rig *r = *state;
    char ids[1][RIG_TEXT_MAX];
    rig_stable(r, 1, ids);
    assert_int_equal(rig_answered(r, commit_txn(r, 0, 10))->errors[0], KAFKA_ERROR_NONE);
    rig_join(r, rig_consumer(r, ids[0])); // completing: does not matter to them
    assert_int_equal(group_state(r->group), GROUP_COMPLETING_REBALANCE);
    assert_int_equal(rig_answered(r, commit_txn(r, 0, 11))->errors[0], KAFKA_ERROR_NONE);
    struct group_commit c = {
        .member_id = slice_str("who"), .generation = 2, .transactional = true, .producer_id = PRODUCER};
    uint64_t token = rig_step(r, (struct group_event){.type = GROUP_COMMIT, .commit = c});
    assert_int_equal(rig_answered(r, token)->error, KAFKA_ERROR_UNKNOWN_MEMBER_ID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_visible_when_written),
        TEST(test_errors_of_the_log),
        TEST(test_metadata),
        TEST(test_commit_keeps_the_session_alive),
        TEST(test_transaction),
        TEST(test_later_plain_commit_wins),
        TEST(test_failed_commit_spares_the_earlier_one),
        TEST(test_marker_overtakes_the_outcome),
        TEST(test_transactional_commits_need_no_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
