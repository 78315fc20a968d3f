// SPDX-License-Identifier: Apache-2.0
//
// The environment of the tests of a log.
#include "log/tests/log_env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"
#include "log/tests/fixture.h"

int env_fsync(const struct os *os, int fd)
{
    struct test_os *t = os->ctx;
    (void)fd;
    t->calls[TEST_OS_FSYNC]++;
    if (t->fail_from[TEST_OS_FSYNC] > 0 && t->calls[TEST_OS_FSYNC] >= t->fail_from[TEST_OS_FSYNC]) {
        errno = t->fail_errno;
        return -1;
    }
    return 0;
}

enum err env_try_open(struct env *e)
{
    enum err err = log_dir_open(&e->os.os, e->path, &e->dir);
    if (err) {
        return err;
    }
    err = log_open(e->dir, ENV_TOPIC, 0, &e->config, &e->log);
    if (err) {
        log_dir_close(e->dir, false);
        e->dir = NULL;
    }
    return err;
}

void env_open(struct env *e)
{
    assert_int_equal(env_try_open(e), ERR_OK);
}

void env_start(struct env *e)
{
    *e = (struct env){.path = test_dir_new()};
    test_os_init(&e->os);
    e->os.os.fsync = env_fsync;
    e->os.now_wall_ms = ENV_TIME_MS;
    arena_init(&e->scratch, 16 << 20);
    log_config_init(&e->config);
    e->config.segment_bytes = 2000;
    e->config.segment_ms = INT64_MAX;
    e->config.index_interval_bytes = 200;
    e->config.max_message_bytes = 1 << 20;
    struct uuid id;
    uuid_random(os_real(), &id);
    assert_int_equal(log_dir_open(&e->os.os, e->path, &e->dir), ERR_OK);
    assert_int_equal(log_create(e->dir, ENV_TOPIC, 0, &id, &e->config, &e->log), ERR_OK);
}

void env_close(struct env *e)
{
    if (e->log != NULL) {
        enum err err = log_close(e->log);
        log_dir_close(e->dir, err == ERR_OK);
    }
    e->log = NULL;
    e->dir = NULL;
}

void env_stop(struct env *e)
{
    env_close(e);
    arena_release(&e->scratch);
    test_dir_remove(e->path);
}

void env_reopen(struct env *e)
{
    env_close(e);
    env_open(e);
}

void env_crash(struct env *e)
{
    char *image = fixture_copy(e->path);
    env_close(e);
    test_dir_remove(e->path);
    e->path = image;
    env_open(e);
}

static enum err append_batch(struct env *e, const struct batch *header, enum log_append_origin origin,
                             int32_t leader_epoch)
{
    struct writer records;
    size_t len;
    writer_init(&records, 1024, 1 << 20);
    test_add_records(&records, header->count, 40);
    uint8_t *data = test_batch(header, PACK_NONE, writer_slice(&records), &len);
    writer_release(&records);
    e->last = (struct log_append){
        .data = data, .len = len, .origin = origin, .leader_epoch = leader_epoch, .now_ms = e->os.now_wall_ms};
    enum err err = log_append(e->log, &e->last, &e->scratch);
    arena_reset(&e->scratch);
    free(data);
    e->last.data = NULL;
    return err;
}

enum err env_append_batch(struct env *e, const struct batch *header, enum log_append_origin origin)
{
    return append_batch(e, header, origin, 0);
}

enum err env_append_in_epoch(struct env *e, const struct batch *header, int32_t leader_epoch)
{
    return append_batch(e, header, LOG_FROM_CLIENT, leader_epoch);
}

enum err env_append_at(struct env *e, int64_t timestamp, int32_t records, size_t value_len)
{
    size_t len;
    if (timestamp < 0) {
        timestamp = ENV_TIME_MS + (int64_t)e->batches * 1000;
    }
    uint8_t *data = test_simple_batch(PACK_NONE, records, value_len, &len);
    struct batch b;
    assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
    store_be64(data + 27, (uint64_t)timestamp);
    store_be64(data + 35, (uint64_t)(timestamp + records - 1));
    test_seal(data, len);
    e->last = (struct log_append){.data = data, .len = len, .origin = LOG_FROM_CLIENT, .now_ms = e->os.now_wall_ms};
    enum err err = log_append(e->log, &e->last, &e->scratch);
    arena_reset(&e->scratch);
    free(data);
    e->last.data = NULL;
    e->batches += err == ERR_OK;
    return err;
}

enum err env_append(struct env *e)
{
    return env_append_at(e, -1, ENV_RECORDS, 40);
}

void env_append_many(struct env *e, int n)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(env_append(e), ERR_OK);
    }
}

enum err env_append_marker(struct env *e, int64_t producer_id, int16_t producer_epoch, bool commit)
{
    struct writer records;
    size_t len;
    struct batch h = test_header(1);
    h.attributes = BATCH_ATTR_TRANSACTIONAL | BATCH_ATTR_CONTROL;
    h.base_timestamp = e->os.now_wall_ms;
    h.max_timestamp = e->os.now_wall_ms;
    h.producer_id = producer_id;
    h.producer_epoch = producer_epoch;
    writer_init(&records, 64, 1024);
    test_add_record(&records, 0, 0, slice_of(commit ? "\0\0\0\1" : "\0\0\0\0", 4), slice_of("\0\0\0\0\0\0", 6), 0);
    uint8_t *data = test_batch(&h, PACK_NONE, writer_slice(&records), &len);
    writer_release(&records);
    e->last = (struct log_append){.data = data, .len = len, .origin = LOG_FROM_COORDINATOR, .now_ms = h.max_timestamp};
    enum err err = log_append(e->log, &e->last, &e->scratch);
    free(data);
    e->last.data = NULL;
    return err;
}

struct reading {
    int64_t next_offset;
    int64_t records;
};

static void read_batch(void *ctx, const struct log_read *r, int64_t position, const uint8_t *data,
                       const struct batch *b)
{
    (void)r;
    (void)position;
    struct reading *reading = ctx;
    assert_true(batch_crc_ok(data, b));
    bool begins_inside = reading->records == 0 && b->base_offset < reading->next_offset;
    assert_true(begins_inside || b->base_offset == reading->next_offset);
    reading->next_offset = batch_last_offset(b) + 1;
    reading->records += b->count;
}

int64_t env_read_all(struct env *e, int64_t offset)
{
    struct reading reading = {.next_offset = offset};
    fixture_consume(e->log, offset, log_end_offset(e->log), 1000, read_batch, &reading);
    assert_int_equal(reading.next_offset, log_end_offset(e->log));
    return reading.records;
}

void env_file(const struct env *e, const char *name, char out[TEST_PATH_MAX_BYTES])
{
    int n = snprintf(out, TEST_PATH_MAX_BYTES, "%s/%s-0/%s", e->path, ENV_TOPIC, name);
    assert_true(n < TEST_PATH_MAX_BYTES);
}

bool env_has(const struct env *e, const char *name)
{
    char path[TEST_PATH_MAX_BYTES];
    env_file(e, name, path);
    return fixture_exists(path);
}

void env_write_file(const struct env *e, const char *name, const void *data, size_t len)
{
    char path[TEST_PATH_MAX_BYTES];
    env_file(e, name, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

int64_t env_file_size(const struct env *e, const char *name)
{
    char path[TEST_PATH_MAX_BYTES];
    struct stat st;
    env_file(e, name, path);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}
