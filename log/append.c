// SPDX-License-Identifier: Apache-2.0
//
// Appending. One call: check the bytes, roll when due, write them with one pwritev, index them, apply them to the
// producer state, publish the new end. Until the last step nobody sees anything; when a step after the write fails,
// the file is cut back and the log is out of service.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "log/internal.h"
#include "log/validate.h"

// What the bytes of an append hold.
struct append_set {
    int64_t first_offset;
    int64_t last_offset;
    struct segment_time max;
    int32_t batches;
};

static void append_set_add(struct append_set *set, const struct batch *b)
{
    if (set->batches++ == 0) {
        set->first_offset = b->base_offset;
        set->max = (struct segment_time){b->max_timestamp, batch_last_offset(b)};
    }
    if (b->max_timestamp > set->max.timestamp) {
        set->max = (struct segment_time){b->max_timestamp, batch_last_offset(b)};
    }
    set->last_offset = batch_last_offset(b);
}

// ---- checks --------------------------------------------------------------------------------------------------------

static enum err append_check_producer(struct log *l, struct log_append *a, const struct batch *b)
{
    struct producer_batch before;
    mutex_lock(&l->producers_mu);
    enum err err = producer_state_check(l->producers, b, &before);
    mutex_unlock(&l->producers_mu);
    if (err == ERR_DUPLICATE_SEQUENCE) {
        a->duplicate = true;
        a->first_offset = before.first_offset;
        a->last_offset = before.last_offset;
        a->append_time_ms = before.max_timestamp;
    }
    return err;
}

enum err log_prepare(struct log *l, const struct log_config *c, struct log_append *a, struct arena *scratch)
{
    struct validate_target target = {c, l->topic, l->partition, l->dir->codecs, a->brief};
    struct batch first;
    struct validated *v = arena_alloc(scratch, sizeof *v);
    if (v == NULL) {
        return ERR_NO_MEMORY;
    }
    enum err err = validate_set(c, a, &first);
    if (!err) {
        err = validate_records(&target, a, &first, scratch, v);
        a->takes_long = err == ERR_AGAIN;
    }
    a->ready = err ? NULL : v;
    return err;
}

void log_append_drop(struct log_append *a)
{
    if (a->ready != NULL) {
        free(a->ready->rebuilt);
        a->ready = NULL;
    }
}

// a->data is what is to be stored afterwards.
static enum err append_check_client(struct log *l, struct log_append *a, struct arena *scratch, struct append_set *set)
{
    enum err err = a->ready == NULL ? log_prepare(l, &l->config, a, scratch) : ERR_OK;
    if (err) {
        return err;
    }
    struct validated *v = a->ready;
    validate_stamp(&l->config, a, log_end_offset(l), v);
    if (v->rebuilt != NULL) {
        a->data = v->rebuilt;
        a->len = v->rebuilt_len;
    }
    append_set_add(set, &v->batch);
    return append_check_producer(l, a, &v->batch);
}

// The next whole batch of what a leader or coordinator sent; NOT_FOUND at the end and for an incomplete rest.
static enum err append_next_batch(const struct log_append *a, size_t position, struct batch *b)
{
    enum err err = scan_header(a->data + position, a->len - position, b);
    if (err == ERR_TRUNCATED || (!err && batch_size(b) > a->len - position)) {
        return ERR_NOT_FOUND;
    }
    struct marker m;
    return !err && scan_has_marker(b) ? scan_marker(a->data + position, b, &m) : err;
}

// Records of this broker: offsets and epoch are given here, the rest is as its writer made it.
static enum err append_check_coordinator(struct log *l, struct log_append *a, struct append_set *set)
{
    int64_t next_offset = log_end_offset(l);
    size_t position = 0;
    struct batch b;
    enum err err;
    while ((err = append_next_batch(a, position, &b)) == ERR_OK) {
        uint8_t *data = a->data + position;
        if (b.magic < 2 || b.count <= 0) {
            return ERR_INVALID_RECORD;
        }
        if (batch_size(&b) > (size_t)l->config.max_message_bytes) {
            return ERR_BATCH_TOO_LARGE;
        }
        b.base_offset = next_offset;
        batch_set_base_offset(data, next_offset);
        batch_set_leader_epoch(data, a->leader_epoch);
        if (l->config.timestamp_type == LOG_APPEND_TIME) {
            batch_set_max_timestamp(data, &b, true, a->now_ms);
            a->append_time_ms = a->now_ms;
        }
        append_set_add(set, &b);
        next_offset = batch_last_offset(&b) + 1;
        position += batch_size(&b);
    }
    if (err == ERR_NOT_FOUND && (position < a->len || set->batches == 0)) {
        return ERR_INVALID_RECORD;
    }
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

// What the leader has: appended as it is, but only whole batches with right sums in rising order. The rest that its
// answer cut off is dropped.
static enum err append_check_leader(struct log *l, struct log_append *a, struct append_set *set)
{
    int64_t next_offset = log_end_offset(l);
    size_t position = 0;
    struct batch b;
    enum err err;
    while ((err = append_next_batch(a, position, &b)) == ERR_OK) {
        if (!batch_crc_ok(a->data + position, &b)) {
            return ERR_CORRUPT;
        }
        if (b.base_offset < next_offset) {
            return ERR_OUT_OF_RANGE;
        }
        append_set_add(set, &b);
        next_offset = batch_last_offset(&b) + 1;
        position += batch_size(&b);
    }
    if (err == ERR_NOT_FOUND) {
        a->len = position;
        err = ERR_OK;
    }
    return err;
}

static enum err append_check(struct log *l, struct log_append *a, struct arena *scratch, struct append_set *set)
{
    enum err err = ERR_INVALID;
    switch (a->origin) {
    case LOG_FROM_CLIENT:
        err = append_check_client(l, a, scratch, set);
        break;
    case LOG_FROM_COORDINATOR:
        err = append_check_coordinator(l, a, set);
        break;
    case LOG_FROM_LEADER:
        err = append_check_leader(l, a, set);
        break;
    }
    return !err && a->len > (size_t)l->config.segment_bytes ? ERR_LIST_TOO_LARGE : err;
}

// ---- rolling -------------------------------------------------------------------------------------------------------

// The max timestamp of the first batch of a segment that is not empty.
static enum err append_first_timestamp(struct segment *s)
{
    struct log_file *f;
    enum err err = segment_file(s, &f);
    if (err) {
        return err;
    }
    struct batch_scan scan;
    struct batch b;
    int64_t position;
    batch_scan_init(&scan, s->os, f->fd, 0, s->size, BATCH_HEADER_SIZE);
    err = batch_scan_next(&scan, &b, &position);
    batch_scan_release(&scan);
    log_file_unref(f);
    if (!err) {
        s->first_timestamp = b.max_timestamp;
        s->first_timestamp_known = true;
    }
    return err;
}

// Kafka measures the age of a segment in the time of its records; only segments without one by the clock. Extreme
// timestamps wrap around as in Kafka.
static int64_t append_waited_ms(const struct segment *s, const struct log_append *a, int64_t max_timestamp)
{
    uint64_t since = (uint64_t)(s->first_timestamp >= 0 ? s->first_timestamp : s->created_ms);
    uint64_t until = (uint64_t)(s->first_timestamp >= 0 ? max_timestamp : a->now_ms);
    return (int64_t)(until - since);
}

static enum err append_must_roll(struct log *l, const struct log_append *a, const struct append_set *set, bool *roll)
{
    struct segment *s = log_active(l);
    const struct log_config *c = &l->config;
    *roll = true;
    if (s->size > c->segment_bytes - (int64_t)a->len || set->last_offset - s->base_offset > INT32_MAX ||
        index_is_full(&s->offsets, c->segment_index_bytes) || index_is_full(&s->times, c->segment_index_bytes)) {
        return ERR_OK;
    }
    *roll = false;
    if (s->size == 0) {
        return ERR_OK;
    }
    enum err err = s->first_timestamp_known ? ERR_OK : append_first_timestamp(s);
    *roll = !err && append_waited_ms(s, a, set->max.timestamp) > c->segment_ms - s->roll_jitter_ms;
    return err;
}

static enum err append_roll_if_due(struct log *l, struct log_append *a, const struct append_set *set)
{
    bool roll;
    enum err err = append_must_roll(l, a, set, &roll);
    if (err) {
        return log_stop(l, err, "reading the active segment");
    }
    if (roll) {
        int64_t end_offset = log_end_offset(l);
        err = log_roll(l, set->first_offset > end_offset ? set->first_offset : end_offset);
        a->rolled = !err;
    }
    return err;
}

// ---- writing -------------------------------------------------------------------------------------------------------

// Leader epochs that begin with these batches. Written first: an entry for a batch that was never written is dropped
// at the next start, a batch without its entry would mislead followers.
static enum err append_note_epochs(struct log *l, const struct log_append *a)
{
    struct batch b;
    enum err err = epoch_cache_store(l->epochs); // what opening has trimmed must not come back behind new records
    for (size_t position = 0; position < a->len && !err; position += batch_size(&b)) {
        err = scan_header(a->data + position, a->len - position, &b);
        if (!err && b.leader_epoch >= 0 && b.leader_epoch > epoch_cache_latest(l->epochs)) {
            err = epoch_cache_assign(l->epochs, b.leader_epoch, b.base_offset, true);
        }
    }
    return err;
}

static enum err append_write(struct log *l, const struct log_append *a, const struct append_set *set,
                             const struct segment_time *max)
{
    struct segment *s = log_active(l);
    struct iovec iov = {.iov_base = a->data, .iov_len = a->len};
    enum err err = os_pwritev_full(l->os, s->file->fd, &iov, 1, s->size);
    if (!err) {
        err = segment_index_append(s, s->size, a->len, set->last_offset, max, l->config.index_interval_bytes);
    }
    struct batch b;
    for (size_t position = 0; position < a->len && !err; position += batch_size(&b)) {
        err = scan_header(a->data + position, a->len - position, &b);
        if (!err) {
            l->producers_ahead = true;
            err = log_replay_batch(l, s, a->data + position, &b, true);
        }
    }
    l->producers_ahead = err && l->producers_ahead;
    return err;
}

// Takes back what a failed append left in the file.
static enum err append_undo(struct log *l, enum err err)
{
    struct segment *s = log_active(l);
    if (l->os->ftruncate(l->os, s->file->fd, s->size) != 0) {
        log_error("log", "%s: cannot cut back a failed append at position %" PRId64 ": %s", l->path, s->size,
                  err_text(err_from_errno(errno)));
        return log_fail(l, err, "writing");
    }
    return log_stop(l, err, "writing");
}

static void append_publish(struct log *l, const struct log_append *a, const struct append_set *set,
                           const struct segment_time *max)
{
    struct segment *s = log_active(l);
    struct batch b;
    mutex_lock(&l->mu);
    for (size_t position = 0; position < a->len; position += batch_size(&b)) {
        enum err err = scan_header(a->data + position, a->len - position, &b);
        ASSERT(err == ERR_OK);
        l->hints[l->hint_next] = (struct append_hint){
            .segment_base = s->base_offset,
            .base_offset = b.base_offset,
            .last_offset = batch_last_offset(&b),
            .position = s->size + (int64_t)position,
            .size = batch_size(&b),
        };
        l->hint_next = (l->hint_next + 1) % LOG_HINTS;
    }
    s->size += (int64_t)a->len;
    s->max_timestamp = max->timestamp;
    s->max_timestamp_offset = max->offset;
    atomic_fetch_add_explicit(&l->size_bytes, (int64_t)a->len, memory_order_relaxed);
    atomic_store_explicit(&l->end_offset, set->last_offset + 1, memory_order_release);
    mutex_unlock(&l->mu);
}

static bool append_flush_due(const struct log *l)
{
    return log_end_offset(l) - log_recovery_point(l) >= l->config.flush_messages;
}

static enum err append_commit(struct log *l, struct log_append *a, const struct append_set *set)
{
    enum err err = append_note_epochs(l, a);
    if (err) {
        return log_stop(l, err, "writing leader-epoch-checkpoint");
    }
    err = append_roll_if_due(l, a, set);
    struct segment *s = log_active(l);
    if (!err) {
        err = segment_pin(s);
    }
    if (err) {
        return err;
    }
    atomic_store(&l->untouched, false);
    struct segment_time max = {s->max_timestamp, s->max_timestamp_offset};
    if (set->max.timestamp > max.timestamp) {
        max = set->max;
    }
    err = append_write(l, a, set, &max);
    if (err) {
        return append_undo(l, err);
    }
    append_publish(l, a, set, &max);
    a->first_offset = set->first_offset;
    a->last_offset = set->last_offset;
    a->flush_due = append_flush_due(l);
    return ERR_OK;
}

enum err log_base_offset(struct slice records, int64_t *base_offset)
{
    struct batch b;
    enum err err = scan_header(records.data, records.len, &b);
    *base_offset = err ? -1 : b.base_offset;
    return err;
}

// What validation fills is left alone: it may be over already.
static void append_reset(struct log_append *a)
{
    a->first_offset = -1;
    a->last_offset = -1;
    a->duplicate = false;
    a->flush_due = false;
    a->rolled = false;
    a->takes_long = false;
    if (a->ready == NULL) {
        a->append_time_ms = -1;
        a->log_start_known = false;
        a->record_errors = NULL;
        a->record_errors_count = 0;
        a->error_message = NULL;
    }
}

enum err log_append(struct log *l, struct log_append *a, struct arena *scratch)
{
    append_reset(a);
    enum err err = log_ready(l);
    if (err) {
        log_append_drop(a);
        return err;
    }
    struct append_set set = {.batches = 0};
    uint8_t *sent = a->data;
    err = append_check(l, a, scratch, &set);
    if (err == ERR_DUPLICATE_SEQUENCE) {
        a->flush_due = append_flush_due(l); // its first copy may not be on the disk yet
        err = ERR_OK;
    } else if (!err && set.batches > 0) {
        err = append_commit(l, a, &set);
    }
    log_append_drop(a);
    a->data = sent;
    return err;
}
