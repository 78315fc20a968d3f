// SPDX-License-Identifier: Apache-2.0
//
// Inside of the store on a real ZooKeeper, shared by its files only: zk_client.c has the session and the queue,
// zk_client_call.c one operation on its way through the library and back.
#ifndef OTTLA_ZK_ZK_CLIENT_H
#define OTTLA_ZK_ZK_CLIENT_H

#include <zookeeper/zookeeper.h>

#include "zk/zk_connect.h"
#include "zk/zk_pending.h"

#define ZK_CLIENT_QUEUE_MAX        (100 * 1000)      // operations waiting to be sent; further ones answer ERR_FULL
#define ZK_CLIENT_PACKET_MAX_BYTES (1024 * 1024 - 1) // jute.maxbuffer of a ZooKeeper that was not told otherwise

struct zk_client {
    struct zk zk;
    struct zk_client_options options;
    struct zk_connect connect;
    // The session.
    zhandle_t *handle; // NULL: none, to be made at retry_at_ms
    bool is_connected;
    bool has_expired; // the handle is of no use any more
    bool had_session; // there has been one
    bool has_chroot;  // its nodes are known to be there
    int64_t session_id;
    enum err failure;    // not ERR_OK: answers everything, for good
    int64_t deadline_ms; // of the first session
    int64_t retry_at_ms; // when to make a handle
    int64_t lost_at_ms;  // when the connection was lost
    int64_t kept_at_ms;  // when zk_keep_alive has sent something
    struct zk_interest interest;
    // Operations, in their order: lost, sent, queue.
    struct zk_pending_list lost; // were sent when the connection broke
    struct zk_pending_list sent;
    int sent_count;
    struct zk_pending_list queue;
    int queue_count;
    bool is_turning;
    bool is_closing;
};

// ---- zk_client_call.c ----

// Whether it fits into a packet that ZooKeeper takes; it closes connections that bring a larger one.
bool zk_client_fits(const struct zk_client *c, const struct zk_request *request);
// Gives it to the library; its outcome comes to zk_client_outcome.
void zk_client_send(struct zk_client *c, struct zk_pending *p);
// Asks for something nobody wants to know.
void zk_client_ping(struct zk_client *c);
// Reads the node that operation p->looked_at of a resent change writes; the outcome comes to zk_client_looked.
void zk_client_look(struct zk_client *c, struct zk_pending *p);

// ---- zk_client.c: called from inside the library ----

// The outcome of the first operation of sent. code is the library's; the result is filled in when it is ZOK.
void zk_client_outcome(struct zk_pending *p, int code);
void zk_client_looked(struct zk_pending *p, int code, const struct zk_result *node);
// A watch has fired.
void zk_client_watched(zhandle_t *handle, int type, int state, const char *path, void *ctx);

#endif
