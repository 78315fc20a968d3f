// SPDX-License-Identifier: Apache-2.0
//
// The leader side of a partition: who may append and read, who is woken when, and what a failing disk does.
#include "broker/replica/tests/scene.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "base/assert.h"
#include "base/tests/cmocka_all.h"

static struct partition_read read_at(int64_t offset)
{
    return (struct partition_read){
        .current_leader_epoch = -1, .last_fetched_epoch = -1, .offset = offset, .max_bytes = 1 << 20, .min_one = true};
}

static void read_done(struct partition_read *r)
{
    if (r->read.file != NULL) {
        log_file_unref(r->read.file);
        r->read.file = NULL;
    }
}

static void test_append_and_fetch(void **state)
{
    (void)state;
    struct scene s;
    struct log_append a;
    struct partition_end ack;
    scene_open(&s, os_real(), INT64_MAX);
    assert_int_equal(scene_append(&s, 3, &a, &ack), ERR_OK);
    assert_int_equal(a.first_offset, 0);
    assert_int_equal(ack.offset, 3);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_OK);
    assert_int_equal(scene_append(&s, 2, &a, &ack), ERR_OK);
    assert_int_equal(a.first_offset, 3);
    struct partition_read r = read_at(4);
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    assert_int_equal(r.high_watermark, 5);
    assert_int_equal(r.last_stable_offset, 5);
    assert_int_equal(r.log_start_offset, 0);
    assert_non_null(r.read.file);
    assert_int_equal(r.read.len, a.len);
    read_done(&r);
    r = read_at(5);
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    assert_null(r.read.file);
    r = read_at(6);
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OUT_OF_RANGE);
    assert_int_equal(r.high_watermark, -1);
    scene_close(&s);
}

static void test_epochs_fence(void **state)
{
    (void)state;
    struct scene s;
    struct log_append a;
    struct partition_end ack;
    scene_open(&s, os_real(), INT64_MAX);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    struct partition_read r = read_at(0);
    r.current_leader_epoch = 4;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_FENCED_EPOCH);
    r.current_leader_epoch = -2; // only -1 is none
    assert_int_equal(partition_fetch(s.partition, &r), ERR_FENCED_EPOCH);
    r.current_leader_epoch = 6;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_UNKNOWN_EPOCH);
    r.current_leader_epoch = 5;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    read_done(&r);
    // KIP-595: the reader's epoch ended before its offset, or was never seen
    r = read_at(9);
    r.last_fetched_epoch = 5;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    assert_true(r.diverging);
    assert_int_equal(r.diverging_epoch, 5);
    assert_int_equal(r.diverging_end, 1);
    r = read_at(0);
    r.last_fetched_epoch = 7;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OUT_OF_RANGE);
    partition_unlead(s.partition);
    r = read_at(0);
    assert_int_equal(partition_fetch(s.partition, &r), ERR_NOT_LEADER);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_NOT_LEADER);
    scene_close(&s);
}

static void test_too_few_in_sync(void **state)
{
    (void)state;
    struct scene s;
    struct log_append a = {0};
    struct partition_end ack;
    uint8_t batch[SCENE_BATCH_MAX];
    scene_open(&s, os_real(), INT64_MAX);
    s.config.min_insync_replicas = 2;
    assert_int_equal(scene_lead(&s, 6, 1, 1), ERR_OK); // capped by the replica count: no obstacle
    a = (struct log_append){.data = batch, .len = scene_batch(batch, 1), .origin = LOG_FROM_CLIENT};
    assert_int_equal(partition_append(s.partition, -1, &a, &s.arena, &ack), ERR_OK);
    assert_int_equal(scene_lead(&s, 7, 3, 1), ERR_OK);
    a = (struct log_append){.data = batch, .len = scene_batch(batch, 1), .origin = LOG_FROM_CLIENT};
    assert_int_equal(partition_append(s.partition, -1, &a, &s.arena, &ack), ERR_NOT_ENOUGH_REPLICAS);
    assert_int_equal(partition_append(s.partition, 1, &a, &s.arena, &ack), ERR_OK);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_AGAIN); // the watermark stands
    scene_close(&s);
}

static void test_append_wakes_at_the_byte(void **state)
{
    (void)state;
    struct scene s;
    struct log_append a;
    struct scene_wait one, two;
    struct wait_link link_one = {0}, link_two = {0};
    struct partition_end ack;
    uint8_t batch[SCENE_BATCH_MAX];
    scene_open(&s, os_real(), INT64_MAX);
    scene_wait_init(&s, &one);
    scene_wait_init(&s, &two);
    int64_t bytes = (int64_t)scene_batch(batch, 1);
    struct partition_read r = read_at(0);
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    wait_arm(&one.wait, bytes);
    wait_arm(&two.wait, bytes + 1);
    assert_int_equal(partition_wait_bytes(s.partition, &r, &link_one, &one.wait), ERR_OK);
    assert_int_equal(partition_wait_bytes(s.partition, &r, &link_two, &two.wait), ERR_OK);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    sem_wait(&one.woken);
    assert_false(scene_wait_woken(&two));
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    sem_wait(&two.woken);
    assert_false(scene_wait_woken(&one)); // woken once per arming
    partition_unlink(s.partition, &link_one);
    partition_unlink(s.partition, &link_two);
    // the bound has moved since the read: read again instead of waiting
    assert_int_equal(partition_wait_bytes(s.partition, &r, &link_one, &one.wait), ERR_AGAIN);
    scene_wait_release(&one);
    scene_wait_release(&two);
    scene_close(&s);
}

static void test_end_wakes_everybody(void **state)
{
    (void)state;
    struct scene s;
    struct scene_wait w;
    struct wait_link link = {0};
    scene_open(&s, os_real(), INT64_MAX);
    scene_wait_init(&s, &w);
    struct partition_read r = read_at(0);
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    wait_arm(&w.wait, 1 << 30);
    assert_int_equal(partition_wait_bytes(s.partition, &r, &link, &w.wait), ERR_OK);
    partition_ref(s.partition);
    struct partition *kept = s.partition;
    assert_int_equal(partition_end(s.partition, true), ERR_OK);
    sem_wait(&w.woken);
    partition_unlink(kept, &link);
    assert_int_equal(partition_fetch(kept, &r), ERR_NOT_LEADER);
    struct partition_offset o = {.current_leader_epoch = -1, .timestamp = -1};
    assert_int_equal(partition_offset_for(kept, &o), ERR_NOT_LEADER);
    partition_unref(kept);
    scene_close_ended(&s);
    scene_wait_release(&w);
}

static void test_flush_is_waited_for(void **state)
{
    (void)state;
    struct scene s;
    struct log_append a;
    struct scene_wait w;
    struct wait_link link = {0};
    struct partition_end ack;
    scene_open(&s, os_real(), 1);
    scene_wait_init(&s, &w);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
        assert_true(a.flush_due);
        wait_arm(&w.wait, 1);
        enum err err = partition_ack(s.partition, &ack, true, &link, &w.wait);
        if (err == ERR_AGAIN) {
            sem_wait(&w.woken);
        } else {
            assert_int_equal(err, ERR_OK);
        }
        partition_unlink(s.partition, &link);
        assert_int_equal(partition_ack(s.partition, &ack, true, NULL, NULL), ERR_OK);
        struct partition_read r = read_at(ack.offset - 1);
        assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
        assert_int_equal(r.high_watermark, ack.offset);
        read_done(&r);
    }
    scene_wait_release(&w);
    scene_close(&s);
}

// flush.ms: what was written is fsynced once so long has passed since the last time.
static void test_flush_by_time(void **state)
{
    (void)state;
    struct scene s;
    struct log_append a;
    struct partition_end ack;
    scene_open(&s, os_real(), INT64_MAX);
    struct topic_config config = s.config;
    config.flush_ms = 1000;
    partition_configure(s.partition, &config, &s.log_config);
    partition_flush_if_due(s.partition, 5000); // nothing to do: the time counts from here
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    assert_int_equal(partition_ack(s.partition, &ack, true, NULL, NULL), ERR_AGAIN);
    partition_flush_if_due(s.partition, 5999);
    assert_int_equal(partition_ack(s.partition, &ack, true, NULL, NULL), ERR_AGAIN);
    partition_flush_if_due(s.partition, 6000);
    while (partition_ack(s.partition, &ack, true, NULL, NULL) == ERR_AGAIN) {
        sched_yield();
    }
    assert_int_equal(partition_ack(s.partition, &ack, true, NULL, NULL), ERR_OK);
    config.flush_ms = INT64_MAX; // taken back while the broker runs
    partition_configure(s.partition, &config, &s.log_config);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    partition_flush_if_due(s.partition, INT64_MAX / 2);
    assert_int_equal(partition_ack(s.partition, &ack, true, NULL, NULL), ERR_AGAIN);
    scene_close(&s);
}

static void test_failed_fsync_ends_service(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct log_append a;
    struct scene_wait w;
    struct wait_link link = {0};
    struct partition_end ack;
    test_os_init(&os);
    scene_open(&s, &os.os, 1);
    scene_wait_init(&s, &w);
    os.fail_errno = EIO;
    os.fail_from[TEST_OS_FSYNC] = os.calls[TEST_OS_FSYNC] + 1;
    wait_arm(&w.wait, 1);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    enum err err = partition_ack(s.partition, &ack, true, &link, &w.wait);
    if (err == ERR_AGAIN) {
        sem_wait(&w.woken);
    }
    partition_unlink(s.partition, &link);
    assert_int_equal(partition_ack(s.partition, &ack, true, NULL, NULL), ERR_FAILED);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_FAILED);
    scene_wait_release(&w);
    scene_close(&s);
}

static enum err fetch_at(struct scene *s, int64_t offset)
{
    struct partition_read r = {.offset = offset,
                               .current_leader_epoch = -1,
                               .last_fetched_epoch = -1,
                               .isolation = PARTITION_READ_UNCOMMITTED,
                               .max_bytes = 1000};
    enum err err = partition_fetch(s->partition, &r);
    if (r.read.file != NULL) {
        assert_true(r.read.len > 0);
        log_file_unref(r.read.file);
    }
    return err;
}

static void test_failed_write_ends_service(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct log_append a;
    struct partition_end ack;
    test_os_init(&os);
    scene_open(&s, &os.os, INT64_MAX);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    os.fail_errno = EIO;
    os.fail_from[TEST_OS_PWRITEV] = os.calls[TEST_OS_PWRITEV] + 1;
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_FAILED);
    os.fail_from[TEST_OS_PWRITEV] = 0;
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_FAILED); // not before a restart with recovery
    // What was acknowledged is still read; who asks for more is told why there is none.
    assert_int_equal(fetch_at(&s, 0), ERR_OK);
    assert_int_equal(fetch_at(&s, 1), ERR_FAILED);
    scene_close(&s);
}

// A full disk is no failure: appends are refused until there is room.
static void test_full_disk_ends_by_itself(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct log_append a;
    struct partition_end ack;
    test_os_init(&os);
    scene_open(&s, &os.os, INT64_MAX);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    os.fail_errno = ENOSPC;
    os.fail_from[TEST_OS_PWRITEV] = os.calls[TEST_OS_PWRITEV] + 1;
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_NO_SPACE);
    os.fail_from[TEST_OS_PWRITEV] = 0;
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_NO_SPACE); // until somebody has looked
    assert_int_equal(fetch_at(&s, 0), ERR_OK);
    assert_int_equal(fetch_at(&s, 1), ERR_OK); // nothing yet
    os.now_mono_us += INT64_C(60) * 1000 * 1000;
    log_dir_probe_space(partition_directory(s.partition));
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    assert_int_equal(ack.offset, 2);
    scene_close(&s);
}

// Retention rolls the active segment, whose records are all too old.
static void test_retention_without_a_descriptor_waits(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct log_append a;
    struct partition_end ack;
    test_os_init(&os);
    scene_open(&s, &os.os, INT64_MAX);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    os.fail_errno = EMFILE;
    os.fail_from[TEST_OS_OPEN] = os.calls[TEST_OS_OPEN] + 1;
    partition_retain(s.partition, os_wall_ms(os_real()));
    os.fail_from[TEST_OS_OPEN] = 0;
    assert_int_equal(partition_log_start(s.partition), 0);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    partition_retain(s.partition, os_wall_ms(os_real()));
    assert_int_equal(partition_log_start(s.partition), 2);
    scene_close(&s);
}

static void test_offsets(void **state)
{
    (void)state;
    struct scene s;
    struct log_append a;
    struct partition_end ack;
    scene_open(&s, os_real(), INT64_MAX);
    assert_int_equal(scene_append(&s, 3, &a, &ack), ERR_OK);
    static const struct {
        int64_t timestamp;
        enum err err;
        int64_t offset;
        int64_t out_timestamp;
        int32_t epoch;
    } rows[] = {
        {-1, ERR_OK, 3, -1, 5},
        {-2, ERR_OK, 0, -1, 5},
        {-3, ERR_OK, 0, 1700000000000, 5},
        {-4, ERR_OK, 0, -1, 5},
        {-5, ERR_OK, -1, -1, -1},
        {-6, ERR_UNSUPPORTED, -1, -1, -1},
        {0, ERR_OK, 0, 1700000000000, 5},
        {1700000000001, ERR_OK, -1, -1, -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct partition_offset o = {.current_leader_epoch = -1, .timestamp = rows[i].timestamp};
        assert_int_equal(partition_offset_for(s.partition, &o), rows[i].err);
        assert_int_equal(o.out_offset, rows[i].offset);
        assert_int_equal(o.out_timestamp, rows[i].out_timestamp);
        assert_int_equal(o.out_leader_epoch, rows[i].epoch);
    }
    int64_t *offsets;
    int32_t count;
    assert_int_equal(partition_offsets_before(s.partition, -1, 10, &s.arena, &offsets, &count), ERR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(offsets[0], 3);
    assert_int_equal(offsets[1], 0);
    scene_close(&s);
}

// ---------------------------------------------------------------------------------------------------------------
// Group commit: a disk whose fsync can be held up

struct slow_disk {
    struct os os;  // first
    sem_t entered; // a held fsync has begun
    sem_t release; // lets one go on
    atomic_bool hold;
    atomic_int fsyncs;
};

static int slow_fsync(const struct os *os, int fd)
{
    struct slow_disk *d = (struct slow_disk *)(uintptr_t)os;
    atomic_fetch_add(&d->fsyncs, 1);
    if (atomic_load(&d->hold)) {
        sem_post(&d->entered);
        sem_wait(&d->release);
    }
    return os_real()->fsync(os_real(), fd);
}

static void slow_disk_init(struct slow_disk *d)
{
    *d = (struct slow_disk){.os = *os_real()};
    d->os.fsync = slow_fsync;
    sem_init(&d->entered, 0, 0);
    sem_init(&d->release, 0, 0);
}

static void append_acked(struct scene *s)
{
    struct log_append a;
    struct scene_wait w;
    struct wait_link link = {0};
    struct partition_end ack;
    scene_wait_init(s, &w);
    wait_arm(&w.wait, 1);
    assert_int_equal(scene_append(s, 1, &a, &ack), ERR_OK);
    if (partition_ack(s->partition, &ack, a.flush_due, &link, &w.wait) == ERR_AGAIN) {
        sem_wait(&w.woken);
    }
    partition_unlink(s->partition, &link);
    assert_int_equal(partition_ack(s->partition, &ack, a.flush_due, NULL, NULL), ERR_OK);
    scene_wait_release(&w);
}

static void test_appends_share_an_fsync(void **state)
{
    (void)state;
    struct slow_disk disk;
    struct scene s;
    struct log_append a;
    struct scene_wait w;
    struct wait_link links[10] = {{.threshold = 0}};
    struct partition_end ack;
    slow_disk_init(&disk);
    scene_open(&s, &disk.os, 1);
    append_acked(&s); // the fsyncs of a new folder are over
    scene_wait_init(&s, &w);
    atomic_store(&disk.hold, true);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    sem_wait(&disk.entered);
    int before = atomic_load(&disk.fsyncs);
    wait_arm(&w.wait, 10);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
        assert_int_equal(partition_ack(s.partition, &ack, true, &links[i], &w.wait), ERR_AGAIN);
    }
    // Nothing of it may be read before it is on the disk, nor be acknowledged to acks=all.
    struct partition_read r = read_at(1);
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    assert_int_equal(r.high_watermark, 1);
    assert_null(r.read.file);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_AGAIN);
    atomic_store(&disk.hold, false);
    sem_post(&disk.release);
    sem_wait(&w.woken);
    assert_int_equal(atomic_load(&disk.fsyncs), before + 1); // one for all ten
    r = read_at(1);
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    assert_int_equal(r.high_watermark, 12);
    read_done(&r);
    for (int i = 0; i < 10; i++) {
        partition_unlink(s.partition, &links[i]);
    }
    scene_wait_release(&w);
    scene_close(&s);
}

static void test_fetch_waits_for_the_fsync(void **state)
{
    (void)state;
    struct slow_disk disk;
    struct scene s;
    struct log_append a;
    struct scene_wait w;
    struct wait_link link = {0};
    struct partition_end ack;
    slow_disk_init(&disk);
    scene_open(&s, &disk.os, 1);
    append_acked(&s);
    scene_wait_init(&s, &w);
    struct partition_read r = read_at(1);
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    wait_arm(&w.wait, 1);
    assert_int_equal(partition_wait_bytes(s.partition, &r, &link, &w.wait), ERR_OK);
    atomic_store(&disk.hold, true);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    sem_wait(&disk.entered);
    assert_false(scene_wait_woken(&w));
    atomic_store(&disk.hold, false);
    sem_post(&disk.release);
    sem_wait(&w.woken);
    partition_unlink(s.partition, &link);
    scene_wait_release(&w);
    scene_close(&s);
}

#define APPENDERS    6
#define APPENDS_EACH 40
#define READ_ROUNDS  400

// These run on threads of their own, where cmocka cannot end a test: ASSERT ends the process.
static void *appender_run(void *ctx)
{
    struct scene *s = ctx;
    struct arena a;
    arena_init(&a, 1 << 20);
    for (int i = 0; i < APPENDS_EACH; i++) {
        uint8_t batch[SCENE_BATCH_MAX];
        struct log_append append = {.data = batch, .origin = LOG_FROM_CLIENT};
        struct scene_wait w;
        struct wait_link link = {0};
        struct partition_end ack;
        append.len = scene_batch(batch, 1);
        scene_wait_init(s, &w);
        wait_arm(&w.wait, 1);
        ASSERT(partition_append(s->partition, -1, &append, &a, &ack) == ERR_OK);
        if (partition_ack(s->partition, &ack, append.flush_due, &link, &w.wait) == ERR_AGAIN) {
            sem_wait(&w.woken);
        }
        partition_unlink(s->partition, &link);
        ASSERT(partition_ack(s->partition, &ack, append.flush_due, NULL, NULL) == ERR_OK);
        scene_wait_release(&w);
    }
    arena_release(&a);
    return NULL;
}

static void *reader_run(void *ctx)
{
    struct scene *s = ctx;
    int64_t last = 0;
    for (int i = 0; i < READ_ROUNDS; i++) {
        struct partition_read r = read_at(0);
        ASSERT(partition_fetch(s->partition, &r) == ERR_OK);
        ASSERT(r.high_watermark >= last);
        last = r.high_watermark;
        read_done(&r);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    struct scene s;
    pthread_t threads[APPENDERS + 2];
    scene_open(&s, os_real(), 1);
    for (int i = 0; i < APPENDERS + 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, i < APPENDERS ? appender_run : reader_run, &s), 0);
    }
    for (int i = 0; i < APPENDERS + 2; i++) {
        pthread_join(threads[i], NULL);
    }
    struct partition_read r = read_at(0);
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    assert_int_equal(r.high_watermark, APPENDERS * APPENDS_EACH);
    read_done(&r);
    scene_close(&s);
}

// What one read has no room for does not count towards its min.bytes.
static void test_counted_bytes_are_bounded(void **state)
{
    (void)state;
    struct scene s;
    struct log_append a;
    struct scene_wait w;
    struct wait_link link = {0};
    struct partition_end ack;
    scene_open(&s, os_real(), INT64_MAX);
    scene_wait_init(&s, &w);
    struct partition_read r = read_at(0);
    r.max_bytes = 100;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    wait_arm(&w.wait, 101);
    assert_int_equal(partition_wait_bytes(s.partition, &r, &link, &w.wait), ERR_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(scene_append(&s, 5, &a, &ack), ERR_OK);
    }
    assert_false(scene_wait_woken(&w));
    partition_unlead(s.partition); // counts for more than anything
    sem_wait(&w.woken);
    partition_unlink(s.partition, &link);
    scene_wait_release(&w);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_fetch),
        cmocka_unit_test(test_epochs_fence),
        cmocka_unit_test(test_too_few_in_sync),
        cmocka_unit_test(test_append_wakes_at_the_byte),
        cmocka_unit_test(test_end_wakes_everybody),
        cmocka_unit_test(test_flush_is_waited_for),
        cmocka_unit_test(test_flush_by_time),
        cmocka_unit_test(test_failed_fsync_ends_service),
        cmocka_unit_test(test_failed_write_ends_service),
        cmocka_unit_test(test_full_disk_ends_by_itself),
        cmocka_unit_test(test_retention_without_a_descriptor_waits),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_appends_share_an_fsync),
        cmocka_unit_test(test_fetch_waits_for_the_fsync),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_counted_bytes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
