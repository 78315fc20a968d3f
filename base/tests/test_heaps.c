// SPDX-License-Identifier: Apache-2.0
//
// Blocks below one that lives on are given back once they are many, and not looked for again while they are few. Under
// sanitizers the heaps are not glibc's, and there is nothing to see.
#include "base/heaps.h"

#include "base/tests/cmocka_all.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 8192
#define BLOCKS      4096

static char *blocks[BLOCKS];

static void blocks_take(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, BLOCK_BYTES);
    }
}

static void blocks_free(int count)
{
    for (int i = 0; i < count; i++) {
        free(blocks[i]);
    }
}

static bool has_heaps(void)
{
    void *block = malloc(BLOCK_BYTES);
    assert_non_null(block);
    bool has = mallinfo2().uordblks >= BLOCK_BYTES;
    free(block);
    return has;
}

static void test_what_is_in_use_is_left_alone(void **state)
{
    (void)state;
    if (!has_heaps()) {
        skip();
    }
    struct heaps h = {0};
    blocks_take();
    assert_false(heaps_give_back(&h));
    assert_int_equal(h.idle_bytes, 0);
    blocks_free(BLOCKS);
}

static void test_what_is_idle_goes_back_once(void **state)
{
    (void)state;
    if (!has_heaps()) {
        skip();
    }
    struct heaps h = {0};
    blocks_take();
    blocks_free(BLOCKS - 1);
    assert_true(heaps_give_back(&h));
    assert_true(h.idle_bytes < HEAPS_IDLE_MAX_BYTES / 2);
    assert_false(heaps_give_back(&h));
    free(blocks[BLOCKS - 1]);
}

int main(void)
{
    heaps_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_in_use_is_left_alone),
        cmocka_unit_test(test_what_is_idle_goes_back_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
