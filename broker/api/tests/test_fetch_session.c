// SPDX-License-Identifier: Apache-2.0
//
// Fetch sessions without a broker: what is sent, order, epochs, who makes room for whom.
#include "base/tests/cmocka_all.h"

#include "broker/api/fetch_session.h"

#define NOW 1000000

struct scene {
    struct fetch_sessions *cache;
    struct arena arena;
    struct fetch_request_fetch_topic topic;
    struct fetch_request_fetch_partition partitions[8];
    struct fetch_request_forgotten_topic forgotten;
    int32_t forgotten_partitions[8];
    struct fetch_request in;
    struct fetch_session_use use;
    struct fetch_response_partition_data outs[8];
    bool changed[8];
};

static void scene_open(struct scene *s, int32_t slots)
{
    memset(s, 0, sizeof *s);
    arena_init(&s->arena, 1 << 20);
    assert_int_equal(fetch_sessions_new(os_real(), slots, &s->cache), ERR_OK);
    fetch_request_init(&s->in);
    fetch_request_fetch_topic_init(&s->topic);
    s->topic.topic = slice_str("t");
    s->topic.partitions = s->partitions;
    for (int i = 0; i < 8; i++) {
        fetch_request_fetch_partition_init(&s->partitions[i]);
        s->partitions[i].partition = i;
        fetch_response_partition_data_init(&s->outs[i]);
        s->outs[i].partition_index = i;
        s->outs[i].high_watermark = 10;
        s->outs[i].log_start_offset = 0;
        s->forgotten_partitions[i] = i;
    }
    s->forgotten =
        (struct fetch_request_forgotten_topic){.topic = slice_str("t"), .partitions = s->forgotten_partitions};
    s->in.topics = &s->topic;
    s->in.forgotten_topics_data = &s->forgotten;
}

static void scene_close(struct scene *s)
{
    fetch_session_unref(s->cache, s->use.session);
    fetch_sessions_free(s->cache);
    arena_release(&s->arena);
}

// A session of the partitions 0..count-1 of topic "t".
static int32_t create_at(struct scene *s, int32_t count, bool privileged, int64_t now_ms)
{
    struct fetch_want wants[8];
    for (int32_t i = 0; i < count; i++) {
        wants[i] = (struct fetch_want){.topic = slice_str("t"), .in = &s->partitions[i]};
    }
    int32_t id;
    fetch_sessions_create(s->cache, privileged, false, wants, s->outs, count, now_ms, &id);
    return id;
}

static int32_t create(struct scene *s, int32_t count)
{
    return create_at(s, count, false, NOW);
}

// An incremental request that adds the first `added` and forgets the first `forgotten` partitions.
static int16_t begin(struct scene *s, int32_t id, int32_t epoch, int32_t added, int32_t forgotten)
{
    fetch_session_unref(s->cache, s->use.session);
    s->use.session = NULL;
    s->in.session_id = id;
    s->in.session_epoch = epoch;
    s->in.topics_count = added > 0;
    s->topic.partitions_count = added;
    s->in.forgotten_topics_data_count = forgotten > 0;
    s->forgotten.partitions_count = forgotten;
    return fetch_session_begin(s->cache, &s->in, false, NOW, &s->arena, &s->use);
}

static int changes(struct scene *s)
{
    memset(s->changed, 0, sizeof s->changed);
    assert_int_equal(fetch_session_end(s->cache, &s->use, &s->in, s->outs, s->changed), KAFKA_ERROR_NONE);
    int n = 0;
    for (int32_t i = 0; i < s->use.count; i++) {
        n += s->changed[i];
    }
    return n;
}

static void test_only_what_changed_is_sent(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 10);
    int32_t id = create(&s, 3);
    assert_true(id > 0);
    assert_int_equal(begin(&s, id, 1, 0, 0), KAFKA_ERROR_NONE);
    assert_int_equal(s.use.count, 3);
    assert_int_equal(fetch_session_id(s.use.session), id);
    assert_true(slice_equal(s.use.wants[2].topic, slice_str("t")));
    assert_int_equal(s.use.wants[2].in->partition, 2);
    assert_int_equal(changes(&s), 0);

    s.outs[1].high_watermark = 11;
    s.outs[2].log_start_offset = 4;
    assert_int_equal(begin(&s, id, 2, 0, 0), KAFKA_ERROR_NONE);
    assert_int_equal(changes(&s), 2);
    assert_true(s.changed[1] && s.changed[2]);
    assert_int_equal(begin(&s, id, 3, 0, 0), KAFKA_ERROR_NONE);
    assert_int_equal(changes(&s), 0);
    s.outs[0].diverging_epoch.epoch = 3;
    s.outs[1].preferred_read_replica = 2;
    assert_int_equal(begin(&s, id, 4, 0, 0), KAFKA_ERROR_NONE);
    assert_int_equal(changes(&s), 2);
    scene_close(&s);
}

static void test_an_error_is_repeated_and_its_end_told(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 10);
    int32_t id = create(&s, 2);
    s.outs[0].error_code = KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    for (int32_t epoch = 1; epoch <= 2; epoch++) {
        assert_int_equal(begin(&s, id, epoch, 0, 0), KAFKA_ERROR_NONE);
        assert_int_equal(changes(&s), 1);
        assert_true(s.changed[0]);
    }
    s.outs[0].error_code = KAFKA_ERROR_NONE;
    assert_int_equal(begin(&s, id, 3, 0, 0), KAFKA_ERROR_NONE);
    assert_int_equal(changes(&s), 1);
    assert_int_equal(begin(&s, id, 4, 0, 0), KAFKA_ERROR_NONE);
    assert_int_equal(changes(&s), 0);
    scene_close(&s);
}

static void test_who_gave_records_goes_to_the_end(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 10);
    int32_t id = create(&s, 3);
    s.outs[0].records = (struct records){.data = (const uint8_t *)"x", .len = 1};
    assert_int_equal(begin(&s, id, 1, 0, 0), KAFKA_ERROR_NONE);
    assert_int_equal(changes(&s), 1);
    assert_int_equal(begin(&s, id, 2, 0, 0), KAFKA_ERROR_NONE);
    assert_int_equal(s.use.wants[0].in->partition, 1);
    assert_int_equal(s.use.wants[1].in->partition, 2);
    assert_int_equal(s.use.wants[2].in->partition, 0);
    scene_close(&s);
}

static void test_partitions_are_added_changed_and_forgotten(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 10);
    int32_t id = create(&s, 2);
    s.partitions[1].fetch_offset = 77;
    assert_int_equal(begin(&s, id, 1, 4, 1), KAFKA_ERROR_NONE);
    assert_int_equal(s.use.count, 3);
    assert_int_equal(s.use.wants[0].in->partition, 1);
    assert_int_equal(s.use.wants[0].in->fetch_offset, 77);
    assert_int_equal(s.use.wants[2].in->partition, 3);
    for (int i = 0; i < 3; i++) {
        s.outs[i].high_watermark = 10;
    }
    assert_int_equal(changes(&s), 2); // the client has never heard of the two new ones
    scene_close(&s);
}

static void test_an_empty_session_is_closed(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 10);
    int32_t id = create(&s, 2);
    assert_int_equal(begin(&s, id, 1, 0, 2), KAFKA_ERROR_NONE);
    assert_null(s.use.session);
    assert_int_equal(fetch_sessions_count(s.cache), 0);
    assert_int_equal(begin(&s, id, 2, 0, 0), KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    id = create(&s, 0); // an empty one may be made, and is closed by the next request
    assert_true(id > 0);
    assert_int_equal(begin(&s, id, 1, 0, 0), KAFKA_ERROR_NONE);
    assert_null(s.use.session);
    scene_close(&s);
}

static void test_ids_and_epochs_are_checked(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 10);
    int32_t id = create(&s, 1);
    assert_int_equal(begin(&s, id + 1, 1, 0, 0), KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(begin(&s, id, 2, 0, 0), KAFKA_ERROR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(begin(&s, id, 1, 0, 0), KAFKA_ERROR_NONE);
    assert_int_equal(begin(&s, id, 1, 0, 0), KAFKA_ERROR_INVALID_FETCH_SESSION_EPOCH);
    s.in.session_epoch = 2;
    assert_int_equal(fetch_session_begin(s.cache, &s.in, true, NOW, &s.arena, &s.use),
                     KAFKA_ERROR_FETCH_SESSION_TOPIC_ID_ERROR);
    assert_int_equal(begin(&s, id, 2, 0, 0), KAFKA_ERROR_NONE);
    fetch_sessions_close(s.cache, id);
    assert_int_equal(begin(&s, id, 3, 0, 0), KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    scene_close(&s);
}

static void test_a_session_that_went_on_refuses_the_older_answer(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 10);
    int32_t id = create(&s, 2);
    assert_int_equal(begin(&s, id, 1, 0, 0), KAFKA_ERROR_NONE);
    struct fetch_session_use first = s.use;
    s.use.session = NULL;
    assert_int_equal(begin(&s, id, 2, 0, 1), KAFKA_ERROR_NONE); // removes what the first one still reads
    s.in.session_epoch = 1;
    s.outs[0].high_watermark = 99;
    assert_int_equal(fetch_session_end(s.cache, &first, &s.in, s.outs, s.changed),
                     KAFKA_ERROR_INVALID_FETCH_SESSION_EPOCH);
    assert_false(s.changed[0]);
    fetch_session_unref(s.cache, first.session);
    scene_close(&s);
}

static void test_an_emptied_session_refuses_the_older_answer(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 10);
    int32_t id = create(&s, 2);
    assert_int_equal(begin(&s, id, 1, 0, 0), KAFKA_ERROR_NONE);
    struct fetch_session_use first = s.use;
    s.use.session = NULL;
    assert_int_equal(begin(&s, id, 2, 0, 2), KAFKA_ERROR_NONE); // removes all that the first one still reads
    assert_null(s.use.session);
    s.in.session_epoch = 1;
    assert_int_equal(fetch_session_end(s.cache, &first, &s.in, s.outs, s.changed),
                     KAFKA_ERROR_INVALID_FETCH_SESSION_EPOCH);
    fetch_session_unref(s.cache, first.session);
    scene_close(&s);
}

static void test_a_session_in_use_outlives_its_end(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 10);
    int32_t id = create(&s, 2);
    assert_int_equal(begin(&s, id, 1, 0, 0), KAFKA_ERROR_NONE);
    fetch_sessions_close(s.cache, id);
    assert_int_equal(fetch_sessions_count(s.cache), 0);
    s.outs[0].high_watermark = 12;
    assert_int_equal(changes(&s), 1);
    scene_close(&s);
}

static void test_topics_by_id(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 10);
    struct uuid id = {{1, 2, 3}};
    struct fetch_want want = {.topic = slice_str(""), .topic_id = id, .in = &s.partitions[0]};
    int32_t session;
    fetch_sessions_create(s.cache, false, true, &want, s.outs, 1, NOW, &session);
    s.in.session_id = session;
    s.in.session_epoch = 1;
    s.topic.topic_id = (struct uuid){{9}};
    s.topic.partitions_count = 1;
    s.in.topics_count = 1;
    assert_int_equal(fetch_session_begin(s.cache, &s.in, true, NOW, &s.arena, &s.use), KAFKA_ERROR_NONE);
    assert_int_equal(s.use.count, 2);
    assert_true(uuid_equal(&s.use.wants[0].topic_id, &id));
    assert_true(uuid_equal(&s.use.wants[1].topic_id, &s.topic.topic_id));
    assert_int_not_equal(s.use.wants[0].topic_number, s.use.wants[1].topic_number);
    scene_close(&s);
}

static void test_a_full_cache_declines_young_equals(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 2);
    int32_t a = create(&s, 1);
    int32_t b = create(&s, 2);
    assert_true(a > 0 && b > 0 && a != b);
    assert_int_equal(create(&s, 8), 0);
    assert_int_equal(fetch_sessions_count(s.cache), 2);
    // At the next use the first is old, but only a larger one may take its place.
    int64_t later = NOW + FETCH_SESSION_EVICTION_MS + 1;
    s.in.session_id = a;
    s.in.session_epoch = 1;
    assert_int_equal(fetch_session_begin(s.cache, &s.in, false, later, &s.arena, &s.use), KAFKA_ERROR_NONE);
    assert_true(create_at(&s, 1, false, later) > 0); // b was not used for longer than two minutes
    assert_int_equal(begin(&s, b, 1, 0, 0), KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(create_at(&s, 1, false, later), 0);
    assert_true(create_at(&s, 2, false, later) > 0);
    assert_int_equal(begin(&s, a, 2, 0, 0), KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    scene_close(&s);
}

static void test_followers_push_out_consumers_and_not_the_reverse(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 2);
    int32_t small = create(&s, 1);
    int32_t large = create(&s, 8);
    int32_t follower = create_at(&s, 1, true, NOW);
    assert_true(follower > 0);
    assert_int_equal(begin(&s, small, 1, 0, 0), KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(begin(&s, large, 1, 0, 0), KAFKA_ERROR_NONE);
    assert_true(create_at(&s, 1, true, NOW) > 0); // takes the place of the large one
    assert_int_equal(create_at(&s, 8, false, NOW), 0);
    assert_int_equal(create_at(&s, 8, true, NOW), 0); // the followers' sessions are too young
    scene_close(&s);
}

static void test_no_slots_no_sessions(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 0);
    assert_int_equal(create(&s, 1), 0);
    assert_int_equal(begin(&s, 0, 1, 0, 0), KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_changed_is_sent),
        cmocka_unit_test(test_an_error_is_repeated_and_its_end_told),
        cmocka_unit_test(test_who_gave_records_goes_to_the_end),
        cmocka_unit_test(test_partitions_are_added_changed_and_forgotten),
        cmocka_unit_test(test_an_empty_session_is_closed),
        cmocka_unit_test(test_ids_and_epochs_are_checked),
        cmocka_unit_test(test_a_session_that_went_on_refuses_the_older_answer),
        cmocka_unit_test(test_an_emptied_session_refuses_the_older_answer),
        cmocka_unit_test(test_a_session_in_use_outlives_its_end),
        cmocka_unit_test(test_topics_by_id),
        cmocka_unit_test(test_a_full_cache_declines_young_equals),
        cmocka_unit_test(test_followers_push_out_consumers_and_not_the_reverse),
        cmocka_unit_test(test_no_slots_no_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
