// SPDX-License-Identifier: Apache-2.0
//
// The partitions that one fetcher follows, and the fetch session (KIP-227) it has with their leader: which of them a
// request asks for, what of it the leader knows already. Pure; one thread.
//
// A session goes by topic ids, or by names when some topic has no id (it came from a cluster older than 2.8).
#ifndef OTTLA_REPLICA_FOLLOWED_H
#define OTTLA_REPLICA_FOLLOWED_H

#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1
#include "base/hash.h"

#include "broker/replica/follower.h"
#include "protocol/protocol.h"

struct partition;
struct followed_topic;

// One partition.
struct followed {
    struct followed_topic *topic;
    int32_t index;
    struct partition *partition; // counted by whoever put it here
    struct follower follower;
    // Where to go on, as of the last look at the log.
    int64_t end_offset;
    int64_t start_offset;
    int32_t latest_epoch;
    bool in_sync;    // it had all that its leader calls committed when that answered last
    bool held;       // it sits the next request out, because the follower's throttle says so
    bool asked;      // the request under way is (also) about it
    bool in_session; // the leader knows it as `sent`
    struct fetch_request_fetch_partition sent;
    int16_t said_error; // the last error a line told of
    UT_hash_handle hh;
    TAILQ_ENTRY(followed) entry;
};

struct followed_topic {
    struct uuid id;
    int32_t count;
    struct followed *partitions; // by index
    TAILQ_HEAD(, followed) order;
    UT_hash_handle hh;    // by name
    UT_hash_handle hh_id; // by id, unless that is zero
    TAILQ_ENTRY(followed_topic) entry;
    char name[];
};

// A partition that the session still holds although nobody follows it here any more.
struct followed_gone {
    STAILQ_ENTRY(followed_gone) entry;
    struct uuid topic_id;
    int32_t index;
    char topic[];
};

struct followed_set {
    struct followed_topic *by_name;
    struct followed_topic *by_id;
    TAILQ_HEAD(, followed_topic) topics;
    STAILQ_HEAD(, followed_gone) gone;
    int32_t count;
    int32_t without_id; // topics
    int32_t session_id; // 0 = none
    int32_t session_epoch;
    bool session_by_id;
};

void followed_init(struct followed_set *s);
// Every partition has been removed.
void followed_release(struct followed_set *s);
// The row of that partition, which is a new one unless it is there already; NULL without memory.
struct followed *followed_put(struct followed_set *s, const char *topic, const struct uuid *topic_id, int32_t index);
struct followed *followed_find(struct followed_set *s, const char *topic, int32_t index);
// The same from what an answer says; by name when the session goes by names.
struct followed *followed_find_answered(struct followed_set *s, struct slice topic, const struct uuid *topic_id,
                                        int32_t index);
void followed_remove(struct followed_set *s, struct followed *p);

// Fills in session and topics of a Fetch request for all that are ready and not held: in a session only what is news,
// and what the leader shall forget. *by_id: the version of the request has to know topic ids. The answer is how many
// partitions the leader will look at (0: there is nothing to ask), -1 without memory.
int32_t followed_ask(struct followed_set *s, struct fetch_request *out, bool *by_id, int32_t partition_max_bytes,
                     int64_t now_ms, struct arena *a);
// The request was answered without an error: the session goes on, or a new one begins.
void followed_answered(struct followed_set *s, int32_t session_id);
// It was not, or was refused: the next request begins a new session, and says which one it was (unless the leader does
// not know that one).
void followed_session_lost(struct followed_set *s, bool unknown);
// When the first partition that may be asked for, and is not held, is ready; INT64_MAX: there is none.
int64_t followed_next_ready_ms(const struct followed_set *s);

#endif
