// SPDX-License-Identifier: Apache-2.0
//
// Look-up in the table of keys, and which values a row lets pass with which sentence, as a Kafka 3.9.1 says it.
#include "broker/cluster/broker_keys.h"

#include "base/tests/cmocka_all.h"

static const struct broker_key rows[] = {
    {.name = "a.boolean", .type = BROKER_KEY_BOOLEAN},
    {.name = "a.double", .type = BROKER_KEY_DOUBLE, .has_min = true, .has_max = true, .max = 1},
    {.name = "a.level", .type = BROKER_KEY_INT, .or_minus_one = true, .min = 1, .max = 9},
    {.name = "a.list", .type = BROKER_KEY_LIST, .one_of = "compact,delete"},
    {.name = "a.long", .type = BROKER_KEY_LONG},
    {.name = "a.password", .type = BROKER_KEY_PASSWORD},
    {.name = "a.short", .type = BROKER_KEY_SHORT, .has_min = true, .min = 1, .has_max = true, .max = 9},
    {.name = "a.string", .type = BROKER_KEY_STRING, .one_of = "x,y"},
    {.name = "a.version", .type = BROKER_KEY_STRING, .version = true},
    {.name = "an.int", .type = BROKER_KEY_INT},
};
static const struct broker_keys keys = {rows, sizeof rows / sizeof rows[0]};

static void test_find(void **state)
{
    (void)state;
    assert_ptr_equal(broker_key_find(&keys, "a.long"), &rows[4]);
    assert_ptr_equal(broker_key_find(&keys, "listener.name.x.a.long"), &rows[4]);
    assert_null(broker_key_find(&keys, "listener.name.x"));
    assert_null(broker_key_find(&keys, "a"));
    assert_null(broker_key_find(&(struct broker_keys){NULL, 0}, "a.long"));
    assert_true(broker_key_is_sensitive(NULL));
    assert_true(broker_key_is_sensitive(&rows[5]));
    assert_false(broker_key_is_sensitive(&rows[4]));
}

static void test_check(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *value;
        const char *why; // NULL = passes
    } cases[] = {
        {"a.boolean", " TRUE ", NULL},
        {"a.boolean", "yes",
         "Invalid value yes for configuration a.boolean: Expected value to be either true or false"},
        {"a.double", "0.5", NULL},
        {"a.double", "0x1", "Invalid value 0x1 for configuration a.double: Not a number of type DOUBLE"},
        {"a.double", "NaN", "Invalid value NaN for configuration a.double: Not a number of type DOUBLE"},
        {"a.double", "1f", NULL},
        {"a.double", "1e3", "Invalid value 1000.0 for configuration a.double: Value must be no more than 1"},
        {"a.double", " -1", "Invalid value -1.0 for configuration a.double: Value must be at least 0"},
        {"a.double", "1.5", "Invalid value 1.5 for configuration a.double: Value must be no more than 1"},
        {"a.list", "delete, compact", NULL},
        {"a.list", "", NULL},
        {"a.list", "delete,x", "Invalid value x for configuration a.list: String must be one of: compact, delete"},
        {"a.list", "delete,", "Invalid value  for configuration a.list: String must be one of: compact, delete"},
        {"a.level", "-1", NULL},
        {"a.level", "0", "Invalid value 0 for configuration a.level: Value must be between 1 and 9 or equal to -1"},
        {"a.long", "9223372036854775807", NULL},
        {"a.long", "9223372036854775808",
         "Invalid value 9223372036854775808 for configuration a.long: Not a number of type LONG"},
        {"a.long", "", "Invalid value  for configuration a.long: Not a number of type LONG"},
        {"a.password", "anything", NULL},
        {"a.short", "9", NULL},
        {"a.short", "0", "Invalid value 0 for configuration a.short: Value must be at least 1"},
        {"a.short", "10", "Invalid value 10 for configuration a.short: Value must be no more than 9"},
        {"a.short", "40000", "Invalid value 40000 for configuration a.short: Not a number of type SHORT"},
        {"a.string", "y", NULL},
        {"a.string", "z", "Invalid value z for configuration a.string: String must be one of: x, y"},
        {"an.int", "-2147483648", NULL},
        {"an.int", "2147483648", "Invalid value 2147483648 for configuration an.int: Not a number of type INT"},
        {"a.version", " 3.9-IV0 ", NULL},
        {"a.version", "3.9-IV1",
         "Invalid value 3.9-IV1 for configuration a.version: Version 3.9-IV1 is not a valid version"},
        {"an.int", " x", "Invalid value  x for configuration an.int: Not a number of type INT"},
    };
    struct arena a;
    arena_init(&a, 1024 * 1024);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *why;
        const struct broker_key *key = broker_key_find(&keys, cases[i].key);
        enum err err = broker_key_check(key, cases[i].value, &a, &why);
        assert_int_equal(err, cases[i].why == NULL ? ERR_OK : ERR_INVALID);
        if (cases[i].why != NULL) {
            assert_string_equal(why, cases[i].why);
        }
    }
    arena_release(&a);
}

static void test_show(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024 * 1024);
    assert_string_equal(broker_key_show(&rows[0], " TRUE", &a), "true");
    assert_string_equal(broker_key_show(&rows[0], "False", &a), "false");
    assert_string_equal(broker_key_show(&rows[1], ".5", &a), "0.5");
    assert_string_equal(broker_key_show(&rows[3], "delete , compact", &a), "delete,compact");
    assert_string_equal(broker_key_show(&rows[4], "+007", &a), "7");
    assert_string_equal(broker_key_show(&rows[7], " x ", &a), "x");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_show),
    };
    return cmocka_run_group_tests_name("cluster/broker_keys", tests, NULL, NULL);
}
