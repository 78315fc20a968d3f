// SPDX-License-Identifier: Apache-2.0
//
// Frames come out as they went in, however the bytes are cut; sizes out of range are refused; a large frame's buffer
// follows what has arrived.
#include "broker/net/input.h"

#include "base/bytes.h"
#include "base/tests/cmocka_all.h"
#include <stdlib.h>

static void begin_if_due(struct input *in)
{
    if (input_has_size(in)) {
        assert_int_equal(input_check(in), ERR_OK);
        assert_int_equal(input_begin(in), ERR_OK);
        assert_false(input_has_size(in));
    }
}

static void test_every_cut(void **state)
{
    (void)state;
    static const uint8_t stream[] = {0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd', 0, 0, 0, 2, 'e', 'f'};
    for (size_t step = 1; step <= sizeof stream; step++) {
        struct input in;
        char seen[16] = "";
        size_t at = 0;
        input_init(&in, 3);
        while (at < sizeof stream) {
            size_t used, len = step < sizeof stream - at ? step : sizeof stream - at;
            assert_int_equal(input_feed(&in, stream + at, len, &used), ERR_OK);
            assert_true(used > 0 && used <= len);
            at += used;
            begin_if_due(&in);
            if (input_is_whole(&in)) {
                size_t frame_len;
                uint8_t *frame = input_take(&in, &frame_len);
                strncat(seen, (char *)frame, frame_len);
                strcat(seen, " ");
                free(frame);
            }
        }
        assert_string_equal(seen, "abc d ef ");
        input_release(&in);
    }
}

static void size_check(int32_t size, enum err expected)
{
    struct input in;
    uint8_t head[4];
    size_t used;
    input_init(&in, 100);
    store_be32(head, (uint32_t)size);
    assert_int_equal(input_feed(&in, head, 3, &used), ERR_OK);
    assert_false(input_has_size(&in));
    assert_int_equal(input_feed(&in, head + 3, 1, &used), ERR_OK);
    assert_true(input_has_size(&in));
    assert_int_equal(input_size(&in), size);
    assert_int_equal(input_check(&in), expected);
    assert_int_equal(input_feed(&in, head, 4, &used), ERR_OK); // nothing is taken until it has begun
    assert_int_equal(used, 0);
    input_release(&in);
}

static void test_sizes(void **state)
{
    (void)state;
    size_check(1, ERR_OK);
    size_check(100, ERR_OK);
    size_check(101, ERR_TOO_LARGE);
    size_check(INT32_MAX, ERR_TOO_LARGE);
    size_check(0, ERR_INVALID);
    size_check(-1, ERR_INVALID);
    size_check(INT32_MIN, ERR_INVALID);
}

static void test_large_frame_grows_with_its_bytes(void **state)
{
    (void)state;
    const size_t len = 5 * INPUT_FIRST_BYTES + 17;
    struct input in;
    uint8_t head[4];
    size_t used, room_len, calls = 0;
    uint8_t *room;
    input_init(&in, INT32_MAX);
    assert_int_equal(input_room(&in, &room, &room_len), ERR_OK);
    assert_int_equal(room_len, 0);
    store_be32(head, (uint32_t)len);
    assert_int_equal(input_feed(&in, head, 4, &used), ERR_OK);
    begin_if_due(&in);
    assert_int_equal(in.cap, INPUT_FIRST_BYTES);
    for (size_t got = 0; got < len; got += room_len, calls++) {
        assert_int_equal(input_room(&in, &room, &room_len), ERR_OK);
        assert_true(room_len > 0 && in.cap <= 2 * (got > INPUT_FIRST_BYTES / 2 ? got : INPUT_FIRST_BYTES));
        memset(room, (int)calls + 1, room_len);
        assert_false(input_is_whole(&in));
        input_filled(&in, room_len);
    }
    assert_int_equal(calls, 4); // 1, 2, 4 MiB and the whole
    assert_true(input_is_whole(&in));
    assert_int_equal(input_room(&in, &room, &room_len), ERR_OK);
    assert_int_equal(room_len, 0);
    size_t frame_len;
    uint8_t *frame = input_take(&in, &frame_len);
    assert_int_equal(frame_len, len);
    assert_int_equal(frame[0], 1);
    assert_int_equal(frame[INPUT_FIRST_BYTES], 2);
    assert_int_equal(frame[len - 1], 4);
    free(frame);
    assert_false(input_is_whole(&in));
    input_release(&in);
}

static void test_feed_across_growth(void **state)
{
    (void)state;
    const size_t len = 2 * INPUT_FIRST_BYTES + 1;
    uint8_t *stream = calloc(1, 4 + len + 1);
    assert_non_null(stream);
    store_be32(stream, (uint32_t)len);
    stream[4 + len - 1] = 'z';
    struct input in;
    size_t used, frame_len;
    input_init(&in, INT32_MAX);
    assert_int_equal(input_feed(&in, stream, 4 + len + 1, &used), ERR_OK);
    assert_int_equal(used, 4); // the size alone
    begin_if_due(&in);
    assert_int_equal(input_feed(&in, stream + 4, len + 1, &used), ERR_OK);
    assert_int_equal(used, len); // not a byte of the next frame
    uint8_t *frame = input_take(&in, &frame_len);
    assert_memory_equal(frame, stream + 4, len);
    free(frame);
    free(stream);
    input_release(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_large_frame_grows_with_its_bytes),
        cmocka_unit_test(test_feed_across_growth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
