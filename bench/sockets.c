// SPDX-License-Identifier: Apache-2.0
//
// See sockets.h.
#include "bench/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX       (128 * 1024 * 1024)
#define CONNECT_TRIES    60000
#define CONNECT_PAUSE_NS 1000000
#define NS_PER_S         1000000000

void bench_fail(const char *what)
{
    fprintf(stderr, "load: %s%s%s\n", what, errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
    exit(1);
}

int64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int bench_connect(int port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    for (int i = 0; i < CONNECT_TRIES; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0) {
            bench_fail("socket");
        }
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
            int one = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            return fd;
        }
        close(fd);
        nanosleep(&(struct timespec){.tv_nsec = CONNECT_PAUSE_NS}, NULL);
    }
    bench_fail("no connection");
}

void bench_nonblocking(int fd)
{
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
        bench_fail("fcntl");
    }
}

static void recv_full(int fd, uint8_t *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = recv(fd, data + done, len - done, 0);
        if (n <= 0) {
            bench_fail("the connection was closed");
        }
        done += (size_t)n;
    }
}

uint8_t *bench_ask(int fd, const struct writer *frame, size_t *answer_len)
{
    for (size_t done = 0; done < frame->len;) {
        ssize_t n = send(fd, frame->data + done, frame->len - done, MSG_NOSIGNAL);
        if (n <= 0) {
            bench_fail("send");
        }
        done += (size_t)n;
    }
    uint8_t size_field[4];
    recv_full(fd, size_field, sizeof size_field);
    *answer_len = load_be32(size_field);
    uint8_t *answer = *answer_len <= ANSWER_MAX ? malloc(*answer_len + 1) : NULL;
    if (answer == NULL) {
        bench_fail("an answer of impossible size");
    }
    recv_full(fd, answer, *answer_len);
    return answer;
}

int bench_timer_open(void)
{
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (timer < 0) {
        bench_fail("timerfd_create");
    }
    return timer;
}

void bench_timer_set(int timer, int64_t at_ns)
{
    int64_t at = at_ns > 0 ? at_ns : 1; // zero would disarm it
    struct itimerspec when = {.it_value = {.tv_sec = at / NS_PER_S, .tv_nsec = at % NS_PER_S}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) != 0) {
        bench_fail("timerfd_settime");
    }
}
