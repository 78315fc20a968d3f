// SPDX-License-Identifier: Apache-2.0
//
// What a follower's fetcher does to its replica: append what the leader gave, cut what the leader does not have. All of
// it is fenced by the leader epoch under append_mu, so that an answer that comes late changes nothing.
//
// The high watermark is the leader's, as far as the records are here; it never falls but by a cut.
#include <inttypes.h>

#include "base/logging.h"
#include "broker/replica/partition_internal.h"

// Under append_mu.
static enum err follow_check(struct partition *p, int32_t leader_epoch)
{
    mutex_lock(&p->state_mu);
    enum err err = p->failed ? ERR_FAILED : ERR_OK;
    if (p->ended || p->role != PARTITION_FOLLOWS || p->leader_epoch != leader_epoch) {
        err = ERR_FENCED_EPOCH;
    }
    mutex_unlock(&p->state_mu);
    return err;
}

bool partition_follower_throttled(struct partition *p)
{
    mutex_lock(&p->state_mu);
    bool throttled = p->follower_throttled;
    mutex_unlock(&p->state_mu);
    return throttled;
}

enum err partition_position(struct partition *p, int32_t leader_epoch, struct partition_position *out)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_FENCED_EPOCH;
    }
    enum err err = follow_check(p, leader_epoch);
    *out = (struct partition_position){.end_offset = log_end_offset(log),
                                       .start_offset = log_start_offset(log),
                                       .high_watermark = log_high_watermark(log),
                                       .latest_epoch = log_latest_epoch(log)};
    partition_log_leave(p);
    return err;
}

enum err partition_own_epoch_end(struct partition *p, int32_t leader_epoch, int32_t epoch, int32_t *found_epoch,
                                 int64_t *end_offset)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_FENCED_EPOCH;
    }
    enum err err = follow_check(p, leader_epoch);
    log_epoch_end(log, epoch, found_epoch, end_offset);
    partition_log_leave(p);
    return err;
}

// Under append_mu. The leader's marks, as far as they concern what is here.
static enum err marks_take(struct partition *p, const struct partition_replicate *r)
{
    struct wake_list woken = {NULL};
    int64_t end = log_end_offset(p->log);
    int64_t reached = r->high_watermark < end ? r->high_watermark : end;
    mutex_lock(&p->state_mu);
    p->hidden_bytes += (int64_t)r->len;
    partition_raise_watermark(p, p->log, reached, p->hidden_bytes, &woken);
    if (p->high_watermark == end) {
        p->hidden_bytes = 0;
    }
    int64_t start = r->start_offset < p->high_watermark ? r->start_offset : p->high_watermark;
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);
    return log_advance_start(p->log, start);
}

enum err partition_begin_in_batch(struct log *log, struct slice batches)
{
    int64_t base_offset;
    int64_t end = log_end_offset(log);
    enum err err = log_base_offset(batches, &base_offset);
    return err == ERR_OK && base_offset < end && log_start_offset(log) == end ? log_restart(log, base_offset) : err;
}

// Under append_mu.
static enum err replicate_append(struct partition *p, const struct partition_replicate *r, struct arena *scratch,
                                 struct log_append *a)
{
    if (log_end_offset(p->log) != r->fetch_offset) {
        return ERR_OUT_OF_RANGE;
    }
    if (r->len == 0) {
        return ERR_OK;
    }
    enum err err = partition_begin_in_batch(p->log, slice_of(r->data, r->len));
    if (err != ERR_OK && err != ERR_TRUNCATED) { // one that was cut off is no batch
        return err;
    }
    *a = (struct log_append){
        .data = r->data, .len = r->len, .origin = LOG_FROM_LEADER, .now_ms = os_wall_ms(p->env->os)};
    return log_append(p->log, a, scratch);
}

enum err partition_replicate(struct partition *p, const struct partition_replicate *r, struct arena *scratch,
                             int64_t *end_offset)
{
    struct log_append a = {0};
    mutex_lock(&p->append_mu);
    enum err err = follow_check(p, r->leader_epoch);
    if (err == ERR_OK) {
        err = replicate_append(p, r, scratch, &a);
    }
    if (err == ERR_OK && a.flush_due) {
        err = log_flush(p->log);
    }
    if (err == ERR_OK) {
        err = marks_take(p, r);
        *end_offset = log_end_offset(p->log);
    }
    mutex_unlock(&p->append_mu);
    if (partition_log_broken(err)) {
        partition_fail(p, "replication", err);
        return ERR_FAILED;
    }
    if (err == ERR_OK && a.rolled && !a.flush_due) {
        partition_flush_start(p);
    }
    return err;
}

// Under append_mu.
static void watermark_lower(struct partition *p, int64_t offset)
{
    mutex_lock(&p->state_mu);
    if (p->high_watermark > offset) {
        log_warn("replica", "%s-%d: cut at %" PRId64 ", below its high watermark %" PRId64, p->topic, (int)p->index,
                 offset, p->high_watermark);
        p->high_watermark = p->last_stable_offset = offset;
        log_set_high_watermark(p->log, offset);
    }
    p->hidden_bytes = 0;
    mutex_unlock(&p->state_mu);
}

static enum err follower_cut(struct partition *p, int32_t leader_epoch, int64_t offset,
                             enum err (*cut)(struct log *l, int64_t offset))
{
    mutex_lock(&p->append_mu);
    enum err err = follow_check(p, leader_epoch);
    if (err == ERR_OK) {
        watermark_lower(p, offset);
        err = cut(p->log, offset);
    }
    mutex_unlock(&p->append_mu);
    if (partition_log_broken(err)) {
        partition_fail(p, "truncation", err);
        return ERR_FAILED;
    }
    return err;
}

enum err partition_truncate(struct partition *p, int32_t leader_epoch, int64_t offset)
{
    return follower_cut(p, leader_epoch, offset, log_truncate);
}

enum err partition_restart(struct partition *p, int32_t leader_epoch, int64_t offset)
{
    return follower_cut(p, leader_epoch, offset, log_restart);
}
