// SPDX-License-Identifier: Apache-2.0
//
// Work on the disk pool that a request waits for: the wait is woken once, the job survives a requester that goes away
// first, and it is released exactly once either way.
#include "base/tests/cmocka_all.h"
#include <semaphore.h>

#include "broker/api/disk_job.h"

struct scene {
    struct loop *loop;
    struct pool *pool;
    struct wait wait;
    sem_t begin;    // the job may go on
    sem_t woken;    // on_wake ran
    sem_t released; // the job was released
    int worked;
};

static struct scene *scene_of(struct disk_job *j)
{
    return *(struct scene **)j->state;
}

static void work(struct disk_job *j)
{
    struct scene *s = scene_of(j);
    sem_wait(&s->begin);
    s->worked++;
}

static void release(struct disk_job *j)
{
    sem_post(&scene_of(j)->released);
}

static void on_wake(struct wait *w)
{
    sem_post(&((struct scene *)((char *)w - offsetof(struct scene, wait)))->woken);
}

static void scene_init(struct scene *s)
{
    *s = (struct scene){0};
    sem_init(&s->begin, 0, 0);
    sem_init(&s->woken, 0, 0);
    sem_init(&s->released, 0, 0);
    assert_int_equal(loop_new("test", os_real(), &s->loop), ERR_OK);
    assert_int_equal(loop_start(s->loop), ERR_OK);
    assert_int_equal(pool_new(1, &s->pool), ERR_OK);
    wait_init(&s->wait, s->loop, on_wake);
}

static struct disk_job *scene_start(struct scene *s, struct wait_link *link)
{
    struct disk_job *j;
    assert_int_equal(disk_job_new(4096, work, release, &j), ERR_OK);
    struct scene **state = arena_alloc(&j->arena, sizeof *state);
    assert_non_null(state);
    *state = s;
    j->state = state;
    wait_arm(&s->wait, 1);
    disk_job_start(j, s->pool, link, &s->wait);
    return j;
}

static void scene_end(struct scene *s)
{
    pool_free(s->pool);
    loop_stop(s->loop);
    loop_free(s->loop);
    int woken = 0;
    sem_getvalue(&s->woken, &woken);
    assert_int_equal(woken, 0);
    sem_destroy(&s->begin);
    sem_destroy(&s->woken);
    sem_destroy(&s->released);
}

static void test_wakes_when_done(void **state)
{
    (void)state;
    struct scene s;
    struct wait_link link = {0};
    scene_init(&s);
    struct disk_job *j = scene_start(&s, &link);
    assert_false(disk_job_done(j));
    sem_post(&s.begin);
    sem_wait(&s.woken);
    assert_true(disk_job_done(j));
    assert_int_equal(s.worked, 1);
    disk_job_unlink(j, &link);
    disk_job_unref(j);
    sem_wait(&s.released);
    scene_end(&s);
}

static void test_requester_goes_away_first(void **state)
{
    (void)state;
    struct scene s;
    struct wait_link link = {0};
    scene_init(&s);
    struct disk_job *j = scene_start(&s, &link);
    disk_job_unlink(j, &link);
    assert_true(wait_disarm(&s.wait));
    disk_job_unref(j);
    sem_post(&s.begin);
    sem_wait(&s.released);
    assert_int_equal(s.worked, 1);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wakes_when_done),
        cmocka_unit_test(test_requester_goes_away_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
