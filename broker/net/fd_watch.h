// SPDX-License-Identifier: Apache-2.0
//
// A descriptor of somebody else's library on a loop: told once when it is ready or when a time is over. The library may
// close the descriptor, and open another one with the same number, whenever it is called; so the watch is cleared
// before the library is called and set again after that.
#ifndef OTTLA_NET_FD_WATCH_H
#define OTTLA_NET_FD_WATCH_H

#include "broker/net/loop.h"

// All calls on the loop's thread.
struct fd_watch {
    struct loop *loop;
    struct event *ev;
    void (*fn)(void *ctx, bool readable, bool writable); // both false: the time is over
    void *ctx;
};

enum err fd_watch_init(struct fd_watch *w, struct loop *l, void (*fn)(void *ctx, bool readable, bool writable),
                       void *ctx) WARN_UNUSED;
void fd_watch_release(struct fd_watch *w); // safe on a zeroed one
// One shot. fd -1: only the time; timeout_ms -1: only the descriptor; both: never.
void fd_watch_set(struct fd_watch *w, int fd, bool readable, bool writable, int64_t timeout_ms);
void fd_watch_clear(struct fd_watch *w);

#endif
