// SPDX-License-Identifier: Apache-2.0
//
// Hashes and partitions as Java computes them.
#include "broker/cluster/java_hash.h"

#include "base/tests/cmocka_all.h"

static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        int32_t hash;
        int32_t partition; // of 50
    } cases[] = {
        {"my-group", -1906497762, 12},
        {"txn-1", 110810510, 10},
        {"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80", 27946695, 45}, // beyond the BMP: two UTF-16 units
        {"", 0, 0},
        {"group-with-negative-hash-zz", 1165894688, 38},
        {"polygenelubricants", INT32_MIN, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(java_string_hash(slice_str(cases[i].id)), cases[i].hash);
        assert_int_equal(java_string_partition(slice_str(cases[i].id), 50), cases[i].partition);
    }
    assert_int_equal(java_string_partition(slice_str("my-group"), 1), 0);
}

static void test_malformed_utf8(void **state)
{
    (void)state;
    const int32_t replaced = 0xfffd;
    static const char *const one[] = {"\xff", "\x80", "\xc3", "\xc0"};
    for (size_t i = 0; i < sizeof one / sizeof one[0]; i++) {
        assert_int_equal(java_string_hash(slice_str(one[i])), replaced);
    }
    assert_int_equal(java_string_hash(slice_str("\xff"
                                                "a")),
                     31 * replaced + 'a');
    // A surrogate and an overlong form are no characters.
    assert_int_not_equal(java_string_hash(slice_str("\xed\xa0\x80")), 0xd800);
    assert_int_not_equal(java_string_hash(slice_str("\xe0\x80\xaf")), '/');
}

static void test_length(void **state)
{
    (void)state;
    assert_int_equal(java_string_length(SLICE_NULL), 0);
    assert_int_equal(java_string_length(slice_str("abc")), 3);
    assert_int_equal(java_string_length(slice_str("\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80")), 4);
    assert_int_equal(java_string_length(slice_str("\xff\xfe")), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_malformed_utf8),
        cmocka_unit_test(test_length),
    };
    return cmocka_run_group_tests_name("broker/cluster/java_hash", tests, NULL, NULL);
}
