// SPDX-License-Identifier: Apache-2.0
//
// Many writers, one reader: threads post small items to the thread that owns something. The item is embedded in what
// is posted, so posting never allocates and never fails. An item is in at most one mailbox at a time; posting one
// that is still queued is a bug. The wake function runs in the poster's thread after an item was put into an empty
// mailbox, outside the mailbox's lock.
#ifndef OTTLA_BASE_MAILBOX_H
#define OTTLA_BASE_MAILBOX_H

#include "base/mutex.h"
#include <stdbool.h>

struct mailbox_item {
    struct mailbox_item *next;
    void (*run)(struct mailbox_item *item); // called by the owner when it drains; may free the item
};

struct mailbox {
    struct mutex mu; // leaf
    struct mailbox_item *head;
    struct mailbox_item **tail;
    void (*wake)(void *ctx);
    void *ctx;
};

void mailbox_init(struct mailbox *m, void (*wake)(void *ctx), void *ctx);
void mailbox_destroy(struct mailbox *m); // must be empty
// From any thread. Items of one poster are run in the order they were posted.
void mailbox_post(struct mailbox *m, struct mailbox_item *item);
// By the owner: runs what was queued when the call began. True when anything ran.
bool mailbox_drain(struct mailbox *m);

#endif
