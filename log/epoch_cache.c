// SPDX-License-Identifier: Apache-2.0
//
// The leader epochs of a log. Entries rise strictly in epoch and start offset at all times; every change keeps that.
// Changes come from one thread at a time (the log's append path), which therefore reads the entries without the lock
// and writes the file outside of it; the lock is for the readers.
#include "log/epoch_cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "log/checkpoint.h"

#define EPOCH_CACHE_FILE "leader-epoch-checkpoint"

struct epoch_entry {
    int32_t epoch;
    int64_t start_offset;
};

struct epoch_cache {
    struct mutex mu; // leaf
    const struct os *os;
    char *path; // NULL once detached
    struct epoch_entry *entries;
    size_t count;
    size_t cap;
    struct epoch_entry *stored; // what the file holds
    size_t stored_count;
    bool stored_known; // false until it was read or written
    bool dirty;        // the entries have changed since they were last compared with the file
};

static void cache_lock(const struct epoch_cache *c)
{
    mutex_lock((struct mutex *)&c->mu);
}

static void cache_unlock(const struct epoch_cache *c)
{
    mutex_unlock((struct mutex *)&c->mu);
}

// Room for one more entry.
static enum err cache_reserve(struct epoch_cache *c)
{
    if (c->count < c->cap) {
        return ERR_OK;
    }
    size_t cap = c->cap == 0 ? 8 : c->cap * 2;
    struct epoch_entry *grown = realloc(c->entries, cap * sizeof *grown);
    if (grown == NULL) {
        return ERR_NO_MEMORY;
    }
    c->entries = grown;
    c->cap = cap;
    return ERR_OK;
}

// Adds an entry, first removing those at the end that it contradicts.
static enum err cache_assign(struct epoch_cache *c, int32_t epoch, int64_t start_offset, bool *changed)
{
    const struct epoch_entry *last = c->count == 0 ? NULL : &c->entries[c->count - 1];
    *changed = last == NULL || last->epoch != epoch || last->start_offset > start_offset;
    if (!*changed) {
        return ERR_OK;
    }
    enum err e = cache_reserve(c);
    if (e != ERR_OK) {
        return e;
    }
    while (c->count > 0 &&
           (c->entries[c->count - 1].epoch >= epoch || c->entries[c->count - 1].start_offset >= start_offset)) {
        c->count--;
    }
    c->entries[c->count++] = (struct epoch_entry){epoch, start_offset};
    c->dirty = true;
    return ERR_OK;
}

// The file holds what the cache holds. Without memory the next store writes in any case.
static void cache_note_stored(struct epoch_cache *c)
{
    struct epoch_entry *copy = realloc(c->stored, (c->count + 1) * sizeof *copy);
    c->stored_known = copy != NULL;
    if (copy == NULL) {
        return;
    }
    if (c->count > 0) {
        memcpy(copy, c->entries, c->count * sizeof *copy);
    }
    c->stored = copy;
    c->stored_count = c->count;
    c->dirty = false;
}

static bool cache_is_stored(const struct epoch_cache *c)
{
    if (!c->stored_known || c->stored_count != c->count) {
        return false;
    }
    for (size_t i = 0; i < c->count; i++) {
        if (c->stored[i].epoch != c->entries[i].epoch || c->stored[i].start_offset != c->entries[i].start_offset) {
            return false;
        }
    }
    return true;
}

struct cache_loading {
    struct epoch_cache *cache;
    enum err err;
};

static void cache_load_entry(void *ctx, const struct checkpoint_entry *e)
{
    struct cache_loading *l = ctx;
    bool changed;
    if (l->err == ERR_OK) {
        l->err = cache_assign(l->cache, e->number, e->offset, &changed);
    }
}

static enum err cache_load(struct epoch_cache *c)
{
    int fd = c->os->open(c->os, c->path, O_RDONLY | O_CREAT, 0644);
    if (fd < 0) {
        return ERR_IO;
    }
    c->os->close(c->os, fd);
    struct cache_loading l = {c, ERR_OK};
    enum err e = checkpoint_read(c->os, c->path, false, cache_load_entry, &l);
    if (e == ERR_CORRUPT) {
        log_warn("log", "%s: damaged, going on as if it were missing", c->path);
        return ERR_OK;
    }
    if (e == ERR_OK && l.err == ERR_OK) {
        cache_note_stored(c);
    }
    return e != ERR_OK ? e : l.err;
}

enum err epoch_cache_open(const struct os *os, const char *dir, struct epoch_cache **out)
{
    *out = NULL;
    struct epoch_cache *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return ERR_NO_MEMORY;
    }
    mutex_init(&c->mu, MUTEX_RANK_LEAF);
    c->os = os;
    size_t path_size = strlen(dir) + sizeof "/" EPOCH_CACHE_FILE;
    c->path = malloc(path_size);
    if (c->path == NULL) {
        epoch_cache_free(c);
        return ERR_NO_MEMORY;
    }
    snprintf(c->path, path_size, "%s/%s", dir, EPOCH_CACHE_FILE);
    enum err e = cache_load(c);
    if (e != ERR_OK) {
        epoch_cache_free(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

void epoch_cache_free(struct epoch_cache *c)
{
    if (c == NULL) {
        return;
    }
    mutex_destroy(&c->mu);
    free(c->path);
    free(c->entries);
    free(c->stored);
    free(c);
}

void epoch_cache_detach(struct epoch_cache *c)
{
    free(c->path);
    c->path = NULL;
}

void epoch_cache_move(struct epoch_cache *c, const char *dir)
{
    size_t size = strlen(c->path) + 1;
    int len = snprintf(c->path, size, "%s/%s", dir, EPOCH_CACHE_FILE);
    ASSERT(len >= 0 && (size_t)len < size);
}

static enum err cache_store(struct epoch_cache *c, bool sync)
{
    if (c->path == NULL || !c->dirty) {
        return ERR_OK;
    }
    if (cache_is_stored(c)) {
        c->dirty = false;
        return ERR_OK;
    }
    c->stored_known = false;
    struct checkpoint_entry *lines = calloc(c->count + 1, sizeof *lines);
    if (lines == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < c->count; i++) {
        lines[i].number = c->entries[i].epoch;
        lines[i].offset = c->entries[i].start_offset;
    }
    enum err e = checkpoint_write(c->os, c->path, lines, c->count, sync);
    free(lines);
    if (e == ERR_OK) {
        cache_note_stored(c);
    }
    return e;
}

enum err epoch_cache_store(struct epoch_cache *c)
{
    return cache_store(c, true);
}

enum err epoch_cache_store_unsynced(struct epoch_cache *c)
{
    return cache_store(c, false);
}

enum err epoch_cache_assign(struct epoch_cache *c, int32_t epoch, int64_t start_offset, bool store)
{
    ASSERT(epoch >= 0 && start_offset >= 0);
    bool changed;
    cache_lock(c);
    enum err e = cache_assign(c, epoch, start_offset, &changed);
    cache_unlock(c);
    return e == ERR_OK && store ? epoch_cache_store(c) : e;
}

static void cache_cut_end(struct epoch_cache *c, int64_t offset)
{
    cache_lock(c);
    while (c->count > 0 && c->entries[c->count - 1].start_offset >= offset) {
        c->count--;
        c->dirty = true;
    }
    cache_unlock(c);
}

static void cache_cut_start(struct epoch_cache *c, int64_t offset)
{
    size_t first = 0; // the entry that holds at offset becomes the first one
    while (first + 1 < c->count && c->entries[first + 1].start_offset <= offset) {
        first++;
    }
    if (c->count == 0 || c->entries[first].start_offset > offset ||
        (first == 0 && c->entries[0].start_offset == offset)) {
        return;
    }
    c->dirty = true;
    cache_lock(c);
    c->count -= first;
    memmove(c->entries, c->entries + first, c->count * sizeof *c->entries);
    c->entries[0].start_offset = offset;
    cache_unlock(c);
}

void epoch_cache_trim(struct epoch_cache *c, int64_t start_offset, int64_t end_offset)
{
    cache_cut_end(c, end_offset);
    cache_cut_start(c, start_offset);
}

enum err epoch_cache_truncate_end(struct epoch_cache *c, int64_t offset)
{
    cache_cut_end(c, offset);
    return epoch_cache_store(c);
}

enum err epoch_cache_truncate_start(struct epoch_cache *c, int64_t offset)
{
    cache_cut_start(c, offset);
    return epoch_cache_store(c);
}

bool epoch_cache_is_empty(const struct epoch_cache *c)
{
    cache_lock(c);
    bool empty = c->count == 0;
    cache_unlock(c);
    return empty;
}

int32_t epoch_cache_latest(const struct epoch_cache *c)
{
    cache_lock(c);
    int32_t epoch = c->count == 0 ? -1 : c->entries[c->count - 1].epoch;
    cache_unlock(c);
    return epoch;
}

int32_t epoch_cache_at(const struct epoch_cache *c, int64_t offset)
{
    int32_t epoch = -1;
    cache_lock(c);
    for (size_t i = c->count; i > 0; i--) {
        if (c->entries[i - 1].start_offset <= offset) {
            epoch = c->entries[i - 1].epoch;
            break;
        }
    }
    cache_unlock(c);
    return epoch;
}

void epoch_cache_end(const struct epoch_cache *c, int32_t epoch, int64_t log_end, int32_t *found, int64_t *end)
{
    *found = -1;
    *end = -1;
    cache_lock(c);
    size_t higher = 0; // first entry of a later epoch
    while (higher < c->count && c->entries[higher].epoch <= epoch) {
        higher++;
    }
    if (higher < c->count && epoch != -1) {
        *found = higher == 0 ? epoch : c->entries[higher - 1].epoch;
        *end = c->entries[higher].start_offset;
    } else if (higher > 0 && c->entries[higher - 1].epoch == epoch) {
        *found = epoch;
        *end = log_end;
    }
    cache_unlock(c);
}
