// SPDX-License-Identifier: Apache-2.0
//
// A queue of moves: each gets a turn, then stands at the end again, or with those that pause. The timer is set while
// some pause, and takes all of them back into the queue.
#include "broker/replica/mover.h"

#include <stddef.h>
#include <stdlib.h>

#include <sys/queue.h>

#include "broker/replica/partition_private.h"

#define PAUSE_MS 20

struct move {
    struct pool_job job; // first
    struct mover *mover;
    struct partition *partition; // referenced
    TAILQ_ENTRY(move) entry;
};

struct mover {
    struct pool *pool;
    int32_t limit;
    struct timer timer; // [loop]
    struct mutex mu;    // rank of a log's list: jobs are submitted and the loop is posted to under it
    struct cond idle;
    TAILQ_HEAD(move_list, move) waiting, paused;
    int32_t running;
    bool stopping;
    struct loop *loop;        // NULL: not started, or stopped
    struct mailbox_item rest; // has the loop set the timer
    bool resting;             // that is on its way, or the timer is set
};

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

// ---- pausing ----

static void rest_begin(struct mailbox_item *item)
{
    struct mover *m = (struct mover *)((char *)item - offsetof(struct mover, rest));
    mutex_lock(&m->mu);
    bool stopped = m->loop == NULL;
    mutex_unlock(&m->mu);
    if (!stopped) {
        timer_set(&m->timer, PAUSE_MS);
    }
}

// Under mu.
static void rest_ask(struct mover *m)
{
    if (m->loop != NULL && !m->resting && !TAILQ_EMPTY(&m->paused)) {
        m->resting = true;
        loop_post(m->loop, &m->rest);
    }
}

static void rest_end(void *ctx)
{
    struct mover *m = ctx;
    mutex_lock(&m->mu);
    m->resting = false;
    TAILQ_CONCAT(&m->waiting, &m->paused, entry);
    mover_fill(m);
    mutex_unlock(&m->mu);
}

enum err mover_start(struct mover *m, struct loop *loop)
{
    enum err err = timer_init(&m->timer, loop, rest_end, m);
    if (err == ERR_OK) {
        mutex_lock(&m->mu);
        m->loop = loop;
        rest_ask(m);
        mutex_unlock(&m->mu);
    }
    return err;
}

void mover_stop(struct mover *m)
{
    mutex_lock(&m->mu);
    m->loop = NULL;
    mutex_unlock(&m->mu);
    timer_release(&m->timer);
}

// ---- turns ----

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
    TAILQ_INIT(&m->paused);
    m->rest.run = rest_begin;
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
    TAILQ_CONCAT(&m->waiting, &m->paused, entry);
    while (!TAILQ_EMPTY(&m->waiting)) {
        struct move *v = TAILQ_FIRST(&m->waiting);
        TAILQ_REMOVE(&m->waiting, v, entry);
        move_free(v);
    }
    mutex_destroy(&m->mu);
    cond_destroy(&m->idle);
    free(m);
}

static void move_turn(struct pool_job *job)
{
    struct move *v = (struct move *)job;
    struct mover *m = v->mover;
    enum move_step step = partition_move_step(v->partition);
    if (step == MOVE_ENDED) {
        move_free(v);
    }
    mutex_lock(&m->mu);
    m->running--;
    if (step == MOVE_MORE) {
        TAILQ_INSERT_TAIL(&m->waiting, v, entry);
    } else if (step == MOVE_PAUSE) {
        TAILQ_INSERT_TAIL(&m->paused, v, entry);
        rest_ask(m);
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
