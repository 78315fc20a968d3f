// SPDX-License-Identifier: Apache-2.0
//
// Inside of the controller, shared by its files only: what it knows, the batch of operations in flight, and the tasks.
#ifndef OTTLA_CLUSTER_CONTROLLER_STATE_H
#define OTTLA_CLUSTER_CONTROLLER_STATE_H

#include "base/hash.h"
#include "broker/cluster/controller.h"

enum controller_state {
    CONTROLLER_IS_STANDBY,
    CONTROLLER_IS_ELECTING,
    CONTROLLER_IS_LOADING,
    CONTROLLER_IS_ACTIVE,
    CONTROLLER_IS_FAILED,
};

struct controller_topic {
    char *name;
    struct uuid id;
    struct controller_partition *partitions; // by index, without gaps
    int32_t partitions_count;
    bool has_no_id; // its node has none
    bool marked;    // for deletion; it never comes back
    bool deleting;  // its replicas have been taken offline: what is left is to have them deleted
    bool stopped;   // its replicas have just been told to stop
    bool held;      // it has been reported that a replica could not be deleted for now
    bool changed;   // its node has, since it was read
    UT_hash_handle hh;
    UT_hash_handle hh_id;
};

// What a task does to one partition. The tasks that change partition states, or tell about them, have a list of these.
enum work_state {
    WORK_WANTED,  // to be decided on
    WORK_DROPPED, // nothing is to be changed
    WORK_STALE,   // somebody else has written the state: it is read again and decided on anew
    WORK_WRITTEN,
};
struct work {
    struct controller_topic *topic;
    struct controller_partition *partition;
    enum work_state state;
    int32_t replica;                      // the one that goes offline, where that is the task
    struct controller_isr_change *change; // AlterPartition only
    struct controller_target *target;     // ElectLeaders only
};

struct step;
struct batch_op;

// The next state of a partition as the task wants it; false: it shall stay as it is. Depends on what is known alone, so
// it decides the same when it is asked again.
typedef bool work_decide_fn(struct step *s, struct work *w, struct znode_partition_state *out);

// What a batch is for: what to make of each outcome, and what comes when all are there.
struct batch_phase {
    const char *what; // "reading /controller", for failures
    void (*on_result)(struct step *s, const struct batch_op *op, const struct zk_result *r);
    void (*on_done)(struct step *s);
};

// One operation in flight; its token is the batch's first one plus its place.
struct batch_op {
    struct controller_topic *topic;
    struct controller_partition *partition;
    int32_t at;   // what it is about: a place in a list of the task's
    bool guarded; // operation 0 is the check of the controller epoch
};

STAILQ_HEAD(controller_request_list, controller_request);

// A topic that gets an id (controller_ids.c).
struct naming {
    struct controller_topic *topic;
    struct uuid next_id;
    struct slice data; // for its node; of the step at work
    int32_t version;
    void (*next)(struct step *s);
};

// A partition that gets other replicas, and where that is (controller_move.c).
struct moving {
    struct controller_topic *topic;
    struct controller_partition *partition;
    int32_t *leaving; // replicas that go away now
    int32_t leaving_count;
    int32_t leaving_at;
    struct arena arena;           // of the next two; until `next`
    struct znode_replicas wanted; // what the topic's node shall say of the partition
    struct znode_topic node;      // what it says
    int32_t node_version;
    int32_t *gone; // replicas of before that leave at the end
    int32_t gone_count;
    void (*written)(struct step *s);
    void (*left)(struct step *s);
    void (*next)(struct step *s);     // this one has gone as far as it can now
    int32_t at;                       // of a list of them
    struct znode_reassignment *asked; // by /admin/reassign_partitions, as read; in `asked_arena`
    int32_t asked_count;
    int32_t asked_version;
    void (*cleaned)(struct step *s);
    struct arena asked_arena;
};

struct controller {
    struct controller_options options;
    int32_t broker_id;
    enum controller_state state;
    bool fenced;  // a check of the controller epoch failed in the batch at work
    bool ready;   // CONTROLLER_READY has been said
    bool claimed; // /controller is found to be this one's own
    int64_t session_id;
    int64_t claim_czxid; // of /controller as this one has claimed it
    // Of /controller_epoch, as elected.
    int32_t epoch;
    int32_t epoch_version;
    int32_t seen_controller;            // who /controller named, -1 = nobody
    struct controller_broker **brokers; // registered ones
    int32_t brokers_count, brokers_capacity;
    const struct controller_broker **brokers_shown; // a copy for the effects of the step at work, NULL = none yet
    struct controller_broker **retired;
    int32_t retired_count, retired_capacity;
    struct controller_topic *topics; // uthash by name
    struct controller_topic *topics_by_id;
    // The batch in flight.
    const struct batch_phase *phase;
    struct batch_op *ops;
    int32_t ops_count, ops_capacity;
    int32_t ops_left;
    uint64_t first_token;
    bool missing; // the batch has found that what it reads is not there
    // The partitions the task at work is about.
    struct work *works;
    int32_t works_count, works_capacity;
    work_decide_fn *decide;
    void (*decided)(struct step *s);
    void (*checked)(struct step *s); // what comes after a look at /controller
    // Tasks that wait.
    bool want_controller;  // /controller has changed
    bool want_brokers;     // /brokers/ids, or what a broker says of itself, has changed
    bool want_topics;      // /brokers/topics has changed
    bool want_growth;      // the node of some topic has changed
    bool want_states;      // some partition may get its first state
    bool want_log_dirs;    // /log_dir_event_notification has changed
    bool want_failures;    // some replica has failed
    bool want_elections;   // some partition may be without a live leader
    bool want_deletions;   // /admin/delete_topics has changed, or a deletion can go on
    bool want_isr_notes;   // /isr_change_notification has changed
    bool want_moves_asked; // /admin/reassign_partitions is there, or may be
    bool want_moves;       // some reassignment may go on
    bool want_preferred;   // /admin/preferred_replica_election is there, or may be
    bool want_rebalance;   // it is time to look whether preferred replicas lead
    bool want_erased;      // the last replica of a marked topic may be gone
    // Requests that wait for their turn; the first is at work when `request_begun`.
    struct controller_request_list requests;
    bool request_begun;
    bool request_last; // the last task was a request: the others have their turn first
    // Brokers that have come and gone, of the task at work.
    struct controller_broker **found;
    int32_t found_count, found_capacity;
    int32_t *gone;
    int32_t gone_count, gone_capacity;
    int32_t gone_at; // which of them has its replicas taken offline now
    void (*gone_next)(struct step *s);
    struct moving move;    // the reassignment at work
    struct naming ids;     // the topic that gets an id
    int32_t replica_round; // of a deletion: which replica of each partition goes offline now
    // Names read by the batch at work.
    char **names;
    int32_t names_count, names_capacity;
};

struct step {
    struct controller *c;
    struct controller_effects *out;
    int64_t now_ms;
};

// ---- controller.c: the machine ----

void batch_begin(struct step *s, const struct batch_phase *phase);
void batch_get(struct step *s, const char *path, bool watch, struct batch_op op);
// Watched for creation, change and deletion.
void batch_exists(struct step *s, const char *path);
void batch_children(struct step *s, const char *path, bool watch);
void batch_create(struct step *s, const char *path, struct slice data);
// With a check of the controller epoch before it.
void batch_guarded(struct step *s, const struct zk_op *zk_op, struct batch_op op);
void batch_multi(struct step *s, const struct zk_op *ops, int count);
// Sends it; a batch without operations is done at once.
void batch_end(struct step *s);

// An outcome that cannot be.
void controller_fail(struct step *s, enum err err);
// The task at work is over: takes the next one, if any.
void controller_next(struct step *s);
void controller_elect(struct step *s);
// Looks whether /controller is (still) this one's, and watches it; stands down if it is not, else `next`.
void controller_check(struct step *s, void (*next)(struct step *s));
void names_clear(struct controller *c);
void names_add(struct controller *c, const char *name);
// The outcome of batch_children: its children become names. Anything but ERR_OK fails the controller.
void names_result(struct step *s, const struct batch_op *op, const struct zk_result *r);

struct controller_effect *effect_add(struct step *s, enum controller_effect_type type);

// ---- controller_request.c ----

// The first request that waits gets its turn.
void request_begin(struct step *s);
// The request at work has its answer.
void request_finish(struct step *s);
// All are told that this is not the controller.
void requests_refuse(struct step *s);

// ---- controller_model.c: what is known ----

void model_clear(struct controller *c);
struct controller_topic *model_topic_find(const struct controller *c, const char *name);
struct controller_topic *model_topic_find_id(const struct controller *c, const struct uuid *id);
struct controller_topic *model_topic_add(struct controller *c, const char *name, const struct znode_topic *from);
// Adds the partitions the topic does not have yet.
void model_topic_grow(struct controller_topic *t, const struct znode_topic *from);
struct controller_partition *topic_partition(const struct controller_topic *t, int32_t index); // NULL: it has none
void model_topic_set_id(struct controller *c, struct controller_topic *t, const struct uuid *id);
void model_topic_remove(struct controller *c, struct controller_topic *t);
// NULL for a registration nobody can read: it is no broker.
struct controller_broker *broker_new(int32_t id, const struct zk_stat *stat, struct slice data);
void broker_free(struct controller_broker *b);
void model_broker_add(struct controller *c, struct controller_broker *b);
// One of the same id and epoch that says something else of itself.
void model_broker_replace(struct controller *c, struct controller_broker *with);
void model_broker_remove(struct controller *c, int32_t id);
// Brokers that were removed live on until the next step begins.
void model_forget_retired(struct controller *c);
struct controller_broker *model_broker_find(const struct controller *c, int32_t id);
bool model_broker_live(const struct controller *c, int32_t id); // registered and not stopping
// The replica's broker lives and has not failed to take it.
bool model_replica_live(const struct controller *c, const struct controller_partition *p, int32_t replica);
// The place of a broker among the replicas, -1 = it has none.
int32_t partition_replica_at(const struct controller_partition *p, int32_t broker);
// Other replicas; what is known of those that stay is kept.
void partition_assign(struct controller_partition *p, const struct znode_replicas *to);
bool partition_in_isr(const struct controller_partition *p, int32_t replica);
void partition_set_state(struct controller_partition *p, const struct znode_partition_state *state, int32_t version);
// What the state znode says now, as a start for what it shall say; with this controller's epoch and the next leader
// epoch. The list of in-sync replicas is the partition's own.
struct znode_partition_state partition_next_state(const struct step *s, const struct controller_partition *p);
struct slice partition_state_data(struct step *s, const struct znode_partition_state *state);

// ---- controller_work.c: changing the states of partitions ----

void works_clear(struct controller *c);
struct work *works_add(struct controller *c, struct controller_topic *t, struct controller_partition *p);
// Has every work decided on, and writes what is wanted. A write that somebody else was faster with is decided on anew
// with what there is now. Then `next`; the works are WRITTEN or DROPPED.
void works_write(struct step *s, work_decide_fn *decide, void (*next)(struct step *s));

// ---- controller_tell.c: telling brokers ----

enum tell_flag {
    TELL_NEW = 1,     // LEADER_AND_ISR: the partitions are new
    TELL_ERASE = 2,   // STOP_REPLICA: with their data
    TELL_DELETED = 4, // UPDATE_METADATA: the partitions go away
    TELL_ALL = 8,     // of all works, not only of those that are written
    TELL_ANYWAY = 16, // STOP_REPLICA: also who has no replica any more
};
#define TELL_EVERYBODY (-1)

// Tells a broker (or each) about the works that are written: LEADER_AND_ISR and STOP_REPLICA of those it has a replica
// of, UPDATE_METADATA of all. Partitions that have no state yet are left out.
void works_tell(struct step *s, enum controller_effect_type type, int32_t broker, unsigned flags);
// LEADER_AND_ISR and UPDATE_METADATA to everybody.
void works_tell_states(struct step *s, unsigned flags);
// BROKER_JOINED.
void tell_joined(struct step *s, int32_t broker);
// The works are all partitions of all topics that are not marked for deletion.
void works_of_all(struct controller *c);
// LEADER_AND_ISR to one broker of all it has a replica of; nothing when it is not registered.
void tell_replicas(struct step *s, int32_t broker);
// UPDATE_METADATA of who lives, and of no partition.
void tell_brokers(struct step *s, int32_t broker);
// For who knows nothing yet: UPDATE_METADATA of who lives and of all partitions, as one; then LEADER_AND_ISR of what it
// has a replica of. The works are those of works_of_all.
void tell_everything(struct step *s, int32_t broker);

// ---- The tasks ----

void load_begin(struct step *s);            // controller_load.c
void brokers_begin(struct step *s);         // controller_brokers.c: brokers that come and go
void topics_begin(struct step *s);          // controller_create.c: new names in /brokers/topics
void create_begin(struct step *s);          // controller_create.c: states for partitions without one
void growth_begin(struct step *s);          // controller_grow.c: topics whose node has changed
void elections_begin(struct step *s);       // controller_elect.c: partitions without a live leader
void log_dirs_begin(struct step *s);        // controller_log_dirs.c: brokers whose log directories have failed
void failures_begin(struct step *s);        // controller_offline.c: replicas their brokers could not take
void deletions_begin(struct step *s);       // controller_delete.c
void erased_begin(struct step *s);          // controller_delete.c: topics whose replicas are all gone
void alter_begin(struct step *s);           // controller_alter.c: AlterPartition
void shutdown_begin(struct step *s);        // controller_shutdown.c: ControlledShutdown
void elect_begin(struct step *s);           // controller_preferred.c: ElectLeaders
void rebalance_begin(struct step *s);       // controller_preferred.c: auto.leader.rebalance.enable
void preferred_asked_begin(struct step *s); // controller_preferred.c: /admin/preferred_replica_election
void move_request_begin(struct step *s);    // controller_move_asked.c: AlterPartitionReassignments
void move_list(struct step *s);             // controller_move_asked.c: ListPartitionReassignments
void moves_asked_begin(struct step *s);     // controller_move_asked.c: /admin/reassign_partitions
void moves_begin(struct step *s);           // controller_move.c: those that may go on
void isr_notes_begin(struct step *s);       // controller_isr_notes.c: /isr_change_notification

// controller_ids.c: gives topics without an id one; then `next`.
void ids_begin(struct step *s, void (*next)(struct step *s));
// controller_elect.c: elects for the partitions without a live leader, then `next`.
void offline_elections(struct step *s, void (*next)(struct step *s));
// controller_offline.c: the replicas of the brokers in `gone` leave the in-sync replicas, broker by broker; then
// `next`.
void gone_offline(struct step *s, void (*next)(struct step *s));
// The state of a work's partition without its replica.
work_decide_fn offline_decide;
// The first live in-sync replica of the assignment; if there is none and that is allowed, the first live one.
bool offline_leader(struct step *s, struct work *w, bool unclean_allowed, struct znode_partition_state *out);

// controller_move.c: a partition that has other replicas than it shall have.
bool partition_moves(const struct controller_partition *p);
bool topic_moves(const struct controller_topic *t);
// Reassignments may go on: of one partition, because its in-sync replicas have changed, or any.
void moves_look(struct controller *c, struct controller_partition *p);
void moves_look_all(struct controller *c);
// Moves a partition to these replicas (copied), or goes on with what it is at (NULL), as far as it gets; then `next`.
void move_begin(struct step *s, struct controller_topic *t, struct controller_partition *p, const int32_t *target,
                int32_t target_count, void (*next)(struct step *s));
// The replicas it had before, those it shall have, and those that come in addition; *count of them, in the arena.
int32_t *move_origin(const struct controller_partition *p, struct arena *a, int32_t *count);
int32_t *move_target(const struct controller_partition *p, struct arena *a, int32_t *count);
// Those of one list that are not in the other.
int32_t *ids_without(const int32_t *list, int32_t count, const int32_t *without, int32_t without_count, struct arena *a,
                     int32_t *out_count);
// Takes out of /admin/reassign_partitions, if it is there, what is done or cannot be done; then `next`.
void move_asked_clean(struct step *s, void (*next)(struct step *s));
void moves_init(struct controller *c);
void moves_release(struct controller *c);

// controller_delete.c: a broker has, or has not, deleted replicas; nothing is known of what it was asked for.
void deletions_answer(struct step *s, struct controller_topic *t, const struct controller_event *e);
void deletions_forget(struct step *s, int32_t broker);

#endif
