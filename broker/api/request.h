// SPDX-License-Identifier: Apache-2.0
//
// The life of one request: RECEIVED -> RUNNING -> (WAITING -> RUNNING)* -> DONE -> SENT. A handler is a plain
// function that runs to its end or asks to be run again (docs/ARCHITECTURE.md). It never blocks and never touches the
// socket. It may run several times: effects happen on the first run only (`runs` == 1), what must survive lies in
// the request's arena. Before API_WAIT it has linked `wait` to what it waits for and set `deadline_ms`; when
// `expired` is true it answers with what it has.
#ifndef OTTLA_API_REQUEST_H
#define OTTLA_API_REQUEST_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/pool.h"
#include "broker/cluster/cluster.h"
#include "broker/group/coordinator.h"
#include "broker/net/listener.h"
#include "broker/net/log_limit.h"
#include "broker/net/wait.h"
#include "broker/replica/replica_manager.h"
#include "broker/txn/producer_ids.h"
#include "protocol/protocol.h"

// What one request may take from memory beside its frame: arrays that clients blow up end here.
#define REQUEST_ARENA_LIMIT(frame_len) ((size_t)(frame_len)*32 + 4 * 1024 * 1024)
#define REQUEST_MAX_RUNS               1000
#define REQUEST_NO_DEADLINE            INT64_MAX // deadline_ms of a wait that only ends by a wake

enum api_step {
    API_DONE,   // `out` is complete: send it
    API_WAIT,   // run me again when woken or at deadline_ms
    API_SILENT, // nothing is sent
    API_CLOSE,  // close the connection without an answer
};

struct request;
struct fetch_sessions;

// One row of the API table (broker/api/apis.h).
struct api {
    int16_t key;
    int16_t min_version; // served; ApiVersions advertises exactly these
    int16_t max_version;
    enum api_step (*handler)(struct request *r);
    // Called once when the connection went away while waiting: unlink everything. NULL when there is nothing.
    void (*abort)(struct request *r);
    unsigned flags; // of enum api_flag
};

enum api_flag {
    API_CUT_SHORT = 1, // waits for new things only: when the broker stops it is run at once as if it had expired
};

// What handlers see of the broker. Lives as long as the broker; shared by all loops, so const or thread safe.
struct api_context {
    const struct os *os;
    struct cluster *cluster;
    struct replica_manager *replicas;
    struct producer_ids *producer_ids;
    struct fetch_sessions *fetch_sessions;
    struct coordinator *groups;
    struct pool *pool; // for work that may block on the disk
    const struct api_options *options;
    struct log_limit *refusals; // bounds the log lines about bad requests
};

// How an internal topic is made when it is first needed.
struct internal_topic {
    int32_t partitions;
    int16_t replication_factor;
    int32_t segment_bytes;
    int32_t min_insync_replicas; // 0: the topic has no setting of its own
    bool uncompressed;           // else as its writer compresses
    const char *replication_factor_key;
};

// The broker-wide settings handlers act on.
struct api_options {
    int32_t broker_id;
    int32_t fetch_max_bytes; // fetch.max.bytes
    int32_t num_partitions;  // num.partitions
    int32_t default_replication_factor;
    bool rack_aware_reads;   // replica.selector.class is the rack-aware one
    bool auto_create_topics; // auto.create.topics.enable
    bool delete_topics;      // delete.topic.enable
    struct group_options group;
    struct internal_topic offsets_topic;      // __consumer_offsets
    struct internal_topic transactions_topic; // __transaction_state
};

struct request {
    struct exchange x; // first
    const struct api_context *ctx;
    const struct api *api;
    const struct protocol_api *proto;
    int16_t version;
    int32_t correlation_id;
    struct slice client_id; // into the frame; never null
    struct arena arena;
    struct slice body;               // of the frame: what `in` was decoded from
    void *in;                        // the decoded request struct
    void *out;                       // the response struct at its defaults
    const struct metadata *metadata; // one snapshot from start to end; request_refresh_metadata takes a newer one
    struct wait wait;
    struct timer deadline;
    int64_t deadline_ms; // on the loop's monotonic clock; REQUEST_NO_DEADLINE
    int32_t runs;        // 1 on the first run
    bool expired;
    bool overtakable;   // set before API_WAIT: its effects are over, later requests of the connection may run meanwhile
    bool awaits_thread; // request_await_thread
    void *state;        // of the handler, in the arena
    // Set by a handler whose answer lies in memory or files of its own: called once, when the request ends. NULL:
    // nothing.
    void (*release)(struct request *r);
    bool version_unsupported; // ApiVersions only, which answers that in version 0

    // Of request.c.
    bool waiting;          // the handler answered API_WAIT and has not been run again
    bool ended;            // the handler is through, but its wait still lies in the loop's mailbox
    bool aborted;          // the connection went away meanwhile
    enum api_step end;     // how, when ended
    struct writer encoded; // the answer
    struct gap *gaps;      // where log files belong in it; in the arena
    size_t gaps_count;
    struct answer answer;
};

static inline struct loop *request_loop(const struct request *r)
{
    return conn_loop(r->x.conn);
}
// Before API_WAIT: a disk thread works for the request, which waits for nothing else. It counts against
// queued.max.requests meanwhile.
static inline void request_await_thread(struct request *r)
{
    r->awaits_thread = true;
    r->deadline_ms = REQUEST_NO_DEADLINE;
}
// Whether the request has to wait: then r->wait is armed, and API_WAIT is to be answered. settle(r, ctx, link) looks at
// what has not been reached and answers how much that is; with link it also has r->wait count down for each of it.
bool request_wait_for(struct request *r, int32_t (*settle)(struct request *r, void *ctx, bool link), void *ctx);
void request_refresh_metadata(struct request *r);
// The name of the listener the request came in on.
const char *request_listener(const struct request *r);

// Who leads a partition and where those who came in on the request's listener reach it (KIP-951).
struct request_leader {
    const struct metadata_broker *broker;
    const struct metadata_endpoint *endpoint;
    int32_t epoch;
};
// False: nobody leads it, or not on this listener.
bool request_leader_find(const struct request *r, const struct metadata_topic *topic, int32_t partition,
                         struct request_leader *out);

// The handler of connections for main: exchanges are requests. A records field of `out` whose `file` is set names a
// struct log_file, of which the handler keeps a reference until `release`. *ctx outlives all connections.
void request_conn_handler(const struct api_context *ctx, struct conn_handler *out);

#endif
