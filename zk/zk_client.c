// SPDX-License-Identifier: Apache-2.0
//
// The store on a real ZooKeeper: its session, and the order of its operations. The library does sockets, packets and
// watches; it runs only inside zk_dispatch and zk_ready, on the owner's thread.
//
//   call -> queue -> sent (at most max_in_flight) -> outcome -> callback
//             ^        | connection breaks
//             +- lost -+    in order, and before all others; changes one at a time, so that what a failure of the
//                           second copy means can be found out before anything else is sent (zk_resent.h)
//
// The session: CONNECTING -> UP <-> LOST -> EXPIRED -> CONNECTING (a new one). docs/ZOOKEEPER.md has the diagram.
//
// What always holds between two turns: results have come in the order of the calls; nothing is sent unless the session
// is up; what is in `sent` is what the library owes an outcome for.
#include "zk/zk_client.h"

#include <inttypes.h>

#include "base/logging.h"
#include "zk/zk_memory.h"
#include "zk/zk_resent.h"

#define KEEPS_PER_SESSION 5    // pings of zk_keep_alive within the session's timeout
#define READS_PER_TURN    64   // packets; more wait for the next turn
#define HANDLE_RETRY_MS   1000 // the names of the hosts cannot be looked up
#define FAILED_RETRY_MS   100  // a connection could not even be begun

static struct zk_client *client_of(struct zk *zk)
{
    return (struct zk_client *)zk; // its first member
}

static int64_t now_ms(const struct zk_client *c)
{
    return os_mono_us(c->options.os) / 1000;
}

static void event_tell(struct zk_client *c, enum zk_event_type type, const char *path)
{
    if (c->zk.event_fn != NULL && !c->is_closing)
        c->zk.event_fn(c->zk.event_ctx, type, path);
}

// ---- queue ----

static void client_submit(struct zk *zk, const struct zk_request *request)
{
    struct zk_client *c = client_of(zk);
    struct zk_request full = *request;
    full.refused_op = request->refused == ERR_OK ? -1 : request->refused_op;
    if (c->queue_count >= ZK_CLIENT_QUEUE_MAX)
        full.refused = ERR_FULL;
    else if (request->refused == ERR_OK && !zk_client_fits(c, request))
        full.refused = ERR_TOO_LARGE;
    struct zk_pending *p = zk_pending_new(&full);
    p->client = c;
    STAILQ_INSERT_TAIL(&c->queue, p, entries);
    c->queue_count++;
    if (c->queue_count == 1 && !c->is_turning)
        c->options.wake(c->options.wake_ctx);
}

static struct zk_pending *queue_take(struct zk_client *c)
{
    struct zk_pending *p = STAILQ_FIRST(&c->queue);
    STAILQ_REMOVE_HEAD(&c->queue, entries);
    c->queue_count--;
    return p;
}

static void pending_answer(struct zk_pending *p)
{
    if (p->request.fn != NULL && !p->client->is_closing)
        p->request.fn(p->request.ctx, &p->result);
    zk_pending_free(p);
}

static void answer_all(struct zk_pending_list *list, enum err err)
{
    while (!STAILQ_EMPTY(list)) {
        struct zk_pending *p = STAILQ_FIRST(list);
        STAILQ_REMOVE_HEAD(list, entries);
        if (!p->refused)
            p->result = (struct zk_result){.err = err, .path = p->request.op.path, .failed_op = -1};
        pending_answer(p);
    }
}

// Puts what was lost before everything else.
static void lost_requeue(struct zk_client *c)
{
    struct zk_pending *p;
    STAILQ_FOREACH (p, &c->lost, entries)
        c->queue_count++;
    STAILQ_CONCAT(&c->lost, &c->queue);
    STAILQ_CONCAT(&c->queue, &c->lost);
}

// ---- outcomes ----

static bool code_is_loss(int code)
{
    return code == ZCONNECTIONLOSS || code == ZOPERATIONTIMEOUT || code == ZSYSTEMERROR ||
           code == ZRUNTIMEINCONSISTENCY || code == ZSESSIONMOVED || code == ZSESSIONEXPIRED;
}

static enum err err_of_code(const struct zk_pending *p, int code)
{
    static const struct {
        int code;
        enum err err;
    } known[] = {
        {ZOK, ERR_OK},
        {ZNONODE, ERR_NOT_FOUND},
        {ZNODEEXISTS, ERR_EXISTS},
        {ZBADVERSION, ERR_BAD_VERSION},
        {ZNOTEMPTY, ERR_NOT_EMPTY},
        {ZNOCHILDRENFOREPHEMERALS, ERR_INVALID},
        {ZBADARGUMENTS, ERR_INVALID},
        {ZCLOSING, ERR_CLOSED},
        {ZINVALIDSTATE, ERR_CLOSED},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].code == code)
            return known[i].err;
    }
    const char *path = p->request.op.path == NULL ? "a multi" : p->request.op.path;
    log_error("zk", "ZooKeeper refuses %s: %s (%d)", path, zerror(code), code);
    return ERR_IO;
}

static void sent_remove(struct zk_pending *p)
{
    struct zk_client *c = p->client;
    ASSERT(STAILQ_FIRST(&c->sent) == p); // outcomes come in order
    STAILQ_REMOVE_HEAD(&c->sent, entries);
    c->sent_count--;
}

// The connection broke while it was under way: true when that is so.
static bool outcome_lost(struct zk_pending *p, int code)
{
    if (!code_is_loss(code) || p->client->is_closing)
        return false;
    p->is_resent = zk_pending_is_change(p);
    sent_remove(p);
    STAILQ_INSERT_TAIL(&p->client->lost, p, entries);
    return true;
}

void zk_client_outcome(struct zk_pending *p, int code)
{
    if (outcome_lost(p, code))
        return;
    p->result.err = err_of_code(p, code);
    if (p->result.err != ERR_OK)
        p->result.stat = (struct zk_stat){0};
    p->looked_at = p->is_resent && p->result.err != ERR_OK ? zk_resent_next(&p->request, 0) : -1;
    if (p->looked_at >= 0) { // it stays in sent
        zk_client_look(p->client, p);
        return;
    }
    sent_remove(p);
    pending_answer(p);
}

void zk_client_looked(struct zk_pending *p, int code, const struct zk_result *node)
{
    struct zk_result found = *node;
    if (outcome_lost(p, code))
        return;
    found.err = err_of_code(p, code);
    bool is_done = zk_resent_done(&p->request, p->looked_at, p->client->session_id, &found);
    bool is_multi = p->request.type == ZK_REQUEST_MULTI;
    if (is_done && (!is_multi || p->request.ops[p->looked_at].type == ZK_OP_SET))
        p->result.stat = found.stat;
    int next = is_done ? zk_resent_next(&p->request, p->looked_at + 1) : -1;
    if (next >= 0) {
        p->looked_at = next;
        zk_client_look(p->client, p);
        return;
    }
    if (is_done) {
        p->result.err = ERR_OK;
        p->result.failed_op = -1;
    } else {
        p->result.stat = (struct zk_stat){0};
    }
    sent_remove(p);
    pending_answer(p);
}

// ---- session ----

static void fail(struct zk_client *c, enum err err)
{
    struct zk_pending_list all = STAILQ_HEAD_INITIALIZER(all);
    c->failure = err;
    lost_requeue(c);
    STAILQ_CONCAT(&all, &c->queue);
    c->queue_count = 0;
    answer_all(&all, err);
}

static void session_up(struct zk_client *c)
{
    int64_t id = zoo_client_id(c->handle)->client_id;
    if (id == c->session_id)
        log_info("zk", "connected to ZooKeeper at %s again after %" PRId64 " ms", zoo_get_current_server(c->handle),
                 now_ms(c) - c->lost_at_ms);
    else
        log_info("zk", "session 0x%" PRIx64 " with ZooKeeper at %s, timeout %d ms", (uint64_t)id,
                 zoo_get_current_server(c->handle), zoo_recv_timeout(c->handle));
    c->session_id = id;
    c->is_connected = true;
    c->had_session = true;
    event_tell(c, ZK_EVENT_SESSION_UP, NULL);
}

static void session_lost(struct zk_client *c)
{
    c->is_connected = false;
    c->lost_at_ms = now_ms(c);
    log_warn("zk", "the connection to ZooKeeper at %s is lost", zoo_get_current_server(c->handle));
    event_tell(c, ZK_EVENT_SESSION_LOST, NULL);
}

// The library tells that the state of the session has changed.
static void session_changed(zhandle_t *handle, int type, int state, const char *path, void *ctx)
{
    struct zk_client *c = ctx;
    (void)handle;
    (void)path;
    if (type != ZOO_SESSION_EVENT || c->is_closing)
        return;
    if (state == ZOO_CONNECTED_STATE) {
        session_up(c);
    } else if (state == ZOO_EXPIRED_SESSION_STATE || state == ZOO_AUTH_FAILED_STATE) {
        c->has_expired = true;
    } else if (c->is_connected) {
        session_lost(c);
    }
}

static void chroot_made(void *ctx, const struct zk_result *result)
{
    struct zk_client *c = ctx;
    bool is_whole = strcmp(result->path, c->connect.chroot) == 0;
    if (result->err == ERR_OK || result->err == ERR_EXISTS)
        c->has_chroot = c->has_chroot || is_whole;
    else if (is_whole && result->err != ERR_CLOSED &&
             result->err != ERR_TIMED_OUT) // else it is tried again, or given up
        log_error("zk", "the chroot %s cannot be made in ZooKeeper: %s", c->connect.chroot, err_text(result->err));
}

// Puts the creation of each of its nodes before everything that waits.
static void chroot_make(struct zk_client *c)
{
    struct zk_pending_list makes = STAILQ_HEAD_INITIALIZER(makes);
    char path[ZK_PATH_MAX_BYTES + 1];
    for (const char *s = c->connect.chroot; *s != '\0';) {
        s += 1 + strcspn(s + 1, "/");
        size_t len = (size_t)(s - c->connect.chroot);
        memcpy(path, c->connect.chroot, len);
        path[len] = '\0';
        struct zk_pending *p = zk_pending_new(&(struct zk_request){
            .type = ZK_REQUEST_CREATE, .op = {.type = ZK_OP_CREATE, .path = path}, .fn = chroot_made, .ctx = c});
        p->client = c;
        p->is_absolute = true;
        STAILQ_INSERT_TAIL(&makes, p, entries);
        c->queue_count++;
    }
    STAILQ_CONCAT(&makes, &c->queue);
    STAILQ_CONCAT(&c->queue, &makes);
}

static void library_says(const char *line)
{
    log_debug("zk", "library: %s", line);
}

static void session_begin(struct zk_client *c)
{
    zoo_set_debug_level(logging_enabled(LOG_DEBUG) ? ZOO_LOG_LEVEL_INFO : ZOO_LOG_LEVEL_ERROR);
    c->handle = zookeeper_init2(c->connect.hosts, session_changed, c->options.session_timeout_ms, NULL, c,
                                ZOO_NO_LOG_CLIENTENV, library_says);
    if (c->handle == NULL) {
        log_warn("zk", "the hosts of ZooKeeper (%s) cannot be looked up; trying again", c->connect.hosts);
        c->retry_at_ms = now_ms(c) + HANDLE_RETRY_MS;
        return;
    }
    zoo_set_servers_resolution_delay(c->handle, -1); // only when a connection is to be made
    if (!c->has_chroot)
        chroot_make(c);
}

// What waited does not know its outcome; what is called from here on belongs to the next session.
static void session_end(struct zk_client *c)
{
    struct zk_pending_list waited = STAILQ_HEAD_INITIALIZER(waited);
    log_warn("zk", "session 0x%" PRIx64 " with ZooKeeper has expired; beginning a new one", (uint64_t)c->session_id);
    ASSERT(STAILQ_EMPTY(&c->sent)); // the library has given all of them back
    zookeeper_close(c->handle);
    c->handle = NULL;
    c->has_expired = false;
    c->is_connected = false;
    c->retry_at_ms = now_ms(c);
    STAILQ_CONCAT(&waited, &c->lost);
    STAILQ_CONCAT(&waited, &c->queue);
    c->queue_count = 0;
    event_tell(c, ZK_EVENT_SESSION_EXPIRED, NULL);
    answer_all(&waited, ERR_CLOSED);
}

// ---- sending ----

// A resent change is alone under way.
static bool may_send(const struct zk_client *c, const struct zk_pending *p)
{
    const struct zk_pending *first = STAILQ_FIRST(&c->sent);
    if (!c->is_connected || c->has_expired || c->sent_count >= c->options.max_in_flight)
        return false;
    return first == NULL || (!first->is_resent && !p->is_resent);
}

// A write that fails closes the socket without a word.
static void connection_check(struct zk_client *c)
{
    if (c->is_connected && zoo_state(c->handle) == ZOO_NOTCONNECTED_STATE)
        session_lost(c);
}

static bool is_answered_here(const struct zk_pending *p)
{
    return p->refused || (p->request.type == ZK_REQUEST_MULTI && p->request.ops_count == 0);
}

static void queue_run(struct zk_client *c)
{
    struct zk_pending *p;
    while ((p = STAILQ_FIRST(&c->queue)) != NULL) {
        bool is_here = is_answered_here(p);
        if (is_here ? c->sent_count > 0 : !may_send(c, p))
            break;
        queue_take(c);
        if (is_here) {
            pending_answer(p);
            continue;
        }
        STAILQ_INSERT_TAIL(&c->sent, p, entries);
        c->sent_count++;
        zk_client_send(c, p);
        connection_check(c);
    }
}

// ---- turns ----

// Reads in any case: after work that has held this thread for long, what has come meanwhile shows that the server
// lives, before library_wait looks for how long nothing has been read.
static void library_read(struct zk_client *c, int events)
{
    events |= c->is_connected ? ZOOKEEPER_READ : 0;
    int code = c->handle == NULL || events == 0 ? ZNOTHING : zookeeper_process(c->handle, events);
    for (int i = 1; code == ZOK && i < READS_PER_TURN; i++)
        code = zookeeper_process(c->handle, ZOOKEEPER_READ);
}

// Lets the library connect, ping and give up, and asks what it waits for.
static void library_wait(struct zk_client *c)
{
    struct timeval time = {0};
    int fd = -1;
    int events = 0;
    c->interest = (struct zk_interest){.fd = -1, .timeout_ms = -1};
    if (c->handle == NULL) {
        c->interest.timeout_ms = c->failure == ERR_OK ? c->retry_at_ms - now_ms(c) : -1;
    } else if (zookeeper_interest(c->handle, &fd, &events, &time) != ZOK) {
        c->interest.timeout_ms = FAILED_RETRY_MS;
    } else {
        c->interest = (struct zk_interest){
            .fd = fd,
            .readable = (events & ZOOKEEPER_READ) != 0,
            .writable = (events & ZOOKEEPER_WRITE) != 0,
            .timeout_ms = time.tv_sec * 1000 + (time.tv_usec + 999) / 1000,
        };
    }
    if (!c->had_session && c->failure == ERR_OK && c->deadline_ms - now_ms(c) < c->interest.timeout_ms)
        c->interest.timeout_ms = c->deadline_ms - now_ms(c);
    if (c->failure == ERR_OK && c->interest.timeout_ms < 0)
        c->interest.timeout_ms = 0;
}

static void deadline_check(struct zk_client *c)
{
    if (c->had_session || c->failure != ERR_OK || now_ms(c) < c->deadline_ms)
        return;
    log_error("zk", "no ZooKeeper has answered at %s for %d ms (zookeeper.connection.timeout.ms)", c->options.connect,
              c->options.connection_timeout_ms);
    if (c->handle != NULL)
        zookeeper_close(c->handle);
    c->handle = NULL;
    fail(c, ERR_TIMED_OUT);
}

static void client_turn(struct zk_client *c, int events)
{
    ASSERT(!c->is_turning);
    c->is_turning = true;
    library_read(c, events);
    if (c->has_expired)
        session_end(c);
    lost_requeue(c);
    deadline_check(c);
    if (c->failure != ERR_OK)
        fail(c, c->failure);
    else if (c->handle == NULL && now_ms(c) >= c->retry_at_ms)
        session_begin(c);
    queue_run(c);
    library_wait(c);
    c->is_turning = false;
    if (c->failure != ERR_OK && c->queue_count > 0) // callbacks have asked again
        c->options.wake(c->options.wake_ctx);
}

static void client_dispatch(struct zk *zk)
{
    client_turn(client_of(zk), 0);
}

static void client_ready(struct zk *zk, bool readable, bool writable)
{
    client_turn(client_of(zk), (readable ? ZOOKEEPER_READ : 0) | (writable ? ZOOKEEPER_WRITE : 0));
}

static void client_keep_alive(struct zk *zk)
{
    struct zk_client *c = client_of(zk);
    if (!c->is_connected || c->has_expired ||
        now_ms(c) - c->kept_at_ms < zoo_recv_timeout(c->handle) / KEEPS_PER_SESSION)
        return;
    c->kept_at_ms = now_ms(c);
    zk_client_ping(c);
    connection_check(c);
}

static struct zk_interest client_interest(const struct zk *zk)
{
    return ((const struct zk_client *)zk)->interest;
}

void zk_client_watched(zhandle_t *handle, int type, int state, const char *path, void *ctx)
{
    struct zk_client *c = ctx;
    enum zk_event_type event = type == ZOO_CREATED_EVENT   ? ZK_EVENT_CREATED
                               : type == ZOO_DELETED_EVENT ? ZK_EVENT_DELETED
                               : type == ZOO_CHANGED_EVENT ? ZK_EVENT_DATA_CHANGED
                                                           : ZK_EVENT_CHILDREN_CHANGED;
    (void)handle;
    (void)state;
    if (type != ZOO_CREATED_EVENT && type != ZOO_DELETED_EVENT && type != ZOO_CHANGED_EVENT && type != ZOO_CHILD_EVENT)
        return; // the session's, which session_changed gets as well
    path += strlen(c->connect.chroot);
    event_tell(c, event, *path == '\0' ? "/" : path);
}

// ---- opening and closing ----

static void client_free(struct zk_client *c)
{
    zk_pending_list_free(&c->lost);
    zk_pending_list_free(&c->sent);
    zk_pending_list_free(&c->queue);
    zk_connect_release(&c->connect);
    free((char *)(uintptr_t)c->options.connect);
    free(c);
}

static void client_close(struct zk *zk)
{
    struct zk_client *c = client_of(zk);
    ASSERT(!c->is_turning);
    c->is_closing = true;
    if (c->handle != NULL)
        zookeeper_close(c->handle);
    client_free(c);
}

static int64_t client_session_id(const struct zk *zk)
{
    return ((const struct zk_client *)zk)->session_id;
}

static const struct zk_vtable client_vtable = {
    .submit = client_submit,
    .dispatch = client_dispatch,
    .interest = client_interest,
    .ready = client_ready,
    .keep_alive = client_keep_alive,
    .session_id = client_session_id,
    .close = client_close,
};

enum err zk_client_open(const struct zk_client_options *o, struct zk **out)
{
    struct zk_client *c = zk_memory_alloc(sizeof *c);
    c->zk.vtable = &client_vtable;
    c->options = *o;
    c->options.connect = zk_memory_copy(slice_str(o->connect));
    STAILQ_INIT(&c->lost);
    STAILQ_INIT(&c->sent);
    STAILQ_INIT(&c->queue);
    enum err err = zk_connect_parse(o->connect, &c->connect);
    if (err != ERR_OK) {
        client_free(c);
        return err;
    }
    c->retry_at_ms = now_ms(c);
    c->deadline_ms = now_ms(c) + o->connection_timeout_ms;
    c->interest = (struct zk_interest){.fd = -1, .timeout_ms = 0}; // the first turn begins the session
    c->has_chroot = *c->connect.chroot == '\0';
    *out = &c->zk;
    return ERR_OK;
}
