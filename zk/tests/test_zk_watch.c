// SPDX-License-Identifier: Apache-2.0
//
// The table of watches: two kinds per path, each there once, taken once.
#include "zk/zk_watch.h"

#include <stdlib.h>

#include "base/tests/cmocka_all.h"

static bool take(struct zk_watches *w, const char *path, unsigned kinds)
{
    char *taken = zk_watches_take(w, slice_str(path), kinds);
    bool was_there = taken != NULL;
    if (was_there)
        assert_string_equal(taken, path);
    free(taken);
    return was_there;
}

static void test_one_shot(void **state)
{
    (void)state;
    struct zk_watches w = {0};
    assert_false(take(&w, "/a", ZK_WATCH_NODE));
    zk_watches_set(&w, "/a", ZK_WATCH_NODE);
    zk_watches_set(&w, "/a", ZK_WATCH_NODE);
    assert_false(take(&w, "/a", ZK_WATCH_CHILDREN));
    assert_false(take(&w, "/b", ZK_WATCH_NODE));
    assert_true(take(&w, "/a", ZK_WATCH_NODE));
    assert_false(take(&w, "/a", ZK_WATCH_NODE));
    assert_null(w.paths); // nothing stays behind
}

static void test_kinds_are_apart(void **state)
{
    (void)state;
    struct zk_watches w = {0};
    zk_watches_set(&w, "/a", ZK_WATCH_NODE);
    zk_watches_set(&w, "/a", ZK_WATCH_CHILDREN);
    assert_true(take(&w, "/a", ZK_WATCH_CHILDREN));
    assert_true(take(&w, "/a", ZK_WATCH_NODE));
    zk_watches_set(&w, "/a", ZK_WATCH_NODE);
    zk_watches_set(&w, "/a", ZK_WATCH_CHILDREN);
    assert_true(take(&w, "/a", ZK_WATCH_NODE | ZK_WATCH_CHILDREN)); // both at once, as a deletion does
    assert_false(take(&w, "/a", ZK_WATCH_NODE | ZK_WATCH_CHILDREN));
}

static void test_part_of_a_path(void **state)
{
    (void)state;
    struct zk_watches w = {0};
    zk_watches_set(&w, "/a", ZK_WATCH_NODE);
    char *taken = zk_watches_take(&w, slice_of("/a/b", 2), ZK_WATCH_NODE); // a view without end mark
    assert_string_equal(taken, "/a");
    free(taken);
    zk_watches_set(&w, "/left", ZK_WATCH_CHILDREN);
    zk_watches_release(&w);
    assert_null(w.paths);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_shot),
        cmocka_unit_test(test_kinds_are_apart),
        cmocka_unit_test(test_part_of_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
