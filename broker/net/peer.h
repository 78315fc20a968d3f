// SPDX-License-Identifier: Apache-2.0
//
// An outgoing connection that carries frames (int32 size, then so many bytes): requests out, one answer each, in the
// order of the requests. The counterpart of conn.h; net knows frames, not Kafka. A peer lives on one loop, and all its
// functions are called there; so are its callbacks.
//
//           peer_open            on_open
//   CLOSED ----------> OPENING ----------> OPEN
//      ^                  |                  |     an error, the other side's end, a deadline passed: every request
//      +------------------+------------------+     under way is told why, then on_closed
//
// A peer is opened again only when its owner says so (backoff.h tells when). Requests may be sent while it opens: they
// wait for the connection, and their deadlines run already.
#ifndef OTTLA_NET_PEER_H
#define OTTLA_NET_PEER_H

#include "base/pool.h"
#include "broker/net/loop.h"

#define PEER_MAX_IN_FLIGHT 64
#define PEER_NAME_BYTES    280 // a host's name has at most 253

struct peer;

struct peer_options {
    struct loop *loop; // outlives the peer
    struct pool *pool; // looks up names; drained before the loop ends. NULL: the host is in digits
    const char *host;  // copied
    uint16_t port;
    int32_t max_frame_bytes;    // a larger answer closes the connection before it is allocated
    int max_in_flight;          // 1..PEER_MAX_IN_FLIGHT
    int64_t open_timeout_ms;    // until on_open, lookup included
    int send_buffer_bytes;      // -1 = the system's
    int receive_buffer_bytes;   // -1 = the system's
    void (*on_open)(void *ctx); // may be NULL
    // Not by the owner's wish (peer_close): ERR_NOT_FOUND, the name is not known; ERR_IO, it cannot be reached or the
    // connection broke; ERR_CLOSED, the other side has ended it; ERR_TIMED_OUT; ERR_INVALID, ERR_TOO_LARGE, what came
    // is no frame, too large a one, or none was asked for; ERR_NO_MEMORY. The peer may be opened or freed in here.
    void (*on_closed)(void *ctx, enum err why);
    void *ctx;
};

// [loop] Closed at first.
enum err peer_new(const struct peer_options *o, struct peer **out) WARN_UNUSED;
// Closes it. NULL is fine; may be called in any callback of the peer.
void peer_free(struct peer *p);

// Begins to connect; nothing when it opens or is open. The outcome comes by a callback, never from inside.
void peer_open(struct peer *p);
bool peer_is_closed(const struct peer *p);
bool peer_is_open(const struct peer *p); // false while it opens
// Closes it now: requests under way are told ERR_CLOSED, on_closed is not called. Nothing when it is closed.
void peer_close(struct peer *p);

// The answer to one request: with ERR_OK its frame without the size field, malloc'ed, the receiver's to free; else why
// there will be none (as for on_closed) and frame NULL. Called once for every request that was taken.
typedef void peer_answer_fn(void *ctx, enum err err, uint8_t *frame, size_t len);

// frame: malloc'ed, with its size field; belongs to the peer from now on, also when it is refused. It is told
// ERR_TIMED_OUT, and the connection ends with it, when the answer is not there within timeout_ms. ERR_CLOSED: the peer
// is closed. ERR_FULL: max_in_flight are under way. ERR_NO_MEMORY.
enum err peer_send(struct peer *p, uint8_t *frame, size_t len, int64_t timeout_ms, peer_answer_fn *fn,
                   void *ctx) WARN_UNUSED;
int peer_in_flight(const struct peer *p);
// "host:port" or "[host]:port", to tell peers apart and for log lines.
const char *peer_name(const struct peer *p);
void peer_name_format(char name[PEER_NAME_BYTES], const char *host, uint16_t port);

#endif
