// SPDX-License-Identifier: Apache-2.0
//
// The done flag and the wait list change under the job's lock, so a request either sees the result or is woken.
#include "broker/api/disk_job.h"

#include <stdlib.h>

#include "base/assert.h"

enum err disk_job_new(size_t arena_limit, void (*work)(struct disk_job *), void (*release)(struct disk_job *),
                      struct disk_job **out)
{
    struct disk_job *j = calloc(1, sizeof *j);
    if (j == NULL) {
        return ERR_NO_MEMORY;
    }
    arena_init(&j->arena, arena_limit);
    mutex_init(&j->mu, MUTEX_RANK_LEAF);
    LIST_INIT(&j->waiters);
    j->work = work;
    j->release = release;
    atomic_init(&j->refs, 1);
    *out = j;
    return ERR_OK;
}

void disk_job_unref(struct disk_job *j)
{
    if (atomic_fetch_sub(&j->refs, 1) != 1) {
        return;
    }
    ASSERT(LIST_EMPTY(&j->waiters));
    j->release(j);
    arena_release(&j->arena);
    mutex_destroy(&j->mu);
    free(j);
}

static void disk_job_run(struct pool_job *pool_job)
{
    struct disk_job *j = (struct disk_job *)pool_job;
    struct wake_list woken = {NULL};
    j->work(j);
    mutex_lock(&j->mu);
    j->done = true;
    struct wait_link *link;
    LIST_FOREACH (link, &j->waiters, entry) {
        wait_count_down(link->wait, 1, &woken);
    }
    mutex_unlock(&j->mu);
    wake_list_post(&woken);
    disk_job_unref(j);
}

void disk_job_start(struct disk_job *j, struct pool *pool, struct wait_link *link, struct wait *w)
{
    mutex_lock(&j->mu);
    wait_link_add(&j->waiters, link, w, 0);
    mutex_unlock(&j->mu);
    atomic_fetch_add(&j->refs, 1);
    j->pool_job.run = disk_job_run;
    pool_submit(pool, &j->pool_job);
}

bool disk_job_done(struct disk_job *j)
{
    mutex_lock(&j->mu);
    bool done = j->done;
    mutex_unlock(&j->mu);
    return done;
}

void disk_job_unlink(struct disk_job *j, struct wait_link *link)
{
    mutex_lock(&j->mu);
    wait_link_remove(link);
    mutex_unlock(&j->mu);
}
