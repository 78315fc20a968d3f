// SPDX-License-Identifier: Apache-2.0
//
// DeleteRecords on the leader, and who waits until all replicas have done likewise: the low watermark is the least log
// start offset of the leader, of the copy that a move makes, and of the followers that are alive. Followers take the
// leader's start over with a fetch, and tell with the next one that they have.
#include "broker/replica/partition_internal.h"

// Under state_mu, with the log and the copy kept alive.
static int64_t low_watermark_of(const struct partition *p, const struct log *log)
{
    int64_t start = log_start_offset(log);
    int64_t copied = p->future == NULL ? start : log_start_offset(p->future);
    return replica_set_low_watermark(&p->replicas, copied < start ? copied : start);
}

void partition_wake_deletes(struct partition *p, const struct log *log, struct wake_list *woken)
{
    if (!LIST_EMPTY(&p->deletes)) {
        partition_wake_reached(&p->deletes, low_watermark_of(p, log), woken);
    }
}

void partition_deletes_look(struct partition *p)
{
    struct wake_list woken = {NULL};
    const struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return;
    }
    mutex_lock(&p->state_mu);
    partition_wake_deletes(p, log, &woken);
    mutex_unlock(&p->state_mu);
    partition_log_leave(p);
    wake_list_post(&woken);
}

static enum err delete_check(struct partition *p, int64_t *offset)
{
    mutex_lock(&p->state_mu);
    enum err err = partition_check_leader(p);
    *offset = *offset == -1 ? p->high_watermark : *offset;
    if (err == ERR_OK && !p->cleanup_delete) {
        err = ERR_UNSUPPORTED;
    }
    if (err == ERR_OK && (*offset < 0 || *offset > p->high_watermark)) {
        err = ERR_OUT_OF_RANGE;
    }
    mutex_unlock(&p->state_mu);
    return err;
}

enum err partition_delete_records(struct partition *p, int64_t *offset, int64_t *low_watermark)
{
    mutex_lock(&p->append_mu);
    enum err err = delete_check(p, offset);
    if (err == ERR_OK) {
        err = log_advance_start(p->log, *offset);
    }
    mutex_unlock(&p->append_mu);
    if (partition_log_broken(err)) {
        partition_fail(p, "deleting records", err);
        err = ERR_FAILED;
    }
    if (err == ERR_OK) {
        err = partition_deleted(p, *offset, low_watermark, NULL, NULL);
        err = err == ERR_AGAIN ? ERR_OK : err;
    }
    return err;
}

enum err partition_deleted(struct partition *p, int64_t offset, int64_t *low_watermark, struct wait_link *link,
                           struct wait *w)
{
    const struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    mutex_lock(&p->state_mu);
    enum err err = partition_check_leader(p);
    if (err == ERR_OK) {
        *low_watermark = low_watermark_of(p, log);
        err = *low_watermark >= offset ? ERR_OK : ERR_AGAIN;
    }
    if (err == ERR_AGAIN && w != NULL) {
        wait_link_add(&p->deletes, link, w, offset);
    }
    mutex_unlock(&p->state_mu);
    partition_log_leave(p);
    return err;
}
