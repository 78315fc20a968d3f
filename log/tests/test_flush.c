// SPDX-License-Identifier: Apache-2.0
//
// Flushing: what is fsynced, and that callers who come at the same time share it.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/log_env.h"

static void test_moves_the_recovery_point(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    assert_int_equal(log_recovery_point(e.log), 0);
    env_append_many(&e, 3);
    assert_int_equal(log_recovery_point(e.log), 0);
    assert_int_equal(log_flush(e.log), ERR_OK);
    assert_int_equal(log_recovery_point(e.log), 9);
    int calls = e.os.calls[TEST_OS_FSYNC];
    assert_int_equal(log_flush(e.log), ERR_OK); // nothing to do
    assert_int_equal(e.os.calls[TEST_OS_FSYNC], calls);
    env_append_many(&e, 1);
    assert_int_equal(log_flush(e.log), ERR_OK);
    assert_int_equal(e.os.calls[TEST_OS_FSYNC], calls + 1); // no folder changed: one file
    env_stop(&e);
}

// A rolled segment is fsynced with its indexes and its snapshot, and the folder with its new name.
static void test_rolled_segments(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 1);
    assert_int_equal(log_flush(e.log), ERR_OK);
    do {
        assert_int_equal(env_append(&e), ERR_OK);
    } while (!e.last.rolled);
    int calls = e.os.calls[TEST_OS_FSYNC];
    assert_int_equal(log_flush(e.log), ERR_OK);
    // .log, .index, .timeindex of the old one; .log and snapshot of the new one; the folder
    assert_int_equal(e.os.calls[TEST_OS_FSYNC] - calls, 6);
    assert_int_equal(log_recovery_point(e.log), log_end_offset(e.log));
    env_stop(&e);
}

// A file that cannot be opened for want of a descriptor is no failed fsync: the next flush does it all.
static void test_no_descriptor_is_no_failure(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    do {
        assert_int_equal(env_append(&e), ERR_OK);
    } while (!e.last.rolled);
    e.os.fail_errno = EMFILE;
    e.os.fail_from[TEST_OS_OPEN] = e.os.calls[TEST_OS_OPEN] + 1;
    assert_int_equal(log_flush(e.log), ERR_AGAIN);
    assert_false(log_failed(e.log));
    e.os.fail_from[TEST_OS_OPEN] = 0;
    int calls = e.os.calls[TEST_OS_FSYNC];
    assert_int_equal(log_flush(e.log), ERR_OK);
    assert_true(e.os.calls[TEST_OS_FSYNC] > calls); // the folder at least
    assert_int_equal(log_recovery_point(e.log), log_end_offset(e.log));
    env_stop(&e);
}

// ---- many threads --------------------------------------------------------------------------------------------------

// An os whose fsync waits until the test lets it go. Its lock has no rank: whoever calls fsync may hold any lock.
struct gate {
    struct os os;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    int waiting; // fsyncs that have begun
    int allowed; // of which this many may end
    int done;
    int flushed; // calls of log_flush that have returned
    bool fail;
};

static int gate_fsync(const struct os *os, int fd)
{
    struct gate *g = os->ctx;
    pthread_mutex_lock(&g->mu);
    g->waiting++;
    pthread_cond_broadcast(&g->changed);
    while (g->allowed < g->waiting) {
        pthread_cond_wait(&g->changed, &g->mu);
    }
    g->done++;
    bool fail = g->fail;
    pthread_mutex_unlock(&g->mu);
    if (fail) {
        errno = EIO;
        return -1;
    }
    (void)fd;
    return 0;
}

static void gate_start(struct gate *g)
{
    *g = (struct gate){.os = *os_real(), .allowed = 1 << 30};
    g->os.fsync = gate_fsync;
    g->os.ctx = g;
    pthread_mutex_init(&g->mu, NULL);
    pthread_cond_init(&g->changed, NULL);
}

static void gate_stop(struct gate *g)
{
    pthread_cond_destroy(&g->changed);
    pthread_mutex_destroy(&g->mu);
}

// Lets fsyncs end up to number `allowed`.
static void gate_allow(struct gate *g, int allowed)
{
    pthread_mutex_lock(&g->mu);
    g->allowed = allowed;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->mu);
}

static void gate_wait_begun(struct gate *g, int n)
{
    pthread_mutex_lock(&g->mu);
    while (g->waiting < n) {
        pthread_cond_wait(&g->changed, &g->mu);
    }
    pthread_mutex_unlock(&g->mu);
}

struct flusher {
    pthread_t thread;
    struct log *log;
    struct gate *gate;
    enum err err;
    int64_t recovery_point; // seen when the call had returned
};

static void *flusher_run(void *arg)
{
    struct flusher *f = arg;
    f->err = log_flush(f->log);
    f->recovery_point = log_recovery_point(f->log);
    pthread_mutex_lock(&f->gate->mu);
    f->gate->flushed++;
    pthread_cond_broadcast(&f->gate->changed);
    pthread_mutex_unlock(&f->gate->mu);
    return NULL;
}

static void flusher_start(struct flusher *f, struct log *l, struct gate *g)
{
    f->log = l;
    f->gate = g;
    assert_int_equal(pthread_create(&f->thread, NULL, flusher_run, f), 0);
}

#define FLUSHERS 8

// One flush is held inside its fsync; more is appended and many callers come; one further fsync serves all of them.
static void check_group(bool fail)
{
    struct env e;
    struct gate g;
    struct flusher first;
    struct flusher others[FLUSHERS];
    env_start(&e);
    env_append_many(&e, 1);
    env_close(&e);
    gate_start(&g);
    assert_int_equal(log_dir_open(&g.os, e.path, &e.dir), ERR_OK);
    assert_int_equal(log_open(e.dir, ENV_TOPIC, 0, &e.config, &e.log), ERR_OK);
    env_append_many(&e, 1);
    int before = g.waiting;
    gate_allow(&g, before);
    flusher_start(&first, e.log, &g);
    gate_wait_begun(&g, before + 1);
    env_append_many(&e, 1);
    for (int i = 0; i < FLUSHERS; i++) {
        flusher_start(&others[i], e.log, &g);
    }
    g.fail = fail;
    gate_allow(&g, before + 1); // the first one ends; it does not cover the last append
    pthread_join(first.thread, NULL);
    assert_int_equal(first.err, fail ? ERR_IO : ERR_OK);
    gate_allow(&g, before + 2 + FLUSHERS);
    for (int i = 0; i < FLUSHERS; i++) {
        pthread_join(others[i].thread, NULL);
        assert_int_equal(others[i].err, fail ? ERR_FAILED : ERR_OK);
        assert_true(fail || others[i].recovery_point == 9);
    }
    // All others came after the last append and before a second fsync could end, so at most one more was needed by
    // each that came first; sharing makes it one in all.
    assert_int_equal(g.done, before + (fail ? 1 : 2));
    assert_int_equal(g.flushed, FLUSHERS + 1);
    g.fail = false;
    gate_allow(&g, 1 << 30);
    env_close(&e);
    env_stop(&e);
    gate_stop(&g);
}

static void test_callers_share_an_fsync(void **state)
{
    (void)state;
    check_group(false);
}

static void test_callers_share_a_failure(void **state)
{
    (void)state;
    check_group(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves_the_recovery_point),    cmocka_unit_test(test_rolled_segments),
        cmocka_unit_test(test_no_descriptor_is_no_failure), cmocka_unit_test(test_callers_share_an_fsync),
        cmocka_unit_test(test_callers_share_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
