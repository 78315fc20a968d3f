// SPDX-License-Identifier: Apache-2.0
//
// Kafka's names on disk: the files inside a partition's folder (%020d.log and its companions, with the suffixes of
// files on their way in or out) and the folders inside a log directory. Pure.
#ifndef OTTLA_LOG_NAMES_H
#define OTTLA_LOG_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define NAME_FILE_MAX   48  // bytes of a segment file's name with any suffix and its end mark
#define NAME_FOLDER_MAX 256 // bytes of a folder's name and its end mark: what file systems allow
#define NAME_TOPIC_MAX  250 // bytes of a topic's name and its end mark

enum name_kind {
    NAME_LOG,
    NAME_INDEX,
    NAME_TIME_INDEX,
    NAME_TXN_INDEX,
    NAME_SNAPSHOT,
};

enum name_state {
    NAME_LIVE,
    NAME_DELETED, // waits for its removal
    NAME_CLEANED, // output of a cleaner that did not finish
    NAME_SWAP,    // finished output of a cleaner that has not replaced its sources yet
};

struct file_name {
    int64_t offset; // the number in the name
    enum name_kind kind;
    enum name_state state;
};

void file_name_format(char out[NAME_FILE_MAX], int64_t offset, enum name_kind kind, enum name_state state);
// False when it is no such name.
bool file_name_parse(const char *name, struct file_name *out);

enum folder_state {
    FOLDER_LIVE,
    FOLDER_DELETE,
    FOLDER_FUTURE,
    FOLDER_STRAY,
};

struct folder_name {
    char topic[NAME_FOLDER_MAX]; // cut short in FOLDER_DELETE and FOLDER_STRAY when it was long
    int32_t partition;
    enum folder_state state;
};

// ERR_TOO_LARGE when the name would not fit into NAME_FOLDER_MAX.
enum err folder_name_format(char out[NAME_FOLDER_MAX], const char *topic, int32_t partition) WARN_UNUSED;
// <topic>-<partition>.<unique>-delete, the topic cut so that the whole fits. unique: 32 hexadecimal digits.
void folder_name_format_delete(char out[NAME_FOLDER_MAX], const char *topic, int32_t partition, const char *unique);
// <topic>-<partition>.<unique>-future. ERR_TOO_LARGE when it would not fit: it is never cut.
enum err folder_name_format_future(char out[NAME_FOLDER_MAX], const char *topic, int32_t partition,
                                   const char *unique) WARN_UNUSED;
bool folder_name_parse(const char *name, struct folder_name *out);

#endif
