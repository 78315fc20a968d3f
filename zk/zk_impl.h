// SPDX-License-Identifier: Apache-2.0
//
// What a store behind zk.h provides. A store embeds `struct zk` as its first member. Every operation reaches it as one
// struct zk_request that zk.c has checked; the store copies what it keeps.
#ifndef OTTLA_ZK_ZK_IMPL_H
#define OTTLA_ZK_ZK_IMPL_H

#include "zk/zk.h"

enum zk_request_type {
    ZK_REQUEST_GET,
    ZK_REQUEST_EXISTS,
    ZK_REQUEST_CHILDREN,
    ZK_REQUEST_CREATE,
    ZK_REQUEST_SET,
    ZK_REQUEST_DELETE,
    ZK_REQUEST_MULTI,
};

struct zk_request {
    enum zk_request_type type;
    bool watch;              // get, exists, children
    struct zk_op op;         // path; create, set, delete: all of it
    const struct zk_op *ops; // multi
    int ops_count;
    zk_result_fn *fn;
    void *ctx;
    enum err refused; // not ERR_OK: not to be done, only answered, in its turn
    int refused_op;   // index in a multi, else -1
};

struct zk_vtable {
    void (*submit)(struct zk *zk, const struct zk_request *request);
    void (*dispatch)(struct zk *zk);
    struct zk_interest (*interest)(const struct zk *zk);
    void (*ready)(struct zk *zk, bool readable, bool writable);
    void (*keep_alive)(struct zk *zk);
    int64_t (*session_id)(const struct zk *zk);
    void (*close)(struct zk *zk);
};

struct zk {
    const struct zk_vtable *vtable;
    zk_event_fn *event_fn;
    void *event_ctx;
};

#endif
