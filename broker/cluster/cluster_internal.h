// SPDX-License-Identifier: Apache-2.0
//
// Inside of the cluster, shared by its files only. All of it belongs to the control thread, except for the picture and
// the gate of the jobs, which have their own locks.
#ifndef OTTLA_CLUSTER_CLUSTER_INTERNAL_H
#define OTTLA_CLUSTER_CLUSTER_INTERNAL_H

#include "base/hash.h"
#include "broker/cluster/cluster.h"
#include "broker/cluster/controller.h"
#include "broker/cluster/metadata_builder.h"
#include "broker/net/errand.h"
#include "broker/net/fd_watch.h"
#include "protocol/protocol.h"

#define CLUSTER_MAX_CALLS 10000 // operations on the tree in flight at once, of the start or of the controller

// The configs of one topic that was heard of, by name.
struct topic_settings {
    char *name;
    int32_t asked; // which question for them is on its way, from 1; 0 = they are known
    struct znode_config entries;
    struct topic_config config; // in effect
    struct arena arena;         // of the entries
    struct arena texts;         // of config
    UT_hash_handle hh;
};

// Entries of /config/brokers/<id> or <default>.
struct broker_settings {
    struct znode_config entries;
    struct arena arena;
};

// Following /config/changes: numbers of its children are handled in order, each by reading what it names.
struct config_changes {
    int32_t applied; // the last number whose change is in effect; -1 = none yet
    int32_t listed;  // the last number there is
    int32_t calls_left;
    bool reading;
    bool again; // there are more by now
};

// This broker's registration on its way (cluster_register.c).
struct registration {
    void (*done)(struct cluster *c, enum err err); // NULL: there is none on its way
    bool is_start;                                 // of the broker, which gives up one day
    int64_t last_session;                          // that this process registered in
    int64_t holder;                                // somebody else's session that the node is of, 0 = none
    bool is_late;                                  // the holder has lived for longer than a dead session could
    struct timer timer;
};

// An operation on the tree on its way: who gets the outcome.
typedef void cluster_call_fn(struct cluster *c, void *arg, int32_t index, const struct zk_result *r);
struct cluster_call {
    LIST_ENTRY(cluster_call) entry;
    struct cluster *cluster;
    cluster_call_fn *fn;
    void *arg;
    int32_t index;
};

// An operation of the controller that waits for its turn. Paths and data lie behind it.
struct cluster_op {
    STAILQ_ENTRY(cluster_op) entry;
    uint64_t token;
    struct controller_op op;
};

// An answer of a broker to the controller that waits for its turn.
struct cluster_answer {
    STAILQ_ENTRY(cluster_answer) entry;
    struct controller_event event;
    char *topic;
    int32_t *partitions;
    int16_t *codes;
};

STAILQ_HEAD(isr_change_list, isr_change);

// This broker asks for leave (cluster_leave.c).
struct leaving {
    struct mailbox_item item;
    struct timer timer;
    int32_t tries_left;
    int64_t limit_ms; // of all of it
    int64_t backoff_ms;
    bool done; // under gate_mu
};

enum cluster_state {
    CLUSTER_OPENING,
    CLUSTER_OPEN,
    CLUSTER_FAILED, // the tree or the controller is out of service: reading goes on, changes are refused
    CLUSTER_CLOSED,
};

struct cluster {
    struct cluster_options options;
    int32_t broker_id;
    char *id;
    struct loop *loop;
    enum cluster_state state;
    enum err failure; // why CLUSTER_FAILED
    // The tree.
    struct zk *zk;
    struct fd_watch tree_watch;
    struct mailbox_item dispatch;
    bool dispatch_posted;
    int32_t session; // how many have expired: tells outcomes of an old one
    struct registration registration;
    LIST_HEAD(, cluster_call) calls;
    // Opening: operations of the stage at work, and what comes then.
    int32_t start_left;
    void (*start_next)(struct cluster *c);
    char **config_names;
    int32_t config_names_count;
    int32_t config_names_read;
    // The controller.
    struct controller *controller;
    struct controller_effects effects;
    int32_t ops_in_flight;
    STAILQ_HEAD(, cluster_op) ops_waiting; // for their turn, in order
    STAILQ_HEAD(, cluster_answer) answers;
    STAILQ_HEAD(, controller_request) asked; // requests for the controller that came up while it was stepping
    bool stepping;
    bool is_controller;
    bool is_ready;          // told in this step
    struct timer rebalance; // of the controller: when leaders are looked at next
    struct topic_settings *settings;
    int32_t settings_asked;                  // questions so far
    struct broker_settings broker_settings;  // of this broker
    struct broker_settings cluster_settings; // of all
    struct topic_config topic_defaults;      // with those on top of the file's
    struct arena topic_defaults_arena;
    struct config_changes changes;
    // Jobs: one at a time writes (first of the list), the others wait for their turn or for the picture.
    struct cluster_job_list queued;
    struct cluster_job *writing;
    struct cluster_job_list settling;
    struct cluster_job_list asking; // requests of the controller that it has not answered yet
    // What controllers say to this broker: the first is at work when `control_busy`.
    struct cluster_job_list controls;
    bool control_busy;
    int32_t control_reads; // configs it still waits for
    int32_t control_epoch; // of the latest controller heard of
    // What this controller says: lines to other brokers, and effects of the step at work not sent yet.
    struct control_line *lines; // uthash by broker
    const struct controller_effect **tells;
    int32_t tells_count, tells_capacity;
    // Changes of in-sync replicas that partitions led here wait for.
    struct isr_change_list isr_waiting;
    struct isr_change_list isr_sent;
    struct controller_request isr_request; // of those
    struct arena isr_arena;
    struct leaving leave;
    // The line to the controller (controller_link.c); NULL = none is made.
    struct peer *link;
    int32_t link_correlation_id;
    struct timer isr_retry;
    // Any thread.
    _Atomic int64_t broker_epoch;
    // Locked.
    struct mutex picture_mu; // leaf
    const struct metadata *picture;
    struct errand errand; // of whoever opens or closes
    struct mutex gate_mu; // leaf
    struct cond gate_cond;
    int32_t jobs_count;
    bool stopping;
    bool opened; // cluster_open may return, with open_err
    enum err open_err;
};

// ---- cluster.c ----

// A callback for one zk operation; freed after it ran. index is handed back.
struct cluster_call *cluster_call_new(struct cluster *c, cluster_call_fn *fn, void *arg, int32_t index);
zk_result_fn cluster_call_done; // ctx: the call
// Makes the picture current and looks which jobs it settles.
void cluster_publish(struct cluster *c, const struct metadata *picture);
// The opening is over, one way or the other.
void cluster_opened(struct cluster *c, enum err err);
// Something cannot go on: says so once, loudly, and refuses changes from now on.
void cluster_fail(struct cluster *c, enum err err, const char *what);

// ---- cluster_tree.c ----

// Says why it cannot be opened.
enum err tree_open(struct cluster *c) WARN_UNUSED;
void tree_close(struct cluster *c);
// To be called before each piece of work that may hold the control thread: a session must not end because logs are
// made.
void tree_keep_alive(struct cluster *c);

// ---- cluster_register.c ----

enum err registration_init(struct cluster *c) WARN_UNUSED;
void registration_release(struct cluster *c);
// Registers this broker, then calls done: ERR_OK; ERR_LOCKED when another broker lives with its id (at the start only:
// later that is waited for), or what else went wrong. One that is on its way is given up.
void cluster_register(struct cluster *c, void (*done)(struct cluster *c, enum err err));
// A watch on this path has fired.
void cluster_register_watched(struct cluster *c, const char *path);

// ---- cluster_start.c ----

void cluster_start(struct cluster *c);

// ---- cluster_control.c ----

enum err cluster_control_init(struct cluster *c) WARN_UNUSED;
// Steps the controller and carries out what it says; answers that come of it are fed back.
void cluster_step(struct cluster *c, const struct controller_event *e);
// Lets the controller have what has come up (answers, requests), now or after the event at work.
void cluster_run(struct cluster *c);
// Hands the controller a request, likewise.
void cluster_ask(struct cluster *c, struct controller_request *r);
void cluster_control_clear(struct cluster *c); // drops what waits

// ---- topic_settings.c ----

// Replaces the topic's entries: the defaults with these on top. Entries nobody can read are skipped with a warning.
void settings_put(struct cluster *c, const char *topic, const struct znode_config *entries);
void settings_remove(struct cluster *c, const char *topic);
// The entries that a znode of configs was found to have, in a; none when there is no such znode.
enum err settings_decode(const struct zk_result *r, struct arena *a, struct znode_config *out) WARN_UNUSED;
// Whether the topic's entries, or that there are none, are known.
bool settings_known(const struct cluster *c, const char *topic);
// Reads the topic's entries from the tree, unless they are known or on their way. Whoever hosts it is told when they
// are there. What cannot be read is asked for again when the topic is named again.
void settings_ask(struct cluster *c, const char *topic);
// The defaults when the topic has none of its own.
const struct topic_config *settings_find(const struct cluster *c, const char *topic);
const struct znode_config *settings_entries(const struct cluster *c, const char *topic);
// Replaces the entries of this broker or (cluster_wide) of all, and with them the defaults of topics. Entries nobody
// can read are skipped with a warning.
void settings_put_broker(struct cluster *c, bool cluster_wide, const struct znode_config *entries);
void settings_init(struct cluster *c);
void settings_clear(struct cluster *c);
struct config_view settings_view(const struct cluster *c);

// ---- config_changes.c ----

// The topic's entries are these from now on: partitions hosted here and the controller are told.
void config_changes_topic(struct cluster *c, const char *topic, const struct znode_config *entries);
// What the start found in /config/changes, which is watched from then on.
void config_changes_begin(struct cluster *c, const struct zk_result *r);
// The watch has fired, or there may be changes for another reason.
void config_changes_read(struct cluster *c);
// The session is gone, and with it what was on its way.
void config_changes_expired(struct cluster *c);

// ---- control_receive.c, control_metadata.c ----

// Takes a job of CLUSTER_CONTROL in its turn.
void control_receive(struct cluster *c, struct cluster_job *j);
// Carries out an UpdateMetadata from a controller that is believed.
void control_metadata(struct cluster *c, struct cluster_job *j);

// ---- control_send.c ----

// Takes an effect that says something to a broker; it leaves with others at control_flush, or earlier.
void control_tell(struct cluster *c, const struct controller_effect *e);
void control_flush(struct cluster *c);
void control_broker_joined(struct cluster *c, const struct controller_effect *e);
void control_broker_left(struct cluster *c, int32_t broker);
// No controller any more: nothing is said to anybody.
void control_clear(struct cluster *c);

// ---- isr_changes.c ----

enum err isr_changes_init(struct cluster *c) WARN_UNUSED;
// Sends what waits, if there is a controller to send it to.
void isr_changes_send(struct cluster *c);
// The controller has answered what was sent.
void isr_changes_answered(struct cluster *c, struct controller_request *r);
// Nobody will answer any more: all are told ERR_CLOSED.
void isr_changes_close(struct cluster *c);
void isr_changes_release(struct cluster *c);

// ---- cluster_leave.c ----

// What a leave that was not waited for has left behind. Nothing that it could have asked is under way any more.
void leave_close(struct cluster *c);

// ---- jobs.c ----

// Moves the job from the list it is in to another one (NULL = none).
void job_list(struct cluster_job *j, struct cluster_job_list *list);
// One of this broker's own, on the control thread.
struct cluster_job *job_new_own(struct cluster *c, enum cluster_job_type type);
// Has the controller answer a job of CLUSTER_ASK. [control]
void job_ask(struct cluster *c, struct cluster_job *j);
// It has.
void job_answered(struct cluster *c, struct controller_request *r);
// The job that writes has written: it settles when the picture shows it, and the next one has its turn.
void job_written(struct cluster *c, struct cluster_job *j);
// Its requester is woken. Not while operations of it are on their way, except when all jobs are failed.
void job_finish(struct cluster *c, struct cluster_job *j, enum err err);
// The picture has changed.
void jobs_settle(struct cluster *c);
// A topic's deletion has come to its end (or as far as it gets).
void jobs_topic_gone(struct cluster *c, const char *topic);
// This broker could not take a replica of it: whoever creates the topic just now hears of that.
void jobs_replica_failed(struct cluster *c, const char *topic);
void jobs_fail_all(struct cluster *c, enum err err);
// Gives the next job its turn to write, if it is free.
void jobs_next(struct cluster *c);

// What a job is doing. Lies in its arena.
struct job_entry {
    bool accepted; // by the checks: it is written, then has to settle
    bool gone;     // deletions: the topic is
    const char *name;
    struct uuid id;
    struct slice config_data;
    struct slice topic_data;
    struct znode_config config;
    int32_t version;     // growth: of the topic's node
    bool config_missing; // its node has to be created
    const char *path;    // config changes: of the entity, below /config
    int32_t sequence;    // likewise: the number of the change
};

typedef void job_result_fn(struct cluster *c, struct cluster_job *j, int32_t index, const struct zk_result *r);
typedef void job_done_fn(struct cluster *c, struct cluster_job *j);

struct job_work {
    struct job_entry *entries; // as the creates or deletes of the job
    int32_t entries_count;
    // Of the tree, sorted.
    char **existing;
    int32_t existing_count;
    char **marked;
    int32_t marked_count;
    // The batch of operations at work.
    job_result_fn *on_result;
    job_done_fn *on_done;
    int32_t calls_left;
    enum err err;
};

// False: there is no memory for it; the job is finished.
bool job_work_new(struct cluster *c, struct cluster_job *j, int32_t entries);
// Operations of the job that writes: begin, any number of zk calls with job_call as their context and
// cluster_call_done as their function, end. on_done runs when all outcomes are there, unless job_fail was called:
// then the job is finished with that error.
void job_batch_begin(struct cluster_job *j, job_result_fn *on_result, job_done_fn *on_done);
struct cluster_call *job_call(struct cluster *c, struct cluster_job *j, int32_t index);
void job_batch_end(struct cluster *c, struct cluster_job *j);
void job_fail(struct cluster_job *j, enum err err);

// Each begins with c->writing == j, and ends in job_finish or job_written.
void create_job_begin(struct cluster *c, struct cluster_job *j); // job_create.c
bool create_job_settled(const struct cluster *c, const struct cluster_job *j);
void delete_job_begin(struct cluster *c, struct cluster_job *j); // job_delete.c
bool delete_job_settled(const struct cluster_job *j);
void producer_ids_job_begin(struct cluster *c, struct cluster_job *j);     // job_producer_ids.c
void consumer_offsets_job_begin(struct cluster *c, struct cluster_job *j); // job_consumer_offsets.c
void grow_job_begin(struct cluster *c, struct cluster_job *j);             // job_grow.c
bool grow_job_settled(const struct cluster *c, const struct cluster_job *j);
void producer_ids_job_begin(struct cluster *c, struct cluster_job *j);     // job_producer_ids.c
void describe_configs_job_begin(struct cluster *c, struct cluster_job *j); // job_configs.c
void alter_configs_job_begin(struct cluster *c, struct cluster_job *j);
bool alter_configs_job_settled(const struct cluster *c, const struct cluster_job *j);

#endif
