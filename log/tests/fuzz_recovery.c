// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target: a partition's folder as a broker that was killed may leave it, and worse. The input is a list of steps
// that build up to four segments out of good batches, raw bytes, flipped and cut bytes, and files beside them. A log is
// opened on it with recovery. What it then holds is what a scan says that is written here anew: the bytes up to the
// first that is no good batch. Every batch is found by its offsets, appending goes on, and a clean stop keeps it all.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/logging.h"
#include "base/tests/fuzz/fuzz.h"
#include "base/tests/testing.h"
#include "log/internal.h"
#include "log/legacy.h"
#include "log/tests/batch_builder.h"

#define FUZZ_TOPIC        "topic"
#define FUZZ_SEGMENTS_MAX 4
#define FUZZ_BATCHES_MAX  1000      // as many as an input can ask for
#define FUZZ_BYTES_MAX    (1 << 20) // of a segment
#define FUZZ_INPUT_MAX    2000
#define FUZZ_TIME_MS      1700000000000

struct folder_built {
    char *dir;
    int64_t next_offset;
    int count; // of segments
    int64_t bases[FUZZ_SEGMENTS_MAX];
    struct writer segments[FUZZ_SEGMENTS_MAX];
    int64_t recovery_point; // -1 = not known
    bool epochs_given;      // leader-epoch-checkpoint holds anything
};

// ---- building ------------------------------------------------------------------------------------------------------

static void file_write(const struct folder_built *f, const char *name, struct slice bytes)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, f->dir, name);
    FILE *file = fopen(path, "w");
    ASSERT(file != NULL && fwrite(bytes.data, 1, bytes.len, file) == bytes.len && fclose(file) == 0);
}

static void segment_begin(struct folder_built *f, int64_t gap)
{
    if (f->count == FUZZ_SEGMENTS_MAX) {
        return;
    }
    f->next_offset += gap;
    if (f->count > 0 && f->next_offset <= f->bases[f->count - 1]) {
        f->next_offset = f->bases[f->count - 1] + 1;
    }
    f->bases[f->count] = f->next_offset;
    writer_init(&f->segments[f->count++], 1024, FUZZ_BYTES_MAX);
}

static void batch_add(struct folder_built *f, struct reader *in)
{
    uint8_t flags = reader_u8(in);
    uint8_t shape = reader_u8(in);
    int32_t count = 1 + shape % 4;
    bool control = (flags & 3) == 3;
    struct batch h = test_header(control ? 1 : count);
    struct writer records;
    size_t len;
    f->next_offset += (flags & 4) != 0 ? shape / 16 : 0;
    h.base_offset = f->next_offset;
    h.leader_epoch = reader_u8(in) - 1;
    h.base_timestamp = FUZZ_TIME_MS + reader_u8(in);
    h.max_timestamp = h.base_timestamp + h.count - 1;
    h.producer_id = (flags >> 5) - 1;
    h.producer_epoch = h.producer_id < 0 ? -1 : 0;
    h.base_sequence = h.producer_id < 0 || control ? -1 : reader_u8(in);
    h.attributes = (flags & 1) != 0 && h.producer_id >= 0 ? BATCH_ATTR_TRANSACTIONAL : 0;
    writer_init(&records, 256, FUZZ_BYTES_MAX);
    if (control) {
        h.attributes |= BATCH_ATTR_CONTROL;
        test_add_record(&records, 0, 0, slice_of(shape & 1 ? "\0\0\0\1\0\0\0" : "\0\0\0\0\0\0\0", shape / 32),
                        slice_of("\0\0\0\0\0\0", 6), 0);
    } else {
        test_add_records(&records, count, shape);
    }
    enum test_packing p = (flags & 24) == 24 ? (enum test_packing)(shape % PACK_COUNT) : PACK_NONE;
    uint8_t *data = test_batch(&h, p, writer_slice(&records), &len);
    writer_bytes(&f->segments[f->count - 1], data, len);
    f->next_offset += h.count;
    free(data);
    writer_release(&records);
}

static void old_entry_add(struct folder_built *f, struct reader *in)
{
    uint8_t shape = reader_u8(in);
    legacy_write(&f->segments[f->count - 1], &(struct legacy_message){f->next_offset++, (int8_t)(shape & 1), 0,
                                                                      (shape & 1) != 0 ? FUZZ_TIME_MS + shape : -1,
                                                                      SLICE_NULL, slice_of("0123456789", shape % 10)});
}

static struct slice bytes_take(struct reader *in)
{
    size_t len = reader_u8(in);
    return len < reader_left(in) ? reader_bytes(in, len) : reader_bytes(in, reader_left(in));
}

// No time indexes: without them all segments are recovered.
static void side_file_add(struct folder_built *f, struct reader *in)
{
    static const enum name_kind kinds[] = {NAME_INDEX, NAME_TXN_INDEX, NAME_SNAPSHOT};
    char name[NAME_FILE_MAX];
    uint8_t kind = reader_u8(in);
    if (kind % 4 == 3) {
        f->epochs_given = true;
        file_write(f, FUZZ_TOPIC "-0/leader-epoch-checkpoint", bytes_take(in));
        return;
    }
    char path[NAME_FILE_MAX + sizeof FUZZ_TOPIC + 3];
    file_name_format(name, kind % 4 == 2 ? kind / 4 : f->bases[f->count - 1], kinds[kind % 4], NAME_LIVE);
    snprintf(path, sizeof path, "%s-0/%s", FUZZ_TOPIC, name);
    file_write(f, path, bytes_take(in));
}

static void step_run(struct folder_built *f, struct reader *in)
{
    struct writer *w = &f->segments[f->count - 1];
    struct slice raw;
    uint16_t at;
    uint8_t mask;
    switch (reader_u8(in) % 8) {
    case 2:
        old_entry_add(f, in);
        break;
    case 3:
        raw = bytes_take(in);
        writer_bytes(w, raw.data, raw.len);
        break;
    case 4:
        segment_begin(f, reader_u8(in));
        break;
    case 5: // counted from the end
        at = reader_u16(in);
        mask = reader_u8(in);
        if (w->len > 0) {
            w->data[w->len - 1 - at % w->len] ^= mask;
        }
        break;
    case 6:
        at = reader_u16(in);
        w->len -= at < w->len ? at : w->len;
        break;
    case 7:
        side_file_add(f, in);
        break;
    default:
        batch_add(f, in);
        break;
    }
}

static void folder_build(struct folder_built *f, struct reader *in)
{
    char path[TEST_PATH_MAX_BYTES];
    char text[100];
    *f = (struct folder_built){.dir = test_dir_new()};
    test_path(path, f->dir, FUZZ_TOPIC "-0");
    ASSERT(mkdir(path, 0777) == 0);
    f->recovery_point = (int64_t)reader_u8(in) - 1;
    if (f->recovery_point >= 0) {
        snprintf(text, sizeof text, "0\n1\n%s 0 %" PRId64 "\n", FUZZ_TOPIC, f->recovery_point);
        file_write(f, "recovery-point-offset-checkpoint", slice_str(text));
    }
    segment_begin(f, 0);
    while (reader_left(in) > 0 && !in->bad) {
        step_run(f, in);
    }
    for (int i = 0; i < f->count; i++) {
        char name[NAME_FILE_MAX];
        ASSERT(!f->segments[i].bad);
        file_name_format(name, f->bases[i], NAME_LOG, NAME_LIVE);
        snprintf(text, sizeof text, "%s-0/%s", FUZZ_TOPIC, name);
        file_write(f, text, writer_slice(&f->segments[i]));
    }
}

static void folder_release(struct folder_built *f)
{
    for (int i = 0; i < f->count; i++) {
        writer_release(&f->segments[i]);
    }
    test_dir_remove(f->dir);
}

// ---- what must come out --------------------------------------------------------------------------------------------

struct expected_batch {
    int segment;
    int64_t position;
    int64_t first_offset; // of old formats the only one
    int64_t last_offset;
};

struct expected {
    int segments;
    int64_t size;
    int64_t end_offset;
    int32_t epoch; // the latest, -1 = none
    int count;
    struct expected_batch batches[FUZZ_BATCHES_MAX];
};

// The size of the good batch that begins the bytes, 0 when there is none. `limit`: the next segment's first offset.
static size_t good_batch(struct slice s, int64_t next_offset, int64_t segment_base, int64_t limit, int64_t *last)
{
    if (s.len < BATCH_PREFIX_SIZE) {
        return 0;
    }
    const uint8_t *p = s.data;
    int64_t offset = (int64_t)load_be64(p);
    int32_t length = (int32_t)load_be32(p + 8);
    uint8_t magic = p[16];
    size_t header = magic == 0 ? 26 : magic == 1 ? 34 : 61;
    if (magic > 2 || length < 0 || (size_t)length + 12 < header || (size_t)length + 12 > s.len) {
        return 0;
    }
    size_t size = (size_t)length + 12;
    int32_t delta = magic == 2 ? (int32_t)load_be32(p + 23) : 0;
    uint32_t sum = magic == 2 ? crc32c(p + 21, size - 21) : (uint32_t)crc32_z(0, p + 16, size - 16);
    if (sum != load_be32(p + (magic == 2 ? 17 : 12)) || offset < next_offset || delta < 0 ||
        offset > INT64_MAX - 1 - delta || offset + delta - segment_base > INT32_MAX || offset + delta >= limit) {
        return 0;
    }
    *last = offset + delta;
    struct batch b;
    struct marker m; // a control record is looked into by the scan's own means
    ASSERT(scan_header(p, s.len, &b) == ERR_OK);
    return scan_has_marker(&b) && scan_marker(p, &b, &m) != ERR_OK ? 0 : size;
}

static void expect(const struct folder_built *f, struct expected *e)
{
    *e = (struct expected){.epoch = -1};
    bool goes_on = true;
    for (int i = 0; i < f->count && goes_on; i++) {
        struct slice all = writer_slice(&f->segments[i]);
        int64_t limit = i + 1 < f->count ? f->bases[i + 1] : INT64_MAX;
        size_t position = 0;
        size_t size;
        int64_t last;
        e->end_offset = f->bases[i];
        while ((size = good_batch(slice_of(all.data + position, all.len - position), e->end_offset, f->bases[i], limit,
                                  &last)) > 0) {
            const uint8_t *p = all.data + position;
            int32_t epoch = p[16] == 2 ? (int32_t)load_be32(p + 12) : -1;
            e->epoch = epoch > e->epoch ? epoch : e->epoch;
            ASSERT(e->count < FUZZ_BATCHES_MAX);
            e->batches[e->count++] = (struct expected_batch){i, (int64_t)position, (int64_t)load_be64(p), last};
            e->end_offset = last + 1;
            position += size;
        }
        e->size += (int64_t)position;
        e->segments = i + 1;
        goes_on = position == all.len || limit <= f->recovery_point;
    }
}

// ---- opening -------------------------------------------------------------------------------------------------------

static int no_fsync(const struct os *os, int fd)
{
    (void)os;
    (void)fd;
    return 0;
}

static enum err folder_open(const struct folder_built *f, const struct os *os, struct log_dir **dir, struct log **log)
{
    struct log_config config;
    log_config_init(&config);
    config.index_interval_bytes = 200;
    config.producer_id_expiration_ms = INT64_MAX;
    ASSERT(log_dir_open(os, f->dir, dir) == ERR_OK);
    return log_open(*dir, FUZZ_TOPIC, 0, &config, log);
}

// All batches are where they are expected, found by their first and last offsets.
static void check_batches(struct log *log, const struct folder_built *f, const struct expected *e)
{
    ASSERT(log_end_offset(log) >= e->end_offset && log->segments_count >= e->segments);
    for (int i = 0; i < e->count; i++) {
        const struct expected_batch *b = &e->batches[i];
        const int64_t offsets[] = {b->first_offset, b->last_offset};
        for (size_t k = 0; k < 2; k++) {
            struct log_read r = {.offset = offsets[k], .max_offset = INT64_MAX, .max_bytes = 1, .min_one = true};
            ASSERT(log_read(log, &r) == ERR_OK && r.file != NULL);
            ASSERT(r.position == b->position && log->segments[b->segment]->base_offset == f->bases[b->segment]);
            log_file_unref(r.file);
        }
    }
}

static void check_appending(struct log *log)
{
    struct arena scratch;
    size_t len;
    int64_t end_offset = log_end_offset(log);
    uint8_t *data = test_simple_batch(PACK_NONE, 2, 10, &len);
    struct log_append a = {.data = data, .len = len, .leader_epoch = log_latest_epoch(log), .now_ms = FUZZ_TIME_MS};
    arena_init(&scratch, 1 << 20);
    ASSERT(log_append(log, &a, &scratch) == ERR_OK);
    ASSERT(a.first_offset == end_offset && log_end_offset(log) == end_offset + 2);
    log_set_high_watermark(log, end_offset + 2); // so no transaction that has ended holds anything back
    arena_release(&scratch);
    free(data);
}

// What else recovery made: one sum over all producers and the transactions that were aborted in the first segment.
static uint32_t state_sum(struct log *log)
{
    struct arena a;
    struct log_producer *producers;
    struct log_aborted_txn *aborted;
    int32_t count;
    arena_init(&a, 1 << 20);
    ASSERT(log_producers(log, &a, &producers, &count) == ERR_OK);
    uint32_t sum = 0; // in no order
    for (int32_t i = 0; i < count; i++) {
        const struct log_producer *p = &producers[i];
        const int64_t fields[] = {p->producer_id,       p->epoch,           p->last_sequence, p->last_timestamp,
                                  p->coordinator_epoch, p->txn_first_offset};
        sum += crc32c(fields, sizeof fields);
    }
    int64_t start = log_start_offset(log);
    struct log_read r = {.offset = start, .max_offset = INT64_MAX, .max_bytes = SIZE_MAX, .min_one = true};
    ASSERT(log_read(log, &r) == ERR_OK);
    if (r.file != NULL) {
        if (log_aborted_transactions(log, &r, &a, &aborted, &count) == ERR_OK) {
            sum += crc32c(aborted, (size_t)count * sizeof *aborted);
        }
        log_file_unref(r.file);
    }
    arena_release(&a);
    return sum;
}

static void recovery_run(const struct folder_built *f, const struct os *os, const struct expected *e)
{
    struct log_dir *dir;
    struct log *log;
    enum err err = folder_open(f, os, &dir, &log);
    if (err != ERR_OK) {
        ASSERT(f->epochs_given);
        log_dir_close(dir, false);
        return;
    }
    ASSERT(log_end_offset(log) == e->end_offset && log_size_bytes(log) == e->size);
    ASSERT(log->segments_count == e->segments);
    ASSERT(f->epochs_given || log_latest_epoch(log) == e->epoch);
    check_batches(log, f, e);
    check_appending(log);
    uint32_t sum = state_sum(log);
    int64_t first_unstable = log_first_unstable_offset(log);
    int64_t size = log_size_bytes(log);
    ASSERT(log_close(log) == ERR_OK);
    log_dir_close(dir, true);

    ASSERT(folder_open(f, os, &dir, &log) == ERR_OK);
    ASSERT(log_end_offset(log) == e->end_offset + 2 && log_size_bytes(log) == size);
    check_batches(log, f, e);
    ASSERT(state_sum(log) == sum && log_first_unstable_offset(log) == first_unstable);
    ASSERT(log_close(log) == ERR_OK);
    log_dir_close(dir, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader in = reader_of(slice_of(data, size < FUZZ_INPUT_MAX ? size : FUZZ_INPUT_MAX));
    struct folder_built f;
    struct expected *e = malloc(sizeof *e);
    struct test_os os;
    ASSERT(e != NULL);
    test_os_init(&os);
    os.os.fsync = no_fsync;
    logging_set_level((enum log_level)(LOG_ERROR + 1)); // what is damaged is told, line by line
    folder_build(&f, &in);
    expect(&f, e);
    recovery_run(&f, &os.os, e);
    folder_release(&f);
    free(e);
    return 0;
}
