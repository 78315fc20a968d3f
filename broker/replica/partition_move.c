// SPDX-License-Identifier: Apache-2.0
//
// Moving a partition to another log directory (KIP-113). A second log, the future one, is filled with the batches of
// the current one, which goes on serving; once it lacks nothing, the two change places under the append lock: the
// future folder gets the partition's name, then the old one is renamed for its deletion, in Kafka's order. A crash
// between the two renames leaves two folders of that name, of which a start makes the operator choose.
//
// What always holds: the future log has a prefix of the current one, up to its own end; and what was fsynced in the
// current log is fsynced in the future one before it takes its place.
#include <stdlib.h>

#include "base/logging.h"
#include "broker/replica/partition_internal.h"

#define MOVE_CHUNK_BYTES   (1 << 20) // copied at a time; a batch that is larger comes alone
#define MOVE_SCRATCH_BYTES (64 << 10)

// ---------------------------------------------------------------------------------------------------------------
// Beginning and giving up. All under move_mu.

static struct log *future_take(struct partition *p)
{
    pthread_rwlock_wrlock(&p->log_gate);
    struct log *future = p->future;
    p->future = NULL;
    pthread_rwlock_unlock(&p->log_gate);
    return future;
}

static void future_put(struct partition *p, struct log *future)
{
    pthread_rwlock_wrlock(&p->log_gate);
    p->future = future;
    pthread_rwlock_unlock(&p->log_gate);
}

static void move_give_up(struct partition *p)
{
    struct log *future = future_take(p);
    mutex_lock(&p->state_mu);
    int64_t delay_ms = p->folder_delete_delay_ms;
    mutex_unlock(&p->state_mu);
    if (future != NULL) {
        log_info("replica", "%s-%d: the move to %s is given up", p->topic, (int)p->index,
                 log_dir_path(log_directory(future)));
        enum err ignored = log_delete(future, delay_ms); // says itself what is wrong
        (void)ignored;
    }
}

// Those of the current log, which is there as long as move_mu is held.
static struct log_config config_of(struct partition *p)
{
    mutex_lock(&p->append_mu);
    struct log_config config = log_config_copy(p->log);
    mutex_unlock(&p->append_mu);
    return config;
}

static enum err move_create(struct partition *p, struct log_dir *to)
{
    struct log *future;
    const struct log_config config = config_of(p);
    mutex_lock(&p->state_mu);
    const struct uuid topic_id = p->topic_id;
    mutex_unlock(&p->state_mu);
    enum err err = log_create_future(to, p->topic, p->index, &topic_id, &config, &future);
    if (err == ERR_OK) {
        future_put(p, future);
        log_info("replica", "%s-%d: moving to %s", p->topic, (int)p->index, log_dir_path(to));
    } else if (err == ERR_IO || err == ERR_NOT_FOUND) {
        log_dir_fail(to, err, p->topic, "making the copy of a partition");
        err = ERR_FAILED;
    }
    return err;
}

enum err partition_move_begin(struct partition *p, struct log_dir *to)
{
    mutex_lock(&p->move_mu);
    struct log *log = partition_log_enter(p);
    enum err err = log == NULL ? ERR_NOT_LEADER : log_failed(log) ? ERR_FAILED : ERR_OK;
    const struct log_dir *from = log == NULL ? NULL : log_directory(log);
    if (log != NULL) {
        partition_log_leave(p);
    }
    if (err == ERR_OK && p->future != NULL && log_directory(p->future) != to) {
        move_give_up(p);
    }
    if (err == ERR_OK && from != to && p->future == NULL) {
        err = move_create(p, to);
    }
    mutex_unlock(&p->move_mu);
    return err;
}

bool partition_attach_future(struct partition *p, struct log *future)
{
    mutex_lock(&p->move_mu);
    bool first = p->future == NULL;
    if (first) {
        future_put(p, future);
    }
    mutex_unlock(&p->move_mu);
    return first;
}

bool partition_move_claim(struct partition *p)
{
    bool there = partition_log_enter(p) != NULL;
    if (there) {
        there = p->future != NULL;
        partition_log_leave(p);
    }
    mutex_lock(&p->state_mu);
    bool claimed = there && !p->move_claimed;
    p->move_claimed = p->move_claimed || claimed;
    mutex_unlock(&p->state_mu);
    return claimed;
}

void partition_move_drop(struct partition *p, const struct log_dir *dir)
{
    mutex_lock(&p->move_mu);
    if (p->future != NULL && log_directory(p->future) == dir) {
        enum err ignored = log_close(future_take(p)); // its directory is out of service: ERR_FAILED
        (void)ignored;
    }
    mutex_unlock(&p->move_mu);
    partition_deletes_look(p);
}

bool partition_future(struct partition *p, struct log_dir **dir, int64_t *bytes, int64_t *lag)
{
    const struct log *log = partition_log_enter(p);
    if (log == NULL) {
        return false;
    }
    bool found = p->future != NULL;
    if (found) {
        *dir = log_directory(p->future);
        *bytes = log_size_bytes(p->future);
        *lag = log_end_offset(log) - log_end_offset(p->future);
    }
    partition_log_leave(p);
    return found;
}

// ---------------------------------------------------------------------------------------------------------------
// Copying. Under move_mu, with the current log kept alive.

// Makes the future log a prefix of the current one again, where that was cut or has lost its beginning.
static enum err copy_align(const struct log *log, struct log *future)
{
    int64_t start = log_start_offset(log);
    int64_t end = log_end_offset(log);
    if (log_end_offset(future) < start || log_start_offset(future) > end) {
        return log_restart(future, start);
    }
    int32_t epoch = log_latest_epoch(future);
    if (epoch >= 0) {
        int32_t found;
        int64_t epoch_end;
        log_epoch_end(log, epoch, &found, &epoch_end);
        end = found < 0 || epoch_end < 0 ? start : epoch_end < end ? epoch_end : end;
    }
    return log_end_offset(future) > end ? log_truncate(future, end) : ERR_OK;
}

static enum err copy_append(struct log *future, uint8_t *data, size_t len)
{
    struct arena scratch;
    enum err err = partition_begin_in_batch(future, slice_of(data, len));
    if (err != ERR_OK) {
        return err;
    }
    arena_init(&scratch, MOVE_SCRATCH_BYTES);
    struct log_append a = {.data = data, .len = len, .origin = LOG_FROM_LEADER, .now_ms = os_wall_ms(log_os(future))};
    err = log_append(future, &a, &scratch);
    arena_release(&scratch);
    return err == ERR_OK && a.rolled ? log_flush(future) : err;
}

static enum err copy_read(const struct partition *p, struct log *log, int64_t offset, struct log_read *r)
{
    size_t segment = (size_t)log_config_copy(p->future).segment_bytes;
    *r = (struct log_read){.offset = offset,
                           .max_offset = log_end_offset(log),
                           .max_bytes = segment < MOVE_CHUNK_BYTES ? segment : MOVE_CHUNK_BYTES,
                           .min_one = true};
    return log_read(log, r);
}

// *len: what was copied, 0 when there is nothing left to copy.
static enum err copy_some(const struct partition *p, struct log *log, size_t *len)
{
    struct log_read r;
    *len = 0;
    enum err err = copy_align(log, p->future);
    if (err == ERR_OK) {
        err = copy_read(p, log, log_end_offset(p->future), &r);
    }
    if (err != ERR_OK || r.file == NULL) {
        return err;
    }
    const struct os *os = log_os(log);
    uint8_t *data = malloc(r.len);
    err = data == NULL ? ERR_NO_MEMORY : os_pread_full(os, log_file_fd(r.file), data, r.len, r.position);
    log_file_unref(r.file);
    if (err == ERR_OK) {
        err = copy_append(p->future, data, r.len);
        *len = r.len;
        byte_rate_record(&p->env->throttle->moves, (int64_t)r.len);
    }
    free(data);
    if (err == ERR_OK && log_start_offset(log) > log_start_offset(p->future)) {
        int64_t start = log_start_offset(log);
        int64_t end = log_end_offset(p->future);
        err = log_advance_start(p->future, start < end ? start : end);
    }
    if (err == ERR_OK) {
        int64_t watermark = log_high_watermark(log);
        int64_t end = log_end_offset(p->future);
        log_set_high_watermark(p->future, watermark < end ? watermark : end);
    }
    return err;
}

// ---------------------------------------------------------------------------------------------------------------
// Changing places

// What the current log promises holds of the future one: nothing fsynced is lost, readers see the same offsets.
static enum err swap_prepare(struct partition *p)
{
    enum err err = ERR_OK;
    if (log_recovery_point(p->future) < log_recovery_point(p->log)) {
        err = log_flush(p->future);
    }
    mutex_lock(&p->state_mu);
    int32_t leader_epoch = p->leader_epoch;
    bool leads = p->role == PARTITION_LEADS; // a follower has the epochs of its batches only
    int64_t watermark = p->high_watermark;
    mutex_unlock(&p->state_mu);
    if (err == ERR_OK && leads && log_latest_epoch(p->log) >= 0) {
        err = log_begin_epoch(p->future, leader_epoch);
    }
    if (err == ERR_OK) {
        err = log_advance_start(p->future, log_start_offset(p->log));
        log_set_high_watermark(p->future, watermark);
    }
    return err;
}

// Under append_mu, so the end stands still. *done: they have changed places.
static enum err swap_try(struct partition *p, bool *done)
{
    *done = false;
    if (log_failed(p->log)) {
        return ERR_FAILED;
    }
    size_t len;
    enum err err = copy_some(p, p->log, &len);
    if (err != ERR_OK || log_end_offset(p->future) != log_end_offset(p->log)) {
        return err;
    }
    err = swap_prepare(p);
    if (err != ERR_OK) {
        return err;
    }
    struct log *old = p->log;
    const struct log_config config = log_config_copy(old);
    log_set_config(p->future, &config);
    pthread_rwlock_wrlock(&p->log_gate);
    err = log_promote(p->future);
    if (err == ERR_OK) {
        p->log = p->future;
        p->future = NULL;
    }
    pthread_rwlock_unlock(&p->log_gate);
    if (err != ERR_OK) {
        return err;
    }
    *done = true;
    log_info("replica", "%s-%d: moved from %s to %s", p->topic, (int)p->index, log_dir_path(log_directory(old)),
             log_dir_path(log_directory(p->log)));
    enum err ignored = log_delete(old, p->folder_delete_delay_ms); // says itself what is wrong
    (void)ignored;
    return ERR_OK;
}

// The bulk of it is made to last before the append lock is taken.
static enum err swap(struct partition *p, bool *done)
{
    enum err err = log_flush(p->future);
    if (err == ERR_OK) {
        err = log_dir_checkpoint(log_directory(p->future));
    }
    if (err == ERR_OK) {
        mutex_lock(&p->append_mu);
        err = swap_try(p, done);
        mutex_unlock(&p->append_mu);
    }
    return err;
}

static enum move_step move_trouble(struct partition *p, enum err err)
{
    if (err == ERR_AGAIN || err == ERR_NO_MEMORY || err == ERR_NO_SPACE) {
        return MOVE_PAUSE;
    }
    if (err != ERR_FAILED) { // a directory that has failed has said so
        log_error("replica", "%s-%d: the move to %s has stopped: %s; ask for it again, or restart", p->topic,
                  (int)p->index, log_dir_path(log_directory(p->future)), err_text(err));
    }
    return MOVE_ENDED;
}

enum move_step partition_move_step(struct partition *p)
{
    enum move_step step = MOVE_ENDED;
    if (byte_rate_exceeded(&p->env->throttle->moves)) {
        return MOVE_PAUSE;
    }
    mutex_lock(&p->move_mu);
    if (p->future != NULL) {
        size_t len;
        bool done = false;
        const struct log_config config = config_of(p);
        log_set_config(p->future, &config);
        struct log *log = partition_log_enter(p); // it has not ended, as there is a copy
        enum err err = copy_some(p, log, &len);
        partition_log_leave(p);
        if (err == ERR_OK && len == 0) {
            err = swap(p, &done);
        }
        step = err != ERR_OK ? move_trouble(p, err) : done ? MOVE_ENDED : MOVE_MORE;
    }
    mutex_lock(&p->state_mu);
    p->move_claimed = step != MOVE_ENDED;
    mutex_unlock(&p->state_mu);
    mutex_unlock(&p->move_mu);
    partition_deletes_look(p);
    return step;
}
