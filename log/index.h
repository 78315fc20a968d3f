// SPDX-License-Identifier: Apache-2.0
//
// One sparse index file of a segment: entries of fixed size in rising order, found by binary search. Two kinds:
//   offset index (.index)     key = offset (last of an append), value = position where that append begins
//   time index   (.timeindex) key = timestamp, value = offset: no record up to that offset is younger than the key
// The file holds nothing but entries: it is never filled up with zeros ahead of need, as Kafka does, and no
// descriptor stays open. New entries are collected in memory and reach the file a few at a time and when the index is
// stored. After a crash the index of the segment that was written to is rebuilt anyway.
//
// Threads: lookups on any thread; changes by one thread at a time (the log's append path). The path of the file is
// given to every call that may touch it, so that an index takes little memory.
#ifndef OTTLA_LOG_INDEX_H
#define OTTLA_LOG_INDEX_H

#include "base/err.h"
#include "base/mutex.h"
#include "base/os.h"

enum index_kind {
    INDEX_OFFSETS,
    INDEX_TIMES,
};

struct index_entry {
    int64_t key;
    int64_t value;
};

struct index {
    struct mutex mu; // leaf: everything below
    enum index_kind kind;
    int64_t base_offset;         // of the segment; offsets in the file are relative to it
    int32_t stored;              // entries in the file
    int32_t pending_count;       // and behind them, entries in memory
    struct index_entry last;     // of all
    struct index_entry *pending; // INDEX_PENDING_MAX entries, or NULL
};

#define INDEX_PENDING_MAX 32

void index_init(struct index *x, enum index_kind kind, int64_t base_offset);
void index_release(struct index *x);

// Takes over what is in the file. *sane is false (and the index empty) when the file is missing, its size is no
// multiple of an entry's, or its end does not rise as a written index does, as with a tail of zeros.
// value_limit: no entry's value may reach it (the size of the segment's data, or its next offset).
enum err index_load(struct index *x, const struct os *os, const char *path, int64_t value_limit,
                    bool *sane) WARN_UNUSED;
// Adds an entry. A key or value that does not rise is left out (time index: an older timestamp is no news).
// An error comes from writing collected entries to the file; when the file cannot be opened now (no descriptors) the
// entry is left out instead: the index is sparse.
enum err index_append(struct index *x, const struct os *os, const char *path, int64_t key, int64_t value) WARN_UNUSED;
// Writes collected entries to the file, and fsyncs it when sync is true.
enum err index_store(struct index *x, const struct os *os, const char *path, bool sync) WARN_UNUSED;
// Drops entries for offsets at and above offset, from memory and file.
enum err index_truncate(struct index *x, const struct os *os, const char *path, int64_t offset) WARN_UNUSED;
// Makes the file empty.
enum err index_reset(struct index *x, const struct os *os, const char *path) WARN_UNUSED;

// The greatest entry whose key is <= key. NOT_FOUND when there is none; also when the file was cut meanwhile.
enum err index_find(struct index *x, const struct os *os, const char *path, int64_t key,
                    struct index_entry *out) WARN_UNUSED;
// The first entry whose value is >= value. NOT_FOUND when there is none.
enum err index_find_value(struct index *x, const struct os *os, const char *path, int64_t value,
                          struct index_entry *out) WARN_UNUSED;

int32_t index_count(struct index *x);
// False when the index is empty.
bool index_last(struct index *x, struct index_entry *out);
// No room for one more entry in max_bytes (segment.index.bytes); of a time index the last place is kept for the
// entry that is written when the segment ends.
bool index_is_full(struct index *x, int32_t max_bytes);

#endif
