// SPDX-License-Identifier: Apache-2.0
//
// Runs the controller: carries out its effects in order and feeds back what comes of them.
#include <stdlib.h>

#include "base/assert.h"
#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/must.h"
#include "protocol/protocol.h"
#include "zk/zk.h"

#define REBALANCE_FIRST_MS 5000 // after a broker has become the controller

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
    case CONTROLLER_OP_EXISTS:
        zk_exists(c->zk, op->path, op->watch, cluster_call_done, call);
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
// Effects

static void answer_free(struct cluster_answer *a)
{
    free(a->topic);
    free(a->partitions);
    free(a->codes);
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

static void resigned(struct cluster *c)
{
    if (c->is_controller) {
        log_info("cluster", "this broker is the controller no longer");
    }
    c->is_controller = false;
    timer_clear(&c->rebalance);
    control_clear(c);
}

static void rebalance_begin(struct cluster *c)
{
    if (c->options.leader_imbalance_check_ms > 0) {
        timer_set(&c->rebalance, REBALANCE_FIRST_MS);
    }
}

// What is done for it leads to UpdateMetadata; who has asked hears of it after this broker has.
static void answered(struct cluster *c, struct controller_request *r)
{
    control_flush(c);
    if (r == &c->isr_request) {
        isr_changes_answered(c, r);
    } else {
        job_answered(c, r);
    }
}

static void execute(struct cluster *c, const struct controller_effect *e)
{
    switch (e->type) {
    case CONTROLLER_ZK:
        execute_op(c, e);
        break;
    case CONTROLLER_LEADER_AND_ISR:
    case CONTROLLER_STOP_REPLICA:
    case CONTROLLER_UPDATE_METADATA:
        control_tell(c, e);
        break;
    case CONTROLLER_BROKER_JOINED:
        control_broker_joined(c, e);
        break;
    case CONTROLLER_BROKER_LEFT:
        log_info("cluster", "broker %d is gone", e->broker);
        control_broker_left(c, e->broker);
        break;
    case CONTROLLER_RESIGNED:
        resigned(c);
        break;
    case CONTROLLER_STOOD_BY:
        log_info("cluster", "broker %d is the controller", e->broker);
        c->is_ready = true;
        break;
    case CONTROLLER_ANSWERED:
        answered(c, e->request);
        break;
    case CONTROLLER_READY:
        log_info("cluster", "this broker is the controller, epoch %d", e->controller_epoch);
        c->is_controller = c->is_ready = true;
        rebalance_begin(c);
        timer_set(&c->isr_retry, 0); // what has waited for a controller
        break;
    case CONTROLLER_TOPIC_DELETED:
        settings_remove(c, e->topic);
        log_info("cluster", "topic %s is deleted", e->topic);
        jobs_topic_gone(c, e->topic);
        break;
    case CONTROLLER_DELETION_HELD:
        log_warn("cluster",
                 "topic %s is deleted but for a replica that cannot be removed now; its broker is asked again when it "
                 "comes back",
                 e->topic);
        jobs_topic_gone(c, e->topic);
        break;
    case CONTROLLER_HAS_FAILED:
        cluster_fail(c, e->err, must_have(arena_printf(&c->effects.arena, "the controller failed while %s", e->what)));
        break;
    }
}

// One event with all its effects, in order; what is said to brokers leaves at the end, one request for each.
static void step_once(struct cluster *c, const struct controller_event *e)
{
    controller_effects_reset(&c->effects);
    controller_step(c->controller, e, os_wall_ms(c->options.os), &c->effects);
    struct controller_effect *effect;
    STAILQ_FOREACH (effect, &c->effects.list, entry) {
        execute(c, effect);
    }
    control_flush(c);
    if (c->is_ready) {
        c->is_ready = false;
        cluster_opened(c, ERR_OK);
    }
}

// What has come up meanwhile.
static void steps_finish(struct cluster *c)
{
    while (!STAILQ_EMPTY(&c->answers) || !STAILQ_EMPTY(&c->asked)) {
        struct cluster_answer *a = STAILQ_FIRST(&c->answers);
        if (a != NULL) {
            STAILQ_REMOVE_HEAD(&c->answers, entry);
            step_once(c, &a->event);
            answer_free(a);
            continue;
        }
        struct controller_request *r = STAILQ_FIRST(&c->asked);
        STAILQ_REMOVE_HEAD(&c->asked, entry);
        step_once(c, &(struct controller_event){.type = CONTROLLER_ASKED, .request = r});
    }
}

static void on_rebalance(void *ctx)
{
    struct cluster *c = ctx;
    timer_set(&c->rebalance, c->options.leader_imbalance_check_ms);
    cluster_step(c, &(struct controller_event){.type = CONTROLLER_REBALANCE});
}

enum err cluster_control_init(struct cluster *c)
{
    return timer_init(&c->rebalance, c->loop, on_rebalance, c);
}

void cluster_step(struct cluster *c, const struct controller_event *e)
{
    ASSERT(!c->stepping); // outcomes come through the tree's dispatch, never from inside an effect
    c->stepping = true;
    step_once(c, e);
    steps_finish(c);
    c->stepping = false;
}

void cluster_ask(struct cluster *c, struct controller_request *r)
{
    STAILQ_INSERT_TAIL(&c->asked, r, entry);
    cluster_run(c);
}

void cluster_run(struct cluster *c)
{
    if (!c->stepping) {
        c->stepping = true;
        steps_finish(c);
        c->stepping = false;
    }
}
