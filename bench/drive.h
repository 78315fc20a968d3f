// SPDX-License-Identifier: Apache-2.0
//
// Drives requests over many connections from one thread. Closed loop: each connection keeps `in_flight` requests under
// way. Open loop (rate > 0): requests become due at a fixed rate, in turn on the connections, whether earlier ones are
// answered or not; the latency of each counts from the moment it was due, so a stall of the broker is seen by all that
// became due meanwhile (no coordinated omission).
#ifndef OTTLA_BENCH_DRIVE_H
#define OTTLA_BENCH_DRIVE_H

#include "bench/frames.h"
#include "bench/histogram.h"

struct drive_plan {
    int port;
    int connections;
    int in_flight;               // of each connection, at most
    int64_t requests;            // in all
    double seconds;              // no further request is begun after so long; 0: no limit
    double rate;                 // requests per second in all; 0: closed loop
    int wake_bytes;              // how much of an answer wakes the client, less at its end; 0: whatever has come
    bool unanswered;             // acks=0: one ApiVersions at the end tells that the broker has read everything
    enum frame_kind kind;        // of the frames
    const struct writer *frames; // request i of connection c is frames[(i * connections + c) % n_frames]
    int n_frames;
};

struct drive_result {
    int64_t requests;
    int64_t bytes_out;
    int64_t bytes_in;
    double seconds;
    struct histogram latency;
};

// Ends the program when a connection or a request fails.
void drive(const struct drive_plan *plan, struct drive_result *result);

#endif
