// SPDX-License-Identifier: Apache-2.0
//
// Metadata (3), v0-12: brokers, controller, topics with their leaders; creates missing topics when the request and the
// broker allow it. Like Kafka it answers LEADER_NOT_AVAILABLE for a topic that is being created; the client's retry
// finds it. v12 looks topics up by id: as soon as one entry has an id, entries with only a name are ignored.
#include "broker/api/apis.h"
#include "broker/api/auto_create.h"
#include "broker/api/key_map.h"
#include "broker/api/operations.h"

#include <limits.h>

#define METADATA_TOPICS_MAX 10000 // names in one request; a client with more asks for all

// More than one partition of an answer takes of the arena, without its replicas; the same for a topic.
#define PARTITION_ANSWER_BYTES (sizeof(struct metadata_response_metadata_response_partition) + 64)
#define TOPIC_ANSWER_BYTES     (sizeof(struct metadata_response_metadata_response_topic) + 64)

static void fill_brokers(struct request *r, struct metadata_response *out)
{
    int32_t n = metadata_brokers_count(r->metadata);
    out->brokers = arena_array(&r->arena, (size_t)n, sizeof *out->brokers);
    if (out->brokers == NULL) {
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        const struct metadata_broker *b = metadata_broker_at(r->metadata, i);
        const struct metadata_endpoint *e = metadata_broker_endpoint(b, request_listener(r));
        if (e == NULL) {
            continue; // it cannot be reached from where this client came in
        }
        struct metadata_response_metadata_response_broker *o = &out->brokers[out->brokers_count++];
        metadata_response_metadata_response_broker_init(o);
        o->node_id = b->id;
        o->host = slice_str(e->host);
        o->port = e->port;
        o->rack = b->rack == NULL ? SLICE_NULL : slice_str(b->rack);
    }
    out->cluster_id = slice_str(metadata_cluster_id(r->metadata));
    out->controller_id = metadata_controller_id(r->metadata);
}

static bool replica_offline(const struct request *r, const struct metadata_partition *p, int32_t replica)
{
    for (int32_t i = 0; i < p->failed_count; i++) {
        if (p->failed[i] == replica) {
            return true;
        }
    }
    return metadata_broker_find(r->metadata, replica) == NULL;
}

static bool fill_partition(struct request *r, const struct metadata_partition *p,
                           struct metadata_response_metadata_response_partition *o)
{
    metadata_response_metadata_response_partition_init(o);
    o->partition_index = p->index;
    o->leader_id = p->leader;
    o->leader_epoch = p->leader_epoch;
    o->replica_nodes = p->replicas;
    o->replica_nodes_count = p->replicas_count;
    o->isr_nodes = p->isr;
    o->isr_nodes_count = p->isr_count;
    const struct metadata_broker *leader = metadata_broker_find(r->metadata, p->leader);
    if (leader == NULL) {
        o->error_code = KAFKA_ERROR_LEADER_NOT_AVAILABLE;
        o->leader_id = -1;
    } else if (metadata_broker_endpoint(leader, request_listener(r)) == NULL) {
        o->error_code = r->version < 6 ? KAFKA_ERROR_LEADER_NOT_AVAILABLE : KAFKA_ERROR_LISTENER_NOT_FOUND;
        o->leader_id = -1;
    }
    o->offline_replicas = arena_array(&r->arena, (size_t)p->replicas_count, sizeof(int32_t));
    if (o->offline_replicas == NULL) {
        return false;
    }
    for (int32_t i = 0; i < p->replicas_count; i++) {
        if (replica_offline(r, p, p->replicas[i])) {
            o->offline_replicas[o->offline_replicas_count++] = p->replicas[i];
        }
    }
    return true;
}

// Each topic is answered once, so what the cluster has bounds the answer; the arena, sized by the request, is allowed
// that much more.
static void room_add(struct request *r, const struct metadata_topic *t)
{
    for (int32_t i = 0; i < t->partitions_count; i++) {
        r->arena.limit += PARTITION_ANSWER_BYTES + (size_t)t->partitions[i].replicas_count * sizeof(int32_t);
    }
}

// Without an authorizer everybody may do everything, also with a topic that is not there.
static void fill_operations(const struct request *r, struct metadata_response_metadata_response_topic *o)
{
    const struct metadata_request *in = r->in;
    if (r->version >= 8 && in->include_topic_authorized_operations) {
        o->topic_authorized_operations = TOPIC_OPERATIONS_ALL;
    }
}

static bool fill_topic(struct request *r, const struct metadata_topic *t,
                       struct metadata_response_metadata_response_topic *o)
{
    room_add(r, t);
    metadata_response_metadata_response_topic_init(o);
    o->name = slice_str(t->name);
    o->topic_id = t->id;
    o->is_internal = t->internal;
    fill_operations(r, o);
    o->partitions = arena_array(&r->arena, (size_t)t->partitions_count, sizeof *o->partitions);
    if (o->partitions == NULL) {
        return false;
    }
    o->partitions_count = t->partitions_count;
    for (int32_t i = 0; i < t->partitions_count; i++) {
        if (!fill_partition(r, &t->partitions[i], &o->partitions[i])) {
            return false;
        }
    }
    return true;
}

static void fill_error(struct metadata_response_metadata_response_topic *o, struct slice name, const struct uuid *id,
                       int16_t error_code)
{
    metadata_response_metadata_response_topic_init(o);
    o->error_code = error_code;
    o->name = name;
    if (id != NULL) {
        o->topic_id = *id;
    }
    o->is_internal = topic_name_internal(name);
}

static int16_t missing_topic_error(struct request *r, struct slice name, bool *create)
{
    const struct metadata_request *in = r->in;
    const char *why;
    *create = false;
    if (!topic_name_valid((const char *)name.data, name.len, &why)) {
        return KAFKA_ERROR_INVALID_TOPIC_EXCEPTION;
    }
    if (!r->ctx->options->auto_create_topics || !in->allow_auto_topic_creation) {
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (metadata_topic_find_like(r->metadata, name) != NULL) {
        return KAFKA_ERROR_INVALID_TOPIC_EXCEPTION; // they would share a metric name in Kafka, so both cannot exist
    }
    *create = true;
    return KAFKA_ERROR_LEADER_NOT_AVAILABLE;
}

// The names of the request, each once, in its order: known topics first, then those that cannot be had, then those
// being created (the order Kafka answers in).
static bool fill_by_name(struct request *r, struct metadata_response *out)
{
    const struct metadata_request *in = r->in;
    struct key_map seen;
    key_map_init(&seen);
    enum {
        KNOWN,
        MISSING,
        CREATED,
        PASSES
    };
    bool ok = true;
    for (int pass = KNOWN; pass < PASSES && ok; pass++) {
        for (int32_t i = 0; i < in->topics_count && ok; i++) {
            struct slice name = in->topics[i].name;
            const struct metadata_topic *t = metadata_topic_find(r->metadata, name);
            bool create = false;
            int16_t error_code = t == NULL ? missing_topic_error(r, name, &create) : KAFKA_ERROR_NONE;
            int own_pass = t != NULL ? KNOWN : create ? CREATED : MISSING;
            if (own_pass != pass) {
                continue;
            }
            int64_t *slot = key_map_slot(&seen, name, &r->arena);
            if (slot == NULL || *slot >= 0) {
                ok = slot != NULL;
                continue;
            }
            *slot = i;
            struct metadata_response_metadata_response_topic *o = &out->topics[out->topics_count++];
            if (t != NULL) {
                ok = fill_topic(r, t, o);
                continue;
            }
            fill_error(o, name, NULL, error_code);
            fill_operations(r, o);
            if (create) {
                auto_create_topic(r, name);
            }
        }
    }
    key_map_release(&seen);
    return ok;
}

// The ids of the request, each once.
static bool fill_by_id(struct request *r, struct metadata_response *out)
{
    const struct metadata_request *in = r->in;
    struct key_map seen;
    key_map_init(&seen);
    bool ok = true;
    for (int32_t i = 0; i < in->topics_count && ok; i++) {
        const struct uuid *id = &in->topics[i].topic_id;
        int64_t *slot = key_map_slot(&seen, slice_of(id->b, sizeof id->b), &r->arena);
        if (slot == NULL || *slot >= 0 || uuid_is_zero(id)) {
            ok = slot != NULL;
            continue;
        }
        *slot = i;
        struct metadata_response_metadata_response_topic *o = &out->topics[out->topics_count++];
        const struct metadata_topic *t = metadata_topic_find_id(r->metadata, id);
        if (t == NULL) {
            fill_error(o, SLICE_NULL, id, KAFKA_ERROR_UNKNOWN_TOPIC_ID);
        } else {
            ok = fill_topic(r, t, o);
        }
    }
    key_map_release(&seen);
    return ok;
}

static bool fill_all(struct request *r, struct metadata_response *out)
{
    int32_t n = metadata_topics_count(r->metadata);
    r->arena.limit += (size_t)n * TOPIC_ANSWER_BYTES;
    out->topics = arena_array(&r->arena, (size_t)n, sizeof *out->topics);
    if (out->topics == NULL) {
        return false;
    }
    for (int32_t i = 0; i < n; i++) {
        if (!fill_topic(r, metadata_topic_at(r->metadata, i), &out->topics[out->topics_count++])) {
            return false;
        }
    }
    return true;
}

// A request as a whole that Kafka refuses: ids before v12, or an entry with neither name nor id.
static int16_t whole_request_error(const struct request *r, const struct metadata_request *in)
{
    for (int32_t i = 0; i < in->topics_count; i++) {
        bool has_id = !uuid_is_zero(&in->topics[i].topic_id);
        bool has_name = in->topics[i].name.data != NULL;
        if (r->version < 12 && (has_id || !has_name)) {
            return KAFKA_ERROR_INVALID_REQUEST;
        }
        if (!has_id && !has_name) {
            return KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
        }
    }
    return KAFKA_ERROR_NONE;
}

enum api_step api_metadata(struct request *r)
{
    const struct metadata_request *in = r->in;
    struct metadata_response *out = r->out;
    bool all = in->topics_count < 0 || (r->version == 0 && in->topics_count == 0);
    if (in->topics_count > METADATA_TOPICS_MAX) {
        return API_CLOSE;
    }
    if (metadata_is_untold(r->metadata)) {
        return API_CLOSE; // they would give up topics that are there
    }
    if (!all) {
        out->topics = arena_array(&r->arena, (size_t)in->topics_count, sizeof *out->topics);
        if (out->topics == NULL) {
            return API_CLOSE;
        }
        int16_t error_code = whole_request_error(r, in);
        if (error_code != KAFKA_ERROR_NONE) {
            for (int32_t i = 0; i < in->topics_count; i++) {
                struct slice name = in->topics[i].name;
                fill_error(&out->topics[out->topics_count++], name.data == NULL ? slice_str("") : name,
                           &in->topics[i].topic_id, error_code);
            }
            return API_DONE;
        }
    }
    fill_brokers(r, out);
    if (r->version >= 8 && r->version <= 10 && in->include_cluster_authorized_operations) {
        out->cluster_authorized_operations = CLUSTER_OPERATIONS_ALL;
    }
    if (all) {
        return fill_all(r, out) ? API_DONE : API_CLOSE;
    }
    bool by_id = false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        by_id = by_id || !uuid_is_zero(&in->topics[i].topic_id);
    }
    bool ok = by_id ? fill_by_id(r, out) : fill_by_name(r, out);
    return ok ? API_DONE : API_CLOSE;
}
