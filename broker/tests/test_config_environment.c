// SPDX-License-Identifier: Apache-2.0
//
// Which variable is which line of a server.properties, as the script of the Apache Kafka image has it.
#include "broker/config_environment.h"

#include "base/tests/cmocka_all.h"

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *variable;
        const char *line; // NULL = no setting
    } cases[] = {
        {"KAFKA_LOG_DIRS=/var/lib/a,/var/lib/b", "log.dirs=/var/lib/a,/var/lib/b"},
        {"KAFKA_ADVERTISED_LISTENERS=A://h:1,B://h:2", "advertised.listeners=A://h:1,B://h:2"},
        {"KAFKA_BROKER_RACK=", "broker.rack="},
        {"KAFKA_SASL_JAAS_CONFIG=a b=\"c\";", "sasl.jaas.config=a b=\"c\";"},
        // Runs of underscores, by threes from the left.
        {"KAFKA_A__B=1", "a_b=1"},
        {"KAFKA_A___B=1", "a-b=1"},
        {"KAFKA_A____B=1", "a-.b=1"},
        {"KAFKA_A_____B=1", "a-_b=1"},
        {"KAFKA_A______B_=1", "a--b.=1"},
        {"KAFKA_LISTENER_NAME_MY__OWN_MAX_CONNECTIONS=5", "listener.name.my_own.max.connections=5"},
        {"KAFKA__A=1", ".a=1"},
        // The other image's prefix.
        {"KAFKA_CFG_ZOOKEEPER_CONNECT=zoo:2181/kafka", "zookeeper.connect=zoo:2181/kafka"},
        {"KAFKA_CFGX=1", "cfgx=1"},
        // No settings.
        {"KAFKA_=1", NULL},
        {"KAFKA_CFG_=1", NULL},
        {"KAFKA=1", NULL},
        {"MY_KAFKA_LOG_DIRS=1", NULL},
        {"kafka_log_dirs=1", NULL},
        {"KAFKA_LOG_DIRS", NULL},
        {"=KAFKA_LOG_DIRS=1", NULL},
        {"KAFKA_VERSION=3.9.1", NULL},
        {"KAFKA_HEAP_OPTS=-Xmx1g", NULL},
        {"KAFKA_HEAP_OPT=-Xmx1g", NULL},
        {"KAFKA_LOG4J_LOGGERS=kafka.controller=WARN", NULL},
        {"KAFKA_JMX_PORT=9999", NULL},
        {"KAFKA_VERSIONS=1", "versions=1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        const char *line;
        arena_init(&a, 1 << 16);
        assert_int_equal(config_environment_line(cases[i].variable, &a, &line), ERR_OK);
        if (cases[i].line) {
            assert_non_null(line);
            assert_string_equal(line, cases[i].line);
        } else if (line) {
            fail_msg("%s became %s", cases[i].variable, line);
        }
        arena_release(&a);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    struct arena a;
    const char *line;
    arena_init(&a, 0);
    assert_int_equal(config_environment_line("KAFKA_LOG_DIRS=x", &a, &line), ERR_NO_MEMORY);
    assert_int_equal(config_environment_line("PATH=x", &a, &line), ERR_OK);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
