// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "broker/api/tests/api_rig.h"

#include "base/crc32c.h"
#include "base/tests/cmocka_all.h"
#include "broker/cluster/metadata_builder.h"
#include "broker/net/errand.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RIG_BROKER_ID = 7,
    RIG_PARTITION_BYTES = 1024 * 1024,
    RIG_MAX_QUEUED = 3, // so that tests come past it
    BATCH_HEADER_BYTES = 61,
    FRAME_MAX_BYTES = 64 * 1024 * 1024,
    RIG_DIRS_MAX = 3,
    RIG_OFFSETS_PARTITIONS = 3,
};

// ---- the broker's side ----

static void directory_failed(void *ctx)
{
    struct api_rig *rig = ctx;
    cluster_log_dir_failed(rig->cluster);
}

static void directories_open(struct api_rig *rig)
{
    char paths[RIG_DIRS_MAX][TEST_PATH_MAX_BYTES];
    const char *list[RIG_DIRS_MAX] = {rig->dir};
    for (int32_t i = 0; i < rig->dirs_count && rig->dirs_count > 1; i++) {
        char name[16];
        snprintf(name, sizeof name, "log-%d", (int)i);
        test_path(paths[i], rig->dir, name);
        list[i] = paths[i];
    }
    assert_int_equal(log_dirs_open(os_real(), list, rig->dirs_count, &rig->log_dirs), ERR_OK);
}

static void replicas_open(struct api_rig *rig)
{
    assert_int_equal(pool_new(2, &rig->pool), ERR_OK);
    struct replica_manager_options o = {
        .os = os_real(),
        .dirs = rig->log_dirs,
        .pool = rig->pool,
        .broker_id = RIG_BROKER_ID,
        .recovery_threads = 1,
        .move_threads = 2,
        .producer_id_expiration_ms = 86400000,
        .producer_expiry_check_ms = INT64_MAX,
        .retention_check_ms = INT64_MAX,
        .initial_delay_ms = INT64_MAX,
        .flush_check_ms = INT64_MAX,
        .checkpoint_ms = INT64_MAX,
        .log_start_checkpoint_ms = INT64_MAX,
        .high_watermark_checkpoint_ms = INT64_MAX,
        .fetch = {.threads = 1, .backoff_ms = 10, .socket_timeout_ms = 10000, .receive_buffer_bytes = -1},
        .throttle = {11, 1, 11, 1},
        .inter_broker_listener = "PLAINTEXT",
        .dir_failed = directory_failed,
        .dir_failed_ctx = rig,
    };
    assert_int_equal(replica_manager_open(&o, &rig->replicas), ERR_OK);
}

// Rebalances begin at once, and __consumer_offsets is small.
static void groups_open(struct api_rig *rig)
{
    group_options_init(&rig->options.group);
    rig->options.group.initial_rebalance_delay_ms = 0;
    rig->options.offsets_topic = (struct internal_topic){
        .partitions = RIG_OFFSETS_PARTITIONS, .replication_factor = 1, .segment_bytes = 1024 * 1024};
    struct coordinator_options o = {
        .os = os_real(),
        .replicas = rig->replicas,
        .pool = rig->pool,
        .group = rig->options.group,
        .required_acks = -1,
        .commit_timeout_ms = 5000,
        .load_buffer_bytes = 64 * 1024,
        .retention_check_ms = INT64_MAX,
    };
    assert_int_equal(coordinator_open(&o, &rig->groups), ERR_OK);
    coordinator_set_broker_id(rig->groups, RIG_BROKER_ID);
}

static void listener_bind(struct api_rig *rig)
{
    struct conn_handler handler;
    const struct intake_options intake = {.max_bytes = -1, .max_queued = RIG_MAX_QUEUED};
    request_conn_handler(&rig->ctx, &handler);
    struct listener_options o = {
        .name = "PLAINTEXT",
        .host = "127.0.0.1",
        .backlog = 50,
        .send_buffer_bytes = -1,
        .receive_buffer_bytes = -1,
        .max_frame_bytes = FRAME_MAX_BYTES,
        .max_idle_ms = -1,
        .loops = &rig->loop,
        .n_loops = 1,
        .handler = &handler,
    };
    assert_int_equal(conn_limits_new(&rig->limits), ERR_OK);
    o.limits = rig->limits;
    assert_int_equal(intake_new(&intake, &rig->intake), ERR_OK);
    o.intake = rig->intake;
    assert_int_equal(loop_new("rig", os_real(), &rig->loop), ERR_OK);
    assert_int_equal(loop_start(rig->loop), ERR_OK);
    assert_int_equal(listener_open(&o, &rig->listener), ERR_OK);
}

static void cluster_join(struct api_rig *rig)
{
    static const struct broker_key rows[] = {
        {.name = "log.retention.ms", .type = BROKER_KEY_LONG, .scope = BROKER_KEY_CLUSTER_WIDE},
        {.name = "message.max.bytes",
         .type = BROKER_KEY_INT,
         .scope = BROKER_KEY_CLUSTER_WIDE,
         .default_value = "1048588",
         .has_min = true},
        {.name = "num.partitions",
         .type = BROKER_KEY_INT,
         .default_value = "1",
         .given = "4",
         .has_min = true,
         .min = 1},
        {.name = "ssl.key.password", .type = BROKER_KEY_PASSWORD, .scope = BROKER_KEY_PER_LISTENER, .given = "secret"},
    };
    static const struct broker_keys keys = {rows, sizeof rows / sizeof rows[0]};
    struct metadata_endpoint endpoint = {
        .listener = "PLAINTEXT", .host = "127.0.0.1", .port = listener_port(rig->listener)};
    topic_config_init(&rig->defaults);
    struct cluster_options o = {
        .os = os_real(),
        .zk_dir = rig->dir,
        .broker_id = RIG_BROKER_ID,
        .reserved_broker_max_id = 1000,
        .cluster_id = "",
        .endpoints = &endpoint,
        .endpoints_count = 1,
        .inter_broker_listener = "PLAINTEXT",
        .num_partitions = 1,
        .default_replication_factor = 1,
        .delete_topics = true,
        .topic_defaults = &rig->defaults,
        .keys = &keys,
        .hooks = coordinator_hooks(rig->groups, replica_manager_hooks(rig->replicas)),
    };
    assert_int_equal(cluster_open(&o, &rig->cluster), ERR_OK);
    assert_int_equal(producer_ids_new(rig->cluster, &rig->producer_ids), ERR_OK);
    assert_int_equal(fetch_sessions_new(os_real(), RIG_FETCH_SESSIONS, &rig->fetch_sessions), ERR_OK);
}

static void on_control(struct api_rig *rig, void (*fn)(void *ctx))
{
    struct errand e = {.under_way = false};
    assert_int_equal(errand_do(&e, cluster_loop(rig->cluster), fn, rig, ERRAND_PATIENT), ERR_OK);
}

static void background_begin(void *ctx)
{
    struct api_rig *rig = ctx;
    assert_int_equal(replica_manager_start(rig->replicas, rig->cluster), ERR_OK);
}

static void background_end(void *ctx)
{
    struct api_rig *rig = ctx;
    replica_manager_stop(rig->replicas);
}

static void rig_open(struct api_rig *rig, int32_t count, const struct os *os)
{
    *rig = (struct api_rig){.dir = test_dir_new(), .dirs_count = count};
    arena_init(&rig->arena, 256 * 1024 * 1024);
    rig->options = (struct api_options){
        .broker_id = RIG_BROKER_ID,
        .fetch_max_bytes = 57671680,
        .num_partitions = 1,
        .default_replication_factor = 1,
        .auto_create_topics = true,
        .delete_topics = true,
    };
    directories_open(rig);
    replicas_open(rig);
    groups_open(rig);
    listener_bind(rig);
    cluster_join(rig);
    on_control(rig, background_begin);
    rig->ctx = (struct api_context){
        .os = os,
        .cluster = rig->cluster,
        .replicas = rig->replicas,
        .producer_ids = rig->producer_ids,
        .fetch_sessions = rig->fetch_sessions,
        .groups = rig->groups,
        .pool = rig->pool,
        .options = &rig->options,
        .refusals = &rig->refusals,
    };
    listener_start(rig->listener);
}

void api_rig_open(struct api_rig *rig)
{
    rig_open(rig, 1, os_real());
}

void api_rig_open_on(struct api_rig *rig, const struct os *os)
{
    rig_open(rig, 1, os);
}

void api_rig_open_dirs(struct api_rig *rig, int32_t count)
{
    rig_open(rig, count, os_real());
}

void api_rig_close(struct api_rig *rig)
{
    listener_close(rig->listener);
    loop_stop(rig->loop);
    producer_ids_free(rig->producer_ids);
    fetch_sessions_free(rig->fetch_sessions);
    on_control(rig, background_end);
    assert_int_equal(cluster_close(rig->cluster, INT64_MAX), ERR_OK);
    coordinator_close(rig->groups);
    bool all_online = log_dirs_online_count(rig->log_dirs) == rig->dirs_count;
    enum err closed = replica_manager_close(rig->replicas);
    assert_true(closed == ERR_OK || !all_online);
    pool_free(rig->pool);
    log_dirs_close(rig->log_dirs, true);
    loop_free(rig->loop);
    conn_limits_free(rig->limits);
    intake_free(rig->intake);
    arena_release(&rig->arena);
    test_dir_remove(rig->dir);
}

// ---- the client's side ----

int rig_connect(const struct api_rig *rig)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(listener_port(rig->listener))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

void rig_write(int fd, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

static void rig_read(int fd, void *buf, size_t len)
{
    uint8_t *p = buf;
    while (len > 0) {
        ssize_t n = recv(fd, p, len, 0);
        assert_true(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

int32_t rig_send(struct api_rig *rig, int fd, int16_t key, int16_t version, const void *body)
{
    struct writer w;
    struct request_header header = {.request_api_key = key,
                                    .request_api_version = version,
                                    .correlation_id = ++rig->correlation_id,
                                    .client_id = slice_str("rig")};
    writer_init(&w, 256, FRAME_MAX_BYTES);
    writer_u32(&w, 0);
    enum err e = message_encode(&request_header_desc, protocol_request_header_version(key, version), &header, &w, NULL);
    assert_int_equal(e, ERR_OK);
    assert_int_equal(message_encode(protocol_api_find(key)->request, version, body, &w, NULL), ERR_OK);
    store_be32(w.data, (uint32_t)(w.len - 4));
    rig_write(fd, w.data, w.len);
    writer_release(&w);
    return rig->correlation_id;
}

void *rig_receive(struct api_rig *rig, int fd, int16_t key, int16_t version, int32_t correlation_id)
{
    uint8_t head[4];
    rig_read(fd, head, 4);
    size_t len = load_be32(head);
    assert_true(len <= FRAME_MAX_BYTES);
    uint8_t *frame = arena_alloc(&rig->arena, len);
    assert_non_null(frame);
    rig_read(fd, frame, len);
    struct reader in = reader_of(slice_of(frame, len));
    struct response_header header;
    enum err e = message_decode(&response_header_desc, protocol_response_header_version(key, version), &in, &rig->arena,
                                &header);
    assert_int_equal(e, ERR_OK);
    assert_int_equal(header.correlation_id, correlation_id);
    const struct message_desc *m = protocol_api_find(key)->response;
    void *out = arena_alloc(&rig->arena, message_struct_size(m));
    assert_non_null(out);
    message_init(m, out);
    assert_int_equal(message_decode(m, version, &in, &rig->arena, out), ERR_OK);
    assert_int_equal(reader_left(&in), 0);
    return out;
}

void *rig_call(struct api_rig *rig, int fd, int16_t key, int16_t version, const void *body)
{
    return rig_receive(rig, fd, key, version, rig_send(rig, fd, key, version, body));
}

void rig_expect_end(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
}

void rig_create_topic(struct api_rig *rig, int fd, const char *name, int32_t partitions)
{
    rig_create_topic_with(rig, fd, name, partitions, NULL, NULL);
}

void rig_create_topic_with(struct api_rig *rig, int fd, const char *name, int32_t partitions, const char *key,
                           const char *value)
{
    struct create_topics_request in;
    struct create_topics_request_creatable_topic topic;
    struct create_topics_request_creatable_topic_config config;
    create_topics_request_init(&in);
    create_topics_request_creatable_topic_init(&topic);
    topic.name = slice_str(name);
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    if (key != NULL) {
        create_topics_request_creatable_topic_config_init(&config);
        config.name = slice_str(key);
        config.value = slice_str(value);
        topic.configs = &config;
        topic.configs_count = 1;
    }
    in.topics = &topic;
    in.topics_count = 1;
    const struct create_topics_response *out = rig_call(rig, fd, 19, 7, &in);
    assert_int_equal(out->topics_count, 1);
    assert_int_equal(out->topics[0].error_code, KAFKA_ERROR_NONE);
}

// A batch v2 of one record without key, by a producer without id.
static struct slice batch_make(struct api_rig *rig, const char *value)
{
    int32_t len = (int32_t)strlen(value);
    uint8_t *b = arena_alloc(&rig->arena, BATCH_HEADER_BYTES + strlen(value) + 32);
    assert_non_null(b);
    struct writer w;
    writer_init_fixed(&w, b + BATCH_HEADER_BYTES, strlen(value) + 32);
    writer_varint(&w, (int32_t)(1 + 1 + 1 + 1 + varint_size(len) + strlen(value) + 1));
    writer_u8(&w, 0);      // attributes
    writer_varlong(&w, 0); // timestamp delta
    writer_varint(&w, 0);  // offset delta
    writer_varint(&w, -1); // no key
    writer_varint(&w, len);
    writer_bytes(&w, value, strlen(value));
    writer_varint(&w, 0); // no headers
    assert_false(w.bad);
    size_t total = BATCH_HEADER_BYTES + w.len;
    store_be32(b + 8, (uint32_t)(total - 12));
    store_be32(b + 12, UINT32_MAX);
    b[16] = 2;
    store_be64(b + 27, 1700000000000);
    store_be64(b + 35, 1700000000000);
    store_be64(b + 43, UINT64_MAX);
    store_be16(b + 51, UINT16_MAX);
    store_be32(b + 53, UINT32_MAX);
    store_be32(b + 57, 1);
    store_be32(b + 17, crc32c(b + 21, total - 21));
    return slice_of(b, total);
}

void rig_untold_begin(struct api_rig *rig, struct request *r, int16_t version, const void *in, void *out)
{
    *r = (struct request){.ctx = &rig->ctx,
                          .version = version,
                          .runs = 1,
                          .in = (void *)(uintptr_t)in,
                          .out = out,
                          .metadata = metadata_builder_finish(metadata_builder_new(NULL, "cluster"))};
    arena_init(&r->arena, REQUEST_ARENA_LIMIT(100));
}

void rig_untold_end(struct request *r)
{
    if (r->release != NULL) {
        r->release(r);
    }
    metadata_unref(r->metadata);
    arena_release(&r->arena);
}

struct produce_request *rig_produce_request(struct api_rig *rig, const char *topic, const char *value, int16_t acks)
{
    struct produce_request *in = arena_alloc(&rig->arena, sizeof *in);
    struct produce_request_topic_produce_data *t = arena_alloc(&rig->arena, sizeof *t);
    struct produce_request_partition_produce_data *p = arena_alloc(&rig->arena, sizeof *p);
    assert_true(in && t && p);
    produce_request_init(in);
    produce_request_topic_produce_data_init(t);
    produce_request_partition_produce_data_init(p);
    struct slice batch = batch_make(rig, value);
    p->records = (struct records){.data = batch.data, .len = batch.len};
    t->name = slice_str(topic);
    t->partition_data = p;
    t->partition_data_count = 1;
    in->acks = acks;
    in->timeout_ms = 30000;
    in->topic_data = t;
    in->topic_data_count = 1;
    return in;
}

struct fetch_request *rig_fetch_request(struct api_rig *rig, const char *topic, int64_t offset, int32_t max_wait_ms)
{
    struct fetch_request *in = arena_alloc(&rig->arena, sizeof *in);
    struct fetch_request_fetch_topic *t = arena_alloc(&rig->arena, sizeof *t);
    struct fetch_request_fetch_partition *p = arena_alloc(&rig->arena, sizeof *p);
    assert_true(in && t && p);
    fetch_request_init(in);
    fetch_request_fetch_topic_init(t);
    fetch_request_fetch_partition_init(p);
    p->fetch_offset = offset;
    p->partition_max_bytes = RIG_PARTITION_BYTES;
    t->topic = slice_str(topic);
    t->partitions = p;
    t->partitions_count = 1;
    in->max_wait_ms = max_wait_ms;
    in->min_bytes = 1;
    in->topics = t;
    in->topics_count = 1;
    return in;
}
