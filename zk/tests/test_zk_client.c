// SPDX-License-Identifier: Apache-2.0
//
// The store on a real ZooKeeper: the behaviour of every store, and what happens when connections break and sessions
// expire. One server serves all tests, each below a chroot of its own.
#include "zk/zk_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "zk/tests/behaviour.h"

#define LONG_SESSION_MS  6000
#define SHORT_SESSION_MS 400 // the shortest that the server grants

// cmocka's setup functions know their test only by what they can reach from here.
static struct server *server_shared(void)
{
    static struct server server;
    return &server;
}

static char *place_new(uint16_t port)
{
    static int count;
    char *place = NULL;
    int n = asprintf(&place, "127.0.0.1:%d/test/%d", port, count++);
    assert_true(n > 0);
    return place;
}

// ---- the behaviour of every store ----

static void behaviour_open(struct behaviour *b)
{
    store_open_client(&b->s, b->place, LONG_SESSION_MS);
}

static void behaviour_remove(struct behaviour *b)
{
    free(b->place);
    free(b);
}

static int behaviour_setup(void **state)
{
    struct behaviour *b = calloc(1, sizeof *b);
    b->open = behaviour_open;
    b->remove = behaviour_remove;
    b->place = place_new(server_shared()->port);
    b->open(b);
    *state = b;
    return 0;
}

// ---- broken connections ----

struct fixture {
    struct gate gate;
    char *place;  // through the gate
    char *direct; // past it
    struct store s;
    struct store other; // past the gate
};

static struct fixture *fixture_new(int32_t session_timeout_ms)
{
    struct fixture *f = calloc(1, sizeof *f);
    gate_open(&f->gate, server_shared());
    f->place = place_new(f->gate.port);
    f->s.gate = &f->gate;
    store_open_client(&f->s, f->place, session_timeout_ms);
    int n = asprintf(&f->direct, "127.0.0.1:%d%s", server_shared()->port, strchr(f->place, '/'));
    assert_true(n > 0);
    store_open_client(&f->other, f->direct, LONG_SESSION_MS);
    return f;
}

static int setup(void **state)
{
    *state = fixture_new(LONG_SESSION_MS);
    return 0;
}

static int setup_short(void **state)
{
    *state = fixture_new(SHORT_SESSION_MS);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gate_release(&f->gate); // nobody runs it during the close, which would wait for an answer
    store_close(&f->s);
    store_close(&f->other);
    free(f->place);
    free(f->direct);
    free(f);
    return 0;
}

// The connection breaks when the next request was done and its answer is not here yet; it can be made again at once.
static void cut(struct fixture *f)
{
    gate_set(&f->gate, GATE_CUT);
    store_await_log(&f->s, "lost session\n");
    gate_set(&f->gate, GATE_OPEN);
}

static void test_reconnect(void **state)
{
    struct fixture *f = *state;
    int64_t session = zk_session_id(f->s.zk);
    assert_int_equal(store_create(&f->s, "/e", "x", ZK_EPHEMERAL), ERR_OK);
    struct answer a = store_get(&f->s, "/e", true);
    answer_release(&a);
    gate_set(&f->gate, GATE_CLOSED);
    store_await_log(&f->s, "lost session\n");
    zk_set(f->s.zk, "/e", slice_str("y"), 0, answer_keep, &a); // waits
    gate_set(&f->gate, GATE_OPEN);
    store_run(&f->s);
    assert_int_equal(a.err, ERR_OK);
    answer_release(&a);
    assert_int_equal(zk_session_id(f->s.zk), session);
    assert_log(&f->s, "lost session\nup session\nchanged /e\n"); // the watch has lived through it
}

// The session goes on at another host when the one it was at is gone.
static void test_several_hosts(void **state)
{
    struct fixture *f = *state;
    char *connect = NULL;
    int n = asprintf(&connect, "127.0.0.1:%d,%s", f->gate.port, f->direct);
    assert_true(n > 0);
    gate_set(&f->gate, GATE_CLOSED); // the close below waits for nobody
    store_close(&f->s);
    gate_set(&f->gate, GATE_OPEN);
    store_open_client(&f->s, connect, LONG_SESSION_MS);
    free(connect);
    int64_t session = zk_session_id(f->s.zk);
    assert_true(f->gate.client >= 0); // the first host is tried first (main)
    assert_int_equal(store_create(&f->s, "/e", "x", ZK_EPHEMERAL), ERR_OK);
    gate_set(&f->gate, GATE_CLOSED);
    store_await_log(&f->s, "lost session\nup session\n");
    struct answer a = store_exists(&f->s, "/e", false);
    assert_int_equal(a.stat.ephemeral_owner, session);
    assert_int_equal(zk_session_id(f->s.zk), session);
    answer_release(&a);
}

// While it is away somebody changes what it watches.
static void test_watches_of_a_lost_connection(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_create(&f->s, "/p", "x", ZK_PERSISTENT), ERR_OK);
    struct answer a = store_children(&f->s, "/p", true);
    answer_release(&a);
    a = store_exists(&f->s, "/q", true);
    answer_release(&a);
    gate_set(&f->gate, GATE_CLOSED);
    store_await_log(&f->s, "lost session\n");
    assert_int_equal(store_create(&f->other, "/p/child", NULL, ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&f->other, "/q", NULL, ZK_PERSISTENT), ERR_OK);
    gate_set(&f->gate, GATE_OPEN);
    store_await_log(&f->s, "created /q\n");
    store_await_log(&f->s, "children /p\n");
}

static void test_resent_changes_were_done(void **state)
{
    struct fixture *f = *state;
    struct answer answers[5] = {0};
    const struct zk_op ops[] = {
        {.type = ZK_OP_CHECK, .path = "/a", .version = 0},
        {.type = ZK_OP_CREATE, .path = "/e", .mode = ZK_EPHEMERAL},
        {.type = ZK_OP_SET, .path = "/e", .data = slice_str("registered"), .version = 0},
        {.type = ZK_OP_SET, .path = "/a", .data = slice_str("2"), .version = 0},
        {.type = ZK_OP_DELETE, .path = "/gone", .version = ZK_VERSION_ANY},
    };
    assert_int_equal(store_create(&f->s, "/a", "1", ZK_PERSISTENT), ERR_OK);
    assert_int_equal(store_create(&f->s, "/gone", "1", ZK_PERSISTENT), ERR_OK);
    for (int i = 0; i < 4; i++) {
        if (i == 0)
            zk_multi(f->s.zk, ops, 5, answer_keep, &answers[0]);
        else if (i == 1)
            zk_create(f->s.zk, "/b", slice_str("1"), ZK_PERSISTENT, answer_keep, &answers[1]);
        else if (i == 2)
            zk_set(f->s.zk, "/b", slice_str("2"), 0, answer_keep, &answers[2]);
        else
            zk_delete(f->s.zk, "/b", 1, answer_keep, &answers[3]);
        zk_dispatch(f->s.zk);
        cut(f);
        store_run(&f->s);
        assert_int_equal(answers[i].calls, 1);
        assert_int_equal(answers[i].err, ERR_OK);
        assert_int_equal(answers[i].failed_op, -1);
        free(store_take_log(&f->s));
    }
    assert_int_equal(answers[0].stat.version, 1); // of its last set, /a
    assert_int_equal(answers[1].stat.version, 0);
    assert_int_equal(answers[2].stat.version, 1);
    answers[4] = store_get(&f->s, "/e", false);
    assert_string_equal(answers[4].data, "registered");
    assert_int_equal(answers[4].stat.ephemeral_owner, zk_session_id(f->s.zk));
    assert_int_equal(answers[4].stat.version, 1); // once
    for (int i = 0; i < 5; i++)
        answer_release(&answers[i]);
}

// What fails for a reason of its own fails with that, resent or not, and everything keeps its order.
static void test_resent_changes_that_fail(void **state)
{
    struct fixture *f = *state;
    struct answer answers[4] = {0};
    const struct zk_op ops[] = {
        {.type = ZK_OP_CHECK, .path = "/a", .version = 7},
        {.type = ZK_OP_SET, .path = "/a", .data = slice_str("mine"), .version = 0},
    };
    assert_int_equal(store_create(&f->s, "/a", "theirs", ZK_PERSISTENT), ERR_OK);
    zk_create(f->s.zk, "/a", slice_str("mine"), ZK_PERSISTENT, answer_keep, &answers[0]);
    zk_multi(f->s.zk, ops, 2, answer_keep, &answers[1]);
    zk_delete(f->s.zk, "/a", 9, answer_keep, &answers[2]);
    zk_get(f->s.zk, "/a", false, answer_keep, &answers[3]);
    zk_dispatch(f->s.zk);
    cut(f);
    store_run(&f->s);
    assert_int_equal(answers[0].err, ERR_EXISTS);
    assert_int_equal(answers[1].err, ERR_BAD_VERSION);
    assert_int_equal(answers[1].failed_op, 0);
    assert_int_equal(answers[2].err, ERR_BAD_VERSION);
    assert_string_equal(answers[3].data, "theirs");
    for (int i = 0; i < 4; i++)
        answer_release(&answers[i]);
}

// A random walk: batches of changes, many of them cut off from their answers, each change on a node of its own and with
// data of its own. Every answer must be the one that a connection that never breaks would give.
#define WALK_NODES   6
#define WALK_BATCHES 40

struct walk {
    uint64_t chance;
    int count; // of changes made
    struct {
        bool is_there;
        int32_t version;
        enum err expected;
        bool may_be_done; // deleting what is not there looks as if it had been done before
        struct answer answer;
    } nodes[WALK_NODES];
};

static uint32_t walk_chance(struct walk *w, uint32_t below)
{
    w->chance = w->chance * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->chance >> 33) % below;
}

static void walk_change(struct walk *w, struct store *s, int i)
{
    char path[16], data[16];
    snprintf(path, sizeof path, "/n%d", i);
    snprintf(data, sizeof data, "%d", w->count++);
    bool is_there = w->nodes[i].is_there;
    int32_t version = w->nodes[i].version + (walk_chance(w, 4) == 0 ? 7 : 0);
    bool fits = is_there && version == w->nodes[i].version;
    uint32_t kind = walk_chance(w, 3);
    w->nodes[i].expected = !is_there ? ERR_NOT_FOUND : fits ? ERR_OK : ERR_BAD_VERSION;
    w->nodes[i].may_be_done = kind == 2 && !is_there;
    if (kind == 0) {
        zk_create(s->zk, path, slice_str(data), ZK_PERSISTENT, answer_keep, &w->nodes[i].answer);
        w->nodes[i].expected = is_there ? ERR_EXISTS : ERR_OK;
        w->nodes[i].version = is_there ? w->nodes[i].version : 0;
        w->nodes[i].is_there = true;
    } else if (kind == 1) {
        zk_set(s->zk, path, slice_str(data), version, answer_keep, &w->nodes[i].answer);
        w->nodes[i].version += fits ? 1 : 0;
    } else {
        zk_delete(s->zk, path, version, answer_keep, &w->nodes[i].answer);
        w->nodes[i].is_there = is_there && !fits;
    }
}

static void walk_batch(struct walk *w, struct fixture *f)
{
    for (int i = 0; i < WALK_NODES; i++)
        walk_change(w, &f->s, i);
    zk_dispatch(f->s.zk);
    if (walk_chance(w, 2) == 0)
        cut(f);
    store_run(&f->s);
    for (int i = 0; i < WALK_NODES; i++) {
        struct answer *a = &w->nodes[i].answer;
        assert_int_equal(a->calls, 1);
        if (!(w->nodes[i].may_be_done && a->err == ERR_OK))
            assert_int_equal(a->err, w->nodes[i].expected);
        answer_release(a);
    }
    free(store_take_log(&f->s));
}

static void test_walk_with_cuts(void **state)
{
    struct fixture *f = *state;
    struct walk w = {.chance = 20260801};
    for (int i = 0; i < WALK_BATCHES; i++)
        walk_batch(&w, f);
    for (int i = 0; i < WALK_NODES; i++) {
        char path[16];
        snprintf(path, sizeof path, "/n%d", i);
        struct answer a = store_get(&f->other, path, false);
        assert_int_equal(a.err, w.nodes[i].is_there ? ERR_OK : ERR_NOT_FOUND);
        if (a.err == ERR_OK)
            assert_int_equal(a.stat.version, w.nodes[i].version);
        answer_release(&a);
    }
}

// ---- sessions ----

static void note(void *ctx, const struct zk_result *result)
{
    store_note(ctx, "result", err_name(result->err));
}

static void test_expiry(void **state)
{
    struct fixture *f = *state;
    int64_t session = zk_session_id(f->s.zk);
    assert_int_equal(store_create(&f->s, "/e", "x", ZK_EPHEMERAL), ERR_OK);
    struct answer a = store_get(&f->s, "/e", true);
    answer_release(&a);
    a = store_exists(&f->other, "/e", true);
    answer_release(&a);
    gate_set(&f->gate, GATE_CLOSED);
    store_await_log(&f->other, "deleted /e\n"); // the server has given the session up
    zk_get(f->s.zk, "/e", false, note, &f->s);
    gate_set(&f->gate, GATE_OPEN);
    store_await_log(&f->s, "up session\n");
    assert_log(&f->s, "lost session\nexpired session\nresult CLOSED\nup session\n"); // nothing of the watch
    assert_int_not_equal(zk_session_id(f->s.zk), session);
    assert_int_equal(store_create(&f->s, "/e", "x", ZK_EPHEMERAL), ERR_OK);
}

// The owner works for longer than the session, and for so long does not look at the tree.
static void test_keep_alive(void **state)
{
    struct fixture *f = *state;
    int64_t session = zk_session_id(f->s.zk);
    struct answer a = {0};
    int64_t until_us = os_mono_us(os_real()) + 3 * SHORT_SESSION_MS * 1000;
    while (os_mono_us(os_real()) < until_us) { // this much time has to pass, whatever happens in it
        struct pollfd fds[GATE_MAX_FDS];
        int n = gate_fds(&f->gate, fds);
        assert_true(poll(fds, (nfds_t)n, 10) >= 0);
        gate_run(&f->gate);
        zk_keep_alive(f->s.zk);
    }
    zk_create(f->s.zk, "/late", SLICE_NULL, ZK_EPHEMERAL, answer_keep, &a);
    store_run(&f->s);
    assert_int_equal(a.err, ERR_OK);
    assert_int_equal(a.stat.ephemeral_owner, session);
    answer_release(&a);
    assert_log(&f->s, ""); // not even the connection was lost
}

struct asker {
    struct zk *zk;
    int wakes;
    int left; // how often it asks once more
};

static void ask_again(void *ctx, const struct zk_result *result)
{
    struct asker *a = ctx;
    assert_int_equal(result->err, ERR_TIMED_OUT);
    if (a->left-- > 0)
        zk_get(a->zk, "/", false, ask_again, a);
}

static void asker_wake(void *ctx)
{
    ((struct asker *)ctx)->wakes++;
}

static void test_no_server(void **state)
{
    struct zk *zk = NULL;
    struct answer answers[2] = {0};
    struct store s = {.log = NULL};
    struct asker asker = {.left = 3};
    const struct zk_client_options options = {.os = os_real(),
                                              .connect = "127.0.0.1:1",
                                              .session_timeout_ms = LONG_SESSION_MS,
                                              .connection_timeout_ms = 100,
                                              .max_in_flight = 1,
                                              .wake = asker_wake,
                                              .wake_ctx = &asker};
    (void)state;
    assert_int_equal(zk_client_open(&options, &zk), ERR_OK);
    s.zk = zk;
    zk_get(zk, "/", false, answer_keep, &answers[0]);
    while (answers[0].calls == 0)
        store_poll(&s);
    assert_int_equal(answers[0].err, ERR_TIMED_OUT);
    assert_int_equal(zk_interest(zk).timeout_ms, -1); // it has given up
    zk_get(zk, "/", false, answer_keep, &answers[1]);
    zk_dispatch(zk);
    assert_int_equal(answers[1].err, ERR_TIMED_OUT);
    for (int i = 0; i < 2; i++)
        answer_release(&answers[i]);
    asker.zk = zk;
    zk_get(zk, "/", false, ask_again, &asker);
    while (asker.left >= 0) { // each time it asks again from its callback it is woken for that
        assert_true(asker.wakes > 0);
        asker.wakes = 0;
        zk_dispatch(zk);
    }
    zk_close(zk);
}

static void test_close_drops_what_waits(void **state)
{
    struct fixture *f = *state;
    struct answer a = {0};
    zk_get(f->other.zk, "/", false, answer_keep, &a);
    zk_dispatch(f->other.zk); // is sent
    zk_get(f->other.zk, "/", false, answer_keep, &a);
    store_close(&f->other);
    assert_int_equal(a.calls, 0);
    store_open_client(&f->other, f->direct, LONG_SESSION_MS);
}

// ---- bounds ----

static void count(void *ctx, const struct zk_result *result)
{
    assert_int_equal(result->err, ERR_OK);
    ++*(int *)ctx;
}

static void test_many_operations(void **state)
{
    struct fixture *f = *state;
    const struct zk_client *c = (const struct zk_client *)f->s.zk;
    char path[32];
    int calls = 0;
    for (int i = 0; i < 500; i++) {
        snprintf(path, sizeof path, "/n%d", i);
        zk_create(f->s.zk, path, slice_str("x"), ZK_PERSISTENT, count, &calls);
    }
    zk_dispatch(f->s.zk);
    while (calls < 500) {
        assert_true(c->sent_count <= c->options.max_in_flight);
        store_poll(&f->s);
    }
    struct answer a = store_children(&f->s, "/", false);
    assert_int_equal(a.stat.num_children, 500);
    answer_release(&a);
}

// The largest packet that ZooKeeper takes, and one that would make it break the connection.
static void test_large_nodes(void **state)
{
    struct fixture *f = *state;
    struct answer answers[3] = {0};
    char *bytes = calloc(1, ZK_DATA_MAX_BYTES);
    memset(bytes, 'x', ZK_DATA_MAX_BYTES);
    zk_create(f->s.zk, "/most", slice_of(bytes, ZK_CLIENT_PACKET_MAX_BYTES - 200), ZK_PERSISTENT, answer_keep,
              &answers[0]);
    zk_create(f->s.zk, "/more", slice_of(bytes, ZK_CLIENT_PACKET_MAX_BYTES), ZK_PERSISTENT, answer_keep, &answers[1]);
    zk_get(f->s.zk, "/most", false, answer_keep, &answers[2]);
    store_run(&f->s);
    assert_int_equal(answers[0].err, ERR_OK);
    assert_int_equal(answers[1].err, ERR_TOO_LARGE);
    assert_int_equal(answers[2].data_len, ZK_CLIENT_PACKET_MAX_BYTES - 200);
    assert_log(&f->s, "");
    for (int i = 0; i < 3; i++)
        answer_release(&answers[i]);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reconnect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_several_hosts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watches_of_a_lost_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resent_changes_were_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resent_changes_that_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_walk_with_cuts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expiry, setup_short, teardown),
        cmocka_unit_test_setup_teardown(test_keep_alive, setup_short, teardown),
        cmocka_unit_test(test_no_server),
        cmocka_unit_test_setup_teardown(test_close_drops_what_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_operations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_nodes, setup, teardown),
    };
    zoo_deterministic_conn_order(1);
    server_start(server_shared());
    int failed = behaviour_run(behaviour_setup) + cmocka_run_group_tests(tests, NULL, NULL);
    server_stop(server_shared());
    return failed;
}
