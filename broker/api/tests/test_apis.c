// SPDX-License-Identifier: Apache-2.0
//
// The API table: rows ascend, every key is found, and no version is served that the protocol does not know.
#include "broker/api/apis.h"

#include "base/tests/cmocka_all.h"

static void test_rows(void **state)
{
    (void)state;
    int16_t last = -1;
    for (size_t i = 0; i < api_count(); i++) {
        const struct api *a = api_at(i);
        const struct protocol_api *known = protocol_api_find(a->key);
        assert_true(a->key > last);
        last = a->key;
        assert_non_null(known);
        assert_true(a->min_version >= known->min_version);
        assert_true(a->max_version <= known->max_version);
        assert_true(a->min_version <= a->max_version);
        assert_non_null(a->handler);
        assert_non_null(a->abort);
        assert_ptr_equal(api_find(a->key), a);
    }
}

static void test_unknown_keys(void **state)
{
    (void)state;
    assert_null(api_find(-1));
    assert_null(api_find(99));
    assert_null(api_find(INT16_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_unknown_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
