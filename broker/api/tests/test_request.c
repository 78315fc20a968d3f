// SPDX-License-Identifier: Apache-2.0
//
// The life of a request as a client sees it: what is refused, what is answered in which order, waiting, deadlines,
// clients that go away, a broker that stops.
#include "broker/api/tests/api_rig.h"

#include "base/tests/cmocka_all.h"
#include <sys/socket.h>
#include <unistd.h>

#define PRODUCE      0
#define FETCH        1
#define METADATA     3
#define API_VERSIONS 18

enum {
    LONG_MS = 600 * 1000, // longer than any test
};

static void frame_send(int fd, const void *frame, size_t len)
{
    uint8_t size[4];
    store_be32(size, (uint32_t)len);
    rig_write(fd, size, 4);
    rig_write(fd, frame, len);
}

// A good request, then this frame: the first is answered, then the connection ends.
static void refused(struct api_rig *rig, const void *frame, size_t len)
{
    struct api_versions_request good;
    int fd = rig_connect(rig);
    api_versions_request_init(&good);
    int32_t id = rig_send(rig, fd, API_VERSIONS, 0, &good);
    frame_send(fd, frame, len);
    rig_receive(rig, fd, API_VERSIONS, 0, id);
    rig_expect_end(fd);
}

static void test_refusals(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    refused(&rig, "\0\3", 2);                                           // not even a version
    refused(&rig, "\0\3\0\1\0\0\0", 7);                                 // header cut short
    refused(&rig, "\0\3\0\1\0\0\0\1\0\5ab", 12);                        // client id cut short
    refused(&rig, "\0\3\0\11\0\0\0\1\0\0\1\0\200\200\200\200\200", 17); // tags cut short
    refused(&rig, "\0\143\0\0\0\0\0\1\0\0", 10);                        // API 99
    refused(&rig, "\177\377\0\0\0\0\0\1\0\0", 10);                      // API 32767
    refused(&rig, "\377\377\0\0\0\0\0\1\0\0", 10);                      // API -1
    refused(&rig, "\0\7\0\0\0\0\0\1", 8);                               // ControlledShutdown: known, not served
    refused(&rig, "\0\3\0\15\0\0\0\1\0\0\0", 11);                       // Metadata v13
    refused(&rig, "\0\3\377\377\0\0\0\1\0\0", 10);                      // Metadata v-1
    refused(&rig, "\0\3\0\1\0\0\0\1\0\0\177\377\377\377", 14);          // 2^31 - 1 topics in no bytes
    refused(&rig, "\0\3\0\1\0\0\0\1\0\0\0\0\0\1\0\5ab", 18);            // body cut short
    api_rig_close(&rig);
}

static void test_odd_but_good(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    frame_send(fd, "\0\3\0\1\0\0\0\1\377\377\377\377\377\377", 14);  // null client id
    frame_send(fd, "\0\3\0\1\0\0\0\2\0\0\377\377\377\377stray", 19); // bytes left over
    frame_send(fd, "\0\3\0\11\0\0\0\3\0\1x\1\5\2ab\0\1\0\0\0", 21);  // an unknown tag in the header
    for (int32_t id = 1; id <= 2; id++) {
        const struct metadata_response *out = rig_receive(&rig, fd, METADATA, 1, id);
        assert_int_equal(out->brokers_count, 1);
    }
    const struct metadata_response *out = rig_receive(&rig, fd, METADATA, 9, 3);
    assert_int_equal(out->brokers_count, 1);
    close(fd);
    api_rig_close(&rig);
}

static void test_fetch_is_woken_by_a_produce(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int consumer = rig_connect(&rig), producer = rig_connect(&rig);
    rig_create_topic(&rig, producer, "t", 1);
    int32_t id = rig_send(&rig, consumer, FETCH, 11, rig_fetch_request(&rig, "t", 0, LONG_MS));
    struct metadata_request after;
    metadata_request_init(&after);
    int32_t after_id = rig_send(&rig, consumer, METADATA, 9, &after); // waits its turn
    rig_call(&rig, producer, PRODUCE, 9, rig_produce_request(&rig, "t", "hello", 1));
    const struct fetch_response *out = rig_receive(&rig, consumer, FETCH, 11, id);
    const struct fetch_response_partition_data *p = &out->responses[0].partitions[0];
    assert_int_equal(p->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(p->high_watermark, 1);
    assert_int_equal(load_be32(p->records.data + 8) + 12, p->records.len);
    assert_memory_equal(p->records.data + p->records.len - 6, "hello", 5);
    rig_receive(&rig, consumer, METADATA, 9, after_id);
    close(consumer);
    close(producer);
    api_rig_close(&rig);
}

static void test_fetch_answers_at_its_deadline(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    const struct fetch_response *out = rig_call(&rig, fd, FETCH, 11, rig_fetch_request(&rig, "t", 0, 5));
    assert_int_equal(out->responses[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->responses[0].partitions[0].records.len, 0);
    close(fd);
    api_rig_close(&rig);
}

static void test_many_files_in_one_answer(void **state)
{
    (void)state;
    enum {
        PARTITIONS = 200 // more than the first room for gaps
    };
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", PARTITIONS);
    struct produce_request *put = rig_produce_request(&rig, "t", "value", 1);
    struct fetch_request *get = rig_fetch_request(&rig, "t", 0, LONG_MS);
    struct fetch_request_fetch_partition *wanted = arena_array(&rig.arena, PARTITIONS, sizeof *wanted);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        put->topic_data[0].partition_data[0].index = i;
        rig_call(&rig, fd, PRODUCE, 9, put);
        wanted[i] = get->topics[0].partitions[0];
        wanted[i].partition = i;
    }
    get->topics[0].partitions = wanted;
    get->topics[0].partitions_count = PARTITIONS;
    const struct fetch_response *out = rig_call(&rig, fd, FETCH, 12, get);
    assert_int_equal(out->responses[0].partitions_count, PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        const struct records *records = &out->responses[0].partitions[i].records;
        assert_int_equal(out->responses[0].partitions[i].partition_index, i);
        assert_memory_equal(records->data + records->len - 6, "value", 5);
    }
    close(fd);
    api_rig_close(&rig);
}

static void test_unacknowledged_produce_is_not_answered(void **state)
{
    (void)state;
    struct api_rig rig;
    struct api_versions_request next;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    api_versions_request_init(&next);
    rig_create_topic(&rig, fd, "t", 1);
    rig_send(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, "t", "quiet", 0));
    rig_call(&rig, fd, API_VERSIONS, 0, &next); // the next answer is this one's
    const struct fetch_response *out = rig_call(&rig, fd, FETCH, 11, rig_fetch_request(&rig, "t", 0, LONG_MS));
    assert_int_equal(out->responses[0].partitions[0].high_watermark, 1);
    rig_send(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, "missing", "quiet", 0));
    rig_expect_end(fd); // all that can be told of an error
    api_rig_close(&rig);
}

static void test_client_goes_away_while_its_request_waits(void **state)
{
    (void)state;
    struct api_rig rig;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    for (int i = 0; i < 50; i++) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        int consumer = rig_connect(&rig);
        rig_send(&rig, consumer, FETCH, 11, rig_fetch_request(&rig, "t", i, LONG_MS));
        setsockopt(consumer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        if (i % 2 == 0) {
            close(consumer); // before, while or after it is woken
        }
        rig_call(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, "t", "hello", -1));
        if (i % 2 == 1) {
            close(consumer);
        }
    }
    close(fd);
    api_rig_close(&rig);
}

static void *drain_run(void *arg)
{
    listener_drain(((struct api_rig *)arg)->listener, LONG_MS);
    return NULL;
}

static void test_stopping_broker_answers_waiting_fetches(void **state)
{
    (void)state;
    struct api_rig rig;
    pthread_t thread;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    rig_create_topic(&rig, fd, "t", 1);
    int32_t id = rig_send(&rig, fd, FETCH, 11, rig_fetch_request(&rig, "t", 0, LONG_MS));
    int other = rig_connect(&rig); // answered, so the fetch has been received, too: one loop
    struct api_versions_request in;
    api_versions_request_init(&in);
    rig_call(&rig, other, API_VERSIONS, 0, &in);
    assert_int_equal(pthread_create(&thread, NULL, drain_run, &rig), 0);
    const struct fetch_response *out = rig_receive(&rig, fd, FETCH, 11, id);
    assert_int_equal(out->responses[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->responses[0].partitions[0].records.len, 0);
    rig_expect_end(fd);
    rig_expect_end(other);
    pthread_join(thread, NULL);
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_odd_but_good),
        cmocka_unit_test(test_fetch_is_woken_by_a_produce),
        cmocka_unit_test(test_fetch_answers_at_its_deadline),
        cmocka_unit_test(test_many_files_in_one_answer),
        cmocka_unit_test(test_unacknowledged_produce_is_not_answered),
        cmocka_unit_test(test_client_goes_away_while_its_request_waits),
        cmocka_unit_test(test_stopping_broker_answers_waiting_fetches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
