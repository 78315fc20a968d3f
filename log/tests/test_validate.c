// SPDX-License-Identifier: Apache-2.0
//
// Validation and stamping: what a real broker answered to each produced batch (data/produce-cases.txt), what is stored
// afterwards, and the bounds of what is said about bad records.
#include "log/validate.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "log/record.h"
#include "log/tests/batch_builder.h"

#define NOW_MS    1795368407362
#define CASES     "log/tests/data/produce-cases.txt"
#define NEXT      4000 // next offset of the log
#define EPOCH     17
#define ARENA_MAX (4 << 20)

static struct log_config config_new(void)
{
    return (struct log_config){
        .max_message_bytes = 1048588,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .timestamp_type = LOG_CREATE_TIME,
    };
}

struct attempt {
    struct log_config config;
    struct validate_target target;
    struct log_append append;
    struct arena arena;
    struct validated out;
};

static void attempt_init(struct attempt *t, const char *topic, int32_t partition, uint8_t *data, size_t len)
{
    memset(t, 0, sizeof *t);
    t->config = config_new();
    t->target = (struct validate_target){.config = &t->config, .topic = topic, .partition = partition};
    t->append = (struct log_append){.data = data, .len = len, .leader_epoch = EPOCH, .now_ms = NOW_MS};
    arena_init(&t->arena, ARENA_MAX);
}

// All steps.
static enum err attempt_run(struct attempt *t)
{
    struct batch b;
    enum err e = validate_set(&t->config, &t->append, &b);
    if (e == ERR_OK) {
        e = validate_records(&t->target, &t->append, &b, &t->arena, &t->out);
    }
    if (e == ERR_OK) {
        validate_stamp(&t->config, &t->append, NEXT, &t->out);
    }
    return e;
}

// What is in the bytes after success must be coherent and equal to what was reported.
static void check_stored(const struct attempt *t)
{
    struct batch b;
    const struct log_append *a = &t->append;
    assert_int_equal(batch_read_header(a->data, a->len, &b), ERR_OK);
    assert_int_equal(batch_size(&b), a->len);
    assert_true(batch_crc_ok(a->data, &b));
    assert_memory_equal(&b, &t->out.batch, sizeof b);
    assert_int_equal(b.base_offset, NEXT);
    assert_int_equal(b.leader_epoch, EPOCH);
    assert_int_equal(b.max_timestamp, t->out.max_timestamp);
    bool append_time = t->config.timestamp_type == LOG_APPEND_TIME;
    assert_int_equal(batch_is(&b, BATCH_ATTR_APPEND_TIME), append_time);
    assert_int_equal(a->append_time_ms, append_time ? NOW_MS : -1);
    struct record_iter *it;
    struct record r;
    int64_t max = -1;
    int32_t n = 0;
    assert_int_equal(record_iter_new(NULL, a->data, &b, &it), ERR_OK);
    for (; record_iter_next(it, &r) == ERR_OK; n++) {
        assert_int_equal(r.offset, NEXT + n);
        max = r.timestamp > max ? r.timestamp : max;
    }
    record_iter_free(it);
    assert_int_equal(n, b.count);
    assert_int_equal(max, b.max_timestamp);
}

// ---- a broker's answers --------------------------------------------------------------------------------------------

enum {
    CASE_NAME,
    CASE_TOPIC,
    CASE_PARTITION,
    CASE_ERROR,
    CASE_KNOWN,
    CASE_MESSAGE,
    CASE_RECORDS,
    CASE_HEX,
    CASE_FIELDS
};

static void case_config(struct log_config *c, const char *topic)
{
    if (strcmp(topic, "pr-lat") == 0) {
        c->timestamp_type = LOG_APPEND_TIME;
    } else if (strcmp(topic, "pr-compact") == 0 || strcmp(topic, "__consumer_offsets") == 0) {
        c->cleanup_compact = true;
    } else if (strcmp(topic, "pr-small") == 0) {
        c->max_message_bytes = 500;
    } else if (strcmp(topic, "pr-win") == 0) {
        c->timestamp_before_max_ms = 1000;
        c->timestamp_after_max_ms = 1000;
    }
}

static uint8_t *case_bytes(const char *hex, size_t *len)
{
    *len = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
    uint8_t *data = malloc(*len + 1);
    assert_non_null(data);
    for (size_t i = 0; i < *len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        data[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return data;
}

// "index=message|index=message", as the data file has it.
static char *case_record_errors(const struct log_append *a)
{
    size_t size = 1;
    for (int32_t i = 0; i < a->record_errors_count; i++) {
        size += strlen(a->record_errors[i].message) + 16;
    }
    char *text = malloc(size);
    assert_non_null(text);
    size_t used = 0;
    text[0] = '\0';
    for (int32_t i = 0; i < a->record_errors_count; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%d=%s", i == 0 ? "" : "|", a->record_errors[i].index,
                                 a->record_errors[i].message);
    }
    return text;
}

static void check_case(char *fields[CASE_FIELDS])
{
    struct attempt t;
    size_t len;
    uint8_t *data = case_bytes(fields[CASE_HEX], &len);
    uint8_t *sent = case_bytes(fields[CASE_HEX], &len);
    attempt_init(&t, fields[CASE_TOPIC], (int32_t)strtol(fields[CASE_PARTITION], NULL, 10), data, len);
    case_config(&t.config, fields[CASE_TOPIC]);
    enum err e = attempt_run(&t);
    if (strcmp(err_name(e), fields[CASE_ERROR]) != 0) {
        fail_msg("%s: %s instead of %s", fields[CASE_NAME], err_name(e), fields[CASE_ERROR]);
    }
    if (e == ERR_OK) {
        check_stored(&t);
    } else {
        assert_memory_equal(data, sent, len);
        assert_int_equal(t.append.append_time_ms, -1);
    }
    if (strcmp(fields[CASE_KNOWN], "-") != 0 && t.append.log_start_known != (fields[CASE_KNOWN][0] == '1')) {
        fail_msg("%s: log start offset", fields[CASE_NAME]);
    }
    if (strcmp(fields[CASE_MESSAGE], "-") != 0) {
        assert_string_equal(t.append.error_message, fields[CASE_MESSAGE]);
        char *errors = case_record_errors(&t.append);
        assert_string_equal(errors, fields[CASE_RECORDS]);
        free(errors);
    }
    arena_release(&t.arena);
    free(sent);
    free(data);
}

static void test_answers_of_a_broker(void **state)
{
    (void)state;
    size_t len;
    char *file = test_file(CASES, &len);
    char *rest = NULL;
    int cases = 0;
    for (char *line = strtok_r(file, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#') {
            continue;
        }
        char *fields[CASE_FIELDS];
        char *field_rest = NULL;
        for (int i = 0; i < CASE_FIELDS; i++) {
            fields[i] = strtok_r(i == 0 ? line : NULL, "\t", &field_rest);
            assert_non_null(fields[i]);
        }
        check_case(fields);
        cases++;
    }
    assert_in_range(cases, 60, 100);
    free(file);
}

// ---- what is stored ------------------------------------------------------------------------------------------------

static void test_every_packing_is_stored(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    for (int p = 0; p < PACK_COUNT; p++) {
        for (int type = LOG_CREATE_TIME; type <= LOG_APPEND_TIME; type++) {
            struct attempt t;
            size_t len;
            uint8_t *data = test_simple_batch((enum test_packing)p, 300, 40, &len);
            uint8_t *sent = test_simple_batch((enum test_packing)p, 300, 40, &len);
            attempt_init(&t, "t", 0, data, len);
            t.target.pool = pool;
            t.config.timestamp_type = (enum log_timestamp_type)type;
            assert_int_equal(attempt_run(&t), ERR_OK);
            assert_int_equal(t.append.len, len);
            if (type == LOG_CREATE_TIME) { // an honest batch keeps its CRC and all that is below it
                assert_memory_equal(data + BATCH_AT_MAGIC, sent + BATCH_AT_MAGIC, len - BATCH_AT_MAGIC);
                assert_int_equal(t.out.offset_of_max_timestamp, 299);
                check_stored(&t);
            } else {
                struct batch b;
                assert_int_equal(batch_read_header(data, len, &b), ERR_OK);
                assert_true(batch_crc_ok(data, &b));
                assert_true(batch_is(&b, BATCH_ATTR_APPEND_TIME));
                assert_int_equal(b.max_timestamp, NOW_MS);
                assert_int_equal(b.base_timestamp, 1000);
                assert_int_equal(t.append.append_time_ms, NOW_MS);
                assert_memory_equal(data + BATCH_HEADER_SIZE, sent + BATCH_HEADER_SIZE, len - BATCH_HEADER_SIZE);
            }
            arena_release(&t.arena);
            free(sent);
            free(data);
        }
    }
    codec_pool_free(pool);
}

// A batch of records with these timestamp deltas; the header claims max_timestamp.
static uint8_t *timed_batch(const int64_t *deltas, int32_t n, int attributes, int64_t max_timestamp, size_t *len)
{
    struct writer w;
    writer_init(&w, 256, 1 << 20);
    for (int32_t i = 0; i < n; i++) {
        test_add_record(&w, i, deltas[i], SLICE_NULL, slice_str("v"), 0);
    }
    struct batch header = test_header(n);
    header.attributes = (int16_t)attributes;
    header.max_timestamp = max_timestamp;
    uint8_t *data = test_batch(&header, PACK_NONE, writer_slice(&w), len);
    writer_release(&w);
    return data;
}

static void test_max_timestamp_is_that_of_the_records(void **state)
{
    (void)state;
    static const struct {
        int64_t deltas[4];
        int attributes;
        int64_t claimed;
        int64_t max;
        int64_t offset_of_max;
    } cases[] = {
        {{0, 7, 3, 7}, 0, 1007, 1007, 1},                        // right
        {{0, 7, 3, 7}, 0, 5, 1007, 1},                           // too small
        {{0, 7, 3, 7}, 0, INT64_MAX, 1007, 1},                   // too large
        {{9, -900, 3, 7}, 0, 1007, 1009, 0},                     //
        {{-1001, -1001, -1001, -1001}, 0, 77, -1, 0},            // no record has a timestamp
        {{-1001, -1001, 2, -1001}, 0, 77, 1002, 2},              //
        {{-5000, -6000, -7000, -5000}, 0, 0, -1, 0},             // all before 1970
        {{0, 7, 3, 7}, BATCH_ATTR_APPEND_TIME, 999999, 1007, 1}, // the bit goes, and what it claimed
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct attempt t;
        size_t len;
        uint8_t *data = timed_batch(cases[i].deltas, 4, cases[i].attributes, cases[i].claimed, &len);
        attempt_init(&t, "t", 0, data, len);
        assert_int_equal(attempt_run(&t), ERR_OK);
        assert_int_equal(t.out.max_timestamp, cases[i].max);
        assert_int_equal(t.out.offset_of_max_timestamp, cases[i].offset_of_max);
        check_stored(&t);
        arena_release(&t.arena);
        free(data);
    }
}

static void test_timestamp_window(void **state)
{
    (void)state;
    // Record timestamps are 1000 + delta; the window is [900, 1100] around 1000.
    static const struct {
        int64_t delta;
        enum err err;
    } cases[] = {
        {-100, ERR_OK},
        {-101, ERR_INVALID_TIMESTAMP},
        {100, ERR_OK},
        {101, ERR_INVALID_TIMESTAMP},
        {-1001, ERR_OK}, // -1 says that there is none
        {-1002, ERR_INVALID_TIMESTAMP},
        {INT64_MAX, ERR_INVALID_TIMESTAMP}, // wraps to far below zero
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct attempt t;
        size_t len;
        uint8_t *data = timed_batch(&cases[i].delta, 1, 0, 0, &len);
        attempt_init(&t, "t", 0, data, len);
        t.append.now_ms = 1000;
        t.config.timestamp_before_max_ms = 100;
        t.config.timestamp_after_max_ms = 100;
        assert_int_equal(attempt_run(&t), cases[i].err);
        arena_release(&t.arena);
        free(data);
    }
}

// ---- record errors -------------------------------------------------------------------------------------------------

// n records without key, with timestamps 1000, 1001, ... for a compacted topic.
static void keyless(struct attempt *t, int32_t n, uint8_t **data)
{
    struct writer w;
    writer_init(&w, 1024, 16 << 20);
    for (int32_t i = 0; i < n; i++) {
        test_add_record(&w, i, i, SLICE_NULL, SLICE_NULL, 0);
    }
    struct batch header = test_header(n);
    size_t len;
    *data = test_batch(&header, PACK_ZSTD, writer_slice(&w), &len);
    writer_release(&w);
    attempt_init(t, "some.topic", 3, *data, len);
    t->config.cleanup_compact = true;
}

static void test_record_errors_are_bounded(void **state)
{
    (void)state;
    struct attempt t;
    uint8_t *data;
    keyless(&t, 5000, &data);
    assert_int_equal(attempt_run(&t), ERR_INVALID_RECORD);
    assert_int_equal(t.append.record_errors_count, LOG_RECORD_ERRORS_MAX);
    assert_int_equal(t.append.record_errors[LOG_RECORD_ERRORS_MAX - 1].index, LOG_RECORD_ERRORS_MAX - 1);
    assert_non_null(strstr(t.append.error_message, "due to 5000 record errors in total"));
    arena_release(&t.arena);
    free(data);
}

static void test_no_room_for_texts(void **state)
{
    (void)state;
    static const size_t limits[] = {0, 64, LOG_RECORD_ERRORS_MAX * sizeof(struct log_record_error),
                                    LOG_RECORD_ERRORS_MAX * sizeof(struct log_record_error) + 200};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct attempt t;
        uint8_t *data;
        keyless(&t, 50, &data);
        arena_release(&t.arena);
        arena_init(&t.arena, limits[i]);
        assert_int_equal(attempt_run(&t), ERR_INVALID_RECORD);
        for (int32_t k = 0; k < t.append.record_errors_count; k++) {
            assert_non_null(t.append.record_errors[k].message);
        }
        arena_release(&t.arena);
        free(data);
    }
}

// One record has no key, another one a bad time: the batch is refused for the time, and both are named.
static void test_mixed_record_errors(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 256, 1 << 20);
    test_add_record(&w, 0, 0, SLICE_NULL, SLICE_NULL, 0);
    test_add_record(&w, 1, 5000, slice_str("k"), SLICE_NULL, 0);
    test_add_record(&w, 2, 5000, SLICE_NULL, SLICE_NULL, 0); // the key is looked at first
    struct batch header = test_header(3);
    size_t len;
    uint8_t *data = test_batch(&header, PACK_NONE, writer_slice(&w), &len);
    writer_release(&w);
    struct attempt t;
    attempt_init(&t, "t", 0, data, len);
    t.config.cleanup_compact = true;
    t.append.now_ms = 1000;
    t.config.timestamp_after_max_ms = 100;
    assert_int_equal(attempt_run(&t), ERR_INVALID_TIMESTAMP);
    char *errors = case_record_errors(&t.append);
    assert_string_equal(errors,
                        "0=Compacted topic cannot accept message without key in topic partition t-0|"
                        "1=Timestamp 6000 of message with offset 1 is out of range. The timestamp should be within "
                        "[-9223372036854774807, 1100]|"
                        "2=Compacted topic cannot accept message without key in topic partition t-0");
    free(errors);
    arena_release(&t.arena);
    free(data);
}

// A malformed record behind a bad one is what counts, and no single records are named then.
static void test_malformed_beats_record_errors(void **state)
{
    (void)state;
    struct writer w;
    writer_init(&w, 256, 1 << 20);
    test_add_record(&w, 0, 0, SLICE_NULL, SLICE_NULL, 0);
    test_add_record(&w, 7, 0, slice_str("k"), SLICE_NULL, 0);
    struct batch header = test_header(2);
    size_t len;
    uint8_t *data = test_batch(&header, PACK_GZIP, writer_slice(&w), &len);
    writer_release(&w);
    struct attempt t;
    attempt_init(&t, "t", 0, data, len);
    t.config.cleanup_compact = true;
    assert_int_equal(attempt_run(&t), ERR_INVALID_RECORD);
    assert_int_equal(t.append.record_errors_count, 0);
    assert_null(t.append.error_message);
    arena_release(&t.arena);
    free(data);
}

// ---- sets ----------------------------------------------------------------------------------------------------------

static void test_markers_are_refused(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data =
        test_vector("v2 control COMMIT pid=4242 epoch=3 coordEpoch=9 ple=5 base=106 ts=1700000000100", &len);
    struct attempt t;
    store_be64(data, 0);
    attempt_init(&t, "t", 0, data, len);
    assert_int_equal(attempt_run(&t), ERR_INVALID_RECORD);
    arena_release(&t.arena);
    free(data);
}

static void test_sets(void **state)
{
    (void)state;
    size_t len;
    uint8_t *one = test_simple_batch(PACK_NONE, 2, 10, &len);
    uint8_t *two = malloc(2 * len);
    assert_non_null(two);
    memcpy(two, one, len);
    memcpy(two + len, one, len);
    struct log_config c = config_new();
    struct batch b;
    struct log_append a = {.data = two, .len = 2 * len};
    assert_int_equal(validate_set(&c, &a, &b), ERR_INVALID_RECORD);
    a.len = 2 * len - 1; // the second one is cut short and goes
    assert_int_equal(validate_set(&c, &a, &b), ERR_OK);
    assert_int_equal(a.len, len);
    assert_int_equal(b.count, 2);
    a.len = 2 * len - 1;
    store_be32(two + len + BATCH_AT_LENGTH, 3);
    assert_int_equal(validate_set(&c, &a, &b), ERR_CORRUPT);
    a.len = len;
    c.max_message_bytes = (int32_t)len;
    assert_int_equal(validate_set(&c, &a, &b), ERR_OK);
    c.max_message_bytes--;
    assert_int_equal(validate_set(&c, &a, &b), ERR_BATCH_TOO_LARGE);
    assert_false(a.log_start_known);
    free(two);
    free(one);
    uint8_t *old = test_vector("v1 gzip create-time base=0", &len);
    a = (struct log_append){.data = old, .len = len};
    assert_int_equal(validate_set(&c, &a, &b), ERR_OK);
    assert_int_equal(b.magic, 1);
    assert_int_equal(a.len, len);
    two = malloc(2 * len); // a wrapper comes alone
    assert_non_null(two);
    memcpy(two, old, len);
    memcpy(two + len, old, len);
    a = (struct log_append){.data = two, .len = 2 * len};
    assert_int_equal(validate_set(&c, &a, &b), ERR_INVALID_RECORD);
    free(two);
    free(old);
}

// ---- what takes long -----------------------------------------------------------------------------------------------

// A small batch of one record whose value takes 128 KiB times `blocks`.
static uint8_t *large_inside(int blocks, size_t *len)
{
    struct writer head;
    uint8_t room[32];
    size_t packed_len;
    writer_init_fixed(&head, room, sizeof room);
    int32_t value_len = blocks * (128 << 10) - 1; // the last zero is the number of headers
    writer_varint(&head, 4 + (int32_t)varint_size(value_len) + value_len + 1);
    writer_bytes(&head, "\0\0\0\1", 4);
    writer_varint(&head, value_len);
    uint8_t *packed = test_zstd_bomb(writer_slice(&head), 0, blocks, &packed_len);
    struct batch header = test_header(1);
    header.attributes = CODEC_ZSTD;
    uint8_t *data = test_batch(&header, PACK_NONE, slice_of(packed, packed_len), len);
    free(packed);
    return data;
}

static void test_what_a_batch_may_unpack_to(void **state)
{
    (void)state;
    const int fitting = (int)(PRODUCED_UNPACKED_MAX / (128 << 10)) - 1;
    const struct {
        int blocks;
        int32_t max_message_bytes;
        enum err expected;
    } cases[] = {
        {fitting, 1 << 20, ERR_OK},
        {fitting + 2, 1 << 20, ERR_BATCH_TOO_LARGE},
        {fitting + 2, 16 << 20, ERR_OK}, // whose packed batches may be large has room for large contents
        {2 * fitting + 8, 16 << 20, ERR_BATCH_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len;
        uint8_t *data = large_inside(cases[i].blocks, &len);
        struct attempt t;
        attempt_init(&t, "t", 0, data, len);
        t.config.max_message_bytes = cases[i].max_message_bytes;
        assert_int_equal(attempt_run(&t), cases[i].expected);
        assert_int_equal(t.append.log_start_known, cases[i].expected == ERR_OK);
        arena_release(&t.arena);
        free(data);
    }
}

static enum err brief_attempt(uint8_t *data, size_t len, enum log_compression topic_codec)
{
    struct attempt t;
    attempt_init(&t, "t", 0, data, len);
    t.config.compression = topic_codec;
    t.target.brief = true;
    enum err e = attempt_run(&t);
    assert_null(t.out.rebuilt);
    if (e == ERR_AGAIN) { // nothing is decided: the same can be done at leisure
        t.target.brief = false;
        assert_int_equal(attempt_run(&t), ERR_OK);
        free(t.out.rebuilt);
    }
    arena_release(&t.arena);
    return e;
}

static void test_brief(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data = test_simple_batch(PACK_NONE, 100, 5000, &len); // not packed: as long as one likes
    assert_true(len > BRIEF_UNPACKED_MAX);
    assert_int_equal(brief_attempt(data, len, LOG_COMPRESSION_PRODUCER), ERR_OK);
    free(data);
    data = test_simple_batch(PACK_ZSTD, 100, 500, &len);
    assert_int_equal(brief_attempt(data, len, LOG_COMPRESSION_PRODUCER), ERR_OK);
    free(data);
    data = test_simple_batch(PACK_ZSTD, 100, 500, &len);
    assert_int_equal(brief_attempt(data, len, LOG_COMPRESSION_ZSTD), ERR_OK);
    free(data);
    data = test_simple_batch(PACK_ZSTD, 100, 500, &len);
    assert_int_equal(brief_attempt(data, len, LOG_COMPRESSION_LZ4), ERR_AGAIN);
    free(data);
    data = large_inside(1, &len); // unpacks to a little more than what is brief
    assert_int_equal(brief_attempt(data, len, LOG_COMPRESSION_PRODUCER), ERR_AGAIN);
    free(data);
    data = test_vector("v0 none create-time base=0", &len); // an old format
    assert_int_equal(brief_attempt(data, len, LOG_COMPRESSION_PRODUCER), ERR_AGAIN);
    free(data);
}

// Packed so that what is not brief can be told by the size alone.
static void test_brief_by_size(void **state)
{
    (void)state;
    struct test_random random = {7};
    size_t raw_len = BRIEF_PACKED_MAX + 1000, len;
    uint8_t *raw = malloc(raw_len);
    assert_non_null(raw);
    for (size_t i = 0; i < raw_len; i++) {
        raw[i] = (uint8_t)test_random_next(&random);
    }
    struct writer w;
    writer_init(&w, 1024, 1 << 20);
    test_add_record(&w, 0, 0, SLICE_NULL, slice_of(raw, raw_len), 0);
    struct batch header = test_header(1);
    uint8_t *data = test_batch(&header, PACK_LZ4, writer_slice(&w), &len);
    assert_int_equal(brief_attempt(data, len, LOG_COMPRESSION_PRODUCER), ERR_AGAIN);
    free(data);
    writer_release(&w);
    free(raw);
}

// ---- batches that are made anew ------------------------------------------------------------------------------------

// A topic with a codec of its own stores that one; the stamps are right on what is stored, and the request's bytes
// stay as they are.
static void test_the_topics_codec(void **state)
{
    (void)state;
    for (int to = LOG_COMPRESSION_NONE; to <= LOG_COMPRESSION_ZSTD; to++) {
        for (int append_time = 0; append_time < 2; append_time++) {
            size_t len;
            uint8_t *data = test_simple_batch(PACK_GZIP, 30, 50, &len);
            struct attempt t;
            struct batch b;
            attempt_init(&t, "t", 0, data, len);
            t.config.compression = (enum log_compression)to;
            t.config.compression_level = 3;
            t.config.timestamp_type = append_time ? LOG_APPEND_TIME : LOG_CREATE_TIME;
            assert_int_equal(attempt_run(&t), ERR_OK);
            assert_int_equal(t.out.rebuilt == NULL, to == LOG_COMPRESSION_GZIP);
            const uint8_t *stored = t.out.rebuilt != NULL ? t.out.rebuilt : data;
            size_t stored_len = t.out.rebuilt != NULL ? t.out.rebuilt_len : len;
            assert_int_equal(batch_read_header(stored, stored_len, &b), ERR_OK);
            assert_int_equal(batch_size(&b), stored_len);
            assert_true(batch_crc_ok(stored, &b));
            assert_int_equal(batch_codec(&b), to - LOG_COMPRESSION_NONE);
            assert_int_equal(b.base_offset, NEXT);
            assert_int_equal(b.leader_epoch, EPOCH);
            assert_int_equal(b.count, 30);
            assert_int_equal(batch_is(&b, BATCH_ATTR_APPEND_TIME), append_time);
            assert_int_equal(b.max_timestamp == NOW_MS, append_time);
            assert_int_equal(t.append.append_time_ms, append_time ? NOW_MS : -1);
            free(t.out.rebuilt);
            arena_release(&t.arena);
            free(data);
        }
    }
}

// What the topic's codec makes of a batch must not be too large either.
static void test_too_large_when_made_anew(void **state)
{
    (void)state;
    size_t len;
    uint8_t *data = test_simple_batch(PACK_GZIP, 500, 200, &len);
    struct attempt t;
    attempt_init(&t, "t", 0, data, len);
    t.config.max_message_bytes = (int32_t)len;
    t.config.compression = LOG_COMPRESSION_NONE;
    assert_int_equal(attempt_run(&t), ERR_BATCH_TOO_LARGE);
    assert_null(t.out.rebuilt);
    arena_release(&t.arena);
    free(data);
}

// Messages of old formats become one batch of the same codec, and obey the rules for records.
static void test_old_formats(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int codec;
        int64_t max_timestamp;
    } cases[] = {
        {"v0 none create-time base=0", CODEC_NONE, -1},
        {"v1 none create-time base=0", CODEC_NONE, 1700000000005},
        {"v0 snappy create-time base=0", CODEC_SNAPPY, -1},
        {"v1 lz4 create-time base=0", CODEC_LZ4, 1700000000005},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len;
        uint8_t *data = test_vector(cases[i].name, &len);
        struct attempt t;
        struct batch b;
        attempt_init(&t, "t", 0, data, len);
        assert_int_equal(attempt_run(&t), ERR_OK);
        assert_int_equal(batch_read_header(t.out.rebuilt, t.out.rebuilt_len, &b), ERR_OK);
        assert_true(batch_crc_ok(t.out.rebuilt, &b));
        assert_int_equal(b.magic, 2);
        assert_int_equal(b.base_offset, NEXT);
        assert_int_equal(b.leader_epoch, EPOCH);
        assert_int_equal(b.count, 3);
        assert_int_equal(batch_codec(&b), cases[i].codec);
        assert_int_equal(b.max_timestamp, cases[i].max_timestamp);
        free(t.out.rebuilt);
        t.config.cleanup_compact = true; // the second record has no key
        t.append.len = len;
        assert_int_equal(attempt_run(&t), ERR_INVALID_RECORD);
        assert_int_equal(t.append.record_errors_count, 1);
        assert_int_equal(t.append.record_errors[0].index, 1);
        t.config.cleanup_compact = false;
        t.config.timestamp_before_max_ms = 1000; // magic 0 has no timestamps to be too old
        assert_int_equal(attempt_run(&t), cases[i].max_timestamp < 0 ? ERR_OK : ERR_INVALID_TIMESTAMP);
        free(t.out.rebuilt);
        data[len - 1] ^= 1;
        assert_int_equal(attempt_run(&t), ERR_CORRUPT);
        arena_release(&t.arena);
        free(data);
    }
}

// ---- fuzz ----------------------------------------------------------------------------------------------------------

// Changed bytes with the CRC made right again: either refused untouched, or what is stored is coherent.
static void test_mutations(void **state)
{
    (void)state;
    struct codec_pool *pool = codec_pool_new();
    int stored = 0;
    int refused = 0;
    for (int p = 0; p < PACK_COUNT; p++) {
        size_t good_len;
        uint8_t *good = test_simple_batch((enum test_packing)p, 20, 20, &good_len);
        struct test_random r = {(uint64_t)p + 1000};
        for (int round = 0; round < 1000; round++) {
            size_t len = test_random_below(&r, 10) == 0 ? test_random_below(&r, (uint32_t)good_len) + 1 : good_len;
            uint8_t *data = malloc(len);
            assert_non_null(data);
            memcpy(data, good, len);
            uint32_t from = test_random_below(&r, 2) == 0 ? 0 : BATCH_AT_ATTRIBUTES;
            for (uint32_t n = test_random_below(&r, 3); n > 0 && from < len; n--) {
                data[from + test_random_below(&r, (uint32_t)len - from)] ^= (uint8_t)(1u << test_random_below(&r, 8));
            }
            if (len > BATCH_HEADER_SIZE) {
                test_seal(data, len);
            }
            struct attempt t;
            attempt_init(&t, "t", 0, data, len);
            t.target.pool = pool;
            t.config.cleanup_compact = round % 2 == 0;
            t.config.timestamp_before_max_ms = round % 3 == 0 ? 1000 : INT64_MAX;
            t.append.now_ms = 1000;
            if (attempt_run(&t) == ERR_OK) {
                check_stored(&t);
                stored++;
            } else {
                refused++;
            }
            arena_release(&t.arena);
            free(data);
        }
        free(good);
    }
    assert_in_range(stored, 1000, 9000);
    assert_in_range(refused, 1000, 9000);
    codec_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_of_a_broker),
        cmocka_unit_test(test_every_packing_is_stored),
        cmocka_unit_test(test_max_timestamp_is_that_of_the_records),
        cmocka_unit_test(test_timestamp_window),
        cmocka_unit_test(test_record_errors_are_bounded),
        cmocka_unit_test(test_no_room_for_texts),
        cmocka_unit_test(test_mixed_record_errors),
        cmocka_unit_test(test_malformed_beats_record_errors),
        cmocka_unit_test(test_markers_are_refused),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_what_a_batch_may_unpack_to),
        cmocka_unit_test(test_brief),
        cmocka_unit_test(test_brief_by_size),
        cmocka_unit_test(test_the_topics_codec),
        cmocka_unit_test(test_too_large_when_made_anew),
        cmocka_unit_test(test_old_formats),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
