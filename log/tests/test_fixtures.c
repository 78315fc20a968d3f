// SPDX-License-Identifier: Apache-2.0
//
// Log directories that Apache Kafka 3.9.1 wrote (log/tests/fixtures): read as its own consumer read them, after a clean
// stop and after a full recovery; left as they were by opening and closing; and written again through log_append, byte
// for byte.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "log/file.h"
#include "log/names.h"
#include "log/scan.h"
#include "log/tests/fixture.h"
#include "log/tests/log_env.h"

#define NOW_MS     1795365600000 // a little after Kafka wrote the newest of them
#define FACTS_TEXT 128

struct fixture {
    const char *dir;   // under FIXTURE_ROOT: the log directory
    const char *facts; // where EXPECTED.json and the others lie
    const char *files; // beginning of the file names in batches.jsonl
    int32_t index_interval_bytes;
    int32_t segment_bytes;    // as it was written; 0 = cannot be written again the same way
    bool no_expected;         // EXPECTED.json does not speak of this state
    bool old_format;          // magic 0 and 1: only the facts of batches are compared
    bool indexes_not_rebuilt; // written by the log cleaner or by several runs: recovery gives other indexes
    bool killed;
    bool never_rolls_by_time; // segment.ms was set so
    bool finds_more;          // see check_time_found
    bool tidied;              // opening deletes a snapshot nobody needs, or epochs that begin at the end
};

static const struct fixture fixtures[] = {
    {"plain", "plain", "", 512, .segment_bytes = 8192},
    {"gzip", "gzip", "", 512, .segment_bytes = 8192},
    {"snappy", "snappy", "", 512, .segment_bytes = 8192},
    {"lz4", "lz4", "", 512, .segment_bytes = 8192},
    {"zstd", "zstd", "", 512, .segment_bytes = 8192},
    {"idempotent", "idempotent", "", 512, .segment_bytes = 8192},
    {"unclean", "unclean", "", 512, .indexes_not_rebuilt = true, .killed = true},
    {"logappendtime", "logappendtime", "", 512, .segment_bytes = 8192},
    {"transactions", "transactions", "", 256, .segment_bytes = 4096},
    {"transaction_state", "transaction_state", "", 4096, .segment_bytes = 1 << 20, .tidied = true},
    {"consumer_offsets", "consumer_offsets", "", 4096, .segment_bytes = 1 << 20},
    {"compacted/before", "compacted/before", "", 256, .segment_bytes = 4096, .never_rolls_by_time = true},
    {"compacted/after-1", "compacted/after-1", "", 256, .indexes_not_rebuilt = true, .finds_more = true},
    {"compacted/after-2", "compacted/after-2", "", 256, .indexes_not_rebuilt = true, .tidied = true},
    {"compacted/empty-batch", "compacted/empty-batch", "", 256, .indexes_not_rebuilt = true},
    {"epochs/broker-1", "epochs", "broker-1/", 256, .tidied = true},
    {"epochs/broker-2", "epochs", "broker-2/", 256, .tidied = true},
    {"epochs/broker-3", "epochs", "broker-3/", 256, .indexes_not_rebuilt = true, .tidied = true},
    {"epochs/broker-1-before-truncation", "epochs", "broker-1-before-truncation/", 256, .no_expected = true,
     .indexes_not_rebuilt = true, .killed = true},
    {"epochs/broker-3-before-truncation", "epochs", "broker-3-before-truncation/", 256, .no_expected = true,
     .indexes_not_rebuilt = true, .killed = true},
    {"old-format", "old-format", "", 512, .old_format = true, .tidied = true},
};
#define FIXTURES (sizeof fixtures / sizeof fixtures[0])

// ---- a directory that is open --------------------------------------------------------------------------------------

#define LOGS_MAX 4

struct opened {
    struct test_os os;
    char *path;
    struct log_dir *dir;
    struct log *logs[LOGS_MAX];
    int count;
    struct log_config config;
};

static enum err open_found(void *ctx, const struct log_folder *f)
{
    struct opened *o = ctx;
    assert_true(o->count < LOGS_MAX);
    return log_open(o->dir, f->topic, f->partition, &o->config, &o->logs[o->count++]);
}

// Opens what lies in o->path.
static void opened_start(struct opened *o, const struct fixture *f)
{
    test_os_init(&o->os);
    o->os.os.fsync = env_fsync;
    o->os.now_wall_ms = NOW_MS;
    log_config_init(&o->config);
    o->config.index_interval_bytes = f->index_interval_bytes;
    o->count = 0;
    assert_int_equal(log_dir_open(&o->os.os, o->path, &o->dir), ERR_OK);
    assert_int_equal(log_dir_scan(o->dir, open_found, o), ERR_OK);
}

static void opened_stop(struct opened *o)
{
    for (int i = 0; i < o->count; i++) {
        assert_int_equal(log_close(o->logs[i]), ERR_OK);
    }
    log_dir_close(o->dir, true);
}

static void opened_copy(struct opened *o, const struct fixture *f)
{
    char from[TEST_PATH_MAX_BYTES];
    test_path(from, FIXTURE_ROOT, f->dir);
    o->path = fixture_copy(from);
}

static struct log *opened_find(const struct opened *o, const char *topic, int64_t partition)
{
    for (int i = 0; i < o->count; i++) {
        if (strcmp(log_topic(o->logs[i]), topic) == 0 && log_partition(o->logs[i]) == partition) {
            return o->logs[i];
        }
    }
    fail_msg("%s-%lld was not found", topic, (long long)partition);
    return NULL;
}

static json_t *fixture_facts(const struct fixture *f, const char *name)
{
    char dir[TEST_PATH_MAX_BYTES];
    char path[TEST_PATH_MAX_BYTES];
    test_path(dir, FIXTURE_ROOT, f->facts);
    test_path(path, dir, name);
    return strcmp(name, "EXPECTED.json") == 0 ? fixture_json(path) : fixture_json_lines(path);
}

static int64_t json_int(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    assert_true(json_is_integer(v));
    return json_integer_value(v);
}

// An integer or null, which stands for -1.
static int64_t json_int_or_none(const json_t *object, const char *key)
{
    return json_is_null(json_object_get(object, key)) ? -1 : json_int(object, key);
}

static const char *json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

// ---- records -------------------------------------------------------------------------------------------------------

struct record_check {
    const json_t *expected; // array
    size_t next;
};

static void check_records(void *ctx, const struct log_read *r, int64_t position, const uint8_t *data,
                          const struct batch *b)
{
    (void)r;
    (void)position;
    struct record_check *c = ctx;
    if (batch_is(b, BATCH_ATTR_CONTROL)) {
        return;
    }
    assert_true(batch_crc_ok(data, b));
    json_t *records = fixture_decode_batch(data, b);
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        const json_t *expected = json_array_get(c->expected, c->next++);
        if (!json_equal(record, expected)) {
            char *a = json_dumps(record, 0);
            char *e = expected == NULL ? NULL : json_dumps(expected, 0);
            fail_msg("read %s, expected %s", a, e == NULL ? "nothing" : e);
        }
    }
    json_decref(records);
}

// A consumer that reads only committed records, as Kafka's clients decide it.
struct committed_reader {
    struct log *log;
    struct arena arena;
    const struct log_aborted_txn *aborted; // of the current answer
    int32_t aborted_count;
    int64_t answer_position; // -1 = none yet
    int64_t answer_base;
    int64_t skipping[16]; // producer ids
    int skipping_count;
    int32_t next_aborted;
    bool *seen; // by offset
};

static void committed_new_answer(struct committed_reader *c, const struct log_read *r)
{
    struct log_aborted_txn *list;
    c->answer_position = r->position;
    c->answer_base = r->file->base_offset;
    c->skipping_count = 0;
    c->next_aborted = 0;
    assert_int_equal(log_aborted_transactions(c->log, r, &c->arena, &list, &c->aborted_count), ERR_OK);
    // Clients take them in order of their first offsets.
    for (int32_t i = 1; i < c->aborted_count; i++) {
        for (int32_t k = i; k > 0 && list[k].first_offset < list[k - 1].first_offset; k--) {
            struct log_aborted_txn t = list[k];
            list[k] = list[k - 1];
            list[k - 1] = t;
        }
    }
    c->aborted = list;
}

static int committed_find(const struct committed_reader *c, int64_t producer_id)
{
    for (int i = 0; i < c->skipping_count; i++) {
        if (c->skipping[i] == producer_id) {
            return i;
        }
    }
    return -1;
}

static void committed_batch(void *ctx, const struct log_read *r, int64_t position, const uint8_t *data,
                            const struct batch *b)
{
    (void)position;
    struct committed_reader *c = ctx;
    if (c->answer_position != r->position || c->answer_base != r->file->base_offset) {
        committed_new_answer(c, r);
    }
    while (c->next_aborted < c->aborted_count && c->aborted[c->next_aborted].first_offset <= batch_last_offset(b)) {
        assert_true(c->skipping_count < 16);
        c->skipping[c->skipping_count++] = c->aborted[c->next_aborted++].producer_id;
    }
    int skipped = committed_find(c, b->producer_id);
    struct marker m;
    if (batch_is(b, BATCH_ATTR_CONTROL)) {
        assert_int_equal(scan_marker(data, b, &m), ERR_OK);
        if (m.is_end_txn && !m.commit && skipped >= 0) {
            c->skipping[skipped] = c->skipping[--c->skipping_count];
        }
        return;
    }
    if (skipped >= 0 && batch_is(b, BATCH_ATTR_TRANSACTIONAL)) {
        return;
    }
    json_t *records = fixture_decode_batch(data, b);
    for (size_t i = 0; i < json_array_size(records); i++) {
        c->seen[json_int(json_array_get(records, i), "offset")] = true;
    }
    json_decref(records);
}

static void check_read_committed(struct log *l, const json_t *expected, size_t max_bytes)
{
    struct committed_reader c = {.log = l, .answer_position = -1};
    int64_t stable = log_first_unstable_offset(l);
    stable = stable < log_end_offset(l) ? stable : log_end_offset(l);
    assert_int_equal(stable, json_int(expected, "lastStableOffset"));
    arena_init(&c.arena, 1 << 20);
    c.seen = calloc((size_t)log_end_offset(l) + 1, sizeof *c.seen);
    assert_non_null(c.seen);
    fixture_consume(l, log_start_offset(l), stable, max_bytes, committed_batch, &c);
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(expected, "notInReadCommitted"), i, v)
    {
        assert_false(c.seen[json_integer_value(v)]);
        c.seen[json_integer_value(v)] = true; // counts as dealt with
    }
    json_array_foreach(json_object_get(expected, "records"), i, v)
    {
        assert_true(c.seen[json_int(v, "offset")]);
    }
    free(c.seen);
    arena_release(&c.arena);
}

// Kafka looks only into the first segment that is new enough, and takes an empty one for as new as its file: in a
// compacted log it may find nothing where there is something, be it a record or the marker of a transaction. Then the
// answer must be new enough and no later than the first record a consumer sees.
static void check_time_found(const json_t *expected, const json_t *asked, int64_t offset, int64_t timestamp)
{
    size_t i;
    json_t *v;
    assert_true(timestamp >= json_int(asked, "asked"));
    json_array_foreach(json_object_get(expected, "records"), i, v)
    {
        assert_true(json_int(v, "timestamp") < json_int(asked, "asked") || json_int(v, "offset") >= offset);
    }
}

static void check_time(const struct fixture *f, const json_t *expected, const json_t *asked, int64_t offset,
                       int64_t timestamp)
{
    if (f->finds_more && json_int(asked, "offset") < 0 && offset >= 0) {
        check_time_found(expected, asked, offset, timestamp);
    } else {
        assert_int_equal(offset, json_int(asked, "offset"));
        assert_int_equal(timestamp, json_int(asked, "timestamp"));
    }
}

static void check_times(const struct fixture *f, struct log *l, const json_t *expected)
{
    int64_t offset;
    int64_t timestamp;
    int32_t epoch;
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(expected, "offsetsForTime"), i, v)
    {
        assert_int_equal(log_offset_by_time(l, json_int(v, "asked"), log_end_offset(l), &offset, &timestamp, &epoch),
                         ERR_OK);
        check_time(f, expected, v, offset, timestamp);
    }
    assert_int_equal(log_offset_of_max_time(l, log_end_offset(l), &offset, &timestamp, &epoch), ERR_OK);
    v = json_object_get(expected, "maxTimestamp");
    assert_int_equal(offset, json_int(v, "offset"));
    assert_int_equal(timestamp, json_int(v, "timestamp"));
    assert_int_equal(epoch, json_int_or_none(v, "epoch"));
}

static void check_partition(const struct fixture *f, struct log *l, const json_t *expected)
{
    static const size_t sizes[] = {1, 700, 5000, 1 << 20};
    char id[UUID_TEXT_LEN + 1];
    uuid_format(log_topic_id(l), id);
    assert_string_equal(id, json_text(expected, "topicId"));
    assert_int_equal(log_start_offset(l), json_int(expected, "earliest"));
    assert_int_equal(log_end_offset(l), json_int(expected, "highWatermark"));
    if (f->old_format) {
        return;
    }
    log_set_high_watermark(l, log_end_offset(l));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct record_check c = {.expected = json_object_get(expected, "records")};
        fixture_consume(l, log_start_offset(l), log_end_offset(l), sizes[i], check_records, &c);
        assert_int_equal(c.next, json_array_size(c.expected));
        check_read_committed(l, expected, sizes[i]);
    }
    check_times(f, l, expected);
}

static void check_contents(const struct fixture *f, const struct opened *o)
{
    if (f->no_expected) {
        return;
    }
    json_t *expected = fixture_facts(f, "EXPECTED.json");
    json_t *partitions = json_object_get(expected, "partitions");
    size_t i;
    json_t *p;
    json_array_foreach(partitions, i, p)
    {
        check_partition(f, opened_find(o, json_text(p, "topic"), json_int(p, "partition")), p);
    }
    assert_int_equal(json_array_size(partitions), o->count);
    json_decref(expected);
}

// ---- batches -------------------------------------------------------------------------------------------------------

struct batch_check {
    const struct fixture *fixture;
    const struct log *log;
    const json_t *facts; // array
    size_t next;
};

static const char *codec_name(const struct batch *b)
{
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    return names[batch_codec(b)];
}

static void check_batch_producer(const struct batch *b, const json_t *facts)
{
    assert_int_equal(b->producer_id, json_int(facts, "producerId"));
    assert_int_equal(b->producer_epoch, json_int(facts, "producerEpoch"));
    assert_int_equal(b->base_sequence, json_int(facts, "baseSequence"));
    assert_int_equal(batch_is(b, BATCH_ATTR_TRANSACTIONAL), json_is_true(json_object_get(facts, "transactional")));
    assert_int_equal(batch_is(b, BATCH_ATTR_CONTROL), json_is_true(json_object_get(facts, "control")));
}

static void check_batch(void *ctx, const struct log_read *r, int64_t position, const uint8_t *data,
                        const struct batch *b)
{
    struct batch_check *c = ctx;
    char folder[NAME_FOLDER_MAX];
    char name[NAME_FILE_MAX];
    char file[TEST_PATH_MAX_BYTES];
    assert_int_equal(folder_name_format(folder, log_topic(c->log), log_partition(c->log)), ERR_OK);
    file_name_format(name, r->file->base_offset, NAME_LOG, NAME_LIVE);
    snprintf(file, sizeof file, "%s%s/%s", c->fixture->files, folder, name);
    const json_t *facts;
    do { // those of the other partitions lie before or behind
        facts = json_array_get(c->facts, c->next++);
        assert_non_null(facts);
    } while (strcmp(json_text(facts, "file"), file) != 0);
    assert_int_equal(position, json_int(facts, "position"));
    assert_int_equal(batch_size(b), json_int(facts, "size"));
    assert_int_equal(b->magic, json_int(facts, "magic"));
    assert_int_equal(batch_last_offset(b), json_int(facts, "lastOffset"));
    if (b->magic < 2) {
        assert_true(batch_crc_ok(data, b));
        return;
    }
    assert_int_equal(b->base_offset, json_int(facts, "baseOffset"));
    assert_int_equal(b->count, json_int(facts, "count"));
    assert_int_equal(b->leader_epoch, json_int(facts, "leaderEpoch"));
    assert_int_equal(b->max_timestamp, json_int(facts, "maxTimestamp"));
    assert_int_equal(b->crc, json_int(facts, "crc"));
    assert_string_equal(codec_name(b), json_text(facts, "codec"));
    int64_t horizon = json_int_or_none(facts, "deleteHorizonMs");
    assert_int_equal(batch_is(b, BATCH_ATTR_DELETE_HORIZON) ? b->base_timestamp : -1, horizon);
    check_batch_producer(b, facts);
}

// The number of batches that batches.jsonl has of a log.
static size_t count_facts(const struct fixture *f, const struct log *l, const json_t *facts)
{
    char folder[NAME_FOLDER_MAX];
    char beginning[TEST_PATH_MAX_BYTES];
    assert_int_equal(folder_name_format(folder, log_topic(l), log_partition(l)), ERR_OK);
    int len = snprintf(beginning, sizeof beginning, "%s%s/", f->files, folder);
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(facts); i++) {
        n += strncmp(json_text(json_array_get(facts, i), "file"), beginning, (size_t)len) == 0;
    }
    return n;
}

struct batch_count {
    size_t n;
};

static void count_batch(void *ctx, const struct log_read *r, int64_t position, const uint8_t *data,
                        const struct batch *b)
{
    (void)r;
    (void)position;
    (void)data;
    (void)b;
    ((struct batch_count *)ctx)->n++;
}

static void check_batches(const struct fixture *f, const struct opened *o)
{
    json_t *facts = fixture_facts(f, "batches.jsonl");
    for (int i = 0; i < o->count; i++) {
        struct log *l = o->logs[i];
        struct batch_check c = {.fixture = f, .log = l, .facts = facts};
        struct batch_count count = {.n = 0};
        fixture_consume(l, log_start_offset(l), log_end_offset(l), 3000, check_batch, &c);
        fixture_consume(l, log_start_offset(l), log_end_offset(l), 1 << 20, count_batch, &count);
        assert_int_equal(count.n, count_facts(f, l, facts));
    }
    json_decref(facts);
}

// ---- the tests: one of each per fixture ----------------------------------------------------------------------------

static void test_reads_as_kafka_does(void **state)
{
    const struct fixture *f = *state;
    struct opened o;
    opened_copy(&o, f);
    opened_start(&o, f);
    assert_int_equal(log_dir_was_clean(o.dir), !f->killed);
    check_contents(f, &o);
    check_batches(f, &o);
    opened_stop(&o);
    test_dir_remove(o.path);
}

// A folder of the fixture and the same of the copy have the same files.
static void check_folders(const struct fixture *f, const struct opened *o, const char *suffix)
{
    char root[TEST_PATH_MAX_BYTES];
    test_path(root, FIXTURE_ROOT, f->dir);
    for (int i = 0; i < o->count; i++) {
        char folder[NAME_FOLDER_MAX];
        char a[TEST_PATH_MAX_BYTES];
        char b[TEST_PATH_MAX_BYTES];
        assert_int_equal(folder_name_format(folder, log_topic(o->logs[i]), log_partition(o->logs[i])), ERR_OK);
        test_path(a, root, folder);
        test_path(b, o->path, folder);
        fixture_assert_same_files(a, b, suffix);
    }
}

// Opening finishes what Kafka has left to do: files that wait for their deletion go. Everything else stays.
static void test_open_and_close_changes_nothing(void **state)
{
    const struct fixture *f = *state;
    static const char *const same[] = {".log",      ".index",    ".timeindex",       ".txnindex",
                                       ".metadata", ".snapshot", "-epoch-checkpoint"};
    size_t n = sizeof same / sizeof same[0] - (f->tidied ? 2 : 0);
    struct opened o;
    opened_copy(&o, f);
    opened_start(&o, f);
    check_folders(f, &o, ".log");
    opened_stop(&o);
    opened_start(&o, f); // only to have the names of the folders
    assert_true(log_dir_was_clean(o.dir));
    for (size_t i = 0; i < n && !f->killed; i++) {
        check_folders(f, &o, same[i]);
    }
    check_contents(f, &o);
    opened_stop(&o);
    test_dir_remove(o.path);
}

static void remove_file(const char *dir, const char *name)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, dir, name);
    if (unlink(path) != 0) {
        assert_false(fixture_exists(path));
    }
}

static void test_recovers_all(void **state)
{
    const struct fixture *f = *state;
    struct opened o;
    opened_copy(&o, f);
    remove_file(o.path, ".kafka_cleanshutdown");
    remove_file(o.path, "recovery-point-offset-checkpoint");
    opened_start(&o, f);
    assert_false(log_dir_was_clean(o.dir));
    check_contents(f, &o);
    check_batches(f, &o);
    check_folders(f, &o, ".log");
    if (!f->indexes_not_rebuilt) {
        check_folders(f, &o, ".index");
        check_folders(f, &o, ".timeindex");
        check_folders(f, &o, ".txnindex");
    }
    opened_stop(&o);
    opened_start(&o, f);
    assert_true(log_dir_was_clean(o.dir));
    check_contents(f, &o);
    opened_stop(&o);
    test_dir_remove(o.path);
}

// ---- written again -------------------------------------------------------------------------------------------------

struct rewrite {
    struct log *log;
    struct arena scratch;
};

static void rewrite_batch(void *ctx, const struct log_read *r, int64_t position, const uint8_t *data,
                          const struct batch *b)
{
    (void)r;
    (void)position;
    struct rewrite *w = ctx;
    uint8_t *copy = malloc(batch_size(b));
    assert_non_null(copy);
    memcpy(copy, data, batch_size(b));
    batch_set_base_offset(copy, 0);
    batch_set_leader_epoch(copy, -1);
    bool from_client = !batch_is(b, BATCH_ATTR_CONTROL) && strncmp(log_topic(w->log), "__", 2) != 0;
    struct log_append a = {
        .data = copy,
        .len = batch_size(b),
        .origin = from_client ? LOG_FROM_CLIENT : LOG_FROM_COORDINATOR,
        .leader_epoch = b->leader_epoch,
        .now_ms = b->max_timestamp,
    };
    if (batch_is(b, BATCH_ATTR_APPEND_TIME)) {
        struct batch as_sent = *b;
        batch_set_max_timestamp(copy, &as_sent, false, b->base_timestamp);
    }
    assert_int_equal(log_append(w->log, &a, &w->scratch), ERR_OK);
    assert_false(a.duplicate);
    assert_int_equal(a.first_offset, b->base_offset);
    assert_int_equal(a.last_offset, batch_last_offset(b));
    log_set_high_watermark(w->log, log_end_offset(w->log));
    arena_reset(&w->scratch);
    free(copy);
}

static void test_writes_the_same_bytes(void **state)
{
    const struct fixture *f = *state;
    static const char *const same[] = {".log", ".index", ".timeindex", ".txnindex", ".metadata", "-epoch-checkpoint"};
    struct opened o;
    struct opened again = {.path = test_dir_new()};
    opened_copy(&o, f);
    opened_start(&o, f);
    opened_start(&again, f);
    again.config.segment_bytes = f->segment_bytes;
    again.config.segment_ms = f->never_rolls_by_time ? INT64_MAX : again.config.segment_ms;
    again.config.timestamp_type = strcmp(f->dir, "logappendtime") == 0 ? LOG_APPEND_TIME : LOG_CREATE_TIME;
    struct rewrite w;
    arena_init(&w.scratch, 1 << 20);
    for (int i = 0; i < o.count; i++) {
        struct log *l = o.logs[i];
        assert_int_equal(log_create(again.dir, log_topic(l), log_partition(l), log_topic_id(l), &again.config, &w.log),
                         ERR_OK);
        again.logs[again.count++] = w.log;
        // A leader notes its epoch before the first record.
        assert_int_equal(log_begin_epoch(w.log, 0), ERR_OK);
        fixture_consume(l, 0, log_end_offset(l), 1 << 20, rewrite_batch, &w);
    }
    arena_release(&w.scratch);
    opened_stop(&again);
    char *path = o.path;
    o.path = again.path; // compares the new folders with the fixture's
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        check_folders(f, &o, same[i]);
    }
    o.path = path;
    opened_stop(&o);
    test_dir_remove(o.path);
    test_dir_remove(again.path);
}

int main(void)
{
    static char names[4 * FIXTURES][FACTS_TEXT];
    struct CMUnitTest tests[4 * FIXTURES];
    size_t n = 0;
    for (size_t i = 0; i < FIXTURES; i++) {
        static const struct {
            const char *name;
            CMUnitTestFunction fn;
        } kinds[] = {
            {"reads", test_reads_as_kafka_does},
            {"open and close", test_open_and_close_changes_nothing},
            {"recovers", test_recovers_all},
            {"writes the same bytes", test_writes_the_same_bytes},
        };
        for (size_t k = 0; k < 4; k++) {
            if (k == 3 && fixtures[i].segment_bytes == 0) {
                continue;
            }
            snprintf(names[n], FACTS_TEXT, "%s: %s", fixtures[i].dir, kinds[k].name);
            tests[n] = (struct CMUnitTest){
                .name = names[n], .test_func = kinds[k].fn, .initial_state = (void *)(uintptr_t)&fixtures[i]};
            n++;
        }
    }
    return _cmocka_run_group_tests("fixtures", tests, n, NULL, NULL);
}
