// SPDX-License-Identifier: Apache-2.0
//
// What takes offsets and whole groups away: OffsetDelete, DeleteGroups, deleted topics, and age. Each writes tombstones
// first, one batch per group, and removes when they are written. An Empty group that loses its last offset goes as a
// whole; it is Dead while its tombstones are being written, and Empty again if that fails.
#include <inttypes.h>
#include <stdlib.h>

#include "broker/group/group_state.h"

// What a removal is to take away.
struct removal {
    struct group_offset **list;
    int32_t count;
    int32_t cap;
};

static void removal_add(struct removal *r, struct group_offset *o)
{
    if (!o->doomed) {
        o->doomed = true;
        r->list = must_grow(r->list, r->count, &r->cap, sizeof(struct group_offset *));
        r->list[r->count++] = o;
    }
}

static void removal_add_partitions(struct removal *r, const struct group *g, const struct group_partitions *partitions,
                                   const int16_t *errors)
{
    for (int32_t i = 0; i < partitions->count; i++) {
        struct group_offset *o = group_offset_lookup(g, partitions->list[i].topic, partitions->list[i].partition);
        if (o != NULL && (errors == NULL || errors[i] == KAFKA_ERROR_NONE)) {
            removal_add(r, o);
        }
    }
}

typedef bool offset_test(struct turn *t, const struct group_offset *o);

static void removal_add_all(struct turn *t, struct removal *r, offset_test *test)
{
    for (struct group_topic *topic = t->g->topics; topic != NULL; topic = topic->hh.next) {
        for (struct group_offset *o = topic->offsets; o != NULL; o = o->hh.next) {
            if (test == NULL || test(t, o)) {
                removal_add(r, o);
            }
        }
    }
}

static bool covers_all(const struct group *g)
{
    bool all = true;
    for (const struct group_topic *topic = g->topics; topic != NULL; topic = topic->hh.next) {
        for (const struct group_offset *o = topic->offsets; o != NULL; o = o->hh.next) {
            all = all && o->doomed;
        }
    }
    return all;
}

// Writes the tombstones and takes the list over. NULL: there was nothing to write, and what was to happen has.
static struct group_pending_write *removal_write(struct turn *t, struct removal *r)
{
    struct group *g = t->g;
    struct arena *a = &t->out->arena;
    bool dies = g->state == GROUP_EMPTY && g->pending == NULL && covers_all(g);
    // A group of generation 0 has never had a record.
    bool group_record = dies && g->generation > 0;
    int32_t count = r->count + (group_record ? 1 : 0);
    if (count == 0) {
        free(r->list);
        if (dies) {
            group_die(t);
        }
        return NULL;
    }
    struct group_record *records = must_arena_array(a, (size_t)count, sizeof *records);
    struct group_write_item *items = must_array((size_t)r->count, sizeof *items);
    for (int32_t i = 0; i < r->count; i++) {
        struct group_offset *o = r->list[i];
        o->doomed = false;
        group_offset_ref(o);
        items[i].at = o;
        records[i].key = group_offset_key_encode(a, g->id, o->topic->name, o->partition);
        records[i].value = SLICE_NULL;
    }
    if (group_record) {
        records[r->count].key = group_metadata_key_encode(a, g->id);
    }
    struct group_pending_write *w = group_write_begin(t, GROUP_WRITE_TOMBSTONES, records, count, LOG_BATCH_NO_PRODUCER);
    w->items = items;
    w->items_count = r->count;
    w->removes_group = dies;
    g->state = dies ? GROUP_DEAD : g->state;
    free(r->list);
    return w;
}

// ---- requests ------------------------------------------------------------------------------------------------------

void group_offset_delete(struct turn *t, uint64_t token, const struct group_partitions *partitions)
{
    struct group *g = t->g;
    bool active = g->state != GROUP_EMPTY;
    bool consumers = g->protocol_type.data != NULL && slice_equal(g->protocol_type, slice_str("consumer"));
    if (g->state == GROUP_DEAD || (active && !consumers)) {
        turn_answer(t, GROUP_ANSWER_OFFSET_DELETE, token,
                    active && g->state != GROUP_DEAD ? KAFKA_ERROR_NON_EMPTY_GROUP : KAFKA_ERROR_GROUP_ID_NOT_FOUND);
        return;
    }
    int16_t *errors = must_array((size_t)partitions->count, sizeof *errors);
    for (int32_t i = 0; i < partitions->count; i++) {
        bool subscribed = active && group_subscribes(g, partitions->list[i].topic);
        errors[i] = subscribed ? KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC : KAFKA_ERROR_NONE;
    }
    struct removal r = {.list = NULL};
    removal_add_partitions(&r, g, partitions, errors);
    int32_t count = r.count;
    struct group_pending_write *w = count == 0 ? NULL : removal_write(t, &r);
    if (w == NULL) {
        turn_answer_errors(t, GROUP_ANSWER_OFFSET_DELETE, token, errors, partitions->count);
        free(errors);
        return;
    }
    w->has_request = true;
    w->token = token;
    w->answer = GROUP_ANSWER_OFFSET_DELETE;
    w->errors = errors;
    w->errors_count = partitions->count;
}

void group_delete(struct turn *t, uint64_t token)
{
    struct group *g = t->g;
    if (g->state != GROUP_EMPTY) {
        turn_answer(t, GROUP_ANSWER_DELETE, token,
                    g->state == GROUP_DEAD ? KAFKA_ERROR_GROUP_ID_NOT_FOUND : KAFKA_ERROR_NON_EMPTY_GROUP);
        return;
    }
    while (g->pending != NULL) {
        group_pending_remove(g, g->pending);
    }
    bool nothing = g->topics == NULL && g->generation == 0;
    if (nothing) {
        turn_answer(t, GROUP_ANSWER_DELETE, token, KAFKA_ERROR_NONE);
    }
    struct removal r = {.list = NULL};
    removal_add_all(t, &r, NULL);
    struct group_pending_write *w = removal_write(t, &r);
    if (w != NULL) {
        w->has_request = true;
        w->token = token;
        w->answer = GROUP_ANSWER_DELETE;
    }
}

// ---- deleted topics, and age ---------------------------------------------------------------------------------------

void group_topics_deleted(struct turn *t, const struct group_partitions *partitions)
{
    struct removal r = {.list = NULL};
    removal_add_partitions(&r, t->g, partitions, NULL);
    if (t->g->state == GROUP_DEAD || r.count == 0) {
        for (int32_t i = 0; i < r.count; i++) {
            r.list[i]->doomed = false;
        }
        free(r.list);
        return;
    }
    removal_write(t, &r);
}

// From when on the offset ages, -1 = it does not.
static int64_t aging_since(const struct group *g, const struct group_offset *o)
{
    if (g->protocol_type.data == NULL) { // a simple group
        return o->value.commit_timestamp_ms;
    }
    if (g->state == GROUP_EMPTY) { // since the group has no consumer, as far as that is known
        return g->state_timestamp_ms >= 0 ? g->state_timestamp_ms : o->value.commit_timestamp_ms;
    }
    bool unread = g->state == GROUP_STABLE && g->subscriptions_known && !group_subscribes(g, o->topic->name);
    return unread ? o->value.commit_timestamp_ms : -1;
}

static bool is_too_old(struct turn *t, const struct group_offset *o)
{
    if (!o->committed || o->commits_in_flight > 0 || o->open_txns > 0) {
        return false;
    }
    int64_t since_ms = aging_since(t->g, o);
    if (since_ms < 0) {
        return false;
    }
    if (o->value.expire_timestamp_ms != -1) {
        return t->now.wall_ms >= o->value.expire_timestamp_ms;
    }
    return t->now.wall_ms - since_ms >= t->g->options->offsets_retention_ms;
}

void group_expire_offsets(struct turn *t)
{
    if (t->g->state == GROUP_DEAD) {
        return;
    }
    struct removal r = {.list = NULL};
    removal_add_all(t, &r, is_too_old);
    int32_t count = r.count;
    struct group_pending_write *w = removal_write(t, &r);
    if (w != NULL) {
        w->expired = true;
        turn_log(t, LOG_INFO, "%" PRId32 " offsets expire%s", count,
                 w->removes_group ? ", and the group with them" : "");
    }
}

// ---- the outcome ---------------------------------------------------------------------------------------------------

static void items_remove(struct turn *t, const struct group_pending_write *w, int64_t append_offset)
{
    int32_t before = t->g->offsets_count;
    for (int32_t i = 0; i < w->items_count; i++) {
        group_offset_withdraw(t->g, w->items[i].at, w->id, append_offset);
    }
    uint64_t removed = (uint64_t)(before - t->g->offsets_count);
    t->out->counts.offsets_expired += w->expired ? removed : 0;
    t->out->counts.offsets_deleted += w->expired ? 0 : removed;
}

void group_tombstones_written(struct turn *t, struct group_pending_write *w, const struct group_written *written)
{
    struct group *g = t->g;
    int16_t error = group_commit_error(written->err);
    if (written->err == ERR_OK) {
        items_remove(t, w, written->append_offset);
    } else {
        turn_log(t, LOG_WARN, "tombstones could not be written: %s", err_text(written->err));
        g->state = w->removes_group ? GROUP_EMPTY : g->state;
    }
    for (int32_t i = 0; i < w->errors_count; i++) {
        w->errors[i] = w->errors[i] == KAFKA_ERROR_NONE ? error : w->errors[i];
    }
    if (w->has_request && w->answer == GROUP_ANSWER_DELETE) {
        turn_answer(t, GROUP_ANSWER_DELETE, w->token, error);
    } else if (w->has_request) {
        turn_answer_errors(t, w->answer, w->token, w->errors, w->errors_count);
    }
    if (w->removes_group && written->err == ERR_OK) {
        group_writes_abandon(t, w, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
        group_die(t);
    }
}
