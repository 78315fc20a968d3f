// SPDX-License-Identifier: Apache-2.0
//
// Frames are put together here; see the header.
#include "broker/net/input.h"

#include "base/assert.h"
#include "base/bytes.h"
#include <stdlib.h>

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

void input_init(struct input *in, int32_t max_frame_bytes)
{
    *in = (struct input){.max_frame_bytes = max_frame_bytes};
}

void input_release(struct input *in)
{
    free(in->frame);
    input_init(in, in->max_frame_bytes);
}

int32_t input_size(const struct input *in)
{
    return (int32_t)load_be32(in->head);
}

bool input_has_size(const struct input *in)
{
    return in->head_len == sizeof in->head && !in->frame;
}

enum err input_check(const struct input *in)
{
    int32_t size = input_size(in);
    if (size <= 0) {
        return ERR_INVALID;
    }
    return size > in->max_frame_bytes ? ERR_TOO_LARGE : ERR_OK;
}

enum err input_begin(struct input *in)
{
    ASSERT(input_has_size(in) && input_check(in) == ERR_OK);
    in->len = (size_t)input_size(in);
    in->got = 0;
    in->cap = smaller(in->len, INPUT_FIRST_BYTES);
    in->frame = malloc(in->cap);
    return in->frame ? ERR_OK : ERR_NO_MEMORY;
}

// Called when the buffer is full and the frame is not whole: everything in it has arrived, so doubling is earned.
static enum err frame_grow(struct input *in)
{
    size_t cap = smaller(in->len, in->cap * 2);
    uint8_t *frame = realloc(in->frame, cap);
    if (!frame) {
        return ERR_NO_MEMORY;
    }
    in->frame = frame;
    in->cap = cap;
    return ERR_OK;
}

enum err input_room(struct input *in, uint8_t **room, size_t *len)
{
    *room = NULL;
    *len = 0;
    if (!in->frame || in->got == in->len) {
        return ERR_OK;
    }
    if (in->got == in->cap) {
        enum err e = frame_grow(in);
        if (e != ERR_OK) {
            return e;
        }
    }
    *room = in->frame + in->got;
    *len = in->cap - in->got;
    return ERR_OK;
}

void input_filled(struct input *in, size_t n)
{
    ASSERT(in->frame && n <= in->cap - in->got);
    in->got += n;
}

enum err input_feed(struct input *in, const uint8_t *data, size_t len, size_t *used)
{
    *used = 0;
    if (!in->frame) {
        size_t n = smaller(sizeof in->head - in->head_len, len);
        memcpy(in->head + in->head_len, data, n);
        in->head_len += n;
        *used = n;
        return ERR_OK;
    }
    while (*used < len && in->got < in->len) {
        uint8_t *room;
        size_t room_len;
        enum err e = input_room(in, &room, &room_len);
        if (e != ERR_OK) {
            return e;
        }
        size_t n = smaller(room_len, len - *used);
        memcpy(room, data + *used, n);
        in->got += n;
        *used += n;
    }
    return ERR_OK;
}

bool input_is_whole(const struct input *in)
{
    return in->frame && in->got == in->len;
}

uint8_t *input_take(struct input *in, size_t *len)
{
    ASSERT(input_is_whole(in));
    uint8_t *frame = in->frame;
    *len = in->len;
    input_init(in, in->max_frame_bytes);
    return frame;
}
