// SPDX-License-Identifier: Apache-2.0
//
// Paths are Kafka's, a name that is none becomes the empty path, and what was built is taken apart again.
#include "zk/znodes.h"

#include <stdlib.h>

#include "base/tests/cmocka_all.h"

static void test_builders(void **state)
{
    (void)state;
    assert_string_equal(znode_path_broker(1001).s, "/brokers/ids/1001");
    assert_string_equal(znode_path_topic("a.b_c-d").s, "/brokers/topics/a.b_c-d");
    assert_string_equal(znode_path_partitions("t").s, "/brokers/topics/t/partitions");
    assert_string_equal(znode_path_partition("t", 12).s, "/brokers/topics/t/partitions/12");
    assert_string_equal(znode_path_state("t", 0).s, "/brokers/topics/t/partitions/0/state");
    assert_string_equal(znode_path_delete_topic("t").s, "/admin/delete_topics/t");
    assert_string_equal(znode_path_topic_config("t").s, "/config/topics/t");
    assert_string_equal(znode_path_broker_config(3).s, "/config/brokers/3");
    assert_string_equal(znode_path_config_entity("users/alice/clients/<default>").s,
                        "/config/users/alice/clients/<default>");
    assert_string_equal(znode_path_config_change().s, "/config/changes/config_change_");
    assert_string_equal(znode_path_child("/", "a").s, "/a");
    assert_string_equal(znode_path_child("/a", "b").s, "/a/b");
}

static void test_names_that_are_none(void **state)
{
    (void)state;
    char long_name[ZK_PATH_MAX_BYTES + 1];
    memset(long_name, 'x', sizeof long_name);
    long_name[ZK_PATH_MAX_BYTES] = '\0';
    const char *const names[] = {"", "a/b", "/", long_name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_string_equal(znode_path_topic(names[i]).s, "");
        assert_string_equal(znode_path_partitions(names[i]).s, "");
        assert_string_equal(znode_path_partition(names[i], 0).s, "");
        assert_string_equal(znode_path_state(names[i], 0).s, "");
        assert_string_equal(znode_path_delete_topic(names[i]).s, "");
        assert_string_equal(znode_path_topic_config(names[i]).s, "");
        assert_string_equal(znode_path_child("/p", names[i]).s, "");
    }
    assert_string_equal(znode_path_config_entity("").s, "");
    assert_string_equal(znode_path_config_entity(long_name).s, "");
}

// The longest path that fits is built whole; one byte more gives none.
static void test_bound(void **state)
{
    (void)state;
    char name[ZK_PATH_MAX_BYTES];
    const size_t fits = ZK_PATH_MAX_BYTES - strlen("/brokers/topics//partitions/0/state");
    memset(name, 'x', sizeof name);
    name[fits] = '\0';
    assert_int_equal(strlen(znode_path_state(name, 0).s), ZK_PATH_MAX_BYTES);
    assert_string_equal(znode_path_state(name, 10).s, "");
}

static void test_top_level(void **state)
{
    (void)state;
    for (int i = 0; i < ZNODE_TOP_LEVEL_COUNT; i++) {
        const char *path = znode_top_level_paths[i];
        const char *slash = strrchr(path, '/');
        bool has_parent = slash == path;
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(znode_top_level_paths[k], path);
            has_parent |= strncmp(znode_top_level_paths[k], path, (size_t)(slash - path)) == 0 &&
                          znode_top_level_paths[k][slash - path] == '\0';
        }
        assert_true(has_parent); // parents first
    }
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool expected;
        int32_t number;
    } cases[] = {
        {"0", true, 0},           {"12", true, 12}, {"2147483647", true, 2147483647},
        {"2147483648", false, 0}, {"", false, 0},   {"-1", false, 0},
        {"01", false, 0},         {"00", false, 0}, {"1x", false, 0},
        {" 1", false, 0},         {"+1", false, 0}, {"99999999999", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t number = -7;
        assert_int_equal(znode_parse_number(cases[i].text, &number), cases[i].expected);
        if (cases[i].expected)
            assert_int_equal(number, cases[i].number);
    }
}

static void test_sequences(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool expected;
        int32_t number;
    } cases[] = {
        {"config_change_0000000000", true, 0},
        {"config_change_0000000012", true, 12},
        {"config_change_2147483647", true, 2147483647},
        {"config_change_2147483648", false, 0},
        {"config_change_12", false, 0},
        {"config_change_00000000012", false, 0},
        {"config_change_000000001x", false, 0},
        {"config_change_", false, 0},
        {"isr_change_0000000012", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t number = -7;
        assert_int_equal(znode_parse_sequence(cases[i].name, ZNODE_CONFIG_CHANGE_PREFIX, &number), cases[i].expected);
        if (cases[i].expected)
            assert_int_equal(number, cases[i].number);
    }
}

static void test_paths_taken_apart(void **state)
{
    (void)state;
    char topic[ZNODE_NAME_MAX_BYTES + 1], name[ZNODE_NAME_MAX_BYTES + 2];
    int32_t number = -7;
    assert_true(znode_parse_broker("/brokers/ids/7", &number));
    assert_int_equal(number, 7);
    assert_false(znode_parse_broker("/brokers/ids", &number));
    assert_false(znode_parse_broker("/brokers/ids/x", &number));
    assert_false(znode_parse_broker("/brokers/topics/7", &number));
    assert_true(znode_parse_topic("/brokers/topics/orders", topic));
    assert_string_equal(topic, "orders");
    assert_false(znode_parse_topic("/brokers/topics", topic));
    assert_false(znode_parse_topic("/brokers/topics/", topic));
    assert_false(znode_parse_topic("/brokers/topics/t/partitions", topic));
    assert_false(znode_parse_topic("/config/topics/t", topic));
    assert_true(znode_parse_state("/brokers/topics/t/partitions/31/state", topic, &number));
    assert_string_equal(topic, "t");
    assert_int_equal(number, 31);
    assert_false(znode_parse_state("/brokers/topics/t/partitions/31", topic, &number));
    assert_false(znode_parse_state("/brokers/topics/t/partitions//state", topic, &number));
    assert_false(znode_parse_state("/brokers/topics/t/partitions/031/state", topic, &number));
    assert_false(znode_parse_state("/brokers/topics/t/partitions/31/state/x", topic, &number));
    assert_false(znode_parse_state("/brokers/topics/t", topic, &number));
    memset(name, 'n', sizeof name);
    name[ZNODE_NAME_MAX_BYTES] = '\0';
    assert_true(znode_parse_topic(znode_path_topic(name).s, topic));
    assert_string_equal(topic, name);
    name[ZNODE_NAME_MAX_BYTES] = 'n';
    name[ZNODE_NAME_MAX_BYTES + 1] = '\0';
    assert_false(znode_parse_topic(znode_path_topic(name).s, topic)); // longer than a topic's name can be
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builders),
        cmocka_unit_test(test_names_that_are_none),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_top_level),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_paths_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
