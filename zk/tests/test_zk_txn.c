// SPDX-License-Identifier: Apache-2.0
//
// Transactions survive the way to bytes and back, fit their bound, and bytes that are none are refused.
#include "zk/zk_txn.h"

#include <stdlib.h>

#include "base/tests/cmocka_all.h"

static const struct zk_change change = {0x0102030405060708, 1700000000123};

static void write_three(struct writer *w)
{
    struct zk_effect effects[] = {
        {ZK_EFFECT_CREATE, slice_str("/a"), SLICE_NULL, 77},
        {ZK_EFFECT_SET, slice_str("/a"), slice_str("data"), 0},
        {ZK_EFFECT_DELETE, slice_str("/b"), SLICE_NULL, 0},
    };
    writer_init(w, 0, ZK_TXN_MAX_BYTES);
    size_t start = zk_txn_begin(w, &change);
    for (int i = 0; i < 3; i++)
        zk_txn_effect(w, &effects[i]);
    zk_txn_end(w, start, 3);
    assert_false(w->bad);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct writer w;
    struct zk_txn txn;
    struct zk_effect e;
    write_three(&w);
    struct reader r = reader_of(writer_slice(&w));
    assert_int_equal(zk_txn_read(&r, &txn), ERR_OK);
    assert_int_equal(txn.change.zxid, change.zxid);
    assert_int_equal(txn.change.time_ms, change.time_ms);
    assert_int_equal(txn.count, 3);
    assert_int_equal(zk_effect_read(&r, &e), ERR_OK);
    assert_int_equal(e.type, ZK_EFFECT_CREATE);
    assert_true(slice_equal(e.path, slice_str("/a")));
    assert_int_equal(e.owner, 77);
    assert_null(e.data.data);
    assert_int_equal(zk_effect_read(&r, &e), ERR_OK);
    assert_int_equal(e.type, ZK_EFFECT_SET);
    assert_true(slice_equal(e.data, slice_str("data")));
    assert_int_equal(zk_effect_read(&r, &e), ERR_OK);
    assert_int_equal(e.type, ZK_EFFECT_DELETE);
    assert_true(slice_equal(e.path, slice_str("/b")));
    assert_int_equal(reader_left(&r), 0);
    writer_release(&w);
}

static enum err read_all(struct slice bytes)
{
    struct reader r = reader_of(bytes);
    struct zk_txn txn;
    enum err err = zk_txn_read(&r, &txn);
    for (uint32_t i = 0; err == ERR_OK && i < txn.count; i++) {
        struct zk_effect e;
        err = zk_effect_read(&r, &e);
    }
    return err;
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    struct writer w;
    write_three(&w);
    assert_int_equal(read_all(writer_slice(&w)), ERR_OK);
    for (size_t len = 0; len < w.len; len++) {
        uint8_t *exact = malloc(len == 0 ? 1 : len); // so that a sanitizer sees a read beyond the end
        memcpy(exact, w.data, len);
        assert_int_equal(read_all(slice_of(exact, len)), ERR_CORRUPT);
        free(exact);
    }
    writer_release(&w);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        size_t position; // in write_three: 20 bytes of head, then the first effect
        uint8_t value;
    } cases[] = {
        {20, 0},    // no such type
        {20, 4},    // no such type
        {22, 0},    // the path is empty
        {23, 'x'},  // the path does not begin with '/'
        {24, '\0'}, // the path contains a NUL
        {24, '/'},  // the path is "//"
        {33, 0x7f}, // data longer than anything can be
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct writer w;
        write_three(&w);
        w.data[cases[i].position] = cases[i].value;
        if (read_all(writer_slice(&w)) != ERR_CORRUPT)
            fail_msg("case %zu was read", i);
        writer_release(&w);
    }
}

static void test_apply(void **state)
{
    (void)state;
    struct zk_tree t;
    zk_tree_init(&t);
    const struct zk_effect create = {ZK_EFFECT_CREATE, slice_str("/a"), slice_str("1"), 5};
    const struct zk_effect set = {ZK_EFFECT_SET, slice_str("/a"), slice_str("2"), 0};
    const struct zk_effect del = {ZK_EFFECT_DELETE, slice_str("/a"), SLICE_NULL, 0};
    assert_int_equal(zk_effect_apply(&t, &change, &set), ERR_CORRUPT);
    assert_int_equal(zk_effect_apply(&t, &change, &create), ERR_OK);
    assert_int_equal(zk_effect_apply(&t, &change, &create), ERR_CORRUPT);
    assert_int_equal(zk_effect_apply(&t, &change, &set), ERR_OK);
    const struct zk_node *node = zk_tree_find(&t, slice_str("/a"));
    assert_int_equal(node->ephemeral_owner, 5);
    assert_int_equal(node->mzxid, change.zxid);
    assert_true(slice_equal(slice_of(node->data, node->data_len), slice_str("2")));
    assert_int_equal(zk_effect_apply(&t, &change, &del), ERR_OK);
    assert_int_equal(zk_effect_apply(&t, &change, &del), ERR_CORRUPT);
    zk_tree_release(&t);
}

// The bound that frames rely on holds for the largest multi there can be.
static void test_largest(void **state)
{
    (void)state;
    struct writer w;
    char path[ZK_PATH_MAX_BYTES];
    uint8_t *data = calloc(1, ZK_DATA_MAX_BYTES);
    memset(path, 'p', sizeof path);
    writer_init(&w, 0, ZK_TXN_MAX_BYTES);
    size_t start = zk_txn_begin(&w, &change);
    for (int i = 0; i < ZK_MULTI_MAX_OPS; i++) {
        size_t len = i == 0 ? ZK_DATA_MAX_BYTES : 0;
        struct zk_effect e = {ZK_EFFECT_CREATE, slice_of(path, sizeof path), slice_of(data, len), 1};
        zk_txn_effect(&w, &e);
    }
    zk_txn_end(&w, start, ZK_MULTI_MAX_OPS);
    assert_false(w.bad);
    assert_int_equal(w.len, ZK_TXN_MAX_BYTES);
    writer_release(&w);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_cut_anywhere), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_apply),      cmocka_unit_test(test_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
