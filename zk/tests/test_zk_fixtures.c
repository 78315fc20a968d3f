// SPDX-License-Identifier: Apache-2.0
//
// The trees of real clusters (zk/tests/data): every payload of a known path is read and written back to the same value,
// and the writes that ZooKeeper logged, done to the embedded store, make the tree that ZooKeeper had, version for
// version.
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "zk/tests/payload.h"
#include "zk/tests/store.h"

static void data_path(char path[TEST_PATH_MAX_BYTES], const char *name)
{
    const char *root = getenv("OTTLA_SOURCE_DIR");
    char dir[TEST_PATH_MAX_BYTES / 2];
    snprintf(dir, sizeof dir, "%s/zk/tests/data", root == NULL ? "." : root);
    test_path(path, dir, name);
}

static json_t *dump_load(const char *name)
{
    char path[TEST_PATH_MAX_BYTES];
    data_path(path, name);
    json_t *dump = json_load_file(path, 0, NULL);
    assert_non_null(dump);
    assert_true(json_array_size(dump) > 10);
    return dump;
}

// ---- payloads ----

enum payload_kind {
    PAYLOAD_UNKNOWN,
    PAYLOAD_CLUSTER_ID,
    PAYLOAD_BROKER,
    PAYLOAD_TOPIC,
    PAYLOAD_STATE,
    PAYLOAD_CONTROLLER,
    PAYLOAD_CONTROLLER_EPOCH,
    PAYLOAD_CONFIG,
    PAYLOAD_CONFIG_CHANGE,
    PAYLOAD_PRODUCER_IDS,
    PAYLOAD_FEATURES,
    PAYLOAD_KINDS,
};

static bool begins(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static enum payload_kind kind_of(const char *path)
{
    char topic[ZNODE_NAME_MAX_BYTES + 1];
    int32_t number;
    if (strcmp(path, ZNODE_CLUSTER_ID) == 0)
        return PAYLOAD_CLUSTER_ID;
    if (strcmp(path, ZNODE_CONTROLLER) == 0)
        return PAYLOAD_CONTROLLER;
    if (strcmp(path, ZNODE_CONTROLLER_EPOCH) == 0)
        return PAYLOAD_CONTROLLER_EPOCH;
    if (strcmp(path, ZNODE_PRODUCER_IDS) == 0)
        return PAYLOAD_PRODUCER_IDS;
    if (strcmp(path, ZNODE_FEATURE) == 0)
        return PAYLOAD_FEATURES;
    if (znode_parse_broker(path, &number))
        return PAYLOAD_BROKER;
    if (znode_parse_topic(path, topic))
        return PAYLOAD_TOPIC;
    if (znode_parse_state(path, topic, &number))
        return PAYLOAD_STATE;
    if (begins(path, ZNODE_CONFIG_CHANGES "/"))
        return PAYLOAD_CONFIG_CHANGE;
    if (begins(path, ZNODE_CONFIG "/"))
        return PAYLOAD_CONFIG;
    return PAYLOAD_UNKNOWN;
}

// Reads a payload of its kind and writes it again.
static enum err rewrite_node(enum payload_kind kind, struct slice in, struct arena *a, struct slice *out)
{
    struct znode_broker broker;
    struct znode_topic topic;
    struct znode_partition_state st;
    struct znode_config config;
    enum err err = ERR_UNSUPPORTED;
    switch (kind) {
    case PAYLOAD_BROKER:
        err = znode_broker_decode(in, a, &broker);
        return err ? err : znode_broker_encode(&broker, a, out);
    case PAYLOAD_TOPIC:
        err = znode_topic_decode(in, a, &topic);
        return err ? err : znode_topic_encode(&topic, a, out);
    case PAYLOAD_STATE:
        err = znode_state_decode(in, a, &st);
        return err ? err : znode_state_encode(&st, a, out);
    case PAYLOAD_CONFIG:
        err = znode_config_decode(in, a, &config);
        return err ? err : znode_config_encode(&config, a, out);
    default:
        return err;
    }
}

static enum err rewrite_single(enum payload_kind kind, struct slice in, struct arena *a, struct slice *out)
{
    struct znode_controller controller;
    struct znode_producer_ids ids;
    struct znode_features features;
    const char *text;
    int32_t epoch;
    enum err err;
    switch (kind) {
    case PAYLOAD_CLUSTER_ID:
        err = znode_cluster_id_decode(in, a, &text);
        return err ? err : znode_cluster_id_encode(text, a, out);
    case PAYLOAD_CONTROLLER:
        err = znode_controller_decode(in, a, &controller);
        return err ? err : znode_controller_encode(&controller, a, out);
    case PAYLOAD_CONTROLLER_EPOCH:
        err = znode_controller_epoch_decode(in, &epoch);
        return err ? err : znode_controller_epoch_encode(epoch, a, out);
    case PAYLOAD_CONFIG_CHANGE:
        err = znode_config_change_decode(in, a, &text);
        return err ? err : znode_config_change_encode(text, a, out);
    case PAYLOAD_PRODUCER_IDS:
        err = znode_producer_ids_decode(in, a, &ids);
        return err ? err : znode_producer_ids_encode(&ids, a, out);
    case PAYLOAD_FEATURES:
        err = znode_features_decode(in, a, &features);
        return err ? err : znode_features_encode(&features, a, out);
    default:
        return rewrite_node(kind, in, a, out);
    }
}

static void check_dump(const char *name, struct arena *a, int counts[PAYLOAD_KINDS])
{
    json_t *dump = dump_load(name), *node;
    size_t i;
    json_array_foreach(dump, i, node)
    {
        const char *path = json_string_value(json_object_get(node, "path"));
        const char *data = json_string_value(json_object_get(node, "data"));
        enum payload_kind kind = kind_of(path);
        struct slice out = SLICE_NULL;
        if (data == NULL || kind == PAYLOAD_UNKNOWN)
            continue;
        enum err err = rewrite_single(kind, slice_str(data), a, &out);
        if (err != ERR_OK)
            fail_msg("%s: %s of %s: %s", err_name(err), path, name, data);
        assert_payload(out, data);
        counts[kind]++;
        arena_reset(a);
    }
    json_decref(dump);
}

static void test_payloads(void **state)
{
    char path[TEST_PATH_MAX_BYTES];
    int counts[PAYLOAD_KINDS] = {0}, files = 0;
    data_path(path, ".");
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot != NULL && strcmp(dot, ".json") == 0) {
            check_dump(entry->d_name, *state, counts);
            files++;
        }
    }
    closedir(dir);
    assert_int_equal(files, 18);
    for (int kind = PAYLOAD_CLUSTER_ID; kind < PAYLOAD_KINDS; kind++)
        assert_true(counts[kind] > 0);
}

// ---- the order of writes ----

// One operation of a line: "create (ephemeral) /p data", "set /p -> v2 data", "delete /p", "check /p v1".
struct line_op {
    struct zk_op op;
    int32_t version_after; // of a set
};

static char *word_take(char **rest)
{
    char *word = strsep(rest, " ");
    assert_non_null(word);
    return word;
}

static int32_t version_of(const char *word)
{
    int32_t version = 0;
    assert_int_equal(word[0], 'v');
    assert_true(znode_parse_number(word + 1, &version));
    return version;
}

static struct line_op op_parse(char *text)
{
    struct line_op l = {.op = {.version = ZK_VERSION_ANY}};
    char *rest = text;
    const char *verb = word_take(&rest);
    l.op.type = strcmp(verb, "create") == 0   ? ZK_OP_CREATE
                : strcmp(verb, "set") == 0    ? ZK_OP_SET
                : strcmp(verb, "delete") == 0 ? ZK_OP_DELETE
                                              : ZK_OP_CHECK;
    if (rest[0] == '(') {
        assert_string_equal(word_take(&rest), "(ephemeral)");
        l.op.mode = ZK_EPHEMERAL;
    }
    l.op.path = word_take(&rest);
    if (l.op.type == ZK_OP_CHECK)
        l.op.version = version_of(word_take(&rest));
    if (l.op.type == ZK_OP_SET) {
        assert_string_equal(word_take(&rest), "->");
        l.version_after = version_of(word_take(&rest));
    }
    if (rest != NULL)
        l.op.data = slice_str(rest);
    return l;
}

static void check_version(struct store *s, const struct line_op *l)
{
    struct answer a = store_exists(s, l->op.path, false);
    if (l->op.type == ZK_OP_SET)
        assert_int_equal(a.stat.version, l->version_after);
    answer_release(&a);
}

static void multi_replay(struct store *s, char *text)
{
    struct line_op lines[4];
    struct zk_op ops[4];
    int n = 0, failed_op;
    text[strlen(text) - 2] = '\0'; // " }"
    for (char *end = text; end != NULL; text = end + 3) {
        end = strstr(text, " ; ");
        if (end != NULL)
            *end = '\0';
        assert_true(n < 4);
        lines[n] = op_parse(text);
        ops[n] = lines[n].op;
        n++;
        if (end == NULL)
            break;
    }
    enum err err = store_multi(s, ops, n, &failed_op);
    if (err != ERR_OK)
        fail_msg("%s of operation %d: %s", err_name(err), failed_op, ops[failed_op].path);
    for (int i = 0; i < n; i++)
        check_version(s, &lines[i]);
}

// A sequential node must get the name that ZooKeeper gave it.
static void sequential_replay(struct store *s, struct line_op *l)
{
    struct answer a = {0};
    char prefix[ZK_PATH_MAX_BYTES + 1];
    snprintf(prefix, sizeof prefix, "%.*s", (int)strlen(l->op.path) - 10, l->op.path);
    zk_create(s->zk, prefix, l->op.data, ZK_PERSISTENT_SEQUENTIAL, answer_keep, &a);
    zk_dispatch(s->zk);
    assert_int_equal(a.err, ERR_OK);
    assert_string_equal(a.path, l->op.path);
    answer_release(&a);
}

static void single_replay(struct store *s, char *text)
{
    struct line_op l = op_parse(text);
    struct answer a = {0};
    if (strcmp(l.op.path, "/") == 0)
        return; // the chroot itself
    if (strstr(l.op.path, "changes/") != NULL) {
        sequential_replay(s, &l);
        return;
    }
    zk_multi(s->zk, &l.op, 1, answer_keep, &a);
    zk_dispatch(s->zk);
    if (a.err != ERR_OK)
        fail_msg("%s: %s", err_name(a.err), l.op.path);
    answer_release(&a);
    check_version(s, &l);
}

static void line_replay(struct store *s, char *line)
{
    static const char session_ends[] = "session ends: ";
    char *rest = line;
    word_take(&rest); // who
    if (strstr(rest, "(refused: ") != NULL)
        return;
    if (begins(rest, session_ends)) {
        rest += strlen(session_ends);
        for (char *path; (path = strsep(&rest, ", ")) != NULL;) {
            if (path[0] != '\0')
                assert_int_equal(store_delete(s, path, ZK_VERSION_ANY), ERR_OK);
        }
    } else if (rest[0] == '{') {
        multi_replay(s, rest + 2);
    } else {
        single_replay(s, rest);
    }
}

static void compare_with_dump(struct store *s, const char *name)
{
    json_t *dump = dump_load(name), *node;
    size_t i;
    int real_nodes = -1; // the root is not in the dump
    char *all = store_dump(s, "/");
    for (const char *c = all; *c != '\0'; c++)
        real_nodes += *c == '\n';
    free(all);
    json_array_foreach(dump, i, node)
    {
        const char *path = json_string_value(json_object_get(node, "path"));
        const char *data = json_string_value(json_object_get(node, "data"));
        struct answer a = store_get(s, path, false);
        if (a.err != ERR_OK)
            fail_msg("%s: %s", err_name(a.err), path);
        assert_int_equal(a.data == NULL, data == NULL);
        if (data != NULL)
            assert_string_equal(a.data, data);
        assert_int_equal(a.stat.version, json_integer_value(json_object_get(node, "version")));
        assert_int_equal(a.stat.cversion, json_integer_value(json_object_get(node, "cversion")));
        assert_int_equal(a.stat.ephemeral_owner != 0, json_is_true(json_object_get(node, "ephemeral")));
        answer_release(&a);
    }
    assert_int_equal(json_array_size(dump), real_nodes);
    json_decref(dump);
}

// Replays the file; where the named section ends the tree must be that of the dump.
static void replay(const char *name, const char *section, const char *dump)
{
    char path[TEST_PATH_MAX_BYTES], *line = NULL, *dir = test_dir_new();
    size_t cap = 0;
    bool in_section = false;
    int compared = 0;
    struct store s;
    data_path(path, name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    store_open(&s, os_real(), dir);
    while (getline(&line, &cap, in) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (begins(line, "== ")) {
            in_section = strstr(line, section) != NULL;
        } else if (line[0] != '\0') {
            line_replay(&s, line);
        } else if (in_section) {
            compare_with_dump(&s, dump);
            compared++;
        }
    }
    assert_int_equal(compared, 1);
    free(line);
    fclose(in);
    store_close(&s);
    test_dir_remove(dir);
}

static void test_order_of_kafka_3_9(void **state)
{
    (void)state;
    replay("order-3.9.txt", "Brokers 2 and 3 start", "three-brokers-fresh.json");
}

static void test_order_of_protocol_2_6(void **state)
{
    (void)state;
    replay("order-2.6.txt", "then its session expires", "ibp-2.6-isr-shrunk.json");
}

// What a broker creates at start is what Kafka creates, in Kafka's order.
static void test_top_level_paths(void **state)
{
    (void)state;
    char path[TEST_PATH_MAX_BYTES], *line = NULL;
    size_t cap = 0;
    int next = 0;
    data_path(path, "order-3.9.txt");
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (next < ZNODE_TOP_LEVEL_COUNT && getline(&line, &cap, in) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (begins(line, "b1 create "))
            assert_string_equal(line + strlen("b1 create "), znode_top_level_paths[next++]);
    }
    assert_int_equal(next, ZNODE_TOP_LEVEL_COUNT);
    free(line);
    fclose(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_payloads, payload_setup, payload_teardown),
        cmocka_unit_test(test_order_of_kafka_3_9),
        cmocka_unit_test(test_order_of_protocol_2_6),
        cmocka_unit_test(test_top_level_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
