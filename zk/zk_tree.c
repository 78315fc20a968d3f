// SPDX-License-Identifier: Apache-2.0
//
// Always true: every node but the root hangs at a parent that is in the hash; children_count is the length of
// children; bytes is the sum of node_bytes; a deleted node lives in the undo list until the change is kept.
#include "zk/zk_tree.h"

#include <inttypes.h>
#include <stdio.h>

#include "zk/zk_memory.h"
#include "zk/zk_path.h"

enum undo_type {
    UNDO_CREATE,
    UNDO_SET,
    UNDO_DELETE,
};

struct zk_undo {
    enum undo_type type;
    struct zk_node *node;
    uint8_t *data; // before a set
    size_t data_len;
    int64_t mzxid;
    int64_t mtime_ms;
    int32_t version;
};

static int64_t node_bytes(size_t path_len, size_t data_len)
{
    return ZK_TREE_NODE_BYTES + (int64_t)path_len + (int64_t)data_len;
}

static struct zk_node *node_new(struct slice path, struct slice data)
{
    struct zk_node *node = zk_memory_alloc(sizeof *node);
    node->path = zk_memory_copy(path);
    node->path_len = path.len;
    node->data = zk_memory_copy(data);
    node->data_len = data.len;
    LIST_INIT(&node->children);
    return node;
}

static void node_free(struct zk_node *node)
{
    free(node->path);
    free(node->data);
    free(node);
}

static void node_link(struct zk_tree *t, struct zk_node *node)
{
    HASH_ADD_KEYPTR(hh, t->nodes, node->path, node->path_len, node);
    t->bytes += node_bytes(node->path_len, node->data_len);
    if (node->parent != NULL) {
        LIST_INSERT_HEAD(&node->parent->children, node, siblings);
        node->parent->children_count++;
    }
    if (node->ephemeral_owner != 0) {
        LIST_INSERT_HEAD(&t->ephemerals, node, ephemerals);
        t->ephemerals_count++;
    }
}

static void node_unlink(struct zk_tree *t, struct zk_node *node)
{
    HASH_DELETE(hh, t->nodes, node);
    t->bytes -= node_bytes(node->path_len, node->data_len);
    if (node->parent != NULL) {
        LIST_REMOVE(node, siblings);
        node->parent->children_count--;
    }
    if (node->ephemeral_owner != 0) {
        LIST_REMOVE(node, ephemerals);
        t->ephemerals_count--;
    }
}

void zk_tree_init(struct zk_tree *t)
{
    *t = (struct zk_tree){.bytes_max = ZK_TREE_MAX_BYTES};
    LIST_INIT(&t->ephemerals);
    node_link(t, node_new(slice_str("/"), SLICE_NULL));
}

void zk_tree_release(struct zk_tree *t)
{
    struct zk_node *node, *next;
    zk_tree_keep(t);
    HASH_ITER (hh, t->nodes, node, next) {
        HASH_DELETE(hh, t->nodes, node);
        node_free(node);
    }
    free(t->undos);
    *t = (struct zk_tree){0};
}

struct zk_node *zk_tree_find(const struct zk_tree *t, struct slice path)
{
    struct zk_node *node;
    HASH_FIND(hh, t->nodes, path.data, path.len, node);
    return node;
}

void zk_node_stat(const struct zk_node *node, struct zk_stat *out)
{
    *out = (struct zk_stat){
        .czxid = node->czxid,
        .mzxid = node->mzxid,
        .ctime_ms = node->ctime_ms,
        .mtime_ms = node->mtime_ms,
        .version = node->version,
        // Creations plus deletions, as ZooKeeper derives it from the creations alone; it wraps around.
        .cversion = (int32_t)((uint32_t)node->creates * 2 - (uint32_t)node->children_count),
        .ephemeral_owner = node->ephemeral_owner,
        .data_len = (int32_t)node->data_len,
        .num_children = node->children_count,
    };
}

const char *zk_node_name(const struct zk_node *node)
{
    return strrchr(node->path, '/') + 1;
}

static int names_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **zk_node_children(const struct zk_node *node)
{
    if (node->children_count == 0)
        return NULL;
    const char **names = zk_memory_alloc((size_t)node->children_count * sizeof *names);
    const struct zk_node *child;
    size_t n = 0;
    LIST_FOREACH (child, &node->children, siblings)
        names[n++] = zk_node_name(child);
    qsort(names, n, sizeof *names, names_compare);
    return names;
}

static void undo_push(struct zk_tree *t, struct zk_undo undo)
{
    if (t->undos_count == t->undos_cap) {
        t->undos_cap = t->undos_cap == 0 ? 16 : t->undos_cap * 2;
        t->undos = zk_memory_grow(t->undos, t->undos_cap, sizeof *t->undos);
    }
    t->undos[t->undos_count++] = undo;
}

enum err zk_tree_create(struct zk_tree *t, const struct zk_change *c, struct slice path, struct slice data,
                        int64_t owner, struct zk_node **out)
{
    struct slice parent_path = zk_path_parent(path);
    struct zk_node *parent = zk_tree_find(t, parent_path);
    if (zk_tree_find(t, path) != NULL)
        return ERR_EXISTS;
    if (parent == NULL)
        return ERR_NOT_FOUND;
    if (parent->ephemeral_owner != 0)
        return ERR_INVALID;
    if (t->bytes + node_bytes(path.len, data.len) > t->bytes_max)
        return ERR_FULL;
    if (owner != 0 && t->ephemerals_count >= ZK_TREE_MAX_EPHEMERALS)
        return ERR_FULL;
    struct zk_node *node = node_new(path, data);
    node->czxid = node->mzxid = c->zxid;
    node->ctime_ms = node->mtime_ms = c->time_ms;
    node->ephemeral_owner = owner;
    node->parent = parent;
    parent->creates++;
    node_link(t, node);
    undo_push(t, (struct zk_undo){.type = UNDO_CREATE, .node = node});
    *out = node;
    return ERR_OK;
}

enum err zk_tree_check(const struct zk_tree *t, struct slice path, int32_t version)
{
    const struct zk_node *node = zk_tree_find(t, path);
    if (node == NULL)
        return ERR_NOT_FOUND;
    return version == ZK_VERSION_ANY || version == node->version ? ERR_OK : ERR_BAD_VERSION;
}

enum err zk_tree_set(struct zk_tree *t, const struct zk_change *c, struct slice path, struct slice data,
                     int32_t version, struct zk_node **out)
{
    enum err err = zk_tree_check(t, path, version);
    if (err != ERR_OK)
        return err;
    struct zk_node *node = zk_tree_find(t, path);
    int64_t bytes = t->bytes - (int64_t)node->data_len + (int64_t)data.len;
    if (bytes > t->bytes_max)
        return ERR_FULL;
    undo_push(t, (struct zk_undo){.type = UNDO_SET,
                                  .node = node,
                                  .data = node->data,
                                  .data_len = node->data_len,
                                  .mzxid = node->mzxid,
                                  .mtime_ms = node->mtime_ms,
                                  .version = node->version});
    node->data = zk_memory_copy(data);
    node->data_len = data.len;
    node->mzxid = c->zxid;
    node->mtime_ms = c->time_ms;
    node->version++;
    t->bytes = bytes;
    *out = node;
    return ERR_OK;
}

enum err zk_tree_delete(struct zk_tree *t, struct slice path, int32_t version)
{
    enum err err = zk_tree_check(t, path, version);
    if (err != ERR_OK)
        return err;
    struct zk_node *node = zk_tree_find(t, path);
    if (node->parent == NULL)
        return ERR_INVALID;
    if (node->children_count > 0)
        return ERR_NOT_EMPTY;
    node_unlink(t, node);
    undo_push(t, (struct zk_undo){.type = UNDO_DELETE, .node = node});
    return ERR_OK;
}

enum err zk_tree_sequential_name(const struct zk_tree *t, const char *path, char name[ZK_PATH_MAX_BYTES + 1])
{
    const struct zk_node *parent;
    size_t len = strlen(path);
    ASSERT(len + ZK_SEQUENCE_DIGITS <= ZK_PATH_MAX_BYTES);
    // A path ending in '/' names the parent itself: the digits are the whole name then.
    if (len > 1 && path[len - 1] == '/')
        parent = zk_tree_find(t, slice_of(path, len - 1));
    else
        parent = zk_tree_find(t, len == 1 ? slice_str(path) : zk_path_parent(slice_str(path)));
    if (parent == NULL)
        return ERR_NOT_FOUND;
    snprintf(name, ZK_PATH_MAX_BYTES + 1, "%s%0*" PRId32, path, ZK_SEQUENCE_DIGITS, parent->creates);
    return ERR_OK;
}

struct zk_mark zk_tree_mark(const struct zk_tree *t)
{
    return (struct zk_mark){.undos_count = t->undos_count, .zxid = t->zxid};
}

static void undo_apply(struct zk_tree *t, const struct zk_undo *undo)
{
    struct zk_node *node = undo->node;
    switch (undo->type) {
    case UNDO_CREATE:
        node->parent->creates--;
        node_unlink(t, node);
        node_free(node);
        break;
    case UNDO_SET:
        t->bytes += (int64_t)undo->data_len - (int64_t)node->data_len;
        free(node->data);
        node->data = undo->data;
        node->data_len = undo->data_len;
        node->mzxid = undo->mzxid;
        node->mtime_ms = undo->mtime_ms;
        node->version = undo->version;
        break;
    case UNDO_DELETE:
        node_link(t, node);
        break;
    }
}

void zk_tree_rollback(struct zk_tree *t, struct zk_mark mark)
{
    while (t->undos_count > mark.undos_count)
        undo_apply(t, &t->undos[--t->undos_count]);
    t->zxid = mark.zxid;
}

void zk_tree_keep(struct zk_tree *t)
{
    for (size_t i = 0; i < t->undos_count; i++) {
        if (t->undos[i].type == UNDO_SET)
            free(t->undos[i].data);
        else if (t->undos[i].type == UNDO_DELETE)
            node_free(t->undos[i].node);
    }
    t->undos_count = 0;
}

enum err zk_tree_load(struct zk_tree *t, const struct zk_node *like, struct slice path, struct slice data)
{
    struct zk_node *old = zk_tree_find(t, path);
    struct zk_node *parent = zk_tree_find(t, zk_path_parent(path));
    bool is_root = path.len == 1;
    if (is_root ? old->children_count > 0 : old != NULL || parent == NULL || parent->ephemeral_owner != 0)
        return ERR_CORRUPT;
    if (is_root) {
        node_unlink(t, old);
        node_free(old);
    }
    struct zk_node *node = node_new(path, data);
    node->czxid = like->czxid;
    node->mzxid = like->mzxid;
    node->ctime_ms = like->ctime_ms;
    node->mtime_ms = like->mtime_ms;
    node->ephemeral_owner = like->ephemeral_owner;
    node->version = like->version;
    node->creates = like->creates;
    node->parent = parent;
    node_link(t, node);
    return ERR_OK;
}
