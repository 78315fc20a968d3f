// SPDX-License-Identifier: Apache-2.0
//
// FindCoordinator (10), v0-6: the broker that leads the partition of an internal topic which a group (key type 0) or
// a transactional id (1) belongs to. A topic that does not exist is created; until it is there, as for a partition
// without a leader, the answer is COORDINATOR_NOT_AVAILABLE. v4+ asks for several keys (KIP-699). Share groups
// (key type 2, v6) have no coordinator here.
#include "broker/api/apis.h"
#include "broker/api/auto_create.h"
#include "broker/cluster/java_hash.h"

#define FIND_FIRST_BATCH_VERSION 4
#define FIND_FIRST_SHARE_VERSION 6

enum key_type {
    KEY_GROUP = 0,
    KEY_TRANSACTION = 1,
    KEY_SHARE = 2,
};

struct found {
    int16_t error_code;
    int32_t node_id;
    const char *host;
    int32_t port;
};

static int16_t key_type_error(const struct request *r, int8_t key_type)
{
    switch (key_type) {
    case KEY_GROUP:
    case KEY_TRANSACTION:
        return KAFKA_ERROR_NONE;
    case KEY_SHARE:
        return r->version >= FIND_FIRST_SHARE_VERSION ? KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE
                                                      : KAFKA_ERROR_INVALID_REQUEST;
    default:
        return KAFKA_ERROR_INVALID_REQUEST;
    }
}

// Kafka's sentences, which it puts beside the code.
static const char *error_text(int16_t error_code)
{
    switch (error_code) {
    case KAFKA_ERROR_NONE:
        return "NONE";
    case KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE:
        return "The coordinator is not available.";
    default:
        return "This most likely occurs because of a request being malformed by the client library or the message was "
               "sent to an incompatible broker. See the broker logs for more details.";
    }
}

static struct found coordinator_find(struct request *r, struct slice topic_name, struct slice key)
{
    struct found f = {.error_code = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, .node_id = -1, .host = "", .port = -1};
    const struct metadata_topic *topic = metadata_topic_find(r->metadata, topic_name);
    if (topic == NULL) {
        return f;
    }
    const struct metadata_partition *p =
        metadata_partition_find(topic, java_string_partition(key, topic->partitions_count));
    const struct metadata_broker *b = p == NULL ? NULL : metadata_broker_find(r->metadata, p->leader);
    const struct metadata_endpoint *e = b == NULL ? NULL : metadata_broker_endpoint(b, request_listener(r));
    if (e != NULL) {
        f = (struct found){.error_code = KAFKA_ERROR_NONE, .node_id = b->id, .host = e->host, .port = e->port};
    }
    return f;
}

static struct found key_find(struct request *r, int8_t key_type, struct slice key)
{
    int16_t error_code = key_type_error(r, key_type);
    if (error_code != KAFKA_ERROR_NONE) {
        return (struct found){.error_code = error_code, .node_id = -1, .host = "", .port = -1};
    }
    return coordinator_find(r, slice_str(key_type == KEY_GROUP ? TOPIC_CONSUMER_OFFSETS : TOPIC_TRANSACTION_STATE),
                            key);
}

static enum api_step answer_one(struct request *r)
{
    const struct find_coordinator_request *in = r->in;
    struct find_coordinator_response *out = r->out;
    struct found f = key_find(r, in->key_type, in->key);
    out->error_code = f.error_code;
    out->error_message = slice_str(error_text(f.error_code));
    out->node_id = f.node_id;
    out->host = slice_str(f.host);
    out->port = f.port;
    return API_DONE;
}

static enum api_step answer_batch(struct request *r)
{
    const struct find_coordinator_request *in = r->in;
    struct find_coordinator_response *out = r->out;
    bool known_type = in->key_type >= KEY_GROUP && in->key_type <= KEY_SHARE;
    out->coordinators = arena_array(&r->arena, (size_t)in->coordinator_keys_count, sizeof *out->coordinators);
    if (out->coordinators == NULL) {
        return API_CLOSE;
    }
    out->coordinators_count = in->coordinator_keys_count;
    for (int32_t i = 0; i < in->coordinator_keys_count; i++) {
        struct find_coordinator_response_coordinator *o = &out->coordinators[i];
        find_coordinator_response_coordinator_init(o);
        struct found f = key_find(r, in->key_type, in->coordinator_keys[i]);
        o->key = in->coordinator_keys[i];
        o->node_id = f.node_id;
        o->host = slice_str(f.host);
        o->port = f.port;
        o->error_code = f.error_code;
        o->error_message = slice_str(known_type ? "" : error_text(f.error_code)); // as Kafka fills it
    }
    return API_DONE;
}

enum api_step api_find_coordinator(struct request *r)
{
    const struct find_coordinator_request *in = r->in;
    bool batch = r->version >= FIND_FIRST_BATCH_VERSION;
    if (key_type_error(r, in->key_type) == KAFKA_ERROR_NONE && (!batch || in->coordinator_keys_count > 0)) {
        struct slice topic = slice_str(in->key_type == KEY_GROUP ? TOPIC_CONSUMER_OFFSETS : TOPIC_TRANSACTION_STATE);
        if (metadata_topic_find(r->metadata, topic) == NULL) {
            auto_create_topic(r, topic);
        }
    }
    return batch ? answer_batch(r) : answer_one(r);
}
