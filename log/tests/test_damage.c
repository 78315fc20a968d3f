// SPDX-License-Identifier: Apache-2.0
//
// Damaged files beside the records: each torn, emptied, missing, full of zeros or of chance bytes, after a clean stop
// and after a kill. The log opens with the same offsets, records, epochs, producers, transactions and answers by time.
// And damaged records: found where they are interpreted, never taken for good ones.
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"
#include "log/tests/fixture.h"
#include "log/tests/log_env.h"

#define PRODUCER     5
#define TXN_PRODUCER 9

// ---- a log with something of everything ----------------------------------------------------------------------------

struct scene {
    struct env env;
    struct batch last; // of the idempotent producer
    int64_t aborted_first;
    int64_t end;
    int64_t second_epoch; // where it begins
};

static void append_idempotent(struct scene *s, int32_t sequence)
{
    struct batch b = test_header(2);
    b.producer_id = PRODUCER;
    b.producer_epoch = 0;
    b.base_sequence = sequence;
    b.base_timestamp = ENV_TIME_MS;
    b.max_timestamp = ENV_TIME_MS + 1;
    assert_int_equal(env_append_batch(&s->env, &b, LOG_FROM_CLIENT), ERR_OK);
    s->last = b;
}

static void append_aborted(struct scene *s)
{
    struct batch b = test_header(1);
    b.attributes = BATCH_ATTR_TRANSACTIONAL;
    b.producer_id = TXN_PRODUCER;
    b.producer_epoch = 0;
    b.base_sequence = 0;
    b.base_timestamp = ENV_TIME_MS;
    b.max_timestamp = ENV_TIME_MS;
    assert_int_equal(env_append_batch(&s->env, &b, LOG_FROM_CLIENT), ERR_OK);
    s->aborted_first = s->env.last.first_offset;
    assert_int_equal(env_append_marker(&s->env, TXN_PRODUCER, 0, false), ERR_OK);
}

static void scene_start(struct scene *s)
{
    *s = (struct scene){.end = 0};
    env_start(&s->env);
    env_append_many(&s->env, 3);
    append_idempotent(s, 0);
    append_aborted(s);
    env_append_many(&s->env, 8);
    append_idempotent(s, 2);
    assert_int_equal(log_begin_epoch(s->env.log, 1), ERR_OK);
    s->second_epoch = log_end_offset(s->env.log);
    struct batch later = test_header(3);
    later.base_timestamp = ENV_TIME_MS + 100000;
    later.max_timestamp = ENV_TIME_MS + 100002;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(env_append_in_epoch(&s->env, &later, 1), ERR_OK);
    }
    s->end = log_end_offset(s->env.log);
    log_set_high_watermark(s->env.log, s->end);
    assert_true(s->env.log->segments_count >= 3);
}

static void check_same(struct scene *s)
{
    struct env *e = &s->env;
    int64_t offset;
    int64_t timestamp;
    int32_t epoch;
    struct log_aborted_txn *list;
    int32_t n;
    assert_int_equal(log_start_offset(e->log), 0);
    assert_int_equal(log_end_offset(e->log), s->end);
    env_read_all(e, 0);
    assert_int_equal(log_latest_epoch(e->log), 1);
    assert_int_equal(log_epoch_at(e->log, s->second_epoch - 1), 0);
    assert_int_equal(log_epoch_at(e->log, s->second_epoch), 1);
    assert_int_equal(log_offset_by_time(e->log, ENV_TIME_MS + 1000, s->end, &offset, &timestamp, &epoch), ERR_OK);
    assert_int_equal(offset, ENV_RECORDS);
    assert_int_equal(log_offset_by_time(e->log, ENV_TIME_MS + 100000, s->end, &offset, &timestamp, &epoch), ERR_OK);
    assert_int_equal(offset, s->second_epoch);
    struct log_read r = {.offset = s->aborted_first, .max_offset = INT64_MAX, .max_bytes = 1 << 20};
    assert_int_equal(log_read(e->log, &r), ERR_OK);
    assert_int_equal(log_aborted_transactions(e->log, &r, &e->scratch, &list, &n), ERR_OK);
    assert_int_equal(n, 1);
    assert_int_equal(list[0].first_offset, s->aborted_first);
    log_file_unref(r.file);
    arena_reset(&e->scratch);
    assert_int_equal(env_append_batch(e, &s->last, LOG_FROM_CLIENT), ERR_OK);
    assert_true(e->last.duplicate);
    assert_int_equal(log_end_offset(e->log), s->end);
}

// ---- damage --------------------------------------------------------------------------------------------------------

enum damage {
    DAMAGE_TORN,
    DAMAGE_EMPTY,
    DAMAGE_MISSING,
    DAMAGE_ZEROS,
    DAMAGE_RANDOM,
    DAMAGE_COUNT,
};

static void damage_file(const char *path, enum damage how)
{
    struct test_random random = {.state = 99};
    size_t len;
    char *data = test_file(path, &len);
    size_t kept = how == DAMAGE_TORN ? len / 2 + 1 : how == DAMAGE_EMPTY ? 0 : len;
    for (size_t i = 0; i < len && how >= DAMAGE_ZEROS; i++) {
        data[i] = how == DAMAGE_ZEROS ? '\0' : (char)test_random_next(&random);
    }
    assert_int_equal(unlink(path), 0);
    if (how != DAMAGE_MISSING) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(data, 1, kept, f), kept);
        assert_int_equal(fclose(f), 0);
    }
    free(data);
}

// Stops a scene, damages one of its files, and opens it again.
static void check_file(const char *where, const char *name, enum damage how, bool clean)
{
    struct scene s;
    char path[TEST_PATH_MAX_BYTES];
    char file[TEST_PATH_MAX_BYTES];
    scene_start(&s);
    if (clean) {
        env_close(&s.env);
    } else {
        assert_int_equal(log_flush(s.env.log), ERR_OK);
        assert_int_equal(log_dir_checkpoint(s.env.dir), ERR_OK);
        char *image = fixture_copy(s.env.path);
        env_close(&s.env);
        test_dir_remove(s.env.path);
        s.env.path = image;
    }
    snprintf(file, sizeof file, "%s%s", where, name);
    test_path(path, s.env.path, file);
    damage_file(path, how);
    env_open(&s.env);
    check_same(&s);
    env_reopen(&s.env); // and from then on as if nothing had happened
    check_same(&s);
    env_stop(&s.env);
}

static void check_damages(const char *where, const char *name)
{
    for (int how = 0; how < DAMAGE_COUNT; how++) {
        check_file(where, name, (enum damage)how, true);
        check_file(where, name, (enum damage)how, false);
    }
}

#define IN_FOLDER ENV_TOPIC "-0/"

static void test_indexes(void **state)
{
    (void)state;
    check_damages(IN_FOLDER, "00000000000000000000.index");
    check_damages(IN_FOLDER, "00000000000000000000.timeindex");
    // Nobody can tell a transaction index that was deleted while the broker was stopped from one that never was.
    for (int how = 0; how < DAMAGE_COUNT; how++) {
        if (how != DAMAGE_MISSING) {
            check_file(IN_FOLDER, "00000000000000000000.txnindex", (enum damage)how, true);
            check_file(IN_FOLDER, "00000000000000000000.txnindex", (enum damage)how, false);
        }
    }
}

// The indexes and the snapshot of the segment that ends the log.
static void test_at_the_end(void **state)
{
    (void)state;
    struct scene s;
    char names[3][NAME_FILE_MAX];
    scene_start(&s);
    int64_t base = log_active(s.env.log)->base_offset;
    file_name_format(names[0], base, NAME_INDEX, NAME_LIVE);
    file_name_format(names[1], base, NAME_TIME_INDEX, NAME_LIVE);
    file_name_format(names[2], base, NAME_SNAPSHOT, NAME_LIVE);
    env_stop(&s.env);
    for (int i = 0; i < 3; i++) {
        check_damages(IN_FOLDER, names[i]);
    }
}

static void test_checkpoints(void **state)
{
    (void)state;
    check_damages(IN_FOLDER, "leader-epoch-checkpoint");
    check_damages(IN_FOLDER, "partition.metadata");
    check_damages("", "recovery-point-offset-checkpoint");
    check_damages("", "replication-offset-checkpoint");
}

// ---- damaged records -----------------------------------------------------------------------------------------------

// Flips a bit of the last record of the batch that ends at `offset`.
static void flip_record(struct scene *s, int64_t offset)
{
    struct log_read r = {.offset = offset, .max_offset = offset + 1, .max_bytes = 1, .min_one = true};
    assert_int_equal(log_read(s->env.log, &r), ERR_OK);
    uint8_t byte;
    int64_t at = r.position + (int64_t)r.len - 3;
    assert_int_equal(pread(log_file_fd(r.file), &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(log_file_fd(r.file), &byte, 1, at), 1);
    log_file_unref(r.file);
}

static void test_flipped_bit_in_a_record(void **state)
{
    (void)state;
    struct scene s;
    int64_t offset;
    int64_t timestamp;
    int32_t epoch;
    size_t consumed;
    scene_start(&s);
    flip_record(&s, 2);
    // By time: the record is inside the batch.
    assert_int_equal(log_offset_by_time(s.env.log, ENV_TIME_MS + 1, s.end, &offset, &timestamp, &epoch), ERR_CORRUPT);
    // Converted for an old client, which would get a new sum over the damage.
    struct log_read r = {.offset = 0, .max_offset = 3, .max_bytes = 1 << 20};
    assert_int_equal(log_read(s.env.log, &r), ERR_OK);
    struct log_conversion c = {.file = r.file, .position = r.position, .len = r.len, .magic = 1};
    assert_int_equal(log_convert_down(os_real(), &c, &s.env.scratch), ERR_CORRUPT);
    // As a coordinator loads it.
    uint8_t *data = fixture_bytes(log_file_fd(r.file), r.position, r.len);
    assert_int_equal(log_batches_each(slice_of(data, r.len), NULL, NULL, &consumed), ERR_CORRUPT);
    free(data);
    log_file_unref(r.file);
    env_stop(&s.env);
}

// An index entry that leads into the midst of a batch, or too far: the batches are found all the same.
static void test_flipped_bits_in_an_index(void **state)
{
    (void)state;
    struct scene s;
    char path[TEST_PATH_MAX_BYTES];
    scene_start(&s);
    env_close(&s.env);
    env_file(&s.env, "00000000000000000000.index", path);
    size_t len;
    char *data = test_file(path, &len);
    assert_true(len >= 4 * 8);
    for (size_t bit = 0; bit < (len - 16) * 8; bit += 5) { // its end is looked at when it is opened
        data[bit / 8] = (char)(data[bit / 8] ^ (1 << bit % 8));
        env_write_file(&s.env, "00000000000000000000.index", data, len);
        data[bit / 8] = (char)(data[bit / 8] ^ (1 << bit % 8));
        env_open(&s.env);
        for (int64_t offset = 0; offset < s.end; offset++) {
            struct log_read r = {.offset = offset, .max_offset = INT64_MAX, .max_bytes = 1, .min_one = true};
            struct batch b;
            assert_int_equal(log_read(s.env.log, &r), ERR_OK);
            uint8_t *bytes = fixture_bytes(log_file_fd(r.file), r.position, r.len);
            assert_int_equal(batch_read_header(bytes, r.len, &b), ERR_OK);
            assert_true(b.base_offset <= offset && offset <= batch_last_offset(&b));
            free(bytes);
            log_file_unref(r.file);
        }
        env_close(&s.env);
    }
    free(data);
    env_stop(&s.env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_indexes),
        cmocka_unit_test(test_at_the_end),
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_flipped_bit_in_a_record),
        cmocka_unit_test(test_flipped_bits_in_an_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
