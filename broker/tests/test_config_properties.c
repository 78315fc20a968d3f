// SPDX-License-Identifier: Apache-2.0
//
// The syntax of .properties files, as the Java documentation of Properties.load gives it.
#include "broker/config_properties.h"

#include "base/tests/cmocka_all.h"
#include <stdio.h>
#include <string.h>

struct seen {
    char text[4096]; // "key=value|" for each entry
    int count;
    int fail_at; // the entry with this number (from 1) is refused; 0 = none
};

static enum err entry_note(void *ctx, const char *key, const char *value)
{
    struct seen *s = ctx;
    size_t len = strlen(s->text);
    snprintf(s->text + len, sizeof s->text - len, "%s=%s|", key, value);
    s->count++;
    return s->count == s->fail_at ? ERR_FULL : ERR_OK;
}

static enum err parse(const char *text, size_t len, struct seen *s, int *bad_line)
{
    struct arena a;
    const char *why = NULL;
    arena_init(&a, 1 << 20);
    enum err err = config_properties_parse(text, len, &a, entry_note, s, bad_line, &why);
    assert_true(err != ERR_INVALID || why != NULL);
    arena_release(&a);
    return err;
}

struct parse_case {
    const char *text;
    const char *expected;
};

static void test_accepted(void **state)
{
    (void)state;
    static const struct parse_case cases[] = {
        {"", ""},
        {"\n \t\f\n\r\n", ""},
        {"a=1", "a=1|"},
        {"a=1\nb=2\n", "a=1|b=2|"},
        {"a=1\r\nb=2\rc=3", "a=1|b=2|c=3|"},
        {"  a  =  1  \n", "a=1  |"}, // blanks at the end belong to the value
        {"a:1\nb 2\nc\t:\t3\nd = = 4", "a=1|b=2|c=3|d== 4|"},
        {"a\nb=\nc:", "a=|b=|c=|"},
        {"# comment\n  ! comment\na=1 # no comment", "a=1 # no comment|"},
        {"# a comment does not go on \\\na=1", "a=1|"},
        {"a=1,\\\n   2,\\\n\t3\nb=4", "a=1,2,3|b=4|"},
        {"a=1\\\\\nb=2", "a=1\\|b=2|"}, // an even number of backslashes ends no line
        {"a=1\\\\\\\n2", "a=1\\2|"},    // an odd one does
        {"a=1\\\n# part of the value\nb=2", "a=1# part of the value|b=2|"},
        {"a=1\\\n\nb=2", "a=1|b=2|"},
        {"a=1\\", "a=1|"},
        {"\\", ""},
        {"a\\ b\\=c\\:d=1", "a b=c:d=1|"},
        {"a=\\t\\n\\r\\f\\q\\\\", "a=\t\n\r\fq\\|"},
        {"a=\\u0041\\u00e9\\u20AC\\ud83d\\ude00", "a=A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80|"},
        {"\\u0061=1", "a=1|"},
        {"a=\xc3\xa9", "a=\xc3\xa9|"}, // bytes stay
        {"=1", "=1|"},
        {"a=1\na=2", "a=1|a=2|"}, // in the order of the file: the receiver lets the last one win
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen s = {.count = 0};
        int bad_line;
        assert_int_equal(parse(cases[i].text, strlen(cases[i].text), &s, &bad_line), ERR_OK);
        assert_string_equal(s.text, cases[i].expected);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        int line;
    } cases[] = {
        {"a=\\u12", 6, 1},
        {"a=1\n\n# x\nb=\\u12g4\n", 18, 4},
        {"a=1\nb=2,\\\n3\\u\nc=4", 17, 2}, // named by the first of the lines that belong together
        {"a=\\u0000", 8, 1},
        {"a=1\0b=2", 7, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen s = {.count = 0};
        int bad_line = -1;
        assert_int_equal(parse(cases[i].text, cases[i].len, &s, &bad_line), ERR_INVALID);
        assert_int_equal(bad_line, cases[i].line);
    }
}

static void test_error_of_the_receiver_ends_it(void **state)
{
    (void)state;
    struct seen s = {.fail_at = 2};
    int bad_line;
    assert_int_equal(parse("a=1\nb=2\nc=3", 11, &s, &bad_line), ERR_FULL);
    assert_int_equal(s.count, 2);
}

static void test_arena_full(void **state)
{
    (void)state;
    struct arena a;
    struct seen s = {.count = 0};
    int bad_line;
    const char *why;
    arena_init(&a, 64);
    const char text[] = "a=1111111111111111111111111111\nb=2222222222222222222222222";
    assert_int_equal(config_properties_parse(text, strlen(text), &a, entry_note, &s, &bad_line, &why), ERR_NO_MEMORY);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_error_of_the_receiver_ends_it),
        cmocka_unit_test(test_arena_full),
    };
    return cmocka_run_group_tests_name("broker/config_properties", tests, NULL, NULL);
}
