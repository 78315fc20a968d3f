// SPDX-License-Identifier: Apache-2.0
//
// Changes of the ISR, between the partition's bookkeeping (replica_set.h) and the controller: what is asked for, what
// comes of it. One change of a partition is under way at a time. Where it is not known what became of it the proposal
// stays, and with it the larger set for the high watermark, until the controller names a new leader epoch.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/logging.h"
#include "broker/replica/partition_internal.h"

int32_t partition_needed_isr(const struct partition *p)
{
    int32_t replicas = replica_set_replicas(&p->replicas);
    return p->min_insync_replicas < replicas ? p->min_insync_replicas : replicas;
}

bool partition_isr_ask(struct partition *p, struct cluster_isr_change *out)
{
    size_t size = (size_t)p->replicas.proposal_count * sizeof(int32_t);
    int32_t *isr = malloc(size);
    if (isr == NULL) {
        replica_set_refuse(&p->replicas);
        return false;
    }
    memcpy(isr, p->replicas.proposal, size);
    *out = (struct cluster_isr_change){.topic = p->topic,
                                       .topic_id = p->topic_id,
                                       .partition = p->index,
                                       .leader_epoch = p->leader_epoch,
                                       .partition_epoch = p->replicas.partition_epoch,
                                       .isr = isr,
                                       .isr_count = p->replicas.proposal_count};
    return true;
}

void partition_isr_send(struct partition *p, struct cluster_isr_change *change)
{
    log_info("replica", "%s-%d: asking for an ISR of %d in leader epoch %d", p->topic, (int)p->index,
             (int)change->isr_count, (int)change->leader_epoch);
    enum err err = p->env->alter_isr(p->env->ctx, change);
    free((void *)(uintptr_t)change->isr);
    if (err != ERR_OK) { // the next fetch or check proposes it again
        mutex_lock(&p->state_mu);
        replica_set_refuse(&p->replicas);
        mutex_unlock(&p->state_mu);
    }
}

// Whether the controller may have made the change all the same.
static bool outcome_unknown(enum err err)
{
    return err == ERR_FENCED_EPOCH || err == ERR_BAD_VERSION || err == ERR_NOT_FOUND || err == ERR_CLOSED;
}

void partition_isr_answered(struct partition *p, const struct cluster_isr_answer *a)
{
    struct wake_list woken = {NULL};
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return;
    }
    mutex_lock(&p->state_mu);
    if (p->role != PARTITION_LEADS || p->replicas.proposal_count == 0 || a->leader_epoch != p->leader_epoch) {
        // the answer to an earlier leadership
    } else if (a->err == ERR_OK) {
        replica_set_confirm(&p->replicas, a->isr, a->isr_count, a->partition_epoch);
        partition_advance(p, log, &woken);
    } else if (!outcome_unknown(a->err)) {
        replica_set_refuse(&p->replicas);
        partition_advance(p, log, &woken);
    }
    mutex_unlock(&p->state_mu);
    partition_log_leave(p);
    wake_list_post(&woken);
    if (a->err != ERR_OK) {
        log_warn("replica", "%s-%d: the controller refused a change of the ISR: %s", p->topic, (int)p->index,
                 err_text(a->err));
    }
}

void partition_shrink_isr(struct partition *p, int64_t mono_ms)
{
    struct cluster_isr_change change;
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return;
    }
    mutex_lock(&p->state_mu);
    bool ask = p->role == PARTITION_LEADS &&
               replica_set_shrink(&p->replicas, log_end_offset(log), mono_ms, p->env->replica_lag_max_ms) &&
               partition_isr_ask(p, &change);
    mutex_unlock(&p->state_mu);
    partition_log_leave(p);
    if (ask) {
        partition_isr_send(p, &change);
    }
}

static bool id_found(const int32_t *ids, int32_t count, int32_t id)
{
    for (int32_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

void partition_brokers_alive(struct partition *p, const int32_t *ids, int32_t count)
{
    struct wake_list woken = {NULL};
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return;
    }
    mutex_lock(&p->state_mu);
    for (int32_t i = 0; i < p->replicas.followers_count; i++) {
        int32_t id = p->replicas.followers[i].broker_id;
        replica_set_alive(&p->replicas, id, id_found(ids, count, id));
    }
    if (p->role == PARTITION_LEADS) {
        partition_advance(p, log, &woken);
        partition_wake_deletes(p, log, &woken);
    }
    mutex_unlock(&p->state_mu);
    partition_log_leave(p);
    wake_list_post(&woken);
}
