// SPDX-License-Identifier: Apache-2.0
//
// The picture: brokers in one arena, topics as counted blobs shared with other pictures, and three open-addressing
// tables (by name, by folded name, by id) over the sorted topic list. A picture never changes once it is finished; so
// readers need no lock, only their reference.
#include "broker/cluster/metadata.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "broker/cluster/metadata_builder.h"
#include "broker/cluster/must.h"

// One topic; what it points to lies behind it in the same block of memory.
struct topic_blob {
    struct metadata_topic topic; // first: a topic handed out is its blob
    atomic_int refs;
    struct metadata_partition partitions[];
};

struct metadata {
    atomic_int refs;
    int64_t version;
    char *cluster_id;
    int32_t controller_id;
    struct arena arena; // of the brokers
    struct metadata_broker *brokers;
    int32_t brokers_count;
    struct topic_blob **topics;
    int32_t topics_count;
    int32_t *by_name; // index into topics, -1 = free; `slots` of them, a power of two at least twice the count
    int32_t *by_folded_name;
    int32_t *by_id;
    uint32_t slots;
};

struct metadata_builder {
    struct metadata *m;
    int32_t capacity;
};

#define BROKER_ARENA_LIMIT ((size_t)1 << 30)

// ---------------------------------------------------------------------------------------------------------------
// Topics

static void topic_unref(struct topic_blob *t)
{
    if (atomic_fetch_sub(&t->refs, 1) == 1) {
        free(t);
    }
}

static int32_t *ids_copy(int32_t **room, const int32_t *ids, int32_t count)
{
    int32_t *copy = *room;
    if (count > 0) {
        memcpy(copy, ids, (size_t)count * sizeof *ids);
    }
    *room += count;
    return copy;
}

// Behind the blob: partitions, broker ids, the name.
static struct topic_blob *topic_new(const struct metadata_topic *from)
{
    size_t ids = 0;
    for (int32_t i = 0; i < from->partitions_count; i++) {
        const struct metadata_partition *p = &from->partitions[i];
        ids += (size_t)p->replicas_count + (size_t)p->isr_count + (size_t)p->failed_count;
    }
    size_t partitions = (size_t)from->partitions_count * sizeof *from->partitions;
    size_t name = strlen(from->name) + 1;
    struct topic_blob *t = must_alloc(sizeof *t + partitions + ids * sizeof(int32_t) + name);
    int32_t *room = (int32_t *)((char *)t->partitions + partitions);
    atomic_init(&t->refs, 1);
    t->topic = *from;
    t->topic.partitions = t->partitions;
    for (int32_t i = 0; i < from->partitions_count; i++) {
        const struct metadata_partition *p = &from->partitions[i];
        ASSERT(p->index == i);
        t->partitions[i] = *p;
        t->partitions[i].replicas = ids_copy(&room, p->replicas, p->replicas_count);
        t->partitions[i].isr = ids_copy(&room, p->isr, p->isr_count);
        t->partitions[i].failed = ids_copy(&room, p->failed, p->failed_count);
    }
    t->topic.name = memcpy(room, from->name, name);
    return t;
}

// ---------------------------------------------------------------------------------------------------------------
// Lookup tables

static uint8_t folded(uint8_t c)
{
    return c == '.' ? '_' : c;
}

static uint64_t hash_bytes(const void *data, size_t len, bool fold)
{
    const uint8_t *p = data;
    uint64_t h = 14695981039346656037u; // FNV-1a
    for (size_t i = 0; i < len; i++) {
        h = (h ^ (fold ? folded(p[i]) : p[i])) * 1099511628211u;
    }
    return h ^ h >> 32;
}

static void table_put(const struct metadata *m, int32_t *table, uint64_t hash, int32_t index)
{
    uint32_t slot = (uint32_t)hash & (m->slots - 1);
    while (table[slot] >= 0) {
        slot = (slot + 1) & (m->slots - 1);
    }
    table[slot] = index;
}

static void tables_build(struct metadata *m)
{
    m->slots = 8;
    while (m->slots < (uint32_t)m->topics_count * 2) {
        m->slots *= 2;
    }
    m->by_name = must_array(m->slots, sizeof *m->by_name);
    m->by_folded_name = must_array(m->slots, sizeof *m->by_folded_name);
    m->by_id = must_array(m->slots, sizeof *m->by_id);
    memset(m->by_name, -1, m->slots * sizeof *m->by_name);
    memset(m->by_folded_name, -1, m->slots * sizeof *m->by_folded_name);
    memset(m->by_id, -1, m->slots * sizeof *m->by_id);
    for (int32_t i = 0; i < m->topics_count; i++) {
        const struct metadata_topic *t = &m->topics[i]->topic;
        table_put(m, m->by_name, hash_bytes(t->name, strlen(t->name), false), i);
        table_put(m, m->by_folded_name, hash_bytes(t->name, strlen(t->name), true), i);
        if (!uuid_is_zero(&t->id)) {
            table_put(m, m->by_id, hash_bytes(t->id.b, sizeof t->id.b, false), i);
        }
    }
}

const struct metadata_topic *metadata_topic_find(const struct metadata *m, struct slice name)
{
    uint32_t slot = (uint32_t)hash_bytes(name.data, name.len, false) & (m->slots - 1);
    for (; m->by_name[slot] >= 0; slot = (slot + 1) & (m->slots - 1)) {
        const struct metadata_topic *t = &m->topics[m->by_name[slot]]->topic;
        if (strlen(t->name) == name.len && memcmp(t->name, name.data, name.len) == 0) {
            return t;
        }
    }
    return NULL;
}

static bool folded_equal(const char *a, struct slice b)
{
    size_t i = 0;
    while (i < b.len && a[i] != '\0' && folded((uint8_t)a[i]) == folded(b.data[i])) {
        i++;
    }
    return i == b.len && a[i] == '\0';
}

const struct metadata_topic *metadata_topic_find_like(const struct metadata *m, struct slice name)
{
    uint32_t slot = (uint32_t)hash_bytes(name.data, name.len, true) & (m->slots - 1);
    for (; m->by_folded_name[slot] >= 0; slot = (slot + 1) & (m->slots - 1)) {
        const struct metadata_topic *t = &m->topics[m->by_folded_name[slot]]->topic;
        if (folded_equal(t->name, name)) {
            return t;
        }
    }
    return NULL;
}

const struct metadata_topic *metadata_topic_find_id(const struct metadata *m, const struct uuid *id)
{
    uint32_t slot = (uint32_t)hash_bytes(id->b, sizeof id->b, false) & (m->slots - 1);
    for (; m->by_id[slot] >= 0; slot = (slot + 1) & (m->slots - 1)) {
        const struct metadata_topic *t = &m->topics[m->by_id[slot]]->topic;
        if (uuid_equal(&t->id, id)) {
            return t;
        }
    }
    return NULL;
}

// ---------------------------------------------------------------------------------------------------------------
// Readers

void metadata_ref(const struct metadata *m)
{
    atomic_fetch_add(&((struct metadata *)(uintptr_t)m)->refs, 1);
}

void metadata_unref(const struct metadata *picture)
{
    struct metadata *m = (struct metadata *)(uintptr_t)picture;
    if (m == NULL || atomic_fetch_sub(&m->refs, 1) != 1) {
        return;
    }
    for (int32_t i = 0; i < m->topics_count; i++) {
        topic_unref(m->topics[i]);
    }
    free(m->topics);
    free(m->by_name);
    free(m->by_folded_name);
    free(m->by_id);
    free(m->cluster_id);
    arena_release(&m->arena);
    free(m);
}

int64_t metadata_version(const struct metadata *m)
{
    return m->version;
}

const char *metadata_cluster_id(const struct metadata *m)
{
    return m->cluster_id;
}

int32_t metadata_controller_id(const struct metadata *m)
{
    return m->controller_id;
}

bool metadata_is_untold(const struct metadata *m)
{
    return m->brokers_count == 0 && m->topics_count == 0;
}

int32_t metadata_brokers_count(const struct metadata *m)
{
    return m->brokers_count;
}

const struct metadata_broker *metadata_broker_at(const struct metadata *m, int32_t i)
{
    ASSERT(i >= 0 && i < m->brokers_count);
    return &m->brokers[i];
}

static int broker_order(const void *a, const void *b)
{
    const struct metadata_broker *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

const struct metadata_broker *metadata_broker_find(const struct metadata *m, int32_t id)
{
    struct metadata_broker key = {.id = id};
    return m->brokers_count == 0
               ? NULL
               : bsearch(&key, m->brokers, (size_t)m->brokers_count, sizeof *m->brokers, broker_order);
}

const struct metadata_endpoint *metadata_broker_endpoint(const struct metadata_broker *b, const char *listener)
{
    for (int32_t i = 0; i < b->endpoints_count; i++) {
        if (strcmp(b->endpoints[i].listener, listener) == 0) {
            return &b->endpoints[i];
        }
    }
    return NULL;
}

int32_t metadata_topics_count(const struct metadata *m)
{
    return m->topics_count;
}

const struct metadata_topic *metadata_topic_at(const struct metadata *m, int32_t i)
{
    ASSERT(i >= 0 && i < m->topics_count);
    return &m->topics[i]->topic;
}

const struct metadata_partition *metadata_partition_find(const struct metadata_topic *t, int32_t index)
{
    return index >= 0 && index < t->partitions_count ? &t->partitions[index] : NULL;
}

// ---------------------------------------------------------------------------------------------------------------
// Builder

struct metadata_builder *metadata_builder_new(const struct metadata *from, const char *cluster_id)
{
    struct metadata_builder *b = must_alloc(sizeof *b);
    struct metadata *m = b->m = must_alloc(sizeof *m);
    atomic_init(&m->refs, 1);
    arena_init(&m->arena, BROKER_ARENA_LIMIT);
    m->cluster_id = must_strdup(cluster_id);
    m->version = 1;
    m->controller_id = -1;
    if (from == NULL) {
        return b;
    }
    m->version = from->version + 1;
    m->controller_id = from->controller_id;
    metadata_builder_set_brokers(b, from->brokers, from->brokers_count);
    b->capacity = from->topics_count;
    m->topics_count = from->topics_count;
    m->topics = must_copy(from->topics, (size_t)from->topics_count * sizeof(struct topic_blob *));
    for (int32_t i = 0; i < m->topics_count; i++) {
        atomic_fetch_add(&m->topics[i]->refs, 1);
    }
    return b;
}

void metadata_builder_set_controller(struct metadata_builder *b, int32_t broker_id)
{
    b->m->controller_id = broker_id;
}

void metadata_builder_set_brokers(struct metadata_builder *b, const struct metadata_broker *brokers, int32_t count)
{
    struct metadata *m = b->m;
    arena_reset(&m->arena);
    m->brokers = must_arena_copy(&m->arena, brokers, (size_t)count * sizeof *brokers);
    m->brokers_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct metadata_broker *broker = &m->brokers[i];
        if (broker->rack != NULL) {
            broker->rack = must_have(arena_strdup(&m->arena, broker->rack));
        }
        struct metadata_endpoint *endpoints =
            must_arena_copy(&m->arena, broker->endpoints, (size_t)broker->endpoints_count * sizeof *broker->endpoints);
        for (int32_t k = 0; k < broker->endpoints_count; k++) {
            endpoints[k].listener = must_have(arena_strdup(&m->arena, endpoints[k].listener));
            endpoints[k].host = must_have(arena_strdup(&m->arena, endpoints[k].host));
        }
        broker->endpoints = endpoints;
    }
    if (count > 1) {
        qsort(m->brokers, (size_t)count, sizeof *m->brokers, broker_order);
    }
}

// Where the topic is, or belongs.
static int32_t builder_place(const struct metadata_builder *b, const char *name, bool *found)
{
    int32_t low = 0, high = b->m->topics_count;
    while (low < high) {
        int32_t mid = low + (high - low) / 2;
        if (strcmp(b->m->topics[mid]->topic.name, name) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *found = low < b->m->topics_count && strcmp(b->m->topics[low]->topic.name, name) == 0;
    return low;
}

void metadata_builder_put_topic(struct metadata_builder *b, const struct metadata_topic *t)
{
    struct metadata *m = b->m;
    bool found;
    int32_t place = builder_place(b, t->name, &found);
    struct topic_blob *blob = topic_new(t);
    if (found) {
        topic_unref(m->topics[place]);
        m->topics[place] = blob;
        return;
    }
    m->topics = must_grow(m->topics, m->topics_count, &b->capacity, sizeof(struct topic_blob *));
    memmove(&m->topics[place + 1], &m->topics[place], (size_t)(m->topics_count - place) * sizeof(struct topic_blob *));
    m->topics[place] = blob;
    m->topics_count++;
}

void metadata_builder_put_partitions(struct metadata_builder *b, const struct metadata_topic *t)
{
    bool found;
    int32_t place = builder_place(b, t->name, &found);
    const struct metadata_topic *old = found ? &b->m->topics[place]->topic : NULL;
    if (old != NULL && !uuid_equal(&old->id, &t->id)) {
        old = NULL;
    }
    int32_t count = t->partitions_count == 0 ? 0 : t->partitions[t->partitions_count - 1].index + 1;
    int32_t kept = old == NULL ? 0 : old->partitions_count;
    count = kept > count ? kept : count;
    struct metadata_partition *list = must_array((size_t)count, sizeof *list);
    for (int32_t i = 0; i < count; i++) {
        list[i] =
            i < kept ? old->partitions[i] : (struct metadata_partition){.index = i, .leader = -1, .leader_epoch = -1};
    }
    for (int32_t i = 0; i < t->partitions_count; i++) {
        list[t->partitions[i].index] = t->partitions[i];
    }
    struct metadata_topic whole = *t;
    whole.partitions = list;
    whole.partitions_count = count;
    metadata_builder_put_topic(b, &whole);
    free(list);
}

void metadata_builder_remove_topic(struct metadata_builder *b, const char *name)
{
    struct metadata *m = b->m;
    bool found;
    int32_t place = builder_place(b, name, &found);
    if (!found) {
        return;
    }
    topic_unref(m->topics[place]);
    m->topics_count--;
    memmove(&m->topics[place], &m->topics[place + 1], (size_t)(m->topics_count - place) * sizeof(struct topic_blob *));
}

const struct metadata *metadata_builder_finish(struct metadata_builder *b)
{
    struct metadata *m = b->m;
    free(b);
    tables_build(m);
    return m;
}
