// SPDX-License-Identifier: Apache-2.0
//
// Posting from many threads keeps each poster's order and loses nothing; the wake comes when the box was empty.
#include "base/mailbox.h"

#include "base/tests/cmocka_all.h"
#include <stdatomic.h>
#include <stdlib.h>

struct note {
    struct mailbox_item item; // first member
    struct mailbox *box;
    int poster;
    int number;
    int *last_of_poster;
    int posts_left;
};

static void wake_count(void *ctx)
{
    atomic_fetch_add((atomic_int *)ctx, 1);
}

static void note_run(struct mailbox_item *item)
{
    struct note *n = (struct note *)item;
    assert_int_equal(n->number, n->last_of_poster[n->poster] + 1);
    n->last_of_poster[n->poster] = n->number;
}

static void test_order_and_wake(void **state)
{
    (void)state;
    atomic_int wakes = 0;
    int last[1] = {-1};
    struct mailbox box;
    struct note notes[3];
    mailbox_init(&box, wake_count, &wakes);
    assert_false(mailbox_drain(&box));
    for (int i = 0; i < 3; i++) {
        notes[i] = (struct note){.item.run = note_run, .number = i, .last_of_poster = last};
        mailbox_post(&box, &notes[i].item);
    }
    assert_int_equal(wakes, 1);
    assert_true(mailbox_drain(&box));
    assert_int_equal(last[0], 2);
    assert_false(mailbox_drain(&box));
    last[0] = 1;
    mailbox_post(&box, &notes[2].item); // it may be posted again once it has run
    assert_int_equal(wakes, 2);
    assert_true(mailbox_drain(&box));
    mailbox_destroy(&box);
}

static void repost_run(struct mailbox_item *item)
{
    struct note *n = (struct note *)item;
    n->number++;
    if (--n->posts_left > 0) {
        mailbox_post(n->box, item);
    }
}

static void test_drain_runs_only_what_was_queued(void **state)
{
    (void)state;
    atomic_int wakes = 0;
    struct mailbox box;
    mailbox_init(&box, wake_count, &wakes);
    struct note n = {.item.run = repost_run, .box = &box, .posts_left = 2};
    mailbox_post(&box, &n.item);
    assert_true(mailbox_drain(&box));
    assert_int_equal(n.number, 1);
    assert_int_equal(wakes, 2);
    assert_true(mailbox_drain(&box));
    assert_int_equal(n.number, 2);
    assert_false(mailbox_drain(&box));
    mailbox_destroy(&box);
}

enum {
    POSTERS = 4,
    NOTES_PER_POSTER = 2000,
};

struct poster {
    pthread_t thread;
    struct mailbox *box;
    struct note *notes;
};

static void *poster_run(void *arg)
{
    struct poster *p = arg;
    for (int i = 0; i < NOTES_PER_POSTER; i++) {
        mailbox_post(p->box, &p->notes[i].item);
    }
    return NULL;
}

static void test_many_posters(void **state)
{
    (void)state;
    atomic_int wakes = 0;
    int last[POSTERS];
    struct poster posters[POSTERS];
    struct mailbox box;
    mailbox_init(&box, wake_count, &wakes);
    for (int p = 0; p < POSTERS; p++) {
        last[p] = -1;
        posters[p].box = &box;
        posters[p].notes = calloc(NOTES_PER_POSTER, sizeof *posters[p].notes);
        for (int i = 0; i < NOTES_PER_POSTER; i++) {
            posters[p].notes[i] = (struct note){.item.run = note_run, .poster = p, .number = i, .last_of_poster = last};
        }
    }
    for (int p = 0; p < POSTERS; p++) {
        assert_int_equal(pthread_create(&posters[p].thread, NULL, poster_run, &posters[p]), 0);
    }
    int drains = 0;
    while (last[0] + last[1] + last[2] + last[3] < POSTERS * (NOTES_PER_POSTER - 1)) {
        drains += mailbox_drain(&box);
    }
    for (int p = 0; p < POSTERS; p++) {
        pthread_join(posters[p].thread, NULL);
        assert_int_equal(last[p], NOTES_PER_POSTER - 1);
        free(posters[p].notes);
    }
    // Each wake belongs to one filling of an empty box, and each such filling is drained once.
    assert_int_equal(wakes, drains);
    mailbox_destroy(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_wake),
        cmocka_unit_test(test_drain_runs_only_what_was_queued),
        cmocka_unit_test(test_many_posters),
    };
    return cmocka_run_group_tests_name("base/mailbox", tests, NULL, NULL);
}
