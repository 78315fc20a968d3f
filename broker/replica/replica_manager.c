// SPDX-License-Identifier: Apache-2.0
//
// The table of partitions (uthash, by topic and number) under a readers-writer lock: lookups on every request, changes
// from the control thread only. A log found on disk that the controller does not know stays in the table without a
// leader, so that it is closed properly, and is otherwise left alone, as Kafka does.
#include "broker/replica/replica_manager.h"

#include <stdlib.h>
#include <sys/statvfs.h>

#define HASH_NONFATAL_OOM 1
#include "base/hash.h"

#include "base/assert.h"
#include "base/logging.h"
#include "broker/replica/background.h"
#include "broker/replica/loading.h"
#include "broker/replica/log_settings.h"
#include "broker/replica/mover.h"
#include "broker/replica/partition_private.h"
#include "broker/replica/preferred_dirs.h"
#include "broker/replica/replication.h"
#include "broker/replica/settler.h"

// Topic name and partition number in one row of bytes.
struct replica_key {
    char bytes[TOPIC_NAME_MAX + sizeof(int32_t)];
    unsigned len;
};

struct replica {
    struct replica_key key;
    struct partition *partition; // NULL: offline, its log could not be opened or made
    // [control] It follows, and nobody could be told to copy it; tried again.
    bool uncopied;
    int32_t leader;
    int32_t leader_epoch;
    UT_hash_handle hh;
};

enum task {
    TASK_RETENTION,
    TASK_FLUSH,
    TASK_RECOVERY_POINT,
    TASK_LOG_START,
    TASK_HIGH_WATERMARK,
    TASK_EXPIRE_PRODUCERS,
    TASK_SHRINK_ISR,
    TASK_SWEEP,
    TASK_COUNT
};

#define SWEEP_INTERVAL_MS 1000 // how soon after its delay a renamed file goes

struct managed_dir;

struct replica_manager {
    struct replica_manager_options options;
    struct partition_env env;
    struct throttle throttle;
    struct cluster *cluster;        // NULL before replica_manager_start
    struct replication replication; // [control]
    pthread_rwlock_t table_lock;
    struct replica *table;
    struct background tasks[TASK_COUNT];
    struct managed_dir *dirs;
    struct preferred_dirs *preferred;
    struct mover *mover;
    struct settler *settler;
    struct timer copy_retry; // [control] for those that are uncopied
    bool copy_retry_set;     // [control]
    bool compaction_told;    // [control] that there is none yet
    struct mutex control_mu; // rank of a log's list: held while something is posted
    struct loop *control;    // NULL before the start and after the stop
};

static bool key_make(struct slice topic, int32_t partition, struct replica_key *key)
{
    if (topic.len > TOPIC_NAME_MAX) {
        return false;
    }
    memcpy(key->bytes, topic.data, topic.len);
    memcpy(key->bytes + topic.len, &partition, sizeof partition);
    key->len = (unsigned)(topic.len + sizeof partition);
    return true;
}

// Under the table's lock.
static struct replica *replica_find(const struct replica_manager *m, const struct replica_key *key)
{
    struct replica *r;
    HASH_FIND(hh, m->table, key->bytes, key->len, r);
    return r;
}

enum err replica_manager_find(struct replica_manager *m, struct slice topic, int32_t partition, struct partition **out)
{
    struct replica_key key;
    *out = NULL;
    if (!key_make(topic, partition, &key)) {
        return ERR_NOT_LEADER;
    }
    pthread_rwlock_rdlock(&m->table_lock);
    struct replica *r = replica_find(m, &key);
    enum err err = r == NULL ? ERR_NOT_LEADER : r->partition == NULL ? ERR_FAILED : ERR_OK;
    if (err == ERR_OK) {
        *out = r->partition;
        partition_ref(*out);
    }
    pthread_rwlock_unlock(&m->table_lock);
    return err;
}

// Puts it into the table, in the place of one that was offline. [control]
static enum err replica_put(struct replica_manager *m, const char *topic, int32_t partition, struct partition *p)
{
    struct replica_key key;
    struct replica *r = NULL;
    bool fits = key_make(slice_str(topic), partition, &key);
    pthread_rwlock_wrlock(&m->table_lock);
    r = fits ? replica_find(m, &key) : NULL; // a folder's name is never longer than a topic's may be
    if (r == NULL && (r = calloc(1, sizeof *r)) != NULL) {
        r->key = key;
        HASH_ADD_KEYPTR(hh, m->table, r->key.bytes, r->key.len, r);
        if (!hash_added(&r->hh)) {
            free(r);
            r = NULL;
        }
    }
    if (r != NULL) {
        r->partition = p;
    }
    pthread_rwlock_unlock(&m->table_lock);
    return r == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// Takes the log over, also on failure.
static enum err replica_add(struct replica_manager *m, struct log *log, struct partition **out)
{
    enum err err = partition_new(log, &m->env, out);
    if (err != ERR_OK) {
        enum err closed = log_close(log);
        return closed == ERR_OK ? err : closed;
    }
    err = replica_put(m, partition_topic(*out), partition_index(*out), *out);
    if (err != ERR_OK) {
        enum err closed = partition_end(*out, false);
        partition_unref(*out);
        return closed == ERR_OK ? err : closed;
    }
    return ERR_OK;
}

// The copy of a move goes on when the controller has spoken. One without a log to copy is left alone: the log may lie
// in a directory that is offline.
static enum err future_loaded(struct replica_manager *m, struct log *log)
{
    struct partition *p = NULL;
    bool known = replica_manager_find(m, slice_str(log_topic(log)), log_partition(log), &p) == ERR_OK;
    bool taken = known && partition_attach_future(p, log);
    if (known) {
        partition_unref(p);
    }
    if (taken) {
        return ERR_OK;
    }
    if (known) {
        log_error("replica", "%s-%d has two copies begun by moves: move one of the two folders away", log_topic(log),
                  (int)log_partition(log));
    } else {
        log_warn("replica", "%s: the copy of %s-%d, whose log is not there, is left alone",
                 log_dir_path(log_directory(log)), log_topic(log), (int)log_partition(log));
    }
    enum err closed = log_close(log);
    return known ? ERR_EXISTS : closed;
}

// One that was found at the start. The same partition in two directories has to be sorted out by hand, as in Kafka: a
// broker died between the two renames of a move.
static enum err replica_loaded(void *ctx, struct log *log)
{
    struct replica_manager *m = ctx;
    struct partition *p;
    if (log_is_future(log)) {
        return future_loaded(m, log);
    }
    if (replica_manager_find(m, slice_str(log_topic(log)), log_partition(log), &p) != ERR_OK) {
        return replica_add(m, log, &p);
    }
    log_error("replica",
              "%s-%d lies in %s and in %s: move one of the two folders away, that of a disk that has failed lately",
              log_topic(log), (int)log_partition(log), log_dir_path(partition_directory(p)),
              log_dir_path(log_directory(log)));
    partition_unref(p);
    enum err closed = log_close(log);
    return closed == ERR_OK ? ERR_EXISTS : closed;
}

// ---------------------------------------------------------------------------------------------------------------
// Log directories that fail

// Of a directory the manager looks after.
struct managed_dir {
    struct mailbox_item failed; // first: posted to the control loop once it has failed
    struct replica_manager *manager;
    struct log_dir *dir; // NULL: it could not be opened
    bool posted;         // under control_mu
};

static void dir_offline(struct replica_manager *m, struct log_dir *dir)
{
    struct replica *r, *next;
    int32_t offline = 0;
    pthread_rwlock_rdlock(&m->table_lock);
    HASH_ITER (hh, m->table, r, next) {
        if (r->partition == NULL) {
            continue;
        }
        partition_move_drop(r->partition, dir);
        if (partition_directory(r->partition) == dir) {
            partition_go_offline(r->partition);
            offline++;
        }
    }
    pthread_rwlock_unlock(&m->table_lock);
    log_warn("replica", "%d partitions are offline with %s", (int)offline, log_dir_path(dir));
}

static void dir_failed_on_control(struct mailbox_item *item)
{
    struct managed_dir *d = (struct managed_dir *)item;
    struct replica_manager *m = d->manager;
    dir_offline(m, d->dir);
    if (m->options.dir_failed != NULL) {
        m->options.dir_failed(m->options.dir_failed_ctx);
    }
}

// Once, and only while there is a control loop: replica_manager_start looks for those that have failed by then.
static void dir_report(struct managed_dir *d)
{
    struct replica_manager *m = d->manager;
    mutex_lock(&m->control_mu);
    if (m->control != NULL && !d->posted) {
        d->posted = true;
        loop_post(m->control, &d->failed);
    }
    mutex_unlock(&m->control_mu);
}

static void on_dir_fail(void *ctx)
{
    dir_report(ctx);
}

static enum err dirs_watch(struct replica_manager *m)
{
    int32_t n = log_dirs_count(m->options.dirs);
    m->dirs = calloc((size_t)n, sizeof *m->dirs);
    if (m->dirs == NULL) {
        return ERR_NO_MEMORY;
    }
    for (int32_t i = 0; i < n; i++) {
        struct managed_dir *d = &m->dirs[i];
        d->failed.run = dir_failed_on_control;
        d->manager = m;
        d->dir = log_dirs_at(m->options.dirs, i);
        if (d->dir != NULL) {
            log_dir_on_fail(d->dir, on_dir_fail, d);
        }
    }
    return ERR_OK;
}

static void dirs_report_failed(struct replica_manager *m)
{
    for (int32_t i = 0; i < log_dirs_count(m->options.dirs); i++) {
        if (m->dirs[i].dir != NULL && !log_dirs_online(m->options.dirs, i)) {
            dir_report(&m->dirs[i]);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// What the controller says

static struct partition *partition_known(struct replica_manager *m, const char *topic, int32_t partition)
{
    struct partition *p;
    return replica_manager_find(m, slice_str(topic), partition, &p) == ERR_OK ? p : NULL;
}

// In the directory that was wished for, or that with the fewest; in the next best when that one fails now.
static enum err log_create_somewhere(struct replica_manager *m, const struct cluster_partition_state *s,
                                     const struct log_config *config, struct log **out)
{
    enum err err = ERR_FAILED;
    struct log_dir *dir = preferred_dirs_take(m->preferred, slice_str(s->topic), s->partition);
    dir = dir != NULL ? dir : log_dirs_place(m->options.dirs);
    for (; err != ERR_OK && dir != NULL; dir = log_dirs_place(m->options.dirs)) {
        bool was_full = log_dir_is_full(dir); // all are; a log that is empty may find room, or there is some again
        err = log_create(dir, s->topic, s->partition, &s->topic_id, config, out);
        if (err == ERR_NO_MEMORY || err == ERR_AGAIN || err == ERR_EXISTS || err == ERR_INVALID ||
            (err == ERR_NO_SPACE && was_full)) {
            break;
        }
        if (err != ERR_OK && err != ERR_NO_SPACE) {
            log_dir_fail(dir, err, s->topic, "making a log");
        }
    }
    return err;
}

// A replica that existed may lie in a directory that is offline: a new, empty log in another one would pass for it.
static enum err partition_create(struct replica_manager *m, const struct cluster_partition_state *s,
                                 const struct log_config *config, struct partition **out)
{
    struct log *log;
    int32_t offline = log_dirs_count(m->options.dirs) - log_dirs_online_count(m->options.dirs);
    if (!s->is_new && offline > 0) {
        log_error("replica", "%s-%d is not made anew while %d log directories are offline", s->topic, (int)s->partition,
                  (int)offline);
        return ERR_FAILED;
    }
    enum err err = log_create_somewhere(m, s, config, &log);
    if (err == ERR_OK) {
        err = replica_add(m, log, out);
    }
    if (err != ERR_OK) {
        log_error("replica", "%s-%d cannot be created: %s", s->topic, (int)s->partition, err_text(err));
        return err;
    }
    if (settler_add(m->settler, *out) != ERR_OK) {
        log_warn("replica", "%s-%d: no memory to have it fsynced early", s->topic, (int)s->partition);
    }
    partition_ref(*out);
    return ERR_OK;
}

static enum err partition_open(struct replica_manager *m, const struct cluster_partition_state *s,
                               const struct log_config *config, struct partition **out)
{
    *out = partition_known(m, s->topic, s->partition);
    if (*out == NULL) {
        enum err err = partition_create(m, s, config, out);
        return err == ERR_FAILED && replica_put(m, s->topic, s->partition, NULL) != ERR_OK ? ERR_NO_MEMORY : err;
    }
    if (!uuid_is_zero(partition_topic_id(*out)) && !uuid_equal(partition_topic_id(*out), &s->topic_id)) {
        log_error("replica", "%s-%d on disk belongs to another topic of that name; it stays out of service", s->topic,
                  (int)s->partition);
        partition_unref(*out);
        return ERR_INVALID;
    }
    if (log_dir_state(partition_directory(*out)) == LOG_DIR_OFFLINE) {
        if (s->leader != m->options.broker_id) {
            partition_unlead(*out); // what is safe is read from the new leader now
        }
        partition_unref(*out);
        return ERR_FAILED;
    }
    return ERR_OK;
}

// The row of a partition. [control]
static struct replica *row_of(const struct replica_manager *m, const struct partition *p)
{
    struct replica_key key;
    bool fits = key_make(slice_str(partition_topic(p)), partition_index(p), &key);
    struct replica *r = fits ? replica_find(m, &key) : NULL;
    ASSERT(r != NULL);
    return r;
}

static void copy_stop(struct replica_manager *m, struct replica *r)
{
    r->uncopied = false;
    replication_forget(&m->replication, r->partition);
}

// The fetchers are told, or will be when there are threads, descriptors and memory for it.
static void copy_begin(struct replica_manager *m, struct replica *r, int32_t leader, int32_t leader_epoch)
{
    enum err err = replication_follow(&m->replication, r->partition, leader, leader_epoch);
    bool told = r->uncopied && r->leader_epoch == leader_epoch;
    r->uncopied = err != ERR_OK;
    r->leader = leader;
    r->leader_epoch = leader_epoch;
    if (r->uncopied && !told) {
        log_warn("replica", "%s-%d is not copied from broker %d yet: %s; tried again", partition_topic(r->partition),
                 (int)partition_index(r->partition), (int)leader, err_text(err));
    }
    if (r->uncopied && m->copy_retry.ev != NULL && !m->copy_retry_set) { // else at the start
        timer_set(&m->copy_retry, m->options.fetch.backoff_ms);
        m->copy_retry_set = true; // others that fail meanwhile do not put it off
    }
}

static void copies_retry(void *ctx)
{
    struct replica_manager *m = ctx;
    struct replica *r, *next;
    m->copy_retry_set = false;
    replication_try_again(&m->replication);
    HASH_ITER (hh, m->table, r, next) { // nobody else changes the table
        if (r->uncopied) {
            copy_begin(m, r, r->leader, r->leader_epoch);
        }
    }
}

static enum err replica_lead(struct replica_manager *m, struct partition *p, const struct cluster_partition_state *s,
                             const struct log_config *config)
{
    enum err err = partition_lead(p, s, config);
    if (err == ERR_OK) {
        copy_stop(m, row_of(m, p));
    }
    return err;
}

// Nobody leads. The epoch is not taken over: that of the next leader is newer than any there was.
static enum err replica_unlead(struct replica_manager *m, struct partition *p, const struct cluster_partition_state *s)
{
    if (s->leader_epoch <= partition_leader_epoch(p)) {
        return ERR_FENCED_EPOCH;
    }
    copy_stop(m, row_of(m, p));
    partition_unlead(p);
    return ERR_OK;
}

static enum err replica_follow(struct replica_manager *m, struct partition *p, const struct cluster_partition_state *s,
                               const struct log_config *config)
{
    bool news;
    enum err err = partition_follow(p, s, config, &news);
    if (err == ERR_OK && news) {
        copy_begin(m, row_of(m, p), s->leader, s->leader_epoch);
    }
    return err;
}

static bool replica_is_ours(const struct replica_manager *m, const struct cluster_partition_state *s)
{
    for (int32_t i = 0; i < s->replicas_count; i++) {
        if (s->replicas[i] == m->options.broker_id) {
            return true;
        }
    }
    return false;
}

static void compaction_tell(struct replica_manager *m, const char *topic, const struct topic_config *config)
{
    if (config->cleanup_compact && !m->compaction_told) {
        m->compaction_told = true;
        log_warn("replica",
                 "topic %s has cleanup.policy=compact: this version does not compact, every record is kept; "
                 "this is said once for all topics",
                 topic);
    }
}

static enum err hook_changed(void *ctx, const struct cluster_partition_state *s)
{
    struct replica_manager *m = ctx;
    compaction_tell(m, s->topic, s->config);
    struct log_config config;
    struct partition *p;
    if (!replica_is_ours(m, s)) {
        return ERR_NOT_FOUND;
    }
    log_settings_of(s->config, m->options.producer_id_expiration_ms, &config);
    enum err err = partition_open(m, s, &config, &p);
    if (err != ERR_OK) {
        return err;
    }
    if (s->leader == m->options.broker_id) {
        err = replica_lead(m, p, s, &config);
    } else if (s->leader >= 0) {
        err = replica_follow(m, p, s, &config);
    } else {
        err = replica_unlead(m, p, s);
    }
    if (err == ERR_OK && mover_add(m->mover, p) != ERR_OK) {
        log_warn("replica", "%s-%d: no memory to go on with its move", s->topic, (int)s->partition);
    }
    partition_unref(p);
    return err;
}

static void hook_config_changed(void *ctx, const char *topic, int32_t partition, const struct topic_config *config)
{
    struct replica_manager *m = ctx;
    struct log_config log_config;
    struct partition *p = partition_known(m, topic, partition);
    compaction_tell(m, topic, config);
    if (p != NULL) {
        log_settings_of(config, m->options.producer_id_expiration_ms, &log_config);
        partition_configure(p, config, &log_config);
        partition_unref(p);
    }
}

static enum err hook_removed(void *ctx, const char *topic, int32_t partition, int32_t leader_epoch, bool erase)
{
    struct replica_manager *m = ctx;
    struct replica_key key;
    if (!key_make(slice_str(topic), partition, &key)) {
        return ERR_NOT_FOUND;
    }
    struct replica *r = replica_find(m, &key); // nobody else changes the table
    if (r == NULL) {
        return ERR_OK; // nothing to remove: the end it asks for
    }
    if (r->partition == NULL || log_dir_state(partition_directory(r->partition)) == LOG_DIR_OFFLINE) {
        return ERR_FAILED;
    }
    if (leader_epoch >= 0 && leader_epoch < partition_leader_epoch(r->partition)) {
        return ERR_FENCED_EPOCH;
    }
    pthread_rwlock_wrlock(&m->table_lock);
    if (erase) {
        HASH_DEL(m->table, r);
    }
    pthread_rwlock_unlock(&m->table_lock);
    copy_stop(m, r);
    if (!erase) {
        partition_unlead(r->partition);
        return ERR_OK;
    }
    enum err err = partition_end(r->partition, true);
    partition_unref(r->partition);
    free(r);
    return err;
}

static void hook_isr_answered(void *ctx, const struct cluster_isr_answer *a)
{
    struct partition *p = partition_known(ctx, a->topic, a->partition);
    if (p != NULL) {
        partition_isr_answered(p, a);
        partition_unref(p);
    }
}

// Who lives counts for the high watermark of those that lag, and where they live for the fetchers.
static void hook_picture_changed(void *ctx, const struct metadata *picture)
{
    struct replica_manager *m = ctx;
    if (!replication_picture(&m->replication, picture)) {
        return;
    }
    int32_t count = metadata_brokers_count(picture);
    int32_t *ids = calloc((size_t)(count > 0 ? count : 1), sizeof *ids);
    struct replica *r, *next;
    for (int32_t i = 0; ids != NULL && i < count; i++) {
        ids[i] = metadata_broker_at(picture, i)->id;
    }
    HASH_ITER (hh, m->table, r, next) { // nobody else changes the table
        if (ids != NULL && r->partition != NULL) {
            partition_brokers_alive(r->partition, ids, count);
        }
    }
    free(ids);
}

void replica_manager_configure(struct replica_manager *m, const struct config_view *v)
{
    throttle_configure(&m->throttle, v);
}

struct cluster_hooks replica_manager_hooks(struct replica_manager *m)
{
    return (struct cluster_hooks){.partition_changed = hook_changed,
                                  .partition_removed = hook_removed,
                                  .config_changed = hook_config_changed,
                                  .isr_answered = hook_isr_answered,
                                  .picture_changed = hook_picture_changed,
                                  .ctx = m};
}

// ---------------------------------------------------------------------------------------------------------------
// What there is

int replica_size_order(const void *a, const void *b)
{
    const struct replica_size *x = a, *y = b;
    int order = strcmp(x->topic, y->topic);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static enum err size_add(struct arena *a, struct replica_dir *out, const struct partition *p, int64_t bytes,
                         int64_t lag, bool future)
{
    struct replica_size *s = &out->replicas[out->replicas_count++];
    *s = (struct replica_size){.topic = arena_strdup(a, partition_topic(p)),
                               .partition = partition_index(p),
                               .bytes = bytes,
                               .lag = lag,
                               .future = future};
    return s->topic == NULL ? ERR_NO_MEMORY : ERR_OK;
}

static enum err sizes_list(struct replica_manager *m, struct arena *a, const struct log_dir *dir,
                           struct replica_dir *out)
{
    enum err err = ERR_OK;
    struct replica *r, *next;
    pthread_rwlock_rdlock(&m->table_lock);
    out->replicas = arena_array(a, HASH_COUNT(m->table), sizeof *out->replicas);
    err = out->replicas == NULL ? ERR_NO_MEMORY : ERR_OK;
    HASH_ITER (hh, m->table, r, next) {
        struct log_dir *future_dir;
        int64_t bytes, lag;
        if (err != ERR_OK || r->partition == NULL) {
            continue;
        }
        if (partition_directory(r->partition) == dir) {
            err = size_add(a, out, r->partition, partition_size_bytes(r->partition), 0, false);
        } else if (partition_future(r->partition, &future_dir, &bytes, &lag) && future_dir == dir) {
            err = size_add(a, out, r->partition, bytes, lag, true);
        }
    }
    pthread_rwlock_unlock(&m->table_lock);
    if (err == ERR_OK && out->replicas_count > 0) {
        qsort(out->replicas, (size_t)out->replicas_count, sizeof *out->replicas, replica_size_order);
    }
    return err;
}

static enum err dir_describe(struct replica_manager *m, struct arena *a, int32_t i, struct replica_dir *out)
{
    const char *path = log_dirs_path(m->options.dirs, i);
    struct statvfs fs;
    *out = (struct replica_dir){.total_bytes = -1, .usable_bytes = -1};
    out->path = arena_strdup(a, path);
    out->offline = !log_dirs_online(m->options.dirs, i);
    if (out->path == NULL || out->offline) {
        return out->path == NULL ? ERR_NO_MEMORY : ERR_OK;
    }
    if (statvfs(path, &fs) == 0) {
        out->total_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
        out->usable_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
    }
    return sizes_list(m, a, log_dirs_at(m->options.dirs, i), out);
}

enum err replica_manager_describe(struct replica_manager *m, struct arena *a, struct replica_dir **out, int32_t *count)
{
    *count = log_dirs_count(m->options.dirs);
    *out = arena_array(a, (size_t)*count, sizeof **out);
    enum err err = *out == NULL ? ERR_NO_MEMORY : ERR_OK;
    for (int32_t i = 0; i < *count && err == ERR_OK; i++) {
        err = dir_describe(m, a, i, &(*out)[i]);
    }
    return err;
}

// ---------------------------------------------------------------------------------------------------------------
// Moves between directories

static int32_t dir_find(const struct replica_manager *m, struct slice path)
{
    for (int32_t i = 0; i < log_dirs_count(m->options.dirs); i++) {
        if (slice_equal(path, slice_str(log_dirs_path(m->options.dirs, i)))) {
            return i;
        }
    }
    return -1;
}

static enum err move_hosted(struct replica_manager *m, struct partition *p, struct log_dir *to)
{
    // A copy of the same partition may lie in a directory that is offline: no second one is begun meanwhile.
    bool all_online = log_dirs_online_count(m->options.dirs) == log_dirs_count(m->options.dirs);
    if (!all_online && partition_directory(p) != to) {
        return ERR_FAILED;
    }
    enum err err = partition_move_begin(p, to);
    return err == ERR_OK ? mover_add(m->mover, p) : err;
}

enum err replica_manager_move(struct replica_manager *m, struct slice topic, int32_t partition, struct slice path)
{
    struct partition *p;
    if (!log_future_fits(topic, partition)) {
        return ERR_TOO_LARGE;
    }
    int32_t to = dir_find(m, path);
    if (to < 0) {
        return ERR_NOT_FOUND;
    }
    if (!log_dirs_online(m->options.dirs, to)) {
        return ERR_FAILED;
    }
    enum err err = replica_manager_find(m, topic, partition, &p);
    if (err == ERR_OK) {
        err = move_hosted(m, p, log_dirs_at(m->options.dirs, to));
        partition_unref(p);
    } else if (err == ERR_NOT_LEADER) {
        preferred_dirs_put(m->preferred, topic, partition, log_dirs_at(m->options.dirs, to));
    }
    return err;
}

// ---------------------------------------------------------------------------------------------------------------
// Background work

// Calls fn for every partition, each kept alive meanwhile; none of the table's locks is held.
static void for_each(struct replica_manager *m, void (*fn)(struct partition *p, int64_t arg), int64_t arg)
{
    pthread_rwlock_rdlock(&m->table_lock);
    size_t n = HASH_COUNT(m->table);
    struct partition **all = malloc((n == 0 ? 1 : n) * sizeof(struct partition *));
    size_t i = 0;
    struct replica *r, *next;
    if (all != NULL) {
        HASH_ITER (hh, m->table, r, next) {
            if (r->partition != NULL) {
                partition_ref(r->partition);
                all[i++] = r->partition;
            }
        }
    }
    pthread_rwlock_unlock(&m->table_lock);
    for (size_t k = 0; k < i; k++) {
        fn(all[k], arg);
        partition_unref(all[k]);
    }
    free(all);
}

static void round_retention(void *ctx)
{
    struct replica_manager *m = ctx;
    for_each(m, partition_retain, os_wall_ms(m->options.os));
}

static void round_flush(void *ctx)
{
    struct replica_manager *m = ctx;
    for_each(m, partition_flush_if_due, os_mono_us(m->options.os) / 1000);
}

static void round_expire(void *ctx)
{
    struct replica_manager *m = ctx;
    for_each(m, partition_expire_producers, os_wall_ms(m->options.os));
}

static void checkpoint_write(struct replica_manager *m, enum log_checkpoint which)
{
    for (int32_t i = 0; i < log_dirs_count(m->options.dirs); i++) {
        struct log_dir *dir = log_dirs_at(m->options.dirs, i);
        bool writable = log_dirs_online(m->options.dirs, i) && !log_dir_is_full(dir);
        enum err err = writable ? log_dir_checkpoint_some(dir, which) : ERR_OK;
        if (err == ERR_AGAIN || err == ERR_NO_MEMORY) { // no descriptor or memory; a failure has said so itself
            log_warn("replica", "checkpoints of %s have to wait: %s", log_dirs_path(m->options.dirs, i), err_text(err));
        }
    }
}

static void round_recovery_point(void *ctx)
{
    checkpoint_write(ctx, LOG_CHECKPOINT_RECOVERY_POINT);
}

static void round_log_start(void *ctx)
{
    checkpoint_write(ctx, LOG_CHECKPOINT_LOG_START);
}

static void round_high_watermark(void *ctx)
{
    checkpoint_write(ctx, LOG_CHECKPOINT_HIGH_WATERMARK);
}

static void round_sweep(void *ctx)
{
    struct replica_manager *m = ctx;
    for (int32_t i = 0; i < log_dirs_count(m->options.dirs); i++) {
        if (log_dirs_online(m->options.dirs, i)) {
            log_dir_sweep(log_dirs_at(m->options.dirs, i), os_mono_us(m->options.os) / 1000);
            log_dir_probe_space(log_dirs_at(m->options.dirs, i));
        }
    }
}

// Nobody but this broker is in sync before it has joined the cluster.
static enum err env_alter_isr(void *ctx, const struct cluster_isr_change *change)
{
    struct replica_manager *m = ctx;
    ASSERT(m->cluster != NULL);
    return cluster_alter_isr(m->cluster, change);
}

static void round_shrink_isr(void *ctx)
{
    struct replica_manager *m = ctx;
    for_each(m, partition_shrink_isr, os_mono_us(m->options.os) / 1000);
}

enum err replica_manager_open(const struct replica_manager_options *o, struct replica_manager **out)
{
    struct replica_manager *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return ERR_NO_MEMORY;
    }
    m->options = *o;
    mutex_init(&m->control_mu, MUTEX_RANK_LOG_LIST);
    m->env = (struct partition_env){.os = o->os,
                                    .pool = o->pool,
                                    .broker_id = o->broker_id,
                                    .throttle = &m->throttle,
                                    .replica_lag_max_ms = o->replica_lag_max_ms,
                                    .alter_isr = env_alter_isr,
                                    .ctx = m};
    replication_init(&m->replication,
                     &(struct fetchers_options){
                         .os = o->os, .pool = o->pool, .throttle = &m->throttle.follower, .settings = o->fetch},
                     o->inter_broker_listener);
    replication_identify(&m->replication, o->broker_id, -1);
    if (pthread_rwlock_init(&m->table_lock, NULL) != 0) {
        free(m);
        return ERR_NO_MEMORY;
    }
    background_init(&m->tasks[TASK_RETENTION], o->pool, o->retention_check_ms, round_retention, m);
    background_init(&m->tasks[TASK_FLUSH], o->pool, o->flush_check_ms, round_flush, m);
    background_init(&m->tasks[TASK_RECOVERY_POINT], o->pool, o->checkpoint_ms, round_recovery_point, m);
    background_init(&m->tasks[TASK_LOG_START], o->pool, o->log_start_checkpoint_ms, round_log_start, m);
    background_init(&m->tasks[TASK_HIGH_WATERMARK], o->pool, o->high_watermark_checkpoint_ms, round_high_watermark, m);
    background_init(&m->tasks[TASK_EXPIRE_PRODUCERS], o->pool, o->producer_expiry_check_ms, round_expire, m);
    background_init(&m->tasks[TASK_SHRINK_ISR], o->pool, o->replica_lag_max_ms / 2, round_shrink_isr, m);
    background_init(&m->tasks[TASK_SWEEP], o->pool, SWEEP_INTERVAL_MS, round_sweep, m);
    enum err err = throttle_init(&m->throttle, o->os, &o->throttle);
    if (err == ERR_OK) {
        err = dirs_watch(m);
    }
    m->preferred = preferred_dirs_new();
    if (err == ERR_OK && m->preferred == NULL) {
        err = ERR_NO_MEMORY;
    }
    if (err == ERR_OK) {
        err = mover_new(o->pool, o->move_threads, &m->mover);
    }
    if (err == ERR_OK) {
        err = settler_new(o->pool, &m->settler);
    }
    if (err == ERR_OK) {
        err = loading_run(&(struct loading){.os = o->os,
                                            .dirs = o->dirs,
                                            .threads_per_dir = o->recovery_threads,
                                            .producer_id_expiration_ms = o->producer_id_expiration_ms,
                                            .loaded = replica_loaded,
                                            .ctx = m});
    }
    if (err == ERR_OK && log_dirs_online_count(o->dirs) == 0) {
        err = ERR_FAILED;
    }
    if (err != ERR_OK) {
        enum err closed = replica_manager_close(m);
        return closed == ERR_NO_MEMORY ? closed : err;
    }
    *out = m;
    return ERR_OK;
}

void replica_manager_set_broker_id(struct replica_manager *m, int32_t broker_id)
{
    if (m->options.broker_id != broker_id) { // else the control loop may use it already: it is left alone
        m->options.broker_id = m->env.broker_id = broker_id;
        replication_identify(&m->replication, broker_id, -1);
    }
}

enum err replica_manager_start(struct replica_manager *m, struct cluster *cluster)
{
    m->cluster = cluster;
    replication_identify(&m->replication, m->options.broker_id, cluster_broker_epoch(cluster));
    mutex_lock(&m->control_mu);
    m->control = cluster_loop(cluster);
    mutex_unlock(&m->control_mu);
    dirs_report_failed(m);
    enum err err = timer_init(&m->copy_retry, cluster_loop(cluster), copies_retry, m);
    if (err != ERR_OK) {
        return err;
    }
    copies_retry(m);
    err = mover_start(m->mover, cluster_loop(cluster));
    if (err != ERR_OK) {
        return err;
    }
    for (int i = 0; i < TASK_COUNT; i++) {
        bool initial = i == TASK_RETENTION || i == TASK_FLUSH || i == TASK_RECOVERY_POINT || i == TASK_LOG_START;
        int64_t delay = initial ? m->options.initial_delay_ms : m->tasks[i].interval_ms;
        err = background_start(&m->tasks[i], cluster_loop(cluster), delay);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

void replica_manager_stop(struct replica_manager *m)
{
    mutex_lock(&m->control_mu);
    m->control = NULL;
    mutex_unlock(&m->control_mu);
    timer_release(&m->copy_retry);
    mover_stop(m->mover);
    for (int i = 0; i < TASK_COUNT; i++) {
        background_stop(&m->tasks[i]);
    }
}

static enum err replica_close(struct partition *p)
{
    bool offline = log_dir_state(partition_directory(p)) == LOG_DIR_OFFLINE;
    enum err err = partition_end(p, false);
    if (err != ERR_OK && !offline) {
        log_error("replica", "%s-%d was not closed cleanly: %s", partition_topic(p), (int)partition_index(p),
                  err_text(err));
    }
    partition_unref(p);
    return err;
}

enum err replica_manager_close(struct replica_manager *m)
{
    enum err result = ERR_OK;
    replication_release(&m->replication);
    for (int i = 0; i < TASK_COUNT; i++) {
        background_release(&m->tasks[i]);
    }
    mover_free(m->mover);
    settler_free(m->settler);
    struct replica *r, *next;
    HASH_ITER (hh, m->table, r, next) {
        HASH_DEL(m->table, r);
        if (r->partition != NULL && replica_close(r->partition) != ERR_OK) {
            result = ERR_FAILED;
        }
        free(r);
    }
    for (int32_t i = 0; m->dirs != NULL && i < log_dirs_count(m->options.dirs); i++) {
        if (m->dirs[i].dir != NULL) {
            log_dir_on_fail(m->dirs[i].dir, NULL, NULL);
        }
    }
    free(m->dirs);
    preferred_dirs_free(m->preferred);
    throttle_release(&m->throttle);
    mutex_destroy(&m->control_mu);
    pthread_rwlock_destroy(&m->table_lock);
    free(m);
    return result;
}
