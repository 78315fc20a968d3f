// SPDX-License-Identifier: Apache-2.0
//
// struct log_file: a counted reference to an open segment file. The descriptor is closed when the last reference goes,
// so a reader that holds one goes on reading a file that was renamed or deleted meanwhile.
#ifndef OTTLA_LOG_FILE_H
#define OTTLA_LOG_FILE_H

#include <stdatomic.h>

#include "log/log.h"

struct log_file {
    atomic_int refs;
    int fd;
    int64_t base_offset; // of the segment
    const struct os *os;
};

// Opens path with the given flags (O_RDWR, and O_CREAT | O_EXCL for a new one). The caller gets the one reference.
enum err log_file_open(const struct os *os, const char *path, int flags, int64_t base_offset,
                       struct log_file **out) WARN_UNUSED;

// fsync of a file that may or may not exist.
enum err file_sync(const struct os *os, const char *path) WARN_UNUSED;

#endif
