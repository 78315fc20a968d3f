// SPDX-License-Identifier: Apache-2.0
//
// A call has two ends: the request that waits, and the group that holds the token. Either may go first; the last one
// frees it.
#include "broker/group/coordinator_internal.h"

#include <stdlib.h>

#include "broker/cluster/must.h"
#include "protocol/protocol.h"

#define CALL_ARENA_LIMIT ((size_t)INT32_MAX) // an answer is one frame at most

struct group_call {
    atomic_int refs;
    struct mutex mu; // leaf
    bool done;
    struct wait_list waiters;
    struct arena arena;
    struct group_answer answer;
};

struct group_call *group_call_new(void)
{
    struct group_call *call = must_alloc(sizeof *call);
    atomic_init(&call->refs, 1);
    mutex_init(&call->mu, MUTEX_RANK_LEAF);
    LIST_INIT(&call->waiters);
    arena_init(&call->arena, CALL_ARENA_LIMIT);
    return call;
}

void group_call_ref(struct group_call *call)
{
    atomic_fetch_add(&call->refs, 1);
}

void group_call_unref(struct group_call *call)
{
    if (atomic_fetch_sub(&call->refs, 1) != 1) {
        return;
    }
    mutex_destroy(&call->mu);
    arena_release(&call->arena);
    free(call);
}

bool group_call_done(struct group_call *call)
{
    mutex_lock(&call->mu);
    bool done = call->done;
    mutex_unlock(&call->mu);
    return done;
}

bool group_call_wait(struct group_call *call, struct wait_link *link, struct wait *w)
{
    mutex_lock(&call->mu);
    bool done = call->done;
    if (!done) {
        wait_link_add(&call->waiters, link, w, 0);
    }
    mutex_unlock(&call->mu);
    return done;
}

void group_call_detach(struct group_call *call, struct wait_link *link)
{
    mutex_lock(&call->mu);
    wait_link_remove(link);
    mutex_unlock(&call->mu);
}

const struct group_answer *group_call_answer(const struct group_call *call)
{
    return &call->answer;
}

struct arena *group_call_arena(struct group_call *call)
{
    return &call->arena;
}

// ---------------------------------------------------------------------------------------------------------------
// Copying the answer. False: it is larger than any frame may be.

static bool slice_copy(struct arena *a, struct slice *s)
{
    if (s->data == NULL) {
        return true;
    }
    s->data = (const uint8_t *)arena_strndup(a, s->data, s->len);
    return s->data != NULL;
}

static bool join_copy(struct arena *a, struct group_join_answer *j)
{
    struct group_member_metadata *members = arena_array(a, (size_t)j->members_count, sizeof *members);
    bool ok = members != NULL && slice_copy(a, &j->protocol_type) && slice_copy(a, &j->protocol_name) &&
              slice_copy(a, &j->leader) && slice_copy(a, &j->member_id);
    for (int32_t i = 0; ok && i < j->members_count; i++) {
        members[i] = j->members[i];
        ok = slice_copy(a, &members[i].member_id) && slice_copy(a, &members[i].instance_id) &&
             slice_copy(a, &members[i].metadata);
    }
    j->members = members;
    return ok;
}

static bool errors_copy(struct arena *a, struct group_errors *e)
{
    int16_t *list = arena_array(a, (size_t)e->count, sizeof *list);
    if (list != NULL && e->count > 0) {
        memcpy(list, e->list, (size_t)e->count * sizeof *list);
    }
    e->list = list;
    return list != NULL;
}

static bool answer_copy(struct group_call *call, const struct group_effect *effect)
{
    struct group_answer *to = &call->answer;
    *to = (struct group_answer){.type = effect->type, .error = effect->error};
    switch (effect->type) {
    case GROUP_ANSWER_JOIN:
        to->join = effect->join;
        return join_copy(&call->arena, &to->join);
    case GROUP_ANSWER_SYNC:
        to->sync = effect->sync;
        return slice_copy(&call->arena, &to->sync.protocol_type) && slice_copy(&call->arena, &to->sync.protocol_name) &&
               slice_copy(&call->arena, &to->sync.assignment);
    case GROUP_ANSWER_LEAVE:
    case GROUP_ANSWER_COMMIT:
    case GROUP_ANSWER_OFFSET_DELETE:
        to->errors = effect->errors;
        return errors_copy(&call->arena, &to->errors);
    default:
        return true;
    }
}

void group_call_finish(struct group_call *call, const struct group_effect *effect)
{
    struct wake_list woken = {NULL};
    if (!answer_copy(call, effect)) {
        call->answer = (struct group_answer){.type = effect->type, .error = KAFKA_ERROR_UNKNOWN_SERVER_ERROR};
        if (effect->type == GROUP_ANSWER_JOIN) {
            call->answer.join.generation = -1;
        }
    }
    mutex_lock(&call->mu);
    call->done = true;
    struct wait_link *link;
    LIST_FOREACH (link, &call->waiters, entry) {
        wait_count_down(link->wait, 1, &woken);
    }
    mutex_unlock(&call->mu);
    wake_list_post(&woken);
    group_call_unref(call);
}
