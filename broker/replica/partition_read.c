// SPDX-License-Identifier: Apache-2.0
//
// What a partition tells readers: bytes, offsets, epochs, figures.
#include "broker/replica/partition_internal.h"

static int64_t partition_bound(const struct partition *p, const struct log *log, enum partition_isolation isolation)
{
    switch (isolation) {
    case PARTITION_READ_UNCOMMITTED:
        return p->high_watermark;
    case PARTITION_READ_COMMITTED:
        return partition_stable_offset(p, log);
    case PARTITION_READ_LOG_END:
        return log_end_offset(log);
    }
    return p->high_watermark;
}

static void read_clear(struct partition_read *r)
{
    r->high_watermark = -1;
    r->last_stable_offset = -1;
    r->log_start_offset = -1;
    r->diverging = false;
    r->diverging_epoch = -1;
    r->diverging_end = -1;
    r->bound = -1;
    r->read.file = NULL;
    r->read.len = 0;
}

// KIP-595: does what the reader has end where our log says that epoch ended?
static enum err diverging_check(const struct log *log, struct partition_read *r)
{
    int32_t epoch;
    int64_t end;
    if (r->last_fetched_epoch < 0) {
        return ERR_OK;
    }
    log_epoch_end(log, r->last_fetched_epoch, &epoch, &end);
    if (epoch < 0) {
        return ERR_OUT_OF_RANGE;
    }
    if (epoch < r->last_fetched_epoch || end < r->offset) {
        r->diverging = true;
        r->diverging_epoch = epoch;
        r->diverging_end = end;
    }
    return ERR_OK;
}

// Under state_mu.
static enum err follower_check(const struct partition *p, const struct partition_read *r)
{
    enum err err = partition_check_epoch(p, r->current_leader_epoch);
    if (err == ERR_OK && !replica_set_follows(&p->replicas, r->follower)) {
        return r->current_leader_epoch >= 0 ? ERR_UNKNOWN_EPOCH : ERR_NOT_LEADER;
    }
    return err;
}

// Under state_mu. A follower out of sync gets nothing while the leader has sent too much. One in sync is not held up,
// so that it does not fall out.
static bool leader_throttles(const struct partition *p, const struct partition_read *r)
{
    return r->by_follower && p->leader_throttled && !replica_set_in_sync(&p->replicas, r->follower) &&
           byte_rate_exceeded(&p->env->throttle->leader);
}

// What the follower has may move the high watermark, which it then learns at once, and may bring it into the ISR; as
// long as the leader is that of the epoch in which the follower was found to fit.
static void follower_note(struct partition *p, struct log *log, struct partition_read *r, int32_t leader_epoch)
{
    struct wake_list woken = {NULL};
    struct cluster_isr_change change;
    bool ask = false;
    mutex_lock(&p->state_mu);
    bool same = p->role == PARTITION_LEADS && p->leader_epoch == leader_epoch;
    if (same && replica_set_fetched(&p->replicas, r->follower, r->offset, r->follower_start, r->bound,
                                    os_mono_us(p->env->os) / 1000)) {
        partition_advance(p, log, &woken);
        partition_wake_deletes(p, log, &woken);
        r->high_watermark = p->high_watermark;
        ask = replica_set_grow(&p->replicas, r->follower, p->high_watermark, p->epoch_start) &&
              partition_isr_ask(p, &change);
    }
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);
    if (ask) {
        partition_isr_send(p, &change);
    }
}

static enum err fetch_from(struct partition *p, struct log *log, struct partition_read *r)
{
    mutex_lock(&p->state_mu);
    enum err err = r->by_follower ? follower_check(p, r) : partition_check_reader(p, r);
    r->high_watermark = p->high_watermark;
    r->last_stable_offset = partition_stable_offset(p, log);
    r->bound = partition_bound(p, log, r->isolation);
    int32_t leader_epoch = p->leader_epoch;
    if (err == ERR_OK && leader_throttles(p, r)) {
        r->max_bytes = 0;
        r->min_one = false;
    }
    mutex_unlock(&p->state_mu);
    if (err != ERR_OK) {
        return err;
    }
    r->log_start_offset = log_start_offset(log);
    err = diverging_check(log, r);
    if (err != ERR_OK || r->diverging) {
        return err;
    }
    r->read = (struct log_read){
        .offset = r->offset, .max_offset = r->bound, .max_bytes = r->max_bytes, .min_one = r->min_one};
    err = log_read(log, &r->read);
    if (err == ERR_OK && r->by_follower && r->noted) {
        follower_note(p, log, r, leader_epoch);
    }
    return err;
}

enum err partition_fetch(struct partition *p, struct partition_read *r)
{
    read_clear(r);
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    enum err err = fetch_from(p, log, r);
    partition_log_leave(p);
    if (err != ERR_OK) {
        read_clear(r);
    }
    return err;
}

int32_t partition_reader(struct partition *p, int64_t offset, bool (*near)(void *ctx, int32_t broker_id), void *ctx)
{
    mutex_lock(&p->state_mu);
    int32_t id = p->role == PARTITION_LEADS ? replica_set_reader(&p->replicas, offset, near, ctx) : -1;
    mutex_unlock(&p->state_mu);
    return id;
}

enum err partition_aborted(struct partition *p, const struct partition_read *r, struct arena *a,
                           struct log_aborted_txn **out, int32_t *count)
{
    *out = NULL;
    *count = 0;
    if (r->read.file == NULL) {
        return ERR_OK;
    }
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    enum err err = log_aborted_transactions(log, &r->read, a, out, count);
    partition_log_leave(p);
    return err;
}

enum err partition_wait_bytes(struct partition *p, const struct partition_read *r, struct wait_link *link,
                              struct wait *w)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    mutex_lock(&p->state_mu);
    enum err err = partition_check_reader(p, r);
    if (err == ERR_OK && partition_bound(p, log, r->isolation) != r->bound) {
        err = ERR_AGAIN;
    }
    if (err == ERR_OK) {
        int64_t room = (int64_t)r->max_bytes - (int64_t)r->read.len;
        wait_link_add(&p->fetches[r->isolation], link, w, room > 0 ? room : 0);
    }
    mutex_unlock(&p->state_mu);
    partition_log_leave(p);
    return err;
}

void partition_unlink(struct partition *p, struct wait_link *link)
{
    mutex_lock(&p->state_mu);
    wait_link_remove(link);
    mutex_unlock(&p->state_mu);
}

// ---------------------------------------------------------------------------------------------------------------
// ListOffsets

static enum err offset_lookup(struct log *log, struct partition_offset *o, int64_t bound, int32_t leader_epoch)
{
    switch (o->timestamp) {
    case -1:
        o->out_offset = bound;
        o->out_leader_epoch = leader_epoch;
        return ERR_OK;
    case -2:
    case -4:
        o->out_offset = log_start_offset(log);
        o->out_leader_epoch = log_epoch_at(log, o->out_offset);
        return ERR_OK;
    case -3:
        return log_offset_of_max_time(log, bound, &o->out_offset, &o->out_timestamp, &o->out_leader_epoch);
    case -5:
        return ERR_OK; // nothing is tiered
    default:
        if (o->timestamp < 0) {
            return ERR_UNSUPPORTED;
        }
        return log_offset_by_time(log, o->timestamp, bound, &o->out_offset, &o->out_timestamp, &o->out_leader_epoch);
    }
}

// Whether the answer has nothing to do with where the log ends.
static bool from_start(int64_t timestamp)
{
    return timestamp == -2 || timestamp == -4 || timestamp == -5;
}

enum err partition_offset_for(struct partition *p, struct partition_offset *o)
{
    o->out_offset = -1;
    o->out_timestamp = -1;
    o->out_leader_epoch = -1;
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    mutex_lock(&p->state_mu);
    enum err err = partition_check_epoch(p, o->current_leader_epoch);
    int64_t bound = partition_bound(p, log, o->isolation);
    int32_t leader_epoch = p->leader_epoch;
    bool sure = o->isolation == PARTITION_READ_LOG_END || p->high_watermark >= p->epoch_start;
    mutex_unlock(&p->state_mu);
    if (err == ERR_OK) {
        err = offset_lookup(log, o, bound, leader_epoch);
    }
    bool found = o->timestamp >= 0 && o->out_offset >= 0; // which lies below the bound
    if (err == ERR_OK && !sure && !found && !from_start(o->timestamp)) {
        err = ERR_OFFSET_NOT_AVAILABLE;
    }
    partition_log_leave(p);
    return err;
}

enum err partition_offsets_before(struct partition *p, int64_t timestamp, int32_t max, struct arena *a,
                                  int64_t **offsets, int32_t *count)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    mutex_lock(&p->state_mu);
    enum err err = partition_check_epoch(p, -1);
    int64_t end = p->high_watermark;
    mutex_unlock(&p->state_mu);
    if (err == ERR_OK) {
        err = log_offsets_before(log, timestamp, end, max, a, offsets, count);
    }
    partition_log_leave(p);
    return err;
}

int64_t partition_log_start(struct partition *p)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return -1;
    }
    int64_t start = log_start_offset(log);
    partition_log_leave(p);
    return start;
}

int64_t partition_log_end(struct partition *p)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return -1;
    }
    int64_t end = log_end_offset(log);
    partition_log_leave(p);
    return end;
}

enum err partition_records_each(struct partition *p, int64_t from, int64_t end, size_t buffer_size, log_record_fn *fn,
                                void *ctx)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    enum err err = log_records_each(log, from, end, buffer_size, fn, ctx);
    partition_log_leave(p);
    return err;
}

int64_t partition_size_bytes(struct partition *p)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return 0;
    }
    int64_t bytes = log_size_bytes(log);
    partition_log_leave(p);
    return bytes;
}

enum err partition_epoch_end(struct partition *p, int32_t current_leader_epoch, int32_t epoch, int32_t *found_epoch,
                             int64_t *end_offset)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    mutex_lock(&p->state_mu);
    enum err err = partition_check_epoch(p, current_leader_epoch);
    mutex_unlock(&p->state_mu);
    if (err == ERR_OK) {
        log_epoch_end(log, epoch, found_epoch, end_offset);
    }
    partition_log_leave(p);
    return err;
}

enum err partition_producers(struct partition *p, struct arena *a, struct log_producer **out, int32_t *count)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    enum err err = log_producers(log, a, out, count);
    partition_log_leave(p);
    return err;
}

struct partition_formats partition_formats(struct partition *p)
{
    mutex_lock(&p->state_mu);
    struct partition_formats formats = p->formats;
    mutex_unlock(&p->state_mu);
    return formats;
}

void partition_sent(struct partition *p, int64_t bytes)
{
    mutex_lock(&p->state_mu);
    bool counts = p->leader_throttled;
    mutex_unlock(&p->state_mu);
    if (counts) {
        byte_rate_record(&p->env->throttle->leader, bytes);
    }
}

int32_t partition_leader_epoch(struct partition *p)
{
    mutex_lock(&p->state_mu);
    int32_t epoch = p->leader_epoch;
    mutex_unlock(&p->state_mu);
    return epoch;
}
