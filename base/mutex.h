// SPDX-License-Identifier: Apache-2.0
//
// A mutex with a rank. A thread takes mutexes in rising rank only, which rules out deadlock. Builds with
// OTTLA_DEBUG_LOCKS check it on every lock (a thread-local stack of held ranks); release builds do not pay for it.
#ifndef OTTLA_BASE_MUTEX_H
#define OTTLA_BASE_MUTEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum mutex_rank {
    MUTEX_RANK_GROUP = 10,
    MUTEX_RANK_MOVE = 15,
    MUTEX_RANK_APPEND = 20,
    MUTEX_RANK_STATE = 30,
    MUTEX_RANK_LOG_LIST = 40,
    MUTEX_RANK_LEAF = 50, // nothing is taken below a leaf
};

struct mutex {
    pthread_mutex_t raw;
    enum mutex_rank rank;
};

void mutex_init(struct mutex *m, enum mutex_rank rank);
void mutex_destroy(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);

struct cond {
    pthread_cond_t raw; // on the monotonic clock
};

void cond_init(struct cond *c);
void cond_destroy(struct cond *c);
void cond_wait(struct cond *c, struct mutex *m);
// Until that moment of the monotonic clock at most, whichever it is; false: it has come.
bool cond_wait_until(struct cond *c, struct mutex *m, int64_t mono_us);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

#endif
