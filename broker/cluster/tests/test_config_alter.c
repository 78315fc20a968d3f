// SPDX-License-Identifier: Apache-2.0
//
// Changes of configs with the codes and sentences a Kafka 3.9.1 answered, and what is to be kept afterwards.
#include "broker/cluster/config_alter.h"

#include "base/tests/cmocka_all.h"
#include "broker/cluster/tests/config_scene.h"
#include "protocol/protocol.h"

struct alter_case {
    int8_t type;
    const char *name;
    struct config_change change;
    int16_t error_code;
    const char *message; // NULL = none
    const char *kept;    // "key=value;..." when it is accepted
};

#define TOPIC  CONFIG_RESOURCE_TOPIC
#define BROKER CONFIG_RESOURCE_BROKER
#define SET    CONFIG_OP_SET
#define DELETE CONFIG_OP_DELETE
#define APPEND CONFIG_OP_APPEND
#define TAKE   CONFIG_OP_SUBTRACT

// What there is before: of a topic retention.ms=1, of a broker message.max.bytes=7.
static const struct alter_case cases[] = {
    {TOPIC, "t", {"flush.ms", "9", SET}, 0, NULL, "retention.ms=1;flush.ms=9;"},
    {TOPIC, "t", {"retention.ms", "2", SET}, 0, NULL, "retention.ms=2;"},
    {TOPIC, "t", {"retention.ms", NULL, DELETE}, 0, NULL, ""},
    {TOPIC, "t", {"flush.ms", NULL, DELETE}, 0, NULL, "retention.ms=1;"},
    {TOPIC, "t", {"no.such", NULL, DELETE}, 0, NULL, "retention.ms=1;"},
    {TOPIC, "t", {"cleanup.policy", "compact", APPEND}, 0, NULL, "retention.ms=1;cleanup.policy=delete,compact;"},
    {TOPIC, "t", {"cleanup.policy", "delete", APPEND}, 0, NULL, "retention.ms=1;cleanup.policy=delete;"},
    {TOPIC, "t", {"cleanup.policy", "delete", TAKE}, 0, NULL, "retention.ms=1;cleanup.policy=;"},
    {TOPIC, "t", {"cleanup.policy", "compact", TAKE}, 0, NULL, "retention.ms=1;cleanup.policy=delete;"},
    {TOPIC, "t", {"no.such", "1", SET}, KAFKA_ERROR_INVALID_CONFIG, "Unknown topic config name: no.such", NULL},
    {TOPIC,
     "t",
     {"retention.ms", "abc", SET},
     KAFKA_ERROR_INVALID_CONFIG,
     "Invalid config value for resource ConfigResource(type=TOPIC, name='t'): Invalid value abc for configuration "
     "retention.ms: Not a number of type LONG",
     NULL},
    {TOPIC, "t", {"max.compaction.lag.ms", "1", SET}, 0, NULL, "retention.ms=1;max.compaction.lag.ms=1;"},
    {TOPIC,
     "t",
     {"retention.ms", NULL, SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Null value not supported for : retention.ms",
     NULL},
    {TOPIC,
     "t",
     {"retention.ms", "1", APPEND},
     KAFKA_ERROR_INVALID_CONFIG,
     "Config value append is not allowed for config key: retention.ms",
     NULL},
    {TOPIC,
     "t",
     {"retention.ms", "1", TAKE},
     KAFKA_ERROR_INVALID_CONFIG,
     "Config value subtract is not allowed for config key: retention.ms",
     NULL},
    {TOPIC,
     "t",
     {"remote.storage.enable", "true", SET},
     KAFKA_ERROR_INVALID_CONFIG,
     "Invalid config value for resource ConfigResource(type=TOPIC, name='t'): Tiered Storage functionality is disabled "
     "in the broker. Topic cannot be configured with remote log storage.",
     NULL},
    {TOPIC, "t", {"no.such", "1", APPEND}, KAFKA_ERROR_UNKNOWN_SERVER_ERROR, NULL, NULL},
    {TOPIC, "t", {"retention.ms", "1", 7}, KAFKA_ERROR_UNKNOWN_SERVER_ERROR, NULL, NULL},
    {TOPIC,
     "nope",
     {"retention.ms", "1", SET},
     KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION,
     "The topic 'nope' does not exist.",
     NULL},
    {TOPIC,
     "",
     {"retention.ms", "1", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Default topic resources are not allowed.",
     NULL},
    {BROKER, "1", {"log.cleaner.threads", "2", SET}, 0, NULL, "message.max.bytes=7;log.cleaner.threads=2;"},
    {BROKER,
     "1",
     {"log.cleanup.policy", "compact", APPEND},
     0,
     NULL,
     "message.max.bytes=7;log.cleanup.policy=delete,compact;"},
    {BROKER, "1", {"my.custom", "2", SET}, 0, NULL, "message.max.bytes=7;my.custom=2;"},
    {BROKER, "1", {"my.custom", "2", APPEND}, KAFKA_ERROR_UNKNOWN_SERVER_ERROR, NULL, NULL},
    {BROKER, "1", {"throttle.rate", "2", SET}, 0, NULL, "message.max.bytes=7;throttle.rate=2;"},
    {BROKER, "", {"log.retention.ms", "700", SET}, 0, NULL, "message.max.bytes=7;log.retention.ms=700;"},
    {BROKER,
     "1",
     {"num.partitions", "2", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Cannot update these configs dynamically: Set(num.partitions)",
     NULL},
    {BROKER,
     "1",
     {"log.retention.hours", "2", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Cannot update these configs dynamically: Set(log.retention.hours)",
     NULL},
    {BROKER,
     "1",
     {"log.cleaner.threads", "x", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Invalid value x for configuration log.cleaner.threads: Not a number of type INT",
     NULL},
    {BROKER,
     "1",
     {"log.cleaner.threads", "0", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Invalid value org.apache.kafka.common.config.ConfigException: Log cleaner threads should be at least 1 for "
     "configuration Invalid dynamic configuration",
     NULL},
    {BROKER,
     "1",
     {"log.cleaner.threads", "3", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Invalid value org.apache.kafka.common.config.ConfigException: Log cleaner threads cannot be increased to more "
     "than double the current value 1 for configuration Invalid dynamic configuration",
     NULL},
    {BROKER,
     "1",
     {"log.cleaner.threads", "128", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
     NULL},
    {BROKER,
     "1",
     {"log.cleaner.dedupe.buffer.size", "1048576", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
     NULL},
    {BROKER,
     "1",
     {"log.retention.ms", "0", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
     NULL},
    {BROKER, "1", {"log.retention.ms", "-1", SET}, 0, NULL, "message.max.bytes=7;log.retention.ms=-1;"},
    {BROKER,
     "1",
     {"num.io.threads", "0", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation failed for "
     "num.io.threads=0, value should be at least 1 for configuration Invalid dynamic configuration",
     NULL},
    {BROKER,
     "1",
     {"num.io.threads", "100", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation failed for "
     "num.io.threads=100, value should not be greater than double the current value 8 for configuration Invalid "
     "dynamic "
     "configuration",
     NULL},
    {BROKER,
     "1",
     {"num.io.threads", "3", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation failed for "
     "num.io.threads=3, value should be at least half the current value 8 for configuration Invalid dynamic "
     "configuration",
     NULL},
    {BROKER,
     "1",
     {"num.io.threads", "9", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Cannot update these configs dynamically: Set(num.io.threads)",
     NULL},
    {BROKER,
     "5",
     {"log.cleaner.threads", "2", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Unexpected broker id, expected 1, but received 5",
     NULL},
    {BROKER,
     "abc",
     {"log.cleaner.threads", "2", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Node id must be an integer, but it is: abc",
     NULL},
    {BROKER,
     "",
     {"ssl.keystore.password", "x", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "These security configs can be dynamically updated only per-listener using the listener prefix: "
     "HashSet(ssl.keystore.password)",
     NULL},
    {BROKER,
     "",
     {"ssl.client.auth", "none", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "Cannot update these configs at default cluster level, broker id must be specified: Set(ssl.client.auth)",
     NULL},
    {BROKER, "1", {"ssl.client.auth", "none", SET}, 0, NULL, "message.max.bytes=7;ssl.client.auth=none;"},
    {CONFIG_RESOURCE_CLIENT_METRICS,
     "x",
     {"a", "b", SET},
     KAFKA_ERROR_INVALID_REQUEST,
     "AlterConfigs is only supported for topics and brokers, but resource type is CLIENT_METRICS",
     NULL},
    {3, "x", {"a", "b", SET}, KAFKA_ERROR_INVALID_REQUEST, "Unknown resource type 3", NULL},
    {CONFIG_RESOURCE_LOGGER, "1", {"root", "WARN", SET}, KAFKA_ERROR_INVALID_REQUEST, "Unknown resource type 8", NULL},
};

static const char *entries_text(const struct znode_config *c, struct arena *a)
{
    const char *text = "";
    for (int32_t i = 0; i < c->entries_count; i++) {
        text = arena_printf(a, "%s%s=%s;", text, c->entries[i].key, c->entries[i].value);
    }
    return text;
}

static struct config_resource asked(int8_t type, const char *name, struct config_change *changes, int32_t count)
{
    return (struct config_resource){
        .type = type, .name = name, .name_len = strlen(name), .changes = changes, .changes_count = count};
}

static void assert_answer(const struct config_resource *r, int16_t code, const char *message)
{
    assert_int_equal(r->error_code, code);
    if (message == NULL) {
        assert_null(r->error_message);
    } else {
        assert_string_equal(r->error_message, message);
    }
}

static void test_incremental(void **state)
{
    (void)state;
    struct config_scene s;
    config_scene_init(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct alter_case *k = &cases[i];
        struct config_change change = k->change;
        struct config_resource r = asked(k->type, k->name, &change, 1);
        struct znode_config now = k->type == TOPIC ? config_scene_entry(&s, "retention.ms", "1")
                                                   : config_scene_entry(&s, "message.max.bytes", "7");
        struct znode_config next = {NULL, 0};
        if (config_alter_admit(&s.x, &r, true, &s.a)) {
            assert_int_equal(config_alter_plan(&s.x, &r, true, &now, &s.a, &next), ERR_OK);
        }
        assert_answer(&r, k->error_code, k->message);
        if (k->error_code == 0) {
            assert_string_equal(entries_text(&next, &s.a), k->kept);
        }
    }
    config_scene_release(&s);
}

// AlterConfigs replaces everything, whatever the operation says.
static void test_replacing(void **state)
{
    (void)state;
    struct config_scene s;
    config_scene_init(&s);
    struct config_change changes[] = {{"flush.ms", "9", CONFIG_OP_DELETE}};
    struct config_resource r = asked(TOPIC, "t", changes, 1);
    struct znode_config now = config_scene_entry(&s, "retention.ms", "1"), next;
    assert_true(config_alter_admit(&s.x, &r, false, &s.a));
    assert_int_equal(config_alter_plan(&s.x, &r, false, &now, &s.a, &next), ERR_OK);
    assert_string_equal(entries_text(&next, &s.a), "flush.ms=9;");
    r = asked(TOPIC, "t", changes, 0);
    assert_true(config_alter_admit(&s.x, &r, false, &s.a));
    assert_int_equal(config_alter_plan(&s.x, &r, false, &now, &s.a, &next), ERR_OK);
    assert_int_equal(next.entries_count, 0);
    config_scene_release(&s);
}

static void test_duplicates(void **state)
{
    (void)state;
    struct config_scene s;
    config_scene_init(&s);
    struct config_change changes[] = {{"retention.ms", "1", SET}, {"flush.ms", "1", SET}, {"retention.ms", "2", SET}};
    struct config_resource r = asked(TOPIC, "t", changes, 3);
    assert_false(config_alter_admit(&s.x, &r, true, &s.a));
    assert_answer(&r, KAFKA_ERROR_INVALID_REQUEST, "Error due to duplicate config keys");
    r = asked(TOPIC, "t", changes, 1);
    r.duplicate = true;
    assert_false(config_alter_admit(&s.x, &r, true, &s.a));
    assert_answer(&r, KAFKA_ERROR_INVALID_REQUEST, "Each resource must appear at most once.");
    config_scene_release(&s);
}

static void test_conflict_between_keys(void **state)
{
    (void)state;
    struct config_scene s;
    config_scene_init(&s);
    struct config_change changes[] = {{"min.compaction.lag.ms", "9", SET}, {"max.compaction.lag.ms", "8", SET}};
    struct config_resource r = asked(TOPIC, "t", changes, 2);
    struct znode_config now = {NULL, 0}, next;
    assert_true(config_alter_admit(&s.x, &r, true, &s.a));
    assert_int_equal(config_alter_plan(&s.x, &r, true, &now, &s.a, &next), ERR_OK);
    assert_answer(&r, KAFKA_ERROR_INVALID_CONFIG,
                  "conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms (8)");
    config_scene_release(&s);
}

static void test_bounds(void **state)
{
    (void)state;
    struct config_scene s;
    config_scene_init(&s);
    struct config_change *many = arena_array(&s.a, CONFIG_CHANGES_MAX + 1, sizeof *many);
    for (int i = 0; i <= CONFIG_CHANGES_MAX; i++) {
        many[i] = (struct config_change){.key = arena_printf(&s.a, "k%d", i), .value = "v"};
    }
    struct config_resource r = asked(BROKER, "1", many, CONFIG_CHANGES_MAX);
    assert_true(config_alter_admit(&s.x, &r, true, &s.a));
    r = asked(BROKER, "1", many, CONFIG_CHANGES_MAX + 1);
    assert_false(config_alter_admit(&s.x, &r, true, &s.a));
    assert_int_equal(r.error_code, KAFKA_ERROR_INVALID_REQUEST);
    char *longest = arena_alloc(&s.a, CONFIG_LIST_MAX_BYTES + 2);
    memset(longest, 'x', CONFIG_LIST_MAX_BYTES + 1);
    struct config_change append = {"cleanup.policy", longest, APPEND};
    struct znode_config now = {NULL, 0}, next;
    r = asked(TOPIC, "t", &append, 1);
    assert_int_equal(config_alter_plan(&s.x, &r, true, &now, &s.a, &next), ERR_OK);
    assert_answer(&r, KAFKA_ERROR_INVALID_CONFIG, "The list for config key cleanup.policy is too long.");
    config_scene_release(&s);
}

static void test_description(void **state)
{
    (void)state;
    static const struct {
        int8_t type;
        const char *name;
        int16_t error_code;
        const char *message;
    } rows[] = {
        {TOPIC, "t", 0, NULL},
        {TOPIC, "nope", KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION, ""},
        {TOPIC, "", KAFKA_ERROR_INVALID_TOPIC_EXCEPTION, "Topic name is invalid: the empty string is not allowed"},
        {BROKER, "1", 0, NULL},
        {BROKER, "", 0, NULL},
        {BROKER, "9", KAFKA_ERROR_INVALID_REQUEST, "Unexpected broker id, expected 1 or empty string, but received 9"},
        {BROKER, "abc", KAFKA_ERROR_INVALID_REQUEST, "Broker id must be an integer, but it is: abc"},
        {CONFIG_RESOURCE_LOGGER, "1", 0, NULL},
        {CONFIG_RESOURCE_LOGGER, "2", KAFKA_ERROR_INVALID_REQUEST, "Unexpected broker id, expected 1 but received 2"},
        {CONFIG_RESOURCE_CLIENT_METRICS, "x", KAFKA_ERROR_INVALID_REQUEST,
         "Config type client-metrics is only supported on KRaft clusters"},
    };
    struct config_scene s;
    config_scene_init(&s);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config_resource r = asked(rows[i].type, rows[i].name, NULL, 0);
        assert_int_equal(config_describe_admit(&s.x, &r, &s.a), rows[i].error_code == 0);
        assert_answer(&r, rows[i].error_code, rows[i].message);
    }
    struct config_resource unknown = asked(32, "x", NULL, 0);
    assert_false(config_describe_admit(&s.x, &unknown, &s.a));
    assert_int_equal(unknown.error_code, KAFKA_ERROR_INVALID_REQUEST);
    config_scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_incremental), cmocka_unit_test(test_replacing),
        cmocka_unit_test(test_duplicates),  cmocka_unit_test(test_conflict_between_keys),
        cmocka_unit_test(test_bounds),      cmocka_unit_test(test_description),
    };
    return cmocka_run_group_tests_name("cluster/config_alter", tests, NULL, NULL);
}
