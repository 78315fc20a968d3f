// SPDX-License-Identifier: Apache-2.0
//
// What a fetch leaves to a disk thread, a list of ranges of logs' files, one after another:
// - Records that are not in memory are read before they are sent: sendfile on a loop would make all of its connections
//   wait for the disk.
// - The records of a Fetch v0-3 are converted to an older format. That reads and packs all of them; what it makes lies
//   in the job's arena, no more than the fetch was allowed (one batch may be larger).
#ifndef OTTLA_API_FETCH_DISK_H
#define OTTLA_API_FETCH_DISK_H

#include "base/os.h"
#include "broker/api/disk_job.h"
#include "log/log.h"

struct fetch_range {
    struct log_conversion records; // its file is counted; the rest of it is for a conversion
    int32_t part;                  // the caller's number
    enum err err;                  // of the conversion
};

// In the job's arena, as its state.
struct fetch_ranges {
    const struct os *os;
    struct fetch_range *items;
    int32_t count;
};

// A job with room for `capacity` ranges, whose files are given back with it.
enum err fetch_warm_new(const struct os *os, int32_t capacity, struct disk_job **out) WARN_UNUSED;
// The same; `bytes` is what all conversions read.
enum err fetch_convert_new(const struct os *os, int32_t capacity, size_t bytes, struct disk_job **out) WARN_UNUSED;
// The next range of the list, which takes a reference to its file.
struct fetch_range *fetch_range_add(struct disk_job *j, const struct log_read *read);

#endif
