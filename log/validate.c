// SPDX-License-Identifier: Apache-2.0
//
// Validation of a produced batch. The batch's own header says what it claims to be; nothing of it is believed before
// its records were walked. What is stored is then coherent: counts, offsets and max timestamp are those of the records.
#include "log/validate.h"

#include <inttypes.h>
#include <stdlib.h>

#include "log/convert.h"
#include "log/encoder.h"
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

// What the batches of a set are, all together.
struct set_shape {
    int32_t batches;
    bool mixed;  // of several formats
    bool single; // one of them may only come alone: it is of magic 2, or compressed
};

static enum err check_batch(const struct log_config *c, struct log_append *a, const uint8_t *data, struct batch *b)
{
    if (b->magic == 2 && b->base_offset != 0) {
        a->log_start_known = true;
        return ERR_INVALID_RECORD;
    }
    if (batch_size(b) > (size_t)c->max_message_bytes) {
        return ERR_BATCH_TOO_LARGE;
    }
    enum err e = batch_read_header(data, batch_size(b), b);
    if (e != ERR_OK || !batch_crc_ok(data, b)) {
        return ERR_CORRUPT;
    }
    if (b->magic < 2) {
        b->attributes = data[BATCH_AT_OLD_ATTRIBUTES] & BATCH_ATTR_CODEC;
    }
    return ERR_OK;
}

static void shape_add(struct set_shape *shape, const struct batch *first, const struct batch *b)
{
    shape->batches++;
    shape->mixed = shape->mixed || b->magic != first->magic;
    shape->single = shape->single || b->magic == 2 || batch_codec(b) != CODEC_NONE;
}

enum err validate_set(const struct log_config *c, struct log_append *a, struct batch *out)
{
    a->record_errors = NULL;
    a->record_errors_count = 0;
    a->error_message = NULL;
    a->append_time_ms = -1;
    a->log_start_known = false;
    struct set_shape shape = {.batches = 0};
    size_t position = 0;
    struct batch b;
    enum err e;
    while ((e = batch_read_prefix(a->data + position, a->len - position, &b)) == ERR_OK &&
           batch_size(&b) <= a->len - position) {
        e = check_batch(c, a, a->data + position, &b);
        if (e != ERR_OK) {
            return e;
        }
        if (shape.batches == 0) {
            *out = b;
        }
        shape_add(&shape, out, &b);
        position += batch_size(&b);
    }
    if (e == ERR_CORRUPT) {
        return e;
    }
    if (shape.batches == 0) {
        return ERR_INVALID_RECORD;
    }
    if (shape.mixed || (shape.single && shape.batches > 1)) {
        return ERR_INVALID_RECORD;
    }
    a->len = position;
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

// The rules for single records, for records of all formats.
struct record_rules {
    const struct validate_target *target;
    struct rejection *rejection;
    struct validated *out; // gets the greatest record timestamp and where it is first
    struct time_window window;
    bool append_bit; // the client has set the timestamp type to LogAppendTime
};

static struct record_rules rules_now(const struct validate_target *t, const struct log_append *a, struct rejection *r,
                                     struct validated *out)
{
    out->max_timestamp = -1;
    out->offset_of_max_timestamp = 0;
    return (struct record_rules){.target = t, .rejection = r, .out = out, .window = window_now(t->config, a->now_ms)};
}

static void check_record(const struct record_rules *rules, const struct record *rec, int32_t index)
{
    const struct log_config *c = rules->target->config;
    if (c->cleanup_compact && !rec->has_key) {
        reject_no_key(rules->rejection, rules->target, index);
    } else if (c->timestamp_type == LOG_CREATE_TIME && rec->timestamp != -1) {
        if (rec->timestamp < rules->window.oldest_ms || rec->timestamp > rules->window.newest_ms) {
            reject_timestamp(rules->rejection, rec, index, rules->window);
        }
    } else if (rules->append_bit) {
        reject_timestamp_type(rules->rejection, rec, index);
    }
    if (rec->timestamp > rules->out->max_timestamp) {
        rules->out->max_timestamp = rec->timestamp;
        rules->out->offset_of_max_timestamp = index;
    }
}

static size_t unpacked_max(const struct log_config *c)
{
    size_t scaled = (size_t)c->max_message_bytes * PRODUCED_UNPACKED_RATIO;
    size_t max = scaled > PRODUCED_UNPACKED_MAX ? scaled : PRODUCED_UNPACKED_MAX;
    return max < RECORDS_UNPACKED_MAX ? max : RECORDS_UNPACKED_MAX;
}

static enum err iter_open(const struct validate_target *t, const struct log_append *a, const struct batch *b,
                          struct record_iter **out)
{
    // The client's timestamp type does not matter: what counts is what the records say once the bit is cleared.
    struct batch as_create_time = *b;
    as_create_time.attributes &= ~BATCH_ATTR_APPEND_TIME;
    enum err e = record_iter_new(t->pool, a->data, &as_create_time, out);
    if (e == ERR_OK) {
        record_iter_limit(*out, t->brief ? BRIEF_UNPACKED_MAX : unpacked_max(t->config));
    }
    return e;
}

// Whether no record of the survey can be refused by check_record; if not, each has to be looked at.
static bool survey_passes(const struct record_rules *rules, const struct record_survey *s)
{
    const struct log_config *c = rules->target->config;
    bool in_time = s->oldest >= rules->window.oldest_ms && s->newest <= rules->window.newest_ms;
    return !rules->append_bit && !(c->cleanup_compact && s->keyless) &&
           (c->timestamp_type != LOG_CREATE_TIME || in_time);
}

static enum err check_each_record(const struct validate_target *t, const struct log_append *a, const struct batch *b,
                                  const struct record_rules *rules)
{
    struct record_iter *it;
    enum err e = iter_open(t, a, b, &it);
    if (e != ERR_OK) {
        return e;
    }
    struct record rec;
    for (int32_t i = 0; (e = record_iter_next(it, &rec)) == ERR_OK; i++) {
        check_record(rules, &rec, i);
    }
    record_iter_free(it);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

// Walks the records. Those that are refused one by one are noted in *r; what is wrong with the batch is an error.
static enum err check_records(const struct validate_target *t, const struct log_append *a, const struct batch *b,
                              struct rejection *r, struct validated *out)
{
    struct record_rules rules = rules_now(t, a, r, out);
    rules.append_bit = batch_is(b, BATCH_ATTR_APPEND_TIME);
    struct record_iter *it;
    enum err e = iter_open(t, a, b, &it);
    if (e != ERR_OK) {
        return e;
    }
    struct record_survey s;
    e = record_iter_survey(it, &s);
    record_iter_free(it);
    if (e != ERR_OK || !survey_passes(&rules, &s)) {
        return e != ERR_OK ? e : check_each_record(t, a, b, &rules);
    }
    out->max_timestamp = s.newest;
    out->offset_of_max_timestamp = s.newest_delta;
    return ERR_OK;
}

// ---- batches that are made anew ------------------------------------------------------------------------------------

// The codec the topic stores this batch with.
static struct convert_target target_of(const struct log_config *c, const struct batch *b)
{
    if (c->compression == LOG_COMPRESSION_PRODUCER) {
        return (struct convert_target){batch_codec(b), encoder_level_default(batch_codec(b)), unpacked_max(c)};
    }
    return (struct convert_target){(int)c->compression - (int)LOG_COMPRESSION_NONE, c->compression_level,
                                   unpacked_max(c)};
}

static enum err check_old_record(void *ctx, const struct batch *entry, const struct full_record *full, int32_t index)
{
    struct record_rules *rules = ctx;
    struct record rec = {
        .offset = full->offset,
        .timestamp = full->timestamp,
        .offset_delta = index,
        .has_key = full->key.data != NULL,
        .has_value = full->value.data != NULL,
        .key_len = full->key.data == NULL ? -1 : (int32_t)full->key.len,
        .value_len = full->value.data == NULL ? -1 : (int32_t)full->value.len,
    };
    rules->append_bit = batch_is(entry, BATCH_ATTR_APPEND_TIME);
    check_record(rules, &rec, index);
    return ERR_OK;
}

// What a writer made, or why it did not: one that is full has more than the topic takes.
static enum err rebuilt_take(struct writer *w, enum err e, struct validated *out)
{
    if (e == ERR_OK) {
        out->rebuilt = writer_take(w, &out->rebuilt_len);
    } else {
        writer_release(w);
    }
    return e;
}

// Checks the messages of an old format and makes a batch of them.
static enum err rebuild_old(const struct validate_target *t, const struct log_append *a, const struct batch *b,
                            struct rejection *r, struct validated *out)
{
    struct record_rules rules = rules_now(t, a, r, out);
    struct writer w;
    writer_init(&w, a->len, (size_t)t->config->max_message_bytes);
    enum err e =
        convert_up(t->pool, a->data, a->len, target_of(t->config, b), check_old_record, &rules, &w, &out->batch);
    return rebuilt_take(&w, e, out);
}

static enum err rebuild_codec(const struct validate_target *t, const struct log_append *a, const struct batch *b,
                              struct convert_target target, struct validated *out)
{
    struct writer w;
    writer_init(&w, a->len, (size_t)t->config->max_message_bytes);
    return rebuilt_take(&w, convert_codec(t->pool, a->data, b, target, &w, &out->batch), out);
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

void validate_stamp(const struct log_config *c, struct log_append *a, int64_t next_offset, struct validated *v)
{
    uint8_t *data = v->rebuilt != NULL ? v->rebuilt : a->data;
    bool append_time = c->timestamp_type == LOG_APPEND_TIME;
    if (append_time) {
        v->max_timestamp = a->now_ms;
        v->offset_of_max_timestamp = 0;
        a->append_time_ms = a->now_ms;
    }
    batch_set_base_offset(data, next_offset);
    batch_set_leader_epoch(data, a->leader_epoch);
    v->batch.base_offset = next_offset;
    v->batch.leader_epoch = a->leader_epoch;
    batch_set_max_timestamp(data, &v->batch, append_time, v->max_timestamp);
}

// A batch of magic 2: checked, and packed anew where the topic has a codec of its own.
static enum err check_new(const struct validate_target *t, struct log_append *a, const struct batch *b,
                          struct rejection *r, struct validated *out)
{
    if (!header_ok(b)) {
        return ERR_INVALID_RECORD;
    }
    enum err e = check_records(t, a, b, r, out);
    struct convert_target target = target_of(t->config, b);
    if (e == ERR_OK && r->total == 0 && target.codec != batch_codec(b)) {
        e = rebuild_codec(t, a, b, target, out);
    }
    return e;
}

// Whether it can be told beforehand that the batch takes longer than a moment.
static bool takes_long(const struct log_config *c, const struct batch *b)
{
    bool packed = batch_codec(b) != CODEC_NONE;
    return b->magic < 2 || target_of(c, b).codec != batch_codec(b) || (packed && batch_size(b) > BRIEF_PACKED_MAX);
}

enum err validate_records(const struct validate_target *t, struct log_append *a, const struct batch *b,
                          struct arena *scratch, struct validated *out)
{
    if (t->brief && takes_long(t->config, b)) {
        return ERR_AGAIN;
    }
    a->log_start_known = true;
    *out = (struct validated){.batch = *b};
    struct rejection r = {.append = a, .scratch = scratch};
    enum err e = b->magic == 2 ? check_new(t, a, b, &r, out) : rebuild_old(t, a, b, &r, out);
    if (e == ERR_TOO_LARGE) {
        e = t->brief ? ERR_AGAIN : ERR_BATCH_TOO_LARGE;
        a->log_start_known = false; // as with every batch that is too large
    }
    if (e == ERR_OK && r.total > 0) {
        e = rejection_finish(&r);
    } else if (e != ERR_OK) {
        a->record_errors = NULL;
        a->record_errors_count = 0;
    }
    if (e != ERR_OK) {
        free(out->rebuilt);
        out->rebuilt = NULL;
    }
    return e;
}
