// SPDX-License-Identifier: Apache-2.0
//
// A log used from many threads at once, as the broker does it: one appends, rolls, deletes old segments and truncates,
// others read the tail, read everything, look up times, flush and write checkpoints. What a reader gets is always whole
// batches with right sums. Meant for the thread sanitizer, too.
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/log_env.h"

#define BATCHES 3000

struct shared {
    struct os os;
    struct log_dir *dir;
    struct log *log;
    atomic_bool stop;
    atomic_bool failed;
    _Atomic int64_t records; // that readers have seen
};

// cmocka's asserts work on the main thread only.
static void expect(struct shared *s, bool ok, const char *what)
{
    if (!ok && !atomic_exchange(&s->failed, true)) {
        fprintf(stderr, "%s\n", what);
        atomic_store(&s->stop, true);
    }
}

// Reads at offset and checks what comes. Answers the offset to go on with. `may_change`: the bytes may be cut while
// they are read.
static int64_t read_and_check(struct shared *s, int64_t offset, bool may_change)
{
    struct log_read r = {.offset = offset, .max_offset = log_end_offset(s->log), .max_bytes = 3000, .min_one = true};
    enum err err = log_read(s->log, &r);
    if (err == ERR_OUT_OF_RANGE) {
        return log_start_offset(s->log);
    }
    expect(s, err == ERR_OK, "log_read");
    if (err || r.file == NULL) {
        return offset;
    }
    uint8_t *data = malloc(r.len);
    err = data == NULL ? ERR_NO_MEMORY : os_pread_full(os_real(), log_file_fd(r.file), data, r.len, r.position);
    expect(s, err == ERR_OK || (may_change && err == ERR_TRUNCATED), "pread");
    size_t at = 0;
    struct batch b;
    while (!err && !may_change && scan_header(data + at, r.len - at, &b) == ERR_OK && batch_size(&b) <= r.len - at) {
        expect(s, batch_crc_ok(data + at, &b), "checksum");
        expect(s, b.base_offset <= offset && batch_last_offset(&b) >= offset, "offset");
        offset = batch_last_offset(&b) + 1;
        at += batch_size(&b);
        atomic_fetch_add(&s->records, b.count);
    }
    expect(s, at > 0 || may_change, "nothing whole");
    free(data);
    log_file_unref(r.file);
    return may_change ? offset + 1 : offset;
}

static void *read_all_again(void *arg)
{
    struct shared *s = arg;
    int64_t offset = 0;
    while (!atomic_load(&s->stop)) {
        offset = offset < log_end_offset(s->log) ? read_and_check(s, offset, false) : log_start_offset(s->log);
    }
    return NULL;
}

static void *read_tail(void *arg)
{
    struct shared *s = arg;
    int64_t offset = log_end_offset(s->log);
    while (!atomic_load(&s->stop)) {
        if (offset >= log_end_offset(s->log)) {
            sched_yield();
        } else {
            offset = read_and_check(s, offset, false);
        }
    }
    return NULL;
}

static void *read_truncated(void *arg)
{
    struct shared *s = arg;
    int64_t offset = 0;
    while (!atomic_load(&s->stop)) {
        offset = offset < log_end_offset(s->log) ? read_and_check(s, offset, true) : log_start_offset(s->log);
    }
    return NULL;
}

static void *look_up_times(void *arg)
{
    struct shared *s = arg;
    for (int64_t i = 0; !atomic_load(&s->stop); i++) {
        int64_t end = log_end_offset(s->log);
        int64_t offset;
        int64_t timestamp;
        int32_t epoch;
        enum err err = log_offset_by_time(s->log, ENV_TIME_MS + i % BATCHES * 1000, end, &offset, &timestamp, &epoch);
        expect(s, err == ERR_OK && offset < end, "lookup by time");
        err = log_offset_of_max_time(s->log, end, &offset, &timestamp, &epoch);
        expect(s, err == ERR_OK && offset < end, "lookup of the newest");
    }
    return NULL;
}

static void *flush_again(void *arg)
{
    struct shared *s = arg;
    while (!atomic_load(&s->stop)) {
        int64_t end = log_end_offset(s->log);
        expect(s, log_flush(s->log) == ERR_OK, "flush");
        expect(s, log_recovery_point(s->log) >= end, "recovery point");
    }
    return NULL;
}

// With truncation the recovery point may fall again at once.
static void *flush_while_truncated(void *arg)
{
    struct shared *s = arg;
    while (!atomic_load(&s->stop)) {
        expect(s, log_flush(s->log) == ERR_OK, "flush");
    }
    return NULL;
}

static void *do_housekeeping(void *arg)
{
    struct shared *s = arg;
    while (!atomic_load(&s->stop)) {
        log_set_high_watermark(s->log, log_end_offset(s->log));
        expect(s, log_dir_checkpoint(s->dir) == ERR_OK, "checkpoint");
        log_dir_sweep(s->dir, INT64_MAX);
        expect(s, log_size_bytes(s->log) >= 0 && !log_failed(s->log), "accessors");
    }
    return NULL;
}

static int no_fsync(const struct os *os, int fd)
{
    (void)os;
    (void)fd;
    return 0;
}

typedef void *thread_fn(void *arg);

static void start_all(struct shared *s, struct env *e, thread_fn *const *fns, pthread_t *threads, size_t n)
{
    // The os of the environment counts calls without a lock, so another one is used here.
    s->os = *os_real();
    s->os.fsync = no_fsync;
    env_start(e);
    env_close(e);
    assert_int_equal(log_dir_open(&s->os, e->path, &e->dir), ERR_OK);
    assert_int_equal(log_open(e->dir, ENV_TOPIC, 0, &e->config, &e->log), ERR_OK);
    s->dir = e->dir;
    s->log = e->log;
    env_append_many(e, 10);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, fns[i], s), 0);
    }
}

static void stop_all(struct shared *s, struct env *e, pthread_t *threads, size_t n)
{
    atomic_store(&s->stop, true);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_false(atomic_load(&s->failed));
    assert_int_equal(env_read_all(e, log_start_offset(e->log)), log_end_offset(e->log) - log_start_offset(e->log));
    env_close(e);
    env_stop(e);
}

static void test_append_and_retain(void **state)
{
    (void)state;
    static thread_fn *const fns[] = {read_all_again, read_tail, look_up_times, flush_again, do_housekeeping};
    enum {
        N = sizeof fns / sizeof fns[0],
    };
    struct shared s = {.log = NULL};
    struct env e;
    pthread_t threads[N];
    start_all(&s, &e, fns, threads, N);
    e.config.retention_bytes = 20000;
    e.config.retention_ms = -1;
    log_set_config(e.log, &e.config);
    int32_t deleted_in_all = 0;
    for (int i = 0; i < BATCHES && !atomic_load(&s.stop); i++) {
        int32_t deleted = 0;
        assert_int_equal(env_append(&e), ERR_OK);
        if (i % 50 == 0) {
            log_set_high_watermark(e.log, log_end_offset(e.log));
            assert_int_equal(log_retain(e.log, ENV_TIME_MS, &deleted), ERR_OK);
        }
        deleted_in_all += deleted;
    }
    stop_all(&s, &e, threads, N);
    assert_true(deleted_in_all > 10);
    assert_true(atomic_load(&s.records) > 0);
}

static void test_append_and_truncate(void **state)
{
    (void)state;
    static thread_fn *const fns[] = {read_truncated, flush_while_truncated, do_housekeeping};
    enum {
        N = sizeof fns / sizeof fns[0],
    };
    struct shared s = {.log = NULL};
    struct env e;
    pthread_t threads[N];
    start_all(&s, &e, fns, threads, N);
    for (int i = 0; i < BATCHES / 3 && !atomic_load(&s.stop); i++) {
        assert_int_equal(env_append(&e), ERR_OK);
        if (i % 20 == 19) {
            int64_t cut = log_end_offset(e.log) - 10 * ENV_RECORDS;
            assert_int_equal(log_truncate(e.log, cut), ERR_OK);
            assert_int_equal(log_end_offset(e.log), cut);
        }
    }
    stop_all(&s, &e, threads, N);
}

// Logs come, are opened again and go while the checkpoints of their directory are written.
static void test_logs_come_and_go(void **state)
{
    (void)state;
    static thread_fn *const fns[] = {do_housekeeping};
    struct shared s = {.log = NULL};
    struct env e;
    pthread_t thread;
    start_all(&s, &e, fns, &thread, 1);
    const struct uuid id = {.b = {1}};
    for (int i = 0; i < 100 && !atomic_load(&s.stop); i++) {
        struct log *other;
        assert_int_equal(log_create(e.dir, "other", i % 3, &id, &e.config, &other), ERR_OK);
        assert_int_equal(log_dir_checkpointed_high_watermark(e.dir, "other", i % 3) > 0, false);
        assert_int_equal(log_close(other), ERR_OK);
        assert_int_equal(log_open(e.dir, "other", i % 3, &e.config, &other), ERR_OK);
        assert_int_equal(log_high_watermark(other), 0);
        assert_int_equal(log_delete(other, 0), ERR_OK);
    }
    stop_all(&s, &e, &thread, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_retain),
        cmocka_unit_test(test_append_and_truncate),
        cmocka_unit_test(test_logs_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
