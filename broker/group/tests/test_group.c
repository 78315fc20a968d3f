// SPDX-License-Identifier: Apache-2.0
//
// Random walks: clients that join, sync, commit, leave, die, come back as static members and ask nonsense, while writes
// are slow or fail and time passes. A simple model says what each answer has to be; the invariants hold after every
// step; and whenever the group rests, replaying its log gives the same group. Seeds are fixed.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "broker/group/group_state.h"
#include "broker/group/tests/group_rig.h"

#define CLIENTS     8
#define PARTITIONS  5
#define PRODUCERS   2
#define GENERATIONS 4096

enum client_state {
    CLIENT_OUT,     // has no member id
    CLIENT_PENDING, // was given one
    CLIENT_JOINING,
    CLIENT_JOINED, // knows its generation
    CLIENT_SYNCING,
    CLIENT_MEMBER, // has its assignment
};

struct client {
    enum client_state state;
    char id[RIG_TEXT_MAX];
    char instance[32]; // "" = dynamic
    int32_t generation;
    bool leads;
    uint64_t token; // of the join or sync under way
};

// A commit under way: what it will do if it is written.
struct commit {
    uint64_t token;
    uint64_t write_id;
    int32_t partition;
    int64_t offset;
    int producer; // -1 = plain
};

struct walk {
    struct rig r;
    uint64_t random;
    struct client clients[CLIENTS];
    // The model: what is committed, and what open transactions hold.
    int64_t offsets[PARTITIONS];
    int64_t txns[PRODUCERS][PARTITIONS];
    struct commit commits[64];
    int commits_count;
    int64_t next_offset;
    bool record_missing; // the record of the last state was not written
    char leaders[GENERATIONS][RIG_TEXT_MAX];
    bool quiet; // nobody joins, so that the group runs empty
    int replays;
    int stable;
    int lives;
};

static uint32_t below(struct walk *w, uint32_t n)
{
    w->random ^= w->random << 13; // xorshift
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (uint32_t)(w->random >> 33) % n;
}

static void client_reset(struct client *c)
{
    c->state = CLIENT_OUT;
    c->id[0] = 0;
    c->generation = -1;
    c->leads = false;
}

static void walk_reset_model(struct walk *w)
{
    for (int i = 0; i < PARTITIONS; i++) {
        w->offsets[i] = -1;
        for (int k = 0; k < PRODUCERS; k++) {
            w->txns[k][i] = -1;
        }
    }
    for (int i = 0; i < CLIENTS; i++) {
        client_reset(&w->clients[i]);
        w->clients[i].token = 0;
    }
    w->commits_count = 0;
    w->record_missing = false;
    memset(w->leaders, 0, sizeof w->leaders);
}

static void walk_init(struct walk *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    rig_init(&w->r);
    w->r.hold_writes = true;
    w->random = seed * UINT64_C(0x9e3779b97f4a7c15);
    walk_reset_model(w);
    for (int i = 0; i < CLIENTS; i++) {
        if (i % 3 == 0) {
            snprintf(w->clients[i].instance, sizeof w->clients[i].instance, "instance-%d", i);
        }
    }
}

// The group has died (or is gone): a new life begins with an empty log.
static void walk_reborn(struct walk *w)
{
    assert_null(rig_replay(&w->r));
    w->r.group = group_new(&w->r.options, slice_str("g"), w->r.now);
    w->r.log.len = 0;
    w->r.log_end = 0;
    walk_reset_model(w);
    w->lives++;
}

// ---- what answers must be ------------------------------------------------------------------------------------------

static void joined(struct walk *w, struct client *c, const struct rig_answer *a)
{
    assert_true(a->generation > 0 && a->generation < GENERATIONS);
    assert_true(a->generation >= c->generation);
    snprintf(c->id, sizeof c->id, "%s", a->member_id);
    c->generation = a->generation;
    c->leads = strcmp(a->leader, a->member_id) == 0 && !a->skip_assignment;
    c->state = CLIENT_JOINED;
    assert_true(strcmp(a->protocol, "range") == 0 || strcmp(a->protocol, "sticky") == 0);
    assert_int_equal(a->members_count > 0, strcmp(a->leader, a->member_id) == 0);
    if (c->leads) { // a generation has one leader that assigns
        char *known = w->leaders[a->generation];
        assert_true(known[0] == 0 || strcmp(known, a->member_id) == 0);
        snprintf(known, sizeof w->leaders[0], "%s", a->member_id);
    }
}

static void take_join(struct walk *w, struct client *c, const struct rig_answer *a)
{
    switch (a->error) {
    case KAFKA_ERROR_NONE:
        joined(w, c, a);
        break;
    case KAFKA_ERROR_MEMBER_ID_REQUIRED:
        snprintf(c->id, sizeof c->id, "%s", a->member_id);
        c->state = CLIENT_PENDING;
        break;
    case KAFKA_ERROR_REBALANCE_IN_PROGRESS:
    case KAFKA_ERROR_UNKNOWN_MEMBER_ID:
    case KAFKA_ERROR_FENCED_INSTANCE_ID:
    case KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL:
    case KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_ERROR_GROUP_MAX_SIZE_REACHED:
    case KAFKA_ERROR_NOT_COORDINATOR:
        client_reset(c);
        break;
    default:
        fail_msg("a join got error %d", a->error);
    }
}

// An assignment is the one that the leader of this generation made; of a static member it was made for the id that
// the member had then.
static void take_sync(struct client *c, const struct rig_answer *a)
{
    switch (a->error) {
    case KAFKA_ERROR_NONE: {
        char expected[RIG_TEXT_MAX + 16];
        snprintf(expected, sizeof expected, "%" PRId32 ":%s", c->generation, c->id);
        size_t common = c->instance[0] == 0 ? strlen(expected) : strcspn(expected, ":") + strlen(c->instance) + 1;
        assert_true(strncmp(a->assignment, expected, common) == 0);
        c->state = CLIENT_MEMBER;
        break;
    }
    case KAFKA_ERROR_REBALANCE_IN_PROGRESS:
        c->state = CLIENT_JOINED;
        break;
    case KAFKA_ERROR_ILLEGAL_GENERATION:
    case KAFKA_ERROR_UNKNOWN_MEMBER_ID:
    case KAFKA_ERROR_FENCED_INSTANCE_ID:
    case KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE:
    case KAFKA_ERROR_NOT_COORDINATOR:
        client_reset(c);
        break;
    default:
        fail_msg("a sync got error %d", a->error);
    }
}

static void take_answers(struct walk *w)
{
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];
        const struct rig_answer *a = c->token == 0 ? NULL : rig_answer(&w->r, c->token);
        if (a != NULL) {
            c->token = 0;
            if (a->type == GROUP_ANSWER_JOIN) {
                take_join(w, c, a);
            } else {
                take_sync(c, a);
            }
        }
    }
}

// ---- what clients do -----------------------------------------------------------------------------------------------

static void do_join(struct walk *w, struct client *c)
{
    static const struct group_protocol lists[3][2] = {
        {{{(const uint8_t *)"range", 5}, {(const uint8_t *)"m", 1}},
         {{(const uint8_t *)"sticky", 6}, {(const uint8_t *)"m", 1}}},
        {{{(const uint8_t *)"sticky", 6}, {(const uint8_t *)"n", 1}},
         {{(const uint8_t *)"range", 5}, {(const uint8_t *)"n", 1}}},
        {{{(const uint8_t *)"range", 5}, {(const uint8_t *)"o", 1}},
         {{(const uint8_t *)"other", 5}, {(const uint8_t *)"o", 1}}},
    };
    if (c->token != 0 || w->quiet) {
        return; // one request at a time
    }
    bool restart = c->instance[0] != 0 && below(w, 4) == 0; // a static member's process begins anew
    struct group_join join = rig_consumer(&w->r, restart ? "" : c->id);
    join.instance_id = c->instance[0] == 0 ? SLICE_NULL : slice_str(c->instance);
    join.protocols = lists[below(w, 20) == 0 ? 1 + below(w, 2) : 0];
    join.protocols_count = 2;
    join.require_known_member_id = below(w, 4) != 0;
    join.support_skip_assignment = below(w, 2) == 0;
    c->state = CLIENT_JOINING;
    c->token = rig_join(&w->r, join);
}

static void do_sync(struct walk *w, struct client *c)
{
    if (c->state == CLIENT_JOINED && c->token == 0) {
        c->state = CLIENT_SYNCING;
        c->token = c->leads ? rig_sync_leader(&w->r, c->id, c->generation) : rig_sync(&w->r, c->id, c->generation);
    }
}

static bool is_member(const struct walk *w, const struct client *c)
{
    return c->id[0] != 0 && group_member_find(w->r.group, slice_str(c->id)) != NULL;
}

static void do_heartbeat(struct walk *w, struct client *c)
{
    enum group_state state = group_state(w->r.group);
    bool member = is_member(w, c);
    bool current = c->generation == group_generation(w->r.group);
    int16_t expected = state == GROUP_DEAD                  ? KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE
                       : !member                            ? KAFKA_ERROR_UNKNOWN_MEMBER_ID
                       : !current                           ? KAFKA_ERROR_ILLEGAL_GENERATION
                       : state == GROUP_PREPARING_REBALANCE ? KAFKA_ERROR_REBALANCE_IN_PROGRESS
                                                            : KAFKA_ERROR_NONE;
    int16_t error = rig_heartbeat(&w->r, c->id, c->generation);
    assert_int_equal(error, expected);
    if (error == KAFKA_ERROR_UNKNOWN_MEMBER_ID && c->token == 0) {
        client_reset(c);
    } else if (error == KAFKA_ERROR_REBALANCE_IN_PROGRESS || error == KAFKA_ERROR_ILLEGAL_GENERATION) {
        do_join(w, c);
    }
}

static void do_leave(struct walk *w, struct client *c)
{
    bool known = is_member(w, c) || group_pending_find(w->r.group, slice_str(c->id)) != NULL;
    if (group_state(w->r.group) == GROUP_DEAD) {
        return;
    }
    assert_int_equal(rig_leave(&w->r, c->id), known ? KAFKA_ERROR_NONE : KAFKA_ERROR_UNKNOWN_MEMBER_ID);
    if (c->token == 0) {
        client_reset(c);
    }
}

static void commit_note(struct walk *w, uint64_t token, int32_t partition, int64_t offset, int producer)
{
    assert_true(w->commits_count < 64);
    w->commits[w->commits_count++] =
        (struct commit){token, w->r.writes[w->r.writes_count - 1].id, partition, offset, producer};
}

static void do_commit(struct walk *w, struct client *c)
{
    enum group_state state = group_state(w->r.group);
    bool member = is_member(w, c);
    bool current = member && c->generation == group_generation(w->r.group);
    int32_t partition = (int32_t)below(w, PARTITIONS);
    int writes = w->r.writes_count;
    uint64_t token = rig_commit(&w->r, c->id, c->generation, partition, ++w->next_offset);
    bool taken = (c->generation < 0 && state == GROUP_EMPTY) ||
                 (current && (state == GROUP_STABLE || state == GROUP_PREPARING_REBALANCE));
    assert_int_equal(w->r.writes_count, writes + taken);
    assert_int_equal(rig_answer(&w->r, token) == NULL, taken);
    if (taken) {
        commit_note(w, token, partition, w->next_offset, -1);
    }
}

static void do_txn_commit(struct walk *w)
{
    int producer = (int)below(w, PRODUCERS);
    int32_t partition = (int32_t)below(w, PARTITIONS);
    struct group_commit_partition p = {.topic = slice_str("work"),
                                       .partition = partition,
                                       .offset = ++w->next_offset,
                                       .leader_epoch = -1,
                                       .commit_timestamp_ms = -1,
                                       .expire_timestamp_ms = -1};
    if (group_state(w->r.group) == GROUP_DEAD) {
        return;
    }
    uint64_t token = rig_step(&w->r, (struct group_event){.type = GROUP_COMMIT,
                                                          .commit = {.member_id = slice_str(""),
                                                                     .generation = -1,
                                                                     .transactional = true,
                                                                     .producer_id = producer,
                                                                     .partitions = &p,
                                                                     .partitions_count = 1}});
    commit_note(w, token, partition, w->next_offset, producer);
}

// ---- what the broker does ------------------------------------------------------------------------------------------

static void commit_done(struct walk *w, int i, bool good)
{
    struct commit c = w->commits[i];
    w->commits[i] = w->commits[--w->commits_count];
    const struct rig_answer *a = rig_answered(&w->r, c.token);
    assert_int_equal(a->errors[0] == KAFKA_ERROR_NONE, good);
    if (good && c.producer < 0) {
        w->offsets[c.partition] = c.offset;
        for (int k = 0; k < PRODUCERS; k++) {
            // A plain commit behind it in the log is the newer one, whenever the marker comes.
            w->txns[k][c.partition] = w->txns[k][c.partition] < 0 ? -1 : -2;
        }
    } else if (good) {
        w->txns[c.producer][c.partition] = c.offset;
    }
}

static void do_written(struct walk *w)
{
    if (w->r.writes_count == 0) {
        return;
    }
    uint64_t id = w->r.writes[0].id;
    const struct group_pending_write *p = TAILQ_FIRST(&w->r.group->writes);
    enum group_write_kind kind = p->kind;
    bool good = below(w, 10) != 0;
    assert_int_equal(p->id, id);
    rig_written(&w->r, good ? ERR_OK : ERR_NOT_ENOUGH_REPLICAS);
    if (kind == GROUP_WRITE_EMPTY || kind == GROUP_WRITE_ASSIGNMENT || kind == GROUP_WRITE_REPLACEMENT) {
        w->record_missing = !good && (kind != GROUP_WRITE_REPLACEMENT || w->record_missing);
    }
    for (int i = w->commits_count - 1; i >= 0; i--) {
        if (w->commits[i].write_id == id) {
            commit_done(w, i, good);
        }
    }
}

static void do_txn_end(struct walk *w)
{
    while (w->r.writes_count > 0) { // a marker follows what it ends
        do_written(w);
        if (w->r.group == NULL) {
            return;
        }
    }
    int producer = (int)below(w, PRODUCERS);
    bool commit = below(w, 2) == 0;
    rig_step(&w->r, (struct group_event){.type = GROUP_TXN_END, .txn_end = {producer, commit}});
    rig_marker(&w->r, producer, commit);
    for (int i = 0; i < PARTITIONS; i++) {
        if (commit && w->txns[producer][i] >= 0) {
            w->offsets[i] = w->txns[producer][i];
            for (int k = 0; k < PRODUCERS; k++) { // no other one that came before it in the log may win any more
                bool older = k != producer && w->txns[k][i] >= 0 && w->txns[k][i] < w->txns[producer][i];
                w->txns[k][i] = older ? -2 : w->txns[k][i];
            }
        }
        w->txns[producer][i] = -1;
    }
}

static void do_time(struct walk *w)
{
    static const int64_t steps[] = {10, 500, 3000, 4000, 9000, 11000, 61000};
    rig_advance(&w->r, steps[below(w, w->quiet ? 4 : 40) == 0 ? 4 + below(w, 3) : below(w, 4)]);
}

static void do_delete(struct walk *w)
{
    enum group_state state = group_state(w->r.group);
    if (state == GROUP_EMPTY && (w->commits_count > 0 || below(w, 4) != 0)) {
        return; // a life should last; what becomes of commits under way is tested elsewhere
    }
    uint64_t token = rig_step(&w->r, (struct group_event){.type = GROUP_DELETE});
    const struct rig_answer *a = rig_answer(&w->r, token);
    if (state != GROUP_EMPTY) {
        assert_int_equal(a->error, state == GROUP_DEAD ? KAFKA_ERROR_GROUP_ID_NOT_FOUND : KAFKA_ERROR_NON_EMPTY_GROUP);
    }
}

// ---- the walk ------------------------------------------------------------------------------------------------------

static void check_offsets(const struct walk *w)
{
    for (int32_t i = 0; i < PARTITIONS && group_state(w->r.group) != GROUP_DEAD; i++) {
        assert_int_equal(rig_offset(&w->r, i), w->offsets[i]);
    }
}

static void check_replay(struct walk *w)
{
    enum group_state state = group_state(w->r.group);
    bool rests = w->r.writes_count == 0 && (state == GROUP_STABLE || state == GROUP_EMPTY);
    if (!rests || w->record_missing) {
        return;
    }
    struct group *g = rig_replay(&w->r);
    if (g == NULL) { // never written: nothing that would have to be
        assert_int_equal(group_generation(w->r.group), 0);
        assert_int_equal(group_offsets_count(w->r.group), 0);
        return;
    }
    rig_assert_same(w->r.group, g);
    group_free(g);
    w->replays++;
}

static void walk_step(struct walk *w)
{
    struct client *c = &w->clients[below(w, CLIENTS)];
    uint32_t what = below(w, 100);
    if (what < 40) {
        do_sync(w, c);
        if (c->state <= CLIENT_PENDING || (c->state == CLIENT_MEMBER && below(w, 200) == 0)) {
            do_join(w, c);
        }
    } else if (what < 56) {
        do_heartbeat(w, c);
    } else if (what < 66) {
        do_commit(w, c);
    } else if (what < 69) {
        do_txn_commit(w);
    } else if (what < 70) {
        do_txn_end(w);
    } else if (what < 71) {
        if (w->quiet || below(w, 4) == 0) {
            do_leave(w, c);
        }
    } else if (what < 72) {
        if (below(w, 4) == 0) {
            client_reset(c); // its process is gone; whatever it waits for is answered to nobody
            c->token = 0;
        }
    } else if (what < 80) {
        do_time(w);
    } else if (what < 82) {
        do_delete(w);
    } else {
        do_written(w);
    }
}

// Of all walks: steps that ended in Stable, replays compared, groups that came and went.
struct totals {
    int stable;
    int replays;
    int lives;
};

static void walk_run(uint64_t seed, int steps, struct totals *totals)
{
    struct walk *w = malloc(sizeof *w);
    walk_init(w, seed);
    for (int i = 0; i < steps; i++) {
        w->quiet = i / 300 % 4 == 3;
        if (w->commits_count == 64) {
            do_written(w);
        } else {
            walk_step(w);
        }
        if (w->r.group != NULL) {
            take_answers(w);
            check_offsets(w);
            w->stable += group_state(w->r.group) == GROUP_STABLE;
            if (i % 8 == 0) {
                check_replay(w);
            }
        } else {
            walk_reborn(w);
        }
        rig_forget(&w->r);
        if (w->r.log.len > 20000 && w->r.writes_count == 0 && group_state(w->r.group) == GROUP_EMPTY) {
            rig_step(&w->r, (struct group_event){.type = GROUP_UNLOAD}); // replays stay short
            w->r.log.len = 0;
            walk_reborn(w);
        }
    }
    totals->stable += w->stable;
    totals->replays += w->replays;
    totals->lives += w->lives;
    w->r.hold_writes = false;
    rig_release(&w->r);
    free(w);
}

static void test_random_walks(void **state)
{
    (void)state;
    struct totals totals = {0};
    for (uint64_t seed = 1; seed <= 10; seed++) {
        walk_run(seed, 6000, &totals);
    }
    // They have been everywhere.
    assert_true(totals.stable > 5000);
    assert_true(totals.replays > 500);
    assert_true(totals.lives > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
