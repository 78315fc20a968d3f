// SPDX-License-Identifier: Apache-2.0
//
// The table of Kafka's APIs and the rule which header version goes with a request (KIP-482, KIP-511).
#include "protocol/tables.h"

#define KEY_CONTROLLED_SHUTDOWN 7
#define KEY_API_VERSIONS        18

const struct protocol_api *protocol_api_find(int16_t key)
{
    if (key < 0 || (size_t)key >= protocol_api_count || protocol_apis[key].name == NULL)
        return NULL;
    return &protocol_apis[key];
}

int16_t protocol_request_header_version(int16_t key, int16_t version)
{
    const struct protocol_api *api = protocol_api_find(key);

    if (api == NULL || version > api->max_version || version >= api->flexible_from)
        return 2;
    return key == KEY_CONTROLLED_SHUTDOWN && version == 0 ? 0 : 1;
}

int16_t protocol_response_header_version(int16_t key, int16_t version)
{
    const struct protocol_api *api = protocol_api_find(key);

    // A client learns from this answer what the broker speaks, so it must be readable before it knows.
    if (key == KEY_API_VERSIONS)
        return 0;
    return api == NULL || version > api->max_version || version >= api->flexible_from ? 1 : 0;
}
