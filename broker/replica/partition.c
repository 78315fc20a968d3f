// SPDX-License-Identifier: Apache-2.0
//
// Three locks, in this order:
//   append_mu  whoever writes to the log, and whoever ends the partition
//   log_gate   (shared) whoever reads or flushes the log; taken alone by partition_end, so the log outlives its readers
//   state_mu   leader epoch, high watermark, failure, wait lists; never held across a system call
// `log` is set once and becomes NULL in partition_end, under append_mu and log_gate: holding either keeps it alive.
//
// The high watermark follows the end at once, because the ISR is this broker alone; only an append that made a flush
// due holds it back until the fsync, so that nothing is read that a power failure could take away.
#include "broker/replica/partition_private.h"

#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/logging.h"

#define FLUSH_RETRY_NS (20 * 1000 * 1000)
#define WAKE_ALL       ((int64_t)1 << 62) // more than any wait can miss

enum flush_state {
    FLUSH_IDLE,
    FLUSH_QUEUED,
    FLUSH_RUNNING,
    FLUSH_RUNNING_AGAIN, // asked for again meanwhile
};

struct partition {
    struct pool_job flush_job; // first: the pool hands it back
    atomic_int refs;
    char *topic;
    int32_t index;
    struct uuid topic_id;
    struct pool *pool;

    struct mutex append_mu;
    pthread_rwlock_t log_gate;
    struct log *log;
    int64_t last_flush_ms; // monotonic; only the flush.ms task touches it

    struct mutex state_mu;
    struct cond flush_idle; // with state_mu
    enum flush_state flush;
    bool leader;
    bool failed;
    bool ended;
    int32_t leader_epoch;
    int32_t isr_count;
    int32_t replicas_count;
    int32_t min_insync_replicas;
    int64_t file_delete_delay_ms;
    int64_t flush_ms;
    struct partition_formats formats;
    bool cleanup_delete; // cleanup.policy contains delete
    int64_t high_watermark;
    int64_t last_stable_offset;  // as the waiters of read_committed know it
    int64_t hidden_bytes;        // appended, but held back for a flush
    struct wait_list acks;       // threshold: high watermark to reach
    struct wait_list flush_acks; // threshold: high watermark and fsynced offset to reach
    struct wait_list fetches[3]; // by enum partition_isolation; threshold: bytes that still count
};

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
    mutex_destroy(&p->append_mu);
    mutex_destroy(&p->state_mu);
    cond_destroy(&p->flush_idle);
    pthread_rwlock_destroy(&p->log_gate);
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

static void flush_job_run(struct pool_job *job);

enum err partition_new(struct log *log, struct pool *pool, struct partition **out)
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
    p->pool = pool;
    p->flush_job.run = flush_job_run;
    p->leader_epoch = -1;
    p->flush_ms = INT64_MAX;
    p->high_watermark = log_high_watermark(log);
    p->last_stable_offset = p->high_watermark;
    atomic_init(&p->refs, 1);
    mutex_init(&p->append_mu, MUTEX_RANK_APPEND);
    mutex_init(&p->state_mu, MUTEX_RANK_STATE);
    cond_init(&p->flush_idle);
    int failed = pthread_rwlock_init(&p->log_gate, NULL);
    ASSERT(failed == 0);
    LIST_INIT(&p->acks);
    LIST_INIT(&p->flush_acks);
    for (int i = 0; i < 3; i++) {
        LIST_INIT(&p->fetches[i]);
    }
    *out = p;
    return ERR_OK;
}

// ---------------------------------------------------------------------------------------------------------------
// Getting at the log

// The log for reading or flushing, kept alive until log_leave; NULL when the partition has ended.
static struct log *log_enter(struct partition *p)
{
    pthread_rwlock_rdlock(&p->log_gate);
    if (p->log == NULL) {
        pthread_rwlock_unlock(&p->log_gate);
    }
    return p->log;
}

static void log_leave(struct partition *p)
{
    pthread_rwlock_unlock(&p->log_gate);
}

// ---------------------------------------------------------------------------------------------------------------
// Waking. All under state_mu.

static void wake_reached(struct wait_list *list, int64_t reached, struct wake_list *woken)
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

// Of more bytes a reader takes as many as one read of it still has room for: no more than those count for it.
static void wake_fetches(struct wait_list *list, int64_t bytes, struct wake_list *woken)
{
    struct wait_link *link;
    LIST_FOREACH (link, list, entry) {
        int64_t counted = bytes == WAKE_ALL || bytes < link->threshold ? bytes : link->threshold;
        if (counted > 0) {
            link->threshold -= bytes == WAKE_ALL ? 0 : counted;
            wait_count_down(link->wait, counted, woken);
        }
    }
}

static void wake_everybody(struct partition *p, struct wake_list *woken)
{
    wake_reached(&p->acks, INT64_MAX, woken);
    wake_reached(&p->flush_acks, INT64_MAX, woken);
    for (int i = 0; i < 3; i++) {
        wake_fetches(&p->fetches[i], WAKE_ALL, woken);
    }
}

static int64_t stable_offset(const struct partition *p, const struct log *log)
{
    int64_t unstable = log_first_unstable_offset(log);
    return unstable < p->high_watermark ? unstable : p->high_watermark;
}

static void watermark_raise(struct partition *p, struct log *log, int64_t high_watermark, int64_t bytes,
                            struct wake_list *woken)
{
    if (high_watermark <= p->high_watermark) {
        return;
    }
    bool all_stable = p->last_stable_offset == p->high_watermark;
    p->high_watermark = high_watermark;
    log_set_high_watermark(log, high_watermark);
    int64_t stable = stable_offset(p, log);
    wake_reached(&p->acks, high_watermark, woken);
    wake_fetches(&p->fetches[PARTITION_READ_UNCOMMITTED], bytes, woken);
    if (stable != p->last_stable_offset) {
        bool same_bytes = all_stable && stable == high_watermark;
        p->last_stable_offset = stable;
        wake_fetches(&p->fetches[PARTITION_READ_COMMITTED], same_bytes ? bytes : WAKE_ALL, woken);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Failure

static void partition_fail(struct partition *p, const char *doing, enum err err)
{
    struct wake_list woken = {NULL};
    mutex_lock(&p->state_mu);
    bool first = !p->failed;
    p->failed = true;
    wake_everybody(p, &woken);
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);
    if (first) {
        log_error("replica", "%s-%d is out of service: %s failed: %s; it comes back with a restart", p->topic,
                  (int)p->index, doing, err_text(err));
    }
}

static bool log_broken(enum err err)
{
    return err == ERR_IO || err == ERR_NO_SPACE || err == ERR_FAILED;
}

// Under state_mu.
static enum err leader_check(const struct partition *p)
{
    if (p->ended) {
        return ERR_NOT_LEADER;
    }
    if (p->failed) {
        return ERR_FAILED;
    }
    return p->leader ? ERR_OK : ERR_NOT_LEADER;
}

// Under state_mu. An epoch below zero means the client does not know one.
static enum err epoch_check(const struct partition *p, int32_t current_leader_epoch)
{
    enum err err = leader_check(p);
    if (err != ERR_OK || current_leader_epoch < 0) {
        return err;
    }
    if (current_leader_epoch < p->leader_epoch) {
        return ERR_FENCED_EPOCH;
    }
    return current_leader_epoch > p->leader_epoch ? ERR_UNKNOWN_EPOCH : ERR_OK;
}

// ---------------------------------------------------------------------------------------------------------------
// Flushing: one job per partition; whoever asks while it runs gets one more run.

static void flush_start(struct partition *p)
{
    mutex_lock(&p->state_mu);
    bool submit = p->flush == FLUSH_IDLE && !p->ended;
    if (submit) {
        p->flush = FLUSH_QUEUED;
    } else if (p->flush == FLUSH_RUNNING) {
        p->flush = FLUSH_RUNNING_AGAIN;
    }
    mutex_unlock(&p->state_mu);
    if (submit) {
        partition_ref(p);
        pool_submit(p->pool, &p->flush_job);
    }
}

// What an fsync has made safe may be read and acknowledged.
static void flush_publish(struct partition *p, struct log *log)
{
    struct wake_list woken = {NULL};
    mutex_lock(&p->state_mu);
    int64_t flushed = log_recovery_point(log);
    if (p->leader && p->isr_count == 1) {
        watermark_raise(p, log, flushed, p->hidden_bytes, &woken);
        p->hidden_bytes = p->high_watermark == log_end_offset(log) ? 0 : p->hidden_bytes;
    }
    int64_t reached = flushed < p->high_watermark ? flushed : p->high_watermark;
    wake_reached(&p->flush_acks, reached, &woken);
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);
}

// No descriptor or memory at the moment: this job is run again, after a pause that leaves the disk pool to others.
static void flush_later(struct partition *p)
{
    struct timespec pause = {.tv_nsec = FLUSH_RETRY_NS};
    mutex_lock(&p->state_mu);
    p->flush = FLUSH_RUNNING_AGAIN;
    mutex_unlock(&p->state_mu);
    nanosleep(&pause, NULL);
}

static void flush_job_run(struct pool_job *job)
{
    struct partition *p = (struct partition *)job;
    mutex_lock(&p->state_mu);
    p->flush = FLUSH_RUNNING;
    mutex_unlock(&p->state_mu);
    struct log *log = log_enter(p);
    if (log != NULL) {
        enum err err = log_flush(log);
        if (err == ERR_OK) {
            flush_publish(p, log);
        } else if (err == ERR_AGAIN || err == ERR_NO_MEMORY) {
            flush_later(p);
        } else {
            partition_fail(p, "fsync", err);
        }
        log_leave(p);
    }
    mutex_lock(&p->state_mu);
    bool again = p->flush == FLUSH_RUNNING_AGAIN && !p->ended && !p->failed;
    p->flush = again ? FLUSH_QUEUED : FLUSH_IDLE;
    if (!again) {
        cond_broadcast(&p->flush_idle);
    }
    mutex_unlock(&p->state_mu);
    if (again) {
        pool_submit(p->pool, &p->flush_job);
    } else {
        partition_unref(p);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Produce

static enum err append_check(struct partition *p, int16_t required_acks, int32_t *leader_epoch)
{
    mutex_lock(&p->state_mu);
    enum err err = leader_check(p);
    int32_t needed = p->min_insync_replicas < p->replicas_count ? p->min_insync_replicas : p->replicas_count;
    if (err == ERR_OK && required_acks == -1 && p->isr_count < needed) {
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
    wake_fetches(&p->fetches[PARTITION_READ_LOG_END], (int64_t)a->len, &woken);
    p->hidden_bytes += (int64_t)a->len;
    if (!a->flush_due && p->isr_count == 1) {
        watermark_raise(p, p->log, a->last_offset + 1, p->hidden_bytes, &woken);
        p->hidden_bytes = 0;
    }
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);
}

enum err partition_append(struct partition *p, int16_t required_acks, struct log_append *a, struct arena *scratch,
                          int64_t *ack_offset)
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
    if (log_broken(err)) {
        partition_fail(p, "an append", err);
        return ERR_FAILED;
    }
    if (err == ERR_OK && (a->flush_due || a->rolled)) {
        flush_start(p);
    }
    *ack_offset = a->last_offset + 1;
    return err;
}

enum err partition_ack(struct partition *p, int64_t ack_offset, bool need_flush, struct wait_link *link, struct wait *w)
{
    struct log *log = log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    mutex_lock(&p->state_mu);
    enum err err = leader_check(p);
    bool reached = p->high_watermark >= ack_offset && (!need_flush || log_recovery_point(log) >= ack_offset);
    int32_t needed = p->min_insync_replicas < p->replicas_count ? p->min_insync_replicas : p->replicas_count;
    if (err == ERR_OK && reached) {
        err = p->isr_count < needed ? ERR_NOT_ENOUGH_REPLICAS : ERR_OK;
    } else if (err == ERR_OK) {
        err = ERR_AGAIN;
        if (w != NULL) {
            wait_link_add(need_flush ? &p->flush_acks : &p->acks, link, w, ack_offset);
        }
    }
    mutex_unlock(&p->state_mu);
    log_leave(p);
    return err;
}

// ---------------------------------------------------------------------------------------------------------------
// Fetch

static int64_t bound_of(const struct partition *p, const struct log *log, enum partition_isolation isolation)
{
    switch (isolation) {
    case PARTITION_READ_UNCOMMITTED:
        return p->high_watermark;
    case PARTITION_READ_COMMITTED:
        return stable_offset(p, log);
    case PARTITION_READ_LOG_END:
        return log_end_offset(log);
    }
    return p->high_watermark;
}

static void read_clear(struct partition_read *r)
{
    r->high_watermark = -1;
    r->last_stable_offset = -1;
    r->log_start_offset = -1;
    r->diverging = false;
    r->diverging_epoch = -1;
    r->diverging_end = -1;
    r->bound = -1;
    r->read.file = NULL;
    r->read.len = 0;
}

// KIP-595: does what the reader has end where our log says that epoch ended?
static enum err diverging_check(const struct log *log, struct partition_read *r)
{
    int32_t epoch;
    int64_t end;
    if (r->last_fetched_epoch < 0) {
        return ERR_OK;
    }
    log_epoch_end(log, r->last_fetched_epoch, &epoch, &end);
    if (epoch < 0) {
        return ERR_OUT_OF_RANGE;
    }
    if (epoch < r->last_fetched_epoch || end < r->offset) {
        r->diverging = true;
        r->diverging_epoch = epoch;
        r->diverging_end = end;
    }
    return ERR_OK;
}

static enum err fetch_from(struct partition *p, struct log *log, struct partition_read *r)
{
    mutex_lock(&p->state_mu);
    enum err err = epoch_check(p, r->current_leader_epoch);
    r->high_watermark = p->high_watermark;
    r->last_stable_offset = stable_offset(p, log);
    r->bound = bound_of(p, log, r->isolation);
    mutex_unlock(&p->state_mu);
    if (err != ERR_OK) {
        return err;
    }
    r->log_start_offset = log_start_offset(log);
    err = diverging_check(log, r);
    if (err != ERR_OK || r->diverging) {
        return err;
    }
    r->read = (struct log_read){
        .offset = r->offset, .max_offset = r->bound, .max_bytes = r->max_bytes, .min_one = r->min_one};
    return log_read(log, &r->read);
}

enum err partition_fetch(struct partition *p, struct partition_read *r)
{
    read_clear(r);
    struct log *log = log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    enum err err = fetch_from(p, log, r);
    log_leave(p);
    if (err != ERR_OK) {
        read_clear(r);
    }
    return err;
}

enum err partition_aborted(struct partition *p, const struct partition_read *r, struct arena *a,
                           struct log_aborted_txn **out, int32_t *count)
{
    *out = NULL;
    *count = 0;
    if (r->read.file == NULL) {
        return ERR_OK;
    }
    struct log *log = log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    enum err err = log_aborted_transactions(log, &r->read, a, out, count);
    log_leave(p);
    return err;
}

enum err partition_wait_bytes(struct partition *p, const struct partition_read *r, struct wait_link *link,
                              struct wait *w)
{
    struct log *log = log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    mutex_lock(&p->state_mu);
    enum err err = leader_check(p);
    if (err == ERR_OK && bound_of(p, log, r->isolation) != r->bound) {
        err = ERR_AGAIN;
    }
    if (err == ERR_OK) {
        int64_t room = (int64_t)r->max_bytes - (int64_t)r->read.len;
        wait_link_add(&p->fetches[r->isolation], link, w, room > 0 ? room : 0);
    }
    mutex_unlock(&p->state_mu);
    log_leave(p);
    return err;
}

void partition_unlink(struct partition *p, struct wait_link *link)
{
    mutex_lock(&p->state_mu);
    wait_link_remove(link);
    mutex_unlock(&p->state_mu);
}

// ---------------------------------------------------------------------------------------------------------------
// ListOffsets

static enum err offset_lookup(struct log *log, struct partition_offset *o, int64_t bound, int32_t leader_epoch)
{
    switch (o->timestamp) {
    case -1:
        o->out_offset = bound;
        o->out_leader_epoch = leader_epoch;
        return ERR_OK;
    case -2:
    case -4:
        o->out_offset = log_start_offset(log);
        o->out_leader_epoch = log_epoch_at(log, o->out_offset);
        return ERR_OK;
    case -3:
        return log_offset_of_max_time(log, bound, &o->out_offset, &o->out_timestamp, &o->out_leader_epoch);
    case -5:
        return ERR_OK; // nothing is tiered
    default:
        if (o->timestamp < 0) {
            return ERR_UNSUPPORTED;
        }
        return log_offset_by_time(log, o->timestamp, bound, &o->out_offset, &o->out_timestamp, &o->out_leader_epoch);
    }
}

enum err partition_offset_for(struct partition *p, struct partition_offset *o)
{
    o->out_offset = -1;
    o->out_timestamp = -1;
    o->out_leader_epoch = -1;
    struct log *log = log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    mutex_lock(&p->state_mu);
    enum err err = epoch_check(p, o->current_leader_epoch);
    int64_t bound = bound_of(p, log, o->isolation);
    int32_t leader_epoch = p->leader_epoch;
    mutex_unlock(&p->state_mu);
    if (err == ERR_OK) {
        err = offset_lookup(log, o, bound, leader_epoch);
    }
    log_leave(p);
    return err;
}

enum err partition_offsets_before(struct partition *p, int64_t timestamp, int32_t max, struct arena *a,
                                  int64_t **offsets, int32_t *count)
{
    struct log *log = log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    mutex_lock(&p->state_mu);
    enum err err = leader_check(p);
    int64_t end = p->high_watermark;
    mutex_unlock(&p->state_mu);
    if (err == ERR_OK) {
        err = log_offsets_before(log, timestamp, end, max, a, offsets, count);
    }
    log_leave(p);
    return err;
}

int64_t partition_log_start(struct partition *p)
{
    struct log *log = log_enter(p);
    if (log == NULL) {
        return -1;
    }
    int64_t start = log_start_offset(log);
    log_leave(p);
    return start;
}

int64_t partition_log_end(struct partition *p)
{
    struct log *log = log_enter(p);
    if (log == NULL) {
        return -1;
    }
    int64_t end = log_end_offset(log);
    log_leave(p);
    return end;
}

enum err partition_records_each(struct partition *p, int64_t from, int64_t end, size_t buffer_size, log_record_fn *fn,
                                void *ctx)
{
    struct log *log = log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    enum err err = log_records_each(log, from, end, buffer_size, fn, ctx);
    log_leave(p);
    return err;
}

int64_t partition_size_bytes(struct partition *p)
{
    struct log *log = log_enter(p);
    if (log == NULL) {
        return 0;
    }
    int64_t bytes = log_size_bytes(log);
    log_leave(p);
    return bytes;
}

enum err partition_epoch_end(struct partition *p, int32_t current_leader_epoch, int32_t epoch, int32_t *found_epoch,
                             int64_t *end_offset)
{
    struct log *log = log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    mutex_lock(&p->state_mu);
    enum err err = epoch_check(p, current_leader_epoch);
    mutex_unlock(&p->state_mu);
    if (err == ERR_OK) {
        log_epoch_end(log, epoch, found_epoch, end_offset);
    }
    log_leave(p);
    return err;
}

enum err partition_delete_records(struct partition *p, int64_t offset, int64_t *low_watermark)
{
    mutex_lock(&p->append_mu);
    mutex_lock(&p->state_mu);
    enum err err = leader_check(p);
    bool deletes = p->cleanup_delete;
    int64_t high_watermark = p->high_watermark;
    mutex_unlock(&p->state_mu);
    offset = offset == -1 ? high_watermark : offset;
    if (err == ERR_OK && !deletes) {
        err = ERR_UNSUPPORTED;
    }
    if (err == ERR_OK && (offset < 0 || offset > high_watermark)) {
        err = ERR_OUT_OF_RANGE;
    }
    if (err == ERR_OK) {
        err = log_advance_start(p->log, offset);
        *low_watermark = log_start_offset(p->log);
    }
    mutex_unlock(&p->append_mu);
    if (log_broken(err)) {
        partition_fail(p, "deleting records", err);
        err = ERR_FAILED;
    }
    return err;
}

enum err partition_producers(struct partition *p, struct arena *a, struct log_producer **out, int32_t *count)
{
    struct log *log = log_enter(p);
    if (log == NULL) {
        return ERR_NOT_LEADER;
    }
    enum err err = log_producers(log, a, out, count);
    log_leave(p);
    return err;
}

struct partition_formats partition_formats(struct partition *p)
{
    mutex_lock(&p->state_mu);
    struct partition_formats formats = p->formats;
    mutex_unlock(&p->state_mu);
    return formats;
}

int32_t partition_leader_epoch(struct partition *p)
{
    mutex_lock(&p->state_mu);
    int32_t epoch = p->leader_epoch;
    mutex_unlock(&p->state_mu);
    return epoch;
}

// ---------------------------------------------------------------------------------------------------------------
// What the controller says

// What the log needs before clients may see it: the topic's id where an older broker wrote none, the epoch, and the
// disk where flush.messages says that only what is on it counts.
static enum err lead_prepare(struct partition *p, const struct cluster_partition_state *s,
                             const struct log_config *config)
{
    enum err err = ERR_OK;
    if (uuid_is_zero(log_topic_id(p->log)) && !uuid_is_zero(&s->topic_id)) {
        err = log_set_topic_id(p->log, &s->topic_id);
    }
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
    p->file_delete_delay_ms = config->file_delete_delay_ms;
    p->flush_ms = config->flush_ms;
    p->cleanup_delete = config->cleanup_delete;
    p->formats = (struct partition_formats){
        .zstd = config->compression == TOPIC_COMPRESSION_ZSTD,
        .downconversion = config->message_downconversion,
    };
}

void partition_configure(struct partition *p, const struct topic_config *config, const struct log_config *log_config)
{
    mutex_lock(&p->append_mu);
    if (p->log != NULL) {
        log_set_config(p->log, log_config);
    }
    mutex_lock(&p->state_mu);
    settings_take(p, config);
    mutex_unlock(&p->state_mu);
    mutex_unlock(&p->append_mu);
}

enum err partition_lead(struct partition *p, const struct cluster_partition_state *s, const struct log_config *config)
{
    struct wake_list woken = {NULL};
    mutex_lock(&p->append_mu);
    log_set_config(p->log, config);
    enum err err = lead_prepare(p, s, config);
    if (err == ERR_OK) {
        mutex_lock(&p->state_mu);
        if (uuid_is_zero(&p->topic_id)) { // before the first leader; nobody looks at it until there is one
            p->topic_id = s->topic_id;
        }
        p->leader = true;
        p->leader_epoch = s->leader_epoch;
        p->isr_count = s->isr_count;
        p->replicas_count = s->replicas_count;
        settings_take(p, s->config);
        if (s->isr_count == 1) {
            watermark_raise(p, p->log, log_end_offset(p->log), WAKE_ALL, &woken);
        }
        mutex_unlock(&p->state_mu);
    }
    mutex_unlock(&p->append_mu);
    wake_list_post(&woken);
    if (err != ERR_OK) {
        partition_fail(p, "writing the leader epoch", err);
    }
    return err;
}

void partition_unlead(struct partition *p)
{
    struct wake_list woken = {NULL};
    mutex_lock(&p->state_mu);
    p->leader = false;
    wake_everybody(p, &woken);
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);
}

enum err partition_end(struct partition *p, bool erase)
{
    struct wake_list woken = {NULL};
    mutex_lock(&p->state_mu);
    p->ended = true;
    p->leader = false;
    wake_everybody(p, &woken);
    while (p->flush != FLUSH_IDLE) {
        cond_wait(&p->flush_idle, &p->state_mu);
    }
    int64_t delay_ms = p->file_delete_delay_ms;
    mutex_unlock(&p->state_mu);
    wake_list_post(&woken);

    mutex_lock(&p->append_mu);
    pthread_rwlock_wrlock(&p->log_gate);
    struct log *log = p->log;
    p->log = NULL;
    pthread_rwlock_unlock(&p->log_gate);
    enum err err = erase ? log_delete(log, delay_ms) : log_close(log);
    mutex_unlock(&p->append_mu);
    return err;
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
    if (log_broken(err)) {
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

void partition_flush_if_due(struct partition *p, int64_t mono_ms)
{
    struct log *log = log_enter(p);
    if (log == NULL) {
        return;
    }
    bool dirty = log_recovery_point(log) < log_end_offset(log) && !log_failed(log);
    log_leave(p);
    mutex_lock(&p->state_mu);
    bool due = dirty && mono_ms - p->last_flush_ms >= p->flush_ms;
    mutex_unlock(&p->state_mu);
    if (due || !dirty) {
        p->last_flush_ms = mono_ms;
    }
    if (due) {
        flush_start(p);
    }
}
