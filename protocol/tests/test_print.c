// SPDX-License-Identifier: Apache-2.0
//
// Printed messages are JSON whatever the bytes in them; the values are checked by test_vectors.c.
#include "protocol/protocol.h"

#include "base/tests/cmocka_all.h"
#include <math.h>
#include <stdio.h>

static void check_print(const struct message_desc *m, int16_t version, const void *in, const char *expected)
{
    struct writer w;

    writer_init(&w, 16, 1 << 16);
    assert_int_equal(message_print(m, version, in, &w), ERR_OK);
    writer_u8(&w, 0);
    assert_string_equal((const char *)w.data, expected);
    writer_release(&w);
}

static void test_strings(void **state)
{
    (void)state;
    struct sasl_handshake_request r;

    r.mechanism = slice_str("a\"b\\c/\n\x7f");
    check_print(&sasl_handshake_request_desc, 0, &r, "{\"Mechanism\":\"a\\\"b\\\\c/\\u000a\x7f\"}");
    r.mechanism = slice_of("a\0b", 3);
    check_print(&sasl_handshake_request_desc, 0, &r, "{\"Mechanism\":\"a\\u0000b\"}");
    r.mechanism = slice_str("\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80");
    check_print(&sasl_handshake_request_desc, 0, &r, "{\"Mechanism\":\"\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80\"}");
}

// A lone continuation, an overlong form, a surrogate, beyond Unicode, and a sequence cut by the end.
static void test_bytes_that_are_not_utf8(void **state)
{
    (void)state;
    struct sasl_handshake_request r;

    r.mechanism = slice_str("\x80x\xc0\xafy");
    check_print(&sasl_handshake_request_desc, 0, &r, "{\"Mechanism\":\"\\ufffdx\\ufffd\\ufffdy\"}");
    r.mechanism = slice_str("\xed\xa0\x80z\xf4\x90\x80\x80");
    check_print(&sasl_handshake_request_desc, 0, &r,
                "{\"Mechanism\":\"\\ufffd\\ufffd\\ufffdz\\ufffd\\ufffd\\ufffd\\ufffd\"}");
    r.mechanism = slice_str("\xe4\xb8");
    check_print(&sasl_handshake_request_desc, 0, &r, "{\"Mechanism\":\"\\ufffd\\ufffd\"}");
}

static void test_records(void **state)
{
    (void)state;
    struct produce_request_partition_produce_data partition;
    struct produce_request_topic_produce_data topic;
    struct produce_request r;
    int file;

    produce_request_init(&r);
    produce_request_topic_produce_data_init(&topic);
    produce_request_partition_produce_data_init(&partition);
    r.topic_data = &topic;
    r.topic_data_count = 1;
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    partition.records = (struct records){.data = (const uint8_t *)"\x01\xfe", .len = 2};
    check_print(&produce_request_desc, 0, &r,
                "{\"Acks\":0,\"TimeoutMs\":0,\"TopicData\":[{\"Name\":\"\",\"PartitionData\":"
                "[{\"Index\":0,\"Records\":{\"$b\":\"01fe\"}}]}]}");
    partition.records = (struct records){.file = &file, .len = 4711};
    check_print(&produce_request_desc, 0, &r,
                "{\"Acks\":0,\"TimeoutMs\":0,\"TopicData\":[{\"Name\":\"\",\"PartitionData\":"
                "[{\"Index\":0,\"Records\":{\"$external\":4711}}]}]}");
    partition.records = (struct records){0};
    topic.partition_data_count = 0;
    r.topic_data_count = -1;
    check_print(&produce_request_desc, 3, &r,
                "{\"TransactionalId\":null,\"Acks\":0,\"TimeoutMs\":0,\"TopicData\":null}");
}

static void test_doubles(void **state)
{
    (void)state;
    struct alter_client_quotas_request_op_data op;
    struct alter_client_quotas_request_entry_data entry;
    struct alter_client_quotas_request r;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{1.5, "1.5"}, {-0.0, "-0"}, {1e300, "1.0000000000000001e+300"}, {INFINITY, "\"inf\""}};

    alter_client_quotas_request_init(&r);
    alter_client_quotas_request_entry_data_init(&entry);
    alter_client_quotas_request_op_data_init(&op);
    r.entries = &entry;
    r.entries_count = 1;
    entry.ops = &op;
    entry.ops_count = 1;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[256];
        op.value = cases[i].value;
        snprintf(expected, sizeof expected,
                 "{\"Entries\":[{\"Entity\":[],\"Ops\":[{\"Key\":\"\",\"Value\":%s,\"Remove\":false}]}],"
                 "\"ValidateOnly\":false}",
                 cases[i].text);
        check_print(&alter_client_quotas_request_desc, 0, &r, expected);
    }
}

static void test_no_fields(void **state)
{
    (void)state;
    struct list_groups_request r;
    struct list_client_metrics_resources_request none;

    list_groups_request_init(&r);
    check_print(&list_groups_request_desc, 0, &r, "{}");
    list_client_metrics_resources_request_init(&none);
    check_print(&list_client_metrics_resources_request_desc, 0, &none, "{}");
}

static void test_failures(void **state)
{
    (void)state;
    struct sasl_handshake_request r = {{(const uint8_t *)"abc", 3}};
    struct writer w;
    uint8_t room[8];

    writer_init_fixed(&w, room, sizeof room);
    assert_int_equal(message_print(&sasl_handshake_request_desc, 2, &r, &w), ERR_UNSUPPORTED);
    assert_int_equal(message_print(&sasl_handshake_request_desc, 1, &r, &w), ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),   cmocka_unit_test(test_bytes_that_are_not_utf8),
        cmocka_unit_test(test_records),   cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_no_fields), cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
