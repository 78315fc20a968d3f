// SPDX-License-Identifier: Apache-2.0
//
// partition.metadata: the topic id of a partition's folder (version 0; two lines, no line end behind the second).
#ifndef OTTLA_LOG_PARTITION_METADATA_H
#define OTTLA_LOG_PARTITION_METADATA_H

#include "base/uuid.h"

// Zero when there is no file. ERR_CORRUPT: unreadable, a negative version or a zero id.
enum err partition_metadata_read(const struct os *os, const char *dir, struct uuid *topic_id) WARN_UNUSED;
enum err partition_metadata_write(const struct os *os, const char *dir, const struct uuid *topic_id) WARN_UNUSED;

#endif
