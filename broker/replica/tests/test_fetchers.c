// SPDX-License-Identifier: Apache-2.0
//
// Fetchers against a leader that can be made to misbehave: copying, cutting what diverges, beginning anew, connections
// that break, leaders that move.
#include "broker/replica/fetchers.h"

#include <stdlib.h>
#include <time.h>

#include "base/tests/cmocka_all.h"
#include "broker/replica/tests/leader.h"
#include "broker/replica/tests/scene.h"
#include "protocol/protocol.h"

struct rig {
    struct scene scene;
    struct leader leader;
    struct fetchers *fetchers;
};

// Partition t-0 is there, with nothing in it; broker 2 is the leader, of an empty log of epoch 7.
static void rig_open(struct rig *r)
{
    scene_open(&r->scene, os_real(), INT64_MAX);
    struct fetchers_options o = {.os = os_real(),
                                 .pool = r->scene.pool,
                                 .throttle = &r->scene.throttle.follower,
                                 .settings = {.threads = 2,
                                              .wait_max_ms = 50,
                                              .min_bytes = 1,
                                              .max_bytes = 1 << 20,
                                              .response_max_bytes = 10 << 20,
                                              .backoff_ms = 10,
                                              .socket_timeout_ms = 10000,
                                              .receive_buffer_bytes = -1}};
    assert_int_equal(fetchers_new(&o, &r->fetchers), ERR_OK);
    fetchers_identify(r->fetchers, 1, 99);
    leader_start(&r->leader, partition_topic_id(r->scene.partition));
    r->leader.old_epoch = 5;
    r->leader.new_epoch = 7;
    fetchers_address(r->fetchers, 2, "127.0.0.1", r->leader.port);
}

static void rig_close(struct rig *r)
{
    fetchers_free(r->fetchers);
    leader_stop(&r->leader);
    scene_close(&r->scene);
}

static void rig_follow(struct rig *r, int32_t epoch)
{
    assert_int_equal(scene_follow(&r->scene, epoch), ERR_OK);
    assert_int_equal(fetchers_follow(r->fetchers, r->scene.partition, 2, epoch), ERR_OK);
}

// Until the log has come so far and knows that it is committed.
static void await_end(struct rig *r, int32_t epoch, int64_t end)
{
    struct partition_position at;
    do {
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
        assert_int_equal(partition_position(r->scene.partition, epoch, &at), ERR_OK);
    } while (at.end_offset != end || at.high_watermark != end);
}

static int leader_count(struct rig *r, const int *which)
{
    mutex_lock(&r->leader.mu);
    int n = *which;
    mutex_unlock(&r->leader.mu);
    return n;
}

static void await_more(struct rig *r, const int *which, int than)
{
    while (leader_count(r, which) <= than) {
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    }
}

static void test_copies(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    leader_grow(&r.leader, 20);
    rig_follow(&r, 7);
    await_end(&r, 7, 20);
    leader_grow(&r.leader, 25);
    await_end(&r, 7, 25);
    assert_int_equal(leader_count(&r, &r.leader.full_fetches), 1); // one session from begin to end
    assert_int_equal(leader_count(&r, &r.leader.last_replica_id), 1);
    assert_int_equal(leader_count(&r, &r.leader.last_epoch), 7);
    rig_close(&r);
}

// Who becomes the controller while it starts follows before it is told who it is in the cluster.
static void test_told_later_who_it_is(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    fetchers_identify(r.fetchers, -1, -1);
    leader_grow(&r.leader, 3);
    rig_follow(&r, 7);
    await_end(&r, 7, 3);
    assert_int_equal(leader_count(&r, &r.leader.last_replica_id), -1);
    fetchers_identify(r.fetchers, 4, 100);
    while (leader_count(&r, &r.leader.last_replica_id) != 4) {
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    }
    rig_close(&r);
}

// What was acknowledged by nobody goes: our epoch 6 is no part of the leader's history.
static void test_cuts_what_diverges(void **state)
{
    (void)state;
    struct rig r;
    struct log_append a;
    struct partition_position at;
    struct partition_end ack;
    rig_open(&r);
    assert_int_equal(scene_append(&r.scene, 3, &a, &ack), ERR_OK);
    assert_int_equal(scene_lead(&r.scene, 6, 3, 3), ERR_OK);
    assert_int_equal(scene_append(&r.scene, 4, &a, &ack), ERR_OK);
    r.leader.split = 4;
    leader_grow(&r.leader, 10);
    rig_follow(&r, 7);
    await_end(&r, 7, 10);
    assert_int_equal(partition_position(r.scene.partition, 7, &at), ERR_OK);
    assert_int_equal(at.latest_epoch, 7);
    int32_t found;
    int64_t end;
    assert_int_equal(partition_own_epoch_end(r.scene.partition, 7, 6, &found, &end), ERR_OK);
    assert_int_equal(found, 5);
    assert_int_equal(end, 4);
    rig_close(&r);
}

static void test_begins_anew_where_the_leader_does(void **state)
{
    (void)state;
    struct rig r;
    struct partition_position at;
    rig_open(&r);
    r.leader.start = 100;
    leader_grow(&r.leader, 105);
    rig_follow(&r, 7);
    await_end(&r, 7, 105);
    assert_int_equal(partition_position(r.scene.partition, 7, &at), ERR_OK);
    assert_int_equal(at.start_offset, 100);
    assert_int_equal(leader_count(&r, &r.leader.offset_lookups), 2); // its end, then its start
    rig_close(&r);
}

static void test_a_shorter_leader(void **state)
{
    (void)state;
    struct rig r;
    struct log_append a;
    struct partition_end ack;
    rig_open(&r);
    assert_int_equal(scene_append(&r.scene, 9, &a, &ack), ERR_OK);
    r.leader.new_epoch = 5; // an unclean election: it has less of the same epoch
    leader_grow(&r.leader, 0);
    rig_follow(&r, 7);
    await_end(&r, 7, 0);
    leader_grow(&r.leader, 2);
    await_end(&r, 7, 2);
    rig_close(&r);
}

static void test_refused_and_cut_off(void **state)
{
    (void)state;
    static const int16_t whole[] = {KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND, KAFKA_ERROR_INVALID_FETCH_SESSION_EPOCH,
                                    KAFKA_ERROR_FETCH_SESSION_TOPIC_ID_ERROR, KAFKA_ERROR_UNKNOWN_SERVER_ERROR};
    struct rig r;
    rig_open(&r);
    leader_grow(&r.leader, 1);
    rig_follow(&r, 7);
    await_end(&r, 7, 1);
    for (int64_t i = 0; i < 4; i++) {
        int full = leader_count(&r, &r.leader.full_fetches);
        mutex_lock(&r.leader.mu);
        r.leader.refuse_request = whole[i];
        mutex_unlock(&r.leader.mu);
        await_more(&r, &r.leader.full_fetches, full);
        leader_grow(&r.leader, 2 + i);
        await_end(&r, 7, 2 + i);
    }
    mutex_lock(&r.leader.mu);
    r.leader.refuse_partition = KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    r.leader.end = r.leader.high_watermark = 6;
    mutex_unlock(&r.leader.mu);
    await_end(&r, 7, 6);
    for (int64_t i = 0; i < 2; i++) {
        int before = leader_count(&r, &r.leader.connections);
        mutex_lock(&r.leader.mu);
        r.leader.hang_up = i == 0;
        r.leader.babble = i == 1;
        mutex_unlock(&r.leader.mu);
        await_more(&r, &r.leader.connections, before);
        leader_grow(&r.leader, 7 + i);
        await_end(&r, 7, 7 + i);
    }
    rig_close(&r);
}

static void test_fenced_until_told(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    leader_grow(&r.leader, 1);
    rig_follow(&r, 7);
    await_end(&r, 7, 1);
    mutex_lock(&r.leader.mu);
    r.leader.refuse_partition = KAFKA_ERROR_FENCED_LEADER_EPOCH;
    while (r.leader.refuse_partition != 0) {
        cond_wait(&r.leader.changed, &r.leader.mu);
    }
    mutex_unlock(&r.leader.mu);
    leader_grow(&r.leader, 3);
    rig_follow(&r, 8);
    await_end(&r, 8, 3);
    assert_int_equal(leader_count(&r, &r.leader.last_epoch), 8);
    rig_close(&r);
}

static void test_the_leader_moves(void **state)
{
    (void)state;
    struct rig r;
    struct leader other;
    rig_open(&r);
    leader_grow(&r.leader, 4);
    rig_follow(&r, 7);
    await_end(&r, 7, 4);
    leader_start(&other, partition_topic_id(r.scene.partition));
    other.new_epoch = other.old_epoch = 7;
    leader_grow(&other, 6);
    fetchers_address(r.fetchers, 2, "127.0.0.1", other.port); // the same broker, elsewhere
    await_end(&r, 7, 6);
    fetchers_address(r.fetchers, 3, "127.0.0.1", r.leader.port); // another broker
    r.leader.old_epoch = 7;
    r.leader.new_epoch = 8;
    r.leader.split = 6;
    leader_grow(&r.leader, 8);
    assert_int_equal(scene_follow(&r.scene, 8), ERR_OK);
    assert_int_equal(fetchers_follow(r.fetchers, r.scene.partition, 3, 8), ERR_OK);
    await_end(&r, 8, 8);
    fetchers_forget(r.fetchers, r.scene.partition);
    rig_close(&r);
    leader_stop(&other);
}

// A follower that has taken too much asks for nothing until the rate has come down, and loses its session over it. One
// that is in sync goes on.
static void test_throttled(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    r.scene.config.follower_throttled_replicas = "*";
    r.scene.throttle.follower.room = 1; // a single second, and whatever has come in it is too much
    byte_rate_limit(&r.scene.throttle.follower, 0);
    leader_grow(&r.leader, 2); // which gives one record a time
    rig_follow(&r, 7);
    await_end(&r, 7, 2);
    leader_grow(&r.leader, 3);
    await_end(&r, 7, 3);
    assert_int_equal(leader_count(&r, &r.leader.full_fetches), 2);
    rig_close(&r);
}

// The first batch comes whole, whatever was asked for; a leader may have taken one of any size.
static void test_a_batch_beyond_all_limits(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    r.leader.large = scene_large_batch((size_t)30 << 20, &r.leader.large_len);
    leader_grow(&r.leader, 1);
    rig_follow(&r, 7);
    await_end(&r, 7, 1);
    assert_true((size_t)partition_size_bytes(r.scene.partition) == r.leader.large_len);
    rig_close(&r);
    free(r.leader.large);
}

// A leader that calls divergent what its own log has: cuts that change nothing are no reason to ask without a rest.
static void test_a_leader_that_insists(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    leader_grow(&r.leader, 4);
    rig_follow(&r, 7);
    await_end(&r, 7, 4);
    mutex_lock(&r.leader.mu);
    r.leader.insists = true;
    mutex_unlock(&r.leader.mu);
    await_more(&r, &r.leader.fetches, leader_count(&r, &r.leader.fetches) + 3);
    assert_in_range(leader_count(&r, &r.leader.full_fetches), 2,
                    INT32_MAX); // with nothing to ask for, the session ends
    mutex_lock(&r.leader.mu);
    r.leader.insists = false;
    mutex_unlock(&r.leader.mu);
    leader_grow(&r.leader, 5);
    await_end(&r, 7, 5);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_told_later_who_it_is),
        cmocka_unit_test(test_cuts_what_diverges),
        cmocka_unit_test(test_begins_anew_where_the_leader_does),
        cmocka_unit_test(test_a_shorter_leader),
        cmocka_unit_test(test_refused_and_cut_off),
        cmocka_unit_test(test_fenced_until_told),
        cmocka_unit_test(test_the_leader_moves),
        cmocka_unit_test(test_throttled),
        cmocka_unit_test(test_a_batch_beyond_all_limits),
        cmocka_unit_test(test_a_leader_that_insists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
