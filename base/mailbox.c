// SPDX-License-Identifier: Apache-2.0
//
// The mailbox: a linked queue under a leaf lock. `tail` points to the last `next` (or to `head` when empty).
#include "base/mailbox.h"

#include "base/assert.h"
#include <stddef.h>

void mailbox_init(struct mailbox *m, void (*wake)(void *ctx), void *ctx)
{
    mutex_init(&m->mu, MUTEX_RANK_LEAF);
    m->head = NULL;
    m->tail = &m->head;
    m->wake = wake;
    m->ctx = ctx;
}

void mailbox_destroy(struct mailbox *m)
{
    ASSERT(m->head == NULL);
    mutex_destroy(&m->mu);
}

void mailbox_post(struct mailbox *m, struct mailbox_item *item)
{
    item->next = NULL;
    mutex_lock(&m->mu);
    bool was_empty = m->head == NULL;
    *m->tail = item;
    m->tail = &item->next;
    mutex_unlock(&m->mu);
    if (was_empty && m->wake) {
        m->wake(m->ctx);
    }
}

bool mailbox_drain(struct mailbox *m)
{
    mutex_lock(&m->mu);
    struct mailbox_item *item = m->head;
    m->head = NULL;
    m->tail = &m->head;
    mutex_unlock(&m->mu);

    bool any = item != NULL;
    while (item) {
        struct mailbox_item *next = item->next; // run may free the item or post it again
        item->run(item);
        item = next;
    }
    return any;
}
