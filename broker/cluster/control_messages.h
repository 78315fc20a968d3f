// SPDX-License-Identifier: Apache-2.0
//
// What the controller has to say, as the requests that say it: effects of one kind and for one broker become one
// LeaderAndIsr, UpdateMetadata or StopReplica request, as Kafka's controller sends them.
#ifndef OTTLA_CLUSTER_CONTROL_MESSAGES_H
#define OTTLA_CLUSTER_CONTROL_MESSAGES_H

#include "broker/cluster/controller.h"
#include "protocol/protocol.h"

// Versions of Kafka 3.9's inter.broker.protocol.version.
#define CONTROL_LEADER_AND_ISR_VERSION  7
#define CONTROL_UPDATE_METADATA_VERSION 8
#define CONTROL_STOP_REPLICA_VERSION    4

#define KEY_LEADER_AND_ISR  4
#define KEY_STOP_REPLICA    5
#define KEY_UPDATE_METADATA 6

#define LEADER_DURING_DELETE       (-2) // of a partition whose topic goes away
#define LEADER_EPOCH_DURING_DELETE (-2) // in StopReplica, likewise

struct control_sender {
    int32_t controller_id;
    const char *listener; // by which brokers reach each other
};

// Where a broker is reached by its listener of this name; NULL when it has none.
const struct znode_endpoint *control_endpoint(const struct znode_broker *b, const char *listener);

// All of the effects are for one broker and of one type; there is at least one. The request lies in the arena and
// points to what the effects point to.
struct leader_and_isr_request *control_leader_and_isr(const struct control_sender *from,
                                                      const struct controller_effect *const *effects, int32_t count,
                                                      struct arena *a);
struct update_metadata_request *control_update_metadata(const struct control_sender *from,
                                                        const struct controller_effect *const *effects, int32_t count,
                                                        struct arena *a);
struct stop_replica_request *control_stop_replica(const struct control_sender *from,
                                                  const struct controller_effect *const *effects, int32_t count,
                                                  struct arena *a);

#endif
