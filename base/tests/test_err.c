// SPDX-License-Identifier: Apache-2.0
//
// Every error has a name and a sentence of its own; errno is translated as err.h says.
#include "base/err.h"

#include "base/tests/cmocka_all.h"
#include <errno.h>
#include <string.h>

static void test_names_and_texts(void **state)
{
    (void)state;
    assert_int_equal(ERR_OK, 0);
    assert_string_equal(err_name(ERR_NO_SPACE), "NO_SPACE");
    assert_string_equal(err_text(ERR_NOT_FOUND), "not found");
    for (int a = ERR_OK; a <= ERR_NOT_ENOUGH_REPLICAS; a++) {
        assert_true(strlen(err_text((enum err)a)) > 0);
        for (int b = ERR_OK; b < a; b++) {
            assert_string_not_equal(err_name((enum err)a), err_name((enum err)b));
            assert_string_not_equal(err_text((enum err)a), err_text((enum err)b));
        }
    }
}

static void test_unknown_value_has_text(void **state)
{
    (void)state;
    assert_string_equal(err_name((enum err)9999), "UNKNOWN");
    assert_string_equal(err_text((enum err) - 1), "unknown error");
}

static void test_explained_by_the_system(void **state)
{
    (void)state;
    errno = EACCES;
    assert_string_equal(err_explain(ERR_IO), strerror(EACCES));
    assert_string_equal(err_explain(ERR_LOCKED), err_text(ERR_LOCKED));
    errno = 0;
    assert_string_equal(err_explain(ERR_IO), err_text(ERR_IO));
}

static void test_from_errno(void **state)
{
    (void)state;
    assert_int_equal(err_from_errno(ENOSPC), ERR_NO_SPACE);
    assert_int_equal(err_from_errno(EDQUOT), ERR_NO_SPACE);
    assert_int_equal(err_from_errno(ENOENT), ERR_NOT_FOUND);
    assert_int_equal(err_from_errno(EEXIST), ERR_EXISTS);
    assert_int_equal(err_from_errno(ENOMEM), ERR_NO_MEMORY);
    assert_int_equal(err_from_errno(EMFILE), ERR_AGAIN);
    assert_int_equal(err_from_errno(ENFILE), ERR_AGAIN);
    assert_int_equal(err_from_errno(EIO), ERR_IO);
    assert_int_equal(err_from_errno(EACCES), ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_texts),
        cmocka_unit_test(test_unknown_value_has_text),
        cmocka_unit_test(test_explained_by_the_system),
        cmocka_unit_test(test_from_errno),
    };
    return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
