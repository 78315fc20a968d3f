// SPDX-License-Identifier: Apache-2.0
//
// zookeeper.connect: what is read, and what is refused.
#include "zk/zk_connect.h"

#include "base/tests/cmocka_all.h"

static void test_values(void **state)
{
    static const struct {
        const char *text;
        const char *hosts;
        const char *chroot;
    } cases[] = {
        {"localhost:2181", "localhost:2181", ""},
        {"a", "a:2181", ""},
        {"a:1,b,c:65535/kafka", "a:1,b:2181,c:65535", "/kafka"},
        {"a:1 , b:2/x/y", "a:1,b:2", "/x/y"},
        {"a:1/", "a:1", ""},
        {"[::1]:7,[fe80::2]", "[::1]:7,[fe80::2]:2181", ""},
        {"::1", "[::1]:2181", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zk_connect c;
        assert_int_equal(zk_connect_parse(cases[i].text, &c), ERR_OK);
        assert_string_equal(c.hosts, cases[i].hosts);
        assert_string_equal(c.chroot, cases[i].chroot);
        zk_connect_release(&c);
    }
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "",       "/kafka", ":2181",    "a:0",     "a:65536",          "a:x",      "a:", "a:1,", ",a:1", "a:1,,b",
        "a:1//x", "a:1/x/", "a:1/../x", "[::1]:x", "a:99999999999999", "a:1/\x01",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zk_connect c;
        assert_int_equal(zk_connect_parse(cases[i], &c), ERR_INVALID);
        zk_connect_release(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
