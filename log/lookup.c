// SPDX-License-Identifier: Apache-2.0
//
// Finding bytes by offset. A lookup takes what it needs of the list under the lock (the segment, counted, its
// published size, a hint) and then works without it. A truncation that happens meanwhile changes the generation, and
// the lookup starts again; a segment that is deleted meanwhile stays readable or makes the offset too old.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "log/internal.h"

// What a lookup sees of one segment.
struct segment_view {
    struct segment *segment; // counted
    struct log_file *file;   // counted
    int64_t size;
    int64_t next_base;        // of the next segment, INT64_MAX for the last one
    int64_t end_offset;       // of the log
    struct append_hint first; // the batch with the wanted offset, when segment_base is not -1
    struct append_hint bound; // the same for the upper bound
};

static void view_release(struct segment_view *v)
{
    if (v->file != NULL) {
        log_file_unref(v->file);
    }
    if (v->segment != NULL) {
        segment_unref(v->segment);
    }
    v->file = NULL;
    v->segment = NULL;
}

// Under the list lock.
static struct append_hint hint_find(const struct log *l, const struct segment *s, int64_t offset)
{
    for (int i = 0; i < LOG_HINTS; i++) {
        const struct append_hint *h = &l->hints[i];
        if (h->segment_base == s->base_offset && h->base_offset <= offset && offset <= h->last_offset) {
            return *h;
        }
    }
    return (struct append_hint){.segment_base = -1};
}

// The segment that contains offset, or the first one above base `after` when that is not -1. NOT_FOUND: none.
static enum err view_open(struct log *l, int64_t offset, int64_t bound, int64_t after, struct segment_view *v)
{
    *v = (struct segment_view){.segment = NULL};
    mutex_lock(&l->mu);
    int32_t i = log_segment_index(l, after < 0 ? offset : after);
    while (after >= 0 && i < l->segments_count && l->segments[i]->base_offset <= after) {
        i++;
    }
    if (i >= l->segments_count) {
        mutex_unlock(&l->mu);
        return ERR_NOT_FOUND;
    }
    v->segment = l->segments[i];
    segment_ref(v->segment);
    v->size = v->segment->size;
    v->next_base = i + 1 < l->segments_count ? l->segments[i + 1]->base_offset : INT64_MAX;
    v->end_offset = log_end_offset(l);
    v->first = hint_find(l, v->segment, offset);
    v->bound = hint_find(l, v->segment, bound);
    mutex_unlock(&l->mu);
    enum err err = segment_file(v->segment, &v->file);
    if (err) {
        view_release(v);
    }
    if (err == ERR_NOT_FOUND) { // deleted by retention, which moves the start first
        err = offset < log_start_offset(l) ? ERR_OUT_OF_RANGE : ERR_IO;
    }
    return err;
}

// ---- reading -------------------------------------------------------------------------------------------------------

// Position of the first batch that does not lie wholly below max_offset.
static enum err view_limit(const struct segment_view *v, int64_t max_offset, int64_t *limit)
{
    if (max_offset >= v->end_offset || max_offset >= v->next_base) {
        *limit = v->size;
        return ERR_OK;
    }
    if (v->bound.segment_base >= 0) {
        *limit = v->bound.position;
        return ERR_OK;
    }
    struct batch b;
    enum err err = segment_find(v->segment, v->file, v->size, max_offset, &b, limit);
    if (err == ERR_NOT_FOUND) {
        *limit = v->size;
        err = ERR_OK;
    }
    return err;
}

// Fills the answer from one segment. NOT_FOUND: it has no batch at or above the offset.
static enum err view_read(struct segment_view *v, struct log_read *r)
{
    int64_t first_size;
    if (v->first.segment_base >= 0) {
        r->position = v->first.position;
        first_size = (int64_t)v->first.size;
    } else {
        struct batch b;
        enum err err = segment_find(v->segment, v->file, v->size, r->offset, &b, &r->position);
        if (err) {
            return err;
        }
        first_size = (int64_t)batch_size(&b);
    }
    int64_t limit;
    enum err err = view_limit(v, r->max_offset, &limit);
    if (err || limit <= r->position) {
        return err;
    }
    int64_t len = limit - r->position;
    int64_t max_bytes = r->max_bytes > INT64_MAX ? INT64_MAX : (int64_t)r->max_bytes;
    if (r->min_one && max_bytes < first_size) {
        max_bytes = first_size;
    }
    r->len = (size_t)(len < max_bytes ? len : max_bytes);
    if (r->len > 0) {
        r->file = v->file;
        v->file = NULL;
        r->is_older_segment = v->next_base != INT64_MAX;
        r->is_recent = v->first.segment_base >= 0;
    }
    return ERR_OK;
}

// Looks into the segments from the one that contains the offset on, until one has a batch for it (after compaction
// there may be gaps). *stale: the log was truncated meanwhile, the answer is worth nothing.
static enum err read_once(struct log *l, struct log_read *r, bool *stale)
{
    enum err err = ERR_NOT_FOUND;
    int64_t after = -1;
    uint32_t generation = atomic_load(&l->generation);
    while (err == ERR_NOT_FOUND) {
        struct segment_view v;
        err = view_open(l, r->offset, r->max_offset, after, &v);
        if (err) {
            err = err == ERR_NOT_FOUND ? ERR_OK : err; // nothing above
            break;
        }
        err = view_read(&v, r);
        after = v.segment->base_offset;
        view_release(&v);
    }
    *stale = atomic_load(&l->generation) != generation;
    if (!err && r->offset < log_start_offset(l)) {
        err = ERR_OUT_OF_RANGE; // its segment was deleted meanwhile: what was found lies above the offset
    }
    if ((err || *stale) && r->file != NULL) {
        log_file_unref(r->file);
        r->file = NULL;
        r->len = 0;
    }
    return err;
}

// One try. *stale as above.
static enum err read_try(struct log *l, struct log_read *r, bool *stale)
{
    int64_t end_offset = log_end_offset(l);
    int64_t asked = r->max_offset;
    bool failed = log_failed(l);
    int64_t safe_end = failed ? atomic_load_explicit(&l->safe_end, memory_order_acquire) : INT64_MAX;
    *stale = false;
    if (r->offset < log_start_offset(l) || r->offset > end_offset) {
        return ERR_OUT_OF_RANGE;
    }
    if (failed && (r->offset == end_offset || r->offset >= safe_end)) {
        return ERR_FAILED;
    }
    if (r->offset == end_offset || r->offset >= asked) {
        return ERR_OK;
    }
    r->max_offset = asked < safe_end ? asked : safe_end;
    enum err err = read_once(l, r, stale);
    r->max_offset = asked;
    return err;
}

enum err log_read(struct log *l, struct log_read *r)
{
    enum err err = ERR_OK;
    bool stale = true;
    // Truncations are rare events of a follower, so this ends.
    while (stale) {
        r->file = NULL;
        r->position = 0;
        r->len = 0;
        r->is_older_segment = false;
        r->is_recent = false;
        err = read_try(l, r, &stale);
    }
    if (err == ERR_CORRUPT || err == ERR_TRUNCATED) {
        log_error("log", "%s: damaged data in the way to offset %" PRId64 " (%s)", l->path, r->offset, err_name(err));
        err = ERR_CORRUPT;
    }
    return err;
}

// ---- aborted transactions ------------------------------------------------------------------------------------------

struct aborted_list {
    struct log_aborted_txn *txns; // malloc'ed
    size_t count;
    size_t cap;
};

static enum err aborted_add(struct aborted_list *list, const struct aborted_txn *t)
{
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 8 : list->cap * 2;
        struct log_aborted_txn *grown = realloc(list->txns, cap * sizeof *grown);
        if (grown == NULL) {
            return ERR_NO_MEMORY;
        }
        list->txns = grown;
        list->cap = cap;
    }
    list->txns[list->count++] = (struct log_aborted_txn){t->producer_id, t->first_offset};
    return ERR_OK;
}

// Adds the transactions of one segment that overlap [offset, upper). *complete: no later segment can have more.
static enum err aborted_collect(struct segment *s, int64_t offset, int64_t upper, struct aborted_list *list,
                                bool *complete)
{
    int32_t n = atomic_load(&s->txn_count);
    *complete = false;
    if (n == 0) {
        return ERR_OK;
    }
    char path[SEGMENT_PATH_MAX];
    struct aborted_txn *txns;
    segment_path(s, NAME_TXN_INDEX, path);
    enum err err = txn_index_read(s->os, path, n, &txns);
    for (int32_t i = 0; i < n && !err && !*complete; i++) {
        if (txns[i].last_offset >= offset && txns[i].first_offset < upper) {
            err = aborted_add(list, &txns[i]);
        }
        *complete = txns[i].last_stable_offset >= upper;
    }
    free(txns);
    return err;
}

// An offset at or above the end of what was read, by the index as Kafka does it.
static enum err read_upper_offset(const struct segment_view *v, const struct log_read *r, int64_t *upper)
{
    char path[SEGMENT_PATH_MAX];
    struct index_entry e;
    segment_path(v->segment, NAME_INDEX, path);
    enum err err = index_find_value(&v->segment->offsets, v->segment->os, path, r->position + (int64_t)r->len, &e);
    if (err == ERR_NOT_FOUND) {
        *upper = v->next_base != INT64_MAX ? v->next_base : v->end_offset;
        return ERR_OK;
    }
    *upper = err ? 0 : e.key;
    return err;
}

static enum err aborted_walk(struct log *l, const struct log_read *r, struct aborted_list *list)
{
    struct segment_view v;
    bool complete = false;
    enum err err = view_open(l, r->file->base_offset, 0, -1, &v);
    if (err) {
        return err;
    }
    int64_t upper = 0;
    err = read_upper_offset(&v, r, &upper);
    while (!err && !complete) {
        err = aborted_collect(v.segment, r->offset, upper, list, &complete);
        int64_t base = v.segment->base_offset;
        bool last = v.next_base == INT64_MAX;
        view_release(&v);
        if (err || complete || last) {
            return err;
        }
        err = view_open(l, 0, 0, base, &v);
    }
    view_release(&v);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err log_aborted_transactions(struct log *l, const struct log_read *r, struct arena *a,
                                  struct log_aborted_txn **out, int32_t *count)
{
    *out = NULL;
    *count = 0;
    if (r->file == NULL) {
        return ERR_OK;
    }
    struct aborted_list list = {.txns = NULL};
    enum err err = aborted_walk(l, r, &list);
    if (!err && list.count > 0) {
        *out = arena_array(a, list.count, sizeof **out);
        err = *out == NULL ? ERR_NO_MEMORY : ERR_OK;
        if (!err) {
            memcpy(*out, list.txns, list.count * sizeof **out);
            *count = (int32_t)list.count;
        }
    }
    free(list.txns);
    return err;
}
