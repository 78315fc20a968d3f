// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target: any bytes as any message. 4 bytes choose the message (the CRC-32C of its name, so that the corpus stays
// right when messages are added; any other number chooses one, too), the next its version, the rest is decoded. What
// decodes is printed, encoded, and decoded again, with the same outcome.
#include "protocol/tables.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/tests/fuzz/fuzz.h"
#include <stdlib.h>

enum {
    ARENA_LIMIT_BYTES = 16 << 20,
    OUTPUT_LIMIT_BYTES = 64 << 20,
    HEAD_BYTES = 5,
    FEATURES = 1 << 15,
};

// The codec walks tables: the same code serves every message, so libFuzzer, which looks for new code, would know little
// of what it has tried. What it finds set here counts as reached, too: one byte for each message, version and outcome.
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t fuzz_features[FEATURES];

static const struct message_desc *message_choose(uint32_t number)
{
    for (size_t i = 0; i < protocol_message_count; i++) {
        const char *name = message_name(protocol_messages[i]);
        if (crc32c(name, strlen(name)) == number)
            return protocol_messages[i];
    }
    return protocol_messages[number % protocol_message_count];
}

// Decodes the bytes, prints what came out and encodes it. False when they do not decode.
static bool pass_through(const struct message_desc *m, int16_t version, struct slice bytes, struct writer *text,
                         struct writer *out)
{
    struct arena a;
    struct reader r = reader_of(bytes);
    void *message = malloc(message_struct_size(m));
    bool decoded;

    arena_init(&a, ARENA_LIMIT_BYTES);
    writer_init(text, 256, OUTPUT_LIMIT_BYTES);
    writer_init(out, 256, OUTPUT_LIMIT_BYTES);
    ASSERT(message != NULL);
    decoded = message_decode(m, version, &r, &a, message) == ERR_OK;
    if (decoded) {
        ASSERT(r.pos <= bytes.len && !r.bad);
        ASSERT(message_print(m, version, message, text) == ERR_OK);
        ASSERT(message_encode(m, version, message, out, NULL) == ERR_OK);
    }
    arena_release(&a);
    free(message);
    return decoded;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct writer text_once, text_twice, once, twice;

    if (size < HEAD_BYTES)
        return 0;
    const struct message_desc *m = message_choose(load_be32(data));
    int16_t version = (int16_t)(m->min_version + data[4] % (m->max_version - m->min_version + 1));
    struct slice body = slice_of(data + HEAD_BYTES, size - HEAD_BYTES);
    bool decoded = pass_through(m, version, body, &text_once, &once);
    const char *name = message_name(m);
    uint32_t feature = crc32c_add(crc32c(name, strlen(name)), (const uint8_t *)&version, sizeof version);
    fuzz_features[(feature + decoded) % FEATURES] = 1;
    if (decoded) {
        ASSERT(pass_through(m, version, writer_slice(&once), &text_twice, &twice));
        ASSERT(slice_equal(writer_slice(&once), writer_slice(&twice)));
        ASSERT(slice_equal(writer_slice(&text_once), writer_slice(&text_twice)));
        writer_release(&text_twice);
        writer_release(&twice);
    }
    writer_release(&text_once);
    writer_release(&once);
    return 0;
}
