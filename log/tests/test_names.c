// SPDX-License-Identifier: Apache-2.0
//
// File and folder names: what is written is read again, and what Kafka would not take is refused.
#include "log/names.h"

#include <stdio.h>
#include <string.h>

#include "base/tests/cmocka_all.h"

static void test_file_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct file_name name;
    } cases[] = {
        {"00000000000000000000.log", {0, NAME_LOG, NAME_LIVE}},
        {"00000000000000000072.index", {72, NAME_INDEX, NAME_LIVE}},
        {"09223372036854775807.timeindex", {INT64_MAX, NAME_TIME_INDEX, NAME_LIVE}},
        {"00000000000000000150.txnindex.deleted", {150, NAME_TXN_INDEX, NAME_DELETED}},
        {"00000000000000000038.snapshot", {38, NAME_SNAPSHOT, NAME_LIVE}},
        {"00000000000000000038.log.cleaned", {38, NAME_LOG, NAME_CLEANED}},
        {"00000000000000000038.timeindex.swap", {38, NAME_TIME_INDEX, NAME_SWAP}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[NAME_FILE_MAX];
        struct file_name name;
        const struct file_name *n = &cases[i].name;
        file_name_format(text, n->offset, n->kind, n->state);
        assert_string_equal(text, cases[i].text);
        assert_true(file_name_parse(text, &name));
        assert_memory_equal(&name, n, sizeof name);
    }
}

static void test_no_file_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        ".log",
        "log",
        "0000000000000000000x.log",
        "-0000000000000000001.log",
        "00000000000000000000",
        "00000000000000000000.logs",
        "00000000000000000000.log.old",
        "99999999999999999999.log", // more than 2^63 - 1
        "leader-epoch-checkpoint",
        "partition.metadata",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct file_name name;
        assert_false(file_name_parse(names[i], &name));
    }
}

static void test_folder_names(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *topic;
        int32_t partition;
        enum folder_state state;
    } cases[] = {
        {"topic-0", "topic", 0, FOLDER_LIVE},
        {"a-b.c_d-12", "a-b.c_d", 12, FOLDER_LIVE},
        {"x--2147483647", "x-", INT32_MAX, FOLDER_LIVE},
        {"a.b-delete-3", "a.b-delete", 3, FOLDER_LIVE},
        {"a.b-3.0123456789abcdef0123456789abcdef-delete", "a.b", 3, FOLDER_DELETE},
        {"t-1.0123456789abcdef0123456789abcdef-future", "t", 1, FOLDER_FUTURE},
        {"t-1.0123456789abcdef0123456789abcdef-stray", "t", 1, FOLDER_STRAY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct folder_name name;
        assert_true(folder_name_parse(cases[i].text, &name));
        assert_string_equal(name.topic, cases[i].topic);
        assert_int_equal(name.partition, cases[i].partition);
        assert_int_equal(name.state, cases[i].state);
    }
    static const char *const others[] = {"",     "nodash", "x-y",  "-1",        "x-", "x-2147483648",
                                         "x-1a", "x- 1",   "x-+1", "lost+found"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct folder_name name;
        assert_false(folder_name_parse(others[i], &name));
    }
}

static void test_long_topics(void **state)
{
    (void)state;
    static const char unique[] = "0123456789abcdef0123456789abcdef";
    char topic[NAME_TOPIC_MAX];
    char text[NAME_FOLDER_MAX];
    struct folder_name name;
    memset(topic, 'a', sizeof topic - 1);
    topic[sizeof topic - 1] = '\0';
    assert_int_equal(folder_name_format(text, topic, 99999), ERR_OK);
    assert_int_equal(folder_name_format(text, topic, 1234567), ERR_TOO_LARGE);
    folder_name_format_delete(text, topic, 7, unique);
    assert_int_equal(strlen(text), NAME_FOLDER_MAX - 1);
    assert_true(folder_name_parse(text, &name));
    assert_int_equal(name.partition, 7);
    assert_int_equal(name.state, FOLDER_DELETE);
    assert_int_equal(strlen(name.topic), NAME_FOLDER_MAX - 1 - strlen("-7.") - strlen(unique) - strlen("-delete"));
    folder_name_format_delete(text, "short", 7, unique);
    assert_string_equal(text, "short-7.0123456789abcdef0123456789abcdef-delete");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_names),
        cmocka_unit_test(test_no_file_names),
        cmocka_unit_test(test_folder_names),
        cmocka_unit_test(test_long_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
