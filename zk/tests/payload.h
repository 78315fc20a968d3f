// SPDX-License-Identifier: Apache-2.0
//
// Comparing payloads as JSON values, for tests.
#ifndef OTTLA_ZK_TESTS_PAYLOAD_H
#define OTTLA_ZK_TESTS_PAYLOAD_H

#include "base/arena.h"
#include "base/slice.h"

#define PAYLOAD_ARENA_BYTES (4 * 1024 * 1024)

// Equal but for the order of keys; plain text must be the same bytes.
void assert_payload(struct slice actual, const char *expected);

// A test's arena: cmocka setup and teardown.
int payload_setup(void **state);
int payload_teardown(void **state);

#endif
