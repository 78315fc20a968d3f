// SPDX-License-Identifier: Apache-2.0
//
// Registering this broker: the ephemeral /brokers/ids/<id>.
//
//   claim  ->  registered
//     |  the node exists
//     v
//   look   ->  it is of this session: registered; of an earlier session of this process: deleted, then claim
//     |  it is of somebody else: this broker's last life, whose session has not expired yet, or another broker
//     v
//   wait   ->  it goes away: claim.  It stays for longer than a session lasts: another broker lives with this id
#include "broker/cluster/cluster_internal.h"

#include <inttypes.h>

#include "base/logging.h"
#include "broker/cluster/must.h"
#include "zk/zk.h"

#define PAYLOAD_ARENA_LIMIT ((size_t)16 * ZK_DATA_MAX_BYTES)
#define EXPIRY_MARGIN_MS    4000 // a server ends sessions in steps of its tick, 2 or 3 s long

static void claim(struct cluster *c);
static void look(struct cluster *c);

static void registration_done(struct cluster *c, enum err err)
{
    struct registration *r = &c->registration;
    void (*done)(struct cluster * c, enum err err) = r->done;
    r->done = NULL;
    timer_clear(&r->timer);
    done(c, err);
}

// An outcome of an earlier registration, which has been begun anew since.
static bool is_stale(const struct cluster *c, int32_t session)
{
    return c->registration.done == NULL || session != c->session;
}

// ---------------------------------------------------------------------------------------------------------------
// Somebody else

static const char *holder_describe(struct slice data, struct arena *a)
{
    struct znode_broker b;
    if (znode_broker_decode(data, a, &b) != ERR_OK || b.endpoints_count == 0) {
        return "an unreadable address";
    }
    return must_have(arena_printf(a, "%s:%d", b.endpoints[0].host, b.endpoints[0].port));
}

static void wait_begin(struct cluster *c, const struct zk_result *r)
{
    struct registration *reg = &c->registration;
    const int64_t patience_ms = c->options.zookeeper_session_timeout_ms + EXPIRY_MARGIN_MS;
    struct arena a;
    arena_init(&a, PAYLOAD_ARENA_LIMIT);
    const char *holder = holder_describe(r->data, &a);
    if (reg->holder != r->stat.ephemeral_owner) {
        reg->holder = r->stat.ephemeral_owner;
        log_warn("cluster",
                 "a broker at %s is registered with id %d, by session 0x%" PRIx64 ": waiting up to %" PRId64
                 " ms for that session to end, in case it is this broker's last life",
                 holder, c->broker_id, (uint64_t)reg->holder, patience_ms);
        reg->is_late = false;
        timer_set(&reg->timer, patience_ms);
    } else if (reg->is_late) {
        log_error("cluster", "another broker lives with id %d, at %s: every broker needs a broker.id of its own",
                  c->broker_id, holder);
    }
    arena_release(&a);
    if (reg->is_late && reg->is_start) {
        registration_done(c, ERR_LOCKED);
    }
}

static void on_late(void *ctx)
{
    struct cluster *c = ctx;
    c->registration.is_late = true;
    look(c);
}

void cluster_register_watched(struct cluster *c, const char *path)
{
    if (c->registration.done != NULL && c->registration.holder != 0 &&
        strcmp(path, znode_path_broker(c->broker_id).s) == 0) {
        look(c);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Looking who it is

static void deleted(struct cluster *c, void *arg, int32_t session, const struct zk_result *r)
{
    (void)arg;
    (void)r; // whatever came of it, the next claim shows
    if (!is_stale(c, session)) {
        claim(c);
    }
}

static void looked(struct cluster *c, void *arg, int32_t session, const struct zk_result *r)
{
    (void)arg;
    if (is_stale(c, session)) {
        return;
    }
    int64_t owner = r->stat.ephemeral_owner;
    if (r->err == ERR_NOT_FOUND) {
        claim(c);
    } else if (r->err != ERR_OK) {
        registration_done(c, r->err);
    } else if (owner == zk_session_id(c->zk)) {
        atomic_store(&c->broker_epoch, r->stat.czxid);
        registration_done(c, ERR_OK);
    } else if (owner == c->registration.last_session && owner != 0) {
        zk_delete(c->zk, r->path, r->stat.version, cluster_call_done, cluster_call_new(c, deleted, NULL, c->session));
    } else {
        wait_begin(c, r);
    }
}

static void look(struct cluster *c)
{
    zk_get(c->zk, znode_path_broker(c->broker_id).s, true, cluster_call_done,
           cluster_call_new(c, looked, NULL, c->session));
}

// ---------------------------------------------------------------------------------------------------------------
// Claiming

static void claimed(struct cluster *c, void *arg, int32_t session, const struct zk_result *r)
{
    (void)arg;
    if (is_stale(c, session)) {
        return;
    }
    if (r->err == ERR_EXISTS) {
        look(c);
        return;
    }
    if (r->err == ERR_OK) {
        c->registration.last_session = zk_session_id(c->zk);
        atomic_store(&c->broker_epoch, r->stat.czxid);
    }
    registration_done(c, r->err);
}

// Only PLAINTEXT listeners exist.
static enum err registration_encode(const struct cluster *c, struct arena *a, struct slice *out)
{
    const struct cluster_options *o = &c->options;
    struct znode_broker broker = {.version = ZNODE_BROKER_VERSION,
                                  .jmx_port = -1,
                                  .timestamp_ms = os_wall_ms(o->os),
                                  .rack = o->rack,
                                  .endpoints_count = o->endpoints_count};
    broker.endpoints = must_arena_array(a, (size_t)o->endpoints_count, sizeof *broker.endpoints);
    for (int32_t i = 0; i < o->endpoints_count; i++) {
        broker.endpoints[i] = (struct znode_endpoint){.listener = o->endpoints[i].listener,
                                                      .host = o->endpoints[i].host,
                                                      .port = o->endpoints[i].port,
                                                      .protocol = "PLAINTEXT"};
    }
    return znode_broker_encode(&broker, a, out);
}

// Created without data and set in the same multi, as Kafka does; the node's version is 1 from the start.
static void claim(struct cluster *c)
{
    struct arena a;
    arena_init(&a, PAYLOAD_ARENA_LIMIT);
    struct slice data = SLICE_NULL;
    enum err err = registration_encode(c, &a, &data);
    struct znode_path path = znode_path_broker(c->broker_id);
    const struct zk_op ops[] = {
        {.type = ZK_OP_CREATE, .path = path.s, .mode = ZK_EPHEMERAL},
        {.type = ZK_OP_SET, .path = path.s, .data = data, .version = 0},
    };
    c->registration.holder = 0;
    if (err == ERR_OK) {
        zk_multi(c->zk, ops, 2, cluster_call_done, cluster_call_new(c, claimed, NULL, c->session));
    } else {
        log_error("cluster", "the advertised listeners or the rack cannot be written as JSON: %s", err_text(err));
        registration_done(c, err);
    }
    arena_release(&a);
}

void cluster_register(struct cluster *c, void (*done)(struct cluster *c, enum err err))
{
    timer_clear(&c->registration.timer);
    c->registration.done = done;
    c->registration.is_start = c->state == CLUSTER_OPENING;
    claim(c);
}

enum err registration_init(struct cluster *c)
{
    return timer_init(&c->registration.timer, c->loop, on_late, c);
}

void registration_release(struct cluster *c)
{
    timer_release(&c->registration.timer);
}
