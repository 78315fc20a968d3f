// SPDX-License-Identifier: Apache-2.0
//
// One line to one broker; see the header. The frame of the oldest request is kept until it is answered, a copy of it
// goes to the peer.
#include "broker/cluster/control_channel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/logging.h"
#include "broker/cluster/must.h"
#include "broker/cluster/rpc.h"

#define RETRY_MS              100
#define ANSWER_MAX_BYTES      (64 * 1024 * 1024)
#define ANSWER_ARENA_LIMIT    ((size_t)1024 * 1024 * 1024)
#define CLIENT_ID_BYTES       12
#define BROKER_SOCKET_DEFAULT (-1)

struct control_item {
    STAILQ_ENTRY(control_item) entry;
    struct rpc rpc;
    bool erase;
    uint8_t *frame;
    size_t len;
};

struct control_channel {
    struct control_channel_options o;
    char client_id[CLIENT_ID_BYTES];
    struct peer *peer;
    struct timer retry;
    STAILQ_HEAD(, control_item) items;
    int32_t items_count;
    size_t bytes;
    int32_t correlation_id;
    bool sent;   // the oldest is under way
    bool behind; // something was dropped
    bool told;   // that the broker cannot be reached
    bool busy;   // a callback of the owner is at work
    bool freed;
};

static void head_send(struct control_channel *ch);

// ---------------------------------------------------------------------------------------------------------------
// Answers

static void item_drop(struct control_channel *ch)
{
    struct control_item *i = STAILQ_FIRST(&ch->items);
    STAILQ_REMOVE_HEAD(&ch->items, entry);
    ch->items_count--;
    ch->bytes -= i->len;
    free(i->frame);
    free(i);
}

static void retry_later(struct control_channel *ch)
{
    ch->sent = false;
    timer_set(&ch->retry, RETRY_MS);
}

static void channel_destroy(struct control_channel *ch)
{
    while (!STAILQ_EMPTY(&ch->items)) {
        item_drop(ch);
    }
    timer_release(&ch->retry);
    free(ch);
}

// The answer is read: hands it out. False: the channel is gone.
static bool answer_give_out(struct control_channel *ch, const void *response)
{
    const struct control_item *i = STAILQ_FIRST(&ch->items);
    int16_t key = i->rpc.key;
    bool erase = i->erase;
    item_drop(ch);
    ch->busy = true;
    ch->o.on_answer(ch->o.ctx, ch->o.broker, key, erase, response);
    if (!ch->freed && ch->behind) {
        ch->behind = false;
        ch->o.on_behind(ch->o.ctx, ch->o.broker);
    }
    ch->busy = false;
    if (ch->freed) {
        channel_destroy(ch);
        return false;
    }
    return true;
}

static void on_answer(void *ctx, enum err err, uint8_t *frame, size_t len)
{
    struct control_channel *ch = ctx;
    if (ch->freed) {
        free(frame);
        return;
    }
    if (err != ERR_OK) {
        retry_later(ch);
        return;
    }
    const struct rpc *rpc = &STAILQ_FIRST(&ch->items)->rpc;
    const struct protocol_api *api = protocol_api_find(rpc->key);
    struct arena a;
    arena_init(&a, ANSWER_ARENA_LIMIT);
    void *response = must_arena_array(&a, 1, message_struct_size(api->response));
    err = rpc_decode(rpc, slice_of(frame, len), &a, response);
    bool there = true;
    if (err != ERR_OK) {
        log_warn("cluster", "the answer of broker %d to %s cannot be read: %s", ch->o.broker, api->name, err_text(err));
        retry_later(ch);
        peer_close(ch->peer);
    } else {
        ch->sent = ch->told = false;
        there = answer_give_out(ch, response);
    }
    arena_release(&a);
    free(frame);
    if (there && err == ERR_OK) {
        head_send(ch);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Sending

static void head_send(struct control_channel *ch)
{
    const struct control_item *i = STAILQ_FIRST(&ch->items);
    if (i == NULL || ch->sent) {
        return;
    }
    peer_open(ch->peer);
    ch->sent = true;
    enum err err = peer_send(ch->peer, must_copy(i->frame, i->len), i->len, ch->o.timeout_ms, on_answer, ch);
    if (err != ERR_OK) {
        retry_later(ch);
    }
}

static void on_retry(void *ctx)
{
    head_send(ctx);
}

// What was under way has been told so; it is sent again.
static void on_closed(void *ctx, enum err why)
{
    struct control_channel *ch = ctx;
    if (!ch->told && ch->items_count > 0) {
        ch->told = true;
        log_warn("cluster", "broker %d cannot be told at %s: %s; it is tried again", ch->o.broker, peer_name(ch->peer),
                 err_text(why));
    }
}

// All but the one under way.
static void items_drop(struct control_channel *ch)
{
    log_warn("cluster", "broker %d does not answer: it is told everything anew when it does", ch->o.broker);
    struct control_item *head = STAILQ_FIRST(&ch->items);
    STAILQ_REMOVE_HEAD(&ch->items, entry);
    while (!STAILQ_EMPTY(&ch->items)) {
        item_drop(ch);
    }
    STAILQ_INSERT_HEAD(&ch->items, head, entry);
    ch->behind = true;
}

void control_channel_send(struct control_channel *ch, int16_t key, int16_t version, bool erase, const void *request)
{
    if (ch->behind) {
        return;
    }
    struct control_item *i = must_alloc(sizeof *i);
    i->rpc = (struct rpc){
        .key = key, .version = version, .correlation_id = ch->correlation_id++, .client_id = ch->client_id};
    i->erase = erase;
    enum err err = rpc_encode(&i->rpc, request, &i->frame, &i->len);
    if (err != ERR_OK) {
        log_error("cluster", "what broker %d is to be told is not sent: %s", ch->o.broker, err_text(err));
        free(i);
        return;
    }
    STAILQ_INSERT_TAIL(&ch->items, i, entry);
    ch->items_count++;
    ch->bytes += i->len;
    if (ch->items_count > 1 &&
        (ch->items_count > CONTROL_CHANNEL_MAX_REQUESTS || ch->bytes > CONTROL_CHANNEL_MAX_BYTES)) {
        items_drop(ch);
    }
    head_send(ch);
}

// ---------------------------------------------------------------------------------------------------------------
// Life

struct control_channel *control_channel_new(const struct control_channel_options *o)
{
    struct control_channel *ch = must_alloc(sizeof *ch);
    ch->o = *o;
    STAILQ_INIT(&ch->items);
    strncpy(ch->client_id, o->client_id, sizeof ch->client_id - 1);
    const struct peer_options options = {
        .loop = o->loop,
        .pool = o->pool,
        .host = o->host,
        .port = o->port,
        .max_frame_bytes = ANSWER_MAX_BYTES,
        .max_in_flight = 1,
        .open_timeout_ms = o->timeout_ms,
        .send_buffer_bytes = BROKER_SOCKET_DEFAULT,
        .receive_buffer_bytes = BROKER_SOCKET_DEFAULT,
        .on_closed = on_closed,
        .ctx = ch,
    };
    if (timer_init(&ch->retry, o->loop, on_retry, ch) != ERR_OK || peer_new(&options, &ch->peer) != ERR_OK) {
        channel_destroy(ch);
        return NULL;
    }
    return ch;
}

void control_channel_free(struct control_channel *ch)
{
    if (ch == NULL || ch->freed) {
        return;
    }
    ch->freed = true;
    peer_free(ch->peer);
    if (!ch->busy) {
        channel_destroy(ch);
    }
}
