// SPDX-License-Identifier: Apache-2.0
//
// CreateTopics: as many topics as one request may name are answered, with the configs of each; what the time-out is
// for.
#include "broker/api/tests/api_rig.h"

#include "base/tests/cmocka_all.h"
#include <stdio.h>
#include <unistd.h>

#define CREATE_TOPICS 19
#define TOPICS        10000 // as many as the broker takes in one request
#define MANY_TOPICS   1000  // take longer to check than a millisecond

static void request_fill(struct api_rig *rig, struct create_topics_request *in, int32_t count)
{
    create_topics_request_init(in);
    in->topics = arena_array(&rig->arena, (size_t)count, sizeof *in->topics);
    assert_non_null(in->topics);
    for (int32_t i = 0; i < count; i++) {
        const char *name = arena_printf(&rig->arena, "t%d", (int)i);
        assert_non_null(name);
        create_topics_request_creatable_topic_init(&in->topics[i]);
        in->topics[i].name = slice_str(name);
        in->topics[i].num_partitions = 1;
        in->topics[i].replication_factor = 1;
    }
    in->topics_count = count;
    in->timeout_ms = 600 * 1000;
    in->validate_only = true;
}

static void test_as_many_as_one_request_may_name(void **state)
{
    (void)state;
    struct api_rig rig;
    struct create_topics_request in;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    request_fill(&rig, &in, TOPICS);
    const struct create_topics_response *out = rig_call(&rig, fd, CREATE_TOPICS, 7, &in);
    assert_int_equal(out->topics_count, TOPICS);
    for (int32_t i = 0; i < TOPICS; i++) {
        assert_int_equal(out->topics[i].error_code, KAFKA_ERROR_NONE);
        assert_int_equal(out->topics[i].configs_count, topic_config_count());
    }
    request_fill(&rig, &in, TOPICS + 1);
    rig_send(&rig, fd, CREATE_TOPICS, 7, &in);
    rig_expect_end(fd);
    api_rig_close(&rig);
}

// It bounds the wait for leaders, not the checks.
static void test_time_out_is_not_for_the_checks(void **state)
{
    (void)state;
    struct api_rig rig;
    struct create_topics_request in;
    api_rig_open(&rig);
    int fd = rig_connect(&rig);
    request_fill(&rig, &in, MANY_TOPICS);
    in.timeout_ms = 1;
    const struct create_topics_response *out = rig_call(&rig, fd, CREATE_TOPICS, 7, &in);
    assert_int_equal(out->topics_count, MANY_TOPICS);
    for (int32_t i = 0; i < MANY_TOPICS; i++) {
        assert_int_equal(out->topics[i].error_code, KAFKA_ERROR_NONE);
    }
    api_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_many_as_one_request_may_name),
        cmocka_unit_test(test_time_out_is_not_for_the_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
