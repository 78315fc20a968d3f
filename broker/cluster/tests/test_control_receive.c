// SPDX-License-Identifier: Apache-2.0
//
// What a broker does with a controller's word while the tree does not answer: it hears of topics that others host, and
// hosts none whose configs it does not know. The tree is silenced by a full disk, on which a change waits, and whatever
// is asked behind it.
#include <errno.h>
#include <sched.h>

#include "base/tests/cmocka_all.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/control_messages.h"
#include "broker/cluster/tests/cluster_rig.h"
#include "zk/zk.h"

#define VERSION_LEADER_AND_ISR  7
#define VERSION_UPDATE_METADATA 8
#define CONTROLLER_EPOCH        100
#define REQUEST_MAX_BYTES       4096

struct full_disk {
    struct os os;
    atomic_bool full;
};

static ssize_t full_pwritev(const struct os *os, int fd, const struct iovec *iov, int n, int64_t position)
{
    const struct full_disk *disk = (const struct full_disk *)os;
    if (atomic_load(&disk->full)) {
        errno = ENOSPC;
        return -1;
    }
    return os_real()->pwritev(os_real(), fd, iov, n, position);
}

// ---------------------------------------------------------------------------------------------------------------
// Nodes made on the control thread; those made on a full disk block it

struct making {
    struct mailbox_item item; // first
    struct cluster *cluster;
    struct znode_path path;
    struct slice data;
    atomic_bool asked;
    atomic_bool made;
};

static void made(void *ctx, const struct zk_result *r)
{
    assert_int_equal(r->err, ERR_OK);
    atomic_store(&((struct making *)ctx)->made, true);
}

static void make(struct mailbox_item *item)
{
    struct making *m = (struct making *)item;
    zk_create(m->cluster->zk, m->path.s, m->data, ZK_PERSISTENT, made, m);
    atomic_store(&m->asked, true);
}

static void await(atomic_bool *what)
{
    while (!atomic_load(what)) {
        sched_yield();
    }
}

static void node_make(struct cluster_rig *r, struct making *m, const char *topic, const char *config)
{
    *m = (struct making){
        .item.run = make, .cluster = r->cluster, .path = znode_path_topic_config(topic), .data = slice_str(config)};
    loop_post(cluster_loop(r->cluster), &m->item);
    await(&m->asked);
}

// What this broker knows of a topic's configs by itself.
struct look {
    struct mailbox_item item; // first
    struct cluster *cluster;
    const char *topic;
    bool known;
    int64_t retention_ms;
    atomic_bool done;
};

static void look(struct mailbox_item *item)
{
    struct look *l = (struct look *)item;
    l->known = settings_known(l->cluster, l->topic);
    l->retention_ms = settings_find(l->cluster, l->topic)->retention_ms;
    atomic_store(&l->done, true);
}

static void settings_look(struct cluster_rig *r, struct look *l, const char *topic)
{
    *l = (struct look){.item.run = look, .cluster = r->cluster, .topic = topic};
    loop_post(cluster_loop(r->cluster), &l->item);
    await(&l->done);
}

// ---------------------------------------------------------------------------------------------------------------
// The controller's word about one partition

static struct cluster_job *control_job_new(int16_t key, int16_t version, const void *request)
{
    struct cluster_job *j;
    struct writer w;
    assert_int_equal(cluster_job_new(CLUSTER_CONTROL, &j), ERR_OK);
    uint8_t *body = arena_alloc(&j->arena, REQUEST_MAX_BYTES);
    assert_non_null(body);
    writer_init_fixed(&w, body, REQUEST_MAX_BYTES);
    assert_int_equal(message_encode(protocol_api_find(key)->request, version, request, &w, NULL), ERR_OK);
    j->control = (struct cluster_control){.key = key, .version = version, .body = slice_of(body, w.len)};
    return j;
}

static struct cluster_job *metadata_job_new(const char *topic)
{
    int32_t elsewhere = 7;
    struct update_metadata_request request;
    struct update_metadata_request_update_metadata_broker broker;
    struct update_metadata_request_update_metadata_endpoint endpoint;
    struct update_metadata_request_update_metadata_topic_state t;
    struct update_metadata_request_update_metadata_partition_state p;
    update_metadata_request_init(&request);
    update_metadata_request_update_metadata_broker_init(&broker);
    update_metadata_request_update_metadata_endpoint_init(&endpoint);
    update_metadata_request_update_metadata_topic_state_init(&t);
    update_metadata_request_update_metadata_partition_state_init(&p);
    p.leader = elsewhere;
    p.replicas = p.isr = &elsewhere;
    p.replicas_count = p.isr_count = 1;
    t.topic_name = slice_str(topic);
    uuid_random(os_real(), &t.topic_id);
    t.partition_states = &p;
    t.partition_states_count = 1;
    endpoint.host = slice_str("127.0.0.1");
    endpoint.listener = slice_str("PLAINTEXT");
    broker.id = elsewhere;
    broker.endpoints = &endpoint;
    broker.endpoints_count = 1;
    request.controller_epoch = CONTROLLER_EPOCH;
    request.topic_states = &t;
    request.topic_states_count = 1;
    request.live_brokers = &broker;
    request.live_brokers_count = 1;
    return control_job_new(KEY_UPDATE_METADATA, VERSION_UPDATE_METADATA, &request);
}

static struct cluster_job *leader_job_new(const char *topic)
{
    int32_t here = 1;
    struct leader_and_isr_request request;
    struct leader_and_isr_request_leader_and_isr_topic_state t;
    struct leader_and_isr_request_leader_and_isr_partition_state p;
    leader_and_isr_request_init(&request);
    leader_and_isr_request_leader_and_isr_topic_state_init(&t);
    leader_and_isr_request_leader_and_isr_partition_state_init(&p);
    p.leader = here;
    p.replicas = p.isr = &here;
    p.replicas_count = p.isr_count = 1;
    t.topic_name = slice_str(topic);
    uuid_random(os_real(), &t.topic_id);
    t.partition_states = &p;
    t.partition_states_count = 1;
    request.controller_epoch = CONTROLLER_EPOCH;
    request.topic_states = &t;
    request.topic_states_count = 1;
    return control_job_new(KEY_LEADER_AND_ISR, VERSION_LEADER_AND_ISR, &request);
}

static void finish(struct cluster_rig *r, struct cluster_job *j)
{
    cluster_rig_wait(r, j);
    assert_int_equal(j->err, ERR_OK);
    cluster_job_unref(j);
}

static bool is_heard_of(struct cluster_rig *r, const char *topic)
{
    const struct metadata *m = cluster_metadata(r->cluster);
    bool heard = metadata_topic_find(m, slice_str(topic)) != NULL;
    metadata_unref(m);
    return heard;
}

// ---------------------------------------------------------------------------------------------------------------

static void test_tree_is_silent(void **state)
{
    (void)state;
    struct full_disk disk = {.os = *os_real()};
    struct cluster_rig r;
    struct making nodes[4];
    struct look seen;
    disk.os.pwritev = full_pwritev;
    cluster_rig_init(&r);
    r.options.os = &disk.os;
    cluster_rig_start(&r);
    node_make(&r, &nodes[0], "elsewhere", "{\"version\":1,\"config\":{\"retention.ms\":\"5000\"}}");
    node_make(&r, &nodes[1], "here", "{\"version\":1,\"config\":{\"retention.ms\":\"6000\"}}");
    node_make(&r, &nodes[2], "quiet", "{\"version\":1,\"config\":{\"retention.ms\":\"7000\"}}");
    await(&nodes[2].made);
    atomic_store(&disk.full, true);
    node_make(&r, &nodes[3], "blocked", "{\"version\":1,\"config\":{}}");

    static const char *const topics[] = {"elsewhere", "quiet", "quiet"};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        struct cluster_job *told = metadata_job_new(topics[i]);
        cluster_rig_run(&r, told);
        assert_int_equal(told->err, ERR_OK);
        cluster_job_unref(told);
        assert_true(is_heard_of(&r, topics[i]));
        settings_look(&r, &seen, topics[i]);
        assert_false(seen.known);
    }
    struct cluster_job *described = configs_job_new(CLUSTER_DESCRIBE_CONFIGS, CONFIG_RESOURCE_TOPIC, "elsewhere");
    struct cluster_job *led = leader_job_new("here");
    assert_int_equal(cluster_job_submit(r.cluster, described), ERR_OK);
    assert_int_equal(cluster_job_submit(r.cluster, led), ERR_OK);
    struct making behind; // the control thread has had both in hand
    node_make(&r, &behind, "behind", "{\"version\":1,\"config\":{}}");
    assert_false(cluster_job_done(described));
    assert_false(cluster_job_done(led));
    assert_null(cluster_rig_hosted(&r, "here-0"));

    atomic_store(&disk.full, false);
    cluster_rig_wait(&r, described);
    const struct config_shown *s = config_list_find(&described->resources[0].shown, "retention.ms");
    assert_non_null(s);
    assert_string_equal(s->value, "5000");
    cluster_job_unref(described);
    finish(&r, led);
    assert_int_equal(cluster_rig_hosted(&r, "here-0")->retention_ms, 6000);
    await(&behind.made);
    settings_look(&r, &seen, "quiet");
    assert_true(seen.known);
    assert_int_equal(seen.retention_ms, 7000);
    cluster_rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
