// SPDX-License-Identifier: Apache-2.0
//
// Producer state: the order of the checks as a table, transactions and the first unstable offset, a random walk beside
// a model that is too simple to be wrong, and the snapshots that Kafka has written.
#include "log/producer_state.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"
#include "log/tests/batch_builder.h"

#define DAY_MS 86400000

static struct batch data_batch(int64_t producer_id, int16_t epoch, int32_t sequence, int32_t n, int64_t offset)
{
    struct batch b = test_header(n);
    b.producer_id = producer_id;
    b.producer_epoch = epoch;
    b.base_sequence = sequence;
    b.base_offset = offset;
    b.max_timestamp = offset * 10;
    return b;
}

static struct batch txn_batch(int64_t producer_id, int16_t epoch, int32_t sequence, int64_t offset)
{
    struct batch b = data_batch(producer_id, epoch, sequence, 1, offset);
    b.attributes = BATCH_ATTR_TRANSACTIONAL;
    return b;
}

static struct batch marker_batch(int64_t producer_id, int16_t epoch, int64_t offset)
{
    struct batch b = data_batch(producer_id, epoch, -1, 1, offset);
    b.attributes = BATCH_ATTR_TRANSACTIONAL | BATCH_ATTR_CONTROL;
    return b;
}

static void apply(struct producer_state *p, struct batch b)
{
    assert_int_equal(producer_state_apply(p, &b), ERR_OK);
}

static enum err check(const struct producer_state *p, struct batch b)
{
    struct producer_batch duplicate;
    return producer_state_check(p, &b, &duplicate);
}

// ---- checks --------------------------------------------------------------------------------------------------------

static void test_checks(void **state)
{
    (void)state;
    struct producer_state *p = producer_state_new();
    apply(p, data_batch(7, 2, 100, 3, 0));           // sequences 100-102 at 0-2
    apply(p, data_batch(7, 2, 103, 1, 3));           // 103 at 3
    apply(p, data_batch(8, 0, INT32_MAX - 1, 2, 4)); // up to the last sequence there is
    apply(p, data_batch(9, 0, INT32_MAX, 3, 6));     // wraps inside: 2^31-1, 0, 1
    apply(p, data_batch(10, -1, 5, 1, 9));           // an id without epoch
    struct batch marker = marker_batch(11, 4, 10);   // known by a marker only
    struct completed_txn completed;
    assert_false(producer_state_apply_marker(p, &marker, true, 0, &completed));
    static const struct {
        int64_t producer_id;
        int16_t epoch;
        int32_t sequence;
        int32_t n;
        enum err err;
    } cases[] = {
        {-1, -1, -1, 1, ERR_OK},                          // no producer
        {-1, -1, 17, 1, ERR_OK},                          // the id counts, not the sequence
        {99, 3, 55, 1, ERR_OK},                           // unknown: any sequence
        {7, 2, 100, 3, ERR_DUPLICATE_SEQUENCE},           // the older one
        {7, 2, 103, 1, ERR_DUPLICATE_SEQUENCE},           // the newest one
        {7, 2, 100, 2, ERR_OUT_OF_ORDER_SEQUENCE},        // same first sequence, other last
        {7, 2, 101, 2, ERR_OUT_OF_ORDER_SEQUENCE},        // same last, other first
        {7, 2, 104, 1, ERR_OK},                           // what follows
        {7, 2, 105, 1, ERR_OUT_OF_ORDER_SEQUENCE},        // gap
        {7, 1, 104, 1, ERR_PRODUCER_FENCED},              // old epoch
        {7, 1, 103, 1, ERR_PRODUCER_FENCED},              // ... also where the sequences are known
        {7, 3, 104, 1, ERR_OUT_OF_ORDER_SEQUENCE},        // a new epoch begins at 0
        {7, 3, 0, 1, ERR_OK},                             // as here
        {8, 0, 0, 1, ERR_OK},                             // 0 follows 2^31-1
        {8, 0, INT32_MAX - 1, 2, ERR_DUPLICATE_SEQUENCE}, //
        {8, 0, 1, 1, ERR_OUT_OF_ORDER_SEQUENCE},          //
        {9, 0, INT32_MAX, 3, ERR_DUPLICATE_SEQUENCE},     //
        {9, 0, 2, 1, ERR_OK},                             //
        {9, 0, 0, 1, ERR_OUT_OF_ORDER_SEQUENCE},          //
        {10, -1, 77, 1, ERR_OK},                          // no epoch known: any sequence
        {10, 0, 77, 1, ERR_OK},                           //
        {11, 4, 0, 1, ERR_OK},                            // no batch known: 0 is expected
        {11, 4, 1, 1, ERR_OUT_OF_ORDER_SEQUENCE},         //
        {11, 3, 0, 1, ERR_PRODUCER_FENCED},               // markers fence, too
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum err e = check(p, data_batch(cases[i].producer_id, cases[i].epoch, cases[i].sequence, cases[i].n, 50));
        if (e != cases[i].err) {
            fail_msg("case %zu: %s instead of %s", i, err_name(e), err_name(cases[i].err));
        }
    }
    producer_state_free(p);
}

static void test_duplicate_says_where(void **state)
{
    (void)state;
    struct producer_state *p = producer_state_new();
    apply(p, data_batch(7, 0, 0, 4, 20));
    apply(p, data_batch(7, 0, 4, 1, 31));
    struct batch again = data_batch(7, 0, 0, 4, 99);
    struct producer_batch found;
    assert_int_equal(producer_state_check(p, &again, &found), ERR_DUPLICATE_SEQUENCE);
    assert_int_equal(found.first_offset, 20);
    assert_int_equal(found.last_offset, 23);
    assert_int_equal(found.max_timestamp, 200);
    assert_int_equal(producer_state_end_offset(p), 32);
    producer_state_free(p);
}

static void test_five_batches_are_kept(void **state)
{
    (void)state;
    struct producer_state *p = producer_state_new();
    for (int32_t i = 0; i < 7; i++) {
        apply(p, data_batch(7, 1, i, 1, i));
    }
    assert_int_equal(check(p, data_batch(7, 1, 1, 1, 7)), ERR_OUT_OF_ORDER_SEQUENCE);
    for (int32_t i = 2; i < 7; i++) {
        assert_int_equal(check(p, data_batch(7, 1, i, 1, 7)), ERR_DUPLICATE_SEQUENCE);
    }
    apply(p, data_batch(7, 2, 0, 1, 7)); // a new epoch drops them
    assert_int_equal(check(p, data_batch(7, 2, 6, 1, 8)), ERR_OUT_OF_ORDER_SEQUENCE);
    assert_int_equal(check(p, data_batch(7, 2, 0, 1, 8)), ERR_DUPLICATE_SEQUENCE);
    assert_int_equal(producer_state_count(p), 1);
    producer_state_clear(p);
    assert_int_equal(producer_state_count(p), 0);
    assert_int_equal(producer_state_end_offset(p), 0);
    assert_int_equal(check(p, data_batch(7, 0, 6, 1, 8)), ERR_OK);
    producer_state_free(p);
}

// ---- transactions --------------------------------------------------------------------------------------------------

static void test_transaction_checks(void **state)
{
    (void)state;
    struct producer_state *p = producer_state_new();
    apply(p, txn_batch(7, 1, 0, 0));
    assert_int_equal(check(p, txn_batch(7, 1, 1, 5)), ERR_OK);
    assert_int_equal(check(p, data_batch(7, 1, 1, 1, 5)), ERR_INVALID_TXN_STATE);
    assert_int_equal(check(p, txn_batch(7, 2, 0, 5)), ERR_INVALID_TXN_STATE); // not into the older epoch's transaction
    assert_int_equal(check(p, data_batch(7, 1, 9, 1, 5)), ERR_OUT_OF_ORDER_SEQUENCE); // which is looked at before
    struct batch marker = marker_batch(7, 2, 1);
    struct completed_txn completed;
    assert_true(producer_state_apply_marker(p, &marker, false, 3, &completed));
    assert_int_equal(check(p, data_batch(7, 2, 0, 1, 5)), ERR_OK);
    assert_int_equal(check(p, txn_batch(7, 1, 1, 5)), ERR_PRODUCER_FENCED);
    assert_int_equal(check(p, txn_batch(7, 2, 0, 5)), ERR_OK);
    producer_state_free(p);
}

static void complete(struct producer_state *p, int64_t producer_id, int64_t offset, bool commit,
                     struct completed_txn expected)
{
    struct batch marker = marker_batch(producer_id, 0, offset);
    struct completed_txn completed;
    assert_true(producer_state_apply_marker(p, &marker, commit, 0, &completed));
    assert_int_equal(completed.producer_id, expected.producer_id);
    assert_int_equal(completed.first_offset, expected.first_offset);
    assert_int_equal(completed.last_offset, expected.last_offset);
    assert_int_equal(completed.last_stable_offset, expected.last_stable_offset);
    assert_int_equal(completed.aborted, expected.aborted);
}

static void test_first_unstable_offset(void **state)
{
    (void)state;
    struct producer_state *p = producer_state_new();
    assert_true(producer_state_first_unstable(p) == INT64_MAX);
    apply(p, txn_batch(1, 0, 0, 10));
    apply(p, data_batch(4, 0, 0, 1, 11));
    apply(p, txn_batch(2, 0, 0, 12));
    apply(p, txn_batch(3, 0, 0, 13));
    apply(p, txn_batch(1, 0, 1, 14)); // goes on, does not begin
    assert_int_equal(producer_state_first_unstable(p), 10);
    complete(p, 2, 15, true, (struct completed_txn){2, 12, 15, 10, false});
    complete(p, 1, 16, false, (struct completed_txn){1, 10, 16, 13, true});
    assert_int_equal(producer_state_first_unstable(p), 10); // until its marker is replicated
    producer_state_on_high_watermark(p, 15);
    assert_int_equal(producer_state_first_unstable(p), 10);
    producer_state_on_high_watermark(p, 16); // the marker at 15 is below it
    assert_int_equal(producer_state_first_unstable(p), 10);
    producer_state_on_high_watermark(p, 17);
    assert_int_equal(producer_state_first_unstable(p), 13);
    complete(p, 3, 17, true, (struct completed_txn){3, 13, 17, 18, false});
    assert_int_equal(producer_state_first_unstable(p), 13);
    producer_state_on_high_watermark(p, 18);
    assert_true(producer_state_first_unstable(p) == INT64_MAX);
    apply(p, txn_batch(3, 0, 1, 18));
    producer_state_clear(p);
    assert_true(producer_state_first_unstable(p) == INT64_MAX);
    producer_state_free(p);
}

static void test_expiry(void **state)
{
    (void)state;
    struct producer_state *p = producer_state_new();
    apply(p, data_batch(1, 0, 0, 1, 100)); // timestamp 1000
    apply(p, data_batch(2, 0, 0, 1, 101)); // 1010
    apply(p, txn_batch(3, 0, 0, 102));     // 1020, open
    struct batch future = data_batch(4, 0, 0, 1, 103);
    future.max_timestamp = INT64_MAX;
    apply(p, future);
    struct batch past = data_batch(5, 0, 0, 1, 104);
    past.max_timestamp = INT64_MIN;
    apply(p, past);
    producer_state_expire(p, 1000 + DAY_MS - 1, DAY_MS);
    assert_int_equal(producer_state_count(p), 4);
    producer_state_expire(p, 1000 + DAY_MS, DAY_MS);
    assert_int_equal(producer_state_count(p), 3);
    producer_state_expire(p, 5000 + DAY_MS, DAY_MS);
    assert_int_equal(producer_state_count(p), 2);
    assert_int_equal(check(p, txn_batch(3, 0, 0, 110)), ERR_DUPLICATE_SEQUENCE);
    producer_state_free(p);
}

// ---- a random walk beside a model ----------------------------------------------------------------------------------

#define MODEL_PRODUCERS 5
#define MODEL_BATCHES   64 // kept for ever here, of which the last five count

struct model_producer {
    bool known;
    int16_t epoch;
    int64_t txn_first; // -1 = none
    struct batch kept[MODEL_BATCHES];
    int kept_count;
};

struct model {
    struct model_producer producers[MODEL_PRODUCERS];
    struct completed_txn waiting[4096]; // markers not yet replicated
    int waiting_count;
    int outcomes[ERR_NOT_ENOUGH_REPLICAS + 1]; // how often each answer was right
};

static enum err model_check(const struct model *m, const struct batch *b, int64_t *first_offset)
{
    const struct model_producer *mp = &m->producers[b->producer_id];
    if (!mp->known) {
        return ERR_OK;
    }
    for (int i = mp->kept_count - 1; i >= 0 && i >= mp->kept_count - 5; i--) {
        if (mp->epoch == b->producer_epoch && mp->kept[i].base_sequence == b->base_sequence &&
            mp->kept[i].count == b->count) {
            *first_offset = mp->kept[i].base_offset;
            return ERR_DUPLICATE_SEQUENCE;
        }
    }
    if (b->producer_epoch < mp->epoch) {
        return ERR_PRODUCER_FENCED;
    }
    int64_t expected = 0;
    if (b->producer_epoch == mp->epoch && mp->kept_count > 0) {
        const struct batch *last = &mp->kept[mp->kept_count - 1];
        expected = ((int64_t)last->base_sequence + last->count) % ((int64_t)INT32_MAX + 1);
    }
    if (mp->epoch >= 0 && b->base_sequence != expected) {
        return ERR_OUT_OF_ORDER_SEQUENCE;
    }
    bool in_txn = (b->attributes & BATCH_ATTR_TRANSACTIONAL) != 0;
    return mp->txn_first >= 0 && (!in_txn || b->producer_epoch != mp->epoch) ? ERR_INVALID_TXN_STATE : ERR_OK;
}

static void model_set_epoch(struct model_producer *mp, int16_t epoch)
{
    mp->kept_count = mp->known && mp->epoch == epoch ? mp->kept_count : 0;
    mp->known = true;
    mp->epoch = epoch;
}

static void model_apply(struct model *m, const struct batch *b)
{
    struct model_producer *mp = &m->producers[b->producer_id];
    model_set_epoch(mp, b->producer_epoch);
    if (mp->kept_count == MODEL_BATCHES) {
        memmove(mp->kept, mp->kept + 1, sizeof mp->kept - sizeof mp->kept[0]);
        mp->kept_count--;
    }
    mp->kept[mp->kept_count++] = *b;
    if ((b->attributes & BATCH_ATTR_TRANSACTIONAL) != 0 && mp->txn_first < 0) {
        mp->txn_first = b->base_offset;
    }
}

static int64_t model_first_unstable(const struct model *m, int64_t high_watermark)
{
    int64_t first = INT64_MAX;
    for (int i = 0; i < MODEL_PRODUCERS; i++) {
        int64_t open = m->producers[i].txn_first;
        first = open >= 0 && open < first ? open : first;
    }
    for (int i = 0; i < m->waiting_count; i++) {
        const struct completed_txn *t = &m->waiting[i];
        first = t->last_offset >= high_watermark && t->first_offset < first ? t->first_offset : first;
    }
    return first;
}

static void walk_marker(struct producer_state *p, struct model *m, struct test_random *r, int64_t producer_id,
                        int64_t offset)
{
    struct model_producer *mp = &m->producers[producer_id];
    struct batch marker = marker_batch(producer_id, (int16_t)(mp->epoch + (int)test_random_below(r, 2)), offset);
    struct completed_txn completed;
    bool ended = producer_state_apply_marker(p, &marker, true, 0, &completed);
    assert_int_equal(ended, mp->txn_first >= 0);
    if (ended) {
        assert_int_equal(completed.first_offset, mp->txn_first);
        assert_int_equal(completed.last_offset, offset);
        assert_in_range(m->waiting_count, 0, 4095);
        m->waiting[m->waiting_count++] = completed;
    }
    mp->txn_first = -1;
    model_set_epoch(mp, marker.producer_epoch);
}

static void walk_batch(struct producer_state *p, struct model *m, struct test_random *r, int64_t producer_id,
                       int64_t *offset)
{
    const struct model_producer *mp = &m->producers[producer_id];
    struct batch b = data_batch(producer_id, mp->epoch, 0, 1 + (int32_t)test_random_below(r, 3), *offset);
    if (mp->kept_count > 0) { // near what is known: the next one, a retry, or slightly wrong
        int back = (int)test_random_below(r, 8);
        const struct batch *near = &mp->kept[back < mp->kept_count ? mp->kept_count - 1 - back : 0];
        b.base_sequence =
            test_random_below(r, 2) == 0 ? near->base_sequence : sequence_add(batch_last_sequence(near), 1);
        b.count = test_random_below(r, 3) == 0 ? b.count : near->count;
        b.last_offset_delta = b.count - 1;
    } else if (!mp->known) {
        b.base_sequence = INT32_MAX - (int32_t)test_random_below(r, 20);
    }
    b.producer_epoch =
        (int16_t)(b.producer_epoch + (test_random_below(r, 10) == 0 ? (int)test_random_below(r, 3) - 1 : 0));
    b.attributes = test_random_below(r, 3) == 0 ? 0 : BATCH_ATTR_TRANSACTIONAL;
    int64_t expected_first = -1;
    struct producer_batch duplicate;
    enum err expected = model_check(m, &b, &expected_first);
    assert_int_equal(producer_state_check(p, &b, &duplicate), expected);
    m->outcomes[expected]++;
    if (expected == ERR_DUPLICATE_SEQUENCE) {
        assert_int_equal(duplicate.first_offset, expected_first);
    } else if (expected == ERR_OK) {
        apply(p, b);
        model_apply(m, &b);
        *offset += b.count;
    }
}

static void test_random_walk(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct test_random r = {seed};
        struct model *m = calloc(1, sizeof *m);
        assert_non_null(m);
        for (int i = 0; i < MODEL_PRODUCERS; i++) {
            m->producers[i].txn_first = -1;
        }
        struct producer_state *p = producer_state_new();
        int64_t offset = 0;
        int64_t high_watermark = 0;
        for (int step = 0; step < 4000; step++) {
            int64_t producer_id = test_random_below(&r, MODEL_PRODUCERS);
            if (test_random_below(&r, 12) == 0) {
                walk_marker(p, m, &r, producer_id, offset++);
            } else {
                walk_batch(p, m, &r, producer_id, &offset);
            }
            if (test_random_below(&r, 4) == 0) {
                high_watermark += test_random_below(&r, (uint32_t)(offset - high_watermark + 1));
                producer_state_on_high_watermark(p, high_watermark);
                for (int i = 0; i < m->waiting_count; i++) { // forget the replicated ones
                    if (m->waiting[i].last_offset < high_watermark) {
                        m->waiting[i--] = m->waiting[--m->waiting_count];
                    }
                }
            }
            assert_true(producer_state_first_unstable(p) == model_first_unstable(m, high_watermark));
            assert_int_equal(producer_state_end_offset(p), offset);
        }
        static const enum err reached[] = {ERR_OK, ERR_DUPLICATE_SEQUENCE, ERR_OUT_OF_ORDER_SEQUENCE,
                                           ERR_PRODUCER_FENCED, ERR_INVALID_TXN_STATE};
        for (size_t i = 0; i < sizeof reached / sizeof reached[0]; i++) {
            assert_in_range(m->outcomes[reached[i]], 10, 4000);
        }
        producer_state_free(p);
        free(m);
    }
}

// ---- snapshots -----------------------------------------------------------------------------------------------------

struct snapshot_dir {
    char *dir;
    char path[TEST_PATH_MAX_BYTES];
    struct test_os os;
};

static int setup(void **state)
{
    struct snapshot_dir *d = calloc(1, sizeof *d);
    d->dir = test_dir_new();
    test_path(d->path, d->dir, "00000000000000000042.snapshot");
    test_os_init(&d->os);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct snapshot_dir *d = *state;
    test_dir_remove(d->dir);
    free(d);
    return 0;
}

static void test_snapshot_keeps_one_batch(void **state)
{
    struct snapshot_dir *d = *state;
    struct producer_state *p = producer_state_new();
    apply(p, data_batch(7, 1, 0, 2, 30));
    apply(p, data_batch(7, 1, 2, 3, 32));
    apply(p, txn_batch(8, 0, 0, 40));
    apply(p, txn_batch(9, 0, 0, 35)); // out of order on purpose: a snapshot's entries may be
    struct batch marker = marker_batch(10, 2, 41);
    struct completed_txn completed;
    assert_false(producer_state_apply_marker(p, &marker, true, 6, &completed));
    for (int sync = 0; sync < 2; sync++) {
        int fsyncs = d->os.calls[TEST_OS_FSYNC];
        assert_int_equal(producer_state_store(p, &d->os.os, d->path, sync), ERR_OK);
        assert_true((d->os.calls[TEST_OS_FSYNC] > fsyncs) == (sync == 1));
        struct producer_state *q = producer_state_new();
        apply(q, txn_batch(99, 0, 0, 1)); // vanishes
        assert_int_equal(producer_state_load(q, &d->os.os, d->path, 42, 0, DAY_MS), ERR_OK);
        assert_int_equal(producer_state_count(q), 4);
        assert_int_equal(producer_state_end_offset(q), 42);
        assert_int_equal(producer_state_first_unstable(q), 35);
        assert_int_equal(check(q, data_batch(7, 1, 2, 3, 50)), ERR_DUPLICATE_SEQUENCE);
        assert_int_equal(check(q, data_batch(7, 1, 0, 2, 50)), ERR_OUT_OF_ORDER_SEQUENCE);
        assert_int_equal(check(q, data_batch(7, 1, 5, 1, 50)), ERR_OK);
        assert_int_equal(check(q, data_batch(10, 2, 0, 1, 50)), ERR_OK);
        assert_int_equal(check(q, data_batch(10, 1, 0, 1, 50)), ERR_PRODUCER_FENCED);
        complete(q, 8, 50, true, (struct completed_txn){8, 40, 50, 35, false});
        producer_state_free(q);
    }
    producer_state_free(p);
}

static void test_load_drops_expired(void **state)
{
    struct snapshot_dir *d = *state;
    struct producer_state *p = producer_state_new();
    apply(p, data_batch(7, 1, 0, 2, 30));
    apply(p, txn_batch(8, 0, 0, 32));
    assert_int_equal(producer_state_store(p, &d->os.os, d->path, true), ERR_OK);
    assert_int_equal(producer_state_load(p, &d->os.os, d->path, 42, 300 + DAY_MS, DAY_MS), ERR_OK);
    assert_int_equal(producer_state_count(p), 1);
    assert_int_equal(producer_state_first_unstable(p), 32);
    producer_state_free(p);
}

static void test_damaged_snapshot(void **state)
{
    struct snapshot_dir *d = *state;
    struct producer_state *p = producer_state_new();
    assert_int_equal(producer_state_load(p, &d->os.os, d->path, 42, 0, DAY_MS), ERR_NOT_FOUND);
    apply(p, data_batch(7, 1, 0, 2, 30));
    apply(p, txn_batch(8, 0, 0, 32));
    assert_int_equal(producer_state_store(p, &d->os.os, d->path, true), ERR_OK);
    size_t len;
    char *good = test_file(d->path, &len);
    assert_int_equal(len, 10 + 2 * 46);
    for (size_t bit = 0; bit < len * 8; bit++) {
        good[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(os_replace_file(os_real(), d->path, good, len), ERR_OK);
        assert_int_equal(producer_state_load(p, &d->os.os, d->path, 42, 0, DAY_MS), ERR_CORRUPT);
        assert_int_equal(producer_state_count(p), 0);
        good[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(os_replace_file(os_real(), d->path, good, cut), ERR_OK);
        assert_int_equal(producer_state_load(p, &d->os.os, d->path, 42, 0, DAY_MS), ERR_CORRUPT);
    }
    assert_true(producer_state_first_unstable(p) == INT64_MAX);
    free(good);
    producer_state_free(p);
}

static void test_failed_store_leaves_nothing(void **state)
{
    struct snapshot_dir *d = *state;
    struct producer_state *p = producer_state_new();
    apply(p, data_batch(7, 1, 0, 2, 30));
    d->os.fail_errno = ENOSPC;
    d->os.fail_from[TEST_OS_PWRITEV] = 1;
    assert_int_equal(producer_state_store(p, &d->os.os, d->path, false), ERR_NO_SPACE);
    assert_int_equal(producer_state_store(p, &d->os.os, d->path, true), ERR_NO_SPACE);
    DIR *listing = opendir(d->dir);
    assert_non_null(listing);
    for (const struct dirent *e = readdir(listing); e != NULL; e = readdir(listing)) {
        assert_int_equal(e->d_name[0], '.'); // only "." and ".."
    }
    closedir(listing);
    producer_state_free(p);
}

// ---- Kafka's snapshots ---------------------------------------------------------------------------------------------

// A number behind "<name>": in one entry of the dump; null is -1.
static int64_t dump_number(const char *entry, const char *name)
{
    const char *at = strstr(entry, name);
    assert_non_null(at);
    at = strchr(at, ':') + 1;
    return strncmp(at, "null", 4) == 0 ? -1 : strtoll(at, NULL, 10);
}

// What the dump tool said of one snapshot must be what was loaded: the state answers as it must for each entry.
static int check_dump_line(const char *fixture, char *line, struct snapshot_dir *d)
{
    char path[512];
    char *file = strstr(line, "\"file\":\"") + 8;
    snprintf(path, sizeof path, "log/tests/fixtures/%s/%.*s", fixture, (int)strcspn(file, "\""), file);
    struct producer_state *p = producer_state_new();
    assert_int_equal(producer_state_load(p, os_real(), path, 1, 0, DAY_MS), ERR_OK);
    int entries = 0;
    int64_t first_unstable = INT64_MAX;
    for (char *e = strstr(line, "{\"producerId\""); e != NULL; e = strstr(e + 1, "{\"producerId\"")) {
        entries++;
        struct batch last =
            data_batch(dump_number(e, "producerId"), (int16_t)dump_number(e, "producerEpoch"),
                       (int32_t)dump_number(e, "firstSequence"), (int32_t)dump_number(e, "offsetDelta") + 1, 1000);
        int64_t txn = dump_number(e, "currentTxnFirstOffset");
        first_unstable = txn >= 0 && txn < first_unstable ? txn : first_unstable;
        struct producer_batch found;
        if (dump_number(e, "lastOffset") >= 0) {
            assert_int_equal(producer_state_check(p, &last, &found), ERR_DUPLICATE_SEQUENCE);
            assert_int_equal(found.last_offset, dump_number(e, "lastOffset"));
            assert_int_equal(found.max_timestamp, dump_number(e, "lastTimestamp"));
        }
    }
    assert_int_equal(producer_state_count(p), entries);
    assert_true(producer_state_first_unstable(p) == first_unstable);
    size_t kafka_len;
    size_t len;
    char *kafka = test_file(path, &kafka_len);
    assert_int_equal(producer_state_store(p, os_real(), d->path, false), ERR_OK);
    char *ours = test_file(d->path, &len);
    assert_int_equal(len, kafka_len);
    assert_memory_equal(ours, kafka, len);
    free(ours);
    free(kafka);
    producer_state_free(p);
    return entries;
}

static void test_kafka_snapshots(void **state)
{
    struct snapshot_dir *d = *state;
    static const char *const fixtures[] = {"idempotent",        "unclean",           "transactions", "consumer_offsets",
                                           "transaction_state", "compacted/after-2", "plain",        "logappendtime"};
    int entries = 0;
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        char path[512];
        size_t len;
        snprintf(path, sizeof path, "log/tests/fixtures/%s/indexes.jsonl", fixtures[i]);
        char *dump = test_file(path, &len);
        char *rest = NULL;
        for (char *line = strtok_r(dump, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
            if (strstr(line, ".snapshot\"") != NULL) {
                entries += check_dump_line(fixtures[i], line, d);
            }
        }
        free(dump);
    }
    assert_in_range(entries, 40, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_duplicate_says_where),
        cmocka_unit_test(test_five_batches_are_kept),
        cmocka_unit_test(test_transaction_checks),
        cmocka_unit_test(test_first_unstable_offset),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_random_walk),
        cmocka_unit_test_setup_teardown(test_snapshot_keeps_one_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_load_drops_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_store_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kafka_snapshots, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
