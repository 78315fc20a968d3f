// SPDX-License-Identifier: Apache-2.0
//
// Inside of the controller, shared by its files only: what it knows, the batch of operations in flight, and the tasks.
#ifndef OTTLA_CLUSTER_CONTROLLER_STATE_H
#define OTTLA_CLUSTER_CONTROLLER_STATE_H

#include <uthash.h>

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
    bool deleting; // marked, and the task has begun; it never comes back
    bool held;     // a replica could not be deleted: waits for the next start
    bool changed;  // its node has, since it was read
    bool touched;  // by the task at work
    UT_hash_handle hh;
};

struct step;
struct batch_op;

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
    int32_t broker;
    bool guarded; // operation 0 is the check of the controller epoch
};

struct controller {
    int32_t broker_id;
    bool delete_topics;
    enum controller_state state;
    bool fenced; // a check of the controller epoch failed in the batch at work
    bool ready;  // CONTROLLER_READY has been said
    // Of /controller_epoch, as elected.
    int32_t epoch;
    int32_t epoch_version;
    int32_t seen_controller; // who /controller named, -1 = nobody
    struct controller_broker **brokers;
    int32_t brokers_count, brokers_capacity;
    struct controller_topic *topics; // uthash by name
    // The batch in flight.
    const struct batch_phase *phase;
    struct batch_op *ops;
    int32_t ops_count, ops_capacity;
    int32_t ops_left;
    uint64_t first_token;
    bool missing; // the batch has found that what it reads is not there
    // Tasks that wait.
    bool want_topics;    // /brokers/topics has changed
    bool want_growth;    // the node of some topic has changed
    bool want_deletions; // /admin/delete_topics has changed
    bool want_log_dirs;  // /log_dir_event_notification has changed
    bool want_elections; // some partition may be without a live leader
    // The deletion at work.
    int32_t replica_round; // which replica of each partition goes offline now
    int32_t stops_left;    // answers of brokers still to come
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
void names_clear(struct controller *c);
void names_add(struct controller *c, const char *name);

struct controller_effect *effect_add(struct step *s, enum controller_effect_type type);

// ---- controller_model.c: what is known, and telling brokers about it ----

void model_clear(struct controller *c);
struct controller_topic *model_topic_find(const struct controller *c, const char *name);
struct controller_topic *model_topic_add(struct controller *c, const char *name, const struct znode_topic *from);
// Adds the partitions the topic does not have yet.
void model_topic_grow(struct controller_topic *t, const struct znode_topic *from);
void model_topic_remove(struct controller *c, struct controller_topic *t);
void model_broker_add(struct controller *c, int32_t id, int64_t epoch, struct slice data);
bool model_broker_live(const struct controller *c, int32_t id);
// The replica's broker lives and has not failed to take it.
bool model_replica_live(const struct controller *c, const struct controller_partition *p, int32_t replica);
bool partition_in_isr(const struct controller_partition *p, int32_t replica);
void partition_set_state(struct controller_partition *p, const struct znode_partition_state *state, int32_t version);
struct slice partition_state_data(struct step *s, const struct znode_partition_state *state);

// Tells each live broker that has a replica about the touched partitions of the topic (or all of them).
void tell_leader_and_isr(struct step *s, const struct controller_topic *t, bool only_touched, bool is_new);
// Tells one broker about all it has a replica of; nothing when it is not live.
void tell_broker(struct step *s, int32_t broker);
// Answers how many brokers were told.
int32_t tell_stop_replica(struct step *s, const struct controller_topic *t, bool erase);
// Tells every live broker; topic NULL: only who lives.
void tell_metadata(struct step *s, const struct controller_topic *t, bool deleted);

// ---- The tasks ----

void load_begin(struct step *s);      // controller_load.c
void topics_begin(struct step *s);    // controller_create.c: new names in /brokers/topics
void create_begin(struct step *s);    // controller_create.c: states for partitions without one
void growth_begin(struct step *s);    // controller_grow.c: topics whose node has changed
void elections_begin(struct step *s); // controller_elect.c
void log_dirs_begin(struct step *s);  // controller_log_dirs.c: brokers whose log directories have failed
void deletions_begin(struct step *s); // controller_delete.c
void deletions_answer(struct step *s, struct controller_topic *t, const struct controller_event *e);

#endif
