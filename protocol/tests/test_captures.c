// SPDX-License-Identifier: Apache-2.0
//
// Every frame that real clients and Apache Kafka 3.9.1 exchanged decodes, header and body, and encodes to the same
// bytes. Two kinds of requests are other than the schemas say, and they are counted: ApiVersions in a version that
// Kafka 3.9 does not know yet, and requests with bytes left over after their body.
#include "protocol/tests/samples.h"

#include "base/tests/cmocka_all.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const client_files[] = {
    "aiokafka-0.14.0",
    "confluent-kafka-2.16.1",
    "franz-go-1.22.2-kadm-1.19.0",
    "kafka-clients-3.9.1",
    "kafka-clients-4.4.0",
    "kafka-python-3.0.12",
    "kafkajs-2.2.4",
    "kcat-1.7.1-librdkafka-2.0.2",
    "sarama-1.61.1",
    "segmentio-kafka-go-0.4.51",
};

struct tally {
    size_t requests;
    size_t responses;
    size_t too_new;
    size_t left_over;
    char left_over_text[1024]; // "Metadata v12 3, ..."
};

static const struct protocol_api *api_by_name(const char *name)
{
    for (int16_t key = 0; (size_t)key < protocol_api_count; key++) {
        const struct protocol_api *api = protocol_api_find(key);
        if (api != NULL && strcmp(api->name, name) == 0)
            return api;
    }
    return NULL;
}

// Decodes one message of the frame and encodes it to w.
static void pass_through(const struct message_desc *m, int16_t version, struct reader *r, struct writer *w)
{
    struct arena a;
    void *message = malloc(message_struct_size(m));

    arena_init(&a, 4 << 20);
    if (message_decode(m, version, r, &a, message) != ERR_OK)
        fail_msg("%s v%d does not decode", message_name(m), version);
    if (message_encode(m, version, message, w, NULL) != ERR_OK)
        fail_msg("%s v%d does not encode", message_name(m), version);
    arena_release(&a);
    free(message);
}

static void check_request(const struct protocol_api *api, int16_t version, struct slice frame, struct tally *t)
{
    struct reader r = reader_of(frame);
    struct writer w;
    char text[64];

    t->requests++;
    assert_int_equal(load_be16(frame.data), api->key);
    assert_int_equal(load_be16(frame.data + 2), version);
    writer_init(&w, 256, 4 << 20);
    pass_through(&request_header_desc, protocol_request_header_version(api->key, version), &r, &w);
    if (version > api->max_version) {
        assert_string_equal(api->name, "ApiVersions");
        t->too_new++;
    } else {
        pass_through(api->request, version, &r, &w);
        if (reader_left(&r) > 0) {
            t->left_over++;
            snprintf(text, sizeof text, "%s v%d %zu, ", api->name, version, reader_left(&r));
            strncat(t->left_over_text, text, sizeof t->left_over_text - strlen(t->left_over_text) - 1);
        }
    }
    if (!slice_equal(writer_slice(&w), slice_of(frame.data, r.pos)))
        fail_msg("request %s v%d encodes to other bytes", api->name, version);
    writer_release(&w);
}

static void check_response(const struct protocol_api *api, int16_t version, struct slice frame, struct tally *t)
{
    struct reader r = reader_of(frame);
    struct writer w;

    t->responses++;
    writer_init(&w, 256, 4 << 20);
    pass_through(&response_header_desc, protocol_response_header_version(api->key, version), &r, &w);
    if (version < 0 || version > api->max_version) {
        assert_string_equal(api->name, "ApiVersions"); // the one API that answers then, in version 0
        version = 0;
    }
    pass_through(api->response, version, &r, &w);
    if (!slice_equal(writer_slice(&w), frame))
        fail_msg("response %s v%d encodes to other bytes", api->name, version);
    writer_release(&w);
}

// "req|resp <api> <version> <hex>"
static void check_line(char *line, void *ctx)
{
    struct tally *t = ctx;
    char *rest = line;
    const char *direction = strsep(&rest, " ");
    const struct protocol_api *api = api_by_name(strsep(&rest, " "));
    int16_t version = (int16_t)atoi(strsep(&rest, " "));
    size_t len;
    uint8_t *frame = sample_unhex(rest, &len);

    assert_non_null(api);
    if (strcmp(direction, "req") == 0)
        check_request(api, version, slice_of(frame, len), t);
    else
        check_response(api, version, slice_of(frame, len), t);
    free(frame);
}

static void test_client_conversations(void **state)
{
    (void)state;
    struct tally t = {0};
    char name[256];

    for (size_t i = 0; i < sizeof client_files / sizeof client_files[0]; i++) {
        snprintf(name, sizeof name, "captures/%s.txt.gz", client_files[i]);
        sample_each_line(name, check_line, &t);
    }
    assert_int_equal(t.requests, 2112);
    assert_int_equal(t.responses, 2069);
    assert_int_equal(t.too_new, 58);
    assert_int_equal(t.left_over, 4);
    assert_string_equal(t.left_over_text, "Metadata v12 3, AlterUserScramCredentials v0 1, "
                                          "AlterUserScramCredentials v0 1, DescribeAcls v3 1, ");
}

// Kafka's answers to hand-made requests, many of them errors.
static void test_probe_answers(void **state)
{
    (void)state;
    struct tally t = {0};

    sample_each_line("captures/probes.txt.gz", check_line, &t);
    assert_int_equal(t.responses, 1306);
    assert_int_equal(t.requests, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_conversations),
        cmocka_unit_test(test_probe_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
