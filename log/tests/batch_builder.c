// SPDX-License-Identifier: Apache-2.0
//
// Test batches and packers. Memory and library errors end the test at once.
#include "log/tests/batch_builder.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/os.h"

#define TEST_BATCH_MAX   (64 << 20)
#define XERIAL_CHUNK     (32 << 10)
#define TEST_VECTOR_FILE "log/tests/data/record-vectors.txt"

int test_packing_codec(enum test_packing p)
{
    static const int codecs[PACK_COUNT] = {0, 1, 1, 2, 2, 2, 3, 3, 4, 4};
    return codecs[p];
}

const char *test_packing_name(enum test_packing p)
{
    static const char *const names[PACK_COUNT] = {
        "none",          "gzip",
        "gzip members",  "snappy raw",
        "snappy xerial", "snappy xerial streams",
        "lz4",           "lz4 large blocks",
        "zstd",          "zstd frames",
    };
    return names[p];
}

static void pack_gzip(struct writer *w, struct slice data)
{
    z_stream z = {0};
    ASSERT(deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    uLong bound = deflateBound(&z, (uLong)data.len);
    size_t from = w->len;
    z.next_out = writer_reserve(w, bound);
    z.avail_out = (uInt)bound;
    z.next_in = (z_const Bytef *)data.data;
    z.avail_in = (uInt)data.len;
    ASSERT(z.next_out != NULL && deflate(&z, Z_FINISH) == Z_STREAM_END);
    w->len = from + z.total_out;
    deflateEnd(&z);
}

static void pack_snappy_block(struct writer *w, struct slice data, bool framed)
{
    size_t bound = snappy_max_compressed_length(data.len);
    char *out = malloc(bound);
    ASSERT(out != NULL && snappy_compress((const char *)data.data, data.len, out, &bound) == SNAPPY_OK);
    if (framed) {
        writer_u32(w, (uint32_t)bound);
    }
    writer_bytes(w, out, bound);
    free(out);
}

static void pack_xerial(struct writer *w, struct slice data)
{
    writer_bytes(w, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
    for (size_t i = 0; i < data.len; i += XERIAL_CHUNK) {
        size_t left = data.len - i;
        pack_snappy_block(w, slice_of(data.data + i, left < XERIAL_CHUNK ? left : XERIAL_CHUNK), true);
    }
}

static void pack_lz4(struct writer *w, struct slice data, bool large)
{
    LZ4F_preferences_t prefs = {0};
    prefs.frameInfo.blockMode = LZ4F_blockIndependent;
    prefs.frameInfo.blockSizeID = large ? LZ4F_max4MB : LZ4F_max64KB;
    prefs.frameInfo.contentChecksumFlag = large ? LZ4F_contentChecksumEnabled : LZ4F_noContentChecksum;
    prefs.frameInfo.blockChecksumFlag = large ? LZ4F_blockChecksumEnabled : LZ4F_noBlockChecksum;
    size_t bound = LZ4F_compressFrameBound(data.len, &prefs);
    size_t from = w->len;
    uint8_t *out = writer_reserve(w, bound);
    ASSERT(out != NULL);
    size_t n = LZ4F_compressFrame(out, bound, data.data, data.len, &prefs);
    ASSERT(!LZ4F_isError(n));
    w->len = from + n;
}

static void pack_zstd(struct writer *w, struct slice data)
{
    size_t bound = ZSTD_compressBound(data.len);
    size_t from = w->len;
    uint8_t *out = writer_reserve(w, bound);
    ASSERT(out != NULL);
    size_t n = ZSTD_compress(out, bound, data.data, data.len, 3);
    ASSERT(!ZSTD_isError(n));
    w->len = from + n;
}

uint8_t *test_pack(enum test_packing p, struct slice data, size_t *len)
{
    struct writer w;
    writer_init(&w, data.len + 64, TEST_BATCH_MAX);
    struct slice first = slice_of(data.data, data.len / 3);
    struct slice second = slice_of(data.data + first.len, data.len - first.len);
    switch (p) {
    case PACK_GZIP:
        pack_gzip(&w, data);
        break;
    case PACK_GZIP_MEMBERS:
        pack_gzip(&w, first);
        pack_gzip(&w, second);
        break;
    case PACK_SNAPPY_RAW:
        pack_snappy_block(&w, data, false);
        break;
    case PACK_SNAPPY_XERIAL:
        pack_xerial(&w, data);
        break;
    case PACK_SNAPPY_XERIAL_STREAMS:
        pack_xerial(&w, first);
        pack_xerial(&w, second);
        break;
    case PACK_LZ4:
    case PACK_LZ4_LARGE_BLOCKS:
        pack_lz4(&w, data, p == PACK_LZ4_LARGE_BLOCKS);
        break;
    case PACK_ZSTD:
        pack_zstd(&w, data);
        break;
    case PACK_ZSTD_FRAMES:
        pack_zstd(&w, first);
        writer_bytes(&w, "\x53\x2a\x4d\x18\x03\0\0\0abc", 11);
        pack_zstd(&w, second);
        break;
    case PACK_NONE:
    case PACK_COUNT:
        writer_bytes(&w, data.data, data.len);
        break;
    }
    ASSERT(!w.bad);
    return writer_take(&w, len);
}

static void add_nullable(struct writer *w, struct slice s)
{
    writer_varint(w, s.data == NULL ? -1 : (int32_t)s.len);
    if (s.data != NULL) {
        writer_bytes(w, s.data, s.len);
    }
}

void test_add_record(struct writer *w, int32_t offset_delta, int64_t timestamp_delta, struct slice key,
                     struct slice value, int headers)
{
    struct writer body;
    writer_init(&body, 64, TEST_BATCH_MAX);
    writer_u8(&body, 0);
    writer_varlong(&body, timestamp_delta);
    writer_varint(&body, offset_delta);
    add_nullable(&body, key);
    add_nullable(&body, value);
    writer_varint(&body, headers);
    for (int i = 0; i < headers; i++) {
        add_nullable(&body, slice_str("name"));
        add_nullable(&body, i % 2 == 0 ? slice_str("header value") : SLICE_NULL);
    }
    ASSERT(!body.bad);
    writer_varint(w, (int32_t)body.len);
    writer_bytes(w, body.data, body.len);
    writer_release(&body);
}

void test_add_records(struct writer *w, int32_t n, size_t value_len)
{
    uint8_t *value = malloc(value_len + 1);
    ASSERT(value != NULL);
    for (int32_t i = 0; i < n; i++) {
        char key[16];
        int key_len = snprintf(key, sizeof key, "key-%d", i);
        for (size_t k = 0; k < value_len; k++) {
            value[k] = (uint8_t)((size_t)i + k / 5);
        }
        test_add_record(w, i, i, slice_of(key, (size_t)key_len), slice_of(value, value_len), i % 3);
    }
    free(value);
}

struct batch test_header(int32_t n)
{
    return (struct batch){
        .leader_epoch = -1,
        .magic = 2,
        .last_offset_delta = n - 1,
        .base_timestamp = 1000,
        .max_timestamp = 1000 + n - 1,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
        .count = n,
    };
}

void test_seal(uint8_t *batch, size_t len)
{
    store_be32(batch + BATCH_AT_CRC, crc32c(batch + BATCH_AT_ATTRIBUTES, len - BATCH_AT_ATTRIBUTES));
}

uint8_t *test_batch(const struct batch *header, enum test_packing p, struct slice records, size_t *len)
{
    size_t packed_len = 0;
    uint8_t *packed = test_pack(p, records, &packed_len);
    struct writer w;
    writer_init(&w, BATCH_HEADER_SIZE + packed_len, TEST_BATCH_MAX);
    writer_u64(&w, (uint64_t)header->base_offset);
    writer_u32(&w, (uint32_t)(BATCH_HEADER_SIZE + packed_len - BATCH_OVERHEAD));
    writer_u32(&w, (uint32_t)header->leader_epoch);
    writer_u8(&w, (uint8_t)header->magic);
    writer_u32(&w, 0);
    writer_u16(&w, (uint16_t)(header->attributes | test_packing_codec(p)));
    writer_u32(&w, (uint32_t)header->last_offset_delta);
    writer_u64(&w, (uint64_t)header->base_timestamp);
    writer_u64(&w, (uint64_t)header->max_timestamp);
    writer_u64(&w, (uint64_t)header->producer_id);
    writer_u16(&w, (uint16_t)header->producer_epoch);
    writer_u32(&w, (uint32_t)header->base_sequence);
    writer_u32(&w, (uint32_t)header->count);
    if (packed_len > 0) {
        writer_bytes(&w, packed, packed_len);
    }
    free(packed);
    ASSERT(!w.bad);
    uint8_t *batch = writer_take(&w, len);
    test_seal(batch, *len);
    return batch;
}

uint8_t *test_simple_batch(enum test_packing p, int32_t n, size_t value_len, size_t *len)
{
    struct writer w;
    writer_init(&w, 1024, TEST_BATCH_MAX);
    test_add_records(&w, n, value_len);
    ASSERT(!w.bad);
    struct batch header = test_header(n);
    uint8_t *batch = test_batch(&header, p, writer_slice(&w), len);
    writer_release(&w);
    return batch;
}

uint32_t test_random_next(struct test_random *r)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 33);
}

uint32_t test_random_below(struct test_random *r, uint32_t bound)
{
    return test_random_next(r) % bound;
}

char *test_file(const char *path, size_t *len)
{
    char *data = NULL;
    enum err e = os_read_file(os_real(), path, TEST_BATCH_MAX, &data, len);
    if (e != ERR_OK) {
        fprintf(stderr, "%s: %s\n", path, err_text(e));
    }
    ASSERT(e == ERR_OK);
    return data;
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

uint8_t *test_vector(const char *name, size_t *len)
{
    size_t file_len = 0;
    char *file = test_file(TEST_VECTOR_FILE, &file_len);
    char *line = file;
    size_t name_len = strlen(name);
    while (line != NULL && !(strncmp(line, name, name_len) == 0 && line[name_len] == '\t')) {
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    ASSERT(line != NULL);
    const char *hex = line + name_len + 1;
    *len = strcspn(hex, "\n") / 2;
    uint8_t *out = malloc(*len + 1);
    ASSERT(out != NULL);
    for (size_t i = 0; i < *len; i++) {
        out[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    }
    free(file);
    return out;
}

uint8_t *test_zstd_bomb(struct slice head, uint8_t fill, int blocks, size_t *len)
{
    struct writer w;
    writer_init(&w, 1024, 16 << 20);
    writer_bytes(&w, "\x28\xb5\x2f\xfd\x00\x38", 6); // no checksum, no size, a window of 128 KiB
    uint32_t raw = (uint32_t)head.len << 3;
    writer_u8(&w, (uint8_t)raw);
    writer_u8(&w, (uint8_t)(raw >> 8));
    writer_u8(&w, (uint8_t)(raw >> 16));
    writer_bytes(&w, head.data, head.len);
    for (int i = 0; i < blocks; i++) {
        uint32_t run = (128u << 10) << 3 | 1u << 1 | (i == blocks - 1);
        writer_u8(&w, (uint8_t)run);
        writer_u8(&w, (uint8_t)(run >> 8));
        writer_u8(&w, (uint8_t)(run >> 16));
        writer_u8(&w, fill);
    }
    ASSERT(!w.bad);
    return writer_take(&w, len);
}
