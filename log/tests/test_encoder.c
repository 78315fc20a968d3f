// SPDX-License-Identifier: Apache-2.0
//
// Encoders: containers begin as those that Kafka writes, byte for byte, whatever pieces the input comes in; what is
// packed unpacks to the same; there is never more output than the writer takes.
#include "log/encoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"

#define TEXT_BYTES (200 << 10)
#define LIMIT      (1 << 20)

static uint8_t *test_text(void)
{
    struct test_random r = {7};
    uint8_t *text = malloc(TEXT_BYTES);
    assert_non_null(text);
    for (size_t i = 0; i < TEXT_BYTES; i++) {
        text[i] = (uint8_t)('a' + test_random_below(&r, 6));
    }
    return text;
}

// Packs in pieces of so many bytes.
static enum err pack(int codec, struct slice plain, size_t piece, struct writer *w)
{
    struct encoder *e = NULL;
    enum err err = encoder_open(codec, encoder_level_default(codec), false, w, &e);
    for (size_t at = 0; err == ERR_OK && at < plain.len; at += piece) {
        err = encoder_write(e, plain.data + at, plain.len - at < piece ? plain.len - at : piece);
    }
    if (err == ERR_OK) {
        err = encoder_finish(e);
    }
    encoder_close(e);
    return err;
}

static void unpacks_to(int codec, struct slice packed, struct slice plain)
{
    struct decoder *d;
    struct slice piece;
    size_t done = 0;
    assert_int_equal(decoder_open(NULL, codec, packed, &d), ERR_OK);
    while (decoder_next(d, &piece) == ERR_OK && piece.len > 0) {
        assert_true(done + piece.len <= plain.len);
        assert_memory_equal(piece.data, plain.data + done, piece.len);
        done += piece.len;
    }
    assert_int_equal(done, plain.len);
    decoder_close(d);
}

// Java's GZIPOutputStream names no time and no operating system; xerial's stream has its versions; the frame of lz4
// has independent blocks of 64 KiB; that of zstd tells no size.
static void test_containers_are_those_of_kafka(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } begins[CODEC_COUNT] = {
        [CODEC_GZIP] = {"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10},
        [CODEC_SNAPPY] = {"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01", 16},
        [CODEC_LZ4] = {"\x04\x22\x4d\x18\x60\x40\x82", 7},
        [CODEC_ZSTD] = {"\x28\xb5\x2f\xfd\x00", 5},
    };
    static const size_t pieces[] = {1000, 65536, TEXT_BYTES};
    uint8_t *text = test_text();
    struct slice plain = slice_of(text, TEXT_BYTES);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            struct writer w;
            writer_init(&w, 0, LIMIT);
            assert_int_equal(pack(codec, plain, pieces[i], &w), ERR_OK);
            assert_true(w.len > begins[codec].len && w.len < TEXT_BYTES);
            assert_memory_equal(w.data, begins[codec].bytes, begins[codec].len);
            unpacks_to(codec, slice_of(w.data, w.len), plain);
            writer_release(&w);
        }
    }
    free(text);
}

static void test_bounds(void **state)
{
    (void)state;
    uint8_t *text = test_text();
    for (int codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
        struct writer w;
        writer_init(&w, 0, 1000);
        assert_int_equal(pack(codec, slice_of(text, TEXT_BYTES), TEXT_BYTES, &w), ERR_TOO_LARGE);
        assert_true(w.len <= 1000);
        writer_release(&w);
    }
    struct writer w;
    struct encoder *e = NULL;
    writer_init(&w, 0, LIMIT);
    assert_int_equal(encoder_open(CODEC_COUNT, 0, false, &w, &e), ERR_UNSUPPORTED_CODEC);
    writer_release(&w);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_containers_are_those_of_kafka),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests_name("log/encoder", tests, NULL, NULL);
}
