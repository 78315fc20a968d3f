// SPDX-License-Identifier: Apache-2.0
//
// At most one job for the next block is under way; all who come meanwhile wait for the same one. Whoever asks first
// after it is done takes the block over.
#include "broker/txn/producer_ids.h"

#include <stdlib.h>

struct producer_ids {
    struct cluster *cluster;
    struct mutex mu; // rank GROUP: a job's leaf lock is taken below it
    int64_t next;
    int64_t end;             // one past the last id of the block
    struct cluster_job *job; // the next block, NULL when none is asked for
};

enum err producer_ids_new(struct cluster *c, struct producer_ids **out)
{
    struct producer_ids *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return ERR_NO_MEMORY;
    }
    p->cluster = c;
    mutex_init(&p->mu, MUTEX_RANK_GROUP);
    *out = p;
    return ERR_OK;
}

void producer_ids_free(struct producer_ids *p)
{
    if (p->job != NULL) {
        cluster_job_unref(p->job);
    }
    mutex_destroy(&p->mu);
    free(p);
}

// Under the lock: takes over the block of a job that is done.
static enum err block_install(struct producer_ids *p)
{
    struct cluster_job *job = p->job;
    if (job == NULL || !cluster_job_done(job)) {
        return ERR_AGAIN;
    }
    enum err err = job->err;
    if (err == ERR_OK) {
        p->next = job->producer_id_first;
        p->end = p->next + job->producer_id_count;
    }
    p->job = NULL;
    cluster_job_unref(job);
    return err;
}

// Under the lock: makes the job, not yet submitted. *fresh says the caller has to submit it.
static enum err job_begin(struct producer_ids *p, bool *fresh)
{
    *fresh = p->job == NULL;
    return *fresh ? cluster_job_new(CLUSTER_PRODUCER_IDS, &p->job) : ERR_OK;
}

// A job that could not be submitted is forgotten, so that the next one who asks tries again.
static void job_forget(struct producer_ids *p, struct cluster_job *job)
{
    mutex_lock(&p->mu);
    bool ours = p->job == job;
    if (ours) {
        p->job = NULL;
    }
    mutex_unlock(&p->mu);
    if (ours) {
        cluster_job_unref(job);
    }
}

enum err producer_ids_take(struct producer_ids *p, int64_t *id, struct cluster_job **job)
{
    bool fresh = false;
    enum err err = ERR_OK;
    mutex_lock(&p->mu);
    if (p->next == p->end) {
        err = block_install(p);
    }
    if (err == ERR_OK) {
        *id = p->next++;
    } else if (err == ERR_AGAIN) {
        enum err begun = job_begin(p, &fresh);
        err = begun == ERR_OK ? ERR_AGAIN : begun;
        *job = p->job;
        if (begun == ERR_OK) {
            cluster_job_ref(p->job);
        }
    }
    mutex_unlock(&p->mu);
    if (err == ERR_AGAIN && fresh) {
        enum err submitted = cluster_job_submit(p->cluster, *job);
        if (submitted != ERR_OK) {
            job_forget(p, *job);
            cluster_job_unref(*job);
            err = submitted;
        }
    }
    return err;
}
