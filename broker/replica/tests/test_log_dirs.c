// SPDX-License-Identifier: Apache-2.0
//
// The set of log directories: what is refused, what is merely offline, where new partitions go.
#include "broker/replica/log_dirs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"

struct room {
    char *dir;
    char paths[3][TEST_PATH_MAX_BYTES];
    const char *list[3];
    struct log_dirs *dirs;
};

static void room_open(struct room *r)
{
    *r = (struct room){.dir = test_dir_new()};
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        test_path(r->paths[i], r->dir, names[i]);
        r->list[i] = r->paths[i];
    }
}

static enum err dirs_open(struct room *r, int32_t count)
{
    return log_dirs_open(os_real(), r->list, count, &r->dirs);
}

static void file_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct log *log_make(struct log_dir *d, const char *topic)
{
    struct log *log;
    struct log_config config;
    const struct uuid id = {{1}};
    log_config_init(&config);
    assert_int_equal(log_create(d, topic, 0, &id, &config, &log), ERR_OK);
    return log;
}

static void test_placement(void **state)
{
    (void)state;
    struct room r;
    struct log *logs[7];
    room_open(&r);
    assert_int_equal(dirs_open(&r, 3), ERR_OK);
    for (int i = 0; i < 5; i++) { // one after the other, the first on ties
        char topic[8];
        snprintf(topic, sizeof topic, "t%d", i);
        struct log_dir *d = log_dirs_place(r.dirs);
        assert_ptr_equal(d, log_dirs_at(r.dirs, i % 3));
        logs[i] = log_make(d, topic);
    }
    assert_int_equal(log_close(logs[1]), ERR_OK); // in the second, which then has as few as the third
    assert_ptr_equal(log_dirs_place(r.dirs), log_dirs_at(r.dirs, 1));
    log_dir_fail(log_dirs_at(r.dirs, 1), ERR_IO, "x", "writing");
    assert_ptr_equal(log_dirs_place(r.dirs), log_dirs_at(r.dirs, 2));
    assert_int_equal(log_dirs_online_count(r.dirs), 2);
    log_dir_fail(log_dirs_at(r.dirs, 0), ERR_IO, "x", "writing");
    log_dir_fail(log_dirs_at(r.dirs, 2), ERR_IO, "x", "writing");
    assert_null(log_dirs_place(r.dirs));
    for (int i = 0; i < 5; i++) {
        if (i != 1) {
            assert_int_equal(log_close(logs[i]), ERR_FAILED);
        }
    }
    log_dirs_close(r.dirs, true);
    test_dir_remove(r.dir);
}

static void test_offline_at_start(void **state)
{
    (void)state;
    struct room r;
    room_open(&r);
    file_write(r.paths[1], "not a directory");
    assert_int_equal(dirs_open(&r, 3), ERR_OK);
    assert_int_equal(log_dirs_online_count(r.dirs), 2);
    assert_null(log_dirs_at(r.dirs, 1));
    assert_false(log_dirs_online(r.dirs, 1));
    assert_string_equal(log_dirs_path(r.dirs, 1), r.paths[1]);
    log_dirs_set_meta(r.dirs, 3, "cluster");
    log_dirs_close(r.dirs, true);
    // The marker of a clean stop is there where it can be.
    assert_int_equal(unlink(r.paths[1]), 0);
    assert_int_equal(dirs_open(&r, 3), ERR_OK);
    assert_true(log_dir_was_clean(log_dirs_at(r.dirs, 0)));
    assert_false(log_dir_was_clean(log_dirs_at(r.dirs, 1)));
    assert_false(log_dirs_were_clean(r.dirs));
    // It gets its meta.properties as soon as it is there.
    assert_false(log_dir_meta(log_dirs_at(r.dirs, 1))->present);
    log_dirs_set_meta(r.dirs, 3, "cluster");
    assert_string_equal(log_dir_meta(log_dirs_at(r.dirs, 1))->cluster_id, "cluster");
    log_dirs_close(r.dirs, true);
    for (int i = 0; i < 3; i++) {
        test_dir_remove(strdup(r.paths[i]));
        file_write(r.paths[i], "");
    }
    assert_int_equal(dirs_open(&r, 3), ERR_FAILED); // none is left
    assert_null(r.dirs);
    test_dir_remove(r.dir);
}

static void test_a_directory_named_twice(void **state)
{
    (void)state;
    struct room r;
    room_open(&r);
    assert_int_equal(dirs_open(&r, 1), ERR_OK);
    log_dirs_close(r.dirs, true);
    assert_int_equal(symlink(r.paths[0], r.paths[2]), 0);
    assert_int_equal(dirs_open(&r, 3), ERR_INVALID);
    test_dir_remove(r.dir);
}

static void test_paths_are_absolute(void **state)
{
    (void)state;
    struct room r;
    room_open(&r);
    char doubled[TEST_PATH_MAX_BYTES + 8];
    snprintf(doubled, sizeof doubled, "/%s///", r.paths[0]);
    r.list[0] = doubled;
    assert_int_equal(dirs_open(&r, 1), ERR_OK);
    assert_string_equal(log_dirs_path(r.dirs, 0), r.paths[0]);
    log_dirs_close(r.dirs, true);
    char *here = getcwd(NULL, 0);
    assert_int_equal(chdir(r.dir), 0);
    r.list[0] = "b/";
    assert_int_equal(dirs_open(&r, 1), ERR_OK);
    assert_string_equal(log_dirs_path(r.dirs, 0), r.paths[1]);
    log_dirs_close(r.dirs, true);
    assert_int_equal(chdir(here), 0);
    free(here);
    test_dir_remove(r.dir);
}

static void check_meta(const char *first, const char *second, enum err opened, enum err meta)
{
    struct room r;
    struct log_dir_meta m;
    char path[TEST_PATH_MAX_BYTES];
    room_open(&r);
    assert_int_equal(dirs_open(&r, 2), ERR_OK);
    log_dirs_close(r.dirs, true);
    test_path(path, r.paths[0], "meta.properties");
    file_write(path, first);
    test_path(path, r.paths[1], "meta.properties");
    file_write(path, second);
    assert_int_equal(dirs_open(&r, 2), opened);
    if (opened == ERR_OK) {
        assert_int_equal(log_dirs_meta(r.dirs, &m), meta);
        if (meta == ERR_OK) {
            assert_int_equal(m.broker_id, 4);
            assert_string_equal(m.cluster_id, "c");
        }
        log_dirs_close(r.dirs, true);
    }
    test_dir_remove(r.dir);
}

static void test_meta(void **state)
{
    (void)state;
    check_meta("broker.id=4\ncluster.id=c\n", "broker.id=4\ncluster.id=c\n", ERR_OK, ERR_OK);
    check_meta("broker.id=4\n", "cluster.id=c\n", ERR_OK, ERR_OK); // half of it here, half there
    check_meta("broker.id=4\ncluster.id=c\n", "broker.id=5\ncluster.id=c\n", ERR_OK, ERR_INVALID);
    check_meta("broker.id=4\ncluster.id=c\n", "broker.id=4\ncluster.id=d\n", ERR_OK, ERR_INVALID);
    check_meta("broker.id=4\ncluster.id=c\n", "broker.id=x\n", ERR_OK, ERR_OK); // the second is offline
    check_meta("broker.id=4\ncluster.id=c\n", "version=1\nnode.id=4\n", ERR_UNSUPPORTED, ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_placement),
        cmocka_unit_test(test_offline_at_start),
        cmocka_unit_test(test_a_directory_named_twice),
        cmocka_unit_test(test_paths_are_absolute),
        cmocka_unit_test(test_meta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
