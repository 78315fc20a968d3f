// SPDX-License-Identifier: Apache-2.0
//
// A segment's .txnindex: the transactions whose abort marker lies in the segment, in order of the markers. The file
// exists only when there is at least one (version 0, 34 bytes an entry). Appended by the log's append path; read from
// any thread, up to the number of entries the caller knows to be there. No descriptor stays open.
#ifndef OTTLA_LOG_TXN_INDEX_H
#define OTTLA_LOG_TXN_INDEX_H

#include "base/err.h"
#include "base/os.h"

struct aborted_txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; // of the marker
    int64_t last_stable_offset;
};

// *count entries of the file; *sane false when its size is no multiple of an entry's or its last entry lies below
// base_offset. A missing file has none and is sane.
enum err txn_index_load(const struct os *os, const char *path, int64_t base_offset, int32_t *count,
                        bool *sane) WARN_UNUSED;
// Writes entry number `count`.
enum err txn_index_append(const struct os *os, const char *path, int32_t count,
                          const struct aborted_txn *t) WARN_UNUSED;
// The first `count` entries in a malloc'ed array. ERR_CORRUPT: another version.
enum err txn_index_read(const struct os *os, const char *path, int32_t count, struct aborted_txn **out) WARN_UNUSED;
// Drops entries whose marker is at or above offset; *count is lowered.
enum err txn_index_truncate(const struct os *os, const char *path, int64_t offset, int32_t *count) WARN_UNUSED;
// Deletes the file, if there is one.
enum err txn_index_reset(const struct os *os, const char *path) WARN_UNUSED;

#endif
