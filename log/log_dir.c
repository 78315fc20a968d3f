// SPDX-License-Identifier: Apache-2.0
//
// A log directory. Its entries say per partition what the checkpoint files said at opening, and later what they are to
// say: an open log is asked for its values, a closed one has left its last ones, and lines of folders that were not
// opened go on as they were.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "log/checkpoint.h"
#include "log/folder.h"
#include "log/internal.h"
#include "log/properties.h"

#define LOCK_FILE  ".lock"
#define CLEAN_FILE ".kafka_cleanshutdown"
#define META_FILE  "meta.properties"
#define CLEAN_TEXT "{\"version\":0,\"brokerEpoch\":-1}"

static const char *const checkpoint_files[CHECKPOINT_KINDS] = {
    [CHECKPOINT_RECOVERY_POINT] = "recovery-point-offset-checkpoint",
    [CHECKPOINT_LOG_START] = "log-start-offset-checkpoint",
    [CHECKPOINT_HIGH_WATERMARK] = "replication-offset-checkpoint",
};

void log_dir_file(const struct log_dir *d, const char *name, char out[LOG_PATH_MAX])
{
    snprintf(out, LOG_PATH_MAX, "%s/%s", d->path, name);
}

// ---- entries -------------------------------------------------------------------------------------------------------

static void entry_free_parts(struct log_dir_entry *e)
{
    free(e->name);
    free(e->topic);
    free(e);
}

// A new entry in the table; NULL without memory. Under `mu`.
static struct log_dir_entry *entry_add(struct log_dir *d, const char *name, const char *topic, int32_t partition)
{
    struct log_dir_entry *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return NULL;
    }
    e->name = strdup(name);
    e->topic = strdup(topic);
    e->partition = partition;
    for (int kind = 0; kind < CHECKPOINT_KINDS; kind++) {
        e->values[kind] = -1;
    }
    if (e->name != NULL && e->topic != NULL) {
        HASH_ADD_KEYPTR(hh, d->entries, e->name, strlen(e->name), e);
    }
    if (!hash_added(&e->hh)) {
        entry_free_parts(e);
        return NULL;
    }
    return e;
}

struct log_dir_entry *log_dir_entry_get(struct log_dir *d, const char *topic, int32_t partition)
{
    char name[NAME_FOLDER_MAX];
    if (folder_name_format(name, topic, partition)) {
        return NULL;
    }
    struct log_dir_entry *e = NULL;
    mutex_lock(&d->mu);
    HASH_FIND_STR(d->entries, name, e);
    if (e == NULL) {
        e = entry_add(d, name, topic, partition);
    }
    mutex_unlock(&d->mu);
    return e;
}

bool log_dir_holds(struct log_dir *d, const char *topic, int32_t partition)
{
    const struct log_dir_entry *e = log_dir_entry_get(d, topic, partition);
    mutex_lock(&d->mu);
    bool holds = e != NULL && e->log != NULL;
    mutex_unlock(&d->mu);
    return holds;
}

void log_dir_entry_values(struct log_dir *d, const struct log_dir_entry *e, int64_t out[CHECKPOINT_KINDS])
{
    mutex_lock(&d->mu);
    memcpy(out, e->values, sizeof e->values);
    mutex_unlock(&d->mu);
}

void log_dir_entry_forget(struct log_dir *d, struct log_dir_entry *e)
{
    mutex_lock(&d->mu);
    for (int kind = 0; kind < CHECKPOINT_KINDS; kind++) {
        e->values[kind] = -1;
    }
    mutex_unlock(&d->mu);
}

void log_dir_entry_free(struct log_dir *d, struct log_dir_entry *e)
{
    HASH_DEL(d->entries, e);
    entry_free_parts(e);
}

void log_dir_attach(struct log_dir *d, struct log_dir_entry *e, struct log *l)
{
    mutex_lock(&d->mu);
    ASSERT(e->log == NULL);
    e->log = l;
    e->found = true;
    e->opened = true;
    mutex_unlock(&d->mu);
    atomic_fetch_add(&d->logs_count, 1);
}

int64_t log_dir_note_made(struct log_dir *d)
{
    mutex_lock(&d->mu);
    int64_t made = ++d->made;
    mutex_unlock(&d->mu);
    return made;
}

enum err log_dir_sync_made(struct log_dir *d, int64_t made)
{
    mutex_lock(&d->mu);
    bool covered = made <= d->made_synced;
    int64_t until = d->made;
    mutex_unlock(&d->mu);
    enum err err = covered ? ERR_OK : os_fsync_dir(d->os, d->path);
    if (!covered && !err) {
        mutex_lock(&d->mu);
        d->made_synced = until > d->made_synced ? until : d->made_synced;
        mutex_unlock(&d->mu);
    }
    return err;
}

// What the checkpoint files should say of an open log.
static int64_t log_value(const struct log *l, enum checkpoint_kind kind)
{
    switch (kind) {
    case CHECKPOINT_RECOVERY_POINT:
        return log_recovery_point(l);
    case CHECKPOINT_LOG_START:
        // Only a start inside a segment needs a line: otherwise the first file's name says it.
        return log_start_offset(l) > atomic_load(&l->first_base) ? log_start_offset(l) : -1;
    case CHECKPOINT_HIGH_WATERMARK:
        return log_high_watermark(l);
    default:
        return -1;
    }
}

void log_dir_detach(struct log_dir *d, struct log_dir_entry *e, bool deleted)
{
    mutex_lock(&d->checkpoint_mu);
    mutex_lock(&d->mu);
    for (int kind = 0; kind < CHECKPOINT_KINDS && e->log != NULL; kind++) {
        int64_t value = deleted ? -1 : log_value(e->log, (enum checkpoint_kind)kind);
        d->changed[kind] = d->changed[kind] || e->values[kind] != value;
        e->values[kind] = value;
    }
    atomic_fetch_sub(&d->logs_count, e->log != NULL);
    e->log = NULL;
    if (deleted) {
        log_dir_entry_free(d, e);
    }
    mutex_unlock(&d->mu);
    mutex_unlock(&d->checkpoint_mu);
}

// ---- checkpoints ---------------------------------------------------------------------------------------------------

struct checkpoint_loading {
    struct log_dir *dir;
    enum checkpoint_kind kind;
    enum err err;
};

static void checkpoint_load_entry(void *ctx, const struct checkpoint_entry *line)
{
    struct checkpoint_loading *loading = ctx;
    struct log_dir_entry *e = log_dir_entry_get(loading->dir, line->topic, line->number);
    if (e == NULL) {
        loading->err = ERR_NO_MEMORY;
        return;
    }
    e->values[loading->kind] = line->offset;
}

// A damaged file counts as missing: what it said is found again by recovery.
static enum err dir_read_checkpoints(struct log_dir *d)
{
    for (int kind = 0; kind < CHECKPOINT_KINDS; kind++) {
        char path[LOG_PATH_MAX];
        struct checkpoint_loading loading = {d, (enum checkpoint_kind)kind, ERR_OK};
        log_dir_file(d, checkpoint_files[kind], path);
        enum err err = checkpoint_read(d->os, path, true, checkpoint_load_entry, &loading);
        if (err == ERR_CORRUPT || err == ERR_TOO_LARGE) {
            log_warn("log", "%s: damaged, going on as if it were missing", path);
            err = ERR_OK;
        }
        if (err || loading.err) {
            return err ? err : loading.err;
        }
        d->changed[kind] = true;
    }
    return ERR_OK;
}

// Brings the values of one kind up to date and collects them. *changed: the file does not say this yet.
static enum err dir_collect(struct log_dir *d, enum checkpoint_kind kind, struct checkpoint_entry **out, size_t *count,
                            bool *changed)
{
    size_t n = 0;
    mutex_lock(&d->mu);
    struct checkpoint_entry *lines = calloc(HASH_COUNT(d->entries) + 1, sizeof *lines);
    for (struct log_dir_entry *e = d->entries; e != NULL && lines != NULL; e = e->hh.next) {
        int64_t value = e->log != NULL ? log_value(e->log, kind) : e->values[kind];
        d->changed[kind] = d->changed[kind] || value != e->values[kind];
        e->values[kind] = value;
        if (value >= 0) {
            lines[n++] = (struct checkpoint_entry){.topic = e->topic, .number = e->partition, .offset = value};
        }
    }
    *changed = d->changed[kind];
    d->changed[kind] = false;
    mutex_unlock(&d->mu);
    *out = lines;
    *count = n;
    return lines == NULL ? ERR_NO_MEMORY : ERR_OK;
}

// Writes one file if it would say something else.
static enum err dir_write_checkpoint(struct log_dir *d, enum checkpoint_kind kind)
{
    struct checkpoint_entry *lines;
    size_t n;
    bool changed;
    char path[LOG_PATH_MAX];
    log_dir_file(d, checkpoint_files[kind], path);
    enum err err = dir_collect(d, kind, &lines, &n, &changed);
    if (!err && changed) {
        err = checkpoint_write(d->os, path, lines, n, true);
    }
    free(lines);
    if (err) {
        mutex_lock(&d->mu);
        d->changed[kind] = true;
        mutex_unlock(&d->mu);
    }
    return err;
}

// A disk that was pulled out shows itself even when there is nothing to write.
static enum err dir_look(const struct log_dir *d)
{
    struct stat st;
    char path[LOG_PATH_MAX];
    log_dir_file(d, LOCK_FILE, path);
    return stat(path, &st) == 0 ? ERR_OK : err_from_errno(errno);
}

enum err log_dir_checkpoint_some(struct log_dir *d, unsigned which)
{
    if (log_dir_state(d) == LOG_DIR_OFFLINE) {
        return ERR_FAILED;
    }
    enum err err = dir_look(d);
    mutex_lock(&d->checkpoint_mu);
    for (int kind = 0; kind < CHECKPOINT_KINDS && !err; kind++) {
        if ((which & (1U << kind)) != 0) {
            err = dir_write_checkpoint(d, (enum checkpoint_kind)kind);
        }
    }
    mutex_unlock(&d->checkpoint_mu);
    if (err == ERR_NO_SPACE) {
        log_dir_note_full(d, d->path, "writing checkpoints");
    } else if (err && err != ERR_AGAIN && err != ERR_NO_MEMORY) {
        log_dir_fail(d, err, "its checkpoints", "writing");
    }
    return err;
}

enum err log_dir_checkpoint(struct log_dir *d)
{
    return log_dir_checkpoint_some(d, LOG_CHECKPOINT_ALL);
}

int64_t log_dir_checkpointed_high_watermark(const struct log_dir *d, const char *topic, int32_t partition)
{
    char name[NAME_FOLDER_MAX];
    if (folder_name_format(name, topic, partition)) {
        return -1;
    }
    struct log_dir_entry *e = NULL;
    struct mutex *mu = (struct mutex *)&d->mu;
    mutex_lock(mu);
    HASH_FIND_STR(d->entries, name, e);
    int64_t value = e == NULL ? -1 : e->values[CHECKPOINT_HIGH_WATERMARK];
    mutex_unlock(mu);
    return value;
}

// ---- opening and closing -------------------------------------------------------------------------------------------

// mkdir that is on the disk when it returns. An existing folder is fine.
static enum err make_folder(const struct os *os, const char *path)
{
    if (os->mkdir(os, path, 0755) == 0) {
        return os_fsync_parent(os, path);
    }
    return errno == EEXIST ? ERR_OK : err_from_errno(errno);
}

// The same with all that is missing above it.
static enum err make_folders(const struct os *os, const char *path)
{
    char part[LOG_PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= LOG_PATH_MAX - 2 * NAME_FOLDER_MAX) {
        return ERR_INVALID;
    }
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] == '/' || path[i] == '\0') {
            part[i] = '\0';
            enum err err = make_folder(os, part);
            if (err) {
                return err;
            }
            part[i] = path[i];
        }
    }
    return ERR_OK;
}

// Opens and locks the file; *stale: it was deleted meanwhile by the process that held it before.
static enum err dir_try_lock(struct log_dir *d, const char *path, bool *stale)
{
    struct stat held;
    struct stat there;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    *stale = false;
    d->lock_fd = d->os->open(d->os, path, O_RDWR | O_CREAT, 0644);
    if (d->lock_fd < 0) {
        return err_from_errno(errno);
    }
    if (fcntl(d->lock_fd, F_SETLK, &lock) != 0) {
        return errno == EACCES || errno == EAGAIN ? ERR_LOCKED : err_from_errno(errno);
    }
    *stale = fstat(d->lock_fd, &held) != 0 || stat(path, &there) != 0 || held.st_ino != there.st_ino;
    return ERR_OK;
}

static void dir_unlock(struct log_dir *d)
{
    if (d->lock_fd >= 0) {
        d->os->close(d->os, d->lock_fd);
        d->lock_fd = -1;
    }
}

static enum err dir_lock(struct log_dir *d)
{
    char path[LOG_PATH_MAX];
    bool stale = true;
    enum err err = ERR_OK;
    log_dir_file(d, LOCK_FILE, path);
    for (int tries = 0; stale && !err; tries++) {
        dir_unlock(d);
        err = tries < 10 ? dir_try_lock(d, path, &stale) : ERR_LOCKED;
    }
    if (err == ERR_LOCKED) {
        log_error("log", "%s is held by another process: is a broker already running on this directory?", path);
    }
    return err;
}

// Notes the marker of a clean stop, then deletes it: from now on the directory is not clean. Without one, folders that
// the process before has made need not be on the disk; the fsync makes sure of them, too.
static enum err dir_take_clean_marker(struct log_dir *d)
{
    char path[LOG_PATH_MAX];
    log_dir_file(d, CLEAN_FILE, path);
    d->was_clean = d->os->unlink(d->os, path) == 0;
    if (!d->was_clean && errno != ENOENT) {
        return err_from_errno(errno);
    }
    return os_fsync_dir(d->os, d->path);
}

static void dir_free(struct log_dir *d)
{
    struct log_dir_entry *e;
    struct log_dir_entry *next;
    HASH_ITER (hh, d->entries, e, next) {
        log_dir_entry_free(d, e);
    }
    while (!TAILQ_EMPTY(&d->trash)) {
        struct log_dir_trash *t = TAILQ_FIRST(&d->trash);
        TAILQ_REMOVE(&d->trash, t, link);
        free(t->path);
        free(t);
    }
    dir_unlock(d);
    codec_pool_free(d->codecs);
    file_ring_release(&d->ring);
    mutex_destroy(&d->checkpoint_mu);
    mutex_destroy(&d->mu);
    free(d->path);
    free(d);
}

static enum err dir_load(struct log_dir *d)
{
    char path[LOG_PATH_MAX];
    enum err err = make_folders(d->os, d->path);
    if (!err) {
        err = dir_lock(d);
    }
    if (!err) {
        log_dir_file(d, META_FILE, path);
        err = meta_properties_read(d->os, path, &d->meta);
    }
    if (!err) {
        err = dir_read_checkpoints(d);
    }
    if (!err) {
        log_dir_forget_probe(d);
        err = dir_take_clean_marker(d);
    }
    return err;
}

enum err log_dir_open(const struct os *os, const char *path, struct log_dir **out)
{
    *out = NULL;
    struct log_dir *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return ERR_NO_MEMORY;
    }
    d->os = os;
    d->lock_fd = -1;
    mutex_init(&d->mu, MUTEX_RANK_LEAF);
    mutex_init(&d->checkpoint_mu, MUTEX_RANK_LOG_LIST);
    file_ring_init(&d->ring);
    TAILQ_INIT(&d->trash);
    size_t path_len = strlen(path);
    while (path_len > 1 && path[path_len - 1] == '/') {
        path_len--;
    }
    d->path = strndup(path, path_len);
    d->codecs = codec_pool_new();
    enum err err = d->path == NULL || d->codecs == NULL ? ERR_NO_MEMORY : dir_load(d);
    if (err) {
        log_error("log", "%s: cannot be used as a log directory: %s", path, err_explain(err));
        dir_free(d);
        return err;
    }
    *out = d;
    return ERR_OK;
}

const char *log_dir_path(const struct log_dir *d)
{
    return d->path;
}

enum log_dir_state log_dir_state(const struct log_dir *d)
{
    return atomic_load_explicit(&d->state, memory_order_acquire);
}

void log_dir_fail(struct log_dir *d, enum err err, const char *path, const char *doing)
{
    if (atomic_exchange(&d->state, LOG_DIR_OFFLINE) == LOG_DIR_OFFLINE) {
        return;
    }
    log_error("log", "%s: offline until a restart: %s failed for %s: %s", d->path, doing, path, err_text(err));
    if (d->on_fail != NULL) {
        d->on_fail(d->on_fail_ctx);
    }
}

void log_dir_on_fail(struct log_dir *d, log_dir_fail_fn *fn, void *ctx)
{
    d->on_fail = fn;
    d->on_fail_ctx = ctx;
}

int32_t log_dir_logs_count(const struct log_dir *d)
{
    return atomic_load(&d->logs_count);
}

const struct log_dir_meta *log_dir_meta(const struct log_dir *d)
{
    return &d->meta.meta;
}

bool log_dir_was_clean(const struct log_dir *d)
{
    return d->was_clean;
}

enum err log_dir_set_meta(struct log_dir *d, int32_t broker_id, const char *cluster_id)
{
    char path[LOG_PATH_MAX];
    struct meta_properties p = d->meta;
    p.meta.present = true;
    p.meta.broker_id = broker_id;
    int len = snprintf(p.meta.cluster_id, sizeof p.meta.cluster_id, "%s", cluster_id);
    if (len >= LOG_CLUSTER_ID_MAX) {
        return ERR_TOO_LARGE;
    }
    log_dir_file(d, META_FILE, path);
    enum err err = meta_properties_write(d->os, path, &p);
    if (!err) {
        d->meta = p;
    }
    return err;
}

// A marker may be written only when every folder is known to be in order.
static bool dir_is_clean(const struct log_dir *d)
{
    if (atomic_load(&d->log_failed)) {
        return false;
    }
    for (const struct log_dir_entry *e = d->entries; e != NULL; e = e->hh.next) {
        if (e->found && !e->opened && !d->was_clean) {
            return false; // it was never recovered
        }
    }
    return true;
}

void log_dir_close(struct log_dir *d, bool clean)
{
    char path[LOG_PATH_MAX];
    for (const struct log_dir_entry *e = d->entries; e != NULL; e = e->hh.next) {
        ASSERT(e->log == NULL);
    }
    if (log_dir_state(d) == LOG_DIR_OFFLINE) {
        dir_free(d);
        return;
    }
    enum err err = log_dir_checkpoint(d);
    if (clean && !err && dir_is_clean(d)) {
        log_dir_file(d, CLEAN_FILE, path);
        err = os_replace_file(d->os, path, CLEAN_TEXT, strlen(CLEAN_TEXT));
        if (err) {
            log_error("log", "%s: cannot be written: %s", path, err_text(err));
        }
    }
    log_dir_file(d, LOCK_FILE, path);
    if (d->os->unlink(d->os, path) != 0) {
        log_warn("log", "%s: cannot be deleted: %s", path, err_text(err_from_errno(errno)));
    }
    dir_free(d);
}

// ---- trash ---------------------------------------------------------------------------------------------------------

void log_dir_trash_add(struct log_dir *d, const char *path, bool is_folder, int64_t delay_ms)
{
    struct log_dir_trash *t = calloc(1, sizeof *t);
    char *copy = strdup(path);
    if (t == NULL || copy == NULL) {
        free(t);
        free(copy);
        return;
    }
    t->path = copy;
    t->is_folder = is_folder;
    t->due_ms = os_mono_us(d->os) / 1000 + delay_ms;
    mutex_lock(&d->mu);
    TAILQ_INSERT_TAIL(&d->trash, t, link);
    mutex_unlock(&d->mu);
}

static void trash_remove(struct log_dir *d, const struct log_dir_trash *t)
{
    enum err err = ERR_OK;
    if (t->is_folder) {
        err = folder_remove(d->os, t->path);
    } else if (d->os->unlink(d->os, t->path) != 0 && errno != ENOENT) {
        err = err_from_errno(errno);
    }
    if (err) {
        log_warn("log", "%s: cannot be removed: %s; the next start tries again", t->path, err_text(err));
    }
}

void log_dir_sweep(struct log_dir *d, int64_t mono_ms)
{
    if (log_dir_state(d) == LOG_DIR_OFFLINE) {
        return;
    }
    TAILQ_HEAD(, log_dir_trash) due = TAILQ_HEAD_INITIALIZER(due);
    struct log_dir_trash *t;
    struct log_dir_trash *next;
    mutex_lock(&d->mu);
    for (t = TAILQ_FIRST(&d->trash); t != NULL; t = next) {
        next = TAILQ_NEXT(t, link);
        if (t->due_ms <= mono_ms) {
            TAILQ_REMOVE(&d->trash, t, link);
            TAILQ_INSERT_TAIL(&due, t, link);
        }
    }
    mutex_unlock(&d->mu);
    while ((t = TAILQ_FIRST(&due)) != NULL) {
        TAILQ_REMOVE(&due, t, link);
        trash_remove(d, t);
        free(t->path);
        free(t);
    }
}
