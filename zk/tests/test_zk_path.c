// SPDX-License-Identifier: Apache-2.0
//
// Paths are refused and accepted as ZooKeeper does.
#include "zk/zk_path.h"

#include "base/tests/cmocka_all.h"
#include "zk/zk.h"

struct path_case {
    const char *path;
    bool is_sequential;
    enum err expected;
};

static const struct path_case path_cases[] = {
    {"/", false, ERR_OK},
    {"/a", false, ERR_OK},
    {"/a/b.c/..d/...", false, ERR_OK},
    {"/config/users/CN%3Dbob%2C%20O%3Dx%20y%2A", false, ERR_OK},
    {"/config/clients/<default>", false, ERR_OK},
    {"/with space", false, ERR_OK},
    {"/\xc3\xa9/\xe2\x82\xac/\xf0\x9f\x98\x80", false, ERR_OK}, // two, three and four bytes
    {"", false, ERR_INVALID},
    {"a", false, ERR_INVALID},
    {"a/b", false, ERR_INVALID},
    {"/a/", false, ERR_INVALID},
    {"//", false, ERR_INVALID},
    {"//a", false, ERR_INVALID},
    {"/a//b", false, ERR_INVALID},
    {"/.", false, ERR_INVALID},
    {"/..", false, ERR_INVALID},
    {"/a/./b", false, ERR_INVALID},
    {"/a/../b", false, ERR_INVALID},
    {"/a/..", false, ERR_INVALID},
    {"/a\nb", false, ERR_INVALID},
    {"/a\x01", false, ERR_INVALID},
    {"/a\x7f", false, ERR_INVALID},
    {"/\xc2\x80", false, ERR_INVALID},         // U+0080, a control character
    {"/\xee\x80\x80", false, ERR_INVALID},     // U+E000, private use
    {"/\xef\xbf\xbf", false, ERR_INVALID},     // U+FFFF
    {"/\x80", false, ERR_INVALID},             // a following byte alone
    {"/\xc3", false, ERR_INVALID},             // cut short
    {"/\xc0\xaf", false, ERR_INVALID},         // overlong '/'
    {"/\xe0\x80\xaf", false, ERR_INVALID},     // overlong
    {"/\xed\xa0\x80", false, ERR_INVALID},     // surrogate
    {"/\xf4\x90\x80\x80", false, ERR_INVALID}, // beyond U+10FFFF
    {"/\xf8\x88\x80\x80\x80", false, ERR_INVALID},
    {"/", true, ERR_OK},
    {"/a/", true, ERR_OK},
    {"/a/b_", true, ERR_OK},
    {"//", true, ERR_INVALID},
    {"/a//", true, ERR_INVALID},
    {"/../", true, ERR_INVALID},
};

static void test_characters_and_components(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof path_cases / sizeof path_cases[0]; i++) {
        const struct path_case *c = &path_cases[i];
        if (zk_path_check(c->path, c->is_sequential) != c->expected)
            fail_msg("case %zu: \"%s\" should be %s", i, c->path, err_name(c->expected));
    }
}

static void test_length(void **state)
{
    (void)state;
    char path[ZK_PATH_MAX_BYTES + 2];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[ZK_PATH_MAX_BYTES + 1] = '\0';
    assert_int_equal(zk_path_check(path, false), ERR_TOO_LARGE);
    path[ZK_PATH_MAX_BYTES] = '\0';
    assert_int_equal(zk_path_check(path, false), ERR_OK);
    assert_int_equal(zk_path_check(path, true), ERR_TOO_LARGE); // no room for the digits
    path[ZK_PATH_MAX_BYTES - ZK_SEQUENCE_DIGITS] = '\0';
    assert_int_equal(zk_path_check(path, true), ERR_OK);
}

static void test_parent(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"/", ""}, {"/a", "/"}, {"/a/b", "/a"}, {"/a/b/c", "/a/b"}, {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice parent = zk_path_parent(slice_str(cases[i][0]));
        assert_true(slice_equal(parent, slice_str(cases[i][1])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters_and_components),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
