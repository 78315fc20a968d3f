// SPDX-License-Identifier: Apache-2.0
//
// Records of a fetch that are not in memory, read by a disk thread before they are sent: sendfile on a loop would make
// all of its connections wait for the disk.
#ifndef OTTLA_API_FETCH_WARM_H
#define OTTLA_API_FETCH_WARM_H

#include "base/os.h"
#include "broker/api/disk_job.h"
#include "log/log.h"

struct warm_range {
    struct log_file *file; // counted
    int64_t position;
    size_t len;
};

// In the job's arena, as its state.
struct warm_ranges {
    const struct os *os;
    struct warm_range *items;
    int32_t count;
};

// A job with room for `capacity` ranges, whose files are given back with it.
enum err fetch_warm_new(const struct os *os, int32_t capacity, struct disk_job **out) WARN_UNUSED;
void fetch_warm_add(struct disk_job *j, struct log_file *file, int64_t position, size_t len);

#endif
