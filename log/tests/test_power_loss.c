// SPDX-License-Identifier: Apache-2.0
//
// Power loss at every change of a history of a log with flush.messages=1: whatever of the changes since the last fsync
// is on the disk, everything acknowledged survives, and the log can be used.
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/power.h"
#include "log/tests/batch_builder.h"
#include "log/tests/fixture.h"
#include "log/tests/log_env.h"

#define HISTORY_BATCHES_MAX 400
#define HISTORY_IMAGES_MAX  400 // of one action
#define PRODUCERS           3
#define TXN_PRODUCER        100

struct written {
    int64_t base_offset;
    int64_t last_offset;
    uint32_t crc;
    bool acked;
};

// What was acknowledged.
struct acked {
    int64_t end_offset;
    int64_t start_offset;         // records below may be there or not
    int32_t epoch;                // begun
    bool created;                 // the log
    struct batch last[PRODUCERS]; // by producer id
    int64_t aborted_first;        // first offset of the last aborted transaction, -1 = none
};

struct history {
    struct env env; // its log and directory are opened through `power`
    struct power power;
    char *root;
    char data[TEST_PATH_MAX_BYTES];
    uint64_t chance;
    struct written written[HISTORY_BATCHES_MAX];
    int written_count;
    struct acked acked;
    int32_t next_sequence[PRODUCERS];
    int images; // of the running action
    int checked;
};

// ---- images --------------------------------------------------------------------------------------------------------

static void image_path(const struct history *h, int i, char out[TEST_PATH_MAX_BYTES])
{
    int n = snprintf(out, TEST_PATH_MAX_BYTES, "%s/image-%d", h->env.path, i);
    assert_true(n < TEST_PATH_MAX_BYTES);
}

static void history_before_change(void *ctx)
{
    struct history *h = ctx;
    static const enum power_luck lucks[] = {POWER_NOTHING, POWER_SOME, POWER_SOME};
    char path[TEST_PATH_MAX_BYTES];
    assert_true(h->images < HISTORY_IMAGES_MAX);
    image_path(h, h->images++, path);
    power_image(&h->power, lucks[h->power.steps % 3], &h->chance, path);
}

struct checking {
    const struct history *h;
    int next; // of h->written
    int64_t start_offset;
};

// Every batch is one that was written; none that was acknowledged is left out.
static void check_batch(void *ctx, const struct log_read *r, int64_t position, const uint8_t *data,
                        const struct batch *b)
{
    (void)r;
    (void)position;
    struct checking *c = ctx;
    assert_true(batch_crc_ok(data, b));
    while (c->next < c->h->written_count && c->h->written[c->next].base_offset < b->base_offset) {
        const struct written *w = &c->h->written[c->next++];
        assert_true(!w->acked || w->last_offset < c->start_offset);
    }
    assert_true(c->next < c->h->written_count);
    assert_int_equal(c->h->written[c->next].base_offset, b->base_offset);
    assert_int_equal(c->h->written[c->next].crc, b->crc);
    c->next++;
}

static void check_records(const struct history *h, struct log *l)
{
    assert_true(log_end_offset(l) >= h->acked.end_offset);
    assert_true(log_start_offset(l) <= h->acked.start_offset);
    struct checking c = {.h = h, .start_offset = h->acked.start_offset};
    fixture_consume(l, log_start_offset(l), log_end_offset(l), 1000, check_batch, &c);
    for (; c.next < h->written_count; c.next++) {
        assert_false(h->written[c.next].acked);
    }
}

// The last acknowledged batch of each producer, sent again, is known. A producer whose records were all deleted is
// forgotten by a restart, as in Kafka.
static void check_producers(const struct history *h, struct env *image)
{
    for (int i = 0; i < PRODUCERS; i++) {
        struct batch again = h->acked.last[i];
        if (again.count > 0 && again.base_offset >= h->acked.start_offset) {
            again.base_offset = 0;
            assert_int_equal(env_append_batch(image, &again, LOG_FROM_CLIENT), ERR_OK);
            assert_true(image->last.duplicate);
            assert_int_equal(image->last.first_offset, h->acked.last[i].base_offset);
        }
    }
}

static void check_aborted(const struct history *h, struct env *image)
{
    struct log_aborted_txn *list;
    int32_t n;
    struct log_read r = {.offset = h->acked.aborted_first, .max_offset = INT64_MAX, .max_bytes = 1 << 20};
    if (h->acked.aborted_first < h->acked.start_offset) {
        return;
    }
    assert_int_equal(log_read(image->log, &r), ERR_OK);
    assert_non_null(r.file);
    assert_int_equal(log_aborted_transactions(image->log, &r, &image->scratch, &list, &n), ERR_OK);
    log_file_unref(r.file);
    assert_true(n > 0);
    assert_int_equal(list[0].producer_id, TXN_PRODUCER);
    assert_int_equal(list[0].first_offset, h->acked.aborted_first);
    arena_reset(&image->scratch);
}

// Opens what the power failure has left; a log that nobody has written to yet may be gone.
static void check_image(struct history *h, const char *root)
{
    struct env image = {.config = h->env.config};
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, root, "data");
    test_os_init(&image.os);
    image.os.os.fsync = env_fsync;
    image.os.now_wall_ms = h->env.os.now_wall_ms;
    image.path = path;
    arena_init(&image.scratch, 16 << 20);
    enum err err = env_try_open(&image);
    if (err == ERR_NOT_FOUND) {
        assert_int_equal(h->acked.end_offset, 0);
    } else {
        assert_int_equal(err, ERR_OK);
        check_records(h, image.log);
        check_aborted(h, &image);
        check_producers(h, &image);
        assert_int_equal(env_append(&image), ERR_OK);
        assert_int_equal(log_flush(image.log), ERR_OK);
    }
    env_close(&image);
    arena_release(&image.scratch);
    h->checked++;
}

// The images of an action are judged by what was acknowledged before it.
static void history_check_images(struct history *h)
{
    for (int i = 0; i < h->images; i++) {
        char path[TEST_PATH_MAX_BYTES];
        image_path(h, i, path);
        check_image(h, path);
        test_dir_delete(path);
    }
    h->images = 0;
}

// ---- actions -------------------------------------------------------------------------------------------------------

static void history_note(struct history *h, int64_t base_offset, int64_t last_offset, uint32_t crc)
{
    assert_true(h->written_count < HISTORY_BATCHES_MAX);
    h->written[h->written_count++] = (struct written){base_offset, last_offset, crc, false};
}

// The batch that ends the log, as it lies there.
static void last_batch(struct history *h, struct batch *b)
{
    struct log *l = h->env.log;
    struct log_read r = {.offset = log_end_offset(l) - 1, .max_offset = INT64_MAX, .max_bytes = 1 << 20};
    assert_int_equal(log_read(l, &r), ERR_OK);
    uint8_t *data = fixture_bytes(log_file_fd(r.file), r.position, r.len);
    assert_int_equal(batch_read_header(data, r.len, b), ERR_OK);
    free(data);
    log_file_unref(r.file);
}

// What a partition does behind an append with flush.messages=1: no acknowledgement before the flush.
static void history_acknowledge(struct history *h)
{
    struct batch b;
    last_batch(h, &b);
    history_note(h, b.base_offset, batch_last_offset(&b), b.crc);
    assert_true(h->env.last.flush_due);
    assert_int_equal(log_flush(h->env.log), ERR_OK);
    history_check_images(h);
    h->written[h->written_count - 1].acked = true;
    h->acked.end_offset = batch_last_offset(&b) + 1;
    log_set_high_watermark(h->env.log, h->acked.end_offset);
}

static void do_append(struct history *h)
{
    assert_int_equal(env_append(&h->env), ERR_OK);
    history_acknowledge(h);
}

static void do_append_idempotent(struct history *h, struct test_random *random)
{
    int32_t i = (int32_t)test_random_below(random, PRODUCERS);
    struct batch b = test_header((int32_t)test_random_below(random, 4) + 1);
    b.producer_id = i;
    b.producer_epoch = 0;
    b.base_sequence = h->next_sequence[i];
    b.base_timestamp = ENV_TIME_MS;
    b.max_timestamp = ENV_TIME_MS + b.count - 1;
    assert_int_equal(env_append_batch(&h->env, &b, LOG_FROM_CLIENT), ERR_OK);
    b.base_offset = h->env.last.first_offset;
    h->next_sequence[i] += b.count;
    history_acknowledge(h);
    h->acked.last[i] = b;
}

static void do_transaction(struct history *h)
{
    static const int attributes = BATCH_ATTR_TRANSACTIONAL;
    struct batch b = test_header(2);
    b.attributes = attributes;
    b.producer_id = TXN_PRODUCER;
    b.producer_epoch = (int16_t)(h->written_count % 1000);
    b.base_sequence = 0;
    b.base_timestamp = ENV_TIME_MS;
    b.max_timestamp = ENV_TIME_MS + 1;
    assert_int_equal(env_append_batch(&h->env, &b, LOG_FROM_CLIENT), ERR_OK);
    int64_t first = h->env.last.first_offset;
    history_acknowledge(h);
    assert_int_equal(env_append_marker(&h->env, TXN_PRODUCER, b.producer_epoch, false), ERR_OK);
    history_acknowledge(h);
    h->acked.aborted_first = first;
}

static void do_checkpoint(struct history *h)
{
    assert_int_equal(log_dir_checkpoint(h->env.dir), ERR_OK);
    history_check_images(h);
}

static void do_begin_epoch(struct history *h)
{
    assert_int_equal(log_begin_epoch(h->env.log, h->acked.epoch + 1), ERR_OK);
    history_check_images(h);
    h->acked.epoch++;
}

static void do_delete_records(struct history *h, struct test_random *random)
{
    int32_t deleted;
    int64_t start = log_start_offset(h->env.log);
    int64_t room = h->acked.end_offset - start;
    int64_t before = h->acked.start_offset;
    h->acked.start_offset = start + (int64_t)test_random_below(random, (uint32_t)room / 2 + 1);
    assert_int_equal(log_advance_start(h->env.log, h->acked.start_offset), ERR_OK);
    assert_int_equal(log_retain(h->env.log, h->env.os.now_wall_ms, &deleted), ERR_OK);
    assert_true(h->acked.start_offset >= before);
    history_check_images(h);
    h->env.os.now_mono_us += INT64_C(61) * 1000 * 1000;
    log_dir_sweep(h->env.dir, h->env.os.now_mono_us / 1000);
    history_check_images(h);
}

static void history_open(struct history *h)
{
    assert_int_equal(log_dir_open(&h->power.os, h->data, &h->env.dir), ERR_OK);
    if (h->acked.created) {
        assert_int_equal(log_open(h->env.dir, ENV_TOPIC, 0, &h->env.config, &h->env.log), ERR_OK);
    } else {
        struct uuid id;
        uuid_random(os_real(), &id);
        assert_int_equal(log_create(h->env.dir, ENV_TOPIC, 0, &id, &h->env.config, &h->env.log), ERR_OK);
    }
    h->acked.created = true;
    history_check_images(h);
}

static void do_reopen(struct history *h, bool clean)
{
    if (clean) {
        env_close(&h->env);
    } else {
        enum err err = log_close(h->env.log);
        assert_int_equal(err, ERR_OK);
        log_dir_close(h->env.dir, false);
    }
    history_check_images(h);
    history_open(h);
}

// ---- the history ---------------------------------------------------------------------------------------------------

static void history_start(struct history *h, uint64_t seed)
{
    *h = (struct history){.chance = seed, .acked = {.aborted_first = -1}};
    h->root = test_dir_new();
    h->env.path = test_dir_new(); // of the images
    test_path(h->data, h->root, "data");
    test_os_init(&h->env.os);
    arena_init(&h->env.scratch, 16 << 20);
    log_config_init(&h->env.config);
    h->env.config.segment_bytes = 1500;
    h->env.config.segment_ms = INT64_MAX;
    h->env.config.index_interval_bytes = 200;
    h->env.config.flush_messages = 1;
    power_init(&h->power, &h->env.os.os, h->root);
    h->power.before = history_before_change;
    h->power.ctx = h;
    history_open(h);
}

static void history_stop(struct history *h)
{
    env_close(&h->env);
    history_check_images(h);
    arena_release(&h->env.scratch);
    power_release(&h->power);
    test_dir_remove(h->root);
    test_dir_remove(h->env.path);
}

static void run_history(uint64_t seed, int actions)
{
    struct history h;
    struct test_random random = {.state = seed};
    history_start(&h, seed);
    for (int i = 0; i < actions; i++) {
        switch (test_random_below(&random, 12)) {
        case 0:
        case 1:
        case 2:
            do_append_idempotent(&h, &random);
            break;
        case 3:
        case 4:
            do_transaction(&h);
            break;
        case 5:
            do_checkpoint(&h);
            break;
        case 6:
            do_begin_epoch(&h);
            break;
        case 7:
            do_delete_records(&h, &random);
            break;
        case 8:
            do_reopen(&h, test_random_below(&random, 2) == 0);
            break;
        default:
            do_append(&h);
            break;
        }
    }
    history_stop(&h);
    assert_true(h.checked > actions);
}

static void test_acknowledged_survives(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        run_history(seed, 24);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acknowledged_survives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
