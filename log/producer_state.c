// SPDX-License-Identifier: Apache-2.0
//
// Producer state of a partition. What always holds:
// - An open transaction is in `open` (by first offset) and its producer points to it; once its marker is written it
//   moves to `completed` (by marker offset) and stays there until the high watermark has passed the marker.
// - `unstable` holds both kinds by first offset, so that its head is the first unstable offset.
// Batches are applied in the order of the log, which keeps all three lists sorted by appending.
#include "log/producer_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1
#include "base/hash.h"

#include "base/crc32c.h"

#define EPOCH_UNKNOWN (-1)

#define SNAPSHOT_VERSION     1
#define SNAPSHOT_HEADER_SIZE 10
#define SNAPSHOT_CRC_FROM    6 // the CRC covers everything behind itself
#define SNAPSHOT_ENTRY_SIZE  46
#define SNAPSHOT_BYTES_MAX   (256 << 20) // some five million producers

struct txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; // of the marker, once there is one
    TAILQ_ENTRY(txn) by_start;
    TAILQ_ENTRY(txn) by_state; // in open or in completed
};

TAILQ_HEAD(txn_list, txn);

// One of the batches a retry is recognised by. Its first sequence follows from last_sequence and offset_delta.
struct kept_batch {
    int64_t last_offset;
    int64_t max_timestamp;
    int32_t last_sequence;
    int32_t offset_delta;
};

struct producer {
    int64_t producer_id;
    int64_t last_timestamp;
    struct txn *txn; // open transaction or NULL
    int32_t coordinator_epoch;
    int16_t epoch;
    int16_t kept; // number of batches, oldest first
    struct kept_batch batches[PRODUCER_BATCHES_KEPT];
    UT_hash_handle hh;
};

struct producer_state {
    struct producer *producers; // hash by producer_id, in order of first appearance
    struct txn_list open;
    struct txn_list completed;
    struct txn_list unstable;
    int64_t end_offset;
    _Atomic int64_t first_unstable;
};

static struct producer *producer_find(const struct producer_state *p, int64_t producer_id)
{
    struct producer *found = NULL;
    HASH_FIND(hh, p->producers, &producer_id, sizeof producer_id, found);
    return found;
}

// A new producer of which nothing is known yet; NULL without memory.
static struct producer *producer_add(struct producer_state *p, int64_t producer_id)
{
    struct producer *new = calloc(1, sizeof *new);
    if (new == NULL) {
        return NULL;
    }
    new->producer_id = producer_id;
    new->epoch = EPOCH_UNKNOWN;
    new->coordinator_epoch = -1;
    new->last_timestamp = -1;
    HASH_ADD(hh, p->producers, producer_id, sizeof new->producer_id, new);
    if (!hash_added(&new->hh)) {
        free(new);
        return NULL;
    }
    return new;
}

static void producer_remove(struct producer_state *p, struct producer *gone)
{
    HASH_DELETE(hh, p->producers, gone);
    free(gone);
}

static void publish_first_unstable(struct producer_state *p)
{
    const struct txn *oldest = TAILQ_FIRST(&p->unstable);
    atomic_store_explicit(&p->first_unstable, oldest == NULL ? INT64_MAX : oldest->first_offset, memory_order_release);
}

// Opens a transaction of a producer that has none. Batches come in the order of the log, entries of a snapshot in any.
static enum err txn_open(struct producer_state *p, struct producer *owner, int64_t first_offset)
{
    struct txn *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return ERR_NO_MEMORY;
    }
    t->producer_id = owner->producer_id;
    t->first_offset = first_offset;
    t->last_offset = -1;
    struct txn *before = TAILQ_LAST(&p->unstable, txn_list);
    while (before != NULL && before->first_offset > first_offset) {
        before = TAILQ_PREV(before, txn_list, by_start);
    }
    if (before == NULL) {
        TAILQ_INSERT_HEAD(&p->unstable, t, by_start);
    } else {
        TAILQ_INSERT_AFTER(&p->unstable, before, t, by_start);
    }
    before = TAILQ_LAST(&p->open, txn_list);
    while (before != NULL && before->first_offset > first_offset) {
        before = TAILQ_PREV(before, txn_list, by_state);
    }
    if (before == NULL) {
        TAILQ_INSERT_HEAD(&p->open, t, by_state);
    } else {
        TAILQ_INSERT_AFTER(&p->open, before, t, by_state);
    }
    owner->txn = t;
    publish_first_unstable(p);
    return ERR_OK;
}

struct producer_state *producer_state_new(void)
{
    struct producer_state *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    TAILQ_INIT(&p->open);
    TAILQ_INIT(&p->completed);
    TAILQ_INIT(&p->unstable);
    atomic_init(&p->first_unstable, INT64_MAX);
    return p;
}

void producer_state_clear(struct producer_state *p)
{
    struct txn *t;
    while ((t = TAILQ_FIRST(&p->unstable)) != NULL) {
        TAILQ_REMOVE(&p->unstable, t, by_start);
        free(t);
    }
    TAILQ_INIT(&p->open);
    TAILQ_INIT(&p->completed);
    struct producer *each;
    struct producer *next;
    HASH_ITER (hh, p->producers, each, next) {
        producer_remove(p, each);
    }
    p->end_offset = 0;
    publish_first_unstable(p);
}

void producer_state_free(struct producer_state *p)
{
    if (p != NULL) {
        producer_state_clear(p);
        free(p);
    }
}

int32_t producer_state_count(const struct producer_state *p)
{
    return (int32_t)HASH_COUNT(p->producers);
}

int64_t producer_state_end_offset(const struct producer_state *p)
{
    return p->end_offset;
}

void producer_state_set_end_offset(struct producer_state *p, int64_t offset)
{
    p->end_offset = offset;
}

int64_t producer_state_first_unstable(const struct producer_state *p)
{
    return atomic_load_explicit(&p->first_unstable, memory_order_acquire);
}

// ---- checks --------------------------------------------------------------------------------------------------------

static const struct kept_batch *producer_find_duplicate(const struct producer *owner, const struct batch *b)
{
    if (owner->epoch != b->producer_epoch) {
        return NULL;
    }
    int32_t last_sequence = batch_last_sequence(b);
    for (int i = 0; i < owner->kept; i++) {
        const struct kept_batch *k = &owner->batches[i];
        if (k->last_sequence == last_sequence && k->offset_delta == b->last_offset_delta) {
            return k;
        }
    }
    return NULL;
}

// The sequence of b may follow what is known of its producer.
static bool producer_sequence_ok(const struct producer *owner, const struct batch *b)
{
    if (owner->epoch == EPOCH_UNKNOWN) {
        return true;
    }
    if (owner->epoch != b->producer_epoch || owner->kept == 0) {
        return b->base_sequence == 0;
    }
    return b->base_sequence == sequence_add(owner->batches[owner->kept - 1].last_sequence, 1);
}

enum err producer_state_check(const struct producer_state *p, const struct batch *b, struct producer_batch *duplicate)
{
    const struct producer *owner = b->producer_id < 0 ? NULL : producer_find(p, b->producer_id);
    if (owner == NULL) {
        return ERR_OK;
    }
    const struct kept_batch *k = producer_find_duplicate(owner, b);
    if (k != NULL) {
        *duplicate = (struct producer_batch){
            .first_offset = k->last_offset - k->offset_delta,
            .last_offset = k->last_offset,
            .max_timestamp = k->max_timestamp,
        };
        return ERR_DUPLICATE_SEQUENCE;
    }
    if (b->producer_epoch < owner->epoch) {
        return ERR_PRODUCER_FENCED;
    }
    if (!producer_sequence_ok(owner, b)) {
        return ERR_OUT_OF_ORDER_SEQUENCE;
    }
    // A newer epoch may not slip into the open transaction of an older one: the marker of that one would then be
    // refused for its epoch, and the transaction would never end. (Apache Kafka lets it in.)
    if (owner->txn != NULL && (!batch_is(b, BATCH_ATTR_TRANSACTIONAL) || b->producer_epoch != owner->epoch)) {
        return ERR_INVALID_TXN_STATE;
    }
    return ERR_OK;
}

// ---- changes -------------------------------------------------------------------------------------------------------

// Batches of another epoch are no use for recognising retries.
static void producer_set_epoch(struct producer *owner, int16_t epoch)
{
    if (owner->epoch != epoch) {
        owner->epoch = epoch;
        owner->kept = 0;
    }
}

static void producer_keep(struct producer *owner, const struct kept_batch *k)
{
    if (owner->kept == PRODUCER_BATCHES_KEPT) {
        memmove(&owner->batches[0], &owner->batches[1], (PRODUCER_BATCHES_KEPT - 1) * sizeof *k);
        owner->kept--;
    }
    owner->batches[owner->kept++] = *k;
}

enum err producer_state_apply(struct producer_state *p, const struct batch *b)
{
    if (b->producer_id >= 0) {
        struct producer *owner = producer_find(p, b->producer_id);
        if (owner == NULL && (owner = producer_add(p, b->producer_id)) == NULL) {
            return ERR_NO_MEMORY;
        }
        if (owner->txn == NULL && batch_is(b, BATCH_ATTR_TRANSACTIONAL)) {
            enum err e = txn_open(p, owner, b->base_offset);
            if (e != ERR_OK) {
                return e;
            }
        }
        producer_set_epoch(owner, b->producer_epoch);
        producer_keep(owner, &(struct kept_batch){
                                 .last_offset = batch_last_offset(b),
                                 .max_timestamp = b->max_timestamp,
                                 .last_sequence = batch_last_sequence(b),
                                 .offset_delta = b->last_offset_delta,
                             });
        owner->last_timestamp = b->max_timestamp;
    }
    p->end_offset = batch_last_offset(b) + 1;
    return ERR_OK;
}

bool producer_state_apply_marker(struct producer_state *p, const struct batch *b, bool commit,
                                 int32_t coordinator_epoch, struct completed_txn *completed)
{
    p->end_offset = batch_last_offset(b) + 1;
    if (b->producer_id < 0) {
        return false;
    }
    struct producer *owner = producer_find(p, b->producer_id);
    if (owner == NULL && (owner = producer_add(p, b->producer_id)) == NULL) {
        return false;
    }
    producer_set_epoch(owner, b->producer_epoch);
    owner->coordinator_epoch = coordinator_epoch;
    owner->last_timestamp = b->max_timestamp;
    struct txn *t = owner->txn;
    if (t == NULL) {
        return false;
    }
    owner->txn = NULL;
    t->last_offset = batch_last_offset(b);
    TAILQ_REMOVE(&p->open, t, by_state);
    TAILQ_INSERT_TAIL(&p->completed, t, by_state);
    const struct txn *next = TAILQ_FIRST(&p->open);
    *completed = (struct completed_txn){
        .producer_id = t->producer_id,
        .first_offset = t->first_offset,
        .last_offset = t->last_offset,
        .last_stable_offset = next != NULL ? next->first_offset : t->last_offset + 1,
        .aborted = !commit,
    };
    return true;
}

void producer_state_on_high_watermark(struct producer_state *p, int64_t high_watermark)
{
    struct txn *t = TAILQ_FIRST(&p->completed);
    if (t == NULL || t->last_offset >= high_watermark) {
        return;
    }
    for (; t != NULL && t->last_offset < high_watermark; t = TAILQ_FIRST(&p->completed)) {
        TAILQ_REMOVE(&p->completed, t, by_state);
        TAILQ_REMOVE(&p->unstable, t, by_start);
        free(t);
    }
    publish_first_unstable(p);
}

static bool producer_expired(const struct producer *owner, int64_t now_ms, int64_t expiration_ms)
{
    int64_t age_ms;
    if (__builtin_sub_overflow(now_ms, owner->last_timestamp, &age_ms)) {
        age_ms = owner->last_timestamp < 0 ? INT64_MAX : INT64_MIN;
    }
    return owner->txn == NULL && age_ms >= expiration_ms;
}

enum err producer_state_list(const struct producer_state *p, struct arena *a, struct log_producer **out, int32_t *count)
{
    *count = 0;
    *out = arena_array(a, HASH_COUNT(p->producers), sizeof **out);
    if (*out == NULL) {
        return ERR_NO_MEMORY;
    }
    for (const struct producer *e = p->producers; e != NULL; e = e->hh.next) {
        (*out)[(*count)++] = (struct log_producer){
            .producer_id = e->producer_id,
            .epoch = e->epoch,
            .last_sequence = e->kept > 0 ? e->batches[e->kept - 1].last_sequence : -1,
            .last_timestamp = e->last_timestamp,
            .coordinator_epoch = e->coordinator_epoch,
            .txn_first_offset = e->txn == NULL ? -1 : e->txn->first_offset,
        };
    }
    return ERR_OK;
}

void producer_state_expire(struct producer_state *p, int64_t now_ms, int64_t expiration_ms)
{
    struct producer *each;
    struct producer *next;
    HASH_ITER (hh, p->producers, each, next) {
        if (producer_expired(each, now_ms, expiration_ms)) {
            producer_remove(p, each);
        }
    }
}

// ---- snapshots -----------------------------------------------------------------------------------------------------

// Reads one entry; r holds it whole (the size of the file was compared with the count).
static enum err snapshot_read_entry(struct producer_state *p, struct reader *r)
{
    int64_t producer_id = (int64_t)reader_u64(r);
    int16_t epoch = (int16_t)reader_u16(r);
    struct kept_batch k;
    k.last_sequence = (int32_t)reader_u32(r);
    k.last_offset = (int64_t)reader_u64(r);
    k.offset_delta = (int32_t)reader_u32(r);
    k.max_timestamp = (int64_t)reader_u64(r);
    int32_t coordinator_epoch = (int32_t)reader_u32(r);
    int64_t txn_first_offset = (int64_t)reader_u64(r);
    if (producer_id < 0 || producer_find(p, producer_id) != NULL ||
        (k.last_offset >= 0 && (k.offset_delta < 0 || k.offset_delta > k.last_offset))) {
        return ERR_CORRUPT;
    }
    struct producer *owner = producer_add(p, producer_id);
    if (owner == NULL) {
        return ERR_NO_MEMORY;
    }
    owner->epoch = epoch;
    owner->coordinator_epoch = coordinator_epoch;
    owner->last_timestamp = k.max_timestamp;
    if (k.last_offset >= 0) {
        producer_keep(owner, &k);
    }
    return txn_first_offset < 0 ? ERR_OK : txn_open(p, owner, txn_first_offset);
}

static enum err snapshot_read(struct producer_state *p, struct slice file)
{
    struct reader r = reader_of(file);
    int version = reader_u16(&r);
    uint32_t crc = reader_u32(&r);
    uint32_t count = reader_u32(&r);
    if (r.bad || version != SNAPSHOT_VERSION || reader_left(&r) != (uint64_t)count * SNAPSHOT_ENTRY_SIZE ||
        crc != crc32c(file.data + SNAPSHOT_CRC_FROM, file.len - SNAPSHOT_CRC_FROM)) {
        return ERR_CORRUPT;
    }
    enum err e = ERR_OK;
    while (e == ERR_OK && reader_left(&r) > 0) {
        e = snapshot_read_entry(p, &r);
    }
    return e;
}

enum err producer_state_load(struct producer_state *p, const struct os *os, const char *path, int64_t end_offset,
                             int64_t now_ms, int64_t expiration_ms)
{
    producer_state_clear(p);
    char *data = NULL;
    size_t len = 0;
    enum err e = os_read_file(os, path, SNAPSHOT_BYTES_MAX, &data, &len);
    if (e != ERR_OK) {
        return e == ERR_TOO_LARGE ? ERR_CORRUPT : e;
    }
    e = snapshot_read(p, slice_of(data, len));
    free(data);
    if (e != ERR_OK) {
        producer_state_clear(p);
        return e;
    }
    producer_state_expire(p, now_ms, expiration_ms);
    p->end_offset = end_offset;
    return ERR_OK;
}

static void snapshot_write_entry(struct writer *w, const struct producer *owner)
{
    const struct kept_batch none = {.last_offset = -1, .last_sequence = -1};
    const struct kept_batch *k = owner->kept == 0 ? &none : &owner->batches[owner->kept - 1];
    writer_u64(w, (uint64_t)owner->producer_id);
    writer_u16(w, (uint16_t)owner->epoch);
    writer_u32(w, (uint32_t)k->last_sequence);
    writer_u64(w, (uint64_t)k->last_offset);
    writer_u32(w, (uint32_t)k->offset_delta);
    writer_u64(w, (uint64_t)owner->last_timestamp);
    writer_u32(w, (uint32_t)owner->coordinator_epoch);
    writer_u64(w, (uint64_t)(owner->txn == NULL ? -1 : owner->txn->first_offset));
}

// As os_replace_file, but left to the page cache: what a crash spoils is found by the CRC and rebuilt from the log.
static enum err file_replace_unsynced(const struct os *os, const char *path, const struct writer *w)
{
    size_t tmp_size = strlen(path) + sizeof ".tmp";
    char *tmp = malloc(tmp_size);
    if (tmp == NULL) {
        return ERR_NO_MEMORY;
    }
    snprintf(tmp, tmp_size, "%s.tmp", path);
    enum err e = ERR_OK;
    int fd = os->open(os, tmp, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) {
        e = err_from_errno(errno);
        goto out;
    }
    struct iovec piece = {w->data, w->len};
    e = os_pwritev_full(os, fd, &piece, 1, 0);
    if (os->close(os, fd) != 0 && e == ERR_OK) {
        e = err_from_errno(errno);
    }
    if (e == ERR_OK && os->rename(os, tmp, path) != 0) {
        e = err_from_errno(errno);
    }
    if (e != ERR_OK) {
        os->unlink(os, tmp);
    }
out:
    free(tmp);
    return e;
}

enum err producer_state_store(const struct producer_state *p, const struct os *os, const char *path, bool sync)
{
    struct writer w;
    writer_init(&w, SNAPSHOT_HEADER_SIZE + SNAPSHOT_ENTRY_SIZE * (size_t)HASH_COUNT(p->producers), SNAPSHOT_BYTES_MAX);
    writer_u16(&w, SNAPSHOT_VERSION);
    writer_u32(&w, 0); // the CRC's place
    writer_u32(&w, HASH_COUNT(p->producers));
    for (const struct producer *each = p->producers; each != NULL; each = each->hh.next) {
        snapshot_write_entry(&w, each);
    }
    enum err e = ERR_TOO_LARGE;
    if (!w.bad) {
        store_be32(w.data + 2, crc32c(w.data + SNAPSHOT_CRC_FROM, w.len - SNAPSHOT_CRC_FROM));
        e = sync ? os_replace_file(os, path, w.data, w.len) : file_replace_unsynced(os, path, &w);
    }
    writer_release(&w);
    return e;
}
