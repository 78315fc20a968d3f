// SPDX-License-Identifier: Apache-2.0
//
// Waits under fire: many threads count down while the owner arms, links, unlinks and arms again. Each arming wakes at
// most once, a disarmed wait is never woken, and none is lost. TSan builds of this test look for races.
#include "broker/net/wait.h"

#include "base/tests/cmocka_all.h"
#include <pthread.h>
#include <stdlib.h>

enum {
    THINGS = 4,
    WAKERS = 4,
    ROUNDS = 3000,
};

// A thing with a lock and a list, as a partition has.
struct thing {
    struct mutex mu;
    struct wait_list list;
};

struct owner {
    struct wait wait; // first
    struct wait_link links[THINGS];
    struct thing *things;
    struct mailbox_item begin;
    int rounds;
    int wakes;
    int disarmed;
    bool armed;
    atomic_bool done;
};

static void things_init(struct thing *things)
{
    for (int i = 0; i < THINGS; i++) {
        mutex_init(&things[i].mu, MUTEX_RANK_STATE);
        LIST_INIT(&things[i].list);
    }
}

static void owner_unlink(struct owner *o)
{
    for (int i = 0; i < THINGS; i++) {
        mutex_lock(&o->things[i].mu);
        wait_link_remove(&o->links[i]);
        mutex_unlock(&o->things[i].mu);
    }
}

// Arms and links. Every third arming is taken back at once, which a waker may have forestalled.
static void owner_round(struct owner *o)
{
    while (o->rounds < ROUNDS) {
        o->rounds++;
        o->armed = true;
        wait_arm(&o->wait, THINGS);
        for (int i = 0; i < THINGS; i++) {
            mutex_lock(&o->things[i].mu);
            wait_link_add(&o->things[i].list, &o->links[i], &o->wait, i);
            mutex_unlock(&o->things[i].mu);
        }
        if (o->rounds % 3 != 0) {
            return;
        }
        owner_unlink(o);
        if (!wait_disarm(&o->wait)) {
            return; // on_wake is to come
        }
        o->armed = false;
        o->disarmed++;
    }
    atomic_store(&o->done, true);
}

static void on_wake(struct wait *w)
{
    struct owner *o = (struct owner *)w;
    assert_true(o->armed);
    o->armed = false;
    o->wakes++;
    owner_unlink(o);
    owner_round(o);
}

static void owner_begin(struct mailbox_item *item)
{
    owner_round((struct owner *)((char *)item - offsetof(struct owner, begin)));
}

struct waker {
    struct thing *things;
    struct owner *owner;
    int first;
};

static void *waker_run(void *arg)
{
    struct waker *k = arg;
    for (int i = k->first; !atomic_load(&k->owner->done); i++) {
        struct thing *t = &k->things[i % THINGS];
        struct wake_list woken = {0};
        mutex_lock(&t->mu);
        struct wait_link *link;
        LIST_FOREACH (link, &t->list, entry) {
            wait_count_down(link->wait, 1, &woken);
        }
        mutex_unlock(&t->mu);
        wake_list_post(&woken);
        if (i % 16 == 0) {
            sched_yield();
        }
    }
    return NULL;
}

static void test_many_wakers(void **state)
{
    (void)state;
    struct thing things[THINGS];
    struct owner o = {.things = things, .begin.run = owner_begin};
    struct loop *loop;
    things_init(things);
    assert_int_equal(loop_new("wait", os_real(), &loop), ERR_OK);
    assert_int_equal(loop_start(loop), ERR_OK);
    wait_init(&o.wait, loop, on_wake);
    struct waker wakers[WAKERS];
    pthread_t threads[WAKERS];
    for (int i = 0; i < WAKERS; i++) {
        wakers[i] = (struct waker){.things = things, .owner = &o, .first = i};
        assert_int_equal(pthread_create(&threads[i], NULL, waker_run, &wakers[i]), 0);
    }
    loop_post(loop, &o.begin);
    for (int i = 0; i < WAKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    loop_stop(loop);
    assert_int_equal(o.wakes + o.disarmed, ROUNDS);
    assert_true(o.wakes >= ROUNDS / 2);
    loop_free(loop);
}

static void wake_count(struct wait *w)
{
    (void)w;
}

static void test_counting(void **state)
{
    (void)state;
    struct loop *loop;
    struct wait w;
    struct wake_list woken = {0};
    assert_int_equal(loop_new("wait", os_real(), &loop), ERR_OK);
    wait_init(&w, loop, wake_count);
    wait_arm(&w, 10);
    wait_count_down(&w, 4, &woken);
    assert_null(woken.head);
    assert_true(wait_disarm(&w));
    wait_arm(&w, 10);
    wait_count_down(&w, 9, &woken);
    assert_null(woken.head);
    wait_count_down(&w, INT64_MAX, &woken);
    assert_ptr_equal(woken.head, &w.item);
    wait_count_down(&w, INT64_MAX, &woken); // marked once only
    assert_ptr_equal(woken.head, &w.item);
    assert_null(w.item.next);
    assert_false(wait_disarm(&w));
    wake_list_post(&woken);
    assert_null(woken.head);
    assert_int_equal(loop_start(loop), ERR_OK);
    loop_stop(loop);
    assert_true(wait_disarm(&w)); // on_wake has run
    loop_free(loop);
}

static void test_link_remove_twice(void **state)
{
    (void)state;
    struct wait_list list;
    struct wait_link link = {0};
    struct wait w = {0};
    LIST_INIT(&list);
    wait_link_remove(&link);
    wait_link_add(&list, &link, &w, 7);
    assert_int_equal(link.threshold, 7);
    assert_ptr_equal(LIST_FIRST(&list), &link);
    wait_link_remove(&link);
    wait_link_remove(&link);
    assert_true(LIST_EMPTY(&list));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counting),
        cmocka_unit_test(test_many_wakers),
        cmocka_unit_test(test_link_remove_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
