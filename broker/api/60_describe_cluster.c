// SPDX-License-Identifier: Apache-2.0
//
// DescribeCluster (60), v0-1: who is in the cluster, as clients of this listener reach it (KIP-700). This broker is no
// controller of a KRaft quorum, so v1's wish for such endpoints is refused.
#include "broker/api/apis.h"
#include "broker/api/operations.h"

#define ENDPOINT_BROKERS     1
#define ENDPOINT_CONTROLLERS 2

static enum api_step refuse(struct describe_cluster_response *out, int16_t code, const char *message)
{
    out->error_code = code;
    out->error_message = slice_str(message);
    return message == NULL ? API_CLOSE : API_DONE;
}

static enum api_step refuse_endpoint(struct request *r, int8_t type)
{
    if (type == ENDPOINT_CONTROLLERS) {
        return refuse(
            r->out, KAFKA_ERROR_MISMATCHED_ENDPOINT_TYPE,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER");
    }
    const char *message = arena_printf(&r->arena, "Unsupported endpoint type %d", type);
    return message == NULL ? API_CLOSE : refuse(r->out, KAFKA_ERROR_UNSUPPORTED_ENDPOINT_TYPE, message);
}

enum api_step api_describe_cluster(struct request *r)
{
    const struct describe_cluster_request *in = r->in;
    struct describe_cluster_response *out = r->out;
    if (in->endpoint_type != ENDPOINT_BROKERS) {
        return refuse_endpoint(r, in->endpoint_type);
    }
    int32_t n = metadata_brokers_count(r->metadata);
    out->brokers = arena_array(&r->arena, (size_t)n, sizeof *out->brokers);
    if (out->brokers == NULL) {
        return API_CLOSE;
    }
    for (int32_t i = 0; i < n; i++) {
        const struct metadata_broker *b = metadata_broker_at(r->metadata, i);
        const struct metadata_endpoint *e = metadata_broker_endpoint(b, request_listener(r));
        if (e == NULL) {
            continue; // clients of this listener cannot reach it
        }
        struct describe_cluster_response_describe_cluster_broker *o = &out->brokers[out->brokers_count++];
        describe_cluster_response_describe_cluster_broker_init(o);
        o->broker_id = b->id;
        o->host = slice_str(e->host);
        o->port = e->port;
        o->rack = b->rack == NULL ? SLICE_NULL : slice_str(b->rack);
        if (b->id == metadata_controller_id(r->metadata)) {
            out->controller_id = b->id;
        }
    }
    out->cluster_id = slice_str(metadata_cluster_id(r->metadata));
    if (in->include_cluster_authorized_operations) {
        out->cluster_authorized_operations = CLUSTER_OPERATIONS_ALL;
    }
    return API_DONE;
}
