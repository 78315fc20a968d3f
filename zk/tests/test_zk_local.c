// SPDX-License-Identifier: Apache-2.0
//
// The embedded store through zk.h: operations, order of results and events, multi, sessions, group commit, and what
// happens when the journal cannot be written.
#include "zk/zk_local.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "zk/tests/store.h"
#include "zk/zk_tree.h"

struct fixture {
    char *dir;
    struct test_os os;
    struct store s;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = test_dir_new();
    test_os_init(&f->os);
    store_open(&f->s, &f->os.os, f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->s.zk != NULL)
        store_close(&f->s);
    test_dir_remove(f->dir);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    store_close(&f->s);
    test_os_init(&f->os);
    store_open(&f->s, &f->os.os, f->dir);
}

// ---- operations ----

static void test_create_get_set_delete(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_create(&f->s, "/a", "one", ZK_PERSISTENT), ERR_OK);
    struct answer a = store_get(&f->s, "/a", false);
    assert_int_equal(a.err, ERR_OK);
    assert_string_equal(a.data, "one");
    assert_string_equal(a.path, "/a");
    assert_int_equal(a.failed_op, -1);
    assert_int_equal(a.stat.czxid, 1);
    assert_int_equal(a.stat.ctime_ms, f->os.now_wall_ms);
    answer_release(&a);
    f->os.now_wall_ms += 5000;
    assert_int_equal(store_set(&f->s, "/a", "two", 0), ERR_OK);
    assert_int_equal(store_set(&f->s, "/a", "three", 0), ERR_BAD_VERSION);
    a = store_exists(&f->s, "/a", false);
    assert_null(a.data);
    assert_int_equal(a.stat.version, 1);
    assert_int_equal(a.stat.mzxid, 2);
    assert_int_equal(a.stat.mtime_ms, a.stat.ctime_ms + 5000);
    answer_release(&a);
    assert_int_equal(store_delete(&f->s, "/a", 0), ERR_BAD_VERSION);
    assert_int_equal(store_delete(&f->s, "/a", 1), ERR_OK);
    a = store_get(&f->s, "/a", false);
    assert_int_equal(a.err, ERR_NOT_FOUND);
    answer_release(&a);
}

static void test_null_and_empty_data(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_create(&f->s, "/null", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&f->s, "/empty", "", ZK_PERSISTENT), ERR_OK);
    for (int round = 0; round < 2; round++) {
        struct answer a = store_get(&f->s, "/null", false);
        assert_null(a.data);
        answer_release(&a);
        a = store_get(&f->s, "/empty", false);
        assert_non_null(a.data);
        assert_int_equal(a.data_len, 0);
        answer_release(&a);
        reopen(f);
    }
}

static void test_children(void **state)
{
    struct fixture *f = *state;
    struct answer a = store_children(&f->s, "/", false);
    assert_int_equal(a.err, ERR_OK);
    assert_string_equal(a.children, "");
    answer_release(&a);
    assert_int_equal(store_create(&f->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&f->s, "/p/10", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&f->s, "/p/2", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&f->s, "/p/1", NULL, ZK_PERSISTENT), ERR_OK);
    a = store_children(&f->s, "/p", false);
    assert_string_equal(a.children, "1 10 2");
    assert_int_equal(a.stat.num_children, 3);
    assert_int_equal(a.stat.cversion, 3);
    answer_release(&a);
    a = store_children(&f->s, "/none", false);
    assert_int_equal(a.err, ERR_NOT_FOUND);
    answer_release(&a);
}

static void test_sequential(void **state)
{
    struct fixture *f = *state;
    static const char *const expected[] = {"/c/n_0000000000", "/c/n_0000000001", "/c/n_0000000003"};
    assert_int_equal(store_create(&f->s, "/c", NULL, ZK_PERSISTENT), ERR_OK);
    for (int i = 0; i < 3; i++) {
        struct answer a = {0};
        zk_create(f->s.zk, "/c/n_", slice_str("x"), ZK_PERSISTENT_SEQUENTIAL, answer_keep, &a);
        zk_dispatch(f->s.zk);
        assert_int_equal(a.err, ERR_OK);
        assert_string_equal(a.path, expected[i]);
        answer_release(&a);
        if (i == 1) { // any created child counts, a deleted one still does
            assert_int_equal(store_create(&f->s, "/c/other", NULL, ZK_PERSISTENT), ERR_OK);
            assert_int_equal(store_delete(&f->s, expected[1], 0), ERR_OK);
            reopen(f);
        }
    }
}

static void test_zxid_over_restarts(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_create(&f->s, "/a", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&f->s, "/a", NULL, ZK_PERSISTENT), ERR_EXISTS); // no change, no zxid
    assert_int_equal(store_create(&f->s, "/b", NULL, ZK_PERSISTENT), ERR_OK);
    reopen(f);
    assert_int_equal(store_create(&f->s, "/c", NULL, ZK_PERSISTENT), ERR_OK);
    struct answer b = store_exists(&f->s, "/b", false);
    struct answer c = store_exists(&f->s, "/c", false);
    assert_int_equal(b.stat.czxid, 2);
    assert_int_equal(c.stat.czxid, 3);
    answer_release(&b);
    answer_release(&c);
}

// ---- multi ----

static void test_multi_registers_a_broker(void **state)
{
    struct fixture *f = *state;
    const struct zk_op ops[] = {
        {.type = ZK_OP_CREATE, .path = "/one", .data = SLICE_NULL, .mode = ZK_EPHEMERAL},
        {.type = ZK_OP_SET, .path = "/one", .data = slice_str("data"), .version = 0},
    };
    struct answer a = {0};
    zk_multi(f->s.zk, ops, 2, answer_keep, &a);
    zk_dispatch(f->s.zk);
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(a.failed_op, -1);
    assert_null(a.path);
    assert_int_equal(a.stat.czxid, 1); // the broker epoch, in the same answer
    assert_int_equal(a.stat.mzxid, 1);
    assert_int_equal(a.stat.version, 1);
    assert_int_equal(a.stat.ephemeral_owner, zk_session_id(f->s.zk));
    answer_release(&a);
}

static void test_multi_is_all_or_nothing(void **state)
{
    struct fixture *f = *state;
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
    assert_int_equal(store_create(&f->s, "/a", "old", ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&f->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    char *before = store_dump(&f->s, "/");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct zk_op ops[] = {
            {.type = ZK_OP_CREATE, .path = "/p/x", .data = slice_str("x"), .mode = ZK_EPHEMERAL},
            {.type = ZK_OP_SET, .path = "/a", .data = slice_str("new"), .version = 0},
            cases[i].last,
        };
        int failed_op = -1;
        assert_int_equal(store_multi(&f->s, ops, 3, &failed_op), cases[i].expected);
        assert_int_equal(failed_op, 2);
        char *after = store_dump(&f->s, "/");
        assert_string_equal(after, before);
        free(after);
    }
    free(before);
}

static void test_multi_sees_its_own_effects(void **state)
{
    struct fixture *f = *state;
    const struct zk_op ops[] = {
        {.type = ZK_OP_CREATE, .path = "/a"},
        {.type = ZK_OP_CREATE, .path = "/a/s_", .data = slice_str("0"), .mode = ZK_PERSISTENT_SEQUENTIAL},
        {.type = ZK_OP_CREATE, .path = "/a/s_", .data = slice_str("1"), .mode = ZK_PERSISTENT_SEQUENTIAL},
        {.type = ZK_OP_SET, .path = "/a/s_0000000000", .data = slice_str("set"), .version = 0},
        {.type = ZK_OP_CHECK, .path = "/a/s_0000000000", .version = 1},
        {.type = ZK_OP_DELETE, .path = "/a/s_0000000001", .version = 0},
    };
    assert_int_equal(store_multi(&f->s, ops, 6, NULL), ERR_OK);
    assert_int_equal(store_create(&f->s, "/after", NULL, ZK_PERSISTENT), ERR_OK);
    for (int round = 0; round < 2; round++) {
        char *dump = store_dump(&f->s, "/a");
        assert_string_equal(dump, "/a null v0 c3 cz1 mz1 ct1700000000000 mt1700000000000 persistent len0 n1\n"
                                  "/a/s_0000000000 set v1 c0 cz1 mz1 ct1700000000000 mt1700000000000 persistent len3 "
                                  "n0\n");
        free(dump);
        struct answer a = store_exists(&f->s, "/after", false);
        assert_int_equal(a.stat.czxid, 2); // the multi was one transaction
        answer_release(&a);
        reopen(f);
    }
}

static void test_multi_without_change(void **state)
{
    struct fixture *f = *state;
    const struct zk_op check = {.type = ZK_OP_CHECK, .path = "/", .version = 0};
    int writes = f->os.calls[TEST_OS_PWRITEV];
    assert_int_equal(store_multi(&f->s, NULL, 0, NULL), ERR_OK);
    assert_int_equal(store_multi(&f->s, &check, 1, NULL), ERR_OK);
    assert_int_equal(f->os.calls[TEST_OS_PWRITEV], writes);
    assert_int_equal(store_create(&f->s, "/a", NULL, ZK_PERSISTENT), ERR_OK);
    struct answer a = store_exists(&f->s, "/a", false);
    assert_int_equal(a.stat.czxid, 1);
    answer_release(&a);
}

// ---- watches ----

static void test_data_watches(void **state)
{
    struct fixture *f = *state;
    struct answer a = store_exists(&f->s, "/a", true); // not there yet
    assert_int_equal(a.err, ERR_NOT_FOUND);
    answer_release(&a);
    assert_int_equal(store_create(&f->s, "/a", "1", ZK_PERSISTENT), ERR_OK);
    assert_log(&f->s, "created /a\n");
    assert_int_equal(store_set(&f->s, "/a", "2", ZK_VERSION_ANY), ERR_OK); // one shot
    assert_log(&f->s, "");
    a = store_get(&f->s, "/a", true);
    answer_release(&a);
    a = store_exists(&f->s, "/a", true); // the same watch
    answer_release(&a);
    assert_int_equal(store_set(&f->s, "/a", "3", ZK_VERSION_ANY), ERR_OK);
    assert_log(&f->s, "changed /a\n");
    a = store_get(&f->s, "/a", true);
    answer_release(&a);
    assert_int_equal(store_create(&f->s, "/a/child", NULL, ZK_PERSISTENT), ERR_OK); // not the node's business
    assert_int_equal(store_delete(&f->s, "/a/child", ZK_VERSION_ANY), ERR_OK);
    assert_log(&f->s, "");
    assert_int_equal(store_delete(&f->s, "/a", ZK_VERSION_ANY), ERR_OK);
    assert_log(&f->s, "deleted /a\n");
    a = store_get(&f->s, "/a", true); // a get of nothing watches nothing
    answer_release(&a);
    assert_int_equal(store_create(&f->s, "/a", "1", ZK_PERSISTENT), ERR_OK);
    assert_log(&f->s, "");
}

static void test_child_watches(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_create(&f->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    struct answer a = store_children(&f->s, "/p", true);
    answer_release(&a);
    a = store_children(&f->s, "/none", true);
    answer_release(&a);
    assert_int_equal(store_set(&f->s, "/p", "x", ZK_VERSION_ANY), ERR_OK);
    assert_int_equal(store_create(&f->s, "/none", NULL, ZK_PERSISTENT), ERR_OK);
    assert_log(&f->s, "");
    assert_int_equal(store_create(&f->s, "/p/a", NULL, ZK_PERSISTENT), ERR_OK);
    assert_log(&f->s, "children /p\n");
    assert_int_equal(store_create(&f->s, "/p/b", NULL, ZK_PERSISTENT), ERR_OK);
    assert_log(&f->s, "");
    a = store_children(&f->s, "/p", true);
    answer_release(&a);
    assert_int_equal(store_create(&f->s, "/p/a/deep", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_set(&f->s, "/p/a", "x", ZK_VERSION_ANY), ERR_OK);
    assert_log(&f->s, ""); // children only, and only their coming and going
    assert_int_equal(store_delete(&f->s, "/p/b", ZK_VERSION_ANY), ERR_OK);
    assert_log(&f->s, "children /p\n");
}

// Whoever watches a node and its children hears of its deletion once.
static void test_deletion_fires_both_kinds_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_create(&f->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    struct answer a = store_get(&f->s, "/p", true);
    answer_release(&a);
    a = store_children(&f->s, "/p", true);
    answer_release(&a);
    a = store_children(&f->s, "/", true);
    answer_release(&a);
    assert_int_equal(store_delete(&f->s, "/p", ZK_VERSION_ANY), ERR_OK);
    assert_log(&f->s, "deleted /p\nchildren /\n");
    assert_int_equal(store_create(&f->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    assert_log(&f->s, "");
}

static void test_watches_of_a_multi(void **state)
{
    struct fixture *f = *state;
    const struct zk_op good[] = {
        {.type = ZK_OP_CREATE, .path = "/a"},
        {.type = ZK_OP_SET, .path = "/a", .version = 0},
        {.type = ZK_OP_CREATE, .path = "/b"},
    };
    const struct zk_op bad[] = {good[0], good[1], good[2], {.type = ZK_OP_CREATE, .path = "/a"}};
    struct answer a = store_exists(&f->s, "/a", true);
    answer_release(&a);
    a = store_exists(&f->s, "/b", true);
    answer_release(&a);
    a = store_children(&f->s, "/", true);
    answer_release(&a);
    assert_int_equal(store_multi(&f->s, bad, 4, NULL), ERR_EXISTS);
    assert_log(&f->s, "");
    assert_int_equal(store_multi(&f->s, good, 3, NULL), ERR_OK);
    assert_log(&f->s, "created /a\nchildren /\ncreated /b\n");
}

// ---- order ----

struct step {
    struct fixture *f;
    const char *name;
};

static void step_log(void *ctx, const struct zk_result *result)
{
    struct step *step = ctx;
    char *longer = NULL;
    int n = asprintf(&longer, "%s%s %s\n", step->f->s.log, step->name, err_name(result->err));
    assert_true(n > 0);
    free(step->f->s.log);
    step->f->s.log = longer;
}

static void test_order(void **state)
{
    struct fixture *f = *state;
    struct step steps[] = {{f, "get-1"}, {f, "create"}, {f, "refused"}, {f, "get-2"},
                           {f, "set-1"}, {f, "set-2"},  {f, "get-3"},   {f, "delete"}};
    zk_exists(f->s.zk, "/a", true, step_log, &steps[0]);
    zk_create(f->s.zk, "/a", slice_str("x"), ZK_PERSISTENT, step_log, &steps[1]);
    zk_create(f->s.zk, "bad", slice_str("x"), ZK_PERSISTENT, step_log, &steps[2]);
    zk_get(f->s.zk, "/a", true, step_log, &steps[3]);
    zk_set(f->s.zk, "/a", slice_str("y"), 0, step_log, &steps[4]);
    zk_set(f->s.zk, "/a", slice_str("z"), 0, step_log, &steps[5]);
    zk_get(f->s.zk, "/a", true, step_log, &steps[6]);
    zk_delete(f->s.zk, "/a", 1, step_log, &steps[7]);
    assert_log(&f->s, ""); // nothing from inside the calls
    zk_dispatch(f->s.zk);
    assert_log(&f->s, "get-1 NOT_FOUND\n"
                      "created /a\ncreate OK\n"
                      "refused INVALID\n"
                      "get-2 OK\n"
                      "changed /a\nset-1 OK\nset-2 BAD_VERSION\n"
                      "get-3 OK\n"
                      "deleted /a\ndelete OK\n");
    zk_dispatch(f->s.zk);
    assert_log(&f->s, "");
}

static void create_next(void *ctx, const struct zk_result *result)
{
    struct step *step = ctx;
    step_log(ctx, result);
    if (strcmp(step->name, "outer") == 0) {
        step->name = "inner";
        zk_create(step->f->s.zk, "/inner", SLICE_NULL, ZK_PERSISTENT, create_next, step);
    }
}

static void test_calls_from_callbacks(void **state)
{
    struct fixture *f = *state;
    struct step outer = {f, "outer"}, other = {f, "other"};
    zk_create(f->s.zk, "/outer", SLICE_NULL, ZK_PERSISTENT, create_next, &outer);
    zk_exists(f->s.zk, "/inner", false, step_log, &other);
    zk_dispatch(f->s.zk); // until nothing is left
    assert_log(&f->s, "outer OK\nother NOT_FOUND\ninner OK\n");
}

static void test_wake(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->s.wakes, 0);
    zk_create(f->s.zk, "/a", SLICE_NULL, ZK_PERSISTENT, NULL, NULL); // nobody wants to know
    zk_create(f->s.zk, "/b", SLICE_NULL, ZK_PERSISTENT, NULL, NULL);
    assert_int_equal(f->s.wakes, 1);
    zk_dispatch(f->s.zk);
    zk_get(f->s.zk, "/a", false, NULL, NULL);
    assert_int_equal(f->s.wakes, 2);
    zk_dispatch(f->s.zk);
}

static void test_group_commit(void **state)
{
    struct fixture *f = *state;
    struct answer answers[100] = {0};
    int writes = f->os.calls[TEST_OS_PWRITEV], syncs = f->os.calls[TEST_OS_FSYNC];
    for (int i = 0; i < 100; i++) {
        char path[16];
        snprintf(path, sizeof path, "/n%d", i);
        zk_create(f->s.zk, path, slice_str("x"), ZK_PERSISTENT, answer_keep, &answers[i]);
    }
    zk_dispatch(f->s.zk);
    assert_int_equal(f->os.calls[TEST_OS_PWRITEV] - writes, 1);
    assert_int_equal(f->os.calls[TEST_OS_FSYNC] - syncs, 1);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(answers[i].err, ERR_OK);
        assert_int_equal(answers[i].stat.czxid, i + 1);
        answer_release(&answers[i]);
    }
}

// A frame has a bound; what does not fit goes into the next one.
static void test_large_changes_share_no_frame(void **state)
{
    struct fixture *f = *state;
    char *data = calloc(1, ZK_DATA_MAX_BYTES);
    struct answer answers[4] = {0};
    int syncs = f->os.calls[TEST_OS_FSYNC];
    for (int i = 0; i < 4; i++) {
        char path[16];
        snprintf(path, sizeof path, "/n%d", i);
        zk_create(f->s.zk, path, slice_of(data, ZK_DATA_MAX_BYTES), ZK_PERSISTENT, answer_keep, &answers[i]);
    }
    zk_dispatch(f->s.zk);
    assert_int_equal(f->os.calls[TEST_OS_FSYNC] - syncs, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(answers[i].err, ERR_OK);
        answer_release(&answers[i]);
    }
    reopen(f);
    struct answer a = store_exists(&f->s, "/n3", false);
    assert_int_equal(a.stat.data_len, ZK_DATA_MAX_BYTES);
    answer_release(&a);
    free(data);
}

// ---- sessions ----

static void test_close_ends_the_session(void **state)
{
    struct fixture *f = *state;
    int64_t session = zk_session_id(f->s.zk);
    assert_true(session > 0);
    assert_int_equal(store_create(&f->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&f->s, "/p/e", "x", ZK_EPHEMERAL), ERR_OK);
    assert_int_equal(store_create(&f->s, "/p/e/x", "x", ZK_PERSISTENT), ERR_INVALID);
    struct answer a = store_exists(&f->s, "/p/e", false);
    assert_int_equal(a.stat.ephemeral_owner, session);
    answer_release(&a);
    reopen(f);
    assert_true(zk_session_id(f->s.zk) > 0);
    assert_int_not_equal(zk_session_id(f->s.zk), session);
    a = store_children(&f->s, "/p", false);
    assert_string_equal(a.children, "");
    assert_int_equal(a.stat.cversion, 2);
    answer_release(&a);
    assert_int_equal(store_create(&f->s, "/next", NULL, ZK_PERSISTENT), ERR_OK);
    a = store_exists(&f->s, "/next", false);
    assert_int_equal(a.stat.czxid, 4); // the end of the session was a change of its own
    answer_release(&a);
}

static void test_ephemerals_of_a_killed_process(void **state)
{
    struct fixture *f = *state;
    struct dying_os dying;
    store_close(&f->s);
    dying_os_init(&dying, 0);
    store_open(&f->s, &dying.os, f->dir);
    assert_int_equal(store_create(&f->s, "/e1", "x", ZK_EPHEMERAL), ERR_OK);
    assert_int_equal(store_create(&f->s, "/keep", "x", ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&f->s, "/e2", "x", ZK_EPHEMERAL), ERR_OK);
    store_die(&f->s, &dying);
    store_open(&f->s, &f->os.os, f->dir);
    struct answer a = store_children(&f->s, "/", false);
    assert_string_equal(a.children, "keep");
    answer_release(&a);
    assert_int_equal(store_create(&f->s, "/next", NULL, ZK_PERSISTENT), ERR_OK);
    a = store_exists(&f->s, "/next", false);
    assert_int_equal(a.stat.czxid, 5); // one transaction removed both
    answer_release(&a);
}

static void test_close_drops_what_waits(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0};
    const struct zk_op op = {.type = ZK_OP_CREATE, .path = "/b", .data = slice_str("x")};
    zk_create(f->s.zk, "/a", slice_str("x"), ZK_PERSISTENT, answer_keep, &a);
    zk_multi(f->s.zk, &op, 1, answer_keep, &a);
    reopen(f);
    assert_int_equal(a.calls, 0);
    a = store_children(&f->s, "/", false);
    assert_string_equal(a.children, "");
    answer_release(&a);
}

// ---- bounds and failures ----

static void test_queue_bound(void **state)
{
    struct fixture *f = *state;
    const struct zk_local_limits limits = {1 << 20, 2};
    struct answer answers[3] = {0};
    struct zk *zk = NULL;
    char *dir = test_dir_new();
    assert_int_equal(zk_local_open_with(&f->os.os, dir, &limits, free, NULL, &zk), ERR_OK);
    for (int i = 0; i < 3; i++)
        zk_create(zk, "/a", slice_str("x"), ZK_PERSISTENT, answer_keep, &answers[i]);
    zk_dispatch(zk);
    assert_int_equal(answers[0].err, ERR_OK);
    assert_int_equal(answers[1].err, ERR_EXISTS);
    assert_int_equal(answers[2].err, ERR_FULL);
    for (int i = 0; i < 3; i++)
        answer_release(&answers[i]);
    zk_close(zk);
    test_dir_remove(dir);
}

// After the failure: this change and all later ones are ERR_IO, reads see what was durable, and events do not come.
static void check_failing(struct fixture *f, enum test_os_op op)
{
    struct answer a, changes[3] = {0};
    assert_int_equal(store_create(&f->s, "/a", "kept", ZK_PERSISTENT), ERR_OK);
    char *before = store_dump(&f->s, "/");
    a = store_get(&f->s, "/a", true);
    answer_release(&a);
    f->os.fail_from[op] = f->os.calls[op] + 1;
    zk_set(f->s.zk, "/a", slice_str("lost"), 0, answer_keep, &changes[0]);
    zk_create(f->s.zk, "/a/b", slice_str("lost"), ZK_PERSISTENT_SEQUENTIAL, answer_keep, &changes[1]);
    zk_create(f->s.zk, "/a", slice_str("lost"), ZK_PERSISTENT, answer_keep, &changes[2]); // exists, but who knows
    zk_dispatch(f->s.zk);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(changes[i].err, ERR_IO);
        assert_int_equal(changes[i].failed_op, -1);
        answer_release(&changes[i]);
    }
    f->os.fail_from[op] = 0; // the disk recovers, the store must not believe it
    assert_int_equal(store_set(&f->s, "/a", "later", ZK_VERSION_ANY), ERR_IO);
    const struct zk_op check = {.type = ZK_OP_CHECK, .path = "/", .version = 0};
    assert_int_equal(store_multi(&f->s, &check, 1, NULL), ERR_IO);
    char *after = store_dump(&f->s, "/");
    assert_string_equal(after, before);
    free(after);
    free(before);
    assert_log(&f->s, "");
    reopen(f);
    a = store_get(&f->s, "/a", false);
    assert_non_null(a.data);
    assert_true(strcmp(a.data, "kept") == 0 || (op == TEST_OS_FSYNC && strcmp(a.data, "lost") == 0));
    answer_release(&a);
    assert_int_equal(store_set(&f->s, "/a", "works again", ZK_VERSION_ANY), ERR_OK);
}

static void test_failing_write(void **state)
{
    check_failing(*state, TEST_OS_PWRITEV);
}

static void test_failing_fsync(void **state)
{
    check_failing(*state, TEST_OS_FSYNC);
}

static void test_open_in_no_directory(void **state)
{
    struct fixture *f = *state;
    struct store s;
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, f->dir, "none");
    assert_int_equal(store_try_open(&s, &f->os.os, path, 0), ERR_NOT_FOUND);
}

// The leftovers of a killed session must go durably, or the store does not open.
static void test_open_without_writing(void **state)
{
    struct fixture *f = *state;
    struct dying_os dying;
    struct store s;
    store_close(&f->s);
    dying_os_init(&dying, 0);
    store_open(&f->s, &dying.os, f->dir);
    assert_int_equal(store_create(&f->s, "/e", "x", ZK_EPHEMERAL), ERR_OK);
    store_die(&f->s, &dying);
    f->os.fail_from[TEST_OS_PWRITEV] = 1;
    f->os.calls[TEST_OS_PWRITEV] = 0;
    assert_int_equal(store_try_open(&s, &f->os.os, f->dir, 0), ERR_IO);
    test_os_init(&f->os);
    store_open(&f->s, &f->os.os, f->dir);
}

int main(void)
{
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_create_get_set_delete),
        STORE_TEST(test_null_and_empty_data),
        STORE_TEST(test_children),
        STORE_TEST(test_sequential),
        STORE_TEST(test_zxid_over_restarts),
        STORE_TEST(test_multi_registers_a_broker),
        STORE_TEST(test_multi_is_all_or_nothing),
        STORE_TEST(test_multi_sees_its_own_effects),
        STORE_TEST(test_multi_without_change),
        STORE_TEST(test_data_watches),
        STORE_TEST(test_child_watches),
        STORE_TEST(test_deletion_fires_both_kinds_once),
        STORE_TEST(test_watches_of_a_multi),
        STORE_TEST(test_order),
        STORE_TEST(test_calls_from_callbacks),
        STORE_TEST(test_wake),
        STORE_TEST(test_group_commit),
        STORE_TEST(test_large_changes_share_no_frame),
        STORE_TEST(test_close_ends_the_session),
        STORE_TEST(test_ephemerals_of_a_killed_process),
        STORE_TEST(test_close_drops_what_waits),
        STORE_TEST(test_queue_bound),
        STORE_TEST(test_failing_write),
        STORE_TEST(test_failing_fsync),
        STORE_TEST(test_open_in_no_directory),
        STORE_TEST(test_open_without_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
