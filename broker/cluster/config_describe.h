// SPDX-License-Identifier: Apache-2.0
//
// What DescribeConfigs tells: every config of a topic or of this broker with where its value comes from (Kafka's
// ConfigSource) and all its synonyms in the order in which they count (KIP-226). Pure: everything is passed in, and
// what comes out lies in the arena or in constant tables.
#ifndef OTTLA_CLUSTER_CONFIG_DESCRIBE_H
#define OTTLA_CLUSTER_CONFIG_DESCRIBE_H

#include "broker/cluster/broker_keys.h"
#include "broker/cluster/topic_config.h"

struct znode_config;

// Kafka's ConfigSource numbers.
enum config_source {
    CONFIG_SOURCE_TOPIC = 1,
    CONFIG_SOURCE_BROKER = 2,  // /config/brokers/<id>
    CONFIG_SOURCE_CLUSTER = 3, // /config/brokers/<default>
    CONFIG_SOURCE_STATIC = 4,  // server.properties
    CONFIG_SOURCE_DEFAULT = 5,
    CONFIG_SOURCE_LOGGER = 6,
};

// What all brokers and this one have set while running, over what the file says.
struct config_view {
    const struct broker_keys *keys;
    const struct znode_config *broker;         // of /config/brokers/<id>
    const struct znode_config *cluster;        // of /config/brokers/<default>
    const struct topic_config *topic_defaults; // in effect
};

// The value that counts for exactly this name; NULL = none.
const char *config_view_value(const struct config_view *v, const char *name);
// That of them which was set while running, whatever the file says; NULL = none.
const char *config_view_dynamic(const struct config_view *v, const char *name);

struct config_synonym {
    const char *name;
    const char *value; // NULL = not to be shown
    enum config_source source;
};

struct config_shown {
    const char *name;
    const char *value;         // NULL = null, or not to be shown
    const char *documentation; // NULL = none; lives as long as the tables
    bool read_only;
    bool sensitive;
    enum config_source source;
    int8_t type; // ConfigType
    struct config_synonym *synonyms;
    int32_t synonyms_count;
};

struct config_list {
    struct config_shown *list; // by name
    int32_t count;
};

// entries: the topic's own. ERR_NO_MEMORY.
enum err config_describe_topic(const struct config_view *v, const struct znode_config *entries, struct arena *a,
                               struct config_list *out) WARN_UNUSED;
enum err config_describe_broker(const struct config_view *v, struct arena *a, struct config_list *out) WARN_UNUSED;
// What is set for all brokers, and nothing else.
enum err config_describe_cluster(const struct config_view *v, struct arena *a, struct config_list *out) WARN_UNUSED;
// The entry of a name, NULL when it is not listed.
struct config_shown *config_list_find(const struct config_list *l, const char *name);

#endif
