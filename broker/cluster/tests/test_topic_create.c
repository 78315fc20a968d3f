// SPDX-License-Identifier: Apache-2.0
//
// The checks of CreateTopics with the codes and sentences a Kafka 3.9.1 answered, and the assignment of replicas.
#include "broker/cluster/topic_create.h"

#include <stdio.h>

#include "base/tests/cmocka_all.h"
#include "broker/cluster/metadata_builder.h"
#include "protocol/protocol.h"

static const struct metadata *picture(const char *topic)
{
    struct metadata_endpoint endpoint = {"PLAINTEXT", "h", 1};
    struct metadata_broker brokers[] = {{.id = 1, .endpoints = &endpoint, .endpoints_count = 1}};
    struct metadata_topic t = {.name = topic};
    struct metadata_builder *b = metadata_builder_new(NULL, "c");
    metadata_builder_set_brokers(b, brokers, 1);
    metadata_builder_put_topic(b, &t);
    return metadata_builder_finish(b);
}

struct scene {
    struct topic_config defaults;
    struct topic_create_context x;
    struct arena a;
    char *existing[2];
    char *marked[1];
};

static void scene_init(struct scene *s)
{
    static char known[] = "known", dotted[] = "pr-a.b", marked[] = "marked";
    topic_config_init(&s->defaults);
    s->defaults.retention_bytes = 99;
    memset(s->defaults.set, true, sizeof s->defaults.set); // by server.properties
    arena_init(&s->a, 4 * 1024 * 1024);
    s->existing[0] = known;
    s->existing[1] = dotted;
    s->marked[0] = marked;
    s->x = (struct topic_create_context){.os = os_real(),
                                         .num_partitions = 3,
                                         .default_replication_factor = 1,
                                         .topic_defaults = &s->defaults,
                                         .metadata = picture("pictured"),
                                         .existing = s->existing,
                                         .existing_count = 2,
                                         .marked = s->marked,
                                         .marked_count = 1};
}

static void scene_release(struct scene *s)
{
    metadata_unref(s->x.metadata);
    arena_release(&s->a);
}

static struct topic_create asked(const char *name, int32_t partitions, int16_t factor)
{
    return (struct topic_create){
        .name = name, .name_len = strlen(name), .num_partitions = partitions, .replication_factor = factor};
}

static void assert_refused(struct scene *s, struct topic_create t, int16_t code, const char *message)
{
    struct topic_plan plan;
    assert_int_equal(topic_create_plan(&s->x, &t, &s->a, &plan), ERR_OK);
    assert_int_equal(t.error_code, code);
    assert_string_equal(t.error_message, message);
}

static void test_names_and_counts(void **state)
{
    (void)state;
    char long_name[252], long_message[400];
    memset(long_name, 'x', 250);
    long_name[250] = '\0';
    snprintf(long_message, sizeof long_message,
             "Topic name is invalid: the length of '%s' is longer than the max allowed length 249", long_name);
    const struct {
        const char *name;
        int32_t partitions;
        int16_t factor;
        int16_t code;
        const char *message;
    } rows[] = {
        {"pictured", 1, 1, 36, "Topic 'pictured' already exists."},
        {"known", 1, 1, 36, "Topic 'known' already exists."},
        {"marked", 1, 1, 36, "Topic 'marked' is marked for deletion."},
        {"pr-a_b", 1, 1, 17, "Topic 'pr-a_b' collides with existing topics: pr-a.b"},
        {"x", 0, 1, 37, "Number of partitions must be larger than 0."},
        {"x", -2, 1, 37, "Number of partitions must be larger than 0."},
        {"x", 100001, 1, 37, "Number of partitions must be at most 100000."},
        {"x", 1, 0, 38, "Replication factor must be larger than 0."},
        {"x", 1, 3, 38, "Replication factor: 3 larger than available brokers: 1."},
        {"", 1, 1, 17, "Topic name is invalid: the empty string is not allowed"},
        {".", 1, 1, 17, "Topic name is invalid: '.' is not allowed"},
        {"..", 1, 1, 17, "Topic name is invalid: '..' is not allowed"},
        {"bad topic!", 1, 1, 17,
         "Topic name is invalid: 'bad topic!' contains one or more characters other than ASCII alphanumerics, '.', '_' "
         "and '-'"},
        {long_name, 1, 1, 17, long_message},
        {"bad!", 0, 1, 37, "Number of partitions must be larger than 0."}, // counts come first
        {"__cluster_metadata", 1, 1, 42, "Creation of internal topic __cluster_metadata is prohibited."},
    };
    struct scene s;
    scene_init(&s);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_refused(&s, asked(rows[i].name, rows[i].partitions, rows[i].factor), rows[i].code, rows[i].message);
    }
    struct topic_create t = asked("twice", 1, 1);
    t.duplicate = true;
    assert_refused(&s, t, KAFKA_ERROR_INVALID_REQUEST, "Found multiple entries for this topic.");
    t = asked("a", 1, 1);
    t.name = "a\0b"; // a name may hold any bytes
    t.name_len = 3;
    struct topic_plan plan;
    assert_int_equal(topic_create_plan(&s.x, &t, &s.a, &plan), ERR_OK);
    assert_int_equal(t.error_code, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION);
    s.x.auto_create = true;
    t = asked("__cluster_metadata", -1, -1);
    assert_int_equal(topic_create_plan(&s.x, &t, &s.a, &plan), ERR_OK);
    assert_int_equal(t.error_code, 0);
    scene_release(&s);
}

static void test_configs(void **state)
{
    (void)state;
    const struct {
        struct topic_config_entry entry;
        const char *message;
    } rows[] = {
        {{"no.such", "1"}, "Unknown topic config name: no.such"},
        {{"retention.ms", "abc"}, "Invalid value abc for configuration retention.ms: Not a number of type LONG"},
        {{"retention.ms", NULL}, "Null value not supported for topic configs: retention.ms"},
        {{"remote.storage.enable", "true"},
         "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."},
    };
    struct scene s;
    scene_init(&s);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct topic_config_entry entry = rows[i].entry;
        struct topic_create t = asked("x", 1, 1);
        t.configs = &entry;
        t.configs_count = 1;
        assert_refused(&s, t, KAFKA_ERROR_INVALID_CONFIG, rows[i].message);
    }
    struct topic_config_entry good[] = {{"retention.ms", "1"}, {"flush.ms", "9"}, {"retention.ms", "2"}};
    struct topic_create t = asked("x", -1, -1);
    struct topic_plan plan;
    t.configs = good;
    t.configs_count = 3;
    assert_int_equal(topic_create_plan(&s.x, &t, &s.a, &plan), ERR_OK);
    assert_int_equal(t.error_code, 0);
    assert_int_equal(t.out_partitions, 3);
    assert_int_equal(t.out_replication_factor, 1);
    assert_int_equal(plan.config.entries_count, 2); // of a key given twice the last value counts
    assert_string_equal(znode_config_find(&plan.config, "retention.ms"), "2");
    assert_int_equal(plan.effective->retention_ms, 2);
    assert_int_equal(plan.effective->retention_bytes, 99);
    assert_true(plan.effective->set[topic_config_find("flush.ms")]);
    assert_false(plan.effective->set[topic_config_find("retention.bytes")]); // the broker's, not the topic's own
    assert_false(uuid_is_zero(&plan.topic.topic_id));
    scene_release(&s);
}

static void test_manual_assignment(void **state)
{
    (void)state;
    int32_t one[] = {1}, twice[] = {1, 1}, nine[] = {9};
    const struct {
        struct topic_assignment rows[2];
        int count;
        int32_t partitions;
        int16_t code;
        const char *message;
    } cases[] = {
        {{{0, one, 1}},
         1,
         1,
         KAFKA_ERROR_INVALID_REQUEST,
         "Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same "
         "time."},
        {{{0, one, 1}, {2, one, 1}}, 2, -1, 39, "partitions should be a consecutive 0-based integer sequence"},
        {{{0, twice, 2}}, 1, -1, 39, "Duplicate replica assignment found: HashMap(0 -> ArrayBuffer(1, 1))"},
        {{{0, one, 1}, {1, twice, 2}}, 2, -1, 39, "All partitions should have the same number of replicas"},
        {{{0, nine, 1}}, 1, -1, 39, "Unknown broker(s) in replica assignment: 9."},
        {{{0, one, 0}}, 1, -1, 39, "The replica list of partition 0 is empty."},
        {{{-1, one, 1}}, 1, -1, 39, "partitions should be a consecutive 0-based integer sequence"},
    };
    struct scene s;
    scene_init(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct topic_assignment rows[2];
        memcpy(rows, cases[i].rows, sizeof rows);
        struct topic_create t = asked("x", cases[i].partitions, -1);
        t.assignments = rows;
        t.assignments_count = cases[i].count;
        assert_refused(&s, t, cases[i].code, cases[i].message);
    }
    struct topic_assignment rows[] = {{1, one, 1}, {0, one, 1}, {1, one, 1}};
    struct topic_create t = asked("x", -1, -1);
    struct topic_plan plan;
    t.assignments = rows;
    t.assignments_count = 3;
    assert_int_equal(topic_create_plan(&s.x, &t, &s.a, &plan), ERR_OK);
    assert_int_equal(t.error_code, 0);
    assert_int_equal(plan.topic.partitions_count, 2);
    assert_int_equal(plan.topic.partitions[1].partition, 1);
    scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_counts),
        cmocka_unit_test(test_configs),
        cmocka_unit_test(test_manual_assignment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
