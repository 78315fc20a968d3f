// SPDX-License-Identifier: Apache-2.0
//
// What a fetcher asks for: everything at first, then only what is news to the session, and what it shall forget.
#include "broker/replica/followed.h"

#include "base/tests/cmocka_all.h"

static const struct uuid ID_A = {{1}}, ID_B = {{2}}, ID_C = {{3}}, NO_ID;

struct asked {
    struct fetch_request request;
    bool by_id;
    int32_t count;
    struct arena arena;
};

static void ask_at(struct followed_set *s, struct asked *a, int64_t now_ms)
{
    fetch_request_init(&a->request);
    arena_init(&a->arena, 1 << 20);
    a->count = followed_ask(s, &a->request, &a->by_id, 1000, now_ms, &a->arena);
}

static int32_t named(const struct asked *a)
{
    int32_t n = 0;
    for (int32_t i = 0; i < a->request.topics_count; i++) {
        n += a->request.topics[i].partitions_count;
    }
    return n;
}

static int32_t forgotten(const struct asked *a)
{
    int32_t n = 0;
    for (int32_t i = 0; i < a->request.forgotten_topics_data_count; i++) {
        n += a->request.forgotten_topics_data[i].partitions_count;
    }
    return n;
}

// Asks, checks how many partitions are named, forgotten and looked at, and is answered by session 7.
static void round_is(struct followed_set *s, int32_t epoch, int32_t names, int32_t forgets, int32_t looked_at)
{
    struct asked a;
    ask_at(s, &a, 0);
    assert_int_equal(a.count, looked_at);
    assert_int_equal(a.request.session_epoch, epoch);
    assert_int_equal(named(&a), names);
    assert_int_equal(forgotten(&a), forgets);
    followed_answered(s, 7);
    arena_release(&a.arena);
}

static struct followed *put(struct followed_set *s, const char *topic, const struct uuid *id, int32_t index)
{
    struct followed *p = followed_put(s, topic, id, index);
    assert_non_null(p);
    follower_begin(&p->follower, 4, 1000);
    p->latest_epoch = 3;
    return p;
}

static void remove_all(struct followed_set *s)
{
    struct followed_topic *t;
    while ((t = TAILQ_FIRST(&s->topics)) != NULL) {
        followed_remove(s, TAILQ_FIRST(&t->order));
    }
    followed_release(s);
}

static void test_session_asks_for_news_only(void **state)
{
    (void)state;
    struct followed_set s;
    followed_init(&s);
    struct followed *a0 = put(&s, "a", &ID_A, 0);
    put(&s, "a", &ID_A, 1);
    struct followed *b0 = put(&s, "b", &ID_B, 0);
    round_is(&s, 0, 3, 0, 3);
    round_is(&s, 1, 0, 0, 3);
    a0->end_offset = 10;
    round_is(&s, 2, 1, 0, 3);
    round_is(&s, 3, 0, 0, 3);
    put(&s, "b", &ID_B, 1);
    b0->follower.leader_epoch = 5;
    round_is(&s, 4, 2, 0, 4);
    followed_remove(&s, a0);
    round_is(&s, 5, 0, 1, 3);
    round_is(&s, 6, 0, 0, 3);
    follower_fail(&b0->follower);
    round_is(&s, 7, 0, 1, 2);
    follower_begin(&b0->follower, 6, 1000);
    round_is(&s, 8, 1, 0, 3);
    remove_all(&s);
}

static void test_request_says_where_it_stands(void **state)
{
    (void)state;
    struct followed_set s;
    struct asked a;
    followed_init(&s);
    struct followed *p = put(&s, "a", &ID_A, 3);
    p->end_offset = 12;
    p->start_offset = 2;
    ask_at(&s, &a, 0);
    assert_true(a.by_id);
    assert_true(uuid_equal(&a.request.topics[0].topic_id, &ID_A));
    const struct fetch_request_fetch_partition *in = &a.request.topics[0].partitions[0];
    assert_int_equal(in->partition, 3);
    assert_int_equal(in->fetch_offset, 12);
    assert_int_equal(in->log_start_offset, 2);
    assert_int_equal(in->last_fetched_epoch, 3);
    assert_int_equal(in->current_leader_epoch, 4);
    assert_int_equal(in->partition_max_bytes, 1000);
    arena_release(&a.arena);
    remove_all(&s);
}

static void test_delayed_ones_wait(void **state)
{
    (void)state;
    struct followed_set s;
    struct asked a;
    followed_init(&s);
    struct followed *p = put(&s, "a", &ID_A, 0);
    follower_delay(&p->follower, 500);
    assert_int_equal(followed_next_ready_ms(&s), 1500);
    ask_at(&s, &a, 1499);
    assert_int_equal(a.count, 0);
    arena_release(&a.arena);
    ask_at(&s, &a, 1500);
    assert_int_equal(a.count, 1);
    arena_release(&a.arena);
    follower_fail(&p->follower);
    assert_int_equal(followed_next_ready_ms(&s), INT64_MAX);
    remove_all(&s);
}

static void test_a_lost_session_begins_anew(void **state)
{
    (void)state;
    struct followed_set s;
    struct asked a;
    followed_init(&s);
    struct followed *gone = put(&s, "a", &ID_A, 0);
    put(&s, "b", &ID_B, 0);
    round_is(&s, 0, 2, 0, 2);
    followed_remove(&s, gone);
    followed_session_lost(&s, false);
    ask_at(&s, &a, 0);
    assert_int_equal(a.request.session_id, 7); // the leader shall drop it
    assert_int_equal(a.request.session_epoch, 0);
    assert_int_equal(named(&a), 1);
    assert_int_equal(forgotten(&a), 0);
    arena_release(&a.arena);
    followed_session_lost(&s, true);
    ask_at(&s, &a, 0);
    assert_int_equal(a.request.session_id, 0);
    followed_answered(&s, 0); // the leader has no room: each request is a whole one
    arena_release(&a.arena);
    round_is(&s, 0, 1, 0, 1);
    remove_all(&s);
}

static void test_back_before_it_was_forgotten(void **state)
{
    (void)state;
    struct followed_set s;
    followed_init(&s);
    struct followed *p = put(&s, "a", &ID_A, 0);
    put(&s, "b", &ID_B, 0);
    round_is(&s, 0, 2, 0, 2);
    followed_remove(&s, p);
    put(&s, "a", &ID_A, 0);
    round_is(&s, 1, 1, 0, 2);
    // the same name, but another topic: the old one goes, the new one comes
    p = followed_find(&s, "a", 0);
    followed_remove(&s, p);
    put(&s, "a", &ID_C, 0);
    round_is(&s, 2, 1, 1, 2);
    remove_all(&s);
}

static void test_answers_find_their_rows(void **state)
{
    (void)state;
    struct followed_set s;
    struct asked a;
    followed_init(&s);
    struct followed *p = put(&s, "a", &ID_A, 0);
    ask_at(&s, &a, 0);
    arena_release(&a.arena);
    assert_ptr_equal(followed_find_answered(&s, slice_str(""), &ID_A, 0), p);
    assert_null(followed_find_answered(&s, slice_str("a"), &ID_B, 0));
    assert_null(followed_find_answered(&s, slice_str(""), &ID_A, 1));
    // one topic without an id: all go by name, in a session of its own
    struct followed *old = put(&s, "old", &NO_ID, 2);
    ask_at(&s, &a, 0);
    assert_false(a.by_id);
    assert_int_equal(named(&a), 2);
    arena_release(&a.arena);
    assert_ptr_equal(followed_find_answered(&s, slice_str("old"), &NO_ID, 2), old);
    assert_ptr_equal(followed_find_answered(&s, slice_str("a"), &NO_ID, 0), p);
    // its id has become known
    assert_ptr_equal(followed_put(&s, "old", &ID_B, 2), old);
    ask_at(&s, &a, 0);
    assert_true(a.by_id);
    arena_release(&a.arena);
    assert_ptr_equal(followed_find_answered(&s, slice_str(""), &ID_B, 2), old);
    remove_all(&s);
}

static void test_held_ones_sit_out(void **state)
{
    (void)state;
    struct followed_set s;
    struct asked a;
    followed_init(&s);
    struct followed *a0 = put(&s, "a", &ID_A, 0);
    put(&s, "a", &ID_A, 1);
    round_is(&s, 0, 2, 0, 2);
    a0->held = true;
    round_is(&s, 1, 0, 1, 1);
    assert_false(a0->asked);
    a0->held = false;
    round_is(&s, 2, 1, 0, 2);
    // who is held is nobody to wait for
    struct followed *b0 = put(&s, "b", &ID_B, 0);
    b0->held = true;
    b0->follower.ready_ms = -5;
    assert_int_equal(followed_next_ready_ms(&s), 0);
    ask_at(&s, &a, 0);
    assert_int_equal(a.count, 2);
    arena_release(&a.arena);
    remove_all(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_asks_for_news_only),
        cmocka_unit_test(test_request_says_where_it_stands),
        cmocka_unit_test(test_delayed_ones_wait),
        cmocka_unit_test(test_a_lost_session_begins_anew),
        cmocka_unit_test(test_back_before_it_was_forgotten),
        cmocka_unit_test(test_answers_find_their_rows),
        cmocka_unit_test(test_held_ones_sit_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
