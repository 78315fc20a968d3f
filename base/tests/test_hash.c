// SPDX-License-Identifier: Apache-2.0
//
// A table that may be refused memory: whichever piece is missing, the element stays out, and all else stays in.
#include "base/tests/cmocka_all.h"
#include <stdlib.h>

static int pieces_left; // of memory, for tables

static void *piece_alloc(size_t size)
{
    return pieces_left-- > 0 ? malloc(size) : NULL;
}

#define uthash_malloc(size) piece_alloc(size)
#define HASH_NONFATAL_OOM   1
#include "base/hash.h"

#define ITEMS 1000 // enough for a table to grow several times

struct item {
    int key;
    UT_hash_handle hh;
};

static int added_count(struct item *table, struct item items[ITEMS])
{
    int count = 0;
    for (int i = 0; i < ITEMS; i++) {
        struct item *found;
        HASH_FIND_INT(table, &i, found);
        assert_ptr_equal(found, hash_added(&items[i].hh) ? &items[i] : NULL);
        count += found != NULL;
    }
    assert_int_equal(count, HASH_COUNT(table));
    return count;
}

static void test_what_is_refused_stays_out_and_nothing_else(void **state)
{
    (void)state;
    static struct item items[ITEMS];
    int before = -1;
    for (int pieces = 0; before < ITEMS; pieces++) {
        struct item *table = NULL;
        pieces_left = pieces;
        for (int i = 0; i < ITEMS; i++) {
            items[i].key = i;
            HASH_ADD_INT(table, key, &items[i]);
        }
        int count = added_count(table, items);
        assert_true(count >= before);
        before = count;

        pieces_left = INT32_MAX; // memory again: those that were refused may come
        for (int i = 0; i < ITEMS; i++) {
            if (!hash_added(&items[i].hh)) {
                HASH_ADD_INT(table, key, &items[i]);
            }
        }
        assert_int_equal(added_count(table, items), ITEMS);
        HASH_CLEAR(hh, table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused_stays_out_and_nothing_else),
    };
    return cmocka_run_group_tests_name("base/hash", tests, NULL, NULL);
}
