// SPDX-License-Identifier: Apache-2.0
//
// Which nodes tell whether a change was done, and what they have to look like.
#include "zk/zk_resent.h"

#include "base/tests/cmocka_all.h"

#define SESSION 77

static void test_one_operation(void **state)
{
    static const struct {
        struct zk_op op;
        struct zk_result node;
        bool is_done;
    } cases[] = {
        {{.type = ZK_OP_CREATE}, {.err = ERR_OK}, true},
        {{.type = ZK_OP_CREATE}, {.err = ERR_NOT_FOUND}, false},
        {{.type = ZK_OP_CREATE}, {.err = ERR_OK, .stat = {.version = 1}}, false},
        {{.type = ZK_OP_CREATE}, {.data = {(const uint8_t *)"", 0}}, false}, // empty is not null
        {{.type = ZK_OP_CREATE, .data = {(const uint8_t *)"a", 1}}, {.data = {(const uint8_t *)"a", 1}}, true},
        {{.type = ZK_OP_CREATE, .data = {(const uint8_t *)"a", 1}}, {.data = {(const uint8_t *)"b", 1}}, false},
        {{.type = ZK_OP_CREATE}, {.stat = {.ephemeral_owner = SESSION}}, false},
        {{.type = ZK_OP_CREATE, .mode = ZK_EPHEMERAL}, {.stat = {.ephemeral_owner = SESSION}}, true},
        {{.type = ZK_OP_CREATE, .mode = ZK_EPHEMERAL}, {.stat = {.ephemeral_owner = SESSION + 1}}, false},
        {{.type = ZK_OP_CREATE, .mode = ZK_EPHEMERAL}, {.err = ERR_OK}, false},
        {{.type = ZK_OP_CREATE, .mode = ZK_PERSISTENT_SEQUENTIAL}, {.err = ERR_OK}, false}, // its name is not known
        {{.type = ZK_OP_SET, .version = 4}, {.stat = {.version = 5}}, true},
        {{.type = ZK_OP_SET, .version = 4}, {.stat = {.version = 4}}, false},
        {{.type = ZK_OP_SET, .version = 4}, {.stat = {.version = 6}}, false},
        {{.type = ZK_OP_SET, .version = ZK_VERSION_ANY}, {.stat = {.version = 6}}, true},
        {{.type = ZK_OP_SET, .version = 4}, {.err = ERR_NOT_FOUND}, false},
        {{.type = ZK_OP_SET, .version = 4, .data = {(const uint8_t *)"a", 1}}, {.stat = {.version = 5}}, false},
        {{.type = ZK_OP_DELETE, .version = 4}, {.err = ERR_NOT_FOUND}, true},
        {{.type = ZK_OP_DELETE, .version = 4}, {.err = ERR_OK}, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zk_request r = {.type = ZK_REQUEST_CREATE, .op = cases[i].op};
        r.op.path = "/a";
        assert_int_equal(zk_resent_next(&r, 0), 0);
        assert_string_equal(zk_resent_path(&r, 0), "/a");
        assert_int_equal(zk_resent_next(&r, 1), -1);
        assert_int_equal(zk_resent_done(&r, 0, SESSION, &cases[i].node), cases[i].is_done);
    }
}

// A registration: created without data and set; only what it is in the end can be seen.
static void test_multi(void **state)
{
    const struct zk_op ops[] = {
        {.type = ZK_OP_CHECK, .path = "/epoch", .version = 3},
        {.type = ZK_OP_CREATE, .path = "/e", .mode = ZK_EPHEMERAL},
        {.type = ZK_OP_SET, .path = "/e", .version = 0, .data = slice_str("x")},
        {.type = ZK_OP_DELETE, .path = "/d", .version = ZK_VERSION_ANY},
        {.type = ZK_OP_CHECK, .path = "/e", .version = 1},
    };
    const struct zk_request r = {.type = ZK_REQUEST_MULTI, .ops = ops, .ops_count = 5};
    struct zk_result node = {.data = slice_str("x"), .stat = {.version = 1, .ephemeral_owner = SESSION}};
    (void)state;
    assert_int_equal(zk_resent_next(&r, 0), 2);
    assert_int_equal(zk_resent_next(&r, 3), 3);
    assert_int_equal(zk_resent_next(&r, 4), -1);
    assert_true(zk_resent_done(&r, 2, SESSION, &node));
    node.stat.ephemeral_owner = SESSION + 1; // of somebody else
    assert_false(zk_resent_done(&r, 2, SESSION, &node));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_operation),
        cmocka_unit_test(test_multi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
