// SPDX-License-Identifier: Apache-2.0
//
// A uthash table whose nodes lie in the arena; only its buckets are on the heap.
#include "broker/api/key_map.h"

#include <uthash.h>

struct key_map_entry {
    struct slice key;
    int64_t value;
    UT_hash_handle hh;
};

void key_map_init(struct key_map *m)
{
    m->entries = NULL;
}

void key_map_release(struct key_map *m)
{
    HASH_CLEAR(hh, m->entries);
}

static struct key_map_entry *entry_find(const struct key_map *m, struct slice key)
{
    struct key_map_entry *e;
    HASH_FIND(hh, m->entries, key.data, key.len, e);
    return e;
}

static struct key_map_entry *entry_add(struct key_map *m, struct slice key, struct arena *a)
{
    struct key_map_entry *e = arena_alloc(a, sizeof *e);
    if (e != NULL) {
        e->key = key;
        e->value = -1;
        HASH_ADD_KEYPTR(hh, m->entries, e->key.data, e->key.len, e);
    }
    return e;
}

int64_t *key_map_slot(struct key_map *m, struct slice key, struct arena *a)
{
    struct key_map_entry *e = entry_find(m, key);
    if (e == NULL) {
        e = entry_add(m, key, a);
    }
    return e == NULL ? NULL : &e->value;
}

int64_t *key_map_pair_slot(struct key_map *m, int64_t first, int64_t second, struct arena *a)
{
    const int64_t pair[2] = {first, second};
    struct key_map_entry *e = entry_find(m, slice_of(pair, sizeof pair));
    if (e == NULL) {
        int64_t *copy = arena_alloc(a, sizeof pair);
        if (copy == NULL) {
            return NULL;
        }
        memcpy(copy, pair, sizeof pair);
        e = entry_add(m, slice_of(copy, sizeof pair), a);
    }
    return e == NULL ? NULL : &e->value;
}
