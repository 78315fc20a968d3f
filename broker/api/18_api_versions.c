// SPDX-License-Identifier: Apache-2.0
//
// ApiVersions (18), v0-4 (KIP-35, KIP-511, KIP-584): the rows of the API table, so that what is advertised is what is
// served. A client that asks in a version the broker does not know gets the answer in version 0 with
// UNSUPPORTED_VERSION and the row of this API alone, from which it learns what to ask next.
#include "broker/api/apis.h"

#define API_VERSIONS_KEY                 18
#define API_VERSIONS_FIRST_NAMED_VERSION 3 // from here on clients give their name and version

static bool is_letter_or_digit(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// [a-zA-Z0-9]([a-zA-Z0-9\-.]*[a-zA-Z0-9])?
static bool software_name_valid(struct slice s)
{
    if (s.len == 0 || !is_letter_or_digit(s.data[0]) || !is_letter_or_digit(s.data[s.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!is_letter_or_digit(s.data[i]) && s.data[i] != '-' && s.data[i] != '.') {
            return false;
        }
    }
    return true;
}

static void row_fill(struct api_versions_response_api_version *o, const struct api *a)
{
    api_versions_response_api_version_init(o);
    o->api_key = a->key;
    o->min_version = a->min_version;
    o->max_version = a->max_version;
}

enum api_step api_api_versions(struct request *r)
{
    const struct api_versions_request *in = r->in;
    struct api_versions_response *out = r->out;
    if (r->version >= API_VERSIONS_FIRST_NAMED_VERSION &&
        (!software_name_valid(in->client_software_name) || !software_name_valid(in->client_software_version))) {
        out->error_code = KAFKA_ERROR_INVALID_REQUEST;
        return API_DONE;
    }
    out->api_keys = arena_array(&r->arena, api_count(), sizeof *out->api_keys);
    if (out->api_keys == NULL) {
        return API_CLOSE;
    }
    if (r->version_unsupported) {
        out->error_code = KAFKA_ERROR_UNSUPPORTED_VERSION;
        row_fill(&out->api_keys[out->api_keys_count++], api_find(API_VERSIONS_KEY));
        return API_DONE;
    }
    for (size_t i = 0; i < api_count(); i++) {
        row_fill(&out->api_keys[out->api_keys_count++], api_at(i));
    }
    out->finalized_features_epoch = 0;
    return API_DONE;
}
