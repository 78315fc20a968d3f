// SPDX-License-Identifier: Apache-2.0
//
// The arena of a conversion may hold what is read once more as answer, and as much again as single batches may grow.
// What is warmed may be gone from memory again before it is sent, when memory is that short; then the loop waits.
#include "broker/api/fetch_disk.h"

#define CONVERT_GROWTH_MAX ((size_t)256 << 20) // in all; a conversion beyond it fails

static void warm_run(struct disk_job *j)
{
    struct fetch_ranges *all = j->state;
    for (int32_t i = 0; i < all->count; i++) {
        const struct log_conversion *r = &all->items[i].records;
        log_file_warm(all->os, r->file, r->position, r->len);
    }
}

static void convert_run(struct disk_job *j)
{
    struct fetch_ranges *all = j->state;
    for (int32_t i = 0; i < all->count; i++) {
        all->items[i].err = log_convert_down(all->os, &all->items[i].records, &j->arena);
    }
}

static void ranges_release(struct disk_job *j)
{
    struct fetch_ranges *all = j->state;
    for (int32_t i = 0; all != NULL && i < all->count; i++) {
        log_file_unref(all->items[i].records.file);
    }
}

// `bytes`: what the work may put into the job's arena.
static enum err ranges_new(const struct os *os, int32_t capacity, size_t bytes, void (*work)(struct disk_job *),
                           struct disk_job **out)
{
    size_t list = sizeof(struct fetch_ranges) + ((size_t)capacity + 1) * sizeof(struct fetch_range);
    enum err err = disk_job_new(list + bytes, work, ranges_release, out);
    if (err != ERR_OK) {
        return err;
    }
    struct disk_job *j = *out;
    struct fetch_ranges *all = arena_alloc(&j->arena, sizeof *all);
    if (all != NULL) {
        all->os = os;
        all->items = arena_array(&j->arena, (size_t)capacity, sizeof *all->items);
    }
    if (all == NULL || all->items == NULL) {
        disk_job_unref(j);
        *out = NULL;
        return ERR_NO_MEMORY;
    }
    j->state = all;
    return ERR_OK;
}

enum err fetch_warm_new(const struct os *os, int32_t capacity, struct disk_job **out)
{
    return ranges_new(os, capacity, 0, warm_run, out);
}

enum err fetch_convert_new(const struct os *os, int32_t capacity, size_t bytes, struct disk_job **out)
{
    return ranges_new(os, capacity, bytes + CONVERT_GROWTH_MAX, convert_run, out);
}

struct fetch_range *fetch_range_add(struct disk_job *j, const struct log_read *read)
{
    struct fetch_ranges *all = j->state;
    struct fetch_range *r = &all->items[all->count++];
    log_file_ref(read->file);
    *r = (struct fetch_range){.records = {.file = read->file, .position = read->position, .len = read->len}};
    return r;
}
