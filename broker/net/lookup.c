// SPDX-License-Identifier: Apache-2.0
//
// Looking up names; see the header. A lookup goes loop -> pool -> loop and is freed where it ends; cancelling it only
// forgets whom to call.
#include "broker/net/lookup.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logging.h"

struct lookup {
    struct pool_job job;      // first: the pool hands it back
    struct mailbox_item item; // brings it back to its loop
    struct loop *loop;
    lookup_fn *fn; // [loop] NULL once it is cancelled
    void *ctx;
    uint16_t port;
    struct addresses found;
    char host[];
};

static void addresses_take(struct addresses *a, const struct addrinfo *list, int family)
{
    for (const struct addrinfo *i = list; i != NULL && a->count < ADDRESSES_MAX; i = i->ai_next) {
        if (i->ai_family == family && i->ai_addrlen <= sizeof a->list[0].addr) {
            memcpy(&a->list[a->count].addr, i->ai_addr, i->ai_addrlen);
            a->list[a->count].len = i->ai_addrlen;
            a->count++;
        }
    }
}

// Answers what getaddrinfo answers.
static int addresses_get(struct addresses *a, const char *host, uint16_t port, int flags)
{
    a->count = 0;
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc == 0) {
        addresses_take(a, list, AF_INET);
        addresses_take(a, list, AF_INET6);
        freeaddrinfo(list);
    }
    return rc;
}

bool addresses_numeric(struct addresses *a, const char *host, uint16_t port)
{
    return addresses_get(a, host, port, AI_NUMERICHOST) == 0 && a->count > 0;
}

static void lookup_finish(struct mailbox_item *item)
{
    struct lookup *k = (struct lookup *)((char *)item - offsetof(struct lookup, item));
    if (k->fn != NULL) {
        k->fn(k->ctx, &k->found);
    }
    free(k);
}

static void lookup_run(struct pool_job *job)
{
    struct lookup *k = (struct lookup *)job;
    int rc = addresses_get(&k->found, k->host, k->port, 0);
    if (rc != 0) {
        log_warn("net", "cannot resolve host %s: %s", k->host, gai_strerror(rc));
    }
    loop_post(k->loop, &k->item);
}

struct lookup *lookup_start(struct loop *l, struct pool *pool, const char *host, uint16_t port, lookup_fn *fn,
                            void *ctx)
{
    size_t len = strlen(host) + 1;
    struct lookup *k = calloc(1, sizeof *k + len);
    if (k == NULL) {
        return NULL;
    }
    memcpy(k->host, host, len);
    k->job.run = lookup_run;
    k->item.run = lookup_finish;
    k->loop = l;
    k->fn = fn;
    k->ctx = ctx;
    k->port = port;
    pool_submit(pool, &k->job);
    return k;
}

void lookup_cancel(struct lookup *k)
{
    if (k != NULL) {
        k->fn = NULL;
    }
}
