// SPDX-License-Identifier: Apache-2.0
//
// Kafka's assignment of replicas; see the header.
#include "broker/cluster/replica_assign.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct site {
    int32_t broker;
    int32_t rack; // a number, the racks in the order of their names; -1: racks do not count
};

struct replica_sites {
    struct site *list;
    uint32_t count;
    uint32_t racks; // 1 when they do not count
};

// ---------------------------------------------------------------------------------------------------------------
// Brokers and racks

static int name_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// The names of the racks, sorted, each once. False: some broker has none.
static bool racks_list(const struct metadata *m, const char **racks, uint32_t *count)
{
    int32_t n = metadata_brokers_count(m);
    *count = 0;
    for (int32_t i = 0; i < n; i++) {
        racks[i] = metadata_broker_at(m, i)->rack;
        if (racks[i] == NULL) {
            return false;
        }
    }
    qsort(racks, (size_t)n, sizeof *racks, name_order);
    for (int32_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(racks[i], racks[*count - 1]) != 0) {
            racks[(*count)++] = racks[i];
        }
    }
    return n > 0;
}

// A broker of each rack in turn, those of a rack by id.
static void sites_alternate(const struct metadata *m, const char *const *racks, struct replica_sites *s)
{
    int32_t n = metadata_brokers_count(m);
    for (uint32_t round = 0; s->count < (uint32_t)n; round++) {
        for (uint32_t rack = 0; rack < s->racks; rack++) {
            uint32_t nth = 0; // of this rack
            for (int32_t i = 0; i < n; i++) {
                const struct metadata_broker *b = metadata_broker_at(m, i);
                if (strcmp(b->rack, racks[rack]) == 0 && nth++ == round) {
                    s->list[s->count++] = (struct site){b->id, (int32_t)rack};
                }
            }
        }
    }
}

struct replica_sites *replica_sites_of(const struct metadata *m, struct arena *a)
{
    int32_t n = metadata_brokers_count(m);
    struct replica_sites *s = arena_alloc(a, sizeof *s);
    const char **racks = arena_array(a, (size_t)n, sizeof *racks);
    struct site *list = arena_array(a, (size_t)n, sizeof *list);
    if (s == NULL || racks == NULL || list == NULL) {
        return NULL;
    }
    *s = (struct replica_sites){.list = list, .racks = 1};
    if (racks_list(m, racks, &s->racks)) {
        sites_alternate(m, racks, s);
        return s;
    }
    s->racks = 1;
    for (int32_t i = 0; i < n; i++) {
        s->list[s->count++] = (struct site){metadata_broker_at(m, i)->id, -1};
    }
    return s;
}

uint32_t replica_sites_find(const struct metadata *m, int32_t broker)
{
    for (int32_t i = 0; i < metadata_brokers_count(m); i++) {
        if (metadata_broker_at(m, i)->id >= broker) {
            return (uint32_t)i;
        }
    }
    return 0;
}

// ---------------------------------------------------------------------------------------------------------------
// Replicas

// Skipped is a broker that has a replica already, and one of a rack that has, as long as other racks have none.
static bool site_fits(const struct replica_sites *s, const struct znode_replicas *p, const struct site *site,
                      const bool *racks_used, uint32_t racks_used_count)
{
    for (int32_t i = 0; i < p->replicas_count; i++) {
        if (p->replicas[i] == site->broker) {
            return false;
        }
    }
    return site->rack < 0 || !racks_used[site->rack] || racks_used_count == s->racks;
}

static void partition_assign(const struct replica_sites *s, uint32_t leader, uint32_t shift, int32_t replication_factor,
                             bool *racks_used, struct znode_replicas *p)
{
    uint32_t n = s->count, used = 0;
    memset(racks_used, 0, s->racks * sizeof *racks_used);
    for (uint32_t k = 0; p->replicas_count < replication_factor; k++) {
        // The leader first, then those behind it.
        uint32_t behind = k == 0 ? 0 : 1 + (uint32_t)(((uint64_t)shift * s->racks + k - 1) % (n - 1));
        const struct site *site = &s->list[(leader + behind) % n];
        if (site_fits(s, p, site, racks_used, used)) {
            p->replicas[p->replicas_count++] = site->broker;
            if (site->rack >= 0) {
                used += !racks_used[site->rack];
                racks_used[site->rack] = true;
            }
        }
    }
}

enum err replicas_assign(const struct replica_sites *sites, int32_t first, int32_t partitions,
                         int32_t replication_factor, uint32_t start, uint32_t shift, struct arena *a,
                         struct znode_replicas **out)
{
    ASSERT(replication_factor >= 1 && (uint32_t)replication_factor <= sites->count);
    uint32_t n = sites->count;
    struct znode_replicas *list = arena_array(a, (size_t)partitions, sizeof *list);
    int32_t *ids = arena_array(a, (size_t)partitions * (size_t)replication_factor, sizeof *ids);
    bool *racks_used = arena_array(a, sites->racks, sizeof *racks_used);
    if (list == NULL || ids == NULL || racks_used == NULL) {
        return ERR_NO_MEMORY;
    }
    shift %= n; // as Kafka's chance is; it only grows by the rounds below
    for (int32_t i = 0; i < partitions; i++) {
        uint32_t number = (uint32_t)first + (uint32_t)i;
        shift += number > 0 && number % n == 0; // each round over the brokers pairs them differently
        list[i].partition = (int32_t)number;
        list[i].replicas = ids + (size_t)i * (size_t)replication_factor;
        partition_assign(sites, (number % n + start % n) % n, shift, replication_factor, racks_used, &list[i]);
    }
    *out = list;
    return ERR_OK;
}
