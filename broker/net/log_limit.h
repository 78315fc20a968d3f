// SPDX-License-Identifier: Apache-2.0
//
// Keeps log lines that a peer can cause at will from filling the log: so many per second, the rest is counted.
#ifndef OTTLA_NET_LOG_LIMIT_H
#define OTTLA_NET_LOG_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LOG_LIMIT_PER_SECOND 10

struct log_limit { // all zero at first; any thread
    _Atomic int64_t second;
    atomic_int count;
};

// True: write the line. *dropped is how many were not written in the second before that ended, to be told once.
bool log_limit_pass(struct log_limit *l, int64_t now_ms, int *dropped);

#endif
