// SPDX-License-Identifier: Apache-2.0
//
// What the load generator does with sockets and the clock. Whatever goes wrong ends the program: a load that is not
// what was asked for measures nothing.
#ifndef OTTLA_BENCH_SOCKETS_H
#define OTTLA_BENCH_SOCKETS_H

#include "base/bytes.h"

_Noreturn void bench_fail(const char *what); // with errno where it is not 0

int64_t bench_now_ns(void); // monotonic

// A blocking connection to loopback, without Nagle's delay; tries for a minute, once a millisecond.
int bench_connect(int port);
void bench_nonblocking(int fd);

// Sends one frame on a blocking connection and waits for its answer, which it returns without the size field (free it).
uint8_t *bench_ask(int fd, const struct writer *frame, size_t *answer_len);

// A timer for epoll, to be set to a moment of bench_now_ns, which may have passed.
int bench_timer_open(void);
void bench_timer_set(int timer, int64_t at_ns);

#endif
