// SPDX-License-Identifier: Apache-2.0
//
// ListGroups (16), v0-5: the groups this broker coordinates. v4 tells the state and filters by it, v5 the type, which
// is "classic" for all groups here (KIP-848); filters ignore case. While a partition is being loaded the groups known
// so far come with COORDINATOR_LOAD_IN_PROGRESS.
#include <strings.h>

#include "broker/api/apis.h"
#include "broker/api/group_request.h"
#include "broker/api/java_order.h"

#define GROUP_TYPE "classic"

struct listing {
    struct arena *arena;
    const struct list_groups_request *in;
    struct list_groups_response *out;
    int32_t capacity;
    int32_t known; // groups, also those that no filter lets through
    bool no_memory;
};

// No filter lets everything through.
static bool filter_passes(const struct slice *filter, int32_t count, const char *name)
{
    for (int32_t i = 0; i < count; i++) {
        if (filter[i].len == strlen(name) && strncasecmp((const char *)filter[i].data, name, filter[i].len) == 0) {
            return true;
        }
    }
    return count <= 0;
}

static struct list_groups_response_listed_group *entry_add(struct listing *l)
{
    struct list_groups_response *out = l->out;
    if (out->groups_count == l->capacity) {
        int32_t capacity = l->capacity == 0 ? 16 : l->capacity * 2;
        struct list_groups_response_listed_group *grown = arena_array(l->arena, (size_t)capacity, sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        if (out->groups_count > 0) {
            memcpy(grown, out->groups, (size_t)out->groups_count * sizeof *grown);
        }
        out->groups = grown;
        l->capacity = capacity;
    }
    return &out->groups[out->groups_count++];
}

static void list_one(void *ctx, const struct group *g)
{
    struct listing *l = ctx;
    const char *state = group_state_name(group_state(g));
    l->known++;
    if (l->no_memory || !filter_passes(l->in->states_filter, l->in->states_filter_count, state)) {
        return;
    }
    struct slice id = group_id(g), type = group_protocol_type(g);
    struct list_groups_response_listed_group *o = entry_add(l);
    char *id_copy = arena_strndup(l->arena, id.data, id.len);
    char *type_copy = arena_strndup(l->arena, type.data, type.len);
    if (o == NULL || id_copy == NULL || type_copy == NULL) {
        l->no_memory = true;
        return;
    }
    list_groups_response_listed_group_init(o);
    o->group_id = slice_of(id_copy, id.len);
    o->protocol_type = slice_of(type_copy, type.len);
    o->group_state = slice_str(state);
    o->group_type = slice_str(GROUP_TYPE);
}

// As Kafka has them.
static void order(struct listing *l)
{
    struct list_groups_response *out = l->out;
    struct java_order *places = arena_array(l->arena, (size_t)out->groups_count, sizeof *places);
    struct list_groups_response_listed_group *sorted = arena_array(l->arena, (size_t)out->groups_count, sizeof *sorted);
    l->no_memory = l->no_memory || places == NULL || sorted == NULL;
    if (l->no_memory) {
        return;
    }
    for (int32_t i = 0; i < out->groups_count; i++) {
        places[i] = java_order_of(i, out->groups[i].group_id);
    }
    java_order_sort(places, out->groups_count, l->known, false);
    for (int32_t i = 0; i < out->groups_count; i++) {
        sorted[i] = out->groups[places[i].index];
    }
    out->groups = sorted;
}

enum api_step api_list_groups(struct request *r)
{
    const struct list_groups_request *in = r->in;
    struct list_groups_response *out = r->out;
    struct listing l = {.arena = group_request_arena(r), .in = in, .out = out};
    if (!filter_passes(in->types_filter, in->types_filter_count, GROUP_TYPE)) {
        return API_DONE;
    }
    if (coordinator_each(r->ctx->groups, list_one, &l)) {
        out->error_code = KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    }
    order(&l);
    return l.no_memory ? API_CLOSE : API_DONE;
}
