// SPDX-License-Identifier: Apache-2.0
//
// Moves that pause: they hold no thread of the disk pool, and a timer gives them their next turn.
#include "broker/replica/mover.h"

#include <sched.h>

#include "base/tests/cmocka_all.h"
#include "broker/net/errand.h"
#include "broker/replica/tests/scene.h"

struct mover_scene {
    struct scene scene;
    struct pool *pool; // of one thread
    struct mover *mover;
    char *path;
    struct log_dir *other;
};

// A move of t-0 is to be worked on, and its throttle lets nothing through.
static void open_scene(struct mover_scene *s)
{
    struct log_append a;
    struct partition_end end;
    scene_open(&s->scene, os_real(), INT64_MAX);
    s->path = test_dir_new();
    assert_int_equal(log_dir_open(os_real(), s->path, &s->other), ERR_OK);
    assert_int_equal(scene_append(&s->scene, 3, &a, &end), ERR_OK);
    assert_int_equal(partition_move_begin(s->scene.partition, s->other), ERR_OK);
    byte_rate_limit(&s->scene.throttle.moves, 0);
    byte_rate_record(&s->scene.throttle.moves, 1);
    assert_int_equal(pool_new(1, &s->pool), ERR_OK);
    assert_int_equal(mover_new(s->pool, 1, &s->mover), ERR_OK);
    assert_int_equal(mover_add(s->mover, s->scene.partition), ERR_OK);
}

static void close_scene(struct mover_scene *s)
{
    mover_free(s->mover);
    pool_free(s->pool);
    assert_int_equal(partition_end(s->scene.partition, false), ERR_OK);
    log_dir_close(s->other, true);
    test_dir_remove(s->path);
    scene_close_ended(&s->scene);
}

static bool is_moving(struct mover_scene *s)
{
    struct log_dir *dir;
    int64_t bytes, lag;
    return partition_future(s->scene.partition, &dir, &bytes, &lag);
}

static void start(void *ctx)
{
    struct mover_scene *s = ctx;
    assert_int_equal(mover_start(s->mover, s->scene.loop), ERR_OK);
}

static void stop(void *ctx)
{
    mover_stop(((struct mover_scene *)ctx)->mover);
}

static void on_loop(struct mover_scene *s, void (*fn)(void *ctx))
{
    struct errand e = {.under_way = false};
    assert_int_equal(errand_do(&e, s->scene.loop, fn, s, ERRAND_PATIENT), ERR_OK);
}

static void test_a_pause_ends_by_time(void **state)
{
    (void)state;
    struct mover_scene s;
    open_scene(&s);
    on_loop(&s, start);
    byte_rate_limit(&s.scene.throttle.moves, BYTE_RATE_NO_LIMIT);
    while (is_moving(&s)) {
        sched_yield();
    }
    assert_ptr_equal(partition_directory(s.scene.partition), s.other);
    on_loop(&s, stop);
    close_scene(&s);
}

// Nobody gives it a turn before the start: then nothing of it is on the pool, whatever else that does.
static void test_a_pause_holds_no_thread(void **state)
{
    (void)state;
    struct mover_scene s;
    open_scene(&s);
    pool_drain(s.pool); // its first turn has ended
    byte_rate_limit(&s.scene.throttle.moves, BYTE_RATE_NO_LIMIT);
    pool_drain(s.pool);
    assert_true(is_moving(&s));
    on_loop(&s, start);
    while (is_moving(&s)) {
        sched_yield();
    }
    on_loop(&s, stop);
    close_scene(&s);
}

// It goes on at the next start of the broker.
static void test_stopped_while_it_pauses(void **state)
{
    (void)state;
    struct mover_scene s;
    open_scene(&s);
    on_loop(&s, start);
    on_loop(&s, stop);
    pool_drain(s.pool);
    assert_true(is_moving(&s));
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pause_ends_by_time),
        cmocka_unit_test(test_a_pause_holds_no_thread),
        cmocka_unit_test(test_stopped_while_it_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
