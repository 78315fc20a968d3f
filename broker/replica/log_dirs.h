// SPDX-License-Identifier: Apache-2.0
//
// The directories of `log.dirs`, in their order. Each stands or falls for itself: one that cannot be opened, or fails
// later, is offline, and the broker works with the others (KIP-112). A new partition goes where the fewest are.
#ifndef OTTLA_REPLICA_LOG_DIRS_H
#define OTTLA_REPLICA_LOG_DIRS_H

#include "log/log.h"

struct log_dirs;

// Opens and locks each. A directory that cannot be used is offline from the start, with an error line; what no operator
// wants to be passed over ends it all: ERR_INVALID when two paths are the same directory, ERR_LOCKED when another
// process has one, ERR_UNSUPPORTED when one is a KRaft broker's. ERR_FAILED: none can be used.
enum err log_dirs_open(const struct os *os, const char *const *paths, int32_t count,
                       struct log_dirs **out) WARN_UNUSED; // [disk]
// All logs must be closed. clean: log_dir_close's, for each.
void log_dirs_close(struct log_dirs *s, bool clean); // [disk]

int32_t log_dirs_count(const struct log_dirs *s);
const char *log_dirs_path(const struct log_dirs *s, int32_t i);   // absolute, symbolic links kept
struct log_dir *log_dirs_at(const struct log_dirs *s, int32_t i); // NULL: it could not be opened
bool log_dirs_online(const struct log_dirs *s, int32_t i);        // [any]
int32_t log_dirs_online_count(const struct log_dirs *s);          // [any]
// Where a new partition belongs: of the directories online that are not full, or of all when they are, the one with the
// fewest open logs, the first of them where several have as few. NULL: none is online.
struct log_dir *log_dirs_place(const struct log_dirs *s); // [any]
// The directories that were opened were all stopped cleanly.
bool log_dirs_were_clean(const struct log_dirs *s);

// What their meta.properties say. ERR_INVALID, with a line, when two contradict each other.
enum err log_dirs_meta(const struct log_dirs *s, struct log_dir_meta *out) WARN_UNUSED;
// Writes the file where it is missing or says less. A directory in which that fails goes offline.
void log_dirs_set_meta(struct log_dirs *s, int32_t broker_id, const char *cluster_id); // [disk]

#endif
