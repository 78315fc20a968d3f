// SPDX-License-Identifier: Apache-2.0
//
// Every call to the system fails in turn, from the n-th of a kind on, while a log lives a life with all that changes
// files. Whatever fails: nothing acknowledged is lost, what is read is right, and the log ends up as log.h says.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"
#include "log/tests/log_env.h"

#define TXN_PRODUCER 7

struct fault {
    enum test_os_op op;
    int errnum;
    enum err expected; // what a call may answer that hits it, beside ERR_FAILED
    size_t io_max_bytes;
};

struct life {
    struct env env;
    int64_t acked; // end of what was acknowledged
    int64_t start; // of what was not deleted
    int32_t epoch; // the newest that was begun
    int16_t txn;
    bool txn_is_open;
    bool hit; // some call has failed
};

// Says whether the step was done; a failure must be the one that was made.
static bool done(struct life *l, enum err err, const struct fault *f)
{
    if (err) {
        l->hit = true;
        if (err != f->expected && err != ERR_FAILED) {
            print_error("%s instead of %s\n", err_name(err), err_name(f->expected));
            fail();
        }
    }
    return !err;
}

static void acknowledge(struct life *l)
{
    l->acked = log_end_offset(l->env.log);
    log_set_high_watermark(l->env.log, l->acked);
}

static bool transact(struct life *l, const struct fault *f, bool commit)
{
    struct batch b = test_header(1);
    b.attributes = BATCH_ATTR_TRANSACTIONAL;
    b.producer_id = TXN_PRODUCER;
    b.producer_epoch = l->txn;
    b.base_sequence = 0;
    b.base_timestamp = ENV_TIME_MS;
    b.max_timestamp = ENV_TIME_MS;
    if (!l->txn_is_open && !done(l, env_append_batch(&l->env, &b, LOG_FROM_CLIENT), f)) {
        return false;
    }
    l->txn_is_open = true;
    acknowledge(l);
    if (!done(l, env_append_marker(&l->env, TXN_PRODUCER, l->txn, commit), f)) {
        return false;
    }
    l->txn_is_open = false;
    l->txn++;
    acknowledge(l);
    return true;
}

// One step of a life; true when it was done.
static bool live_step(struct life *l, int i, const struct fault *f)
{
    struct log *log = l->env.log;
    int32_t deleted;
    switch (i % 9) {
    case 2:
        return done(l, log_flush(log), f);
    case 3:
        return transact(l, f, i % 2 == 0);
    case 5:
        return done(l, log_dir_checkpoint(l->env.dir), f);
    case 6:
        if (done(l, log_begin_epoch(log, l->epoch + 1), f)) {
            l->epoch++;
            return true;
        }
        return false;
    case 7:
        if (l->start + 2 > l->acked) {
            return true;
        }
        l->start += 2; // also when it fails: who asks for it does not want them any more
        if (!done(l, log_advance_start(log, l->start), f)) {
            return false;
        }
        return done(l, log_retain(log, l->env.os.now_wall_ms, &deleted), f);
    default:
        if (!done(l, env_append(&l->env), f)) {
            return false;
        }
        acknowledge(l);
        return true;
    }
}

#define LIFE_STEPS 27

static void life_start(struct life *l)
{
    *l = (struct life){.env = {.path = NULL}}; // its batches carry epoch 0
    env_start(&l->env);
    l->env.config.segment_bytes = 1000;
    log_set_config(l->env.log, &l->env.config);
}

static void fault_begin(struct life *l, const struct fault *f, int n)
{
    l->env.os.fail_errno = f->errnum;
    l->env.os.fail_from[f->op] = l->env.os.calls[f->op] + n;
    l->env.os.io_max_bytes = f->io_max_bytes;
}

static void fault_end(struct life *l, const struct fault *f)
{
    l->env.os.fail_from[f->op] = 0;
    l->env.os.io_max_bytes = 0;
}

// All that was acknowledged can be read, and what can be read is right. `from`: where records begin that must be there.
static void check_readable(struct life *l, int64_t from)
{
    assert_true(log_end_offset(l->env.log) >= l->acked);
    assert_true(log_start_offset(l->env.log) <= l->start);
    env_read_all(&l->env, from);
}

// Opened again after a kill, the log has everything and works.
static void check_after_kill(struct life *l)
{
    env_crash(&l->env);
    check_readable(l, l->start);
    assert_true(log_latest_epoch(l->env.log) <= l->epoch);
    assert_int_equal(env_append(&l->env), ERR_OK);
    env_read_all(&l->env, l->start);
}

// A failed log: no change is taken, until it is opened again. What is safe is read.
static void check_failed(struct life *l, const struct fault *f)
{
    int32_t deleted;
    int64_t end = log_end_offset(l->env.log);
    int64_t safe = atomic_load(&l->env.log->safe_end);
    assert_true(safe == INT64_MAX || safe == log_recovery_point(l->env.log));
    assert_int_equal(env_append(&l->env), ERR_FAILED);
    assert_int_equal(log_flush(l->env.log), ERR_FAILED);
    assert_int_equal(log_truncate(l->env.log, 0), ERR_FAILED);
    assert_int_equal(log_retain(l->env.log, l->env.os.now_wall_ms, &deleted), ERR_FAILED);
    fault_end(l, f);
    for (int64_t offset = log_start_offset(l->env.log); offset <= end; offset++) {
        struct log_read r = {.offset = offset, .max_offset = INT64_MAX, .max_bytes = 1 << 20};
        enum err err = log_read(l->env.log, &r);
        assert_int_equal(err, offset < safe && offset < end ? ERR_OK : ERR_FAILED);
        if (!err) {
            log_file_unref(r.file);
        }
    }
}

// Only a new name needs room.
static int open_full(const struct os *os, const char *path, int flags, mode_t mode)
{
    struct stat st;
    struct test_os plain;
    test_os_init(&plain);
    bool makes = (flags & O_CREAT) && stat(path, &st) != 0;
    return makes ? plain.os.open(os, path, flags, mode) : os_real()->open(os_real(), path, flags, mode);
}

// Runs a life whose n-th call fails, and all later ones. Answers whether any did.
static bool run_failing(const struct fault *f, int n)
{
    struct life l;
    life_start(&l);
    fault_begin(&l, f, n);
    for (int i = 0; i < LIFE_STEPS && !l.hit; i++) {
        live_step(&l, i, f);
    }
    if (log_failed(l.env.log)) {
        check_failed(&l, f);
        assert_int_equal(log_close(l.env.log), ERR_FAILED);
        log_dir_close(l.env.dir, true);
        l.env.log = NULL;
        fault_end(&l, f);
        env_open(&l.env);
        assert_false(log_dir_was_clean(l.env.dir));
    }
    fault_end(&l, f);
    check_after_kill(&l);
    env_stop(&l.env);
    return l.hit;
}

// The n-th call and all later ones find the disk full, until there is room again: then the life goes on.
static bool run_full(const struct fault *f, int n)
{
    struct life l;
    life_start(&l);
    l.env.os.os.open = open_full;
    fault_begin(&l, f, n);
    for (int i = 0; i < LIFE_STEPS; i++) {
        bool ok = live_step(&l, i, f);
        assert_false(log_failed(l.env.log));
        check_readable(&l, log_start_offset(l.env.log));
        if (!ok && i % 2 == 0) {
            l.env.os.now_mono_us += INT64_C(61) * 1000 * 1000;
            log_dir_probe_space(l.env.dir); // finds no room
        }
    }
    fault_end(&l, f);
    l.env.os.now_mono_us += INT64_C(61) * 1000 * 1000;
    log_dir_probe_space(l.env.dir);
    assert_false(log_dir_is_full(l.env.dir));
    assert_int_equal(log_begin_epoch(l.env.log, ++l.epoch), ERR_OK);
    for (int i = 0; i < 9; i++) {
        assert_true(live_step(&l, i, f));
    }
    assert_int_equal(log_latest_epoch(l.env.log), l.epoch);
    check_readable(&l, log_start_offset(l.env.log));
    check_after_kill(&l);
    env_stop(&l.env);
    return l.hit;
}

// Enough points to meet every place, and fewer the farther they are.
static void each_point(const struct fault *f, bool (*run)(const struct fault *f, int n), int least)
{
    int n = 1;
    int hits = 0;
    while (n < 1000 && run(f, n)) {
        hits++;
        n += 1 + n / 3;
    }
    assert_true(n < 1000 && hits >= least); // the last one was behind the end
}

static void test_failing_writes(void **state)
{
    (void)state;
    each_point(&(struct fault){TEST_OS_PWRITEV, EIO, ERR_IO, 150}, run_failing, 7);
}

static void test_failing_fsyncs(void **state)
{
    (void)state;
    each_point(&(struct fault){TEST_OS_FSYNC, EIO, ERR_IO, 0}, run_failing, 7);
    each_point(&(struct fault){TEST_OS_FSYNC, ENOSPC, ERR_IO, 0}, run_failing, 7); // a failed fsync all the same
}

static void test_failing_names(void **state)
{
    (void)state;
    each_point(&(struct fault){TEST_OS_OPEN, EIO, ERR_IO, 0}, run_failing, 7);
    each_point(&(struct fault){TEST_OS_RENAME, EIO, ERR_IO, 0}, run_failing, 4);
    each_point(&(struct fault){TEST_OS_UNLINK, EIO, ERR_IO, 0}, run_failing, 1);
    each_point(&(struct fault){TEST_OS_FTRUNCATE, EIO, ERR_IO, 0}, run_failing, 1);
}

static void test_full_disk(void **state)
{
    (void)state;
    each_point(&(struct fault){TEST_OS_PWRITEV, ENOSPC, ERR_NO_SPACE, 0}, run_full, 7);
    each_point(&(struct fault){TEST_OS_PWRITEV, EDQUOT, ERR_NO_SPACE, 150}, run_full, 7);
    each_point(&(struct fault){TEST_OS_OPEN, ENOSPC, ERR_NO_SPACE, 0}, run_full, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_writes),
        cmocka_unit_test(test_failing_fsyncs),
        cmocka_unit_test(test_failing_names),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
