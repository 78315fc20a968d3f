// SPDX-License-Identifier: Apache-2.0
//
// Loading: the groups of a partition that Apache Kafka 3.9.1 wrote are those that Kafka's own tools reported of it;
// transactions, tombstones and damage; and what starts when a group is loaded.
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "base/tests/cmocka_all.h"
#include "broker/group/group_state.h"
#include "broker/group/tests/group_rig.h"

#define FIXTURE     "log/tests/fixtures/consumer_offsets/__consumer_offsets-%d/00000000000000000000.log"
#define FIXTURE_MAX (1 << 20)

// ---- the fixture ---------------------------------------------------------------------------------------------------

struct expected_offset {
    const char *topic;
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch;
    const char *metadata;
};

struct expected_group {
    const char *id;
    enum group_state state;
    const char *type;     // NULL = none
    const char *protocol; // NULL = none
    int32_t generation;
    int32_t members;
    struct expected_offset offsets[2];
    int32_t offsets_count;
};

// What Kafka's tools said of the groups before the broker was stopped.
static const struct expected_group expected[] = {
    {"group-two",
     GROUP_STABLE,
     "consumer",
     "range",
     3,
     2,
     {{"work", 0, 8, 0, "meta again"}, {"work", 1, 8, -1, ""}},
     2},
    {"group-static",
     GROUP_STABLE,
     "consumer",
     "cooperative-sticky",
     1,
     1,
     {{"work", 0, 8, 0, "meta again"}, {"work", 1, 8, -1, ""}},
     2},
    {"group-empty",
     GROUP_EMPTY,
     "consumer",
     NULL,
     2,
     0,
     {{"work", 0, 5, 0, "left at five"}, {"work", 1, 6, -1, ""}},
     2},
    {"group-simple", GROUP_EMPTY, NULL, NULL, 0, 0, {{"work", 0, 3, -1, "by admin"}, {"work", 1, 4, 0, ""}}, 2},
    {"group-partly", GROUP_EMPTY, NULL, NULL, 0, 0, {{"work", 0, 1, -1, ""}}, 1},
    {"group-txn", GROUP_EMPTY, NULL, NULL, 0, 0, {{"transactions", 0, 108, -1, "tx 8"}}, 1},
};
#define EXPECTED (sizeof expected / sizeof expected[0])

struct loaded {
    struct group *groups[16];
    int count;
};

static void keep(void *ctx, struct group *g)
{
    struct loaded *l = ctx;
    assert_true(l->count < 16);
    l->groups[l->count++] = g;
}

static void load_fixture(struct group_options *o, struct group_time now, struct loaded *out)
{
    struct group_replay *replay = group_replay_new(o, now);
    for (int i = 0; i < 3; i++) {
        char path[128];
        char *data;
        size_t len;
        size_t consumed;
        snprintf(path, sizeof path, FIXTURE, i);
        assert_int_equal(os_read_file(os_real(), path, FIXTURE_MAX, &data, &len), ERR_OK);
        assert_int_equal(log_batches_each(slice_of(data, len), group_replay_record, replay, &consumed), ERR_OK);
        free(data);
    }
    assert_int_equal(group_replay_damaged(replay), 0);
    assert_int_equal(group_replay_records(replay), 35);
    *out = (struct loaded){.count = 0};
    group_replay_finish(replay, keep, out);
    group_replay_free(replay);
}

static void assert_text(struct slice s, const char *text)
{
    assert_int_equal(s.data == NULL, text == NULL);
    assert_true(text == NULL || slice_equal(s, slice_str(text)));
}

static void check_group(const struct group *g, const struct expected_group *x)
{
    assert_int_equal(group_state(g), x->state);
    assert_text(group_protocol_type(g), x->type);
    assert_text(group_protocol_name(g), x->protocol);
    assert_int_equal(group_generation(g), x->generation);
    assert_int_equal(group_members_count(g), x->members);
    assert_int_equal(group_offsets_count(g), x->offsets_count);
    for (int32_t i = 0; i < x->offsets_count; i++) {
        struct group_offset_view v;
        assert_true(group_offset_find(g, slice_str(x->offsets[i].topic), x->offsets[i].partition, &v));
        assert_int_equal(v.offset, x->offsets[i].offset);
        assert_int_equal(v.leader_epoch, x->offsets[i].leader_epoch);
        assert_text(v.metadata, x->offsets[i].metadata);
        assert_false(v.unstable);
    }
}

static void test_groups_of_a_kafka_broker(void **state)
{
    (void)state;
    struct group_options o;
    struct group_effects out;
    struct group_time now = {5000, INT64_C(1795365424000)};
    struct loaded l;
    group_options_init(&o);
    group_effects_init(&out);
    load_fixture(&o, now, &l);
    assert_int_equal(l.count, EXPECTED);
    for (int i = 0; i < l.count; i++) {
        size_t k = 0;
        while (k < EXPECTED && !slice_equal(group_id(l.groups[i]), slice_str(expected[k].id))) {
            k++;
        }
        assert_true(k < EXPECTED);
        struct group_event loaded = {.type = GROUP_LOADED};
        group_effects_reset(&out);
        group_step(l.groups[i], &loaded, now, &out);
        assert_true(STAILQ_EMPTY(&out.list));
        group_check(l.groups[i]);
        check_group(l.groups[i], &expected[k]);
        // Sessions of 45 s begin with the load.
        assert_int_equal(group_wake_ms(l.groups[i]), expected[k].members > 0 ? 50000 : INT64_MAX);
        group_free(l.groups[i]);
    }
    group_effects_release(&out);
}

static void test_members_of_a_kafka_broker(void **state)
{
    (void)state;
    struct group_options o;
    struct loaded l;
    group_options_init(&o);
    load_fixture(&o, (struct group_time){0, 0}, &l);
    for (int i = 0; i < l.count; i++) {
        struct group *g = l.groups[i];
        struct group_member_view m;
        if (slice_equal(group_id(g), slice_str("group-static"))) {
            group_member_at(g, 0, &m);
            assert_text(m.member_id, "instance-1-847e0c11-9da2-4b50-b874-525ce52ddf46");
            assert_text(m.instance_id, "instance-1");
            assert_text(m.client_id, "client-s");
            assert_text(m.client_host, "/127.0.0.1");
            assert_int_equal(m.session_timeout_ms, 45000);
            assert_int_equal(m.rebalance_timeout_ms, 300000);
            assert_int_equal(m.metadata.len, 30);
            assert_int_equal(m.assignment.len, 28);
            assert_text(group_leader(g), "instance-1-847e0c11-9da2-4b50-b874-525ce52ddf46");
        }
        if (slice_equal(group_id(g), slice_str("group-two"))) {
            group_member_at(g, 0, &m);
            assert_text(m.member_id, "client-2-ac5b056d-7867-40b9-8a69-3b1d7ed7721b");
            group_member_at(g, 1, &m);
            assert_text(group_leader(g), "client-1-1902e36c-999f-46bd-9d27-af6a9eb943de");
            assert_text(m.member_id, "client-1-1902e36c-999f-46bd-9d27-af6a9eb943de");
            assert_true(group_subscribes(g, slice_str("work")));
            assert_false(group_subscribes(g, slice_str("other")));
        }
        group_free(g);
    }
}

// ---- what was lived ------------------------------------------------------------------------------------------------

static void test_a_life_replayed(void **state)
{
    (void)state;
    struct rig r;
    char ids[3][RIG_TEXT_MAX];
    rig_init(&r);
    rig_stable(&r, 3, ids);
    for (int i = 0; i < 50; i++) {
        rig_commit(&r, ids[i % 3], 1, i % 7, i);
    }
    struct group *g = rig_replay(&r);
    rig_assert_same(r.group, g);
    // It goes on where it stopped: heartbeats, and a session that ends.
    struct group *lived = r.group;
    r.group = g;
    rig_step(&r, (struct group_event){.type = GROUP_LOADED});
    assert_int_equal(rig_heartbeat(&r, ids[2], 1), KAFKA_ERROR_NONE);
    rig_advance(&r, 5000);
    assert_int_equal(rig_heartbeat(&r, ids[0], 1), KAFKA_ERROR_NONE);
    rig_advance(&r, 5000);
    assert_int_equal(group_members_count(r.group), 1);
    group_free(lived);
    rig_release(&r);
}

static void test_too_many_members_for_the_new_limit(void **state)
{
    (void)state;
    struct rig r;
    char ids[3][RIG_TEXT_MAX];
    rig_init(&r);
    rig_stable(&r, 3, ids);
    struct group *g = rig_replay(&r);
    group_free(r.group);
    r.group = g;
    r.options.max_size = 2;
    rig_step(&r, (struct group_event){.type = GROUP_LOADED});
    assert_int_equal(group_state(r.group), GROUP_PREPARING_REBALANCE);
    rig_release(&r);
}

static void test_generations_do_not_run_out(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    struct group_metadata_value_member_metadata member;
    struct group_metadata_value v;
    group_metadata_value_member_metadata_init(&member);
    group_metadata_value_init(&v);
    member.member_id = slice_str("m");
    member.client_id = slice_str("c");
    member.client_host = slice_str("/h");
    member.session_timeout = 10000;
    member.subscription = slice_str("");
    member.assignment = slice_str("");
    v.protocol_type = slice_str("consumer");
    v.protocol = slice_str("range");
    v.generation = INT32_MAX;
    v.members = &member;
    v.members_count = 1;
    group_restore_metadata(r.group, &v);
    rig_step(&r, (struct group_event){.type = GROUP_LOADED});
    assert_int_equal(group_state(r.group), GROUP_STABLE);
    assert_int_equal(rig_heartbeat(&r, "m", INT32_MAX), KAFKA_ERROR_NONE);
    rig_advance(&r, 10000);
    assert_int_equal(group_state(r.group), GROUP_EMPTY);
    assert_int_equal(group_generation(r.group), 1);
    rig_release(&r);
}

// ---- by hand -------------------------------------------------------------------------------------------------------

struct script {
    struct arena a;
    struct group_options o;
    struct group_replay *replay;
    int64_t offset;
};

static void script_begin(struct script *s)
{
    *s = (struct script){.offset = 0};
    arena_init(&s->a, 1 << 20);
    group_options_init(&s->o);
    s->replay = group_replay_new(&s->o, (struct group_time){0, 0});
}

static void script_feed(struct script *s, int64_t producer_id, bool control, struct slice key, struct slice value)
{
    struct log_batch_view b = {.base_offset = s->offset,
                               .last_offset = s->offset,
                               .producer_id = producer_id,
                               .transactional = producer_id >= 0,
                               .control = control};
    struct log_record_view record = {.offset = s->offset++, .key = key, .value = value};
    assert_int_equal(group_replay_record(s->replay, &b, &record), ERR_OK);
}

static void script_commit(struct script *s, int64_t producer_id, const char *group, int64_t offset)
{
    struct offset_commit_value v = {
        .offset = offset, .leader_epoch = -1, .metadata = slice_str(""), .commit_timestamp = 1, .expire_timestamp = -1};
    struct slice key = group_offset_key_encode(&s->a, slice_str(group), slice_str("t"), 0);
    script_feed(s, producer_id, false, key, offset < 0 ? SLICE_NULL : group_offset_value_encode(&s->a, &v));
}

static void script_marker(struct script *s, int64_t producer_id, bool commit)
{
    script_feed(s, producer_id, true, slice_of(commit ? "\0\0\0\1" : "\0\0\0\0", 4), slice_str(""));
}

static void script_end(struct script *s, struct loaded *out)
{
    *out = (struct loaded){.count = 0};
    group_replay_finish(s->replay, keep, out);
    group_replay_free(s->replay);
    arena_release(&s->a);
}

static void assert_offset(const struct group *g, int64_t offset, bool is_unstable)
{
    struct group_offset_view v;
    assert_true(group_offset_find(g, slice_str("t"), 0, &v));
    assert_int_equal(v.offset, offset);
    assert_int_equal(v.committed, offset >= 0);
    assert_int_equal(v.unstable, is_unstable);
}

static void test_transactions(void **state)
{
    (void)state;
    struct script s;
    struct loaded l;
    script_begin(&s);
    script_commit(&s, 1, "committed", 5);
    script_commit(&s, 2, "aborted", 1000);
    script_commit(&s, -1, "aborted", 4);
    script_commit(&s, 2, "aborted", 6);
    script_commit(&s, 3, "open", 7);
    script_commit(&s, 3, "open", 8);
    script_commit(&s, 4, "nothing", 9);
    script_marker(&s, 2, false);
    script_marker(&s, 4, false);
    script_marker(&s, 1, true);
    script_marker(&s, 9, true); // of nobody that was seen
    script_commit(&s, 5, "overtaken", 10);
    script_commit(&s, -1, "overtaken", 11);
    script_marker(&s, 5, true);
    script_end(&s, &l);
    assert_int_equal(l.count, 4);
    for (int i = 0; i < l.count; i++) {
        struct slice id = group_id(l.groups[i]);
        bool open = slice_equal(id, slice_str("open"));
        int64_t offset = slice_equal(id, slice_str("committed")) ? 5
                         : slice_equal(id, slice_str("aborted")) ? 4
                         : open                                  ? -1
                                                                 : 11;
        assert_offset(l.groups[i], offset, open);
        if (open) { // the marker comes after the load
            struct group_effects out;
            group_effects_init(&out);
            struct group_event end = {.type = GROUP_TXN_END, .txn_end = {3, true}};
            group_step(l.groups[i], &end, (struct group_time){0, 0}, &out);
            assert_offset(l.groups[i], 8, false);
            group_effects_release(&out);
        }
        group_free(l.groups[i]);
    }
}

static void test_tombstones(void **state)
{
    (void)state;
    struct script s;
    struct loaded l;
    struct group_metadata_value v;
    script_begin(&s);
    group_metadata_value_init(&v);
    v.protocol_type = slice_str("consumer");
    v.generation = 4;
    struct slice gone = group_metadata_key_encode(&s.a, slice_str("gone"));
    struct slice back = group_metadata_key_encode(&s.a, slice_str("back"));
    script_feed(&s, -1, false, gone, group_metadata_value_encode(&s.a, &v));
    script_commit(&s, -1, "gone", 5);
    script_commit(&s, -1, "gone", -1);
    script_feed(&s, -1, false, gone, SLICE_NULL);
    script_feed(&s, -1, false, back, group_metadata_value_encode(&s.a, &v));
    script_feed(&s, -1, false, back, SLICE_NULL);
    script_commit(&s, -1, "back", 6); // used by a simple consumer afterwards
    script_commit(&s, -1, "unknown", -1);
    script_end(&s, &l);
    assert_int_equal(l.count, 1);
    assert_true(slice_equal(group_id(l.groups[0]), slice_str("back")));
    assert_int_equal(group_generation(l.groups[0]), 0);
    assert_null(group_protocol_type(l.groups[0]).data);
    assert_offset(l.groups[0], 6, false);
    group_free(l.groups[0]);
}

static void test_damage_hides_nothing_else(void **state)
{
    (void)state;
    struct script s;
    struct loaded l;
    script_begin(&s);
    script_feed(&s, -1, false, SLICE_NULL, slice_str("x"));
    script_feed(&s, -1, false, slice_of("\0\1", 2), slice_str("x"));
    script_feed(&s, -1, false, group_metadata_key_encode(&s.a, slice_str("g")), slice_of("\0\3\0\4", 4));
    script_feed(&s, -1, false, slice_of("\0\4\0\1g", 5), slice_str("x")); // of another protocol: no damage
    script_feed(&s, 1, true, slice_of("\0\0", 2), slice_str(""));
    script_commit(&s, -1, "fine", 5);
    assert_int_equal(group_replay_damaged(s.replay), 4);
    assert_int_equal(group_replay_records(s.replay), 6);
    script_end(&s, &l);
    assert_int_equal(l.count, 1);
    assert_offset(l.groups[0], 5, false);
    group_free(l.groups[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_of_a_kafka_broker),
        cmocka_unit_test(test_members_of_a_kafka_broker),
        cmocka_unit_test(test_a_life_replayed),
        cmocka_unit_test(test_too_many_members_for_the_new_limit),
        cmocka_unit_test(test_generations_do_not_run_out),
        cmocka_unit_test(test_transactions),
        cmocka_unit_test(test_tombstones),
        cmocka_unit_test(test_damage_hides_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
