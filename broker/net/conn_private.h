// SPDX-License-Identifier: Apache-2.0
//
// What connection and listener know of each other, and nobody else.
#ifndef OTTLA_NET_CONN_PRIVATE_H
#define OTTLA_NET_CONN_PRIVATE_H

#include <netinet/in.h>

#include "broker/net/conn.h"
#include "broker/net/conn_limits.h"
#include "broker/net/intake.h"
#include "broker/net/log_limit.h"

TAILQ_HEAD(conn_list, conn);

// A listener's part on one loop; touched on that loop only.
struct shard {
    struct intake_waiter room; // first: is woken when connections may go on
    struct intake *intake;
    struct listener *listener;
    struct loop *loop;
    struct conn_list conns;
    struct log_limit refusals;
    bool draining; // no more frames are given out, and no connection comes in
    struct mailbox_item drain_item;
    struct mailbox_item abort_item;
    struct mailbox_item excess_item;
    atomic_bool excess_posted; // it lies in the mailbox
};

#define CONN_PEER_BYTES (INET6_ADDRSTRLEN + 8) // brackets, colon, port

struct conn_options {
    struct shard *shard;
    int fd; // becomes the connection's
    uint64_t id;
    const struct sockaddr_in6 *peer; // IPv4 as mapped address
    int32_t max_frame_bytes;
    int64_t max_idle_ms; // -1 = never
    const struct conn_handler *handler;
};

// [any] NULL without memory; the fd stays the caller's then.
struct conn *conn_new(const struct conn_options *o);
void conn_free(struct conn *c); // one that was not started; the fd stays open
// Hands it to its loop, where it begins to read. [any]
void conn_start(struct conn *c);
// [loop] There may be room in the intake again.
void conn_resume(struct conn *c);
// [loop] Closes it as soon as everything given out is answered and sent.
void conn_drain(struct conn *c);
// [loop] Closes it now; unfinished exchanges are aborted. c is gone afterwards.
void conn_abort(struct conn *c);

struct conn *conn_next(const struct conn *c); // in its shard
// [loop] When bytes moved last, on the loop's monotonic clock.
int64_t conn_active_ms(const struct conn *c);

// By the connection, when it is gone: the listener counts it out.
void listener_forget(struct listener *l, const char *host);

#endif
