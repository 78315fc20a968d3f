// SPDX-License-Identifier: Apache-2.0
//
// How every store behaves through zk.h: operations, numbers, multi, watches, the order of results and events.
#include "zk/tests/behaviour.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"

static void reopen(struct behaviour *b)
{
    store_close(&b->s);
    b->open(b);
}

// ---- operations ----

static void test_create_get_set_delete(void **state)
{
    struct behaviour *b = *state;
    assert_int_equal(store_create(&b->s, "/a", "one", ZK_PERSISTENT), ERR_OK);
    struct answer a = store_get(&b->s, "/a", false);
    assert_int_equal(a.err, ERR_OK);
    assert_string_equal(a.data, "one");
    assert_string_equal(a.path, "/a");
    assert_int_equal(a.failed_op, -1);
    assert_int_equal(a.stat.version, 0);
    assert_int_equal(a.stat.mzxid, a.stat.czxid);
    assert_int_equal(a.stat.mtime_ms, a.stat.ctime_ms);
    int64_t czxid = a.stat.czxid;
    answer_release(&a);
    assert_int_equal(store_set(&b->s, "/a", "two", 0), ERR_OK);
    assert_int_equal(store_set(&b->s, "/a", "three", 0), ERR_BAD_VERSION);
    a = store_exists(&b->s, "/a", false);
    assert_null(a.data);
    assert_int_equal(a.stat.version, 1);
    assert_int_equal(a.stat.czxid, czxid);
    assert_true(a.stat.mzxid > czxid);
    assert_true(a.stat.mtime_ms >= a.stat.ctime_ms);
    answer_release(&a);
    assert_int_equal(store_delete(&b->s, "/a", 0), ERR_BAD_VERSION);
    assert_int_equal(store_delete(&b->s, "/a", 1), ERR_OK);
    a = store_get(&b->s, "/a", false);
    assert_int_equal(a.err, ERR_NOT_FOUND);
    answer_release(&a);
}

static void test_null_and_empty_data(void **state)
{
    struct behaviour *b = *state;
    assert_int_equal(store_create(&b->s, "/null", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&b->s, "/empty", "", ZK_PERSISTENT), ERR_OK);
    for (int round = 0; round < 2; round++) {
        struct answer a = store_get(&b->s, "/null", false);
        assert_null(a.data);
        answer_release(&a);
        a = store_get(&b->s, "/empty", false);
        assert_non_null(a.data);
        assert_int_equal(a.data_len, 0);
        answer_release(&a);
        reopen(b);
    }
}

static void test_children(void **state)
{
    struct behaviour *b = *state;
    struct answer a = store_children(&b->s, "/", false);
    assert_int_equal(a.err, ERR_OK);
    assert_string_equal(a.children, "");
    answer_release(&a);
    assert_int_equal(store_create(&b->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&b->s, "/p/10", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&b->s, "/p/2", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&b->s, "/p/1", NULL, ZK_PERSISTENT), ERR_OK);
    a = store_children(&b->s, "/p", false);
    assert_string_equal(a.children, "1 10 2");
    assert_int_equal(a.stat.num_children, 3);
    assert_int_equal(a.stat.cversion, 3);
    answer_release(&a);
    a = store_children(&b->s, "/none", false);
    assert_int_equal(a.err, ERR_NOT_FOUND);
    answer_release(&a);
}

static void test_sequential(void **state)
{
    struct behaviour *b = *state;
    static const char *const expected[] = {"/c/n_0000000000", "/c/n_0000000001", "/c/n_0000000003"};
    assert_int_equal(store_create(&b->s, "/c", NULL, ZK_PERSISTENT), ERR_OK);
    for (int i = 0; i < 3; i++) {
        struct answer a = {0};
        zk_create(b->s.zk, "/c/n_", slice_str("x"), ZK_PERSISTENT_SEQUENTIAL, answer_keep, &a);
        store_run(&b->s);
        assert_int_equal(a.err, ERR_OK);
        assert_string_equal(a.path, expected[i]);
        answer_release(&a);
        if (i == 1) { // any created child counts, a deleted one still does
            assert_int_equal(store_create(&b->s, "/c/other", NULL, ZK_PERSISTENT), ERR_OK);
            assert_int_equal(store_delete(&b->s, expected[1], 0), ERR_OK);
            reopen(b);
        }
    }
}

// ---- multi ----

static void test_multi_registers_a_broker(void **state)
{
    struct behaviour *b = *state;
    const struct zk_op ops[] = {
        {.type = ZK_OP_CREATE, .path = "/one", .data = SLICE_NULL, .mode = ZK_EPHEMERAL},
        {.type = ZK_OP_SET, .path = "/one", .data = slice_str("data"), .version = 0},
    };
    struct answer a = {0};
    zk_multi(b->s.zk, ops, 2, answer_keep, &a);
    store_run(&b->s);
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(a.failed_op, -1);
    assert_null(a.path);
    assert_true(a.stat.czxid > 0); // the broker epoch, in the same answer
    assert_int_equal(a.stat.mzxid, a.stat.czxid);
    assert_int_equal(a.stat.version, 1);
    assert_int_equal(a.stat.ephemeral_owner, zk_session_id(b->s.zk));
    answer_release(&a);
}

static void test_multi_is_all_or_nothing(void **state)
{
    struct behaviour *b = *state;
    static const struct {
        struct zk_op last;
        enum err expected;
    } cases[] = {
        {{.type = ZK_OP_CHECK, .path = "/a", .version = 9}, ERR_BAD_VERSION},
        {{.type = ZK_OP_CHECK, .path = "/none", .version = ZK_VERSION_ANY}, ERR_NOT_FOUND},
        {{.type = ZK_OP_CREATE, .path = "/a"}, ERR_EXISTS},
        {{.type = ZK_OP_CREATE, .path = "/none/x"}, ERR_NOT_FOUND},
        {{.type = ZK_OP_SET, .path = "/none", .version = ZK_VERSION_ANY}, ERR_NOT_FOUND},
        {{.type = ZK_OP_DELETE, .path = "/p", .version = ZK_VERSION_ANY}, ERR_NOT_EMPTY}, // through the first one
        {{.type = ZK_OP_CREATE, .path = "bad"}, ERR_INVALID},
    };
    assert_int_equal(store_create(&b->s, "/a", "old", ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&b->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    char *before = store_dump(&b->s, "/");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zk_op ops[] = {
            {.type = ZK_OP_CREATE, .path = "/p/x", .data = slice_str("x"), .mode = ZK_EPHEMERAL},
            {.type = ZK_OP_SET, .path = "/a", .data = slice_str("new"), .version = 0},
            cases[i].last,
        };
        int failed_op = -1;
        assert_int_equal(store_multi(&b->s, ops, 3, &failed_op), cases[i].expected);
        assert_int_equal(failed_op, 2);
        char *after = store_dump(&b->s, "/");
        assert_string_equal(after, before);
        free(after);
    }
    free(before);
}

static void test_multi_sees_its_own_effects(void **state)
{
    struct behaviour *b = *state;
    const struct zk_op ops[] = {
        {.type = ZK_OP_CREATE, .path = "/a"},
        {.type = ZK_OP_CREATE, .path = "/a/s_", .data = slice_str("0"), .mode = ZK_PERSISTENT_SEQUENTIAL},
        {.type = ZK_OP_CREATE, .path = "/a/s_", .data = slice_str("1"), .mode = ZK_PERSISTENT_SEQUENTIAL},
        {.type = ZK_OP_SET, .path = "/a/s_0000000000", .data = slice_str("set"), .version = 0},
        {.type = ZK_OP_CHECK, .path = "/a/s_0000000000", .version = 1},
        {.type = ZK_OP_DELETE, .path = "/a/s_0000000001", .version = 0},
    };
    assert_int_equal(store_multi(&b->s, ops, 6, NULL), ERR_OK);
    assert_int_equal(store_create(&b->s, "/after", NULL, ZK_PERSISTENT), ERR_OK);
    for (int round = 0; round < 2; round++) {
        struct answer a = store_children(&b->s, "/a", false);
        assert_string_equal(a.children, "s_0000000000");
        assert_int_equal(a.stat.cversion, 3);
        int64_t czxid = a.stat.czxid;
        answer_release(&a);
        a = store_get(&b->s, "/a/s_0000000000", false);
        assert_string_equal(a.data, "set");
        assert_int_equal(a.stat.version, 1);
        assert_int_equal(a.stat.czxid, czxid);
        assert_int_equal(a.stat.mzxid, czxid);
        answer_release(&a);
        a = store_exists(&b->s, "/after", false);
        assert_int_equal(a.stat.czxid, czxid + 1); // the multi was one transaction
        answer_release(&a);
        reopen(b);
    }
}

// Its stat is that of its last set; what it creates has none.
static void test_multi_stat(void **state)
{
    struct behaviour *b = *state;
    const struct zk_op ops[] = {
        {.type = ZK_OP_CREATE, .path = "/a"},
        {.type = ZK_OP_SET, .path = "/a", .data = slice_str("longer"), .version = 0},
        {.type = ZK_OP_CREATE, .path = "/b"},
    };
    struct answer a = {0};
    zk_multi(b->s.zk, ops, 3, answer_keep, &a);
    store_run(&b->s);
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(a.stat.data_len, 6);
    answer_release(&a);
    zk_multi(b->s.zk, &(struct zk_op){.type = ZK_OP_CREATE, .path = "/c"}, 1, answer_keep, &a);
    store_run(&b->s);
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(a.stat.czxid, 0);
    answer_release(&a);
    zk_multi(b->s.zk, NULL, 0, answer_keep, &a);
    store_run(&b->s);
    assert_int_equal(a.err, ERR_OK);
    answer_release(&a);
}

// ---- watches ----

static void test_data_watches(void **state)
{
    struct behaviour *b = *state;
    struct answer a = store_exists(&b->s, "/a", true); // not there yet
    assert_int_equal(a.err, ERR_NOT_FOUND);
    answer_release(&a);
    assert_int_equal(store_create(&b->s, "/a", "1", ZK_PERSISTENT), ERR_OK);
    assert_log(&b->s, "created /a\n");
    assert_int_equal(store_set(&b->s, "/a", "2", ZK_VERSION_ANY), ERR_OK); // one shot
    assert_log(&b->s, "");
    a = store_get(&b->s, "/a", true);
    answer_release(&a);
    a = store_exists(&b->s, "/a", true); // the same watch
    answer_release(&a);
    assert_int_equal(store_set(&b->s, "/a", "3", ZK_VERSION_ANY), ERR_OK);
    assert_log(&b->s, "changed /a\n");
    a = store_get(&b->s, "/a", true);
    answer_release(&a);
    assert_int_equal(store_create(&b->s, "/a/child", NULL, ZK_PERSISTENT), ERR_OK); // not the node's business
    assert_int_equal(store_delete(&b->s, "/a/child", ZK_VERSION_ANY), ERR_OK);
    assert_log(&b->s, "");
    assert_int_equal(store_delete(&b->s, "/a", ZK_VERSION_ANY), ERR_OK);
    assert_log(&b->s, "deleted /a\n");
    a = store_get(&b->s, "/a", true); // a get of nothing watches nothing
    answer_release(&a);
    assert_int_equal(store_create(&b->s, "/a", "1", ZK_PERSISTENT), ERR_OK);
    assert_log(&b->s, "");
}

static void test_child_watches(void **state)
{
    struct behaviour *b = *state;
    assert_int_equal(store_create(&b->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    struct answer a = store_children(&b->s, "/p", true);
    answer_release(&a);
    a = store_children(&b->s, "/none", true);
    answer_release(&a);
    assert_int_equal(store_set(&b->s, "/p", "x", ZK_VERSION_ANY), ERR_OK);
    assert_int_equal(store_create(&b->s, "/none", NULL, ZK_PERSISTENT), ERR_OK);
    assert_log(&b->s, "");
    assert_int_equal(store_create(&b->s, "/p/a", NULL, ZK_PERSISTENT), ERR_OK);
    assert_log(&b->s, "children /p\n");
    assert_int_equal(store_create(&b->s, "/p/b", NULL, ZK_PERSISTENT), ERR_OK);
    assert_log(&b->s, "");
    a = store_children(&b->s, "/p", true);
    answer_release(&a);
    assert_int_equal(store_create(&b->s, "/p/a/deep", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_set(&b->s, "/p/a", "x", ZK_VERSION_ANY), ERR_OK);
    assert_log(&b->s, ""); // children only, and only their coming and going
    assert_int_equal(store_delete(&b->s, "/p/b", ZK_VERSION_ANY), ERR_OK);
    assert_log(&b->s, "children /p\n");
}

// Whoever watches a node and its children hears of its deletion once.
static void test_deletion_fires_both_kinds_once(void **state)
{
    struct behaviour *b = *state;
    assert_int_equal(store_create(&b->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    struct answer a = store_get(&b->s, "/p", true);
    answer_release(&a);
    a = store_children(&b->s, "/p", true);
    answer_release(&a);
    a = store_children(&b->s, "/", true);
    answer_release(&a);
    assert_int_equal(store_delete(&b->s, "/p", ZK_VERSION_ANY), ERR_OK);
    assert_log(&b->s, "deleted /p\nchildren /\n");
    assert_int_equal(store_create(&b->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    assert_log(&b->s, "");
}

static void test_watches_of_a_multi(void **state)
{
    struct behaviour *b = *state;
    const struct zk_op good[] = {
        {.type = ZK_OP_CREATE, .path = "/a"},
        {.type = ZK_OP_SET, .path = "/a", .version = 0},
        {.type = ZK_OP_CREATE, .path = "/b"},
    };
    const struct zk_op bad[] = {good[0], good[1], good[2], {.type = ZK_OP_CREATE, .path = "/a"}};
    struct answer a = store_exists(&b->s, "/a", true);
    answer_release(&a);
    a = store_exists(&b->s, "/b", true);
    answer_release(&a);
    a = store_children(&b->s, "/", true);
    answer_release(&a);
    assert_int_equal(store_multi(&b->s, bad, 4, NULL), ERR_EXISTS);
    assert_log(&b->s, "");
    assert_int_equal(store_multi(&b->s, good, 3, NULL), ERR_OK);
    assert_log(&b->s, "created /a\nchildren /\ncreated /b\n");
}

// ---- order ----

struct step {
    struct behaviour *b;
    const char *name;
};

static void step_log(void *ctx, const struct zk_result *result)
{
    struct step *step = ctx;
    store_note(&step->b->s, step->name, err_name(result->err));
}

static void test_order(void **state)
{
    struct behaviour *b = *state;
    struct step steps[] = {{b, "get-1"}, {b, "create"}, {b, "refused"}, {b, "get-2"},
                           {b, "set-1"}, {b, "set-2"},  {b, "get-3"},   {b, "delete"}};
    zk_exists(b->s.zk, "/a", true, step_log, &steps[0]);
    zk_create(b->s.zk, "/a", slice_str("x"), ZK_PERSISTENT, step_log, &steps[1]);
    zk_create(b->s.zk, "bad", slice_str("x"), ZK_PERSISTENT, step_log, &steps[2]);
    zk_get(b->s.zk, "/a", true, step_log, &steps[3]);
    zk_set(b->s.zk, "/a", slice_str("y"), 0, step_log, &steps[4]);
    zk_set(b->s.zk, "/a", slice_str("z"), 0, step_log, &steps[5]);
    zk_get(b->s.zk, "/a", true, step_log, &steps[6]);
    zk_delete(b->s.zk, "/a", 1, step_log, &steps[7]);
    assert_log(&b->s, ""); // nothing from inside the calls
    store_run(&b->s);
    assert_log(&b->s, "get-1 NOT_FOUND\n"
                      "created /a\ncreate OK\n"
                      "refused INVALID\n"
                      "get-2 OK\n"
                      "changed /a\nset-1 OK\nset-2 BAD_VERSION\n"
                      "get-3 OK\n"
                      "deleted /a\ndelete OK\n");
    store_run(&b->s);
    assert_log(&b->s, "");
}

static void create_next(void *ctx, const struct zk_result *result)
{
    struct step *step = ctx;
    step_log(ctx, result);
    if (strcmp(step->name, "outer") == 0) {
        step->name = "inner";
        zk_create(step->b->s.zk, "/inner", SLICE_NULL, ZK_PERSISTENT, create_next, step);
    }
}

static void test_calls_from_callbacks(void **state)
{
    struct behaviour *b = *state;
    struct step outer = {b, "outer"}, other = {b, "other"};
    zk_create(b->s.zk, "/outer", SLICE_NULL, ZK_PERSISTENT, create_next, &outer);
    zk_exists(b->s.zk, "/inner", false, step_log, &other);
    store_run(&b->s);
    store_run(&b->s);
    assert_log(&b->s, "outer OK\nother NOT_FOUND\ninner OK\n");
}

// ---- sessions ----

static void test_ephemerals_end_with_the_session(void **state)
{
    struct behaviour *b = *state;
    int64_t session = zk_session_id(b->s.zk);
    assert_int_not_equal(session, 0);
    assert_int_equal(store_create(&b->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&b->s, "/p/e", "x", ZK_EPHEMERAL), ERR_OK);
    assert_int_equal(store_create(&b->s, "/p/e/x", "x", ZK_PERSISTENT), ERR_INVALID);
    struct answer a = store_exists(&b->s, "/p/e", false);
    assert_int_equal(a.stat.ephemeral_owner, session);
    answer_release(&a);
    reopen(b);
    assert_int_not_equal(zk_session_id(b->s.zk), 0);
    assert_int_not_equal(zk_session_id(b->s.zk), session);
    a = store_children(&b->s, "/p", false);
    assert_string_equal(a.children, "");
    assert_int_equal(a.stat.cversion, 2);
    answer_release(&a);
}

static int teardown(void **state)
{
    struct behaviour *b = *state;
    store_close(&b->s);
    b->remove(b);
    return 0;
}

int behaviour_run(int (*setup)(void **state))
{
#define BEHAVIOUR(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        BEHAVIOUR(test_create_get_set_delete),
        BEHAVIOUR(test_null_and_empty_data),
        BEHAVIOUR(test_children),
        BEHAVIOUR(test_sequential),
        BEHAVIOUR(test_multi_registers_a_broker),
        BEHAVIOUR(test_multi_is_all_or_nothing),
        BEHAVIOUR(test_multi_sees_its_own_effects),
        BEHAVIOUR(test_multi_stat),
        BEHAVIOUR(test_data_watches),
        BEHAVIOUR(test_child_watches),
        BEHAVIOUR(test_deletion_fires_both_kinds_once),
        BEHAVIOUR(test_watches_of_a_multi),
        BEHAVIOUR(test_order),
        BEHAVIOUR(test_calls_from_callbacks),
        BEHAVIOUR(test_ephemerals_end_with_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
