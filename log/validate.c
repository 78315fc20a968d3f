// SPDX-License-Identifier: Apache-2.0
//
// Validation of a produced batch. The batch's own header says what it claims to be; nothing of it is believed before
// its records were walked. What is stored is then coherent: counts, offsets and max timestamp are those of the records.
#include "log/validate.h"

#include <inttypes.h>

#include "log/record.h"

#define RECORD_ERRORS_SHOWN 3 // in the summary

// What is wrong with single records: they are collected, and the batch is refused as a whole.
struct rejection {
    struct log_append *append;
    struct arena *scratch;
    int64_t total; // also those beyond LOG_RECORD_ERRORS_MAX
    bool timestamp;
    const char *no_key; // the message all records without key share
};

enum err validate_set(const struct log_config *c, struct log_append *a, struct batch *out)
{
    a->record_errors = NULL;
    a->record_errors_count = 0;
    a->error_message = NULL;
    a->append_time_ms = -1;
    a->log_start_known = false;
    enum err e = batch_read_prefix(a->data, a->len, out);
    if (e == ERR_CORRUPT) {
        return e;
    }
    if (e != ERR_OK || batch_size(out) > a->len) {
        return ERR_INVALID_RECORD;
    }
    if (out->magic < 2) {
        return ERR_UNSUPPORTED;
    }
    if (out->base_offset != 0) {
        a->log_start_known = true;
        return ERR_INVALID_RECORD;
    }
    if (batch_size(out) > (size_t)c->max_message_bytes) {
        return ERR_BATCH_TOO_LARGE;
    }
    e = batch_read_header(a->data, batch_size(out), out);
    if (e != ERR_OK || !batch_crc_ok(a->data, out)) {
        return ERR_CORRUPT;
    }
    size_t rest = a->len - batch_size(out);
    struct batch second;
    e = batch_read_prefix(a->data + batch_size(out), rest, &second);
    if (e == ERR_CORRUPT) {
        return e;
    }
    if (e == ERR_OK && batch_size(&second) <= rest) {
        return ERR_INVALID_RECORD;
    }
    a->len = batch_size(out);
    return ERR_OK;
}

// Every offset has its record; control batches are the coordinators' own; who has a producer id counts.
static bool header_ok(const struct batch *b)
{
    return b->count > 0 && b->last_offset_delta == b->count - 1 && !batch_is(b, BATCH_ATTR_CONTROL) &&
           !(b->producer_id >= 0 && b->base_sequence < 0);
}

static void reject(struct rejection *r, int32_t index, const char *message)
{
    struct log_append *a = r->append;
    r->total++;
    if (a->record_errors == NULL) {
        a->record_errors = arena_array(r->scratch, LOG_RECORD_ERRORS_MAX, sizeof *a->record_errors);
    }
    if (a->record_errors != NULL && a->record_errors_count < LOG_RECORD_ERRORS_MAX) {
        a->record_errors[a->record_errors_count++] =
            (struct log_record_error){.index = index, .message = message == NULL ? "" : message};
    }
}

static int64_t saturating_add(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        sum = b < 0 ? INT64_MIN : INT64_MAX;
    }
    return sum;
}

// Oldest and newest record timestamps a CreateTime topic takes at this moment.
struct time_window {
    int64_t oldest_ms;
    int64_t newest_ms;
};

static struct time_window window_now(const struct log_config *c, int64_t now_ms)
{
    return (struct time_window){
        .oldest_ms = saturating_add(now_ms, -c->timestamp_before_max_ms),
        .newest_ms = saturating_add(now_ms, c->timestamp_after_max_ms),
    };
}

static void reject_no_key(struct rejection *r, const struct validate_target *t, int32_t index)
{
    if (r->no_key == NULL) {
        r->no_key =
            arena_printf(r->scratch, "Compacted topic cannot accept message without key in topic partition %s-%" PRId32,
                         t->topic, t->partition);
    }
    reject(r, index, r->no_key);
}

static void reject_timestamp(struct rejection *r, const struct record *rec, int32_t index, struct time_window w)
{
    const char *message = NULL;
    r->timestamp = true;
    if (r->total < LOG_RECORD_ERRORS_MAX) {
        message = arena_printf(r->scratch,
                               "Timestamp %" PRId64 " of message with offset %" PRId32
                               " is out of range. The timestamp should be within [%" PRId64 ", %" PRId64 "]",
                               rec->timestamp, index, w.oldest_ms, w.newest_ms);
    }
    reject(r, index, message);
}

static void reject_timestamp_type(struct rejection *r, const struct record *rec, int32_t index)
{
    const char *message = NULL;
    r->timestamp = true;
    if (r->total < LOG_RECORD_ERRORS_MAX) {
        message = arena_printf(
            r->scratch,
            "Invalid timestamp type in message DefaultRecord(offset=%" PRId32 ", timestamp=%" PRId64 ", key=%" PRId32
            " bytes, value=%" PRId32 " bytes). Producer should not set timestamp type to LogAppendTime.",
            index, rec->timestamp, rec->has_key ? rec->key_len : 0, rec->has_value ? rec->value_len : 0);
    }
    reject(r, index, message);
}

// Walks the records. Those that are refused one by one are noted in *r; what is wrong with the batch is an error.
// *out gets the greatest record timestamp (-1 when none is greater) and where it is first.
static enum err check_records(const struct validate_target *t, const struct log_append *a, const struct batch *b,
                              struct rejection *r, struct validated *out)
{
    // The client's timestamp type does not matter: what counts is what the records say once the bit is cleared.
    struct batch as_create_time = *b;
    as_create_time.attributes &= ~BATCH_ATTR_APPEND_TIME;
    bool append_bit = batch_is(b, BATCH_ATTR_APPEND_TIME);
    bool create_time = t->config->timestamp_type == LOG_CREATE_TIME;
    struct time_window w = window_now(t->config, a->now_ms);
    struct record_iter *it;
    enum err e = record_iter_new(t->pool, a->data, &as_create_time, &it);
    if (e != ERR_OK) {
        return e;
    }
    out->max_timestamp = -1;
    out->offset_of_max_timestamp = 0;
    struct record rec;
    for (int32_t i = 0; (e = record_iter_next(it, &rec)) == ERR_OK; i++) {
        if (rec.offset_delta != i) {
            e = ERR_INVALID_RECORD;
            break;
        }
        if (t->config->cleanup_compact && !rec.has_key) {
            reject_no_key(r, t, i);
        } else if (create_time && rec.timestamp != -1) {
            if (rec.timestamp < w.oldest_ms || rec.timestamp > w.newest_ms) {
                reject_timestamp(r, &rec, i, w);
            }
        } else if (append_bit) {
            reject_timestamp_type(r, &rec, i);
        }
        if (rec.timestamp > out->max_timestamp) {
            out->max_timestamp = rec.timestamp;
            out->offset_of_max_timestamp = i;
        }
    }
    record_iter_free(it);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// "[RecordError(batchIndex=1, message='...'), ...]" of the first few, as Kafka shows them.
static const char *rejection_list(const struct rejection *r)
{
    const char *text = "";
    for (int32_t i = 0; i < r->append->record_errors_count && i < RECORD_ERRORS_SHOWN && text != NULL; i++) {
        const struct log_record_error *e = &r->append->record_errors[i];
        text = arena_printf(r->scratch, "%s%sRecordError(batchIndex=%" PRId32 ", message='%s')", text,
                            i == 0 ? "" : ", ", e->index, e->message);
    }
    return text;
}

static enum err rejection_finish(const struct rejection *r)
{
    if (r->timestamp) {
        r->append->error_message = "One or more records have been rejected due to invalid timestamp";
        return ERR_INVALID_TIMESTAMP;
    }
    const char *list = rejection_list(r);
    r->append->error_message =
        arena_printf(r->scratch,
                     "One or more records have been rejected due to %" PRId64
                     " record errors in total, and only showing the first three errors at most: [%s]",
                     r->total, list == NULL ? "" : list);
    return ERR_INVALID_RECORD;
}

static void stamp(const struct validate_target *t, struct log_append *a, int64_t next_offset, struct validated *v)
{
    bool append_time = t->config->timestamp_type == LOG_APPEND_TIME;
    if (append_time) {
        v->max_timestamp = a->now_ms;
        v->offset_of_max_timestamp = 0;
        a->append_time_ms = a->now_ms;
    }
    batch_set_base_offset(a->data, next_offset);
    batch_set_leader_epoch(a->data, a->leader_epoch);
    v->batch.base_offset = next_offset;
    v->batch.leader_epoch = a->leader_epoch;
    batch_set_max_timestamp(a->data, &v->batch, append_time, v->max_timestamp);
}

enum err validate_and_stamp(const struct validate_target *t, struct log_append *a, const struct batch *b,
                            int64_t next_offset, struct arena *scratch, struct validated *out)
{
    a->log_start_known = true;
    out->batch = *b;
    if (!header_ok(b)) {
        return ERR_INVALID_RECORD;
    }
    struct rejection r = {.append = a, .scratch = scratch};
    enum err e = check_records(t, a, b, &r, out);
    if (e == ERR_OK && r.total > 0) {
        e = rejection_finish(&r);
    } else if (e != ERR_OK) {
        a->record_errors = NULL;
        a->record_errors_count = 0;
    }
    if (e == ERR_OK) {
        stamp(t, a, next_offset, out);
    }
    return e;
}
