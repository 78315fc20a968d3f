// SPDX-License-Identifier: Apache-2.0
//
// Leaving the cluster: alone at once, and with a control thread that is busy for longer than anybody waits.
#include "base/tests/cmocka_all.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/tests/cluster_rig.h"
#include "broker/net/tests/loop_blocker.h"

#define PATIENCE_MS (24 * 3600 * 1000) // longer than any test

static void test_alone(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    cluster_ask_leave(r.cluster, 3, 600000, PATIENCE_MS);
    cluster_rig_release(&r);
}

// A rest that is longer than time can be told in is no limit that is over at once.
static void test_any_rest(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    cluster_ask_leave(r.cluster, 1, INT64_MAX / 1000, PATIENCE_MS);
    mutex_lock(&r.cluster->gate_mu);
    assert_true(r.cluster->leave.done);
    mutex_unlock(&r.cluster->gate_mu);
    cluster_rig_release(&r);
}

static void leave_blocked(bool by_answers)
{
    struct cluster_rig r;
    struct loop_blocker b;
    cluster_rig_init(&r);
    r.options.controller_timeout_ms = 5;
    cluster_rig_start(&r);
    loop_block(&b, cluster_loop(r.cluster));
    if (by_answers) { // comes back although nobody can answer
        cluster_ask_leave(r.cluster, 2, 5, PATIENCE_MS);
    } else {
        cluster_ask_leave(r.cluster, INT32_MAX, INT64_MAX, 5);
    }
    assert_int_equal(cluster_close(r.cluster, 5), ERR_TIMED_OUT);
    sem_post(&b.go_on);
    cluster_rig_release(&r); // closes it; what was asked late is of no use, and does no harm
    sem_destroy(&b.go_on);
}

// That of the answers which could come, or that of the caller where it is the smaller one.
static void test_has_a_limit(void **state)
{
    (void)state;
    leave_blocked(true);
    leave_blocked(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_any_rest),
        cmocka_unit_test(test_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
