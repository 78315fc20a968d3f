// SPDX-License-Identifier: Apache-2.0
//
// The model of power loss itself: what is on the disk after which calls.
#include "base/tests/power.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tests/cmocka_all.h"

struct power_env {
    struct power power;
    char *root;
    char *images;
    int count;
    int hooked;
};

static void count_hook(void *ctx)
{
    struct power_env *e = ctx;
    e->hooked++;
}

static void env_start(struct power_env *e)
{
    *e = (struct power_env){.root = test_dir_new(), .images = test_dir_new()};
    power_init(&e->power, os_real(), e->root);
    e->power.before = count_hook;
    e->power.ctx = e;
}

static void env_stop(struct power_env *e)
{
    assert_int_equal(e->hooked, e->power.steps);
    power_release(&e->power);
    test_dir_remove(e->root);
    test_dir_remove(e->images);
}

// The content of a file after the power failed; NULL when it is not there. Free it.
static char *after_failure(struct power_env *e, enum power_luck luck, const char *name)
{
    char image[TEST_PATH_MAX_BYTES];
    char path[TEST_PATH_MAX_BYTES];
    uint64_t chance = 1;
    char *data = NULL;
    size_t len;
    snprintf(path, sizeof path, "%d", e->count++);
    test_path(image, e->images, path);
    power_image(&e->power, luck, &chance, image);
    test_path(path, image, name);
    enum err err = os_read_file(os_real(), path, 1 << 20, &data, &len);
    assert_true(err == ERR_OK || err == ERR_NOT_FOUND);
    return data;
}

static void assert_after(struct power_env *e, enum power_luck luck, const char *name, const char *expected)
{
    char *data = after_failure(e, luck, name);
    if (expected == NULL) {
        assert_null(data);
    } else {
        assert_non_null(data);
        assert_string_equal(data, expected);
    }
    free(data);
}

static void put(struct power_env *e, const char *name, const char *text, bool sync)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, e->root, name);
    const struct os *os = &e->power.os;
    int fd = os->open(os, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    assert_int_equal(os_pwritev_full(os, fd, &iov, 1, 0), ERR_OK);
    if (sync) {
        assert_int_equal(os->fsync(os, fd), 0);
    }
    os->close(os, fd);
}

static void test_file_needs_its_directory(void **state)
{
    (void)state;
    struct power_env e;
    env_start(&e);
    put(&e, "a", "one", true);
    assert_after(&e, POWER_NOTHING, "a", NULL);
    assert_after(&e, POWER_EVERYTHING, "a", "one");
    assert_int_equal(os_fsync_dir(&e.power.os, e.root), ERR_OK);
    assert_after(&e, POWER_NOTHING, "a", "one");
    put(&e, "a", "two", false);
    assert_after(&e, POWER_NOTHING, "a", "one");
    assert_after(&e, POWER_EVERYTHING, "a", "two");
    env_stop(&e);
}

static void test_names(void **state)
{
    (void)state;
    struct power_env e;
    char a[TEST_PATH_MAX_BYTES];
    char b[TEST_PATH_MAX_BYTES];
    env_start(&e);
    test_path(a, e.root, "a");
    test_path(b, e.root, "b");
    assert_int_equal(os_replace_file(&e.power.os, a, "old", 3), ERR_OK);
    assert_int_equal(e.power.os.rename(&e.power.os, a, b), 0);
    assert_after(&e, POWER_NOTHING, "a", "old");
    assert_after(&e, POWER_NOTHING, "b", NULL);
    assert_after(&e, POWER_EVERYTHING, "b", "old");
    assert_int_equal(os_fsync_dir(&e.power.os, e.root), ERR_OK);
    assert_after(&e, POWER_NOTHING, "a", NULL);
    assert_int_equal(e.power.os.unlink(&e.power.os, b), 0);
    assert_after(&e, POWER_NOTHING, "b", "old");
    assert_after(&e, POWER_EVERYTHING, "b", NULL);
    env_stop(&e);
}

static void test_folders(void **state)
{
    (void)state;
    struct power_env e;
    char dir[TEST_PATH_MAX_BYTES];
    env_start(&e);
    test_path(dir, e.root, "d");
    assert_int_equal(e.power.os.mkdir(&e.power.os, dir, 0755), 0);
    put(&e, "d/a", "one", true);
    assert_int_equal(os_fsync_dir(&e.power.os, dir), ERR_OK);
    assert_after(&e, POWER_NOTHING, "d/a", NULL); // nothing leads to it
    assert_int_equal(os_fsync_dir(&e.power.os, e.root), ERR_OK);
    assert_after(&e, POWER_NOTHING, "d/a", "one");
    env_stop(&e);
}

// Some sectors are the new ones, some the old.
static void test_torn_file(void **state)
{
    (void)state;
    enum {
        SECTORS = 40
    };
    struct power_env e;
    char text[SECTORS * 512 + 1] = {0};
    env_start(&e);
    memset(text, 'o', sizeof text - 1);
    put(&e, "a", text, true);
    assert_int_equal(os_fsync_dir(&e.power.os, e.root), ERR_OK);
    memset(text, 'n', sizeof text - 1);
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, e.root, "a");
    int fd = e.power.os.open(&e.power.os, path, O_WRONLY, 0);
    struct iovec iov = {text, sizeof text - 1};
    assert_int_equal(os_pwritev_full(&e.power.os, fd, &iov, 1, 0), ERR_OK);
    e.power.os.close(&e.power.os, fd);
    char *torn = after_failure(&e, POWER_SOME, "a");
    int new_sectors = 0;
    for (int i = 0; i < SECTORS; i++) {
        new_sectors += torn[512 * i] == 'n';
        assert_true(torn[512 * i] == torn[512 * i + 511]);
    }
    assert_in_range(new_sectors, 1, SECTORS - 1);
    free(torn);
    env_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_needs_its_directory),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_torn_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
