// SPDX-License-Identifier: Apache-2.0
//
// Decoders: all packings round trip, pieces stay within their bound, damage and excess are refused, and what decoders
// hold stays bounded whatever the data claims.
#include "log/compress.h"

#include <lz4frame.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "log/tests/batch_builder.h"

#define TEXT_BYTES (300 << 10)

// Text that packs well, but not to nothing.
static uint8_t *test_text(size_t len)
{
    struct test_random r = {42};
    uint8_t *text = malloc(len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++) {
        text[i] = (uint8_t)("the quick brown fox "[i % 20] + (test_random_below(&r, 40) == 0));
    }
    return text;
}

// Unpacks and compares as it goes.
static enum err unpack(struct codec_pool *pool, int codec, struct slice packed, struct slice expected)
{
    struct decoder *d;
    enum err e = decoder_open(pool, codec, packed, &d);
    if (e != ERR_OK) {
        return e;
    }
    size_t done = 0;
    struct slice piece;
    while ((e = decoder_next(d, &piece)) == ERR_OK && piece.len > 0) {
        if (codec != CODEC_SNAPPY) {
            assert_in_range(piece.len, 1, DECODER_WINDOW_BYTES);
        }
        assert_in_range(done + piece.len, 1, expected.len);
        assert_memory_equal(piece.data, expected.data + done, piece.len);
        done += piece.len;
    }
    if (e == ERR_OK) {
        assert_int_equal(done, expected.len);
        assert_int_equal(decoder_next(d, &piece), ERR_OK); // the end stays the end
        assert_int_equal(piece.len, 0);
    }
    decoder_close(d);
    return e;
}

static void test_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {3, 100, 65535, 65536, 65537, TEXT_BYTES};
    uint8_t *text = test_text(TEXT_BYTES);
    struct codec_pool *pool = codec_pool_new();
    for (int p = PACK_GZIP; p < PACK_COUNT; p++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct slice plain = slice_of(text, sizes[i]);
            size_t len;
            uint8_t *packed = test_pack((enum test_packing)p, plain, &len);
            int codec = test_packing_codec((enum test_packing)p);
            enum err alone = unpack(NULL, codec, slice_of(packed, len), plain);
            enum err pooled = unpack(pool, codec, slice_of(packed, len), plain);
            if (alone != ERR_OK || pooled != ERR_OK) {
                fail_msg("%s, %zu bytes: %s, %s", test_packing_name((enum test_packing)p), sizes[i], err_name(alone),
                         err_name(pooled));
            }
            free(packed);
        }
    }
    codec_pool_free(pool);
    free(text);
}

static void test_nothing_unpacks_to_nothing(void **state)
{
    (void)state;
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        assert_int_equal(unpack(NULL, codec, slice_of("", 0), slice_of("", 0)), ERR_OK);
    }
    static const int unknown[] = {-1, CODEC_NONE, 5, 6, 7};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        struct decoder *d;
        assert_int_equal(decoder_open(NULL, unknown[i], slice_of("x", 1), &d), ERR_UNSUPPORTED_CODEC);
        assert_null(d);
    }
}

static void test_cut_short_or_too_long(void **state)
{
    (void)state;
    uint8_t *text = test_text(2000);
    struct codec_pool *pool = codec_pool_new();
    for (int p = PACK_GZIP; p < PACK_COUNT; p++) {
        size_t len;
        uint8_t *packed = test_pack((enum test_packing)p, slice_of(text, 2000), &len);
        int codec = test_packing_codec((enum test_packing)p);
        int good = 0; // a cut between two members, streams or frames leaves something whole
        for (size_t cut = 1; cut < len; cut++) {
            struct decoder *d;
            enum err e = decoder_open(pool, codec, slice_of(packed, cut), &d);
            struct slice piece = {NULL, 1};
            while (e == ERR_OK && piece.len > 0) {
                e = decoder_next(d, &piece);
            }
            good += e == ERR_OK;
            assert_true(e == ERR_OK || e == ERR_UNSUPPORTED_CODEC);
            decoder_close(d);
        }
        bool parts = p == PACK_GZIP_MEMBERS || p == PACK_SNAPPY_XERIAL_STREAMS || p == PACK_ZSTD_FRAMES;
        bool framed = p == PACK_SNAPPY_XERIAL || p == PACK_SNAPPY_XERIAL_STREAMS; // a lone header is an empty stream
        assert_in_range(good, parts || framed ? 1 : 0, (parts ? 2 : 0) + (framed ? 1 : 0));
        uint8_t *longer = malloc(len + 7);
        assert_non_null(longer);
        memcpy(longer, packed, len);
        memcpy(longer + len, "garbage", 7);
        assert_int_equal(unpack(pool, codec, slice_of(longer, len + 7), slice_of(text, 2000)), ERR_UNSUPPORTED_CODEC);
        free(longer);
        free(packed);
    }
    codec_pool_free(pool);
    free(text);
}

// Whatever bytes are given, a decoder ends; it may never crash or read beyond (the sanitizers watch).
static void test_mutations(void **state)
{
    (void)state;
    uint8_t *text = test_text(3000);
    struct codec_pool *pool = codec_pool_new();
    for (int p = PACK_GZIP; p < PACK_COUNT; p++) {
        size_t len;
        uint8_t *packed = test_pack((enum test_packing)p, slice_of(text, 3000), &len);
        struct test_random r = {(uint64_t)p};
        for (int round = 0; round < 300; round++) {
            uint8_t *bad = malloc(len);
            assert_non_null(bad);
            memcpy(bad, packed, len);
            for (uint32_t n = 1 + test_random_below(&r, 4); n > 0; n--) {
                bad[test_random_below(&r, (uint32_t)len)] = (uint8_t)test_random_next(&r);
            }
            struct decoder *d;
            enum err e = decoder_open(pool, test_packing_codec((enum test_packing)p), slice_of(bad, len), &d);
            struct slice piece = {NULL, 1};
            while (e == ERR_OK && piece.len > 0) {
                e = decoder_next(d, &piece);
            }
            assert_true(e == ERR_OK || e == ERR_UNSUPPORTED_CODEC);
            decoder_close(d);
            free(bad);
        }
        free(packed);
    }
    codec_pool_free(pool);
    free(text);
}

static enum err unpack_bytes(int codec, const void *bytes, size_t len)
{
    struct decoder *d;
    enum err e = decoder_open(NULL, codec, slice_of(bytes, len), &d);
    struct slice piece = {NULL, 1};
    while (e == ERR_OK && piece.len > 0) {
        e = decoder_next(d, &piece);
    }
    decoder_close(d);
    return e;
}

static void test_snappy_claims(void **state)
{
    (void)state;
    // A claim of 4 GiB, of 1 GiB and of just too much for so few bytes: refused before anything is allocated.
    assert_int_equal(unpack_bytes(CODEC_SNAPPY, "\xff\xff\xff\xff\x0f\0x", 7), ERR_UNSUPPORTED_CODEC);
    assert_int_equal(unpack_bytes(CODEC_SNAPPY, "\x80\x80\x80\x80\x04\0x", 7), ERR_UNSUPPORTED_CODEC);
    assert_int_equal(unpack_bytes(CODEC_SNAPPY, "\xc8\x01\0x", 4), ERR_UNSUPPORTED_CODEC);
    assert_int_equal(unpack_bytes(CODEC_SNAPPY, "\x01\0x", 3), ERR_OK);
    static const char header[] = "\x82SNAPPY\0\0\0\0\1\0\0\0\1";
    uint8_t stream[32];
    memcpy(stream, header, 16);
    memcpy(stream + 16, "\0\0\0\3\1\0x", 7);
    assert_int_equal(unpack_bytes(CODEC_SNAPPY, stream, 23), ERR_OK);
    stream[16] = 0x7f; // a chunk longer than what is there
    assert_int_equal(unpack_bytes(CODEC_SNAPPY, stream, 23), ERR_UNSUPPORTED_CODEC);
    stream[16] = 0xff;
    assert_int_equal(unpack_bytes(CODEC_SNAPPY, stream, 23), ERR_UNSUPPORTED_CODEC);
    memcpy(stream + 16, "\0\0\0\0\1\0x", 7); // an empty chunk
    assert_int_equal(unpack_bytes(CODEC_SNAPPY, stream, 23), ERR_UNSUPPORTED_CODEC);
    memcpy(stream + 16, "\0\0\0\3\1\0x", 7);
    stream[15] = 2; // made for readers of a later version
    assert_int_equal(unpack_bytes(CODEC_SNAPPY, stream, 23), ERR_UNSUPPORTED_CODEC);
}

// A right frame whose blocks depend on each other.
static size_t linked_frame(uint8_t *out, size_t cap)
{
    LZ4F_cctx *ctx = NULL;
    LZ4F_preferences_t prefs = {.frameInfo = {.blockMode = LZ4F_blockLinked, .blockSizeID = LZ4F_max64KB}};
    assert_false(LZ4F_isError(LZ4F_createCompressionContext(&ctx, LZ4F_VERSION)));
    size_t len = LZ4F_compressBegin(ctx, out, cap, &prefs);
    for (int i = 0; i < 2; i++) {
        size_t n = LZ4F_compressUpdate(ctx, out + len, cap - len, "some text, some text, some text", 31, NULL);
        assert_false(LZ4F_isError(n));
        len += n;
    }
    size_t n = LZ4F_compressEnd(ctx, out + len, cap - len, NULL);
    assert_false(LZ4F_isError(n));
    LZ4F_freeCompressionContext(ctx);
    return len + n;
}

// Frames that the library would take and Kafka's reader does not.
static void test_lz4_limits(void **state)
{
    (void)state;
    size_t len;
    uint8_t *packed = test_pack(PACK_LZ4, slice_str("some text, some text, some text"), &len);
    assert_int_equal(packed[4] & 0xe0, 0x60);
    assert_int_equal(unpack_bytes(CODEC_LZ4, packed, len), ERR_OK);
    packed[6] ^= 1; // header checksum
    assert_int_equal(unpack_bytes(CODEC_LZ4, packed, len), ERR_UNSUPPORTED_CODEC);
    free(packed);
    uint8_t linked[256];
    len = linked_frame(linked, sizeof linked);
    assert_int_equal(unpack_bytes(CODEC_LZ4, linked, len), ERR_UNSUPPORTED_CODEC);
    assert_int_equal(unpack_bytes(CODEC_LZ4, "\x04\x22\x4d\x18\x60\x40\x82\0\0\0\0", 11), ERR_OK);
    assert_int_equal(unpack_bytes(CODEC_LZ4, "\x50\x2a\x4d\x18\0\0\0\0", 8), ERR_UNSUPPORTED_CODEC); // skippable
}

static void test_zstd_limits(void **state)
{
    (void)state;
    // A frame that asks for a window of 2^31 bytes, then one of 2^27 with an empty last block.
    assert_int_equal(unpack_bytes(CODEC_ZSTD, "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9), ERR_UNSUPPORTED_CODEC);
    assert_int_equal(unpack_bytes(CODEC_ZSTD, "\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00", 9), ERR_OK);
    // A frame of version 0.7.
    assert_int_equal(unpack_bytes(CODEC_ZSTD, "\x27\xb5\x2f\xfd\x20\x00\x00\x00\x00", 9), ERR_UNSUPPORTED_CODEC);
}

// Zeros without end from few bytes: the pieces stay small however long it goes on.
static void test_bomb_comes_in_small_pieces(void **state)
{
    (void)state;
    size_t plain_len = 32 << 20;
    uint8_t *zeros = calloc(1, plain_len);
    assert_non_null(zeros);
    for (int p = PACK_GZIP; p < PACK_COUNT; p++) {
        int codec = test_packing_codec((enum test_packing)p);
        if (codec == CODEC_SNAPPY) {
            continue; // it packs 21 to 1 at best, and is bounded by that
        }
        size_t len;
        uint8_t *packed = test_pack((enum test_packing)p, slice_of(zeros, plain_len), &len);
        assert_int_equal(unpack(NULL, codec, slice_of(packed, len), slice_of(zeros, plain_len)), ERR_OK);
        free(packed);
    }
    free(zeros);
}

// However many decoders there were at once, and however large, few stay.
static void test_pool_is_bounded(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    struct decoder *open[64];
    size_t len;
    uint8_t *packed = test_pack(PACK_LZ4_LARGE_BLOCKS, slice_str("some text"), &len);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 64; i++) {
            struct slice piece;
            assert_int_equal(decoder_open(pool, CODEC_LZ4, slice_of(packed, len), &open[i]), ERR_OK);
            assert_int_equal(decoder_next(open[i], &piece), ERR_OK);
            assert_true(slice_equal(piece, slice_str("some text")));
        }
        assert_int_equal(codec_pool_idle_bytes(pool), 0);
        for (size_t i = 0; i < 64; i++) {
            decoder_close(open[i]);
        }
        assert_in_range(codec_pool_idle_bytes(pool), 1 << 20, CODEC_POOL_IDLE_MAX);
    }
    free(packed);
    // A decoder with a window of 128 MiB is not kept.
    size_t idle = codec_pool_idle_bytes(pool);
    struct slice piece;
    assert_int_equal(decoder_open(pool, CODEC_ZSTD, slice_of("\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00", 9), &open[0]),
                     ERR_OK);
    assert_int_equal(decoder_next(open[0], &piece), ERR_OK);
    decoder_close(open[0]);
    assert_int_equal(codec_pool_idle_bytes(pool), idle);
    codec_pool_free(pool);
}

struct shared_pool {
    struct codec_pool *pool;
    struct slice packed[PACK_COUNT];
    struct slice plain;
};

static void *unpack_many(void *arg)
{
    const struct shared_pool *s = arg;
    for (int round = 0; round < 50; round++) {
        for (int p = PACK_GZIP; p < PACK_COUNT; p++) {
            if (unpack(s->pool, test_packing_codec((enum test_packing)p), s->packed[p], s->plain) != ERR_OK) {
                return NULL;
            }
        }
    }
    return arg;
}

static void test_pool_is_shared(void **state)
{
    (void)state;
    uint8_t *text = test_text(5000);
    struct shared_pool s = {.pool = codec_pool_new(), .plain = slice_of(text, 5000)};
    for (int p = PACK_GZIP; p < PACK_COUNT; p++) {
        size_t len;
        uint8_t *packed = test_pack((enum test_packing)p, s.plain, &len);
        s.packed[p] = slice_of(packed, len);
    }
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, unpack_many, &s), 0);
    }
    for (int i = 0; i < 3; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_non_null(result);
    }
    for (int p = PACK_GZIP; p < PACK_COUNT; p++) {
        free((void *)s.packed[p].data);
    }
    codec_pool_free(s.pool);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_nothing_unpacks_to_nothing),
        cmocka_unit_test(test_cut_short_or_too_long),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_snappy_claims),
        cmocka_unit_test(test_lz4_limits),
        cmocka_unit_test(test_zstd_limits),
        cmocka_unit_test(test_bomb_comes_in_small_pieces),
        cmocka_unit_test(test_pool_is_bounded),
        cmocka_unit_test(test_pool_is_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
