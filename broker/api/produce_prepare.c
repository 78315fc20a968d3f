// SPDX-License-Identifier: Apache-2.0
//
// See the header. A connection that goes away meanwhile leaves the job behind; nothing of it is appended then.
#include "broker/api/produce_prepare.h"

#include <stdlib.h>

static void prepare_run(struct disk_job *j)
{
    struct produce_prepared *all = j->state;
    for (int32_t i = 0; i < all->count; i++) {
        struct prepared_batch *b = &all->batches[i];
        b->err = partition_prepare(b->partition, &b->append, &j->arena);
    }
}

static void prepare_release(struct disk_job *j)
{
    struct produce_prepared *all = j->state;
    for (int32_t i = 0; all != NULL && i < all->count; i++) {
        log_append_drop(&all->batches[i].append);
        partition_unref(all->batches[i].partition);
    }
    if (all != NULL) {
        free(all->frame);
    }
}

enum err produce_prepare_new(const struct request *r, int32_t capacity, struct disk_job **out)
{
    enum err err = disk_job_new(REQUEST_ARENA_LIMIT(r->x.frame_len), prepare_run, prepare_release, out);
    if (err != ERR_OK) {
        return err;
    }
    struct disk_job *j = *out;
    struct produce_prepared *all = arena_alloc(&j->arena, sizeof *all);
    if (all != NULL) {
        all->batches = arena_array(&j->arena, (size_t)capacity, sizeof *all->batches);
    }
    if (all == NULL || all->batches == NULL) {
        disk_job_unref(j);
        *out = NULL;
        return ERR_NO_MEMORY;
    }
    j->state = all;
    return ERR_OK;
}

enum api_step produce_prepare_begin(struct disk_wait *w, struct request *r)
{
    struct produce_prepared *all = w->job->state;
    all->frame = r->x.frame;
    r->x.frame = NULL;
    return disk_wait_begin(w, r);
}

struct produce_prepared *produce_prepare_take(struct disk_wait *w, struct request *r)
{
    struct produce_prepared *all = w->job->state;
    r->x.frame = all->frame;
    w->job->state = NULL;
    arena_adopt(&r->arena, &w->job->arena);
    disk_wait_end(w);
    return all;
}
