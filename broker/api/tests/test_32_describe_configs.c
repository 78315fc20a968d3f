// SPDX-License-Identifier: Apache-2.0
//
// DescribeConfigs, AlterConfigs and IncrementalAlterConfigs over the wire.
#include "base/logging.h"
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

static struct describe_configs_response *describe(struct api_rig *rig, int fd, int16_t version, int8_t type,
                                                  const char *name, const char *key)
{
    struct slice keys[] = {slice_str(key == NULL ? "" : key)};
    struct describe_configs_request_describe_configs_resource resource;
    struct describe_configs_request in;
    describe_configs_request_init(&in);
    describe_configs_request_describe_configs_resource_init(&resource);
    resource.resource_type = type;
    resource.resource_name = slice_str(name);
    resource.configuration_keys = keys;
    resource.configuration_keys_count = key == NULL ? -1 : 1;
    in.resources = &resource;
    in.resources_count = 1;
    in.include_synonyms = version >= 1;
    struct describe_configs_response *out = rig_call(rig, fd, 32, version, &in);
    assert_int_equal(out->results_count, 1);
    return out;
}

static struct incremental_alter_configs_response *alter(struct api_rig *rig, int fd, int8_t type, const char *name,
                                                        const char *key, int8_t op, const char *value)
{
    struct incremental_alter_configs_request_alterable_config change;
    struct incremental_alter_configs_request_alter_configs_resource resource;
    struct incremental_alter_configs_request in;
    incremental_alter_configs_request_init(&in);
    incremental_alter_configs_request_alter_configs_resource_init(&resource);
    incremental_alter_configs_request_alterable_config_init(&change);
    change.name = slice_str(key);
    change.value = value == NULL ? SLICE_NULL : slice_str(value);
    change.config_operation = op;
    resource.resource_type = type;
    resource.resource_name = slice_str(name);
    resource.configs = &change;
    resource.configs_count = 1;
    in.resources = &resource;
    in.resources_count = 1;
    struct incremental_alter_configs_response *out = rig_call(rig, fd, 44, 1, &in);
    assert_int_equal(out->responses_count, 1);
    return out;
}

static void test_topic(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    for (int16_t version = 0; version <= 4; version++) {
        struct describe_configs_response *out = describe(&rig, fd, version, 2, "t", NULL);
        assert_int_equal(out->results[0].error_code, 0);
        assert_int_equal(out->results[0].error_message.len, 0);
        assert_int_equal(out->results[0].configs_count, 36);
        assert_true(slice_equal(out->results[0].configs[0].name, slice_str("cleanup.policy")));
        assert_false(out->results[0].configs[0].is_default);                               // Kafka leaves it so
        assert_true(version < 3 || out->results[0].configs[0].documentation.data == NULL); // nobody asked for it
        assert_int_equal(out->results[0].configs[0].config_type, version >= 3 ? 7 : 0);
    }
    assert_int_equal(describe(&rig, fd, 4, 2, "nope", NULL)->results[0].error_code,
                     KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(describe(&rig, fd, 4, 2, "t", "no.such")->results[0].configs_count, 0);
    api_rig_close(&rig);
}

static void test_broker(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    struct describe_configs_response *out = describe(&rig, fd, 4, 4, "7", "num.partitions");
    assert_int_equal(out->results[0].configs_count, 1);
    assert_true(out->results[0].configs[0].read_only);
    assert_int_equal(out->results[0].configs[0].config_source, 4);
    assert_int_equal(out->results[0].configs[0].synonyms_count, 2);
    out = describe(&rig, fd, 4, 4, "7", "ssl.key.password");
    assert_true(out->results[0].configs[0].is_sensitive);
    assert_null(out->results[0].configs[0].value.data);
    assert_int_equal(describe(&rig, fd, 4, 4, "8", NULL)->results[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    assert_int_equal(describe(&rig, fd, 4, 3, "x", NULL)->results[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    api_rig_close(&rig);
}

// When the answer is there, the change is in effect: a batch beyond the new bound is refused.
static void test_change_is_in_effect(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    struct incremental_alter_configs_response *out = alter(&rig, fd, 2, "t", "max.message.bytes", 0, "10");
    assert_int_equal(out->responses[0].error_code, 0);
    assert_null(out->responses[0].error_message.data);
    struct produce_response *refused = rig_call(&rig, fd, 0, 9, rig_produce_request(&rig, "t", "value", 1));
    assert_int_equal(refused->responses[0].partition_responses[0].error_code, KAFKA_ERROR_MESSAGE_TOO_LARGE);
    assert_int_equal(alter(&rig, fd, 2, "t", "max.message.bytes", 1, NULL)->responses[0].error_code, 0);
    struct produce_response *taken = rig_call(&rig, fd, 0, 9, rig_produce_request(&rig, "t", "value", 1));
    assert_int_equal(taken->responses[0].partition_responses[0].error_code, 0);
    assert_int_equal(alter(&rig, fd, 4, "", "message.max.bytes", 0, "10")->responses[0].error_code, 0);
    refused = rig_call(&rig, fd, 0, 9, rig_produce_request(&rig, "t", "value", 1));
    assert_int_equal(refused->responses[0].partition_responses[0].error_code, KAFKA_ERROR_MESSAGE_TOO_LARGE);
    api_rig_close(&rig);
}

static void assert_value(struct api_rig *rig, int fd, const char *key, const char *value)
{
    const struct describe_configs_response *out = describe(rig, fd, 4, 2, "t", key);
    assert_int_equal(out->results[0].configs_count, 1);
    assert_true(slice_equal(out->results[0].configs[0].value, slice_str(value)));
}

// The older key of brokers counts for a topic in both directions, until a newer one is set.
static void test_older_timestamp_key(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    assert_value(&rig, fd, "message.timestamp.before.max.ms", "9223372036854775807");
    alter(&rig, fd, 4, "", "log.message.timestamp.difference.max.ms", 0, "9");
    alter(&rig, fd, 4, "", "log.message.timestamp.after.max.ms", 0, "4");
    assert_value(&rig, fd, "message.timestamp.before.max.ms", "9");
    assert_value(&rig, fd, "message.timestamp.after.max.ms", "4");
    alter(&rig, fd, 4, "", "log.message.timestamp.difference.max.ms", 0, "5");
    assert_value(&rig, fd, "message.timestamp.before.max.ms", "5");
    alter(&rig, fd, 4, "", "log.message.timestamp.difference.max.ms", 1, NULL);
    assert_value(&rig, fd, "message.timestamp.before.max.ms", "9223372036854775807");
    api_rig_close(&rig);
}

static void test_replacing(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    assert_int_equal(alter(&rig, fd, 2, "t", "flush.ms", 0, "5")->responses[0].error_code, 0);
    struct alter_configs_request_alterable_config change;
    struct alter_configs_request_alter_configs_resource resources[2];
    struct alter_configs_request in;
    alter_configs_request_init(&in);
    alter_configs_request_alterable_config_init(&change);
    change.name = slice_str("retention.ms");
    change.value = slice_str("6");
    for (int i = 0; i < 2; i++) {
        alter_configs_request_alter_configs_resource_init(&resources[i]);
        resources[i].resource_type = 2;
        resources[i].resource_name = slice_str("t");
        resources[i].configs = &change;
        resources[i].configs_count = 1;
    }
    in.resources = resources;
    in.resources_count = 1;
    for (int16_t version = 0; version <= 2; version++) {
        struct alter_configs_response *out = rig_call(&rig, fd, 33, version, &in);
        assert_int_equal(out->responses[0].error_code, 0);
    }
    assert_int_equal(describe(&rig, fd, 4, 2, "t", "flush.ms")->results[0].configs[0].config_source, 5);
    assert_int_equal(describe(&rig, fd, 4, 2, "t", "retention.ms")->results[0].configs[0].config_source, 1);
    in.resources_count = 2;
    struct alter_configs_response *twice = rig_call(&rig, fd, 33, 2, &in);
    assert_int_equal(twice->responses_count, 2);
    assert_int_equal(twice->responses[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    assert_int_equal(twice->responses[1].error_code, KAFKA_ERROR_INVALID_REQUEST);
    api_rig_close(&rig);
}

static void test_logger(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    struct describe_configs_response *shown = describe(&rig, fd, 4, 8, "7", NULL);
    assert_int_equal(shown->results[0].configs_count, 1);
    assert_true(slice_equal(shown->results[0].configs[0].name, slice_str("root")));
    assert_int_equal(alter(&rig, fd, 8, "7", "root", 0, "WARN")->responses[0].error_code, 0);
    shown = describe(&rig, fd, 4, 8, "7", "root");
    assert_true(slice_equal(shown->results[0].configs[0].value, slice_str("WARN")));
    assert_int_equal(alter(&rig, fd, 8, "7", "root", 0, "INFO")->responses[0].error_code, 0);
    assert_int_equal(alter(&rig, fd, 8, "7", "root", 0, "LOUD")->responses[0].error_code, KAFKA_ERROR_INVALID_CONFIG);
    assert_int_equal(alter(&rig, fd, 8, "7", "net", 0, "INFO")->responses[0].error_code, KAFKA_ERROR_INVALID_CONFIG);
    assert_int_equal(alter(&rig, fd, 8, "7", "root", 1, NULL)->responses[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    assert_int_equal(alter(&rig, fd, 8, "7", "root", 2, "INFO")->responses[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    assert_int_equal(alter(&rig, fd, 8, "9", "root", 0, "INFO")->responses[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    assert_int_equal(alter(&rig, fd, 8, "x", "root", 0, "INFO")->responses[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    assert_true(logging_enabled(LOG_INFO));
    api_rig_close(&rig);
}

// Far more than a request of this size could ask for otherwise.
static void test_many(void **state)
{
    (void)state;
    enum {
        MANY = 2000
    };
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    struct describe_configs_request in;
    describe_configs_request_init(&in);
    in.resources = arena_array(&rig.arena, MANY, sizeof *in.resources);
    for (int i = 0; i < MANY; i++) {
        describe_configs_request_describe_configs_resource_init(&in.resources[i]);
        in.resources[i].resource_type = 2;
        in.resources[i].resource_name = slice_str("t");
        in.resources[i].configuration_keys_count = -1;
    }
    in.resources_count = MANY;
    in.include_synonyms = true;
    struct describe_configs_response *out = rig_call(&rig, fd, 32, 4, &in);
    assert_int_equal(out->results_count, MANY);
    assert_int_equal(out->results[MANY - 1].configs_count, 36);
    api_rig_close(&rig);
}

static void test_creation_has_no_message(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    struct create_topics_request_creatable_topic topic;
    struct create_topics_request in;
    create_topics_request_init(&in);
    create_topics_request_creatable_topic_init(&topic);
    topic.name = slice_str("t");
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    in.topics = &topic;
    in.topics_count = 1;
    in.timeout_ms = 10000;
    struct create_topics_response *out = rig_call(&rig, fd, 19, 7, &in);
    assert_int_equal(out->topics[0].error_code, 0);
    assert_null(out->topics[0].error_message.data);
    assert_int_equal(out->topics[0].configs_count, 36);
    api_rig_close(&rig);
}

static void test_nothing(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    struct describe_configs_request in;
    describe_configs_request_init(&in);
    assert_int_equal(((struct describe_configs_response *)rig_call(&rig, fd, 32, 4, &in))->results_count, 0);
    struct alter_configs_request none;
    alter_configs_request_init(&none);
    assert_int_equal(((struct alter_configs_response *)rig_call(&rig, fd, 33, 2, &none))->responses_count, 0);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic),
        cmocka_unit_test(test_broker),
        cmocka_unit_test(test_change_is_in_effect),
        cmocka_unit_test(test_older_timestamp_key),
        cmocka_unit_test(test_replacing),
        cmocka_unit_test(test_logger),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_creation_has_no_message),
    };
    return cmocka_run_group_tests_name("api/configs", tests, NULL, NULL);
}
