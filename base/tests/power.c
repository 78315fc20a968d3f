// SPDX-License-Identifier: Apache-2.0
//
// The model: a tree of nodes whose every file has two contents and whose every directory has two lists of names, the
// one that programs see and the one that is on the disk.
#include "base/tests/power.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"

#define SECTOR_BYTES 512

struct power_content {
    uint8_t *data;
    size_t len;
};

struct power_name {
    char *name;
    struct power_node *seen;   // NULL = not there
    struct power_node *stable; // NULL = not there
};

struct power_node {
    int refs; // names and descriptors
    bool is_dir;
    struct power_content seen;
    struct power_content stable;
    struct power_name *names;
    int names_count;
};

// ---- nodes ---------------------------------------------------------------------------------------------------------

static struct power_node *node_new(bool is_dir)
{
    struct power_node *n = calloc(1, sizeof *n);
    ASSERT(n != NULL);
    n->is_dir = is_dir;
    return n;
}

// Puts a node, or nothing, into a place that may hold another one.
static void node_put(struct power_node **place, struct power_node *n)
{
    struct power_node *old = *place;
    if (n != NULL) {
        n->refs++;
    }
    *place = n;
    if (old == NULL || --old->refs > 0) {
        return;
    }
    for (int i = 0; i < old->names_count; i++) {
        node_put(&old->names[i].seen, NULL);
        node_put(&old->names[i].stable, NULL);
        free(old->names[i].name);
    }
    free(old->names);
    free(old->seen.data);
    free(old->stable.data);
    free(old);
}

static void content_resize(struct power_content *c, size_t len)
{
    uint8_t *data = realloc(c->data, len + 1);
    ASSERT(data != NULL);
    if (len > c->len) {
        memset(data + c->len, 0, len - c->len);
    }
    c->data = data;
    c->len = len;
}

static void content_copy(struct power_content *to, const struct power_content *from)
{
    content_resize(to, from->len);
    if (from->len > 0) {
        memcpy(to->data, from->data, from->len);
    }
}

// The entry of a name, made when there is none.
static struct power_name *name_of(struct power_node *dir, const char *name, size_t len)
{
    for (int i = 0; i < dir->names_count; i++) {
        if (strlen(dir->names[i].name) == len && memcmp(dir->names[i].name, name, len) == 0) {
            return &dir->names[i];
        }
    }
    dir->names = realloc(dir->names, ((size_t)dir->names_count + 1) * sizeof *dir->names);
    ASSERT(dir->names != NULL);
    struct power_name *n = &dir->names[dir->names_count++];
    *n = (struct power_name){.name = strndup(name, len)};
    ASSERT(n->name != NULL);
    return n;
}

// The entry a path stands for; NULL for a path outside of the root, for the root itself, or below nothing.
static struct power_name *path_find(const struct power *p, const char *path)
{
    size_t root_len = strlen(p->root);
    if (strncmp(path, p->root, root_len) != 0 || path[root_len] != '/') {
        return NULL;
    }
    struct power_node *dir = p->tree;
    const char *name = path + root_len + 1;
    for (const char *slash = strchr(name, '/'); slash != NULL; slash = strchr(name, '/')) {
        dir = name_of(dir, name, (size_t)(slash - name))->seen;
        if (dir == NULL) {
            return NULL;
        }
        name = slash + 1;
    }
    return name_of(dir, name, strlen(name));
}

static struct power *power_of(const struct os *os)
{
    return os->ctx;
}

static void step(struct power *p)
{
    p->steps++;
    if (p->before != NULL) {
        p->before(p->ctx);
    }
}

// ---- the operations ------------------------------------------------------------------------------------------------

static int power_open(const struct os *os, const char *path, int flags, mode_t mode)
{
    struct power *p = power_of(os);
    struct power_name *name = path_find(p, path);
    bool creates = name != NULL && name->seen == NULL && (flags & O_CREAT);
    bool empties = name != NULL && name->seen != NULL && (flags & O_TRUNC);
    if (creates || empties) {
        step(p);
    }
    int fd = p->real->open(p->real, path, flags, mode);
    if (fd < 0) {
        return fd;
    }
    if (creates) {
        node_put(&name->seen, node_new(false));
    }
    if (empties) {
        content_resize(&name->seen->seen, 0);
    }
    if (fd >= p->fds_count) {
        p->fds = realloc(p->fds, (size_t)(fd + 1) * sizeof(struct power_node *));
        ASSERT(p->fds != NULL);
        memset(p->fds + p->fds_count, 0, (size_t)(fd + 1 - p->fds_count) * sizeof(struct power_node *));
        p->fds_count = fd + 1;
    }
    bool is_root = strcmp(path, p->root) == 0;
    node_put(&p->fds[fd], is_root ? p->tree : name == NULL ? NULL : name->seen);
    return fd;
}

static struct power_node *fd_node(const struct power *p, int fd)
{
    return fd < p->fds_count ? p->fds[fd] : NULL;
}

static int power_close(const struct os *os, int fd)
{
    struct power *p = power_of(os);
    if (fd < p->fds_count) {
        node_put(&p->fds[fd], NULL);
    }
    return p->real->close(p->real, fd);
}

static ssize_t power_pwritev(const struct os *os, int fd, const struct iovec *iov, int n, int64_t position)
{
    struct power *p = power_of(os);
    struct power_node *node = fd_node(p, fd);
    step(p);
    ssize_t written = p->real->pwritev(p->real, fd, iov, n, position);
    size_t left = written > 0 && node != NULL ? (size_t)written : 0;
    for (int i = 0; i < n && left > 0; i++) {
        size_t len = iov[i].iov_len < left ? iov[i].iov_len : left;
        if ((size_t)position + len > node->seen.len) {
            content_resize(&node->seen, (size_t)position + len);
        }
        memcpy(node->seen.data + position, iov[i].iov_base, len);
        position += (int64_t)len;
        left -= len;
    }
    return written;
}

static int power_fsync(const struct os *os, int fd)
{
    struct power *p = power_of(os);
    struct power_node *node = fd_node(p, fd);
    step(p);
    if (node != NULL && !node->is_dir) {
        content_copy(&node->stable, &node->seen);
    }
    for (int i = 0; node != NULL && i < node->names_count; i++) {
        node_put(&node->names[i].stable, node->names[i].seen);
    }
    return 0;
}

static int power_ftruncate(const struct os *os, int fd, int64_t size)
{
    struct power *p = power_of(os);
    struct power_node *node = fd_node(p, fd);
    step(p);
    int rc = p->real->ftruncate(p->real, fd, size);
    if (rc == 0 && node != NULL) {
        content_resize(&node->seen, (size_t)size);
    }
    return rc;
}

static int power_rename(const struct os *os, const char *from, const char *to)
{
    struct power *p = power_of(os);
    step(p);
    int rc = p->real->rename(p->real, from, to);
    if (rc == 0) {
        struct power_name *target = path_find(p, to);
        ASSERT(target != NULL);
        node_put(&target->seen, NULL);
        struct power_name *source = path_find(p, from); // after `to`: a new name moves the others
        target = path_find(p, to);
        ASSERT(source != NULL && target != NULL);
        node_put(&target->seen, source->seen);
        node_put(&source->seen, NULL);
    }
    return rc;
}

static void path_remove(struct power *p, const char *path)
{
    struct power_name *name = path_find(p, path);
    if (name != NULL) {
        node_put(&name->seen, NULL);
    }
}

static int power_unlink(const struct os *os, const char *path)
{
    struct power *p = power_of(os);
    step(p);
    int rc = p->real->unlink(p->real, path);
    if (rc == 0) {
        path_remove(p, path);
    }
    return rc;
}

static int power_mkdir(const struct os *os, const char *path, mode_t mode)
{
    struct power *p = power_of(os);
    step(p);
    int rc = p->real->mkdir(p->real, path, mode);
    struct power_name *name = rc == 0 ? path_find(p, path) : NULL;
    if (name != NULL) {
        node_put(&name->seen, node_new(true));
    }
    return rc;
}

static int power_rmdir(const struct os *os, const char *path)
{
    struct power *p = power_of(os);
    step(p);
    int rc = p->real->rmdir(p->real, path);
    if (rc == 0) {
        path_remove(p, path);
    }
    return rc;
}

static int64_t power_wall_ms(const struct os *os)
{
    const struct power *p = power_of(os);
    return p->real->wall_ms(p->real);
}

static int64_t power_mono_us(const struct os *os)
{
    const struct power *p = power_of(os);
    return p->real->mono_us(p->real);
}

static void power_random(const struct os *os, void *buf, size_t len)
{
    const struct power *p = power_of(os);
    p->real->random(p->real, buf, len);
}

static ssize_t power_pread(const struct os *os, int fd, void *buf, size_t len, int64_t position)
{
    const struct power *p = power_of(os);
    return p->real->pread(p->real, fd, buf, len, position);
}

static bool power_is_cached(const struct os *os, int fd, int64_t position, size_t len)
{
    const struct power *p = os->ctx;
    return p->real->is_cached(p->real, fd, position, len);
}

void power_init(struct power *p, const struct os *real, const char *root)
{
    *p = (struct power){.real = real, .root = root};
    p->os = (struct os){
        .wall_ms = power_wall_ms,
        .mono_us = power_mono_us,
        .random = power_random,
        .open = power_open,
        .close = power_close,
        .pread = power_pread,
        .pwritev = power_pwritev,
        .fsync = power_fsync,
        .ftruncate = power_ftruncate,
        .rename = power_rename,
        .unlink = power_unlink,
        .mkdir = power_mkdir,
        .rmdir = power_rmdir,
        .is_cached = power_is_cached,
        .ctx = p,
    };
    node_put(&p->tree, node_new(true));
}

void power_release(struct power *p)
{
    for (int i = 0; i < p->fds_count; i++) {
        node_put(&p->fds[i], NULL);
    }
    free(p->fds);
    node_put(&p->tree, NULL);
}

// ---- images --------------------------------------------------------------------------------------------------------

struct luck {
    enum power_luck kind;
    uint64_t *chance;
};

// Whether a change has reached the disk.
static bool luck_has(const struct luck *l)
{
    if (l->kind == POWER_SOME) {
        *l->chance = *l->chance * 6364136223846793005U + 1442695040888963407U;
        return *l->chance >> 63;
    }
    return l->kind == POWER_EVERYTHING;
}

// A file whose size and sectors are each the old or the new ones. Sectors that were never written read as zeros.
static void image_file(const struct power_node *n, const struct luck *luck, const char *path)
{
    struct power_content mix = {.data = NULL};
    content_copy(&mix, &n->stable);
    content_resize(&mix, luck_has(luck) ? n->seen.len : n->stable.len);
    for (size_t at = 0; at < mix.len && at < n->seen.len; at += SECTOR_BYTES) {
        size_t end = at + SECTOR_BYTES;
        end = end < mix.len ? end : mix.len;
        end = end < n->seen.len ? end : n->seen.len;
        if (luck_has(luck)) {
            memcpy(mix.data + at, n->seen.data + at, end - at);
        }
    }
    FILE *f = fopen(path, "w");
    ASSERT(f != NULL);
    size_t written = fwrite(mix.data, 1, mix.len, f);
    ASSERT(written == mix.len);
    int rc = fclose(f);
    ASSERT(rc == 0);
    free(mix.data);
}

static void image_node(const struct power_node *n, const struct luck *luck,
                       const char *path) // NOLINT(misc-no-recursion)
{
    if (!n->is_dir) {
        image_file(n, luck, path);
        return;
    }
    int rc = mkdir(path, 0755);
    ASSERT(rc == 0);
    for (int i = 0; i < n->names_count; i++) {
        const struct power_name *name = &n->names[i];
        bool changed = name->seen != name->stable;
        const struct power_node *there = changed && luck_has(luck) ? name->seen : name->stable;
        if (there != NULL) {
            char below[TEST_PATH_MAX_BYTES];
            test_path(below, path, name->name);
            image_node(there, luck, below);
        }
    }
}

void power_image(const struct power *p, enum power_luck luck, uint64_t *chance, const char *image)
{
    image_node(p->tree, &(struct luck){luck, chance}, image);
}
