// SPDX-License-Identifier: Apache-2.0
//
// Carries out the effects of a group for its tests, and words them for comparison.
#include "broker/group/tests/group_rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/tests/cmocka_all.h"
#include "broker/group/group_state.h"

// Of a batch of magic 2.
#define BATCH_AT_CRC        17
#define BATCH_AT_ATTRIBUTES 21
#define BATCH_ATTR_CONTROL  0x20

#define START_MONO_MS 1000000
#define START_WALL_MS INT64_C(1700000000000)

void rig_init(struct rig *r)
{
    *r = (struct rig){.now = {START_MONO_MS, START_WALL_MS}};
    group_options_init(&r->options);
    group_effects_init(&r->out);
    writer_init(&r->log, 4096, 1 << 30);
    r->group = group_new(&r->options, slice_str("g"), r->now);
}

void rig_release(struct rig *r)
{
    if (r->group != NULL) {
        rig_step(r, (struct group_event){.type = GROUP_UNLOAD});
    }
    assert_null(r->group);
    for (int32_t i = 0; i < r->answers_count && !r->is_small; i++) {
        assert_int_equal(r->answers[i].token, rig_answered(r, r->answers[i].token)->token);
    }
    assert_true(r->is_small || (uint64_t)r->answers_count == r->tokens);
    free(r->answers);
    free(r->writes);
    writer_release(&r->log);
    group_effects_release(&r->out);
}

void rig_forget(struct rig *r)
{
    r->is_small = true;
    r->answers_count = 0;
}

static void text_copy(char out[RIG_TEXT_MAX], struct slice s)
{
    snprintf(out, RIG_TEXT_MAX, "%.*s", SLICE_ARGS(s));
}

static void join_keep(struct rig_answer *a, const struct group_join_answer *join)
{
    a->generation = join->generation;
    a->skip_assignment = join->skip_assignment;
    a->has_protocol = join->protocol_name.data != NULL;
    text_copy(a->protocol, join->protocol_name);
    text_copy(a->leader, join->leader);
    text_copy(a->member_id, join->member_id);
    a->members_count = join->members_count;
    for (int32_t i = 0; i < join->members_count && i < 8; i++) {
        text_copy(a->members[i], join->members[i].member_id);
    }
}

static void answer_keep(struct rig *r, const struct group_effect *e)
{
    assert_null(rig_answer(r, e->token)); // one answer only
    r->answers = must_grow(r->answers, r->answers_count, &r->answers_cap, sizeof *r->answers);
    struct rig_answer *a = &r->answers[r->answers_count++];
    *a = (struct rig_answer){.token = e->token, .type = e->type, .error = e->error};
    if (e->type == GROUP_ANSWER_JOIN) {
        join_keep(a, &e->join);
    } else if (e->type == GROUP_ANSWER_SYNC) {
        a->has_protocol = e->sync.protocol_name.data != NULL;
        text_copy(a->protocol, e->sync.protocol_name);
        assert_non_null(e->sync.assignment.data);
        text_copy(a->assignment, e->sync.assignment);
    } else if (e->type != GROUP_ANSWER_HEARTBEAT && e->type != GROUP_ANSWER_DELETE) {
        a->errors_count = e->errors.count;
        assert_true(e->errors.count <= RIG_ERRORS_MAX);
        for (int32_t i = 0; i < e->errors.count; i++) {
            a->errors[i] = e->errors.list[i];
        }
    }
}

static void write_keep(struct rig *r, const struct group_write *w)
{
    struct log_batch_writer b;
    uint8_t *data;
    size_t len;
    log_batch_writer_init(&b, r->now.wall_ms, 1 << 24);
    for (int32_t i = 0; i < w->records_count; i++) {
        log_batch_writer_add(&b, w->records[i].key, w->records[i].value);
    }
    assert_int_equal(log_batch_writer_finish(&b, w->producer, &data, &len), ERR_OK);
    r->writes = must_grow(r->writes, r->writes_count, &r->writes_cap, sizeof *r->writes);
    r->writes[r->writes_count++] = (struct rig_write){
        .id = w->id,
        .batch = b.bytes,
        .records_count = w->records_count,
        .producer = w->producer,
        .acks_none = w->acks_none,
    };
}

static void effects_take(struct rig *r)
{
    bool died = false;
    const struct group_effect *e;
    STAILQ_FOREACH (e, &r->out.list, entry) {
        assert_false(died); // the last effect there is
        switch (e->type) {
        case GROUP_WRITE:
            write_keep(r, &e->write);
            break;
        case GROUP_LOG:
            r->logged++;
            break;
        case GROUP_DIED:
            died = true;
            break;
        default:
            answer_keep(r, e);
            break;
        }
    }
    if (died) {
        group_free(r->group);
        r->group = NULL;
        for (int32_t i = 0; i < r->writes_count; i++) {
            writer_release(&r->writes[i].batch);
        }
        r->writes_count = 0;
    }
}

static bool is_request(enum group_event_type type)
{
    return type <= GROUP_DELETE;
}

uint64_t rig_step(struct rig *r, struct group_event event)
{
    event.token = is_request(event.type) ? ++r->tokens : 0;
    group_effects_reset(&r->out);
    group_step(r->group, &event, r->now, &r->out);
    effects_take(r);
    if (r->group != NULL) {
        group_check(r->group);
    }
    while (!r->hold_writes && rig_written(r, ERR_OK)) {
    }
    return event.token;
}

bool rig_written(struct rig *r, enum err err)
{
    if (r->writes_count == 0) {
        return false;
    }
    struct rig_write w = r->writes[0];
    r->writes_count--;
    memmove(r->writes, r->writes + 1, (size_t)r->writes_count * sizeof *r->writes);
    int64_t base_offset = r->log_end;
    if (err == ERR_OK) {
        store_be64(w.batch.data, (uint64_t)base_offset);
        writer_bytes(&r->log, w.batch.data, w.batch.len);
        r->log_end += w.records_count;
    }
    writer_release(&w.batch);
    bool hold = r->hold_writes;
    r->hold_writes = true;
    rig_step(r, (struct group_event){.type = GROUP_WRITTEN, .written = {w.id, err, base_offset}});
    r->hold_writes = hold;
    return true;
}

void rig_marker(struct rig *r, int64_t producer_id, bool commit)
{
    struct log_batch_writer b;
    uint8_t *data;
    size_t len;
    log_batch_writer_init(&b, r->now.wall_ms, 1024);
    log_batch_writer_add(&b, slice_of(commit ? "\0\0\0\1" : "\0\0\0\0", 4), slice_of("\0\0\0\0\0\0", 6));
    struct log_batch_producer p = {producer_id, 0, -1, true};
    assert_int_equal(log_batch_writer_finish(&b, p, &data, &len), ERR_OK);
    store_be64(data, (uint64_t)r->log_end++);
    data[BATCH_AT_ATTRIBUTES + 1] |= BATCH_ATTR_CONTROL;
    store_be32(data + BATCH_AT_CRC, crc32c(data + BATCH_AT_ATTRIBUTES, len - BATCH_AT_ATTRIBUTES));
    writer_bytes(&r->log, data, len);
    log_batch_writer_release(&b);
}

void rig_advance(struct rig *r, int64_t ms)
{
    struct group_time end = {r->now.mono_ms + ms, r->now.wall_ms + ms};
    while (r->group != NULL && group_wake_ms(r->group) <= end.mono_ms) {
        int64_t by = group_wake_ms(r->group) - r->now.mono_ms;
        by = by > 0 ? by : 0;
        r->now.mono_ms += by;
        r->now.wall_ms += by;
        rig_step(r, (struct group_event){.type = GROUP_TICK});
        assert_true(r->group == NULL || group_wake_ms(r->group) > r->now.mono_ms);
    }
    r->now = end;
}

const struct rig_answer *rig_answer(const struct rig *r, uint64_t token)
{
    for (int32_t i = r->answers_count - 1; i >= 0; i--) {
        if (r->answers[i].token == token) {
            return &r->answers[i];
        }
    }
    return NULL;
}

const struct rig_answer *rig_answered(const struct rig *r, uint64_t token)
{
    const struct rig_answer *a = rig_answer(r, token);
    assert_non_null(a);
    return a;
}

// ---- requests ------------------------------------------------------------------------------------------------------

struct slice rig_subscription(struct arena *a, const char *topic)
{
    struct writer w;
    writer_init(&w, 64, 1024);
    writer_u16(&w, 1);
    writer_u32(&w, 1);
    writer_u16(&w, (uint16_t)strlen(topic));
    writer_bytes(&w, topic, strlen(topic));
    writer_u32(&w, UINT32_MAX); // no user data
    writer_u32(&w, 0);          // owns nothing
    struct slice s = slice_of(must_arena_copy(a, w.data, w.len), w.len);
    writer_release(&w);
    return s;
}

struct group_join rig_consumer(struct rig *r, const char *member_id)
{
    static const uint8_t subscription[] = {0, 1, 0, 0, 0, 1, 0, 4, 'w', 'o', 'r', 'k', 255, 255, 255, 255, 0, 0, 0, 0};
    static const struct group_protocol range = {
        .name = {(const uint8_t *)"range", 5},
        .metadata = {subscription, sizeof subscription},
    };
    struct group_join join = {
        .member_id = slice_str(member_id),
        .client_id = slice_str("client"),
        .client_host = slice_str("/127.0.0.1"),
        .protocol_type = slice_str("consumer"),
        .protocols = &range,
        .protocols_count = 1,
        .session_timeout_ms = 10000,
        .rebalance_timeout_ms = 60000,
        .require_known_member_id = true,
        .support_skip_assignment = true,
    };
    char uuid[GROUP_MEMBER_ID_UUID_LEN + 1];
    snprintf(uuid, sizeof uuid, "00000000-0000-4000-8000-%012d", ++r->uuids);
    memcpy(join.fresh_uuid, uuid, GROUP_MEMBER_ID_UUID_LEN);
    return join;
}

uint64_t rig_join(struct rig *r, struct group_join join)
{
    return rig_step(r, (struct group_event){.type = GROUP_JOIN, .join = join});
}

uint64_t rig_enter(struct rig *r, char member_id[RIG_TEXT_MAX])
{
    const struct rig_answer *a = rig_answered(r, rig_join(r, rig_consumer(r, "")));
    assert_int_equal(a->error, KAFKA_ERROR_MEMBER_ID_REQUIRED);
    snprintf(member_id, RIG_TEXT_MAX, "%s", a->member_id);
    return rig_join(r, rig_consumer(r, member_id));
}

uint64_t rig_sync_leader(struct rig *r, const char *member_id, int32_t generation)
{
    struct arena a;
    arena_init(&a, 1 << 24);
    int32_t n = group_members_count(r->group);
    struct group_assignment *list = must_arena_array(&a, (size_t)n, sizeof *list);
    for (int32_t i = 0; i < n; i++) {
        struct group_member_view m;
        group_member_at(r->group, i, &m);
        list[i].member_id = m.member_id;
        list[i].assignment =
            slice_str(must_have(arena_printf(&a, "%" PRId32 ":%.*s", generation, SLICE_ARGS(m.member_id))));
    }
    uint64_t token = rig_step(r, (struct group_event){.type = GROUP_SYNC,
                                                      .sync = {.member_id = slice_str(member_id),
                                                               .generation = generation,
                                                               .assignments = list,
                                                               .assignments_count = n}});
    arena_release(&a);
    return token;
}

uint64_t rig_sync(struct rig *r, const char *member_id, int32_t generation)
{
    return rig_step(r, (struct group_event){.type = GROUP_SYNC,
                                            .sync = {.member_id = slice_str(member_id), .generation = generation}});
}

int16_t rig_heartbeat(struct rig *r, const char *member_id, int32_t generation)
{
    uint64_t token = rig_step(
        r, (struct group_event){.type = GROUP_HEARTBEAT, .heartbeat = {slice_str(member_id), SLICE_NULL, generation}});
    return rig_answered(r, token)->error;
}

int16_t rig_leave(struct rig *r, const char *member_id)
{
    struct group_leaving leaving = {slice_str(member_id), SLICE_NULL, slice_str("done")};
    uint64_t token = rig_step(r, (struct group_event){.type = GROUP_LEAVE, .leave = {&leaving, 1}});
    return rig_answered(r, token)->errors[0];
}

uint64_t rig_commit(struct rig *r, const char *member_id, int32_t generation, int32_t partition, int64_t offset)
{
    struct group_commit_partition p = {
        .topic = slice_str("work"),
        .partition = partition,
        .offset = offset,
        .leader_epoch = 3,
        .metadata = slice_str("meta"),
        .commit_timestamp_ms = -1,
        .expire_timestamp_ms = -1,
    };
    return rig_step(r, (struct group_event){.type = GROUP_COMMIT,
                                            .commit = {.member_id = slice_str(member_id),
                                                       .generation = generation,
                                                       .producer_id = -1,
                                                       .partitions = &p,
                                                       .partitions_count = 1}});
}

void rig_stable(struct rig *r, int32_t n, char ids[][RIG_TEXT_MAX])
{
    uint64_t joins[64];
    for (int32_t i = 0; i < n; i++) {
        joins[i] = rig_enter(r, ids[i]);
    }
    rig_advance(r, 10000);
    for (int32_t i = 0; i < n; i++) {
        assert_int_equal(rig_answered(r, joins[i])->error, KAFKA_ERROR_NONE);
        assert_string_equal(rig_answered(r, joins[i])->leader, ids[0]);
    }
    int32_t generation = group_generation(r->group);
    for (int32_t i = n - 1; i >= 0; i--) {
        joins[i] = i == 0 ? rig_sync_leader(r, ids[i], generation) : rig_sync(r, ids[i], generation);
    }
    for (int32_t i = 0; i < n; i++) {
        char expected[RIG_TEXT_MAX + 16];
        snprintf(expected, sizeof expected, "%" PRId32 ":%s", generation, ids[i]);
        assert_string_equal(rig_answered(r, joins[i])->assignment, expected);
    }
    assert_int_equal(group_state(r->group), GROUP_STABLE);
}

int64_t rig_offset(const struct rig *r, int32_t partition)
{
    struct group_offset_view v;
    bool found = r->group != NULL && group_offset_find(r->group, slice_str("work"), partition, &v);
    return found && v.committed ? v.offset : -1;
}

// ---- replay --------------------------------------------------------------------------------------------------------

static void keep_group(void *ctx, struct group *g)
{
    struct group **out = ctx;
    assert_null(*out);
    *out = g;
}

struct group *rig_replay(const struct rig *r)
{
    struct group *g = NULL;
    size_t consumed;
    struct group_replay *replay = group_replay_new(&r->options, r->now);
    assert_int_equal(log_batches_each(writer_slice(&r->log), group_replay_record, replay, &consumed), ERR_OK);
    assert_int_equal(consumed, r->log.len);
    assert_int_equal(group_replay_damaged(replay), 0);
    group_replay_finish(replay, keep_group, &g);
    group_replay_free(replay);
    return g;
}

static void assert_slices(struct slice a, struct slice b)
{
    assert_int_equal(a.data == NULL, b.data == NULL);
    assert_true(slice_equal(a, b));
}

static void assert_same_members(const struct group *a, const struct group *b)
{
    assert_int_equal(group_members_count(a), group_members_count(b));
    for (int32_t i = 0; i < group_members_count(a); i++) {
        struct group_member_view x;
        struct group_member_view y;
        group_member_at(a, i, &x);
        group_member_at(b, i, &y);
        assert_slices(x.member_id, y.member_id);
        assert_slices(x.instance_id, y.instance_id);
        assert_slices(x.client_id, y.client_id);
        assert_slices(x.client_host, y.client_host);
        assert_slices(x.metadata, y.metadata);
        assert_slices(x.assignment, y.assignment);
        assert_int_equal(x.session_timeout_ms, y.session_timeout_ms);
        assert_int_equal(x.rebalance_timeout_ms, y.rebalance_timeout_ms);
    }
}

static void assert_offset_in(void *ctx, const struct group_offset_view *a)
{
    const struct group *other = ctx;
    struct group_offset_view b;
    assert_true(group_offset_find(other, a->topic, a->partition, &b));
    assert_true(b.committed);
    assert_int_equal(a->offset, b.offset);
    assert_int_equal(a->leader_epoch, b.leader_epoch);
    assert_slices(a->metadata, b.metadata);
    assert_int_equal(a->commit_timestamp_ms, b.commit_timestamp_ms);
    assert_int_equal(a->unstable, b.unstable);
}

void rig_assert_same(const struct group *lived, const struct group *replayed)
{
    assert_slices(group_id(lived), group_id(replayed));
    assert_int_equal(group_state(lived), group_state(replayed));
    assert_slices(group_protocol_type(lived), group_protocol_type(replayed));
    assert_slices(group_protocol_name(lived), group_protocol_name(replayed));
    assert_slices(group_leader(lived), group_leader(replayed));
    assert_int_equal(group_generation(lived), group_generation(replayed));
    if (group_state(lived) == GROUP_EMPTY && group_protocol_type(lived).data != NULL) {
        assert_int_equal(group_state_timestamp_ms(lived), group_state_timestamp_ms(replayed));
    }
    assert_same_members(lived, replayed);
    assert_int_equal(group_offsets_count(lived), group_offsets_count(replayed));
    group_offsets_each(lived, assert_offset_in, (void *)(uintptr_t)replayed);
}

// ---- invariants ----------------------------------------------------------------------------------------------------

static void check_member(const struct group *g, const struct group_member *m)
{
    assert_ptr_equal(group_member_find(g, m->id), m);
    assert_null(group_pending_find(g, m->id));
    assert_true(m->instance_id.data == NULL || group_member_by_instance(g, m->instance_id) == m);
    assert_true(m->deadline_ms != GROUP_NEVER || m->awaiting_join || m->awaiting_sync);
    assert_true(g->wake_ms <= m->deadline_ms);
    assert_non_null(m->assignment.data);
    assert_int_equal(m->replace_write != 0, m->replaced != NULL);
    assert_true(m->protocols_count > 0);
    switch (g->state) {
    case GROUP_PREPARING_REBALANCE:
        assert_false(m->awaiting_sync || m->pending_sync);
        break;
    case GROUP_COMPLETING_REBALANCE:
        assert_false(m->awaiting_join || m->is_new);
        assert_true(g->leader != m || m->awaiting_sync == (g->assignment_write != 0));
        assert_int_equal(m->next_assignment.data != NULL, g->assignment_write != 0);
        break;
    case GROUP_STABLE:
        assert_false(m->awaiting_sync || m->is_new);
        assert_true(!m->awaiting_join || m->replace_write != 0);
        assert_null(m->next_assignment.data);
        break;
    default:
        fail_msg("a member in state %s", group_state_name(g->state));
    }
}

static void check_members(const struct group *g)
{
    int32_t awaiting_join = 0;
    unsigned instances = 0;
    size_t bytes = 0;
    for (int32_t i = 0; i < g->members_count; i++) {
        const struct group_member *m = g->members[i];
        check_member(g, m);
        awaiting_join += m->awaiting_join;
        instances += m->instance_id.data != NULL;
        bytes += group_protocols_size(m->protocols, m->protocols_count);
    }
    assert_int_equal(g->awaiting_join_count, awaiting_join);
    assert_int_equal(HASH_CNT(hh, g->by_id), g->members_count);
    assert_int_equal(HASH_CNT(hh_instance, g->by_instance), instances);
    assert_int_equal(g->metadata_bytes, bytes);
    assert_int_equal(g->leader == NULL, g->members_count == 0);
    assert_true(g->leader == NULL || group_member_find(g, g->leader->id) == g->leader);
    assert_true(g->members_count == 0 || group_vote(g).data != NULL);
    for (const struct group_support *s = g->support; s != NULL; s = s->hh.next) {
        int32_t members = 0;
        for (int32_t i = 0; i < g->members_count; i++) {
            bool found = false;
            for (int32_t k = 0; k < g->members[i]->protocols_count && !found; k++) {
                found = slice_equal(g->members[i]->protocols[k].name, s->name);
            }
            members += found;
        }
        assert_int_equal(s->members, members);
        assert_true(members > 0);
    }
}

static void check_state(const struct group *g)
{
    bool joining = g->state == GROUP_PREPARING_REBALANCE;
    bool synced = g->state == GROUP_COMPLETING_REBALANCE || g->state == GROUP_STABLE;
    assert_int_equal(g->join_deadline_ms != GROUP_NEVER, joining);
    assert_true(g->sync_deadline_ms == GROUP_NEVER || synced);
    assert_true(g->wake_ms <= g->join_deadline_ms && g->wake_ms <= g->sync_deadline_ms);
    assert_true(g->assignment_write == 0 || g->state == GROUP_COMPLETING_REBALANCE);
    if (synced) {
        assert_true(g->members_count > 0);
        assert_non_null(g->protocol_type.data);
        assert_non_null(g->protocol_name.data);
    } else if (!joining) {
        assert_int_equal(g->members_count, 0);
        assert_null(g->protocol_name.data);
    }
    // Nobody is kept waiting for nobody.
    assert_true(!joining || g->initial_delay || g->pending != NULL || g->awaiting_join_count < g->members_count);
    for (const struct group_pending_member *p = g->pending; p != NULL; p = p->hh.next) {
        assert_true(g->wake_ms <= p->deadline_ms);
    }
}

static void check_offset(const struct group *g, const struct group_offset *o)
{
    int32_t refs = 0;
    int32_t in_flight = 0;
    int32_t open_txns = 0;
    const struct group_pending_write *w;
    TAILQ_FOREACH (w, &g->writes, link) {
        for (int32_t i = 0; i < w->items_count; i++) {
            bool here = w->items[i].at == o;
            refs += here;
            in_flight += here && w->kind == GROUP_WRITE_COMMIT && !w->transactional;
        }
    }
    for (const struct group_txn *txn = g->txns; txn != NULL; txn = txn->hh.next) {
        for (const struct group_txn_offset *x = txn->offsets; x != NULL; x = x->hh.next) {
            open_txns += x->at == o;
            assert_true(x->has_value || x->in_flight > 0);
        }
    }
    assert_int_equal(o->refs, refs + open_txns);
    assert_int_equal(o->commits_in_flight, in_flight);
    assert_int_equal(o->open_txns, open_txns);
    assert_true(o->committed || o->refs > 0);
    assert_false(o->doomed);
}

void group_check(const struct group *g)
{
    int32_t committed = 0;
    check_state(g);
    check_members(g);
    for (const struct group_topic *t = g->topics; t != NULL; t = t->hh.next) {
        assert_non_null(t->offsets);
        for (const struct group_offset *o = t->offsets; o != NULL; o = o->hh.next) {
            check_offset(g, o);
            committed += o->committed;
        }
    }
    assert_int_equal(g->offsets_count, committed);
}
