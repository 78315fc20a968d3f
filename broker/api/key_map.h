// SPDX-License-Identifier: Apache-2.0
//
// A small map from byte strings to numbers, to find what a request names twice (topics by name, partitions by topic
// and number) without comparing each with each. The first entry lies in the map itself, which therefore may not move;
// the others in the caller's arena, whose limit bounds them.
#ifndef OTTLA_API_KEY_MAP_H
#define OTTLA_API_KEY_MAP_H

#include "base/arena.h"

struct key_map_entry;

struct key_map {
    bool has_first;
    struct slice first_key;
    int64_t first_value;
    struct key_map_entry *others;
};

void key_map_init(struct key_map *m);
void key_map_release(struct key_map *m);
// The value of a key, which begins as -1 when the key is new. The key's bytes stay the caller's and must outlive the
// map. NULL without memory. Valid until release.
int64_t *key_map_slot(struct key_map *m, struct slice key, struct arena *a);
// The same for a pair of numbers, of which the map keeps a copy: a topic's number in the request and a partition's.
int64_t *key_map_pair_slot(struct key_map *m, int64_t first, int64_t second, struct arena *a);

#endif
