// SPDX-License-Identifier: Apache-2.0
//
// What old clients get of logs that a real Kafka wrote, in all formats and codecs: read the way such a client reads,
// fetch by fetch, and compared with what Kafka's own consumer saw. The length rules of an answer.
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "log/convert.h"
#include "log/legacy.h"
#include "log/record.h"
#include "log/scan.h"
#include "log/tests/fixture.h"
#include "log/tests/log_env.h"

struct opened {
    char *path;
    struct log_dir *dir;
    struct log *logs[4];
    int count;
};

static enum err open_found(void *ctx, const struct log_folder *f)
{
    struct opened *o = ctx;
    struct log_config config;
    log_config_init(&config);
    assert_true(o->count < 4);
    return log_open(o->dir, f->topic, f->partition, &config, &o->logs[o->count++]);
}

static void opened_start(struct opened *o, const char *fixture)
{
    char from[TEST_PATH_MAX_BYTES];
    test_path(from, FIXTURE_ROOT, fixture);
    *o = (struct opened){.path = fixture_copy(from)};
    assert_int_equal(log_dir_open(os_real(), o->path, &o->dir), ERR_OK);
    assert_int_equal(log_dir_scan(o->dir, open_found, o), ERR_OK);
}

static void opened_stop(struct opened *o)
{
    for (int i = 0; i < o->count; i++) {
        assert_int_equal(log_close(o->logs[i]), ERR_OK);
    }
    log_dir_close(o->dir, true);
    test_dir_remove(o->path);
}

static json_t *facts_of(const json_t *facts, const struct log *l)
{
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(facts, "partitions"), i, p)
    {
        if (strcmp(json_string_value(json_object_get(p, "topic")), log_topic(l)) == 0 &&
            json_integer_value(json_object_get(p, "partition")) == log_partition(l)) {
            return json_object_get(p, "records");
        }
    }
    fail_msg("%s-%d is not in the facts", log_topic(l), (int)log_partition(l));
    return NULL;
}

static int64_t fact_int(const json_t *record, const char *key)
{
    return json_integer_value(json_object_get(record, key));
}

static void check_text(struct slice s, const json_t *fact)
{
    if (json_is_string(fact)) {
        assert_non_null(s.data);
        assert_int_equal(s.len, json_string_length(fact));
        assert_memory_equal(s.data, json_string_value(fact), s.len);
    } else {
        assert_null(s.data);
    }
}

struct reading {
    const json_t *records;
    size_t next; // number of the next record to be seen
    int64_t offset;
    int8_t magic;
};

static void check_record(struct reading *c, const struct full_record *r)
{
    const json_t *fact = json_array_get(c->records, c->next++);
    assert_non_null(fact);
    assert_int_equal(r->offset, fact_int(fact, "offset"));
    int64_t timestamp = c->magic == 0 ? -1 : fact_int(fact, "timestamp");
    assert_int_equal(r->timestamp, timestamp);
    check_text(r->key, json_object_get(fact, "key"));
    check_text(r->value, json_object_get(fact, "value"));
}

// What one answer holds, as an old client takes it: up to the first entry that is not whole.
static void check_answer(struct reading *c, const uint8_t *data, size_t len)
{
    size_t position = 0;
    struct batch b;
    while (position + BATCH_PREFIX_SIZE <= len && (int64_t)load_be64(data + position) != -1 &&
           scan_header(data + position, len - position, &b) == ERR_OK && batch_size(&b) <= len - position) {
        assert_true(b.magic <= c->magic);
        assert_true(batch_crc_ok(data + position, &b));
        struct unpack *u;
        struct full_record r;
        enum err e;
        assert_int_equal(unpack_open(NULL, data + position, &b, true, RECORDS_UNPACKED_MAX, &u), ERR_OK);
        while ((e = unpack_next(u, &r)) == ERR_OK) {
            if (r.offset >= c->offset) {
                check_record(c, &r);
                c->offset = r.offset + 1;
            }
        }
        assert_int_equal(e, ERR_NOT_FOUND);
        unpack_close(u);
        position += batch_size(&b);
    }
}

// Old clients cannot go on here; the test can, batch by batch.
static void step_over_zstd(struct reading *c, const struct log_read *r)
{
    struct batch b;
    uint8_t *header = fixture_bytes(log_file_fd(r->file), r->position, BATCH_HEADER_SIZE);
    assert_int_equal(scan_header(header, BATCH_HEADER_SIZE, &b), ERR_OK);
    assert_true(batch_codec(&b) == CODEC_ZSTD || batch_is(&b, BATCH_ATTR_CONTROL)); // a marker becomes nothing
    free(header);
    c->offset = batch_last_offset(&b) + 1;
    while (c->next < json_array_size(c->records) &&
           fact_int(json_array_get(c->records, c->next), "offset") < c->offset) {
        c->next++;
    }
}

// Reads a log to its end. Answers that hold nothing new (markers, or a filler) may only come behind the last record.
static void read_log(struct log *l, const json_t *records, int8_t magic, size_t max_bytes)
{
    struct reading c = {.records = records, .magic = magic};
    while (c.next < json_array_size(records)) {
        struct log_read r = {
            .offset = c.offset, .max_offset = log_end_offset(l), .max_bytes = max_bytes, .min_one = true};
        assert_int_equal(log_read(l, &r), ERR_OK);
        assert_non_null(r.file);
        struct arena a;
        arena_init(&a, 64 << 20);
        struct log_conversion conversion = {
            .file = r.file, .position = r.position, .len = r.len, .magic = magic, .first_offset = c.offset};
        enum err e = log_convert_down(os_real(), &conversion, &a);
        int64_t before = c.offset;
        if (e == ERR_UNSUPPORTED) {
            step_over_zstd(&c, &r);
        } else {
            assert_int_equal(e, ERR_OK);
            check_answer(&c, conversion.data, conversion.data_len);
        }
        if (c.offset == before) { // a marker: consumers of old protocols step over it
            c.offset++;
        }
        arena_release(&a);
        log_file_unref(r.file);
    }
}

static void test_logs_of_kafka(void **state)
{
    (void)state;
    static const char *const names[] = {"old-format", "plain",         "gzip",        "snappy",
                                        "lz4",        "logappendtime", "transactions"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct opened o;
        char dir[TEST_PATH_MAX_BYTES];
        char path[TEST_PATH_MAX_BYTES];
        test_path(dir, FIXTURE_ROOT, names[i]);
        test_path(path, dir, "EXPECTED.json");
        json_t *facts = fixture_json(path);
        opened_start(&o, names[i]);
        for (int k = 0; k < o.count; k++) {
            for (int8_t magic = 0; magic <= 1; magic++) {
                read_log(o.logs[k], facts_of(facts, o.logs[k]), magic, 1 << 20);
                read_log(o.logs[k], facts_of(facts, o.logs[k]), magic, 700);
            }
        }
        opened_stop(&o);
        json_decref(facts);
    }
}

// Times lie inside wrappers, too.
static void test_times_in_old_formats(void **state)
{
    (void)state;
    struct opened o;
    json_t *facts = fixture_json(FIXTURE_ROOT "/old-format/EXPECTED.json");
    opened_start(&o, "old-format");
    int looked_up = 0;
    for (int k = 0; k < o.count; k++) {
        size_t i, n;
        json_t *p, *look;
        json_array_foreach(json_object_get(facts, "partitions"), i, p)
        {
            if (strcmp(json_string_value(json_object_get(p, "topic")), log_topic(o.logs[k])) != 0) {
                continue;
            }
            json_array_foreach(json_object_get(p, "offsetsForTime"), n, look)
            {
                int64_t offset, timestamp;
                int32_t epoch;
                if (fact_int(look, "asked") < 0) {
                    continue;
                }
                assert_int_equal(log_offset_by_time(o.logs[k], fact_int(look, "asked"), log_end_offset(o.logs[k]),
                                                    &offset, &timestamp, &epoch),
                                 ERR_OK);
                assert_int_equal(offset, fact_int(look, "offset"));
                assert_int_equal(timestamp, fact_int(look, "timestamp"));
                looked_up++;
            }
        }
    }
    assert_true(looked_up > 10);
    opened_stop(&o);
    json_decref(facts);
}

// ---- lengths -------------------------------------------------------------------------------------------------------

static void convert_all(struct env *e, size_t max_bytes, int8_t magic, struct arena *a, struct log_conversion *c)
{
    struct log_read r = {.offset = 0, .max_offset = log_end_offset(e->log), .max_bytes = max_bytes};
    assert_int_equal(log_read(e->log, &r), ERR_OK);
    assert_non_null(r.file);
    *c = (struct log_conversion){.file = r.file, .position = r.position, .len = r.len, .magic = magic};
    assert_int_equal(log_convert_down(os_real(), c, a), ERR_OK);
    log_file_unref(r.file);
}

static void test_the_rest_is_filled(void **state)
{
    (void)state;
    struct env e;
    struct arena a;
    struct log_conversion c;
    env_start(&e);
    arena_init(&a, 1 << 20);
    assert_int_equal(env_append_at(&e, ENV_TIME_MS, 1, 10), ERR_OK);
    convert_all(&e, 1 << 20, 0, &a, &c); // one record: a batch of magic 2 is larger
    assert_int_equal(c.data_len, c.len);
    size_t entry = (size_t)load_be32(c.data + 8) + LEGACY_ENTRY_BYTES;
    assert_true(entry + 12 <= c.data_len);
    assert_true(load_be64(c.data + entry) == UINT64_MAX);
    assert_int_equal(load_be32(c.data + entry + 8), c.data_len - entry + 1 > 61 ? c.data_len - entry + 1 : 61);
    for (size_t i = entry + 12; i < c.data_len; i++) {
        assert_int_equal(c.data[i], 0);
    }
    arena_release(&a);
    env_stop(&e);
}

static void test_the_first_batch_comes_whole(void **state)
{
    (void)state;
    struct env e;
    struct arena a;
    struct log_conversion c;
    env_start(&e);
    arena_init(&a, 1 << 20);
    assert_int_equal(env_append_at(&e, ENV_TIME_MS, 20, 1), ERR_OK); // small records grow in old formats
    convert_all(&e, 1 << 20, 1, &a, &c);
    assert_true(c.data_len > c.len);
    int32_t n = 0;
    for (size_t position = 0; position < c.data_len; n++) {
        position += (size_t)load_be32(c.data + position + 8) + LEGACY_ENTRY_BYTES;
        assert_true(position <= c.data_len);
    }
    assert_int_equal(n, 20);
    convert_all(&e, 70, 1, &a, &c); // no whole batch was read
    assert_int_equal(c.data_len, 0);
    arena_release(&a);
    env_stop(&e);
}

static void test_only_a_marker(void **state)
{
    (void)state;
    struct env e;
    struct arena a;
    struct log_conversion c;
    env_start(&e);
    arena_init(&a, 1 << 20);
    assert_int_equal(env_append_marker(&e, 7, 0, true), ERR_OK);
    convert_all(&e, 1 << 20, 1, &a, &c);
    assert_int_equal(c.data_len, 12);
    assert_true(load_be64(c.data) == UINT64_MAX);
    assert_int_equal(load_be32(c.data + 8), 61);
    arena_release(&a);
    env_stop(&e);
}

static void test_the_arenas_limit_holds(void **state)
{
    (void)state;
    struct env e;
    struct arena a;
    env_start(&e);
    arena_init(&a, 100);
    assert_int_equal(env_append_at(&e, ENV_TIME_MS, 20, 10), ERR_OK);
    struct log_read r = {.offset = 0, .max_offset = log_end_offset(e.log), .max_bytes = 1 << 20};
    assert_int_equal(log_read(e.log, &r), ERR_OK);
    struct log_conversion c = {.file = r.file, .position = r.position, .len = r.len, .magic = 1};
    assert_int_equal(log_convert_down(os_real(), &c, &a), ERR_NO_MEMORY);
    log_file_unref(r.file);
    arena_release(&a);
    env_stop(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logs_of_kafka),      cmocka_unit_test(test_times_in_old_formats),
        cmocka_unit_test(test_the_rest_is_filled), cmocka_unit_test(test_the_first_batch_comes_whole),
        cmocka_unit_test(test_only_a_marker),      cmocka_unit_test(test_the_arenas_limit_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
