// SPDX-License-Identifier: Apache-2.0
//
// Fetch sessions (KIP-227): the broker remembers which partitions a client fetches and what it last answered, so that
// a request names only what changed and an answer holds only what is new. A session belongs to no connection: any loop
// may use any session. The cache holds at most `slots` sessions (max.incremental.fetch.session.cache.slots) and
// a bounded number of partitions; who finds no room gets full answers without a session.
//
// One leaf lock guards the cache and all sessions in it. A session in use is counted, so it may be closed or pushed
// out of the cache while a request of it waits for bytes.
#ifndef OTTLA_API_FETCH_SESSION_H
#define OTTLA_API_FETCH_SESSION_H

#include "base/arena.h"
#include "base/os.h"
#include "protocol/protocol.h"

#define FETCH_SESSION_EPOCH_NONE     (-1)    // of a request that wants no session
#define FETCH_SESSION_EPOCH_NEW      0       // of a request that wants a new one
#define FETCH_SESSION_EVICTION_MS    120000  // what was not used for so long makes room for anybody
#define FETCH_SESSION_PARTITIONS_MAX 1000000 // of all sessions; about 200 bytes each
#define FETCH_SESSION_ONE_MAX        100000  // of one session

struct fetch_sessions;
struct fetch_session;
struct fetch_session_partition;

// One partition that a request reads, from its own topics or from its session.
struct fetch_want {
    struct slice topic; // the name; empty where topics go by id
    struct uuid topic_id;
    int64_t topic_number; // the same for all partitions of a topic
    const struct fetch_request_fetch_partition *in;
    struct fetch_session_partition *cached; // of the session's; NULL without one
};

// os outlives the cache; slots 0: there are no sessions.
enum err fetch_sessions_new(const struct os *os, int32_t slots, struct fetch_sessions **out) WARN_UNUSED;
// All sessions have been given back.
void fetch_sessions_free(struct fetch_sessions *c);
int32_t fetch_sessions_count(struct fetch_sessions *c);

// Closes the session of that id; nothing when there is none.
void fetch_sessions_close(struct fetch_sessions *c, int32_t id);

// Makes a session of what a full request was answered with. privileged: a follower's, which may push out those of
// consumers. *id is 0 when there is no room (also without memory), which the client takes as "no session".
void fetch_sessions_create(struct fetch_sessions *c, bool privileged, bool by_id, const struct fetch_want *wants,
                           const struct fetch_response_partition_data *outs, int32_t count, int64_t now_ms,
                           int32_t *id);

// What an incremental request reads.
struct fetch_session_use {
    struct fetch_session *session; // counted for the caller; NULL: the session has become empty and was closed
    struct fetch_want *wants;      // of the session in its order, copied to the arena
    int32_t count;
};

// The first half of an incremental request: checks id and epoch, adds, changes and removes what the request says, and
// moves the epoch on. Answers Kafka's error code: NONE, FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH (the
// session stays as it was), FETCH_SESSION_TOPIC_ID_ERROR (it was made by names and the request has ids, or the
// reverse). Without memory or room the session is closed and not found.
int16_t fetch_session_begin(struct fetch_sessions *c, const struct fetch_request *in, bool by_id, int64_t now_ms,
                            struct arena *a, struct fetch_session_use *out);

// The second half: tells which of the answers (in the order of the wants) have to be sent, notes what the client knows
// then, and moves partitions that gave records to the end, so that all get their turn. INVALID_FETCH_SESSION_EPOCH:
// the session has gone on meanwhile, nothing is to be sent.
int16_t fetch_session_end(struct fetch_sessions *c, struct fetch_session_use *use, const struct fetch_request *in,
                          const struct fetch_response_partition_data *outs, bool *changed);
int32_t fetch_session_id(const struct fetch_session *s);
// NULL is allowed.
void fetch_session_unref(struct fetch_sessions *c, struct fetch_session *s);

#endif
