// SPDX-License-Identifier: Apache-2.0
//
// The ceilings the broker is measured against: what the same bytes cost a program that does nothing but the least.
//   bare receive <file>              reads frames, CRC-32C over each, writes it to <file>.0, answers; goes on in the
//                                    next of 32 files every 32 MiB, which is removed first: so it keeps as much as a
//                                    broker does of 4 logs until its retention has deleted what is too old, in segments
//                                    of the same size
//   bare send <file> <answer bytes>  answers each frame with so many bytes of the file, by sendfile
// One thread, blocking sockets, one connection after another. Prints the port it listens on (loopback). The answers
// have the form of Produce v9 and of Fetch v11 for one partition of a topic without a name, so that the load takes
// them.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/crc32c.h"

#define FRAME_MAX   (64 * 1024 * 1024)
#define SEGMENT_MAX (32 * 1024 * 1024)
#define SEGMENTS    32

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static bool read_full(int fd, void *buf, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = recv(fd, (char *)buf + done, len - done, 0);
        if (n <= 0) {
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

static void write_full(int fd, const void *buf, size_t len, int flags)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = send(fd, (const char *)buf + done, len - done, MSG_NOSIGNAL | flags);
        if (n <= 0) {
            fail("send");
        }
        done += (size_t)n;
    }
}

// The file being written, and where.
struct output {
    const char *path;
    int segment;
    int fd;
    int64_t position;
};

static void output_begin(struct output *o)
{
    if (o->fd >= 0) {
        close(o->fd);
    }
    char path[4096];
    snprintf(path, sizeof path, "%s.%d", o->path, o->segment++ % SEGMENTS);
    unlink(path);
    o->fd = open(path, O_RDWR | O_CREAT, 0644);
    o->position = 0;
    if (o->fd < 0) {
        fail(path);
    }
}

static void serve_receive(int conn, struct output *o, uint8_t *frame)
{
    // Size, correlation id (here the CRC), no tags, one topic "", one partition: 0, no error.
    uint8_t answer[4 + 14] = {0, 0, 0, 14, 0, 0, 0, 0, 0, 2, 1, 2};
    uint8_t size_field[4];
    while (read_full(conn, size_field, 4)) {
        size_t size = load_be32(size_field);
        if (size > FRAME_MAX || !read_full(conn, frame, size)) {
            return;
        }
        store_be32(answer + 4, crc32c(frame, size));
        if (o->position + (int64_t)size > SEGMENT_MAX) {
            output_begin(o);
        }
        if (pwrite(o->fd, frame, size, o->position) != (ssize_t)size) {
            fail("pwrite");
        }
        o->position += (int64_t)size;
        write_full(conn, answer, sizeof answer, 0);
    }
}

static void serve_send(int conn, int file, uint8_t *frame, size_t answer_len)
{
    // Size, correlation id, throttle, error, session, one topic "", one partition: 0, no error, three offsets, nothing
    // aborted, preferred replica, length of the records.
    enum {
        HEAD = 4 + 4 + 4 + 2 + 4 + 4 + 2 + 4 + 4 + 2 + 24 + 4 + 4 + 4
    };
    uint8_t answer[HEAD] = {[21] = 1, [27] = 1};
    memset(answer + HEAD - 12, 0xff, 4);
    store_be32(answer, (uint32_t)(HEAD - 4 + answer_len));
    store_be32(answer + HEAD - 4, (uint32_t)answer_len);
    uint8_t size_field[4];
    while (read_full(conn, size_field, 4)) {
        size_t size = load_be32(size_field);
        if (size > FRAME_MAX || !read_full(conn, frame, size)) {
            return;
        }
        write_full(conn, answer, sizeof answer, MSG_MORE);
        off_t position = 0;
        for (size_t left = answer_len; left > 0;) {
            ssize_t n = sendfile(conn, file, &position, left);
            if (n <= 0) {
                fail("sendfile");
            }
            left -= (size_t)n;
        }
    }
}

static int listen_loopback(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 16) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        fail("listen");
    }
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    bool receive = argc == 3 && strcmp(argv[1], "receive") == 0;
    bool send_it = argc == 4 && strcmp(argv[1], "send") == 0;
    if (!receive && !send_it) {
        fprintf(stderr, "usage: bare receive <file> | bare send <file> <answer bytes>\n");
        return 2;
    }
    struct output output = {.path = argv[2], .fd = -1};
    int file = receive ? -1 : open(argv[2], O_RDONLY);
    uint8_t *frame = malloc(FRAME_MAX);
    if ((send_it && file < 0) || frame == NULL) {
        fail(argv[2]);
    }
    if (receive) {
        output_begin(&output);
    }
    int listener = listen_loopback();
    for (;;) {
        int conn = accept(listener, NULL, NULL);
        if (conn < 0) {
            fail("accept");
        }
        int one = 1;
        setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (receive) {
            serve_receive(conn, &output, frame);
        } else {
            serve_send(conn, file, frame, (size_t)atoll(argv[3]));
        }
        close(conn);
    }
}
