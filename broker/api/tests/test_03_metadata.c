// SPDX-License-Identifier: Apache-2.0
//
// Metadata over a picture made by hand: how large an answer may be, and what is named twice.
#include "broker/api/apis.h"

#include "base/tests/cmocka_all.h"
#include "broker/api/operations.h"
#include "broker/cluster/metadata_builder.h"

#define METADATA_VERSION 12
#define PARTITIONS       100000 // more than the arena of a small request holds without more ado
#define FRAME_BYTES      40

struct scene {
    struct api_options options;
    struct api_context ctx;
    struct metadata_request in;
    struct metadata_response out;
    struct request r;
};

static const struct uuid big_id = {{1, 2, 3}};

// A cluster without brokers, so that nobody asks which listener the request came from.
static void scene_open(struct scene *s)
{
    static struct metadata_partition partitions[PARTITIONS];
    int32_t replicas[] = {1, 2, 3};
    for (int32_t i = 0; i < PARTITIONS; i++) {
        partitions[i] = (struct metadata_partition){
            .index = i, .leader = -1, .replicas = replicas, .replicas_count = 3, .isr = replicas, .isr_count = 3};
    }
    struct metadata_topic big = {
        .name = "big.topic", .id = big_id, .partitions = partitions, .partitions_count = PARTITIONS};
    struct metadata_builder *b = metadata_builder_new(NULL, "cluster");
    metadata_builder_put_topic(b, &big);
    memset(s, 0, sizeof *s);
    metadata_request_init(&s->in);
    metadata_response_init(&s->out);
    s->options.auto_create_topics = true;
    s->ctx.options = &s->options;
    s->r = (struct request){.ctx = &s->ctx,
                            .version = METADATA_VERSION,
                            .in = &s->in,
                            .out = &s->out,
                            .metadata = metadata_builder_finish(b)};
    arena_init(&s->r.arena, REQUEST_ARENA_LIMIT(FRAME_BYTES));
}

static void scene_close(struct scene *s)
{
    metadata_unref(s->r.metadata);
    arena_release(&s->r.arena);
}

static void assert_big(const struct metadata_response_metadata_response_topic *t)
{
    assert_int_equal(t->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(t->partitions_count, PARTITIONS);
    assert_int_equal(t->partitions[PARTITIONS - 1].partition_index, PARTITIONS - 1);
    assert_int_equal(t->partitions[PARTITIONS - 1].offline_replicas_count, 3);
}

static void test_all_topics_however_many_partitions(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s);
    s.in.topics_count = -1;
    assert_int_equal(api_metadata(&s.r), API_DONE);
    assert_int_equal(s.out.topics_count, 1);
    assert_big(&s.out.topics[0]);
    scene_close(&s);
}

static void test_named_twice_is_answered_once(void **state)
{
    (void)state;
    struct scene s;
    struct metadata_request_metadata_request_topic topics[3];
    scene_open(&s);
    for (int i = 0; i < 3; i++) {
        metadata_request_metadata_request_topic_init(&topics[i]);
        topics[i].name = slice_str("big.topic");
    }
    s.in.topics = topics;
    s.in.topics_count = 3;
    assert_int_equal(api_metadata(&s.r), API_DONE);
    assert_int_equal(s.out.topics_count, 1);
    assert_big(&s.out.topics[0]);
    scene_close(&s);
}

static void test_ids_given_twice_are_answered_once(void **state)
{
    (void)state;
    struct scene s;
    struct metadata_request_metadata_request_topic topics[5];
    static const struct uuid unknown = {{9}};
    const struct uuid ids[5] = {big_id, unknown, big_id, unknown, {{0}}};
    scene_open(&s);
    for (int i = 0; i < 5; i++) {
        metadata_request_metadata_request_topic_init(&topics[i]);
        topics[i].name = i == 4 ? slice_str("big.topic") : SLICE_NULL; // only by name: ignored beside ids
        topics[i].topic_id = ids[i];
    }
    s.in.topics = topics;
    s.in.topics_count = 5;
    assert_int_equal(api_metadata(&s.r), API_DONE);
    assert_int_equal(s.out.topics_count, 2);
    assert_big(&s.out.topics[0]);
    assert_int_equal(s.out.topics[1].error_code, KAFKA_ERROR_UNKNOWN_TOPIC_ID);
    scene_close(&s);
}

static void test_a_name_like_another_is_not_created(void **state)
{
    (void)state;
    struct scene s;
    struct metadata_request_metadata_request_topic topic;
    scene_open(&s);
    metadata_request_metadata_request_topic_init(&topic);
    topic.name = slice_str("big_topic");
    s.in.topics = &topic;
    s.in.topics_count = 1;
    s.in.allow_auto_topic_creation = true;
    assert_int_equal(api_metadata(&s.r), API_DONE);
    assert_int_equal(s.out.topics_count, 1);
    assert_int_equal(s.out.topics[0].error_code, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION);
    scene_close(&s);
}

// As Kafka: also of a topic that is not there, but not of an id that nobody knows.
static void test_authorized_operations(void **state)
{
    (void)state;
    static const struct uuid unknown = {{9}};
    struct metadata_request_metadata_request_topic topics[3];
    const char *const names[3] = {"big.topic", "nope", "bad topic!"};
    for (int16_t version = 7; version <= METADATA_VERSION; version++) {
        struct scene s;
        scene_open(&s);
        for (int i = 0; i < 3; i++) {
            metadata_request_metadata_request_topic_init(&topics[i]);
            topics[i].name = slice_str(names[i]);
        }
        s.r.version = version;
        s.in.topics = topics;
        s.in.topics_count = 3;
        s.in.allow_auto_topic_creation = false;
        s.in.include_topic_authorized_operations = version >= 8;
        assert_int_equal(api_metadata(&s.r), API_DONE);
        assert_int_equal(s.out.topics_count, 3);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(s.out.topics[i].topic_authorized_operations,
                             version >= 8 ? TOPIC_OPERATIONS_ALL : INT32_MIN);
        }
        scene_close(&s);
    }
    struct scene s;
    scene_open(&s);
    metadata_request_metadata_request_topic_init(&topics[0]);
    topics[0].name = SLICE_NULL;
    topics[0].topic_id = unknown;
    s.in.topics = topics;
    s.in.topics_count = 1;
    s.in.include_topic_authorized_operations = true;
    assert_int_equal(api_metadata(&s.r), API_DONE);
    assert_int_equal(s.out.topics[0].topic_authorized_operations, INT32_MIN);
    scene_close(&s);
}

// Neither that there is no topic, nor that there is none of this name.
static void test_untold_broker(void **state)
{
    (void)state;
    struct metadata_request_metadata_request_topic topic;
    metadata_request_metadata_request_topic_init(&topic);
    topic.name = slice_str("big.topic");
    for (int32_t count = -1; count <= 1; count++) {
        struct scene s;
        scene_open(&s);
        metadata_unref(s.r.metadata);
        s.r.metadata = metadata_builder_finish(metadata_builder_new(NULL, "cluster"));
        s.in.topics = &topic;
        s.in.topics_count = count;
        assert_int_equal(api_metadata(&s.r), API_CLOSE);
        scene_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_topics_however_many_partitions),
        cmocka_unit_test(test_named_twice_is_answered_once),
        cmocka_unit_test(test_ids_given_twice_are_answered_once),
        cmocka_unit_test(test_a_name_like_another_is_not_created),
        cmocka_unit_test(test_authorized_operations),
        cmocka_unit_test(test_untold_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
