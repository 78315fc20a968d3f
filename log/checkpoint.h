// SPDX-License-Identifier: Apache-2.0
//
// Kafka's checkpoint text files: version line, count line, one entry a line. Both flavours: "topic partition offset"
// in the log directory and "epoch offset" in a partition's folder. Written to .tmp, fsynced when asked to, renamed.
#ifndef OTTLA_LOG_CHECKPOINT_H
#define OTTLA_LOG_CHECKPOINT_H

#include "base/err.h"
#include "base/os.h"

struct checkpoint_entry {
    const char *topic; // NULL in the "epoch offset" flavour
    int32_t number;    // partition or epoch
    int64_t offset;
};

// A missing or empty file gives no entries. ERR_CORRUPT: wrong version, malformed line, wrong count. `fn` is called
// per entry only after the whole file has proven right.
typedef void checkpoint_fn(void *ctx, const struct checkpoint_entry *e);
enum err checkpoint_read(const struct os *os, const char *path, bool with_topic, checkpoint_fn *fn,
                         void *ctx) WARN_UNUSED;
// sync false: a power failure may leave anything in its place.
enum err checkpoint_write(const struct os *os, const char *path, const struct checkpoint_entry *entries, size_t n,
                          bool sync) WARN_UNUSED;

#endif
