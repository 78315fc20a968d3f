// SPDX-License-Identifier: Apache-2.0
//
// Checks run in the order in which Kafka makes them; the first that fails answers.
#include "broker/cluster/topic_grow.h"

#include "broker/cluster/replica_assign.h"
#include "broker/cluster/topic_create.h"
#include "protocol/protocol.h"

// One topic being checked. Functions answer false when they have refused it (or memory ran out).
struct growth {
    const struct metadata *metadata;
    const struct znode_topic *now;
    struct topic_grow *t;
    struct arena *a;
    struct znode_replicas *added; // the new partitions
    int32_t count;
    bool no_memory;
};

static bool refuse(struct growth *g, int16_t code, const char *message)
{
    g->t->error_code = code;
    g->t->error_message = message;
    g->no_memory = message == NULL;
    return false;
}

static bool check_count(struct growth *g)
{
    int32_t now = g->now->partitions_count;
    if (g->t->count < now) {
        return refuse(g, KAFKA_ERROR_INVALID_PARTITIONS,
                      arena_printf(g->a, "Topic currently has %d partitions, which is higher than the requested %d.",
                                   now, g->t->count));
    }
    if (g->t->count == now) {
        return refuse(g, KAFKA_ERROR_INVALID_PARTITIONS, arena_printf(g->a, "Topic already has %d partitions.", now));
    }
    if (g->t->count > TOPIC_MAX_PARTITIONS) {
        return refuse(g, KAFKA_ERROR_INVALID_PARTITIONS,
                      arena_printf(g->a, "Number of partitions must be at most %d.", TOPIC_MAX_PARTITIONS));
    }
    g->count = g->t->count - now;
    return true;
}

// ---------------------------------------------------------------------------------------------------------------
// Replicas chosen here: the brokers in turn, from where partition 0 began

static bool replicas_choose(struct growth *g)
{
    int32_t n = metadata_brokers_count(g->metadata);
    const struct znode_replicas *first = &g->now->partitions[0];
    if (first->replicas_count > n || first->replicas_count < 1) {
        return refuse(
            g, KAFKA_ERROR_INVALID_REPLICATION_FACTOR,
            arena_printf(g->a, "Replication factor: %d larger than available brokers: %d.", first->replicas_count, n));
    }
    const struct replica_sites *sites = replica_sites_of(g->metadata, g->a);
    uint32_t start = replica_sites_find(g->metadata, first->replicas[0]);
    if (sites == NULL || replicas_assign(sites, g->now->partitions_count, g->count, first->replicas_count, start, start,
                                         g->a, &g->added) != ERR_OK) {
        return refuse(g, KAFKA_ERROR_UNKNOWN_SERVER_ERROR, NULL);
    }
    return true;
}

// ---------------------------------------------------------------------------------------------------------------
// Replicas the client names

static bool check_known(struct growth *g)
{
    const char *unknown = NULL;
    for (int32_t i = 0; i < g->t->assignments_count; i++) {
        const struct topic_assignment *row = &g->t->assignments[i];
        for (int32_t k = 0; unknown == NULL && k < row->brokers_count; k++) {
            if (metadata_broker_find(g->metadata, row->brokers[k]) == NULL) {
                unknown = arena_printf(g->a, "Unknown broker(s) in replica assignment: %d.", row->brokers[k]);
                return refuse(g, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT, unknown);
            }
        }
    }
    return true;
}

// "1, 1": rows are short, as every broker is known and a duplicate ends them.
static const char *row_text(const struct topic_assignment *row, struct arena *a)
{
    const char *text = "";
    for (int32_t k = 0; text != NULL && k < row->brokers_count && k < TOPIC_GROW_SHOWN_BROKERS; k++) {
        text = arena_printf(a, "%s%s%d", text, k > 0 ? ", " : "", row->brokers[k]);
    }
    return text;
}

static bool row_has_duplicate(const struct topic_assignment *row, int32_t known_brokers)
{
    if (row->brokers_count > known_brokers) {
        return true; // all are known, so one is there twice
    }
    for (int32_t i = 0; i < row->brokers_count; i++) {
        for (int32_t k = 0; k < i; k++) {
            if (row->brokers[k] == row->brokers[i]) {
                return true;
            }
        }
    }
    return false;
}

static bool check_rows(struct growth *g)
{
    for (int32_t i = 0; i < g->t->assignments_count; i++) {
        const struct topic_assignment *row = &g->t->assignments[i];
        int32_t partition = g->now->partitions_count + i;
        if (row->brokers_count == 0) {
            return refuse(g, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                          arena_printf(g->a, "Cannot have replication factor of 0 for partition id %d.", partition));
        }
        if (row_has_duplicate(row, metadata_brokers_count(g->metadata))) {
            const char *text = row_text(row, g->a);
            return refuse(g, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                          text == NULL
                              ? NULL
                              : arena_printf(g->a,
                                             "Duplicate brokers not allowed in replica assignment: %s for partition "
                                             "id %d.",
                                             text, partition));
        }
    }
    for (int32_t i = 0; i < g->t->assignments_count; i++) {
        int32_t wanted = g->now->partitions[0].replicas_count, given = g->t->assignments[i].brokers_count;
        if (given != wanted) {
            return refuse(g, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                          arena_printf(g->a,
                                       "Inconsistent replication factor between partitions, partition 0 has %d while "
                                       "partitions [%d] have replication factors [%d], respectively.",
                                       wanted, g->now->partitions_count + i, given));
        }
    }
    return true;
}

static bool replicas_take(struct growth *g)
{
    if (!check_known(g)) {
        return false;
    }
    if (g->t->assignments_count != g->count) {
        return refuse(g, KAFKA_ERROR_INVALID_REPLICA_ASSIGNMENT,
                      arena_printf(g->a, "Increasing the number of partitions by %d but %d assignments provided.",
                                   g->count, g->t->assignments_count));
    }
    if (!check_rows(g)) {
        return false;
    }
    g->added = arena_array(g->a, (size_t)g->count, sizeof *g->added);
    for (int32_t i = 0; g->added != NULL && i < g->count; i++) {
        g->added[i] = (struct znode_replicas){.partition = g->now->partitions_count + i,
                                              .replicas = g->t->assignments[i].brokers,
                                              .replicas_count = g->t->assignments[i].brokers_count};
    }
    return g->added != NULL || refuse(g, KAFKA_ERROR_UNKNOWN_SERVER_ERROR, NULL);
}

// ---------------------------------------------------------------------------------------------------------------

static bool check_topic(struct growth *g, bool marked)
{
    if (marked) {
        return refuse(g, KAFKA_ERROR_INVALID_TOPIC_EXCEPTION, "The topic is queued for deletion.");
    }
    if (g->now == NULL || g->now->partitions_count == 0) {
        return refuse(g, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                      arena_printf(g->a, "The topic '%s' does not exist.", g->t->name));
    }
    for (int32_t i = 0; i < g->now->partitions_count; i++) {
        const struct znode_replicas *p = &g->now->partitions[i];
        if (p->adding_count > 0 || p->removing_count > 0) {
            return refuse(
                g, KAFKA_ERROR_REASSIGNMENT_IN_PROGRESS,
                arena_printf(g->a, "A partition reassignment is in progress for the topic '%s'.", g->t->name));
        }
    }
    return true;
}

enum err topic_grow_plan(const struct metadata *metadata, const struct znode_topic *now, bool marked,
                         struct topic_grow *t, struct arena *a, struct znode_topic *next)
{
    struct growth g = {.metadata = metadata, .now = now, .t = t, .a = a};
    bool good = check_topic(&g, marked) && check_count(&g) &&
                (t->assignments_count < 0 ? replicas_choose(&g) : replicas_take(&g));
    if (!good) {
        return g.no_memory ? ERR_NO_MEMORY : ERR_OK;
    }
    *next = *now;
    next->partitions_count = t->count;
    next->partitions = arena_array(a, (size_t)t->count, sizeof *next->partitions);
    if (next->partitions == NULL) {
        return ERR_NO_MEMORY;
    }
    memcpy(next->partitions, now->partitions, (size_t)now->partitions_count * sizeof *now->partitions);
    memcpy(next->partitions + now->partitions_count, g.added, (size_t)g.count * sizeof *g.added);
    return ERR_OK;
}
