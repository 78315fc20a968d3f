// SPDX-License-Identifier: Apache-2.0
//
// The tree of znodes in memory: pure, no files, no clock, no watches. Versions, stats and sequence numbers are
// ZooKeeper's. Every change can be undone until it is kept, so that the journal may fail after the tree has changed
// and nobody ever reads what did not become durable.
#ifndef OTTLA_ZK_ZK_TREE_H
#define OTTLA_ZK_ZK_TREE_H

#include <sys/queue.h>

#include "base/hash.h"
#include "zk/zk.h"

#define ZK_TREE_MAX_BYTES      (256LL * 1024 * 1024) // paths, data and bookkeeping together, as in a snapshot
#define ZK_TREE_NODE_BYTES     64                    // counted for each node beside its path and data
#define ZK_TREE_MAX_EPHEMERALS 1024                  // they all go in one transaction when a session ends

struct zk_node {
    char *path;
    size_t path_len;
    uint8_t *data; // NULL = null data, which is not the same as empty
    size_t data_len;
    int64_t czxid;
    int64_t mzxid;
    int64_t ctime_ms;
    int64_t mtime_ms;
    int64_t ephemeral_owner;
    int32_t version;
    int32_t creates; // children ever created: the next sequence number
    int32_t children_count;
    struct zk_node *parent; // NULL for the root
    LIST_HEAD(, zk_node) children;
    LIST_ENTRY(zk_node) siblings;
    LIST_ENTRY(zk_node) ephemerals;
    UT_hash_handle hh;
};

struct zk_undo;

struct zk_tree {
    struct zk_node *nodes; // hash by path
    int64_t zxid;          // of the last change; the caller sets it
    int64_t bytes;         // never above bytes_max
    int64_t bytes_max;
    LIST_HEAD(, zk_node) ephemerals;
    int32_t ephemerals_count;
    struct zk_undo *undos; // newest last
    size_t undos_count;
    size_t undos_cap;
};

// What a transaction gives to all its changes.
struct zk_change {
    int64_t zxid;
    int64_t time_ms;
};

// A point to return to.
struct zk_mark {
    size_t undos_count;
    int64_t zxid;
};

// A tree with its root, which has no data.
void zk_tree_init(struct zk_tree *t);
void zk_tree_release(struct zk_tree *t);

// NULL when there is none.
struct zk_node *zk_tree_find(const struct zk_tree *t, struct slice path);
void zk_node_stat(const struct zk_node *node, struct zk_stat *out);
// Name without path, inside the node's path.
const char *zk_node_name(const struct zk_node *node);
// Names of the children, sorted, as a malloc'ed array (NULL when there are none).
const char **zk_node_children(const struct zk_node *node);

// Changes. Paths have passed zk_path_check. owner 0 = persistent. The node stays valid until the next change.
// create: ERR_NOT_FOUND (no parent), ERR_EXISTS, ERR_INVALID (parent is ephemeral), ERR_FULL.
enum err zk_tree_create(struct zk_tree *t, const struct zk_change *c, struct slice path, struct slice data,
                        int64_t owner, struct zk_node **out) WARN_UNUSED;
// ERR_NOT_FOUND, ERR_BAD_VERSION, ERR_FULL.
enum err zk_tree_set(struct zk_tree *t, const struct zk_change *c, struct slice path, struct slice data,
                     int32_t version, struct zk_node **out) WARN_UNUSED;
// ERR_NOT_FOUND, ERR_BAD_VERSION, ERR_NOT_EMPTY; ERR_INVALID for the root.
enum err zk_tree_delete(struct zk_tree *t, struct slice path, int32_t version) WARN_UNUSED;
enum err zk_tree_check(const struct zk_tree *t, struct slice path, int32_t version) WARN_UNUSED;
// The name that a sequential node gets: path and ten digits from the number of nodes its parent ever had.
// ERR_NOT_FOUND without a parent.
enum err zk_tree_sequential_name(const struct zk_tree *t, const char *path,
                                 char name[ZK_PATH_MAX_BYTES + 1]) WARN_UNUSED;

struct zk_mark zk_tree_mark(const struct zk_tree *t);
// Undoes everything since the mark, newest first.
void zk_tree_rollback(struct zk_tree *t, struct zk_mark mark);
// Makes all changes final.
void zk_tree_keep(struct zk_tree *t);

// Loading a snapshot: puts in a node with all its numbers; the parent comes before its children. The root is
// replaced. ERR_CORRUPT when the node cannot be there.
enum err zk_tree_load(struct zk_tree *t, const struct zk_node *like, struct slice path, struct slice data) WARN_UNUSED;

#endif
