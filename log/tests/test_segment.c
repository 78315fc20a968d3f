// SPDX-License-Identifier: Apache-2.0
//
// Segments: their files come and go together, descriptors are shared and bounded, references outlive the log's own.
#include "log/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/fixture.h"

struct segment_env {
    struct test_os os;
    char *dir;
    struct file_ring ring;
    struct log_config config;
};

static void segment_start(struct segment_env *e)
{
    test_os_init(&e->os);
    e->dir = test_dir_new();
    file_ring_init(&e->ring);
    log_config_init(&e->config);
}

static void segment_stop(struct segment_env *e)
{
    file_ring_release(&e->ring);
    test_dir_remove(e->dir);
}

static struct segment *segment_at(struct segment_env *e, int64_t base_offset)
{
    struct segment *s = segment_new(&e->os.os, &e->ring, e->dir, base_offset, &e->config);
    assert_non_null(s);
    return s;
}

static bool has_file(struct segment *s, enum name_kind kind)
{
    char path[SEGMENT_PATH_MAX];
    segment_path(s, kind, path);
    return fixture_exists(path);
}

static void test_creates_all_or_nothing(void **state)
{
    (void)state;
    for (int failing = 1; failing <= 4; failing++) {
        struct segment_env e;
        segment_start(&e);
        e.os.fail_errno = ENOSPC;
        e.os.fail_from[TEST_OS_OPEN] = failing; // .log, .index, .timeindex are opened; the fourth time nothing is
        struct segment *s = segment_at(&e, 5);
        assert_int_equal(segment_create(s, &e.config), failing < 4 ? ERR_NO_SPACE : ERR_OK);
        assert_int_equal(has_file(s, NAME_LOG), failing == 4);
        assert_int_equal(has_file(s, NAME_INDEX), failing == 4);
        assert_int_equal(has_file(s, NAME_TIME_INDEX), failing == 4);
        assert_false(has_file(s, NAME_TXN_INDEX));
        segment_retire(s);
        segment_stop(&e);
    }
}

static void test_creates_over_left_overs(void **state)
{
    (void)state;
    struct segment_env e;
    char path[SEGMENT_PATH_MAX];
    segment_start(&e);
    struct segment *s = segment_at(&e, 5);
    static const enum name_kind kinds[] = {NAME_LOG, NAME_INDEX, NAME_TIME_INDEX, NAME_TXN_INDEX};
    for (size_t i = 0; i < 4; i++) {
        segment_path(s, kinds[i], path);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_true(fputs("old", f) >= 0);
        assert_int_equal(fclose(f), 0);
    }
    assert_int_equal(segment_create(s, &e.config), ERR_OK);
    int64_t size;
    assert_int_equal(os_file_size(os_real(), s->file->fd, &size), ERR_OK);
    assert_int_equal(size, 0);
    assert_false(has_file(s, NAME_TXN_INDEX));
    assert_int_equal(segment_rename_deleted(s), ERR_OK);
    assert_false(has_file(s, NAME_LOG));
    segment_retire(s);
    segment_stop(&e);
}

// A pinned segment keeps its descriptor; the others give theirs up when more are opened than may be.
static void test_descriptors(void **state)
{
    (void)state;
    enum {
        MANY = FILE_RING_SIZE + 3,
    };
    struct segment_env e;
    struct segment *s[MANY];
    struct log_file *held;
    struct log_file *f;
    segment_start(&e);
    for (int i = 0; i < MANY; i++) {
        s[i] = segment_at(&e, i);
        assert_int_equal(segment_create(s[i], &e.config), ERR_OK);
    }
    for (int i = 1; i < MANY; i++) { // number 0 stays pinned
        segment_unpin(s[i]);
    }
    assert_non_null(s[0]->file);
    assert_null(s[1]->file);
    assert_null(s[2]->file);
    assert_non_null(s[3]->file);
    assert_int_equal(segment_file(s[1], &held), ERR_OK); // takes the place of number 3
    assert_null(s[3]->file);
    for (int i = 2; i < MANY; i++) {
        assert_int_equal(segment_file(s[i], &f), ERR_OK);
        log_file_unref(f);
    }
    assert_null(s[1]->file);
    int64_t size;
    assert_int_equal(os_file_size(os_real(), log_file_fd(held), &size), ERR_OK); // the reader still has it
    segment_retire(s[2]);
    for (int i = 0; i < MANY; i++) {
        if (i != 2) {
            segment_retire(s[i]);
        }
    }
    assert_int_equal(os_file_size(os_real(), log_file_fd(held), &size), ERR_OK);
    int fd = log_file_fd(held);
    log_file_unref(held);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    segment_stop(&e);
}

// A reader that comes late to a retired segment still gets its file, but nobody keeps it open.
static void test_retired_segment(void **state)
{
    (void)state;
    struct segment_env e;
    struct log_file *f;
    segment_start(&e);
    struct segment *s = segment_at(&e, 0);
    assert_int_equal(segment_create(s, &e.config), ERR_OK);
    segment_ref(s);
    segment_retire(s);
    assert_null(s->file);
    assert_int_equal(segment_file(s, &f), ERR_OK);
    log_file_unref(f);
    segment_unref(s);
    segment_stop(&e);
}

static void test_jitter(void **state)
{
    (void)state;
    struct segment_env e;
    bool differs = false;
    segment_start(&e);
    e.config.segment_ms = 1000;
    e.config.segment_jitter_ms = 100;
    int64_t first = -1;
    for (int i = 0; i < 50; i++) {
        struct segment *s = segment_at(&e, 0);
        assert_in_range(s->roll_jitter_ms, 0, 99);
        differs = differs || (first >= 0 && s->roll_jitter_ms != first);
        first = s->roll_jitter_ms;
        segment_retire(s);
    }
    assert_true(differs);
    e.config.segment_jitter_ms = 0;
    struct segment *s = segment_at(&e, 0);
    assert_int_equal(s->roll_jitter_ms, 0);
    segment_retire(s);
    segment_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_creates_all_or_nothing),
        cmocka_unit_test(test_creates_over_left_overs),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_retired_segment),
        cmocka_unit_test(test_jitter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
