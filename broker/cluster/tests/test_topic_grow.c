// SPDX-License-Identifier: Apache-2.0
//
// The checks of CreatePartitions with the codes and sentences a Kafka 3.9.1 answered, and growth on a running cluster.
#include "broker/cluster/topic_grow.h"

#include "base/tests/cmocka_all.h"
#include "broker/cluster/metadata_builder.h"
#include "broker/cluster/tests/cluster_rig.h"
#include "protocol/protocol.h"

static const struct metadata *picture(int32_t brokers)
{
    struct metadata_endpoint endpoint = {"PLAINTEXT", "h", 1};
    struct metadata_broker list[3];
    struct metadata_builder *b = metadata_builder_new(NULL, "c");
    for (int32_t i = 0; i < brokers; i++) {
        list[i] = (struct metadata_broker){.id = i + 1, .endpoints = &endpoint, .endpoints_count = 1};
    }
    metadata_builder_set_brokers(b, list, brokers);
    return metadata_builder_finish(b);
}

struct scene {
    const struct metadata *metadata;
    struct arena a;
    int32_t first[2];
    struct znode_replicas partitions[6];
    struct znode_topic now;
};

// A topic of six partitions with one replica each, on broker 1.
static void scene_init(struct scene *s, int32_t brokers)
{
    *s = (struct scene){.metadata = picture(brokers), .first = {1, 2}};
    arena_init(&s->a, 1024 * 1024);
    for (int32_t i = 0; i < 6; i++) {
        s->partitions[i] = (struct znode_replicas){.partition = i, .replicas = s->first, .replicas_count = 1};
    }
    s->now = (struct znode_topic){.partitions = s->partitions, .partitions_count = 6, .has_topic_id = true};
}

static void scene_release(struct scene *s)
{
    metadata_unref(s->metadata);
    arena_release(&s->a);
}

static struct topic_grow asked(int32_t count)
{
    return (struct topic_grow){.name = "t", .name_len = 1, .count = count, .assignments_count = -1};
}

static void assert_refused(struct scene *s, struct topic_grow t, const struct znode_topic *now, bool marked,
                           int16_t code, const char *message)
{
    struct znode_topic next;
    assert_int_equal(topic_grow_plan(s->metadata, now, marked, &t, &s->a, &next), ERR_OK);
    assert_int_equal(t.error_code, code);
    assert_string_equal(t.error_message, message);
}

static void test_counts(void **state)
{
    (void)state;
    struct scene s;
    scene_init(&s, 1);
    assert_refused(&s, asked(6), &s.now, false, KAFKA_ERROR_INVALID_PARTITIONS, "Topic already has 6 partitions.");
    assert_refused(&s, asked(2), &s.now, false, KAFKA_ERROR_INVALID_PARTITIONS,
                   "Topic currently has 6 partitions, which is higher than the requested 2.");
    assert_refused(&s, asked(TOPIC_MAX_PARTITIONS + 1), &s.now, false, KAFKA_ERROR_INVALID_PARTITIONS,
                   "Number of partitions must be at most 100000.");
    assert_refused(&s, asked(9), NULL, false, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, "The topic 't' does not exist.");
    assert_refused(&s, asked(9), &s.now, true, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION,
                   "The topic is queued for deletion.");
    scene_release(&s);
}

static void test_reassignment_in_progress(void **state)
{
    (void)state;
    int32_t other[] = {2};
    static const char message[] = "A partition reassignment is in progress for the topic 't'.";
    struct scene s;
    scene_init(&s, 1);
    s.partitions[4].adding = other;
    s.partitions[4].adding_count = 1;
    assert_refused(&s, asked(2), &s.now, false, KAFKA_ERROR_REASSIGNMENT_IN_PROGRESS, message);
    s.partitions[4].adding_count = 0;
    s.partitions[0].removing = other;
    s.partitions[0].removing_count = 1;
    assert_refused(&s, asked(9), &s.now, false, KAFKA_ERROR_REASSIGNMENT_IN_PROGRESS, message);
    scene_release(&s);
}

static void test_assignments(void **state)
{
    (void)state;
    int32_t ids[] = {1, 1, 9, 2};
    struct topic_assignment none = {.brokers = ids, .brokers_count = 0}, one = {.brokers = ids, .brokers_count = 1},
                            twice = {.brokers = ids, .brokers_count = 2},
                            unknown = {.brokers = ids + 2, .brokers_count = 1},
                            two = {.brokers = (int32_t[]){1, 2}, .brokers_count = 2};
    const struct {
        struct topic_assignment *row;
        int32_t count;
        const char *message;
    } rows[] = {
        {&one, 8, "Increasing the number of partitions by 2 but 1 assignments provided."},
        {&unknown, 7, "Unknown broker(s) in replica assignment: 9."},
        {&twice, 7, "Duplicate brokers not allowed in replica assignment: 1, 1 for partition id 6."},
        {&none, 7, "Cannot have replication factor of 0 for partition id 6."},
        {&two, 7,
         "Inconsistent replication factor between partitions, partition 0 has 1 while partitions [6] have replication "
         "factors [2], respectively."},
    };
    struct scene s;
    scene_init(&s, 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct topic_grow t = asked(rows[i].count);
        t.assignments = rows[i].row;
        t.assignments_count = 1;
        assert_refused(&s, t, &s.now, false, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT, rows[i].message);
    }
    struct topic_grow t = asked(7);
    struct znode_topic next;
    t.assignments = &one;
    t.assignments_count = 1;
    assert_int_equal(topic_grow_plan(s.metadata, &s.now, false, &t, &s.a, &next), ERR_OK);
    assert_int_equal(t.error_code, 0);
    assert_int_equal(next.partitions_count, 7);
    assert_int_equal(next.partitions[6].partition, 6);
    assert_int_equal(next.partitions[6].replicas[0], 1);
    scene_release(&s);
}

// Leaders go on in turn from the broker of partition 0; followers as in Kafka's assignment from that place.
static void test_choice(void **state)
{
    (void)state;
    static const int32_t leaders[] = {1, 2, 3, 1};
    struct scene s;
    struct znode_topic next;
    scene_init(&s, 3);
    struct topic_grow t = asked(10);
    assert_int_equal(topic_grow_plan(s.metadata, &s.now, false, &t, &s.a, &next), ERR_OK);
    assert_int_equal(t.error_code, 0);
    assert_int_equal(next.partitions_count, 10);
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(next.partitions[6 + i].partition, 6 + i);
        assert_int_equal(next.partitions[6 + i].replicas_count, 1);
        assert_int_equal(next.partitions[6 + i].replicas[0], leaders[i]);
    }
    s.first[0] = 3; // partition 0 on broker 3: index 2, then around
    t = asked(7);
    assert_int_equal(topic_grow_plan(s.metadata, &s.now, false, &t, &s.a, &next), ERR_OK);
    assert_int_equal(next.partitions[6].replicas[0], 3);
    scene_release(&s);
}

static struct cluster_job *grow_job_new(const char *name, int32_t count)
{
    struct cluster_job *j;
    assert_int_equal(cluster_job_new(CLUSTER_CREATE_PARTITIONS, &j), ERR_OK);
    j->grows = arena_array(&j->arena, 1, sizeof *j->grows);
    assert_non_null(j->grows);
    j->grows_count = 1;
    j->grows[0] = (struct topic_grow){.name = name, .name_len = strlen(name), .count = count, .assignments_count = -1};
    return j;
}

static int16_t grow(struct cluster_rig *r, const char *name, int32_t count, bool validate_only)
{
    struct cluster_job *j = grow_job_new(name, count);
    j->validate_only = validate_only;
    cluster_rig_run(r, j);
    assert_int_equal(j->err, ERR_OK);
    int16_t code = j->grows[0].error_code;
    cluster_job_unref(j);
    return code;
}

static int32_t partitions_of(struct cluster_rig *r, const char *name)
{
    const struct metadata *m = cluster_metadata(r->cluster);
    int32_t count = metadata_topic_find(m, slice_str(name))->partitions_count;
    metadata_unref(m);
    return count;
}

static void test_cluster(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    cluster_rig_create(&r, "t", 1);
    assert_int_equal(grow(&r, "t", 3, true), 0);
    assert_int_equal(partitions_of(&r, "t"), 1);
    assert_int_equal(grow(&r, "t", 3, false), 0);
    assert_int_equal(partitions_of(&r, "t"), 3); // when the job ends, not some time later
    assert_true(cluster_rig_hosted(&r, "t-2")->is_new);
    assert_int_equal(grow(&r, "t", 3, false), KAFKA_ERROR_INVALID_PARTITIONS);
    assert_int_equal(grow(&r, "nope", 3, false), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(grow(&r, "a/b", 3, false), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cluster_rig_stop(&r);
    cluster_rig_start(&r);
    assert_int_equal(partitions_of(&r, "t"), 3);
    assert_int_equal(grow(&r, "t", 4, false), 0);
    assert_int_equal(partitions_of(&r, "t"), 4);
    cluster_rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),      cmocka_unit_test(test_reassignment_in_progress),
        cmocka_unit_test(test_assignments), cmocka_unit_test(test_choice),
        cmocka_unit_test(test_cluster),
    };
    return cmocka_run_group_tests_name("cluster/topic_grow", tests, NULL, NULL);
}
