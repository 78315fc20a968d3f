// SPDX-License-Identifier: Apache-2.0
//
// Kafka's znodes: where they are (paths) and what is in them (payloads as typed structs), so that nobody else builds a
// path or reads JSON. Formats are those of Apache Kafka 3.9 in ZooKeeper mode, byte for byte up to the order of JSON
// keys, which readers ignore; docs/ZOOKEEPER.md lists them.
//
// Decoding: every size is bounded by ZK_DATA_MAX_BYTES of input, unknown keys are ignored as Kafka ignores them, all
// memory comes from the given arena and dies with it. Answers ERR_CORRUPT for bytes that are not the expected JSON,
// for a missing key, a value of the wrong type or out of range, and for a version this struct cannot hold;
// ERR_NO_MEMORY when the arena is at its limit. Out-parameters are undefined after an error.
// Encoding: the bytes are in the arena. Answers ERR_NO_MEMORY, or ERR_INVALID for text that is not UTF-8.
// All functions are pure and may be called from any thread.
#ifndef OTTLA_ZK_ZNODES_H
#define OTTLA_ZK_ZNODES_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "zk/zk.h"

// ---- Paths ----

#define ZNODE_CLUSTER              "/cluster"
#define ZNODE_CLUSTER_ID           "/cluster/id"
#define ZNODE_BROKERS              "/brokers"
#define ZNODE_BROKER_IDS           "/brokers/ids"
#define ZNODE_TOPICS               "/brokers/topics"
#define ZNODE_BROKER_SEQID         "/brokers/seqid"
#define ZNODE_CONTROLLER           "/controller"
#define ZNODE_CONTROLLER_EPOCH     "/controller_epoch"
#define ZNODE_FEATURE              "/feature"
#define ZNODE_PRODUCER_IDS         "/latest_producer_id_block"
#define ZNODE_CONFIG               "/config"
#define ZNODE_CONFIG_CHANGES       "/config/changes"
#define ZNODE_CONFIG_CHANGE_PREFIX "config_change_" // sequential children of ZNODE_CONFIG_CHANGES
#define ZNODE_CONFIG_TOPICS        "/config/topics"
#define ZNODE_CONFIG_BROKERS       "/config/brokers"
#define ZNODE_CONFIG_CLIENTS       "/config/clients"
#define ZNODE_CONFIG_USERS         "/config/users"
#define ZNODE_CONFIG_IPS           "/config/ips"
#define ZNODE_CONFIG_DEFAULT       "<default>" // name of the default entity
#define ZNODE_ADMIN                "/admin"
#define ZNODE_DELETE_TOPICS        "/admin/delete_topics"
#define ZNODE_REASSIGN_PARTITIONS  "/admin/reassign_partitions"
#define ZNODE_PREFERRED_ELECTION   "/admin/preferred_replica_election"
#define ZNODE_ISR_CHANGES          "/isr_change_notification"
#define ZNODE_LOG_DIR_EVENTS       "/log_dir_event_notification"
#define ZNODE_LOG_DIR_EVENT_PREFIX "log_dir_event_" // sequential children of ZNODE_LOG_DIR_EVENTS
#define ZNODE_CONSUMERS            "/consumers"
#define ZNODE_TOP_LEVEL_COUNT      17
#define ZNODE_NAME_MAX_BYTES       249 // a topic name, as Kafka limits it

// The persistent nodes without data that a broker makes at start where they are missing, parents before children, in
// the order in which Apache Kafka makes them.
extern const char *const znode_top_level_paths[ZNODE_TOP_LEVEL_COUNT];

// A path by value. Builders return an empty path for a name that is empty, contains '/' or does not fit; every zk
// operation refuses an empty path with ERR_INVALID.
struct znode_path {
    char s[ZK_PATH_MAX_BYTES + 1];
};

struct znode_path znode_path_broker(int32_t broker_id);                       // /brokers/ids/<id>
struct znode_path znode_path_topic(const char *topic);                        // /brokers/topics/<t>
struct znode_path znode_path_partitions(const char *topic);                   // /brokers/topics/<t>/partitions
struct znode_path znode_path_partition(const char *topic, int32_t partition); // .../partitions/<p>
struct znode_path znode_path_state(const char *topic, int32_t partition);     // .../partitions/<p>/state
struct znode_path znode_path_delete_topic(const char *topic);                 // /admin/delete_topics/<t>
struct znode_path znode_path_topic_config(const char *topic);                 // /config/topics/<t>
struct znode_path znode_path_broker_config(int32_t broker_id);                // /config/brokers/<id>
struct znode_path znode_path_config_entity(const char *entity_path);          // /config/<entity_path>; '/' allowed
struct znode_path znode_path_config_change(void);                             // what to create sequentially
struct znode_path znode_path_log_dir_event(void);                             // likewise
struct znode_path znode_path_child(const char *parent, const char *name);     // <parent>/<name>

// The other way, for paths in events and for names of children. false: it is something else.
bool znode_parse_broker(const char *path, int32_t *broker_id);                  // /brokers/ids/<id>
bool znode_parse_topic(const char *path, char topic[ZNODE_NAME_MAX_BYTES + 1]); // /brokers/topics/<t>
bool znode_parse_state(const char *path, char topic[ZNODE_NAME_MAX_BYTES + 1], int32_t *partition);
bool znode_parse_number(const char *name, int32_t *number); // "0", "12": a child of partitions or ids
// The number behind the prefix of a sequential node's name: "config_change_0000000012" -> 12.
bool znode_parse_sequence(const char *name, const char *prefix, int32_t *number);

// ---- /cluster/id ----

enum err znode_cluster_id_decode(struct slice data, struct arena *a, const char **id) WARN_UNUSED;
enum err znode_cluster_id_encode(const char *id, struct arena *a, struct slice *out) WARN_UNUSED;

// ---- /brokers/ids/<id>: registration, versions 1 to 5 ----

#define ZNODE_BROKER_VERSION 5

struct znode_endpoint {
    const char *listener; // upper case; versions below 4 have none: the protocol's name then
    const char *host;     // without the brackets of an IPv6 address; "" = any
    int32_t port;
    const char *protocol; // PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL
};

struct znode_broker_feature {
    const char *name;
    int32_t min_version;
    int32_t max_version;
};

// host and port of the znode are not kept: they are those of the first PLAINTEXT endpoint (version 1: the endpoint).
struct znode_broker {
    int32_t version;
    struct znode_endpoint *endpoints;
    int32_t endpoints_count;
    int32_t jmx_port; // -1 = off
    int64_t timestamp_ms;
    const char *rack; // NULL = none (also below version 3)
    struct znode_broker_feature *features;
    int32_t features_count;
};

enum err znode_broker_decode(struct slice data, struct arena *a, struct znode_broker *out) WARN_UNUSED;
// In the layout of broker->version.
enum err znode_broker_encode(const struct znode_broker *broker, struct arena *a, struct slice *out) WARN_UNUSED;

// ---- /brokers/topics/<t>: assignment, versions 1 to 3 ----

#define ZNODE_TOPIC_VERSION 3

struct znode_replicas {
    int32_t partition;
    int32_t *replicas; // the first is the preferred leader
    int32_t replicas_count;
    int32_t *adding; // of a reassignment in progress; empty otherwise
    int32_t adding_count;
    int32_t *removing;
    int32_t removing_count;
};

struct znode_topic {
    struct uuid topic_id;
    bool has_topic_id;                 // false: written before Kafka 2.8; the controller gives it one
    struct znode_replicas *partitions; // ascending by partition
    int32_t partitions_count;
};

enum err znode_topic_decode(struct slice data, struct arena *a, struct znode_topic *out) WARN_UNUSED;
// Always version 3. partitions need not be sorted.
enum err znode_topic_encode(const struct znode_topic *topic, struct arena *a, struct slice *out) WARN_UNUSED;

// ---- .../partitions/<p>/state ----

struct znode_partition_state {
    int32_t leader; // -1 = none
    int32_t leader_epoch;
    int32_t *isr;
    int32_t isr_count;
    int32_t controller_epoch;      // of the controller that wrote it
    int32_t leader_recovery_state; // 0 recovered, 1 recovering after an unclean election (KIP-704); written when not 0
};
#define ZNODE_RECOVERED  0
#define ZNODE_RECOVERING 1

enum err znode_state_decode(struct slice data, struct arena *a, struct znode_partition_state *out) WARN_UNUSED;
enum err znode_state_encode(const struct znode_partition_state *state, struct arena *a, struct slice *out) WARN_UNUSED;

// ---- /controller, versions 1 and 2; /controller_epoch ----

struct znode_controller {
    int32_t broker_id;
    int64_t timestamp_ms;
    int32_t kraft_controller_epoch; // -1 = a broker in ZooKeeper mode (version 1: always)
};

enum err znode_controller_decode(struct slice data, struct arena *a, struct znode_controller *out) WARN_UNUSED;
// Version 2.
enum err znode_controller_encode(const struct znode_controller *controller, struct arena *a,
                                 struct slice *out) WARN_UNUSED;
// Plain decimal text, no JSON.
enum err znode_controller_epoch_decode(struct slice data, int32_t *epoch) WARN_UNUSED;
enum err znode_controller_epoch_encode(int32_t epoch, struct arena *a, struct slice *out) WARN_UNUSED;

// ---- /config/<type>/<name> and /config/changes/config_change_<n> ----

struct znode_config_entry {
    const char *key;
    const char *value;
};

struct znode_config {
    struct znode_config_entry *entries; // in the order of the payload
    int32_t entries_count;
};

// Data that is null or empty is a config without entries.
enum err znode_config_decode(struct slice data, struct arena *a, struct znode_config *out) WARN_UNUSED;
enum err znode_config_encode(const struct znode_config *config, struct arena *a, struct slice *out) WARN_UNUSED;
// The value of a key, NULL when it is not there.
const char *znode_config_find(const struct znode_config *config, const char *key);

// entity_path: "topics/orders", "brokers/1", "users/alice/clients/<default>". Reads version 1 (type and name apart,
// topics and clients only) and 2, writes 2.
enum err znode_config_change_decode(struct slice data, struct arena *a, const char **entity_path) WARN_UNUSED;
enum err znode_config_change_encode(const char *entity_path, struct arena *a, struct slice *out) WARN_UNUSED;

// ---- /log_dir_event_notification/log_dir_event_<n>: a log directory of this broker has failed ----

enum err znode_log_dir_event_decode(struct slice data, struct arena *a, int32_t *broker_id) WARN_UNUSED;
enum err znode_log_dir_event_encode(int32_t broker_id, struct arena *a, struct slice *out) WARN_UNUSED;

// ---- /latest_producer_id_block ----

#define ZNODE_PRODUCER_ID_BLOCK_SIZE 1000

struct znode_producer_ids {
    int32_t broker_id; // who took it
    int64_t first;
    int64_t last; // inclusive
};

// ERR_NOT_FOUND for null or empty data: nobody has taken a block yet.
enum err znode_producer_ids_decode(struct slice data, struct arena *a, struct znode_producer_ids *out) WARN_UNUSED;
enum err znode_producer_ids_encode(const struct znode_producer_ids *ids, struct arena *a,
                                   struct slice *out) WARN_UNUSED;

// ---- /admin/preferred_replica_election and /isr_change_notification/isr_change_<n>: partitions ----

struct znode_named_partition {
    const char *topic;
    int32_t partition;
};

enum err znode_partitions_decode(struct slice data, struct arena *a, struct znode_named_partition **list,
                                 int32_t *count) WARN_UNUSED;

// ---- /admin/reassign_partitions: partitions and the replicas they shall have ----

struct znode_reassignment {
    const char *topic;
    int32_t partition;
    int32_t *replicas;
    int32_t replicas_count;
};

enum err znode_reassignments_decode(struct slice data, struct arena *a, struct znode_reassignment **list,
                                    int32_t *count) WARN_UNUSED;
enum err znode_reassignments_encode(const struct znode_reassignment *list, int32_t count, struct arena *a,
                                    struct slice *out) WARN_UNUSED;

// ---- /feature, versions 1 (Kafka 2.7 to 3.2) and 2 ----

struct znode_feature_level {
    const char *name;
    int32_t min_version_level; // version 1 only, else 0
    int32_t max_version_level;
};

struct znode_features {
    int32_t version; // 1 or 2
    bool enabled;    // status
    struct znode_feature_level *levels;
    int32_t levels_count;
};

enum err znode_features_decode(struct slice data, struct arena *a, struct znode_features *out) WARN_UNUSED;
enum err znode_features_encode(const struct znode_features *features, struct arena *a, struct slice *out) WARN_UNUSED;

#endif
