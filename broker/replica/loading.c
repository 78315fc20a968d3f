// SPDX-License-Identifier: Apache-2.0
//
// See the header. All directories share one pool of threads, which lives as long as the loading.
#include "broker/replica/loading.h"

#include <stdlib.h>

#include "base/logging.h"
#include "base/pool.h"
#include "broker/cluster/cluster.h"

struct load_item {
    struct pool_job job; // first
    const struct loading *loading;
    struct log_dir *dir;
    char topic[TOPIC_NAME_MAX + 1];
    int32_t partition;
    struct log *log;
    enum err err;
};

struct load_list {
    const struct loading *loading;
    struct log_dir *dir; // that is scanned
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
    item->loading = list->loading;
    item->dir = list->dir;
    item->partition = partition;
    memcpy(item->topic, topic, strnlen(topic, TOPIC_NAME_MAX));
    list->items[list->count++] = item;
    return ERR_OK;
}

static void load_one(struct pool_job *job)
{
    struct load_item *item = (struct load_item *)job;
    struct log_config config;
    if (log_dir_state(item->dir) == LOG_DIR_OFFLINE) {
        item->err = ERR_FAILED;
        return;
    }
    log_config_init(&config); // the controller tells the topic's own before anything is written
    config.producer_id_expiration_ms = item->loading->producer_id_expiration_ms;
    item->err = log_open(item->dir, item->topic, item->partition, &config, &item->log); // says what is wrong itself
    if (item->err != ERR_OK && item->err != ERR_NO_MEMORY && item->err != ERR_AGAIN) {
        log_dir_fail(item->dir, item->err, item->topic, "opening the log");
        item->err = ERR_FAILED;
    }
}

static enum err load_in_parallel(const struct loading *l, struct load_list *list)
{
    struct pool *pool;
    enum err err = pool_new(l->threads_per_dir * log_dirs_online_count(l->dirs), &pool);
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
        enum err taken = item->err == ERR_OK ? l->loaded(l->ctx, item->log) : item->err;
        if (taken != ERR_OK && taken != ERR_FAILED) {
            err = taken;
        }
    }
    return err;
}

static enum err load_scan(const struct loading *l, struct load_list *list)
{
    enum err err = ERR_OK;
    for (int32_t i = 0; i < log_dirs_count(l->dirs) && err == ERR_OK; i++) {
        list->dir = log_dirs_at(l->dirs, i);
        if (!log_dirs_online(l->dirs, i)) {
            continue;
        }
        err = log_dir_scan(list->dir, load_found, list);
        if (err == ERR_IO || err == ERR_NOT_FOUND || err == ERR_NO_SPACE) {
            log_dir_fail(list->dir, err, log_dirs_path(l->dirs, i), "listing");
            err = ERR_OK;
        }
    }
    return err;
}

enum err loading_run(const struct loading *l)
{
    struct load_list list = {.loading = l};
    int64_t began_us = os_mono_us(l->os);
    enum err err = load_scan(l, &list);
    if (err == ERR_OK && list.count > 0) {
        err = load_in_parallel(l, &list);
    }
    if (err == ERR_OK) {
        log_info("replica", "loaded %zu logs from %d of %d log directories in %lld ms (%s stop)", list.count,
                 (int)log_dirs_online_count(l->dirs), (int)log_dirs_count(l->dirs),
                 (long long)((os_mono_us(l->os) - began_us) / 1000),
                 log_dirs_were_clean(l->dirs) ? "clean" : "first start or unclean");
    }
    for (size_t i = 0; i < list.count; i++) {
        free(list.items[i]);
    }
    free(list.items);
    return err;
}
