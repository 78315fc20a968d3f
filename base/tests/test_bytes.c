// SPDX-License-Identifier: Apache-2.0
//
// The reader never goes past its end and stays bad; the writer never passes its limit; varints are those of Kafka's
// record format (the values and their bytes were made by Kafka's own classes).
#include "base/bytes.h"

#include "base/tests/cmocka_all.h"
#include <stdlib.h>

static void test_big_endian_round_trip(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 0, 1024);
    writer_u8(&w, 0xfe);
    writer_u16(&w, 0x0102);
    writer_u32(&w, 0x03040506);
    writer_u64(&w, 0x0708090a0b0c0d0e);
    writer_bytes(&w, "abc", 3);
    const uint8_t expected[] = {0xfe, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 'a', 'b', 'c'};
    assert_false(w.bad);
    assert_int_equal(w.len, sizeof expected);
    assert_memory_equal(w.data, expected, sizeof expected);

    struct reader r = reader_of(writer_slice(&w));
    assert_int_equal(reader_u8(&r), 0xfe);
    assert_int_equal(reader_u16(&r), 0x0102);
    assert_int_equal(reader_u32(&r), 0x03040506);
    assert_true(reader_u64(&r) == 0x0708090a0b0c0d0e);
    assert_int_equal(reader_left(&r), 3);
    assert_true(slice_equal(reader_bytes(&r, 3), slice_str("abc")));
    assert_int_equal(reader_left(&r), 0);
    assert_false(r.bad);
    writer_release(&w);
}

static void test_reader_past_end_stays_bad(void **state)
{
    (void)state;
    const uint8_t data[] = {1, 2, 3, 4};
    struct reader r = reader_of(slice_of(data, 3));
    assert_int_equal(reader_u32(&r), 0);
    assert_true(r.bad);
    assert_int_equal(r.pos, 0);
    // One byte would be there, but a bad reader answers nothing any more.
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_u16(&r), 0);
    assert_true(reader_u64(&r) == 0);
    assert_int_equal(reader_uvarint(&r), 0);
    assert_int_equal(reader_varlong(&r), 0);
    assert_int_equal(reader_bytes(&r, 1).len, 0);
    assert_int_equal(r.pos, 0);
}

static void test_reader_bytes_edges(void **state)
{
    (void)state;
    const uint8_t data[] = {1, 2};
    struct reader r = reader_of(slice_of(data, 2));
    assert_ptr_equal(reader_bytes(&r, 2).data, data);
    struct slice empty = reader_bytes(&r, 0);
    assert_non_null(empty.data);
    assert_int_equal(empty.len, 0);
    assert_false(r.bad);
    assert_non_null(reader_bytes(&r, SIZE_MAX).data);
    assert_true(r.bad);

    r = reader_of(SLICE_NULL);
    assert_non_null(reader_bytes(&r, 0).data);
    assert_false(r.bad);
    reader_u8(&r);
    assert_true(r.bad);
}

struct varint_case {
    int64_t value;
    size_t len;
    uint8_t bytes[10];
};

static void test_varint(void **state)
{
    (void)state;
    static const struct varint_case cases[] = {
        {0, 1, {0x00}},
        {-1, 1, {0x01}},
        {1, 1, {0x02}},
        {-2, 1, {0x03}},
        {63, 1, {0x7e}},
        {-64, 1, {0x7f}},
        {64, 2, {0x80, 0x01}},
        {300, 2, {0xd8, 0x04}},
        {-300, 2, {0xd7, 0x04}},
        {INT32_MAX, 5, {0xfe, 0xff, 0xff, 0xff, 0x0f}},
        {INT32_MIN, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t buf[16];
        struct writer w;
        writer_init_fixed(&w, buf, sizeof buf);
        writer_varint(&w, (int32_t)cases[i].value);
        assert_int_equal(w.len, cases[i].len);
        assert_int_equal(varint_size((int32_t)cases[i].value), cases[i].len);
        assert_memory_equal(buf, cases[i].bytes, cases[i].len);
        struct reader r = reader_of(writer_slice(&w));
        assert_int_equal(reader_varint(&r), cases[i].value);
        assert_false(r.bad);
        assert_int_equal(reader_left(&r), 0);
    }
}

static void test_varlong(void **state)
{
    (void)state;
    static const struct varint_case cases[] = {
        {0, 1, {0x00}},
        {-1, 1, {0x01}},
        {1, 1, {0x02}},
        {1700000000000, 6, {0x80, 0xa0, 0xab, 0xfe, 0xf9, 0x62}},
        {INT64_MAX, 10, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
        {INT64_MIN, 10, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t buf[16];
        struct writer w;
        writer_init_fixed(&w, buf, sizeof buf);
        writer_varlong(&w, cases[i].value);
        assert_int_equal(w.len, cases[i].len);
        assert_int_equal(varlong_size(cases[i].value), cases[i].len);
        assert_memory_equal(buf, cases[i].bytes, cases[i].len);
        struct reader r = reader_of(writer_slice(&w));
        assert_true(reader_varlong(&r) == cases[i].value);
        assert_false(r.bad);
    }
}

static void test_uvarint(void **state)
{
    (void)state;
    static const struct varint_case cases[] = {
        {0, 1, {0x00}},
        {127, 1, {0x7f}},
        {128, 2, {0x80, 0x01}},
        {300, 2, {0xac, 0x02}},
        {16383, 2, {0xff, 0x7f}},
        {16384, 3, {0x80, 0x80, 0x01}},
        {INT32_MAX, 5, {0xff, 0xff, 0xff, 0xff, 0x07}},
        {UINT32_MAX, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t buf[16];
        struct writer w;
        writer_init_fixed(&w, buf, sizeof buf);
        writer_uvarint(&w, (uint32_t)cases[i].value);
        assert_int_equal(w.len, cases[i].len);
        assert_int_equal(uvarint_size((uint32_t)cases[i].value), cases[i].len);
        assert_memory_equal(buf, cases[i].bytes, cases[i].len);
        struct reader r = reader_of(writer_slice(&w));
        assert_int_equal(reader_uvarint(&r), (uint32_t)cases[i].value);
        assert_false(r.bad);
    }
}

static void test_varint_too_long(void **state)
{
    (void)state;
    const uint8_t over32[] = {0xff, 0xff, 0xff, 0xff, 0x10};
    struct reader r = reader_of(slice_of(over32, sizeof over32));
    assert_int_equal(reader_uvarint(&r), 0);
    assert_true(r.bad);

    const uint8_t six_groups[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    r = reader_of(slice_of(six_groups, sizeof six_groups));
    reader_varint(&r);
    assert_true(r.bad);

    const uint8_t over64[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    r = reader_of(slice_of(over64, sizeof over64));
    assert_true(reader_varlong(&r) == 0);
    assert_true(r.bad);

    const uint8_t unfinished[] = {0x80};
    r = reader_of(slice_of(unfinished, sizeof unfinished));
    reader_uvarint(&r);
    assert_true(r.bad);

    // Longer than needed but in range: Kafka's readers take it.
    const uint8_t padded[] = {0x81, 0x80, 0x00};
    r = reader_of(slice_of(padded, sizeof padded));
    assert_int_equal(reader_uvarint(&r), 1);
    assert_false(r.bad);
}

static void test_fixed_writer_full(void **state)
{
    (void)state;
    uint8_t buf[4] = {0, 0, 0, 0xaa};
    struct writer w;
    writer_init_fixed(&w, buf, 3);
    writer_u16(&w, 0x0102);
    writer_u16(&w, 0x0304);
    assert_true(w.bad);
    assert_int_equal(w.len, 2);
    writer_u8(&w, 9); // would fit, but a bad writer does nothing
    assert_int_equal(w.len, 2);
    assert_int_equal(buf[3], 0xaa);
    size_t len = 7;
    assert_null(writer_take(&w, &len)); // the buffer is not the writer's to give
    assert_int_equal(len, 0);
    writer_release(&w);
}

static void test_growing_writer_limit(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 1, 1000);
    for (int i = 0; i < 1000; i++) {
        writer_u8(&w, (uint8_t)i);
    }
    assert_false(w.bad);
    assert_int_equal(w.len, 1000);
    assert_true(w.cap <= 1000);
    assert_int_equal(w.data[999], (uint8_t)999);
    writer_u8(&w, 1);
    assert_true(w.bad);
    assert_null(writer_reserve(&w, 0));
    writer_release(&w);
    writer_release(&w);

    writer_init(&w, 16, 100);
    assert_null(writer_reserve(&w, SIZE_MAX));
    assert_true(w.bad);
    writer_release(&w);
}

static void test_writer_take(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 8, 64);
    writer_bytes(&w, "hello", 5);
    size_t len;
    uint8_t *data = writer_take(&w, &len);
    assert_int_equal(len, 5);
    assert_memory_equal(data, "hello", 5);
    free(data);
    writer_u8(&w, 7); // the writer is empty and usable
    assert_int_equal(w.len, 1);
    assert_false(w.bad);
    writer_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_big_endian_round_trip),
        cmocka_unit_test(test_reader_past_end_stays_bad),
        cmocka_unit_test(test_reader_bytes_edges),
        cmocka_unit_test(test_varint),
        cmocka_unit_test(test_varlong),
        cmocka_unit_test(test_uvarint),
        cmocka_unit_test(test_varint_too_long),
        cmocka_unit_test(test_fixed_writer_full),
        cmocka_unit_test(test_growing_writer_limit),
        cmocka_unit_test(test_writer_take),
    };
    return cmocka_run_group_tests_name("base/bytes", tests, NULL, NULL);
}
