// SPDX-License-Identifier: Apache-2.0
//
// message.timestamp.difference.max.ms is the older key for both directions: where a topic sets it and not the newer
// keys, it counts for them (KIP-937).
#include "broker/replica/log_settings.h"

static int64_t timestamp_bound(int64_t newer, int64_t older)
{
    return newer != INT64_MAX ? newer : older;
}

static void compression_of(const struct topic_config *t, struct log_config *out)
{
    switch (t->compression) {
    case TOPIC_COMPRESSION_PRODUCER:
        out->compression = LOG_COMPRESSION_PRODUCER;
        break;
    case TOPIC_COMPRESSION_UNCOMPRESSED:
        out->compression = LOG_COMPRESSION_NONE;
        break;
    case TOPIC_COMPRESSION_GZIP:
        out->compression = LOG_COMPRESSION_GZIP;
        out->compression_level = t->compression_gzip_level;
        break;
    case TOPIC_COMPRESSION_SNAPPY:
        out->compression = LOG_COMPRESSION_SNAPPY;
        break;
    case TOPIC_COMPRESSION_LZ4:
        out->compression = LOG_COMPRESSION_LZ4;
        out->compression_level = t->compression_lz4_level;
        break;
    case TOPIC_COMPRESSION_ZSTD:
        out->compression = LOG_COMPRESSION_ZSTD;
        out->compression_level = t->compression_zstd_level;
        break;
    }
}

// A segment that is written to is never compacted, so it ends before max.compaction.lag.ms is over.
static int64_t segment_ms_of(const struct topic_config *t)
{
    bool sooner = t->cleanup_compact && t->max_compaction_lag_ms > 0 && t->max_compaction_lag_ms < t->segment_ms;
    return sooner ? t->max_compaction_lag_ms : t->segment_ms;
}

void log_settings_of(const struct topic_config *t, int64_t producer_id_expiration_ms, struct log_config *out)
{
    log_config_init(out);
    out->segment_bytes = t->segment_bytes;
    out->segment_ms = segment_ms_of(t);
    out->segment_jitter_ms = t->segment_jitter_ms;
    out->segment_index_bytes = t->segment_index_bytes;
    out->index_interval_bytes = t->index_interval_bytes;
    out->retention_bytes = t->retention_bytes;
    out->retention_ms = t->retention_ms;
    out->flush_messages = t->flush_messages;
    out->flush_ms = t->flush_ms;
    out->file_delete_delay_ms = t->file_delete_delay_ms;
    out->max_message_bytes = t->max_message_bytes;
    out->timestamp_before_max_ms = timestamp_bound(t->timestamp_before_max_ms, t->timestamp_difference_max_ms);
    out->timestamp_after_max_ms = timestamp_bound(t->timestamp_after_max_ms, t->timestamp_difference_max_ms);
    out->timestamp_type = t->timestamp_append_time ? LOG_APPEND_TIME : LOG_CREATE_TIME;
    compression_of(t, out);
    out->preallocate = t->preallocate;
    out->cleanup_delete = t->cleanup_delete;
    out->cleanup_compact = t->cleanup_compact;
    out->producer_id_expiration_ms = producer_id_expiration_ms;
}
