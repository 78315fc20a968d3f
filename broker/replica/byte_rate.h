// SPDX-License-Identifier: Apache-2.0
//
// Bytes per second over the last few windows of time, with a limit, as Kafka's replication quotas count them (KIP-73):
// what is under way may exceed the limit; then nothing more is begun until the rate has come down to it. All functions
// but init and release may be called by any thread, and under any lock but a leaf.
#ifndef OTTLA_REPLICA_BYTE_RATE_H
#define OTTLA_REPLICA_BYTE_RATE_H

#include "base/err.h"
#include "base/mutex.h"
#include "base/os.h"

#define BYTE_RATE_NO_LIMIT    INT64_MAX
#define BYTE_RATE_MAX_WINDOWS 3600 // more are taken for so many

struct byte_rate_window {
    int64_t begin_ms;
    int64_t bytes;
};

struct byte_rate {
    const struct os *os;
    int64_t window_ms;
    int32_t room;    // of windows
    struct mutex mu; // leaf; guards the rest
    int64_t limit;   // bytes per second
    struct byte_rate_window *windows;
    int32_t oldest, count;
};

// Without a limit. ERR_NO_MEMORY: may be released all the same.
enum err byte_rate_init(struct byte_rate *r, const struct os *os, int32_t windows, int64_t window_ms) WARN_UNUSED;
void byte_rate_release(struct byte_rate *r); // a zeroed one is fine
void byte_rate_limit(struct byte_rate *r, int64_t bytes_per_second);
void byte_rate_record(struct byte_rate *r, int64_t bytes);
bool byte_rate_exceeded(struct byte_rate *r);

#endif
