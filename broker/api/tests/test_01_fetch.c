// SPDX-License-Identifier: Apache-2.0
//
// Fetch through a broker: what becomes of the files that were found for an answer, sessions over several requests and
// connections, and what clients of old versions get.
#include "broker/api/tests/api_rig.h"

#include "base/tests/cmocka_all.h"
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define PRODUCE       0
#define FETCH         1
#define DELETE_TOPICS 20

// How many descriptors of this process are open on files whose path contains the text.
static int open_files(const char *text)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[64 + sizeof e->d_name];
        char target[TEST_PATH_MAX_BYTES];
        snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
        ssize_t len = readlink(path, target, sizeof target - 1);
        target[len > 0 ? len : 0] = '\0';
        n += strstr(target, text) != NULL;
    }
    closedir(dir);
    return n;
}

static void topic_delete(struct api_rig *rig, int fd, const char *name)
{
    struct delete_topics_request in;
    struct slice names[] = {slice_str(name)};
    delete_topics_request_init(&in);
    in.topic_names = names;
    in.topic_names_count = 1;
    in.timeout_ms = 30000;
    const struct delete_topics_response *out = rig_call(rig, fd, DELETE_TOPICS, 5, &in);
    assert_int_equal(out->responses[0].error_code, KAFKA_ERROR_NONE);
}

// What is converted or refused after it was found is given back, too.
static void test_files_are_given_back(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic_with(&rig, fd, "given-back-refused", 1, "message.downconversion.enable", "false");
    rig_create_topic(&rig, fd, "given-back", 1);
    rig_call(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, "given-back", "value", 1));
    rig_call(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, "given-back-refused", "value", 1));
    for (int16_t version = 0; version <= 3; version++) {
        const struct fetch_response *out =
            rig_call(&rig, fd, FETCH, version, rig_fetch_request(&rig, "given-back", 0, 0));
        assert_true(out->responses[0].partitions[0].records.len > 0);
        out = rig_call(&rig, fd, FETCH, version, rig_fetch_request(&rig, "given-back-refused", 0, 0));
        assert_int_equal(out->responses[0].partitions[0].error_code, KAFKA_ERROR_UNSUPPORTED_VERSION);
        assert_int_equal(out->responses[0].partitions[0].records.len, 0);
    }
    const struct fetch_response *out = rig_call(&rig, fd, FETCH, 4, rig_fetch_request(&rig, "given-back", 0, 0));
    assert_true(out->responses[0].partitions[0].records.len > 0);
    pool_drain(rig.pool); // new partitions settle there, which opens a file now and then
    assert_int_equal(open_files("given-back"), 2);
    topic_delete(&rig, fd, "given-back");
    topic_delete(&rig, fd, "given-back-refused");
    assert_int_equal(open_files("given-back"), 0);
    close(fd);
    api_rig_close(&rig);
}

// ---- one topic, "t" ----

static struct api_rig rig;
static int fd;

static void start(void)
{
    api_rig_open(&rig);
    fd = rig_connect(&rig);
}

static void stop(void)
{
    close(fd);
    api_rig_close(&rig);
}

static void produce(const char *topic, const char *value)
{
    struct produce_response *out = rig_call(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, topic, value, 1));
    assert_int_equal(out->responses[0].partition_responses[0].error_code, KAFKA_ERROR_NONE);
}

static struct fetch_response *fetch(int16_t version, struct fetch_request *in)
{
    return rig_call(&rig, fd, FETCH, version, in);
}

// A request of the session that names nothing.
static struct fetch_request *again(int32_t session_id, int32_t epoch)
{
    struct fetch_request *in = rig_fetch_request(&rig, "t", 0, 0);
    in->topics_count = 0;
    in->session_id = session_id;
    in->session_epoch = epoch;
    return in;
}

static void test_a_session(void **state)
{
    (void)state;
    start();
    rig_create_topic(&rig, fd, "t", 1);
    produce("t", "one");
    struct fetch_request *in = rig_fetch_request(&rig, "t", 0, 0);
    in->session_epoch = 0;
    struct fetch_response *out = fetch(12, in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    int32_t id = out->session_id;
    assert_true(id > 0);
    assert_int_equal(out->responses_count, 1);
    assert_true(out->responses[0].partitions[0].records.len > 0);

    in = rig_fetch_request(&rig, "t", 1, 0); // moves on to the end
    in->session_id = id;
    in->session_epoch = 1;
    out = fetch(12, in);
    assert_int_equal(out->session_id, id);
    assert_int_equal(out->responses_count, 0);

    close(fd);
    fd = rig_connect(&rig); // a session belongs to no connection
    produce("t", "two");
    out = fetch(12, again(id, 2));
    assert_int_equal(out->session_id, id);
    assert_int_equal(out->responses_count, 1);
    assert_true(slice_equal(out->responses[0].topic, slice_str("t")));
    assert_int_equal(out->responses[0].partitions[0].high_watermark, 2);
    assert_true(out->responses[0].partitions[0].records.len > 0);

    out = fetch(12, again(id, 2));
    assert_int_equal(out->error_code, KAFKA_ERROR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(out->session_id, 0);
    out = fetch(13, again(id, 3));
    assert_int_equal(out->error_code, KAFKA_ERROR_FETCH_SESSION_TOPIC_ID_ERROR);
    in = rig_fetch_request(&rig, "t", 0, 0); // ends it
    in->session_id = id;
    in->session_epoch = -1;
    out = fetch(12, in);
    assert_int_equal(out->session_id, 0);
    assert_int_equal(out->responses_count, 1);
    out = fetch(12, again(id, 3));
    assert_int_equal(out->error_code, KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND);
    stop();
}

static void test_a_session_waits_for_news(void **state)
{
    (void)state;
    start();
    rig_create_topic(&rig, fd, "t", 1);
    struct fetch_request *in = rig_fetch_request(&rig, "t", 0, 0);
    in->session_epoch = 0;
    int32_t id = fetch(12, in)->session_id;
    in = again(id, 1);
    in->max_wait_ms = 60000;
    in->min_bytes = 1;
    int32_t correlation_id = rig_send(&rig, fd, FETCH, 12, in);
    int other = rig_connect(&rig);
    rig_call(&rig, other, PRODUCE, 9, rig_produce_request(&rig, "t", "news", 1));
    struct fetch_response *out = rig_receive(&rig, fd, FETCH, 12, correlation_id);
    assert_int_equal(out->responses_count, 1);
    assert_int_equal(out->responses[0].partitions[0].high_watermark, 1);
    close(other);
    stop();
}

static const struct fetch_response_partition_data *fetch_old(int16_t version)
{
    struct fetch_response *out = fetch(version, rig_fetch_request(&rig, "t", 0, 0));
    assert_int_equal(out->responses_count, 1);
    return &out->responses[0].partitions[0];
}

// An operating system whose files are never in memory, and that counts how often they are read.
static atomic_int cold_reads;

static bool never_cached(const struct os *os, int file, int64_t position, size_t len)
{
    (void)os;
    (void)file;
    (void)position;
    (void)len;
    return false;
}

static ssize_t counted_pread(const struct os *os, int file, void *buf, size_t len, int64_t position)
{
    (void)os;
    atomic_fetch_add(&cold_reads, 1);
    return os_real()->pread(os_real(), file, buf, len, position);
}

// What is not in memory is read by a disk thread and then sent; what was just written is not asked for at all.
static void test_cold_records(void **state)
{
    (void)state;
    enum {
        RECORDS = 40 // more than the log remembers the places of
    };
    struct os cold = *os_real();
    cold.is_cached = never_cached;
    cold.pread = counted_pread;
    api_rig_open_on(&rig, &cold);
    fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    for (int i = 0; i < RECORDS; i++) {
        produce("t", "value");
    }
    atomic_store(&cold_reads, 0);
    const struct fetch_response_partition_data *p =
        &fetch(12, rig_fetch_request(&rig, "t", RECORDS - 1, 0))->responses[0].partitions[0];
    assert_memory_equal(p->records.data + p->records.len - 6, "value", 5);
    assert_int_equal(atomic_load(&cold_reads), 0);
    p = &fetch(12, rig_fetch_request(&rig, "t", 0, 0))->responses[0].partitions[0];
    assert_memory_equal(p->records.data + p->records.len - 6, "value", 5);
    assert_in_range(atomic_load(&cold_reads), 1, 2);
    for (int i = 0; i < 20; i++) { // nobody is there any more when it has been read
        int other = rig_connect(&rig);
        rig_send(&rig, other, FETCH, 12, rig_fetch_request(&rig, "t", 0, 0));
        close(other);
    }
    assert_int_equal(fetch(12, rig_fetch_request(&rig, "t", 0, 0))->error_code, KAFKA_ERROR_NONE);
    topic_delete(&rig, fd, "t");
    while (open_files("/t-0") > 0) { // until the last of them has gone
    }
    stop();
}

// What happens when a topic is deleted and created again between a request's picture of the cluster and its lookup of
// the partition: here the picture stays as it is for good.
static void topic_replace(const char *topic)
{
    struct cluster_hooks hooks = replica_manager_hooks(rig.replicas);
    int32_t self = rig.options.broker_id;
    struct cluster_partition_state state = {
        .topic = topic,
        .leader = self,
        .isr = &self,
        .isr_count = 1,
        .replicas = &self,
        .replicas_count = 1,
        .is_new = true,
        .config = &rig.defaults,
    };
    uuid_random(os_real(), &state.topic_id);
    assert_int_equal(hooks.partition_removed(hooks.ctx, topic, 0, -2, true), ERR_OK);
    assert_int_equal(hooks.partition_changed(hooks.ctx, &state), ERR_OK);
}

static void test_another_topic_of_the_same_name(void **state)
{
    (void)state;
    start();
    rig_create_topic(&rig, fd, "t", 1);
    const struct metadata *m = cluster_metadata(rig.cluster);
    struct uuid id = metadata_topic_find(m, slice_str("t"))->id;
    metadata_unref(m);
    struct fetch_request *in = rig_fetch_request(&rig, "", 0, 0);
    in->topics[0].topic_id = id;
    assert_int_equal(fetch(13, in)->responses[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    topic_replace("t");
    produce("t", "of another");
    const struct fetch_response_partition_data *p = &fetch(13, in)->responses[0].partitions[0];
    assert_int_equal(p->error_code, KAFKA_ERROR_INCONSISTENT_TOPIC_ID);
    assert_int_equal(p->records.len, 0);
    p = &fetch(12, rig_fetch_request(&rig, "t", 0, 0))
             ->responses[0]
             .partitions[0]; // who asks by name gets what is there
    assert_int_equal(p->error_code, KAFKA_ERROR_NONE);
    assert_true(p->records.len > 0);
    stop();
}

static void test_old_versions_get_old_formats(void **state)
{
    (void)state;
    start();
    rig_create_topic(&rig, fd, "t", 1);
    const struct fetch_response_partition_data *p = fetch_old(0);
    assert_int_equal(p->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(p->records.len, 0);
    produce("t", "value");
    for (int16_t version = 0; version <= 4; version++) {
        p = fetch_old(version);
        assert_int_equal(p->error_code, KAFKA_ERROR_NONE);
        assert_int_equal(p->high_watermark, 1);
        assert_true(p->records.len > 16);
        assert_int_equal(p->records.data[16], version / 2); // the magic byte
    }
    stop();
}

static void test_no_down_conversion(void **state)
{
    (void)state;
    start();
    rig_create_topic_with(&rig, fd, "t", 1, "message.downconversion.enable", "false");
    produce("t", "value");
    const struct fetch_response_partition_data *p = fetch_old(3);
    assert_int_equal(p->error_code, KAFKA_ERROR_UNSUPPORTED_VERSION);
    assert_null(p->records.data);
    assert_int_equal(p->high_watermark, -1);
    assert_int_equal(fetch_old(4)->error_code, KAFKA_ERROR_NONE);
    stop();
}

static void test_zstd_topics(void **state)
{
    (void)state;
    start();
    rig_create_topic_with(&rig, fd, "t", 1, "compression.type", "zstd");
    produce("t", "value");
    assert_int_equal(fetch_old(0)->error_code, KAFKA_ERROR_UNSUPPORTED_COMPRESSION_TYPE);
    assert_int_equal(fetch_old(9)->error_code, KAFKA_ERROR_UNSUPPORTED_COMPRESSION_TYPE);
    const struct fetch_response_partition_data *p = fetch_old(10);
    assert_int_equal(p->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(p->records.data[22] & 7, 4); // the codec: it was packed anew
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_given_back),
        cmocka_unit_test(test_a_session),
        cmocka_unit_test(test_a_session_waits_for_news),
        cmocka_unit_test(test_old_versions_get_old_formats),
        cmocka_unit_test(test_no_down_conversion),
        cmocka_unit_test(test_zstd_topics),
        cmocka_unit_test(test_another_topic_of_the_same_name),
        cmocka_unit_test(test_cold_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
