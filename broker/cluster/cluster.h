// SPDX-License-Identifier: Apache-2.0
//
// The cluster as this broker knows it: the control thread with the znode tree, broker registration, the controller,
// and the current metadata picture. A single broker is a cluster of one: the same controller runs on the embedded
// tree. Who decides is the controller's pure step (controller.h); this file's implementation carries out its effects.
//
// Handlers on any loop read metadata and submit jobs; everything else happens on the control thread.
#ifndef OTTLA_CLUSTER_CLUSTER_H
#define OTTLA_CLUSTER_CLUSTER_H

#include "broker/cluster/config_alter.h"
#include "broker/cluster/controller_request.h"
#include "broker/cluster/metadata.h"
#include "broker/cluster/topic_config.h"
#include "broker/net/wait.h"

struct cluster;
struct zk;

#define CLUSTER_MAX_JOBS     1000 // waiting at once; one more answers ERR_FULL
#define TOPIC_NAME_MAX       249
#define TOPIC_MAX_PARTITIONS 100000 // per create call

// What the controller tells this broker, as LeaderAndIsr and StopReplica would. Called on the control thread; may
// block on the disk.
struct cluster_partition_state {
    const char *topic;
    struct uuid topic_id;
    int32_t partition;
    int32_t leader;
    int32_t leader_epoch;
    int32_t partition_epoch;  // version of the state znode
    int32_t controller_epoch; // of the controller that wrote the state
    const int32_t *isr;
    int32_t isr_count;
    const int32_t *replicas; // with those that are being added and removed
    int32_t replicas_count;
    const int32_t *adding; // by a reassignment
    int32_t adding_count;
    const int32_t *removing;
    int32_t removing_count;
    bool recovering; // the leader was elected uncleanly and has not said yet that it has recovered (KIP-704)
    bool is_new;
    const struct topic_config *config; // effective configs of the topic
};

// What a leader wants the in-sync replicas of a partition to be.
struct cluster_isr_change {
    const char *topic;
    struct uuid topic_id;
    int32_t partition;
    int32_t leader_epoch;
    int32_t partition_epoch;
    const int32_t *isr;
    int32_t isr_count;
    bool recovering; // the leader has not recovered yet from an unclean election
};

// How that ended. ERR_OK: the rest says what holds now. ERR_FENCED_EPOCH: the leader epoch is an old one.
// ERR_BAD_VERSION: the partition epoch is. ERR_NOT_FOUND: no such partition. ERR_INELIGIBLE: a replica may not join now
// (its broker is not alive, or stops). ERR_INVALID: a recovering leader may not have others in sync. ERR_CLOSED: this
// broker is leaving. Everything else is tried again and not answered.
struct cluster_isr_answer {
    const char *topic;
    int32_t partition;
    enum err err;
    int32_t leader_epoch; // after an error, that of the change
    // After ERR_OK.
    int32_t leader;
    int32_t partition_epoch;
    const int32_t *isr;
    int32_t isr_count;
    bool recovering;
};

struct cluster_hooks {
    // This broker hosts the partition from now on, as leader or follower. ERR_FENCED_EPOCH: this leader epoch is known
    // already, or a newer one. ERR_NOT_FOUND: this broker is not among the replicas. ERR_INVALID: the log here is of
    // another topic id. Everything else: the replica is offline (failed log directory). Where a leader is reached:
    // metadata_broker_endpoint with cluster_inter_broker_listener.
    enum err (*partition_changed)(void *ctx, const struct cluster_partition_state *s);
    // This broker's replica goes away; with erase its data too. leader_epoch: of which leader that is said, below zero:
    // of any. ERR_FENCED_EPOCH: a newer one is known, and nothing was done.
    enum err (*partition_removed)(void *ctx, const char *topic, int32_t partition, int32_t leader_epoch, bool erase);
    // The topic is going; it is in no picture from now on. May be NULL.
    void (*topic_deleted)(void *ctx, const char *topic, int32_t partitions_count);
    // These are the topic's effective configs from now on. May be NULL.
    void (*config_changed)(void *ctx, const char *topic, int32_t partition, const struct topic_config *config);
    // There is another picture of the cluster. May be NULL.
    void (*picture_changed)(void *ctx, const struct metadata *picture);
    // The outcome of one cluster_alter_isr; everything in it is valid during the call. May be NULL.
    void (*isr_answered)(void *ctx, const struct cluster_isr_answer *a);
    void *ctx;
};

struct cluster_options {
    const struct os *os;
    const char *zk_dir;            // directory of the embedded tree
    const char *zookeeper_connect; // zookeeper.connect: the tree is there; NULL = it is the embedded one
    int32_t zookeeper_session_timeout_ms;
    int32_t zookeeper_connection_timeout_ms; // no ZooKeeper by then: cluster_open answers ERR_TIMED_OUT
    int32_t zookeeper_max_in_flight;         // zookeeper.max.in.flight.requests
    int32_t broker_id;              // -1: taken from meta.properties by the caller, or generated (see cluster_open)
    int32_t reserved_broker_max_id; // reserved.broker.max.id: generated ids begin above it
    const char *cluster_id;         // expected (from meta.properties), "" = none yet
    const char *rack;               // NULL = none
    const struct metadata_endpoint *endpoints; // advertised
    int32_t endpoints_count;
    const char *inter_broker_listener; // by which brokers talk to each other; one of the endpoints
    struct pool *pool;                 // looks up names of other brokers' hosts; NULL: all are in digits
    int32_t leader_imbalance_percent;  // leader.imbalance.per.broker.percentage
    int64_t leader_imbalance_check_ms; // 0 = leaders are left where they are (auto.leader.rebalance.enable=false)
    int32_t controller_timeout_ms;     // controller.socket.timeout.ms: for one answer of another broker
    int32_t num_partitions;
    int32_t default_replication_factor;
    bool delete_topics;
    const struct topic_config *topic_defaults; // of server.properties
    const struct broker_keys *keys;            // likewise; NULL = none are known
    struct cluster_hooks hooks;
    // These are the configs of this broker from now on; at the start, too. On the control thread. May be NULL.
    void (*broker_configs)(void *ctx, const struct config_view *v);
    void *broker_configs_ctx;
};

// Opens the tree, makes Kafka's top-level paths, the cluster id (of a new tree the expected one, or a generated one;
// ERR_INVALID with a clear line when a tree has another), registers the broker, elects the controller, loads topics,
// calls the hooks for every partition, publishes metadata. Starts the control thread; returns when all that is done.
// broker_id -1 becomes reserved_broker_max_id + n (1001 and up by default) from /brokers/seqid, as in Kafka.
// A registration with this id that is there already is waited for, as it may be that of this broker's last life: until
// it goes, or for a little longer than a session lasts. ERR_LOCKED when another broker lives with this id.
enum err cluster_open(const struct cluster_options *o, struct cluster **out) WARN_UNUSED;
// Before cluster_close, while everything is still served: asks the controller, wherever it is, to have others lead what
// this broker leads (controlled.shutdown.max.retries times, retry.backoff.ms apart), and returns when that is done or
// given up: at the latest when as many answers could have been waited for (controller_timeout_ms) or max_ms have
// passed, whatever the control thread is busy with. Once. Not on a loop.
void cluster_ask_leave(struct cluster *c, int32_t max_tries, int64_t backoff_ms, int64_t max_ms);
// Leaves the cluster (ephemerals go), stops the control thread. Jobs still waiting end with ERR_CLOSED. ERR_TIMED_OUT:
// the control thread has not done so within patience_ms (INT64_MAX: however long it takes), and nothing is freed; it
// may be called again.
enum err cluster_close(struct cluster *c, int64_t patience_ms) WARN_UNUSED;

// Whether the embedded tree of an earlier start lies in this directory.
bool cluster_tree_exists(const struct os *os, const char *dir);
const char *cluster_id(const struct cluster *c);
int32_t cluster_broker_id(const struct cluster *c);
// czxid of this broker's registration: what it is called by to tell it from earlier and later lives. [any]
int64_t cluster_broker_epoch(struct cluster *c);
const char *cluster_inter_broker_listener(const struct cluster *c);
struct loop *cluster_loop(struct cluster *c); // the control thread's
// [control] A log directory of this broker has failed: the controller is to ask which partitions that concerns.
void cluster_log_dir_failed(struct cluster *c);
// The current picture, referenced for the caller. [any]
const struct metadata *cluster_metadata(struct cluster *c);

// Has the controller change the in-sync replicas of a partition this broker leads, by AlterPartition (or a direct call
// when this broker is the controller), as often as it takes. Copied; the outcome comes by isr_answered on the control
// thread, unless ERR_NO_MEMORY or ERR_CLOSED is answered here. At most one change of a partition may be under way.
// [any]
enum err cluster_alter_isr(struct cluster *c, const struct cluster_isr_change *change) WARN_UNUSED;

// ---------------------------------------------------------------------------------------------------------------
// Jobs: topic creation, growth and deletion, configs, producer ids, offsets in the tree. A job is counted: the
// submitting request holds one reference and the control thread another, so a connection may die while its job runs.
// The wait is counted down by one when the job is done, provided the job is still linked; a requester that goes away
// calls cluster_job_detach.

enum cluster_job_type {
    CLUSTER_CREATE_TOPICS,
    CLUSTER_DELETE_TOPICS,
    CLUSTER_PRODUCER_IDS, // for this broker, or for the one that `request` names
    CLUSTER_CONSUMER_OFFSETS_READ,
    CLUSTER_CONSUMER_OFFSETS_WRITE,
    CLUSTER_CREATE_PARTITIONS,
    CLUSTER_DESCRIBE_CONFIGS,
    CLUSTER_ALTER_CONFIGS, // over when the changes are in effect on this broker
    CLUSTER_CONTROL,       // what a controller says to this broker
    CLUSTER_ASK,           // `request` of the controller, if this broker is it
};

// LeaderAndIsr, StopReplica or UpdateMetadata.
struct cluster_control {
    int16_t key;
    int16_t version;
    struct slice body; // of the request; in the job's arena
    bool erase;        // private: it has replicas deleted
    void *request;     // private: decoded
    // private: the topics it names, and names more than once when partitions are not grouped
    const char **topics;
    int32_t topics_count;
    void *response; // out: the response struct, when the job's err is ERR_OK
};

struct topic_assignment {
    int32_t partition;
    int32_t *brokers;
    int32_t brokers_count;
};

struct topic_create {
    // in
    const char *name;
    size_t name_len;            // may hold any bytes: validated by the job
    int32_t num_partitions;     // -1 = default, or given by assignments
    int16_t replication_factor; // -1 = default
    struct topic_assignment *assignments;
    int32_t assignments_count;
    struct topic_config_entry *configs; // as sent
    int32_t configs_count;
    bool duplicate; // named more than once in the request: INVALID_REQUEST
    // out
    int16_t error_code;        // Kafka's
    const char *error_message; // NULL when none; in the job's arena
    struct uuid topic_id;
    int32_t out_partitions;
    int16_t out_replication_factor;
    struct config_list configs_shown; // in effect; in the job's arena
};

#define TOPIC_GROW_SHOWN_BROKERS 20 // of an assignment in a message

struct topic_grow {
    // in
    const char *name;
    size_t name_len;
    int32_t count;                        // partitions it shall have
    struct topic_assignment *assignments; // of the new partitions, in order; the number is not looked at
    int32_t assignments_count;            // -1 = they are chosen
    bool duplicate;                       // named more than once in the request
    // out
    int16_t error_code;
    const char *error_message;
};

struct topic_delete {
    // in: by name, or by id when name is NULL
    const char *name;
    size_t name_len;
    struct uuid id;
    // out
    const char *out_name; // NULL when an id is unknown
    struct uuid out_id;
    int16_t error_code;
    const char *error_message;
};

// An offset of a consumer that keeps it in the tree (OffsetCommit and OffsetFetch v0).
struct consumer_offset {
    const char *group; // a name with '/', or too long for a path: ERR_INVALID
    const char *topic;
    int32_t partition;
    int64_t offset; // to be written, or as read; -1 when there is none
    // out
    enum err err; // ERR_NOT_FOUND: nothing is kept for it
};

TAILQ_HEAD(cluster_job_list, cluster_job);

struct cluster_job {
    enum cluster_job_type type;
    struct arena arena; // everything below lies in it
    bool validate_only;
    bool auto_create; // by a Metadata request: internal topics allowed, an existing topic is no error
    struct topic_create *creates;
    int32_t creates_count;
    struct topic_grow *grows;
    int32_t grows_count;
    struct topic_delete *deletes;
    int32_t deletes_count;
    // CLUSTER_DESCRIBE_CONFIGS and CLUSTER_ALTER_CONFIGS
    struct config_resource *resources;
    int32_t resources_count;
    bool incremental;
    // CLUSTER_PRODUCER_IDS: one block of /latest_producer_id_block
    int64_t producer_id_first;
    int32_t producer_id_count;
    // CLUSTER_CONSUMER_OFFSETS_*
    struct consumer_offset *consumer_offsets;
    int32_t consumer_offsets_count;
    struct cluster_control control;
    struct controller_request request; // of ASK; its `arena` is the job's
    enum err err;                      // of the whole job: OK, CLOSED, IO, ...
    // private
    struct mailbox_item item;
    TAILQ_ENTRY(cluster_job) entry;
    struct cluster_job_list *list; // that it is in; NULL = none
    void (*on_done)(struct cluster *c, struct cluster_job *j);
    struct cluster *cluster;
    struct job_work *work; // of the control thread, in the arena
    struct mutex mu;       // leaf: done, written_ms, link
    bool done;
    int64_t written_ms; // of the loops' clock: when all it writes was written; JOB_NOT_WRITTEN
    struct wait_list waiters;
    atomic_int refs;
};

#define JOB_OF_THIS_BROKER (-1) // request.broker, as a new job has it
enum err cluster_job_new(enum cluster_job_type type, struct cluster_job **out) WARN_UNUSED;
void cluster_job_ref(struct cluster_job *j);
void cluster_job_unref(struct cluster_job *j);
// [any] Its results may be read.
bool cluster_job_done(struct cluster_job *j);
// [any] When it began to wait for what follows from its writes, on the loops' monotonic clock.
#define JOB_NOT_WRITTEN INT64_MAX
int64_t cluster_job_written_ms(struct cluster_job *j);
// [any] Takes a reference for the control thread. ERR_FULL past CLUSTER_MAX_JOBS, ERR_CLOSED when stopping.
enum err cluster_job_submit(struct cluster *c, struct cluster_job *j) WARN_UNUSED;
// [loop of the wait] True: it is done. False: link is linked and will count w down by one.
bool cluster_job_wait(struct cluster_job *j, struct wait_link *link, struct wait *w);
void cluster_job_detach(struct cluster_job *j, struct wait_link *link);

// A topic is done when its partitions have a leader here and the published metadata shows it: a job ends after that.

// Kafka's rules for topic names: 1..249 of [a-zA-Z0-9._-], not "." or "..". *why is a static sentence part.
bool topic_name_valid(const char *name, size_t len, const char **why);
// Topics the brokers themselves keep; flagged as internal even while they do not exist.
#define TOPIC_CONSUMER_OFFSETS  "__consumer_offsets"
#define TOPIC_TRANSACTION_STATE "__transaction_state"
static inline bool topic_name_internal(struct slice name)
{
    return slice_equal(name, slice_str(TOPIC_CONSUMER_OFFSETS)) ||
           slice_equal(name, slice_str(TOPIC_TRANSACTION_STATE));
}

#endif
