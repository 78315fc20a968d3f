// SPDX-License-Identifier: Apache-2.0
//
// A table that cannot be done without: with no memory for it the process aborts and says where, instead of leaving
// without a word as uthash does by itself.
#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include <string.h>

#define uthash_malloc(size) NULL
#include "base/hash.h"

struct item {
    int key;
    UT_hash_handle hh;
};

static void add_without_memory(void)
{
    struct item *table = NULL;
    struct item one = {.key = 1};
    HASH_ADD_INT(table, key, &one);
}

static void test_it_ends_and_says_where(void **state)
{
    (void)state;
    char said[TEST_SAID_MAX_BYTES];
    assert_true(test_aborts(add_without_memory, said));
    assert_non_null(strstr(said, "out of memory"));
    assert_non_null(strstr(said, "test_hash_must.c:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_ends_and_says_where),
    };
    return cmocka_run_group_tests_name("base/hash_must", tests, NULL, NULL);
}
