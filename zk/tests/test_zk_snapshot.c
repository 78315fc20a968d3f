// SPDX-License-Identifier: Apache-2.0
//
// A snapshot brings back the tree with all its numbers, and no damaged one is taken for a snapshot.
#include "zk/zk_snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/tests/cmocka_all.h"

static void tree_fill(struct zk_tree *t)
{
    static const struct zk_change changes[] = {{1, 100}, {2, 200}, {3, 300}, {4, 400}};
    struct zk_node *node;
    zk_tree_init(t);
    assert_int_equal(zk_tree_create(t, &changes[0], slice_str("/b"), SLICE_NULL, 0, &node), ERR_OK);
    assert_int_equal(zk_tree_create(t, &changes[1], slice_str("/b/gone"), slice_str(""), 0, &node), ERR_OK);
    assert_int_equal(zk_tree_create(t, &changes[1], slice_str("/b/x"), slice_str(""), 0, &node), ERR_OK);
    assert_int_equal(zk_tree_create(t, &changes[2], slice_str("/a"), slice_str("one"), 42, &node), ERR_OK);
    assert_int_equal(zk_tree_set(t, &changes[3], slice_str("/"), slice_str("root"), 0, &node), ERR_OK);
    assert_int_equal(zk_tree_delete(t, slice_str("/b/gone"), 0), ERR_OK);
    t->zxid = 5;
    zk_tree_keep(t);
}

static void snapshot_of(const struct zk_tree *t, struct writer *w)
{
    writer_init(w, 0, ZK_SNAPSHOT_MAX_BYTES);
    zk_snapshot_write(t, w);
    assert_false(w->bad);
}

static enum err try_read(struct slice bytes)
{
    struct zk_tree t;
    zk_tree_init(&t);
    enum err err = zk_snapshot_read(bytes, &t);
    zk_tree_release(&t);
    return err;
}

static void test_round_trip(void **state)
{
    (void)state;
    struct zk_tree t, back;
    struct writer w, again;
    struct zk_stat a, b;
    tree_fill(&t);
    snapshot_of(&t, &w);
    zk_tree_init(&back);
    assert_int_equal(zk_snapshot_read(writer_slice(&w), &back), ERR_OK);
    assert_int_equal(back.zxid, 5);
    assert_int_equal(back.bytes, t.bytes);
    assert_int_equal(back.ephemerals_count, 1);
    static const char *const paths[] = {"/", "/a", "/b", "/b/x"};
    for (size_t i = 0; i < 4; i++) {
        zk_node_stat(zk_tree_find(&t, slice_str(paths[i])), &a);
        zk_node_stat(zk_tree_find(&back, slice_str(paths[i])), &b);
        assert_memory_equal(&a, &b, sizeof a);
    }
    assert_null(zk_tree_find(&back, slice_str("/b"))->data);
    assert_non_null(zk_tree_find(&back, slice_str("/b/x"))->data);
    snapshot_of(&back, &again); // equal trees, equal bytes
    assert_true(slice_equal(writer_slice(&w), writer_slice(&again)));
    writer_release(&w);
    writer_release(&again);
    zk_tree_release(&t);
    zk_tree_release(&back);
}

static void test_damaged_anywhere(void **state)
{
    (void)state;
    struct zk_tree t;
    struct writer w;
    tree_fill(&t);
    snapshot_of(&t, &w);
    for (size_t i = 0; i < w.len; i++) {
        assert_int_equal(try_read(slice_of(w.data, i)), ERR_CORRUPT);
        w.data[i] ^= 0x10;
        assert_int_equal(try_read(writer_slice(&w)), ERR_CORRUPT);
        w.data[i] ^= 0x10;
    }
    assert_int_equal(try_read(writer_slice(&w)), ERR_OK);
    writer_release(&w);
    zk_tree_release(&t);
}

// Bytes whose checksum is right, but which no tree can have.
static void test_impossible_trees(void **state)
{
    (void)state;
    struct zk_tree t;
    struct writer w;
    tree_fill(&t);
    snapshot_of(&t, &w);
    static const struct {
        size_t position;
        uint8_t value;
        enum err expected;
    } cases[] = {
        {11, 2, ERR_UNSUPPORTED}, // a later version
        {23, 3, ERR_CORRUPT},     // fewer nodes than there are
        {23, 5, ERR_CORRUPT},     // more nodes than there are
        {26, 'x', ERR_CORRUPT},   // the root is not "/"
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t old = w.data[cases[i].position];
        w.data[cases[i].position] = cases[i].value;
        store_be32(w.data + w.len - 4, crc32c(w.data, w.len - 4));
        assert_int_equal(try_read(writer_slice(&w)), cases[i].expected);
        w.data[cases[i].position] = old;
    }
    store_be32(w.data + w.len - 4, crc32c(w.data, w.len - 4));
    assert_int_equal(try_read(writer_slice(&w)), ERR_OK);
    writer_release(&w);
    zk_tree_release(&t);
}

static void test_load_refuses(void **state)
{
    (void)state;
    struct zk_tree t;
    struct zk_node like = {.creates = 1}, ephemeral = {.ephemeral_owner = 3};
    zk_tree_init(&t);
    assert_int_equal(zk_tree_load(&t, &like, slice_str("/a/b"), SLICE_NULL), ERR_CORRUPT); // no parent
    assert_int_equal(zk_tree_load(&t, &ephemeral, slice_str("/e"), SLICE_NULL), ERR_OK);
    assert_int_equal(zk_tree_load(&t, &like, slice_str("/e"), SLICE_NULL), ERR_CORRUPT);   // twice
    assert_int_equal(zk_tree_load(&t, &like, slice_str("/e/x"), SLICE_NULL), ERR_CORRUPT); // below an ephemeral
    assert_int_equal(zk_tree_load(&t, &like, slice_str("/"), SLICE_NULL), ERR_CORRUPT);    // the root too late
    zk_tree_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damaged_anywhere),
        cmocka_unit_test(test_impossible_trees),
        cmocka_unit_test(test_load_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
