// SPDX-License-Identifier: Apache-2.0
//
// A listener binds an address, accepts connections and hands each to the loop that has fewest. Opened, started,
// drained and closed by one thread that is no loop's.
#ifndef OTTLA_NET_LISTENER_H
#define OTTLA_NET_LISTENER_H

#include "broker/net/conn.h"
#include "broker/net/conn_limits.h"
#include "broker/net/intake.h"

struct listener_options {
    const char *name; // listener name ("PLAINTEXT"), for log lines and metadata
    const char *host; // "" = all interfaces
    uint16_t port;    // 0 = any free one
    int backlog;
    int send_buffer_bytes;      // -1 = the system's
    int receive_buffer_bytes;   // -1 = the system's
    int32_t max_frame_bytes;    // socket.request.max.bytes: a larger size closes the connection before allocating
    int64_t max_idle_ms;        // connections.max.idle.ms; -1 = never
    struct conn_limits *limits; // of all listeners together; outlives the listener
    struct intake *intake;      // likewise
    bool privileged;            // see conn_limits.h
    struct loop *const *loops;  // outlive the listener
    int n_loops;
    const struct conn_handler *handler; // copied
    void *user;                         // listener_user
};

// Binds and listens, so that port 0 becomes a number; accepts only after listener_start. The first loop accepts. Bind
// errors are logged with address and reason. ERR_INVALID: the host does not resolve. ERR_IO, ERR_NO_MEMORY.
enum err listener_open(const struct listener_options *o, struct listener **out) WARN_UNUSED;
uint16_t listener_port(const struct listener *l); // the bound one
const char *listener_name(const struct listener *l);
void *listener_user(const struct listener *l);
// The loops run already.
void listener_start(struct listener *l);
// Stops accepting and giving out frames; waits at most timeout_ms until unfinished exchanges are answered and sent,
// then closes every connection. Nothing when it was not started or is drained already.
void listener_drain(struct listener *l, int64_t timeout_ms);
void listener_close(struct listener *l); // drains without waiting if need be; the loops still run. NULL is fine
int32_t listener_connections(struct listener *l); // [any]
// max.connections and max.connection.creation.rate of this listener alone. [any]
void listener_set_limits(struct listener *l, int32_t max_connections, int32_t max_rate);
// There may be more connections than the limits allow: the least recently used ones of this listener are closed, unless
// it is privileged. [any, while its loops run]
void listener_close_excess(struct listener *l);
// Called on the loop that accepts when a privileged listener's new connection may be one too many. Set before
// listener_start; NULL: nothing is done.
void listener_on_excess(struct listener *l, void (*fn)(void *ctx), void *ctx);

#endif
