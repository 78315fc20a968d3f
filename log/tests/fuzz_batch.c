// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target: any bytes as a client's record set of any format. The first two bytes choose the topic's settings and
// whether checksums are made right (without which hardly any input gets past the first step). Either the set is refused
// and its bytes are untouched, or what is stored reads back coherently, and again after conversion to older formats.
#include <stdlib.h>
#include <zlib.h>

#include "base/assert.h"
#include "base/tests/fuzz/fuzz.h"
#include "log/convert.h"
#include "log/record.h"
#include "log/scan.h"
#include "log/validate.h"

#define FUZZ_NEXT_OFFSET 1000
#define FUZZ_NOW_MS      1700000000000
#define FUZZ_OUT_MAX     (64 << 20)

static void check_stored(struct slice stored, const struct validated *v, bool append_time)
{
    struct batch b;
    ASSERT(batch_read_header(stored.data, stored.len, &b) == ERR_OK);
    ASSERT(b.magic == 2 && batch_size(&b) == stored.len && batch_crc_ok(stored.data, &b));
    ASSERT(b.base_offset == FUZZ_NEXT_OFFSET && b.max_timestamp == v->max_timestamp);
    ASSERT(b.count > 0 && b.last_offset_delta == b.count - 1);
    struct record_iter *it;
    struct record r;
    int32_t n = 0;
    int64_t max_timestamp = -1;
    ASSERT(record_iter_new(NULL, stored.data, &b, &it) == ERR_OK);
    enum err e;
    while ((e = record_iter_next(it, &r)) == ERR_OK) {
        ASSERT(r.offset == FUZZ_NEXT_OFFSET + n);
        max_timestamp = r.timestamp > max_timestamp ? r.timestamp : max_timestamp;
        n++;
    }
    ASSERT(e == ERR_NOT_FOUND && n == b.count);
    ASSERT(append_time || max_timestamp == b.max_timestamp);
    record_iter_free(it);
}

// Counts the records of a converted set, which must be whole and in order.
static int32_t count_old(struct slice set, int8_t magic)
{
    int32_t n = 0;
    struct batch b;
    for (size_t position = 0; position < set.len; position += batch_size(&b)) {
        struct unpack *u;
        struct full_record r;
        ASSERT(scan_header(set.data + position, set.len - position, &b) == ERR_OK && b.magic == magic);
        ASSERT(batch_size(&b) <= set.len - position && batch_crc_ok(set.data + position, &b));
        ASSERT(unpack_open(NULL, set.data + position, &b, true, FUZZ_OUT_MAX, &u) == ERR_OK);
        enum err e;
        while ((e = unpack_next(u, &r)) == ERR_OK) {
            ASSERT(r.offset == FUZZ_NEXT_OFFSET + n);
            n++;
        }
        ASSERT(e == ERR_NOT_FOUND);
        unpack_close(u);
    }
    return n;
}

static void check_down(struct slice stored, int8_t magic)
{
    struct batch b;
    struct writer w;
    writer_init(&w, 0, FUZZ_OUT_MAX);
    ASSERT(batch_read_header(stored.data, stored.len, &b) == ERR_OK);
    enum err e = convert_down(NULL, stored.data, &b, magic, FUZZ_NEXT_OFFSET, &w);
    ASSERT(e == ERR_TOO_LARGE || (e == ERR_UNSUPPORTED) == (batch_codec(&b) == CODEC_ZSTD));
    if (e == ERR_OK) {
        ASSERT(count_old(writer_slice(&w), magic) == b.count);
    }
    writer_release(&w);
}

static void set_run(const struct log_config *config, uint8_t *data, size_t len)
{
    struct log_append a = {.data = data, .len = len, .leader_epoch = 3, .now_ms = FUZZ_NOW_MS};
    struct validate_target target = {.config = config, .topic = "fuzz", .partition = 0};
    struct arena scratch;
    arena_init(&scratch, 1 << 20);
    struct log_batch_info info;
    enum err peeked = log_batch_peek(slice_of(data, len), &info);
    uint32_t sum = (uint32_t)crc32_z(0, data, len);
    struct batch b;
    struct validated v = {.rebuilt = NULL};
    enum err e = validate_set(config, &a, &b);
    ASSERT(e != ERR_OK || peeked == ERR_OK);
    if (e == ERR_OK) {
        e = validate_records(&target, &a, &b, &scratch, &v);
    }
    if (e == ERR_OK) {
        validate_stamp(config, &a, FUZZ_NEXT_OFFSET, &v);
        struct slice stored = v.rebuilt != NULL ? slice_of(v.rebuilt, v.rebuilt_len) : slice_of(a.data, a.len);
        check_stored(stored, &v, config->timestamp_type == LOG_APPEND_TIME);
        check_down(stored, 1);
        check_down(stored, 0);
    } else {
        ASSERT(v.rebuilt == NULL && (uint32_t)crc32_z(0, data, len) == sum);
    }
    free(v.rebuilt);
    arena_release(&scratch);
}

// Makes the checksum of every batch right that the set holds.
static void set_seal(uint8_t *data, size_t len)
{
    struct batch b;
    for (size_t position = 0;
         batch_read_header(data + position, len - position, &b) == ERR_OK && batch_size(&b) <= len - position;
         position += batch_size(&b)) {
        uint8_t *at = data + position;
        if (b.magic == 2) {
            batch_seal(at, &b);
        } else {
            store_be32(at + BATCH_OVERHEAD, (uint32_t)crc32_z(0, at + BATCH_AT_MAGIC, batch_size(&b) - BATCH_AT_MAGIC));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct log_config config;
    log_config_init(&config);
    config.max_message_bytes = 1 << 20;
    config.timestamp_before_max_ms = (input[0] & 1) != 0 ? 1000 : INT64_MAX;
    config.timestamp_after_max_ms = (input[0] & 2) != 0 ? 1000 : INT64_MAX;
    config.timestamp_type = (input[0] & 4) != 0 ? LOG_APPEND_TIME : LOG_CREATE_TIME;
    config.cleanup_compact = (input[0] & 8) != 0;
    config.compression = (enum log_compression)(input[1] / 2 % (LOG_COMPRESSION_ZSTD + 1));
    size_t len = size - 2;
    uint8_t *data = malloc(len + 1);
    ASSERT(data != NULL);
    memcpy(data, input + 2, len);
    if ((input[1] & 1) != 0) {
        set_seal(data, len);
    }
    set_run(&config, data, len);
    free(data);
    return 0;
}
