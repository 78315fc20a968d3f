// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target: records of the offsets topic with any bytes: the first byte says what each record is, keys are built so
// that they name one of few groups and topics, or are the input's, too; values are the input's. Whatever is read must
// make groups that live on: they are loaded, time passes until all sessions are over, and they are unloaded.
#include <stdlib.h>

#include "base/logging.h"
#include "base/tests/fuzz/fuzz.h"
#include "broker/group/group_records.h"

#define TICKS_MAX 1000

static void keep(void *ctx, struct group *g)
{
    struct group_effects *out = ctx;
    struct group_time now = {0, 0};
    struct group_event event = {.type = GROUP_LOADED};
    group_step(g, &event, now, out);
    for (int i = 0; i < TICKS_MAX && group_wake_ms(g) != INT64_MAX; i++) {
        now.mono_ms = group_wake_ms(g) > now.mono_ms ? group_wake_ms(g) : now.mono_ms;
        event.type = GROUP_TICK;
        group_effects_reset(out);
        group_step(g, &event, now, out);
    }
    event.type = GROUP_UNLOAD;
    group_effects_reset(out);
    group_step(g, &event, now, out);
    group_free(g);
}

static struct slice key_make(struct arena *a, uint8_t kind)
{
    struct slice group = slice_str(kind & 1 ? "a" : "b");
    return kind & 2 ? group_metadata_key_encode(a, group)
                    : group_offset_key_encode(a, group, slice_str(kind & 4 ? "t" : "u"), kind >> 6);
}

static struct slice bytes_take(struct reader *r)
{
    size_t len = reader_u16(r);
    return reader_bytes(r, len < reader_left(r) ? len : reader_left(r));
}

static void records_feed(struct group_replay *replay, struct reader *r)
{
    int64_t offset = 0;
    while (reader_left(r) >= 3 && !r->bad) {
        struct arena a;
        uint8_t kind = reader_u8(r);
        struct slice bytes = bytes_take(r);
        struct log_batch_view batch = {
            .base_offset = offset,
            .last_offset = offset,
            .producer_id = kind & 8 ? kind >> 6 : -1,
            .transactional = (kind & 8) != 0,
            .control = (kind & 24) == 24,
        };
        arena_init(&a, 1 << 20);
        struct log_record_view record = {.offset = offset++, .value = bytes.len == 0 ? SLICE_NULL : bytes};
        if ((kind & 48) == 48) {
            record.key = bytes_take(r);
        } else {
            record.key = batch.control ? slice_of(kind & 1 ? "\0\0\0\1" : "\0\0\0\0", 4) : key_make(&a, kind);
        }
        if (group_replay_record(replay, &batch, &record) != ERR_OK) {
            abort();
        }
        arena_release(&a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct group_options o;
    struct group_effects out;
    struct reader r = reader_of(slice_of(data, size));
    logging_set_level((enum log_level)(LOG_ERROR + 1)); // each record that is passed over is an error line
    group_options_init(&o);
    group_effects_init(&out);
    struct group_replay *replay = group_replay_new(&o, (struct group_time){0, 0});
    records_feed(replay, &r);
    group_replay_finish(replay, keep, &out);
    group_replay_free(replay);
    group_effects_release(&out);
    return 0;
}
