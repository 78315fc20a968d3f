// SPDX-License-Identifier: Apache-2.0
//
// Runs the controller: carries out its effects in order and feeds back what comes of them. What it says to this broker
// is done by a direct call where another broker would get LeaderAndIsr, StopReplica or UpdateMetadata.
#include <stdlib.h>

#include "base/assert.h"
#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/must.h"
#include "zk/zk.h"

// ---------------------------------------------------------------------------------------------------------------
// Operations on the tree

static void op_send(struct cluster *c, const struct controller_op *op, uint64_t token);

static void op_done(struct cluster *c, void *arg, int32_t session, const struct zk_result *r)
{
    c->ops_in_flight--;
    if (session != c->session) {
        return; // the controller has been told that it expired
    }
    struct cluster_op *next = STAILQ_FIRST(&c->ops_waiting);
    if (next != NULL) {
        STAILQ_REMOVE_HEAD(&c->ops_waiting, entry);
        op_send(c, &next->op, next->token);
        free(next);
    }
    uint64_t token = (uint64_t)(uintptr_t)arg;
    cluster_step(c, &(struct controller_event){.type = CONTROLLER_RESULT, .token = token, .result = r});
}

static void op_send(struct cluster *c, const struct controller_op *op, uint64_t token)
{
    struct cluster_call *call = cluster_call_new(c, op_done, (void *)(uintptr_t)token, c->session);
    c->ops_in_flight++;
    switch (op->type) {
    case CONTROLLER_OP_GET:
        zk_get(c->zk, op->path, op->watch, cluster_call_done, call);
        break;
    case CONTROLLER_OP_CHILDREN:
        zk_children(c->zk, op->path, op->watch, cluster_call_done, call);
        break;
    case CONTROLLER_OP_CREATE:
        zk_create(c->zk, op->path, op->data, ZK_PERSISTENT, cluster_call_done, call);
        break;
    case CONTROLLER_OP_MULTI:
        zk_multi(c->zk, op->ops, op->ops_count, cluster_call_done, call);
        break;
    }
}

static const char *copy_path(uint8_t **room, const char *path)
{
    if (path == NULL) {
        return NULL;
    }
    size_t len = strlen(path) + 1;
    const char *copy = memcpy(*room, path, len);
    *room += len;
    return copy;
}

static struct slice copy_data(uint8_t **room, struct slice data)
{
    if (data.len == 0) {
        return data.data == NULL ? data : slice_of("", 0);
    }
    struct slice copy = slice_of(memcpy(*room, data.data, data.len), data.len);
    *room += data.len;
    return copy;
}

static struct cluster_op *op_copy(const struct controller_op *op, uint64_t token)
{
    size_t len = op->data.len + (op->path == NULL ? 0 : strlen(op->path) + 1);
    for (int i = 0; i < op->ops_count; i++) {
        len += op->ops[i].data.len + strlen(op->ops[i].path) + 1;
    }
    struct cluster_op *copy = must_alloc(sizeof *copy + len);
    uint8_t *room = (uint8_t *)(copy + 1);
    copy->token = token;
    copy->op = *op;
    copy->op.path = copy_path(&room, op->path);
    copy->op.data = copy_data(&room, op->data);
    for (int i = 0; i < op->ops_count; i++) {
        copy->op.ops[i].path = copy_path(&room, op->ops[i].path);
        copy->op.ops[i].data = copy_data(&room, op->ops[i].data);
    }
    return copy;
}

// In order; what is too much at once waits.
static void execute_op(struct cluster *c, const struct controller_effect *e)
{
    if (c->ops_in_flight < CLUSTER_MAX_CALLS) {
        op_send(c, &e->op, e->token);
    } else {
        struct cluster_op *op = op_copy(&e->op, e->token);
        STAILQ_INSERT_TAIL(&c->ops_waiting, op, entry);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// What this broker is told

static struct cluster_answer *answer_new(const struct controller_effect *e)
{
    struct cluster_answer *a = must_alloc(sizeof *a);
    a->topic = must_strdup(e->topic);
    a->partitions = must_array((size_t)e->partitions_count, sizeof *a->partitions);
    a->errs = must_array((size_t)e->partitions_count, sizeof *a->errs);
    a->event = (struct controller_event){.type = CONTROLLER_ANSWER,
                                         .broker = e->broker,
                                         .topic = a->topic,
                                         .topic_id = e->topic_id,
                                         .stopped = e->type == CONTROLLER_STOP_REPLICA,
                                         .partitions = a->partitions,
                                         .errs = a->errs,
                                         .partitions_count = e->partitions_count};
    return a;
}

static void answer_free(struct cluster_answer *a)
{
    free(a->topic);
    free(a->partitions);
    free(a->errs);
    free(a);
}

void cluster_control_clear(struct cluster *c)
{
    while (!STAILQ_EMPTY(&c->ops_waiting)) {
        struct cluster_op *op = STAILQ_FIRST(&c->ops_waiting);
        STAILQ_REMOVE_HEAD(&c->ops_waiting, entry);
        free(op);
    }
    while (!STAILQ_EMPTY(&c->answers)) {
        struct cluster_answer *a = STAILQ_FIRST(&c->answers);
        STAILQ_REMOVE_HEAD(&c->answers, entry);
        answer_free(a);
    }
}

static void execute_leader_and_isr(struct cluster *c, const struct controller_effect *e)
{
    struct cluster_answer *a = answer_new(e);
    const struct topic_config *config = settings_find(c, e->topic);
    for (int32_t i = 0; i < e->partitions_count; i++) {
        const struct controller_partition *p = e->partitions[i];
        const struct cluster_partition_state s = {.topic = e->topic,
                                                  .topic_id = e->topic_id,
                                                  .partition = p->index,
                                                  .leader = p->leader,
                                                  .leader_epoch = p->leader_epoch,
                                                  .partition_epoch = p->version,
                                                  .isr = p->isr,
                                                  .isr_count = p->isr_count,
                                                  .replicas = p->replicas,
                                                  .replicas_count = p->replicas_count,
                                                  .is_new = e->is_new,
                                                  .config = config};
        a->partitions[i] = p->index;
        a->errs[i] = c->options.hooks.partition_changed(c->options.hooks.ctx, &s);
        if (a->errs[i] != ERR_OK) {
            log_error("cluster", "%s-%d is out of service on this broker: %s", e->topic, p->index,
                      err_text(a->errs[i]));
            jobs_replica_failed(c, e->topic);
        }
    }
    STAILQ_INSERT_TAIL(&c->answers, a, entry);
}

static void execute_stop_replica(struct cluster *c, const struct controller_effect *e)
{
    struct cluster_answer *a = answer_new(e);
    for (int32_t i = 0; i < e->partitions_count; i++) {
        a->partitions[i] = e->partitions[i]->index;
        a->errs[i] =
            c->options.hooks.partition_removed(c->options.hooks.ctx, e->topic, e->partitions[i]->index, e->erase);
    }
    if (e->erase) {
        STAILQ_INSERT_TAIL(&c->answers, a, entry);
    } else {
        answer_free(a); // nobody waits for it
    }
}

// ---------------------------------------------------------------------------------------------------------------
// The picture

static void picture_brokers(struct cluster *c, const struct controller_effect *e)
{
    struct arena *a = &c->effects.arena;
    struct metadata_broker *brokers = must_arena_array(a, (size_t)e->brokers_count, sizeof *brokers);
    for (int32_t i = 0; i < e->brokers_count; i++) {
        const struct znode_broker *info = &e->brokers[i]->info;
        struct metadata_endpoint *endpoints = must_arena_array(a, (size_t)info->endpoints_count, sizeof *endpoints);
        for (int32_t k = 0; k < info->endpoints_count; k++) {
            const struct znode_endpoint *from = &info->endpoints[k];
            endpoints[k] =
                (struct metadata_endpoint){.listener = from->listener, .host = from->host, .port = from->port};
        }
        brokers[i] = (struct metadata_broker){.id = e->brokers[i]->id,
                                              .rack = info->rack,
                                              .endpoints = endpoints,
                                              .endpoints_count = info->endpoints_count};
    }
    metadata_builder_set_brokers(c->builder, brokers, e->brokers_count);
}

static void picture_failed(struct cluster *c, const struct controller_partition *p, struct metadata_partition *out)
{
    out->failed = must_arena_array(&c->effects.arena, (size_t)p->replicas_count, sizeof *out->failed);
    for (int32_t i = 0; i < p->replicas_count; i++) {
        if (p->failed[i]) {
            out->failed[out->failed_count++] = p->replicas[i];
        }
    }
}

static void picture_topic(struct cluster *c, const struct controller_effect *e)
{
    struct metadata_partition *list = must_arena_array(&c->effects.arena, (size_t)e->partitions_count, sizeof *list);
    for (int32_t i = 0; i < e->partitions_count; i++) {
        const struct controller_partition *p = e->partitions[i];
        list[i] = (struct metadata_partition){.index = p->index,
                                              .leader = p->leader,
                                              .leader_epoch = p->leader_epoch,
                                              .replicas = (int32_t *)(uintptr_t)p->replicas, // copied
                                              .replicas_count = p->replicas_count,
                                              .isr = p->isr,
                                              .isr_count = p->isr_count};
        picture_failed(c, p, &list[i]);
    }
    struct metadata_topic t = {.name = e->topic,
                               .id = e->topic_id,
                               .internal = topic_name_internal(slice_str(e->topic)),
                               .partitions = list,
                               .partitions_count = e->partitions_count};
    metadata_builder_put_topic(c->builder, &t);
}

static void execute_update_metadata(struct cluster *c, const struct controller_effect *e)
{
    if (c->builder == NULL) {
        c->builder = metadata_builder_new(c->picture, c->id);
        metadata_builder_set_controller(c->builder, c->broker_id);
        picture_brokers(c, e);
    }
    if (e->topic != NULL && e->deleted) {
        metadata_builder_remove_topic(c->builder, e->topic);
        const struct metadata_topic *t = metadata_topic_find(c->picture, slice_str(e->topic));
        if (t != NULL && c->options.hooks.topic_deleted != NULL) {
            c->options.hooks.topic_deleted(c->options.hooks.ctx, e->topic, t->partitions_count);
        }
    } else if (e->topic != NULL) {
        picture_topic(c, e);
    }
}

// ---------------------------------------------------------------------------------------------------------------

static void execute_stood_by(struct cluster *c, const struct controller_effect *e)
{
    c->is_controller = false;
    log_error("cluster", "broker %d is the controller of this tree, which one broker alone can use", e->broker);
    cluster_fail(c, ERR_LOCKED, "the controller is another broker");
}

static void execute(struct cluster *c, const struct controller_effect *e)
{
    // Whom there is to tell is this broker alone.
    ASSERT((e->type != CONTROLLER_LEADER_AND_ISR && e->type != CONTROLLER_STOP_REPLICA &&
            e->type != CONTROLLER_UPDATE_METADATA) ||
           e->broker == c->broker_id);
    switch (e->type) {
    case CONTROLLER_ZK:
        execute_op(c, e);
        break;
    case CONTROLLER_LEADER_AND_ISR:
        execute_leader_and_isr(c, e);
        break;
    case CONTROLLER_STOP_REPLICA:
        execute_stop_replica(c, e);
        break;
    case CONTROLLER_UPDATE_METADATA:
        execute_update_metadata(c, e);
        break;
    case CONTROLLER_STOOD_BY:
        execute_stood_by(c, e);
        break;
    case CONTROLLER_READY:
        c->is_controller = true;
        c->ready_after_publish = true;
        break;
    case CONTROLLER_TOPIC_DELETED:
        settings_remove(c, e->topic);
        log_info("cluster", "topic %s is deleted", e->topic);
        jobs_topic_gone(c, e->topic);
        break;
    case CONTROLLER_DELETION_HELD:
        log_warn("cluster",
                 "topic %s is deleted but for a replica that could not be removed; the next start tries again",
                 e->topic);
        jobs_topic_gone(c, e->topic);
        break;
    case CONTROLLER_HAS_FAILED:
        cluster_fail(c, e->err, must_have(arena_printf(&c->effects.arena, "the controller failed while %s", e->what)));
        break;
    }
}

// One event with all its effects; the picture they make is published at once, so readers never see half of it.
static void step_once(struct cluster *c, const struct controller_event *e)
{
    controller_effects_reset(&c->effects);
    controller_step(c->controller, e, os_wall_ms(c->options.os), &c->effects);
    struct controller_effect *effect;
    STAILQ_FOREACH (effect, &c->effects.list, entry) {
        execute(c, effect);
    }
    if (c->builder != NULL) {
        const struct metadata *picture = metadata_builder_finish(c->builder);
        c->builder = NULL;
        cluster_publish(c, picture);
    }
    if (c->ready_after_publish) {
        c->ready_after_publish = false;
        cluster_opened(c, ERR_OK);
    }
}

void cluster_step(struct cluster *c, const struct controller_event *e)
{
    ASSERT(!c->stepping); // outcomes come through the tree's dispatch, never from inside an effect
    c->stepping = true;
    step_once(c, e);
    while (!STAILQ_EMPTY(&c->answers)) {
        struct cluster_answer *a = STAILQ_FIRST(&c->answers);
        STAILQ_REMOVE_HEAD(&c->answers, entry);
        step_once(c, &a->event);
        answer_free(a);
    }
    c->stepping = false;
}
