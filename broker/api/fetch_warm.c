// SPDX-License-Identifier: Apache-2.0
//
// What is read here may be gone from memory again before it is sent, when memory is that short; then the loop waits.
#include "broker/api/fetch_warm.h"

static void warm_run(struct disk_job *j)
{
    struct warm_ranges *all = j->state;
    for (int32_t i = 0; i < all->count; i++) {
        log_file_warm(all->os, all->items[i].file, all->items[i].position, all->items[i].len);
    }
}

static void warm_release(struct disk_job *j)
{
    struct warm_ranges *all = j->state;
    for (int32_t i = 0; all != NULL && i < all->count; i++) {
        log_file_unref(all->items[i].file);
    }
}

enum err fetch_warm_new(const struct os *os, int32_t capacity, struct disk_job **out)
{
    size_t limit = sizeof(struct warm_ranges) + ((size_t)capacity + 1) * sizeof(struct warm_range);
    enum err err = disk_job_new(limit, warm_run, warm_release, out);
    if (err != ERR_OK) {
        return err;
    }
    struct disk_job *j = *out;
    struct warm_ranges *all = arena_alloc(&j->arena, sizeof *all);
    if (all != NULL) {
        all->os = os;
        all->items = arena_array(&j->arena, (size_t)capacity, sizeof *all->items);
    }
    if (all == NULL || all->items == NULL) {
        disk_job_unref(j);
        return ERR_NO_MEMORY;
    }
    j->state = all;
    return ERR_OK;
}

void fetch_warm_add(struct disk_job *j, struct log_file *file, int64_t position, size_t len)
{
    struct warm_ranges *all = j->state;
    log_file_ref(file);
    all->items[all->count++] = (struct warm_range){file, position, len};
}
