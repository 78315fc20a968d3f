// SPDX-License-Identifier: Apache-2.0
//
// The door of the zk library: the tree of znodes that holds everything the cluster knows, as an interface with two
// stores behind it: the embedded one (zk_local: this process, journalled in plain files) and a real ZooKeeper by the
// official C client (zk_client). Both behave as ZooKeeper does: versions, ephemerals, sequential names, one-shot
// watches, atomic multi.
//
// A handle belongs to one thread (the control thread). All calls are made there, and all callbacks come there, never
// from inside the call that caused them: a store completes through `zk_dispatch`, which the owner's loop calls when
// the wake function has been called, and through `zk_ready`, which it calls as `zk_interest` says. Paths begin with
// '/', below the chroot. Callbacks may make further calls.
#ifndef OTTLA_ZK_ZK_H
#define OTTLA_ZK_ZK_H

#include "base/err.h"
#include "base/os.h"
#include "base/slice.h"
#include "base/uuid.h"

struct zk;

struct zk_stat {
    int64_t czxid; // transaction that created it; of /brokers/ids/<id> this is the broker epoch
    int64_t mzxid;
    int64_t ctime_ms;
    int64_t mtime_ms;
    int32_t version;         // of the data, 0 after creation; of a partition state node this is the partition epoch
    int32_t cversion;        // of the children
    int64_t ephemeral_owner; // session id, 0 = persistent
    int32_t data_len;
    int32_t num_children;
};

enum zk_create_mode {
    ZK_PERSISTENT,
    ZK_EPHEMERAL,
    ZK_PERSISTENT_SEQUENTIAL, // ten decimal digits are added to the name: how many children the parent ever had
};

enum zk_event_type {
    ZK_EVENT_CREATED,
    ZK_EVENT_DELETED,
    ZK_EVENT_DATA_CHANGED,
    ZK_EVENT_CHILDREN_CHANGED,
    ZK_EVENT_SESSION_LOST,    // disconnected; it may come back, what is called meanwhile waits for that
    ZK_EVENT_SESSION_UP,      // connected: for the first time, again, or in a new session: see zk_session_id
    ZK_EVENT_SESSION_EXPIRED, // ephemerals and watches are gone, and all that waited will answer ERR_CLOSED; calls
                              // made from now on wait for the new session, which the store begins by itself
};

// Result of any operation. Pointers are valid during the callback only.
struct zk_result {
    enum err err;          // NOT_FOUND, EXISTS, BAD_VERSION, NOT_EMPTY, CLOSED (session gone), IO (journal failed) ...
    struct slice data;     // get; data NULL = the node has null data, which is not the same as empty
    struct zk_stat stat;   // get, set, exists, create, children; multi: of its last set, as it was then
    const char *path;      // create: the real name; multi: NULL; otherwise the path asked for
    const char **children; // children: names without path, sorted
    int n_children;
    int failed_op; // multi: index of the operation that failed, else -1
};

typedef void zk_result_fn(void *ctx, const struct zk_result *result);
// A fired watch (one shot) or a session event (path NULL).
typedef void zk_event_fn(void *ctx, enum zk_event_type type, const char *path);

#define ZK_VERSION_ANY    (-1)
#define ZK_DATA_MAX_BYTES (1024 * 1024) // jute.maxbuffer of ZooKeeper
#define ZK_PATH_MAX_BYTES 1024
#define ZK_MULTI_MAX_OPS  1024 // their data together is bounded by ZK_DATA_MAX_BYTES

enum zk_op_type {
    ZK_OP_CREATE,
    ZK_OP_SET,
    ZK_OP_DELETE,
    ZK_OP_CHECK, // the node exists and has this version
};

struct zk_op {
    enum zk_op_type type;
    const char *path;
    struct slice data;
    enum zk_create_mode mode;
    int32_t version;
};

// The embedded store: opens or creates the journal `<dir>/ottla-znodes.*` (plain files: Kafka ignores plain files
// in a log directory, but refuses unknown folders). Ephemerals of an earlier process are gone after opening. An
// operation that changes the tree is written and fsynced before its callback; a journal that cannot be written
// answers ERR_IO to this and every later change, and none of them is visible to reads (after a restart, those that
// were being written may be there). On a full disk changes, and what is asked behind them, wait until there is room, as
// zk_interest says. A torn tail of the journal is cut at opening; other damage is ERR_CORRUPT.
// wake is called (from the owner's thread) when zk_dispatch has something to do.
// The session begins here and lasts until zk_close: the embedded store sends no session events.
enum err zk_local_open(const struct os *os, const char *dir, void (*wake)(void *ctx), void *wake_ctx,
                       struct zk **out) WARN_UNUSED;
// Whether files of such a store lie in the directory.
bool zk_local_exists(const struct os *os, const char *dir);

// A real ZooKeeper, Kafka's keys by the same names. It connects by itself, in the background, as often as needed, and
// resends what was under way when a connection broke, as Kafka does; a resent change that seems to fail because its
// first copy was done answers ERR_OK (zk_resent.h says how that is told). A session that expires is followed by a new
// one. A missing chroot is made.
// Names of hosts are looked up when connecting, on the owner's thread.
struct zk_client_options {
    const struct os *os;
    const char *connect;           // zookeeper.connect: "host:port,host:port/chroot"
    int32_t session_timeout_ms;    // asked for; the server has the last word
    int32_t connection_timeout_ms; // no session by then, at the opening: everything answers ERR_TIMED_OUT
    int32_t max_in_flight;         // zookeeper.max.in.flight.requests
    void (*wake)(void *ctx);
    void *wake_ctx;
};
// ERR_INVALID: connect is malformed.
enum err zk_client_open(const struct zk_client_options *o, struct zk **out) WARN_UNUSED;

// Ends the session: ephemerals go, then the store is closed. Operations not dispatched yet are dropped with their
// callbacks. Not to be called from a callback. May block for a few seconds when ZooKeeper does not answer.
void zk_close(struct zk *zk);
// Delivers completed results and watch events; returns when there are none left. Not to be called from a callback.
// Changes that stand together in the queue of the embedded store share one write and one fsync.
void zk_dispatch(struct zk *zk);
// What a store waits for from outside, to be asked after each zk_dispatch and zk_ready: then the owner calls zk_ready
// when the descriptor is ready, or when the time is over. The descriptor may be closed and its number used again in
// any of these two calls, so the owner's loop forgets it before it makes them.
struct zk_interest {
    int fd; // -1 = none
    bool readable;
    bool writable;
    int64_t timeout_ms; // -1 = none
};
struct zk_interest zk_interest(const struct zk *zk);
// Reads, writes, connects, and delivers results and events like zk_dispatch. Not to be called from a callback.
void zk_ready(struct zk *zk, bool readable, bool writable);
// Keeps the session alive in the midst of work that holds the owner's thread for long: call it between the pieces of
// such work. It sends what has to be sent and delivers nothing, so it may be called from anywhere.
void zk_keep_alive(struct zk *zk);
// 0 before a real ZooKeeper has given the first one.
int64_t zk_session_id(const struct zk *zk);
// Where session events and watches go; set once, before the first call.
void zk_set_event_fn(struct zk *zk, zk_event_fn *fn, void *ctx);

// Every operation calls fn (NULL: nobody wants to know) exactly once, in the order of the calls, unless the handle is
// closed first. path and data are copied. version ZK_VERSION_ANY fits every version.
// watch = true: an event for the node (get/exists: data change, creation, deletion; children: child changes,
// deletion) is delivered once through the event function: after the result that set the watch, before the result of
// the change that fires it. Only exists sets one on a node that is not there. Watches on one path and of one kind
// are one.
// Errors of all: ERR_INVALID (path), ERR_TOO_LARGE (path, data, number of operations), ERR_FULL (too many operations
// waiting, or the embedded tree at its bound), ERR_IO, ERR_CLOSED (the session has ended; it is not known whether the
// operation was done), ERR_TIMED_OUT (there was never a session). Create: ERR_EXISTS, ERR_NOT_FOUND (no parent),
// ERR_INVALID (the parent is ephemeral). Get, exists, children: ERR_NOT_FOUND. Set: ERR_NOT_FOUND, ERR_BAD_VERSION.
// Delete: those and ERR_NOT_EMPTY.
void zk_create(struct zk *zk, const char *path, struct slice data, enum zk_create_mode mode, zk_result_fn *fn,
               void *ctx);
void zk_get(struct zk *zk, const char *path, bool watch, zk_result_fn *fn, void *ctx);
void zk_exists(struct zk *zk, const char *path, bool watch, zk_result_fn *fn, void *ctx);
void zk_children(struct zk *zk, const char *path, bool watch, zk_result_fn *fn, void *ctx);
void zk_set(struct zk *zk, const char *path, struct slice data, int32_t version, zk_result_fn *fn, void *ctx);
void zk_delete(struct zk *zk, const char *path, int32_t version, zk_result_fn *fn, void *ctx);
// All or nothing, in this order, as one transaction; the operations' paths and data are copied.
void zk_multi(struct zk *zk, const struct zk_op *ops, int n, zk_result_fn *fn, void *ctx);

#include "zk/znodes.h"

#endif
