// SPDX-License-Identifier: Apache-2.0
//
// A listener: one socket whose accept event lives on the first loop, and one shard of connections per loop. Connections
// are counted by the limits; `mu` guards what the thread that drains waits for on `changed`.
#include "broker/net/listener.h"

#include "base/assert.h"
#include "base/logging.h"
#include "broker/net/conn_private.h"
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPT_ROUNDS = 64,    // connections per event
    ACCEPT_PAUSE_MS = 100, // when there are no descriptors left
};

struct listener {
    struct listener_options o; // name, host copied
    struct conn_handler handler;
    int fd; // -1 once it does not accept any more
    uint16_t port;
    struct event *accept_ev;
    struct timer pause;    // ends a pause in accepting
    bool waits_noted;      // a line has told that new connections have to wait
    struct timer deadline; // of draining
    uint64_t next_id;      // of connections; [first loop]
    struct log_limit refusals;
    bool started;
    bool drained;
    bool in_intake; // its shards are woken by it
    struct mailbox_item start_item;
    struct mailbox_item stop_item;
    int64_t drain_timeout_ms;

    struct conn_share *share;
    void (*on_excess)(void *ctx);
    void *excess_ctx;

    struct mutex mu; // leaf
    struct cond changed;
    int32_t connections;
    int32_t parts_busy; // shards that have not begun to drain, and the accepting itself
    bool timed_out;

    int n_shards;
    struct shard shards[];
};

// ---- binding ----

static int socket_bind(const struct addrinfo *a, const struct listener_options *o)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    // Before listen: connections inherit it, and the window is announced with the first packet.
    if (o->receive_buffer_bytes >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &o->receive_buffer_bytes, sizeof o->receive_buffer_bytes);
    }
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, o->backlog) == 0) {
        return fd;
    }
    int saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}

static enum err address_bind(struct listener *l)
{
    const struct listener_options *o = &l->o;
    bool any = o->host[0] == '\0';
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)o->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(any ? NULL : o->host, port, &hints, &found);
    if (rc != 0) {
        log_error("net", "listener %s: cannot resolve host %s: %s", o->name, o->host, gai_strerror(rc));
        return ERR_INVALID;
    }
    // All interfaces: one IPv6 socket takes both kinds. A name: IPv4 first, as most clients resolve it.
    const int order[2] = {any ? AF_INET6 : AF_INET, any ? AF_INET : AF_INET6};
    for (int i = 0; i < 2 && l->fd < 0; i++) {
        for (struct addrinfo *a = found; a && l->fd < 0; a = a->ai_next) {
            l->fd = a->ai_family == order[i] ? socket_bind(a, o) : -1;
        }
        if (l->fd < 0 && errno == EADDRINUSE) {
            break; // another address would hide that somebody is there already
        }
    }
    freeaddrinfo(found);
    if (l->fd < 0) {
        log_error("net", "listener %s: cannot bind %s:%s: %s", o->name, any ? "*" : o->host, port, strerror(errno));
        return ERR_IO;
    }
    return ERR_OK;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    int rc = getsockname(fd, (struct sockaddr *)&address, &len);
    ASSERT(rc == 0);
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
    return ntohs(address.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
}

// ---- counting ----

void listener_forget(struct listener *l, const char *host)
{
    conn_share_forget(l->share, host);
    mutex_lock(&l->mu);
    ASSERT(l->connections > 0);
    if (--l->connections == 0) {
        cond_broadcast(&l->changed);
    }
    mutex_unlock(&l->mu);
}

static bool connection_admit(struct listener *l, const char *host, const char **why)
{
    if (!conn_share_admit(l->share, host, loop_now_ms(l->shards[0].loop), why)) {
        return false;
    }
    mutex_lock(&l->mu);
    l->connections++;
    mutex_unlock(&l->mu);
    return true;
}

int32_t listener_connections(struct listener *l)
{
    mutex_lock(&l->mu);
    int32_t n = l->connections;
    mutex_unlock(&l->mu);
    return n;
}

// ---- accepting ----

static struct shard *shard_choose(struct listener *l)
{
    struct shard *best = &l->shards[0];
    for (int i = 1; i < l->n_shards; i++) {
        if (loop_load(l->shards[i].loop) < loop_load(best->loop)) {
            best = &l->shards[i];
        }
    }
    return best;
}

static void peer_from(const struct sockaddr_storage *from, struct sockaddr_in6 *peer)
{
    if (from->ss_family == AF_INET6) {
        memcpy(peer, from, sizeof *peer);
        return;
    }
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
    *peer = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = v4->sin_port};
    peer->sin6_addr.s6_addr[10] = 0xff;
    peer->sin6_addr.s6_addr[11] = 0xff;
    memcpy(&peer->sin6_addr.s6_addr[12], &v4->sin_addr, 4);
}

static void connection_refuse(struct listener *l, const char *peer, const char *why)
{
    int dropped;
    if (log_limit_pass(&l->refusals, loop_now_ms(l->shards[0].loop), &dropped)) {
        log_warn("net", "listener %s: refused %s: %s%s", l->o.name, peer, why,
                 dropped > 0 ? "; more such lines were left out" : "");
    }
}

static void connection_take(struct listener *l, int fd, const struct sockaddr_storage *from)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (l->o.send_buffer_bytes >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &l->o.send_buffer_bytes, sizeof l->o.send_buffer_bytes);
    }
    struct sockaddr_in6 peer;
    peer_from(from, &peer);
    struct conn *c = conn_new(&(struct conn_options){
        .shard = shard_choose(l),
        .fd = fd,
        .id = ++l->next_id,
        .peer = &peer,
        .max_frame_bytes = l->o.max_frame_bytes,
        .max_idle_ms = l->o.max_idle_ms,
        .handler = &l->handler,
    });
    const char *why = "out of memory";
    if (c && connection_admit(l, conn_peer_host(c), &why)) {
        conn_start(c);
        if (l->o.privileged && l->on_excess) {
            l->on_excess(l->excess_ctx);
        }
        return;
    }
    connection_refuse(l, c ? conn_peer(c) : "a connection", why);
    if (c) {
        conn_free(c);
    }
    close(fd);
}

// ---- too many ----

static void accept_pause(struct listener *l, int64_t ms)
{
    event_del(l->accept_ev);
    timer_set(&l->pause, ms);
}

static void on_pause_over(void *ctx)
{
    struct listener *l = ctx;
    event_add(l->accept_ev, NULL);
}

// True: the limits let no connection in at the moment; those that come stay in the queue. `somebody` does already.
static bool accept_must_wait(struct listener *l, bool somebody)
{
    int64_t ms = conn_share_wait_ms(l->share, loop_now_ms(l->shards[0].loop));
    if (ms == 0) {
        l->waits_noted = false;
        return false;
    }
    if (somebody && !l->waits_noted) {
        log_warn("net", "listener %s: new connections wait: max.connections or max.connection.creation.rate reached",
                 l->o.name);
        l->waits_noted = true;
    }
    accept_pause(l, ms);
    return true;
}

static struct conn *least_recently_used(const struct shard *s)
{
    struct conn *oldest = TAILQ_FIRST(&s->conns);
    for (struct conn *c = oldest; c; c = conn_next(c)) {
        oldest = conn_active_ms(c) < conn_active_ms(oldest) ? c : oldest;
    }
    return oldest;
}

static void shard_close_excess(struct mailbox_item *item)
{
    struct shard *s = (struct shard *)((char *)item - offsetof(struct shard, excess_item));
    atomic_store(&s->excess_posted, false);
    struct conn *c;
    while ((c = least_recently_used(s)) != NULL && conn_share_must_close(s->listener->share)) {
        log_info("net", "listener %s: closing %s for another connection: max.connections reached", s->listener->o.name,
                 conn_peer(c));
        conn_abort(c);
        conn_share_closed(s->listener->share);
    }
}

void listener_close_excess(struct listener *l)
{
    for (int i = 0; i < l->n_shards; i++) {
        if (!atomic_exchange(&l->shards[i].excess_posted, true)) {
            loop_post(l->shards[i].loop, &l->shards[i].excess_item);
        }
    }
}

void listener_set_limits(struct listener *l, int32_t max_connections, int32_t max_rate)
{
    conn_share_set(l->share, max_connections, max_rate);
}

void listener_on_excess(struct listener *l, void (*fn)(void *ctx), void *ctx)
{
    l->on_excess = fn;
    l->excess_ctx = ctx;
}

static void on_acceptable(evutil_socket_t fd, short what, void *ctx)
{
    (void)what;
    struct listener *l = ctx;
    for (int i = 0; i < ACCEPT_ROUNDS && !accept_must_wait(l, i == 0); i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof from;
        int accepted = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            connection_take(l, accepted, &from);
            continue;
        }
        if (errno == EAGAIN) {
            return;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            // The connection stays in the queue and would wake the loop for ever.
            connection_refuse(l, "new connections for a while", strerror(errno));
            accept_pause(l, ACCEPT_PAUSE_MS);
            return;
        }
        // Anything else (ECONNABORTED, EINTR, errors of the network) concerns that one connection.
    }
}

static void accept_start(struct mailbox_item *item)
{
    struct listener *l = (struct listener *)((char *)item - offsetof(struct listener, start_item));
    int rc = event_add(l->accept_ev, NULL);
    ASSERT(rc == 0);
}

// ---- draining ----

static void part_done(struct listener *l)
{
    mutex_lock(&l->mu);
    l->parts_busy--;
    cond_broadcast(&l->changed);
    mutex_unlock(&l->mu);
}

static void on_deadline(void *ctx)
{
    struct listener *l = ctx;
    mutex_lock(&l->mu);
    l->timed_out = true;
    cond_broadcast(&l->changed);
    mutex_unlock(&l->mu);
}

static void accept_stop(struct mailbox_item *item)
{
    struct listener *l = (struct listener *)((char *)item - offsetof(struct listener, stop_item));
    event_del(l->accept_ev);
    timer_clear(&l->pause);
    close(l->fd);
    l->fd = -1;
    timer_set(&l->deadline, l->drain_timeout_ms);
    part_done(l);
}

static void timers_stop(struct mailbox_item *item)
{
    struct listener *l = (struct listener *)((char *)item - offsetof(struct listener, stop_item));
    timer_clear(&l->deadline);
    part_done(l);
}

static void shard_drain(struct mailbox_item *item)
{
    struct shard *s = (struct shard *)((char *)item - offsetof(struct shard, drain_item));
    s->draining = true;
    struct conn *c = TAILQ_FIRST(&s->conns);
    while (c) {
        struct conn *next = conn_next(c); // c may go away
        conn_drain(c);
        c = next;
    }
    part_done(s->listener);
}

// There is room in the intake: those who waited for it may go on.
static void shard_resume(struct intake_waiter *w)
{
    struct shard *s = (struct shard *)w;
    struct conn *c = TAILQ_FIRST(&s->conns);
    while (c) {
        struct conn *next = conn_next(c); // c may go away
        conn_resume(c);
        c = next;
    }
}

// The intake posts nothing to the shards from here on.
static void intake_leave(struct listener *l)
{
    for (int i = 0; i < l->n_shards && l->in_intake; i++) {
        intake_remove_waiter(l->o.intake, &l->shards[i].room);
    }
    l->in_intake = false;
}

static void shard_abort(struct mailbox_item *item)
{
    struct shard *s = (struct shard *)((char *)item - offsetof(struct shard, abort_item));
    while (!TAILQ_EMPTY(&s->conns)) {
        conn_abort(TAILQ_FIRST(&s->conns));
    }
    part_done(s->listener);
}

// Posts to every shard (and to the accepting loop) and waits until all have done it.
static void parts_run(struct listener *l, struct mailbox_item *first, size_t item_offset)
{
    mutex_lock(&l->mu);
    l->parts_busy = l->n_shards + 1;
    mutex_unlock(&l->mu);
    loop_post(l->shards[0].loop, first);
    for (int i = 0; i < l->n_shards; i++) {
        loop_post(l->shards[i].loop, (struct mailbox_item *)((char *)&l->shards[i] + item_offset));
    }
    mutex_lock(&l->mu);
    while (l->parts_busy > 0) {
        cond_wait(&l->changed, &l->mu);
    }
    mutex_unlock(&l->mu);
}

void listener_drain(struct listener *l, int64_t timeout_ms)
{
    if (!l->started || l->drained) {
        return;
    }
    l->drained = true;
    intake_leave(l);
    l->drain_timeout_ms = timeout_ms;
    // A connection that is accepted meanwhile finds its shard draining and goes away again.
    parts_run(l, &l->stop_item, offsetof(struct shard, drain_item));
    mutex_lock(&l->mu);
    while (l->connections > 0 && !l->timed_out) {
        cond_wait(&l->changed, &l->mu);
    }
    int32_t left = l->connections;
    mutex_unlock(&l->mu);
    if (left > 0) {
        log_warn("net", "listener %s: %d connections with unfinished requests are closed after %lld ms", l->o.name,
                 (int)left, (long long)timeout_ms);
    }
    l->stop_item.run = timers_stop;
    parts_run(l, &l->stop_item, offsetof(struct shard, abort_item));
}

// ---- life ----

static void listener_free(struct listener *l)
{
    if (l->accept_ev) {
        event_free(l->accept_ev);
    }
    timer_release(&l->pause);
    timer_release(&l->deadline);
    if (l->fd >= 0) {
        close(l->fd);
    }
    intake_leave(l);
    conn_share_free(l->share);
    cond_destroy(&l->changed);
    mutex_destroy(&l->mu);
    free((char *)l->o.name);
    free((char *)l->o.host);
    free(l);
}

enum err listener_open(const struct listener_options *o, struct listener **out)
{
    ASSERT(o->n_loops > 0);
    struct listener *l = calloc(1, sizeof *l + (size_t)o->n_loops * sizeof l->shards[0]);
    if (!l) {
        return ERR_NO_MEMORY;
    }
    l->o = *o;
    l->o.name = strdup(o->name);
    l->o.host = strdup(o->host);
    l->handler = *o->handler;
    l->fd = -1;
    l->start_item.run = accept_start;
    l->stop_item.run = accept_stop;
    mutex_init(&l->mu, MUTEX_RANK_LEAF);
    cond_init(&l->changed);
    l->n_shards = o->n_loops;
    l->in_intake = true;
    for (int i = 0; i < l->n_shards; i++) {
        struct shard *s = &l->shards[i];
        s->listener = l;
        s->loop = o->loops[i];
        TAILQ_INIT(&s->conns);
        s->drain_item.run = shard_drain;
        s->abort_item.run = shard_abort;
        s->excess_item.run = shard_close_excess;
        s->intake = o->intake;
        s->room.loop = s->loop;
        s->room.on_room = shard_resume;
        intake_add_waiter(s->intake, &s->room);
    }
    enum err e = l->o.name && l->o.host ? conn_share_new(o->limits, o->privileged, &l->share) : ERR_NO_MEMORY;
    if (e == ERR_OK) {
        e = address_bind(l);
    }
    if (e == ERR_OK) {
        l->port = bound_port(l->fd);
        struct loop *first = o->loops[0];
        l->accept_ev = event_new(loop_base(first), l->fd, EV_READ | EV_PERSIST, on_acceptable, l);
        bool made = l->accept_ev && timer_init(&l->pause, first, on_pause_over, l) == ERR_OK &&
                    timer_init(&l->deadline, first, on_deadline, l) == ERR_OK;
        e = made ? ERR_OK : ERR_NO_MEMORY;
    }
    if (e != ERR_OK) {
        listener_free(l);
        return e;
    }
    *out = l;
    return ERR_OK;
}

void listener_start(struct listener *l)
{
    ASSERT(!l->started);
    l->started = true;
    loop_post(l->shards[0].loop, &l->start_item);
}

void listener_close(struct listener *l)
{
    if (!l) {
        return;
    }
    listener_drain(l, 0);
    listener_free(l);
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

const char *listener_name(const struct listener *l)
{
    return l->o.name;
}

void *listener_user(const struct listener *l)
{
    return l->o.user;
}
