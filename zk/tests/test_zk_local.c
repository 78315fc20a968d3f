// SPDX-License-Identifier: Apache-2.0
//
// The embedded store: the behaviour of every store, sessions, group commit, and what happens when the journal cannot be
// written.
#include "zk/zk_local.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "zk/tests/behaviour.h"
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

// ---- numbers ----

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
    assert_int_equal(store_create(&f->s, "/e", "x", ZK_EPHEMERAL), ERR_OK);
    reopen(f);
    assert_int_equal(store_create(&f->s, "/next", NULL, ZK_PERSISTENT), ERR_OK);
    struct answer a = store_exists(&f->s, "/next", false);
    assert_int_equal(a.stat.czxid, 3); // the end of the session was a change of its own
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

// ---- the behaviour of every store ----

static void behaviour_open(struct behaviour *b)
{
    store_open(&b->s, os_real(), b->place);
}

static void behaviour_remove(struct behaviour *b)
{
    test_dir_remove(b->place);
    free(b);
}

static int behaviour_setup(void **state)
{
    struct behaviour *b = calloc(1, sizeof *b);
    b->open = behaviour_open;
    b->remove = behaviour_remove;
    b->place = test_dir_new();
    b->open(b);
    *state = b;
    return 0;
}

int main(void)
{
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_zxid_over_restarts),
        STORE_TEST(test_multi_without_change),
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
    int failed = behaviour_run(behaviour_setup);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
