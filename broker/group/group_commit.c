// SPDX-License-Identifier: Apache-2.0
//
// OffsetCommit and TxnOffsetCommit. A commit is a write first; its offsets are published when the record is in the
// log, those of a transaction when its marker is (KIP-98).
#include <stdlib.h>

#include "broker/group/group_state.h"

int16_t group_commit_error(enum err e)
{
    switch (e) {
    case ERR_TIMED_OUT:
        return KAFKA_ERROR_REQUEST_TIMED_OUT;
    case ERR_BATCH_TOO_LARGE:
    case ERR_LIST_TOO_LARGE:
    case ERR_TOO_LARGE:
        return KAFKA_ERROR_INVALID_COMMIT_OFFSET_SIZE;
    case ERR_PRODUCER_FENCED:
        return KAFKA_ERROR_INVALID_PRODUCER_EPOCH;
    case ERR_INVALID_TXN_STATE:
        return KAFKA_ERROR_INVALID_TXN_STATE;
    default:
        return group_store_error(e);
    }
}

static int16_t commit_check(const struct group *g, const struct group_commit *c)
{
    if (g->state == GROUP_DEAD) {
        return KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    if (c->generation < 0 && g->state == GROUP_EMPTY) {
        return KAFKA_ERROR_NONE; // an administrator, or a consumer that assigns itself
    }
    if (c->generation >= 0 || c->member_id.len > 0 || c->instance_id.data != NULL) {
        int16_t error = group_check_member(g, c->member_id, c->instance_id);
        if (error == KAFKA_ERROR_NONE && c->generation != g->generation) {
            error = KAFKA_ERROR_ILLEGAL_GENERATION;
        }
        if (error != KAFKA_ERROR_NONE) {
            return error;
        }
    } else if (!c->transactional) {
        return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    }
    // The member knows the new generation, but not yet what it has been assigned in it.
    bool too_early = !c->transactional && g->state == GROUP_COMPLETING_REBALANCE;
    return too_early ? KAFKA_ERROR_REBALANCE_IN_PROGRESS : KAFKA_ERROR_NONE;
}

// Kafka counts the characters of a Java string: code units of UTF-16.
static size_t utf16_length(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        n += (s.data[i] & 0xc0) != 0x80;
        n += s.data[i] >= 0xf0;
    }
    return n;
}

static void commit_refuse(struct turn *t, uint64_t token, int32_t count, int16_t error)
{
    int16_t *errors = must_arena_array(&t->out->arena, (size_t)count, sizeof *errors);
    for (int32_t i = 0; i < count; i++) {
        errors[i] = error;
    }
    turn_answer_errors(t, GROUP_ANSWER_COMMIT, token, errors, count)->error = error;
}

static struct offset_value value_of(struct turn *t, const struct group_commit_partition *p)
{
    return (struct offset_value){
        .offset = p->offset,
        .leader_epoch = p->leader_epoch,
        .metadata = slice_of(must_copy(p->metadata.data, p->metadata.len), p->metadata.len),
        .commit_timestamp_ms = p->commit_timestamp_ms == -1 ? t->now.wall_ms : p->commit_timestamp_ms,
        .expire_timestamp_ms = p->expire_timestamp_ms,
    };
}

static struct group_record offset_record(struct turn *t, const struct group_offset *o, const struct offset_value *v)
{
    struct offset_commit_value value = {
        .offset = v->offset,
        .leader_epoch = v->leader_epoch,
        .metadata = v->metadata,
        .commit_timestamp = v->commit_timestamp_ms,
        .expire_timestamp = v->expire_timestamp_ms,
    };
    struct arena *a = &t->out->arena;
    return (struct group_record){
        .key = group_offset_key_encode(a, t->g->id, o->topic->name, o->partition),
        .value = group_offset_value_encode(a, &value),
    };
}

// Notes one partition of a commit as under way.
static void item_begin(struct turn *t, struct group_write_item *item, const struct group_commit *c,
                       const struct group_commit_partition *p)
{
    struct group_offset *o = group_offset_get(t->g, p->topic, p->partition);
    group_offset_ref(o);
    item->at = o;
    item->value = value_of(t, p);
    if (c->transactional) {
        group_txn_offset_get(group_txn_get(t->g, c->producer_id), o)->in_flight++;
    } else {
        o->commits_in_flight++;
    }
}

static void commit_write(struct turn *t, uint64_t token, const struct group_commit *c)
{
    int32_t count = c->partitions_count;
    struct group_record *records = must_arena_array(&t->out->arena, (size_t)count, sizeof *records);
    struct group_write_item *items = must_array((size_t)count, sizeof *items);
    int16_t *errors = must_array((size_t)count, sizeof *errors);
    int32_t n = 0;
    for (int32_t i = 0; i < count; i++) {
        if (utf16_length(c->partitions[i].metadata) > (size_t)t->g->options->offset_metadata_max) {
            errors[i] = KAFKA_ERROR_OFFSET_METADATA_TOO_LARGE;
            continue;
        }
        item_begin(t, &items[n], c, &c->partitions[i]);
        records[n] = offset_record(t, items[n].at, &items[n].value);
        n++;
    }
    if (n == 0) {
        turn_answer_errors(t, GROUP_ANSWER_COMMIT, token, errors, count);
        free(items);
        free(errors);
        return;
    }
    struct log_batch_producer producer = LOG_BATCH_NO_PRODUCER;
    producer.base_sequence = 0; // as Kafka has it in all commits
    if (c->transactional) {
        producer = (struct log_batch_producer){c->producer_id, c->producer_epoch, 0, true};
    }
    struct group_pending_write *w = group_write_begin(t, GROUP_WRITE_COMMIT, records, n, producer);
    w->has_request = true;
    w->token = token;
    w->answer = GROUP_ANSWER_COMMIT;
    w->errors = errors;
    w->errors_count = count;
    w->items = items;
    w->items_count = n;
    w->transactional = c->transactional;
    w->producer_id = producer.id;
}

void group_commit(struct turn *t, uint64_t token, const struct group_commit *commit)
{
    struct group *g = t->g;
    int16_t error = commit_check(g, commit);
    if (error != KAFKA_ERROR_NONE) {
        commit_refuse(t, token, commit->partitions_count, error);
        return;
    }
    struct group_member *m = group_member_find(g, commit->member_id);
    if (m != NULL && !commit->transactional) {
        group_member_touch(t, m);
    }
    commit_write(t, token, commit);
}

// ---- the outcome ---------------------------------------------------------------------------------------------------

static void publish(struct turn *t, struct group_write_item *item, int64_t record_offset)
{
    group_offset_publish(t->g, item->at, item->value, record_offset);
    item->value.metadata = SLICE_NULL;
    t->out->counts.offsets_committed++;
}

static void txn_item_written(struct turn *t, const struct group_pending_write *w, struct group_write_item *item,
                             bool good, int64_t record_offset)
{
    if (w->outcome != GROUP_TXN_OPEN) { // what the marker said holds for this record, too
        if (good && w->outcome == GROUP_TXN_COMMITTED) {
            publish(t, item, record_offset);
        }
        return;
    }
    struct group_txn *txn = group_txn_get(t->g, w->producer_id);
    struct group_txn_offset *x = group_txn_offset_get(txn, item->at);
    x->in_flight--;
    if (good) {
        group_txn_set(x, item->value, record_offset);
        item->value.metadata = SLICE_NULL;
    }
    group_txn_tidy(t->g, txn, x); // an earlier good commit of the transaction stays (Kafka loses it)
}

void group_commit_written(struct turn *t, struct group_pending_write *w, const struct group_written *written)
{
    for (int32_t i = 0; i < w->items_count; i++) {
        struct group_write_item *item = &w->items[i];
        bool good = written->err == ERR_OK && w->id > item->at->fence;
        if (w->transactional) {
            txn_item_written(t, w, item, good, written->append_offset);
            continue;
        }
        item->at->commits_in_flight--;
        if (good) {
            publish(t, item, written->append_offset);
        }
    }
    if (written->err != ERR_OK) {
        int16_t error = group_commit_error(written->err);
        for (int32_t i = 0; i < w->errors_count; i++) {
            w->errors[i] = w->errors[i] == KAFKA_ERROR_NONE ? error : w->errors[i];
        }
    }
    turn_answer_errors(t, GROUP_ANSWER_COMMIT, w->token, w->errors, w->errors_count);
}

void group_txn_end(struct turn *t, const struct group_txn_end *end)
{
    struct group_pending_write *w;
    TAILQ_FOREACH (w, &t->g->writes, link) {
        if (w->transactional && w->producer_id == end->producer_id && w->outcome == GROUP_TXN_OPEN) {
            w->outcome = end->commit ? GROUP_TXN_COMMITTED : GROUP_TXN_ABORTED;
        }
    }
    t->out->counts.offsets_committed += (uint64_t)group_txn_finish(t->g, end->producer_id, end->commit);
}
