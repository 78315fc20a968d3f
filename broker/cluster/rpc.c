// SPDX-License-Identifier: Apache-2.0
//
// Header and body, one after the other, by the tables of protocol/.
#include "broker/cluster/rpc.h"

#include "base/assert.h"

#define RPC_FIRST_BYTES 256

static const struct protocol_api *rpc_api(const struct rpc *r)
{
    const struct protocol_api *api = protocol_api_find(r->key);
    ASSERT(api != NULL && r->version >= api->min_version && r->version <= api->max_version);
    return api;
}

enum err rpc_encode(const struct rpc *r, const void *body, uint8_t **frame, size_t *len)
{
    struct writer w;
    struct request_header header;
    request_header_init(&header);
    header.request_api_key = r->key;
    header.request_api_version = r->version;
    header.correlation_id = r->correlation_id;
    header.client_id = slice_str(r->client_id);
    writer_init(&w, RPC_FIRST_BYTES, RPC_REQUEST_MAX_BYTES);
    writer_u32(&w, 0);
    enum err err =
        message_encode(&request_header_desc, protocol_request_header_version(r->key, r->version), &header, &w, NULL);
    if (err == ERR_OK) {
        err = message_encode(rpc_api(r)->request, r->version, body, &w, NULL);
    }
    if (err != ERR_OK) {
        writer_release(&w);
        return err;
    }
    store_be32(w.data, (uint32_t)(w.len - sizeof(uint32_t)));
    *frame = writer_take(&w, len);
    return ERR_OK;
}

enum err rpc_decode(const struct rpc *r, struct slice frame, struct arena *a, void *body)
{
    struct reader reader = reader_of(frame);
    struct response_header header;
    enum err err = message_decode(&response_header_desc, protocol_response_header_version(r->key, r->version), &reader,
                                  a, &header);
    if (err == ERR_OK && header.correlation_id != r->correlation_id) {
        return ERR_CORRUPT;
    }
    return err == ERR_OK ? message_decode(rpc_api(r)->response, r->version, &reader, a, body) : err;
}
