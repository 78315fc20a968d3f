// SPDX-License-Identifier: Apache-2.0
//
// Effects into requests; see the header.
#include "broker/cluster/control_messages.h"

#include <string.h>

#include "broker/cluster/must.h"

static const struct controller_broker *broker_of(const struct controller_effect *e, int32_t id)
{
    for (int32_t i = 0; i < e->brokers_count; i++) {
        if (e->brokers[i]->id == id) {
            return e->brokers[i];
        }
    }
    return NULL;
}

static int64_t epoch_of(const struct controller_effect *e, int32_t broker)
{
    const struct controller_broker *b = broker_of(e, broker);
    return b == NULL ? -1 : b->epoch;
}

const struct znode_endpoint *control_endpoint(const struct znode_broker *b, const char *listener)
{
    for (int32_t i = 0; i < b->endpoints_count; i++) {
        if (strcmp(b->endpoints[i].listener, listener) == 0) {
            return &b->endpoints[i];
        }
    }
    return NULL;
}

static int32_t *ids(const int32_t *list)
{
    return (int32_t *)(uintptr_t)list; // only read by who encodes it
}

// ---------------------------------------------------------------------------------------------------------------
// LeaderAndIsr

static void partition_state(const struct controller_effect *e, const struct controller_partition *p,
                            struct leader_and_isr_request_leader_and_isr_partition_state *o)
{
    leader_and_isr_request_leader_and_isr_partition_state_init(o);
    o->partition_index = p->index;
    o->controller_epoch = p->controller_epoch;
    o->leader = p->leader;
    o->leader_epoch = p->leader_epoch;
    o->isr = p->isr;
    o->isr_count = p->isr_count;
    o->partition_epoch = p->version;
    o->replicas = ids(p->replicas);
    o->replicas_count = p->replicas_count;
    o->adding_replicas = ids(p->adding);
    o->adding_replicas_count = p->adding_count;
    o->removing_replicas = ids(p->removing);
    o->removing_replicas_count = p->removing_count;
    o->is_new = e->is_new;
    o->leader_recovery_state = (int8_t)p->recovery_state;
}

static bool is_leader(const struct leader_and_isr_request *r, int32_t broker)
{
    for (int32_t t = 0; t < r->topic_states_count; t++) {
        for (int32_t i = 0; i < r->topic_states[t].partition_states_count; i++) {
            if (r->topic_states[t].partition_states[i].leader == broker) {
                return true;
            }
        }
    }
    return false;
}

// Where the leaders that are named are reached; a broker without the listener is left out.
static void live_leaders(const struct control_sender *from, const struct controller_effect *e, struct arena *a,
                         struct leader_and_isr_request *out)
{
    out->live_leaders = must_arena_array(a, (size_t)e->brokers_count, sizeof *out->live_leaders);
    for (int32_t i = 0; i < e->brokers_count; i++) {
        const struct znode_endpoint *at = control_endpoint(&e->brokers[i]->info, from->listener);
        if (at != NULL && is_leader(out, e->brokers[i]->id)) {
            struct leader_and_isr_request_leader_and_isr_live_leader *o = &out->live_leaders[out->live_leaders_count++];
            leader_and_isr_request_leader_and_isr_live_leader_init(o);
            o->broker_id = e->brokers[i]->id;
            o->host_name = slice_str(at->host);
            o->port = at->port;
        }
    }
}

struct leader_and_isr_request *control_leader_and_isr(const struct control_sender *from,
                                                      const struct controller_effect *const *effects, int32_t count,
                                                      struct arena *a)
{
    const struct controller_effect *first = effects[0];
    struct leader_and_isr_request *out = must_arena_array(a, 1, sizeof *out);
    leader_and_isr_request_init(out);
    out->controller_id = from->controller_id;
    out->controller_epoch = first->controller_epoch;
    out->broker_epoch = epoch_of(first, first->broker);
    out->topic_states = must_arena_array(a, (size_t)count, sizeof *out->topic_states);
    for (int32_t i = 0; i < count; i++) {
        const struct controller_effect *e = effects[i];
        struct leader_and_isr_request_leader_and_isr_topic_state *t = &out->topic_states[out->topic_states_count++];
        leader_and_isr_request_leader_and_isr_topic_state_init(t);
        t->topic_name = slice_str(e->topic);
        t->topic_id = e->topic_id;
        t->partition_states = must_arena_array(a, (size_t)e->partitions_count, sizeof *t->partition_states);
        t->partition_states_count = e->partitions_count;
        for (int32_t k = 0; k < e->partitions_count; k++) {
            partition_state(e, e->partitions[k], &t->partition_states[k]);
        }
    }
    live_leaders(from, first, a, out);
    return out;
}

// ---------------------------------------------------------------------------------------------------------------
// UpdateMetadata

// The values of Java's SecurityProtocol.
static int16_t protocol_id(const char *name)
{
    static const char *const names[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};
    for (int16_t i = 0; i < 4; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return 0;
}

static void live_broker(const struct controller_broker *b, struct arena *a,
                        struct update_metadata_request_update_metadata_broker *o)
{
    update_metadata_request_update_metadata_broker_init(o);
    o->id = b->id;
    o->rack = b->info.rack == NULL ? SLICE_NULL : slice_str(b->info.rack);
    o->endpoints = must_arena_array(a, (size_t)b->info.endpoints_count, sizeof *o->endpoints);
    o->endpoints_count = b->info.endpoints_count;
    for (int32_t i = 0; i < o->endpoints_count; i++) {
        const struct znode_endpoint *from = &b->info.endpoints[i];
        update_metadata_request_update_metadata_endpoint_init(&o->endpoints[i]);
        o->endpoints[i].port = from->port;
        o->endpoints[i].host = slice_str(from->host);
        o->endpoints[i].listener = slice_str(from->listener);
        o->endpoints[i].security_protocol = protocol_id(from->protocol);
    }
}

static bool is_online(const struct controller_effect *e, const struct controller_partition *p, int32_t at)
{
    const struct controller_broker *b = broker_of(e, p->replicas[at]);
    return b != NULL && !b->stopping && p->replica_states[at] == REPLICA_FINE;
}

static void metadata_state(const struct controller_effect *e, const struct controller_partition *p, struct arena *a,
                           struct update_metadata_request_update_metadata_partition_state *o)
{
    update_metadata_request_update_metadata_partition_state_init(o);
    o->partition_index = p->index;
    o->controller_epoch = p->controller_epoch;
    o->leader = e->deleted ? LEADER_DURING_DELETE : p->leader;
    o->leader_epoch = e->deleted ? 0 : p->leader_epoch;
    o->isr = p->isr;
    o->isr_count = p->isr_count;
    o->zk_version = e->deleted ? 0 : p->version;
    o->replicas = ids(p->replicas);
    o->replicas_count = p->replicas_count;
    o->offline_replicas = must_arena_array(a, (size_t)p->replicas_count, sizeof *o->offline_replicas);
    for (int32_t i = 0; i < p->replicas_count; i++) {
        if (!is_online(e, p, i)) {
            o->offline_replicas[o->offline_replicas_count++] = p->replicas[i];
        }
    }
}

struct update_metadata_request *control_update_metadata(const struct control_sender *from,
                                                        const struct controller_effect *const *effects, int32_t count,
                                                        struct arena *a)
{
    const struct controller_effect *first = effects[0];
    struct update_metadata_request *out = must_arena_array(a, 1, sizeof *out);
    update_metadata_request_init(out);
    out->controller_id = from->controller_id;
    out->controller_epoch = first->controller_epoch;
    out->broker_epoch = epoch_of(first, first->broker);
    out->live_brokers = must_arena_array(a, (size_t)first->brokers_count, sizeof *out->live_brokers);
    out->live_brokers_count = first->brokers_count;
    for (int32_t i = 0; i < first->brokers_count; i++) {
        live_broker(first->brokers[i], a, &out->live_brokers[i]);
    }
    out->topic_states = must_arena_array(a, (size_t)count, sizeof *out->topic_states);
    for (int32_t i = 0; i < count; i++) {
        const struct controller_effect *e = effects[i];
        if (e->topic == NULL) {
            continue;
        }
        struct update_metadata_request_update_metadata_topic_state *t = &out->topic_states[out->topic_states_count++];
        update_metadata_request_update_metadata_topic_state_init(t);
        t->topic_name = slice_str(e->topic);
        t->topic_id = e->topic_id;
        t->partition_states = must_arena_array(a, (size_t)e->partitions_count, sizeof *t->partition_states);
        t->partition_states_count = e->partitions_count;
        for (int32_t k = 0; k < e->partitions_count; k++) {
            metadata_state(e, e->partitions[k], a, &t->partition_states[k]);
        }
    }
    return out;
}

// ---------------------------------------------------------------------------------------------------------------
// StopReplica

struct stop_replica_request *control_stop_replica(const struct control_sender *from,
                                                  const struct controller_effect *const *effects, int32_t count,
                                                  struct arena *a)
{
    const struct controller_effect *first = effects[0];
    struct stop_replica_request *out = must_arena_array(a, 1, sizeof *out);
    stop_replica_request_init(out);
    out->controller_id = from->controller_id;
    out->controller_epoch = first->controller_epoch;
    out->broker_epoch = epoch_of(first, first->broker);
    out->topic_states = must_arena_array(a, (size_t)count, sizeof *out->topic_states);
    for (int32_t i = 0; i < count; i++) {
        const struct controller_effect *e = effects[i];
        struct stop_replica_request_stop_replica_topic_state *t = &out->topic_states[out->topic_states_count++];
        stop_replica_request_stop_replica_topic_state_init(t);
        t->topic_name = slice_str(e->topic);
        t->partition_states = must_arena_array(a, (size_t)e->partitions_count, sizeof *t->partition_states);
        t->partition_states_count = e->partitions_count;
        for (int32_t k = 0; k < e->partitions_count; k++) {
            struct stop_replica_request_stop_replica_partition_state *o = &t->partition_states[k];
            stop_replica_request_stop_replica_partition_state_init(o);
            o->partition_index = e->partitions[k]->index;
            o->leader_epoch = e->deleted ? LEADER_EPOCH_DURING_DELETE : e->partitions[k]->leader_epoch;
            o->delete_partition = e->erase;
        }
    }
    return out;
}
