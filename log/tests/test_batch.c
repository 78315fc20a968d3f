// SPDX-License-Identifier: Apache-2.0
//
// Header access, CRCs, sequences, stamping in place and the first look at a Produce request's records, against batches
// that Kafka's own classes have written.
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "log/log.h"
#include "log/tests/batch_builder.h"

static void test_reads_kafka_header(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data = test_vector("v2 none transactional pid=4242 epoch=3 seq=10 ple=5 base=103", &len);
    struct batch b;
    assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
    assert_int_equal(batch_size(&b), len);
    assert_int_equal(b.base_offset, 103);
    assert_int_equal(batch_last_offset(&b), 105);
    assert_int_equal(b.leader_epoch, 5);
    assert_int_equal(b.magic, 2);
    assert_int_equal(b.attributes, BATCH_ATTR_TRANSACTIONAL);
    assert_int_equal(b.base_timestamp, 1700000000000);
    assert_int_equal(b.max_timestamp, 1700000000005);
    assert_int_equal(b.producer_id, 4242);
    assert_int_equal(b.producer_epoch, 3);
    assert_int_equal(b.base_sequence, 10);
    assert_int_equal(batch_last_sequence(&b), 12);
    assert_int_equal(b.count, 3);
    assert_true(batch_is(&b, BATCH_ATTR_TRANSACTIONAL));
    assert_false(batch_is(&b, BATCH_ATTR_CONTROL));
    assert_true(batch_crc_ok(data, &b));
    data[len - 1] ^= 1;
    assert_false(batch_crc_ok(data, &b));
    free(data);
}

static void test_reads_old_formats(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int magic;
        int64_t offset;
    } cases[] = {
        {"v0 gzip create-time base=1000 (as stored on a broker)", 0, 1002},
        {"v1 lz4 create-time base=1000 (as stored on a broker)", 1, 1002},
        {"v0 snappy create-time base=0", 0, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len;
        uint8_t *data = test_vector(cases[i].name, &len);
        struct batch b;
        assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
        assert_int_equal(b.magic, cases[i].magic);
        assert_int_equal(b.base_offset, cases[i].offset);
        assert_int_equal(batch_size(&b), len);
        assert_true(batch_crc_ok(data, &b));
        data[len - 1] ^= 0x80;
        assert_false(batch_crc_ok(data, &b));
        free(data);
    }
}

static void test_refuses_bad_headers(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data = test_simple_batch(PACK_NONE, 2, 10, &len);
    struct batch b;
    assert_int_equal(batch_read_header(data, 11, &b), ERR_TRUNCATED);
    assert_int_equal(batch_read_header(data, 16, &b), ERR_TRUNCATED);
    assert_int_equal(batch_read_header(data, 60, &b), ERR_TRUNCATED);
    assert_int_equal(batch_read_header(data, 61, &b), ERR_OK);
    assert_int_equal(batch_read_prefix(data, 17, &b), ERR_OK);
    store_be32(data + BATCH_AT_LENGTH, 13);
    assert_int_equal(batch_read_header(data, 12, &b), ERR_CORRUPT);
    store_be32(data + BATCH_AT_LENGTH, 48); // one less than the header takes
    assert_int_equal(batch_read_header(data, len, &b), ERR_CORRUPT);
    assert_int_equal(batch_read_prefix(data, len, &b), ERR_OK);
    store_be32(data + BATCH_AT_LENGTH, 0x80000000u);
    assert_int_equal(batch_read_header(data, len, &b), ERR_CORRUPT);
    store_be32(data + BATCH_AT_LENGTH, 49);
    assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
    data[BATCH_AT_MAGIC] = 3;
    assert_int_equal(batch_read_header(data, len, &b), ERR_CORRUPT);
    data[BATCH_AT_MAGIC] = 0xff;
    assert_int_equal(batch_read_header(data, len, &b), ERR_CORRUPT);
    free(data);
}

static void test_sequences_wrap(void **state)
{
    (void)state;
    assert_int_equal(sequence_add(0, 1), 1);
    assert_int_equal(sequence_add(INT32_MAX, 1), 0);
    assert_int_equal(sequence_add(INT32_MAX - 1, 4), 2);
    assert_int_equal(sequence_add(INT32_MAX, INT32_MAX), INT32_MAX - 1);
    struct batch b = {.base_sequence = INT32_MAX - 1, .last_offset_delta = 2};
    assert_int_equal(batch_last_sequence(&b), 0);
    b.base_sequence = -1;
    assert_int_equal(batch_last_sequence(&b), -1);
}

// Undoes the stamps on a batch that Kafka has stamped: stamping it again must give Kafka's bytes.
static void check_stamping(const char *stamped)
{
    size_t len;
    uint8_t *data = test_vector(stamped, &len);
    uint8_t *expected = test_vector(stamped, &len);
    store_be64(data, 0);
    store_be32(data + BATCH_AT_LEADER_EPOCH, UINT32_MAX);
    data[BATCH_AT_ATTRIBUTES + 1] &= (uint8_t)~BATCH_ATTR_APPEND_TIME;
    store_be64(data + BATCH_AT_MAX_TIMESTAMP, 1700000000005);
    test_seal(data, len);
    struct batch b;
    assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
    batch_set_base_offset(data, 500);
    batch_set_leader_epoch(data, 6);
    assert_true(batch_crc_ok(data, &b));
    batch_set_max_timestamp(data, &b, true, 1700000009999);
    assert_memory_equal(data, expected, len);
    struct batch again;
    assert_int_equal(batch_read_header(data, len, &again), ERR_OK);
    assert_int_equal(again.crc, b.crc);
    assert_int_equal(again.attributes, b.attributes);
    assert_int_equal(again.max_timestamp, b.max_timestamp);
    free(data);
    free(expected);
}

static void test_stamps_as_kafka(void **state)
{
    (void)state;
    check_stamping("v2 none after broker stamping: base=500 ple=6 LogAppendTime=1700000009999");
    check_stamping("v2 gzip after broker stamping: base=500 ple=6 LogAppendTime=1700000009999");
}

static void test_crc_stays_when_nothing_changes(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data = test_simple_batch(PACK_NONE, 3, 5, &len);
    struct batch b;
    assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
    data[len - 1] ^= 1; // a CRC made anew would hide this
    batch_set_max_timestamp(data, &b, false, b.max_timestamp);
    assert_false(batch_crc_ok(data, &b));
    data[len - 1] ^= 1;
    data[BATCH_AT_ATTRIBUTES] = 0x7f; // unknown bits go with the first real change
    data[BATCH_AT_ATTRIBUTES + 1] |= 0x80;
    test_seal(data, len);
    assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
    batch_set_max_timestamp(data, &b, false, 77);
    assert_int_equal(load_be16(data + BATCH_AT_ATTRIBUTES), 0);
    assert_int_equal(load_be64(data + BATCH_AT_MAX_TIMESTAMP), 77);
    assert_true(batch_crc_ok(data, &b));
    free(data);
}

static void test_peek(void **state)
{
    (void)state;
    struct log_batch_info info;
    size_t len;
    uint8_t *data = test_vector("v2 none transactional pid=4242 epoch=3 seq=10 ple=5 base=103", &len);
    assert_int_equal(log_batch_peek(slice_of(data, len), &info), ERR_OK);
    assert_int_equal(info.magic, 2);
    assert_int_equal(info.codec, 0);
    assert_true(info.transactional);
    assert_false(info.control);
    assert_int_equal(info.producer_id, 4242);
    assert_int_equal(info.producer_epoch, 3);
    assert_int_equal(info.batches, 1);
    assert_int_equal(log_batch_peek(slice_of(data, len - 1), &info), ERR_INVALID_RECORD);
    assert_int_equal(log_batch_peek(slice_of(data, 10), &info), ERR_INVALID_RECORD);
    assert_int_equal(log_batch_peek(slice_of(data, 0), &info), ERR_INVALID_RECORD);

    uint8_t *twice = malloc(2 * len + 5);
    assert_non_null(twice);
    memcpy(twice, data, len);
    memcpy(twice + len, data, len);
    memcpy(twice + 2 * len, data, 5);
    assert_int_equal(log_batch_peek(slice_of(twice, 2 * len + 5), &info), ERR_OK);
    assert_int_equal(info.batches, 2);
    assert_int_equal(log_batch_peek(slice_of(twice, 2 * len - 1), &info), ERR_OK);
    assert_int_equal(info.batches, 1);
    free(twice);

    store_be32(data + BATCH_AT_LENGTH, 20); // a batch of magic 2 too short for its header: log_append's to refuse
    assert_int_equal(log_batch_peek(slice_of(data, 32), &info), ERR_OK);
    assert_int_equal(info.producer_id, -1);
    assert_true(info.transactional);
    store_be32(data + BATCH_AT_LENGTH, 10);
    assert_int_equal(log_batch_peek(slice_of(data, len), &info), ERR_CORRUPT);
    free(data);

    data = test_vector("v1 gzip create-time base=0", &len);
    assert_int_equal(log_batch_peek(slice_of(data, len), &info), ERR_OK);
    assert_int_equal(info.magic, 1);
    assert_int_equal(info.codec, 1);
    assert_false(info.transactional);
    data[BATCH_AT_MAGIC] = 3;
    assert_int_equal(log_batch_peek(slice_of(data, len), &info), ERR_CORRUPT);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_kafka_header),
        cmocka_unit_test(test_reads_old_formats),
        cmocka_unit_test(test_refuses_bad_headers),
        cmocka_unit_test(test_sequences_wrap),
        cmocka_unit_test(test_stamps_as_kafka),
        cmocka_unit_test(test_crc_stays_when_nothing_changes),
        cmocka_unit_test(test_peek),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
