// SPDX-License-Identifier: Apache-2.0
//
// Builds the rooms from the configuration, in order, and takes them down in the opposite order. Every step can be
// taken down in the state the one before it left, so a start that fails half-way cleans up like a stop.
#include "broker/broker.h"

#include "base/assert.h"
#include "base/logging.h"
#include "base/pool.h"
#include "broker/api/fetch_session.h"
#include "broker/api/request.h"
#include "broker/connections.h"
#include "broker/key_table.h"
#include "broker/net/errand.h"
#include "broker/txn/producer_ids.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#define KEYS_ARENA_LIMIT ((size_t)64 * 1024 * 1024)
#define MAX_FETCHERS     32 // threads; num.replica.fetchers beyond it buys nothing

struct broker {
    const struct broker_config *config;
    const struct os *os;
    struct pool *pool;
    struct log_dirs *dirs;
    const char *tree_dir; // where the embedded tree of znodes lies; NULL with a ZooKeeper
    bool logs_clean;      // what lies in the directories needs no recovery
    struct replica_manager *replicas;
    struct loop **loops;
    int n_loops;
    struct conn_limits *limits;
    struct intake *intake;
    bool configs_end; // [control] the listeners go: changes of configs do not reach them any more
    struct listener **listeners;
    int n_listeners;
    struct metadata_endpoint endpoints[CONFIG_MAX_LISTENERS]; // advertised, with bound ports
    int32_t endpoints_count;
    struct topic_config topic_defaults;
    struct arena keys_arena;
    struct broker_keys keys;
    struct cluster *cluster;
    struct errand errand; // of main, on the control loop
    bool background;      // the replica manager's timers run on the control loop
    enum err background_err;
    struct producer_ids *producer_ids;
    struct fetch_sessions *fetch_sessions;
    struct coordinator *groups;
    struct api_options api_options;
    struct api_context api;
    struct log_limit refusals;
    struct log_dir_meta meta; // of the directories, as found
    int32_t id;
};

// ---- work on the control loop ----

static void background_begin(void *ctx)
{
    struct broker *b = ctx;
    b->background_err = replica_manager_start(b->replicas, b->cluster);
}

static void background_end(void *ctx)
{
    struct broker *b = ctx;
    replica_manager_stop(b->replicas);
}

// ---- settings ----

static enum topic_compression compression_of(const char *name)
{
    static const char *const names[] = {
        [TOPIC_COMPRESSION_PRODUCER] = "producer", [TOPIC_COMPRESSION_UNCOMPRESSED] = "uncompressed",
        [TOPIC_COMPRESSION_GZIP] = "gzip",         [TOPIC_COMPRESSION_SNAPPY] = "snappy",
        [TOPIC_COMPRESSION_LZ4] = "lz4",           [TOPIC_COMPRESSION_ZSTD] = "zstd",
    };
    size_t i = 0;
    while (strcasecmp(names[i], name) != 0) {
        i++; // the configuration lets no other name through
        ASSERT(i < sizeof names / sizeof names[0]);
    }
    return (enum topic_compression)i;
}

// server.properties' defaults for topics.
static void topic_defaults_fill(const struct broker_config *c, struct topic_config *t)
{
    topic_config_init(t);
    t->segment_bytes = c->segment_bytes;
    t->segment_ms = c->segment_ms;
    t->segment_jitter_ms = c->segment_jitter_ms;
    t->segment_index_bytes = c->segment_index_bytes;
    t->index_interval_bytes = c->index_interval_bytes;
    t->retention_bytes = c->retention_bytes;
    t->retention_ms = c->retention_ms;
    t->flush_messages = c->flush_messages;
    t->flush_ms = c->flush_ms;
    t->file_delete_delay_ms = c->file_delete_delay_ms;
    t->delete_retention_ms = c->delete_retention_ms;
    t->min_compaction_lag_ms = c->min_compaction_lag_ms;
    t->max_compaction_lag_ms = c->max_compaction_lag_ms;
    t->min_cleanable_dirty_ratio = c->min_cleanable_dirty_ratio;
    t->max_message_bytes = c->max_message_bytes;
    t->min_insync_replicas = c->min_insync_replicas;
    t->timestamp_before_max_ms = c->timestamp_before_max_ms;
    t->timestamp_after_max_ms = c->timestamp_after_max_ms;
    t->timestamp_difference_max_ms = c->timestamp_difference_max_ms;
    t->timestamp_append_time = c->timestamp_append_time;
    t->preallocate = c->preallocate;
    t->unclean_leader_election = c->unclean_leader_election;
    t->message_downconversion = c->message_downconversion;
    t->cleanup_delete = c->cleanup_delete;
    t->cleanup_compact = c->cleanup_compact;
    t->compression = compression_of(c->compression_type);
    t->compression_gzip_level = c->compression_gzip_level;
    t->compression_lz4_level = c->compression_lz4_level;
    t->compression_zstd_level = c->compression_zstd_level;
}

static struct group_options group_options_of(const struct broker_config *c)
{
    return (struct group_options){
        .min_session_timeout_ms = c->group_min_session_timeout_ms,
        .max_session_timeout_ms = c->group_max_session_timeout_ms,
        .initial_rebalance_delay_ms = c->group_initial_rebalance_delay_ms,
        .max_size = c->group_max_size,
        .offset_metadata_max = c->offset_metadata_max_bytes,
        .offsets_retention_ms = (int64_t)c->offsets_retention_minutes * 60 * 1000,
    };
}

static void api_fill(struct broker *b)
{
    const struct broker_config *c = b->config;
    b->api_options = (struct api_options){
        .broker_id = b->id,
        .fetch_max_bytes = c->fetch_max_bytes,
        .num_partitions = c->num_partitions,
        .default_replication_factor = c->default_replication_factor,
        .auto_create_topics = c->auto_create_topics,
        .rack_aware_reads = c->rack_aware_reads,
        .delete_topics = c->delete_topics,
        .group = group_options_of(c),
        .offsets_topic =
            {
                .partitions = c->offsets_topic_num_partitions,
                .replication_factor = c->offsets_topic_replication_factor,
                .segment_bytes = c->offsets_topic_segment_bytes,
                .replication_factor_key = "offsets.topic.replication.factor",
            },
        .transactions_topic =
            {
                .partitions = c->transaction_log_num_partitions,
                .replication_factor = c->transaction_log_replication_factor,
                .segment_bytes = c->transaction_log_segment_bytes,
                .min_insync_replicas = c->transaction_log_min_isr,
                .uncompressed = true,
                .replication_factor_key = "transaction.state.log.replication.factor",
            },
    };
    b->api = (struct api_context){
        .os = b->os,
        .cluster = b->cluster,
        .replicas = b->replicas,
        .producer_ids = b->producer_ids,
        .fetch_sessions = b->fetch_sessions,
        .groups = b->groups,
        .pool = b->pool,
        .options = &b->api_options,
        .refusals = &b->refusals,
    };
}

// ---- the steps of building ----

static enum err keys_take(struct broker *b)
{
    const char *why = NULL;
    enum err e = key_table_build(b->config, &b->keys_arena, &b->keys);
    if (e == ERR_OK) {
        e = key_table_check(&b->keys, &b->keys_arena, &why);
    }
    if (why != NULL) {
        log_error("config", "%s", why);
    }
    return e;
}

// The embedded tree of znodes lies where it was made: in the first of the log directories at that time. A broker that
// cannot find it must not make another one, which would be an empty cluster with the old one's records.
static enum err tree_find(struct broker *b)
{
    const char *found = NULL;
    b->tree_dir = log_dirs_path(b->dirs, 0);
    if (b->config->zookeeper_connect != NULL) {
        return ERR_OK;
    }
    for (int32_t i = 0; i < log_dirs_count(b->dirs); i++) {
        const char *path = log_dirs_path(b->dirs, i);
        if (!log_dirs_online(b->dirs, i) || !cluster_tree_exists(b->os, path)) {
            continue;
        }
        if (found != NULL) {
            log_error("broker", "there are ottla-znodes.* in %s and in %s: move those away that are not this cluster's",
                      found, path);
            return ERR_INVALID;
        }
        found = path;
    }
    if (found == NULL && log_dirs_online_count(b->dirs) < log_dirs_count(b->dirs)) {
        log_error("broker",
                  "the znodes of this cluster (ottla-znodes.*) lie in no log directory that can be used: mend "
                  "the one that cannot, or put a backup of these files into another one");
        return ERR_FAILED;
    }
    b->tree_dir = found != NULL ? found : b->tree_dir;
    return ERR_OK;
}

// What an embedded tree left does not count for a broker whose tree is in ZooKeeper.
static void tree_warn(const struct broker *b)
{
    for (int32_t i = 0; i < log_dirs_count(b->dirs); i++) {
        const char *path = log_dirs_path(b->dirs, i);
        if (log_dirs_online(b->dirs, i) && cluster_tree_exists(b->os, path)) {
            log_warn("broker", "the znodes in %s (ottla-znodes.*) are not looked at, as zookeeper.connect is set",
                     path);
        }
    }
}

static enum err directories_open(struct broker *b)
{
    const struct broker_config *c = b->config;
    enum err e = log_dirs_open(b->os, c->log_dirs, c->log_dirs_count, &b->dirs); // says what is wrong itself
    if (e == ERR_OK) {
        b->logs_clean = log_dirs_were_clean(b->dirs);
        if (c->zookeeper_connect != NULL) {
            tree_warn(b);
        } else {
            e = tree_find(b);
        }
    }
    return e;
}

// The id of the config, of meta.properties, or -1 when one is to be generated. Both must agree.
static enum err identity_agree(struct broker *b)
{
    const struct broker_config *c = b->config;
    enum err e = log_dirs_meta(b->dirs, &b->meta);
    if (e != ERR_OK) {
        return e;
    }
    int32_t stored = b->meta.broker_id;
    b->id = c->broker_id >= 0 ? c->broker_id : stored;
    if (c->broker_id >= 0 && stored >= 0 && stored != c->broker_id) {
        log_error("broker",
                  "broker.id=%d, but %s/meta.properties says %d: leave broker.id out to be broker %d again, or use "
                  "the log directories of broker %d",
                  (int)c->broker_id, log_dirs_path(b->dirs, 0), (int)stored, (int)stored, (int)c->broker_id);
        return ERR_INVALID;
    }
    if (b->id < 0 && !c->broker_id_generation) {
        log_error("broker", "broker.id is not set and broker.id.generation.enable=false: set broker.id to 0 or more");
        return ERR_INVALID;
    }
    return ERR_OK;
}

static void directory_failed(void *ctx)
{
    struct broker *b = ctx;
    if (log_dirs_online_count(b->dirs) == 0) {
        log_error("broker", "all log directories have failed: records can only be read until a restart");
    }
    cluster_log_dir_failed(b->cluster);
}

static struct fetch_settings fetch_settings_of(const struct broker_config *c)
{
    int threads = c->num_replica_fetchers < MAX_FETCHERS ? c->num_replica_fetchers : MAX_FETCHERS;
    return (struct fetch_settings){
        .threads = threads > 1 ? threads : 1,
        .wait_max_ms = c->replica_fetch_wait_max_ms,
        .min_bytes = c->replica_fetch_min_bytes,
        .max_bytes = c->replica_fetch_max_bytes,
        .response_max_bytes = c->replica_fetch_response_max_bytes,
        .backoff_ms = c->replica_fetch_backoff_ms,
        .socket_timeout_ms = c->replica_socket_timeout_ms,
        .receive_buffer_bytes = c->replica_socket_receive_buffer_bytes,
    };
}

static enum err replicas_open(struct broker *b)
{
    const struct broker_config *c = b->config;
    enum err e = replica_manager_open(
        &(struct replica_manager_options){
            .os = b->os,
            .dirs = b->dirs,
            .pool = b->pool,
            .broker_id = b->id,
            .recovery_threads = c->num_recovery_threads,
            .move_threads = c->num_move_threads,
            .producer_id_expiration_ms = c->producer_id_expiration_ms,
            .producer_expiry_check_ms = c->producer_id_expiration_check_interval_ms,
            .retention_check_ms = c->retention_check_interval_ms,
            .initial_delay_ms = c->initial_task_delay_ms,
            .flush_check_ms = c->flush_scheduler_interval_ms,
            .checkpoint_ms = c->flush_offset_checkpoint_interval_ms,
            .log_start_checkpoint_ms = c->flush_start_offset_checkpoint_interval_ms,
            .replica_lag_max_ms = c->replica_lag_time_max_ms,
            .high_watermark_checkpoint_ms = c->high_watermark_checkpoint_interval_ms,
            .fetch = fetch_settings_of(c),
            .throttle =
                {
                    .windows = c->replication_quota_windows,
                    .window_seconds = c->replication_quota_window_seconds,
                    .moves_windows = c->moves_quota_windows,
                    .moves_window_seconds = c->moves_quota_window_seconds,
                },
            .inter_broker_listener = c->inter_broker_listener,
            .dir_failed = directory_failed,
            .dir_failed_ctx = b,
        },
        &b->replicas);
    b->logs_clean = false; // until they are closed
    if (e != ERR_OK) {
        log_error("broker", "cannot load the logs: %s", err_text(e));
    }
    return e;
}

static enum err groups_open(struct broker *b)
{
    const struct broker_config *c = b->config;
    enum err e = coordinator_open(
        &(struct coordinator_options){
            .os = b->os,
            .replicas = b->replicas,
            .pool = b->pool,
            .group = group_options_of(c),
            .required_acks = c->offsets_commit_required_acks,
            .commit_timeout_ms = c->offsets_commit_timeout_ms,
            .load_buffer_bytes = c->offsets_load_buffer_size,
            .retention_check_ms = c->offsets_retention_check_interval_ms,
        },
        &b->groups);
    if (e == ERR_OK) {
        coordinator_set_broker_id(b->groups, b->id);
    }
    return e;
}

static enum err loops_start(struct broker *b)
{
    b->loops = calloc((size_t)b->config->num_network_threads, sizeof *b->loops);
    enum err e = b->loops ? ERR_OK : ERR_NO_MEMORY;
    while (e == ERR_OK && b->n_loops < b->config->num_network_threads) {
        char name[16];
        snprintf(name, sizeof name, "net-%d", b->n_loops);
        e = loop_new(name, b->os, &b->loops[b->n_loops]);
        if (e == ERR_OK) {
            e = loop_start(b->loops[b->n_loops++]);
        }
    }
    return e;
}

// A connection of the brokers among themselves came in that may be one too many.
static void on_excess(void *ctx)
{
    struct broker *b = ctx;
    for (int i = 0; i < b->n_listeners; i++) {
        listener_close_excess(b->listeners[i]);
    }
}

static void on_broker_configs(void *ctx, const struct config_view *v)
{
    struct broker *b = ctx;
    replica_manager_configure(b->replicas, v);
    if (!b->configs_end) {
        connections_configure(v, b->limits, b->listeners, b->n_listeners);
    }
}

static void configs_end(void *ctx)
{
    struct broker *b = ctx;
    b->configs_end = true;
}

static enum err listeners_bind(struct broker *b)
{
    const struct broker_config *c = b->config;
    struct conn_handler handler;
    request_conn_handler(&b->api, &handler);
    b->listeners = calloc((size_t)c->listeners_count, sizeof *b->listeners);
    enum err e = b->listeners ? conn_limits_new(&b->limits) : ERR_NO_MEMORY;
    if (e == ERR_OK) {
        e = intake_new(
            &(struct intake_options){.max_queued = c->queued_max_requests,
                                     .max_bytes = c->queued_max_request_bytes > 0 ? c->queued_max_request_bytes : -1},
            &b->intake);
    }
    for (int32_t i = 0; e == ERR_OK && i < c->listeners_count; i++) {
        struct listener_options o = {
            .name = c->listeners[i].name,
            .host = c->listeners[i].host,
            .port = c->listeners[i].port,
            .backlog = c->socket_listen_backlog,
            .send_buffer_bytes = c->socket_send_buffer_bytes,
            .receive_buffer_bytes = c->socket_receive_buffer_bytes,
            .max_frame_bytes = c->socket_request_max_bytes,
            .max_idle_ms = c->connections_max_idle_ms,
            .limits = b->limits,
            .intake = b->intake,
            .privileged = c->listeners_count > 1 && strcmp(c->listeners[i].name, c->inter_broker_listener) == 0,
            .loops = b->loops,
            .n_loops = b->n_loops,
            .handler = &handler,
        };
        e = listener_open(&o, &b->listeners[i]);
        if (e == ERR_OK) {
            listener_on_excess(b->listeners[b->n_listeners++], on_excess, b);
        }
    }
    return e;
}

static uint16_t bound_port(const struct broker *b, const char *listener)
{
    for (int i = 0; i < b->n_listeners; i++) {
        if (strcmp(listener_name(b->listeners[i]), listener) == 0) {
            return listener_port(b->listeners[i]);
        }
    }
    return 0;
}

static void endpoints_fill(struct broker *b)
{
    const struct broker_config *c = b->config;
    for (int32_t i = 0; i < c->advertised_count; i++) {
        const struct config_endpoint *a = &c->advertised[i];
        b->endpoints[b->endpoints_count++] = (struct metadata_endpoint){
            .listener = a->name, .host = a->host, .port = a->port ? a->port : bound_port(b, a->name)};
    }
}

static enum err cluster_join(struct broker *b)
{
    const struct broker_config *c = b->config;
    endpoints_fill(b);
    topic_defaults_fill(c, &b->topic_defaults);
    enum err e = cluster_open(
        &(struct cluster_options){
            .os = b->os,
            .zk_dir = b->tree_dir,
            .zookeeper_connect = c->zookeeper_connect,
            .zookeeper_session_timeout_ms = c->zookeeper_session_timeout_ms,
            .zookeeper_connection_timeout_ms = c->zookeeper_connection_timeout_ms,
            .zookeeper_max_in_flight = c->zookeeper_max_in_flight,
            .broker_id = b->id,
            .reserved_broker_max_id = c->reserved_broker_max_id,
            .cluster_id = b->meta.cluster_id,
            .rack = c->rack,
            .endpoints = b->endpoints,
            .endpoints_count = b->endpoints_count,
            .inter_broker_listener = c->inter_broker_listener,
            .pool = b->pool,
            .controller_timeout_ms = c->controller_socket_timeout_ms,
            .leader_imbalance_percent = c->leader_imbalance_percentage,
            .leader_imbalance_check_ms = c->auto_leader_rebalance ? c->leader_imbalance_check_seconds * 1000 : 0,
            .num_partitions = c->num_partitions,
            .default_replication_factor = c->default_replication_factor,
            .delete_topics = c->delete_topics,
            .topic_defaults = &b->topic_defaults,
            .keys = &b->keys,
            .hooks = coordinator_hooks(b->groups, replica_manager_hooks(b->replicas)),
            .broker_configs = on_broker_configs,
            .broker_configs_ctx = b,
        },
        &b->cluster);
    if (e != ERR_OK) {
        log_error("broker", "cannot join the cluster: %s", err_text(e));
        return e;
    }
    b->id = cluster_broker_id(b->cluster);
    replica_manager_set_broker_id(b->replicas, b->id);
    coordinator_set_broker_id(b->groups, b->id);
    log_dirs_set_meta(b->dirs, b->id, cluster_id(b->cluster));
    return ERR_OK;
}

static enum err serve(struct broker *b)
{
    enum err e = producer_ids_new(b->cluster, &b->producer_ids);
    if (e == ERR_OK) {
        e = fetch_sessions_new(b->os, b->config->fetch_session_slots, &b->fetch_sessions);
    }
    if (e == ERR_OK) {
        b->background = true;
        e = errand_do(&b->errand, cluster_loop(b->cluster), background_begin, b, ERRAND_PATIENT);
    }
    if (e == ERR_OK) {
        e = b->background_err;
    }
    if (e != ERR_OK) {
        return e;
    }
    api_fill(b);
    for (int i = 0; i < b->n_listeners; i++) {
        listener_start(b->listeners[i]);
    }
    return ERR_OK;
}

enum err broker_open(const struct broker_config *config, const struct os *os, struct broker **out)
{
    static enum err (*const steps[])(struct broker * b) = {
        keys_take,   directories_open, identity_agree, replicas_open, groups_open,
        loops_start, listeners_bind,   cluster_join,   serve,
    };
    struct broker *b = calloc(1, sizeof *b);
    if (!b) {
        return ERR_NO_MEMORY;
    }
    b->config = config;
    b->os = os;
    b->id = -1;
    arena_init(&b->keys_arena, KEYS_ARENA_LIMIT);
    enum err e = pool_new(config->num_io_threads, &b->pool);
    for (size_t i = 0; e == ERR_OK && i < sizeof steps / sizeof steps[0]; i++) {
        e = steps[i](b);
    }
    if (e != ERR_OK) {
        if (broker_close(b) != ERR_OK) {
            log_warn("broker", "logs were not closed cleanly and will be recovered at the next start");
        }
        return e;
    }
    *out = b;
    return ERR_OK;
}

// ---- taking down ----

// While a thread runs that owns half of it, the broker cannot be taken down any further.
static void control_expect(enum err e)
{
    if (e != ERR_OK) {
        log_error("broker",
                  "the control thread has not answered for %d s: ending as if killed; the next start recovers",
                  BROKER_CONTROL_PATIENCE_MS / 1000);
        _exit(EXIT_FAILURE);
    }
}

static void control_call(struct broker *b, void (*fn)(void *ctx))
{
    control_expect(errand_do(&b->errand, cluster_loop(b->cluster), fn, b, BROKER_CONTROL_PATIENCE_MS));
}

static void listeners_close(struct broker *b)
{
    if (b->cluster) {
        control_call(b, configs_end);
    }
    for (int i = 0; i < b->n_listeners; i++) {
        listener_drain(b->listeners[i], BROKER_DRAIN_MS);
    }
    for (int i = 0; i < b->n_listeners; i++) {
        listener_close(b->listeners[i]);
    }
    if (b->pool) {
        pool_drain(b->pool); // who still works for a request of a loop posts its wake before the loop ends
    }
    for (int i = 0; i < b->n_loops; i++) {
        loop_stop(b->loops[i]); // runs the wakes of requests that went away meanwhile
    }
}

static void cluster_leave(struct broker *b)
{
    if (!b->cluster) {
        return;
    }
    if (b->background) {
        control_call(b, background_end);
    }
    if (b->producer_ids) {
        producer_ids_free(b->producer_ids);
    }
    control_expect(cluster_close(b->cluster, BROKER_CONTROL_PATIENCE_MS));
}

enum err broker_close(struct broker *b)
{
    enum err e = ERR_OK;
    if (b->background && b->config->controlled_shutdown) {
        cluster_ask_leave(b->cluster, b->config->controlled_shutdown_max_retries,
                          b->config->controlled_shutdown_retry_backoff_ms, BROKER_LEAVE_MAX_MS);
    }
    listeners_close(b);
    cluster_leave(b);
    if (b->groups) {
        coordinator_close(b->groups);
    }
    if (b->replicas) {
        e = replica_manager_close(b->replicas);
        b->logs_clean = true; // each directory knows better of itself
    }
    if (b->pool) {
        pool_free(b->pool);
    }
    if (b->dirs) {
        log_dirs_close(b->dirs, b->logs_clean);
    }
    for (int i = 0; i < b->n_loops; i++) {
        loop_free(b->loops[i]);
    }
    fetch_sessions_free(b->fetch_sessions); // requests are gone since the loops have stopped
    arena_release(&b->keys_arena);
    conn_limits_free(b->limits);
    intake_free(b->intake);
    free(b->listeners);
    free(b->loops);
    free(b);
    return e;
}

int32_t broker_id(const struct broker *b)
{
    return b->id;
}

bool broker_address(const struct broker *b, int32_t i, const char **listener, const char **host, uint16_t *port)
{
    if (i >= b->endpoints_count) {
        return false;
    }
    *listener = b->endpoints[i].listener;
    *host = b->endpoints[i].host;
    *port = (uint16_t)b->endpoints[i].port;
    return true;
}
