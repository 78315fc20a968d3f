// SPDX-License-Identifier: Apache-2.0
//
// All rooms of a broker put together as main does, in a directory of its own, and a client's side: requests are given
// as structs and travel over loopback, so a test sees what a client would see.
#ifndef OTTLA_API_TESTS_API_RIG_H
#define OTTLA_API_TESTS_API_RIG_H

#include "base/tests/testing.h"
#include "broker/api/apis.h"
#include "broker/api/fetch_session.h"
#include "broker/txn/producer_ids.h"

#define RIG_FETCH_SESSIONS 4 // slots of the cache

struct api_rig {
    char *dir;
    struct pool *pool;
    struct log_dirs *log_dirs;
    int32_t dirs_count;
    struct replica_manager *replicas;
    struct coordinator *groups;
    struct loop *loop;
    struct conn_limits *limits;
    struct intake *intake;
    struct listener *listener;
    struct topic_config defaults;
    struct cluster *cluster;
    struct producer_ids *producer_ids;
    struct fetch_sessions *fetch_sessions;
    struct log_limit refusals;
    struct api_options options;
    struct api_context ctx;
    struct arena arena; // what tests build and receive
    int32_t correlation_id;
};

void api_rig_open(struct api_rig *rig);
// The same, where handlers see this operating system.
void api_rig_open_on(struct api_rig *rig, const struct os *os);
// With several log directories, log-0 and on below `dir`.
void api_rig_open_dirs(struct api_rig *rig, int32_t count);
void api_rig_close(struct api_rig *rig);

int rig_connect(const struct api_rig *rig);
void rig_write(int fd, const void *data, size_t len);
// A whole request with its header; the client is "rig". Answers the correlation id.
int32_t rig_send(struct api_rig *rig, int fd, int16_t key, int16_t version, const void *body);
// The next answer, which must be to this request; in the rig's arena.
void *rig_receive(struct api_rig *rig, int fd, int16_t key, int16_t version, int32_t correlation_id);
// Both.
void *rig_call(struct api_rig *rig, int fd, int16_t key, int16_t version, const void *body);
// The connection ends here, with nothing before.
void rig_expect_end(int fd);

// A request for a handler alone, as a broker sees it that joined a cluster and was told nothing yet: no brokers, no
// topics. The answer is there until the end.
void rig_untold_begin(struct api_rig *rig, struct request *r, int16_t version, const void *in, void *out);
void rig_untold_end(struct request *r);

// Requests that many tests need.
void rig_create_topic(struct api_rig *rig, int fd, const char *name, int32_t partitions);
// The same with one config; key NULL: none.
void rig_create_topic_with(struct api_rig *rig, int fd, const char *name, int32_t partitions, const char *key,
                           const char *value);
// One batch of one record with this value; the topic's partition 0.
struct produce_request *rig_produce_request(struct api_rig *rig, const char *topic, const char *value, int16_t acks);
struct fetch_request *rig_fetch_request(struct api_rig *rig, const char *topic, int64_t offset, int32_t max_wait_ms);

#endif
