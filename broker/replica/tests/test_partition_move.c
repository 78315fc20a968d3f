// SPDX-License-Identifier: Apache-2.0
//
// Moving a partition to another log directory, step by step: what is copied, what a reader sees, giving up, and what
// the copy makes of a log that has changed under it.
#include "base/tests/cmocka_all.h"
#include "broker/replica/tests/scene.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct move_scene {
    struct scene scene;
    char *path;
    struct log_dir *other;
};

static void open_scene(struct move_scene *s)
{
    scene_open(&s->scene, os_real(), INT64_MAX);
    s->path = test_dir_new();
    assert_int_equal(log_dir_open(os_real(), s->path, &s->other), ERR_OK);
}

static void close_scene(struct move_scene *s)
{
    enum err err = partition_end(s->scene.partition, false);
    assert_int_equal(err, ERR_OK);
    log_dir_close(s->other, true);
    test_dir_remove(s->path);
    scene_close_ended(&s->scene);
}

static void append(struct move_scene *s, int32_t records)
{
    struct log_append a;
    struct partition_end end;
    assert_int_equal(scene_append(&s->scene, records, &a, &end), ERR_OK);
}

static enum move_step run(struct move_scene *s)
{
    enum move_step step;
    while ((step = partition_move_step(s->scene.partition)) == MOVE_MORE) {
    }
    return step;
}

static struct partition_read read_at(struct move_scene *s, int64_t offset)
{
    struct partition_read r = {
        .offset = offset, .current_leader_epoch = -1, .last_fetched_epoch = -1, .max_bytes = 1 << 20, .min_one = true};
    assert_int_equal(partition_fetch(s->scene.partition, &r), ERR_OK);
    return r;
}

static int64_t high_watermark(struct move_scene *s)
{
    struct partition_read r = read_at(s, 0);
    log_file_unref(r.read.file);
    return r.high_watermark;
}

// How many folders of a directory have this in their names.
static int folders_with(const char *path, const char *part)
{
    int n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        n += strstr(e->d_name, part) != NULL;
    }
    closedir(d);
    return n;
}

static void test_copies_and_swaps(void **state)
{
    (void)state;
    struct move_scene s;
    struct log_dir *dir;
    int64_t bytes, lag;
    open_scene(&s);
    struct partition *p = s.scene.partition;
    append(&s, 5);
    append(&s, 7);
    struct partition_read before = read_at(&s, 5);
    assert_false(partition_move_claim(p)); // there is none
    assert_int_equal(partition_move_begin(p, s.other), ERR_OK);
    assert_true(partition_future(p, &dir, &bytes, &lag));
    assert_ptr_equal(dir, s.other);
    assert_int_equal(bytes, 0);
    assert_int_equal(lag, 12);
    assert_int_equal(folders_with(s.path, "-future"), 1);
    assert_true(partition_move_claim(p));
    assert_false(partition_move_claim(p)); // somebody works on it
    assert_int_equal(partition_move_step(p), MOVE_MORE);
    assert_true(partition_future(p, &dir, &bytes, &lag));
    assert_int_equal(lag, 0);
    assert_true(bytes > 61);
    append(&s, 3); // it goes on serving
    assert_int_equal(run(&s), MOVE_ENDED);
    assert_false(partition_future(p, &dir, &bytes, &lag));
    assert_ptr_equal(partition_directory(p), s.other);
    assert_int_equal(folders_with(s.path, "-future"), 0);
    assert_int_equal(folders_with(s.path, "t-0"), 1);
    assert_int_equal(folders_with(s.scene.dir, "-delete"), 1);
    struct partition_read after = read_at(&s, 5);
    assert_int_equal(after.high_watermark, 15);
    assert_int_equal(after.read.position, before.read.position);
    log_file_unref(before.read.file); // who reads the old file goes on
    log_file_unref(after.read.file);
    assert_int_equal(partition_leader_epoch(p), 5);
    append(&s, 1);
    assert_int_equal(high_watermark(&s), 16);
    close_scene(&s);
}

// As it is asked for again: nothing; to where it is: given up; elsewhere: given up and begun.
static void test_asked_again(void **state)
{
    (void)state;
    struct move_scene s;
    struct log_dir *dir;
    int64_t bytes, lag;
    open_scene(&s);
    struct partition *p = s.scene.partition;
    append(&s, 5);
    assert_int_equal(partition_move_begin(p, s.other), ERR_OK);
    assert_int_equal(partition_move_begin(p, s.other), ERR_OK);
    assert_int_equal(folders_with(s.path, "-future"), 1);
    assert_int_equal(partition_move_begin(p, s.scene.log_dir), ERR_OK);
    assert_false(partition_future(p, &dir, &bytes, &lag));
    assert_int_equal(folders_with(s.path, "-future"), 0);
    assert_int_equal(folders_with(s.path, "-delete"), 1);
    assert_int_equal(partition_move_step(p), MOVE_ENDED);
    assert_ptr_equal(partition_directory(p), s.scene.log_dir);
    assert_int_equal(partition_move_begin(p, s.other), ERR_OK);
    assert_int_equal(run(&s), MOVE_ENDED);
    assert_int_equal(partition_move_begin(p, s.scene.log_dir), ERR_OK); // and back again
    assert_int_equal(run(&s), MOVE_ENDED);
    assert_ptr_equal(partition_directory(p), s.scene.log_dir);
    assert_int_equal(high_watermark(&s), 5);
    close_scene(&s);
}

// The log begins behind what the copy has: the copy begins anew there.
static void test_the_log_loses_its_beginning(void **state)
{
    (void)state;
    struct move_scene s;
    int64_t low, first = 33, second = 57;
    open_scene(&s);
    struct partition *p = s.scene.partition;
    for (int i = 0; i < 20; i++) {
        append(&s, 5);
    }
    assert_int_equal(partition_delete_records(p, &first, &low), ERR_OK);
    assert_int_equal(low, 33);
    assert_int_equal(partition_move_begin(p, s.other), ERR_OK);
    assert_int_equal(partition_move_step(p), MOVE_MORE);
    assert_int_equal(partition_delete_records(p, &second, &low), ERR_OK);
    assert_int_equal(low, 33); // so far has the copy come
    struct scene_wait w;
    struct wait_link link = {0};
    scene_wait_init(&s.scene, &w);
    wait_arm(&w.wait, 1);
    assert_int_equal(partition_deleted(p, second, &low, &link, &w.wait), ERR_AGAIN);
    assert_int_equal(run(&s), MOVE_ENDED);
    sem_wait(&w.woken);
    assert_int_equal(partition_deleted(p, second, &low, NULL, NULL), ERR_OK);
    assert_int_equal(low, 57);
    scene_wait_release(&w);
    assert_int_equal(partition_log_start(p), 57);
    assert_int_equal(partition_log_end(p), 100);
    struct partition_read r = {.offset = 56, .current_leader_epoch = -1, .last_fetched_epoch = -1, .max_bytes = 100};
    assert_int_equal(partition_fetch(p, &r), ERR_OUT_OF_RANGE);
    r = read_at(&s, 57);
    assert_true(r.read.len > 0);
    log_file_unref(r.read.file);
    close_scene(&s);
}

static void test_a_directory_fails(void **state)
{
    (void)state;
    struct move_scene s;
    struct log_dir *dir;
    int64_t bytes, lag;
    open_scene(&s);
    struct partition *p = s.scene.partition;
    append(&s, 5);
    assert_int_equal(partition_move_begin(p, s.other), ERR_OK);
    log_dir_fail(s.other, ERR_IO, "x", "writing");
    assert_int_equal(run(&s), MOVE_ENDED);
    assert_true(partition_future(p, &dir, &bytes, &lag));
    partition_move_drop(p, s.scene.log_dir); // not in this one
    assert_true(partition_future(p, &dir, &bytes, &lag));
    partition_move_drop(p, s.other);
    assert_false(partition_future(p, &dir, &bytes, &lag));
    append(&s, 5); // the log itself is as it was
    log_dir_fail(s.scene.log_dir, ERR_IO, "x", "writing");
    assert_int_equal(partition_move_begin(p, s.other), ERR_FAILED);
    assert_int_equal(partition_end(p, false), ERR_FAILED);
    log_dir_close(s.other, true);
    test_dir_remove(s.path);
    scene_close_ended(&s.scene);
}

struct busy {
    struct move_scene *s;
    int appended;
};

static void *append_all_the_time(void *arg)
{
    struct busy *b = arg;
    for (; b->appended < 500; b->appended++) {
        append(b->s, 1);
        struct partition_read r = read_at(b->s, b->appended);
        log_file_unref(r.read.file);
    }
    return NULL;
}

// Back and forth while somebody produces and reads.
static void test_under_load(void **state)
{
    (void)state;
    struct move_scene s;
    pthread_t thread;
    struct busy busy = {.s = &s};
    open_scene(&s);
    struct partition *p = s.scene.partition;
    assert_int_equal(pthread_create(&thread, NULL, append_all_the_time, &busy), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(partition_move_begin(p, i % 2 == 0 ? s.other : s.scene.log_dir), ERR_OK);
        assert_int_equal(run(&s), MOVE_ENDED);
    }
    pthread_join(thread, NULL);
    assert_int_equal(partition_log_end(p), 500);
    for (int64_t offset = 0; offset < 500; offset++) {
        struct partition_read r = read_at(&s, offset);
        assert_non_null(r.read.file);
        log_file_unref(r.read.file);
    }
    close_scene(&s);
}

// A disk that answers an fsync only when it is let.
struct slow_disk {
    struct os os; // first
    sem_t asked, go_on;
    atomic_bool is_slow;
};

static int slow_fsync(const struct os *os, int fd)
{
    struct slow_disk *d = (struct slow_disk *)(uintptr_t)os;
    if (atomic_load(&d->is_slow)) {
        sem_post(&d->asked);
        while (sem_wait(&d->go_on) != 0) {
        }
    }
    return os_real()->fsync(os_real(), fd);
}

static void *run_to_its_end(void *arg)
{
    struct move_scene *s = arg;
    assert_int_equal(run(s), MOVE_ENDED);
    return NULL;
}

// Nobody who is told something of the partition waits for the disk of the copy.
static void test_a_slow_disk_holds_up_the_move_only(void **state)
{
    (void)state;
    struct move_scene s;
    struct slow_disk disk = {.os = *os_real()};
    pthread_t thread;
    open_scene(&s);
    log_dir_close(s.other, true);
    disk.os.fsync = slow_fsync;
    sem_init(&disk.asked, 0, 0);
    sem_init(&disk.go_on, 0, 0);
    assert_int_equal(log_dir_open(&disk.os, s.path, &s.other), ERR_OK);
    append(&s, 3);
    assert_int_equal(partition_move_begin(s.scene.partition, s.other), ERR_OK);
    assert_true(partition_move_claim(s.scene.partition));
    atomic_store(&disk.is_slow, true);
    assert_int_equal(pthread_create(&thread, NULL, run_to_its_end, &s), 0);
    sem_wait(&disk.asked);
    partition_configure(s.scene.partition, &s.scene.config, &s.scene.log_config);
    assert_int_equal(scene_follow(&s.scene, 6), ERR_OK);
    assert_int_equal(scene_lead(&s.scene, 7, 1, 1), ERR_OK);
    assert_false(partition_move_claim(s.scene.partition));
    atomic_store(&disk.is_slow, false);
    sem_post(&disk.go_on);
    pthread_join(thread, NULL);
    assert_ptr_equal(partition_directory(s.scene.partition), s.other);
    close_scene(&s);
    sem_destroy(&disk.asked);
    sem_destroy(&disk.go_on);
}

static void test_throttled(void **state)
{
    (void)state;
    struct move_scene s;
    open_scene(&s);
    append(&s, 3);
    assert_int_equal(partition_move_begin(s.scene.partition, s.other), ERR_OK);
    byte_rate_limit(&s.scene.throttle.moves, 0);
    assert_int_equal(partition_move_step(s.scene.partition), MOVE_MORE);
    assert_int_equal(run(&s), MOVE_PAUSE); // what was copied has been counted
    byte_rate_limit(&s.scene.throttle.moves, BYTE_RATE_NO_LIMIT);
    assert_int_equal(run(&s), MOVE_ENDED);
    assert_ptr_equal(partition_directory(s.scene.partition), s.other);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_and_swaps),
        cmocka_unit_test(test_asked_again),
        cmocka_unit_test(test_the_log_loses_its_beginning),
        cmocka_unit_test(test_a_directory_fails),
        cmocka_unit_test(test_under_load),
        cmocka_unit_test(test_a_slow_disk_holds_up_the_move_only),
        cmocka_unit_test(test_throttled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
