// SPDX-License-Identifier: Apache-2.0
//
// An operation on its way through a store: a copy of the request, later its outcome.
#ifndef OTTLA_ZK_ZK_PENDING_H
#define OTTLA_ZK_ZK_PENDING_H

#include <sys/queue.h>

#include "zk/zk_impl.h"

struct zk_client;

struct zk_pending {
    STAILQ_ENTRY(zk_pending) entries;
    struct zk_request request; // op.path, op.data, ops and what they point to are owned
    bool refused;              // answered as the result says, never executed
    struct zk_result result;
    char *name; // of a sequential node, owned; NULL otherwise
    // The embedded store's.
    size_t txn_start; // its transaction in the frame; start == end: it changed nothing
    size_t txn_end;
    // The client's.
    struct zk_client *client;
    bool is_resent;   // a change that may have been done before
    bool is_absolute; // its path is not below the chroot
    int looked_at;    // while it is found out whether a resent change was done: the operation that is looked at
    void *multi;      // results of a multi, owned
};

STAILQ_HEAD(zk_pending_list, zk_pending);

struct zk_pending *zk_pending_new(const struct zk_request *request);
// Forgets what an attempt to do it has found.
void zk_pending_reset(struct zk_pending *p);
void zk_pending_free(struct zk_pending *p);
void zk_pending_list_free(struct zk_pending_list *list);
bool zk_pending_is_change(const struct zk_pending *p);

#endif
