// SPDX-License-Identifier: Apache-2.0
//
// What the tests of this room share: a log directory that vanishes, one partition in it, waits with a loop under
// them, and batches to append.
#ifndef OTTLA_REPLICA_TESTS_SCENE_H
#define OTTLA_REPLICA_TESTS_SCENE_H

#include <semaphore.h>

#include "base/tests/testing.h"
#include "broker/replica/partition_private.h"

struct scene {
    char *dir;
    struct log_dir *log_dir;
    struct pool *pool;
    struct partition_env env;
    struct throttle throttle;
    int asked; // changes of the ISR that the partition has asked for
    struct cluster_isr_change last_asked;
    int32_t last_isr[4];
    struct loop *loop;
    struct topic_config config;
    struct log_config log_config;
    struct partition *partition;
    struct arena arena;
};

// flush_messages as in log_config. Leads in epoch 5 with an ISR of one.
void scene_open(struct scene *s, const struct os *os, int64_t flush_messages);
void scene_close(struct scene *s);
void scene_close_ended(struct scene *s); // after partition_end
// Tells the partition it leads (or follows broker 2) in an epoch, with so many replicas of which so many are in sync.
enum err scene_lead(struct scene *s, int32_t epoch, int32_t replicas, int32_t isr);
enum err scene_follow(struct scene *s, int32_t epoch);
#define SCENE_LAG_MS 1000 // replica.lag.time.max.ms

// A batch of `count` records of 10 bytes, as a producer without id sends it.
#define SCENE_BATCH_MAX 4096
size_t scene_batch(uint8_t out[SCENE_BATCH_MAX], int32_t count);
// A batch of one record whose value has so many bytes, malloc'ed.
uint8_t *scene_large_batch(size_t value_len, size_t *len);
// Appends one such batch with acks=1.
enum err scene_append(struct scene *s, int32_t count, struct log_append *a, struct partition_end *end);

// A wait whose wakes are counted.
struct scene_wait {
    struct wait wait;
    sem_t woken;
};
void scene_wait_init(struct scene *s, struct scene_wait *w);
void scene_wait_release(struct scene_wait *w);
bool scene_wait_woken(struct scene_wait *w); // now; takes one wake away

#endif
