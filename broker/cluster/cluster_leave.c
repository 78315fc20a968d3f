// SPDX-License-Identifier: Apache-2.0
//
// Controlled shutdown: before this broker goes it asks the controller to have others lead what it leads (Kafka's
// KafkaServer.controlledShutdown). While it asks it serves as ever; whatever comes of it, it goes in the end.
#include <stdlib.h>

#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/controller_link.h"
#include "broker/cluster/must.h"

#define CONTROLLED_SHUTDOWN_KEY     7
#define CONTROLLED_SHUTDOWN_VERSION 3

static void leave_try(struct cluster *c);

static void leave_done(struct cluster *c)
{
    timer_release(&c->leave.timer);
    mutex_lock(&c->gate_mu);
    c->leave.done = true;
    cond_broadcast(&c->gate_cond);
    mutex_unlock(&c->gate_mu);
}

// One answer, or that there is none (code of no success).
static void leave_answered(struct cluster *c, int16_t code, int32_t remaining)
{
    if (code == KAFKA_ERROR_NONE && remaining == 0) {
        log_info("cluster", "others lead what this broker has led; it may go");
        leave_done(c);
        return;
    }
    log_warn("cluster", "the controller does not let this broker go yet: error %d, %d partitions have no other leader",
             code, remaining);
    if (--c->leave.tries_left <= 0) {
        log_warn("cluster", "this broker goes all the same");
        leave_done(c);
    } else {
        timer_set(&c->leave.timer, c->leave.backoff_ms);
    }
}

static void own_answered(struct cluster *c, struct cluster_job *j)
{
    leave_answered(c, j->request.error_code, j->request.remaining_count);
}

static void remote_answered(struct cluster *c, enum err err, const void *response)
{
    const struct controlled_shutdown_response *r = response;
    if (err != ERR_OK) {
        leave_answered(c, KAFKA_ERROR_NETWORK_EXCEPTION, 0);
    } else {
        leave_answered(c, r->error_code, r->remaining_partitions_count);
    }
}

static void leave_try(struct cluster *c)
{
    if (c->state != CLUSTER_OPEN) {
        leave_done(c);
        return;
    }
    if (c->is_controller) {
        struct cluster_job *j = job_new_own(c, CLUSTER_ASK);
        j->request.type = CONTROLLER_SHUTDOWN;
        j->request.broker = c->broker_id;
        j->request.broker_epoch = atomic_load(&c->broker_epoch);
        j->on_done = own_answered;
        job_ask(c, j);
        return;
    }
    struct controlled_shutdown_request request;
    controlled_shutdown_request_init(&request);
    request.broker_id = c->broker_id;
    request.broker_epoch = atomic_load(&c->broker_epoch);
    enum err err =
        controller_link_send(c, CONTROLLED_SHUTDOWN_KEY, CONTROLLED_SHUTDOWN_VERSION, &request, remote_answered);
    if (err != ERR_OK) {
        leave_answered(c, KAFKA_ERROR_BROKER_NOT_AVAILABLE, 0);
    }
}

static void on_timer(void *ctx)
{
    leave_try(ctx);
}

// Alone there is nobody to lead.
static void leave_begin(struct mailbox_item *item)
{
    struct cluster *c = (struct cluster *)((char *)item - offsetof(struct cluster, leave.item));
    if (metadata_brokers_count(c->picture) < 2 || timer_init(&c->leave.timer, c->loop, on_timer, c) != ERR_OK) {
        leave_done(c);
    } else {
        log_info("cluster", "asking the controller to have others lead, for %lld s at most",
                 (long long)c->leave.limit_ms / 1000);
        leave_try(c);
    }
}

void leave_close(struct cluster *c)
{
    timer_release(&c->leave.timer);
}

// All tries take no longer: each may wait for an answer, and rests then. The settings may be any numbers.
static int64_t limit_of(const struct cluster *c, int32_t max_tries, int64_t backoff_ms, int64_t max_ms)
{
    int64_t ms;
    bool longer = __builtin_add_overflow(c->options.controller_timeout_ms, backoff_ms, &ms) ||
                  __builtin_mul_overflow(ms, (int64_t)max_tries, &ms) || ms > max_ms;
    return longer ? max_ms : ms;
}

void cluster_ask_leave(struct cluster *c, int32_t max_tries, int64_t backoff_ms, int64_t max_ms)
{
    c->leave.limit_ms = limit_of(c, max_tries, backoff_ms, max_ms);
    int64_t until_us = os_mono_us(c->options.os) + c->leave.limit_ms * 1000;
    bool in_time = true;
    c->leave.item.run = leave_begin;
    c->leave.tries_left = max_tries;
    c->leave.backoff_ms = backoff_ms;
    loop_post(c->loop, &c->leave.item);
    mutex_lock(&c->gate_mu);
    while (!c->leave.done && in_time) {
        in_time = cond_wait_until(&c->gate_cond, &c->gate_mu, until_us);
    }
    bool done = c->leave.done;
    mutex_unlock(&c->gate_mu);
    if (!done) {
        log_warn("cluster", "the controller has not answered in time; this broker goes all the same");
    }
}
