// SPDX-License-Identifier: Apache-2.0
//
// ApiVersions (18), v0-4: which APIs in which versions. The list is the API table. A version above 4 never comes
// here: request.c answers it with a v0 body, error 35 and the one row of this API (KIP-511).
#include "broker/api/apis.h"

static bool alphanumeric(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// KIP-511: [a-zA-Z0-9]([a-zA-Z0-9\-.]*[a-zA-Z0-9])?
static bool software_text_valid(struct slice s)
{
    if (s.len == 0 || !alphanumeric(s.data[0]) || !alphanumeric(s.data[s.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!alphanumeric(s.data[i]) && s.data[i] != '-' && s.data[i] != '.') {
            return false;
        }
    }
    return true;
}

enum api_step api_versions(struct request *r)
{
    const struct api_versions_request *in = r->in;
    struct api_versions_response *out = r->out;
    if (r->version >= 3 &&
        (!software_text_valid(in->client_software_name) || !software_text_valid(in->client_software_version))) {
        out->error_code = KAFKA_ERROR_INVALID_REQUEST;
        return API_DONE;
    }
    int n = api_count();
    out->api_keys = arena_array(&r->arena, (size_t)n, sizeof *out->api_keys);
    if (out->api_keys == NULL) {
        return API_CLOSE;
    }
    for (int i = 0; i < n; i++) {
        struct api_versions_response_api_version *o = &out->api_keys[out->api_keys_count++];
        api_versions_response_api_version_init(o);
        o->api_key = api_at(i)->key;
        o->min_version = api_at(i)->min_version;
        o->max_version = api_at(i)->max_version;
    }
    out->finalized_features_epoch = 0;
    return API_DONE;
}
