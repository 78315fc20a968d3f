// SPDX-License-Identifier: Apache-2.0
//
// The life of a partition: made with its log, counted, ended; who gets at the log, who is woken, what a failure does.
#include <stdlib.h>

#include "base/assert.h"
#include "base/logging.h"
#include "broker/replica/partition_internal.h"

void partition_ref(struct partition *p)
{
    atomic_fetch_add(&p->refs, 1);
}

void partition_unref(struct partition *p)
{
    if (atomic_fetch_sub(&p->refs, 1) != 1) {
        return;
    }
    ASSERT(p->log == NULL);
    mutex_destroy(&p->move_mu);
    mutex_destroy(&p->append_mu);
    mutex_destroy(&p->state_mu);
    cond_destroy(&p->flush_idle);
    pthread_rwlock_destroy(&p->log_gate);
    replica_set_release(&p->replicas);
    free(p->topic);
    free(p);
}

const char *partition_topic(const struct partition *p)
{
    return p->topic;
}

int32_t partition_index(const struct partition *p)
{
    return p->index;
}

const struct uuid *partition_topic_id(const struct partition *p)
{
    return &p->topic_id;
}

// Readers come all the time, writers rarely: so that these get in at all, readers that come later wait for them. Nobody
// enters twice.
static void log_gate_init(pthread_rwlock_t *gate)
{
    pthread_rwlockattr_t attr;
    int failed = pthread_rwlockattr_init(&attr);
    ASSERT(failed == 0);
    failed = pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    ASSERT(failed == 0);
    failed = pthread_rwlock_init(gate, &attr);
    ASSERT(failed == 0);
    pthread_rwlockattr_destroy(&attr);
}

enum err partition_new(struct log *log, const struct partition_env *env, struct partition **out)
{
    struct partition *p = calloc(1, sizeof *p);
    char *topic = strdup(log_topic(log));
    if (p == NULL || topic == NULL) {
        free(p);
        free(topic);
        return ERR_NO_MEMORY;
    }
    p->topic = topic;
    p->index = log_partition(log);
    p->topic_id = *log_topic_id(log);
    p->log = log;
    p->env = env;
    p->flush_job.run = partition_flush_run;
    p->leader_epoch = -1;
    p->flush_ms = INT64_MAX;
    p->high_watermark = log_high_watermark(log);
    p->last_stable_offset = p->high_watermark;
    atomic_init(&p->refs, 1);
    mutex_init(&p->move_mu, MUTEX_RANK_MOVE);
    mutex_init(&p->append_mu, MUTEX_RANK_APPEND);
    mutex_init(&p->state_mu, MUTEX_RANK_STATE);
    cond_init(&p->flush_idle);
    log_gate_init(&p->log_gate);
    LIST_INIT(&p->acks);
    LIST_INIT(&p->flush_acks);
    LIST_INIT(&p->deletes);
    for (int i = 0; i < 3; i++) {
        LIST_INIT(&p->fetches[i]);
    }
    *out = p;
    return ERR_OK;
}

// ---------------------------------------------------------------------------------------------------------------
// Getting at the log

struct log *partition_log_enter(struct partition *p)
{
    pthread_rwlock_rdlock(&p->log_gate);
    if (p->log == NULL) {
        pthread_rwlock_unlock(&p->log_gate);
    }
    return p->log;
}

void partition_log_leave(struct partition *p)
{
    pthread_rwlock_unlock(&p->log_gate);
}

// ---------------------------------------------------------------------------------------------------------------
// Waking and checks. All under state_mu.

void partition_wake_reached(struct wait_list *list, int64_t reached, struct wake_list *woken)
{
    struct wait_link *link = LIST_FIRST(list);
    while (link != NULL) {
        struct wait_link *next = LIST_NEXT(link, entry);
        if (link->threshold <= reached) {
            wait_count_down(link->wait, 1, woken);
            wait_link_remove(link);
        }
        link = next;
    }
}

void partition_wake_fetches(struct wait_list *list, int64_t bytes, struct wake_list *woken)
{
    struct wait_link *link;
    LIST_FOREACH (link, list, entry) {
        int64_t counted = bytes == PARTITION_WAKE_ALL || bytes < link->threshold ? bytes : link->threshold;
        if (counted > 0) {
            link->threshold -= bytes == PARTITION_WAKE_ALL ? 0 : counted;
            wait_count_down(link->wait, counted, woken);
        }
    }
}

// A request that waits for other partitions, too, has to look now: who leads again later may have other records there.
static void wake_acks(struct wait_list *list, struct wake_list *woken)
{
    struct wait_link *link;
    while ((link = LIST_FIRST(list)) != NULL) {
        wait_count_down(link->wait, PARTITION_WAKE_ALL, woken);
        wait_link_remove(link);
    }
}

void partition_wake_all(struct partition *p, struct wake_list *woken)
{
    wake_acks(&p->acks, woken);
    wake_acks(&p->flush_acks, woken);
    wake_acks(&p->deletes, woken);
    for (int i = 0; i < 3; i++) {
        partition_wake_fetches(&p->fetches[i], PARTITION_WAKE_ALL, woken);
    }
}

int64_t partition_stable_offset(const struct partition *p, const struct log *log)
{
    int64_t unstable = log_first_unstable_offset(log);
    return unstable < p->high_watermark ? unstable : p->high_watermark;
}

void partition_raise_watermark(struct partition *p, struct log *log, int64_t high_watermark, int64_t bytes,
                               struct wake_list *woken)
{
    if (high_watermark <= p->high_watermark) {
        return;
    }
    bool all_stable = p->last_stable_offset == p->high_watermark;
    p->high_watermark = high_watermark;
    log_set_high_watermark(log, high_watermark);
    int64_t stable = partition_stable_offset(p, log);
    int64_t on_disk = log_recovery_point(log);
    partition_wake_reached(&p->acks, high_watermark, woken);
    partition_wake_reached(&p->flush_acks, on_disk < high_watermark ? on_disk : high_watermark, woken);
    partition_wake_fetches(&p->fetches[PARTITION_READ_UNCOMMITTED], bytes, woken);
    if (stable != p->last_stable_offset) {
        bool same_bytes = all_stable && stable == high_watermark;
        p->last_stable_offset = stable;
        partition_wake_fetches(&p->fetches[PARTITION_READ_COMMITTED], same_bytes ? bytes : PARTITION_WAKE_ALL, woken);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Failure

void partition_fail(struct partition *p, const char *doing, enum err err)
{
    struct wake_list woken = {NULL};
    mutex_lock(&p->state_mu);
    bool first = !p->failed;
    p->failed = true;
    partition_wake_all(p, &woken);
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);
    if (first && err != ERR_FAILED) { // else the log, or its directory, has said why
        log_error("replica", "%s-%d is out of service: %s failed: %s; it comes back with a restart", p->topic,
                  (int)p->index, doing, err_text(err));
    }
}

void partition_go_offline(struct partition *p)
{
    partition_fail(p, "an earlier operation", ERR_FAILED);
}

struct log_dir *partition_directory(struct partition *p)
{
    struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return NULL;
    }
    struct log_dir *dir = log_directory(log);
    partition_log_leave(p);
    return dir;
}

bool partition_log_broken(enum err err)
{
    return err == ERR_IO || err == ERR_FAILED;
}

enum err partition_check_leader(const struct partition *p)
{
    if (p->ended) {
        return ERR_NOT_LEADER;
    }
    if (p->failed || log_failed(p->log)) {
        return ERR_FAILED;
    }
    return p->role == PARTITION_LEADS ? ERR_OK : ERR_NOT_LEADER;
}

// A leader's log that has failed is still read. any_replica: a follower's, too.
static enum err role_check(const struct partition *p, bool any_replica)
{
    if (p->role == PARTITION_LEADS && !p->ended) {
        return ERR_OK;
    }
    if (p->failed && !p->ended) {
        return ERR_FAILED;
    }
    return any_replica && p->role == PARTITION_FOLLOWS && !p->ended ? ERR_OK : ERR_NOT_LEADER;
}

// The epoch comes first, so that a client with an old or a new picture learns which of the two it is.
static enum err epoch_check(const struct partition *p, bool any_replica, int32_t current_leader_epoch)
{
    enum err err = role_check(p, any_replica);
    bool known = err == ERR_OK || (err == ERR_NOT_LEADER && p->role == PARTITION_FOLLOWS && !p->ended);
    if (!known || current_leader_epoch == -1 || current_leader_epoch == p->leader_epoch) {
        return err;
    }
    return current_leader_epoch < p->leader_epoch ? ERR_FENCED_EPOCH : ERR_UNKNOWN_EPOCH;
}

enum err partition_check_epoch(const struct partition *p, int32_t current_leader_epoch)
{
    return epoch_check(p, false, current_leader_epoch);
}

enum err partition_check_reader(const struct partition *p, const struct partition_read *r)
{
    return epoch_check(p, r->any_replica, r->current_leader_epoch);
}

void partition_advance(struct partition *p, struct log *log, struct wake_list *woken)
{
    int64_t now_ms = p->replicas.followers_count == 0 ? 0 : os_mono_us(p->env->os) / 1000;
    int64_t reached =
        replica_set_watermark(&p->replicas, p->counted_end, p->min_insync_replicas, now_ms, p->env->replica_lag_max_ms);
    partition_raise_watermark(p, log, reached, p->hidden_bytes, woken);
    if (p->high_watermark == log_end_offset(log)) {
        p->hidden_bytes = 0;
    }
}

enum err partition_end(struct partition *p, bool erase)
{
    struct wake_list woken = {NULL};
    mutex_lock(&p->move_mu);
    mutex_lock(&p->state_mu);
    p->ended = true;
    p->role = PARTITION_IDLE;
    partition_wake_all(p, &woken);
    while (p->flush != FLUSH_IDLE) {
        cond_wait(&p->flush_idle, &p->state_mu);
    }
    int64_t delay_ms = p->folder_delete_delay_ms;
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);

    mutex_lock(&p->append_mu);
    pthread_rwlock_wrlock(&p->log_gate);
    struct log *log = p->log;
    struct log *future = p->future;
    p->log = NULL;
    p->future = NULL;
    pthread_rwlock_unlock(&p->log_gate);
    enum err err = erase ? log_delete(log, delay_ms) : log_close(log);
    if (future != NULL) { // its directory tells itself when that goes wrong
        enum err ignored = erase ? log_delete(future, delay_ms) : log_close(future);
        (void)ignored;
    }
    mutex_unlock(&p->append_mu);
    mutex_unlock(&p->move_mu);
    return err;
}
