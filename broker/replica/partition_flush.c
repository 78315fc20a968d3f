// SPDX-License-Identifier: Apache-2.0
//
// Flushing: one job per partition; whoever asks while it runs gets one more run.
#include <time.h>

#include "broker/replica/partition_internal.h"

#define FLUSH_RETRY_NS (20 * 1000 * 1000)

void partition_flush_start(struct partition *p)
{
    mutex_lock(&p->state_mu);
    bool submit = p->flush == FLUSH_IDLE && !p->ended;
    if (submit) {
        p->flush = FLUSH_QUEUED;
    } else if (p->flush == FLUSH_RUNNING) {
        p->flush = FLUSH_RUNNING_AGAIN;
    }
    mutex_unlock(&p->state_mu);
    if (submit) {
        partition_ref(p);
        pool_submit(p->env->pool, &p->flush_job);
    }
}

// What an fsync has made safe may be read and acknowledged.
static void flush_publish(struct partition *p, struct log *log)
{
    struct wake_list woken = {NULL};
    mutex_lock(&p->state_mu);
    int64_t flushed = log_recovery_point(log);
    if (p->role == PARTITION_LEADS && flushed > p->counted_end) {
        p->counted_end = flushed;
        partition_advance(p, log, &woken);
    }
    int64_t reached = flushed < p->high_watermark ? flushed : p->high_watermark;
    partition_wake_reached(&p->flush_acks, reached, &woken);
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);
}

// No descriptor or memory at the moment: this job is run again, after a pause that leaves the disk pool to others.
static void flush_later(struct partition *p)
{
    struct timespec pause = {.tv_nsec = FLUSH_RETRY_NS};
    mutex_lock(&p->state_mu);
    p->flush = FLUSH_RUNNING_AGAIN;
    mutex_unlock(&p->state_mu);
    nanosleep(&pause, NULL);
}

void partition_flush_run(struct pool_job *job)
{
    struct partition *p = (struct partition *)job;
    mutex_lock(&p->state_mu);
    p->flush = FLUSH_RUNNING;
    mutex_unlock(&p->state_mu);
    enum err err = ERR_OK;
    struct log *log = partition_log_enter(p);
    if (log != NULL) {
        err = log_flush(log);
        if (err == ERR_OK) {
            flush_publish(p, log);
        }
        partition_log_leave(p);
    }
    if (err == ERR_AGAIN || err == ERR_NO_MEMORY) {
        flush_later(p);
    } else if (err != ERR_OK) {
        partition_fail(p, "fsync", err);
    }
    mutex_lock(&p->state_mu);
    bool again = p->flush == FLUSH_RUNNING_AGAIN && !p->ended && !p->failed;
    p->flush = again ? FLUSH_QUEUED : FLUSH_IDLE;
    if (!again) {
        cond_broadcast(&p->flush_idle);
    }
    mutex_unlock(&p->state_mu);
    if (again) {
        pool_submit(p->env->pool, &p->flush_job);
    } else {
        partition_unref(p);
    }
}

void partition_flush_if_due(struct partition *p, int64_t mono_ms)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return;
    }
    bool dirty = log_recovery_point(log) < log_end_offset(log) && !log_failed(log);
    partition_log_leave(p);
    mutex_lock(&p->state_mu);
    bool due = dirty && mono_ms - p->last_flush_ms >= p->flush_ms;
    mutex_unlock(&p->state_mu);
    if (due || !dirty) {
        p->last_flush_ms = mono_ms;
    }
    if (due) {
        partition_flush_start(p);
    }
}

void partition_settle(struct partition *p)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return;
    }
    enum err err = log_flush(log);
    partition_log_leave(p);
    if (err != ERR_OK && err != ERR_AGAIN && err != ERR_NO_MEMORY) {
        partition_fail(p, "fsync", err);
    }
}
