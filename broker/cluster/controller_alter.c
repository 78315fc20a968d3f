// SPDX-License-Identifier: Apache-2.0
//
// AlterPartition (KIP-497): leaders that want other in-sync replicas. What is asked for is checked against what is
// known, in Kafka's order, and written with the same leader epoch; everybody is told by UpdateMetadata, and the leader
// by the answer.
#include "broker/cluster/controller_state.h"
#include "broker/cluster/must.h"
#include "protocol/protocol.h"

static bool same_isr(const struct controller_partition *p, const struct controller_isr_change *change)
{
    return p->isr_count == change->isr_count && memcmp(p->isr, change->isr, (size_t)p->isr_count * sizeof *p->isr) == 0;
}

static bool all_live(const struct controller *c, const struct controller_isr_change *change)
{
    for (int32_t i = 0; i < change->isr_count; i++) {
        if (!model_broker_live(c, change->isr[i])) {
            return false;
        }
    }
    return true;
}

// What is wrong with it; *done: nothing, and there is nothing to write either.
static int16_t change_check(const struct controller *c, const struct controller_partition *p,
                            const struct controller_isr_change *change, bool *done)
{
    const struct controller_request *r = STAILQ_FIRST(&c->requests);
    *done = false;
    if (!p->has_state) {
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (change->partition_epoch > p->version || change->leader_epoch > p->leader_epoch) {
        return KAFKA_ERROR_NOT_CONTROLLER; // the leader knows more than this one: somebody else is the controller
    }
    if (change->leader_epoch < p->leader_epoch) {
        return KAFKA_ERROR_FENCED_LEADER_EPOCH;
    }
    if (p->leader == r->broker && same_isr(p, change) && p->recovery_state == change->recovery_state) {
        *done = true;
        return KAFKA_ERROR_NONE;
    }
    if (change->partition_epoch < p->version) {
        return KAFKA_ERROR_INVALID_UPDATE_VERSION;
    }
    if (change->recovery_state == ZNODE_RECOVERING && (change->isr_count > 1 || p->recovery_state == ZNODE_RECOVERED)) {
        return KAFKA_ERROR_INVALID_REQUEST;
    }
    if (!all_live(c, change)) {
        return r->ineligible_known ? KAFKA_ERROR_INELIGIBLE_REPLICA : KAFKA_ERROR_OPERATION_NOT_ATTEMPTED;
    }
    return KAFKA_ERROR_NONE;
}

static bool alter_decide(struct step *s, struct work *w, struct znode_partition_state *out)
{
    const struct controller_request *r = STAILQ_FIRST(&s->c->requests);
    bool done;
    w->change->error_code = change_check(s->c, w->partition, w->change, &done);
    if (w->change->error_code != KAFKA_ERROR_NONE || done) {
        return false;
    }
    *out = (struct znode_partition_state){.leader = r->broker,
                                          .leader_epoch = w->change->leader_epoch,
                                          .isr = (int32_t *)(uintptr_t)w->change->isr, // only read
                                          .isr_count = w->change->isr_count,
                                          .controller_epoch = s->c->epoch,
                                          .leader_recovery_state = w->change->recovery_state};
    return true;
}

static void change_answer(struct controller_request *r, const struct work *w)
{
    const struct controller_partition *p = w->partition;
    struct controller_isr_change *change = w->change;
    if (w->state == WORK_WRITTEN) {
        change->error_code = KAFKA_ERROR_NONE;
    }
    change->leader = p->leader;
    change->new_leader_epoch = p->leader_epoch;
    change->new_partition_epoch = p->version;
    change->new_recovery_state = p->recovery_state;
    change->new_isr = must_arena_copy(r->arena, p->isr, (size_t)p->isr_count * sizeof *p->isr);
    change->new_isr_count = p->isr_count;
}

static void alter_done(struct step *s)
{
    struct controller *c = s->c;
    struct controller_request *r = STAILQ_FIRST(&c->requests);
    for (int32_t i = 0; i < c->works_count; i++) {
        change_answer(r, &c->works[i]);
        moves_look(c, c->works[i].partition);
    }
    works_tell(s, CONTROLLER_UPDATE_METADATA, TELL_EVERYBODY, 0);
    request_finish(s);
}

void alter_begin(struct step *s)
{
    struct controller *c = s->c;
    struct controller_request *r = STAILQ_FIRST(&c->requests);
    const struct controller_broker *b = model_broker_find(c, r->broker);
    works_clear(c);
    if (b == NULL || b->epoch != r->broker_epoch) {
        r->error_code = KAFKA_ERROR_STALE_BROKER_EPOCH;
        request_finish(s);
        return;
    }
    for (int32_t i = 0; i < r->changes_count; i++) {
        struct controller_isr_change *change = &r->changes[i];
        struct controller_topic *t =
            change->topic != NULL ? model_topic_find(c, change->topic) : model_topic_find_id(c, &change->topic_id);
        if (t == NULL) {
            change->error_code =
                change->topic != NULL ? KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_ERROR_UNKNOWN_TOPIC_ID;
        } else if (change->partition < 0 || change->partition >= t->partitions_count) {
            change->error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        } else {
            works_add(c, t, &t->partitions[change->partition])->change = change;
        }
    }
    works_write(s, alter_decide, alter_done);
}
