// SPDX-License-Identifier: Apache-2.0
//
// The first entry, and a uthash table of the others: most requests name one topic and one partition, and need no table.
// The table's nodes lie in the arena; only its buckets are on the heap.
#include "broker/api/key_map.h"

#define HASH_NONFATAL_OOM 1
#include "base/hash.h"

struct key_map_entry {
    struct slice key;
    int64_t value;
    UT_hash_handle hh;
};

void key_map_init(struct key_map *m)
{
    *m = (struct key_map){.others = NULL};
}

void key_map_release(struct key_map *m)
{
    HASH_CLEAR(hh, m->others);
}

static int64_t *value_find(struct key_map *m, struct slice key)
{
    if (m->has_first && slice_equal(m->first_key, key)) {
        return &m->first_value;
    }
    struct key_map_entry *e;
    HASH_FIND(hh, m->others, key.data, key.len, e);
    return e != NULL ? &e->value : NULL;
}

static int64_t *value_add(struct key_map *m, struct slice key, struct arena *a)
{
    if (!m->has_first) {
        m->has_first = true;
        m->first_key = key;
        m->first_value = -1;
        return &m->first_value;
    }
    struct key_map_entry *e = arena_alloc(a, sizeof *e);
    if (e == NULL) {
        return NULL;
    }
    e->key = key;
    e->value = -1;
    HASH_ADD_KEYPTR(hh, m->others, e->key.data, e->key.len, e);
    return hash_added(&e->hh) ? &e->value : NULL;
}

int64_t *key_map_slot(struct key_map *m, struct slice key, struct arena *a)
{
    int64_t *value = value_find(m, key);
    return value != NULL ? value : value_add(m, key, a);
}

int64_t *key_map_pair_slot(struct key_map *m, int64_t first, int64_t second, struct arena *a)
{
    const int64_t pair[2] = {first, second};
    int64_t *value = value_find(m, slice_of(pair, sizeof pair));
    if (value != NULL) {
        return value;
    }
    int64_t *copy = arena_alloc(a, sizeof pair);
    if (copy == NULL) {
        return NULL;
    }
    memcpy(copy, pair, sizeof pair);
    return value_add(m, slice_of(copy, sizeof pair), a);
}
