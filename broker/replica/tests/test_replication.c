// SPDX-License-Identifier: Apache-2.0
//
// The threads that copy are started when the first partition follows; without descriptors for them that is tried once,
// however many partitions follow, until it is asked for again.
#include "broker/replica/replication.h"

#include <sys/resource.h>
#include <unistd.h>

#include "base/tests/cmocka_all.h"
#include "broker/replica/tests/scene.h"

// No descriptor but those that are open.
static void descriptors_end(struct rlimit *before)
{
    int lowest = dup(STDERR_FILENO);
    assert_true(lowest >= 0);
    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    struct rlimit none = *before;
    none.rlim_cur = (rlim_t)lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void test_threads_are_tried_once(void **state)
{
    (void)state;
    struct scene s;
    struct replication r;
    struct rlimit limit;
    scene_open(&s, os_real(), INT64_MAX);
    const struct fetchers_options o = {
        .os = os_real(), .pool = s.pool, .throttle = &s.throttle.follower, .settings = {.threads = 1, .backoff_ms = 1}};
    replication_init(&r, &o, "PLAINTEXT");
    replication_forget(&r, s.partition); // nothing follows yet
    assert_int_equal(scene_follow(&s, 6), ERR_OK);
    descriptors_end(&limit);
    enum err first = replication_follow(&r, s.partition, 2, 6);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(first, ERR_NO_MEMORY);
    assert_int_equal(replication_follow(&r, s.partition, 2, 6), ERR_NO_MEMORY); // though there are some now
    assert_null(r.fetchers);
    replication_try_again(&r);
    assert_int_equal(replication_follow(&r, s.partition, 2, 6), ERR_OK);
    assert_non_null(r.fetchers);
    replication_release(&r);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_are_tried_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
