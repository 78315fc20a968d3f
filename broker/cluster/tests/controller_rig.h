// SPDX-License-Identifier: Apache-2.0
//
// A controller on an embedded tree without a broker around it: brokers are entries in a table that do what they are
// told. Every write to the tree is noted in words, and after a given number of writes the process "dies": nothing
// more happens, as after a kill, until the rig is restarted on the same tree.
#ifndef OTTLA_CLUSTER_TESTS_CONTROLLER_RIG_H
#define OTTLA_CLUSTER_TESTS_CONTROLLER_RIG_H

#include "base/tests/testing.h"
#include "broker/cluster/controller.h"

#define RIG_MAX_REPLICAS 64
#define RIG_MAX_BROKERS  3
#define RIG_TRACE_BYTES  (64 * 1024)

// A replica a broker hosts.
struct rig_replica {
    int32_t broker;
    char topic[32];
    int32_t partition;
    int32_t leader;
    int32_t leader_epoch;
    bool stopped;
};

struct rig {
    char *dir;
    struct test_os os;
    struct zk *zk;
    bool zk_ready;
    struct controller *controller;
    int32_t broker_id;
    uint8_t ids;           // given to topics
    int64_t session_id;    // as the controller is told; 0 = not known
    int32_t brokers_count; // registered with ids 1..n, but for those that are away
    bool away[RIG_MAX_BROKERS + 1];
    bool unclean;                           // elections may be
    int32_t imbalance_percent;              // from the next start on
    int32_t joined, left;                   // the last broker the channels heard of
    bool knows_topics[RIG_MAX_BROKERS + 1]; // has been told of some, in this life or this controller's
    int64_t writes_left;                    // then the process dies; -1 = never
    bool dead;
    bool ready;
    bool failed;
    int32_t stood_by; // for whom; -1 = not
    int pending;
    struct controller_request *answered; // the last one
    // Survive a restart, as logs on disks do.
    struct rig_replica replicas[RIG_MAX_REPLICAS];
    int replicas_count;
    bool refuse_leader; // brokers answer LeaderAndIsr with an error
    bool refuse_erase;
    char deleted[32]; // the last topic that was reported deleted
    char held[32];
    char told[32];           // the last topic all brokers were told about
    bool told_deleted;       // ... that it goes away
    int32_t told_leader;     // ... of its partition 0
    int32_t told_partitions; // ... how many it has
    char trace[RIG_TRACE_BYTES];
    size_t trace_len;
};

void rig_open(struct rig *r, int32_t brokers_count);
void rig_close(struct rig *r);
// Ends the process (if it has not died) and starts it again: ephemerals are gone, brokers register, the controller
// starts. Runs until nothing is left to do.
void rig_restart(struct rig *r);
void rig_run(struct rig *r);
// The controller alone goes, with its claim, and comes.
void rig_stop_controller(struct rig *r);
void rig_start_controller(struct rig *r);
void rig_rebalance(struct rig *r);
// Its session expires; a new one begins.
void rig_expire(struct rig *r);
void rig_step_start(struct rig *r);

// A broker dies, or comes (again); not counted as a write.
void rig_broker_stop(struct rig *r, int32_t id);
void rig_broker_start(struct rig *r, int32_t id);
// Without letting the controller see what is between.
void rig_broker_bounce(struct rig *r, int32_t id);
int64_t rig_broker_epoch(struct rig *r, int32_t id);
// Asks the controller and waits for the answer.
void rig_ask(struct rig *r, struct controller_request *q);

// One write of somebody else, noted and counted like the controller's. False: the process has died before it.
bool rig_create(struct rig *r, const char *path, const char *data);
void rig_delete(struct rig *r, const char *path);
void rig_set(struct rig *r, const char *path, const char *data);
int32_t rig_version(struct rig *r, const char *path);
// What a broker does for CreateTopics: the config, then the topic with brokers 1..rf for every partition.
void rig_create_topic(struct rig *r, const char *name, int32_t partitions, int32_t rf);
// The same with one partition and these replicas.
void rig_create_assigned(struct rig *r, const char *name, const char *replicas);
// What a broker does for CreatePartitions: the topic's node with this many partitions.
void rig_grow_topic(struct rig *r, const char *name, int32_t partitions, int32_t rf);
void rig_mark(struct rig *r, const char *name);

// Reading the tree.
bool rig_exists(struct rig *r, const char *path);
struct znode_partition_state rig_state(struct rig *r, const char *topic, int32_t partition, struct arena *a);
struct znode_topic rig_topic(struct rig *r, const char *topic, struct arena *a);
int rig_children(struct rig *r, const char *path, char names[][32], int max);

const struct rig_replica *rig_replica_find(const struct rig *r, int32_t broker, const char *topic, int32_t partition);
// Everything holds that must hold when nothing is left to do.
void rig_check(struct rig *r);

#endif
