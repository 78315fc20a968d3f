// SPDX-License-Identifier: Apache-2.0
//
// See the header. A table under a lock of its own.
#include "broker/replica/preferred_dirs.h"

#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include "base/hash.h"

#include "base/mutex.h"
#include "broker/cluster/cluster.h"

struct wish {
    char key[TOPIC_NAME_MAX + sizeof(int32_t)];
    unsigned key_len;
    struct log_dir *dir;
    UT_hash_handle hh;
};

struct preferred_dirs {
    struct mutex mu; // leaf
    struct wish *wishes;
};

struct preferred_dirs *preferred_dirs_new(void)
{
    struct preferred_dirs *d = calloc(1, sizeof *d);
    if (d != NULL) {
        mutex_init(&d->mu, MUTEX_RANK_LEAF);
    }
    return d;
}

void preferred_dirs_free(struct preferred_dirs *d)
{
    struct wish *w, *next;
    if (d == NULL) {
        return;
    }
    HASH_ITER (hh, d->wishes, w, next) {
        HASH_DEL(d->wishes, w);
        free(w);
    }
    mutex_destroy(&d->mu);
    free(d);
}

// Topic and number in one row of bytes; false: no topic has such a name.
static bool wish_key(struct wish *w, struct slice topic, int32_t partition)
{
    if (topic.len > TOPIC_NAME_MAX) {
        return false;
    }
    memcpy(w->key, topic.data, topic.len);
    memcpy(w->key + topic.len, &partition, sizeof partition);
    w->key_len = (unsigned)(topic.len + sizeof partition);
    return true;
}

void preferred_dirs_put(struct preferred_dirs *d, struct slice topic, int32_t partition, struct log_dir *dir)
{
    struct wish *w = calloc(1, sizeof *w);
    struct wish *found = NULL;
    if (w == NULL || !wish_key(w, topic, partition)) {
        free(w);
        return;
    }
    mutex_lock(&d->mu);
    HASH_FIND(hh, d->wishes, w->key, w->key_len, found);
    if (found != NULL) {
        found->dir = dir;
    } else if (HASH_COUNT(d->wishes) < PREFERRED_DIRS_MAX) {
        w->dir = dir;
        HASH_ADD_KEYPTR(hh, d->wishes, w->key, w->key_len, w);
        w = hash_added(&w->hh) ? NULL : w;
    }
    mutex_unlock(&d->mu);
    free(w);
}

struct log_dir *preferred_dirs_take(struct preferred_dirs *d, struct slice topic, int32_t partition)
{
    struct wish key, *found = NULL;
    struct log_dir *dir = NULL;
    if (!wish_key(&key, topic, partition)) {
        return NULL;
    }
    mutex_lock(&d->mu);
    HASH_FIND(hh, d->wishes, key.key, key.key_len, found);
    if (found != NULL) {
        dir = found->dir;
        HASH_DEL(d->wishes, found);
    }
    mutex_unlock(&d->mu);
    free(found);
    return dir;
}
