// SPDX-License-Identifier: Apache-2.0
//
// The leader's bookkeeping: who is in sync, where the high watermark may be, which ISR is asked for.
#include "broker/replica/replica_set.h"

#include "base/tests/cmocka_all.h"

#define LAG 1000

static const int32_t THREE[] = {1, 2, 3};

// Broker 1 leads, all three are in sync, the time is 0.
static struct replica_set set_new(void)
{
    struct replica_set s = {0};
    assert_int_equal(replica_set_lead(&s, 1, THREE, 3, THREE, 3, 7, false, 0), ERR_OK);
    return s;
}

static void proposal_is(const struct replica_set *s, const int32_t *ids, int32_t count)
{
    assert_int_equal(s->proposal_count, count);
    assert_memory_equal(s->proposal, ids, (size_t)count * sizeof *ids);
}

static void isr_is(const struct replica_set *s, const int32_t *ids, int32_t count)
{
    assert_int_equal(replica_set_isr(s), count);
    assert_memory_equal(s->isr, ids, (size_t)count * sizeof *ids);
}

static void test_watermark_is_the_least_of_the_isr(void **state)
{
    (void)state;
    struct replica_set s = set_new();
    assert_int_equal(replica_set_watermark(&s, 10, 1, 0, LAG), -1); // the followers have not shown up
    assert_true(replica_set_fetched(&s, 2, 10, 0, 10, 5));
    assert_true(replica_set_fetched(&s, 3, 4, 0, 10, 5));
    assert_int_equal(replica_set_watermark(&s, 10, 1, 5, LAG), 4);
    assert_true(replica_set_fetched(&s, 3, 12, 0, 12, 6));
    assert_int_equal(replica_set_watermark(&s, 12, 1, 6, LAG), 10);
    assert_int_equal(replica_set_watermark(&s, 9, 1, 6, LAG), 9); // the leader's own end counts, too
    assert_false(replica_set_fetched(&s, 4, 12, 0, 12, 6));
    replica_set_release(&s);
}

static void test_watermark_stands_below_min_isr(void **state)
{
    (void)state;
    static const int32_t alone[] = {1};
    struct replica_set s = {0};
    assert_int_equal(replica_set_lead(&s, 1, THREE, 3, alone, 1, 0, false, 0), ERR_OK);
    assert_int_equal(replica_set_watermark(&s, 10, 2, 5000, LAG), -1);
    assert_int_equal(replica_set_watermark(&s, 10, 1, 5000, LAG), 10);
    assert_int_equal(replica_set_lead(&s, 1, alone, 1, alone, 1, 0, false, 0), ERR_OK);
    assert_int_equal(replica_set_watermark(&s, 10, 2, 5000, LAG), 10); // capped by the number of replicas
    replica_set_release(&s);
}

// One that keeps up holds the watermark although it is not in the ISR yet, or it could never join under load; a dead
// one does not.
static void test_watermark_waits_for_who_is_about_to_join(void **state)
{
    (void)state;
    static const int32_t two[] = {1, 2};
    struct replica_set s = {0};
    assert_int_equal(replica_set_lead(&s, 1, THREE, 3, two, 2, 0, false, 0), ERR_OK);
    replica_set_fetched(&s, 2, 10, 0, 10, 1);
    assert_int_equal(replica_set_watermark(&s, 10, 1, 1, LAG), 10); // 3 has never been caught up
    replica_set_fetched(&s, 3, 8, 0, 8, 1);
    assert_int_equal(replica_set_watermark(&s, 10, 1, 2, LAG), 8);
    replica_set_alive(&s, 3, false);
    assert_int_equal(replica_set_watermark(&s, 10, 1, 2, LAG), 10);
    replica_set_alive(&s, 3, true);
    assert_int_equal(replica_set_watermark(&s, 10, 1, 2 + LAG, LAG), 10); // and no longer once it lags
    replica_set_release(&s);
}

static void test_shrink_takes_who_lags(void **state)
{
    (void)state;
    static const int32_t left[] = {1, 2};
    struct replica_set s = set_new();
    replica_set_fetched(&s, 2, 10, 0, 10, 100);
    replica_set_fetched(&s, 3, 5, 0, 10, 100);
    assert_false(replica_set_shrink(&s, 10, LAG, LAG)); // it was caught up when the leader began
    assert_true(replica_set_shrink(&s, 10, LAG + 1, LAG));
    proposal_is(&s, left, 2);
    assert_false(replica_set_shrink(&s, 10, 5 * LAG, LAG)); // one change at a time
    assert_int_equal(replica_set_maximal_isr(&s), 3);
    assert_int_equal(replica_set_watermark(&s, 10, 1, LAG + 1, LAG), 5); // until it is confirmed
    replica_set_confirm(&s, left, 2, 8);
    isr_is(&s, left, 2);
    assert_int_equal(s.partition_epoch, 8);
    assert_int_equal(replica_set_watermark(&s, 10, 1, LAG + 1, LAG), 10);
    replica_set_release(&s);
}

// Who stands at the end is in sync however long ago it fetched: nothing new was there to fetch.
static void test_shrink_spares_who_has_everything(void **state)
{
    (void)state;
    struct replica_set s = set_new();
    replica_set_fetched(&s, 2, 10, 0, 10, 0);
    replica_set_fetched(&s, 3, 10, 0, 10, 0);
    assert_false(replica_set_shrink(&s, 10, 100 * LAG, LAG));
    replica_set_release(&s);
}

// A follower that is always one fetch behind a busy leader has kept pace.
static void test_pace_of_a_busy_leader(void **state)
{
    (void)state;
    struct replica_set s = set_new();
    int64_t now = 0;
    for (int64_t end = 10; end < 1000; end += 10) {
        now += LAG / 2;
        replica_set_fetched(&s, 2, end - 10, 0, end, now);
        replica_set_fetched(&s, 3, end > 500 ? 490 : end - 10, 0, end, now);
    }
    assert_true(replica_set_shrink(&s, 1000, now, LAG));
    static const int32_t left[] = {1, 2};
    proposal_is(&s, left, 2);
    replica_set_release(&s);
}

static void test_grow(void **state)
{
    (void)state;
    static const int32_t alone[] = {1}, two[] = {1, 3};
    struct replica_set s = {0};
    assert_int_equal(replica_set_lead(&s, 1, THREE, 3, alone, 1, 0, false, 0), ERR_OK);
    replica_set_fetched(&s, 3, 9, 0, 20, 1);
    assert_false(replica_set_grow(&s, 3, 10, 0)); // below the high watermark
    replica_set_fetched(&s, 3, 11, 0, 20, 1);
    assert_false(replica_set_grow(&s, 3, 10, 12)); // not yet in this leader's epoch
    replica_set_alive(&s, 3, false);
    assert_false(replica_set_grow(&s, 3, 10, 11));
    replica_set_alive(&s, 3, true);
    assert_false(replica_set_grow(&s, 4, 10, 11));
    assert_true(replica_set_grow(&s, 3, 10, 11));
    proposal_is(&s, two, 2);
    replica_set_fetched(&s, 2, 20, 0, 20, 1);
    assert_false(replica_set_grow(&s, 2, 10, 11)); // a change is under way
    replica_set_refuse(&s);
    isr_is(&s, alone, 1);
    assert_true(replica_set_grow(&s, 3, 10, 11));
    replica_set_confirm(&s, two, 2, 1);
    isr_is(&s, two, 2);
    assert_false(replica_set_grow(&s, 3, 10, 11)); // it is in
    replica_set_release(&s);
}

static void test_old_news_end_the_proposal_only(void **state)
{
    (void)state;
    static const int32_t alone[] = {1};
    struct replica_set s = set_new();
    replica_set_fetched(&s, 2, 10, 0, 10, 5 * LAG);
    assert_true(replica_set_shrink(&s, 10, 5 * LAG, LAG));
    replica_set_confirm(&s, alone, 1, 6);
    isr_is(&s, THREE, 3);
    assert_int_equal(s.proposal_count, 0);
    assert_int_equal(s.partition_epoch, 7);
    replica_set_release(&s);
}

static void test_ids_that_are_no_replicas_do_not_count(void **state)
{
    (void)state;
    static const int32_t odd[] = {1, 9, 1, 2, 2, 2};
    static const int32_t even[] = {1, 2};
    struct replica_set s = {0};
    assert_int_equal(replica_set_lead(&s, 1, THREE, 3, odd, 6, 0, false, 0), ERR_OK);
    isr_is(&s, even, 2);
    replica_set_release(&s);
}

static void test_go_on_keeps_what_is_known(void **state)
{
    (void)state;
    static const int32_t four[] = {1, 2, 3, 4};
    struct replica_set s = set_new();
    replica_set_fetched(&s, 2, 10, 3, 10, 100);
    replica_set_fetched(&s, 3, 10, 5, 10, 100);
    assert_int_equal(replica_set_low_watermark(&s, 7), 3);
    assert_int_equal(replica_set_lead(&s, 1, four, 4, THREE, 3, 9, true, 200), ERR_OK);
    assert_int_equal(replica_set_watermark(&s, 10, 1, 200, LAG), 10);
    assert_int_equal(replica_set_replicas(&s), 4);
    replica_set_alive(&s, 4, false);
    assert_int_equal(replica_set_low_watermark(&s, 7), 3);
    assert_int_equal(replica_set_lead(&s, 1, THREE, 3, THREE, 3, 10, false, 300), ERR_OK);
    assert_int_equal(replica_set_watermark(&s, 10, 1, 300, LAG), -1);
    replica_set_release(&s);
}

// Who has left the ISR with the new epoch (it stops, or its disk has failed) holds the watermark no longer; who is in
// it is given its time again.
static void test_go_on_gives_the_isr_its_time(void **state)
{
    (void)state;
    static const int32_t two[] = {1, 2};
    struct replica_set s = set_new();
    replica_set_fetched(&s, 2, 10, 0, 10, 100);
    replica_set_fetched(&s, 3, 10, 0, 10, 100);
    assert_int_equal(replica_set_lead(&s, 1, THREE, 3, two, 2, 8, true, 200), ERR_OK);
    assert_false(replica_set_shrink(&s, 12, 200 + LAG, LAG));
    replica_set_fetched(&s, 2, 12, 0, 12, 210);
    assert_int_equal(replica_set_watermark(&s, 12, 1, 210, LAG), 12);
    replica_set_fetched(&s, 3, 11, 0, 14, 220); // that it was caught up once says nothing
    assert_int_equal(replica_set_watermark(&s, 14, 1, 220, LAG), 12);
    replica_set_release(&s);
}

static bool is_near(void *ctx, int32_t broker_id)
{
    const int32_t *ids = ctx;
    return ids[0] == broker_id || ids[1] == broker_id;
}

static void test_reader(void **state)
{
    (void)state;
    int32_t none[] = {-1, -1}, third[] = {3, -1}, both[] = {2, 3};
    static const int32_t two[] = {1, 2};
    struct replica_set s = set_new();
    replica_set_fetched(&s, 2, 10, 0, 10, 5);
    replica_set_fetched(&s, 3, 8, 2, 10, 5);
    assert_int_equal(replica_set_reader(&s, 5, is_near, none), -1);
    assert_int_equal(replica_set_reader(&s, 5, is_near, third), 3);
    assert_int_equal(replica_set_reader(&s, 5, is_near, both), 2); // it has come further
    assert_int_equal(replica_set_reader(&s, 9, is_near, third), -1);
    assert_int_equal(replica_set_reader(&s, 1, is_near, third), -1); // it has dropped that
    replica_set_alive(&s, 2, false);
    assert_int_equal(replica_set_reader(&s, 5, is_near, both), 3);
    replica_set_confirm(&s, two, 2, 9);
    assert_int_equal(replica_set_reader(&s, 5, is_near, both), -1);
    replica_set_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watermark_is_the_least_of_the_isr),
        cmocka_unit_test(test_watermark_stands_below_min_isr),
        cmocka_unit_test(test_watermark_waits_for_who_is_about_to_join),
        cmocka_unit_test(test_shrink_takes_who_lags),
        cmocka_unit_test(test_shrink_spares_who_has_everything),
        cmocka_unit_test(test_pace_of_a_busy_leader),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_old_news_end_the_proposal_only),
        cmocka_unit_test(test_ids_that_are_no_replicas_do_not_count),
        cmocka_unit_test(test_go_on_keeps_what_is_known),
        cmocka_unit_test(test_go_on_gives_the_isr_its_time),
        cmocka_unit_test(test_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
