// SPDX-License-Identifier: Apache-2.0
//
// The disk pool: one queue, n threads. It ends only when the queue is empty and no job runs that could queue another.
#include "base/pool.h"

#include "base/assert.h"
#include "base/mutex.h"
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct pool {
    struct mutex mu;     // leaf; guards all below except threads
    struct cond changed; // for the threads: a job, or the end
    struct cond idle;    // for pool_drain
    struct pool_job *head;
    struct pool_job **tail;
    int n_running; // jobs taken from the queue and not finished
    bool stopping;
    int n_threads;
    pthread_t threads[];
};

// The next job, or NULL when the pool has come to its end. Called and left with the lock held.
static struct pool_job *job_take(struct pool *p)
{
    while (!p->head) {
        if (p->stopping && p->n_running == 0) {
            return NULL;
        }
        cond_wait(&p->changed, &p->mu);
    }
    struct pool_job *job = p->head;
    p->head = job->next;
    if (!p->head) {
        p->tail = &p->head;
    }
    p->n_running++;
    return job;
}

static void *worker_run(void *arg)
{
    struct pool *p = arg;
    mutex_lock(&p->mu);
    for (struct pool_job *job = job_take(p); job; job = job_take(p)) {
        mutex_unlock(&p->mu);
        job->run(job);
        mutex_lock(&p->mu);
        p->n_running--;
        if (p->n_running == 0 && !p->head) {
            cond_broadcast(&p->idle);
        }
        if (p->stopping && p->n_running == 0) {
            cond_broadcast(&p->changed);
        }
    }
    mutex_unlock(&p->mu);
    return NULL;
}

enum err pool_new(int n_threads, struct pool **out)
{
    ASSERT(n_threads > 0);
    struct pool *p = calloc(1, sizeof *p + (size_t)n_threads * sizeof p->threads[0]);
    if (!p) {
        return ERR_NO_MEMORY;
    }
    mutex_init(&p->mu, MUTEX_RANK_LEAF);
    cond_init(&p->changed);
    cond_init(&p->idle);
    p->tail = &p->head;

    // Signals are for the main thread: the new threads inherit a mask that blocks them all.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = 0;
    while (p->n_threads < n_threads && rc == 0) {
        rc = pthread_create(&p->threads[p->n_threads], NULL, worker_run, p);
        p->n_threads += rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        pool_free(p);
        return ERR_NO_MEMORY;
    }
    *out = p;
    return ERR_OK;
}

void pool_free(struct pool *p)
{
    if (!p) {
        return;
    }
    mutex_lock(&p->mu);
    p->stopping = true;
    cond_broadcast(&p->changed);
    mutex_unlock(&p->mu);
    for (int i = 0; i < p->n_threads; i++) {
        int rc = pthread_join(p->threads[i], NULL);
        ASSERT(rc == 0);
    }
    cond_destroy(&p->changed);
    cond_destroy(&p->idle);
    mutex_destroy(&p->mu);
    free(p);
}

void pool_drain(struct pool *p)
{
    mutex_lock(&p->mu);
    while (p->head || p->n_running > 0) {
        cond_wait(&p->idle, &p->mu);
    }
    mutex_unlock(&p->mu);
}

void pool_submit(struct pool *p, struct pool_job *job)
{
    job->next = NULL;
    mutex_lock(&p->mu);
    *p->tail = job;
    p->tail = &job->next;
    cond_signal(&p->changed);
    mutex_unlock(&p->mu);
}
