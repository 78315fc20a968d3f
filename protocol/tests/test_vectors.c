// SPDX-License-Identifier: Apache-2.0
//
// Every message vector decodes to the values that stand beside it, and these encode to the same bytes.
#include "protocol/tests/samples.h"

#include "base/tests/cmocka_all.h"
#include <jansson.h>
#include <stdlib.h>

static void check_json(const struct sample *s, const void *message)
{
    struct writer text;

    writer_init(&text, 256, 4 << 20);
    assert_int_equal(message_print(s->message, s->version, message, &text), ERR_OK);
    json_t *printed = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    json_t *expected = json_loads(s->json, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(printed);
    assert_non_null(expected);
    if (!json_equal(printed, expected))
        fail_msg("%s v%d\n  %.*s\n  %s", message_name(s->message), s->version, (int)text.len, text.data, s->json);
    json_decref(printed);
    json_decref(expected);
    writer_release(&text);
}

static void check_vector(const struct sample *s, void *ctx)
{
    (void)ctx;
    struct arena a;
    struct writer w;
    struct reader r = reader_of(s->bytes);
    void *message = malloc(message_struct_size(s->message));

    arena_init(&a, 1 << 20);
    writer_init(&w, 16, 1 << 20);
    if (message_decode(s->message, s->version, &r, &a, message) != ERR_OK)
        fail_msg("%s v%d does not decode", message_name(s->message), s->version);
    assert_int_equal(reader_left(&r), 0);
    check_json(s, message);
    assert_int_equal(message_encode(s->message, s->version, message, &w, NULL), ERR_OK);
    if (!slice_equal(writer_slice(&w), s->bytes))
        fail_msg("%s v%d encodes to other bytes", message_name(s->message), s->version);
    writer_release(&w);
    arena_release(&a);
    free(message);
}

static void test_vectors(void **state)
{
    (void)state;
    assert_int_equal(sample_each(check_vector, NULL), 895);
}

static void mark_seen(const struct sample *s, void *ctx)
{
    bool *seen = ctx;

    for (size_t i = 0; i < protocol_message_count; i++)
        seen[i] |= protocol_messages[i] == s->message;
}

// A message without a vector is one nobody would notice to be wrong. These three have theirs in the disk formats.
static void test_every_message_has_a_vector(void **state)
{
    (void)state;
    bool *seen = calloc(protocol_message_count, sizeof *seen);
    size_t without = 0;

    sample_each(mark_seen, seen);
    for (size_t i = 0; i < protocol_message_count; i++) {
        const char *name = message_name(protocol_messages[i]);
        if (seen[i])
            continue;
        without++;
        if (strcmp(name, "ControlRecordKey") != 0 && strcmp(name, "EndTxnMarkerValue") != 0 &&
            strcmp(name, "ProducerSnapshot") != 0)
            fail_msg("%s has no vector", name);
    }
    assert_int_equal(without, 3);
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_message_has_a_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
