// SPDX-License-Identifier: Apache-2.0
//
// Produce through a broker: batches that take long go another way than others, and nobody can tell by the order of
// offsets, answers and effects. A topic with a codec of its own makes every batch take long.
#include "broker/api/tests/api_rig.h"

#include "base/tests/cmocka_all.h"
#include <sys/socket.h>
#include <unistd.h>

#define PRODUCE 0
#define FETCH   1

#define SLOW    "slow" // compression.type=zstd
#define QUICK   "quick"
#define BATCHES 40

static struct api_rig rig;
static int fd;

static void start(void)
{
    api_rig_open(&rig);
    fd = rig_connect(&rig);
    rig_create_topic_with(&rig, fd, SLOW, 1, "compression.type", "zstd");
    rig_create_topic(&rig, fd, QUICK, 1);
}

static void stop(void)
{
    close(fd);
    api_rig_close(&rig);
}

static const struct fetch_response_partition_data *fetched(const struct fetch_response *out)
{
    assert_int_equal(out->responses_count, 1);
    assert_int_equal(out->responses[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    return &out->responses[0].partitions[0];
}

// Requests under way together: offsets are those of the order they were sent in, and a fetch behind them sees them all.
static void test_order(void **state)
{
    (void)state;
    int32_t ids[BATCHES];
    start();
    for (int i = 0; i < BATCHES; i++) {
        const char *topic = i % 4 == 3 ? QUICK : SLOW;
        ids[i] = rig_send(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, topic, "value", i % 8 == 0 ? 0 : -1));
    }
    int32_t slow_id = rig_send(&rig, fd, FETCH, 12, rig_fetch_request(&rig, SLOW, 0, 0));
    int32_t quick_id = rig_send(&rig, fd, FETCH, 12, rig_fetch_request(&rig, QUICK, 0, 0));
    int64_t slow = 0, quick = 0;
    for (int i = 0; i < BATCHES; i++) {
        int64_t *next = i % 4 == 3 ? &quick : &slow;
        if (i % 8 != 0) {
            const struct produce_response *out = rig_receive(&rig, fd, PRODUCE, 9, ids[i]);
            const struct produce_response_partition_produce_response *p = &out->responses[0].partition_responses[0];
            assert_int_equal(p->error_code, KAFKA_ERROR_NONE);
            assert_int_equal(p->base_offset, *next);
        }
        (*next)++;
    }
    const struct fetch_response_partition_data *p = fetched(rig_receive(&rig, fd, FETCH, 12, slow_id));
    assert_int_equal(p->high_watermark, slow);
    assert_int_equal(p->records.data[22] & 7, 4); // the topic's codec
    assert_int_equal(fetched(rig_receive(&rig, fd, FETCH, 12, quick_id))->high_watermark, quick);
    stop();
}

// Both kinds in one request, each with its own outcome.
static void test_both_kinds_in_one_request(void **state)
{
    (void)state;
    start();
    struct produce_request *in = rig_produce_request(&rig, SLOW, "value", 1);
    struct produce_request *bad = rig_produce_request(&rig, SLOW, "value", 1);
    struct produce_request_topic_produce_data topics[3] = {
        in->topic_data[0], rig_produce_request(&rig, QUICK, "value", 1)->topic_data[0], bad->topic_data[0]};
    struct produce_request_partition_produce_data *damaged = &topics[2].partition_data[0];
    uint8_t *bytes = (uint8_t *)(uintptr_t)damaged->records.data;
    bytes[damaged->records.len - 3] ^= 1; // its CRC is wrong now
    rig_create_topic_with(&rig, fd, "slow-too", 1, "compression.type", "gzip");
    topics[2].name = slice_str("slow-too");
    in->topic_data = topics;
    in->topic_data_count = 3;
    const struct produce_response *out = rig_call(&rig, fd, PRODUCE, 9, in);
    assert_int_equal(out->responses_count, 3);
    for (int i = 0; i < 3; i++) {
        const struct produce_response_partition_produce_response *p = &out->responses[i].partition_responses[0];
        assert_int_equal(p->error_code, i == 2 ? KAFKA_ERROR_CORRUPT_MESSAGE : KAFKA_ERROR_NONE);
        assert_int_equal(p->base_offset, i == 2 ? -1 : 0);
    }
    stop();
}

// Found out on the way that takes long: told like any other.
static void test_refused_after_all(void **state)
{
    (void)state;
    start();
    rig_create_topic_with(&rig, fd, "small", 1, "max.message.bytes", "60");
    struct produce_request *in = rig_produce_request(&rig, "small", "value", 1);
    struct produce_response *out = rig_call(&rig, fd, PRODUCE, 9, in);
    assert_int_equal(out->responses[0].partition_responses[0].error_code, KAFKA_ERROR_MESSAGE_TOO_LARGE);
    struct produce_request *unacknowledged = rig_produce_request(&rig, SLOW, "value", 0);
    unacknowledged->topic_data[0].name = slice_str("missing");
    int other = rig_connect(&rig);
    rig_send(&rig, other, PRODUCE, 9, unacknowledged);
    rig_expect_end(other);
    stop();
}

// More of them than may wait for another thread at once (RIG_MAX_QUEUED): the others wait for their turn in the
// sockets.
static void test_many_at_once(void **state)
{
    (void)state;
    int fds[BATCHES];
    int32_t ids[BATCHES];
    bool seen[BATCHES] = {false};
    start();
    for (int i = 0; i < BATCHES; i++) {
        fds[i] = rig_connect(&rig);
        ids[i] = rig_send(&rig, fds[i], PRODUCE, 9, rig_produce_request(&rig, SLOW, "value", 1));
    }
    for (int i = 0; i < BATCHES; i++) {
        const struct produce_response *out = rig_receive(&rig, fds[i], PRODUCE, 9, ids[i]);
        int64_t offset = out->responses[0].partition_responses[0].base_offset;
        assert_in_range(offset, 0, BATCHES - 1);
        assert_false(seen[offset]);
        seen[offset] = true;
        close(fds[i]);
    }
    stop();
}

static void test_client_goes_away_meanwhile(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < BATCHES; i++) {
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        int producer = rig_connect(&rig);
        rig_send(&rig, producer, PRODUCE, 9, rig_produce_request(&rig, SLOW, "value", -1));
        setsockopt(producer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(producer);
    }
    const struct produce_response *out = rig_call(&rig, fd, PRODUCE, 9, rig_produce_request(&rig, SLOW, "value", -1));
    assert_int_equal(out->responses[0].partition_responses[0].error_code, KAFKA_ERROR_NONE);
    assert_in_range(out->responses[0].partition_responses[0].base_offset, 0, BATCHES);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_both_kinds_in_one_request),
        cmocka_unit_test(test_refused_after_all),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_client_goes_away_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
