// SPDX-License-Identifier: Apache-2.0
//
// Broker registrations of all versions, read and written.
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "zk/tests/payload.h"
#include "zk/zk.h"

struct version_case {
    const char *text;
    int32_t version;
    int32_t endpoints_count;
    struct znode_endpoint last;
    const char *rack;
};

// As Kafka wrote them since 0.8; each is read and written back to the same value.
static const struct version_case version_cases[] = {
    {"{\"jmx_port\":9999,\"timestamp\":\"1233345666\",\"host\":\"localhost\",\"version\":1,\"port\":9092}",
     1,
     1,
     {"PLAINTEXT", "localhost", 9092, "PLAINTEXT"},
     NULL},
    {"{\"version\":2,\"host\":\"h\",\"port\":9092,\"jmx_port\":-1,\"timestamp\":\"2233345666\","
     "\"endpoints\":[\"SSL://h:9093\",\"PLAINTEXT://h:9092\"]}",
     2,
     2,
     {"PLAINTEXT", "h", 9092, "PLAINTEXT"},
     NULL},
    {"{\"version\":3,\"host\":null,\"port\":-1,\"jmx_port\":-1,\"timestamp\":\"1\",\"endpoints\":[\"SSL://h:9093\"],"
     "\"rack\":\"dc1\"}",
     3,
     1,
     {"SSL", "h", 9093, "SSL"},
     "dc1"},
    {"{\"version\":4,\"host\":\"h\",\"port\":9092,\"jmx_port\":-1,\"timestamp\":\"1\",\"endpoints\":"
     "[\"CLIENT://h:9092\",\"REPLICATION://[::1]:9093\"],\"listener_security_protocol_map\":"
     "{\"CLIENT\":\"PLAINTEXT\",\"REPLICATION\":\"SASL_SSL\"},\"rack\":\"r\"}",
     4,
     2,
     {"REPLICATION", "::1", 9093, "SASL_SSL"},
     "r"},
    {"{\"version\":5,\"host\":\"\",\"port\":0,\"jmx_port\":-1,\"timestamp\":\"1795365310730\",\"endpoints\":"
     "[\"PLAINTEXT://:0\"],\"listener_security_protocol_map\":{\"PLAINTEXT\":\"PLAINTEXT\"},\"features\":"
     "{\"f\":{\"min_version\":1,\"max_version\":3}}}",
     5,
     1,
     {"PLAINTEXT", "", 0, "PLAINTEXT"},
     NULL},
};

static void test_versions(void **state)
{
    for (size_t i = 0; i < sizeof version_cases / sizeof version_cases[0]; i++) {
        const struct version_case *c = &version_cases[i];
        struct znode_broker b;
        struct slice out;
        assert_int_equal(znode_broker_decode(slice_str(c->text), *state, &b), ERR_OK);
        assert_int_equal(b.version, c->version);
        assert_int_equal(b.endpoints_count, c->endpoints_count);
        const struct znode_endpoint *last = &b.endpoints[b.endpoints_count - 1];
        assert_string_equal(last->listener, c->last.listener);
        assert_string_equal(last->host, c->last.host);
        assert_int_equal(last->port, c->last.port);
        assert_string_equal(last->protocol, c->last.protocol);
        if (c->rack == NULL)
            assert_null(b.rack);
        else
            assert_string_equal(b.rack, c->rack);
        assert_int_equal(znode_broker_encode(&b, *state, &out), ERR_OK);
        assert_payload(out, c->text);
    }
}

static void test_order_of_keys(void **state)
{
    struct znode_endpoint ep = {"PLAINTEXT", "127.0.0.1", 29092, "PLAINTEXT"};
    struct znode_broker b = {.version = ZNODE_BROKER_VERSION,
                             .endpoints = &ep,
                             .endpoints_count = 1,
                             .jmx_port = -1,
                             .timestamp_ms = 1795365310730};
    struct slice out;
    assert_int_equal(znode_broker_encode(&b, *state, &out), ERR_OK);
    // Byte for byte what Apache Kafka 3.9.1 wrote.
    assert_true(
        slice_equal(out, slice_str("{\"features\":{},\"listener_security_protocol_map\":{\"PLAINTEXT\":\"PLAINTEXT\"},"
                                   "\"endpoints\":[\"PLAINTEXT://127.0.0.1:29092\"],\"jmx_port\":-1,\"port\":29092,"
                                   "\"host\":\"127.0.0.1\",\"version\":5,\"timestamp\":\"1795365310730\"}")));
}

static void test_lenient(void **state)
{
    struct znode_broker b;
    // Lower case listeners, no map, a null rack, an unknown key, no timestamp.
    const char *text = "{\"version\":5,\"jmx_port\":1,\"endpoints\":[\"ssl://h:1\"],\"rack\":null,\"new\":[1]}";
    assert_int_equal(znode_broker_decode(slice_str(text), *state, &b), ERR_OK);
    assert_string_equal(b.endpoints[0].listener, "SSL");
    assert_string_equal(b.endpoints[0].protocol, "SSL");
    assert_null(b.rack);
    assert_int_equal(b.features_count, 0);
    assert_true(b.timestamp_ms == -1);
}

static void test_corrupt(void **state)
{
    static const char *const bad[] = {
        "{\"version\":0,\"jmx_port\":-1,\"host\":\"h\",\"port\":1}",
        "{\"version\":6,\"jmx_port\":-1,\"endpoints\":[]}",
        "{\"version\":1,\"jmx_port\":-1,\"host\":\"h\"}",
        "{\"version\":1,\"jmx_port\":-1,\"port\":1}",
        "{\"version\":1,\"jmx_port\":-1,\"host\":\"h\",\"port\":70000}",
        "{\"version\":1,\"host\":\"h\",\"port\":1}",
        "{\"version\":5,\"jmx_port\":-1}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[1]}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[\"h:1\"]}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[\"://h:1\"]}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[\"A://h\"]}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[\"A://h:\"]}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[\"A://h:65536\"]}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[\"A://h:1\"],\"listener_security_protocol_map\":{}}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[\"A://h:1\"],\"listener_security_protocol_map\":{\"A\":1}}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[\"A://h:1\"],\"listener_security_protocol_map\":[]}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[],\"rack\":1}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[],\"timestamp\":\"x\"}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[],\"features\":{\"f\":1}}",
        "{\"version\":5,\"jmx_port\":-1,\"endpoints\":[],\"features\":{\"f\":{\"min_version\":1}}}",
    };
    struct znode_broker b;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (znode_broker_decode(slice_str(bad[i]), *state, &b) != ERR_CORRUPT)
            fail_msg("%s was read", bad[i]);
    }
}

static void test_bad_text(void **state)
{
    struct znode_endpoint ep = {"PLAINTEXT", "h", 1, "PLAINTEXT"};
    struct znode_broker b = {.version = 5, .endpoints = &ep, .endpoints_count = 1, .rack = "\xff"};
    struct slice out;
    assert_int_equal(znode_broker_encode(&b, *state, &out), ERR_INVALID);
    b.rack = NULL;
    ep.host = "\xff";
    assert_int_equal(znode_broker_encode(&b, *state, &out), ERR_INVALID);
}

// Every step of decoding notices that the arena is full, whichever it is.
static void test_small_arenas(void **state)
{
    (void)state;
    enum err err = ERR_NO_MEMORY;
    for (size_t limit = 0; err == ERR_NO_MEMORY && limit < 4096; limit += 8) {
        struct arena small;
        struct znode_broker b;
        arena_init(&small, limit);
        err = znode_broker_decode(slice_str(version_cases[4].text), &small, &b);
        assert_true(err == ERR_OK || err == ERR_NO_MEMORY);
        arena_release(&small);
    }
    assert_int_equal(err, ERR_OK);
}

int main(void)
{
#define PAYLOAD_TEST(name) cmocka_unit_test_setup_teardown(name, payload_setup, payload_teardown)
    const struct CMUnitTest tests[] = {
        PAYLOAD_TEST(test_versions), PAYLOAD_TEST(test_order_of_keys), PAYLOAD_TEST(test_lenient),
        PAYLOAD_TEST(test_corrupt),  PAYLOAD_TEST(test_bad_text),      PAYLOAD_TEST(test_small_arenas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
