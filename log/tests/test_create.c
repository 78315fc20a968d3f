// SPDX-License-Identifier: Apache-2.0
//
// The birth of a log: it costs whoever makes it no fsync, and whatever a crash leaves of it at any moment is opened or
// made anew, by this broker and by Kafka.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/power.h"
#include "log/tests/batch_builder.h"
#include "log/tests/fixture.h"
#include "log/tests/log_env.h"

#define EPOCH 7

// What had returned when the crash came.
enum stage {
    STAGE_NOTHING,
    STAGE_CREATED,  // log_create
    STAGE_LED,      // log_begin_epoch
    STAGE_SETTLED,  // log_flush
    STAGE_APPENDED, // an append and its log_flush
};

struct birth {
    struct env env; // opened through `power`
    struct power power;
    char *root;
    char *images;
    char data[TEST_PATH_MAX_BYTES];
    struct uuid id;
    char metadata[64]; // as Kafka writes it
    uint64_t chance;
    enum stage stage;
    int checked;
};

// A crash is the end of the process alone, or of the power.
static bool is_certain(const struct birth *b, enum power_luck luck, enum stage stage)
{
    return b->stage >= (luck == POWER_EVERYTHING ? stage : STAGE_SETTLED) && b->stage >= stage;
}

// Kafka does not start with a partition.metadata that is empty or cut off.
static void check_metadata(const struct birth *b, const struct env *image)
{
    char *text;
    size_t len;
    char path[TEST_PATH_MAX_BYTES];
    if (env_has(image, "partition.metadata")) {
        env_file(image, "partition.metadata", path);
        text = test_file(path, &len);
        assert_string_equal(text, b->metadata);
        free(text);
    }
}

static void check_opened(const struct birth *b, struct env *image, enum power_luck luck)
{
    bool named = !uuid_is_zero(log_topic_id(image->log));
    assert_true(named || !is_certain(b, luck, STAGE_CREATED));
    assert_true(!named || uuid_equal(log_topic_id(image->log), &b->id));
    if (is_certain(b, luck, STAGE_APPENDED)) {
        assert_int_equal(log_end_offset(image->log), ENV_RECORDS);
        assert_int_equal(log_latest_epoch(image->log), EPOCH);
    }
    if (!named) { // what a partition does
        assert_int_equal(log_set_topic_id(image->log, &b->id), ERR_OK);
    }
}

// The controller says again that there is such a partition.
static void check_made_anew(const struct birth *b, struct env *image, enum power_luck luck)
{
    assert_false(is_certain(b, luck, STAGE_CREATED));
    assert_int_equal(log_dir_open(&image->os.os, image->path, &image->dir), ERR_OK);
    assert_int_equal(log_create(image->dir, ENV_TOPIC, 0, &b->id, &image->config, &image->log), ERR_OK);
}

// What a crash leaves at this moment.
struct image {
    struct env env; // not opened
    char path[TEST_PATH_MAX_BYTES];
    char data[TEST_PATH_MAX_BYTES];
};

static void image_make(struct birth *b, enum power_luck luck, struct image *i)
{
    i->env = (struct env){.config = b->env.config, .path = i->data};
    test_path(i->path, b->images, "image");
    test_path(i->data, i->path, "data");
    power_image(&b->power, luck, &b->chance, i->path);
    test_os_init(&i->env.os);
    i->env.os.os.fsync = env_fsync;
}

static void check_image(struct birth *b, enum power_luck luck)
{
    struct image image;
    image_make(b, luck, &image);
    arena_init(&image.env.scratch, 16 << 20);
    check_metadata(b, &image.env);
    enum err err = env_try_open(&image.env);
    if (err == ERR_NOT_FOUND) {
        check_made_anew(b, &image.env, luck);
    } else {
        assert_int_equal(err, ERR_OK);
        check_opened(b, &image.env, luck);
    }
    assert_int_equal(env_append(&image.env), ERR_OK);
    env_close(&image.env);
    check_metadata(b, &image.env);
    assert_true(env_has(&image.env, "partition.metadata"));
    arena_release(&image.env.scratch);
    test_dir_delete(image.path);
    b->checked++;
}

static void before_change(void *ctx)
{
    static const enum power_luck lucks[] = {POWER_NOTHING, POWER_EVERYTHING, POWER_SOME, POWER_SOME, POWER_SOME};
    for (size_t i = 0; i < sizeof lucks / sizeof lucks[0]; i++) {
        check_image(ctx, lucks[i]);
    }
}

static void birth_init(struct birth *b)
{
    char id[UUID_TEXT_LEN + 1];
    *b = (struct birth){.chance = 1, .root = test_dir_new(), .images = test_dir_new()};
    test_path(b->data, b->root, "data");
    uuid_random(os_real(), &b->id);
    uuid_format(&b->id, id);
    snprintf(b->metadata, sizeof b->metadata, "version: 0\ntopic_id: %s", id);
    test_os_init(&b->env.os);
    b->env.os.now_wall_ms = ENV_TIME_MS;
    arena_init(&b->env.scratch, 16 << 20);
    log_config_init(&b->env.config);
    power_init(&b->power, &b->env.os.os, b->root);
}

static void birth_release(struct birth *b)
{
    env_close(&b->env);
    arena_release(&b->env.scratch);
    power_release(&b->power);
    test_dir_remove(b->root);
    test_dir_remove(b->images);
}

static void test_crash_at_any_moment(void **state)
{
    (void)state;
    struct birth b;
    struct batch header = test_header(ENV_RECORDS);
    birth_init(&b);
    header.base_timestamp = header.max_timestamp = ENV_TIME_MS;
    assert_int_equal(log_dir_open(&b.power.os, b.data, &b.env.dir), ERR_OK);
    b.power.ctx = &b;
    b.power.before = before_change;
    assert_int_equal(log_create(b.env.dir, ENV_TOPIC, 0, &b.id, &b.env.config, &b.env.log), ERR_OK);
    b.stage = STAGE_CREATED;
    before_change(&b);
    assert_int_equal(log_begin_epoch(b.env.log, EPOCH), ERR_OK);
    b.stage = STAGE_LED;
    before_change(&b);
    assert_int_equal(log_flush(b.env.log), ERR_OK);
    b.stage = STAGE_SETTLED;
    before_change(&b);
    assert_int_equal(env_append_in_epoch(&b.env, &header, EPOCH), ERR_OK);
    assert_int_equal(log_flush(b.env.log), ERR_OK);
    b.stage = STAGE_APPENDED;
    before_change(&b);
    b.power.before = NULL;
    birth_release(&b);
    assert_true(b.checked > 50);
}

// The process ends, and whatever it has not written with it; the next one opens what is there.
static void birth_kill(struct birth *b)
{
    struct env *e = &b->env;
    log_fail(e->log, ERR_IO, "nothing but this test");
    assert_int_equal(log_close(e->log), ERR_FAILED);
    log_dir_close(e->dir, false);
    assert_int_equal(log_dir_open(&b->power.os, b->data, &e->dir), ERR_OK);
    assert_int_equal(log_open(e->dir, ENV_TOPIC, 0, &e->config, &e->log), ERR_OK);
}

// What is promised from now on outlives a power failure, also where the process before has made the names.
static void check_promise(struct birth *b)
{
    struct image image;
    assert_int_equal(env_append(&b->env), ERR_OK);
    assert_int_equal(log_flush(b->env.log), ERR_OK);
    image_make(b, POWER_NOTHING, &image);
    env_open(&image.env);
    assert_int_equal(log_end_offset(image.env.log), log_end_offset(b->env.log));
    assert_true(uuid_equal(log_topic_id(image.env.log), &b->id));
    env_close(&image.env);
    test_dir_delete(image.path);
}

static void test_power_fails_after_a_kill(void **state)
{
    (void)state;
    struct birth b;
    birth_init(&b);
    b.env.config.segment_bytes = 2000;
    assert_int_equal(log_dir_open(&b.power.os, b.data, &b.env.dir), ERR_OK);
    assert_int_equal(log_create(b.env.dir, ENV_TOPIC, 0, &b.id, &b.env.config, &b.env.log), ERR_OK);
    birth_kill(&b);
    check_promise(&b);
    while (b.env.log->segments_count == 1) {
        assert_int_equal(env_append(&b.env), ERR_OK);
    }
    birth_kill(&b);
    check_promise(&b);
    birth_release(&b);
}

static void test_fsyncs(void **state)
{
    (void)state;
    enum {
        LOGS = 4
    };
    struct env e;
    struct log *logs[LOGS];
    struct uuid id;
    env_start(&e);
    uuid_random(os_real(), &id);
    e.os.calls[TEST_OS_FSYNC] = 0;
    for (int i = 0; i < LOGS; i++) {
        assert_int_equal(log_create(e.dir, "another", i, &id, &e.config, &logs[i]), ERR_OK);
        assert_int_equal(log_begin_epoch(logs[i], EPOCH), ERR_OK);
    }
    assert_int_equal(e.os.calls[TEST_OS_FSYNC], 0);
    // The id and the folder of each, and once the directory that holds them all.
    for (int i = 0; i < LOGS; i++) {
        assert_int_equal(log_flush(logs[i]), ERR_OK);
    }
    assert_int_equal(e.os.calls[TEST_OS_FSYNC], 2 * LOGS + 1);
    for (int i = 0; i < LOGS; i++) {
        assert_int_equal(log_flush(logs[i]), ERR_OK); // all is there
        assert_int_equal(log_close(logs[i]), ERR_OK);
    }
    env_stop(&e);
}

// Without room for its name the id has to wait, and takes nothing out of service.
static void test_no_room_for_the_name(void **state)
{
    (void)state;
    struct env e;
    env_start(&e);
    e.os.fail_errno = ENOSPC;
    e.os.fail_from[TEST_OS_RENAME] = e.os.calls[TEST_OS_RENAME] + 1;
    assert_int_equal(log_flush(e.log), ERR_AGAIN);
    assert_false(log_failed(e.log));
    assert_false(env_has(&e, "partition.metadata"));
    e.os.fail_from[TEST_OS_RENAME] = 0;
    assert_int_equal(log_flush(e.log), ERR_OK);
    assert_true(env_has(&e, "partition.metadata"));
    env_stop(&e);
}

// Without a descriptor it is made to last later, however far that has come, and nothing is taken out of service.
static void test_no_descriptor(void **state)
{
    (void)state;
    enum err err;
    int opens = 0;
    do {
        struct env e;
        env_start(&e);
        e.os.fail_errno = EMFILE;
        e.os.fail_from[TEST_OS_OPEN] = e.os.calls[TEST_OS_OPEN] + ++opens;
        err = log_flush(e.log);
        assert_true(err == ERR_AGAIN || err == ERR_OK);
        e.os.fail_from[TEST_OS_OPEN] = 0;
        assert_int_equal(log_flush(e.log), ERR_OK);
        assert_true(env_has(&e, "partition.metadata"));
        env_stop(&e);
    } while (err != ERR_OK);
    assert_int_equal(opens, 4); // all but the last found one file or folder that it could not open
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash_at_any_moment),
        cmocka_unit_test(test_power_fails_after_a_kill),
        cmocka_unit_test(test_fsyncs),
        cmocka_unit_test(test_no_room_for_the_name),
        cmocka_unit_test(test_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
