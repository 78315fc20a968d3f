// SPDX-License-Identifier: Apache-2.0
//
// Keeps a loop from everything else until it is let go.
#ifndef OTTLA_NET_TESTS_LOOP_BLOCKER_H
#define OTTLA_NET_TESTS_LOOP_BLOCKER_H

#include <semaphore.h>

#include "broker/net/loop.h"

struct loop_blocker {
    struct mailbox_item item; // first
    sem_t go_on;
};

static inline void loop_blocker_run(struct mailbox_item *item)
{
    struct loop_blocker *b = (struct loop_blocker *)item;
    while (sem_wait(&b->go_on) != 0) {
    }
}

// b must live until the loop has run past it.
static inline void loop_block(struct loop_blocker *b, struct loop *l)
{
    b->item.run = loop_blocker_run;
    sem_init(&b->go_on, 0, 0);
    loop_post(l, &b->item);
}

#endif
