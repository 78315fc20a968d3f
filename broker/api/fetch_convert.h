// SPDX-License-Identifier: Apache-2.0
//
// The records of a Fetch v0-3 in an older format. Conversion reads and packs all of them, so it is a disk job; what it
// makes lies in the job's arena, no more than the fetch was allowed (one batch may be larger).
#ifndef OTTLA_API_FETCH_CONVERT_H
#define OTTLA_API_FETCH_CONVERT_H

#include "base/os.h"
#include "broker/api/disk_job.h"
#include "log/log.h"

struct fetch_conversion {
    struct log_conversion records;
    int32_t part; // the caller's number
    enum err err;
};

// In the job's arena, as its state.
struct fetch_conversions {
    const struct os *os;
    struct fetch_conversion *items;
    int32_t count;
};

// A job with room for `capacity` conversions; `bytes` is what all of them read. The files of items that were added are
// given back with the job.
enum err fetch_convert_new(const struct os *os, int32_t capacity, size_t bytes, struct disk_job **out) WARN_UNUSED;

#endif
