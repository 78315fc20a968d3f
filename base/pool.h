// SPDX-License-Identifier: Apache-2.0
//
// A pool of threads that may block on disks (num.io.threads). Jobs are embedded in what they work on; the queue's
// length is bounded by the number of things that can have a job. Jobs start in the order they were queued.
#ifndef OTTLA_BASE_POOL_H
#define OTTLA_BASE_POOL_H

#include "base/err.h"

struct pool;

struct pool_job {
    struct pool_job *next;
    void (*run)(struct pool_job *job); // on a pool thread; may free the job or queue it again
};

// Starts n threads. They have all signals blocked.
enum err pool_new(int n_threads, struct pool **out) WARN_UNUSED;
// Runs what is queued to its end, then stops the threads. Jobs queued meanwhile by jobs are run too.
void pool_free(struct pool *p);
// Waits until nothing is queued and nothing runs; new jobs may come after that. Not from a pool thread.
void pool_drain(struct pool *p);
// From any thread.
void pool_submit(struct pool *p, struct pool_job *job);

#endif
