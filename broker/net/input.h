// SPDX-License-Identifier: Apache-2.0
//
// Puts incoming frames together: int32 size, then so many bytes. Knows no sockets. Bytes come in two ways: copied out
// of a shared scratch buffer (input_feed: small frames, several per read) or read by the caller straight into the
// frame's own buffer (input_room: the rest of a large one).
//
// A frame's buffer grows with what has really arrived: it starts with at most INPUT_FIRST_BYTES and at most doubles, so
// a peer that announces 100 MB and sends nothing costs 1 MiB of address space and no touched page.
#ifndef OTTLA_NET_INPUT_H
#define OTTLA_NET_INPUT_H

#include "base/err.h"
#include "base/slice.h"

#define INPUT_FIRST_BYTES ((size_t)1024 * 1024)

struct input {
    int32_t max_frame_bytes;
    uint8_t head[4]; // of the size field
    size_t head_len; // 4: the size is known
    uint8_t *frame;  // malloc'ed; NULL until the size is known
    size_t len;      // announced
    size_t got;
    size_t cap; // of frame; len when whole
};

void input_init(struct input *in, int32_t max_frame_bytes);
void input_release(struct input *in);
// The announced size, once the size field is whole; for the log line that refuses it.
int32_t input_size(const struct input *in);

// Takes bytes up to the end of the current frame at most, and of a new one its size field alone; *used says how many.
// ERR_NO_MEMORY: the stream cannot be followed any further.
enum err input_feed(struct input *in, const uint8_t *data, size_t len, size_t *used) WARN_UNUSED;
// The size field is whole, and the frame has not begun.
bool input_has_size(const struct input *in);
// ERR_INVALID: size <= 0. ERR_TOO_LARGE: above the limit.
enum err input_check(const struct input *in) WARN_UNUSED;
// Begins the frame, whose size has been checked. ERR_NO_MEMORY.
enum err input_begin(struct input *in) WARN_UNUSED;
// Where the next bytes of the current frame may be read into. *len 0: it is whole, or its size is not known yet.
enum err input_room(struct input *in, uint8_t **room, size_t *len) WARN_UNUSED;
void input_filled(struct input *in, size_t n);

bool input_is_whole(const struct input *in);
// The whole frame's buffer (free() it); the input is ready for the next frame.
uint8_t *input_take(struct input *in, size_t *len);

#endif
