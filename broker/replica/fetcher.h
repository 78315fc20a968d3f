// SPDX-License-Identifier: Apache-2.0
//
// Copies partitions from one leader: one connection, one request under way at a time, for all partitions that a thread
// of this broker follows there. It lives on one loop, whose thread may block on the disk: appends, cuts and, where
// flush.messages says so, fsyncs are done there, in the order of the answers. All functions are called on that loop.
//
// What it does with an answer is follower.h's to decide; what it asks for, followed.h's.
#ifndef OTTLA_REPLICA_FETCHER_H
#define OTTLA_REPLICA_FETCHER_H

#include "base/pool.h"
#include "broker/net/loop.h"
#include "broker/replica/partition_private.h"

// Of server.properties.
struct fetch_settings {
    int threads;                // num.replica.fetchers
    int32_t wait_max_ms;        // replica.fetch.wait.max.ms
    int32_t min_bytes;          // replica.fetch.min.bytes
    int32_t max_bytes;          // replica.fetch.max.bytes: of one partition
    int32_t response_max_bytes; // replica.fetch.response.max.bytes
    int32_t backoff_ms;         // replica.fetch.backoff.ms
    int32_t socket_timeout_ms;  // replica.socket.timeout.ms
    int receive_buffer_bytes;   // replica.socket.receive.buffer.bytes
};

// An answer may exceed what was asked for by a batch, and a leader may have stored one as large as its
// message.max.bytes was at the time: as in Kafka, only the size field bounds it. What is allocated grows with what has
// come (input.h).
#define FETCHER_MAX_ANSWER_BYTES INT32_MAX

struct fetcher_options {
    const struct os *os;
    struct pool *pool; // looks up names
    struct loop *loop;
    struct byte_rate *throttle;            // the follower's, of the whole broker; outlives the fetcher
    const struct fetch_settings *settings; // outlives the fetcher
    int32_t broker_id;                     // this broker's
    int32_t leader_id;
    int index; // among the fetchers of this leader: of its thread
};

struct fetcher;

// Idle until it has an address and something to follow.
enum err fetcher_new(const struct fetcher_options *o, struct fetcher **out) WARN_UNUSED;
// Gives back all partitions. NULL is fine.
void fetcher_free(struct fetcher *f);
// Where the leader is from now on.
void fetcher_address(struct fetcher *f, const char *host, int32_t port);
// Who this broker is, which the leader is told from now on. One that does not say so reads as a consumer does.
void fetcher_identify(struct fetcher *f, int32_t broker_id, int64_t broker_epoch);
// The partition follows this leader in that epoch, from where its log ends. Takes over the reference, unless there is
// ERR_NO_MEMORY.
enum err fetcher_follow(struct fetcher *f, struct partition *p, int32_t leader_epoch) WARN_UNUSED;
// Nothing when it does not follow it.
void fetcher_forget(struct fetcher *f, const char *topic, int32_t index);
int32_t fetcher_count(const struct fetcher *f); // of partitions

#endif
