// SPDX-License-Identifier: Apache-2.0
//
// LeaderAndIsr, StopReplica and UpdateMetadata in every version, as another broker's controller sends them: what is
// taken, what is refused, and what clients see of it afterwards.
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "broker/api/tests/api_rig.h"

#define OTHER_EPOCH     5 // of a controller after this broker's own
#define FEW_DESCRIPTORS 3 // less than an event loop needs

static struct leader_and_isr_request *leader_request(struct api_rig *rig, int16_t version, const char *topic,
                                                     int32_t partition, int32_t leader_epoch)
{
    struct arena *a = &rig->arena;
    int32_t *self = arena_alloc(a, sizeof *self);
    struct leader_and_isr_request *in = arena_alloc(a, sizeof *in);
    struct leader_and_isr_request_leader_and_isr_partition_state *p = arena_alloc(a, sizeof *p);
    leader_and_isr_request_init(in);
    leader_and_isr_request_leader_and_isr_partition_state_init(p);
    in->controller_id = 9;
    in->controller_epoch = OTHER_EPOCH;
    p->partition_index = partition;
    p->controller_epoch = OTHER_EPOCH;
    p->leader = *self = rig->options.broker_id;
    p->leader_epoch = leader_epoch;
    p->isr = p->replicas = self;
    p->isr_count = p->replicas_count = 1;
    if (version < 2) {
        p->topic_name = slice_str(topic);
        in->ungrouped_partition_states = p;
        in->ungrouped_partition_states_count = 1;
        return in;
    }
    in->topic_states = arena_alloc(a, sizeof *in->topic_states);
    in->topic_states_count = 1;
    leader_and_isr_request_leader_and_isr_topic_state_init(in->topic_states);
    in->topic_states->topic_name = slice_str(topic);
    in->topic_states->topic_id = (struct uuid){{1, 2, 3, (uint8_t)version}};
    in->topic_states->partition_states = p;
    in->topic_states->partition_states_count = 1;
    return in;
}

static int16_t leader_code(struct api_rig *rig, int fd, int16_t version, struct leader_and_isr_request *in)
{
    const struct leader_and_isr_response *out = rig_call(rig, fd, 4, version, in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    if (version >= 5) {
        assert_int_equal(out->topics_count, 1);
        assert_memory_equal(&out->topics[0].topic_id, &in->topic_states->topic_id, 16);
        assert_int_equal(out->topics[0].partition_errors_count, 1);
        return out->topics[0].partition_errors[0].error_code;
    }
    assert_int_equal(out->partition_errors_count, 1);
    return out->partition_errors[0].error_code;
}

static void test_leader_in_every_version(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    for (int16_t version = 0; version <= 7; version++) {
        const char *topic = arena_printf(&rig.arena, "t%d", version);
        assert_int_equal(leader_code(&rig, fd, version, leader_request(&rig, version, topic, 0, 0)), KAFKA_ERROR_NONE);
    }
    close(fd);
    api_rig_close(&rig);
}

static void test_refused_as_a_whole(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    struct leader_and_isr_request *in = leader_request(&rig, 7, "t", 0, 0);
    in->broker_epoch = cluster_broker_epoch(rig.cluster) - 1;
    const struct leader_and_isr_response *out = rig_call(&rig, fd, 4, 7, in);
    assert_int_equal(out->error_code, KAFKA_ERROR_STALE_BROKER_EPOCH);
    in->broker_epoch++;
    out = rig_call(&rig, fd, 4, 7, in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    // From now on the controller of before has nothing to say, whichever way it says it.
    in->controller_epoch = OTHER_EPOCH - 1;
    out = rig_call(&rig, fd, 4, 7, in);
    assert_int_equal(out->error_code, KAFKA_ERROR_STALE_CONTROLLER_EPOCH);
    struct update_metadata_request metadata;
    update_metadata_request_init(&metadata);
    metadata.controller_epoch = OTHER_EPOCH - 1;
    const struct update_metadata_response *told = rig_call(&rig, fd, 6, 8, &metadata);
    assert_int_equal(told->error_code, KAFKA_ERROR_STALE_CONTROLLER_EPOCH);
    struct stop_replica_request stop;
    stop_replica_request_init(&stop);
    stop.controller_epoch = OTHER_EPOCH - 1;
    const struct stop_replica_response *stopped = rig_call(&rig, fd, 5, 4, &stop);
    assert_int_equal(stopped->error_code, KAFKA_ERROR_STALE_CONTROLLER_EPOCH);
    close(fd);
    api_rig_close(&rig);
}

// What a controller's request to the broker of that registration is answered.
static int16_t told_as(struct api_rig *rig, int fd, int16_t key, int64_t broker_epoch)
{
    struct leader_and_isr_request lead;
    struct stop_replica_request stop;
    struct update_metadata_request update;
    switch (key) {
    case 4:
        leader_and_isr_request_init(&lead);
        lead.controller_epoch = OTHER_EPOCH;
        lead.broker_epoch = broker_epoch;
        return ((const struct leader_and_isr_response *)rig_call(rig, fd, key, 7, &lead))->error_code;
    case 5:
        stop_replica_request_init(&stop);
        stop.controller_epoch = OTHER_EPOCH;
        stop.broker_epoch = broker_epoch;
        return ((const struct stop_replica_response *)rig_call(rig, fd, key, 4, &stop))->error_code;
    default:
        update_metadata_request_init(&update);
        update.controller_epoch = OTHER_EPOCH;
        update.broker_epoch = broker_epoch;
        return ((const struct update_metadata_response *)rig_call(rig, fd, key, 8, &update))->error_code;
    }
}

// What is meant for an earlier registration of this broker is refused (KIP-380). Nobody says an epoch before he knows
// of it; a later one than is known here is of a registration that has just been made.
static void test_broker_epochs(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    int64_t own = cluster_broker_epoch(rig.cluster);
    for (int16_t key = 4; key <= 6; key++) {
        assert_int_equal(told_as(&rig, fd, key, own - 1), KAFKA_ERROR_STALE_BROKER_EPOCH);
        assert_int_equal(told_as(&rig, fd, key, own), KAFKA_ERROR_NONE);
        assert_int_equal(told_as(&rig, fd, key, own + 1), KAFKA_ERROR_NONE);
        assert_int_equal(told_as(&rig, fd, key, -1), KAFKA_ERROR_NONE);
    }
    close(fd);
    api_rig_close(&rig);
}

static bool thread_exists(const char *name)
{
    bool found = false;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char path[300], comm[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        FILE *f = fopen(path, "re");
        if (f != NULL) { // it may have ended meanwhile
            found = found || (fgets(comm, sizeof comm, f) != NULL && strncmp(comm, name, strlen(name)) == 0);
            fclose(f);
        }
    }
    closedir(d);
    return found;
}

// A replica is to follow, and there are too few descriptors for the thread that copies: it is started later. Whoever
// else in this process needs one meanwhile finds those few.
static void test_copied_when_there_are_descriptors(void **state)
{
    (void)state;
    struct api_rig rig;
    struct rlimit limit, few;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    assert_int_equal(leader_code(&rig, fd, 7, leader_request(&rig, 7, "t", 0, 0)), KAFKA_ERROR_NONE);
    struct leader_and_isr_request *in = leader_request(&rig, 7, "t", 0, 1);
    in->topic_states->partition_states->leader = 2;
    int lowest = dup(fd);
    assert_true(lowest >= 0);
    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = limit;
    few.rlim_cur = (rlim_t)lowest + FEW_DESCRIPTORS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int16_t code = leader_code(&rig, fd, 7, in);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(code, KAFKA_ERROR_NONE);
    while (!thread_exists("fetch-0")) {
        sched_yield();
    }
    close(fd);
    api_rig_close(&rig);
}

// ---- StopReplica ----

static struct stop_replica_request *stop_request(struct api_rig *rig, int16_t version, const char *topic)
{
    static int32_t zero[] = {0};
    struct arena *a = &rig->arena;
    struct stop_replica_request *in = arena_alloc(a, sizeof *in);
    stop_replica_request_init(in);
    in->controller_id = 9;
    in->controller_epoch = OTHER_EPOCH;
    if (version == 0) {
        in->delete_partitions = true;
        in->ungrouped_partitions = arena_alloc(a, sizeof *in->ungrouped_partitions);
        in->ungrouped_partitions_count = 1;
        stop_replica_request_stop_replica_partition_v0_init(in->ungrouped_partitions);
        in->ungrouped_partitions->topic_name = slice_str(topic);
    } else if (version < 3) {
        in->delete_partitions = true;
        in->topics = arena_alloc(a, sizeof *in->topics);
        in->topics_count = 1;
        stop_replica_request_stop_replica_topic_v1_init(in->topics);
        in->topics->name = slice_str(topic);
        in->topics->partition_indexes = zero;
        in->topics->partition_indexes_count = 1;
    } else {
        in->topic_states = arena_alloc(a, sizeof *in->topic_states);
        in->topic_states_count = 1;
        stop_replica_request_stop_replica_topic_state_init(in->topic_states);
        in->topic_states->topic_name = slice_str(topic);
        in->topic_states->partition_states = arena_alloc(a, sizeof *in->topic_states->partition_states);
        in->topic_states->partition_states_count = 1;
        stop_replica_request_stop_replica_partition_state_init(in->topic_states->partition_states);
        in->topic_states->partition_states->leader_epoch = -2;
        in->topic_states->partition_states->delete_partition = true;
    }
    return in;
}

// What is said twice, and what an older leader epoch would say.
static void test_old_news(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    assert_int_equal(leader_code(&rig, fd, 7, leader_request(&rig, 7, "t", 0, 3)), KAFKA_ERROR_NONE);
    for (int32_t epoch = 2; epoch <= 3; epoch++) {
        struct leader_and_isr_request *in = leader_request(&rig, 7, "t", 0, epoch);
        assert_int_equal(leader_code(&rig, fd, 7, in), KAFKA_ERROR_STALE_CONTROLLER_EPOCH);
    }
    static const struct {
        int32_t leader_epoch;
        int16_t code;
    } stops[] = {{2, KAFKA_ERROR_FENCED_LEADER_EPOCH}, {3, KAFKA_ERROR_NONE}, {-1, KAFKA_ERROR_NONE}};
    for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
        struct stop_replica_request *in = stop_request(&rig, 4, "t");
        in->topic_states[0].partition_states[0].leader_epoch = stops[i].leader_epoch;
        const struct stop_replica_response *out = rig_call(&rig, fd, 5, 4, in);
        assert_int_equal(out->partition_errors[0].error_code, stops[i].code);
    }
    close(fd);
    api_rig_close(&rig);
}

static void test_stop_in_every_version(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    for (int16_t version = 0; version <= 4; version++) {
        const char *topic = arena_printf(&rig.arena, "t%d", version);
        assert_int_equal(leader_code(&rig, fd, 7, leader_request(&rig, 7, topic, 0, 0)), KAFKA_ERROR_NONE);
        for (int round = 0; round < 2; round++) { // what is not there is stopped all the same
            const struct stop_replica_response *out =
                rig_call(&rig, fd, 5, version, stop_request(&rig, version, topic));
            assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
            assert_int_equal(out->partition_errors_count, 1);
            assert_int_equal(out->partition_errors[0].error_code, KAFKA_ERROR_NONE);
            assert_true(slice_equal(out->partition_errors[0].topic_name, slice_str(topic)));
        }
    }
    close(fd);
    api_rig_close(&rig);
}

// ---- UpdateMetadata ----

static struct update_metadata_request *metadata_request(struct api_rig *rig, int16_t version, int32_t leader)
{
    static int32_t replicas[] = {1, 2};
    struct arena *a = &rig->arena;
    struct update_metadata_request *in = arena_alloc(a, sizeof *in);
    struct update_metadata_request_update_metadata_partition_state *p = arena_alloc(a, sizeof *p);
    update_metadata_request_init(in);
    update_metadata_request_update_metadata_partition_state_init(p);
    in->controller_id = 2;
    in->controller_epoch = OTHER_EPOCH;
    in->live_brokers = arena_alloc(a, sizeof *in->live_brokers);
    in->live_brokers_count = 1;
    update_metadata_request_update_metadata_broker_init(in->live_brokers);
    in->live_brokers->id = 2;
    in->live_brokers->v0_host = slice_str("other");
    in->live_brokers->v0_port = 4711;
    in->live_brokers->endpoints = arena_alloc(a, sizeof *in->live_brokers->endpoints);
    in->live_brokers->endpoints_count = version > 0;
    update_metadata_request_update_metadata_endpoint_init(in->live_brokers->endpoints);
    in->live_brokers->endpoints->host = slice_str("other");
    in->live_brokers->endpoints->port = 4711;
    in->live_brokers->endpoints->listener = slice_str("PLAINTEXT");
    p->topic_name = slice_str("t");
    p->partition_index = 1; // of 0 nothing has been said
    p->leader = leader;
    p->leader_epoch = 3;
    p->isr = p->replicas = replicas;
    p->isr_count = p->replicas_count = 2;
    if (version < 5) {
        in->ungrouped_partition_states = p;
        in->ungrouped_partition_states_count = 1;
        return in;
    }
    in->topic_states = arena_alloc(a, sizeof *in->topic_states);
    in->topic_states_count = 1;
    update_metadata_request_update_metadata_topic_state_init(in->topic_states);
    in->topic_states->topic_name = slice_str("t");
    in->topic_states->partition_states = p;
    in->topic_states->partition_states_count = 1;
    return in;
}

static void test_metadata_in_every_version(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    for (int16_t version = 0; version <= 8; version++) {
        const struct update_metadata_response *out = rig_call(&rig, fd, 6, version, metadata_request(&rig, version, 2));
        assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
        const struct metadata *m = cluster_metadata(rig.cluster);
        assert_int_equal(metadata_controller_id(m), 2);
        assert_int_equal(metadata_brokers_count(m), 1);
        const struct metadata_endpoint *e = metadata_broker_endpoint(metadata_broker_at(m, 0), "PLAINTEXT");
        assert_string_equal(e->host, "other");
        assert_int_equal(e->port, 4711);
        const struct metadata_topic *t = metadata_topic_find(m, slice_str("t"));
        assert_int_equal(t->partitions_count, 2);
        assert_int_equal(t->partitions[1].leader, 2);
        assert_int_equal(t->partitions[1].leader_epoch, 3);
        assert_int_equal(t->partitions[1].isr_count, 2);
        metadata_unref(m);
        out = rig_call(&rig, fd, 6, version, metadata_request(&rig, version, -2)); // the topic goes
        assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
        m = cluster_metadata(rig.cluster);
        assert_null(metadata_topic_find(m, slice_str("t")));
        metadata_unref(m);
    }
    close(fd);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leader_in_every_version),
        cmocka_unit_test(test_refused_as_a_whole),
        cmocka_unit_test(test_broker_epochs),
        cmocka_unit_test(test_copied_when_there_are_descriptors),
        cmocka_unit_test(test_old_news),
        cmocka_unit_test(test_stop_in_every_version),
        cmocka_unit_test(test_metadata_in_every_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
