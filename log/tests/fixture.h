// SPDX-License-Identifier: Apache-2.0
//
// Helpers of the tests that work on whole log directories: copies of those in log/tests/fixtures, records decoded in
// full, files compared. Anything unexpected fails the test at once.
#ifndef OTTLA_LOG_TESTS_FIXTURE_H
#define OTTLA_LOG_TESTS_FIXTURE_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/tests/testing.h"
#include "log/batch.h"
#include "log/log.h"

#define FIXTURE_ROOT "log/tests/fixtures"

// A copy of a directory with all that is in it; remove with test_dir_remove.
char *fixture_copy(const char *from);
// Copies a file.
void fixture_copy_file(const char *from, const char *to);
bool fixture_exists(const char *path);
// A JSON file, or one whose lines are JSON values as an array. json_decref it.
json_t *fixture_json(const char *path);
json_t *fixture_json_lines(const char *path);

// A malloc'ed copy of `len` bytes of a file.
uint8_t *fixture_bytes(int fd, int64_t position, size_t len);
// The files of dir `a` whose names end with `suffix` are byte for byte those of dir `b`, and b has no others.
void fixture_assert_same_files(const char *a, const char *b, const char *suffix);

// The records of a batch of magic 2, as the objects in EXPECTED.json: an array. json_decref it.
json_t *fixture_decode_batch(const uint8_t *data, const struct batch *b);

// What a consumer sees of a log from offset on, below max_offset, fetched max_bytes at a time: fn for every batch.
typedef void fixture_batch_fn(void *ctx, const struct log_read *r, int64_t position, const uint8_t *data,
                              const struct batch *b);
void fixture_consume(struct log *l, int64_t offset, int64_t max_offset, size_t max_bytes, fixture_batch_fn *fn,
                     void *ctx);

#endif
