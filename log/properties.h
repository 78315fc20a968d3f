// SPDX-License-Identifier: Apache-2.0
//
// meta.properties: which broker of which cluster a log directory belongs to, in the text form of Java's properties.
#ifndef OTTLA_LOG_PROPERTIES_H
#define OTTLA_LOG_PROPERTIES_H

#include "base/os.h"
#include "log/log.h"

// The directory id that Kafka may have put there, carried on unchanged.
#define META_DIRECTORY_ID_MAX 64

struct meta_properties {
    struct log_dir_meta meta;
    char directory_id[META_DIRECTORY_ID_MAX]; // "" when the file has none
};

// A missing file gives present = false. ERR_CORRUPT: unreadable or too long. ERR_UNSUPPORTED: of another version
// than 0.
enum err meta_properties_read(const struct os *os, const char *path, struct meta_properties *out) WARN_UNUSED;
enum err meta_properties_write(const struct os *os, const char *path, const struct meta_properties *p) WARN_UNUSED;

#endif
