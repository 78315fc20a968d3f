// SPDX-License-Identifier: Apache-2.0
//
// What brokers and clients ask of the controller. A request belongs to who asks; it and all it points to stay where
// they are until it is answered. Codes are Kafka's; KAFKA_ERROR_NOT_CONTROLLER of the whole when this broker is not the
// controller, or no longer.
#ifndef OTTLA_CLUSTER_CONTROLLER_REQUEST_H
#define OTTLA_CLUSTER_CONTROLLER_REQUEST_H

#include <sys/queue.h>

#include "base/arena.h"
#include "base/uuid.h"

enum controller_request_type {
    CONTROLLER_ALTER_PARTITIONS, // AlterPartition (KIP-497): in-sync replicas of partitions that `broker` leads
    CONTROLLER_SHUTDOWN,         // ControlledShutdown: `broker` wants to go
    CONTROLLER_ELECT,            // ElectLeaders (KIP-460): other leaders for `targets`
    CONTROLLER_MOVE,             // AlterPartitionReassignments (KIP-455): other replicas for `moves`; over when begun
    CONTROLLER_LIST_MOVES,       // ListPartitionReassignments: `moves` under way, of `targets`
};

struct controller_named_partition {
    const char *topic;
    int32_t partition;
};

struct controller_target {
    // in
    const char *topic;
    int32_t partition;
    // out
    int16_t error_code;
    const char *error_message; // NULL when none; static or in the request's arena
};

struct controller_move {
    // in
    const char *topic;
    int32_t partition;
    const int32_t *replicas; // the first is the preferred leader; NULL: what is under way is called off
    int32_t replicas_count;
    // out, of CONTROLLER_MOVE
    int16_t error_code;
    const char *error_message;
    // out, of CONTROLLER_LIST_MOVES; in the request's arena
    const int32_t *adding;
    int32_t adding_count;
    const int32_t *removing;
    int32_t removing_count;
};

struct controller_isr_change {
    // in
    const char *topic; // NULL: by id
    struct uuid topic_id;
    int32_t partition;
    int32_t leader_epoch;
    int32_t partition_epoch;
    const int32_t *isr;
    int32_t isr_count;
    int32_t recovery_state;
    // out: what holds now, when error_code is none
    int16_t error_code;
    int32_t leader;
    int32_t new_leader_epoch;
    int32_t new_partition_epoch;
    const int32_t *new_isr; // in the request's arena
    int32_t new_isr_count;
    int32_t new_recovery_state;
};

struct controller_request {
    STAILQ_ENTRY(controller_request) entry;
    enum controller_request_type type;
    struct arena *arena; // for what is answered
    int32_t broker;      // who asks
    int64_t broker_epoch;
    bool ineligible_known; // the asker knows INELIGIBLE_REPLICA (AlterPartition v2 on); else OPERATION_NOT_ATTEMPTED
    struct controller_isr_change *changes;
    int32_t changes_count;
    // SHUTDOWN: what the broker still leads; out, in the arena.
    struct controller_named_partition *remaining;
    int32_t remaining_count;
    // ELECT; LIST_MOVES: those asked for. targets_count -1: all there are; ELECT then fills in those it elects for.
    struct controller_target *targets;
    int32_t targets_count;
    bool unclean; // ELECT: for partitions without a leader, by whoever lives; otherwise the preferred replica
    struct controller_move *moves;
    int32_t moves_count;
    int16_t error_code; // of the whole
};

#endif
