// SPDX-License-Identifier: Apache-2.0
//
// What lies in a log directory: folders of partitions, of copies that a move makes, of what was deleted, strays. Any
// other folder is most likely a mistake in `log.dirs`.
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "log/internal.h"
#include "log/names.h"

enum scan_kind {
    SCAN_SKIP,
    SCAN_LOG,
    SCAN_REMOVE,
    SCAN_STRAY,
    SCAN_REFUSE,
};

static enum scan_kind scan_classify(const struct dirent *e, const char *path, struct folder_name *name)
{
    // Folders that Kafka knows and that hold no partition of this broker.
    static const char *const known[] = {".", "..", "__cluster_metadata-0", "remote-log-index-cache"};
    struct stat st;
    if (e->d_type != DT_DIR && (e->d_type != DT_UNKNOWN || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))) {
        return SCAN_SKIP;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(e->d_name, known[i]) == 0) {
            return SCAN_SKIP;
        }
    }
    if (!folder_name_parse(e->d_name, name)) {
        return SCAN_REFUSE;
    }
    switch (name->state) {
    case FOLDER_DELETE:
        return SCAN_REMOVE;
    case FOLDER_STRAY:
        return SCAN_STRAY;
    default:
        return SCAN_LOG;
    }
}

static enum err scan_log(struct log_dir *d, const struct log_folder *f, log_dir_scan_fn *fn, void *ctx)
{
    struct log_dir_entry *entry = log_dir_entry_get(d, f->topic, f->partition);
    if (entry == NULL) {
        return ERR_NO_MEMORY;
    }
    entry->found = true;
    return fn(ctx, f);
}

static enum err scan_entry(struct log_dir *d, const struct dirent *e, log_dir_scan_fn *fn, void *ctx)
{
    struct folder_name name;
    char path[LOG_PATH_MAX];
    log_dir_file(d, e->d_name, path);
    switch (scan_classify(e, path, &name)) {
    case SCAN_LOG: {
        struct log_folder f = {
            .name = e->d_name, .topic = name.topic, .partition = name.partition, .future = name.state == FOLDER_FUTURE};
        return scan_log(d, &f, fn, ctx);
    }
    case SCAN_REMOVE:
        log_dir_trash_add(d, path, true, 0);
        return ERR_OK;
    case SCAN_STRAY:
        log_warn("log", "%s: a stray partition, left alone", path);
        return ERR_OK;
    case SCAN_REFUSE:
        log_error("log", "%s: a folder here must be named <topic>-<partition>; move it away", path);
        return ERR_INVALID;
    default:
        return ERR_OK;
    }
}

// Forgets partitions whose folder is gone.
static void scan_forget(struct log_dir *d)
{
    struct log_dir_entry *e;
    struct log_dir_entry *next;
    mutex_lock(&d->checkpoint_mu);
    mutex_lock(&d->mu);
    HASH_ITER (hh, d->entries, e, next) {
        if (!e->found) {
            log_dir_entry_free(d, e);
        }
    }
    mutex_unlock(&d->mu);
    mutex_unlock(&d->checkpoint_mu);
}

enum err log_dir_scan(struct log_dir *d, log_dir_scan_fn *fn, void *ctx)
{
    DIR *dir = opendir(d->path);
    if (dir == NULL) {
        return err_from_errno(errno);
    }
    enum err err = ERR_OK;
    for (struct dirent *e = readdir(dir); e != NULL && !err; e = readdir(dir)) {
        err = scan_entry(d, e, fn, ctx);
    }
    closedir(dir);
    if (!err) {
        scan_forget(d);
    }
    return err;
}
