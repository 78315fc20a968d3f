// SPDX-License-Identifier: Apache-2.0
//
// Configurations and their change notifications.
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "zk/tests/payload.h"
#include "zk/zk.h"

static void test_config(void **state)
{
    const char *text =
        "{\"version\":1,\"config\":{\"retention.ms\":\"3600000\",\"a\":\"\",\"b\":\"\xc3\xa9 \\\"q\\\"\"}}";
    struct znode_config c;
    struct slice out;
    assert_int_equal(znode_config_decode(slice_str(text), *state, &c), ERR_OK);
    assert_int_equal(c.entries_count, 3);
    assert_string_equal(c.entries[0].key, "retention.ms"); // in the order of the payload
    assert_string_equal(znode_config_find(&c, "retention.ms"), "3600000");
    assert_string_equal(znode_config_find(&c, "a"), "");
    assert_string_equal(znode_config_find(&c, "b"), "\xc3\xa9 \"q\"");
    assert_null(znode_config_find(&c, "retention"));
    assert_int_equal(znode_config_encode(&c, *state, &out), ERR_OK);
    assert_true(slice_equal(out, slice_str(text)));
}

static void test_empty_configs(void **state)
{
    struct znode_config c;
    struct slice out;
    assert_int_equal(znode_config_decode(SLICE_NULL, *state, &c), ERR_OK);
    assert_int_equal(c.entries_count, 0);
    assert_null(znode_config_find(&c, "a"));
    assert_int_equal(znode_config_decode(slice_str(""), *state, &c), ERR_OK);
    assert_int_equal(c.entries_count, 0);
    assert_int_equal(znode_config_encode(&c, *state, &out), ERR_OK);
    assert_true(slice_equal(out, slice_str("{\"version\":1,\"config\":{}}")));
}

static void test_config_corrupt(void **state)
{
    static const char *const bad[] = {
        "x",
        "{\"config\":{}}",
        "{\"version\":2,\"config\":{}}",
        "{\"version\":1}",
        "{\"version\":1,\"config\":[]}",
        "{\"version\":1,\"config\":{\"a\":1}}",
        "{\"version\":1,\"config\":{\"a\":null}}",
    };
    struct znode_config c;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (znode_config_decode(slice_str(bad[i]), *state, &c) != ERR_CORRUPT)
            fail_msg("%s was read", bad[i]);
    }
    struct znode_config_entry entry = {"a", "\xff"};
    c = (struct znode_config){&entry, 1};
    struct slice out;
    assert_int_equal(znode_config_encode(&c, *state, &out), ERR_INVALID);
    entry = (struct znode_config_entry){"\xff", "a"};
    assert_int_equal(znode_config_encode(&c, *state, &out), ERR_INVALID);
}

static void test_changes(void **state)
{
    static const char *const good[][2] = {
        {"{\"version\":2,\"entity_path\":\"users/alice/clients/<default>\"}", "users/alice/clients/<default>"},
        {"{\"version\":2,\"entity_path\":\"topics/orders\"}", "topics/orders"},
        {"{\"version\":1,\"entity_type\":\"topics\",\"entity_name\":\"orders\"}", "topics/orders"},
        {"{\"version\":1,\"entity_type\":\"clients\",\"entity_name\":\"app\"}", "clients/app"},
    };
    static const char *const bad[] = {
        "",
        "{\"version\":3,\"entity_path\":\"topics/orders\"}",
        "{\"entity_path\":\"topics/orders\"}",
        "{\"version\":2}",
        "{\"version\":2,\"entity_path\":1}",
        "{\"version\":1,\"entity_type\":\"users\",\"entity_name\":\"alice\"}",
        "{\"version\":1,\"entity_type\":\"topics\"}",
        "{\"version\":1,\"entity_name\":\"orders\"}",
    };
    const char *entity_path;
    struct slice out;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(znode_config_change_decode(slice_str(good[i][0]), *state, &entity_path), ERR_OK);
        assert_string_equal(entity_path, good[i][1]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (znode_config_change_decode(slice_str(bad[i]), *state, &entity_path) != ERR_CORRUPT)
            fail_msg("%s was read", bad[i]);
    }
    assert_int_equal(znode_config_change_encode(good[0][1], *state, &out), ERR_OK);
    assert_true(slice_equal(out, slice_str(good[0][0])));
}

int main(void)
{
#define PAYLOAD_TEST(name) cmocka_unit_test_setup_teardown(name, payload_setup, payload_teardown)
    const struct CMUnitTest tests[] = {
        PAYLOAD_TEST(test_config),
        PAYLOAD_TEST(test_empty_configs),
        PAYLOAD_TEST(test_config_corrupt),
        PAYLOAD_TEST(test_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
