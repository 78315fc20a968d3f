// SPDX-License-Identifier: Apache-2.0
//
// A watched descriptor: ready, late, and replaced by another one with the same number.
#include "broker/net/fd_watch.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"

enum { // what came
    CAME_NOTHING,
    CAME_TIME,
    CAME_READABLE,
    CAME_WRITABLE,
    CAME_BOTH,
};

struct fixture {
    struct mailbox_item item; // first
    struct loop *loop;
    struct fd_watch watch;
    void (*step)(struct fixture *f);
    int fds[2];
    atomic_int came;
};

static void on_ready(void *ctx, bool readable, bool writable)
{
    struct fixture *f = ctx;
    atomic_store(&f->came, CAME_TIME + (readable ? 1 : 0) + (writable ? 2 : 0));
}

static void step_run(struct mailbox_item *item)
{
    struct fixture *f = (struct fixture *)item;
    f->step(f);
}

// Runs it on the loop and answers what comes of it.
static int came_of(struct fixture *f, void (*step)(struct fixture *f))
{
    atomic_store(&f->came, CAME_NOTHING);
    f->step = step;
    loop_post(f->loop, &f->item);
    while (atomic_load(&f->came) == CAME_NOTHING) {
        usleep(1000);
    }
    return atomic_load(&f->came);
}

static void step_init(struct fixture *f)
{
    enum err err = fd_watch_init(&f->watch, f->loop, on_ready, f);
    assert_int_equal(err, ERR_OK);
    fd_watch_set(&f->watch, -1, false, false, 0);
}

static void step_release(struct fixture *f)
{
    fd_watch_set(&f->watch, -1, true, true, -1); // nothing to wait for
    fd_watch_release(&f->watch);
    atomic_store(&f->came, CAME_TIME);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->item.run = step_run;
    assert_int_equal(loop_new("test", os_real(), &f->loop), ERR_OK);
    assert_int_equal(loop_start(f->loop), ERR_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->fds), 0);
    assert_int_equal(came_of(f, step_init), CAME_TIME);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    came_of(f, step_release);
    loop_stop(f->loop);
    loop_free(f->loop);
    close(f->fds[0]);
    close(f->fds[1]);
    free(f);
    return 0;
}

static void watch_late(struct fixture *f)
{
    fd_watch_set(&f->watch, f->fds[0], true, false, 1);
}

static void watch_write(struct fixture *f)
{
    fd_watch_set(&f->watch, f->fds[0], true, true, 60000);
}

static void watch_read(struct fixture *f)
{
    fd_watch_set(&f->watch, f->fds[0], true, false, -1);
    assert_int_equal(write(f->fds[1], "x", 1), 1);
}

// As a library does that connects again: the number is the same, the socket is not.
static void watch_replaced(struct fixture *f)
{
    fd_watch_set(&f->watch, f->fds[0], true, false, -1);
    fd_watch_clear(&f->watch);
    close(f->fds[0]);
    close(f->fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->fds), 0);
    watch_read(f);
}

static void test_watch(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(came_of(f, watch_late), CAME_TIME);
    assert_int_equal(came_of(f, watch_write), CAME_WRITABLE);
    assert_int_equal(came_of(f, watch_read), CAME_READABLE);
    assert_int_equal(came_of(f, watch_write), CAME_BOTH);
    assert_int_equal(came_of(f, watch_replaced), CAME_READABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_watch, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
