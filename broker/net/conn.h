// SPDX-License-Identifier: Apache-2.0
//
// Connections that carry frames (int32 size, then so many bytes) in both directions, and listeners that accept them.
// net knows frames, not Kafka. A connection lives on one loop; so does everything that hangs on it.
//
// An exchange is one incoming frame and its answer. Exchanges of a connection are answered in the order they came,
// whatever order they finish in. The next frame is given out while earlier exchanges are unfinished only if each of
// those said it may be overtaken (exchange_allow_next), and never more than CONN_MAX_IN_FLIGHT at once; otherwise the
// bytes wait in the socket, and so the peer is slowed down. A peer that does not read its answers stops being read
// when more than CONN_MAX_OUTPUT_BYTES wait for it.
#ifndef OTTLA_NET_CONN_H
#define OTTLA_NET_CONN_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "broker/net/loop.h"

#define CONN_MAX_IN_FLIGHT    64
#define CONN_MAX_OUTPUT_BYTES (1024 * 1024)

struct evbuffer;
struct conn;
struct listener;

enum exchange_state {
    EXCHANGE_RUNNING,
    EXCHANGE_ANSWERED, // its output waits for those before it, then for the socket
    EXCHANGE_SENT,
};

struct exchange {
    TAILQ_ENTRY(exchange) entry;
    struct conn *conn; // NULL once the connection is gone
    uint8_t *frame;    // malloc'ed, owned by the exchange until released; without the size field
    size_t frame_len;
    struct evbuffer *out;
    enum exchange_state state;
    bool allow_next;
};

// What the owner of a listener gives for its connections. All functions are called on the connection's loop.
struct conn_handler {
    size_t exchange_size; // of the struct that begins with struct exchange; allocated zeroed by net
    // A frame is there. Must lead to exchange_answer, exchange_skip or exchange_close, now or later on this loop.
    void (*on_frame)(void *ctx, struct exchange *x);
    // The connection is gone and x is unfinished: stop working on it, then call exchange_release when nothing refers
    // to it any more (now or later). x->conn is NULL already.
    void (*on_abort)(void *ctx, struct exchange *x);
    // The answer's last byte has left, or was dropped with the connection: release what belongs to it. The exchange
    // itself is freed by net after this returns.
    void (*on_done)(void *ctx, struct exchange *x);
    void *ctx;
};

// The whole answer, with its size field, in the exchange's evbuffer `out` (made at first use). May hold file segments.
struct evbuffer *exchange_out(struct exchange *x);
// Adds len bytes of a file to the answer without copying (sendfile). release(arg) is called once when they have been
// sent or dropped.
enum err exchange_add_file(struct exchange *x, int fd, int64_t position, size_t len, void (*release)(void *arg),
                           void *arg) WARN_UNUSED;
void exchange_answer(struct exchange *x);
void exchange_skip(struct exchange *x);  // there is no answer (acks=0)
void exchange_close(struct exchange *x); // answers before it are still sent, then the connection is closed
void exchange_allow_next(struct exchange *x);
void exchange_release(struct exchange *x); // after on_abort only

const char *conn_peer(const struct conn *c);      // "127.0.0.1:4711", for log lines
const char *conn_peer_host(const struct conn *c); // "127.0.0.1"
const struct listener *conn_listener(const struct conn *c);
struct loop *conn_loop(const struct conn *c);
// A number no other connection of this process ever had.
uint64_t conn_id(const struct conn *c);

// ---------------------------------------------------------------------------------------------------------------

struct listener_options {
    const char *name; // listener name ("PLAINTEXT"), for log lines and metadata
    const char *host; // "" = all interfaces
    uint16_t port;    // 0 = any free one
    int backlog;
    int send_buffer_bytes;    // -1 = the system's
    int receive_buffer_bytes; // -1 = the system's
    int32_t max_frame_bytes;  // socket.request.max.bytes: a larger size closes the connection before allocating
    int64_t max_idle_ms;      // connections.max.idle.ms; -1 = never
    int32_t max_connections;  // of this listener; the next one is closed at once with a log line
    int32_t max_connections_per_ip;
    struct loop **loops; // connections go to the loop that has fewest
    int n_loops;
    const struct conn_handler *handler;
    void *user; // listener_user
};

// Binds; accepts only after listener_start. The first loop accepts. Bind errors are logged with address and reason.
enum err listener_open(const struct listener_options *o, struct listener **out) WARN_UNUSED;
uint16_t listener_port(const struct listener *l); // the bound one
const char *listener_name(const struct listener *l);
void *listener_user(const struct listener *l);
void listener_start(struct listener *l);
// Stops accepting and reading new frames; waits (from a thread that is no loop's, at most timeout_ms) until
// unfinished exchanges are answered and sent, then closes every connection.
void listener_drain(struct listener *l, int64_t timeout_ms);
void listener_close(struct listener *l); // after drain; the loops still run
int32_t listener_connections(const struct listener *l);

#endif
