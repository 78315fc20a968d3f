// SPDX-License-Identifier: Apache-2.0
//
// UpdateMetadata: the picture of the cluster as the controller paints it. Who lives is replaced as a whole; of
// partitions only those that are named change. The configs of topics nobody here has heard of are asked for, and not
// waited for.
#include <stdlib.h>

#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/control_messages.h"
#include "broker/cluster/must.h"
#include "zk/zk.h"

static const char *text(struct cluster_job *j, struct slice s)
{
    return must_have(arena_strndup(&j->arena, s.data, s.len));
}

// ---------------------------------------------------------------------------------------------------------------
// Brokers

// Before version 3 a listener is called by its protocol.
static const char *listener_of(struct cluster_job *j, const struct update_metadata_request_update_metadata_endpoint *e)
{
    static const char *const names[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};
    bool known = e->security_protocol >= 0 && e->security_protocol < (int16_t)(sizeof names / sizeof *names);
    return j->control.version >= 3 ? text(j, e->listener) : known ? names[e->security_protocol] : "";
}

static void broker_take(struct cluster_job *j, const struct update_metadata_request_update_metadata_broker *b,
                        struct metadata_broker *out)
{
    int32_t count = j->control.version == 0 ? 1 : b->endpoints_count;
    struct metadata_endpoint *list = must_arena_array(&j->arena, (size_t)count, sizeof *list);
    for (int32_t i = 0; i < b->endpoints_count; i++) {
        list[i] = (struct metadata_endpoint){.listener = listener_of(j, &b->endpoints[i]),
                                             .host = text(j, b->endpoints[i].host),
                                             .port = b->endpoints[i].port};
    }
    if (j->control.version == 0) {
        list[0] = (struct metadata_endpoint){.listener = "PLAINTEXT", .host = text(j, b->v0_host), .port = b->v0_port};
    }
    *out = (struct metadata_broker){.id = b->id,
                                    .rack = b->rack.data == NULL ? NULL : text(j, b->rack),
                                    .endpoints = list,
                                    .endpoints_count = count};
}

static void brokers_take(struct cluster_job *j, const struct update_metadata_request *in, struct metadata_builder *b)
{
    struct metadata_broker *list = must_arena_array(&j->arena, (size_t)in->live_brokers_count, sizeof *list);
    for (int32_t i = 0; i < in->live_brokers_count; i++) {
        broker_take(j, &in->live_brokers[i], &list[i]);
    }
    metadata_builder_set_brokers(b, list, in->live_brokers_count);
}

// ---------------------------------------------------------------------------------------------------------------
// Topics

static int partition_order(const void *a, const void *b)
{
    const struct metadata_partition *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static void topic_remove(struct cluster *c, struct metadata_builder *b, const char *name)
{
    const struct metadata_topic *t = metadata_topic_find(c->picture, slice_str(name));
    metadata_builder_remove_topic(b, name);
    if (t != NULL && c->options.hooks.topic_deleted != NULL) {
        c->options.hooks.topic_deleted(c->options.hooks.ctx, name, t->partitions_count);
    }
    settings_remove(c, name);
}

// A topic goes as a whole: the controller tells of all its partitions then.
static void topic_take(struct cluster *c, struct cluster_job *j,
                       const struct update_metadata_request_update_metadata_topic_state *t, struct metadata_builder *b)
{
    struct metadata_partition *list = must_arena_array(&j->arena, (size_t)t->partition_states_count, sizeof *list);
    int32_t count = 0;
    for (int32_t i = 0; i < t->partition_states_count; i++) {
        const struct update_metadata_request_update_metadata_partition_state *p = &t->partition_states[i];
        if (p->leader == LEADER_DURING_DELETE || p->partition_index < 0 || p->partition_index > TOPIC_MAX_PARTITIONS) {
            continue;
        }
        list[count++] = (struct metadata_partition){.index = p->partition_index,
                                                    .leader = p->leader,
                                                    .leader_epoch = p->leader_epoch,
                                                    .replicas = p->replicas,
                                                    .replicas_count = p->replicas_count,
                                                    .isr = p->isr,
                                                    .isr_count = p->isr_count,
                                                    .failed = p->offline_replicas,
                                                    .failed_count = p->offline_replicas_count};
    }
    const char *name = text(j, t->topic_name);
    if (count == 0) {
        topic_remove(c, b, name);
        return;
    }
    qsort(list, (size_t)count, sizeof *list, partition_order);
    const struct metadata_topic topic = {.name = name,
                                         .id = t->topic_id,
                                         .internal = topic_name_internal(t->topic_name),
                                         .partitions = list,
                                         .partitions_count = count};
    metadata_builder_put_partitions(b, &topic);
    settings_ask(c, name);
}

// Up to version 4 partitions are not grouped: each is a topic of one partition then.
static void topics_take(struct cluster *c, struct cluster_job *j, const struct update_metadata_request *in,
                        struct metadata_builder *b)
{
    for (int32_t i = 0; i < in->ungrouped_partition_states_count; i++) {
        struct update_metadata_request_update_metadata_topic_state t;
        update_metadata_request_update_metadata_topic_state_init(&t);
        t.topic_name = in->ungrouped_partition_states[i].topic_name;
        t.partition_states = &in->ungrouped_partition_states[i];
        t.partition_states_count = 1;
        topic_take(c, j, &t, b);
    }
    for (int32_t i = 0; i < in->topic_states_count; i++) {
        topic_take(c, j, &in->topic_states[i], b);
    }
}

void control_metadata(struct cluster *c, struct cluster_job *j)
{
    const struct update_metadata_request *in = j->control.request;
    struct metadata_builder *b = metadata_builder_new(c->picture, c->id);
    metadata_builder_set_controller(b, in->controller_id);
    brokers_take(j, in, b);
    topics_take(c, j, in, b);
    cluster_publish(c, metadata_builder_finish(b));
}
