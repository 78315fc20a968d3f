// SPDX-License-Identifier: Apache-2.0
//
// A leader with followers: the high watermark goes with them, acks wait for it, the ISR is asked for and answered.
#include "base/tests/cmocka_all.h"
#include "broker/replica/tests/scene.h"

static const int32_t THREE[] = {1, 2, 3};

static struct partition_read replica_read(int32_t follower, int64_t offset)
{
    return (struct partition_read){.current_leader_epoch = -1,
                                   .last_fetched_epoch = -1,
                                   .offset = offset,
                                   .isolation = PARTITION_READ_LOG_END,
                                   .max_bytes = 1 << 20,
                                   .by_follower = true,
                                   .noted = true,
                                   .follower = follower};
}

static enum err follower_fetches(struct scene *s, int32_t follower, int64_t offset, int64_t *high_watermark)
{
    struct partition_read r = replica_read(follower, offset);
    enum err err = partition_fetch(s->partition, &r);
    if (r.read.file != NULL) {
        log_file_unref(r.read.file);
    }
    *high_watermark = r.high_watermark;
    return err;
}

// Whether that read of a replica finds records.
static bool replica_gets(struct scene *s, struct partition_read *r)
{
    assert_int_equal(partition_fetch(s->partition, r), ERR_OK);
    assert_int_equal(r->log_start_offset, 0);
    bool found = r->read.file != NULL;
    if (found) {
        log_file_unref(r->read.file);
    }
    return found;
}

static void isr_answer(struct scene *s, enum err err, const int32_t *isr, int32_t count, int32_t partition_epoch)
{
    struct cluster_isr_answer a = {.topic = "t",
                                   .err = err,
                                   .leader = 1,
                                   .leader_epoch = s->last_asked.leader_epoch,
                                   .isr = isr,
                                   .isr_count = count,
                                   .partition_epoch = partition_epoch};
    partition_isr_answered(s->partition, &a);
}

// So many records, then epoch 6 with three replicas, of which so many are in sync.
static void scene_lead_three(struct scene *s, struct test_os *os, int32_t records, int32_t isr)
{
    struct log_append a;
    struct partition_end ack;
    test_os_init(os);
    scene_open(s, &os->os, INT64_MAX);
    if (records > 0) {
        assert_int_equal(scene_append(s, records, &a, &ack), ERR_OK);
    }
    assert_int_equal(scene_lead(s, 6, 3, isr), ERR_OK);
}

// The same with all of them in sync, and three records in that epoch.
static void scene_three(struct scene *s, struct test_os *os, struct partition_end *ack)
{
    struct log_append a;
    scene_lead_three(s, os, 0, 3);
    assert_int_equal(scene_append(s, 3, &a, ack), ERR_OK);
}

static void test_acks_wait_for_followers(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct scene_wait w;
    struct wait_link link = {0};
    struct partition_end ack;
    int64_t high_watermark;
    scene_three(&s, &os, &ack);
    scene_wait_init(&s, &w);
    wait_arm(&w.wait, 1);
    assert_int_equal(partition_ack(s.partition, &ack, false, &link, &w.wait), ERR_AGAIN);
    assert_int_equal(follower_fetches(&s, 2, 0, &high_watermark), ERR_OK);
    assert_int_equal(follower_fetches(&s, 2, 3, &high_watermark), ERR_OK);
    assert_int_equal(high_watermark, 0);
    assert_false(scene_wait_woken(&w));
    assert_int_equal(follower_fetches(&s, 3, 3, &high_watermark), ERR_OK);
    assert_int_equal(high_watermark, 3); // it learns at once what it has brought about
    sem_wait(&w.woken);
    partition_unlink(s.partition, &link);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_OK);
    scene_wait_release(&w);
    scene_close(&s);
}

// A request that waits for other partitions, too, looks at once: later this broker might lead again, without the
// record.
static void test_acks_of_a_lost_leadership_do_not_wait_for_others(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct scene_wait w;
    struct wait_link link = {0};
    struct partition_end ack;
    scene_three(&s, &os, &ack);
    scene_wait_init(&s, &w);
    wait_arm(&w.wait, 2);
    assert_int_equal(partition_ack(s.partition, &ack, false, &link, &w.wait), ERR_AGAIN);
    assert_int_equal(scene_follow(&s, 7), ERR_OK);
    assert_true(atomic_load(&w.wait.remaining) <= 0);
    sem_wait(&w.woken);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_NOT_LEADER);
    scene_wait_release(&w);
    scene_close(&s);
}

// Led again before anybody looked: as the leader of a later epoch, whose log has been another's meanwhile. An epoch
// that follows on an epoch of its own takes nothing away.
static void test_acks_end_with_the_reign(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct partition_end ack;
    int64_t high_watermark;
    scene_three(&s, &os, &ack);
    assert_int_equal(scene_lead(&s, 7, 3, 2), ERR_OK);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_AGAIN);
    assert_int_equal(follower_fetches(&s, 2, 3, &high_watermark), ERR_OK);
    assert_int_equal(follower_fetches(&s, 3, 3, &high_watermark), ERR_OK);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_OK);
    assert_int_equal(scene_follow(&s, 8), ERR_OK);
    assert_int_equal(scene_lead(&s, 9, 3, 2), ERR_OK);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_NOT_LEADER);
    scene_close(&s);
}

static void test_consumers_see_what_is_replicated(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct scene_wait w;
    struct wait_link link = {0};
    struct partition_end ack;
    int64_t high_watermark;
    scene_three(&s, &os, &ack);
    scene_wait_init(&s, &w);
    struct partition_read r = {.current_leader_epoch = -1, .last_fetched_epoch = -1, .max_bytes = 1 << 20};
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    assert_null(r.read.file);
    wait_arm(&w.wait, 1);
    assert_int_equal(partition_wait_bytes(s.partition, &r, &link, &w.wait), ERR_OK);
    follower_fetches(&s, 2, 3, &high_watermark);
    assert_false(scene_wait_woken(&w));
    follower_fetches(&s, 3, 3, &high_watermark);
    sem_wait(&w.woken);
    partition_unlink(s.partition, &link);
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    assert_non_null(r.read.file);
    log_file_unref(r.read.file);
    scene_wait_release(&w);
    scene_close(&s);
}

static void test_strangers_do_not_count(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct partition_end ack;
    int64_t high_watermark;
    scene_three(&s, &os, &ack);
    assert_int_equal(follower_fetches(&s, 9, 3, &high_watermark), ERR_NOT_LEADER);
    struct partition_read r = replica_read(9, 3);
    r.current_leader_epoch = 6;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_UNKNOWN_EPOCH);
    // what diverges says nothing of how far a replica has come
    follower_fetches(&s, 2, 3, &high_watermark);
    r = replica_read(3, 3);
    r.last_fetched_epoch = 5;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    assert_true(r.diverging);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_AGAIN);
    // nor does a read that is run again after its wait
    r = replica_read(3, 3);
    r.noted = false;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_AGAIN);
    scene_close(&s);
}

static void test_shrink_frees_who_waits(void **state)
{
    (void)state;
    static const int32_t left[] = {1, 2};
    struct scene s;
    struct test_os os;
    struct partition_end ack;
    int64_t high_watermark;
    scene_three(&s, &os, &ack);
    follower_fetches(&s, 2, 3, &high_watermark);
    int64_t begun_ms = os_mono_us(&os.os) / 1000;
    partition_shrink_isr(s.partition, begun_ms + SCENE_LAG_MS);
    assert_int_equal(s.asked, 0);
    partition_shrink_isr(s.partition, begun_ms + SCENE_LAG_MS + 1);
    assert_int_equal(s.asked, 1);
    assert_int_equal(s.last_asked.isr_count, 2);
    assert_memory_equal(s.last_isr, left, sizeof left);
    assert_int_equal(s.last_asked.leader_epoch, 6);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_AGAIN); // nobody has confirmed it
    os.now_mono_us += (SCENE_LAG_MS + 1) * 1000;
    isr_answer(&s, ERR_OK, left, 2, 1);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_OK);
    scene_close(&s);
}

static void test_grow_when_caught_up(void **state)
{
    (void)state;
    static const int32_t both[] = {1, 2};
    struct scene s;
    struct test_os os;
    struct log_append a;
    struct partition_end ack;
    int64_t high_watermark;
    scene_lead_three(&s, &os, 2, 1);
    assert_int_equal(follower_fetches(&s, 2, 1, &high_watermark), ERR_OK);
    assert_int_equal(s.asked, 0);
    assert_int_equal(follower_fetches(&s, 2, 2, &high_watermark), ERR_OK);
    assert_int_equal(s.asked, 1);
    assert_memory_equal(s.last_isr, both, sizeof both);
    // asked for, it holds the watermark already
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_AGAIN);
    isr_answer(&s, ERR_AGAIN, NULL, 0, 0); // refused: it is asked for again with the next fetch
    assert_int_equal(follower_fetches(&s, 2, 3, &high_watermark), ERR_OK);
    assert_int_equal(s.asked, 2);
    isr_answer(&s, ERR_BAD_VERSION, NULL, 0, 0); // what became of it is not known
    assert_int_equal(follower_fetches(&s, 3, 3, &high_watermark), ERR_OK);
    assert_int_equal(s.asked, 2);
    assert_int_equal(scene_lead(&s, 7, 3, 2), ERR_OK); // until the controller says
    assert_int_equal(follower_fetches(&s, 3, 3, &high_watermark), ERR_OK);
    assert_int_equal(s.asked, 3);
    assert_int_equal(s.last_asked.isr_count, 3);
    scene_close(&s);
}

// Else the controller might take a replica into the ISR that nobody here waits for.
static void test_old_refusals_do_not_end_a_new_proposal(void **state)
{
    (void)state;
    static const int32_t all[] = {1, 2, 3};
    struct scene s;
    struct test_os os;
    struct log_append a;
    struct partition_end ack;
    int64_t high_watermark;
    scene_lead_three(&s, &os, 0, 1);
    assert_int_equal(follower_fetches(&s, 2, 0, &high_watermark), ERR_OK);
    struct cluster_isr_answer late = {.topic = "t", .err = ERR_INELIGIBLE, .leader_epoch = s.last_asked.leader_epoch};
    assert_int_equal(scene_lead(&s, 7, 3, 2), ERR_OK);
    assert_int_equal(follower_fetches(&s, 3, 0, &high_watermark), ERR_OK);
    assert_int_equal(s.asked, 2);
    partition_isr_answered(s.partition, &late);
    isr_answer(&s, ERR_OK, all, 3, 8);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    os.now_mono_us += INT64_C(2000) * SCENE_LAG_MS;
    assert_int_equal(follower_fetches(&s, 2, 1, &high_watermark), ERR_OK);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_AGAIN); // 3 is in sync, and has nothing
    scene_close(&s);
}

static void test_old_epochs_change_nothing(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct partition_end ack;
    int64_t high_watermark;
    scene_three(&s, &os, &ack);
    assert_int_equal(scene_lead(&s, 6, 3, 1), ERR_FENCED_EPOCH); // said again: no news
    follower_fetches(&s, 2, 3, &high_watermark);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_AGAIN);
    assert_int_equal(scene_lead(&s, 5, 3, 1), ERR_FENCED_EPOCH);
    assert_int_equal(scene_follow(&s, 5), ERR_FENCED_EPOCH);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_AGAIN);
    scene_close(&s);
}

static void test_dead_brokers_do_not_hold_the_watermark(void **state)
{
    (void)state;
    static const int32_t alive[] = {1, 2};
    struct scene s;
    struct test_os os;
    struct log_append a;
    struct partition_end ack;
    int64_t high_watermark;
    scene_lead_three(&s, &os, 0, 1);
    assert_int_equal(follower_fetches(&s, 3, 0, &high_watermark), ERR_OK);
    assert_int_equal(s.asked, 1);
    isr_answer(&s, ERR_AGAIN, NULL, 0, 0);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_AGAIN);
    partition_brokers_alive(s.partition, alive, 2);
    assert_int_equal(partition_ack(s.partition, &ack, false, NULL, NULL), ERR_OK);
    scene_close(&s);
}

static void test_a_new_leader_is_not_sure_at_once(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct partition_end ack;
    int64_t high_watermark;
    scene_three(&s, &os, &ack);
    assert_int_equal(scene_follow(&s, 7), ERR_OK);
    assert_int_equal(scene_lead(&s, 8, 3, 3), ERR_OK); // 3 records, none known to be committed
    struct partition_offset o = {.current_leader_epoch = -1, .timestamp = -1};
    assert_int_equal(partition_offset_for(s.partition, &o), ERR_OFFSET_NOT_AVAILABLE);
    o.isolation = PARTITION_READ_LOG_END;
    assert_int_equal(partition_offset_for(s.partition, &o), ERR_OK);
    assert_int_equal(o.out_offset, 3);
    o = (struct partition_offset){.current_leader_epoch = -1, .timestamp = -2};
    assert_int_equal(partition_offset_for(s.partition, &o), ERR_OK);
    follower_fetches(&s, 2, 3, &high_watermark);
    follower_fetches(&s, 3, 3, &high_watermark);
    o = (struct partition_offset){.current_leader_epoch = -1, .timestamp = -1};
    assert_int_equal(partition_offset_for(s.partition, &o), ERR_OK);
    assert_int_equal(o.out_offset, 3);
    scene_close(&s);
}

// One of the replicas that the topic's list names gets nothing while its leader has sent too much, unless it is in
// sync; what it has is noted all the same.
static void test_a_throttled_follower_waits(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    struct scene_wait w;
    struct wait_link link = {0};
    struct partition_end ack;
    int64_t high_watermark;
    scene_lead_three(&s, &os, 0, 2);
    s.config.leader_throttled_replicas = "0:1";
    partition_configure(s.partition, &s.config, &s.log_config);
    struct log_append a;
    assert_int_equal(scene_append(&s, 3, &a, &ack), ERR_OK);
    byte_rate_limit(&s.throttle.leader, 1000);
    partition_sent(s.partition, 1001);
    struct partition_read in_sync = replica_read(2, 0), behind = replica_read(3, 0);
    behind.min_one = true;
    assert_true(replica_gets(&s, &in_sync));
    assert_false(replica_gets(&s, &behind));
    // more records do not end its wait
    scene_wait_init(&s, &w);
    wait_arm(&w.wait, 1);
    assert_int_equal(partition_wait_bytes(s.partition, &behind, &link, &w.wait), ERR_OK);
    assert_int_equal(scene_append(&s, 1, &a, &ack), ERR_OK);
    assert_false(scene_wait_woken(&w));
    partition_unlink(s.partition, &link);
    os.now_mono_us += 2000 * 1000; // half the rate by now
    behind = replica_read(3, 0);
    assert_true(replica_gets(&s, &behind));
    // a list that has others only is nothing to this leader
    partition_sent(s.partition, 1 << 20);
    s.config.leader_throttled_replicas = "0:2,1:1";
    partition_configure(s.partition, &s.config, &s.log_config);
    assert_int_equal(follower_fetches(&s, 3, 0, &high_watermark), ERR_OK);
    behind = replica_read(3, 0);
    assert_true(replica_gets(&s, &behind));
    scene_wait_release(&w);
    scene_close(&s);
}

// How far the follower begins, as it says with each fetch.
static void follower_begins(struct scene *s, int32_t follower, int64_t offset, int64_t start)
{
    struct partition_read r = replica_read(follower, offset);
    r.follower_start = start;
    assert_int_equal(partition_fetch(s->partition, &r), ERR_OK);
}

// The low watermark is that of the leader and all followers that live.
static void test_deletions_wait_for_followers(void **state)
{
    (void)state;
    static const int32_t living[] = {1, 2};
    struct scene s;
    struct test_os os;
    struct scene_wait w;
    struct wait_link link = {0};
    struct partition_end ack;
    int64_t low, offset = -1;
    scene_three(&s, &os, &ack);
    follower_begins(&s, 2, 3, 0);
    follower_begins(&s, 3, 3, 0);
    assert_int_equal(partition_delete_records(s.partition, &offset, &low), ERR_OK);
    assert_int_equal(offset, 3); // the high watermark
    assert_int_equal(low, 0);
    scene_wait_init(&s, &w);
    wait_arm(&w.wait, 1);
    assert_int_equal(partition_deleted(s.partition, offset, &low, &link, &w.wait), ERR_AGAIN);
    follower_begins(&s, 2, 3, 3);
    assert_false(scene_wait_woken(&w));
    follower_begins(&s, 3, 3, 2);
    assert_false(scene_wait_woken(&w));
    partition_brokers_alive(s.partition, living, 2);
    sem_wait(&w.woken);
    assert_int_equal(partition_deleted(s.partition, offset, &low, NULL, NULL), ERR_OK);
    assert_int_equal(low, 3);
    // one that lives again counts again, and a lost leadership ends the wait
    partition_brokers_alive(s.partition, THREE, 3);
    wait_arm(&w.wait, 1);
    assert_int_equal(partition_deleted(s.partition, offset, &low, &link, &w.wait), ERR_AGAIN);
    assert_int_equal(low, 2);
    assert_int_equal(scene_follow(&s, 7), ERR_OK);
    sem_wait(&w.woken);
    assert_int_equal(partition_deleted(s.partition, offset, &low, NULL, NULL), ERR_NOT_LEADER);
    // so does the end of a replica that has not come so far
    assert_int_equal(scene_lead(&s, 8, 3, 1), ERR_OK);
    wait_arm(&w.wait, 1);
    assert_int_equal(partition_deleted(s.partition, offset, &low, &link, &w.wait), ERR_AGAIN);
    assert_int_equal(scene_lead(&s, 9, 1, 1), ERR_OK);
    sem_wait(&w.woken);
    assert_int_equal(partition_deleted(s.partition, offset, &low, NULL, NULL), ERR_OK);
    scene_wait_release(&w);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acks_wait_for_followers),
        cmocka_unit_test(test_acks_of_a_lost_leadership_do_not_wait_for_others),
        cmocka_unit_test(test_acks_end_with_the_reign),
        cmocka_unit_test(test_consumers_see_what_is_replicated),
        cmocka_unit_test(test_strangers_do_not_count),
        cmocka_unit_test(test_shrink_frees_who_waits),
        cmocka_unit_test(test_grow_when_caught_up),
        cmocka_unit_test(test_old_refusals_do_not_end_a_new_proposal),
        cmocka_unit_test(test_old_epochs_change_nothing),
        cmocka_unit_test(test_dead_brokers_do_not_hold_the_watermark),
        cmocka_unit_test(test_a_new_leader_is_not_sure_at_once),
        cmocka_unit_test(test_a_throttled_follower_waits),
        cmocka_unit_test(test_deletions_wait_for_followers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
