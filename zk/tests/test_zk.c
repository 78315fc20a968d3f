// SPDX-License-Identifier: Apache-2.0
//
// What every store gets through zk.h: operations that may not be done are answered with the reason, in their turn, and
// change nothing.
#include "zk/zk.h"

#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "zk/tests/store.h"

struct fixture {
    char *dir;
    struct store s;
    char long_path[ZK_PATH_MAX_BYTES + 2]; // one byte too long
    uint8_t *large;                        // ZK_DATA_MAX_BYTES + 1
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = test_dir_new();
    store_open(&f->s, os_real(), f->dir);
    memset(f->long_path, 'x', sizeof f->long_path);
    f->long_path[0] = '/';
    f->long_path[ZK_PATH_MAX_BYTES + 1] = '\0';
    f->large = calloc(1, ZK_DATA_MAX_BYTES + 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_close(&f->s);
    test_dir_remove(f->dir);
    free(f->large);
    free(f);
    return 0;
}

static void assert_answer(struct fixture *f, struct answer *a, enum err expected)
{
    assert_int_equal(a->calls, 0); // not from inside the call
    zk_dispatch(f->s.zk);
    assert_int_equal(a->calls, 1);
    assert_int_equal(a->err, expected);
    assert_int_equal(a->failed_op, -1);
    answer_release(a);
}

static void every_operation(struct fixture *f, const char *path, enum err expected)
{
    struct answer a = {0};
    zk_create(f->s.zk, path, SLICE_NULL, ZK_PERSISTENT, answer_keep, &a);
    assert_answer(f, &a, expected);
    zk_get(f->s.zk, path, true, answer_keep, &a);
    assert_answer(f, &a, expected);
    zk_exists(f->s.zk, path, true, answer_keep, &a);
    assert_answer(f, &a, expected);
    zk_children(f->s.zk, path, true, answer_keep, &a);
    assert_answer(f, &a, expected);
    zk_set(f->s.zk, path, SLICE_NULL, ZK_VERSION_ANY, answer_keep, &a);
    assert_answer(f, &a, expected);
    zk_delete(f->s.zk, path, ZK_VERSION_ANY, answer_keep, &a);
    assert_answer(f, &a, expected);
}

static void test_paths(void **state)
{
    struct fixture *f = *state;
    every_operation(f, "", ERR_INVALID);
    every_operation(f, "a", ERR_INVALID);
    every_operation(f, "/a/", ERR_INVALID);
    every_operation(f, "/a/../b", ERR_INVALID);
    every_operation(f, f->long_path, ERR_TOO_LARGE);
    every_operation(f, znode_path_topic("with/slash").s, ERR_INVALID);
}

static void test_sequential_paths(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0};
    zk_create(f->s.zk, "/", SLICE_NULL, ZK_PERSISTENT_SEQUENTIAL, answer_keep, &a);
    zk_dispatch(f->s.zk);
    assert_string_equal(a.path, "/0000000000");
    answer_release(&a);
    f->long_path[ZK_PATH_MAX_BYTES] = '\0'; // fits, but not with its digits
    zk_create(f->s.zk, f->long_path, SLICE_NULL, ZK_PERSISTENT_SEQUENTIAL, answer_keep, &a);
    assert_answer(f, &a, ERR_TOO_LARGE);
    zk_create(f->s.zk, f->long_path, SLICE_NULL, ZK_PERSISTENT, answer_keep, &a);
    assert_answer(f, &a, ERR_OK);
}

static void test_data(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0};
    struct slice max = slice_of(f->large, ZK_DATA_MAX_BYTES), more = slice_of(f->large, ZK_DATA_MAX_BYTES + 1);
    zk_create(f->s.zk, "/a", more, ZK_PERSISTENT, answer_keep, &a);
    assert_answer(f, &a, ERR_TOO_LARGE);
    zk_create(f->s.zk, "/a", max, ZK_PERSISTENT, answer_keep, &a);
    assert_answer(f, &a, ERR_OK);
    zk_set(f->s.zk, "/a", more, 0, answer_keep, &a);
    assert_answer(f, &a, ERR_TOO_LARGE);
    zk_set(f->s.zk, "/a", max, 0, answer_keep, &a);
    assert_answer(f, &a, ERR_OK);
}

static void test_multi(void **state)
{
    struct fixture *f = *state;
    struct zk_op *ops = calloc(ZK_MULTI_MAX_OPS + 1, sizeof *ops);
    int failed_op = -1;
    for (int i = 0; i <= ZK_MULTI_MAX_OPS; i++)
        ops[i] = (struct zk_op){.type = ZK_OP_SET, .path = "/", .version = ZK_VERSION_ANY};
    assert_int_equal(store_multi(&f->s, ops, ZK_MULTI_MAX_OPS + 1, &failed_op), ERR_TOO_LARGE);
    assert_int_equal(failed_op, -1);
    assert_int_equal(store_multi(&f->s, ops, -1, &failed_op), ERR_TOO_LARGE);
    assert_int_equal(store_multi(&f->s, ops, ZK_MULTI_MAX_OPS, &failed_op), ERR_OK);
    ops[5].path = "bad";
    assert_int_equal(store_multi(&f->s, ops, ZK_MULTI_MAX_OPS, &failed_op), ERR_INVALID);
    assert_int_equal(failed_op, 5);
    ops[5].path = "/";
    ops[0].data = slice_of(f->large, ZK_DATA_MAX_BYTES / 2);
    ops[7].data = slice_of(f->large, ZK_DATA_MAX_BYTES / 2);
    assert_int_equal(store_multi(&f->s, ops, ZK_MULTI_MAX_OPS, &failed_op), ERR_OK);
    ops[9].data = slice_of(f->large, 1); // all data together is bounded
    assert_int_equal(store_multi(&f->s, ops, ZK_MULTI_MAX_OPS, &failed_op), ERR_TOO_LARGE);
    assert_int_equal(failed_op, 9);
    free(ops);
    struct answer a = store_exists(&f->s, "/", false);
    assert_int_equal(a.stat.version, 2 * ZK_MULTI_MAX_OPS);
    answer_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sequential_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_data, setup, teardown),
        cmocka_unit_test_setup_teardown(test_multi, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
