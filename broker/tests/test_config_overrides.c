// SPDX-License-Identifier: Apache-2.0
//
// max.connections.per.ip.overrides: what is taken, and Kafka's words for what is not.
#include "broker/config_overrides.h"

#include "base/tests/cmocka_all.h"

static void test_taken(void **state)
{
    (void)state;
    struct arena a;
    struct config_override *list;
    int32_t count;
    const char *why;
    arena_init(&a, 1 << 20);
    assert_int_equal(config_overrides_parse("", &a, &list, &count, &why), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(
        config_overrides_parse(" 127.0.0.1:5 , host-1.example : 0,::1:2147483647", &a, &list, &count, &why), ERR_OK);
    assert_int_equal(count, 3);
    assert_string_equal(list[0].host, "127.0.0.1");
    assert_int_equal(list[0].max, 5);
    assert_string_equal(list[1].host, "host-1.example");
    assert_int_equal(list[1].max, 0);
    assert_string_equal(list[2].host, "::1");
    assert_int_equal(list[2].max, INT32_MAX);
    assert_null(config_overrides_refusal("a:1,b:2", &a));
    arena_release(&a);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"bad", "Error parsing configuration property 'max.connections.per.ip.overrides': begin 0, end -1, length 3"},
        {"a:b", "For input string: \"b\""},
        {"a:1,b:2147483648", "For input string: \"2147483648\""},
        {"bad host!:3", "max.connections.per.ip.overrides contains invalid addresses : bad host!"},
        {"a:-3",
         "Invalid value -3 for configuration max.connections.per.ip.overrides: Value must be at least 0"}, // ours
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        arena_init(&a, 1 << 20);
        const char *why = config_overrides_refusal(cases[i].text, &a);
        assert_non_null(why);
        assert_string_equal(why, cases[i].why);
        arena_release(&a);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    for (int more = 0; more < 2; more++) {
        char text[4 * (CONFIG_OVERRIDES_MAX + 2)];
        size_t len = 0;
        for (int i = 0; i < CONFIG_OVERRIDES_MAX + more; i++) {
            memcpy(text + len, "a:1,", 4);
            len += 4;
        }
        text[len - 1] = '\0';
        const char *why = config_overrides_refusal(text, &a);
        assert_int_equal(why != NULL, more);
    }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
