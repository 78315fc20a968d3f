// SPDX-License-Identifier: Apache-2.0
//
// Changes of configs (AlterConfigs, IncrementalAlterConfigs; KIP-339, KIP-226): who may be changed, how, and what is
// then to be kept. Pure: the entries there are now come in, the entries there shall be come out. Checks and sentences
// are those of Kafka 3.9; where they are made one after the other, the first that fails answers.
#ifndef OTTLA_CLUSTER_CONFIG_ALTER_H
#define OTTLA_CLUSTER_CONFIG_ALTER_H

#include "broker/cluster/config_describe.h"
#include "broker/cluster/metadata.h"
#include "zk/zk.h"

// Kafka's ConfigResource numbers.
enum config_resource_type {
    CONFIG_RESOURCE_TOPIC = 2,
    CONFIG_RESOURCE_BROKER = 4, // name "": all brokers
    CONFIG_RESOURCE_LOGGER = 8,
    CONFIG_RESOURCE_CLIENT_METRICS = 16,
};

// Kafka's numbers of what an incremental change does.
enum config_op {
    CONFIG_OP_SET,
    CONFIG_OP_DELETE,
    CONFIG_OP_APPEND, // items of a list
    CONFIG_OP_SUBTRACT,
};

#define CONFIG_CHANGES_MAX    1000        // of one resource at once
#define CONFIG_LIST_MAX_BYTES (64 * 1024) // appended to or taken from a list

struct config_change {
    const char *key;
    const char *value; // NULL = null
    int8_t op;         // of an incremental change
};

struct config_resource {
    // in
    int8_t type;
    const char *name;
    size_t name_len; // may hold any bytes
    bool duplicate;  // named more than once in the request
    bool answered;   // by whoever asks: error_code and message stand
    struct config_change *changes;
    int32_t changes_count;
    // out
    int16_t error_code;        // Kafka's
    const char *error_message; // NULL when none; in the arena
    struct config_list shown;  // of a description
};

struct config_context {
    int32_t broker_id;
    const struct metadata *metadata;
    struct config_view view;
};

// What every resource has to pass: named once, each key once, no nulls. False: r is answered.
bool config_changes_admit(struct config_resource *r, bool incremental, struct arena *a);
// First, without looking at what there is. False: r is answered.
bool config_alter_admit(const struct config_context *x, struct config_resource *r, bool incremental, struct arena *a);
// now: the entries of the resource's node. ERR_OK with r->error_code 0: *next is to be kept. ERR_NO_MEMORY.
enum err config_alter_plan(const struct config_context *x, struct config_resource *r, bool incremental,
                           const struct znode_config *now, struct arena *a, struct znode_config *next) WARN_UNUSED;
// Where its entries are kept: "topics/<name>", "brokers/<id>", "brokers/<default>". NULL without memory.
const char *config_resource_path(const struct config_resource *r, struct arena *a);

// May it be described? False: r is answered.
bool config_describe_admit(const struct config_context *x, struct config_resource *r, struct arena *a);

#endif
