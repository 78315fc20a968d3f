// SPDX-License-Identifier: Apache-2.0
//
// What is sent for one frame: bytes in memory, with stretches of files standing between them at given places, and how
// far it has been sent. This is the shape an encoded message has when its record sets stay in the log. An answer owns
// nothing: bytes and files belong to who answered, until the exchange is done.
#ifndef OTTLA_NET_ANSWER_H
#define OTTLA_NET_ANSWER_H

#include <stddef.h>
#include <stdint.h>

struct answer_file {
    size_t at; // after so many of the bytes; ascending
    int fd;
    int64_t position;
    size_t len; // may be 0
};

struct answer {
    const uint8_t *bytes; // the whole frame with its size field
    size_t len;
    const struct answer_file *files;
    size_t files_count;
    // progress, of net; zero at first
    size_t sent;
    size_t file;      // the next or current one
    size_t file_sent; // of it
};

// Bytes of memory and files not sent yet.
size_t answer_left(const struct answer *a);

// The next piece to be sent: memory or (data NULL) a stretch of a file. len 0: all is sent.
struct answer_piece {
    const uint8_t *data;
    size_t len;
    int fd;
    int64_t position;
};
struct answer_piece answer_next(const struct answer *a);
// n bytes of the next piece (at most its length) have been sent.
void answer_advance(struct answer *a, size_t n);

#endif
