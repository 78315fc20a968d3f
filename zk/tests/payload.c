// SPDX-License-Identifier: Apache-2.0
//
// Payloads as JSON values, and an arena per test.
#include "zk/tests/payload.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/tests/cmocka_all.h"

void assert_payload(struct slice actual, const char *expected)
{
    json_t *a = json_loadb((const char *)actual.data, actual.len, JSON_DECODE_ANY, NULL);
    json_t *b = json_loads(expected, JSON_DECODE_ANY, NULL);
    if (a == NULL || b == NULL || !json_equal(a, b))
        fail_msg("%.*s\n  instead of\n%s", (int)actual.len, (const char *)actual.data, expected);
    json_decref(a);
    json_decref(b);
}

int payload_setup(void **state)
{
    struct arena *a = calloc(1, sizeof *a);
    arena_init(a, PAYLOAD_ARENA_BYTES);
    *state = a;
    return 0;
}

int payload_teardown(void **state)
{
    arena_release(*state);
    free(*state);
    return 0;
}
