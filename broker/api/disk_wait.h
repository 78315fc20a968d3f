// SPDX-License-Identifier: Apache-2.0
//
// A request that waits for a disk job of its own: until the job is done nothing else runs it, no deadline and no stop.
#ifndef OTTLA_API_DISK_WAIT_H
#define OTTLA_API_DISK_WAIT_H

#include "broker/api/disk_job.h"
#include "broker/api/request.h"

// In the request's arena, zero at first.
struct disk_wait {
    struct disk_job *job; // a reference, NULL = none
    struct wait_link link;
};

// Starts the job. What the handler answers.
enum api_step disk_wait_begin(struct disk_wait *w, struct request *r);
// Gives the reference back, whether the job is done, still runs (the request's connection has gone) or was never
// started. Nothing when there is none.
void disk_wait_end(struct disk_wait *w);

#endif
