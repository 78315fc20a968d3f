// SPDX-License-Identifier: Apache-2.0
//
// Changes of in-sync replicas of leaders on this broker, which is the controller itself: what each is answered.
#include "base/tests/cmocka_all.h"
#include "broker/cluster/cluster_internal.h"
#include "broker/cluster/tests/cluster_rig.h"

static void answer_await(struct cluster_rig *r, int count)
{
    mutex_lock(&r->mu);
    while (r->isr_answers < count) {
        cond_wait(&r->cond, &r->mu);
    }
    mutex_unlock(&r->mu);
}

static void test_answers(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    assert_true(cluster_broker_epoch(r.cluster) > 0);
    assert_string_equal(cluster_inter_broker_listener(r.cluster), "PLAINTEXT");
    struct uuid id = cluster_rig_create(&r, "t", 2), other = {{9}};
    const struct {
        struct uuid id;
        const char *topic;
        int32_t partition, leader_epoch, partition_epoch, isr;
        bool recovering;
        enum err err;
    } cases[] = {
        {id, "t", 1, 0, 0, 1, false, ERR_OK}, // nothing to change
        {id, "t", 0, -1, 0, 1, false, ERR_FENCED_EPOCH},
        {id, "t", 0, 0, -1, 2, false, ERR_BAD_VERSION},
        {id, "t", 2, 0, 0, 1, false, ERR_NOT_FOUND},
        {other, "u", 0, 0, 0, 1, false, ERR_NOT_FOUND},
        {id, "t", 0, 0, 0, 2, false, ERR_INELIGIBLE}, // a broker that is not there
        {id, "t", 0, 0, 0, 1, true, ERR_INVALID},     // it has recovered
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct cluster_isr_change change = {.topic = cases[i].topic,
                                                  .topic_id = cases[i].id,
                                                  .partition = cases[i].partition,
                                                  .leader_epoch = cases[i].leader_epoch,
                                                  .partition_epoch = cases[i].partition_epoch,
                                                  .isr = &cases[i].isr,
                                                  .isr_count = 1,
                                                  .recovering = cases[i].recovering};
        assert_int_equal(cluster_alter_isr(r.cluster, &change), ERR_OK);
        answer_await(&r, (int)i + 1);
        assert_int_equal(r.isr_answer.err, cases[i].err);
        assert_int_equal(r.isr_answer.partition, cases[i].partition);
        assert_int_equal(r.isr_answer.leader_epoch, cases[i].leader_epoch);
    }
    cluster_rig_release(&r);
}

// Everything that is under way when the cluster closes is told so, once.
static void test_close(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    struct uuid id = cluster_rig_create(&r, "t", 1);
    const int32_t isr = 1;
    // More than is known: the controller is somebody else by now, as it seems. It is asked again and again.
    const struct cluster_isr_change change = {
        .topic = "t", .topic_id = id, .leader_epoch = 7, .partition_epoch = 7, .isr = &isr, .isr_count = 1};
    for (int i = 0; i < 10; i++) {
        assert_int_equal(cluster_alter_isr(r.cluster, &change), ERR_OK);
    }
    assert_int_equal(r.isr_answers, 0);
    cluster_rig_stop(&r);
    assert_int_equal(r.isr_answers, 10);
    assert_int_equal(r.isr_answer.err, ERR_CLOSED);
    cluster_rig_release(&r);
}

// Something looked at or changed on the control thread.
struct visit {
    struct cluster *cluster;
    int32_t found;
};

static int32_t on_control(struct cluster *c, void (*fn)(void *ctx))
{
    struct errand e = {.under_way = false};
    struct visit v = {.cluster = c};
    assert_int_equal(errand_do(&e, cluster_loop(c), fn, &v, ERRAND_PATIENT), ERR_OK);
    return v.found;
}

static void be_another(void *ctx)
{
    ((struct visit *)ctx)->cluster->is_controller = false; // where the controller is said to be nobody answers
}

static void be_controller(void *ctx)
{
    ((struct visit *)ctx)->cluster->is_controller = true;
}

static void count_sent(void *ctx)
{
    struct visit *v = ctx;
    v->found = v->cluster->isr_request.changes_count;
}

// What a leader asks for in a newer epoch does not share a request with what it asked for in an older one: answers name
// the partition only.
static void test_one_change_of_a_partition_a_request(void **state)
{
    (void)state;
    struct cluster_rig r;
    cluster_rig_init(&r);
    cluster_rig_start(&r);
    struct uuid id = cluster_rig_create(&r, "t", 2);
    const int32_t isr = 1, partitions[] = {0, 0, 1};
    on_control(r.cluster, be_another);
    for (size_t i = 0; i < 3; i++) {
        const struct cluster_isr_change change = {
            .topic = "t", .topic_id = id, .partition = partitions[i], .isr = &isr, .isr_count = 1};
        assert_int_equal(cluster_alter_isr(r.cluster, &change), ERR_OK);
    }
    int32_t sent;
    do { // the first may go alone; then all that wait
        sent = on_control(r.cluster, count_sent);
    } while (sent < 2);
    assert_int_equal(sent, 2);
    on_control(r.cluster, be_controller);
    answer_await(&r, 3);
    cluster_rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_one_change_of_a_partition_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
