// SPDX-License-Identifier: Apache-2.0
//
// What the controller says to this broker, be it another broker or this one: LeaderAndIsr, UpdateMetadata, StopReplica.
// One request after the other, in the order they came; one of an older controller, or meant for an earlier life of this
// broker, is refused. Before a replica of a topic nobody here has heard of is taken, its configs are read from the
// tree; requests that come meanwhile wait, as in Kafka. A topic that is hosted elsewhere waits for nothing: a broker
// that has lost its ZooKeeper alone still hears who leads.
#include <stdio.h>
#include <stdlib.h>

#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/control_messages.h"
#include "broker/cluster/must.h"
#include "zk/zk.h"

#define CONFIG_ARENA_LIMIT ((size_t)16 * ZK_DATA_MAX_BYTES)

static void control_next(struct cluster *c);

// ---------------------------------------------------------------------------------------------------------------
// Who says it

// The codes in which a request is refused; NONE: it is taken, and its controller is the latest known.
static int16_t control_sender_check(struct cluster *c, int32_t controller_epoch, int64_t broker_epoch)
{
    if (broker_epoch != -1 && broker_epoch < atomic_load(&c->broker_epoch)) {
        return KAFKA_ERROR_STALE_BROKER_EPOCH;
    }
    if (controller_epoch < c->control_epoch) {
        return KAFKA_ERROR_STALE_CONTROLLER_EPOCH;
    }
    c->control_epoch = controller_epoch;
    return KAFKA_ERROR_NONE;
}

static const char *text_of(struct cluster_job *j, struct slice s)
{
    return must_have(arena_strndup(&j->arena, s.data, s.len));
}

static void control_finish(struct cluster *c, struct cluster_job *j)
{
    c->control_busy = false;
    job_finish(c, j, ERR_OK);
}

// ---------------------------------------------------------------------------------------------------------------
// Configs of topics nobody here has heard of

static void leaders_apply(struct cluster *c, struct cluster_job *j);

// The partitions of one topic stand beside each other: it is noted once.
static void topics_note(struct cluster_job *j, const struct leader_and_isr_request *in)
{
    j->control.topics = must_arena_array(&j->arena, (size_t)in->topic_states_count, sizeof *j->control.topics);
    j->control.topics_count = 0;
    for (int32_t i = 0; i < in->topic_states_count; i++) {
        const struct slice topic = in->topic_states[i].topic_name;
        const int32_t count = j->control.topics_count;
        if (count == 0 || !slice_equal(slice_str(j->control.topics[count - 1]), topic)) {
            j->control.topics[j->control.topics_count++] = text_of(j, topic);
        }
    }
}

// Configs that cannot be read are those of the defaults: the partition is more important.
static void config_read(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    struct cluster_job *j = arg;
    if (c->state == CLUSTER_CLOSED || TAILQ_FIRST(&c->controls) != j) {
        return; // all were failed
    }
    const char *topic = j->control.topics[index];
    struct arena a;
    arena_init(&a, CONFIG_ARENA_LIMIT);
    struct znode_config config = {NULL, 0};
    if (r->err == ERR_OK && znode_config_decode(r->data, &a, &config) != ERR_OK) {
        config.entries_count = 0;
    }
    if (r->err != ERR_OK && r->err != ERR_NOT_FOUND) {
        log_warn("cluster", "cannot read the configs of topic %s: %s", topic, err_text(r->err));
    }
    settings_put(c, topic, &config);
    arena_release(&a);
    if (--c->control_reads == 0) {
        leaders_apply(c, j);
        control_next(c);
    }
}

static void configs_await(struct cluster *c, struct cluster_job *j)
{
    c->control_reads = 0;
    for (int32_t i = 0; i < j->control.topics_count; i++) {
        if (!settings_known(c, j->control.topics[i])) {
            c->control_reads++;
            zk_get(c->zk, znode_path_topic_config(j->control.topics[i]).s, false, cluster_call_done,
                   cluster_call_new(c, config_read, j, i));
        }
    }
    if (c->control_reads == 0) {
        leaders_apply(c, j);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// LeaderAndIsr

static int16_t changed_code(enum err err)
{
    switch (err) {
    case ERR_OK:
        return KAFKA_ERROR_NONE;
    case ERR_FENCED_EPOCH:
        return KAFKA_ERROR_STALE_CONTROLLER_EPOCH; // of the leader; Kafka answers this code all the same
    case ERR_NOT_FOUND:
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    case ERR_INVALID:
        return KAFKA_ERROR_INCONSISTENT_TOPIC_ID;
    default:
        return KAFKA_ERROR_KAFKA_STORAGE_ERROR;
    }
}

static int16_t partition_apply(struct cluster *c, const char *topic, const struct uuid *id,
                               const struct leader_and_isr_request_leader_and_isr_partition_state *p)
{
    const struct cluster_partition_state s = {.topic = topic,
                                              .topic_id = *id,
                                              .partition = p->partition_index,
                                              .leader = p->leader,
                                              .leader_epoch = p->leader_epoch,
                                              .partition_epoch = p->partition_epoch,
                                              .controller_epoch = p->controller_epoch,
                                              .isr = p->isr,
                                              .isr_count = p->isr_count,
                                              .replicas = p->replicas,
                                              .replicas_count = p->replicas_count,
                                              .adding = p->adding_replicas,
                                              .adding_count = p->adding_replicas_count,
                                              .removing = p->removing_replicas,
                                              .removing_count = p->removing_replicas_count,
                                              .recovering = p->leader_recovery_state == ZNODE_RECOVERING,
                                              .is_new = p->is_new,
                                              .config = settings_find(c, topic)};
    tree_keep_alive(c);
    int16_t code = changed_code(c->options.hooks.partition_changed(c->options.hooks.ctx, &s));
    if (code == KAFKA_ERROR_KAFKA_STORAGE_ERROR) {
        log_error("cluster", "%s-%d is out of service on this broker", topic, p->partition_index);
        jobs_replica_failed(c, topic);
    }
    return code;
}

// Of versions 0 and 1, whose partitions are not grouped, each becomes a topic of its own.
static void leaders_group(struct cluster_job *j, struct leader_and_isr_request *in)
{
    if (in->ungrouped_partition_states_count <= 0) {
        return;
    }
    in->topic_states_count = in->ungrouped_partition_states_count;
    in->topic_states = must_arena_array(&j->arena, (size_t)in->topic_states_count, sizeof *in->topic_states);
    for (int32_t i = 0; i < in->topic_states_count; i++) {
        leader_and_isr_request_leader_and_isr_topic_state_init(&in->topic_states[i]);
        in->topic_states[i].topic_name = in->ungrouped_partition_states[i].topic_name;
        in->topic_states[i].partition_states = &in->ungrouped_partition_states[i];
        in->topic_states[i].partition_states_count = 1;
    }
}

static void topic_apply(struct cluster *c, struct cluster_job *j,
                        const struct leader_and_isr_request_leader_and_isr_topic_state *t,
                        struct leader_and_isr_response *out)
{
    const char *name = text_of(j, t->topic_name);
    bool by_id = j->control.version >= 5;
    struct leader_and_isr_response_leader_and_isr_partition_error *errors =
        by_id ? must_arena_array(&j->arena, (size_t)t->partition_states_count, sizeof *errors)
              : &out->partition_errors[out->partition_errors_count];
    for (int32_t i = 0; i < t->partition_states_count; i++) {
        leader_and_isr_response_leader_and_isr_partition_error_init(&errors[i]);
        errors[i].topic_name = t->topic_name;
        errors[i].partition_index = t->partition_states[i].partition_index;
        errors[i].error_code = partition_apply(c, name, &t->topic_id, &t->partition_states[i]);
    }
    if (!by_id) {
        out->partition_errors_count += t->partition_states_count;
        return;
    }
    struct leader_and_isr_response_leader_and_isr_topic_error *o = &out->topics[out->topics_count++];
    leader_and_isr_response_leader_and_isr_topic_error_init(o);
    o->topic_id = t->topic_id;
    o->partition_errors = errors;
    o->partition_errors_count = t->partition_states_count;
}

static void leaders_apply(struct cluster *c, struct cluster_job *j)
{
    const struct leader_and_isr_request *in = j->control.request;
    struct leader_and_isr_response *out = j->control.response;
    size_t partitions = 0;
    for (int32_t i = 0; i < in->topic_states_count; i++) {
        partitions += (size_t)in->topic_states[i].partition_states_count;
    }
    out->topics = must_arena_array(&j->arena, (size_t)in->topic_states_count, sizeof *out->topics);
    out->partition_errors = must_arena_array(&j->arena, partitions, sizeof *out->partition_errors);
    for (int32_t i = 0; i < in->topic_states_count; i++) {
        topic_apply(c, j, &in->topic_states[i], out);
    }
    control_finish(c, j);
}

static void leaders_begin(struct cluster *c, struct cluster_job *j)
{
    struct leader_and_isr_request *in = j->control.request;
    struct leader_and_isr_response *out = j->control.response;
    out->error_code = control_sender_check(c, in->controller_epoch, in->broker_epoch);
    if (out->error_code != KAFKA_ERROR_NONE) {
        control_finish(c, j);
        return;
    }
    leaders_group(j, in);
    topics_note(j, in);
    configs_await(c, j);
}

// ---------------------------------------------------------------------------------------------------------------
// UpdateMetadata

static void metadata_begin(struct cluster *c, struct cluster_job *j)
{
    const struct update_metadata_request *in = j->control.request;
    struct update_metadata_response *out = j->control.response;
    out->error_code = control_sender_check(c, in->controller_epoch, in->broker_epoch);
    if (out->error_code == KAFKA_ERROR_NONE) {
        control_metadata(c, j);
    }
    control_finish(c, j);
}

// ---------------------------------------------------------------------------------------------------------------
// StopReplica

#define LEADER_EPOCH_UNKNOWN (-1) // of versions that do not say

// A partition to be stopped, in any version.
static void partition_stop(struct cluster *c, struct cluster_job *j, struct slice topic, int32_t partition,
                           int32_t leader_epoch, bool erase)
{
    struct stop_replica_response *out = j->control.response;
    struct stop_replica_response_stop_replica_partition_error *o =
        &out->partition_errors[out->partition_errors_count++];
    stop_replica_response_stop_replica_partition_error_init(o);
    o->topic_name = topic;
    o->partition_index = partition;
    tree_keep_alive(c);
    enum err err =
        c->options.hooks.partition_removed(c->options.hooks.ctx, text_of(j, topic), partition, leader_epoch, erase);
    o->error_code = err == ERR_OK             ? KAFKA_ERROR_NONE
                    : err == ERR_FENCED_EPOCH ? KAFKA_ERROR_FENCED_LEADER_EPOCH
                                              : KAFKA_ERROR_KAFKA_STORAGE_ERROR;
}

static size_t stops_count(const struct stop_replica_request *in)
{
    size_t count = (size_t)(in->ungrouped_partitions_count > 0 ? in->ungrouped_partitions_count : 0);
    for (int32_t i = 0; i < in->topics_count; i++) {
        count += (size_t)in->topics[i].partition_indexes_count;
    }
    for (int32_t i = 0; i < in->topic_states_count; i++) {
        count += (size_t)in->topic_states[i].partition_states_count;
    }
    return count;
}

static void stops_apply(struct cluster *c, struct cluster_job *j)
{
    const struct stop_replica_request *in = j->control.request;
    struct stop_replica_response *out = j->control.response;
    out->error_code = control_sender_check(c, in->controller_epoch, in->broker_epoch);
    if (out->error_code != KAFKA_ERROR_NONE) {
        control_finish(c, j);
        return;
    }
    out->partition_errors = must_arena_array(&j->arena, stops_count(in), sizeof *out->partition_errors);
    for (int32_t i = 0; i < in->ungrouped_partitions_count; i++) {
        partition_stop(c, j, in->ungrouped_partitions[i].topic_name, in->ungrouped_partitions[i].partition_index,
                       LEADER_EPOCH_UNKNOWN, in->delete_partitions);
    }
    for (int32_t i = 0; i < in->topics_count; i++) {
        for (int32_t k = 0; k < in->topics[i].partition_indexes_count; k++) {
            partition_stop(c, j, in->topics[i].name, in->topics[i].partition_indexes[k], LEADER_EPOCH_UNKNOWN,
                           in->delete_partitions);
        }
    }
    for (int32_t i = 0; i < in->topic_states_count; i++) {
        for (int32_t k = 0; k < in->topic_states[i].partition_states_count; k++) {
            const struct stop_replica_request_stop_replica_partition_state *p =
                &in->topic_states[i].partition_states[k];
            partition_stop(c, j, in->topic_states[i].topic_name, p->partition_index, p->leader_epoch,
                           p->delete_partition);
        }
    }
    control_finish(c, j);
}

// ---------------------------------------------------------------------------------------------------------------
// One at a time

static void control_begin(struct cluster *c, struct cluster_job *j)
{
    const struct protocol_api *api = protocol_api_find(j->control.key);
    struct reader r = reader_of(j->control.body);
    j->control.request = must_arena_array(&j->arena, 1, message_struct_size(api->request));
    j->control.response = must_arena_array(&j->arena, 1, message_struct_size(api->response));
    message_init(api->response, j->control.response);
    enum err err = message_decode(api->request, j->control.version, &r, &j->arena, j->control.request);
    if (err != ERR_OK) {
        c->control_busy = false;
        job_finish(c, j, err);
        return;
    }
    switch (j->control.key) {
    case KEY_LEADER_AND_ISR:
        leaders_begin(c, j);
        break;
    case KEY_STOP_REPLICA:
        stops_apply(c, j);
        break;
    default:
        metadata_begin(c, j);
    }
}

static void control_next(struct cluster *c)
{
    while (!c->control_busy && !TAILQ_EMPTY(&c->controls)) {
        c->control_busy = true;
        control_begin(c, TAILQ_FIRST(&c->controls));
    }
}

void control_receive(struct cluster *c, struct cluster_job *j)
{
    job_list(j, &c->controls);
    control_next(c);
}
