// SPDX-License-Identifier: Apache-2.0
//
// DeleteGroups (42), v0-2: forgets groups without members, and their offsets. Each group succeeds or fails on its own;
// one that is named twice is answered once. The answer comes when the tombstones of all are written.
#include "broker/api/apis.h"
#include "broker/api/java_order.h"
#include "broker/api/key_map.h"

// One group that was asked.
struct deletion {
    struct group_call *call;
    struct wait_link link;
    struct delete_groups_response_deletable_group_result *out;
};

// r->state
struct delete_run {
    struct deletion *list;
    int32_t count;
};

static void run_release(struct request *r)
{
    struct delete_run *run = r->state;
    for (int32_t i = 0; i < run->count; i++) {
        group_call_unref(run->list[i].call);
    }
}

static bool results_collect(struct request *r)
{
    const struct delete_groups_request *in = r->in;
    struct delete_groups_response *out = r->out;
    struct key_map seen;
    bool ok = true;
    out->results = arena_array(&r->arena, (size_t)in->groups_names_count, sizeof *out->results);
    key_map_init(&seen);
    for (int32_t i = 0; out->results != NULL && ok && i < in->groups_names_count; i++) {
        int64_t *slot = key_map_slot(&seen, in->groups_names[i], &r->arena);
        ok = slot != NULL;
        if (ok && *slot < 0) {
            *slot = i;
            delete_groups_response_deletable_group_result_init(&out->results[out->results_count]);
            out->results[out->results_count++].group_id = in->groups_names[i];
        }
    }
    key_map_release(&seen);
    return out->results != NULL && ok;
}

// As Kafka has them.
static bool results_order(struct request *r)
{
    struct delete_groups_response *out = r->out;
    size_t count = (size_t)out->results_count;
    struct java_order *places = arena_array(&r->arena, count, sizeof *places);
    struct delete_groups_response_deletable_group_result *sorted = arena_array(&r->arena, count, sizeof *sorted);
    if (places == NULL || sorted == NULL) {
        return false;
    }
    for (int32_t i = 0; i < out->results_count; i++) {
        places[i] = java_order_of(i, out->results[i].group_id);
    }
    java_order_sort(places, out->results_count, out->results_count, true);
    for (int32_t i = 0; i < out->results_count; i++) {
        sorted[i] = out->results[places[i].index];
    }
    out->results = sorted;
    return true;
}

static void run_ask(struct request *r, struct delete_run *run)
{
    struct delete_groups_response *out = r->out;
    for (int32_t i = 0; i < out->results_count; i++) {
        struct delete_groups_response_deletable_group_result *o = &out->results[i];
        struct deletion *d = &run->list[run->count];
        struct group_event e = {.type = GROUP_DELETE};
        enum err err = coordinator_ask(r->ctx->groups, r->metadata, o->group_id, &e, &o->error_code, &d->call);
        if (err == ERR_OK) {
            d->out = o;
            run->count++;
        } else if (err == ERR_NOT_FOUND) {
            o->error_code = KAFKA_ERROR_GROUP_ID_NOT_FOUND;
        }
    }
}

static int32_t run_pending(const struct delete_run *run)
{
    int32_t pending = 0;
    for (int32_t i = 0; i < run->count; i++) {
        pending += !group_call_done(run->list[i].call);
    }
    return pending;
}

// True when the request has to wait.
static bool run_wait(struct request *r, struct delete_run *run)
{
    int32_t pending = run_pending(run);
    int32_t linked = 0;
    if (pending == 0) {
        return false;
    }
    wait_arm(&r->wait, pending);
    for (int32_t i = 0; i < run->count; i++) {
        linked += !group_call_wait(run->list[i].call, &run->list[i].link, &r->wait);
    }
    if (linked < pending) { // some ended between the two looks: they will not count down
        struct wake_list woken = {NULL};
        wait_count_down(&r->wait, pending - linked, &woken);
        wake_list_post(&woken);
    }
    return true;
}

static enum api_step run_answer(struct delete_run *run)
{
    for (int32_t i = 0; i < run->count; i++) {
        struct deletion *d = &run->list[i];
        bool done = group_call_done(d->call);
        d->out->error_code = done ? group_call_answer(d->call)->error : KAFKA_ERROR_NOT_COORDINATOR; // stopping
    }
    return API_DONE;
}

void api_delete_groups_abort(struct request *r)
{
    struct delete_run *run = r->state;
    for (int32_t i = 0; i < run->count; i++) {
        group_call_detach(run->list[i].call, &run->list[i].link);
    }
}

enum api_step api_delete_groups(struct request *r)
{
    struct delete_run *run = r->state;
    if (r->runs > 1) {
        api_delete_groups_abort(r);
        return !r->expired && run_wait(r, run) ? API_WAIT : run_answer(run);
    }
    run = arena_alloc(&r->arena, sizeof *run);
    if (run == NULL || !results_collect(r) || !results_order(r)) {
        return API_CLOSE;
    }
    run->list =
        arena_array(&r->arena, (size_t)((struct delete_groups_response *)r->out)->results_count, sizeof *run->list);
    if (run->list == NULL) {
        return API_CLOSE;
    }
    r->state = run;
    r->release = run_release;
    run_ask(r, run);
    return run_wait(r, run) ? API_WAIT : run_answer(run);
}
