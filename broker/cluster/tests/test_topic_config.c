// SPDX-License-Identifier: Apache-2.0
//
// The table against what a Kafka 3.9.1 answered to DescribeConfigs, and values against the sentences it answered to
// CreateTopics.
#include "broker/cluster/topic_config.h"

#include <jansson.h>
#include <stdio.h>

#include "base/tests/cmocka_all.h"

static int8_t type_number(const char *name)
{
    static const char *const names[] = {"", "boolean", "string", "int", "short", "long", "double", "list"};
    for (int8_t i = 1; i < 8; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return 0;
}

static void test_table_is_kafkas(void **state)
{
    (void)state;
    json_error_t error;
    json_t *all = json_load_file("broker/cluster/tests/data/describe-configs-topic.json", 0, &error);
    assert_non_null(all);
    assert_int_equal(json_array_size(all), topic_config_count());
    struct arena a;
    arena_init(&a, 1024 * 1024);
    struct topic_config c;
    topic_config_init(&c);
    for (int32_t i = 0; i < topic_config_count(); i++) {
        const json_t *row = json_array_get(all, (size_t)i); // both sorted by name
        assert_string_equal(topic_config_key(i), json_string_value(json_object_get(row, "name")));
        assert_int_equal(topic_config_find(topic_config_key(i)), i);
        assert_int_equal(topic_config_type(i), type_number(json_string_value(json_object_get(row, "type"))));
        assert_string_equal(topic_config_value(&c, i, &a), json_string_value(json_object_get(row, "value")));
        const json_t *synonym = json_array_get(json_object_get(row, "synonyms"), 0);
        if (synonym != NULL) { // Kafka names those only that have a default of their own
            assert_string_equal(topic_config_synonym(i), json_string_value(json_object_get(synonym, "name")));
        }
        // Every default is a value one may set.
        const char *why;
        assert_int_equal(topic_config_set(&c, topic_config_key(i), topic_config_value(&c, i, &a), &a, &why), ERR_OK);
        assert_true(c.set[i]);
    }
    assert_int_equal(topic_config_find(""), -1);
    assert_int_equal(topic_config_find("zzz"), -1);
    arena_release(&a);
    json_decref(all);
}

static const struct {
    const char *key;
    const char *value;
    const char *shown; // NULL = refused
    const char *why;   // behind "Invalid value ... for configuration <key>: "; begins with the value named
} values[] = {
    {"retention.ms", " 5 ", "5", NULL},
    {"retention.ms", "+5", "5", NULL},
    {"retention.ms", "-1", "-1", NULL},
    {"retention.ms", "-2", NULL, "-2|Value must be at least -1"},
    {"retention.ms", "abc", NULL, "abc|Not a number of type LONG"},
    {"retention.ms", "", NULL, "|Not a number of type LONG"},
    {"retention.ms", "9223372036854775808", NULL, "9223372036854775808|Not a number of type LONG"},
    {"segment.bytes", "1", NULL, "1|Value must be at least 14"},
    {"segment.bytes", "3000000000", NULL, "3000000000|Not a number of type INT"},
    {"segment.bytes", "1.5", NULL, "1.5|Not a number of type INT"},
    {"flush.messages", "1", "1", NULL},
    {"flush.messages", "0", NULL, "0|Value must be at least 1"},
    {"max.compaction.lag.ms", "0", NULL, "0|Value must be at least 1"},
    {"compression.gzip.level", "9", "9", NULL},
    {"compression.gzip.level", "0", NULL, "0|Value must be between 1 and 9 or equal to -1"},
    {"compression.gzip.level", "10", NULL, "10|Value must be between 1 and 9 or equal to -1"},
    {"compression.lz4.level", "18", NULL, "18|Value must be no more than 17"},
    {"compression.zstd.level", "-131072", "-131072", NULL},
    {"compression.zstd.level", "-131073", NULL, "-131073|Value must be at least -131072"},
    {"compression.zstd.level", "23", NULL, "23|Value must be no more than 22"},
    {"preallocate", " TRUE ", "true", NULL},
    {"preallocate", "yes", NULL, "yes|Expected value to be either true or false"},
    {"min.cleanable.dirty.ratio", "1", "1.0", NULL},
    {"min.cleanable.dirty.ratio", "0.25", "0.25", NULL},
    {"min.cleanable.dirty.ratio", "0.1", "0.1", NULL},
    {"min.cleanable.dirty.ratio", "1e-5", "1.0E-5", NULL},
    {"min.cleanable.dirty.ratio", "2", NULL, "2.0|Value must be no more than 1"},
    {"min.cleanable.dirty.ratio", "-0.00001", NULL, "-1.0E-5|Value must be at least 0"},
    {"min.cleanable.dirty.ratio", "abc", NULL, "abc|Not a number of type DOUBLE"},
    {"cleanup.policy", "compact", "compact", NULL},
    {"cleanup.policy", " compact , delete ", "compact,delete", NULL},
    {"cleanup.policy", "delete,compact", "delete,compact", NULL},
    {"cleanup.policy", "", "", NULL},
    {"cleanup.policy", "none", NULL, "none|String must be one of: compact, delete"},
    {"cleanup.policy", "delete,", NULL, "|String must be one of: compact, delete"},
    {"compression.type", "zstd", "zstd", NULL},
    {"compression.type", "bogus", NULL, "bogus|String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
    {"message.timestamp.type", "LogAppendTime", "LogAppendTime", NULL},
    {"message.timestamp.type", "foo", NULL, "foo|String must be one of: CreateTime, LogAppendTime"},
    {"leader.replication.throttled.replicas", "0:1, 1:2", "0:1,1:2", NULL},
    {"leader.replication.throttled.replicas", "*", "*", NULL},
    {"leader.replication.throttled.replicas", "a:b,1:2", NULL,
     "[a:b, 1:2]|leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following "
     "format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
    {"message.format.version", "3.9", "3.9", NULL},
    {"message.format.version", "0.11.0-IV2", "0.11.0-IV2", NULL},
    {"message.format.version", "3.9-IV7", NULL, "3.9-IV7|Version 3.9-IV7 is not a valid version"},
    {"message.format.version", "0.10", NULL, "0.10|Version 0.10 is not a valid version"},
    {"message.format.version", "4.0", NULL, "4.0|Version 4.0 is not a valid version"},
    {"message.format.version", "2", NULL, "2|Version 2 is not a valid version"},
};

static void test_values(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024 * 1024);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct topic_config c;
        topic_config_init(&c);
        const char *why;
        enum err err = topic_config_set(&c, values[i].key, values[i].value, &a, &why);
        int32_t row = topic_config_find(values[i].key);
        if (values[i].shown != NULL) {
            assert_int_equal(err, ERR_OK);
            assert_string_equal(topic_config_value(&c, row, &a), values[i].shown);
            assert_true(c.set[row]);
            continue;
        }
        assert_int_equal(err, ERR_INVALID);
        assert_false(c.set[row]);
        const char *bar = strchr(values[i].why, '|');
        char expected[512];
        snprintf(expected, sizeof expected, "Invalid value %.*s for configuration %s: %s", (int)(bar - values[i].why),
                 values[i].why, values[i].key, bar + 1);
        assert_string_equal(why, expected);
    }
    arena_release(&a);
}

static void test_refusals_beyond_values(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64 * 1024);
    struct topic_config c;
    const char *why;
    topic_config_init(&c);
    assert_int_equal(topic_config_set(&c, "no.such", "1", &a, &why), ERR_NOT_FOUND);
    assert_string_equal(why, "Unknown topic config name: no.such");
    assert_int_equal(topic_config_set(&c, "retention.ms", NULL, &a, &why), ERR_INVALID);
    assert_string_equal(why, "Null value not supported for topic configs: retention.ms");
    assert_int_equal(topic_config_check(&c, &a, &why), ERR_OK);

    assert_int_equal(topic_config_set(&c, "min.compaction.lag.ms", "100", &a, &why), ERR_OK);
    assert_int_equal(topic_config_set(&c, "max.compaction.lag.ms", "50", &a, &why), ERR_OK);
    assert_int_equal(topic_config_check(&c, &a, &why), ERR_INVALID);
    assert_string_equal(why, "conflict topic config setting min.compaction.lag.ms (100) > max.compaction.lag.ms (50)");

    topic_config_init(&c);
    assert_int_equal(topic_config_set(&c, "remote.storage.enable", "true", &a, &why), ERR_OK);
    assert_int_equal(topic_config_check(&c, &a, &why), ERR_UNSUPPORTED);
    assert_string_equal(why, "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with "
                             "remote log storage.");
    topic_config_init(&c);
    assert_int_equal(topic_config_set(&c, "remote.log.copy.disable", "true", &a, &why), ERR_OK);
    assert_int_equal(topic_config_check(&c, &a, &why), ERR_INVALID);
    assert_string_equal(why, "It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` under "
                             "Zookeeper's mode.");
    arena_release(&a);
}

// Texts outlive the config they came from, because answers are encoded when the job that held it has gone.
static void test_value_texts_are_copies(void **state)
{
    (void)state;
    static const char *const keys[] = {"leader.replication.throttled.replicas", "message.format.version"};
    static const char *const texts[] = {"0:1", "2.8"};
    for (int i = 0; i < 2; i++) {
        struct arena config_arena, arena;
        struct topic_config c;
        const char *why;
        arena_init(&config_arena, 1 << 20);
        arena_init(&arena, 1 << 20);
        topic_config_init(&c);
        assert_int_equal(topic_config_set(&c, keys[i], texts[i], &config_arena, &why), ERR_OK);
        const char *text = topic_config_value(&c, topic_config_find(keys[i]), &arena);
        arena_release(&config_arena);
        assert_string_equal(text, texts[i]);
        arena_release(&arena);
    }
}

// "<config>\t<value>\t= <what is shown>", or "! <refusal>" at the end.
static void recorded_check(char *line, struct arena *a)
{
    struct topic_config c;
    const char *why = NULL, *key = line;
    char *value = strchr(line, '\t') + 1, *told = strchr(value, '\t') + 1;
    value[-1] = told[-1] = '\0';
    topic_config_init(&c);
    enum err err = topic_config_set(&c, key, value, a, &why);
    assert_int_equal(err, *told == '=' ? ERR_OK : ERR_INVALID);
    assert_string_equal(err == ERR_OK ? topic_config_value(&c, topic_config_find(key), a) : why, told + 2);
}

// Each config with some thirty values, most of them odd.
static void test_values_are_kafkas(void **state)
{
    (void)state;
    char line[1024];
    int checked = 0;
    FILE *file = fopen("broker/cluster/tests/data/topic-config-values.tsv", "r");
    assert_non_null(file);
    struct arena a;
    arena_init(&a, 1024 * 1024);
    while (fgets(line, sizeof line, file) != NULL) {
        if (*line != '#') {
            line[strcspn(line, "\n")] = '\0';
            recorded_check(line, &a);
            arena_reset(&a);
            checked++;
        }
    }
    assert_true(checked > 1000);
    arena_release(&a);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_kafkas),
        cmocka_unit_test(test_values_are_kafkas),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refusals_beyond_values),
        cmocka_unit_test(test_value_texts_are_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
