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

struct folder_content {
    struct folder_segment *segments; // by rising base offset
    int32_t segments_count;
    int64_t *snapshots; // offsets of producer snapshots, rising
    int32_t snapshots_count;
};

// NOT_FOUND when there is no such folder. *out may be released in any case.
enum err folder_load(const struct os *os, const char *path, struct folder_content *out) WARN_UNUSED;
void folder_content_release(struct folder_content *c);

// Deletes a folder and the files in it; a folder inside it is an error (NOT_EMPTY). A missing folder is none.
enum err folder_remove(const struct os *os, const char *path) WARN_UNUSED;

#endif
