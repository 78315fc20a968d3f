// SPDX-License-Identifier: Apache-2.0
//
// Numbers and lists as Java reads and prints them; the printed ones are what Java 17 prints.
#include "base/java_text.h"

#include "base/tests/cmocka_all.h"
#include <math.h>
#include <string.h>

static void test_trim(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    assert_string_equal(java_trim(" \t a b\r\n", &a), "a b");
    assert_string_equal(java_trim("", &a), "");
    assert_string_equal(java_trim(" \001 ", &a), "");
    arena_release(&a);
}

static void test_integers(void **state)
{
    (void)state;
    int64_t v;
    assert_true(java_integer_parse("0", &v) && v == 0);
    assert_true(java_integer_parse("-12", &v) && v == -12);
    assert_true(java_integer_parse("+12", &v) && v == 12);
    assert_true(java_integer_parse("9223372036854775807", &v) && v == INT64_MAX);
    static const char *const bad[] = {"", "-", "+", "1.0", "1e3", "0x10", "12 ", " 12", "12k", "9223372036854775808"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(java_integer_parse(bad[i], &v));
    }
}

static void test_doubles(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        const char *shown;
    } cases[] = {
        {"0", "0.0"},
        {"-0.5", "-0.5"},
        {".25", "0.25"},
        {"1f", "1.0"},
        {"1.5D", "1.5"},
        {"0.1", "0.1"},
        {"0.001", "0.001"},
        {"0.0009", "9.0E-4"},
        {"0.00012", "1.2E-4"},
        {"100000", "100000.0"},
        {"1234567.25", "1234567.25"},
        {"9999999", "9999999.0"},
        {"10000000", "1.0E7"},
        {"2147483648", "2.147483648E9"},
        {"9223372036854775807", "9.223372036854776E18"},
        {"1.7976931348623157E308", "1.7976931348623157E308"},
        {"1e999", "Infinity"},
        {"-Infinity", "-Infinity"},
    };
    struct arena a;
    arena_init(&a, 4096);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double d;
        assert_true(java_double_parse(cases[i].given, &d));
        assert_string_equal(java_double_text(d, &a), cases[i].shown);
    }
    assert_string_equal(java_double_text(NAN, &a), "NaN");
    static const char *const bad[] = {"",    "NaN", "nan", "inf", "infinity", "0x1p3", "1,5", ".",
                                      "1ff", "f",   "e5",  " 1",  "1 ",       "--1",   "1-"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double d;
        assert_false(java_double_parse(bad[i], &d));
    }
    arena_release(&a);
}

static void test_booleans(void **state)
{
    (void)state;
    bool b;
    assert_true(java_boolean_parse("TRUE", &b) && b);
    assert_true(java_boolean_parse("false", &b) && !b);
    assert_false(java_boolean_parse("yes", &b));
    assert_false(java_boolean_parse("1", &b));
    assert_false(java_boolean_parse("", &b));
}

static void test_lists(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *items; // each followed by a bar
    } cases[] = {{"", ""},      {"  ", ""},  {"a", "a|"},      {" a , b c ", "a|b c|"},
                 {"a,", "a||"}, {",", "||"}, {"a,,b", "a||b|"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char got[32] = "";
        struct slice item;
        for (const char *rest = java_list_begin(cases[i].text); java_list_next(&rest, &item);) {
            strncat(got, (const char *)item.data, item.len);
            strcat(got, "|");
        }
        assert_string_equal(got, cases[i].items);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trim),     cmocka_unit_test(test_integers), cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_booleans), cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests_name("base/java_text", tests, NULL, NULL);
}
