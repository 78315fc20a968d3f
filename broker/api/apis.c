// SPDX-License-Identifier: Apache-2.0
//
// The API table as data, and its lookup by key.
#include "broker/api/apis.h"

static const struct api table[] = {
#define API_ROW(key_, name_, min_, max_, handler_, abort_, overtakable_)                                               \
    {.key = key_,                                                                                                      \
     .min_version = min_,                                                                                              \
     .max_version = max_,                                                                                              \
     .handler = handler_,                                                                                              \
     .abort = abort_,                                                                                                  \
     .overtakable = overtakable_},
    API_TABLE(API_ROW)
#undef API_ROW
};

int api_count(void)
{
    return (int)(sizeof table / sizeof table[0]);
}

const struct api *api_at(int i)
{
    return &table[i];
}

const struct api *api_find(int16_t key)
{
    for (int i = 0; i < api_count(); i++) {
        if (table[i].key == key) {
            return &table[i];
        }
    }
    return NULL;
}
