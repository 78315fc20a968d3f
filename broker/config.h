// SPDX-License-Identifier: Apache-2.0
//
// The broker's configuration: Kafka's server.properties, its keys and its rules (Kafka 3.9, ZooKeeper mode), read once
// at start into one plain struct. main.c hands its parts to the rooms as their own option structs; no room includes
// this file.
//
// With a file, a key that is not set has Kafka's default, so a file means here what it means there. Without a file the
// defaults of a laptop hold: listeners=PLAINTEXT://127.0.0.1:9092, log.dir=./ottla-data, the system's socket buffers.
// In both cases the internal topics of a broker that is a cluster by itself, without zookeeper.connect, have one
// replica by default: Kafka in ZooKeeper mode has no such broker, and three could never be had.
//
// Every key of Kafka is known (broker/config_keys.def); its value is checked for type and range even when Ottla does
// not act on it yet. A key is marked ACTED in the table when the broker does what it says; a few others have a field
// because clients are told their values (defaults of topic configs). tools/lint checks that every field is used.
#ifndef OTTLA_BROKER_CONFIG_H
#define OTTLA_BROKER_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/os.h"
#include <stdbool.h>
#include <stdint.h>

#define CONFIG_FILE_MAX_BYTES    (1024 * 1024)
#define CONFIG_MAX_LISTENERS     16
#define CONFIG_MAX_LISTENER_KEYS (4 * CONFIG_MAX_LISTENERS)

// One entry of listeners or advertised.listeners. Only PLAINTEXT gets this far.
struct config_endpoint {
    const char *name; // upper case
    const char *host; // "" = all interfaces (listeners only); an IPv6 address is without its brackets
    uint16_t port;    // 0 = any free one; an advertised 0 stands for the port that was bound
};

// A key that is set for one listener alone: listener.name.<listener>.<key>.
struct config_listener_key {
    const char *name; // with the prefix
    const char *value;
};

struct broker_config {
    // Identity.
    int32_t broker_id;              // broker.id or node.id; -1 = from meta.properties, or generated
    bool broker_id_generation;      // broker.id.generation.enable
    int32_t reserved_broker_max_id; // generated ids begin above it
    // ZooKeeper.
    int32_t zookeeper_session_timeout_ms;
    int32_t zookeeper_connection_timeout_ms; // at its default the session timeout
    int32_t zookeeper_max_in_flight;
    // The cluster.
    bool controlled_shutdown; // controlled.shutdown.enable: others lead before this broker goes
    int32_t controlled_shutdown_max_retries;
    int64_t controlled_shutdown_retry_backoff_ms;
    int32_t controller_socket_timeout_ms;
    bool auto_leader_rebalance; // auto.leader.rebalance.enable
    int32_t leader_imbalance_percentage;
    int64_t leader_imbalance_check_seconds;
    // Threads and network.
    int32_t num_network_threads;
    int32_t num_io_threads;
    int32_t num_recovery_threads;        // num.recovery.threads.per.data.dir
    int32_t num_move_threads;            // num.replica.alter.log.dirs.threads; at least 1
    int32_t socket_send_buffer_bytes;    // -1 = the system's
    int32_t socket_receive_buffer_bytes; // -1 = the system's
    int32_t socket_request_max_bytes;
    int32_t socket_listen_backlog; // socket.listen.backlog.size
    int32_t queued_max_requests;
    int64_t queued_max_request_bytes; // -1 or 0 = no bound
    int64_t connections_max_idle_ms;  // -1 = never
    // Requests.
    int32_t num_partitions;
    int32_t default_replication_factor;
    bool auto_create_topics;
    bool delete_topics;
    int32_t fetch_max_bytes;
    int32_t fetch_session_slots; // max.incremental.fetch.session.cache.slots
    // Defaults of the topic configs, named as in struct topic_config; fall-backs (hours, minutes) are worked in,
    // but for those that may change at run time (log.message.timestamp.difference.max.ms).
    int32_t segment_bytes;
    int64_t segment_ms;
    int64_t segment_jitter_ms;
    int32_t segment_index_bytes;
    int32_t index_interval_bytes;
    int64_t retention_bytes;
    int64_t retention_ms; // -1 = for ever
    int64_t flush_messages;
    int64_t flush_ms;
    int64_t file_delete_delay_ms;
    int64_t delete_retention_ms;
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms;
    double min_cleanable_dirty_ratio;
    int32_t max_message_bytes; // message.max.bytes
    int32_t min_insync_replicas;
    int64_t timestamp_difference_max_ms;
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    bool timestamp_append_time; // log.message.timestamp.type=LogAppendTime
    bool preallocate;
    bool unclean_leader_election;
    bool message_downconversion;
    bool cleanup_delete;
    bool cleanup_compact;
    int32_t compression_gzip_level;
    int32_t compression_lz4_level;
    int32_t compression_zstd_level;
    // Background work.
    int64_t retention_check_interval_ms;
    int64_t initial_task_delay_ms;
    int64_t flush_scheduler_interval_ms;
    int32_t flush_offset_checkpoint_interval_ms;
    int32_t flush_start_offset_checkpoint_interval_ms;
    int64_t high_watermark_checkpoint_interval_ms;
    int32_t producer_id_expiration_ms;
    int32_t producer_id_expiration_check_interval_ms;
    // Replication.
    int64_t replica_lag_time_max_ms;
    int32_t replica_socket_timeout_ms;
    int32_t replica_socket_receive_buffer_bytes;
    int32_t replica_fetch_max_bytes;
    int32_t replica_fetch_wait_max_ms;
    int32_t replica_fetch_backoff_ms;
    int32_t replica_fetch_min_bytes;
    int32_t replica_fetch_response_max_bytes;
    int32_t num_replica_fetchers;
    int32_t replication_quota_windows; // replication.quota.window.num
    int32_t replication_quota_window_seconds;
    int32_t moves_quota_windows; // alter.log.dirs.replication.quota.window.num
    int32_t moves_quota_window_seconds;
    bool rack_aware_reads; // replica.selector.class is the rack-aware one
    // Consumer groups.
    int32_t group_min_session_timeout_ms;
    int32_t group_max_session_timeout_ms;
    int32_t group_initial_rebalance_delay_ms;
    int32_t group_max_size;
    int32_t offset_metadata_max_bytes;
    int32_t offsets_retention_minutes;
    int64_t offsets_retention_check_interval_ms;
    int32_t offsets_commit_timeout_ms;
    int16_t offsets_commit_required_acks;
    int32_t offsets_load_buffer_size;
    // The internal topics.
    int32_t offsets_topic_num_partitions;
    int16_t offsets_topic_replication_factor;
    int32_t offsets_topic_segment_bytes;
    int32_t transaction_log_num_partitions;
    int16_t transaction_log_replication_factor;
    int32_t transaction_log_segment_bytes;
    int32_t transaction_log_min_isr;
    // Texts and lists, all in the arena.
    const char *rack;              // broker.rack; NULL = none
    const char *zookeeper_connect; // NULL = none: the broker keeps the cluster's metadata itself
    const char **log_dirs;         // as written, at least one
    int32_t log_dirs_count;
    const char *inter_broker_listener; // the name of the one brokers use among themselves
    const char *compression_type;      // of topics: "producer", "uncompressed" or a codec
    struct config_endpoint listeners[CONFIG_MAX_LISTENERS];
    int32_t listeners_count;
    struct config_endpoint advertised[CONFIG_MAX_LISTENERS]; // a blank host has become this machine's name
    int32_t advertised_count;
    struct config_listener_key listener_keys[CONFIG_MAX_LISTENER_KEYS]; // those that have an effect
    int32_t listener_keys_count;
    // What the operator should know. Each is one line.
    const char **warnings;
    int32_t warnings_count;
    const char **unknown; // keys that Kafka does not know, each once
    int32_t unknown_count;
    const char *error; // why loading failed: names key, value and what is allowed

    // Private to config.c.
    struct arena arena;
    const char **values; // texts by table index, NULL = null
    bool *given;         // by table index: set by file or override
    int32_t warnings_capacity;
    int32_t unknown_capacity;
};

// Where settings come from; what is named later here wins.
struct config_sources {
    const char *path;               // of the file; NULL = none: laptop defaults
    const char *const *environment; // variables "NAME=value" up to a NULL (config_environment.h); NULL = none
    const char *const *overrides;   // "key=value", later ones win
    int n_overrides;
};

// Reads the sources, checks everything and fills *c. ERR_INVALID with c->error set when the broker must not start;
// ERR_NO_MEMORY. Call broker_config_release in any case.
enum err broker_config_load(const struct os *os, const struct config_sources *from,
                            struct broker_config *c) WARN_UNUSED;
void broker_config_release(struct broker_config *c);

// The text a key has (set or default); NULL when it is null or no key of Kafka.
const char *broker_config_value(const struct broker_config *c, const char *key);
// The file or an override sets the key.
bool broker_config_is_given(const struct broker_config *c, const char *key);

// The beginner's trap: an advertised address that clients will be told and cannot reach. Adds a warning for each
// advertised host that does not resolve on this machine. Asks the resolver, so it may take seconds: call it when the
// broker already serves, or not at all.
void broker_config_check_advertised(struct broker_config *c);

#endif
