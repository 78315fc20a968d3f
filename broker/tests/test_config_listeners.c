// SPDX-License-Identifier: Apache-2.0
//
// Listener texts: what is accepted and into what it is cut, and that each refusal names what is wrong.
#include "broker/config_listeners.h"

#include "base/tests/cmocka_all.h"
#include <stdio.h>
#include <string.h>

static const char default_map[] = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT";

struct parsed {
    struct arena arena;
    struct config_endpoint e[CONFIG_MAX_LISTENERS];
    int32_t count;
    const char *why;
};

static int parsed_setup(void **state)
{
    static struct parsed p;
    p = (struct parsed){.count = 0};
    arena_init(&p.arena, 1 << 20);
    *state = &p;
    return 0;
}

static int parsed_teardown(void **state)
{
    struct parsed *p = *state;
    arena_release(&p->arena);
    return 0;
}

static enum err parse(struct parsed *p, const char *text, const char *map)
{
    p->why = NULL;
    return config_listeners_parse("listeners", text, map, &p->arena, p->e, &p->count, &p->why);
}

static void test_hosts_and_ports(void **state)
{
    struct parsed *p = *state;
    static const struct {
        const char *text;
        const char *host;
        int port;
    } cases[] = {
        {"PLAINTEXT://127.0.0.1:9092", "127.0.0.1", 9092},
        {"PLAINTEXT://:9092", "", 9092},
        {"plaintext://broker-1.example.com:0", "broker-1.example.com", 0},
        {"PLAINTEXT://[::1]:65535", "::1", 65535},
        {"PLAINTEXT://::1:9092", "::1", 9092},
        {"PLAINTEXT://[fe80::1%eth0]:9092", "fe80::1%eth0", 9092},
        {"  PLAINTEXT://localhost:1  ", "localhost", 1},
        {",PLAINTEXT://localhost:1,,", "localhost", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse(p, cases[i].text, default_map), ERR_OK);
        assert_int_equal(p->count, 1);
        assert_string_equal(p->e[0].name, "PLAINTEXT");
        assert_string_equal(p->e[0].host, cases[i].host);
        assert_int_equal(p->e[0].port, cases[i].port);
    }
}

static void test_malformed(void **state)
{
    struct parsed *p = *state;
    static const char *const cases[] = {
        "",
        "PLAINTEXT",
        "://x:1",
        "PLAINTEXT:x:1",
        "PLAINTEXT://localhost",
        "PLAINTEXT://localhost:",
        "PLAINTEXT://localhost:65536",
        "PLAINTEXT://localhost:-1",
        "PLAINTEXT://localhost:90a2",
        "PLAINTEXT://local host:9092",
        " , ",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse(p, cases[i], default_map), ERR_INVALID);
        assert_non_null(strstr(p->why, "listeners"));
        assert_non_null(strstr(p->why, "NAME://host:port"));
    }
}

static void test_too_many(void **state)
{
    struct parsed *p = *state;
    char text[4096] = "", map[4096] = "";
    for (int i = 0; i <= CONFIG_MAX_LISTENERS; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%sL%d://localhost:%d", i ? "," : "", i, 9000 + i);
        snprintf(map + strlen(map), sizeof map - strlen(map), "%sL%d:PLAINTEXT", i ? "," : "", i);
    }
    assert_int_equal(parse(p, text, map), ERR_INVALID);
    *strrchr(text, ',') = '\0';
    assert_int_equal(parse(p, text, map), ERR_OK);
    assert_int_equal(p->count, CONFIG_MAX_LISTENERS);
}

static void test_protocol_map(void **state)
{
    struct parsed *p = *state;
    assert_int_equal(parse(p, "internal://:1,EXTERNAL://:2", "INTERNAL:PLAINTEXT, external:plaintext"), ERR_OK);
    assert_string_equal(p->e[0].name, "INTERNAL");
    assert_string_equal(p->e[1].name, "EXTERNAL");
    assert_int_equal(parse(p, "CLIENT://:1", default_map), ERR_INVALID);
    assert_non_null(strstr(p->why, "CLIENT"));
    assert_non_null(strstr(p->why, "listener.security.protocol.map"));
    assert_int_equal(parse(p, "SASL_SSL://:1", default_map), ERR_INVALID);
    assert_non_null(strstr(p->why, "not supported yet"));
    assert_int_equal(parse(p, "CLIENT://:1", "CLIENT:TELNET"), ERR_INVALID);
    assert_non_null(strstr(p->why, "TELNET"));
}

static void test_names_and_ports_distinct(void **state)
{
    struct parsed *p = *state;
    static const char map[] = "A:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT";
    static const struct {
        const char *text;
        bool allowed;
    } cases[] = {
        {"A://:1,B://:2", true},
        {"A://:1,B://:1", false},
        {"A://:0,B://:0", true},
        {"A://:1,A://:2", false},
        {"A://127.0.0.1:1,B://[::1]:1", true},
        {"A://127.0.0.1:1,A://[::1]:1", false},
        {"A://127.0.0.1:1,B://127.0.0.2:1", false},
        {"A://127.0.0.1:1,B://localhost:1", false},
        {"A://127.0.0.1:1,B://[::1]:1,C://127.0.0.2:1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse(p, cases[i].text, map), ERR_OK);
        assert_int_equal(config_listeners_check_bound(p->e, p->count, cases[i].text, &p->arena, &p->why),
                         cases[i].allowed ? ERR_OK : ERR_INVALID);
    }
}

static void test_advertised(void **state)
{
    struct parsed *p = *state;
    static const struct config_endpoint bound[] = {{"A", "0.0.0.0", 1}, {"B", "", 2}};
    static const struct config_endpoint good[] = {{"B", "broker", 7}};
    static const struct config_endpoint meta[] = {{"B", "broker", 7}, {"A", "0.0.0.0", 8}};
    static const struct config_endpoint other[] = {{"C", "broker", 7}};
    static const struct config_endpoint twice[] = {{"A", "broker", 7}, {"A", "broker", 8}};
    assert_int_equal(config_listeners_check_advertised(good, 1, bound, 2, &p->arena, &p->why), ERR_OK);
    assert_int_equal(config_listeners_check_advertised(meta, 2, bound, 2, &p->arena, &p->why), ERR_INVALID);
    assert_non_null(strstr(p->why, "0.0.0.0"));
    assert_int_equal(config_listeners_check_advertised(other, 1, bound, 2, &p->arena, &p->why), ERR_INVALID);
    assert_non_null(strstr(p->why, "listener C"));
    assert_int_equal(config_listeners_check_advertised(twice, 2, bound, 2, &p->arena, &p->why), ERR_INVALID);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    struct parsed p = {.count = 0};
    arena_init(&p.arena, 40);
    assert_int_equal(parse(&p, "PLAINTEXT://localhost:1", default_map), ERR_NO_MEMORY);
    arena_release(&p.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hosts_and_ports, parsed_setup, parsed_teardown),
        cmocka_unit_test_setup_teardown(test_malformed, parsed_setup, parsed_teardown),
        cmocka_unit_test_setup_teardown(test_too_many, parsed_setup, parsed_teardown),
        cmocka_unit_test_setup_teardown(test_protocol_map, parsed_setup, parsed_teardown),
        cmocka_unit_test_setup_teardown(test_names_and_ports_distinct, parsed_setup, parsed_teardown),
        cmocka_unit_test_setup_teardown(test_advertised, parsed_setup, parsed_teardown),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests_name("broker/config_listeners", tests, NULL, NULL);
}
