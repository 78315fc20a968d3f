// SPDX-License-Identifier: Apache-2.0
//
// Conversion between formats: sets that a real Kafka wrote (data/record-vectors.txt) are read, converted and compared
// record by record; whatever is damaged is refused or conversion does no harm.
#include "log/convert.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "log/encoder.h"
#include "log/legacy.h"
#include "log/record.h"
#include "log/scan.h"
#include "log/tests/batch_builder.h"

#define OUT_MAX (64 << 20)

static struct convert_target target(int codec, int level)
{
    return (struct convert_target){codec, level, RECORDS_UNPACKED_MAX};
}

// The records of all vectors: (1700000000000, k1, value-1) (1700000000005, null, value-2) (1699999999990, k3, null).
static const struct expected {
    int64_t timestamp;
    const char *key;
    const char *value;
} records[3] = {
    {1700000000000, "k1", "value-1"},
    {1700000000005, NULL, "value-2"},
    {1699999999990, "k3", NULL},
};

static void check_slice(struct slice s, const char *text)
{
    if (text == NULL) {
        assert_null(s.data);
    } else {
        assert_non_null(s.data);
        assert_true(slice_equal(s, slice_str(text)));
    }
}

// Reads a set of any format; all records from number `first` on must be there.
static void check_set(const uint8_t *data, size_t len, int64_t base_offset, bool timestamps, int first)
{
    int seen = first;
    size_t position = 0;
    while (position < len) {
        struct batch b;
        struct unpack *u;
        struct full_record r;
        assert_int_equal(scan_header(data + position, len - position, &b), ERR_OK);
        assert_true(batch_crc_ok(data + position, &b));
        assert_int_equal(unpack_open(NULL, data + position, &b, true, RECORDS_UNPACKED_MAX, &u), ERR_OK);
        enum err e;
        while ((e = unpack_next(u, &r)) == ERR_OK) {
            assert_true(seen < 3);
            assert_int_equal(r.offset, base_offset + seen);
            assert_int_equal(r.timestamp, timestamps ? records[seen].timestamp : -1);
            check_slice(r.key, records[seen].key);
            check_slice(r.value, records[seen].value);
            seen++;
        }
        assert_int_equal(e, ERR_NOT_FOUND);
        unpack_close(u);
        position += batch_size(&b);
    }
    assert_int_equal(position, len);
    assert_int_equal(seen, 3);
}

static const char *const codec_names[] = {"none", "gzip", "snappy", "lz4", "zstd"};

static uint8_t *vector(int magic, int codec, const char *rest, size_t *len)
{
    char name[100];
    snprintf(name, sizeof name, "v%d %s create-time %s", magic, codec_names[codec], rest);
    return test_vector(name, len);
}

static enum err accept(void *ctx, const struct batch *entry, const struct full_record *r, int32_t index)
{
    int32_t *count = ctx;
    assert_true(entry->magic < 2);
    assert_int_equal(index, *count);
    assert_true(r->offset >= 0);
    (*count)++;
    return ERR_OK;
}

static void test_old_sets_are_read(void **state)
{
    (void)state;
    for (int magic = 0; magic <= 1; magic++) {
        for (int codec = CODEC_NONE; codec <= CODEC_LZ4; codec++) {
            size_t len;
            uint8_t *data = vector(magic, codec, "base=0", &len);
            check_set(data, len, 0, magic == 1, 0);
            free(data);
            data = vector(magic, codec, "base=1000 (as stored on a broker)", &len);
            check_set(data, len, 1000, magic == 1, 0);
            free(data);
        }
    }
}

static void test_up_to_every_codec(void **state)
{
    (void)state;
    for (int magic = 0; magic <= 1; magic++) {
        for (int from = CODEC_NONE; from <= CODEC_LZ4; from++) {
            for (int to = CODEC_NONE; to <= CODEC_ZSTD; to++) {
                size_t len;
                uint8_t *data = vector(magic, from, "base=0", &len);
                struct writer w;
                struct batch header;
                int32_t count = 0;
                writer_init(&w, 0, OUT_MAX);
                assert_int_equal(
                    convert_up(NULL, data, len, target(to, encoder_level_default(to)), accept, &count, &w, &header),
                    ERR_OK);
                assert_int_equal(count, 3);
                assert_int_equal(header.count, 3);
                assert_int_equal(header.last_offset_delta, 2);
                assert_int_equal(header.max_timestamp, magic == 1 ? 1700000000005 : -1);
                assert_int_equal(header.base_timestamp, magic == 1 ? 1700000000000 : -1);
                assert_int_equal(batch_codec(&header), to);
                assert_int_equal(header.producer_id, -1);
                check_set(w.data, w.len, 0, magic == 1, 0);
                writer_release(&w);
                free(data);
            }
        }
    }
}

static enum err down(const uint8_t *data, size_t len, int8_t magic, int64_t first_offset, struct writer *w)
{
    enum err e = ERR_OK;
    struct batch b;
    for (size_t position = 0; e == ERR_OK && position < len; position += batch_size(&b)) {
        e = scan_header(data + position, len - position, &b);
        if (e == ERR_OK) {
            e = convert_down(NULL, data + position, &b, magic, first_offset, w);
        }
    }
    return e;
}

static void test_down_keeps_records_and_codec(void **state)
{
    (void)state;
    for (int magic = 1; magic <= 2; magic++) {
        for (int codec = CODEC_NONE; codec <= CODEC_LZ4; codec++) {
            for (int8_t to = 0; to < 2; to++) {
                size_t len;
                uint8_t *data = vector(magic, codec, "base=0", &len);
                struct writer w;
                struct batch b;
                writer_init(&w, 0, OUT_MAX);
                assert_int_equal(down(data, len, to, 0, &w), ERR_OK);
                check_set(w.data, w.len, 0, to == 1, 0);
                assert_int_equal(scan_header(w.data, w.len, &b), ERR_OK);
                assert_int_equal(b.magic, to);
                assert_int_equal(batch_codec(&b), codec);
                assert_int_equal(b.base_offset, codec == CODEC_NONE ? 0 : 2); // a wrapper has its last message's
                writer_release(&w);
                free(data);
            }
        }
    }
}

static void test_down_leaves_out_what_was_read(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data = vector(2, CODEC_NONE, "base=0", &len);
    struct writer w;
    writer_init(&w, 0, OUT_MAX);
    assert_int_equal(down(data, len, 1, 2, &w), ERR_OK);
    check_set(w.data, w.len, 0, true, 2);
    free(data);
    writer_release(&w);
    data = vector(2, CODEC_GZIP, "base=0", &len); // a wrapper stays whole
    writer_init(&w, 0, OUT_MAX);
    assert_int_equal(down(data, len, 1, 2, &w), ERR_OK);
    check_set(w.data, w.len, 0, true, 0);
    writer_release(&w);
    free(data);
}

static void test_down_of_what_old_formats_lack(void **state)
{
    (void)state;
    struct writer w;
    size_t len;
    writer_init(&w, 0, OUT_MAX);
    uint8_t *data = vector(2, CODEC_ZSTD, "base=0", &len);
    assert_int_equal(down(data, len, 1, 0, &w), ERR_UNSUPPORTED);
    free(data);
    data = test_vector("v2 control COMMIT pid=4242 epoch=3 coordEpoch=9 ple=5 base=106 ts=1700000000100", &len);
    assert_int_equal(down(data, len, 1, 0, &w), ERR_OK);
    free(data);
    data = test_vector("v2 empty batch kept by compaction pid=4242 epoch=3 seq=7 offsets 100-102 ple=5", &len);
    assert_int_equal(down(data, len, 1, 0, &w), ERR_OK);
    free(data);
    assert_int_equal(w.len, 0);
    data = vector(2, CODEC_GZIP, "base=0", &len);
    data[len - 9] ^= 1;
    assert_int_equal(down(data, len, 1, 0, &w), ERR_CORRUPT); // it is not made good by a new sum
    free(data);
    writer_release(&w);
}

static void test_append_time_stays(void **state)
{
    (void)state;
    const char *const names[] = {
        "v2 none after broker stamping: base=500 ple=6 LogAppendTime=1700000009999",
        "v2 gzip after broker stamping: base=500 ple=6 LogAppendTime=1700000009999",
    };
    for (size_t i = 0; i < 2; i++) {
        struct writer w;
        size_t len;
        uint8_t *data = test_vector(names[i], &len);
        writer_init(&w, 0, OUT_MAX);
        assert_int_equal(down(data, len, 1, 0, &w), ERR_OK);
        for (size_t position = 0; position < w.len;) {
            struct batch b;
            assert_int_equal(scan_header(w.data + position, w.len - position, &b), ERR_OK);
            assert_true(batch_is(&b, BATCH_ATTR_APPEND_TIME));
            assert_int_equal(b.max_timestamp, 1700000009999);
            position += batch_size(&b);
        }
        writer_release(&w);
        free(data);
    }
}

static void test_from_codec_to_codec(void **state)
{
    (void)state;
    for (int from = 0; from < PACK_COUNT; from++) {
        for (int to = CODEC_NONE; to <= CODEC_ZSTD; to++) {
            size_t len;
            uint8_t *data = test_simple_batch((enum test_packing)from, 500, 300, &len);
            struct batch b, made, again;
            struct writer w, back;
            assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
            writer_init(&w, 0, OUT_MAX);
            writer_init(&back, 0, OUT_MAX);
            assert_int_equal(convert_codec(NULL, data, &b, target(to, encoder_level_default(to)), &w, &made), ERR_OK);
            assert_int_equal(batch_codec(&made), to);
            assert_int_equal(made.count, b.count);
            assert_true(batch_crc_ok(w.data, &made));
            assert_int_equal(convert_codec(NULL, w.data, &made, target(CODEC_NONE, 0), &back, &again), ERR_OK);
            size_t plain_len;
            uint8_t *plain = test_simple_batch(PACK_NONE, 500, 300, &plain_len);
            assert_int_equal(back.len, plain_len);
            assert_memory_equal(back.data, plain, plain_len);
            free(plain);
            writer_release(&w);
            writer_release(&back);
            free(data);
        }
    }
}

static void test_levels(void **state)
{
    (void)state;
    const struct convert_target targets[] = {
        target(CODEC_GZIP, 1), target(CODEC_GZIP, 9),  target(CODEC_LZ4, 1),
        target(CODEC_LZ4, 17), target(CODEC_ZSTD, -5), target(CODEC_ZSTD, 22),
    };
    size_t sizes[6];
    for (size_t i = 0; i < 6; i++) {
        size_t len;
        uint8_t *data = test_simple_batch(PACK_NONE, 2000, 20, &len);
        struct batch b, made;
        struct writer w;
        assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
        writer_init(&w, 0, OUT_MAX);
        assert_int_equal(convert_codec(NULL, data, &b, targets[i], &w, &made), ERR_OK);
        sizes[i] = w.len;
        writer_release(&w);
        free(data);
    }
    assert_true(sizes[0] > sizes[1]);
    assert_true(sizes[2] > sizes[3]);
    assert_true(sizes[4] > sizes[5]);
}

static void test_the_writers_limit_holds(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data = test_simple_batch(PACK_GZIP, 1000, 100, &len);
    struct batch b, made;
    struct writer w;
    assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
    writer_init(&w, 0, 5000);
    assert_int_equal(convert_codec(NULL, data, &b, target(CODEC_NONE, 0), &w, &made), ERR_TOO_LARGE);
    writer_release(&w);
    writer_init(&w, 0, 5000);
    assert_int_equal(convert_down(NULL, data, &b, 1, 0, &w), ERR_TOO_LARGE);
    writer_release(&w);
    free(data);
}

// A wrapper of magic 1 around inner entries given as (offset, magic, codec).
struct inner {
    int64_t offset;
    int8_t magic;
    uint8_t attributes;
};

static enum err wrap_and_convert(int64_t wrapper_offset, const struct inner *inner, size_t count, bool break_crc)
{
    struct writer w, set, out;
    writer_init(&set, 0, OUT_MAX);
    for (size_t i = 0; i < count; i++) {
        legacy_write(&set, &(struct legacy_message){.offset = inner[i].offset,
                                                    .magic = inner[i].magic,
                                                    .attributes = inner[i].attributes,
                                                    .timestamp = 5,
                                                    .value = slice_str("v")});
    }
    if (break_crc) {
        set.data[LEGACY_ENTRY_BYTES] ^= 1;
    }
    size_t packed_len;
    uint8_t *packed = test_pack(PACK_GZIP, writer_slice(&set), &packed_len);
    writer_init(&w, 0, OUT_MAX);
    legacy_write(&w, &(struct legacy_message){.offset = wrapper_offset,
                                              .magic = 1,
                                              .attributes = CODEC_GZIP,
                                              .timestamp = 5,
                                              .value = slice_of(packed, packed_len)});
    writer_init(&out, 0, OUT_MAX);
    struct batch header;
    int32_t n = 0;
    enum err e = convert_up(NULL, w.data, w.len, target(CODEC_NONE, 0), accept, &n, &out, &header);
    writer_release(&out);
    writer_release(&w);
    writer_release(&set);
    free(packed);
    return e;
}

static void test_wrappers(void **state)
{
    (void)state;
    const struct inner good[] = {{0, 1, 0}, {1, 1, 0}, {2, 1, 0}};
    const struct inner zeros[] = {{0, 1, 0}, {0, 1, 0}};
    const struct inner other_magic[] = {{0, 0, 0}};
    const struct inner nested[] = {{0, 1, CODEC_GZIP}};
    assert_int_equal(wrap_and_convert(2, good, 3, false), ERR_OK);
    assert_int_equal(wrap_and_convert(700, good, 3, false), ERR_OK);
    assert_int_equal(wrap_and_convert(0, good, 3, false), ERR_OK); // old librdkafka
    assert_int_equal(wrap_and_convert(1, good, 3, false), ERR_INVALID_RECORD);
    assert_int_equal(wrap_and_convert(1, zeros, 2, false), ERR_OK);
    assert_int_equal(wrap_and_convert(0, good, 0, false), ERR_INVALID_RECORD);
    assert_int_equal(wrap_and_convert(0, other_magic, 1, false), ERR_INVALID_RECORD);
    assert_int_equal(wrap_and_convert(0, nested, 1, false), ERR_INVALID_RECORD);
    assert_int_equal(wrap_and_convert(2, good, 3, true), ERR_CORRUPT);
}

static void test_a_wrapper_without_value(void **state)
{
    (void)state;
    struct writer w;
    struct unpack *u;
    struct batch b;
    writer_init(&w, 0, OUT_MAX);
    legacy_write(&w, &(struct legacy_message){.magic = 1, .attributes = CODEC_GZIP});
    assert_int_equal(scan_header(w.data, w.len, &b), ERR_OK);
    assert_int_equal(unpack_open(NULL, w.data, &b, true, RECORDS_UNPACKED_MAX, &u), ERR_INVALID_RECORD);
    w.len = 0;
    legacy_write(&w, &(struct legacy_message){.magic = 1, .attributes = CODEC_ZSTD, .value = slice_str("x")});
    assert_int_equal(scan_header(w.data, w.len, &b), ERR_OK);
    assert_int_equal(unpack_open(NULL, w.data, &b, true, RECORDS_UNPACKED_MAX, &u), ERR_UNSUPPORTED_CODEC);
    writer_release(&w);
}

// The lz4 header checksum of magic 0 is wrong in old clients and right in others: both are read; magic 1 is strict.
static void test_lz4_header_checksum(void **state)
{
    (void)state;
    for (int magic = 0; magic <= 1; magic++) {
        size_t len;
        uint8_t *data = vector(magic, CODEC_LZ4, "base=0", &len);
        size_t at = LEGACY_ENTRY_BYTES + LEGACY_SIZE_MIN + (magic == 1 ? LEGACY_TIME_BYTES : 0) + 6;
        assert_int_equal(data[at], magic == 0 ? 0x1a : 0x82);
        data[at] = magic == 0 ? 0x82 : 0x1a;
        struct unpack *u;
        struct batch b;
        assert_int_equal(scan_header(data, len, &b), ERR_OK);
        assert_int_equal(unpack_open(NULL, data, &b, false, RECORDS_UNPACKED_MAX, &u),
                         magic == 0 ? ERR_OK : ERR_UNSUPPORTED_CODEC);
        unpack_close(u);
        free(data);
    }
}

// Records that do not fit into one piece of a decoder.
static void test_large_records(void **state)
{
    (void)state;
    for (int codec = CODEC_NONE; codec <= CODEC_LZ4; codec++) {
        size_t len;
        enum test_packing packing[] = {PACK_NONE, PACK_GZIP, PACK_SNAPPY_XERIAL, PACK_LZ4};
        uint8_t *data = test_simple_batch(packing[codec], 5, 300000, &len);
        struct writer w, back;
        struct batch b;
        int32_t count = 0;
        writer_init(&w, 0, OUT_MAX);
        writer_init(&back, 0, OUT_MAX);
        assert_int_equal(down(data, len, 1, 0, &w), ERR_OK);
        assert_int_equal(convert_up(NULL, w.data, w.len, target(CODEC_NONE, 0), accept, &count, &back, &b), ERR_OK);
        struct unpack *was, *is;
        struct full_record before, after;
        struct batch first;
        assert_int_equal(batch_read_header(data, len, &first), ERR_OK);
        assert_int_equal(unpack_open(NULL, data, &first, false, RECORDS_UNPACKED_MAX, &was), ERR_OK);
        assert_int_equal(unpack_open(NULL, back.data, &b, false, RECORDS_UNPACKED_MAX, &is), ERR_OK);
        for (int i = 0; i < 5; i++) {
            assert_int_equal(unpack_next(was, &before), ERR_OK);
            assert_int_equal(unpack_next(is, &after), ERR_OK);
            assert_int_equal(before.timestamp, after.timestamp);
            assert_true(slice_equal(before.key, after.key));
            assert_true(slice_equal(before.value, after.value));
        }
        assert_int_equal(unpack_next(is, &after), ERR_NOT_FOUND);
        unpack_close(was);
        unpack_close(is);
        writer_release(&w);
        writer_release(&back);
        free(data);
    }
}

static enum err touch(void *ctx, const struct batch *entry, const struct full_record *r, int32_t index)
{
    (void)entry;
    (void)index;
    // Every byte of what is handed out must be there.
    uint8_t sum = 0;
    for (size_t i = 0; i < r->key.len; i++) {
        sum ^= r->key.data[i];
    }
    for (size_t i = 0; i < r->value.len; i++) {
        sum ^= r->value.data[i];
    }
    *(uint8_t *)ctx ^= sum;
    return ERR_OK;
}

// Damaged bytes under sums that are right again: anything may come out, but nothing is read or written out of bounds,
// and what comes out is well formed.
static void test_mutations(void **state)
{
    (void)state;
    struct test_random random = {.state = 20391};
    uint8_t sum = 0;
    for (int round = 0; round < 6000; round++) {
        size_t len;
        int magic = (int)test_random_below(&random, 3);
        int codec = (int)test_random_below(&random, 4);
        uint8_t *data = vector(magic, codec, "base=0", &len);
        for (uint32_t i = test_random_below(&random, 4); i > 0; i--) {
            data[BATCH_PREFIX_SIZE + test_random_below(&random, (uint32_t)(len - BATCH_PREFIX_SIZE))] =
                (uint8_t)test_random_next(&random);
        }
        struct writer w;
        struct batch b, made;
        writer_init(&w, 0, OUT_MAX);
        enum err e;
        if (magic == 2) {
            test_seal(data, len);
            e = down(data, len, (int8_t)test_random_below(&random, 2), 0, &w);
        } else {
            e = convert_up(NULL, data, len, target(CODEC_NONE, 0), touch, &sum, &w, &made);
            if (e == ERR_OK) {
                assert_int_equal(batch_read_header(w.data, w.len, &b), ERR_OK);
                assert_int_equal(batch_size(&b), w.len);
                assert_true(batch_crc_ok(w.data, &b));
                struct writer again;
                writer_init(&again, 0, OUT_MAX);
                assert_int_equal(down(w.data, w.len, 1, 0, &again), ERR_OK);
                writer_release(&again);
            }
        }
        writer_release(&w);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_sets_are_read),
        cmocka_unit_test(test_up_to_every_codec),
        cmocka_unit_test(test_down_keeps_records_and_codec),
        cmocka_unit_test(test_down_leaves_out_what_was_read),
        cmocka_unit_test(test_down_of_what_old_formats_lack),
        cmocka_unit_test(test_append_time_stays),
        cmocka_unit_test(test_from_codec_to_codec),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_the_writers_limit_holds),
        cmocka_unit_test(test_wrappers),
        cmocka_unit_test(test_a_wrapper_without_value),
        cmocka_unit_test(test_lz4_header_checksum),
        cmocka_unit_test(test_large_records),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
