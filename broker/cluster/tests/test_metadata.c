// SPDX-License-Identifier: Apache-2.0
//
// Pictures are found by name and id, stay as they are while newer ones are made, and share what did not change.
#include "broker/cluster/metadata_builder.h"

#include <stdio.h>

#include "base/tests/cmocka_all.h"

static struct uuid id_of(int n)
{
    struct uuid id = {{0}};
    id.b[0] = (uint8_t)n;
    id.b[1] = (uint8_t)(n >> 8);
    id.b[15] = 1;
    return id;
}

static void put(struct metadata_builder *b, const char *name, int id, int32_t partitions, int32_t leader)
{
    struct metadata_partition list[8];
    int32_t replicas[] = {leader, 7};
    assert_true(partitions <= 8);
    for (int32_t i = 0; i < partitions; i++) {
        list[i] = (struct metadata_partition){
            .index = i, .leader = leader, .replicas = replicas, .replicas_count = 2, .isr = replicas, .isr_count = 1};
    }
    struct metadata_topic t = {.name = name, .id = id_of(id), .partitions = list, .partitions_count = partitions};
    metadata_builder_put_topic(b, &t);
    replicas[0] = -5; // what was given is copied
}

static void test_topics(void **state)
{
    (void)state;
    struct metadata_builder *b = metadata_builder_new(NULL, "cluster");
    put(b, "b", 2, 1, 1);
    put(b, "c", 3, 3, 1);
    put(b, "a", 1, 2, 1);
    const struct metadata *m = metadata_builder_finish(b);
    assert_int_equal(metadata_version(m), 1);
    assert_string_equal(metadata_cluster_id(m), "cluster");
    assert_int_equal(metadata_topics_count(m), 3);
    assert_string_equal(metadata_topic_at(m, 0)->name, "a");
    assert_string_equal(metadata_topic_at(m, 2)->name, "c");
    const struct metadata_topic *c = metadata_topic_find(m, slice_str("c"));
    assert_non_null(c);
    struct uuid id = id_of(3);
    assert_ptr_equal(metadata_topic_find_id(m, &id), c);
    assert_int_equal(metadata_partition_find(c, 2)->replicas[0], 1);
    assert_int_equal(metadata_partition_find(c, 2)->isr_count, 1);
    assert_null(metadata_partition_find(c, 3));
    assert_null(metadata_partition_find(c, -1));
    assert_null(metadata_topic_find(m, slice_str("")));
    assert_null(metadata_topic_find(m, slice_of("cc", 2)));
    id = id_of(4);
    assert_null(metadata_topic_find_id(m, &id));

    b = metadata_builder_new(m, "cluster");
    put(b, "c", 4, 1, 9);
    metadata_builder_remove_topic(b, "a");
    metadata_builder_remove_topic(b, "nobody");
    const struct metadata *next = metadata_builder_finish(b);
    assert_int_equal(metadata_version(next), 2);
    assert_int_equal(metadata_topics_count(next), 2);
    assert_null(metadata_topic_find(next, slice_str("a")));
    assert_int_equal(metadata_partition_find(metadata_topic_find(next, slice_str("c")), 0)->leader, 9);
    id = id_of(3);
    assert_null(metadata_topic_find_id(next, &id));
    // The older picture is as it was; what did not change is the same object.
    assert_int_equal(c->partitions_count, 3);
    assert_ptr_equal(metadata_topic_find_id(m, &id), c);
    assert_ptr_equal(metadata_topic_find(m, slice_str("b")), metadata_topic_find(next, slice_str("b")));
    metadata_unref(m);
    assert_string_equal(metadata_topic_find(next, slice_str("b"))->name, "b");
    metadata_unref(next);
}

static void test_brokers(void **state)
{
    (void)state;
    struct metadata_endpoint endpoints[] = {{"PLAINTEXT", "127.0.0.1", 9092}, {"INNER", "::1", 9093}};
    struct metadata_broker brokers[] = {
        {.id = 5, .endpoints = endpoints, .endpoints_count = 2},
        {.id = 1, .rack = "r", .endpoints = endpoints, .endpoints_count = 1},
    };
    struct metadata_builder *b = metadata_builder_new(NULL, "x");
    metadata_builder_set_brokers(b, brokers, 2);
    metadata_builder_set_controller(b, 5);
    const struct metadata *m = metadata_builder_finish(b);
    const struct metadata *next = metadata_builder_finish(metadata_builder_new(m, "x"));
    metadata_unref(m);
    assert_int_equal(metadata_controller_id(next), 5);
    assert_int_equal(metadata_brokers_count(next), 2);
    assert_int_equal(metadata_broker_at(next, 0)->id, 1);
    assert_string_equal(metadata_broker_at(next, 0)->rack, "r");
    assert_null(metadata_broker_find(next, 2));
    const struct metadata_broker *five = metadata_broker_find(next, 5);
    assert_null(five->rack);
    assert_int_equal(metadata_broker_endpoint(five, "INNER")->port, 9093);
    assert_null(metadata_broker_endpoint(metadata_broker_at(next, 0), "INNER"));
    metadata_ref(next);
    metadata_unref(next);
    metadata_unref(next);
}

static void test_many_topics(void **state)
{
    (void)state;
    struct metadata_builder *b = metadata_builder_new(NULL, "x");
    char name[16];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "t%d", i * 7919 % 3000);
        put(b, name, i * 7919 % 3000, 1, 1);
    }
    const struct metadata *m = metadata_builder_finish(b);
    assert_int_equal(metadata_topics_count(m), 3000);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "t%d", i);
        const struct metadata_topic *t = metadata_topic_find(m, slice_str(name));
        assert_non_null(t);
        struct uuid id = id_of(i);
        assert_ptr_equal(metadata_topic_find_id(m, &id), t);
    }
    assert_null(metadata_topic_find(m, slice_str("t3000")));
    metadata_unref(m);
}

static void test_names_that_differ_in_dots_only(void **state)
{
    (void)state;
    struct metadata_builder *b = metadata_builder_new(NULL, "x");
    put(b, "a.b_c", 1, 1, 1);
    put(b, "plain", 2, 1, 1);
    const struct metadata *m = metadata_builder_finish(b);
    const struct metadata_topic *t = metadata_topic_find(m, slice_str("a.b_c"));
    assert_ptr_equal(metadata_topic_find_like(m, slice_str("a.b_c")), t);
    assert_ptr_equal(metadata_topic_find_like(m, slice_str("a_b.c")), t);
    assert_ptr_equal(metadata_topic_find_like(m, slice_str("a_b_c")), t);
    assert_non_null(metadata_topic_find_like(m, slice_str("plain")));
    assert_null(metadata_topic_find_like(m, slice_str("a.b")));
    assert_null(metadata_topic_find_like(m, slice_str("a.b_cd")));
    assert_null(metadata_topic_find_like(m, slice_str("a-b_c")));
    assert_null(metadata_topic_find_like(m, slice_str("")));
    metadata_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_brokers),
        cmocka_unit_test(test_many_topics),
        cmocka_unit_test(test_names_that_differ_in_dots_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
