// SPDX-License-Identifier: Apache-2.0
//
// The rows of the API table as data, and the look-up by key.
#include "broker/api/apis.h"

static const struct api rows[] = {
#define API_ROW(k, first, last, h, a, f)                                                                               \
    {.key = (k), .min_version = (first), .max_version = (last), .handler = (h), .abort = (a), .flags = (f)},
    API_TABLE(API_ROW)
#undef API_ROW
};

void api_no_abort(struct request *r)
{
    (void)r;
}

size_t api_count(void)
{
    return sizeof rows / sizeof rows[0];
}

const struct api *api_at(size_t i)
{
    return &rows[i];
}

const struct api *api_find(int16_t key)
{
    size_t low = 0, high = api_count();
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (rows[middle].key == key) {
            return &rows[middle];
        }
        if (rows[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}
