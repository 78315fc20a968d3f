// SPDX-License-Identifier: Apache-2.0
//
// Tables of what a follower does after each answer.
#include "broker/replica/follower.h"

#include "base/tests/cmocka_all.h"
#include "protocol/protocol.h"

#define BACKOFF 1000
#define NOW     50000

static void test_fetch_answers(void **state)
{
    (void)state;
    static const struct {
        int16_t error_code;
        bool diverging;
        enum follower_action action;
        enum follower_phase phase;
        bool delayed;
    } cases[] = {
        {KAFKA_ERROR_NONE, false, FOLLOWER_APPENDS, FOLLOWER_FETCHING, false},
        {KAFKA_ERROR_NONE, true, FOLLOWER_CUTS, FOLLOWER_FETCHING, false},
        {KAFKA_ERROR_OFFSET_OUT_OF_RANGE, false, FOLLOWER_GOES_ON, FOLLOWER_ASKS_END, false},
        {KAFKA_ERROR_FENCED_LEADER_EPOCH, false, FOLLOWER_GOES_ON, FOLLOWER_FAILED, false},
        {KAFKA_ERROR_UNKNOWN_LEADER_EPOCH, false, FOLLOWER_GOES_ON, FOLLOWER_FETCHING, true},
        {KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, false, FOLLOWER_GOES_ON, FOLLOWER_FETCHING, true},
        {KAFKA_ERROR_UNKNOWN_TOPIC_ID, false, FOLLOWER_GOES_ON, FOLLOWER_FETCHING, true},
        {KAFKA_ERROR_KAFKA_STORAGE_ERROR, false, FOLLOWER_GOES_ON, FOLLOWER_FETCHING, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct follower f;
        follower_begin(&f, 3, BACKOFF);
        assert_int_equal(follower_fetched(&f, cases[i].error_code, cases[i].diverging, NOW), cases[i].action);
        assert_int_equal(f.phase, cases[i].phase);
        assert_int_equal(follower_is_ready(&f, cases[i].phase, NOW), !cases[i].delayed);
        assert_true(follower_is_ready(&f, cases[i].phase, NOW + BACKOFF));
    }
}

static void test_out_of_range(void **state)
{
    (void)state;
    static const struct {
        int64_t leader_end;
        int64_t leader_start; // -1: not asked for
        enum follower_action action;
        int64_t offset;
    } cases[] = {
        {40, -1, FOLLOWER_CUTS, 40},        // it has less than our 100
        {500, 300, FOLLOWER_RESTARTS, 300}, // its log begins above our end
        {500, 100, FOLLOWER_GOES_ON, -1},   // it fits by now
        {100, 20, FOLLOWER_GOES_ON, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct follower f;
        int64_t offset = -1;
        follower_begin(&f, 3, BACKOFF);
        follower_fetched(&f, KAFKA_ERROR_OFFSET_OUT_OF_RANGE, false, NOW);
        enum follower_action action = follower_told_offset(&f, 0, cases[i].leader_end, 100, NOW, &offset);
        if (cases[i].leader_start >= 0) {
            assert_int_equal(action, FOLLOWER_GOES_ON);
            assert_int_equal(f.phase, FOLLOWER_ASKS_START);
            action = follower_told_offset(&f, 0, cases[i].leader_start, 100, NOW, &offset);
        }
        assert_int_equal(action, cases[i].action);
        assert_int_equal(f.phase, FOLLOWER_FETCHING);
        if (action != FOLLOWER_GOES_ON) {
            assert_int_equal(offset, cases[i].offset);
        }
    }
}

static void test_offsets_refused(void **state)
{
    (void)state;
    struct follower f;
    int64_t offset;
    follower_begin(&f, 3, BACKOFF);
    follower_fetched(&f, KAFKA_ERROR_OFFSET_OUT_OF_RANGE, false, NOW);
    assert_int_equal(follower_told_offset(&f, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, -1, 100, NOW, &offset),
                     FOLLOWER_GOES_ON);
    assert_int_equal(f.phase, FOLLOWER_ASKS_END);
    assert_false(follower_is_ready(&f, FOLLOWER_ASKS_END, NOW));
    assert_int_equal(follower_told_offset(&f, KAFKA_ERROR_FENCED_LEADER_EPOCH, -1, 100, NOW, &offset),
                     FOLLOWER_GOES_ON);
    assert_int_equal(f.phase, FOLLOWER_FAILED);
    follower_begin(&f, 4, BACKOFF);
    assert_true(follower_is_ready(&f, FOLLOWER_FETCHING, 0));
}

// Soon at first, then as rarely as after any other error; a new epoch is a new beginning.
static void test_leader_that_is_not_told_yet(void **state)
{
    (void)state;
    struct follower f;
    for (int32_t epoch = 3; epoch < 5; epoch++) {
        int64_t now = NOW;
        follower_begin(&f, epoch, BACKOFF);
        for (int64_t delay = 20; delay < 2 * BACKOFF; delay *= 2) {
            int64_t ready = now + (delay < BACKOFF ? delay : BACKOFF);
            assert_int_equal(follower_fetched(&f, KAFKA_ERROR_UNKNOWN_LEADER_EPOCH, false, now), FOLLOWER_GOES_ON);
            assert_false(follower_is_ready(&f, FOLLOWER_FETCHING, ready - 1));
            assert_true(follower_is_ready(&f, FOLLOWER_FETCHING, ready));
            now = ready;
        }
        follower_fetched(&f, KAFKA_ERROR_KAFKA_STORAGE_ERROR, false, now);
        assert_false(follower_is_ready(&f, FOLLOWER_FETCHING, now + BACKOFF - 1));
    }
    follower_begin(&f, 5, 3);
    follower_fetched(&f, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, false, NOW);
    assert_true(follower_is_ready(&f, FOLLOWER_FETCHING, NOW + 3));
}

static void test_cut_offset(void **state)
{
    (void)state;
    static const struct {
        struct epoch_end leaders, own;
        int64_t cut; // of a log that ends at 100 with a high watermark of 60
    } cases[] = {
        {{5, 80}, {5, 90}, 80},                             // our epoch 5 went further than the leader's
        {{5, 95}, {5, 90}, 90},                             // and here the leader's; our 6 is nobody's
        {{5, 80}, {4, 70}, 70},                             // we have nothing of 5: back to the end of 4
        {{5, 80}, {-1, -1}, 80},                            // we know no epochs
        {{-1, 80}, {5, 90}, 80},                            // nor does it
        {{5, 300}, {-1, -1}, 100}, {{-1, -1}, {5, 90}, 60}, // it knows nothing at all
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(follower_cut_offset(cases[i].leaders, cases[i].own, 100, 60), cases[i].cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fetch_answers),   cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_offsets_refused), cmocka_unit_test(test_leader_that_is_not_told_yet),
        cmocka_unit_test(test_cut_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
