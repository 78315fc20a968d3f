// SPDX-License-Identifier: Apache-2.0
//
// The controller: the one broker that decides who leads what, as Kafka's controller in ZooKeeper mode does. It is a
// pure state machine: controller_step takes what happened and answers what is to be done; it has no clock, no I/O, no
// lock and no log line. Who runs it (cluster.c, or a test) carries out the effects and feeds the outcome back as
// events.
//
//   STANDBY  another broker is the controller; a watch on /controller tells when it is gone
//   ELECTING reads /controller and /controller_epoch, claims both in one multi
//   LOADING  reads brokers, topics, assignments and partition states, and has every broker told
//   ACTIVE   works on one task at a time: brokers that come and go, new topics, topics that grow, deletions, failed log
//            directories, partitions without a leader, requests of brokers
//   FAILED   an operation had an outcome that cannot be: nothing more is decided until the broker starts again
//
// What always holds:
//  - Every write carries a check of the version of /controller_epoch: a controller that has been replaced cannot write.
//  - The tree is the truth. Between any two writes the process may end: what was begun is recognised by the next load
//    and brought to its end (a topic without partition states is given them, a marked topic is deleted).
//  - A task sends its operations in batches; a batch is over when the outcome of each is known, then the next begins.
//  - No task waits for a broker: what a broker answers is an event of its own, and may never come.
#ifndef OTTLA_CLUSTER_CONTROLLER_H
#define OTTLA_CLUSTER_CONTROLLER_H

#include <sys/queue.h>

#include "base/arena.h"
#include "base/uuid.h"
#include "broker/cluster/controller_request.h"
#include "zk/zk.h"

struct controller;

struct controller_options {
    int32_t broker_id;
    bool delete_topics; // delete.topic.enable; without it a mark for deletion is only removed
    // unclean.leader.election.enable of a topic, as it is at the moment. NULL: of none.
    bool (*unclean_allowed)(void *ctx, const char *topic);
    // A new topic id, for topics that have none. NULL: they stay without.
    void (*new_id)(void *ctx, struct uuid *out);
    void *ctx;
    int32_t imbalance_percent; // leader.imbalance.per.broker.percentage
};

struct controller *controller_new(const struct controller_options *o);
void controller_free(struct controller *c);
// czxid of a broker's registration as the controller knows it, -1 when it knows none.
int64_t controller_broker_epoch(const struct controller *c, int32_t broker);

// A registered broker as the controller knows it.
struct controller_broker {
    int32_t id;
    int64_t epoch;   // czxid of the registration
    int32_t version; // of its data
    bool behind;     // it has to be told everything
    bool stopping;   // it has asked to go: it leads nothing new and may not become in sync
    struct znode_broker info;
    struct arena arena; // of info
};

enum replica_state {
    REPLICA_FINE,
    REPLICA_FAILS,  // its broker has just said that it could not take it (failed log directory)
    REPLICA_FAILED, // and it has been taken out of the in-sync replicas since
};

// Of a topic that is being deleted.
enum replica_erasure {
    REPLICA_KEPT,    // its broker is to be asked, once it lives
    REPLICA_ASKED,   // to be deleted
    REPLICA_REFUSED, // its broker could not delete it; asked again when it comes back
    REPLICA_ERASED,
};

struct controller_partition {
    int32_t index;
    const int32_t *replicas; // in the order of preference; empty for a number the assignment leaves out
    int32_t replicas_count;
    const int32_t *adding; // by a reassignment in progress
    int32_t adding_count;
    const int32_t *removing;
    int32_t removing_count;
    // What the state znode says; before it exists leader and epochs are -1 and the ISR is empty.
    bool has_state;
    int32_t leader; // -1 = none
    int32_t leader_epoch;
    int32_t *isr; // room for every replica
    int32_t isr_count;
    int32_t controller_epoch;
    int32_t recovery_state; // as in struct znode_partition_state
    int32_t version;        // of the znode: the partition epoch
    bool move_wanted;       // private: its reassignment may go on
    // Private to the controller; by place in replicas.
    enum replica_state *replica_states;
    enum replica_erasure *erasures;
};

struct controller_topic; // private

// ---------------------------------------------------------------------------------------------------------------
// Effects

enum controller_effect_type {
    CONTROLLER_ZK,              // carry out `op` and answer with CONTROLLER_RESULT and the token
    CONTROLLER_LEADER_AND_ISR,  // tell `broker` about `partitions` of `topic`; answer with CONTROLLER_ANSWER
    CONTROLLER_STOP_REPLICA,    // tell `broker` to stop, and with `erase` to delete, them; answer likewise
    CONTROLLER_UPDATE_METADATA, // tell `broker` which brokers live and how `topic` (NULL: none) stands now
    CONTROLLER_BROKER_JOINED,   // `broker` is to be told from now on; `brokers` has it
    CONTROLLER_BROKER_LEFT,     // it is gone: what it has not been told yet it need not be
    CONTROLLER_RESIGNED,        // nobody is told anything any more
    CONTROLLER_STOOD_BY,        // `broker` is the controller
    CONTROLLER_ANSWERED,        // `request` has got its answer
    CONTROLLER_READY,           // elected; all that was found has been worked off. Once per election
    CONTROLLER_TOPIC_DELETED,   // `topic` is gone for good
    CONTROLLER_DELETION_HELD,   // `topic` is out of use, but a replica could not be deleted; its znodes stay
    CONTROLLER_HAS_FAILED,      // with `err`; `what` says doing what
};

enum controller_op_type {
    CONTROLLER_OP_GET,
    CONTROLLER_OP_EXISTS,
    CONTROLLER_OP_CHILDREN,
    CONTROLLER_OP_CREATE,
    CONTROLLER_OP_MULTI,
};

struct controller_op {
    enum controller_op_type type;
    const char *path;
    bool watch;
    struct slice data;
    struct zk_op ops[2]; // MULTI
    int ops_count;
};

// Everything it points to is valid until the next step.
struct controller_effect {
    STAILQ_ENTRY(controller_effect) entry;
    enum controller_effect_type type;
    uint64_t token;
    struct controller_op op;
    int32_t broker; // whom to tell
    const char *topic;
    struct uuid topic_id;
    const struct controller_partition *const *partitions; // UPDATE_METADATA: all of the topic, by index
    int32_t partitions_count;
    bool is_new;
    bool erase;
    bool deleted; // UPDATE_METADATA: the topic goes away (leader -2 on the wire)
    const struct controller_broker *const *brokers;
    int32_t brokers_count;
    int32_t controller_epoch;
    struct controller_request *request;
    enum err err;
    const char *what;
};

struct controller_effects {
    STAILQ_HEAD(controller_effect_list, controller_effect) list; // in the order they are to be carried out
    struct arena arena;
};

void controller_effects_init(struct controller_effects *e);
void controller_effects_release(struct controller_effects *e);
// Empties it, before the next step.
void controller_effects_reset(struct controller_effects *e);

// ---------------------------------------------------------------------------------------------------------------
// Events

enum controller_event_type {
    CONTROLLER_START,           // the session is up and the broker is registered
    CONTROLLER_RESULT,          // of the operation with this token
    CONTROLLER_WATCH,           // fired for this path
    CONTROLLER_ANSWER,          // of a broker: one error per partition it was told about
    CONTROLLER_ASKED,           // `request`
    CONTROLLER_CONFIGS_CHANGED, // what decides an election may be another now
    CONTROLLER_REBALANCE,       // it is time to look whether leaders are where they should be
    CONTROLLER_BEHIND,          // `broker` has missed what it was told: it has to be told everything
    CONTROLLER_EXPIRED, // the session is gone, and with it every operation under way; START comes when there is one
                        // again
};

struct controller_event {
    enum controller_event_type type;
    int64_t session_id;             // START; 0 = not known
    uint64_t token;                 // RESULT
    const struct zk_result *result; // RESULT
    const char *path;               // WATCH
    // ANSWER
    int32_t broker;
    const char *topic;    // NULL: by topic_id
    struct uuid topic_id; // zero: by name
    bool stopped;         // it answers STOP_REPLICA with erase; otherwise LEADER_AND_ISR
    const int32_t *partitions;
    const int16_t *codes; // Kafka's
    int32_t partitions_count;
    struct controller_request *request; // ASKED
};

// now_ms is wall time. Effects are added to *out, which the caller has emptied.
void controller_step(struct controller *c, const struct controller_event *event, int64_t now_ms,
                     struct controller_effects *out);

#endif
