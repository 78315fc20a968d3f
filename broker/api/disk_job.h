// SPDX-License-Identifier: Apache-2.0
//
// Work of a request that may block on the disk: it runs on the disk pool, the request waits for it. The job is counted
// (the request and the pool hold a reference each), so the connection may die while the job runs; what the job works
// on must therefore lie in the job's own arena.
#ifndef OTTLA_API_DISK_JOB_H
#define OTTLA_API_DISK_JOB_H

#include "base/arena.h"
#include "base/pool.h"
#include "broker/net/wait.h"

struct disk_job {
    struct pool_job pool_job; // first
    struct arena arena;
    void (*work)(struct disk_job *j);    // on a pool thread
    void (*release)(struct disk_job *j); // once, when the last reference goes; before the arena
    void *state;                         // of the user, in the arena
    struct mutex mu;                     // leaf: done, waiters
    bool done;
    struct wait_list waiters;
    atomic_int refs;
};

enum err disk_job_new(size_t arena_limit, void (*work)(struct disk_job *), void (*release)(struct disk_job *),
                      struct disk_job **out) WARN_UNUSED;
void disk_job_unref(struct disk_job *j);
// Queues it (the pool takes a reference of its own) and links the wait, which must be armed: it is counted down by
// one when the job is done.
void disk_job_start(struct disk_job *j, struct pool *pool, struct wait_link *link, struct wait *w);
bool disk_job_done(struct disk_job *j);
void disk_job_unlink(struct disk_job *j, struct wait_link *link);

#endif
