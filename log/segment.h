// SPDX-License-Identifier: Apache-2.0
//
// One segment of a log: a .log file of batches and its indexes, named by its base offset. Only the newest segment of a
// log is appended to. Counted: the log's list holds one reference, a reader takes another for the time of its lookup.
//
// Threads. `size`, `max_timestamp` and `max_timestamp_offset` are guarded by the log's list lock; fields marked
// [append] belong to the append path, and so do the functions that change files. The .log is opened when it is first
// needed; those of a log directory that were not appended to since share a bounded number of descriptors.
#ifndef OTTLA_LOG_SEGMENT_H
#define OTTLA_LOG_SEGMENT_H

#include <stdatomic.h>

#include "log/file.h"
#include "log/index.h"
#include "log/names.h"
#include "log/scan.h"
#include "log/txn_index.h"

#define SEGMENT_PATH_MAX 4096

struct segment;

#define FILE_RING_SIZE 256

// The segments whose files are open without being pinned: the one opened first is closed first.
struct file_ring {
    struct mutex mu; // leaf
    struct segment *slots[FILE_RING_SIZE];
    unsigned next;
};

void file_ring_init(struct file_ring *r);
void file_ring_release(struct file_ring *r); // must be empty

struct segment {
    atomic_int refs;
    const struct os *os;
    struct file_ring *ring; // borrowed from the log directory
    const char *dir;        // the partition's folder, borrowed from the log
    int64_t base_offset;

    struct mutex mu;              // rank of the log list, never taken below it: the three fields that follow
    struct log_file *file;        // NULL while it is not open
    bool pinned;                  // appended to: the file stays open
    bool retired;                 // no longer in the log: the file is not kept open
    int64_t size;                 // bytes of whole batches
    int64_t max_timestamp;        // greatest of all records, -1 when there is none
    int64_t max_timestamp_offset; // last offset of the first batch that has it
    atomic_int txn_count;         // entries of .txnindex
    atomic_bool index_is_damaged; // lookups go over the batches instead

    struct index offsets;
    struct index times;

    int64_t first_timestamp;    // [append] max timestamp of the first batch
    bool first_timestamp_known; // [append]
    int64_t created_ms;         // [append] when the segment was made or opened
    int64_t roll_jitter_ms;     // [append] chosen once, within segment.jitter.ms
    bool preallocated;          // [append] blocks are reserved behind the end of .log
    bool dirty;                 // [append] the indexes have changed since they were opened
    int64_t bytes_since_index;  // [append] since the last entry of the indexes
};

// A segment object without files; NULL without memory. The caller gets the one reference.
struct segment *segment_new(const struct os *os, struct file_ring *ring, const char *dir, int64_t base_offset,
                            const struct log_config *config);
void segment_ref(struct segment *s);
void segment_unref(struct segment *s);
// The log's own reference ends: closes the file as soon as no reader needs it.
void segment_retire(struct segment *s);

// When its log was last written to; `otherwise` when that cannot be told. [disk]
int64_t segment_modified_ms(const struct segment *s, int64_t otherwise);
void segment_path(const struct segment *s, enum name_kind kind, char out[SEGMENT_PATH_MAX]);

// Creates the files, empty (those of the same name go first), and pins the .log. On an error none of them is left.
enum err segment_create(struct segment *s, const struct log_config *config) WARN_UNUSED;
// Keeps the .log open for appending / lets go of it: its descriptor counts against the bound again.
enum err segment_pin(struct segment *s) WARN_UNUSED;
void segment_unpin(struct segment *s);

// The open .log, counted for the caller. NOT_FOUND when it was deleted meanwhile. [any]
enum err segment_file(struct segment *s, struct log_file **out) WARN_UNUSED;

// The greatest timestamp of records and the last offset of the first batch that has it.
struct segment_time {
    int64_t timestamp; // -1 when there is none
    int64_t offset;
};

// Notes an append of `len` bytes at `position` (already in the file) in the indexes, by Kafka's sparse rule. `max`
// includes the append.
enum err segment_index_append(struct segment *s, int64_t position, size_t len, int64_t last_offset,
                              const struct segment_time *max, int32_t interval_bytes) WARN_UNUSED;
// Ends the indexes as Kafka does when a segment is rolled or closed: a last entry of the time index for the greatest
// timestamp. All entries are in the files afterwards.
enum err segment_finish(struct segment *s) WARN_UNUSED;
// fsync of .log, or of all files of the segment. [any]
enum err segment_sync(struct segment *s, bool with_indexes) WARN_UNUSED;

// The first batch whose last offset is >= offset: its header and position. NOT_FOUND when there is none below
// `size` bytes. [any]
enum err segment_find(struct segment *s, const struct log_file *f, int64_t size, int64_t offset, struct batch *out,
                      int64_t *position) WARN_UNUSED;
// A position before which all records are older than ts. [any]
enum err segment_time_position(struct segment *s, int64_t ts, int64_t *position) WARN_UNUSED;
// From the time index and the batches behind its last entry, up to `size` bytes.
enum err segment_find_max(struct segment *s, int64_t size, struct segment_time *out) WARN_UNUSED;

// Cuts the .log at `size` and drops what the indexes say of offsets at and above `offset`.
enum err segment_truncate(struct segment *s, int64_t offset, int64_t size) WARN_UNUSED;
// Empties the indexes.
enum err segment_reset_indexes(struct segment *s) WARN_UNUSED;

enum err segment_rename_deleted(struct segment *s) WARN_UNUSED; // all files to *.deleted
enum err segment_delete_files(struct segment *s) WARN_UNUSED;

#endif
