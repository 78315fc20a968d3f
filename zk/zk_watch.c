// SPDX-License-Identifier: Apache-2.0
//
// Watches. An entry without any kind does not stay in the hash.
#include "zk/zk_watch.h"

#include "base/hash.h"
#include "zk/zk_memory.h"

struct zk_watch {
    char *path;
    unsigned kinds;
    UT_hash_handle hh;
};

static struct zk_watch *watch_find(struct zk_watches *w, struct slice path)
{
    struct zk_watch *watch;
    HASH_FIND(hh, w->paths, path.data, path.len, watch);
    return watch;
}

void zk_watches_release(struct zk_watches *w)
{
    struct zk_watch *watch, *next;
    HASH_ITER (hh, w->paths, watch, next) {
        HASH_DELETE(hh, w->paths, watch);
        free(watch->path);
        free(watch);
    }
}

void zk_watches_set(struct zk_watches *w, const char *path, enum zk_watch_kind kind)
{
    struct slice key = slice_str(path);
    struct zk_watch *watch = watch_find(w, key);
    if (watch == NULL) {
        watch = zk_memory_alloc(sizeof *watch);
        watch->path = zk_memory_copy(key);
        HASH_ADD_KEYPTR(hh, w->paths, watch->path, key.len, watch);
    }
    watch->kinds |= kind;
}

char *zk_watches_take(struct zk_watches *w, struct slice path, unsigned kinds)
{
    struct zk_watch *watch = watch_find(w, path);
    if (watch == NULL || (watch->kinds & kinds) == 0)
        return NULL;
    watch->kinds &= ~kinds;
    if (watch->kinds != 0)
        return zk_memory_copy(path);
    HASH_DELETE(hh, w->paths, watch);
    char *taken = watch->path;
    free(watch);
    return taken;
}
