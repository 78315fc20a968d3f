// SPDX-License-Identifier: Apache-2.0
//
// The tree of znodes on the control thread's loop: which store it is, what drives it, and what its session means for
// this broker.
//
//   up       cluster_start has queued the start's operations; they run as soon as there is a session
//   lost     operations wait in the store; everything that needs no tree goes on
//   expired  tree_expired: this broker is not the controller any more, whoever leads; what waited answers ERR_CLOSED
//   again    tree_rejoined, when the broker is registered in the new session: the controller elects, and changes of
//            configs that were missed are read
#include "broker/cluster/cluster_internal.h"

#include "base/logging.h"
#include "zk/zk.h"

// ---------------------------------------------------------------------------------------------------------------
// Driving it

static void tree_wait(struct cluster *c)
{
    const struct zk_interest i = zk_interest(c->zk);
    fd_watch_set(&c->tree_watch, i.fd, i.readable, i.writable, i.timeout_ms);
}

static void on_ready(void *ctx, bool readable, bool writable)
{
    struct cluster *c = ctx;
    zk_ready(c->zk, readable, writable);
    tree_wait(c);
}

static void dispatch_run(struct mailbox_item *item)
{
    struct cluster *c = (struct cluster *)((char *)item - offsetof(struct cluster, dispatch));
    c->dispatch_posted = false;
    if (c->zk != NULL) {
        fd_watch_clear(&c->tree_watch);
        zk_dispatch(c->zk);
        tree_wait(c);
    }
}

static void on_wake(void *ctx)
{
    struct cluster *c = ctx;
    if (!c->dispatch_posted) {
        c->dispatch_posted = true;
        loop_post(c->loop, &c->dispatch);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Its events

static void tree_rejoined(struct cluster *c, enum err err)
{
    if (err != ERR_OK) {
        cluster_fail(c, err, "this broker cannot be registered again");
        return;
    }
    log_info("cluster", "broker %d has joined the cluster again", c->broker_id);
    cluster_step(c, &(struct controller_event){.type = CONTROLLER_START, .session_id = zk_session_id(c->zk)});
    config_changes_read(c);
}

// Called before anything of the next session; what waited for an answer in the old one will get ERR_CLOSED.
static void tree_expired(struct cluster *c)
{
    bool is_starting = c->state == CLUSTER_OPENING && c->controller != NULL; // this broker was registered
    if (c->state != CLUSTER_OPEN && !is_starting) {
        return; // the start fails by its operations; a cluster that has failed stays so
    }
    c->session++;
    c->is_controller = false;
    cluster_control_clear(c);
    config_changes_expired(c);
    cluster_step(c, &(struct controller_event){.type = CONTROLLER_EXPIRED});
    cluster_register(c, tree_rejoined);
}

static void on_event(void *ctx, enum zk_event_type type, const char *path)
{
    struct cluster *c = ctx;
    if (type == ZK_EVENT_SESSION_EXPIRED) {
        tree_expired(c);
    }
    if (path == NULL) {
        return;
    }
    cluster_register_watched(c, path);
    if (strcmp(path, ZNODE_CONFIG_CHANGES) == 0) {
        config_changes_read(c);
    } else if (c->controller != NULL) {
        cluster_step(c, &(struct controller_event){.type = CONTROLLER_WATCH, .path = path});
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Opening and closing

static enum err store_open(struct cluster *c)
{
    const struct cluster_options *o = &c->options;
    if (o->zookeeper_connect == NULL) {
        enum err err = zk_local_open(o->os, o->zk_dir, on_wake, c, &c->zk);
        if (err != ERR_OK) {
            log_error("cluster", "cannot open the tree of znodes in %s: %s", o->zk_dir, err_text(err));
        }
        return err;
    }
    const struct zk_client_options client = {.os = o->os,
                                             .connect = o->zookeeper_connect,
                                             .session_timeout_ms = o->zookeeper_session_timeout_ms,
                                             .connection_timeout_ms = o->zookeeper_connection_timeout_ms,
                                             .max_in_flight = o->zookeeper_max_in_flight,
                                             .wake = on_wake,
                                             .wake_ctx = c};
    enum err err = zk_client_open(&client, &c->zk);
    if (err != ERR_OK) {
        log_error("cluster", "zookeeper.connect=%s is not host:port,host:port/chroot", o->zookeeper_connect);
    }
    return err;
}

enum err tree_open(struct cluster *c)
{
    c->dispatch.run = dispatch_run;
    enum err err = fd_watch_init(&c->tree_watch, c->loop, on_ready, c);
    if (err == ERR_OK) {
        err = store_open(c);
    }
    if (err == ERR_OK) {
        zk_set_event_fn(c->zk, on_event, c);
    }
    return err;
}

void tree_keep_alive(struct cluster *c)
{
    if (c->zk != NULL) {
        zk_keep_alive(c->zk);
    }
}

void tree_close(struct cluster *c)
{
    fd_watch_release(&c->tree_watch);
    if (c->zk != NULL) {
        zk_close(c->zk);
        c->zk = NULL;
    }
}
