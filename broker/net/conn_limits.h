// SPDX-License-Identifier: Apache-2.0
//
// How many connections there may be: all together, on one listener, from one address, and how many new ones a second
// (Kafka's ConnectionQuotas: max.connections, max.connections.per.ip and its overrides, max.connection.creation.rate).
// One for all listeners of a broker, each of which has a share. The limits may change at any time.
//
// Past max.connections and the rate a new connection waits in the listener's queue; past the limit of its address it is
// closed at once. A privileged listener (Kafka's of the brokers among themselves, when there are others) does not wait
// for max.connections: the least recently used connections of other listeners are closed for it.
// All functions may be called from any thread.
#ifndef OTTLA_NET_CONN_LIMITS_H
#define OTTLA_NET_CONN_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h>

#include "base/err.h"

#define CONN_HOST_BYTES    INET6_ADDRSTRLEN
#define CONN_RATE_BURST_S  10 // a burst may be what so many seconds allow, as with Kafka's quota window
#define CONN_LIMIT_NONE    INT32_MAX
#define CONN_WAIT_FOR_ROOM 100 // ms until a listener looks again whether a connection has gone

struct conn_limits;
struct conn_share;

struct conn_override {
    char host[CONN_HOST_BYTES]; // an address as text, as inet_ntop writes it
    int32_t max;
};

struct conn_limits_config {
    int32_t max;                           // of all listeners together
    int32_t max_rate;                      // new ones per second
    int32_t max_per_ip;                    // of all listeners together
    const struct conn_override *overrides; // copied
    int32_t overrides_count;
};

// Without limits.
enum err conn_limits_new(struct conn_limits **out) WARN_UNUSED;
void conn_limits_free(struct conn_limits *l); // without shares; NULL is fine
// ERR_NO_MEMORY: nothing has changed.
enum err conn_limits_set(struct conn_limits *l, const struct conn_limits_config *c) WARN_UNUSED;

// A listener's share, without limits of its own.
enum err conn_share_new(struct conn_limits *l, bool privileged, struct conn_share **out) WARN_UNUSED;
void conn_share_free(struct conn_share *s); // without connections; NULL is fine
void conn_share_set(struct conn_share *s, int32_t max, int32_t max_rate);

// Whether the next connection may be accepted: 0, or how many ms later to ask again.
int64_t conn_share_wait_ms(struct conn_share *s, int64_t now_ms);
// Counts a connection in that was accepted. False, with the reason, when there are too many from its address.
bool conn_share_admit(struct conn_share *s, const char *host, int64_t now_ms, const char **why) WARN_UNUSED;
void conn_share_forget(struct conn_share *s, const char *host);
int32_t conn_share_count(struct conn_share *s);

// True: there are more connections than max.connections, and the caller shall close one of this share's; it is
// counted out by _forget, and conn_share_closed ends the claim.
bool conn_share_must_close(struct conn_share *s) WARN_UNUSED;
void conn_share_closed(struct conn_share *s);

#endif
