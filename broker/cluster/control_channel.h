// SPDX-License-Identifier: Apache-2.0
//
// The controller's line to one other broker: requests leave in order, one at a time, and one that got no answer is sent
// again after a moment, for as long as the broker is registered (Kafka's ControllerChannelManager). Lives on the
// control loop.
#ifndef OTTLA_CLUSTER_CONTROL_CHANNEL_H
#define OTTLA_CLUSTER_CONTROL_CHANNEL_H

#include "broker/net/peer.h"
#include "protocol/protocol.h"

// What may wait for a broker that does not answer. Past either nothing is kept: when it answers again it is told
// everything anew (on_behind).
#define CONTROL_CHANNEL_MAX_REQUESTS 10000
#define CONTROL_CHANNEL_MAX_BYTES    (256 * 1024 * 1024)

struct control_channel;

struct control_channel_options {
    struct loop *loop;
    struct pool *pool;
    const char *host;
    uint16_t port;
    int32_t broker;        // who is at the other end
    const char *client_id; // this broker's id in digits; copied
    int64_t timeout_ms;    // controller.socket.timeout.ms, of one request
    // The answer to the oldest request; response is valid during the call. The channel may be freed in here.
    void (*on_answer)(void *ctx, int32_t broker, int16_t key, bool erase, const void *response);
    // What was to be said has been dropped: it has to be told everything.
    void (*on_behind)(void *ctx, int32_t broker);
    void *ctx;
};

struct control_channel *control_channel_new(const struct control_channel_options *o); // NULL without memory
void control_channel_free(struct control_channel *ch);                                // NULL is fine
// erase is only carried along.
void control_channel_send(struct control_channel *ch, int16_t key, int16_t version, bool erase, const void *request);

#endif
