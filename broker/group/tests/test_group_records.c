// SPDX-License-Identifier: Apache-2.0
//
// Keys and values of the offsets topic: every record that Apache Kafka 3.9.1 wrote into the fixture is decoded and
// encoded again, byte for byte; versions that are only read; what is damaged.
#include "broker/group/group_records.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "base/tests/cmocka_all.h"

#define FIXTURE     "log/tests/fixtures/consumer_offsets/__consumer_offsets-%d/00000000000000000000.log"
#define FIXTURE_MAX (1 << 20)

struct seen {
    int offsets;
    int groups;
    int tombstones;
};

static void assert_bytes(struct slice a, struct slice b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
}

static enum err check_record(void *ctx, const struct log_batch_view *batch, const struct log_record_view *record)
{
    struct seen *seen = ctx;
    struct arena a;
    struct group_record_key key;
    if (batch->control) {
        return ERR_OK;
    }
    arena_init(&a, 1 << 20);
    assert_int_equal(group_record_key_decode(record->key, &a, &key), ERR_OK);
    if (key.type == GROUP_RECORD_OFFSET) {
        assert_bytes(group_offset_key_encode(&a, key.group, key.topic, key.partition), record->key);
    } else {
        assert_int_equal(key.type, GROUP_RECORD_METADATA);
        assert_bytes(group_metadata_key_encode(&a, key.group), record->key);
    }
    if (record->value.data == NULL) {
        seen->tombstones++;
    } else if (key.type == GROUP_RECORD_OFFSET) {
        struct offset_commit_value v;
        assert_int_equal(group_offset_value_decode(record->value, &a, &v), ERR_OK);
        assert_bytes(group_offset_value_encode(&a, &v), record->value);
        seen->offsets++;
    } else {
        struct group_metadata_value v;
        assert_int_equal(group_metadata_value_decode(record->value, &a, &v), ERR_OK);
        assert_bytes(group_metadata_value_encode(&a, &v), record->value);
        seen->groups++;
    }
    arena_release(&a);
    return ERR_OK;
}

static void test_kafka_s_own_records(void **state)
{
    (void)state;
    struct seen seen = {0};
    for (int i = 0; i < 3; i++) {
        char path[128];
        char *data;
        size_t len;
        size_t consumed;
        snprintf(path, sizeof path, FIXTURE, i);
        assert_int_equal(os_read_file(os_real(), path, FIXTURE_MAX, &data, &len), ERR_OK);
        assert_int_equal(log_batches_each(slice_of(data, len), check_record, &seen, &consumed), ERR_OK);
        assert_int_equal(consumed, len);
        free(data);
    }
    assert_int_equal(seen.offsets, 18);
    assert_int_equal(seen.groups, 9);
    assert_int_equal(seen.tombstones, 4);
}

static void test_commit_with_its_own_expiry(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    struct offset_commit_value v = {
        .offset = 7, .leader_epoch = 3, .metadata = slice_str("m"), .commit_timestamp = 5, .expire_timestamp = 9};
    static const uint8_t expected[] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 1, 'm', 0, 0,
                                       0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,   9};
    struct slice bytes = group_offset_value_encode(&a, &v);
    assert_bytes(bytes, slice_of(expected, sizeof expected));
    struct offset_commit_value back;
    assert_int_equal(group_offset_value_decode(bytes, &a, &back), ERR_OK);
    assert_int_equal(back.expire_timestamp, 9);
    assert_int_equal(back.leader_epoch, -1);
    arena_release(&a);
}

static void test_older_and_newer_versions_are_read(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    static const uint8_t v0[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5};
    struct offset_commit_value v;
    assert_int_equal(group_offset_value_decode(slice_of(v0, sizeof v0), &a, &v), ERR_OK);
    assert_int_equal(v.offset, 7);
    assert_int_equal(v.leader_epoch, -1);
    assert_int_equal(v.expire_timestamp, -1);
    static const uint8_t key0[] = {0, 0, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 4};
    struct group_record_key key;
    assert_int_equal(group_record_key_decode(slice_of(key0, sizeof key0), &a, &key), ERR_OK);
    assert_int_equal(key.type, GROUP_RECORD_OFFSET);
    assert_int_equal(key.partition, 4);
    // Version 0 of a group: no rebalance timeout, no time.
    static const uint8_t group0[] = {0, 0,   0, 1, 'c', 0, 0, 0,   9, 0, 1,    'r',  0, 1, 'm', 0, 0, 0, 1, 0,
                                     1, 'm', 0, 1, 'i', 0, 1, 'h', 0, 0, 0x27, 0x10, 0, 0, 0,   0, 0, 0, 0, 0};
    struct group_metadata_value g;
    assert_int_equal(group_metadata_value_decode(slice_of(group0, sizeof group0), &a, &g), ERR_OK);
    assert_int_equal(g.generation, 9);
    assert_int_equal(g.current_state_timestamp, -1);
    assert_int_equal(g.members_count, 1);
    assert_int_equal(g.members[0].session_timeout, 10000);
    assert_int_equal(g.members[0].rebalance_timeout, -1);
    // What a KRaft coordinator writes.
    static const uint8_t v4[] = {0, 4, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0};
    assert_int_equal(group_offset_value_decode(slice_of(v4, sizeof v4), &a, &v), ERR_OK);
    assert_int_equal(v.leader_epoch, 2);
    arena_release(&a);
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    struct arena a;
    struct group_record_key key;
    struct offset_commit_value v;
    struct group_metadata_value g;
    arena_init(&a, 1 << 20);
    assert_int_equal(group_record_key_decode(slice_str(""), &a, &key), ERR_TRUNCATED);
    assert_int_equal(group_record_key_decode(SLICE_NULL, &a, &key), ERR_TRUNCATED);
    assert_int_equal(group_record_key_decode(slice_of("\0\2\0\5g", 5), &a, &key), ERR_TRUNCATED);
    assert_int_equal(group_record_key_decode(slice_of("\0\1\0\1g\0\1t\0", 9), &a, &key), ERR_TRUNCATED);
    assert_int_equal(group_record_key_decode(slice_of("\0\3\0\1g", 5), &a, &key), ERR_OK);
    assert_int_equal(key.type, GROUP_RECORD_OTHER);
    assert_int_equal(group_offset_value_decode(slice_of("\0\3\0", 3), &a, &v), ERR_TRUNCATED);
    assert_int_equal(group_offset_value_decode(slice_of("\0\5\0", 3), &a, &v), ERR_UNSUPPORTED);
    assert_int_equal(group_metadata_value_decode(slice_of("\xff\xff", 2), &a, &g), ERR_UNSUPPORTED);
    assert_int_equal(group_metadata_value_decode(slice_of("\0", 1), &a, &g), ERR_TRUNCATED);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kafka_s_own_records),
        cmocka_unit_test(test_commit_with_its_own_expiry),
        cmocka_unit_test(test_older_and_newer_versions_are_read),
        cmocka_unit_test(test_what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
