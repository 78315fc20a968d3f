// SPDX-License-Identifier: Apache-2.0
//
// The table of Kafka's topic configs and the one reader, checker and printer that walks it. A row says where the value
// lies in struct topic_config, its type and what is allowed; the sentences of refusals are those of Kafka 3.9.
#include "broker/cluster/topic_config.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/java_text.h"
#include "broker/cluster/kafka_version.h"

// ConfigType of DescribeConfigs.
enum config_type {
    CONFIG_BOOLEAN = 1,
    CONFIG_STRING = 2,
    CONFIG_INT = 3,
    CONFIG_LONG = 5,
    CONFIG_DOUBLE = 6,
    CONFIG_LIST = 7,
};

// How the text becomes the field.
enum config_form {
    FORM_NUMBER, // of the row's type, min..max
    FORM_GZIP_LEVEL,
    FORM_RATIO, // double, 0..1
    FORM_BOOLEAN,
    FORM_CLEANUP,
    FORM_COMPRESSION,
    FORM_TIMESTAMP_TYPE,
    FORM_THROTTLED,
    FORM_FORMAT_VERSION,
};

struct config_row {
    const char *key;
    const char *synonym;
    size_t field; // offset in struct topic_config
    enum config_type type;
    enum config_form form;
    int64_t min, max; // of FORM_NUMBER; a bound that is the type's own limit is never reached
};

#define FIELD(name) offsetof(struct topic_config, name)

// clang-format off
static const struct config_row rows[] = {
    {"cleanup.policy", "log.cleanup.policy", FIELD(cleanup_delete), CONFIG_LIST, FORM_CLEANUP, 0, 0},
    {"compression.gzip.level", "compression.gzip.level", FIELD(compression_gzip_level), CONFIG_INT, FORM_GZIP_LEVEL, 1, 9},
    {"compression.lz4.level", "compression.lz4.level", FIELD(compression_lz4_level), CONFIG_INT, FORM_NUMBER, 1, 17},
    {"compression.type", "compression.type", FIELD(compression), CONFIG_STRING, FORM_COMPRESSION, 0, 0},
    {"compression.zstd.level", "compression.zstd.level", FIELD(compression_zstd_level), CONFIG_INT, FORM_NUMBER, -131072, 22},
    {"delete.retention.ms", "log.cleaner.delete.retention.ms", FIELD(delete_retention_ms), CONFIG_LONG, FORM_NUMBER, 0, INT64_MAX},
    {"file.delete.delay.ms", "log.segment.delete.delay.ms", FIELD(file_delete_delay_ms), CONFIG_LONG, FORM_NUMBER, 0, INT64_MAX},
    {"flush.messages", "log.flush.interval.messages", FIELD(flush_messages), CONFIG_LONG, FORM_NUMBER, 1, INT64_MAX},
    {"flush.ms", "log.flush.interval.ms", FIELD(flush_ms), CONFIG_LONG, FORM_NUMBER, 0, INT64_MAX},
    {"follower.replication.throttled.replicas", NULL, FIELD(follower_throttled_replicas), CONFIG_LIST, FORM_THROTTLED, 0, 0},
    {"index.interval.bytes", "log.index.interval.bytes", FIELD(index_interval_bytes), CONFIG_INT, FORM_NUMBER, 0, INT32_MAX},
    {"leader.replication.throttled.replicas", NULL, FIELD(leader_throttled_replicas), CONFIG_LIST, FORM_THROTTLED, 0, 0},
    {"local.retention.bytes", "log.local.retention.bytes", FIELD(local_retention_bytes), CONFIG_LONG, FORM_NUMBER, -2, INT64_MAX},
    {"local.retention.ms", "log.local.retention.ms", FIELD(local_retention_ms), CONFIG_LONG, FORM_NUMBER, -2, INT64_MAX},
    {"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", FIELD(max_compaction_lag_ms), CONFIG_LONG, FORM_NUMBER, 1, INT64_MAX},
    {"max.message.bytes", "message.max.bytes", FIELD(max_message_bytes), CONFIG_INT, FORM_NUMBER, 0, INT32_MAX},
    {"message.downconversion.enable", "log.message.downconversion.enable", FIELD(message_downconversion), CONFIG_BOOLEAN, FORM_BOOLEAN, 0, 0},
    {"message.format.version", "log.message.format.version", FIELD(message_format_version), CONFIG_STRING, FORM_FORMAT_VERSION, 0, 0},
    {"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", FIELD(timestamp_after_max_ms), CONFIG_LONG, FORM_NUMBER, 0, INT64_MAX},
    {"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", FIELD(timestamp_before_max_ms), CONFIG_LONG, FORM_NUMBER, 0, INT64_MAX},
    {"message.timestamp.difference.max.ms", "log.message.timestamp.difference.max.ms", FIELD(timestamp_difference_max_ms), CONFIG_LONG, FORM_NUMBER, 0, INT64_MAX},
    {"message.timestamp.type", "log.message.timestamp.type", FIELD(timestamp_append_time), CONFIG_STRING, FORM_TIMESTAMP_TYPE, 0, 0},
    {"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", FIELD(min_cleanable_dirty_ratio), CONFIG_DOUBLE, FORM_RATIO, 0, 1},
    {"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", FIELD(min_compaction_lag_ms), CONFIG_LONG, FORM_NUMBER, 0, INT64_MAX},
    {"min.insync.replicas", "min.insync.replicas", FIELD(min_insync_replicas), CONFIG_INT, FORM_NUMBER, 1, INT32_MAX},
    {"preallocate", "log.preallocate", FIELD(preallocate), CONFIG_BOOLEAN, FORM_BOOLEAN, 0, 0},
    {"remote.log.copy.disable", NULL, FIELD(remote_log_copy_disable), CONFIG_BOOLEAN, FORM_BOOLEAN, 0, 0},
    {"remote.log.delete.on.disable", NULL, FIELD(remote_log_delete_on_disable), CONFIG_BOOLEAN, FORM_BOOLEAN, 0, 0},
    {"remote.storage.enable", NULL, FIELD(remote_storage), CONFIG_BOOLEAN, FORM_BOOLEAN, 0, 0},
    {"retention.bytes", "log.retention.bytes", FIELD(retention_bytes), CONFIG_LONG, FORM_NUMBER, INT64_MIN, INT64_MAX},
    {"retention.ms", "log.retention.ms", FIELD(retention_ms), CONFIG_LONG, FORM_NUMBER, -1, INT64_MAX},
    {"segment.bytes", "log.segment.bytes", FIELD(segment_bytes), CONFIG_INT, FORM_NUMBER, 14, INT32_MAX},
    {"segment.index.bytes", "log.index.size.max.bytes", FIELD(segment_index_bytes), CONFIG_INT, FORM_NUMBER, 4, INT32_MAX},
    {"segment.jitter.ms", "log.roll.jitter.ms", FIELD(segment_jitter_ms), CONFIG_LONG, FORM_NUMBER, 0, INT64_MAX},
    {"segment.ms", "log.roll.ms", FIELD(segment_ms), CONFIG_LONG, FORM_NUMBER, 1, INT64_MAX},
    {"unclean.leader.election.enable", "unclean.leader.election.enable", FIELD(unclean_leader_election), CONFIG_BOOLEAN, FORM_BOOLEAN, 0, 0},
};
// clang-format on
#define ROWS ((int32_t)(sizeof rows / sizeof rows[0]))
_Static_assert(ROWS <= 64, "struct topic_config has room for 64 marks");

// In the order of the rows.
static const char *const documentation[] = {
#define TOPIC_DOC(key, text) text,
#include "broker/cluster/topic_docs.def"
#undef TOPIC_DOC
};
_Static_assert(sizeof documentation / sizeof documentation[0] == ROWS, "each row has its description");

static const char *const compression_names[] = {
    [TOPIC_COMPRESSION_PRODUCER] = "producer", [TOPIC_COMPRESSION_UNCOMPRESSED] = "uncompressed",
    [TOPIC_COMPRESSION_GZIP] = "gzip",         [TOPIC_COMPRESSION_SNAPPY] = "snappy",
    [TOPIC_COMPRESSION_LZ4] = "lz4",           [TOPIC_COMPRESSION_ZSTD] = "zstd",
};

#define DAY_MS ((int64_t)24 * 60 * 60 * 1000)

void topic_config_init(struct topic_config *c)
{
    *c = (struct topic_config){
        .segment_bytes = 1024 * 1024 * 1024,
        .segment_ms = 7 * DAY_MS,
        .segment_index_bytes = 10 * 1024 * 1024,
        .index_interval_bytes = 4096,
        .retention_bytes = -1,
        .retention_ms = 7 * DAY_MS,
        .flush_messages = INT64_MAX,
        .flush_ms = INT64_MAX,
        .file_delete_delay_ms = 60000,
        .folder_delete_delay_ms = 60000,
        .delete_retention_ms = DAY_MS,
        .max_compaction_lag_ms = INT64_MAX,
        .min_cleanable_dirty_ratio = 0.5,
        .max_message_bytes = 1024 * 1024 + 12,
        .min_insync_replicas = 1,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .timestamp_difference_max_ms = INT64_MAX,
        .message_downconversion = true,
        .cleanup_delete = true,
        .compression = TOPIC_COMPRESSION_PRODUCER,
        .compression_gzip_level = -1,
        .compression_lz4_level = 9,
        .compression_zstd_level = 3,
        .local_retention_ms = -2,
        .local_retention_bytes = -2,
    };
}

// ---------------------------------------------------------------------------------------------------------------
// Reading values

// One entry on its way into its field.
struct entry {
    struct topic_config *config;
    const struct config_row *row;
    const char *value;   // as given
    const char *trimmed; // without surrounding blanks
    struct arena *arena;
    const char **why;
};

static enum err entry_refuse(const struct entry *e, const char *value, const char *reason)
{
    *e->why = arena_printf(e->arena, "Invalid value %s for configuration %s: %s", value, e->row->key, reason);
    return ERR_INVALID;
}

static void *entry_field(const struct entry *e)
{
    return (char *)e->config + e->row->field;
}

static enum err entry_number(const struct entry *e)
{
    int64_t v;
    bool is_int = e->row->type == CONFIG_INT;
    if (!java_integer_parse(e->trimmed, &v) || (is_int && (v < INT32_MIN || v > INT32_MAX))) {
        return entry_refuse(e, e->value, is_int ? "Not a number of type INT" : "Not a number of type LONG");
    }
    const char *shown = arena_printf(e->arena, "%" PRId64, v);
    if (e->row->form == FORM_GZIP_LEVEL) {
        if (v != -1 && (v < e->row->min || v > e->row->max)) {
            return entry_refuse(e, shown, "Value must be between 1 and 9 or equal to -1");
        }
    } else if (v < e->row->min) {
        return entry_refuse(e, shown, arena_printf(e->arena, "Value must be at least %" PRId64, e->row->min));
    } else if (v > e->row->max) {
        return entry_refuse(e, shown, arena_printf(e->arena, "Value must be no more than %" PRId64, e->row->max));
    }
    if (is_int) {
        *(int32_t *)entry_field(e) = (int32_t)v;
    } else {
        *(int64_t *)entry_field(e) = v;
    }
    return ERR_OK;
}

static enum err entry_ratio(const struct entry *e)
{
    double v;
    if (!java_double_parse(e->trimmed, &v)) {
        return entry_refuse(e, e->value, "Not a number of type DOUBLE");
    }
    if (v < 0) {
        return entry_refuse(e, java_double_text(v, e->arena), "Value must be at least 0");
    }
    if (v > 1) {
        return entry_refuse(e, java_double_text(v, e->arena), "Value must be no more than 1");
    }
    *(double *)entry_field(e) = v;
    return ERR_OK;
}

static enum err entry_boolean(const struct entry *e)
{
    return java_boolean_parse(e->trimmed, entry_field(e))
               ? ERR_OK
               : entry_refuse(e, e->value, "Expected value to be either true or false");
}

static enum err entry_cleanup(const struct entry *e)
{
    bool del = false, compact = false, compact_first = false;
    struct slice element;
    for (const char *rest = java_list_begin(e->trimmed); java_list_next(&rest, &element);) {
        if (slice_equal(element, slice_str("compact"))) {
            compact_first = compact_first || !del;
            compact = true;
        } else if (slice_equal(element, slice_str("delete"))) {
            del = true;
        } else {
            return entry_refuse(e, arena_strndup(e->arena, element.data, element.len),
                                "String must be one of: compact, delete");
        }
    }
    e->config->cleanup_delete = del;
    e->config->cleanup_compact = compact;
    e->config->cleanup_compact_first = compact_first && del;
    return ERR_OK;
}

static enum err entry_compression(const struct entry *e)
{
    for (int i = TOPIC_COMPRESSION_PRODUCER; i <= TOPIC_COMPRESSION_ZSTD; i++) {
        if (strcmp(e->trimmed, compression_names[i]) == 0) {
            e->config->compression = (enum topic_compression)i;
            return ERR_OK;
        }
    }
    return entry_refuse(e, e->trimmed, "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer");
}

static enum err entry_timestamp_type(const struct entry *e)
{
    bool append_time = strcmp(e->trimmed, "LogAppendTime") == 0;
    if (!append_time && strcmp(e->trimmed, "CreateTime") != 0) {
        return entry_refuse(e, e->trimmed, "String must be one of: CreateTime, LogAppendTime");
    }
    e->config->timestamp_append_time = append_time;
    return ERR_OK;
}

static bool is_replica(const char *s) // "<partition>:<broker>", or nothing
{
    size_t partition = strspn(s, "0123456789");
    size_t broker = s[partition] == ':' ? strspn(s + partition + 1, "0123456789") : 0;
    return *s == '\0' || (partition > 0 && broker > 0 && s[partition + 1 + broker] == '\0');
}

static enum err entry_throttled(const struct entry *e)
{
    const char *clean = "", *shown = "";
    struct slice item;
    bool good = true;
    for (const char *rest = java_list_begin(e->trimmed); java_list_next(&rest, &item);) {
        const char *element = arena_strndup(e->arena, item.data, item.len);
        if (element == NULL) {
            return ERR_NO_MEMORY;
        }
        good = good && is_replica(element);
        clean = arena_printf(e->arena, "%s%s%s", clean, *clean == '\0' ? "" : ",", element);
        shown = arena_printf(e->arena, "%s%s%s", shown, *shown == '\0' ? "" : ", ", element);
        if (clean == NULL || shown == NULL) {
            return ERR_NO_MEMORY;
        }
    }
    if (!good && strcmp(e->trimmed, "*") != 0) {
        return entry_refuse(e, arena_printf(e->arena, "[%s]", shown),
                            arena_printf(e->arena,
                                         "%s must be the literal '*' or a list of replicas in the following format: "
                                         "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
                                         e->row->key));
    }
    *(const char **)entry_field(e) = clean;
    return ERR_OK;
}

static enum err entry_format_version(const struct entry *e)
{
    if (!kafka_version_is_known(e->trimmed)) {
        return entry_refuse(e, e->trimmed, arena_printf(e->arena, "Version %s is not a valid version", e->trimmed));
    }
    e->config->message_format_version = e->trimmed;
    return ERR_OK;
}

static enum err entry_apply(const struct entry *e)
{
    switch (e->row->form) {
    case FORM_NUMBER:
    case FORM_GZIP_LEVEL:
        return entry_number(e);
    case FORM_RATIO:
        return entry_ratio(e);
    case FORM_BOOLEAN:
        return entry_boolean(e);
    case FORM_CLEANUP:
        return entry_cleanup(e);
    case FORM_COMPRESSION:
        return entry_compression(e);
    case FORM_TIMESTAMP_TYPE:
        return entry_timestamp_type(e);
    case FORM_THROTTLED:
        return entry_throttled(e);
    case FORM_FORMAT_VERSION:
        return entry_format_version(e);
    }
    return ERR_UNSUPPORTED;
}

enum err topic_config_set(struct topic_config *c, const char *key, const char *value, struct arena *a, const char **why)
{
    *why = NULL;
    int32_t i = topic_config_find(key);
    if (i < 0) {
        *why = arena_printf(a, "Unknown topic config name: %s", key);
        return ERR_NOT_FOUND;
    }
    if (value == NULL) {
        *why = arena_printf(a, "Null value not supported for topic configs: %s", key);
        return ERR_INVALID;
    }
    struct entry e = {.config = c, .row = &rows[i], .value = value, .arena = a, .why = why};
    e.trimmed = java_trim(value, a);
    if (e.trimmed == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = entry_apply(&e);
    if (err == ERR_OK) {
        c->set[i] = true;
    }
    return err;
}

enum err topic_config_check(const struct topic_config *c, struct arena *a, const char **why)
{
    *why = NULL;
    if (c->min_compaction_lag_ms > c->max_compaction_lag_ms) {
        *why = arena_printf(a,
                            "conflict topic config setting min.compaction.lag.ms (%" PRId64
                            ") > max.compaction.lag.ms (%" PRId64 ")",
                            c->min_compaction_lag_ms, c->max_compaction_lag_ms);
        return ERR_INVALID;
    }
    if (c->remote_log_copy_disable || c->remote_log_delete_on_disable) {
        *why =
            "It is invalid to set `remote.log.delete.on.disable` or `remote.log.copy.disable` under Zookeeper's mode.";
        return ERR_INVALID;
    }
    if (c->remote_storage) {
        *why = "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log "
               "storage.";
        return ERR_UNSUPPORTED;
    }
    return ERR_OK;
}

// ---------------------------------------------------------------------------------------------------------------
// Showing values

static const char *cleanup_text(const struct topic_config *c)
{
    if (c->cleanup_delete && c->cleanup_compact) {
        return c->cleanup_compact_first ? "compact,delete" : "delete,compact";
    }
    return c->cleanup_compact ? "compact" : c->cleanup_delete ? "delete" : "";
}

// A text of the config may die before the arena does, so it is copied.
static const char *text_or(const char *text, const char *otherwise, struct arena *a)
{
    return text != NULL ? arena_strdup(a, text) : otherwise;
}

const char *topic_config_value(const struct topic_config *c, int32_t i, struct arena *a)
{
    ASSERT(i >= 0 && i < ROWS);
    const struct config_row *row = &rows[i];
    const void *field = (const char *)c + row->field;
    switch (row->form) {
    case FORM_NUMBER:
    case FORM_GZIP_LEVEL:
        return arena_printf(a, "%" PRId64, row->type == CONFIG_INT ? *(const int32_t *)field : *(const int64_t *)field);
    case FORM_RATIO:
        return java_double_text(*(const double *)field, a);
    case FORM_BOOLEAN:
        return *(const bool *)field ? "true" : "false";
    case FORM_CLEANUP:
        return cleanup_text(c);
    case FORM_COMPRESSION:
        return compression_names[c->compression];
    case FORM_TIMESTAMP_TYPE:
        return c->timestamp_append_time ? "LogAppendTime" : "CreateTime";
    case FORM_THROTTLED:
        return text_or(*(const char *const *)field, "", a);
    case FORM_FORMAT_VERSION:
        return text_or(c->message_format_version, "3.0-IV1", a);
    }
    return "";
}

int32_t topic_config_count(void)
{
    return ROWS;
}

const char *topic_config_key(int32_t i)
{
    ASSERT(i >= 0 && i < ROWS);
    return rows[i].key;
}

int32_t topic_config_find(const char *key)
{
    int32_t low = 0, high = ROWS - 1;
    while (low <= high) {
        int32_t mid = low + (high - low) / 2;
        int order = strcmp(key, rows[mid].key);
        if (order == 0) {
            return mid;
        }
        if (order < 0) {
            high = mid - 1;
        } else {
            low = mid + 1;
        }
    }
    return -1;
}

int8_t topic_config_type(int32_t i)
{
    ASSERT(i >= 0 && i < ROWS);
    return (int8_t)rows[i].type;
}

const char *topic_config_synonym(int32_t i)
{
    ASSERT(i >= 0 && i < ROWS);
    return rows[i].synonym;
}

const char *topic_config_documentation(int32_t i)
{
    ASSERT(i >= 0 && i < ROWS);
    return documentation[i];
}
