// SPDX-License-Identifier: Apache-2.0
//
// Values, sources and synonyms of configs, as a Kafka 3.9.1 tells them.
#include "broker/cluster/config_describe.h"

#include "base/tests/cmocka_all.h"
#include "broker/cluster/tests/config_scene.h"

static const struct config_shown *shown_of(const struct config_list *l, const char *name)
{
    const struct config_shown *s = config_list_find(l, name);
    assert_non_null(s);
    return s;
}

static void assert_synonyms(struct config_scene *s, const struct config_list *l, const char *name, const char *text)
{
    assert_string_equal(synonyms_text(shown_of(l, name), &s->a), text);
}

// A topic without entries: what counts is named after the broker's key, hours alone do not speak for milliseconds.
static void test_topic_defaults(void **state)
{
    (void)state;
    struct config_scene s;
    struct config_list l;
    config_scene_init(&s);
    assert_int_equal(config_describe_topic(&s.x.view, &(struct znode_config){NULL, 0}, &s.a, &l), ERR_OK);
    assert_int_equal(l.count, 36);
    assert_synonyms(&s, &l, "retention.ms", "");
    assert_int_equal(shown_of(&l, "retention.ms")->source, CONFIG_SOURCE_DEFAULT);
    assert_string_equal(shown_of(&l, "retention.ms")->value, "604800000");
    assert_synonyms(&s, &l, "max.message.bytes", "message.max.bytes=2000000 4, message.max.bytes=1048588 5");
    assert_int_equal(shown_of(&l, "max.message.bytes")->source, CONFIG_SOURCE_STATIC);
    assert_int_equal(shown_of(&l, "max.message.bytes")->type, 3);
    assert_false(shown_of(&l, "max.message.bytes")->read_only);
    config_scene_release(&s);
}

static void test_topic_entries(void **state)
{
    (void)state;
    struct config_scene s;
    struct config_list l;
    config_scene_init(&s);
    s.cluster = config_scene_entry(&s, "log.retention.ms", "700");
    s.broker = config_scene_entry(&s, "log.cleanup.policy", "delete,compact");
    struct znode_config_entry own[] = {{"cleanup.policy", ""}, {"somebody.elses", "x"}};
    assert_int_equal(config_describe_topic(&s.x.view, &(struct znode_config){own, 2}, &s.a, &l), ERR_OK);
    assert_int_equal(l.count, 37);
    assert_synonyms(&s, &l, "cleanup.policy",
                    "cleanup.policy= 1, log.cleanup.policy=delete,compact 2, log.cleanup.policy=delete 5");
    assert_string_equal(shown_of(&l, "cleanup.policy")->value, "");
    assert_synonyms(&s, &l, "retention.ms",
                    "log.retention.ms=700 3, log.retention.hours=24 4, log.retention.hours=168 5");
    assert_int_equal(shown_of(&l, "retention.ms")->source, CONFIG_SOURCE_CLUSTER);
    assert_true(shown_of(&l, "somebody.elses")->sensitive);
    assert_null(shown_of(&l, "somebody.elses")->value);
    config_scene_release(&s);
}

static void test_broker(void **state)
{
    (void)state;
    struct config_scene s;
    struct config_list l;
    config_scene_init(&s);
    s.cluster = config_scene_entry(&s, "log.retention.ms", " 0700 ");
    struct znode_config_entry own[] = {{"my.custom", "2"}, {"throttle.rate", "5"}, {"log.cleaner.threads", "2"}};
    s.broker = (struct znode_config){own, 3};
    assert_int_equal(config_describe_broker(&s.x.view, &s.a, &l), ERR_OK);
    assert_int_equal(l.count, 14); // all rows but the throttle, which is set, and a key of nobody
    assert_synonyms(&s, &l, "log.retention.ms",
                    "log.retention.ms= 0700  3, log.retention.hours=24 4, log.retention.hours=168 5");
    assert_string_equal(shown_of(&l, "log.retention.ms")->value, "700");
    assert_synonyms(&s, &l, "log.retention.hours", "log.retention.hours=24 4, log.retention.hours=168 5");
    assert_true(shown_of(&l, "log.retention.hours")->read_only);
    assert_synonyms(&s, &l, "log.cleaner.threads", "log.cleaner.threads=2 2, log.cleaner.threads=1 5");
    assert_false(shown_of(&l, "log.cleaner.threads")->read_only);
    assert_synonyms(&s, &l, "my.custom", "my.custom=null 2");
    assert_true(shown_of(&l, "my.custom")->read_only);
    assert_int_equal(shown_of(&l, "my.custom")->type, 0);
    assert_string_equal(shown_of(&l, "throttle.rate")->value, "5");
    assert_true(shown_of(&l, "throttle.rate")->read_only);
    assert_synonyms(&s, &l, "ssl.keystore.password", "ssl.keystore.password=null 4");
    assert_null(shown_of(&l, "ssl.keystore.password")->value);
    assert_true(shown_of(&l, "ssl.keystore.password")->sensitive);
    assert_synonyms(&s, &l, "plug.in", "plug.in=null 4");
    assert_null(shown_of(&l, "log.retention.minutes")->value);
    config_scene_release(&s);
}

static void test_hidden_until_set(void **state)
{
    (void)state;
    struct config_scene s;
    struct config_list l;
    config_scene_init(&s);
    assert_int_equal(config_describe_broker(&s.x.view, &s.a, &l), ERR_OK);
    assert_null(config_list_find(&l, "throttle.rate"));
    assert_non_null(config_list_find(&l, "plug.in")); // the file sets it
    config_scene_release(&s);
}

// What the file says of a key is no value set while running; the broker's own wins over that of all.
static void test_set_while_running(void **state)
{
    (void)state;
    struct config_scene s;
    config_scene_init(&s);
    assert_null(config_view_dynamic(&s.x.view, "log.retention.hours"));
    assert_string_equal(config_view_value(&s.x.view, "log.retention.hours"), "24");
    s.cluster = config_scene_entry(&s, "throttle.rate", "5");
    assert_string_equal(config_view_dynamic(&s.x.view, "throttle.rate"), "5");
    s.broker = config_scene_entry(&s, "throttle.rate", "6");
    assert_string_equal(config_view_dynamic(&s.x.view, "throttle.rate"), "6");
    config_scene_release(&s);
}

static void test_listener_prefix(void **state)
{
    (void)state;
    struct config_scene s;
    struct config_list l;
    config_scene_init(&s);
    s.broker = config_scene_entry(&s, "listener.name.x.ssl.client.auth", "required");
    assert_int_equal(config_describe_broker(&s.x.view, &s.a, &l), ERR_OK);
    assert_synonyms(&s, &l, "listener.name.x.ssl.client.auth",
                    "listener.name.x.ssl.client.auth=required 2, ssl.client.auth=none 5");
    assert_int_equal(shown_of(&l, "listener.name.x.ssl.client.auth")->type, BROKER_KEY_STRING);
    config_scene_release(&s);
}

static void test_cluster_wide(void **state)
{
    (void)state;
    struct config_scene s;
    struct config_list l;
    config_scene_init(&s);
    assert_int_equal(config_describe_cluster(&s.x.view, &s.a, &l), ERR_OK);
    assert_int_equal(l.count, 0);
    s.cluster = config_scene_entry(&s, "message.max.bytes", "5");
    s.broker = config_scene_entry(&s, "message.max.bytes", "6");
    assert_int_equal(config_describe_cluster(&s.x.view, &s.a, &l), ERR_OK);
    assert_int_equal(l.count, 1);
    assert_synonyms(&s, &l, "message.max.bytes", "message.max.bytes=5 3");
    assert_string_equal(l.list[0].value, "5");
    config_scene_release(&s);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct config_scene s;
    struct config_list l;
    config_scene_init(&s);
    struct arena small;
    arena_init(&small, 1000);
    assert_int_equal(config_describe_topic(&s.x.view, &(struct znode_config){NULL, 0}, &small, &l), ERR_NO_MEMORY);
    arena_release(&small);
    config_scene_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic_defaults),  cmocka_unit_test(test_topic_entries),
        cmocka_unit_test(test_broker),          cmocka_unit_test(test_hidden_until_set),
        cmocka_unit_test(test_listener_prefix), cmocka_unit_test(test_cluster_wide),
        cmocka_unit_test(test_no_memory),       cmocka_unit_test(test_set_while_running),
    };
    return cmocka_run_group_tests_name("cluster/config_describe", tests, NULL, NULL);
}
