// SPDX-License-Identifier: Apache-2.0
//
// The embedded store: queue, tree, journal and watches behind one handle.
//
//   call -> queue -> zk_dispatch -> changes that stand together: tree -> frame -> journal (one fsync) -> events,
//   results
//                                   anything else: answered from the tree
//
// What always holds between two steps of zk_dispatch: the tree is exactly what the journal made durable. A change
// touches the tree first, to see whether it is possible and what it does; if the journal then fails, it is undone
// before anybody can read it. On a full disk it is undone likewise, and waits with all that was asked after it. Events
// of a change come before its result and after the results of all earlier reads.
#include "zk/zk_local.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/logging.h"
#include "zk/zk_journal.h"
#include "zk/zk_memory.h"
#include "zk/zk_path.h"
#include "zk/zk_pending.h"
#include "zk/zk_txn.h"
#include "zk/zk_watch.h"

enum {
    LOCAL_QUEUE_MAX = 100 * 1000,
    LOCAL_RETRY_MS = 1000, // how often a full disk is tried again
};

struct zk_local {
    struct zk zk;
    const struct os *os;
    struct zk_tree tree;
    struct zk_journal journal;
    struct zk_watches watches;
    struct zk_pending_list queue;
    int queue_count;
    int queue_max;
    struct writer frame; // of the changes in progress; read again for their events
    int64_t session_id;
    void (*wake)(void *ctx);
    void *wake_ctx;
    bool is_dispatching;
    bool is_blocked; // the disk is full: the queue waits, changes and what was asked after them
};

static struct zk_local *local_of(struct zk *zk)
{
    return (struct zk_local *)zk; // its first member
}

// ---- queue ----

static void local_submit(struct zk *zk, const struct zk_request *request)
{
    struct zk_local *l = local_of(zk);
    struct zk_request full = *request;
    if (l->queue_count >= l->queue_max) {
        full.refused = ERR_FULL;
        full.refused_op = -1;
    }
    struct zk_pending *p = zk_pending_new(&full);
    STAILQ_INSERT_TAIL(&l->queue, p, entries);
    l->queue_count++;
    if (l->queue_count == 1 && !l->is_dispatching && !l->is_blocked)
        l->wake(l->wake_ctx);
}

static struct zk_pending *queue_take(struct zk_local *l)
{
    struct zk_pending *p = STAILQ_FIRST(&l->queue);
    STAILQ_REMOVE_HEAD(&l->queue, entries);
    l->queue_count--;
    return p;
}

static void pending_answer(struct zk_pending *p)
{
    if (p->request.fn != NULL)
        p->request.fn(p->request.ctx, &p->result);
    zk_pending_free(p);
}

// ---- changes: to the tree and into the frame ----

static void effect_add(struct zk_local *l, enum zk_effect_type type, const char *path, struct slice data, int64_t owner)
{
    struct zk_effect effect = {.type = type, .path = slice_str(path), .data = data, .owner = owner};
    zk_txn_effect(&l->frame, &effect);
}

static enum err create_execute(struct zk_local *l, const struct zk_change *change, const struct zk_op *op,
                               struct zk_pending *p)
{
    char name[ZK_PATH_MAX_BYTES + 1];
    const char *path = op->path;
    struct zk_node *node = NULL;
    if (op->mode == ZK_PERSISTENT_SEQUENTIAL) {
        enum err err = zk_tree_sequential_name(&l->tree, op->path, name);
        if (err != ERR_OK)
            return err;
        path = name;
    }
    int64_t owner = op->mode == ZK_EPHEMERAL ? l->session_id : 0;
    enum err err = zk_tree_create(&l->tree, change, slice_str(path), op->data, owner, &node);
    if (err != ERR_OK)
        return err;
    effect_add(l, ZK_EFFECT_CREATE, path, op->data, owner);
    if (p->request.type == ZK_REQUEST_CREATE)
        zk_node_stat(node, &p->result.stat);
    if (path == name && p->request.type == ZK_REQUEST_CREATE)
        p->result.path = p->name = zk_memory_copy(slice_str(name));
    return ERR_OK;
}

static enum err op_execute(struct zk_local *l, const struct zk_change *change, const struct zk_op *op,
                           struct zk_pending *p)
{
    struct zk_node *node = NULL;
    enum err err = ERR_INVALID;
    switch (op->type) {
    case ZK_OP_CREATE:
        return create_execute(l, change, op, p);
    case ZK_OP_SET:
        err = zk_tree_set(&l->tree, change, slice_str(op->path), op->data, op->version, &node);
        if (err == ERR_OK) {
            effect_add(l, ZK_EFFECT_SET, op->path, op->data, 0);
            zk_node_stat(node, &p->result.stat);
        }
        break;
    case ZK_OP_DELETE:
        err = zk_tree_delete(&l->tree, slice_str(op->path), op->version);
        if (err == ERR_OK)
            effect_add(l, ZK_EFFECT_DELETE, op->path, SLICE_NULL, 0);
        break;
    case ZK_OP_CHECK:
        err = zk_tree_check(&l->tree, slice_str(op->path), op->version);
        break;
    }
    return err;
}

// All operations of a request as one transaction, or none of them.
static void change_execute(struct zk_local *l, struct zk_pending *p)
{
    const struct zk_change change = {.zxid = l->tree.zxid + 1, .time_ms = os_wall_ms(l->os)};
    const struct zk_mark mark = zk_tree_mark(&l->tree);
    bool is_multi = p->request.type == ZK_REQUEST_MULTI;
    const struct zk_op *ops = is_multi ? p->request.ops : &p->request.op;
    int n = is_multi ? p->request.ops_count : 1;
    uint32_t effects = 0;
    p->txn_start = zk_txn_begin(&l->frame, &change);
    for (int i = 0; i < n && p->result.err == ERR_OK; i++) {
        p->result.err = op_execute(l, &change, &ops[i], p);
        if (p->result.err != ERR_OK && is_multi)
            p->result.failed_op = i;
        effects += ops[i].type != ZK_OP_CHECK;
    }
    if (p->result.err != ERR_OK || effects == 0) {
        zk_tree_rollback(&l->tree, mark);
        l->frame.len = p->txn_start;
    } else {
        zk_txn_end(&l->frame, p->txn_start, effects);
        l->tree.zxid = change.zxid;
    }
    if (p->result.err != ERR_OK)
        p->result.stat = (struct zk_stat){0};
    p->txn_end = l->frame.len;
}

// ---- events ----

static void event_fire(struct zk_local *l, enum zk_event_type type, struct slice path, unsigned kinds)
{
    char *watched = zk_watches_take(&l->watches, path, kinds);
    if (watched != NULL && l->zk.event_fn != NULL)
        l->zk.event_fn(l->zk.event_ctx, type, watched);
    free(watched);
}

static void effect_fire(struct zk_local *l, const struct zk_effect *effect)
{
    switch (effect->type) {
    case ZK_EFFECT_CREATE:
        event_fire(l, ZK_EVENT_CREATED, effect->path, ZK_WATCH_NODE);
        event_fire(l, ZK_EVENT_CHILDREN_CHANGED, zk_path_parent(effect->path), ZK_WATCH_CHILDREN);
        break;
    case ZK_EFFECT_SET:
        event_fire(l, ZK_EVENT_DATA_CHANGED, effect->path, ZK_WATCH_NODE);
        break;
    case ZK_EFFECT_DELETE:
        event_fire(l, ZK_EVENT_DELETED, effect->path, ZK_WATCH_NODE | ZK_WATCH_CHILDREN);
        event_fire(l, ZK_EVENT_CHILDREN_CHANGED, zk_path_parent(effect->path), ZK_WATCH_CHILDREN);
        break;
    }
}

static void change_fire(struct zk_local *l, const struct zk_pending *p)
{
    struct zk_txn txn;
    if (p->txn_start == p->txn_end)
        return;
    struct reader r = reader_of(slice_of(l->frame.data + p->txn_start, p->txn_end - p->txn_start));
    enum err err = zk_txn_read(&r, &txn);
    for (uint32_t i = 0; err == ERR_OK && i < txn.count; i++) {
        struct zk_effect effect;
        err = zk_effect_read(&r, &effect);
        if (err == ERR_OK)
            effect_fire(l, &effect);
    }
    ASSERT(err == ERR_OK); // it is what change_execute wrote
}

// ---- dispatch ----

// Makes the transactions in the frame durable and final, or undoes them.
static enum err frame_commit(struct zk_local *l, struct zk_mark mark)
{
    enum err err = l->tree.zxid == mark.zxid ? ERR_OK : zk_journal_append(&l->journal, &l->frame);
    if (err != ERR_OK)
        zk_tree_rollback(&l->tree, mark);
    zk_tree_keep(&l->tree);
    return err;
}

// Back to the head of the queue, in their order, as if they had not been tried.
static void changes_put_back(struct zk_local *l, struct zk_pending_list *run)
{
    struct zk_pending *p;
    STAILQ_FOREACH (p, run, entries) {
        zk_pending_reset(p);
        l->queue_count++;
    }
    STAILQ_CONCAT(run, &l->queue);
    STAILQ_CONCAT(&l->queue, run);
    l->is_blocked = true;
}

// Takes the changes at the head of the queue, as many as one frame may hold: they share a write and an fsync.
static void changes_run(struct zk_local *l)
{
    struct zk_pending_list run = STAILQ_HEAD_INITIALIZER(run);
    const struct zk_mark mark = zk_tree_mark(&l->tree);
    zk_journal_frame_begin(&l->frame);
    while (!STAILQ_EMPTY(&l->queue) && zk_pending_is_change(STAILQ_FIRST(&l->queue)) &&
           l->frame.len < ZK_FRAME_BATCH_BYTES) {
        struct zk_pending *p = queue_take(l);
        if (!l->journal.is_failed)
            change_execute(l, p);
        STAILQ_INSERT_TAIL(&run, p, entries);
    }
    enum err err = l->journal.is_failed ? ERR_IO : frame_commit(l, mark);
    if (err == ERR_NO_SPACE) {
        changes_put_back(l, &run);
        return;
    }
    while (!STAILQ_EMPTY(&run)) {
        struct zk_pending *p = STAILQ_FIRST(&run);
        STAILQ_REMOVE_HEAD(&run, entries);
        if (err == ERR_OK)
            change_fire(l, p);
        else
            p->result = (struct zk_result){.err = err, .path = p->request.op.path, .failed_op = -1};
        pending_answer(p);
    }
    zk_journal_rotate_if_due(&l->journal, &l->tree);
}

static void read_run(struct zk_local *l, struct zk_pending *p)
{
    const struct zk_node *node = zk_tree_find(&l->tree, slice_str(p->request.op.path));
    struct zk_result *result = &p->result;
    const char **names = NULL;
    if (node == NULL) {
        result->err = ERR_NOT_FOUND;
    } else {
        zk_node_stat(node, &result->stat);
        if (p->request.type == ZK_REQUEST_GET)
            result->data = slice_of(node->data, node->data_len);
        if (p->request.type == ZK_REQUEST_CHILDREN) {
            names = zk_node_children(node);
            result->children = names;
            result->n_children = node->children_count;
        }
    }
    // Only exists may watch for a node that is not there.
    if (p->request.watch && (node != NULL || p->request.type == ZK_REQUEST_EXISTS))
        zk_watches_set(&l->watches, p->request.op.path,
                       p->request.type == ZK_REQUEST_CHILDREN ? ZK_WATCH_CHILDREN : ZK_WATCH_NODE);
    pending_answer(p);
    free(names);
}

static void local_dispatch(struct zk *zk)
{
    struct zk_local *l = local_of(zk);
    ASSERT(!l->is_dispatching);
    l->is_dispatching = true;
    l->is_blocked = false;
    while (!STAILQ_EMPTY(&l->queue) && !l->is_blocked) {
        if (zk_pending_is_change(STAILQ_FIRST(&l->queue))) {
            changes_run(l);
            continue;
        }
        struct zk_pending *p = queue_take(l);
        if (p->refused)
            pending_answer(p);
        else
            read_run(l, p);
    }
    l->is_dispatching = false;
}

// Files are all it waits for, and those it waits for inside; but for a full disk, which it tries again.
static struct zk_interest local_interest(const struct zk *zk)
{
    const struct zk_local *l = (const struct zk_local *)zk;
    return (struct zk_interest){.fd = -1, .timeout_ms = l->is_blocked ? LOCAL_RETRY_MS : -1};
}

static void local_ready(struct zk *zk, bool readable, bool writable)
{
    (void)readable;
    (void)writable;
    local_dispatch(zk);
}

static void local_keep_alive(struct zk *zk)
{
    (void)zk; // its session lasts as long as the process
}

// ---- session ----

// Deletes all ephemerals (there is one session at a time, so all are of the same) as one durable transaction.
static enum err ephemerals_delete(struct zk_local *l)
{
    const struct zk_change change = {.zxid = l->tree.zxid + 1, .time_ms = os_wall_ms(l->os)};
    const struct zk_mark mark = zk_tree_mark(&l->tree);
    uint32_t count = 0;
    if (LIST_EMPTY(&l->tree.ephemerals))
        return ERR_OK;
    zk_journal_frame_begin(&l->frame);
    size_t start = zk_txn_begin(&l->frame, &change);
    while (!LIST_EMPTY(&l->tree.ephemerals)) {
        const struct zk_node *node = LIST_FIRST(&l->tree.ephemerals);
        effect_add(l, ZK_EFFECT_DELETE, node->path, SLICE_NULL, 0);
        enum err err = zk_tree_delete(&l->tree, slice_of(node->path, node->path_len), ZK_VERSION_ANY);
        ASSERT(err == ERR_OK); // ephemerals have no children
        count++;
    }
    zk_txn_end(&l->frame, start, count);
    l->tree.zxid = change.zxid;
    return frame_commit(l, mark);
}

static void local_free(struct zk_local *l)
{
    zk_pending_list_free(&l->queue);
    zk_watches_release(&l->watches);
    zk_tree_release(&l->tree);
    writer_release(&l->frame);
    free(l);
}

static void local_close(struct zk *zk)
{
    struct zk_local *l = local_of(zk);
    ASSERT(!l->is_dispatching);
    if (ephemerals_delete(l) != ERR_OK)
        log_warn("zk", "the ephemeral nodes of this session could not be deleted; the next start does it");
    zk_journal_close(&l->journal);
    local_free(l);
}

static int64_t local_session_id(const struct zk *zk)
{
    return ((const struct zk_local *)zk)->session_id;
}

static const struct zk_vtable local_vtable = {
    .submit = local_submit,
    .dispatch = local_dispatch,
    .interest = local_interest,
    .ready = local_ready,
    .keep_alive = local_keep_alive,
    .session_id = local_session_id,
    .close = local_close,
};

// Positive and never 0, which means persistent; random, so that no two sessions share one.
static int64_t session_id_new(const struct os *os)
{
    uint64_t id = 0;
    while ((id & INT64_MAX) == 0)
        os->random(os, &id, sizeof id);
    return (int64_t)(id & INT64_MAX);
}

enum err zk_local_open_with(const struct os *os, const char *dir, const struct zk_local_limits *limits,
                            void (*wake)(void *ctx), void *wake_ctx, struct zk **out)
{
    struct zk_local *l = zk_memory_alloc(sizeof *l);
    l->zk.vtable = &local_vtable;
    l->os = os;
    l->wake = wake;
    l->wake_ctx = wake_ctx;
    l->queue_max = limits->queue_max;
    l->session_id = session_id_new(os);
    STAILQ_INIT(&l->queue);
    zk_tree_init(&l->tree);
    writer_init(&l->frame, 0, ZK_FRAME_MAX_BYTES);
    enum err err = zk_journal_open(&l->journal, os, dir, limits->snapshot_bytes, &l->tree);
    if (err != ERR_OK)
        goto out;
    err = ephemerals_delete(l); // of sessions that ended without saying so
    if (err != ERR_OK) {
        zk_journal_close(&l->journal);
        goto out;
    }
    *out = &l->zk;
    l = NULL;
out:
    if (l != NULL)
        local_free(l);
    return err;
}

bool zk_local_exists(const struct os *os, const char *dir)
{
    static const char *const names[] = {ZK_SNAPSHOT_FILE, ZK_JOURNAL_FILE};
    char path[ZK_PATH_MAX_BYTES * 4];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (snprintf(path, sizeof path, "%s/%s", dir, names[i]) >= (int)sizeof path)
            return false;
        int fd = os->open(os, path, O_RDONLY, 0);
        if (fd >= 0) {
            os->close(os, fd);
            return true;
        }
    }
    return false;
}

enum err zk_local_open(const struct os *os, const char *dir, void (*wake)(void *ctx), void *wake_ctx, struct zk **out)
{
    static const struct zk_local_limits limits = {ZK_JOURNAL_SNAPSHOT_BYTES, LOCAL_QUEUE_MAX};
    return zk_local_open_with(os, dir, &limits, wake, wake_ctx, out);
}
