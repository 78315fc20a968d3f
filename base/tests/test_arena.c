// SPDX-License-Identifier: Apache-2.0
//
// The arena's limit holds, what it gives is zeroed and aligned, pieces do not overlap, and a reset reuses memory.
#include "base/arena.h"

#include "base/tests/cmocka_all.h"
#include <string.h>

static void test_aligned_and_zeroed(void **state)
{
    (void)state;
    static const uint8_t zeros[300];
    struct arena a;
    arena_init(&a, 1 << 20);
    for (int round = 0; round < 2; round++) {
        for (size_t size = 0; size < 300; size += 7) {
            uint8_t *p = arena_alloc(&a, size);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            assert_memory_equal(p, zeros, size);
            memset(p, 0xff, size); // the second round meets used memory
        }
        arena_reset(&a);
    }
    arena_release(&a);
}

static void test_pieces_do_not_overlap(void **state)
{
    (void)state;
    enum {
        N = 2000,
        SIZE = 500
    };
    static uint8_t *pieces[N];
    struct arena a;
    arena_init(&a, 4 << 20);
    for (int i = 0; i < N; i++) {
        pieces[i] = arena_alloc(&a, SIZE);
        assert_non_null(pieces[i]);
        memset(pieces[i], i & 0xff, SIZE);
    }
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < SIZE; j++) {
            assert_int_equal(pieces[i][j], i & 0xff);
        }
    }
    arena_release(&a);
}

static void test_limit(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    assert_null(arena_alloc(&a, 1001));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 7));
    assert_non_null(arena_alloc(&a, 900));
    assert_null(arena_alloc(&a, 200));
    assert_non_null(arena_alloc(&a, 64)); // a refusal does not spoil the arena
    assert_true(a.used <= 1000);
    arena_reset(&a);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 900));
    arena_release(&a);
}

static void test_large_piece(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64 << 20);
    uint8_t *big = arena_alloc(&a, 32 << 20);
    assert_non_null(big);
    big[(32 << 20) - 1] = 1;
    assert_non_null(arena_alloc(&a, 10));
    arena_release(&a);
    assert_non_null(arena_alloc(&a, 10)); // still usable after a release
    arena_release(&a);
}

static void test_array_overflow(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, SIZE_MAX);
    assert_null(arena_array(&a, SIZE_MAX / 2, 4));
    assert_non_null(arena_array(&a, 10, 4));
    assert_non_null(arena_array(&a, 0, 4));
    arena_release(&a);
}

static void test_reset_keeps_first_block(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    void *first = arena_alloc(&a, 100);
    for (int i = 0; i < 100; i++) {
        assert_non_null(arena_alloc(&a, 1000));
    }
    arena_reset(&a);
    assert_ptr_equal(arena_alloc(&a, 100), first);
    arena_release(&a);
    arena_reset(&a); // of an empty arena
    assert_null(a.blocks);
}

static void test_strings(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    assert_string_equal(arena_strdup(&a, "topic"), "topic");
    assert_string_equal(arena_strdup(&a, ""), "");
    assert_string_equal(arena_strndup(&a, "topic", 3), "top");
    assert_string_equal(arena_strndup(&a, NULL, 0), "");
    assert_string_equal(arena_printf(&a, "%s-%d", "topic", 7), "topic-7");
    assert_null(arena_printf(&a, "%2000d", 7));
    arena_release(&a);
}

static void test_adopt_takes_everything(void **state)
{
    (void)state;
    struct arena a, from;
    arena_init(&a, 100);
    arena_init(&from, 1 << 20);
    arena_adopt(&a, &from);                   // of an empty arena
    for (int round = 0; round < 2; round++) { // into an empty one, then into one with blocks
        char *text = arena_strdup(&from, "text");
        void *large = arena_alloc(&from, 500000);
        assert_non_null(large);
        arena_adopt(&a, &from);
        assert_null(from.blocks);
        assert_int_equal(from.used, 0);
        memset(large, 1, 500000);
        assert_string_equal(text, "text");
        assert_string_equal(arena_strdup(&a, "more"), "more"); // its own room is as large as before
    }
    assert_non_null(arena_alloc(&from, 10));
    arena_release(&from);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aligned_and_zeroed),
        cmocka_unit_test(test_pieces_do_not_overlap),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_large_piece),
        cmocka_unit_test(test_array_overflow),
        cmocka_unit_test(test_reset_keeps_first_block),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_adopt_takes_everything),
    };
    return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}
