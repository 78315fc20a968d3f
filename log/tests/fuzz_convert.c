// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target: a good set of records, made of the input by a writer of its own, goes through all that a broker does to
// records: validation with the topic's codec, conversion down for old clients, up again, from codec to codec. After
// each step the records are those of the input. The input chooses format, codecs and records; one byte of what was
// packed may be flipped, then the set is refused, or is something else, but nothing worse happens.
#include <stdlib.h>

#include "base/assert.h"
#include "base/tests/fuzz/fuzz.h"
#include "log/convert.h"
#include "log/encoder.h"
#include "log/legacy.h"
#include "log/scan.h"
#include "log/tests/batch_builder.h"
#include "log/validate.h"

#define RECORDS_MAX      40
#define FUZZ_NEXT_OFFSET 7
#define FUZZ_TIME_MS     1700000000000
#define FUZZ_OUT_MAX     (16 << 20)
#define FUZZ_FILL_MAX    6000 // bytes that a length takes beyond those of the input

struct sample {
    int64_t timestamp;
    struct slice key; // data NULL = null
    struct slice value;
};

struct samples {
    int32_t count;
    struct sample list[RECORDS_MAX];
    bool untimed; // magic 0 knows no timestamps
};

// ---- making the set ------------------------------------------------------------------------------------------------

// Null, some bytes of the input, or a long row of zeros, so that packing pays and pieces are crossed.
static struct slice take_bytes(struct reader *in, const uint8_t *zeros)
{
    uint8_t n = reader_u8(in);
    if (n == 255) {
        return SLICE_NULL;
    }
    if (n >= 200) {
        return slice_of(zeros, (size_t)(n - 200) * FUZZ_FILL_MAX / 55);
    }
    size_t len = n < reader_left(in) ? n : reader_left(in);
    return len == 0 ? slice_str("") : reader_bytes(in, len);
}

static void samples_take(struct samples *s, struct reader *in, const uint8_t *zeros, bool untimed)
{
    s->untimed = untimed;
    do {
        struct sample *r = &s->list[s->count++];
        int64_t step = (int8_t)reader_u8(in);
        r->timestamp = untimed ? -1 : FUZZ_TIME_MS + step * step * step * 1000;
        r->key = take_bytes(in, zeros);
        r->value = take_bytes(in, zeros);
    } while (reader_left(in) > 0 && !in->bad && s->count < RECORDS_MAX);
}

static struct slice pack(int codec, struct slice plain, bool old_lz4, struct writer *out)
{
    struct encoder *e;
    size_t start = out->len;
    ASSERT(encoder_open(codec, encoder_level_default(codec), old_lz4, out, &e) == ERR_OK);
    ASSERT(encoder_write(e, plain.data, plain.len) == ERR_OK && encoder_finish(e) == ERR_OK);
    encoder_close(e);
    return slice_of(out->data + start, out->len - start);
}

// Entries of magic 0 or 1, inside a wrapper when they are packed: with relative offsets in magic 1.
static void set_write_old(const struct samples *s, int8_t magic, int codec, struct writer *out)
{
    struct writer plain, packed;
    int64_t max_timestamp = -1;
    writer_init(&plain, 256, FUZZ_OUT_MAX);
    writer_init(&packed, 256, FUZZ_OUT_MAX);
    for (int32_t i = 0; i < s->count; i++) {
        const struct sample *r = &s->list[i];
        legacy_write(&plain, &(struct legacy_message){i, magic, 0, r->timestamp, r->key, r->value});
        max_timestamp = r->timestamp > max_timestamp ? r->timestamp : max_timestamp;
    }
    if (codec == CODEC_NONE) {
        writer_bytes(out, plain.data, plain.len);
    } else {
        legacy_write(out, &(struct legacy_message){s->count - 1, magic, (uint8_t)codec, max_timestamp, SLICE_NULL,
                                                   pack(codec, writer_slice(&plain), magic == 0, &packed)});
    }
    writer_release(&plain);
    writer_release(&packed);
}

static void set_write_new(const struct samples *s, int codec, int headers, struct writer *out)
{
    static const enum test_packing packings[CODEC_COUNT] = {PACK_NONE, PACK_GZIP, PACK_SNAPPY_XERIAL, PACK_LZ4,
                                                            PACK_ZSTD};
    struct writer plain;
    struct batch header = test_header(s->count);
    size_t len;
    writer_init(&plain, 256, FUZZ_OUT_MAX);
    header.base_timestamp = s->list[0].timestamp;
    for (int32_t i = 0; i < s->count; i++) {
        const struct sample *r = &s->list[i];
        test_add_record(&plain, i, r->timestamp - header.base_timestamp, r->key, r->value, headers);
    }
    uint8_t *batch = test_batch(&header, packings[codec], writer_slice(&plain), &len);
    writer_bytes(out, batch, len);
    free(batch);
    writer_release(&plain);
}

// ---- looking at sets -----------------------------------------------------------------------------------------------

static bool same(struct slice a, struct slice b)
{
    return (a.data == NULL) == (b.data == NULL) && slice_equal(a, b);
}

// The set holds the samples from number `first` on, numbered from base_offset + first.
static void set_check(struct slice set, const struct samples *s, int8_t magic, int64_t base_offset, int32_t first)
{
    int32_t n = first;
    struct batch b;
    for (size_t position = 0; position < set.len; position += batch_size(&b)) {
        struct unpack *u;
        struct full_record r;
        ASSERT(scan_header(set.data + position, set.len - position, &b) == ERR_OK && b.magic == magic);
        ASSERT(batch_size(&b) <= set.len - position && batch_crc_ok(set.data + position, &b));
        ASSERT(unpack_open(NULL, set.data + position, &b, true, FUZZ_OUT_MAX, &u) == ERR_OK);
        enum err e;
        while ((e = unpack_next(u, &r)) == ERR_OK) {
            ASSERT(n < s->count && r.offset == base_offset + n);
            ASSERT(r.timestamp == (s->untimed || magic == 0 ? -1 : s->list[n].timestamp));
            ASSERT(same(r.key, s->list[n].key) && same(r.value, s->list[n].value));
            n++;
        }
        ASSERT(e == ERR_NOT_FOUND);
        unpack_close(u);
    }
    ASSERT(n == s->count);
}

static enum err any_record(void *ctx, const struct batch *entry, const struct full_record *r, int32_t index)
{
    const struct samples *s = ctx;
    ASSERT(entry->magic < 2 && (s == NULL || (index < s->count && r->offset >= 0)));
    return ERR_OK;
}

// ---- the way of the records ----------------------------------------------------------------------------------------

struct way {
    const struct samples *samples; // NULL: the set was damaged, what it holds is not known
    int8_t magic;
    int codec;
    int to_codec;
    int32_t first; // conversion down leaves out records before it
};

// An old client's set goes up; what old clients read of a new one goes up again.
static void up(const struct way *way, struct slice set, const struct samples *s)
{
    struct writer w;
    struct batch header;
    struct convert_target target = {way->to_codec, encoder_level_default(way->to_codec), FUZZ_OUT_MAX};
    writer_init(&w, 0, FUZZ_OUT_MAX);
    enum err e = convert_up(NULL, set.data, set.len, target, any_record, (void *)(uintptr_t)s, &w, &header);
    if (s != NULL) {
        ASSERT(e == ERR_OK && header.count == s->count);
        set_check(writer_slice(&w), s, 2, 0, 0);
    }
    writer_release(&w);
}

static void down(const struct way *way, struct slice stored, int8_t magic)
{
    struct writer w;
    struct batch b;
    writer_init(&w, 0, FUZZ_OUT_MAX);
    ASSERT(scan_header(stored.data, stored.len, &b) == ERR_OK);
    int64_t first_offset = b.base_offset + way->first;
    enum err e = convert_down(NULL, stored.data, &b, magic, first_offset, &w);
    ASSERT(way->samples == NULL || e == (batch_codec(&b) == CODEC_ZSTD ? ERR_UNSUPPORTED : ERR_OK));
    if (way->samples != NULL && e == ERR_OK) {
        int32_t first = batch_codec(&b) == CODEC_NONE ? way->first : 0;
        set_check(writer_slice(&w), way->samples, magic, b.base_offset, first);
        if (first == 0) {
            struct samples s = *way->samples;
            s.untimed = s.untimed || magic == 0;
            up(way, writer_slice(&w), &s);
        }
    }
    writer_release(&w);
}

static void again(const struct way *way, struct slice stored)
{
    struct writer w;
    struct batch b, header;
    struct convert_target target = {way->codec, encoder_level_default(way->codec), FUZZ_OUT_MAX};
    writer_init(&w, 0, FUZZ_OUT_MAX);
    ASSERT(scan_header(stored.data, stored.len, &b) == ERR_OK);
    enum err e = convert_codec(NULL, stored.data, &b, target, &w, &header);
    if (way->samples != NULL) {
        ASSERT(e == ERR_OK);
        set_check(writer_slice(&w), way->samples, 2, b.base_offset, 0);
    }
    writer_release(&w);
}

// Produced to a topic that stores with to_codec (way->codec: as the producer does).
static void produce(const struct way *way, uint8_t *data, size_t len)
{
    struct log_config config;
    struct arena scratch;
    struct log_append a = {.data = data, .len = len, .leader_epoch = 1, .now_ms = FUZZ_TIME_MS};
    struct batch b;
    struct validated v = {.rebuilt = NULL};
    arena_init(&scratch, 1 << 20);
    log_config_init(&config);
    config.max_message_bytes = FUZZ_OUT_MAX;
    if (way->to_codec != way->codec) {
        config.compression = (enum log_compression)(LOG_COMPRESSION_NONE + way->to_codec);
        config.compression_level = encoder_level_default(way->to_codec);
    }
    struct validate_target target = {.config = &config, .topic = "fuzz", .partition = 0};
    enum err e = validate_set(&config, &a, &b);
    if (e == ERR_OK) {
        e = validate_records(&target, &a, &b, &scratch, &v);
    }
    ASSERT(way->samples == NULL || e == ERR_OK);
    if (e == ERR_OK) {
        validate_stamp(&config, &a, FUZZ_NEXT_OFFSET, &v);
        struct slice stored = v.rebuilt != NULL ? slice_of(v.rebuilt, v.rebuilt_len) : slice_of(a.data, a.len);
        if (way->samples != NULL) {
            ASSERT(batch_codec(&v.batch) == way->to_codec);
            set_check(stored, way->samples, 2, FUZZ_NEXT_OFFSET, 0);
        }
        down(way, stored, 1);
        down(way, stored, 0);
        again(way, stored);
    }
    free(v.rebuilt);
    arena_release(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader in = reader_of(slice_of(data, size));
    struct samples *s = calloc(1, sizeof *s);
    uint8_t *zeros = calloc(1, FUZZ_FILL_MAX);
    struct way way = {.samples = s};
    struct writer set;
    ASSERT(s != NULL && zeros != NULL);
    way.magic = (int8_t)(reader_u8(&in) % 3);
    way.codec = reader_u8(&in) % (way.magic == 2 ? CODEC_COUNT : CODEC_ZSTD);
    way.to_codec = reader_u8(&in) % CODEC_COUNT;
    uint8_t choice = reader_u8(&in);
    uint16_t flip = reader_u16(&in); // 0 = none
    samples_take(s, &in, zeros, way.magic == 0);
    way.first = choice % s->count;
    writer_init(&set, 1024, FUZZ_OUT_MAX);
    if (way.magic == 2) {
        set_write_new(s, way.codec, choice / 64, &set);
    } else {
        set_write_old(s, way.magic, way.codec, &set);
    }
    ASSERT(!set.bad);
    if (flip != 0) {
        way.samples = NULL;
        set.data[BATCH_OVERHEAD + flip % (set.len - BATCH_OVERHEAD)] ^= (uint8_t)(1u << flip % 8);
    }
    if (flip != 0 && way.magic == 2) {
        test_seal(set.data, set.len);
    } else if (way.magic < 2) {
        up(&way, writer_slice(&set), way.samples);
    }
    if (set.len > 0) {
        produce(&way, set.data, set.len);
    }
    writer_release(&set);
    free(zeros);
    free(s);
    return 0;
}
