// SPDX-License-Identifier: Apache-2.0
//
// What writes to a partition as its leader, and what an acknowledgement waits for.
//
// The high watermark follows what the in-sync replicas have; where the ISR is this broker alone, the end at once. An
// append that made a flush due holds it back until the fsync, so that nothing is read that a power failure could take
// away.
#include "broker/replica/partition_internal.h"

static enum err append_check(struct partition *p, int16_t required_acks, int32_t *leader_epoch)
{
    mutex_lock(&p->state_mu);
    enum err err = partition_check_leader(p);
    if (err == ERR_OK && required_acks == -1 && replica_set_isr(&p->replicas) < partition_needed_isr(p)) {
        err = ERR_NOT_ENOUGH_REPLICAS;
    }
    *leader_epoch = p->leader_epoch;
    mutex_unlock(&p->state_mu);
    return err;
}

static void append_publish(struct partition *p, const struct log_append *a)
{
    struct wake_list woken = {NULL};
    mutex_lock(&p->state_mu);
    partition_wake_fetches(&p->fetches[PARTITION_READ_LOG_END], (int64_t)a->len, &woken);
    p->hidden_bytes += (int64_t)a->len;
    if (!a->flush_due) {
        p->counted_end = a->last_offset + 1;
        partition_advance(p, p->log, &woken);
    }
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);
}

enum err partition_prepare(struct partition *p, struct log_append *a, struct arena *scratch)
{
    mutex_lock(&p->append_mu);
    bool ended = p->log == NULL;
    struct log_config config = {0};
    if (!ended) {
        config = log_config_copy(p->log);
    }
    mutex_unlock(&p->append_mu);
    struct log *log = ended ? NULL : partition_log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    enum err err = log_prepare(log, &config, a, scratch);
    partition_log_leave(p);
    return err;
}

enum err partition_append(struct partition *p, int16_t required_acks, struct log_append *a, struct arena *scratch,
                          struct partition_end *end)
{
    mutex_lock(&p->append_mu);
    enum err err = append_check(p, required_acks, &a->leader_epoch);
    if (err == ERR_OK) {
        err = log_append(p->log, a, scratch);
    }
    if (err == ERR_OK && !a->duplicate) {
        append_publish(p, a);
    }
    mutex_unlock(&p->append_mu);
    if (partition_log_broken(err)) {
        partition_fail(p, "an append", err);
        return ERR_FAILED;
    }
    if (err == ERR_OK && (a->flush_due || a->rolled)) {
        partition_flush_start(p);
    }
    *end = (struct partition_end){.offset = a->last_offset + 1, .leader_epoch = a->leader_epoch};
    return err;
}

// Under state_mu. The append is in this leader's log still: whoever follows may cut it off, and copy others' records.
static enum err ack_check(const struct partition *p, const struct partition_end *end)
{
    enum err err = partition_check_leader(p);
    return err == ERR_OK && end->leader_epoch < p->first_epoch ? ERR_NOT_LEADER : err;
}

enum err partition_ack(struct partition *p, const struct partition_end *end, bool need_flush, struct wait_link *link,
                       struct wait *w)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    mutex_lock(&p->state_mu);
    enum err err = ack_check(p, end);
    bool reached = p->high_watermark >= end->offset && (!need_flush || log_recovery_point(log) >= end->offset);
    if (err == ERR_OK && reached) {
        bool enough = replica_set_maximal_isr(&p->replicas) >= partition_needed_isr(p);
        err = enough ? ERR_OK : ERR_NOT_ENOUGH_REPLICAS;
    } else if (err == ERR_OK) {
        err = ERR_AGAIN;
        if (w != NULL) {
            wait_link_add(need_flush ? &p->flush_acks : &p->acks, link, w, end->offset);
        }
    }
    mutex_unlock(&p->state_mu);
    partition_log_leave(p);
    return err;
}
