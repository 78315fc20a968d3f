// SPDX-License-Identifier: Apache-2.0
//
// Power loss. A `struct os` over the real files below one directory that also keeps what of them is on the disk: the
// content of a file as of its last fsync, the names in a directory as of the directory's last fsync. Before every
// change a hook is called, in which the test can write down what a power failure at that moment may leave.
// fsync itself is not passed on: it costs nothing here.
#ifndef OTTLA_BASE_TESTS_POWER_H
#define OTTLA_BASE_TESTS_POWER_H

#include "base/os.h"
#include "base/tests/testing.h"

struct power_node;

struct power {
    struct os os;          // hand out &p.os
    const struct os *real; // what it passes calls on to
    const char *root;      // borrowed; empty at the beginning
    struct power_node *tree;
    struct power_node **fds; // by descriptor
    int fds_count;
    int steps;                 // changes so far
    void (*before)(void *ctx); // called before each change; NULL = not at all
    void *ctx;
};

// What of the changes since the last fsync has reached the disk.
enum power_luck {
    POWER_NOTHING,
    POWER_EVERYTHING, // as after kill -9
    POWER_SOME,       // each sector and each name by chance
};

void power_init(struct power *p, const struct os *real, const char *root);
void power_release(struct power *p);
// Makes the directory `image`, which is not there yet, and in it what the disk may hold. *chance is the state of the
// generator of POWER_SOME; it moves on.
void power_image(const struct power *p, enum power_luck luck, uint64_t *chance, const char *image);

#endif
