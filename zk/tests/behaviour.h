// SPDX-License-Identifier: Apache-2.0
//
// The tests that every store has to pass.
#ifndef OTTLA_ZK_TESTS_BEHAVIOUR_H
#define OTTLA_ZK_TESTS_BEHAVIOUR_H

#include "zk/tests/store.h"

// A test's own, empty tree, which outlives its store.
struct behaviour {
    struct store s;
    void (*open)(struct behaviour *b); // the store, again
    void (*remove)(struct behaviour *b);
    char *place; // where the tree is
};

// Runs them as one group of cmocka and answers how many failed. setup makes a struct behaviour with an open store and
// puts it into *state.
int behaviour_run(int (*setup)(void **state));

#endif
