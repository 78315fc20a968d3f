// SPDX-License-Identifier: Apache-2.0
//
// JoinGroup over the wire: who is let in, and what Kafka says to the others.
#include "base/tests/cmocka_all.h"
#include "broker/api/tests/group_client.h"

#include <unistd.h>

enum {
    PROTOCOLS_MANY = 5000,
};

static const struct join_group_response *join(struct group_client *c, int16_t version,
                                              const struct join_group_request *in)
{
    return rig_call(&c->rig, c->fd, JOIN_GROUP, version, in);
}

static void expect_refused(const struct join_group_response *out, int16_t error, struct slice member_id)
{
    assert_int_equal(out->error_code, error);
    assert_int_equal(out->generation_id, -1);
    assert_true(slice_equal(out->member_id, member_id));
    assert_int_equal(out->members_count, 0);
}

static void test_refusals(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    struct join_group_request in = group_join_request(&c, "", slice_str(""));
    for (int16_t version = 0; version <= 9; version++) {
        expect_refused(join(&c, version, &in), KAFKA_ERROR_INVALID_GROUP_ID, slice_str(""));
    }
    in.group_id = slice_str("g");
    static const int32_t timeouts[] = {5999, 1800001, 0, -1};
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        in.session_timeout_ms = timeouts[i];
        expect_refused(join(&c, 7, &in), KAFKA_ERROR_INVALID_SESSION_TIMEOUT, slice_str(""));
    }
    in.session_timeout_ms = 6000;
    in.member_id = slice_str("nobody");
    expect_refused(join(&c, 7, &in), KAFKA_ERROR_UNKNOWN_MEMBER_ID, slice_str("nobody"));
    in.member_id = slice_str("");
    in.protocols_count = 0;
    expect_refused(join(&c, 7, &in), KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL, slice_str(""));
    in.protocols_count = 1;
    in.protocol_type = slice_str("");
    expect_refused(join(&c, 7, &in), KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL, slice_str(""));
    group_client_close(&c);
}

static void test_ids(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    struct join_group_request in = group_join_request(&c, "g", slice_str("meta"));
    const struct join_group_response *out = join(&c, 4, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_MEMBER_ID_REQUIRED);
    assert_memory_equal(out->member_id.data, "rig-", 4);
    assert_int_equal(out->member_id.len, 4 + GROUP_MEMBER_ID_UUID_LEN);
    in.member_id = out->member_id;
    out = join(&c, 9, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->generation_id, 1);
    assert_true(slice_equal(out->protocol_name, slice_str("range")));
    assert_int_equal(out->members_count, 1);
    assert_true(slice_equal(out->members[0].metadata, slice_str("meta")));
    assert_false(out->skip_assignment);
    in = group_join_request(&c, "static", slice_str("meta"));
    in.group_instance_id = slice_str("i");
    out = join(&c, 5, &in); // needs no id first
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_memory_equal(out->member_id.data, "i-", 2);
    in.group_instance_id = group_client_text(&c, 'i', GROUP_NAME_MAX); // with a UUID it is no string of the wire
    in.group_id = slice_str("too-long");
    expect_refused(join(&c, 5, &in), KAFKA_ERROR_UNKNOWN_SERVER_ERROR, slice_str(""));
    group_client_close(&c);
}

static void test_many_protocols(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    struct join_group_request in = group_join_request(&c, "g", slice_str("meta"));
    struct join_group_request_join_group_request_protocol *list =
        arena_array(&c.rig.arena, PROTOCOLS_MANY, sizeof *list);
    assert_non_null(list);
    for (int i = 0; i < PROTOCOLS_MANY; i++) {
        list[i].name = slice_str(arena_printf(&c.rig.arena, "p%d", i));
        list[i].metadata = slice_str(arena_printf(&c.rig.arena, "meta %d", i));
    }
    in.protocols = list;
    in.protocols_count = PROTOCOLS_MANY;
    const struct join_group_response *out = join(&c, 3, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_true(slice_equal(out->protocol_name, slice_str("p0")));
    in.protocols = &list[PROTOCOLS_MANY - 1]; // one of them is enough in common
    in.protocols_count = 1;
    assert_int_equal(join(&c, 4, &in)->error_code, KAFKA_ERROR_MEMBER_ID_REQUIRED);
    in.protocols = group_join_request(&c, "g", slice_str("meta")).protocols;
    assert_int_equal(join(&c, 4, &in)->error_code, KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    group_client_close(&c);
}

static void test_huge_group_id(void **state)
{
    (void)state;
    struct group_client c;
    group_client_open(&c);
    struct join_group_request in = group_join_request(&c, "", slice_str("meta"));
    in.group_id = group_client_text(&c, 'g', GROUP_NAME_MAX);
    const struct join_group_response *out = join(&c, 3, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    struct heartbeat_request beat = {.group_id = in.group_id, .generation_id = 1, .member_id = out->member_id};
    const struct heartbeat_response *answer = rig_call(&c.rig, c.fd, HEARTBEAT, 0, &beat);
    assert_int_equal(answer->error_code, KAFKA_ERROR_NONE);
    group_client_close(&c);
}

// The member stays, and goes on from another connection.
static void test_connection_dies_while_parked(void **state)
{
    (void)state;
    struct group_client c;
    int32_t parked;
    group_client_open(&c);
    struct slice first = group_settle(&c, "g", group_subscription(&c, GROUP_TOPIC), "");
    int other = rig_connect(&c.rig);
    struct slice second = group_knock(&c, "g", other, &parked);
    close(other);
    struct join_group_request in = group_join_request(&c, "g", group_subscription(&c, GROUP_TOPIC));
    in.member_id = first;
    const struct join_group_response *out = join(&c, 3, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->generation_id, 2);
    assert_int_equal(out->members_count, 2);
    assert_int_equal(group_heartbeat_error(&c, "g", 2, second), KAFKA_ERROR_NONE);
    in.member_id = second;
    out = join(&c, 3, &in);
    assert_int_equal(out->error_code, KAFKA_ERROR_NONE);
    assert_int_equal(out->generation_id, 2);
    assert_true(slice_equal(out->leader, first));
    group_client_close(&c);
}

// More members wait for the others than requests may wait for a disk thread: that is something else.
static void test_members_who_wait_hold_up_nobody(void **state)
{
    (void)state;
    enum {
        WAITING = 6
    };
    int fds[WAITING];
    int32_t ids[WAITING];
    struct group_client c;
    group_client_open(&c);
    struct slice first = group_settle(&c, "g", slice_str("meta"), "all");
    for (int i = 0; i < WAITING; i++) {
        fds[i] = rig_connect(&c.rig);
        group_knock(&c, "g", fds[i], &ids[i]);
    }
    // Held up, it would come when this member is given up already.
    assert_int_equal(group_heartbeat_error(&c, "g", 1, first), KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    for (int i = 0; i < WAITING; i++) {
        close(fds[i]);
    }
    group_client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_who_wait_hold_up_nobody),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_many_protocols),
        cmocka_unit_test(test_huge_group_id),
        cmocka_unit_test(test_connection_dies_while_parked),
    };
    return cmocka_run_group_tests_name("api/11_join_group", tests, NULL, NULL);
}
