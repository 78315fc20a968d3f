// SPDX-License-Identifier: Apache-2.0
//
// The map from names to numbers: new keys, known keys, keys with NUL bytes, the arena's limit.
#include "base/tests/cmocka_all.h"

#include "broker/api/key_map.h"

static void test_new_key_begins_at_minus_one(void **state)
{
    (void)state;
    struct arena a;
    struct key_map m;
    arena_init(&a, 1 << 20);
    key_map_init(&m);
    int64_t *one = key_map_slot(&m, slice_str("one"), &a);
    assert_non_null(one);
    assert_int_equal(*one, -1);
    *one = 7;
    assert_ptr_equal(key_map_slot(&m, slice_str("one"), &a), one);
    assert_int_equal(*key_map_slot(&m, slice_str("one"), &a), 7);
    assert_int_equal(*key_map_slot(&m, slice_str("on"), &a), -1);
    key_map_release(&m);
    arena_release(&a);
}

static void test_keys_are_bytes(void **state)
{
    (void)state;
    struct arena a;
    struct key_map m;
    arena_init(&a, 1 << 20);
    key_map_init(&m);
    *key_map_slot(&m, slice_of("a\0b", 3), &a) = 1;
    *key_map_slot(&m, slice_of("a\0c", 3), &a) = 2;
    *key_map_slot(&m, slice_of("", 0), &a) = 3;
    assert_int_equal(*key_map_slot(&m, slice_of("a\0b", 3), &a), 1);
    assert_int_equal(*key_map_slot(&m, slice_of("a\0c", 3), &a), 2);
    assert_int_equal(*key_map_slot(&m, slice_of("", 0), &a), 3);
    key_map_release(&m);
    arena_release(&a);
}

// The pair is copied, and only when it is new.
static void test_pairs(void **state)
{
    (void)state;
    struct arena a;
    struct key_map m;
    arena_init(&a, 1 << 20);
    key_map_init(&m);
    *key_map_pair_slot(&m, 1, 2, &a) = 12;
    *key_map_pair_slot(&m, 2, 1, &a) = 21;
    assert_int_equal(*key_map_pair_slot(&m, 0, 0, &a), -1);
    size_t used = a.used;
    assert_int_equal(*key_map_pair_slot(&m, 1, 2, &a), 12);
    assert_int_equal(*key_map_pair_slot(&m, 2, 1, &a), 21);
    assert_int_equal(a.used, used);
    key_map_release(&m);
    arena_release(&a);
}

static void test_many_keys_until_the_arena_is_full(void **state)
{
    (void)state;
    struct arena a;
    struct key_map m;
    int32_t keys[10000];
    int32_t n = 0;
    arena_init(&a, 64 * 1024);
    key_map_init(&m);
    for (; n < 10000; n++) {
        keys[n] = n;
        int64_t *slot = key_map_slot(&m, slice_of(&keys[n], sizeof keys[n]), &a);
        if (slot == NULL) {
            break;
        }
        assert_int_equal(*slot, -1);
        *slot = n;
    }
    assert_in_range(n, 100, 9999); // the limit ended it, not the loop
    for (int32_t i = 0; i < n; i++) {
        assert_int_equal(*key_map_slot(&m, slice_of(&keys[i], sizeof keys[i]), &a), i);
    }
    key_map_release(&m);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_key_begins_at_minus_one),
        cmocka_unit_test(test_keys_are_bytes),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_many_keys_until_the_arena_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
