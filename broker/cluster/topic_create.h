// SPDX-License-Identifier: Apache-2.0
//
// What CreateTopics checks before anything is written, in Kafka's order and with its sentences, and the replicas it
// chooses. Pure but for the random start of the assignment.
#ifndef OTTLA_CLUSTER_TOPIC_CREATE_H
#define OTTLA_CLUSTER_TOPIC_CREATE_H

#include "broker/cluster/cluster.h"
#include "zk/zk.h"

struct topic_create_context {
    const struct os *os;
    int32_t num_partitions;
    int32_t default_replication_factor;
    const struct topic_config *topic_defaults;
    const struct metadata *metadata;
    char *const *existing; // topics of the tree, sorted
    int32_t existing_count;
    char *const *marked; // for deletion, sorted
    int32_t marked_count;
    bool auto_create;
};

// What is to be written, in the arena.
struct topic_plan {
    struct znode_topic topic; // with a new topic id
    struct znode_config config;
    struct topic_config *effective;
};

// Fills *plan, or t->error_code and t->error_message. Texts and lists are in the arena. ERR_NO_MEMORY when that is
// full.
enum err topic_create_plan(const struct topic_create_context *x, struct topic_create *t, struct arena *a,
                           struct topic_plan *plan) WARN_UNUSED;

// Kafka's whole sentence about a name that topic_name_valid refuses.
const char *topic_name_refusal(const char *name, size_t len, struct arena *a);

#endif
