// SPDX-License-Identifier: Apache-2.0
//
// The key table is consistent in itself, and values are judged as Kafka judges them.
#include "broker/config_keys.h"

#include "base/tests/cmocka_all.h"
#include <string.h>

static const struct config_key *key_of(const char *name)
{
    int32_t i = config_key_find(name);
    assert_true(i >= 0);
    return config_key_at(i);
}

static void test_table(void **state)
{
    (void)state;
    assert_true(config_key_count() > 300); // Kafka 3.9 shows 314, and has some internal ones
    for (int32_t i = 0; i < config_key_count(); i++) {
        const struct config_key *k = config_key_at(i);
        assert_int_equal(config_key_find(k->name), i); // no name twice
        if (k->default_value) {
            assert_true(config_key_allows(k, k->default_value));
        }
    }
    assert_int_equal(config_key_find("log.retention"), -1);
    assert_int_equal(config_key_find(""), -1);
}

static void test_listener_prefix(void **state)
{
    (void)state;
    assert_true(config_key_is_listener_prefixed("listener.name.external.ssl.keystore.location"));
    assert_false(config_key_is_listener_prefixed("listener.name.external"));
    assert_false(config_key_is_listener_prefixed("listener.name..x"));
    assert_false(config_key_is_listener_prefixed("listener.name.x."));
    assert_false(config_key_is_listener_prefixed("listeners"));
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *value;
        bool allowed;
    } cases[] = {
        {"num.network.threads", "1", true},
        {"num.network.threads", "0", false},
        {"num.network.threads", "2147483648", false},
        {"log.segment.bytes", "14", true},
        {"log.segment.bytes", "13", false},
        {"compression.gzip.level", "-1", true},
        {"compression.gzip.level", "0", false},
        {"log.retention.bytes", "-1", true},
        {"log.retention.bytes", "9223372036854775807", true},
        {"offsets.topic.replication.factor", "32767", true},
        {"offsets.topic.replication.factor", "32768", false},
        {"log.cleaner.min.cleanable.ratio", "1.0", true},
        {"log.cleaner.min.cleanable.ratio", "1.1", false},
        {"log.cleanup.policy", "compact, delete", true},
        {"log.cleanup.policy", "", true},
        {"log.cleanup.policy", "compact,erase", false},
        {"compression.type", "zstd", true},
        {"compression.type", "ZSTD", false},
        {"compression.type", "none", false},
        {"log.message.timestamp.type", "LogAppendTime", true},
        {"auto.create.topics.enable", "False", true},
        {"auto.create.topics.enable", "", false},
        {"broker.rack", "anything at all", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(config_key_allows(key_of(cases[i].key), cases[i].value), cases[i].allowed);
    }
}

static void test_what_is_allowed(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 16);
    assert_string_equal(config_key_allowed(key_of("num.network.threads"), &a), "an integer from 1 to 2147483647");
    assert_string_equal(config_key_allowed(key_of("auto.create.topics.enable"), &a), "true or false");
    assert_string_equal(config_key_allowed(key_of("log.cleaner.min.cleanable.ratio"), &a), "a number from 0 to 1");
    assert_string_equal(config_key_allowed(key_of("log.cleanup.policy"), &a), "a comma list of compact,delete");
    assert_string_equal(config_key_allowed(key_of("compression.type"), &a),
                        "one of uncompressed,zstd,lz4,snappy,gzip,producer");
    arena_release(&a);
}

static void test_list_items(void **state)
{
    (void)state;
    const char *rest = " a , b,,c ";
    static const char *const expected[] = {"a", "b", "", "c"};
    struct slice item;
    for (size_t i = 0; i < 4; i++) {
        assert_true(config_next_item(&rest, &item));
        assert_true(slice_equal(item, slice_str(expected[i])));
    }
    assert_false(config_next_item(&rest, &item));
    rest = NULL;
    assert_false(config_next_item(&rest, &item));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),           cmocka_unit_test(test_listener_prefix), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_what_is_allowed), cmocka_unit_test(test_list_items),
    };
    return cmocka_run_group_tests_name("broker/config_keys", tests, NULL, NULL);
}
