// SPDX-License-Identifier: Apache-2.0
//
// Addresses in digits, names by way of the pool, and lookups nobody waits for any more.
#include "broker/net/lookup.h"

#include <netinet/in.h>

#include "base/tests/cmocka_all.h"
#include "base/tests/testing.h"

static void test_digits(void **state)
{
    (void)state;
    const struct {
        const char *host;
        int family; // 0: it is none
    } cases[] = {
        {"127.0.0.1", AF_INET}, {"::1", AF_INET6}, {"localhost", 0}, {"", 0}, {"1.2.3.4.5", 0}, {"[::1]", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addresses a;
        assert_int_equal(addresses_numeric(&a, cases[i].host, 9092), cases[i].family != 0);
        if (cases[i].family != 0) {
            assert_int_equal(a.count, 1);
            assert_int_equal(a.list[0].addr.ss_family, cases[i].family);
            // Both families keep the port at the same place.
            assert_int_equal(((struct sockaddr_in *)&a.list[0].addr)->sin_port, htons(9092));
        }
    }
}

struct scene {
    struct mailbox_item item; // first
    struct loop *loop;
    struct pool *pool;
    const char *host;
    bool cancel;
    bool begun;
    struct mutex mu;
    struct cond changed;
    int answers;
    int count;
};

static void on_found(void *ctx, const struct addresses *found)
{
    struct scene *s = ctx;
    assert_true(loop_is_current(s->loop));
    mutex_lock(&s->mu);
    s->answers++;
    s->count = found->count;
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mu);
}

static void begin(struct mailbox_item *item)
{
    struct scene *s = (struct scene *)item;
    struct lookup *k = lookup_start(s->loop, s->pool, s->host, 1, on_found, s);
    assert_non_null(k);
    if (s->cancel) {
        lookup_cancel(k);
    }
    mutex_lock(&s->mu);
    s->begun = true;
    cond_broadcast(&s->changed);
    mutex_unlock(&s->mu);
}

static void look_up(struct scene *s, const char *host, bool cancel)
{
    s->host = host;
    s->cancel = cancel;
    s->begun = false;
    s->answers = 0;
    s->item.run = begin;
    loop_post(s->loop, &s->item);
    mutex_lock(&s->mu);
    while (!s->begun || (!cancel && s->answers == 0)) {
        cond_wait(&s->changed, &s->mu);
    }
    mutex_unlock(&s->mu);
}

static void test_names(void **state)
{
    (void)state;
    struct scene s = {.count = -1};
    mutex_init(&s.mu, MUTEX_RANK_LEAF);
    cond_init(&s.changed);
    assert_int_equal(pool_new(1, &s.pool), ERR_OK);
    assert_int_equal(loop_new("lookup", os_real(), &s.loop), ERR_OK);
    assert_int_equal(loop_start(s.loop), ERR_OK);
    look_up(&s, "localhost", false);
    assert_true(s.count > 0);
    look_up(&s, "no such host", false); // no name: refused without asking a server
    assert_int_equal(s.count, 0);
    look_up(&s, "localhost", true);
    look_up(&s, "localhost", false); // the pool has one thread, so the cancelled one has come back before
    assert_int_equal(s.answers, 1);
    pool_drain(s.pool);
    loop_stop(s.loop);
    loop_free(s.loop);
    pool_free(s.pool);
    cond_destroy(&s.changed);
    mutex_destroy(&s.mu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
