// SPDX-License-Identifier: Apache-2.0
//
// The scene the tests of the replica room play in.
#include "broker/replica/tests/scene.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/tests/cmocka_all.h"

#define HEADER_SIZE 61

static struct cluster_partition_state state_of(struct scene *s, int32_t leader, int32_t epoch, int32_t replicas,
                                               int32_t isr)
{
    static const int32_t brokers[3] = {1, 2, 3};
    return (struct cluster_partition_state){
        .topic = "t",
        .topic_id = *partition_topic_id(s->partition),
        .leader = leader,
        .leader_epoch = epoch,
        .isr = brokers,
        .isr_count = isr,
        .replicas = brokers,
        .replicas_count = replicas,
        .config = &s->config,
    };
}

enum err scene_lead(struct scene *s, int32_t epoch, int32_t replicas, int32_t isr)
{
    struct cluster_partition_state state = state_of(s, 1, epoch, replicas, isr);
    return partition_lead(s->partition, &state, &s->log_config);
}

enum err scene_follow(struct scene *s, int32_t epoch)
{
    struct cluster_partition_state state = state_of(s, 2, epoch, 3, 1);
    bool news;
    return partition_follow(s->partition, &state, &s->log_config, &news);
}

static enum err on_alter_isr(void *ctx, const struct cluster_isr_change *change)
{
    struct scene *s = ctx;
    s->asked++;
    s->last_asked = *change;
    assert_in_range(change->isr_count, 1, 4);
    memcpy(s->last_isr, change->isr, (size_t)change->isr_count * sizeof *change->isr);
    s->last_asked.isr = s->last_isr;
    return ERR_OK;
}

void scene_open(struct scene *s, const struct os *os, int64_t flush_messages)
{
    struct log *log;
    struct uuid id;
    *s = (struct scene){.dir = test_dir_new()};
    arena_init(&s->arena, 1 << 20);
    topic_config_init(&s->config);
    log_config_init(&s->log_config);
    s->log_config.flush_messages = flush_messages;
    uuid_random(os_real(), &id);
    assert_int_equal(pool_new(2, &s->pool), ERR_OK);
    assert_int_equal(loop_new("scene", os_real(), &s->loop), ERR_OK);
    assert_int_equal(loop_start(s->loop), ERR_OK);
    assert_int_equal(log_dir_open(os, s->dir, &s->log_dir), ERR_OK);
    assert_int_equal(log_create(s->log_dir, "t", 0, &id, &s->log_config, &log), ERR_OK);
    const struct throttle_settings windows = {11, 1, 11, 1};
    assert_int_equal(throttle_init(&s->throttle, os, &windows), ERR_OK);
    s->env = (struct partition_env){.os = os,
                                    .pool = s->pool,
                                    .broker_id = 1,
                                    .throttle = &s->throttle,
                                    .replica_lag_max_ms = SCENE_LAG_MS,
                                    .alter_isr = on_alter_isr,
                                    .ctx = s};
    assert_int_equal(partition_new(log, &s->env, &s->partition), ERR_OK);
    assert_int_equal(scene_lead(s, 5, 1, 1), ERR_OK);
}

void scene_close(struct scene *s)
{
    enum err ignored = partition_end(s->partition, false); // the directory knows of failures
    (void)ignored;
    scene_close_ended(s);
}

void scene_close_ended(struct scene *s)
{
    partition_unref(s->partition);
    throttle_release(&s->throttle);
    log_dir_close(s->log_dir, true);
    pool_free(s->pool);
    loop_stop(s->loop);
    loop_free(s->loop);
    arena_release(&s->arena);
    test_dir_remove(s->dir);
}

static void header_fill(uint8_t *batch, size_t len, int32_t count)
{
    store_be32(batch + 8, (uint32_t)(len - 12));
    store_be32(batch + 12, UINT32_MAX);
    batch[16] = 2;
    store_be32(batch + 23, (uint32_t)(count - 1));
    store_be64(batch + 27, 1700000000000);
    store_be64(batch + 35, 1700000000000);
    store_be64(batch + 43, UINT64_MAX);
    store_be16(batch + 51, UINT16_MAX);
    store_be32(batch + 53, UINT32_MAX);
    store_be32(batch + 57, (uint32_t)count);
    store_be32(batch + 17, crc32c(batch + 21, len - 21));
}

// Up to its value.
static void record_begin(struct writer *w, int32_t offset_delta, int32_t value_len)
{
    size_t around = 1 + 1 + varint_size(offset_delta) + 1 + varint_size(value_len) + 1;
    writer_varint(w, (int32_t)around + value_len);
    writer_u8(w, 0);      // attributes
    writer_varlong(w, 0); // timestamp delta
    writer_varint(w, offset_delta);
    writer_varint(w, -1); // no key
    writer_varint(w, value_len);
}

size_t scene_batch(uint8_t out[SCENE_BATCH_MAX], int32_t count)
{
    struct writer w;
    writer_init_fixed(&w, out, SCENE_BATCH_MAX);
    memset(writer_reserve(&w, HEADER_SIZE), 0, HEADER_SIZE);
    for (int32_t i = 0; i < count; i++) {
        record_begin(&w, i, 10);
        writer_bytes(&w, "0123456789", 10);
        writer_varint(&w, 0); // no headers
    }
    assert_false(w.bad);
    header_fill(out, w.len, count);
    return w.len;
}

uint8_t *scene_large_batch(size_t value_len, size_t *len)
{
    struct writer w;
    size_t room = HEADER_SIZE + value_len + 32;
    uint8_t *out = calloc(1, room);
    assert_non_null(out);
    writer_init_fixed(&w, out, room);
    memset(writer_reserve(&w, HEADER_SIZE), 0, HEADER_SIZE);
    record_begin(&w, 0, (int32_t)value_len);
    memset(writer_reserve(&w, value_len), 'v', value_len);
    writer_varint(&w, 0); // no headers
    assert_false(w.bad);
    *len = w.len;
    header_fill(out, w.len, 1);
    return out;
}

enum err scene_append(struct scene *s, int32_t count, struct log_append *a, struct partition_end *end)
{
    static const int16_t acks = 1;
    uint8_t batch[SCENE_BATCH_MAX];
    *a = (struct log_append){.data = batch, .origin = LOG_FROM_CLIENT, .now_ms = os_wall_ms(os_real())};
    a->len = scene_batch(batch, count);
    enum err err = partition_append(s->partition, acks, a, &s->arena, end);
    a->data = NULL;
    return err;
}

static void on_wake(struct wait *w)
{
    sem_post(&((struct scene_wait *)w)->woken);
}

void scene_wait_init(struct scene *s, struct scene_wait *w)
{
    wait_init(&w->wait, s->loop, on_wake);
    sem_init(&w->woken, 0, 0);
}

void scene_wait_release(struct scene_wait *w)
{
    sem_destroy(&w->woken);
}

bool scene_wait_woken(struct scene_wait *w)
{
    return sem_trywait(&w->woken) == 0;
}
