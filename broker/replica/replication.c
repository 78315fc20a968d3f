// SPDX-License-Identifier: Apache-2.0
//
// The addresses come with the picture of the cluster, before or after a partition is told to follow; a fetcher without
// one waits for it.
#include "broker/replica/replication.h"

#include <string.h>

void replication_init(struct replication *r, const struct fetchers_options *o, const char *listener)
{
    *r = (struct replication){.options = *o, .listener = listener, .broker_id = -1, .broker_epoch = -1};
}

void replication_release(struct replication *r)
{
    fetchers_free(r->fetchers);
    r->fetchers = NULL;
    metadata_unref(r->picture);
    r->picture = NULL;
}

void replication_identify(struct replication *r, int32_t broker_id, int64_t broker_epoch)
{
    r->broker_id = broker_id;
    r->broker_epoch = broker_epoch;
    if (r->fetchers != NULL) {
        fetchers_identify(r->fetchers, broker_id, broker_epoch);
    }
}

static const struct metadata_endpoint *endpoint_of(const struct replication *r, const struct metadata *picture,
                                                   int32_t id)
{
    const struct metadata_broker *b = picture == NULL ? NULL : metadata_broker_find(picture, id);
    return b == NULL ? NULL : metadata_broker_endpoint(b, r->listener);
}

static bool endpoint_equal(const struct metadata_endpoint *a, const struct metadata_endpoint *b)
{
    return a != NULL && b != NULL && a->port == b->port && strcmp(a->host, b->host) == 0;
}

static void address_tell(struct replication *r, int32_t id, const struct metadata_endpoint *e)
{
    if (r->fetchers != NULL && e != NULL && id != r->broker_id) {
        fetchers_address(r->fetchers, id, e->host, e->port);
    }
}

bool replication_picture(struct replication *r, const struct metadata *picture)
{
    const struct metadata *old = r->picture;
    int32_t count = metadata_brokers_count(picture);
    bool changed = old == NULL || metadata_brokers_count(old) != count;
    for (int32_t i = 0; i < count; i++) {
        int32_t id = metadata_broker_at(picture, i)->id;
        const struct metadata_endpoint *e = endpoint_of(r, picture, id);
        if (!endpoint_equal(e, endpoint_of(r, old, id))) {
            address_tell(r, id, e);
            changed = true;
        }
    }
    metadata_ref(picture);
    r->picture = picture;
    metadata_unref(old);
    return changed;
}

static enum err fetchers_begin(struct replication *r)
{
    if (r->begin_err == ERR_OK) {
        r->begin_err = fetchers_new(&r->options, &r->fetchers);
    }
    if (r->begin_err != ERR_OK) {
        return r->begin_err;
    }
    fetchers_identify(r->fetchers, r->broker_id, r->broker_epoch);
    for (int32_t i = 0; r->picture != NULL && i < metadata_brokers_count(r->picture); i++) {
        int32_t id = metadata_broker_at(r->picture, i)->id;
        address_tell(r, id, endpoint_of(r, r->picture, id));
    }
    return ERR_OK;
}

enum err replication_follow(struct replication *r, struct partition *p, int32_t leader, int32_t leader_epoch)
{
    enum err err = r->fetchers != NULL ? ERR_OK : fetchers_begin(r);
    return err == ERR_OK ? fetchers_follow(r->fetchers, p, leader, leader_epoch) : err;
}

void replication_try_again(struct replication *r)
{
    r->begin_err = ERR_OK;
}

void replication_forget(struct replication *r, const struct partition *p)
{
    if (r->fetchers != NULL) {
        fetchers_forget(r->fetchers, p);
    }
}
