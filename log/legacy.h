// SPDX-License-Identifier: Apache-2.0
//
// Messages of the old formats, magic 0 and 1: an entry is offset, size and message; a compressed entry (a "wrapper")
// holds entries of the same magic in its value. Nothing here knows about codecs.
#ifndef OTTLA_LOG_LEGACY_H
#define OTTLA_LOG_LEGACY_H

#include "base/bytes.h"

#define LEGACY_ENTRY_BYTES 12 // offset and size, before the message
#define LEGACY_SIZE_MIN    14 // of a message of magic 0; one of magic 1 has a timestamp, too
#define LEGACY_TIME_BYTES  8

struct legacy_message {
    int64_t offset;
    int8_t magic;       // 0 or 1
    uint8_t attributes; // codec, and BATCH_ATTR_APPEND_TIME in magic 1
    int64_t timestamp;  // -1 in magic 0
    struct slice key;   // data NULL = null
    struct slice value;
};

// Reads the message of len bytes at data (what stands behind offset and size of its entry); the views are into it,
// *out gets no offset. ERR_CORRUPT: too short for its magic, lengths that do not fit into it, or magic above 1. The CRC
// is not looked at. Bytes behind the value are ignored.
enum err legacy_read(const uint8_t *data, size_t len, struct legacy_message *out) WARN_UNUSED;
// True when the CRC of the message is right.
bool legacy_crc_ok(const uint8_t *data, size_t len);

// What a message takes with its entry header.
size_t legacy_size(int8_t magic, struct slice key, struct slice value);
// Writes it as an entry with its CRC; w->bad when there is no room.
void legacy_write(struct writer *w, const struct legacy_message *m);

// A wrapper is written in two steps, because its value is packed straight into the writer behind its head: the head's
// room, then, when the value ends at the end of the writer, the head. m->value is not looked at, the key is null.
size_t legacy_wrapper_head_size(int8_t magic);
void legacy_wrapper_finish(struct writer *w, size_t start, const struct legacy_message *m);

#endif
