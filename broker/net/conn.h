// SPDX-License-Identifier: Apache-2.0
//
// Connections that carry frames (int32 size, then so many bytes) in both directions. net knows frames, not Kafka. A
// connection lives on one loop; so does everything that hangs on it: every function here is called on that loop.
//
// An exchange is one incoming frame and its answer. Exchanges of a connection are answered in the order they came,
// whatever order they finish in. The next frame is given out while earlier exchanges are unfinished only if each of
// those said it may be overtaken (exchange_allow_next), and never more than CONN_MAX_IN_FLIGHT at once; otherwise at
// most one more frame is read and the bytes wait in the socket, and so the peer is slowed down. A peer that does not
// read its answers gets no further frame handled when more than CONN_MAX_OUTPUT_BYTES wait for it, and the frames that
// are handled at once have CONN_MAX_FRAME_BYTES at most, or are one. What all connections together may take in:
// intake.h.
//
// A peer that closes its sending side still gets its answers; then the connection is closed.
#ifndef OTTLA_NET_CONN_H
#define OTTLA_NET_CONN_H

#include <sys/queue.h>

#include "broker/net/answer.h"
#include "broker/net/loop.h"

#define CONN_MAX_IN_FLIGHT    64
#define CONN_MAX_OUTPUT_BYTES (1024 * 1024)
#define CONN_MAX_FRAME_BYTES  ((size_t)16 * 1024 * 1024)

struct conn;
struct listener;

enum exchange_state {
    EXCHANGE_RUNNING,
    EXCHANGE_ANSWERED, // waits for those before it, then for the socket
};

struct exchange {
    TAILQ_ENTRY(exchange) entry;
    struct conn *conn; // NULL once the connection is gone
    uint8_t *frame;    // malloc'ed, freed when it is answered; without the size field
    size_t frame_len;
    struct answer answer;
    enum exchange_state state;
    bool allow_next;
    bool close;  // the connection ends here
    bool queued; // counted by the intake
    struct intake *intake;
    size_t intake_bytes; // likewise
};

// What the owner of a listener gives for its connections. All functions are called on the connection's loop.
struct conn_handler {
    size_t exchange_size; // of the struct that begins with struct exchange; allocated zeroed by net
    // A frame is there. Must lead to exchange_answer, exchange_skip or exchange_close, now or later on this loop.
    void (*on_frame)(void *ctx, struct exchange *x);
    // The listener drains: an exchange that only waits for something new to come may be answered now. May be NULL.
    void (*on_drain)(void *ctx, struct exchange *x);
    // The connection is gone and x is unfinished: stop working on it, then call exchange_release when nothing refers
    // to it any more (now or later). x->conn is NULL already.
    void (*on_abort)(void *ctx, struct exchange *x);
    // The answer's last byte has left, or was dropped with the connection: release what belongs to it. The exchange
    // itself is freed by net after this returns.
    void (*on_done)(void *ctx, struct exchange *x);
    void *ctx;
};

// These three end the exchange: x may be freed before they return. Its connection may be gone, too.
//
// The whole answer with its size field; bytes and files stay the caller's, unchanged until on_done. Files leave by
// sendfile; one that has become shorter closes the connection, because the announced size can no longer be kept.
void exchange_answer(struct exchange *x, const struct answer *answer);
void exchange_skip(struct exchange *x);  // there is no answer (acks=0)
void exchange_close(struct exchange *x); // answers before it are still sent, then the connection is closed

// x waits for another thread to work for it / does not any more. While too many of all connections do, no frames are
// given out.
void exchange_queue(struct exchange *x);
void exchange_unqueue(struct exchange *x); // nothing when it is not queued
// x waits for what other requests may bring: it takes no room of the intake from them any more.
void exchange_await_others(struct exchange *x);
// Later frames of the connection may be given out while x runs.
void exchange_allow_next(struct exchange *x);
void exchange_release(struct exchange *x); // after on_abort only

const char *conn_peer(const struct conn *c);      // "127.0.0.1:4711" or "[::1]:4711", for log lines
const char *conn_peer_host(const struct conn *c); // "127.0.0.1"
const struct listener *conn_listener(const struct conn *c);
struct loop *conn_loop(const struct conn *c);
// A number no other connection of this process ever had.
uint64_t conn_id(const struct conn *c);

#endif
