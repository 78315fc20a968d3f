// SPDX-License-Identifier: Apache-2.0
//
// A queue of moves: each gets a turn, then stands at the end again.
#include "broker/replica/mover.h"

#include <stdlib.h>
#include <time.h>

#include <sys/queue.h>

#include "broker/replica/partition_private.h"

#define PAUSE_NS (20 * 1000 * 1000)

struct move {
    struct pool_job job; // first
    struct mover *mover;
    struct partition *partition; // referenced
    TAILQ_ENTRY(move) entry;
};

struct mover {
    struct pool *pool;
    int32_t limit;
    struct mutex mu; // rank of a log's list: jobs are submitted under it
    struct cond idle;
    TAILQ_HEAD(, move) waiting;
    int32_t running;
    bool stopping;
};

enum err mover_new(struct pool *pool, int32_t limit, struct mover **out)
{
    struct mover *m = calloc(1, sizeof *m);
    *out = m;
    if (m == NULL) {
        return ERR_NO_MEMORY;
    }
    m->pool = pool;
    m->limit = limit;
    mutex_init(&m->mu, MUTEX_RANK_LOG_LIST);
    cond_init(&m->idle);
    TAILQ_INIT(&m->waiting);
    return ERR_OK;
}

static void move_free(struct move *v)
{
    partition_unref(v->partition);
    free(v);
}

void mover_free(struct mover *m)
{
    if (m == NULL) {
        return;
    }
    mutex_lock(&m->mu);
    m->stopping = true;
    while (m->running > 0) {
        cond_wait(&m->idle, &m->mu);
    }
    mutex_unlock(&m->mu);
    while (!TAILQ_EMPTY(&m->waiting)) {
        struct move *v = TAILQ_FIRST(&m->waiting);
        TAILQ_REMOVE(&m->waiting, v, entry);
        move_free(v);
    }
    mutex_destroy(&m->mu);
    cond_destroy(&m->idle);
    free(m);
}

// Under mu.
static void mover_fill(struct mover *m)
{
    while (m->running < m->limit && !m->stopping && !TAILQ_EMPTY(&m->waiting)) {
        struct move *v = TAILQ_FIRST(&m->waiting);
        TAILQ_REMOVE(&m->waiting, v, entry);
        m->running++;
        pool_submit(m->pool, &v->job);
    }
}

static void move_turn(struct pool_job *job)
{
    struct move *v = (struct move *)job;
    struct mover *m = v->mover;
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    enum move_step step = partition_move_step(v->partition);
    if (step == MOVE_PAUSE) {
        nanosleep(&pause, NULL);
    }
    if (step == MOVE_ENDED) {
        move_free(v);
    }
    mutex_lock(&m->mu);
    m->running--;
    if (step != MOVE_ENDED) {
        TAILQ_INSERT_TAIL(&m->waiting, v, entry);
    }
    mover_fill(m);
    cond_broadcast(&m->idle);
    mutex_unlock(&m->mu);
}

enum err mover_add(struct mover *m, struct partition *p)
{
    struct move *v = calloc(1, sizeof *v);
    if (v == NULL) {
        return ERR_NO_MEMORY;
    }
    if (!partition_move_claim(p)) {
        free(v);
        return ERR_OK;
    }
    v->job.run = move_turn;
    v->mover = m;
    v->partition = p;
    partition_ref(p);
    mutex_lock(&m->mu);
    TAILQ_INSERT_TAIL(&m->waiting, v, entry);
    mover_fill(m);
    mutex_unlock(&m->mu);
    return ERR_OK;
}
