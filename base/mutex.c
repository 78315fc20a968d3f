// SPDX-License-Identifier: Apache-2.0
//
// Ranked mutexes and condition variables. With OTTLA_DEBUG_LOCKS each thread keeps the stack of mutexes it holds; their
// ranks rise strictly from bottom to top, and a lock that would break this aborts before it can deadlock.
#include "base/mutex.h"

#include "base/assert.h"
#include <errno.h>
#include <time.h>

#ifdef OTTLA_DEBUG_LOCKS
enum {
    HELD_MAX = 8, // there are five ranks, so no thread can hold more
};

static _Thread_local const struct mutex *held[HELD_MAX];
static _Thread_local int n_held;

static void held_push(const struct mutex *m)
{
    ASSERT(n_held == 0 || held[n_held - 1]->rank < m->rank);
    ASSERT(n_held < HELD_MAX);
    held[n_held++] = m;
}

// Mutexes may be given back in any order; those above move down.
static void held_remove(const struct mutex *m)
{
    int i = n_held - 1;
    while (i >= 0 && held[i] != m) {
        i--;
    }
    ASSERT(i >= 0);
    for (; i < n_held - 1; i++) {
        held[i] = held[i + 1];
    }
    n_held--;
}
#else
static void held_push(const struct mutex *m)
{
    (void)m;
}

static void held_remove(const struct mutex *m)
{
    (void)m;
}
#endif

void mutex_init(struct mutex *m, enum mutex_rank rank)
{
    m->rank = rank;
    int rc = pthread_mutex_init(&m->raw, NULL);
    ASSERT(rc == 0);
}

void mutex_destroy(struct mutex *m)
{
    int rc = pthread_mutex_destroy(&m->raw);
    ASSERT(rc == 0);
}

void mutex_lock(struct mutex *m)
{
    held_push(m);
    int rc = pthread_mutex_lock(&m->raw);
    ASSERT(rc == 0);
}

void mutex_unlock(struct mutex *m)
{
    held_remove(m);
    int rc = pthread_mutex_unlock(&m->raw);
    ASSERT(rc == 0);
}

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    ASSERT(rc == 0);
    rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    ASSERT(rc == 0);
    rc = pthread_cond_init(&c->raw, &attr);
    ASSERT(rc == 0);
    pthread_condattr_destroy(&attr);
}

void cond_destroy(struct cond *c)
{
    int rc = pthread_cond_destroy(&c->raw);
    ASSERT(rc == 0);
}

void cond_wait(struct cond *c, struct mutex *m)
{
    // The wait gives the mutex back and takes it again, so the rank rule is checked again as for a new lock.
    held_remove(m);
    held_push(m);
    int rc = pthread_cond_wait(&c->raw, &m->raw);
    ASSERT(rc == 0);
}

bool cond_wait_until(struct cond *c, struct mutex *m, int64_t mono_us)
{
    const int64_t us = mono_us > 0 ? mono_us : 0; // pthreads knows no time before the clock's beginning
    const struct timespec until = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    held_remove(m);
    held_push(m);
    int rc = pthread_cond_timedwait(&c->raw, &m->raw, &until);
    ASSERT(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void cond_signal(struct cond *c)
{
    int rc = pthread_cond_signal(&c->raw);
    ASSERT(rc == 0);
}

void cond_broadcast(struct cond *c)
{
    int rc = pthread_cond_broadcast(&c->raw);
    ASSERT(rc == 0);
}
