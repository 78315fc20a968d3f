// SPDX-License-Identifier: Apache-2.0
//
// The cluster's thread: opening and closing, calls to the tree, and the current picture.
#include "broker/cluster/cluster.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/logging.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/controller_link.h"
#include "broker/cluster/must.h"
#include "zk/zk.h"

// ---------------------------------------------------------------------------------------------------------------
// Operations on the tree

struct cluster_call *cluster_call_new(struct cluster *c, cluster_call_fn *fn, void *arg, int32_t index)
{
    struct cluster_call *call = must_alloc(sizeof *call);
    *call = (struct cluster_call){.cluster = c, .fn = fn, .arg = arg, .index = index};
    LIST_INSERT_HEAD(&c->calls, call, entry);
    return call;
}

void cluster_call_done(void *ctx, const struct zk_result *r)
{
    struct cluster_call *call = ctx;
    LIST_REMOVE(call, entry);
    call->fn(call->cluster, call->arg, call->index, r);
    free(call);
}

// ---------------------------------------------------------------------------------------------------------------
// Log directories

static void notified(struct cluster *c, void *arg, int32_t index, const struct zk_result *r)
{
    (void)c;
    (void)arg;
    (void)index;
    if (r->err != ERR_OK) {
        log_error("cluster", "the controller cannot be told that a log directory has failed: %s", err_text(r->err));
    }
}

void cluster_log_dir_failed(struct cluster *c)
{
    if (c->state == CLUSTER_CLOSED) {
        return;
    }
    struct arena a;
    arena_init(&a, ZK_DATA_MAX_BYTES);
    struct slice data = SLICE_NULL;
    enum err err = znode_log_dir_event_encode(c->broker_id, &a, &data);
    if (err == ERR_OK) {
        zk_create(c->zk, znode_path_log_dir_event().s, data, ZK_PERSISTENT_SEQUENTIAL, cluster_call_done,
                  cluster_call_new(c, notified, NULL, 0));
    } else {
        log_error("cluster", "the controller cannot be told that a log directory has failed: %s", err_text(err));
    }
    arena_release(&a);
}

// ---------------------------------------------------------------------------------------------------------------
// The picture

void cluster_publish(struct cluster *c, const struct metadata *picture)
{
    mutex_lock(&c->picture_mu);
    const struct metadata *old = c->picture;
    c->picture = picture;
    mutex_unlock(&c->picture_mu);
    metadata_unref(old);
    if (c->options.hooks.picture_changed != NULL) {
        c->options.hooks.picture_changed(c->options.hooks.ctx, picture);
    }
    jobs_settle(c);
}

const struct metadata *cluster_metadata(struct cluster *c)
{
    mutex_lock(&c->picture_mu);
    const struct metadata *picture = c->picture;
    metadata_ref(picture);
    mutex_unlock(&c->picture_mu);
    return picture;
}

// ---------------------------------------------------------------------------------------------------------------
// Opening and closing

void cluster_opened(struct cluster *c, enum err err)
{
    if (c->state == CLUSTER_OPENING) {
        c->state = err == ERR_OK ? CLUSTER_OPEN : CLUSTER_FAILED;
    }
    mutex_lock(&c->gate_mu);
    if (!c->opened) {
        c->opened = true;
        c->open_err = err;
    }
    cond_broadcast(&c->gate_cond);
    mutex_unlock(&c->gate_mu);
}

void cluster_fail(struct cluster *c, enum err err, const char *what)
{
    if (c->state == CLUSTER_FAILED || c->state == CLUSTER_CLOSED) {
        return;
    }
    log_error("cluster", "%s: %s; no topic can be created or deleted until the broker is started again", what,
              err_text(err));
    c->failure = err;
    if (c->state == CLUSTER_OPENING) {
        cluster_opened(c, err);
    }
    c->state = CLUSTER_FAILED;
    jobs_fail_all(c, err);
}

static void open_on_loop(void *ctx)
{
    struct cluster *c = ctx;
    enum err err = registration_init(c);
    if (err == ERR_OK) {
        err = isr_changes_init(c);
    }
    if (err == ERR_OK) {
        err = cluster_control_init(c);
    }
    if (err == ERR_OK) {
        err = tree_open(c);
    }
    if (err == ERR_OK) {
        cluster_start(c);
    } else {
        cluster_opened(c, err);
    }
}

static void close_on_loop(void *ctx)
{
    struct cluster *c = ctx;
    if (c->controller != NULL) { // whoever has asked it is answered
        cluster_step(c, &(struct controller_event){.type = CONTROLLER_EXPIRED});
    }
    c->state = CLUSTER_CLOSED;
    jobs_fail_all(c, ERR_CLOSED);
    isr_changes_close(c);
    controller_link_close(c);
    leave_close(c); // all that could have set its timer has ended
    control_clear(c);
    registration_release(c);
    tree_close(c);
    while (!LIST_EMPTY(&c->calls)) { // the tree has dropped them
        struct cluster_call *call = LIST_FIRST(&c->calls);
        LIST_REMOVE(call, entry);
        free(call);
    }
}

static void cluster_free(struct cluster *c)
{
    isr_changes_release(c);
    timer_release(&c->rebalance);
    loop_free(c->loop);
    controller_free(c->controller);
    controller_effects_release(&c->effects);
    cluster_control_clear(c);
    free(c->tells);
    settings_clear(c);
    for (int32_t i = 0; i < c->config_names_count; i++) {
        free(c->config_names[i]);
    }
    free(c->config_names);
    metadata_unref(c->picture);
    mutex_destroy(&c->picture_mu);
    mutex_destroy(&c->gate_mu);
    cond_destroy(&c->gate_cond);
    free(c->id);
    free(c);
}

static struct cluster *cluster_new(const struct cluster_options *o)
{
    static const struct broker_keys no_keys = {NULL, 0};
    struct cluster *c = must_alloc(sizeof *c);
    c->options = *o;
    c->options.keys = o->keys != NULL ? o->keys : &no_keys;
    c->broker_id = o->broker_id;
    LIST_INIT(&c->calls);
    STAILQ_INIT(&c->answers);
    STAILQ_INIT(&c->asked);
    STAILQ_INIT(&c->ops_waiting);
    STAILQ_INIT(&c->isr_waiting);
    STAILQ_INIT(&c->isr_sent);
    atomic_init(&c->broker_epoch, -1);
    TAILQ_INIT(&c->queued);
    TAILQ_INIT(&c->settling);
    TAILQ_INIT(&c->asking);
    TAILQ_INIT(&c->controls);
    c->control_epoch = -1;
    controller_effects_init(&c->effects);
    settings_init(c);
    mutex_init(&c->picture_mu, MUTEX_RANK_LEAF);
    mutex_init(&c->gate_mu, MUTEX_RANK_LEAF);
    cond_init(&c->gate_cond);
    return c;
}

enum err cluster_open(const struct cluster_options *o, struct cluster **out)
{
    *out = NULL;
    struct cluster *c = cluster_new(o);
    enum err err = loop_new("control", o->os, &c->loop);
    if (err == ERR_OK) {
        err = loop_start(c->loop);
    }
    if (err != ERR_OK) {
        cluster_free(c);
        return err;
    }
    err = errand_do(&c->errand, c->loop, open_on_loop, c, ERRAND_PATIENT);
    ASSERT(err == ERR_OK);
    mutex_lock(&c->gate_mu);
    while (!c->opened) {
        cond_wait(&c->gate_cond, &c->gate_mu);
    }
    err = c->open_err;
    mutex_unlock(&c->gate_mu);
    if (err != ERR_OK) {
        enum err closed = cluster_close(c, ERRAND_PATIENT);
        ASSERT(closed == ERR_OK);
        return err;
    }
    *out = c;
    return ERR_OK;
}

enum err cluster_close(struct cluster *c, int64_t patience_ms)
{
    if (c == NULL) {
        return ERR_OK;
    }
    mutex_lock(&c->gate_mu);
    c->stopping = true;
    mutex_unlock(&c->gate_mu);
    enum err err = errand_do(&c->errand, c->loop, close_on_loop, c, patience_ms);
    if (err != ERR_OK) {
        return err;
    }
    if (c->options.pool != NULL) {
        pool_drain(c->options.pool); // looks up names no more
    }
    loop_stop(c->loop);
    cluster_free(c);
    return ERR_OK;
}

bool cluster_tree_exists(const struct os *os, const char *dir)
{
    return zk_local_exists(os, dir);
}

const char *cluster_id(const struct cluster *c)
{
    return c->id;
}

int32_t cluster_broker_id(const struct cluster *c)
{
    return c->broker_id;
}

int64_t cluster_broker_epoch(struct cluster *c)
{
    return atomic_load(&c->broker_epoch);
}

const char *cluster_inter_broker_listener(const struct cluster *c)
{
    return c->options.inter_broker_listener;
}

struct loop *cluster_loop(struct cluster *c)
{
    return c->loop;
}
