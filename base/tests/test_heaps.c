// SPDX-License-Identifier: Apache-2.0
//
// When it is worth it to give memory back, and that it is given back: blocks below one that lives on, but not what lies
// between blocks in use. Under sanitizers and with another C library the heaps are not glibc's, and of the latter there
// is nothing to see.
#include "base/heaps.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"

#define MIB          (1024 * 1024)
#define TAKEN_BYTES  (32 * MIB)
#define MAPPED_BYTES ((size_t)2 * TAKEN_BYTES) // finds no room in a heap
#define PAGES_BYTES  8192                      // a block that has a whole page within
#define CRUMB_BYTES  1008                      // one that has none

// ---- what decides ----

struct look {
    int idle_mib;
    int left_mib; // after the pages were given back; LET_BE: they were not
};

#define LET_BE (-1)

static void check_looks(const struct look *looks, size_t count)
{
    struct heaps h;
    heaps_init(&h, os_real());
    for (size_t i = 0; i < count; i++) {
        bool is_worth_it = heaps_note(&h, (int64_t)looks[i].idle_mib * MIB);
        assert_int_equal(is_worth_it, looks[i].left_mib != LET_BE);
        if (is_worth_it) {
            heaps_given(&h, (int64_t)looks[i].left_mib * MIB);
        }
    }
}

static void test_what_is_idle_at_two_looks_counts(void **state)
{
    (void)state;
    const struct look much[] = {{100, LET_BE}, {100, 1}, {1, LET_BE}, {1, LET_BE}};
    const struct look edge[] = {{8, LET_BE}, {8, LET_BE}, {9, LET_BE}, {9, 0}};
    check_looks(much, sizeof much / sizeof much[0]);
    check_looks(edge, sizeof edge / sizeof edge[0]);
}

static void test_a_load_that_comes_and_goes_is_let_be(void **state)
{
    (void)state;
    const struct look looks[] = {{100, LET_BE}, {2, LET_BE}, {500, LET_BE}, {7, LET_BE}, {100, LET_BE}};
    check_looks(looks, sizeof looks / sizeof looks[0]);
}

static void test_what_is_stuck_is_not_tried_again(void **state)
{
    (void)state;
    const struct look looks[] = {{100, LET_BE}, {100, 60}, {60, LET_BE}, {68, LET_BE},
                                 {69, LET_BE},  {69, 60},  {60, LET_BE}};
    check_looks(looks, sizeof looks / sizeof looks[0]);
}

static void test_what_was_stuck_is_forgotten_when_it_is_used_again(void **state)
{
    (void)state;
    const struct look looks[] = {{100, LET_BE}, {100, 60}, {5, LET_BE}, {40, LET_BE}, {40, 3}};
    check_looks(looks, sizeof looks / sizeof looks[0]);
}

// ---- what it does ----

static void blocks_free(char **blocks, size_t count, size_t from, size_t step)
{
    for (size_t i = from; i < count; i += step) {
        free(blocks[i]);
    }
}

static char **blocks_take(size_t bytes)
{
    size_t count = TAKEN_BYTES / bytes;
    char **blocks = calloc(count, sizeof *blocks);
    assert_non_null(blocks);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(bytes);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, bytes);
    }
    return blocks;
}

static bool has_heaps_of_glibc(void)
{
#ifdef HEAPS_OF_GLIBC
    void *block = malloc(PAGES_BYTES);
    assert_non_null(block);
    bool has = mallinfo2().uordblks >= PAGES_BYTES; // not those of a sanitizer
    free(block);
    return has && access("/proc/self/statm", R_OK) == 0;
#else
    return false;
#endif
}

static void real_init(struct heaps *h)
{
    if (!has_heaps_of_glibc()) {
        skip();
    }
    heaps_init(h, os_real());
}

static bool look_twice(struct heaps *h)
{
    assert_false(heaps_look(h));
    return heaps_look(h);
}

static void test_free_pages_go_back(void **state)
{
    (void)state;
    struct heaps h;
    real_init(&h);
    size_t count = TAKEN_BYTES / PAGES_BYTES;
    char **blocks = blocks_take(PAGES_BYTES);
    assert_false(look_twice(&h)); // all is in use
    blocks_free(blocks, count - 1, 0, 1);
    assert_true(look_twice(&h));
    assert_true(h.idle_bytes < TAKEN_BYTES / 4);
    assert_false(look_twice(&h));
    free(blocks[count - 1]);
    free(blocks);
}

static void test_a_mapping_in_use_is_not_idle(void **state)
{
    (void)state;
    struct heaps h;
    real_init(&h);
    volatile char *block = malloc(MAPPED_BYTES);
    assert_non_null(block);
    for (size_t i = 0; i < MAPPED_BYTES; i += 4096) {
        block[i] = 1;
    }
    assert_false(look_twice(&h));
    free((void *)block);
}

static void test_crumbs_are_stuck(void **state)
{
    (void)state;
    struct heaps h;
    real_init(&h);
    size_t count = TAKEN_BYTES / CRUMB_BYTES;
    char **blocks = blocks_take(CRUMB_BYTES);
    blocks_free(blocks, count, 0, 2);
    assert_true(look_twice(&h));
    assert_true(h.stuck_bytes > HEAPS_IDLE_MAX_BYTES);
    assert_false(look_twice(&h));
    blocks_free(blocks, count, 1, 2);
    free(blocks);
}

// ---- how long it rests ----

// Goes on by so much each time it is looked at.
struct step_clock {
    int64_t now_us, step_us;
};

static int64_t step_mono_us(const struct os *os)
{
    struct step_clock *c = os->ctx;
    return c->now_us += c->step_us;
}

static void check_rest(int64_t look_us, int64_t look_ms)
{
    struct step_clock clock = {.step_us = look_us};
    const struct os os = {.mono_us = step_mono_us, .ctx = &clock};
    struct heaps h;
    heaps_init(&h, &os);
    assert_int_equal(h.look_ms, HEAPS_LOOK_MS);
    (void)heaps_look(&h);
    assert_int_equal(h.look_ms, look_ms);
}

static void test_a_long_look_is_followed_by_a_long_rest(void **state)
{
    (void)state;
    check_rest(0, HEAPS_LOOK_MS);
    check_rest(7000, HEAPS_LOOK_MS);
    check_rest(10000, 10000);
    check_rest(1000000, 100000000);
    check_rest(INT64_MAX / 4, 100000000);
}

int main(void)
{
    heaps_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_idle_at_two_looks_counts),
        cmocka_unit_test(test_a_load_that_comes_and_goes_is_let_be),
        cmocka_unit_test(test_what_is_stuck_is_not_tried_again),
        cmocka_unit_test(test_what_was_stuck_is_forgotten_when_it_is_used_again),
        cmocka_unit_test(test_free_pages_go_back),
        cmocka_unit_test(test_a_mapping_in_use_is_not_idle),
        cmocka_unit_test(test_crumbs_are_stuck),
        cmocka_unit_test(test_a_long_look_is_followed_by_a_long_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
