// SPDX-License-Identifier: Apache-2.0
//
// Batches the broker writes: those of Kafka's own group coordinator, written again byte for byte from
// their records; nulls; the limit.
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "base/tests/cmocka_all.h"
#include "log/batch.h"
#include "log/log.h"

#define FIXTURE_MAX (1 << 20)

static enum err copy_record(void *ctx, const struct log_batch_view *batch, const struct log_record_view *record)
{
    struct log_batch_writer *w = ctx;
    (void)batch;
    if (w->count == 0) {
        log_batch_writer_release(w);
        log_batch_writer_init(w, record->timestamp, FIXTURE_MAX);
    }
    log_batch_writer_add(w, record->key, record->value);
    return ERR_OK;
}

// Each data batch of the file made again.
static int write_again(const char *path)
{
    char *data;
    size_t len;
    int batches = 0;
    assert_int_equal(os_read_file(os_real(), path, FIXTURE_MAX, &data, &len), ERR_OK);
    for (size_t at = 0; at < len;) {
        struct batch b;
        struct log_batch_writer w;
        size_t consumed;
        uint8_t *made;
        size_t made_len;
        const uint8_t *original = (const uint8_t *)data + at;
        assert_int_equal(batch_read_header(original, len - at, &b), ERR_OK);
        at += batch_size(&b);
        if (batch_is(&b, BATCH_ATTR_CONTROL)) {
            continue;
        }
        log_batch_writer_init(&w, 0, FIXTURE_MAX);
        assert_int_equal(log_batches_each(slice_of(original, batch_size(&b)), copy_record, &w, &consumed), ERR_OK);
        struct log_batch_producer p = {b.producer_id, b.producer_epoch, b.base_sequence,
                                       batch_is(&b, BATCH_ATTR_TRANSACTIONAL)};
        assert_int_equal(log_batch_writer_finish(&w, p, &made, &made_len), ERR_OK);
        batch_set_base_offset(made, b.base_offset);
        batch_set_leader_epoch(made, b.leader_epoch);
        assert_int_equal(made_len, batch_size(&b));
        assert_memory_equal(made, original, made_len);
        log_batch_writer_release(&w);
        batches++;
    }
    free(data);
    return batches;
}

static void test_kafka_s_coordinators_write_the_same(void **state)
{
    (void)state;
    int batches = 0;
    for (int i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path,
                 "log/tests/fixtures/consumer_offsets/__consumer_offsets-%d/00000000000000000000.log", i);
        batches += write_again(path);
    }
    assert_int_equal(batches, 23);
}

static void test_nulls_and_header(void **state)
{
    (void)state;
    struct log_batch_writer w;
    uint8_t *data;
    size_t len;
    struct batch b;
    log_batch_writer_init(&w, 1234, 4096);
    log_batch_writer_add(&w, SLICE_NULL, slice_str(""));
    log_batch_writer_add(&w, slice_str("k"), SLICE_NULL);
    assert_int_equal(log_batch_writer_finish(&w, LOG_BATCH_NO_PRODUCER, &data, &len), ERR_OK);
    assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
    assert_int_equal(batch_size(&b), len);
    assert_true(batch_crc_ok(data, &b));
    assert_int_equal(b.magic, 2);
    assert_int_equal(b.attributes, 0);
    assert_int_equal(b.count, 2);
    assert_int_equal(b.last_offset_delta, 1);
    assert_int_equal(b.base_timestamp, 1234);
    assert_int_equal(b.max_timestamp, 1234);
    assert_int_equal(b.producer_id, -1);
    assert_int_equal(b.producer_epoch, -1);
    assert_int_equal(b.base_sequence, -1);
    assert_int_equal(b.leader_epoch, -1);
    static const uint8_t records[] = {12, 0, 0, 0, 1, 0, 0, 14, 0, 0, 2, 2, 'k', 1, 0};
    assert_int_equal(len, BATCH_HEADER_SIZE + sizeof records);
    assert_memory_equal(data + BATCH_HEADER_SIZE, records, sizeof records);
    log_batch_writer_release(&w);
}

static void test_limit(void **state)
{
    (void)state;
    static uint8_t big[4096];
    static const size_t limits[] = {10, 61, 70, 4096};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct log_batch_writer w;
        uint8_t *data;
        size_t len;
        log_batch_writer_init(&w, 0, limits[i]);
        log_batch_writer_add(&w, SLICE_NULL, slice_of(big, sizeof big));
        log_batch_writer_add(&w, SLICE_NULL, slice_str(""));
        assert_int_equal(log_batch_writer_finish(&w, LOG_BATCH_NO_PRODUCER, &data, &len), ERR_TOO_LARGE);
        log_batch_writer_release(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kafka_s_coordinators_write_the_same),
        cmocka_unit_test(test_nulls_and_header),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
