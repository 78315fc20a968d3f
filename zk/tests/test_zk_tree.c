// SPDX-License-Identifier: Apache-2.0
//
// The tree alone: numbers as ZooKeeper keeps them, errors in ZooKeeper's order, bounds, and undoing. Two trees are
// compared by their snapshots.
#include "zk/zk_tree.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "zk/zk_snapshot.h"

static const struct zk_change at_1 = {1, 1000};
static const struct zk_change at_2 = {2, 2000};

static struct slice text(const char *s)
{
    return slice_str(s);
}

static enum err create(struct zk_tree *t, const char *path, int64_t owner)
{
    struct zk_node *node;
    return zk_tree_create(t, &at_1, text(path), text("d"), owner, &node);
}

static enum err set(struct zk_tree *t, const char *path, const char *data, int32_t version)
{
    struct zk_node *node;
    return zk_tree_set(t, &at_2, text(path), text(data), version, &node);
}

static struct zk_stat stat_of(const struct zk_tree *t, const char *path)
{
    struct zk_stat st;
    const struct zk_node *node = zk_tree_find(t, text(path));
    assert_non_null(node);
    zk_node_stat(node, &st);
    return st;
}

static void test_stats_of_a_new_node(void **state)
{
    (void)state;
    struct zk_tree t;
    zk_tree_init(&t);
    assert_int_equal(create(&t, "/a", 7), ERR_OK);
    struct zk_stat st = stat_of(&t, "/a");
    assert_int_equal(st.czxid, 1);
    assert_int_equal(st.mzxid, 1);
    assert_int_equal(st.ctime_ms, 1000);
    assert_int_equal(st.mtime_ms, 1000);
    assert_int_equal(st.version, 0);
    assert_int_equal(st.cversion, 0);
    assert_int_equal(st.ephemeral_owner, 7);
    assert_int_equal(st.data_len, 1);
    assert_int_equal(st.num_children, 0);
    assert_string_equal(zk_node_name(zk_tree_find(&t, text("/a"))), "a");
    zk_tree_release(&t);
}

static void test_versions_grow(void **state)
{
    (void)state;
    struct zk_tree t;
    zk_tree_init(&t);
    assert_int_equal(create(&t, "/a", 0), ERR_OK);
    assert_int_equal(set(&t, "/a", "xyz", 0), ERR_OK);
    assert_int_equal(set(&t, "/a", "xyz", ZK_VERSION_ANY), ERR_OK);
    struct zk_stat st = stat_of(&t, "/a");
    assert_int_equal(st.version, 2);
    assert_int_equal(st.czxid, 1);
    assert_int_equal(st.mzxid, 2);
    assert_int_equal(st.ctime_ms, 1000);
    assert_int_equal(st.mtime_ms, 2000);
    assert_int_equal(st.data_len, 3);
    zk_tree_release(&t);
}

// ZooKeeper reports creations and deletions together as cversion, and takes sequence numbers from creations alone.
static void test_children_and_sequence(void **state)
{
    (void)state;
    struct zk_tree t;
    char name[ZK_PATH_MAX_BYTES + 1];
    zk_tree_init(&t);
    assert_int_equal(create(&t, "/p", 0), ERR_OK);
    assert_int_equal(create(&t, "/p/b", 0), ERR_OK);
    assert_int_equal(create(&t, "/p/a", 0), ERR_OK);
    const char **names = zk_node_children(zk_tree_find(&t, text("/p")));
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "b");
    free(names);
    assert_int_equal(zk_tree_delete(&t, text("/p/a"), ZK_VERSION_ANY), ERR_OK);
    assert_int_equal(stat_of(&t, "/p").cversion, 3);
    assert_int_equal(stat_of(&t, "/p").num_children, 1);
    assert_int_equal(stat_of(&t, "/p").version, 0);
    assert_int_equal(zk_tree_sequential_name(&t, "/p/n_", name), ERR_OK);
    assert_string_equal(name, "/p/n_0000000002");
    assert_int_equal(zk_tree_sequential_name(&t, "/p/", name), ERR_OK);
    assert_string_equal(name, "/p/0000000002");
    assert_int_equal(zk_tree_sequential_name(&t, "/", name), ERR_OK);
    assert_string_equal(name, "/0000000001");
    assert_int_equal(zk_tree_sequential_name(&t, "/none/n_", name), ERR_NOT_FOUND);
    assert_null(zk_node_children(zk_tree_find(&t, text("/p/b"))));
    zk_tree_release(&t);
}

enum tree_op {
    CREATE,
    SET,
    DELETE,
    CHECK,
};

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        enum tree_op op;
        const char *path;
        int32_t version;
        enum err expected;
    } cases[] = {
        {CREATE, "/", 0, ERR_EXISTS},
        {CREATE, "/p", 0, ERR_EXISTS},
        {CREATE, "/none/x", 0, ERR_NOT_FOUND},
        {CREATE, "/e/x", 0, ERR_INVALID}, // no children under an ephemeral
        {SET, "/none", ZK_VERSION_ANY, ERR_NOT_FOUND},
        {SET, "/none", 3, ERR_NOT_FOUND}, // before the version is looked at
        {SET, "/p", 1, ERR_BAD_VERSION},
        {SET, "/p", -2, ERR_BAD_VERSION},
        {SET, "/", 0, ERR_OK}, // the root has data like any other
        {DELETE, "/none", 0, ERR_NOT_FOUND},
        {DELETE, "/p", 5, ERR_BAD_VERSION}, // before the children are looked at
        {DELETE, "/p", 0, ERR_NOT_EMPTY},
        {DELETE, "/", ZK_VERSION_ANY, ERR_INVALID},
        {DELETE, "/p/c", 0, ERR_OK},
        {CHECK, "/none", ZK_VERSION_ANY, ERR_NOT_FOUND},
        {CHECK, "/p", ZK_VERSION_ANY, ERR_OK},
        {CHECK, "/p", 0, ERR_OK},
        {CHECK, "/p", 1, ERR_BAD_VERSION},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zk_tree t;
        enum err err = ERR_OK;
        zk_tree_init(&t);
        assert_int_equal(create(&t, "/p", 0), ERR_OK);
        assert_int_equal(create(&t, "/p/c", 0), ERR_OK);
        assert_int_equal(create(&t, "/e", 9), ERR_OK);
        switch (cases[i].op) {
        case CREATE:
            err = create(&t, cases[i].path, 0);
            break;
        case SET:
            err = set(&t, cases[i].path, "x", cases[i].version);
            break;
        case DELETE:
            err = zk_tree_delete(&t, text(cases[i].path), cases[i].version);
            break;
        case CHECK:
            err = zk_tree_check(&t, text(cases[i].path), cases[i].version);
            break;
        }
        if (err != cases[i].expected)
            fail_msg("case %zu (%s): %s instead of %s", i, cases[i].path, err_name(err), err_name(cases[i].expected));
        zk_tree_release(&t);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct zk_tree t;
    zk_tree_init(&t);
    t.bytes_max = t.bytes + ZK_TREE_NODE_BYTES + 2 + 5; // one node with a name of one letter and five bytes
    assert_int_equal(create(&t, "/a", 0), ERR_OK);
    assert_int_equal(set(&t, "/a", "123456", 0), ERR_FULL);
    assert_int_equal(stat_of(&t, "/a").version, 0);
    assert_int_equal(set(&t, "/a", "12345", 0), ERR_OK);
    assert_int_equal(create(&t, "/b", 0), ERR_FULL);
    assert_int_equal(zk_tree_delete(&t, text("/a"), ZK_VERSION_ANY), ERR_OK);
    assert_int_equal(create(&t, "/b", 0), ERR_OK);
    zk_tree_release(&t);
}

static void test_bound_of_ephemerals(void **state)
{
    (void)state;
    struct zk_tree t;
    char path[32];
    zk_tree_init(&t);
    for (int i = 0; i < ZK_TREE_MAX_EPHEMERALS; i++) {
        snprintf(path, sizeof path, "/e%d", i);
        assert_int_equal(create(&t, path, 5), ERR_OK);
    }
    assert_int_equal(create(&t, "/more", 5), ERR_FULL);
    assert_int_equal(create(&t, "/more", 0), ERR_OK);
    assert_int_equal(zk_tree_delete(&t, text("/e0"), ZK_VERSION_ANY), ERR_OK);
    assert_int_equal(create(&t, "/e0", 5), ERR_OK);
    zk_tree_release(&t);
}

static void assert_trees_equal(const struct zk_tree *a, const struct zk_tree *b)
{
    struct writer x, y;
    writer_init(&x, 0, ZK_SNAPSHOT_MAX_BYTES);
    writer_init(&y, 0, ZK_SNAPSHOT_MAX_BYTES);
    zk_snapshot_write(a, &x);
    zk_snapshot_write(b, &y);
    assert_true(slice_equal(writer_slice(&x), writer_slice(&y)));
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->ephemerals_count, b->ephemerals_count);
    writer_release(&x);
    writer_release(&y);
}

static void some_nodes(struct zk_tree *t)
{
    zk_tree_init(t);
    assert_int_equal(create(t, "/a", 0), ERR_OK);
    assert_int_equal(create(t, "/a/b", 0), ERR_OK);
    assert_int_equal(create(t, "/a/e", 4), ERR_OK);
    assert_int_equal(set(t, "/a/b", "second", 0), ERR_OK);
    t->zxid = 10;
}

// Every kind of change, and changes on top of changes, are undone completely.
static void test_rollback(void **state)
{
    (void)state;
    struct zk_tree t, untouched;
    some_nodes(&t);
    some_nodes(&untouched);
    zk_tree_keep(&t);
    struct zk_mark mark = zk_tree_mark(&t);
    assert_int_equal(set(&t, "/a/b", "third", 1), ERR_OK);
    assert_int_equal(set(&t, "/a/b", "fourth", 2), ERR_OK);
    assert_int_equal(zk_tree_delete(&t, text("/a/b"), 3), ERR_OK);
    assert_int_equal(create(&t, "/a/b", 6), ERR_OK); // again, as another kind of node
    assert_int_equal(create(&t, "/new", 0), ERR_OK);
    assert_int_equal(create(&t, "/new/child", 0), ERR_OK);
    assert_int_equal(zk_tree_delete(&t, text("/new/child"), 0), ERR_OK);
    assert_int_equal(zk_tree_delete(&t, text("/new"), 0), ERR_OK);
    assert_int_equal(zk_tree_delete(&t, text("/a/e"), 0), ERR_OK);
    t.zxid = 11;
    zk_tree_rollback(&t, mark);
    assert_trees_equal(&t, &untouched);
    zk_tree_release(&t);
    zk_tree_release(&untouched);
}

static void test_rollback_to_the_middle(void **state)
{
    (void)state;
    struct zk_tree t;
    some_nodes(&t);
    assert_int_equal(set(&t, "/a", "stays", 0), ERR_OK);
    struct zk_mark mark = zk_tree_mark(&t);
    assert_int_equal(set(&t, "/a", "goes", 1), ERR_OK);
    zk_tree_rollback(&t, mark);
    zk_tree_keep(&t);
    zk_tree_rollback(&t, (struct zk_mark){0, 12}); // what is kept is not undone
    const struct zk_node *a = zk_tree_find(&t, text("/a"));
    assert_true(slice_equal(slice_of(a->data, a->data_len), text("stays")));
    assert_int_equal(a->version, 1);
    zk_tree_release(&t);
}

static void test_null_is_not_empty(void **state)
{
    (void)state;
    struct zk_tree t;
    struct zk_node *node;
    zk_tree_init(&t);
    assert_int_equal(zk_tree_create(&t, &at_1, text("/null"), SLICE_NULL, 0, &node), ERR_OK);
    assert_null(node->data);
    assert_int_equal(zk_tree_create(&t, &at_1, text("/empty"), text(""), 0, &node), ERR_OK);
    assert_non_null(node->data);
    assert_int_equal(node->data_len, 0);
    zk_tree_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats_of_a_new_node),
        cmocka_unit_test(test_versions_grow),
        cmocka_unit_test(test_children_and_sequence),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_bound_of_ephemerals),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_rollback_to_the_middle),
        cmocka_unit_test(test_null_is_not_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
