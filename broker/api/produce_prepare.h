// SPDX-License-Identifier: Apache-2.0
//
// The part of a produce that takes long (batches that unpack to much, that the topic packs with another codec, or that
// come in an old format), done on the disk pool so that no loop and nobody's append waits for it. The job owns what it
// works on: the frame that the batches lie in is its own as long as it runs.
#ifndef OTTLA_API_PRODUCE_PREPARE_H
#define OTTLA_API_PRODUCE_PREPARE_H

#include "broker/api/disk_wait.h"

struct prepared_batch {
    struct partition *partition; // counted
    struct log_append append;    // partition_prepare has been done to it, unless
    enum err err;
    int32_t part; // the caller's number
};

// In the job's arena, as its state.
struct produce_prepared {
    uint8_t *frame;
    struct prepared_batch *batches;
    int32_t count;
};

// A job with room for `capacity` batches, whose partitions and appends are given back with it. It begins without the
// frame.
enum err produce_prepare_new(const struct request *r, int32_t capacity, struct disk_job **out) WARN_UNUSED;
// Takes the request's frame and starts. What the handler answers.
enum api_step produce_prepare_begin(struct disk_wait *w, struct request *r);
// The job is done: gives the frame back and everything the job has made to the request's arena, and ends the wait. The
// appends and references in it are the caller's.
struct produce_prepared *produce_prepare_take(struct disk_wait *w, struct request *r);

#endif
