// SPDX-License-Identifier: Apache-2.0
//
// Keys and values of whole batches in every packing, of a log on disk read in small pieces, and damage.
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"
#include "log/tests/fixture.h"

#define VALUE_LEN 300

struct seen {
    int64_t first;
    int64_t last;
    int count;
    int stop_at; // the callback fails at this record
};

static enum err see(void *ctx, const struct log_batch_view *batch, const struct log_record_view *record)
{
    struct seen *s = ctx;
    assert_true(record->offset >= batch->base_offset && record->offset <= batch->last_offset);
    assert_true(s->count == 0 || record->offset > s->last);
    s->first = s->count == 0 ? record->offset : s->first;
    s->last = record->offset;
    s->count++;
    return s->count == s->stop_at ? ERR_CLOSED : ERR_OK;
}

static enum err see_built(void *ctx, const struct log_batch_view *batch, const struct log_record_view *record)
{
    char key[32];
    snprintf(key, sizeof key, "key-%d", (int)record->offset);
    assert_true(slice_equal(record->key, slice_str(key)));
    assert_int_equal(record->value.len, VALUE_LEN);
    assert_int_equal(batch->producer_id, -1);
    assert_false(batch->control || batch->transactional);
    return see(ctx, batch, record);
}

static void test_every_packing(void **state)
{
    (void)state;
    for (int p = 0; p < PACK_COUNT; p++) {
        size_t len;
        size_t consumed;
        struct seen s = {.count = 0};
        uint8_t *data = test_simple_batch((enum test_packing)p, 400, VALUE_LEN, &len);
        assert_int_equal(log_batches_each(slice_of(data, len), see_built, &s, &consumed), ERR_OK);
        assert_int_equal(s.count, 400);
        assert_int_equal(consumed, len);
        // One byte less: not a whole batch.
        assert_int_equal(log_batches_each(slice_of(data, len - 1), see_built, &s, &consumed), ERR_OK);
        assert_int_equal(consumed, 0);
        assert_int_equal(s.count, 400);
        free(data);
    }
}

static enum err see_nulls(void *ctx, const struct log_batch_view *batch, const struct log_record_view *record)
{
    bool first = record->offset == 0;
    assert_int_equal(record->key.data == NULL, first);
    assert_int_equal(record->value.data == NULL, !first);
    assert_int_equal(record->key.len, first ? 0 : 1);
    assert_int_equal(record->value.len, 0);
    return see(ctx, batch, record);
}

static void test_nulls_and_headers(void **state)
{
    (void)state;
    struct writer w;
    size_t len;
    size_t consumed;
    writer_init(&w, 64, 1024);
    test_add_record(&w, 0, 5, SLICE_NULL, slice_str(""), 3);
    test_add_record(&w, 1, 5, slice_str("k"), SLICE_NULL, 0);
    struct batch header = test_header(2);
    uint8_t *data = test_batch(&header, PACK_NONE, writer_slice(&w), &len);
    struct seen s = {.count = 0};
    assert_int_equal(log_batches_each(slice_of(data, len), see_nulls, &s, &consumed), ERR_OK);
    assert_int_equal(s.count, 2);
    writer_release(&w);
    free(data);
}

static void test_damage(void **state)
{
    (void)state;
    size_t len;
    size_t consumed;
    struct seen s = {.count = 0};
    for (size_t at = BATCH_AT_LENGTH; at < BATCH_HEADER_SIZE + 30; at++) {
        uint8_t *data = test_simple_batch(PACK_NONE, 3, VALUE_LEN, &len);
        data[at] ^= 0x55;
        enum err e = log_batches_each(slice_of(data, len), see, &s, &consumed);
        bool epoch = at >= BATCH_AT_LEADER_EPOCH && at < BATCH_AT_MAGIC; // not covered by the CRC
        bool length = at < BATCH_AT_LEADER_EPOCH;
        if (epoch) {
            assert_int_equal(e, ERR_OK);
        } else if (!length || e != ERR_OK) {
            assert_int_equal(e, ERR_CORRUPT);
        } else {
            assert_int_equal(consumed, 0); // now it says that it is longer
        }
        // The same with a right CRC: anything but a crash, and no record that is not there.
        test_seal(data, len);
        s.count = 0;
        e = log_batches_each(slice_of(data, len), see, &s, &consumed);
        assert_true(e != ERR_OK || s.count <= 3);
        s.count = 0;
        free(data);
    }
}

static void test_packed_bytes_that_do_not_unpack(void **state)
{
    (void)state;
    for (int p = PACK_GZIP; p < PACK_COUNT; p++) {
        size_t len;
        size_t consumed;
        struct seen s = {.count = 0};
        uint8_t *data = test_simple_batch((enum test_packing)p, 50, VALUE_LEN, &len);
        memset(data + len - len / 4, 0, len / 4);
        test_seal(data, len);
        assert_int_not_equal(log_batches_each(slice_of(data, len), see, &s, &consumed), ERR_OK);
        assert_int_equal(consumed, 0);
        free(data);
    }
}

static void test_old_formats_are_refused(void **state)
{
    (void)state;
    uint8_t old[40] = {0};
    size_t consumed;
    struct seen s = {.count = 0};
    store_be32(old + BATCH_AT_LENGTH, sizeof old - BATCH_OVERHEAD);
    old[BATCH_AT_MAGIC] = 1;
    assert_int_equal(log_batches_each(slice_of(old, sizeof old), see, &s, &consumed), ERR_UNSUPPORTED);
}

// ---- a log on disk -------------------------------------------------------------------------------------------------

static void walk_log(struct log *l, int64_t from, int64_t end, size_t buffer, struct seen *s, enum err expected)
{
    int stop_at = s->stop_at;
    *s = (struct seen){.stop_at = stop_at};
    assert_int_equal(log_records_each(l, from, end, buffer, see, s), expected);
}

static void test_log_in_pieces(void **state)
{
    (void)state;
    char *dir = fixture_copy(FIXTURE_ROOT "/gzip");
    struct log_dir *d;
    struct log *l;
    struct log_config config;
    struct seen s = {.count = 0};
    log_config_init(&config);
    assert_int_equal(log_dir_open(os_real(), dir, &d), ERR_OK);
    assert_int_equal(log_open(d, "gzip", 0, &config, &l), ERR_OK);
    int64_t end = log_end_offset(l);
    int64_t start = log_start_offset(l);
    static const size_t buffers[] = {1, 700, 5000, 1 << 20}; // batches larger than the buffer come whole
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        walk_log(l, start, end, buffers[i], &s, ERR_OK);
        assert_int_equal(s.count, end - start);
        assert_int_equal(s.first, start);
        assert_int_equal(s.last, end - 1);
        // From the middle of a batch to the middle of another.
        walk_log(l, start + 3, end - 3, buffers[i], &s, ERR_OK);
        assert_int_equal(s.first, start + 3);
        assert_int_equal(s.last, end - 4);
    }
    walk_log(l, end, end, 100, &s, ERR_OK);
    assert_int_equal(s.count, 0);
    walk_log(l, end + 1, end + 2, 100, &s, ERR_OUT_OF_RANGE);
    s.stop_at = 5;
    walk_log(l, start, end, 700, &s, ERR_CLOSED);
    assert_int_equal(s.count, 5);
    assert_int_equal(log_close(l), ERR_OK);
    log_dir_close(d, true);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_packing),
        cmocka_unit_test(test_nulls_and_headers),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_packed_bytes_that_do_not_unpack),
        cmocka_unit_test(test_old_formats_are_refused),
        cmocka_unit_test(test_log_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
