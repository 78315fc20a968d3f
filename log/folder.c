// SPDX-License-Identifier: Apache-2.0
//
// The files of a partition's folder, read as a list, changed on disk and in the list step by step.
#include "log/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log/file.h"
#include "log/scan.h"

#define FOLDER_PATH_MAX 4096

struct folder {
    const struct os *os;
    const char *path;
    struct file_name *files; // sorted by offset and kind
    size_t count;
    size_t cap;
};

static enum err folder_add(struct folder *f, const struct file_name *name)
{
    if (f->count == f->cap) {
        size_t cap = f->cap == 0 ? 16 : f->cap * 2;
        struct file_name *grown = realloc(f->files, cap * sizeof *grown);
        if (grown == NULL) {
            return ERR_NO_MEMORY;
        }
        f->files = grown;
        f->cap = cap;
    }
    f->files[f->count++] = *name;
    return ERR_OK;
}

static int file_name_compare(const void *a, const void *b)
{
    const struct file_name *x = a;
    const struct file_name *y = b;
    if (x->offset != y->offset) {
        return x->offset < y->offset ? -1 : 1;
    }
    return x->kind < y->kind ? -1 : x->kind > y->kind;
}

static void folder_sort(struct folder *f)
{
    if (f->count > 0) {
        qsort(f->files, f->count, sizeof *f->files, file_name_compare);
    }
}

static void folder_path(const struct folder *f, const struct file_name *n, enum name_state state,
                        char out[FOLDER_PATH_MAX])
{
    char name[NAME_FILE_MAX];
    file_name_format(name, n->offset, n->kind, state);
    snprintf(out, FOLDER_PATH_MAX, "%s/%s", f->path, name);
}

// The segment files; *.tmp of an interrupted replacement are deleted.
static enum err folder_read(struct folder *f)
{
    DIR *dir = opendir(f->path);
    if (dir == NULL) {
        return err_from_errno(errno);
    }
    enum err err = ERR_OK;
    for (struct dirent *e = readdir(dir); e != NULL && !err; e = readdir(dir)) {
        struct file_name name;
        size_t len = strlen(e->d_name);
        if (file_name_parse(e->d_name, &name)) {
            err = folder_add(f, &name);
        } else if (len > 4 && strcmp(e->d_name + len - 4, ".tmp") == 0) {
            char path[FOLDER_PATH_MAX];
            snprintf(path, sizeof path, "%s/%s", f->path, e->d_name);
            f->os->unlink(f->os, path); // one that stays is overwritten by the next replacement
        }
    }
    closedir(dir);
    folder_sort(f);
    return err;
}

// Deletes the files that `gone` says, and takes them out of the list.
typedef bool folder_gone_fn(const void *ctx, const struct file_name *n);
static enum err folder_delete(struct folder *f, folder_gone_fn *gone, const void *ctx)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (!gone(ctx, &f->files[i])) {
            f->files[kept++] = f->files[i];
            continue;
        }
        char path[FOLDER_PATH_MAX];
        folder_path(f, &f->files[i], f->files[i].state, path);
        if (f->os->unlink(f->os, path) != 0 && errno != ENOENT) {
            return err_from_errno(errno);
        }
    }
    f->count = kept;
    return ERR_OK;
}

// ---- left-overs ----------------------------------------------------------------------------------------------------

// A cleaner that was stopped while it still wrote: its output goes, and so do finished pieces of the same output,
// which are those at and above the lowest unfinished one.
static bool gone_unfinished(const void *ctx, const struct file_name *n)
{
    int64_t cleaned_min = *(const int64_t *)ctx;
    return n->state == NAME_DELETED || n->state == NAME_CLEANED || (n->state == NAME_SWAP && n->offset >= cleaned_min);
}

static enum err folder_delete_unfinished(struct folder *f)
{
    int64_t cleaned_min = INT64_MAX;
    for (size_t i = 0; i < f->count; i++) {
        if (f->files[i].state == NAME_CLEANED && f->files[i].offset < cleaned_min) {
            cleaned_min = f->files[i].offset;
        }
    }
    return folder_delete(f, gone_unfinished, &cleaned_min);
}

struct offset_range {
    int64_t from;
    int64_t to; // exclusive
};

// Offsets that the batches of a .log.swap cover.
static enum err swap_range(const struct folder *f, const struct file_name *n, struct offset_range *out)
{
    char path[FOLDER_PATH_MAX];
    folder_path(f, n, NAME_SWAP, path);
    struct log_file *file;
    enum err err = log_file_open(f->os, path, O_RDONLY, n->offset, &file);
    if (err) {
        return err;
    }
    int64_t size;
    *out = (struct offset_range){n->offset, n->offset};
    err = os_file_size(f->os, file->fd, &size);
    if (!err) {
        struct batch_scan scan;
        struct batch b;
        int64_t position;
        batch_scan_init(&scan, f->os, file->fd, 0, size, SCAN_CHUNK_ALL);
        while ((err = batch_scan_next(&scan, &b, &position)) == ERR_OK) {
            out->to = batch_last_offset(&b) + 1;
        }
        batch_scan_release(&scan);
    }
    log_file_unref(file);
    return err == ERR_NOT_FOUND || err == ERR_TRUNCATED || err == ERR_CORRUPT ? ERR_OK : err;
}

static bool gone_replaced(const void *ctx, const struct file_name *n)
{
    const struct offset_range *r = ctx;
    return n->state == NAME_LIVE && n->kind != NAME_SNAPSHOT && n->offset >= r->from && n->offset < r->to;
}

// A cleaner that was stopped while it put its finished output in place: that is done now. First everything that is
// replaced goes, then the output gets its final names.
static enum err folder_finish_swaps(struct folder *f)
{
    for (size_t i = 0; i < f->count; i++) {
        struct file_name n = f->files[i];
        if (n.state != NAME_SWAP || n.kind != NAME_LOG) {
            continue;
        }
        struct offset_range range;
        enum err err = swap_range(f, &n, &range);
        if (!err) {
            err = folder_delete(f, gone_replaced, &range);
        }
        if (err) {
            return err;
        }
        // The list has become shorter below and above this entry: go on behind it, wherever it is now.
        i = 0;
        while (f->files[i].state != NAME_SWAP || file_name_compare(&f->files[i], &n) != 0) {
            i++;
        }
    }
    for (size_t i = 0; i < f->count; i++) {
        struct file_name *n = &f->files[i];
        if (n->state == NAME_SWAP) {
            char from[FOLDER_PATH_MAX];
            char to[FOLDER_PATH_MAX];
            folder_path(f, n, NAME_SWAP, from);
            folder_path(f, n, NAME_LIVE, to);
            if (f->os->rename(f->os, from, to) != 0) {
                return err_from_errno(errno);
            }
            n->state = NAME_LIVE;
        }
    }
    folder_sort(f);
    return ERR_OK;
}

// An index without its .log.
static bool gone_orphan(const void *ctx, const struct file_name *n)
{
    const struct folder *f = ctx;
    if (n->kind == NAME_LOG || n->kind == NAME_SNAPSHOT) {
        return false;
    }
    struct file_name wanted = {.offset = n->offset, .kind = NAME_LOG};
    return bsearch(&wanted, f->files, f->count, sizeof wanted, file_name_compare) == NULL;
}

static enum err folder_delete_orphans(struct folder *f)
{
    struct folder before = *f; // the list is changed in place while it is asked
    before.files = malloc((f->count + 1) * sizeof *before.files);
    if (before.files == NULL) {
        return ERR_NO_MEMORY;
    }
    if (f->count > 0) {
        memcpy(before.files, f->files, f->count * sizeof *before.files);
    }
    enum err err = folder_delete(f, gone_orphan, &before);
    free(before.files);
    return err;
}

// ---- result --------------------------------------------------------------------------------------------------------

static enum err folder_collect(const struct folder *f, struct folder_content *out)
{
    out->segments = calloc(f->count + 1, sizeof *out->segments);
    out->snapshots = calloc(f->count + 1, sizeof *out->snapshots);
    if (out->segments == NULL || out->snapshots == NULL) {
        return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < f->count; i++) {
        const struct file_name *name = &f->files[i];
        if (name->kind == NAME_LOG) {
            out->segments[out->segments_count++].base_offset = name->offset;
        } else if (name->kind == NAME_TXN_INDEX) {
            out->segments[out->segments_count - 1].has_txn_index = true; // sorted behind its .log, which exists
        } else if (name->kind == NAME_SNAPSHOT) {
            out->snapshots[out->snapshots_count++] = name->offset;
        }
    }
    return ERR_OK;
}

enum err folder_load(const struct os *os, const char *path, struct folder_content *out)
{
    struct folder f = {.os = os, .path = path};
    *out = (struct folder_content){.segments = NULL};
    enum err err = folder_read(&f);
    if (!err) {
        err = folder_delete_unfinished(&f);
    }
    if (!err) {
        err = folder_finish_swaps(&f);
    }
    if (!err) {
        err = folder_delete_orphans(&f);
    }
    if (!err) {
        err = folder_collect(&f, out);
    }
    free(f.files);
    return err;
}

void folder_content_release(struct folder_content *c)
{
    free(c->segments);
    free(c->snapshots);
}

enum err folder_remove(const struct os *os, const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return errno == ENOENT ? ERR_OK : err_from_errno(errno);
    }
    enum err err = ERR_OK;
    for (struct dirent *e = readdir(dir); e != NULL && !err; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        char file[FOLDER_PATH_MAX];
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (os->unlink(os, file) != 0 && errno != ENOENT) {
            err = errno == EISDIR ? ERR_NOT_EMPTY : err_from_errno(errno);
        }
    }
    closedir(dir);
    if (!err && os->rmdir(os, path) != 0 && errno != ENOENT) {
        err = err_from_errno(errno);
    }
    return err;
}
