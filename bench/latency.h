// SPDX-License-Identifier: Apache-2.0
//
// From a record's due time at the producer to its arrival at each of the consumers that wait for it, on one partition.
// Requests become due at a fixed rate (open loop), and a record's offset tells when it was due: no clock is carried in
// the records, and a stall counts for all records that became due meanwhile.
#ifndef OTTLA_BENCH_LATENCY_H
#define OTTLA_BENCH_LATENCY_H

#include "bench/histogram.h"

#include <stddef.h>
#include <stdint.h>

struct latency_plan {
    int port;
    const char *topic; // nobody else writes to its partition 0 meanwhile
    int acks;
    size_t record_bytes;
    int records; // of each request
    double rate; // requests per second
    double seconds;
    double warm_s; // at the beginning: delivered but not counted
    int consumers;
};

struct latency_result {
    int64_t requests;
    int64_t bytes_out, bytes_in;
    double seconds;
    struct histogram produced;  // until acknowledged
    struct histogram delivered; // until received, once for each consumer
};

// Ends the program when a connection or a request fails.
void latency_measure(const struct latency_plan *plan, struct latency_result *result);

#endif
