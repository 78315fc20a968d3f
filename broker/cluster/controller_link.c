// SPDX-License-Identifier: Apache-2.0
//
// One connection to the controller, made anew when that is another broker or lives elsewhere; see the header. Who sends
// decides whether and when to try again.
#include "broker/cluster/controller_link.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/must.h"
#include "broker/cluster/rpc.h"

#define ANSWER_MAX_BYTES   (64 * 1024 * 1024)
#define ANSWER_ARENA_LIMIT ((size_t)1024 * 1024 * 1024)
#define CLIENT_ID_BYTES    16

// A request under way.
struct link_call {
    struct cluster *cluster;
    struct rpc rpc;
    char client_id[CLIENT_ID_BYTES];
    controller_link_fn *fn;
};

static void on_answer(void *ctx, enum err err, uint8_t *frame, size_t len)
{
    struct link_call *call = ctx;
    struct arena a;
    arena_init(&a, ANSWER_ARENA_LIMIT);
    void *response = NULL;
    if (err == ERR_OK) {
        response = must_arena_array(&a, 1, message_struct_size(protocol_api_find(call->rpc.key)->response));
        err = rpc_decode(&call->rpc, slice_of(frame, len), &a, response);
    }
    call->fn(call->cluster, err, err == ERR_OK ? response : NULL);
    arena_release(&a);
    free(frame);
    free(call);
}

static void on_closed(void *ctx, enum err why)
{
    const struct cluster *c = ctx;
    log_debug("cluster", "the line to the controller at %s is cut: %s", peer_name(c->link), err_text(why));
}

// The picture's controller, or NULL.
static const struct metadata_endpoint *controller_endpoint(const struct cluster *c)
{
    int32_t id = metadata_controller_id(c->picture);
    const struct metadata_broker *b = id < 0 ? NULL : metadata_broker_find(c->picture, id);
    return b == NULL ? NULL : metadata_broker_endpoint(b, c->options.inter_broker_listener);
}

static enum err link_make(struct cluster *c)
{
    const struct metadata_endpoint *at = controller_endpoint(c);
    if (at == NULL) {
        return ERR_NOT_FOUND;
    }
    char name[PEER_NAME_BYTES];
    peer_name_format(name, at->host, (uint16_t)at->port);
    if (c->link != NULL && strcmp(name, peer_name(c->link)) == 0) {
        return ERR_OK;
    }
    controller_link_close(c);
    return peer_new(&(struct peer_options){.loop = c->loop,
                                           .pool = c->options.pool,
                                           .host = at->host,
                                           .port = (uint16_t)at->port,
                                           .max_frame_bytes = ANSWER_MAX_BYTES,
                                           .max_in_flight = CONTROLLER_LINK_MAX_IN_FLIGHT,
                                           .open_timeout_ms = c->options.controller_timeout_ms,
                                           .send_buffer_bytes = -1,
                                           .receive_buffer_bytes = -1,
                                           .on_closed = on_closed,
                                           .ctx = c},
                    &c->link);
}

enum err controller_link_send(struct cluster *c, int16_t key, int16_t version, const void *request,
                              controller_link_fn *fn)
{
    enum err err = link_make(c);
    if (err != ERR_OK) {
        return err;
    }
    struct link_call *call = must_alloc(sizeof *call);
    *call = (struct link_call){.cluster = c, .fn = fn};
    snprintf(call->client_id, sizeof call->client_id, "%d", c->broker_id);
    call->rpc = (struct rpc){
        .key = key, .version = version, .correlation_id = c->link_correlation_id++, .client_id = call->client_id};
    uint8_t *frame = NULL;
    size_t len = 0;
    err = rpc_encode(&call->rpc, request, &frame, &len);
    if (err == ERR_OK) {
        peer_open(c->link);
        err = peer_send(c->link, frame, len, c->options.controller_timeout_ms, on_answer, call);
    }
    if (err != ERR_OK) {
        free(call);
    }
    return err;
}

void controller_link_close(struct cluster *c)
{
    struct peer *link = c->link;
    c->link = NULL;
    peer_free(link);
}
