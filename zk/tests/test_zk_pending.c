// SPDX-License-Identifier: Apache-2.0
//
// A pending operation keeps nothing of the caller's memory, and nothing of a refused operation but its path.
#include "zk/zk_pending.h"

#include <stdlib.h>

#include "base/tests/cmocka_all.h"

static void test_copies(void **state)
{
    (void)state;
    char path[] = "/a", data[] = "data";
    struct zk_request request = {.type = ZK_REQUEST_SET,
                                 .op = {.type = ZK_OP_SET, .path = path, .data = slice_str(data), .version = 3},
                                 .refused_op = -1};
    struct zk_pending *p = zk_pending_new(&request);
    path[1] = data[0] = 'X';
    assert_string_equal(p->request.op.path, "/a");
    assert_string_equal(p->result.path, "/a");
    assert_true(slice_equal(p->request.op.data, slice_str("data")));
    assert_int_equal(p->request.op.version, 3);
    assert_int_equal(p->result.failed_op, -1);
    assert_true(zk_pending_is_change(p));
    zk_pending_free(p);
}

static void test_copies_a_multi(void **state)
{
    (void)state;
    char path[] = "/a", data[] = "data";
    struct zk_op ops[] = {{.type = ZK_OP_CREATE, .path = path, .data = slice_str(data), .mode = ZK_EPHEMERAL},
                          {.type = ZK_OP_CHECK, .path = path, .version = 7}};
    struct zk_request request = {.type = ZK_REQUEST_MULTI, .ops = ops, .ops_count = 2, .refused_op = -1};
    struct zk_pending *p = zk_pending_new(&request);
    path[1] = data[0] = 'X';
    ops[1].version = 0;
    assert_null(p->result.path);
    assert_string_equal(p->request.ops[0].path, "/a");
    assert_true(slice_equal(p->request.ops[0].data, slice_str("data")));
    assert_int_equal(p->request.ops[0].mode, ZK_EPHEMERAL);
    assert_null(p->request.ops[1].data.data);
    assert_int_equal(p->request.ops[1].version, 7);
    zk_pending_free(p);
}

static void test_refused(void **state)
{
    (void)state;
    struct zk_op ops[] = {{.type = ZK_OP_CREATE, .path = "bad"}};
    struct zk_request single = {.type = ZK_REQUEST_CREATE,
                                .op = {.path = "bad", .data = slice_str("data")},
                                .refused = ERR_INVALID,
                                .refused_op = -1};
    struct zk_pending *p = zk_pending_new(&single);
    assert_int_equal(p->result.err, ERR_INVALID);
    assert_string_equal(p->result.path, "bad");
    assert_null(p->request.op.data.data);
    assert_false(zk_pending_is_change(p)); // it may be answered without waiting for others
    zk_pending_free(p);
    struct zk_request multi = {
        .type = ZK_REQUEST_MULTI, .ops = ops, .ops_count = 1, .refused = ERR_INVALID, .refused_op = 0};
    p = zk_pending_new(&multi);
    assert_int_equal(p->result.failed_op, 0);
    assert_int_equal(p->request.ops_count, 0);
    zk_pending_free(p);
}

static void test_reads_are_no_changes(void **state)
{
    (void)state;
    static const struct {
        enum zk_request_type type;
        bool is_change;
    } cases[] = {
        {ZK_REQUEST_GET, false}, {ZK_REQUEST_EXISTS, false}, {ZK_REQUEST_CHILDREN, false}, {ZK_REQUEST_CREATE, true},
        {ZK_REQUEST_SET, true},  {ZK_REQUEST_DELETE, true},  {ZK_REQUEST_MULTI, true},
    };
    struct zk_pending_list list = STAILQ_HEAD_INITIALIZER(list);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zk_request request = {.type = cases[i].type, .op = {.path = "/a"}};
        struct zk_pending *p = zk_pending_new(&request);
        assert_int_equal(zk_pending_is_change(p), cases[i].is_change);
        STAILQ_INSERT_TAIL(&list, p, entries);
    }
    zk_pending_list_free(&list);
    assert_true(STAILQ_EMPTY(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_copies_a_multi),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_reads_are_no_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
