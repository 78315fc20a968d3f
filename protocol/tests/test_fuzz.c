// SPDX-License-Identifier: Apache-2.0
//
// The fuzz target on message vectors, whole, cut and with changed bytes, always the same ones.
#include "protocol/tests/samples.h"

#include "base/tests/cmocka_all.h"
#include <stdlib.h>

enum {
    MUTATIONS_PER_VECTOR = 60,
};

static size_t message_index(const struct message_desc *m)
{
    size_t i = 0;

    while (protocol_messages[i] != m)
        i++;
    return i;
}

// Puts the choice of message and version in front of the body. free() it.
static uint8_t *fuzz_input(const struct sample *s, size_t *len)
{
    uint8_t *input;

    *len = s->bytes.len + 3;
    input = malloc(*len);
    store_be16(input, (uint16_t)message_index(s->message));
    input[2] = (uint8_t)(s->version - s->message->min_version);
    memcpy(input + 3, s->bytes.data, s->bytes.len);
    return input;
}

static void mutate(struct chance *c, uint8_t *body, size_t len)
{
    static const uint8_t favourites[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe};

    for (size_t changes = 1 + chance_below(c, 4); changes > 0 && len > 0; changes--) {
        size_t at = chance_below(c, len);
        if (chance_below(c, 3) == 0)
            body[at] ^= (uint8_t)(1u << chance_below(c, 8));
        else if (chance_below(c, 2) == 0)
            body[at] = favourites[chance_below(c, sizeof favourites)];
        else
            body[at] = (uint8_t)chance_next(c);
    }
}

static void fuzz_vector(const struct sample *s, void *ctx)
{
    struct chance *c = ctx;

    for (int i = 0; i < MUTATIONS_PER_VECTOR; i++) {
        size_t len;
        uint8_t *input = fuzz_input(s, &len);
        mutate(c, input + 3, i > 0 ? len - 3 : 0);
        LLVMFuzzerTestOneInput(input, i % 8 == 7 ? chance_below(c, len) : len);
        free(input);
    }
}

static void test_mutated_vectors(void **state)
{
    (void)state;
    struct chance c = {20240607};

    assert_int_equal(sample_each(fuzz_vector, &c), 895);
}

// Bytes of no sense at all to every message.
static void test_noise(void **state)
{
    (void)state;
    struct chance c = {77};
    uint8_t input[3 + 64];

    for (int i = 0; i < 20000; i++) {
        size_t len = 3 + chance_below(&c, sizeof input - 3);
        for (size_t j = 0; j < len; j++)
            input[j] = chance_below(&c, 2) == 0 ? (uint8_t)chance_below(&c, 4) : (uint8_t)chance_next(&c);
        LLVMFuzzerTestOneInput(input, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutated_vectors),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
