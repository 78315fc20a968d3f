// SPDX-License-Identifier: Apache-2.0
//
// See ask.h. Nothing is kept between two questions.
#include "bench/ask.h"

#include <stdlib.h>
#include <unistd.h>

#include "bench/frames.h"
#include "bench/sockets.h"

#define FRAME_MAX 1024

struct slice ask(int port, const struct writer *frame, uint8_t **buffer)
{
    size_t len;
    int fd = bench_connect(port);
    *buffer = bench_ask(fd, frame, &len);
    close(fd);
    return slice_of(*buffer, len);
}

int64_t ask_end_offset(int port, const char *topic)
{
    struct writer w;
    uint8_t *buffer;
    writer_init(&w, 256, FRAME_MAX);
    frame_end_offset(&w, topic, 0);
    int64_t offset = frame_end_offset_answer(ask(port, &w, &buffer));
    if (offset < 0) {
        bench_fail("no end offset of partition 0");
    }
    free(buffer);
    writer_release(&w);
    return offset;
}
