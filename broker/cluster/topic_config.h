// SPDX-License-Identifier: Apache-2.0
//
// Topic configs: Kafka's keys with their types, ranges and server.properties synonyms, parsed into one struct. A
// topic's effective configs are the broker's defaults with the topic's own entries (znode /config/topics/<t>) on top.
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
    enum topic_compression compression;
    int32_t compression_gzip_level;
    int32_t compression_lz4_level;
    int32_t compression_zstd_level;
    bool set[64]; // by index in the key table: the topic itself has this entry
};

// Kafka 3.9's defaults.
void topic_config_init(struct topic_config *c);
// Applies one entry, validated as Kafka validates it. ERR_NOT_FOUND: no such key. ERR_INVALID: *why is Kafka's
// sentence, e.g. "Invalid value abc for configuration retention.ms: Not a number of type LONG", in the arena.
enum err topic_config_set(struct topic_config *c, const char *key, const char *value, struct arena *a,
                          const char **why) WARN_UNUSED;
// The table, for answers that list configs: name, value as text in the arena, type (Kafka's ConfigType number).
int32_t topic_config_count(void);
const char *topic_config_key(int32_t i);
const char *topic_config_value(const struct topic_config *c, int32_t i, struct arena *a);
int8_t topic_config_type(int32_t i);
// The key of server.properties that gives this one's default, NULL when there is none.
const char *topic_config_synonym(int32_t i);

#endif
