// SPDX-License-Identifier: Apache-2.0
//
// The log directory: lock, marker of a clean stop, meta.properties, checkpoints, folders that belong and do not.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"
#include "log/tests/fixture.h"
#include "log/tests/log_env.h"

static void check_text(const char *dir, const char *name, const char *expected)
{
    char path[TEST_PATH_MAX_BYTES];
    size_t len;
    test_path(path, dir, name);
    char *text = test_file(path, &len);
    assert_string_equal(text, expected);
    free(text);
}

static bool dir_has(const char *dir, const char *name)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, dir, name);
    return fixture_exists(path);
}

static void make_folder(const char *dir, const char *name)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, dir, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void test_marker_of_a_clean_stop(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    assert_false(log_dir_was_clean(e.dir));
    assert_true(dir_has(e.path, ".lock"));
    env_close(&e);
    check_text(e.path, ".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":-1}");
    assert_false(dir_has(e.path, ".lock"));
    env_open(&e);
    assert_true(log_dir_was_clean(e.dir));
    assert_false(dir_has(e.path, ".kafka_cleanshutdown"));
    assert_int_equal(log_close(e.log), ERR_OK);
    log_dir_close(e.dir, false);
    assert_false(dir_has(e.path, ".kafka_cleanshutdown"));
    assert_false(dir_has(e.path, ".lock"));
    env_open(&e);
    env_stop(&e);
}

// A folder that was never recovered keeps the directory from being called clean.
static enum err open_none(void *ctx, const struct log_folder *f)
{
    (void)f;
    ++*(int *)ctx;
    return ERR_OK;
}

static void test_unopened_folders(void **state)
{
    (void)state;
    struct env e;
    int found = 0;
    env_start(&e);
    assert_int_equal(log_close(e.log), ERR_OK);
    log_dir_close(e.dir, false);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(log_dir_open(&e.os.os, e.path, &e.dir), ERR_OK);
        assert_int_equal(log_dir_scan(e.dir, open_none, &found), ERR_OK);
        log_dir_close(e.dir, true);
        assert_false(dir_has(e.path, ".kafka_cleanshutdown"));
    }
    assert_int_equal(found, 2);
    env_open(&e);
    env_close(&e);
    assert_true(dir_has(e.path, ".kafka_cleanshutdown"));
    assert_int_equal(log_dir_open(&e.os.os, e.path, &e.dir), ERR_OK); // clean, so it stays clean unopened
    assert_int_equal(log_dir_scan(e.dir, open_none, &found), ERR_OK);
    log_dir_close(e.dir, true);
    assert_true(dir_has(e.path, ".kafka_cleanshutdown"));
    env_open(&e);
    env_stop(&e);
}

// The lock is between processes.
static void test_second_process_is_refused(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    for (int held = 1; held >= 0; held--) {
        if (!held) {
            env_close(&e);
        }
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct log_dir *d;
            enum err err = log_dir_open(os_real(), e.path, &d);
            _exit(err == (held ? ERR_LOCKED : ERR_OK) ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    env_open(&e);
    env_stop(&e);
}

static void test_checkpoints(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 4);
    log_set_high_watermark(e.log, 9);
    assert_int_equal(log_dir_checkpoint(e.dir), ERR_OK);
    check_text(e.path, "recovery-point-offset-checkpoint", "0\n1\ntopic 0 0\n");
    check_text(e.path, "replication-offset-checkpoint", "0\n1\ntopic 0 9\n");
    check_text(e.path, "log-start-offset-checkpoint", "0\n0\n");
    int calls = e.os.calls[TEST_OS_FSYNC];
    assert_int_equal(log_dir_checkpoint(e.dir), ERR_OK); // nothing new: nothing is written
    assert_int_equal(e.os.calls[TEST_OS_FSYNC], calls);
    assert_int_equal(log_flush(e.log), ERR_OK);
    assert_int_equal(log_advance_start(e.log, 5), ERR_OK);
    assert_int_equal(log_dir_checkpoint(e.dir), ERR_OK);
    check_text(e.path, "recovery-point-offset-checkpoint", "0\n1\ntopic 0 12\n");
    check_text(e.path, "log-start-offset-checkpoint", "0\n1\ntopic 0 5\n");
    env_close(&e);
    // Lines of folders that are not opened go on; those without a folder do not.
    make_folder(e.path, "other-3");
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, e.path, "replication-offset-checkpoint");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("0\n3\ntopic 0 9\nother 3 77\ngone 1 5\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    env_open(&e);
    int found = 0;
    assert_int_equal(log_dir_scan(e.dir, open_none, &found), ERR_OK);
    assert_int_equal(found, 2);
    env_close(&e);
    size_t len;
    char *text = test_file(path, &len);
    assert_non_null(strstr(text, "other 3 77\n"));
    assert_non_null(strstr(text, "topic 0 9\n"));
    assert_null(strstr(text, "gone"));
    free(text);
    env_open(&e);
    env_stop(&e);
}

static void test_deletion(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 4);
    struct uuid old_id = *log_topic_id(e.log);
    assert_int_equal(log_dir_checkpoint(e.dir), ERR_OK);
    struct log_read r = {.offset = 0, .max_offset = 12, .max_bytes = 1 << 20};
    assert_int_equal(log_read(e.log, &r), ERR_OK);
    assert_int_equal(log_delete(e.log, 1000), ERR_OK);
    assert_false(dir_has(e.path, "topic-0"));
    struct uuid id;
    uuid_random(os_real(), &id);
    assert_int_equal(log_create(e.dir, ENV_TOPIC, 0, &id, &e.config, &e.log), ERR_OK); // the name is free again
    assert_int_equal(log_end_offset(e.log), 0);
    assert_false(uuid_equal(log_topic_id(e.log), &old_id));
    struct log *second;
    assert_int_equal(log_create(e.dir, ENV_TOPIC, 0, &id, &e.config, &second), ERR_EXISTS);
    env_stop(&e);
    uint8_t *data = fixture_bytes(log_file_fd(r.file), r.position, r.len); // the reader's file lives on
    free(data);
    log_file_unref(r.file);
}

static int count_folders(const char *path)
{
    int n = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        n += entry->d_type == DT_DIR && entry->d_name[0] != '.';
    }
    closedir(dir);
    return n;
}

static void test_deleted_folders_are_swept(void **state)
{
    (void)state;
    struct env e;
    int found = 0;
    env_start(&e);
    env_append_many(&e, 1);
    assert_int_equal(log_delete(e.log, 1000), ERR_OK);
    e.log = NULL;
    log_dir_sweep(e.dir, e.os.now_mono_us / 1000 + 999);
    char *image = fixture_copy(e.path); // killed before the delay was over
    log_dir_sweep(e.dir, e.os.now_mono_us / 1000 + 1000);
    log_dir_close(e.dir, true);
    for (int i = 0; i < 2; i++) {
        const char *path = i == 0 ? e.path : image;
        assert_int_equal(log_dir_open(&e.os.os, path, &e.dir), ERR_OK);
        assert_int_equal(log_dir_scan(e.dir, open_none, &found), ERR_OK);
        log_dir_sweep(e.dir, e.os.now_mono_us / 1000); // without another delay
        log_dir_close(e.dir, true);
        check_text(path, "recovery-point-offset-checkpoint", "0\n0\n");
        assert_int_equal(count_folders(path), 0);
    }
    assert_int_equal(found, 0);
    e.dir = NULL;
    env_stop(&e);
    test_dir_remove(image);
}

static void test_foreign_folders(void **state)
{
    (void)state;
    static const char *const fine[] = {"__cluster_metadata-0", "remote-log-index-cache",
                                       "t-1.0123456789abcdef0123456789abcdef-future",
                                       "t-1.0123456789abcdef0123456789abcdef-stray"};
    static const char *const refused[] = {"nodash", "x-y", "lost+found"};
    struct env e;
    int found = 0;
    env_start(&e);
    env_close(&e);
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        make_folder(e.path, fine[i]);
    }
    assert_int_equal(log_dir_open(&e.os.os, e.path, &e.dir), ERR_OK);
    assert_int_equal(log_dir_scan(e.dir, open_none, &found), ERR_OK);
    assert_int_equal(found, 2); // the log, and the copy of a move
    log_dir_sweep(e.dir, e.os.now_mono_us / 1000);
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        assert_true(dir_has(e.path, fine[i]));
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char path[TEST_PATH_MAX_BYTES];
        make_folder(e.path, refused[i]);
        assert_int_equal(log_dir_scan(e.dir, open_none, &found), ERR_INVALID);
        test_path(path, e.path, refused[i]);
        assert_int_equal(rmdir(path), 0);
    }
    log_dir_close(e.dir, true);
    e.dir = NULL;
    env_open(&e);
    env_stop(&e);
}

// Each file has a timer of its own.
static void test_checkpoints_one_by_one(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    env_append_many(&e, 4);
    log_set_high_watermark(e.log, 9);
    assert_int_equal(log_flush(e.log), ERR_OK);
    assert_int_equal(log_advance_start(e.log, 5), ERR_OK);
    assert_int_equal(log_dir_checkpoint_some(e.dir, LOG_CHECKPOINT_HIGH_WATERMARK), ERR_OK);
    check_text(e.path, "replication-offset-checkpoint", "0\n1\ntopic 0 9\n");
    assert_false(dir_has(e.path, "recovery-point-offset-checkpoint"));
    assert_false(dir_has(e.path, "log-start-offset-checkpoint"));
    assert_int_equal(log_dir_checkpoint_some(e.dir, LOG_CHECKPOINT_LOG_START), ERR_OK);
    check_text(e.path, "log-start-offset-checkpoint", "0\n1\ntopic 0 5\n");
    assert_false(dir_has(e.path, "recovery-point-offset-checkpoint"));
    assert_int_equal(log_dir_checkpoint_some(e.dir, LOG_CHECKPOINT_RECOVERY_POINT), ERR_OK);
    check_text(e.path, "recovery-point-offset-checkpoint", "0\n1\ntopic 0 12\n");
    env_stop(&e);
}

// A disk that was pulled out is noticed by the next checkpoint, with nothing to write.
static void test_a_directory_vanishes(void **state)
{
    (void)state;
    struct env e;
    char away[TEST_PATH_MAX_BYTES];
    env_start(&e);
    assert_int_equal(log_dir_checkpoint(e.dir), ERR_OK);
    snprintf(away, sizeof away, "%s-away", e.path);
    assert_int_equal(rename(e.path, away), 0);
    assert_int_equal(log_dir_checkpoint_some(e.dir, LOG_CHECKPOINT_HIGH_WATERMARK), ERR_NOT_FOUND);
    assert_int_equal(log_dir_state(e.dir), LOG_DIR_OFFLINE);
    assert_int_equal(env_append(&e), ERR_FAILED);
    assert_int_equal(rename(away, e.path), 0);
    env_stop(&e);
}

static enum err open_future(void *ctx, const struct log_folder *f)
{
    struct env *e = ctx;
    struct log *ignored;
    if (!f->future) {
        return ERR_OK;
    }
    assert_string_equal(f->topic, "moved");
    assert_int_equal(f->partition, 3);
    assert_int_equal(log_open_future(e->dir, f, &e->config, &e->log), ERR_OK);
    assert_int_equal(log_open_future(e->dir, f, &e->config, &ignored), ERR_EXISTS);
    return ERR_OK;
}

// The copy of a move: another name, everything else as in any log; then it gets the name of one.
static void test_future_folder(void **state)
{
    (void)state;
    struct env e;
    struct log *future, *ignored;
    const struct uuid id = {{7}};
    env_start(&e);
    assert_int_equal(log_close(e.log), ERR_OK);
    assert_int_equal(log_create_future(e.dir, "moved", 3, &id, &e.config, &future), ERR_OK);
    assert_true(log_is_future(future));
    assert_int_equal(log_create_future(e.dir, "moved", 3, &id, &e.config, &ignored), ERR_EXISTS);
    e.log = future;
    env_append_many(&e, 10);
    log_set_high_watermark(future, 7);
    env_close(&e); // its lines in the checkpoints are those of the partition
    char path[TEST_PATH_MAX_BYTES];
    size_t len;
    test_path(path, e.path, "replication-offset-checkpoint");
    char *text = test_file(path, &len);
    assert_non_null(strstr(text, "moved 3 7\n"));
    free(text);
    assert_int_equal(log_dir_open(&e.os.os, e.path, &e.dir), ERR_OK);
    assert_int_equal(log_dir_scan(e.dir, open_future, &e), ERR_OK);
    assert_int_equal(env_read_all(&e, 0), 10 * ENV_RECORDS);
    assert_int_equal(log_high_watermark(e.log), 7);
    assert_int_equal(log_promote(e.log), ERR_OK);
    assert_false(log_is_future(e.log));
    assert_int_equal(log_begin_epoch(e.log, 9), ERR_OK);
    env_append_many(&e, 40); // rolls: new files, and old ones that were not open
    assert_int_equal(env_read_all(&e, 0), 50 * ENV_RECORDS);
    assert_int_equal(log_close(e.log), ERR_OK);
    assert_int_equal(log_open(e.dir, "moved", 3, &e.config, &e.log), ERR_OK);
    assert_int_equal(env_read_all(&e, 0), 50 * ENV_RECORDS);
    assert_int_equal(log_latest_epoch(e.log), 9);
    assert_int_equal(log_restart(e.log, 1000), ERR_OK);
    assert_int_equal(log_start_offset(e.log), 1000);
    assert_int_equal(log_end_offset(e.log), 1000);
    env_append_many(&e, 1);
    assert_int_equal(log_close(e.log), ERR_OK);
    assert_int_equal(log_open(e.dir, "moved", 3, &e.config, &e.log), ERR_OK);
    assert_int_equal(env_read_all(&e, 1000), ENV_RECORDS);
    env_stop(&e);
}

static void test_future_name_fits(void **state)
{
    (void)state;
    char name[301];
    memset(name, 'x', sizeof name);
    // 2 + 32 + 9 bytes come with a number of one digit, and 255 is what file systems allow.
    assert_true(log_future_fits(slice_of(name, 255 - 42), 0));
    assert_false(log_future_fits(slice_of(name, 255 - 41), 0));
    assert_false(log_future_fits(slice_of(name, 255 - 42), 10));
    assert_false(log_future_fits(slice_of(name, 300), 0));
}

static void test_meta_properties(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    assert_false(log_dir_meta(e.dir)->present);
    assert_int_equal(log_dir_meta(e.dir)->broker_id, -1);
    assert_int_equal(log_dir_set_meta(e.dir, 7, "vTP-WIDjTsC3xrssAoPT_g"), ERR_OK);
    env_reopen(&e);
    assert_true(log_dir_meta(e.dir)->present);
    assert_int_equal(log_dir_meta(e.dir)->broker_id, 7);
    assert_string_equal(log_dir_meta(e.dir)->cluster_id, "vTP-WIDjTsC3xrssAoPT_g");
    env_stop(&e);
}

static void test_makes_missing_folders(void **state)
{
    (void)state;
    char *root = test_dir_new();
    char path[TEST_PATH_MAX_BYTES];
    struct log_dir *d;
    test_path(path, root, "some where/deep/below/");
    assert_int_equal(log_dir_open(os_real(), path, &d), ERR_OK);
    log_dir_close(d, true);
    test_path(path, root, "file");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_int_not_equal(log_dir_open(os_real(), path, &d), ERR_OK);
    assert_int_not_equal(log_dir_open(os_real(), "", &d), ERR_OK);
    test_dir_remove(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marker_of_a_clean_stop),
        cmocka_unit_test(test_unopened_folders),
        cmocka_unit_test(test_second_process_is_refused),
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_deletion),
        cmocka_unit_test(test_deleted_folders_are_swept),
        cmocka_unit_test(test_foreign_folders),
        cmocka_unit_test(test_checkpoints_one_by_one),
        cmocka_unit_test(test_a_directory_vanishes),
        cmocka_unit_test(test_future_folder),
        cmocka_unit_test(test_future_name_fits),
        cmocka_unit_test(test_meta_properties),
        cmocka_unit_test(test_makes_missing_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
