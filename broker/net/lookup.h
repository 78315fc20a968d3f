// SPDX-License-Identifier: Apache-2.0
//
// From host and port to addresses. Numbers are read at once; names are looked up by the system's resolver on a thread
// of the disk pool, because that may block for seconds.
#ifndef OTTLA_NET_LOOKUP_H
#define OTTLA_NET_LOOKUP_H

#include <sys/socket.h>

#include "base/pool.h"
#include "broker/net/loop.h"

#define ADDRESSES_MAX 8 // of a name; further ones are left out

struct address {
    struct sockaddr_storage addr;
    socklen_t len;
};

struct addresses {
    struct address list[ADDRESSES_MAX]; // IPv4 first, as most clients take them
    int count;
};

// Never blocks. False: the host is not an IPv4 or IPv6 address in digits.
bool addresses_numeric(struct addresses *a, const char *host, uint16_t port);

struct lookup;
// Called on the loop, once, unless the lookup was cancelled before; count 0: no address is known for the name.
typedef void lookup_fn(void *ctx, const struct addresses *found);

// [loop] NULL without memory. The pool has to be drained before the loop ends, also after lookup_cancel.
struct lookup *lookup_start(struct loop *l, struct pool *pool, const char *host, uint16_t port, lookup_fn *fn,
                            void *ctx);
void lookup_cancel(struct lookup *k); // [loop] NULL is fine

#endif
