// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer target: any bytes as a client's record set. The first byte chooses the topic's settings, the next whether
// the CRC is made right (without which hardly any input gets past the first step). Either the set is refused and its
// bytes are untouched, or what is stored reads back coherently.
#include <stdlib.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "log/record.h"
#include "log/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

#define FUZZ_NEXT_OFFSET 1000
#define FUZZ_NOW_MS      1700000000000

static void fuzz_check_stored(const struct log_append *a, const struct validated *v, bool append_time)
{
    struct batch b;
    ASSERT(batch_read_header(a->data, a->len, &b) == ERR_OK);
    ASSERT(batch_size(&b) == a->len && batch_crc_ok(a->data, &b));
    ASSERT(b.base_offset == FUZZ_NEXT_OFFSET && b.max_timestamp == v->max_timestamp);
    struct record_iter *it;
    struct record r;
    int32_t n = 0;
    ASSERT(record_iter_new(NULL, a->data, &b, &it) == ERR_OK);
    enum err e;
    while ((e = record_iter_next(it, &r)) == ERR_OK) {
        ASSERT(r.offset == FUZZ_NEXT_OFFSET + n && (append_time || r.timestamp <= b.max_timestamp || r.timestamp < 0));
        n++;
    }
    ASSERT(e == ERR_NOT_FOUND && n == b.count);
    record_iter_free(it);
}

static void fuzz_set(const struct log_config *config, uint8_t *data, size_t len)
{
    struct log_append a = {.data = data, .len = len, .leader_epoch = 3, .now_ms = FUZZ_NOW_MS};
    struct validate_target target = {.config = config, .topic = "fuzz", .partition = 0};
    struct arena scratch;
    arena_init(&scratch, 1 << 20);
    struct log_batch_info info;
    enum err peeked = log_batch_peek(slice_of(data, len), &info);
    struct batch b;
    struct validated v;
    enum err e = validate_set(config, &a, &b);
    ASSERT(e != ERR_OK || peeked == ERR_OK);
    if (e == ERR_OK) {
        e = validate_records(&target, &a, &b, &scratch, &v);
    }
    if (e == ERR_OK) {
        validate_stamp(config, &a, FUZZ_NEXT_OFFSET, &v);
        fuzz_check_stored(&a, &v, config->timestamp_type == LOG_APPEND_TIME);
    }
    arena_release(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct log_config config = {
        .max_message_bytes = 1 << 20,
        .timestamp_before_max_ms = (input[0] & 1) != 0 ? 1000 : INT64_MAX,
        .timestamp_after_max_ms = (input[0] & 2) != 0 ? 1000 : INT64_MAX,
        .timestamp_type = (input[0] & 4) != 0 ? LOG_APPEND_TIME : LOG_CREATE_TIME,
        .cleanup_compact = (input[0] & 8) != 0,
    };
    size_t len = size - 2;
    uint8_t *data = malloc(len + 1);
    ASSERT(data != NULL);
    memcpy(data, input + 2, len);
    struct batch b;
    if ((input[1] & 1) != 0 && batch_read_header(data, len, &b) == ERR_OK && b.magic == 2 && batch_size(&b) <= len) {
        store_be32(data + BATCH_AT_CRC, crc32c(data + BATCH_AT_ATTRIBUTES, batch_size(&b) - BATCH_AT_ATTRIBUTES));
    }
    fuzz_set(&config, data, len);
    free(data);
    return 0;
}
