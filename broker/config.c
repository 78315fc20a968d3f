// SPDX-License-Identifier: Apache-2.0
//
// Loading the configuration, in this order: the texts (file, then overrides, then defaults), the check of each value
// against its row of the key table, the fields, the fall-backs, the listeners, and Kafka's checks across keys. The
// first thing that is wrong ends it with c->error.
#include "broker/config.h"

#include "base/assert.h"
#include "base/java_text.h"
#include "broker/config_environment.h"
#include "broker/config_keys.h"
#include "broker/config_listeners.h"
#include "broker/config_overrides.h"
#include "broker/config_properties.h"
#include <limits.h>
#include <netdb.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CONFIG_ARENA_MAX_BYTES = 16 * CONFIG_FILE_MAX_BYTES,
    MS_PER_MINUTE = 60 * 1000,
    MS_PER_HOUR = 60 * MS_PER_MINUTE,
    CLEANER_MIN_BYTES_PER_THREAD = 1024 * 1024,
};

// Keys that fill a field of their own type. The others are treated by name below.
struct binding {
    const char *key;
    size_t field; // offset in struct broker_config
    size_t size;
};

#define BIND(name, member)                                                                                             \
    {                                                                                                                  \
        name, offsetof(struct broker_config, member), sizeof(((struct broker_config *)NULL)->member)                   \
    }

static const struct binding bindings[] = {
    BIND("broker.id.generation.enable", broker_id_generation),
    BIND("reserved.broker.max.id", reserved_broker_max_id),
    BIND("zookeeper.session.timeout.ms", zookeeper_session_timeout_ms),
    BIND("controlled.shutdown.enable", controlled_shutdown),
    BIND("controlled.shutdown.max.retries", controlled_shutdown_max_retries),
    BIND("controlled.shutdown.retry.backoff.ms", controlled_shutdown_retry_backoff_ms),
    BIND("controller.socket.timeout.ms", controller_socket_timeout_ms),
    BIND("auto.leader.rebalance.enable", auto_leader_rebalance),
    BIND("leader.imbalance.per.broker.percentage", leader_imbalance_percentage),
    BIND("leader.imbalance.check.interval.seconds", leader_imbalance_check_seconds),
    BIND("zookeeper.max.in.flight.requests", zookeeper_max_in_flight),
    BIND("num.network.threads", num_network_threads),
    BIND("num.io.threads", num_io_threads),
    BIND("num.recovery.threads.per.data.dir", num_recovery_threads),
    BIND("socket.send.buffer.bytes", socket_send_buffer_bytes),
    BIND("socket.receive.buffer.bytes", socket_receive_buffer_bytes),
    BIND("socket.request.max.bytes", socket_request_max_bytes),
    BIND("socket.listen.backlog.size", socket_listen_backlog),
    BIND("connections.max.idle.ms", connections_max_idle_ms),
    BIND("queued.max.requests", queued_max_requests),
    BIND("queued.max.request.bytes", queued_max_request_bytes),
    BIND("num.partitions", num_partitions),
    BIND("default.replication.factor", default_replication_factor),
    BIND("auto.create.topics.enable", auto_create_topics),
    BIND("delete.topic.enable", delete_topics),
    BIND("fetch.max.bytes", fetch_max_bytes),
    BIND("max.incremental.fetch.session.cache.slots", fetch_session_slots),
    BIND("log.segment.bytes", segment_bytes),
    BIND("log.index.size.max.bytes", segment_index_bytes),
    BIND("log.index.interval.bytes", index_interval_bytes),
    BIND("log.retention.bytes", retention_bytes),
    BIND("log.flush.interval.messages", flush_messages),
    BIND("log.segment.delete.delay.ms", file_delete_delay_ms),
    BIND("log.cleaner.delete.retention.ms", delete_retention_ms),
    BIND("log.cleaner.min.compaction.lag.ms", min_compaction_lag_ms),
    BIND("log.cleaner.max.compaction.lag.ms", max_compaction_lag_ms),
    BIND("log.cleaner.min.cleanable.ratio", min_cleanable_dirty_ratio),
    BIND("message.max.bytes", max_message_bytes),
    BIND("min.insync.replicas", min_insync_replicas),
    BIND("log.message.timestamp.difference.max.ms", timestamp_difference_max_ms),
    BIND("log.message.timestamp.before.max.ms", timestamp_before_max_ms),
    BIND("log.message.timestamp.after.max.ms", timestamp_after_max_ms),
    BIND("log.preallocate", preallocate),
    BIND("unclean.leader.election.enable", unclean_leader_election),
    BIND("log.message.downconversion.enable", message_downconversion),
    BIND("compression.gzip.level", compression_gzip_level),
    BIND("compression.lz4.level", compression_lz4_level),
    BIND("compression.zstd.level", compression_zstd_level),
    BIND("log.retention.check.interval.ms", retention_check_interval_ms),
    BIND("log.initial.task.delay.ms", initial_task_delay_ms),
    BIND("log.flush.scheduler.interval.ms", flush_scheduler_interval_ms),
    BIND("log.flush.offset.checkpoint.interval.ms", flush_offset_checkpoint_interval_ms),
    BIND("log.flush.start.offset.checkpoint.interval.ms", flush_start_offset_checkpoint_interval_ms),
    BIND("replica.high.watermark.checkpoint.interval.ms", high_watermark_checkpoint_interval_ms),
    BIND("replica.lag.time.max.ms", replica_lag_time_max_ms),
    BIND("replica.socket.timeout.ms", replica_socket_timeout_ms),
    BIND("replica.socket.receive.buffer.bytes", replica_socket_receive_buffer_bytes),
    BIND("replica.fetch.max.bytes", replica_fetch_max_bytes),
    BIND("replica.fetch.wait.max.ms", replica_fetch_wait_max_ms),
    BIND("replica.fetch.backoff.ms", replica_fetch_backoff_ms),
    BIND("replica.fetch.min.bytes", replica_fetch_min_bytes),
    BIND("replica.fetch.response.max.bytes", replica_fetch_response_max_bytes),
    BIND("num.replica.fetchers", num_replica_fetchers),
    BIND("replication.quota.window.num", replication_quota_windows),
    BIND("replication.quota.window.size.seconds", replication_quota_window_seconds),
    BIND("alter.log.dirs.replication.quota.window.num", moves_quota_windows),
    BIND("alter.log.dirs.replication.quota.window.size.seconds", moves_quota_window_seconds),
    BIND("producer.id.expiration.ms", producer_id_expiration_ms),
    BIND("producer.id.expiration.check.interval.ms", producer_id_expiration_check_interval_ms),
    BIND("group.min.session.timeout.ms", group_min_session_timeout_ms),
    BIND("group.max.session.timeout.ms", group_max_session_timeout_ms),
    BIND("group.initial.rebalance.delay.ms", group_initial_rebalance_delay_ms),
    BIND("group.max.size", group_max_size),
    BIND("offset.metadata.max.bytes", offset_metadata_max_bytes),
    BIND("offsets.retention.minutes", offsets_retention_minutes),
    BIND("offsets.retention.check.interval.ms", offsets_retention_check_interval_ms),
    BIND("offsets.commit.timeout.ms", offsets_commit_timeout_ms),
    BIND("offsets.commit.required.acks", offsets_commit_required_acks),
    BIND("offsets.load.buffer.size", offsets_load_buffer_size),
    BIND("offsets.topic.num.partitions", offsets_topic_num_partitions),
    BIND("offsets.topic.replication.factor", offsets_topic_replication_factor),
    BIND("offsets.topic.segment.bytes", offsets_topic_segment_bytes),
    BIND("transaction.state.log.num.partitions", transaction_log_num_partitions),
    BIND("transaction.state.log.replication.factor", transaction_log_replication_factor),
    BIND("transaction.state.log.segment.bytes", transaction_log_segment_bytes),
    BIND("transaction.state.log.min.isr", transaction_log_min_isr),
    BIND("broker.rack", rack),
    BIND("compression.type", compression_type),
};

// ---- messages ------------------------------------------------------------------------------------------------------

// Sets the error. text comes from arena_printf; NULL means that even it found no memory.
static enum err fail(struct broker_config *c, const char *text)
{
    c->error = text ? text : "out of memory while reading the configuration";
    return text ? ERR_INVALID : ERR_NO_MEMORY;
}

// Adds a text (of arena_printf: NULL means that even it found no memory) to a list that grows.
static enum err text_add(struct broker_config *c, const char ***list, int32_t *count, int32_t *capacity,
                         const char *text)
{
    if (*count == *capacity) {
        int32_t more_capacity = *capacity > 0 ? *capacity * 2 : 8;
        const char **more = arena_array(&c->arena, (size_t)more_capacity, sizeof *more);
        if (!more) {
            return fail(c, NULL);
        }
        for (int32_t i = 0; i < *count; i++) {
            more[i] = (*list)[i];
        }
        *list = more;
        *capacity = more_capacity;
    }
    if (!text) {
        return fail(c, NULL);
    }
    (*list)[(*count)++] = text;
    return ERR_OK;
}

static enum err warning_add(struct broker_config *c, const char *text)
{
    return text_add(c, &c->warnings, &c->warnings_count, &c->warnings_capacity, text);
}

static enum err unknown_add(struct broker_config *c, const char *key)
{
    for (int32_t i = 0; i < c->unknown_count; i++) {
        if (strcmp(c->unknown[i], key) == 0) {
            return ERR_OK;
        }
    }
    return text_add(c, &c->unknown, &c->unknown_count, &c->unknown_capacity, arena_strdup(&c->arena, key));
}

// ---- texts ---------------------------------------------------------------------------------------------------------

// A key of one listener that has an effect: kept beside the others, and checked here against the key's row.
static enum err listener_value_set(struct broker_config *c, const char *name, const char *value)
{
    const struct config_key *k = config_key_at(config_key_find(config_key_of_listener(name)));
    const char *text = java_trim(value, &c->arena);
    if (text && !config_key_allows(k, text)) {
        return fail(c, arena_printf(&c->arena, "%s=%s: allowed is %s", name, text, config_key_allowed(k, &c->arena)));
    }
    int32_t i = 0;
    while (i < c->listener_keys_count && strcmp(c->listener_keys[i].name, name) != 0) {
        i++;
    }
    if (i == CONFIG_MAX_LISTENER_KEYS) {
        return fail(c, arena_printf(&c->arena, "%s: more than %d keys of single listeners", name, i));
    }
    c->listener_keys_count += i == c->listener_keys_count;
    c->listener_keys[i] = (struct config_listener_key){arena_strdup(&c->arena, name), text};
    return text && c->listener_keys[i].name ? ERR_OK : fail(c, NULL);
}

// Sets one key from the file or an override. Also a config_property_fn.
static enum err value_set(void *ctx, const char *key, const char *value)
{
    struct broker_config *c = ctx;
    int32_t i = config_key_find(key);
    if (config_key_of_listener(key)) {
        return listener_value_set(c, key, value);
    }
    if (i < 0) {
        enum err err = unknown_add(c, key);
        if (err) {
            return err;
        }
        if (config_key_is_listener_prefixed(key)) {
            return warning_add(c, arena_printf(&c->arena,
                                               "%s has no effect in this version: of a single listener only "
                                               "max.connections and max.connection.creation.rate can be set",
                                               key));
        }
        return warning_add(c, arena_printf(&c->arena, "%s is not a key Kafka knows: ignored (misspelt?)", key));
    }
    c->values[i] = java_trim(value, &c->arena);
    c->given[i] = true;
    return c->values[i] ? ERR_OK : fail(c, NULL);
}

static enum err file_read(const struct os *os, const char *path, struct broker_config *c)
{
    char *text = NULL;
    size_t len = 0;
    int bad_line = 0;
    const char *why = NULL;
    enum err err = os_read_file(os, path, CONFIG_FILE_MAX_BYTES, &text, &len);
    if (err == ERR_TOO_LARGE) {
        return fail(c, arena_printf(&c->arena, "%s is larger than a configuration may be (%d bytes)", path,
                                    CONFIG_FILE_MAX_BYTES));
    }
    if (err) {
        return fail(c, arena_printf(&c->arena, "cannot read the configuration %s: %s", path, err_explain(err)));
    }
    err = config_properties_parse(text, len, &c->arena, value_set, c, &bad_line, &why);
    free(text);
    if (err == ERR_INVALID && why) {
        return fail(c, bad_line > 0 ? arena_printf(&c->arena, "%s, line %d: %s", path, bad_line, why)
                                    : arena_printf(&c->arena, "%s: %s", path, why));
    }
    return err == ERR_NO_MEMORY ? fail(c, NULL) : err;
}

static enum err environment_read(const char *const *variables, struct broker_config *c)
{
    for (; variables && *variables; variables++) {
        const char *line, *why = NULL;
        int bad_line = 0;
        enum err err = config_environment_line(*variables, &c->arena, &line);
        if (!err && line) {
            err = config_properties_parse(line, strlen(line), &c->arena, value_set, c, &bad_line, &why);
        }
        if (err == ERR_INVALID && why) {
            return fail(
                c, arena_printf(&c->arena, "the variable %.*s: %s", (int)strcspn(*variables, "="), *variables, why));
        }
        if (err) {
            return err == ERR_NO_MEMORY ? fail(c, NULL) : err;
        }
    }
    return ERR_OK;
}

static enum err overrides_apply(const char *const *overrides, int n, struct broker_config *c)
{
    for (int i = 0; i < n; i++) {
        const char *equals = strchr(overrides[i], '=');
        if (!equals || equals == overrides[i]) {
            return fail(c, arena_printf(&c->arena, "--override %s: the form is --override key=value", overrides[i]));
        }
        struct slice name = slice_of(overrides[i], (size_t)(equals - overrides[i]));
        char *key = arena_strndup(&c->arena, name.data, name.len);
        enum err err = key ? value_set(c, key, equals + 1) : fail(c, NULL);
        if (err) {
            return err;
        }
    }
    return ERR_OK;
}

struct own_default {
    const char *key;
    const char *value;
};

// log.dir and not log.dirs, so that either key in an override wins over it.
static const struct own_default laptop_defaults[] = {
    {"listeners", "PLAINTEXT://127.0.0.1:9092"},
    {"log.dir", "./ottla-data"},
    {"socket.send.buffer.bytes", "-1"},
    {"socket.receive.buffer.bytes", "-1"},
};

static const struct own_default alone_defaults[] = {
    {"offsets.topic.replication.factor", "1"},
    {"transaction.state.log.replication.factor", "1"},
    {"transaction.state.log.min.isr", "1"},
};

static void own_defaults_apply(const struct own_default *defaults, size_t n, struct broker_config *c)
{
    for (size_t d = 0; d < n; d++) {
        int32_t i = config_key_find(defaults[d].key);
        if (!c->given[i]) {
            c->values[i] = defaults[d].value;
        }
    }
}

// What is not given gets Kafka's default, but for a laptop and for a broker that is a cluster by itself.
static void defaults_apply(bool laptop, struct broker_config *c)
{
    for (int32_t i = 0; i < config_key_count(); i++) {
        if (!c->given[i]) {
            c->values[i] = config_key_at(i)->default_value;
        }
    }
    const char *zookeeper = broker_config_value(c, "zookeeper.connect");
    if (laptop) {
        own_defaults_apply(laptop_defaults, sizeof laptop_defaults / sizeof laptop_defaults[0], c);
    }
    if (laptop || !zookeeper || *zookeeper == '\0') {
        own_defaults_apply(alone_defaults, sizeof alone_defaults / sizeof alone_defaults[0], c);
    }
}

const char *broker_config_value(const struct broker_config *c, const char *key)
{
    int32_t i = config_key_find(key);
    return i >= 0 && c->values ? c->values[i] : NULL;
}

bool broker_config_is_given(const struct broker_config *c, const char *key)
{
    int32_t i = config_key_find(key);
    return i >= 0 && c->given && c->given[i];
}

// ---- values --------------------------------------------------------------------------------------------------------

// Each given value against its row; collects the keys that have no effect.
static enum err values_check(struct broker_config *c)
{
    const char *idle = NULL;
    for (int32_t i = 0; i < config_key_count(); i++) {
        const struct config_key *k = config_key_at(i);
        if (!c->given[i]) {
            continue;
        }
        if (!config_key_allows(k, c->values[i])) {
            return fail(c, arena_printf(&c->arena, "%s=%s: allowed is %s", k->name, c->values[i],
                                        config_key_allowed(k, &c->arena)));
        }
        if (k->use == CONFIG_KNOWN) {
            idle = idle ? arena_printf(&c->arena, "%s, %s", idle, k->name) : k->name;
            if (!idle) {
                return fail(c, NULL);
            }
        }
    }
    return idle ? warning_add(c,
                              arena_printf(&c->arena,
                                           "these keys of Kafka are set and have no effect in this version: %s", idle))
                : ERR_OK;
}

// The checked value of an integer key.
static int64_t integer_of(const struct broker_config *c, const char *key)
{
    int64_t v = 0;
    const char *text = broker_config_value(c, key);
    ASSERT(text && java_integer_parse(text, &v));
    return v;
}

static void field_fill(struct broker_config *c, const struct binding *b)
{
    const struct config_key *k = config_key_at(config_key_find(b->key));
    const char *text = broker_config_value(c, b->key);
    void *field = (char *)c + b->field;
    int64_t n = 0;
    int32_t n32;
    int16_t n16;
    bool ok = true;
    switch (k->type) {
    case CONFIG_BOOLEAN:
        ASSERT(b->size == sizeof(bool));
        ok = java_boolean_parse(text, field);
        break;
    case CONFIG_INT:
        ASSERT(b->size == sizeof n32);
        ok = java_integer_parse(text, &n);
        n32 = (int32_t)n;
        memcpy(field, &n32, sizeof n32);
        break;
    case CONFIG_LONG:
        ASSERT(b->size == sizeof n);
        ok = java_integer_parse(text, field);
        break;
    case CONFIG_DOUBLE:
        ASSERT(b->size == sizeof(double));
        ok = java_double_parse(text, field);
        break;
    case CONFIG_STRING:
        ASSERT(b->size == sizeof text);
        memcpy(field, &text, sizeof text);
        break;
    case CONFIG_SHORT:
        ASSERT(b->size == sizeof n16);
        ok = java_integer_parse(text, &n);
        n16 = (int16_t)n;
        memcpy(field, &n16, sizeof n16);
        break;
    case CONFIG_LIST:
    case CONFIG_CLASS:
    case CONFIG_PASSWORD:
        ok = false; // no field of these types is bound by the table
        break;
    }
    ASSERT(ok);
}

// The first key of the group that has a value, times its unit. Saturates instead of overflowing.
static int64_t first_of_ms(const struct broker_config *c, const char *ms, const char *minutes, const char *hours)
{
    int64_t v;
    if (broker_config_value(c, ms)) {
        return integer_of(c, ms);
    }
    bool in_minutes = minutes && broker_config_value(c, minutes);
    int64_t unit = in_minutes ? MS_PER_MINUTE : MS_PER_HOUR;
    if (__builtin_mul_overflow(integer_of(c, in_minutes ? minutes : hours), unit, &v)) {
        return INT64_MAX;
    }
    return v;
}

static enum err times_fill(struct broker_config *c)
{
    c->segment_ms = first_of_ms(c, "log.roll.ms", NULL, "log.roll.hours");
    c->segment_jitter_ms = first_of_ms(c, "log.roll.jitter.ms", NULL, "log.roll.jitter.hours");
    c->retention_ms = first_of_ms(c, "log.retention.ms", "log.retention.minutes", "log.retention.hours");
    c->flush_ms = integer_of(c, broker_config_value(c, "log.flush.interval.ms") ? "log.flush.interval.ms"
                                                                                : "log.flush.scheduler.interval.ms");
    if (c->segment_ms < 1) {
        return fail(c, arena_printf(&c->arena, "log.roll.ms=%lld: allowed is 1 or more", (long long)c->segment_ms));
    }
    if (c->segment_jitter_ms < 0) {
        return fail(c, arena_printf(&c->arena, "log.roll.jitter.ms=%lld: allowed is 0 or more",
                                    (long long)c->segment_jitter_ms));
    }
    if (c->retention_ms == 0) {
        return fail(c, "log.retention.ms, log.retention.minutes or log.retention.hours is 0: "
                       "allowed is 1 or more, or -1 to keep records for ever");
    }
    if (c->retention_ms < 0) {
        c->retention_ms = -1;
    }
    return ERR_OK;
}

static enum err broker_id_fill(struct broker_config *c)
{
    int64_t broker = integer_of(c, "broker.id");
    int64_t node = integer_of(c, "node.id");
    bool both = broker_config_is_given(c, "broker.id") && broker_config_is_given(c, "node.id");
    if (both && broker != node) {
        return fail(c, arena_printf(&c->arena, "node.id=%lld and broker.id=%lld mean the same thing and must be equal",
                                    (long long)node, (long long)broker));
    }
    const char *key = broker_config_is_given(c, "node.id") ? "node.id" : "broker.id";
    c->broker_id = (int32_t)integer_of(c, key);
    if (c->broker_id_generation && (c->broker_id < -1 || c->broker_id > c->reserved_broker_max_id)) {
        return fail(c,
                    arena_printf(&c->arena,
                                 "%s=%d: allowed is an integer from 0 to reserved.broker.max.id=%d, or -1 to have one "
                                 "generated",
                                 key, c->broker_id, c->reserved_broker_max_id));
    }
    if (!c->broker_id_generation && c->broker_id < 0) {
        return fail(c, arena_printf(&c->arena, "%s=%d: without broker.id.generation.enable, 0 or more is needed", key,
                                    c->broker_id));
    }
    return ERR_OK;
}

static enum err log_dirs_fill(struct broker_config *c)
{
    const char *key = broker_config_value(c, "log.dirs") ? "log.dirs" : "log.dir";
    const char *text = broker_config_value(c, key);
    const char *rest = text;
    struct slice item;
    c->log_dirs = arena_array(&c->arena, strlen(text) + 1, sizeof *c->log_dirs); // more than there are commas
    if (c->log_dirs == NULL) {
        return fail(c, NULL);
    }
    while (config_next_item(&rest, &item)) {
        if (item.len == 0) {
            continue;
        }
        c->log_dirs[c->log_dirs_count] = arena_strndup(&c->arena, item.data, item.len);
        if (c->log_dirs[c->log_dirs_count++] == NULL) {
            return fail(c, NULL);
        }
    }
    if (c->log_dirs_count == 0) {
        return fail(c, arena_printf(&c->arena, "%s is empty: at least one directory is needed", key));
    }
    const char *threads = "num.replica.alter.log.dirs.threads";
    int64_t n = broker_config_value(c, threads) ? integer_of(c, threads) : c->log_dirs_count;
    if (n < 1) {
        return fail(c, arena_printf(&c->arena, "%s=%lld: allowed is 1 or more", threads, (long long)n));
    }
    c->num_move_threads = (int32_t)n;
    return ERR_OK;
}

static enum err topic_texts_fill(struct broker_config *c)
{
    const char *rest = broker_config_value(c, "log.cleanup.policy");
    struct slice item;
    while (config_next_item(&rest, &item)) {
        c->cleanup_delete |= slice_equal(item, slice_str("delete"));
        c->cleanup_compact |= slice_equal(item, slice_str("compact"));
    }
    const char *selector = broker_config_value(c, "replica.selector.class");
    c->rack_aware_reads = selector && strstr(selector, "RackAware");
    c->timestamp_append_time = strcmp(broker_config_value(c, "log.message.timestamp.type"), "LogAppendTime") == 0;
    if (c->compression_gzip_level == 0) {
        return fail(c, "compression.gzip.level=0: allowed is -1 or an integer from 1 to 9");
    }
    return ERR_OK;
}

// ---- listeners -----------------------------------------------------------------------------------------------------

// Kafka tells clients the machine's own name when the advertised host is blank.
static const char *machine_name(struct arena *a)
{
    char name[HOST_NAME_MAX + 1];
    if (gethostname(name, sizeof name) != 0) {
        return "localhost";
    }
    struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const char *canonical = name;
    if (getaddrinfo(name, NULL, &hints, &found) == 0 && found && found->ai_canonname) {
        canonical = found->ai_canonname;
    }
    char *copy = arena_strdup(a, canonical);
    if (found) {
        freeaddrinfo(found);
    }
    return copy;
}

// Kafka wants the listener brokers use among themselves to be advertised, whoever else there is in the cluster.
static enum err inter_broker_find(struct broker_config *c)
{
    const char *name = broker_config_value(c, "inter.broker.listener.name");
    if (name && broker_config_is_given(c, "security.inter.broker.protocol")) {
        return fail(c, arena_printf(&c->arena,
                                    "inter.broker.listener.name=%s and security.inter.broker.protocol=%s: "
                                    "only one of the two may be set",
                                    name, broker_config_value(c, "security.inter.broker.protocol")));
    }
    const char *wanted = name ? name : broker_config_value(c, "security.inter.broker.protocol");
    for (int32_t i = 0; i < c->advertised_count; i++) {
        if (strcasecmp(c->advertised[i].name, wanted) == 0) {
            c->inter_broker_listener = c->advertised[i].name;
            return ERR_OK;
        }
    }
    return fail(c, arena_printf(&c->arena,
                                "no advertised listener is named %s, which brokers would use among themselves: set "
                                "inter.broker.listener.name to the name of an advertised listener",
                                wanted));
}

static enum err listeners_fill(struct broker_config *c)
{
    const char *map = broker_config_value(c, "listener.security.protocol.map");
    const char *text = broker_config_value(c, "listeners");
    const char *advertised = broker_config_value(c, "advertised.listeners");
    const char *why = NULL;
    enum err err = config_listeners_parse("listeners", text, map, &c->arena, c->listeners, &c->listeners_count, &why);
    if (!err) {
        err = config_listeners_check_bound(c->listeners, c->listeners_count, text, &c->arena, &why);
    }
    if (!err && advertised) {
        err = config_listeners_parse("advertised.listeners", advertised, map, &c->arena, c->advertised,
                                     &c->advertised_count, &why);
    } else if (!err) {
        memcpy(c->advertised, c->listeners, sizeof c->advertised);
        c->advertised_count = c->listeners_count;
    }
    if (!err) {
        err = config_listeners_check_advertised(c->advertised, c->advertised_count, c->listeners, c->listeners_count,
                                                &c->arena, &why);
    }
    if (err) {
        return fail(c, why);
    }
    for (int32_t i = 0; i < c->advertised_count; i++) {
        if (c->advertised[i].host[0] == '\0') {
            c->advertised[i].host = machine_name(&c->arena);
            if (!c->advertised[i].host) {
                return fail(c, NULL);
            }
        }
    }
    return inter_broker_find(c);
}

void broker_config_check_advertised(struct broker_config *c)
{
    for (int32_t i = 0; i < c->advertised_count; i++) {
        const struct config_endpoint *e = &c->advertised[i];
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
        struct addrinfo *found = NULL;
        int rc = getaddrinfo(e->host, NULL, &hints, &found);
        const char *text = NULL;
        if (rc != 0) {
            text =
                arena_printf(&c->arena,
                             "clients are told to connect to %s://%s:%d, but the name %s does not resolve here (%s); "
                             "unless it does where the clients are, set advertised.listeners to an address or name "
                             "they can reach",
                             e->name, e->host, e->port, e->host, gai_strerror(rc));
        } else if (strcmp(e->host, "::") == 0) {
            text = arena_printf(&c->arena,
                                "clients are told to connect to %s://[::]:%d, which only works on this machine: set "
                                "advertised.listeners to an address or name they can reach",
                                e->name, e->port);
        }
        if (found) {
            freeaddrinfo(found);
        }
        if (text && warning_add(c, text)) {
            return; // no memory for a warning is no reason to stop
        }
    }
}

// ---- checks across keys --------------------------------------------------------------------------------------------

static enum err pairs_check(struct broker_config *c)
{
    static const struct {
        const char *smaller;
        const char *larger;
    } pairs[] = {
        {"replica.fetch.wait.max.ms", "replica.socket.timeout.ms"},
        {"replica.fetch.wait.max.ms", "replica.lag.time.max.ms"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (integer_of(c, pairs[i].smaller) > integer_of(c, pairs[i].larger)) {
            return fail(c, arena_printf(&c->arena, "%s=%s: allowed is at most %s=%s", pairs[i].smaller,
                                        broker_config_value(c, pairs[i].smaller), pairs[i].larger,
                                        broker_config_value(c, pairs[i].larger)));
        }
    }
    int32_t replicas = c->offsets_topic_replication_factor;
    if (c->offsets_commit_required_acks < -1 || c->offsets_commit_required_acks > replicas) {
        return fail(c, arena_printf(&c->arena,
                                    "offsets.commit.required.acks=%d: allowed is -1 to "
                                    "offsets.topic.replication.factor=%d",
                                    c->offsets_commit_required_acks, (int)replicas));
    }
    int64_t queued = c->queued_max_request_bytes;
    if (queued > 0 && queued < c->socket_request_max_bytes) {
        return fail(c, arena_printf(&c->arena,
                                    "queued.max.request.bytes=%lld: allowed is at least socket.request.max.bytes=%d, "
                                    "or -1 for no limit",
                                    (long long)queued, c->socket_request_max_bytes));
    }
    int64_t delay = integer_of(c, "connection.failed.authentication.delay.ms");
    if (c->connections_max_idle_ms >= 0 && delay >= c->connections_max_idle_ms) {
        return fail(c, arena_printf(&c->arena,
                                    "connections.max.idle.ms=%lld: allowed is more than "
                                    "connection.failed.authentication.delay.ms=%lld, or -1 for no limit",
                                    (long long)c->connections_max_idle_ms, (long long)delay));
    }
    return ERR_OK;
}

static bool is_true(const struct broker_config *c, const char *key)
{
    bool value = false;
    return java_boolean_parse(broker_config_value(c, key), &value) && value;
}

// A ZooKeeper may be reached by TLS or SASL, and its znodes protected by ACLs then; this version has neither.
static enum err zookeeper_fill(struct broker_config *c)
{
    const char *timeout = broker_config_value(c, "zookeeper.connection.timeout.ms");
    const char *connect = broker_config_value(c, "zookeeper.connect");
    c->zookeeper_connection_timeout_ms =
        timeout ? (int32_t)integer_of(c, "zookeeper.connection.timeout.ms") : c->zookeeper_session_timeout_ms;
    c->zookeeper_connect = connect && *connect ? connect : NULL;
    if (c->zookeeper_connect && is_true(c, "zookeeper.ssl.client.enable")) {
        return fail(c, "zookeeper.ssl.client.enable=true: TLS to ZooKeeper is not supported in this version");
    }
    if (c->zookeeper_connect && is_true(c, "zookeeper.set.acl")) {
        return fail(c, "zookeeper.set.acl=true: this needs a client that authenticates itself to ZooKeeper by SASL or "
                       "TLS, which this version does not");
    }
    return ERR_OK;
}

// ACLs are not enforced yet. With Kafka's own authorizer and no ACL, everybody may do everything when the file says so,
// and that is what this broker does; with any other wish it would be open where it should be closed.
static enum err authorizer_check(struct broker_config *c)
{
    const char *authorizer = broker_config_value(c, "authorizer.class.name");
    const char *zookeeper = broker_config_value(c, "zookeeper.connect");
    if (*authorizer == '\0') {
        return ERR_OK;
    }
    if (strcmp(authorizer, "kafka.security.authorizer.AclAuthorizer") != 0) {
        return fail(c, arena_printf(&c->arena,
                                    "authorizer.class.name=%s: classes cannot be loaded; allowed is "
                                    "kafka.security.authorizer.AclAuthorizer, or no value for a broker that is open "
                                    "to everybody",
                                    authorizer));
    }
    if (zookeeper && *zookeeper) {
        return fail(c, "authorizer.class.name: ACLs are not enforced in this version, and the cluster of "
                       "zookeeper.connect may have some; leave authorizer.class.name out for a broker that is open to "
                       "everybody");
    }
    return is_true(c, "allow.everyone.if.no.acl.found")
               ? ERR_OK
               : fail(c, "authorizer.class.name: ACLs are not enforced in this version, and without "
                         "allow.everyone.if.no.acl.found=true nobody but super.users may do anything; set that, or "
                         "leave authorizer.class.name out, for a broker that is open to everybody");
}

static enum err relations_check(struct broker_config *c)
{
    int64_t cleaners = integer_of(c, "log.cleaner.threads");
    int64_t dedupe = integer_of(c, "log.cleaner.dedupe.buffer.size");
    if (cleaners > 0 && dedupe / cleaners <= CLEANER_MIN_BYTES_PER_THREAD) {
        return fail(c, arena_printf(&c->arena,
                                    "log.cleaner.dedupe.buffer.size=%lld: more than 1 MiB for each of the "
                                    "log.cleaner.threads=%lld is needed",
                                    (long long)dedupe, (long long)cleaners));
    }
    const char *overrides = broker_config_value(c, "max.connections.per.ip.overrides");
    const char *refusal = config_overrides_refusal(overrides, &c->arena);
    if (refusal) {
        return fail(c, refusal);
    }
    if (integer_of(c, "max.connections.per.ip") == 0 && *overrides == '\0') {
        return fail(c, "max.connections.per.ip=0: without max.connections.per.ip.overrides "
                       "nobody could connect; allowed is 1 or more");
    }
    enum err err = authorizer_check(c);
    return err ? err : pairs_check(c);
}

// ---- the whole -----------------------------------------------------------------------------------------------------

static enum err fields_fill(struct broker_config *c)
{
    for (size_t i = 0; i < sizeof bindings / sizeof bindings[0]; i++) {
        field_fill(c, &bindings[i]);
    }
    enum err err = broker_id_fill(c);
    if (!err) {
        err = times_fill(c);
    }
    if (!err) {
        err = topic_texts_fill(c);
    }
    if (!err) {
        err = relations_check(c);
    }
    if (!err) {
        err = zookeeper_fill(c);
    }
    if (!err) {
        err = log_dirs_fill(c);
    }
    return err ? err : listeners_fill(c);
}

enum err broker_config_load(const struct os *os, const struct config_sources *from, struct broker_config *c)
{
    *c = (struct broker_config){.broker_id = -1};
    arena_init(&c->arena, CONFIG_ARENA_MAX_BYTES);
    c->values = arena_array(&c->arena, (size_t)config_key_count(), sizeof *c->values);
    c->given = arena_array(&c->arena, (size_t)config_key_count(), sizeof *c->given);
    if (!c->values || !c->given) {
        return fail(c, NULL);
    }
    enum err err = from->path ? file_read(os, from->path, c) : ERR_OK;
    if (!err) {
        err = environment_read(from->environment, c);
    }
    if (!err) {
        err = overrides_apply(from->overrides, from->n_overrides, c);
    }
    if (err) {
        return err;
    }
    defaults_apply(from->path == NULL, c);
    err = values_check(c);
    return err ? err : fields_fill(c);
}

void broker_config_release(struct broker_config *c)
{
    arena_release(&c->arena);
    *c = (struct broker_config){.broker_id = -1};
}
