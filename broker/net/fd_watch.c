// SPDX-License-Identifier: Apache-2.0
//
// The watch is one event that is assigned anew each time it is set.
#include "broker/net/fd_watch.h"

#include <event2/event.h>

#include "base/assert.h"

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    struct fd_watch *w = ctx;
    w->fn(w->ctx, (what & EV_READ) != 0, (what & EV_WRITE) != 0);
}

enum err fd_watch_init(struct fd_watch *w, struct loop *l, void (*fn)(void *ctx, bool readable, bool writable),
                       void *ctx)
{
    *w = (struct fd_watch){.loop = l, .fn = fn, .ctx = ctx};
    w->ev = event_new(loop_base(l), -1, 0, on_event, w);
    return w->ev ? ERR_OK : ERR_NO_MEMORY;
}

void fd_watch_release(struct fd_watch *w)
{
    if (w->ev) {
        event_free(w->ev);
        w->ev = NULL;
    }
}

void fd_watch_set(struct fd_watch *w, int fd, bool readable, bool writable, int64_t timeout_ms)
{
    const struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    short what = fd < 0 ? 0 : (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    fd_watch_clear(w);
    if (what == 0 && timeout_ms < 0) {
        return;
    }
    int rc = event_assign(w->ev, loop_base(w->loop), what == 0 ? -1 : fd, what, on_event, w);
    ASSERT(rc == 0);
    rc = event_add(w->ev, timeout_ms < 0 ? NULL : &tv);
    ASSERT(rc == 0);
}

void fd_watch_clear(struct fd_watch *w)
{
    event_del(w->ev);
}
