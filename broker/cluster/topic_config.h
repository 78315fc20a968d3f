// SPDX-License-Identifier: Apache-2.0
//
// Topic configs: all 36 keys of Kafka 3.9 with their types, ranges and server.properties synonyms, parsed into one
// struct. A topic's effective configs are the broker's defaults with the topic's own entries (znode
// /config/topics/<t>) on top. The struct is copied freely; its texts live in the arena given to topic_config_set.
#ifndef OTTLA_CLUSTER_TOPIC_CONFIG_H
#define OTTLA_CLUSTER_TOPIC_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct topic_config_entry {
    const char *key;
    const char *value; // NULL = reset to the default
};

enum topic_compression {
    TOPIC_COMPRESSION_PRODUCER,
    TOPIC_COMPRESSION_UNCOMPRESSED,
    TOPIC_COMPRESSION_GZIP,
    TOPIC_COMPRESSION_SNAPPY,
    TOPIC_COMPRESSION_LZ4,
    TOPIC_COMPRESSION_ZSTD,
};

struct topic_config {
    int32_t segment_bytes;
    int64_t segment_ms;
    int64_t segment_jitter_ms;
    int32_t segment_index_bytes;
    int32_t index_interval_bytes;
    int64_t retention_bytes;
    int64_t retention_ms;
    int64_t flush_messages;
    int64_t flush_ms;
    int64_t file_delete_delay_ms;
    int64_t folder_delete_delay_ms; // of whole partitions: log.segment.delete.delay.ms, whatever the topic says
    int64_t delete_retention_ms;
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms;
    double min_cleanable_dirty_ratio;
    int32_t max_message_bytes;
    int32_t min_insync_replicas;
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    int64_t timestamp_difference_max_ms;
    bool timestamp_append_time;
    bool preallocate;
    bool unclean_leader_election;
    bool message_downconversion;
    bool cleanup_delete;
    bool cleanup_compact;
    bool cleanup_compact_first; // of the two policies it was named first; matters for showing the value only
    enum topic_compression compression;
    int32_t compression_gzip_level;
    int32_t compression_lz4_level;
    int32_t compression_zstd_level;
    const char *leader_throttled_replicas;   // NULL = the default, an empty list
    const char *follower_throttled_replicas; // likewise
    // Kept and shown; nothing acts on them yet (tiered storage), message.format.version never.
    int64_t local_retention_ms;
    int64_t local_retention_bytes;
    bool remote_storage;
    bool remote_log_copy_disable;
    bool remote_log_delete_on_disable;
    const char *message_format_version; // NULL = the default, "3.0-IV1"
    bool set[64];                       // by index in the key table: the topic itself has this entry
};

// Kafka 3.9's defaults.
void topic_config_init(struct topic_config *c);
// Applies one entry, validated as Kafka validates it. ERR_NOT_FOUND: no such key. ERR_INVALID: *why is Kafka's
// sentence, e.g. "Invalid value abc for configuration retention.ms: Not a number of type LONG", in the arena.
// A NULL value is no value: ERR_INVALID (resetting a key is the caller's: it starts over from the defaults).
enum err topic_config_set(struct topic_config *c, const char *key, const char *value, struct arena *a,
                          const char **why) WARN_UNUSED;
// Kafka's rules between keys, to be checked when all entries are set. ERR_INVALID: they contradict each other, or the
// cluster's kind; ERR_UNSUPPORTED: they ask for what this broker has not. *why is Kafka's sentence.
enum err topic_config_check(const struct topic_config *c, struct arena *a, const char **why) WARN_UNUSED;
// The table, for answers that list configs: name, value as text (in the arena or static, NULL when the arena is full),
// type (the ConfigType number of DescribeConfigs). 0 <= i < topic_config_count(), sorted by name.
int32_t topic_config_count(void);
const char *topic_config_key(int32_t i);
int32_t topic_config_find(const char *key); // its index, -1 when there is no such key
const char *topic_config_value(const struct topic_config *c, int32_t i, struct arena *a);
int8_t topic_config_type(int32_t i);
const char *topic_config_documentation(int32_t i); // what Kafka says about it
// The key of server.properties that gives this one's default (the first, where several do), NULL when there is none.
const char *topic_config_synonym(int32_t i);

#endif
