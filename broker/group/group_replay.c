// SPDX-License-Identifier: Apache-2.0
//
// A partition of `__consumer_offsets` turned back into groups. Later records win; offsets of a transaction count when
// its marker is met, and stay pending if there is none. Offsets whose group has no record make a simple group.
#include <inttypes.h>
#include <stdlib.h>

#include "broker/group/group_state.h"

#define DECODE_MAX ((size_t)256 << 20)

struct replay_group {
    struct group *group;
    UT_hash_handle hh; // by the group's id
};

// The groups that a producer's open transaction has touched.
struct replay_txn {
    int64_t producer_id;
    struct group **groups;
    int32_t count;
    int32_t cap;
    UT_hash_handle hh;
};

struct group_replay {
    const struct group_options *options;
    struct group_time now;
    struct replay_group *groups;
    struct replay_txn *txns;
    struct arena arena; // of one record
    uint64_t records;
    uint64_t damaged;
};

struct group_replay *group_replay_new(const struct group_options *o, struct group_time now)
{
    struct group_replay *r = must_alloc(sizeof *r);
    r->options = o;
    r->now = now;
    arena_init(&r->arena, DECODE_MAX);
    return r;
}

static struct group *replay_find(const struct group_replay *r, struct slice id)
{
    struct replay_group *x;
    HASH_FIND(hh, r->groups, id.data, id.len, x);
    return x == NULL ? NULL : x->group;
}

static struct group *replay_group(struct group_replay *r, struct slice id)
{
    struct replay_group *x;
    HASH_FIND(hh, r->groups, id.data, id.len, x);
    if (x == NULL) {
        x = must_alloc(sizeof *x);
        x->group = group_new(r->options, id, r->now);
        struct slice key = group_id(x->group);
        HASH_ADD_KEYPTR(hh, r->groups, key.data, key.len, x);
    }
    return x->group;
}

static void txn_touch(struct group_replay *r, int64_t producer_id, struct group *g)
{
    struct replay_txn *txn;
    HASH_FIND(hh, r->txns, &producer_id, sizeof producer_id, txn);
    if (txn == NULL) {
        txn = must_alloc(sizeof *txn);
        txn->producer_id = producer_id;
        HASH_ADD(hh, r->txns, producer_id, sizeof txn->producer_id, txn);
    }
    for (int32_t i = 0; i < txn->count; i++) {
        if (txn->groups[i] == g) {
            return;
        }
    }
    txn->groups = must_grow(txn->groups, txn->count, &txn->cap, sizeof *txn->groups);
    txn->groups[txn->count++] = g;
}

static void txn_free(struct group_replay *r, struct replay_txn *txn)
{
    HASH_DEL(r->txns, txn);
    free(txn->groups);
    free(txn);
}

// Of a marker's key: int16 version 0, int16 type (0 abort, 1 commit).
static enum err replay_marker(struct group_replay *r, const struct log_batch_view *batch, struct slice key)
{
    struct reader in = reader_of(key);
    int64_t producer_id = batch->producer_id;
    reader_u16(&in);
    uint16_t type = reader_u16(&in);
    if (in.bad) {
        return ERR_TRUNCATED;
    }
    struct replay_txn *txn;
    HASH_FIND(hh, r->txns, &producer_id, sizeof producer_id, txn);
    if (txn == NULL || type > 1) {
        return ERR_OK; // nothing of it was seen, or not the end of a transaction
    }
    for (int32_t i = 0; i < txn->count; i++) {
        group_txn_finish(txn->groups[i], producer_id, type == 1);
    }
    txn_free(r, txn);
    return ERR_OK;
}

static enum err replay_offset(struct group_replay *r, const struct log_batch_view *batch,
                              const struct group_record_key *key, struct slice value)
{
    if (value.data == NULL) {
        struct group *known = replay_find(r, key->group);
        if (known != NULL) {
            group_restore_no_offset(known, key->topic, key->partition);
        }
        return ERR_OK;
    }
    struct offset_commit_value v;
    enum err e = group_offset_value_decode(value, &r->arena, &v);
    if (e != ERR_OK) {
        return e;
    }
    struct group *g = replay_group(r, key->group);
    int64_t producer_id = batch->transactional ? batch->producer_id : -1;
    if (batch->transactional) {
        txn_touch(r, producer_id, g);
    }
    group_restore_offset(g, key->topic, key->partition, &v, batch->base_offset, producer_id);
    return ERR_OK;
}

static enum err replay_metadata(struct group_replay *r, const struct group_record_key *key, struct slice value)
{
    if (value.data == NULL) {
        struct group *known = replay_find(r, key->group);
        if (known != NULL) {
            group_restore_no_metadata(known);
        }
        return ERR_OK;
    }
    struct group_metadata_value v;
    enum err e = group_metadata_value_decode(value, &r->arena, &v);
    if (e == ERR_OK) {
        group_restore_metadata(replay_group(r, key->group), &v);
    }
    return e;
}

static enum err replay_data(struct group_replay *r, const struct log_batch_view *batch,
                            const struct log_record_view *record)
{
    struct group_record_key key;
    enum err e = group_record_key_decode(record->key, &r->arena, &key);
    if (e != ERR_OK) {
        return e;
    }
    switch (key.type) {
    case GROUP_RECORD_OFFSET:
        return replay_offset(r, batch, &key, record->value);
    case GROUP_RECORD_METADATA:
        return replay_metadata(r, &key, record->value);
    case GROUP_RECORD_OTHER:
        log_warn("group", "record at offset %" PRId64 " has a key of an unknown version and is passed over",
                 record->offset);
        break;
    }
    return ERR_OK;
}

enum err group_replay_record(void *ctx, const struct log_batch_view *batch, const struct log_record_view *record)
{
    struct group_replay *r = ctx;
    r->records++;
    enum err e = batch->control ? replay_marker(r, batch, record->key) : replay_data(r, batch, record);
    if (e != ERR_OK) {
        r->damaged++;
        log_error("group", "record at offset %" PRId64 " cannot be read and is passed over: %s", record->offset,
                  err_text(e));
    }
    arena_reset(&r->arena);
    return ERR_OK;
}

uint64_t group_replay_damaged(const struct group_replay *r)
{
    return r->damaged;
}

uint64_t group_replay_records(const struct group_replay *r)
{
    return r->records;
}

void group_replay_finish(struct group_replay *r, group_replay_fn *fn, void *ctx)
{
    while (r->txns != NULL) {
        txn_free(r, r->txns);
    }
    struct replay_group *x;
    struct replay_group *next;
    HASH_ITER (hh, r->groups, x, next) {
        HASH_DEL(r->groups, x);
        if (fn != NULL && group_restore_is_anything(x->group)) {
            fn(ctx, x->group);
        } else {
            group_free(x->group);
        }
        free(x);
    }
}

void group_replay_free(struct group_replay *r)
{
    if (r != NULL) {
        group_replay_finish(r, NULL, NULL);
        arena_release(&r->arena);
        free(r);
    }
}
