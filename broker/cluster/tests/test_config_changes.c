// SPDX-License-Identifier: Apache-2.0
//
// Configs changed on a running cluster: what is in the tree afterwards (as Apache Kafka leaves it), that the change is
// in effect when the job ends, and that it survives a restart.
#include <errno.h>

#include "base/tests/cmocka_all.h"
#include "broker/cluster/tests/cluster_rig.h"
#include "protocol/protocol.h"
#include "zk/zk.h"

static int16_t alter(struct cluster_rig *r, int8_t type, const char *name, struct config_change change, bool validate)
{
    struct cluster_job *j = configs_job_new(CLUSTER_ALTER_CONFIGS, type, name);
    j->resources[0].changes = &change;
    j->resources[0].changes_count = 1;
    j->validate_only = validate;
    cluster_rig_run(r, j);
    assert_int_equal(j->err, ERR_OK);
    int16_t code = j->resources[0].error_code;
    cluster_job_unref(j);
    return code;
}

static void assert_described(struct cluster_rig *r, int8_t type, const char *name, const char *key, const char *value,
                             enum config_source source)
{
    struct cluster_job *j = configs_job_new(CLUSTER_DESCRIBE_CONFIGS, type, name);
    cluster_rig_run(r, j);
    assert_int_equal(j->err, ERR_OK);
    assert_int_equal(j->resources[0].error_code, 0);
    const struct config_shown *s = config_list_find(&j->resources[0].shown, key);
    assert_non_null(s);
    assert_string_equal(s->value, value);
    assert_int_equal(s->source, source);
    cluster_job_unref(j);
}

// ---------------------------------------------------------------------------------------------------------------
// The tree, when the cluster is closed

struct node {
    struct arena arena;
    enum err err;
    struct slice data;
    int32_t version;
};

static void wake(void *ctx)
{
    (void)ctx;
}

static void node_got(void *ctx, const struct zk_result *r)
{
    struct node *n = ctx;
    n->err = r->err;
    n->version = r->stat.version;
    if (r->err == ERR_OK) {
        n->data = slice_of(arena_strndup(&n->arena, r->data.data, r->data.len), r->data.len);
    }
}

static void node_read(struct cluster_rig *r, const char *path, struct node *n)
{
    struct zk *zk;
    *n = (struct node){.err = ERR_AGAIN};
    arena_init(&n->arena, 1024 * 1024);
    assert_int_equal(zk_local_open(os_real(), r->dir, wake, NULL, &zk), ERR_OK);
    zk_get(zk, path, false, node_got, n);
    zk_dispatch(zk);
    zk_close(zk);
}

static void assert_node(struct cluster_rig *r, const char *path, int32_t version, const char *data)
{
    struct node n;
    node_read(r, path, &n);
    assert_int_equal(n.err, ERR_OK);
    assert_int_equal(n.version, version);
    assert_string_equal((const char *)n.data.data, data);
    arena_release(&n.arena);
}

static void assert_no_node(struct cluster_rig *r, const char *path)
{
    struct node n;
    node_read(r, path, &n);
    assert_int_equal(n.err, ERR_NOT_FOUND);
    arena_release(&n.arena);
}

// ---------------------------------------------------------------------------------------------------------------

static void test_topic(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    cluster_rig_create(&r, "orders", 2);
    const struct config_change set = {"retention.ms", "5000", CONFIG_OP_SET};
    assert_int_equal(alter(&r, CONFIG_RESOURCE_TOPIC, "orders", set, true), 0);
    assert_int_equal(cluster_rig_hosted(&r, "orders-1")->retention_ms, 604800000); // only looked at
    assert_int_equal(alter(&r, CONFIG_RESOURCE_TOPIC, "orders", set, false), 0);
    assert_int_equal(cluster_rig_hosted(&r, "orders-0")->retention_ms, 5000);
    assert_int_equal(cluster_rig_hosted(&r, "orders-1")->retention_ms, 5000);
    assert_described(&r, CONFIG_RESOURCE_TOPIC, "orders", "retention.ms", "5000", CONFIG_SOURCE_TOPIC);
    cluster_rig_stop(&r);
    assert_node(&r, "/config/topics/orders", 1, "{\"version\":1,\"config\":{\"retention.ms\":\"5000\"}}");
    assert_node(&r, "/config/changes/config_change_0000000000", 0, "{\"version\":2,\"entity_path\":\"topics/orders\"}");
    assert_no_node(&r, "/config/changes/config_change_0000000001");

    cluster_rig_start(&r); // what was announced before counts as followed
    assert_int_equal(cluster_rig_hosted(&r, "orders-0")->retention_ms, 5000);
    assert_int_equal(alter(&r, CONFIG_RESOURCE_TOPIC, "orders",
                           (struct config_change){"retention.ms", NULL, CONFIG_OP_DELETE}, false),
                     0);
    assert_int_equal(cluster_rig_hosted(&r, "orders-0")->retention_ms, 604800000);
    cluster_rig_stop(&r);
    assert_node(&r, "/config/topics/orders", 2, "{\"version\":1,\"config\":{}}");
    assert_node(&r, "/config/changes/config_change_0000000001", 0, "{\"version\":2,\"entity_path\":\"topics/orders\"}");
    cluster_rig_release(&r);
}

static void test_refused(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    const struct config_change set = {"retention.ms", "5000", CONFIG_OP_SET};
    assert_int_equal(alter(&r, CONFIG_RESOURCE_TOPIC, "nope", set, false), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(alter(&r, CONFIG_RESOURCE_TOPIC, "a/../b", set, false), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cluster_rig_stop(&r);
    assert_no_node(&r, "/config/topics/nope");
    assert_no_node(&r, "/config/changes/config_change_0000000000");
    cluster_rig_release(&r);
}

// The tables of the fixture of a real cluster: broker 1 and all brokers.
static void test_brokers(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    cluster_rig_create(&r, "plain", 1);
    cluster_rig_create(&r, "own", 1);
    const struct config_change own = {"retention.ms", "1", CONFIG_OP_SET};
    assert_int_equal(alter(&r, CONFIG_RESOURCE_TOPIC, "own", own, false), 0);
    const struct config_change all = {"log.retention.ms", "700", CONFIG_OP_SET};
    assert_int_equal(alter(&r, CONFIG_RESOURCE_BROKER, "", all, false), 0);
    assert_int_equal(cluster_rig_hosted(&r, "plain-0")->retention_ms, 700);
    assert_int_equal(cluster_rig_hosted(&r, "own-0")->retention_ms, 1);
    assert_described(&r, CONFIG_RESOURCE_TOPIC, "plain", "retention.ms", "700", CONFIG_SOURCE_CLUSTER);
    const struct config_change mine = {"log.retention.ms", "800", CONFIG_OP_SET};
    assert_int_equal(alter(&r, CONFIG_RESOURCE_BROKER, "1", mine, false), 0);
    assert_int_equal(cluster_rig_hosted(&r, "plain-0")->retention_ms, 800);
    assert_described(&r, CONFIG_RESOURCE_BROKER, "1", "log.retention.ms", "800", CONFIG_SOURCE_BROKER);
    assert_described(&r, CONFIG_RESOURCE_BROKER, "", "log.retention.ms", "700", CONFIG_SOURCE_CLUSTER);
    cluster_rig_stop(&r);
    assert_node(&r, "/config/brokers/<default>", 0, "{\"version\":1,\"config\":{\"log.retention.ms\":\"700\"}}");
    assert_node(&r, "/config/brokers/1", 0, "{\"version\":1,\"config\":{\"log.retention.ms\":\"800\"}}");
    assert_node(&r, "/config/changes/config_change_0000000001", 0,
                "{\"version\":2,\"entity_path\":\"brokers/<default>\"}");
    assert_node(&r, "/config/changes/config_change_0000000002", 0, "{\"version\":2,\"entity_path\":\"brokers/1\"}");

    cluster_rig_start(&r);
    assert_int_equal(cluster_rig_hosted(&r, "plain-0")->retention_ms, 800);
    const struct config_change reset = {"log.retention.ms", NULL, CONFIG_OP_DELETE};
    assert_int_equal(alter(&r, CONFIG_RESOURCE_BROKER, "1", reset, false), 0);
    assert_int_equal(cluster_rig_hosted(&r, "plain-0")->retention_ms, 700);
    assert_int_equal(alter(&r, CONFIG_RESOURCE_BROKER, "", reset, false), 0);
    assert_int_equal(cluster_rig_hosted(&r, "plain-0")->retention_ms, 604800000);
    cluster_rig_release(&r);
}

// A new topic's configs, as CreateTopics tells them.
static void test_creation_tells(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    assert_int_equal(
        alter(&r, CONFIG_RESOURCE_BROKER, "", (struct config_change){"message.max.bytes", "99", CONFIG_OP_SET}, false),
        0);
    struct cluster_job *j = create_job_new("new");
    cluster_rig_run(&r, j);
    assert_int_equal(j->creates[0].error_code, 0);
    assert_int_equal(j->creates[0].configs_shown.count, topic_config_count());
    const struct config_shown *s = config_list_find(&j->creates[0].configs_shown, "max.message.bytes");
    assert_string_equal(s->value, "99");
    assert_int_equal(s->source, CONFIG_SOURCE_CLUSTER);
    cluster_job_unref(j);
    cluster_rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topic),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_brokers),
        cmocka_unit_test(test_creation_tells),
    };
    return cmocka_run_group_tests_name("cluster/config_changes", tests, NULL, NULL);
}
