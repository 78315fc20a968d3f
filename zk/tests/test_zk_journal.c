// SPDX-License-Identifier: Apache-2.0
//
// The files on the disk: torn tails are cut, damage is refused, and a crash anywhere between two writes loses nothing
// that was acknowledged.
#include "zk/zk_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"

#include "base/tests/cmocka_all.h"
#include "zk/tests/store.h"

enum {
    HEAD_BYTES = 32,
    CHANGES = 6,
};

struct file {
    char path[TEST_PATH_MAX_BYTES];
    uint8_t *data;
    size_t len;
};

struct fixture {
    char *dir;
    struct test_os os; // its clock stands still
    struct store s;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->dir = test_dir_new();
    test_os_init(&f->os);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    test_dir_remove(f->dir);
    free(f);
    return 0;
}

static struct file file_read(struct fixture *f, const char *name)
{
    struct file file;
    char *data = NULL;
    test_path(file.path, f->dir, name);
    assert_int_equal(os_read_file(os_real(), file.path, 1 << 26, &data, &file.len), ERR_OK);
    file.data = (uint8_t *)data;
    return file;
}

static void file_write(const struct file *file, size_t len)
{
    assert_int_equal(os_replace_file(os_real(), file->path, file->data, len), ERR_OK);
}

static void file_remove(struct fixture *f, const char *name)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, f->dir, name);
    assert_int_equal(unlink(path), 0);
}

static int64_t file_size(struct fixture *f, const char *name)
{
    char path[TEST_PATH_MAX_BYTES];
    struct stat st;
    test_path(path, f->dir, name);
    return stat(path, &st) == 0 ? st.st_size : -1;
}

// A store with some changes, each a frame of its own: what the tree is, and how long the journal is, after each.
struct history {
    char *dumps[CHANGES + 1];
    int64_t ends[CHANGES + 1];
};

static void history_note(struct fixture *f, struct history *h, int i)
{
    h->dumps[i] = store_dump(&f->s, "/");
    h->ends[i] = file_size(f, ZK_JOURNAL_FILE);
}

static void history_make(struct fixture *f, struct history *h)
{
    const struct zk_op ops[] = {{.type = ZK_OP_CREATE, .path = "/m", .data = slice_str("multi")},
                                {.type = ZK_OP_SET, .path = "/a", .data = slice_str("by multi"), .version = 1}};
    store_open(&f->s, &f->os.os, f->dir);
    history_note(f, h, 0);
    assert_int_equal(store_create(&f->s, "/a", "one", ZK_PERSISTENT), ERR_OK);
    history_note(f, h, 1);
    assert_int_equal(store_create(&f->s, "/a/s_", NULL, ZK_PERSISTENT_SEQUENTIAL), ERR_OK);
    history_note(f, h, 2);
    assert_int_equal(store_set(&f->s, "/a", "two", 0), ERR_OK);
    history_note(f, h, 3);
    assert_int_equal(store_delete(&f->s, "/a/s_0000000000", 0), ERR_OK);
    history_note(f, h, 4);
    assert_int_equal(store_multi(&f->s, ops, 2, NULL), ERR_OK);
    history_note(f, h, 5);
    assert_int_equal(store_create(&f->s, "/z", "last", ZK_PERSISTENT), ERR_OK);
    history_note(f, h, 6);
    store_close(&f->s);
    assert_int_equal(h->ends[0], HEAD_BYTES);
}

static void history_release(struct history *h)
{
    for (int i = 0; i <= CHANGES; i++)
        free(h->dumps[i]);
}

static void assert_opens_as(struct fixture *f, const char *dump)
{
    store_open(&f->s, &f->os.os, f->dir);
    char *now = store_dump(&f->s, "/");
    assert_string_equal(now, dump);
    free(now);
    store_close(&f->s);
}

// ---- torn tails and damage ----

// Cut at any byte: the tree is that after the last whole frame, the file ends there, and new changes can follow.
static void test_cut_at_every_byte(void **state)
{
    struct fixture *f = *state;
    struct history h;
    history_make(f, &h);
    struct file journal = file_read(f, ZK_JOURNAL_FILE);
    int whole = CHANGES;
    for (size_t len = journal.len; len >= HEAD_BYTES; len--) {
        file_write(&journal, len);
        while (h.ends[whole] > (int64_t)len)
            whole--;
        assert_opens_as(f, h.dumps[whole]);
        assert_int_equal(file_size(f, ZK_JOURNAL_FILE), h.ends[whole]);
        store_open(&f->s, &f->os.os, f->dir);
        assert_int_equal(store_create(&f->s, "/again", "x", ZK_PERSISTENT), ERR_OK);
        store_close(&f->s);
        store_open(&f->s, &f->os.os, f->dir);
        assert_int_equal(store_create(&f->s, "/again", "x", ZK_PERSISTENT), ERR_EXISTS);
        store_close(&f->s);
    }
    assert_int_equal(whole, 0);
    free(journal.data);
    history_release(&h);
}

// A file that grew before its data was there: zeros, or other rubbish, behind the last whole frame.
static void test_rubbish_behind_the_end(void **state)
{
    struct fixture *f = *state;
    struct history h;
    history_make(f, &h);
    struct file journal = file_read(f, ZK_JOURNAL_FILE);
    journal.data = realloc(journal.data, journal.len + 5000);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 5000; i++)
            journal.data[journal.len + i] = round == 0 ? 0 : round == 1 ? 0xff : (uint8_t)(i * 7);
        file_write(&journal, journal.len + 5000);
        assert_opens_as(f, h.dumps[CHANGES]);
        assert_int_equal(file_size(f, ZK_JOURNAL_FILE), journal.len);
    }
    free(journal.data);
    history_release(&h);
}

// A flipped bit is damage that is refused, file untouched; only in the last frame it looks like a torn write.
static void test_flip_every_byte(void **state)
{
    struct fixture *f = *state;
    struct history h;
    history_make(f, &h);
    struct file journal = file_read(f, ZK_JOURNAL_FILE);
    for (size_t i = 0; i < journal.len; i++) {
        journal.data[i] ^= 0x40;
        file_write(&journal, journal.len);
        if ((int64_t)i < h.ends[CHANGES - 1]) {
            assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 0), ERR_CORRUPT);
            struct file after = file_read(f, ZK_JOURNAL_FILE);
            assert_int_equal(after.len, journal.len);
            assert_memory_equal(after.data, journal.data, journal.len);
            free(after.data);
        } else {
            assert_opens_as(f, h.dumps[CHANGES - 1]);
        }
        journal.data[i] ^= 0x40;
    }
    file_write(&journal, journal.len);
    assert_opens_as(f, h.dumps[CHANGES]);
    free(journal.data);
    history_release(&h);
}

// The bytes of a frame inside a znode must not make a torn write look like damage.
static void test_data_that_looks_like_a_frame(void **state)
{
    struct fixture *f = *state;
    store_open(&f->s, &f->os.os, f->dir);
    for (int i = 0; i < 5; i++)
        assert_int_equal(store_create(&f->s, "/s_", "x", ZK_PERSISTENT_SEQUENTIAL), ERR_OK);
    store_close(&f->s);
    struct file other = file_read(f, ZK_JOURNAL_FILE);
    file_remove(f, ZK_JOURNAL_FILE);
    store_open(&f->s, &f->os.os, f->dir);
    zk_create(f->s.zk, "/s_", slice_of(other.data, other.len), ZK_PERSISTENT_SEQUENTIAL, NULL, NULL);
    zk_dispatch(f->s.zk);
    store_close(&f->s);
    struct file journal = file_read(f, ZK_JOURNAL_FILE);
    file_write(&journal, journal.len - 1);
    store_open(&f->s, &f->os.os, f->dir);
    struct answer a = store_children(&f->s, "/", false);
    assert_string_equal(a.children, "");
    answer_release(&a);
    store_close(&f->s);
    free(journal.data);
    free(other.data);
}

static void test_later_versions(void **state)
{
    struct fixture *f = *state;
    struct history h;
    history_make(f, &h);
    struct file journal = file_read(f, ZK_JOURNAL_FILE);
    store_be32(journal.data + 8, 2);
    store_be32(journal.data + 28, crc32c(journal.data, 28));
    file_write(&journal, journal.len);
    assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 0), ERR_UNSUPPORTED);
    free(journal.data);
    history_release(&h);
}

// ---- snapshots ----

// Enough small changes that a journal of 2 KB is replaced several times.
static void many_changes(struct fixture *f, const struct os *os)
{
    assert_int_equal(store_try_open(&f->s, os, f->dir, 2048), ERR_OK);
    assert_int_equal(store_create(&f->s, "/p", NULL, ZK_PERSISTENT), ERR_OK);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(store_create(&f->s, "/p/n_", "some data", ZK_PERSISTENT_SEQUENTIAL), ERR_OK);
        if (i >= 10) {
            char path[64];
            snprintf(path, sizeof path, "/p/n_%010d", i - 10);
            assert_int_equal(store_delete(&f->s, path, 0), ERR_OK);
        }
    }
}

static void test_snapshot_replaces_the_journal(void **state)
{
    struct fixture *f = *state;
    many_changes(f, &f->os.os);
    char *dump = store_dump(&f->s, "/");
    assert_true(file_size(f, ZK_SNAPSHOT_FILE) > 0);
    assert_true(file_size(f, ZK_JOURNAL_FILE) < 4096);
    store_close(&f->s);
    assert_opens_as(f, dump);
    free(dump);
}

// A journal that ends before the snapshot does not belong to it: no crash leaves the two like that.
static void test_journal_older_than_the_snapshot(void **state)
{
    struct fixture *f = *state;
    struct history h;
    history_make(f, &h);
    struct file old = file_read(f, ZK_JOURNAL_FILE);
    assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 1), ERR_OK);
    assert_int_equal(store_set(&f->s, "/z", "newer", 0), ERR_OK); // the snapshot comes with it
    char *dump = store_dump(&f->s, "/");
    store_close(&f->s);
    assert_int_equal(file_size(f, ZK_JOURNAL_FILE), HEAD_BYTES);
    assert_opens_as(f, dump);
    file_write(&old, old.len);
    assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 0), ERR_CORRUPT);
    free(old.data);
    free(dump);
    history_release(&h);
}

static void test_missing_files(void **state)
{
    struct fixture *f = *state;
    many_changes(f, &f->os.os);
    store_close(&f->s);
    struct file journal = file_read(f, ZK_JOURNAL_FILE), snapshot = file_read(f, ZK_SNAPSHOT_FILE);
    file_remove(f, ZK_JOURNAL_FILE);
    assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 0), ERR_CORRUPT);
    file_write(&journal, journal.len);
    file_remove(f, ZK_SNAPSHOT_FILE);
    assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 0), ERR_CORRUPT);
    snapshot.data[snapshot.len / 2] ^= 1;
    file_write(&snapshot, snapshot.len);
    assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 0), ERR_CORRUPT);
    snapshot.data[snapshot.len / 2] ^= 1;
    file_write(&snapshot, snapshot.len);
    assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 0), ERR_OK);
    store_close(&f->s);
    free(journal.data);
    free(snapshot.data);
}

// A snapshot that cannot be written is tried again later; meanwhile the journal goes on.
static void test_snapshot_fails(void **state)
{
    struct fixture *f = *state;
    struct history h;
    history_make(f, &h);
    f->os.fail_from[TEST_OS_RENAME] = f->os.calls[TEST_OS_RENAME] + 1;
    assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 200), ERR_OK);
    int renames = f->os.calls[TEST_OS_RENAME];
    for (int i = 0; i < 8; i++)
        assert_int_equal(store_create(&f->s, "/s_", "x", ZK_PERSISTENT_SEQUENTIAL), ERR_OK);
    int tries = f->os.calls[TEST_OS_RENAME] - renames;
    assert_in_range(tries, 1, 4); // not with every change
    assert_int_equal(file_size(f, ZK_SNAPSHOT_FILE), -1);
    f->os.fail_from[TEST_OS_RENAME] = 0;
    for (int i = 0; i < 8; i++)
        assert_int_equal(store_create(&f->s, "/s_", "x", ZK_PERSISTENT_SEQUENTIAL), ERR_OK);
    assert_true(file_size(f, ZK_SNAPSHOT_FILE) > 0);
    char *dump = store_dump(&f->s, "/");
    store_close(&f->s);
    assert_opens_as(f, dump);
    free(dump);
    history_release(&h);
}

// When it is not known which journal is on the disk, nothing more may be acknowledged. The old journal beside the new
// snapshot, which is also what a crash between the two leaves, opens as if nothing had happened.
static void test_new_journal_fails(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 64), ERR_OK);
    f->os.fail_from[TEST_OS_RENAME] = f->os.calls[TEST_OS_RENAME] + 2; // the snapshot's works, the journal's does not
    enum err err = ERR_OK;
    int acknowledged = -1;
    for (; err == ERR_OK && acknowledged < 100; acknowledged++)
        err = store_create(&f->s, "/s_", "x", ZK_PERSISTENT_SEQUENTIAL);
    assert_int_equal(err, ERR_IO);
    store_close(&f->s);
    f->os.fail_from[TEST_OS_RENAME] = 0;
    store_open(&f->s, &f->os.os, f->dir);
    struct answer a = store_children(&f->s, "/", false);
    assert_int_equal(a.stat.num_children, acknowledged);
    answer_release(&a);
    store_close(&f->s);
}

// On a full disk changes wait, with what is asked behind them, and are done when there is room.
static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    struct answer created = {0}, read = {0};
    assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 0), ERR_OK);
    assert_int_equal(store_create(&f->s, "/a", "x", ZK_PERSISTENT), ERR_OK);
    int64_t size = file_size(f, ZK_JOURNAL_FILE);
    f->os.fail_errno = ENOSPC;
    f->os.io_max_bytes = 10; // the first piece of the frame fits
    f->os.fail_from[TEST_OS_PWRITEV] = f->os.calls[TEST_OS_PWRITEV] + 2;
    zk_create(f->s.zk, "/s_", slice_str("y"), ZK_PERSISTENT_SEQUENTIAL, answer_keep, &created);
    zk_get(f->s.zk, "/a", false, answer_keep, &read);
    for (int i = 0; i < 3; i++) {
        zk_dispatch(f->s.zk);
        assert_int_equal(created.calls + read.calls, 0);
        assert_int_equal(file_size(f, ZK_JOURNAL_FILE), size);
        assert_true(zk_interest(f->s.zk).timeout_ms > 0);
        f->os.fail_from[TEST_OS_PWRITEV] = f->os.calls[TEST_OS_PWRITEV] + 2;
    }
    f->os.fail_from[TEST_OS_PWRITEV] = 0;
    zk_ready(f->s.zk, false, false);
    assert_int_equal(zk_interest(f->s.zk).timeout_ms, -1);
    assert_int_equal(created.calls, 1);
    assert_int_equal(created.err, ERR_OK);
    assert_string_equal(created.path, "/s_0000000001");
    assert_string_equal(read.data, "x");
    answer_release(&created);
    answer_release(&read);
    char *dump = store_dump(&f->s, "/");
    store_close(&f->s);
    assert_opens_as(f, dump);
    free(dump);
}

// Without room for a new journal the old one goes on; the new snapshot beside it does no harm.
static void test_no_room_for_a_new_journal(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_try_open(&f->s, &f->os.os, f->dir, 64), ERR_OK);
    f->os.fail_errno = ENOSPC;
    f->os.fail_from[TEST_OS_RENAME] = f->os.calls[TEST_OS_RENAME] + 2; // the snapshot's works, the journal's does not
    for (int i = 0; i < 10; i++)
        assert_int_equal(store_create(&f->s, "/s_", "x", ZK_PERSISTENT_SEQUENTIAL), ERR_OK);
    f->os.fail_from[TEST_OS_RENAME] = 0;
    char *dump = store_dump(&f->s, "/");
    store_close(&f->s);
    assert_opens_as(f, dump);
    free(dump);
}

// ---- crash points ----

// Runs a script until the operating system dies; answers how many of its changes were acknowledged.
static int script_run(struct fixture *f, struct dying_os *dying)
{
    int done = 0;
    if (store_try_open(&f->s, &dying->os, f->dir, 300) != ERR_OK)
        return 0;
    for (int i = 0; i < 20; i++)
        done += store_create(&f->s, "/s_", "some data", ZK_PERSISTENT_SEQUENTIAL) == ERR_OK;
    store_die(&f->s, dying);
    return done;
}

// The process dies before each change of the disk in turn, also between snapshot and new journal: afterwards there is
// everything acknowledged, and at most one change more, which was being written.
static void test_dies_anywhere(void **state)
{
    (void)state;
    int dies_at = 0;
    for (int done = 0; done < 20;) {
        struct fixture f = {.dir = test_dir_new()};
        struct dying_os dying;
        dying_os_init(&dying, ++dies_at);
        done = script_run(&f, &dying);
        store_open(&f.s, os_real(), f.dir);
        struct answer a = store_children(&f.s, "/", false);
        assert_in_range(a.stat.num_children, done, done + 1);
        answer_release(&a);
        for (int i = 0; i < 30; i++) // and it works, through snapshots of its own
            assert_int_equal(store_create(&f.s, "/s_", "more", ZK_PERSISTENT_SEQUENTIAL), ERR_OK);
        store_close(&f.s);
        test_dir_remove(f.dir);
    }
    assert_true(dies_at > 60); // it really went through many points
}

int main(void)
{
#define FILES_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_cut_at_every_byte),
        FILES_TEST(test_rubbish_behind_the_end),
        FILES_TEST(test_flip_every_byte),
        FILES_TEST(test_data_that_looks_like_a_frame),
        FILES_TEST(test_later_versions),
        FILES_TEST(test_snapshot_replaces_the_journal),
        FILES_TEST(test_journal_older_than_the_snapshot),
        FILES_TEST(test_missing_files),
        FILES_TEST(test_snapshot_fails),
        FILES_TEST(test_new_journal_fails),
        FILES_TEST(test_full_disk),
        FILES_TEST(test_no_room_for_a_new_journal),
        cmocka_unit_test(test_dies_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
