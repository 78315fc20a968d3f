// SPDX-License-Identifier: Apache-2.0
//
// The table of a group's offsets: topics, their partitions, and what open transactions hold. An entry exists as long as
// an offset is committed in it or something under way refers to it, so memory follows what is alive. Which of two
// values is the newer one is decided by where their records lie in the log.
#include <stdlib.h>

#include "broker/group/group_state.h"

static struct group_topic *topic_find(const struct group *g, struct slice name)
{
    struct group_topic *topic;
    HASH_FIND(hh, g->topics, name.data, name.len, topic);
    return topic;
}

struct group_offset *group_offset_lookup(const struct group *g, struct slice topic, int32_t partition)
{
    struct group_topic *t = topic_find(g, topic);
    struct group_offset *o = NULL;
    if (t != NULL) {
        HASH_FIND(hh, t->offsets, &partition, sizeof partition, o);
    }
    return o;
}

struct group_offset *group_offset_get(struct group *g, struct slice topic, int32_t partition)
{
    struct group_offset *o = group_offset_lookup(g, topic, partition);
    if (o != NULL) {
        return o;
    }
    struct group_topic *t = topic_find(g, topic);
    if (t == NULL) {
        t = must_alloc(sizeof *t);
        t->name = slice_of(must_copy(topic.data, topic.len), topic.len);
        HASH_ADD_KEYPTR(hh, g->topics, t->name.data, t->name.len, t);
    }
    o = must_alloc(sizeof *o);
    o->partition = partition;
    o->topic = t;
    HASH_ADD(hh, t->offsets, partition, sizeof o->partition, o);
    return o;
}

static void offset_free(struct group *g, struct group_offset *o)
{
    struct group_topic *t = o->topic;
    HASH_DEL(t->offsets, o);
    slice_drop(&o->value.metadata);
    free(o);
    if (t->offsets == NULL) {
        HASH_DEL(g->topics, t);
        slice_drop(&t->name);
        free(t);
    }
}

static void offset_tidy(struct group *g, struct group_offset *o)
{
    if (o->refs == 0 && !o->committed) {
        offset_free(g, o);
    }
}

void group_offset_ref(struct group_offset *o)
{
    o->refs++;
}

void group_offset_unref(struct group *g, struct group_offset *o)
{
    ASSERT(o->refs > 0);
    o->refs--;
    offset_tidy(g, o);
}

void group_offset_publish(struct group *g, struct group_offset *o, struct offset_value value, int64_t record_offset)
{
    if (o->committed && o->record_offset > record_offset) {
        slice_drop(&value.metadata);
        return;
    }
    g->offsets_count += o->committed ? 0 : 1;
    slice_drop(&o->value.metadata);
    o->committed = true;
    o->value = value;
    o->record_offset = record_offset;
}

// ---- transactions --------------------------------------------------------------------------------------------------

static struct group_txn *txn_find(const struct group *g, int64_t producer_id)
{
    struct group_txn *txn;
    HASH_FIND(hh, g->txns, &producer_id, sizeof producer_id, txn);
    return txn;
}

struct group_txn *group_txn_get(struct group *g, int64_t producer_id)
{
    struct group_txn *txn = txn_find(g, producer_id);
    if (txn == NULL) {
        txn = must_alloc(sizeof *txn);
        txn->producer_id = producer_id;
        HASH_ADD(hh, g->txns, producer_id, sizeof txn->producer_id, txn);
    }
    return txn;
}

struct group_txn_offset *group_txn_offset_get(struct group_txn *txn, struct group_offset *o)
{
    struct group_txn_offset *x;
    HASH_FIND(hh, txn->offsets, &o, sizeof(struct group_offset *), x);
    if (x == NULL) {
        x = must_alloc(sizeof *x);
        x->at = o;
        group_offset_ref(o);
        o->open_txns++;
        HASH_ADD(hh, txn->offsets, at, sizeof x->at, x);
    }
    return x;
}

void group_txn_set(struct group_txn_offset *x, struct offset_value value, int64_t record_offset)
{
    slice_drop(&x->value.metadata);
    x->has_value = true;
    x->value = value;
    x->record_offset = record_offset;
}

static void txn_offset_free(struct group *g, struct group_txn *txn, struct group_txn_offset *x)
{
    struct group_offset *o = x->at;
    HASH_DEL(txn->offsets, x);
    slice_drop(&x->value.metadata);
    free(x);
    o->open_txns--;
    group_offset_unref(g, o);
    if (txn->offsets == NULL) {
        HASH_DEL(g->txns, txn);
        free(txn);
    }
}

void group_txn_tidy(struct group *g, struct group_txn *txn, struct group_txn_offset *x)
{
    if (!x->has_value && x->in_flight == 0) {
        txn_offset_free(g, txn, x);
    }
}

int32_t group_txn_finish(struct group *g, int64_t producer_id, bool commit)
{
    struct group_txn *txn = txn_find(g, producer_id);
    int32_t published = 0;
    bool more = txn != NULL;
    while (more) {
        struct group_txn_offset *x = txn->offsets;
        more = HASH_COUNT(txn->offsets) > 1; // the transaction goes with its last offset
        if (commit && x->has_value) {
            group_offset_publish(g, x->at, x->value, x->record_offset);
            x->value.metadata = SLICE_NULL;
            published++;
        }
        txn_offset_free(g, txn, x);
    }
    return published;
}

// ---- removal -------------------------------------------------------------------------------------------------------

void group_offset_withdraw(struct group *g, struct group_offset *o, uint64_t fence, int64_t before)
{
    o->fence = fence > o->fence ? fence : o->fence;
    if (o->committed && o->record_offset < before) {
        o->committed = false;
        slice_drop(&o->value.metadata);
        g->offsets_count--;
    }
    group_offset_ref(o);
    struct group_txn *txn;
    struct group_txn *next;
    HASH_ITER (hh, g->txns, txn, next) {
        struct group_txn_offset *x;
        HASH_FIND(hh, txn->offsets, &o, sizeof(struct group_offset *), x);
        if (x != NULL && x->has_value && x->record_offset < before) {
            x->has_value = false;
            group_txn_tidy(g, txn, x);
        }
    }
    group_offset_unref(g, o);
}

void group_offsets_free(struct group *g)
{
    while (g->txns != NULL) {
        group_txn_finish(g, g->txns->producer_id, false);
    }
    while (g->topics != NULL) {
        offset_free(g, g->topics->offsets);
    }
    g->offsets_count = 0;
}

// ---- views ---------------------------------------------------------------------------------------------------------

static void offset_view(const struct group_offset *o, struct group_offset_view *out)
{
    *out = (struct group_offset_view){
        .topic = o->topic->name,
        .partition = o->partition,
        .committed = o->committed,
        .offset = o->committed ? o->value.offset : -1,
        .leader_epoch = o->committed ? o->value.leader_epoch : -1,
        .metadata = o->committed ? o->value.metadata : slice_str(""),
        .commit_timestamp_ms = o->committed ? o->value.commit_timestamp_ms : -1,
        .unstable = o->open_txns > 0,
    };
}

bool group_offset_find(const struct group *g, struct slice topic, int32_t partition, struct group_offset_view *out)
{
    const struct group_offset *o = group_offset_lookup(g, topic, partition);
    if (o == NULL || g->state == GROUP_DEAD) {
        return false;
    }
    offset_view(o, out);
    return true;
}

void group_offsets_each(const struct group *g, group_offset_fn *fn, void *ctx)
{
    const struct group_topic *t = g->state == GROUP_DEAD ? NULL : g->topics;
    for (; t != NULL; t = t->hh.next) {
        for (const struct group_offset *o = t->offsets; o != NULL; o = o->hh.next) {
            if (o->committed) {
                struct group_offset_view view;
                offset_view(o, &view);
                fn(ctx, &view);
            }
        }
    }
}

int32_t group_offsets_count(const struct group *g)
{
    return g->state == GROUP_DEAD ? 0 : g->offsets_count;
}
