// SPDX-License-Identifier: Apache-2.0
//
// The decoder's fuzz target. With clang and -DOTTLA_FUZZ=ON it is linked with libFuzzer; test_fuzz.c runs it on
// mutated message vectors in every build.
#include "protocol/tests/samples.h"

#include "base/assert.h"
#include <stdlib.h>

enum {
    ARENA_LIMIT_BYTES = 16 << 20,
    OUTPUT_LIMIT_BYTES = 64 << 20,
};

// Decodes the bytes and encodes what came out. False when they do not decode.
static bool pass_through(const struct message_desc *m, int16_t version, struct slice bytes, struct writer *out)
{
    struct arena a;
    struct reader r = reader_of(bytes);
    struct writer text;
    void *message = malloc(message_struct_size(m));
    bool decoded;

    arena_init(&a, ARENA_LIMIT_BYTES);
    writer_init(&text, 256, OUTPUT_LIMIT_BYTES);
    ASSERT(message != NULL);
    decoded = message_decode(m, version, &r, &a, message) == ERR_OK;
    if (decoded) {
        ASSERT(r.pos <= bytes.len);
        ASSERT(message_print(m, version, message, &text) == ERR_OK);
        ASSERT(message_encode(m, version, message, out, NULL) == ERR_OK);
    }
    writer_release(&text);
    arena_release(&a);
    free(message);
    return decoded;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct writer once, twice;

    if (size < 3)
        return 0;
    const struct message_desc *m = protocol_messages[load_be16(data) % protocol_message_count];
    int16_t version = (int16_t)(m->min_version + data[2] % (m->max_version - m->min_version + 1));
    writer_init(&once, 256, OUTPUT_LIMIT_BYTES);
    writer_init(&twice, 256, OUTPUT_LIMIT_BYTES);
    if (pass_through(m, version, slice_of(data + 3, size - 3), &once) && once.len > 0) {
        ASSERT(pass_through(m, version, writer_slice(&once), &twice));
        ASSERT(slice_equal(writer_slice(&once), writer_slice(&twice)));
    }
    writer_release(&once);
    writer_release(&twice);
    return 0;
}
