// SPDX-License-Identifier: Apache-2.0
//
// The follower's side of a partition: batches as the leader has them, its marks, cuts; nothing of an old epoch counts.
#include <errno.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/tests/cmocka_all.h"
#include "broker/replica/tests/scene.h"

// A batch as a leader serves it: with its offset and epoch in place.
static size_t leader_batch(uint8_t out[SCENE_BATCH_MAX], int64_t offset, int32_t epoch, int32_t count)
{
    size_t len = scene_batch(out, count);
    store_be64(out, (uint64_t)offset);
    store_be32(out + 12, (uint32_t)epoch);
    return len;
}

static enum err replicate(struct scene *s, int32_t follow_epoch, int64_t offset, int32_t batch_epoch, int32_t count,
                          int64_t high_watermark, int64_t *end)
{
    uint8_t batch[SCENE_BATCH_MAX];
    struct partition_replicate r = {.leader_epoch = follow_epoch,
                                    .fetch_offset = offset,
                                    .data = batch,
                                    .len = count == 0 ? 0 : leader_batch(batch, offset, batch_epoch, count),
                                    .high_watermark = high_watermark};
    return partition_replicate(s->partition, &r, &s->arena, end);
}

static struct partition_position position(struct scene *s, int32_t epoch)
{
    struct partition_position at;
    assert_int_equal(partition_position(s->partition, epoch, &at), ERR_OK);
    return at;
}

static void test_appends_as_they_are(void **state)
{
    (void)state;
    struct scene s;
    int64_t end = -1;
    scene_open(&s, os_real(), INT64_MAX);
    assert_int_equal(scene_follow(&s, 6), ERR_OK);
    assert_int_equal(position(&s, 6).end_offset, 0);
    assert_int_equal(replicate(&s, 6, 0, 5, 4, 2, &end), ERR_OK);
    assert_int_equal(end, 4);
    assert_int_equal(position(&s, 6).high_watermark, 2);
    assert_int_equal(replicate(&s, 6, 4, 6, 1, 99, &end), ERR_OK); // the leader is ahead: no further than what is here
    assert_int_equal(position(&s, 6).high_watermark, 5);
    assert_int_equal(position(&s, 6).latest_epoch, 6);
    assert_int_equal(replicate(&s, 6, 5, 6, 0, 3, &end), ERR_OK); // a new leader may know less; it does not fall
    assert_int_equal(position(&s, 6).high_watermark, 5);
    int32_t found;
    assert_int_equal(partition_own_epoch_end(s.partition, 6, 5, &found, &end), ERR_OK);
    assert_int_equal(found, 5);
    assert_int_equal(end, 4);
    scene_close(&s);
}

static void test_late_answers_change_nothing(void **state)
{
    (void)state;
    struct scene s;
    struct partition_position at;
    int64_t end = -1;
    scene_open(&s, os_real(), INT64_MAX);
    assert_int_equal(replicate(&s, 5, 0, 5, 1, 0, &end), ERR_FENCED_EPOCH); // it leads
    assert_int_equal(scene_follow(&s, 6), ERR_OK);
    assert_int_equal(replicate(&s, 5, 0, 5, 1, 0, &end), ERR_FENCED_EPOCH);
    assert_int_equal(partition_truncate(s.partition, 5, 0), ERR_FENCED_EPOCH);
    assert_int_equal(partition_restart(s.partition, 5, 10), ERR_FENCED_EPOCH);
    assert_int_equal(partition_position(s.partition, 5, &at), ERR_FENCED_EPOCH);
    assert_int_equal(replicate(&s, 6, 1, 6, 1, 0, &end), ERR_OUT_OF_RANGE); // the end is elsewhere
    assert_int_equal(position(&s, 6).end_offset, 0);
    assert_int_equal(scene_lead(&s, 7, 3, 1), ERR_OK);
    assert_int_equal(replicate(&s, 6, 0, 6, 1, 0, &end), ERR_FENCED_EPOCH);
    scene_close(&s);
}

static void test_cuts(void **state)
{
    (void)state;
    struct scene s;
    int64_t end = -1;
    int32_t found;
    scene_open(&s, os_real(), INT64_MAX);
    assert_int_equal(scene_follow(&s, 6), ERR_OK);
    for (int64_t i = 0; i < 10; i++) {
        assert_int_equal(replicate(&s, 6, i, i < 5 ? 5 : 6, 1, 8, &end), ERR_OK);
    }
    assert_int_equal(position(&s, 6).high_watermark, 8);
    assert_int_equal(partition_truncate(s.partition, 6, 9), ERR_OK);
    assert_int_equal(position(&s, 6).end_offset, 9);
    assert_int_equal(position(&s, 6).high_watermark, 8);
    assert_int_equal(partition_truncate(s.partition, 6, 5), ERR_OK);
    assert_int_equal(position(&s, 6).end_offset, 5);
    assert_int_equal(position(&s, 6).high_watermark, 5);
    assert_int_equal(partition_own_epoch_end(s.partition, 6, 6, &found, &end), ERR_OK);
    assert_int_equal(found, -1); // nothing of epoch 6 is left
    assert_int_equal(partition_restart(s.partition, 6, 100), ERR_OK);
    assert_int_equal(position(&s, 6).start_offset, 100);
    assert_int_equal(position(&s, 6).end_offset, 100);
    assert_int_equal(position(&s, 6).latest_epoch, -1);
    assert_int_equal(replicate(&s, 6, 100, 6, 2, 102, &end), ERR_OK);
    assert_int_equal(end, 102);
    assert_int_equal(partition_restart(s.partition, 6, 40), ERR_OK);
    assert_int_equal(replicate(&s, 6, 40, 6, 2, 42, &end), ERR_OK);
    assert_int_equal(position(&s, 6).high_watermark, 42);
    scene_close(&s);
}

// The leader's log may begin in the middle of a batch (DeleteRecords), which it serves whole all the same.
static void test_begins_anew_in_the_middle_of_a_batch(void **state)
{
    (void)state;
    struct scene s;
    uint8_t batch[SCENE_BATCH_MAX];
    int64_t end = -1;
    scene_open(&s, os_real(), INT64_MAX);
    assert_int_equal(scene_follow(&s, 6), ERR_OK);
    assert_int_equal(partition_restart(s.partition, 6, 102), ERR_OK);
    struct partition_replicate r = {
        .leader_epoch = 6, .fetch_offset = 102, .data = batch, .high_watermark = 104, .start_offset = 102};
    r.len = leader_batch(batch, 100, 6, 4);
    assert_int_equal(partition_replicate(s.partition, &r, &s.arena, &end), ERR_OK);
    assert_int_equal(end, 104);
    assert_int_equal(position(&s, 6).start_offset, 102);
    assert_int_equal(position(&s, 6).high_watermark, 104);
    r.fetch_offset = 104;
    assert_int_equal(partition_replicate(s.partition, &r, &s.arena, &end), ERR_OUT_OF_RANGE); // only where it is empty
    assert_int_equal(position(&s, 6).end_offset, 104);
    scene_close(&s);
}

static void test_flush_comes_before_the_next_fetch(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    int64_t end = -1;
    test_os_init(&os);
    scene_open(&s, &os.os, 1);
    assert_int_equal(scene_follow(&s, 6), ERR_OK);
    int before = os.calls[TEST_OS_FSYNC];
    assert_int_equal(replicate(&s, 6, 0, 6, 1, 0, &end), ERR_OK);
    assert_true(os.calls[TEST_OS_FSYNC] > before);
    scene_close(&s);
}

static void test_broken_disk(void **state)
{
    (void)state;
    struct scene s;
    struct test_os os;
    int64_t end = -1;
    test_os_init(&os);
    scene_open(&s, &os.os, INT64_MAX);
    assert_int_equal(scene_follow(&s, 6), ERR_OK);
    os.fail_errno = EIO;
    os.fail_from[TEST_OS_PWRITEV] = os.calls[TEST_OS_PWRITEV] + 1;
    assert_int_equal(replicate(&s, 6, 0, 6, 1, 0, &end), ERR_FAILED);
    os.fail_from[TEST_OS_PWRITEV] = 0;
    assert_int_equal(replicate(&s, 6, 0, 6, 1, 0, &end), ERR_FAILED);
    scene_close(&s);
}

static void test_followers_serve_consumers(void **state)
{
    (void)state;
    struct scene s;
    struct scene_wait w;
    struct wait_link link = {0};
    int64_t end = -1;
    scene_open(&s, os_real(), INT64_MAX);
    assert_int_equal(scene_follow(&s, 6), ERR_OK);
    struct partition_read r = {.current_leader_epoch = -1, .last_fetched_epoch = -1, .max_bytes = 1 << 20};
    assert_int_equal(partition_fetch(s.partition, &r), ERR_NOT_LEADER);
    r.any_replica = true;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_OK);
    scene_wait_init(&s, &w);
    wait_arm(&w.wait, 1);
    assert_int_equal(partition_wait_bytes(s.partition, &r, &link, &w.wait), ERR_OK);
    assert_int_equal(replicate(&s, 6, 0, 6, 1, 0, &end), ERR_OK);
    assert_false(scene_wait_woken(&w));
    assert_int_equal(replicate(&s, 6, 1, 6, 0, 1, &end), ERR_OK); // the watermark comes with the next answer
    sem_wait(&w.woken);
    partition_unlink(s.partition, &link);
    r.current_leader_epoch = 5;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_FENCED_EPOCH);
    r.any_replica = false;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_FENCED_EPOCH); // the epoch is the better hint
    r.current_leader_epoch = 6;
    assert_int_equal(partition_fetch(s.partition, &r), ERR_NOT_LEADER);
    scene_wait_release(&w);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_as_they_are),
        cmocka_unit_test(test_late_answers_change_nothing),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_begins_anew_in_the_middle_of_a_batch),
        cmocka_unit_test(test_flush_comes_before_the_next_fetch),
        cmocka_unit_test(test_broken_disk),
        cmocka_unit_test(test_followers_serve_consumers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
