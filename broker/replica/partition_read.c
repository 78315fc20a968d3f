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

static enum err fetch_from(struct partition *p, struct log *log, struct partition_read *r)
{
    mutex_lock(&p->state_mu);
    enum err err = partition_check_epoch(p, r->current_leader_epoch);
    r->high_watermark = p->high_watermark;
    r->last_stable_offset = partition_stable_offset(p, log);
    r->bound = partition_bound(p, log, r->isolation);
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
    return log_read(log, &r->read);
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
    enum err err = partition_check_reader(p);
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
    mutex_unlock(&p->state_mu);
    if (err == ERR_OK) {
        err = offset_lookup(log, o, bound, leader_epoch);
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
    enum err err = partition_check_reader(p);
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

int32_t partition_leader_epoch(struct partition *p)
{
    mutex_lock(&p->state_mu);
    int32_t epoch = p->leader_epoch;
    mutex_unlock(&p->state_mu);
    return epoch;
}
