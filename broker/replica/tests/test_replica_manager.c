// SPDX-License-Identifier: Apache-2.0
//
// The manager on a real directory: what the controller's hooks do, and what is there again after a clean stop and
// after one that was none.
#include "broker/replica/replica_manager.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "broker/replica/tests/scene.h"

struct room {
    const char *paths[2];
    int32_t paths_count;
    struct pool *pool;
    struct log_dirs *dirs;
    struct replica_manager *manager;
    struct cluster_hooks hooks;
    struct topic_config config;
    struct arena arena;
    int32_t epoch; // of the next word of the controller
};

static enum err room_try(struct room *r)
{
    arena_init(&r->arena, 1 << 20);
    topic_config_init(&r->config);
    assert_int_equal(pool_new(2, &r->pool), ERR_OK);
    assert_int_equal(log_dirs_open(os_real(), r->paths, r->paths_count, &r->dirs), ERR_OK);
    struct replica_manager_options o = {
        .os = os_real(),
        .dirs = r->dirs,
        .pool = r->pool,
        .broker_id = 1,
        .recovery_threads = 2,
        .move_threads = 2,
        .producer_id_expiration_ms = 86400000,
        .producer_expiry_check_ms = INT64_MAX,
        .retention_check_ms = INT64_MAX,
        .flush_check_ms = INT64_MAX,
        .checkpoint_ms = INT64_MAX,
        .log_start_checkpoint_ms = INT64_MAX,
        .high_watermark_checkpoint_ms = INT64_MAX,
        .fetch = {.threads = 1, .backoff_ms = 1000},
        .throttle = {11, 1, 11, 1},
        .inter_broker_listener = "PLAINTEXT",
    };
    enum err err = replica_manager_open(&o, &r->manager);
    if (err == ERR_OK) {
        r->hooks = replica_manager_hooks(r->manager);
    }
    return err;
}

static void room_leave(struct room *r)
{
    log_dirs_close(r->dirs, true);
    pool_free(r->pool);
    arena_release(&r->arena);
}

static void room_open(struct room *r, const char *path)
{
    *r = (struct room){.paths = {path}, .paths_count = 1};
    assert_int_equal(room_try(r), ERR_OK);
}

static void room_close(struct room *r)
{
    assert_int_equal(replica_manager_close(r->manager), ERR_OK);
    room_leave(r);
}

// Two directories, a and b below dir.
struct pair {
    char *dir;
    char a[TEST_PATH_MAX_BYTES];
    char b[TEST_PATH_MAX_BYTES];
};

static void pair_new(struct pair *p)
{
    p->dir = test_dir_new();
    test_path(p->a, p->dir, "a");
    test_path(p->b, p->dir, "b");
}

static void room_open_pair(struct room *r, const struct pair *p)
{
    *r = (struct room){.paths = {p->a, p->b}, .paths_count = 2};
    assert_int_equal(room_try(r), ERR_OK);
}

static struct uuid id_of(uint8_t n)
{
    struct uuid id = {{n, 1}};
    return id;
}

static enum err tell_as(struct room *r, const char *topic, uint8_t id, int32_t partition, int32_t leader, bool is_new)
{
    static const int32_t brokers[] = {1};
    struct cluster_partition_state s = {.topic = topic,
                                        .topic_id = id_of(id),
                                        .partition = partition,
                                        .leader = leader,
                                        .leader_epoch = r->epoch++,
                                        .isr = brokers,
                                        .isr_count = 1,
                                        .replicas = brokers,
                                        .replicas_count = 1,
                                        .is_new = is_new,
                                        .config = &r->config};
    return r->hooks.partition_changed(r->hooks.ctx, &s);
}

static enum err tell(struct room *r, const char *topic, uint8_t id, int32_t partition, int32_t leader)
{
    return tell_as(r, topic, id, partition, leader, true);
}

static enum err append(struct room *r, const char *topic, int32_t partition, int64_t *end)
{
    struct partition *p;
    struct partition_end at;
    uint8_t batch[SCENE_BATCH_MAX];
    struct log_append a = {.data = batch, .origin = LOG_FROM_CLIENT};
    a.len = scene_batch(batch, 5);
    enum err err = replica_manager_find(r->manager, slice_str(topic), partition, &p);
    if (err == ERR_OK) {
        err = partition_append(p, 1, &a, &r->arena, &at);
        *end = at.offset;
        partition_unref(p);
    }
    return err;
}

static int64_t latest(struct room *r, const char *topic, int32_t partition)
{
    struct partition *p;
    struct partition_offset o = {.current_leader_epoch = -1, .timestamp = -1};
    assert_int_equal(replica_manager_find(r->manager, slice_str(topic), partition, &p), ERR_OK);
    enum err err = partition_offset_for(p, &o);
    partition_unref(p);
    assert_int_equal(err, ERR_OK);
    return o.out_offset;
}

static bool file_there(const char *dir, const char *name)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, dir, name);
    return access(path, F_OK) == 0;
}

static int folders_in(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        n += e->d_type == DT_DIR && e->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

// New partitions reach the disk by themselves, behind the back of who makes them.
static void test_settles(void **state)
{
    (void)state;
    enum {
        PARTITIONS = 20
    };
    char *dir = test_dir_new();
    struct room r;
    room_open(&r, dir);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(tell(&r, "t", 1, i, 1), ERR_OK);
    }
    for (int32_t i = 0; i < PARTITIONS; i++) {
        char name[64];
        snprintf(name, sizeof name, "t-%d/partition.metadata", (int)i);
        while (!file_there(dir, name)) {
            sched_yield();
        }
    }
    room_close(&r);
    // Those that have not had their turn settle when they are closed.
    room_open(&r, dir);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(tell(&r, "u", 2, i, 1), ERR_OK);
    }
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "u", PARTITIONS - 1, -1, true), ERR_OK);
    room_close(&r);
    for (int32_t i = 0; i < PARTITIONS - 1; i++) {
        char name[64];
        snprintf(name, sizeof name, "u-%d/partition.metadata", (int)i);
        assert_true(file_there(dir, name));
    }
    test_dir_remove(dir);
}

static void test_reopen_after_a_clean_stop(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    struct room r;
    struct partition *p;
    int64_t end = 0;
    room_open(&r, dir);
    assert_int_equal(replica_manager_find(r.manager, slice_str("t"), 0, &p), ERR_NOT_LEADER);
    for (int32_t i = 0; i < 5; i++) {
        assert_int_equal(tell(&r, "t", 1, i, 1), ERR_OK);
        for (int32_t k = 0; k <= i; k++) {
            assert_int_equal(append(&r, "t", i, &end), ERR_OK);
        }
    }
    room_close(&r);
    assert_true(file_there(dir, ".kafka_cleanshutdown"));

    room_open(&r, dir);
    assert_true(log_dirs_were_clean(r.dirs));
    // Loaded, but nobody leads it before the controller has said so.
    assert_int_equal(append(&r, "t", 0, &end), ERR_NOT_LEADER);
    for (int32_t i = 0; i < 5; i++) {
        assert_int_equal(tell(&r, "t", 1, i, 1), ERR_OK);
        assert_int_equal(latest(&r, "t", i), 5 * (i + 1));
    }
    assert_int_equal(append(&r, "t", 4, &end), ERR_OK);
    assert_int_equal(end, 30);
    room_close(&r);
    test_dir_remove(dir);
}

// The process dies with the logs open. What was written is found again, though no checkpoint tells of it.
static void test_reopen_after_an_unclean_stop(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    pid_t child = fork();
    if (child == 0) {
        struct room r;
        int64_t end = 0;
        room_open(&r, dir);
        bool good = tell(&r, "t", 1, 0, 1) == ERR_OK && tell(&r, "u", 2, 0, 1) == ERR_OK;
        for (int i = 0; good && i < 20; i++) {
            good = append(&r, "t", 0, &end) == ERR_OK;
        }
        _exit(good && end == 100 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct room r;
    room_open(&r, dir);
    assert_false(log_dirs_were_clean(r.dirs));
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    assert_int_equal(tell(&r, "u", 2, 0, 1), ERR_OK);
    assert_int_equal(latest(&r, "t", 0), 100);
    assert_int_equal(latest(&r, "u", 0), 0);
    room_close(&r);
    test_dir_remove(dir);
}

static enum err tell_in(struct room *r, int32_t leader, int32_t epoch)
{
    r->epoch = epoch;
    return tell(r, "t", 1, 0, leader);
}

// What is said of an epoch that is known, or of an older one, changes nothing; of which leader nothing is said,
// anything.
static void test_old_news(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    struct room r;
    struct partition *p;
    int64_t end;
    room_open(&r, dir);
    assert_int_equal(tell_in(&r, 1, 4), ERR_OK);
    assert_int_equal(replica_manager_find(r.manager, slice_str("t"), 0, &p), ERR_OK);
    assert_int_equal(tell_in(&r, 1, 4), ERR_FENCED_EPOCH);
    assert_int_equal(tell_in(&r, -1, 4), ERR_FENCED_EPOCH);
    assert_int_equal(tell_in(&r, -1, 3), ERR_FENCED_EPOCH);
    assert_int_equal(tell_in(&r, 2, 3), ERR_FENCED_EPOCH);
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "t", 0, 3, false), ERR_FENCED_EPOCH);
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "t", 0, 3, true), ERR_FENCED_EPOCH);
    assert_int_equal(append(&r, "t", 0, &end), ERR_OK); // it leads as ever
    assert_int_equal(tell_in(&r, -1, 5), ERR_OK);
    assert_int_equal(append(&r, "t", 0, &end), ERR_NOT_LEADER);
    assert_int_equal(partition_leader_epoch(p), 4); // nobody leads in the other
    assert_int_equal(tell_in(&r, 1, 5), ERR_OK);
    assert_int_equal(append(&r, "t", 0, &end), ERR_OK);
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "t", 0, 5, false), ERR_OK);
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "t", 0, -2, true), ERR_OK);
    partition_unref(p);
    room_close(&r);
    test_dir_remove(dir);
}

static void test_removal(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    struct room r;
    struct partition *held, *p;
    int64_t end;
    room_open(&r, dir);
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    assert_int_equal(append(&r, "t", 0, &end), ERR_OK);
    assert_int_equal(replica_manager_find(r.manager, slice_str("t"), 0, &held), ERR_OK);
    // Stopped first: the data stays, nobody gets at it.
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "t", 0, -1, false), ERR_OK);
    assert_int_equal(append(&r, "t", 0, &end), ERR_NOT_LEADER);
    assert_true(file_there(dir, "t-0"));
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "t", 0, -1, true), ERR_OK);
    assert_false(file_there(dir, "t-0"));
    assert_int_equal(replica_manager_find(r.manager, slice_str("t"), 0, &p), ERR_NOT_LEADER);
    // A topic of the same name is another one, also for who still holds the first.
    assert_int_equal(tell(&r, "t", 2, 0, 1), ERR_OK);
    assert_int_equal(latest(&r, "t", 0), 0);
    struct partition_offset o = {.current_leader_epoch = -1, .timestamp = -1};
    assert_int_equal(partition_offset_for(held, &o), ERR_NOT_LEADER);
    partition_unref(held);
    // Removing what is not there is no error: a deletion that was cut off comes again.
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "nobody", 7, -1, true), ERR_OK);
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "nobody", 7, -1, false), ERR_OK);
    room_close(&r);
    test_dir_remove(dir);
}

static void test_leadership(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    struct room r;
    int64_t end;
    room_open(&r, dir);
    assert_int_equal(tell(&r, "t", 1, 0, -1), ERR_OK); // hosted, but without a leader
    assert_int_equal(append(&r, "t", 0, &end), ERR_NOT_LEADER);
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    assert_int_equal(append(&r, "t", 0, &end), ERR_OK);
    assert_int_equal(tell(&r, "t", 1, 0, 2), ERR_OK); // somebody else's now
    assert_int_equal(append(&r, "t", 0, &end), ERR_NOT_LEADER);
    assert_int_equal(tell(&r, "t", 9, 0, 1), ERR_INVALID); // the folder is another topic's
    room_close(&r);
    test_dir_remove(dir);
}

// The configs a topic has at its creation reach its log, and new ones do.
static void test_configs_reach_the_log(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    struct room r;
    int64_t end;
    room_open(&r, dir);
    r.config.max_message_bytes = 50;
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    assert_int_equal(append(&r, "t", 0, &end), ERR_BATCH_TOO_LARGE);
    r.config.max_message_bytes = 1000000;
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    assert_int_equal(append(&r, "t", 0, &end), ERR_OK);
    room_close(&r);
    test_dir_remove(dir);
}

// A deleted partition's folder waits as the broker says, whatever the topic says of its files.
static void test_deleted_folders_wait(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    struct room r;
    room_open(&r, dir);
    r.config.file_delete_delay_ms = 0;
    r.config.folder_delete_delay_ms = 60000;
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "t", 0, -1, true), ERR_OK);
    int64_t now_ms = os_mono_us(os_real()) / 1000;
    log_dir_sweep(log_dirs_at(r.dirs, 0), now_ms + 50000);
    assert_int_equal(folders_in(dir), 1);
    log_dir_sweep(log_dirs_at(r.dirs, 0), now_ms + 70000);
    assert_int_equal(folders_in(dir), 0);
    room_close(&r);
    test_dir_remove(dir);
}

static void test_partitions_stay_where_they_are(void **state)
{
    (void)state;
    struct pair pair;
    struct room r;
    int64_t end;
    pair_new(&pair);
    room_open_pair(&r, &pair);
    for (int32_t i = 0; i < 4; i++) {
        assert_int_equal(tell(&r, "t", 1, i, 1), ERR_OK);
        assert_int_equal(append(&r, "t", i, &end), ERR_OK);
    }
    assert_true(file_there(pair.a, "t-0") && file_there(pair.b, "t-1") && file_there(pair.a, "t-2"));
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "t", 1, -1, true), ERR_OK);
    room_close(&r);
    assert_true(file_there(pair.a, ".kafka_cleanshutdown") && file_there(pair.b, ".kafka_cleanshutdown"));
    room_open_pair(&r, &pair);
    for (int32_t i = 3; i >= 0; i--) {
        assert_int_equal(tell(&r, "t", 1, i, 1), ERR_OK);
        assert_int_equal(latest(&r, "t", i), i == 1 ? 0 : 5);
    }
    assert_true(file_there(pair.b, "t-1") && file_there(pair.b, "t-3")); // the second had fewer
    room_close(&r);
    test_dir_remove(pair.dir);
}

static void test_the_same_partition_twice(void **state)
{
    (void)state;
    struct pair pair;
    struct room r;
    pair_new(&pair);
    room_open(&r, pair.a);
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    room_close(&r);
    room_open(&r, pair.b);
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    room_close(&r);
    r = (struct room){.paths = {pair.a, pair.b}, .paths_count = 2};
    assert_int_equal(room_try(&r), ERR_EXISTS);
    room_leave(&r);
    test_dir_remove(pair.dir);
}

// What lay in the directory that cannot be used is offline; it is not made anew in the other one.
static void test_a_directory_is_offline_at_the_start(void **state)
{
    (void)state;
    struct pair pair;
    struct room r;
    struct partition *p;
    int64_t end;
    pair_new(&pair);
    room_open_pair(&r, &pair);
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    assert_int_equal(tell(&r, "t", 1, 1, 1), ERR_OK);
    assert_int_equal(append(&r, "t", 1, &end), ERR_OK);
    room_close(&r);
    char away[TEST_PATH_MAX_BYTES];
    test_path(away, pair.dir, "away");
    assert_int_equal(rename(pair.b, away), 0);
    assert_int_equal(symlink("nowhere/at/all", pair.b), 0);
    room_open_pair(&r, &pair);
    assert_int_equal(tell_as(&r, "t", 1, 0, 1, false), ERR_OK);
    assert_int_equal(tell_as(&r, "t", 1, 1, 1, false), ERR_FAILED);
    assert_int_equal(replica_manager_find(r.manager, slice_str("t"), 1, &p), ERR_FAILED);
    assert_int_equal(r.hooks.partition_removed(r.hooks.ctx, "t", 1, -1, true), ERR_FAILED); // not now
    assert_int_equal(tell(&r, "u", 2, 0, 1), ERR_OK);                                       // a new one is
    room_close(&r);
    assert_int_equal(unlink(pair.b), 0);
    assert_int_equal(rename(away, pair.b), 0);
    room_open_pair(&r, &pair);
    assert_int_equal(tell_as(&r, "t", 1, 1, 1, false), ERR_OK);
    assert_int_equal(latest(&r, "t", 1), 5);
    room_close(&r);
    test_dir_remove(pair.dir);
}

// A log that cannot be opened takes its directory along, but not the other one.
static void test_a_log_cannot_be_loaded(void **state)
{
    (void)state;
    struct pair pair;
    struct room r;
    struct partition *p;
    pair_new(&pair);
    room_open_pair(&r, &pair);
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    assert_int_equal(tell(&r, "t", 1, 1, 1), ERR_OK);
    room_close(&r);
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, pair.b, "t-1/00000000000000000000.log");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    r = (struct room){.paths = {pair.a, pair.b}, .paths_count = 2};
    assert_int_equal(room_try(&r), ERR_OK);
    assert_false(log_dirs_online(r.dirs, 1));
    assert_int_equal(tell_as(&r, "t", 1, 0, 1, false), ERR_OK);
    assert_int_equal(tell_as(&r, "t", 1, 1, 1, false), ERR_FAILED);
    assert_int_equal(replica_manager_find(r.manager, slice_str("t"), 1, &p), ERR_FAILED);
    room_close(&r);
    r = (struct room){.paths = {pair.b}, .paths_count = 1}; // with that one alone there is nothing to do
    assert_int_equal(room_try(&r), ERR_FAILED);
    room_leave(&r);
    test_dir_remove(pair.dir);
}

static enum err move(struct room *r, const char *topic, int32_t partition, const char *path)
{
    return replica_manager_move(r->manager, slice_str(topic), partition, slice_str(path));
}

static const char *place(struct room *r, const char *topic, int32_t partition)
{
    struct partition *p;
    assert_int_equal(replica_manager_find(r->manager, slice_str(topic), partition, &p), ERR_OK);
    const char *path = log_dir_path(partition_directory(p));
    partition_unref(p);
    return path;
}

static void wait_until_at(struct room *r, const char *topic, int32_t partition, const char *path)
{
    while (strcmp(place(r, topic, partition), path) != 0) {
        sched_yield();
    }
}

static void test_moves(void **state)
{
    (void)state;
    struct pair pair;
    struct room r;
    int64_t end = 0;
    pair_new(&pair);
    room_open_pair(&r, &pair);
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(append(&r, "t", 0, &end), ERR_OK);
    }
    assert_int_equal(move(&r, "t", 0, "/nowhere"), ERR_NOT_FOUND);
    assert_int_equal(move(&r, "t", 0, pair.a), ERR_OK); // there already
    assert_int_equal(move(&r, "t", 0, pair.b), ERR_OK);
    wait_until_at(&r, "t", 0, pair.b);
    assert_int_equal(latest(&r, "t", 0), 250);
    assert_int_equal(append(&r, "t", 0, &end), ERR_OK);
    assert_int_equal(end, 255);
    assert_true(file_there(pair.b, "t-0"));
    assert_false(file_there(pair.a, "t-0"));
    // What is not here yet is made where it was asked for.
    assert_int_equal(move(&r, "u", 4, pair.b), ERR_NOT_LEADER);
    assert_int_equal(tell(&r, "u", 2, 4, 1), ERR_OK);
    assert_string_equal(place(&r, "u", 4), pair.b);
    log_dir_fail(log_dirs_at(r.dirs, 0), ERR_IO, "x", "writing");
    assert_int_equal(move(&r, "t", 0, pair.a), ERR_FAILED);
    assert_int_equal(move(&r, "t", 0, pair.b), ERR_OK);
    room_close(&r);
    test_dir_remove(pair.dir);
}

// The copy that was begun lies there at the next start, and goes on once the controller has spoken.
static void test_a_move_goes_on_after_a_restart(void **state)
{
    (void)state;
    struct pair pair;
    struct room r;
    struct partition *p;
    int64_t end = 0;
    pair_new(&pair);
    room_open_pair(&r, &pair);
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    assert_int_equal(append(&r, "t", 0, &end), ERR_OK);
    assert_int_equal(replica_manager_find(r.manager, slice_str("t"), 0, &p), ERR_OK);
    assert_int_equal(partition_move_begin(p, log_dirs_at(r.dirs, 1)), ERR_OK); // and nobody works on it
    partition_unref(p);
    room_close(&r);
    room_open_pair(&r, &pair);
    assert_string_equal(place(&r, "t", 0), pair.a);
    assert_int_equal(tell(&r, "t", 1, 0, 1), ERR_OK);
    wait_until_at(&r, "t", 0, pair.b);
    assert_int_equal(latest(&r, "t", 0), 5);
    room_close(&r);
    test_dir_remove(pair.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reopen_after_an_unclean_stop), // forks: before there are any threads
        cmocka_unit_test(test_settles),
        cmocka_unit_test(test_reopen_after_a_clean_stop),
        cmocka_unit_test(test_old_news),
        cmocka_unit_test(test_removal),
        cmocka_unit_test(test_leadership),
        cmocka_unit_test(test_configs_reach_the_log),
        cmocka_unit_test(test_deleted_folders_wait),
        cmocka_unit_test(test_partitions_stay_where_they_are),
        cmocka_unit_test(test_the_same_partition_twice),
        cmocka_unit_test(test_a_directory_is_offline_at_the_start),
        cmocka_unit_test(test_a_log_cannot_be_loaded),
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_a_move_goes_on_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
