// SPDX-License-Identifier: Apache-2.0
//
// Walking over the batches of a file or of memory, one after another. Batches of the old formats (magic 0 and 1) come
// as entries: offset, size and, for magic 1, timestamp.
#ifndef OTTLA_LOG_SCAN_H
#define OTTLA_LOG_SCAN_H

#include "base/os.h"
#include "log/batch.h"

#define SCAN_CHUNK_LOOKUP 8192      // to find one batch
#define SCAN_CHUNK_ALL    (1 << 20) // to go over whole files

// The header at data, with the fields that old formats do not have filled in: no producer, no epoch (-1), one record,
// last offset = base offset. ERR_TRUNCATED: fewer bytes than a header; ERR_CORRUPT as batch_read_header, and also when
// the length is too short for the format or lastOffsetDelta or the offset is negative.
enum err scan_header(const uint8_t *data, size_t len, struct batch *out) WARN_UNUSED;

// A control batch holds one record: its key is version, type; its value version, coordinator epoch.
struct marker {
    bool is_end_txn; // ABORT or COMMIT; other types are not about transactions
    bool commit;
    int32_t coordinator_epoch;
};

// True for a control batch that still has its record (the log cleaner leaves empty ones behind).
static inline bool scan_has_marker(const struct batch *b)
{
    return b->magic >= 2 && batch_is(b, BATCH_ATTR_CONTROL) && b->count > 0;
}
// data: the whole batch. ERR_CORRUPT when it does not hold such a record.
enum err scan_marker(const uint8_t *data, const struct batch *b, struct marker *out) WARN_UNUSED;

struct batch_scan {
    const struct os *os;
    int fd;
    int64_t position; // of the next batch
    int64_t end;      // the file counts up to here
    uint8_t *buf;     // malloc'ed; bytes of the file from buf_position on
    size_t cap;
    int64_t buf_position;
    size_t buf_len;
    size_t chunk; // bytes read at once, at least
};

// Reads [position, end) of a file, chunk bytes at a time. Nothing is allocated before the first call of a next
// function.
void batch_scan_init(struct batch_scan *s, const struct os *os, int fd, int64_t position, int64_t end, size_t chunk);
void batch_scan_release(struct batch_scan *s);

// The header of the next batch and its position; the batch lies wholly before the end. ERR_NOT_FOUND at the end;
// ERR_TRUNCATED when the rest is no whole batch; ERR_CORRUPT when it cannot be one; IO. After an error the position
// stays where it was.
enum err batch_scan_next(struct batch_scan *s, struct batch *out, int64_t *position) WARN_UNUSED;
// The same, with all bytes of the batch in memory until the next call.
enum err batch_scan_next_whole(struct batch_scan *s, struct batch *out, int64_t *position,
                               const uint8_t **data) WARN_UNUSED;

#endif
