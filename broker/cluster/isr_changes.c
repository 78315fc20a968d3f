// SPDX-License-Identifier: Apache-2.0
//
// Changes of in-sync replicas on their way from leaders on this broker to the controller: collected, sent together, one
// request at a time, and sent again after a moment as long as there is no answer (Kafka's AlterPartitionManager). What
// is wrong with a change itself is the answer its leader gets.
#include <stdlib.h>

#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/controller_link.h"
#include "broker/cluster/must.h"
#include "protocol/protocol.h"

#define ISR_RETRY_MS    50
#define ISR_BATCH_MAX   10000 // changes in one request
#define ISR_ARENA_LIMIT ((size_t)256 * 1024 * 1024)

// A partition, without padding.
struct isr_key {
    struct uuid topic_id;
    int32_t partition;
};

struct isr_change {
    struct mailbox_item item; // first: brings it to the control thread
    STAILQ_ENTRY(isr_change) entry;
    struct cluster *cluster;
    struct cluster_isr_change change; // its texts and lists lie behind it
    struct isr_key key;
    UT_hash_handle hh; // while a request is filled
};

// ---------------------------------------------------------------------------------------------------------------
// Answers

static void change_finish(struct cluster *c, struct isr_change *x, enum err err,
                          const struct controller_isr_change *now)
{
    const struct cluster_hooks *h = &c->options.hooks;
    struct cluster_isr_answer a = {
        .topic = x->change.topic, .partition = x->change.partition, .err = err, .leader_epoch = x->change.leader_epoch};
    if (err == ERR_OK) {
        a.leader = now->leader;
        a.leader_epoch = now->new_leader_epoch;
        a.partition_epoch = now->new_partition_epoch;
        a.isr = now->new_isr;
        a.isr_count = now->new_isr_count;
        a.recovering = now->new_recovery_state == ZNODE_RECOVERING;
    }
    if (h->isr_answered != NULL) {
        h->isr_answered(h->ctx, &a);
    }
    free(x);
}

// ERR_AGAIN: not the change is wrong; it is to be sent again.
static enum err change_err(int16_t code)
{
    switch (code) {
    case KAFKA_ERROR_NONE:
        return ERR_OK;
    case KAFKA_ERROR_FENCED_LEADER_EPOCH:
    case KAFKA_ERROR_NEW_LEADER_ELECTED:
        return ERR_FENCED_EPOCH;
    case KAFKA_ERROR_INVALID_UPDATE_VERSION:
        return ERR_BAD_VERSION;
    case KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_ERROR_UNKNOWN_TOPIC_ID:
        return ERR_NOT_FOUND;
    case KAFKA_ERROR_INELIGIBLE_REPLICA:
    case KAFKA_ERROR_OPERATION_NOT_ATTEMPTED:
        return ERR_INELIGIBLE;
    case KAFKA_ERROR_INVALID_REQUEST:
        return ERR_INVALID;
    default:
        return ERR_AGAIN;
    }
}

static void retry_later(struct cluster *c)
{
    timer_set(&c->isr_retry, ISR_RETRY_MS);
}

void isr_changes_answered(struct cluster *c, struct controller_request *r)
{
    struct isr_change_list sent = STAILQ_HEAD_INITIALIZER(sent), again = STAILQ_HEAD_INITIALIZER(again);
    STAILQ_CONCAT(&sent, &c->isr_sent);
    for (int32_t i = 0; !STAILQ_EMPTY(&sent); i++) {
        struct isr_change *x = STAILQ_FIRST(&sent);
        STAILQ_REMOVE_HEAD(&sent, entry);
        enum err err = r->error_code == KAFKA_ERROR_NONE ? change_err(r->changes[i].error_code) : ERR_AGAIN;
        if (err == ERR_AGAIN) {
            STAILQ_INSERT_TAIL(&again, x, entry);
        } else {
            change_finish(c, x, err, &r->changes[i]);
        }
    }
    if (STAILQ_EMPTY(&again)) {
        isr_changes_send(c);
        return;
    }
    log_debug("cluster", "in-sync replicas could not be changed now (error %d)", r->error_code);
    STAILQ_CONCAT(&again, &c->isr_waiting);
    STAILQ_CONCAT(&c->isr_waiting, &again);
    retry_later(c);
}

// ---------------------------------------------------------------------------------------------------------------
// Sending

// Moves to isr_sent what one request may say: of each partition one change. A leader of a newer epoch may have asked
// again before what it asked for in an older one was answered; the answers could not be told apart.
static int32_t changes_take(struct cluster *c)
{
    struct isr_change_list left = STAILQ_HEAD_INITIALIZER(left);
    struct isr_change *taken = NULL, *x;
    int32_t count = 0;
    while (count < ISR_BATCH_MAX && (x = STAILQ_FIRST(&c->isr_waiting)) != NULL) {
        struct isr_change *same;
        STAILQ_REMOVE_HEAD(&c->isr_waiting, entry);
        HASH_FIND(hh, taken, &x->key, sizeof x->key, same);
        if (same != NULL) {
            STAILQ_INSERT_TAIL(&left, x, entry);
            continue;
        }
        HASH_ADD(hh, taken, key, sizeof x->key, x);
        STAILQ_INSERT_TAIL(&c->isr_sent, x, entry);
        count++;
    }
    HASH_CLEAR(hh, taken);
    STAILQ_CONCAT(&left, &c->isr_waiting);
    STAILQ_CONCAT(&c->isr_waiting, &left);
    return count;
}

static void request_fill(struct cluster *c)
{
    int32_t count = changes_take(c);
    arena_reset(&c->isr_arena);
    c->isr_request = (struct controller_request){.type = CONTROLLER_ALTER_PARTITIONS,
                                                 .arena = &c->isr_arena,
                                                 .broker = c->broker_id,
                                                 .broker_epoch = atomic_load(&c->broker_epoch),
                                                 .ineligible_known = true};
    struct controller_isr_change *list = must_arena_array(&c->isr_arena, (size_t)count, sizeof *list);
    c->isr_request.changes = list;
    struct isr_change *x;
    STAILQ_FOREACH (x, &c->isr_sent, entry) {
        list[c->isr_request.changes_count++] = (struct controller_isr_change){
            .topic = x->change.topic,
            .topic_id = x->change.topic_id,
            .partition = x->change.partition,
            .leader_epoch = x->change.leader_epoch,
            .partition_epoch = x->change.partition_epoch,
            .isr = x->change.isr,
            .isr_count = x->change.isr_count,
            .recovery_state = x->change.recovering ? ZNODE_RECOVERING : ZNODE_RECOVERED,
        };
    }
}

// ---------------------------------------------------------------------------------------------------------------
// To another broker

#define ALTER_PARTITION_KEY     56
#define ALTER_PARTITION_VERSION 3 // of Kafka 3.9's inter.broker.protocol.version; with topic ids

static void not_sent(struct cluster *c)
{
    c->isr_request.error_code = KAFKA_ERROR_NOT_CONTROLLER;
    isr_changes_answered(c, &c->isr_request);
}

static struct controller_isr_change *change_find(struct controller_request *r, const struct uuid *topic_id,
                                                 int32_t partition)
{
    for (int32_t i = 0; i < r->changes_count; i++) {
        if (r->changes[i].partition == partition && uuid_equal(&r->changes[i].topic_id, topic_id)) {
            return &r->changes[i];
        }
    }
    return NULL;
}

static void change_take(struct controller_isr_change *change, const struct alter_partition_response_partition_data *p,
                        struct arena *a)
{
    change->error_code = p->error_code;
    change->leader = p->leader_id;
    change->new_leader_epoch = p->leader_epoch;
    change->new_partition_epoch = p->partition_epoch;
    change->new_recovery_state = p->leader_recovery_state;
    change->new_isr = must_arena_copy(a, p->isr, (size_t)p->isr_count * sizeof *p->isr);
    change->new_isr_count = p->isr_count;
}

// A change the answer does not speak of is sent again.
static void remote_answered(struct cluster *c, enum err err, const void *response)
{
    const struct alter_partition_response *in = response;
    struct controller_request *r = &c->isr_request;
    if (STAILQ_EMPTY(&c->isr_sent)) {
        return; // the cluster closes
    }
    r->error_code = err != ERR_OK ? KAFKA_ERROR_NOT_CONTROLLER : in->error_code;
    for (int32_t i = 0; i < r->changes_count; i++) {
        r->changes[i].error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    }
    for (int32_t t = 0; err == ERR_OK && t < in->topics_count; t++) {
        for (int32_t i = 0; i < in->topics[t].partitions_count; i++) {
            const struct alter_partition_response_partition_data *p = &in->topics[t].partitions[i];
            struct controller_isr_change *change = change_find(r, &in->topics[t].topic_id, p->partition_index);
            if (change != NULL) {
                change_take(change, p, &c->isr_arena);
            }
        }
    }
    isr_changes_answered(c, r);
}

// One topic per change: a request holds few, and the receiver does not mind.
static void topic_fill(const struct controller_isr_change *change, struct arena *a,
                       struct alter_partition_request_topic_data *t)
{
    alter_partition_request_topic_data_init(t);
    t->topic_id = change->topic_id;
    t->partitions = must_arena_array(a, 1, sizeof *t->partitions);
    t->partitions_count = 1;
    struct alter_partition_request_partition_data *p = t->partitions;
    alter_partition_request_partition_data_init(p);
    p->partition_index = change->partition;
    p->leader_epoch = change->leader_epoch;
    p->partition_epoch = change->partition_epoch;
    p->leader_recovery_state = (int8_t)change->recovery_state;
    p->new_isr_with_epochs = must_arena_array(a, (size_t)change->isr_count, sizeof *p->new_isr_with_epochs);
    p->new_isr_with_epochs_count = change->isr_count;
    for (int32_t i = 0; i < change->isr_count; i++) {
        alter_partition_request_broker_state_init(&p->new_isr_with_epochs[i]);
        p->new_isr_with_epochs[i].broker_id = change->isr[i];
    }
}

static enum err remote_send(struct cluster *c)
{
    struct alter_partition_request request;
    alter_partition_request_init(&request);
    request.broker_id = c->broker_id;
    request.broker_epoch = c->isr_request.broker_epoch;
    request.topics_count = c->isr_request.changes_count;
    request.topics = must_arena_array(&c->isr_arena, (size_t)request.topics_count, sizeof *request.topics);
    for (int32_t i = 0; i < request.topics_count; i++) {
        topic_fill(&c->isr_request.changes[i], &c->isr_arena, &request.topics[i]);
    }
    return controller_link_send(c, ALTER_PARTITION_KEY, ALTER_PARTITION_VERSION, &request, remote_answered);
}

void isr_changes_send(struct cluster *c)
{
    if (!STAILQ_EMPTY(&c->isr_sent) || STAILQ_EMPTY(&c->isr_waiting)) {
        return;
    }
    timer_clear(&c->isr_retry);
    request_fill(c);
    if (c->is_controller) {
        cluster_ask(c, &c->isr_request);
    } else if (remote_send(c) != ERR_OK) {
        not_sent(c);
    }
}

static void on_retry(void *ctx)
{
    struct cluster *c = ctx;
    if (c->state == CLUSTER_FAILED) {
        isr_changes_close(c);
    } else {
        isr_changes_send(c);
    }
}

static void change_run(struct mailbox_item *item)
{
    struct isr_change *x = (struct isr_change *)item;
    struct cluster *c = x->cluster;
    if (c->state == CLUSTER_CLOSED || c->state == CLUSTER_FAILED) {
        change_finish(c, x, ERR_CLOSED, NULL);
        return;
    }
    STAILQ_INSERT_TAIL(&c->isr_waiting, x, entry);
    isr_changes_send(c);
}

enum err cluster_alter_isr(struct cluster *c, const struct cluster_isr_change *change)
{
    size_t name_len = strlen(change->topic) + 1, isr_len = (size_t)change->isr_count * sizeof *change->isr;
    struct isr_change *x = calloc(1, sizeof *x + isr_len + name_len);
    if (x == NULL) {
        return ERR_NO_MEMORY;
    }
    x->item.run = change_run;
    x->cluster = c;
    x->change = *change;
    x->key = (struct isr_key){.topic_id = change->topic_id, .partition = change->partition};
    x->change.isr = memcpy(x + 1, change->isr, isr_len);
    x->change.topic = memcpy((uint8_t *)(x + 1) + isr_len, change->topic, name_len);
    mutex_lock(&c->gate_mu);
    bool stopping = c->stopping;
    mutex_unlock(&c->gate_mu);
    if (stopping) {
        free(x);
        return ERR_CLOSED;
    }
    loop_post(c->loop, &x->item);
    return ERR_OK;
}

// ---------------------------------------------------------------------------------------------------------------
// Life

enum err isr_changes_init(struct cluster *c)
{
    arena_init(&c->isr_arena, ISR_ARENA_LIMIT);
    return timer_init(&c->isr_retry, c->loop, on_retry, c);
}

void isr_changes_close(struct cluster *c)
{
    STAILQ_CONCAT(&c->isr_sent, &c->isr_waiting);
    while (!STAILQ_EMPTY(&c->isr_sent)) {
        struct isr_change *x = STAILQ_FIRST(&c->isr_sent);
        STAILQ_REMOVE_HEAD(&c->isr_sent, entry);
        change_finish(c, x, ERR_CLOSED, NULL);
    }
}

void isr_changes_release(struct cluster *c)
{
    timer_release(&c->isr_retry);
    arena_release(&c->isr_arena);
}
