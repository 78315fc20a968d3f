// SPDX-License-Identifier: Apache-2.0
//
// A queue of new partitions. At most one job is in the pool; at its end it queues itself again while there are more.
#include "broker/replica/settler.h"

#include <stdlib.h>

#include <sys/queue.h>

#include "broker/replica/partition_private.h"

struct newcomer {
    struct partition *partition; // referenced
    STAILQ_ENTRY(newcomer) entry;
};

struct settler {
    struct pool_job job; // first
    struct pool *pool;
    struct mutex mu; // rank of a log's list: the job is submitted under it
    struct cond idle;
    STAILQ_HEAD(, newcomer) waiting;
    bool running;
    bool stopping;
};

static void newcomer_free(struct newcomer *n)
{
    partition_unref(n->partition);
    free(n);
}

// Under mu.
static struct newcomer *settler_take(struct settler *s)
{
    struct newcomer *n = STAILQ_FIRST(&s->waiting);
    if (n != NULL) {
        STAILQ_REMOVE_HEAD(&s->waiting, entry);
    }
    return n;
}

static void settler_run(struct pool_job *job)
{
    struct settler *s = (struct settler *)job;
    mutex_lock(&s->mu);
    struct newcomer *n = s->stopping ? NULL : settler_take(s);
    mutex_unlock(&s->mu);
    if (n != NULL) {
        partition_settle(n->partition);
        newcomer_free(n);
    }
    mutex_lock(&s->mu);
    s->running = !s->stopping && !STAILQ_EMPTY(&s->waiting);
    if (s->running) {
        pool_submit(s->pool, &s->job);
    } else {
        cond_broadcast(&s->idle);
    }
    mutex_unlock(&s->mu);
}

enum err settler_new(struct pool *pool, struct settler **out)
{
    struct settler *s = calloc(1, sizeof *s);
    *out = s;
    if (s == NULL) {
        return ERR_NO_MEMORY;
    }
    s->job.run = settler_run;
    s->pool = pool;
    mutex_init(&s->mu, MUTEX_RANK_LOG_LIST);
    cond_init(&s->idle);
    STAILQ_INIT(&s->waiting);
    return ERR_OK;
}

void settler_free(struct settler *s)
{
    if (s == NULL) {
        return;
    }
    mutex_lock(&s->mu);
    s->stopping = true;
    while (s->running) {
        cond_wait(&s->idle, &s->mu);
    }
    mutex_unlock(&s->mu);
    for (struct newcomer *n = settler_take(s); n != NULL; n = settler_take(s)) {
        newcomer_free(n);
    }
    mutex_destroy(&s->mu);
    cond_destroy(&s->idle);
    free(s);
}

enum err settler_add(struct settler *s, struct partition *p)
{
    struct newcomer *n = calloc(1, sizeof *n);
    if (n == NULL) {
        return ERR_NO_MEMORY;
    }
    n->partition = p;
    partition_ref(p);
    mutex_lock(&s->mu);
    STAILQ_INSERT_TAIL(&s->waiting, n, entry);
    if (!s->running) {
        s->running = true;
        pool_submit(s->pool, &s->job);
    }
    mutex_unlock(&s->mu);
    return ERR_OK;
}
