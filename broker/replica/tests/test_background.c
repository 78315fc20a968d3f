// SPDX-License-Identifier: Apache-2.0
//
// Work that comes round again by itself, never twice at once, and not after it was stopped.
#include "broker/replica/background.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "base/tests/cmocka_all.h"

struct scene {
    struct loop *loop;
    struct pool *pool;
    struct background work;
    sem_t rounds;
    sem_t go_on;
    atomic_bool hold;
    atomic_int running;
    atomic_int most;
};

static void round_run(void *ctx)
{
    struct scene *s = ctx;
    int now = atomic_fetch_add(&s->running, 1) + 1;
    if (now > atomic_load(&s->most)) {
        atomic_store(&s->most, now);
    }
    sem_post(&s->rounds);
    if (atomic_load(&s->hold)) {
        sem_wait(&s->go_on);
    }
    atomic_fetch_sub(&s->running, 1);
}

// A call on the loop's thread.
struct visit {
    struct mailbox_item item; // first
    struct scene *scene;
    void (*fn)(struct scene *s);
    sem_t done;
};

static void visit_run(struct mailbox_item *item)
{
    struct visit *v = (struct visit *)item;
    v->fn(v->scene);
    sem_post(&v->done);
}

static void on_loop(struct scene *s, void (*fn)(struct scene *s))
{
    struct visit v = {.item.run = visit_run, .scene = s, .fn = fn};
    sem_init(&v.done, 0, 0);
    loop_post(s->loop, &v.item);
    sem_wait(&v.done);
    sem_destroy(&v.done);
}

static void start(struct scene *s)
{
    enum err err = background_start(&s->work, s->loop, 0);
    (void)err; // seen by the rounds that come
}

static void stop(struct scene *s)
{
    background_stop(&s->work);
}

static void scene_open(struct scene *s, int64_t interval_ms)
{
    memset(s, 0, sizeof *s);
    sem_init(&s->rounds, 0, 0);
    sem_init(&s->go_on, 0, 0);
    assert_int_equal(loop_new("test", os_real(), &s->loop), ERR_OK);
    assert_int_equal(loop_start(s->loop), ERR_OK);
    assert_int_equal(pool_new(2, &s->pool), ERR_OK);
    background_init(&s->work, s->pool, interval_ms, round_run, s);
    on_loop(s, start);
}

static void scene_close(struct scene *s)
{
    loop_stop(s->loop);
    background_release(&s->work);
    pool_free(s->pool);
    loop_free(s->loop);
    sem_destroy(&s->rounds);
    sem_destroy(&s->go_on);
}

static void test_comes_round(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 1);
    for (int i = 0; i < 3; i++) {
        sem_wait(&s.rounds);
    }
    on_loop(&s, stop);
    scene_close(&s);
    assert_int_equal(atomic_load(&s.most), 1);
    assert_int_equal(atomic_load(&s.running), 0);
}

static void test_stop_during_a_round(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, 1);
    atomic_store(&s.hold, true);
    do {
        sem_wait(&s.rounds); // rounds that began before the hold go by
    } while (atomic_load(&s.running) == 0);
    on_loop(&s, stop);
    atomic_store(&s.hold, false);
    sem_post(&s.go_on);
    scene_close(&s); // waits for the round
    assert_int_equal(atomic_load(&s.running), 0);
}

static void test_never(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, INT64_MAX);
    assert_false(s.work.started);
    on_loop(&s, stop);
    scene_close(&s);
    assert_int_equal(atomic_load(&s.most), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_round),
        cmocka_unit_test(test_stop_during_a_round),
        cmocka_unit_test(test_never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
