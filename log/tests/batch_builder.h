// SPDX-License-Identifier: Apache-2.0
//
// Builds record batches for the tests of this room, right ones and wrong ones: nothing given is checked. Also the
// packers of all codecs, which the broker itself does not need. Everything returned is malloc'ed.
#ifndef OTTLA_LOG_TESTS_BATCH_BUILDER_H
#define OTTLA_LOG_TESTS_BATCH_BUILDER_H

#include "base/bytes.h"
#include "log/batch.h"

// The ways a client may pack records.
enum test_packing {
    PACK_NONE,
    PACK_GZIP,
    PACK_GZIP_MEMBERS, // two members, split anywhere
    PACK_SNAPPY_RAW,
    PACK_SNAPPY_XERIAL,
    PACK_SNAPPY_XERIAL_STREAMS, // two streams in a row
    PACK_LZ4,
    PACK_LZ4_LARGE_BLOCKS, // 4 MiB blocks, content and block checksums
    PACK_ZSTD,
    PACK_ZSTD_FRAMES, // two frames and a skippable one between them
    PACK_COUNT,
};

int test_packing_codec(enum test_packing p);
const char *test_packing_name(enum test_packing p);
uint8_t *test_pack(enum test_packing p, struct slice data, size_t *len);

// Appends one record of magic 2; key and value may be SLICE_NULL.
void test_add_record(struct writer *w, int32_t offset_delta, int64_t timestamp_delta, struct slice key,
                     struct slice value, int headers);
// n records with growing timestamps, keys "key-<i>" and values of value_len bytes, as test_add_record writes them.
void test_add_records(struct writer *w, int32_t n, size_t value_len);

// A header for n records as a good client's: no producer, base offset 0, base timestamp 1000, max timestamp as
// test_add_records makes it.
struct batch test_header(int32_t n);
// Header and packed records put together; length, codec bits and CRC are made right.
uint8_t *test_batch(const struct batch *header, enum test_packing p, struct slice records, size_t *len);
// The above with n records of test_add_records.
uint8_t *test_simple_batch(enum test_packing p, int32_t n, size_t value_len, size_t *len);
// A zstd frame of run-length blocks: four bytes for each 128 KiB of `fill`, behind the bytes of `head`.
uint8_t *test_zstd_bomb(struct slice head, uint8_t fill, int blocks, size_t *len);
// Makes the CRC right again after bytes were changed.
void test_seal(uint8_t *batch, size_t len);

// A small generator of pseudo-random numbers: the same seed gives the same test.
struct test_random {
    uint64_t state;
};
uint32_t test_random_next(struct test_random *r);
uint32_t test_random_below(struct test_random *r, uint32_t bound);

// The bytes behind "<name>\t" in log/tests/data/record-vectors.txt; fails the test when there is no such line.
uint8_t *test_vector(const char *name, size_t *len);
// A whole file; fails the test when it cannot be read.
char *test_file(const char *path, size_t *len);

#endif
