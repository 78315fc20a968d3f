// SPDX-License-Identifier: Apache-2.0
//
// An outgoing connection; see the header. Requests form one list in the order they were sent: those at its head are
// sent and wait for their answers, those behind `unsent` wait for the socket. The head is what the next frame answers.
//
// Callbacks of the owner come back into peer_send, peer_close and peer_free. `busy` counts the calls of this file that
// still look at the peer; a peer freed meanwhile is only marked, and the last of them frees it.
#include "broker/net/peer.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/logging.h"
#include "broker/net/input.h"
#include "broker/net/lookup.h"

enum {
    READ_ROUNDS = 8, // reads per event, so that one connection cannot keep the loop
    SEND_PIECES = 16,
};

enum peer_state {
    PEER_CLOSED,
    PEER_OPENING,
    PEER_OPEN,
};

struct peer_request {
    STAILQ_ENTRY(peer_request) entry;
    uint8_t *frame; // NULL once it is sent
    size_t len;
    int64_t deadline_ms;
    uint64_t opening; // which one it was sent in
    peer_answer_fn *fn;
    void *ctx;
};

STAILQ_HEAD(peer_request_list, peer_request);

struct peer {
    struct peer_options o;
    char *host;
    char name[PEER_NAME_BYTES];
    enum peer_state state;
    uint64_t opening;           // how often it was opened
    struct mailbox_item opener; // begins to connect, or tells that it cannot
    bool opener_posted;
    struct lookup *lookup;
    struct addresses addresses;
    int address; // the one at work
    int64_t open_deadline_ms;
    int fd; // -1 = none
    struct event *read_ev;
    struct event *write_ev;
    bool reading; // read_ev is added
    bool writing;
    struct timer deadline; // the earliest of opening and of requests
    struct input in;
    struct peer_request_list requests;
    struct peer_request *unsent; // the first not wholly sent; NULL = none
    size_t unsent_used;          // bytes of it that have left
    int in_flight;
    int busy;
    bool freed;
};

static void on_ready(evutil_socket_t fd, short what, void *ctx);
static void peer_fail(struct peer *p, enum err why);

// ---- leaving and entering ----

static void peer_destroy(struct peer *p)
{
    timer_release(&p->deadline);
    free(p->host);
    free(p);
}

static void peer_leave(struct peer *p)
{
    p->busy--;
    if (p->busy == 0 && p->freed && !p->opener_posted) {
        peer_destroy(p);
    }
}

// ---- deadlines ----

static void deadline_set(struct peer *p)
{
    int64_t first_ms = p->state == PEER_OPENING ? p->open_deadline_ms : INT64_MAX;
    struct peer_request *r;
    STAILQ_FOREACH (r, &p->requests, entry) {
        first_ms = r->deadline_ms < first_ms ? r->deadline_ms : first_ms;
    }
    if (p->state == PEER_CLOSED || first_ms == INT64_MAX) {
        timer_clear(&p->deadline);
    } else {
        timer_set(&p->deadline, first_ms - loop_now_ms(p->o.loop));
    }
}

static void on_deadline(void *ctx)
{
    struct peer *p = ctx;
    int64_t now_ms = loop_now_ms(p->o.loop);
    bool passed = p->state == PEER_OPENING && p->open_deadline_ms <= now_ms;
    struct peer_request *r;
    STAILQ_FOREACH (r, &p->requests, entry) {
        passed = passed || r->deadline_ms <= now_ms;
    }
    p->busy++;
    if (passed) {
        peer_fail(p, ERR_TIMED_OUT);
    } else {
        deadline_set(p);
    }
    peer_leave(p);
}

// ---- the end ----

static void socket_close(struct peer *p)
{
    if (p->read_ev != NULL) {
        event_free(p->read_ev);
    }
    if (p->write_ev != NULL) {
        event_free(p->write_ev);
    }
    p->read_ev = p->write_ev = NULL;
    p->reading = p->writing = false;
    if (p->fd >= 0) {
        close(p->fd);
        p->fd = -1;
    }
}

// Takes the request at the head off and tells it its outcome.
static void request_finish(struct peer *p, enum err err, uint8_t *frame, size_t len)
{
    struct peer_request *r = STAILQ_FIRST(&p->requests);
    STAILQ_REMOVE_HEAD(&p->requests, entry);
    p->in_flight--;
    peer_answer_fn *fn = r->fn;
    void *ctx = r->ctx;
    free(r->frame);
    free(r);
    fn(ctx, err, frame, len);
}

// Requests of this opening only: a callback may open it again and send.
static void peer_end(struct peer *p, enum err why)
{
    uint64_t ended = p->opening;
    p->state = PEER_CLOSED;
    lookup_cancel(p->lookup);
    p->lookup = NULL;
    socket_close(p);
    input_release(&p->in);
    timer_clear(&p->deadline);
    p->unsent = NULL;
    const struct peer_request *r;
    while ((r = STAILQ_FIRST(&p->requests)) != NULL && r->opening <= ended) {
        request_finish(p, why, NULL, 0);
    }
}

static void peer_fail(struct peer *p, enum err why)
{
    peer_end(p, why);
    if (!p->freed && p->state == PEER_CLOSED) {
        p->o.on_closed(p->o.ctx, why);
    }
}

// ---- output ----

static void event_switch(struct event *ev, bool *on, bool want)
{
    if (*on != want) {
        int rc = want ? event_add(ev, NULL) : event_del(ev);
        ASSERT(rc == 0);
        *on = want;
    }
}

// n bytes have left.
static void sent_note(struct peer *p, size_t n)
{
    while (n > 0) {
        struct peer_request *r = p->unsent;
        size_t left = r->len - p->unsent_used;
        if (n < left) {
            p->unsent_used += n;
            return;
        }
        n -= left;
        free(r->frame);
        r->frame = NULL;
        p->unsent = STAILQ_NEXT(r, entry);
        p->unsent_used = 0;
    }
}

static void peer_write(struct peer *p)
{
    while (p->unsent != NULL) {
        struct iovec iov[SEND_PIECES];
        size_t n = 0, skip = p->unsent_used;
        for (struct peer_request *r = p->unsent; r != NULL && n < SEND_PIECES; r = STAILQ_NEXT(r, entry)) {
            iov[n++] = (struct iovec){.iov_base = r->frame + skip, .iov_len = r->len - skip};
            skip = 0;
        }
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
        ssize_t sent = sendmsg(p->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && errno == EAGAIN) {
            break;
        }
        if (sent < 0) {
            peer_fail(p, ERR_IO);
            return;
        }
        sent_note(p, (size_t)sent);
    }
    event_switch(p->write_ev, &p->writing, p->unsent != NULL);
}

// ---- input ----

// Gives out the whole frame as the answer to the oldest request. False: the peer is closed now.
static bool frame_give_out(struct peer *p)
{
    struct peer_request *r = STAILQ_FIRST(&p->requests);
    if (r == NULL || r == p->unsent) {
        log_warn("net", "closing %s: it sends what was not asked for", p->name);
        peer_fail(p, ERR_INVALID);
        return false;
    }
    size_t len;
    uint8_t *frame = input_take(&p->in, &len);
    uint64_t opening = p->opening;
    request_finish(p, ERR_OK, frame, len);
    return p->state == PEER_OPEN && p->opening == opening;
}

// False: the peer is closed now.
static bool input_use(struct peer *p, const uint8_t *data, size_t len)
{
    for (size_t used = 0;;) {
        if (input_is_whole(&p->in) && !frame_give_out(p)) {
            return false;
        }
        if (used == len) {
            return true;
        }
        size_t n;
        enum err err = input_feed(&p->in, data + used, len - used, &n);
        if (err == ERR_OK && input_has_size(&p->in)) {
            err = input_check(&p->in);
            err = err == ERR_OK ? input_begin(&p->in) : err;
        }
        used += n;
        if (err != ERR_OK) {
            log_warn("net", "closing %s: a frame of %d bytes: %s", p->name, (int)input_size(&p->in), err_text(err));
            peer_fail(p, err);
            return false;
        }
    }
}

// One read call and what follows from it. True: the socket may have more.
static bool peer_read(struct peer *p)
{
    struct iovec iov[2];
    uint8_t *room;
    enum err err = input_room(&p->in, &room, &iov[0].iov_len);
    if (err != ERR_OK) {
        peer_fail(p, err);
        return false;
    }
    // Callbacks may use the loop's scratch for another connection, so what follows a frame has a place of its own.
    uint8_t behind[4096];
    iov[0].iov_base = room;
    iov[1] = (struct iovec){.iov_base = behind, .iov_len = sizeof behind};
    int skip = iov[0].iov_len == 0;
    ssize_t n = readv(p->fd, iov + skip, 2 - skip);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            peer_fail(p, ERR_IO);
        }
        return n < 0 && errno == EINTR;
    }
    if (n == 0) {
        peer_fail(p, ERR_CLOSED);
        return false;
    }
    size_t got = (size_t)n;
    bool full = got == iov[0].iov_len + iov[1].iov_len;
    size_t direct = got < iov[0].iov_len ? got : iov[0].iov_len;
    if (direct > 0) {
        input_filled(&p->in, direct);
    }
    return input_use(p, behind, got - direct) && full;
}

// ---- opening ----

static int socket_connect(const struct peer *p, const struct address *a)
{
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (p->o.send_buffer_bytes >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &p->o.send_buffer_bytes, sizeof p->o.send_buffer_bytes);
    }
    if (p->o.receive_buffer_bytes >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &p->o.receive_buffer_bytes, sizeof p->o.receive_buffer_bytes);
    }
    if (connect(fd, (const struct sockaddr *)&a->addr, a->len) == 0 || errno == EINPROGRESS) {
        return fd;
    }
    close(fd);
    return -1;
}

// The addresses from the current one on, until one is on its way.
static void addresses_try(struct peer *p)
{
    while (p->fd < 0 && p->address < p->addresses.count) {
        p->fd = socket_connect(p, &p->addresses.list[p->address]);
        p->address += p->fd < 0;
    }
    if (p->fd < 0) {
        peer_fail(p, ERR_IO);
        return;
    }
    p->read_ev = event_new(loop_base(p->o.loop), p->fd, EV_READ | EV_PERSIST, on_ready, p);
    p->write_ev = event_new(loop_base(p->o.loop), p->fd, EV_WRITE | EV_PERSIST, on_ready, p);
    if (p->read_ev == NULL || p->write_ev == NULL) {
        peer_fail(p, ERR_NO_MEMORY);
        return;
    }
    event_switch(p->write_ev, &p->writing, true); // tells how the connect has ended
}

// The socket says how the connect has ended.
static void peer_connected(struct peer *p)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        socket_close(p);
        p->address++;
        addresses_try(p);
        return;
    }
    p->state = PEER_OPEN;
    event_switch(p->read_ev, &p->reading, true);
    if (p->o.on_open != NULL) {
        p->o.on_open(p->o.ctx);
    }
    if (p->state == PEER_OPEN) {
        peer_write(p);
    }
}

static void on_ready(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    struct peer *p = ctx;
    p->busy++;
    if (p->state == PEER_OPENING) {
        peer_connected(p);
    } else {
        for (int i = 0; (what & EV_READ) && i < READ_ROUNDS && p->state == PEER_OPEN && peer_read(p); i++) {
        }
        if ((what & EV_WRITE) && p->state == PEER_OPEN) {
            peer_write(p);
        }
    }
    if (p->state == PEER_OPEN) {
        deadline_set(p);
    }
    peer_leave(p);
}

static void on_lookup(void *ctx, const struct addresses *found)
{
    struct peer *p = ctx;
    p->lookup = NULL;
    p->busy++;
    p->addresses = *found;
    if (found->count == 0) {
        peer_fail(p, ERR_NOT_FOUND);
    } else {
        addresses_try(p);
    }
    peer_leave(p);
}

static void opener_run(struct mailbox_item *item)
{
    struct peer *p = (struct peer *)((char *)item - offsetof(struct peer, opener));
    p->opener_posted = false;
    p->busy++;
    if (p->state == PEER_OPENING && p->fd < 0 && p->lookup == NULL) {
        if (addresses_numeric(&p->addresses, p->host, p->o.port)) {
            addresses_try(p);
        } else if (p->o.pool == NULL) {
            peer_fail(p, ERR_NOT_FOUND);
        } else {
            p->lookup = lookup_start(p->o.loop, p->o.pool, p->host, p->o.port, on_lookup, p);
            if (p->lookup == NULL) {
                peer_fail(p, ERR_NO_MEMORY);
            }
        }
    }
    peer_leave(p);
}

void peer_open(struct peer *p)
{
    if (p->state != PEER_CLOSED || p->freed) {
        return;
    }
    p->state = PEER_OPENING;
    p->opening++;
    p->address = 0;
    p->addresses.count = 0;
    p->open_deadline_ms = loop_now_ms(p->o.loop) + p->o.open_timeout_ms;
    deadline_set(p);
    if (!p->opener_posted) {
        p->opener_posted = true;
        loop_post(p->o.loop, &p->opener);
    }
}

// ---- the owner's side ----

void peer_name_format(char name[PEER_NAME_BYTES], const char *host, uint16_t port)
{
    snprintf(name, PEER_NAME_BYTES, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
}

enum err peer_new(const struct peer_options *o, struct peer **out)
{
    ASSERT(o->max_in_flight >= 1 && o->max_in_flight <= PEER_MAX_IN_FLIGHT);
    *out = NULL;
    struct peer *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return ERR_NO_MEMORY;
    }
    p->o = *o;
    p->fd = -1;
    p->opener.run = opener_run;
    STAILQ_INIT(&p->requests);
    input_init(&p->in, o->max_frame_bytes);
    p->host = strdup(o->host);
    if (p->host == NULL || timer_init(&p->deadline, o->loop, on_deadline, p) != ERR_OK) {
        peer_destroy(p);
        return ERR_NO_MEMORY;
    }
    peer_name_format(p->name, o->host, o->port);
    *out = p;
    return ERR_OK;
}

void peer_close(struct peer *p)
{
    p->busy++;
    peer_end(p, ERR_CLOSED);
    peer_leave(p);
}

void peer_free(struct peer *p)
{
    if (p == NULL || p->freed) {
        return;
    }
    p->freed = true;
    peer_close(p);
}

bool peer_is_closed(const struct peer *p)
{
    return p->state == PEER_CLOSED;
}

bool peer_is_open(const struct peer *p)
{
    return p->state == PEER_OPEN;
}

enum err peer_send(struct peer *p, uint8_t *frame, size_t len, int64_t timeout_ms, peer_answer_fn *fn, void *ctx)
{
    enum err err = p->state == PEER_CLOSED ? ERR_CLOSED : p->in_flight >= p->o.max_in_flight ? ERR_FULL : ERR_OK;
    struct peer_request *r = err == ERR_OK ? malloc(sizeof *r) : NULL;
    if (r == NULL) {
        free(frame);
        return err == ERR_OK ? ERR_NO_MEMORY : err;
    }
    *r = (struct peer_request){.frame = frame,
                               .len = len,
                               .deadline_ms = loop_now_ms(p->o.loop) + timeout_ms,
                               .opening = p->opening,
                               .fn = fn,
                               .ctx = ctx};
    STAILQ_INSERT_TAIL(&p->requests, r, entry);
    p->in_flight++;
    if (p->unsent == NULL) {
        p->unsent = r;
        p->unsent_used = 0;
    }
    deadline_set(p);
    // Written later in this round of the loop, or when the socket has room again: several requests sent in one round
    // leave together, and the outcome never comes from inside this call.
    if (p->state == PEER_OPEN && !p->writing) {
        event_active(p->write_ev, EV_WRITE, 1);
    }
    return ERR_OK;
}

int peer_in_flight(const struct peer *p)
{
    return p->in_flight;
}

const char *peer_name(const struct peer *p)
{
    return p->name;
}
