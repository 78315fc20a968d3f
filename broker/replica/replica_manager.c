// SPDX-License-Identifier: Apache-2.0
//
// The table of partitions (uthash, by topic and number) under a readers-writer lock: lookups on every request, changes
// from the control thread only. A log found on disk that the controller does not know stays in the table without a
// leader, so that it is closed properly, and is otherwise left alone, as Kafka does.
#include "broker/replica/replica_manager.h"

#include <stdlib.h>
#include <sys/statvfs.h>
#include <uthash.h>

#include "base/logging.h"
#include "broker/replica/background.h"
#include "broker/replica/log_settings.h"
#include "broker/replica/partition_private.h"

// Topic name and partition number in one row of bytes.
struct replica_key {
    char bytes[TOPIC_NAME_MAX + sizeof(int32_t)];
    unsigned len;
};

struct replica {
    struct replica_key key;
    struct partition *partition;
    UT_hash_handle hh;
};

enum task {
    TASK_RETENTION,
    TASK_FLUSH,
    TASK_CHECKPOINT,
    TASK_HIGH_WATERMARK,
    TASK_EXPIRE_PRODUCERS,
    TASK_SWEEP,
    TASK_COUNT
};

#define SWEEP_INTERVAL_MS 1000 // how soon after its delay a renamed file goes

struct replica_manager {
    struct replica_manager_options options;
    pthread_rwlock_t table_lock;
    struct replica *table;
    struct background tasks[TASK_COUNT];
};

static bool key_make(struct slice topic, int32_t partition, struct replica_key *key)
{
    if (topic.len > TOPIC_NAME_MAX) {
        return false;
    }
    memcpy(key->bytes, topic.data, topic.len);
    memcpy(key->bytes + topic.len, &partition, sizeof partition);
    key->len = (unsigned)(topic.len + sizeof partition);
    return true;
}

// Under the table's lock.
static struct replica *replica_find(const struct replica_manager *m, const struct replica_key *key)
{
    struct replica *r;
    HASH_FIND(hh, m->table, key->bytes, key->len, r);
    return r;
}

enum err replica_manager_find(struct replica_manager *m, struct slice topic, int32_t partition, struct partition **out)
{
    struct replica_key key;
    *out = NULL;
    if (!key_make(topic, partition, &key)) {
        return ERR_NOT_LEADER;
    }
    pthread_rwlock_rdlock(&m->table_lock);
    struct replica *r = replica_find(m, &key);
    if (r != NULL) {
        *out = r->partition;
        partition_ref(*out);
    }
    pthread_rwlock_unlock(&m->table_lock);
    return r == NULL ? ERR_NOT_LEADER : ERR_OK;
}

// Takes the log over, also on failure.
static enum err replica_add(struct replica_manager *m, struct log *log, struct partition **out)
{
    struct replica *r = calloc(1, sizeof *r);
    enum err err = r == NULL ? ERR_NO_MEMORY : partition_new(log, m->options.pool, &r->partition);
    if (err != ERR_OK) {
        free(r);
        enum err closed = log_close(log);
        return closed == ERR_OK ? err : closed;
    }
    bool fits = key_make(slice_str(log_topic(log)), log_partition(log), &r->key);
    (void)fits; // a folder's name is never longer than a topic's may be
    *out = r->partition;
    pthread_rwlock_wrlock(&m->table_lock);
    HASH_ADD_KEYPTR(hh, m->table, r->key.bytes, r->key.len, r);
    pthread_rwlock_unlock(&m->table_lock);
    return ERR_OK;
}

// ---------------------------------------------------------------------------------------------------------------
// Loading

struct load_item {
    struct pool_job job; // first
    struct replica_manager *manager;
    char topic[TOPIC_NAME_MAX + 1];
    int32_t partition;
    struct log *log;
    enum err err;
};

struct load_list {
    struct replica_manager *manager;
    struct load_item **items;
    size_t count;
    size_t cap;
};

static enum err load_found(void *ctx, const char *topic, int32_t partition)
{
    struct load_list *list = ctx;
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 64 : list->cap * 2;
        struct load_item **grown = realloc(list->items, cap * sizeof(struct load_item *));
        if (grown == NULL) {
            return ERR_NO_MEMORY;
        }
        list->items = grown;
        list->cap = cap;
    }
    struct load_item *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return ERR_NO_MEMORY;
    }
    item->manager = list->manager;
    item->partition = partition;
    memcpy(item->topic, topic, strnlen(topic, TOPIC_NAME_MAX));
    list->items[list->count++] = item;
    return ERR_OK;
}

static void load_one(struct pool_job *job)
{
    struct load_item *item = (struct load_item *)job;
    struct log_config config;
    log_config_init(&config); // the controller tells the topic's own before anything is written
    config.producer_id_expiration_ms = item->manager->options.producer_id_expiration_ms;
    item->err = log_open(item->manager->options.dir, item->topic, item->partition, &config, &item->log);
}

static enum err load_in_parallel(struct replica_manager *m, struct load_list *list)
{
    struct pool *pool;
    enum err err = pool_new(m->options.recovery_threads, &pool);
    if (err != ERR_OK) {
        return err;
    }
    for (size_t i = 0; i < list->count; i++) {
        list->items[i]->job.run = load_one;
        pool_submit(pool, &list->items[i]->job);
    }
    pool_free(pool); // runs them all
    for (size_t i = 0; i < list->count; i++) {
        struct load_item *item = list->items[i];
        struct partition *ignored;
        if (item->err == ERR_OK) {
            item->err = replica_add(m, item->log, &ignored);
        }
        if (item->err != ERR_OK) {
            log_error("replica", "%s-%d cannot be loaded: %s", item->topic, (int)item->partition, err_text(item->err));
            err = item->err;
        }
    }
    return err;
}

static enum err load_all(struct replica_manager *m)
{
    struct load_list list = {.manager = m};
    int64_t began_us = os_mono_us(m->options.os);
    enum err err = log_dir_scan(m->options.dir, load_found, &list);
    if (err == ERR_OK && list.count > 0) {
        err = load_in_parallel(m, &list);
    }
    if (err == ERR_OK) {
        log_info("replica", "loaded %zu logs from %s in %lld ms (%s stop)", list.count, log_dir_path(m->options.dir),
                 (long long)((os_mono_us(m->options.os) - began_us) / 1000),
                 log_dir_was_clean(m->options.dir) ? "clean" : "first start or unclean");
    }
    for (size_t i = 0; i < list.count; i++) {
        free(list.items[i]);
    }
    free(list.items);
    return err;
}

// ---------------------------------------------------------------------------------------------------------------
// What the controller says

static struct partition *partition_known(struct replica_manager *m, const char *topic, int32_t partition)
{
    struct partition *p;
    return replica_manager_find(m, slice_str(topic), partition, &p) == ERR_OK ? p : NULL;
}

static enum err partition_open(struct replica_manager *m, const struct cluster_partition_state *s,
                               const struct log_config *config, struct partition **out)
{
    *out = partition_known(m, s->topic, s->partition);
    if (*out != NULL) {
        if (!uuid_is_zero(partition_topic_id(*out)) && !uuid_equal(partition_topic_id(*out), &s->topic_id)) {
            log_error("replica", "%s-%d on disk belongs to another topic of that name; it stays out of service",
                      s->topic, (int)s->partition);
            partition_unref(*out);
            return ERR_INVALID;
        }
        return ERR_OK;
    }
    struct log *log;
    enum err err = log_create(m->options.dir, s->topic, s->partition, &s->topic_id, config, &log);
    if (err == ERR_OK) {
        err = replica_add(m, log, out);
    }
    if (err == ERR_OK) {
        partition_ref(*out);
    } else {
        log_error("replica", "%s-%d cannot be created: %s", s->topic, (int)s->partition, err_text(err));
    }
    return err;
}

static enum err hook_changed(void *ctx, const struct cluster_partition_state *s)
{
    struct replica_manager *m = ctx;
    struct log_config config;
    struct partition *p;
    log_settings_of(s->config, m->options.producer_id_expiration_ms, &config);
    enum err err = partition_open(m, s, &config, &p);
    if (err != ERR_OK) {
        return err;
    }
    if (s->leader == m->options.broker_id) {
        err = partition_lead(p, s, &config);
    } else {
        partition_unlead(p);
    }
    partition_unref(p);
    return err;
}

static void hook_config_changed(void *ctx, const char *topic, int32_t partition, const struct topic_config *config)
{
    struct replica_manager *m = ctx;
    struct log_config log_config;
    struct partition *p = partition_known(m, topic, partition);
    if (p != NULL) {
        log_settings_of(config, m->options.producer_id_expiration_ms, &log_config);
        partition_configure(p, config, &log_config);
        partition_unref(p);
    }
}

static enum err hook_removed(void *ctx, const char *topic, int32_t partition, bool erase)
{
    struct replica_manager *m = ctx;
    struct replica_key key;
    if (!key_make(slice_str(topic), partition, &key)) {
        return ERR_NOT_FOUND;
    }
    pthread_rwlock_wrlock(&m->table_lock);
    struct replica *r = replica_find(m, &key);
    if (r != NULL && erase) {
        HASH_DEL(m->table, r);
    }
    pthread_rwlock_unlock(&m->table_lock);
    if (r == NULL) {
        return ERR_OK; // nothing to remove: the end it asks for
    }
    if (!erase) {
        partition_unlead(r->partition);
        return ERR_OK;
    }
    enum err err = partition_end(r->partition, true);
    partition_unref(r->partition);
    free(r);
    return err;
}

struct cluster_hooks replica_manager_hooks(struct replica_manager *m)
{
    return (struct cluster_hooks){.partition_changed = hook_changed,
                                  .partition_removed = hook_removed,
                                  .config_changed = hook_config_changed,
                                  .ctx = m};
}

// ---------------------------------------------------------------------------------------------------------------
// What there is

static int size_order(const void *a, const void *b)
{
    const struct replica_size *x = a, *y = b;
    int order = strcmp(x->topic, y->topic);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static enum err sizes_list(struct replica_manager *m, struct arena *a, struct replica_dir *out)
{
    enum err err = ERR_OK;
    struct replica *r, *next;
    pthread_rwlock_rdlock(&m->table_lock);
    out->replicas = arena_array(a, HASH_COUNT(m->table), sizeof *out->replicas);
    err = out->replicas == NULL ? ERR_NO_MEMORY : ERR_OK;
    HASH_ITER (hh, m->table, r, next) {
        if (err != ERR_OK) {
            break;
        }
        struct replica_size *s = &out->replicas[out->replicas_count++];
        s->topic = arena_strdup(a, partition_topic(r->partition));
        s->partition = partition_index(r->partition);
        s->bytes = partition_size_bytes(r->partition);
        err = s->topic == NULL ? ERR_NO_MEMORY : ERR_OK;
    }
    pthread_rwlock_unlock(&m->table_lock);
    if (err == ERR_OK && out->replicas_count > 0) {
        qsort(out->replicas, (size_t)out->replicas_count, sizeof *out->replicas, size_order);
    }
    return err;
}

enum err replica_manager_describe(struct replica_manager *m, struct arena *a, struct replica_dir *out)
{
    const char *path = log_dir_path(m->options.dir);
    struct statvfs fs;
    *out = (struct replica_dir){.total_bytes = -1, .usable_bytes = -1};
    char *absolute = realpath(path, NULL);
    out->path = arena_strdup(a, absolute == NULL ? path : absolute);
    free(absolute);
    if (statvfs(path, &fs) == 0) {
        out->total_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
        out->usable_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
    }
    return out->path == NULL ? ERR_NO_MEMORY : sizes_list(m, a, out);
}

// ---------------------------------------------------------------------------------------------------------------
// Background work

// Calls fn for every partition, each kept alive meanwhile; none of the table's locks is held.
static void for_each(struct replica_manager *m, void (*fn)(struct partition *p, int64_t arg), int64_t arg)
{
    pthread_rwlock_rdlock(&m->table_lock);
    size_t n = HASH_COUNT(m->table);
    struct partition **all = malloc((n == 0 ? 1 : n) * sizeof(struct partition *));
    size_t i = 0;
    struct replica *r, *next;
    if (all != NULL) {
        HASH_ITER (hh, m->table, r, next) {
            partition_ref(r->partition);
            all[i++] = r->partition;
        }
    }
    pthread_rwlock_unlock(&m->table_lock);
    for (size_t k = 0; k < i; k++) {
        fn(all[k], arg);
        partition_unref(all[k]);
    }
    free(all);
}

static void round_retention(void *ctx)
{
    struct replica_manager *m = ctx;
    for_each(m, partition_retain, os_wall_ms(m->options.os));
}

static void round_flush(void *ctx)
{
    struct replica_manager *m = ctx;
    for_each(m, partition_flush_if_due, os_mono_us(m->options.os) / 1000);
}

static void round_expire(void *ctx)
{
    struct replica_manager *m = ctx;
    for_each(m, partition_expire_producers, os_wall_ms(m->options.os));
}

static void round_checkpoint(void *ctx)
{
    struct replica_manager *m = ctx;
    enum err err = log_dir_checkpoint(m->options.dir);
    if (err != ERR_OK) {
        log_error("replica", "checkpoints of %s cannot be written: %s", log_dir_path(m->options.dir), err_text(err));
    }
}

static void round_sweep(void *ctx)
{
    struct replica_manager *m = ctx;
    log_dir_sweep(m->options.dir, os_mono_us(m->options.os) / 1000);
}

enum err replica_manager_open(const struct replica_manager_options *o, struct replica_manager **out)
{
    struct replica_manager *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return ERR_NO_MEMORY;
    }
    m->options = *o;
    if (pthread_rwlock_init(&m->table_lock, NULL) != 0) {
        free(m);
        return ERR_NO_MEMORY;
    }
    background_init(&m->tasks[TASK_RETENTION], o->pool, o->retention_check_ms, round_retention, m);
    background_init(&m->tasks[TASK_FLUSH], o->pool, o->flush_check_ms, round_flush, m);
    background_init(&m->tasks[TASK_CHECKPOINT], o->pool, o->checkpoint_ms, round_checkpoint, m);
    background_init(&m->tasks[TASK_HIGH_WATERMARK], o->pool, o->high_watermark_checkpoint_ms, round_checkpoint, m);
    background_init(&m->tasks[TASK_EXPIRE_PRODUCERS], o->pool, o->producer_expiry_check_ms, round_expire, m);
    background_init(&m->tasks[TASK_SWEEP], o->pool, SWEEP_INTERVAL_MS, round_sweep, m);
    enum err err = load_all(m);
    if (err != ERR_OK) {
        enum err closed = replica_manager_close(m);
        return closed == ERR_NO_MEMORY ? closed : err;
    }
    *out = m;
    return ERR_OK;
}

void replica_manager_set_broker_id(struct replica_manager *m, int32_t broker_id)
{
    m->options.broker_id = broker_id;
}

enum err replica_manager_start(struct replica_manager *m, struct loop *control)
{
    for (int i = 0; i < TASK_COUNT; i++) {
        bool initial = i == TASK_RETENTION || i == TASK_FLUSH || i == TASK_CHECKPOINT;
        int64_t delay = initial ? m->options.initial_delay_ms : m->tasks[i].interval_ms;
        enum err err = background_start(&m->tasks[i], control, delay);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

void replica_manager_stop(struct replica_manager *m)
{
    for (int i = 0; i < TASK_COUNT; i++) {
        background_stop(&m->tasks[i]);
    }
}

enum err replica_manager_close(struct replica_manager *m)
{
    enum err result = ERR_OK;
    for (int i = 0; i < TASK_COUNT; i++) {
        background_release(&m->tasks[i]);
    }
    struct replica *r, *next;
    HASH_ITER (hh, m->table, r, next) {
        HASH_DEL(m->table, r);
        enum err err = partition_end(r->partition, false);
        if (err != ERR_OK) {
            log_error("replica", "%s-%d was not closed cleanly: %s", partition_topic(r->partition),
                      (int)partition_index(r->partition), err_text(err));
            result = ERR_FAILED;
        }
        partition_unref(r->partition);
        free(r);
    }
    pthread_rwlock_destroy(&m->table_lock);
    free(m);
    return result;
}
