// SPDX-License-Identifier: Apache-2.0
//
// Carries the controller's words to brokers: effects of one step and kind go out as one request per broker, to other
// brokers through their channels, to this one by a direct call. What brokers answer comes back as events.
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/control_channel.h"
#include "broker/cluster/control_messages.h"
#include "broker/cluster/must.h"

// The channel to another broker.
struct control_line {
    int32_t broker;
    struct control_channel *channel;
    UT_hash_handle hh;
};

// ---------------------------------------------------------------------------------------------------------------
// Answers

static struct cluster_answer *answer_add(struct cluster *c, int32_t broker, bool stopped, int32_t partitions)
{
    struct cluster_answer *a = must_alloc(sizeof *a);
    a->partitions = must_array((size_t)partitions, sizeof *a->partitions);
    a->codes = must_array((size_t)partitions, sizeof *a->codes);
    a->event = (struct controller_event){.type = CONTROLLER_ANSWER,
                                         .broker = broker,
                                         .stopped = stopped,
                                         .partitions = a->partitions,
                                         .codes = a->codes,
                                         .partitions_count = partitions};
    STAILQ_INSERT_TAIL(&c->answers, a, entry);
    return a;
}

static void leaders_answered(struct cluster *c, int32_t broker, const struct leader_and_isr_response *r)
{
    for (int32_t i = 0; i < r->topics_count; i++) {
        const struct leader_and_isr_response_leader_and_isr_topic_error *t = &r->topics[i];
        struct cluster_answer *a = answer_add(c, broker, false, t->partition_errors_count);
        a->event.topic_id = t->topic_id;
        for (int32_t k = 0; k < t->partition_errors_count; k++) {
            a->partitions[k] = t->partition_errors[k].partition_index;
            a->codes[k] = t->partition_errors[k].error_code;
        }
    }
}

// Partitions of one topic stand together.
static void stops_answered(struct cluster *c, int32_t broker, const struct stop_replica_response *r)
{
    for (int32_t i = 0, end; i < r->partition_errors_count; i = end) {
        struct slice topic = r->partition_errors[i].topic_name;
        end = i;
        while (end < r->partition_errors_count && slice_equal(r->partition_errors[end].topic_name, topic)) {
            end++;
        }
        struct cluster_answer *a = answer_add(c, broker, true, end - i);
        char *name = must_alloc(topic.len + 1);
        memcpy(name, topic.data, topic.len);
        a->event.topic = a->topic = name;
        for (int32_t k = i; k < end; k++) {
            a->partitions[k - i] = r->partition_errors[k].partition_index;
            a->codes[k - i] = r->partition_errors[k].error_code;
        }
    }
}

// A request that was refused as a whole says nothing of partitions: who refuses it knows of a newer controller, or is
// not the one that was meant, and either will be seen in the tree.
static void answered(void *ctx, int32_t broker, int16_t key, bool erase, const void *response)
{
    struct cluster *c = ctx;
    const int16_t *code = response; // each of the three begins with it
    if (*code != KAFKA_ERROR_NONE) {
        log_warn("cluster", "broker %d refuses what this controller says (%s, error %d)", broker,
                 protocol_api_find(key)->name, *code);
    } else if (key == KEY_LEADER_AND_ISR) {
        leaders_answered(c, broker, response);
    } else if (key == KEY_STOP_REPLICA && erase) {
        stops_answered(c, broker, response);
    }
    cluster_run(c);
}

// ---------------------------------------------------------------------------------------------------------------
// Lines

static void behind(void *ctx, int32_t broker)
{
    cluster_step(ctx, &(struct controller_event){.type = CONTROLLER_BEHIND, .broker = broker});
}

static struct control_line *line_find(const struct cluster *c, int32_t broker)
{
    struct control_line *l;
    HASH_FIND_INT(c->lines, &broker, l);
    return l;
}

static void line_drop(struct cluster *c, struct control_line *l)
{
    if (l != NULL) {
        HASH_DEL(c->lines, l);
        control_channel_free(l->channel);
        free(l);
    }
}

static void line_add(struct cluster *c, const struct controller_broker *b)
{
    const struct znode_endpoint *at = control_endpoint(&b->info, c->options.inter_broker_listener);
    if (at == NULL) {
        log_error("cluster", "broker %d has no listener %s: it cannot be told anything", b->id,
                  c->options.inter_broker_listener);
        return;
    }
    char client_id[16];
    snprintf(client_id, sizeof client_id, "%d", c->broker_id);
    const struct control_channel_options o = {.loop = c->loop,
                                              .pool = c->options.pool,
                                              .host = at->host,
                                              .port = (uint16_t)at->port,
                                              .broker = b->id,
                                              .client_id = client_id,
                                              .timeout_ms = c->options.controller_timeout_ms,
                                              .on_answer = answered,
                                              .on_behind = behind,
                                              .ctx = c};
    struct control_line *l = must_alloc(sizeof *l);
    l->broker = b->id;
    l->channel = control_channel_new(&o);
    must_have(l->channel);
    HASH_ADD_INT(c->lines, broker, l);
}

void control_broker_joined(struct cluster *c, const struct controller_effect *e)
{
    control_flush(c);
    for (int32_t i = 0; i < e->brokers_count; i++) {
        if (e->brokers[i]->id == e->broker && e->broker != c->broker_id) {
            line_drop(c, line_find(c, e->broker));
            line_add(c, e->brokers[i]);
        }
    }
}

void control_broker_left(struct cluster *c, int32_t broker)
{
    control_flush(c);
    line_drop(c, line_find(c, broker));
}

void control_clear(struct cluster *c)
{
    struct control_line *l, *next;
    HASH_ITER (hh, c->lines, l, next) {
        line_drop(c, l);
    }
    c->tells_count = 0;
}

// ---------------------------------------------------------------------------------------------------------------
// Sending

static void own_answered(struct cluster *c, struct cluster_job *j)
{
    if (j->err == ERR_OK) {
        answered(c, c->broker_id, j->control.key, j->control.erase, j->control.response);
    }
}

// The same message by a direct call.
static void own_send(struct cluster *c, int16_t key, int16_t version, bool erase, const void *request)
{
    struct cluster_job *j = job_new_own(c, CLUSTER_CONTROL);
    struct writer w;
    writer_init(&w, 1024, INT32_MAX);
    enum err err = message_encode(protocol_api_find(key)->request, version, request, &w, NULL);
    ASSERT(err == ERR_OK);
    j->control = (struct cluster_control){.key = key,
                                          .version = version,
                                          .erase = erase,
                                          .body = slice_of(must_arena_copy(&j->arena, w.data, w.len), w.len)};
    j->on_done = own_answered;
    writer_release(&w);
    control_receive(c, j);
}

static void request_send(struct cluster *c, int32_t broker, int16_t key, int16_t version, bool erase,
                         const void *request)
{
    struct control_line *l = line_find(c, broker);
    if (broker == c->broker_id) {
        own_send(c, key, version, erase, request);
    } else if (l != NULL) {
        control_channel_send(l->channel, key, version, erase, request);
    }
}

// Effects of one rank are one request; a request of a lower rank leaves earlier.
static int rank_of(const struct controller_effect *e)
{
    switch (e->type) {
    case CONTROLLER_LEADER_AND_ISR:
        return 0;
    case CONTROLLER_UPDATE_METADATA:
        return 1;
    default:
        return e->erase ? 3 : 2;
    }
}

static void requests_make(struct cluster *c, const struct controller_effect *const *list, int32_t count)
{
    const struct control_sender from = {.controller_id = c->broker_id, .listener = c->options.inter_broker_listener};
    struct arena *a = &c->effects.arena;
    int32_t broker = list[0]->broker;
    switch (list[0]->type) {
    case CONTROLLER_LEADER_AND_ISR:
        request_send(c, broker, KEY_LEADER_AND_ISR, CONTROL_LEADER_AND_ISR_VERSION, false,
                     control_leader_and_isr(&from, list, count, a));
        break;
    case CONTROLLER_UPDATE_METADATA:
        request_send(c, broker, KEY_UPDATE_METADATA, CONTROL_UPDATE_METADATA_VERSION, false,
                     control_update_metadata(&from, list, count, a));
        break;
    default:
        request_send(c, broker, KEY_STOP_REPLICA, CONTROL_STOP_REPLICA_VERSION, list[0]->erase,
                     control_stop_replica(&from, list, count, a));
    }
}

// Takes the effects of the same rank and broker as `first` out of the list.
static int32_t effects_gather(const struct controller_effect **tells, int32_t count, int32_t first,
                              const struct controller_effect **out)
{
    const struct controller_effect *like = tells[first];
    int32_t n = 0;
    for (int32_t i = first; i < count; i++) {
        if (tells[i] != NULL && rank_of(tells[i]) == rank_of(like) && tells[i]->broker == like->broker) {
            out[n++] = tells[i];
            tells[i] = NULL;
        }
    }
    return n;
}

void control_flush(struct cluster *c)
{
    struct arena *a = &c->effects.arena;
    int32_t count = c->tells_count;
    const struct controller_effect **tells = must_arena_copy(a, c->tells, (size_t)count * sizeof *c->tells);
    c->tells_count = 0;
    for (int32_t i = 0; i < count; i++) {
        if (tells[i] != NULL) {
            const struct controller_effect **list = must_arena_array(a, (size_t)(count - i), sizeof *list);
            int32_t n = effects_gather(tells, count, i, list);
            requests_make(c, list, n);
        }
    }
}

void control_tell(struct cluster *c, const struct controller_effect *e)
{
    if (c->tells_count > 0 && rank_of(c->tells[c->tells_count - 1]) > rank_of(e)) {
        control_flush(c);
    }
    c->tells = must_grow(c->tells, c->tells_count, &c->tells_capacity, sizeof *c->tells);
    c->tells[c->tells_count++] = e;
}
