// SPDX-License-Identifier: Apache-2.0
//
// The loop: rounds of "wait for events and run their callbacks once, then drain the mailbox". The event base is used on
// the loop's thread only, so it needs no locks; another thread wakes it through an eventfd, and only when its item fell
// into an empty mailbox. An item the loop posts to itself needs no system call: it makes the next round not wait.
#include "broker/net/loop.h"

#include "base/assert.h"
#include "base/logging.h"
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BASE_DESCRIPTORS 8 // more than a base of libevent opens

enum {
    LOOP_NAME_BYTES = 16, // what a thread's name may have, with its end mark
};

struct loop {
    char name[LOOP_NAME_BYTES];
    const struct os *os;
    struct event_base *base;
    uint8_t *scratch;
    int64_t now_ms; // [loop] the clock as read in this round
    bool now_valid; // [loop] it has been read
    struct mailbox mailbox;
    int wake_fd;
    struct event *wake_ev;
    pthread_t thread;
    bool started;
    bool stopping;          // [loop]
    bool posted_to_itself;  // [loop] an item waits that the eventfd does not tell of
    atomic_ulong thread_id; // pthread_self() of the loop's thread, 0 while there is none
    atomic_int load;
};

// The mailbox says what there is to do; the eventfd only ends the wait. It is watched for its edges, one per write, so
// it is never read: its count takes 2^64 - 2 wakes.
static void on_eventfd(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    (void)ctx;
}

static void loop_wake(void *ctx)
{
    struct loop *l = ctx;
    if (loop_is_current(l)) {
        l->posted_to_itself = true;
        return;
    }
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof one);
    ASSERT(n == (ssize_t)sizeof one);
}

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    if (!config) {
        return NULL;
    }
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV); // edges (on_eventfd) are told by epoll alone
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

// libevent ends the process when it runs out of descriptors while it makes a base, so they are tried before.
static bool descriptors_free(int fd)
{
    int tried[BASE_DESCRIPTORS];
    int n = 0;
    while (n < BASE_DESCRIPTORS && (tried[n] = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0) {
        n++;
    }
    int why = errno;
    for (int i = 0; i < n; i++) {
        close(tried[i]);
    }
    errno = why;
    return n == BASE_DESCRIPTORS;
}

enum err loop_new(const char *name, const struct os *os, struct loop **out)
{
    struct loop *l = calloc(1, sizeof *l);
    if (!l) {
        return ERR_NO_MEMORY;
    }
    strncpy(l->name, name, sizeof l->name - 1);
    l->os = os;
    mailbox_init(&l->mailbox, loop_wake, l);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    l->scratch = malloc(LOOP_SCRATCH_BYTES);
    l->base = l->wake_fd >= 0 && descriptors_free(l->wake_fd) ? base_new() : NULL;
    if (l->base) {
        l->wake_ev = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST | EV_ET, on_eventfd, l);
    }
    if (!l->scratch || !l->wake_ev || event_add(l->wake_ev, NULL) != 0) {
        log_error("net", "cannot make event loop %s: %s", name, strerror(errno));
        loop_free(l);
        return ERR_NO_MEMORY;
    }
    *out = l;
    return ERR_OK;
}

static void *loop_run(void *arg)
{
    struct loop *l = arg;
    atomic_store(&l->thread_id, (unsigned long)pthread_self());
    while (!l->stopping) {
        int flags = l->posted_to_itself ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE;
        l->posted_to_itself = false;
        l->now_valid = false; // read again by the first who asks after the wait
        int rc = event_base_loop(l->base, flags);
        ASSERT(rc == 0);
        mailbox_drain(&l->mailbox);
    }
    while (mailbox_drain(&l->mailbox)) {
        // What was posted before the stop, and what that posted.
    }
    atomic_store(&l->thread_id, 0);
    return NULL;
}

enum err loop_start(struct loop *l)
{
    ASSERT(!l->started);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&l->thread, NULL, loop_run, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        log_error("net", "cannot start event loop %s: %s", l->name, strerror(rc));
        return ERR_NO_MEMORY;
    }
    pthread_setname_np(l->thread, l->name); // for people who look at the process; no harm if it fails
    l->started = true;
    return ERR_OK;
}

struct stop_item {
    struct mailbox_item item; // first
    struct loop *loop;
};

static void loop_end(struct mailbox_item *item)
{
    ((struct stop_item *)item)->loop->stopping = true;
}

void loop_stop(struct loop *l)
{
    if (!l || !l->started) {
        return;
    }
    ASSERT(!loop_is_current(l));
    struct stop_item stop = {.item.run = loop_end, .loop = l};
    loop_post(l, &stop.item);
    int rc = pthread_join(l->thread, NULL);
    ASSERT(rc == 0);
    l->started = false;
}

void loop_free(struct loop *l)
{
    if (!l) {
        return;
    }
    ASSERT(!l->started);
    if (l->wake_ev) {
        event_free(l->wake_ev);
    }
    if (l->base) {
        event_base_free(l->base);
    }
    if (l->wake_fd >= 0) {
        close(l->wake_fd);
    }
    mailbox_destroy(&l->mailbox);
    free(l->scratch);
    free(l);
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

const struct os *loop_os(const struct loop *l)
{
    return l->os;
}

void loop_post(struct loop *l, struct mailbox_item *item)
{
    mailbox_post(&l->mailbox, item);
}

bool loop_is_current(const struct loop *l)
{
    return atomic_load_explicit(&l->thread_id, memory_order_relaxed) == (unsigned long)pthread_self();
}

int64_t loop_now_ms(struct loop *l)
{
    if (!l->now_valid) {
        l->now_ms = os_mono_us(l->os) / 1000;
        l->now_valid = true;
    }
    return l->now_ms;
}

void loop_load_add(struct loop *l, int by)
{
    atomic_fetch_add_explicit(&l->load, by, memory_order_relaxed);
}

int loop_load(const struct loop *l)
{
    return atomic_load_explicit(&l->load, memory_order_relaxed);
}

uint8_t *loop_scratch(struct loop *l)
{
    return l->scratch;
}

// ---- timers ----

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct timer *t = ctx;
    t->fn(t->ctx);
}

enum err timer_init(struct timer *t, struct loop *l, void (*fn)(void *ctx), void *ctx)
{
    *t = (struct timer){.ev = evtimer_new(l->base, on_timer, t), .fn = fn, .ctx = ctx};
    return t->ev ? ERR_OK : ERR_NO_MEMORY;
}

void timer_release(struct timer *t)
{
    if (t->ev) {
        event_free(t->ev);
        t->ev = NULL;
    }
}

void timer_set(struct timer *t, int64_t delay_ms)
{
    if (delay_ms < 0) {
        delay_ms = 0;
    }
    const struct timeval tv = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};
    int rc = event_add(t->ev, &tv);
    ASSERT(rc == 0);
}

void timer_clear(struct timer *t)
{
    if (t->ev) {
        event_del(t->ev);
    }
}
