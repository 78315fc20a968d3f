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

int64_t *key_map_slot(struct key_map *m, struct slice key, struct arena *a)
{
    struct key_map_entry *e;
    HASH_FIND(hh, m->entries, key.data, key.len, e);
    if (e == NULL) {
        e = arena_alloc(a, sizeof *e);
        if (e == NULL) {
            return NULL;
        }
        e->key = key;
        e->value = -1;
        HASH_ADD_KEYPTR(hh, m->entries, e->key.data, e->key.len, e);
    }
    return &e->value;
}
