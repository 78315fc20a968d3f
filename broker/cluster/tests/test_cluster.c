// SPDX-License-Identifier: Apache-2.0
//
// The cluster on its embedded tree: what the tree holds after topics were made is what Apache Kafka's holds after the
// same, what is published when a job ends, and what survives a restart.
#include "broker/cluster/cluster.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "broker/cluster/tests/cluster_rig.h"
#include "protocol/protocol.h"
#include "zk/zk.h"

// ---------------------------------------------------------------------------------------------------------------
// The tree in words: one line "path version data" per node that outlives a session

#define TREE_BYTES (64 * 1024)

struct tree_walk {
    struct zk *zk;
    bool ready;
    char text[TREE_BYTES];
    size_t len;
    char paths[128][256]; // still to be visited
    int paths_count;
    char path[256];
};

static void walk_wake(void *ctx)
{
    ((struct tree_walk *)ctx)->ready = true;
}

static void walk_children(void *ctx, const struct zk_result *r)
{
    struct tree_walk *w = ctx;
    assert_int_equal(r->err, ERR_OK);
    for (int i = r->n_children - 1; i >= 0; i--) { // the first one is visited next
        assert_true(w->paths_count < 128);
        struct znode_path path = znode_path_child(strcmp(w->path, "/") == 0 ? "" : w->path, r->children[i]);
        assert_true(strlen(path.s) < sizeof w->path);
        memcpy(w->paths[w->paths_count++], path.s, strlen(path.s) + 1);
    }
}

// JSON is written with sorted keys, what differs from one run to the next as '*'.
static char *data_text(struct slice data)
{
    if (data.data == NULL) {
        return strdup("null");
    }
    json_t *json = json_loadb((const char *)data.data, data.len, JSON_DECODE_ANY, NULL);
    if (json == NULL) {
        return strndup((const char *)data.data, data.len);
    }
    if (json_object_get(json, "topic_id") != NULL) {
        assert_int_equal(json_string_length(json_object_get(json, "topic_id")), UUID_TEXT_LEN);
        json_object_set_new(json, "topic_id", json_string("*"));
    }
    if (json_is_string(json_object_get(json, "id"))) {
        json_object_set_new(json, "id", json_string("*"));
    }
    char *text = json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(json);
    return text;
}

static void tree_line(char *text, size_t *len, const char *path, int32_t version, struct slice data)
{
    char *shown = data_text(data);
    assert_non_null(shown);
    int n = snprintf(text + *len, TREE_BYTES - *len, "%s %d %s\n", path, version, shown);
    free(shown);
    assert_true(n > 0 && *len + (size_t)n < TREE_BYTES);
    *len += (size_t)n;
}

static void walk_data(void *ctx, const struct zk_result *r)
{
    struct tree_walk *w = ctx;
    assert_int_equal(r->err, ERR_OK);
    if (r->stat.ephemeral_owner == 0 && strcmp(w->path, "/") != 0) {
        tree_line(w->text, &w->len, w->path, r->stat.version, r->data);
    }
}

static char *tree_text(const char *dir)
{
    struct tree_walk *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(zk_local_open(os_real(), dir, walk_wake, w, &w->zk), ERR_OK);
    snprintf(w->paths[w->paths_count++], 256, "/");
    while (w->paths_count > 0) {
        memcpy(w->path, w->paths[--w->paths_count], sizeof w->path);
        zk_get(w->zk, w->path, false, walk_data, w);
        zk_children(w->zk, w->path, false, walk_children, w);
        zk_dispatch(w->zk);
    }
    zk_close(w->zk);
    char *text = strdup(w->text);
    free(w);
    return text;
}

static int line_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Lines of both in one order.
static char *lines_sorted(char *text)
{
    char *lines[256], *out = calloc(1, strlen(text) + 2), *save;
    size_t n = 0;
    assert_non_null(out);
    for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        assert_true(n < 256);
        lines[n++] = line;
    }
    qsort(lines, n, sizeof *lines, line_order);
    for (size_t i = 0; i < n; i++) {
        strcat(strcat(out, lines[i]), "\n");
    }
    return out;
}

static char *kafka_tree(void)
{
    FILE *f = fopen("broker/cluster/tests/data/kafka-tree.txt", "r");
    assert_non_null(f);
    char *text = calloc(1, TREE_BYTES), line[4096], path[256];
    size_t len = 0;
    int version;
    assert_non_null(text);
    while (fgets(line, sizeof line, f) != NULL) {
        int at = 0;
        assert_int_equal(sscanf(line, "%255s %d %n", path, &version, &at), 2);
        line[strcspn(line, "\n")] = '\0';
        tree_line(text, &len, path, version, strcmp(line + at, "null") == 0 ? SLICE_NULL : slice_str(line + at));
    }
    fclose(f);
    return text;
}

static void create_with(struct cluster_rig *r, const char *name, int32_t partitions, struct topic_config_entry *configs,
                        int32_t count)
{
    struct cluster_job *j = create_job_new(name);
    j->creates[0].num_partitions = partitions;
    j->creates[0].configs = configs;
    j->creates[0].configs_count = count;
    cluster_rig_run(r, j);
    assert_int_equal(j->err, ERR_OK);
    assert_int_equal(j->creates[0].error_code, 0);
    cluster_job_unref(j);
}

static void assert_same_tree(char *mine, char *expected)
{
    char *a = lines_sorted(mine), *b = lines_sorted(expected);
    assert_string_equal(a, b);
    free(a);
    free(b);
    free(mine);
    free(expected);
}

static void test_tree_is_kafkas(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    struct topic_config_entry offsets[] = {
        {"compression.type", "producer"}, {"cleanup.policy", "compact"}, {"segment.bytes", "104857600"}};
    struct topic_config_entry txn[] = {{"compression.type", "uncompressed"},
                                       {"cleanup.policy", "compact"},
                                       {"min.insync.replicas", "1"},
                                       {"segment.bytes", "104857600"},
                                       {"unclean.leader.election.enable", "false"}};
    struct topic_config_entry small[] = {{"retention.ms", "-1"},
                                         {"segment.bytes", "4096"},
                                         {"index.interval.bytes", "256"},
                                         {"segment.index.bytes", "2048"}};
    create_with(&r, "__consumer_offsets", 3, offsets, 3);
    create_with(&r, "__transaction_state", 3, txn, 5);
    create_with(&r, "transactions", 2, small, 4);
    create_with(&r, "work", 2, NULL, 0);
    struct cluster_job *j;
    assert_int_equal(cluster_job_new(CLUSTER_PRODUCER_IDS, &j), ERR_OK);
    cluster_rig_run(&r, j);
    assert_int_equal(j->err, ERR_OK);
    assert_int_equal(j->producer_id_first, 0);
    assert_int_equal(j->producer_id_count, 1000);
    cluster_job_unref(j);
    cluster_rig_stop(&r);
    assert_same_tree(tree_text(r.dir), kafka_tree());
    cluster_rig_release(&r);
}

// Made and deleted again, the tree is that of a cluster nobody has used, but for the ids that were counted.
static void test_deletion_leaves_nothing(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    cluster_rig_stop(&r);
    char *before = tree_text(r.dir);
    cluster_rig_start(&r);
    cluster_rig_create(&r, "a", 2);
    struct cluster_job *j = delete_job_new("a");
    cluster_rig_run(&r, j);
    assert_int_equal(j->err, ERR_OK);
    assert_int_equal(j->deletes[0].error_code, 0);
    cluster_job_unref(j);
    assert_int_equal(r.hosted_count, 0);
    const struct metadata *m = cluster_metadata(r.cluster);
    assert_null(metadata_topic_find(m, slice_str("a")));
    metadata_unref(m);
    cluster_rig_create(&r, "a", 1); // at once again
    j = delete_job_new("a");
    cluster_rig_run(&r, j);
    cluster_job_unref(j);
    cluster_rig_stop(&r);
    char *after = tree_text(r.dir);
    char *epoch = strstr(after, "/controller_epoch 2 2");
    assert_non_null(epoch);
    memcpy(epoch, "/controller_epoch 1 1", strlen("/controller_epoch 1 1"));
    assert_same_tree(after, before);
    cluster_rig_release(&r);
}

// ---------------------------------------------------------------------------------------------------------------

static void test_picture_after_creation(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    const struct metadata *m = cluster_metadata(r.cluster);
    assert_int_equal(metadata_controller_id(m), 1);
    assert_int_equal(metadata_brokers_count(m), 1);
    assert_string_equal(metadata_broker_endpoint(metadata_broker_at(m, 0), "PLAINTEXT")->host, "127.0.0.1");
    assert_int_equal(metadata_broker_endpoint(metadata_broker_at(m, 0), "PLAINTEXT")->port, 29092);
    assert_string_equal(metadata_cluster_id(m), cluster_id(r.cluster));
    int64_t version = metadata_version(m);
    metadata_unref(m);

    struct topic_config_entry configs[] = {{"retention.ms", "77"}};
    create_with(&r, "t", 2, configs, 1);
    struct uuid id = cluster_rig_create(&r, "u", -1); // num.partitions
    m = cluster_metadata(r.cluster);
    assert_true(metadata_version(m) > version);
    const struct metadata_topic *u = metadata_topic_find_id(m, &id);
    assert_string_equal(u->name, "u");
    assert_int_equal(u->partitions_count, 3);
    assert_int_equal(u->partitions[2].leader, 1);
    assert_int_equal(u->partitions[2].leader_epoch, 0);
    assert_false(u->internal);
    metadata_unref(m);
    assert_int_equal(cluster_rig_hosted(&r, "t-1")->retention_ms, 77);
    assert_true(cluster_rig_hosted(&r, "t-1")->is_new);
    assert_int_equal(cluster_rig_hosted(&r, "u-0")->retention_ms, r.defaults.retention_ms);

    // After a restart everything is told and published again before cluster_open returns, with the same epochs.
    cluster_rig_stop(&r);
    r.hosted_count = 0;
    r.defaults.retention_ms = 5;
    cluster_rig_start(&r);
    assert_int_equal(r.hosted_count, 5);
    assert_false(cluster_rig_hosted(&r, "t-1")->is_new);
    assert_int_equal(cluster_rig_hosted(&r, "t-1")->retention_ms, 77);
    assert_int_equal(cluster_rig_hosted(&r, "u-0")->retention_ms, 5);
    assert_int_equal(cluster_rig_hosted(&r, "u-0")->leader_epoch, 0);
    m = cluster_metadata(r.cluster);
    assert_non_null(metadata_topic_find_id(m, &id));
    metadata_unref(m);
    cluster_rig_release(&r);
}

static void test_failing_log_directory(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    r.changed_err = ERR_IO;
    struct cluster_job *j = create_job_new("t");
    cluster_rig_run(&r, j);
    assert_int_equal(j->err, ERR_OK);
    assert_int_equal(j->creates[0].error_code, KAFKA_ERROR_KAFKA_STORAGE_ERROR);
    cluster_job_unref(j);
    r.changed_err = ERR_OK;
    cluster_rig_create(&r, "gone", 1);
    r.removed_err = ERR_IO;
    j = delete_job_new("gone"); // out of use at once, though its files could not be removed
    cluster_rig_run(&r, j);
    assert_int_equal(j->deletes[0].error_code, 0);
    cluster_job_unref(j);
    j = create_job_new("gone");
    cluster_rig_run(&r, j);
    assert_int_equal(j->creates[0].error_code, KAFKA_ERROR_TOPIC_ALREADY_EXISTS);
    assert_string_equal(j->creates[0].error_message, "Topic 'gone' is marked for deletion.");
    cluster_job_unref(j);
    const struct metadata *m = cluster_metadata(r.cluster);
    assert_int_equal(metadata_topic_find(m, slice_str("t"))->partitions[0].leader, 1);
    assert_null(metadata_topic_find(m, slice_str("gone")));
    metadata_unref(m);

    cluster_rig_stop(&r); // the next start brings both to their end
    r.removed_err = ERR_OK;
    cluster_rig_start(&r);
    cluster_rig_create(&r, "gone", 1);
    m = cluster_metadata(r.cluster);
    assert_int_equal(metadata_topic_find(m, slice_str("t"))->partitions[0].leader, 1);
    assert_int_equal(metadata_topic_find(m, slice_str("t"))->partitions[0].leader_epoch, 0);
    metadata_unref(m);
    cluster_rig_release(&r);
}

static void test_ids(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    r.options.broker_id = -1;
    cluster_rig_start(&r);
    assert_int_equal(cluster_broker_id(r.cluster), 1001);
    char id[64];
    snprintf(id, sizeof id, "%s", cluster_id(r.cluster));
    assert_int_equal(strlen(id), UUID_TEXT_LEN);
    cluster_rig_stop(&r);
    r.options.broker_id = 1001;
    r.options.cluster_id = id;
    cluster_rig_start(&r);
    assert_string_equal(cluster_id(r.cluster), id);
    cluster_rig_stop(&r);
    r.options.cluster_id = "somebodyElsesClusterId";
    assert_int_equal(cluster_open(&r.options, &r.cluster), ERR_INVALID);
    assert_null(r.cluster);
    // A new tree takes over the id the log directory has already.
    char *second = test_dir_new();
    r.options.zk_dir = second;
    cluster_rig_start(&r);
    assert_string_equal(cluster_id(r.cluster), "somebodyElsesClusterId");
    cluster_rig_release(&r);
    test_dir_remove(second);
}

static void test_producer_ids_are_never_given_twice(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    for (int64_t expected = 0; expected < 4000; expected += 1000) {
        if (expected % 2000 == 0) {
            cluster_rig_start(&r);
        }
        struct cluster_job *j;
        assert_int_equal(cluster_job_new(CLUSTER_PRODUCER_IDS, &j), ERR_OK);
        cluster_rig_run(&r, j);
        assert_int_equal(j->producer_id_first, expected);
        cluster_job_unref(j);
        if (expected % 2000 != 0) {
            cluster_rig_stop(&r);
        }
    }
    cluster_rig_release(&r);
}

static void offsets_run(struct cluster_rig *r, enum cluster_job_type type, struct consumer_offset *offsets,
                        int32_t count)
{
    struct cluster_job *j;
    assert_int_equal(cluster_job_new(type, &j), ERR_OK);
    j->consumer_offsets = offsets;
    j->consumer_offsets_count = count;
    cluster_rig_run(r, j);
    assert_int_equal(j->err, ERR_OK);
    cluster_job_unref(j);
}

static void test_offsets_in_the_tree(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    struct consumer_offset put[] = {
        {.group = "g", .topic = "t", .partition = 0, .offset = 7},
        {.group = "g", .topic = "t", .partition = 1, .offset = INT64_MIN},
        {.group = "no/name", .topic = "t", .partition = 0, .offset = 1},
    };
    offsets_run(&r, CLUSTER_CONSUMER_OFFSETS_WRITE, put, 3);
    assert_int_equal(put[0].err, ERR_OK);
    assert_int_equal(put[1].err, ERR_OK);
    assert_int_equal(put[2].err, ERR_INVALID);
    put[0].offset = 8; // the node is there now
    offsets_run(&r, CLUSTER_CONSUMER_OFFSETS_WRITE, put, 1);
    assert_int_equal(put[0].err, ERR_OK);
    cluster_rig_stop(&r);
    cluster_rig_start(&r);
    struct consumer_offset got[] = {
        {.group = "g", .topic = "t", .partition = 0},
        {.group = "g", .topic = "t", .partition = 1},
        {.group = "g", .topic = "t", .partition = 2},
        {.group = "h", .topic = "t", .partition = 0},
    };
    offsets_run(&r, CLUSTER_CONSUMER_OFFSETS_READ, got, 4);
    assert_int_equal(got[0].err, ERR_OK);
    assert_int_equal(got[0].offset, 8);
    assert_true(got[1].offset == INT64_MIN);
    assert_int_equal(got[2].err, ERR_NOT_FOUND);
    assert_int_equal(got[2].offset, -1);
    assert_int_equal(got[3].err, ERR_NOT_FOUND);
    cluster_rig_release(&r);
}

static void test_deletions_refused(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    struct cluster_job *j = delete_job_new("nobody");
    cluster_rig_run(&r, j);
    assert_int_equal(j->deletes[0].error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cluster_job_unref(j);
    j = delete_job_new("x");
    j->deletes[0].name = NULL;
    j->deletes[0].id.b[3] = 3;
    cluster_rig_run(&r, j);
    assert_int_equal(j->deletes[0].error_code, KAFKA_ERROR_UNKNOWN_TOPIC_ID);
    assert_null(j->deletes[0].out_name);
    cluster_job_unref(j);

    // One topic by its name and by its id.
    struct uuid id = cluster_rig_create(&r, "t", 1);
    assert_int_equal(cluster_job_new(CLUSTER_DELETE_TOPICS, &j), ERR_OK);
    struct topic_delete both[] = {{.name = "t", .name_len = 1}, {.id = id}};
    j->deletes = both;
    j->deletes_count = 2;
    cluster_rig_run(&r, j);
    assert_int_equal(both[0].error_code, 0);
    assert_int_equal(both[1].error_code, 0);
    assert_string_equal(both[1].out_name, "t");
    cluster_job_unref(j);

    cluster_rig_create(&r, "t", 1);
    cluster_rig_stop(&r);
    r.options.delete_topics = false;
    cluster_rig_start(&r);
    j = delete_job_new("t");
    cluster_rig_run(&r, j);
    assert_int_equal(j->deletes[0].error_code, KAFKA_ERROR_TOPIC_DELETION_DISABLED);
    cluster_job_unref(j);
    cluster_rig_release(&r);
}

// Who asks while another's creation of the same topic is on its way hears that it exists.
static void test_two_creations_at_once(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    struct cluster_job *first = create_job_new("t"), *second = create_job_new("t"), *third = create_job_new("t");
    third->auto_create = true;
    assert_int_equal(cluster_job_submit(r.cluster, first), ERR_OK);
    assert_int_equal(cluster_job_submit(r.cluster, second), ERR_OK);
    cluster_rig_run(&r, third);
    cluster_rig_wait(&r, first);
    cluster_rig_wait(&r, second);
    assert_int_equal(first->creates[0].error_code, 0);
    assert_int_equal(second->creates[0].error_code, KAFKA_ERROR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(third->creates[0].error_code, KAFKA_ERROR_LEADER_NOT_AVAILABLE);
    cluster_job_unref(first);
    cluster_job_unref(second);
    cluster_job_unref(third);
    cluster_rig_release(&r);
}

static void test_jobs_end_with_the_cluster(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    struct cluster_job *jobs[20];
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        jobs[i] = create_job_new(name);
        assert_int_equal(cluster_job_submit(r.cluster, jobs[i]), ERR_OK);
    }
    cluster_rig_stop(&r);
    for (int i = 0; i < 20; i++) {
        assert_true(cluster_job_done(jobs[i]));
        assert_true(jobs[i]->err == ERR_OK || jobs[i]->err == ERR_CLOSED);
        cluster_job_unref(jobs[i]);
    }
    cluster_rig_start(&r); // what was begun is whole now
    const struct metadata *m = cluster_metadata(r.cluster);
    for (int32_t i = 0; i < metadata_topics_count(m); i++) {
        assert_int_equal(metadata_topic_at(m, i)->partitions[0].leader, 1);
    }
    metadata_unref(m);
    cluster_rig_release(&r);
}

// More operations than are sent at once, at creation, at the next start and at deletion.
static void test_many_partitions(void **state)
{
    (void)state;
    struct cluster_rig r;
    const int32_t partitions = 11000;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    struct uuid id = cluster_rig_create(&r, "t", partitions);
    cluster_rig_stop(&r);
    cluster_rig_start(&r);
    const struct metadata *m = cluster_metadata(r.cluster);
    const struct metadata_topic *t = metadata_topic_find_id(m, &id);
    assert_non_null(t);
    assert_int_equal(t->partitions_count, partitions);
    for (int32_t i = 0; i < partitions; i++) {
        assert_int_equal(t->partitions[i].leader, 1);
    }
    metadata_unref(m);
    struct cluster_job *j = delete_job_new("t");
    cluster_rig_run(&r, j);
    assert_int_equal(j->deletes[0].error_code, 0);
    cluster_job_unref(j);
    cluster_rig_release(&r);
}

// A disk that takes no more writes of the journal.
struct bad_disk {
    struct os os; // first
    atomic_bool broken;
};

static int bad_fsync(const struct os *os, int fd)
{
    if (atomic_load(&((struct bad_disk *)(uintptr_t)os)->broken)) {
        errno = EIO;
        return -1;
    }
    return os_real()->fsync(os_real(), fd);
}

// What is there goes on; nothing can be changed until the next start, and no job waits for ever.
static void test_journal_fails(void **state)
{
    (void)state;
    struct bad_disk disk = {.os = *os_real()};
    struct cluster_rig r;
    disk.os.fsync = bad_fsync;
    cluster_rig_init(&r);
    r.options.os = &disk.os;
    cluster_rig_start(&r);
    cluster_rig_create(&r, "before", 1);
    atomic_store(&disk.broken, true);
    for (int i = 0; i < 2; i++) {
        struct cluster_job *j = create_job_new("after");
        cluster_rig_run(&r, j);
        assert_int_equal(j->err, ERR_IO);
        cluster_job_unref(j);
    }
    const struct metadata *m = cluster_metadata(r.cluster);
    assert_non_null(metadata_topic_find(m, slice_str("before")));
    assert_null(metadata_topic_find(m, slice_str("after")));
    metadata_unref(m);
    cluster_rig_stop(&r);
    atomic_store(&disk.broken, false);
    cluster_rig_start(&r);
    cluster_rig_create(&r, "after", 1);
    cluster_rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_is_kafkas),
        cmocka_unit_test(test_deletion_leaves_nothing),
        cmocka_unit_test(test_picture_after_creation),
        cmocka_unit_test(test_failing_log_directory),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_producer_ids_are_never_given_twice),
        cmocka_unit_test(test_offsets_in_the_tree),
        cmocka_unit_test(test_deletions_refused),
        cmocka_unit_test(test_two_creations_at_once),
        cmocka_unit_test(test_jobs_end_with_the_cluster),
        cmocka_unit_test(test_many_partitions),
        cmocka_unit_test(test_journal_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
