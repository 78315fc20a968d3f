// SPDX-License-Identifier: Apache-2.0
//
// See the header. All directories share one pool of threads, which lives as long as the loading.
#include "broker/replica/loading.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/logging.h"
#include "base/pool.h"

struct load_item {
    struct pool_job job; // first
    const struct loading *loading;
    struct log_dir *dir;
    struct log_folder folder; // name and topic are behind
    char name[NAME_MAX + 1];
    char topic[NAME_MAX + 1];
    struct log *log;
    enum err err;
};

// Live logs and copies of moves are two lists: the second is opened when the first is known.
struct load_list {
    struct load_item **items;
    size_t count;
    size_t cap;
};

struct load_scan {
    const struct loading *loading;
    struct log_dir *dir; // that is scanned
    struct load_list live;
    struct load_list futures;
};

static enum err load_found(void *ctx, const struct log_folder *f)
{
    struct load_scan *scan = ctx;
    struct load_list *list = f->future ? &scan->futures : &scan->live;
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
    item->loading = scan->loading;
    item->dir = scan->dir;
    snprintf(item->name, sizeof item->name, "%s", f->name);
    snprintf(item->topic, sizeof item->topic, "%s", f->topic);
    item->folder =
        (struct log_folder){.name = item->name, .topic = item->topic, .partition = f->partition, .future = f->future};
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
    item->err = item->folder.future ? log_open_future(item->dir, &item->folder, &config, &item->log)
                                    : log_open(item->dir, item->topic, item->folder.partition, &config, &item->log);
    if (item->err == ERR_EXISTS) { // a copy, and the log or another copy is here: of no use, and no harm
        log_warn("replica", "%s/%s: there is a log of this partition beside it; left alone", log_dir_path(item->dir),
                 item->name);
        item->err = ERR_FAILED;
    } else if (item->err != ERR_OK && item->err != ERR_NO_MEMORY && item->err != ERR_AGAIN) {
        log_dir_fail(item->dir, item->err, item->name, "opening the log");
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

static enum err load_scan_all(const struct loading *l, struct load_scan *scan)
{
    enum err err = ERR_OK;
    for (int32_t i = 0; i < log_dirs_count(l->dirs) && err == ERR_OK; i++) {
        scan->dir = log_dirs_at(l->dirs, i);
        if (!log_dirs_online(l->dirs, i)) {
            continue;
        }
        err = log_dir_scan(scan->dir, load_found, scan);
        if (err == ERR_IO || err == ERR_NOT_FOUND || err == ERR_NO_SPACE) {
            log_dir_fail(scan->dir, err, log_dirs_path(l->dirs, i), "listing");
            err = ERR_OK;
        }
    }
    return err;
}

static void load_list_release(struct load_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
}

enum err loading_run(const struct loading *l)
{
    struct load_scan scan = {.loading = l};
    int64_t began_us = os_mono_us(l->os);
    enum err err = load_scan_all(l, &scan);
    if (err == ERR_OK && scan.live.count > 0) {
        err = load_in_parallel(l, &scan.live);
    }
    if (err == ERR_OK && scan.futures.count > 0) {
        err = load_in_parallel(l, &scan.futures);
    }
    if (err == ERR_OK) {
        log_info("replica", "loaded %zu logs from %d of %d log directories in %lld ms (%s stop)",
                 scan.live.count + scan.futures.count, (int)log_dirs_online_count(l->dirs),
                 (int)log_dirs_count(l->dirs), (long long)((os_mono_us(l->os) - began_us) / 1000),
                 log_dirs_were_clean(l->dirs) ? "clean" : "first start or unclean");
    }
    load_list_release(&scan.live);
    load_list_release(&scan.futures);
    return err;
}
