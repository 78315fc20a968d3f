// SPDX-License-Identifier: Apache-2.0
//
// A log directory with one log for a test to work on. Time stands still unless the test moves it. Batch number i of a
// log (from 0) has the timestamp ENV_TIME_MS + i * 1000 unless the test says otherwise, and ENV_RECORDS records.
#ifndef OTTLA_LOG_TESTS_LOG_ENV_H
#define OTTLA_LOG_TESTS_LOG_ENV_H

#include "base/tests/testing.h"
#include "log/internal.h"

#define ENV_TIME_MS 1700000000000
#define ENV_RECORDS 3
#define ENV_TOPIC   "topic"

struct env {
    struct test_os os;
    char *path;
    struct log_dir *dir;
    struct log *log;
    struct log_config config; // small: segments of 2,000 bytes, an index entry about every second batch
    struct arena scratch;
    int batches;            // appended by env_append
    struct log_append last; // what the last append answered
};

// A new directory with a new log.
void env_start(struct env *e);
// Closes what is open and removes the directory.
void env_stop(struct env *e);
// An fsync that is counted and fails on demand, but leaves the bytes in the page cache: no test cuts the power.
int env_fsync(const struct os *os, int fd);
// Closes the log and the directory and opens them again.
void env_reopen(struct env *e);
// The same as if the process had been killed: what was only in memory is lost. The directory is another one then.
void env_crash(struct env *e);
// After env_close only files are there; env_open opens them.
void env_close(struct env *e);
void env_open(struct env *e);
enum err env_try_open(struct env *e);

// Appends as a client does. A timestamp of -1 means the one of the next batch.
enum err env_append(struct env *e);
enum err env_append_at(struct env *e, int64_t timestamp, int32_t records, size_t value_len);
void env_append_many(struct env *e, int n); // ENV_RECORDS each; must succeed
// A batch with these header fields and `records` records, by an origin.
enum err env_append_batch(struct env *e, const struct batch *header, enum log_append_origin origin);
// The same as a client's, by the leader of an epoch.
enum err env_append_in_epoch(struct env *e, const struct batch *header, int32_t leader_epoch);
// A marker that ends a transaction, as a coordinator writes it.
enum err env_append_marker(struct env *e, int64_t producer_id, int16_t producer_epoch, bool commit);

// Reads everything from `offset` on and checks that the offsets are without a gap up to the end. Answers the number of
// records.
int64_t env_read_all(struct env *e, int64_t offset);
// "<folder of the log>/<name>".
void env_file(const struct env *e, const char *name, char out[TEST_PATH_MAX_BYTES]);
bool env_has(const struct env *e, const char *name);
void env_write_file(const struct env *e, const char *name, const void *data, size_t len);
int64_t env_file_size(const struct env *e, const char *name);

#endif
