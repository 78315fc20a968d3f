// SPDX-License-Identifier: Apache-2.0
//
// An immutable picture of the cluster: brokers, topics, partitions with leaders. Readers on any thread hold a counted
// reference; a change makes a new picture. Built on the control thread from the znode tree.
#ifndef OTTLA_CLUSTER_METADATA_H
#define OTTLA_CLUSTER_METADATA_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/uuid.h"

struct metadata;

struct metadata_endpoint {
    const char *listener;
    const char *host;
    int32_t port;
};

struct metadata_broker {
    int32_t id;
    const char *rack; // NULL when none
    const struct metadata_endpoint *endpoints;
    int32_t endpoints_count;
};

struct metadata_partition {
    int32_t index;
    int32_t leader;       // broker id, -1 = none
    int32_t leader_epoch; // -1 before the first leader
    int32_t *replicas;
    int32_t replicas_count;
    int32_t *isr;
    int32_t isr_count;
    int32_t *failed; // replicas whose log directory has failed; their brokers may live
    int32_t failed_count;
};

struct metadata_topic {
    const char *name;
    struct uuid id;
    bool internal;                               // __consumer_offsets, __transaction_state
    const struct metadata_partition *partitions; // sorted by index, without gaps
    int32_t partitions_count;
};

void metadata_ref(const struct metadata *m);
void metadata_unref(const struct metadata *m);
int64_t metadata_version(const struct metadata *m); // rises with each picture
// Of a cluster that this broker has joined, and whose controller has not spoken to it yet: it knows less than any other
// broker, and clients would take its answers for the truth.
bool metadata_is_untold(const struct metadata *m);
const char *metadata_cluster_id(const struct metadata *m);
int32_t metadata_controller_id(const struct metadata *m); // -1 = none
int32_t metadata_brokers_count(const struct metadata *m);
const struct metadata_broker *metadata_broker_at(const struct metadata *m, int32_t i); // sorted by id
const struct metadata_broker *metadata_broker_find(const struct metadata *m, int32_t id);
// The broker's endpoint on a listener, NULL when it has none of that name.
const struct metadata_endpoint *metadata_broker_endpoint(const struct metadata_broker *b, const char *listener);
int32_t metadata_topics_count(const struct metadata *m);
const struct metadata_topic *metadata_topic_at(const struct metadata *m, int32_t i); // sorted by name
const struct metadata_topic *metadata_topic_find(const struct metadata *m, struct slice name);
// A topic whose name is the same once every '.' is taken for a '_', as it is in names of metrics; also that name
// itself.
const struct metadata_topic *metadata_topic_find_like(const struct metadata *m, struct slice name);
const struct metadata_topic *metadata_topic_find_id(const struct metadata *m, const struct uuid *id);
// NULL when the topic has no such partition.
const struct metadata_partition *metadata_partition_find(const struct metadata_topic *t, int32_t index);

#endif
