// SPDX-License-Identifier: Apache-2.0
//
// The answer lies in the call, which therefore lives until the response has been encoded.
#include "broker/api/group_request.h"

#define RESPONSE_ARENA_LIMIT ((size_t)INT32_MAX) // a response is one frame at most

// r->state
struct group_request {
    struct group_call *call; // NULL: nothing was asked
    struct wait_link link;
    struct arena arena; // used when there is no call
};

static void state_release(struct request *r)
{
    struct group_request *g = r->state;
    if (g->call != NULL) {
        group_call_unref(g->call);
    }
    arena_release(&g->arena);
}

static struct group_request *state_make(struct request *r)
{
    struct group_request *g = arena_alloc(&r->arena, sizeof *g);
    if (g != NULL) {
        arena_init(&g->arena, RESPONSE_ARENA_LIMIT);
        r->state = g;
        r->release = state_release;
    }
    return g;
}

struct arena *group_request_arena(struct request *r)
{
    struct group_request *g = r->state == NULL ? state_make(r) : r->state;
    if (g == NULL) {
        return &r->arena; // which has no room left: the next who asks it hears so
    }
    return g->call == NULL ? &g->arena : group_call_arena(g->call);
}

static enum api_step answered(struct request *r, struct group_request *g, group_answer_fn *fn)
{
    const struct group_answer *a = group_call_answer(g->call);
    return fn(r, a, a->error);
}

enum api_step group_request_begin(struct request *r, struct slice group_id, struct group_event *e,
                                  int16_t unknown_group, group_answer_fn *fn)
{
    struct group_request *g = state_make(r);
    int16_t error;
    if (g == NULL) {
        return API_CLOSE;
    }
    enum err err = coordinator_ask(r->ctx->groups, r->metadata, group_id, e, &error, &g->call);
    if (err != ERR_OK) {
        return fn(r, NULL, err == ERR_NOT_FOUND ? unknown_group : error);
    }
    if (group_call_done(g->call)) {
        return answered(r, g, fn);
    }
    wait_arm(&r->wait, 1);
    if (group_call_wait(g->call, &g->link, &r->wait)) {
        return answered(r, g, fn); // between the two looks; nothing is linked
    }
    return API_WAIT;
}

enum api_step group_request_again(struct request *r, group_answer_fn *fn)
{
    struct group_request *g = r->state;
    group_call_detach(g->call, &g->link);
    if (group_call_done(g->call)) {
        return answered(r, g, fn);
    }
    struct group_call *call = g->call;
    g->call = NULL; // its answer may come while the response is encoded
    group_call_unref(call);
    return fn(r, NULL, KAFKA_ERROR_NOT_COORDINATOR);
}

void group_request_abort(struct request *r)
{
    struct group_request *g = r->state;
    group_call_detach(g->call, &g->link);
}
