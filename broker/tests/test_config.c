// SPDX-License-Identifier: Apache-2.0
//
// Loading the whole configuration: which value wins, which values stop the start and what is said about them, the
// fall-backs of Kafka, and that config/server.properties explains exactly the keys the broker acts on.
#include "broker/config.h"

#include "base/java_text.h"
#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "broker/config_keys.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *dir; // of the group

static int dir_setup(void **state)
{
    (void)state;
    dir = test_dir_new();
    return 0;
}

static int dir_teardown(void **state)
{
    (void)state;
    test_dir_remove(dir);
    return 0;
}

// Loads a file of this content (NULL = no file) with at most one override (NULL = none).
static enum err load(struct broker_config *c, const char *text, const char *override)
{
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, dir, "server.properties");
    if (text) {
        assert_int_equal(os_replace_file(os_real(), path, text, strlen(text)), ERR_OK);
    }
    const struct config_sources from = {
        .path = text ? path : NULL, .overrides = &override, .n_overrides = override ? 1 : 0};
    return broker_config_load(os_real(), &from, c);
}

static void test_laptop_defaults(void **state)
{
    (void)state;
    struct broker_config c;
    assert_int_equal(load(&c, NULL, NULL), ERR_OK);
    assert_int_equal(c.warnings_count, 0);
    assert_null(c.error);
    assert_int_equal(c.broker_id, -1);
    assert_string_equal(c.log_dirs[0], "./ottla-data");
    assert_int_equal(c.listeners_count, 1);
    assert_string_equal(c.listeners[0].host, "127.0.0.1");
    assert_int_equal(c.listeners[0].port, 9092);
    assert_int_equal(c.advertised_count, 1);
    assert_string_equal(c.advertised[0].name, "PLAINTEXT");
    assert_string_equal(c.advertised[0].host, "127.0.0.1");
    assert_int_equal(c.num_network_threads, 3);
    assert_int_equal(c.num_io_threads, 8);
    assert_int_equal(c.socket_receive_buffer_bytes, -1);
    assert_int_equal(c.socket_send_buffer_bytes, -1);
    assert_int_equal(c.socket_request_max_bytes, 104857600);
    assert_int_equal(c.segment_ms, 604800000);
    assert_int_equal(c.segment_jitter_ms, 0);
    assert_int_equal(c.retention_ms, 604800000);
    assert_int_equal(c.retention_bytes, -1);
    assert_true(c.flush_ms == INT64_MAX && c.flush_messages == INT64_MAX);
    assert_true(c.cleanup_delete && !c.cleanup_compact);
    assert_true(c.auto_create_topics && c.delete_topics);
    assert_false(c.timestamp_append_time || c.preallocate);
    assert_true(c.min_cleanable_dirty_ratio == 0.5);
    assert_string_equal(c.compression_type, "producer");
    assert_null(c.rack);
    broker_config_release(&c);
}

static void test_kafkas_defaults_with_a_file(void **state)
{
    (void)state;
    struct broker_config c;
    assert_int_equal(load(&c, "broker.id=7\n", NULL), ERR_OK);
    assert_int_equal(c.broker_id, 7);
    assert_string_equal(c.log_dirs[0], "/tmp/kafka-logs");
    assert_string_equal(c.listeners[0].host, "");
    assert_int_equal(c.listeners[0].port, 9092);
    assert_string_not_equal(c.advertised[0].host, ""); // the machine's own name
    assert_true(broker_config_is_given(&c, "broker.id"));
    assert_false(broker_config_is_given(&c, "listeners"));
    assert_string_equal(broker_config_value(&c, "listeners"), "PLAINTEXT://:9092");
    assert_null(broker_config_value(&c, "advertised.listeners"));
    assert_null(broker_config_value(&c, "no.such.key"));
    broker_config_release(&c);
}

static void test_overrides_and_duplicates(void **state)
{
    (void)state;
    struct broker_config c;
    assert_int_equal(load(&c, "num.partitions=2\nnum.partitions = 3 \n", NULL), ERR_OK);
    assert_int_equal(c.num_partitions, 3);
    broker_config_release(&c);
    assert_int_equal(load(&c, "num.partitions=2\n", "num.partitions=4"), ERR_OK);
    assert_int_equal(c.num_partitions, 4);
    broker_config_release(&c);
    // A laptop's own default must not win over either name of the key.
    assert_int_equal(load(&c, NULL, "log.dir=/data/a=b"), ERR_OK);
    assert_string_equal(c.log_dirs[0], "/data/a=b");
    broker_config_release(&c);
    assert_int_equal(load(&c, NULL, "log.dirs=/data/x"), ERR_OK);
    assert_string_equal(c.log_dirs[0], "/data/x");
    assert_int_equal(c.log_dirs_count, 1);
    broker_config_release(&c);
    assert_int_equal(load(&c, NULL, "log.dirs=/data/x , /data/y,,z"), ERR_OK);
    assert_int_equal(c.log_dirs_count, 3);
    assert_string_equal(c.log_dirs[1], "/data/y");
    assert_string_equal(c.log_dirs[2], "z");
    broker_config_release(&c);
}

// Variables win over the file, overrides over both; what is wrong is said of the variable.
static void test_environment(void **state)
{
    (void)state;
    struct broker_config c;
    char path[TEST_PATH_MAX_BYTES];
    static const char *const variables[] = {"PATH=/bin",
                                            "KAFKA_NUM_PARTITIONS=5",
                                            "KAFKA_LOG_DIRS=/a\\\\b",
                                            "KAFKA_DEFAULT_REPLICATION_FACTOR=2",
                                            "KAFKA_HEAP_OPTS=-Xmx1g",
                                            NULL};
    static const char *const overrides[] = {"default.replication.factor=3"};
    struct config_sources from = {.path = path, .environment = variables, .overrides = overrides, .n_overrides = 1};
    test_path(path, dir, "server.properties");
    assert_int_equal(os_replace_file(os_real(), path, "num.partitions=4\n", 17), ERR_OK);
    assert_int_equal(broker_config_load(os_real(), &from, &c), ERR_OK);
    assert_int_equal(c.num_partitions, 5);
    assert_string_equal(c.log_dirs[0], "/a\\b"); // a backslash escapes, as in a file
    assert_int_equal(c.default_replication_factor, 3);
    assert_int_equal(c.warnings_count, 0);
    broker_config_release(&c);
    static const char *const wrong[][2] = {{"KAFKA_LOG_DIRS=\\u12", NULL}, {"KAFKA_NUM_PARTITIONS=x", NULL}};
    static const char *const said[] = {"the variable KAFKA_LOG_DIRS: ", "num.partitions=x: allowed is "};
    for (size_t i = 0; i < 2; i++) {
        from.environment = wrong[i];
        assert_int_equal(broker_config_load(os_real(), &from, &c), ERR_INVALID);
        assert_non_null(strstr(c.error, said[i]));
        broker_config_release(&c);
    }
}

// Without a ZooKeeper a broker is alone for good, whether it has a file or not.
static void test_replicas_of_internal_topics(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        int factor;
    } cases[] = {
        {NULL, 1},
        {"broker.id=1\n", 1},
        {"broker.id=1\nzookeeper.connect=\n", 1},
        {"broker.id=1\nzookeeper.connect=zoo:2181\n", 3},
        {"broker.id=1\noffsets.topic.replication.factor=2\ntransaction.state.log.replication.factor=2\n", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct broker_config c;
        assert_int_equal(load(&c, cases[i].file, NULL), ERR_OK);
        assert_int_equal(c.offsets_topic_replication_factor, cases[i].factor);
        assert_int_equal(c.transaction_log_replication_factor, cases[i].factor);
        assert_int_equal(c.transaction_log_min_isr, cases[i].factor == 3 ? 2 : 1);
        broker_config_release(&c);
    }
}

static void test_warnings(void **state)
{
    (void)state;
    struct broker_config c;
    assert_int_equal(load(&c,
                          "num.partitons=3\nbackground.threads=10\nlistener.name.x.ssl.client.auth=none\n"
                          "num.partitions=2\ngroup.coordinator.threads=5\n",
                          NULL),
                     ERR_OK);
    assert_int_equal(c.warnings_count, 3);
    assert_non_null(strstr(c.warnings[0], "num.partitons"));
    assert_non_null(strstr(c.warnings[1], "listener.name.x.ssl.client.auth"));
    // One for all the keys of Kafka that have no effect.
    assert_non_null(strstr(c.warnings[2], "background.threads"));
    assert_non_null(strstr(c.warnings[2], "group.coordinator.threads"));
    assert_null(strstr(c.warnings[2], "num.partitions"));
    broker_config_release(&c);
}

static void test_keys_of_single_listeners(void **state)
{
    (void)state;
    struct broker_config c;
    const char *text = "listener.name.x.max.connections=5\nlistener.name.x.max.connections= 6\n"
                       "listener.name.y.max.connection.creation.rate=7\nlistener.name.y.num.network.threads=8\n";
    assert_int_equal(load(&c, text, NULL), ERR_OK);
    assert_int_equal(c.listener_keys_count, 2);
    assert_string_equal(c.listener_keys[0].name, "listener.name.x.max.connections");
    assert_string_equal(c.listener_keys[0].value, "6"); // the last one counts
    assert_string_equal(c.listener_keys[1].name, "listener.name.y.max.connection.creation.rate");
    assert_string_equal(c.listener_keys[1].value, "7");
    assert_int_equal(c.warnings_count, 1); // others have no effect
    assert_non_null(strstr(c.warnings[0], "listener.name.y.num.network.threads"));
    broker_config_release(&c);
}

static void test_too_many_keys_of_single_listeners(void **state)
{
    (void)state;
    struct broker_config c;
    char text[8192] = "";
    for (int i = 0; i <= CONFIG_MAX_LISTENER_KEYS; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "listener.name.l%d.max.connections=1\n", i);
    }
    assert_int_equal(load(&c, text, NULL), ERR_INVALID);
    assert_non_null(strstr(c.error, "single listeners"));
    broker_config_release(&c);
}

static void test_many_unknown_keys(void **state)
{
    (void)state;
    struct broker_config c;
    char text[4096] = "";
    for (int i = 0; i < 100; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "my.key.%d=x\n", i);
    }
    assert_int_equal(load(&c, text, NULL), ERR_OK);
    assert_int_equal(c.warnings_count, 100);
    assert_non_null(strstr(c.warnings[0], "my.key.0 "));
    assert_non_null(strstr(c.warnings[99], "my.key.99 "));
    broker_config_release(&c);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *named[3]; // all of these are in the message
    } cases[] = {
        {"num.network.threads=many", {"num.network.threads", "many", "an integer from 1"}},
        {"num.network.threads=0", {"num.network.threads", "0", "an integer from 1"}},
        {"num.network.threads=", {"num.network.threads", "an integer from 1", ""}},
        {"auto.create.topics.enable=yes", {"auto.create.topics.enable", "yes", "true or false"}},
        {"compression.type=none", {"compression.type", "none", "zstd"}},
        {"log.cleanup.policy=compact,shred", {"log.cleanup.policy", "shred", "compact,delete"}},
        {"group.max.size=0", {"group.max.size", "0", "1"}}, // also where the key has no effect yet
        {"log.roll.ms=0", {"log.roll.ms", "0", "1 or more"}},
        {"log.roll.jitter.ms=-1", {"log.roll.jitter.ms", "-1", "0 or more"}},
        {"log.retention.hours=0", {"log.retention", "0", "-1"}},
        {"compression.gzip.level=0", {"compression.gzip.level", "0", "1 to 9"}},
        {"broker.id=1\nnode.id=2", {"broker.id=1", "node.id=2", "equal"}},
        {"broker.id=1001", {"broker.id", "1001", "reserved.broker.max.id"}},
        {"node.id=1001", {"node.id=1001", "reserved.broker.max.id", ""}},
        {"broker.id=-2", {"broker.id", "-2", "-1"}},
        {"broker.id.generation.enable=false", {"broker.id", "-1", "0 or more"}},
        {"log.dirs= , ", {"log.dirs", "empty", "one directory"}},
        {"zookeeper.connect=a:1\nzookeeper.set.acl=TRUE", {"zookeeper.set.acl", "SASL", "TLS"}},
        {"zookeeper.connect=a:1\nzookeeper.ssl.client.enable=true", {"zookeeper.ssl", "TLS", "not supported"}},
        {"max.connections.per.ip=0", {"max.connections.per.ip", "0", "1 or more"}},
        {"max.connections.per.ip.overrides=a:b", {"For input string", "b", ""}},
        {"listener.name.x.max.connections=-1", {"listener.name.x.max.connections", "-1", "0"}},
        {"replica.fetch.wait.max.ms=40000", {"replica.fetch.wait.max.ms", "40000", "replica.socket.timeout.ms"}},
        {"queued.max.request.bytes=5", {"queued.max.request.bytes", "5", "socket.request.max.bytes"}},
        {"connections.max.idle.ms=100", {"connections.max.idle.ms", "100", "more than"}},
        {"log.cleaner.dedupe.buffer.size=1048576", {"log.cleaner.dedupe.buffer.size", "1048576", "1 MiB"}},
        {"listeners=PLAINTEXT://0.0.0.0:9092", {"advertised.listeners", "0.0.0.0", "9092"}},
        {"listeners=SSL://:9093", {"listeners", "SSL", "not supported yet"}},
        {"listeners=", {"listeners", "empty", ""}},
        {"listeners=CLIENT://:9092\nlistener.security.protocol.map=CLIENT:PLAINTEXT",
         {"PLAINTEXT", "inter.broker.listener.name", ""}},
        {"inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT",
         {"inter.broker.listener.name", "security.inter.broker.protocol", "only one"}},
        {"# ok\na=\\u12", {"server.properties", "line 2", "hexadecimal"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct broker_config c;
        assert_int_equal(load(&c, cases[i].text, NULL), ERR_INVALID);
        assert_non_null(c.error);
        for (int n = 0; n < 3; n++) {
            if (!strstr(c.error, cases[i].named[n])) {
                fail_msg("\"%s\" is not in the message for %s: %s", cases[i].named[n], cases[i].text, c.error);
            }
        }
        broker_config_release(&c);
    }
}

static void test_overrides_refused(void **state)
{
    (void)state;
    struct broker_config c;
    assert_int_equal(load(&c, NULL, "num.partitions"), ERR_INVALID);
    assert_non_null(strstr(c.error, "--override num.partitions"));
    broker_config_release(&c);
    assert_int_equal(load(&c, NULL, "=3"), ERR_INVALID);
    broker_config_release(&c);
    assert_int_equal(load(&c, NULL, "num.partitions=none"), ERR_INVALID);
    assert_non_null(strstr(c.error, "num.partitions=none"));
    broker_config_release(&c);
}

static void test_file_that_cannot_be_read(void **state)
{
    (void)state;
    struct broker_config c;
    char path[TEST_PATH_MAX_BYTES];
    test_path(path, dir, "missing.properties");
    assert_int_equal(broker_config_load(os_real(), &(struct config_sources){.path = path}, &c), ERR_INVALID);
    assert_non_null(strstr(c.error, "missing.properties"));
    assert_non_null(strstr(c.error, "not found"));
    broker_config_release(&c);

    test_path(path, dir, "large.properties");
    char *large = calloc(1, CONFIG_FILE_MAX_BYTES + 1);
    memset(large, '\n', CONFIG_FILE_MAX_BYTES + 1);
    assert_int_equal(os_replace_file(os_real(), path, large, CONFIG_FILE_MAX_BYTES + 1), ERR_OK);
    free(large);
    assert_int_equal(broker_config_load(os_real(), &(struct config_sources){.path = path}, &c), ERR_INVALID);
    assert_non_null(strstr(c.error, "larger"));
    broker_config_release(&c);
}

static void test_fall_backs(void **state)
{
    (void)state;
    struct broker_config c;
    assert_int_equal(load(&c,
                          "log.retention.hours=1\nlog.roll.hours=2\nlog.roll.jitter.hours=1\n"
                          "log.flush.scheduler.interval.ms=5\n",
                          NULL),
                     ERR_OK);
    assert_int_equal(c.retention_ms, 3600000);
    assert_int_equal(c.segment_ms, 7200000);
    assert_int_equal(c.segment_jitter_ms, 3600000);
    assert_int_equal(c.flush_ms, 5);
    broker_config_release(&c);

    assert_int_equal(load(&c,
                          "log.retention.hours=1\nlog.retention.minutes=2\nlog.roll.hours=2\nlog.roll.ms=8\n"
                          "log.roll.jitter.hours=1\nlog.roll.jitter.ms=3\n"
                          "log.flush.scheduler.interval.ms=5\nlog.flush.interval.ms=6\n",
                          NULL),
                     ERR_OK);
    assert_int_equal(c.retention_ms, 120000);
    assert_int_equal(c.segment_ms, 8);
    assert_int_equal(c.segment_jitter_ms, 3);
    assert_int_equal(c.flush_ms, 6);
    broker_config_release(&c);

    assert_int_equal(load(&c, "log.retention.minutes=2\nlog.retention.ms=77\n", NULL), ERR_OK);
    assert_int_equal(c.retention_ms, 77);
    broker_config_release(&c);
    assert_int_equal(load(&c, "log.retention.hours=-5\n", NULL), ERR_OK);
    assert_int_equal(c.retention_ms, -1);
    broker_config_release(&c);
    assert_int_equal(load(&c, "zookeeper.connect=a:1/b\nzookeeper.session.timeout.ms=7\n", NULL), ERR_OK);
    assert_string_equal(c.zookeeper_connect, "a:1/b");
    assert_int_equal(c.zookeeper_connection_timeout_ms, 7);
    broker_config_release(&c);
    assert_int_equal(load(&c, "zookeeper.connect=\nzookeeper.connection.timeout.ms=8\n", NULL), ERR_OK);
    assert_null(c.zookeeper_connect);
    assert_int_equal(c.zookeeper_connection_timeout_ms, 8);
    assert_int_equal(c.zookeeper_session_timeout_ms, 18000);
    broker_config_release(&c);
    assert_int_equal(load(&c, "node.id=3\n", NULL), ERR_OK);
    assert_int_equal(c.broker_id, 3);
    broker_config_release(&c);
}

// Where ACLs would have to be enforced, the broker does not start.
static void test_authorizer(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *refusal; // NULL: it starts
    } cases[] = {
        {"authorizer.class.name=\n", NULL},
        {"allow.everyone.if.no.acl.found=false\n", NULL},
        {"authorizer.class.name=kafka.security.authorizer.AclAuthorizer\nallow.everyone.if.no.acl.found=true\n", NULL},
        {"authorizer.class.name=kafka.security.authorizer.AclAuthorizer\n", "allow.everyone.if.no.acl.found=true"},
        {"authorizer.class.name=kafka.security.authorizer.AclAuthorizer\nallow.everyone.if.no.acl.found=false\n",
         "allow.everyone.if.no.acl.found=true"},
        {"authorizer.class.name=kafka.security.authorizer.AclAuthorizer\nallow.everyone.if.no.acl.found=true\n"
         "zookeeper.connect=127.0.0.1:1\n",
         "zookeeper.connect"},
        {"authorizer.class.name=com.example.Mine\nallow.everyone.if.no.acl.found=true\n", "com.example.Mine"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct broker_config c;
        assert_int_equal(load(&c, cases[i].text, NULL), cases[i].refusal == NULL ? ERR_OK : ERR_INVALID);
        if (cases[i].refusal != NULL) {
            assert_non_null(strstr(c.error, cases[i].refusal));
        }
        broker_config_release(&c);
    }
}

static void test_several_listeners(void **state)
{
    (void)state;
    struct broker_config c;
    assert_int_equal(load(&c,
                          "listeners=INSIDE://127.0.0.1:9092,OUTSIDE://[::1]:0\n"
                          "advertised.listeners=outside://localhost:19092,inside://127.0.0.1:9092\n"
                          "listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT\n"
                          "inter.broker.listener.name=INSIDE\n",
                          NULL),
                     ERR_OK);
    assert_int_equal(c.listeners_count, 2);
    assert_string_equal(c.listeners[1].name, "OUTSIDE");
    assert_string_equal(c.listeners[1].host, "::1");
    assert_int_equal(c.listeners[1].port, 0);
    assert_int_equal(c.advertised_count, 2);
    assert_string_equal(c.advertised[0].name, "OUTSIDE");
    assert_int_equal(c.advertised[0].port, 19092);
    broker_config_release(&c);
}

static void test_advertised_name_that_does_not_resolve(void **state)
{
    (void)state;
    struct broker_config c;
    // RFC 6761: no name below .invalid ever resolves.
    assert_int_equal(load(&c, "advertised.listeners=PLAINTEXT://broker.invalid:9092\n", NULL), ERR_OK);
    assert_int_equal(c.warnings_count, 0);
    broker_config_check_advertised(&c);
    assert_int_equal(c.warnings_count, 1);
    assert_non_null(strstr(c.warnings[0], "broker.invalid"));
    assert_non_null(strstr(c.warnings[0], "advertised.listeners"));
    broker_config_release(&c);

    assert_int_equal(load(&c, NULL, NULL), ERR_OK);
    broker_config_check_advertised(&c);
    assert_int_equal(c.warnings_count, 0);
    broker_config_release(&c);

    assert_int_equal(load(&c, "listeners=PLAINTEXT://[::]:9092\n", NULL), ERR_OK);
    broker_config_check_advertised(&c);
    assert_int_equal(c.warnings_count, 1);
    broker_config_release(&c);
}

// A value other than the default that the key allows; NULL when there is no simple one.
static const char *other_value(const struct config_key *k, char buf[64])
{
    int64_t n;
    if (strcmp(k->name, "queued.max.request.bytes") == 0) {
        return "104857600"; // not less than socket.request.max.bytes
    }
    switch (k->type) {
    case CONFIG_BOOLEAN:
        return strcmp(k->default_value, "true") == 0 ? "false" : "true";
    case CONFIG_SHORT:
    case CONFIG_INT:
    case CONFIG_LONG:
        if (!k->default_value || !java_integer_parse(k->default_value, &n)) {
            return "12345678";
        }
        snprintf(buf, 64, "%lld", (long long)(n > 0 ? n - 1 : n + 2)); // compression.gzip.level takes -1 and 1, not 0
        return config_key_allows(k, buf) ? buf : "2";
    default:
        return NULL;
    }
}

// An acted-on key that fills no field would be a lie of the table.
static void test_every_acted_number_reaches_a_field(void **state)
{
    (void)state;
    const size_t fields = offsetof(struct broker_config, rack); // texts begin here
    static struct broker_config before, after;
    assert_int_equal(load(&before, NULL, "broker.id=5"), ERR_OK);
    int checked = 0;
    for (int32_t i = 0; i < config_key_count(); i++) {
        const struct config_key *k = config_key_at(i);
        char value[64], text[256];
        const char *other = k->use == CONFIG_ACTED ? other_value(k, value) : NULL;
        if (!other) {
            continue;
        }
        bool is_id = strcmp(k->name, "node.id") == 0 || strcmp(k->name, "broker.id") == 0;
        snprintf(text, sizeof text, "%s%s=%s", is_id ? "" : "broker.id=5\n", k->name, is_id ? "9" : other);
        assert_int_equal(load(&after, text, NULL), ERR_OK);
        assert_int_equal(after.warnings_count, 0);
        if (memcmp(&before, &after, fields) == 0) {
            fail_msg("%s is marked ACTED and fills no field", k->name);
        }
        broker_config_release(&after);
        checked++;
    }
    assert_true(checked > 30);
    broker_config_release(&before);
}

// ---- config/server.properties --------------------------------------------------------------------------------------

static void project_path(char path[PATH_MAX], const char *name)
{
    const char *root = getenv("OTTLA_SOURCE_DIR");
    snprintf(path, PATH_MAX, "%s/%s", root ? root : ".", name);
}

static void test_project_file_is_a_laptop(void **state)
{
    (void)state;
    static struct broker_config file, laptop;
    char path[PATH_MAX];
    project_path(path, "config/server.properties");
    assert_int_equal(broker_config_load(os_real(), &(struct config_sources){.path = path}, &file), ERR_OK);
    assert_int_equal(load(&laptop, NULL, NULL), ERR_OK);
    assert_int_equal(file.warnings_count, 0);
    assert_memory_equal(&file, &laptop, offsetof(struct broker_config, rack));
    assert_string_equal(file.log_dirs[0], laptop.log_dirs[0]);
    assert_string_equal(file.listeners[0].host, laptop.listeners[0].host);
    assert_int_equal(file.listeners[0].port, laptop.listeners[0].port);
    broker_config_release(&file);
    broker_config_release(&laptop);
}

// One "key=value" or "#key=value" line of the file, the text above it at hand.
static void explained_line_check(char *line, const char *above, bool *explained)
{
    bool active = line[0] != '#';
    char *equals = strchr(line, '=');
    *equals = '\0';
    const char *name = active ? line : line + 1;
    int32_t i = config_key_find(name);
    if (i < 0 || config_key_at(i)->use != CONFIG_ACTED) {
        fail_msg("config/server.properties explains %s, which the table does not mark ACTED", name);
    }
    const char *value = config_key_at(i)->default_value;
    assert_false(explained[i]);
    explained[i] = true;
    if (!value && !strcasestr(above, "not set by default") && !strcasestr(above, "not set\n# by default")) {
        fail_msg("config/server.properties does not say that %s is not set by default", name);
    }
    if (!active && value && strcmp(equals + 1, value) != 0) {
        fail_msg("config/server.properties shows %s=%s, Kafka's default is %s", name, equals + 1, value);
    }
    if (active) {
        assert_non_null(strstr(above, "Kafka's default: "));
    }
}

static void test_project_file_explains_what_is_acted_on(void **state)
{
    (void)state;
    char path[PATH_MAX];
    char *text;
    size_t len;
    static bool explained[1000];
    static char above[16 * 1024]; // the comment lines since the last blank line
    assert_true(config_key_count() < 1000);
    project_path(path, "config/server.properties");
    assert_int_equal(os_read_file(os_real(), path, CONFIG_FILE_MAX_BYTES, &text, &len), ERR_OK);
    for (char *line = text, *next; *line; line = next) {
        size_t line_len = strcspn(line, "\n");
        next = line[line_len] ? line + line_len + 1 : line + line_len;
        line[line_len] = '\0';
        const char *key = line[0] == '#' ? line + 1 : line;
        size_t key_len = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789.");
        if (key_len > 0 && key[key_len] == '=') {
            explained_line_check(line, above, explained);
        } else if (line_len == 0) {
            above[0] = '\0';
        } else {
            assert_true(strlen(above) + line_len + 2 < sizeof above);
            strcat(strcat(above, line), "\n");
        }
    }
    free(text);
    for (int32_t i = 0; i < config_key_count(); i++) {
        if (config_key_at(i)->use == CONFIG_ACTED && !explained[i]) {
            fail_msg("config/server.properties does not explain %s", config_key_at(i)->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_laptop_defaults),
        cmocka_unit_test(test_kafkas_defaults_with_a_file),
        cmocka_unit_test(test_overrides_and_duplicates),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_replicas_of_internal_topics),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_many_unknown_keys),
        cmocka_unit_test(test_keys_of_single_listeners),
        cmocka_unit_test(test_too_many_keys_of_single_listeners),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_overrides_refused),
        cmocka_unit_test(test_file_that_cannot_be_read),
        cmocka_unit_test(test_fall_backs),
        cmocka_unit_test(test_authorizer),
        cmocka_unit_test(test_several_listeners),
        cmocka_unit_test(test_advertised_name_that_does_not_resolve),
        cmocka_unit_test(test_every_acted_number_reaches_a_field),
        cmocka_unit_test(test_project_file_is_a_laptop),
        cmocka_unit_test(test_project_file_explains_what_is_acted_on),
    };
    return cmocka_run_group_tests_name("broker/config", tests, dir_setup, dir_teardown);
}
