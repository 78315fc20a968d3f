// SPDX-License-Identifier: Apache-2.0
//
// A loop runs what others and it itself post, in order; timers fire once and can be set anew from their own callback.
#include "broker/net/loop.h"

#include "base/tests/cmocka_all.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct fixture {
    struct loop *loop;
    struct mutex mu;
    struct cond changed;
    int runs;
    int last;
    bool in_order;
    bool on_loop;
    struct timer timer;
};

struct note {
    struct mailbox_item item; // first
    struct fixture *f;
    int number;
    int posts_left;
};

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){.last = -1, .in_order = true};
    mutex_init(&f->mu, MUTEX_RANK_LEAF);
    cond_init(&f->changed);
    assert_int_equal(loop_new("a name that is longer than a thread's", os_real(), &f->loop), ERR_OK);
    assert_int_equal(loop_start(f->loop), ERR_OK);
}

static void fixture_release(struct fixture *f)
{
    loop_stop(f->loop);
    timer_release(&f->timer);
    loop_free(f->loop);
    cond_destroy(&f->changed);
    mutex_destroy(&f->mu);
}

static void run_count(struct fixture *f)
{
    mutex_lock(&f->mu);
    f->runs++;
    cond_broadcast(&f->changed);
    mutex_unlock(&f->mu);
}

static void runs_await(struct fixture *f, int runs)
{
    mutex_lock(&f->mu);
    while (f->runs < runs) {
        cond_wait(&f->changed, &f->mu);
    }
    mutex_unlock(&f->mu);
}

static void note_run(struct mailbox_item *item)
{
    struct note *n = (struct note *)item;
    struct fixture *f = n->f;
    f->in_order = f->in_order && n->number == f->last + 1;
    f->last = n->number;
    f->on_loop = loop_is_current(f->loop);
    if (n->posts_left-- > 0) {
        n->number++;
        loop_post(f->loop, item);
    }
    run_count(f);
}

static void test_posts_run_in_order(void **state)
{
    (void)state;
    struct fixture f;
    struct note notes[100];
    fixture_init(&f);
    for (int i = 0; i < 100; i++) {
        notes[i] = (struct note){.item.run = note_run, .f = &f, .number = i};
        loop_post(f.loop, &notes[i].item);
    }
    runs_await(&f, 100);
    assert_true(f.in_order);
    assert_true(f.on_loop);
    assert_false(loop_is_current(f.loop));
    fixture_release(&f);
}

static void test_own_posts_need_no_wake(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct note n = {.item.run = note_run, .f = &f, .number = 0, .posts_left = 1000};
    loop_post(f.loop, &n.item);
    runs_await(&f, 1001);
    assert_true(f.in_order);
    fixture_release(&f);
}

static void test_stop_runs_what_was_posted(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct note n = {.item.run = note_run, .f = &f, .number = 0, .posts_left = 5};
    loop_post(f.loop, &n.item);
    loop_stop(f.loop);
    assert_int_equal(f.runs, 6);
    fixture_release(&f);
}

static void on_tick(void *ctx)
{
    struct fixture *f = ctx;
    if (f->runs < 2) {
        timer_set(&f->timer, 1);
    }
    run_count(f);
}

static void timer_begin(struct mailbox_item *item)
{
    struct fixture *f = ((struct note *)item)->f;
    int64_t now_ms = loop_now_ms(f->loop);
    f->on_loop = now_ms > 0 && loop_now_ms(f->loop) == now_ms; // one reading per round
    timer_set(&f->timer, 1000 * 1000);
    timer_clear(&f->timer);
    timer_set(&f->timer, -1); // at once
}

static void test_timer(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(timer_init(&f.timer, f.loop, on_tick, &f), ERR_OK);
    struct note n = {.item.run = timer_begin, .f = &f};
    loop_post(f.loop, &n.item);
    runs_await(&f, 3);
    assert_true(f.on_loop);
    fixture_release(&f);
    struct timer unused = {0};
    timer_clear(&unused);
    timer_release(&unused);
}

static void test_load(void **state)
{
    (void)state;
    struct loop *l;
    assert_int_equal(loop_new("load", os_real(), &l), ERR_OK);
    loop_load_add(l, 3);
    loop_load_add(l, -1);
    assert_int_equal(loop_load(l), 2);
    loop_stop(l); // never started
    loop_free(l);
    loop_free(NULL);
}

// Nor does the process end.
static void test_no_descriptors(void **state)
{
    (void)state;
    struct rlimit limit, none;
    struct loop *l = NULL;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    for (rlim_t more = 0; more < 6; more++) { // for an eventfd, for an epoll, for a socket, ...
        int lowest = dup(0);
        assert_true(lowest >= 0);
        close(lowest);
        none.rlim_cur = (rlim_t)lowest + more;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        enum err err = loop_new("none", os_real(), &l);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(err, ERR_NO_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts_run_in_order),
        cmocka_unit_test(test_own_posts_need_no_wake),
        cmocka_unit_test(test_stop_runs_what_was_posted),
        cmocka_unit_test(test_timer),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
