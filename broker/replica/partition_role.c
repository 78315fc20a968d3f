// SPDX-License-Identifier: Apache-2.0
//
// What the controller says of a partition: who leads, which configs; and background work on its log.
#include "base/logging.h"
#include "broker/replica/partition_internal.h"

// Where an older broker wrote none.
static enum err topic_id_note(struct partition *p, const struct cluster_partition_state *s)
{
    return uuid_is_zero(log_topic_id(p->log)) && !uuid_is_zero(&s->topic_id) ? log_set_topic_id(p->log, &s->topic_id)
                                                                             : ERR_OK;
}

// What the log needs before clients may see it: the topic's id, the epoch, and the disk where flush.messages says that
// only what is on it counts.
static enum err lead_prepare(struct partition *p, const struct cluster_partition_state *s,
                             const struct log_config *config)
{
    enum err err = topic_id_note(p, s);
    if (err == ERR_OK) {
        err = log_begin_epoch(p->log, s->leader_epoch);
    }
    if (err == ERR_OK && log_end_offset(p->log) - log_recovery_point(p->log) >= config->flush_messages) {
        err = log_flush(p->log);
    }
    return err;
}

// Under state_mu.
static void settings_take(struct partition *p, const struct topic_config *config)
{
    p->min_insync_replicas = config->min_insync_replicas;
    p->folder_delete_delay_ms = config->folder_delete_delay_ms;
    p->flush_ms = config->flush_ms;
    p->cleanup_delete = config->cleanup_delete;
    p->formats = (struct partition_formats){
        .zstd = config->compression == TOPIC_COMPRESSION_ZSTD,
        .downconversion = config->message_downconversion,
    };
    p->leader_throttled = throttle_lists(config->leader_throttled_replicas, p->index, p->env->broker_id);
    p->follower_throttled = throttle_lists(config->follower_throttled_replicas, p->index, p->env->broker_id);
}

// Under append_mu. `log` is NULL once the partition has ended. The copy of a move takes them over with its next step,
// so that nobody waits for one here.
static void log_settings_take(struct partition *p, const struct log_config *config)
{
    if (p->log != NULL) {
        log_set_config(p->log, config);
    }
}

void partition_configure(struct partition *p, const struct topic_config *config, const struct log_config *log_config)
{
    mutex_lock(&p->append_mu);
    log_settings_take(p, log_config);
    mutex_lock(&p->state_mu);
    settings_take(p, config);
    mutex_unlock(&p->state_mu);
    mutex_unlock(&p->append_mu);
}

// Under append_mu. What the controller says of an epoch that is known is old news.
static enum err epoch_news(struct partition *p, const struct cluster_partition_state *s, bool *news)
{
    mutex_lock(&p->state_mu);
    int32_t known = p->leader_epoch;
    mutex_unlock(&p->state_mu);
    *news = s->leader_epoch > known;
    return s->leader_epoch < known ? ERR_FENCED_EPOCH : ERR_OK;
}

// The configs may be new although the epoch is not. Kafka refuses what is said twice, unless it brings the topic's id.
static enum err old_news_take(struct partition *p, const struct cluster_partition_state *s,
                              const struct log_config *config)
{
    partition_configure(p, s->config, config);
    mutex_lock(&p->append_mu);
    bool nameless = p->log != NULL && uuid_is_zero(log_topic_id(p->log)) && !uuid_is_zero(&s->topic_id);
    enum err err = nameless ? topic_id_note(p, s) : ERR_FENCED_EPOCH;
    mutex_unlock(&p->append_mu);
    if (nameless && err != ERR_OK) {
        partition_fail(p, "writing the topic's id", err);
    }
    return err;
}

// Under state_mu.
static enum err lead_begin(struct partition *p, const struct cluster_partition_state *s, struct wake_list *woken)
{
    enum err err =
        replica_set_lead(&p->replicas, p->env->broker_id, s->replicas, s->replicas_count, s->isr, s->isr_count,
                         s->partition_epoch, p->role == PARTITION_LEADS, os_mono_us(p->env->os) / 1000);
    if (err != ERR_OK) {
        return err;
    }
    if (uuid_is_zero(&p->topic_id)) { // before the first leader; nobody looks at it until there is one
        p->topic_id = s->topic_id;
    }
    p->first_epoch = p->role == PARTITION_LEADS ? p->first_epoch : s->leader_epoch;
    p->role = PARTITION_LEADS;
    p->leader_epoch = s->leader_epoch;
    p->epoch_start = p->counted_end = log_end_offset(p->log);
    p->hidden_bytes = PARTITION_WAKE_ALL; // how many there are below the watermark is not known
    settings_take(p, s->config);
    partition_advance(p, p->log, woken);
    partition_wake_deletes(p, p->log, woken); // who is no replica any more is not waited for
    return ERR_OK;
}

enum err partition_lead(struct partition *p, const struct cluster_partition_state *s, const struct log_config *config)
{
    struct wake_list woken = {NULL};
    bool news;
    mutex_lock(&p->append_mu);
    enum err err = epoch_news(p, s, &news);
    if (err != ERR_OK || !news) {
        mutex_unlock(&p->append_mu);
        return err != ERR_OK ? err : old_news_take(p, s, config);
    }
    log_settings_take(p, config);
    err = lead_prepare(p, s, config);
    if (err == ERR_OK) {
        mutex_lock(&p->state_mu);
        err = lead_begin(p, s, &woken);
        mutex_unlock(&p->state_mu);
    }
    mutex_unlock(&p->append_mu);
    wake_list_post(&woken);
    if (err != ERR_OK) {
        partition_fail(p, "writing the leader epoch", err);
    }
    return err;
}

enum err partition_follow(struct partition *p, const struct cluster_partition_state *s, const struct log_config *config,
                          bool *news)
{
    struct wake_list woken = {NULL};
    mutex_lock(&p->append_mu);
    enum err err = epoch_news(p, s, news);
    if (err != ERR_OK || !*news) {
        mutex_unlock(&p->append_mu);
        return err != ERR_OK ? err : old_news_take(p, s, config);
    }
    log_settings_take(p, config);
    err = topic_id_note(p, s);
    mutex_lock(&p->state_mu);
    if (err == ERR_OK) {
        if (uuid_is_zero(&p->topic_id)) {
            p->topic_id = s->topic_id;
        }
        p->role = PARTITION_FOLLOWS;
        p->leader_epoch = s->leader_epoch;
        replica_set_release(&p->replicas);
        settings_take(p, s->config);
        partition_wake_all(p, &woken);
    }
    mutex_unlock(&p->state_mu);
    mutex_unlock(&p->append_mu);
    wake_list_post(&woken);
    if (err != ERR_OK) {
        partition_fail(p, "writing the topic's id", err);
    }
    return err;
}

void partition_unlead(struct partition *p)
{
    struct wake_list woken = {NULL};
    mutex_lock(&p->state_mu);
    p->role = PARTITION_IDLE;
    partition_wake_all(p, &woken);
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);
}

// ---------------------------------------------------------------------------------------------------------------
// Background work

void partition_retain(struct partition *p, int64_t now_ms)
{
    int32_t deleted = 0;
    enum err err = ERR_OK;
    mutex_lock(&p->append_mu);
    if (p->log != NULL && !log_failed(p->log)) {
        err = log_retain(p->log, now_ms, &deleted);
    }
    mutex_unlock(&p->append_mu);
    if (partition_log_broken(err)) {
        partition_fail(p, "retention", err);
    } else if (err != ERR_OK) { // no descriptor or memory for a new segment: the log is in order
        log_warn("replica", "%s-%d: retention has to wait: %s", p->topic, (int)p->index, err_text(err));
    } else if (deleted > 0) {
        log_info("replica", "%s-%d: retention deleted %d segments", p->topic, (int)p->index, (int)deleted);
    }
}

void partition_expire_producers(struct partition *p, int64_t now_ms)
{
    mutex_lock(&p->append_mu);
    if (p->log != NULL) {
        log_expire_producers(p->log, now_ms);
    }
    mutex_unlock(&p->append_mu);
}
