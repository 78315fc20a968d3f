// SPDX-License-Identifier: Apache-2.0
//
// Requests from this broker to another one, and their answers, as frames for a peer (net/peer.h). Brokers send fixed
// versions to each other and do not ask which are known (replication.md: control and fetch connections).
#ifndef OTTLA_CLUSTER_RPC_H
#define OTTLA_CLUSTER_RPC_H

#include "protocol/protocol.h"

#define RPC_REQUEST_MAX_BYTES (100 * 1024 * 1024) // socket.request.max.bytes of whom it goes to

struct rpc {
    int16_t key;
    int16_t version;
    int32_t correlation_id;
    const char *client_id;
};

// A frame with its size field, malloc'ed, the caller's. body: the request struct of the API. Errors of message_encode;
// ERR_TOO_LARGE beyond RPC_REQUEST_MAX_BYTES.
enum err rpc_encode(const struct rpc *r, const void *body, uint8_t **frame, size_t *len) WARN_UNUSED;

// The answer to that request, a frame without its size field. body: the response struct, whose strings, bytes and
// records stay in the frame and whose arrays lie in the arena. Errors of message_decode; ERR_CORRUPT: it answers
// another request.
enum err rpc_decode(const struct rpc *r, struct slice frame, struct arena *a, void *body) WARN_UNUSED;

#endif
