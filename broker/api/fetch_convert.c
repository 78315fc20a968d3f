// SPDX-License-Identifier: Apache-2.0
//
// The job's arena may hold what is read once more as answer, and as much again as single batches may grow.
#include "broker/api/fetch_convert.h"

#define CONVERT_GROWTH_MAX ((size_t)256 << 20) // in all; a conversion beyond it fails

static void convert_run(struct disk_job *j)
{
    struct fetch_conversions *all = j->state;
    for (int32_t i = 0; i < all->count; i++) {
        all->items[i].err = log_convert_down(all->os, &all->items[i].records, &j->arena);
    }
}

static void convert_release(struct disk_job *j)
{
    struct fetch_conversions *all = j->state;
    for (int32_t i = 0; all != NULL && i < all->count; i++) {
        log_file_unref(all->items[i].records.file);
    }
}

enum err fetch_convert_new(const struct os *os, int32_t capacity, size_t bytes, struct disk_job **out)
{
    size_t items = sizeof(struct fetch_conversions) + (size_t)capacity * sizeof(struct fetch_conversion);
    enum err err = disk_job_new(bytes + items + CONVERT_GROWTH_MAX, convert_run, convert_release, out);
    if (err != ERR_OK) {
        return err;
    }
    struct disk_job *j = *out;
    struct fetch_conversions *all = arena_alloc(&j->arena, sizeof *all);
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
