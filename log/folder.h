// SPDX-License-Identifier: Apache-2.0
//
// Reading a partition's folder at opening: throws away what unfinished work left behind, puts finished output of a log
// cleaner in its place, and answers which segments there are (disk format: loading a replica, steps 1 to 3).
#ifndef OTTLA_LOG_FOLDER_H
#define OTTLA_LOG_FOLDER_H

#include "log/names.h"

#include "base/os.h"

struct folder_segment {
    int64_t base_offset;
    bool has_txn_index;
};

// Segments by rising base offset, in a malloc'ed array. NOT_FOUND when there is no such folder.
enum err folder_load(const struct os *os, const char *path, struct folder_segment **out, int32_t *count) WARN_UNUSED;

// Deletes a folder and the files in it; a folder inside it is an error (NOT_EMPTY). A missing folder is none.
enum err folder_remove(const struct os *os, const char *path) WARN_UNUSED;

#endif
