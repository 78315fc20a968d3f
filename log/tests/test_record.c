// SPDX-License-Identifier: Apache-2.0
//
// Records of batches: Kafka's own batches of every codec, the same records in all packings and over the borders of
// pieces, malformed records, damaged and boundless data, and every batch of the logs a broker has written.
#include "log/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"

static enum err open_batch(const uint8_t *data, size_t len, struct record_iter **it)
{
    struct batch b;
    assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
    assert_int_equal(batch_size(&b), len);
    return record_iter_new(NULL, data, &b, it);
}

// A survey must say what a walk that ended with `ended` has seen.
static void check_survey(const uint8_t *data, size_t len, enum err ended, const struct record_survey *seen,
                         bool in_order)
{
    struct record_iter *it;
    struct record_survey s;
    assert_int_equal(open_batch(data, len, &it), ERR_OK);
    enum err e = record_iter_survey(it, &s);
    record_iter_free(it);
    if (ended != ERR_NOT_FOUND || !in_order) {
        assert_int_equal(e, in_order ? ended : ERR_INVALID_RECORD);
        return;
    }
    assert_int_equal(e, ERR_OK);
    assert_int_equal(s.oldest, seen->oldest);
    assert_int_equal(s.newest, seen->newest);
    assert_int_equal(s.newest_delta, seen->newest_delta);
    assert_int_equal(s.keyless, seen->keyless);
}

// Walks to the end and counts; what ended it.
static enum err walk(const uint8_t *data, size_t len, int32_t *count)
{
    struct record_iter *it;
    struct record r;
    *count = 0;
    enum err e = open_batch(data, len, &it);
    if (e != ERR_OK) {
        return e;
    }
    struct record_survey seen = {.oldest = INT64_MAX, .newest = -1};
    bool in_order = true;
    for (; (e = record_iter_next(it, &r)) == ERR_OK; (*count)++) {
        in_order = in_order && r.offset_delta == *count;
        seen.oldest = r.timestamp < seen.oldest ? r.timestamp : seen.oldest;
        seen.newest_delta = r.timestamp > seen.newest ? r.offset_delta : seen.newest_delta;
        seen.newest = r.timestamp > seen.newest ? r.timestamp : seen.newest;
        seen.keyless = seen.keyless || !r.has_key;
    }
    record_iter_free(it);
    check_survey(data, len, e, &seen, in_order);
    return e;
}

// The three records all vectors are made of.
static void check_kafka_batch(const char *name, int64_t append_time)
{
    static const struct {
        int64_t timestamp;
        int32_t key_len;
        int32_t value_len;
        const char *key;
        const char *value;
    } expected[] = {
        {1700000000000, 2, 7, "k1", "value-1"},
        {1700000000005, -1, 7, "", "value-2"},
        {1699999999990, 2, -1, "k3", ""},
    };
    size_t len;
    uint8_t *data = test_vector(name, &len);
    struct batch b;
    struct record_iter *it;
    assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
    assert_int_equal(open_batch(data, len, &it), ERR_OK);
    struct record r;
    for (int i = 0; i < 3; i++) {
        char text[9] = {0};
        assert_int_equal(record_iter_next(it, &r), ERR_OK);
        assert_int_equal(r.offset, b.base_offset + i);
        assert_int_equal(r.offset_delta, i);
        assert_int_equal(r.timestamp, append_time != 0 ? append_time : expected[i].timestamp);
        assert_int_equal(r.key_len, expected[i].key_len);
        assert_int_equal(r.has_key, r.key_len >= 0);
        assert_int_equal(r.value_len, expected[i].value_len);
        assert_int_equal(r.has_value, r.value_len >= 0);
        memcpy(text, r.key_head, 8);
        assert_string_equal(text, expected[i].key);
        memcpy(text, r.value_head, 8);
        assert_string_equal(text, expected[i].value);
    }
    assert_int_equal(record_iter_next(it, &r), ERR_NOT_FOUND);
    record_iter_free(it);
    free(data);
}

static void test_kafka_batches(void **state)
{
    (void)state;
    check_kafka_batch("v2 none create-time base=0", 0);
    check_kafka_batch("v2 gzip create-time base=0", 0);
    check_kafka_batch("v2 snappy create-time base=0", 0);
    check_kafka_batch("v2 lz4 create-time base=0", 0);
    check_kafka_batch("v2 zstd create-time base=0", 0);
    check_kafka_batch("v2 snappy-raw (no xerial framing) create-time base=0", 0);
    check_kafka_batch("v2 none transactional pid=4242 epoch=3 seq=10 ple=5 base=103", 0);
    check_kafka_batch("v2 none after broker stamping: base=500 ple=6 LogAppendTime=1700000009999", 1700000009999);
    check_kafka_batch("v2 gzip after broker stamping: base=500 ple=6 LogAppendTime=1700000009999", 1700000009999);
}

static void test_control_and_empty_batches(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data =
        test_vector("v2 control COMMIT pid=4242 epoch=3 coordEpoch=9 ple=5 base=106 ts=1700000000100", &len);
    struct record_iter *it;
    struct record r;
    assert_int_equal(open_batch(data, len, &it), ERR_OK);
    assert_int_equal(record_iter_next(it, &r), ERR_OK);
    assert_int_equal(r.offset, 106);
    assert_int_equal(r.key_len, 4);
    assert_memory_equal(r.key_head, "\0\0\0\1\0\0\0\0", 8);
    assert_int_equal(r.value_len, 6);
    assert_memory_equal(r.value_head, "\0\0\0\0\0\x9\0\0", 8);
    assert_int_equal(record_iter_next(it, &r), ERR_NOT_FOUND);
    record_iter_free(it);
    free(data);
    int32_t count;
    data = test_vector("v2 empty batch kept by compaction pid=4242 epoch=3 seq=7 offsets 100-102 ple=5", &len);
    assert_int_equal(walk(data, len, &count), ERR_NOT_FOUND);
    assert_int_equal(count, 0);
    free(data);
}

// The same records, packed in any way, are the same records. Value sizes put record borders everywhere.
static void test_packings_are_equal(void **state)
{
    (void)state;
    static const struct {
        int32_t n;
        size_t value_len;
    } shapes[] = {{1, 0}, {1, 7}, {3, 8}, {5000, 11}, {40, 5000}, {3, 65520}, {4, 200000}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        size_t plain_len;
        uint8_t *plain = test_simple_batch(PACK_NONE, shapes[s].n, shapes[s].value_len, &plain_len);
        for (int p = PACK_GZIP; p < PACK_COUNT; p++) {
            size_t len;
            uint8_t *data = test_simple_batch((enum test_packing)p, shapes[s].n, shapes[s].value_len, &len);
            struct record_iter *it;
            struct record_iter *plain_it;
            assert_int_equal(open_batch(plain, plain_len, &plain_it), ERR_OK);
            assert_int_equal(open_batch(data, len, &it), ERR_OK);
            for (int32_t i = 0; i < shapes[s].n; i++) {
                struct record a = {0};
                struct record b = {0};
                assert_int_equal(record_iter_next(plain_it, &a), ERR_OK);
                assert_int_equal(record_iter_next(it, &b), ERR_OK);
                assert_memory_equal(&a, &b, sizeof a);
                assert_int_equal(a.offset, i);
                assert_int_equal(a.value_len, shapes[s].value_len);
            }
            struct record end;
            assert_int_equal(record_iter_next(plain_it, &end), ERR_NOT_FOUND);
            assert_int_equal(record_iter_next(it, &end), ERR_NOT_FOUND);
            record_iter_free(plain_it);
            record_iter_free(it);
            free(data);
        }
        free(plain);
    }
}

static void test_malformed_records(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
        int32_t count;
        enum err err;
    } cases[] = {
        {"smallest record", "\x0c\0\0\0\1\1\0", 7, 1, ERR_NOT_FOUND},
        {"no bytes at all", "", 0, 1, ERR_INVALID_RECORD},
        {"one record too few", "\x0c\0\0\0\1\1\0", 7, 2, ERR_INVALID_RECORD},
        {"a byte left over", "\x0c\0\0\0\1\1\0\0", 8, 1, ERR_INVALID_RECORD},
        {"a record left over", "\x0c\0\0\0\1\1\0\x0c\0\0\0\1\1\0", 14, 1, ERR_INVALID_RECORD},
        {"bytes though there are no records", "\0", 1, 0, ERR_INVALID_RECORD},
        {"negative count", "\x0c\0\0\0\1\1\0", 7, -1, ERR_INVALID_RECORD},
        {"length 0", "\0", 1, 1, ERR_INVALID_RECORD},
        {"length -1", "\1", 1, 1, ERR_INVALID_RECORD},
        {"length one too small", "\x0a\0\0\0\1\1\0", 7, 1, ERR_INVALID_RECORD},
        {"length one too large", "\x0e\0\0\0\1\1\0", 7, 1, ERR_INVALID_RECORD},
        {"length larger than what follows it in use", "\x0e\0\0\0\1\1\0\0", 8, 1, ERR_INVALID_RECORD},
        {"length of six bytes", "\x8c\x80\x80\x80\x80\0\0\0\0\1\1\0", 12, 1, ERR_INVALID_RECORD},
        {"length above 32 bits", "\x8c\x80\x80\x80\x10\0\0\0\1\1\0", 11, 1, ERR_INVALID_RECORD},
        {"length in five bytes", "\x8c\x80\x80\x80\0\0\0\0\1\1\0", 11, 1, ERR_NOT_FOUND},
        {"timestamp of ten bytes", "\x1e\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\1\0\1\1\0", 16, 1, ERR_NOT_FOUND},
        {"timestamp above 64 bits", "\x1e\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\2\0\1\1\0", 16, 1, ERR_INVALID_RECORD},
        {"key length -2", "\x0c\0\0\0\3\1\0", 7, 1, ERR_INVALID_RECORD},
        {"value length -2", "\x0c\0\0\0\1\3\0", 7, 1, ERR_INVALID_RECORD},
        {"key beyond the record",
         "\x0e\0\0\0\x0a"
         "a\1\0",
         8, 1, ERR_INVALID_RECORD},
        {"value beyond the record",
         "\x0e\0\0\0\1\x0a"
         "a\0",
         8, 1, ERR_INVALID_RECORD},
        {"key of 2 GiB", "\x14\0\0\0\xfe\xff\xff\xff\x0f\1\0", 11, 1, ERR_INVALID_RECORD},
        {"header count -1", "\x0c\0\0\0\1\1\1", 7, 1, ERR_INVALID_RECORD},
        {"more headers than bytes", "\x0c\0\0\0\1\1\2", 7, 1, ERR_INVALID_RECORD},
        {"a header", "\x12\0\0\0\1\1\2\2h\1", 10, 1, ERR_NOT_FOUND},
        {"header name null", "\x10\0\0\0\1\1\2\1\1", 9, 1, ERR_INVALID_RECORD},
        {"header value beyond the record", "\x12\0\0\0\1\1\2\2h\4", 10, 1, ERR_INVALID_RECORD},
        {"header missing", "\x0e\0\0\0\1\1\4\0", 8, 1, ERR_INVALID_RECORD},
    };
    static const enum test_packing packings[] = {PACK_NONE, PACK_GZIP, PACK_SNAPPY_RAW, PACK_LZ4, PACK_ZSTD};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t p = 0; p < sizeof packings / sizeof packings[0]; p++) {
            struct batch header = test_header(cases[i].count);
            size_t len;
            uint8_t *data = test_batch(&header, packings[p], slice_of(cases[i].bytes, cases[i].len), &len);
            int32_t count;
            enum err e = walk(data, len, &count);
            if (e != cases[i].err) {
                fail_msg("%s, %s: %s instead of %s", cases[i].what, test_packing_name(packings[p]), err_name(e),
                         err_name(cases[i].err));
            }
            free(data);
        }
    }
}

static void test_unknown_codecs(void **state)
{
    (void)state;
    for (int codec = 5; codec < 8; codec++) {
        struct batch header = test_header(1);
        header.attributes = (int16_t)codec;
        size_t len;
        int32_t count;
        uint8_t *data = test_batch(&header, PACK_NONE, slice_of("\x0c\0\0\0\1\1\0", 7), &len);
        assert_int_equal(walk(data, len, &count), ERR_UNSUPPORTED_CODEC);
        free(data);
    }
}

// Changed bytes, before and after packing: it ends, with no more records than announced (the sanitizers watch).
static void test_mutations(void **state)
{
    (void)state;
    for (int p = 0; p < PACK_COUNT; p++) {
        size_t len;
        uint8_t *good = test_simple_batch((enum test_packing)p, 40, 30, &len);
        struct test_random r = {(uint64_t)p + 7};
        int bad = 0;
        for (int round = 0; round < 500; round++) {
            uint8_t *data = malloc(len); // of exactly this size, so that reading beyond is seen
            assert_non_null(data);
            memcpy(data, good, len);
            for (uint32_t n = 1 + test_random_below(&r, 3); n > 0; n--) {
                uint32_t at = BATCH_HEADER_SIZE + test_random_below(&r, (uint32_t)len - BATCH_HEADER_SIZE);
                data[at] = (uint8_t)test_random_next(&r);
            }
            int32_t count;
            enum err e = walk(data, len, &count);
            assert_true(e == ERR_NOT_FOUND || e == ERR_INVALID_RECORD || e == ERR_UNSUPPORTED_CODEC);
            assert_in_range(count, 0, 40);
            bad += e != ERR_NOT_FOUND;
            free(data);
        }
        assert_in_range(bad, 50, 500);
        free(good);
    }
}

static void test_random_bytes(void **state)
{
    (void)state;
    struct test_random r = {99};
    for (int round = 0; round < 20000; round++) {
        size_t len = BATCH_HEADER_SIZE + test_random_below(&r, 80);
        uint8_t *data = malloc(len);
        assert_non_null(data);
        struct batch b = test_header(1 + (int32_t)test_random_below(&r, 5));
        b.attributes = (int16_t)test_random_below(&r, 8);
        b.length = (int32_t)len - BATCH_OVERHEAD;
        for (size_t i = 0; i < len; i++) {
            data[i] = (uint8_t)(test_random_next(&r) & (round % 2 == 0 ? 0xff : 0x1f));
        }
        struct record_iter *it;
        struct record rec;
        enum err e = record_iter_new(NULL, data, &b, &it);
        while (e == ERR_OK) {
            e = record_iter_next(it, &rec);
        }
        record_iter_free(it);
        free(data);
    }
}

// ---- bombs ---------------------------------------------------------------------------------------------------------

// Unpacks head and 128 KiB times blocks of zeros as a batch of count records; how much memory that took at most.
static enum err explode(struct slice head, int blocks, int32_t count, long *grown_kib)
{
    size_t packed_len;
    uint8_t *packed = test_zstd_bomb(head, 0, blocks, &packed_len);
    struct batch header = test_header(count);
    header.attributes = CODEC_ZSTD;
    size_t len;
    uint8_t *data = test_batch(&header, PACK_NONE, slice_of(packed, packed_len), &len);
    struct rusage before;
    struct rusage after;
    int32_t seen;
    getrusage(RUSAGE_SELF, &before);
    enum err e = walk(data, len, &seen);
    getrusage(RUSAGE_SELF, &after);
    *grown_kib = after.ru_maxrss - before.ru_maxrss;
    free(data);
    free(packed);
    return e;
}

static void test_bombs(void **state)
{
    (void)state;
    long grown_kib;
    // One small record and 1 GiB of something behind it: ends at the first byte too much.
    assert_int_equal(explode(slice_of("\x0c\0\0\0\1\1\0", 7), 8192, 1, &grown_kib), ERR_INVALID_RECORD);
    assert_in_range(grown_kib, 0, 32 << 10);
    // One honest record with a value of 256 MiB is walked over without holding it: length, fields, value, no headers.
    struct writer head;
    uint8_t room[32];
    writer_init_fixed(&head, room, sizeof room);
    int32_t value_len = 2048 * (128 << 10) - 1; // the last zero is the number of headers
    writer_varint(&head, 4 + (int32_t)varint_size(value_len) + value_len + 1);
    writer_bytes(&head, "\0\0\0\1", 4);
    writer_varint(&head, value_len);
    assert_int_equal(explode(writer_slice(&head), 2048, 1, &grown_kib), ERR_NOT_FOUND);
    assert_in_range(grown_kib, 0, 32 << 10);
    // A value of nearly 2 GiB goes beyond what a batch may unpack to.
    writer_init_fixed(&head, room, sizeof room);
    writer_varint(&head, INT32_MAX);
    writer_bytes(&head, "\0\0\0\1", 4);
    writer_varint(&head, INT32_MAX - 10);
    assert_int_equal(explode(writer_slice(&head), 16500, 1, &grown_kib), ERR_TOO_LARGE);
    assert_in_range(grown_kib, 0, 32 << 10);
}

// ---- logs of a broker ----------------------------------------------------------------------------------------------

static int64_t dump_number(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    assert_non_null(at);
    return strtoll(strchr(at, ':') + 1, NULL, 10);
}

// One line of what the dump tool said of a log file, against the batch at that position.
static int check_dumped_batch(const char *fixture, const char *line)
{
    char path[512];
    const char *file = strstr(line, "\"file\":\"") + 8;
    snprintf(path, sizeof path, "log/tests/fixtures/%s/%.*s", fixture, (int)strcspn(file, "\""), file);
    size_t log_len;
    char *log = test_file(path, &log_len);
    const uint8_t *data = (const uint8_t *)log + dump_number(line, "\"position\"");
    size_t len = (size_t)dump_number(line, "\"size\"");
    struct batch b;
    assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
    assert_int_equal(batch_size(&b), len);
    assert_true(batch_crc_ok(data, &b));
    assert_int_equal(b.crc, dump_number(line, "\"crc\""));
    assert_int_equal(b.count, dump_number(line, "\"count\""));
    assert_int_equal(batch_last_offset(&b), dump_number(line, "\"lastOffset\""));
    assert_int_equal(batch_last_sequence(&b), dump_number(line, "\"lastSequence\""));
    int32_t count;
    assert_int_equal(walk(data, len, &count), ERR_NOT_FOUND);
    assert_int_equal(count, b.count);
    free(log);
    return count;
}

static void test_kafka_logs(void **state)
{
    (void)state;
    static const char *const fixtures[] = {"plain", "gzip",          "snappy",       "lz4",
                                           "zstd",  "logappendtime", "transactions", "compacted/after-2"};
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        char path[512];
        size_t len;
        snprintf(path, sizeof path, "log/tests/fixtures/%s/batches.jsonl", fixtures[i]);
        char *dump = test_file(path, &len);
        char *rest = NULL;
        int records = 0;
        for (char *line = strtok_r(dump, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
            records += check_dumped_batch(fixtures[i], line);
        }
        assert_in_range(records, 100, 1000);
        free(dump);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bombs), // first, while the memory in use is still small
        cmocka_unit_test(test_kafka_batches),
        cmocka_unit_test(test_control_and_empty_batches),
        cmocka_unit_test(test_packings_are_equal),
        cmocka_unit_test(test_malformed_records),
        cmocka_unit_test(test_unknown_codecs),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_kafka_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
