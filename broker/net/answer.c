// SPDX-License-Identifier: Apache-2.0
//
// The cursor of an answer. `file` always points to the first file that is not wholly sent; memory goes first up to the
// place where that file stands.
#include "broker/net/answer.h"

#include "base/assert.h"

size_t answer_left(const struct answer *a)
{
    size_t left = a->len - a->sent;
    for (size_t i = a->file; i < a->files_count; i++) {
        left += a->files[i].len;
    }
    return left - a->file_sent;
}

struct answer_piece answer_next(const struct answer *a)
{
    for (size_t i = a->file; i < a->files_count; i++) {
        const struct answer_file *f = &a->files[i];
        if (f->at > a->sent) {
            return (struct answer_piece){.data = a->bytes + a->sent, .len = f->at - a->sent, .fd = -1};
        }
        size_t sent = i == a->file ? a->file_sent : 0;
        if (sent < f->len) {
            return (struct answer_piece){.len = f->len - sent, .fd = f->fd, .position = f->position + (int64_t)sent};
        }
    }
    return (struct answer_piece){.data = a->bytes + a->sent, .len = a->len - a->sent, .fd = -1};
}

// Steps over files that stand here and have nothing (more) to send.
static void files_skip(struct answer *a)
{
    while (a->file < a->files_count && a->files[a->file].at == a->sent && a->files[a->file].len == a->file_sent) {
        a->file++;
        a->file_sent = 0;
    }
}

void answer_advance(struct answer *a, size_t n)
{
    files_skip(a);
    struct answer_piece next = answer_next(a);
    ASSERT(n <= next.len);
    if (next.data) {
        a->sent += n;
    } else {
        a->file_sent += n;
    }
    files_skip(a);
}
