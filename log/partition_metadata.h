// SPDX-License-Identifier: Apache-2.0
//
// partition.metadata: the topic id of a partition's folder (version 0; two lines, no line end behind the second).
// It is written in two steps, so that who makes a log does not wait for the disk: `begin` leaves it under another name,
// which outlives the process, but not a power failure; `finish` has it on the disk before it gets its own name. So what
// is called partition.metadata is always whole, which Kafka relies on.
#ifndef OTTLA_LOG_PARTITION_METADATA_H
#define OTTLA_LOG_PARTITION_METADATA_H

#include "base/uuid.h"

// Zero when there is no file. *begun: what was read has only been begun. ERR_CORRUPT: unreadable, a negative version or
// a zero id.
enum err partition_metadata_read(const struct os *os, const char *dir, struct uuid *topic_id, bool *begun) WARN_UNUSED;
enum err partition_metadata_begin(const struct os *os, const char *dir, const struct uuid *topic_id) WARN_UNUSED;
// The fsync of the folder is left to the caller.
enum err partition_metadata_finish(const struct os *os, const char *dir) WARN_UNUSED;
// Both, and that fsync.
enum err partition_metadata_write(const struct os *os, const char *dir, const struct uuid *topic_id) WARN_UNUSED;

#endif
